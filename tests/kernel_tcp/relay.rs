//! What lies between our stack and the kernel: a seeded relay that loses, delays, reorders, repeats, corrupts and
//! marks frames, both ways.
// Each of those who share it uses a part.
#![allow(dead_code)]

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fixwire::offload::checksum::Sum;
use fixwire::time::{Duration, Instant};

const L2_LEN: usize = 14;
/// How many frames wait at most, as in a router's queue: what comes on top is lost.
const QUEUE_FRAMES: usize = 1_000;

/// How bad it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) loss_percent: u64,
    pub(crate) repeat_percent: u64,
    pub(crate) corrupt_percent: u64,
    /// Of what may be marked.
    pub(crate) mark_percent: u64,
    pub(crate) delay: Duration,
    /// At most so much longer: frames overtake each other by it.
    pub(crate) jitter: Duration,
    /// Begins in one of a hundred frames, and takes so many that follow: nothing passes.
    pub(crate) burst_frames: u64,
    /// Whose turn of all this it is.
    pub(crate) seed: u64,
}

/// One direction of the relay.
pub(crate) struct Relay {
    faults: Faults,
    random: u64,
    waiting: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>>,
    count: u64,
    /// Frames of a burst that are still to be lost.
    burst: u64,
    pub(crate) lost: u64,
    pub(crate) corrupted: u64,
    pub(crate) marked: u64,
}

impl Relay {
    pub(crate) fn new(faults: Faults, seed: u64) -> Relay {
        Relay {
            faults,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            waiting: BinaryHeap::new(),
            count: 0,
            burst: 0,
            lost: 0,
            corrupted: 0,
            marked: 0,
        }
    }

    fn below(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % below.max(1)
    }

    fn percent(&mut self, percent: u64) -> bool {
        percent > 0 && self.below(100) < percent
    }

    /// Takes a frame on. ARP passes unharmed: it is not what is tried.
    pub(crate) fn push(&mut self, now: Instant, mut frame: Vec<u8>) {
        let is_ipv4 = frame[12..14] == [8, 0];
        if is_ipv4 && (self.is_struck() || self.waiting.len() >= QUEUE_FRAMES) {
            self.lost += 1;
            return;
        }
        if is_ipv4 && frame[L2_LEN + 1] & 3 == 2 && self.percent(self.faults.mark_percent) {
            self.marked += 1;
            mark(&mut frame);
        }
        let copies = 1 + u64::from(is_ipv4 && self.percent(self.faults.repeat_percent));
        for _ in 0..copies {
            let mut copy = frame.clone();
            if is_ipv4 && self.percent(self.faults.corrupt_percent) {
                self.corrupted += 1;
                // One bit: what every sum detects.
                let bit = self.below(8 * (copy.len() - L2_LEN) as u64) as usize;
                copy[L2_LEN + bit / 8] ^= 1 << (bit % 8);
            }
            let jitter_ns = self.faults.jitter.as_ns();
            let late = Duration::from_ns(self.below(jitter_ns + 1));
            self.count += 1;
            self.waiting.push(Reverse((now + self.faults.delay + late, self.count, copy)));
        }
    }

    /// Whether a frame is lost, alone or with those before it.
    fn is_struck(&mut self) -> bool {
        if self.faults.burst_frames > 0 && self.burst == 0 && self.percent(1) {
            self.burst = 1 + self.below(self.faults.burst_frames);
        }
        self.burst = self.burst.saturating_sub(1);
        self.burst > 0 || self.percent(self.faults.loss_percent)
    }

    /// When the next frame arrives, if one is under way.
    pub(crate) fn next_arrival(&self) -> Instant {
        self.waiting.peek().map_or(Instant::FAR_FUTURE, |Reverse((at, ..))| *at)
    }

    /// The next frame that has arrived by now.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.waiting.peek().filter(|Reverse((at, ..))| *at <= now)?;
        self.waiting.pop().map(|Reverse((_, _, frame))| frame)
    }
}

/// RFC 3168 5: CE in place of ECT(0).
fn mark(frame: &mut [u8]) {
    let header = &mut frame[L2_LEN..L2_LEN + 20];
    header[1] |= 3;
    header[10..12].fill(0);
    let sum = Sum::of(header).checksum();
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}
