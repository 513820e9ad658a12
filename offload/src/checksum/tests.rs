//! Every form beside the naive one.

use proptest::prelude::*;

use super::*;

#[cfg(target_arch = "x86_64")]
mod lanes;

/// A form of summing and of copying with the sum, each where there is one of so many bytes.
struct Form {
    name: &'static str,
    sum: fn(&[u8]) -> Option<Sum>,
    copy_and_sum: fn(&[u8], &mut [u8]) -> Option<Sum>,
}

const FORMS: &[Form] = &[
    Form {
        name: "chosen",
        sum: |bytes| Some(Sum::of(bytes)),
        copy_and_sum: |from, to| Some(copy_and_sum(from, to)),
    },
    Form {
        name: "portable",
        sum: |bytes| Some(portable::sum(bytes)),
        copy_and_sum: |from, to| Some(portable::copy_and_sum(from, to)),
    },
    #[cfg(target_arch = "x86_64")]
    Form { name: "AVX2", sum: avx2::sum, copy_and_sum: avx2::copy_and_sum },
];

/// RFC 1071, 4.1, word by word: the slow and obvious twin.
fn naive(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// Bytes around a copy, which it must leave alone.
const MARGIN: usize = 64;

/// Shows that all forms agree on `bytes`, whole, in two parts cut at `cut`, and copied to `at` in a margin.
fn assert_forms_agree(bytes: &[u8], cut: usize, at: usize, space: &mut Vec<u8>) {
    let (expected, (front, back)) = (naive(bytes), bytes.split_at(cut));
    for Form { name, sum, copy_and_sum } in FORMS {
        if let Some(sum) = sum(bytes) {
            assert_eq!(sum.folded(), expected, "{name}, {} bytes", bytes.len());
        }
        if let (Some(front), Some(back)) = (sum(front), sum(back)) {
            let whole = if cut.is_multiple_of(2) {
                front.plus(back)
            } else {
                front.plus_at_odd_offset(back)
            };
            assert_eq!(whole.folded(), expected, "{name}, {} bytes cut at {cut}", bytes.len());
        }
        space.clear();
        space.resize(at + bytes.len() + MARGIN, 0xaa);
        if let Some(sum) = copy_and_sum(bytes, &mut space[at..]) {
            assert_eq!(sum.folded(), expected, "{name}, {} bytes copied", bytes.len());
            assert!(space[at..].starts_with(bytes), "{name} copies {} bytes", bytes.len());
            let (before, behind) = (&space[..at], &space[at + bytes.len()..]);
            let is_left = |margin: &[u8]| margin.iter().all(|byte| *byte == 0xaa);
            assert!(is_left(before) && is_left(behind), "{name}, {} bytes", bytes.len());
        }
    }
}

/// Frames without end, the same in every run. The first are of every length; of the others most are short.
struct Frames {
    random: u64,
    made: usize,
    /// Random bytes, which frames are cut from.
    pool: Vec<u8>,
    space: Vec<u8>,
}

const FRAME_LEN_MAX: usize = 9_216;

impl Frames {
    fn new() -> Frames {
        let mut frames = Frames {
            random: 0x9e37_79b9_7f4a_7c15,
            made: 0,
            pool: Vec::new(),
            space: vec![0; MARGIN + FRAME_LEN_MAX],
        };
        frames.pool = (0..16 * FRAME_LEN_MAX).map(|_| frames.number(256) as u8).collect();
        frames
    }

    /// A number below `end`, by xorshift.
    fn number(&mut self, end: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        ((self.random >> 32) as usize * end) >> 32
    }

    /// The next one, at any alignment.
    fn next(&mut self) -> &mut [u8] {
        let len = if self.made <= FRAME_LEN_MAX {
            self.made
        } else {
            let len_max = [64, 300, 300, 300, 1_500, FRAME_LEN_MAX][self.number(6)];
            // Nine of ten of the long ones give way to short ones.
            let len_max = if len_max > 300 && self.number(10) > 0 { 150 } else { len_max };
            self.number(len_max + 1)
        };
        self.made += 1;
        let (at, from, kind) =
            (self.number(MARGIN), self.number(self.pool.len() - len), self.number(16));
        let filling = self.number(256) as u8;
        let frame = &mut self.space[at..at + len];
        match kind {
            0 => frame.fill(0),
            1 => frame.fill(0xff),
            2 => frame.fill(filling),
            // Sums that are all ones just when a carry comes.
            6 | 7 => {
                for (at, word) in frame.as_chunks_mut::<8>().0.iter_mut().enumerate() {
                    let random = self.pool[from + 8 * at];
                    *word = [0, 1, u64::MAX, u64::MAX - 1][usize::from(random % 4)].to_ne_bytes();
                }
            }
            _ => frame.copy_from_slice(&self.pool[from..from + len]),
        }
        // Some have their checksum in them and come out as all ones.
        if let (3..=5, Some(field)) = (kind, frame.first_chunk_mut()) {
            *field = [0; 2];
            let checksum = !naive(frame);
            frame[..2].copy_from_slice(&checksum.to_be_bytes());
        }
        frame
    }
}

#[test]
fn all_forms_agree_on_a_million_frames_of_every_length_and_alignment() {
    let mut frames = Frames::new();
    let mut space = Vec::new();
    let (mut zeros, mut ones) = (0, 0);
    for _ in 0..1_000_000 {
        let (cut, at) = (frames.number(1 << 20), frames.number(MARGIN));
        let frame = frames.next();
        assert_forms_agree(frame, cut % (frame.len() + 1), at, &mut space);
        match Sum::of(frame).checksum() {
            0 => zeros += 1,
            0xffff => ones += 1,
            _ => {}
        }
    }
    assert!(zeros > 100_000 && ones > 10_000, "{zeros} and {ones}");
}

/// Without this the tests would pass where the form is never taken.
#[cfg(target_arch = "x86_64")]
#[test]
fn the_form_for_avx2_is_taken_from_some_length_on_where_the_processor_has_it() {
    let has_avx2 = is_x86_feature_detected!("avx2");
    let lengths = [
        (avx2::LEN_MIN - 1, false),
        (avx2::LEN_MIN, has_avx2),
        (avx2::LEN_MAX, has_avx2),
        (avx2::LEN_MAX + 1, false),
    ];
    for (length, is_taken) in lengths {
        let (bytes, mut to) = (vec![1; length], vec![0; length]);
        assert_eq!(avx2::sum(&bytes).is_some(), is_taken, "{length}");
        assert_eq!(avx2::copy_and_sum(&bytes, &mut to).is_some(), is_taken, "{length}");
    }
}

#[test]
fn every_length_of_the_same_byte_agrees() {
    let mut space = Vec::new();
    for length in 0..=1_600 {
        for fill in [0x00, 0x01, 0x7f, 0x80, 0xff] {
            assert_forms_agree(&vec![fill; length], length / 3, 0, &mut space);
        }
    }
}

#[test]
fn the_longest_sums_lose_no_carry() {
    let mut space = Vec::new();
    for length in [65_534, 65_535, 65_536, 65_537, 1 << 20] {
        for fill in [0x00, 0x7f, 0x80, 0xff] {
            assert_forms_agree(&vec![fill; length], length / 2, 1, &mut space);
        }
    }
}

#[test]
#[should_panic(expected = "range")]
fn a_copy_that_does_not_fit_panics() {
    copy_and_sum(&[1; 200], &mut [0; 199]);
}

#[test]
fn nothing_is_not_valid_and_the_ends_of_a_word_are() {
    for (sum, is_valid) in
        [(0, false), (1, false), (0xffff, true), (u64::MAX, true), (u64::MAX - 1, false)]
    {
        assert_eq!(Sum(sum).is_valid(), is_valid, "{sum:#x}");
    }
}

#[test]
fn rfc1071_section_3_example() {
    let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
    assert_eq!(Sum::of(&bytes).folded(), 0xddf2);
    assert_eq!(Sum::of(&bytes).checksum(), !0xddf2);
}

#[test]
fn rfc1624_section_4_example_does_not_yield_minus_zero() {
    assert_eq!(update_u16(0xdd2f, 0x5555, 0x3285), 0x0000);
}

#[test]
fn an_update_between_extremes_equals_summing_afresh() {
    const EXTREMES: [u16; 6] = [0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff];
    let checksum = |rest: u16, number: u16| Sum::of_u16(rest).plus(Sum::of_u16(number)).checksum();
    let pairs = EXTREMES.into_iter().flat_map(|old| EXTREMES.map(|new| (old, new)));
    for (old, new) in pairs {
        for rest in EXTREMES {
            let updated = update_u16(checksum(rest, old), old, new);
            // All zeros are the one sum with two writings (RFC 1624 3).
            let is_either = (rest, new) == (0, 0) && updated == 0;
            let afresh = checksum(rest, new);
            assert!(updated == afresh || is_either, "{rest:#x} with {old:#x}, then {new:#x}");
        }
    }
}

proptest! {
    #[test]
    fn what_is_valid_folds_to_all_ones(sum in any::<u64>(), times in any::<u32>()) {
        let multiple = 0xffff * u64::from(times);
        for sum in [sum, multiple, multiple.wrapping_neg(), multiple + 1, multiple.wrapping_sub(1)] {
            prop_assert_eq!(Sum(sum).is_valid(), Sum(sum).folded_ne() == 0xffff, "{:#x}", sum);
        }
    }

    #[test]
    fn what_numbers_add_up_to_is_their_sum(numbers in proptest::collection::vec(any::<u32>(), 0..16)) {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        let total = numbers.iter().map(|number| u64::from(*number)).sum();
        prop_assert_eq!(Sum::of_total(total).folded(), naive(&bytes));
    }

    #[test]
    fn the_sum_of_a_header_is_that_of_its_bytes(header in any::<[u8; 20]>()) {
        prop_assert_eq!(Sum::of_ipv4_header(&header).folded(), naive(&header));
    }

    #[test]
    fn all_forms_agree_with_the_naive_one(
        bytes in proptest::collection::vec(any::<u8>(), 0..2000),
        cut in any::<prop::sample::Index>(),
        at in 0..MARGIN,
    ) {
        assert_forms_agree(&bytes, cut.index(bytes.len() + 1), at, &mut Vec::new());
    }

    #[test]
    fn an_update_equals_summing_afresh(
        mut bytes in proptest::collection::vec(any::<u8>(), 8..200), new in any::<u32>(), at in 0usize..48
    ) {
        let at = at * 4 % (bytes.len() - 7);
        let at = at & !1;
        let before = Sum::of(&bytes).checksum();
        let old = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        bytes[at..at + 4].copy_from_slice(&new.to_be_bytes());
        let updated = update_u32(before, old, new);
        let afresh = Sum::of(&bytes).checksum();
        // An all-zero buffer is the one sum with two writings (RFC 1624 3).
        prop_assert!(updated == afresh || bytes.iter().all(|&byte| byte == 0));
    }
}
