//! Segments that came before.

use super::{Ends, LEN, RANGES_MAX, STREAM_LEN};
use crate::case::Bench;
use crate::line::Host;
use crate::nic::{LOADED_MAX, Sums};

/// How many segments were read, or lie in each range: one of them comes again.
const SEGMENTS: u32 = 4;

/// What comes twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// What was read.
    Delivered,
    /// What is held behind a hole.
    Held,
}

impl Which {
    /// As a case is called.
    pub const fn name(self) -> &'static str {
        match self {
            Which::Delivered => "delivered before",
            Which::Held => "held before",
        }
    }
}

/// A host that has read some segments, and holds so many ranges. Each segment is one of those again, picked by chance.
pub struct Twice {
    ends: Ends,
    which: Which,
    ranges: usize,
    /// Where the last segment lies.
    last: u32,
}

impl Twice {
    /// Has a host read and hold them.
    pub fn new(sums: Sums, which: Which, ranges: usize) -> Twice {
        let mut twice = Twice { ends: Ends::new(sums), which, ranges, last: 0 };
        twice.ends.fill(SEGMENTS * LEN);
        for range in 0..ranges {
            for number in 0..SEGMENTS {
                let frame = twice.ends.segment(twice.at(range, number));
                twice.ends.take(frame);
            }
        }
        twice
    }

    fn at(&self, range: usize, number: u32) -> u32 {
        (range as u32 + 1) * (STREAM_LEN / (RANGES_MAX as u32 + 1)) + number * LEN
    }

    /// Where the next segment goes, by chance.
    fn place(&mut self) -> u32 {
        let number = self.ends.below(SEGMENTS as usize) as u32;
        match self.which {
            Which::Delivered => ((number + 1) * LEN).wrapping_neg(),
            Which::Held => {
                let range = self.ends.below(self.ranges);
                self.at(range, number)
            }
        }
    }
}

impl Bench for Twice {
    fn batch_max(&self) -> usize {
        LOADED_MAX
    }

    fn prepare(&mut self, count: usize) {
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

    /// The first block is what came twice (RFC 2883 4), the second is what holds that, if it is held.
    fn check(&mut self, count: usize) {
        let blocks = self.ends.told_of_blocks(count);
        assert_eq!(blocks[0], (self.last, self.last.wrapping_add(LEN)));
        assert_eq!(blocks.len(), 1 + self.ranges.min(2));
        if self.which == Which::Held {
            let (left, right) = blocks[1];
            assert!(left <= self.last && self.last + LEN <= right, "{blocks:?}");
        }
    }

    fn flush_next(&mut self) {
        self.ends.host.flush_next();
    }
}
