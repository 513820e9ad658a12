//! What packetdrill's pointers point to.

use std::ffi::c_void;

use fixwire::tcp::Endpoint;
use libc::{cmsghdr, iovec, msghdr, sockaddr, socklen_t};

use crate::errno::Errno;
use crate::notices::Control;

/// The bytes at a buffer that the caller only lets us read.
///
/// # Safety
/// `buffer` must be null or point to `len` bytes that stay until `'a` ends.
pub(super) unsafe fn bytes_at<'a>(buffer: *const c_void, len: usize) -> Result<&'a [u8], Errno> {
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
pub(super) unsafe fn copy_to(buffer: *mut c_void, bytes: &[u8]) -> Result<(), Errno> {
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
pub(super) unsafe fn endpoint_at(addr: *const sockaddr, len: socklen_t) -> Result<Endpoint, Errno> {
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
pub(super) unsafe fn put_endpoint(addr: *mut sockaddr, len: *mut socklen_t, endpoint: Endpoint) {
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
pub(super) unsafe fn buffers_at<'a>(iov: *const iovec, count: usize) -> Result<&'a [iovec], Errno> {
    if iov.is_null() {
        return if count == 0 { Ok(&[]) } else { Err(Errno(libc::EFAULT)) };
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(iov, count) })
}

/// Writes ancillary data where a caller wants it, as much of it as fits whole.
///
/// # Safety
/// `message.msg_control` must be null or point to `message.msg_controllen` bytes.
pub(super) unsafe fn put_controls(message: &mut msghdr, controls: &[Control]) {
    let mut bytes = Vec::new();
    for Control { level, kind, data } in controls {
        // Each begins at a multiple of the header's own alignment.
        bytes.extend((size_of::<cmsghdr>() + data.len()).to_ne_bytes());
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(align_of::<cmsghdr>()), 0);
    }
    if bytes.len() > message.msg_controllen {
        message.msg_flags |= libc::MSG_CTRUNC;
        bytes.clear();
    }
    message.msg_controllen = bytes.len();
    // SAFETY: the caller's promise: at least so many bytes.
    let _ = unsafe { copy_to(message.msg_control, &bytes) };
}
