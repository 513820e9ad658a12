//! Steering rules: which frames a device sends to our queue.
//!
//! The smallest language that a session needs; a rule is data, so that the same one can be given to
//! a device, to a model and to software.

use core::net::Ipv4Addr;

/// A TCP/IPv4 4-tuple as a received frame carries it, with the parts that a listener leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowMatch {
    /// The peer's address; `None` matches any.
    pub src: Option<Ipv4Addr>,
    /// Our address.
    pub dst: Ipv4Addr,
    /// The peer's port; `None` matches any.
    pub src_port: Option<u16>,
    /// Our port; `None` matches any.
    pub dst_port: Option<u16>,
}

/// A rule: what it matches, and the queue that it sends it to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowRule {
    /// The frames it is about.
    pub matches: FlowMatch,
    /// Where they go.
    pub queue: u16,
}
