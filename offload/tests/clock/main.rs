//! Stamps against the truth of simulated clocks: under drift, wander, wraps, jumps, resets and bad
//! readings, no bound is ever exceeded.
//!
//! A bound exceeded is a panic in `world`, with the scenario's name. What stands here is what each
//! scenario must come to beside that: that the bounds are of use, and the refusals those expected.

mod model;
mod world;

use fixwire_offload::clock::{PairVerdict, StageConfig};
use fixwire_offload::stamp::Domain;
use model::{Crystal, Jump, MS, Rng, S, Wander};
use world::{Outcome, Scenario, run};

/// The table takes this many stamps in all, so that more than a million are settled.
const STAMPS: usize = 1_100_000;

/// A scenario, and what is to become of its stamps.
struct Case {
    scenario: Scenario,
    /// At least this share of them is settled, in percent.
    settled_percent: usize,
    /// Half of them have a bound no larger than this on the first stage, in nanoseconds.
    device_bound_ns: u64,
    /// Reasons that must be among the refusals.
    refused: &'static [&'static str],
    /// Lives of the device's clock and of the wall's, if the number is known.
    generations: (Option<u16>, Option<u16>),
}

#[test]
fn no_bound_is_exceeded_over_a_million_stamps() {
    let cases = cases();
    let each = STAMPS / cases.len();
    let mut total = Outcome::default();
    for mut case in cases {
        case.scenario.stamps = each;
        let outcome = run(&case.scenario);
        println!("{}", in_words(&case.scenario, &outcome));
        let name = case.scenario.name;
        let settled = outcome.settled * 100 / each;
        assert!(settled >= case.settled_percent, "{name}: {settled} % settled");
        let device = median(&outcome.device_bounds_ns);
        assert!(device <= case.device_bound_ns, "{name}: half have {device} ns or less");
        for what in case.refused {
            assert!(outcome.refused_as(what) > 0, "{name}: none refused as {what}");
        }
        if let Some(generations) = case.generations.0 {
            assert_eq!(outcome.device_generation, generations, "{name}: the device's lives");
        }
        if let Some(generations) = case.generations.1 {
            assert_eq!(outcome.wall_generation, generations, "{name}: the wall clock's lives");
        }
        total.settled += outcome.settled;
        total.provisional += outcome.provisional;
    }
    println!("{} settled and {} provisional within their bounds", total.settled, total.provisional);
    assert!(total.settled >= 1_000_000, "{} settled", total.settled);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let scenario = Scenario { length: 5 * S, stamps: 2_000, ..Scenario::quiet("twice") };
    assert_eq!(run(&scenario).bounds_ns, run(&scenario).bounds_ns);
}

fn cases() -> Vec<Case> {
    let mut cases = steady();
    cases.extend(wrapping());
    cases.extend(rough());
    cases.extend(jumping());
    cases.extend(of_the_wall());
    for (seed, case) in (1..).zip(&mut cases) {
        case.scenario.seed = seed;
    }
    cases
}

/// A scenario in which nothing is refused but what came before the first lock.
fn calm(name: &'static str, change: impl FnOnce(&mut Scenario)) -> Case {
    let mut scenario = Scenario::quiet(name);
    change(&mut scenario);
    let refused = &["NotYet"];
    let generations = (Some(0), Some(0));
    Case { scenario, settled_percent: 98, device_bound_ns: 100, refused, generations }
}

fn steady() -> Vec<Case> {
    vec![
        calm("two quiet crystals", |_| {}),
        calm("both wander at random", |scenario| {
            scenario.nic.wander = Wander::Random { ppb_per_s: 24 };
            scenario.host.wander = Wander::Random { ppb_per_s: 24 };
        }),
        calm("both wander as fast as is assumed, and turn", |scenario| {
            scenario.nic.wander = Wander::Ramps { ppb_per_s: 25 };
            scenario.host.wander = Wander::Ramps { ppb_per_s: 24 };
        }),
        calm("as far off the nominal rate as is assumed", |scenario| {
            scenario.nic.drift_ppb = 101_000;
            scenario.host.drift_ppb = -98_900;
        }),
        calm("a real-time clock that steps its rate, by the host's monotonic clock", |scenario| {
            scenario.nic =
                Crystal { hz: 1_000_000_000, drift_ppb: -3_000, wander: Wander::Steps { ppb: 99 } };
            scenario.nic_domain = Domain::NicNs;
            scenario.nic_bits = 64;
            scenario.host = Crystal { hz: 1_000_000_000, ..scenario.host };
            scenario.host_domain = Domain::HostNs;
            scenario.config.device.rate_step_ppb_max = 100;
        }),
    ]
}

