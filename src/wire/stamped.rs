//! The TCP header that nearly every segment has: timestamps, as RFC 7323 appendix A lays them out, and no
//! other option.

use super::tcp::{Flags, HEADER_LEN, SeqNumber};

/// How long such a header is, in bytes.
pub const STAMPED_HEADER_LEN: usize = HEADER_LEN + 12;

/// A header's length, control bits and window in one word, as they lie in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Control(u32);

impl Control {
    /// Of a segment with another header.
    pub(crate) const NONE: Control = Control(0);
    /// Of no segment at all: none has so long a header and both SYN and FIN.
    pub(crate) const NEVER: Control = Control(u32::MAX);

    const MASK: u32 = u32::from_ne_bytes([0xf0, !Flags::PSH.0, 0xff, 0xff]);

    /// Of such a header with these control bits and this window field.
    #[inline(always)]
    pub(crate) fn of(flags: Flags, window: u16) -> Control {
        let [high, low] = window.to_be_bytes();
        let offset = (STAMPED_HEADER_LEN / 4) << 4;
        Control(u32::from_ne_bytes([offset as u8, flags.0, high, low]))
    }

    /// Whether nothing differs but PSH, and what is no part of the length.
    #[inline(always)]
    pub(crate) fn is_as(self, other: Control) -> bool {
        (self.0 ^ other.0) & Control::MASK == 0
    }
}

/// A segment with such a header. Its fields are read where they are wanted, and not before.
#[derive(Clone, Copy, Debug)]
pub struct Stamped<'a> {
    header: &'a [u8; STAMPED_HEADER_LEN],
    payload_len: usize,
}

impl<'a> Stamped<'a> {
    /// A segment with so many bytes of payload, whose header is known to be built so.
    #[inline(always)]
    pub(crate) fn of(header: &'a [u8; STAMPED_HEADER_LEN], payload_len: usize) -> Stamped<'a> {
        Stamped { header, payload_len }
    }

    /// The number of its first byte.
    #[inline(always)]
    pub fn seq(&self) -> SeqNumber {
        SeqNumber(self.u32_at(4))
    }

    /// What it acknowledges.
    #[inline(always)]
    pub fn ack(&self) -> SeqNumber {
        SeqNumber(self.u32_at(8))
    }

    /// Both in one word: the number of its first byte above what it acknowledges.
    #[inline(always)]
    pub(crate) fn numbers(&self) -> u64 {
        let [_, _, _, _, a, b, c, d, e, f, g, h, ..] = *self.header;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// Its control bits.
    #[inline(always)]
    pub fn flags(&self) -> Flags {
        Flags(self.header[13])
    }

    /// Its header's length, control bits and window.
    #[inline(always)]
    pub(crate) fn control(&self) -> Control {
        let header = self.header;
        Control(u32::from_ne_bytes([header[12], header[13], header[14], header[15]]))
    }

    /// The window field.
    #[inline(always)]
    pub fn window(&self) -> u16 {
        u16::from_be_bytes([self.header[14], self.header[15]])
    }

    /// The sender's timestamp.
    #[inline(always)]
    pub fn stamp(&self) -> u32 {
        self.u32_at(HEADER_LEN + 4)
    }

    /// The payload's length in bytes.
    #[inline(always)]
    pub fn payload_len(&self) -> usize {
        self.payload_len
    }

    #[inline(always)]
    fn u32_at(&self, at: usize) -> u32 {
        let header = self.header;
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    }
}
