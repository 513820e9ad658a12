//! What every bench stands on: the messages, a counterparty that writes frames, a NIC in memory, and
//! the way in which time is taken.
//!
//! [`cases`] lists everything that is measured; criterion and callgrind both go by it. A [`Host`] is
//! whoever trades: fixwire, or a pair of rivals. It gets the same frames from the same
//! [`Peer`](peer::Peer) and must answer each message by a whole Ethernet frame. Frames are written, and
//! what came out is checked, outside the time that is measured.

pub mod alone;
pub mod case;
pub mod cases;
pub mod crowd;
pub mod fix;
pub mod fixwire_host;
pub mod floor;
#[cfg(target_arch = "x86_64")]
pub mod flush;
pub mod holes;
pub mod line;
#[cfg(target_arch = "x86_64")]
pub mod loads;
pub mod messages;
pub mod nic;
pub mod peer;
pub mod respond;
pub mod ring;
#[cfg(feature = "rivals")]
pub mod rivals;
pub mod sampling;
pub mod stopwatch;
pub mod tcp_host;

pub use line::{Host, Line};
