//! Stamps as a ConnectX-5 would give them, good and wrong, through real mbufs into the engine's judgement and into a
//! clock service that reads the counter behind them. The counter is the test's: nothing here is a ConnectX-5.

use std::time::{Duration, Instant};

use fixwire::app::taker::Taker;
use fixwire::clock_watch::ClockWatch;
use fixwire::engine::{Engine, Setup};
use fixwire::neighbor::Network;
use fixwire::tcp::Config;
use fixwire::wire::ethernet::Mac;
use fixwire_hw::clock::HostClock;
use fixwire_hw::clock_route::{ClockRoute, ClockRoutes, RateBy};
use fixwire_hw::clock_service::ClockService;
use fixwire_hw::dpdk::DpdkNic;
use fixwire_offload::Plan;
use fixwire_offload::capability::Capability;
use fixwire_offload::clock::{Lapse, Reader, Refusal};
use fixwire_offload::device::Device;
use fixwire_offload::flow::RuleSet;
use fixwire_offload::nic::Nic;
use fixwire_offload::observe::{Demotion, DeviceEvent, Drift, Observed};
use fixwire_offload::profile::{ClockSettings, Policy, Profile};
use fixwire_offload::stamp::Domain;

use super::connectx5::{self, Claiming, MADE_UP, Say};
use super::{its_clock, open, send, show};

/// How long anything may take that comes sooner or later.
const PATIENCE: Duration = Duration::from_secs(60);

type Engined = Engine<DpdkNic, Taker>;

fn up() -> (DpdkNic, Plan) {
    let profile = Profile::all(Policy::Prefer);
    let device = Device::probed(Claiming::these(open("net_ring0", &profile).unwrap(), &MADE_UP));
    let configured = device.plan(&profile, RuleSet::EMPTY).configure().unwrap();
    let (nic, plan) = configured.start().unwrap().steer().unwrap();
    show(&plan);
    connectx5::hook();
    (nic, plan)
}

/// The end: every buffer is back.
fn close(engine: Engined) {
    assert_eq!(engine.into_nic().close(), Some(0));
}

fn engine(nic: DpdkNic, plan: Plan) -> Engined {
    let network = Network {
        mac: Mac(nic.mac()),
        addr: [10, 9, 0, 2].into(),
        prefix_len: 24,
        gateway: None,
        vlan: None,
        mtu: 1500,
    };
    let setup = Setup { network, tcp: Config::default(), secret: [1; 16], sessions: Vec::new() };
    Engine::new(nic, plan, setup, Taker::new(1, 0)).unwrap()
}

/// A frame that is nobody's, with a stamp as asked, goes around the ring and is taken in.
fn take_in(engine: &mut Engined, clock: &HostClock, say: Say) {
    let mut bytes = [0; 60];
    // IEEE 802: an EtherType for experiments.
    bytes[..14].copy_from_slice(&[2, 0, 0, 0, 0, 7, 2, 0, 0, 0, 0, 9, 0x88, 0xb5]);
    bytes[connectx5::AT] = say as u8;
    send(engine.nic_mut(), &bytes);
    assert!(engine.poll(clock) > 0);
}

fn counter(engine: &Engined, name: &str) -> u64 {
    engine.counters().find(|(known, _)| *known == name).unwrap().1
}

fn demoted(drift: Drift) -> DeviceEvent {
    DeviceEvent::Demoted(Demotion { capability: Capability::RxTimestamp, drift })
}

/// Takes in frames as asked until the engine tells of the device.
fn until_event(engine: &mut Engined, clock: &HostClock, says: &[Say]) -> DeviceEvent {
    let begun = Instant::now();
    let mut says = says.iter().cycle();
    loop {
        if let Some(event) = engine.next_device_event() {
            return event;
        }
        assert!(begun.elapsed() < PATIENCE, "nothing came of it");
        take_in(engine, clock, *says.next().unwrap());
    }
}

