//! The driver on registers that are modelled: what it writes, in which order, and what it makes of what it reads.

use core::net::{Ipv4Addr, SocketAddrV4};

use fixwire_offload::flow::{AddrMatch, Count, Fate, FlowRule, Limit, OnMiss, Pattern, RuleSet};

use super::*;
use crate::bus::{Access, Fault};
use crate::{Fake, Recording};

fn found() -> Offload<Recording<Fake>> {
    let offload = Offload::find(Recording::new(Fake::default())).unwrap();
    // Out of its reset, which was told.
    offload.take_events().unwrap();
    offload.bus().take();
    offload
}

/// What has passed: addresses and words of writes, addresses of reads.
fn passed(offload: &Offload<Recording<Fake>>) -> Vec<(u16, Option<u32>)> {
    let passed = offload.bus().take().into_iter();
    passed.map(|one| (one.at, one.word.ok().filter(|_| one.access == Access::Write))).collect()
}

fn connection() -> FlowRule {
    let at = |host, port| SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, host), port);
    FlowRule::connection(at(1, 9878), at(2, 40_000), 3)
}

#[test]
fn it_finds_the_blocks_and_changes_nothing() {
    let offload = Offload::find(Recording::new(Fake::default())).unwrap();
    assert_eq!(passed(&offload), [(0x000, None), (0x004, None), (0x008, None), (0x00c, None)]);
    let found =
        Found { version: (1, 2), capability_bits: 0xfff, stream_bytes: 8, rules: 16, queues: 16 };
    assert_eq!(offload.found(), found);
    let capabilities = offload.capabilities(Provider::Model);
    for capability in Capability::ALL {
        let has = capability.number() <= 11;
        assert_eq!(capabilities.advert(capability).is_some(), has, "{}", capability.name());
    }
    assert_eq!(capabilities.driver.name, "rtl");
    assert_eq!(capabilities.flow.rules_max, 16);
}

#[test]
fn what_is_not_ours_or_not_of_our_version_is_told_with_what_to_do() {
    for (word, value, sentence) in [
        (0, 0x1234_5678, "0x12345678 stands where \"FIXW\" (0x46495857) is to"),
        (1, 2 << 16, "of version 2.0 and this driver knows 1.x; take a newer fixwire"),
        (1, 9, "of version 0.9 and this driver knows 1.x; load a newer bitstream"),
        (3, 0x0010_1108, "17 rules and 16 queues, and its registers can name 16 and 16"),
        (3, 0x0000_1008, "16 rules and 0 queues"),
    ] {
        let fake = Fake::default();
        fake.says(word, value);
        let error = Offload::find(fake).unwrap_err().to_string();
        assert!(error.contains(sentence), "{error}");
    }
    // What was only added to is ours, and so is a capability that nobody here knows.
    let fake = Fake::default();
    fake.says(1, 1 << 16 | 7);
    fake.says(2, 1 << 31);
    let offload = Offload::find(fake).unwrap();
    assert_eq!(offload.found().version, (1, 7));
    assert_eq!(offload.flow_limits(), FlowLimits::NONE);
}

#[test]
fn each_access_can_fail_and_is_told_with_its_register() {
    for accesses in 0..4 {
        let fake = Fake::default();
        fake.fails_after(accesses, Fault::Silent { cycles: 1000 });
        let Err(FindError::Bus(error)) = Offload::find(fake) else { panic!("found") };
        assert_eq!(error.at, accesses as u16 * 4);
        assert!(error.to_string().starts_with("reading the register at 0x0"), "{error}");
    }
}

#[test]
fn verdicts_are_switched_and_nothing_beside_them() {
    let offload = found();
    offload.install(&RuleSet::EMPTY.on_missing(OnMiss::Queue(9))).unwrap();
    offload.bus().take();
    offload.judge(Verdicts { ipv4: false, tcp: true }).unwrap();
    assert_eq!(passed(&offload), [(0x010, None), (0x010, Some(0x0009_0102))]);
    assert_eq!(offload.verdicts(), Ok(Verdicts { ipv4: false, tcp: true }));
}

