//! The thread that syncs behind a session's back, and has its pages ready before they are written to.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::mapped::Pages;
use crate::fix::store::journal::{Durability, Ledger, PAGE, Proven, Taken};

/// How much of the ring is ready to be written to.
const READY_LEN: usize = 1024 * 1024;
/// The page that the session writes its numbers to.
const NUMBERS: std::ops::Range<usize> = 2 * PAGE..3 * PAGE;

/// What a session and the thread tell each other.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Epoch and next number, in the upper and the lower half.
    numbers: AtomicU64,
    end: AtomicU64,
    /// Epoch and the number up to which is reserved.
    reserved: AtomicU64,
    synced: AtomicU64,
    has_failed: AtomicBool,
    is_over: AtomicBool,
    why_failed: Mutex<Option<String>>,
}

impl Shared {
    #[inline]
    pub(super) fn took(&self, taken: Taken) {
        // In this order: who sees the numbers sees the records before them.
        self.end.store(taken.end, Ordering::Release);
        self.numbers.store(halves(taken.epoch, taken.next_out), Ordering::Release);
    }

    fn taken(&self) -> Taken {
        let numbers = self.numbers.load(Ordering::Acquire);
        let end = self.end.load(Ordering::Acquire);
        Taken { epoch: (numbers >> 32) as u32, next_out: numbers as u32, end }
    }

    #[inline]
    pub(super) fn proven(&self) -> Proven {
        if self.has_failed.load(Ordering::Relaxed) {
            return Proven::Failed;
        }
        let synced = self.synced.load(Ordering::Acquire);
        let reserved = self.reserved.load(Ordering::Acquire);
        Proven::Reserved { epoch: (reserved >> 32) as u32, until: reserved as u32, synced }
    }

    fn prove(&self, proven: Proven) {
        if let Proven::Reserved { epoch, until, synced } = proven {
            self.reserved.store(halves(epoch, until), Ordering::Release);
            self.synced.store(synced, Ordering::Release);
        }
    }

    pub(super) fn fail(&self, error: &io::Error) {
        let mut why = self.why_failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        why.get_or_insert_with(|| error.to_string());
        self.has_failed.store(true, Ordering::Release);
    }

    pub(super) fn why_failed(&self) -> Option<String> {
        self.why_failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

fn halves(upper: u32, lower: u32) -> u64 {
    u64::from(upper) << 32 | u64::from(lower)
}

/// The thread.
#[derive(Debug)]
pub(super) struct Flusher {
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

/// What it works on.
pub(super) struct Work {
    pub(super) file: Arc<File>,
    pub(super) pages: Pages,
    pub(super) durability: Durability,
    pub(super) interval: Duration,
}

impl Flusher {
    pub(super) fn start(shared: &Arc<Shared>, work: Work, ledger: Ledger) -> io::Result<Flusher> {
        shared.prove(ledger.proven());
        let theirs = Arc::clone(shared);
        let begun = Arc::new(Barrier::new(2));
        let has_begun = Arc::clone(&begun);
        let run = move || {
            has_begun.wait();
            Run { shared: theirs, work, ledger, ready: 0 }.until_over();
        };
        let thread = Builder::new().name("fixwire-store".into()).spawn(run)?;
        // What a thread takes to be set up it has taken.
        begun.wait();
        Ok(Flusher { thread: Some(thread), shared: Arc::clone(shared) })
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

struct Run {
    shared: Arc<Shared>,
    work: Work,
    ledger: Ledger,
    /// The position up to which pages are ready.
    ready: u64,
}

impl Run {
    fn until_over(mut self) {
        while !self.shared.is_over.load(Ordering::Acquire) {
            let taken = self.shared.taken();
            let is_to_sync =
                self.work.durability != Durability::None && self.ledger.is_behind(taken);
            if is_to_sync && let Err(error) = self.sync(taken) {
                return self.shared.fail(&error);
            }
            if is_to_sync || taken.end + READY_LEN as u64 / 2 > self.ready {
                self.make_ready(taken.end);
            }
            std::thread::park_timeout(self.work.interval);
        }
    }

    /// First what the session has written, then the words that say so.
    fn sync(&mut self, taken: Taken) -> io::Result<()> {
        self.work.file.sync_data()?;
        let (at, words) = self.ledger.note(taken);
        self.work.file.write_all_at(&words, at as u64)?;
        self.work.file.sync_data()?;
        self.shared.prove(self.ledger.proven());
        Ok(())
    }

    /// Pages that are on the disk cost whoever writes to them next a way into the kernel.
    fn make_ready(&mut self, end: u64) {
        self.work.pages.prepare(NUMBERS);
        for range in self.ledger.ahead_of(end, READY_LEN) {
            self.work.pages.prepare(range);
        }
        self.ready = end + READY_LEN as u64;
    }
}
