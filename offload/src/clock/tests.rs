use proptest::prelude::*;

use super::track::Track;
use super::*;
use crate::stamp::{ClockId, ClockInfo, Domain, RxStamp};
use crate::time::UtcTime;

const MS: u64 = 1_000_000;
const NIC: ClockId = ClockId(3);
const HOST: ClockInfo =
    ClockInfo { id: ClockId::HOST, domain: Domain::Tsc, ticks_per_s: 2_000_000_000, bits: 64 };
const DEVICE: ClockInfo =
    ClockInfo { id: NIC, domain: Domain::NicTicks, ticks_per_s: 500_000_000, bits: 41 };
const EPOCH_NS: u64 = 1_800_000_000_000_000_000;

/// Clocks at their nominal rates, from one origin: 2 host ticks and half a device tick are 1 ns.
fn host(ns: u64) -> u64 {
    1_000_000 + 2 * ns
}

fn device(ns: u64) -> u64 {
    ns / 2
}

fn wall(ns: u64) -> u64 {
    EPOCH_NS + ns
}

/// A reading 50 ns after the first of the host's and 50 ns before the second.
fn bracket(ns: u64, reading: u64) -> Bracket {
    Bracket { before: host(ns - 50), reading, after: host(ns + 50) }
}

fn device_pair(discipline: &mut Discipline, ns: u64) -> PairVerdict {
    discipline.on_device_pair(bracket(ns, device(ns)))
}

fn wall_pair(discipline: &mut Discipline, ns: u64) -> PairVerdict {
    discipline.on_wall_pair(bracket(ns, wall(ns)))
}

fn unlocked() -> Discipline {
    Discipline::new(&ClockConfig::default(), &HOST, Some(&DEVICE)).expect("figures in range")
}

/// Pairs at 100, 200, 300 and 400 ms, all of one line.
fn locked() -> Discipline {
    let mut discipline = unlocked();
    for ms in [100, 200, 300, 400] {
        device_pair(&mut discipline, ms * MS);
        wall_pair(&mut discipline, ms * MS);
    }
    discipline
}

fn stamp(generation: u16, ns: u64) -> RxStamp {
    RxStamp { clock: NIC, generation, domain: Domain::NicTicks, ticks: device(ns) }
}

fn received(ns: u64) -> u64 {
    host(ns + 1_000)
}

#[test]
fn three_pairs_on_a_line_lock_and_the_next_agree() {
    use PairVerdict::{Agreed, Locked, WarmingUp};
    let mut discipline = unlocked();
    let verdicts = [100, 200, 300, 400].map(|ms| device_pair(&mut discipline, ms * MS));
    assert_eq!(verdicts, [WarmingUp, WarmingUp, Locked, Agreed]);
}

#[test]
fn three_pairs_that_a_jump_could_lie_between_do_not_lock() {
    use PairVerdict::{Locked, WarmingUp};
    // 10 us in 100 ms are in the drift: only the third pair can tell, and the next three must agree.
    let mut discipline = unlocked();
    let jumped = |ms: u64, by_ns: u64| (ms * MS, ms * MS + by_ns);
    for ((ns, device_ns), verdict) in [
        (jumped(100, 0), WarmingUp),
        (jumped(200, 0), WarmingUp),
        (jumped(300, 10_000), WarmingUp),
        (jumped(400, 10_000), WarmingUp),
        (jumped(500, 10_000), Locked),
    ] {
        assert_eq!(discipline.on_device_pair(bracket(ns, device(device_ns))), verdict, "{ns} ns");
    }
    // The gaps are too unlike: in the long one, a jump would hardly move the third pair.
    let mut discipline = unlocked();
    let verdicts = [100, 900, 910, 1_000, 1_090].map(|ms| device_pair(&mut discipline, ms * MS));
    assert_eq!(verdicts, [WarmingUp, WarmingUp, WarmingUp, WarmingUp, Locked]);
}

