//! What was measured, for people and for machines, and what keeps it from being a figure.

use std::fmt::Write;

use fixwire::measure::pairs::{Counts, Early, FirstData, Matcher, NotTcp, Reason};
use fixwire::measure::stamp::Clock;
use fixwire::measure::tally::{DIGITS, Distribution, Kind, Tally, ns};
use serde_json::{Map, Value, json};

use super::inputs::{Input, Inputs};
use super::stored::encoded;
use crate::cli::failure::Failure;
use crate::cli::table;

/// What a capture led to.
pub(super) struct Report<'a> {
    pub(super) inputs: &'a Inputs,
    pub(super) matcher: &'a Matcher,
    pub(super) tally: &'a Tally,
}

/// The points of a distribution that are shown.
pub(super) const QUANTILES: [(&str, &str, f64); 5] = [
    ("p50", "p50_ns", 0.5),
    ("p90", "p90_ns", 0.9),
    ("p99", "p99_ns", 0.99),
    ("p99.9", "p999_ns", 0.999),
    ("p99.99", "p9999_ns", 0.9999),
];
const PS_PER_NS: u64 = 1_000;

impl Report<'_> {
    /// Whether there is a figure at all.
    pub(super) fn usable(&self) -> Result<(), Failure> {
        let counts = self.matcher.counts();
        if counts.messages == 0 {
            return Err(Failure::run(
                self.no_fix(counts),
                "name a capture of an unencrypted FIX session",
            ));
        }
        let is_one_clock = self.inputs.files().iter().any(|file| file.is_one_clock);
        let Early { between_files, most: Some((behind, by, segment)), .. } =
            counts.acknowledged_early
        else {
            return Ok(());
        };
        if !is_one_clock {
            return Ok(());
        }
        let name = |file: u32| &self.inputs.files()[file as usize].name;
        Err(Failure::run(
            format!(
                "the files were not recorded by one clock: {} acknowledges {between_files} segments of {} before they are \
                 sent, by {} in one case, so that no interval between them is right",
                name(by),
                name(segment),
                ns(behind.as_ps())
            ),
            "leave --one-clock away, or record both directions by one clock",
        ))
    }

    /// What there is instead of FIX.
    fn no_fix(&self, counts: &Counts) -> String {
        let frames: u64 = self.inputs.files().iter().map(Input::frames).sum();
        let mut words = format!("there is no FIX message in {frames} frames");
        if let Some(FirstData { from, to, bytes }) = counts.first_data {
            let what = match bytes {
                [0x16, 3, ..] => "TLS: what is in it cannot be read".into(),
                [b'G', b'E', b'T', b' ', ..] | [b'P', b'O', b'S', b'T', ..] => "HTTP".into(),
                [b'8', b'=', b'F', b'I', b'X', ..] => "like FIX, but no message is whole".into(),
                bytes => {
                    let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                    format!("with {}", hex.join(" "))
                }
            };
            let _ = write!(words, "; from {from} to {to} a connection begins {what}");
        }
        for clause in not_tcp(counts) {
            let _ = write!(words, "; {clause}");
        }
        words
    }

    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        for (number, file) in (1..).zip(self.inputs.files()) {
            let _ = writeln!(
                out,
                "file {number}: {}, {} frames; {}",
                file.name,
                file.frames(),
                file.stamps
            );
        }
        let all = self.tally.distributions();
        if !all.is_empty() {
            let header =
                ["latency, ns", "p50", "p90", "p99", "p99.9", "p99.99", "max", "samples", "clock"];
            let rows = (1..).zip(all).map(|(number, of)| {
                let mut row = vec![format!("{number} {}", of.kind)];
                row.extend(QUANTILES.map(|(_, _, quantile)| shown(of, of.quantile_ps(quantile))));
                row.extend([
                    shown(of, of.max_ps()),
                    of.ps.len().to_string(),
                    format!("{}, {}", short(of.domain.clock), of.domain.scale),
                ]);
                row
            });
            let _ = writeln!(out, "{}", table::rows(&header, rows));
        }
        for (number, of) in (1..).zip(all) {
            let [from, to] = of.kind.points();
            let _ = writeln!(
                out,
                "{number} {}: from {from} to {to}\n  by {}, {}; noise floor {}: {}",
                of.kind,
                of.domain.clock,
                of.domain.scale,
                ns(of.noise_floor_ps().into()),
                of.error_bound()
            );
        }
        for kind in Kind::ALL {
            let excluded = self.tally.excluded_in_all(kind);
            if excluded > 0 {
                let _ = writeln!(out, "{kind}: {excluded} excluded");
            }
            for reason in Reason::ALL {
                let count = self.tally.excluded(kind, reason);
                if count > 0 {
                    let _ = writeln!(out, "  {count} {}: {reason}", reason.name());
                }
            }
        }
        for note in self.notes() {
            let _ = writeln!(out, "{note}");
        }
        out.trim_end().into()
    }

    pub(super) fn json(&self) -> Value {
        let counts = self.matcher.counts();
        let (connections, given_way) = self.matcher.connections();
        let by_reason = |kind| -> Map<String, Value> {
            let of =
                |reason: Reason| (reason.name().into(), self.tally.excluded(kind, reason).into());
            Reason::ALL.into_iter().map(of).collect()
        };
        let excluded: Map<_, _> = Kind::ALL
            .into_iter()
            .map(|kind| (kind.name().into(), by_reason(kind).into()))
            .collect();
        let not_tcp: Map<String, Value> = NotTcp::ALL
            .into_iter()
            .map(|what| (what.name().into(), counts.not_tcp[what as usize].into()))
            .collect();
        json!({
            "files": self.inputs.files().iter().map(file_json).collect::<Vec<_>>(),
            "intervals": self.tally.distributions().iter().map(interval_json).collect::<Vec<_>>(),
            "excluded": excluded,
            "messages": counts.messages,
            "connections": connections,
            "connections_given_way": given_way,
            "segments": counts.segments,
            "segments_sent_again": counts.sent_again,
            "gaps": counts.gaps,
            "damaged": counts.damaged,
            "frames_without_tcp": not_tcp,
            "notes": self.notes(),
        })
    }

    /// What a reader of the figures should know, in sentences.
    pub(super) fn notes(&self) -> Vec<String> {
        let counts = self.matcher.counts();
        let mut notes = Vec::new();
        if self.tally.distributions().is_empty() {
            notes.push(format!(
                "there is no figure: of {} messages none is an order whose trigger, or an answer whose order, can be told with \
                 stamps of one clock",
                counts.messages
            ));
        }
        if let Some(why) = self.tally.incomparable() {
            let remedy = match why {
                fixwire::measure::stamp::Incomparable::Clocks(
                    Clock::Recorder { .. },
                    Clock::Recorder { .. },
                ) => "; if one clock recorded both files, say so by --one-clock",
                _ => "",
            };
            notes.push(format!("intervals between two clocks are no figures: {why}{remedy}"));
        }
        if self.tally.beyond() > 0 {
            notes.push(format!(
                "there are too many clocks: {} intervals by further ones are in no figure",
                self.tally.beyond()
            ));
        }
        for file in self.inputs.files() {
            let (name, told) = (&file.name, &file.told);
            let mut note = |count: u64, words: &str| {
                if count > 0 {
                    notes.push(format!("{name}: {count} {words}"));
                }
            };
            note(
                told.unstamped,
                "frames have no stamp where the others have one: their times are not used",
            );
            note(
                told.degraded,
                "stamps set aside that the device calls degraded: its clock was not synchronized well",
            );
            note(told.duplicate, "frames set aside that the device saw before");
            note(told.bad_fcs, "frames set aside whose check sequence was wrong");
            let words = format!(
                "frames are stamped before the one in front of them, by {} at the most: the clock was set back, or frames were \
                 written in another order",
                ns(told.backwards_most.as_ps())
            );
            note(told.backwards, &words);
            if file.skips().total() > 0 {
                notes.push(format!("{name}: passed over: {}", file.skips()));
            }
        }
        notes.extend(not_tcp(counts));
        let mut note = |count: u64, words: &str| {
            if count > 0 {
                notes.push(format!("{count} {words}"));
            }
        };
        note(counts.gaps, "gaps in TCP streams: the capture lacks frames");
        note(counts.damaged, "places in TCP streams where bytes behind a message are none");
        note(
            counts.sent_again,
            "segments with bytes that came before: retransmitted, or captured twice",
        );
        note(
            counts.acknowledged_early.in_one_file,
            "segments come behind their acknowledgement in one file: its frames are not in the order of the wire",
        );
        note(
            self.matcher.connections().1,
            "connections were let go of for others: more than 4,096 at once",
        );
        if let Early { between_files, most: Some((behind, by, segment)), .. } =
            counts.acknowledged_early
        {
            notes.push(format!(
                "the clocks of the files disagree: file {} acknowledges {between_files} segments of file {} before they are sent, \
                 by {} at the most",
                by + 1,
                segment + 1,
                ns(behind.as_ps())
            ));
        }
        notes
    }
}

