//! The edge to C: packetdrill's table of functions, and three functions of the C library that stand in
//! front of its own while this library is preloaded.
//!
//! packetdrill calls [`packetdrill_interface_init`] once, on its own thread, then the functions of the table
//! with the `userdata` that it was given there, from that thread and one other. Pointers that come with a
//! call are its arguments, valid for as long as the call lasts; sizes are given beside them.
//!
//! `fcntl` and `ioctl` are variadic there. On the platforms that Linux runs on with 64 bits an argument of a
//! variadic call lies where the third argument of any call does, and what is not given is not looked at.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_longlong, c_uint, c_ulong, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};

use fixwire::tcp::Endpoint;
use fixwire::time::{Duration, Instant};
use libc::{epoll_event, iovec, msghdr, pollfd, sockaddr, socklen_t, ssize_t, timeval};

use crate::calls::{Call, Outcome, Yield};
use crate::errno::Errno;
use crate::host::Host;
use crate::report::Report;
use crate::shared::Shared;
use crate::socket::{FD_FIRST, Watch};

type User = *mut c_void;

/// packetdrill's table, in its order.
#[repr(C)]
#[expect(
    missing_docs,
    reason = "each is the call of its name, with packetdrill's userdata in front"
)]
pub struct Interface {
    pub userdata: User,
    pub free: extern "C" fn(User),
    pub socket: extern "C" fn(User, c_int, c_int, c_int) -> c_int,
    pub bind: extern "C" fn(User, c_int, *const sockaddr, socklen_t) -> c_int,
    pub listen: extern "C" fn(User, c_int, c_int) -> c_int,
    pub accept: extern "C" fn(User, c_int, *mut sockaddr, *mut socklen_t) -> c_int,
    pub connect: extern "C" fn(User, c_int, *const sockaddr, socklen_t) -> c_int,
    pub read: extern "C" fn(User, c_int, *mut c_void, usize) -> ssize_t,
    pub readv: extern "C" fn(User, c_int, *const iovec, c_int) -> ssize_t,
    pub recv: extern "C" fn(User, c_int, *mut c_void, usize, c_int) -> ssize_t,
    pub recvfrom: extern "C" fn(
        User,
        c_int,
        *mut c_void,
        usize,
        c_int,
        *mut sockaddr,
        *mut socklen_t,
    ) -> ssize_t,
    pub recvmsg: extern "C" fn(User, c_int, *mut msghdr, c_int) -> ssize_t,
    pub write: extern "C" fn(User, c_int, *const c_void, usize) -> ssize_t,
    pub writev: extern "C" fn(User, c_int, *const iovec, c_int) -> ssize_t,
    pub send: extern "C" fn(User, c_int, *const c_void, usize, c_int) -> ssize_t,
    pub sendto: extern "C" fn(
        User,
        c_int,
        *const c_void,
        usize,
        c_int,
        *const sockaddr,
        socklen_t,
    ) -> ssize_t,
    pub sendmsg: extern "C" fn(User, c_int, *const msghdr, c_int) -> ssize_t,
    pub fcntl: extern "C" fn(User, c_int, c_int, c_int) -> c_int,
    pub ioctl: extern "C" fn(User, c_int, c_ulong, *mut c_int) -> c_int,
    pub close: extern "C" fn(User, c_int) -> c_int,
    pub shutdown: extern "C" fn(User, c_int, c_int) -> c_int,
    pub getsockopt: extern "C" fn(User, c_int, c_int, c_int, *mut c_void, *mut socklen_t) -> c_int,
    pub setsockopt: extern "C" fn(User, c_int, c_int, c_int, *const c_void, socklen_t) -> c_int,
    pub poll: extern "C" fn(User, *mut pollfd, c_ulong, c_int) -> c_int,
    pub netdev_send: extern "C" fn(User, *const c_void, usize) -> c_int,
    pub netdev_receive: extern "C" fn(User, *mut c_void, *mut usize, *mut c_longlong) -> c_int,
    pub usleep: extern "C" fn(User, c_uint) -> c_int,
    pub gettimeofday: extern "C" fn(User, *mut timeval, *mut c_void) -> c_int,
    pub epoll_create: extern "C" fn(User, c_int) -> c_int,
    pub epoll_ctl: extern "C" fn(User, c_int, c_int, c_int, *mut epoll_event) -> c_int,
    pub epoll_wait: extern "C" fn(User, c_int, *mut epoll_event, c_int, c_int) -> c_int,
    pub pipe: extern "C" fn(User, *mut c_int) -> c_int,
    pub splice: extern "C" fn(User, c_int, *mut i64, c_int, *mut i64, usize, c_uint) -> c_int,
}

