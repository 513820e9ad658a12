//! NICs that misbehave, by configuration and while they run.

use fixwire_offload::flow::{Fate, FlowRule, OnMiss};

use super::*;

const FRAMES_SENT: u64 = 400;

fn connection() -> FlowRule {
    let peer = "10.9.0.1:12345".parse().unwrap();
    FlowRule::connection(peer, "10.9.0.2:5001".parse().unwrap(), 0).counted()
}

fn rules() -> RuleSet {
    RuleSet::new(vec![connection()], OnMiss::Queue(0)).unwrap()
}

fn pair_with(name: &str, faults: NicFaults, seed: u64) -> (SimNic, SimNic, Wire) {
    let b = Model { faults, ..named(name) };
    running_pair(Config { a: Model::bare(), b, ..Config::default() }, seed)
}

/// What a model says of many frames like `frame`.
fn said(name: &str, faults: NicFaults, seed: u64, frame: &[u8]) -> Vec<RxMeta> {
    let (mut a, mut b, wire) = pair_with(name, faults, seed);
    let mut all = Vec::new();
    for _ in 0..FRAMES_SENT {
        send(&mut a, frame, FULL);
        wire.advance(Duration::from_us(1));
        all.extend(receive(&mut b).into_iter().map(|(meta, _)| meta));
    }
    all
}

fn wrong() -> Vec<u8> {
    let mut frame = tcp_frame(PAYLOAD);
    frame[22] ^= 1; // TTL: under the IPv4 checksum alone.
    frame[L4 + 30] ^= 1;
    frame
}

#[test]
fn flags_that_lie_and_false_alarms_come_at_their_rates_in_the_words_of_the_driver() {
    use Verdict::{Bad, Good, Unknown};
    let lies = NicFaults { lies_ppm: 200_000, ..NicFaults::default() };
    let alarms = NicFaults { alarms_ppm: 200_000, ..NicFaults::default() };
    for (name, of_right, of_wrong) in [
        ("connectx5", Good, Unknown),
        ("e810", Good, Bad),
        ("82576", Good, Bad),
        ("82574", Unknown, Bad),
    ] {
        for (faults, frame, usual, struck) in
            [(lies, wrong(), of_wrong, of_right), (alarms, tcp_frame(PAYLOAD), of_right, of_wrong)]
        {
            let said = said(name, faults, 1, &frame);
            let count = |of: fn(&RxMeta) -> Verdict, verdict| {
                said.iter().filter(|meta| of(meta) == verdict).count() as u64
            };
            for of in [|meta: &RxMeta| meta.l3, |meta: &RxMeta| meta.l4] {
                let found = count(of, struck);
                assert!((50..110).contains(&found), "{name}: {found} of 80 expected");
                assert_eq!(count(of, usual), FRAMES_SENT - found, "{name}");
            }
            let both = said.iter().filter(|meta| (meta.l3, meta.l4) == (struck, struck)).count();
            assert!(both < 40, "{name}: {both} of 16 expected, each layer by itself");
        }
        // Neither strikes what the other is for.
        assert!(said(name, lies, 1, &tcp_frame(PAYLOAD)).iter().all(|meta| meta.l4 == of_right));
        assert!(said(name, alarms, 1, &wrong()).iter().all(|meta| meta.l4 == of_wrong));
    }
}

#[test]
fn stamps_vanish_at_their_rate_and_the_others_are_as_they_were() {
    let faults = NicFaults { stamps_missing_ppm: 200_000, ..NicFaults::default() };
    let with = said("connectx5", faults, 1, &tcp_frame(PAYLOAD));
    let without = said("connectx5", NicFaults::default(), 1, &tcp_frame(PAYLOAD));
    let missing = with.iter().filter(|meta| meta.stamp.is_none()).count();
    assert!((50..110).contains(&missing), "{missing} of 80 expected");
    for (with, without) in with.iter().zip(&without) {
        assert!(with.stamp.is_none() || with == without);
    }
}

