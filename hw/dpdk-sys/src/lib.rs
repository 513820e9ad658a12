//! Bindings to the DPDK that is installed, 22.11 or later, by bindgen: functions, types and constants as its
//! headers have them. What the headers define themselves is called through a C shim that bindgen writes.
//!
//! Everything here is raw: the safe layer over it is `fixwire_hw::dpdk`.
#![allow(
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unsafe_op_in_unsafe_fn,
    clippy::all,
    clippy::undocumented_unsafe_blocks
)]

/// The drivers that are linked in, as FIXWIRE_DPDK_STATIC named them; empty where DPDK's libraries are shared.
pub const LINKED_DRIVERS: &str = env!("FIXWIRE_DPDK_LINKED");

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
