//! Stamps that a device wrote into the frames themselves: behind them, or behind their source address.
//!
//! Layouts as Wireshark's dissectors for them have them (packet-metamako.c, packet-exablaze.c, packet-avsp.c), which the tests are
//! held against. All are big-endian.

use core::fmt;

use super::{Frame, Order};
use crate::measure::ether_type::{IPV4, IPV6, behind_tags};
use crate::measure::stamp::{Clock, Domain, Stamp, TAI_MINUS_UTC, Timescale};
use crate::measure::wire_time::{WireSpan, WireTime};

/// Destination and source address.
const ADDRESSES_LEN: usize = 12;
const FCS_LEN: usize = 4;
const ARISTA_ETHER_TYPE: u16 = 0xd28b;
/// A stamp further from the record's own time than this is none. Both clocks may be wrong by days.
const APART_S_MAX: u32 = 30 * 24 * 60 * 60;
const NS_PER_S: u32 = 1_000_000_000;

/// Who writes stamps, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trailer {
    /// Metamako, now Arista 7130 (MetaWatch): a trailer of 16 bytes and more.
    Metamako,
    /// Exablaze, now Cisco Nexus 3550 (ExaLINK Fusion): a trailer of 16 bytes.
    Exablaze,
    /// Arista 7280 and relatives: a header of EtherType 0xd28b.
    Arista7280,
}

/// How frames of a capture are stamped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// By whom.
    pub trailer: Trailer,
    /// Whether the frame's own check sequence stands behind all of it.
    pub has_fcs: bool,
}

/// What a device says of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamped {
    /// When it passed the device.
    pub stamp: Stamp,
    /// Where the EtherType of what is in the frame stands, in bytes from its beginning.
    pub ether_type_at: usize,
    /// Where the frame ends that passed the device, without its check sequence.
    pub end: usize,
    /// Why the stamp is not to be measured with, if it is not.
    pub aside: Option<Aside>,
}

/// Why a stamp is set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aside {
    /// The device says that its clock was not synchronized well.
    Degraded,
    /// The device says that it saw this frame before.
    Duplicate,
    /// The check sequence of the frame was wrong: who it was for dropped it.
    BadFcs,
}

/// Why a frame has no stamp of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoStamp {
    /// The capture cut off its end.
    CutOff,
    /// There is none where it would be, or one that is no time near the record's own.
    Absent,
}

impl Layout {
    /// All of them.
    pub const ALL: [Layout; 5] = [
        Layout { trailer: Trailer::Metamako, has_fcs: false },
        Layout { trailer: Trailer::Metamako, has_fcs: true },
        Layout { trailer: Trailer::Exablaze, has_fcs: false },
        Layout { trailer: Trailer::Exablaze, has_fcs: true },
        // Where a header is no end is looked at.
        Layout { trailer: Trailer::Arista7280, has_fcs: false },
    ];

    /// The stamp in a frame.
    ///
    /// # Errors
    /// Where there is none.
    pub fn read(self, frame: &Frame<'_>) -> Result<Stamped, NoStamp> {
        let bytes = frame.bytes;
        if self.trailer == Trailer::Arista7280 {
            return arista(bytes, frame.stamp.time).ok_or(NoStamp::Absent);
        }
        if bytes.len() < frame.original_len as usize {
            return Err(NoStamp::CutOff);
        }
        let end = bytes.len().checked_sub(if self.has_fcs { FCS_LEN } else { 0 });
        let bytes = &bytes[..end.ok_or(NoStamp::Absent)?];
        let stamped = match self.trailer {
            Trailer::Metamako => metamako(bytes, frame.stamp.time),
            _ => exablaze(bytes, frame.stamp.time),
        };
        // What passed the device is at least as long as its IP header says.
        stamped.filter(|of| of.end >= network_end(bytes).unwrap_or(0)).ok_or(NoStamp::Absent)
    }
}

