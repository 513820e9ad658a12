//! What a NIC does to a checksum field on the way out and thinks of it on the way in: for the modelled
//! NIC, and for the copies that a capture keeps.
//!
//! By sums of its own, word by word as RFC 1071 has it: what the engine's are held against does not rest on
//! them.

use std::ops::Range;

const ETHERNET_LEN: usize = 14;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_ARP: u16 = 0x0806;
/// 802.1Q and 802.1ad.
const ETHERTYPES_VLAN: [u16; 2] = [0x8100, 0x88a8];
const VLAN_TAG_LEN: usize = 4;
const IPV4_HEADER_LEN_MIN: usize = 20;
const IPV4_CHECKSUM_OFFSET: usize = 10;
const PROTOCOL_TCP: u8 = 6;
const TCP_HEADER_LEN_MIN: usize = 20;
/// More Fragments and Fragment Offset (RFC 791 3.1).
const FRAGMENT_BITS: u16 = 0x3fff;

/// Where TCP's checksum lies in its header (RFC 9293 3.1).
pub(crate) const TCP_CHECKSUM_OFFSET: u16 = 16;
/// Where UDP's lies (RFC 768). No other protocol has one there.
pub(crate) const UDP_CHECKSUM_OFFSET: u16 = 6;

/// A checksum field that was left holding the pseudo-header's sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unfinished {
    /// Where the sum over the rest begins, from the frame's start.
    pub(crate) csum_start: u16,
    /// Where the field lies, from `csum_start`.
    pub(crate) csum_offset: u16,
}

/// The frame has no such field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutsideFrame;

/// Fills in the IPv4 header's checksum, whatever its field holds.
pub(crate) fn finish_ipv4(
    frame: &mut [u8],
    l2_len: usize,
    l3_len: usize,
) -> Result<(), OutsideFrame> {
    let header = frame.get_mut(l2_len..l2_len + l3_len).ok_or(OutsideFrame)?;
    let field = IPV4_CHECKSUM_OFFSET..IPV4_CHECKSUM_OFFSET + 2;
    header.get_mut(field.clone()).ok_or(OutsideFrame)?.fill(0);
    let checksum = !ones_sum(header);
    header[field].copy_from_slice(&checksum.to_be_bytes());
    Ok(())
}

/// Finishes a field that holds the pseudo-header's sum: sums from `csum_start` to the packet's end,
/// the field included, and complements.
pub(crate) fn finish(frame: &mut [u8], what: Unfinished) -> Result<(), OutsideFrame> {
    let start = usize::from(what.csum_start);
    let field = start + usize::from(what.csum_offset);
    // Ethernet pads past the packet's end; a NIC knows where that is from Total Length.
    let end = Located::in_frame(frame).map_or(frame.len(), |packet| packet.end);
    if field + 2 > end {
        return Err(OutsideFrame);
    }
    let checksum = match !ones_sum(&frame[start..end]) {
        // RFC 768: to UDP a field of zero means that there is no checksum.
        0 if what.csum_offset == UDP_CHECKSUM_OFFSET => 0xffff,
        checksum => checksum,
    };
    frame[field..field + 2].copy_from_slice(&checksum.to_be_bytes());
    Ok(())
}

/// What lies before a well-formed IPv4 packet's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// How many VLAN tags.
    pub(crate) tags: usize,
    /// Whether its header has options.
    pub(crate) has_options: bool,
}

/// The shape of a frame; `None` for one without a well-formed IPv4 packet.
pub(crate) fn shape(frame: &[u8]) -> Option<Shape> {
    let Located { l3, l4, .. } = Located::in_frame(frame)?;
    let tags = (l3 - ETHERNET_LEN) / VLAN_TAG_LEN;
    Some(Shape { tags, has_options: l4 - l3 > IPV4_HEADER_LEN_MIN })
}

/// Whether a frame's IPv4 header is right; `None` for a frame without one.
pub(crate) fn ipv4_is_right(frame: &[u8]) -> Option<bool> {
    let packet = Located::in_frame(frame)?;
    Some(ones_sum(&frame[packet.l3..packet.l4]) == RIGHT)
}

