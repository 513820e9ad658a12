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

/// Where the port and the IPv4 address lie in a `sockaddr_in6` that holds one, and what stands before it (RFC 4291
/// 2.5.5.2).
const MAPPED_AT: std::ops::Range<usize> = 8..20;
const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/// The endpoint that an address of the caller's names, an IPv4 one or one that is written as an IPv6 one.
///
/// # Safety
/// `addr` must be null or point to `len` bytes.
pub(super) unsafe fn endpoint_at(addr: *const sockaddr, len: socklen_t) -> Result<Endpoint, Errno> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { bytes_at(addr.cast(), len as usize) }?;
    let &[f0, f1, p0, p1, a, b, c, d] = bytes.first_chunk::<8>().ok_or(Errno(libc::EINVAL))?;
    let port = u16::from_be_bytes([p0, p1]);
    let mapped = || {
        let is_mapped = bytes.get(MAPPED_AT) == Some(&MAPPED[..]);
        bytes.get(MAPPED_AT.end..)?.first_chunk::<4>().filter(|_| is_mapped)
    };
    match i32::from(u16::from_ne_bytes([f0, f1])) {
        libc::AF_INET => Ok(Endpoint { addr: [a, b, c, d].into(), port }),
        libc::AF_INET6 => {
            let addr = mapped().ok_or(Errno(libc::EAFNOSUPPORT))?;
            Ok(Endpoint { addr: (*addr).into(), port })
        }
        _ => Err(Errno(libc::EAFNOSUPPORT)),
    }
}

/// Writes `endpoint` where a caller wants an address: as an IPv6 one to whoever opened such a socket.
///
/// # Safety
/// `addr` and `len` must each be null or valid, and `*len` bytes be at `addr`.
pub(super) unsafe fn put_endpoint(
    addr: *mut sockaddr,
    len: *mut socklen_t,
    endpoint: Endpoint,
    is_v6: bool,
) {
    let mut bytes = Vec::new();
    let family = if is_v6 { libc::AF_INET6 } else { libc::AF_INET };
    bytes.extend((family as u16).to_ne_bytes());
    bytes.extend(endpoint.port.to_be_bytes());
    if is_v6 {
        bytes.resize(MAPPED_AT.start, 0);
        bytes.extend(MAPPED);
    }
    bytes.extend(endpoint.addr.octets());
    let whole =
        if is_v6 { size_of::<libc::sockaddr_in6>() } else { size_of::<libc::sockaddr_in>() };
    bytes.resize(whole, 0);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_address_is_read_and_written_in_both_families() {
        let endpoint = Endpoint { addr: [192, 0, 2, 1].into(), port: 8080 };
        for (is_v6, whole) in [(false, 16), (true, 28)] {
            let mut bytes = [0xee; 32];
            let mut len = bytes.len() as socklen_t;
            // SAFETY: both are there, and `bytes` is as long as `len` says.
            unsafe { put_endpoint(bytes.as_mut_ptr().cast(), &raw mut len, endpoint, is_v6) };
            assert_eq!(len, whole);
            // SAFETY: `bytes` is longer than `len`.
            assert_eq!(unsafe { endpoint_at(bytes.as_ptr().cast(), len) }, Ok(endpoint));
        }
    }

    #[test]
    fn an_address_that_is_ipv6_alone_is_refused() {
        let mut bytes = [0; 28];
        bytes[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
        bytes[8] = 0xfd;
        // SAFETY: as long as it says.
        let read = unsafe { endpoint_at(bytes.as_ptr().cast(), 28) };
        assert_eq!(read, Err(Errno(libc::EAFNOSUPPORT)));
    }
}
