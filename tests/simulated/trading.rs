//! The whole engine against itself on a simulated wire in virtual time: every plan, every version,
//! rough weather, and a cable pulled in mid-trade.

use fixwire::app::taker::Taker;
use fixwire::app::{Application, SessionId};
use fixwire::fix::{Message, Outlet, Sender, Store, Version};
use fixwire::offload::RxStamp;
use fixwire::offload::capability::Capability;
use fixwire::offload::observe::{DeviceEvent, Observed};
use fixwire::offload::profile::{Policy, Profile};
use fixwire::offload::verdict::Audit;
use fixwire::tcp::Config;
use fixwire::time::{Duration, UtcTime};
use fixwire_hw::sim::{self, Direction, Faults, Model, VerdictStyle};

use crate::common::{Pair, Terms};

const ORDERS: u64 = 500;

fn terms(model: Model, policy: Policy, seed: u64) -> Terms {
    Terms { seed, ..Terms::of(model, &Profile::all(policy)) }
}

/// Trades to the end; fails with the seed when it takes too long.
fn trade(pair: &mut Pair<Taker>, what: &str) {
    for _ in 0..2_000_000 {
        if pair.ours.app().is_done() {
            return;
        }
        pair.step();
    }
    let counters: Vec<_> = pair.ours.counters().filter(|(_, count)| *count > 0).collect();
    panic!("{what}: stuck at {} of {ORDERS}: {counters:?}", pair.ours.app().reports_received());
}

fn counter(pair: &Pair<Taker>, name: &str) -> u64 {
    pair.ours.counters().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no {name}")).1
}

fn log_out(pair: &mut Pair<Taker>) {
    let now = fixwire::time::Clock::now(&pair.wire);
    pair.ours.log_out(now, "done");
    for _ in 0..100_000 {
        if pair.ours.is_idle() {
            return;
        }
        pair.step();
    }
    panic!("never idle");
}

#[test]
fn every_model_trades_with_offloads_on_and_off_in_both_versions() {
    let catalogue = sim::models::names().filter_map(Model::named);
    for model in [Model::bare(), Model::full(), Model::virtio()].into_iter().chain(catalogue) {
        for policy in [Policy::Prefer, Policy::Off] {
            for version in [Version::Fix42, Version::Fix44] {
                let what = format!("{} {policy} {version:?}", model.name);
                let terms = Terms { version, ..terms(model.clone(), policy, 1) };
                let mut pair = Pair::new(terms, Taker::new(ORDERS, 1));
                trade(&mut pair, &what);
                log_out(&mut pair);
                assert_eq!(pair.theirs.app().fills(), ORDERS, "{what}");
                assert_eq!(pair.ours.app().tally(SessionId(0)).unexpected, 0, "{what}");
                assert_eq!(counter(&pair, "tcp_checksum_wrong"), 0, "{what}");
                assert_eq!(pair.ours.intervals().frame_to_order().len(), ORDERS, "{what}");
            }
        }
    }
}

