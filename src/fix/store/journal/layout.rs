//! Where what lies in a journal, and the words that hold numbers. `docs/store.md` has it as a table.
//!
//! ```text
//!      0  header: whose journal it is; again in the last page
//!   4096  state of this opening and of the one before, a sector each
//!   8192  what the session writes: both numbers, the tail, the epoch, when and with what that began
//!  12288  what was proven durable: numbers reserved ahead, how far the ring is synced
//!  16384  ring of records
//! ```

use crate::time::UtcTime;

use super::crc32c::crc32c;

/// What is synced at once.
pub const PAGE: usize = 4096;
/// What a disk writes whole or not at all.
pub const SECTOR: usize = 512;
/// Where the ring begins.
pub(super) const RING_AT: usize = 4 * PAGE;

pub(super) const STATE_AT: usize = PAGE;
pub(super) const NEXT_OUT_AT: usize = 2 * PAGE;
pub(super) const NEXT_IN_AT: usize = NEXT_OUT_AT + 8;
pub(super) const TAIL_AT: usize = NEXT_OUT_AT + 16;
pub(super) const EPOCH_AT: usize = NEXT_OUT_AT + 24;
pub(super) const TOLD_AT: usize = NEXT_OUT_AT + 32;
pub(super) const CREATED_AT: usize = NEXT_OUT_AT + 40;
/// With what the epoch began, in the sector of the words above: none of them is on a disk without these.
pub(super) const FIRST_OUT_AT: usize = NEXT_OUT_AT + 48;
pub(super) const FIRST_IN_AT: usize = NEXT_OUT_AT + 56;
pub(super) const FIRST_CREATED_AT: usize = NEXT_OUT_AT + 64;
pub(super) const RESERVED_AT: usize = 3 * PAGE;
pub(super) const SYNCED_AT: usize = RESERVED_AT + 8;
pub(super) const RESERVED_EPOCH_AT: usize = RESERVED_AT + 16;

/// The least that a ring holds, in bytes.
pub const RING_LEN_MIN: u64 = 256 * 1024;
/// The most.
pub const RING_LEN_MAX: u64 = 64 << 30;
/// The longest identity, in bytes.
pub const IDENTITY_LEN_MAX: usize = 256;

const MAGIC: [u8; 8] = *b"FIXWIREJ";
/// The version of this format.
pub const VERSION: u32 = 1;
const HEADER_LEN: usize = 44 + IDENTITY_LEN_MAX + 4;

/// Whose journal it is; written once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// BeginString, SenderCompID and TargetCompID, then what else tells sessions apart, an SOH between.
    pub identity: Vec<u8>,
    /// A random number, by which no record of another journal is taken for one of this.
    pub id: u64,
    /// How long the ring is, in bytes: a multiple of [`PAGE`].
    pub ring_len: u64,
    /// How many numbers are reserved ahead of those in use.
    pub ahead: u32,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAHeader {
    /// It does not begin as one.
    Magic,
    /// It is of this version, which we do not know.
    Version(u32),
    /// Its checksum is wrong, or what it says is impossible.
    Damaged,
}

impl Header {
    /// How long the whole journal is, in bytes.
    pub fn file_len(&self) -> usize {
        RING_AT + self.ring_len as usize + PAGE
    }

    /// The header at the front of a file, if that copy is whole.
    pub fn at_front(bytes: &[u8]) -> Option<Header> {
        Header::read(bytes, 0).ok()
    }

    /// The first number that an epoch does not reserve by beginning with `first_out`.
    pub(super) fn begun_until(&self, first_out: u32) -> u32 {
        first_out.saturating_sub(1).saturating_add(self.ahead)
    }

    /// Where the second copy of the header lies.
    pub(super) fn copy_at(&self) -> usize {
        RING_AT + self.ring_len as usize
    }

