//! One session on one kind of device: orders out, reports in, strangers' frames between them, and a logout.

use std::net::Ipv4Addr;

use fixwire::app::Application;
use fixwire::app::exchange::Exchange;
use fixwire::app::taker::Taker;
use fixwire::desk::SessionPlan;
use fixwire::engine::{Engine, Setup};
use fixwire::fix::{CompId, Role, SessionConfig, Version};
use fixwire::neighbor::Network;
use fixwire::offload::device::{Device, DeviceError};
use fixwire::offload::flow::{FlowRule, RuleSet};
use fixwire::offload::observe::DeviceEvent;
use fixwire::offload::profile::{Policy, Profile};
use fixwire::steer;
use fixwire::tcp::{Config, Endpoint};
use fixwire::time::{Clock, Duration, Instant};
use fixwire::wire::ethernet::Mac;
use fixwire_hw::sim::{self, Direction, End, Model, SimBackend, SimNic, Wire};

use super::course::{Course, Spoiler};
use super::outcome::{Counters, FoundOut, Outcome, Side};
use super::recorded::{Frozen, Recorded};
use super::strays;

/// The wire's time that a session may take: many retransmissions.
const TIME_MAX: Duration = Duration::from_s(600);
/// Rounds that it may take.
const ROUNDS_MAX: u32 = 2_000_000;

pub(super) const OURS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
pub(super) const THEIRS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
pub(super) const PORT: u16 = 9878;

/// A requirement of the profile that a device does not meet, in words.
pub(super) struct Refused(pub(super) String);

/// Trades on `model` by `profile` under `rules`, the peer on a NIC that does nothing for it.
pub(super) fn trade(
    model: &Model,
    profile: &Profile,
    rules: &[FlowRule],
    course: &Course,
    seed: u64,
) -> Result<Outcome, Refused> {
    let peer = Model { hands_over_unfinished: model.capabilities.gives_none, ..peer_of(model) };
    let config = sim::Config { a: model.clone(), b: peer, frames: 256, ..sim::Config::default() };
    let (near, far, wire) = sim::pair(config, seed);
    let our_mac = Mac(near.mac());
    let their_mac = Mac(far.mac());
    let recorded = Recorded::new(Taker::new(course.orders, 1), &wire, End::A);
    let ours = engine(near, profile, rules, (OURS, Role::Initiator), recorded)?;
    let software = Profile::all(Policy::Prefer);
    let theirs = Recorded::new(Exchange::new(), &wire, End::B);
    let theirs = engine(far, &software, &[], (THEIRS, Role::Acceptor), theirs)?;
    let spoiler = Spoiler::new(wire.clone(), course.harm.clone());
    let (strays, found_out) = (0, Vec::new());
    let mut trial =
        Trial { ours, theirs, wire, spoiler, our_mac, their_mac, strays, rounds: 0, found_out };
    let is_done = trial.trades(course.orders) && trial.logs_out();
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
    spoiler: Spoiler,
    our_mac: Mac,
    their_mac: Mac,
    strays: u64,
    rounds: u32,
    found_out: Vec<FoundOut>,
}

impl Trial {
    /// Until every order is reported on. False if it takes too long.
    fn trades(&mut self, orders: u64) -> bool {
        loop {
            let reports = self.ours.app().app.reports_received();
            if reports >= orders {
                return true;
            }
            self.spoiler.set(reports);
            if strays::is_due(self.strays, reports) {
                let from = (self.their_mac, self.theirs.nic_mut());
                self.spoiler.spares(|| strays::send(self.strays, from, self.our_mac));
                self.strays += 1;
            }
            if !self.round() {
                return false;
            }
        }
    }

    /// Until the session is over and every frame has arrived, on a line that harms nothing. False if it
    /// takes too long.
    fn logs_out(&mut self) -> bool {
        self.spoiler.rests();
        let now = Frozen(&self.wire).now();
        self.ours.log_out(now, "the orders are done");
        while !self.ours.is_idle() || self.wire.next_delivery().is_some() {
            if !self.round() {
                return false;
            }
        }
        true
    }

    /// One round at each end, or on to when there is something to do. False if all has taken too long.
    fn round(&mut self) -> bool {
        self.rounds += 1;
        let clock = Frozen(&self.wire);
        let mut received = self.ours.poll(&clock);
        while let Some(event) = self.ours.next_device_event() {
            let DeviceEvent::Demoted(demotion) = event else { continue };
            self.spoiler.found_out(demotion.capability);
            let received_wrong = self.spoiler.received_wrong();
            let refused = Counters::of_engine(&self.ours).refused();
            self.found_out.push(FoundOut {
                capability: demotion.capability,
                received_wrong,
                let_in: (received_wrong + self.strays).saturating_sub(refused),
            });
        }
        received += self.theirs.poll(&clock);
        if received == 0 {
            let timers = self.ours.next_timeout().min(self.theirs.next_timeout());
            let next = self.wire.next_delivery().unwrap_or(Instant::FAR_FUTURE).min(timers);
            if next > Instant::ZERO + TIME_MAX {
                return false;
            }
            self.wire.set_now(next);
        }
        self.rounds < ROUNDS_MAX
    }

    fn outcome(self, is_done: bool) -> Outcome {
        let wrong = |direction| self.wire.counters(direction).received_wrong;
        let flow_counts = std::array::from_fn(|rule| self.ours.flow_count(rule));
        let stamps_wrong = self.ours.app().stamps_wrong + self.theirs.app().stamps_wrong;
        let (to_us, to_them) = (wrong(Direction::BToA), wrong(Direction::AToB));
        Outcome {
            ours: Side::of(self.ours, to_us),
            theirs: Side::of(self.theirs, to_them),
            is_done,
            stamps_wrong,
            flow_counts,
            strays: self.strays,
            found_out: self.found_out,
        }
    }
}

/// The rules that our device is to steer by: `own`, and the session's.
pub(super) fn rules(own: &[FlowRule]) -> Result<RuleSet, Refused> {
    let sessions = [session(Role::Initiator)?];
    steer::rules(OURS, None, &sessions, own).map_err(|error| Refused(error.to_string()))
}

fn session(role: Role) -> Result<SessionPlan, Refused> {
    let id = |text| CompId::new(text).ok_or_else(|| Refused(format!("{text} is no CompID")));
    let (sender, target) = match role {
        Role::Initiator => (id("DESK")?, id("VENUE")?),
        Role::Acceptor => (id("VENUE")?, id("DESK")?),
    };
    Ok(SessionPlan {
        reconnect_interval: Duration::from_s(1),
        ..SessionPlan::new(
            SessionConfig::new(Version::Fix44, role, sender, target),
            Endpoint { addr: THEIRS, port: PORT },
        )
    })
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
    let session = session(role)?;
    let in_words = |error: &dyn std::fmt::Display| Refused(error.to_string());
    let rules = steer::rules(addr, None, std::slice::from_ref(&session), own)
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
