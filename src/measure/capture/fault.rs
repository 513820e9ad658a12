//! Why a capture is read no further, in sentences.

use core::fmt;
use std::io;

use thiserror::Error;

use super::window::RECORD_LEN_MAX;

/// Where a capture is read no further, and why.
#[derive(Debug, Error)]
#[error("{file}: byte {offset}: {fault}")]
pub struct CaptureError {
    /// As whoever opened it calls it.
    pub file: String,
    /// In the file: where what is wrong begins.
    pub offset: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a capture.
#[derive(Debug, Error)]
pub enum Fault {
    /// The system says so.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// No bytes.
    #[error("the file is empty")]
    Empty,
    /// Something else, by what it begins with.
    #[error("this is no capture in pcap, pcapng or ERF: it {0}")]
    NotACapture(Hint),
    /// The variant of pcap that Linux 2.2's libpcap was patched to write.
    #[error("this is \"modified\" pcap, of the last century; editcap -F nsecpcap makes pcap of it")]
    ModifiedPcap,
    /// Of a file that has one link type for all its packets.
    #[error(
        "its packets are {0}; FIX is measured on Ethernet frames, so capture on the Ethernet interface itself"
    )]
    NotEthernet(LinkType),
    /// Records cannot be told apart from here on.
    #[error("a record of {len} bytes, where none has more than {max}: the file is damaged here", max = RECORD_LEN_MAX)]
    RecordTooLong {
        /// As it says itself.
        len: u64,
    },
    /// Too short for what it has to hold, or of two lengths.
    #[error("a record whose lengths contradict each other: the file is damaged here")]
    LengthsDisagree,
    /// Seconds' fractions beyond a second.
    #[error(
        "a time with {fraction} {unit} past the second: either the file is damaged here, or whoever wrote it counted in \
         another unit than it says"
    )]
    FractionTooLarge {
        /// As it stands there.
        fraction: u32,
        /// As the file says.
        unit: &'static str,
    },
    /// A section of a later format.
    #[error("pcapng in version {0}, of which nothing is known here")]
    PcapngVersion(u16),
    /// More interfaces than are kept.
    #[error("more than {0} interfaces")]
    TooManyInterfaces(usize),
    /// An interface's offset.
    #[error("an interface whose times are {0} s from 1970 on: the file is damaged here")]
    OffsetTooLarge(i64),
    /// Files written one behind the other.
    #[error(
        "another capture begins here, and cat joins none: name each file by itself, or join those that one clock recorded by mergecap"
    )]
    Joined,
}

/// What a file is that is no capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// By its magic.
    Compressed(&'static str),
    /// A FIX message's first bytes.
    Log,
    /// Nothing known.
    Unknown([u8; 4]),
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hint::Compressed(program) => write!(f, "is compressed; {program} -d unpacks it"),
            Hint::Log => f.write_str("is a log of FIX messages, which says nothing of the wire"),
            Hint::Unknown(head) => {
                f.write_str("begins with")?;
                head.iter().try_for_each(|byte| write!(f, " {byte:02x}"))
            }
        }
    }
}

/// What packets begin with, by tcpdump.org's list of link types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkType(pub u16);

impl LinkType {
    /// Ethernet frames.
    pub const ETHERNET: LinkType = LinkType(1);
}

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            0 => "BSD loopback packets",
            1 => "Ethernet frames",
            9 => "PPP frames",
            101 | 228 | 229 => "IP packets without a link's header",
            105 | 127 => "IEEE 802.11 frames",
            113 => "\"cooked\" packets of Linux's any interface (SLL)",
            197 => "ERF records wrapped into pcap",
            276 => "\"cooked\" packets of Linux's any interface (SLL2)",
            _ => return write!(f, "of link type {}", self.0),
        };
        write!(f, "{name} (link type {})", self.0)
    }
}
