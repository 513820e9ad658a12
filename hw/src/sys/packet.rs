//! Packet sockets, and the stamps that the kernel and its drivers put beside what these receive (packet(7), the kernel's
//! Documentation/networking/timestamping.rst).
#![allow(unsafe_code)]

use std::io;
use std::mem::{size_of, size_of_val};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use libc::{c_int, c_void, socklen_t};

use super::{INTERFACE_NAME_ROOM, done, terminated};

/// Every protocol, in network order.
const ALL_PROTOCOLS: u16 = (libc::ETH_P_ALL as u16).to_be();
/// `PACKET_VNET_HDR` of linux/if_packet.h, which the libc crate lacks: a virtio-net header stands before each frame.
const PACKET_VNET_HDR: c_int = 15;
/// The length of that header in bytes, and where its `gso_type` stands (`struct virtio_net_hdr`, VIRTIO 1.3, 5.1.6).
const VNET_HEADER_LEN: usize = 10;
const GSO_TYPE_AT: usize = 1;
/// `VIRTIO_NET_HDR_GSO_NONE`: a frame as it was on the wire.
const GSO_NONE: u8 = 0;
/// Control messages of one frame: three times, and room to spare. As words, for their alignment.
const CONTROL_WORDS: usize = 32;

/// The kernel's `struct hwtstamp_config`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StampConfig {
    pub(crate) flags: c_int,
    pub(crate) tx_type: c_int,
    pub(crate) rx_filter: c_int,
}

impl StampConfig {
    /// Every received frame is stamped (HWTSTAMP_FILTER_ALL).
    pub(crate) const ALL_RECEIVED: c_int = 1;
}

/// The kernel's `struct ifreq` whose value is a pointer.
#[repr(C)]
struct StampRequest {
    name: [u8; INTERFACE_NAME_ROOM],
    config: *mut StampConfig,
    rest: [u8; 24 - size_of::<*mut StampConfig>()],
}

const _: () = assert!(size_of::<StampRequest>() >= size_of::<libc::ifreq>());

/// What an interface stamps in hardware (SIOCGHWTSTAMP).
pub(crate) fn stamp_config(socket: BorrowedFd<'_>, name: &str) -> io::Result<StampConfig> {
    let mut config = StampConfig::default();
    stamping(socket, name, libc::SIOCGHWTSTAMP as libc::Ioctl, &mut config)?;
    Ok(config)
}

/// Has an interface stamp in hardware, and says what it does (SIOCSHWTSTAMP; needs CAP_NET_ADMIN).
pub(crate) fn set_stamp_config(
    socket: BorrowedFd<'_>,
    name: &str,
    mut config: StampConfig,
) -> io::Result<StampConfig> {
    stamping(socket, name, libc::SIOCSHWTSTAMP as libc::Ioctl, &mut config)?;
    Ok(config)
}

fn stamping(
    socket: BorrowedFd<'_>,
    name: &str,
    number: libc::Ioctl,
    config: &mut StampConfig,
) -> io::Result<()> {
    let mut request =
        StampRequest { name: terminated(name), config: &raw mut *config, rest: [0; _] };
    // SAFETY: the request is as long as a `struct ifreq`; its pointer is to a whole `struct hwtstamp_config`, which is what
    // both requests make the kernel read and write, and both live until the call returns.
    done(unsafe { libc::ioctl(socket.as_raw_fd(), number, &raw mut request) })
}

/// A socket that gets every frame which passes the interface of this number, both ways, with stamps.
pub(crate) fn packet_socket(index: c_int, receive_len: c_int) -> io::Result<OwnedFd> {
    // Without a protocol nothing comes before it is bound.
    // SAFETY: socket(2) takes three numbers and touches no memory of ours.
    let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    done(fd)?;
    // SAFETY: the call above succeeded, so `fd` is open and nobody else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let stamps = libc::SOF_TIMESTAMPING_RX_HARDWARE
        | libc::SOF_TIMESTAMPING_RAW_HARDWARE
        | libc::SOF_TIMESTAMPING_RX_SOFTWARE
        | libc::SOF_TIMESTAMPING_SOFTWARE;
    set_option(&socket, (libc::SOL_SOCKET, libc::SO_TIMESTAMPING), &(stamps as c_int))?;
    set_option(&socket, (libc::SOL_PACKET, PACKET_VNET_HDR), &1_i32)?;
    // Without the privilege, as much as anybody may have.
    if set_option(&socket, (libc::SOL_SOCKET, libc::SO_RCVBUFFORCE), &receive_len).is_err() {
        set_option(&socket, (libc::SOL_SOCKET, libc::SO_RCVBUF), &receive_len)?;
    }
    let promiscuous = libc::packet_mreq {
        mr_ifindex: index,
        mr_type: libc::PACKET_MR_PROMISC as u16,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    set_option(&socket, (libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP), &promiscuous)?;
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: ALL_PROTOCOLS,
        sll_ifindex: index,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: the kernel reads one `struct sockaddr_ll`, which `address` is, and its length is given.
    done(unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast::<libc::sockaddr>(),
            size_of_val(&address) as socklen_t,
        )
    })?;
    Ok(socket)
}

