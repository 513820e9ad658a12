//! A host with many connections, of which each frame is another's: whose, nobody could foresee.

use fixwire::time::{Duration, Instant};
use fixwire_hw::large_pages;

use crate::case::Bench;
use crate::line::{self, Host};
use crate::messages;
use crate::nic::{LOADED_MAX, Sums};
use crate::peer::Peer;
use crate::respond::Filler;
use crate::tcp_host::{NOW, TcpHost};

/// Bytes of each segment that the host gets, and of each that it answers with.
const LEN: usize = 150;

/// So many messages each connection has had before anything is measured: its first ones find no headers to send kept and
/// no timer wound up, and where connections are thousands, what is measured would be those.
const TURNS_BEFORE: usize = 3;

/// So long the host's clock has each frame take, once all that is over. A round trip is as long as it takes until the chance
/// falls on the same connection again, and none is again as short as those before, which took no time: a clock that stood still
/// would have the shortest one noted with every frame, which is a line of memory more.
const FRAME_TIME: Duration = Duration::from_ns(50);

/// A host, and its peers: one for each of its connections.
pub struct Crowd {
    host: TcpHost<Filler>,
    peers: Vec<Peer>,
    sums: Sums,
    /// So many frames come in at once.
    burst: usize,
    now: Instant,
    random: u64,
    /// Whose the last frame is that the host was given.
    last: usize,
    /// Frames that the host has sent, as far as they were looked at.
    seen: u64,
}

impl Crowd {
    /// Connects a host `count` times, and has so many frames come in at once.
    pub fn new(sums: Sums, count: usize, burst: usize) -> Crowd {
        let host = TcpHost::for_connections(sums, Filler::new(LEN), count);
        let random = 0x9e37_79b9_7f4a_7c15;
        let (peers, now) = (Vec::new(), NOW);
        let mut crowd = Crowd { host, peers, sums, burst, now, random, last: 0, seen: 0 };
        for _ in 0..count {
            crowd.connect();
        }
        for turn in 0..TURNS_BEFORE * count {
            let at = turn % count;
            let frame = crowd.peers[at].data(&messages::filler(LEN), LEN);
            crowd.host.load(&[frame]);
            crowd.host.step();
        }
        crowd.seen = crowd.host.sent();
        crowd
    }

    /// The same in pages of 2 MiB, as `fixwire` has them that serves so many. It is the whole process whose pages they are.
    ///
    /// # Panics
    /// The kernel makes none.
    pub fn in_large_pages(self) -> Crowd {
        let gathered = large_pages::gather().expect("/proc");
        assert!(gathered.large > 0, "{gathered:?}: no memory in large pages");
        self
    }

    fn connect(&mut self) {
        let mut peer = Peer::default();
        self.host.connect();
        line::connect(&mut self.host, &mut peer);
        self.seen = self.host.sent();
        self.peers.push(peer);
    }

    fn pick(&mut self) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 20) as usize % self.peers.len()
    }
}

impl Bench for Crowd {
    fn batch_max(&self) -> usize {
        LOADED_MAX
    }

    /// Writes `count` messages, each of a connection picked by chance.
    fn prepare(&mut self, count: usize) {
        let message = messages::filler(LEN);
        let mut frames = Vec::with_capacity(count);
        for _ in 0..count {
            let at = self.pick();
            frames.push(self.peers[at].data(&message, LEN));
            self.last = at;
        }
        self.host.load(&frames);
    }

    #[inline(never)]
    fn run(&mut self, count: usize) {
        let mut left = count;
        while left > 0 {
            let burst = left.min(self.burst);
            self.host.burst(self.now, burst);
            self.host.on_time(self.now);
            self.now = self.now + FRAME_TIME.times(burst as u64);
            left -= burst;
        }
    }

    fn check(&mut self, count: usize) {
        let sent = self.host.sent();
        assert_eq!(sent, self.seen + count as u64, "a frame for each message");
        self.seen = sent;
        let frames = self.host.kept();
        let payload = self.peers[self.last].check(frames[frames.len() - 1], self.sums);
        assert_eq!(payload, messages::filler(LEN));
    }
}
