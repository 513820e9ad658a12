//! How state is written as bytes and read back: fields one after the other, numbers little-endian, times by how far
//! they lie from the moment at which they are written, so that they mean the same by another clock.
//!
//! Every struct names its fields, once: one that is added and not named does not compile. What is read may be
//! anything; whoever reads it makes sure that it is sound.

use super::snapshot::SnapshotRefusal;
use crate::time::{Duration, Instant};
use crate::wire::tcp::{Flags, SeqNumber, UserTimeout};

/// What stands for a time that never comes.
const NEVER: u64 = 1 << 63;
/// No span is longer that others are worked out from: some 13 days. What merely passes may be.
pub(super) const SPAN_MAX: Duration = Duration::from_ns(1 << 50);

/// Where fields are written.
pub(super) struct Out<'a> {
    pub(super) bytes: &'a mut Vec<u8>,
    pub(super) now: Instant,
}

/// Where they are read from.
pub(super) struct In<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) now: Instant,
}

impl<'a> In<'a> {
    /// The next `len` bytes.
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], SnapshotRefusal> {
        let (taken, rest) = self.bytes.split_at_checked(len).ok_or(SnapshotRefusal::Malformed)?;
        self.bytes = rest;
        Ok(taken)
    }

    /// A time, and whether this clock can tell it: what lies before its beginning is at its beginning.
    pub(super) fn take_time(&mut self) -> Result<(Instant, bool), SnapshotRefusal> {
        let distance = u64::take(self)?;
        if distance == NEVER {
            return Ok((Instant::FAR_FUTURE, true));
        }
        let at = i128::from(self.now.as_ns()) + i128::from(distance as i64);
        let told = at.clamp(0, i128::from(u64::MAX - 1));
        Ok((Instant::from_ns(told as u64), told == at))
    }

    /// How many things follow: not more than there are bytes for, each of `each` bytes.
    pub(super) fn take_count(&mut self, each: usize) -> Result<usize, SnapshotRefusal> {
        let count = u32::take(self)? as usize;
        let fits = count.checked_mul(each).is_some_and(|len| len <= self.bytes.len());
        fits.then_some(count).ok_or(SnapshotRefusal::Malformed)
    }
}

/// What can be written and read.
pub(super) trait Codec: Sized {
    fn put(&self, out: &mut Out<'_>);
    fn take(from: &mut In<'_>) -> Result<Self, SnapshotRefusal>;
}

/// A struct is its fields, all of them.
macro_rules! codec {
    ($type:ident { $($field:ident),* $(,)? }) => {
        impl crate::tcp::codec::Codec for $type {
            fn put(&self, out: &mut crate::tcp::codec::Out<'_>) {
                let $type { $($field),* } = self;
                $(crate::tcp::codec::Codec::put($field, out);)*
            }

            fn take(
                from: &mut crate::tcp::codec::In<'_>,
            ) -> Result<$type, crate::tcp::snapshot::SnapshotRefusal> {
                Ok($type { $($field: crate::tcp::codec::Codec::take(from)?),* })
            }
        }
    };
}

/// An enum without fields is a byte.
macro_rules! codec_enum {
    ($type:ident { $($variant:ident = $byte:literal),* $(,)? }) => {
        impl crate::tcp::codec::Codec for $type {
            fn put(&self, out: &mut crate::tcp::codec::Out<'_>) {
                out.bytes.push(match self { $($type::$variant => $byte),* });
            }

            fn take(
                from: &mut crate::tcp::codec::In<'_>,
            ) -> Result<$type, crate::tcp::snapshot::SnapshotRefusal> {
                match <u8 as crate::tcp::codec::Codec>::take(from)? {
                    $($byte => Ok($type::$variant),)*
                    _ => Err(crate::tcp::snapshot::SnapshotRefusal::Malformed),
                }
            }
        }
    };
}

pub(super) use {codec, codec_enum};

macro_rules! codec_number {
    ($($type:ident)*) => {
        $(impl Codec for $type {
            fn put(&self, out: &mut Out<'_>) {
                out.bytes.extend_from_slice(&self.to_le_bytes());
            }

            fn take(from: &mut In<'_>) -> Result<$type, SnapshotRefusal> {
                let bytes = from.take(size_of::<$type>())?;
                let bytes = bytes.try_into().map_err(|_| SnapshotRefusal::Malformed)?;
                Ok($type::from_le_bytes(bytes))
            }
        })*
    };
}

codec_number!(u8 u16 u32 u64);

impl Codec for usize {
    fn put(&self, out: &mut Out<'_>) {
        (*self as u64).put(out);
    }

    fn take(from: &mut In<'_>) -> Result<usize, SnapshotRefusal> {
        usize::try_from(u64::take(from)?).map_err(|_| SnapshotRefusal::Malformed)
    }
}

impl Codec for bool {
    fn put(&self, out: &mut Out<'_>) {
        out.bytes.push(u8::from(*self));
    }

    fn take(from: &mut In<'_>) -> Result<bool, SnapshotRefusal> {
        match u8::take(from)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(SnapshotRefusal::Malformed),
        }
    }
}

impl Codec for SeqNumber {
    fn put(&self, out: &mut Out<'_>) {
        self.0.put(out);
    }

