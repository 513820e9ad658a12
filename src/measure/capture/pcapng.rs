//! pcapng (draft-ietf-opsawg-pcapng): sections in either byte order, each with interfaces of its own.
//!
//! By hand: pcap-parser, which `fixwire decode` reads with, makes a list of each packet's options, takes if_tsoffset for
//! little-endian wherever it stands, and has no resolution for powers of two.

use std::io::Read;

use super::about::{About, text};
use super::fault::{Fault, LinkType};
use super::skips::{Skip, Skips};
use super::window::{RECORD_LEN_MAX, Window};
use super::{Order, Record, frame_check_len};
use crate::measure::wire_time::Resolution;

/// A Section Header Block's type, the same in both byte orders.
pub(super) const SECTION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// Of a block with nothing in it: type and length in front, the length again behind.
const BLOCK_LEN_MIN: u32 = 12;
/// Interfaces of one file that are kept.
const INTERFACES_MAX: usize = 4_096;

/// Block types (section 11.1).
mod kind {
    pub(super) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
    pub(super) const INTERFACE_DESCRIPTION: u32 = 1;
    /// Obsolete: what Enhanced Packet Blocks came after.
    pub(super) const PACKET: u32 = 2;
    pub(super) const SIMPLE_PACKET: u32 = 3;
    pub(super) const INTERFACE_STATISTICS: u32 = 5;
    pub(super) const ENHANCED_PACKET: u32 = 6;
}

/// Option codes, by the block that they stand in (3.5, 4.1, 4.2, 4.3).
mod code {
    pub(super) const END: u16 = 0;
    pub(super) const COMMENT: u16 = 1;
    pub(super) const SHB_HARDWARE: u16 = 2;
    pub(super) const SHB_USERAPPL: u16 = 4;
    pub(super) const IF_NAME: u16 = 2;
    pub(super) const IF_DESCRIPTION: u16 = 3;
    pub(super) const IF_TSRESOL: u16 = 9;
    pub(super) const IF_FCSLEN: u16 = 13;
    pub(super) const IF_TSOFFSET: u16 = 14;
    /// As pack_flags of a Packet Block.
    pub(super) const EPB_FLAGS: u16 = 2;
}

/// How mergecap begins to say that it has written a section, in capitals since its version 3: by default it puts what it merges on one
/// interface.
const MERGED_BY: &[u8] = b"mergecap";
/// How the comment begins that Wireshark's library writes into a section which it merges, whoever asked for it.
const MERGED_COMMENT: &[u8] = b"File created by merging";

pub(super) struct Pcapng {
    order: Order,
    /// Of all sections so far, in the order in which the file names them; those of this one begin at `of_section`.
    interfaces: Vec<Interface>,
    of_section: usize,
    /// This section was merged of several files.
    is_merged: bool,
    about: About,
}

#[derive(Clone, Copy)]
struct Interface {
    link: LinkType,
    resolution: Resolution,
    offset_s: i64,
    fcs_len: Option<u8>,
    is_merged: bool,
}

impl Pcapng {
    pub(super) fn new() -> Pcapng {
        Pcapng {
            // The first block says otherwise, if it is.
            order: Order::Little,
            interfaces: Vec::new(),
            of_section: 0,
            is_merged: false,
            about: About::default(),
        }
    }

    /// Whether an interface is of a section that was merged of several files.
    #[inline]
    pub(super) fn is_merged(&self, interface: u32) -> bool {
        self.interfaces.get(interface as usize).is_some_and(|of| of.is_merged)
    }

    pub(super) fn about(&self) -> &About {
        &self.about
    }

