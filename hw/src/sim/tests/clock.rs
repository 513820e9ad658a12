//! Stamps by modelled clocks, and clocks that are followed.

use fixwire_offload::clock::{Bracket, ClockConfig, Discipline, PairVerdict};
use fixwire_offload::profile::ClockSettings;
use fixwire_offload::stamp::{ClockId, ClockInfo};

use super::*;
use crate::clock::HostClock;
use crate::clock_service::{ClockService, DeviceClock};
use crate::host_counter::HostCounter;

const S: u64 = 1_000_000_000;

fn stamped_pair(b: Model, seed: u64) -> (SimNic, SimNic, Wire) {
    running_pair(Config { a: Model::bare(), b, ..Config::default() }, seed)
}

/// The stamps of frames sent one by one, `apart` each.
fn stamps(
    a: &mut SimNic,
    b: &mut SimNic,
    wire: &Wire,
    frames: u8,
    apart: Duration,
) -> Vec<Option<RxStamp>> {
    let mut all = Vec::new();
    for number in 0..frames {
        send(a, &numbered(number), FULL);
        wire.advance(apart);
        all.extend(receive(b).iter().map(|(meta, _)| meta.stamp));
    }
    all
}

#[test]
fn each_model_stamps_by_the_clock_that_its_driver_shows() {
    let ghz = 1_000_000_000;
    for (name, domain, ticks_per_s, bits) in [
        ("connectx5", Domain::NicTicks, 78_125_000, 63),
        ("connectx6dx", Domain::NicNs, ghz, 63),
        ("connectx7", Domain::NicNs, ghz, 63),
        ("e810", Domain::NicTicks, ghz, 64),
        ("bnxt", Domain::NicTicks, ghz, 48),
        ("sim", Domain::VirtualNs, ghz, 64),
        ("rtl", Domain::NicNs, ghz, 64),
    ] {
        let (mut a, mut b, wire) = stamped_pair(named(name), 0);
        let info = ClockInfo { id: CLOCK, domain, ticks_per_s, bits };
        assert_eq!(b.clock(), Some(info), "{name}");
        let [Some(stamp)] = stamps(&mut a, &mut b, &wire, 1, Duration::from_us(1))[..] else {
            panic!("{name} stamps")
        };
        assert_eq!((stamp.clock, stamp.domain), (CLOCK, domain), "{name}");
        assert_eq!(stamp.ticks, wire.clock_at(End::B, ns(1_000)), "{name}: when it arrived");
        assert!(stamp.ticks <= u64::MAX >> (64 - bits), "{name}");
    }
    for name in models::names() {
        let model = named(name);
        let stamps = model.capabilities.advert(Capability::RxTimestamp).is_some();
        let (_, mut b, _) = stamped_pair(model, 0);
        assert_eq!(b.clock().is_some(), stamps, "{name}");
        assert_eq!(b.read_clock().is_some(), stamps, "{name}");
    }
}

#[test]
fn a_clock_that_could_tell_the_time_and_is_not_asked_to_counts_its_ticks() {
    let (a, b, _) = pair(Config { b: named("rtl"), ..Config::default() }, 0);
    let profile = Profile::all(Policy::Prefer).with(Capability::RxTimestampRealTime, Policy::Off);
    let device = Device::probed(b).plan(&profile, RuleSet::EMPTY).configure().unwrap();
    let (b, _) = device.start().unwrap().steer().unwrap();
    let clock = b.clock().unwrap();
    assert_eq!((clock.domain, clock.ticks_per_s), (Domain::NicTicks, 156_250_000));
    drop(a);
}

#[test]
fn real_time_is_utc_and_its_drift() {
    let (mut a, mut b, wire) = stamped_pair(named("connectx7"), 0);
    wire.set_now(ns(100 * S));
    let stamp = stamps(&mut a, &mut b, &wire, 1, Duration::from_us(1))[0].unwrap();
    let ahead = stamp.ticks as i64 - wire.now().utc.as_unix_ns() as i64;
    // 12 ppm of 100 s, and the wander of a few microseconds.
    assert!((1_200_000 - ahead).abs() < 10_000, "{ahead} ns");
}

