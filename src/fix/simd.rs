//! The fence of this crate: the passes over a message that vector instructions make cheap, where its
//! SOHs lie, what its bytes add up to, whether its tags are those expected. Each has a portable twin,
//! and a property test that the two agree.
#![allow(unsafe_code)]

use super::frame::SOH;

/// Bytes that one mask tells of.
const BLOCK_LEN: usize = 64;

/// Where the SOHs of a short message lie: bit *n* of word *m* for byte 64 *m* + *n*.
///
/// Four words by name, not an array: they stay in registers, where one written word by word and read
/// by vectors would wait for its own stores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Masks {
    pub(super) a: u64,
    pub(super) b: u64,
    pub(super) c: u64,
    pub(super) d: u64,
}

impl Masks {
    /// The most bytes that they tell of.
    const LEN_MAX: usize = 4 * BLOCK_LEN;

    /// The masks of a message of one to four blocks; `None` of a shorter or longer one.
    #[inline(always)]
    pub(super) fn of(bytes: &[u8]) -> Option<Masks> {
        let last = bytes.last_chunk::<BLOCK_LEN>()?;
        let (blocks, rest) = bytes.as_chunks::<BLOCK_LEN>();
        if bytes.len() > Masks::LEN_MAX {
            return None;
        }
        // The last block overlaps the one before it: what was seen there is shifted out.
        let tail = if rest.is_empty() { 0 } else { soh_mask(last) >> (BLOCK_LEN - rest.len()) };
        let (whole, none) = (blocks.len(), 0);
        let a = soh_mask(blocks.first()?);
        let b = blocks.get(1).map_or(if whole == 1 { tail } else { none }, soh_mask);
        let c = blocks.get(2).map_or(if whole == 2 { tail } else { none }, soh_mask);
        let d = blocks.get(3).map_or(if whole == 3 { tail } else { none }, soh_mask);
        Some(Masks { a, b, c, d })
    }

    /// Whether both are alike.
    #[inline(always)]
    pub(super) fn are(self, other: &Masks) -> bool {
        (self.a ^ other.a) | (self.b ^ other.b) | (self.c ^ other.c) | (self.d ^ other.d) == 0
    }

    /// Writes the positions of the SOHs to the front of `ends`, and says how many there are; `None` if
    /// there are more than it holds.
    #[inline]
    pub(super) fn positions(self, ends: &mut [u32]) -> Option<usize> {
        let mut count = 0;
        let mut base = 0;
        for mask in [self.a, self.b, self.c, self.d] {
            count = note(mask, base, ends, count)?;
            base += BLOCK_LEN as u32;
        }
        Some(count)
    }
}

/// As [`Masks::positions`], of a message of any length.
#[inline]
pub(super) fn soh_positions(bytes: &[u8], ends: &mut [u32]) -> Option<usize> {
    let (blocks, rest) = bytes.as_chunks::<BLOCK_LEN>();
    let mut count = 0;
    let mut base = 0;
    for block in blocks {
        count = note(soh_mask(block), base, ends, count)?;
        base += BLOCK_LEN as u32;
    }
    if rest.is_empty() { Some(count) } else { note(soh_mask_of_few(rest), base, ends, count) }
}

