//! Capture files, as Wireshark reads them and as their blocks stand there, held against the report of
//! whoever captured.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::has;

/// The ports that are dissected as FIX.
pub const PORTS: [u16; 2] = [9878, 9879];

pub fn no_wireshark() -> Option<String> {
    let missing = ["tshark", "capinfos"].into_iter().find(|tool| !has(tool))?;
    Some(format!("{missing} is not installed"))
}

pub fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A profile of `nic` that leaves nothing to the device.
pub fn all_off(folder: &Path, nic: &str) -> String {
    let path = folder.join("off.toml");
    let off = ["rx_ipv4_checksum", "rx_tcp_checksum", "tx_ipv4_checksum", "tx_tcp_checksum"];
    let lines: String = off.iter().map(|name| format!("{name} = \"off\"\n")).collect();
    fs::write(&path, format!("extends = \"{nic}\"\n[offloads]\n{lines}")).unwrap();
    path.to_str().unwrap().to_owned()
}

pub fn count(run: &Value, name: &str) -> u64 {
    let found = run["capture"].get(name).or_else(|| run["counters"].get(name));
    found.and_then(Value::as_u64).unwrap_or_else(|| panic!("no counter {name}"))
}

pub fn lost(run: &Value) -> u64 {
    let ways = ["rx_ring_full", "tx_ring_full", "rx_write_failed", "tx_write_failed"];
    ways.iter().map(|name| count(run, name)).sum()
}

/// Every frame is in the file or counted as missing.
pub fn assert_accounted(run: &Value) {
    for way in ["rx", "tx"] {
        let sum: u64 = ["written", "ring_full", "write_failed"]
            .iter()
            .map(|what| count(run, &format!("{way}_{what}")))
            .sum();
        assert_eq!(sum, count(run, &format!("{way}_frames")), "{}", run["capture"]);
    }
}

/// Everything asked of any capture of at least so many messages that went well, whoever ran.
pub fn assert_capture_is_right(run: &Value, file: &Path, messages: u64) -> Vec<Dissected> {
    assert_accounted(run);
    assert_eq!((lost(run), &run["capture"]["trouble"]), (0, &Value::Null));
    let frames = dissect(file);
    for (interface, name) in [(0, "rx_frames"), (1, "tx_frames")] {
        assert_eq!(of_interface(&frames, interface).len() as u64, count(run, name), "{name}");
    }
    assert_nothing_wrong(&frames);
    assert_stamps_are_ns_and_never_go_back(&frames);
    // Each frame with a sum is found right: the copies were completed.
    let tcp = frames.iter().filter(|frame| !frame["tcp.checksum.status"].is_empty());
    let tcp: Vec<&Dissected> = tcp.collect();
    assert!(tcp.len() as u64 > messages);
    for frame in tcp {
        let status = (&*frame["ip.checksum.status"], &*frame["tcp.checksum.status"]);
        let tcp = if is_zero_by_linux(frame) { "0" } else { "1" };
        assert_eq!(status, ("1", tcp), "{frame:?}");
    }
    // What we sent twice was sent twice; nothing else looks so.
    let again = of_interface(&frames, 1)
        .iter()
        .filter(|frame| !frame["tcp.analysis.retransmission"].is_empty())
        .count() as u64;
    let counted = count(run, "tcp_retransmission") + count(run, "tcp_syn_retransmission");
    assert!(again <= counted, "{again} retransmissions, {counted} counted");
    frames
}

pub fn comments<'a>(frames: &[&'a Dissected]) -> Vec<&'a str> {
    let comments = frames.iter().map(|frame| frame["frame.comment"].as_str());
    comments.filter(|comment| !comment.is_empty()).collect()
}

/// What tshark says of a frame, by field; several values of one field stand with commas between.
pub type Dissected = BTreeMap<&'static str, String>;

const FIELDS: [&str; 12] = [
    "frame.interface_id",
    "frame.packet_flags_direction",
    "frame.time_epoch",
    "frame.comment",
    "ip.checksum.status",
    "tcp.checksum.status",
    "tcp.stream",
    "tcp.analysis.retransmission",
    "_ws.expert.severity",
    "_ws.expert.message",
    "fix.MsgType",
    "fix.MsgSeqNum",
];