#[test]
fn a_line_too_long_without_a_pair_to_tell_a_jump_is_given_up() {
    let mut discipline = unlocked();
    for ms in [100, 110, 120, 130] {
        device_pair(&mut discipline, ms * MS);
    }
    assert_eq!(device_pair(&mut discipline, 900 * MS), PairVerdict::Stale);
    assert_eq!(discipline.mapping().device_generation(), 1);
}

#[test]
fn a_stamp_is_provisional_until_the_next_pair_and_then_settled_at_the_same_time() {
    let mut discipline = locked();
    let (stamp, received) = (stamp(0, 450 * MS), received(450 * MS));
    let told = discipline.mapping().convert(&stamp, received).expect("locked");
    assert_eq!(told.validity, Validity::Provisional);
    let off = told.utc.abs_diff(UtcTime::from_unix_ns(wall(450 * MS))).as_ns();
    assert!(off <= told.error_bound_ns && told.error_bound_ns < 500, "{told:?}");
    assert_eq!(discipline.settle(&stamp, received), Ok(told));
    device_pair(&mut discipline, 500 * MS);
    assert_eq!(discipline.settle(&stamp, received), Ok(told), "the wall's pair is to come");
    wall_pair(&mut discipline, 500 * MS);
    let settled = StampTime { validity: Validity::Settled, ..told };
    assert_eq!(discipline.settle(&stamp, received), Ok(settled));
    assert_eq!(discipline.mapping().convert(&stamp, received), Ok(told), "by the older line");
}

#[test]
fn stamps_of_anything_else_are_refused_by_name() {
    let discipline = locked();
    let good = stamp(0, 450 * MS);
    let at = received(450 * MS);
    let late = |ns| RxStamp { ticks: device(ns), ..good };
    let cases = [
        (RxStamp { clock: ClockId(4), ..good }, at, Refusal::OtherClock),
        (RxStamp { domain: Domain::NicNs, ..good }, at, Refusal::OtherDomain),
        (RxStamp { domain: Domain::Tsc, ..good }, at, Refusal::OtherDomain),
        (RxStamp { clock: ClockId::HOST, ..good }, at, Refusal::OtherDomain),
        (RxStamp { generation: 1, ..good }, at, Refusal::OtherGeneration),
        (late(452 * MS), at, Refusal::Implausible),
        (late(435 * MS), at, Refusal::Implausible),
        (good, host(250 * MS), Refusal::Device(Lapse::NotYet)),
        (late(250 * MS), at, Refusal::Device(Lapse::TooOld)),
        (good, host(1_450 * MS), Refusal::Device(Lapse::Stale)),
        (good, host(2_300_000 * MS), Refusal::Device(Lapse::Wrapped)),
    ];
    for (stamp, received, refusal) in cases {
        assert_eq!(discipline.mapping().convert(&stamp, received), Err(refusal), "{stamp:?}");
        assert_eq!(discipline.settle(&stamp, received), Err(refusal), "{stamp:?}, settling");
    }
    assert!(discipline.mapping().convert(&good, at).is_ok());
    let host_stamp =
        RxStamp { clock: ClockId::HOST, domain: Domain::Tsc, generation: 1, ticks: host(450 * MS) };
    assert_eq!(discipline.mapping().convert(&host_stamp, at), Err(Refusal::OtherGeneration));
}

#[test]
fn stamps_by_the_hosts_clock_need_the_second_stage_alone() {
    let mut discipline = unlocked();
    for ms in [100, 200, 300] {
        wall_pair(&mut discipline, ms * MS);
    }
    let stamp =
        RxStamp { clock: ClockId::HOST, generation: 0, domain: Domain::Tsc, ticks: host(350 * MS) };
    let told = discipline.mapping().convert(&stamp, received(350 * MS)).expect("locked");
    let off = told.utc.abs_diff(UtcTime::from_unix_ns(wall(350 * MS))).as_ns();
    assert!(off <= told.error_bound_ns, "{told:?}");
    let time = discipline.mapping().to_host(&stamp, received(350 * MS)).expect("itself");
    assert_eq!(time, HostTime { ticks: host(350 * MS), error_bound_ticks: 0 });
}

