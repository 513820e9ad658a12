//! Which bytes ahead of their turn are held: a short sorted list of ranges, in which a place is found by
//! halving.
//!
//! The bytes themselves lie at their place in the receive ring. The first copy of a byte wins: a
//! later segment that overlaps is written only where nothing is held yet.

use core::ops::Range;

use super::codec::{Codec, In, Out};
use super::receipts::Receipts;
use super::snapshot::SnapshotRefusal;
use crate::wire::tcp::{SACK_BLOCKS_MAX, SeqNumber};

/// The most ranges that one connection holds. Past it the farthest is dropped: the peer sends it
/// again.
pub(crate) const RANGES_MAX: usize = 32;

/// Where a range begins, and where it ends.
type Edges = (SeqNumber, SeqNumber);

/// The held ranges. None touches another, none begins at or before `rcv_nxt`.
pub(crate) struct Reassembly {
    ranges: [Edges; RANGES_MAX],
    len: usize,
    latest: Latest,
    receipts: Receipts,
}

/// Those of the ranges that bytes came for last, the latest first: as many as can be told of (RFC 2018 4).
#[derive(Clone, Copy, Debug)]
pub(super) struct Latest {
    pub(super) ranges: [Edges; SACK_BLOCKS_MAX],
    pub(super) len: usize,
}

impl Latest {
    const NONE: Latest = Latest { ranges: [(SeqNumber(0), SeqNumber(0)); SACK_BLOCKS_MAX], len: 0 };

    /// Bytes came for `range`, which takes in what lies in it of others.
    #[inline(always)]
    fn note(&mut self, range: Edges) {
        let before = core::mem::replace(self, Latest::NONE);
        let len = range.1.since(range.0);
        (self.ranges[0], self.len) = (range, 1);
        for each in before.ranges.iter().take(before.len) {
            if each.0.since(range.0) >= len
                && let Some(place) = self.ranges.get_mut(self.len)
            {
                *place = *each;
                self.len += 1;
            }
        }
    }

    /// All but `range` stay.
    #[inline(always)]
    fn forget(&mut self, range: Edges) {
        let mut behind = 0..self.len.min(SACK_BLOCKS_MAX);
        if behind.any(|place| self.ranges[place] == range) {
            for next in behind {
                self.ranges[next - 1] = self.ranges[next];
            }
            self.len -= 1;
        }
    }

    /// Only those stay that are `kept`.
    fn retain(&mut self, kept: impl Fn(&Edges) -> bool) {
        let before = core::mem::replace(self, Latest::NONE);
        for each in before.ranges.iter().take(before.len).filter(|each| kept(each)) {
            self.ranges[self.len] = *each;
            self.len += 1;
        }
    }
}

/// What became of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// It is held.
    Held,
    /// It is held, and for it the farthest was dropped.
    HeldForFarthest,
    /// It would have been the farthest, and there was no room.
    Dropped,
}

/// What became of a range of which either nothing was held, or all of it in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// It is held.
    New(Inserted),
    /// It was held before.
    Again,
}

