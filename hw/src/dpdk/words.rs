//! What DPDK and its drivers write while they are set up: on standard error, and how they are used on standard output.
//! Much of it is of what does no harm, and matters where the set-up fails.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::sys::{self, Diverted, Standard};

/// As much as is kept of a step, and of all, in bytes.
const KEPT_LEN_MAX: usize = 64 * 1024;

static KEEPS: AtomicBool = AtomicBool::new(false);
static KEPT: Mutex<String> = Mutex::new(String::new());

/// Has what DPDK and its drivers write while a device is set up kept for [`take_words`] instead of shown. It is shown
/// unless this was called. Whatever else the process writes to standard error meanwhile is taken for theirs.
pub fn keep_words(keep: bool) {
    KEEPS.store(keep, Ordering::Relaxed);
}

/// What was kept since the last time, in lines.
pub fn take_words() -> String {
    std::mem::take(&mut KEPT.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Does a step of a set-up, and tells what was written meanwhile; nothing where it is shown.
pub(super) fn during<T>(step: impl FnOnce() -> T) -> (T, String) {
    let keeps = KEEPS.load(Ordering::Relaxed);
    let Some(aside) = keeps.then(|| Aside::begin().ok()).flatten() else {
        return (step(), String::new());
    };
    let answer = step();
    let words = aside.end();
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() + words.len() <= KEPT_LEN_MAX {
        kept.push_str(&words);
    }
    (answer, words)
}

/// Keeps standard output, which a report may be alone on, clear of how DPDK is used: it writes that there when an
/// argument is wrong.
pub(super) fn usage_aside() -> Option<Diverted> {
    if KEEPS.load(Ordering::Relaxed) {
        let nowhere = OpenOptions::new().write(true).open("/dev/null").ok()?;
        return sys::divert(Standard::Output, nowhere.as_fd()).ok();
    }
    sys::divert(Standard::Output, io::stderr().as_fd()).ok()
}

/// Standard error, written to a file in memory.
struct Aside {
    file: File,
    diverted: Option<Diverted>,
}

impl Aside {
    fn begin() -> io::Result<Aside> {
        let file = sys::memory_file()?;
        let diverted = Some(sys::divert(Standard::Error, file.as_fd())?);
        Ok(Aside { file, diverted })
    }

    fn end(mut self) -> String {
        self.read()
    }

    fn read(&mut self) -> String {
        self.diverted = None;
        let mut bytes = Vec::new();
        let read = self.file.rewind().and_then(|()| {
            let mut front = (&self.file).take(KEPT_LEN_MAX as u64);
            front.read_to_end(&mut bytes)
        });
        if read.is_err() {
            return String::new();
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Aside {
    /// A panic has written why to the file.
    fn drop(&mut self) {
        if thread::panicking() {
            let words = self.read();
            let _ = io::stderr().write_all(words.as_bytes());
        }
    }
}
