//! The design itself, Verilated: frames in, frames out with what is said of them, frames to send with what is asked for
//! them, and registers by AXI4-Lite.
//!
//! Its time is cycles, and passes only while it is asked for something. What it takes on the host says nothing of a
//! card, and is never shown as a latency.

mod abi;
mod chance;
mod simulation;
#[cfg(test)]
mod tests;
mod transmit;

use bitfield_struct::bitfield;
use fixwire_offload::nic::{Parsed, TxChecksum, TxMeta};
use fixwire_offload::verdict::Verdict;

use crate::driver::TimeOfDay;

pub use simulation::{Built, Manners, NotBuilt, Simulation, Width};

/// What stands beside a frame's last beat.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct Said {
    /// The queue that it goes to.
    #[bits(4)]
    pub queue: u8,
    /// Whether a rule matched it.
    pub hit: bool,
    /// Which.
    #[bits(4)]
    pub rule: u8,
    /// Whether it has a mark.
    pub marked: bool,
    /// Whether it is a whole IPv4 packet with a TCP segment in it.
    pub is_segment: bool,
    /// On IPv4's header checksum, numbered as [`Verdict`] is.
    #[bits(2)]
    pub verdict_l3: u8,
    /// On TCP's.
    #[bits(2)]
    pub verdict_l4: u8,
    /// The sum of all behind Ethernet's 14 bytes, not complemented.
    pub raw_sum: u16,
    /// The frame's length in bytes.
    #[bits(17)]
    pub len_bytes: u32,
    #[bits(16)]
    __: u16,
}

impl Said {
    /// On IPv4's header checksum, and on TCP's.
    pub fn verdicts(self) -> (Verdict, Verdict) {
        (verdict(self.verdict_l3()), verdict(self.verdict_l4()))
    }

    /// What it takes the frame for.
    pub fn parsed(self) -> Parsed {
        if self.is_segment() { Parsed::Ipv4Tcp } else { Parsed::Other }
    }
}

/// What stands beside the first beat of a frame to send.
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct Asked {
    /// Ethernet header with its tags, in bytes.
    pub l2_len: u8,
    /// IPv4 header, in bytes.
    pub l3_len: u8,
    /// Fill in IPv4's checksum.
    pub ipv4: bool,
    /// Finish TCP's.
    pub tcp: bool,
    #[bits(14)]
    __: u16,
}

impl From<TxMeta> for Asked {
    fn from(meta: TxMeta) -> Asked {
        Asked::new()
            .with_l2_len(meta.l2_len)
            .with_l3_len(meta.l3_len)
            .with_ipv4(meta.ipv4 == TxChecksum::Partial)
            .with_tcp(meta.tcp == TxChecksum::Partial)
    }
}

/// As `rtl/offload_pkg.sv` numbers them, which is as the enumeration does.
fn verdict(number: u8) -> Verdict {
    match number {
        1 => Verdict::Bad,
        2 => Verdict::Good,
        3 => Verdict::None,
        _ => Verdict::Unknown,
    }
}

/// The clock's reading in the cycle of a frame's first beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The time of day.
    pub time: TimeOfDay,
    /// And so many 2^-16 ns.
    pub fraction: u16,
    /// A count in 2^-16 ns that no step of the time sets back, and that goes round every 2^48 ns (78 h): to be subtracted wrapping.
    pub count: u64,
    /// Of the time of day.
    pub generation: u16,
}

/// A frame that the design handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What is said of it.
    pub said: Said,
    /// Its mark, if a rule marked it.
    pub mark: Option<u32>,
    /// When it came.
    pub stamp: Stamp,
}
