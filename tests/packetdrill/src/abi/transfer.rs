//! Bytes in and out.

use std::ffi::{c_int, c_uint, c_void};

use libc::{iovec, msghdr, sockaddr, socklen_t, ssize_t};

use super::memory::{buffers_at, bytes_at, copy_to, put_controls};
use super::{User, answer, host, int};
use crate::calls::{Call, Yield};
use crate::errno::Errno;
use crate::shared::Shared;

/// The flags of a read or write that are not offered, by name.
const FLAGS_REFUSED: [(c_int, &str); 5] = [
    (libc::MSG_OOB, "MSG_OOB"),
    (libc::MSG_TRUNC, "MSG_TRUNC"),
    (libc::MSG_CTRUNC, "MSG_CTRUNC"),
    (libc::MSG_FASTOPEN, "MSG_FASTOPEN"),
    (libc::MSG_DONTROUTE, "MSG_DONTROUTE"),
];

/// Tells of flags that are not offered. Fast open and urgent data are refused; the others only say how
/// bytes are to be cut, and are left out.
fn check_flags(shared: &Shared, flags: c_int) -> Result<(), Errno> {
    for (flag, name) in FLAGS_REFUSED {
        if flags & flag != 0 {
            shared.with(|host| host.report.needs(name));
        }
    }
    if flags & (libc::MSG_FASTOPEN | libc::MSG_OOB) != 0 {
        return Err(Errno(libc::EOPNOTSUPP));
    }
    Ok(())
}

fn read_bytes(shared: &Shared, fd: c_int, len: usize, flags: c_int) -> Result<Vec<u8>, Errno> {
    check_flags(shared, flags)?;
    if flags & libc::MSG_ERRQUEUE != 0 {
        return shared.with(|host| host.take_notice(fd)).map(|_| Vec::new());
    }
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
    match shared.call(Call::Write { fd, bytes, done: 0, flags, has_waited: false })? {
        Yield::Written(count) => Ok(count as i64),
        _ => Err(Errno(libc::EINVAL)),
    }
}

/// Does something with a list of buffers.
///
/// # Safety
/// `iov` must be null or point to `count` buffers, which may be read, and written where `act` writes.
unsafe fn with_buffers(
    iov: *const iovec,
    count: usize,
    act: impl FnOnce(&[iovec]) -> Result<i64, Errno>,
) -> ssize_t {
    // SAFETY: the caller's promise.
    answer(unsafe { buffers_at(iov, count) }.and_then(act)) as ssize_t
}

