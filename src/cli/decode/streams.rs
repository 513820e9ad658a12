//! TCP streams put together from what a capture has of them: in order, each byte once, gaps told.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};

use super::scan::{Form, Found, Scanner};

/// Bytes that are kept of all streams together, until what is missing before them comes.
const HELD_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Of one stream. What is missing before more than that does not come any more.
const HELD_OF_ONE_MAX: usize = 1024 * 1024;
/// Streams that are followed, each one direction of a connection; the one not heard of for longest gives way.
const STREAMS_MAX: usize = 4_096;

/// One direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ends {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
}

impl Ends {
    pub(super) fn new(from: (IpAddr, u16), to: (IpAddr, u16)) -> Ends {
        Ends { from: from.into(), to: to.into() }
    }
}

/// A segment as it was captured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    pub(super) ends: Ends,
    pub(super) seq: u32,
    pub(super) syn: bool,
    /// FIN or RST: nothing comes behind it.
    pub(super) last: bool,
    pub(super) payload: &'a [u8],
    /// Bytes that the packet had behind them, and the capture cut off.
    pub(super) cut_off: usize,
}

/// Every stream of a capture.
#[derive(Default)]
pub(super) struct Streams {
    streams: HashMap<Ends, Stream>,
    /// Goes up with each segment.
    turn: u64,
    held: usize,
}

/// One direction.
struct Stream {
    scanner: Scanner,
    /// Bytes that came in order, from the first that was seen.
    position: u64,
    /// The sequence number of the next.
    next: u32,
    /// By position: what came ahead of its turn.
    ahead: BTreeMap<u64, Vec<u8>>,
    ahead_len: usize,
    turn: u64,
}

impl Stream {
    fn new(next: u32) -> Stream {
        Stream {
            scanner: Scanner::new(Form::Stream),
            position: 0,
            next,
            ahead: BTreeMap::new(),
            ahead_len: 0,
            turn: 0,
        }
    }

    fn held(&self) -> usize {
        self.ahead_len + self.scanner.held()
    }

    /// Takes bytes in at a sequence number: those that came already are passed over.
    fn take(&mut self, seq: u32, payload: &[u8], tell: &mut impl FnMut(Found)) {
        let distance = i64::from(seq.wrapping_sub(self.next) as i32);
        let fresh = payload.get(usize::try_from(-distance).unwrap_or(0)..).unwrap_or_default();
        if fresh.is_empty() {
            return;
        }
        if distance > 0 {
            let at = self.position + distance as u64;
            // Of two at one place the longer one.
            if self.ahead.get(&at).is_none_or(|known| known.len() < fresh.len()) {
                self.ahead_len += fresh.len();
                let replaced = self.ahead.insert(at, fresh.to_vec());
                self.ahead_len -= replaced.map_or(0, |bytes| bytes.len());
            }
            while self.ahead_len > HELD_OF_ONE_MAX {
                self.give_up_gap(tell);
            }
            return;
        }
        self.read(fresh, tell);
        self.join(tell);
    }

    /// Goes on with what came ahead, as far as it joins.
    fn join(&mut self, tell: &mut impl FnMut(Found)) {
        while let Some(entry) = self.ahead.first_entry() {
            if *entry.key() > self.position {
                return;
            }
            let (at, bytes) = entry.remove_entry();
            self.ahead_len -= bytes.len();
            let known = (self.position - at) as usize;
            self.read(bytes.get(known..).unwrap_or_default(), tell);
        }
    }

    fn read(&mut self, bytes: &[u8], tell: &mut impl FnMut(Found)) {
        self.position += bytes.len() as u64;
        self.next = self.next.wrapping_add(bytes.len() as u32);
        self.scanner.push(bytes);
        while let Some(found) = self.scanner.next(false) {
            tell(found);
        }
    }