impl Reassembly {
    pub(crate) fn new() -> Reassembly {
        let ranges = [(SeqNumber(0), SeqNumber(0)); RANGES_MAX];
        Reassembly { ranges, len: 0, latest: Latest::NONE, receipts: Receipts::new() }
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
        self.latest = Latest::NONE;
        self.receipts.clear();
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many they are.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The held ranges, nearest first.
    #[inline(always)]
    pub(crate) fn ranges(&self) -> &[Edges] {
        &self.ranges[..self.len]
    }

    /// Those that bytes came for last.
    #[inline(always)]
    pub(super) fn latest(&self) -> &Latest {
        &self.latest
    }

    /// By whom what is held came, or is readable since.
    pub(crate) fn receipts(&self) -> &Receipts {
        &self.receipts
    }

    pub(crate) fn receipts_mut(&mut self) -> &mut Receipts {
        &mut self.receipts
    }

    /// Where the first held range begins.
    #[inline]
    pub(crate) fn first(&self) -> Option<SeqNumber> {
        self.ranges().first().map(|range| range.0)
    }

    /// The first part of `left..right`, which lies past `rcv_nxt`, that is held already.
    pub(crate) fn first_overlap(&self, rcv_nxt: SeqNumber, (left, right): Edges) -> Option<Edges> {
        let from = left.since(rcv_nxt);
        let place = self.ranges().partition_point(|(_, right)| right.since(rcv_nxt) <= from);
        let (held_left, held_right) = *self.ranges().get(place)?;
        let overlap_left = left.later_of(held_left);
        let overlap_right = if held_right.is_before(right) { held_right } else { right };
        overlap_left.is_before(overlap_right).then_some((overlap_left, overlap_right))
    }

    /// Holds `new`, as offsets from `rcv_nxt`, and calls `write` for each part not held before.
    pub(crate) fn insert(
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
            self.drop_farthest();
            outcome = Inserted::HeldForFarthest;
        }
        let mut merged = new.clone();
        let mut cursor = new.start;
        for &(left, right) in &self.ranges[from..to] {
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
        let range = (rcv_nxt + merged.start, rcv_nxt + merged.end);
        self.replace(from, to, range);
        self.latest.note(range);
        outcome
    }

    /// Holds `new`, as offsets from `rcv_nxt`, if nothing of it is held, or all of it in one piece. If not, nothing has
    /// happened.
    #[inline]
    pub(super) fn insert_whole(&mut self, rcv_nxt: SeqNumber, new: Range<u32>) -> Option<Placed> {
        let (start, end) = (rcv_nxt + new.start, rcv_nxt + new.end);
        let ranges = self.ranges.get(..self.len)?;
        // The first that ends where it begins, or behind that.
        let place = ranges.partition_point(|range| range.1.since(rcv_nxt) < new.start);
        let touches_near = ranges.get(place).is_some_and(|range| range.1 == start);
        let far = ranges.get(place + usize::from(touches_near));
        if let Some(far) = far.filter(|range| range.0.since(rcv_nxt) < new.end) {
            let is_within = far.0.since(rcv_nxt) <= new.start && new.end <= far.1.since(rcv_nxt);
            if is_within {
                self.latest.note(*far);
            }
            return is_within.then_some(Placed::Again);
        }
        let range = match (touches_near, far.filter(|range| range.0 == end)) {
            (true, Some(far)) => {
                let range = (ranges[place].0, far.1);
                self.ranges.copy_within(place + 2..self.len, place + 1);
                self.len -= 1;
                range
            }
            (true, None) => (ranges[place].0, end),
            (false, Some(far)) => (start, far.1),
            (false, None) if self.len == RANGES_MAX => {
                return Some(Placed::New(self.insert_for_farthest(place, (start, end))));
            }
            (false, None) => {
                self.ranges.copy_within(place..self.len, place + 1);
                self.len += 1;
                (start, end)
            }
        };
        self.ranges[place] = range;
        self.latest.note(range);
        Some(Placed::New(Inserted::Held))
    }

    /// Holds a range that touches none in the farthest's stead, unless it is farther.
    #[inline(never)]
    fn insert_for_farthest(&mut self, place: usize, range: Edges) -> Inserted {
        if place == RANGES_MAX {
            return Inserted::Dropped;
        }
        self.drop_farthest();
        self.ranges.copy_within(place..self.len, place + 1);
        self.len += 1;
        self.ranges[place] = range;
        self.latest.note(range);
        Inserted::HeldForFarthest
    }

    /// Makes room, where there is none.
    fn drop_farthest(&mut self) {
        self.len -= 1;
        let farthest = self.ranges[self.len];
        self.latest.forget(farthest);
        self.receipts.forget_from(farthest.0);
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
    pub(crate) fn advance(&mut self, mut rcv_nxt: SeqNumber) -> SeqNumber {
        if let Some(&range) = self.ranges().first()
            && range.0 == rcv_nxt
        {
            // Nearly always: no other touches it.
            self.ranges.copy_within(1..self.len, 0);
            self.len -= 1;
            self.latest.forget(range);
            return range.1;
        }
        let mut passed = 0;
        for &(left, right) in self.ranges() {
            if rcv_nxt.is_before(left) {
                break;
            }
            rcv_nxt = rcv_nxt.later_of(right);
            passed += 1;
        }
        if passed > 0 {
            self.ranges.copy_within(passed..self.len, 0);
            self.len -= passed;
            self.latest.retain(|each| rcv_nxt.is_before(each.0));
        }
        rcv_nxt
    }

    /// Which of the ranges are the latest, by their places.
    pub(super) fn put_latest(&self, out: &mut Out<'_>) {
        let Latest { ranges, len } = self.latest();
        (*len as u32).put(out);
        for each in ranges.iter().take(*len) {
            let place = self.ranges().iter().position(|range| range == each).unwrap_or(self.len);
            (place as u32).put(out);
        }
    }

    /// Reads them, once the ranges are [restored](Reassembly::restore).
    pub(super) fn take_latest(&mut self, from: &mut In<'_>) -> Result<(), SnapshotRefusal> {
        let count = from.take_count(4)?;
        let mut latest = Latest::NONE;
        for _ in 0..count {
            let range = self.ranges().get(u32::take(from)? as usize).copied();
            let (range, place) =
                range.zip(latest.ranges.get_mut(latest.len)).ok_or(SnapshotRefusal::Malformed)?;
            *place = range;
            latest.len += 1;
            if latest.ranges[..latest.len - 1].contains(&range) {
                return Err(SnapshotRefusal::Malformed);
            }
        }
        self.latest = latest;
        Ok(())
    }

    fn replace(&mut self, from: usize, to: usize, range: Edges) {
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

    /// Against the way that takes any range, at every place among some: as many as there can be, or fewer.
    #[test]
    fn what_is_new_or_came_again_is_inserted_as_any_other_and_nothing_else_is() {
        let mut random = 0x9e37_79b9_97f4_a7c1u64;
        let mut below = |bound: u32| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random >> 20) as u32 % bound
        };
        let (mut short, mut long) = (Reassembly::new(), Reassembly::new());
        let mut outcomes: Vec<(Option<Placed>, u32)> = Vec::new();
        for step in 0..100_000 {
            let start = below(400) + 1;
            let new = start..start + below(6) + 1;
            let is_apart = long.first_overlap(BASE, (BASE + new.start, BASE + new.end)).is_none();
            let (before, mut written) = (offsets(&long), 0);
            let outcome = long.insert(BASE, new.clone(), |part| written += part.len());
            let expected = match written {
                _ if is_apart => Some(Placed::New(outcome)),
                0 => Some(Placed::Again),
                _ => None,
            };
            let placed = short.insert_whole(BASE, new.clone());
            assert_eq!(placed, expected, "step {step}: {new:?} into {before:?}");
            match outcomes.iter_mut().find(|(outcome, _)| *outcome == placed) {
                Some((_, count)) => *count += 1,
                None => outcomes.push((placed, 1)),
            }
            if placed.is_none() {
                assert_eq!(offsets(&short), before, "step {step}: {new:?}");
                short.insert(BASE, new.clone(), |_| {});
            }
            assert_eq!(offsets(&short), offsets(&long), "step {step}: {new:?} into {before:?}");
            let told = [&short, &long].map(|held| held.latest().ranges);
            assert_eq!(told[0], told[1], "step {step}: {new:?} into {before:?}");
            // Before all is one, from a hole on.
            if below(40) == 0 {
                let last = below(400);
                (short, long) = (Reassembly::new(), Reassembly::new());
                for (left, right) in before.into_iter().filter(|range| range.0 > last) {
                    assert!(short.insert_whole(BASE, left..right).is_some());
                    long.insert(BASE, left..right, |_| {});
                }
            }
        }
        let is_often = outcomes.iter().all(|(_, count)| *count > 1_000);
        assert!(outcomes.len() == 5 && is_often, "{outcomes:?}");
    }

    /// The latest are where the latest bytes lie, each range once, as far as they are remembered.
    #[test]
    fn the_latest_are_the_ranges_of_the_latest_bytes() {
        let mut random = 0x9e37_79b9_97f4_a7c1u64;
        let mut below = |bound: u32| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random >> 20) as u32 % bound
        };
        let (mut held, mut next, mut came) = (Reassembly::new(), BASE, Vec::new());
        let mut told = 0;
        for step in 0..100_000 {
            let at = next + (1 + below(300));
            let ahead = at.since(next);
            let new = ahead..ahead + 1 + below(4);
            if held.insert(next, new, |_| {}) != Inserted::Dropped {
                came.insert(0, at);
            }
            if below(20) == 0 {
                next = held.advance(next + below(30));
            }
            let mut expected = Vec::new();
            for at in &came {
                let range =
                    held.ranges().iter().find(|range| at.since(range.0) < range.1.since(range.0));
                expected.extend(range.filter(|range| !expected.contains(*range)));
            }
            let Latest { ranges, len } = *held.latest();
            assert!(
                expected.starts_with(&ranges[..len]),
                "step {step}: {ranges:?} of {expected:?}"
            );
            told += len;
            came.truncate(200);
        }
        assert!(told > 200_000, "{told}");
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
