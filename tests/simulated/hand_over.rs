//! Engines that go on as others at any moment, both ends of a simulated wire in virtual time: in the middle of handshakes,
//! logons, messages, losses and resends. Neither end notices of the other.

use fixwire::app::exchange::Exchange;
use fixwire::app::taker::Taker;
use fixwire::app::{Application, SessionId};
use fixwire::desk::SessionPlan;
use fixwire::engine::{Engine, Setup};
use fixwire::fix::{CompId, Role, SessionConfig, State, Version};
use fixwire::hand_over::HandOverRefusal;
use fixwire::neighbor::Network;
use fixwire::offload::nic::Nic;
use fixwire::offload::profile::{Policy, Profile};
use fixwire::tcp::{Config, Endpoint};
use fixwire::time::{Clock, Duration};
use fixwire::wire::ethernet::Mac;
use fixwire_hw::sim::{Faults, SimNic, Wire};

use crate::common::{OURS, PORT, Pair, THEIRS, Terms};

const ORDERS: u64 = 200;
const SEEDS: u64 = 40;

fn setup(mac: [u8; 6], role: Role, target: &str) -> Setup {
    let id = |text| CompId::new(text).unwrap();
    let (sender, target, addr) = match role {
        Role::Initiator => ("DESK", target, OURS),
        Role::Acceptor => ("VENUE", target, THEIRS),
    };
    let session = SessionPlan {
        reconnect_interval: Duration::from_s(1),
        ..SessionPlan::new(
            SessionConfig::new(Version::Fix44, role, id(sender), id(target)),
            Endpoint { addr: THEIRS, port: PORT },
        )
    };
    let mac = Mac(mac);
    let network = Network { mac, addr, prefix_len: 24, gateway: None, vlan: None, mtu: 1500 };
    let secret = [role as u8 + 1; 16];
    Setup { network, tcp: Config::default(), secret, sessions: vec![session] }
}

/// The engine goes on as another, on the same device.
fn moved<A: Application>(
    mut old: Engine<SimNic, A>,
    wire: &Wire,
    (role, target): (Role, &str),
    app: A,
) -> Engine<SimNic, A> {
    let now = Clock::now(wire);
    let state = old.export(now).unwrap();
    // As long as it is not polled, nothing has happened: it says the same once more.
    assert_eq!(old.export(now).unwrap(), state);
    let plan = old.plan().clone();
    let nic = old.into_nic();
    let setup = setup(nic.mac(), role, target);
    let mut new = Engine::new(nic, plan, setup, app).unwrap();
    new.import(now, &state).unwrap();
    new
}

fn count<A: Application>(engine: &Engine<SimNic, A>, name: &str) -> u64 {
    engine.counters().find(|(known, _)| *known == name).unwrap().1
}

