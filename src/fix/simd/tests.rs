use proptest::prelude::*;

use super::fields::{Lanes, Masks};
use super::*;
use crate::fix::frame::SOH;

fn soup() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        2 => Just(SOH),
        2 => Just(b'='),
        4 => b'0'..=b'9',
        1 => prop_oneof![Just(0u8), Just(2), Just(0x81), Just(b'/'), Just(b':'), any::<u8>()],
    ];
    prop::collection::vec(byte, 0..300)
}

/// What the masks of a block are, bit by bit.
fn naive(block: &[u8; BLOCK_LEN]) -> Masks {
    let of = |is_found: fn(u8) -> bool| {
        (0..BLOCK_LEN).filter(|at| is_found(block[*at])).fold(0, |mask, at| mask | 1 << at)
    };
    Masks {
        soh: of(|byte| byte == SOH),
        equals: of(|byte| byte == b'='),
        digits: of(|byte| byte.is_ascii_digit()),
    }
}

/// Both ways that this processor runs.
fn ways() -> Vec<Isa> {
    let mut ways = vec![Isa::Portable, Isa::detected()];
    ways.dedup();
    ways
}

proptest! {
    #[test]
    fn masks_are_those_of_every_byte(bytes in soup(), text: u32) {
        if let Some(block) = bytes.first_chunk() {
            // SAFETY: no instructions are asked for.
            let found = unsafe { portable::Portable::masks(block) };
            prop_assert_eq!(found, naive(block));
        }
        // SAFETY: no instructions are asked for.
        let nibbles = unsafe { portable::Portable::nibbles(text) };
        let naive_nibbles = text.to_be_bytes().iter().fold(0, |all, byte| all << 4 | u16::from(byte & 15));
        prop_assert_eq!(nibbles, naive_nibbles);
        #[cfg(target_arch = "x86_64")]
        if avx2::Avx2::detected().is_some() {
            if let Some(block) = bytes.first_chunk() {
                // SAFETY: the processor has all that `Avx2` stands for.
                let masks = unsafe { avx2::Avx2::masks(block) };
                prop_assert_eq!(masks, naive(block));
            }
            // SAFETY: the processor has all that `Avx2` stands for.
            let nibbles = unsafe { avx2::Avx2::nibbles(text) };
            prop_assert_eq!(nibbles, naive_nibbles);
        }
    }

    #[test]
    fn a_key_depends_on_where_the_sohs_are_alone(bytes in soup(), other in any::<u8>(), moved in any::<prop::sample::Index>()) {
        let keys = |bytes: &[u8]| [digest(bytes).key, portable::digest(bytes).key];
        let key = keys(&bytes);
        let same = |byte: &u8| if *byte == SOH || other == SOH { *byte } else { other };
        let mut replaced: Vec<u8> = bytes.iter().map(same).collect();
        prop_assert_eq!(keys(&replaced), key);
        if !bytes.is_empty() {
            let place = &mut replaced[moved.index(bytes.len())];
            *place = if *place == SOH { b'x' } else { SOH };
            let other = keys(&replaced);
            prop_assert!(other[0] != key[0] && other[1] != key[1], "one SOH more or less");
        }
    }

    #[test]
    fn bytes_fit_that_are_those_of_the_image_just_where_the_mask_says(
        bytes in prop::collection::vec(0u8..4, 0..300),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0u8..4), 0..3),
        holes in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
    ) {
        let (mut image, mut mask) = ([1; IMAGE_LEN], [0xff; IMAGE_LEN]);
        image[..bytes.len()].copy_from_slice(&bytes);
        for at in holes {
            let at = at.index(bytes.len() + 20);
            (image[at], mask[at]) = (image[at] ^ 5, 0);
        }
        for (at, byte) in changes {
            image[at.index(bytes.len() + 20)] = byte;
        }
        let len = bytes.len();
        let naive = (0..len).all(|at| (image[at] == bytes[at]) == (mask[at] != 0));
        for isa in ways() {
            prop_assert_eq!(fits(isa, &bytes, &image, &mask), naive);
            prop_assert!(!fits(isa, &[1; IMAGE_LEN + 1], &image, &mask));
        }
    }

    #[test]
    fn sums_agree_with_adding_byte_by_byte(bytes in soup()) {
        let naive = (bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>() % 256) as u8;
        prop_assert_eq!((sum(&bytes), portable::sum(&bytes), digest(&bytes).sum), (naive, naive, naive));
    }
}
