//! Whose a store is: sub-IDs and locations tell files apart, and one of before they did is found.

use std::path::Path;

use fixwire::fix::store::journal::Durability;
use fixwire::fix::{CompId, SessionConfig, Store};
use fixwire::journal_file::{FileStore, OpenError, identity_of};

use super::{config, plan};

fn of_trader(trader: &str) -> SessionConfig {
    let mut config = config();
    config.sender_sub_ids.sub_id = CompId::new(trader);
    config
}

fn open(folder: &Path, config: &SessionConfig) -> Result<FileStore, OpenError> {
    FileStore::open(&plan(folder, Durability::Async), &identity_of(config))
}

/// A message of a trader's.
fn message(seq: u32, trader: &str) -> Vec<u8> {
    let body =
        format!("35=D|34={seq}|49=DESK|50={trader}|52=20260102-03:04:05.000|56=VENUE|11=O{seq}|");
    let text = format!("8=FIX.4.4|9={}|{body}", body.len()).replace('|', "\x01");
    let sum = text.bytes().fold(0u8, u8::wrapping_add);
    format!("{text}10={sum:03}\x01").into_bytes()
}

/// A store as it was named before: by CompIDs alone, whoever's it was.
fn of_before(folder: &Path, messages: u32, trader: &str) {
    let mut store = open(folder, &config()).unwrap();
    for seq in 1..=messages {
        store.put(seq, &message(seq, trader)).unwrap();
    }
}

#[test]
fn two_traders_of_one_desk_have_a_store_each() {
    let folder = tempfile::tempdir().unwrap();
    let mut one = open(folder.path(), &of_trader("T1")).unwrap();
    let other = open(folder.path(), &of_trader("T2")).unwrap();
    let plain = open(folder.path(), &config()).unwrap();
    one.put(1, &message(1, "T1")).unwrap();
    assert_eq!([one.next_out(), other.next_out(), plain.next_out()], [2, 1, 1]);
    assert_eq!(one.path().file_name().unwrap(), "FIX.4.4-DESK-VENUE-T1---.journal");
}

#[test]
fn a_store_of_before_goes_to_the_session_whose_sub_id_its_messages_bear() {
    let folder = tempfile::tempdir().unwrap();
    of_before(folder.path(), 3, "T2");
    let other = open(folder.path(), &of_trader("T1")).unwrap();
    assert_eq!(other.next_out(), 1, "it is not T1's");
    let store = open(folder.path(), &of_trader("T2")).unwrap();
    assert_eq!(store.next_out(), 4);
    assert_eq!(store.first_from(2), Some((2, &message(2, "T2")[..])));
    assert_eq!(store.path().file_name().unwrap(), "FIX.4.4-DESK-VENUE-T2---.journal");
    assert!(
        !folder.path().join("FIX.4.4-DESK-VENUE.journal").exists(),
        "it has its new name alone"
    );
    drop(store);
    // And by that name it is found again.
    assert_eq!(open(folder.path(), &of_trader("T2")).unwrap().next_out(), 4);
}

#[test]
fn a_store_of_before_that_is_in_use_is_nobody_else_s() {
    let folder = tempfile::tempdir().unwrap();
    let before = open(folder.path(), &config()).unwrap();
    let refused = open(folder.path(), &of_trader("T1")).unwrap_err();
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused}");
    drop(before);
    open(folder.path(), &of_trader("T1")).unwrap();
}
