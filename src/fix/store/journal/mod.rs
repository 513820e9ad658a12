//! A [`Store`] whose numbers and messages outlive the process, and as far as is asked for the machine: a fixed
//! piece of memory that a file backs, with a few words for the numbers and a ring of checksummed records for the
//! messages. Sans-IO: the memory is a [`Medium`]; `docs/store.md` has the format and what is promised.
//!
//! | file | what it decides |
//! | --- | --- |
//! | `layout` | where what lies, and how words prove themselves |
//! | `record` | what a record is |
//! | `survey` | what bytes say, in whatever state they are |
//! | `judge` | what that means: numbers to go on with, what nobody knows, what is damaged |
//! | `open` | how a journal is begun, taken up, closed and salvaged |
//! | `ledger` | what is proven durable behind the session's back |

mod crc32c;
mod judge;
mod layout;
mod ledger;
mod open;
mod record;
mod survey;

#[cfg(test)]
mod tests;

use core::ops::Range;
use core::sync::atomic::{Ordering, compiler_fence};
use std::collections::VecDeque;

use crate::time::UtcTime;

use super::{NotNow, SEQ_NUM_MAX, Store, StoreFailed};
use layout::{
    CREATED_AT, EPOCH_AT, NEXT_IN_AT, NEXT_OUT_AT, RING_AT, Salt, TAIL_AT, TOLD_AT, Word,
};
use record::{BEGINNING_LEN, Beginning, RECORD_HEADER, size_of_record};

pub use judge::{Damage, Damaged, Ended, Resumption, in_words};
pub use layout::{
    BootId, Durability, Header, IDENTITY_LEN_MAX, NotAHeader, PAGE, RING_LEN_MAX, RING_LEN_MIN,
    SECTOR, State, VERSION,
};
pub use ledger::Ledger;
pub use open::{Intact, Refused, format, salvage};
pub use record::{CONTENT_LEN_MAX, Kind, Record};
pub use survey::{Hole, Survey};

/// Memory that a file backs.
pub trait Medium {
    /// All of it.
    fn bytes(&self) -> &[u8];

    /// Writes `bytes` at `at`.
    fn write(&mut self, at: usize, bytes: &[u8]);

    /// Writes eight bytes at `at`, a multiple of eight, at once.
    fn write_word(&mut self, at: usize, word: u64);

    /// Waits until what was written in `range` is on the disk.
    ///
    /// # Errors
    /// Nobody knows what is on the disk.
    fn sync(&mut self, range: Range<usize>) -> Result<(), StoreFailed>;

    /// How far the session has come: to be made durable in a while.
    fn took(&mut self, taken: Taken);

    /// What was proven durable last.
    fn proven(&self) -> Proven;

    /// A journal was opened, and stands as in `ledger`: from here on it is synced behind the session's back.
    fn opened(&mut self, ledger: Ledger);

    /// It is about to be closed: nobody else writes any more.
    fn closing(&mut self);
}

impl<M: Medium> Medium for &mut M {
    fn bytes(&self) -> &[u8] {
        (**self).bytes()
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        (**self).write(at, bytes);
    }

    fn write_word(&mut self, at: usize, word: u64) {
        (**self).write_word(at, word);
    }

    fn sync(&mut self, range: Range<usize>) -> Result<(), StoreFailed> {
        (**self).sync(range)
    }

    fn took(&mut self, taken: Taken) {
        (**self).took(taken);
    }

    fn proven(&self) -> Proven {
        (**self).proven()
    }

    fn opened(&mut self, ledger: Ledger) {
        (**self).opened(ledger);
    }

    fn closing(&mut self) {
        (**self).closing();
    }
}

/// How far a session has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// How often both numbers began again.
    pub epoch: u32,
    /// The next number to send.
    pub next_out: u32,
    /// Where the last record ends.
    pub end: u64,
}

/// What is proven durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proven {
    /// Numbers of this epoch, up to this one, are reserved.
    Reserved {
        /// The epoch.
        epoch: u32,
        /// The number that is not reserved any more.
        until: u32,
        /// The position up to which records are on the disk.
        synced: u64,
    },
    /// The disk has refused.
    Failed,
}

