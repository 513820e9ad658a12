//! What is proven durable behind the session's back: the steps of whoever syncs, which is not the session.

use core::ops::Range;

use super::layout::{Header, PAGE, RESERVED_AT, RING_AT, Salt, Word};
use super::{Proven, Taken};

/// How far a journal is synced, and which numbers are reserved on the disk.
#[derive(Clone, Debug)]
pub struct Ledger {
    header: Header,
    epoch: u32,
    until: u32,
    synced: u64,
}

impl Ledger {
    /// Where both stand in words that are on the disk: as a journal was opened.
    pub fn new(header: Header, taken: Taken) -> Ledger {
        let until = taken.next_out.saturating_add(header.ahead);
        Ledger { epoch: taken.epoch, until, synced: taken.end, header }
    }

    /// How far that is.
    pub fn taken(&self) -> Taken {
        let next_out = self.until.saturating_sub(self.header.ahead);
        Taken { epoch: self.epoch, next_out, end: self.synced }
    }

    /// Where the next `len` bytes of the ring lie behind the position `end`.
    pub fn ahead_of(&self, end: u64, len: usize) -> [Range<usize>; 2] {
        ring_ranges(self.header.ring_len, end, end + len as u64)
    }

    /// What is reserved.
    pub fn proven(&self) -> Proven {
        Proven::Reserved { epoch: self.epoch, until: self.until, synced: self.synced }
    }

    /// Whether there is something to sync since the last [`note`](Ledger::note).
    pub fn is_behind(&self, taken: Taken) -> bool {
        self.synced < taken.end || self.epoch != taken.epoch || self.is_short(taken)
    }

    fn is_short(&self, taken: Taken) -> bool {
        self.until.saturating_sub(taken.next_out) < self.header.ahead / 2
    }

    /// What is to be synced first, so that the words of [`note`](Ledger::note) are true: of the ring, the
    /// numbers' page.
    pub fn ranges(&self, taken: Taken) -> [Range<usize>; 3] {
        let [first, second] = ring_ranges(self.header.ring_len, self.synced, taken.end);
        [first, second, 2 * PAGE..3 * PAGE]
    }

    /// The words that say so, and where they go, once that is on the disk. Once they are there too, what is
    /// [proven](Ledger::proven) may be believed.
    pub fn note(&mut self, taken: Taken) -> (usize, [u8; 24]) {
        if self.epoch != taken.epoch || self.is_short(taken) {
            self.until = taken.next_out.saturating_add(self.header.ahead);
        }
        self.epoch = taken.epoch;
        self.synced = self.synced.max(taken.end);
        (RESERVED_AT, self.words())
    }

    pub(super) fn words(&self) -> [u8; 24] {
        let id = self.header.id;
        let reserved = Salt::new(id, Word::Reserved, self.epoch).seal(self.until);
        let synced = Salt::new(id, Word::Synced, 0).seal_position(self.synced);
        // Last, so that what is reserved is of this epoch or of the one that this word has.
        let epoch = Salt::new(id, Word::ReservedEpoch, 0).seal(self.epoch);
        let mut words = [0; 24];
        words[..8].copy_from_slice(&reserved.to_le_bytes());
        words[8..16].copy_from_slice(&synced.to_le_bytes());
        words[16..].copy_from_slice(&epoch.to_le_bytes());
        words
    }
}

/// Where in the file the positions from `from` to `to` lie: one piece, or two where a lap ends between.
pub(super) fn ring_ranges(ring_len: u64, from: u64, to: u64) -> [Range<usize>; 2] {
    if to - from >= ring_len {
        return [RING_AT..RING_AT + ring_len as usize, 0..0];
    }
    let at = |position: u64| RING_AT + (position % ring_len) as usize;
    let end = RING_AT + ring_len as usize;
    if from == to {
        [0..0, 0..0]
    } else if at(to) > at(from) {
        [at(from)..at(to), 0..0]
    } else {
        [at(from)..end, RING_AT..at(to)]
    }
}
