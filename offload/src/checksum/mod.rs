//! The software twin of checksum offload: RFC 1071, and updates by RFC 1624.
//!
//! A [`Sum`] is a partial one's-complement sum over bytes in network order. Its value in memory
//! order is kept (RFC 1071 2(B): the sum is independent of byte order up to a final swap), so the
//! loops load whole words.
//!
//! Summing, and copying with the sum on the way, have two forms that agree: one for every processor
//! and one for AVX2, taken from some length on where the processor has it. Where a frame is taken in or written, bytes
//! before or behind may be touched as well, and [`Avx2`] has forms that go by whole lanes.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(not(target_arch = "x86_64"))]
#[path = "no_avx2.rs"]
mod avx2;
mod portable;
mod update;

pub use avx2::{Avx2, whole_lanes};

pub use update::{update_u16, update_u32};

/// A partial one's-complement sum, not complemented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u64);

impl Sum {
    /// The sum of nothing.
    pub const ZERO: Sum = Sum(0);

    /// The sum of `bytes` that begin at an even offset; an odd last byte is padded with zero.
    #[inline(always)]
    pub fn of(bytes: &[u8]) -> Sum {
        #[cfg(target_arch = "x86_64")]
        if let Some(sum) = avx2::sum(bytes) {
            return sum;
        }
        portable::sum(bytes)
    }

    /// The sum of an IPv4 header without options.
    #[inline]
    pub fn of_ipv4_header(header: &[u8; 20]) -> Sum {
        let [a, b] = [0, 1].map(|at| header.as_chunks::<8>().0[at]).map(u64::from_ne_bytes);
        let [.., c0, c1, c2, c3] = *header;
        let rest = Sum(u64::from(u32::from_ne_bytes([c0, c1, c2, c3])));
        Sum(a).plus(Sum(b)).plus(rest)
    }

    /// The sum of one 16-bit number.
    #[inline]
    pub const fn of_u16(value: u16) -> Sum {
        Sum(value.to_be() as u64)
    }

    /// The sum of one 32-bit number.
    #[inline]
    pub const fn of_u32(value: u32) -> Sum {
        Sum(value.to_be() as u64)
    }

    /// The sum of one 64-bit number.
    #[inline]
    pub const fn of_u64(value: u64) -> Sum {
        Sum(value.to_be())
    }

    /// The sum of the TCP pseudo-header (RFC 9293 3.1): addresses in network order, `tcp_len` the
    /// TCP header and payload in bytes.
    #[inline]
    pub const fn of_tcp_pseudo_header(src: [u8; 4], dst: [u8; 4], tcp_len: u16) -> Sum {
        const PROTOCOL_TCP: u16 = 6;
        Sum(u32::from_ne_bytes(src) as u64
            + u32::from_ne_bytes(dst) as u64
            + PROTOCOL_TCP.to_be() as u64
            + tcp_len.to_be() as u64)
    }

    /// The sum of numbers of 16 or 32 bits, of which `total`, below 2^56, is what they add up to.
    #[inline]
    pub const fn of_total(total: u64) -> Sum {
        // Eight bits up each number is what it is in memory order: that many more are a turn of it.
        if cfg!(target_endian = "little") { Sum(total << 8) } else { Sum(total) }
    }

    /// Both together. `other` must begin at an even offset.
    #[inline]
    #[must_use]
    pub const fn plus(self, other: Sum) -> Sum {
        let (sum, carry) = self.0.overflowing_add(other.0);
        Sum(sum + carry as u64)
    }

    /// Both together, `other` beginning at an odd offset (RFC 1071 2(B)).
    #[inline]
    #[must_use]
    pub const fn plus_at_odd_offset(self, other: Sum) -> Sum {
        self.plus(Sum(other.folded_ne().swap_bytes() as u64))
    }

    /// The sum in 16 bits, as a number.
    #[inline]
    pub const fn folded(self) -> u16 {
        u16::from_be(self.folded_ne())
    }

    /// The checksum: the complement of the folded sum, as a number.
    #[inline]
    pub const fn checksum(self) -> u16 {
        !self.folded()
    }

    /// Whether bytes that include their own checksum are right: the sum is all ones.
    #[inline]
    pub const fn is_valid(self) -> bool {
        // It is a multiple of 0xffff, and not zero. By its inverse the first multiple is one, the next two, and what is
        // none is more than any.
        self.0.wrapping_mul(INVERSE).wrapping_sub(1) < u64::MAX / 0xffff
    }

    #[inline]
    const fn folded_ne(self) -> u16 {
        // Each half is added to the other: the upper one gets the carry of the lower.
        let half = (self.0.wrapping_add(self.0.rotate_left(32)) >> 32) as u32;
        (half.wrapping_add(half.rotate_left(16)) >> 16) as u16
    }
}

/// Of 0xffff, among numbers of 64 bits.
const INVERSE: u64 = (u64::MAX / 0xffff).wrapping_neg();

/// Copies `from` into the front of `to` and sums it on the way: one pass over the bytes.
///
/// # Panics
/// If `to` is shorter than `from`.
#[inline(always)]
pub fn copy_and_sum(from: &[u8], to: &mut [u8]) -> Sum {
    #[cfg(target_arch = "x86_64")]
    if let Some(sum) = avx2::copy_and_sum(from, to) {
        return sum;
    }
    portable::copy_and_sum(from, to)
}

#[cfg(test)]
mod tests;
