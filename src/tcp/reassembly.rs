//! Which bytes ahead of their turn are held: a short sorted list of ranges, in which a place is found by
//! halving.
//!
//! The bytes themselves lie at their place in the receive ring. The first copy of a byte wins: a
//! later segment that overlaps is written only where nothing is held yet.

use core::ops::Range;

use crate::wire::tcp::SeqNumber;

/// The most ranges that one connection holds. Past it the farthest is dropped: the peer sends it
/// again.
pub(super) const RANGES_MAX: usize = 32;

/// The held ranges. None touches another, none begins at or before `rcv_nxt`.
pub(super) struct Reassembly {
    /// As many places as there are ranges at most. They lie apart: a connection seldom looks at them.
    ranges: Box<[(SeqNumber, SeqNumber)]>,
    len: usize,
}

/// What became of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inserted {
    /// It is held.
    Held,
    /// It is held, and for it the farthest was dropped.
    HeldForFarthest,
    /// It would have been the farthest, and there was no room.
    Dropped,
}

impl Reassembly {
    pub(super) fn new() -> Reassembly {
        let ranges = vec![(SeqNumber(0), SeqNumber(0)); RANGES_MAX].into_boxed_slice();
        Reassembly { ranges, len: 0 }
    }

    /// None at all: what stands in for one that is being moved.
    pub(super) fn empty() -> Reassembly {
        Reassembly { ranges: Box::default(), len: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The held ranges, nearest first.
    pub(super) fn ranges(&self) -> &[(SeqNumber, SeqNumber)] {
        &self.ranges[..self.len]
    }

    /// Where the first held range begins.
    #[inline]
    pub(super) fn first(&self) -> Option<SeqNumber> {
        self.ranges().first().map(|range| range.0)
    }

    /// The held range that `at` lies in.
    pub(super) fn range_of(
        &self,
        rcv_nxt: SeqNumber,
        at: SeqNumber,
    ) -> Option<(SeqNumber, SeqNumber)> {
        let offset = at.since(rcv_nxt);
        let place = self.ranges().partition_point(|(_, right)| right.since(rcv_nxt) <= offset);
        self.ranges().get(place).copied().filter(|(left, _)| left.since(rcv_nxt) <= offset)
    }

    /// The first part of `left..right`, which lies past `rcv_nxt`, that is held already.
    pub(super) fn first_overlap(
        &self,
        rcv_nxt: SeqNumber,
        (left, right): (SeqNumber, SeqNumber),
    ) -> Option<(SeqNumber, SeqNumber)> {
        let from = left.since(rcv_nxt);
        let place = self.ranges().partition_point(|(_, right)| right.since(rcv_nxt) <= from);
        let (held_left, held_right) = *self.ranges().get(place)?;
        let overlap_left = left.later_of(held_left);
        let overlap_right = if held_right.is_before(right) { held_right } else { right };
        overlap_left.is_before(overlap_right).then_some((overlap_left, overlap_right))
    }

    /// Holds `new`, as offsets from `rcv_nxt`, and calls `write` for each part not held before.
    pub(super) fn insert(
        &mut self,
        rcv_nxt: SeqNumber,
        new: Range<u32>,
        mut write: impl FnMut(Range<u32>),
    ) -> Inserted {
        // Those that overlap or touch `new` are `from..to`.
        let ranges = self.ranges();
        let from = ranges.partition_point(|(_, right)| right.since(rcv_nxt) < new.start);
        let to = ranges.partition_point(|(left, _)| left.since(rcv_nxt) <= new.end);
        let mut outcome = Inserted::Held;
        if from == to && self.len == RANGES_MAX {
            if from == RANGES_MAX {
                return Inserted::Dropped;
            }
            self.len -= 1;
            outcome = Inserted::HeldForFarthest;
        }
        let mut merged = new.clone();
        let mut cursor = new.start;
        for &(left, right) in self.ranges[from..to].iter() {
            let (left, right) = (left.since(rcv_nxt), right.since(rcv_nxt));
            if cursor < left {
                write(cursor..left.min(new.end));
            }
            cursor = cursor.max(right);
            merged = merged.start.min(left)..merged.end.max(right);
        }
        if cursor < new.end {
            write(cursor..new.end);
        }
        self.replace(from, to, (rcv_nxt + merged.start, rcv_nxt + merged.end));
        outcome
    }

    /// Holds a range behind all others, as offsets from `rcv_nxt`. Says whether it lies there, apart from them.
    pub(super) fn restore(&mut self, rcv_nxt: SeqNumber, range: Range<u32>) -> bool {
        let last = self.ranges().last().map_or(0, |(_, right)| right.since(rcv_nxt));
        let is_behind = range.start > last && range.start < range.end && self.len < RANGES_MAX;
        if is_behind {
            self.ranges[self.len] = (rcv_nxt + range.start, rcv_nxt + range.end);
            self.len += 1;
        }
        is_behind
    }

    /// Lets go of what lies before `rcv_nxt`, and takes out the range that it has reached: says
    /// where that ends.
    pub(super) fn advance(&mut self, mut rcv_nxt: SeqNumber) -> SeqNumber {
        let mut passed = 0;
        for &(left, right) in self.ranges() {
            if rcv_nxt.is_before(left) {
                break;
            }
            rcv_nxt = rcv_nxt.later_of(right);
            passed += 1;
        }
        self.ranges.copy_within(passed..self.len, 0);
        self.len -= passed;
        rcv_nxt
    }

    fn replace(&mut self, from: usize, to: usize, range: (SeqNumber, SeqNumber)) {
        self.ranges.copy_within(to..self.len, from + 1);
        self.ranges[from] = range;
        self.len = self.len + 1 - (to - from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: SeqNumber = SeqNumber(u32::MAX - 20);

    fn offsets(held: &Reassembly) -> Vec<(u32, u32)> {
        held.ranges().iter().map(|range| (range.0.since(BASE), range.1.since(BASE))).collect()
    }

    #[test]
    fn ranges_merge_and_only_what_is_new_is_written() {
        // held before -> inserted -> written, held after
        type Ranges = &'static [(u32, u32)];
        let table: [(Ranges, (u32, u32), Ranges, Ranges); 8] = [
            (&[], (5, 9), &[(5, 9)], &[(5, 9)]),
            (&[(5, 9)], (5, 9), &[], &[(5, 9)]),
            (&[(5, 9)], (9, 12), &[(9, 12)], &[(5, 12)]),
            (&[(5, 9)], (2, 5), &[(2, 5)], &[(2, 9)]),
            (&[(5, 9)], (10, 12), &[(10, 12)], &[(5, 9), (10, 12)]),
            (&[(5, 9)], (1, 3), &[(1, 3)], &[(1, 3), (5, 9)]),
            (&[(5, 9), (20, 30)], (7, 25), &[(9, 20)], &[(5, 30)]),
            (
                &[(5, 9), (12, 14), (40, 50)],
                (2, 35),
                &[(2, 5), (9, 12), (14, 35)],
                &[(2, 35), (40, 50)],
            ),
        ];
        for (before, new, writes, after) in table {
            let mut held = Reassembly::new();
            for range in before {
                held.insert(BASE, range.0..range.1, |_| {});
            }
            let mut written = Vec::new();
            let outcome =
                held.insert(BASE, new.0..new.1, |part| written.push((part.start, part.end)));
            assert_eq!(outcome, Inserted::Held);
            assert_eq!((&written[..], &offsets(&held)[..]), (writes, after), "{before:?} {new:?}");
        }
    }

    #[test]
    fn at_the_limit_the_farthest_is_dropped() {
        let mut held = Reassembly::new();
        for index in 1..=RANGES_MAX as u32 {
            assert_eq!(held.insert(BASE, index * 10..index * 10 + 5, |_| {}), Inserted::Held);
        }
        let wrote = |_| panic!("dropped bytes are not to be written");
        assert_eq!(held.insert(BASE, 1000..1001, wrote), Inserted::Dropped);
        assert_eq!(held.insert(BASE, 17..18, |_| {}), Inserted::HeldForFarthest);
        assert_eq!(held.ranges().len(), RANGES_MAX);
        assert_eq!(offsets(&held)[..3], [(10, 15), (17, 18), (20, 25)]);
        assert_eq!(offsets(&held)[RANGES_MAX - 1], (310, 315));
        // One that merges needs no room.
        assert_eq!(held.insert(BASE, 310..400, |_| {}), Inserted::Held);
        assert_eq!(held.insert(BASE, 0..500, |_| {}), Inserted::Held);
        assert_eq!(offsets(&held), [(0, 500)]);
    }

    #[test]
    fn advancing_passes_over_what_is_reached_and_keeps_the_rest() {
        let mut held = Reassembly::new();
        for (left, right) in [(5, 9), (12, 15), (30, 40)] {
            held.insert(BASE, left..right, |_| {});
        }
        assert_eq!(held.advance(BASE + 4), BASE + 4);
        assert_eq!(held.advance(BASE + 5), BASE + 9);
        assert_eq!(held.advance(BASE + 20), BASE + 20);
        assert_eq!(offsets(&held), [(30, 40)]);
    }
}
