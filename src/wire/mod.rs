//! Headers: zero-copy views of bytes that came, writers of bytes to send.
//!
//! `Packet` is bytes, `Repr` is meaning. A view is made by a `parse` that refuses with one
//! [`Refusal`] per reason; what it has let through is trusted from there on. No view verifies a
//! checksum by itself: who does is the plan's business.

pub mod arp;
pub mod ethernet;
pub mod icmp;
pub mod ipv4;
pub mod stamped;
pub mod tcp;

pub use refusal::{Refusal, RefusalCounters};

mod refusal;
