//! What the kernel knows of links, routes and neighbours, by rtnetlink (rtnetlink(7)): for an engine beside a
//! kernel that keeps its port.
//!
//! [`Link::of`] finds the kernel's interface on a port, [`gateway`] where a destination goes by it, and
//! [`KernelNeighbors`] follows the neighbour table, and makes the kernel look for who is not in it.

mod links;
mod messages;
mod neighbors;
mod routes;
mod socket;

use std::fmt;
use std::io;
use std::net::Ipv4Addr;

pub use links::Link;
pub use neighbors::{Heard, KernelNeighbors, NEIGHBORS_MAX};
pub use routes::gateway;

/// What the kernel does not do for us.
#[derive(Debug, thiserror::Error)]
pub enum RtnetlinkError {
    /// No socket to it.
    #[error(
        "rtnetlink cannot be opened: {0}; a container's seccomp profile is to allow AF_NETLINK sockets"
    )]
    Open(io::Error),
    /// There is no such interface.
    #[error(
        "the kernel has no interface with index {index}; `ip link` lists those of this namespace: start fixwire in \
         the one that the port's interface is in"
    )]
    NoLink {
        /// Its number.
        index: u32,
    },
    /// The interface carries no such VLAN.
    #[error(
        "the kernel has no interface for VLAN {vlan} on {link}, and knows no neighbour in it; `ip link add link \
         {link} name {link}.{vlan} type vlan id {vlan} && ip link set {link}.{vlan} up`"
    )]
    NoVlan {
        /// The interface beneath.
        link: String,
        /// The VLAN.
        vlan: u16,
    },
    /// A request failed.
    #[error("{what} by rtnetlink: {source}; {}", Errno::of(.source).remedy())]
    Refused {
        /// What was asked.
        what: &'static str,
        /// The kernel's reason.
        source: io::Error,
    },
    /// No thread could be started to follow the table.
    #[error(
        "no thread can be started to follow the kernel's neighbours: {0}; raise the process's limit (`ulimit -u`)"
    )]
    Thread(io::Error),
}

/// A refusal of the kernel's, by its number (errno(3)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(i32);

impl Errno {
    fn of(error: &io::Error) -> Errno {
        Errno(error.raw_os_error().unwrap_or(0))
    }

    /// What is to be done about it.
    pub fn remedy(self) -> &'static str {
        match self.0 {
            libc::EPERM | libc::EACCES => {
                "the kernel looks for a neighbour on behalf of CAP_NET_ADMIN alone: start fixwire as root, or `setcap \
                 cap_net_admin,cap_net_raw,cap_ipc_lock+ep` its file"
            }
            libc::ENODEV => "`ip link` lists what interfaces there are",
            libc::ENETDOWN => "`ip link set IFNAME up`",
            libc::EOPNOTSUPP => "a kernel from 5.0 on tells of one neighbour",
            _ => "`ip neigh show` tells what the kernel knows",
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        io::Error::from_raw_os_error(self.0).fmt(f)
    }
}

/// A neighbour's hardware address, if a link's bytes are one: six, neither a group's nor zero.
fn hardware_address(bytes: &[u8]) -> Option<[u8; 6]> {
    let mac: [u8; 6] = bytes.try_into().ok()?;
    (mac[0] & 1 == 0 && mac != [0; 6]).then_some(mac)
}

/// Whether a table's entry tells of `addr`.
fn is_of(entry: &messages::Entry, index: u32, addr: Ipv4Addr) -> bool {
    entry.index == index && entry.addr == addr
}