/// From the tail: port 1, device 2, flags 1, nanoseconds 4, seconds 4, extensions, original FCS 4.
fn metamako(bytes: &[u8], recorded: WireTime) -> Option<Stamped> {
    const LEN: usize = 12;
    const FCS_VALID: u8 = 0x01;
    const HAS_EXTENSIONS: u8 = 0x02;
    const DUPLICATE: u8 = 0x04;
    const DEGRADED: u8 = 0x10;
    let mut end = bytes.len().checked_sub(LEN)?;
    let tail = &bytes[end..];
    let (s, ns) = (Order::Big.u32(tail, 0), Order::Big.u32(tail, 4));
    if ns >= NS_PER_S {
        return None;
    }
    let mut time = near(WireTime::from_s_ns(s, ns), recorded)?;
    let flags = tail[8];
    if flags & HAS_EXTENSIONS != 0 {
        let (begin, sub_ns) = extensions(&bytes[..end])?;
        end = begin;
        time = time + WireSpan::from_2_pow_minus_24_ns(sub_ns);
    }
    let aside = if flags & DEGRADED != 0 {
        Some(Aside::Degraded)
    } else if flags & DUPLICATE != 0 {
        Some(Aside::Duplicate)
    } else {
        (flags & FCS_VALID == 0).then_some(Aside::BadFcs)
    };
    let clock = Clock::Metamako { device: Order::Big.u16(tail, 9) };
    let domain = Domain { clock, scale: Timescale::Utc };
    let stamp = Stamp { time, domain, port: tail[11].into() };
    let end = end.checked_sub(FCS_LEN).filter(|end| *end >= ADDRESSES_LEN + 2)?;
    Some(Stamped { stamp, ether_type_at: ADDRESSES_LEN, end, aside })
}

/// Extensions of a Metamako trailer, read backwards from the end of `bytes`: where they begin, and the 24 bits of tag 1.
fn extensions(bytes: &[u8]) -> Option<(usize, u32)> {
    const LAST: u32 = 1 << 5;
    const LONG: u32 = 0x1f;
    const SUB_NS: u32 = 1;
    let (mut end, mut sub_ns) = (bytes.len(), 0);
    loop {
        let word = Order::Big.u32(bytes, end.checked_sub(4)?);
        let tag = word & LONG;
        let words = if tag == LONG { (word >> 6 & 0x3ff) + 1 } else { word >> 6 & 0b11 };
        end = end.checked_sub(4 + 4 * words as usize)?;
        if tag == SUB_NS {
            sub_ns = Order::Big.u32(bytes, end) >> 8;
        }
        if word & LAST != 0 {
            return Some((end, sub_ns));
        }
    }
}

/// From the front: original FCS 4, device 1, port 1, seconds 4, 2^-40 s 5, reserved 1.
fn exablaze(bytes: &[u8], recorded: WireTime) -> Option<Stamped> {
    const LEN: usize = 16;
    let end = bytes.len().checked_sub(LEN).filter(|end| *end >= ADDRESSES_LEN + 2)?;
    let trailer = &bytes[end..];
    let fraction = Order::Big.u64(trailer, 8) >> 8 & ((1 << 40) - 1);
    let time = WireTime::from_s_and_2_pow_minus_40(Order::Big.u32(trailer, 6), fraction);
    let domain = Domain { clock: Clock::Exablaze { device: trailer[4] }, scale: Timescale::Utc };
    let stamp = Stamp { time: near(time, recorded)?, domain, port: trailer[5].into() };
    Some(Stamped { stamp, ether_type_at: ADDRESSES_LEN, end, aside: None })
}