/// Reads into buffers, which may be written: the promise of [`with_buffers`].
fn read_into(shared: &Shared, fd: c_int, buffers: &[iovec], flags: c_int) -> Result<i64, Errno> {
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

/// Writes buffers: the promise of [`with_buffers`].
fn write_from(shared: &Shared, fd: c_int, buffers: &[iovec], flags: c_int) -> Result<i64, Errno> {
    let mut bytes = Vec::new();
    for buffer in buffers {
        // SAFETY: the caller's promise.
        bytes.extend_from_slice(unsafe { bytes_at(buffer.iov_base, buffer.iov_len) }?);
    }
    write_bytes(shared, fd, bytes, flags)
}

pub(super) extern "C" fn read(user: User, fd: c_int, buffer: *mut c_void, len: usize) -> ssize_t {
    recv(user, fd, buffer, len, 0)
}

pub(super) extern "C" fn readv(user: User, fd: c_int, iov: *const iovec, count: c_int) -> ssize_t {
    let read = |buffers: &[iovec]| read_into(host(user), fd, buffers, 0);
    // SAFETY: packetdrill's buffers.
    unsafe { with_buffers(iov, count.max(0) as usize, read) }
}

pub(super) extern "C" fn recv(
    user: User,
    fd: c_int,
    buffer: *mut c_void,
    len: usize,
    flags: c_int,
) -> ssize_t {
    let one = iovec { iov_base: buffer, iov_len: len };
    let read = |buffers: &[iovec]| read_into(host(user), fd, buffers, flags);
    // SAFETY: one buffer, packetdrill's, of the length that it says.
    unsafe { with_buffers(&raw const one, 1, read) }
}

pub(super) extern "C" fn recvfrom(
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

pub(super) extern "C" fn recvmsg(
    user: User,
    fd: c_int,
    message: *mut msghdr,
    flags: c_int,
) -> ssize_t {
    // SAFETY: packetdrill's message.
    let Some(message) = (unsafe { message.as_mut() }) else {
        return answer(Err(Errno(libc::EFAULT))) as ssize_t;
    };
    if flags & libc::MSG_ERRQUEUE != 0 {
        return answer(take_notice(host(user), fd, message)) as ssize_t;
    }
    let read = |buffers: &[iovec]| read_into(host(user), fd, buffers, flags);
    // SAFETY: its buffers.
    let read = unsafe { with_buffers(message.msg_iov, message.msg_iovlen, read) };
    if read >= 0 {
        let unread = host(user).with(|host| host.unread_control(fd));
        (message.msg_namelen, message.msg_flags) = (0, 0);
        // SAFETY: packetdrill's message.
        unsafe { put_controls(message, unread.as_slice()) };
    }
    read
}

/// The oldest notice of the error queue, into `message`.
fn take_notice(shared: &Shared, fd: c_int, message: &mut msghdr) -> Result<i64, Errno> {
    let (controls, flags) = shared.with(|host| host.take_notice(fd))?;
    message.msg_namelen = 0;
    message.msg_flags = flags;
    // SAFETY: packetdrill's message.
    unsafe { put_controls(message, &controls) };
    Ok(0)
}

pub(super) extern "C" fn write(
    user: User,
    fd: c_int,
    buffer: *const c_void,
    len: usize,
) -> ssize_t {
    send(user, fd, buffer, len, 0)
}

pub(super) extern "C" fn writev(user: User, fd: c_int, iov: *const iovec, count: c_int) -> ssize_t {
    let write = |buffers: &[iovec]| write_from(host(user), fd, buffers, 0);
    // SAFETY: packetdrill's buffers.
    unsafe { with_buffers(iov, count.max(0) as usize, write) }
}

pub(super) extern "C" fn send(
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

pub(super) extern "C" fn sendto(
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

pub(super) extern "C" fn sendmsg(
    user: User,
    fd: c_int,
    message: *const msghdr,
    flags: c_int,
) -> ssize_t {
    // SAFETY: packetdrill's message.
    let Some(message) = (unsafe { message.as_ref() }) else {
        return answer(Err(Errno(libc::EFAULT))) as ssize_t;
    };
    if message.msg_controllen > 0 {
        host(user).with(|host| host.report.needs("control messages of sendmsg"));
    }
    let write = |buffers: &[iovec]| write_from(host(user), fd, buffers, flags);
    // SAFETY: its buffers.
    unsafe { with_buffers(message.msg_iov, message.msg_iovlen, write) }
}

/// Sends `len` bytes of a file of the kernel's, from `offset` on or from where it stands.
pub(super) fn send_file(
    shared: &Shared,
    fd: c_int,
    file: c_int,
    offset: Option<&mut i64>,
    len: usize,
) -> ssize_t {
    let mut bytes = vec![0; len];
    let room = bytes.as_mut_ptr().cast();
    let read = match &offset {
        // SAFETY: as many bytes as `room` has.
        Some(offset) => unsafe { libc::pread64(file, room, len, **offset) },
        // SAFETY: the same.
        None => unsafe { libc::read(file, room, len) },
    };
    let Ok(read) = usize::try_from(read) else { return -1 };
    bytes.truncate(read);
    let written = write_bytes(shared, fd, bytes, 0);
    if let (Some(offset), Ok(written)) = (offset, written) {
        *offset += written;
    }
    answer(written) as ssize_t
}

pub(super) extern "C" fn pipe(user: User, _: *mut c_int) -> c_int {
    host(user).with(|host| host.report.needs("pipe and splice"));
    int(Err(Errno(libc::ENOSYS)))
}

pub(super) extern "C" fn splice(
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
