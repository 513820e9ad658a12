//! The first thing that is not as it was recorded, and how that is told.

use serde_json::{Value, json};

use super::script::Line;
use super::stage::Replayed;
use super::stream::{Message, field};

/// How many bytes are shown where there is no message to show.
const SHOWN: usize = 64;

/// Why a line is not as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// A byte is another one.
    Bytes,
    /// Bytes were sent then that are not sent now, and the counterparty has acknowledged them.
    Silent,
    /// The connection was there then and is not now.
    NotBegun,
    /// More is sent now, though all that was sent then is known: it closed behind it.
    More,
    /// It was closed then and is not now.
    NotClosed,
}

impl Why {
    const fn name(self) -> &'static str {
        match self {
            Why::Bytes => "bytes_differ",
            Why::Silent => "not_sent",
            Why::NotBegun => "not_connected",
            Why::More => "more_sent",
            Why::NotClosed => "not_closed",
        }
    }

    const fn in_words(self) -> &'static str {
        match self {
            Why::Bytes => "another byte is sent",
            Why::Silent => "it was sent, and is not now",
            Why::NotBegun => "there was a connection, and is none now",
            Why::More => "it had been closed there, and more is sent now",
            Why::NotClosed => "it was closed there, and is not now",
        }
    }
}

/// What is the first not to be as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) line: usize,
    /// The byte of what was sent, from 0.
    pub(super) at: usize,
    pub(super) why: Why,
}

impl Difference {
    pub(super) fn new(line: usize, at: usize, why: Why) -> Difference {
        Difference { line, at, why }
    }

    /// What a line lacks at its end, if anything.
    pub(super) fn at_the_end(place: usize, line: &Line, replayed: &Replayed) -> Option<Difference> {
        let (was, is) = (&line.sent, &replayed.sent);
        let of = |at, why| Some(Difference::new(place, at, why));
        if is.isn.is_none() && was.isn.is_some() {
            return of(0, Why::NotBegun);
        }
        if is.bytes.len() < was.bytes.len() {
            return of(is.bytes.len(), Why::Silent);
        }
        if was.has_fin && is.bytes.len() > was.bytes.len() {
            return of(was.bytes.len(), Why::More);
        }
        (was.has_fin && !is.has_fin)
            .then(|| Difference::new(place, was.bytes.len(), Why::NotClosed))
    }
}

/// A difference with what was expected and what there is.
pub(super) struct Told<'a> {
    pub(super) difference: Difference,
    pub(super) line: &'a Line,
    pub(super) replayed: &'a Replayed,
}

