//! The clocks of a run: the one service that disciplines them, and looks at it between rounds.

use std::cell::OnceCell;

use fixwire::app::Application;
use fixwire::clock_watch::{ClockWatch, NewLife};
use fixwire::engine::Engine;
use fixwire::measure::live;
use fixwire::offload::clock::{Conversions, Reader};
use fixwire::offload::nic::Nic;
use fixwire::offload::profile::ClockSettings;
use fixwire::offload::stamp::ClockInfo;
#[cfg(feature = "dpdk")]
use fixwire_hw::clock_route::ClockRoutes;
use fixwire_hw::clock_route::{ClockRoute, RateBy, RouteRefusal};
use fixwire_hw::clock_service::{ClockCounters, ClockService, ClockTally, DeviceClock};
use fixwire_hw::host_counter::HostCounter;
use serde_json::Value;

use super::clock_report::{ClockReport, Known};
use super::doctor::{Host, HostTime};
use super::warn;

/// The clocks that stamps are by.
pub(crate) struct Clocks {
    counter: HostCounter,
    device: Device,
    service: Result<ClockService, String>,
}

/// What a device stamps by, where that is a clock of its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Device {
    /// The clock, followed or not.
    pub(super) stamps: Option<ClockInfo>,
    /// It is a model's.
    pub(super) is_model: bool,
    /// By which way it is read, and whose word its rate is.
    pub(super) way: Option<(ClockRoute, RateBy)>,
    /// The ways before that one, or all of them.
    pub(super) refused: Vec<RouteRefusal>,
}

impl Clocks {
    /// Those of a device that stamps by the host's `counter`: the system's time is followed by it.
    pub(crate) fn of_host(counter: HostCounter, settings: &ClockSettings) -> Clocks {
        Clocks::start(counter, None, Device::default(), settings)
    }

    /// Those of a device that stamps by `stamps`, a clock of its own that was looked for by `routes`. Where it was not
    /// found, that is said, stamps become no times, and sessions go on.
    #[cfg(feature = "dpdk")]
    pub(crate) fn of_device(
        counter: HostCounter,
        stamps: Option<ClockInfo>,
        routes: ClockRoutes,
        settings: &ClockSettings,
    ) -> Clocks {
        let ClockRoutes { found, refused } = routes;
        let way = found.as_ref().map(|found| (found.route, found.rate));
        let device = Device { stamps, is_model: false, way, refused };
        if let Some(unread) = device.unread() {
            warn(format_args!("{unread} No stamp is converted; sessions go on."));
        }
        Clocks::start(counter, found.map(|found| found.clock), device, settings)
    }

    /// Those of a NIC model whose wire's time is `counter`.
    pub(crate) fn of_model(
        counter: HostCounter,
        device: Option<impl DeviceClock + 'static>,
        settings: &ClockSettings,
    ) -> Clocks {
        let clock = device.map(|device| Box::new(device) as Box<dyn DeviceClock>);
        let stamps = clock.as_ref().map(|clock| clock.info());
        let device = Device { stamps, is_model: stamps.is_some(), ..Device::default() };
        Clocks::start(counter, clock, device, settings)
    }

    /// To be called before the thread is pinned. Where they cannot be followed, that is said, and sessions
    /// go on.
    fn start(
        counter: HostCounter,
        clock: Option<Box<dyn DeviceClock>>,
        device: Device,
        settings: &ClockSettings,
    ) -> Clocks {
        let service = ClockService::start(counter, clock, settings).map_err(|error| {
            warn(format_args!(
                "{error}. Stamps become no times, and a clock that jumps goes unnoticed; sessions go on."
            ));
            error.to_string()
        });
        Clocks { counter, device, service }
    }

    /// The host's.
    pub(crate) fn counter(&self) -> HostCounter {
        self.counter
    }

    /// Whether the device's is a model's.
    pub(crate) fn is_model(&self) -> bool {
        self.device.is_model
    }

    /// What stamps are by, and the lines of what is followed.
    pub(crate) fn for_measuring(&self) -> live::Clocks {
        let follows = |service: &&ClockService| service.device().is_some();
        let reader = self.service().filter(follows).map(ClockService::reader);
        live::Clocks { host: self.counter.info(), device: self.device.stamps, reader }
    }

