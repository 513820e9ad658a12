//! A record in the ring: 32 bytes that say what it is and prove what follows.
//!
//! A record bears its own position, which counts on from lap to lap: nothing that lay there in an earlier lap, and
//! nothing from elsewhere, is taken for it.

use super::crc32c::crc32c;
use super::layout::{millis_of, time_of, u32_at, u64_at};
use crate::time::UtcTime;

pub(super) const RECORD_HEADER: usize = 32;
/// The longest content of a record, in bytes.
pub const CONTENT_LEN_MAX: usize = 64 * 1024 - RECORD_HEADER;

const MAGIC: u32 = 0x4658_4a00;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An application message that was sent.
    Message = 1,
    /// Both numbers began again: its content says with what.
    Reset = 2,
    /// Nothing: the rest of the ring was too short.
    Pad = 3,
    /// Nothing: what lay here was lost, and with it perhaps the messages of some numbers.
    Void = 4,
}

/// With what an epoch began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Beginning {
    /// The number of the first message to send.
    pub next_out: u32,
    /// The number expected first.
    pub next_in: u32,
    /// When both numbers last began at 1.
    pub created_at: Option<UtcTime>,
}

pub(super) const BEGINNING_LEN: usize = 16;

impl Beginning {
    pub(super) fn write(&self) -> [u8; BEGINNING_LEN] {
        let mut bytes = [0; BEGINNING_LEN];
        bytes[..8].copy_from_slice(&millis_of(self.created_at).to_le_bytes());
        bytes[8..12].copy_from_slice(&self.next_out.to_le_bytes());
        bytes[12..].copy_from_slice(&self.next_in.to_le_bytes());
        bytes
    }

    pub(super) fn read(content: &[u8]) -> Option<Beginning> {
        let content: &[u8; BEGINNING_LEN] = content.try_into().ok()?;
        Some(Beginning {
            created_at: time_of(u64_at(content, 0)),
            next_out: u32_at(content, 8),
            next_in: u32_at(content, 12),
        })
    }
}

/// One record's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it is.
    pub kind: Kind,
    /// Where it lies: bytes from the journal's first record on, laps of the ring counted.
    pub position: u64,
    /// How long its content is, in bytes.
    pub len: u32,
    /// How often both numbers began again.
    pub epoch: u32,
    /// Its MsgSeqNum; of a reset the first that is used, of a void the first that is missing, or 0.
    pub seq: u32,
    /// The sum of the record before; of a void the last number that is missing.
    pub link: u32,
    /// Its own sum.
    pub sum: u32,
}

impl Record {
    /// How much of the ring it takes.
    pub fn size(&self) -> u64 {
        size_of_record(self.len as usize) as u64
    }

    /// Where the next begins, unless the ring ends before.
    pub fn end(&self) -> u64 {
        self.position + self.size()
    }

    /// The words, and the sum in its place, computed over them and what of the content is proven.
    #[inline]
    pub(super) fn sealed(&mut self, seed: u32, content: &[u8]) -> [u8; RECORD_HEADER] {
        let mut bytes = [0; RECORD_HEADER];
        bytes[..4].copy_from_slice(&(MAGIC | self.kind as u32).to_le_bytes());
        bytes[4..8].copy_from_slice(&self.len.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.position.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.seq.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.link.to_le_bytes());
        self.sum = crc32c(crc32c(seed, &bytes), content);
        bytes[28..].copy_from_slice(&self.sum.to_le_bytes());
        bytes
    }

    /// The record at `at` of the ring, if what lies there is one that belongs there.
    pub(super) fn read(ring: &[u8], at: usize, seed: u32) -> Option<Record> {
        let bytes = ring.get(at..at + RECORD_HEADER)?;
        let kind = match u32_at(bytes, 0) ^ MAGIC {
            1 => Kind::Message,
            2 => Kind::Reset,
            3 => Kind::Pad,
            4 => Kind::Void,
            _ => return None,
        };
        let record = Record {
            kind,
            position: u64_at(bytes, 8),
            len: u32_at(bytes, 4),
            epoch: u32_at(bytes, 16),
            seq: u32_at(bytes, 20),
            link: u32_at(bytes, 24),
            sum: u32_at(bytes, 28),
        };
        if record.len as usize > CONTENT_LEN_MAX || record.position % ring.len() as u64 != at as u64
        {
            return None;
        }
        let room = ring.get(at..at + record.size() as usize)?;
        let content = match kind {
            Kind::Message | Kind::Reset => &room[RECORD_HEADER..][..record.len as usize],
            _ => &[],
        };
        let mut again = record;
        again.sealed(seed, content);
        (again.sum == record.sum).then_some(record)
    }
}

/// What content of `len` bytes takes of the ring.
#[inline]
pub(super) const fn size_of_record(len: usize) -> usize {
    RECORD_HEADER + len.next_multiple_of(8)
}
