//! Who talks to whom: endpoints, and the pair of them that names a connection.

use core::fmt;
use core::net::Ipv4Addr;

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The address.
    pub addr: Ipv4Addr,
    /// The port.
    pub port: u16,
}

impl Endpoint {
    /// No endpoint that anybody has.
    pub const UNSPECIFIED: Endpoint = Endpoint { addr: Ipv4Addr::UNSPECIFIED, port: 0 };
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.addr, self.port)
    }
}

/// The two endpoints that name a connection (RFC 9293 3.3.1), seen from ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tuple {
    pub(super) local: Endpoint,
    pub(super) remote: Endpoint,
}

impl Tuple {
    /// The names of no connection.
    pub(super) const NONE: Tuple =
        Tuple { local: Endpoint::UNSPECIFIED, remote: Endpoint::UNSPECIFIED };

    /// The same as it lies in the peer's frames.
    #[inline(always)]
    pub(super) fn ends(&self) -> Ends {
        let ([a, b, c, d], [e, f, g, h]) = (self.remote.addr.octets(), self.local.addr.octets());
        let ([i, j], [k, l]) = (self.remote.port.to_be_bytes(), self.local.port.to_be_bytes());
        Ends {
            addrs: u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
            ports: u32::from_ne_bytes([i, j, k, l]),
        }
    }

    /// Both addresses in one word.
    #[inline]
    pub(super) fn addrs(&self) -> u64 {
        u64::from(self.local.addr.to_bits()) << 32 | u64::from(self.remote.addr.to_bits())
    }

    /// Both ports in one word.
    #[inline]
    pub(super) fn ports(&self) -> u32 {
        u32::from(self.local.port) << 16 | u32::from(self.remote.port)
    }
}

/// Between whom a frame is, as its headers have it in memory: two words, which are quick to read and to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    pub(super) addrs: u64,
    pub(super) ports: u32,
}

impl Ends {
    /// Those of no frame that anybody's is.
    pub const NOBODY: Ends = Ends { addrs: 0, ports: 0 };

    /// Those of a frame that came in: IPv4's two addresses and TCP's two ports, the sender's first, as they lie in memory.
    #[inline(always)]
    pub fn of_headers(addrs: u64, ports: u32) -> Ends {
        Ends { addrs, ports }
    }
}