fn wrapping() -> Vec<Case> {
    vec![
        calm("a counter of 41 bits wraps", |scenario| {
            scenario.nic.hz = 78_125_000;
            scenario.nic_bits = 41;
            scenario.nic_before_wrap = 78_125_000 * 20;
        }),
        calm("a counter of 63 bits wraps", |scenario| {
            scenario.nic_before_wrap = 156_250_000 * 30;
        }),
        calm("a counter of 64 bits wraps", |scenario| {
            scenario.nic.hz = 1_000_000_000;
            scenario.nic_bits = 64;
            scenario.nic_before_wrap = 1_000_000_000 * 40;
        }),
        calm("a counter of 32 bits wraps every four seconds", |scenario| {
            scenario.nic.hz = 1_000_000_000;
            scenario.nic_bits = 32;
        }),
    ]
}

fn rough() -> Vec<Case> {
    vec![
        Case {
            device_bound_ns: 1_300,
            ..calm("the way back is longer than the way there", |scenario| {
                scenario.bus.there = (20_000, 30_000);
                scenario.bus.back = (300_000, 2_000_000);
                scenario.config.device.jump_ns_min = 8_000;
            })
        },
        Case {
            device_bound_ns: 110,
            ..calm("all of the delay on one side, and the rate turns", |scenario| {
                scenario.bus.there = (0, 0);
                scenario.bus.back = (120_000, 120_000);
                scenario.bus.one_sided = true;
                scenario.nic.wander = Wander::Ramps { ppb_per_s: 25 };
                scenario.host.wander = Wander::Ramps { ppb_per_s: 24 };
            })
        },
        Case {
            device_bound_ns: 110,
            ..calm("all of the delay on one side, and nothing else", |scenario| {
                scenario.nic.hz = 1_000_000_000;
                scenario.nic_bits = 41;
                scenario.bus.there = (0, 0);
                scenario.bus.back = (40_000, 40_000);
                scenario.bus.one_sided = true;
                scenario.config.device.wander_ppb_per_s_max = 0;
                scenario.config.device.rate_step_ppb_max = 0;
                scenario.config.wall = scenario.config.device;
            })
        },
        Case {
            device_bound_ns: 130,
            settled_percent: 95,
            ..calm("readings held up, pairs missing", |scenario| {
                scenario.bus.held_up_one_in = 3;
                scenario.missing_one_in = 4;
            })
        },
        Case {
            settled_percent: 90,
            refused: &["Device(Doubtful)"],
            ..calm("one reading in fifty is nonsense", |scenario| scenario.nonsense_one_in = 50)
        },
        Case {
            settled_percent: 80,
            refused: &["Device(Stale)"],
            generations: (Some(2), Some(2)),
            ..calm("twice no pair for three seconds", |scenario| {
                scenario.silences = vec![(10 * S, 13 * S), (40 * S, 43 * S)];
            })
        },
        Case {
            settled_percent: 80,
            refused: &["Device(Wrapped)"],
            generations: (Some(2), Some(2)),
            ..calm("no pair for more than half the counter's period", |scenario| {
                scenario.nic.hz = 1_000_000_000;
                scenario.nic_bits = 32;
                scenario.silences = vec![(10 * S, 13 * S), (40 * S, 45 * S)];
            })
        },
    ]
}

/// Jumps of so many ticks, one after another, each so long after the one before.
fn jumps(seed: u64, apart: (u64, u64), by: &[i64]) -> Vec<(u64, Jump)> {
    let mut rng = Rng(seed);
    let mut at = 2 * S;
    let mut jumps = Vec::new();
    for &ticks in by.iter().cycle() {
        at += rng.within(apart.0, apart.1);
        if at > 58 * S {
            return jumps;
        }
        jumps.push((at, if ticks == 0 { Jump::ToZero } else { Jump::By(ticks) }));
    }
    jumps
}

