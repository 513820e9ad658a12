//! The design beside its twins in software: the frames of `tests/checksums_of_frames`, whole ones and everything that can
//! be wrong with one, go through the Verilated design, and what it says of each is what the parser of
//! `fixwire::wire`, the sums of `fixwire_offload::checksum` and the classifier of `fixwire_offload::flow` say. As many go the
//! other way meanwhile, with sums that are left to the design, right lengths and wrong ones, and what leaves is what those sums make
//! of them, byte for byte.
//!
//! At each width, by a seed: frames back to back and with gaps and stalls, rules that change while frames pass, a host
//! that is too slow, resets in mid-frame, anything in lanes that are not kept. It goes on until `FIXWIRE_RTL_FRAMES` frames
//! a width and direction were compared, instead of 100,000, by the seed `FIXWIRE_RTL_SEED`.
#![allow(unreachable_pub, missing_docs)]

mod batch;
#[path = "../../../tests/checksums_of_frames/frames.rs"]
mod frames;
#[path = "../../../tests/checksums_of_frames/oracle.rs"]
#[allow(dead_code, reason = "likewise, and what a host refuses")]
mod oracle;
mod rules;
mod seen;
mod sending;
mod tally;
mod trial;
mod twin;

use std::net::Ipv4Addr;

use fixwire::wire::ethernet::Mac;
use fixwire_rtl::design::Width;

use trial::Trial;

const HOST: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const HOST_MAC: Mac = Mac([2, 0, 0, 0, 0, 2]);
const PEER_MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
const VLAN: u16 = 7;

/// At each width.
const FRAMES: usize = 100_000;
const SEED: u64 = 1;

fn asked(name: &str, otherwise: u64) -> u64 {
    let said = std::env::var(name).ok();
    said.map_or(otherwise, |said| {
        said.parse().unwrap_or_else(|_| panic!("{name} is no number: {said}"))
    })
}

fn agrees(width: Width) {
    let frames = asked("FIXWIRE_RTL_FRAMES", FRAMES as u64) as usize;
    let seed = asked("FIXWIRE_RTL_SEED", SEED);
    let began = std::time::Instant::now();
    let mut trial = Trial::new(width, seed);
    while trial.frames() < frames {
        trial.goes_on();
    }
    let (cycles, seconds) = (trial.cycles(), began.elapsed().as_secs_f64());
    println!(
        "{} bits, seed {seed}: {} frames compared each way, {cycles} cycles, {seconds:.1} s, {:.2} Mcycle/s\n{trial}",
        width.bits(),
        trial.frames(),
        cycles as f64 / seconds / 1e6,
    );
    if frames >= FRAMES {
        trial.has_seen_everything();
    }
}

#[test]
fn design_and_software_agree_at_64_bits() {
    agrees(Width::Bits64);
}

#[test]
fn design_and_software_agree_at_512_bits() {
    agrees(Width::Bits512);
}
