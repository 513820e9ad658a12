//! Options (RFC 9293 3.1, RFC 7323, RFC 2018, RFC 5482).

use core::num::NonZero;

use super::{SeqNumber, be_u32};
use crate::time::Duration;
use crate::wire::Refusal;

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

/// The largest shift of a window (RFC 7323 2.3).
const WINDOW_SCALE_MAX: u8 = 14;

/// The most blocks that a SACK option has room for (RFC 2018 3).
pub const SACK_BLOCKS_MAX: usize = 4;

/// The blocks of a SACK option: one at least (RFC 2018 3).
#[derive(Clone, Copy, Debug)]
pub struct SackBlocks {
    /// Behind the first `len` lies anything.
    edges: [(SeqNumber, SeqNumber); SACK_BLOCKS_MAX],
    len: u8,
}

impl PartialEq for SackBlocks {
    fn eq(&self, other: &SackBlocks) -> bool {
        self.blocks() == other.blocks()
    }
}

impl Eq for SackBlocks {}

impl SackBlocks {
    /// One block: the number of its first byte, and that behind its last.
    pub fn of(left: SeqNumber, right: SeqNumber) -> SackBlocks {
        let mut edges = [(SeqNumber(0), SeqNumber(0)); SACK_BLOCKS_MAX];
        edges[0] = (left, right);
        SackBlocks { edges, len: 1 }
    }

    /// The first `len` of these, which is one at least.
    #[inline(always)]
    pub(crate) fn of_edges(
        edges: [(SeqNumber, SeqNumber); SACK_BLOCKS_MAX],
        len: usize,
    ) -> SackBlocks {
        SackBlocks { edges, len: len.clamp(1, SACK_BLOCKS_MAX) as u8 }
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

    /// What stands before so many blocks: padding, the option's kind and its length.
    pub(crate) const fn kind_of(blocks: usize) -> u32 {
        let length = (2 + 8 * blocks) as u8;
        u32::from_be_bytes([kind::NO_OPERATION, kind::NO_OPERATION, kind::SACK, length])
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
    /// One that was read had a length or a value that its kind cannot have.
    pub has_invalid: bool,
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
        has_invalid: false,
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
    /// known kind whose length is not the standard's is skipped, as an unknown one is, and
    /// [noted](Options::has_invalid).
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
            (kind::WINDOW_SCALE, &[shift]) => {
                self.window_scale = Some(shift.min(WINDOW_SCALE_MAX));
                self.has_invalid |= shift > WINDOW_SCALE_MAX;
            }
            (kind::SACK_PERMITTED, []) => self.sack_permitted = true,
            (kind::TIMESTAMPS, &[v0, v1, v2, v3, e0, e1, e2, e3]) => {
                let value = u32::from_be_bytes([v0, v1, v2, v3]);
                let echo = u32::from_be_bytes([e0, e1, e2, e3]);
                self.timestamps = Some(Timestamps { value, echo });
            }
            (kind::SACK, blocks) => {
                let blocks = SackBlocks::parse(blocks);
                self.sack = blocks.or(self.sack);
                self.has_invalid |= blocks.is_none();
            }
            (kind::USER_TIMEOUT, &[high, low]) => {
                self.user_timeout = UserTimeout::of_bits(u16::from_be_bytes([high, low]));
                self.has_invalid |= self.user_timeout.is_none();
            }
            // What is left of a kind that we know has a length that it cannot have.
            (kind, _) => self.has_invalid |= kind::KNOWN.contains(&kind),
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
    /// Those that have a length.
    pub(super) const KNOWN: [u8; 6] =
        [MSS, WINDOW_SCALE, SACK_PERMITTED, SACK, TIMESTAMPS, USER_TIMEOUT];
}
