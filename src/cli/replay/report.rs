//! What a replay came to, for people and for machines: what is the same, what is not, and what that rests on.

use serde_json::{Value, json};

use super::Outcome;
use super::compare::Told;
use super::recorded::Recording;
use super::script::Script;
use super::stage::WALL_OFF_NS_MAX;
use crate::cli::table;

pub(super) struct Report<'a> {
    pub(super) recording: &'a Recording,
    pub(super) script: &'a Script,
    pub(super) outcome: &'a Outcome,
}

impl Report<'_> {
    fn told(&self) -> Option<Told<'_>> {
        let difference = self.outcome.difference?;
        let (line, replayed) =
            (self.script.lines.get(difference.line)?, self.outcome.replayed.get(difference.line)?);
        Some(Told { difference, line, replayed })
    }

    /// Messages and bytes that were sent, and those of them that are sent alike.
    fn totals(&self) -> [usize; 4] {
        let lines = self.script.lines.iter().zip(&self.outcome.replayed);
        lines.fold([0; 4], |[messages, alike, bytes, bytes_alike], (line, replayed)| {
            let whole = line.messages.iter().filter(|of| of.end() <= replayed.alike).count();
            [
                messages + line.messages.len(),
                alike + whole,
                bytes + line.sent.bytes.len(),
                bytes_alike + replayed.alike,
            ]
        })
    }

    /// What is not a machine's doing, in sentences.
    fn notes(&self) -> Vec<String> {
        let mut notes = vec![
            format!(
                "taken from the capture: the time, and where the next message's SendingTime says that the wall clock was read a \
                 moment before or after the stamp, up to {} s off, that; how many orders were sent; when we connected; the Logouts \
                 that no message led to",
                WALL_OFF_NS_MAX / 1_000_000_000
            ),
            "told in recorded numbers: the ISN, TSval and TSecr, SACK's edges and the port of our end, which a secret makes".into(),
            "not compared: how bytes are cut into segments, which are acknowledged with which, and ARP".into(),
        ];
        for (session, out, come) in &self.outcome.numbers {
            notes.push(format!(
                "{session} goes on from MsgSeqNum {out} out and {come} in, as its first messages have it; what was sent before is \
                 not in the capture"
            ));
        }
        if self.outcome.difference.is_none() {
            let lines = self.script.lines.iter().zip(&self.outcome.replayed);
            for (line, replayed) in lines {
                let beyond = replayed.sent.bytes.len() - replayed.alike;
                if beyond > 0 {
                    notes.push(format!(
                        "{} has {beyond} bytes more behind the capture's end, which nothing there says anything of",
                        line.identity
                    ));
                }
            }
        }
        if let Some(offset) = self.recording.cut_off_at {
            notes.push(format!(
                "{} is cut off in the middle of a record, at byte {offset}: what is before it was replayed",
                self.recording.name
            ));
        }
        if self.outcome.unrecorded > 0 {
            notes.push(format!(
                "{} connections were begun that the capture does not have, and were not answered",
                self.outcome.unrecorded
            ));
        }
        notes
    }

    pub(super) fn for_people(&self) -> String {
        let header =
            ["session", "we", "they", "messages", "bytes", "alike", "segments then", "now"];
        let rows = self.script.lines.iter().zip(&self.outcome.replayed).map(|(line, replayed)| {
            vec![
                line.identity.to_string(),
                line.ours.to_string(),
                line.theirs.to_string(),
                line.messages.len().to_string(),
                line.sent.bytes.len().to_string(),
                replayed.alike.to_string(),
                line.segments(self.recording).to_string(),
                replayed.segments.to_string(),
            ]
        });
        let [messages, alike, bytes, bytes_alike] = self.totals();
        let name = &self.recording.name;
        let mut text = format!(
            "replayed {} of {} frames of {name}\n{}\n",
            self.outcome.given,
            self.recording.frames,
            table::rows(&header, rows)
        );
        text += &match self.told() {
            None => format!(
                "the same: {alike} messages, {bytes_alike} bytes sent, each byte as it was recorded"
            ),
            Some(told) => format!(
                "the same up to there: {alike} of {messages} messages, {bytes_alike} of {bytes} bytes\n{}",
                told.for_people()
            ),
        };
        for note in self.notes() {
            text += &format!("\n{note}.");
        }
        text
    }

    pub(super) fn json(&self) -> Value {
        let lines = self.script.lines.iter().zip(&self.outcome.replayed);
        let [messages, alike, bytes, bytes_alike] = self.totals();
        json!({
            "capture": self.recording.name,
            "frames": self.recording.frames,
            "frames_given": self.outcome.given,
            "identical": self.outcome.difference.is_none(),
            "messages": messages,
            "messages_alike": alike,
            "bytes": bytes,
            "bytes_alike": bytes_alike,
            "connections": lines.map(|(line, replayed)| json!({
                "session": line.identity.to_string(),
                "ours": line.ours.to_string(),
                "theirs": line.theirs.to_string(),
                "we_connect": line.is_initiator,
                "messages": line.messages.len(),
                "bytes": line.sent.bytes.len(),
                "bytes_alike": replayed.alike,
                "segments_recorded": line.segments(self.recording),
                "segments": replayed.segments,
            })).collect::<Vec<_>>(),
            "difference": self.told().map(|told| told.json()),
            "notes": self.notes(),
        })
    }
}
