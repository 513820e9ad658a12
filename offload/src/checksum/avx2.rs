//! The fence of this crate: the same sums by AVX2, thirty-two bytes at a time.
//!
//! One instruction adds up neighbouring 16-bit words into 32 bits, signed ones. A word with its highest
//! bit turned over is a signed one, 0x8000 less than it was; what is missing of the sum depends on the
//! length alone and is added at the end.
#![allow(unsafe_code)]

use core::arch::x86_64::{
    __m256i, _mm_add_epi32, _mm_cvtsi128_si32, _mm_shuffle_epi32, _mm256_add_epi32,
    _mm256_and_si256, _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_lddqu_si256,
    _mm256_loadu_si256, _mm256_madd_epi16, _mm256_set1_epi16, _mm256_setzero_si256,
    _mm256_storeu_si256, _mm256_xor_si256,
};

use super::{Sum, portable::split_both};

const LANE_LEN: usize = 32;
/// What one round adds to both totals twice.
const BLOCK_LEN: usize = 128;

/// The last lane and the byte before it.
type End = [u8; LANE_LEN + 1];

/// The fewest bytes that these forms are for: of fewer the portable ones have done before a call is made.
pub(super) const LEN_MIN: usize = 128;
/// The most. No datagram has more, and twice as many could overflow 32 bits.
pub(super) const LEN_MAX: usize = 65_535;

/// The sum of `bytes`, where this form is faster than the portable one.
#[inline(always)]
pub(super) fn sum(bytes: &[u8]) -> Option<Sum> {
    let end = end_of(bytes)?;
    // SAFETY: the processor has AVX2.
    Some(unsafe { sum_lanes(bytes, end) })
}

/// Copies `from` into the front of `to` and sums it, where this form is faster than the portable one.
#[inline(always)]
pub(super) fn copy_and_sum(from: &[u8], to: &mut [u8]) -> Option<Sum> {
    let end = end_of(from)?;
    // SAFETY: the processor has AVX2.
    Some(unsafe { copy_and_sum_lanes(from, end, to) })
}

/// The end of `bytes` that is summed apart, if these forms are for as many and the processor has AVX2.
/// Whether it has is found out once, and then looked up; not even that where the compiler was told.
#[inline(always)]
fn end_of(bytes: &[u8]) -> Option<&End> {
    // One comparison alone stands before few bytes.
    if bytes.len() < LEN_MIN || !is_x86_feature_detected!("avx2") || bytes.len() > LEN_MAX {
        return None;
    }
    bytes.last_chunk()
}

#[target_feature(enable = "avx2")]
fn sum_lanes(bytes: &[u8], end: &End) -> Sum {
    let mut totals = [_mm256_setzero_si256(); 2];
    let mut rest = bytes;
    while let Some((block, behind)) = rest.split_first_chunk::<BLOCK_LEN>() {
        totals = add(totals, block);
        rest = behind;
    }
    if let Some((block, behind)) = rest.split_first_chunk::<{ BLOCK_LEN / 2 }>() {
        totals = add(totals, block);
        rest = behind;
    }
    if let Some(block) = rest.first_chunk::<LANE_LEN>() {
        totals = add(totals, block);
    }
    finished(totals, bytes.len(), end)
}

#[target_feature(enable = "avx2")]
fn copy_and_sum_lanes(from: &[u8], end: &End, to: &mut [u8]) -> Sum {
    let to = &mut to[..from.len()];
    let at = to.len() - end.len();
    // Those of its bytes that are in whole lanes are written again below, as they are.
    to[at..].copy_from_slice(end);
    let mut totals = [_mm256_setzero_si256(); 2];
    let (mut rest, mut to_rest) = (from, to);
    while let Some((block, to)) = split_both::<BLOCK_LEN>(&mut rest, &mut to_rest) {
        totals = copy_and_add(totals, block, to);
    }
    if let Some((block, to)) = split_both::<{ BLOCK_LEN / 2 }>(&mut rest, &mut to_rest) {
        totals = copy_and_add(totals, block, to);
    }
    if let Some((block, to)) = split_both::<LANE_LEN>(&mut rest, &mut to_rest) {
        totals = copy_and_add(totals, block, to);
    }
    finished(totals, from.len(), end)
}

