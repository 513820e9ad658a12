//! What becomes of a session whose store fails under a prepared order: two engines over a simulated wire.

use core::net::Ipv4Addr;

use fixwire_hw::sim::{self, SimBackend, SimNic, Wire};

use super::*;
use crate::app::echo::Echo;
use crate::desk::{LineEvent, LineFailure, SessionPlan};
use crate::engine::Setup;
use crate::fix::{CloseReason, CompId, Role, SessionConfig, State, Version};
use crate::neighbor::Network;
use crate::offload::device::Device;
use crate::offload::flow::RuleSet;
use crate::offload::profile::{Policy, Profile};
use crate::tcp::{Config, Endpoint};
use crate::time::{Clock, Duration};

const ADDRS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 9, 0, 2), Ipv4Addr::new(10, 9, 0, 1)];
const SESSION: SessionId = SessionId(0);

fn engine(backend: SimBackend, role: Role) -> Engine<SimNic, Echo> {
    let id = |text| CompId::new(text).unwrap();
    let (addr, us, them) = match role {
        Role::Initiator => (ADDRS[0], id("DESK"), id("VENUE")),
        Role::Acceptor => (ADDRS[1], id("VENUE"), id("DESK")),
    };
    let config = SessionConfig::new(Version::Fix44, role, us, them);
    let plan = SessionPlan {
        reconnect_interval: Duration::from_s(60),
        ..SessionPlan::new(config, Endpoint { addr: ADDRS[1], port: 9_878 })
    };
    let mac = Mac(backend.mac());
    let device = Device::probed(backend).plan(&Profile::all(Policy::Off), RuleSet::EMPTY);
    let started = device.configure().and_then(|device| device.start()?.steer());
    let (nic, offloads) = started.unwrap();
    let network = Network { mac, addr, prefix_len: 24, gateway: None, vlan: None, mtu: 1500 };
    let (tcp, secret) = (Config::default(), [role as u8 + 1; 16]);
    let setup = Setup { network, tcp, secret, sessions: vec![plan] };
    Engine::new(nic, offloads, setup, Echo::new(1)).unwrap()
}

fn run_for(
    ours: &mut Engine<SimNic, Echo>,
    theirs: &mut Engine<SimNic, Echo>,
    wire: &Wire,
    span: Duration,
) {
    let until = Clock::now(wire).mono + span;
    while Clock::now(wire).mono < until {
        if ours.poll(wire) + theirs.poll(wire) == 0 {
            let timers = ours.next_timeout().min(theirs.next_timeout());
            wire.set_now(wire.next_delivery().unwrap_or(Instant::FAR_FUTURE).min(timers));
        }
    }
}

#[test]
fn a_store_that_fails_under_an_order_is_told_and_ends_the_connection() {
    let (near, far, wire) = sim::pair(sim::Config::default(), 1);
    let (mut ours, mut theirs) = (engine(near, Role::Initiator), engine(far, Role::Acceptor));
    run_for(&mut ours, &mut theirs, &wire, Duration::from_s(1));
    let status = |of: &Engine<SimNic, Echo>| {
        of.desk().statuses().map(|of| (of.state, of.is_connected, of.next_out)).next().unwrap()
    };
    assert_eq!(status(&ours), (State::Active, true, 2));
    while ours.next_line_event().is_some() {}

    ours.desk.fail_store(SESSION);
    let now = Clock::now(&wire);
    let mut send = ours.prepare_send(now, SESSION).unwrap();
    let sent = ours.send_prepared(now, &mut send, b"D", |order| _ = order.put_u32(38, 1));
    assert_eq!(sent, Err(NotSent::Session(SendError::StoreFailed)));
    let reason = CloseReason::StoreFailed;
    assert_eq!(status(&ours), (State::Closing(reason), false, 3), "its number is used no more");
    let event = ours.next_line_event();
    let is_told =
        matches!(event, Some(LineEvent::Ended { why: LineFailure::Fix(why), .. }) if why == reason);
    assert!(is_told, "{event:?}");
    // Nothing can be sent by any way.
    let again = ours.prepare_send(now, SESSION).err();
    assert_eq!(again, Some(PreparedRefusal::NotConnected));

    run_for(&mut ours, &mut theirs, &wire, Duration::from_s(10));
    assert_eq!(status(&ours), (State::Disconnected, false, 3));
    assert_eq!(status(&theirs).0, State::Disconnected);
    let count =
        |name: &str| ours.counters().find(|(known, _)| *known == name).map(|(_, count)| count);
    assert_eq!((count("close_store_failed"), count("send_refused")), (Some(1), Some(1)));

    // It connects again, has no number to log on with, and ends at once instead of waiting for ever.
    run_for(&mut ours, &mut theirs, &wire, Duration::from_s(60));
    assert_eq!((status(&ours).0, status(&ours).1), (State::Disconnected, false));
}
