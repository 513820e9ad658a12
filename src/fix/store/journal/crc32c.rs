//! CRC32C (RFC 3720 B.4, "Castagnoli"), by the processor's own instruction where it has it. A fence: the twin
//! without it runs elsewhere, and a property test holds the two together.
#![allow(unsafe_code)]

/// What one word is of, in bytes.
const WORD: usize = 8;
/// The reversed polynomial.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// The sum of what `sum` is of, and `bytes` behind it, filled up with zeros to a multiple of eight.
///
/// Neither inverted before nor after: a caller begins with what belongs to it alone.
#[inline]
pub(super) fn crc32c(sum: u32, bytes: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("sse4.2") && is_x86_feature_detected!("pclmulqdq") {
        // SAFETY: the processor has SSE4.2 and PCLMULQDQ.
        return unsafe { by_instruction(sum, bytes) };
    }
    by_table(sum, bytes)
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "sse4.2,pclmulqdq")]
fn by_instruction(sum: u32, bytes: &[u8]) -> u32 {
    use core::arch::x86_64::_mm_crc32_u64;
    let (mut words, rest) = bytes.as_chunks::<WORD>();
    let mut sum = u64::from(sum);
    while let Some((long, others)) = words.split_first_chunk::<21>() {
        (sum, words) = (by_thirds(sum, long), others);
    }
    while let Some((short, others)) = words.split_first_chunk::<9>() {
        (sum, words) = (by_thirds(sum, short), others);
    }
    for word in words {
        sum = _mm_crc32_u64(sum, u64::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        sum = _mm_crc32_u64(sum, filled_up(bytes, rest.len()));
    }
    sum as u32
}

/// An instruction waits three cycles for the one before it, and each cycle another may begin: the sums of three parts
/// are taken at a time, and what the words behind a part do to its sum is one multiplication.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "sse4.2,pclmulqdq")]
fn by_thirds<const WORDS: usize>(sum: u64, words: &[[u8; WORD]; WORDS]) -> u64 {
    use core::arch::x86_64::{
        _mm_clmulepi64_si128, _mm_crc32_u64, _mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm_xor_si128,
    };
    let (mut first, mut second, mut third) = (sum, 0, 0);
    for at in 0..WORDS / 3 {
        first = _mm_crc32_u64(first, u64::from_le_bytes(words[at]));
        second = _mm_crc32_u64(second, u64::from_le_bytes(words[WORDS / 3 + at]));
        third = _mm_crc32_u64(third, u64::from_le_bytes(words[WORDS / 3 * 2 + at]));
    }
    let far = _mm_cvtsi64_si128(const { mover(WORDS / 3 * 2) });
    let near = _mm_cvtsi64_si128(const { mover(WORDS / 3) });
    let first = _mm_clmulepi64_si128::<0>(_mm_cvtsi64_si128(first as i64), far);
    let second = _mm_clmulepi64_si128::<0>(_mm_cvtsi64_si128(second as i64), near);
    _mm_crc32_u64(0, _mm_cvtsi128_si64(_mm_xor_si128(first, second)) as u64) ^ third
}

/// What moves a sum by so many words, one at least: x^(64 `words` - 33), reversed. The instruction that takes the product for a
/// word adds the 33.
#[cfg(target_arch = "x86_64")]
const fn mover(words: usize) -> i64 {
    // x^31.
    let mut factor = 1u32;
    let mut bits = 64 * (words - 1);
    while bits > 0 {
        factor = if factor & 1 == 1 { factor >> 1 ^ POLYNOMIAL } else { factor >> 1 };
        bits -= 1;
    }
    factor as i64
}

fn by_table(sum: u32, bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| TABLE[usize::from(sum as u8 ^ byte)] ^ sum >> 8;
    let (words, rest) = bytes.as_chunks::<WORD>();
    let sum = words.as_flattened().iter().fold(sum, step);
    if rest.is_empty() {
        return sum;
    }
    filled_up(bytes, rest.len()).to_le_bytes().iter().fold(sum, step)
}

/// The last `len` bytes, 1 to 7, as a word.
#[inline]
fn filled_up(bytes: &[u8], len: usize) -> u64 {
    match bytes.last_chunk() {
        Some(last) => u64::from_le_bytes(*last) >> (64 - 8 * len),
        None => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ POLYNOMIAL } else { sum >> 1 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sums_are_those_of_rfc_3720() {
        for (bytes, expected) in [
            (&[0u8; 32][..], 0x8a91_36aau32),
            (&[0xff; 32], 0x62a8_ab43),
            (&core::array::from_fn::<u8, 32, _>(|at| at as u8), 0x46dd_794e),
        ] {
            assert_eq!(!crc32c(!0, bytes), expected);
            assert_eq!(!by_table(!0, bytes), expected);
        }
    }

    proptest! {
        #[test]
        fn both_ways_agree(
            sum in any::<u32>(),
            bytes in prop::collection::vec(any::<u8>(), 0..600),
        ) {
            let mut filled = bytes.clone();
            filled.resize(bytes.len().next_multiple_of(WORD), 0);
            prop_assert_eq!(crc32c(sum, &bytes), by_table(sum, &filled));
            prop_assert_eq!(by_table(sum, &bytes), by_table(sum, &filled));
        }
    }
}
