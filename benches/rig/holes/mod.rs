//! Segments that are not the next: ahead of their turn, behind so many holes, at a place in the stream that nobody could
//! foresee; into a hole; and twice. Each is acknowledged at once, by a frame with nothing else in it.

mod ahead;
mod fill;
mod full;
mod late;
mod twice;

pub use ahead::Holes;
pub use fill::Fill;
pub use full::{Dropped, Full};
pub use late::Late;
pub use twice::{Twice, Which};

use fixwire::wire::tcp::SeqNumber;
use fixwire::wire::{ethernet, ipv4, tcp};

use crate::line::{self, Host};
use crate::messages;
use crate::nic::Sums;
use crate::peer::Peer;
use crate::respond::Responder;
use crate::tcp_host::{Setting, TcpHost};

/// Bytes of each segment.
const LEN: u32 = 150;
/// Bytes of the stream that the ranges lie in: what the host holds at most.
const STREAM_LEN: u32 = 60_000;
/// Bytes of a segment that fills holes.
const FILL_LEN: usize = 1_400;
/// As many ranges as a connection holds.
const RANGES_MAX: usize = 32;

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

/// A host that reads, and its peer.
struct Ends {
    host: TcpHost<Reader>,
    peer: Peer,
    payload: Vec<u8>,
    random: u64,
    seen: u64,
}

/// What the last ACK told.
struct Told {
    /// What is next, by the ACK.
    next: SeqNumber,
    /// The blocks, as bytes past what is next for the peer.
    blocks: Vec<(u32, u32)>,
}

impl Ends {
    fn new(sums: Sums) -> Ends {
        Ends::with(sums, Setting::Usual)
    }

    fn with(sums: Sums, setting: Setting) -> Ends {
        let (mut host, mut peer) = (TcpHost::with(sums, Reader, setting), Peer::default());
        line::connect(&mut host, &mut peer);
        let (payload, seen) = (messages::filler(LEN as usize), host.sent());
        Ends { host, peer, payload, random: 0x9e37_79b9_7f4a_7c15, seen }
    }

    /// A number below `bound`, by chance.
    fn below(&mut self, bound: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 20) as usize % bound
    }

    /// A segment so many bytes past what is next for the peer; modulo 2^32, before it.
    fn segment(&mut self, at: u32) -> Vec<u8> {
        self.peer.ahead(at, &self.payload)
    }

    /// Has the host take in a segment, outside of what is measured.
    fn take(&mut self, frame: Vec<u8>) {
        self.host.load(&[frame]);
        self.host.step();
        self.seen = self.host.sent();
    }

    /// The same of everything up to `end`, as far as it was not read: there are no holes then.
    fn fill(&mut self, end: u32) {
        let payload = messages::filler(FILL_LEN);
        for _ in 0..end.div_ceil(FILL_LEN as u32) {
            let frame = self.peer.data(&payload, 0);
            self.take(frame);
        }
    }

    #[inline(always)]
    fn run(&mut self, count: usize) {
        for _ in 0..count {
            self.host.step();
        }
    }

    /// There was an ACK for each segment. What the last one told.
    fn told(&mut self, count: usize) -> Told {
        let sent = self.host.sent();
        assert_eq!(sent, self.seen + count as u64, "an ACK for each segment");
        self.seen = sent;
        let frames = self.host.kept();
        let frame = ethernet::Packet::parse(frames[frames.len() - 1]).expect("Ethernet");
        let packet = ipv4::Packet::parse(frame.payload).expect("IPv4");
        let segment = tcp::Packet::parse(packet.payload).expect("TCP").segment().expect("options");
        assert!(segment.payload.is_empty());
        let (next, blocks) = (self.peer.next(), segment.options.sack);
        let blocks = blocks.as_ref().map_or(&[][..], |blocks| blocks.blocks());
        let blocks = blocks.iter().map(|(left, right)| (left.since(next), right.since(next)));
        Told { next: segment.ack, blocks: blocks.collect() }
    }

    /// The same where nothing that is next came.
    fn told_of_blocks(&mut self, count: usize) -> Vec<(u32, u32)> {
        let told = self.told(count);
        assert_eq!(told.next, self.peer.next());
        told.blocks
    }
}
