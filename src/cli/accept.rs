//! `fixwire accept`: the engine as the side that others connect to, over its own TCP.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use fixwire::app::Application;
use fixwire::app::echo::Echo;
use fixwire::app::exchange::Exchange;
use fixwire::app::logged::Logged;
use fixwire::desk::SessionPlan;
use fixwire::engine::{Engine, Setup};
use fixwire::measure::Intervals;
use fixwire::neighbor::Network;
use fixwire::offload::device::{Backend, Device, Probed};
use fixwire::offload::nic::{Link, Nic};
use fixwire::offload::plan::Plan;
use fixwire::offload::profile::Profile;
use fixwire_hw::capture::{Capture, Summary};
use fixwire_hw::clock::HostClock;
use fixwire_hw::host_counter::HostCounter;
use fixwire_hw::tap::{self, TapBackend, TapShare, namespace};
use serde_json::{Value, json};

use super::capture::{Asked, CaptureArgs};
use super::clock_report::ClockReport;
use super::clocks::Clocks;
#[cfg(feature = "dpdk")]
use super::dpdk::{self, NetworkFor};
use super::failure::Failure;
use super::hand_over::{Giving, NotGiven, TakeOverArgs, Taking};
use super::kernel_side::Neighborhood;
use super::nic_spec::NicSpec;
use super::operations::{self, OperationsArgs, Views};
use super::percentiles::Percentiles;
use super::polling::{self, Polling};
use super::session_file::{Purpose, SessionFile, SessionSettings};
use super::signals::Interruption;
use super::stores::Stores;
use super::telling::{Line, Teller, parties};
use super::{bring_up, capture, profile, say, steering, summary, table};

/// Accept FIX connections over our own TCP until Ctrl-C, and report.
///
/// Every session of the file is an acceptor; several may share a port, told apart by BeginString and
/// CompIDs. With `--nic tap:IFNAME` any program on the kernel's sockets in that namespace connects to
/// it; with `--nic tap` it has a namespace of its own and says how to enter. Who is refused is told
/// with the reason. Ctrl-C, SIGTERM or SIGHUP logs everybody out, prints a summary, and ends with 0. SIGUSR1 gives
/// back to the device what was taken from it because it was found wrong, to prove itself anew.
///
/// With `--control PATH` another `fixwire accept --take-over PATH` goes on in its place, without a reconnect: for an upgrade
/// (docs/hand-over.md).
#[derive(Debug, Args)]
pub(crate) struct AcceptArgs {
    /// The device: `tap:IFNAME` (attached to or created here, needs CAP_NET_ADMIN; kernel side
    /// 10.9.0.1/24 unless it has an address), `tap` (one of our own, no root), `dpdk:DEVICE` (a port
    /// of DPDK's, where built with the feature `dpdk`: docs/dpdk.md). Nobody can connect to a
    /// NIC model (`sim:MODEL`), whose wire ends in this process.
    #[arg(long, value_name = "SPEC", default_value = "tap")]
    nic: NicSpec,
    /// A built-in profile (`fixwire profiles list`) or a file; by default the one that fits the device, as for `run`.
    #[arg(long, value_name = "NAME|FILE")]
    profile: Option<String>,
    /// Session settings (TOML, keys as in QuickFIX; see docs/sessions.md); by default a FIX 4.4 session
    /// EXCHANGE that FIXWIRE logs on to, on port 9878.
    #[arg(long, value_name = "FILE")]
    session: Option<PathBuf>,
    /// What answers.
    #[arg(long, value_enum, default_value_t = App::Echo)]
    app: App,
    #[command(flatten)]
    capture: CaptureArgs,
    #[command(flatten)]
    operations: OperationsArgs,
    #[command(flatten)]
    take_over: TakeOverArgs,
    /// Say what happens as JSON, a line each; the last one is the summary.
    #[arg(long)]
    json: bool,
}

