//! One session on one kind of device: orders out, reports in, frames that a rule drops between them.

use std::net::{Ipv4Addr, SocketAddrV4};

use fixwire::app::exchange::Exchange;
use fixwire::app::taker::Taker;
use fixwire::app::{Application, SessionId};
use fixwire::desk::SessionPlan;
use fixwire::engine::{Engine, Setup};
use fixwire::fix::{
    CloseReason, CompId, Message, Outlet, Role, Sender, SessionConfig, Store, Version,
};
use fixwire::neighbor::Network;
use fixwire::offload::RxStamp;
use fixwire::offload::device::{Device, DeviceError};
use fixwire::offload::flow::{AddrMatch, Fate, FlowRule, Pattern, PortMatch, TcpMatch};
use fixwire::offload::profile::{Policy, Profile};
use fixwire::steer;
use fixwire::tcp::{Config, Endpoint};
use fixwire::time::{Clock, Duration, Instant, Now, UtcTime};
use fixwire::wire::ethernet::Mac;
use fixwire::wire::tcp::Flags;
use fixwire_hw::sim::{self, Direction, Faults, Model, SimBackend, SimNic, Wire};

use crate::cli::probe_frame::{self, ProbeFrame, Sums};

/// Frames from a stranger that a rule drops, sent while the session trades.
pub(super) const STRAY_FRAMES: u64 = 5;
/// The wire's time that a session may take: many retransmissions.
const TIME_MAX: Duration = Duration::from_s(600);
/// Rounds that it may take.
const ROUNDS_MAX: u32 = 2_000_000;

const OURS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
const THEIRS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const STRANGER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 66);
const PORT: u16 = 9878;
/// What every message says: whatever a line does to frames, messages are the same.
const UTC: UtcTime = UtcTime::from_unix_ns(1_767_225_600_000_000_000);

/// The rules besides the session's: by number, one that drops and one that marks. Both count.
pub(super) const DROPS: usize = 0;
pub(super) const MARKS: usize = 1;

fn rules_of_the_profile() -> [FlowRule; 2] {
    let stranger = Pattern { src: AddrMatch::exact(STRANGER), ..Pattern::TCP };
    let tcp = TcpMatch { src_port: PortMatch::exact(PORT), ..TcpMatch::ANY };
    let peer = Pattern { src: AddrMatch::exact(THEIRS), tcp: Some(tcp), ..Pattern::TCP };
    [
        FlowRule::new(stranger, Fate::Drop).counted(),
        FlowRule::new(peer, Fate::Queue(0)).marked(7).counted(),
    ]
}

/// How long a session is, and what the line does to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Course {
    pub(super) orders: u64,
    /// How many frames in a million are corrupted, both ways.
    pub(super) corrupt_ppm: u32,
    /// Once so many orders have been reported on.
    pub(super) corrupt_after: u64,
}

impl Course {
    /// The usual length, on a clean line.
    pub(super) const CLEAN: Course = Course { orders: 100, corrupt_ppm: 0, corrupt_after: 0 };
}