/// Whether `bytes` differ from the front of `image` anywhere where `mask` has ones. Both are at least as
/// long as `bytes`, which are at least 16.
#[inline]
pub(super) fn differs(bytes: &[u8], image: &[u8], mask: &[u8]) -> bool {
    let len = bytes.len();
    let (Some(image), Some(mask)) = (image.get(..len), mask.get(..len)) else { return true };
    differs_within(bytes, image, mask)
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn differs_within(bytes: &[u8], image: &[u8], mask: &[u8]) -> bool {
    // SAFETY: SSE2 is part of every x86-64 processor.
    unsafe { x86_64::differs(bytes, image, mask) }
}

#[cfg(not(target_arch = "x86_64"))]
use portable::differs as differs_within;

#[inline]
fn note(mut mask: u64, base: u32, ends: &mut [u32], mut count: usize) -> Option<usize> {
    while mask != 0 {
        *ends.get_mut(count)? = base + mask.trailing_zeros();
        count += 1;
        mask &= mask - 1;
    }
    Some(count)
}

/// Of a message shorter than a block.
#[cold]
fn soh_mask_of_few(bytes: &[u8]) -> u64 {
    let mut block = [0; BLOCK_LEN];
    block[..bytes.len()].copy_from_slice(bytes);
    soh_mask(&block)
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn soh_mask(block: &[u8; BLOCK_LEN]) -> u64 {
    // SAFETY: SSE2 is part of every x86-64 processor.
    unsafe { x86_64::soh_mask(block) }
}

#[cfg(not(target_arch = "x86_64"))]
use portable::soh_mask;

/// The bytes added up modulo 256, as CheckSum(10) has them.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn sum(bytes: &[u8]) -> u8 {
    // SAFETY: SSE2 is part of every x86-64 processor.
    unsafe { x86_64::sum(bytes) }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) use portable::sum;

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use core::arch::x86_64::{
        __m128i, _mm_add_epi64, _mm_and_si128, _mm_cmpeq_epi8, _mm_cvtsi128_si64, _mm_loadu_si128,
        _mm_movemask_epi8, _mm_or_si128, _mm_sad_epu8, _mm_set1_epi8, _mm_setzero_si128,
        _mm_unpackhi_epi64, _mm_xor_si128,
    };

    use super::{BLOCK_LEN, SOH};

    const LANES: usize = 16;

    #[inline]
    #[target_feature(enable = "sse2")]
    fn load(bytes: &[u8; LANES]) -> __m128i {
        // SAFETY: the reference is to sixteen readable bytes, and the load needs no alignment.
        unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn soh_mask(block: &[u8; BLOCK_LEN]) -> u64 {
        let soh = _mm_set1_epi8(SOH.cast_signed());
        let (lanes, _) = block.as_chunks::<LANES>();
        lanes.iter().rev().fold(0, |mask, lane| {
            let found = _mm_movemask_epi8(_mm_cmpeq_epi8(load(lane), soh));
            mask << LANES | u64::from(found.cast_unsigned())
        })
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn sum(bytes: &[u8]) -> u8 {
        let zero = _mm_setzero_si128();
        let (lanes, rest) = bytes.as_chunks::<LANES>();
        let mut total = lanes
            .iter()
            .fold(zero, |total, lane| _mm_add_epi64(total, _mm_sad_epu8(load(lane), zero)));
        let mut few = 0u8;
        match bytes.last_chunk::<LANES>() {
            // It overlaps the lanes before it: what was added there is masked out.
            Some(last) => {
                let mask =
                    WINDOW[rest.len()..].first_chunk().expect("two lanes, and less than one on");
                let last = _mm_and_si128(load(last), load(mask));
                total = _mm_add_epi64(total, _mm_sad_epu8(last, zero));
            }
            None => few = rest.iter().fold(0, |few, byte| few.wrapping_add(*byte)),
        }
        let total = _mm_add_epi64(total, _mm_unpackhi_epi64(total, total));
        few.wrapping_add(_mm_cvtsi128_si64(total) as u8)
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn differs(bytes: &[u8], image: &[u8], mask: &[u8]) -> bool {
        let difference = |bytes: &[u8; LANES], image: &[u8; LANES], mask: &[u8; LANES]| {
            _mm_and_si128(_mm_xor_si128(load(bytes), load(image)), load(mask))
        };
        let [(lanes, _), (image_lanes, _), (mask_lanes, _)] =
            [bytes, image, mask].map(<[u8]>::as_chunks::<LANES>);
        let whole = lanes
            .iter()
            .zip(image_lanes)
            .zip(mask_lanes)
            .fold(_mm_setzero_si128(), |all, ((bytes, image), mask)| {
                _mm_or_si128(all, difference(bytes, image, mask))
            });
        // What is left over lies in the last lane, which overlaps the ones before it.
        let (Some(bytes), Some(image), Some(mask)) =
            (bytes.last_chunk(), image.last_chunk(), mask.last_chunk())
        else {
            return true;
        };
        let all = _mm_or_si128(whole, difference(bytes, image, mask));
        _mm_movemask_epi8(_mm_cmpeq_epi8(all, _mm_setzero_si128())) != 0xffff
    }

    /// From position *n* on: a lane of which the last *n* bytes count.
    const WINDOW: [u8; 2 * LANES] = {
        let mut window = [0; 2 * LANES];
        let mut at = LANES;
        while at < window.len() {
            window[at] = 0xff;
            at += 1;
        }
        window
    };
}

#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable {
    use super::{BLOCK_LEN, SOH};

    pub(super) fn soh_mask(block: &[u8; BLOCK_LEN]) -> u64 {
        block.iter().rev().fold(0, |mask, byte| mask << 1 | u64::from(*byte == SOH))
    }

    pub(super) fn differs(bytes: &[u8], image: &[u8], mask: &[u8]) -> bool {
        let mut pairs = bytes.iter().zip(image).zip(mask);
        bytes.len() < 16 || pairs.any(|((byte, image), mask)| (byte ^ image) & mask != 0)
    }

    pub(in crate::fix) fn sum(bytes: &[u8]) -> u8 {
        // Sixteen sums side by side: the compiler keeps them in one register.
        let mut lanes = [0u8; 16];
        let (chunks, rest) = bytes.as_chunks::<16>();
        for chunk in chunks {
            for (lane, byte) in lanes.iter_mut().zip(chunk) {
                *lane = lane.wrapping_add(*byte);
            }
        }
        let sum = lanes.into_iter().fold(0, u8::wrapping_add);
        rest.iter().fold(sum, |sum, byte| sum.wrapping_add(*byte))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn soup() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![Just(SOH), Just(0u8), Just(2), Just(0x81), any::<u8>()];
        prop::collection::vec(byte, 0..300)
    }

    proptest! {
        #[test]
        fn positions_are_those_of_every_soh_and_no_other(bytes in soup(), room in 0usize..200) {
            let naive: Vec<u32> = (0u32..).zip(&bytes)
                .filter(|(_, byte)| **byte == SOH)
                .map(|(at, _)| at)
                .collect();
            let mut ends = vec![0; room];
            match soh_positions(&bytes, &mut ends) {
                Some(count) => prop_assert_eq!(&ends[..count], &naive[..]),
                None => prop_assert!(naive.len() > room),
            }
            match Masks::of(&bytes) {
                Some(masks) => match masks.positions(&mut ends) {
                    Some(count) => prop_assert_eq!(&ends[..count], &naive[..]),
                    None => prop_assert!(naive.len() > room),
                },
                None => prop_assert!(!(BLOCK_LEN..=4 * BLOCK_LEN).contains(&bytes.len())),
            }
            if let Some(block) = bytes.first_chunk() {
                prop_assert_eq!(portable::soh_mask(block), soh_mask(block));
            }
        }

        #[test]
        fn a_difference_counts_where_the_mask_has_ones(
            bytes in prop::collection::vec(any::<u8>(), 0..100),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
            holes in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        ) {
            let (mut image, mut mask) = (bytes.clone(), vec![0xff; bytes.len()]);
            image.extend([1; 20]);
            mask.extend([0xff; 20]);
            for (at, byte) in changes {
                image[at.index(bytes.len() + 20)] = byte;
            }
            for at in holes {
                mask[at.index(bytes.len() + 20)] = 0;
            }
            let len = bytes.len();
            let naive = len < 16 || (0..len).any(|at| mask[at] != 0 && image[at] != bytes[at]);
            prop_assert_eq!(differs(&bytes, &image, &mask), naive);
            prop_assert_eq!(portable::differs(&bytes, &image[..len], &mask[..len]), naive);
            prop_assert!(differs(&bytes, &image, &[]) || bytes.is_empty());
        }

        #[test]
        fn sums_agree_with_adding_byte_by_byte(bytes in soup()) {
            let naive = (bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>() % 256) as u8;
            prop_assert_eq!((sum(&bytes), portable::sum(&bytes)), (naive, naive));
        }
    }
}
