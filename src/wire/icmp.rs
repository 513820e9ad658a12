//! ICMP (RFC 792): echo, and the errors that a TCP listens to.

use core::net::Ipv4Addr;

use super::Refusal;
use super::tcp::SeqNumber;
use crate::offload::checksum::Sum;

/// An ICMP header, in bytes.
pub const HEADER_LEN: usize = 8;

const TYPE_ECHO_REPLY: u8 = 0;
const TYPE_UNREACHABLE: u8 = 3;
const TYPE_ECHO: u8 = 8;
const CODE_FRAGMENTATION_NEEDED: u8 = 4;
/// The ports and the sequence number: what an error must quote of a TCP header (RFC 792).
const QUOTED_TCP_LEN: usize = 8;

/// What an ICMP message means to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Asks for `data` back: identifier, sequence number and payload.
    Echo {
        /// What follows the checksum.
        data: &'a [u8],
    },
    /// A segment of ours was larger than a link on its way (RFC 1191 4).
    TooBig {
        /// The segment.
        segment: Quoted,
        /// The next link's MTU in bytes; 0 from a router that does not say.
        mtu: u16,
    },
    /// A segment of ours did not arrive, for another reason.
    Unreachable {
        /// The segment.
        segment: Quoted,
        /// The code (RFC 792).
        code: u8,
    },
}

/// A segment of ours as an error quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// Our address.
    pub src: Ipv4Addr,
    /// The peer's address.
    pub dst: Ipv4Addr,
    /// Our port.
    pub src_port: u16,
    /// The peer's port.
    pub dst_port: u16,
    /// The segment's sequence number.
    pub seq: SeqNumber,
    /// How long the packet was, in bytes with its IPv4 header, as far as the router says so truly.
    pub packet_len: u16,
}

impl<'a> Message<'a> {
    /// Reads the whole of an IPv4 payload.
    ///
    /// # Errors
    /// Every [`Refusal`] named `icmp_…`.
    pub fn parse(bytes: &'a [u8]) -> Result<Message<'a>, Refusal> {
        let Some((&[kind, code, _, _, _, _, mtu_high, mtu_low], quote)) =
            bytes.split_first_chunk::<HEADER_LEN>()
        else {
            return Err(Refusal::IcmpTooShort);
        };
        if !Sum::of(bytes).is_valid() {
            return Err(Refusal::IcmpChecksumWrong);
        }
        match (kind, code) {
            (TYPE_ECHO, _) => Ok(Message::Echo { data: &bytes[4..] }),
            (TYPE_UNREACHABLE, CODE_FRAGMENTATION_NEEDED) => Ok(Message::TooBig {
                segment: Quoted::parse(quote)?,
                mtu: u16::from_be_bytes([mtu_high, mtu_low]),
            }),
            (TYPE_UNREACHABLE, code) => {
                Ok(Message::Unreachable { segment: Quoted::parse(quote)?, code })
            }
            _ => Err(Refusal::IcmpTypeIgnored),
        }
    }
}

impl Quoted {
    /// Reads the start of a packet of ours, cut off after eight bytes of TCP or later.
    fn parse(bytes: &[u8]) -> Result<Quoted, Refusal> {
        let header_len = bytes.first().map_or(0, |first| usize::from(first & 0x0f) * 4);
        let is_tcp = bytes.first().is_some_and(|first| first >> 4 == 4)
            && header_len >= super::ipv4::HEADER_LEN
            && bytes.get(9) == Some(&6);
        let (true, Some(header), Some(&[s0, s1, d0, d1, n0, n1, n2, n3])) = (
            is_tcp,
            bytes.first_chunk::<20>(),
            bytes.get(header_len..).and_then(<[u8]>::first_chunk::<QUOTED_TCP_LEN>),
        ) else {
            return Err(Refusal::IcmpQuoteUnusable);
        };
        Ok(Quoted {
            src: Ipv4Addr::new(header[12], header[13], header[14], header[15]),
            dst: Ipv4Addr::new(header[16], header[17], header[18], header[19]),
            src_port: u16::from_be_bytes([s0, s1]),
            dst_port: u16::from_be_bytes([d0, d1]),
            seq: SeqNumber(u32::from_be_bytes([n0, n1, n2, n3])),
            packet_len: u16::from_be_bytes([header[2], header[3]]),
        })
    }
}

/// Writes the answer to an echo request to the front of `out`, and says its length.
///
/// # Errors
/// [`Refusal::IcmpTooLongToEcho`] when `out` is too short for it.
pub fn emit_echo_reply(data: &[u8], out: &mut [u8]) -> Result<usize, Refusal> {
    let len = 4 + data.len();
    let out = out.get_mut(..len).ok_or(Refusal::IcmpTooLongToEcho)?;
    out[..4].copy_from_slice(&[TYPE_ECHO_REPLY, 0, 0, 0]);
    out[4..].copy_from_slice(data);
    let checksum = Sum::of(out).checksum();
    out[2..4].copy_from_slice(&checksum.to_be_bytes());
    Ok(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(mut bytes: Vec<u8>) -> Vec<u8> {
        bytes[2..4].fill(0);
        let checksum = Sum::of(&bytes).checksum();
        bytes[2..4].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }

    fn quote() -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 9, 0, 2, 10, 9, 0, 1];
        packet.extend([0xc0, 0x00, 0x26, 0x96, 0, 0, 0, 9]);
        packet
    }