#[test]
fn a_reading_lies_between_the_two_of_the_wire_s_clock_and_takes_its_time() {
    let (_, mut b, wire) = stamped_pair(named("connectx5"), 3);
    let (mut widths, mut early) = (Vec::new(), 0);
    for _ in 0..200 {
        wire.advance(Duration::from_us(10));
        let before = wire.now().mono;
        let bracket = b.read_clock().unwrap();
        assert_eq!((ns(bracket.before), ns(bracket.after)), (before, wire.now().mono));
        let [first, last] = [bracket.before, bracket.after].map(|at| wire.clock_at(End::B, ns(at)));
        assert!((first..=last).contains(&bracket.reading));
        widths.push(bracket.width().unwrap());
        early += u32::from(bracket.reading - first < last - bracket.reading);
    }
    assert!((60..140).contains(&early), "{early} of 200 before the middle");
    assert!(widths.iter().all(|width| *width <= 1_000));
    assert!(widths.iter().any(|width| *width < 300) && widths.iter().any(|width| *width > 700));
    let (_, mut right, wire) = stamped_pair(named("sim"), 3);
    wire.set_now(ns(77));
    assert_eq!(right.read_clock(), Some(Bracket { before: 77, reading: 77, after: 77 }));
}

/// Follows the clock of the second NIC for half a minute and holds each frame's time against the truth. Says
/// how many times were told.
fn times_told(name: &str, model: Model) -> usize {
    let bus_ns_max = model.clock.bus_ns_max;
    let (mut a, mut b, wire) = stamped_pair(model, 5);
    let host =
        ClockInfo { id: ClockId::HOST, domain: Domain::HostNs, ticks_per_s: S, bits: u64::BITS };
    let device = b.clock().unwrap();
    let mut discipline = Discipline::new(&ClockConfig::default(), &host, Some(&device)).unwrap();
    let mut told = 0;
    for _ in 0..300 {
        wire.advance(Duration::from_ms(99));
        let bracket = Bracket::narrowest((0..4).filter_map(|_| b.read_clock())).unwrap();
        assert!(bracket.width().unwrap() <= 2 * u64::from(bus_ns_max));
        discipline.on_device_pair(bracket);
        let now = wire.now();
        let mono = now.mono.as_ns();
        discipline.on_wall_pair(Bracket {
            before: mono,
            reading: now.utc.as_unix_ns(),
            after: mono,
        });
        let mapping = discipline.mapping();
        for apart_us in [3, 400, 500] {
            let sent = wire.now().utc.as_unix_ns();
            for stamp in stamps(&mut a, &mut b, &wire, 1, Duration::from_us(apart_us)) {
                let stamp = RxStamp { generation: mapping.device_generation(), ..stamp.unwrap() };
                let Ok(time) = mapping.convert(&stamp, wire.now().mono.as_ns()) else { continue };
                let off = time.utc.as_unix_ns().abs_diff(sent + 1_000);
                assert!(off <= time.error_bound_ns, "{name}: {off} of {}", time.error_bound_ns);
                told += 1;
            }
        }
    }
    told
}

#[test]
fn a_followed_clock_tells_each_frame_s_arrival_within_its_bound() {
    for name in ["connectx5", "connectx6dx", "e810", "bnxt", "rtl", "sim"] {
        let told = times_told(name, named(name));
        assert!(told > 800, "{name}: {told} of 900");
    }
}

#[test]
fn a_followed_clock_is_followed_over_its_wrap() {
    for (bits, ticks_per_s) in [(41, 1_000_000_000), (48, 78_125_000), (63, 78_125_000)] {
        let mut model = named("connectx5");
        let origin = (u64::MAX >> (64 - bits)) - 15 * ticks_per_s;
        model.clock = ModelClock { origin, ..ModelClock::counter(ticks_per_s, bits) };
        let told = times_told("connectx5", model);
        assert!(told > 800, "{bits} bits: {told} of 900");
    }
}

#[test]
fn a_clock_that_jumps_takes_its_stamps_with_it_and_does_not_agree_with_its_pairs() {
    let (mut a, mut b, wire) = stamped_pair(named("connectx5"), 1);
    let host =
        ClockInfo { id: ClockId::HOST, domain: Domain::HostNs, ticks_per_s: S, bits: u64::BITS };
    let device = b.clock().unwrap();
    let mut discipline = Discipline::new(&ClockConfig::default(), &host, Some(&device)).unwrap();
    let mut pair_says = |b: &mut SimNic| {
        wire.advance(Duration::from_ms(100));
        let bracket = Bracket::narrowest((0..4).filter_map(|_| b.read_clock())).unwrap();
        discipline.on_device_pair(bracket)
    };
    let verdicts: Vec<_> = (0..20).map(|_| pair_says(&mut b)).collect();
    assert_eq!(verdicts.last(), Some(&PairVerdict::Agreed));
    let faults = NicFaults { clock_jump_ns: -5_000_000, ..NicFaults::default() };
    let before = stamps(&mut a, &mut b, &wire, 1, Duration::from_us(10))[0].unwrap();
    wire.set_nic_faults(End::B, faults);
    let after = stamps(&mut a, &mut b, &wire, 1, Duration::from_us(10))[0].unwrap();
    // 5 ms back, 10 us forth, at 12.8 ns a tick.
    assert!((390_623 - 782 - (before.ticks - after.ticks) as i64).abs() < 4);
    assert_ne!(pair_says(&mut b), PairVerdict::Agreed);
    wire.set_nic_faults(End::B, NicFaults::default());
    let back = stamps(&mut a, &mut b, &wire, 1, Duration::from_us(10))[0].unwrap();
    assert!(back.ticks > before.ticks, "where it would have been");
}

