//! The forms for every processor, and for few bytes on all of them.
//!
//! Words of eight bytes are added up, each with the carry of the one before, which is one instruction a
//! word. Each addition waits for that carry: two chains do not wait for each other.

use super::Sum;

/// What both chains take up in one round.
const BLOCK_LEN: usize = 64;
const HALF_LEN: usize = BLOCK_LEN / 2;
const QUARTER_LEN: usize = BLOCK_LEN / 4;
const WORD_LEN: usize = 8;

/// The sum of `bytes`.
#[inline]
pub(super) fn sum(bytes: &[u8]) -> Sum {
    let Some(last) = bytes.last_chunk() else { return sum_of_few(bytes) };
    let (mut even, mut odd) = (0, 0);
    let mut rest = bytes;
    while let Some((block, behind)) = rest.split_first_chunk::<BLOCK_LEN>() {
        even = chained(even, &block[..HALF_LEN]);
        odd = chained(odd, &block[HALF_LEN..]);
        rest = behind;
    }
    if let Some((half, behind)) = rest.split_first_chunk::<HALF_LEN>() {
        even = chained(even, half);
        rest = behind;
    }
    if let Some((quarter, behind)) = rest.split_first_chunk::<QUARTER_LEN>() {
        odd = chained(odd, quarter);
        rest = behind;
    }
    let mut word = 0;
    if let Some((whole, behind)) = rest.split_first_chunk() {
        word = u64::from_ne_bytes(*whole);
        rest = behind;
    }
    total([even, odd, word, end_of(last, rest.len())])
}

/// Copies `from` into the front of `to` and sums it.
#[inline]
pub(super) fn copy_and_sum(from: &[u8], to: &mut [u8]) -> Sum {
    let to = &mut to[..from.len()];
    let (Some(last), Some(to_last)) = (from.last_chunk(), to.last_chunk_mut()) else {
        return copy_and_sum_of_few(from, to);
    };
    // Those of its bytes that are before the rest are written again below, as they are.
    *to_last = *last;
    let (mut even, mut odd) = (0, 0);
    let (mut rest, mut to_rest) = (from, to);
    while let Some((block, to)) = split_both::<BLOCK_LEN>(&mut rest, &mut to_rest) {
        copy(block, to);
        even = chained(even, &block[..HALF_LEN]);
        odd = chained(odd, &block[HALF_LEN..]);
    }
    if let Some((half, to)) = split_both::<HALF_LEN>(&mut rest, &mut to_rest) {
        copy(half, to);
        even = chained(even, half);
    }
    if let Some((quarter, to)) = split_both::<QUARTER_LEN>(&mut rest, &mut to_rest) {
        copy(quarter, to);
        odd = chained(odd, quarter);
    }
    let mut word = 0;
    if let Some((whole, to)) = split_both(&mut rest, &mut to_rest) {
        *to = *whole;
        word = u64::from_ne_bytes(*whole);
    }
    total([even, odd, word, end_of(last, rest.len())])
}

/// Takes the first bytes off both, if there are so many. Of a loop over blocks of both the compiler would
/// make a call that copies, and a pass that sums.
#[inline(always)]
pub(super) fn split_both<'a, 'b, const LEN: usize>(
    from: &mut &'a [u8],
    to: &mut &'b mut [u8],
) -> Option<(&'a [u8; LEN], &'b mut [u8; LEN])> {
    let (first, behind) = from.split_first_chunk()?;
    let (to_first, to_behind) = std::mem::take(to).split_first_chunk_mut()?;
    (*from, *to) = (behind, to_behind);
    Some((first, to_first))
}

/// Copies whole words.
#[inline(always)]
fn copy(from: &[u8], to: &mut [u8]) {
    for (to, from) in to.as_chunks_mut::<WORD_LEN>().0.iter_mut().zip(from.as_chunks().0) {
        *to = *from;
    }
}

/// `sum` with whole words added.
#[inline(always)]
fn chained(sum: u64, words: &[u8]) -> u64 {
    let words = words.as_chunks().0.iter().map(|word| u64::from_ne_bytes(*word));
    let (sum, carry) = words.fold((sum, false), add);
    // A carry out of the highest bit comes in at the lowest, and no further: with one the sum is not all
    // ones.
    sum + u64::from(carry)
}

#[inline(always)]
fn add((sum, carry): (u64, bool), word: u64) -> (u64, bool) {
    let (sum, first) = sum.overflowing_add(word);
    let (sum, second) = sum.overflowing_add(u64::from(carry));
    (sum, first | second)
}

#[inline(always)]
fn total(parts: [u64; 4]) -> Sum {
    let (sum, carry) = parts.into_iter().fold((0, false), add);
    Sum(sum + u64::from(carry))
}

/// The last `len` bytes of a word, fewer than eight, moved to its front, zeros behind them.
#[inline(always)]
fn end_of(word: &[u8; WORD_LEN], len: usize) -> u64 {
    let word = u64::from_ne_bytes(*word);
    // In two steps, as all eight bytes go where `len` is zero.
    let bits = 8 * (WORD_LEN - 1 - len);
    if cfg!(target_endian = "little") { word >> 8 >> bits } else { word << 8 << bits }
}

/// The sum of fewer than eight bytes.
#[cold]
fn sum_of_few(bytes: &[u8]) -> Sum {
    let (pairs, odd) = bytes.as_chunks();
    let sum: u64 = pairs.iter().map(|pair| u64::from(u16::from_ne_bytes(*pair))).sum();
    Sum(sum + odd.first().map_or(0, |odd| u64::from(u16::from_ne_bytes([*odd, 0]))))
}

/// Copies and sums fewer than eight bytes.
#[cold]
fn copy_and_sum_of_few(from: &[u8], to: &mut [u8]) -> Sum {
    to.copy_from_slice(from);
    sum_of_few(from)
}
