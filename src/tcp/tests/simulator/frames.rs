//! Frames as the simulator sees them: read, damaged, marked, and quoted by a router.

use core::net::Ipv4Addr;

use super::random::Random;
use crate::offload::checksum::Sum;
use crate::wire::tcp::{CHECKSUM_OFFSET, Flags, Packet, SeqNumber};
use crate::wire::{ethernet, ipv4};

pub(super) const L2_LEN: usize = ethernet::HEADER_LEN;
pub(super) const L3_LEN: usize = ipv4::HEADER_LEN;
/// IPv4 header and eight bytes of TCP: what an error quotes at least (RFC 792).
const QUOTE_LEN: usize = L3_LEN + 8;
/// An ICMP header.
const ICMP_LEN: usize = 8;
const FIELD_AT: usize = L2_LEN + L3_LEN + CHECKSUM_OFFSET;

/// What is looked at of a frame that a stack has written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glance<'a> {
    pub(super) dst: Ipv4Addr,
    pub(super) src_port: u16,
    pub(super) dst_port: u16,
    pub(super) seq: SeqNumber,
    pub(super) ack: SeqNumber,
    pub(super) flags: Flags,
    pub(super) window: u32,
    /// The sender's timestamp.
    pub(super) stamp: Option<SeqNumber>,
    pub(super) is_ect: bool,
    pub(super) payload: &'a [u8],
}

impl<'a> Glance<'a> {
    pub(super) fn of(frame: &'a [u8]) -> Glance<'a> {
        let packet = ipv4::Packet::parse(&frame[L2_LEN..]).expect("a stack has written it");
        let tcp = Packet::parse(packet.payload).expect("a stack has written it");
        let segment = tcp.segment().expect("a stack has written it");
        Glance {
            dst: packet.dst,
            src_port: segment.src_port,
            dst_port: segment.dst_port,
            seq: segment.seq,
            ack: segment.ack,
            flags: segment.flags,
            window: u32::from(segment.window),
            stamp: segment.options.timestamps.map(|stamps| SeqNumber(stamps.value)),
            // ECT(0) alone says that it may be marked.
            is_ect: frame[L2_LEN + 1] & 3 == 2,
            payload: segment.payload,
        }
    }

    /// Whether it has nothing that takes a sequence number.
    pub(super) fn is_empty(&self) -> bool {
        self.payload.is_empty() && !self.flags.has_any(Flags::SYN.with(Flags::FIN))
    }
}

/// Whether a frame holds a TCP segment, as far as can be seen.
pub(super) fn is_tcp(frame: &[u8]) -> bool {
    frame.get(L2_LEN + 9) == Some(&6)
}

/// Both ports, whatever they are, of a frame that is long enough to have any.
pub(super) fn ports(frame: &[u8]) -> Option<(u16, u16)> {
    let at = L2_LEN + L3_LEN;
    let [a, b, c, d] = *frame.get(at..at + 4)?.first_chunk()?;
    Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
}

/// The sum that the segment of a frame has with its pseudo-header, and the sum of that alone.
fn sums(frame: &[u8]) -> Option<(Sum, Sum)> {
    let packet = ipv4::Packet::parse(&frame[L2_LEN..]).ok()?;
    let pseudo = packet.tcp_pseudo_header();
    Some((pseudo.plus(Sum::of(packet.payload)), pseudo))
}

/// Does what a device does that finishes sums: both of them.
pub(super) fn finish(frame: &mut [u8]) {
    finish_header(frame);
    frame[FIELD_AT..FIELD_AT + 2].fill(0);
    let sum = sums(frame).expect("a stack has written it").0.checksum();
    frame[FIELD_AT..FIELD_AT + 2].copy_from_slice(&sum.to_be_bytes());
}

/// Leaves the segment's sum unfinished, as the kernel does on the one host.
pub(super) fn unfinish(frame: &mut [u8]) {
    let sum = sums(frame).expect("a stack has written it").1.folded();
    frame[FIELD_AT..FIELD_AT + 2].copy_from_slice(&sum.to_be_bytes());
}

fn finish_header(frame: &mut [u8]) {
    let header = &mut frame[L2_LEN..L2_LEN + L3_LEN];
    header[10..12].fill(0);
    let sum = Sum::of(header).checksum();
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// The network marks a frame instead of dropping it (RFC 3168 5).
pub(super) fn mark(frame: &mut [u8]) {
    frame[L2_LEN + 1] |= 3;
    finish_header(frame);
}

/// Flips a few bits of the packet or cuts its end off: errors that its sums or its length can tell, which is our
/// fault model.
pub(super) fn corrupt(frame: &mut Vec<u8>, random: &mut Random) {
    if random.one_in(8) {
        frame.truncate(random.between(L2_LEN as u64, frame.len() as u64 - 1) as usize);
    }
    for _ in 0..random.between(1, 3) {
        flip(frame, random);
    }
    while is_right(frame) {
        flip(frame, random);
    }
}

fn flip(frame: &mut [u8], random: &mut Random) {
    let bits = 8 * (frame.len() - L2_LEN) as u64;
    if bits > 0 {
        let bit = random.below(bits) as usize;
        frame[L2_LEN + bit / 8] ^= 1 << (bit % 8);
    }
}

/// Whether all that is summed in a frame is right.
pub(super) fn is_right(frame: &[u8]) -> bool {
    ipv4::Packet::parse(&frame[L2_LEN..]).is_ok_and(|packet| {
        packet.checksum_is_valid()
            && match packet.protocol {
                ipv4::Protocol::Icmp => Sum::of(packet.payload).is_valid(),
                _ => packet.tcp_pseudo_header().plus(Sum::of(packet.payload)).is_valid(),
            }
    })
}

/// A router's word to `host` that the frame was larger than a link of `mtu` bytes (RFC 1191 4).
pub(super) fn too_big(frame: &[u8], mtu: u16) -> Vec<u8> {
    let mut error = frame[..L2_LEN].to_vec();
    let (to, from) = frame[..12].split_at(6);
    error[..6].copy_from_slice(from);
    error[6..12].copy_from_slice(to);
    let src: [u8; 4] = frame[L2_LEN + 12..][..4].try_into().expect("four of them");
    error.resize(L2_LEN + L3_LEN + ICMP_LEN, 0);
    let repr = ipv4::Repr {
        src: Ipv4Addr::new(10, 0, 0, 254),
        dst: Ipv4Addr::from(src),
        protocol: ipv4::Protocol::Icmp,
        payload_len: ICMP_LEN + QUOTE_LEN,
        is_ect: false,
    };
    repr.emit(&mut error[L2_LEN..], false);
    // Destination unreachable, fragmentation needed.
    error[L2_LEN + L3_LEN..].copy_from_slice(&[3, 4, 0, 0, 0, 0, (mtu >> 8) as u8, mtu as u8]);
    error.extend_from_slice(&frame[L2_LEN..][..QUOTE_LEN]);
    let sum = Sum::of(&error[L2_LEN + L3_LEN..]).checksum();
    error[L2_LEN + L3_LEN + 2..][..2].copy_from_slice(&sum.to_be_bytes());
    error
}
