//! Any text is a session file, ours or QuickFIX's: refused with line, reason and remedy, or read.
#![no_main]

use cli::session_file::{Purpose, SessionFile, quickfix};
use libfuzzer_sys::fuzz_target;

/// The reader is the program's, and no library has it: it is taken from where it lies.
#[allow(dead_code, unused_imports)]
#[path = "../../src/cli"]
mod cli {
    pub(crate) mod failure;
    pub(crate) mod session_file;
    pub(crate) mod text_file;

    /// What is said of a file that is read all the same.
    pub(crate) fn warn(_: impl std::fmt::Display) {}
}

#[path = "../src/settings.rs"]
mod settings;

fuzz_target!(|bytes: &[u8]| settings::play(bytes));
