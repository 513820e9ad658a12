//! `fixwire selftest` on models and on two TAPs with a bridge between them.

use std::process::{Command, Output};

use serde_json::Value;

use crate::common::report::checked;

const BIN: &str = env!("CARGO_BIN_EXE_fixwire");

fn fixwire(arguments: &[&str]) -> Output {
    Command::new(BIN).args(arguments).output().expect("fixwire runs")
}

fn text(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", errors(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&text(output)).expect("JSON")
}

#[test]
fn a_selftest_tries_each_offload_and_tells_what_it_saw() {
    let found = checked(json(&fixwire(&["selftest", "--nic", "sim:connectx5", "--json"])));
    let findings = found["findings"].as_array().unwrap();
    let unproven = ["fast_free", "inlining", "rx_vector"];
    assert_eq!(findings.len(), 11 + unproven.len(), "{found}");
    for finding in findings {
        let is_shown = !unproven.contains(&finding["capability"].as_str().unwrap());
        assert_eq!(finding["observed"], if is_shown { "proven" } else { "unproven" }, "{found}");
        assert_eq!(finding["seen"] == "no frame shows it", !is_shown, "{found}");
    }
    let shown = text(&fixwire(&["selftest", "--nic", "sim:virtio"]));
    assert!(shown.trim_end().ends_with("2 proven, 1 unproven, 0 wrong"), "{shown}");
    for (peer, words) in [("tap:b", "cannot be joined"), ("sim:nope", "no NIC model")] {
        let refused = fixwire(&["selftest", "--nic", "sim", "--peer", peer]);
        assert_eq!(refused.status.code(), Some(2), "{}", errors(&refused));
        assert!(errors(&refused).contains(words), "{}", errors(&refused));
    }
    let alone = fixwire(&["selftest", "--nic", "tap:fixwire9"]);
    assert_eq!(alone.status.code(), Some(2), "{}", errors(&alone));
    assert!(errors(&alone).contains("--peer tap:IFNAME"), "{}", errors(&alone));
}

#[test]
fn a_selftest_of_taps_proves_the_kernel_s_part_of_both_checksums_over_a_bridge() {
    if let Some(why) = crate::common::no_namespace() {
        return crate::common::skip("the selftest of a TAP", &why);
    }
    let selftest = fixwire(&["selftest", "--nic", "tap", "--json"]);
    let words = errors(&selftest);
    if words.contains("making the bridge") {
        return crate::common::skip("the selftest of a TAP", &words);
    }
    let found = checked(json(&selftest));
    let findings: Vec<_> = found["findings"].as_array().unwrap().iter().collect();
    let shown = |key: &str| findings.iter().map(|row| row[key].clone()).collect::<Vec<_>>();
    assert_eq!(shown("capability"), ["rx_tcp_checksum", "tx_tcp_checksum"]);
    assert_eq!(shown("observed"), ["proven", "proven"]);
    assert!(findings[0]["seen"].as_str().unwrap().ends_with("16 handed over as such"), "{found}");
    assert_eq!(findings[1]["seen"], "16 of 16 fields left to it arrived right");
    // Not joined, nothing arrives, and it is said.
    let alone = "ip tuntap add ta mode tap && ip tuntap add tb mode tap && ip link set ta up && ip link set tb up \
                 && exec \"$0\" selftest --nic tap:ta --peer tap:tb";
    let output = Command::new("unshare").args(["-Urn", "sh", "-c", alone, BIN]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    assert!(errors(&output).contains("nothing arrives at tap:ta"), "{}", errors(&output));
}
