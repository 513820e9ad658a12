//! Frames for tests, written field by field.

use fixwire_offload::checksum::Sum;

/// Where TCP begins in a frame without tags or IPv4 options.
pub(crate) const L4: usize = 34;

/// A right TCP segment from 10.9.0.1 to 10.9.0.2, without padding.
pub(crate) fn tcp_frame(payload: &[u8]) -> Vec<u8> {
    tcp_frame_with(0, payload)
}

/// The same behind `tags` VLAN tags.
pub(crate) fn tcp_frame_with(tags: usize, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, b'f', b'x', 0, 0, 0x0b, 2, b'f', b'x', 0, 0, 0x0a];
    for _ in 0..tags {
        frame.extend([0x81, 0x00, 0x00, 0x07]);
    }
    frame.extend([0x08, 0x00]);
    let tcp_len = 20 + payload.len() as u16;
    let mut ip = vec![0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 9, 0, 1, 10, 9, 0, 2];
    ip[2..4].copy_from_slice(&(20 + tcp_len).to_be_bytes());
    let checksum = Sum::of(&ip).checksum();
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    let mut tcp = vec![0x30, 0x39, 0x13, 0x89, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 0xff, 0xff];
    tcp.extend([0, 0, 0, 0]);
    tcp.extend(payload);
    let sum = pseudo_header(tcp_len).plus(Sum::of(&tcp));
    tcp[16..18].copy_from_slice(&sum.checksum().to_be_bytes());
    frame.extend(ip);
    frame.extend(tcp);
    frame
}

/// The pseudo-header's sum for such a segment.
pub(crate) fn pseudo_header(tcp_len: u16) -> Sum {
    Sum::of_tcp_pseudo_header([10, 9, 0, 1], [10, 9, 0, 2], tcp_len)
}

/// The same frame as an engine leaves it to a device: the TCP field holds the pseudo-header's sum,
/// the IPv4 field nothing.
pub(crate) fn left_to_device(mut frame: Vec<u8>) -> Vec<u8> {
    let tcp_len = (frame.len() - L4) as u16;
    frame[24..26].fill(0);
    frame[L4 + 16..L4 + 18].copy_from_slice(&pseudo_header(tcp_len).folded().to_be_bytes());
    frame
}

/// The same frame with four bytes of IPv4 options, all of them "no operation" (RFC 791 3.1).
pub(crate) fn with_ipv4_options(mut frame: Vec<u8>) -> Vec<u8> {
    let total_len = u16::from_be_bytes([frame[16], frame[17]]) + 4;
    frame.splice(L4..L4, [1; 4]);
    frame[14] = 0x46;
    frame[16..18].copy_from_slice(&total_len.to_be_bytes());
    frame[24..26].fill(0);
    let checksum = Sum::of(&frame[14..L4 + 4]).checksum();
    frame[24..26].copy_from_slice(&checksum.to_be_bytes());
    frame
}

/// The same frame as the first of several fragments: More Fragments is set.
pub(crate) fn as_fragment(mut frame: Vec<u8>) -> Vec<u8> {
    frame[20] = 0x20;
    frame[24..26].fill(0);
    let checksum = Sum::of(&frame[14..L4]).checksum();
    frame[24..26].copy_from_slice(&checksum.to_be_bytes());
    frame
}