/// Whether a frame's TCP checksum is right; `None` for one that is not a whole TCP/IPv4 packet.
pub(crate) fn tcp_is_right(frame: &[u8]) -> Option<bool> {
    let packet = Located::of_tcp(frame)?;
    let header = &frame[packet.l3..packet.l4];
    let segment = &frame[packet.l4..packet.end];
    let [src, dst] = [12, 16].map(|at| [0, 1, 2, 3].map(|byte: usize| header[at + byte]));
    let [high, low] = (segment.len() as u16).to_be_bytes();
    let pseudo = ones_sum([src, dst, [0, PROTOCOL_TCP, high, low]].as_flattened());
    Some(plus(pseudo, ones_sum(segment)) == RIGHT)
}

/// What the words of data come to with its checksum among them (RFC 1071 1).
const RIGHT: u16 = 0xffff;

/// The ones' complement sum of 16-bit words. An odd last byte is the first of its word.
fn ones_sum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
    bytes.chunks(2).fold(0, |sum, pair| plus(sum, word(pair)))
}

/// A carry comes in again at the other end.
fn plus(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    sum + u16::from(carry)
}

/// Where a frame's checksum fields lie; `None` for one that is not a whole TCP/IPv4 packet.
pub(crate) fn fields(frame: &[u8]) -> Option<Fields> {
    let Located { l3, l4, .. } = Located::of_tcp(frame)?;
    let field = |at| at..at + 2;
    let tcp = field(l4 + usize::from(TCP_CHECKSUM_OFFSET));
    Some(Fields { ipv4: field(l3 + IPV4_CHECKSUM_OFFSET), tcp })
}

/// Where a frame's IPv4 packet ends, and its padding begins; `None` for a frame without one.
pub(crate) fn packet_end(frame: &[u8]) -> Option<usize> {
    Some(Located::in_frame(frame)?.end)
}

/// Whether a frame carries IPv4, well-formed or not.
pub(crate) fn carries_ipv4(frame: &[u8]) -> bool {
    payload_of(frame).is_some_and(|(ethertype, _)| ethertype == ETHERTYPE_IPV4)
}

/// Whether a frame carries ARP.
pub(crate) fn carries_arp(frame: &[u8]) -> bool {
    payload_of(frame).is_some_and(|(ethertype, _)| ethertype == ETHERTYPE_ARP)
}

/// Where two checksums lie, from a frame's start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) ipv4: Range<usize>,
    pub(crate) tcp: Range<usize>,
}

/// Where a well-formed IPv4 packet lies in a frame.
struct Located {
    l3: usize,
    l4: usize,
    end: usize,
}

impl Located {
    fn in_frame(frame: &[u8]) -> Option<Located> {
        let (ethertype, l3) = payload_of(frame)?;
        let header = frame.get(l3..).filter(|packet| packet.len() >= IPV4_HEADER_LEN_MIN)?;
        let header_len = usize::from(header[0] & 0x0f) * 4;
        let total_len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let well_formed = ethertype == ETHERTYPE_IPV4
            && header[0] >> 4 == 4
            && header_len >= IPV4_HEADER_LEN_MIN
            && total_len >= header_len
            && total_len <= header.len();
        well_formed.then_some(Located { l3, l4: l3 + header_len, end: l3 + total_len })
    }

    /// The same for a packet with a whole TCP header, and no fragment.
    fn of_tcp(frame: &[u8]) -> Option<Located> {
        let packet = Located::in_frame(frame)?;
        let header = &frame[packet.l3..packet.l4];
        let is_fragment = u16::from_be_bytes([header[6], header[7]]) & FRAGMENT_BITS != 0;
        let is_whole = packet.end - packet.l4 >= TCP_HEADER_LEN_MIN;
        (header[9] == PROTOCOL_TCP && !is_fragment && is_whole).then_some(packet)
    }
}

