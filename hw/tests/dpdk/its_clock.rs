//! A counter as fast as a ConnectX-5's that the test makes, and that DPDK's call reads in place of a driver: the
//! virtual drivers of 22.11 have none. Everything around that call is the real thing.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::mem::transmute;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst};

use fixwire_hw::host_counter::HostCounter;

/// As a ConnectX-5's.
pub(crate) const TICKS_PER_S: u64 = 78_125_000;

static ANSWERS: AtomicBool = AtomicBool::new(false);
static STAMPS: AtomicBool = AtomicBool::new(false);
/// How far it has jumped, in its ticks.
static JUMPED: AtomicI64 = AtomicI64::new(0);
static LAST_STAMP: AtomicU64 = AtomicU64::new(0);
/// The host's counter when the last stamp was taken.
static LAST_HOST: AtomicU64 = AtomicU64::new(0);
static READ: AtomicU64 = AtomicU64::new(0);

/// The host's counter, which it is made of.
pub(crate) fn counter() -> HostCounter {
    static COUNTER: OnceLock<HostCounter> = OnceLock::new();
    *COUNTER.get_or_init(HostCounter::best)
}

fn at(host: u64) -> u64 {
    let ticks =
        u128::from(host) * u128::from(TICKS_PER_S) / u128::from(counter().info().ticks_per_s);
    (ticks as u64).wrapping_add_signed(JUMPED.load(SeqCst))
}

/// From here on frames are stamped by it, and, where `answers`, DPDK's call reads it.
pub(crate) fn begin(answers: bool) {
    STAMPS.store(true, SeqCst);
    ANSWERS.store(answers, SeqCst);
}

pub(crate) fn stamps() -> bool {
    STAMPS.load(SeqCst)
}

/// It jumps, stamps and readings alike.
pub(crate) fn jump(seconds: i64) {
    JUMPED.fetch_add(seconds * TICKS_PER_S.cast_signed(), SeqCst);
}

/// How often it was read.
pub(crate) fn readings() -> u64 {
    READ.load(SeqCst)
}

/// A stamp, off by so many seconds.
pub(crate) fn stamp_off_by(seconds: i64) -> u64 {
    let host = counter().now();
    let stamp = at(host).wrapping_add_signed(seconds * TICKS_PER_S.cast_signed());
    LAST_HOST.store(host, SeqCst);
    LAST_STAMP.store(stamp, SeqCst);
    stamp
}

pub(crate) fn last_stamp() -> u64 {
    LAST_STAMP.load(SeqCst)
}

/// When the last stamp was taken, by the host's counter.
pub(crate) fn last_stamp_taken_at() -> u64 {
    LAST_HOST.load(SeqCst)
}

/// In this program, DPDK's function of this name is this one.
#[unsafe(no_mangle)]
unsafe extern "C" fn rte_eth_read_clock(port: u16, clock: *mut u64) -> c_int {
    if ANSWERS.load(SeqCst) {
        READ.fetch_add(1, SeqCst);
        // SAFETY: the caller has a number to write to.
        unsafe { clock.write(at(counter().now())) };
        return 0;
    }
    type ReadClock = unsafe extern "C" fn(u16, *mut u64) -> c_int;
    // SAFETY: the name is a C string.
    let next = unsafe { libc::dlsym(libc::RTLD_NEXT, c"rte_eth_read_clock".as_ptr()) };
    assert!(!next.is_null(), "DPDK's own");
    // SAFETY: it is DPDK's own, of this shape (rte_ethdev.h).
    let next: ReadClock = unsafe { transmute(next) };
    // SAFETY: what the caller vouches for goes along.
    unsafe { next(port, clock) }
}
