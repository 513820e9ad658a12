//! `fixwire run`: the main job.

use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Args;
use fixwire::app::exchange::Exchange;
use fixwire::app::taker::Taker;
use fixwire::desk::SessionPlan;
use fixwire::engine::{Engine, Setup};
use fixwire::fix::{CompId, Role, SessionConfig, Version};
use fixwire::neighbor::Network;
use fixwire::offload::device::{Backend, Device, Probed};
use fixwire::offload::nic::Nic;
use fixwire::offload::plan::Plan;
use fixwire::offload::profile::Profile;
use fixwire::tcp::{Config, Endpoint};
use fixwire::time::{self, Clock, Instant};
use fixwire::wire::ethernet::Mac;
use fixwire_hw::capture::Capture;
use fixwire_hw::clock::HostClock;
use fixwire_hw::sim::{SimBackend, SimNic};
use fixwire_hw::tap::{TapBackend, TapError, is_local_address};
use serde_json::json;

use super::capture::{Asked, CaptureArgs};
use super::device::{self, Refused};
use super::drive::{self, Watch};
use super::failure::Failure;
use super::nic_spec::NicSpec;
use super::session_file::{SessionFile, SessionSettings, Side};
use super::{exchange, profile, report, say, table, warn};

/// Trade: bring the device up, connect, log on, send orders, log out, report.
///
/// With no argument: a TAP in a namespace of our own, the profile `tap`, a built-in exchange on the
/// kernel's sockets on the far side, and 1,000 orders, each sent on the ExecutionReport of the one
/// before. Where this machine forbids a TAP or a namespace, the bare command says so and trades on the
/// NIC model instead; a device asked for by --nic is never replaced.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The device: `tap` (one of our own, no root), `tap:IFNAME` (attached to or created here, needs
    /// CAP_NET_ADMIN; kernel side 10.9.0.1/24 unless it has an address), `sim` (the NIC model).
    #[arg(long, value_name = "SPEC")]
    nic: Option<NicSpec>,
    /// A built-in profile (tap, sim, default) or a file; by default the one that fits the device.
    #[arg(long, value_name = "NAME|FILE")]
    profile: Option<String>,
    /// Session settings (TOML, keys as in QuickFIX; see docs/sessions.md); by default a FIX 4.4 session
    /// from FIXWIRE to EXCHANGE.
    #[arg(long, value_name = "FILE")]
    session: Option<PathBuf>,
    /// Orders to send on each session.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    orders: u64,
    /// Give up when no session has been established for this long.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    connect_timeout: u64,
    /// Give up when no order has been reported on for this long.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    stall_timeout: u64,
    #[command(flatten)]
    capture: CaptureArgs,
    /// Print one JSON object for machines, and nothing else, on standard output.
    #[arg(long)]
    json: bool,
}

/// The address on the far side of the simulated wire.
const SIM_FAR_ADDR: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const PREFIX_LEN: u8 = 24;
/// IPv4 and TCP headers without options, in bytes.
const IP_AND_TCP_HEADERS_LEN: u16 = 40;

pub(crate) fn command(args: &RunArgs) -> Result<(), Failure> {
    let file = args.session.as_deref().map(SessionFile::open).transpose()?;
    let job = Job {
        settings: file.unwrap_or_else(|| SessionFile {
            network: Default::default(),
            sessions: vec![SessionSettings::default()],
        }),
        args,
    };
    let nic = args.nic.as_ref().unwrap_or(&NicSpec::TapEmbedded);
    let profile = job.profile(nic)?;
    // Before the namespace of our own: what may be written here may not be there.
    let capture = args.capture.open();
    match nic {
        NicSpec::Tap(name) => job.on_tap(tap(TapBackend::attach(name))?, &profile, false, capture),
        NicSpec::Sim => job.on_sim(&profile, None, capture),
        NicSpec::TapEmbedded => match TapBackend::embedded() {
            Err(error) if error.forbidden_by_machine() && args.nic.is_none() => {
                warn(format_args!(
                    "no TAP here: {error}. Trading on the NIC model instead; its figures are not a device's."
                ));
                job.on_sim(&job.profile(&NicSpec::Sim)?, Some(&error.to_string()), capture)
            }
            backend => job.on_tap(tap(backend)?, &profile, true, capture),
        },
    }
}