    fn take(from: &mut In<'_>) -> Result<SeqNumber, SnapshotRefusal> {
        Ok(SeqNumber(u32::take(from)?))
    }
}

impl Codec for Flags {
    fn put(&self, out: &mut Out<'_>) {
        self.0.put(out);
    }

    fn take(from: &mut In<'_>) -> Result<Flags, SnapshotRefusal> {
        Ok(Flags(u8::take(from)?))
    }
}

impl Codec for UserTimeout {
    fn put(&self, out: &mut Out<'_>) {
        self.bits().put(out);
    }

    fn take(from: &mut In<'_>) -> Result<UserTimeout, SnapshotRefusal> {
        UserTimeout::of_bits(u16::take(from)?).ok_or(SnapshotRefusal::Malformed)
    }
}

impl Codec for Instant {
    fn put(&self, out: &mut Out<'_>) {
        let distance = i128::from(self.as_ns()) - i128::from(out.now.as_ns());
        // Nobody lives to see what is farther off than that.
        let told = i64::try_from(distance).ok().filter(|_| *self != Instant::FAR_FUTURE);
        told.map_or(NEVER, i64::cast_unsigned).put(out);
    }

    fn take(from: &mut In<'_>) -> Result<Instant, SnapshotRefusal> {
        from.take_time().map(|(at, _)| at)
    }
}

impl Codec for Duration {
    fn put(&self, out: &mut Out<'_>) {
        self.as_ns().put(out);
    }

    fn take(from: &mut In<'_>) -> Result<Duration, SnapshotRefusal> {
        u64::take(from).map(Duration::from_ns)
    }
}

impl<T: Codec> Codec for Option<T> {
    fn put(&self, out: &mut Out<'_>) {
        self.is_some().put(out);
        if let Some(some) = self {
            some.put(out);
        }
    }

    fn take(from: &mut In<'_>) -> Result<Option<T>, SnapshotRefusal> {
        if bool::take(from)? { T::take(from).map(Some) } else { Ok(None) }
    }
}

impl<A: Codec, B: Codec> Codec for (A, B) {
    fn put(&self, out: &mut Out<'_>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(from: &mut In<'_>) -> Result<(A, B), SnapshotRefusal> {
        Ok((A::take(from)?, B::take(from)?))
    }
}

impl<T: Codec + Copy + Default, const N: usize> Codec for [T; N] {
    fn put(&self, out: &mut Out<'_>) {
        self.iter().for_each(|each| each.put(out));
    }

    fn take(from: &mut In<'_>) -> Result<[T; N], SnapshotRefusal> {
        let mut all = [T::default(); N];
        for each in &mut all {
            *each = T::take(from)?;
        }
        Ok(all)
    }
}

/// Whether others may be worked out from a span.
pub(super) fn is_span(span: Duration) -> bool {
    span <= SPAN_MAX
}
