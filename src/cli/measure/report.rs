//! What was measured, for people and for machines, and what keeps it from being a figure.

use std::fmt::Write;

use fixwire::measure::pairs::{Counts, Early, FirstData, Matcher, NotTcp, Reason};
use fixwire::measure::stamp::Clock;
use fixwire::measure::tally::{Kind, Tally, ns};
use serde_json::{Map, Value, json};

use super::figures::Figures;
use super::inputs::{Input, Inputs};
use crate::cli::failure::Failure;

/// What a capture led to.
pub(super) struct Report<'a> {
    pub(super) inputs: &'a Inputs,
    pub(super) matcher: &'a Matcher,
    pub(super) tally: &'a Tally,
}

impl Report<'_> {
    pub(super) fn figures(&self) -> Figures<'_> {
        Figures { tally: self.tally, kinds: &Kind::ALL, reasons: &Reason::ALL }
    }

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
        out += &self.figures().text();
        for note in self.notes() {
            let _ = writeln!(out, "{note}");
        }
        out.trim_end().into()
    }

    pub(super) fn json(&self) -> Value {
        let counts = self.matcher.counts();
        let (connections, given_way) = self.matcher.connections();
        let not_tcp: Map<String, Value> = NotTcp::ALL
            .into_iter()
            .map(|what| (what.name().into(), counts.not_tcp[what as usize].into()))
            .collect();
        json!({
            "files": self.inputs.files().iter().map(file_json).collect::<Vec<_>>(),
            "intervals": self.figures().intervals_json(),
            "excluded": self.figures().excluded_json(),
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
        let mut notes = self.of_figures(counts);
        for file in self.inputs.files() {
            notes.extend(of_file(file));
        }
        notes.extend(not_tcp(counts));
        let given_way = self.matcher.connections().1;
        notes.extend(of_streams(counts, given_way));
        notes.extend(of_clocks_that_disagree(counts));
        notes
    }

    /// Why there is no figure, or none of some intervals.
    fn of_figures(&self, counts: &Counts) -> Vec<String> {
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
        notes
    }
}

/// What a file's frames and stamps are not.
fn of_file(file: &Input) -> Vec<String> {
    let (name, told) = (&file.name, &file.told);
    let backwards = format!(
        "frames are stamped before the one in front of them, by {} at the most: the clock was set back, or frames were written in \
         another order",
        ns(told.backwards_most.as_ps())
    );
    let mut notes: Vec<String> = counted([
        (
            told.unstamped,
            "frames have no stamp where the others have one: their times are not used",
        ),
        (
            told.degraded,
            "stamps set aside that the device calls degraded: its clock was not synchronized well",
        ),
        (told.duplicate, "frames set aside that the device saw before"),
        (told.bad_fcs, "frames set aside whose check sequence was wrong"),
        (told.backwards, backwards.as_str()),
    ])
    .map(|note| format!("{name}: {note}"))
    .collect();
    if file.skips().total() > 0 {
        notes.push(format!("{name}: passed over: {}", file.skips()));
    }
    notes
}

/// What TCP streams lack, or have twice.
fn of_streams(counts: &Counts, given_way: u64) -> impl Iterator<Item = String> {
    counted([
        (counts.gaps, "gaps in TCP streams: the capture lacks frames"),
        (counts.damaged, "places in TCP streams where bytes behind a message are none"),
        (
            counts.sent_again,
            "segments with bytes that came before: retransmitted, or captured twice",
        ),
        (
            counts.acknowledged_early.in_one_file,
            "segments come behind their acknowledgement in one file: its frames are not in the order of the wire",
        ),
        (given_way, "connections were let go of for others: more than 4,096 at once"),
    ])
}

fn of_clocks_that_disagree(counts: &Counts) -> Option<String> {
    let Early { between_files, most: Some((behind, by, segment)), .. } = counts.acknowledged_early
    else {
        return None;
    };
    Some(format!(
        "the clocks of the files disagree: file {} acknowledges {between_files} segments of file {} before they are sent, by {} at \
         the most",
        by + 1,
        segment + 1,
        ns(behind.as_ps())
    ))
}

/// Those that there were, with their number.
fn counted<'a>(all: impl IntoIterator<Item = (u64, &'a str)>) -> impl Iterator<Item = String> {
    let were = all.into_iter().filter(|(count, _)| *count > 0);
    were.map(|(count, words)| format!("{count} {words}"))
}

/// What was no TCP, in clauses.
fn not_tcp(counts: &Counts) -> impl Iterator<Item = String> {
    let counted = NotTcp::ALL.into_iter().map(|what| (counts.not_tcp[what as usize], what));
    counted
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} frames are {what}"))
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
