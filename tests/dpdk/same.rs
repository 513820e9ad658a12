//! The same session, the same code, the same counters, whatever the device.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::common::inside::{PATIENCE, Program, inside, inside_as_root, is_inside, no_root};
use crate::common::skip;
use crate::line::{
    INITIATOR, ORDERS, RUNS_MAX, acceptor, between_two, count, exchange, fixwire, memif, no_xdp,
    run, summary, veth, vhost, write,
};

/// Counters of one session that may differ from device to device, and why. What is not named here is compared; frames and
/// bytes are held against the rest of what their report says ([`assert_adds_up`]).
const MAY_DIFFER: [(&str, &[&str]); 5] = [
    // Frames that are not ours, and how ours are acknowledged: one at a time, or two by one.
    (
        "what else is on the line, and how often its far side acknowledges",
        &[
            "rx_frames",
            "rx_bytes",
            "tx_frames",
            "tx_bytes",
            "ethertype_unknown",
            "ethernet_not_for_us",
            "ipv4_not_for_us",
            "ipv4_protocol_unknown",
            "arp_not_for_us",
            "arp_replies_sent",
            "arp_requests_sent",
            "tcp_segment_in",
            "tcp_segment_out",
            "tcp_segment_predicted",
        ],
    ),
    (
        "who sums: the plan says, and its own test",
        &["rx_checksum_partial", "rx_checksum_trusted", "rx_checksum_verified"],
    ),
    ("how deep the device's queue is", &["tx_busy"]),
    ("whose link comes up when its far side does, and goes with it", &["nic_link_down"]),
    ("how late the host was", LATE),
];

/// On a host with more to do than cores, what arrived may be looked at later than its sender has patience for.
const LATE: &[&str] = &[
    "tcp_retransmission",
    "tcp_retransmit_timeout",
    "tcp_loss_probe",
    "tcp_loss_probe_repaired",
    "tcp_dsack_in",
    "tcp_recovery_undone",
    "tcp_syn_retransmission",
    "tcp_syn_duplicate",
    "tcp_duplicate_ack",
    "tcp_duplicate_data",
    "send_refused",
];

/// Frames on the line that are nobody's or not ours: the kernel's at the far end looks for routers and neighbours by IPv6.
const OTHERS: &[&str] = &[
    "ethertype_unknown",
    "ethernet_not_for_us",
    "ipv4_not_for_us",
    "ipv4_protocol_unknown",
    "arp_not_for_us",
];

/// Ethernet, IPv4 and TCP with its timestamps (RFC 7323 3.2), which every segment of these sessions has.
const HEADERS_LEN: u64 = 14 + 20 + 32;
/// Ethernet and ARP (RFC 826), as they are and padded: as we send them, and as the model's wire brings them (IEEE 802.3 3.2.7).
const ARP_LEN: u64 = 14 + 28;
const ARP_PADDED_LEN: u64 = 60;
/// What is not TCP is ARP, or IPv6's neighbour and multicast listener discovery (RFC 4861, RFC 3810), of a few groups.
const OTHER_LEN_MAX: u64 = 128;
/// The kernel's SYN has the four options that ours has, and needs fewer bytes to pad them.
const SYN_PADDING_LEN: u64 = 4;
/// Each end announces its own address once, when it starts (RFC 5227 3).
const ANNOUNCEMENTS: u64 = 1;

/// Of a session's report, what is measured or is of its device.
const OF_THE_DEVICE: [&str; 2] = ["round_trip_ns", "remote"];

/// Everything that the same session comes to on any device.
fn of_the_session(report: &Value) -> Map<String, Value> {
    let may_differ = |name: &str| MAY_DIFFER.iter().any(|(_, names)| names.contains(&name));
    let counters = report["counters"].as_object().expect("counters");
    let known = |name: &&str| counters.contains_key(*name);
    assert!(
        MAY_DIFFER.iter().flat_map(|(_, names)| *names).all(known),
        "a counter has another name"
    );
    let mut all = counters.clone();
    all.retain(|name, _| !may_differ(name));
    let mut session = report["session"].as_object().expect("a session").clone();
    session.retain(|name, _| !OF_THE_DEVICE.contains(&name.as_str()));
    all.insert("session".into(), session.into());
    all
}

/// Runs a session on a device, whose report is the first of those that `session` gives, and holds it against the same on a
/// modelled NIC. Where the host was late, bytes cannot be compared, and the session is run once more: that they never were is
/// a skip that is told.
pub(crate) fn same<const ENDS: usize>(session: impl Fn() -> [Value; ENDS]) -> [Value; ENDS] {
    for number in 1.. {
        let reports = session();
        let nic = reports[0]["nic"].clone();
        if assert_same(&reports[0]) == Bytes::Compared {
            println!("{nic}: bytes are compared in run {number}");
            return reports;
        }
        println!("{nic}: the host was late in run {number}, and bytes are not compared");
        if number == RUNS_MAX {
            let why = format!("the host was late in each of {RUNS_MAX} runs");
            skip(&format!("the bytes of a session on {nic}"), &why);
            return reports;
        }
    }
    unreachable!("the last run returns")
}