#[test]
fn finishing_is_switched_and_nothing_beside_it() {
    let offload = found();
    offload.install(&RuleSet::EMPTY.on_missing(OnMiss::Queue(9))).unwrap();
    offload.judge(Verdicts { ipv4: true, tcp: true }).unwrap();
    offload.bus().take();
    offload.finish(Finishes { ipv4: true, tcp: false }).unwrap();
    assert_eq!(passed(&offload), [(0x010, None), (0x010, Some(0x0009_0107))]);
    offload.finish(Finishes { ipv4: false, tcp: true }).unwrap();
    assert_eq!(offload.finishes(), Ok(Finishes { ipv4: false, tcp: true }));
    offload.judge(Verdicts::default()).unwrap();
    assert_eq!(offload.finishes(), Ok(Finishes { ipv4: false, tcp: true }));
    assert_eq!(offload.bus().inner().written(0x010), 0x0009_0108);
}

#[test]
fn of_a_device_without_a_sending_side_nothing_is_asked_and_nothing_switched_on() {
    let fake = Fake::default();
    fake.says(1, 1 << 16);
    fake.says(2, 0xff3);
    let offload = Offload::find(Recording::new(fake)).unwrap();
    offload.bus().take();
    assert_eq!(offload.tx_counters(), Ok(TxCounters::default()));
    assert_eq!(offload.tx_last_drop(), Ok(None));
    assert_eq!(passed(&offload), []);
    offload.finish(Finishes { ipv4: true, tcp: true }).unwrap();
    assert_eq!(offload.finishes(), Ok(Finishes::default()));
    let capabilities = offload.capabilities(Provider::Model);
    assert_eq!(capabilities.advert(Capability::TxTcpChecksum), None);
}