impl App {
    /// As on the command line.
    const fn name(self) -> &'static str {
        match self {
            App::Echo => "echo",
            App::Exchange => "exchange",
        }
    }
}

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum App {
    /// Sends NewOrderSingle, SecurityDefinition and Email back as they came.
    Echo,
    /// Fills every NewOrderSingle whole at its price by an ExecutionReport.
    Exchange,
}

pub(crate) fn command(args: &AcceptArgs) -> Result<(), Failure> {
    let mut taking = args.take_over.ask()?;
    let settings = SessionFile::open_or_built_in(args.session.as_deref(), Purpose::Accept)?;
    let profile = profile::load(args.profile.as_deref().unwrap_or(args.nic.default_profile()))?;
    if args.nic.is_in_memory() {
        return Err(Failure::Input(
                "nobody can connect to the NIC model, whose wire ends in this process; use `--nic \
                 tap:IFNAME` or `--nic tap`, or trade with an acceptor on the model by `fixwire run \
                 --nic sim`"
                    .into(),
            ));
    }
    // Before the namespace of our own: what may be written here may not be there.
    let profile_file = args.profile.as_deref().map(Path::new);
    let capture = args.capture.open(&[args.session.as_deref(), profile_file])?;
    let stores = match &taking {
        None => Stores::open(&settings.sessions)?,
        Some(_) => Stores::later(),
    };
    let interruption = Interruption::caught()?;
    let operations = args.operations.open(&settings.sessions, taking.as_mut())?;
    let (profile, settings) = (&profile, &settings);
    let given = taking.as_ref().map(|taking| taking.backend(&args.nic)).transpose()?;
    let asked =
        Wanted { args, profile, settings, stores, capture, operations, interruption, taking };
    match &args.nic {
        #[cfg(feature = "dpdk")]
        NicSpec::Dpdk(port) => {
            let opened = dpdk::open(port, profile, args.json, dpdk::Where::OfOurOwn)?;
            let NetworkFor { network, beside } = opened.network(settings, profile)?;
            beside.check_guard(network.addr)?;
            let far = opened.far().unwrap_or(Ipv4Addr::UNSPECIFIED);
            let by = |plan: &Plan| {
                dpdk::refuse_unpolled_queues(port, profile, plan)?;
                dpdk::forget_words();
                beside.neighborhood(profile, plan, args.json)
            };
            let clocks = |nic: &mut _| dpdk::clocks(nic, &profile.clock);
            let device = Err(NotGiven::Dpdk);
            asked.serve_on(Device::probed(opened.backend), device, network, far, clocks, by)
        }
        nic => {
            let backend = match (given, nic) {
                (Some(given), _) => given,
                (None, NicSpec::Tap(name)) => TapBackend::attach(name),
                (None, _) => TapBackend::embedded(),
            };
            let backend = bring_up::tap(backend, profile)?;
            let network = bring_up::tap_network(&backend, &settings.network)?;
            let far = backend.kernel_side().addr;
            let clocks = |_: &mut _| Clocks::of_host(HostCounter::best(), &profile.clock);
            let share = backend.share().map_err(|_| NotGiven::NoHandle);
            let device = Device::probed(backend);
            asked.serve_on(device, share, network, far, clocks, |_| Ok(Neighborhood::Own))
        }
    }
}

/// What was asked for, before there is a device.
struct Wanted<'a> {
    args: &'a AcceptArgs,
    profile: &'a Profile,
    settings: &'a SessionFile,
    stores: Stores,
    capture: Option<Asked>,
    operations: operations::Asked,
    interruption: Interruption,
    taking: Option<Taking>,
}

