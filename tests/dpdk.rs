//! One session on one driver of DPDK's after the other, with the kernel or with ourselves on the far side: the
//! same code, and the same counters wherever the driver does the same.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use common::inside::{Program, inside};
use common::skip;
use serde_json::Value;

const BIN: &str = env!("CARGO_BIN_EXE_fixwire");
const ORDERS: u64 = 500;

const INITIATOR: &str = r#"
[network]
address = "10.9.0.2/24"
[[session]]
connection_type = "initiator"
begin_string = "FIX.4.4"
sender_comp_id = "FIXWIRE"
target_comp_id = "EXCHANGE"
socket_connect_host = "10.9.0.1"
socket_connect_port = 9878
"#;

const ACCEPTOR: &str = r#"
[network]
address = "10.9.0.1/24"
[[session]]
connection_type = "acceptor"
begin_string = "FIX.4.4"
sender_comp_id = "EXCHANGE"
target_comp_id = "FIXWIRE"
socket_accept_port = 9878
"#;

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A finished run's report. What the drivers and the plan say goes to the test's output.
fn report(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", errors(output));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    println!("{}: {}", report["nic"], report["plan"]);
    report
}

fn run(nic: &str, more: &[&str]) -> Value {
    let orders = ORDERS.to_string();
    let fixed = ["run", "--nic", nic, "--orders", &orders, "--json"];
    report(&Command::new(BIN).args(fixed).args(more).output().expect("fixwire runs"))
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn count(report: &Value, name: &str) -> u64 {
    report["counters"][name].as_u64().unwrap_or_else(|| panic!("no counter {name}"))
}

/// Who does a row of the plan, and what live frames showed of it.
fn row<'a>(report: &'a Value, capability: &str) -> (&'a str, &'a str) {
    let rows = report["plan"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["capability"] == capability).expect("the row");
    (row["by"].as_str().unwrap_or_default(), row["observed"].as_str().unwrap_or("-"))
}

/// What the same session comes to on any device: messages, connections, refusals. Whoever sums and steers, and
/// what else is on the line, may differ.
fn of_the_session(report: &Value) -> BTreeMap<String, u64> {
    let is_of_the_session = |name: &str| {
        name.starts_with("message_")
            || name.starts_with("lines_")
            || name.starts_with("close_")
            || [
                "tcp_connect_active",
                "tcp_established",
                "tcp_checksum_wrong",
                "ipv4_checksum_wrong",
            ]
            .contains(&name)
    };
    let counters = report["counters"].as_object().expect("counters");
    let kept = counters.iter().filter(|(name, _)| is_of_the_session(name));
    kept.map(|(name, count)| (name.clone(), count.as_u64().unwrap())).collect()
}

fn traded(report: &Value) -> BTreeMap<String, u64> {
    assert_eq!(report["session"]["reports_received"], ORDERS, "{report}");
    assert_eq!((count(report, "tx_errors"), count(report, "rx_errors")), (0, 0));
    let on_a_model = run("sim", &[]);
    let session = of_the_session(report);
    assert_eq!(session, of_the_session(&on_a_model));
    session
}

#[test]
fn net_tap_trades_with_the_kernel_and_sums_in_its_driver() {
    if let Some(why) = common::no_namespace() {
        return skip("net_tap", &why);
    }
    // In a namespace of its own, which the program makes.
    let report = run("dpdk:net_tap0,iface=dtap0", &[]);
    traded(&report);
    for capability in ["rx_ipv4_checksum", "rx_tcp_checksum"] {
        assert_eq!(row(&report, capability), ("net_tap in software", "proven"), "{capability}");
    }
    for capability in ["tx_ipv4_checksum", "tx_tcp_checksum"] {
        assert_eq!(row(&report, capability), ("net_tap in software", "passive"), "{capability}");
    }
    assert_eq!(count(&report, "nic_demoted"), 0);
    assert!(count(&report, "rx_checksum_trusted") > ORDERS);
    // Without an offload it is the same session.
    let folder = tempfile::tempdir().unwrap();
    let off = common::captured::all_off(folder.path(), "tap");
    let report = run("dpdk:net_tap0,iface=dtap0", &["--profile", &off]);
    traded(&report);
    assert_eq!(count(&report, "rx_checksum_trusted"), 0);
}

