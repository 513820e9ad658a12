//! By AVX2, and what came with it.

use core::arch::x86_64::{
    __m128i, __m256i, _mm_add_epi64, _mm_crc32_u64, _mm_cvtsi128_si64, _mm_unpackhi_epi64,
    _mm256_add_epi8, _mm256_add_epi64, _mm256_and_si256, _mm256_castsi256_si128, _mm256_cmpeq_epi8,
    _mm256_cmpgt_epi8, _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_movemask_epi8,
    _mm256_or_si256, _mm256_sad_epu8, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_testz_si256,
    _mm256_xor_si256, _pext_u32,
};

use super::fields::{self, Lanes, Masks};
use super::{BLOCK_LEN, Digest, IMAGE_LEN, Image, Words};
use crate::fix::decode::Table;
use crate::fix::frame::SOH;

const LANES: usize = 32;

/// That the processor has AVX2, BMI1, BMI2, LZCNT, POPCNT and MOVBE: all have, that have AVX2, from Haswell and
/// Excavator on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fix) struct Avx2(());

impl Avx2 {
    pub(super) fn detected() -> Option<Avx2> {
        let has_all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("movbe");
        has_all.then_some(Avx2(()))
    }
}

impl Lanes for Avx2 {
    #[inline(always)]
    unsafe fn masks(block: &[u8; BLOCK_LEN]) -> Masks {
        // SAFETY: the caller found AVX2.
        unsafe { masks(block) }
    }

    #[inline(always)]
    unsafe fn nibbles(text: u32) -> u16 {
        // SAFETY: the caller found BMI2.
        unsafe { nibbles(text) }
    }
}

#[inline]
#[target_feature(enable = "bmi2")]
fn nibbles(text: u32) -> u16 {
    _pext_u32(text, 0x0f0f_0f0f) as u16
}

