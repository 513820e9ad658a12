//! The software twin of checksum offload: summing, and copying with the sum on the way. The rivals
//! copy and then sum, as their users do.

use std::hint::black_box;

use fixwire::offload::checksum::{Sum, copy_and_sum};

use crate::case::{Case, Rotation, US};

/// An IPv4 header, a Heartbeat's segment, an ExecutionReport, a full segment, a jumbo frame.
const LENGTHS: [usize; 5] = [20, 64, 211, 1460, 8960];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for length in LENGTHS {
        let sum = format!("checksum/verify {length} B");
        cases.push(summing(sum.clone(), US, length, |bytes| u32::from(Sum::of(bytes).folded())));
        #[cfg(feature = "rivals")]
        {
            cases.push(summing(sum.clone(), "smoltcp", length, smoltcp));
            cases.push(summing(sum, "internet-checksum", length, internet_checksum));
        }
    }
    for length in LENGTHS {
        let copy = format!("checksum/copy and sum {length} B");
        cases.push(copying(copy.clone(), US, length, |from, to| {
            u32::from(copy_and_sum(from, to).folded())
        }));
        #[cfg(feature = "rivals")]
        {
            cases.push(copying(copy.clone(), "smoltcp", length, |from, to| {
                to.copy_from_slice(from);
                smoltcp(to)
            }));
            cases.push(copying(copy, "internet-checksum", length, |from, to| {
                to.copy_from_slice(from);
                internet_checksum(to)
            }));
        }
    }
    cases
}

#[cfg(feature = "rivals")]
#[inline]
fn smoltcp(bytes: &[u8]) -> u32 {
    u32::from(smoltcp::wire::checksum::data(bytes))
}

#[cfg(feature = "rivals")]
#[inline]
fn internet_checksum(bytes: &[u8]) -> u32 {
    let complement = u16::from_be_bytes(internet_checksum::checksum(bytes));
    u32::from(!complement)
}

/// What is summed.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + 3) as u8).collect()
}

/// The sum by RFC 1071 in words of one syllable.
fn plainly(bytes: &[u8]) -> u32 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |byte| u32::from(*byte)));
    let sum: u32 = words.sum();
    let once = (sum & 0xffff) + (sum >> 16);
    (once & 0xffff) + (once >> 16)
}

fn summing(
    what: String,
    who: &'static str,
    length: usize,
    sum: impl Fn(&[u8]) -> u32 + Copy + 'static,
) -> Case {
    Case::new(what, who, move || {
        let bytes = bytes(length);
        assert_eq!(sum(&bytes), plainly(&bytes), "{who}");
        Rotation::new(vec![bytes], move |bytes: &Vec<u8>| {
            black_box(sum(black_box(bytes)));
        })
    })
}

fn copying(
    what: String,
    who: &'static str,
    length: usize,
    copy: impl Fn(&[u8], &mut [u8]) -> u32 + Copy + 'static,
) -> Case {
    Case::new(what, who, move || {
        let (bytes, mut out) = (bytes(length), vec![0; length]);
        assert_eq!((copy(&bytes, &mut out), &out), (plainly(&bytes), &bytes), "{who}");
        Rotation::new(vec![bytes], move |bytes: &Vec<u8>| {
            black_box(copy(black_box(bytes), black_box(&mut out)));
        })
    })
}
