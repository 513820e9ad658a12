//! TCP headers and options (RFC 9293 3.1, RFC 7323, RFC 2018, RFC 5482).

pub use flags::Flags;
pub use number::SeqNumber;
pub(crate) use options::USER_TIMEOUT_LEN;
pub use options::{Options, SACK_BLOCKS_MAX, SackBlocks, Timestamps, UserTimeout};

use super::Refusal;
use crate::offload::checksum::Sum;

mod flags;
mod number;
mod options;

/// A TCP header without options, in bytes.
pub const HEADER_LEN: usize = 20;
/// The longest TCP header, options included, in bytes.
pub const HEADER_LEN_MAX: usize = 60;
/// Where the checksum field lies in the header.
pub const CHECKSUM_OFFSET: usize = 16;

/// A TCP segment's bytes, header and payload, with the header's shape checked.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    bytes: &'a [u8],
    header_len: usize,
}

impl<'a> Packet<'a> {
    /// A view of `bytes`, which are the whole of an IPv4 payload.
    ///
    /// # Errors
    /// [`Refusal::TcpTooShort`], [`Refusal::TcpDataOffsetWrong`], [`Refusal::TcpPortZero`].
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Packet<'a>, Refusal> {
        if bytes.len() < HEADER_LEN {
            return Err(Refusal::TcpTooShort);
        }
        let header_len = usize::from(bytes[12] >> 4) * 4;
        if header_len < HEADER_LEN || header_len > bytes.len() {
            return Err(Refusal::TcpDataOffsetWrong);
        }
        let packet = Packet { bytes, header_len };
        if packet.src_port() == 0 || packet.dst_port() == 0 {
            return Err(Refusal::TcpPortZero);
        }
        Ok(packet)
    }

    /// A segment whose header's shape is known to be right.
    #[inline]
    pub(crate) const fn of(bytes: &'a [u8], header_len: usize) -> Packet<'a> {
        Packet { bytes, header_len }
    }

    /// The whole segment, as the checksum covers it.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The sender's port.
    pub fn src_port(&self) -> u16 {
        be_u16(&self.bytes[0..2])
    }

    /// The receiver's port.
    pub fn dst_port(&self) -> u16 {
        be_u16(&self.bytes[2..4])
    }

    /// The checksum field, as it stands.
    pub fn checksum(&self) -> u16 {
        be_u16(&self.bytes[16..18])
    }

    /// What the segment means.
    ///
    /// # Errors
    /// [`Refusal::TcpOptionMalformed`].
    #[inline(always)]
    pub fn segment(&self) -> Result<Segment<'a>, Refusal> {
        let header = &self.bytes[..HEADER_LEN];
        Ok(Segment {
            src_port: be_u16(&header[0..2]),
            dst_port: be_u16(&header[2..4]),
            seq: SeqNumber(be_u32(&header[4..8])),
            ack: SeqNumber(be_u32(&header[8..12])),
            flags: Flags(header[13]),
            window: be_u16(&header[14..16]),
            options: Options::parse(&self.bytes[HEADER_LEN..self.header_len])?,
            payload: &self.bytes[self.header_len..],
            is_ce: false,
        })
    }
}

/// What a received segment means. `SEG.SEQ`, `SEG.ACK` and `SEG.WND` of RFC 9293 are `seq`, `ack`
/// and `window`; the window is as sent, unscaled.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// The sender's port.
    pub src_port: u16,
    /// The receiver's port.
    pub dst_port: u16,
    /// The first payload byte's number, or the SYN's.
    pub seq: SeqNumber,
    /// The next number that the sender expects of us; counts only with [`Flags::ACK`].
    pub ack: SeqNumber,
    /// Control bits.
    pub flags: Flags,
    /// The window as sent, unscaled.
    pub window: u16,
    /// Options.
    pub options: Options,
    /// The data.
    pub payload: &'a [u8],
    /// The network marked the packet (RFC 3168 5, CE). TCP's own bytes do not say: whoever has read the
    /// IPv4 header sets it.
    pub is_ce: bool,
}

impl Segment<'_> {
    /// `SEG.LEN`: payload bytes, and one each for SYN and FIN.
    #[inline]
    pub fn len(&self) -> u32 {
        self.payload.len() as u32
            + u32::from(self.flags.has(Flags::SYN))
            + u32::from(self.flags.has(Flags::FIN))
    }

    /// Whether it takes no sequence number.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A header to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repr {
    /// Our port.
    pub src_port: u16,
    /// The peer's port.
    pub dst_port: u16,
    /// The first payload byte's number, or the SYN's.
    pub seq: SeqNumber,
    /// The next number that we expect; 0 without [`Flags::ACK`].
    pub ack: SeqNumber,
    /// Control bits.
    pub flags: Flags,
    /// The window as it stands on the wire, already scaled down.
    pub window: u16,
    /// Options.
    pub options: Options,
}

impl Repr {
    /// The header's length with options, in bytes.
    #[inline]
    pub fn header_len(&self) -> usize {
        HEADER_LEN + self.options.len()
    }

    /// Writes the header to the front of `out` with a checksum field of zero, and says its length.
    ///
    /// # Panics
    /// If `out` is shorter than [`header_len`](Repr::header_len).
    #[inline]
    pub fn emit(&self, out: &mut [u8]) -> usize {
        let header_len = self.header_len();
        let out = &mut out[..header_len];
        out[0..2].copy_from_slice(&self.src_port.to_be_bytes());
        out[2..4].copy_from_slice(&self.dst_port.to_be_bytes());
        out[12] = ((header_len / 4) << 4) as u8;
        self.emit_varying(out);
        out[16..20].fill(0);
        self.options.emit(&mut out[HEADER_LEN..]);
        header_len
    }
}

impl Repr {
    /// Writes the fields that differ from one segment of a connection to the next: sequence numbers,
    /// control bits, window.
    ///
    /// # Panics
    /// If `out` is shorter than [`HEADER_LEN`].
    #[inline]
    pub(crate) fn emit_varying(&self, out: &mut [u8]) {
        let out = &mut out[..HEADER_LEN];
        out[4..8].copy_from_slice(&self.seq.0.to_be_bytes());
        out[8..12].copy_from_slice(&self.ack.0.to_be_bytes());
        out[13] = self.flags.0;
        out[14..16].copy_from_slice(&self.window.to_be_bytes());
    }

    /// The sum of those fields, and of the timestamps' values.
    #[inline(always)]
    pub(crate) fn sum_of_varying(&self) -> Sum {
        let numbers = Sum::of_u32(self.seq.0).plus(Sum::of_u32(self.ack.0));
        let rest = Sum::of_u16(u16::from(self.flags.0)).plus(Sum::of_u16(self.window));
        let stamps = self
            .options
            .timestamps
            .map_or(Sum::ZERO, |stamps| Sum::of_u32(stamps.value).plus(Sum::of_u32(stamps.echo)));
        numbers.plus(rest).plus(stamps)
    }
}

fn be_u16(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

fn be_u32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[cfg(test)]
mod tests;
