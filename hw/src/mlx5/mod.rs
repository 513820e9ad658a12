//! What a ConnectX writes for its driver to read, byte by byte: completion queue entries, and the
//! initialization segment in BAR0 with its clocks. Big-endian throughout.
//!
//! - [`Completion`] is an entry decoded, with what it says of a frame in this project's words;
//!   [`CompletionQueue`] reads one after the other, and unpacks those that are compressed.
//! - [`InitSegment`] is the segment, mapped to be read; [`SegmentClock`] one of its two clocks, for a
//!   [`ClockService`](crate::clock_service::ClockService).
//! - [`KernelClock`] is the arithmetic of the clock that the kernel keeps over the same counter.
//!
//! Nothing here has run on a NIC. The layouts are those of Linux's `include/linux/mlx5/device.h`, DPDK's
//! `mlx5_prm.h` and VPP's native driver, which agree; the tests hold the code against bytes written out by
//! hand from them. What a device later than ConnectX-5 lays out anew when asked to (enhanced compression,
//! entries of 128 bytes) is not read.

mod clock;
mod completion_queue;
mod compressed;
mod cqe;
mod flow_tag;
mod init_segment;
mod kernel_clock;
mod map_error;
mod received;
#[cfg(test)]
mod tests;
mod words;

pub use clock::SegmentClock;
pub use completion_queue::CompletionQueue;
pub use compressed::{MINI_CQES, MiniCqe, are_alike, write_block};
pub use cqe::{CQE_LEN, Completion, CqeError, CqeRefusal, Side, is_ours, software_owner};
pub use flow_tag::FlowTag;
#[cfg(feature = "dpdk")]
pub(crate) use init_segment::PCI_DEVICES;
pub(crate) use init_segment::Registers;
pub use init_segment::{FirmwareRevision, InitSegment};
pub use kernel_clock::KernelClock;
pub use map_error::MapError;
pub use received::{Received, StampFormat, StampSource};
pub use words::{L3Header, L4Header};