/// Numbers that are left to the session layer when an application's messages have to wait.
const FOR_SESSION_MESSAGES: u32 = 64;
/// So much of the ring may be written and not be on the disk: a quarter.
const UNSYNCED_PART: u64 = 4;

/// A kept message that may be sent again.
#[derive(Clone, Copy, Debug)]
struct Entry {
    seq: u32,
    len: u32,
    position: u64,
}

/// The store.
#[derive(Debug)]
pub struct Journal<M> {
    medium: M,
    header: Header,
    state: State,
    durability: Durability,
    resumption: Resumption,
    ring_len: u64,
    seed: u32,
    next_out: u32,
    next_in: u32,
    /// The first number of the epoch that is not reserved by its having begun.
    begun_until: u32,
    created_at: Option<UtcTime>,
    epoch: u32,
    salts: Salts,
    /// Where the next record goes, laps counted, and where in the file that is.
    end: u64,
    end_at: usize,
    /// The sum of the last record.
    link: u32,
    /// Ascending by number and by position.
    entries: VecDeque<Entry>,
    messages_max: usize,
    /// The position of the oldest entry; those before may be overwritten.
    oldest: u64,
    forgotten_below: u32,
    has_failed: bool,
}

/// What the checks of this epoch's words depend on.
#[derive(Clone, Copy, Debug)]
struct Salts {
    next_out: Salt,
    next_out_kept: Salt,
    next_in: Salt,
    tail: Salt,
    created_at: Salt,
}

impl Salts {
    fn new(id: u64, epoch: u32) -> Salts {
        Salts {
            next_out: Salt::new(id, Word::NextOut, epoch),
            next_out_kept: Salt::new(id, Word::NextOutKept, epoch),
            next_in: Salt::new(id, Word::NextIn, epoch),
            tail: Salt::new(id, Word::Tail, 0),
            created_at: Salt::new(id, Word::Created, epoch),
        }
    }
}

impl<M: Medium> Journal<M> {
    /// With what the session goes on.
    pub fn resumption(&self) -> &Resumption {
        &self.resumption
    }

    /// What it lies in.
    pub fn medium(&self) -> &M {
        &self.medium
    }

    /// By what it is written.
    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// Whose it is.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The application has been told which numbers' fate is unknown: after the next opening it is told of others
    /// alone.
    pub fn told(&mut self) {
        let word = Salt::new(self.header.id, Word::Told, 0).seal_position(self.end);
        self.word(TOLD_AT, word);
    }

    /// Whether all is well: [`Store::admits`] says what is not.
    pub fn has_failed(&self) -> bool {
        self.has_failed || self.medium.proven() == Proven::Failed
    }

    #[inline]
    fn word(&mut self, at: usize, word: u64) {
        self.medium.write_word(at, word);
        // A process that is killed has done what stands before: the compiler moves nothing past this.
        compiler_fence(Ordering::SeqCst);
    }

    /// The first number that must not be taken yet, and whether records may be written.
    #[inline]
    fn limit(&self) -> (u32, bool) {
        match (self.durability, self.medium.proven()) {
            (Durability::None, _) => (u32::MAX, true),
            (_, Proven::Reserved { epoch, until, synced }) => {
                // Each epoch begins with so many.
                let until = if epoch == self.epoch { until } else { self.begun_until };
                (until, self.end <= synced + self.ring_len / UNSYNCED_PART)
            }
            (_, Proven::Failed) => (0, false),
        }
    }

    /// Writes a record behind the last one. The oldest give way.
    #[inline]
    fn append(&mut self, kind: Kind, (seq, len): (u32, u32), content: &[u8]) -> Record {
        let size = size_of_record(len as usize);
        if self.end_at + size > RING_AT + self.ring_len as usize {
            self.end_lap();
        }
        let end = self.end + size as u64;
        if end > self.oldest + self.ring_len {
            self.forget_before(end - self.ring_len);
        }
        let (position, epoch, link) = (self.end, self.epoch, self.link);
        let link = if kind == Kind::Void { 0 } else { link };
        let mut record = Record { kind, position, len, epoch, seq, link, sum: 0 };
        let words = record.sealed(self.seed, content);
        let at = self.end_at;
        self.medium.write(at, &words);
        if !content.is_empty() {
            self.medium.write(at + RECORD_HEADER, content);
        }
        self.passed(&record);
        record
    }

