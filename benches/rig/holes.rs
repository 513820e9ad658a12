//! Segments ahead of their turn: behind so many holes, at a place in the stream that nobody could foresee.

use fixwire::wire::{ethernet, ipv4, tcp};

use crate::case::Bench;
use crate::line::{self, Host};
use crate::messages;
use crate::nic::{LOADED_MAX, Sums};
use crate::peer::Peer;
use crate::respond::Responder;
use crate::tcp_host::TcpHost;

/// Bytes of each segment.
const LEN: u32 = 150;
/// Bytes of the stream that the ranges lie in: what the host holds at most.
const STREAM_LEN: u32 = 60_000;
/// Bytes of a segment that fills holes.
const FILL_LEN: usize = 1_400;

/// Reads, and answers nothing.
#[derive(Debug, Default)]
pub struct Reader;

impl Responder for Reader {
    #[inline]
    fn take_in(&mut self, message: &[u8]) {
        std::hint::black_box(message);
    }

    #[inline]
    fn answer(&mut self, _: &mut [u8]) -> usize {
        0
    }
}

/// A host that holds ranges of bytes, each with a hole before it. Two segments after each other go behind a range
/// picked by chance: the second of them first, which is a range more, and then the first, which joins the two to it.
pub struct Holes {
    host: TcpHost<Reader>,
    peer: Peer,
    /// Where each range ends, in bytes past what is next.
    ends: Vec<u32>,
    /// The range whose pair is half sent.
    open: Option<usize>,
    random: u64,
    /// Where the last segment lies.
    last: u32,
    seen: u64,
}

impl Holes {
    /// Has a host hold so many ranges.
    pub fn new(sums: Sums, ranges: usize) -> Holes {
        let (mut host, mut peer) = (TcpHost::new(sums, Reader), Peer::default());
        line::connect(&mut host, &mut peer);
        let (ends, seen) = (vec![0; ranges], host.sent());
        let random = 0x9e37_79b9_7f4a_7c15;
        let mut holes = Holes { host, peer, ends, open: None, random, last: 0, seen };
        holes.dig();
        holes
    }

    /// How far apart ranges begin.
    fn apart(&self) -> u32 {
        STREAM_LEN / (self.ends.len() as u32 + 1)
    }

    /// How many pairs fit behind a range, with a hole behind them.
    fn pairs_left(&self, range: usize) -> u32 {
        let next = (range as u32 + 2) * self.apart();
        (next - 1 - self.ends[range]) / (2 * LEN)
    }

    /// Makes the ranges, as short as a segment.
    fn dig(&mut self) {
        let payload = messages::filler(LEN as usize);
        for range in 0..self.ends.len() {
            let at = (range as u32 + 1) * self.apart();
            let frame = self.peer.ahead(at, &payload);
            self.take(&frame);
            self.ends[range] = at + LEN;
        }
    }

    /// Fills all holes: everything is next, and read.
    fn fill(&mut self) {
        let end = self.ends.last().copied().unwrap_or_default() + 2 * LEN;
        self.open = None;
        let payload = messages::filler(FILL_LEN);
        for _ in 0..end.div_ceil(FILL_LEN as u32) {
            let frame = self.peer.data(&payload, 0);
            self.take(&frame);
        }
    }

    fn take(&mut self, frame: &[u8]) {
        self.host.load(&[frame.to_vec()]);
        self.host.step();
        self.seen = self.host.sent();
    }

    /// Where the next segment goes, by chance.
    fn place(&mut self) -> u32 {
        if let Some(range) = self.open.take() {
            self.ends[range] += 2 * LEN;
            return self.ends[range] - 2 * LEN;
        }
        loop {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            let range = (self.random >> 20) as usize % self.ends.len();
            if self.pairs_left(range) > 0 {
                self.open = Some(range);
                return self.ends[range] + LEN;
            }
        }
    }
}

