//! The program on DPDK's own drivers, with the kernel, QuickFIX or ourselves on the far side: the same session on each,
//! and whatever may go wrong with a port. Every report says that no buffer was lost.

#[path = "../common/mod.rs"]
mod common;

mod drivers;
mod exhausted;
#[path = "../../hw/tests/dpdk/huge_pages.rs"]
mod huge_pages;
mod interop;
mod line;
mod lost;
mod memory;
mod mlx5;
#[path = "../../hw/tests/dpdk/plan.rs"]
mod plan;
mod refused;
mod same;
mod selftest;
mod stamps;
mod taken;
