//! FIX: messages made of bytes, bytes made of messages, and the session between two parties.
//!
//! A stream is cut into messages by [`frame`](frame::frame), which proves BodyLength and CheckSum. A
//! [`Decoder`] finds the fields in place, and a [`Session`] decides what each message means for the
//! numbers, the timers and the [`Handler`]. What is sent is written by an [`Encoder`] straight into
//! the [`Outlet`]'s bytes; a [`Store`] keeps a copy for the day the counterparty asks again.
//!
//! Nothing here knows TCP, reads a clock, or allocates after construction.

pub mod counters;
pub mod decimal;
pub mod decode;
pub mod dictionary;
pub mod encode;
pub mod frame;
pub mod group;
pub mod message;
pub mod reason;
pub mod session;
mod simd;
pub mod store;
pub(crate) mod swar;
pub mod tags;
pub mod timestamp;
pub mod value;

#[cfg(test)]
pub(crate) mod oracle;

pub use counters::{Counters, Event};
pub use decimal::Decimal;
pub use decode::{Decoder, Identity, Leniency, Unidentified, identify};
pub use encode::{EncodeError, Encoder};
pub use frame::{Framed, Whole, frame};
pub use message::{Fault, Message};
pub use reason::{CloseReason, Garbled, RejectReason};
pub(crate) use session::route_back;
pub use session::{
    ApplVerId, BusinessRejectReason, CompId, Credentials, Disposition, Full, Handler, Joined,
    LogonFieldRefusal, LogonFields, NotResent, Outlet, PartingWords, Reader, Readers, Role,
    Schedule, SendError, Sender, Session, SessionConfig, SessionSnapshot, SnapshotRefusal, State,
    SubIds, Version, Window,
};
pub use store::{MemoryStore, Store, StoreFailed};
pub use timestamp::Precision;
pub use value::FieldError;
