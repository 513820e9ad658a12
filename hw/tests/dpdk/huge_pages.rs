//! Huge pages for a test, and as many as there were before when it is done.

use std::env::temp_dir;
use std::fs::{self, File, OpenOptions};
use std::sync::OnceLock;

const PAGES: &str = "/proc/sys/vm/nr_hugepages";

/// Shared by whoever may find huge pages free and then use them, held alone by whoever takes them away.
static LOCK: OnceLock<Option<File>> = OnceLock::new();

fn lock() -> Option<&'static File> {
    let path = temp_dir().join("fixwire-huge-pages.lock");
    // One that another user has made is there all the same.
    LOCK.get_or_init(|| File::create(&path).or_else(|_| File::open(&path)).ok()).as_ref()
}

/// From here to the end of the process no huge page goes away that was free.
#[allow(dead_code, reason = "for tests that leave the choice of memory to the program")]
pub(crate) fn stay() {
    let _ = lock().map(File::lock_shared);
}

/// Huge pages that were reserved.
pub(crate) struct Reserved(());

fn pages() -> Option<u64> {
    fs::read_to_string(PAGES).ok()?.trim().parse().ok()
}

impl Reserved {
    /// Takes hold of the pages of a machine that has none, so that nobody's are taken away.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn begin() -> Result<Reserved, String> {
        let before = pages().ok_or("this kernel has no huge pages")?;
        if before != 0 {
            return Err(format!("{before} huge pages are reserved here, and are left alone"));
        }
        let may_write = OpenOptions::new().write(true).open(PAGES);
        may_write.map_err(|error| format!("huge pages cannot be reserved: {PAGES}: {error}"))?;
        Ok(Reserved(()))
    }

    /// Has so many: more than before.
    ///
    /// # Errors
    /// The kernel does not find them.
    pub(crate) fn set(&mut self, wanted: u64) -> Result<(), String> {
        let written = fs::write(PAGES, wanted.to_string());
        written.map_err(|error| format!("{PAGES}: {error}"))?;
        let got = pages().unwrap_or(0);
        (got == wanted).then_some(()).ok_or(format!("{got} of {wanted} huge pages were to be had"))
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let _ = lock().map(File::lock);
        let _ = fs::write(PAGES, "0");
        let _ = lock().map(File::unlock);
    }
}
