//! The software twin of checksum offload: RFC 1071, and updates by RFC 1624.
//!
//! A [`Sum`] is a partial one's-complement sum over bytes in network order. Its value in memory
//! order is kept (RFC 1071 2(B): the sum is independent of byte order up to a final swap), so the
//! loops load whole words.

/// A partial one's-complement sum, not complemented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u64);

impl Sum {
    /// The sum of nothing.
    pub const ZERO: Sum = Sum(0);

    /// The sum of `bytes` that begin at an even offset; an odd last byte is padded with zero.
    #[inline]
    pub fn of(bytes: &[u8]) -> Sum {
        // Two accumulators of 32-bit halves: no carry is lost before 2^32 words, and no frame has them.
        // Chains of carries take fewer instructions and more time, as each waits for the last.
        let (mut low, mut high) = (0u64, 0u64);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            let word = u64::from_ne_bytes(*word);
            low += word & 0xffff_ffff;
            high += word >> 32;
        }
        let tail = last_word(bytes, rest);
        low += tail & 0xffff_ffff;
        high += tail >> 32;
        Sum(low).plus(Sum(high))
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
        self.folded_ne() == 0xffff
    }

    #[inline]
    const fn folded_ne(self) -> u16 {
        // Each half is added to the other: the upper one gets the carry of the lower.
        let half = (self.0.wrapping_add(self.0.rotate_left(32)) >> 32) as u32;
        (half.wrapping_add(half.rotate_left(16)) >> 16) as u16
    }
}

/// The last bytes of `bytes`, `rest`, fewer than eight, as a word in memory order with zeros behind them.
#[inline]
fn last_word(bytes: &[u8], rest: &[u8]) -> u64 {
    match bytes.last_chunk::<8>() {
        // The last eight bytes, those before `rest` shifted out.
        Some(last) if cfg!(target_endian = "little") && !rest.is_empty() => {
            u64::from_le_bytes(*last) >> (64 - 8 * rest.len())
        }
        _ => {
            let mut word = [0u8; 8];
            for (place, byte) in word.iter_mut().zip(rest) {
                *place = *byte;
            }
            u64::from_ne_bytes(word)
        }
    }
}

/// Copies `from` into the front of `to` and sums it on the way: one pass over the bytes.
///
/// # Panics
/// If `to` is shorter than `from`.
#[inline]
pub fn copy_and_sum(from: &[u8], to: &mut [u8]) -> Sum {
    let to = &mut to[..from.len()];
    let (mut low, mut high) = (0u64, 0u64);
    let mut source = from.chunks_exact(8);
    let mut target = to.chunks_exact_mut(8);
    for (source, target) in (&mut source).zip(&mut target) {
        let bytes: [u8; 8] = source.try_into().expect("chunks_exact(8)");
        target.copy_from_slice(&bytes);
        let word = u64::from_ne_bytes(bytes);
        low += word & 0xffff_ffff;
        high += word >> 32;
    }
    let rest = source.remainder();
    target.into_remainder().copy_from_slice(rest);
    Sum(low).plus(Sum(high)).plus(Sum::of(rest))
}

/// The checksum after one 16-bit number under it has changed (RFC 1624 3, equation 3).
#[inline]
pub const fn update_u16(checksum: u16, old: u16, new: u16) -> u16 {
    let sum = !checksum as u32 + !old as u32 + new as u32;
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    !(sum as u16)
}

/// The checksum after one 32-bit number under it has changed.
#[inline]
pub const fn update_u32(checksum: u16, old: u32, new: u32) -> u16 {
    let checksum = update_u16(checksum, (old >> 16) as u16, (new >> 16) as u16);
    update_u16(checksum, old as u16, new as u16)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 1071, 4.1, word by word: the slow and obvious twin.
    fn naive(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    #[test]
    fn rfc1071_section_3_example() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::of(&bytes).folded(), 0xddf2);
        assert_eq!(Sum::of(&bytes).checksum(), !0xddf2);
    }

    #[test]
    fn rfc1624_section_4_example_does_not_yield_minus_zero() {
        assert_eq!(update_u16(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    #[test]
    fn every_length_and_extreme_byte_agrees_with_the_naive_sum() {
        for length in 0..=1600 {
            for fill in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                let bytes = vec![fill; length];
                assert_eq!(Sum::of(&bytes).folded(), naive(&bytes), "{length} x {fill:#x}");
            }
        }
    }

    proptest! {
        #[test]
        fn the_sum_of_a_header_is_that_of_its_bytes(header in any::<[u8; 20]>()) {
            prop_assert_eq!(Sum::of_ipv4_header(&header).folded(), naive(&header));
        }

        #[test]
        fn sum_agrees_with_the_naive_one(bytes in proptest::collection::vec(any::<u8>(), 0..9216)) {
            prop_assert_eq!(Sum::of(&bytes).folded(), naive(&bytes));
        }

        #[test]
        fn a_sum_in_two_parts_is_the_sum_of_the_whole(
            bytes in proptest::collection::vec(any::<u8>(), 0..600), cut in 0usize..600
        ) {
            let (front, back) = bytes.split_at(cut.min(bytes.len()));
            let joined = if front.len() % 2 == 0 {
                Sum::of(front).plus(Sum::of(back))
            } else {
                Sum::of(front).plus_at_odd_offset(Sum::of(back))
            };
            prop_assert_eq!(joined.folded(), naive(&bytes));
        }

        #[test]
        fn copying_sums_what_it_copies(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let mut copy = vec![0xaa; bytes.len() + 3];
            let sum = copy_and_sum(&bytes, &mut copy);
            prop_assert_eq!(&copy[..bytes.len()], &bytes[..]);
            prop_assert_eq!(&copy[bytes.len()..], &[0xaa; 3]);
            prop_assert_eq!(sum.folded(), naive(&bytes));
        }

        #[test]
        fn an_update_equals_summing_afresh(
            mut bytes in proptest::collection::vec(any::<u8>(), 8..200), new in any::<u32>(), at in 0usize..48
        ) {
            let at = at * 4 % (bytes.len() - 7);
            let at = at & !1;
            let before = Sum::of(&bytes).checksum();
            let old = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
            bytes[at..at + 4].copy_from_slice(&new.to_be_bytes());
            let updated = update_u32(before, old, new);
            let afresh = Sum::of(&bytes).checksum();
            // An all-zero buffer is the one sum with two writings (RFC 1624 3).
            prop_assert!(updated == afresh || bytes.iter().all(|&byte| byte == 0));
        }
    }
}