fn tap(backend: Result<TapBackend, TapError>) -> Result<TapBackend, Failure> {
    backend.map_err(|error| device::tap_failure(&error))
}

/// Where and how a run trades, once its device is there.
struct Place<'a> {
    plan: Plan,
    network: Network,
    sessions: Vec<SessionPlan>,
    profile: &'a Profile,
    clock: HostClock,
    instead_of: Option<&'a str>,
}

/// What was asked for.
struct Job<'a> {
    args: &'a RunArgs,
    settings: SessionFile,
}

impl Job<'_> {
    fn profile(&self, nic: &NicSpec) -> Result<Profile, Failure> {
        profile::load(self.args.profile.as_deref().unwrap_or(nic.default_profile()))
    }

    /// On a TAP: with the built-in exchange on the kernel's side where the namespace is our own, with
    /// whoever is there where it is not.
    fn on_tap(
        &self,
        backend: TapBackend,
        profile: &Profile,
        embedded: bool,
        capture: Option<Asked>,
    ) -> Result<(), Failure> {
        let backend = backend.with_frames(profile.frames);
        let kernel = backend.kernel_side().clone();
        if !kernel.has_addr && is_local_address(kernel.addr) {
            return Err(Failure::run(
                format!(
                    "{} would be given {}, which another interface here has",
                    kernel.name, kernel.addr
                ),
                format_args!(
                    "give it one of its own first: `ip addr add 10.9.1.1/24 dev {}`",
                    kernel.name
                ),
            ));
        }
        let mac = backend.mac();
        let network = self.network(
            Mac(mac),
            u16::try_from(kernel.mtu).unwrap_or(u16::MAX),
            (kernel.addr, kernel.prefix_len),
        )?;
        let clock = HostClock::new();
        let sessions = self.sessions(&network, kernel.addr)?;
        let (nic, plan) = self.bring_up(Device::probed(backend), profile)?;
        if embedded {
            self.start_exchanges(kernel.addr, clock)?;
        }
        let place = Place { plan, network, sessions, profile, clock, instead_of: None };
        match capture {
            None => self.trade(nic, None, place, || Ok(|| {})),
            Some(asked) => {
                let (nic, capture) = asked.start(nic, &place.plan.nic, clock, None);
                self.trade(nic, Some(capture), place, || Ok(|| {}))
            }
        }
    }

    /// On the NIC model, with our own acceptor behind the wire, polled by the same thread.
    fn on_sim(
        &self,
        profile: &Profile,
        instead_of: Option<&str>,
        capture: Option<Asked>,
    ) -> Result<(), Failure> {
        let (near, far, wire) = device::sim(profile.frames);
        let mac = Mac(near.mac());
        let clock = HostClock::new();
        wire.set_now(clock.now().mono);
        let network = self.network(mac, 1500, (SIM_FAR_ADDR, PREFIX_LEN))?;
        let sessions = self.sessions(&network, SIM_FAR_ADDR)?;
        let (nic, plan) = self.bring_up(Device::probed(near), profile)?;

        let beside = || {
            let mut exchange = self.far_side(far, profile, &network)?;
            Ok(move || {
                wire.set_now(clock.now().mono);
                exchange.poll(&clock);
            })
        };
        let place = Place { plan, network, sessions, profile, clock, instead_of };
        match capture {
            None => self.trade(nic, None, place, beside),
            Some(asked) => {
                // The wire's clock is set by the host's.
                let wire_origin = Some(clock.utc(Instant::ZERO));
                let (nic, capture) = asked.start(nic, &place.plan.nic, clock, wire_origin);
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
        let sessions: Vec<_> = sessions
            .map(|settings| match settings.side {
                Side::Initiator => session_plan(&settings, near.addr),
                Side::Acceptor => session_plan(&settings, SIM_FAR_ADDR),
            })
            .collect::<Result<_, _>>()?;
        let started =
            Device::probed(far).plan(profile).configure().and_then(|device| device.start());
        let (nic, plan) = started.and_then(|device| device.steer(&[])).map_err(|error| {
            Failure::run(error, "this is a fault of fixwire's: please report it")
        })?;
        let tcp = tcp_config(&network, sessions.len());
        let setup = Setup { network, tcp, secret: secret()?, sessions };
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
        let Place { plan, network, sessions, profile, clock, instead_of } = place;
        let mut engine = self.engine(nic, plan, network, sessions)?;
        let mut beside = beside()?;
        let core = drive::pin(profile)?;
        if let (Some(capture), Some(core)) = (&capture, core) {
            capture.keep_off(core);
        }
        let outcome = drive::drive(&mut engine, &clock, profile.idle, &self.watch()?, &mut beside);
        let captured = capture.map(Capture::finish);
        let report = report::Report::of(&engine, core, instead_of, captured.as_ref());
        say(if self.args.json { report.json().to_string() } else { report.for_people() });
        outcome
    }

    /// From probe to run, the plan shown on the way.
    fn bring_up<B: Backend>(
        &self,
        device: Device<B, Probed>,
        profile: &Profile,
    ) -> Result<(B::Nic, Plan), Failure> {
        let configured =
            device::configure(device, profile).map_err(|refused| self.refused(refused))?;
        let started = configured.start();
        let (nic, plan) = started
            .and_then(|device| device.steer(&[]))
            .map_err(|error| Failure::Run(error.to_string()))?;
        if !self.args.json {
            say(table::plan(&plan, None));
        }
        Ok((nic, plan))
    }

    fn refused(&self, refused: Refused) -> Failure {
        match refused {
            Refused::Failed(failure) => failure,
            Refused::Unmet(plan) => {
                if self.args.json {
                    say(
                        json!({ "nic": plan.nic, "profile": plan.profile, "plan": table::plan_json(&plan, None) }),
                    );
                } else {
                    say(table::plan(&plan, None));
                }
                device::unmet(&plan)
            }
        }
    }

    fn network(&self, mac: Mac, mtu: u16, far: (Ipv4Addr, u8)) -> Result<Network, Failure> {
        let settings = &self.settings.network;
        let (addr, prefix_len) = match settings.addr {
            Some((addr, _)) if addr == far.0 => {
                return Err(Failure::Input(format!(
                    "`address` is {addr}, which is the far side's own; write another address of \
                     its network under [network]"
                )));
            }
            Some(said) => said,
            None => {
                let addr = beside(far).ok_or_else(|| {
                    Failure::Input(format!(
                        "{}/{} has no second address for the engine; write `address` under [network]",
                        far.0, far.1
                    ))
                })?;
                (addr, far.1)
            }
        };
        let gateway = Some(settings.gateway.unwrap_or(far.0));
        Ok(Network { mac, addr, prefix_len, gateway, vlan: settings.vlan, mtu })
    }

    fn sessions(&self, network: &Network, far: Ipv4Addr) -> Result<Vec<SessionPlan>, Failure> {
        let plans = self.settings.sessions.iter().map(|settings| {
            let at = match settings.side {
                Side::Initiator => settings.connect_host.unwrap_or(far),
                Side::Acceptor => network.addr,
            };
            session_plan(settings, at)
        });
        plans.collect()
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
            let listener = exchange::listen(SocketAddr::from((addr, port)))?;
            let places = self.settings.sessions.len();
            exchange::in_background(listener, comp_id(name)?, clock, places);
        }
        Ok(())
    }

    fn engine<N: Nic>(
        &self,
        nic: N,
        plan: Plan,
        network: Network,
        sessions: Vec<SessionPlan>,
    ) -> Result<Engine<N, Taker>, Failure> {
        let taker = Taker::new(self.args.orders, sessions.len());
        let tcp = tcp_config(&network, sessions.len());
        Engine::new(nic, plan, Setup { network, tcp, secret: secret()?, sessions }, taker)
            .map_err(Failure::Input)
    }

    fn watch(&self) -> Result<Watch, Failure> {
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            // One is enough, and `timeout` sends two: what follows is bounded in time.
            signal_hook::flag::register(signal, Arc::clone(&interrupted)).map_err(|error| {
                Failure::run(format!("signals cannot be caught: {error}"), "try again")
            })?;
        }
        Ok(Watch {
            aloud: !self.args.json,
            connect_timeout: Duration::from_secs(self.args.connect_timeout),
            stall_timeout: Duration::from_secs(self.args.stall_timeout),
            interrupted,
            orders_total: self.args.orders * self.settings.sessions.len() as u64,
        })
    }
}

