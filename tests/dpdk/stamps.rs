//! Stamps of DPDK's drivers, as the program sees them: times of capture by net_pcap, from a file and live, and none.

use std::fs;
use std::process::Output;

use serde_json::{Value, json};

use crate::common::inside::inside;
use crate::line::{INITIATOR, by, ended_with, errors, exchange, fixwire, veth, write};

const ORDERS: u64 = 100;

fn run(nic: &str, more: &[&str]) -> Output {
    fixwire().args(["run", "--json", "--nic", nic]).args(more).output().expect("it runs")
}

/// Stamps are net_pcap's, and no clock is read behind them, which is told once.
fn assert_times_of_capture(output: &Output, code: i32) -> Value {
    let report = ended_with(output, code);
    assert_eq!(by(&report, "rx_timestamp"), ("net_pcap in software", "passive"), "{report}");
    let clocks = &report["clocks"];
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
    let session = write(folder.path(), "session.toml", INITIATOR);
    let played = write(folder.path(), "in.pcap", file());
    let sent = folder.path().join("out.pcap");
    let nic = format!("dpdk:net_pcap0,rx_pcap={played},tx_pcap={}", sent.display());
    let output = run(&nic, &["--session", &session, "--connect-timeout", "1"]);
    assert!(errors(&output).contains("answers ARP for 10.9.0.1 within 1 s"), "{}", errors(&output));
    let report = assert_times_of_capture(&output, 1);
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
    inside("stamps::net_pcap_on_an_interface_trades_with_the_kernel_by_times_of_capture", || {
        veth();
        let folder = tempfile::tempdir().unwrap();
        let session = write(folder.path(), "session.toml", INITIATOR);
        let _exchange = exchange();
        let orders = ORDERS.to_string();
        let asked = ["--session", &session, "--orders", &orders];
        let output = run("dpdk:net_pcap0,iface=v0", &asked);
        let report = assert_times_of_capture(&output, 0);
        assert_eq!(report["session"]["reports_received"], ORDERS);
        assert_eq!(report["counters"]["nic_demoted"], 0);
        // One was looked at now and then, and is of no clock that is followed.
        assert_ne!(report["clocks"]["conversions"]["refused"]["other_clock"], 0);
    });
}

#[test]
fn a_port_that_stamps_nothing_has_no_clock_to_look_for() {
    let folder = tempfile::tempdir().unwrap();
    let session = write(folder.path(), "session.toml", INITIATOR);
    let output = run("dpdk:net_ring0", &["--session", &session, "--connect-timeout", "1"]);
    let report = ended_with(&output, 1);
    let clocks = &report["clocks"];
    assert_eq!((by(&report, "rx_timestamp").0, &clocks["device"]), ("fixwire", &Value::Null));
    assert_eq!(clocks["routes_refused"], json!([]));
    assert!(clocks["conversions"]["of"].as_str().unwrap().starts_with("host"), "{clocks}");
}