/// The host of this process, for [`getsockopt`] and [`packetdrill_interface_init`]'s caller. packetdrill
/// makes one; it lives as long as the process.
static HOST: AtomicPtr<Shared> = AtomicPtr::new(std::ptr::null_mut());

/// Fills packetdrill's table.
///
/// # Safety
/// `flags` must be null or a C string, `interface` packetdrill's table.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn packetdrill_interface_init(
    flags: *const c_char,
    interface: *mut Interface,
) {
    let flags = if flags.is_null() {
        String::new()
    } else {
        // SAFETY: it is not null, and the caller says that it is a C string.
        unsafe { CStr::from_ptr(flags) }.to_string_lossy().into_owned()
    };
    // SAFETY: a system call without arguments that cannot fail.
    let tid = unsafe { libc::gettid() };
    let host = Host::new(&flags, Report::from_environment());
    let shared = Box::into_raw(Box::new(Shared::new(host, tid)));
    HOST.store(shared, Ordering::Release);
    let table = Interface {
        userdata: shared.cast(),
        free,
        socket,
        bind,
        listen,
        accept,
        connect,
        read,
        readv,
        recv,
        recvfrom,
        recvmsg,
        write,
        writev,
        send,
        sendto,
        sendmsg,
        fcntl,
        ioctl,
        close: close_socket,
        shutdown,
        getsockopt: get_option,
        setsockopt,
        poll,
        netdev_send,
        netdev_receive,
        usleep,
        gettimeofday,
        epoll_create,
        epoll_ctl,
        epoll_wait,
        pipe,
        splice,
    };
    // SAFETY: the caller says that it points to its table, which is this type; what lies there is not read.
    unsafe { interface.write(table) };
}

/// The host behind `userdata`.
fn host<'a>(user: User) -> &'a Shared {
    // SAFETY: packetdrill passes what `packetdrill_interface_init` gave it, a box that is never freed.
    unsafe { &*user.cast::<Shared>() }
}

/// The result as C has it: -1 and errno for an error.
fn answer(result: Result<i64, Errno>) -> i64 {
    result.unwrap_or_else(|Errno(number)| {
        // SAFETY: a call without arguments that cannot fail.
        let errno = unsafe { libc::__errno_location() };
        // SAFETY: this thread's errno, valid for as long as the thread lives.
        unsafe { errno.write(number) };
        -1
    })
}

fn int(result: Result<i64, Errno>) -> c_int {
    answer(result) as c_int
}

/// The bytes at a buffer that the caller only lets us read.
///
/// # Safety
/// `buffer` must be null or point to `len` bytes that stay until `'a` ends.
unsafe fn bytes_at<'a>(buffer: *const c_void, len: usize) -> Result<&'a [u8], Errno> {
    if buffer.is_null() {
        return if len == 0 { Ok(&[]) } else { Err(Errno(libc::EFAULT)) };
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(buffer.cast(), len) })
}

/// Copies to a buffer of the caller's.
///
/// # Safety
/// `buffer` must be null or point to as many bytes as `bytes` has.
unsafe fn copy_to(buffer: *mut c_void, bytes: &[u8]) -> Result<(), Errno> {
    if buffer.is_null() {
        return if bytes.is_empty() { Ok(()) } else { Err(Errno(libc::EFAULT)) };
    }
    // SAFETY: the caller's promise; what we copy from is ours.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.cast(), bytes.len()) };
    Ok(())
}

/// The endpoint that an address of the caller's names.
///
/// # Safety
/// `addr` must be null or point to `len` bytes.
unsafe fn endpoint_at(addr: *const sockaddr, len: socklen_t) -> Result<Endpoint, Errno> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { bytes_at(addr.cast(), len as usize) }?;
    let &[f0, f1, p0, p1, a, b, c, d] = bytes.first_chunk::<8>().ok_or(Errno(libc::EINVAL))?;
    if i32::from(u16::from_ne_bytes([f0, f1])) != libc::AF_INET {
        return Err(Errno(libc::EAFNOSUPPORT));
    }
    Ok(Endpoint { addr: [a, b, c, d].into(), port: u16::from_be_bytes([p0, p1]) })
}

