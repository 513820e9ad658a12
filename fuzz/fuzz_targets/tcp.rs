//! Any bytes are a series of segments and calls, and what our TCP makes of it agrees with the model.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fixwire_fuzz::play(bytes);
});
