//! Sequence numbers (RFC 9293 3.4).

use core::cmp::Ordering;
use core::fmt;
use core::ops::{Add, AddAssign, Sub};

/// A sequence number: arithmetic modulo 2^32, compared over half the circle (RFC 9293 3.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SeqNumber(pub u32);

impl SeqNumber {
    /// Bytes from `earlier` to `self`, going forward round the circle.
    #[inline]
    pub const fn since(self, earlier: SeqNumber) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }

    /// Whether `self` lies before `other`.
    #[inline]
    pub const fn is_before(self, other: SeqNumber) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }

    /// Whether `self` lies before `other` or is it.
    #[inline]
    pub const fn is_at_or_before(self, other: SeqNumber) -> bool {
        (self.0.wrapping_sub(other.0) as i32) <= 0
    }

    /// The later of two.
    #[inline]
    #[must_use]
    pub const fn later_of(self, other: SeqNumber) -> SeqNumber {
        if self.is_before(other) { other } else { self }
    }

    /// The order of two numbers, seen from `origin` forward round the circle.
    pub fn cmp_from(self, other: SeqNumber, origin: SeqNumber) -> Ordering {
        self.since(origin).cmp(&other.since(origin))
    }
}

impl Add<u32> for SeqNumber {
    type Output = SeqNumber;
    #[inline]
    fn add(self, bytes: u32) -> SeqNumber {
        SeqNumber(self.0.wrapping_add(bytes))
    }
}

impl AddAssign<u32> for SeqNumber {
    #[inline]
    fn add_assign(&mut self, bytes: u32) {
        *self = *self + bytes;
    }
}

impl Sub<u32> for SeqNumber {
    type Output = SeqNumber;
    #[inline]
    fn sub(self, bytes: u32) -> SeqNumber {
        SeqNumber(self.0.wrapping_sub(bytes))
    }
}

impl fmt::Display for SeqNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
