//! The fence around one instruction: a line of memory is asked for, and nothing waits until it has come.
//!
//! A load asks as well, but whatever comes behind it in the program can be finished only after it. Of several
//! connections whose lines lie in memory a core then has those under way that a few hundred instructions reach, and no
//! more.
#![allow(unsafe_code)]

use core::ops::Range;

/// Bytes of a line of memory.
pub(crate) const LINE_LEN: usize = 64;

/// Has the line fetched in which `of` begins. On processors that this does not know nothing happens.
#[inline(always)]
pub(crate) fn prefetch<T>(of: &T) {
    prefetch_lines(of, 0..LINE_LEN);
}

/// The same of several lines: those in which `bytes` of `of`, counted from where it begins, lie.
#[inline(always)]
pub(crate) fn prefetch_lines<T>(of: &T, bytes: Range<usize>) {
    #[cfg(target_arch = "x86_64")]
    for offset in bytes.step_by(LINE_LEN) {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let line = core::ptr::from_ref(of).cast::<i8>().wrapping_add(offset);
        // SAFETY: every x86-64 has SSE, and it is a hint: it reads no value and faults at no address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (of, bytes);
}
