//! `fixwire decode` as a user meets it: logs, dumps, captures, and what is wrong with them.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const BIN: &str = env!("CARGO_BIN_EXE_fixwire");
const DICTIONARY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/quickfix/FIX44.xml");

fn decode(arguments: &[&str]) -> Output {
    Command::new(BIN).arg("decode").args(arguments).output().expect("fixwire runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn objects(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A message between `|`, its lengths right.
fn message(number: u32, sender: &str, body: &str) -> String {
    let target = if sender == "US" { "THEM" } else { "US" };
    let (msg_type, body) = body.split_once('|').unwrap();
    let body = format!(
        "35={msg_type}|34={number}|49={sender}|52=20261127-08:00:00.123|56={target}|{body}"
    );
    let head = format!("8=FIX.4.4|9={}|{body}", body.len());
    let sum =
        head.bytes().fold(0u8, |sum, byte| sum.wrapping_add(if byte == b'|' { 1 } else { byte }));
    format!("{head}10={sum:03}|")
}

fn log(folder: &Path) -> String {
    let path = folder.join("FIX.4.4-US-THEM.messages.current.log");
    let line = |ms: u32, message: String| {
        format!("20261127-08:00:00.{ms:03} : {}\n", message.replace('|', "\x01"))
    };
    let damaged = message(3, "THEM", "8|37=X2|17=E2|150=2|39=2|").replace("39=2", "39=4");
    let lines = [
        line(1, message(1, "US", "A|98=0|108=30|")),
        line(2, message(1, "THEM", "A|98=0|108=30|")),
        line(3, message(2, "US", "D|11=O1|55=ESZ6|54=1|38=3|40=2|44=4500.25|")),
        line(4, message(2, "THEM", "8|37=X1|17=E1|150=F|39=2|11=O1|")),
        line(5, damaged),
    ];
    fs::write(&path, lines.concat()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_log_is_a_line_a_message_with_names_and_ways_and_damage_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    let output = decode(&[&log]);
    let lines: Vec<_> = text(&output.stdout).lines().map(str::to_owned).collect();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert_eq!(
        lines[2],
        "20261127-08:00:00.003 out FIX.4.4 US>THEM #2 NewOrderSingle(D) | SendingTime(52)=20261127-08:00:00.123 \
         | ClOrdID(11)=O1 | Symbol(55)=ESZ6 | Side(54)=1 BUY | OrderQty(38)=3 | OrdType(40)=2 LIMIT \
         | Price(44)=4500.25"
    );
    assert!(lines[1].contains(" in  FIX.4.4 THEM>US #1 Logon(A)"), "{}", lines[1]);
    assert!(lines[4].contains("FIX.4.4-US-THEM.messages.current.log:5, byte "), "{}", lines[4]);
    assert!(lines[4].contains("CheckSum(10) says"), "{}", lines[4]);

    for (arguments, count) in [
        (&["--type", "D,8"][..], 3),
        (&["--type", "NewOrderSingle"], 1),
        (&["--sender", "US"], 2),
        (&["--target", "US", "--seq", "2-"], 2),
        (&["--seq", "1"], 2),
        (&["--contains", "11=O1"], 2),
        (&["--contains", "ClOrdID=O*", "--contains", "39=2"], 1),
        (&["--damaged"], 1),
        (&["--contains", "11=O"], 0),
    ] {
        let arguments: Vec<&str> = arguments.iter().copied().chain([&log[..], "--json"]).collect();
        assert_eq!(objects(&decode(&arguments)).len(), count, "{arguments:?}");
    }
    let fields =
        text(&decode(&[&log, "--fields", "--type", "8", "--dictionary", DICTIONARY]).stdout);
    assert!(fields.contains("\n     150 ExecType      F  TRADE\n"), "{fields}");
    let raw = text(&decode(&[&log, "--raw", "--seq", "2", "--sender", "US"]).stdout);
    let expected = message(2, "US", "D|11=O1|55=ESZ6|54=1|38=3|40=2|44=4500.25|");
    assert_eq!(raw, format!("20261127-08:00:00.003 out {expected}\n"));
}

#[test]
fn what_decode_writes_raw_it_reads_again_and_a_pipe_is_read_as_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    let raw = decode(&[&log, "--raw"]).stdout;
    let mut program = Command::new(BIN)
        .args(["decode", "--json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = program.stdin.take().unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    for (line, of_log) in
        raw.split_inclusive(|byte| *byte == b'\n').zip(objects(&decode(&[&log, "--json"])))
    {
        input.write_all(line).unwrap();
        // Before the next one is written.
        let read: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        for key in ["fields", "time", "direction", "line"] {
            assert_eq!(read[key], of_log[key], "{key}");
        }
        let reasons = |of: &Value| {
            of["damage"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["reason"].clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(reasons(&read), reasons(&of_log));
    }
    drop(input);
    assert!(program.wait().unwrap().success());
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.log");
    fs::write(&path, format!("{}\n", message(1, "US", "0|")).repeat(20_000)).unwrap();
    let mut program = Command::new(BIN)
        .arg("decode")
        .arg(&path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let first = BufReader::new(program.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    assert!(first.contains("Heartbeat(0)"), "{first}");
    let ended = program.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), text(&ended.stderr)), (Some(0), String::new()));
}

/// A pcapng file with one packet, `ticks` after 1970 by an interface of this if_tsresol.
fn pcapng(if_tsresol: u8, ticks: u64, message: &[u8]) -> Vec<u8> {
    let block = |kind: u32, mut body: Vec<u8>| {
        body.resize(body.len().next_multiple_of(4), 0);
        let len = (body.len() as u32 + 12).to_le_bytes();
        [&kind.to_le_bytes()[..], &len, &body, &len].concat()
    };
    let section = [&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat();
    let interface = vec![1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, if_tsresol, 0, 0, 0, 0, 0, 0, 0];
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
    frame.extend((40 + message.len() as u16).to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0, 10, 9, 0, 1, 10, 9, 0, 2]);
    frame.extend([
        0x26, 0x96, 0x9c, 0x40, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0,
    ]);
    frame.extend(message);
    let len = frame.len() as u32;
    let words = [0, (ticks >> 32) as u32, ticks as u32, len, len];
    let mut packet: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    packet.extend(frame);
    [block(0x0a0d_0d0a, section), block(1, interface), block(6, packet)].concat()
}

#[test]
fn times_of_a_capture_are_in_the_unit_that_its_interface_says() {
    let folder = tempfile::tempdir().unwrap();
    let message = message(1, "US", "0|").replace('|', "\x01");
    let s = 1_795_766_400_u64;
    for (if_tsresol, ticks, fraction) in [
        (6, s * 1_000_000 + 500_000, "500000000"),
        (9, s * 1_000_000_000 + 7, "000000007"),
        (0, s, "000000000"),
        // Powers of two: 2^-1 s, 2^-20 s, 2^-32 s.
        (0x81, s << 1 | 1, "500000000"),
        (0x94, s << 20 | 1 << 18, "250000000"),
        (0xa0, s << 32 | 1 << 31, "500000000"),
        // Finer than a whole second's count would fit 64 bits.
        (0xbf, 1 << 62, ""),
    ] {
        let path = folder.path().join(format!("{if_tsresol:#x}.pcapng"));
        fs::write(&path, pcapng(if_tsresol, ticks, message.as_bytes())).unwrap();
        let read = objects(&decode(&["--json", path.to_str().unwrap()]));
        let expected = match fraction {
            "" => "19700101-00:00:00.500000000".into(),
            fraction => format!("20261127-08:00:00.{fraction}"),
        };
        assert_eq!(read[0]["time"], expected, "{if_tsresol:#x}");
    }
}

#[test]
fn colours_are_a_terminal_s_alone_unless_they_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    for (arguments, has) in
        [(&[][..], false), (&["--color", "always"], true), (&["--color=never"], false)]
    {
        let arguments: Vec<&str> = arguments.iter().copied().chain([&log[..]]).collect();
        assert_eq!(text(&decode(&arguments).stdout).contains("\x1b["), has, "{arguments:?}");
    }
}

#[test]
fn what_cannot_be_decoded_is_said_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    let nothing = folder.path().join("notes.txt");
    fs::write(&nothing, "58=FIX is no message\n").unwrap();
    let nothing = nothing.to_str().unwrap();
    for (arguments, code, words) in [
        (&["/nowhere"][..], 2, "name a log or a capture"),
        (&[nothing], 1, "there is no FIX message in"),
        (&[&log, "--contains", "11"], 2, "write TAG=VALUE"),
        (&[&log, "--contains", "Venue=1"], 2, "--dictionary"),
        (&[&log, "--seq", "9-7"], 2, "ends before it begins"),
        (&[&log, "--dictionary", nothing], 2, "this is no XML"),
        (&[&log, "--fields", "--json"], 2, "cannot be used with"),
    ] {
        let output = decode(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    // One file that is none keeps nothing of another back.
    let output = decode(&["/nowhere", &log]);
    assert_eq!((output.status.code(), text(&output.stdout).lines().count()), (Some(2), 5));
}

/// Everything that two decoded captures are to have in common.
fn without_time(objects: &[Value]) -> Vec<Value> {
    let mut objects = objects.to_vec();
    for object in &mut objects {
        let object = object.as_object_mut().unwrap();
        ["time", "direction", "file"].into_iter().for_each(|key| drop(object.remove(key)));
    }
    objects
}

#[test]
fn a_run_s_capture_has_every_message_once_and_in_order_in_whatever_form() {
    const ORDERS: usize = 300;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let capture = path("run.pcapng");
    let run = Command::new(BIN)
        .args([
            "run",
            "--nic",
            "sim",
            "--json",
            "--orders",
            &ORDERS.to_string(),
            "--capture",
            &capture,
        ])
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", text(&run.stderr));
    let all = objects(&decode(&["--json", &capture]));
    for (msg_type, way, count) in
        [("D", "out", ORDERS), ("8", "in", ORDERS), ("A", "in", 1), ("5", "out", 1)]
    {
        let of_type = all.iter().filter(|of| of["msg_type"] == msg_type && of["direction"] == way);
        assert_eq!(of_type.count(), count, "{msg_type} {way}");
    }
    for way in ["in", "out"] {
        let numbers = all
            .iter()
            .filter(|of| of["direction"] == way)
            .map(|of| of["msg_seq_num"].as_u64().unwrap());
        assert!(numbers.eq(1..=ORDERS as u64 + 2), "{way}");
    }
    assert!(all.iter().all(|of| of["damage"] == Value::Array(vec![])));
    let times: Vec<_> = all.iter().map(|of| of["time"].as_str().unwrap()).collect();
    assert!(
        times.is_sorted()
            && times.iter().all(|time| time.len() == "20261127-08:00:00.123456789".len())
    );

    for form in ["pcap", "nsecpcap"] {
        let other = path(form);
        let Ok(edited) = Command::new("editcap").args(["-F", form, &capture, &other]).output()
        else {
            return eprintln!(
                "skipped: editcap is not installed, which writes other forms of captures"
            );
        };
        assert!(edited.status.success(), "{}", text(&edited.stderr));
        let read = objects(&decode(&["--json", &other]));
        assert_eq!(without_time(&read), without_time(&all), "{form}");
        let time = |of: &Value| of["time"].as_str().unwrap().to_owned();
        let expected = if form == "pcap" {
            format!("{}000", &times[5][..times[5].len() - 3])
        } else {
            times[5].into()
        };
        assert_eq!(time(&read[5]), expected);
    }

    // Cut in the middle of a packet, what came before it is there.
    let bytes = fs::read(&capture).unwrap();
    fs::write(path("cut"), &bytes[..bytes.len() / 2]).unwrap();
    let cut = decode(&["--json", &path("cut")]);
    let said = text(&cut.stderr);
    assert!(said.contains("as one that is still written does"), "{said}");
    assert!(objects(&cut).len() > ORDERS / 2);
}
