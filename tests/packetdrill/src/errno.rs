//! Why a call failed, in the numbers that scripts name.

use fixwire::tcp::{Closed, OpenRefusal};

/// An error number of Linux's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// The number of what ended a connection; `None` where it ended as it should.
    pub fn of_closed(why: Closed) -> Option<Errno> {
        Some(Errno(match why {
            Closed::Finished | Closed::Aborted => return None,
            Closed::Refused => libc::ECONNREFUSED,
            Closed::Reset => libc::ECONNRESET,
            Closed::TimedOut | Closed::KeepAliveTimedOut | Closed::Stale => libc::ETIMEDOUT,
            Closed::Unreachable => libc::ECONNREFUSED,
        }))
    }

    /// The number of what kept a connection or a listener from being opened.
    pub fn of_refusal(why: OpenRefusal) -> Errno {
        Errno(match why {
            OpenRefusal::ConnectionsFull | OpenRefusal::ListenersFull => libc::ENOBUFS,
            OpenRefusal::EndpointInUse => libc::EADDRINUSE,
            OpenRefusal::PortsExhausted => libc::EADDRNOTAVAIL,
            OpenRefusal::EndpointInvalid => libc::EINVAL,
        })
    }
}
