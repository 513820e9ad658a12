//! `fixwire run`: the main job.

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use fixwire::app::exchange::Exchange;
use fixwire::app::taker::Taker;
use fixwire::desk::SessionPlan;
use fixwire::engine::{Engine, Setup};
use fixwire::neighbor::Network;
use fixwire::offload::device::Device;
use fixwire::offload::nic::Nic;
use fixwire::offload::plan::Plan;
use fixwire::offload::profile::Profile;
use fixwire::time::{Clock, Instant};
use fixwire::wire::ethernet::Mac;
use fixwire_hw::capture::Capture;
use fixwire_hw::clock::HostClock;
#[cfg(feature = "dpdk")]
use fixwire_hw::dpdk::DeviceSpec;
use fixwire_hw::host_counter::HostCounter;
use fixwire_hw::sim::{SimBackend, SimNic};
use fixwire_hw::tap::{TapBackend, TapShare};

use super::capture::{Asked, CaptureArgs};
use super::clocks::Clocks;
use super::dictionaries::Dictionaries;
#[cfg(feature = "dpdk")]
use super::dpdk::{self, NetworkFor};
use super::drive::{self, Trader, Watch};
use super::failure::Failure;
use super::hand_over::{Giving, NotGiven, TakeOverArgs, Taking};
use super::kernel_side::Neighborhood;
use super::measure::live::{self, LiveArgs};
use super::nic_spec::NicSpec;
use super::operations::{self, Operations, OperationsArgs, Views};
use super::polling::{self, Polling};
use super::session_file::{Purpose, SessionFile, SessionSettings, Side};
use super::signals::Interruption;
use super::stores::Stores;
use super::telling::{Line, Teller};
use super::{bring_up, device, exchange, profile, report, summary, warn};

/// Trade: bring the device up, connect, log on, send orders, log out, report.
///
/// With no argument: a TAP in a namespace of our own, the profile `tap`, a built-in exchange on the
/// kernel's sockets on the far side, and 1,000 orders, each sent on the ExecutionReport of the one
/// before. Where this machine forbids a TAP or a namespace, the bare command says so and trades on the
/// NIC model instead; a device asked for by --nic is never replaced. Ctrl-C, SIGTERM or SIGHUP logs out, reports,
/// closes the device, and ends with 1. SIGUSR1 gives back to the device what
/// was taken from it because it was found wrong, to prove itself anew.
///
/// With `--control PATH` another `fixwire run --take-over PATH` goes on in its place, without a reconnect: for an upgrade
/// (docs/hand-over.md).
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The device: `tap` (one of our own, no root), `tap:IFNAME` (attached to or created here, needs
    /// CAP_NET_ADMIN; kernel side 10.9.0.1/24 unless it has an address), `sim` or `sim:MODEL` (a NIC
    /// model; `fixwire profiles list` has their names), `dpdk:DEVICE` (a port of DPDK's, where built with the
    /// feature `dpdk`: docs/dpdk.md), `rtl`, `rtl:512` or `rtl:64,waves=FILE.fst` (our own offload blocks, Verilated, at so many
    /// bits; where built with the feature `rtl`). What a model or the RTL takes is no device's latency.
    #[arg(long, value_name = "SPEC")]
    nic: Option<NicSpec>,
    /// A built-in profile (`fixwire profiles list`) or a file; by default the one that fits the device: for one of DPDK's by
    /// its driver or its PCI numbers, `default` where none does. The plan says which.
    #[arg(long, value_name = "NAME|FILE")]
    profile: Option<String>,
    /// Session settings (TOML, keys as in QuickFIX; see docs/sessions.md); by default a FIX 4.4 session
    /// from FIXWIRE to EXCHANGE.
    #[arg(long, value_name = "FILE")]
    session: Option<PathBuf>,
    /// Orders to send on each session.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    orders: u64,
    /// The number in the first order's ClOrdID (`O0`, `O1`, ...): behind a store in a file, one that was not used before.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=1_000_000_000))]
    first_order: u64,
    /// Give up when no session has been established for this long.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    connect_timeout: u64,
    /// Give up when no order has been reported on for this long.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    stall_timeout: u64,
    #[command(flatten)]
    capture: CaptureArgs,
    #[command(flatten)]
    measure: LiveArgs,
    #[command(flatten)]
    operations: OperationsArgs,
    #[command(flatten)]
    take_over: TakeOverArgs,
    /// Print one JSON object for machines, and nothing else, on standard output.
    #[arg(long)]
    json: bool,
}