    /// What disciplines them.
    pub(crate) fn service(&self) -> Option<&ClockService> {
        self.service.as_ref().ok()
    }

    /// Keeps the thread that reads them off `core`, where it may use another.
    pub(crate) fn keep_off(&self, core: u16) {
        if let Some(service) = self.service() {
            service.keep_off(core);
        }
    }

    /// What another thread reads of them while they are followed.
    pub(crate) fn view(&self) -> ClockView {
        let service = self.service.as_ref();
        ClockView {
            counter: self.counter,
            device: self.device.clone(),
            followed: service.ok().and_then(ClockService::device),
            lines: service
                .map(|service| (service.reader(), service.tally()))
                .map_err(String::clone),
            host_time: OnceCell::new(),
        }
    }

    /// Who looks at them between rounds.
    pub(crate) fn looks(&self) -> Looks {
        Looks {
            watch: self.service().map(|service| ClockWatch::new(service.reader())),
            counter: self.counter,
            by_device: self.device.stamps.is_some(),
            is_due: false,
        }
    }

    /// Ends their service, and says what became of it and of the stamps that were looked at.
    pub(crate) fn finish(self, looks: &Looks) -> ClockReport {
        let Clocks { counter, device, service } = self;
        let conversions = looks.watch.as_ref().map(|watch| *watch.conversions());
        let mut report = ClockReport {
            host: counter.info(),
            device,
            followed: service.as_ref().ok().and_then(ClockService::device),
            known: None,
            counters: ClockCounters::default(),
            conversions: conversions.unwrap_or_default(),
            trouble: None,
        };
        match service {
            Ok(service) => {
                // As they stand now: once nobody reads them any more, they become stale.
                report.known = Some(Known::of(service.reader().mapping(), counter.now()));
                report.counters = service.counters();
                report.trouble = service.stop().err().map(|error| error.to_string());
            }
            Err(trouble) => report.trouble = Some(trouble),
        }
        report
    }
}

/// How the clocks of a run stand, for whoever asks on a thread of his own. It reads what the clocks' own thread has published, and
/// nothing of the polling core's.
pub(crate) struct ClockView {
    counter: HostCounter,
    device: Device,
    followed: Option<ClockInfo>,
    lines: Result<(Reader, ClockTally), String>,
    /// As it was when somebody asked first: hardware clocks are not read again and again beside an engine that may trade by them.
    host_time: OnceCell<Value>,
}

impl ClockView {
    /// As in the report at the end, but for the stamps that the polling core looked at, with who keeps the host's time and how.
    pub(crate) fn json(&mut self) -> Value {
        let (known, counters, trouble) = match &mut self.lines {
            Ok((reader, tally)) => {
                let known = Known::of(reader.mapping(), self.counter.now());
                (Some(known), tally.counters(), None)
            }
            Err(trouble) => (None, ClockCounters::default(), Some(trouble.clone())),
        };
        let report = ClockReport {
            host: self.counter.info(),
            device: self.device.clone(),
            followed: self.followed,
            known,
            counters,
            conversions: Conversions::default(),
            trouble,
        };
        let mut json = report.json();
        if let Value::Object(fields) = &mut json {
            fields.remove("conversions");
            let host_time = self.host_time.get_or_init(|| HostTime::read(&Host::this()).json());
            fields.insert("host_time".into(), host_time.clone());
        }
        json
    }
}

/// Looks at the clocks between rounds, off the packet's path.
pub(crate) struct Looks {
    watch: Option<ClockWatch>,
    counter: HostCounter,
    /// Stamps are by the device's own clock.
    by_device: bool,
    /// The next frame's stamp is to become a time.
    is_due: bool,
}

impl Looks {
    /// Lets the engine know of a new life of its device's clock, and says so.
    pub(crate) fn look<N: Nic, A: Application>(
        &mut self,
        engine: &mut Engine<N, A>,
    ) -> Option<NewLife> {
        self.is_due = true;
        self.watch.as_mut()?.look(engine)
    }