#[test]
fn a_frame_whose_receive_fails_is_counted_and_those_before_and_behind_it_come_as_they_were() {
    for (name, policy) in
        [("connectx5", Policy::Prefer), ("connectx5", Policy::Off), ("e810", Policy::Prefer)]
    {
        let config = Config { b: named(name), ..Config::default() };
        let (a, b, wire) = pair(config, 3);
        let (mut a, mut b) = (running(a, Policy::Prefer).0, running(b, policy).0);
        let faults = NicFaults { receive_fails_ppm: 200_000, ..NicFaults::default() };
        wire.set_nic_faults(End::B, faults);
        let mut came = Vec::new();
        for first in (0..200).step_by(40) {
            // All of them wait when the first is polled.
            (first..first + 40).for_each(|number| send(&mut a, &numbered(number), FULL));
            wire.advance(Duration::from_us(1));
            let received = receive(&mut b);
            assert!(received.iter().all(|(_, frame)| *frame == numbered(frame[L4 + 20])), "{name}");
            came.extend(numbers(&received));
        }
        assert!(came.is_sorted(), "{name} {policy:?}: {came:?}");
        let failed = b.counters().rx_errors;
        assert!((20..60).contains(&failed), "{name} {policy:?}: {failed} of 40 expected");
        assert_eq!(came.len() as u64 + failed, 200, "{name} {policy:?}");
        assert_eq!(b.counters().rx_frames, came.len() as u64, "{name} {policy:?}");
    }
}

#[test]
fn the_same_seed_is_the_same_run_and_another_is_not() {
    let faults = NicFaults {
        lies_ppm: 100_000,
        alarms_ppm: 100_000,
        stamps_missing_ppm: 100_000,
        ..NicFaults::default()
    };
    for name in ["connectx5", "bnxt", "ena"] {
        let run =
            |seed| [tcp_frame(PAYLOAD), wrong()].map(|frame| said(name, faults, seed, &frame));
        assert_eq!(run(1), run(1), "{name}");
        assert_ne!(run(1), run(2), "{name}");
    }
}

#[test]
fn a_refused_rule_leaves_the_host_to_steer_and_an_isolated_port_open_again() {
    for name in ["connectx5", "sim", "e810", "bnxt"] {
        let faults = NicFaults { refuses_rules: true, ..NicFaults::default() };
        let b = Model { faults, ..named(name) };
        let (a, b, wire) = pair(Config { b, ..Config::default() }, 0);
        let device = Device::probed(b).plan(&Profile::all(Policy::Prefer), rules());
        let isolates = device.plan().uses(Capability::FlowIsolation);
        assert_eq!(isolates, matches!(name, "connectx5" | "sim"));
        let started = device.configure().unwrap().start().unwrap();
        let (mut b, plan) = started.steer().unwrap();
        let reason = &plan.row(Capability::FlowSteering).reason;
        assert!(reason.contains("a rule was refused") && reason.contains("ENOSPC"), "{reason}");
        assert!(!plan.uses(Capability::FlowIsolation), "{name}");
        let (mut a, _) = running(a, Policy::Prefer);
        send(&mut a, &numbered(1), FULL);
        wire.advance(Duration::from_us(1));
        assert_eq!(numbers(&receive(&mut b)), [1], "{name}: traffic flows");
        assert_eq!(b.counters().rx_flow_not_ours, 0, "{name}");
    }
}

#[test]
fn a_driver_that_refuses_priorities_when_a_rule_is_created_steers_without_where_none_decides() {
    let faults = NicFaults { refuses_priorities: true, ..NicFaults::default() };
    let to = |port| std::net::SocketAddrV4::new([10, 0, 0, 2].into(), port);
    let listeners = [1, 2].map(|port| FlowRule::listener(to(port), 0));
    let wins = FlowRule::new(listeners[0].pattern, Fate::Drop).at_priority(0);
    for (rules, steers) in
        [(vec![listeners[0], listeners[1]], true), (vec![wins, listeners[0]], false)]
    {
        let b = Model { faults, ..named("connectx5") };
        let (_, b, _) = pair(Config { b, ..Config::default() }, 0);
        let rules = RuleSet::new(rules, OnMiss::Queue(0)).unwrap();
        let device = Device::probed(b).plan(&Profile::all(Policy::Prefer), rules);
        let started = device.configure().unwrap().start().unwrap();
        let (_, plan) = started.steer().unwrap();
        assert_eq!(plan.uses(Capability::FlowSteering), steers);
        assert_eq!((plan.uses(Capability::FlowIsolation), plan.counts_all()), (steers, steers));
        let reason = &plan.row(Capability::FlowSteering).reason;
        assert!(reason.contains("mlx5_pci knows priority 0 alone (ENOTSUP)"), "{reason}");
        assert_eq!(reason.starts_with("all rules at one priority: "), steers, "{reason}");
        let priorities = |rules: &RuleSet| rules.rules().iter().map(|rule| rule.priority).max();
        assert_eq!(priorities(plan.rules()) == Some(0), steers);
    }
}

