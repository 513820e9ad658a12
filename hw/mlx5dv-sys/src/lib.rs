//! Bindings to the rdma-core that is installed, 17 or later, by bindgen: what it knows of a ConnectX's clock. What
//! its headers define themselves is called through a C shim that bindgen writes.
//!
//! Everything here is raw: the safe layer over it is `fixwire_hw::mlx5dv`.
#![allow(
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unsafe_op_in_unsafe_fn,
    clippy::all,
    clippy::undocumented_unsafe_blocks
)]

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
