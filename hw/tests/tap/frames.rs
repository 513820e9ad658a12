//! Frames for these tests, written and read field by field.

use std::net::Ipv4Addr;

use fixwire_offload::checksum::Sum;

pub(crate) const ARP: u16 = 0x0806;
pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const ICMP: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
/// Where the packet above IPv4 begins.
pub(crate) const L4: usize = 34;

pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const PSH_ACK: u8 = 0x18;

pub(crate) fn ethernet(dst: [u8; 6], src: [u8; 6], ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = [&dst[..], &src[..], &ethertype.to_be_bytes(), payload].concat();
    frame.resize(frame.len().max(60), 0);
    frame
}

pub(crate) struct Arp {
    pub(crate) operation: u16,
    pub(crate) sender_mac: [u8; 6],
    pub(crate) sender: Ipv4Addr,
    pub(crate) target_mac: [u8; 6],
    pub(crate) target: Ipv4Addr,
}

impl Arp {
    pub(crate) const REQUEST: u16 = 1;
    pub(crate) const REPLY: u16 = 2;

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut packet = vec![0, 1, 8, 0, 6, 4];
        packet.extend(self.operation.to_be_bytes());
        packet.extend(self.sender_mac);
        packet.extend(self.sender.octets());
        packet.extend(self.target_mac);
        packet.extend(self.target.octets());
        packet
    }

    pub(crate) fn parse(frame: &[u8]) -> Option<Arp> {
        if ethertype(frame) != ARP || frame.len() < 42 {
            return None;
        }
        let mac = |at: usize| std::array::from_fn(|byte| frame[at + byte]);
        let addr = |at: usize| Ipv4Addr::from([0, 1, 2, 3].map(|byte: usize| frame[at + byte]));
        Some(Arp {
            operation: number(frame, 20),
            sender_mac: mac(22),
            sender: addr(28),
            target_mac: mac(32),
            target: addr(38),
        })
    }
}

pub(crate) fn ipv4(protocol: u8, src: Ipv4Addr, dst: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0];
    header.extend(src.octets());
    header.extend(dst.octets());
    header[2..4].copy_from_slice(&(20 + payload.len() as u16).to_be_bytes());
    let checksum = Sum::of(&header).checksum();
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    [header, payload.to_vec()].concat()
}

pub(crate) fn echo_request(data: &[u8]) -> Vec<u8> {
    let mut message = vec![8, 0, 0, 0, 0x12, 0x34, 0, 1];
    message.extend(data);
    let checksum = Sum::of(&message).checksum();
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    message
}

/// How a segment's checksum field is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Field {
    Full,
    Partial,
    Wrong,
}

/// What the tests vary of a segment.
#[derive(Clone, Copy)]
pub(crate) struct Segment<'a> {
    pub(crate) src_port: u16,
    pub(crate) dst_port: u16,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u8,
    pub(crate) payload: &'a [u8],
}

impl Segment<'_> {
    pub(crate) fn bytes(&self, src: Ipv4Addr, dst: Ipv4Addr, field: Field) -> Vec<u8> {
        let mut tcp = Vec::new();
        tcp.extend(self.src_port.to_be_bytes());
        tcp.extend(self.dst_port.to_be_bytes());
        tcp.extend(self.seq.to_be_bytes());
        tcp.extend(self.ack.to_be_bytes());
        tcp.extend([0x50, self.flags, 0xff, 0xff, 0, 0, 0, 0]);
        tcp.extend(self.payload);
        let pseudo = pseudo_header(TCP, src, dst, tcp.len());
        let sum = pseudo.plus(Sum::of(&tcp));
        let value = match field {
            Field::Full => sum.checksum(),
            Field::Partial => pseudo.folded(),
            Field::Wrong => sum.checksum() ^ 0x5a5a,
        };
        tcp[16..18].copy_from_slice(&value.to_be_bytes());
        tcp
    }
}

pub(crate) fn udp(
    src: (Ipv4Addr, u16),
    dst: (Ipv4Addr, u16),
    data: &[u8],
    field: Field,
) -> Vec<u8> {
    let mut datagram = Vec::new();
    datagram.extend(src.1.to_be_bytes());
    datagram.extend(dst.1.to_be_bytes());
    datagram.extend((8 + data.len() as u16).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(data);
    let sum = pseudo_header(UDP, src.0, dst.0, datagram.len()).plus(Sum::of(&datagram));
    let flip = if field == Field::Wrong { 0x5a5a } else { 0 };
    datagram[6..8].copy_from_slice(&(sum.checksum() ^ flip).to_be_bytes());
    datagram
}

pub(crate) fn pseudo_header(protocol: u8, src: Ipv4Addr, dst: Ipv4Addr, len: usize) -> Sum {
    Sum::of(&src.octets())
        .plus(Sum::of(&dst.octets()))
        .plus(Sum::of_u16(u16::from(protocol)))
        .plus(Sum::of_u16(len as u16))
}

pub(crate) fn ethertype(frame: &[u8]) -> u16 {
    number(frame, 12)
}

/// The IPv4 protocol of a frame that carries one.
pub(crate) fn protocol(frame: &[u8]) -> Option<u8> {
    (ethertype(frame) == IPV4 && frame.len() > L4).then(|| frame[23])
}

/// A frame's IPv4 payload, padding left out.
pub(crate) fn l4(frame: &[u8]) -> &[u8] {
    &frame[L4..14 + usize::from(number(frame, 16))]
}

pub(crate) fn number(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

pub(crate) fn number32(bytes: &[u8], at: usize) -> u32 {
    u32::from(number(bytes, at)) << 16 | u32::from(number(bytes, at + 2))
}

fn addresses(frame: &[u8]) -> (Ipv4Addr, Ipv4Addr) {
    let [src, dst] = [26, 30].map(|at| Ipv4Addr::from_bits(number32(frame, at)));
    (src, dst)
}

/// Whether a frame's TCP checksum is finished and right.
pub(crate) fn tcp_is_right(frame: &[u8]) -> bool {
    let (src, dst) = addresses(frame);
    let segment = l4(frame);
    pseudo_header(TCP, src, dst, segment.len()).plus(Sum::of(segment)).is_valid()
}

/// Whether a frame's TCP checksum field holds the pseudo-header's sum alone.
pub(crate) fn tcp_is_partial(frame: &[u8]) -> bool {
    let (src, dst) = addresses(frame);
    let segment = l4(frame);
    number(segment, 16) == pseudo_header(TCP, src, dst, segment.len()).folded()
}
