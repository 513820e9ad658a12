//! Latencies of a running engine, hop by hop.
//!
//! ```text
//!  polling core                                                    another thread
//!  Recorder: stamps of the NIC, readings of the host's counter --> ring --> Hops: intervals, and why there are none --> Tally
//! ```
//!
//! On the polling core a point costs one reading of the host's counter, and a message one record of a fixed size. Nothing
//! there waits, allocates or calls the kernel: a record that finds the ring full is counted and lost.
//!
//! Readings of one clock are subtracted, and those of no two. A stamp of the NIC's meets the host's counter on the clock
//! discipline's line alone, once readings after the stamp have agreed with those before it: see [`Hops`].

mod cost;
mod hops;
mod record;
mod recorder;

#[cfg(test)]
mod tests;

pub use cost::Cost;
pub use hops::{Clocks, Hops, Sample};
pub use record::{
    AtLogonRecord, HandedOver, LeftRecord, MessageRecord, MsgType, NotHandedOver, OrderRecord,
    Record,
};
pub use recorder::{LiveCounters, RING_RECORDS, Reading, Recorder, recorder};
