//! The fence of this crate: the passes over a message that vector instructions make cheap, where its
//! SOHs lie, what its bytes add up to, whether its tags are those expected.
//!
//! Each has a portable twin, which runs where the processor has no AVX2, and a property test that the
//! two agree.
#![allow(unsafe_code)]

use super::frame::SOH;

/// Bytes that one mask tells of.
const BLOCK_LEN: usize = 64;
/// The fewest bytes that [`fits`] and the key of [`digest`] are for.
const LEN_MIN: usize = 32;
/// The most.
pub(super) const LEN_MAX: usize = 256;

/// Calls the twin that the processor runs. What it runs is found out once, and then looked up.
macro_rules! twin {
    ($name:ident($($argument:expr),*)) => {{
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            unsafe { avx2::$name($($argument),*) }
        } else {
            portable::$name($($argument),*)
        }
        #[cfg(not(target_arch = "x86_64"))]
        portable::$name($($argument),*)
    }};
}

/// What one pass over a message's content tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digest {
    /// Its bytes added up modulo 256, as CheckSum(10) has them.
    pub(super) sum: u8,
    /// A number that depends on where its SOHs are and on nothing else. Where they are elsewhere it is
    /// mostly another. 0 of content of fewer than [`LEN_MIN`] or more than [`LEN_MAX`] bytes.
    pub(super) key: u32,
}

/// What an SOH at each place adds to the key: bytes from an xorshift generator.
const WEIGHTS: [u8; LEN_MAX] = {
    let mut weights = [0; LEN_MAX];
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut at = 0;
    while at < LEN_MAX {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        weights[at] = (random >> 32) as u8;
        at += 1;
    }
    weights
};

/// The digest of a message's content.
#[inline(always)]
pub(super) fn digest(bytes: &[u8]) -> Digest {
    if (LEN_MIN..=LEN_MAX).contains(&bytes.len()) {
        twin!(digest(bytes))
    } else {
        Digest { sum: sum(bytes), key: 0 }
    }
}

/// Writes the positions of the SOHs to the front of `ends`, and says how many there are; `None` if there
/// are more than it holds.
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