/// A frame's innermost ethertype, and where what it names begins.
fn payload_of(frame: &[u8]) -> Option<(u16, usize)> {
    let mut at = ETHERNET_LEN;
    loop {
        let field = frame.get(at - 2..at)?;
        let ethertype = u16::from_be_bytes([field[0], field[1]]);
        if !ETHERTYPES_VLAN.contains(&ethertype) {
            return Some((ethertype, at));
        }
        at += VLAN_TAG_LEN;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use fixwire_offload::checksum::Sum;

    use super::*;
    use crate::frames::{tcp_frame, tcp_frame_with};

    #[test]
    fn a_right_frame_is_right_whatever_its_length_and_tags() {
        for tags in 0..=2 {
            for payload_len in [0, 1, 2, 3, 7, 100, 1459, 1460] {
                let frame = tcp_frame_with(tags, &vec![0xa5; payload_len]);
                assert_eq!(ipv4_is_right(&frame), Some(true), "{tags} tags, {payload_len} bytes");
                assert_eq!(tcp_is_right(&frame), Some(true), "{tags} tags, {payload_len} bytes");
            }
        }
    }

    #[test]
    fn every_flipped_bit_of_the_segment_is_found() {
        let right = tcp_frame(b"8=FIX.4.4");
        // From the IPv4 addresses on: all of it is under the TCP checksum.
        for bit in (14 + 12) * 8..right.len() * 8 {
            let mut wrong = right.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(tcp_is_right(&wrong), Some(false), "bit {bit}");
        }
    }

    #[test]
    fn what_is_no_whole_tcp_packet_is_not_judged() {
        let right = tcp_frame(b"payload");
        let changed = |at: usize, byte: u8| {
            let mut frame = right.clone();
            frame[at] = byte;
            frame
        };
        for (frame, why) in [
            (changed(12, 0x86), "not IPv4"),
            (changed(14, 0x65), "version 6"),
            (changed(14, 0x44), "a header of 16 bytes"),
            (changed(16, 0xff), "a total length past the frame"),
            (changed(20, 0x20), "more fragments"),
            (changed(21, 0x01), "a later fragment"),
            (changed(23, 17), "UDP"),
            (right[..40].to_vec(), "cut off"),
            (vec![], "empty"),
        ] {
            assert_eq!(tcp_is_right(&frame), None, "{why}");
        }
    }

    #[test]
    fn finishing_a_padded_frame_leaves_the_padding_out() {
        let right = tcp_frame(b"");
        let mut frame = right.clone();
        frame.resize(60, 0xee);
        let unfinished = Unfinished { csum_start: 34, csum_offset: TCP_CHECKSUM_OFFSET };
        let pseudo = Sum::of_tcp_pseudo_header([10, 9, 0, 1], [10, 9, 0, 2], 20).folded();
        frame[50..52].copy_from_slice(&pseudo.to_be_bytes());
        finish(&mut frame, unfinished).unwrap();
        assert_eq!(frame[..54], right[..]);
    }

    #[test]
    fn the_ipv4_field_is_filled_in_whatever_it_holds() {
        let right = tcp_frame(b"payload");
        for garbage in [[0, 0], [0xff, 0xff], [0x12, 0x34]] {
            let mut frame = right.clone();
            frame[24..26].copy_from_slice(&garbage);
            finish_ipv4(&mut frame, 14, 20).unwrap();
            assert_eq!(frame, right);
        }
    }

    #[test]
    fn a_field_outside_the_frame_is_refused() {
        let mut frame = tcp_frame(b"");
        for (csum_start, csum_offset) in [(34, 19), (54, 16), (u16::MAX, u16::MAX)] {
            let what = Unfinished { csum_start, csum_offset };
            assert_eq!(finish(&mut frame, what), Err(OutsideFrame));
        }
        for (l2_len, l3_len) in [(14, 11), (50, 20), (255, 255)] {
            assert_eq!(finish_ipv4(&mut frame, l2_len, l3_len), Err(OutsideFrame));
        }
    }

    proptest! {
        #[test]
        fn no_frame_at_all_is_too_odd_to_look_at(
            mut frame in proptest::collection::vec(any::<u8>(), 0..120), start: u16, offset: u16,
            l2_len in 0usize..256, l3_len in 0usize..256
        ) {
            let _ = (ipv4_is_right(&frame), tcp_is_right(&frame), carries_ipv4(&frame));
            let what = Unfinished { csum_start: start % 130, csum_offset: offset % 130 };
            let _ = finish(&mut frame, what);
            let _ = finish_ipv4(&mut frame, l2_len, l3_len);
        }
    }
}
