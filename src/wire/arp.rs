//! ARP for IPv4 over Ethernet (RFC 826, RFC 5227).

use core::net::Ipv4Addr;

use super::Refusal;
use super::ethernet::Mac;

/// An ARP packet, in bytes.
pub const PACKET_LEN: usize = 28;

/// What an ARP packet does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Asks who has the target address.
    Request,
    /// Tells it.
    Reply,
}

/// What an ARP packet means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repr {
    /// What it does.
    pub operation: Operation,
    /// The sender's hardware address.
    pub sender_mac: Mac,
    /// The sender's address; unspecified in a probe (RFC 5227 2.1.1).
    pub sender: Ipv4Addr,
    /// The target's hardware address; zero in a request.
    pub target_mac: Mac,
    /// The target's address.
    pub target: Ipv4Addr,
}

/// Ethernet, IPv4, 6-byte and 4-byte addresses (RFC 826, Packet format).
const PREFIX: [u8; 6] = [0, 1, 8, 0, 6, 4];

impl Repr {
    /// Reads a packet; what follows it is padding.
    ///
    /// # Errors
    /// [`Refusal::ArpTooShort`], [`Refusal::ArpMalformed`], [`Refusal::ArpSenderInvalid`].
    pub fn parse(bytes: &[u8]) -> Result<Repr, Refusal> {
        let bytes: &[u8; PACKET_LEN] = bytes.first_chunk().ok_or(Refusal::ArpTooShort)?;
        if bytes[..6] != PREFIX {
            return Err(Refusal::ArpMalformed);
        }
        let operation = match bytes[6..8] {
            [0, 1] => Operation::Request,
            [0, 2] => Operation::Reply,
            _ => return Err(Refusal::ArpMalformed),
        };
        let mac = |at: usize| Mac(core::array::from_fn(|i| bytes[at + i]));
        let addr = |at: usize| Ipv4Addr::from(core::array::from_fn::<u8, 4, _>(|i| bytes[at + i]));
        let repr = Repr {
            operation,
            sender_mac: mac(8),
            sender: addr(14),
            target_mac: mac(18),
            target: addr(24),
        };
        let sender_invalid = !repr.sender_mac.is_unicast()
            || repr.sender.is_multicast()
            || repr.sender.is_broadcast();
        if sender_invalid { Err(Refusal::ArpSenderInvalid) } else { Ok(repr) }
    }

    /// Writes the packet to the front of `out`, and says its length.
    ///
    /// # Panics
    /// If `out` is shorter than [`PACKET_LEN`].
    pub fn emit(&self, out: &mut [u8]) -> usize {
        out[..6].copy_from_slice(&PREFIX);
        out[6..8].copy_from_slice(match self.operation {
            Operation::Request => &[0, 1],
            Operation::Reply => &[0, 2],
        });
        out[8..14].copy_from_slice(&self.sender_mac.0);
        out[14..18].copy_from_slice(&self.sender.octets());
        out[18..24].copy_from_slice(&self.target_mac.0);
        out[24..28].copy_from_slice(&self.target.octets());
        PACKET_LEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: Repr = Repr {
        operation: Operation::Request,
        sender_mac: Mac([2, 0, 0, 0, 0, 1]),
        sender: Ipv4Addr::new(10, 9, 0, 1),
        target_mac: Mac([0; 6]),
        target: Ipv4Addr::new(10, 9, 0, 2),
    };

    #[test]
    fn what_is_emitted_is_read_back() {
        for operation in [Operation::Request, Operation::Reply] {
            let repr = Repr { operation, ..REQUEST };
            let mut bytes = [0xee; 46];
            assert_eq!(repr.emit(&mut bytes), PACKET_LEN);
            assert_eq!(Repr::parse(&bytes), Ok(repr));
        }
    }

    #[test]
    fn each_malformed_packet_has_its_reason() {
        let mut bytes = [0; PACKET_LEN];
        REQUEST.emit(&mut bytes);
        let with = |at: usize, value: u8| {
            let mut bytes = bytes;
            bytes[at] = value;
            Repr::parse(&bytes).unwrap_err()
        };
        assert_eq!(Repr::parse(&bytes[..27]), Err(Refusal::ArpTooShort));
        for (at, value) in [(1, 2), (2, 6), (4, 8), (5, 16), (7, 3), (7, 0)] {
            assert_eq!(with(at, value), Refusal::ArpMalformed, "byte {at}");
        }
        assert_eq!(with(8, 1), Refusal::ArpSenderInvalid);
        assert_eq!(with(14, 224), Refusal::ArpSenderInvalid);
    }
}