#[test]
fn what_has_arrived_was_stamped_before_the_clock_jumped() {
    let (mut a, mut b, wire) = stamped_pair(named("sim"), 0);
    for number in 0..2 {
        send(&mut a, &numbered(number), FULL);
        wire.advance(Duration::from_us(1));
        wire.set_nic_faults(End::B, NicFaults { clock_jump_ns: 500, ..NicFaults::default() });
    }
    let ticks: Vec<_> = receive(&mut b).iter().map(|(meta, _)| meta.stamp.unwrap().ticks).collect();
    assert_eq!(ticks, [1_000, 2_500]);
}

#[test]
fn a_live_clock_is_the_one_that_stamps_and_jumps_with_it() {
    for name in ["connectx5", "connectx6dx", "bnxt", "sim"] {
        let mut model = named(name);
        // So that where its wander began shows.
        (model.clock.wander_ppb, model.clock.wander_period_ms) = (100_000_000, 40);
        let (_, b, wire) = stamped_pair(model, 4);
        let host = HostClock::new();
        let mut live = b.live_clock().unwrap();
        assert_eq!(Some(live.info()), b.clock(), "{name}");
        for clock_jump_ns in [0, 70_000_000, -5_000_000, 0] {
            let faults = NicFaults { clock_jump_ns, ..NicFaults::default() };
            wire.set_nic_faults(End::B, faults);
            let (before, reading, after) = (host.mono(), live.read().unwrap(), host.mono());
            let [from, to] = [before, after].map(|at| wire.clock_at(End::B, at));
            assert!((from..=to).contains(&reading), "{name}: {from} {reading} {to}");
        }
        let somewhere_else = std::thread::spawn(move || live.read().is_some());
        assert!(somewhere_else.join().unwrap());
    }
    let (_, bare, _) = stamped_pair(Model::bare(), 0);
    assert!(bare.live_clock().is_none());
}

#[test]
fn a_live_clock_takes_the_bus_there_and_back() {
    let mut model = named("connectx5");
    model.clock.bus_ns_max = 2_000_000;
    let (_, b, _) = stamped_pair(model, 1);
    let (host, mut live) = (HostClock::new(), b.live_clock().unwrap());
    let widths: Vec<u64> = (0..8)
        .map(|_| {
            let before = host.mono();
            live.read();
            host.mono().ns_since(before)
        })
        .collect();
    // Eight readings of four milliseconds at most and two in the mean: not all of them in no time.
    assert!(widths.iter().sum::<u64>() > 1_000_000, "{widths:?}");
}

#[test]
fn a_service_follows_a_live_clock_and_finds_its_jump() {
    let (_, b, wire) = stamped_pair(named("connectx5"), 2);
    let clock = b.live_clock().unwrap();
    let (host, id) = (HostClock::new(), clock.info().id);
    let service = ClockService::start(
        HostCounter::Mono(host),
        Some(Box::new(clock)),
        &ClockSettings::default(),
    )
    .unwrap();
    let mut reader = service.reader();
    let mut state = || reader.mapping().device(host.mono().as_ns()).unwrap();
    let begun = std::time::Instant::now();
    let wait_for = |what: &str, done: &mut dyn FnMut() -> bool| {
        while !done() {
            assert!(begun.elapsed().as_secs() < 60, "{what}");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    };
    wait_for("it does not lock", &mut || state().lapse.is_none());
    let first = state();
    wire.set_nic_faults(End::B, NicFaults { clock_jump_ns: 50_000_000, ..NicFaults::default() });
    wait_for("it does not notice", &mut || {
        state().generation > first.generation && state().lapse.is_none()
    });
    // A time is told again.
    let mut reader = service.reader();
    wait_for("it converts nothing", &mut || {
        let now = host.mono();
        let (generation, ticks) =
            (reader.mapping().device_generation(), wire.clock_at(End::B, now));
        let stamp = RxStamp { clock: id, generation, domain: Domain::NicTicks, ticks };
        reader.convert(&stamp, now.as_ns()).is_ok()
    });
    service.stop().unwrap();
}