    /// The next packet's block, which is left at hand.
    pub(super) fn record<R: Read>(
        &mut self,
        window: &mut Window<R>,
        skips: &mut Skips,
    ) -> Result<Option<Record>, Fault> {
        loop {
            // The shortest block: even a section says its byte order before.
            let is_whole = window.fill(BLOCK_LEN_MIN as usize)?;
            let (head, offset) = (window.bytes(), window.offset());
            if !is_whole {
                if !head.is_empty() {
                    skips.note(Skip::CutOff, offset);
                }
                return Ok(None);
            }
            if head.starts_with(&SECTION) {
                self.order = section_order(head).ok_or(Fault::LengthsDisagree)?;
            }
            let (kind, len) = (self.order.u32(head, 0), self.order.u32(head, 4));
            if len < BLOCK_LEN_MIN || len % 4 != 0 {
                let is_pcap = super::pcap::order(head).is_some();
                return Err(if is_pcap { Fault::Joined } else { Fault::LengthsDisagree });
            }
            let is_packet = matches!(kind, kind::PACKET | kind::ENHANCED_PACKET);
            let is_needed =
                is_packet || matches!(kind, kind::INTERFACE_DESCRIPTION | kind::SECTION_HEADER);
            let fits = len as usize <= RECORD_LEN_MAX;
            if is_needed && !fits {
                return Err(Fault::RecordTooLong { len: len.into() });
            }
            let in_one_piece = is_needed || kind == kind::INTERFACE_STATISTICS && fits;
            let is_here = if in_one_piece {
                window.fill(len as usize)?
            } else {
                window.skip((len - 4).into())? && window.fill(4)?
            };
            if !is_here {
                skips.note(Skip::CutOff, offset);
                return Ok(None);
            }
            if is_packet {
                let block = &window.bytes()[..len as usize];
                match self.packet(block)? {
                    Ok(record) => return Ok(Some(record)),
                    Err(skip) => skips.note(skip, offset),
                }
                window.consume(len as usize);
                continue;
            }
            let at_hand = window.bytes();
            match kind {
                kind::SECTION_HEADER => self.section(&at_hand[..len as usize])?,
                kind::INTERFACE_DESCRIPTION => self.interface(&at_hand[..len as usize])?,
                kind::INTERFACE_STATISTICS if in_one_piece => {
                    self.statistics(&at_hand[..len as usize])?;
                }
                // All but the length behind it is gone already.
                _ => {
                    if self.order.u32(at_hand, 0) != len {
                        return Err(Fault::LengthsDisagree);
                    }
                    if kind == kind::SIMPLE_PACKET {
                        skips.note(Skip::NoTime, offset);
                    }
                    window.consume(4);
                    continue;
                }
            }
            window.consume(len as usize);
        }
    }

    /// A Section Header Block: what was said of interfaces ends.
    fn section(&mut self, block: &[u8]) -> Result<(), Fault> {
        const MAJOR: u16 = 1;
        const LEN_MIN: usize = 28;
        const OPTIONS: usize = 24;
        let body = self.body(block, LEN_MIN)?;
        self.of_section = self.interfaces.len();
        self.is_merged = false;
        for (code, value) in options(self.order, &body[OPTIONS..]).map_while(Result::ok) {
            let into = match code {
                code::COMMENT => {
                    self.is_merged |= value.starts_with(MERGED_COMMENT);
                    continue;
                }
                code::SHB_HARDWARE => &mut self.about.hardware,
                code::SHB_USERAPPL => {
                    let begin = value.get(..MERGED_BY.len());
                    self.is_merged |= begin.is_some_and(|of| of.eq_ignore_ascii_case(MERGED_BY));
                    &mut self.about.application
                }
                _ => continue,
            };
            if into.is_empty() {
                *into = text(value);
            }
        }
        match self.order.u16(block, 12) {
            MAJOR => Ok(()),
            other => Err(Fault::PcapngVersion(other)),
        }
    }

    /// An Interface Description Block.
    fn interface(&mut self, block: &[u8]) -> Result<(), Fault> {
        const OPTIONS: usize = 16;
        let body = self.body(block, 20)?;
        if self.interfaces.len() == INTERFACES_MAX {
            return Err(Fault::TooManyInterfaces(INTERFACES_MAX));
        }
        let mut interface = Interface {
            link: LinkType(self.order.u16(body, 8)),
            resolution: Resolution::US,
            offset_s: 0,
            fcs_len: None,
            is_merged: self.is_merged,
        };
        let mut about = self.about.interface(self.interfaces.len());
        for option in options(self.order, &body[OPTIONS..]) {
            match option? {
                (code::IF_TSRESOL, [value]) => {
                    interface.resolution = Resolution::from_if_tsresol(*value);
                }
                (code::IF_TSOFFSET, value) if value.len() == 8 => {
                    interface.offset_s = self.order.u64(value, 0) as i64;
                }
                (code::IF_FCSLEN, [value]) => interface.fcs_len = frame_check_len(*value),
                (code::IF_TSRESOL | code::IF_TSOFFSET, _) => return Err(Fault::LengthsDisagree),
                (code, value) => {
                    let Some(about) = &mut about else { continue };
                    match code {
                        code::IF_NAME => about.name = text(value),
                        code::IF_DESCRIPTION => about.description = text(value),
                        _ => {}
                    }
                }
            }
        }
        // Whether it is a time at all shows now, not with each packet.
        let epoch = Resolution::US.time(0).and_then(|epoch| epoch.plus_s(interface.offset_s));
        epoch.ok_or(Fault::OffsetTooLarge(interface.offset_s))?;
        self.interfaces.push(interface);
        Ok(())
    }

