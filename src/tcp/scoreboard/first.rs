//! When a segment left first, and that it left again: beside the ring, looked at and written only where it did.

use core::ops::Range;

use super::{Marks, Scoreboard};
use crate::time::Instant;
use crate::wire::tcp::SeqNumber;

/// When a segment left first that left again, or of which the clock cannot tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct First(Instant);

impl First {
    /// It left before the clock began, and only then.
    pub(super) const ONCE_UNTOLD: First = First(Instant::from_ns(u64::MAX - 1));
    /// It left before the clock began, and again.
    pub(super) const UNTOLD: First = First(Instant::FAR_FUTURE);
    /// Of one that never left.
    pub(super) const NOTHING: First = First(Instant::ZERO);

    pub(super) fn at(at: Instant) -> First {
        First(at)
    }

    /// The same after it has left again.
    fn again(self) -> First {
        if self == First::ONCE_UNTOLD { First::UNTOLD } else { self }
    }

    pub(super) fn sending(self) -> Sending {
        let is_told = self != First::UNTOLD && self != First::ONCE_UNTOLD;
        let first_at = is_told.then_some(self.0);
        Sending { first_at, is_again: self != First::ONCE_UNTOLD }
    }
}

/// How something has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tcp) struct Sending {
    /// When first; `None` where the clock cannot tell.
    pub(in crate::tcp) first_at: Option<Instant>,
    /// And again.
    pub(in crate::tcp) is_again: bool,
}

impl Scoreboard {
    /// The segment at `place` is about to leave again.
    pub(super) fn note_first(&mut self, place: u32) {
        let (sent, index) = (*self.at(place), self.index(place));
        let was_again = sent.marks.has(Marks::EVER_AGAIN);
        let first = &mut self.again[index].first;
        *first = if was_again { first.again() } else { First(sent.at) };
    }

    /// How the segment at `place` has left.
    pub(super) fn sending_at(&self, place: u32) -> Sending {
        let sent = self.at(place);
        if sent.marks.has(Marks::EVER_AGAIN) {
            self.again[self.index(place)].first.sending()
        } else {
            Sending { first_at: Some(sent.at), is_again: false }
        }
    }

    /// How these bytes have left, of which the first is not acknowledged: when the first of them did first, and whether
    /// any of them did again. `None` where none has left.
    pub(in crate::tcp) fn sending_of(&self, bytes: Range<SeqNumber>) -> Option<Sending> {
        let (mut from, mut count) = (0, self.tail.wrapping_sub(self.head));
        while count > 0 {
            let half = count / 2;
            if self.at(self.head.wrapping_add(from + half)).end.is_at_or_before(bytes.start) {
                from += half + 1;
                count -= half + 1;
            } else {
                count = half;
            }
        }
        let mut place = self.head.wrapping_add(from);
        if place == self.tail {
            return None;
        }
        let mut sending = self.sending_at(place);
        while self.at(place).end.is_before(bytes.end) {
            place = place.wrapping_add(1);
            if place == self.tail {
                break;
            }
            sending.is_again |= self.sending_at(place).is_again;
        }
        Some(sending)
    }
}