/// What trades in a run, as whoever takes over from it is told.
const APP: &str = "taker";
/// The address on the far side of the simulated wire.
const SIM_FAR_ADDR: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const PREFIX_LEN: u8 = 24;

pub(crate) fn command(args: &RunArgs) -> Result<(), Failure> {
    let mut taking = args.take_over.ask()?;
    let settings = SessionFile::open_or_built_in(args.session.as_deref(), Purpose::Trade)?;
    let nic = args.nic.as_ref().unwrap_or(&NicSpec::TapEmbedded);
    let profile = args.profile_for(nic)?;
    // Before the namespace of our own: what may be written here may not be there.
    let profile_file = args.profile.as_deref().map(Path::new);
    let capture = args.capture.open(&[args.session.as_deref(), profile_file])?;
    let measure = Cell::new(args.measure.open(&profile)?);
    let operations = Cell::new(Some(args.operations.open(&settings.sessions, taking.as_mut())?));
    let stores = match &taking {
        None => Stores::open(&settings.sessions)?,
        Some(_) => Stores::later(),
    };
    let interruption = Interruption::caught()?;
    let given = taking.as_ref().map(|taking| taking.backend(nic)).transpose()?;
    let secret = taking.as_ref().map_or_else(bring_up::secret, |taking| Ok(taking.secret()))?;
    let taking = Cell::new(taking);
    let job = Job { args, settings, stores, measure, operations, interruption, secret, taking };
    let (backend, embedded) = match (given, nic) {
        (Some(given), _) => (given, false),
        (None, NicSpec::Tap(name)) => (TapBackend::attach(name), false),
        (None, NicSpec::TapEmbedded) => (TapBackend::embedded(), true),
        (None, NicSpec::Sim(_)) => return job.on_model(nic, &profile, None, capture),
        #[cfg(feature = "rtl")]
        (None, NicSpec::Rtl(_)) => return job.on_model(nic, &profile, None, capture),
        #[cfg(feature = "dpdk")]
        (None, NicSpec::Dpdk(port)) => return job.on_dpdk(port, &profile, capture),
    };
    match backend {
        Err(error) if error.forbidden_by_machine() && args.nic.is_none() => {
            warn(format_args!(
                "no TAP here: {error}. Trading on the NIC model instead; its figures are not a device's."
            ));
            let instead = NicSpec::Sim(NicSpec::default_model());
            let profile = args.profile_for(&instead)?;
            job.on_model(&instead, &profile, Some(&error.to_string()), capture)
        }
        backend => job.on_tap(bring_up::tap(backend, &profile)?, &profile, embedded, capture),
    }
}

/// Where and how a run trades, once its device is there.
struct Place<'a> {
    plan: Plan,
    network: Network,
    sessions: Vec<SessionPlan>,
    profile: &'a Profile,
    clock: HostClock,
    clocks: Clocks,
    neighborhood: Neighborhood,
    share: Result<TapShare, NotGiven>,
    instead_of: Option<&'a str>,
}

/// A device that runs, and what is to be traded on it.
struct Running<N> {
    nic: N,
    plan: Plan,
    network: Network,
    sessions: Vec<SessionPlan>,
    neighborhood: Neighborhood,
    share: Result<TapShare, NotGiven>,
}

/// What was asked for.
struct Job<'a> {
    args: &'a RunArgs,
    settings: SessionFile,
    /// Until it is started, if at all.
    measure: Cell<Option<live::Asked>>,
    /// Until it is started.
    operations: Cell<Option<operations::Asked>>,
    stores: Stores,
    interruption: Interruption,
    secret: [u8; 16],
    /// Until it was taken over from.
    taking: Cell<Option<Taking>>,
}

impl RunArgs {
    fn profile_for(&self, nic: &NicSpec) -> Result<Profile, Failure> {
        profile::load(self.profile.as_deref().unwrap_or(nic.default_profile()))
    }
}

