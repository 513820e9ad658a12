//! One direction of a connection put together, each byte once, and the messages in it.

use std::collections::BTreeMap;

use fixwire::fix::timestamp;
use fixwire::fix::{Framed, frame};
use fixwire::wire::tcp::{Flags, Segment, SeqNumber};

/// Bytes that wait for what is missing before them, of one direction.
const WAITING_MAX: usize = 16 << 20;
/// The longest message.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// What one end sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    /// The number of its SYN, once that was seen.
    pub(super) isn: Option<SeqNumber>,
    pub(super) bytes: Vec<u8>,
    /// It ends here.
    pub(super) has_fin: bool,
    /// When what ends here had come, in ns.
    marks: Vec<(usize, u64)>,
    waiting: BTreeMap<usize, Vec<u8>>,
    waiting_len: usize,
    fin_at: Option<usize>,
}

impl Stream {
    /// Takes a segment in that passed at a time, in ns. Says whether its bytes were within what is looked at.
    pub(super) fn take(&mut self, segment: &Segment<'_>, at_ns: u64) -> bool {
        if segment.flags.has(Flags::SYN) {
            self.isn.get_or_insert(segment.seq);
            return true;
        }
        let Some(offset) = self.offset_of(segment.seq) else { return true };
        let end = offset + segment.payload.len() as i64;
        if segment.flags.has(Flags::FIN) && end >= 0 {
            self.fin_at.get_or_insert(end as usize);
        }
        let skip = usize::try_from(-offset).unwrap_or_default();
        if let Some(fresh) = segment.payload.get(skip..).filter(|fresh| !fresh.is_empty()) {
            let from = offset.max(0) as usize;
            if !self.insert(from, fresh) {
                return false;
            }
            self.marks.push((self.bytes.len(), at_ns));
        }
        self.has_fin = self.fin_at.is_some_and(|end| end <= self.bytes.len());
        true
    }

    /// Where in the stream a number stands: behind its beginning, or before.
    pub(super) fn offset_of(&self, number: SeqNumber) -> Option<i64> {
        let begin = self.isn?.0.wrapping_add(1);
        let end = begin.wrapping_add(self.bytes.len() as u32);
        Some(self.bytes.len() as i64 + i64::from(number.0.wrapping_sub(end) as i32))
    }

    fn insert(&mut self, from: usize, fresh: &[u8]) -> bool {
        if from > self.bytes.len() {
            // The same again, or with more behind it.
            let held = self.waiting.entry(from).or_default();
            if let Some(more) = fresh.get(held.len()..) {
                self.waiting_len += more.len();
                held.extend_from_slice(more);
            }
            return self.waiting_len <= WAITING_MAX;
        }
        self.append(from, fresh);
        while let Some((from, bytes)) =
            self.waiting.first_key_value().map(|(from, bytes)| (*from, bytes.clone()))
            && from <= self.bytes.len()
        {
            self.waiting.pop_first();
            self.waiting_len = self.waiting_len.saturating_sub(bytes.len());
            self.append(from, &bytes);
        }
        true
    }

    fn append(&mut self, from: usize, bytes: &[u8]) {
        let known = self.bytes.len() - from;
        self.bytes.extend_from_slice(bytes.get(known..).unwrap_or_default());
    }

    /// Whether bytes came behind others that never did.
    pub(super) fn has_hole(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// When the byte before this place had passed.
    fn passed_ns(&self, end: usize) -> u64 {
        let at = self.marks.partition_point(|(until, _)| *until < end);
        self.marks.get(at).or(self.marks.last()).map_or(0, |(_, ns)| *ns)
    }

    /// Its messages, as far as they are whole, those that are damaged among them; between them may be bytes that are none.
    pub(super) fn messages(&self) -> Vec<Message> {
        let (mut all, mut at) = (Vec::new(), 0);
        while at < self.bytes.len() {
            match frame(&self.bytes[at..], MESSAGE_BYTES_MAX) {
                Framed::Complete(whole) => {
                    let bytes = &self.bytes[at..at + whole.len];
                    all.push(Message::of(at, bytes, self.passed_ns(at + whole.len)));
                    at += whole.len;
                }
                Framed::Incomplete { .. } => break,
                Framed::Garbled { skip, .. } => match damaged_len(&self.bytes[at..]) {
                    Some(len) => {
                        let bytes = &self.bytes[at..at + len];
                        all.push(Message::of(at, bytes, self.passed_ns(at + len)));
                        at += len;
                    }
                    None => at += skip.max(1),
                },
            }
        }
        all
    }
}

/// How long what begins like a message is, up to the SOH behind its CheckSum, or before the next one.
fn damaged_len(bytes: &[u8]) -> Option<usize> {
    if !bytes.starts_with(b"8=FIX") {
        return None;
    }
    let place = |what: &[u8]| bytes.windows(what.len()).position(|of| of == what);
    let next = place(b"\x018=FIX").map(|soh| soh + 1);
    next.or_else(|| {
        let sum = place(b"\x0110=")? + 1;
        Some(sum + bytes[sum..].iter().position(|byte| *byte == 1)? + 1)
    })
}

/// A message in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) begin: usize,
    pub(super) len: usize,
    /// When it had passed, in ns.
    pub(super) passed_ns: u64,
    /// SendingTime(52) in ns, and how many ns it stands for.
    pub(super) sending_time: Option<(u64, u64)>,
}

