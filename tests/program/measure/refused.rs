//! What cannot be measured is said, and no figure stands in its place.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::dialogue::{Course, Passed, S, Session};
use super::files::{Order, arista, metamako, pcap_header, pcap_record};
use super::{errors, measure, report, write};

const PS_PER_NS: u64 = 1_000;

pub(super) fn pcap<'a>(frames: impl IntoIterator<Item = &'a Passed>) -> Vec<u8> {
    let mut file = pcap_header(Order::Little, true, 1);
    for passed in frames {
        let ns = passed.ps / PS_PER_NS;
        let s = S + (ns / 1_000_000_000) as u32;
        file.extend(pcap_record(Order::Little, s, (ns % 1_000_000_000) as u32, &passed.bytes));
    }
    file
}

/// The same in microseconds.
fn in_us<'a>(frames: impl IntoIterator<Item = &'a Passed>) -> Vec<u8> {
    let mut file = pcap_header(Order::Little, false, 1);
    for passed in frames {
        let us = passed.ps / 1_000_000;
        let s = S + (us / 1_000_000) as u32;
        file.extend(pcap_record(Order::Little, s, (us % 1_000_000) as u32, &passed.bytes));
    }
    file
}

/// Both directions in a file each, the trader's clock ahead by so many picoseconds.
pub(super) fn in_two_files(folder: &Path, frames: &[Passed], ahead_ps: u64) -> [PathBuf; 2] {
    [true, false].map(|is_ours| {
        let of = frames.iter().filter(|passed| passed.is_ours == is_ours);
        let ahead = if is_ours { ahead_ps } else { 0 };
        let of: Vec<_> =
            of.map(|passed| Passed { ps: passed.ps + ahead, ..passed.clone() }).collect();
        write(folder, if is_ours { "out.pcap" } else { "in.pcap" }, &pcap(&of))
    })
}

pub(super) fn arguments(paths: &[PathBuf; 2]) -> Vec<&str> {
    paths.iter().map(|path| path.to_str().unwrap()).collect()
}

pub(super) fn notes(report: &Value) -> String {
    let notes = report["notes"].as_array().unwrap().iter();
    notes.map(|note| note.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_no_capture_of_fix_is_a_sentence_and_no_figure() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::new(3, Course::Smooth);
    let with_payload = |payload: &[u8]| {
        let mut frames = session.frames.clone();
        for passed in &mut frames {
            let end = passed.bytes.len();
            if end > 60 {
                let len = payload.len().min(end - 54);
                passed.bytes[54..54 + len].copy_from_slice(&payload[..len]);
            }
        }
        pcap(&frames)
    };
    let udp: Vec<Passed> = session
        .frames
        .iter()
        .map(|passed| {
            let mut passed = passed.clone();
            passed.bytes[23] = 17;
            passed
        })
        .collect();
    let log = b"20261127-08:00:00 : 8=FIX.4.4\x019=5\x0135=0\x0110=000\x01\n";
    for (name, bytes, code, words) in [
        ("empty", vec![], 2, "the file is empty"),
        (
            "messages.log",
            log.to_vec(),
            2,
            "is a log of FIX messages, which says nothing of the wire",
        ),
        ("day.gz", vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 2, "gzip -d unpacks it"),
        (
            "cooked.pcap",
            pcap_header(Order::Little, true, 113),
            2,
            "capture on the Ethernet interface",
        ),
        ("nothing.pcap", pcap(&[]), 1, "there is no FIX message in 0 frames"),
        ("http.pcap", with_payload(b"GET / HTTP/1.1\r\n\r\n"), 1, "a connection begins HTTP"),
        ("tls.pcap", with_payload(&[0x16, 3, 1, 2, 0, 1]), 1, "TLS: what is in it cannot be read"),
        (
            "itch.pcap",
            with_payload(&[0, 4, b'S', 1, 2, 3, 4, 5]),
            1,
            "with 00 04 53 01 02 03 04 05",
        ),
        ("udp.pcap", pcap(&udp), 1, "frames are IPv4 without TCP"),
    ] {
        let path = write(folder.path(), name, &bytes);
        let output = measure(&[path.to_str().unwrap()]);
        let said = errors(&output);
        assert_eq!(output.status.code(), Some(code), "{name}: {said}");
        assert!(said.contains(words), "{name}: {said}");
        assert!(output.stdout.is_empty(), "{name}");
    }
    let said = errors(&measure(&["/nowhere.pcap"]));
    assert!(said.contains("name a capture (pcap, pcapng or ERF)"), "{said}");
    let said = errors(&measure(&["-", "-"]));
    assert!(said.contains("name `-` once"), "{said}");
}

#[test]
fn two_recorders_are_two_clocks_unless_somebody_vouches_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::new(200, Course::Smooth);
    let paths = in_two_files(folder.path(), &session.frames, 0);
    let apart = report(&arguments(&paths));
    assert_eq!(apart["intervals"].as_array().unwrap().len(), 0, "{apart:#}");
    let excluded = &apart["excluded"]["trigger_to_order"]["incomparable_clocks"];
    assert_eq!(*excluded, session.trigger_to_order.len(), "{apart:#}");
    let said = notes(&apart);
    assert!(said.contains("there is no figure"), "{said}");
    assert!(said.contains("if one clock recorded both files, say so by --one-clock"), "{said}");

    let one = report(&[&arguments(&paths)[..], &["--one-clock"]].concat());
    let together = write(folder.path(), "both.pcap", &pcap(&session.frames));
    let both = report(&[together.to_str().unwrap()]);
    assert_eq!(one["intervals"], both["intervals"]);
    assert_eq!(both["intervals"].as_array().unwrap().len(), 2);
}

