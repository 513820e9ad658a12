//! Frames made by hand, right or wrong on purpose, for lines that carry nobody's money.

use std::net::{Ipv4Addr, SocketAddrV4};

use fixwire::offload::checksum::Sum;
use fixwire::offload::nic::{Burst, Frame, Nic, TxChecksum, TxMeta};
use fixwire::wire::ethernet::{self, Ethertype, Mac};
use fixwire::wire::tcp::{Flags, Options, SeqNumber};
use fixwire::wire::{ipv4, tcp};

/// Ethernet and IPv4 headers as these frames have them, in bytes.
const LINK_LEN: usize = 14;
const IPV4_LEN: usize = 20;
const IPV4_CHECKSUM_AT: usize = LINK_LEN + 10;
/// Where the TCP header of these frames begins.
pub(crate) const TCP_AT: usize = LINK_LEN + IPV4_LEN;
/// Where in a TCP header its checksum lies (RFC 9293 3.1).
pub(crate) const TCP_CHECKSUM_OFFSET: usize = 16;

/// What the two checksum fields hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sums {
    Right,
    Ipv4Wrong,
    TcpWrong,
    /// That of IPv4 left to the device: the field is empty.
    Ipv4LeftToDevice,
    /// That of TCP left to the device: the field holds the pseudo-header's sum.
    TcpLeftToDevice,
}

/// A TCP segment in a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProbeFrame<'a> {
    pub(crate) from: (Mac, SocketAddrV4),
    pub(crate) to: (Mac, SocketAddrV4),
    pub(crate) flags: Flags,
    pub(crate) payload: &'a [u8],
}

impl ProbeFrame<'_> {
    /// Its bytes.
    pub(crate) fn bytes(&self, sums: Sums) -> Vec<u8> {
        let (src, dst) = (self.from.1, self.to.1);
        let repr = tcp::Repr {
            src_port: src.port(),
            dst_port: dst.port(),
            seq: SeqNumber(1000),
            ack: SeqNumber(0),
            flags: self.flags,
            window: 65_535,
            options: Options::NONE,
        };
        let mut segment = vec![0; repr.header_len()];
        repr.emit(&mut segment);
        segment.extend_from_slice(self.payload);
        let octets = |addr: &Ipv4Addr| addr.octets();
        let len = segment.len() as u16;
        let pseudo = Sum::of_tcp_pseudo_header(octets(src.ip()), octets(dst.ip()), len);
        let checksum = match sums {
            Sums::TcpLeftToDevice => pseudo.folded(),
            _ => pseudo.plus(Sum::of(&segment)).checksum(),
        };
        segment[TCP_CHECKSUM_OFFSET..][..2].copy_from_slice(&checksum.to_be_bytes());
        let packet = ipv4::Repr {
            src: *src.ip(),
            dst: *dst.ip(),
            protocol: ipv4::Protocol::Tcp,
            payload_len: segment.len(),
            is_ect: false,
        };
        let mut bytes = vec![0; LINK_LEN + IPV4_LEN];
        let (dst, src) = (self.to.0, self.from.0);
        let link = ethernet::Repr { dst, src, vlan: None, ethertype: Ethertype::Ipv4 };
        let at = link.emit(&mut bytes);
        packet.emit(&mut bytes[at..], sums == Sums::Ipv4LeftToDevice);
        bytes.extend(segment);
        match sums {
            Sums::Ipv4Wrong => bytes[IPV4_CHECKSUM_AT] ^= 0x01,
            Sums::TcpWrong => bytes[TCP_AT + TCP_CHECKSUM_OFFSET] ^= 0x01,
            Sums::Right | Sums::Ipv4LeftToDevice | Sums::TcpLeftToDevice => {}
        }
        bytes
    }
}

/// Sends one frame. False if the device has no buffer or does not take it.
pub(crate) fn send(nic: &mut impl Nic, bytes: &[u8], sums: Sums) -> bool {
    send_stamped(nic, bytes, sums, 0)
}

/// The same, and asks when it leaves, under the name `stamp_token`.
pub(crate) fn send_stamped(nic: &mut impl Nic, bytes: &[u8], sums: Sums, stamp_token: u32) -> bool {
    let Some(mut frame) = nic.tx_frame() else { return false };
    frame.space()[..bytes.len()].copy_from_slice(bytes);
    let left = |is_left| if is_left { TxChecksum::Partial } else { TxChecksum::Full };
    let meta = TxMeta {
        l2_len: LINK_LEN as u8,
        l3_len: IPV4_LEN as u8,
        l4_len: 20,
        ipv4: left(sums == Sums::Ipv4LeftToDevice),
        tcp: left(sums == Sums::TcpLeftToDevice),
        stamp_token,
    };
    frame.finish(bytes.len(), meta);
    let mut burst = Burst::new();
    burst.push(frame);
    nic.tx_burst(&mut burst) == 1
}
