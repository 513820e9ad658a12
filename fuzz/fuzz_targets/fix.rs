//! Any bytes are FIX messages, and are read as a slow, obvious decoder reads them.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../src/fix.rs"]
mod fix;

fuzz_target!(|bytes: &[u8]| fix::play(bytes));
