//! What was measured, for people and for machines, and what keeps it from being a figure.

use std::fmt::Write;

use fixwire::measure::capture::AboutInterface;
use fixwire::measure::pairs::{Ahead, Counts, FirstData, Mark, Matcher, NotTcp, Reason, Trader};
use fixwire::measure::stamp::{Clock, Incomparable};
use fixwire::measure::tally::{Kind, Tally, ns};
use serde_json::{Map, Value, json};

use super::figures::Figures;
use super::inputs::{Input, Inputs};
use super::own;
use crate::cli::failure::Failure;

/// What a capture led to.
pub(super) struct Report<'a> {
    pub(super) inputs: &'a Inputs,
    pub(super) matcher: &'a Matcher,
    pub(super) tally: &'a Tally,
    /// Whose orders alone were asked for, if anybody's.
    pub(super) from: &'a [Trader],
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
        let early = counts.acknowledged_early.by_one_clock;
        let Some(Ahead { span, by, segment }) = early.most else { return Ok(()) };
        let is_one_clock = self.inputs.files().iter().any(|file| file.terms.is_one_clock);
        let are_files = by.place.file != segment.place.file;
        if !(are_files || is_one_clock) {
            return Ok(());
        }
        let name = |mark: Mark| {
            let file = &self.inputs.files()[mark.place.file as usize].name;
            match mark.stamp {
                Ok(stamp) if !are_files => format!("interface {} of {file}", stamp.port),
                _ => file.clone(),
            }
        };
        let by_device = by.stamp.ok().map(|stamp| stamp.domain.clock);
        let by_device = by_device.filter(|clock| !matches!(clock, Clock::Recorder { .. }));
        let what = if are_files { "files" } else { "interfaces" };
        let (what, remedy) = match by_device {
            None => (
                format!("the {what} were not recorded by one clock"),
                "leave --one-clock away, or record both directions by one clock",
            ),
            Some(clock) => (
                format!("the files were not stamped by one device, though both name {clock}"),
                "measure each file by itself, and give each device a number of its own",
            ),
        };
        Err(Failure::run(
            format!(
                "{what}: {} acknowledges {} segments of {} before they are sent, by {} in one case, so that no interval between \
                 them is right",
                name(by),
                early.segments,
                name(segment),
                ns(span.as_ps())
            ),
            remedy,
        ))
    }

    /// Whether the device was a model, where a capture of our own says so.
    pub(super) fn is_model(&self) -> Option<bool> {
        own::is_model(self.inputs.files())
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
            "orders_behind_unseen": counts.behind_unseen,
            "orders_of_others": counts.of_others,
            "frames_without_tcp": not_tcp,
            "is_model": self.is_model(),
            "notes": self.notes(),
        })
    }

    /// What a reader of the figures should know, in sentences.
    pub(super) fn notes(&self) -> Vec<String> {
        let counts = self.matcher.counts();
        let mut notes = self.of_figures(counts);
        notes.extend(self.of_traders(counts));
        notes.extend(self.figures().bunched());
        for file in self.inputs.files() {
            notes.extend(of_file(file));
            notes.extend(own::notes(file));
        }
        notes.extend(not_tcp(counts));
        let given_way = self.matcher.connections().1;
        notes.extend(of_streams(counts, given_way));
        notes.extend(of_clocks_that_disagree(counts));
        notes
    }

    /// Whose orders these figures are of, where that is not plain.
    fn of_traders(&self, counts: &Counts) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some([one, other]) = counts.both_trade.filter(|_| self.from.is_empty()) {
            notes.push(format!(
                "both ends of a connection send orders that have a trigger, {one} and {other}, and these figures are of both: --from {} or \
                 --from {} measures the orders of one of them",
                one.addr, other.addr
            ));
        }
        if counts.of_others > 0 {
            let from: Vec<_> = self.from.iter().map(ToString::to_string).collect();
            notes.push(format!(
                "{} orders were sent by others than {}, and are in no figure",
                counts.of_others,
                from.join(", ")
            ));
        }
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
            notes.push(format!(
                "intervals between two clocks are no figures: {why}{}",
                remedy(&why)
            ));
        }
        if let Some((clock, intervals)) = self.tally.across_files() {
            notes.push(format!(
                "{intervals} intervals lie between two files whose frames both name {clock}, and two devices that say the same of \
                 themselves are taken for one: if there were two, measure each file by itself"
            ));
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

/// What to do where stamps have no difference.
fn remedy(why: &Incomparable) -> &'static str {
    match why {
        Incomparable::Clocks(Clock::Recorder { file, .. }, Clock::Recorder { file: other, .. })
            if file == other =>
        {
            "; if one clock recorded both interfaces, say so by --one-clock"
        }
        Incomparable::Clocks(Clock::Recorder { .. }, Clock::Recorder { .. }) => {
            "; if one clock recorded both files, say so by --one-clock"
        }
        Incomparable::Clocks(
            Clock::Recorder { .. } | Clock::Merged { .. },
            Clock::Recorder { .. } | Clock::Merged { .. },
        )
        | Incomparable::Merged { .. } => {
            "; name the files that were merged instead, or say by --one-clock that one clock recorded them all"
        }
        Incomparable::Clocks(..) | Incomparable::Timescales(..) => "",
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
    let joined = format!(
        "frames are longer than one that passes an Ethernet: several segments that were joined, or not parted yet, with one stamp; what \
         they carry is excluded as {}; record with `ethtool -K IFNAME gro off lro off tso off gso off`, or say by --jumbo that the network \
         has such frames",
        Reason::Joined.name()
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
        (told.joined, joined.as_str()),
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
        (
            counts.behind_unseen,
            "orders in these figures come behind messages that the capture does not have, without a pause of a second since: had \
             those still been waiting, each of these orders would be the answer to an earlier message",
        ),
        (given_way, "connections were let go of for others: more than 4,096 at once"),
    ])
}

fn of_clocks_that_disagree(counts: &Counts) -> Option<String> {
    let early = counts.acknowledged_early.between;
    let Ahead { span, by, segment } = early.most?;
    let are_files = by.place.file != segment.place.file;
    let place = |mark: Mark| {
        let file = mark.place.file + 1;
        match mark.stamp {
            Ok(stamp) if !are_files => format!("interface {} of file {file}", stamp.port),
            _ => format!("file {file}"),
        }
    };
    Some(format!(
        "the clocks of the {} disagree: {} acknowledges {} segments of {} before they are sent, by {} at the most",
        if are_files { "files" } else { "interfaces" },
        place(by),
        early.segments,
        place(segment),
        ns(span.as_ps())
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
        "interfaces": file.about().map(|about| about.interfaces.iter().map(interface_json).collect::<Vec<_>>()),
        "first": told.first.map(|at| at.to_string()),
        "last": told.last.map(|at| at.to_string()),
        "passed_over": file.skips().total(),
        "passed_over_why": file.skips().to_string(),
        "stamps_degraded": told.degraded,
        "frames_duplicate": told.duplicate,
        "frames_bad_fcs": told.bad_fcs,
        "frames_joined": told.joined,
        "frames_unstamped": told.unstamped,
        "frames_backwards": told.backwards,
    })
}

fn interface_json(of: &AboutInterface) -> Value {
    json!({ "name": of.name, "description": of.description, "statistics": of.statistics })
}
