//! Stamps of DPDK's drivers, as the program sees them: times of capture by net_pcap, from a file and live, and none.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use common::inside::{Program, inside};
use serde_json::{Value, json};

const BIN: &str = env!("CARGO_BIN_EXE_fixwire");
const ORDERS: u64 = 100;

const SESSION: &str = r#"
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

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

fn run(nic: &str, more: &[&str]) -> Output {
    Command::new(BIN).args(["run", "--json", "--nic", nic]).args(more).output().expect("it runs")
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", errors(output)))
}

/// What the plan and live frames say of stamps, and the clocks.
fn stamps(report: &Value) -> (String, String, &Value) {
    let rows = report["plan"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["capability"] == "rx_timestamp").expect("the row");
    let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
    (text("by"), text("observed"), &report["clocks"])
}

/// Stamps are net_pcap's, and no clock is read behind them, which is told once.
fn assert_times_of_capture(output: &Output) -> Value {
    let report = report(output);
    let (by, observed, clocks) = stamps(&report);
    assert_eq!((by.as_str(), observed.as_str()), ("net_pcap in software", "passive"), "{report}");
    assert_eq!((&clocks["device"], &clocks["error_bound_ns"]), (&Value::Null, &Value::Null));
    let refused = clocks["routes_refused"].as_array().expect("ways");
    assert_eq!((refused.len(), &refused[0]["route"]), (1, &json!("rte_eth_read_clock")));
    let why = refused[0]["why"].as_str().unwrap();
    assert!(why.contains("times of capture"), "{why}");
    assert_eq!(errors(output).matches(why).count(), 1, "{}", errors(output));
    assert_eq!(clocks["conversions"]["of"], "time of capture, ticks since 1970");
    assert_eq!(clocks["conversions"]["converted"], 0);
    report
}

/// A file with three frames that are nobody's (pcap-savefile(5)).
fn file() -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4, 4 << 16 | 2, 0, 0, 65_535, 1] {
        file.extend(u32::to_le_bytes(word));
    }
    for us in [1, 1, 999_999] {
        for word in [1_795_000_000, us, 60, 60] {
            file.extend(u32::to_le_bytes(word));
        }
        let mut frame = [0; 60];
        frame[..14].copy_from_slice(&[2, 0, 0, 0, 0, 7, 2, 0, 0, 0, 0, 9, 0x88, 0xb5]);
        file.extend(frame);
    }
    file
}

#[test]
fn a_file_has_no_live_peer_and_its_stamps_are_its_times() {
    let folder = tempfile::tempdir().unwrap();
    let session = write(folder.path(), "session.toml", SESSION.as_bytes());
    let played = write(folder.path(), "in.pcap", &file());
    let sent = folder.path().join("out.pcap");
    let nic = format!("dpdk:net_pcap0,rx_pcap={played},tx_pcap={}", sent.display());
    let output = run(&nic, &["--session", &session, "--connect-timeout", "1"]);
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    assert!(errors(&output).contains("answers ARP for 10.9.0.1 within 1 s"), "{}", errors(&output));
    let report = assert_times_of_capture(&output);
    assert_eq!(
        (&report["counters"]["rx_frames"], &report["counters"]["rx_stamp_missing"]),
        (&json!(3), &json!(0))
    );
    // The host's own clock is followed all the same.
    assert_ne!(report["clocks"]["host"]["readings"]["locked"], 0, "{report}");
    // What it sent is in the other file: an announcement at least, behind the file's own header.
    let asked = fs::read(&sent).unwrap();
    assert!(asked.windows(4).any(|bytes| bytes == [10, 9, 0, 1]), "{asked:?}");

    let nic = format!("dpdk:net_pcap0,rx_pcap={}/none", folder.path().display());
    let output = run(&nic, &["--session", &session]);
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    assert!(errors(&output).contains("/none: No such file"), "{}", errors(&output));
}

#[test]
fn net_pcap_on_an_interface_trades_with_the_kernel_by_times_of_capture() {
    inside("net_pcap_on_an_interface_trades_with_the_kernel_by_times_of_capture", || {
        let veth = "ip link add v0 type veth peer name v1 && ip addr add 10.9.0.1/24 dev v1 \
                    && ethtool -K v1 tx off >/dev/null && ip link set lo up && ip link set v0 up \
                    && ip link set v1 up";
        assert!(Command::new("sh").args(["-c", veth]).status().unwrap().success());
        let folder = tempfile::tempdir().unwrap();
        let session = write(folder.path(), "session.toml", SESSION.as_bytes());
        let mut exchange =
            Program::start(Command::new(BIN).args(["exchange", "--listen", "10.9.0.1:9878"]));
        exchange.line_where(|line| line.contains("listening"));
        let orders = ORDERS.to_string();
        let asked = ["--session", &session, "--orders", &orders];
        let output = run("dpdk:net_pcap0,iface=v0", &asked);
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        let report = assert_times_of_capture(&output);
        assert_eq!(report["session"]["reports_received"], ORDERS);
        assert_eq!(report["counters"]["nic_demoted"], 0);
        // One was looked at now and then, and is of no clock that is followed.
        assert_ne!(report["clocks"]["conversions"]["refused"]["other_clock"], 0);
    });
}

#[test]
fn a_port_that_stamps_nothing_has_no_clock_to_look_for() {
    let folder = tempfile::tempdir().unwrap();
    let session = write(folder.path(), "session.toml", SESSION.as_bytes());
    let output = run("dpdk:net_ring0", &["--session", &session, "--connect-timeout", "1"]);
    let report = report(&output);
    let (by, _, clocks) = stamps(&report);
    assert_eq!((by.as_str(), &clocks["device"]), ("fixwire", &Value::Null));
    assert_eq!(clocks["routes_refused"], json!([]));
    assert!(clocks["conversions"]["of"].as_str().unwrap().starts_with("host"), "{clocks}");
}