/// The first address of the kernel's network that is not the kernel's.
fn beside((kernel, prefix_len): (Ipv4Addr, u8)) -> Option<Ipv4Addr> {
    let hosts = u32::MAX.checked_shr(u32::from(prefix_len)).unwrap_or(0);
    let network = u32::from(kernel) & !hosts;
    // RFC 3021: a network of two addresses has no broadcast.
    let usable = if hosts == 1 { 0..=1 } else { 1..=hosts.saturating_sub(1) };
    usable.take(2).map(|host| Ipv4Addr::from(network + host)).find(|addr| *addr != kernel)
}

fn comp_id(text: &str) -> Result<CompId, Failure> {
    CompId::new(text).ok_or_else(|| {
        Failure::Input(format!("{text:?} is no CompID; write 1 to 64 printable ASCII characters"))
    })
}

fn session_plan(settings: &SessionSettings, at: Ipv4Addr) -> Result<SessionPlan, Failure> {
    let version = match settings.begin_string.as_str() {
        "FIX.4.2" => Version::Fix42,
        _ => Version::Fix44,
    };
    let (role, port) = match settings.side {
        Side::Initiator => (Role::Initiator, settings.connect_port),
        Side::Acceptor => (Role::Acceptor, settings.accept_port),
    };
    let (sender, target) = (comp_id(&settings.sender_comp_id)?, comp_id(&settings.target_comp_id)?);
    let config = SessionConfig {
        heart_bt_int_s: settings.heart_bt_int_s,
        reset_on_logon: settings.reset_on_logon,
        reset_on_logout: settings.reset_on_logout,
        reset_on_disconnect: settings.reset_on_disconnect,
        check_latency: settings.check_latency,
        max_latency_s: settings.max_latency_s,
        logon_timeout_s: settings.logon_timeout_s,
        logout_timeout_s: settings.logout_timeout_s,
        ..SessionConfig::new(version, role, sender, target)
    };
    let reconnect_interval = time::Duration::from_s(u64::from(settings.reconnect_interval_s));
    Ok(SessionPlan { config, peer: Endpoint { addr: at, port }, reconnect_interval })
}

