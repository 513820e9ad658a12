//! The fence of this program: a socket option that the standard library does not know.
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::net::TcpStream;
use std::os::fd::AsRawFd;

/// Has the kernel look at the device itself for so long whenever nothing is there to be read (SO_BUSY_POLL).
pub(crate) fn set(stream: &TcpStream, microseconds: u32) -> io::Result<()> {
    let value = libc::c_int::try_from(microseconds).unwrap_or(libc::c_int::MAX);
    let len = mem::size_of_val(&value) as libc::socklen_t;
    // SAFETY: the socket is open, and the option is a number of that length.
    let answer = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_BUSY_POLL,
            (&raw const value).cast(),
            len,
        )
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
