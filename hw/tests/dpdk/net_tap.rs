//! `net_tap` with the kernel on its other side, in a namespace of the test's.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use fixwire_hw::tap::namespace;
use fixwire_offload::Verdict;
use fixwire_offload::capability::Capability;
use fixwire_offload::device::{Backend as _, Device};
use fixwire_offload::flow::{FlowRule, OnMiss, RuleSet};
use fixwire_offload::nic::{Burst, Frame as _, Nic, Parsed};
use fixwire_offload::plan::Provider;
use fixwire_offload::profile::{Policy, Profile};

use crate::several::{queues, running};
use crate::{eventually, harness, open, send, show};

fn is_there(interface: &str) -> bool {
    let shown = Command::new("ip").args(["link", "show", interface]).output().unwrap();
    shown.status.success()
}

pub(crate) fn a_queue_is_one_s_until_it_is_given_back_and_the_last_closes_the_port() {
    if let Err(error) = namespace::enter() {
        harness::skip(&error.to_string());
    }
    let profile = queues(2, 2);
    let mut first = running(open("net_tap0,iface=dtap0", &profile).unwrap(), &profile);
    assert!(first.queue(0).is_none() && first.queue(2).is_none() && first.queue(64).is_none());
    let second = first.queue(1).unwrap();
    assert!(first.queue(1).is_none() && second.queue(1).is_none());
    drop(second);
    let mut second = first.queue(1).unwrap();
    send(&mut first, &[0xff; 60]);
    // The port goes on for whoever is left.
    assert_eq!(first.close(), Some(0));
    assert!(is_there("dtap0"));
    send(&mut second, &[0xff; 60]);
    assert_eq!((second.counters().tx_frames, second.counters().tx_errors), (1, 0));
    assert_eq!(second.close(), Some(0));
    assert!(!is_there("dtap0"), "closed");
}

/// Its validation knows what it can put into the kernel's words; this kernel may still not take it.
pub(crate) fn what_its_rules_cannot_do_is_the_host_s_in_the_driver_s_words() {
    if let Err(error) = namespace::enter() {
        harness::skip(&error.to_string());
    }
    let rule = FlowRule::connection(
        "10.9.0.1:9878".parse().unwrap(),
        "10.9.0.2:40000".parse().unwrap(),
        0,
    );
    let profile = Profile::all(Policy::Prefer);
    let backend = open("net_tap0,iface=dtap0", &profile).unwrap();
    let set = RuleSet::new(vec![rule], OnMiss::Queue(0)).unwrap();
    let configured = Device::probed(backend).plan(&profile, set).configure().unwrap();
    let plan = configured.plan();
    for capability in [Capability::FlowMark, Capability::FlowCount] {
        let row = plan.row(capability);
        assert!(!row.advertised && !plan.uses(capability), "{row:?}");
        assert!(row.reason.starts_with("not advertised, since "), "{row:?}");
        assert!(row.reason.contains("about one of its actions: action "), "{row:?}");
    }
    for capability in [Capability::FlowSteering, Capability::FlowIsolation] {
        let row = plan.row(capability);
        assert!(plan.uses(capability), "{row:?}");
        assert_eq!(row.by, Provider::Driver("net_tap"), "{row:?}");
    }
    assert!(!plan.counts_all());
    assert_eq!(plan.rules().rules().len(), 3, "one asked for, and ARP and ICMP");
    // Whether the kernel takes them or not, all of them are somebody's.
    let (nic, plan) = configured.start().unwrap().steer().unwrap();
    show(&plan);
    let row = plan.row(Capability::FlowSteering);
    let by_device = plan.uses(Capability::FlowSteering);
    assert!(by_device || row.reason.contains("a rule was refused: rule 0 (flow create"), "{row:?}");
    assert_eq!(plan.rules().rules().len(), if by_device { 3 } else { 1 });
    assert_eq!(nic.close(), Some(0));
}

pub(crate) fn its_offloads_are_by_queue_and_its_frames_come_with_their_types() {
    if let Err(error) = namespace::enter() {
        harness::skip(&error.to_string());
    }
    let profile = Profile::all(Policy::Prefer);
    let backend = open("net_tap0,iface=dtap0", &profile).unwrap();
    let how = |capability| backend.capabilities().advert(capability).map(|advert| advert.how);
    assert_eq!(how(Capability::RxTcpChecksum), Some("RTE_ETH_RX_OFFLOAD_TCP_CKSUM, by queue"));
    let planned = Device::probed(backend).plan(&profile, RuleSet::EMPTY);
    let (mut nic, plan) = planned.configure().unwrap().start().unwrap().steer().unwrap();
    show(&plan);
    assert!(plan.uses(Capability::RxTcpChecksum), "on when read back");
    let mac = nic.mac().map(|byte| format!("{byte:02x}")).join(":");
    let lines = format!(
        "ip addr add 10.9.0.1/24 dev dtap0 && ip link set dtap0 up && \
         ip neigh replace 10.9.0.2 lladdr {mac} dev dtap0"
    );
    assert!(Command::new("sh").args(["-c", &lines]).status().unwrap().success());
    // Nobody answers; the SYN is what is wanted.
    let peer = SocketAddr::from(([10, 9, 0, 2], 9878));
    assert!(TcpStream::connect_timeout(&peer, Duration::from_millis(50)).is_err());
    let is_syn = |bytes: &[u8]| bytes.get(12..14) == Some(&[8, 0]) && bytes.get(23) == Some(&6);
    let mut others = 0;
    let meta = eventually("the SYN", || {
        let mut burst = Burst::new();
        nic.rx_burst(&mut burst);
        let (syns, rest): (Vec<_>, Vec<_>) = burst.iter().partition(|frame| is_syn(frame.bytes()));
        assert!(rest.iter().all(|frame| nic.rx_meta(frame).parsed != Parsed::Ipv4Tcp));
        others += rest.len();
        syns.first().map(|frame| nic.rx_meta(frame))
    });
    assert_eq!((meta.parsed, meta.l3, meta.l4), (Parsed::Ipv4Tcp, Verdict::Good, Verdict::Good));
    println!("{others} other frames");
    // The driver's own counters, by its own names.
    let by_driver = nic.driver_counters();
    let of =
        |name: &str| by_driver.iter().find(|(known, _)| known == name).map(|(_, count)| *count);
    assert_eq!(of("rx_good_packets"), Some(nic.counters().rx_frames), "{by_driver:?}");
    assert_eq!((of("rx_q0_packets"), of("tx_good_packets")), (of("rx_good_packets"), Some(0)));
    assert_eq!(nic.close(), Some(0));
}
