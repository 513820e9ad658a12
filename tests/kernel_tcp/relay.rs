//! What lies between our stack and the kernel: a seeded relay that loses, delays, reorders, repeats, corrupts and
//! marks frames, both ways.
// Each of those who share it uses a part.
#![allow(dead_code)]

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fixwire::offload::checksum::Sum;
use fixwire::time::{Duration, Instant};
use random::Random;

#[path = "random.rs"]
pub(crate) mod random;

const L2_LEN: usize = 14;
/// How many frames wait at most, as in a router's queue: what comes on top is lost.
const QUEUE_FRAMES: usize = 1_000;
/// A burst is over by then, however few it has taken: one that waited for its frames would swallow a lone sender's timeouts one by
/// one, each twice the last, until minutes had gone by.
const BURST_LASTS: Duration = Duration::from_ms(100);

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
    /// Begins in one of a hundred frames, and takes so many that follow within 100 ms: nothing passes.
    pub(crate) burst_frames: u64,
    /// Whose turn of all this it is.
    pub(crate) seed: u64,
}

/// When it arrives, its number, itself, and whether it was damaged.
type Waiting = (Instant, u64, Vec<u8>, bool);

/// One direction of the relay.
pub(crate) struct Relay {
    faults: Faults,
    random: Random,
    waiting: BinaryHeap<Reverse<Waiting>>,
    count: u64,
    /// The latest number that has arrived.
    arrived: u64,
    /// Frames of a burst that are still to be lost, and until when.
    burst: u64,
    burst_ends: Instant,
    pub(crate) lost: u64,
    /// Those of them that were lost in bursts.
    pub(crate) lost_in_bursts: u64,
    pub(crate) repeated: u64,
    /// Frames that a later one was ahead of.
    pub(crate) overtaken: u64,
    pub(crate) corrupted: u64,
    pub(crate) marked: u64,
}

impl Relay {
    pub(crate) fn new(faults: Faults, seed: u64) -> Relay {
        Relay {
            faults,
            random: Random::new(seed),
            waiting: BinaryHeap::new(),
            count: 0,
            arrived: 0,
            burst: 0,
            burst_ends: Instant::FAR_FUTURE,
            lost: 0,
            lost_in_bursts: 0,
            repeated: 0,
            overtaken: 0,
            corrupted: 0,
            marked: 0,
        }
    }

    /// Takes a frame on. ARP passes unharmed: it is not what is tried.
    pub(crate) fn push(&mut self, now: Instant, mut frame: Vec<u8>) {
        let is_ipv4 = frame[12..14] == [8, 0];
        if is_ipv4 && (self.is_struck(now) || self.waiting.len() >= QUEUE_FRAMES) {
            self.lost += 1;
            return;
        }
        if is_ipv4 && frame[L2_LEN + 1] & 3 == 2 && self.random.percent(self.faults.mark_percent) {
            self.marked += 1;
            mark(&mut frame);
        }
        let copies = 1 + u64::from(is_ipv4 && self.random.percent(self.faults.repeat_percent));
        self.repeated += copies - 1;
        for _ in 0..copies {
            let mut copy = frame.clone();
            let is_damaged = is_ipv4 && self.random.percent(self.faults.corrupt_percent);
            if is_damaged {
                self.corrupted += 1;
                // One bit: what every sum detects.
                let bit = self.random.below(8 * (copy.len() - L2_LEN) as u64) as usize;
                copy[L2_LEN + bit / 8] ^= 1 << (bit % 8);
            }
            let jitter_ns = self.faults.jitter.as_ns();
            let late = Duration::from_ns(self.random.below(jitter_ns + 1));
            self.count += 1;
            let then = now + self.faults.delay + late;
            self.waiting.push(Reverse((then, self.count, copy, is_damaged)));
        }
    }

    /// Whether a frame is lost, alone or with those before it.
    fn is_struck(&mut self, now: Instant) -> bool {
        if now > self.burst_ends {
            self.burst = 0;
        }
        if self.faults.burst_frames > 0 && self.burst == 0 && self.random.percent(1) {
            self.burst = 1 + self.random.below(self.faults.burst_frames);
            self.burst_ends = now + BURST_LASTS;
        }
        self.burst = self.burst.saturating_sub(1);
        self.lost_in_bursts += u64::from(self.burst > 0);
        self.burst > 0 || self.random.percent(self.faults.loss_percent)
    }

    /// When the next frame arrives, if one is under way.
    pub(crate) fn next_arrival(&self) -> Instant {
        self.waiting.peek().map_or(Instant::FAR_FUTURE, |Reverse((at, ..))| *at)
    }

    /// The next frame that has arrived by now.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.pop_told(now).map(|(frame, _)| frame)
    }

    /// The same, and whether it was damaged on its way.
    pub(crate) fn pop_told(&mut self, now: Instant) -> Option<(Vec<u8>, bool)> {
        self.waiting.peek().filter(|Reverse((at, ..))| *at <= now)?;
        let Reverse((_, number, frame, is_damaged)) = self.waiting.pop()?;
        self.overtaken += u64::from(number < self.arrived);
        self.arrived = self.arrived.max(number);
        Some((frame, is_damaged))
    }

    /// Other faults from here on, for what is taken on from here on.
    pub(crate) fn set(&mut self, faults: Faults) {
        self.faults = faults;
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
