//! Orders traded on NIC models that misbehave while they run.

use fixwire::app::SessionId;
use fixwire::app::taker::Taker;
use fixwire::offload::capability::Capability;
use fixwire::offload::flow::{AddrMatch, Carries, Fate, FlowRule, Pattern, PortMatch, TcpMatch};
use fixwire::offload::observe::{Demotion, DeviceEvent, Doubt, Drift, Observed};
use fixwire::offload::plan::Capabilities;
use fixwire::offload::profile::{Policy, Profile};
use fixwire::offload::verdict::Audit;
use fixwire::time::Duration;
use fixwire_hw::sim::{self, Direction, End, Faults, Model, ModelClock, NicFaults};

use crate::common::{Pair, Terms};

const ORDERS: u64 = 500;

/// A pair on a catalogue's model, every offload on and every frame audited.
fn pair(model: Model) -> Pair<Taker> {
    pair_by(model, |profile| profile)
}

/// The same with another profile for both.
fn pair_by(model: Model, changed: impl FnOnce(Profile) -> Profile) -> Pair<Taker> {
    let mut profile = changed(Profile::all(Policy::Prefer));
    profile.rx_checksum_audit = Audit::Always;
    Pair::new(Terms::of(model, &profile), Taker::new(ORDERS, 1))
}

fn connectx5() -> Model {
    Model::named("connectx5").expect("it is in the catalogue")
}

fn trade_until(pair: &mut Pair<Taker>, reports: u64) {
    for _ in 0..2_000_000 {
        if pair.ours.app().reports_received() >= reports {
            return;
        }
        pair.step();
    }
    panic!("stuck at {} of {reports}", pair.ours.app().reports_received());
}

fn trade_to_the_end(pair: &mut Pair<Taker>, what: &str) {
    for _ in 0..2_000_000 {
        if pair.ours.app().is_done() {
            assert_eq!(pair.theirs.app().fills(), ORDERS, "{what}");
            assert_eq!(pair.ours.app().tally(SessionId(0)).unexpected, 0, "{what}");
            return;
        }
        pair.step();
    }
    panic!("{what}: stuck at {} of {ORDERS}", pair.ours.app().reports_received());
}

fn counter(pair: &Pair<Taker>, name: &str) -> u64 {
    pair.ours.counters().find(|(known, _)| *known == name).map_or(0, |(_, count)| count)
}

fn events(pair: &mut Pair<Taker>) -> Vec<DeviceEvent> {
    std::iter::from_fn(|| pair.ours.next_device_event()).collect()
}

#[test]
fn a_device_that_isolates_and_steers_is_proven_to() {
    let mut pair = pair(connectx5());
    trade_to_the_end(&mut pair, "steered");
    for capability in [Capability::FlowSteering, Capability::FlowIsolation] {
        assert!(pair.ours.plan().uses(capability), "{capability}");
    }
    let evidence = pair.ours.observations().of(Capability::FlowSteering);
    assert_eq!(evidence.observed(), Observed::Proven);
}

#[test]
fn a_device_that_refuses_its_rules_is_steered_for() {
    for name in ["connectx5", "e810", "sim"] {
        let faults = NicFaults { refuses_rules: true, ..NicFaults::default() };
        let mut pair = pair(Model { faults, ..Model::named(name).unwrap() });
        trade_to_the_end(&mut pair, name);
        assert!(!pair.ours.plan().uses(Capability::FlowSteering), "{name}");
    }
}

#[test]
fn a_queue_that_stalls_is_a_pause_and_loses_no_order() {
    let mut pair = pair(connectx5());
    trade_until(&mut pair, 100);
    pair.wire.set_nic_faults(End::A, NicFaults { stalled: true, ..NicFaults::default() });
    pair.run_for(Duration::from_ms(500));
    let before = pair.ours.app().reports_received();
    pair.run_for(Duration::from_ms(500));
    assert_eq!(pair.ours.app().reports_received(), before);
    pair.wire.set_nic_faults(End::A, NicFaults::default());
    trade_to_the_end(&mut pair, "stalled");
}