    pub(super) fn write(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let identity = &self.identity[..self.identity.len().min(IDENTITY_LEN_MAX)];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.id.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.ring_len.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.ahead.to_le_bytes());
        bytes[32..36].copy_from_slice(&(identity.len() as u32).to_le_bytes());
        bytes[44..44 + identity.len()].copy_from_slice(identity);
        let sum = crc32c(!0, &bytes[..HEADER_LEN - 4]);
        bytes[HEADER_LEN - 4..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads the copy at `at`.
    pub(super) fn read(bytes: &[u8], at: usize) -> Result<Header, NotAHeader> {
        let bytes = bytes.get(at..).and_then(|bytes| bytes.get(..HEADER_LEN));
        let bytes = bytes.ok_or(NotAHeader::Damaged)?;
        if bytes[..8] != MAGIC {
            return Err(NotAHeader::Magic);
        }
        if u32_at(bytes, HEADER_LEN - 4) != crc32c(!0, &bytes[..HEADER_LEN - 4]) {
            return Err(NotAHeader::Damaged);
        }
        let version = u32_at(bytes, 8);
        if version != VERSION {
            return Err(NotAHeader::Version(version));
        }
        let (ring_len, len) = (u64_at(bytes, 20), u32_at(bytes, 32) as usize);
        let is_possible = (RING_LEN_MIN..=RING_LEN_MAX).contains(&ring_len)
            && ring_len.is_multiple_of(PAGE as u64)
            && len <= IDENTITY_LEN_MAX;
        if !is_possible {
            return Err(NotAHeader::Damaged);
        }
        let identity = bytes[44..44 + len].to_vec();
        Ok(Header { identity, id: u64_at(bytes, 12), ring_len, ahead: u32_at(bytes, 28) })
    }
}

/// What a loss of power may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Durability {
    /// Nothing is synced: numbers and messages outlive the process, not the machine. After a loss of power
    /// nothing is proven.
    None,
    /// Synced behind the session's back: after a loss of power no number is used again, but the messages of the
    /// last moments may be missing.
    Async,
    /// Synced before a message leaves.
    Sync,
}

impl Durability {
    /// As settings name it.
    pub const fn name(self) -> &'static str {
        match self {
            Durability::None => "none",
            Durability::Async => "async",
            Durability::Sync => "sync",
        }
    }
}

/// Which running system: its memory outlives a process, and nothing outlives it but the disk.
pub type BootId = [u8; 16];

/// One opening of a journal, and whether it was closed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Which opening it was, from 1; 0 where there was none yet.
    pub opening: u32,
    /// All was synced, and nothing written since.
    pub is_closed: bool,
    /// By what it was written.
    pub durability: Durability,
    /// On which running system, if that was known.
    pub boot: Option<BootId>,
    /// Where in the journal it began.
    pub begun_at: u64,
    /// Nanoseconds of UTC since 1970 at which the state was written.
    pub utc_ns: u64,
}

const STATE_LEN: usize = 64;

