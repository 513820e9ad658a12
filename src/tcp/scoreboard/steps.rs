//! How many segments are looked at, by which tests bound the work that a peer can make. Counted in tests alone.

#[cfg(test)]
thread_local! {
    static STEPS: core::cell::Cell<u64> = const { core::cell::Cell::new(0) };
}

/// A segment, or a word of them, is looked at.
#[inline(always)]
pub(super) fn step() {
    #[cfg(test)]
    STEPS.set(STEPS.get() + 1);
}

/// How many have been by this thread since it was asked last.
#[cfg(test)]
pub(in crate::tcp) fn take_steps() -> u64 {
    STEPS.take()
}
