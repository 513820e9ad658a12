//! Captures as bytes, each format written out by hand.

/// Byte orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Little,
    Big,
}

impl Order {
    pub(crate) fn u16(self, value: u16) -> [u8; 2] {
        if self == Order::Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    pub(crate) fn u32(self, value: u32) -> [u8; 4] {
        if self == Order::Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    pub(crate) fn u64(self, value: u64) -> [u8; 8] {
        if self == Order::Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }
}

pub(crate) const ORDERS: [Order; 2] = [Order::Little, Order::Big];

/// An Ethernet frame with IPv4, TCP and a payload of its own number.
pub(crate) fn frame(number: u32) -> Vec<u8> {
    let payload =
        format!("8=FIX.4.4\x019=40\x0135=0\x0134={number:09}\x0149=THEM\x0156=US\x0110=000\x01");
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00];
    frame.extend([0x45, 0]);
    frame.extend((40 + payload.len() as u16).to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0, 10, 9, 0, 1, 10, 9, 0, 2]);
    frame.extend(9878_u16.to_be_bytes());
    frame.extend(40_000_u16.to_be_bytes());
    frame.extend(number.to_be_bytes());
    frame.extend([0, 0, 0, 1, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    frame.extend(payload.bytes());
    frame
}

/// CRC-32 as Ethernet has it (IEEE 802.3 3.2.9), in the order of the wire.
pub(crate) fn frame_check_sequence(bytes: &[u8]) -> [u8; 4] {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    (!crc).to_le_bytes()
}

/// A pcap file's header.
pub(crate) fn pcap_header(order: Order, is_ns: bool, link: u32) -> Vec<u8> {
    let magic = if is_ns { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
    let mut out = order.u32(magic).to_vec();
    out.extend(order.u16(2));
    out.extend(order.u16(4));
    out.extend([0; 8]);
    out.extend(order.u32(262_144));
    out.extend(order.u32(link));
    out
}

/// A record of a pcap file.
pub(crate) fn pcap_record(order: Order, s: u32, fraction: u32, bytes: &[u8]) -> Vec<u8> {
    let len = bytes.len() as u32;
    let mut out: Vec<u8> =
        [s, fraction, len, len].into_iter().flat_map(|word| order.u32(word)).collect();
    out.extend(bytes);
    out
}

/// A pcapng block of any type around a body, which is filled up.
pub(crate) fn block(order: Order, kind: u32, mut body: Vec<u8>) -> Vec<u8> {
    body.resize(body.len().next_multiple_of(4), 0);
    let len = order.u32(body.len() as u32 + 12);
    [&order.u32(kind)[..], &len, &body, &len].concat()
}

pub(crate) fn section(order: Order) -> Vec<u8> {
    section_by(order, &[])
}

/// A Section Header Block with these options, by code and value.
pub(crate) fn section_by(order: Order, options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = order.u32(0x1a2b_3c4d).to_vec();
    body.extend(order.u16(1));
    body.extend(order.u16(0));
    body.extend([0xff; 8]);
    body.extend(option_list(order, options));
    block(order, 0x0a0d_0d0a, body)
}

/// Options, and what ends them.
fn option_list(order: Order, options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (code, value) in options {
        out.extend(order.u16(*code));
        out.extend(order.u16(value.len() as u16));
        out.extend(*value);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    if !options.is_empty() {
        out.extend([0; 4]);
    }
    out
}

/// An Interface Description Block with these options, by code and value.
pub(crate) fn interface(order: Order, link: u16, options: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut body = order.u16(link).to_vec();
    body.extend([0; 2]);
    body.extend(order.u32(0));
    let options: Vec<_> = options.iter().map(|(code, value)| (*code, &value[..])).collect();
    body.extend(option_list(order, &options));
    block(order, 1, body)
}

/// An Interface Statistics Block with a comment.
pub(crate) fn statistics(order: Order, interface: u32, comment: &str) -> Vec<u8> {
    let mut body = order.u32(interface).to_vec();
    body.extend([0; 8]);
    body.extend(option_list(order, &[(4, &[7; 8]), (1, comment.as_bytes())]));
    block(order, 5, body)
}

/// The option if_tsresol.
pub(crate) fn if_tsresol(value: u8) -> (u16, Vec<u8>) {
    (9, vec![value])
}

/// The option if_tsoffset.
pub(crate) fn if_tsoffset(order: Order, s: i64) -> (u16, Vec<u8>) {
    (14, order.u64(s as u64).to_vec())
}

/// An Enhanced Packet Block, with an option behind its data, as those of today have.
pub(crate) fn packet(order: Order, interface: u32, ticks: u64, bytes: &[u8]) -> Vec<u8> {
    packet_with_flags(order, interface, ticks, 1, bytes)
}

/// The same with these epb_flags.
pub(crate) fn packet_with_flags(
    order: Order,
    interface: u32,
    ticks: u64,
    flags: u32,
    bytes: &[u8],
) -> Vec<u8> {
    let len = bytes.len() as u32;
    let words = [interface, (ticks >> 32) as u32, ticks as u32, len, len];
    let mut body: Vec<u8> = words.into_iter().flat_map(|word| order.u32(word)).collect();
    body.extend(bytes);
    body.resize(body.len().next_multiple_of(4), 0);
    body.extend(option_list(order, &[(2, &order.u32(flags))]));
    block(order, 6, body)
}

/// An ERF record of this type, with so many extension headers, of a frame that the wire had another four bytes of.
pub(crate) fn erf_record(
    ticks: u64,
    kind: u8,
    flags: u8,
    extensions: usize,
    bytes: &[u8],
) -> Vec<u8> {
    let mut frame = vec![0, 0];
    frame.extend(bytes);
    let len = (16 + 8 * extensions + frame.len()).next_multiple_of(8);
    let mut out = ticks.to_le_bytes().to_vec();
    out.push(if extensions > 0 { kind | 0x80 } else { kind });
    out.push(flags);
    out.extend((len as u16).to_be_bytes());
    out.extend([0; 2]);
    out.extend((bytes.len() as u16).to_be_bytes());
    for left in (0..extensions).rev() {
        // Flow ID, and whether another one follows.
        out.push(if left > 0 { 0x83 } else { 0x03 });
        out.extend([0; 7]);
    }
    out.extend(frame);
    out.resize(len, 0);
    out
}

/// A frame with a Metamako trailer: seconds, nanoseconds, flags, device and port; in between what its extensions are.
pub(crate) fn metamako(
    frame: &[u8],
    at: (u32, u32),
    flags: u8,
    device: u16,
    port: u8,
    extensions: &[u8],
) -> Vec<u8> {
    let mut out = frame.to_vec();
    out.extend(frame_check_sequence(frame));
    out.extend(extensions);
    out.extend(at.0.to_be_bytes());
    out.extend(at.1.to_be_bytes());
    out.push(flags);
    out.extend(device.to_be_bytes());
    out.push(port);
    out
}

/// A frame with an Exablaze trailer.
pub(crate) fn exablaze(frame: &[u8], s: u32, fraction: u64, device: u8, port: u8) -> Vec<u8> {
    let mut out = frame.to_vec();
    out.extend(frame_check_sequence(frame));
    out.extend([device, port]);
    out.extend(s.to_be_bytes());
    out.extend(&fraction.to_be_bytes()[3..]);
    out.push(0);
    out
}

/// A frame with an Arista 7280's header.
pub(crate) fn arista(frame: &[u8], version: u16, stamp: &[u8]) -> Vec<u8> {
    [&frame[..12], &[0xd2, 0x8b, 0, 1], &version.to_be_bytes(), stamp, &frame[12..]].concat()
}

/// A frame and its check sequence.
pub(crate) fn with_fcs(frame: &[u8]) -> Vec<u8> {
    [frame, &frame_check_sequence(frame)].concat()
}
