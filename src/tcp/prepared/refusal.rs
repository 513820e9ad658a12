//! Why a prepared segment does not leave, in words and in counters.

use core::fmt;

use crate::tcp::counters::Count;

/// Why a prepared segment does not leave. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PreparedRefusal {
    /// The id names no connection any more.
    StaleId,
    /// The connection is not established yet.
    NotConnected,
    /// We have closed our side, or the connection is over.
    Closed,
    /// Something came or left since: [`prepare`](crate::tcp::Stack::prepare) it anew.
    Outdated,
    /// Bytes that were committed before have not left.
    Queued,
    /// Something is being repaired, or is to be reported to the peer: the next header is another.
    Repairing,
    /// No payload, or more than one segment or a [message](crate::tcp::Config::message_bytes_max) takes.
    TooLong,
    /// The peer's window has no room for it.
    NoWindow,
    /// The congestion window has no room for it.
    NoCongestionWindow,
    /// The send buffer has no room for it, or too many segments are in flight.
    QueueFull,
    /// Nagle's algorithm or pacing, which the session chose, holds it back.
    Waits,
    /// The next hop's hardware address is not known.
    NoNeighbor,
    /// The device has no buffer for it.
    NoFrame,
}

impl PreparedRefusal {
    /// Its counter.
    pub(super) fn count(self) -> Count {
        match self {
            PreparedRefusal::StaleId => Count::StaleId,
            PreparedRefusal::NotConnected => Count::PreparedNotConnected,
            PreparedRefusal::Closed => Count::PreparedClosed,
            PreparedRefusal::Outdated => Count::PreparedOutdated,
            PreparedRefusal::Queued => Count::PreparedQueued,
            PreparedRefusal::Repairing => Count::PreparedRepairing,
            PreparedRefusal::TooLong => Count::PreparedTooLong,
            PreparedRefusal::NoWindow => Count::PreparedNoWindow,
            PreparedRefusal::NoCongestionWindow => Count::PreparedNoCongestionWindow,
            PreparedRefusal::QueueFull => Count::PreparedQueueFull,
            PreparedRefusal::Waits => Count::PreparedWaits,
            PreparedRefusal::NoNeighbor => Count::PreparedNoNeighbor,
            PreparedRefusal::NoFrame => Count::PreparedNoFrame,
        }
    }
}

impl fmt::Display for PreparedRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            PreparedRefusal::StaleId => "the connection is no more",
            PreparedRefusal::NotConnected => "the connection is not established",
            PreparedRefusal::Closed => "our side of the connection is closed",
            PreparedRefusal::Outdated => "something came or left since it was prepared",
            PreparedRefusal::Queued => "bytes committed before have not left",
            PreparedRefusal::Repairing => {
                "a loss is being repaired, or something is to be reported"
            }
            PreparedRefusal::TooLong => "no payload, or more than one segment or message takes",
            PreparedRefusal::NoWindow => "the peer's window is full",
            PreparedRefusal::NoCongestionWindow => "the congestion window is full",
            PreparedRefusal::QueueFull => "the send buffer is full",
            PreparedRefusal::Waits => "Nagle's algorithm or pacing holds it back",
            PreparedRefusal::NoNeighbor => "the next hop's hardware address is not known",
            PreparedRefusal::NoFrame => "the device has no buffer",
        })
    }
}

impl core::error::Error for PreparedRefusal {}
