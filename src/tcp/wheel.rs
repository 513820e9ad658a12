//! Each connection's next deadline, in a hierarchical timer wheel (Varghese and Lauck, 1987): to set one, to bring it
//! forward and to take it back costs the same however many there are.
//!
//! Nine levels of 64 slots each: a slot of the lowest is 1.024 us wide, one of each further level 64 times as wide as one
//! of that below, and the highest reaches to the clock's end. A deadline's level is that of the highest digit in which it
//! differs from the wheel's own time, so the first slot in use of the lowest level in use is the next one. When time comes
//! to a slot, those in it go off or move down. The connections of a slot are linked by their indices; nothing allocates.
//!
//! A deadline that moves back, as the retransmission timer does with every ACK, is not worth a change: the wheel keeps
//! the earlier one and finds out when it comes. The path of a segment therefore rarely touches it.

use crate::time::Instant;

const LEVELS: usize = 9;
/// Bits of a time that say the slot within a level.
const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
/// Bits of a time, in ns, below those: a slot of the lowest level is 1.024 us wide.
const TICK_BITS: u32 = 10;
const _: () = assert!(TICK_BITS + LEVELS as u32 * DIGIT_BITS == u64::BITS);

/// Those of the slot that is being emptied: a place beside the slots.
const TAKEN: usize = LEVELS * SLOTS;
/// No connection.
const NOBODY: u32 = u32::MAX;
/// In [`Link::prev`]: it is the first, and the rest says of which slot.
const FIRST: u32 = 1 << 31;

/// Neighbours in a slot.
#[derive(Clone, Copy)]
struct Link {
    prev: u32,
    next: u32,
}

/// The wheel.
pub(super) struct TimerWheel {
    /// What is set for each connection: never later than what it waits for; [`Instant::FAR_FUTURE`] for nothing.
    set: Box<[Instant]>,
    links: Box<[Link]>,
    /// The first connection in each slot.
    first: [u32; TAKEN + 1],
    /// Not later than any deadline in the slot.
    least: [Instant; TAKEN],
    /// Slots in use, a bit each.
    used: [u64; LEVELS],
    /// Levels in use, a bit each.
    used_levels: u32,
    /// The time that digits are compared with, in ns: not later than any that has been told, and no slot that
    /// lies before it is in use.
    elapsed: u64,
    /// Not later than any deadline.
    earliest: Instant,
}

impl TimerWheel {
    pub(super) fn new(connections_max: usize) -> TimerWheel {
        debug_assert!(connections_max < FIRST as usize);
        TimerWheel {
            set: vec![Instant::FAR_FUTURE; connections_max].into_boxed_slice(),
            links: vec![Link { prev: NOBODY, next: NOBODY }; connections_max].into_boxed_slice(),
            first: [NOBODY; TAKEN + 1],
            least: [Instant::FAR_FUTURE; TAKEN],
            used: [0; LEVELS],
            used_levels: 0,
            elapsed: 0,
            earliest: Instant::FAR_FUTURE,
        }
    }

    /// When to look for what is [due](TimerWheel::next_due): not after the first deadline, and before it only where one
    /// was taken back or brought forward, or where there was more to do than one look allows.
    #[inline]
    pub(super) fn earliest(&self) -> Instant {
        self.earliest
    }

    /// Sets a deadline if it is earlier than the one set.
    #[inline(always)]
    pub(super) fn advance(&mut self, index: usize, deadline: Instant) {
        if deadline < self.set[index] {
            self.bring_forward(index, deadline);
        }
    }

    #[cold]
    fn bring_forward(&mut self, index: usize, deadline: Instant) {
        if self.set[index] != Instant::FAR_FUTURE {
            self.unlink(index);
        }
        self.insert(index, deadline);
    }

    /// Takes a deadline back.
    pub(super) fn cancel(&mut self, index: usize) {
        if core::mem::replace(&mut self.set[index], Instant::FAR_FUTURE) == Instant::FAR_FUTURE {
            return;
        }
        self.unlink(index);
        if self.first[TAKEN] == NOBODY {
            self.earliest = self.next_slot().map_or(Instant::FAR_FUTURE, |slot| self.least[slot]);
        }
    }