fn set_option<T>(socket: &OwnedFd, (level, name): (c_int, c_int), value: &T) -> io::Result<()> {
    // SAFETY: the kernel reads as many bytes as `value` has, all of which are initialized: it is a number or a structure
    // without padding.
    done(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            ptr::from_ref(value).cast::<c_void>(),
            size_of::<T>() as socklen_t,
        )
    })
}

/// Frames that a packet socket had no room for since it was last asked (PACKET_STATISTICS).
pub(crate) fn packet_drops(socket: BorrowedFd<'_>) -> io::Result<u32> {
    // The kernel's `struct tpacket_stats`: packets, and drops.
    let mut counted = [0_u32; 2];
    let mut len = size_of_val(&counted) as socklen_t;
    // SAFETY: the kernel writes no more bytes than `len` says, which is how many `counted` has.
    done(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut counted).cast::<c_void>(),
            &raw mut len,
        )
    })?;
    Ok(counted[1])
}

/// What came with a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    /// How long the frame is, which may be more than there was room for.
    pub(crate) len: usize,
    /// The kernel's stamp, in ns by its clock of the time of day.
    pub(crate) by_kernel_ns: Option<u64>,
    /// The device's, in ns by its own clock.
    pub(crate) by_device_ns: Option<u64>,
    /// It is several segments that the kernel joined, or has not parted yet: one stamp for all of them.
    pub(crate) is_joined: bool,
}

/// The next frame that waits, if one does. One of segments that the header has no name for is joined, and of no length.
pub(crate) fn receive_stamped(
    socket: BorrowedFd<'_>,
    room: &mut [u8],
) -> io::Result<Option<Received>> {
    let mut control = [0_u64; CONTROL_WORDS];
    let mut vnet_header = [0_u8; VNET_HEADER_LEN];
    let mut pieces = [vnet_header.as_mut_slice(), room].map(|piece| libc::iovec {
        iov_base: piece.as_mut_ptr().cast::<c_void>(),
        iov_len: piece.len(),
    });
    // SAFETY: a `struct msghdr` of zeros is one without an address, pieces and control messages.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = pieces.as_mut_ptr();
    header.msg_iovlen = pieces.len() as _;
    header.msg_control = control.as_mut_ptr().cast::<c_void>();
    header.msg_controllen = size_of_val(&control) as _;
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
    // SAFETY: the header names two pieces, which are all of `vnet_header` and of `room`, and `control` with its length; all of them
    // live until the call returns, and the kernel writes no more than these lengths.
    let len = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) };
    let Ok(len) = usize::try_from(len) else {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            _ if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            // The frame is gone: the kernel's packet_recvmsg takes it off the queue before it writes the header.
            Some(libc::EINVAL) => Ok(Some(Received { is_joined: true, ..Received::default() })),
            _ => Err(error),
        };
    };
    let mut received = Received {
        len: len.saturating_sub(VNET_HEADER_LEN),
        is_joined: vnet_header[GSO_TYPE_AT] != GSO_NONE,
        ..Received::default()
    };
    // SAFETY: the header is as the kernel left it, and its control messages lie in `control`, which is alive.
    let mut message = unsafe { libc::CMSG_FIRSTHDR(&raw const header) };
    while !message.is_null() {
        // SAFETY: `message` is not null, and so points to a whole header within `control`, whose words align it.
        let of = unsafe { *message };
        if (of.cmsg_level, of.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) {
            // SAFETY: a message begins with its header, and the data lies behind that.
            let data = unsafe { libc::CMSG_DATA(message) }.cast::<[libc::timespec; 3]>();
            // SAFETY: SCM_TIMESTAMPING is three of `struct timespec` (timestamping.rst, 2.1), all of which the kernel has written.
            let times = unsafe { data.read_unaligned() };
            received.by_kernel_ns = ns(&times[0]);
            received.by_device_ns = ns(&times[2]);
        }
        // SAFETY: as for the first; `message` is one of the header's.
        message = unsafe { libc::CMSG_NXTHDR(&raw const header, message) };
    }
    Ok(Some(received))
}

/// A time that is none is zero.
fn ns(time: &libc::timespec) -> Option<u64> {
    let s = u64::try_from(time.tv_sec).ok()?;
    let ns = s.checked_mul(1_000_000_000)?.checked_add(u64::try_from(time.tv_nsec).ok()?)?;
    (ns > 0).then_some(ns)
}
