//! `--capture`: files that Wireshark's own dissectors find nothing wrong with, and runs that go on
//! whatever becomes of the file.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use common::{has, no_namespace, skip};
use serde_json::Value;

const BIN: &str = env!("CARGO_BIN_EXE_fixwire");
/// Orders of a run whose capture is looked into.
const ORDERS: u64 = 500;

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}{}", String::from_utf8_lossy(&output.stdout), errors(output))
    })
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A run of `orders` on `nic`, captured to `file`.
fn captured(nic: &str, orders: u64, file: &Path, more: &[&str]) -> Output {
    Command::new(BIN)
        .args(["run", "--nic", nic, "--json", "--orders", &orders.to_string(), "--capture"])
        .arg(file)
        .args(more)
        .output()
        .unwrap()
}

fn count(run: &Value, name: &str) -> u64 {
    let found = run["capture"].get(name).or_else(|| run["counters"].get(name));
    found.and_then(Value::as_u64).unwrap_or_else(|| panic!("no counter {name}"))
}

/// The run traded all the same, and every frame is in the file or counted as missing.
fn assert_traded_and_accounted(run: &Value, orders: u64) {
    assert_eq!(run["session"]["reports_received"], orders);
    for way in ["rx", "tx"] {
        let sum: u64 = ["written", "ring_full", "write_failed"]
            .iter()
            .map(|what| count(run, &format!("{way}_{what}")))
            .sum();
        assert_eq!(sum, count(run, &format!("{way}_frames")), "{}", run["capture"]);
    }
}

fn lost(run: &Value) -> u64 {
    let ways = ["rx_ring_full", "tx_ring_full", "rx_write_failed", "tx_write_failed"];
    ways.iter().map(|name| count(run, name)).sum()
}

/// A profile of `nic` that leaves nothing to the device.
fn all_off(folder: &Path, nic: &str) -> String {
    let path = folder.join("off.toml");
    let off = ["rx_ipv4_checksum", "rx_tcp_checksum", "tx_ipv4_checksum", "tx_tcp_checksum"];
    let lines: String = off.iter().map(|name| format!("{name} = \"off\"\n")).collect();
    fs::write(&path, format!("extends = \"{nic}\"\n[offloads]\n{lines}")).unwrap();
    path.to_str().unwrap().to_owned()
}

/// What tshark says of a frame, by field; several values of one field stand with commas between.
type Dissected = BTreeMap<&'static str, String>;

const FIELDS: [&str; 11] = [
    "frame.interface_id",
    "frame.packet_flags_direction",
    "frame.time_epoch",
    "frame.comment",
    "ip.checksum.status",
    "tcp.checksum.status",
    "tcp.analysis.retransmission",
    "_ws.expert.severity",
    "_ws.expert.message",
    "fix.MsgType",
    "fix.MsgSeqNum",
];