#[test]
fn two_readings_that_agree_on_a_jump_end_a_life_and_no_stamp_since_its_last_pair_has_a_time() {
    let mut discipline = locked();
    let jumped = |ns: u64| bracket(ns, device(ns + 2_500));
    assert_eq!(discipline.on_device_pair(jumped(500 * MS)), PairVerdict::Doubtful);
    let (before, within) = (stamp(0, 390 * MS), stamp(0, 450 * MS));
    let doubtful = Err(Refusal::Device(Lapse::Doubtful));
    assert_eq!(discipline.mapping().convert(&within, received(450 * MS)), doubtful);
    assert_eq!(discipline.settle(&within, received(450 * MS)), doubtful);
    assert_eq!(discipline.on_device_pair(jumped(501 * MS)), PairVerdict::Jumped);
    assert_eq!(discipline.mapping().device_generation(), 1);
    let refused = Err(Refusal::Device(Lapse::Jumped));
    assert_eq!(discipline.settle(&within, received(450 * MS)), refused);
    let settled = discipline.settle(&before, received(390 * MS)).expect("before the last pair");
    assert_eq!(settled.validity, Validity::Settled);
    for (ms, verdict) in [(600, PairVerdict::WarmingUp), (700, PairVerdict::Locked)] {
        assert_eq!(discipline.on_device_pair(jumped(ms * MS)), verdict);
    }
    let after = stamp(1, 720 * MS + 2_500);
    let told = discipline.mapping().convert(&after, received(720 * MS)).expect("locked again");
    let off = told.utc.abs_diff(UtcTime::from_unix_ns(wall(720 * MS))).as_ns();
    assert!(off <= told.error_bound_ns, "{told:?}");
    assert_eq!(discipline.settle(&within, received(450 * MS)), refused, "still");
}

#[test]
fn a_clock_that_stands_still_is_no_life() {
    let mut discipline = locked();
    // Both brackets can hold the same moment, and so the same reading.
    let stuck = |ns| bracket(ns, device(700 * MS));
    assert_eq!(discipline.on_device_pair(stuck(500 * MS)), PairVerdict::Doubtful);
    assert_eq!(discipline.on_device_pair(stuck(500 * MS + 100)), PairVerdict::Doubtful);
    assert_eq!(device_pair(&mut discipline, 600 * MS), PairVerdict::Agreed);
}

#[test]
fn an_error_on_the_first_stage_counts_on_the_second_with_the_tick_it_is_read_off_at() {
    // Ticks of a millisecond show what half of one is worth.
    let host = ClockInfo { ticks_per_s: 1_000, domain: Domain::HostNs, ..HOST };
    let discipline = Discipline::new(&ClockConfig::default(), &host, None).expect("in range");
    let shape = discipline.mapping().shape;
    assert!(shape.error_ns(0) <= 1);
    for ticks in [1, 10] {
        // 200 ppm faster than nominal.
        let least = (2 * ticks + 1) * 1_000_200 / 2;
        assert!(shape.error_ns(ticks) >= least && shape.error_ns(ticks) < 2 * least);
    }
}

#[test]
fn one_reading_that_nothing_bears_out_costs_the_stamps_around_it_and_no_more() {
    let mut discipline = locked();
    let nonsense = bracket(500 * MS, device(700 * MS));
    assert_eq!(discipline.on_device_pair(nonsense), PairVerdict::Doubtful);
    for ms in [600, 700] {
        assert_eq!(device_pair(&mut discipline, ms * MS), PairVerdict::Agreed);
        wall_pair(&mut discipline, ms * MS);
    }
    assert_eq!(discipline.mapping().device_generation(), 0);
    let doubtful = Err(Refusal::Device(Lapse::Doubtful));
    for (taken_ms, received_ms, told) in [
        (390, 391, Ok(Validity::Settled)),
        (399, 402, doubtful),
        (450, 451, doubtful),
        (550, 551, doubtful),
        (602, 609, doubtful),
        (602, 611, Ok(Validity::Settled)),
        (650, 651, Ok(Validity::Settled)),
    ] {
        let settled = discipline.settle(&stamp(0, taken_ms * MS), host(received_ms * MS));
        assert_eq!(settled.map(|settled| settled.validity), told, "at {received_ms} ms");
    }
}