    #[inline]
    fn passed(&mut self, record: &Record) {
        compiler_fence(Ordering::SeqCst);
        self.end = record.end();
        self.end_at += record.size() as usize;
        self.link = record.sum;
        let word = self.salts.tail.seal_position(self.end);
        self.word(TAIL_AT, word);
    }

    /// The next record begins at the front of the ring.
    #[cold]
    #[inline(never)]
    fn end_lap(&mut self) {
        let rest = RING_AT + self.ring_len as usize - self.end_at;
        if rest >= RECORD_HEADER {
            self.append(Kind::Pad, (0, (rest - RECORD_HEADER) as u32), &[]);
        }
        self.end = survey::next_place(self.end, self.ring_len);
        self.end_at = RING_AT + (self.end % self.ring_len) as usize;
    }

    /// Gives up what lies before `position`.
    #[inline(never)]
    fn forget_before(&mut self, position: u64) {
        while let Some(entry) = self.entries.front().filter(|entry| entry.position < position) {
            self.forgotten_below = entry.seq + 1;
            self.entries.pop_front();
        }
        self.oldest = self.entries.front().map_or(self.end, |entry| entry.position);
    }

    #[inline]
    fn keep(&mut self, record: &Record) {
        if self.entries.len() == self.messages_max {
            if let Some(entry) = self.entries.pop_front() {
                self.forgotten_below = entry.seq + 1;
            }
            self.oldest = self.entries.front().map_or(record.position, |entry| entry.position);
        }
        if self.messages_max > 0 {
            let Record { seq, len, position, .. } = *record;
            self.entries.push_back(Entry { seq, len, position });
        }
    }

    #[inline]
    fn tell(&mut self) {
        let (epoch, next_out, end) = (self.epoch, self.next_out, self.end);
        self.medium.took(Taken { epoch, next_out, end });
    }

    /// A number past those reserved. Where the disk is only behind it may come after: this connection ends, and the next
    /// one goes on.
    #[cold]
    fn not_reserved(&mut self) -> StoreFailed {
        if self.limit().0 == 0 { self.fail() } else { StoreFailed }
    }

    #[inline]
    fn fail(&mut self) -> StoreFailed {
        self.has_failed = true;
        StoreFailed
    }

    /// Whatever ends the process meanwhile, an epoch has begun with all of this or has not begun: the record bears it,
    /// and the words that are still of the epoch before count no more once it is whole. A loss of power may take the
    /// record and leave words, and with them those of what it bore.
    fn begin_epoch(&mut self, beginning: Beginning) {
        let Beginning { next_out, next_in, created_at } = beginning;
        self.entries.clear();
        self.epoch += 1;
        self.salts = Salts::new(self.header.id, self.epoch);
        (self.next_out, self.next_in, self.forgotten_below) = (next_out, next_in, 1);
        self.begun_until = self.header.begun_until(next_out);
        let record = self.append(Kind::Reset, (next_out, BEGINNING_LEN as u32), &beginning.write());
        self.oldest = self.end;
        self.write_beginning(Some(beginning));
        self.word(NEXT_IN_AT, self.salts.next_in.seal(next_in));
        self.word(NEXT_OUT_AT, self.salts.next_out.seal(next_out));
        self.created_at = layout::time_of(layout::millis_of(created_at));
        self.word(CREATED_AT, self.salts.created_at.seal_time(self.created_at));
        let epoch = Salt::new(self.header.id, Word::Epoch, 0).seal(self.epoch);
        self.word(EPOCH_AT, epoch);
        self.tell();
        if self.durability == Durability::Sync {
            // A failure is told by the next number that is taken.
            let _ = self.sync_record(&record);
        }
    }

    /// Waits until the record is on the disk.
    #[inline(never)]
    fn sync_record(&mut self, record: &Record) -> Result<(), StoreFailed> {
        let at = RING_AT + (record.position % self.ring_len) as usize;
        self.medium.sync(at..at + record.size() as usize).map_err(|_| self.fail())
    }
}

impl<M: Medium> Store for Journal<M> {
    fn next_out(&self) -> u32 {
        self.next_out
    }

