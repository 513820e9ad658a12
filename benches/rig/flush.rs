//! A fence of this crate: bytes taken out of every cache, as a device without a way into them leaves them.
#![allow(unsafe_code)]

use core::arch::x86_64::{_mm_clflush, _mm_mfence};

const LINE_LEN: usize = 64;

/// Takes `bytes` out of every cache.
pub fn flush(bytes: &[u8]) {
    for line in bytes.chunks(LINE_LEN).chain(bytes.last_chunk::<1>().map(|last| &last[..])) {
        // SAFETY: CLFLUSH is of SSE2, which every processor of this architecture has; the address is of a byte that
        // may be read, and no byte changes.
        unsafe { _mm_clflush(line.as_ptr()) };
    }
    // SAFETY: MFENCE is of SSE2; it only waits.
    unsafe { _mm_mfence() };
}