#[test]
fn goods_that_lie_are_found_out_and_nothing_altered_is_delivered() {
    let mut pair = pair(connectx5());
    pair.set_faults(Faults { corrupt_ppm: 20_000, ..Faults::default() });
    for end in [End::A, End::B] {
        let faults = NicFaults { lies_ppm: 500_000, ..NicFaults::default() };
        pair.wire.set_nic_faults(end, faults);
    }
    trade_to_the_end(&mut pair, "lies");
    let evidence = pair.ours.observations().of(Capability::RxTcpChecksum);
    assert_eq!(evidence.observed(), Observed::Refuted);
}

#[test]
fn a_liar_that_hands_over_unfinished_sums_is_demoted_and_they_are_taken_all_the_same() {
    for name in ["virtio", "tap"] {
        let mut pair = pair(Model::named(name).unwrap());
        trade_until(&mut pair, 100);
        pair.set_faults(Faults { corrupt_ppm: 20_000, ..Faults::default() });
        let lies = NicFaults { lies_ppm: 1_000_000, ..NicFaults::default() };
        pair.wire.set_nic_faults(End::A, lies);
        trade_to_the_end(&mut pair, name);
        let evidence = pair.ours.observations().of(Capability::RxTcpChecksum);
        assert_eq!(evidence.observed(), Observed::Refuted, "{name}");
        assert!(counter(&pair, "rx_checksum_partial") > ORDERS / 2, "{name}");
    }
}

#[test]
fn a_clock_that_jumps_ahead_or_stands_still_is_demoted_by_the_host_s() {
    let stuck = ModelClock { ticks_per_s: 0, ..connectx5().clock };
    let ahead = NicFaults { clock_jump_ns: 3_600_000_000_000, ..NicFaults::default() };
    for (clock, faults, drift) in [
        (connectx5().clock, ahead, Drift::StampRanAhead),
        (stuck, NicFaults::default(), Drift::StampStoodStill),
    ] {
        let mut pair = pair(Model { clock, ..connectx5() });
        trade_until(&mut pair, 100);
        pair.run_for(Duration::from_ms(200));
        pair.wire.set_nic_faults(End::A, faults);
        trade_to_the_end(&mut pair, "clock");
        // Heartbeats are frames as well.
        pair.run_for(Duration::from_s(100));
        let demotion = Demotion { capability: Capability::RxTimestamp, drift };
        assert_eq!(events(&mut pair), [DeviceEvent::Demoted(demotion)]);
    }
}

#[test]
fn a_requirement_that_is_refuted_is_known_and_a_preference_is_not_one() {
    for (policy, expected) in
        [(Policy::Require, Some(Capability::RxTcpChecksum)), (Policy::Prefer, None)]
    {
        let mut pair =
            pair_by(connectx5(), |profile| profile.with(Capability::RxTcpChecksum, policy));
        trade_until(&mut pair, 10);
        assert_eq!(pair.ours.refuted_requirement(), None, "{policy}");
        let faults = Faults { corrupt_ppm: 200_000, ..Faults::default() };
        pair.wire.set_faults(Direction::BToA, faults);
        let lies = NicFaults { lies_ppm: 1_000_000, ..NicFaults::default() };
        pair.wire.set_nic_faults(End::A, lies);
        trade_to_the_end(&mut pair, "required");
        assert_eq!(pair.ours.refuted_requirement(), expected, "{policy}");
    }
}

#[test]
fn false_alarms_drop_no_frame() {
    for name in ["connectx5", "e810"] {
        let faults = NicFaults { alarms_ppm: 300_000, ..NicFaults::default() };
        let mut pair = pair(Model { faults, ..Model::named(name).unwrap() });
        trade_to_the_end(&mut pair, name);
        assert_eq!(counter(&pair, "tcp_checksum_wrong"), 0, "{name}");
        assert_eq!(counter(&pair, "nic_said_bad_but_good") > 0, name == "e810", "{name}");
    }
}

