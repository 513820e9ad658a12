//! A captured frame's TCP segment, by the engine's own reading of headers.

use core::fmt;
use core::ops::Range;

use crate::measure::ether_type::{IPV4, IPV6, behind_tags};
use crate::tcp::Endpoint;
use crate::wire::Refusal;
use crate::wire::tcp::{Flags, Packet, SeqNumber};
use crate::wire::{ipv4, tcp};

use super::Arrived;

/// What a frame is that no TCP segment is read of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum NotTcp {
    /// ARP, LLDP, PTP and the like.
    NotIp,
    /// FIX is looked for in IPv4 alone.
    Ipv6,
    /// UDP, ICMP and the like.
    OtherProtocol,
    /// Part of a datagram.
    Fragment,
    /// The capture holds only its beginning.
    CutOff,
    /// Headers that contradict themselves.
    Malformed,
}

impl NotTcp {
    /// All of them.
    pub const ALL: [NotTcp; 6] = [
        NotTcp::NotIp,
        NotTcp::Ipv6,
        NotTcp::OtherProtocol,
        NotTcp::Fragment,
        NotTcp::CutOff,
        NotTcp::Malformed,
    ];

    /// Its counter's name.
    pub const fn name(self) -> &'static str {
        match self {
            NotTcp::NotIp => "not_ip",
            NotTcp::Ipv6 => "ipv6",
            NotTcp::OtherProtocol => "not_tcp",
            NotTcp::Fragment => "fragment",
            NotTcp::CutOff => "cut_off",
            NotTcp::Malformed => "malformed",
        }
    }
}

impl fmt::Display for NotTcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotTcp::NotIp => "no IP packets",
            NotTcp::Ipv6 => "IPv6, in which FIX is not looked for",
            NotTcp::OtherProtocol => "IPv4 without TCP (UDP and the like)",
            NotTcp::Fragment => "fragments of packets",
            NotTcp::CutOff => "cut off by the capture's snap length",
            NotTcp::Malformed => "of malformed headers",
        })
    }
}

/// A segment, as far as measuring needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    pub(super) from: Endpoint,
    pub(super) to: Endpoint,
    /// Of the first byte of its payload.
    pub(super) seq: SeqNumber,
    pub(super) ack: Option<SeqNumber>,
    pub(super) syn: bool,
    pub(super) payload: &'a [u8],
}

pub(super) fn segment<'a>(frame: &Arrived<'a>) -> Result<Segment<'a>, NotTcp> {
    let packet = packet(network(frame)?, frame.is_cut_off).map_err(|refusal| match refusal {
        Refusal::Ipv4ProtocolUnknown => NotTcp::OtherProtocol,
        Refusal::Ipv4Fragment => NotTcp::Fragment,
        Refusal::Ipv4TotalLengthWrong | Refusal::Ipv4TooShort if frame.is_cut_off => NotTcp::CutOff,
        _ => NotTcp::Malformed,
    })?;
    if packet.protocol != ipv4::Protocol::Tcp {
        return Err(NotTcp::OtherProtocol);
    }
    let parsed = Packet::parse(packet.payload).and_then(|packet| packet.segment());
    let tcp::Segment { src_port, dst_port, seq, ack, flags, payload, .. } =
        parsed.map_err(|_| NotTcp::Malformed)?;
    let syn = flags.has(Flags::SYN);
    Ok(Segment {
        from: Endpoint { addr: packet.src, port: src_port },
        to: Endpoint { addr: packet.dst, port: dst_port },
        // A SYN takes a number before the data.
        seq: seq + u32::from(syn),
        ack: flags.has(Flags::ACK).then_some(ack),
        syn,
        payload,
    })
}

/// An IPv4 packet. Without a Total Length, as a host hands it over to a device that parts it (TSO), it ends with the frame.
fn packet(bytes: &[u8], is_cut_off: bool) -> Result<ipv4::Packet<'_>, Refusal> {
    const TOTAL_LEN: Range<usize> = 2..4;
    /// Shorter frames are filled up, and nothing says by how much.
    const LEN_MIN: usize = 60 - 14;
    if is_cut_off || bytes.len() <= LEN_MIN || bytes[TOTAL_LEN] != [0, 0] {
        return ipv4::Packet::parse(bytes);
    }
    let header_len = usize::from(bytes[0] & 0x0f) * 4;
    let mut header = [0; 60];
    let (Some(of_frame), Some(copy)) = (bytes.get(..header_len), header.get_mut(..header_len))
    else {
        return Err(Refusal::Ipv4HeaderLengthWrong);
    };
    copy.copy_from_slice(of_frame);
    header[TOTAL_LEN].copy_from_slice(&(header_len as u16).to_be_bytes());
    let ipv4::Packet { src, dst, protocol, .. } = ipv4::Packet::parse(&header[..header_len])?;
    Ok(ipv4::Packet { src, dst, protocol, header: of_frame, payload: &bytes[header_len..] })
}

/// What follows the frame's header, behind VLAN tags or not.
fn network<'a>(frame: &Arrived<'a>) -> Result<&'a [u8], NotTcp> {
    match behind_tags(frame.bytes, frame.ether_type_at) {
        Some((IPV4, at)) => Ok(frame.bytes.get(at + 2..).unwrap_or_default()),
        Some((IPV6, _)) => Err(NotTcp::Ipv6),
        Some(_) => Err(NotTcp::NotIp),
        None => Err(if frame.is_cut_off { NotTcp::CutOff } else { NotTcp::Malformed }),
    }
}
