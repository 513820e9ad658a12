//! TCP headers and options (RFC 9293 3.1, RFC 7323, RFC 2018, RFC 5482).

use core::cmp::Ordering;
use core::fmt;
use core::num::NonZero;
use core::ops::{Add, AddAssign, Sub};

use super::Refusal;
use crate::offload::checksum::Sum;
use crate::time::Duration;

/// A TCP header without options, in bytes.
pub const HEADER_LEN: usize = 20;
/// The longest TCP header, options included, in bytes.
pub const HEADER_LEN_MAX: usize = 60;
/// Where the checksum field lies in the header.
pub const CHECKSUM_OFFSET: usize = 16;

/// A sequence number: arithmetic modulo 2^32, compared over half the circle (RFC 9293 3.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SeqNumber(pub u32);

impl SeqNumber {
    /// Bytes from `earlier` to `self`, going forward round the circle.
    #[inline]
    pub const fn since(self, earlier: SeqNumber) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }

    /// Whether `self` lies before `other`.
    #[inline]
    pub const fn is_before(self, other: SeqNumber) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }

    /// Whether `self` lies before `other` or is it.
    #[inline]
    pub const fn is_at_or_before(self, other: SeqNumber) -> bool {
        (self.0.wrapping_sub(other.0) as i32) <= 0
    }

    /// The later of two.
    #[inline]
    #[must_use]
    pub const fn later_of(self, other: SeqNumber) -> SeqNumber {
        if self.is_before(other) { other } else { self }
    }

    /// The order of two numbers, seen from `origin` forward round the circle.
    pub fn cmp_from(self, other: SeqNumber, origin: SeqNumber) -> Ordering {
        self.since(origin).cmp(&other.since(origin))
    }
}

impl Add<u32> for SeqNumber {
    type Output = SeqNumber;
    #[inline]
    fn add(self, bytes: u32) -> SeqNumber {
        SeqNumber(self.0.wrapping_add(bytes))
    }
}

impl AddAssign<u32> for SeqNumber {
    #[inline]
    fn add_assign(&mut self, bytes: u32) {
        *self = *self + bytes;
    }
}

impl Sub<u32> for SeqNumber {
    type Output = SeqNumber;
    #[inline]
    fn sub(self, bytes: u32) -> SeqNumber {
        SeqNumber(self.0.wrapping_sub(bytes))
    }
}

impl fmt::Display for SeqNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The control bits of a header.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// No control bit.
    pub const NONE: Flags = Flags(0);
    /// No more data from the sender.
    pub const FIN: Flags = Flags(0x01);
    /// Synchronise sequence numbers.
    pub const SYN: Flags = Flags(0x02);
    /// Reset the connection.
    pub const RST: Flags = Flags(0x04);
    /// Push.
    pub const PSH: Flags = Flags(0x08);
    /// The acknowledgement field counts.
    pub const ACK: Flags = Flags(0x10);
    /// The urgent pointer counts.
    pub const URG: Flags = Flags(0x20);
    /// ECN echo (RFC 3168).
    pub const ECE: Flags = Flags(0x40);
    /// Congestion window reduced (RFC 3168).
    pub const CWR: Flags = Flags(0x80);

    /// Whether every bit of `flags` is set.
    #[inline]
    pub const fn has(self, flags: Flags) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// Whether any bit of `flags` is set.
    #[inline]
    pub const fn has_any(self, flags: Flags) -> bool {
        self.0 & flags.0 != 0
    }

    /// Both sets of bits.
    #[inline]
    #[must_use]
    pub const fn with(self, flags: Flags) -> Flags {
        Flags(self.0 | flags.0)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
        let mut written = false;
        for (bit, name) in NAMES.iter().enumerate() {
            if self.0 & (1 << bit) != 0 {
                f.write_str(if written { "|" } else { "" })?;
                f.write_str(name)?;
                written = true;
            }
        }
        f.write_str(if written { "" } else { "-" })
    }
}

/// The timestamps option (RFC 7323 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamps {
    /// The sender's clock.
    pub value: u32,
    /// The latest `value` that the sender has seen of ours.
    pub echo: u32,
}

impl Timestamps {
    /// Writes both values into an option that is there already, padded as [`Options::emit`] pads it.
    ///
    /// # Panics
    /// If `option` is shorter than 12 bytes.
    #[inline]
    pub(crate) fn emit_values(self, option: &mut [u8]) {
        let values = u64::from(self.value) << 32 | u64::from(self.echo);
        option[4..12].copy_from_slice(&values.to_be_bytes());
    }
}