    #[test]
    fn an_echo_comes_back_with_its_data() {
        let request = finished(vec![8, 0, 0, 0, 1, 2, 0, 1, 0xaa, 0xbb, 0xcc]);
        let Ok(Message::Echo { data }) = Message::parse(&request) else { panic!() };
        let mut reply = [0; 64];
        let len = emit_echo_reply(data, &mut reply).unwrap();
        assert_eq!(reply[4..len], request[4..]);
        assert_eq!(reply[0], 0);
        assert!(Sum::of(&reply[..len]).is_valid());
        assert_eq!(emit_echo_reply(data, &mut reply[..10]), Err(Refusal::IcmpTooLongToEcho));
    }

    #[test]
    fn too_big_yields_the_segment_and_the_mtu() {
        let message = finished([vec![3, 4, 0, 0, 0, 0, 0x05, 0x14], quote()].concat());
        let segment = Quoted {
            src: Ipv4Addr::new(10, 9, 0, 2),
            dst: Ipv4Addr::new(10, 9, 0, 1),
            src_port: 49152,
            dst_port: 9878,
            seq: SeqNumber(9),
            packet_len: 40,
        };
        assert_eq!(Message::parse(&message), Ok(Message::TooBig { segment, mtu: 1300 }));
        let message = finished([vec![3, 3, 0, 0, 0, 0, 0, 0], quote()].concat());
        assert_eq!(Message::parse(&message), Ok(Message::Unreachable { segment, code: 3 }));
    }

    #[test]
    fn each_malformed_message_has_its_reason() {
        let too_big = |quote: &[u8]| finished([&[3, 4, 0, 0, 0, 0, 5, 0x14], quote].concat());
        let mut wrong_protocol = quote();
        wrong_protocol[9] = 17;
        let mut long_header = quote();
        long_header[0] = 0x4f;
        let cases = [
            (vec![8, 0, 0], Refusal::IcmpTooShort),
            (vec![8, 0, 0, 0, 0, 0, 0, 1], Refusal::IcmpChecksumWrong),
            (finished(vec![13, 0, 0, 0, 0, 0, 0, 0]), Refusal::IcmpTypeIgnored),
            (finished(vec![0, 0, 0, 0, 0, 0, 0, 0]), Refusal::IcmpTypeIgnored),
            (too_big(&quote()[..27]), Refusal::IcmpQuoteUnusable),
            (too_big(&[]), Refusal::IcmpQuoteUnusable),
            (too_big(&wrong_protocol), Refusal::IcmpQuoteUnusable),
            (too_big(&long_header), Refusal::IcmpQuoteUnusable),
        ];
        for (bytes, reason) in cases {
            assert_eq!(Message::parse(&bytes), Err(reason), "{bytes:?}");
        }
    }
}
