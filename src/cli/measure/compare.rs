//! `fixwire measure compare`: whether one measurement is slower than another by more than chance.

use std::path::{Path, PathBuf};

use clap::Args;
use fixwire::measure::compare::{CONFIDENCE_MAX, Difference, Verdict, difference};
use fixwire::measure::tally::ns;
use serde_json::{Value, json};

use super::figures::percent;
use super::stored::{Measured, Stored, read};
use crate::cli::failure::Failure;
use crate::cli::{say, table};

/// Say whether a second measurement differs from a first by more than chance and rounding.
///
/// Reads reports of `fixwire measure capture --json` and HdrHistogram logs. For each kind of interval that both have, and each
/// percentile with ten samples beyond it, a bootstrap tells how far it may be off by chance. A difference counts if its whole
/// confidence interval is beyond what stamps and histogram round by. Ends with 1 if the second is slower at any of them, for a
/// CI to stop at, and with 2 if nothing could be compared: of too few samples, or of a model against a device.
///
///   fixwire measure compare before.json after.json
///   fixwire measure compare --confidence 99.9 --json monday.hlog tuesday.hlog
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CompareArgs {
    /// The measurement to compare with.
    #[arg(value_name = "A")]
    first: PathBuf,
    /// The one in question.
    #[arg(value_name = "B")]
    second: PathBuf,
    /// How sure to be of each percentile, in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 99.0, value_parser = confidence)]
    confidence: f64,
    /// Print the comparison as a JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn confidence(text: &str) -> Result<f64, String> {
    let percent = text.parse::<f64>().ok().filter(|of| (50.0..100.0).contains(of));
    let percent =
        percent.ok_or("no confidence; write a percentage from 50 to 99.98, such as 99")?;
    if percent > CONFIDENCE_MAX * 100.0 + 1e-9 {
        return Err("more than 10,000 draws can tell; write a percentage up to 99.98".into());
    }
    Ok(percent)
}

/// By so much the parts that two leave out may differ before a difference between them may be one of what was left out.
const SHARES_APART_MAX: f64 = 0.01;
const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)];

/// One percentile of one kind.
struct Row {
    kind: String,
    percentile: &'static str,
    /// None where too few samples lie beyond it.
    found: Option<(Difference, Verdict)>,
}

pub(crate) fn command(args: &CompareArgs) -> Result<(), Failure> {
    let (first, second) = (read(&args.first)?, read(&args.second)?);
    of_one_kind(&first, &second, args)?;
    let (first, second) = (first.all, second.all);
    let pairs = pairs(&first, &second, [&args.first, &args.second])?;
    let alone = [alone(&first, &second), alone(&second, &first)];
    let mut rows = Vec::new();
    for (a, b) in &pairs {
        for (percentile, quantile) in QUANTILES {
            let found = difference(&a.ps, &b.ps, quantile, args.confidence / 100.0);
            let found = found.map(|found| (found, found.verdict(noise_ps(a, b, &found))));
            rows.push(Row { kind: a.kind.clone(), percentile, found });
        }
    }
    say(if args.json {
        as_json(&pairs, &rows, &alone, args).to_string()
    } else {
        as_text(&pairs, &rows, &alone, args)
    });
    if rows.iter().all(|row| row.found.is_none()) {
        return Err(Failure::Input(
            "nothing was compared: no percentile has ten samples beyond it in both, which the median has of 20; measure 20 messages \
             or more of a kind with each, better thousands"
                .into(),
        ));
    }
    let is_slower = |row: &&Row| matches!(row.found, Some((_, Verdict::More)));
    let slower: Vec<_> = rows
        .iter()
        .filter(is_slower)
        .map(|row| format!("{} of {}", row.percentile, row.kind))
        .collect();
    if slower.is_empty() {
        return Ok(());
    }
    Err(Failure::run(
        format!(
            "{} is slower than {} by more than the noise: {}",
            args.second.display(),
            args.first.display(),
            slower.join(", ")
        ),
        "see the table; measure both again if the machines were not alike",
    ))
}

/// A model's figures are made of this host's time: they are no better or worse than a device's.
fn of_one_kind(first: &Stored, second: &Stored, args: &CompareArgs) -> Result<(), Failure> {
    let (model, device) = match (first.is_model, second.is_model) {
        (Some(true), Some(false)) => (&args.first, &args.second),
        (Some(false), Some(true)) => (&args.second, &args.first),
        _ => return Ok(()),
    };
    Err(Failure::Input(format!(
        "{} is of a model of a NIC, made of its host's time, and {} is not: nothing follows from a difference; compare two runs on a \
         device, or two on the model",
        model.display(),
        device.display()
    )))
}

/// The kinds that the other has not.
fn alone<'a>(of: &'a [Measured], other: &[Measured]) -> Vec<&'a str> {
    let is_alone = |of: &&Measured| other.iter().all(|other| other.kind != of.kind);
    let mut kinds: Vec<_> = of.iter().filter(is_alone).map(|of| of.kind.as_str()).collect();
    kinds.dedup();
    kinds
}

/// What the difference of two values may be wrong by: stamps of both, where that is known, and three digits.
fn noise_ps(a: &Measured, b: &Measured, found: &Difference) -> u64 {
    let stamps = [a, b].map(|of| of.noise_floor_ps.unwrap_or_default());
    let digits = a.ps.equivalent_range(found.first).max(b.ps.equivalent_range(found.second));
    stamps[0].saturating_add(stamps[1]).saturating_add(digits)
}