fn jumping() -> Vec<Case> {
    let jumped = |name, settled_percent, told, jumps: Vec<(u64, Jump)>| {
        let lives = u16::try_from(jumps.len()).expect("few");
        let refused: &[_] = if told { &["Device(Reset)"] } else { &["Device(Jumped)"] };
        let generations = (Some(lives), Some(0));
        let case = calm(name, |scenario| {
            scenario.nic_jumps = jumps;
            scenario.told = told;
        });
        Case { settled_percent, refused, generations, device_bound_ns: 110, ..case }
    };
    let seconds = (1_500 * MS, 3_000 * MS);
    // 313 ticks are 2,003 ns: the smallest jump that is assumed.
    let smallest = jumped("as small as is assumed", 75, false, jumps(3, seconds, &[313, -313]));
    let often = jumped(
        "before the life has locked",
        0,
        false,
        jumps(4, (310 * MS, 900 * MS), &[400, -3_000, 90_000, -313, 313, 0]),
    );
    vec![
        jumped(
            "forwards, ten microseconds to an hour",
            75,
            false,
            jumps(1, seconds, &[1_600, 100_000, 7_000_000, 156_250_000 * 3_600]),
        ),
        jumped(
            "back, two microseconds to an hour",
            75,
            false,
            jumps(2, seconds, &[-320, -100_000, -7_000_000, -156_250_000 * 3_600]),
        ),
        smallest,
        Case { generations: (None, Some(0)), device_bound_ns: 300, ..often },
        jumped("to zero, and it tells", 80, true, jumps(5, seconds, &[0])),
        jumped("to zero, and it does not tell", 75, false, jumps(6, seconds, &[0])),
    ]
}

fn of_the_wall() -> Vec<Case> {
    let wall_jumps = jumps(7, (2 * S, 4 * S), &[20_000, -20_000, 1_000_000_000, -500_000_000]);
    let wall_lives = u16::try_from(wall_jumps.len()).expect("few");
    let quiet_wall = |config: StageConfig| StageConfig { rate_step_ppb_max: 1, ..config };
    vec![
        calm("a wall clock that is steered", |scenario| {
            scenario.wall.wander = Wander::Steps { ppb: 990 };
            scenario.host.wander = Wander::Random { ppb_per_s: 20 };
        }),
        Case {
            settled_percent: 75,
            refused: &["Wall(Jumped)"],
            generations: (Some(0), Some(wall_lives)),
            ..calm("a wall clock that is set", |scenario| scenario.wall_jumps = wall_jumps.clone())
        },
        calm("stamps by the TSC", |scenario| {
            scenario.software_stamps = true;
            scenario.host.wander = Wander::Ramps { ppb_per_s: 49 };
            scenario.config.wall = quiet_wall(scenario.config.wall);
        }),
        calm("stamps by the host's monotonic clock", |scenario| {
            scenario.software_stamps = true;
            scenario.host.hz = 1_000_000_000;
            scenario.host_domain = Domain::HostNs;
        }),
        Case {
            settled_percent: 30,
            device_bound_ns: 300,
            refused: &["Device(Jumped)", "Device(Doubtful)", "Wall(Jumped)", "Device(Stale)"],
            generations: (None, None),
            ..calm("all of it at once", |scenario| {
                scenario.nic.wander = Wander::Ramps { ppb_per_s: 25 };
                scenario.host.wander = Wander::Random { ppb_per_s: 24 };
                scenario.wall.wander = Wander::Steps { ppb: 900 };
                scenario.nic_jumps = jumps(8, (2 * S, 5 * S), &[350, -90_000, 0, 1 << 40]);
                scenario.wall_jumps = wall_jumps;
                scenario.silences = vec![(30 * S, 32 * S)];
                scenario.bus.held_up_one_in = 5;
                scenario.missing_one_in = 10;
                scenario.nonsense_one_in = 60;
            })
        },
    ]
}

fn in_words(scenario: &Scenario, outcome: &Outcome) -> String {
    let largest = |values: &[u64]| values.iter().copied().max().unwrap_or(0);
    format!(
        "{}: {} settled, {} provisional, {} overtaken, {} open; bound {} ns (at most {}), first stage \
         {} ns (at most {}), off {} ns (at most {}); at most {} % and {} % of the bound; {} doubtful, {} too wide; refused {:?}, at \
         reception {:?}",
        scenario.name,
        outcome.settled,
        outcome.provisional,
        outcome.overtaken,
        outcome.unsettled,
        median(&outcome.bounds_ns),
        largest(&outcome.bounds_ns),
        median(&outcome.device_bounds_ns),
        largest(&outcome.device_bounds_ns),
        median(&outcome.errors_ns),
        largest(&outcome.errors_ns),
        outcome.device_nearest_percent,
        outcome.nearest_percent,
        outcome.verdict(PairVerdict::Doubtful),
        outcome.verdict(PairVerdict::TooWide),
        outcome.refused,
        outcome.refused_at_reception,
    )
}

fn median(values: &[u64]) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or(0)
}
