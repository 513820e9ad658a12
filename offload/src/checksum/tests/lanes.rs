//! By whole lanes: what lies before or behind is loaded or written over, and does not count.

use super::{Frames, naive};
use crate::checksum::{Avx2, Sum, whole_lanes};

const LANE: usize = 32;
const KEPT: usize = 58;
const AT: usize = 66;

/// The sum of zeros alone has two writings.
fn is_sum(sum: Sum, of: &[u8]) -> bool {
    let expected = naive(of);
    sum.folded() == expected || (expected == 0 && sum.folded() == 0xffff)
}

fn assert_sums_end(avx2: Avx2, bytes: &[u8], before: usize, space: &mut Vec<u8>) {
    space.clear();
    space.resize(LANE + before, 0xa7);
    space.extend_from_slice(bytes);
    let sum = avx2.sum_end(space, LANE + before).expect("there is a lane before");
    assert!(is_sum(sum, bytes), "{} bytes behind {before}", bytes.len());
}

fn assert_puts(avx2: Avx2, bytes: &[u8], behind: usize, space: &mut Vec<u8>) {
    let (len, whole) = (bytes.len(), whole_lanes(bytes.len()));
    let mut from = bytes.to_vec();
    from.resize(whole + behind, 0x5b);
    let kept: [u8; KEPT] = core::array::from_fn(|at| at as u8 + 1);
    for sums in [false, true] {
        space.clear();
        space.resize(AT + whole + behind, 0xee);
        let put = if sums { Avx2::put::<true, KEPT, AT> } else { Avx2::put::<false, KEPT, AT> };
        let sum = put(avx2, &kept, &from, len, space).expect("both have whole lanes");
        assert!(!sums || is_sum(sum, bytes), "{len} bytes");
        assert_eq!(space[..KEPT], kept);
        assert_eq!(space[KEPT..AT], [0xee; AT - KEPT]);
        assert_eq!(space[AT..][..len], *bytes);
        assert!(space[AT + whole..].iter().all(|byte| *byte == 0xee), "{len} bytes");
    }
}

#[test]
fn every_length_and_alignment_agrees_with_the_naive_form() {
    let Some(avx2) = Avx2::find() else { return };
    let (mut frames, mut space) = (Frames::new(), Vec::new());
    for count in 0..100_000 {
        let (before, behind) = (frames.number(LANE + 1), frames.number(LANE + 1));
        let frame = frames.next();
        if frame.is_empty() {
            assert!(avx2.sum_end(&[0; LANE], LANE).is_none());
            assert!(avx2.put::<true, KEPT, AT>(&[0; KEPT], &[], 0, &mut [0; 128]).is_none());
            continue;
        }
        assert_sums_end(avx2, frame, before, &mut space);
        if count < 12_000 {
            assert_puts(avx2, frame, behind, &mut space);
        }
    }
}

#[test]
fn the_longest_that_a_datagram_has_lose_no_carry() {
    let Some(avx2) = Avx2::find() else { return };
    let mut space = Vec::new();
    for len in [65_504, 65_505, 65_534, 65_535] {
        for fill in [0x00, 0x7f, 0x80, 0xff] {
            assert_sums_end(avx2, &vec![fill; len], 0, &mut space);
            assert_puts(avx2, &vec![fill; len], 1, &mut space);
        }
    }
}

#[test]
fn where_a_lane_is_not_all_there_nothing_is_touched() {
    let Some(avx2) = Avx2::find() else { return };
    let bytes = [1; 160];
    assert!(avx2.sum_end(&bytes, LANE - 1).is_none());
    assert!(avx2.sum_end(&bytes, bytes.len() + 1).is_none());
    for (from, to) in [(159, AT + 160), (160, AT + 159)] {
        let mut out = vec![0xee; to];
        assert!(avx2.put::<true, KEPT, AT>(&[1; KEPT], &bytes[..from], 150, &mut out).is_none());
        assert!(out.iter().all(|byte| *byte == 0xee));
    }
    let mut out = [0xee; AT + 160];
    assert!(avx2.put::<true, KEPT, AT>(&[1; KEPT], &bytes, 150, &mut out).is_some());
}