#[test]
fn of_frames_with_one_time_those_come_first_that_others_acknowledge() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::new(400, Course::Smooth);
    let both = write(folder.path(), "both.pcap", &in_us(&session.frames));
    let both = report(&[both.to_str().unwrap()]);
    let [ours, theirs] = [true, false].map(|is_ours| {
        let of = session.frames.iter().filter(|passed| passed.is_ours == is_ours);
        let path = write(folder.path(), if is_ours { "out.pcap" } else { "in.pcap" }, &in_us(of));
        path.to_str().unwrap().to_owned()
    });
    for files in [[&ours, &theirs], [&theirs, &ours]] {
        let one = report(&[files[0], files[1], "--one-clock"]);
        assert_eq!(one["excluded"], both["excluded"]);
        assert_eq!(one["intervals"], both["intervals"]);
        assert_eq!(one["intervals"][1]["samples"], session.trigger_to_order.len());
    }
}

#[test]
fn within_the_tick_of_a_coarser_file_those_come_first_that_are_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::new(400, Course::Smooth);
    let of_side = |is_ours| session.frames.iter().filter(move |passed| passed.is_ours == is_ours);
    let ours = write(folder.path(), "out.pcap", &pcap(of_side(true)));
    let theirs = write(folder.path(), "in.pcap", &in_us(of_side(false)));
    let [ours, theirs] = [ours, theirs].map(|path| path.display().to_string());
    for files in [[&ours, &theirs], [&theirs, &ours]] {
        let one = report(&[files[0], files[1], "--one-clock"]);
        assert_eq!(one["intervals"][1]["kind"], "trigger_to_order");
        assert_eq!(one["intervals"][1]["samples"], session.trigger_to_order.len(), "{one:#}");
        // A report that its file rounds to before its order.
        let answers = &one["excluded"]["order_to_answer"];
        let backwards = answers["backwards"].as_u64().unwrap();
        let samples = one["intervals"][0]["samples"].as_u64().unwrap();
        assert_eq!(samples + backwards, session.order_to_answer.len() as u64, "{one:#}");
        assert_eq!(answers["answered_before_acknowledged"], 0);
    }
}

#[test]
fn clocks_that_disagree_between_files_are_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::new(200, Course::Smooth);
    // What the trader acknowledges comes 50 us after that, by the clocks.
    for (ahead_ps, is_found) in [(0, false), (50_000_000, true)] {
        let reversed: Vec<Passed> = session
            .frames
            .iter()
            .map(|passed| Passed { is_ours: !passed.is_ours, ..passed.clone() })
            .collect();
        let paths = in_two_files(folder.path(), &reversed, ahead_ps);
        let csv = folder.path().join("messages.csv");
        let more = ["--one-clock", "--csv", csv.to_str().unwrap()];
        let output = measure(&[&arguments(&paths)[..], &more].concat());
        assert_eq!(output.status.success(), !is_found, "{}", errors(&output));
        if is_found {
            let said = errors(&output);
            assert!(said.contains("the files were not recorded by one clock"), "{said}");
            assert!(said.contains("leave --one-clock away"), "{said}");
            assert!(output.stdout.is_empty());
            // No figure is anywhere else, either.
            let rows = std::fs::read_to_string(&csv).unwrap();
            assert!(rows.starts_with("file,frame,") && rows.lines().count() == 1, "{rows}");
            let said = notes(&report(&arguments(&paths)));
            assert!(
                said.contains("the clocks of the files disagree: file 2 acknowledges"),
                "{said}"
            );
        }
    }
}

