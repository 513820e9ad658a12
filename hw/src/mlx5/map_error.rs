//! Why a device's registers cannot be read, and what to do about it, a sentence each.

use std::io;

/// Why there is no initialization segment to read.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// It is not how a PCI device is called.
    #[error("`{address}` is not a PCI address: it reads as `0000:3b:00.0` (`lspci -D` lists them)")]
    AddressInvalid {
        /// What was given.
        address: String,
    },
    /// There is no device at that address.
    #[error("there is no PCI device at {address}: `lspci -D` lists them")]
    NoSuchDevice {
        /// Its address.
        address: String,
    },
    /// Another vendor's, whose registers mean something else.
    #[error(
        "the device at {address} is not Mellanox's (its vendor is {vendor}, not 0x15b3): give a \
         ConnectX's address (`lspci -D -d 15b3:`)"
    )]
    NotMellanox {
        /// Its address.
        address: String,
        /// The vendor, as the kernel writes it.
        vendor: String,
    },
    /// Only root may open it.
    #[error("the registers of {address} may be opened by root alone: run as root")]
    NotPermitted {
        /// Its address.
        address: String,
    },
    /// The kernel maps no registers that a driver has claimed, or none at all.
    #[error(
        "the kernel maps the registers of {address} for no program ({source}): it is locked down, \
         which Secure Boot does, or keeps what a driver has claimed (IO_STRICT_DEVMEM), which \
         booting with `iomem=relaxed` allows; without either the clock is to be had from rdma-core \
         (`mlx5dv_get_clock_info`)"
    )]
    Refused {
        /// Its address.
        address: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// What can be mapped ends before the clocks.
    #[error("BAR 0 of {address} ends before its clocks do: this is no ConnectX-4 or later")]
    TooShort {
        /// Its address.
        address: String,
    },
    /// The segment is of another layout, or the device does not answer (all ones).
    #[error(
        "the registers of {address} are laid out by revision {revision}, and 5 is known: give a \
         ConnectX-4 or later whose driver has brought it up"
    )]
    UnknownLayout {
        /// Its address.
        address: String,
        /// The command interface's revision that was read.
        revision: u16,
    },
    /// A step failed for a reason that has no remedy of its own here.
    #[error("{what} of {address} failed: {source}")]
    Failed {
        /// Its address.
        address: String,
        /// What was being done.
        what: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
}

/// What it means that the vendor's file does not open.
pub(super) fn on_vendor(address: &str, source: io::Error) -> MapError {
    let address = address.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => MapError::NoSuchDevice { address },
        _ => MapError::Failed { address, what: "reading the vendor", source },
    }
}

/// What it means that the registers' file does not open.
pub(super) fn on_open(address: &str, source: io::Error) -> MapError {
    let address = address.to_owned();
    match source.raw_os_error() {
        Some(libc::EACCES) => MapError::NotPermitted { address },
        Some(libc::EPERM) => MapError::Refused { address, source },
        // A bridge, or a device whose BAR got no room.
        Some(libc::ENOENT) => MapError::TooShort { address },
        _ => MapError::Failed { address, what: "opening the registers", source },
    }
}

/// What it means that the registers are not mapped: by sysfs, EINVAL for what a driver has claimed and EPERM
/// for lockdown.
pub(super) fn on_map(address: &str, source: io::Error) -> MapError {
    let address = address.to_owned();
    match (source.raw_os_error(), source.kind()) {
        (Some(libc::EPERM | libc::EINVAL), _) => MapError::Refused { address, source },
        (None, io::ErrorKind::UnexpectedEof) => MapError::TooShort { address },
        _ => MapError::Failed { address, what: "mapping the registers", source },
    }
}
