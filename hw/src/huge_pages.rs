//! What is needed of huge pages: for whoever takes them, and for whoever looks whether they are there.

/// What DPDK and the frames of one port need at least, in MiB. With fewer free its frames lie in ordinary pages, which
/// no NIC reaches.
pub const MIB_MIN: u32 = 64;