    #[inline]
    fn admits(&self) -> Result<(), NotNow> {
        if self.has_failed {
            return Err(NotNow::Failed);
        }
        let (limit, has_room) = self.limit();
        if has_room && self.next_out.saturating_add(FOR_SESSION_MESSAGES) <= limit {
            Ok(())
        } else if limit == 0 {
            Err(NotNow::Failed)
        } else {
            Err(NotNow::DiskBehind)
        }
    }

    #[inline]
    fn set_next_out(&mut self, seq: u32) -> Result<(), StoreFailed> {
        if self.has_failed || seq > self.limit().0 {
            return Err(self.not_reserved());
        }
        self.next_out = seq;
        self.word(NEXT_OUT_AT, self.salts.next_out.seal(seq));
        self.tell();
        Ok(())
    }

    fn next_in(&self) -> u32 {
        self.next_in
    }

    #[inline]
    fn set_next_in(&mut self, seq: u32) {
        self.next_in = seq;
        self.word(NEXT_IN_AT, self.salts.next_in.seal(seq));
    }

    #[inline]
    fn put(&mut self, seq: u32, message: &[u8]) -> Result<(), StoreFailed> {
        if self.has_failed {
            return Err(StoreFailed);
        }
        self.next_out = seq.saturating_add(1).min(SEQ_NUM_MAX + 1);
        self.word(NEXT_OUT_AT, self.salts.next_out_kept.seal(self.next_out));
        if message.len() > CONTENT_LEN_MAX {
            // It cannot be sent again: a gap is filled in its place.
            self.forget_before(self.end);
            self.forgotten_below = self.next_out;
            self.tell();
            return Ok(());
        }
        let record = self.append(Kind::Message, (seq, message.len() as u32), message);
        self.keep(&record);
        self.tell();
        if self.durability == Durability::Sync { self.sync_record(&record) } else { Ok(()) }
    }

    fn first_from(&self, seq: u32) -> Option<(u32, &[u8])> {
        let from = self.entries.partition_point(|entry| entry.seq < seq);
        let ring = self.medium.bytes().get(RING_AT..)?.get(..self.ring_len as usize)?;
        // Read again as if it were another's: whoever wrote to the file meanwhile, no foreign byte is sent.
        self.entries.range(from..).find_map(|entry| {
            let at = (entry.position % self.ring_len) as usize;
            let record = Record::read(ring, at, self.seed)?;
            let is_it = record.kind == Kind::Message
                && (record.seq, record.epoch) == (entry.seq, self.epoch)
                && (record.position, record.len) == (entry.position, entry.len);
            let content = &ring[at + RECORD_HEADER..][..entry.len as usize];
            is_it.then_some((entry.seq, content))
        })
    }

    fn forgotten_below(&self) -> u32 {
        self.forgotten_below
    }

    fn reset(&mut self, time: UtcTime) {
        if (self.next_out, self.next_in) == (1, 1) && self.entries.is_empty() {
            return self.set_created_at(time);
        }
        self.begin_epoch(Beginning { next_out: 1, next_in: 1, created_at: Some(time) });
    }

    fn renumber(
        &mut self,
        next_out: u32,
        next_in: u32,
        created_at: Option<UtcTime>,
    ) -> Result<(), StoreFailed> {
        let is_reserved = next_out.saturating_add(FOR_SESSION_MESSAGES) <= self.limit().0;
        if self.next_out <= next_out && is_reserved && created_at.is_none() {
            self.set_next_in(next_in);
            // Whoever syncs behind the session's back does not look at what is expected.
            return self.set_next_out(next_out).and_then(|()| self.settle());
        }
        // The numbers and their time are there together, or not at all.
        let created_at = created_at.or(self.created_at);
        self.begin_epoch(Beginning { next_out, next_in, created_at });
        self.settle()
    }

    fn created_at(&self) -> Option<UtcTime> {
        self.created_at
    }

    fn set_created_at(&mut self, time: UtcTime) {
        // As it will be found again.
        self.created_at = layout::time_of(layout::millis_of(Some(time)));
        self.word(CREATED_AT, self.salts.created_at.seal_time(self.created_at));
    }

    fn settle(&mut self) -> Result<(), StoreFailed> {
        if self.durability == Durability::None {
            return Ok(());
        }
        self.medium.sync(NEXT_OUT_AT..NEXT_OUT_AT + PAGE).map_err(|_| self.fail())
    }
}