/// A service that reads the port's clock, which its driver is said to read.
fn followed(nic: &mut DpdkNic) -> ClockService {
    let ClockRoutes { found, refused } = nic.take_clocks();
    let found = found.unwrap_or_else(|| panic!("{refused:?}"));
    assert_eq!((found.route, refused), (ClockRoute::ReadClock, vec![]));
    let RateBy::Measured { within_ppb } = found.rate else { panic!("{:?}", found.rate) };
    let info = found.clock.info();
    assert_eq!((Some(info), info.domain, info.bits), (nic.clock(), Domain::NicTicks, 64));
    let apart = info.ticks_per_s.abs_diff(its_clock::TICKS_PER_S);
    assert!(
        u128::from(apart) * 1_000_000_000
            <= u128::from(within_ppb) * u128::from(its_clock::TICKS_PER_S) + 1_000_000_000,
        "{info:?} within {within_ppb} ppb"
    );
    let clock = Some(found.clock);
    ClockService::start(its_clock::counter(), clock, &ClockSettings::default()).unwrap()
}

/// An engine whose stamps are looked at between rounds, as a program does it.
struct Watched {
    engine: Engined,
    watch: ClockWatch,
    reader: Reader,
    clock: HostClock,
    begun: Instant,
}

impl Watched {
    /// A frame comes, and its stamp becomes a time or does not. Where it does, the bound holds.
    fn converts(&mut self) -> bool {
        take_in(&mut self.engine, &self.clock, Say::Nothing);
        let received = its_clock::counter().now();
        self.watch.look(&mut self.engine);
        let Some(stamp) = self.engine.newest_stamp() else { return false };
        if self.watch.convert(&stamp, received).is_err() {
            return false;
        }
        let Ok(told) = self.reader.mapping().to_host(&stamp, received) else { return false };
        let off = told.ticks.abs_diff(its_clock::last_stamp_taken_at());
        assert!(off <= told.error_bound_ticks, "off by {off} of {}", told.error_bound_ticks);
        true
    }

    fn until_converted(&mut self, times: u32, what: &str) {
        let mut converted = 0;
        while converted < times {
            assert!(self.begun.elapsed() < PATIENCE, "{what}: {:?}", self.watch.conversions());
            converted += u32::from(self.converts());
        }
    }
}

pub(super) fn good_stamps_become_times_and_a_jump_of_the_clock_a_new_life() {
    its_clock::begin(true);
    let (mut nic, plan) = up();
    let service = followed(&mut nic);
    assert!(nic.take_clocks().found.is_none(), "taken once");
    let mut watched = Watched {
        engine: engine(nic, plan),
        watch: ClockWatch::new(service.reader()),
        reader: service.reader(),
        clock: HostClock::new(),
        begun: Instant::now(),
    };
    watched.until_converted(1_000, "no stamp becomes a time");
    assert_eq!(counter(&watched.engine, "rx_clock_new_life"), 0);
    let readings = service.counters().device;
    assert_eq!((readings.locked, readings.jumped), (1, 0), "{readings:?}");

    its_clock::jump(1);
    while counter(&watched.engine, "rx_clock_new_life") == 0 {
        assert!(watched.begun.elapsed() < PATIENCE, "the jump is not heard of");
        watched.converts();
    }
    watched.until_converted(100, "no time after the jump");
    assert_eq!(service.counters().device.jumped, 1);
    let engine = &mut watched.engine;
    assert_eq!(counter(engine, "rx_stamp_missing") + counter(engine, "rx_stamp_backwards"), 0);
    let observed = engine.observations().of(Capability::RxTimestamp).observed();
    assert!(matches!(observed, Observed::Passive | Observed::Proven), "{observed:?}");
    assert_eq!(engine.next_device_event(), None);
    close(watched.engine);
}