impl Wanted<'_> {
    /// Brings a device up and its `clocks`, its engine on `network` and its far side at `far`, and serves; by the plan
    /// follows who finds neighbours.
    fn serve_on<B: Backend>(
        self,
        device: Device<B, Probed>,
        share: Result<TapShare, NotGiven>,
        network: Network,
        far: Ipv4Addr,
        clocks: impl FnOnce(&mut B::Nic) -> Clocks,
        neighborhood: impl FnOnce(&Plan) -> Result<Neighborhood, Failure>,
    ) -> Result<(), Failure> {
        let Wanted { args, profile, settings, stores, capture, operations, interruption, taking } =
            self;
        let sessions = bring_up::session_plans(&settings.sessions, network.addr, far)?;
        let rules = bring_up::rules(profile, network.addr, network.vlan, &sessions)?;
        let (mut nic, plan) = bring_up::start(device, profile, rules, args.json)?;
        let neighborhood = neighborhood(&plan)?;
        let clock = HostClock::new();
        let operations = Some(operations);
        let secret = taking.as_ref().map_or_else(bring_up::secret, |taking| Ok(taking.secret()))?;
        let within = args.operations.hand_over_within();
        let named = (args.app.name(), secret);
        let giving = Giving::new(share, named, within, &settings.sessions);
        let settings = &settings.sessions;
        let mut job = Job {
            args,
            profile,
            network,
            neighborhood,
            stores,
            clock,
            operations,
            interruption,
            settings,
            secret,
            giving,
            taking,
        };
        let clocks = clocks(&mut nic);
        match capture {
            None => job.answer(nic, clocks, None, plan, sessions),
            Some(asked) => {
                let (nic, capture) = asked.start(nic, &plan.nic, job.clock, None, clocks.service());
                job.answer(nic, clocks, Some(capture), plan, sessions)
            }
        }
    }
}
/// Whatever is taken in can be sent back, unless the session takes longer messages than the echo has room for.
fn with_room_for_echoes(mut session: SessionPlan) -> SessionPlan {
    session.config.send_bytes_max = Echo::SEND_BYTES_MAX;
    session
}

/// What was asked for.
struct Job<'a> {
    args: &'a AcceptArgs,
    profile: &'a Profile,
    network: Network,
    neighborhood: Neighborhood,
    stores: Stores,
    clock: HostClock,
    /// Until it is started.
    operations: Option<operations::Asked>,
    interruption: Interruption,
    settings: &'a [SessionSettings],
    secret: [u8; 16],
    giving: Giving,
    /// Until it was taken over from.
    taking: Option<Taking>,
}

