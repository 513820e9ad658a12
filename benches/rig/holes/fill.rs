//! Into the hole before what is held.

use super::{Ends, LEN};
use crate::case::Bench;
use crate::line::Host;
use crate::nic::Sums;

/// A host that holds so many ranges, each with a hole before it. Each segment fills the first hole, and the range behind it
/// is read, too.
pub struct Fill {
    ends: Ends,
    ranges: usize,
    /// So many of them are still held.
    left: usize,
}

impl Fill {
    /// Connects a host.
    pub fn new(sums: Sums, ranges: usize) -> Fill {
        Fill { ends: Ends::new(sums), ranges, left: 0 }
    }

    /// The segment that fills the first hole.
    fn filling(&mut self) -> Vec<u8> {
        let frame = self.ends.segment(0);
        self.ends.peer.passes(2 * LEN);
        self.left -= 1;
        frame
    }
}

impl Bench for Fill {
    /// There are no more holes.
    fn batch_max(&self) -> usize {
        self.ranges
    }

    /// Fills what is left, holds all of them anew, and writes the next `count` segments.
    fn prepare(&mut self, count: usize) {
        while self.left > 0 {
            let frame = self.filling();
            self.ends.take(frame);
        }
        for range in 0..self.ranges as u32 {
            let frame = self.ends.segment((2 * range + 1) * LEN);
            self.ends.take(frame);
        }
        self.left = self.ranges;
        let frames: Vec<_> = (0..count).map(|_| self.filling()).collect();
        self.ends.host.load(&frames);
    }

    #[inline(never)]
    fn run(&mut self, count: usize) {
        self.ends.run(count);
    }

    /// The last was acknowledged with the range behind it.
    fn check(&mut self, count: usize) {
        let blocks = self.ends.told_of_blocks(count);
        assert_eq!(blocks.len(), self.left.min(3));
    }

    fn flush_next(&mut self) {
        self.ends.host.flush_next();
    }
}
