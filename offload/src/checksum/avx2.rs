//! The fence of this crate: the same sums by AVX2, thirty-two bytes at a time.
//!
//! One instruction adds up neighbouring 16-bit words into 32 bits, signed ones. A word with its highest
//! bit turned over is a signed one, 0x8000 less than it was; what is missing of the sum depends on the
//! length alone and is added at the end.
#![allow(unsafe_code)]

use core::arch::x86_64::{
    __m256i, _mm_add_epi32, _mm_cvtsi128_si32, _mm_shuffle_epi32, _mm256_add_epi32,
    _mm256_and_si256, _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_lddqu_si256,
    _mm256_loadu_si256, _mm256_madd_epi16, _mm256_set1_epi16, _mm256_set1_epi32,
    _mm256_setzero_si256, _mm256_storeu_si256, _mm256_xor_si256,
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

/// So many bytes, or as many more as make whole lanes.
#[inline(always)]
pub const fn whole_lanes(len: usize) -> usize {
    (len + LANE_LEN - 1) & !(LANE_LEN - 1)
}

/// That the processor has AVX2: whoever holds this has looked, and what goes by it looks no more.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Avx2 {
    /// Looks.
    pub fn find() -> Option<Avx2> {
        is_x86_feature_detected!("avx2").then_some(Avx2(()))
    }

    /// The sum of `bytes` from `at` on, as many as a datagram has at most, where a lane and more come before them. Those are
    /// loaded as well. Zeros alone may sum to all ones, the other writing of nothing.
    #[inline(always)]
    pub fn sum_end(self, bytes: &[u8], at: usize) -> Option<Sum> {
        let len = bytes.len().checked_sub(at)?;
        if len == 0 || at < LANE_LEN {
            return None;
        }
        // SAFETY: the processor has AVX2, as `self` says; before the end lie `len` bytes and a lane's more, which have
        // whole lanes in them.
        Some(unsafe { sum_before(bytes.as_ptr_range().end, len) })
    }

    /// Writes a frame: `kept` to the front of `to`, and the first `len` bytes of `from`, as many as a datagram has at
    /// most, to `AT` in it. Says their sum, if it `SUMS`; zeros alone may sum to all ones. They are copied by [whole
    /// lanes](whole_lanes): both are to have as many bytes. `None` where that is not so, and nothing is written.
    #[inline(always)]
    pub fn put<const SUMS: bool, const KEPT: usize, const AT: usize>(
        self,
        kept: &[u8; KEPT],
        from: &[u8],
        len: usize,
        to: &mut [u8],
    ) -> Option<Sum> {
        const { assert!(KEPT <= AT) };
        let whole = whole_lanes(len);
        if len == 0 || from.len() < whole || to.len() < AT + whole {
            return None;
        }
        // SAFETY: the processor has AVX2, as `self` says; from both pointers on lies what was asked for.
        Some(unsafe {
            put_lanes::<SUMS, KEPT, AT>(kept, from.as_ptr(), to.as_mut_ptr(), whole, len)
        })
    }
}

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

/// The sum of the `len` bytes before `end`, one at least, but for zeros alone.
///
/// # Safety
/// Of what lies before `end` as much is to be readable as `len` bytes have whole lanes.
#[target_feature(enable = "avx2")]
unsafe fn sum_before(end: *const u8, len: usize) -> Sum {
    debug_assert!(len <= LEN_MAX);
    let begin = end.wrapping_sub(whole_lanes(len));
    let lane = |at: usize| {
        // SAFETY: it is one of those lanes, and the load needs no alignment.
        unsafe { _mm256_loadu_si256(begin.wrapping_add(at).cast()) }
    };
    // Of the first, the bytes that are in front do not count.
    let mask = WINDOW[(len - 1) % LANE_LEN + 1..].first_chunk().expect("a lane, and more");
    let mut even = pairs_less_ones(_mm256_and_si256(lane(0), load(mask)));
    let mut odd = _mm256_setzero_si256();
    let mut left = whole_lanes(len) - LANE_LEN;
    if !left.is_multiple_of(2 * LANE_LEN) {
        odd = pairs_less_ones(lane(left));
        left -= LANE_LEN;
    }
    while left != 0 {
        even = _mm256_add_epi32(even, pairs_less_ones(lane(left)));
        odd = _mm256_add_epi32(odd, pairs_less_ones(lane(left - LANE_LEN)));
        left -= 2 * LANE_LEN;
    }
    // Where the length is odd, so is where each lane begins: bytes stand in the other half of their words.
    Sum(positive(_mm256_add_epi32(even, odd)) << (8 * (len % 2)))
}

