//! What a rule can ask of a frame, in one word of 128 bits.
//!
//! A pattern then is two such words, the bits that count and their values, and to match is to compare
//! under a mask. From the top: source and destination address, source and destination port as they lie
//! on the wire; a bit that is always zero; whether it is ARP, and then nothing else but the VLAN; whether it is
//! ICMP; the VLAN (12 bits, zero for none); whether it is a TCP segment with ports; 16 bits that are always zero, where a table keeps the number of a rule.

use core::fmt;
use core::net::{Ipv4Addr, SocketAddrV4};

use super::field::VlanId;
use super::rule::{Carries, Pattern, TcpMatch};

/// What a rule can ask of a frame that holds an IPv4 packet or ARP.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowKey(u128);

const SRC_SHIFT: u32 = 96;
const DST_SHIFT: u32 = 64;
const SRC_PORT_SHIFT: u32 = 48;
const DST_PORT_SHIFT: u32 = 32;
const ARP_SHIFT: u32 = 30;
const ICMP_SHIFT: u32 = 29;
const VLAN_SHIFT: u32 = 17;
const TCP_SHIFT: u32 = 16;

/// A bit that no key has.
pub(super) const NEVER_SET: u128 = 1 << 31;
/// The bits that no key has and no mask looks at.
pub(super) const SPARE_MASK: u128 = 0xffff;

const ETHERTYPE_OFFSET: usize = 12;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_ARP: u16 = 0x0806;
/// IEEE 802.1Q table 9-1: the customer's tag and the provider's.
const ETHERTYPE_C_TAG: u16 = 0x8100;
const ETHERTYPE_S_TAG: u16 = 0x88a8;
const TAGS_MAX: usize = 2;
const VLAN_ID_MASK: u16 = 0x0fff;
const IPV4_HEADER_LEN: usize = 20;
const PROTOCOL_ICMP: u8 = 1;
const PROTOCOL_TCP: u8 = 6;
/// The flag More Fragments and the fragment offset (RFC 791 3.1).
const FRAGMENT_MASK: u16 = 0x3fff;
/// A TCP header without options (RFC 9293 3.1).
const TCP_HEADER_LEN: usize = 20;

impl FlowKey {
    /// Reads a frame; `None` where there is nothing that a rule could match: what is neither IPv4 nor ARP, or is
    /// malformed as far as this has to read it. That is: lengths of IPv4, and that a whole TCP header
    /// follows. Checksums and the TCP header itself are not looked at.
    #[inline]
    pub fn of_frame(frame: &[u8]) -> Option<FlowKey> {
        let (ethertype, vlan, packet) = read_link(frame)?;
        if ethertype != ETHERTYPE_IPV4 {
            let key = 1 << ARP_SHIFT | u128::from(vlan) << VLAN_SHIFT;
            return (ethertype == ETHERTYPE_ARP).then_some(FlowKey(key));
        }
        let header = packet.first_chunk::<IPV4_HEADER_LEN>()?;
        let [.., s0, s1, s2, s3, d0, d1, d2, d3] = *header;
        let header_len = usize::from(header[0] & 0x0f) * 4;
        let total_len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if header[0] >> 4 != 4 || header_len < IPV4_HEADER_LEN {
            return None;
        }
        let payload = packet.get(..total_len)?.get(header_len..)?;
        let addresses = u64::from_be_bytes([s0, s1, s2, s3, d0, d1, d2, d3]);
        let key = u128::from(addresses) << DST_SHIFT | u128::from(vlan) << VLAN_SHIFT;
        let fragment = u16::from_be_bytes([header[6], header[7]]) & FRAGMENT_MASK != 0;
        if header[9] != PROTOCOL_TCP || fragment {
            let icmp = u128::from(header[9] == PROTOCOL_ICMP) << ICMP_SHIFT;
            return Some(FlowKey(key | icmp));
        }
        let [p0, p1, p2, p3, ..] = *payload.first_chunk::<TCP_HEADER_LEN>()?;
        let ports = u32::from_be_bytes([p0, p1, p2, p3]);
        Some(FlowKey(key | u128::from(ports) << DST_PORT_SHIFT | 1 << TCP_SHIFT))
    }

