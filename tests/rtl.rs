//! The device `rtl` as a user meets it: FIX through the Verilated design.

use std::process::{Command, Output};

use serde_json::Value;

const ORDERS: u64 = 200;

fn fixwire(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fixwire")).args(arguments).output().expect("fixwire runs")
}

fn words(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|of| String::from_utf8_lossy(of));
    format!("{out}{err}")
}

fn run(nic: &str, more: &[&str]) -> Value {
    let orders = ORDERS.to_string();
    let arguments = [&["run", "--nic", nic, "--orders", &orders, "--json"], more].concat();
    let output = fixwire(&arguments);
    assert!(output.status.success(), "{}", words(&output));
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", words(&output)))
}

fn row<'a>(run: &'a Value, capability: &str) -> &'a Value {
    let rows = run["plan"].as_array().expect("the plan");
    let is_it = |row: &&Value| row["capability"] == capability;
    rows.iter().find(is_it).unwrap_or_else(|| panic!("no {capability} in {run}"))
}

#[test]
fn it_trades_at_both_widths_and_the_design_judges_steers_and_finishes() {
    for nic in ["rtl", "rtl:512"] {
        let run = run(nic, &[]);
        assert_eq!(run["nic"], "rtl");
        let session = &run["session"];
        assert_eq!(
            (&session["orders_sent"], &session["reports_received"]),
            (&ORDERS.into(), &ORDERS.into())
        );
        // That what it sends arrives right is the counterparty's to see: it has traded.
        for (capability, observed) in [
            ("rx_ipv4_checksum", "proven"),
            ("rx_tcp_checksum", "proven"),
            ("tx_ipv4_checksum", "passive"),
            ("tx_tcp_checksum", "passive"),
            ("flow_steering", "proven"),
        ] {
            let row = row(&run, capability);
            assert_eq!(
                (&row["outcome"], &row["observed"]),
                (&"device".into(), &observed.into()),
                "{row}"
            );
        }
        // Simulated cycles are no time.
        let stamps = row(&run, "rx_timestamp");
        assert_eq!(stamps["outcome"], "host", "{stamps}");
        assert!(stamps["reason"].as_str().unwrap().contains("simulated cycles"), "{stamps}");
    }
}

#[test]
fn a_selftest_sees_every_sum_that_was_left_to_it_arrive_right() {
    let output = fixwire(&["selftest", "--nic", "rtl", "--json"]);
    assert!(output.status.success(), "{}", words(&output));
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let findings = found["findings"].as_array().expect("findings");
    for capability in ["tx_ipv4_checksum", "tx_tcp_checksum"] {
        let finding = findings.iter().find(|finding| finding["capability"] == capability);
        let finding = finding.unwrap_or_else(|| panic!("no {capability} in {found}"));
        assert_eq!(finding["observed"], "proven", "{finding}");
        assert_eq!(finding["seen"], "16 of 16 fields left to it arrived right");
    }
    assert!(findings.iter().all(|finding| finding["observed"] != "refuted"), "{found}");
}

#[test]
fn frames_and_waves_are_kept_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let [frames, waves] = ["frames.pcapng", "waves.fst"].map(|name| folder.path().join(name));
    let nic = format!("rtl:64,waves={}", waves.display());
    run(&nic, &["--capture", frames.to_str().unwrap()]);
    let frames = std::fs::read(frames).unwrap();
    // A section header block (pcapng, 4.1).
    assert_eq!(frames[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
    assert!(frames.len() as u64 > 2 * ORDERS * 100, "{} bytes", frames.len());
    let waves = std::fs::metadata(waves).unwrap().len();
    assert!(waves > 100_000, "{waves} bytes");
}

#[test]
fn conformance_holds_the_design_to_a_device_that_does_nothing() {
    let output = fixwire(&["conformance", "--nic", "rtl", "--all-subsets"]);
    let words = words(&output);
    assert!(output.status.success(), "{words}");
    // Seven capabilities of the data path, on a clean line and a corrupting one.
    assert!(words.ends_with("256 passed, 0 failed\n"), "{words}");
}

#[test]
fn what_cannot_be_is_said_with_what_to_do() {
    for (arguments, what, remedy) in [
        (vec!["run", "--nic", "rtl:128"], "`128`", "`rtl:64,waves=run.fst`"),
        (
            vec!["run", "--nic", "rtl:waves=/nowhere/a.fst"],
            "/nowhere/a.fst",
            "a folder that is there",
        ),
        (vec!["conformance", "--nic", "rtl:waves=a.fst"], "one file", "fixwire run"),
        (vec!["accept", "--nic", "rtl"], "nobody can connect", "tap:IFNAME"),
    ] {
        let output = fixwire(&arguments);
        let words = words(&output);
        assert!(
            !output.status.success() && words.contains(what) && words.contains(remedy),
            "{words}"
        );
    }
    // What was refused has left no file.
    assert!(!std::path::Path::new("a.fst").exists());
}
