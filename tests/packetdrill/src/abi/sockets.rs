//! Sockets: their life and their options.

use std::ffi::{c_int, c_ulong, c_void};

use fixwire::tcp::Endpoint;
use libc::{sockaddr, socklen_t};

use super::memory::{bytes_at, copy_to, endpoint_at, put_endpoint};
use super::{User, done, host, int};
use crate::calls::{Call, Yield};
use crate::errno::Errno;
use crate::host::Host;

pub(super) extern "C" fn socket(user: User, domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    int(host(user).with(|host| host.new_socket(domain, kind, protocol)).map(i64::from))
}

/// Tells of an address that is not offered.
fn offered(user: User, endpoint: Result<Endpoint, Errno>) -> Result<Endpoint, Errno> {
    if endpoint == Err(Errno(libc::EAFNOSUPPORT)) {
        host(user).with(|host| host.report.needs("IPv6"));
    }
    endpoint
}

pub(super) extern "C" fn bind(
    user: User,
    fd: c_int,
    addr: *const sockaddr,
    len: socklen_t,
) -> c_int {
    // SAFETY: packetdrill's address and its length.
    let local = unsafe { endpoint_at(addr, len) };
    let local = offered(user, local);
    int(local.and_then(|local| host(user).with(|host| host.bind(fd, local))).map(|()| 0))
}

pub(super) extern "C" fn listen(user: User, fd: c_int, backlog: c_int) -> c_int {
    int(host(user).with(|host| host.listen(fd, backlog)).map(|()| 0))
}

pub(super) extern "C" fn accept(
    user: User,
    fd: c_int,
    addr: *mut sockaddr,
    len: *mut socklen_t,
) -> c_int {
    match host(user).call(Call::Accept { fd }) {
        Ok(Yield::Accepted(accepted, remote)) => {
            // SAFETY: packetdrill's room for an address, and its length.
            unsafe { put_endpoint(addr, len, remote, host(user).with(|host| host.is_v6(fd))) };
            accepted
        }
        outcome => int(done(outcome)),
    }
}

pub(super) extern "C" fn connect(
    user: User,
    fd: c_int,
    addr: *const sockaddr,
    len: socklen_t,
) -> c_int {
    // SAFETY: packetdrill's address and its length.
    let remote = unsafe { endpoint_at(addr, len) };
    let begun = offered(user, remote)
        .and_then(|remote| host(user).with(|host| host.connect(fd, Host::default_local(), remote)));
    int(begun.and_then(|()| done(host(user).call(Call::Connect { fd }))))
}

pub(super) extern "C" fn fcntl(user: User, fd: c_int, command: c_int, argument: c_int) -> c_int {
    int(host(user).with(|host| host.fcntl(fd, command, argument)).map(i64::from))
}

pub(super) extern "C" fn ioctl(
    user: User,
    fd: c_int,
    request: c_ulong,
    value: *mut c_int,
) -> c_int {
    let result = host(user).with(|host| host.ioctl(fd, request));
    int(result.map(|number| {
        // SAFETY: each request that is answered takes a pointer to an int, and packetdrill passes one.
        if let Some(value) = unsafe { value.as_mut() } {
            *value = number;
        }
        0
    }))
}

pub(super) extern "C" fn close(user: User, fd: c_int) -> c_int {
    let left = host(user).with(|host| host.close(fd));
    int(left.and_then(|left| left.map_or(Ok(0), |call| done(host(user).call(call)))))
}

pub(super) extern "C" fn shutdown(user: User, fd: c_int, how: c_int) -> c_int {
    int(host(user).with(|host| host.shutdown(fd, how)).map(|()| 0))
}

pub(super) extern "C" fn getsockopt(
    user: User,
    fd: c_int,
    level: c_int,
    option: c_int,
    value: *mut c_void,
    len: *mut socklen_t,
) -> c_int {
    // SAFETY: packetdrill's room for a length.
    let Some(len) = (unsafe { len.as_mut() }) else {
        return int(Err(Errno(libc::EFAULT)));
    };
    int(host(user).with(|host| host.option(fd, level, option)).and_then(|mut bytes| {
        let is_tcp_info = (level, option) == (libc::IPPROTO_TCP, libc::TCP_INFO);
        let asked = *len as usize;
        // What a caller asks for beyond what is known of a connection is zero.
        bytes.resize(if is_tcp_info { asked } else { asked.min(bytes.len()) }, 0);
        *len = bytes.len() as socklen_t;
        // SAFETY: packetdrill's room for a value, of at least the length that it said.
        unsafe { copy_to(value, &bytes) }.map(|()| 0)
    }))
}

pub(super) extern "C" fn setsockopt(
    user: User,
    fd: c_int,
    level: c_int,
    option: c_int,
    value: *const c_void,
    len: socklen_t,
) -> c_int {
    // SAFETY: packetdrill's value and its length.
    let value = unsafe { bytes_at(value, len as usize) };
    let set =
        value.and_then(|value| host(user).with(|host| host.set_option(fd, level, option, value)));
    int(set.map(|()| 0))
}
