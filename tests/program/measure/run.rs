//! A capture of our own engine's session on the NIC model, whose wire knows what passed.

use std::process::Command;

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
    let report = report(&[capture]);
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
}
