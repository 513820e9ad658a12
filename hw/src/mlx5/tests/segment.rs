//! The segment, in a file that stands for BAR 0, and its clocks torn at every place.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;

use fixwire_offload::stamp::{ClockId, Domain};
use tempfile::TempDir;

use super::super::clock::bracketed;
use super::super::init_segment::{Timer, untorn};
use super::super::map_error::{on_map, on_open};
use super::super::*;
use crate::clock::HostClock;
use crate::clock_service::DeviceClock;
use crate::host_counter::HostCounter;

const ADDRESS: &str = "0000:3b:00.0";
/// A ConnectX-5's firmware 16.35.2000, and its clocks.
const WORDS: &[(u64, u32)] = &[
    (0x000, 0x0023_0010),
    (0x004, 0x0005_07d0),
    (0x018, 0xffff_ffff),
    (0x1010, 0x0000_1234),
    (0x1000, 0x0000_0abc),
    (0x1004, 0xdef0_1234),
    (0x1040, 0x6000_0000),
    (0x1044, 0x3b9a_c9ff),
];

/// Devices of which one has a vendor and a BAR 0 of `len` bytes.
fn devices(vendor: &str, len: u64) -> TempDir {
    let devices = tempfile::tempdir().unwrap();
    let device = devices.path().join(ADDRESS);
    fs::create_dir(&device).unwrap();
    File::create(device.join("vendor")).unwrap().write_all(vendor.as_bytes()).unwrap();
    let bar = File::create(device.join("resource0")).unwrap();
    put(&bar, WORDS);
    // Whatever was written past the end.
    bar.set_len(len).unwrap();
    devices
}

fn put(bar: &File, words: &[(u64, u32)]) {
    for (at, word) in words {
        bar.write_all_at(&word.to_be_bytes(), *at).unwrap();
    }
}

fn bar(devices: &TempDir) -> File {
    File::options().write(true).open(devices.path().join(ADDRESS).join("resource0")).unwrap()
}

fn open(devices: &TempDir) -> Result<InitSegment, MapError> {
    InitSegment::open_in(devices.path(), ADDRESS)
}

#[test]
fn registers_are_read_as_they_stand_when_they_are_read() {
    let devices = devices("0x15b3\n", 0x4000);
    let segment = open(&devices).unwrap();
    assert_eq!(segment.firmware().to_string(), "16.35.2000");
    assert_eq!(segment.cmd_interface_rev(), 5);
    assert_eq!(segment.health_counter(), 0x1234);
    assert!(!segment.is_initializing());
    assert_eq!(segment.internal_timer(), Some(0x0abc_def0_1234));
    assert_eq!(segment.real_time_ns(), Some(0x6000_0000 * 1_000_000_000 + 999_999_999));

    let bar = bar(&devices);
    put(&bar, &[(0x1fc, 0x8000_0000), (0x1000, 0x8000_0000), (0x1004, 7), (0x1044, 1_000_000_000)]);
    assert!(segment.is_initializing());
    assert_eq!(segment.internal_timer(), Some(7), "63 bits count");
    assert_eq!(segment.real_time_ns(), None, "no part of a second");
    put(&bar, &[(0x1fc, 0x7fff_ffff), (0x1000, u32::MAX), (0x1004, u32::MAX)]);
    assert!(!segment.is_initializing());
    assert_eq!(segment.internal_timer(), None, "a device that is gone");
}

#[test]
fn a_segment_s_clock_is_read_by_the_service_s_trait_and_bracketed() {
    let devices = devices("0x15b3\n", 0x4000);
    let mut timer = SegmentClock::internal_timer(open(&devices).unwrap(), ClockId(1), 156_250_000);
    let mut real_time = SegmentClock::real_time(open(&devices).unwrap(), ClockId(2));
    let info = timer.info();
    assert_eq!((info.id, info.domain), (ClockId(1), Domain::NicTicks));
    assert_eq!((info.ticks_per_s, info.bits), (156_250_000, 63));
    assert_eq!((real_time.info().id, real_time.info().domain), (ClockId(2), Domain::NicNs));
    let host = HostCounter::Mono(HostClock::new());
    for (clock, expected) in [
        (&mut timer, 0x0abc_def0_1234),
        (&mut real_time, 0x6000_0000 * 1_000_000_000 + 999_999_999),
    ] {
        let before = host.now();
        let bracket = clock.bracket(&host).unwrap();
        assert_eq!((clock.read(), bracket.reading), (Some(expected), expected));
        assert!(before <= bracket.before && bracket.before <= bracket.after);
        assert!(bracket.after <= host.now());
    }
    put(&bar(&devices), &[(0x1000, u32::MAX), (0x1004, u32::MAX)]);
    assert_eq!((timer.read(), timer.bracket(&host)), (None, None));
}

#[test]
fn the_bracket_is_around_the_lower_word_that_counts_and_no_more() {
    let host = HostCounter::Mono(HostClock::new());
    // Each reading of an upper word takes until the host's counter has moved.
    let (read_high, begun) = (Cell::new(0), Cell::new([0; 3]));
    let bracket = bracketed(
        Timer::Internal,
        || {
            let nth = read_high.get();
            read_high.set(nth + 1);
            let mut times = begun.get();
            times[nth] = host.now();
            begun.set(times);
            while host.now() == times[nth] {}
            [5, 6, 6][nth]
        },
        || [0xffff_ffff, 1][read_high.get() - 1],
        &host,
    )
    .unwrap();
    assert_eq!(bracket.reading, 0x6_0000_0001);
    let [_, second, third] = begun.get();
    assert!(second < bracket.before && bracket.before <= bracket.after && bracket.after <= third);
}

