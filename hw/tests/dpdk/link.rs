//! What a look at a port that runs costs the thread that polls: no call of the kernel's, nor a word with the driver.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::{c_int, c_ulong, c_void};
use std::process::Command;

use dpdk_sys as ffi;
use fixwire_hw::tap::namespace;
use fixwire_offload::nic::{Link, Nic as _};
use fixwire_offload::profile::{Policy, Profile};

use crate::its_rules::{in_place_of, own};
use crate::several::running;
use crate::{eventually, harness, open};

thread_local! {
    /// Calls by this thread.
    static IOCTLS: Cell<u32> = const { Cell::new(0) };
    static STATS: Cell<u32> = const { Cell::new(0) };
}

fn count(of: &'static std::thread::LocalKey<Cell<u32>>) {
    // There is none any more in a thread that ends.
    let _ = of.try_with(|count| count.set(count.get() + 1));
}

type Ioctl = unsafe extern "C" fn(c_int, c_ulong, *mut c_void) -> c_int;

/// The C library's, which takes one argument of whatever kind.
#[unsafe(no_mangle)]
unsafe extern "C" fn ioctl(file: c_int, request: c_ulong, argument: *mut c_void) -> c_int {
    count(&IOCTLS);
    // SAFETY: it is of this shape (ioctl(2)).
    let ask: Ioctl = unsafe { own(c"ioctl") };
    // SAFETY: what the caller vouches for goes along.
    unsafe { ask(file, request, argument) }
}

in_place_of!(rte_eth_stats_get(port: u16, stats: *mut ffi::rte_eth_stats) -> c_int, {
    count(&STATS);
    None
});

fn set(interface: &str, state: &str) {
    let set = Command::new("ip").args(["link", "set", interface, state]).status().unwrap();
    assert!(set.success());
}

pub(crate) fn a_look_at_a_driver_that_tells_of_its_link_calls_nobody() {
    if let Err(error) = namespace::enter() {
        harness::skip(&error.to_string());
    }
    let profile = Profile::all(Policy::Prefer);
    let mut nic = running(open("net_tap0,iface=dtap0", &profile).unwrap(), &profile);
    assert_eq!(nic.link(), Link::Up);
    let counts = || (IOCTLS.get(), STATS.get());
    let before = counts();
    assert!(before.0 > 0, "setting it up takes some");
    for _ in 0..20 {
        assert_eq!(nic.link(), Link::Up);
        let _ = nic.rx_frames();
    }
    // Another thread of DPDK's hears of it.
    set("dtap0", "down");
    eventually("the link that is down", || (nic.link() == Link::Down).then_some(()));
    set("dtap0", "up");
    eventually("the link that is up", || (nic.link() == Link::Up).then_some(()));
    assert_eq!(counts(), before);
    let _ = nic.counters();
    assert_eq!(counts().1, before.1 + 1, "these are the driver's");
    assert_eq!(nic.close(), Some(0));
}