#[test]
fn a_stamp_that_vanishes_is_counted_and_one_that_goes_back_demotes_and_the_orders_go_on() {
    let faults = NicFaults { stamps_missing_ppm: 200_000, ..NicFaults::default() };
    let mut pair = pair(Model { faults, ..connectx5() });
    trade_until(&mut pair, 100);
    pair.wire.set_nic_faults(End::A, NicFaults { clock_jump_ns: -1_000_000_000, ..faults });
    trade_to_the_end(&mut pair, "stamps");
    assert!(counter(&pair, "rx_stamp_missing") > 10);
    assert_eq!(counter(&pair, "rx_stamp_backwards"), 1);
    let demotion = Demotion { capability: Capability::RxTimestamp, drift: Drift::StampWentBack };
    assert_eq!(events(&mut pair), [DeviceEvent::Demoted(demotion)]);
}

/// Orders are traded to the end, though the first NIC is started anew on the way and loses its rules.
fn trade_over_a_restart(mut model: Model, what: &str) -> Pair<Taker> {
    model.faults.loses_rules = true;
    let mut pair = pair(model);
    trade_until(&mut pair, 100);
    pair.wire.restart(End::A);
    trade_to_the_end(&mut pair, what);
    pair
}

#[test]
fn rules_lost_on_a_restart_are_installed_anew_where_counters_show_it_and_where_silence_does() {
    for (name, counts, isolates, doubt) in [
        ("sim", true, true, Some(Doubt::CounterLost)),
        ("connectx5", true, true, Some(Doubt::CounterLost)),
        ("sim", false, true, Some(Doubt::Silence)),
        // It lets everything in: nothing is lost, and the counters show it all the same.
        ("sim", true, false, Some(Doubt::CounterLost)),
        ("sim", false, false, None),
    ] {
        let mut model = Model::named(name).unwrap();
        let lacks = [(counts, Capability::FlowCount), (isolates, Capability::FlowIsolation)];
        for (_, lacking) in lacks.into_iter().filter(|(has, _)| !has) {
            model.capabilities = model.capabilities.without(lacking);
        }
        model.capabilities.flow.isolation = isolates;
        let what = format!("{name}, counts: {counts}, isolates: {isolates}");
        let mut pair = trade_over_a_restart(model, &what);
        pair.run_for(Duration::from_s(1));
        let expected: Vec<_> = doubt.map(DeviceEvent::RulesInstalled).into_iter().collect();
        assert_eq!(events(&mut pair), expected, "{what}");
        assert_eq!(counter(&pair, "nic_rules_installed_anew"), expected.len() as u64, "{what}");
        if counts && isolates {
            // Those since the last look before the restart are lost, and no others.
            let hits = pair.ours.flow_count(0).unwrap().hits;
            assert!(hits > ORDERS - 100, "{what}: {hits}");
        }
    }
}

#[test]
fn a_link_that_was_down_brings_the_rules_into_doubt_and_no_order_is_lost() {
    let mut pair = pair(connectx5());
    trade_until(&mut pair, 100);
    pair.wire.set_plugged(false);
    pair.run_for(Duration::from_s(2));
    assert_eq!(
        events(&mut pair),
        [DeviceEvent::LinkDown, DeviceEvent::RulesInstalled(Doubt::Silence)]
    );
    pair.wire.set_plugged(true);
    trade_to_the_end(&mut pair, "link");
    assert_eq!(
        events(&mut pair),
        [DeviceEvent::LinkUp, DeviceEvent::RulesInstalled(Doubt::LinkCameUp)]
    );
    assert_eq!(counter(&pair, "nic_link_down"), 1);
}

#[test]
fn a_device_that_does_not_take_its_rules_again_is_asked_until_it_does_and_steered_for() {
    let mut pair = pair(connectx5());
    trade_until(&mut pair, 100);
    let refuses = NicFaults { refuses_rules: true, ..NicFaults::default() };
    pair.wire.set_nic_faults(End::A, refuses);
    pair.wire.restart(End::A);
    pair.run_for(Duration::from_ms(5_500));
    let drift = Drift::RulesRefused;
    let demotion = Demotion { capability: Capability::FlowSteering, drift };
    assert_eq!(events(&mut pair), [DeviceEvent::Demoted(demotion)]);
    // At the first look, and then once a second.
    assert_eq!(counter(&pair, "nic_rules_refused"), 6);
    let words = pair.ours.device_refusal(Capability::FlowSteering).unwrap();
    assert!(words.contains("has no room for it (ENOSPC)"), "{words}");
    pair.wire.set_nic_faults(End::A, NicFaults::default());
    trade_to_the_end(&mut pair, "refused");
    assert_eq!(events(&mut pair), [DeviceEvent::RulesInstalled(Doubt::CounterLost)]);
    assert_eq!(pair.ours.promote().as_slice(), [Capability::FlowSteering]);
}

