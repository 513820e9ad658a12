//! Buffers and rings that run out in the middle of a session: counted, and the session goes on afterwards.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use fixwire::app::exchange::Exchange;
use fixwire::desk::SessionPlan;
use fixwire::engine::{Engine, Setup};
use fixwire::fix::{CompId, Role, SessionConfig, Version};
use fixwire::neighbor::Network;
use fixwire::offload::device::Device;
use fixwire::offload::nic::{Burst, Nic as _};
use fixwire::offload::profile::{Policy, Profile};
use fixwire::steer;
use fixwire::tcp::{Config, Endpoint};
use fixwire::wire::ethernet::Mac;
use fixwire_hw::clock::HostClock;
use fixwire_hw::dpdk::{DeviceSpec, DpdkBackend, DpdkNic, Memory};
use fixwire_hw::tap;

use crate::common::client::Client;
use crate::common::inside::{PATIENCE, Program, inside};
use crate::common::{OURS, PORT};
use crate::line::{INITIATOR, acceptor, count, fixwire, memif_with, summary, write};
use crate::plan::show;

#[test]
fn a_far_side_that_does_not_poll_fills_the_ring_and_what_found_no_room_goes_later() {
    const ORDERS: u64 = 10_000;
    let folder = tempfile::tempdir().unwrap();
    // Rings of two.
    let [far, near] = memif_with(folder.path(), ",rsize=1");
    let mut accepting = acceptor(folder.path(), &far, &[]);
    let session = write(folder.path(), "session.toml", INITIATOR);
    let orders = ORDERS.to_string();
    let fixed = ["run", "--nic", &near, "--session", &session, "--orders", &orders, "--json"];
    let run = Program::start(fixwire().args(fixed));
    accepting.event_of("logged_on");
    accepting.signal("STOP");
    // For as long as several retransmissions take, each of a frame.
    sleep(Duration::from_millis(2_000));
    accepting.signal("CONT");
    let report = summary(&run.wait());
    assert_eq!(report["session"]["reports_received"], ORDERS);
    assert!(count(&report, "tx_busy") > 0 && count(&report, "tcp_retransmission") > 0, "{report}");
    for lost in ["lines_lost", "tx_errors", "tx_no_buffer", "gap_detected"] {
        assert_eq!(count(&report, lost), 0, "{lost}");
    }
    assert_eq!(summary(&accepting.interrupt())["app"]["orders_filled"], ORDERS);
}

/// Our exchange on net_tap, with the fewest buffers there can be, polled by whoever has it.
fn exchange_on_net_tap() -> Engine<DpdkNic, Exchange> {
    let mut profile = Profile::all(Policy::Prefer);
    profile.frames = 128;
    (profile.queues.rx_descriptors, profile.queues.tx_descriptors) = (32, 32);
    let spec = DeviceSpec::parse("net_tap0,iface=dtap0").unwrap();
    let backend = DpdkBackend::open(spec, Memory::Ordinary { mib: 128 }, &profile).unwrap();
    tap::adopt("dtap0").unwrap();
    let name = |text| CompId::new(text).unwrap();
    let session = SessionPlan {
        reconnect_interval: fixwire::time::Duration::from_s(1),
        ..SessionPlan::new(
            SessionConfig::new(Version::Fix44, Role::Acceptor, name("EXCHANGE"), name("FIXWIRE")),
            Endpoint { addr: OURS, port: PORT },
        )
    };
    let sessions = std::slice::from_ref(&session);
    let rules = steer::rules(OURS, None, sessions, &profile.steering).unwrap();
    let mac = Mac(backend.mac());
    let network = Network { mac, addr: OURS, prefix_len: 24, gateway: None, vlan: None, mtu: 1500 };
    let device = Device::probed(backend).plan(&profile, rules).configure().unwrap();
    let (nic, plan) = device.start().unwrap().steer().unwrap();
    show(&plan);
    let setup = Setup { network, tcp: Config::default(), secret: [7; 16], sessions: vec![session] };
    Engine::new(nic, plan, setup, Exchange::new()).unwrap()
}

/// A counterparty on a thread of its own, which sends an order for each number and tells of the answer.
fn counterparty() -> (Sender<u32>, Receiver<String>) {
    let (orders, numbers) = channel();
    let (answers, received) = channel();
    spawn(move || {
        let at = SocketAddr::from((OURS, PORT));
        let mut client = Client::connect(at, "FIX.4.4", "FIXWIRE", "EXCHANGE").log_on("");
        for number in numbers {
            client.send("D", &format!("11={number}|55=X|54=1|38=1|40=2|44=1|"));
            let _ = answers.send(client.next());
        }
    });
    (orders, received)
}

/// Polls until `is_done`.
fn poll_until(
    engine: &mut Engine<DpdkNic, Exchange>,
    what: &str,
    mut is_done: impl FnMut(&mut Engine<DpdkNic, Exchange>) -> bool,
) {
    let (clock, deadline) = (HostClock::new(), Instant::now() + PATIENCE);
    while !is_done(engine) {
        assert!(Instant::now() < deadline, "{what}: {:?}", engine.nic().counters());
        engine.poll(&clock);
    }
}

#[test]
fn buffers_that_run_out_either_way_are_counted_and_the_session_goes_on() {
    inside(
        "exhausted::buffers_that_run_out_either_way_are_counted_and_the_session_goes_on",
        || {
            let mut engine = exchange_on_net_tap();
            let (orders, answers) = counterparty();
            let answered = |engine: &mut Engine<DpdkNic, Exchange>, number: u32| {
                poll_until(engine, "an answer", |_| {
                    answers.try_recv().is_ok_and(|answer| {
                        assert!(answer.contains(&format!("11={number}|")), "{answer}");
                        true
                    })
                });
            };
            orders.send(1).unwrap();
            answered(&mut engine, 1);

            // Somebody has every buffer to send from.
            let held: Vec<_> = std::iter::from_fn(|| engine.nic_mut().tx_frame()).collect();
            assert!(!held.is_empty());
            let before = engine.nic().counters().tx_no_buffer;
            orders.send(2).unwrap();
            let filled = engine.app().fills();
            poll_until(&mut engine, "no buffer to send from", |engine| {
                engine.app().fills() > filled && engine.nic().counters().tx_no_buffer > before
            });
            assert!(answers.try_recv().is_err(), "there was nothing to answer with");
            drop(held);
            answered(&mut engine, 2);

            // Somebody keeps all that comes, and more comes than there are buffers for.
            let flood = UdpSocket::bind((Ipv4Addr::new(10, 9, 0, 1), 0)).unwrap();
            let mut held = Vec::new();
            let deadline = Instant::now() + PATIENCE;
            while engine.nic().counters().rx_no_buffer == 0 {
                assert!(
                    Instant::now() < deadline,
                    "{} are held: {:?}",
                    held.len(),
                    engine.nic().counters()
                );
                let _ = flood.send_to(&[0x5a; 64], (OURS, 9));
                let mut burst = Burst::new();
                engine.nic_mut().rx_burst(&mut burst);
                held.extend(burst);
            }
            drop(held);
            orders.send(3).unwrap();
            answered(&mut engine, 3);

            assert_eq!(engine.app().fills(), 3);
            let counted = |name| engine.counters().find(|(known, _)| *known == name).unwrap().1;
            assert_eq!((counted("lines_connected"), counted("lines_lost")), (1, 0));
            assert_eq!((counted("rx_errors"), counted("tx_errors")), (0, 0));
            assert_eq!(engine.into_nic().close(), Some(0));
        },
    );
}
