//! What is measured of ours allocates nothing after set-up: an allocator that counts, and the path
//! from frame to frame under it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use fixwire_benches::case::US;
use fixwire_benches::cases;

/// Counts what is asked of the heap while armed.
struct Trap;

static ARMED: AtomicBool = AtomicBool::new(false);
static CAUGHT: AtomicU64 = AtomicU64::new(0);

fn catch() {
    if ARMED.load(Ordering::Relaxed) {
        CAUGHT.fetch_add(1, Ordering::Relaxed);
    }
}

#[allow(unsafe_code)]
// SAFETY: every call is handed to the system's allocator unchanged; counting touches atomics alone.
unsafe impl GlobalAlloc for Trap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        catch();
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        catch();
        // SAFETY: the block came from the system allocator, with this layout.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        catch();
        // SAFETY: the block came from the system allocator, with this layout.
        unsafe { System.realloc(block, layout, len) }
    }
}

#[global_allocator]
static HEAP: Trap = Trap;

/// Steps of each case.
const STEPS: usize = 10_000;

// One test, one thread: another test's allocations would be caught too.
#[test]
fn no_step_of_ours_allocates() {
    // The trap itself works.
    ARMED.store(true, Ordering::SeqCst);
    drop(std::hint::black_box(Box::new(7u64)));
    ARMED.store(false, Ordering::SeqCst);
    assert_eq!(CAUGHT.swap(0, Ordering::SeqCst), 2, "a Box is one alloc and one dealloc");

    for case in cases::all().iter().filter(|case| case.who == US) {
        let mut bench = (case.make)();
        let batch = bench.batch_max();
        for _ in 0..STEPS.div_ceil(batch) {
            bench.prepare(batch);
            ARMED.store(true, Ordering::SeqCst);
            bench.run(batch);
            ARMED.store(false, Ordering::SeqCst);
            bench.check(batch);
        }
        assert_eq!(CAUGHT.load(Ordering::SeqCst), 0, "{}", case.what);
    }
}