#[test]
fn what_is_no_segment_is_refused_by_name() {
    let open_but = |vendor, len| open(&devices(vendor, len)).unwrap_err();
    assert!(
        matches!(open_but("0x8086\n", 0x4000), MapError::NotMellanox { vendor, .. } if vendor == "0x8086")
    );
    assert!(matches!(open_but("0x15b3\n", 0x1044), MapError::TooShort { .. }));
    assert!(open(&devices("0x15b3\n", 0x1048)).is_ok(), "just long enough");

    let devices = devices("0x15b3\n", 0x4000);
    put(&bar(&devices), &[(0x004, u32::MAX)]);
    assert!(matches!(open(&devices), Err(MapError::UnknownLayout { revision: 0xffff, .. })));
    fs::remove_file(devices.path().join(ADDRESS).join("resource0")).unwrap();
    assert!(matches!(open(&devices), Err(MapError::TooShort { .. })), "no BAR 0");
    let open_at = |address| InitSegment::open_in(devices.path(), address);
    assert!(matches!(open_at("0000:3b:00.1"), Err(MapError::NoSuchDevice { .. })));
    assert!(matches!(open_at("10000:3b:00.1"), Err(MapError::NoSuchDevice { .. })));
    for odd in
        ["", "3b:00.0", "0000:3b:00", "0000:3b:00.0/", "../../3b", "0000.3b.00.0", "0000:3b:00.0.0"]
    {
        assert!(matches!(open_at(odd), Err(MapError::AddressInvalid { .. })), "{odd}");
    }
}

#[test]
fn the_kernel_s_refusals_are_told_apart_each_with_its_remedy() {
    let answer = std::io::Error::from_raw_os_error;
    for (error, word) in [
        (on_map(ADDRESS, answer(libc::EINVAL)), "iomem=relaxed"),
        (on_map(ADDRESS, answer(libc::EPERM)), "mlx5dv_get_clock_info"),
        (on_map(ADDRESS, answer(libc::ENOMEM)), "mapping the registers"),
        (on_open(ADDRESS, answer(libc::EPERM)), "locked down"),
        (on_open(ADDRESS, answer(libc::EACCES)), "run as root"),
        (on_open(ADDRESS, answer(libc::EMFILE)), "opening the registers"),
    ] {
        let sentence = error.to_string();
        assert!(sentence.contains(word) && sentence.contains(ADDRESS), "{sentence}");
        assert!(!sentence.contains("  ") && !sentence.contains('\n'), "{sentence}");
    }
}

/// A clock of two words that goes on by so much before each reading of one.
struct Torn<'a> {
    now: Cell<u64>,
    read: Cell<usize>,
    steps: &'a [u64],
}

impl Torn<'_> {
    fn tick(&self) -> u64 {
        let step = self.steps.get(self.read.get()).copied().unwrap_or(0);
        self.read.set(self.read.get() + 1);
        self.now.set(self.now.get() + step);
        self.now.get()
    }

    fn high(&self) -> u32 {
        (self.tick() >> 32) as u32
    }

    fn low(&self) -> u32 {
        self.tick() as u32
    }
}

/// Every way in which a turn of the lower word can fall between readings, and more than one.
#[test]
fn what_is_read_is_what_the_clock_showed_meanwhile_wherever_it_turns() {
    const TURN: u64 = 1 << 32;
    // A tick, and so long a pause that the lower word has turned, or nearly.
    const STEPS: [u64; 4] = [0, 1, TURN - 1, TURN];
    let mut given_up = 0;
    for begin in (5 * TURN - 4)..=(5 * TURN) {
        for choice in 0..STEPS.len().pow(7) {
            let steps: [u64; 7] = std::array::from_fn(|i| STEPS[choice >> (2 * i) & 3]);
            let torn = Torn { now: Cell::new(begin), read: Cell::new(0), steps: &steps };
            let Some((high, low)) = untorn(|| torn.high(), || torn.low()) else {
                given_up += 1;
                continue;
            };
            let said = Timer::Internal.whole(high, low).unwrap();
            let first = begin + steps[0];
            let last = torn.now.get();
            assert!((first..=last).contains(&said), "{said:#x} of {begin:#x} by {steps:x?}");
        }
    }
    assert!(given_up > 0, "a clock that turns each time is given up");
}

#[test]
fn a_clock_that_does_not_turn_costs_three_readings_and_one_that_does_five() {
    for (begin, readings) in [(0x5_0000_0000, 3), (0x4_ffff_ffff, 5)] {
        let torn = Torn { now: Cell::new(begin), read: Cell::new(0), steps: &[0, 1] };
        let (high, low) = untorn(|| torn.high(), || torn.low()).unwrap();
        assert_eq!((high, u64::from(low)), (5, (begin + 1) & 0xffff_ffff));
        assert_eq!(torn.read.get(), readings);
    }
}