#[test]
fn a_restart_takes_the_rules_of_a_driver_that_does_not_keep_them_or_that_has_lost_them() {
    let loses = NicFaults { loses_rules: true, ..NicFaults::default() };
    for (name, faults, kept) in [
        ("connectx5", NicFaults::default(), false),
        ("sim", NicFaults::default(), true),
        ("sim", loses, false),
    ] {
        let b = Model { faults, ..named(name) };
        let (a, b, wire) = pair(Config { b, ..Config::default() }, 0);
        let (mut b, plan) = steered(b, Policy::Prefer, rules());
        assert!(plan.uses(Capability::FlowIsolation));
        let (mut a, _) = running(a, Policy::Prefer);
        send(&mut a, &numbered(1), FULL);
        wire.advance(Duration::from_us(1));
        wire.restart(End::B);
        assert!(receive(&mut b).is_empty(), "{name}: what waited is lost");
        send(&mut a, &numbered(2), FULL);
        wire.advance(Duration::from_us(1));
        // Isolated and without a rule, nothing comes any more.
        assert_eq!(receive(&mut b).len(), usize::from(kept), "{name}");
        assert_eq!(b.flow_count(0).is_some(), kept, "{name}");
    }
}

#[test]
fn a_stalled_queue_gives_nothing_until_it_is_released_and_its_ring_overflows_meanwhile() {
    let config = Config { rx_descriptors: 8, ..Config::default() };
    let (mut a, mut b, wire) = running_pair(config, 0);
    wire.set_nic_faults(End::B, NicFaults { stalled: true, ..NicFaults::default() });
    for number in 0..10 {
        send(&mut a, &numbered(number), FULL);
    }
    wire.advance(Duration::from_us(1));
    assert!(receive(&mut b).is_empty());
    assert_eq!(wire.next_delivery(), None, "nothing that a poll would get");
    assert_eq!(b.counters().rx_ring_full, 2);
    send(&mut b, &numbered(99), FULL);
    wire.advance(Duration::from_us(1));
    assert_eq!(numbers(&receive(&mut a)), [99], "the way out goes on");
    wire.set_nic_faults(End::B, NicFaults::default());
    assert_eq!(wire.next_delivery(), Some(ns(1_000)));
    let received = receive(&mut b);
    assert_eq!(numbers(&received), [0, 1, 2, 3, 4, 5, 6, 7]);
    let at = received[0].0.stamp.map(|stamp| stamp.ticks);
    assert_eq!(at, Some(1_000), "stamped when it arrived");
}

#[test]
fn rules_outlive_a_link_that_flaps() {
    let (a, b, wire) = pair(Config { b: named("connectx5"), ..Config::default() }, 0);
    let (mut b, _) = steered(b, Policy::Prefer, rules());
    let (mut a, _) = running(a, Policy::Prefer);
    for number in 0..3 {
        wire.set_plugged(false);
        assert_eq!(b.link(), Link::Down);
        send(&mut a, &numbered(100 + number), FULL);
        wire.advance(Duration::from_us(1));
        wire.set_plugged(true);
        assert_eq!(b.link(), Link::Up);
        send(&mut a, &numbered(number), FULL);
        wire.advance(Duration::from_us(1));
    }
    assert_eq!(numbers(&receive(&mut b)), [0, 1, 2]);
    assert_eq!(b.flow_count(0).map(|count| count.hits), Some(3));
}

#[test]
fn each_end_misbehaves_by_itself() {
    let (mut a, mut b, wire) = running_pair(Config::default(), 0);
    let silent = NicFaults { stamps_missing_ppm: 1_000_000, ..NicFaults::default() };
    wire.set_nic_faults(End::A, silent);
    send(&mut a, &numbered(1), FULL);
    send(&mut b, &numbered(2), FULL);
    wire.advance(Duration::from_us(1));
    assert!(receive(&mut a)[0].0.stamp.is_none());
    assert!(receive(&mut b)[0].0.stamp.is_some());
}
