//! Any bytes are a session's and what harms its journal: reading it ends, and nothing foreign is sent again.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fixwire_fuzz::journal::play(bytes);
});
