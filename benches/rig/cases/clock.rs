//! A device's stamp made a time, as a reader on a hot core does it: by the lines last published, with its
//! bound, or refused. Beside it one multiplication of 128 bits and a shift, which gives a time alone: no
//! bound, no refusal, and nothing that would tell it of new lines.

use std::hint::black_box;

use fixwire::offload::clock::{Bracket, ClockConfig, Discipline, Publisher, Reader};
use fixwire::offload::stamp::{ClockId, ClockInfo, Domain, RxStamp};

use crate::case::{Bench, Caches, Case, Rotation, US};

/// Stamps in rotation.
const DISTINCT: u64 = 512;

const HOST: ClockInfo =
    ClockInfo { id: ClockId::HOST, domain: Domain::Tsc, ticks_per_s: 2_500_000_000, bits: 64 };
/// A ConnectX-5's, which ticks once in 12.8 ns.
const DEVICE: ClockInfo =
    ClockInfo { id: ClockId(1), domain: Domain::NicTicks, ticks_per_s: 78_125_000, bits: 63 };
const DEVICE_TICK_PS: u64 = 12_800;
/// 2026-01-01.
const EPOCH_NS: u64 = 1_767_225_600_000_000_000;

const MS: u64 = 1_000_000;
/// When each clock is read against the next.
const PAIRS_NS: [u64; 4] = [100 * MS, 200 * MS, 300 * MS, 400 * MS];
/// When the first stamp is taken: half way to the pair after these.
const STAMPS_FROM_NS: u64 = 450 * MS;
/// From a stamp to its frame in hand.
const QUEUED_NS: u64 = 1_000;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("clock/stamp to UTC", US, to_utc).and(Caches::OutOfL2),
        Case::new("clock/stamp to UTC", "128-bit multiply, shift", to_utc_plainly)
            .and(Caches::OutOfL2),
        Case::new("clock/stamp to the host's clock", US, to_host),
    ]
}

/// The host's clock, so many ns after all clocks' origin.
fn host(ns: u64) -> u64 {
    ns * 5 / 2
}

/// The device's.
fn device(ns: u64) -> u64 {
    ns * 1_000 / DEVICE_TICK_PS
}

/// A reader of clocks that run at their nominal rates, each read within 100 ns.
fn reader() -> Reader {
    let mut discipline = Discipline::new(&ClockConfig::default(), &HOST, Some(&DEVICE))
        .expect("figures within their ranges");
    for ns in PAIRS_NS {
        let (before, after) = (host(ns - 50), host(ns + 50));
        discipline.on_device_pair(Bracket { before, reading: device(ns), after });
        discipline.on_wall_pair(Bracket { before, reading: EPOCH_NS + ns, after });
    }
    Publisher::new(&discipline).1
}

/// Stamps some 2 us apart, and the host's clock when each was in hand.
fn stamps() -> Vec<(RxStamp, u64)> {
    let (first, domain) = (device(STAMPS_FROM_NS), DEVICE.domain);
    let ticks = (0..DISTINCT).map(|number| first + number * 160 + number % 7);
    ticks
        .map(|ticks| {
            let received = host(taken_at(ticks) + QUEUED_NS);
            (RxStamp { clock: DEVICE.id, generation: 0, domain, ticks }, received)
        })
        .collect()
}

/// The moment in which the device's clock ticked so far, in ns after the origin.
fn taken_at(ticks: u64) -> u64 {
    ticks * DEVICE_TICK_PS / 1_000
}

fn to_utc() -> impl Bench {
    let (mut reader, stamps) = (reader(), stamps());
    for (stamp, received) in &stamps {
        let told = reader.convert(stamp, *received).expect("all clocks are followed");
        let off = told.utc.as_unix_ns().abs_diff(EPOCH_NS + taken_at(stamp.ticks));
        assert!(off <= told.error_bound_ns && told.error_bound_ns < 1_000, "{off} ns, {told:?}");
    }
    Rotation::new(stamps, move |(stamp, received): &(RxStamp, u64)| {
        let _ = black_box(reader.convert(black_box(stamp), *received));
    })
}

fn to_host() -> impl Bench {
    let (mut reader, stamps) = (reader(), stamps());
    for (stamp, received) in &stamps {
        let told = reader.mapping().to_host(stamp, *received).expect("the clock is followed");
        let off = told.ticks.abs_diff(host(taken_at(stamp.ticks)));
        assert!(off <= told.error_bound_ticks, "{off} ticks, {told:?}");
    }
    Rotation::new(stamps, move |(stamp, received): &(RxStamp, u64)| {
        let _ = black_box(reader.mapping().to_host(black_box(stamp), *received));
    })
}

/// A line through one point, and no more.
#[derive(Clone, Copy)]
struct Line {
    ticks: u64,
    ns: u64,
    mult: u64,
}

impl Line {
    const SHIFT: u32 = 48;

    #[inline]
    fn ns_at(&self, ticks: u64) -> u64 {
        let since = u128::from(ticks.wrapping_sub(self.ticks)) * u128::from(self.mult);
        self.ns.wrapping_add((since >> Line::SHIFT) as u64)
    }
}

fn to_utc_plainly() -> impl Bench {
    let [.., last_ns] = PAIRS_NS;
    let mult = (u128::from(DEVICE_TICK_PS) << Line::SHIFT) / 1_000;
    let line = Line { ticks: device(last_ns), ns: EPOCH_NS + last_ns, mult: mult as u64 };
    let stamps = stamps();
    for (stamp, _) in &stamps {
        let off = line.ns_at(stamp.ticks).abs_diff(EPOCH_NS + taken_at(stamp.ticks));
        assert!(off <= 1, "{off} ns");
    }
    Rotation::new(stamps, move |(stamp, _): &(RxStamp, u64)| {
        let stamp: &RxStamp = black_box(stamp);
        black_box(line.ns_at(stamp.ticks));
    })
}