/// Behind the addresses: 0xd28b, subtype 1, a version, seconds in four bytes or two, nanoseconds 4.
fn arista(bytes: &[u8], recorded: WireTime) -> Option<Stamped> {
    const SUBTYPE: u16 = 1;
    let header = bytes.get(ADDRESSES_LEN..ADDRESSES_LEN + 16)?;
    let word = |at: usize| Order::Big.u16(header, at);
    if (word(0), word(2)) != (ARISTA_ETHER_TYPE, SUBTYPE) {
        return None;
    }
    let version = word(4);
    let scale = match version >> 8 {
        0 => Timescale::Tai,
        1 => Timescale::Utc,
        _ => return None,
    };
    let recorded = if scale == Timescale::Tai { recorded + TAI_MINUS_UTC } else { recorded };
    // Of the last digit hardware's generation is told.
    let (s, ns_at) = match version >> 4 & 0xf {
        1 => (Order::Big.u32(header, 6), 10),
        2 => (widened(word(6).into(), 16, recorded)?, 8),
        _ => return None,
    };
    let ns = Order::Big.u32(header, ns_at);
    if ns >= NS_PER_S {
        return None;
    }
    let time = near(WireTime::from_s_ns(s, ns), recorded)?;
    let domain = Domain { clock: Clock::Arista7280, scale };
    let ether_type_at = ADDRESSES_LEN + ns_at + 4;
    let stamp = Stamp { time, domain, port: 0 };
    Some(Stamped { stamp, ether_type_at, end: bytes.len(), aside: None })
}

/// Seconds of which the lowest `bits` are known, so that they are the nearest to a time that is known roughly.
fn widened(low: u32, bits: u32, near: WireTime) -> Option<u32> {
    let span = 1_i64 << bits;
    let ahead = (i64::from(low) - near.as_s()).rem_euclid(span);
    let apart = if ahead >= span / 2 { ahead - span } else { ahead };
    u32::try_from(near.as_s() + apart).ok()
}

/// A stamp, if it may be one of a frame that was recorded then.
fn near(stamped: WireTime, recorded: WireTime) -> Option<WireTime> {
    ((stamped - recorded).abs() <= WireSpan::from_s(APART_S_MAX)).then_some(stamped)
}

/// Where a frame ends by what its IP header says, if it has one, behind VLAN tags or not.
fn network_end(bytes: &[u8]) -> Option<usize> {
    let (kind, at) = behind_tags(bytes, ADDRESSES_LEN)?;
    // IPv6 counts behind its header.
    let (len_at, header_len) = match kind {
        IPV4 => (at + 4, 0),
        IPV6 => (at + 6, 40),
        _ => return None,
    };
    let len = usize::from(Order::Big.u16(bytes.get(len_at..len_at + 2)?, 0));
    Some(at + 2 + header_len + len)
}

/// Whether a frame is of a kind that FIX is looked for in: others, as PTP's, may have anything where a stamp would be.
pub(super) fn may_tell_of_stamps(bytes: &[u8]) -> bool {
    let kind = behind_tags(bytes, ADDRESSES_LEN).map(|(kind, _)| kind);
    kind.is_some_and(|kind| [IPV4, IPV6, ARISTA_ETHER_TYPE].contains(&kind))
}

impl fmt::Display for Trailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Trailer::Metamako => "Metamako (Arista 7130) trailers",
            Trailer::Exablaze => "Exablaze trailers",
            Trailer::Arista7280 => "Arista 7280 headers (EtherType 0xd28b)",
        })
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.trailer)?;
        if self.has_fcs { f.write_str(" with a frame check sequence behind") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_of_eight_and_sixteen_bits_are_the_nearest_to_the_records_own_time() {
        let s = 1_800_000_000_u32;
        for bits in [8, 16] {
            let half = 1_i64 << (bits - 1);
            for apart in [0, 1, -1, half - 1, -half] {
                let stamped = (i64::from(s) + apart) as u32;
                let low = stamped & ((1 << bits) - 1);
                assert_eq!(widened(low, bits, WireTime::from_s_ns(s, 1)), Some(stamped), "{apart}");
            }
            // Half the span away it is taken for one on the other side.
            let low = (i64::from(s) + half) as u32 & ((1 << bits) - 1);
            let other = (i64::from(s) - half) as u32;
            assert_eq!(widened(low, bits, WireTime::from_s_ns(s, 999_999_999)), Some(other));
        }
        assert_eq!(widened(255, 8, WireTime::from_s_ns(0, 0)), None, "before 1970");
    }
}
