//! What a frame is, by its bytes alone, read the slow and obvious way. Nothing of ours helps here but the
//! names of refusals.

use fixwire::wire::Refusal;

use super::{HOST, VLAN};

/// IEEE 802.1Q and 802.1ad.
const TAGS: [u16; 2] = [0x8100, 0x88a8];

/// What is to be known of a frame.
#[derive(Debug, Default)]
pub struct Look {
    /// How many tags it has, of either kind.
    pub tags: usize,
    /// The VLAN that its one 802.1Q tag names.
    pub vlan: Option<u16>,
    /// The words of a well-formed IPv4 header.
    pub ihl: Option<usize>,
    /// Bytes behind the packet.
    pub trailer_len: usize,
    /// The IPv4 header's checksum is right; `None` without a well-formed packet.
    pub ipv4: Option<bool>,
    /// The TCP checksum is right; `None` without a whole segment in one packet.
    pub tcp: Option<bool>,
    /// Bytes behind a TCP header that is right.
    pub payload_len: Option<usize>,
    /// The checksum fields.
    pub ipv4_field: u16,
    pub tcp_field: u16,
    /// It carries what has no say here: ARP, or ICMP.
    pub is_of_another_test: bool,
    /// Everything that a host may refuse it for. Empty for a segment to be taken.
    pub refusals: Vec<Refusal>,
}

impl Look {
    pub fn at(frame: &[u8]) -> Look {
        let mut look = Look::default();
        look.read(frame);
        // What is not of this link is not looked into.
        if let Some(reason) = look.link_refusal(frame) {
            look.refusals = vec![reason];
        }
        look
    }

    pub fn may_be_refused_as(&self, reason: Refusal) -> bool {
        self.refusals.contains(&reason)
    }

    fn refuse_if(&mut self, wrong: bool, reason: Refusal) {
        if wrong {
            self.refusals.push(reason);
        }
    }

    /// A host reads one 802.1Q tag at most, and is in no VLAN or in one.
    fn link_refusal(&self, frame: &[u8]) -> Option<Refusal> {
        let known = |ethertype| matches!(ethertype, 0x0800 | 0x0806);
        match word(frame, 12) {
            None => Some(Refusal::EthernetTooShort),
            Some(0x8100) => match word(frame, 16) {
                None => Some(Refusal::VlanTooShort),
                Some(0x8100) => Some(Refusal::VlanNested),
                Some(inner) if !known(inner) => Some(Refusal::EthertypeUnknown),
                Some(_) => self.vlan.filter(|vlan| *vlan != VLAN).map(|_| Refusal::VlanNotOurs),
            },
            Some(outer) => (!known(outer)).then_some(Refusal::EthertypeUnknown),
        }
    }

    fn read(&mut self, frame: &[u8]) {
        let mut at = 12;
        while word(frame, at).is_some_and(|ethertype| TAGS.contains(&ethertype)) {
            self.tags += 1;
            at += 4;
        }
        // VLAN 0 names none: such a tag has a priority alone.
        self.vlan = word(frame, 14)
            .filter(|_| self.tags == 1 && word(frame, 12) == Some(0x8100))
            .map(|tci| tci & 0x0fff)
            .filter(|vlan| *vlan != 0);
        match word(frame, at) {
            Some(0x0800) => self.read_packet(&frame[at + 2..]),
            Some(0x0806) => self.is_of_another_test = true,
            _ => {}
        }
    }

    /// RFC 791 3.1.
    fn read_packet(&mut self, packet: &[u8]) {
        if packet.len() < 20 {
            return self.refusals.push(Refusal::Ipv4TooShort);
        }
        let (version, ihl) = (packet[0] >> 4, usize::from(packet[0] & 15));
        let (header_len, total_len) =
            (ihl * 4, usize::from(packet[2]) << 8 | usize::from(packet[3]));
        let header_wrong = header_len < 20 || header_len > packet.len();
        let total_wrong = total_len < header_len || total_len > packet.len();
        self.refuse_if(version != 4, Refusal::Ipv4VersionWrong);
        self.refuse_if(header_wrong, Refusal::Ipv4HeaderLengthWrong);
        self.refuse_if(total_wrong, Refusal::Ipv4TotalLengthWrong);
        if !self.refusals.is_empty() {
            return;
        }
        let (header, segment) = (&packet[..header_len], &packet[header_len..total_len]);
        let more_fragments = packet[6] & 0x20 != 0;
        let is_later_fragment = (packet[6] & 0x1f, packet[7]) != (0, 0);
        let is_fragment = more_fragments || is_later_fragment;
        let is_right = sum(&[header]) == 0xffff;
        self.ihl = Some(ihl);
        self.trailer_len = packet.len() - total_len;
        self.ipv4 = Some(is_right);
        self.ipv4_field = u16::from_be_bytes([packet[10], packet[11]]);
        self.refuse_if(is_fragment, Refusal::Ipv4Fragment);
        self.refuse_if(packet[16..20] != HOST.octets(), Refusal::Ipv4NotForUs);
        let source_is_valid = !matches!(packet[12], 0 | 127 | 224..);
        self.refuse_if(!source_is_valid, Refusal::Ipv4SourceInvalid);
        self.refuse_if(!is_right, Refusal::Ipv4ChecksumWrong);
        match packet[9] {
            6 if !is_fragment => self.read_segment(&packet[12..20], segment),
            6 => {}
            1 => self.is_of_another_test = true,
            _ => self.refusals.push(Refusal::Ipv4ProtocolUnknown),
        }
    }

    /// RFC 9293 3.1.
    fn read_segment(&mut self, addresses: &[u8], segment: &[u8]) {
        if segment.len() < 20 {
            return self.refusals.push(Refusal::TcpTooShort);
        }
        let is_right = sum(&[&pseudo_header(addresses, segment.len()), segment]) == 0xffff;
        self.tcp = Some(is_right);
        self.tcp_field = u16::from_be_bytes([segment[16], segment[17]]);
        let header_len = usize::from(segment[12] >> 4) * 4;
        let offset_wrong = header_len < 20 || header_len > segment.len();
        self.payload_len = (!offset_wrong).then(|| segment.len() - header_len);
        let a_port_is_zero = segment[..2] == [0, 0] || segment[2..4] == [0, 0];
        self.refuse_if(!is_right, Refusal::TcpChecksumWrong);
        self.refuse_if(offset_wrong, Refusal::TcpDataOffsetWrong);
        self.refuse_if(a_port_is_zero, Refusal::TcpPortZero);
    }
}

/// What stands before a segment when it is summed: both addresses, zero, the protocol, the length.
pub fn pseudo_header(addresses: &[u8], segment_len: usize) -> [u8; 12] {
    let mut header = [0; 12];
    header[..8].copy_from_slice(addresses);
    header[9] = 6;
    header[10..].copy_from_slice(&(segment_len as u16).to_be_bytes());
    header
}

/// The one's-complement sum (RFC 1071 4.1), word by word. Every part but the last has an even length; an odd
/// last byte has a zero behind it.
pub fn sum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u32;
    for part in parts {
        // A byte at a time: of pairs a build without optimisation makes four calls each, and this is most of a million frames.
        let mut shift = 8;
        for byte in *part {
            sum += u32::from(*byte) << shift;
            shift ^= 8;
        }
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

/// Two bytes of a frame as a number, if it has them.
fn word(frame: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*frame.get(at)?, *frame.get(at + 1)?]))
}
