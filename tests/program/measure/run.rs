//! A capture of our own engine's session on the NIC model, whose wire knows what passed.

use std::process::Command;

use serde_json::Value;

use super::report;

#[test]
fn a_run_s_capture_has_a_pair_for_every_order() {
    const ORDERS: u64 = 300;
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("run.pcapng");
    let capture = capture.to_str().unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_fixwire"))
        .args(["run", "--nic", "sim", "--json", "--orders", &ORDERS.to_string()])
        .args(["--capture", capture])
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    // The received frames are by the wire's clock, and those that were sent by the host's: no figure mixes the two unasked.
    let apart = report(&[capture]);
    assert_eq!(apart["intervals"].as_array().unwrap().len(), 0, "{apart:#}");
    let excluded = &apart["excluded"]["order_to_answer"]["incomparable_clocks"];
    assert_eq!(*excluded, ORDERS, "{apart:#}");
    assert_eq!(apart["is_model"], true, "{apart:#}");
    let notes = apart["notes"].to_string();
    for words in [
        "if one clock recorded both interfaces, say so by --one-clock",
        "interface 0: received; stamps: ",
        "interface 1: sent; stamps: ",
        "the device was a model of a NIC",
    ] {
        assert!(notes.contains(words), "{words}: {notes}");
    }
    // Of a simulated wire it is one.
    let report = report(&[capture, "--one-clock"]);
    assert_eq!(report["is_model"], true);
    let of = |kind: &str| {
        let all = report["intervals"].as_array().unwrap();
        let found = all.iter().find(|of| of["kind"] == kind);
        found.map_or(0, |of| of["samples"].as_u64().unwrap())
    };
    assert_eq!(of("order_to_answer"), ORDERS, "{report:#}");
    // Nothing but the Logon came before the first.
    assert_eq!(of("trigger_to_order"), ORDERS - 1, "{report:#}");
    assert_eq!(report["excluded"]["trigger_to_order"]["nothing_new_acknowledged"], 1);
    assert_eq!(report["messages"], 2 * ORDERS + 4);
    // What the interfaces say of their times is in the noise floor.
    let interfaces = report["files"][0]["interfaces"].as_array().unwrap();
    let bound_ns = |interface: &Value| -> Option<f64> {
        let (_, bound) = interface["statistics"].as_str()?.split_once("shown within ")?;
        bound.split_once(' ')?.0.parse().ok()
    };
    let bounds_ns: f64 = interfaces.iter().filter_map(bound_ns).sum();
    for interval in report["intervals"].as_array().unwrap() {
        let floor_ns = interval["noise_floor_ns"].as_f64().unwrap();
        assert!(floor_ns >= 1.0 + bounds_ns, "{floor_ns} for {bounds_ns}: {interval:#}");
    }
}
