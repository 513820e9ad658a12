//! Captures read: pcap and pcapng, of whichever link a FIX session's packets are captured on.

use std::io::Read;
use std::net::IpAddr;

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, TransportSlice};
use fixwire::measure::wire_time::Resolution;
use fixwire::time::UtcTime;
use pcap_parser::pcapng::{Block, EnhancedPacketBlock, InterfaceDescriptionBlock};
use pcap_parser::traits::PcapNGPacketBlock;
use pcap_parser::{Linktype, OptionCode, PcapBlockOwned, PcapError, create_reader};

use super::streams::{Ends, Segment};

/// Memory for the block at hand, in bytes, and the most that it grows to for a longer one.
const BUFFER_LEN: usize = 256 * 1024;
const BUFFER_LEN_MAX: usize = 16 * 1024 * 1024;
const NS_PER_S: u64 = 1_000_000_000;

/// A section header's block type, the same in both byte orders.
const PCAPNG: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// What a capture begins with (draft-ietf-opsawg-pcapng 4.1; draft-ietf-opsawg-pcap 4), in both byte orders.
pub(super) fn is_capture(head: &[u8]) -> bool {
    const PCAP: [u32; 2] = [0xa1b2_c3d4, 0xa1b2_3c4d];
    let Some(magic) = head.first_chunk::<4>() else { return false };
    *magic == PCAPNG
        || PCAP.contains(&u32::from_le_bytes(*magic))
        || PCAP.contains(&u32::from_be_bytes(*magic))
}

/// Reads on to the end of what says which form a capture has: its reader looks at that in one piece.
pub(super) fn read_head(head: &mut Vec<u8>, input: &mut impl Read) -> std::io::Result<()> {
    const PCAP_HEADER_LEN: u64 = 24;
    const SECTION_LEN_MAX: u64 = 64 * 1024;
    let mut read_to = |head: &mut Vec<u8>, len: u64| {
        let lacking = len.saturating_sub(head.len() as u64);
        input.by_ref().take(lacking).read_to_end(head)
    };
    if !head.starts_with(&PCAPNG) {
        read_to(head, PCAP_HEADER_LEN)?;
        return Ok(());
    }
    read_to(head, 12)?;
    let word = |at: usize| head.get(at..).and_then(|rest| rest.first_chunk::<4>()).copied();
    let (Some(len), Some(order)) = (word(4), word(8)) else { return Ok(()) };
    let is_little = order == 0x1a2b_3c4d_u32.to_le_bytes();
    let len = if is_little { u32::from_le_bytes(len) } else { u32::from_be_bytes(len) };
    read_to(head, u64::from(len).min(SECTION_LEN_MAX))?;
    Ok(())
}

/// Which way a packet went, seen from who captured it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    In,
    Out,
}

impl Way {
    pub(super) fn name(self) -> &'static str {
        match self {
            Way::In => "in",
            Way::Out => "out",
        }
    }
}

/// A segment, and when it was captured.
pub(super) struct Captured<'a> {
    pub(super) at: Option<UtcTime>,
    pub(super) way: Option<Way>,
    /// Of the packet, from 1.
    pub(super) number: u64,
    pub(super) segment: Segment<'a>,
}

/// Where packets of a capture come from.
#[derive(Clone, Copy)]
struct Interface {
    link: Linktype,
    /// Of a time stamp; and what is to be added to it, in seconds.
    resolution: Resolution,
    offset_s: i64,
}

impl Interface {
    fn of(block: &InterfaceDescriptionBlock<'_>) -> Interface {
        Interface {
            link: block.linktype,
            // Not the crate's own, which has none for powers of two.
            resolution: Resolution::from_if_tsresol(block.if_tsresol),
            offset_s: block.if_tsoffset,
        }
    }

    /// None where it is before 1970, or past every clock.
    fn time(self, ticks: u64) -> Option<UtcTime> {
        let at = self.resolution.time(ticks)?.plus_s(self.offset_s)?;
        let seconds = u64::try_from(at.as_s()).ok()?.checked_mul(NS_PER_S)?;
        Some(UtcTime::from_unix_ns(seconds.checked_add(at.subsec_ns().into())?))
    }
}