/// Writes `endpoint` where a caller wants an address.
///
/// # Safety
/// `addr` and `len` must each be null or valid, and `*len` bytes be at `addr`.
unsafe fn put_endpoint(addr: *mut sockaddr, len: *mut socklen_t, endpoint: Endpoint) {
    let mut bytes = [0; size_of::<libc::sockaddr_in>()];
    bytes[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
    bytes[2..4].copy_from_slice(&endpoint.port.to_be_bytes());
    bytes[4..8].copy_from_slice(&endpoint.addr.octets());
    // SAFETY: the caller's promise.
    let Some(len) = (unsafe { len.as_mut() }) else { return };
    let fits = bytes.len().min(*len as usize);
    *len = bytes.len() as socklen_t;
    // SAFETY: the caller's promise: at least `fits` bytes.
    let _ = unsafe { copy_to(addr.cast(), &bytes[..fits]) };
}

/// A list of buffers of the caller's.
///
/// # Safety
/// `iov` must be null or point to `count` of them.
unsafe fn buffers_at<'a>(iov: *const iovec, count: usize) -> Result<&'a [iovec], Errno> {
    if iov.is_null() {
        return if count == 0 { Ok(&[]) } else { Err(Errno(libc::EFAULT)) };
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(iov, count) })
}

/// The flags of a read or write that are not offered, by name.
const FLAGS_REFUSED: [(c_int, &str); 9] = [
    (libc::MSG_OOB, "MSG_OOB"),
    (libc::MSG_TRUNC, "MSG_TRUNC"),
    (libc::MSG_CTRUNC, "MSG_CTRUNC"),
    (libc::MSG_ERRQUEUE, "MSG_ERRQUEUE"),
    (libc::MSG_MORE, "MSG_MORE"),
    (libc::MSG_EOR, "MSG_EOR"),
    (libc::MSG_FASTOPEN, "MSG_FASTOPEN"),
    (MSG_ZEROCOPY, "MSG_ZEROCOPY"),
    (libc::MSG_DONTROUTE, "MSG_DONTROUTE"),
];
/// `linux/socket.h`.
const MSG_ZEROCOPY: c_int = 0x400_0000;

/// Tells of flags that are not offered. Fast open and the error queue are refused; the others only say how
/// bytes are to be cut or owned, and are left out.
fn check_flags(shared: &Shared, flags: c_int) -> Result<(), Errno> {
    for (flag, name) in FLAGS_REFUSED {
        if flags & flag != 0 {
            shared.with(|host| host.report.needs(name));
        }
    }
    if flags & (libc::MSG_FASTOPEN | libc::MSG_ERRQUEUE | libc::MSG_OOB) != 0 {
        return Err(Errno(libc::EOPNOTSUPP));
    }
    Ok(())
}

fn read_bytes(shared: &Shared, fd: c_int, len: usize, flags: c_int) -> Result<Vec<u8>, Errno> {
    check_flags(shared, flags)?;
    let call = Call::Read {
        fd,
        len,
        peeks: flags & libc::MSG_PEEK != 0,
        waits_for_all: flags & libc::MSG_WAITALL != 0,
        may_not_wait: flags & libc::MSG_DONTWAIT != 0,
    };
    match shared.call(call)? {
        Yield::Bytes(bytes) => Ok(bytes),
        _ => Err(Errno(libc::EINVAL)),
    }
}

fn write_bytes(shared: &Shared, fd: c_int, bytes: Vec<u8>, flags: c_int) -> Result<i64, Errno> {
    check_flags(shared, flags)?;
    let may_not_wait = flags & libc::MSG_DONTWAIT != 0;
    match shared.call(Call::Write { fd, bytes, done: 0, may_not_wait })? {
        Yield::Written(count) => Ok(count as i64),
        _ => Err(Errno(libc::EINVAL)),
    }
}

