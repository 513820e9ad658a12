//! Captures that cannot be replayed, or not whole: a sentence each.

use std::path::Path;
use std::process::Output;

use super::blocks::{has, keep};
use super::{captured, change, errors, replay, report, text};

fn assert_refused(output: &Output, words: &[&str]) {
    let said = errors(output);
    assert_eq!(output.status.code(), Some(2), "{said}{}", text(output));
    for words in words {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
}

#[test]
fn a_capture_from_the_middle_of_a_session_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = captured(folder.path());
    let late = folder.path().join("late.pcapng");
    keep(&file, &late, |packet, _, _| packet >= 60);
    let begins =
        ["begins in the middle of FIX.4.4:FIXWIRE->EXCHANGE", "no SYN; record from before"];
    assert_refused(&replay(&late, &[]), &begins);
}

#[test]
fn a_capture_that_lacks_bytes_is_refused_with_how_many() {
    let folder = tempfile::tempdir().unwrap();
    let file = captured(folder.path());
    for (way, from) in [(0, "10.9.0.1:9878 sent to 10.9.0.2:"), (1, " sent to 10.9.0.1:9878")] {
        let holed = folder.path().join("holed.pcapng");
        keep(&file, &holed, |_, interface, bytes| {
            interface != way || !has(bytes, b"\x0111=O17\x01")
        });
        let lacks = ["bytes that ", from, "were acknowledged and are not in it"];
        assert_refused(&replay(&holed, &[]), &lacks);
    }
}

#[test]
fn a_capture_that_is_cut_off_is_replayed_as_far_as_it_goes_and_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let file = captured(folder.path());
    let bytes = std::fs::read(&file).unwrap();
    let short = folder.path().join("short.pcapng");
    std::fs::write(&short, &bytes[..bytes.len() / 2]).unwrap();
    let said = report(&short, &[]);
    assert_eq!(said["identical"], true, "{said:#}");
    let messages = said["messages"].as_u64().unwrap();
    assert!((100..250).contains(&messages), "{messages}");
    let notes = said["notes"].to_string();
    assert!(notes.contains("is cut off in the middle of a record, at byte "), "{notes}");
    // And a difference before the end is one.
    let changed = folder.path().join("changed.pcapng");
    change(&short, &changed, b"\x0111=O17\x01", (6, b'6'));
    assert_eq!(report(&changed, &[])["difference"]["why"], "bytes_differ");
}

#[test]
fn a_capture_without_fix_and_what_is_no_capture_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = captured(folder.path());
    let empty = folder.path().join("empty.pcapng");
    keep(&file, &empty, |_, _, bytes| !has(bytes, b"8=FIX"));
    assert_refused(&replay(&empty, &[]), &["has no FIX in it: of 1 TCP connections none"]);
    keep(&file, &empty, |_, _, bytes| bytes.len() < 50);
    assert_refused(&replay(&empty, &[]), &["has no FIX in it: of 0 TCP connections none"]);
    let other = folder.path().join("s.toml");
    std::fs::write(&other, "sender_comp_id = \"US\"\n").unwrap();
    let no_capture = replay(&other, &[]);
    assert_eq!(no_capture.status.code(), Some(2));
    assert!(errors(&no_capture).contains("s.toml"), "{}", errors(&no_capture));
    assert_refused(&replay(Path::new("/nowhere.pcap"), &[]), &["/nowhere.pcap cannot be read"]);
    // A capture of other sessions.
    let session = other.to_str().unwrap();
    let strangers = ["no end in ", "FIX.4.4:FIXWIRE->EXCHANGE at 10.9.0.2:", "by --session"];
    assert_refused(&replay(&file, &["--session", session]), &strangers);
    assert_refused(&replay(&file, &["--as", "10.9.0.77"]), &["no end in ", "another end by --as"]);
    let nonsense = replay(&file, &["--as", "venue"]);
    assert!(errors(&nonsense).contains("10.9.0.2:9878"), "{}", errors(&nonsense));
    std::fs::write(&other, "connection_type = \"acceptor\"\n").unwrap();
    let wrong = ["FIX.4.4:FIXWIRE->EXCHANGE connects, and its settings say that it is an acceptor"];
    assert_refused(&replay(&file, &["--session", session]), &wrong);
}