    /// An untagged TCP segment.
    pub fn tcp(src: SocketAddrV4, dst: SocketAddrV4) -> FlowKey {
        let ports = u128::from(src.port()) << SRC_PORT_SHIFT
            | u128::from(dst.port()) << DST_PORT_SHIFT
            | 1 << TCP_SHIFT;
        FlowKey(FlowKey::ipv4(*src.ip(), *dst.ip()).0 | ports)
    }

    /// An untagged packet without ports: a fragment, or not TCP.
    pub fn ipv4(src: Ipv4Addr, dst: Ipv4Addr) -> FlowKey {
        FlowKey(u128::from(src.to_bits()) << SRC_SHIFT | u128::from(dst.to_bits()) << DST_SHIFT)
    }

    /// An untagged ICMP message.
    pub fn icmp(src: Ipv4Addr, dst: Ipv4Addr) -> FlowKey {
        FlowKey(FlowKey::ipv4(src, dst).0 | 1 << ICMP_SHIFT)
    }

    /// Untagged ARP.
    pub const ARP: FlowKey = FlowKey(1 << ARP_SHIFT);

    /// The same in a VLAN, or in none: for a frame whose tag the device has stripped.
    #[must_use]
    pub fn in_vlan(self, vlan: Option<VlanId>) -> FlowKey {
        let number = vlan.map_or(0, VlanId::number);
        let others = self.0 & !(u128::from(VLAN_ID_MASK) << VLAN_SHIFT);
        FlowKey(others | u128::from(number) << VLAN_SHIFT)
    }

    /// The VLAN of the outermost tag.
    pub const fn vlan(&self) -> Option<VlanId> {
        VlanId::new((self.0 >> VLAN_SHIFT) as u16 & VLAN_ID_MASK)
    }

    /// Whether it is no IPv4 packet but ARP.
    pub const fn is_arp(&self) -> bool {
        self.0 >> ARP_SHIFT & 1 == 1
    }

    /// Whether it is ICMP, or a fragment of it.
    pub const fn is_icmp(&self) -> bool {
        self.0 >> ICMP_SHIFT & 1 == 1
    }

    /// Whom the packet is from.
    pub const fn src(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits((self.0 >> SRC_SHIFT) as u32)
    }

    /// Whom it is for.
    pub const fn dst(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits((self.0 >> DST_SHIFT) as u32)
    }

    /// Source and destination port, if it is an unfragmented TCP segment.
    pub const fn ports(&self) -> Option<(u16, u16)> {
        if self.0 >> TCP_SHIFT & 1 == 0 {
            return None;
        }
        Some(((self.0 >> SRC_PORT_SHIFT) as u16, (self.0 >> DST_PORT_SHIFT) as u16))
    }

    /// The word, as a flow table in hardware holds it.
    #[inline]
    pub const fn bits(&self) -> u128 {
        self.0
    }
}

/// What follows the tags, as its type says; the number of the outermost tag's VLAN, zero for none; and it.
#[inline]
fn read_link(frame: &[u8]) -> Option<(u16, u16, &[u8])> {
    let (ethertype, mut rest) = split_u16(frame.get(ETHERTYPE_OFFSET..)?)?;
    if ethertype == ETHERTYPE_IPV4 {
        return Some((ethertype, 0, rest));
    }
    let mut ethertype = ethertype;
    let mut outermost = None;
    for _ in 0..TAGS_MAX {
        if !matches!(ethertype, ETHERTYPE_C_TAG | ETHERTYPE_S_TAG) {
            break;
        }
        let (control, behind) = split_u16(rest)?;
        outermost = outermost.or(Some(control & VLAN_ID_MASK));
        (ethertype, rest) = split_u16(behind)?;
    }
    // The reserved number is none that a rule could name.
    let vlan = outermost.and_then(VlanId::new).map_or(0, VlanId::number);
    Some((ethertype, vlan, rest))
}

