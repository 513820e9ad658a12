//! Devices behind [`fixwire_offload::nic::Nic`], and the few things that the host itself is asked
//! for. Everything that touches a device is here, so that the engine and its vocabulary do not.
//!
//! The devices:
//!
//! - [`tap`]: a Linux TAP with a virtio-net header. The kernel's own TCP is the peer, and the
//!   kernel plays the NIC's checksum engines. In a namespace of its own it needs no root.
//! - [`sim`]: a pair of NIC models on a wire in memory, with virtual time and faults by seed. For
//!   tests, and for a machine that forbids a TAP.
//!
//! - `dpdk`, with the feature of that name: any poll-mode driver of the DPDK that is installed.
//!
//! The first two keep their frames in a [`pool`], the last in DPDK's own: set up at the start, never allocated
//! after.
//!
//! [`capture`] puts a copier around any of them, and writes what crosses it to a file.
//!
//! Beside them [`clock`] reads the host's clocks, [`tsc`] the processor's counter, which software
//! stamps are by where it is a clock ([`host_counter`]), [`clock_service`] says what time it was when
//! they and a device's were taken, [`clock_route`] by which way a device's is read, and [`mod@core`] which processor core polls.
//! [`mlx5`] reads what a ConnectX itself writes: completion entries, and the registers of its clocks.
//! [`huge_pages`] says how many are needed, [`large_pages`] has the kernel put ordinary memory into some.
//! [`wire_port`] reads a wire by a second port of the kernel's, with its stamps; [`ptp`] says which time a port's clock keeps, and how
//! right the kernel takes its own to be.
//! [`rtnetlink`] asks the kernel for what it knows of links, routes and neighbours, and follows the last.
//! All unsafe code of this crate is in one private module, `sys`, with its `packet` and `ptp`, in those of `dpdk` that are named after a
//! noun of DPDK's, and, with the feature `mlx5dv`, in `mlx5dv::verbs`.
//!
//! Linux only.

pub mod capture;
mod checksums;
pub mod clock;
pub mod clock_route;
pub mod clock_service;
pub mod core;
pub mod core_list;
#[cfg(feature = "dpdk")]
pub mod dpdk;
#[cfg(test)]
mod frames;
pub mod host_counter;
pub mod huge_pages;
pub mod large_pages;
pub mod mlx5;
#[cfg(feature = "mlx5dv")]
mod mlx5dv;
pub mod pool;
pub mod ptp;
pub mod rtnetlink;
pub mod sim;
mod sys;
pub mod tap;
pub mod tsc;
pub mod wire_port;
