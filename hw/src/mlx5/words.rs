//! The words of a completion entry that hold more than one field, each as it reads big-endian.

use bitfield_struct::bitfield;

/// What the device found behind the link header. Of a tunneled frame, in the inner packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum L3Header {
    /// Neither version of IP.
    #[default]
    None,
    /// IPv6.
    Ipv6,
    /// IPv4.
    Ipv4,
    /// A value that nothing is known of.
    Reserved,
}

impl L3Header {
    const fn from_bits(bits: u8) -> L3Header {
        match bits {
            0 => L3Header::None,
            1 => L3Header::Ipv6,
            2 => L3Header::Ipv4,
            _ => L3Header::Reserved,
        }
    }

    const fn into_bits(self) -> u8 {
        match self {
            L3Header::None => 0,
            L3Header::Ipv6 => 1,
            L3Header::Ipv4 => 2,
            L3Header::Reserved => 3,
        }
    }
}

/// What the device found behind the IP header. Of a tunneled frame, in the inner packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum L4Header {
    /// Neither TCP nor UDP.
    #[default]
    None,
    /// TCP without ACK.
    TcpNoAck,
    /// UDP.
    Udp,
    /// TCP with ACK and without data.
    TcpAckNoData,
    /// TCP with ACK and data.
    TcpAckWithData,
    /// One of the values that nothing is known of.
    Reserved,
}

impl L4Header {
    /// Whether it is a TCP header.
    pub const fn is_tcp(self) -> bool {
        matches!(self, L4Header::TcpNoAck | L4Header::TcpAckNoData | L4Header::TcpAckWithData)
    }

    const fn from_bits(bits: u8) -> L4Header {
        match bits {
            0 => L4Header::None,
            1 => L4Header::TcpNoAck,
            2 => L4Header::Udp,
            3 => L4Header::TcpAckNoData,
            4 => L4Header::TcpAckWithData,
            _ => L4Header::Reserved,
        }
    }

    const fn into_bits(self) -> u8 {
        match self {
            L4Header::None => 0,
            L4Header::TcpNoAck => 1,
            L4Header::Udp => 2,
            L4Header::TcpAckNoData => 3,
            L4Header::TcpAckWithData => 4,
            L4Header::Reserved => 7,
        }
    }
}

/// The byte at 0x00.
#[bitfield(u8)]
pub(super) struct PacketInfo {
    pub(super) tunneled: bool,
    #[bits(7)]
    __: u8,
}

/// The word at 0x1c.
#[bitfield(u32)]
pub(super) struct Headers {
    #[bits(16)]
    pub(super) vlan_info: u16,
    pub(super) vlan_stripped: bool,
    pub(super) ip_options: bool,
    #[bits(2)]
    pub(super) l3: L3Header,
    #[bits(3)]
    pub(super) l4: L4Header,
    pub(super) fragment: bool,
    pub(super) l2_ok: bool,
    pub(super) l3_ok: bool,
    pub(super) l4_ok: bool,
    #[bits(5)]
    __: u8,
}

/// The word at 0x2c. A plain receive queue has neither filler nor strides.
#[bitfield(u32)]
pub(super) struct ByteCount {
    #[bits(16)]
    pub(super) bytes: u16,
    #[bits(15)]
    pub(super) strides: u16,
    pub(super) filler: bool,
}

/// The word at 0x34 of an error's entry.
#[bitfield(u32)]
pub(super) struct Syndromes {
    #[bits(8)]
    pub(super) syndrome: u8,
    #[bits(8)]
    pub(super) vendor: u8,
    #[bits(16)]
    __: u16,
}

/// The byte at 0x3f, which the device writes last.
#[bitfield(u8)]
pub(super) struct OpOwn {
    pub(super) owner: bool,
    pub(super) solicited: bool,
    #[bits(2)]
    pub(super) format: u8,
    #[bits(4)]
    pub(super) opcode: u8,
}