/// Reads into a list of buffers.
///
/// # Safety
/// `iov` must be null or point to `count` buffers that may be written.
unsafe fn read_into(
    shared: &Shared,
    fd: c_int,
    iov: *const iovec,
    count: usize,
    flags: c_int,
) -> Result<i64, Errno> {
    // SAFETY: the caller's promise.
    let buffers = unsafe { buffers_at(iov, count) }?;
    if buffers.iter().any(|buffer| buffer.iov_base.is_null() && buffer.iov_len > 0) {
        return Err(Errno(libc::EFAULT));
    }
    let len = buffers.iter().map(|buffer| buffer.iov_len).sum();
    let bytes = read_bytes(shared, fd, len, flags)?;
    let mut rest = bytes.as_slice();
    for buffer in buffers {
        let (part, later) = rest.split_at(buffer.iov_len.min(rest.len()));
        rest = later;
        // SAFETY: the caller's promise; `part` is no longer than the buffer.
        unsafe { copy_to(buffer.iov_base, part) }?;
    }
    Ok(bytes.len() as i64)
}

/// Writes a list of buffers.
///
/// # Safety
/// `iov` must be null or point to `count` buffers.
unsafe fn write_from(
    shared: &Shared,
    fd: c_int,
    iov: *const iovec,
    count: usize,
    flags: c_int,
) -> Result<i64, Errno> {
    let mut bytes = Vec::new();
    // SAFETY: the caller's promise.
    for buffer in unsafe { buffers_at(iov, count) }? {
        // SAFETY: the same.
        bytes.extend_from_slice(unsafe { bytes_at(buffer.iov_base, buffer.iov_len) }?);
    }
    write_bytes(shared, fd, bytes, flags)
}

extern "C" fn free(_: User) {
    // The host outlives the table: the process ends next, and `getsockopt` may still be called.
}

extern "C" fn socket(user: User, domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    int(host(user).with(|host| host.new_socket(domain, kind, protocol)).map(i64::from))
}

extern "C" fn bind(user: User, fd: c_int, addr: *const sockaddr, len: socklen_t) -> c_int {
    // SAFETY: packetdrill's address and its length.
    let local = unsafe { endpoint_at(addr, len) };
    int(local.and_then(|local| host(user).with(|host| host.bind(fd, local))).map(|()| 0))
}

extern "C" fn listen(user: User, fd: c_int, backlog: c_int) -> c_int {
    int(host(user).with(|host| host.listen(fd, backlog)).map(|()| 0))
}

extern "C" fn accept(user: User, fd: c_int, addr: *mut sockaddr, len: *mut socklen_t) -> c_int {
    match host(user).call(Call::Accept { fd }) {
        Ok(Yield::Accepted(accepted, remote)) => {
            // SAFETY: packetdrill's room for an address, and its length.
            unsafe { put_endpoint(addr, len, remote) };
            accepted
        }
        outcome => int(done(outcome)),
    }
}

fn done(outcome: Outcome) -> Result<i64, Errno> {
    outcome.map(|_| 0)
}

extern "C" fn connect(user: User, fd: c_int, addr: *const sockaddr, len: socklen_t) -> c_int {
    // SAFETY: packetdrill's address and its length.
    let remote = unsafe { endpoint_at(addr, len) };
    let begun = remote
        .and_then(|remote| host(user).with(|host| host.connect(fd, Host::default_local(), remote)));
    int(begun.and_then(|()| done(host(user).call(Call::Connect { fd }))))
}

extern "C" fn read(user: User, fd: c_int, buffer: *mut c_void, len: usize) -> ssize_t {
    recv(user, fd, buffer, len, 0)
}

extern "C" fn readv(user: User, fd: c_int, iov: *const iovec, count: c_int) -> ssize_t {
    // SAFETY: packetdrill's buffers.
    answer(unsafe { read_into(host(user), fd, iov, count.max(0) as usize, 0) }) as ssize_t
}

extern "C" fn recv(
    user: User,
    fd: c_int,
    buffer: *mut c_void,
    len: usize,
    flags: c_int,
) -> ssize_t {
    let iov = iovec { iov_base: buffer, iov_len: len };
    // SAFETY: one buffer, packetdrill's, of the length that it says.
    answer(unsafe { read_into(host(user), fd, &raw const iov, 1, flags) }) as ssize_t
}

extern "C" fn recvfrom(
    user: User,
    fd: c_int,
    buffer: *mut c_void,
    len: usize,
    flags: c_int,
    _: *mut sockaddr,
    addr_len: *mut socklen_t,
) -> ssize_t {
    // SAFETY: packetdrill's room for a length. A stream tells no address.
    if let Some(addr_len) = unsafe { addr_len.as_mut() } {
        *addr_len = 0;
    }
    recv(user, fd, buffer, len, flags)
}

