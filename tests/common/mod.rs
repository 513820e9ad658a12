//! What several tests share.
#![allow(dead_code, unreachable_pub, missing_docs)]

pub mod asker;
pub mod captured;
pub mod client;
pub mod inside;
pub mod prepared;
pub mod quickfix;
pub mod report;

use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use fixwire::app::Application;
use fixwire::app::exchange::Exchange;
use fixwire::desk::SessionPlan;
use fixwire::engine::{Engine, Setup};
use fixwire::fix::{CompId, Role, SessionConfig, Version};
use fixwire::neighbor::Network;
use fixwire::offload::device::Device;
use fixwire::offload::nic::Nic;
use fixwire::offload::profile::{Policy, Profile};
use fixwire::steer;
use fixwire::tcp::{Config, Endpoint};
use fixwire::time::{Clock, Duration, Instant};
use fixwire::wire::ethernet::Mac;
use fixwire_hw::sim::{self, Direction, Faults, Model, SimBackend, SimNic, Wire};

pub const OURS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
pub const THEIRS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
pub const PORT: u16 = 9878;

/// Says loudly that a test did not run, and why.
pub fn skip(test: &str, why: &str) {
    // Not eprintln: the harness keeps that from whoever runs `cargo test`.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
    if let Some(list) = std::env::var_os("FIXWIRE_SKIPS") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(list);
        let _ = file.and_then(|mut file| writeln!(file, "{test}: {why}"));
    }
}

/// Whether the long version of a test was asked for.
pub fn full() -> bool {
    std::env::var_os("FIXWIRE_FULL").is_some()
}

/// Whether `tool` is on the path.
pub fn has(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let beside = ["/usr/sbin", "/sbin"].map(Path::new).map(Path::to_path_buf);
    std::env::split_paths(&path).chain(beside).any(|folder| folder.join(tool).is_file())
}

/// Why this machine cannot give a test a namespace with a TAP in it, if it cannot.
pub fn no_namespace() -> Option<String> {
    if !has("unshare") {
        return Some("unshare (util-linux) is not installed".into());
    }
    if let Err(error) = std::fs::File::options().read(true).write(true).open("/dev/net/tun") {
        return Some(format!("/dev/net/tun cannot be opened: {error}"));
    }
    let unshared = Command::new("unshare").args(["-Urn", "true"]).output();
    match unshared {
        Ok(output) if output.status.success() => None,
        Ok(output) => {
            Some(format!("no namespaces: {}", String::from_utf8_lossy(&output.stderr).trim()))
        }
        Err(error) => Some(format!("unshare does not run: {error}")),
    }
}

/// Two engines on two NIC models, joined by a wire in virtual time.
pub struct Pair<A: Application, B: Application = Exchange, N: Nic = SimNic> {
    pub ours: Engine<N, A>,
    pub theirs: Engine<SimNic, B>,
    pub wire: Wire,
}

/// Who the two are to each other, and by which profile each runs.
pub struct Terms {
    pub sim: sim::Config,
    pub seed: u64,
    pub version: Version,
    pub ours: Profile,
    pub theirs: Profile,
    pub tcp: Config,
    /// What the acceptor calls itself; the initiator looks for `VENUE`.
    pub venue: &'static str,
    /// What else differs in both sessions' settings.
    pub tune: fn(&mut SessionConfig),
}

impl Default for Terms {
    /// Two models that do all that is offloaded, on a clean wire, and what else is usual.
    fn default() -> Terms {
        Terms {
            sim: sim::Config::default(),
            seed: 1,
            version: Version::Fix44,
            ours: Profile::all(Policy::Prefer),
            theirs: Profile::all(Policy::Prefer),
            tcp: Config::default(),
            venue: "VENUE",
            tune: |_| {},
        }
    }
}

impl Terms {
    /// The same between two of `model`, by one profile.
    pub fn of(model: Model, profile: &Profile) -> Terms {
        Terms {
            sim: sim::Config { a: model.clone(), b: model, ..sim::Config::default() },
            ours: profile.clone(),
            theirs: profile.clone(),
            ..Terms::default()
        }
    }
}

impl<A: Application> Pair<A> {
    pub fn new(terms: Terms, app: A) -> Pair<A> {
        Pair::with_apps(terms, app, Exchange::new())
    }
}

impl<A: Application, B: Application> Pair<A, B> {
    pub fn with_apps(terms: Terms, ours: A, theirs: B) -> Pair<A, B> {
        Pair::wrapped(terms, ours, theirs, |nic| nic)
    }
}

impl<A: Application, B: Application, N: Nic> Pair<A, B, N> {
    /// With something around our NIC.
    pub fn wrapped(
        terms: Terms,
        ours: A,
        theirs: B,
        wrap: impl FnOnce(SimNic) -> N,
    ) -> Pair<A, B, N> {
        let (near, far, wire) = sim::pair(terms.sim, terms.seed);
        let near = (near, OURS, Role::Initiator, &terms.ours);
        let far = (far, THEIRS, Role::Acceptor, &terms.theirs);
        Pair {
            ours: engine(near, terms.version, terms.tcp.clone(), ("VENUE", terms.tune), ours, wrap),
            theirs: engine(far, terms.version, terms.tcp, (terms.venue, terms.tune), theirs, |n| n),
            wire,
        }
    }

    /// What the wire does to frames from now on, both ways.
    pub fn set_faults(&self, faults: Faults) {
        for direction in [Direction::AToB, Direction::BToA] {
            self.wire.set_faults(direction, faults);
        }
    }

    /// Goes on for so much of the wire's time.
    pub fn run_for(&mut self, span: Duration) {
        let until = Clock::now(&self.wire).mono + span;
        while Clock::now(&self.wire).mono < until {
            self.step();
        }
    }

    /// One round of both, then on to the next moment at which something happens.
    pub fn step(&mut self) {
        let received = self.ours.poll(&self.wire) + self.theirs.poll(&self.wire);
        if received == 0 {
            let timers = self.ours.next_timeout().min(self.theirs.next_timeout());
            let next = self.wire.next_delivery().unwrap_or(Instant::FAR_FUTURE).min(timers);
            self.wire.set_now(next);
        }
    }
}

fn engine<A: Application, N: Nic>(
    (backend, addr, role, profile): (SimBackend, Ipv4Addr, Role, &Profile),
    version: Version,
    tcp: Config,
    (venue, tune): (&str, fn(&mut SessionConfig)),
    app: A,
    wrap: impl FnOnce(SimNic) -> N,
) -> Engine<N, A> {
    let (desk, venue) = (CompId::new("DESK").unwrap(), CompId::new(venue).unwrap());
    let (sender, target) = if role == Role::Initiator { (desk, venue) } else { (venue, desk) };
    let mut config = SessionConfig::new(version, role, sender, target);
    tune(&mut config);
    let session = SessionPlan {
        reconnect_interval: Duration::from_s(1),
        ..SessionPlan::new(config, Endpoint { addr: THEIRS, port: PORT })
    };
    let mac = Mac(backend.mac());
    let rules = steer::rules(addr, None, std::slice::from_ref(&session), &profile.steering)
        .expect("rules that agree");
    let device =
        Device::probed(backend).plan(profile, rules).configure().expect("the model configures");
    let (nic, plan) = device.start().and_then(|device| device.steer()).expect("the model starts");
    let network = Network { mac, addr, prefix_len: 24, gateway: None, vlan: None, mtu: 1500 };
    let secret = [role as u8 + 1; 16];
    let setup = Setup { network, tcp, secret, sessions: vec![session] };
    Engine::new(wrap(nic), plan, setup, app).expect("the session is served")
}