#[test]
fn a_reading_of_the_walls_that_nothing_bears_out_costs_what_the_first_stage_may_put_there() {
    let mut discipline = locked();
    let nonsense = bracket(500 * MS, wall(600 * MS));
    assert_eq!(discipline.on_wall_pair(nonsense), PairVerdict::Doubtful);
    for ms in [500, 600, 700] {
        device_pair(&mut discipline, ms * MS);
        wall_pair(&mut discipline, ms * MS);
    }
    // The doubt ends with the bracket at 600 ms less 50 ns.
    for (after_ns, told) in [
        (-70_i64, Err(Refusal::Wall(Lapse::Doubtful))),
        (-30, Err(Refusal::Wall(Lapse::Doubtful))),
        (200, Ok(Validity::Settled)),
    ] {
        let ns = (600 * MS).saturating_add_signed(after_ns);
        let settled = discipline.settle(&stamp(0, ns), received(ns));
        assert_eq!(settled.map(|settled| settled.validity), told, "{after_ns} ns after");
    }
}

#[test]
fn a_pair_that_could_hide_a_jump_is_not_used() {
    let wide = |ns: u64, by: u64| Bracket {
        before: host(ns - by),
        reading: device(ns),
        after: host(ns + by),
    };
    // Jumps of 2 us are to be found.
    for (by, verdict) in [(800, PairVerdict::Agreed), (1_000, PairVerdict::TooWide)] {
        assert_eq!(locked().on_device_pair(wide(500 * MS, by)), verdict, "{by} ns to each side");
    }
    let endless = Bracket { before: 0, reading: 0, after: u64::MAX };
    assert_eq!(unlocked().on_device_pair(endless), PairVerdict::TooWide);
    assert_eq!(unlocked().on_wall_pair(endless), PairVerdict::TooWide);
}

#[test]
fn pairs_too_soon_too_late_or_backwards_are_told() {
    let cases = [
        (400 * MS + 500_000, 0, PairVerdict::TooSoon),
        (300 * MS, 0, PairVerdict::Backwards),
        (1_390 * MS, 0, PairVerdict::Agreed),
        (1_500 * MS, 1, PairVerdict::Stale),
        (9_000_000 * MS, 1, PairVerdict::Stale),
    ];
    for (ns, generation, verdict) in cases {
        let mut discipline = locked();
        assert_eq!(device_pair(&mut discipline, ns), verdict, "at {} us", ns / 1_000);
        assert_eq!(discipline.mapping().device_generation(), generation);
    }
    let backwards = Bracket { before: 9, reading: 0, after: 8 };
    assert_eq!(locked().on_wall_pair(backwards), PairVerdict::Backwards);
}

#[test]
fn a_silence_of_half_a_period_is_told_from_a_shorter_one() {
    // 41 bits at 500 MHz: half a period is 2,199 s.
    for (s, lapse) in [(2, Lapse::Stale), (2_190, Lapse::Stale), (2_201, Lapse::Wrapped)] {
        let mut discipline = locked();
        device_pair(&mut discipline, s * 1_000 * MS);
        let told = discipline.settle(&stamp(0, 450 * MS), received(450 * MS));
        assert_eq!(told, Err(Refusal::Device(lapse)), "{s} s");
    }
}