/// Whether each of `bytes` is the one in `image` just where `mask` is all ones, and another where it is
/// zero. False for fewer than [`LEN_MIN`] bytes, and where `image` or `mask` are shorter.
#[inline(always)]
pub(super) fn fits(bytes: &[u8], image: &[u8], mask: &[u8]) -> bool {
    let len = bytes.len();
    let (Some(image), Some(mask)) = (image.get(..len), mask.get(..len)) else { return false };
    twin!(fits(bytes, image, mask))
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

#[inline]
fn soh_mask(block: &[u8; BLOCK_LEN]) -> u64 {
    twin!(soh_mask(block))
}

/// The bytes added up modulo 256, as CheckSum(10) has them.
#[inline]
pub(super) fn sum(bytes: &[u8]) -> u8 {
    twin!(sum(bytes))
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use core::arch::x86_64::{
        __m128i, __m256i, _mm_add_epi64, _mm_cvtsi128_si64, _mm_unpackhi_epi64, _mm_unpacklo_epi64,
        _mm256_add_epi64, _mm256_and_si256, _mm256_castsi256_si128, _mm256_cmpeq_epi8,
        _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_or_si256,
        _mm256_sad_epu8, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_testz_si256,
        _mm256_xor_si256,
    };

    use super::{BLOCK_LEN, Digest, SOH, WEIGHTS};

    const LANES: usize = 32;

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(bytes: &[u8; LANES]) -> __m256i {
        // SAFETY: the reference is to thirty-two readable bytes, and the load needs no alignment.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    }

    /// The two halves added up.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn folded(total: __m256i) -> __m128i {
        _mm_add_epi64(_mm256_castsi256_si128(total), _mm256_extracti128_si256::<1>(total))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn soh_mask(block: &[u8; BLOCK_LEN]) -> u64 {
        let soh = _mm256_set1_epi8(SOH.cast_signed());
        let (lanes, _) = block.as_chunks::<LANES>();
        lanes.iter().rev().fold(0, |mask, lane| {
            let found = _mm256_movemask_epi8(_mm256_cmpeq_epi8(load(lane), soh));
            mask << LANES | u64::from(found.cast_unsigned())
        })
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn sum(bytes: &[u8]) -> u8 {
        let zero = _mm256_setzero_si256();
        let (lanes, rest) = bytes.as_chunks::<LANES>();
        let mut total = lanes
            .iter()
            .fold(zero, |total, lane| _mm256_add_epi64(total, _mm256_sad_epu8(load(lane), zero)));
        let mut few = 0u8;
        match bytes.last_chunk::<LANES>() {
            // It overlaps the lanes before it: what was added there is masked out.
            Some(last) => {
                let mask =
                    WINDOW[rest.len()..].first_chunk().expect("two lanes, and less than one on");
                let last = _mm256_and_si256(load(last), load(mask));
                total = _mm256_add_epi64(total, _mm256_sad_epu8(last, zero));
            }
            None => few = rest.iter().fold(0, |few, byte| few.wrapping_add(*byte)),
        }
        let total = folded(total);
        let total = _mm_add_epi64(total, _mm_unpackhi_epi64(total, total));
        few.wrapping_add(_mm_cvtsi128_si64(total) as u8)
    }

    /// Of [`LEN_MIN`](super::LEN_MIN) to [`LEN_MAX`](super::LEN_MAX) bytes.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn digest(bytes: &[u8]) -> Digest {
        let (zero, soh) = (_mm256_setzero_si256(), _mm256_set1_epi8(SOH.cast_signed()));
        let add = |(sum, key), lane, weights| {
            let weights = _mm256_and_si256(_mm256_cmpeq_epi8(lane, soh), weights);
            let key = _mm256_add_epi64(key, _mm256_sad_epu8(weights, zero));
            (_mm256_add_epi64(sum, _mm256_sad_epu8(lane, zero)), key)
        };
        let (lanes, rest) = bytes.as_chunks::<LANES>();
        let (weights, _) = WEIGHTS.as_chunks::<LANES>();
        let whole = lanes
            .iter()
            .zip(weights)
            .fold((zero, zero), |total, (lane, weights)| add(total, load(lane), load(weights)));
        let (Some(last), Some(weights), Some(window)) = (
            bytes.last_chunk(),
            WEIGHTS.get(..bytes.len()).and_then(<[u8]>::last_chunk),
            WINDOW[rest.len()..].first_chunk(),
        ) else {
            unreachable!("one lane at least, and no more than there are weights for")
        };
        // It overlaps the lanes before it: what was added there is masked out.
        let (sum, key) = add(whole, _mm256_and_si256(load(last), load(window)), load(weights));
        let (sum, key) = (folded(sum), folded(key));
        let total = _mm_add_epi64(_mm_unpacklo_epi64(sum, key), _mm_unpackhi_epi64(sum, key));
        let key = _mm_cvtsi128_si64(_mm_unpackhi_epi64(total, total)) as u32;
        Digest { sum: _mm_cvtsi128_si64(total) as u8, key }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn fits(bytes: &[u8], image: &[u8], mask: &[u8]) -> bool {
        let difference = |bytes: &[u8; LANES], image: &[u8; LANES], mask: &[u8; LANES]| {
            _mm256_xor_si256(_mm256_cmpeq_epi8(load(bytes), load(image)), load(mask))
        };
        let [(lanes, _), (image_lanes, _), (mask_lanes, _)] =
            [bytes, image, mask].map(<[u8]>::as_chunks::<LANES>);
        let whole = lanes
            .iter()
            .zip(image_lanes)
            .zip(mask_lanes)
            .fold(_mm256_setzero_si256(), |all, ((bytes, image), mask)| {
                _mm256_or_si256(all, difference(bytes, image, mask))
            });
        // What is left over lies in the last lane, which overlaps the ones before it.
        let (Some(bytes), Some(image), Some(mask)) =
            (bytes.last_chunk(), image.last_chunk(), mask.last_chunk())
        else {
            return false;
        };
        let all = _mm256_or_si256(whole, difference(bytes, image, mask));
        _mm256_testz_si256(all, all) != 0
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

mod portable {
    use super::{BLOCK_LEN, Digest, LEN_MIN, SOH, WEIGHTS};

    pub(super) fn soh_mask(block: &[u8; BLOCK_LEN]) -> u64 {
        block.iter().rev().fold(0, |mask, byte| mask << 1 | u64::from(*byte == SOH))
    }

    pub(super) fn digest(bytes: &[u8]) -> Digest {
        let sohs = bytes.iter().zip(&WEIGHTS).filter(|(byte, _)| **byte == SOH);
        Digest { sum: sum(bytes), key: sohs.map(|(_, weight)| u32::from(*weight)).sum() }
    }

    pub(super) fn fits(bytes: &[u8], image: &[u8], mask: &[u8]) -> bool {
        let mut pairs = bytes.iter().zip(image).zip(mask);
        bytes.len() >= LEN_MIN
            && pairs.all(|((byte, image), mask)| *mask == if byte == image { 0xff } else { 0 })
    }

    pub(super) fn sum(bytes: &[u8]) -> u8 {
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
        fn bytes_fit_that_are_those_of_the_image_just_where_the_mask_says(
            bytes in prop::collection::vec(0u8..4, 0..100),
            changes in prop::collection::vec((any::<prop::sample::Index>(), 0u8..4), 0..3),
            holes in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        ) {
            let (mut image, mut mask) = (bytes.clone(), vec![0xff; bytes.len()]);
            image.extend([1; 20]);
            mask.extend([0xff; 20]);
            for at in holes {
                let at = at.index(bytes.len() + 20);
                (image[at], mask[at]) = (image[at] ^ 5, 0);
            }
            for (at, byte) in changes {
                image[at.index(bytes.len() + 20)] = byte;
            }
            let len = bytes.len();
            let naive = len >= LEN_MIN && (0..len).all(|at| (image[at] == bytes[at]) == (mask[at] != 0));
            prop_assert_eq!(fits(&bytes, &image, &mask), naive);
            prop_assert_eq!(portable::fits(&bytes, &image[..len], &mask[..len]), naive);
            prop_assert!(!fits(&bytes, &image, &[]));
        }

        #[test]
        fn a_digest_tells_the_sum_and_only_of_sohs_where_they_are(
            bytes in soup(),
            other in any::<u8>(),
        ) {
            let found = digest(&bytes);
            prop_assert_eq!(found.sum, portable::sum(&bytes));
            let is_short = (LEN_MIN..=LEN_MAX).contains(&bytes.len());
            let key = if is_short { portable::digest(&bytes).key } else { 0 };
            prop_assert_eq!(found.key, key);
            let same = |byte: &u8| if *byte == SOH || other == SOH { *byte } else { other };
            prop_assert_eq!(digest(&bytes.iter().map(same).collect::<Vec<_>>()).key, key);
        }

        #[test]
        fn sums_agree_with_adding_byte_by_byte(bytes in soup()) {
            let naive = (bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>() % 256) as u8;
            prop_assert_eq!((sum(&bytes), portable::sum(&bytes)), (naive, naive));
        }
    }
}