extern "C" fn recvmsg(user: User, fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t {
    // SAFETY: packetdrill's message.
    let Some(message) = (unsafe { message.as_mut() }) else {
        return answer(Err(Errno(libc::EFAULT))) as ssize_t;
    };
    (message.msg_namelen, message.msg_controllen, message.msg_flags) = (0, 0, 0);
    // SAFETY: its buffers.
    let read = unsafe { read_into(host(user), fd, message.msg_iov, message.msg_iovlen, flags) };
    answer(read) as ssize_t
}

extern "C" fn write(user: User, fd: c_int, buffer: *const c_void, len: usize) -> ssize_t {
    send(user, fd, buffer, len, 0)
}

extern "C" fn writev(user: User, fd: c_int, iov: *const iovec, count: c_int) -> ssize_t {
    // SAFETY: packetdrill's buffers.
    answer(unsafe { write_from(host(user), fd, iov, count.max(0) as usize, 0) }) as ssize_t
}

extern "C" fn send(
    user: User,
    fd: c_int,
    buffer: *const c_void,
    len: usize,
    flags: c_int,
) -> ssize_t {
    // SAFETY: packetdrill's buffer and its length.
    let bytes = unsafe { bytes_at(buffer, len) };
    answer(bytes.and_then(|bytes| write_bytes(host(user), fd, bytes.to_vec(), flags))) as ssize_t
}

extern "C" fn sendto(
    user: User,
    fd: c_int,
    buffer: *const c_void,
    len: usize,
    flags: c_int,
    _: *const sockaddr,
    _: socklen_t,
) -> ssize_t {
    send(user, fd, buffer, len, flags)
}

extern "C" fn sendmsg(user: User, fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
    // SAFETY: packetdrill's message.
    let Some(message) = (unsafe { message.as_ref() }) else {
        return answer(Err(Errno(libc::EFAULT))) as ssize_t;
    };
    if message.msg_controllen > 0 {
        host(user).with(|host| host.report.needs("control messages of sendmsg"));
    }
    // SAFETY: its buffers.
    let written = unsafe { write_from(host(user), fd, message.msg_iov, message.msg_iovlen, flags) };
    answer(written) as ssize_t
}

extern "C" fn fcntl(user: User, fd: c_int, command: c_int, argument: c_int) -> c_int {
    int(host(user).with(|host| host.fcntl(fd, command, argument)).map(i64::from))
}

extern "C" fn ioctl(user: User, fd: c_int, request: c_ulong, value: *mut c_int) -> c_int {
    let result = host(user).with(|host| host.ioctl(fd, request));
    int(result.map(|number| {
        // SAFETY: each request that is answered takes a pointer to an int, and packetdrill passes one.
        if let Some(value) = unsafe { value.as_mut() } {
            *value = number;
        }
        0
    }))
}

extern "C" fn close_socket(user: User, fd: c_int) -> c_int {
    let left = host(user).with(|host| host.close(fd));
    int(left.and_then(|left| left.map_or(Ok(0), |call| done(host(user).call(call)))))
}

extern "C" fn shutdown(user: User, fd: c_int, how: c_int) -> c_int {
    int(host(user).with(|host| host.shutdown(fd, how)).map(|()| 0))
}

extern "C" fn get_option(
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

extern "C" fn setsockopt(
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

/// When a wait of `timeout_ms` ends; never for a negative one.
fn until(user: User, timeout_ms: c_int) -> Option<Instant> {
    let timeout = Duration::from_ms(u64::try_from(timeout_ms).ok()?);
    Some(host(user).with(|host| host.now) + timeout)
}

extern "C" fn poll(user: User, fds: *mut pollfd, count: c_ulong, timeout_ms: c_int) -> c_int {
    if fds.is_null() {
        return int(Err(Errno(libc::EFAULT)));
    }
    // SAFETY: packetdrill's list and how long it is.
    let fds = unsafe { std::slice::from_raw_parts_mut(fds, count as usize) };
    let asked = fds.iter().map(|poll| (poll.fd, poll.events)).collect();
    int(host(user).call(Call::Poll { asked, until: until(user, timeout_ms) }).map(|yielded| {
        let Yield::Ready(ready) = yielded else { return 0 };
        for (poll, events) in fds.iter_mut().zip(&ready) {
            poll.revents = *events;
        }
        ready.iter().filter(|events| **events != 0).count() as i64
    }))
}

extern "C" fn netdev_send(user: User, packet: *const c_void, len: usize) -> c_int {
    // SAFETY: packetdrill's packet and its length.
    let packet = unsafe { bytes_at(packet, len) };
    int(packet.map(|packet| {
        host(user).with(|host| host.on_packet(packet));
        0
    }))
}

extern "C" fn netdev_receive(
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

extern "C" fn usleep(user: User, us: c_uint) -> c_int {
    host(user).with(|host| host.sleep(Duration::from_us(u64::from(us))));
    0
}

extern "C" fn gettimeofday(user: User, time: *mut timeval, _: *mut c_void) -> c_int {
    let us = host(user).read_clock().as_ns() / 1000;
    // SAFETY: packetdrill's room for a time.
    if let Some(time) = unsafe { time.as_mut() } {
        time.tv_sec = (us / 1_000_000) as libc::time_t;
        time.tv_usec = (us % 1_000_000) as libc::suseconds_t;
    }
    0
}

extern "C" fn epoll_create(user: User, _: c_int) -> c_int {
    host(user).with(Host::epoll_create)
}

extern "C" fn epoll_ctl(
    user: User,
    set: c_int,
    op: c_int,
    fd: c_int,
    event: *mut epoll_event,
) -> c_int {
    // SAFETY: packetdrill's event, or null where it takes a descriptor out.
    let (events, data) =
        unsafe { event.as_ref() }.map_or((0, 0), |event| (event.events, event.u64));
    let watch = Watch { fd, events, data, told_at: None };
    int(host(user).with(|host| host.epoll_ctl(set, op, watch)).map(|()| 0))
}

extern "C" fn epoll_wait(
    user: User,
    fd: c_int,
    events: *mut epoll_event,
    max: c_int,
    timeout_ms: c_int,
) -> c_int {
    if max <= 0 || events.is_null() {
        return int(Err(Errno(libc::EINVAL)));
    }
    // SAFETY: packetdrill's list, of `max` events.
    let room = unsafe { std::slice::from_raw_parts_mut(events, max as usize) };
    let call = Call::EpollWait { fd, max: room.len(), until: until(user, timeout_ms) };
    int(host(user).call(call).map(|yielded| {
        let Yield::Events(happened) = yielded else { return 0 };
        for (place, (events, data)) in room.iter_mut().zip(&happened) {
            *place = epoll_event { events: *events, u64: *data };
        }
        happened.len() as i64
    }))
}

extern "C" fn pipe(user: User, _: *mut c_int) -> c_int {
    host(user).with(|host| host.report.needs("pipe and splice"));
    int(Err(Errno(libc::ENOSYS)))
}

extern "C" fn splice(
    user: User,
    _: c_int,
    _: *mut i64,
    _: c_int,
    _: *mut i64,
    _: usize,
    _: c_uint,
) -> c_int {
    host(user).with(|host| host.report.needs("pipe and splice"));
    int(Err(Errno(libc::ENOSYS)))
}

/// In front of the C library's: packetdrill asks it, not its table, for what a script's code looks at. A
/// descriptor of ours is answered here, any other by the kernel.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getsockopt(
    fd: c_int,
    level: c_int,
    option: c_int,
    value: *mut c_void,
    len: *mut socklen_t,
) -> c_int {
    let shared = HOST.load(Ordering::Acquire);
    if fd >= FD_FIRST && !shared.is_null() {
        return get_option(shared.cast(), fd, level, option, value, len);
    }
    // SAFETY: the caller's arguments, as they are.
    unsafe { libc::syscall(libc::SYS_getsockopt, fd, level, option, value, len) as c_int }
}

/// In front of the C library's: packetdrill closes so what a script leaves open.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn close(fd: c_int) -> c_int {
    let shared = HOST.load(Ordering::Acquire);
    if fd >= FD_FIRST && !shared.is_null() {
        return close_socket(shared.cast(), fd);
    }
    // SAFETY: the caller's argument, as it is.
    unsafe { libc::syscall(libc::SYS_close, fd) as c_int }
}

/// In front of the C library's: packetdrill pins its memory for the sake of real time, and asks for a right
/// that users seldom have. In virtual time nothing depends on it.
#[unsafe(no_mangle)]
pub extern "C" fn mlockall(_: c_int) -> c_int {
    0
}