impl Told<'_> {
    /// The message that the difference is in, as recorded, or where that is none any more, as it is sent now; and the bytes that it
    /// is of.
    fn message(&self) -> Option<(Message, &[u8])> {
        let has = |of: &Message| (of.begin..of.end()).contains(&self.difference.at);
        let recorded = self.line.messages.iter().find(|of| has(of)).cloned();
        let recorded = recorded.map(|of| (of, &self.line.sent.bytes[..]));
        recorded.or_else(|| {
            let now = self.replayed.sent.messages().into_iter().find(has)?;
            Some((now, &self.replayed.sent.bytes[..]))
        })
    }

    /// From where the bytes are shown, and those of then and of now.
    fn shown(&self) -> (usize, &[u8], &[u8]) {
        let at = self.difference.at;
        let (begin, end) = self
            .message()
            .map_or((at.saturating_sub(SHOWN / 2), at + SHOWN / 2), |(of, _)| (of.begin, of.end()));
        let of = |bytes: &'_ [u8]| (begin.min(bytes.len()), end.min(bytes.len()));
        let (was, is) = (&self.line.sent.bytes, &self.replayed.sent.bytes);
        let ((from, to), (now_from, now_to)) = (of(was), of(is));
        (begin, &was[from..to], &is[now_from..now_to])
    }

    /// The tag of the field that the byte is in.
    fn tag(&self) -> Option<String> {
        let (message, stream) = self.message()?;
        let bytes = message.bytes(stream);
        let until = &bytes[..self.difference.at - message.begin];
        let begin = until.iter().rposition(|byte| *byte == 1).map_or(0, |soh| soh + 1);
        let tag = bytes[begin..].split(|byte| *byte == b'=').next()?;
        Some(String::from_utf8_lossy(tag).into_owned())
    }

    fn of_message(&self, tag: u32) -> Option<String> {
        let (message, stream) = self.message()?;
        let value = field(message.bytes(stream), tag)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    pub(super) fn for_people(&self) -> String {
        let Difference { at, why, .. } = self.difference;
        let Line { ours, theirs, identity, .. } = self.line;
        let mut text = format!(
            "difference: {identity}, {ours} to {theirs}, byte {at} of what was sent: {}",
            why.in_words()
        );
        if let (Some(number), Some(msg_type)) = (self.of_message(34), self.of_message(35)) {
            text += &format!("; in the message with MsgSeqNum {number}, MsgType {msg_type}");
            text += &self.tag().map(|tag| format!(", field {tag}")).unwrap_or_default();
        }
        let (begin, was, is) = self.shown();
        let [was, is] = [was, is].map(readable);
        text += &format!(
            "\n  expected  {was}\n  got       {}",
            if is.is_empty() { "nothing" } else { &is }
        );
        if why == Why::Bytes {
            text += &format!("\n            {}^", " ".repeat(at - begin));
        }
        text
    }

    pub(super) fn json(&self) -> Value {
        let (begin, was, is) = self.shown();
        json!({
            "why": self.difference.why.name(),
            "session": self.line.identity.to_string(),
            "from": self.line.ours.to_string(),
            "to": self.line.theirs.to_string(),
            "byte": self.difference.at,
            "msg_seq_num": self.of_message(34),
            "msg_type": self.of_message(35),
            "field": self.tag(),
            "shown_from": begin,
            "expected": String::from_utf8_lossy(was),
            "got": String::from_utf8_lossy(is),
        })
    }
}

/// Bytes as one line, a character each.
fn readable(bytes: &[u8]) -> String {
    let readable = bytes.iter().map(|byte| match byte {
        1 => '|',
        b' '..=b'~' => char::from(*byte),
        _ => '?',
    });
    readable.collect()
}

#[cfg(test)]
mod tests {
    use fixwire::wire::tcp::{Flags, Options, Segment, SeqNumber};

    use super::super::stream::Stream;
    use super::*;

    /// What was sent by these bytes and, if so, a FIN behind them.
    fn stream(payload: &[u8], has_fin: bool) -> Stream {
        let mut stream = Stream::default();
        let fin = if has_fin { Flags::FIN } else { Flags::NONE };
        for (seq, flags, payload) in [(7, Flags::SYN, &b""[..]), (8, Flags::ACK.with(fin), payload)]
        {
            let (seq, ack, options) = (SeqNumber(seq), SeqNumber(0), Options::default());
            let (src_port, dst_port, window, is_ce) = (1, 2, 0, false);
            let segment =
                Segment { src_port, dst_port, seq, ack, flags, window, options, payload, is_ce };
            assert!(stream.take(&segment, 0));
        }
        stream
    }

    #[test]
    fn what_is_lacking_at_the_end_is_a_difference_and_what_is_behind_the_capture_s_end_is_none() {
        let nothing = Stream::default;
        for (was, is, why) in [
            (stream(b"ab", true), stream(b"ab", true), None),
            (stream(b"ab", false), stream(b"ab", true), None),
            (stream(b"ab", false), stream(b"abc", false), None),
            (stream(b"ab", true), stream(b"abc", true), Some((2, Why::More))),
            (stream(b"ab", true), stream(b"ab", false), Some((2, Why::NotClosed))),
            (stream(b"ab", false), stream(b"a", false), Some((1, Why::Silent))),
            (stream(b"", false), nothing(), Some((0, Why::NotBegun))),
        ] {
            let replayed = Replayed { sent: is, ..Replayed::default() };
            let found = Difference::at_the_end(3, &Line::with_sent(was), &replayed);
            assert_eq!(found, why.map(|(at, why)| Difference::new(3, at, why)));
        }
    }
}
