//! What software says of a frame, and makes of one to send.

use fixwire::wire::{Refusal, ipv4};
use fixwire_offload::checksum::Sum;
use fixwire_offload::flow::FlowKey;
use fixwire_offload::nic::TxMeta;
use fixwire_offload::verdict::Verdict;
use fixwire_rtl::driver::DropReason;

use super::frames::LEN_MAX;
use super::oracle;

/// IEEE 802.1Q and 802.1ad; IPv4's ethertype.
const TAGS: [u16; 2] = [0x8100, 0x88a8];
const IPV4: u16 = 0x0800;
/// Tags that a device looks past.
const TAGS_MAX: usize = 2;
const ETHERNET_LEN: usize = 14;
const TCP_HEADER_LEN: usize = 20;

/// What is said of a frame beside where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    pub l3: Verdict,
    pub l4: Verdict,
    pub is_segment: bool,
    pub raw_sum: u16,
    pub len: usize,
}

impl Judged {
    /// By the parser and the sums that the engine uses; the oracle, which shares nothing with them, agrees.
    pub fn of(frame: &[u8]) -> Judged {
        let (l3, l4) = sums(frame);
        let is_segment = l4.is_some();
        assert_eq!(is_segment, FlowKey::of_frame(frame).is_some_and(|key| key.ports().is_some()));
        let look = oracle::Look::at(frame);
        if look.tags <= TAGS_MAX {
            assert_eq!((l3, l4), (look.ipv4, look.tcp), "parser and oracle, of {frame:02x?}");
        }
        let raw_sum = frame.get(ETHERNET_LEN..).map_or(0, |rest| Sum::of(rest).folded());
        Judged { l3: verdict(l3), l4: verdict(l4), is_segment, raw_sum, len: frame.len() }
    }
}

/// What is silent is unknown.
fn verdict(is_right: Option<bool>) -> Verdict {
    match is_right {
        Some(true) => Verdict::Good,
        Some(false) => Verdict::Bad,
        None => Verdict::Unknown,
    }
}

/// Whether IPv4's sum is right, and TCP's; `None` of what is not there whole.
fn sums(frame: &[u8]) -> (Option<bool>, Option<bool>) {
    let Some(packet) = packet(frame) else { return (None, None) };
    let parsed = match ipv4::Packet::parse(packet) {
        Ok(parsed) => parsed,
        // Its header is whole all the same.
        Err(Refusal::Ipv4Fragment | Refusal::Ipv4ProtocolUnknown) => {
            let header = &packet[..usize::from(packet[0] & 0x0f) * 4];
            return (Some(Sum::of(header).is_valid()), None);
        }
        Err(_) => return (None, None),
    };
    let is_segment =
        parsed.protocol == ipv4::Protocol::Tcp && parsed.payload.len() >= TCP_HEADER_LEN;
    let tcp = parsed.tcp_pseudo_header().plus(Sum::of(parsed.payload)).is_valid();
    (Some(parsed.checksum_is_valid()), is_segment.then_some(tcp))
}

/// A frame as it leaves, with IPv4's sum filled in, and TCP's finished, as far as that is to be done.
pub fn sent(frame: &[u8], meta: TxMeta, ipv4: bool, tcp: bool) -> Result<Vec<u8>, DropReason> {
    if frame.len() > LEN_MAX {
        return Err(DropReason::TooLong);
    }
    let mut finished = frame.to_vec();
    if !ipv4 && !tcp {
        return Ok(finished);
    }
    let (l2_len, l3_len) = (usize::from(meta.l2_len), usize::from(meta.l3_len));
    let are_lengths =
        matches!(l2_len, 14 | 18 | 22) && (20..=60).contains(&l3_len) && l3_len.is_multiple_of(4);
    let l4 = l2_len + l3_len;
    // Padding does not count, where the packet says that it is some.
    let end = packet_len(frame).map_or(frame.len(), |(at, len)| at + len);
    if !are_lengths || (ipv4 && l4 > frame.len()) || (tcp && l4 + 18 > end) {
        return Err(DropReason::Lengths);
    }
    if ipv4 {
        finished[l2_len + 10..l2_len + 12].fill(0);
        let checksum = Sum::of(&finished[l2_len..l4]).checksum();
        finished[l2_len + 10..l2_len + 12].copy_from_slice(&checksum.to_be_bytes());
    }
    if tcp {
        let checksum = Sum::of(&frame[l4..end]).checksum();
        finished[l4 + 16..l4 + 18].copy_from_slice(&checksum.to_be_bytes());
    }
    Ok(finished)
}

/// Where a frame's IPv4 packet begins, and how long it is, where its header says so.
fn packet_len(frame: &[u8]) -> Option<(usize, usize)> {
    let packet = packet(frame)?;
    match ipv4::Packet::parse(packet) {
        Ok(_) | Err(Refusal::Ipv4Fragment | Refusal::Ipv4ProtocolUnknown) => {
            let len = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
            Some((frame.len() - packet.len(), len))
        }
        Err(_) => None,
    }
}

/// What follows the tags of a frame that carries IPv4.
fn packet(frame: &[u8]) -> Option<&[u8]> {
    let word = |at: usize| Some(u16::from_be_bytes([*frame.get(at)?, *frame.get(at + 1)?]));
    let mut at = 12;
    for _ in 0..TAGS_MAX {
        if TAGS.contains(&word(at)?) {
            at += 4;
        }
    }
    if word(at)? == IPV4 { frame.get(at + 2..) } else { None }
}
