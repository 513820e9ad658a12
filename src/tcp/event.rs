//! What the application is told of a connection, and what it is refused.

use core::fmt;

use super::codec::{codec, codec_enum};
use super::counters::Count;

/// The name of a connection. It stays valid until [`release`](super::Stack::release); after that it
/// names nothing, though the slot behind it may serve another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

impl ConnectionId {
    /// A small number, below the stack's `connections_max`, that no other unreleased connection has:
    /// for tables of the caller's.
    #[inline]
    pub const fn index(self) -> usize {
        self.index as usize
    }

    /// Which life of that number it is.
    #[inline(always)]
    pub(crate) const fn generation(self) -> u32 {
        self.generation
    }

    /// What no connection is named.
    pub const NOBODY: ConnectionId = ConnectionId { index: u32::MAX, generation: u32::MAX };

    #[cfg(test)]
    pub(crate) const fn for_test(index: u32) -> ConnectionId {
        ConnectionId { index, generation: 1 }
    }
}

/// The name of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerId(pub(super) u32);

/// Something that happened to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is established. One that a listener accepted is named here for the first time.
    Connected,
    /// There is room in the send buffer again for what was last refused with
    /// [`SendRefusal::NoRoom`].
    Writable,
    /// The peer sends no more, and all that it sent has been taken, or [left](super::Stack::await_more) to
    /// wait for more. We may go on sending.
    PeerClosed,
    /// It is over: the last event. [`release`](super::Stack::release) it.
    Closed(Closed),
}

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closed {
    /// Both sides sent all and had it acknowledged.
    Finished,
    /// The peer answered our SYN with a reset: nobody listens there.
    Refused,
    /// The peer reset it.
    Reset,
    /// Nothing was acknowledged for as long as the retries took.
    TimedOut,
    /// No keep-alive probe was answered.
    KeepAliveTimedOut,
    /// A message of ours was not acknowledged within [`Terms::stale_after`](super::Terms::stale_after).
    Stale,
    /// The network said that the peer cannot be reached, while connecting.
    Unreachable,
    /// We aborted it, or shut it down before it was established.
    Aborted,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Closed::Finished => "both sides closed",
            Closed::Refused => "the peer refused the connection",
            Closed::Reset => "the peer reset the connection",
            Closed::TimedOut => "the peer did not answer",
            Closed::KeepAliveTimedOut => "the peer answered no keep-alive probe",
            Closed::Stale => "a message was not acknowledged in time (stale_after)",
            Closed::Unreachable => "the network reports the peer unreachable",
            Closed::Aborted => "aborted by us",
        })
    }
}

/// Why a listener or a connection was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpenRefusal {
    /// Every connection is in use: raise `connections_max`.
    ConnectionsFull,
    /// Every listener is in use: raise `listeners_max`.
    ListenersFull,
    /// The same endpoints are connected already, or listened on.
    EndpointInUse,
    /// Every ephemeral port is in use towards this peer.
    PortsExhausted,
    /// No connection can have this address or port.
    EndpointInvalid,
}

impl OpenRefusal {
    /// Its counter; `None` where it was counted that nothing was free, as a SYN counts it too.
    pub(super) fn count(self) -> Option<Count> {
        match self {
            OpenRefusal::ConnectionsFull => None,
            OpenRefusal::ListenersFull => Some(Count::ListenersFull),
            OpenRefusal::EndpointInUse => Some(Count::EndpointInUse),
            OpenRefusal::PortsExhausted => Some(Count::PortsExhausted),
            OpenRefusal::EndpointInvalid => Some(Count::EndpointInvalid),
        }
    }
}

impl fmt::Display for OpenRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            OpenRefusal::ConnectionsFull => "every connection is in use (connections_max)",
            OpenRefusal::ListenersFull => "every listener is in use (listeners_max)",
            OpenRefusal::EndpointInUse => "the endpoint is in use",
            OpenRefusal::PortsExhausted => "every ephemeral port is in use towards this peer",
            OpenRefusal::EndpointInvalid => "no connection can have this address or port",
        })
    }
}

impl core::error::Error for OpenRefusal {}

/// Why bytes could not be reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SendRefusal {
    /// The id names no connection any more.
    StaleId,
    /// The connection is not established yet.
    NotConnected,
    /// We have closed our side, or the connection is over.
    Closed,
    /// Longer than `message_bytes_max`: it will never fit.
    TooLong,
    /// The send buffer is full. [`Event::Writable`] says when to try again.
    NoRoom,
}

impl SendRefusal {
    /// Its counter.
    pub(super) fn count(self) -> Count {
        match self {
            SendRefusal::StaleId => Count::StaleId,
            SendRefusal::NotConnected => Count::SendNotConnected,
            SendRefusal::Closed => Count::SendClosed,
            SendRefusal::TooLong => Count::SendTooLong,
            SendRefusal::NoRoom => Count::SendNoRoom,
        }
    }
}

impl fmt::Display for SendRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            SendRefusal::StaleId => "the connection is no more",
            SendRefusal::NotConnected => "the connection is not established",
            SendRefusal::Closed => "our side of the connection is closed",
            SendRefusal::TooLong => "longer than message_bytes_max",
            SendRefusal::NoRoom => "the send buffer is full",
        })
    }
}

impl core::error::Error for SendRefusal {}

/// Events that wait to be polled, as bits: they cannot overflow.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pending {
    pub(super) connected: bool,
    pub(super) writable: bool,
    pub(super) peer_closed: bool,
    pub(super) closed: bool,
}

impl Pending {
    #[inline]
    pub(super) fn any(self) -> bool {
        self.connected | self.writable | self.peer_closed | self.closed
    }
}

impl Closed {
    /// The counter of this end, where it has one of its own.
    pub(super) fn count(self) -> Option<Count> {
        match self {
            Closed::TimedOut => Some(Count::TimedOut),
            Closed::KeepAliveTimedOut => Some(Count::KeepAliveTimedOut),
            Closed::Stale => Some(Count::Stale),
            Closed::Refused | Closed::Reset => Some(Count::ResetIn),
            Closed::Unreachable => Some(Count::IcmpHard),
            Closed::Finished | Closed::Aborted => None,
        }
    }
}

codec!(Pending { connected, writable, peer_closed, closed });
codec_enum!(Closed {
    Finished = 0,
    Refused = 1,
    Reset = 2,
    TimedOut = 3,
    KeepAliveTimedOut = 4,
    Unreachable = 5,
    Aborted = 6,
    Stale = 7,
});
