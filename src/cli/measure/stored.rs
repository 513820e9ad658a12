//! Distributions that were stored: in reports, and in HdrHistogram logs.

use std::io::Cursor;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fixwire::measure::tally::Types;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde_json::Value;

use crate::cli::failure::Failure;

/// A distribution of one kind by one clock.
pub(super) struct Stored {
    pub(super) kind: String,
    /// In picoseconds.
    pub(super) ps: Histogram<u64>,
    /// Where it is known.
    pub(super) noise_floor_ps: Option<u64>,
}

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

/// What a file has.
pub(super) fn read(path: &Path) -> Result<Vec<Stored>, Failure> {
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

fn of_report(bytes: &[u8]) -> Result<Vec<Stored>, String> {
    let report: Value = serde_json::from_slice(bytes).map_err(|why| why.to_string())?;
    let intervals = report["intervals"].as_array().ok_or("it has no \"intervals\"")?;
    let of = |interval: &Value| {
        let text =
            |key: &str| interval[key].as_str().ok_or_else(|| format!("an interval has no {key:?}"));
        let floor_ns = interval["noise_floor_ns"].as_f64();
        Ok(Stored {
            kind: match (interval["trigger_type"].as_str(), interval["order_type"].as_str()) {
                (None, _) => text("kind")?.into(),
                (Some(trigger), None) => of_types(text("kind")?, trigger),
                (Some(trigger), Some(order)) => {
                    of_types(text("kind")?, &format!("{trigger}>{order}"))
                }
            },
            ps: decoded(text("histogram_ps")?)?,
            noise_floor_ps: floor_ns.map(|ns| (ns * 1_000.0).round() as u64),
        })
    };
    intervals.iter().map(of).collect()
}

/// A log's tags are kinds, with a number behind them; lines of one tag are parts of one distribution.
fn of_log(bytes: &[u8]) -> Result<Vec<Stored>, String> {
    let mut all: Vec<(String, Stored)> = Vec::new();
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
                let kind = tag.rsplit_once('-').map_or(&tag[..], |(kind, _)| kind).to_owned();
                all.push((tag, Stored { kind, ps, noise_floor_ps: None }));
            }
        }
    }
    if all.is_empty() {
        return Err("there is no distribution in it".into());
    }
    Ok(all.into_iter().map(|(_, stored)| stored).collect())
}
