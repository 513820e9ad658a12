//! IPv4 headers (RFC 791), without fragments.

use core::net::Ipv4Addr;

use super::Refusal;
use crate::offload::checksum::Sum;

/// A header without options, in bytes.
pub const HEADER_LEN: usize = 20;
/// Where the checksum field lies in the header.
pub const CHECKSUM_OFFSET: usize = 10;

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// ICMP.
    Icmp,
    /// TCP.
    Tcp,
}

const PROTOCOL_ICMP: u8 = 1;
pub(crate) const PROTOCOL_TCP: u8 = 6;
/// The flag More Fragments and the fragment offset (RFC 791 3.1).
const FRAGMENT_MASK: u16 = 0x3fff;
/// The flag Don't Fragment.
const DONT_FRAGMENT: u16 = 0x4000;
/// The ECN field, and its values: capable of it, and marked (RFC 3168 5).
pub(crate) const ECN_MASK: u8 = 0b11;
const ECN_ECT_0: u8 = 0b10;
pub(crate) const ECN_CE: u8 = 0b11;
/// Time To Live of what we send (RFC 1700's recommended default).
const TTL: u8 = 64;

/// A packet whose header has been read, whole and unfragmented.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Whom it is from.
    pub src: Ipv4Addr,
    /// Whom it is for.
    pub dst: Ipv4Addr,
    /// What it carries.
    pub protocol: Protocol,
    /// The header with its options, as the checksum covers it.
    pub header: &'a [u8],
    /// What it carries, without the frame's padding.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a packet at the front of an Ethernet payload; what follows Total Length is padding.
    /// Options are stepped over: none of them concerns an end host's TCP.
    ///
    /// # Errors
    /// Every [`Refusal`] named `ipv4_…` but those about addresses and the checksum.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Packet<'a>, Refusal> {
        let Some(fixed) = bytes.first_chunk::<HEADER_LEN>() else {
            return Err(Refusal::Ipv4TooShort);
        };
        if fixed[0] >> 4 != 4 {
            return Err(Refusal::Ipv4VersionWrong);
        }
        let header_len = usize::from(fixed[0] & 0x0f) * 4;
        if header_len < HEADER_LEN || header_len > bytes.len() {
            return Err(Refusal::Ipv4HeaderLengthWrong);
        }
        let total_len = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
        if total_len < header_len || total_len > bytes.len() {
            return Err(Refusal::Ipv4TotalLengthWrong);
        }
        if u16::from_be_bytes([fixed[6], fixed[7]]) & FRAGMENT_MASK != 0 {
            return Err(Refusal::Ipv4Fragment);
        }
        let protocol = match fixed[9] {
            PROTOCOL_TCP => Protocol::Tcp,
            PROTOCOL_ICMP => Protocol::Icmp,
            _ => return Err(Refusal::Ipv4ProtocolUnknown),
        };
        Ok(Packet {
            src: Ipv4Addr::new(fixed[12], fixed[13], fixed[14], fixed[15]),
            dst: Ipv4Addr::new(fixed[16], fixed[17], fixed[18], fixed[19]),
            protocol,
            header: &bytes[..header_len],
            payload: &bytes[header_len..total_len],
        })
    }

    /// Whether the header's bytes match its checksum.
    #[inline]
    pub fn checksum_is_valid(&self) -> bool {
        let sum = match <&[u8; HEADER_LEN]>::try_from(self.header) {
            Ok(header) => Sum::of_ipv4_header(header),
            Err(_) => Sum::of(self.header),
        };
        sum.is_valid()
    }

    /// Whether the network marked it instead of dropping it (RFC 3168 5, CE).
    #[inline]
    pub fn is_ce(&self) -> bool {
        self.header[1] & ECN_MASK == ECN_CE
    }

    /// The sum of the TCP pseudo-header for this packet's payload (RFC 9293 3.1).
    #[inline]
    pub fn tcp_pseudo_header(&self) -> Sum {
        let tcp_len = self.payload.len() as u16;
        Sum::of_tcp_pseudo_header(self.src.octets(), self.dst.octets(), tcp_len)
    }
}

/// Whether an address may stand as a sender (RFC 1122 3.2.1.3).
#[inline]
pub fn is_valid_source(addr: Ipv4Addr) -> bool {
    let first = addr.octets()[0];
    first != 0 && first != 127 && first < 224
}

/// A header to send: no options, one packet, never to be fragmented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repr {
    /// Whom it is from.
    pub src: Ipv4Addr,
    /// Whom it is for.
    pub dst: Ipv4Addr,
    /// What it carries.
    pub protocol: Protocol,
    /// The length of what it carries, in bytes.
    pub payload_len: usize,
    /// Whether the network may mark it instead of dropping it: ECT(0) (RFC 3168 5).
    pub is_ect: bool,
}