impl Bench for Holes {
    fn batch_max(&self) -> usize {
        LOADED_MAX
    }

    /// Writes the next `count` segments. Where all ranges are nearly out of room, they begin again.
    fn prepare(&mut self, count: usize) {
        let pairs: u32 = (0..self.ends.len()).map(|range| self.pairs_left(range)).sum();
        if (pairs as usize) < count {
            self.fill();
            self.dig();
        }
        let payload = messages::filler(LEN as usize);
        let mut frames = Vec::with_capacity(count);
        for _ in 0..count {
            self.last = self.place();
            frames.push(self.peer.ahead(self.last, &payload));
        }
        self.host.load(&frames);
    }

    #[inline(never)]
    fn run(&mut self, count: usize) {
        for _ in 0..count {
            self.host.step();
        }
    }

    /// Every segment was acknowledged at once, the last by a block that it lies in.
    fn check(&mut self, count: usize) {
        let sent = self.host.sent();
        assert_eq!(sent, self.seen + count as u64, "an ACK for each segment");
        self.seen = sent;
        let frames = self.host.kept();
        let frame = ethernet::Packet::parse(frames[frames.len() - 1]).expect("Ethernet");
        let packet = ipv4::Packet::parse(frame.payload).expect("IPv4");
        let segment = tcp::Packet::parse(packet.payload).expect("TCP").segment().expect("options");
        let next = self.peer.next();
        let blocks = segment.options.sack.expect("SACK blocks");
        let (left, right) = blocks.blocks()[0];
        assert_eq!((segment.ack, segment.payload), (next, &[][..]));
        let (left, right) = (left.since(next), right.since(next));
        assert!(left <= self.last && self.last + LEN <= right, "{} in {left}..{right}", self.last);
    }

    fn flush_next(&mut self) {
        self.host.flush_next();
    }
}

/// A host that hears every segment but each second one, which comes after the one behind it: that is held, joins what fills
/// the hole before it, and is read.
pub struct Late {
    host: TcpHost<Reader>,
    peer: Peer,
    /// One is held, and what is before it is to come.
    is_open: bool,
    seen: u64,
}

impl Late {
    /// Connects a host.
    pub fn new(sums: Sums) -> Late {
        let (mut host, mut peer) = (TcpHost::new(sums, Reader), Peer::default());
        line::connect(&mut host, &mut peer);
        let seen = host.sent();
        Late { host, peer, is_open: false, seen }
    }
}

impl Bench for Late {
    fn batch_max(&self) -> usize {
        LOADED_MAX
    }

    fn prepare(&mut self, count: usize) {
        let payload = messages::filler(LEN as usize);
        let mut frames = Vec::with_capacity(count);
        for _ in 0..count {
            if self.is_open {
                frames.push(self.peer.data(&payload, 0));
                self.peer.passes(LEN);
            } else {
                frames.push(self.peer.ahead(LEN, &payload));
            }
            self.is_open = !self.is_open;
        }
        self.host.load(&frames);
    }

    #[inline(never)]
    fn run(&mut self, count: usize) {
        for _ in 0..count {
            self.host.step();
        }
    }

    /// Every segment was acknowledged at once, the last with all that is whole.
    fn check(&mut self, count: usize) {
        let sent = self.host.sent();
        assert_eq!(sent, self.seen + count as u64, "an ACK for each segment");
        self.seen = sent;
        let frames = self.host.kept();
        let frame = ethernet::Packet::parse(frames[frames.len() - 1]).expect("Ethernet");
        let packet = ipv4::Packet::parse(frame.payload).expect("IPv4");
        let segment = tcp::Packet::parse(packet.payload).expect("TCP").segment().expect("options");
        assert_eq!((segment.ack, segment.payload), (self.peer.next(), &[][..]));
        assert_eq!(segment.options.sack.is_some(), self.is_open);
    }

    fn flush_next(&mut self) {
        self.host.flush_next();
    }
}