impl State {
    pub(super) fn write(&self, id: u64) -> [u8; STATE_LEN] {
        let mut bytes = [0; STATE_LEN];
        bytes[..4].copy_from_slice(&self.opening.to_le_bytes());
        bytes[4] = u8::from(self.is_closed);
        bytes[5] = self.durability as u8;
        bytes[6] = u8::from(self.boot.is_some());
        bytes[7] = 1;
        bytes[8..16].copy_from_slice(&self.begun_at.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.utc_ns.to_le_bytes());
        bytes[24..40].copy_from_slice(&self.boot.unwrap_or_default());
        let sum = crc32c(sum_of(id), &bytes[..STATE_LEN - 4]);
        bytes[STATE_LEN - 4..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    pub(super) fn read(bytes: &[u8], id: u64) -> Option<State> {
        let bytes = bytes.get(..STATE_LEN)?;
        if u32_at(bytes, STATE_LEN - 4) != crc32c(sum_of(id), &bytes[..STATE_LEN - 4]) {
            return None;
        }
        let durability = [Durability::None, Durability::Async, Durability::Sync];
        let boot: BootId = bytes[24..40].try_into().ok()?;
        Some(State {
            opening: u32_at(bytes, 0),
            is_closed: bytes[4] == 1,
            durability: *durability.get(usize::from(bytes[5]))?,
            boot: Some(boot).filter(|_| bytes[6] == 1),
            begun_at: u64_at(bytes, 8),
            utc_ns: u64_at(bytes, 16),
        })
    }

    /// Where the state of an opening lies: in turn, so that the one before stays.
    pub(super) fn at(&self) -> usize {
        STATE_AT + (2 * self.opening as usize + usize::from(self.is_closed)) % 4 * SECTOR
    }
}

/// What sums of a journal's records begin with.
pub(super) fn sum_of(id: u64) -> u32 {
    crc32c(!0, &id.to_le_bytes())
}

/// What a word is of. Each word says by its check whose it is and of which epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// NextOut, taken last for a session message.
    NextOut = 1,
    /// NextOut, taken last for an application message, whose record is to follow.
    NextOutKept = 2,
    NextIn = 3,
    Epoch = 4,
    Reserved = 5,
    Tail = 6,
    Told = 7,
    Synced = 8,
    ReservedEpoch = 9,
    Created = 10,
    FirstOut = 11,
    FirstIn = 12,
    FirstCreated = 13,
}

/// What the check of a word depends on besides its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Salt(u64);

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Salt {
    pub(super) fn new(id: u64, word: Word, epoch: u32) -> Salt {
        let mixed = (id ^ (word as u64) << 56 ^ u64::from(epoch)).wrapping_mul(ODD);
        Salt(mixed ^ mixed >> 29)
    }

    /// A number and its check in one word, which the processor stores at once: half of it is never seen.
    #[inline]
    pub(super) fn seal(self, number: u32) -> u64 {
        u64::from(number) | self.check(u64::from(number)) >> 32 << 32
    }

    pub(super) fn open(self, word: u64) -> Option<u32> {
        Some(word as u32).filter(|number| self.seal(*number) == word)
    }

    /// When an epoch began, to the millisecond, and its check; 0 for a time that is not known.
    pub(super) fn seal_time(self, time: Option<UtcTime>) -> u64 {
        self.seal_position(millis_of(time) << 3)
    }

    pub(super) fn open_time(self, word: u64) -> Option<Option<UtcTime>> {
        self.open_position(word).map(|position| time_of(position >> 3))
    }

    /// A position, a multiple of eight, and its check.
    #[inline]
    pub(super) fn seal_position(self, position: u64) -> u64 {
        let units = position >> 3 & POSITION_MASK;
        units | self.check(units) >> 48 << 48
    }

    pub(super) fn open_position(self, word: u64) -> Option<u64> {
        let position = (word & POSITION_MASK) << 3;
        Some(position).filter(|position| self.seal_position(*position) == word)
    }

    #[inline]
    fn check(self, value: u64) -> u64 {
        (value ^ self.0).wrapping_mul(ODD)
    }
}

/// Milliseconds since 1970, as words and records have a time; 0 for one that is not known.
pub(super) fn millis_of(time: Option<UtcTime>) -> u64 {
    time.map_or(0, |time| time.as_unix_ns() / NS_IN_MS)
}

pub(super) fn time_of(millis: u64) -> Option<UtcTime> {
    let ns = Some(millis).filter(|millis| *millis > 0)?.checked_mul(NS_IN_MS)?;
    Some(UtcTime::from_unix_ns(ns))
}

const NS_IN_MS: u64 = 1_000_000;

/// 2 PiB in units of eight bytes.
const POSITION_MASK: u64 = (1 << 48) - 1;

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].try_into().map(u32::from_le_bytes).unwrap_or_default()
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8].try_into().map(u64::from_le_bytes).unwrap_or_default()
}