#[test]
fn tai_and_utc_are_not_held_against_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::new(200, Course::Smooth);
    let stamped = |passed: &Passed| {
        let ns = passed.ps / PS_PER_NS;
        let (s, ns) = (S + (ns / 1_000_000_000) as u32, (ns % 1_000_000_000) as u32);
        let (version, s) = if passed.is_ours { (0x0110, s) } else { (0x0010, s + 37) };
        let stamp = [s.to_be_bytes(), ns.to_be_bytes()].concat();
        Passed { bytes: arista(&passed.bytes, version, &stamp), ..passed.clone() }
    };
    let frames: Vec<_> = session.frames.iter().map(stamped).collect();
    let paths = in_two_files(folder.path(), &frames, 0);
    let report = report(&arguments(&paths));
    let excluded = &report["excluded"]["trigger_to_order"];
    // Read in the order in which they passed.
    assert_eq!(excluded["incomparable_clocks"], session.trigger_to_order.len(), "{report:#}");
    assert_eq!(report["gaps"], 0);
    let said = notes(&report);
    assert!(said.contains("one stamp is in UTC and the other in TAI"), "{said}");
    assert!(!said.contains("disagree"), "{said}");
    let mixed = write(folder.path(), "mixed.pcap", &pcap(&frames));
    assert!(!notes(&super::report(&[mixed.to_str().unwrap()])).contains("set back"));
}

#[test]
fn a_clock_is_set_back_by_its_own_times_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::new(200, Course::Smooth);
    // The device's clock is five seconds ahead of the recorder's, and every tenth frame lacks its stamp.
    let ahead: Vec<_> = session
        .frames
        .iter()
        .map(|passed| Passed { ps: passed.ps + 5_000_000_000_000, ..passed.clone() })
        .collect();
    let by_device = by_metamako(&ahead, |_, _| (7, 1));
    let mut file = by_device[..24].to_vec();
    let mut at = 24;
    for (number, passed) in session.frames.iter().enumerate() {
        let len = 16 + passed.bytes.len() + 16;
        let ns = passed.ps / PS_PER_NS;
        let (s, ns) = (S + (ns / 1_000_000_000) as u32, (ns % 1_000_000_000) as u32);
        let stamped = &by_device[at + 16..at + len];
        let bytes = if number % 10 == 5 { &passed.bytes } else { stamped };
        file.extend(pcap_record(Order::Little, s, ns, bytes));
        at += len;
    }
    let path = write(folder.path(), "some.pcap", &file);
    let some = report(&[path.to_str().unwrap(), "--trailer", "metamako"]);
    assert!(some["files"][0]["frames_unstamped"].as_u64().unwrap() > 30, "{some:#}");
    assert_eq!(some["files"][0]["frames_backwards"], 0, "{}", notes(&some));
    let mut swapped = session.frames.clone();
    swapped.swap(100, 101);
    let path = write(folder.path(), "swapped.pcap", &pcap(&swapped));
    let swapped = report(&[path.to_str().unwrap()]);
    assert!(
        notes(&swapped).contains("1 frames are stamped before the one in front"),
        "{swapped:#}"
    );
}

/// A session by Metamako trailers: the device and the flags of each frame by its number and direction.
fn by_metamako(frames: &[Passed], device: impl Fn(usize, &Passed) -> (u16, u8)) -> Vec<u8> {
    let stamped: Vec<_> = frames
        .iter()
        .enumerate()
        .map(|(number, passed)| {
            let (device, flags) = device(number, passed);
            let ns = passed.ps / PS_PER_NS;
            let at = (S + (ns / 1_000_000_000) as u32, (ns % 1_000_000_000) as u32);
            Passed { bytes: metamako(&passed.bytes, at, flags, device, 1, &[]), ..passed.clone() }
        })
        .collect();
    pcap(&stamped)
}

#[test]
fn stamps_of_two_devices_are_in_no_figure_together() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::new(200, Course::Smooth);
    let file = by_metamako(&session.frames, |_, passed| (passed.is_ours.into(), 1));
    let path = write(folder.path(), "two.pcap", &file);
    let two = report(&[path.to_str().unwrap()]);
    assert_eq!(two["intervals"].as_array().unwrap().len(), 0, "{two:#}");
    let said = notes(&two);
    let words = "by the clock of Metamako device 0 and the other by the clock of Metamako device 1";
    assert!(said.contains(words) || said.contains("device 1 and the other"), "{said}");
    assert!(!said.contains("--one-clock"), "{said}");
    // From one half of the session to the other: a figure for each.
    let half = session.frames.len() / 2;
    let file = by_metamako(&session.frames, |number, _| (u16::from(number >= half), 1));
    let path = write(folder.path(), "halves.pcap", &file);
    let halves = report(&[path.to_str().unwrap()]);
    let intervals = halves["intervals"].as_array().unwrap();
    assert_eq!(intervals.len(), 4, "{halves:#}");
    let samples: u64 = intervals.iter().map(|of| of["samples"].as_u64().unwrap()).sum();
    let pairs = (session.trigger_to_order.len() + session.order_to_answer.len()) as u64;
    assert!((pairs - 2..pairs).contains(&samples), "{samples} of {pairs}");
}

