//! The fence of this crate: the passes over a message that vector instructions make cheap, what its
//! bytes add up to, where its SOHs lie, whether all of it is fields, whether its tags are those expected.
//!
//! Each has a portable twin, which runs where the processor lacks the instructions, and a property test
//! that the two agree.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `avx2` | the instructions |
//! | `fields` | the same for both: what follows from masks of 64 bytes each |
//! | `portable` | the twins |
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx2;
mod fields;
mod portable;

#[cfg(test)]
mod tests;

use super::decode::Table;

/// Bytes that one mask tells of.
const BLOCK_LEN: usize = 64;
/// The most bytes that [`fits`] is for.
pub(super) const IMAGE_LEN: usize = 512;
/// What they are compared by.
pub(super) type Image = [u8; IMAGE_LEN];
/// Blocks of the longest message that is read by masks: 16 KiB, as much as a session takes by default.
const BLOCKS: usize = 256;

/// Where the SOHs of a message are: a bit for each byte, 64 to a word.
pub(super) type Words = [u64; BLOCKS];

/// By which twins a decoder goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Isa {
    /// The portable ones.
    Portable,
    /// Those of AVX2 and BMI2.
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
}

impl Isa {
    /// The fastest that the processor runs.
    pub(super) fn detected() -> Isa {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = avx2::Avx2::detected() {
            return Isa::Avx2(avx2);
        }
        Isa::Portable
    }
}

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

/// Calls the twin of a decoder.
macro_rules! twin_of {
    ($isa:expr, $name:ident($($argument:expr),*)) => {
        match $isa {
            Isa::Portable => portable::$name($($argument),*),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: whoever holds an `Avx2` runs on a processor with these instructions.
            Isa::Avx2(_) => unsafe { avx2::$name($($argument),*) },
        }
    };
}

/// Finds the fields of a message whose trailer begins at `end`, where there is nothing unusual about them:
/// how many, without CheckSum. Each is proven to be a tag of digits, '=' and a value that is not empty.
/// `None` where there is, and for `fields_max` or more.
#[inline(always)]
pub(super) fn fields(
    isa: Isa,
    message: &[u8],
    end: usize,
    words: &mut Words,
    table: &mut Table,
    fields_max: usize,
) -> Option<u8> {
    twin_of!(isa, fields(message, end, words, table, fields_max))
}

/// Whether each of `bytes` is the one in `image` just where `mask` is all ones, and another where it is
/// zero. False for more than [`IMAGE_LEN`] bytes.
#[inline(always)]
pub(super) fn fits(isa: Isa, bytes: &[u8], image: &Image, mask: &Image) -> bool {
    twin_of!(isa, fits(bytes, image, mask))
}

/// What one pass over a message's content tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digest {
    /// Its bytes added up modulo 256, as CheckSum(10) has them.
    pub(super) sum: u8,
    /// A number that depends on where its SOHs are and on nothing else: where they are elsewhere, it is mostly
    /// another. It is not the same number from each twin.
    pub(super) key: u32,
}

/// The digest of a message's content.
#[inline(always)]
pub(super) fn digest(bytes: &[u8]) -> Digest {
    twin!(digest(bytes))
}

/// The same by what was found out before.
#[inline(always)]
pub(super) fn digest_by(isa: Isa, bytes: &[u8]) -> Digest {
    twin_of!(isa, digest(bytes))
}

/// The bytes added up modulo 256, as CheckSum(10) has them.
#[inline]
pub(super) fn sum(bytes: &[u8]) -> u8 {
    twin!(sum(bytes))
}
