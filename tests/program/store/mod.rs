//! Stores in files: killed at random, damaged, salvaged, looked at by the program.

mod damaged;
mod killed;
mod looked_at;
mod named;

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use fixwire::fix::store::journal::Durability;
use fixwire::fix::{CompId, Role, SessionConfig, Store, Version};
use fixwire::journal_file::{FileStore, OpenError, StorePlan, identity_of};

pub(crate) const BIN: &str = env!("CARGO_BIN_EXE_fixwire");

pub(crate) fn config() -> SessionConfig {
    let id = |text| CompId::new(text).unwrap();
    SessionConfig::new(Version::Fix44, Role::Initiator, id("DESK"), id("VENUE"))
}

/// A small store in a folder.
pub(crate) fn plan(folder: &Path, durability: Durability) -> StorePlan {
    StorePlan { durability, ring_len: 1 << 20, messages_max: 1 << 16, ..StorePlan::new(folder) }
}

pub(crate) fn open(folder: &Path, durability: Durability) -> Result<FileStore, OpenError> {
    FileStore::open(&plan(folder, durability), &identity_of(&config()))
}

/// What message a number has.
pub(crate) fn message(seq: u32) -> Vec<u8> {
    format!("8=FIX.4.4\x019=99\x0135=D\x0134={seq}\x0111=order-{seq}\x01").into_bytes()
}

/// A store that has sent so many messages, and was closed.
pub(crate) fn store_of(folder: &Path, messages: u32) -> PathBuf {
    let mut store = open(folder, Durability::Async).unwrap();
    for seq in 1..=messages {
        store.put(seq, &message(seq)).unwrap();
    }
    store.set_next_in(77);
    store.path().to_owned()
}

#[test]
fn a_store_has_its_session_s_name_and_goes_on_with_its_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = store_of(folder.path(), 20);
    assert_eq!(path.file_name().unwrap(), "FIX.4.4-DESK-VENUE.journal");
    let store = open(folder.path(), Durability::Sync).unwrap();
    assert_eq!((store.next_out(), store.next_in()), (21, 77));
    assert_eq!(store.first_from(7), Some((7, &message(7)[..])));
    assert_eq!(store.first_from(21), None);
}

#[test]
fn one_store_has_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), Durability::Async).unwrap();
    let second = open(folder.path(), Durability::Async).unwrap_err();
    assert!(matches!(second, OpenError::InUse { .. }), "{second}");
    assert!(second.to_string().contains("another process"), "{second}");
    drop(first);
    open(folder.path(), Durability::Async).unwrap();
}

#[test]
fn a_lock_ends_with_its_store_though_a_process_was_begun_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let is_locked =
        || matches!(open(folder.path(), Durability::Async), Err(OpenError::InUse { .. }));
    let held = open(folder.path(), Durability::Async).unwrap().hold();
    // What one has open that another thread begins, until it runs its program.
    let inherited = held.as_fd().try_clone_to_owned().unwrap();
    let plan = plan(folder.path(), Durability::Async);
    let store = FileStore::reopen(&held, &plan, &identity_of(&config())).unwrap();
    drop(held);
    assert!(is_locked());
    drop(store);
    assert!(!is_locked());
    drop(inherited);
}

#[test]
fn numbers_go_on_past_what_is_reserved_at_first() {
    let folder = tempfile::tempdir().unwrap();
    for durability in [Durability::None, Durability::Async] {
        let mut store = open(folder.path(), durability).unwrap();
        let (begun, from) = (std::time::Instant::now(), store.next_out());
        let mut seq = from;
        while seq < from + 40_000 {
            assert!(
                begun.elapsed().as_secs() < 60,
                "{durability:?}: it waits for the disk at {seq}"
            );
            if store.admits().is_ok() {
                store.put(seq, &message(seq)).unwrap();
                seq += 1;
            } else {
                std::thread::yield_now();
            }
        }
        assert_eq!(store.first_from(seq - 1), Some((seq - 1, &message(seq - 1)[..])));
    }
}