    /// A connection whose deadline has come, which has none from now on. To be called until there is none;
    /// `looks` is how many connections may be looked at, and what is left for another time stays due.
    pub(super) fn next_due(&mut self, now: Instant, looks: &mut u32) -> Option<usize> {
        loop {
            while self.first[TAKEN] != NOBODY {
                *looks = looks.checked_sub(1)?;
                let index = self.first[TAKEN] as usize;
                self.unlink(index);
                if self.set[index] <= now {
                    self.set[index] = Instant::FAR_FUTURE;
                    return Some(index);
                }
                self.insert(index, self.set[index]);
            }
            let slot = self.next_slot();
            self.earliest = slot.map_or(Instant::FAR_FUTURE, |slot| self.least[slot]);
            if let Some(slot) = slot.filter(|_| self.earliest <= now) {
                self.take(slot, now);
                continue;
            }
            // Digits count from now on, unless time is within that slot already.
            if slot.is_none_or(|slot| self.span(slot).0 > now.as_ns()) {
                self.elapsed = self.elapsed.max(now.as_ns());
            }
            return None;
        }
    }

    /// Time has come to a slot, and perhaps gone past it: its connections are looked at next.
    fn take(&mut self, slot: usize, now: Instant) {
        let (_, last) = self.span(slot);
        self.elapsed = self.elapsed.max(last.min(now.as_ns()));
        let index = core::mem::replace(&mut self.first[slot], NOBODY);
        self.leave_unused(slot);
        self.first[TAKEN] = index;
        self.links[index as usize].prev = FIRST | TAKEN as u32;
    }

    /// The first and the last ns of a slot.
    fn span(&self, slot: usize) -> (u64, u64) {
        let width_bits = TICK_BITS + (slot / SLOTS) as u32 * DIGIT_BITS;
        let above = u64::MAX.checked_shl(width_bits + DIGIT_BITS).unwrap_or(0);
        let first = self.elapsed & above | ((slot % SLOTS) as u64) << width_bits;
        (first, first | ((1 << width_bits) - 1))
    }

    /// The slot of the earliest deadlines.
    fn next_slot(&self) -> Option<usize> {
        let level = self.used_levels.trailing_zeros() as usize;
        let slots = self.used.get(level)?;
        Some(level * SLOTS + slots.trailing_zeros() as usize)
    }

    fn slot_of(&self, deadline: Instant) -> usize {
        // What is late already is due with this very slot.
        let at = deadline.as_ns().max(self.elapsed);
        let differs = (at ^ self.elapsed) >> TICK_BITS;
        let level = differs.checked_ilog2().unwrap_or(0) / DIGIT_BITS;
        let digit = (at >> (TICK_BITS + level * DIGIT_BITS)) as usize % SLOTS;
        level as usize * SLOTS + digit
    }

    fn insert(&mut self, index: usize, deadline: Instant) {
        let slot = self.slot_of(deadline);
        let next = core::mem::replace(&mut self.first[slot], index as u32);
        if next == NOBODY {
            self.used[slot / SLOTS] |= 1 << (slot % SLOTS);
            self.used_levels |= 1 << (slot / SLOTS);
        } else {
            self.links[next as usize].prev = index as u32;
        }
        self.links[index] = Link { prev: FIRST | slot as u32, next };
        self.set[index] = deadline;
        self.least[slot] = self.least[slot].min(deadline);
        self.earliest = self.earliest.min(deadline);
    }

    fn unlink(&mut self, index: usize) {
        let Link { prev, next } = self.links[index];
        if next != NOBODY {
            self.links[next as usize].prev = prev;
        }
        if prev & FIRST == 0 {
            self.links[prev as usize].next = next;
            return;
        }
        let slot = (prev & !FIRST) as usize;
        self.first[slot] = next;
        if next == NOBODY && slot != TAKEN {
            self.leave_unused(slot);
        }
    }

    fn leave_unused(&mut self, slot: usize) {
        self.least[slot] = Instant::FAR_FUTURE;
        self.used[slot / SLOTS] &= !(1 << (slot % SLOTS));
        if self.used[slot / SLOTS] == 0 {
            self.used_levels &= !(1 << (slot / SLOTS));
        }
    }
}

#[cfg(test)]
mod tests;
