//! Distributions that were stored: in reports, and in HdrHistogram logs.

use std::io::Cursor;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fixwire::measure::tally::{Distribution, Types};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde_json::Value;

use crate::cli::failure::Failure;

/// What a file has.
pub(super) struct Stored {
    pub(super) all: Vec<Measured>,
    /// Whether the device was a model, where the file says it.
    pub(super) is_model: Option<bool>,
}

/// A distribution of one kind by one clock.
pub(super) struct Measured {
    pub(super) kind: String,
    /// By whose clock, where it is known.
    pub(super) clock: Option<String>,
    /// In picoseconds.
    pub(super) ps: Histogram<u64>,
    /// Where it is known.
    pub(super) noise_floor_ps: Option<u64>,
    /// The part of its kind's intervals that is in no figure, where it is known.
    pub(super) excluded_share: Option<f64>,
}

/// How a log says in a comment what its values are, behind who wrote it: HdrHistogram's format has no word for that.
pub(super) const VALUES: &str = ": values are picoseconds";

/// How a log says in a comment what the device was.
pub(super) fn device(is_model: bool) -> &'static str {
    if is_model { "the device is a model" } else { "the device is no model" }
}

/// How a log says in a comment what its line of this number is of.
pub(super) fn line_is_of(number: usize, of: &Distribution) -> String {
    format!("{number}: {}, by {}, {}", of.title(), of.domain.clock, of.domain.scale)
}

/// How a log says in a comment what the intervals of its line of this number may be wrong by.
pub(super) fn noise_of(number: usize, of: &Distribution) -> String {
    format!("{number}{NOISE}{} ps", of.noise_floor_ps())
}

const NOISE: &str = ": noise floor ";

/// What is compared with what: a kind, and the message types where they are told apart. Without commas and blanks, so
/// that it is a tag as well.
pub(super) fn kind(name: &str, types: Option<Types>) -> String {
    match types {
        None => name.to_owned(),
        Some(types) => of_types(name, &types.to_string()),
    }
}

fn of_types(name: &str, types: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '>';
    let types: String = types.chars().map(|of| if is_plain(of) { of } else { '_' }).collect();
    format!("{name}:{types}")
}

/// As a string that HdrHistogram's tools read, and [`read`] does.
pub(super) fn encoded(ps: &Histogram<u64>) -> Option<String> {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(ps, &mut bytes).ok()?;
    Some(STANDARD.encode(bytes))
}

pub(super) fn decoded(text: &str) -> Result<Histogram<u64>, String> {
    let bytes =
        STANDARD.decode(text).map_err(|why| format!("a histogram is not in base64: {why}"))?;
    let read = Deserializer::new().deserialize(&mut Cursor::new(bytes));
    read.map_err(|why| format!("a histogram cannot be read: {why}"))
}

/// Reads a file.
pub(super) fn read(path: &Path) -> Result<Stored, Failure> {
    let shown = path.display();
    let bytes = std::fs::read(path).map_err(|error| {
        Failure::Input(format!(
            "{shown} cannot be read: {error}; name a report of `fixwire measure capture --json` or of `fixwire run --measure-json`, or a histogram log of theirs"
        ))
    })?;
    let is_report = bytes.trim_ascii_start().first() == Some(&b'{');
    let read = if is_report { of_report(&bytes) } else { of_log(&bytes) };
    read.map_err(|why| {
        Failure::Input(format!(
            "{shown}: {why}; name a report of `fixwire measure capture --json` or of `fixwire run --measure-json`, or a histogram log of theirs"
        ))
    })
}

fn of_report(bytes: &[u8]) -> Result<Stored, String> {
    let report: Value = serde_json::from_slice(bytes).map_err(|why| why.to_string())?;
    let intervals = report["intervals"].as_array().ok_or("it has no \"intervals\"")?;
    let of = |interval: &Value| {
        let text =
            |key: &str| interval[key].as_str().ok_or_else(|| format!("an interval has no {key:?}"));
        let floor_ns = interval["noise_floor_ns"].as_f64();
        Ok(Measured {
            kind: match (interval["trigger_type"].as_str(), interval["order_type"].as_str()) {
                (None, _) => text("kind")?.into(),
                (Some(trigger), None) => of_types(text("kind")?, trigger),
                (Some(trigger), Some(order)) => {
                    of_types(text("kind")?, &format!("{trigger}>{order}"))
                }
            },
            clock: interval["clock"].as_str().map(str::to_owned),
            ps: decoded(text("histogram_ps")?)?,
            noise_floor_ps: floor_ns.map(|ns| (ns * 1_000.0).round() as u64),
            excluded_share: interval["excluded_share"].as_f64(),
        })
    };
    let all = intervals.iter().map(of).collect::<Result<_, String>>()?;
    Ok(Stored { all, is_model: report["is_model"].as_bool() })
}

/// A log of ours. Its tags are kinds, with a number behind them; lines of one tag are parts of one distribution.
fn of_log(bytes: &[u8]) -> Result<Stored, String> {
    let mut all: Vec<(String, Measured)> = Vec::new();
    for entry in IntervalLogIterator::new(bytes) {
        let of = match entry {
            Ok(LogEntry::Interval(of)) => of,
            Ok(_) => continue,
            Err(_) => return Err("it is no HdrHistogram log".into()),
        };
        let tag: String = of.tag().map_or_else(|| "untagged".into(), |tag| tag.as_str().to_owned());
        let ps = decoded(of.encoded_histogram())?;
        match all.iter_mut().find(|(known, _)| *known == tag) {
            Some((_, stored)) => {
                stored.ps.add(&ps).map_err(|_| format!("lines of {tag} have different ranges"))?;
            }
            None => {
                let (kind, number) = tag.rsplit_once('-').unwrap_or((&tag, ""));
                let (kind, clock) = (kind.to_owned(), clock(bytes, number));
                let (noise_floor_ps, excluded_share) = (noise_floor_ps(bytes, number), None);
                all.push((tag, Measured { kind, clock, ps, noise_floor_ps, excluded_share }));
            }
        }
    }
    if !comments(bytes).any(|said| said.ends_with(VALUES)) {
        return Err(format!(
            "it is no log of fixwire's: nothing in it says what its values are, where ours have a comment that ends in {VALUES:?}"
        ));
    }
    if all.is_empty() {
        return Err("there is no distribution in it".into());
    }
    let is_model =
        [true, false].into_iter().find(|of| comments(bytes).any(|said| said == device(*of)));
    Ok(Stored { all: all.into_iter().map(|(_, of)| of).collect(), is_model })
}

/// Whose clock a log says that its lines of this number are by: see [`line_is_of`].
fn clock(log: &[u8], number: &str) -> Option<String> {
    let is_of = |said: &&str| said.split_once(": ").is_some_and(|(of, _)| of == number);
    let (_, by) = comments(log).find(is_of)?.rsplit_once(", by ")?;
    Some(by.rsplit_once(", ")?.0.to_owned())
}

/// What a log says that its lines of this number may be wrong by: see [`noise_of`].
fn noise_floor_ps(log: &[u8], number: &str) -> Option<u64> {
    let of = |said: &str| {
        let (of, floor) = said.split_once(NOISE)?;
        (of == number).then(|| floor.strip_suffix(" ps")?.parse().ok())?
    };
    comments(log).find_map(of)
}

fn comments(log: &[u8]) -> impl Iterator<Item = &str> {
    let lines = log.split(|byte| *byte == b'\n');
    lines.filter_map(|line| str::from_utf8(line.strip_prefix(b"#")?).ok())
}
