//! The wire and the clock.

use std::ffi::{c_int, c_longlong, c_uint, c_void};

use fixwire::time::Duration;
use libc::timeval;

use super::memory::{bytes_at, copy_to};
use super::{User, host, int};
use crate::host::Host;

pub(super) extern "C" fn netdev_send(user: User, packet: *const c_void, len: usize) -> c_int {
    // SAFETY: packetdrill's packet and its length.
    let packet = unsafe { bytes_at(packet, len) };
    int(packet.map(|packet| {
        host(user).with(|host| host.on_packet(packet));
        0
    }))
}

pub(super) extern "C" fn netdev_receive(
    user: User,
    buffer: *mut c_void,
    len: *mut usize,
    time_us: *mut c_longlong,
) -> c_int {
    // SAFETY: packetdrill's room for a length.
    let len = unsafe { len.as_mut() };
    // SAFETY: and for a time.
    let time_us = unsafe { time_us.as_mut() };
    let (Some(len), Some(time_us)) = (len, time_us) else { return -1 };
    let Some((at, packet)) = host(user).with(Host::sniff) else {
        // packetdrill would ask again without end. Its own way to end says which line of the script waits.
        eprintln!("fixwire: no packet will leave any more, however long the script waits");
        *len = 0;
        return 0;
    };
    let fits = packet.len().min(*len);
    *len = fits;
    *time_us = (at.as_ns() / 1000) as c_longlong;
    // SAFETY: packetdrill's buffer, as long as `len` said.
    int(unsafe { copy_to(buffer, &packet[..fits]) }.map(|()| 0))
}

pub(super) extern "C" fn usleep(user: User, us: c_uint) -> c_int {
    host(user).sleep(Duration::from_us(u64::from(us)));
    0
}

pub(super) extern "C" fn gettimeofday(user: User, time: *mut timeval, _: *mut c_void) -> c_int {
    let us = host(user).read_clock().as_ns() / 1000;
    // SAFETY: packetdrill's room for a time.
    if let Some(time) = unsafe { time.as_mut() } {
        time.tv_sec = (us / 1_000_000) as libc::time_t;
        time.tv_usec = (us % 1_000_000) as libc::suseconds_t;
    }
    0
}