    #[cfg(test)]
    fn converted(&self) -> u64 {
        self.watch.as_ref().map_or(0, |watch| watch.conversions().converted)
    }

    /// After a round in which frames came: the stamp of the last of them becomes a time, once a look.
    #[inline]
    pub(crate) fn after_frames<N: Nic, A: Application>(&mut self, engine: &Engine<N, A>) {
        if self.is_due {
            self.convert_newest(engine);
        }
    }

    #[inline(never)]
    fn convert_newest<N: Nic, A: Application>(&mut self, engine: &Engine<N, A>) {
        self.is_due = false;
        let now = self.counter.stamp();
        // The host's own stamps are readings of its counter, such as this one.
        let stamp = if self.by_device { engine.newest_stamp() } else { Some(now) };
        if let (Some(watch), Some(stamp)) = (&mut self.watch, stamp) {
            // What is refused is counted.
            let _ = watch.convert(&stamp, now.ticks);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use fixwire::app::taker::Taker;
    use fixwire::engine::Setup;
    use fixwire::neighbor::Network;
    use fixwire::offload::device::Device;
    use fixwire::offload::flow::RuleSet;
    use fixwire::offload::nic::{Burst, Frame, TxMeta};
    use fixwire::offload::profile::{Idle, Policy, Profile};
    use fixwire::tcp::Config;
    use fixwire::wire::ethernet::Mac;
    use fixwire_hw::clock::HostClock;
    use fixwire_hw::sim::{End, NicFaults, SimBackend, SimNic};
    use serde_json::Value;

    use super::super::device;
    use super::super::polling::Polling;
    use super::super::telling::Teller;
    use super::*;

    fn counter<N: Nic>(engine: &Engine<N, Taker>, name: &str) -> u64 {
        engine.counters().find(|(known, _)| *known == name).unwrap().1
    }

    #[test]
    fn a_jump_that_the_service_finds_reaches_the_engine_between_rounds() {
        let profile = Profile::all(Policy::Prefer);
        let (near, far, wire) =
            device::sim(fixwire_hw::sim::Model::named("connectx5").unwrap(), &profile);
        let start = |backend: SimBackend| {
            let device = Device::probed(backend).plan(&profile, RuleSet::EMPTY).configure();
            device.unwrap().start().unwrap().steer().unwrap()
        };
        let network = Network {
            mac: Mac(near.mac()),
            addr: [10, 9, 0, 2].into(),
            prefix_len: 24,
            gateway: None,
            vlan: None,
            mtu: 1500,
        };
        let ((near, plan), (mut far, _)) = (start(near), start(far));
        let (clock, settings) = (HostClock::new(), ClockSettings::default());
        let clocks = Clocks::of_model(HostCounter::Mono(clock), near.live_clock(), &settings);
        let setup =
            Setup { network, tcp: Config::default(), secret: [1; 16], sessions: Vec::new() };
        let mut engine = Engine::<SimNic, _>::new(near, plan, setup, Taker::new(1, 0)).unwrap();
        let voice = Teller::Nobody.voice(&engine, None).unwrap();
        let mut looks = clocks.looks();
        // Somebody says something now and then: a request for an address that is nobody's here.
        let mut rounds = 0;
        let mut beside = || {
            wire.set_now(clock.mono());
            rounds += 1;
            if rounds % 64 == 0 {
                let mut frame = far.tx_frame().unwrap();
                frame.space()[..60].fill(0);
                frame.space()[..14]
                    .copy_from_slice(&[255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 9, 8, 6]);
                frame.finish(60, TxMeta::default());
                let mut burst = Burst::new();
                burst.push(frame);
                far.tx_burst(&mut burst);
            }
        };
        let begun = Instant::now();
        let mut polling = Polling::new(
            &mut engine,
            &clock,
            Idle::Yield,
            &mut beside,
            Teller::Nobody,
            &voice,
            &mut looks,
        )
        .unwrap();
        let mut poll_until = |what: &str, done: &dyn Fn(&Polling<'_, SimNic, Taker>) -> bool| {
            while !done(&polling) {
                assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
                polling.rounds();
            }
        };
        poll_until("no stamp becomes a time", &|polling| polling.looks.converted() > 0);
        let lives =
            |polling: &Polling<'_, SimNic, Taker>| counter(polling.engine, "rx_clock_new_life");
        let faults = NicFaults { clock_jump_ns: 500_000_000, ..NicFaults::default() };
        wire.set_nic_faults(End::A, faults);
        poll_until("the jump is not heard of", &|polling| lives(polling) > 0);
        let report = clocks.finish(&looks);
        let (json, text) = (report.json(), report.for_people());
        assert!(json["device"]["generation"].as_u64().unwrap() > 0, "{json}");
        assert!(json["conversions"]["converted"].as_u64().unwrap() > 0, "{json}");
        assert!(text.contains("NIC counter (a model's)"), "{text}");
        assert_eq!(counter(&engine, "rx_stamp_backwards"), 0);
    }

    #[cfg(feature = "dpdk")]
    #[test]
    fn by_which_way_a_clock_is_read_and_by_which_it_is_not_is_told() {
        use fixwire_hw::clock_route::FoundClock;
        let refused = |route, why: &str| RouteRefusal { route, why: why.into() };
        let refused = vec![
            refused(ClockRoute::ReadClock, "mlx5 does not read it"),
            refused(ClockRoute::Mlx5dv, "not built in"),
        ];
        let profile = Profile::all(Policy::Prefer);
        let (nic, _, _) =
            device::sim(fixwire_hw::sim::Model::named("connectx5").unwrap(), &profile);
        let started = Device::probed(nic).plan(&profile, RuleSet::EMPTY).configure().unwrap();
        let (nic, _) = started.start().unwrap().steer().unwrap();
        let settings = ClockSettings::default();
        let clock = Box::new(nic.live_clock().unwrap());
        let (stamps, rate) = (clock.info(), RateBy::Measured { within_ppb: 1_500 });
        let found = FoundClock { route: ClockRoute::InternalTimer, rate, clock };
        for (found, read) in [(Some(found), true), (None, false)] {
            let routes = ClockRoutes { found, refused: refused.clone() };
            let counter = HostCounter::Mono(HostClock::new());
            let clocks = Clocks::of_device(counter, Some(stamps), routes, &settings);
            let looks = clocks.looks();
            let report = clocks.finish(&looks);
            let (json, text) = (report.json(), report.for_people());
            let why = &json["routes_refused"];
            assert_eq!(why[0]["route"], "rte_eth_read_clock", "{json}");
            assert_eq!(
                (&why[1]["why"], why.as_array().unwrap().len()),
                (&"not built in".into(), 2)
            );
            assert!(text.contains("mlx5dv: not built in."), "{text}");
            assert!(
                json["conversions"]["of"].as_str().unwrap().starts_with("NIC counter"),
                "{json}"
            );
            assert_eq!(json["device"].is_object(), read, "{json}");
            let by = "read by BAR0 internal timer; its rate: measured within 2 ppm";
            assert_eq!(text.contains(by), read, "{text}");
            assert_eq!(
                text.contains("behind the stamps (NIC counter) is not read"),
                !read,
                "{text}"
            );
            if read {
                assert_eq!(json["device"]["route"], "BAR0 internal timer");
                assert!(json["device"]["rate_by"].as_str().unwrap().contains("2 ppm"), "{json}");
            } else {
                assert_eq!(json["error_bound_ns"], Value::Null);
            }
        }
    }

    #[test]
    fn clocks_that_cannot_be_followed_are_told_of_and_nothing_else_changes() {
        let settings = ClockSettings { queue_delay_us_max: 0, ..ClockSettings::default() };
        let clocks = Clocks::of_host(HostCounter::Mono(HostClock::new()), &settings);
        assert!(clocks.service().is_none());
        let looks = clocks.looks();
        let report = clocks.finish(&looks);
        let json = report.json();
        assert!(json["trouble"].as_str().unwrap().contains("queue_delay_ns_max"), "{json}");
        assert_eq!((&json["device"], &json["error_bound_ns"]), (&Value::Null, &Value::Null));
        assert!(report.for_people().starts_with("clocks: not followed: the clocks cannot be"));
    }
}
