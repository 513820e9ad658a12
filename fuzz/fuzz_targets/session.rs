//! Any bytes are what happens to a session, on which it and a slow, obvious model agree after each step.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../src/session.rs"]
mod session;

fuzz_target!(|bytes: &[u8]| session::play(bytes));
