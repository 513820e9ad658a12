//! A fence of this crate: bytes loaded by AVX2 and added up as they come, which is no checksum of
//! anything. No sum of theirs can take less than that.
#![allow(unsafe_code)]

use core::arch::x86_64::{
    __m128i, __m256i, _mm_add_epi64, _mm_cvtsi128_si64, _mm_loadu_si128, _mm256_add_epi64,
    _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_setzero_si256,
};

const LANE_LEN: usize = 32;
/// What one round adds to four totals.
const BLOCK_LEN: usize = 4 * LANE_LEN;

/// Whether the processor has what this takes.
pub fn can_load() -> bool {
    is_x86_feature_detected!("avx2")
}

/// Loads all of `bytes`, sixteen at least, and adds them up.
///
/// # Panics
/// If the processor has no AVX2.
#[inline]
pub fn load(bytes: &[u8]) -> u64 {
    assert!(can_load(), "no AVX2");
    // SAFETY: the processor has AVX2.
    unsafe { load_lanes(bytes) }
}

#[target_feature(enable = "avx2")]
fn load_lanes(bytes: &[u8]) -> u64 {
    let mut totals = [_mm256_setzero_si256(); 4];
    let mut rest = bytes;
    while let Some((block, behind)) = rest.split_first_chunk::<BLOCK_LEN>() {
        totals = add(totals, block);
        rest = behind;
    }
    if let Some((half, behind)) = rest.split_first_chunk::<{ BLOCK_LEN / 2 }>() {
        totals = add(totals, half);
        rest = behind;
    }
    if let Some(lane) = rest.first_chunk::<LANE_LEN>() {
        totals = add(totals, lane);
    }
    // What is left over is loaded with what lies before it.
    if let Some(last) = bytes.last_chunk::<LANE_LEN>() {
        totals = add(totals, last);
    }
    let [a, b, c, d] = totals;
    let total = _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(c, d));
    let mut half =
        _mm_add_epi64(_mm256_castsi256_si128(total), _mm256_extracti128_si256::<1>(total));
    if bytes.len() < LANE_LEN
        && let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk())
    {
        half = _mm_add_epi64(half_lane(first), half_lane(last));
    }
    _mm_cvtsi128_si64(half).cast_unsigned()
}

/// Adds whole lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn add(mut totals: [__m256i; 4], block: &[u8]) -> [__m256i; 4] {
    for (total, bytes) in totals.iter_mut().zip(block.as_chunks().0) {
        *total = _mm256_add_epi64(*total, lane(bytes));
    }
    totals
}

#[inline]
#[target_feature(enable = "avx2")]
fn lane(bytes: &[u8; LANE_LEN]) -> __m256i {
    // SAFETY: the reference is to thirty-two readable bytes, and the load needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn half_lane(bytes: &[u8; LANE_LEN / 2]) -> __m128i {
    // SAFETY: the reference is to sixteen readable bytes, and the load needs no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}