#[test]
fn engines_that_go_on_as_others_at_any_moment_lose_and_reset_nothing() {
    let mut moves = 0;
    for seed in 1..=SEEDS {
        let terms = Terms { seed, ..Terms::default() };
        let mut pair = Pair::new(terms, Taker::new(ORDERS, 1));
        let loss_ppm = if seed.is_multiple_of(2) { 20_000 } else { 0 };
        pair.set_faults(Faults { loss_ppm, ..Faults::default() });
        let mut random = seed;
        let (mut resets, mut refused) = (0, 0);
        let mut draw = |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).is_multiple_of(below)
        };
        for step in 0.. {
            assert!(
                step < 1_000_000,
                "seed {seed}: stuck at {}",
                pair.ours.app().reports_received()
            );
            if pair.ours.app().is_done() {
                break;
            }
            pair.step();
            // Often at first, while handshake and Logon are on their way.
            let one_in = if step < 40 { 3 } else { 60 };
            let Pair { mut ours, mut theirs, wire } = pair;
            if draw(one_in) {
                resets += count(&ours, "tcp_reset_out") + count(&ours, "tcp_reset_in");
                ours = moved(ours, &wire, (Role::Initiator, "VENUE"), Taker::new(ORDERS, 1));
                moves += 1;
            }
            if draw(one_in) {
                resets += count(&theirs, "tcp_reset_out") + count(&theirs, "tcp_reset_in");
                refused += count(&theirs, "resend_answered");
                theirs = moved(theirs, &wire, (Role::Acceptor, "DESK"), Exchange::new());
                moves += 1;
            }
            pair = Pair { ours, theirs, wire };
        }
        resets += count(&pair.ours, "tcp_reset_out") + count(&pair.theirs, "tcp_reset_out");
        let tally = pair.ours.app().tally(fixwire::app::SessionId(0));
        let (sent, unexpected) = (tally.orders_sent, tally.unexpected);
        assert_eq!((sent, unexpected, resets, refused), (ORDERS, 0, 0, 0), "seed {seed}");
        assert_eq!(pair.theirs.app().fills(), ORDERS, "seed {seed}");
        let logons = |logons: Vec<u64>| assert_eq!(logons, [1], "seed {seed}");
        logons(pair.ours.desk().statuses().map(|status| status.logons).collect());
        logons(pair.theirs.desk().statuses().map(|status| status.logons).collect());
    }
    assert!(moves > SEEDS * 15, "only {moves} moves");
}

#[test]
fn an_engine_that_is_another_takes_nothing_over() {
    let mut pair = Pair::new(Terms::default(), Taker::new(ORDERS, 1));
    while pair.ours.app().reports_received() < 5 {
        pair.step();
    }
    let Pair { mut ours, wire, .. } = pair;
    let now = Clock::now(&wire);
    let state = ours.export(now).unwrap();
    let (plan, nic) = (ours.plan().clone(), ours.into_nic());
    let mac = nic.mac();
    let mut nic = Some(nic);
    let mut refused = |setup: Setup, app: Taker, state: &[u8]| {
        let mut engine = Engine::new(nic.take().unwrap(), plan.clone(), setup, app).unwrap();
        let refused = engine.import(now, state).unwrap_err();
        nic = Some(engine.into_nic());
        refused
    };
    let same = || setup(mac, Role::Initiator, "VENUE");
    let taker = || Taker::new(ORDERS, 1);
    assert_eq!(refused(same(), taker(), b""), HandOverRefusal::Malformed);
    assert_eq!(refused(same(), taker(), &state[..state.len() - 1]), HandOverRefusal::Malformed);
    let other = setup(mac, Role::Initiator, "OTHER");
    let missing = refused(other, taker(), &state);
    assert_eq!(missing, HandOverRefusal::SessionMissing("session FIX.4.4:DESK->VENUE".into()));
    let mut elsewhere = same();
    elsewhere.network.prefix_len = 25;
    assert_eq!(refused(elsewhere, taker(), &state), HandOverRefusal::NetworkDiffers);
    // An acceptor of the same name.
    let mut role = same();
    role.sessions[0].config.role = Role::Acceptor;
    assert!(matches!(refused(role, taker(), &state), HandOverRefusal::RoleDiffers(_)));
    // Any byte may be another one: it is taken or refused, and nothing else happens.
    for at in (0..state.len()).step_by(13) {
        let mut bytes = state.clone();
        bytes[at] ^= 1 << (at % 8);
        let mut engine = Engine::new(nic.take().unwrap(), plan.clone(), same(), taker()).unwrap();
        let _ = engine.import(now, &bytes);
        nic = Some(engine.into_nic());
    }
}