#[inline]
#[target_feature(enable = "avx2")]
fn masks(block: &[u8; BLOCK_LEN]) -> Masks {
    let equals = _mm256_set1_epi8(b'='.cast_signed());
    // Moved up so that the digits are the highest there are, of signed bytes.
    let up = _mm256_set1_epi8((i8::MAX as u8 - b'9').cast_signed());
    let below = _mm256_set1_epi8(i8::MAX - 10);
    let is_digit = |lane| _mm256_cmpgt_epi8(_mm256_add_epi8(lane, up), below);
    Masks {
        soh: sohs(block),
        equals: mask(block, |lane| _mm256_cmpeq_epi8(lane, equals)),
        digits: mask(block, is_digit),
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn sohs(block: &[u8; BLOCK_LEN]) -> u64 {
    let soh = _mm256_set1_epi8(SOH.cast_signed());
    mask(block, |lane| _mm256_cmpeq_epi8(lane, soh))
}

#[inline]
#[target_feature(enable = "avx2")]
fn mask(block: &[u8; BLOCK_LEN], found: impl Fn(__m256i) -> __m256i) -> u64 {
    let (lanes, _) = block.as_chunks::<LANES>();
    lanes.iter().rev().fold(0, |mask, lane| {
        let found = _mm256_movemask_epi8(found(load(lane)));
        mask << LANES | u64::from(found.cast_unsigned())
    })
}

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt,movbe")]
pub(super) fn fields(
    message: &[u8],
    end: usize,
    words: &mut Words,
    table: &mut Table,
    fields_max: usize,
) -> Option<u8> {
    // SAFETY: this function's own features are those of `Avx2`.
    unsafe { fields::fields::<Avx2>(message, end, words, table, fields_max) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(bytes: &[u8; LANES]) -> __m256i {
    // SAFETY: the reference is to thirty-two readable bytes, and the load needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

/// The last block of `bytes`, which are a block at least.
#[inline(always)]
fn last_of(bytes: &[u8]) -> &[u8; BLOCK_LEN] {
    let at = bytes.len().checked_sub(BLOCK_LEN).expect("a block at least");
    // What the library offers for this looks twice whether there is one.
    // SAFETY: `at` is not behind the end.
    let last = unsafe { bytes.as_ptr().add(at) };
    // SAFETY: from there to the end they are a block, which needs no alignment.
    unsafe { &*last.cast() }
}

/// The two halves added up.
#[inline]
#[target_feature(enable = "avx2")]
fn folded(total: __m256i) -> __m128i {
    _mm_add_epi64(_mm256_castsi256_si128(total), _mm256_extracti128_si256::<1>(total))
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn sum(bytes: &[u8]) -> u8 {
    let zero = _mm256_setzero_si256();
    let (blocks, rest) = bytes.as_chunks::<BLOCK_LEN>();
    let total = blocks.iter().fold(zero, |total, block| added(total, block));
    if bytes.len() < BLOCK_LEN {
        return rest.iter().fold(0, |few, byte| few.wrapping_add(*byte));
    }
    low_byte(added_last(total, last_of(bytes), rest.len()))
}

/// What a block adds up to, added to eight sums side by side.
#[inline]
#[target_feature(enable = "avx2")]
fn added(total: __m256i, block: &[u8; BLOCK_LEN]) -> __m256i {
    let zero = _mm256_setzero_si256();
    let (lanes, _) = block.as_chunks::<LANES>();
    let a = _mm256_sad_epu8(load(&lanes[0]), zero);
    let b = _mm256_sad_epu8(load(&lanes[1]), zero);
    _mm256_add_epi64(total, _mm256_add_epi64(a, b))
}

/// The same of the last `rest` bytes of the last block. It overlaps those before it: what was added there is masked out.
#[inline]
#[target_feature(enable = "avx2")]
fn added_last(total: __m256i, block: &[u8; BLOCK_LEN], rest: usize) -> __m256i {
    let zero = _mm256_setzero_si256();
    let window = WINDOW.get(rest..).and_then(<[u8]>::first_chunk::<BLOCK_LEN>);
    let window = window.unwrap_or(&[0; BLOCK_LEN]).as_chunks::<LANES>().0;
    let lanes = block.as_chunks::<LANES>().0;
    let a = _mm256_sad_epu8(_mm256_and_si256(load(&lanes[0]), load(&window[0])), zero);
    let b = _mm256_sad_epu8(_mm256_and_si256(load(&lanes[1]), load(&window[1])), zero);
    _mm256_add_epi64(total, _mm256_add_epi64(a, b))
}

/// Eight sums added up, modulo 256.
#[inline]
#[target_feature(enable = "avx2")]
fn low_byte(total: __m256i) -> u8 {
    let total = folded(total);
    let total = _mm_add_epi64(total, _mm_unpackhi_epi64(total, total));
    _mm_cvtsi128_si64(total) as u8
}

#[target_feature(enable = "avx2")]
pub(super) fn digest(bytes: &[u8]) -> Digest {
    if bytes.len() < BLOCK_LEN {
        return digest_of_few(bytes);
    }
    let last = last_of(bytes);
    let (blocks, rest) = bytes.as_chunks::<BLOCK_LEN>();
    let (mut total, mut key) = (_mm256_setzero_si256(), 0);
    for block in blocks {
        total = added(total, block);
        key = _mm_crc32_u64(key, sohs(block));
    }
    if !rest.is_empty() {
        total = added_last(total, last, rest.len());
        key = _mm_crc32_u64(key, sohs(last) >> (BLOCK_LEN - rest.len()));
    }
    Digest { sum: low_byte(total), key: key as u32 }
}

/// Those of less than a block.
#[cold]
#[inline(never)]
fn digest_of_few(bytes: &[u8]) -> Digest {
    super::portable::digest(bytes)
}

#[target_feature(enable = "avx2")]
pub(super) fn fits(bytes: &[u8], image: &Image, mask: &Image) -> bool {
    let len = bytes.len();
    if !(BLOCK_LEN..=IMAGE_LEN).contains(&len) {
        return few_fit(bytes, image, mask);
    }
    let last = last_of(bytes);
    let mut all = _mm256_setzero_si256();
    let blocks = bytes.as_chunks::<BLOCK_LEN>().0.iter();
    let expected = image.as_chunks::<BLOCK_LEN>().0.iter().zip(mask.as_chunks().0);
    for (bytes, (image, mask)) in blocks.zip(expected) {
        all = _mm256_or_si256(all, difference(bytes, image, mask));
    }
    // What is left over lies in the last block, which overlaps the ones before it.
    let at = len - BLOCK_LEN;
    let (Some(image), Some(mask)) = (image[at..].first_chunk(), mask[at..].first_chunk()) else {
        return false;
    };
    all = _mm256_or_si256(all, difference(last, image, mask));
    _mm256_testz_si256(all, all) != 0
}

/// The same of less than a block.
#[cold]
#[inline(never)]
fn few_fit(bytes: &[u8], image: &Image, mask: &Image) -> bool {
    super::portable::fits(bytes, image, mask)
}

/// All zeros where bytes are those of the image just where the mask says.
#[inline]
#[target_feature(enable = "avx2")]
fn difference(bytes: &[u8; BLOCK_LEN], image: &[u8; BLOCK_LEN], mask: &[u8; BLOCK_LEN]) -> __m256i {
    let [a, b] = [0, 1].map(|half| {
        let lane = |block: &[u8; BLOCK_LEN]| load(&block.as_chunks::<LANES>().0[half]);
        _mm256_xor_si256(_mm256_cmpeq_epi8(lane(bytes), lane(image)), lane(mask))
    });
    _mm256_or_si256(a, b)
}

/// From position *n* on: a block of which the last *n* bytes count.
const WINDOW: [u8; 2 * BLOCK_LEN] = {
    let mut window = [0; 2 * BLOCK_LEN];
    let mut at = BLOCK_LEN;
    while at < window.len() {
        window[at] = 0xff;
        at += 1;
    }
    window
};