/// Writes `kept` to the front of `to`, and the `len` bytes from `from` on, one at least, to `AT` in it.
///
/// # Safety
/// From `from` on as many bytes are to be readable, and from `to` and `AT` on writable, as `len` have whole lanes; and those
/// before `AT`.
#[target_feature(enable = "avx2")]
unsafe fn put_lanes<const SUMS: bool, const KEPT: usize, const AT: usize>(
    kept: &[u8; KEPT],
    from: *const u8,
    to: *mut u8,
    whole: usize,
    len: usize,
) -> Sum {
    debug_assert!(len <= LEN_MAX);
    // SAFETY: `to` has room for `AT` bytes at least, which are no fewer; bytes need no alignment.
    unsafe { to.cast::<[u8; KEPT]>().write(*kept) };
    let room = to.wrapping_add(AT);
    let copied = |at: usize| {
        let from = from.wrapping_add(at).cast();
        let lane = if SUMS {
            // SAFETY: it is one of those lanes, and the load needs no alignment. As of `load_once`.
            unsafe { _mm256_lddqu_si256(from) }
        } else {
            // SAFETY: as above.
            unsafe { _mm256_loadu_si256(from) }
        };
        // SAFETY: it is one of those lanes, and the store needs no alignment.
        unsafe { _mm256_storeu_si256(room.wrapping_add(at).cast(), lane) };
        lane
    };
    let left = whole - LANE_LEN;
    let lane = copied(left);
    let (mut even, mut odd) = (_mm256_setzero_si256(), _mm256_setzero_si256());
    if SUMS {
        // Of the last, the bytes that are behind do not count.
        let mask = FRONTS[len.wrapping_neg() % LANE_LEN..].first_chunk().expect("a lane, and more");
        even = pairs_less_ones(_mm256_and_si256(lane, load(mask)));
    }
    let mut at = 0;
    let blocks_end = left - left % BLOCK_LEN;
    while at != blocks_end {
        let lanes = [0, 1, 2, 3].map(|lane| copied(at + lane * LANE_LEN));
        if SUMS {
            let [first, second, third, fourth] = lanes.map(|lane| pairs_less_ones(lane));
            even = _mm256_add_epi32(_mm256_add_epi32(even, first), third);
            odd = _mm256_add_epi32(_mm256_add_epi32(odd, second), fourth);
        }
        at += BLOCK_LEN;
    }
    if left % BLOCK_LEN >= BLOCK_LEN / 2 {
        let (first, second) = (copied(at), copied(at + LANE_LEN));
        if SUMS {
            even = _mm256_add_epi32(even, pairs_less_ones(first));
            odd = _mm256_add_epi32(odd, pairs_less_ones(second));
        }
    }
    if !left.is_multiple_of(BLOCK_LEN / 2) {
        let lane = copied(left - LANE_LEN);
        if SUMS {
            odd = _mm256_add_epi32(odd, pairs_less_ones(lane));
        }
    }
    if SUMS { Sum(positive(_mm256_add_epi32(even, odd))) } else { Sum::ZERO }
}

/// Neighbours added up, less 0xffff, which is nothing in one's complement: however many there are, nothing is missing.
/// As signed words the first is 0x8000 less than it was, and the second, turned over and taken away, 0x7fff.
#[inline]
#[target_feature(enable = "avx2")]
fn pairs_less_ones(words: __m256i) -> __m256i {
    let signed = _mm256_xor_si256(words, _mm256_set1_epi32(0x7fff_8000));
    _mm256_madd_epi16(signed, _mm256_set1_epi32(0xffff_0001_u32.cast_signed()))
}

/// Eight numbers of such added up, and as many times 0xffff as make it positive.
#[inline]
#[target_feature(enable = "avx2")]
fn positive(total: __m256i) -> u64 {
    // One for each neighbours that there can be, in whole lanes, and one more.
    const ONES: u32 = 0xffff * (whole_lanes(LEN_MAX) as u32 / 4 + 1);
    u64::from(across(total).cast_unsigned().wrapping_add(ONES))
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

/// From position *n* on: a lane of which the last *n* bytes do not count.
const FRONTS: [u8; 2 * LANE_LEN] = {
    let mut fronts = [0; 2 * LANE_LEN];
    let mut at = 0;
    while at < LANE_LEN {
        fronts[at] = 0xff;
        at += 1;
    }
    fronts
};