    /// What is missing before the first that came ahead does not come any more.
    fn give_up_gap(&mut self, tell: &mut impl FnMut(Found)) {
        let Some((at, _)) = self.ahead.first_key_value() else { return };
        self.pass_over(at - self.position, tell);
        self.join(tell);
    }

    fn pass_over(&mut self, missing: u64, tell: &mut impl FnMut(Found)) {
        self.position += missing;
        self.next = self.next.wrapping_add(missing as u32);
        self.scanner.skip_missing(missing);
        while let Some(found) = self.scanner.next(true) {
            tell(found);
        }
    }

    /// Nothing more comes.
    fn finish(&mut self, tell: &mut impl FnMut(Found)) {
        while !self.ahead.is_empty() {
            self.give_up_gap(tell);
        }
        while let Some(found) = self.scanner.next(true) {
            // What was never FIX is nobody's damage.
            if self.scanner.has_found() {
                tell(found);
            }
        }
    }
}

impl Streams {
    /// Takes a segment in and tells what messages it completes.
    pub(super) fn on_segment(&mut self, segment: &Segment<'_>, tell: &mut impl FnMut(Ends, Found)) {
        self.turn += 1;
        let ends = segment.ends;
        let begins = segment.seq.wrapping_add(u32::from(segment.syn));
        if segment.syn {
            self.end(ends, tell);
        } else if segment.payload.is_empty() && !self.streams.contains_key(&ends) {
            // A stream begins with its first byte, and an ACK may stand behind bytes that come later.
            return;
        }
        let stream = self.streams.entry(ends).or_insert_with(|| Stream::new(begins));
        stream.turn = self.turn;
        let before = stream.held();
        let mut told = |found| tell(ends, found);
        stream.take(begins, segment.payload, &mut told);
        if segment.cut_off > 0 && stream.next == begins.wrapping_add(segment.payload.len() as u32) {
            stream.pass_over(segment.cut_off as u64, &mut told);
            stream.join(&mut told);
        }
        if segment.last && stream.ahead.is_empty() {
            // It stays, so that what is sent again behind its end is known.
            stream.finish(&mut told);
        }
        self.held = self.held + stream.held() - before;
        while self.held > HELD_BYTES_MAX || self.streams.len() > STREAMS_MAX {
            let oldest = self.streams.iter().min_by_key(|(_, stream)| stream.turn);
            let Some((oldest, _)) = oldest else { return };
            self.end(*oldest, tell);
        }
    }

    /// Nothing more comes of any.
    pub(super) fn finish(&mut self, tell: &mut impl FnMut(Ends, Found)) {
        let mut ends: Vec<_> = self.streams.iter().map(|(ends, of)| (of.turn, *ends)).collect();
        ends.sort_unstable_by_key(|(turn, _)| *turn);
        for (_, ends) in ends {
            self.end(ends, tell);
        }
    }

