//! Ahead of their turn, where as many ranges are held as there can be.

use super::{Ends, LEN, RANGES_MAX};
use crate::case::Bench;
use crate::line::Host;
use crate::nic::Sums;

/// How far apart the places are that a segment may come at, and how many there are.
const APART: u32 = 200;
const PLACES: usize = 300;

/// Which bytes are dropped, where one more range comes than is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// Those of the farthest range that is held.
    Farthest,
    /// Those of the segment itself, which lies behind all that is held.
    Itself,
}

impl Dropped {
    /// As a case is called.
    pub const fn name(self) -> &'static str {
        match self {
            Dropped::Farthest => "the farthest dropped",
            Dropped::Itself => "itself dropped",
        }
    }
}

/// A host that holds as many ranges as it can. Each segment would be one more, at a place picked by chance.
pub struct Full {
    ends: Ends,
    dropped: Dropped,
    /// The places of what is held, nearest first.
    held: Vec<usize>,
    /// Where the last segment lies.
    last: u32,
}

fn at(place: usize) -> u32 {
    1 + place as u32 * APART
}

impl Full {
    /// Has a host hold them.
    pub fn new(sums: Sums, dropped: Dropped) -> Full {
        let mut full = Full { ends: Ends::new(sums), dropped, held: Vec::new(), last: 0 };
        full.dig();
        full
    }

    /// Makes the ranges: far ones, where nearer ones are to come, or near ones.
    fn dig(&mut self) {
        let first = if self.dropped == Dropped::Farthest { PLACES - RANGES_MAX } else { 0 };
        self.held = (first..first + RANGES_MAX).collect();
        for place in self.held.clone() {
            let frame = self.ends.segment(at(place));
            self.ends.take(frame);
        }
    }

    /// Where the next segment goes, by chance.
    fn place(&mut self) -> usize {
        let farthest = self.held[RANGES_MAX - 1];
        if self.dropped == Dropped::Itself {
            return farthest + 1 + self.ends.below(PLACES - farthest - 1);
        }
        loop {
            let place = self.ends.below(farthest);
            if let Err(before) = self.held.binary_search(&place) {
                self.held.insert(before, place);
                self.held.pop();
                return place;
            }
        }
    }
}

impl Bench for Full {
    /// So many are dropped before those that came are.
    fn batch_max(&self) -> usize {
        RANGES_MAX
    }

    fn prepare(&mut self, count: usize) {
        if self.dropped == Dropped::Farthest {
            self.ends.fill(at(PLACES));
            self.dig();
        }
        let mut frames = Vec::with_capacity(count);
        for _ in 0..count {
            self.last = at(self.place());
            frames.push(self.ends.segment(self.last));
        }
        self.ends.host.load(&frames);
    }

    #[inline(never)]
    fn run(&mut self, count: usize) {
        self.ends.run(count);
    }

    /// The last was acknowledged by a block of its own, or by none.
    fn check(&mut self, count: usize) {
        let blocks = self.ends.told_of_blocks(count);
        let is_told = blocks[0] == (self.last, self.last + LEN);
        assert_eq!((blocks.len(), is_told), (3, self.dropped == Dropped::Farthest), "{blocks:?}");
    }

    fn flush_next(&mut self) {
        self.ends.host.flush_next();
    }
}