pub fn dissect(file: &Path) -> Vec<Dissected> {
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(file).args(["-T", "fields", "-E", "separator=|", "-E", "occurrence=a"]);
    for option in ["tcp.check_checksum:TRUE", "ip.check_checksum:TRUE"] {
        tshark.args(["-o", option]);
    }
    for port in PORTS {
        tshark.args(["-d", &format!("tcp.port=={port},fix")]);
    }
    tshark.args(FIELDS.iter().flat_map(|field| ["-e", field]));
    let output = tshark.output().unwrap();
    assert!(output.status.success(), "tshark does not read it: {}", errors(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let values = |line: &str| {
        let values = FIELDS.into_iter().zip(line.split('|').map(str::to_owned));
        values.collect::<Dissected>()
    };
    text.lines().map(values).collect()
}

/// Frames of one interface: 0 has what was received, 1 what was sent.
pub fn of_interface(frames: &[Dissected], interface: u8) -> Vec<&Dissected> {
    let id = interface.to_string();
    frames.iter().filter(|frame| frame["frame.interface_id"] == id).collect()
}

/// No error and no warning. Severities are numbers, the worse the higher (epan/proto.h, PI_*).
fn assert_nothing_wrong(frames: &[Dissected]) {
    const PI_WARN: u32 = 0x0060_0000;
    for (index, frame) in frames.iter().enumerate() {
        let severities = frame["_ws.expert.severity"].split(',').filter(|text| !text.is_empty());
        for severity in severities.map(|text| text.parse::<u32>().expect("a number")) {
            let excused = is_zero_by_linux(frame);
            assert!(severity < PI_WARN || excused, "frame {}: {frame:?}", index + 1);
        }
    }
}

/// Linux finishes a checksum of zero as 0xffff in every protocol (net/core/dev.c, skb_checksum_help): one
/// frame in 65,536 that it sent and we left as it was.
fn is_zero_by_linux(frame: &Dissected) -> bool {
    frame["frame.interface_id"] == "0"
        && frame["frame.comment"].is_empty()
        && frame["_ws.expert.message"] == "TCP Checksum 0xffff instead of 0x0000 (see RFC 1624)"
}

/// One way of one connection: a Logon under the number `first`, so many messages of a kind, a Logout.
pub fn assert_conversation(frames: &[&Dissected], kind: &str, first: u64, messages: u64) {
    let list = |field: &str| -> Vec<String> {
        let values = frames.iter().flat_map(|frame| frame[field].split(','));
        values.filter(|text| !text.is_empty()).map(str::to_owned).collect()
    };
    let mut expected = vec!["A"];
    expected.extend(vec![kind; messages as usize]);
    expected.push("5");
    assert_eq!(list("fix.MsgType"), expected, "{:?}", frames.first());
    let numbers = (first..).take(expected.len()).map(|number| number.to_string());
    assert_eq!(list("fix.MsgSeqNum"), numbers.collect::<Vec<_>>(), "{:?}", frames.first());
}

/// Nine decimals that are used, and no step back within an interface.
fn assert_stamps_are_ns_and_never_go_back(frames: &[Dissected]) {
    for (interface, direction) in [(0, 1), (1, 2)] {
        let frames = of_interface(frames, interface);
        assert!(!frames.is_empty());
        for frame in &frames {
            let flag = frame["frame.packet_flags_direction"].trim_start_matches("0x");
            assert_eq!(u32::from_str_radix(flag, 16), Ok(direction), "{frame:?}");
        }
        let stamps: Vec<u64> = frames.iter().map(|frame| ns(&frame["frame.time_epoch"])).collect();
        assert!(stamps.is_sorted(), "interface {interface}");
        assert!(stamps.iter().any(|ns| ns % 1_000 != 0), "no finer than microseconds");
    }
}

fn ns(epoch: &str) -> u64 {
    let (seconds, fraction) = epoch.split_once('.').expect("a fraction");
    assert_eq!(fraction.len(), 9, "{epoch}");
    seconds.parse::<u64>().unwrap() * 1_000_000_000 + fraction.parse::<u64>().unwrap()
}

/// File and report say the same.
pub fn assert_file_agrees(run: &Value, file: &[u8]) {
    for (interface, way) in interfaces(file).iter().zip(["rx", "tx"]) {
        assert_eq!(interface.packets, count(run, &format!("{way}_written")));
        let frames = count(run, &format!("{way}_frames"));
        assert!(interface.packets + interface.gaps <= frames, "{interface:?} of {frames}");
        if let Some(statistics) = interface.statistics {
            assert_eq!(statistics, (frames, frames - interface.packets));
        }
    }
}

/// What a file says of one interface.
#[derive(Debug, Default, PartialEq)]
pub struct Interface {
    pub packets: u64,
    /// Frames missing before one of them.
    pub gaps: u64,
    /// Received and dropped, at its end.
    pub statistics: Option<(u64, u64)>,
}

/// Both interfaces of a file, read block by block; nothing but whole blocks may be in it.
pub fn interfaces(file: &[u8]) -> [Interface; 2] {
    const GAP: u16 = 4;
    let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    let option = |mut at: usize, wanted: u16| loop {
        let (code, len) = (number(at) as u16, number(at) >> 16);
        if code == wanted {
            return Some(number(at + 4) as u64 | (number(at + 8) as u64) << 32);
        }
        if code == 0 {
            return None;
        }
        at += 4 + len.next_multiple_of(4);
    };
    let mut found = <[Interface; 2]>::default();
    let mut at = 0;
    while at < file.len() {
        let (kind, len) = (number(at), number(at + 4));
        assert_eq!(number(at + len - 4), len, "half a block at {at} of {}", file.len());
        match kind {
            6 => {
                let interface = &mut found[number(at + 8)];
                let options = at + 28 + number(at + 20).next_multiple_of(4);
                interface.packets += 1;
                interface.gaps += option(options, GAP).unwrap_or(0);
            }
            5 => {
                let counted = |code| option(at + 20, code).unwrap();
                found[number(at + 8)].statistics = Some((counted(4), counted(5)));
            }
            _ => {}
        }
        at += len;
    }
    found
}
