//! Any bytes are a completion queue, or what is written to one, and are read as they are to be.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../src/cqe.rs"]
mod cqe;

fuzz_target!(|bytes: &[u8]| cqe::play(bytes));