#[test]
fn a_reset_that_is_told_ends_a_life_at_once() {
    let mut discipline = locked();
    let good = stamp(0, 450 * MS);
    discipline.on_device_reset(host(460 * MS));
    assert_eq!(discipline.mapping().device_generation(), 1);
    let refused = discipline.mapping().convert(&good, received(450 * MS));
    assert_eq!(refused, Err(Refusal::OtherGeneration));
    let refused = discipline.settle(&good, received(450 * MS));
    assert_eq!(refused, Err(Refusal::Device(Lapse::Reset)));
    discipline.on_wall_reset(host(460 * MS));
    assert_eq!(discipline.mapping().wall_generation(), 1);
}

#[test]
fn what_is_forgotten_is_said_to_be_too_old() {
    let mut discipline = locked();
    for ms in (500..10_000).step_by(100) {
        assert_eq!(device_pair(&mut discipline, ms * MS), PairVerdict::Agreed);
        wall_pair(&mut discipline, ms * MS);
    }
    let told = |ms| discipline.settle(&stamp(0, ms * MS), received(ms * MS));
    assert_eq!(told(450), Err(Refusal::Device(Lapse::TooOld)));
    assert_eq!(told(3_650).map(|told| told.validity), Ok(Validity::Settled));
    // What is remembered begins at 3,500 ms; this one may have been taken before.
    let told = |taken_ms, received_ms| {
        discipline
            .settle(&stamp(0, taken_ms * MS), host(received_ms * MS))
            .map(|told| told.validity)
    };
    assert_eq!(told(3_505, 3_509), Err(Refusal::Device(Lapse::TooOld)));
    assert_eq!(told(3_505, 3_511), Ok(Validity::Settled));
}

#[test]
fn a_config_out_of_range_and_a_clock_that_cannot_be_followed_are_refused() {
    let good = ClockConfig::default();
    let stale = StageConfig { stale_after_ns: 11_000 * MS, ..good.device };
    let out_of_range = ClockConfig { wall: stale, ..good };
    let longest = StageConfig { stale_after_ns: 10_000 * MS, ..good.device };
    let longest = ClockConfig { device: longest, ..good };
    let with = |config: &ClockConfig, host: ClockInfo, device: ClockInfo| {
        Discipline::new(config, &host, Some(&device)).map(|_| ())
    };
    let cases = [
        (good, HOST, DEVICE, Ok(())),
        (out_of_range, HOST, DEVICE, Err(ConfigError::OutOfRange("stale_after_ns"))),
        (good, HOST, ClockInfo { bits: 0, ..DEVICE }, Err(ConfigError::Width(NIC, 0))),
        (good, HOST, ClockInfo { bits: 65, ..DEVICE }, Err(ConfigError::Width(NIC, 65))),
        (good, HOST, ClockInfo { ticks_per_s: 999, ..DEVICE }, Err(ConfigError::Rate(NIC, 999))),
        (longest, HOST, ClockInfo { bits: 33, ..DEVICE }, Err(ConfigError::WrapsTooSoon(NIC))),
        (longest, HOST, ClockInfo { bits: 34, ..DEVICE }, Ok(())),
        // Half a period of 10.5 s: longer than the pair is good for, not with the queue's delay.
        (longest, HOST, ClockInfo { bits: 34, ticks_per_s: 818_000_000, ..DEVICE }, Ok(())),
        (
            ClockConfig { queue_delay_ns_max: 1_000 * MS, ..longest },
            HOST,
            ClockInfo { bits: 34, ticks_per_s: 818_000_000, ..DEVICE },
            Err(ConfigError::WrapsTooSoon(NIC)),
        ),
        (good, ClockInfo { domain: Domain::NicNs, ..HOST }, DEVICE, Err(ConfigError::NotTheHosts)),
        (good, ClockInfo { bits: 63, ..HOST }, DEVICE, Err(ConfigError::NotTheHosts)),
    ];
    for (config, host, device, outcome) in cases {
        assert_eq!(with(&config, host, device), outcome);
    }
    // A TAP's stamps are by the host's clock: no first stage.
    assert!(Discipline::new(&good, &HOST, None).is_ok());
    assert!(Discipline::new(&good, &HOST, Some(&HOST)).is_ok());
}