/// What was no TCP, in clauses.
fn not_tcp(counts: &Counts) -> impl Iterator<Item = String> {
    let counted = NotTcp::ALL.into_iter().map(|what| (counts.not_tcp[what as usize], what));
    counted
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} frames are {what}"))
}

fn interval_json(of: &Distribution) -> Value {
    let ns = |ps: u64| ps as f64 / PS_PER_NS as f64;
    let [from, to] = of.kind.points();
    let mut object = json!({
        "kind": of.kind.name(),
        "from": from,
        "to": to,
        "clock": of.domain.clock.to_string(),
        "timescale": of.domain.scale.to_string(),
        "samples": of.ps.len(),
        "min_ns": ns(of.ps.min()),
        "mean_ns": of.ps.mean() / PS_PER_NS as f64,
        "max_ns": ns(of.max_ps()),
        "noise_floor_ns": ns(of.noise_floor_ps()),
        "error_bound": of.error_bound(),
        "significant_digits": DIGITS,
        "histogram_ps": encoded(&of.ps),
        "first": of.begin.time.to_string(),
        "last": of.end.time.to_string(),
    });
    for (_, name, quantile) in QUANTILES {
        object[name] = ns(of.quantile_ps(quantile)).into();
    }
    object
}

fn file_json(file: &Input) -> Value {
    let told = &file.told;
    json!({
        "name": file.name,
        "frames": file.frames(),
        "stamps": file.stamps,
        "first": told.first.map(|at| at.to_string()),
        "last": told.last.map(|at| at.to_string()),
        "passed_over": file.skips().total(),
        "passed_over_why": file.skips().to_string(),
        "stamps_degraded": told.degraded,
        "frames_duplicate": told.duplicate,
        "frames_bad_fcs": told.bad_fcs,
        "frames_unstamped": told.unstamped,
        "frames_backwards": told.backwards,
    })
}

/// With the digits that stamps have.
fn shown(of: &Distribution, ps: u64) -> String {
    if of.noise_floor_ps() < PS_PER_NS {
        format!("{}.{:03}", ps / PS_PER_NS, ps % PS_PER_NS)
    } else {
        ((ps + PS_PER_NS / 2) / PS_PER_NS).to_string()
    }
}

fn short(clock: Clock) -> String {
    match clock {
        Clock::Recorder { file } => format!("file {}", file + 1),
        Clock::Metamako { device } => format!("Metamako {device}"),
        Clock::Exablaze { device } => format!("Exablaze {device}"),
        Clock::Arista7280 => "Arista 7280".into(),
    }
}