/// A pair of interfaces in the test's namespace, the kernel's at `v1` with an address, ours at `v0` without.
fn veth() {
    let lines = "ip link add v0 type veth peer name v1 && ip addr add 10.9.0.1/24 dev v1 \
                 && ethtool -K v1 tx off >/dev/null && ip link set lo up && ip link set v0 up && ip link set v1 up";
    let status = Command::new("sh").args(["-c", lines]).status().unwrap();
    assert!(status.success());
}

#[test]
fn net_af_packet_trades_with_the_kernel_over_a_veth_and_leaves_everything_to_the_host() {
    let test = "net_af_packet_trades_with_the_kernel_over_a_veth_and_leaves_everything_to_the_host";
    inside(test, || {
        veth();
        let folder = tempfile::tempdir().unwrap();
        let session = write(folder.path(), "session.toml", INITIATOR);
        let listen = ["exchange", "--listen", "10.9.0.1:9878"];
        let mut exchange = Program::start(Command::new(BIN).args(listen));
        exchange.line_where(|line| line.contains("listening"));
        let report = run("dpdk:net_af_packet0,iface=v0", &["--session", &session]);
        traded(&report);
        for capability in ["rx_tcp_checksum", "tx_tcp_checksum", "flow_steering"] {
            assert_eq!(row(&report, capability).0, "fixwire", "{capability}");
        }
        assert_eq!(count(&report, "rx_checksum_trusted"), 0);
    });
}

/// Trades between two processes of ours, each on its end of a line between two of DPDK's drivers.
fn between_two(folder: &Path, far: &str, near: &str) -> Value {
    let acceptor = write(folder, "acceptor.toml", ACCEPTOR);
    let session = write(folder, "session.toml", INITIATOR);
    let fixed = ["accept", "--app", "exchange", "--json", "--nic", far, "--session", &acceptor];
    let mut accepting = Program::start(Command::new(BIN).args(fixed));
    accepting.event_of("listening");
    let report = run(near, &["--session", &session]);
    let ended = accepting.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    report
}

#[test]
fn net_memif_carries_a_session_from_one_process_of_ours_to_another() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("memif.sock");
    let nic = |role| {
        format!("dpdk:net_memif0,role={role},socket={},socket-abstract=no", socket.display())
    };
    let report = between_two(folder.path(), &nic("server"), &nic("client"));
    traded(&report);
    assert_eq!(row(&report, "rx_tcp_checksum").0, "fixwire");
}

#[test]
fn net_virtio_user_hands_over_the_sums_that_net_vhost_left_unfinished() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("vhost.sock");
    let far = format!("dpdk:net_vhost0,iface={},queues=1", socket.display());
    let near = format!("dpdk:net_virtio_user0,path={},queues=1", socket.display());
    let report = between_two(folder.path(), &far, &near);
    traded(&report);
    // Every segment came as "none": its field holds the pseudo-header's sum.
    assert_eq!(count(&report, "rx_checksum_partial"), count(&report, "tcp_segment_in"));
    let by = "net_virtio_user in software";
    assert_eq!(row(&report, "rx_tcp_checksum"), (by, "passive"));
    assert_eq!(row(&report, "tx_tcp_checksum"), (by, "passive"));
}

#[test]
fn what_is_no_device_and_what_is_not_there_are_told_apart_with_a_remedy() {
    for (nic, code, words) in [
        ("dpdk:", 2, "net_tap0,iface=dtap0"),
        ("dpdk", 2, "dpdk:net_tap0"),
        ("dpdk:eth0", 2, "no PCI address"),
        ("dpdk:net_nonsense0", 1, "DPDK"),
        ("dpdk:net_memif0", 2, "write `address"),
    ] {
        let output = Command::new(BIN).args(["run", "--nic", nic]).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{nic}: {}", errors(&output));
        assert!(errors(&output).contains(words), "{nic}: {}", errors(&output));
    }
}