    /// An Interface Statistics Block.
    fn statistics(&mut self, block: &[u8]) -> Result<(), Fault> {
        const OPTIONS: usize = 20;
        let body = self.body(block, OPTIONS + 4)?;
        let place = self.of_section.saturating_add(self.order.u32(body, 8) as usize);
        let is_known = place < self.interfaces.len();
        let Some(about) = self.about.interface(place).filter(|_| is_known) else { return Ok(()) };
        let mut all = options(self.order, &body[OPTIONS..]).map_while(Result::ok);
        if let Some((_, comment)) = all.find(|(code, _)| *code == code::COMMENT) {
            about.statistics = text(comment);
        }
        Ok(())
    }

    /// An Enhanced Packet Block, or its predecessor, whose interface has two bytes.
    fn packet(&self, block: &[u8]) -> Result<Result<Record, Skip>, Fault> {
        const DATA: usize = 28;
        let body = self.body(block, DATA + 4)?;
        let order = self.order;
        let id = match order.u32(body, 0) {
            kind::PACKET => u32::from(order.u16(body, 8)),
            _ => order.u32(body, 8),
        };
        let len = order.u32(body, 20) as usize;
        if len > body.len() - DATA {
            return Err(Fault::LengthsDisagree);
        }
        let nth = self.of_section.saturating_add(id as usize);
        let Some(interface) = self.interfaces.get(nth) else {
            return Ok(Err(Skip::UnknownInterface));
        };
        if interface.link != LinkType::ETHERNET {
            return Ok(Err(Skip::NotEthernet));
        }
        let ticks = u64::from(order.u32(body, 12)) << 32 | u64::from(order.u32(body, 16));
        let time = interface.resolution.time(ticks).and_then(|at| at.plus_s(interface.offset_s));
        let Some(time) = time else { return Ok(Err(Skip::TimeOutOfRange)) };
        let behind = body.get(DATA + len.next_multiple_of(4)..).unwrap_or_default();
        let flags = PacketFlags::of(order, behind);
        if flags.has_errors() {
            return Ok(Err(Skip::Damaged));
        }
        Ok(Ok(Record {
            begin: DATA,
            len,
            total: block.len(),
            original_len: order.u32(body, 24),
            time,
            interface: nth as u32,
            fcs_len: flags.fcs_len().or(interface.fcs_len),
        }))
    }

    /// A block without the length behind it, which is held against the one in front; both have at least `len_min` bytes.
    fn body<'a>(&self, block: &'a [u8], len_min: usize) -> Result<&'a [u8], Fault> {
        let (body, behind) = block.split_at(block.len() - 4);
        let agree = self.order.u32(behind, 0) as usize == block.len() && block.len() >= len_min;
        if agree { Ok(body) } else { Err(Fault::LengthsDisagree) }
    }
}

/// What a packet's option epb_flags says (4.3.1), or zeros.
#[derive(Clone, Copy, Default)]
struct PacketFlags(u32);

impl PacketFlags {
    /// By the options behind a packet.
    fn of(order: Order, behind: &[u8]) -> PacketFlags {
        let mut all = options(order, behind).map_while(Result::ok);
        let flags = all.find(|(code, value)| *code == code::EPB_FLAGS && value.len() == 4);
        flags.map_or(PacketFlags(0), |(_, value)| PacketFlags(order.u32(value, 0)))
    }

    /// Errors of the link, from a wrong check sequence (bit 24) to a wrong symbol (bit 31).
    fn has_errors(self) -> bool {
        self.0 >> 24 != 0
    }

    /// The length of the frame check sequence in bytes (bits 5 to 8), unless it says nothing of that.
    fn fcs_len(self) -> Option<u8> {
        let len = (self.0 >> 5 & 0xf) as u8;
        (len > 0).then_some(len).and_then(frame_check_len)
    }
}

/// The options at the end of a block, each with its code, up to the one that ends them.
fn options(order: Order, mut rest: &[u8]) -> impl Iterator<Item = Result<(u16, &[u8]), Fault>> {
    core::iter::from_fn(move || {
        if rest.len() < 4 {
            return None;
        }
        let (code, len) = (order.u16(rest, 0), usize::from(order.u16(rest, 2)));
        if code == code::END {
            return None;
        }
        let value = rest.get(4..4 + len).ok_or(Fault::LengthsDisagree);
        rest = rest.get(4 + len.next_multiple_of(4)..).unwrap_or_default();
        Some(value.map(|value| (code, value)))
    })
}

fn section_order(head: &[u8]) -> Option<Order> {
    [Order::Little, Order::Big].into_iter().find(|order| order.u32(head, 8) == BYTE_ORDER_MAGIC)
}
