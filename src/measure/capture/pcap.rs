//! pcap (draft-ietf-opsawg-pcap), in both byte orders, with microseconds or nanoseconds.

use std::io::Read;

use super::fault::{Fault, LinkType};
use super::skips::{Skip, Skips};
use super::window::{RECORD_LEN_MAX, Window};
use super::{Order, Record, frame_check_len};
use crate::measure::wire_time::WireTime;

const FILE_HEADER_LEN: usize = 24;
const RECORD_HEADER_LEN: usize = 16;
const MAGIC_US: u32 = 0xa1b2_c3d4;
const MAGIC_NS: u32 = 0xa1b2_3c4d;
const MAGIC_MODIFIED: u32 = 0xa1b2_cd34;

/// A file's header, of which each record needs something.
pub(super) struct Pcap {
    order: Order,
    /// Nanoseconds of a tick.
    tick_ns: u32,
    fcs_len: Option<u8>,
    /// The file's first eight bytes, magic and version: with them another file begins.
    head: [u8; 8],
}

/// Whether a file begins like this format, and in which byte order.
pub(super) fn order(head: &[u8]) -> Option<Order> {
    [Order::Little, Order::Big]
        .into_iter()
        .find(|order| matches!(order.u32(head, 0), MAGIC_US | MAGIC_NS | MAGIC_MODIFIED))
}

impl Pcap {
    /// Reads the file's header. Its length is at hand, or the file ends before.
    pub(super) fn open<R: Read>(window: &mut Window<R>, order: Order) -> Result<Pcap, Fault> {
        let is_whole = window.fill(FILE_HEADER_LEN)?;
        let head = window.bytes();
        let tick_ns = match order.u32(head, 0) {
            MAGIC_MODIFIED => return Err(Fault::ModifiedPcap),
            MAGIC_NS => 1,
            _ => 1_000,
        };
        if !is_whole {
            return Err(Fault::LengthsDisagree);
        }
        let link = order.u32(head, 20);
        let of_packets = LinkType(link as u16);
        if of_packets != LinkType::ETHERNET {
            return Err(Fault::NotEthernet(of_packets));
        }
        // Bit 26 says whether the top four bits count the 16-bit words of a frame check sequence.
        let fcs_len = (link & 1 << 26 != 0).then(|| (link >> 28) as u8 * 2);
        let first = head.first_chunk().expect("a header is longer");
        let pcap =
            Pcap { order, tick_ns, fcs_len: fcs_len.and_then(frame_check_len), head: *first };
        window.consume(FILE_HEADER_LEN);
        Ok(pcap)
    }

    /// The next record, which is left at hand.
    pub(super) fn record<R: Read>(
        &mut self,
        window: &mut Window<R>,
        skips: &mut Skips,
    ) -> Result<Option<Record>, Fault> {
        let is_whole = window.fill(RECORD_HEADER_LEN)?;
        let (head, order) = (window.bytes(), self.order);
        if !is_whole {
            if !head.is_empty() {
                skips.note(Skip::CutOff, window.offset());
            }
            return Ok(None);
        }
        if head.starts_with(&self.head) {
            return Err(Fault::Joined);
        }
        let (seconds, fraction) = (order.u32(head, 0), order.u32(head, 4));
        let (len, original_len) = (order.u32(head, 8) as usize, order.u32(head, 12));
        let total = RECORD_HEADER_LEN + len;
        if total > RECORD_LEN_MAX {
            return Err(Fault::RecordTooLong { len: len as u64 });
        }
        if fraction >= 1_000_000_000 / self.tick_ns {
            let unit = if self.tick_ns == 1 { "ns" } else { "µs" };
            return Err(Fault::FractionTooLarge { fraction, unit });
        }
        if !window.fill(total)? {
            skips.note(Skip::CutOff, window.offset());
            return Ok(None);
        }
        Ok(Some(Record {
            begin: RECORD_HEADER_LEN,
            len,
            total,
            original_len,
            time: WireTime::from_s_ns(seconds, fraction * self.tick_ns),
            interface: 0,
            fcs_len: self.fcs_len,
        }))
    }
}
