//! `fixwire doctor` as a user meets it, on whatever machine this is.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

/// An address at which no machine has a NIC.
const NO_NIC: &str = "fffe:ff:1f.7";

fn doctor(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fixwire"));
    command.arg("doctor").args(arguments).output().expect("fixwire runs")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", text(output), errors(output)))
}

fn rows(whole: &Value) -> &[Value] {
    whole["checks"].as_array().expect("rows")
}

fn row<'a>(whole: &'a Value, name: &str) -> &'a Value {
    rows(whole).iter().find(|row| row["check"] == name).expect("the check's row")
}

/// The numbers of `N ok, N warnings, N failed, N unknown`.
fn totals(line: &str) -> [u64; 4] {
    let parts: Vec<&str> = line.split(", ").collect();
    let names = ["ok", "warnings", "failed", "unknown"];
    assert_eq!(parts.len(), names.len(), "{line}");
    std::array::from_fn(|at| {
        let (number, name) = parts[at].split_once(' ').expect("a number and a name");
        assert_eq!(name, names[at], "{line}");
        number.parse().expect("a number")
    })
}

#[test]
fn it_ends_with_totals_and_the_code_that_follows_from_them() {
    let output = doctor(&[]);
    let shown = text(&output);
    let [ok, warnings, failed, unknown] = totals(shown.lines().last().expect("a last line"));
    assert_eq!(output.status.code(), Some(i32::from(failed > 0)), "{shown}{}", errors(&output));
    let rows = shown.lines().filter(|line| line.starts_with("│ ")).count() as u64;
    assert_eq!(ok + warnings + failed + unknown, rows - 1, "one is the heading: {shown}");
    let names = ["hugepages", "isolcpus", "C-states", "SMT siblings", "clock source", "RST guard"];
    for name in names.into_iter().chain(["system's time", "PTP clocks", "who keeps time"]) {
        assert!(shown.contains(&format!("┆ {name} ")), "{name}: {shown}");
    }
}

#[test]
fn machines_get_each_row_with_a_remedy_unless_all_is_well() {
    let output = doctor(&["--json"]);
    let whole = json(&output);
    let failed = whole["failed"].as_u64().expect("a total");
    assert_eq!(output.status.code(), Some(i32::from(failed > 0)), "{}", errors(&output));
    for (state, total) in
        [("ok", "ok"), ("warn", "warnings"), ("fail", "failed"), ("unknown", "unknown")]
    {
        let count = rows(&whole).iter().filter(|row| row["state"] == state).count();
        assert_eq!(whole[total], count, "{state}");
    }
    for row in rows(&whole) {
        assert_eq!(row["remedy"] == "", row["state"] == "ok", "{row}");
        assert!(row["found"].as_str().is_some_and(|found| !found.is_empty()), "{row}");
        assert!(row["need"] == "required" || row["need"] == "advised", "{row}");
        assert!(row["state"] != "fail" || row["need"] == "required", "{row}");
    }
}

#[test]
fn the_host_s_time_is_told_as_numbers_too() {
    let whole = json(&doctor(&["--json"]));
    let time = &whole["time"];
    let of = row(&whole, "system's time");
    assert_eq!(time["synchronised"] == true, of["state"] == "ok", "{time:#} {of}");
    // Each clock that this machine has is read, or is told why not.
    let clocks = time["ptp_clocks"].as_array().expect("clocks");
    let known = fs::read_dir("/sys/class/ptp").map_or(0, Iterator::count);
    assert_eq!(clocks.len(), known, "{time:#}");
    if clocks.is_empty() {
        let test = "doctor::the_host_s_time_is_told_as_numbers_too, of clocks";
        crate::common::skip(test, "this machine has no PTP clock");
    }
    for clock in clocks {
        assert!(clock["keeps"].is_string() || clock["unread_because"].is_string(), "{clock}");
        assert_eq!(clock["keeps"].is_string(), clock["within_ns"].is_u64(), "{clock}");
    }
}

#[test]
fn a_nic_that_is_not_there_ends_with_1_and_what_to_do() {
    let output = doctor(&["--nic", NO_NIC, "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    let whole = json(&output);
    assert_eq!(whole["nic"], NO_NIC);
    let present = row(&whole, "present");
    assert_eq!((&present["state"], &present["need"]), (&"fail".into(), &"required".into()));
    assert!(present["found"].as_str().is_some_and(|found| found.contains(NO_NIC)), "{present}");
    assert!(present["remedy"].as_str().is_some_and(|remedy| remedy.contains("lspci -D")));
    assert_eq!(row(&whole, "hugepages")["need"], "required");
    assert!(errors(&output).contains("present") && errors(&output).contains("mend it"));

    let output = doctor(&["--nic", NO_NIC]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).lines().any(|line| line.starts_with("fail present: `lspci -D")));
}

#[test]
fn what_cannot_be_used_ends_with_2() {
    for (arguments, says) in [
        (&["--nic", "3b:0"][..], "0000:3b:00.0"),
        (&["--nic", "eth0"], "no PCI address"),
        (&["--profile", "conectx5"], "did you mean"),
        (
            &["--profile", "nonesuch"],
            "no profile \"nonesuch\" is built in, and no file is called so",
        ),
        (&["--session", "/nonexistent.toml"], "check the path"),
        (&["--fix"], "--fix"),
    ] {
        let output = doctor(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output));
        assert!(errors(&output).contains(says), "{arguments:?}: {}", errors(&output));
    }
}

#[test]
fn the_engine_s_address_is_looked_for_among_the_kernel_s() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.toml");
    // TEST-NET-3 (RFC 5737) is nobody's.
    fs::write(&path, "[network]\naddress = \"203.0.113.7/24\"\n").unwrap();
    let guard =
        row(&json(&doctor(&["--session", path.to_str().unwrap(), "--json"])), "RST guard").clone();
    if fs::metadata("/proc/net/fib_trie").is_ok() {
        assert_eq!(guard["state"], "ok", "{guard}");
        assert!(guard["found"].as_str().unwrap().contains("does not have 203.0.113.7"), "{guard}");
    }
    let unsaid = json(&doctor(&["--json"]));
    assert_eq!(row(&unsaid, "RST guard")["state"], "unknown");
}

#[test]
fn the_core_is_the_one_that_the_profile_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.toml");
    fs::write(&path, "extends = \"tap\"\n[engine]\ncore = 4095\n").unwrap();
    let output = doctor(&["--profile", path.to_str().unwrap(), "--json"]);
    let whole = json(&output);
    assert_eq!(whole["core"], 4095);
    assert_eq!(row(&whole, "core")["state"], "fail", "no machine has so many cores");
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
}