fn dissect(file: &Path) -> Vec<Dissected> {
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(file).args(["-T", "fields", "-E", "separator=|", "-E", "occurrence=a"]);
    for option in ["tcp.check_checksum:TRUE", "ip.check_checksum:TRUE"] {
        tshark.args(["-o", option]);
    }
    tshark.args(["-d", "tcp.port==9878,fix"]);
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
fn of_interface(frames: &[Dissected], interface: u8) -> Vec<&Dissected> {
    let id = interface.to_string();
    frames.iter().filter(|frame| frame["frame.interface_id"] == id).collect()
}

/// No error and no warning. Severities are numbers, the worse the higher (epan/proto.h, PI_*).
fn assert_nothing_wrong(frames: &[Dissected]) {
    const PI_WARN: u32 = 0x0060_0000;
    for (index, frame) in frames.iter().enumerate() {
        let severities = frame["_ws.expert.severity"].split(',').filter(|text| !text.is_empty());
        for severity in severities.map(|text| text.parse::<u32>().expect("a number")) {
            assert!(severity < PI_WARN, "frame {}: {frame:?}", index + 1);
        }
    }
}

/// Each way the messages of the run, every MsgSeqNum once and in order.
fn assert_messages_are_whole(frames: &[Dissected], orders: u64) {
    let list = |frames: &[&Dissected], field: &str| -> Vec<String> {
        let values = frames.iter().flat_map(|frame| frame[field].split(','));
        values.filter(|text| !text.is_empty()).map(str::to_owned).collect()
    };
    for (interface, kind) in [(0, "8"), (1, "D")] {
        let frames = of_interface(frames, interface);
        let mut expected = vec!["A"];
        expected.extend(vec![kind; orders as usize]);
        expected.push("5");
        assert_eq!(list(&frames, "fix.MsgType"), expected, "interface {interface}");
        let numbers: Vec<String> = (1..=orders + 2).map(|number| number.to_string()).collect();
        assert_eq!(list(&frames, "fix.MsgSeqNum"), numbers, "interface {interface}");
    }
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

/// Everything asked of a capture of a whole run.
fn assert_captured_run_is_right(run: &Value, file: &Path) -> Vec<Dissected> {
    assert_traded_and_accounted(run, ORDERS);
    assert_eq!((lost(run), &run["capture"]["trouble"]), (0, &Value::Null));
    let frames = dissect(file);
    for (interface, name) in [(0, "rx_frames"), (1, "tx_frames")] {
        assert_eq!(of_interface(&frames, interface).len() as u64, count(run, name), "{name}");
    }
    assert_nothing_wrong(&frames);
    assert_messages_are_whole(&frames, ORDERS);
    assert_stamps_are_ns_and_never_go_back(&frames);
    // Each frame with a sum is found right: the copies were completed.
    let tcp = frames.iter().filter(|frame| !frame["tcp.checksum.status"].is_empty());
    let tcp: Vec<&Dissected> = tcp.collect();
    assert!(tcp.len() as u64 > 2 * ORDERS);
    for frame in tcp {
        let status = (&*frame["ip.checksum.status"], &*frame["tcp.checksum.status"]);
        assert_eq!(status, ("1", "1"), "{frame:?}");
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

fn comments<'a>(frames: &[&'a Dissected]) -> Vec<&'a str> {
    let comments = frames.iter().map(|frame| frame["frame.comment"].as_str());
    comments.filter(|comment| !comment.is_empty()).collect()
}

fn assert_right_with_and_without_offloads(nic: &str, sent: &str, received: Option<(&str, &str)>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.pcapng");
    let run = json(&captured(nic, ORDERS, &file, &[]));
    let frames = assert_captured_run_is_right(&run, &file);
    let marked = comments(&of_interface(&frames, 1));
    assert_eq!(marked.len() as u64, count(&run, "tcp_segment_out"));
    assert!(marked.iter().all(|comment| *comment == sent), "{:?}", marked.first());
    let marked = comments(&of_interface(&frames, 0));
    let (expected, counter) = received.unwrap_or(("", "rx_checksum_partial"));
    assert_eq!(marked.len() as u64, count(&run, counter));
    assert!(marked.iter().all(|comment| *comment == expected), "{:?}", marked.first());
    assert_capinfos_names_sources(&file, nic, count(&run, "rx_frames"));

    let profile = all_off(folder.path(), nic);
    let run = json(&captured(nic, ORDERS, &file, &["--profile", &profile]));
    let frames = assert_captured_run_is_right(&run, &file);
    assert!(comments(&frames.iter().collect::<Vec<_>>()).is_empty(), "nothing was left to anybody");
}

fn assert_capinfos_names_sources(file: &Path, nic: &str, received: u64) {
    let output = Command::new("capinfos").arg(file).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", errors(&output));
    for words in [
        "nanoseconds (9)",
        concat!("Capture application: fixwire ", env!("CARGO_PKG_VERSION")),
        "Capture oper-sys:    Linux",
        "Number of interfaces in file: 2",
        &format!("Name = {nic}"),
        "Description = received; stamps: ",
        "Description = sent; stamps: host monotonic clock, read before tx_burst",
        "Number of stat entries = 1",
        &format!("Number of packets = {received}"),
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
}

fn no_wireshark() -> Option<String> {
    let missing = ["tshark", "capinfos"].into_iter().find(|tool| !has(tool))?;
    Some(format!("{missing} is not installed"))
}

#[test]
fn wireshark_finds_nothing_wrong_with_a_run_on_the_model() {
    if let Some(why) = no_wireshark() {
        return skip("wireshark_finds_nothing_wrong_with_a_run_on_the_model", &why);
    }
    let sent = "IPv4 and TCP checksums left to the device, completed in this copy";
    assert_right_with_and_without_offloads("sim", sent, None);
}

#[test]
fn wireshark_finds_nothing_wrong_with_a_run_on_a_tap() {
    if let Some(why) = no_wireshark().or_else(no_namespace) {
        return skip("wireshark_finds_nothing_wrong_with_a_run_on_a_tap", &why);
    }
    let sent = "TCP checksum left to the device, completed in this copy";
    let received = "TCP checksum handed over unfinished, completed in this copy";
    let received = Some((received, "rx_checksum_partial"));
    assert_right_with_and_without_offloads("tap", sent, received);
}

/// What a file says of one interface.
#[derive(Debug, Default, PartialEq)]
struct Interface {
    packets: u64,
    /// Frames missing before one of them.
    gaps: u64,
    /// Received and dropped, at its end.
    statistics: Option<(u64, u64)>,
}

/// Both interfaces of a file, read block by block; nothing but whole blocks may be in it.
fn interfaces(file: &[u8]) -> [Interface; 2] {
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

/// File and report say the same.
fn assert_file_agrees(run: &Value, file: &[u8]) {
    for (interface, way) in interfaces(file).iter().zip(["rx", "tx"]) {
        assert_eq!(interface.packets, count(run, &format!("{way}_written")));
        let frames = count(run, &format!("{way}_frames"));
        assert!(interface.packets + interface.gaps <= frames, "{interface:?} of {frames}");
        if let Some(statistics) = interface.statistics {
            assert_eq!(statistics, (frames, frames - interface.packets));
        }
    }
}

#[test]
fn a_run_that_is_not_captured_says_so_to_machines() {
    let output =
        Command::new(BIN).args(["run", "--nic", "sim", "--orders", "5", "--json"]).output();
    assert_eq!(json(&output.unwrap())["capture"], Value::Null);
}

#[test]
fn a_capture_accounts_for_every_frame_and_people_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.pcapng");
    fs::write(&file, "what was there before").unwrap();
    let run = json(&captured("sim", ORDERS, &file, &[]));
    assert_traded_and_accounted(&run, ORDERS);
    assert_eq!(lost(&run), 0);
    assert_eq!(run["capture"]["file"], file.to_str().unwrap());
    let bytes = fs::read(&file).unwrap();
    assert_file_agrees(&run, &bytes);
    assert!(interfaces(&bytes).iter().all(|interface| interface.statistics.is_some()));

    let output = Command::new(BIN)
        .args(["run", "--nic", "sim", "--orders", "5", "--capture", file.to_str().unwrap()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let [rx, tx] = interfaces(&fs::read(&file).unwrap()).map(|interface| interface.packets);
    let words =
        format!("capture: {rx} received and {tx} sent frames in {}", file.to_str().unwrap());
    assert!(text.contains(&words), "{text}");
    assert!(!text.contains("missing"), "{text}");
}

#[test]
fn a_file_that_cannot_be_opened_or_written_costs_the_frames_and_not_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("no/such/folder.pcapng");
    for (file, place, remedy) in [
        (nowhere.as_path(), "folder.pcapng cannot be opened", "create its folder"),
        (folder.path(), "cannot be opened: Is a directory", "name a file in that folder"),
        (Path::new("/dev/full"), "/dev/full cannot be written", "make room"),
    ] {
        let output = captured("sim", 200, file, &[]);
        let (run, words) = (json(&output), errors(&output));
        assert!(output.status.success(), "{words}");
        assert_traded_and_accounted(&run, 200);
        assert_eq!(count(&run, "rx_write_failed"), count(&run, "rx_frames"));
        assert_eq!(count(&run, "tx_write_failed"), count(&run, "tx_frames"));
        let summary = run["capture"]["trouble"].as_str().unwrap();
        for sentence in [words.as_str(), summary] {
            assert!(sentence.contains(place) && sentence.contains(remedy), "{sentence}");
        }
        assert_eq!(words.matches("capture file").count(), 1, "said once: {words}");
    }
    let output = Command::new(BIN)
        .args(["run", "--nic", "sim", "--orders", "5", "--capture", "/dev/full"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("frames are missing from it: 0 found the ring full"), "{text}");
    assert!(text.contains("/dev/full cannot be written"), "{text}");
}

#[test]
fn a_limit_on_file_sizes_leaves_a_whole_file_up_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.pcapng");
    let output = Command::new("bash")
        .args([
            "-c",
            r#"ulimit -f 100; exec "$0" run --nic sim --orders 2000 --json --capture "$1""#,
        ])
        .args([Path::new(BIN), &file])
        .output()
        .unwrap();
    let run = json(&output);
    assert!(output.status.success(), "{}", errors(&output));
    assert_traded_and_accounted(&run, 2_000);
    assert!(errors(&output).contains("ulimit -f"), "{}", errors(&output));
    let bytes = fs::read(&file).unwrap();
    // The limit is in units of 1024 bytes; the next frame would not have fitted.
    assert!((101_000..=102_400).contains(&bytes.len()), "{} bytes", bytes.len());
    assert_file_agrees(&run, &bytes);
    assert!(count(&run, "tx_written") > 100 && count(&run, "tx_write_failed") > 1_000);
    if !has("tshark") {
        return;
    }
    let frames = dissect(&file).len() as u64;
    assert_eq!(frames, count(&run, "rx_written") + count(&run, "tx_written"));
}

#[test]
fn a_disk_that_fills_and_is_cleared_costs_what_came_between() {
    const NAME: &str = "a_disk_that_fills_and_is_cleared_costs_what_came_between";
    let mounts = || {
        let mount = "mount -t tmpfs -o size=64k none /mnt";
        Command::new("unshare").args(["-Urnm", "bash", "-c", mount]).output()
    };
    match no_namespace() {
        Some(why) => return skip(NAME, &why),
        None => match mounts() {
            Ok(output) if output.status.success() => {}
            Ok(output) => return skip(NAME, &format!("no tmpfs: {}", errors(&output).trim())),
            Err(error) => return skip(NAME, &error.to_string()),
        },
    }
    // Filled to the brim by another file; once that is gone, there is room for more than a run writes
    // until it is interrupted.
    let script = r#"
        mount -t tmpfs -o size=200m none "$1"
        head -c 199m /dev/zero >"$1/other"
        "$0" run --nic sim --orders 1000000000 --json --capture "$1/run.pcapng" >"$2/json" 2>"$2/err" &
        run=$!
        for _ in $(seq 600); do grep -q 'No space left' "$2/err" && break; sleep 0.05; done
        cut=$(stat -c %s "$1/run.pcapng")
        rm "$1/other"
        for _ in $(seq 600); do [ "$(stat -c %s "$1/run.pcapng")" -gt $((cut + 1000000)) ] && break; sleep 0.02; done
        kill -INT $run; wait $run
        cp "$1/run.pcapng" "$2/run.pcapng"
    "#;
    let (mount, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let output = Command::new("unshare")
        .args(["-Urnm", "bash", "-c", script, BIN])
        .args([mount.path(), out.path()])
        .output()
        .unwrap();
    let words = fs::read_to_string(out.path().join("err")).unwrap();
    let text = fs::read_to_string(out.path().join("json")).unwrap();
    let run: Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}{words}{}", errors(&output)));
    assert!(words.contains("No space left on device") && words.contains("make room"), "{words}");
    assert_eq!(words.matches("capture file").count(), 1, "said once: {words}");
    let reports = run["session"]["reports_received"].as_u64().unwrap();
    assert_traded_and_accounted(&run, reports);
    assert!(lost(&run) > 0, "{}", run["capture"]);
    let file = fs::read(out.path().join("run.pcapng")).unwrap();
    assert_file_agrees(&run, &file);
    let found = interfaces(&file);
    assert!(found.iter().all(|interface| interface.packets > 1_000), "{found:?}");
    // Written on to its end, so every gap is in the file, where it was.
    for (interface, way) in found.iter().zip(["rx", "tx"]) {
        let frames = count(&run, &format!("{way}_frames"));
        assert!(interface.gaps > 0, "{way}: {interface:?}");
        if interface.statistics.is_some() {
            assert_eq!(interface.packets + interface.gaps, frames, "{way}");
        }
    }
}

/// A named pipe in `folder`.
fn pipe(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

#[test]
fn a_pipe_that_nobody_reads_fills_the_ring_and_stalls_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = pipe(folder.path());
    let output = captured("sim", 4_000, &pipe, &["--capture-ring-mib", "1"]);
    let run = json(&output);
    assert!(output.status.success(), "{}", errors(&output));
    assert_traded_and_accounted(&run, 4_000);
    assert_eq!(count(&run, "rx_written") + count(&run, "tx_written"), 0);
    let (ring_full, write_failed) = (count(&run, "rx_ring_full"), count(&run, "rx_write_failed"));
    assert!(ring_full > 1_000 && write_failed > 1_000, "{}", run["capture"]);
    assert!(run["capture"]["trouble"].as_str().unwrap().contains("nobody reads"));
}

#[test]
fn a_reader_that_stops_reading_stalls_nobody_either() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = pipe(folder.path());
    // The shell's own end of the pipe is open and never read.
    let script = r#"exec 3<>"$1"; exec "$0" run --nic sim --orders 4000 --json --capture "$1" --capture-ring-mib 1"#;
    let output = Command::new("bash").args(["-c", script, BIN]).arg(&pipe).output().unwrap();
    let run = json(&output);
    assert!(output.status.success(), "{}", errors(&output));
    assert_traded_and_accounted(&run, 4_000);
    assert!(count(&run, "rx_ring_full") > 0, "{}", run["capture"]);
    let trouble = run["capture"]["trouble"].as_str().unwrap();
    assert!(trouble.contains("keep its reader running"), "{trouble}");
}

#[test]
fn a_pipe_that_is_read_carries_the_same_as_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = pipe(folder.path());
    // The shell holds the pipe open, so that run and reader may come in any order.
    let script = r#"
        exec 3<>"$1"; cat "$1" >"$2" 3>&- & reader=$!
        "$0" run --nic sim --orders 500 --json --capture "$1"
        exec 3>&-; wait $reader"#;
    let read = folder.path().join("read.pcapng");
    let output = Command::new("bash").args(["-c", script, BIN]).args([&pipe, &read]).output();
    let run = json(&output.unwrap());
    let bytes = fs::read(&read).unwrap();
    assert_traded_and_accounted(&run, ORDERS);
    assert_eq!(lost(&run), 0);
    assert_file_agrees(&run, &bytes);
    assert!(interfaces(&bytes).iter().all(|interface| interface.statistics.is_some()));
}

#[test]
fn what_is_wrong_with_the_options_is_said_before_the_file_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kept.pcapng");
    fs::write(&file, "kept").unwrap();
    let path = file.to_str().unwrap();
    for (arguments, words) in [
        (vec!["--capture", path, "--capture-ring-mib", "0"], "1..=4096"),
        (vec!["--capture-ring-mib", "4"], "--capture"),
        (vec!["--capture", path, "--profile", "nope"], "nope"),
    ] {
        let output =
            Command::new(BIN).args(["run", "--nic", "sim"]).args(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(errors(&output).contains(words), "{}", errors(&output));
        assert_eq!(fs::read(&file).unwrap(), b"kept");
    }
}