#[test]
fn whose_turn_it_is_among_an_initiator_s_peers_is_known_to_the_engine_that_goes_on() {
    // No device whose rules, made for the one peer, would keep the other's frames away.
    let host = Profile::all(Policy::Off);
    let terms = Terms { ours: host.clone(), theirs: host, ..Terms::default() };
    let Pair { ours, theirs, wire } = Pair::new(terms, Taker::new(0, 1));
    let of_two = |mac| {
        let mut setup = setup(mac, Role::Initiator, "VENUE");
        setup.sessions[0].peer.port = 7_001;
        setup.sessions[0].alternates = vec![Endpoint { addr: THEIRS, port: PORT }];
        setup
    };
    let on = |old: Engine<SimNic, Taker>| {
        let (plan, nic) = (old.plan().clone(), old.into_nic());
        let setup = of_two(nic.mac());
        Engine::new(nic, plan, setup, Taker::new(0, 1)).unwrap()
    };
    // It has sent nothing yet.
    let mut pair = Pair { ours: on(ours), theirs, wire };
    pair.run_for(Duration::from_s(2));
    let stands = |engine: &Engine<SimNic, Taker>| {
        engine.desk().statuses().map(|status| (status.remote.port, status.state)).next().unwrap()
    };
    assert_eq!(stands(&pair.ours), (PORT, State::Active));

    let Pair { mut ours, mut theirs, wire } = pair;
    let now = Clock::now(&wire);
    let state = ours.export(now).unwrap();
    let mut ours = on(ours);
    ours.import(now, &state).unwrap();
    theirs.drain_session(now, SessionId(0), "").unwrap();
    let mut pair = Pair { ours, theirs, wire };
    pair.run_for(Duration::from_ms(1_500));
    assert_eq!(stands(&pair.ours).0, 7_001, "after the last one comes the first");
}

#[test]
fn the_next_peer_s_turn_comes_though_the_engine_goes_on_in_the_pause_behind_one_that_failed() {
    let host = Profile::all(Policy::Off);
    let terms = Terms { ours: host.clone(), theirs: host, ..Terms::default() };
    let Pair { ours, theirs, wire } = Pair::new(terms, Taker::new(0, 1));
    let at = |port| Endpoint { addr: THEIRS, port };
    let on = |old: Engine<SimNic, Taker>, alternates: &[u16]| {
        let (plan, nic) = (old.plan().clone(), old.into_nic());
        let mut setup = setup(nic.mac(), Role::Initiator, "VENUE");
        setup.sessions[0].peer = at(7_001);
        setup.sessions[0].alternates = alternates.iter().copied().map(at).collect();
        Engine::new(nic, plan, setup, Taker::new(0, 1)).unwrap()
    };
    let stands = |pair: &Pair<Taker>| {
        let of = pair.ours.desk().statuses().next().unwrap();
        (of.remote.port, of.peer.port, of.has_tried_all)
    };
    // Where nobody is, it is the next one's turn after a pause.
    let failed = |pair: &mut Pair<Taker>| {
        let before = stands(pair).1;
        for _ in 0..10_000 {
            if stands(pair).1 != before {
                break;
            }
            pair.step();
        }
        stands(pair)
    };
    let gone_on = |pair: Pair<Taker>, alternates: &[u16]| {
        let Pair { mut ours, theirs, wire } = pair;
        let now = Clock::now(&wire);
        let state = ours.export(now).unwrap();
        let mut ours = on(ours, alternates);
        ours.import(now, &state).unwrap();
        Pair { ours, theirs, wire }
    };
    let mut pair = Pair { ours: on(ours, &[7_002, 7_003]), theirs, wire };
    assert_eq!(failed(&mut pair), (7_001, 7_002, false));
    // Settings list one more there: the turn is an address's, and not a place's.
    let mut pair = gone_on(pair, &[7_004, 7_002, 7_003]);
    assert_eq!(stands(&pair), (7_001, 7_002, false));
    assert_eq!(failed(&mut pair), (7_002, 7_003, false));
    let mut pair = gone_on(pair, &[7_002, 7_003]);
    assert_eq!(stands(&pair), (7_002, 7_003, false));
    assert_eq!(failed(&mut pair), (7_003, 7_001, true), "the third that came to nothing");
    assert_eq!(failed(&mut pair), (7_001, 7_002, true));
    let pair = gone_on(pair, &[7_003]);
    assert_eq!(
        stands(&pair),
        (7_001, 7_001, true),
        "one that is listed no more leaves its turn to the first"
    );
}