/// Whether the lengths of what was sent and received were held against the model's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bytes {
    Compared,
    /// Something was sent twice.
    OfALateHost,
}

fn assert_same(report: &Value) -> Bytes {
    assert_eq!(report["session"]["reports_received"], ORDERS, "{report}");
    assert_eq!(count(report, "message_sent"), ORDERS + 2);
    // No frame that was ours was refused, lost or wrong.
    let model = run("sim", &[]);
    assert_eq!(of_the_session(report), of_the_session(&model), "{}", report["nic"]);
    assert_adds_up(report, &model)
}

/// Frames and bytes, which no two devices agree on: how often the far side acknowledges, what else is on the line and what was
/// sent again are in them. What they are made of is counted, each for itself, and the session's own bytes are the same.
fn assert_adds_up(report: &Value, model: &Value) -> Bytes {
    let nic = &report["nic"];
    let of = |name: &str| count(report, name);
    let of_model = |name: &str| count(model, name);
    let sum = |names: &[&str]| names.iter().map(|name| of(name)).sum::<u64>();
    let arp_sent = of("arp_requests_sent") + of("arp_replies_sent") + ANNOUNCEMENTS;
    assert_eq!(of("tx_frames"), of("tcp_segment_out") + arp_sent, "{nic}: frames sent");
    // What was asked of us was answered, what we asked may have been, and the far side may have announced itself.
    let arp_heard = of("rx_frames") - of("tcp_segment_in") - sum(OTHERS);
    let asked = of("arp_replies_sent");
    let heard_max = asked + of("arp_requests_sent") + ANNOUNCEMENTS;
    assert!((asked.max(1)..=heard_max).contains(&arp_heard), "{nic}: {arp_heard} of ARP heard");
    if sum(LATE) + LATE.iter().map(|name| of_model(name)).sum::<u64>() > 0 {
        // What was sent twice is of a length that nobody counts, and so is the ACK that says so (RFC 2883).
        return Bytes::OfALateHost;
    }
    let sent = |of: &dyn Fn(&str) -> u64| {
        let segments = of("tcp_segment_out");
        of("tx_bytes") - segments * HEADERS_LEN - (of("tx_frames") - segments) * ARP_PADDED_LEN
    };
    assert_eq!(sent(&of), sent(&of_model), "{nic}: bytes sent");
    let besides = |of: &dyn Fn(&str) -> u64| of("rx_frames") - of("tcp_segment_in");
    let received = |of: &dyn Fn(&str) -> u64| of("rx_bytes") - of("tcp_segment_in") * HEADERS_LEN;
    let of_the_session = received(&of_model) - besides(&of_model) * ARP_PADDED_LEN;
    let rest = received(&of) - (of_the_session - SYN_PADDING_LEN);
    let others = besides(&of);
    let all = ARP_LEN * others..=OTHER_LEN_MAX * others + SYN_PADDING_LEN;
    assert!(all.contains(&rest), "{nic}: {rest} bytes received in {others} other frames");
    Bytes::Compared
}

#[test]
fn a_session_is_the_same_on_a_model_a_tap_and_six_drivers() {
    let test = "same::a_session_is_the_same_on_a_model_a_tap_and_six_drivers";
    match no_root().or_else(no_xdp) {
        None => inside_as_root(test, || trade_on(&["net_af_packet0", "net_af_xdp0"])),
        Some(why) => {
            if !is_inside() {
                skip(&format!("{test} on net_af_xdp"), &why);
            }
            inside(test, || trade_on(&["net_af_packet0"]));
        }
    }
}

/// On a TAP of ours, on drivers that make their own line, and on `devices`, which take an interface. net_ring is not
/// among them: it hands everything back to who sent it, and is tried without a session.
fn trade_on(devices: &[&str]) {
    for nic in ["tap", "dpdk:net_tap0,iface=dtap0"] {
        same(|| [run(nic, &[])]);
    }
    same(|| between_two(memif));
    same(|| between_two(vhost));
    same(|| [on_vhost()]);
    veth();
    let folder = tempfile::tempdir().unwrap();
    let session = write(folder.path(), "session.toml", INITIATOR);
    for device in devices {
        same(|| {
            // It keeps its numbers: one for each.
            let _exchange = exchange();
            [run(&format!("dpdk:{device},iface=v0"), &["--session", &session])]
        });
    }
}

/// With net_vhost on our side: it is there first, and the acceptor on net_virtio_user comes to it.
fn on_vhost() -> Value {
    let folder = tempfile::tempdir().unwrap();
    let [near, far] = vhost(folder.path());
    let session = write(folder.path(), "session.toml", INITIATOR);
    let orders = ORDERS.to_string();
    let fixed = ["run", "--nic", &near, "--orders", &orders, "--json", "--session", &session];
    let running = Program::start(fixwire().args(fixed).args(["--connect-timeout", "30"]));
    let deadline = Instant::now() + PATIENCE;
    while !folder.path().join("vhost.sock").exists() {
        assert!(Instant::now() < deadline, "net_vhost makes no socket");
        sleep(Duration::from_millis(5));
    }
    let accepting = acceptor(folder.path(), &far, &[]);
    let report = summary(&running.wait());
    summary(&accepting.interrupt());
    report
}