#[test]
fn degraded_and_damaged_frames_are_set_aside_and_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::new(200, Course::Smooth);
    // Every tenth frame is degraded, behind those of the handshake.
    let file =
        by_metamako(&session.frames, |number, _| (7, if number % 10 == 5 { 0x11 } else { 1 }));
    let path = write(folder.path(), "degraded.pcap", &file);
    let degraded = report(&[path.to_str().unwrap()]);
    let of = |kind: &str| degraded["excluded"][kind]["stamp_degraded"].as_u64().unwrap();
    assert!(of("trigger_to_order") > 20 && of("order_to_answer") > 20, "{degraded:#}");
    assert_eq!(degraded["messages"], session.messages, "their bytes count");
    assert!(notes(&degraded).contains("stamps set aside that the device calls degraded"));

    // Each frame seen twice by the device, which says so.
    let mut twice = Vec::new();
    for passed in &session.frames {
        twice.extend([passed.clone(), passed.clone()]);
    }
    let file = by_metamako(&twice, |number, _| (7, if number % 2 == 1 { 0x05 } else { 1 }));
    let path = write(folder.path(), "twice.pcap", &file);
    let twice = report(&[path.to_str().unwrap()]);
    let once = write(folder.path(), "once.pcap", &by_metamako(&session.frames, |_, _| (7, 1)));
    let once = report(&[once.to_str().unwrap()]);
    assert_eq!(twice["intervals"], once["intervals"]);
    assert_eq!(twice["files"][0]["frames_duplicate"], session.frames.len());
    assert_eq!(twice["segments_sent_again"], 0);

    // Some frames with a trailer and some without: a guess is none.
    let mut mixed = by_metamako(&session.frames[..10], |_, _| (7, 1));
    mixed.extend(&pcap(&session.frames[10..])[24..]);
    let path = write(folder.path(), "mixed.pcap", &mixed);
    let output = measure(&[path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        errors(&output).contains("say by --trailer whether they are stamps"),
        "{}",
        errors(&output)
    );
    let asked = report(&[path.to_str().unwrap(), "--trailer", "metamako"]);
    assert!(notes(&asked).contains("frames have no stamp where the others have one"), "{asked:#}");
}

#[test]
fn what_a_damaged_file_has_before_the_damage_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::new(200, Course::Smooth);
    let whole = pcap(&session.frames);
    let cut = write(folder.path(), "cut.pcap", &whole[..whole.len() - 7]);
    let cut = report(&[cut.to_str().unwrap()]);
    assert!(notes(&cut).contains("cut off by the end of the file"), "{cut:#}");
    let path = write(folder.path(), "joined.pcap", &[&whole[..], &whole].concat());
    let output = measure(&[path.to_str().unwrap()]);
    assert!(output.status.success());
    let said = errors(&output);
    assert!(
        said.contains("cat joins none") && said.contains("what came before is measured"),
        "{said}"
    );
    // A capture that lacks frames says so.
    let lacking = session.frames.iter().enumerate().filter(|(number, _)| number % 40 != 20);
    let path = write(folder.path(), "lacking.pcap", &pcap(lacking.map(|(_, passed)| passed)));
    let lacking = report(&[path.to_str().unwrap()]);
    assert!(lacking["gaps"].as_u64().unwrap() >= 5, "{lacking:#}");
    assert!(notes(&lacking).contains("gaps in TCP streams: the capture lacks frames"));
}

#[test]
fn what_a_counterparty_writes_is_quoted_in_a_csv() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = Session::new(2, Course::Smooth);
    // Of the same length and sum: `O1` of the order and its report become `,"`, and the text after them makes up for it.
    for passed in &mut session.frames {
        let is_of = |text: &[u8]| text == b"\x0111=O1\x01";
        if let Some(at) = passed.bytes.windows(7).position(is_of) {
            passed.bytes[at + 4..at + 6].copy_from_slice(b",\"");
            let sum = passed.bytes.windows(4).rposition(|of| of == b"\x0110=").unwrap();
            let begin = passed.bytes.windows(5).position(|of| of == b"8=FIX").unwrap();
            let of = passed.bytes[begin..=sum].iter().copied().fold(0_u8, u8::wrapping_add);
            passed.bytes[sum + 4..sum + 7].copy_from_slice(format!("{of:03}").as_bytes());
        }
    }
    let file = write(folder.path(), "quoted.pcap", &pcap(&session.frames));
    let csv = folder.path().join("messages.csv");
    let report = report(&[file.to_str().unwrap(), "--csv", csv.to_str().unwrap()]);
    assert_eq!((&report["messages"], &report["damaged"]), (&3.into(), &0.into()), "{report:#}");
    let text = std::fs::read_to_string(&csv).unwrap();
    assert_eq!(text.matches(",\",\"\"\",").count(), 2, "{text}");
}