#[test]
fn rules_that_are_taken_at_last_are_told_of_by_what_brought_them_into_doubt() {
    let mut pair = pair(Model { capabilities: without_counters(), ..connectx5() });
    trade_until(&mut pair, 100);
    let refuses = NicFaults { refuses_rules: true, ..NicFaults::default() };
    pair.wire.set_nic_faults(End::A, refuses);
    pair.wire.set_plugged(false);
    pair.run_for(Duration::from_ms(300));
    pair.wire.set_plugged(true);
    pair.run_for(Duration::from_ms(300));
    pair.wire.set_nic_faults(End::A, NicFaults::default());
    pair.run_for(Duration::from_s(2));
    let told = events(&mut pair);
    assert_eq!(told.last(), Some(&DeviceEvent::RulesInstalled(Doubt::LinkCameUp)), "{told:?}");
}

fn without_counters() -> Capabilities {
    connectx5().capabilities.without(Capability::FlowCount)
}

#[test]
fn rules_that_move_their_counters_are_proven_and_a_counter_that_stands_still_is_the_host_s() {
    let mut pair = pair(connectx5());
    trade_until(&mut pair, 100);
    pair.run_for(Duration::from_s(1));
    let observed = |pair: &Pair<Taker>, of| pair.ours.observations().of(of).observed();
    for proven in [Capability::FlowSteering, Capability::FlowCount, Capability::FlowMasked] {
        assert_eq!(observed(&pair, proven), Observed::Proven, "{proven}");
    }
    assert_eq!(observed(&pair, Capability::FlowIsolation), Observed::Passive);
    let counted = pair.ours.flow_count(0).unwrap().hits;
    assert!(counted > 100, "{counted}");
    pair.wire.restart(End::A);
    pair.run_for(Duration::from_s(1));
    assert!(
        pair.ours.flow_count(0).unwrap().hits >= counted,
        "what was counted before is not lost"
    );
    assert_eq!(events(&mut pair), [DeviceEvent::RulesInstalled(Doubt::CounterLost)]);
    let zero = NicFaults { counts_read_zero: true, ..NicFaults::default() };
    pair.wire.set_nic_faults(End::A, zero);
    // Heartbeats go on once there are no orders, and are counted.
    trade_to_the_end(&mut pair, "counters");
    pair.run_for(Duration::from_s(120));
    let demotion = Demotion { capability: Capability::FlowCount, drift: Drift::CountStoodStill };
    let installed = DeviceEvent::RulesInstalled(Doubt::CounterStoodStill);
    // Between heartbeats silence is all that might show their loss, once no counter does.
    let silence = DeviceEvent::RulesInstalled(Doubt::Silence);
    let mut told = events(&mut pair);
    told.retain(|event| *event != silence);
    assert_eq!(told, [installed, DeviceEvent::Demoted(demotion)]);
    assert!(pair.ours.plan().uses(Capability::FlowSteering));
    assert_eq!(observed(&pair, Capability::FlowSteering), Observed::Proven);
}

#[test]
fn an_isolated_acceptor_that_hears_nothing_gets_its_rules_again_though_no_counter_shows_their_loss()
{
    for counts in [true, false] {
        let mut model = connectx5();
        model.faults.loses_rules = true;
        if !counts {
            model.capabilities = model.capabilities.without(Capability::FlowCount);
        }
        let mut pair = pair(model);
        // Before anybody has called.
        pair.wire.restart(End::B);
        trade_to_the_end(&mut pair, "acceptor");
        let told = std::iter::from_fn(|| pair.theirs.next_device_event()).collect::<Vec<_>>();
        let doubt = if counts { Doubt::CounterLost } else { Doubt::Silence };
        assert_eq!(told, [DeviceEvent::RulesInstalled(doubt)], "counts: {counts}");
    }
}