#[test]
fn the_largest_figures_that_are_taken_do_not_overflow() {
    let largest = StageConfig {
        drift_ppb_max: 10_000_000,
        wander_ppb_per_s_max: 10_000,
        rate_step_ppb_max: 100_000,
        jump_ns_min: 1_000_000_000,
        slew_ppb_max: 10_000_000,
        catch_up_ns: 10_000 * MS,
        lead_ns: 2_500 * MS,
        stale_after_ns: 10_000 * MS,
    };
    let config = ClockConfig { device: largest, wall: largest, queue_delay_ns_max: 1_000 * MS };
    for (host_per_s, device_per_s) in
        [(10_000_000_000, 10_000_000_000), (10_000_000_000, 1_000), (1_000, 10_000_000_000)]
    {
        let host = ClockInfo { ticks_per_s: host_per_s, ..HOST };
        let device = ClockInfo { ticks_per_s: device_per_s, bits: 64, ..DEVICE };
        let mut discipline = Discipline::new(&config, &host, Some(&device)).expect("in range");
        let ticks = |s: u64, per_s: u64| s * per_s;
        // To the last second that a pair is good for, and far past it.
        for s in (0..30).map(|number| 10 * number).chain([100_000, 100_010, 90_000_000]) {
            let before = ticks(s, host_per_s);
            let after = before + host_per_s / 10;
            let bracket = |reading| Bracket { before, reading, after };
            discipline.on_device_pair(bracket(ticks(s, device_per_s)));
            discipline.on_wall_pair(bracket(EPOCH_NS + ticks(s, 1_000_000_000)));
            let stamp = RxStamp { ticks: ticks(s, device_per_s), ..stamp(0, 0) };
            let _ = discipline.mapping().convert(&stamp, after + 9 * host_per_s);
            let _ = discipline.settle(&stamp, after + 9 * host_per_s);
        }
    }
}

#[test]
fn a_reader_sees_what_was_published_and_nothing_else() {
    let mut discipline = unlocked();
    let (mut publisher, mut reader) = Publisher::new(&discipline);
    let before = discipline.mapping();
    for ms in [100, 200, 300, 400] {
        device_pair(&mut discipline, ms * MS);
        wall_pair(&mut discipline, ms * MS);
        assert_eq!(*reader.mapping(), before);
    }
    publisher.publish(&discipline);
    let mut second = reader.clone();
    assert_eq!(*reader.mapping(), discipline.mapping());
    let stamp = stamp(0, 450 * MS);
    let told = second.convert(&stamp, received(450 * MS));
    assert_eq!(told, discipline.mapping().convert(&stamp, received(450 * MS)));
    assert!(told.is_ok());
    assert_eq!(reader.kept(), 0);
}

/// That the newer line starts where the older one stands, to the last bit.
fn meet(track: &Track, shift: u32) -> bool {
    let fixed = |line: &super::track::Line, ticks: u64| {
        let fraction = u128::from(line.fraction);
        (u128::from(line.base) << shift) + u128::from(ticks) * u128::from(line.mult) + fraction
    };
    fixed(&track.older, track.back) == fixed(&track.newer, 0)
}