/// TCP for so many sessions: a connection each, and another while the one before dies out.
fn tcp_config(network: &Network, sessions: usize) -> Config {
    let default = Config::default();
    Config {
        mss: network.mtu.saturating_sub(IP_AND_TCP_HEADERS_LEN),
        connections_max: default.connections_max.max(2 * sessions + 16),
        backlog_max: default.backlog_max.max(sessions),
        listeners_max: default.listeners_max.max(sessions),
        ..default
    }
}

/// Sixteen bytes that nobody can guess.
fn secret() -> Result<[u8; 16], Failure> {
    let mut secret = [0; 16];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut secret)).map_err(
        |error| {
            Failure::run(
                format!("/dev/urandom cannot be read: {error}"),
                "hand the device to the container",
            )
        },
    )?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_s_address_is_on_the_kernel_s_network_and_not_the_kernel_s() {
        for (kernel, prefix_len, ours) in [
            ([10, 9, 0, 1], 24, Some([10, 9, 0, 2])),
            ([10, 9, 0, 2], 24, Some([10, 9, 0, 1])),
            ([192, 168, 7, 5], 30, Some([192, 168, 7, 6])),
            ([192, 168, 7, 129], 25, Some([192, 168, 7, 130])),
            ([10, 0, 0, 4], 31, Some([10, 0, 0, 5])),
            ([10, 0, 0, 4], 32, None),
        ] {
            let found = beside((Ipv4Addr::from(kernel), prefix_len));
            assert_eq!(found, ours.map(Ipv4Addr::from), "{kernel:?}/{prefix_len}");
        }
    }
}