/// One that is not isolated: its silence says nothing of its rules.
fn open_to_all() -> Model {
    let mut model = connectx5();
    model.capabilities = model.capabilities.without(Capability::FlowIsolation);
    model.capabilities.flow.isolation = false;
    model
}

const COUNTS_LOST: [DeviceEvent; 2] = [
    DeviceEvent::RulesInstalled(Doubt::CounterLost),
    DeviceEvent::Demoted(Demotion { capability: Capability::FlowCount, drift: Drift::CountLost }),
];

#[test]
fn a_device_that_tells_no_count_is_counted_for_and_its_rules_are_installed_anew_once() {
    let faults = NicFaults { refuses_counts: true, ..NicFaults::default() };
    let mut pair = pair_by(Model { faults, ..open_to_all() }, marking);
    trade_to_the_end(&mut pair, "counts refused");
    pair.run_for(Duration::from_s(60));
    assert_eq!(events(&mut pair), COUNTS_LOST);
    assert_eq!(counter(&pair, "nic_rules_installed_anew"), 1);
    assert_eq!(counter(&pair, "nic_demoted"), 1);
    let words = pair.ours.device_refusal(Capability::FlowCount);
    assert_eq!(words, Some("mlx5_pci asks no counter (ENOTSUP)"));
    let steering = pair.ours.observations().of(Capability::FlowSteering).observed();
    assert_eq!(
        (steering, pair.ours.device_refusal(Capability::FlowSteering)),
        (Observed::Proven, None)
    );
    // Those before the first look are nobody's.
    let hits = pair.ours.flow_count(0).unwrap().hits;
    assert!(hits > 0 && hits <= counter(&pair, "tcp_segment_in"), "{hits}");
    // Given back, it has its chance anew.
    assert_eq!(pair.ours.promote().as_slice(), [Capability::FlowCount]);
    pair.run_for(Duration::from_s(60));
    assert_eq!(events(&mut pair), COUNTS_LOST);
    assert_eq!(counter(&pair, "nic_rules_installed_anew"), 2);
}

#[test]
fn a_device_that_tells_a_count_now_and_then_is_counted_for_too() {
    let mut pair = pair(open_to_all());
    for _ in 0..20 {
        for refuses_counts in [true, false] {
            let faults = NicFaults { refuses_counts, ..NicFaults::default() };
            pair.wire.set_nic_faults(End::A, faults);
            pair.run_for(Duration::from_ms(120));
        }
    }
    assert_eq!(events(&mut pair), COUNTS_LOST);
    assert_eq!(counter(&pair, "nic_rules_installed_anew"), 1);
}

#[test]
fn a_device_that_loses_its_rules_again_much_later_gets_them_again_and_counts_on() {
    let mut model = connectx5();
    model.faults.loses_rules = true;
    let mut pair = pair(model);
    for _ in 0..3 {
        pair.run_for(Duration::from_s(5));
        pair.wire.restart(End::A);
    }
    pair.run_for(Duration::from_s(5));
    assert_eq!(events(&mut pair), [COUNTS_LOST[0]; 3]);
}

#[test]
fn an_isolated_acceptor_whose_counters_were_given_up_is_known_deaf_by_silence() {
    let mut model = connectx5();
    model.faults = NicFaults { loses_rules: true, refuses_counts: true, ..model.faults };
    let mut pair = pair(model);
    // Before anybody has called.
    for _ in 0..100 {
        pair.theirs.poll(&pair.wire);
        pair.wire.advance(Duration::from_ms(10));
    }
    let told = |pair: &mut Pair<Taker>| {
        std::iter::from_fn(|| pair.theirs.next_device_event()).collect::<Vec<_>>()
    };
    assert_eq!(told(&mut pair), COUNTS_LOST);
    pair.wire.restart(End::B);
    trade_to_the_end(&mut pair, "deaf");
    assert_eq!(told(&mut pair), [DeviceEvent::RulesInstalled(Doubt::Silence)]);
}

