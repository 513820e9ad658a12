//! A damaged store is refused: with what is damaged, what is intact, and the command that salvages it.

use std::process::Command;

use fixwire::fix::Store;
use fixwire::fix::store::journal::Durability;
use fixwire::journal_file::ReadFile;

use super::{BIN, message, open, store_of};

/// Where the record of a number lies in a file.
fn record_of(bytes: &[u8], seq: u32) -> usize {
    let needle = message(seq);
    bytes.windows(needle.len()).position(|window| window == needle).unwrap() - 32
}

/// What is done to a file of twenty messages.
type Harm = fn(&mut Vec<u8>);

/// What, the words that name it, how many messages are left.
const TABLE: [(&str, Harm, &str, usize); 12] = [
    (
        "a message's byte",
        |bytes| {
            let at = record_of(bytes, 7);
            bytes[at + 60] ^= 1;
        },
        "records, of MsgSeqNum 7",
        19,
    ),
    (
        "a record's length",
        |bytes| {
            let at = record_of(bytes, 7);
            bytes[at + 4] ^= 1;
        },
        "records, of MsgSeqNum 7",
        19,
    ),
    (
        "a record's number",
        |bytes| {
            let at = record_of(bytes, 7);
            bytes[at + 20] = 8;
        },
        "records, of MsgSeqNum 7",
        19,
    ),
    (
        "a sector of zeros",
        |bytes| {
            let at = record_of(bytes, 7).next_multiple_of(512);
            bytes[at..at + 512].fill(0);
        },
        "records, of MsgSeqNum 8 to 15",
        12,
    ),
    (
        "a record of another place",
        |bytes| {
            let (from, to) = (record_of(bytes, 3), record_of(bytes, 7));
            bytes.copy_within(from..from + 64, to);
        },
        "records, of MsgSeqNum 7",
        19,
    ),
    (
        "the last record",
        |bytes| {
            let at = record_of(bytes, 20);
            bytes[at..at + 40].fill(0);
        },
        "the newest records are missing",
        19,
    ),
    (
        "the first record",
        |bytes| {
            let at = record_of(bytes, 1);
            bytes[at + 1] ^= 4;
        },
        "records, of MsgSeqNum 1",
        19,
    ),
    ("the number out", |bytes| bytes[8192] ^= 1, "the word of the next number out", 20),
    ("the number in", |bytes| bytes[8200] ^= 1, "the word of the next number in", 20),
    ("a beginning", |bytes| bytes[8240] ^= 1, "the word of what the epoch began with", 20),
    ("a header", |bytes| bytes[50] ^= 1, "one of the two copies of the header", 20),
    ("what is reserved", |bytes| bytes[12288] ^= 1, "the word of the numbers reserved", 20),
];

#[test]
fn a_damaged_store_is_refused_named_and_salvaged() {
    for (what, harm, words, left) in TABLE {
        let folder = tempfile::tempdir().unwrap();
        let path = store_of(folder.path(), 20);
        let mut bytes = std::fs::read(&path).unwrap();
        harm(&mut bytes);
        std::fs::write(&path, &bytes).unwrap();

        let sentence = open(folder.path(), Durability::Async).expect_err(what).to_string();
        let name = path.display().to_string();
        let intact = format!("Intact: {left} messages");
        let salvage = format!("`fixwire store salvage {name} {name}.salvaged`");
        for expected in [name.as_str(), "byte ", words, intact.as_str(), salvage.as_str()] {
            assert!(sentence.contains(expected), "{what}: {expected:?} is not in {sentence}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{what}: it was written to");

        let verified = Command::new(BIN).args(["store", "verify"]).arg(&path).output().unwrap();
        assert_eq!(verified.status.code(), Some(1), "{what}");
        let said = String::from_utf8_lossy(&verified.stdout).into_owned();
        assert!(said.contains(words) && said.contains("salvage"), "{what}: {said}");

        let new = folder.path().join("new.journal");
        let salvaged =
            Command::new(BIN).args(["store", "salvage"]).args([&path, &new]).output().unwrap();
        assert!(salvaged.status.success(), "{what}: {salvaged:?}");
        let file = ReadFile::of(&new).unwrap();
        assert!(file.damage().is_empty(), "{what}: {:?}", file.damage());
        assert_eq!(file.intact().messages, left, "{what}");
        assert!(file.intact().resumption.next_out >= 21, "{what}");
        std::fs::rename(&new, &path).unwrap();
        let store =
            open(folder.path(), Durability::Async).unwrap_or_else(|why| panic!("{what}: {why}"));
        let unknown = &store.resumption().unknown;
        let mut found = 0;
        for seq in 1..=20 {
            let kept = store.first_from(seq).filter(|(found, _)| *found == seq);
            let is_told = unknown.iter().any(|range| range.contains(&seq));
            assert!(kept.is_some() != is_told, "{what}: {seq}, {unknown:?}");
            if let Some((_, bytes)) = kept {
                assert_eq!(bytes, message(seq), "{what}");
                found += 1;
            }
        }
        assert_eq!(found, left, "{what}");
    }
}

#[test]
fn what_is_no_store_or_not_this_session_s_or_cut_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = store_of(folder.path(), 3);
    let whole = std::fs::read(&path).unwrap();
    let versioned = |version: u8| {
        let mut bytes = whole.clone();
        bytes[8] = version;
        bytes
    };
    for (bytes, words) in [
        (b"hello".to_vec(), "begins as one"),
        (vec![0; whole.len()], "is no store of fixwire's"),
        (whole[..whole.len() / 2].to_vec(), "it was cut"),
        (Vec::new(), "bytes long"),
        (versioned(9), "one of the two copies of the header"),
    ] {
        std::fs::write(&path, &bytes).unwrap();
        let sentence = open(folder.path(), Durability::Async).expect_err(words).to_string();
        assert!(sentence.contains(words), "{sentence}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{words}: it was written to");
    }
    std::fs::write(&path, &whole).unwrap();
    let other = folder.path().join("FIX.4.2-DESK-VENUE.journal");
    std::fs::rename(&path, other).unwrap();
    let identity = b"FIX.4.2\x01DESK\x01VENUE";
    let plan = super::plan(folder.path(), Durability::Async);
    let sentence = fixwire::journal_file::FileStore::open(&plan, identity).unwrap_err().to_string();
    assert!(sentence.contains("FIX.4.4 DESK VENUE"), "{sentence}");
}

#[test]
fn a_run_refuses_a_damaged_store_before_there_is_a_device() {
    let folder = tempfile::tempdir().unwrap();
    let path = store_of(folder.path(), 5);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = record_of(&bytes, 2);
    bytes[at + 40] ^= 0x10;
    std::fs::write(&path, bytes).unwrap();
    let session = folder.path().join("s.toml");
    std::fs::write(
        &session,
        "sender_comp_id = \"DESK\"\ntarget_comp_id = \"VENUE\"\nstore = { path = \".\" }\n",
    )
    .unwrap();
    for command in [&["run", "--nic", "sim"][..], &["accept", "--nic", "tap"]] {
        let refused =
            Command::new(BIN).args(command).arg("--session").arg(&session).output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains("MsgSeqNum 2") && said.contains("fixwire store salvage"), "{said}");
    }
}
