//! Byte by byte.

use super::fields::{self, Lanes, Masks};
use super::{BLOCK_LEN, Digest, IMAGE_LEN, Image, Words};
use crate::fix::decode::Table;
use crate::fix::frame::SOH;

/// No instructions but everybody's.
pub(super) struct Portable;

impl Lanes for Portable {
    unsafe fn masks(block: &[u8; BLOCK_LEN]) -> Masks {
        Masks {
            soh: mask(block, |byte| byte == SOH),
            equals: mask(block, |byte| byte == b'='),
            digits: mask(block, |byte| byte.is_ascii_digit()),
        }
    }

    #[inline]
    unsafe fn nibbles(text: u32) -> u16 {
        let halves = text & 0x0f0f_0f0f;
        let bytes = (halves | halves >> 4) & 0x00ff_00ff;
        (bytes | bytes >> 8) as u16
    }
}

fn mask(block: &[u8; BLOCK_LEN], is_found: impl Fn(u8) -> bool) -> u64 {
    block.iter().rev().fold(0, |mask, byte| mask << 1 | u64::from(is_found(*byte)))
}

pub(super) fn digest(bytes: &[u8]) -> Digest {
    let (blocks, rest) = bytes.as_chunks::<BLOCK_LEN>();
    let sohs = |block: &[u8; BLOCK_LEN]| mask(block, |byte| byte == SOH);
    let mut key = blocks.iter().fold(0, |key, block| mixed(key, sohs(block)));
    if !rest.is_empty() {
        let (block, shift) = fields::last_block(bytes, rest.len());
        key = mixed(key, sohs(&block) >> shift);
    }
    Digest { sum: sum(bytes), key: (key ^ key >> 32) as u32 }
}

/// Takes another word of SOHs into a key.
fn mixed(key: u64, word: u64) -> u64 {
    (key ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

pub(super) fn fields(
    message: &[u8],
    end: usize,
    words: &mut Words,
    table: &mut Table,
    fields_max: usize,
) -> Option<u8> {
    // SAFETY: no instructions are asked for.
    unsafe { fields::fields::<Portable>(message, end, words, table, fields_max) }
}

pub(super) fn fits(bytes: &[u8], image: &Image, mask: &Image) -> bool {
    let mut pairs = bytes.iter().zip(image).zip(mask);
    bytes.len() <= IMAGE_LEN
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