impl Repr {
    /// Writes the header to the front of `out` and says its length. The checksum field is finished
    /// unless `device_sums`, which leaves it zero for the device.
    ///
    /// The identification is 0: a packet that is never fragmented needs none (RFC 6864 4.1).
    ///
    /// # Panics
    /// If `out` is shorter than [`HEADER_LEN`].
    #[inline]
    pub fn emit(&self, out: &mut [u8], device_sums: bool) -> usize {
        let out = &mut out[..HEADER_LEN];
        let total_len = (HEADER_LEN + self.payload_len) as u16;
        out[0] = 0x45;
        out[1] = if self.is_ect { ECN_ECT_0 } else { 0 };
        out[2..4].copy_from_slice(&total_len.to_be_bytes());
        out[4..6].fill(0);
        out[6..8].copy_from_slice(&DONT_FRAGMENT.to_be_bytes());
        out[8] = TTL;
        out[9] = match self.protocol {
            Protocol::Icmp => PROTOCOL_ICMP,
            Protocol::Tcp => PROTOCOL_TCP,
        };
        out[10..12].fill(0);
        out[12..16].copy_from_slice(&self.src.octets());
        out[16..20].copy_from_slice(&self.dst.octets());
        if !device_sums {
            let checksum = Sum::of(out).checksum();
            out[10..12].copy_from_slice(&checksum.to_be_bytes());
        }
        HEADER_LEN
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REPR: Repr = Repr {
        src: Ipv4Addr::new(10, 9, 0, 2),
        dst: Ipv4Addr::new(10, 9, 0, 1),
        protocol: Protocol::Tcp,
        payload_len: 6,
        is_ect: false,
    };

    #[test]
    fn what_is_emitted_is_read_back_without_padding() {
        let mut bytes = [0xee; 46];
        REPR.emit(&mut bytes, false);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!((packet.src, packet.dst, packet.protocol), (REPR.src, REPR.dst, REPR.protocol));
        assert_eq!(packet.payload, [0xee; 6]);
        assert!(packet.checksum_is_valid());
        bytes[8] ^= 1;
        assert!(!Packet::parse(&bytes).unwrap().checksum_is_valid());
    }

    #[test]
    fn what_may_be_marked_is_and_then_says_so() {
        let mut bytes = [0u8; 26];
        Repr { is_ect: true, ..REPR }.emit(&mut bytes, false);
        let packet = Packet::parse(&bytes).unwrap();
        assert!(packet.checksum_is_valid() && !packet.is_ce());
        assert_eq!(bytes[1], 2);
        bytes[1] |= 3;
        assert!(Packet::parse(&bytes).unwrap().is_ce());
    }

    #[test]
    fn options_are_stepped_over_and_summed() {
        let mut bytes = [0u8; 30];
        Repr { payload_len: 10, ..REPR }.emit(&mut bytes, true);
        bytes[0] = 0x46;
        bytes[20..24].copy_from_slice(&[7, 3, 4, 0]);
        let checksum = Sum::of(&bytes[..24]).checksum();
        bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
        let packet = Packet::parse(&bytes).unwrap();
        assert!(packet.checksum_is_valid());
        assert_eq!(packet.payload.len(), 6);
    }

    #[test]
    fn each_malformed_packet_has_its_reason() {
        let mut bytes = [0u8; 26];
        REPR.emit(&mut bytes, false);
        let with = |at: usize, value: u8| {
            let mut bytes = bytes;
            bytes[at] = value;
            Packet::parse(&bytes).unwrap_err()
        };
        assert_eq!(Packet::parse(&bytes[..19]).unwrap_err(), Refusal::Ipv4TooShort);
        assert_eq!(with(0, 0x65), Refusal::Ipv4VersionWrong);
        assert_eq!(with(0, 0x44), Refusal::Ipv4HeaderLengthWrong);
        assert_eq!(with(0, 0x4f), Refusal::Ipv4HeaderLengthWrong);
        assert_eq!(with(3, 19), Refusal::Ipv4TotalLengthWrong);
        assert_eq!(with(3, 27), Refusal::Ipv4TotalLengthWrong);
        assert_eq!(with(6, 0x20), Refusal::Ipv4Fragment);
        assert_eq!(with(7, 0x01), Refusal::Ipv4Fragment);
        assert_eq!(with(9, 17), Refusal::Ipv4ProtocolUnknown);
    }

    #[test]
    fn groups_loopback_and_nobody_are_no_senders() {
        for addr in [[0, 0, 0, 0], [127, 0, 0, 1], [224, 0, 0, 1], [255; 4]] {
            assert!(!is_valid_source(Ipv4Addr::from(addr)), "{addr:?}");
        }
        assert!(is_valid_source(Ipv4Addr::new(10, 0, 0, 1)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Packet::parse(&bytes);
        }
    }
}