/// A profile with a rule of its own: what the peer sends is marked and counted.
fn marking(mut profile: Profile) -> Profile {
    let tcp = TcpMatch { src_port: PortMatch::exact(crate::common::PORT), ..TcpMatch::ANY };
    let peer = Pattern {
        src: AddrMatch::exact(crate::common::THEIRS),
        carries: Carries::Tcp(tcp),
        ..Pattern::TCP
    };
    let rule = FlowRule::new(peer, Fate::Queue(0)).marked(7).counted();
    profile.steering = vec![rule];
    profile
}

#[test]
fn a_device_that_marks_no_more_after_a_restart_gets_its_rules_again_and_steers_on() {
    for name in ["connectx5", "bnxt", "sim"] {
        let mut model = Model::named(name).unwrap();
        model.faults.loses_rules = true;
        // What no rule names comes in, unmarked.
        model.capabilities = model.capabilities.without(Capability::FlowIsolation);
        let mut pair = pair_by(model, marking);
        assert!(pair.ours.plan().uses(Capability::FlowSteering), "{name}");
        trade_until(&mut pair, 100);
        pair.wire.restart(End::A);
        trade_to_the_end(&mut pair, name);
        pair.run_for(Duration::from_s(100));
        let told = events(&mut pair);
        assert!(matches!(told[..], [DeviceEvent::RulesInstalled(_)]), "{name}: {told:?}");
        let evidence = pair.ours.observations().of(Capability::FlowSteering);
        assert_eq!(evidence.observed(), Observed::Proven, "{name}");
    }
}

#[test]
fn what_a_rule_has_counted_never_goes_back_and_is_never_counted_twice_whoever_counts() {
    let mut pair = pair_by(connectx5(), marking);
    let mut last = 0;
    let mut check = |pair: &Pair<Taker>, when: &str| {
        let hits = pair.ours.flow_count(0).expect("it is counted").hits;
        let segments = counter(pair, "tcp_segment_in");
        assert!(last <= hits && hits <= segments, "{when}: {last}, {hits} of {segments}");
        last = hits;
    };
    trade_until(&mut pair, 100);
    pair.run_for(Duration::from_s(1));
    check(&pair, "the device counts");
    let zero = NicFaults { counts_read_zero: true, ..NicFaults::default() };
    for turn in 0..3 {
        pair.wire.set_nic_faults(End::A, zero);
        pair.run_for(Duration::from_s(200));
        check(&pair, "the device's counter is dead");
        assert!(!events(&mut pair).is_empty(), "turn {turn}");
        pair.run_for(Duration::from_s(100));
        check(&pair, "the twin counts");
        pair.wire.set_nic_faults(End::A, NicFaults::default());
        assert_eq!(pair.ours.promote().as_slice(), [Capability::FlowCount], "turn {turn}");
        check(&pair, "given back");
        pair.run_for(Duration::from_s(100));
        check(&pair, "the device counts again");
    }
    pair.wire.restart(End::A);
    check(&pair, "the rules are gone");
    pair.run_for(Duration::from_s(100));
    check(&pair, "the rules are back");
    assert!(last > 100 + 3 * 10, "heartbeats are counted too: {last}");
}

#[test]
fn a_device_that_never_falls_silent_is_looked_at_all_the_same() {
    let stuck = ModelClock { ticks_per_s: 0, ..connectx5().clock };
    let mut pair = pair(Model { clock: stuck, ..connectx5() });
    trade_until(&mut pair, 1);
    let line = sim::Line { latency_ns: 1_000_000, bandwidth_bits_per_s: None };
    pair.wire.set_line(Direction::AToB, line);
    pair.wire.set_line(Direction::BToA, line);
    let mut empty = 0;
    while !pair.ours.app().is_done() {
        pair.theirs.poll(&pair.wire);
        let Some(next) = pair.wire.next_delivery() else { break };
        pair.wire.set_now(next);
        // The peer's frames are the peer's to poll.
        if pair.theirs.poll(&pair.wire) == 0 {
            empty += u64::from(pair.ours.poll(&pair.wire) == 0);
        }
    }
    assert!(empty < 10, "{empty}");
    let demotion = Demotion { capability: Capability::RxTimestamp, drift: Drift::StampStoodStill };
    assert!(events(&mut pair).contains(&DeviceEvent::Demoted(demotion)));
}