/// The distributions of the kinds that both have. Of two clocks in one file none is the one that is meant.
fn pairs<'a>(
    first: &'a [Measured],
    second: &'a [Measured],
    paths: [&Path; 2],
) -> Result<Vec<(&'a Measured, &'a Measured)>, Failure> {
    let mut pairs = Vec::new();
    for a in first {
        for (of, path) in [(first, paths[0]), (second, paths[1])] {
            if of.iter().filter(|other| other.kind == a.kind).count() > 1 {
                return Err(Failure::Input(format!(
                    "{} has {} by several clocks, which are not compared with each other; measure the files of one clock by \
                     themselves",
                    path.display(),
                    a.kind
                )));
            }
        }
        pairs.extend(second.iter().find(|b| b.kind == a.kind).map(|b| (a, b)));
    }
    if pairs.is_empty() {
        let kinds = |of: &[Measured]| {
            let kinds: Vec<_> = of.iter().map(|of| of.kind.clone()).collect();
            if kinds.is_empty() { "none".into() } else { kinds.join(", ") }
        };
        return Err(Failure::Input(format!(
            "the two have no kind of interval in common: {} has {}, {} has {}",
            paths[0].display(),
            kinds(first),
            paths[1].display(),
            kinds(second)
        )));
    }
    Ok(pairs)
}

pub(super) fn in_words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::More => "slower",
        Verdict::Less => "faster",
        Verdict::Same => "within the noise",
    }
}

/// With its sign.
pub(super) fn signed(ps: i64) -> String {
    let sign = if ps < 0 { "-" } else { "+" };
    format!("{sign}{}", ns(ps.unsigned_abs().into()))
}

fn as_text(
    pairs: &[(&Measured, &Measured)],
    rows: &[Row],
    alone: &[Vec<&str>; 2],
    args: &CompareArgs,
) -> String {
    let interval = format!("{} % interval", args.confidence);
    let header = ["interval", "percentile", "A", "B", "B - A", interval.as_str(), "B is"];
    let rows = rows.iter().map(|row| {
        let mut cells = vec![row.kind.clone(), row.percentile.into()];
        cells.extend(match &row.found {
            None => ["-", "-", "-", "-", "of too few samples"].map(String::from),
            Some((found, verdict)) => [
                ns(found.first.into()),
                ns(found.second.into()),
                signed(found.apart()),
                format!("{} to {}", signed(found.from), signed(found.to)),
                in_words(*verdict).into(),
            ],
        });
        cells
    });
    let mut text = format!("A: {}\nB: {}\n", args.first.display(), args.second.display());
    text += &table::rows(&header, rows);
    for (a, b) in pairs {
        text += &format!("\n{}: {} samples in A, {} in B", a.kind, a.ps.len(), b.ps.len());
        for (which, of) in [("A", a), ("B", b)] {
            text += &match of.noise_floor_ps {
                Some(ps) => format!("; stamps of {which} round by up to {}", ns(ps.into())),
                None => format!(
                    "; what stamps of {which} round by it does not say: that is not taken into account"
                ),
            };
        }
        text += &excluded(a, b);
        if let (Some(of_a), Some(of_b)) = (&a.clock, &b.clock)
            && of_a != of_b
        {
            text += &format!("\n{}: other clocks: A by {of_a}, B by {of_b}", a.kind);
        }
    }
    for (which, kinds) in ["A", "B"].iter().zip(alone) {
        if !kinds.is_empty() {
            text += &format!("\n{which} alone has {}: compared with nothing", kinds.join(", "));
        }
    }
    text
}

/// What parts of their kind both leave out, where it is known.
fn excluded(a: &Measured, b: &Measured) -> String {
    let (Some(of_a), Some(of_b)) = (a.excluded_share, b.excluded_share) else {
        return String::new();
    };
    let mut words = format!("; excluded {} in A, {} in B", percent(of_a), percent(of_b));
    if (of_a - of_b).abs() > SHARES_APART_MAX {
        words += ": a difference may come of what is left out";
    }
    words
}

fn as_json(
    pairs: &[(&Measured, &Measured)],
    rows: &[Row],
    [only_in_a, only_in_b]: &[Vec<&str>; 2],
    args: &CompareArgs,
) -> Value {
    let ns = |ps: i64| ps as f64 / 1_000.0;
    let of = |row: &Row| {
        let (a, b) = *pairs.iter().find(|(a, _)| a.kind == row.kind)?;
        let mut object = json!({
            "kind": row.kind,
            "percentile": row.percentile,
            "samples_a": a.ps.len(),
            "samples_b": b.ps.len(),
            "clock_a": a.clock,
            "clock_b": b.clock,
            // Where it is not known it is not in `noise_ns` either.
            "noise_floor_a_ns": a.noise_floor_ps.map(|ps| ps as f64 / 1_000.0),
            "noise_floor_b_ns": b.noise_floor_ps.map(|ps| ps as f64 / 1_000.0),
            "excluded_share_a": a.excluded_share,
            "excluded_share_b": b.excluded_share,
        });
        let verdict = row.found.map_or("too few samples", |(_, verdict)| in_words(verdict));
        object["verdict"] = verdict.into();
        if let Some((found, _)) = row.found {
            object["a_ns"] = ns(found.first as i64).into();
            object["b_ns"] = ns(found.second as i64).into();
            object["difference_ns"] = ns(found.apart()).into();
            object["from_ns"] = ns(found.from).into();
            object["to_ns"] = ns(found.to).into();
            object["noise_ns"] = ns(noise_ps(a, b, &found) as i64).into();
        }
        Some(object)
    };
    json!({
        "a": args.first.display().to_string(),
        "b": args.second.display().to_string(),
        "confidence_percent": args.confidence,
        "comparisons": rows.iter().filter_map(of).collect::<Vec<_>>(),
        "only_in_a": only_in_a,
        "only_in_b": only_in_b,
    })
}