pub(super) fn a_stamp_that_the_clock_did_not_give_becomes_no_time() {
    its_clock::begin(true);
    let (mut nic, plan) = up();
    let service = followed(&mut nic);
    let (clock, mut reader) = (HostClock::new(), service.reader());
    let mut engine = engine(nic, plan);
    let mut convert = |engine: &mut Engined, say| {
        take_in(engine, &clock, say);
        let stamp = engine.newest_stamp().expect("a stamp");
        reader.convert(&stamp, its_clock::counter().now()).map(|_| ())
    };
    let begun = Instant::now();
    while convert(&mut engine, Say::Nothing).is_err() {
        assert!(begun.elapsed() < PATIENCE, "no stamp becomes a time");
    }
    // Stamped so and not read so: further on than the last reading is good for.
    assert_eq!(convert(&mut engine, Say::StampedAhead), Err(Refusal::Device(Lapse::Stale)));
    close(engine);
}

pub(super) fn stamps_that_go_wrong_are_not_believed_from_there_on() {
    its_clock::begin(false);
    let (nic, plan) = up();
    let clock = HostClock::new();
    let mut engine = engine(nic, plan);
    let good = Say::Nothing;
    for (says, drift) in [
        (&[Say::StampedBack][..], Drift::StampWentBack),
        (&[Say::StampedAgain], Drift::StampStoodStill),
        (&[Say::Unstamped, good], Drift::StampsVanished),
    ] {
        for _ in 0..10 {
            take_in(&mut engine, &clock, good);
        }
        assert_eq!(engine.next_device_event(), None, "before {drift:?}");
        assert!(engine.newest_stamp().is_some());
        assert_eq!(until_event(&mut engine, &clock, says), demoted(drift));
        take_in(&mut engine, &clock, good);
        assert_eq!(engine.newest_stamp(), None, "after {drift:?}");
        assert_eq!(engine.promote().as_slice(), [Capability::RxTimestamp]);
        while engine.next_device_event().is_some() {}
    }
    assert_eq!(counter(&engine, "rx_stamp_backwards"), 1);
    assert!(counter(&engine, "rx_stamp_missing") >= 64);
    // One frame of many without a stamp is nothing.
    for _ in 0..200 {
        for say in [good, good, good, good, Say::Unstamped] {
            take_in(&mut engine, &clock, say);
        }
    }
    assert_eq!(engine.next_device_event(), None);
    close(engine);
}

pub(super) fn stamps_that_run_ahead_of_the_clock_that_was_read_are_not_believed() {
    its_clock::begin(true);
    let (nic, plan) = up();
    let clock = HostClock::new();
    let mut engine = engine(nic, plan);
    take_in(&mut engine, &clock, Say::Nothing);
    assert_eq!(engine.next_device_event(), None);
    let event = until_event(&mut engine, &clock, &[Say::StampedAhead]);
    assert_eq!(event, demoted(Drift::StampRanAhead));
    close(engine);
}

pub(super) fn a_port_that_is_closed_is_silent_to_who_reads_its_clock() {
    its_clock::begin(true);
    let (mut nic, _) = up();
    let service = followed(&mut nic);
    let begun = Instant::now();
    let wait_for = |what: &str, done: &dyn Fn() -> bool| {
        while !done() {
            assert!(begun.elapsed() < PATIENCE, "{what}");
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    wait_for("it does not lock", &|| service.counters().device.locked > 0);
    assert_eq!(nic.close(), Some(0));
    let readings = its_clock::readings();
    wait_for("nobody notices", &|| service.counters().device_silent > 1);
    assert_eq!(its_clock::readings(), readings, "DPDK was asked of a port that is gone");
    service.stop().unwrap();
}

pub(super) fn a_clock_that_its_driver_does_not_read_is_named() {
    its_clock::begin(false);
    let (mut nic, plan) = up();
    assert!(plan.uses(Capability::RxTimestamp));
    let ClockRoutes { found, refused } = nic.take_clocks();
    assert!(found.is_none(), "{found:?}");
    let [refusal] = &refused[..] else { panic!("{refused:?}") };
    assert_eq!(refusal.route, ClockRoute::ReadClock);
    assert!(refusal.why.contains("net_ring does not read it"), "{refusal}");
    // It stamps all the same, at a rate that nobody knows.
    assert_eq!(nic.clock().map(|clock| clock.ticks_per_s), Some(0));
    assert_eq!(nic.close(), Some(0));
}
