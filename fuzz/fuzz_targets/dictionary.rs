//! Any bytes are a data dictionary: refused with line and reason, or read, and then it judges alike twice.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../src/dictionary.rs"]
mod dictionary;

fuzz_target!(|bytes: &[u8]| dictionary::play(bytes));
