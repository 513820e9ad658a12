//! What the polling core says of a message: plain data of a fixed size.

use core::fmt;

use crate::app::SessionId;
use crate::offload::RxStamp;
use crate::sent_stamps::StampSource;

/// What is in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// A message was handed to the application, and what it sent in answer to the device.
    Message(MessageRecord),
    /// A message left the device.
    Left(LeftRecord),
    /// The application was told of a logon, and sent something.
    AtLogon(AtLogonRecord),
}

/// A message that was handed to the application. Points on the host are readings of its counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageRecord {
    /// Whose.
    pub session: SessionId,
    /// What it is.
    pub msg_type: MsgType,
    /// The stamp of the segment with its first byte.
    pub first: RxStamp,
    /// When `rx_burst` had returned that.
    pub first_polled: u64,
    /// The stamp of the one that completed it.
    pub last: RxStamp,
    /// It had been held behind a gap of messages or of bytes: its stamps, or [`polled`](MessageRecord::polled), are of what
    /// filled that.
    pub was_held: bool,
    /// When `rx_burst` had returned the frame that completed it.
    pub polled: u64,
    /// When the application was called with it.
    pub entered: u64,
    /// The first message that the application sent while it was called.
    pub order: Option<OrderRecord>,
}

/// A message that another led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderRecord {
    /// What it is.
    pub msg_type: MsgType,
    /// Its MsgSeqNum(34).
    pub msg_seq_num: u32,
    /// When it was handed over, or why nobody can say.
    pub handed_over: Result<HandedOver, NotHandedOver>,
}

/// An order on its way to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandedOver {
    /// When its frames were complete, before `tx_burst`.
    pub ready: u64,
    /// When `tx_burst` had returned, having rung the doorbell.
    pub doorbell: u64,
}

/// Why an order was not handed over by the call that led to it, or not so that one could say when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotHandedOver {
    /// It waits: for the peer's window, for a buffer, for a hardware address, or for room in the device's queue.
    Waits,
    /// It was handed over in more than one burst.
    InParts,
}

/// What an application sent as it was told of a logon: no message led to that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtLogonRecord {
    /// Whose logon.
    pub session: SessionId,
    /// How many messages it sent.
    pub messages: u32,
}

/// A message of ours that left, as [`SentStamp`](crate::sent_stamps::SentStamp) tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftRecord {
    /// Whose.
    pub session: SessionId,
    /// Its MsgSeqNum(34).
    pub msg_seq_num: u32,
    /// It had left before.
    pub is_again: bool,
    /// When the frame with its last byte left.
    pub stamp: RxStamp,
    /// By whose clock.
    pub source: StampSource,
    /// When that was told, by the host's counter.
    pub told: u64,
}

/// A MsgType(35) of up to eight bytes; of a longer one the first eight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MsgType([u8; 8]);

impl MsgType {
    /// Of a message that is not known any more.
    pub const UNKNOWN: MsgType = MsgType(*b"?\0\0\0\0\0\0\0");

    /// The type that is written so.
    #[inline]
    pub fn new(written: &[u8]) -> MsgType {
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().zip(written) {
            *to = *from;
        }
        MsgType(bytes)
    }

    /// The type of a whole message: its third field (FIX 4.4 Vol. 1, Standard Header).
    pub(crate) fn of_message(message: &[u8]) -> MsgType {
        let third = message.split(|byte| *byte == 1).nth(2);
        let written = third.and_then(|field| field.strip_prefix(b"35="));
        written.map_or(MsgType::UNKNOWN, MsgType::new)
    }

    fn written(&self) -> &[u8] {
        let len = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        &self.0[..len]
    }
}

impl fmt::Display for MsgType {
    /// What is not printable is escaped: it is the counterparty's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.written().escape_ascii())
    }
}