/// Reads a capture to its end, and hands over each TCP segment. `tell` says whether to go on.
///
/// # Errors
/// Why it ends early, in words.
pub(super) fn read(
    input: impl Read + Send,
    tell: &mut impl FnMut(&Captured<'_>) -> bool,
) -> Result<(), String> {
    let mut reader = create_reader(BUFFER_LEN, input).map_err(|error| in_words(&error))?;
    let mut interfaces: Vec<Interface> = Vec::new();
    let mut buffer_len = BUFFER_LEN;
    let mut number = 0;
    loop {
        let consumed = match reader.next() {
            Ok((consumed, block)) => {
                let packet = packet(&block, &mut interfaces);
                number += u64::from(packet.is_some());
                let captured = packet.and_then(|packet| packet.captured(number));
                if captured.is_some_and(|captured| !tell(&captured)) {
                    return Ok(());
                }
                consumed
            }
            Err(PcapError::Eof) => return Ok(()),
            Err(PcapError::Incomplete(_)) => {
                let filled = reader.refill();
                filled.map_err(|error| in_words(&error))?;
                0
            }
            Err(PcapError::BufferTooSmall) if buffer_len < BUFFER_LEN_MAX => {
                buffer_len *= 2;
                if !reader.grow(buffer_len) {
                    return Err("there is no memory for its longest block".into());
                }
                let filled = reader.refill();
                filled.map_err(|error| in_words(&error))?;
                0
            }
            Err(error) => return Err(format!("behind packet {number}: {}", in_words(&error))),
        };
        reader.consume(consumed);
    }
}

fn in_words<I>(error: &PcapError<I>) -> String {
    match error {
        PcapError::UnexpectedEof | PcapError::Incomplete(_) | PcapError::Eof => {
            "it ends in the middle of a packet, as one that is still written does".into()
        }
        PcapError::ReadError => "it cannot be read".into(),
        PcapError::BufferTooSmall => {
            format!("a block has more than {} MiB", BUFFER_LEN_MAX / 1024 / 1024)
        }
        PcapError::HeaderNotRecognized => "it is neither pcap nor pcapng".into(),
        PcapError::NomError(..) | PcapError::OwnedNomError(..) => "a block is malformed".into(),
    }
}

/// A packet of a capture.
struct Packet<'a> {
    link: Linktype,
    at: Option<UtcTime>,
    way: Option<Way>,
    bytes: &'a [u8],
}

/// The packet of a block, if it is one; what an interface's is, is kept.
fn packet<'a>(block: &PcapBlockOwned<'a>, interfaces: &mut Vec<Interface>) -> Option<Packet<'a>> {
    match block {
        PcapBlockOwned::LegacyHeader(header) => {
            let is_ns = header.is_nanosecond_precision();
            let resolution = if is_ns { Resolution::NS } else { Resolution::US };
            interfaces.push(Interface { link: header.network, resolution, offset_s: 0 });
            None
        }
        PcapBlockOwned::Legacy(packet) => {
            let interface = interfaces.first()?;
            let ticks_per_s =
                if interface.resolution == Resolution::NS { NS_PER_S } else { 1_000_000 };
            let ticks = u64::from(packet.ts_sec) * ticks_per_s + u64::from(packet.ts_usec);
            let bytes = packet.data.get(..packet.caplen as usize).unwrap_or(packet.data);
            Some(Packet { link: interface.link, at: interface.time(ticks), way: None, bytes })
        }
        PcapBlockOwned::NG(Block::SectionHeader(_)) => {
            interfaces.clear();
            None
        }
        PcapBlockOwned::NG(Block::InterfaceDescription(block)) => {
            interfaces.push(Interface::of(block));
            None
        }
        PcapBlockOwned::NG(Block::EnhancedPacket(block)) => {
            let interface = interfaces.get(block.if_id as usize)?;
            let at = interface.time(u64::from(block.ts_high) << 32 | u64::from(block.ts_low));
            let bytes = block.data.get(..block.caplen as usize).unwrap_or(block.data);
            Some(Packet { link: interface.link, at, way: way_of(block), bytes })
        }
        PcapBlockOwned::NG(Block::SimplePacket(block)) => {
            let link = interfaces.first()?.link;
            let bytes = block.data.get(..block.packet_data().len()).unwrap_or(block.data);
            Some(Packet { link, at: None, way: None, bytes })
        }
        PcapBlockOwned::NG(_) => None,
    }
}