/// Adds whole lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn add(mut totals: [__m256i; 2], block: &[u8]) -> [__m256i; 2] {
    for (at, lane) in block.as_chunks().0.iter().enumerate() {
        totals[at % 2] = _mm256_add_epi32(totals[at % 2], pairs(signed(load(lane))));
    }
    totals
}

/// Copies and adds whole lanes, each while it is in a register.
#[inline]
#[target_feature(enable = "avx2")]
fn copy_and_add(mut totals: [__m256i; 2], block: &[u8], to: &mut [u8]) -> [__m256i; 2] {
    for (at, (from, to)) in block.as_chunks().0.iter().zip(to.as_chunks_mut().0).enumerate() {
        let lane = load_once(from);
        store(lane, to);
        totals[at % 2] = _mm256_add_epi32(totals[at % 2], pairs(signed(lane)));
    }
    totals
}

/// The sum of so many bytes that end so, whose whole lanes have been added up.
#[inline]
#[target_feature(enable = "avx2")]
fn finished([even, odd]: [__m256i; 2], len: usize, end: &End) -> Sum {
    // The last lane that begins at an even offset overlaps the whole ones: what was added there is
    // masked out. What an odd length leaves behind it is added by itself.
    let is_odd = len % 2;
    let last = end[1 - is_odd..].first_chunk().expect("a lane and a byte, less that byte");
    let mask =
        WINDOW[len % LANE_LEN - is_odd..].first_chunk().expect("a lane, and less than one on");
    let last = signed(_mm256_and_si256(load(last), load(mask)));
    let total = _mm256_add_epi32(_mm256_add_epi32(even, odd), pairs(last));
    let odd_byte = i64::from(end[LANE_LEN]) & -(is_odd as i64);
    let words = (len / LANE_LEN + 1) * (LANE_LEN / 2);
    Sum((i64::from(across(total)) + odd_byte + 0x8000 * words as i64).cast_unsigned())
}

/// The eight numbers added up.
#[inline]
#[target_feature(enable = "avx2")]
fn across(total: __m256i) -> i32 {
    let four = _mm_add_epi32(_mm256_castsi256_si128(total), _mm256_extracti128_si256::<1>(total));
    let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b11_10>(four));
    _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0b01>(two)))
}

/// Words less 0x8000.
#[inline]
#[target_feature(enable = "avx2")]
fn signed(words: __m256i) -> __m256i {
    _mm256_xor_si256(words, _mm256_set1_epi16(i16::MIN))
}

/// Neighbours added up.
#[inline]
#[target_feature(enable = "avx2")]
fn pairs(words: __m256i) -> __m256i {
    _mm256_madd_epi16(words, _mm256_set1_epi16(1))
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(bytes: &[u8; LANE_LEN]) -> __m256i {
    // SAFETY: the reference is to thirty-two readable bytes, and the load needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

/// The same by an instruction that the compiler does not see through: it would load once to copy and
/// once more to add.
#[inline]
#[target_feature(enable = "avx2")]
fn load_once(bytes: &[u8; LANE_LEN]) -> __m256i {
    // SAFETY: the reference is to thirty-two readable bytes, and the load needs no alignment.
    unsafe { _mm256_lddqu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(lane: __m256i, bytes: &mut [u8; LANE_LEN]) {
    // SAFETY: the reference is to thirty-two writable bytes, and the store needs no alignment.
    unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), lane) }
}

/// From position *n* on: a lane of which the last *n* bytes count.
const WINDOW: [u8; 2 * LANE_LEN] = {
    let mut window = [0; 2 * LANE_LEN];
    let mut at = LANE_LEN;
    while at < window.len() {
        window[at] = 0xff;
        at += 1;
    }
    window
};
