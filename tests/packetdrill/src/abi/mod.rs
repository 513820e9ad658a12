//! The edge to C: packetdrill's table of functions, and functions of the C library that stand in
//! front of its own while this library is preloaded.
//!
//! packetdrill calls [`packetdrill_interface_init`] once, on its own thread, then the functions of the table
//! with the `userdata` that it was given there, from that thread and one other. Pointers that come with a
//! call are its arguments, valid for as long as the call lasts; sizes are given beside them: `memory` reads and
//! writes there. `sockets`, `transfer`, `waits` and `wire` are the functions, `preloaded` those of the C
//! library.
//!
//! `fcntl` and `ioctl` are variadic there. On the platforms that Linux runs on with 64 bits an argument of a
//! variadic call lies where the third argument of any call does, and what is not given is not looked at.
#![allow(unsafe_code)]

mod memory;
pub mod preloaded;
mod sockets;
mod transfer;
mod waits;
mod wire;

use std::ffi::{CStr, c_char, c_int, c_longlong, c_uint, c_ulong, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};

use libc::{epoll_event, iovec, msghdr, pollfd, sockaddr, socklen_t, ssize_t, timeval};

use crate::calls::Outcome;
use crate::errno::Errno;
use crate::host::Host;
use crate::report::Report;
use crate::shared::Shared;

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
    let host = Host::new(&flags, Report::from_environment());
    let shared = Box::into_raw(Box::new(Shared::new(host, thread_id())));
    HOST.store(shared, Ordering::Release);
    let table = Interface {
        userdata: shared.cast(),
        free,
        socket: sockets::socket,
        bind: sockets::bind,
        listen: sockets::listen,
        accept: sockets::accept,
        connect: sockets::connect,
        read: transfer::read,
        readv: transfer::readv,
        recv: transfer::recv,
        recvfrom: transfer::recvfrom,
        recvmsg: transfer::recvmsg,
        write: transfer::write,
        writev: transfer::writev,
        send: transfer::send,
        sendto: transfer::sendto,
        sendmsg: transfer::sendmsg,
        fcntl: sockets::fcntl,
        ioctl: sockets::ioctl,
        close: sockets::close,
        shutdown: sockets::shutdown,
        getsockopt: sockets::getsockopt,
        setsockopt: sockets::setsockopt,
        poll: waits::poll,
        netdev_send: wire::netdev_send,
        netdev_receive: wire::netdev_receive,
        usleep: wire::usleep,
        gettimeofday: wire::gettimeofday,
        epoll_create: waits::epoll_create,
        epoll_ctl: waits::epoll_ctl,
        epoll_wait: waits::epoll_wait,
        pipe: transfer::pipe,
        splice: transfer::splice,
    };
    // SAFETY: the caller says that it points to its table, which is this type; what lies there is not read.
    unsafe { interface.write(table) };
}

/// This thread, as the kernel knows it.
pub(crate) fn thread_id() -> i32 {
    // SAFETY: a system call without arguments that cannot fail.
    unsafe { libc::gettid() }
}

extern "C" fn free(_: User) {
    // The host outlives the table: the process ends next, and `getsockopt` may still be called.
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

fn done(outcome: Outcome) -> Result<i64, Errno> {
    outcome.map(|_| 0)
}
