//! The fence around one instruction: a line of memory is asked for, and nothing waits until it has come.
//!
//! A load asks as well, but whatever comes behind it in the program can be finished only after it. Of several
//! connections whose lines lie in memory a core then has those under way that a few hundred instructions reach, and no
//! more.
#![allow(unsafe_code)]

/// Has the line fetched in which `of` begins. On processors that this does not know nothing happens.
#[inline(always)]
pub(crate) fn prefetch<T>(of: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every x86-64 has SSE, and it is a hint: it reads no value and faults at no address; a reference's is
        // one that may be read besides.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(core::ptr::from_ref(of).cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = of;
}
