//! Any poll-mode driver of DPDK's as a NIC: one file for each of its nouns, safe types over its calls.
//!
//! ```text
//!  DeviceSpec --> Eal --> Port + Mempool --> DpdkBackend: configure, start, steer --> DpdkNic: a Queue
//! ```
//!
//! DPDK is started once in a process and belongs to the thread that polls. Frames lie in its memory: an mbuf goes
//! back to its pool when it is dropped, and is the driver's once it was sent.
//!
//! A process may have several ports ([`DpdkBackend::beside`]), each with several queues ([`DpdkNic::queue`]): every one is
//! a [`Nic`](fixwire_offload::nic::Nic) of its own, and all are polled by the thread that started DPDK. Another thread
//! is another process. Which frames come to which queue, rules say.

mod backend;
mod blame;
mod burst_mode;
mod bursts;
mod clock;
mod eal;
mod error;
mod flow;
mod frame;
mod kernel_share;
mod link;
mod mbuf;
mod members;
mod mempool;
mod nic;
mod offloads;
mod pci;
mod port;
mod queue;
mod queues_made;
mod rights;
mod routes;
mod spec;
mod wanted;
mod words;

pub use backend::DpdkBackend;
pub use clock::Timesync;
pub use eal::{Eal, Memory, linked_drivers, version};
pub use error::{DpdkError, Errno};
pub use mbuf::Mbuf;
pub use nic::DpdkNic;
pub use spec::DeviceSpec;
pub use words::{keep_words, take_words};
