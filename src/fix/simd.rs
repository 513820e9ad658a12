//! The fence of this crate: the two passes over a message that vector instructions make cheap, where
//! the SOHs lie and what the bytes add up to. Each has a portable twin, and a property test that the
//! two agree.
#![allow(unsafe_code)]

use super::frame::SOH;

/// Bytes that one mask tells of.
const BLOCK_LEN: usize = 64;

/// Writes the positions of the SOHs in `bytes` to the front of `ends`, and says how many there are;
/// `None` if there are more than it holds.
#[inline]
pub(super) fn soh_positions(bytes: &[u8], ends: &mut [u32]) -> Option<usize> {
    let (blocks, rest) = bytes.as_chunks::<BLOCK_LEN>();
    let mut count = 0;
    let mut base = 0;
    for block in blocks {
        count = note(soh_mask(block), base, ends, count)?;
        base += BLOCK_LEN as u32;
    }
    if rest.is_empty() {
        return Some(count);
    }
    let mask = match bytes.last_chunk::<BLOCK_LEN>() {
        // It overlaps the block before it: what was seen there is shifted out.
        Some(block) => soh_mask(block) >> (BLOCK_LEN - rest.len()),
        None => soh_mask_of_few(rest),
    };
    note(mask, base, ends, count)
}

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
        _mm_movemask_epi8, _mm_sad_epu8, _mm_set1_epi8, _mm_setzero_si128, _mm_unpackhi_epi64,
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
            if let Some(block) = bytes.first_chunk() {
                prop_assert_eq!(portable::soh_mask(block), soh_mask(block));
            }
        }

        #[test]
        fn sums_agree_with_adding_byte_by_byte(bytes in soup()) {
            let naive = (bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>() % 256) as u8;
            prop_assert_eq!((sum(&bytes), portable::sum(&bytes)), (naive, naive));
        }
    }
}