impl Job<'_> {
    /// Serves with the application that was asked for, captured or not.
    fn answer<N: Nic>(
        &mut self,
        nic: N,
        clocks: Clocks,
        capture: Option<Capture>,
        plan: Plan,
        sessions: Vec<SessionPlan>,
    ) -> Result<(), Failure> {
        match self.args.app {
            App::Echo => {
                let app = Echo::new(sessions.len());
                let sessions = sessions.into_iter().map(with_room_for_echoes).collect();
                self.serve(nic, clocks, capture, plan, sessions, app)
            }
            App::Exchange => self.serve(nic, clocks, capture, plan, sessions, Exchange::new()),
        }
    }

    /// Serves until it is interrupted, and reports.
    fn serve<N: Nic, A: Answering>(
        &mut self,
        nic: N,
        clocks: Clocks,
        capture: Option<Capture>,
        plan: Plan,
        sessions: Vec<SessionPlan>,
        app: A,
    ) -> Result<(), Failure> {
        let network = self.network;
        let configs = sessions.iter().map(|session| session.config.clone()).collect();
        let asked = self.operations.take().unwrap_or_default();
        let (app, logging) = asked.start_log(app, configs)?;
        let tcp = bring_up::tcp_config(&network, sessions.len());
        let setup = Setup { network, tcp, secret: self.secret, sessions };
        let engine = self.neighborhood.engine(nic, plan, setup, app);
        let mut engine = engine.map_err(Failure::Input)?;
        self.stores.keep(&mut engine);
        let views = Views { clocks: clocks.view(), measure: None };
        let beside = (&self.giving, &self.clock);
        let mut operations = logging.beside(&engine, beside, views)?;
        let teller = if self.args.json { Teller::Machines } else { Teller::People };
        let voice = teller.voice(&engine, operations.events())?;
        let core = polling::pin(self.profile, |core| {
            clocks.keep_off(core);
            self.neighborhood.keep_off(core);
            operations.keep_off(core);
            capture.iter().for_each(|capture| capture.keep_off(core));
        })?;
        self.say_how_to_enter();
        self.say_why_silent();
        let mut nothing = || {};
        let mut looks = clocks.looks();
        let taking = self.taking.take();
        let app = self.args.app.name();
        let taken = taking
            .map(|taking| {
                taking.finish(&mut engine, (app, self.settings), &self.clock, &mut operations)
            })
            .transpose()?;
        let mut polling = Polling::new(
            &mut engine,
            &self.clock,
            self.profile.idle,
            &mut nothing,
            teller,
            &voice,
            &mut looks,
        )?
        .among(&mut self.neighborhood)
        .operated_by(&mut operations)
        .given_by(&self.giving);
        if let Some(taken) = &taken {
            polling.begin(taken);
        }
        let mut refused = None;
        while refused.is_none() && !polling.is_gone() && !self.interruption.has_come() {
            polling.rounds();
            refused = polling.refused();
        }
        polling.log_out("the acceptor ends");
        let captured = capture.map(Capture::finish);
        engine.app_mut().end_log();
        let operations = operations.finish();
        // What is captured is shown by them.
        let clocks = clocks.finish(&looks);
        let words = self.last_words(engine, core, &clocks, captured.as_ref(), &operations);
        let told = voice.finish(Line::Words(words));
        refused.map_or(told, Err)
    }

    /// The summary, and the engine is no more.
    fn last_words<N: Nic, A: Answering>(
        &self,
        engine: Engine<N, A>,
        core: Option<u16>,
        clocks: &ClockReport,
        captured: Option<&Summary>,
        operations: &operations::Summary,
    ) -> String {
        let nobody_came = engine.desk().statuses().all(|status| status.logons == 0);
        let is_down = engine.link() == Link::Down;
        let silent = self.why_silent().or_else(|| is_down.then(|| self.why_down()));
        let silent = silent.filter(|_| nobody_came);
        if self.args.json {
            let mut summary = summary_json(&engine, core, clocks, captured);
            operations.add_to(&mut summary);
            summary["silent_because"] = silent.into();
            summary["buffers_not_returned"] = summary::close(engine).into();
            summary.to_string()
        } else {
            let mut summary = summary_for_people(&engine, core, clocks, captured);
            summary += &operations.for_people();
            summary +=
                &silent.map(|why| format!("\n\nnobody logged on: {why}")).unwrap_or_default();
            summary + &summary::lost_buffers(summary::close(engine)).unwrap_or_default()
        }
    }

    /// Why no frame passes the kernel's interface that ours pass, if none does. It may be mended while we listen.
    fn why_silent(&self) -> Option<String> {
        self.args.nic.interface(self.profile).as_deref().and_then(tap::why_silent)
    }

    /// The driver says that the link is down.
    fn why_down(&self) -> String {
        format!("the link is down: {}", self.args.nic.link_remedy(self.profile))
    }

    fn say_why_silent(&self) {
        let Some(why) = self.why_silent() else { return };
        if self.args.json {
            say(json!({ "event": "interface_silent", "why": why }));
        } else {
            say(format_args!("nobody can connect as it is: {why}"));
        }
    }

    /// A namespace of our own is seen by nobody who does not enter it.
    fn say_how_to_enter(&self) {
        let Some(enter) = namespace::how_to_enter() else { return };
        if self.args.json {
            say(json!({ "event": "namespace", "enter": enter }));
        } else {
            say(format_args!(
                "this namespace is the engine's own: connect from within it, by `{enter} PROGRAM`"
            ));
        }
    }
}