#[inline]
fn split_u16(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*number), rest))
}

/// A pattern in the terms of a key: what a flow table in hardware holds of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskedKey {
    /// The bits that a key is to have; zero where the mask is.
    pub value: u128,
    /// The bits that count.
    pub mask: u128,
}

impl MaskedKey {
    /// The keys that `pattern` matches.
    pub fn of(pattern: &Pattern) -> MaskedKey {
        let Pattern { vlan, src, dst, carries } = pattern;
        let mut found = MaskedKey { value: 0, mask: 0 };
        let mut add = |value: u32, mask: u32, shift: u32| {
            found.value |= u128::from(value) << shift;
            found.mask |= u128::from(mask) << shift;
        };
        if let Some(vlan) = vlan {
            add(vlan.number().into(), VLAN_ID_MASK.into(), VLAN_SHIFT);
        }
        if *carries == Carries::Arp {
            add(1, 1, ARP_SHIFT);
            return found;
        }
        add(0, 1, ARP_SHIFT);
        add(src.spec().to_bits(), src.mask().to_bits(), SRC_SHIFT);
        add(dst.spec().to_bits(), dst.mask().to_bits(), DST_SHIFT);
        match carries {
            Carries::Any | Carries::Arp => {}
            Carries::Icmp => {
                add(1, 1, ICMP_SHIFT);
                // Never TCP as well, so that the two do not seem to meet.
                add(0, 1, TCP_SHIFT);
            }
            Carries::Tcp(TcpMatch { src_port, dst_port }) => {
                add(1, 1, TCP_SHIFT);
                add(src_port.spec().into(), src_port.mask().into(), SRC_PORT_SHIFT);
                add(dst_port.spec().into(), dst_port.mask().into(), DST_PORT_SHIFT);
            }
        }
        found
    }

    /// Whether some frame is matched by both.
    pub(super) const fn overlaps(&self, other: &MaskedKey) -> bool {
        (self.value ^ other.value) & self.mask & other.mask == 0
    }
}

