//! What a session's store costs for each message that leaves: a number taken, a message kept. In memory, and in a file
//! by each durability.

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use fixwire::fix::store::journal::Durability;
use fixwire::fix::{MemoryStore, Store};
use fixwire::journal_file::{FileStore, StorePlan};

use crate::case::{Bench, Case, US};
use crate::messages::Order;

/// Numbers that are taken in turn: fewer than are reserved ahead.
const NUMBERS: u32 = 4_096;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        reserve("memory", memory),
        reserve("async", || file(Durability::Async)),
        append("memory", memory),
        append("none", || file(Durability::None)),
        append("async", || file(Durability::Async)),
    ];
    // What a disk takes is no matter of instructions.
    cases.push(append("sync", || file(Durability::Sync)).uncounted());
    cases
}

fn memory() -> MemoryStore {
    MemoryStore::new(16_384, 4 * 1024 * 1024)
}

/// A store in a file that goes away with it.
struct InFolder {
    store: Option<FileStore>,
    folder: PathBuf,
}

fn file(durability: Durability) -> InFolder {
    static FOLDERS: AtomicUsize = AtomicUsize::new(0);
    let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
    let name = format!("fixwire-store-bench-{}-{number}", std::process::id());
    let folder =
        std::env::var_os("FIXWIRE_BENCH_STORE").map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(name);
    // All of it stays ready to be written to, as the next pages are for a session that sends as fast as sessions do.
    let plan = StorePlan { durability, ring_len: 1 << 20, ..StorePlan::new(&folder) };
    let store = FileStore::open(&plan, b"FIX.4.4\x01A\x01B").expect("a folder for the store");
    InFolder { store: Some(store), folder }
}

impl Drop for InFolder {
    fn drop(&mut self) {
        self.store = None;
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Whichever store it is.
trait Kept {
    type Store: Store;
    fn store(&mut self) -> &mut Self::Store;
}

impl Kept for MemoryStore {
    type Store = MemoryStore;
    fn store(&mut self) -> &mut MemoryStore {
        self
    }
}

impl Kept for InFolder {
    type Store = FileStore;
    #[inline]
    fn store(&mut self) -> &mut FileStore {
        self.store.as_mut().expect("until it is dropped")
    }
}

struct Reserve<K>(K, u32);

impl<K: Kept> Bench for Reserve<K> {
    #[inline(never)]
    fn run(&mut self, count: usize) {
        let store = self.0.store();
        for _ in 0..count {
            self.1 = self.1 % NUMBERS + 1;
            black_box(store.set_next_out(black_box(self.1))).expect("the disk keeps up");
        }
    }
}

fn reserve<K: Kept + 'static>(how: &'static str, make: fn() -> K) -> Case {
    Case::new(format!("store/reserve/{how}"), US, move || Reserve(make(), 1))
}

struct Append<K> {
    kept: K,
    next: u32,
    messages: Vec<Vec<u8>>,
}

impl<K: Kept> Bench for Append<K> {
    #[inline(never)]
    fn run(&mut self, count: usize) {
        let store = self.kept.store();
        for _ in 0..count {
            let message = &self.messages[self.next as usize % self.messages.len()];
            let _ = black_box(store.admits());
            black_box(store.put(self.next, black_box(message))).expect("the disk does not refuse");
            self.next += 1;
        }
    }
}

fn append<K: Kept + 'static>(how: &'static str, make: fn() -> K) -> Case {
    Case::new(format!("store/append an order/{how}"), US, move || Append {
        kept: make(),
        next: 1,
        messages: (0..512).map(|n| Order::new(100_000 + n, u64::from(n)).text(0)).collect(),
    })
}
