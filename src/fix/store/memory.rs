//! A store in memory: what a session without a journal has.

use core::hint::black_box;
use std::collections::VecDeque;

use crate::time::UtcTime;

use super::{ImageRefusal, Store, StoreFailed, StoreImage};

/// As small as pages are.
const PAGE_LEN: usize = 4096;

#[derive(Clone, Copy, Debug)]
struct Entry {
    seq: u32,
    at: u32,
    len: u32,
}

/// A bounded store in memory: it outlives a connection, not the process.
///
/// What each message takes is at its front, and stands in line with what else a session has of that kind.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct MemoryStore {
    next_out: u32,
    next_in: u32,
    /// Where the next entry begins. No two entries begin at one place, however short.
    next_at: usize,
    /// Up to here nothing is in its way.
    free_until: usize,
    messages_max: usize,
    bytes: Box<[u8]>,
    /// Ascending by number; each entry's bytes follow its predecessor's, or begin again at 0.
    entries: VecDeque<Entry>,
    forgotten_below: u32,
    created_at: Option<UtcTime>,
}

impl Default for MemoryStore {
    /// 4,096 messages in 1 MiB.
    fn default() -> MemoryStore {
        MemoryStore::new(4096, 1 << 20)
    }
}

impl MemoryStore {
    /// A store of the last `messages_max` application messages, `bytes_max` together at most: 4 GiB. All of that memory is
    /// there from now on.
    pub fn new(messages_max: usize, bytes_max: usize) -> MemoryStore {
        let mut bytes = vec![0; bytes_max.min(u32::MAX as usize)].into_boxed_slice();
        let mut entries = VecDeque::with_capacity(messages_max);
        // The kernel gives a page when it is first written to, which takes longer than an order: not while there are any.
        bytes.iter_mut().step_by(PAGE_LEN).for_each(|byte| *byte = black_box(0));
        entries.resize(messages_max, Entry { seq: 0, at: 0, len: 0 });
        black_box(&mut entries).clear();
        MemoryStore {
            next_out: 1,
            next_in: 1,
            bytes,
            entries,
            messages_max,
            next_at: 0,
            free_until: 0,
            forgotten_below: 1,
            created_at: None,
        }
    }

    /// Gives up what is in the way of `len` bytes: behind the newest message, or at the front where the end
    /// is too near. False if there is no place for so many at all, and everything was given up.
    #[inline(never)]
    fn make_room(&mut self, seq: u32, len: usize) -> bool {
        if len > self.bytes.len() || self.messages_max == 0 {
            self.entries.clear();
            self.forgotten_below = seq + 1;
            return false;
        }
        if self.next_at + len > self.bytes.len() {
            // On the way round, what lies behind the newest is older than what lies at the front.
            while self.oldest_ahead().is_some() {
                self.forget_oldest();
            }
            self.next_at = 0;
        }
        while self.oldest_ahead().is_some_and(|at| at < self.next_at + len) {
            self.forget_oldest();
        }
        self.free_until = self.oldest_ahead().unwrap_or(self.bytes.len());
        true
    }

    /// Where the oldest message lies, if that is behind the newest.
    fn oldest_ahead(&self) -> Option<usize> {
        self.entries.front().map(|entry| entry.at as usize).filter(|at| *at >= self.next_at)
    }

    /// Nothing is kept any more.
    pub(super) fn forget_all(&mut self, forgotten_below: u32) {
        self.entries.clear();
        self.forgotten_below = forgotten_below;
    }

    #[inline]
    fn forget_oldest(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.forgotten_below = entry.seq + 1;
        }
    }
}

impl Store for MemoryStore {
    fn next_out(&self) -> u32 {
        self.next_out
    }

    #[inline]
    fn set_next_out(&mut self, seq: u32) -> Result<(), StoreFailed> {
        self.next_out = seq;
        Ok(())
    }

    fn next_in(&self) -> u32 {
        self.next_in
    }

    fn set_next_in(&mut self, seq: u32) {
        self.next_in = seq;
    }

