//! The software twin of checksum offload: summing, and copying with the sum on the way. The rivals
//! copy and then sum, as their users do. Beside them stand the bytes merely loaded, and a chain whose
//! cycles are known, which says what a cycle is.

use std::hint::black_box;

use fixwire::offload::checksum::{Sum, copy_and_sum};

use crate::case::{Case, Rotation, US};

/// An IPv4 header, a Heartbeat's segment, an ExecutionReport, a full segment, a jumbo frame.
const LENGTHS: [usize; 5] = [20, 64, 211, 1460, 8960];

/// The case that tells what a cycle is.
pub const CLOCK: &str = "checksum/3000 cycles";
/// How many it takes.
pub const CLOCK_CYCLES: u32 = 3_000;
/// Of 64 bits by 64 bits, on Intel's cores since 2008 and AMD's since 2017.
#[cfg(target_arch = "x86_64")]
const CYCLES_OF_MULTIPLICATION: u32 = 3;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    #[cfg(target_arch = "x86_64")]
    cases.push(clock());
    for length in LENGTHS {
        let sum = format!("checksum/verify {length} B");
        cases.push(summing(sum.clone(), US, length, |bytes| u32::from(Sum::of(bytes).folded())));
        #[cfg(feature = "rivals")]
        {
            cases.push(summing(sum.clone(), "smoltcp", length, smoltcp));
            cases.push(summing(sum.clone(), "etherparse", length, etherparse));
            cases.push(summing(sum.clone(), "internet-checksum", length, internet_checksum));
        }
        #[cfg(target_arch = "x86_64")]
        cases.extend(loading(sum, length));
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
            cases.push(copying(copy.clone(), "etherparse", length, |from, to| {
                to.copy_from_slice(from);
                etherparse(to)
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
fn etherparse(bytes: &[u8]) -> u32 {
    // Its sums are in memory order.
    let complement = etherparse::checksum::Sum16BitWords::new().add_slice(bytes).ones_complement();
    u32::from(u16::from_be(!complement))
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
            // The vector and not the slice: that would go through memory, and be waited for.
            let bytes: &Vec<u8> = black_box(bytes);
            black_box(sum(bytes));
        })
    })
    .over(length)
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
            let (bytes, out): (&Vec<u8>, &mut Vec<u8>) = (black_box(bytes), black_box(&mut out));
            black_box(copy(bytes, out));
        })
    })
    .over(length)
}

/// All of the bytes loaded, and no more done with them than it takes to load them.
#[cfg(target_arch = "x86_64")]
fn loading(what: String, length: usize) -> Option<Case> {
    use crate::loads::{can_load, load};

    let case = Case::new(what, "AVX2 loads alone", move || {
        Rotation::new(vec![bytes(length)], |bytes: &Vec<u8>| {
            let bytes: &Vec<u8> = black_box(bytes);
            black_box(load(bytes));
        })
    });
    can_load().then(|| case.over(length))
}

/// Multiplications of which each waits for the last.
#[cfg(target_arch = "x86_64")]
fn clock() -> Case {
    Case::new(CLOCK, "the core", || {
        let mut number = black_box(3u64);
        Rotation::new(vec![()], move |&()| {
            for _ in 0..CLOCK_CYCLES / CYCLES_OF_MULTIPLICATION {
                number = number.wrapping_mul(number);
            }
            black_box(number);
        })
    })
}