/// The most blocks that a SACK option has room for (RFC 2018 3).
pub const SACK_BLOCKS_MAX: usize = 4;

/// The blocks of a SACK option: one at least (RFC 2018 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SackBlocks {
    edges: [(SeqNumber, SeqNumber); SACK_BLOCKS_MAX],
    len: u8,
}

impl SackBlocks {
    /// One block: the number of its first byte, and that behind its last.
    pub fn of(left: SeqNumber, right: SeqNumber) -> SackBlocks {
        let mut edges = [(SeqNumber(0), SeqNumber(0)); SACK_BLOCKS_MAX];
        edges[0] = (left, right);
        SackBlocks { edges, len: 1 }
    }

    /// One more, behind the others. Says whether it had room.
    pub fn push(&mut self, left: SeqNumber, right: SeqNumber) -> bool {
        let has_room = usize::from(self.len) < SACK_BLOCKS_MAX;
        if has_room {
            self.edges[usize::from(self.len)] = (left, right);
            self.len += 1;
        }
        has_room
    }

    /// The blocks in the option's order.
    pub fn blocks(&self) -> &[(SeqNumber, SeqNumber)] {
        &self.edges[..usize::from(self.len)]
    }

    /// How many bytes so many blocks take in a header, padding included.
    pub const fn len_of(blocks: usize) -> usize {
        4 + 8 * blocks
    }

    /// Reads the value of an option; `None` unless it is one to four whole blocks.
    fn parse(value: &[u8]) -> Option<SackBlocks> {
        let (blocks, rest) = value.as_chunks::<8>();
        let (first, others) = blocks.split_first().filter(|_| rest.is_empty())?;
        if blocks.len() > SACK_BLOCKS_MAX {
            return None;
        }
        let edges =
            |block: &[u8; 8]| (SeqNumber(be_u32(&block[..4])), SeqNumber(be_u32(&block[4..])));
        let (left, right) = edges(first);
        let mut found = SackBlocks::of(left, right);
        for (left, right) in others.iter().map(edges) {
            found.push(left, right);
        }
        Some(found)
    }
}

/// The user timeout option's value (RFC 5482 3.3): how long its sender waits for an ACK before it gives up. In
/// whole seconds up to 32,767, in whole minutes up to as many; zero is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserTimeout(NonZero<u16>);

impl UserTimeout {
    /// The bit that says that the others count minutes.
    const GRANULARITY: u16 = 1 << 15;

    /// The least that is no shorter than `timeout`, or else the longest.
    pub fn of(timeout: Duration) -> UserTimeout {
        let seconds = timeout.as_ms().div_ceil(1000).max(1);
        let most = u64::from(UserTimeout::GRANULARITY - 1);
        let value = match seconds {
            seconds if seconds <= most => seconds as u16,
            seconds => UserTimeout::GRANULARITY | seconds.div_ceil(60).min(most) as u16,
        };
        UserTimeout(NonZero::new(value).unwrap_or(NonZero::<u16>::MIN))
    }

    /// What stands in an option; `None` for what means nothing (RFC 5482 3.4).
    pub(crate) fn of_bits(bits: u16) -> Option<UserTimeout> {
        let value = bits & !UserTimeout::GRANULARITY;
        NonZero::new(bits).filter(|_| value != 0).map(UserTimeout)
    }

    /// As it stands in an option.
    pub(crate) fn bits(self) -> u16 {
        self.0.get()
    }

    /// The time.
    pub fn duration(self) -> Duration {
        let value = u64::from(self.bits() & !UserTimeout::GRANULARITY);
        let is_in_minutes = self.bits() & UserTimeout::GRANULARITY != 0;
        Duration::from_s(if is_in_minutes { value * 60 } else { value })
    }
}

/// Options that this engine reads and writes. What it does not know it skips.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Maximum segment size, in bytes of payload; on SYN only.
    pub mss: Option<u16>,
    /// Window scale, a shift of 0 to 14 (RFC 7323 2.3: more is taken as 14); on SYN only.
    pub window_scale: Option<u8>,
    /// The sender takes SACK (RFC 2018 2); on SYN only.
    pub sack_permitted: bool,
    /// Timestamps.
    pub timestamps: Option<Timestamps>,
    /// Bytes received ahead of their turn, or twice.
    pub sack: Option<SackBlocks>,
    /// How long the sender waits for an ACK.
    pub user_timeout: Option<UserTimeout>,
}

