//! What a driver of DPDK's says of itself, in reports: its own counters, and why it takes no rule.

mod common;

use std::process::{Command, Output};

use common::report::{checked, checked_text};
use common::skip;
use serde_json::Value;

const BIN: &str = env!("CARGO_BIN_EXE_fixwire");
const NET_TAP: &str = "dpdk:net_tap0,iface=dtap0";

fn json(arguments: &[&str]) -> Value {
    let Output { status, stdout, stderr } =
        Command::new(BIN).args(arguments).output().expect("fixwire runs");
    assert_eq!(status.code(), Some(0), "{}", String::from_utf8_lossy(&stderr));
    serde_json::from_slice(&stdout).expect("JSON")
}

#[test]
fn a_run_reports_the_driver_s_own_counters_beside_ours() {
    if let Some(why) = common::no_namespace() {
        return skip("the driver's own counters", &why);
    }
    let report = checked(json(&["run", "--nic", NET_TAP, "--orders", "50", "--json"]));
    let of_driver = &report["driver_counters"];
    for (theirs, ours) in [
        ("rx_good_packets", "rx_frames"),
        ("rx_good_bytes", "rx_bytes"),
        ("tx_good_packets", "tx_frames"),
        ("tx_good_bytes", "tx_bytes"),
    ] {
        assert_eq!(of_driver[theirs], report["counters"][ours], "{of_driver}");
    }
    assert!(of_driver["rx_good_packets"].as_u64() > Some(50), "{of_driver}");
    assert!(of_driver.as_object().unwrap().values().all(|count| *count != 0), "{of_driver}");
    let output =
        Command::new(BIN).args(["run", "--nic", NET_TAP, "--orders", "5"]).output().unwrap();
    let text = checked_text(String::from_utf8_lossy(&output.stdout).into_owned());
    assert!(text.contains("\nthe driver's own counters: rx_good_packets "), "{text}");
    // A model has none but ours.
    let report = checked(json(&["run", "--nic", "sim", "--orders", "5", "--json"]));
    assert_eq!(report["driver_counters"], Value::Object(serde_json::Map::new()));
}

#[test]
fn rules_are_shown_with_the_reason_of_a_driver_that_refuses_them() {
    if let Some(why) = common::no_namespace() {
        return skip("a driver's reason", &why);
    }
    let planned = json(&["flow", "--nic", NET_TAP, "--dry-run", "--json"]);
    assert_eq!((&planned["outcome"], &planned["isolated"]), (&"device".into(), &true.into()));
    assert_eq!(planned["by"], "net_tap in software");
    let rules: Vec<&str> = planned["rules"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|rule| rule["rule"].as_str())
        .collect();
    let of = |part: &str| rules.iter().filter(|rule| rule.contains(part)).count();
    let all = (rules.len(), of("tcp src is 9878"), of("eth type is 0x0806"), of("ipv4 proto is 1"));
    assert_eq!(all, (3, 1, 1, 1), "{rules:?}");
    assert_eq!(planned["driver_counters"], Value::Null, "it did not run");
    let shown = json(&["flow", "--nic", NET_TAP, "--json"]);
    println!("{shown:#}");
    assert_eq!(shown["buffers_not_returned"], 0);
    assert!(shown["driver_counters"].is_object());
    if shown["outcome"] == "host" {
        let reason = shown["reason"].as_str().unwrap();
        assert!(
            reason.contains("rule 0 (flow create 0 ingress") && reason.contains("about "),
            "{reason}"
        );
        assert_eq!(shown["isolated"], false);
        assert_eq!(shown["rules"].as_array().unwrap().len(), 1, "open, it needs no more");
    }
}
