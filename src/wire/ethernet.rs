//! Ethernet II frames, with one 802.1Q tag at most.

use core::fmt;

use super::Refusal;

/// An Ethernet header without a tag, in bytes.
pub const HEADER_LEN: usize = 14;
/// An 802.1Q tag, in bytes.
pub const TAG_LEN: usize = 4;
/// The shortest frame, without its frame check sequence (IEEE 802.3 3.2.8).
pub const FRAME_LEN_MIN: usize = 60;

/// A hardware address.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Everyone.
    pub const BROADCAST: Mac = Mac([0xff; 6]);

    /// Whether it names one station: not a group, not zero.
    pub fn is_unicast(self) -> bool {
        self.0[0] & 1 == 0 && self.0 != [0; 6]
    }
}

/// A hardware address in the upper bytes of a word, in which it is quick to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacWord(pub(crate) u64);

impl MacWord {
    /// Of no address.
    pub(crate) const NONE: MacWord = MacWord(u64::MAX);

    /// The word of an address.
    #[inline(always)]
    pub fn of(Mac([a, b, c, d, e, f]): Mac) -> MacWord {
        MacWord(u64::from_le_bytes([0, 0, a, b, c, d, e, f]))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ethertype {
    /// IPv4.
    Ipv4,
    /// ARP.
    Arp,
}

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_VLAN: u16 = 0x8100;
/// The part of a tag that names the VLAN (IEEE 802.1Q 9.6).
const VLAN_ID_MASK: u16 = 0x0fff;

impl Ethertype {
    const fn number(self) -> u16 {
        match self {
            Ethertype::Ipv4 => ETHERTYPE_IPV4,
            Ethertype::Arp => ETHERTYPE_ARP,
        }
    }
}

/// A frame whose header has been read.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Whom it is for.
    pub dst: Mac,
    /// Whom it is from.
    pub src: Mac,
    /// The VLAN it is tagged for; `None` untagged. A priority tag (VLAN 0) is no VLAN.
    pub vlan: Option<u16>,
    /// What it carries.
    pub ethertype: Ethertype,
    /// The header's length, tag included.
    pub header_len: usize,
    /// What follows the header: padding included.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a frame's header.
    ///
    /// # Errors
    /// [`Refusal::EthernetTooShort`], [`Refusal::EthernetSourceInvalid`],
    /// [`Refusal::VlanTooShort`], [`Refusal::VlanNested`], [`Refusal::EthertypeUnknown`].
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Packet<'a>, Refusal> {
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return Err(Refusal::EthernetTooShort);
        };
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = *header;
        let src = Mac([s0, s1, s2, s3, s4, s5]);
        if !src.is_unicast() {
            return Err(Refusal::EthernetSourceInvalid);
        }
        let outer = u16::from_be_bytes([t0, t1]);
        let (vlan, number, header_len, payload) = if outer == ETHERTYPE_VLAN {
            let (vlan, number, payload) = read_tag(rest)?;
            (vlan, number, HEADER_LEN + TAG_LEN, payload)
        } else {
            (None, outer, HEADER_LEN, rest)
        };
        let ethertype = match number {
            ETHERTYPE_IPV4 => Ethertype::Ipv4,
            ETHERTYPE_ARP => Ethertype::Arp,
            _ => return Err(Refusal::EthertypeUnknown),
        };
        Ok(Packet { dst: Mac([d0, d1, d2, d3, d4, d5]), src, vlan, ethertype, header_len, payload })
    }
}

fn read_tag(rest: &[u8]) -> Result<(Option<u16>, u16, &[u8]), Refusal> {
    let Some((&[c0, c1, t0, t1], payload)) = rest.split_first_chunk::<TAG_LEN>() else {
        return Err(Refusal::VlanTooShort);
    };
    let number = u16::from_be_bytes([t0, t1]);
    if number == ETHERTYPE_VLAN {
        return Err(Refusal::VlanNested);
    }
    let vlan = u16::from_be_bytes([c0, c1]) & VLAN_ID_MASK;
    Ok(((vlan != 0).then_some(vlan), number, payload))
}

/// A header to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repr {
    /// Whom it is for.
    pub dst: Mac,
    /// Whom it is from.
    pub src: Mac,
    /// The VLAN to tag it for.
    pub vlan: Option<u16>,
    /// What it carries.
    pub ethertype: Ethertype,
}

impl Repr {
    /// The header's length, in bytes.
    #[inline]
    pub const fn header_len(&self) -> usize {
        if self.vlan.is_some() { HEADER_LEN + TAG_LEN } else { HEADER_LEN }
    }

    /// Writes the header to the front of `out`, and says its length.
    ///
    /// # Panics
    /// If `out` is shorter than [`header_len`](Repr::header_len).
    #[inline]
    pub fn emit(&self, out: &mut [u8]) -> usize {
        out[0..6].copy_from_slice(&self.dst.0);
        out[6..12].copy_from_slice(&self.src.0);
        let mut at = 12;
        if let Some(vlan) = self.vlan {
            out[12..14].copy_from_slice(&ETHERTYPE_VLAN.to_be_bytes());
            out[14..16].copy_from_slice(&(vlan & VLAN_ID_MASK).to_be_bytes());
            at = 16;
        }
        out[at..at + 2].copy_from_slice(&self.ethertype.number().to_be_bytes());
        at + 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Repr = Repr {
        dst: Mac([2, 0, 0, 0, 0, 1]),
        src: Mac([2, 0, 0, 0, 0, 2]),
        vlan: None,
        ethertype: Ethertype::Arp,
    };

    #[test]
    fn what_is_emitted_is_read_back() {
        for vlan in [None, Some(1), Some(4094)] {
            let repr = Repr { vlan, ..PLAIN };
            let mut bytes = [0xee; 24];
            let header_len = repr.emit(&mut bytes);
            let packet = Packet::parse(&bytes).unwrap();
            assert_eq!(packet.header_len, header_len);
            assert_eq!((packet.dst, packet.src, packet.vlan), (repr.dst, repr.src, vlan));
            assert_eq!(packet.ethertype, repr.ethertype);
            assert_eq!(packet.payload, &bytes[header_len..]);
        }
    }

    #[test]
    fn a_priority_tag_is_no_vlan() {
        let mut bytes = [0; 20];
        Repr { vlan: Some(0), ..PLAIN }.emit(&mut bytes);
        bytes[14] = 0xe0;
        assert_eq!(Packet::parse(&bytes).unwrap().vlan, None);
    }

    #[test]
    fn each_malformed_frame_has_its_reason() {
        let mut plain = [0; 14];
        PLAIN.emit(&mut plain);
        let mut tagged = [0; 18];
        Repr { vlan: Some(5), ..PLAIN }.emit(&mut tagged);
        let changed = |at: usize, to: &[u8]| {
            let mut bytes = tagged;
            bytes[at..at + to.len()].copy_from_slice(to);
            bytes
        };
        let cases: [(&[u8], Refusal); 6] = [
            (&plain[..13], Refusal::EthernetTooShort),
            (&tagged[..17], Refusal::VlanTooShort),
            (&changed(16, &[0x81, 0x00]), Refusal::VlanNested),
            (&changed(16, &[0x86, 0xdd]), Refusal::EthertypeUnknown),
            (&changed(6, &[0x01]), Refusal::EthernetSourceInvalid),
            (&changed(6, &[0; 6]), Refusal::EthernetSourceInvalid),
        ];
        for (bytes, reason) in cases {
            assert_eq!(Packet::parse(bytes).unwrap_err(), reason);
        }
    }
}