impl Options {
    /// No options.
    pub const NONE: Options = Options {
        mss: None,
        window_scale: None,
        sack_permitted: false,
        timestamps: None,
        sack: None,
        user_timeout: None,
    };

    /// How many bytes they take in a header: a multiple of 4.
    #[inline]
    pub fn len(&self) -> usize {
        usize::from(self.mss.is_some()) * 4
            + usize::from(self.window_scale.is_some()) * 4
            + usize::from(self.sack_permitted) * 4
            + usize::from(self.timestamps.is_some()) * 12
            + self.sack.map_or(0, |sack| SackBlocks::len_of(sack.blocks().len()))
            + usize::from(self.user_timeout.is_some()) * USER_TIMEOUT_LEN
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads the option bytes of a header.
    ///
    /// # Errors
    /// [`Refusal::TcpOptionMalformed`] when a length is 0, 1 or runs past the header. An option of a
    /// known kind whose length is not the standard's is skipped, as an unknown one is.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Options, Refusal> {
        // RFC 7323 appendix A: NOP NOP timestamps is what nearly every segment carries.
        if let [1, 1, 8, 10, v0, v1, v2, v3, e0, e1, e2, e3] = *bytes {
            let value = u32::from_be_bytes([v0, v1, v2, v3]);
            let echo = u32::from_be_bytes([e0, e1, e2, e3]);
            return Ok(Options { timestamps: Some(Timestamps { value, echo }), ..Options::NONE });
        }
        if bytes.is_empty() { Ok(Options::NONE) } else { Options::parse_any(bytes) }
    }

    fn parse_any(mut bytes: &[u8]) -> Result<Options, Refusal> {
        let mut options = Options::NONE;
        loop {
            match *bytes {
                [] | [kind::END, ..] => return Ok(options),
                [kind::NO_OPERATION, ..] => bytes = &bytes[1..],
                [kind, length, ..] => {
                    let length = usize::from(length);
                    if length < 2 || length > bytes.len() {
                        return Err(Refusal::TcpOptionMalformed);
                    }
                    options.take(kind, &bytes[2..length]);
                    bytes = &bytes[length..];
                }
                [_] => return Err(Refusal::TcpOptionMalformed),
            }
        }
    }

    fn take(&mut self, kind: u8, value: &[u8]) {
        match (kind, value) {
            (kind::MSS, &[high, low]) => self.mss = Some(u16::from_be_bytes([high, low])),
            (kind::WINDOW_SCALE, &[shift]) => self.window_scale = Some(shift.min(14)),
            (kind::SACK_PERMITTED, []) => self.sack_permitted = true,
            (kind::TIMESTAMPS, &[v0, v1, v2, v3, e0, e1, e2, e3]) => {
                let value = u32::from_be_bytes([v0, v1, v2, v3]);
                let echo = u32::from_be_bytes([e0, e1, e2, e3]);
                self.timestamps = Some(Timestamps { value, echo });
            }
            (kind::SACK, blocks) => self.sack = SackBlocks::parse(blocks).or(self.sack),
            (kind::USER_TIMEOUT, &[high, low]) => {
                self.user_timeout = UserTimeout::of_bits(u16::from_be_bytes([high, low]));
            }
            _ => {}
        }
    }

    /// Writes them to the front of `out`, padded to a multiple of 4, and says how many bytes that took.
    ///
    /// # Panics
    /// If `out` is shorter than [`len`](Options::len).
    #[inline]
    pub fn emit(&self, out: &mut [u8]) -> usize {
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        if let Some(mss) = self.mss {
            let [high, low] = mss.to_be_bytes();
            put(&[kind::MSS, 4, high, low]);
        }
        if let Some(shift) = self.window_scale {
            put(&[kind::NO_OPERATION, kind::WINDOW_SCALE, 3, shift]);
        }
        if self.sack_permitted {
            put(&[kind::NO_OPERATION, kind::NO_OPERATION, kind::SACK_PERMITTED, 2]);
        }
        if let Some(Timestamps { value, echo }) = self.timestamps {
            put(&[kind::NO_OPERATION, kind::NO_OPERATION, kind::TIMESTAMPS, 10]);
            put(&value.to_be_bytes());
            put(&echo.to_be_bytes());
        }
        if let Some(sack) = &self.sack {
            let length = (2 + 8 * sack.blocks().len()) as u8;
            put(&[kind::NO_OPERATION, kind::NO_OPERATION, kind::SACK, length]);
            for (left, right) in sack.blocks() {
                put(&left.0.to_be_bytes());
                put(&right.0.to_be_bytes());
            }
        }
        if let Some(timeout) = self.user_timeout {
            let [high, low] = timeout.bits().to_be_bytes();
            put(&[kind::USER_TIMEOUT, 4, high, low]);
        }
        at
    }
}