#[test]
fn a_rough_wire_loses_doubles_and_alters_no_order() {
    let seed = std::env::var("FIXWIRE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let rounds = if crate::common::full() { 200 } else { 20 };
    let faults = Faults {
        loss_ppm: 20_000,
        duplicate_ppm: 20_000,
        reorder_ppm: 20_000,
        reorder_delay_ns: 100_000,
        corrupt_ppm: 20_000,
        ..Faults::default()
    };
    for seed in seed..seed + rounds {
        // The device's verdicts, and the sums of the host alone.
        let policy = [Policy::Prefer, Policy::Off][seed as usize % 2];
        let what = format!("FIXWIRE_SEED={seed}, {policy}");
        let mut pair = Pair::new(terms(Model::full(), policy, seed), Taker::new(ORDERS, 1));
        pair.set_faults(faults);
        trade(&mut pair, &what);
        assert_eq!(pair.theirs.app().fills(), ORDERS, "{what}");
        assert_eq!(pair.ours.app().tally(SessionId(0)).unexpected, 0, "{what}");
        assert!(counter(&pair, "tcp_checksum_wrong") > 0, "{what}");
    }
}

/// TCP takes no session message at its longest at once, and no order at its longest.
#[test]
fn connection_with_little_room_trades_to_the_end() {
    let tcp = Config { message_bytes_max: 300, ..Config::default() };
    let terms = Terms { tcp, ..terms(Model::full(), Policy::Prefer, 1) };
    let mut pair = Pair::new(terms, Taker::new(ORDERS, 1));
    trade(&mut pair, "300 bytes at once");
    log_out(&mut pair);
    assert_eq!(pair.theirs.app().fills(), ORDERS);
    assert_eq!(counter(&pair, "close_backlog_full") + counter(&pair, "send_too_long"), 0);
}

#[test]
fn a_pulled_cable_ends_the_session_and_a_plugged_one_resumes_it_with_its_numbers() {
    let mut pair = Pair::new(terms(Model::full(), Policy::Prefer, 3), Taker::new(ORDERS, 1));
    while pair.ours.app().reports_received() < 100 {
        pair.step();
    }
    pair.wire.set_plugged(false);
    let cut = fixwire::time::Clock::now(&pair.wire).mono;
    let back = cut + Duration::from_s(600);
    while fixwire::time::Clock::now(&pair.wire).mono < back {
        pair.step();
    }
    pair.wire.set_plugged(true);
    trade(&mut pair, "after the cut");
    let status = pair.ours.desk().statuses().next().unwrap();
    assert!(status.logons >= 2, "{status:?}");
    assert!(u64::from(status.next_out) > ORDERS, "{status:?}");
    assert_eq!(pair.theirs.app().fills(), ORDERS);
}

#[test]
fn a_device_that_says_good_of_everything_is_found_out_and_delivers_nothing_altered() {
    let liar = Model { verdicts: VerdictStyle::AlwaysGood, ..Model::full() };
    let mut audited = Profile::all(Policy::Prefer);
    audited.rx_checksum_audit = Audit::Always;
    let terms = Terms { ours: audited.clone(), theirs: audited, ..terms(liar, Policy::Prefer, 5) };
    let mut pair = Pair::new(terms, Taker::new(ORDERS, 1));
    pair.set_faults(Faults { corrupt_ppm: 20_000, ..Faults::default() });
    trade(&mut pair, "liar");
    let evidence = pair.ours.observations().of(Capability::RxTcpChecksum);
    assert_eq!(evidence.observed(), Observed::Refuted);
    assert!(counter(&pair, "nic_said_good_but_bad") > 0);
    assert_eq!(pair.theirs.app().fills(), ORDERS);
    assert_eq!(pair.ours.app().tally(SessionId(0)).unexpected, 0);
}

#[test]
fn a_logon_for_somebody_else_is_closed_by_name_and_tried_again() {
    let stranger = Terms { venue: "ELSEWHERE", ..terms(Model::full(), Policy::Prefer, 1) };
    let mut pair = Pair::new(stranger, Taker::new(ORDERS, 1));
    let until = fixwire::time::Clock::now(&pair.wire).mono + Duration::from_s(10);
    while fixwire::time::Clock::now(&pair.wire).mono < until {
        pair.step();
    }
    let refused =
        pair.theirs.counters().find(|(name, _)| *name == "logon_unknown_identity").unwrap().1;
    assert!(refused >= 5, "{refused} in ten seconds, at a reconnect interval of one");
    let status = pair.ours.desk().statuses().next().unwrap();
    assert_eq!(status.logons, 0);
    assert!(status.last_failure.is_some());
    assert_eq!(pair.theirs.app().fills(), 0);
}

#[test]
fn every_connection_ends_and_gives_its_place_back() {
    // More reconnects than the acceptor has connections: a leak would show.
    let few = Config { connections_max: 4, time_wait: Duration::from_ms(100), ..Config::default() };
    let stranger =
        Terms { venue: "ELSEWHERE", tcp: few, ..terms(Model::full(), Policy::Prefer, 1) };
    let mut pair = Pair::new(stranger, Taker::new(ORDERS, 1));
    let until = fixwire::time::Clock::now(&pair.wire).mono + Duration::from_s(60);
    while fixwire::time::Clock::now(&pair.wire).mono < until {
        pair.step();
    }
    let refused =
        pair.theirs.counters().find(|(name, _)| *name == "logon_unknown_identity").unwrap().1;
    assert!(refused >= 40, "{refused}");
}

#[test]
fn what_was_demoted_is_told_once_and_given_back_on_request() {
    let liar = Model { verdicts: VerdictStyle::AlwaysGood, ..Model::full() };
    let mut audited = Profile::all(Policy::Prefer);
    audited.rx_checksum_audit = Audit::Always;
    let terms = Terms { ours: audited.clone(), theirs: audited, ..terms(liar, Policy::Prefer, 5) };
    let mut pair = Pair::new(terms, Taker::new(ORDERS, 1));
    pair.wire.set_faults(Direction::BToA, Faults { corrupt_ppm: 100_000, ..Faults::default() });
    let told = |pair: &mut Pair<Taker>| {
        std::iter::from_fn(|| pair.ours.next_device_event())
            .map(|told| match told {
                DeviceEvent::Demoted(demotion) => demotion.capability,
                other => panic!("{other:?}"),
            })
            .collect::<Vec<_>>()
    };
    while pair.ours.app().reports_received() < ORDERS / 2 {
        pair.step();
    }
    let mut first = told(&mut pair);
    first.sort();
    assert_eq!(first, [Capability::RxIpv4Checksum, Capability::RxTcpChecksum]);
    assert_eq!(told(&mut pair), []);

    // It lies on, and is found out again.
    assert_eq!(pair.ours.promote().as_slice(), first);
    assert_eq!(
        pair.ours.observations().of(Capability::RxTcpChecksum).observed(),
        Observed::Unproven
    );
    trade(&mut pair, "promoted");
    let mut second = told(&mut pair);
    second.sort();
    assert_eq!(second, first);
    assert_eq!(counter(&pair, "nic_demoted"), 4);
    assert_eq!(pair.theirs.app().fills(), ORDERS);
    assert_eq!(pair.ours.app().tally(SessionId(0)).unexpected, 0);
    assert_eq!(pair.ours.promote().len(), 2);
}

/// Sends one order, and keeps how the exchange numbered what it did.
#[derive(Default)]
struct One(Vec<Vec<u8>>);

impl Application for One {
    fn on_logon<S: Store, O: Outlet>(&mut self, _: SessionId, orders: &mut Sender<'_, S, O>) {
        let fields = [(11, "A"), (55, "ACME"), (54, "1"), (38, "100"), (44, "12.5")];
        let order = orders.send(b"D", |order| {
            fields.into_iter().for_each(|(tag, value)| _ = order.put_str(tag, value));
        });
        order.expect("an order leaves");
    }

    fn on_message<S: Store, O: Outlet>(
        &mut self,
        _: SessionId,
        report: &Message<'_>,
        _: Option<RxStamp>,
        _: &mut Sender<'_, S, O>,
    ) {
        self.0
            .extend([17, 37].map(|tag| report.field(tag).expect("an ExecID, an OrderID").to_vec()));
    }
}

#[test]
fn an_exchange_numbers_nothing_as_the_process_before_it_did() {
    let numbered = |later_ms: u64| {
        let default = sim::Config::default();
        let utc_origin = default.utc_origin.as_unix_ns() + later_ms * 1_000_000;
        let sim = sim::Config { utc_origin: UtcTime::from_unix_ns(utc_origin), ..default };
        let mut pair = Pair::new(Terms { sim, ..Terms::default() }, One::default());
        pair.run_for(Duration::from_s(1));
        pair.ours.into_app().0
    };
    let (before, after) = (numbered(0), numbered(1));
    assert_eq!((before.len(), after.len()), (2, 2));
    assert!(before.iter().all(|id| !after.contains(id)), "{before:?}, {after:?}");
}
