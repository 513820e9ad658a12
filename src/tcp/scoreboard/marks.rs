//! A segment in flight, and what is known of it.

use crate::time::Instant;
use crate::wire::tcp::SeqNumber;

/// What is known of a segment, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::tcp) struct Marks(pub(super) u16);

impl Marks {
    pub(super) const NONE: Marks = Marks(0);
    /// The peer holds it (RFC 2018).
    pub(in crate::tcp) const SACKED: Marks = Marks(1);
    /// It is taken for lost.
    pub(in crate::tcp) const LOST: Marks = Marks(2);
    /// It was sent again, and that sending is not taken for lost.
    pub(in crate::tcp) const AGAIN: Marks = Marks(4);
    /// It was sent again at some time.
    pub(in crate::tcp) const EVER_AGAIN: Marks = Marks(8);
    /// All of these bits.
    pub(super) const ALL: u16 = 15;

    pub(in crate::tcp) fn has(self, mark: Marks) -> bool {
        self.0 & mark.0 != 0
    }

    pub(super) fn with(self, mark: Marks) -> Marks {
        Marks(self.0 | mark.0)
    }

    pub(super) fn without(self, mark: Marks) -> Marks {
        Marks(self.0 & !mark.0)
    }

    /// It is to be sent again.
    pub(super) fn is_due(self) -> bool {
        self.has(Marks::LOST) && !self.has(Marks::AGAIN)
    }
}

/// A segment in flight.
#[derive(Clone, Copy, Debug)]
pub(in crate::tcp) struct Sent {
    pub(in crate::tcp) end: SeqNumber,
    pub(in crate::tcp) marks: Marks,
    /// Of one that is sacked: so many places on is the next that may not be.
    pub(super) skip: u16,
    /// When it left last.
    pub(in crate::tcp) at: Instant,
}

/// RFC 8985 6.2: whether one segment left before another, the number deciding between two of one
/// moment. Of each: when it left, and where it ends.
pub(in crate::tcp) fn left_before(one: (Instant, SeqNumber), other: (Instant, SeqNumber)) -> bool {
    one.0 < other.0 || (one.0 == other.0 && one.1.is_before(other.1))
}

pub(super) const NOTHING_SENT: Sent =
    Sent { end: SeqNumber(0), marks: Marks::NONE, skip: 0, at: Instant::ZERO };