/// What a user timeout takes in a header, in bytes.
pub(crate) const USER_TIMEOUT_LEN: usize = 4;

/// Option kinds (RFC 9293 3.1, RFC 7323, RFC 2018, RFC 5482).
mod kind {
    pub(super) const END: u8 = 0;
    pub(super) const NO_OPERATION: u8 = 1;
    pub(super) const MSS: u8 = 2;
    pub(super) const WINDOW_SCALE: u8 = 3;
    pub(super) const SACK_PERMITTED: u8 = 4;
    pub(super) const SACK: u8 = 5;
    pub(super) const TIMESTAMPS: u8 = 8;
    pub(super) const USER_TIMEOUT: u8 = 28;
}

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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn syn_ack() -> Repr {
        Repr {
            src_port: 9878,
            dst_port: 49152,
            seq: SeqNumber(0xffff_fff0),
            ack: SeqNumber(7),
            flags: Flags::SYN.with(Flags::ACK),
            window: 64240,
            options: Options {
                mss: Some(1460),
                window_scale: Some(7),
                sack_permitted: true,
                timestamps: Some(Timestamps { value: 1, echo: 2 }),
                sack: None,
                user_timeout: Some(UserTimeout::of(Duration::from_s(90))),
            },
        }
    }

    #[test]
    fn what_is_emitted_is_read_back() {
        let timestamps = Some(Timestamps { value: 9, echo: 8 });
        let stamped = Options { timestamps, ..Options::NONE };
        for options in [syn_ack().options, Options::NONE, stamped] {
            let repr = Repr { options, ..syn_ack() };
            let mut bytes = [0xee; 80];
            let header_len = repr.emit(&mut bytes);
            let segment = Packet::parse(&bytes[..header_len + 3]).unwrap().segment().unwrap();
            assert_eq!(segment.options, options);
            assert_eq!(
                (segment.seq, segment.ack, segment.window),
                (repr.seq, repr.ack, repr.window)
            );
            assert_eq!(segment.flags, repr.flags);
            assert_eq!(segment.payload, [0xee; 3]);
        }
    }

    #[test]
    fn each_malformed_header_has_its_reason() {
        let mut bytes = [0u8; 24];
        Repr { options: Options { mss: Some(1460), ..Options::NONE }, ..syn_ack() }
            .emit(&mut bytes);
        let reason = |change: &dyn Fn(&mut [u8; 24]), len: usize| {
            let mut bytes = bytes;
            change(&mut bytes);
            Packet::parse(&bytes[..len])
                .and_then(|packet| packet.segment().map(|_| ()))
                .unwrap_err()
        };
        assert_eq!(reason(&|_| {}, 19), Refusal::TcpTooShort);
        assert_eq!(reason(&|b| b[12] = 0x40, 24), Refusal::TcpDataOffsetWrong);
        assert_eq!(reason(&|b| b[12] = 0x70, 24), Refusal::TcpDataOffsetWrong);
        assert_eq!(reason(&|b| b[0..2].fill(0), 24), Refusal::TcpPortZero);
        assert_eq!(reason(&|b| b[2..4].fill(0), 24), Refusal::TcpPortZero);
        assert_eq!(reason(&|b| b[21] = 0, 24), Refusal::TcpOptionMalformed);
        assert_eq!(reason(&|b| b[21] = 1, 24), Refusal::TcpOptionMalformed);
        assert_eq!(reason(&|b| b[21] = 5, 24), Refusal::TcpOptionMalformed);
        assert_eq!(
            reason(&|b| b[20..24].copy_from_slice(&[1, 1, 1, 2]), 24),
            Refusal::TcpOptionMalformed
        );
    }

    #[test]
    fn an_unknown_option_and_a_known_one_of_odd_length_are_skipped() {
        let read = |bytes: &[u8]| Options::parse(bytes).unwrap();
        assert_eq!(read(&[99, 4, 1, 2, 2, 4, 5, 180]).mss, Some(1460));
        assert_eq!(
            read(&[2, 3, 1, 3, 3, 20, 1, 1]),
            Options { window_scale: Some(14), ..Options::NONE }
        );
        assert_eq!(read(&[0, 2, 0, 0]), Options::NONE);
    }

    #[test]
    fn a_user_timeout_is_in_seconds_or_in_minutes_and_zero_is_none() {
        let read = |bytes: &[u8]| Options::parse(bytes).unwrap().user_timeout;
        let seconds = |bytes: &[u8]| read(bytes).map(|timeout| timeout.duration().as_ms() / 1000);
        assert_eq!(seconds(&[28, 4, 0, 30]), Some(30));
        assert_eq!(seconds(&[28, 4, 0x80, 2]), Some(120));
        assert_eq!(seconds(&[28, 4, 0, 0]), None);
        assert_eq!(seconds(&[28, 4, 0x80, 0]), None);
        assert_eq!(seconds(&[28, 3, 1, 1]), None);
        for (ms, told_s) in [
            (0, 1),
            (1001, 2),
            (32_767_000, 32_767),
            (32_767_001, 32_820),
            (u64::MAX / 1_000_000, 32_767 * 60),
        ] {
            let timeout = UserTimeout::of(Duration::from_ms(ms));
            assert_eq!(timeout.duration(), Duration::from_s(told_s), "{ms}");
            assert_eq!(UserTimeout::of_bits(timeout.bits()), Some(timeout));
        }
    }

    #[test]
    fn a_sack_option_of_no_whole_block_or_of_five_is_skipped() {
        let read = |bytes: &[u8]| Options::parse(bytes).unwrap().sack;
        assert_eq!(read(&[5, 2, 1, 1]), None);
        assert_eq!(read(&[5, 9, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1]), None);
        let mut five = [1; 44];
        (five[0], five[1]) = (5, 42);
        assert_eq!(read(&five), None);
        assert_eq!(
            read(&[1, 1, 5, 10, 0, 0, 0, 9, 0, 0, 0, 12]),
            Some(SackBlocks::of(SeqNumber(9), SeqNumber(12)))
        );
    }

    #[test]
    fn sequence_numbers_compare_across_the_wrap() {
        let (before, after) = (SeqNumber(u32::MAX), SeqNumber(3));
        assert!(before.is_before(after) && !after.is_before(before));
        assert_eq!(after.since(before), 4);
        assert_eq!(before + 4, after);
        assert_eq!(after - 4, before);
        assert_eq!(before.later_of(after), after);
    }

    proptest! {
        #[test]
        fn any_options_that_fit_are_read_back_and_padded(
            timestamps in proptest::option::of(any::<(u32, u32)>()),
            blocks in proptest::collection::vec(any::<(u32, u32)>(), 0..5),
            user_timeout_ms in proptest::option::of(any::<u32>()),
        ) {
            let timestamps = timestamps.map(|(value, echo)| Timestamps { value, echo });
            let user_timeout =
                user_timeout_ms.map(|ms| UserTimeout::of(Duration::from_ms(u64::from(ms))));
            let room = if timestamps.is_none() {
                4
            } else if user_timeout.is_none() {
                3
            } else {
                2
            };
            let mut edges = blocks.iter().take(room).map(|block| (SeqNumber(block.0), SeqNumber(block.1)));
            let mut sack = edges.next().map(|(left, right)| SackBlocks::of(left, right));
            for (left, right) in edges {
                prop_assert!(sack.as_mut().unwrap().push(left, right));
            }
            let options = Options { timestamps, sack, user_timeout, ..Options::NONE };
            let repr = Repr { options, ..syn_ack() };
            let mut bytes = [0xee; HEADER_LEN_MAX];
            let header_len = repr.emit(&mut bytes);
            prop_assert_eq!(header_len, repr.header_len());
            prop_assert_eq!(header_len % 4, 0);
            let segment = Packet::parse(&bytes[..header_len]).unwrap().segment().unwrap();
            prop_assert_eq!(segment.options, options);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(packet) = Packet::parse(&bytes) {
                let _ = packet.segment();
            }
        }
    }
}
