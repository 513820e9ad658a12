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
