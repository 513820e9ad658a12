//! Steering rules of a profile as a user meets them: refused with place and remedy, kept, counted, told of.

use std::process::{Command, Output};

use serde_json::Value;

const BIN: &str = env!("CARGO_BIN_EXE_fixwire");

fn fixwire(arguments: &[&str]) -> Output {
    Command::new(BIN).args(arguments).output().expect("fixwire runs")
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", errors(output)))
}

/// A profile of a user's own, and the folder that goes when it does.
fn file(content: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    std::fs::write(&path, content).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn rules_that_the_software_twin_does_not_take_are_refused_by_plan_and_run_alike() {
    // The device takes them; the twin proves it, and takes over from it.
    let rule = |len| format!("[[steering]]\nsrc = \"{len}.0.0.0/{len}\"\naction = \"drop\"\n");
    let many: String = (8..28).map(rule).collect();
    let (_folder, path) = file(&format!("extends = \"connectx5\"\n{many}"));
    let commands = ["plan", "run"].map(|command| vec![command, "--nic", "sim:connectx5"]);
    let accept = crate::common::no_namespace().is_none().then(|| vec!["accept", "--nic", "tap"]);
    for command in commands.into_iter().chain(accept) {
        let output = fixwire(&[&command[..], &["--profile", &path]].concat());
        assert_eq!(output.status.code(), Some(2), "{command:?}: {}", errors(&output));
        let sentence = errors(&output);
        for part in ["mine.toml", "steering rule #16 (flow create", "takes 16", "prefix lengths"] {
            assert!(sentence.contains(part), "{command:?}: {sentence}");
        }
    }
}

const COUNTS: &str = "[[steering]]\nsrc_port = 9878\naction = \"queue 0\"\ncount = true\n\
                      [[steering]]\nsrc = \"10.66.0.0/16\"\nprotocol = \"any\"\naction = \"drop\"\n\
                      priority = 1\n";

#[test]
fn a_run_tells_what_each_rule_has_counted_and_by_whom() {
    // Segments of both sides are at least a frame of 54 bytes long; a TAP that is steered for counts as well.
    for (model, by, drop_hits) in
        [("connectx5", "NIC model", Value::from(0)), ("virtio", "fixwire", Value::Null)]
    {
        let (_folder, path) = file(&format!("extends = \"{model}\"\n{COUNTS}"));
        let nic = format!("sim:{model}");
        let run = ["run", "--nic", &nic, "--orders", "50", "--profile", &path];
        let report = json(&fixwire(&[&run[..], &["--json"]].concat()));
        let rules = report["steering"].as_array().unwrap();
        assert_eq!(rules.len(), 3, "{report}");
        assert!(rules.iter().all(|rule| rule["by"] == by), "{rules:?}");
        let (hits, bytes) = (&rules[0]["hits"], &rules[0]["bytes"]);
        assert_eq!(hits, &report["counters"]["tcp_segment_in"], "{rules:?}");
        assert!(bytes.as_u64() > hits.as_u64().map(|hits| 54 * hits), "{rules:?}");
        assert!(rules[0]["rule"].as_str().unwrap().contains("tcp src is 9878 / end actions count"));
        assert_eq!(rules[1]["hits"], drop_hits, "{model}: it is not asked to count");

        let told = String::from_utf8_lossy(&fixwire(&run).stdout).into_owned();
        let (_, told) =
            told.split_once(&format!("\nsteered by {by}:\n")).expect("the rules are told of");
        let counted: Vec<&str> =
            told.lines().take_while(|line| line.starts_with("  frames ")).collect();
        assert_eq!(counted.len(), if drop_hits.is_null() { 1 } else { 3 }, "{told}");
        assert!(
            counted[0].contains(": flow create 0 ingress priority 0 pattern eth / ipv4 / tcp"),
            "{told}"
        );
    }
    let plain = fixwire(&["run", "--nic", "sim:virtio", "--orders", "5"]);
    assert!(!String::from_utf8_lossy(&plain.stdout).contains("steered by"), "nothing counts");
}

#[test]
fn an_acceptor_s_summary_has_the_rules_and_their_counts() {
    crate::common::inside::inside(
        "steering::an_acceptor_s_summary_has_the_rules_and_their_counts",
        || {
            let (_folder, path) =
                file(&format!("extends = \"tap\"\n{}", COUNTS.replace("src_port", "dst_port")));
            let arguments = ["accept", "--nic", "tap:fw0", "--json", "--profile", &path];
            let mut acceptor =
                crate::common::inside::Program::start(Command::new(BIN).args(arguments));
            acceptor.event_of("listening");
            let at = std::net::SocketAddr::from(([10, 9, 0, 2], 9878));
            let mut client =
                crate::common::client::Client::connect(at, "FIX.4.4", "FIXWIRE", "EXCHANGE")
                    .log_on("");
            client.send("5", "");
            client.next();
            let summary = acceptor.interrupt().summary();
            let rules = summary["steering"].as_array().unwrap();
            assert_eq!(rules[0]["hits"], summary["counters"]["tcp_segment_in"], "{rules:?}");
            assert_eq!(
                (&rules[0]["by"], &rules[2]["hits"]),
                (&"fixwire".into(), &Value::Null),
                "{rules:?}"
            );
        },
    );
}

#[test]
fn a_rule_s_queue_is_there_once_it_is_set_up() {
    let rule = "[[steering]]\nsrc = \"10.66.0.0/16\"\naction = \"queue 5\"\n";
    for (queues, refused) in [(1, Some("has 1 queue,")), (5, Some("has 5 queues,")), (6, None)] {
        let (_folder, path) = file(&format!("extends = \"sim\"\n{rule}[queues]\nrx = {queues}\n"));
        let plan = json(&fixwire(&["plan", "--nic", "sim", "--profile", &path, "--json"]));
        let rows = plan["plan"].as_array().unwrap();
        let steering = rows.iter().find(|row| row["capability"] == "flow_steering").unwrap();
        let reason = steering["reason"].as_str().unwrap();
        assert_eq!(steering["outcome"] == "host", refused.is_some(), "{reason}");
        assert!(reason.contains(refused.unwrap_or("exact tuples to a queue")), "{reason}");
        assert!(
            refused.is_none() || reason.contains("by `rx` under [queues]: the 4-tuple"),
            "{reason}"
        );

        let diff = json(&fixwire(&["plan", "--nic", "sim", "--diff", "sim", &path, "--json"]));
        let rows = diff["plan"].as_array().unwrap();
        assert_eq!(
            rows.iter().any(|row| row["capability"] == "flow_steering"),
            refused.is_some(),
            "{diff}"
        );
    }
}
