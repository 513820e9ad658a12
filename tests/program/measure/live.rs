//! `fixwire run --measure` as a user meets it: the report in each of its forms, of a model and of a TAP.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::errors;
use crate::common::{no_namespace, skip};

fn run(nic: &str, orders: u64, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fixwire"))
        .args(["run", "--nic", nic, "--orders", &orders.to_string()])
        .args(more)
        .output()
        .expect("fixwire runs")
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).expect("JSON")
}

fn samples(report: &Value, kind: &str) -> u64 {
    let of_kind = report["intervals"].as_array().unwrap().iter().filter(|of| of["kind"] == kind);
    of_kind.map(|of| of["samples"].as_u64().unwrap()).sum()
}

fn excluded(report: &Value, kind: &str) -> u64 {
    let reasons = report["excluded"][kind].as_object().unwrap();
    reasons.values().map(|count| count.as_u64().unwrap()).sum()
}

/// What every report has, whoever stamps: all messages are in a figure or excluded, and what it rests on is said.
fn assert_whole(report: &Value, orders: u64) {
    // Each order but the first is sent on the report of the one before.
    assert_eq!(
        (&report["messages"], &report["messages_answered"]),
        (&orders.into(), &(orders - 1).into())
    );
    // And that one is in no figure, but told of.
    for (kind, all) in [
        ("wire_to_poll", orders),
        ("poll_to_application", orders),
        ("application_to_frame", orders),
        ("frame_to_doorbell", orders),
        ("poll_to_doorbell", orders),
        ("wire_to_doorbell", orders),
        ("doorbell_to_wire", orders),
        ("wire_to_wire", orders),
    ] {
        assert_eq!(samples(report, kind) + excluded(report, kind), all, "{kind}: {report:#}");
    }
    assert_eq!(report["sent_at_logon"], 1);
    for (kind, at_logon) in [("poll_to_doorbell", 1), ("wire_to_wire", 1), ("wire_to_poll", 0)] {
        assert_eq!(report["excluded"][kind]["sent_at_logon"], at_logon, "{kind}: {report:#}");
    }
    for kind in ["poll_to_application", "poll_to_doorbell"] {
        assert!(samples(report, kind) > orders * 9 / 10, "{kind}: {report:#}");
    }
    for of in report["intervals"].as_array().unwrap() {
        let ns = |key: &str| of[key].as_f64().unwrap_or_else(|| panic!("no {key}"));
        let all = ["min_ns", "p50_ns", "p90_ns", "p99_ns", "p999_ns", "p9999_ns", "max_ns"];
        // Of few samples not every percentile is told.
        let told = all.into_iter().filter(|key| !of[key].is_null()).map(ns);
        assert!(told.is_sorted() && ns("noise_floor_ns") > 0.0, "{of:#}");
        assert_eq!(of["trigger_type"], "8");
        assert!(!of["error_bound"].as_str().unwrap().is_empty());
    }
    let overhead = &report["overhead"];
    for key in ["reading_ns", "record_ns", "point_ns", "message_ns"] {
        assert!(overhead[key].as_f64().unwrap() > 0.0, "{overhead}");
    }
    assert_eq!(overhead["timed"], 64_000);
    assert!(report["plan"].as_array().is_some_and(|rows| !rows.is_empty()), "{}", report["plan"]);
    let checks = report["host"]["checks"].as_array().unwrap();
    for name in ["clock source", "system's time", "PTP clocks", "who keeps time"] {
        assert!(checks.iter().any(|check| check["check"] == name), "{name}: {checks:?}");
    }
    assert!(report["host"]["time"]["synchronised"].is_boolean(), "{}", report["host"]["time"]);
    assert_eq!(report["records_ring_full"], 0);
}

#[test]
fn a_run_on_the_model_is_measured_and_reported_in_every_form() {
    // Enough for its clock to be followed in the end: that takes some tens of milliseconds.
    const ORDERS: u64 = 20_000;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let [json, html, log] = ["live.json", "live.html", "live.hlog"].map(path);
    let [json_arg, html_arg, log_arg] = [&json, &html, &log].map(|path| path.to_str().unwrap());
    let more = ["--json", "--measure-json", json_arg, "--measure-html", html_arg];
    let output = run("sim", ORDERS, &[&more[..], &["--measure-histogram", log_arg]].concat());
    assert!(output.status.success(), "{}", errors(&output));
    let report = read(&json);
    assert_whole(&report, ORDERS);
    let of_run: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(of_run["measure"]["intervals"], report["intervals"]);
    // The model stamps what comes, by a clock that is followed.
    assert!(samples(&report, "wire_to_poll") > 0, "{report:#}");
    assert!(report["is_model"].as_bool().unwrap());
    let notes = report["notes"].to_string();
    assert!(notes.contains("nothing here is a NIC's latency"), "{notes}");

    let page = std::fs::read_to_string(&html).unwrap();
    for part in [
        "<title>fixwire run --measure</title>",
        "poll to application, 8",
        "poll to doorbell, 8&gt;D",
        "<h2>Hop by hop</h2>",
        "<h2>Plan in force</h2>",
        "<h2>Host</h2>",
        "measuring itself: ",
        "noise floor",
    ] {
        assert!(page.contains(part), "{part}");
    }
    for foreign in ["http", "<script", "src=", "href=", "url(", "@import", "NaN"] {
        assert!(!page.contains(foreign), "{foreign}");
    }

    // Both are what `compare` reads, and have the same in them.
    let compared = Command::new(env!("CARGO_BIN_EXE_fixwire"))
        .args(["measure", "compare", "--json", json_arg, log_arg])
        .output()
        .unwrap();
    assert!(compared.status.success(), "{}", errors(&compared));
    let compared: Value = serde_json::from_slice(&compared.stdout).expect("JSON");
    let rows = compared["comparisons"].as_array().unwrap();
    assert!(rows.iter().any(|row| row["kind"] == "poll_to_doorbell:8>D"), "{compared:#}");
    assert!(rows.iter().all(|row| row["difference_ns"].as_f64().unwrap_or(0.0) == 0.0));
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.lines().any(|line| line == "#the device is a model"), "{}", &log[..2_000]);
}

#[test]
fn a_run_on_a_tap_is_measured_by_the_host_s_counter_alone() {
    if let Some(why) = no_namespace() {
        return skip("measure::a_run_on_a_tap_is_measured_by_the_host_s_counter_alone", &why);
    }
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("live.json");
    let output = run("tap", 300, &["--measure-json", json.to_str().unwrap()]);
    assert!(output.status.success(), "{}", errors(&output));
    let report = read(&json);
    assert_whole(&report, 300);
    // A TAP stamps nothing: no figure pretends that it does.
    for kind in ["wire_to_poll", "wire_to_doorbell", "doorbell_to_wire", "wire_to_wire"] {
        assert_eq!(samples(&report, kind), 0, "{kind}");
        assert!(report["excluded"][kind]["not_stamped_by_device"].as_u64().unwrap() > 0, "{kind}");
    }
    let text = String::from_utf8_lossy(&output.stdout);
    for part in [
        "300 messages, 299 of them answered",
        "poll to application, 8",
        "measuring itself: ",
        "not_stamped_by_device",
        "this host by profile tap",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_file_that_cannot_be_written_ends_the_run_before_it_begins() {
    let output = run("sim", 1, &["--measure-html", "/nowhere/at/all.html"]);
    assert!(!output.status.success());
    assert!(
        errors(&output).contains("/nowhere/at/all.html cannot be written"),
        "{}",
        errors(&output)
    );
}