/// An application that says what it has done.
trait Answering: Application {
    const NAME: &'static str;

    fn done(&self) -> Vec<(&'static str, u64)>;
}

impl Answering for Echo {
    const NAME: &'static str = "echo";

    fn done(&self) -> Vec<(&'static str, u64)> {
        let counters = self.counters();
        vec![
            ("echoed", counters.echoed),
            ("unsupported", counters.unsupported),
            ("duplicates_ignored", counters.duplicates_ignored),
            ("refused", counters.refused),
            ("ids_forgotten", counters.ids_forgotten),
        ]
    }
}

impl Answering for Exchange {
    const NAME: &'static str = "exchange";

    fn done(&self) -> Vec<(&'static str, u64)> {
        vec![("orders_filled", self.fills()), ("refused", self.refused())]
    }
}

impl<A: Answering> Answering for Logged<A> {
    const NAME: &'static str = A::NAME;

    fn done(&self) -> Vec<(&'static str, u64)> {
        (**self).done()
    }
}

fn summary_json<N: Nic, A: Answering>(
    engine: &Engine<N, A>,
    core: Option<u16>,
    clocks: &ClockReport,
    captured: Option<&Summary>,
) -> Value {
    let sessions: Vec<Value> =
        engine.desk().statuses().map(|status| summary::session_json(&status).into()).collect();
    let mut app: serde_json::Map<String, Value> = engine
        .app()
        .done()
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count.into()))
        .collect();
    app.insert("name".into(), A::NAME.into());
    let interval = Percentiles::of(&engine.intervals().frame_to_order());
    json!({
        "event": "summary",
        "nic": engine.plan().nic,
        "profile": engine.plan().profile,
        "core": core,
        "neighbors": summary::neighbors(engine),
        "plan": table::plan_json(engine.plan(), Some(engine.observations())),
        "steering": steering::json(engine),
        "app": app,
        "sessions": sessions,
        "latency_ns": interval.json(Intervals::FRAME_TO_ORDER_FROM, Intervals::FRAME_TO_ORDER_TO),
        "clocks": clocks.json(),
        "capture": captured.map(capture::summary_json),
        "counters": summary::counters_json(engine),
        "driver_counters": summary::driver_counters_json(engine.nic()),
        "device_refused": summary::refused_json(engine),
    })
}

fn summary_for_people<N: Nic, A: Answering>(
    engine: &Engine<N, A>,
    core: Option<u16>,
    clocks: &ClockReport,
    captured: Option<&Summary>,
) -> String {
    let header = [
        "session", "version", "logons", "received", "sent", "resent", "rejects", "next out",
        "next in",
    ];
    let rows = engine.desk().statuses().map(|status| {
        let counted = |event| status.counters.of(event).to_string();
        vec![
            parties(status.config),
            status.config.version.begin_string().to_owned(),
            status.logons.to_string(),
            counted(fixwire::fix::Event::MessageReceived),
            counted(fixwire::fix::Event::MessageSent),
            counted(fixwire::fix::Event::MessageResent),
            summary::rejects_sent(&status).to_string(),
            status.next_out.to_string(),
            status.next_in.to_string(),
        ]
    });
    let done = engine.app().done().into_iter().map(|(name, count)| format!("{name} {count}"));
    let interval = Percentiles::of(&engine.intervals().frame_to_order());
    format!(
        "\n{}\n{}: {}\n\n{}\nframe to order: from {}, to {}.\nPolled {}. Host clocks on {}: no hardware timestamp is in these figures.\n\n{}",
        table::rows(&header, rows),
        A::NAME,
        done.collect::<Vec<_>>().join(", "),
        table::latency(&[("frame to order", &interval)]),
        Intervals::FRAME_TO_ORDER_FROM,
        Intervals::FRAME_TO_ORDER_TO,
        summary::polled(core),
        engine.plan().nic,
        summary::observed_and_counted(engine, clocks, captured),
    )
}
