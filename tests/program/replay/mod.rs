//! `fixwire replay`: captures of our own runs go through the engine again and come out the same, and those that were changed do
//! not.

mod blocks;
mod refused;
mod served;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const BIN: &str = env!("CARGO_BIN_EXE_fixwire");
const ORDERS: usize = 300;

/// A run on the model, captured: whose far side, our own exchange, is in the capture as well.
fn captured(folder: &Path) -> PathBuf {
    let file = folder.join("run.pcapng");
    let run = Command::new(BIN)
        .args(["run", "--nic", "sim", "--json", "--orders", &ORDERS.to_string(), "--capture"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", errors(&run));
    file
}

fn replay(file: &Path, more: &[&str]) -> Output {
    Command::new(BIN).arg("replay").arg(file).args(more).output().unwrap()
}

/// The report of a replay that was one.
fn report(file: &Path, more: &[&str]) -> Value {
    let output = replay(file, &[more, &["--json"]].concat());
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", errors(&output)))
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Everything is as it was, and there was something.
fn assert_identical(report: &Value, messages: usize) {
    assert_eq!(report["difference"], Value::Null, "{report:#}");
    assert_eq!((&report["identical"], &report["messages"]), (&true.into(), &messages.into()));
    for key in ["messages", "bytes"] {
        assert_eq!(report[key], report[format!("{key}_alike")], "{report:#}");
        assert!(report[key].as_u64() > Some(0), "{report:#}");
    }
}

#[test]
fn a_run_replays_to_the_same_bytes_from_either_end_at_either_pace() {
    let folder = tempfile::tempdir().unwrap();
    let file = captured(folder.path());
    // Logon, orders or reports, Logout.
    assert_identical(&report(&file, &[]), ORDERS + 2);
    assert_identical(&report(&file, &["--timing", "original"]), ORDERS + 2);
    let exchange = report(&file, &["--app", "exchange"]);
    assert_identical(&exchange, ORDERS + 2);
    assert_eq!(exchange["connections"][0]["we_connect"], false);
    assert_eq!(exchange, report(&file, &["--app", "exchange", "--as", "10.9.0.1:9878"]));

    let output = replay(&file, &[]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let same = format!("the same: {} messages, ", ORDERS + 2);
    for words in [&same, "FIX.4.4:FIXWIRE->EXCHANGE", "taken from the capture: ", "not compared: "]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
}

/// Changes one byte of the only or first place where `what` is, `at` bytes into it.
fn change(file: &Path, to: &Path, what: &[u8], (at, byte): (usize, u8)) {
    let mut bytes = std::fs::read(file).unwrap();
    let found = bytes.windows(what.len()).position(|of| of == what).expect("it is in the capture");
    assert_ne!(bytes[found + at], byte);
    bytes[found + at] = byte;
    std::fs::write(to, bytes).unwrap();
}

#[test]
fn one_byte_that_was_changed_is_found_and_told_of_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = captured(folder.path());
    let changed = folder.path().join("changed.pcapng");
    // What we sent: the price of the eighteenth order.
    change(&file, &changed, b"\x0111=O17\x01", (6, b'6'));
    let output = replay(&changed, &[]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        errors(&output).contains("what is sent is not what was recorded"),
        "{}",
        errors(&output)
    );
    for words in [
        "the same up to there: 18 of 302 messages, ",
        "another byte is sent; in the message with MsgSeqNum 19, MsgType D, field 11",
        "|11=O16|",
        "|11=O17|",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let lines: Vec<_> = said.lines().collect();
    let expected =
        lines.iter().position(|line| line.starts_with("  expected  8=FIX.4.4|")).unwrap();
    let caret = lines[expected + 2].find('^').unwrap();
    assert_eq!((&lines[expected][caret..=caret], &lines[expected + 1][caret..=caret]), ("6", "7"));
    let report = report(&changed, &[]);
    let difference = &report["difference"];
    assert_eq!((&difference["why"], &difference["field"]), (&"bytes_differ".into(), &"11".into()));
    assert_eq!(difference["byte"], report["bytes_alike"]);

    // What the counterparty sent: its checksum is wrong then, so that the order that it led to is not sent.
    change(&file, &changed, b"\x0111=O17\x0114=", (6, b'6'));
    let report = self::report(&changed, &[]);
    let difference = &report["difference"];
    assert_eq!(difference["why"], "not_sent", "{report:#}");
    assert_eq!(difference["got"], "");
    assert!(difference["expected"].as_str().unwrap().contains("\u{1}11=O18\u{1}"), "{report:#}");
}

#[test]
fn what_runs_otherwise_than_then_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let file = captured(folder.path());
    let session = folder.path().join("s.toml");
    std::fs::write(&session, "heart_bt_int = 31\n").unwrap();
    let told = report(&file, &["--session", session.to_str().unwrap()]);
    assert_eq!(told["difference"]["field"], "108", "{told:#}");
    // The echo sends no report.
    let told = report(&file, &["--app", "echo"]);
    assert_eq!(
        (&told["difference"]["msg_type"], &told["difference"]["msg_seq_num"]),
        (&"8".into(), &"2".into())
    );
}
