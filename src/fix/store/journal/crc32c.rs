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
    if is_x86_feature_detected!("sse4.2") {
        // SAFETY: the processor has SSE4.2.
        return unsafe { by_instruction(sum, bytes) };
    }
    by_table(sum, bytes)
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "sse4.2")]
fn by_instruction(sum: u32, bytes: &[u8]) -> u32 {
    use core::arch::x86_64::_mm_crc32_u64;
    let (words, rest) = bytes.as_chunks::<WORD>();
    let mut sum = u64::from(sum);
    for word in words {
        sum = _mm_crc32_u64(sum, u64::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        sum = _mm_crc32_u64(sum, filled_up(rest));
    }
    sum as u32
}

fn by_table(sum: u32, bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| TABLE[usize::from(sum as u8 ^ byte)] ^ sum >> 8;
    let (words, rest) = bytes.as_chunks::<WORD>();
    let sum = words.as_flattened().iter().fold(sum, step);
    if rest.is_empty() { sum } else { filled_up(rest).to_le_bytes().iter().fold(sum, step) }
}

/// Fewer than eight bytes as a word.
#[inline]
fn filled_up(rest: &[u8]) -> u64 {
    rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
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
        fn both_ways_agree(sum in any::<u32>(), bytes in prop::collection::vec(any::<u8>(), 0..70)) {
            let mut filled = bytes.clone();
            filled.resize(bytes.len().next_multiple_of(WORD), 0);
            prop_assert_eq!(crc32c(sum, &bytes), by_table(sum, &filled));
            prop_assert_eq!(by_table(sum, &bytes), by_table(sum, &filled));
        }
    }
}