/// What one session came to.
pub(super) struct Outcome {
    /// The messages that our application was given, one after another.
    pub(super) ours: Vec<u8>,
    /// Those that the peer's was.
    pub(super) theirs: Vec<u8>,
    /// Whether every order was reported on in time.
    pub(super) is_done: bool,
    /// Messages that came without a stamp, or with one earlier than the last by the same clock.
    pub(super) stamps_wrong: u64,
    /// Our engine's counters.
    counters: Vec<(&'static str, u64)>,
    /// What the rules of the profile counted.
    pub(super) flow_hits: [Option<u64>; 2],
    /// Frames that the line corrupted on their way to us.
    pub(super) corrupted_to_us: u64,
}

impl Outcome {
    pub(super) fn count(&self, name: &str) -> u64 {
        let found = self.counters.iter().find(|(known, _)| *known == name);
        found.map_or(0, |(_, count)| *count)
    }
}

/// A requirement of the profile that a device does not meet, in words.
pub(super) struct Refused(pub(super) String);

/// Trades on `model` by `profile`, the peer on a NIC that does nothing for it.
pub(super) fn trade(
    model: &Model,
    profile: &Profile,
    course: Course,
    seed: u64,
) -> Result<Outcome, Refused> {
    let peer = Model { hands_over_unfinished: model.capabilities.gives_none, ..peer_of(model) };
    let config = sim::Config { a: model.clone(), b: peer, frames: 256, ..sim::Config::default() };
    let (near, far, wire) = sim::pair(config, seed);
    let own = rules_of_the_profile();
    let our_mac = Mac(near.mac());
    let their_mac = Mac(far.mac());
    let recorded = Recorded::new(Taker::new(course.orders, 1));
    let ours = engine(near, profile, &own, (OURS, Role::Initiator), recorded)?;
    let software = Profile::all(Policy::Prefer);
    let theirs = Recorded::new(Exchange::new());
    let theirs = engine(far, &software, &[], (THEIRS, Role::Acceptor), theirs)?;
    let mut trial = Trial { ours, theirs, wire, course, our_mac, their_mac, strays_sent: 0 };
    let is_done = trial.run();
    Ok(trial.outcome(is_done))
}

/// What the peer runs on: a NIC that does nothing, or one that leaves sums unfinished for ours.
fn peer_of(model: &Model) -> Model {
    if model.capabilities.gives_none { Model::virtio() } else { Model::bare() }
}

struct Trial {
    ours: Engine<SimNic, Recorded<Taker>>,
    theirs: Engine<SimNic, Recorded<Exchange>>,
    wire: Wire,
    course: Course,
    our_mac: Mac,
    their_mac: Mac,
    strays_sent: u64,
}

impl Trial {
    /// Until every order is reported on, or it takes too long.
    fn run(&mut self) -> bool {
        for _ in 0..ROUNDS_MAX {
            let reports = self.ours.app().app.reports_received();
            if reports >= self.course.orders {
                return true;
            }
            if reports >= self.course.corrupt_after {
                let faults = Faults { corrupt_ppm: self.course.corrupt_ppm, ..Faults::default() };
                self.wire.set_faults(Direction::AToB, faults);
                self.wire.set_faults(Direction::BToA, faults);
            }
            if self.strays_sent < STRAY_FRAMES && reports > 10 * (self.strays_sent + 1) {
                self.send_stray();
            }
            let clock = Frozen(&self.wire);
            let received = self.ours.poll(&clock) + self.theirs.poll(&clock);
            if received == 0 {
                let timers = self.ours.next_timeout().min(self.theirs.next_timeout());
                let next = self.wire.next_delivery().unwrap_or(Instant::FAR_FUTURE).min(timers);
                if next > Instant::ZERO + TIME_MAX {
                    return false;
                }
                self.wire.set_now(next);
            }
        }
        false
    }

    /// A SYN of a stranger's, that nobody is to answer.
    fn send_stray(&mut self) {
        self.strays_sent += 1;
        let stray = ProbeFrame {
            from: (self.their_mac, SocketAddrV4::new(STRANGER, 40_000)),
            to: (self.our_mac, SocketAddrV4::new(OURS, PORT)),
            flags: Flags::SYN,
            payload: b"",
        };
        probe_frame::send(self.theirs.nic_mut(), &stray.bytes(Sums::Right), Sums::Right);
    }