impl Message {
    fn of(begin: usize, bytes: &[u8], passed_ns: u64) -> Message {
        let sending_time = field(bytes, 52).and_then(|written| {
            let places = written.len().saturating_sub(b"YYYYMMDD-HH:MM:SS.".len()).min(9);
            let within = 10u64.pow(9 - places as u32);
            Some((timestamp::parse(written).ok()?.as_unix_ns(), within))
        });
        Message { begin, len: bytes.len(), passed_ns, sending_time }
    }

    pub(super) fn end(&self) -> usize {
        self.begin + self.len
    }

    /// In the stream that it is of.
    pub(super) fn bytes<'a>(&self, stream: &'a [u8]) -> &'a [u8] {
        stream.get(self.begin..self.end()).unwrap_or_default()
    }
}

/// The first field with a tag. What a data field holds may be mistaken for one: enough for those of the header.
pub(super) fn field(message: &[u8], tag: u32) -> Option<&[u8]> {
    let tag = tag.to_string();
    message.split(|byte| *byte == 1).find_map(|of| {
        let (name, value) = of.split_at(of.iter().position(|byte| *byte == b'=')?);
        (name == tag.as_bytes()).then(|| &value[1..])
    })
}

#[cfg(test)]
mod tests {
    use fixwire::wire::tcp::Options;

    use super::*;

    fn segment(seq: u32, flags: Flags, payload: &[u8]) -> Segment<'_> {
        let (seq, ack) = (SeqNumber(seq), SeqNumber(0));
        let (options, is_ce) = (Options::default(), false);
        Segment { src_port: 1, dst_port: 2, seq, ack, flags, window: 0, options, payload, is_ce }
    }

    #[test]
    fn each_byte_is_there_once_in_its_place_whatever_the_order_across_the_wrap() {
        let mut stream = Stream::default();
        let isn = u32::MAX - 3;
        assert!(stream.take(&segment(isn, Flags::SYN, b""), 1));
        let at = |offset: u32| isn.wrapping_add(1 + offset);
        for (offset, bytes) in
            [(0, &b"ab"[..]), (4, b"ef"), (0, b"abcd"), (8, b"ij"), (3, b"defgh")]
        {
            assert!(stream.take(&segment(at(offset), Flags::ACK, bytes), 2 + u64::from(offset)));
        }
        assert_eq!(
            (&stream.bytes[..], stream.has_hole(), stream.has_fin),
            (&b"abcdefghij"[..], false, false)
        );
        stream.take(&segment(at(10), Flags(Flags::FIN.0 | Flags::ACK.0), b""), 9);
        assert!(stream.has_fin);
        stream.take(&segment(at(20), Flags::ACK, b"x"), 9);
        assert!(stream.has_hole());
    }

    #[test]
    fn a_segment_that_is_held_comes_again_longer_and_takes_no_more_room_than_it_is_long() {
        let mut stream = Stream::default();
        assert!(stream.take(&segment(0, Flags::SYN, b""), 1));
        for bytes in [&b"ef"[..], b"efgh", b"ef", b"efgh", b"e"] {
            assert!(stream.take(&segment(5, Flags::ACK, bytes), 2));
        }
        assert_eq!(stream.waiting_len, 4);
        assert!(stream.take(&segment(1, Flags::ACK, b"abcd"), 3));
        assert_eq!((&stream.bytes[..], stream.has_hole()), (&b"abcdefgh"[..], false));
        assert_eq!(stream.waiting_len, 0);
        // However often what is held comes again, there is room for it.
        let long = vec![b'x'; 60_000];
        for _ in 0..=WAITING_MAX / long.len() {
            assert!(stream.take(&segment(20, Flags::ACK, &long), 4));
        }
        assert_eq!(stream.waiting_len, long.len());
    }

    #[test]
    fn a_time_is_as_fine_as_it_is_written() {
        for (fraction, within) in
            [("", 1_000_000_000), (".0", 100_000_000), (".000", 1_000_000), (".000000000000", 1)]
        {
            let text = format!("8=FIX.4.4\x0152=19700101-00:00:01{fraction}\x01");
            let found = Message::of(0, text.as_bytes(), 0).sending_time;
            assert_eq!(found, Some((1_000_000_000, within)), "{fraction}");
        }
    }

    #[test]
    fn messages_are_found_with_their_times() {
        let mut stream = Stream::default();
        stream.take(&segment(0, Flags::SYN, b""), 0);
        let body = b"35=0\x0134=7\x0149=A\x0152=20260101-00:00:00.250\x0156=B\x01";
        let mut bytes = format!("8=FIX.4.4\x019={}\x01", body.len()).into_bytes();
        bytes.extend_from_slice(body);
        let sum: u32 = bytes.iter().map(|byte| u32::from(*byte)).sum();
        bytes.extend_from_slice(format!("10={:03}\x01", sum % 256).as_bytes());
        let (first, second) = bytes.split_at(10);
        stream.take(&segment(1, Flags::ACK, first), 5);
        assert!(stream.messages().is_empty());
        stream.take(&segment(11, Flags::ACK, second), 8);
        let messages = stream.messages();
        let sent = Some((1_767_225_600_250_000_000, 1_000_000));
        assert_eq!(
            messages,
            [Message { begin: 0, len: bytes.len(), passed_ns: 8, sending_time: sent }]
        );
        assert_eq!(field(messages[0].bytes(&stream.bytes), 34), Some(&b"7"[..]));
        // One that is damaged is one.
        let (len, mut twice) = (bytes.len(), bytes.repeat(2));
        twice[30] ^= 1;
        stream.take(&segment(1 + len as u32, Flags::ACK, &twice), 9);
        let places: Vec<_> = stream.messages().iter().map(|of| (of.begin, of.len)).collect();
        assert_eq!(places, [(0, len), (len, len), (2 * len, len)]);
    }
}
