//! Frames that are no segments as they passed: joined on their way up (GRO, LRO), or not parted yet (TSO).

use std::path::{Path, PathBuf};
use std::process::Command;

use super::dialogue::S;
use super::files::{Order, pcap_header, pcap_record};
use super::refused::notes;
use super::{report, write};
use crate::common::{has, skip};

/// From a trigger to its order.
const LATENCY_NS: u32 = 3_001;
const TRIGGERS: u32 = 40;
const ADDRESSES_LEN: usize = 12;

fn message(body: &str) -> Vec<u8> {
    let body = body.replace('|', "\x01");
    let text = format!("8=FIX.4.4\x019={}\x01{body}", body.len());
    let sum = text.bytes().fold(0_u8, u8::wrapping_add);
    format!("{text}10={sum:03}\x01").into_bytes()
}

/// A frame of a side's, 0 being the trader.
fn frame(side: usize, seq: u32, ack: u32, payload: &[u8]) -> Vec<u8> {
    let ports = [40_000_u16, 9_878];
    let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
    bytes.extend((40 + payload.len() as u16).to_be_bytes());
    bytes.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
    bytes.extend([10, 9, 0, 2 - side as u8, 10, 9, 0, 1 + side as u8]);
    bytes.extend([ports[side].to_be_bytes(), ports[1 - side].to_be_bytes()].concat());
    bytes.extend([seq.to_be_bytes(), ack.to_be_bytes()].concat());
    bytes.extend([0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    bytes.extend(payload);
    bytes
}

/// A session whose triggers have frames of so many bytes, changed by `change`, each answered by an order.
fn session(
    folder: &Path,
    name: &str,
    trigger_len: usize,
    change: impl Fn(Vec<u8>) -> Vec<u8>,
) -> PathBuf {
    let mut file = pcap_header(Order::Little, true, 1);
    let (mut next, mut ns) = ([1_000_u32, 5_000_u32], 7);
    for n in 1..=TRIGGERS {
        let [us, them] = next;
        let with_text = |len: usize| {
            message(&format!("35=8|34={n}|49=THEM|56=US|11=P{n}|58={}|", "x".repeat(len)))
        };
        let without = frame(1, 0, 0, &with_text(1_000)).len() - 1_000;
        let trigger = with_text(trigger_len - without);
        let order = message(&format!("35=D|34={n}|49=US|56=THEM|11=O{n}|55=A|"));
        next = [us + order.len() as u32, them + trigger.len() as u32];
        let of_trigger = change(frame(1, them, us, &trigger));
        file.extend(pcap_record(Order::Little, S, ns, &of_trigger));
        let of_order = frame(0, us, next[1], &order);
        file.extend(pcap_record(Order::Little, S, ns + LATENCY_NS, &of_order));
        ns += 100_003;
    }
    write(folder, name, &file)
}

#[test]
fn frames_longer_than_ethernet_s_have_no_time_unless_the_network_has_such() {
    let folder = tempfile::tempdir().unwrap();
    let path = session(folder.path(), "joined.pcap", 4_400, |frame| frame);
    let path = path.to_str().unwrap();
    let joined = report(&[path]);
    assert_eq!(joined["intervals"].as_array().unwrap().len(), 0, "{joined:#}");
    assert_eq!(joined["excluded"]["trigger_to_order"]["segments_joined"], TRIGGERS);
    assert_eq!(joined["files"][0]["frames_joined"], TRIGGERS);
    assert_eq!(joined["messages"], 2 * TRIGGERS, "their bytes count");
    let said = notes(&joined);
    for words in ["frames are longer than one that passes an Ethernet", "gro off", "--jumbo"] {
        assert!(said.contains(words), "{said}");
    }
    let jumbo = report(&[path, "--jumbo"]);
    assert_eq!(jumbo["intervals"][0]["samples"], TRIGGERS, "{jumbo:#}");
    assert_eq!(jumbo["intervals"][0]["max_ns"], f64::from(LATENCY_NS));
    assert!(!notes(&jumbo).contains("longer than"), "{jumbo:#}");
}

#[test]
fn the_longest_frame_with_two_tags_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let tagged = |bytes: Vec<u8>| {
        let (addresses, rest) = bytes.split_at(ADDRESSES_LEN);
        [addresses, &[0x88, 0xa8, 0, 1, 0x81, 0, 0, 2], rest].concat()
    };
    for (len, joined) in [(1_514, 0), (1_515, TRIGGERS)] {
        let path = session(folder.path(), "tagged.pcap", len, tagged);
        let report = report(&[path.to_str().unwrap()]);
        assert_eq!(report["files"][0]["frames_joined"], joined, "{len}: {report:#}");
    }
}

/// As a host hands over what its device parts, where its length is left to that.
fn without_length(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes[16..18].fill(0);
    bytes
}

#[test]
fn packets_without_a_length_end_with_their_frame() {
    let folder = tempfile::tempdir().unwrap();
    for len in [600, 4_400] {
        let path = session(folder.path(), "tso.pcap", len, without_length);
        let report = report(&[path.to_str().unwrap(), "--jumbo"]);
        assert_eq!(report["messages"], 2 * TRIGGERS, "{report:#}");
        assert_eq!(report["frames_without_tcp"]["malformed"], 0);
        assert_eq!(report["intervals"][0]["samples"], TRIGGERS);
    }
}

#[test]
fn tshark_reads_packets_without_a_length_so() {
    const NAME: &str = "measure::tshark_reads_packets_without_a_length_so";
    if !has("tshark") {
        return skip(NAME, "tshark is not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = session(folder.path(), "tso.pcap", 4_400, without_length);
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(&path).args(["-Y", "fix", "-T", "fields", "-e", "fix.MsgType"]);
    let output = tshark.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 2 * TRIGGERS as usize, "{text}");
}
