//! Each second one behind the one that follows it.

use super::{Ends, LEN};
use crate::case::Bench;
use crate::line::Host;
use crate::nic::{LOADED_MAX, Sums};

/// A host that hears every segment but each second one, which comes after the one behind it: that is held, joins what fills
/// the hole before it, and is read.
pub struct Late {
    ends: Ends,
    /// One is held, and what is before it is to come.
    is_open: bool,
}

impl Late {
    /// Connects a host.
    pub fn new(sums: Sums) -> Late {
        Late { ends: Ends::new(sums), is_open: false }
    }
}

impl Bench for Late {
    fn batch_max(&self) -> usize {
        LOADED_MAX
    }

    fn prepare(&mut self, count: usize) {
        let mut frames = Vec::with_capacity(count);
        for _ in 0..count {
            if self.is_open {
                frames.push(self.ends.segment(0));
                self.ends.peer.passes(2 * LEN);
            } else {
                frames.push(self.ends.segment(LEN));
            }
            self.is_open = !self.is_open;
        }
        self.ends.host.load(&frames);
    }

    #[inline(never)]
    fn run(&mut self, count: usize) {
        self.ends.run(count);
    }

    /// The last was acknowledged with all that is whole.
    fn check(&mut self, count: usize) {
        let blocks = self.ends.told_of_blocks(count);
        assert_eq!(blocks.len(), usize::from(self.is_open));
    }

    fn flush_next(&mut self) {
        self.ends.host.flush_next();
    }
}
