//! What is asked of the heap, counted by thread: a stack asks for nothing once it is set up, whatever happens to
//! it.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, with a count of what is asked of it.
struct Counting;

fn count() {
    // A thread that ends frees what it had when there is nothing left to count in.
    let _ = ASKED.try_with(|asked| asked.set(asked.get() + 1));
}

// SAFETY: every call is handed to the system's allocator unchanged; counting touches a cell of the thread's own,
// which is set up without the heap.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count();
        // SAFETY: the block came from the system allocator, with this layout.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        count();
        // SAFETY: the block came from the system allocator, with this layout.
        unsafe { System.realloc(block, layout, len) }
    }
}

#[global_allocator]
static HEAP: Counting = Counting;

/// Does something that must ask the heap for nothing, and give nothing back.
#[track_caller]
pub(super) fn untouched<T>(act: impl FnOnce() -> T) -> T {
    let before = ASKED.get();
    let outcome = act();
    let asked = ASKED.get() - before;
    assert_eq!(asked, 0, "the heap was asked for something");
    outcome
}

#[test]
#[should_panic(expected = "the heap was asked")]
fn whoever_asks_the_heap_is_found() {
    let _ = untouched(|| std::hint::black_box(Box::new(7_u64)));
}
