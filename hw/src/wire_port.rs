//! A second port of the kernel's that sees both directions of somebody else's wire: a mirror port's line, a tap's, or the very
//! interface that is traded over.
//!
//! Frames are read off a packet socket, by a thread that is none of the engine's, with the stamp that the port's hardware has put
//! beside each or, where it has none, the kernel's. Both are read off the same queue, and each says whose it is.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::sys::packet::{self, StampConfig};
use crate::sys::{self, Ask, InterfaceRequest};

/// Room for the longest frame that an interface hands over, in bytes: segments that the kernel has put together, too.
const FRAME_LEN_MAX: usize = 1 << 16;
/// Room for frames that wait to be read, in bytes.
const WAITING_LEN: i32 = 16 << 20;

/// Why there is no such port.
#[derive(Debug, thiserror::Error)]
pub enum WirePortError {
    /// No interface has this name.
    #[error(
        "there is no interface `{name}` to read the wire by ({source}); `ip link` lists those that there are"
    )]
    NoInterface {
        /// The name.
        name: String,
        /// What the kernel says.
        source: io::Error,
    },
    /// No packet socket.
    #[error(
        "the wire cannot be read by `{name}` ({source}): packet sockets need CAP_NET_RAW; run as root, or `setcap cap_net_raw+ep` the \
         program"
    )]
    NoSocket {
        /// The interface.
        name: String,
        /// What the kernel says.
        source: io::Error,
    },
}

/// When a frame passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassedAt {
    /// By the port's own clock, in ns since whatever that counts from.
    Device(u64),
    /// By the kernel's clock, as it took the frame over, in ns since 1970.
    Kernel(u64),
}

/// A frame that passed.
#[derive(Clone, Copy, Debug)]
pub struct Passed<'a> {
    /// From its destination address on.
    pub bytes: &'a [u8],
    /// Whether there was more of it.
    pub is_cut_off: bool,
    /// Whether it is several segments that the kernel joined on their way up (GRO), or has not parted yet (TSO, GSO): the stamp is
    /// of the first, and nobody says when the others passed.
    pub is_joined: bool,
    /// When, if anybody says.
    pub at: Option<PassedAt>,
}

/// A port that reads a wire.
#[derive(Debug)]
pub struct WirePort {
    name: String,
    socket: OwnedFd,
    room: Box<[u8]>,
    /// What it stamped before, where that was changed.
    before: Option<StampConfig>,
    /// Why its hardware stamps nothing.
    no_hardware: Option<io::Error>,
    dropped: u64,
}

impl WirePort {
    /// Opens the interface of this name in the namespace that the thread is in, and has its hardware stamp every frame, where it can.
    ///
    /// # Errors
    /// [`WirePortError`].
    pub fn open(name: &str) -> Result<WirePort, WirePortError> {
        let no_interface = |source| WirePortError::NoInterface { name: name.to_owned(), source };
        let no_socket = |source| WirePortError::NoSocket { name: name.to_owned(), source };
        if name.is_empty() || name.len() >= sys::INTERFACE_NAME_ROOM {
            return Err(no_interface(io::ErrorKind::InvalidInput.into()));
        }
        let control = sys::control_socket().map_err(no_socket)?;
        let mut request = InterfaceRequest::about(name);
        sys::ask(control.as_fd(), Ask::Index, &mut request).map_err(no_interface)?;
        let [a, b, c, d, ..] = request.value;
        let index = i32::from_ne_bytes([a, b, c, d]);
        let socket = packet::packet_socket(index, WAITING_LEN).map_err(no_socket)?;
        let (before, no_hardware) = match stamp_all(&control, name) {
            Ok(before) => (before, None),
            Err(error) => (None, Some(error)),
        };
        let room = vec![0; FRAME_LEN_MAX].into_boxed_slice();
        Ok(WirePort { name: name.to_owned(), socket, room, before, no_hardware, dropped: 0 })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why frames are stamped by the kernel and not in hardware, if they are.
    pub fn no_hardware(&self) -> Option<&io::Error> {
        self.no_hardware.as_ref()
    }

    /// Waits for a frame, so many milliseconds at the most.
    ///
    /// # Errors
    /// Those of the socket, such as that the interface is gone.
    pub fn wait(&self, timeout_ms: u16) -> io::Result<()> {
        sys::wait_readable([self.socket.as_fd()], timeout_ms)
    }

    /// The next frame, in the order in which they were read off the port, if one waits.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn next_frame(&mut self) -> io::Result<Option<Passed<'_>>> {
        let Some(received) = packet::receive_stamped(self.socket.as_fd(), &mut self.room)? else {
            return Ok(None);
        };
        let len = received.len.min(self.room.len());
        let by_device = received.by_device_ns.map(PassedAt::Device);
        Ok(Some(Passed {
            bytes: &self.room[..len],
            is_cut_off: received.len > len,
            is_joined: received.is_joined,
            at: by_device.or(received.by_kernel_ns.map(PassedAt::Kernel)),
        }))
    }

    /// Frames so far that found no room to wait in.
    pub fn dropped(&mut self) -> u64 {
        self.dropped += packet::packet_drops(self.socket.as_fd()).map_or(0, u64::from);
        self.dropped
    }
}

/// Says what it stamped before, if that is changed.
fn stamp_all(control: &OwnedFd, name: &str) -> io::Result<Option<StampConfig>> {
    let before = packet::stamp_config(control.as_fd(), name).unwrap_or_default();
    if before.rx_filter == StampConfig::ALL_RECEIVED {
        return Ok(None);
    }
    let wanted = StampConfig { rx_filter: StampConfig::ALL_RECEIVED, ..before };
    let got = packet::set_stamp_config(control.as_fd(), name, wanted)?;
    if got.rx_filter != StampConfig::ALL_RECEIVED {
        // Some frames are stamped, and FIX is not among them.
        let _ = packet::set_stamp_config(control.as_fd(), name, before);
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(Some(before))
}

impl Drop for WirePort {
    fn drop(&mut self) {
        if let (Some(before), Ok(control)) = (self.before, sys::control_socket()) {
            let _ = packet::set_stamp_config(control.as_fd(), &self.name, before);
        }
    }
}
