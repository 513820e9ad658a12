//! What an operator has of a running engine: metrics, the control socket and the log, on the NIC model, which needs no
//! namespace.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::inside::{PATIENCE, Program};
use crate::common::{has, skip};

const BIN: &str = env!("CARGO_BIN_EXE_fixwire");
const SESSION: &str = "FIX.4.4:FIXWIRE->EXCHANGE";

/// A run without end on the model, with a control socket and a metrics port of its own.
struct Run {
    folder: tempfile::TempDir,
    program: Program,
    port: u16,
}

impl Run {
    fn start(more: &[&str]) -> Run {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let program = Program::start(
            Command::new(BIN)
                .args(["run", "--nic", "sim", "--json", "--orders", "1000000000", "--metrics"])
                .arg(port.to_string())
                .arg("--control")
                .arg(folder.path().join("fw.sock"))
                .args(more),
        );
        let run = Run { folder, program, port };
        run.until("it trades", || run.is_in_state("active"));
        run
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("fw.sock")
    }

    fn ctl(&self, arguments: &[&str]) -> Output {
        Command::new(BIN).arg("ctl").arg(self.socket()).args(arguments).output().unwrap()
    }

    fn ctl_json(&self, arguments: &[&str]) -> Value {
        let output = self.ctl(&[arguments, &["--json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// What an engine says of its session. One on a busy machine may not have said anything in time: it is asked again.
    fn session(&self) -> Value {
        let begun = Instant::now();
        loop {
            let output = self.ctl(&["status", "--json"]);
            if output.status.success() {
                let said: Value = serde_json::from_slice(&output.stdout).unwrap();
                return said["sessions"][0].clone();
            }
            assert!(begun.elapsed() < PATIENCE, "no status: {}", text(&output.stderr));
        }
    }

    fn is_in_state(&self, state: &str) -> bool {
        self.session()["state"] == state
    }

    fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < PATIENCE, "not so in time: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn get(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }

    fn metrics(&self) -> HashMap<String, f64> {
        let response = self.get("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("text/plain; version=0.0.4"), "{head}");
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
        assert_well_formed(body);
        let samples = body.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.map(|line| line.rsplit_once(' ').unwrap());
        samples.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
    }
}

/// What Prometheus' text form asks for: HELP and TYPE once for each family and before its samples, which stand together; and
/// by its own tool, where that is installed.
fn assert_well_formed(body: &str) {
    let mut seen: Vec<&str> = Vec::new();
    let mut lines = body.lines().peekable();
    while let Some(help) = lines.next() {
        let (family, _) =
            help.strip_prefix("# HELP ").and_then(|of| of.split_once(' ')).expect(help);
        let named = |name: &str| {
            name.starts_with("fixwire_")
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        assert!(named(family) && !seen.contains(&family), "{help}");
        seen.push(family);
        let kind = lines
            .next()
            .and_then(|line| line.strip_prefix(&format!("# TYPE {family} ")))
            .expect(help);
        assert!(["counter", "gauge", "histogram"].contains(&kind), "{help} {kind}");
        let mut samples = 0;
        while let Some(sample) = lines.next_if(|line| !line.starts_with('#')) {
            let name = sample.split(['{', ' ']).next().unwrap();
            let suffix = name.strip_prefix(family).expect(sample);
            let suffixes: &[&str] =
                if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(suffixes.contains(&suffix), "{sample}");
            samples += 1;
        }
        assert!(samples > 0, "{family} has no sample");
    }
    let Ok(mut tool) =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).spawn()
    else {
        return;
    };
    tool.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    // 3 is a matter of taste.
    assert!(matches!(tool.wait().unwrap().code(), Some(0 | 3)), "promtool cannot read it");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn metrics_have_every_counter_of_the_report_and_never_go_back() {
    let run = Run::start(&[]);
    let (first, second) = (run.metrics(), run.metrics());
    let of = |metrics: &HashMap<String, f64>, name: &str| {
        *metrics.get(name).unwrap_or_else(|| panic!("there is no {name}"))
    };
    for name in ["fixwire_rx_frames_total", "fixwire_frame_to_order_seconds_count"] {
        assert!(of(&second, name) > of(&first, name) && of(&first, name) > 0.0, "{name}");
    }
    let labels = "begin_string=\"FIX.4.4\",sender_comp_id=\"FIXWIRE\",target_comp_id=\"EXCHANGE\",\
                  session=\"FIX.4.4:FIXWIRE->EXCHANGE\"";
    assert_eq!(of(&first, &format!("fixwire_session_state{{{labels},state=\"active\"}}")), 1.0);
    assert_eq!(of(&first, &format!("fixwire_session_state{{{labels},state=\"closing\"}}")), 0.0);
    assert!(of(&first, &format!("fixwire_session_next_out{{{labels}}}")) > 1.0);
    let delivered = format!("fixwire_session_events_total{{{labels},event=\"message_delivered\"}}");
    assert!(of(&first, &delivered) > 0.0);
    let wrong =
        format!("fixwire_session_garbled_total{{{labels},reason=\"garbled_check_sum_wrong\"}}");
    assert_eq!(of(&first, &wrong), 0.0);
    assert_eq!(
        of(&first, "fixwire_frame_to_order_seconds_bucket{le=\"+Inf\"}"),
        of(&first, "fixwire_frame_to_order_seconds_count")
    );
    for (name, value) in &first {
        if name.contains("_total") || name.contains("_bucket") {
            assert!(second[name] >= *value, "{name} went back");
        }
    }
    assert!(run.get("GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
    assert!(run.get("PUT /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));

    let ended = run.program.interrupt();
    let report = ended.summary();
    for name in report["counters"].as_object().unwrap().keys() {
        let total = format!("fixwire_{name}_total");
        let of_sessions = ["event", "reason"].map(|label| format!("{label}=\"{name}\""));
        let is_there = |known: &String| {
            *known == total || of_sessions.iter().any(|label| known.contains(label))
        };
        assert!(first.keys().any(is_there), "the report's counter {name} is in no metric");
    }
}

#[test]
fn an_operator_logs_a_session_out_sets_its_numbers_and_lets_it_back() {
    let run = Run::start(&["--profile", "sim"]);
    let refused = |arguments: &[&str], reason: &str, words: &str| {
        assert_eq!(run.ctl_json(arguments)["refused"], reason, "{arguments:?}");
        let output = run.ctl(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("refused: ") && said.contains(words), "{said}");
    };
    refused(&["set-seq", SESSION, "--next-out", "7"], "session_connected", "`logout` it first");
    refused(&["logon", SESSION], "not_logged_out", "not logged out by an operator");
    refused(&["reset", "NOBODY"], "session_not_found", "`status` has their names");
    refused(&["promote", "rx_tcp_checksum"], "not_demoted", "it was not demoted");
    refused(&["demote", "tea"], "offload_not_found", "`status` has their names");

    let output = run.ctl(&["logout", "FIXWIRE->EXCHANGE", "--text", "end of day"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), "done\n".into()));
    run.until("it is down", || run.is_in_state("disconnected"));
    refused(&["logout", "EXCHANGE"], "logged_out_already", "`logon` lets it come back");
    refused(
        &["set-seq", SESSION, "--next-out", "0"],
        "number_out_of_range",
        "from 1 to 2147483647",
    );
    let before = run.session();
    let (out, next_in) =
        (before["next_out"].as_u64().unwrap(), before["next_in"].as_u64().unwrap());
    // A number further on: the exchange asks for the gap, and gets it filled.
    let set = run.ctl_json(&["set-seq", SESSION, "--next-out", &(out + 5).to_string()]);
    assert_eq!((&set["next_out"], &set["next_in"]), (&(out + 5).into(), &next_in.into()));
    std::thread::sleep(Duration::from_millis(200));
    let stays = run.session();
    assert_eq!(stays["state"], "disconnected", "it does not stay away: {stays}");
    assert_eq!(run.ctl(&["logon", SESSION]).status.code(), Some(0));
    run.until("it trades again", || run.session()["next_out"].as_u64() > Some(out + 50));

    let ended = run.program.interrupt();
    let report = ended.summary();
    assert!(report["control"]["done"].as_u64() >= Some(3), "{}", report["control"]);
    assert_eq!(report["control"]["refused"]["session_connected"], 2);
    assert_eq!(report["sessions"][0]["logons"], 2);
    assert!(!run.folder.path().join("fw.sock").exists(), "the socket was left behind");
}

/// An idle engine lends its core out. Whoever has it then keeps it for milliseconds, and an answer takes thousands of rounds.
#[test]
fn an_engine_that_lends_its_core_to_busy_neighbours_answers() {
    if !has("taskset") {
        return skip(
            "operations::an_engine_that_lends_its_core_to_busy_neighbours_answers",
            "no taskset",
        );
    }
    let run = Run::start(&["--profile", "sim"]);
    let busy = || {
        let mut neighbour = Command::new("sh");
        Program::start(neighbour.args(["-c", "while :; do :; done"]))
    };
    let neighbours = [busy(), busy(), busy()];
    assert_eq!(run.ctl(&["logout", SESSION]).status.code(), Some(0));
    run.until("it is down", || run.is_in_state("disconnected"));
    for process in neighbours.iter().chain([&run.program]) {
        let id = process.id().to_string();
        let pinned = Command::new("taskset").args(["-a", "-p", "-c", "0", &id]).output().unwrap();
        assert!(pinned.status.success(), "{}", text(&pinned.stderr));
    }
    // Each of which waits for a second; the machine has other work as well.
    let answers = (0..8).filter(|_| run.ctl(&["status"]).status.success()).count();
    assert!(answers >= 4, "{answers} answers to 8 questions");
}

#[test]
fn an_operator_takes_an_offload_from_the_device_and_gives_it_back_to_prove_itself() {
    let run = Run::start(&["--profile", "sim"]);
    let offload = |name: &str| {
        let status = run.ctl_json(&["status"]);
        let offloads = status["offloads"].as_array().unwrap();
        offloads.iter().find(|of| of["capability"] == name).cloned().unwrap_or_default()
    };
    run.until("it is proven", || offload("rx_tcp_checksum")["observed"] == "proven");
    assert_eq!(run.ctl_json(&["demote", "rx_tcp_checksum"])["done"], true);
    assert_eq!(offload("rx_tcp_checksum")["observed"], "demoted");
    // Of one moment: frames go on coming between two looks.
    let counted = || {
        let metrics = run.metrics();
        ["fixwire_rx_checksum_trusted_total", "fixwire_rx_checksum_verified_total"]
            .map(|of| metrics[of])
    };
    let [was_trusted, was_verified] = counted();
    run.until("the host verifies", || counted()[1] > was_verified + 200.0);
    let [trusted, verified] = counted();
    // IPv4's goes on to be believed, a frame as often as TCP's is not.
    assert!(trusted - was_trusted <= verified - was_verified + 64.0);
    assert_eq!(run.ctl_json(&["demote", "rx_tcp_checksum"])["refused"], "demoted_already");
    assert_eq!(run.ctl_json(&["demote", "tx_tcp_checksum"])["refused"], "not_while_running");
    assert_eq!(run.ctl_json(&["promote", "rx_tcp_checksum"])["done"], true);
    run.until("it is proven again", || offload("rx_tcp_checksum")["observed"] == "proven");
    assert_eq!(run.ctl_json(&["promote"])["promoted"], Value::Array(vec![]));
    let report = run.program.interrupt().summary();
    assert_eq!(report["counters"]["nic_demoted"], 1);
}

#[test]
fn status_is_a_table_for_people() {
    let run = Run::start(&["--profile", "sim"]);
    let output = run.ctl(&["status"]);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for words in ["sim by profile sim, link up", SESSION, "active", "rx_tcp_checksum", "next out"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    drop(run);
}

#[test]
fn what_cannot_be_opened_is_said_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    for (arguments, words) in [
        (&["--metrics", &port][..], "choose another port"),
        (&["--metrics", "here"], "127.0.0.1:9100"),
        (&["--metrics", "192.0.2.1:9100"], "name an address of this host"),
        (&["--control", file], "name a path of its own"),
        (&["--control", "/nowhere/s"], "create its folder first"),
        (&["--log", file], "no log can be kept in"),
    ] {
        let output =
            Command::new(BIN).args(["run", "--nic", "sim"]).args(arguments).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    let output = Command::new(BIN).args(["ctl", file, "status"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("nobody answers at"), "{}", text(&output.stderr));
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_log_has_every_message_both_ways_in_both_forms_and_what_became_of_the_session() {
    const ORDERS: usize = 500;
    let folder = tempfile::tempdir().unwrap();
    let run = Command::new(BIN)
        .args([
            "run",
            "--nic",
            "sim",
            "--json",
            "--orders",
            &ORDERS.to_string(),
            "--log-form",
            "both",
            "--log",
        ])
        .arg(folder.path().join("log"))
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", text(&run.stderr));
    let report: Value = serde_json::from_slice(&run.stdout).unwrap();
    let total = 2 * ORDERS + 4;
    assert_eq!(report["log"]["log_messages"], total, "{}", report["log"]);
    let lost = ["log_bytes_ring_full", "log_events_lost", "log_write_failed", "log_garbled"];
    assert!(lost.iter().all(|name| report["log"][*name] == 0), "{}", report["log"]);

    let named = |what: &str| folder.path().join(format!("log/FIX.4.4-FIXWIRE-EXCHANGE.{what}"));
    let mut decoded = Vec::new();
    for file in ["messages.current.log", "messages.current.jsonl"] {
        assert_eq!(lines(&named(file)).len(), total, "{file}");
        let output =
            Command::new(BIN).args(["decode", "--json"]).arg(named(file)).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let all: Vec<Value> =
            text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for way in ["in", "out"] {
            let numbers = all.iter().filter(|of| of["direction"] == way);
            let numbers = numbers.map(|of| of["msg_seq_num"].as_u64().unwrap());
            assert!(numbers.eq(1..=ORDERS as u64 + 2), "{file} {way}");
        }
        assert!(all.iter().all(|of| of["damage"].as_array().unwrap().is_empty()));
        decoded.push(all.iter().map(|of| of["fields"].clone()).collect::<Vec<_>>());
    }
    assert_eq!(decoded[0], decoded[1]);
    // QuickFIX's form: a time to the nanosecond, and the message as it was.
    let first = &lines(&named("messages.current.log"))[0];
    assert_eq!(
        first.split_once(" : 8=FIX.4.4\x019=").map(|(time, _)| time.len()),
        Some(27),
        "{first}"
    );

    let events = lines(&named("event.current.log"));
    for words in ["connected to 10.9.0.1:9878", "logged on to", "logged out"] {
        assert!(events.iter().any(|line| line.contains(words)), "{words}: {events:?}");
    }
    let events = lines(&named("event.current.jsonl"));
    let events: Vec<Value> =
        events.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().any(|of| of["event"] == "logged_on"), "{events:?}");
    assert!(events.iter().all(|of| of["time"].as_str().is_some_and(|time| time.ends_with('Z'))));
}

#[test]
fn a_log_begins_a_new_file_before_one_is_too_long_and_goes_on_with_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.toml");
    fs::write(&file, "file_log_path = \"logs\"\n").unwrap();
    let run = |orders: &str| {
        let run = Command::new(BIN)
            .args([
                "run",
                "--nic",
                "sim",
                "--json",
                "--log-max-mib",
                "1",
                "--orders",
                orders,
                "--session",
            ])
            .arg(&file)
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", text(&run.stderr));
        serde_json::from_slice::<Value>(&run.stdout).unwrap()["log"]["log_messages"]
            .as_u64()
            .unwrap()
    };
    let messages = run("5000") + run("10");
    let named = |what: &str| {
        folder.path().join(format!("logs/FIX.4.4-FIXWIRE-EXCHANGE.messages.{what}.log"))
    };
    let mut logged = lines(&named("current")).len();
    let mut backups = 0;
    while named(&format!("backup.{}", backups + 1)).exists() {
        backups += 1;
        let path = named(&format!("backup.{backups}"));
        assert!(fs::metadata(&path).unwrap().len() <= 1 << 20);
        logged += lines(&path).len();
    }
    assert!(backups >= 1, "no file was too long");
    assert_eq!(logged as u64, messages);
}