impl fmt::Debug for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (src, dst) = (self.src(), self.dst());
        match self.ports() {
            Some((src_port, dst_port)) => write!(f, "{src}:{src_port} to {dst}:{dst_port}")?,
            None if self.is_arp() => f.write_str("ARP")?,
            None if self.is_icmp() => write!(f, "ICMP from {src} to {dst}")?,
            None => write!(f, "{src} to {dst}")?,
        }
        match self.vlan() {
            Some(vlan) => write!(f, " in VLAN {vlan}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SRC: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 9878);
    const DST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 168, 0, 2), 40_000);

    /// A frame by its parts: tags, IPv4 header, TCP header, padding.
    #[derive(Clone, Debug)]
    struct Parts {
        tags: Vec<(u16, u16)>,
        version: u8,
        options: usize,
        /// What Total Length says beyond the truth.
        total_len_off: i16,
        fragment: u16,
        protocol: u8,
        tcp_len: usize,
        padding: usize,
    }

    const PLAIN: Parts = Parts {
        tags: Vec::new(),
        version: 4,
        options: 0,
        total_len_off: 0,
        fragment: 0x4000,
        protocol: PROTOCOL_TCP,
        tcp_len: 32,
        padding: 0,
    };

    impl Parts {
        fn frame(&self) -> Vec<u8> {
            let mut frame = vec![2; ETHERTYPE_OFFSET];
            for (ethertype, control) in &self.tags {
                frame.extend(ethertype.to_be_bytes());
                frame.extend(control.to_be_bytes());
            }
            frame.extend(ETHERTYPE_IPV4.to_be_bytes());
            let header_len = IPV4_HEADER_LEN + self.options;
            let total_len = (header_len + self.tcp_len) as u16 as i16 + self.total_len_off;
            frame.extend([self.version << 4 | (header_len / 4) as u8, 0]);
            frame.extend(total_len.to_be_bytes());
            frame.extend([0, 7]);
            frame.extend(self.fragment.to_be_bytes());
            frame.extend([64, self.protocol, 0, 0]);
            frame.extend(SRC.ip().octets());
            frame.extend(DST.ip().octets());
            frame.extend(vec![1; self.options]);
            let mut tcp = [SRC.port().to_be_bytes(), DST.port().to_be_bytes()].concat();
            tcp.resize(self.tcp_len, 0xee);
            frame.extend(tcp);
            frame.extend(vec![0; self.padding]);
            frame
        }
    }

    fn tagged(tags: &[(u16, u16)]) -> Parts {
        Parts { tags: tags.to_vec(), ..PLAIN }
    }

    #[test]
    fn a_segment_has_addresses_ports_and_the_outermost_vlan() {
        let key = FlowKey::tcp(SRC, DST);
        for (what, parts, expected) in [
            ("plain", PLAIN, key),
            ("padded", Parts { tcp_len: 20, padding: 6, ..PLAIN }, key),
            ("with options", Parts { options: 40, ..PLAIN }, key),
            ("may be fragmented", Parts { fragment: 0, ..PLAIN }, key),
            ("the reserved flag", Parts { fragment: 0x8000, ..PLAIN }, key),
            ("a tag", tagged(&[(0x8100, 42)]), key.in_vlan(VlanId::new(42))),
            ("a tag with a priority", tagged(&[(0x8100, 0xf02a)]), key.in_vlan(VlanId::new(42))),
            ("a priority tag", tagged(&[(0x8100, 0xe000)]), key),
            ("the reserved VLAN", tagged(&[(0x8100, 0x0fff)]), key),
            ("a provider's tag", tagged(&[(0x88a8, 7)]), key.in_vlan(VlanId::new(7))),
            ("two tags", tagged(&[(0x88a8, 7), (0x8100, 42)]), key.in_vlan(VlanId::new(7))),
            ("a priority tag, then a VLAN", tagged(&[(0x8100, 0), (0x8100, 42)]), key),
        ] {
            let found = FlowKey::of_frame(&parts.frame());
            assert_eq!(found, Some(expected), "{what}");
        }
    }

    #[test]
    fn fragments_and_other_protocols_have_no_ports() {
        let key = FlowKey::ipv4(*SRC.ip(), *DST.ip());
        for (what, parts) in [
            ("the first fragment", Parts { fragment: 0x2000, ..PLAIN }),
            ("a later one", Parts { fragment: 0x2001, ..PLAIN }),
            ("the last", Parts { fragment: 0x0001, ..PLAIN }),
            ("the last, far behind", Parts { fragment: 0x1000, ..PLAIN }),
            ("a short fragment", Parts { fragment: 0x2000, tcp_len: 8, ..PLAIN }),
            ("UDP", Parts { protocol: 17, ..PLAIN }),
        ] {
            assert_eq!(FlowKey::of_frame(&parts.frame()), Some(key), "{what}");
        }
        let icmp = FlowKey::icmp(*SRC.ip(), *DST.ip());
        for (what, parts) in [
            ("ICMP, empty", Parts { protocol: 1, tcp_len: 0, ..PLAIN }),
            ("the last fragment of ICMP", Parts { protocol: 1, fragment: 0x0001, ..PLAIN }),
        ] {
            assert_eq!(FlowKey::of_frame(&parts.frame()), Some(icmp), "{what}");
        }
    }

    #[test]
    fn arp_is_that_and_its_vlan_whatever_follows() {
        let arp = |parts: Parts| {
            let mut frame = parts.frame();
            let at = ETHERTYPE_OFFSET + 4 * parts.tags.len();
            frame[at..at + 2].copy_from_slice(&ETHERTYPE_ARP.to_be_bytes());
            FlowKey::of_frame(&frame)
        };
        assert_eq!(arp(PLAIN), Some(FlowKey::ARP));
        assert_eq!(arp(tagged(&[(0x8100, 42)])), Some(FlowKey::ARP.in_vlan(VlanId::new(42))));
        assert_eq!(arp(tagged(&[(0x88a8, 7), (0x8100, 1), (0x8100, 42)])), None);
        for carries in [Pattern::IPV4, Pattern::TCP, Pattern::ICMP] {
            assert!(!carries.matches(&FlowKey::ARP), "{carries}");
        }
    }

    #[test]
    fn a_malformed_frame_has_no_key() {
        let three = tagged(&[(0x88a8, 7), (0x8100, 1), (0x8100, 42)]);
        for (what, parts) in [
            ("three tags", three),
            ("an unknown tag", tagged(&[(0x9100, 42)])),
            ("version 6", Parts { version: 6, ..PLAIN }),
            ("longer than the frame", Parts { total_len_off: 1, ..PLAIN }),
            ("shorter than its header", Parts { total_len_off: -33, ..PLAIN }),
            ("half a TCP header", Parts { tcp_len: 19, ..PLAIN }),
            ("half a TCP header, padded", Parts { tcp_len: 19, padding: 60, ..PLAIN }),
        ] {
            assert_eq!(FlowKey::of_frame(&parts.frame()), None, "{what}");
        }
        let mut short_header = PLAIN.frame();
        short_header[14] = 0x44;
        assert_eq!(FlowKey::of_frame(&short_header), None);
        let mut ipv6 = PLAIN.frame();
        ipv6[12..14].copy_from_slice(&[0x86, 0xdd]);
        assert_eq!(FlowKey::of_frame(&ipv6), None);
    }

    #[test]
    fn a_frame_cut_short_anywhere_has_no_key() {
        for parts in [PLAIN, tagged(&[(0x88a8, 7), (0x8100, 42)]), Parts { options: 8, ..PLAIN }] {
            let whole = parts.frame();
            assert!(FlowKey::of_frame(&whole).is_some());
            for len in 0..whole.len() {
                assert_eq!(FlowKey::of_frame(&whole[..len]), None, "{len} of {parts:?}");
            }
        }
    }

    #[test]
    fn the_bits_that_a_table_uses_are_never_set() {
        let all = SocketAddrV4::new(Ipv4Addr::BROADCAST, 0xffff);
        let key = FlowKey::tcp(all, all).in_vlan(VlanId::new(4094));
        assert_eq!(key.bits() & (NEVER_SET | SPARE_MASK), 0);
        let exact = super::super::FlowRule::connection(all, all, 0);
        let pattern = exact.in_vlan(VlanId::new(4094).unwrap()).pattern;
        let MaskedKey { value, mask } = MaskedKey::of(&pattern);
        assert_eq!((value | mask) & (NEVER_SET | SPARE_MASK), 0);
        assert_eq!(value, key.bits());
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange_to_be_read(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..100), ipv4 in any::<bool>()
        ) {
            if ipv4 && bytes.len() > 14 {
                bytes[12..15].copy_from_slice(&[0x08, 0x00, 0x45]);
            }
            FlowKey::of_frame(&bytes);
        }

        #[test]
        fn a_key_says_what_it_was_made_of(
            src in any::<(u32, u16)>(), dst in any::<(u32, u16)>(), vlan in any::<u16>()
        ) {
            let [src, dst] = [src, dst]
                .map(|(addr, port)| SocketAddrV4::new(Ipv4Addr::from_bits(addr), port));
            let vlan = VlanId::new(vlan % 5000);
            let key = FlowKey::tcp(src, dst).in_vlan(VlanId::new(4094)).in_vlan(vlan);
            prop_assert_eq!((key.src(), key.dst()), (*src.ip(), *dst.ip()));
            prop_assert_eq!(key.ports(), Some((src.port(), dst.port())));
            prop_assert_eq!(key.vlan(), vlan);
            prop_assert_eq!(FlowKey::ipv4(*src.ip(), *dst.ip()).ports(), None);
        }
    }
}