    #[inline]
    fn put(&mut self, seq: u32, message: &[u8]) -> Result<(), StoreFailed> {
        self.next_out = seq + 1;
        let len = message.len().max(1);
        if self.entries.len() == self.messages_max {
            self.forget_oldest();
        }
        if self.next_at + len > self.free_until && !self.make_room(seq, len) {
            return Ok(());
        }
        let at = self.next_at;
        self.next_at = at + len;
        self.bytes[at..at + message.len()].copy_from_slice(message);
        self.entries.push_back(Entry { seq, at: at as u32, len: message.len() as u32 });
        Ok(())
    }

    fn first_from(&self, seq: u32) -> Option<(u32, &[u8])> {
        let index = self.entries.partition_point(|entry| entry.seq < seq);
        let entry = self.entries.get(index)?;
        Some((entry.seq, &self.bytes[entry.at as usize..][..entry.len as usize]))
    }

    fn forgotten_below(&self) -> u32 {
        self.forgotten_below
    }

    fn reset(&mut self, time: UtcTime) {
        self.entries.clear();
        (self.next_out, self.next_in, self.forgotten_below) = (1, 1, 1);
        self.created_at = Some(time);
    }

    fn renumber(
        &mut self,
        next_out: u32,
        next_in: u32,
        created_at: Option<UtcTime>,
    ) -> Result<(), StoreFailed> {
        self.created_at = created_at.or(self.created_at);
        if next_out < self.next_out || created_at.is_some() {
            self.entries.clear();
            self.forgotten_below = 1;
        }
        (self.next_out, self.next_in) = (next_out, next_in);
        Ok(())
    }

    fn created_at(&self) -> Option<UtcTime> {
        self.created_at
    }

    fn set_created_at(&mut self, time: UtcTime) {
        self.created_at = Some(time);
    }

    fn image(&self) -> StoreImage {
        self.image_of_all()
    }

    fn restore(&mut self, image: &StoreImage) -> Result<(), ImageRefusal> {
        self.restore_all(image)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pages that the kernel has found for this thread when it first touched them (proc(5): `minflt`).
    #[cfg(target_os = "linux")]
    fn pages_found() -> u64 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let behind_name = stat.rsplit(')').next().unwrap();
        behind_name.split_ascii_whitespace().nth(7).unwrap().parse().unwrap()
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn no_message_waits_for_a_page_of_memory() {
        const BYTES: usize = 4 << 20;
        let mut store = MemoryStore::new(BYTES / 256, BYTES);
        let before = pages_found();
        for seq in 1..(BYTES / 256) as u32 {
            store.put(seq, &[7; 256]).unwrap();
        }
        // A few are of the test's own.
        assert!(pages_found() - before < 32, "{} pages", pages_found() - before);
    }

    #[test]
    fn the_lowest_kept_number_from_there_is_found() {
        let mut store = MemoryStore::new(8, 100);
        store.put(3, b"three").unwrap();
        store.put(7, b"seven").unwrap();
        let table = [(1, Some(3)), (3, Some(3)), (4, Some(7)), (7, Some(7)), (8, None)];
        for (from, expected) in table {
            assert_eq!(store.first_from(from).map(|(seq, _)| seq), expected, "{from}");
        }
        assert_eq!(store.next_out(), 8);
        store.reset(UtcTime::from_unix_ns(7));
        assert_eq!((store.next_out(), store.first_from(1)), (1, None));
        assert_eq!(store.created_at(), Some(UtcTime::from_unix_ns(7)));
    }

    proptest! {
        #[test]
        fn a_number_yields_its_own_bytes_or_is_forgotten(
            lens in prop::collection::vec(0usize..40, 1..200), messages_max in 0usize..9, bytes_max in 0usize..100
        ) {
            let mut store = MemoryStore::new(messages_max, bytes_max);
            let capacity = store.entries.capacity();
            for (number, &len) in lens.iter().enumerate() {
                let newest = number as u32 + 1;
                store.put(newest, &vec![newest as u8; len]).unwrap();
                for seq in 1..=newest {
                    match store.first_from(seq) {
                        Some((found, bytes)) if found == seq => {
                            prop_assert_eq!(bytes, vec![seq as u8; lens[seq as usize - 1]]);
                        }
                        _ => prop_assert!(seq < store.forgotten_below()),
                    }
                }
                let fits = len.max(1) <= bytes_max && messages_max > 0;
                prop_assert_eq!(store.first_from(newest).is_some(), fits);
            }
            prop_assert_eq!(store.entries.capacity(), capacity);
        }
    }
}