#[test]
fn a_rule_is_laid_down_word_by_word_and_takes_effect_by_one_commit_the_last() {
    let offload = found();
    let rule = connection().counted().marked(0xcafe_f00d).at_priority(5);
    offload.install(&RuleSet::new(vec![rule], OnMiss::NotOurs).unwrap()).unwrap();
    let passed = passed(&offload);
    let addresses = (0x0a09_0001, 0x0a09_0002);
    assert_eq!(
        passed[..14],
        [
            (0x188, None),
            (0x050, None),
            (0x020, Some(0)),
            (0x024, Some(addresses.0)),
            (0x028, Some(addresses.1)),
            (0x02c, Some(9878 << 16 | 40_000)),
            (0x030, Some(1)),
            (0x034, Some(u32::MAX)),
            (0x038, Some(u32::MAX)),
            (0x03c, Some(u32::MAX)),
            // TCP, and no ARP: bits 16 and 30 of the key.
            (0x040, Some(1 | 1 << 14)),
            (0x048, Some(0xcafe_f00d)),
            (0x044, Some(1 | 1 << 2 | 1 << 3 | 5 << 4 | 3 << 8)),
            (0x04c, Some(1)),
        ]
    );
    // The other places are emptied, then the writes are counted, then what no rule matches is settled. A reset is asked for
    // before all of it and behind it.
    for (place, three) in passed[14..59].chunks(3).enumerate() {
        let place = place as u32 + 1;
        assert_eq!(three, [(0x020, Some(place)), (0x044, Some(0)), (0x04c, Some(1))]);
    }
    let settled = [(0x050, None), (0x010, None), (0x010, Some(0)), (0x188, None)];
    assert_eq!(passed[59..], settled);
    assert_eq!(offload.flow_generation(), Ok(16));
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_written() {
    let offload = found();
    let by_prefix = |bits: u8| {
        let src = AddrMatch::prefix(Ipv4Addr::new(10, 0, 0, 1), bits);
        FlowRule::new(Pattern { src, ..Pattern::TCP }, Fate::Drop).at_priority(u32::from(bits) % 16)
    };
    let full = (1..=17).map(|host| {
        let src = AddrMatch::exact(Ipv4Addr::new(10, 0, 0, host));
        FlowRule::new(Pattern { src, ..Pattern::TCP }, Fate::Queue(0))
    });
    let refused = |rules: Vec<FlowRule>, on_miss| {
        let error = offload.install(&RuleSet::new(rules, on_miss).unwrap()).unwrap_err();
        let FlowError::Refused(refused) = error else { panic!("{error}") };
        assert_eq!(passed(&offload), [], "{refused}");
        refused.limit
    };
    assert!(matches!(refused(full.collect(), OnMiss::NotOurs), Limit::Rules { max: 16, .. }));
    let low = vec![by_prefix(3).at_priority(16)];
    assert!(matches!(refused(low, OnMiss::NotOurs), Limit::Priority { priority: 16, max: 15, .. }));
    let queue = vec![FlowRule {
        actions: FlowRule::new(Pattern::TCP, Fate::Queue(16)).actions,
        ..by_prefix(3)
    }];
    assert!(matches!(refused(queue, OnMiss::NotOurs), Limit::Queue { queue: 16, queues: 16, .. }));
    assert!(matches!(refused(vec![], OnMiss::Queue(16)), Limit::Queue { queue: 16, .. }));
    // And the table takes sixteen.
    offload
        .install(&RuleSet::new((1..=15).map(by_prefix).collect(), OnMiss::NotOurs).unwrap())
        .unwrap();
}

#[test]
fn a_commit_that_was_lost_is_noticed_by_the_count_of_writes() {
    let offload = found();
    let set = RuleSet::new(vec![connection().counted()], OnMiss::NotOurs).unwrap();
    offload.install(&set).unwrap();
    assert_eq!(offload.bus().inner().rule(0).actions & 1, 1);
    offload.bus().inner().loses_commits(true);
    let error = offload.install(&set).unwrap_err();
    assert_eq!(error, FlowError::Generation { expected: 32, found: 16 });
    assert!(error.to_string().contains("let one process have the device"), "{error}");
    offload.bus().inner().loses_commits(false);
    offload.install(&set).unwrap();
}

#[test]
fn a_bus_that_fails_anywhere_leaves_no_rule_rather_than_some() {
    let rules = vec![connection(), connection().at_priority(1)];
    let two = RuleSet::new(rules, OnMiss::Queue(3)).unwrap();
    let offload = found();
    offload.install(&two).unwrap();
    let accesses = offload.bus().take().len() as u32;
    for access in 0..accesses {
        let fake = offload.bus().inner();
        fake.fails_once_after(access, Fault::Refused { response: 2 });
        let Err(FlowError::Bus(error)) = offload.install(&two) else { panic!("{access}") };
        assert_eq!(error.fault, Fault::Refused { response: 2 });
        assert!((0..16).all(|place| fake.rule(place).actions & 1 == 0), "access {access}");
    }
    // Where it is gone for good, that is what is told.
    offload.bus().inner().fails_after(9, Fault::Gone);
    let Err(FlowError::Bus(error)) = offload.install(&two) else { panic!("installed") };
    assert_eq!(error.fault, Fault::Gone);
    offload.bus().inner().recovers();
    offload.install(&two).unwrap();
}

#[test]
fn a_count_is_of_one_moment_though_frames_go_on() {
    let offload = found();
    let rules = vec![connection().counted(), connection().at_priority(1)];
    offload.install(&RuleSet::new(rules, OnMiss::NotOurs).unwrap()).unwrap();
    offload.bus().take();
    let mut last = Count::default();
    for _ in 0..40 {
        let count = offload.flow_count(0).unwrap();
        assert_eq!(count.bytes, count.hits / 3 * 0x8000_0001, "{count:?}");
        assert!(count.hits > last.hits && count.bytes > last.bytes, "{count:?} after {last:?}");
        last = count;
        let words = [
            (0x020, Some(0)),
            (0x04c, Some(2)),
            (0x054, None),
            (0x058, None),
            (0x05c, None),
            (0x060, None),
            (0x188, None),
        ];
        assert_eq!(passed(&offload), words);
    }
    assert_eq!(offload.flow_count(1), Ok(Count::default()));
    assert_eq!(offload.flow_count(16), Err(FlowError::NoRule { rule: 16, rules: 16 }));
}

#[test]
fn a_rule_s_count_goes_on_where_the_device_s_goes_round() {
    let offload = found();
    let set = RuleSet::new(vec![connection().counted()], OnMiss::NotOurs).unwrap();
    for _ in 0..2 {
        offload.install(&set).unwrap();
        let fake = offload.bus().inner();
        assert!(offload.flow_count(0).unwrap().hits < 1_000);
        let mut last = Count::default();
        // Of 48 bits, half of which pass at a time.
        for _ in 0..5 {
            fake.waits(1 << 16);
            let count = offload.flow_count(0).unwrap();
            assert_eq!(count.bytes, count.hits / 3 * 0x8000_0001, "{count:?} after {last:?}");
            last = count;
        }
        assert!(last.bytes > 5 << 47, "{last:?}");
    }
    // With a reset it is gone, and so is what was counted.
    offload.bus().inner().resets();
    assert_eq!(offload.flow_count(0), Ok(Count::default()));
    offload.install(&set).unwrap();
    assert!(offload.flow_count(0).unwrap().hits < 1_000);
    offload.bus().inner().resets_always(true);
    assert_eq!(offload.flow_count(0), Err(FlowError::Reset));
}

#[test]
fn a_reset_while_rules_are_written_is_told_as_one_and_leaves_none() {
    let rules = vec![connection(), connection().at_priority(1)];
    let two = RuleSet::new(rules, OnMiss::Queue(3)).unwrap();
    let offload = found();
    offload.install(&two).unwrap();
    let accesses = offload.bus().take().len() as u32;
    let fake = offload.bus().inner();
    // One before the first access was before the rules.
    for access in 1..accesses {
        fake.resets_before(access);
        assert_eq!(offload.install(&two), Err(FlowError::Reset), "access {access}");
        assert!((0..16).all(|place| fake.rule(place).actions & 1 == 0), "access {access}");
        assert!(offload.take_events().unwrap().unwrap().was_reset(), "access {access}");
        offload.bus().take();
    }
    fake.resets();
    offload.install(&two).unwrap();
    assert_eq!((fake.rule(0).actions & 1, fake.rule(1).actions & 1), (1, 1));
    assert!(FlowError::Reset.to_string().contains("the device was reset"));
    // Who else writes is told by the count of writes, as before.
    fake.loses_commits(true);
    assert!(matches!(offload.install(&two), Err(FlowError::Generation { .. })));
}

#[test]
fn a_device_that_refuses_may_be_in_reset_and_says_so() {
    let offload = found();
    offload.bus().inner().fails_after(0, Fault::Refused { response: 2 });
    for sentence in [
        offload.verdicts().unwrap_err().to_string(),
        offload.install(&RuleSet::EMPTY).unwrap_err().to_string(),
        offload.counters().unwrap_err().to_string(),
        Fault::Gone.to_string(),
    ] {
        assert!(sentence.contains("in reset") && sentence.contains("released"), "{sentence}");
    }
}

#[test]
fn counters_go_on_where_the_device_s_go_round() {
    let offload = found();
    let fake = offload.bus().inner();
    assert_eq!((offload.counters(), offload.last_drop()), (Ok(Counters::default()), Ok(None)));
    let mut sum = 0;
    for frames in [5, u32::MAX, 7, u32::MAX - 1] {
        fake.counts(0, frames);
        fake.counts(4, 2);
        sum += u64::from(frames);
        let counters = offload.counters().unwrap();
        assert_eq!(counters.delivered, sum);
    }
    let counters = offload.counters().unwrap();
    assert_eq!(counters, Counters { delivered: sum, not_ours: 8, ..Counters::default() });
    assert_eq!((counters.frames(), counters.dropped()), (sum + 8, 8));
    for (name, reason) in [
        (1, DropReason::MacError),
        (2, DropReason::TooLong),
        (3, DropReason::BufferFull),
        (4, DropReason::NotOurs),
        (5, DropReason::FlowDrop),
    ] {
        fake.counts(name, 1);
        assert_eq!(offload.last_drop(), Ok(Some(reason)));
    }
    assert_eq!(offload.tx_counters(), Ok(TxCounters::default()));
}

#[test]
fn counters_of_frames_to_send_go_on_likewise() {
    let offload = found();
    let fake = offload.bus().inner();
    let none = (Ok(TxCounters::default()), Ok(None));
    assert_eq!((offload.tx_counters(), offload.tx_last_drop()), none);
    let mut sums = [0u64; 4];
    for frames in [[5, 1, 2, 3], [u32::MAX, 0, u32::MAX - 1, 9], [7, u32::MAX, 4, u32::MAX]] {
        for (name, frames) in frames.into_iter().enumerate() {
            fake.counts_sent(name, frames);
            sums[name] += u64::from(frames);
        }
        let [finished, passed, too_long, lengths] = sums;
        let counters = TxCounters { finished, passed, too_long, lengths };
        assert_eq!(offload.tx_counters(), Ok(counters));
        assert_eq!(counters.frames(), sums.iter().sum::<u64>());
        assert_eq!(counters.dropped(), too_long + lengths);
    }
    for (name, reason) in [(2, DropReason::TooLong), (3, DropReason::Lengths)] {
        fake.counts_sent(name, 1);
        assert_eq!(offload.tx_last_drop(), Ok(Some(reason)));
    }
    // What is received counts by itself.
    assert_eq!((offload.counters(), offload.last_drop()), (Ok(Counters::default()), Ok(None)));
}

#[test]
fn the_clock_is_slewed_stepped_and_read_whole() {
    let offload = found();
    let period = Period { ns: 6, fraction: 0x6666_6666 };
    assert_eq!(Period::of_hz(156_250_000), Some(period));
    offload.set_period(period).unwrap();
    assert_eq!(passed(&offload), [(0x084, Some(6)), (0x080, Some(0x6666_6666)), (0x094, Some(1))]);
    let time = TimeOfDay { seconds: 0x1234_ffff_ffff, ns: 999_999_999 };
    offload.step_to(time).unwrap();
    let words = [
        (0x088, Some(0xffff_ffff)),
        (0x08c, Some(0x1234)),
        (0x090, Some(999_999_999)),
        (0x094, Some(2)),
    ];
    assert_eq!(passed(&offload), words);
    let units = |reading: Reading| {
        let ns = u128::from(reading.time.seconds) * 1_000_000_000 + u128::from(reading.time.ns);
        (ns << 16 | u128::from(reading.fraction), u128::from(reading.count))
    };
    let first = offload.now().unwrap();
    let words = [0x098, 0x09c, 0x0a0, 0x0a4, 0x0a8, 0x0ac, 0x0b0].map(|at| (at, None));
    assert_eq!(passed(&offload), [&[(0x094, Some(4))], &words[..]].concat());
    assert!(first.generation == 1 && first.time.seconds >= 0x1235_0000_0000, "{first:?}");
    let mut last = units(first);
    for _ in 0..20 {
        let now = units(offload.now().unwrap());
        // Both by as much: a word of another moment would be off by a third of a second.
        assert_eq!(now.0 - last.0, now.1 - last.1);
        last = now;
    }
}

#[test]
fn the_clock_s_count_goes_round() {
    let offload = found();
    offload.set_period(Period { ns: 1, fraction: 0 }).unwrap();
    let last = offload.now().unwrap();
    // A third of a second and a bit at a time, 2^48 ns of which are some 844,000.
    offload.bus().inner().waits(844_450);
    let now = offload.now().unwrap();
    let units = |reading: Reading| {
        (reading.time.seconds * 1_000_000_000 + u64::from(reading.time.ns)) as u128 * 65_536
            + u128::from(reading.fraction)
    };
    let passed = units(now) - units(last);
    assert_eq!(now.count.wrapping_sub(last.count), passed as u64);
    assert!(passed > 1 << 64 && u128::from(now.count) < passed, "{now:?} after {last:?}");
}

#[test]
fn a_latch_takes_what_was_before_a_write_of_the_same_word() {
    let offload = found();
    let set = RuleSet::new(vec![connection().counted()], OnMiss::NotOurs).unwrap();
    offload.install(&set).unwrap();
    latches_what_was(&offload);
}

/// The rule at place 0 counts, and has matched. Likewise on the design.
pub(crate) fn latches_what_was(offload: &Offload<impl Bus>) {
    let bus = offload.bus();
    let latched = || bus.read32(0x054).unwrap();
    // The rule anew, and its counts.
    bus.write32(0x020, 0).unwrap();
    bus.write32(0x044, 0).unwrap();
    let generation = offload.flow_generation().unwrap();
    bus.write32(0x04c, 3).unwrap();
    assert!(latched() > 0, "of the rule that was");
    assert_eq!(offload.flow_generation(), Ok(generation + 1));
    bus.write32(0x04c, 2).unwrap();
    assert_eq!(latched(), 0);
    // A time, and what it is.
    offload.set_period(Period { ns: 6, fraction: 0 }).unwrap();
    offload.step_to(TimeOfDay { seconds: 100, ns: 0 }).unwrap();
    bus.write32(0x088, 20_000).unwrap();
    bus.write32(0x094, 6).unwrap();
    let seconds = |at| bus.read32(at).unwrap();
    assert!((100..200).contains(&seconds(0x0a0)), "{}", seconds(0x0a0));
    assert_eq!(seconds(0x0b0), 1, "of the generation that was");
    let now = offload.now().unwrap();
    assert!(now.time.seconds >= 20_000 && now.generation == 2, "{now:?}");
}

#[test]
fn a_time_that_is_none_is_refused_before_anything_is_written() {
    let offload = found();
    for time in [TimeOfDay { seconds: 1 << 48, ns: 0 }, TimeOfDay { seconds: 0, ns: 1_000_000_000 }]
    {
        assert_eq!(offload.step_to(time), Err(ClockError::NoTime(time)));
    }
    assert_eq!(passed(&offload), []);
}

#[test]
fn a_period_is_to_the_nearest_unit_and_has_room() {
    for (hz, ns) in [(1_000_000_000, 1), (125_000_000, 8), (4_000_000, 250)] {
        assert_eq!(Period::of_hz(hz), Some(Period { ns, fraction: 0 }));
    }
    for hz in [0, 1, 3_900_000] {
        assert_eq!(Period::of_hz(hz), None);
    }
    let period = Period::of_hz(322_265_625).unwrap();
    // Off by less than half a unit: 2^-33 ns in 3.1, which is below 10^-10.
    let off = 1e9 / 322_265_625.0 - period.units() as f64 / 2f64.powi(32);
    assert!(off.abs() < 2f64.powi(-33), "{off}");
    let faster = period.faster_by_ppb(1_000_000).unwrap();
    assert_eq!(faster.units(), period.units() + period.units() / 1000);
    assert_eq!(Period { ns: 255, fraction: u32::MAX }.faster_by_ppb(1_000), None);
    assert_eq!(period.faster_by_ppb(-1_000_000_000), None);
}

#[test]
fn what_was_measured_of_mac_and_board_is_kept_in_the_device() {
    let offload = found();
    offload.keep_ingress_ns(312).unwrap();
    assert_eq!((offload.ingress_ns(), offload.bus().inner().written(0x014)), (Ok(312), 312));
}