proptest! {
    #[test]
    fn lines_meet_at_their_knee_and_differ_by_no_more_than_the_slew_and_the_drift(
        offs in prop::collection::vec((0u64..100, 0u64..100, 20u64..180), 8..40),
    ) {
        let mut discipline = unlocked();
        let mut ms = 0;
        for (there, back, step_ms) in offs {
            ms += step_ms;
            let ns = ms * MS;
            let (before, after) = (host(ns - there), host(ns + back));
            discipline.on_device_pair(Bracket { before, reading: device(ns), after });
            let mapping = discipline.mapping();
            let (track, gauge) = (mapping.device, mapping.shape.device_gauge);
            if track.lapse.is_some() {
                continue;
            }
            // 4 host ticks are a device tick: 200 ppm of drift and 50 ppm of slew around it.
            let nominal = 4u64 << gauge.shift;
            let most = u128::from(nominal) * 250 / 1_000_000 + 2;
            prop_assert!(u128::from(track.newer.mult.abs_diff(nominal)) <= most);
            prop_assert!(track.back == 0 || meet(&track, gauge.shift), "{track:?}");
        }
        prop_assert!(discipline.mapping().device.lapse.is_none());
    }

    /// The hot way answers as the long one does, or leaves the stamp to it: at random, and around
    /// every edge that either has.
    #[test]
    fn the_hot_way_agrees_with_the_long_one(
        // 1 ms is the lead, 1,000 what a pair is good for, and 10 the queue's delay.
        edge_ms in prop::sample::select(vec![0i64, 1, 10, 11, 500, 900, 1_000, 1_001, 1_002]),
        after_ns in prop_oneof![-300i64..300, -2_000_000i64..2_000_000],
        delay_ns in prop_oneof![0u64..2_000, 9_990_000u64..10_010_000, 0u64..15_000_000],
        off_ns in prop_oneof![Just(0i64), -300i64..300, -20_000_000i64..20_000_000],
        waits in prop::option::of((prop::sample::select(vec![0i64, 10_000_000]), -600i64..600)),
        generation in prop_oneof![4 => Just(0u16), 1 => Just(1u16)],
        (device_pairs, wall_pairs) in (3u64..=4, 3u64..=4),
        doubtful: bool,
    ) {
        let mut discipline = unlocked();
        for number in 1..=device_pairs {
            device_pair(&mut discipline, number * 100 * MS);
        }
        for number in 1..=wall_pairs {
            wall_pair(&mut discipline, number * 100 * MS);
        }
        if doubtful && edge_ms >= 500 {
            discipline.on_device_pair(bracket(500 * MS, device(700 * MS)));
        }
        let mapping = discipline.mapping();
        let ns = (device_pairs * 100 * MS).saturating_add_signed(edge_ms * 1_000_000 + after_ns);
        // By its stamp it waited not at all or as long as a frame may, give or take the bound.
        let off_ns = waits.map_or(off_ns, |(waits, give)| delay_ns as i64 - waits + give);
        let stamp = stamp(generation, ns.saturating_add_signed(off_ns));
        let received = host(ns + delay_ns);
        let long = mapping.convert_or_refuse(&stamp, received);
        prop_assert_eq!(mapping.convert(&stamp, received), long);
        let usual = device_pairs == wall_pairs && edge_ms == 500 && off_ns == 0;
        let usual = usual && delay_ns < 2_000 && generation == 0 && !doubtful;
        prop_assert!(!usual || mapping.is_hot_for(&stamp, received));
    }

    #[test]
    fn nothing_that_is_read_makes_it_panic(
        readings in prop::collection::vec((any::<bool>(), any::<u64>(), any::<u64>(), 0u64..1 << 40), 1..60),
        bits in 32u32..=64,
        after_lock: bool,
        every in prop::sample::select(vec![1u64, 1_000, 200 * MS, 10_000 * MS]),
    ) {
        let device = ClockInfo { bits, ..DEVICE };
        let mut discipline = if after_lock {
            locked()
        } else {
            Discipline::new(&ClockConfig::default(), &HOST, Some(&device)).expect("in range")
        };
        let mut now = if after_lock { host(400 * MS) } else { 0 };
        for (wild, before, reading, width) in readings {
            now = now.saturating_add(every);
            let before = if wild { before } else { now };
            let bracket = Bracket { before, reading, after: before.saturating_add(width) };
            discipline.on_device_pair(bracket);
            discipline.on_wall_pair(bracket);
            let stamp = RxStamp { ticks: reading, ..stamp(0, 0) };
            let _ = discipline.mapping().convert(&stamp, before);
            let _ = discipline.settle(&stamp, now);
            if reading.is_multiple_of(7) {
                discipline.on_device_reset(before);
            }
        }
    }
}

