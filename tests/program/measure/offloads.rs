//! `fixwire measure offloads`: the same session with each offload on and off, on what is no NIC.

use std::process::{Command, Output};

use serde_json::Value;

use super::errors;
use crate::common::{no_namespace, skip};

fn offloads(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fixwire"))
        .args(["measure", "offloads", "--rounds", "8", "--messages", "40", "--warm-up", "20"])
        .args(arguments)
        .output()
        .expect("fixwire runs")
}

fn report(arguments: &[&str]) -> Value {
    let output = offloads(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", errors(&output));
    assert!(errors(&output).contains("round 8 of 8 is measured"), "{}", errors(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// What holds of every capability that was tried, whatever it is worth here: nobody asserts that by wall time.
fn assert_tried(report: &Value, names: &[&str]) {
    let all = report["capabilities"].as_array().unwrap();
    let tried: Vec<_> = all.iter().map(|of| of["capability"].as_str().unwrap()).collect();
    assert_eq!(tried, names, "{report:#}");
    for of in all {
        assert_eq!(of["session_is_the_same"], true, "{of:#}");
        // Logons, Logouts, 200 orders and their reports.
        assert_eq!(of["messages_compared"], 404, "{of:#}");
        assert!(!of["without"].as_str().unwrap().is_empty() && of["by"] != "fixwire", "{of:#}");
        let samples = |which: &str| of[which]["poll_to_doorbell"].as_u64().unwrap();
        // Each but what could not leave at once.
        for which in ["samples_on", "samples_off"] {
            assert!((300..=320).contains(&samples(which)), "{which}: {of:#}");
        }
        let rows = of["comparisons"].as_array().unwrap();
        let median = rows
            .iter()
            .find(|row| row["interval"] == "poll to doorbell" && row["percentile"] == "p50");
        let median = median.unwrap_or_else(|| panic!("no median: {of:#}"));
        let ns = |key: &str| median[key].as_f64().unwrap_or_else(|| panic!("no {key}: {median}"));
        assert!(
            ns("from_ns") <= ns("difference_ns") && ns("difference_ns") <= ns("to_ns"),
            "{median}"
        );
        assert!((ns("off_ns") - ns("on_ns") - ns("difference_ns")).abs() < 0.01, "{median}");
        let floor = ns("noise_floor_ns");
        let verdict = match () {
            () if ns("from_ns") > floor => "slower",
            () if ns("to_ns") < -floor => "faster",
            () => "within the noise",
        };
        assert_eq!(median["verdict"], verdict, "{median}");
    }
    let floors = report["noise_floors"].as_array().unwrap();
    assert!(floors.iter().any(|of| of["interval"] == "poll to doorbell"), "{floors:?}");
}

#[test]
fn on_a_model_every_offload_is_tried_and_the_report_says_that_it_is_no_nic() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("offloads.html");
    let two = "rx_tcp_checksum,flow_steering";
    let report =
        report(&["--nic", "sim:connectx5", "--only", two, "--html", page.to_str().unwrap()]);
    assert_tried(&report, &["rx_tcp_checksum", "flow_steering"]);
    assert_eq!(
        (&report["measured_on"], &report["is_nic_measurement"]),
        (&"model".into(), &false.into())
    );
    let words = report["not_a_nic"].as_str().unwrap();
    assert!(words.starts_with("NOT A NIC'S FIGURES: sim:connectx5 is a model"), "{words}");
    // What is nothing without steering goes with it, and is named.
    let steering = &report["capabilities"][1];
    // Short as turns are, the model's clock is followed by their first message.
    for which in ["samples_on", "samples_off"] {
        assert!(steering[which]["wire_to_doorbell"].as_u64().unwrap() > 0, "{steering:#}");
    }
    assert!(steering["changes_along"].to_string().contains("flow_isolation"), "{steering:#}");
    let points = report["points"].to_string();
    assert!(
        points.contains(
            "from rx_burst's return with the message's last segment to tx_burst's return"
        ),
        "{points}"
    );
    let page = std::fs::read_to_string(&page).unwrap();
    for part in ["NOT A NIC'S FIGURES", "rx_tcp_checksum", "off - on"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("<script") && !page.contains("NaN"));
}

#[test]
fn on_a_tap_the_kernel_s_work_is_called_software() {
    if let Some(why) = no_namespace() {
        return skip("measure::on_a_tap_the_kernel_s_work_is_called_software", &why);
    }
    let output = offloads(&["--nic", "tap", "--only", "tx_tcp_checksum"]);
    assert!(output.status.success(), "{}", errors(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    for part in [
        "NOT A NIC'S FIGURES: tap is software on this host",
        "tx_tcp_checksum, by Linux kernel: ",
        "without it: off in the profile: summed while the payload is copied into the frame",
        "the session is the same: 404 messages",
        // A TAP stamps nothing.
        "wire in to doorbell: no figure",
        "noise floor: what two turns of the same profile differ by",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_cannot_be_tried_is_said_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let off = folder.path().join("off.toml");
    std::fs::write(&off, "extends = \"sim\"\n[offloads]\nrx_tcp_checksum = \"off\"\n").unwrap();
    for (arguments, code, words) in [
        (&["--only", "rx_magic"][..], 2, "there is no capability \"rx_magic\""),
        (
            &["--profile", off.to_str().unwrap(), "--only", "rx_tcp_checksum"],
            1,
            "so that there is nothing to switch off; see `fixwire plan`",
        ),
        (&["--profile", "no-such"], 2, "no-such"),
    ] {
        let output = offloads(&[&["--nic", "sim"], arguments].concat());
        assert_eq!(output.status.code(), Some(code), "{}", errors(&output));
        assert!(errors(&output).contains(words), "{words}: {}", errors(&output));
    }
}