    fn end(&mut self, ends: Ends, tell: &mut impl FnMut(Ends, Found)) {
        if let Some(mut stream) = self.streams.remove(&ends) {
            self.held -= stream.held();
            stream.finish(&mut |found| tell(ends, found));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn message(number: u32) -> Vec<u8> {
        let body = format!("35=0|34={number}|49=A|56=B|");
        let head = format!("8=FIX.4.4|9={}|{body}", body.len()).replace('|', "\x01");
        let sum = head.bytes().fold(0u8, u8::wrapping_add);
        format!("{head}10={sum:03}\x01").into_bytes()
    }

    fn ends(port: u16) -> Ends {
        let addr = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Ends::new((addr, port), (addr, 9878))
    }

    fn segment(seq: u32, payload: &[u8]) -> Segment<'_> {
        Segment { ends: ends(1), seq, syn: false, last: false, payload, cut_off: 0 }
    }

    fn told(segments: &[Segment<'_>]) -> Vec<Found> {
        let (mut streams, mut found) = (Streams::default(), Vec::new());
        for segment in segments {
            streams.on_segment(segment, &mut |_, of| found.push(of));
        }
        streams.finish(&mut |_, of| found.push(of));
        assert_eq!((streams.held, streams.streams.len()), (0, 0));
        found
    }

    proptest! {
        #[test]
        fn bytes_in_any_order_and_more_than_once_are_read_in_order_once(
            first in any::<u32>(), cuts in prop::collection::vec(0usize..400, 0..8),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let stream: Vec<u8> = (1..8).flat_map(message).collect();
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|pair| pair[0]..pair[1]).collect();
            // Some in any order, also across their ends, and then all that were not sent.
            let mut sent: Vec<_> = order.iter().map(|index| index.get(&pieces).clone()).collect();
            sent.extend(pieces.iter().cloned());
            let syn = Segment { syn: true, ..segment(first.wrapping_sub(1), b"") };
            let mut segments = vec![syn];
            for piece in &sent {
                segments.push(segment(first.wrapping_add(piece.start as u32), &stream[piece.clone()]));
            }
            let found = told(&segments);
            prop_assert!(found.iter().all(|found| found.damage.is_empty()), "{found:?}");
            let read: Vec<u8> = found.into_iter().flat_map(|found| found.bytes).collect();
            prop_assert_eq!(read, stream);
        }
    }

    #[test]
    fn what_never_comes_is_told_and_the_rest_is_read() {
        let (a, b, c) = (message(1), message(2), message(3));
        let second = 100u32.wrapping_add(a.len() as u32);
        let third = second.wrapping_add(b.len() as u32);
        let found = told(&[segment(100, &a), segment(third, &c)]);
        assert_eq!((&found[0].bytes, &found[1].bytes, found.len()), (&a, &c, 2));
        let missing = super::super::scan::Damage::BytesMissing(b.len() as u64);
        assert_eq!(found[1].damage, [missing]);

        // A packet that the capture has cut off has a gap at its end.
        let cut = Segment { cut_off: b.len() - 20, ..segment(second, &b[..20]) };
        let found = told(&[segment(100, &a), cut, segment(third, &c)]);
        let names: Vec<Vec<_>> =
            found.iter().map(|found| found.damage.iter().map(|of| of.name()).collect()).collect();
        let lost = vec!["bytes_missing", "body_length_wrong", "check_sum_missing"];
        assert_eq!(names, [vec![], lost, vec![]]);
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        let mut streams = Streams::default();
        let filler = vec![b'x'; 60_000];
        for port in 0..6_000 {
            let of_port = Segment { ends: ends(port), ..segment(5, b"8=FIX") };
            streams.on_segment(&of_port, &mut |_, _| {});
            let ahead = Segment { ends: ends(port), ..segment(1_000, &filler) };
            streams.on_segment(&ahead, &mut |_, _| {});
            if port % 1_000 == 0 {
                let really: usize = streams.streams.values().map(Stream::held).sum();
                assert!(really == streams.held && really <= HELD_BYTES_MAX);
            }
        }
        assert!(streams.streams.len() <= STREAMS_MAX);
        for number in 0..100u32 {
            let ahead = segment(1_000 + number * 100_000, &filler);
            streams.on_segment(&ahead, &mut |_, _| {});
        }
        assert!(streams.streams[&ends(1)].held() <= HELD_OF_ONE_MAX);
    }

    #[test]
    fn ports_that_are_used_again_begin_again() {
        let (a, b) = (message(1), message(2));
        let syn = |seq| Segment { syn: true, ..segment(seq, b"") };
        let last = |seq| Segment { last: true, ..segment(seq, b"") };
        let end = 10 + a.len() as u32;
        let found =
            told(&[syn(9), segment(10, &a), last(end), syn(77), segment(78, &b), segment(78, &b)]);
        assert_eq!(found.iter().map(|found| &found.bytes).collect::<Vec<_>>(), [&a, &b]);
    }
}