    fn outcome(self, is_done: bool) -> Outcome {
        let hits = |rule| self.ours.flow_count(rule).map(|count| count.hits);
        Outcome {
            is_done,
            counters: self.ours.counters().collect(),
            flow_hits: [hits(DROPS), hits(MARKS)],
            corrupted_to_us: self.wire.counters(Direction::BToA).corrupted,
            stamps_wrong: self.ours.app().stamps_wrong,
            theirs: self.theirs.into_app().stream,
            ours: self.ours.into_app().stream,
        }
    }
}

fn engine<A: Application>(
    backend: SimBackend,
    profile: &Profile,
    own: &[FlowRule],
    (addr, role): (Ipv4Addr, Role),
    app: A,
) -> Result<Engine<SimNic, A>, Refused> {
    let mac = Mac(backend.mac());
    let network = Network { mac, addr, prefix_len: 24, gateway: None, vlan: None, mtu: 1500 };
    let id = |text| CompId::new(text).ok_or_else(|| Refused(format!("{text} is no CompID")));
    let (sender, target) = match role {
        Role::Initiator => (id("DESK")?, id("VENUE")?),
        Role::Acceptor => (id("VENUE")?, id("DESK")?),
    };
    let session = SessionPlan {
        config: SessionConfig::new(Version::Fix44, role, sender, target),
        peer: Endpoint { addr: THEIRS, port: PORT },
        reconnect_interval: Duration::from_s(1),
    };
    let in_words = |error: &dyn std::fmt::Display| Refused(error.to_string());
    let rules = steer::rules(addr, std::slice::from_ref(&session), own)
        .map_err(|error| in_words(&error))?;
    let started = Device::probed(backend).plan(profile, rules).configure();
    let (nic, plan) = started
        .and_then(Device::start)
        .and_then(Device::steer)
        .map_err(|error: DeviceError<_>| in_words(&error))?;
    let tcp = Config {
        connections_max: 4,
        backlog_max: 2,
        send_buffer_bytes: 16 * 1024,
        receive_buffer_bytes: 16 * 1024,
        ..Config::default()
    };
    let setup = Setup { network, tcp, secret: [role as u8 + 1; 16], sessions: vec![session] };
    Engine::new(nic, plan, setup, app).map_err(Refused)
}

/// The wire's clock, on a day that stands still.
struct Frozen<'a>(&'a Wire);

impl Clock for Frozen<'_> {
    fn now(&self) -> Now {
        Now { utc: UTC, ..self.0.now() }
    }
}

/// An application, and every message that it was given.
struct Recorded<A> {
    app: A,
    stream: Vec<u8>,
    last_stamp: Option<RxStamp>,
    stamps_wrong: u64,
}

impl<A> Recorded<A> {
    fn new(app: A) -> Recorded<A> {
        Recorded { app, stream: Vec::new(), last_stamp: None, stamps_wrong: 0 }
    }
}

impl<A: Application> Application for Recorded<A> {
    fn on_logon<S: Store, O: Outlet>(&mut self, session: SessionId, orders: &mut Sender<'_, S, O>) {
        self.stream.extend_from_slice(b"logon\n");
        self.app.on_logon(session, orders);
    }

    fn on_logout(&mut self, session: SessionId, reason: CloseReason) {
        self.stream.extend_from_slice(format!("logout {reason}\n").as_bytes());
        self.app.on_logout(session, reason);
    }

    fn on_message<S: Store, O: Outlet>(
        &mut self,
        session: SessionId,
        message: &Message<'_>,
        stamp: Option<RxStamp>,
        orders: &mut Sender<'_, S, O>,
    ) {
        self.stream.extend_from_slice(message.bytes());
        self.stream.push(b'\n');
        let goes_on = match (stamp, self.last_stamp) {
            (None, _) => false,
            (Some(stamp), Some(last)) if stamp.compares_with(&last) => stamp.ticks >= last.ticks,
            _ => true,
        };
        self.stamps_wrong += u64::from(!goes_on);
        self.last_stamp = stamp;
        self.app.on_message(session, message, stamp, orders);
    }

    fn on_poll<S: Store, O: Outlet>(&mut self, session: SessionId, orders: &mut Sender<'_, S, O>) {
        self.app.on_poll(session, orders);
    }

    const WANTS_POLL: bool = A::WANTS_POLL;
}