#[test]
fn what_is_known_of_both_clocks_is_published_with_their_lines() {
    let discipline = unlocked();
    let not_yet =
        ClockState { lapse: Some(Lapse::NotYet), generation: 0, ended: None, drift: None };
    let known = |discipline: &Discipline, ns: u64| {
        let words = discipline.mapping().to_words();
        let mapping = Mapping::from_words(discipline.mapping().shape, &words);
        (mapping.device(host(ns)), mapping.wall(host(ns)))
    };
    assert_eq!(known(&discipline, 0), (Some(not_yet), not_yet));
    assert_eq!(discipline.mapping().error_bound_ns(0), Err(Refusal::Device(Lapse::NotYet)));

    // A device that is 30 ppm fast, and a host that the wall clock finds right.
    let mut discipline = unlocked();
    for ms in [100, 200, 300, 400] {
        let fast_ns = ms * MS + ms * 30;
        discipline.on_device_pair(bracket(ms * MS, device(fast_ns)));
        wall_pair(&mut discipline, ms * MS);
    }
    let (device_known, wall_known) = known(&discipline, 450 * MS);
    let device_known = device_known.expect("it has a clock");
    let drift = device_known.drift.expect("locked");
    assert!((drift.ppb - 30_000).unsigned_abs() <= drift.error_ppb, "{drift:?}");
    assert!(drift.error_ppb < 400, "100 ns of 300 ms, and a tick: {drift:?}");
    assert_eq!(ClockState { drift: None, ..device_known }, ClockState { lapse: None, ..not_yet });
    let drift = wall_known.drift.expect("locked");
    assert!(drift.ppb.unsigned_abs() <= drift.error_ppb && drift.error_ppb < 400, "{drift:?}");
    let (device_known, wall_known) = known(&discipline, 3_000 * MS);
    assert_eq!(device_known.and_then(|known| known.lapse), Some(Lapse::Stale));
    assert_eq!(wall_known.lapse, Some(Lapse::Stale));

    discipline.on_device_reset(host(500 * MS));
    let reset = ClockState { generation: 1, ended: Some(Lapse::Reset), ..not_yet };
    assert_eq!(known(&discipline, 500 * MS).0, Some(reset));
    for ms in [510, 520, 530] {
        device_pair(&mut discipline, ms * MS);
    }
    let relocked = known(&discipline, 540 * MS).0.expect("it has a clock");
    assert_eq!((relocked.lapse, relocked.ended), (None, Some(Lapse::Reset)), "still known");
}

#[test]
fn the_bound_of_a_moment_is_what_a_stamp_of_that_moment_is_given() {
    let mapping = locked().mapping();
    for ms in [401, 402, 450, 500, 1_300] {
        let told = mapping.convert(&stamp(0, ms * MS), host(ms * MS)).expect("locked");
        let bound_ns = mapping.error_bound_ns(host(ms * MS)).expect("locked");
        assert!(bound_ns.abs_diff(told.error_bound_ns) <= 1, "{bound_ns} {told:?} at {ms} ms");
    }
    assert_eq!(mapping.error_bound_ns(host(2_000 * MS)), Err(Refusal::Device(Lapse::Stale)));
    // Of the host's own stamps, where there is no device: the wall's bound alone.
    let mut alone =
        Discipline::new(&ClockConfig::default(), &HOST, None).expect("figures in range");
    for ms in [100, 200, 300, 400] {
        wall_pair(&mut alone, ms * MS);
    }
    let mapping = alone.mapping();
    let at = host(450 * MS);
    let stamp = RxStamp { clock: ClockId::HOST, generation: 0, domain: Domain::Tsc, ticks: at };
    let told = mapping.convert(&stamp, at).expect("locked").error_bound_ns;
    assert_eq!((mapping.device(at), mapping.error_bound_ns(at)), (None, Ok(told)));
}