impl Job<'_> {
    /// On a TAP: with the built-in exchange on the kernel's side where the namespace is our own, with
    /// whoever is there where it is not.
    fn on_tap(
        &self,
        backend: TapBackend,
        profile: &Profile,
        embedded: bool,
        capture: Option<Asked>,
    ) -> Result<(), Failure> {
        let network = bring_up::tap_network(&backend, &self.settings.network)?;
        let far = backend.kernel_side().addr;
        let sessions = bring_up::session_plans(&self.settings.sessions, network.addr, far)?;
        let rules = bring_up::rules(profile, network.addr, network.vlan, &sessions)?;
        let share = match embedded {
            true => Err(NotGiven::ExchangeInside),
            false => backend.share().map_err(|_| NotGiven::NoHandle),
        };
        let (nic, plan) = bring_up::start(Device::probed(backend), profile, rules, self.args.json)?;
        let neighborhood = Neighborhood::Own;
        let running = Running { nic, plan, network, sessions, neighborhood, share };
        let clocks = |_: &mut _| Clocks::of_host(HostCounter::best(), &profile.clock);
        self.on_host(running, profile, embedded.then_some(far), clocks, capture)
    }

    /// On a port of DPDK's: with the built-in exchange on the kernel's side where that is its line and no session
    /// says whom to connect to, with whoever is there otherwise.
    #[cfg(feature = "dpdk")]
    fn on_dpdk(
        &self,
        port: &DeviceSpec,
        profile: &Profile,
        capture: Option<Asked>,
    ) -> Result<(), Failure> {
        let has_peers = self.settings.sessions.iter().any(|session| session.connect_host.is_some());
        let place = if has_peers { dpdk::Where::Here } else { dpdk::Where::OfOurOwn };
        let opened = dpdk::open(port, profile, self.args.json, place)?;
        let NetworkFor { network, beside } = opened.network(&self.settings, profile)?;
        beside.check_guard(network.addr)?;
        let far = opened.far();
        let at = far.unwrap_or(Ipv4Addr::UNSPECIFIED);
        let sessions = bring_up::session_plans(&self.settings.sessions, network.addr, at)?;
        let rules = bring_up::rules(profile, network.addr, network.vlan, &sessions)?;
        let device = Device::probed(opened.backend);
        let (nic, plan) = bring_up::start(device, profile, rules, self.args.json)?;
        dpdk::refuse_unpolled_queues(port, profile, &plan)?;
        dpdk::forget_words();
        let neighborhood = beside.neighborhood(profile, &plan, self.args.json)?;
        let share = Err(NotGiven::Dpdk);
        let running = Running { nic, plan, network, sessions, neighborhood, share };
        let clocks = |nic: &mut _| dpdk::clocks(nic, &profile.clock);
        self.on_host(running, profile, far.filter(|_| !has_peers), clocks, capture)
    }

    /// On a device that runs, and its `clocks`: with the built-in exchange at `kernel`, its far side in a
    /// namespace of our own, or with whoever is there.
    fn on_host<N: Nic>(
        &self,
        running: Running<N>,
        profile: &Profile,
        kernel: Option<Ipv4Addr>,
        clocks: impl FnOnce(&mut N) -> Clocks,
        capture: Option<Asked>,
    ) -> Result<(), Failure> {
        let Running { mut nic, plan, network, sessions, neighborhood, share } = running;
        let clock = HostClock::new();
        if let Some(far) = kernel {
            self.start_exchanges(far, clock)?;
        }
        let clocks = clocks(&mut nic);
        let place = Place {
            plan,
            network,
            sessions,
            profile,
            clock,
            clocks,
            neighborhood,
            share,
            instead_of: None,
        };
        match capture {
            None => self.trade(nic, None, place, || Ok(|| {})),
            Some(asked) => {
                let service = place.clocks.service();
                let (nic, capture) = asked.start(nic, &place.plan.nic, clock, None, service);
                self.trade(nic, Some(capture), place, || Ok(|| {}))
            }
        }
    }

    /// On a NIC model or the RTL, with our own acceptor behind the wire, polled by the same thread.
    fn on_model(
        &self,
        nic: &NicSpec,
        profile: &Profile,
        instead_of: Option<&str>,
        capture: Option<Asked>,
    ) -> Result<(), Failure> {
        let model = device::model(nic)?.unwrap_or_default();
        let (near, far, wire) = device::sim(model, profile);
        let mac = Mac(near.mac());
        let clock = HostClock::new();
        wire.set_now(clock.now().mono);
        let far_addr = (SIM_FAR_ADDR, PREFIX_LEN);
        let network = bring_up::network(&self.settings.network, mac, 1500, far_addr)?;
        let sessions =
            bring_up::session_plans(&self.settings.sessions, network.addr, SIM_FAR_ADDR)?;
        let rules = bring_up::rules(profile, network.addr, network.vlan, &sessions)?;
        let (nic, plan) = bring_up::start(Device::probed(near), profile, rules, self.args.json)?;

        let beside = || {
            let mut exchange = self.far_side(far, profile, &network)?;
            Ok(move || {
                wire.set_now(clock.now().mono);
                exchange.poll(&clock);
            })
        };
        // The wire's time is the monotonic clock. By another counter, the model's clock would change its rate
        // whenever the system steers that one, as no crystal does.
        let counter = HostCounter::Mono(clock);
        let clocks = Clocks::of_model(counter, nic.live_clock(), &profile.clock);
        let (neighborhood, share) = (Neighborhood::Own, Err(NotGiven::Model));
        let place = Place {
            plan,
            network,
            sessions,
            profile,
            clock,
            clocks,
            neighborhood,
            share,
            instead_of,
        };
        match capture {
            None => self.trade(nic, None, place, beside),
            Some(asked) => {
                // The wire's clock is set by the host's.
                let wire_origin = Some(clock.utc(Instant::ZERO));
                let service = place.clocks.service();
                let (nic, capture) = asked.start(nic, &place.plan.nic, clock, wire_origin, service);
                self.trade(nic, Some(capture), place, beside)
            }
        }
    }

    /// Our own acceptor on the other end of a simulated wire.
    fn far_side(
        &self,
        far: SimBackend,
        profile: &Profile,
        near: &Network,
    ) -> Result<Engine<SimNic, Exchange>, Failure> {
        let network = Network { mac: Mac(far.mac()), addr: SIM_FAR_ADDR, gateway: None, ..*near };
        let sessions = self.settings.sessions.iter().map(SessionSettings::mirrored);
        let mut dictionaries = Dictionaries::default();
        let sessions: Vec<_> = sessions
            .map(|settings| {
                let at = match settings.side {
                    Side::Initiator => near.addr,
                    Side::Acceptor => SIM_FAR_ADDR,
                };
                bring_up::session_plan(&settings, at, &mut dictionaries)
            })
            .collect::<Result<_, _>>()?;
        let rules = bring_up::rules_of_sessions(network.addr, network.vlan, &sessions)?;
        let started =
            Device::probed(far).plan(profile, rules).configure().and_then(|device| device.start());
        let (nic, plan) = started.and_then(|device| device.steer()).map_err(|error| {
            Failure::run(error, "this is a fault of fixwire's: please report it")
        })?;
        let tcp = bring_up::tcp_config(&network, sessions.len());
        let setup = Setup { network, tcp, secret: bring_up::secret()?, sessions };
        Engine::new(nic, plan, setup, Exchange::new()).map_err(Failure::Run)
    }

    /// From the engine to the report, on a running device, captured or not. What `beside` makes is
    /// polled by the same thread.
    fn trade<N: Nic, F: FnMut()>(
        &self,
        nic: N,
        capture: Option<Capture>,
        place: Place<'_>,
        beside: impl FnOnce() -> Result<F, Failure>,
    ) -> Result<(), Failure> {
        let Place {
            plan,
            network,
            sessions,
            profile,
            clock,
            clocks,
            mut neighborhood,
            share,
            instead_of,
        } = place;
        let within = self.args.operations.hand_over_within();
        let giving = Giving::new(share, (APP, self.secret), within, &self.settings.sessions);
        let ours = network.addr;
        let setup = (network, sessions, &neighborhood);
        let measure = self.measure.take();
        let views =
            Views { clocks: clocks.view(), measure: measure.as_ref().map(live::Asked::view) };
        let (mut engine, mut operations) =
            self.engine(nic, plan, setup, ((&giving, &clock), views))?;
        let measure = measure.map(|asked| asked.start(&mut engine, &clocks, ours)).transpose()?;
        let mut beside = beside()?;
        let teller = if self.args.json { Teller::Nobody } else { Teller::People };
        let voice = teller.voice(&engine, operations.events())?;
        let core = polling::pin(profile, |core| {
            clocks.keep_off(core);
            neighborhood.keep_off(core);
            operations.keep_off(core);
            measure.iter().for_each(|measure| measure.keep_off(core));
            capture.iter().for_each(|capture| capture.keep_off(core));
        })?;
        let watch = self.watch(place.profile);
        let mut looks = clocks.looks();
        let idle = profile.idle;
        let taken = self.taking.take().map(|taking| {
            let sessions = &self.settings.sessions[..];
            taking.finish(&mut engine, (APP, sessions), &clock, &mut operations)
        });
        let taken = taken.transpose()?;
        let mut polling =
            Polling::new(&mut engine, &clock, idle, &mut beside, teller, &voice, &mut looks)?
                .among(&mut neighborhood)
                .operated_by(&mut operations)
                .given_by(&giving);
        if let Some(taken) = &taken {
            polling.begin(taken);
        }
        let outcome = drive::drive(polling, &clock, &watch);
        let captured = capture.map(Capture::finish);
        engine.app_mut().end_log();
        let operations = operations.finish();
        let measured = measure.map(|measure| measure.finish(&mut engine)).transpose();
        // What is captured is shown by them.
        let clocks = clocks.finish(&looks);
        let report = report::Report::of(&engine, core, instead_of, &clocks, captured.as_ref());
        let words = if self.args.json {
            let mut report = report.json();
            operations.add_to(&mut report);
            if let Ok(Some(measured)) = &measured {
                report["measure"] = measured.json();
            }
            report["buffers_not_returned"] = summary::close(engine).into();
            report.to_string()
        } else {
            let mut report = report.for_people() + &operations.for_people();
            if let Ok(Some(measured)) = &measured {
                report += &measured.for_people();
            }
            report + &summary::lost_buffers(summary::close(engine)).unwrap_or_default()
        };
        outcome.and(voice.finish(Line::Words(words))).and(measured.map(|_| ()))
    }

    /// The built-in exchange, one for each port and CompID that the sessions connect to.
    fn start_exchanges(&self, addr: Ipv4Addr, clock: HostClock) -> Result<(), Failure> {
        let mut wanted: Vec<(u16, &str)> = Vec::new();
        for session in &self.settings.sessions {
            if session.side == Side::Acceptor {
                return Err(Failure::Input(format!(
                    "the session of {:?} is an acceptor, and so is the built-in exchange; write \
                     connection_type = \"initiator\", or attach to a TAP by --nic tap:IFNAME",
                    session.sender_comp_id
                )));
            }
            let port = session.connect_port;
            match wanted.iter().find(|(known, _)| *known == port) {
                Some((_, comp_id)) if *comp_id != session.target_comp_id => {
                    return Err(Failure::Input(format!(
                        "two sessions expect {comp_id:?} and {:?} behind port {port} of the built-in \
                         exchange; give them different ports by socket_connect_port",
                        session.target_comp_id
                    )));
                }
                Some(_) => {}
                None => wanted.push((port, &session.target_comp_id)),
            }
        }
        for (port, name) in wanted {
            let listener = exchange::listen(SocketAddr::from((addr, port)), "socket_connect_port")?;
            let places = self.settings.sessions.len();
            exchange::in_background(listener, bring_up::comp_id(name)?, clock, places);
        }
        Ok(())
    }

    fn engine<N: Nic>(
        &self,
        nic: N,
        plan: Plan,
        (network, sessions, neighborhood): (Network, Vec<SessionPlan>, &Neighborhood),
        (beside, views): ((&Giving, &HostClock), Views),
    ) -> Result<(Engine<N, Trader>, Operations), Failure> {
        let taker =
            Taker::new(self.args.orders, sessions.len()).numbered_from(self.args.first_order);
        let configs = sessions.iter().map(|session| session.config.clone()).collect();
        let tcp = bring_up::tcp_config(&network, sessions.len());
        let setup = Setup { network, tcp, secret: self.secret, sessions };
        let asked = self.operations.take().unwrap_or_default();
        let (trader, logging) = asked.start_log(taker, configs)?;
        let mut engine = neighborhood.engine(nic, plan, setup, trader).map_err(Failure::Input)?;
        self.stores.keep(&mut engine);
        let operations = logging.beside(&engine, beside, views)?;
        Ok((engine, operations))
    }

    fn watch(&self, profile: &Profile) -> Watch {
        let nic = self.args.nic.as_ref().unwrap_or(&NicSpec::TapEmbedded);
        Watch {
            aloud: !self.args.json,
            connect_timeout: Duration::from_secs(self.args.connect_timeout),
            stall_timeout: Duration::from_secs(self.args.stall_timeout),
            interruption: self.interruption.clone(),
            orders_total: self.args.orders * self.settings.sessions.len() as u64,
            interface: self.args.nic.as_ref().and_then(|nic| nic.interface(profile)),
            link_remedy: nic.link_remedy(profile),
        }
    }
}
