//! `fixwire flow`: which rules there are, and who keeps them.

use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

const BIN: &str = env!("CARGO_BIN_EXE_fixwire");

fn flow(arguments: &[&str]) -> Output {
    Command::new(BIN).arg("flow").args(arguments).output().expect("fixwire runs")
}

fn json(arguments: &[&str]) -> Value {
    let output = flow(arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn rules_are_the_device_s_with_counters_or_the_host_s_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    let rule = "[[steering]]\nsrc = \"10.66.0.0/16\"\naction = \"drop\"\ncount = true\n";
    std::fs::write(&path, format!("extends = \"default\"\n{rule}")).unwrap();
    let profile = path.to_str().unwrap();
    for (nic, by, outcome, counts) in [
        ("sim:connectx5", "NIC model", "device", true),
        ("sim:virtio", "fixwire", "host", false),
        // It takes no rule that leaves addresses open.
        ("sim:x710", "fixwire", "host", false),
    ] {
        let shown = json(&["--nic", nic, "--profile", profile, "--json"]);
        assert_eq!((&shown["by"], &shown["outcome"]), (&by.into(), &outcome.into()), "{shown}");
        let rules = shown["rules"].as_array().unwrap();
        assert_eq!(rules.len(), 2, "{shown}");
        assert!(rules[0]["rule"].as_str().unwrap().contains("10.66.0.0"), "{shown}");
        assert!(rules[1]["rule"].as_str().unwrap().contains("tcp src is 9878"), "{shown}");
        assert_eq!(rules[0]["hits"].is_u64(), counts, "{shown}");
        for rule in rules {
            assert_eq!(
                (&rule["by"], &rule["outcome"]),
                (&shown["by"], &shown["outcome"]),
                "{rule}"
            );
        }
        // Who counts otherwise, and whether anybody does.
        let text = flow(&["--nic", nic, "--profile", profile]).stdout;
        let text = String::from_utf8_lossy(&text);
        let by = format!("\n     by the {outcome}: {by}; ");
        assert_eq!(text.matches(&by).count(), 2, "each rule says so: {text}");
        for (rule, words) in rules.iter().zip(["counted by fixwire", "not counted: only rules"]) {
            let why = rule["uncounted_because"].as_str().unwrap_or_default();
            assert_eq!(
                (why.starts_with(words), text.contains(words)),
                (!counts, !counts),
                "{text}"
            );
        }
        assert_eq!(shown["isolated"], counts, "{nic}");
    }
}

#[test]
fn rules_for_sessions_in_a_vlan_name_it_or_are_the_host_s_where_the_device_takes_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("session.toml");
    let session = "[network]\naddress = \"10.9.0.2/24\"\nvlan = 100\n[[session]]\nconnection_type = \"initiator\"\n\
                   begin_string = \"FIX.4.4\"\nsender_comp_id = \"A\"\ntarget_comp_id = \"B\"\n\
                   socket_connect_host = \"10.9.0.1\"\nsocket_connect_port = 9878\n";
    std::fs::write(&path, session).unwrap();
    let session = path.to_str().unwrap();
    for (nic, outcome) in [("sim:connectx5", "device"), ("sim:82599", "host")] {
        let shown = json(&["--nic", nic, "--session", session, "--json"]);
        assert_eq!(shown["outcome"], outcome, "{shown}");
        let rule = shown["rules"][0]["rule"].as_str().unwrap();
        let pattern = "pattern eth / vlan vid is 100 / ipv4 src is 10.9.0.1 dst is 10.9.0.2 / tcp src is 9878";
        assert!(rule.contains(pattern), "{rule}");
    }
}

#[test]
fn a_dry_run_ends_with_3_as_a_run_does_where_the_profile_requires_what_the_device_has_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    std::fs::write(&path, "extends = \"default\"\n[offloads]\nflow_steering = \"require\"\n")
        .unwrap();
    let fixed = ["--profile", path.to_str().unwrap(), "--json"];
    let of = |nic, more: &[&str]| flow(&[&["--nic", nic][..], &fixed, more].concat());
    for more in [&["--dry-run"][..], &[]] {
        let output = of("sim:82574", more);
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{more:?}: {words}");
        assert!(words.contains("flow_steering (") && words.contains("write \"prefer\""), "{words}");
        let shown: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(shown["outcome"], "host", "{shown}");
        assert_eq!(of("sim:connectx5", more).status.code(), Some(0));
    }
}

#[test]
fn a_dry_run_plans_alone_and_people_are_told_the_same() {
    let shown = json(&["--nic", "sim:connectx5", "--dry-run", "--json"]);
    assert_eq!((&shown["outcome"], &shown["rules"][0]["hits"]), (&"device".into(), &Value::Null));
    let output = flow(&["--nic", "sim:connectx5"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("frames 0, bytes 0"), "{text}");
    assert!(text.trim_end().ends_with("frames that no rule matches do not come to us"), "{text}");
}

/// How long is certainly enough for a program to have started, and is no measure of anything.
const STARTED: Duration = Duration::from_millis(500);

#[test]
fn an_interrupt_ends_the_watch_and_what_the_rules_counted_is_told() {
    for signal in ["INT", "TERM", "HUP"] {
        let begun = Instant::now();
        let mut command = Command::new(BIN);
        command.args(["flow", "--nic", "sim:connectx5", "--watch", "600", "--json"]);
        let watching = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        thread::sleep(STARTED);
        let kill = Command::new("kill").args(["-s", signal, &watching.id().to_string()]).status();
        assert!(kill.unwrap().success());
        let output = watching.wait_with_output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{signal}: {words}");
        assert!(words.contains("interrupted before the 600 s of --watch"), "{signal}: {words}");
        let shown: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(shown["rules"][0]["hits"], 0, "{shown}");
        assert!(begun.elapsed() < Duration::from_secs(60), "{signal}: it watched on");
    }
}

#[test]
fn what_nohup_starts_outlives_its_terminal() {
    let watch = "trap '' HUP; exec \"$0\" flow --nic sim:connectx5 --watch 2 --json";
    let mut command = Command::new("sh");
    let watching = command.args(["-c", watch, BIN]).stdout(Stdio::piped()).spawn().unwrap();
    thread::sleep(STARTED);
    let kill = Command::new("kill").args(["-s", "HUP", &watching.id().to_string()]).status();
    assert!(kill.unwrap().success());
    let output = watching.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{:?}", output.status);
}
