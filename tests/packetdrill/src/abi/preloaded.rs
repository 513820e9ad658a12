//! Functions of the C library's that stand in front of its own.

use std::ffi::{c_int, c_void};
use std::sync::atomic::Ordering;

use libc::{socklen_t, ssize_t};

use super::{HOST, sockets, transfer};
use crate::socket::FD_FIRST;

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
        return sockets::getsockopt(shared.cast(), fd, level, option, value, len);
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
        return sockets::close(shared.cast(), fd);
    }
    // SAFETY: the caller's argument, as it is.
    unsafe { libc::syscall(libc::SYS_close, fd) as c_int }
}

/// In front of the C library's, as its table has no place for it: the file is the kernel's, the socket ours.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendfile(fd: c_int, file: c_int, offset: *mut i64, len: usize) -> ssize_t {
    let shared = HOST.load(Ordering::Acquire);
    if fd < FD_FIRST || shared.is_null() {
        // SAFETY: the caller's arguments, as they are.
        return unsafe { libc::syscall(libc::SYS_sendfile, fd, file, offset, len) as ssize_t };
    }
    // SAFETY: the caller's place for an offset, or none.
    let offset = unsafe { offset.as_mut() };
    // SAFETY: it is not null, and the host is never freed.
    transfer::send_file(unsafe { &*shared }, fd, file, offset, len)
}

/// The same by the name that it has for whoever builds for large files.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendfile64(
    fd: c_int,
    file: c_int,
    offset: *mut i64,
    len: usize,
) -> ssize_t {
    // SAFETY: the caller's arguments, as they are.
    unsafe { sendfile(fd, file, offset, len) }
}

/// In front of the C library's: packetdrill pins its memory for the sake of real time, and asks for a right
/// that users seldom have. In virtual time nothing depends on it.
#[unsafe(no_mangle)]
pub extern "C" fn mlockall(_: c_int) -> c_int {
    0
}
