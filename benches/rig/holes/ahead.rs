//! Ahead of their turn, where there is room for a range more.

use super::{Ends, LEN, STREAM_LEN};
use crate::case::Bench;
use crate::line::Host;
use crate::nic::{LOADED_MAX, Sums};
use crate::tcp_host::Setting;

/// A host that holds ranges of bytes, each with a hole before it. Two segments after each other go behind a range
/// picked by chance: the second of them first, which is a range more, and then the first, which joins the two to it.
pub struct Holes {
    ends: Ends,
    setting: Setting,
    /// Where each range ends, in bytes past what is next.
    edges: Vec<u32>,
    /// The range whose pair is half sent.
    open: Option<usize>,
    /// Where the last segment lies.
    last: u32,
}

impl Holes {
    /// Has a host hold so many ranges.
    pub fn new(sums: Sums, ranges: usize, setting: Setting) -> Holes {
        let ends = Ends::with(sums, setting);
        let mut holes = Holes { ends, setting, edges: vec![0; ranges], open: None, last: 0 };
        holes.dig();
        holes
    }

    /// How far apart ranges begin.
    fn apart(&self) -> u32 {
        STREAM_LEN / (self.edges.len() as u32 + 1)
    }

    /// How many pairs fit behind a range, with a hole behind them.
    fn pairs_left(&self, range: usize) -> u32 {
        let next = (range as u32 + 2) * self.apart();
        (next - 1 - self.edges[range]) / (2 * LEN)
    }

    /// Makes the ranges, as short as a segment.
    fn dig(&mut self) {
        for range in 0..self.edges.len() {
            let at = (range as u32 + 1) * self.apart();
            let frame = self.ends.segment(at);
            self.ends.take(frame);
            self.edges[range] = at + LEN;
        }
    }

    /// Fills all holes: everything is next, and read.
    fn fill(&mut self) {
        self.open = None;
        self.ends.fill(self.edges.last().copied().unwrap_or_default() + 2 * LEN);
    }

    /// Where the next segment goes, by chance.
    fn place(&mut self) -> u32 {
        if let Some(range) = self.open.take() {
            self.edges[range] += 2 * LEN;
            return self.edges[range] - 2 * LEN;
        }
        loop {
            let range = self.ends.below(self.edges.len());
            if self.pairs_left(range) > 0 {
                self.open = Some(range);
                return self.edges[range] + LEN;
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
        let pairs: u32 = (0..self.edges.len()).map(|range| self.pairs_left(range)).sum();
        if (pairs as usize) < count {
            self.fill();
            self.dig();
        }
        let mut frames = Vec::with_capacity(count);
        for _ in 0..count {
            self.last = self.place();
            frames.push(self.ends.segment(self.last));
        }
        self.ends.host.load(&frames);
    }

    #[inline(never)]
    fn run(&mut self, count: usize) {
        self.ends.run(count);
    }

    /// The last was acknowledged by a block that it lies in, where there are blocks.
    fn check(&mut self, count: usize) {
        let blocks = self.ends.told_of_blocks(count);
        if self.setting == Setting::NoSack {
            assert_eq!(blocks, []);
            return;
        }
        let (left, right) = blocks[0];
        assert!(left <= self.last && self.last + LEN <= right, "{} in {left}..{right}", self.last);
    }

    fn flush_next(&mut self) {
        self.ends.host.flush_next();
    }
}
