//! The offload blocks of `rtl/` as the host sees them.
//!
//! [`Offload`] is the driver: it finds the blocks by their identity, says what they can do in the terms of
//! [`fixwire_offload`], switches them on, writes the flow table, reads counters and keeps the clock. It knows
//! registers by [`regs`], which is made of `regs/offload.rdl` as the RTL's own block is, and reaches them by a [`Bus`]:
//!
//! - [`Mmio`]: a card's BAR, mapped into memory.
//! - [`Fake`]: what the registers do, without RTL: for tests of whatever drives them.
//! - [`Recording`]: any other, and each access in order.
//! - `Simulation`, with the feature `rtl`: the design itself, Verilated, which frames go through.

// What is generated takes itself away from documentation tests, and the driver stands on it.
#![cfg(not(doctest))]

pub mod bus;
#[cfg(feature = "rtl")]
pub mod design;
pub mod driver;
pub mod fake;
mod map;
pub mod mmio;
pub mod recording;
#[rustfmt::skip]
#[allow(clippy::all, missing_docs, unreachable_pub, unsafe_code, reason = "made by PeakRDL")]
#[allow(clippy::undocumented_unsafe_blocks, clippy::multiple_unsafe_ops_per_block, reason = "likewise")]
pub mod regs;

pub use bus::{Bus, BusError};
#[cfg(feature = "rtl")]
pub use design::Simulation;
pub use driver::Offload;
pub use fake::Fake;
pub use mmio::Mmio;
pub use recording::Recording;
