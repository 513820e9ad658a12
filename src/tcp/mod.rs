//! A TCP of our own (RFC 9293), sans-IO: segments, the present time and a secret come in; segments
//! to send, deadlines and events come out.
//!
//! The path of a segment: [`Stack::on_segment`] finds its connection in `table`; `receive` takes it
//! through the steps of RFC 9293 3.10.7.4, or, where it is simply the next, `predict` past them;
//! `acknowledge` takes its ACK and window, `reassembly` and `receive_buffer` its text. Bytes that
//! come in order are not stored: [`Arrival`] says where in the segment they lie, and the
//! application reads them there. What it leaves it hands back by [`Stack::keep`]. Where connections are many, `fetch`
//! has those of a burst near before their segments are looked at.
//!
//! The way out: [`Stack::reserve`] yields room in the stream (`send_buffer`), [`Stack::commit`] makes
//! what was written there part of it, and [`Stack::poll_transmit`] asks `transmit` for the one
//! segment that may go now. An ACK rides on data that is committed before that. Nothing is delayed,
//! unless [`Config::ack_delay`] lets the ACK of data wait: what is owed when `poll_transmit` is called leaves.
//!
//! Where a send is foreseen, `prepared` settles its header before there is anything to send; `held` leaves its payload in
//! its frame.
//!
//! Around it: `open` (`cookies`, where a listener is full) and `close` for the ends of a connection's
//! life (`begin` is what it is like before), `timers` for when nothing comes (`wheel` knows when that is). Loss: `scoreboard` knows of every segment in flight when it left and what became of it;
//! `rack` tells the lost from the late; `probe` asks when nothing is heard, `retransmit` says after how
//! long; `recovery` puts that together when an ACK comes, and `undo` takes back what was for nothing.
//! `account` knows which of the application's messages the peer has acknowledged, and ends a connection
//! rather than deliver one too late.
//! `congestion` bounds what is in flight, with `cubic` and `prr` beside it; `ecn` is what the network
//! says without dropping anything; `path_mtu` is how large segments may be on the way, and `user_timeout`
//! when to give up; `pacing` spreads what leaves, where that was asked for, and `grouping` parts or holds back what the
//! application says. `sack` is the other direction: what we tell the peer of.
//!
//! Without SACK, loss is found by three duplicate ACKs and by timeout.
//!
//! A connection can be moved to another stack in mid-transfer: `snapshot` makes plain data of it (`codec` says
//! how), and a connection of that. What else a successor is to know is `succession`.
//!
//! Nothing allocates after [`Stack::new`], but for an export, and an import of what was sent again; every limit is a field of [`Config`] or a named constant,
//! and what happens at it has a counter ([`Count`]).

pub use account::{Delivery, MessageNumber, Outstanding};
pub use arrival::Arrival;
pub use config::{
    Config, CongestionControl, KeepAlive, Terms, UserTimeoutLimits, UserTimeoutOption,
};
pub use congestion::LossPhase;
pub use connection::State;
pub use counters::{Count, Counters, CountersReader};
pub use endpoint::{Endpoint, Ends};
pub use event::{Closed, ConnectionId, Event, ListenerId, OpenRefusal, SendRefusal};
pub use fetch::FETCHED_MAX;
pub use held::{Again, HELD_PAYLOADS_MAX, HeldPayload};
pub use info::Info;
pub use poll::{FastTurn, Rest, RestHeader, RestKind, Transmit, Turn};
pub use prepared::{Prepared, PreparedOut, PreparedRefusal};
pub(crate) use reassembly::{RANGES_MAX, Reassembly};
pub use receipts::Receipt;
pub use snapshot::{Snapshot, SnapshotRefusal, VERSION as SNAPSHOT_VERSION};
pub use stack::Stack;

mod account;
mod acknowledge;
mod apart;
mod application;
mod arrival;
mod begin;
mod close;
mod codec;
mod config;
mod congestion;
mod connection;
mod cookies;
mod counters;
mod cubic;
mod deadlines;
mod ecn;
mod endpoint;
mod event;
mod fast;
mod fetch;
mod grouping;
mod held;
mod info;
mod isn;
mod listeners;
mod open;
mod pacing;
mod path_mtu;
mod poll;
mod predict;
mod prepared;
mod probe;
mod prr;
mod queue;
mod rack;
mod reassembly;
mod receipts;
mod receive;
mod receive_buffer;
mod recovery;
mod reset;
mod retransmit;
mod sack;
mod scoreboard;
mod second_looks;
mod send_buffer;
mod sent;
mod snapshot;
mod stack;
#[cfg(feature = "hand-over")]
mod succession;
mod table;
mod terms;
mod time_wait;
mod timers;
mod timestamps;
mod transmit;
mod undo;
mod user_timeout;
mod wheel;
mod wraps;

#[cfg(test)]
mod tests;