/// The low bits of epb_flags (draft-ietf-opsawg-pcapng 4.3.1).
fn way_of(block: &EnhancedPacketBlock<'_>) -> Option<Way> {
    const EPB_FLAGS: OptionCode = OptionCode(2);
    let flags = block.options.iter().find(|option| option.code == EPB_FLAGS)?;
    let low = if block.block_type == 6 { flags.value.first() } else { flags.value.get(3) };
    match low? & 0b11 {
        1 => Some(Way::In),
        2 => Some(Way::Out),
        _ => None,
    }
}

impl<'a> Packet<'a> {
    /// Its TCP segment, if it has one whole enough to be read.
    fn captured(&self, number: u64) -> Option<Captured<'a>> {
        let sliced = self.sliced()?;
        let (from, to, payload, ip_len) = match sliced.net.as_ref()? {
            LaxNetSlice::Ipv4(ip) => {
                let header = ip.header();
                let (from, to) = (header.source_addr().into(), header.destination_addr().into());
                let len = usize::from(header.total_len()).saturating_sub(
                    header.slice().len() + ip.extensions().auth.map_or(0, |of| of.slice().len()),
                );
                (from, to, ip.payload().clone(), len)
            }
            LaxNetSlice::Ipv6(ip) => {
                let header = ip.header();
                let addrs: [IpAddr; 2] =
                    [header.source_addr().into(), header.destination_addr().into()];
                let extensions = ip.extensions().slice().len();
                let len = usize::from(header.payload_length()).saturating_sub(extensions);
                (addrs[0], addrs[1], ip.payload().clone(), len)
            }
            LaxNetSlice::Arp(_) => return None,
        };
        if payload.fragmented {
            return None;
        }
        let Some(TransportSlice::Tcp(tcp)) = sliced.transport else { return None };
        let cut_off =
            if payload.incomplete { ip_len.saturating_sub(payload.payload.len()) } else { 0 };
        let ends = Ends::new((from, tcp.source_port()), (to, tcp.destination_port()));
        let segment = Segment {
            ends,
            seq: tcp.sequence_number(),
            syn: tcp.syn(),
            last: tcp.fin() || tcp.rst(),
            payload: tcp.payload(),
            cut_off,
        };
        Some(Captured { at: self.at, way: self.way, number, segment })
    }

    /// By the header of its link.
    fn sliced(&self) -> Option<LaxSlicedPacket<'a>> {
        let bytes = self.bytes;
        // A protocol of Ethernet's at an offset, and how long the header is in front of it.
        let by_type = |at: usize, header: usize| {
            let kind = u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?);
            Some(LaxSlicedPacket::from_ether_type(EtherType(kind), bytes.get(header..)?))
        };
        match self.link {
            Linktype::ETHERNET => LaxSlicedPacket::from_ethernet(bytes).ok(),
            Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 => LaxSlicedPacket::from_ip(bytes).ok(),
            // The address family, in the byte order of who captured it.
            Linktype::NULL | Linktype::LOOP => LaxSlicedPacket::from_ip(bytes.get(4..)?).ok(),
            Linktype::LINUX_SLL => by_type(14, 16),
            LINUX_SLL2 => by_type(0, 20),
            _ => None,
        }
    }
}

/// LINKTYPE_LINUX_SLL2: what tcpdump captures on `any` today.
const LINUX_SLL2: Linktype = Linktype(276);
