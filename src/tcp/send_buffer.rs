//! What the application has written and the peer has not yet acknowledged.
//!
//! A ring, with slack behind its end as long as the longest message, so that a reservation is always
//! one run of bytes. Where a commit has run into the slack, that part is copied to the ring's start.
//! Bytes stay until they are cumulatively acknowledged, whatever a peer may say of them before.

use core::mem::offset_of;

use super::codec::{Codec, In, Out};
use super::snapshot::SnapshotRefusal;
use crate::prefetch::prefetch;

/// A line of the processor's caches.
pub(super) const LINE_BYTES: usize = 64;

/// A connection's send buffer.
#[repr(C)]
pub(super) struct SendBuffer {
    capacity: u32,
    /// The longest reservation.
    reservation_max: u32,

    // What every message touches.
    bytes: Box<[u8]>,
    // Both in one word, and looked at together.
    /// How many bytes are held.
    len: u32,
    /// How many bytes behind them are reserved.
    reserved: u32,
    /// Where the first unacknowledged byte lies.
    head: u32,
    /// How much of it leaves the short way, if it is known: all that was never sent. Or [`SENT`](super::fast::SENT).
    pub(super) ready: u32,
}

impl SendBuffer {
    /// Where that begins which every message touches, in bytes.
    pub(super) const TOUCHED_AT: usize = offset_of!(SendBuffer, bytes);

    /// One for `capacity` bytes, fewer than 2^30.
    pub(super) fn new(capacity: usize, reservation_max: usize) -> SendBuffer {
        let bytes = vec![0; capacity + reservation_max].into_boxed_slice();
        let (capacity, reservation_max) = (capacity as u32, reservation_max as u32);
        SendBuffer { bytes, capacity, reservation_max, head: 0, len: 0, reserved: 0, ready: 0 }
    }

    /// Has fetched what an order is written over, where nothing is held: most lie in so many lines.
    #[inline(always)]
    pub(super) fn fetch(&self) {
        if let Some(first) = self.bytes.first_chunk::<{ 3 * LINE_BYTES }>() {
            prefetch(&first[0]);
            prefetch(&first[LINE_BYTES]);
            prefetch(&first[2 * LINE_BYTES]);
        }
    }

    pub(super) fn clear(&mut self) {
        (self.head, self.len, self.reserved, self.ready) = (0, 0, 0, 0);
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    /// How many more bytes fit.
    #[inline]
    pub(super) fn room(&self) -> usize {
        (self.capacity - self.len) as usize
    }

    /// The longest reservation.
    pub(super) fn reservation_max(&self) -> usize {
        self.reservation_max as usize
    }

    /// The most that can be reserved where nothing is held.
    pub(super) fn first_max(&self) -> u32 {
        self.capacity.min(self.reservation_max)
    }

    /// Whether `len` bytes can be reserved.
    #[inline(always)]
    pub(super) fn takes(&self, len: usize) -> bool {
        len <= self.room() && len <= self.reservation_max()
    }

    /// `len` bytes to write into, in one run. `None` when they do not fit.
    #[inline(always)]
    pub(super) fn reserve(&mut self, len: usize) -> Option<&mut [u8]> {
        if !self.takes(len) {
            return None;
        }
        self.reserved = len as u32;
        let at = self.end();
        self.bytes.get_mut(at..at + len)
    }

    /// Where the next bytes are written.
    #[inline(always)]
    fn end(&mut self) -> usize {
        if self.len == 0 {
            // The first places serve again, which are near.
            self.head = 0;
            return 0;
        }
        self.wrap(self.head + self.len) as usize
    }

    /// Has `write` write up to `len` bytes, in one run, and makes as many of them part of the stream as it says.
    /// `None` when they do not fit. What was reserved is forgotten.
    #[inline(always)]
    pub(super) fn write(
        &mut self,
        len: usize,
        write: impl FnOnce(&mut [u8]) -> usize,
    ) -> Option<u32> {
        if !self.takes(len) {
            return None;
        }
        self.reserved = 0;
        let at = self.end();
        let used = write(self.bytes.get_mut(at..at + len)?).min(len);
        if at + used > self.capacity as usize {
            self.wrap_round(at + used);
        }
        self.len += used as u32;
        Some(used as u32)
    }

    /// Room for `len` bytes where nothing is held. What was reserved is forgotten. `None` where something is, or
    /// they do not fit.
    #[inline(always)]
    pub(super) fn first_room(&mut self, len: usize) -> Option<&mut [u8]> {
        if self.len != 0 {
            return None;
        }
        (self.head, self.reserved) = (0, 0);
        self.bytes.get_mut(..len)
    }

    /// As [`reserve`](SendBuffer::reserve), where nothing is held and `len` bytes [fit](SendBuffer::first_max).
    #[inline(always)]
    pub(super) fn reserve_first(&mut self, len: usize) -> Option<&mut [u8]> {
        (self.head, self.reserved) = (0, len as u32);
        self.bytes.get_mut(..len)
    }

    /// How many of the first `used` bytes of the last reservation there are, where it lies in the first places and
    /// nothing is held.
    #[inline(always)]
    pub(super) fn reserved_first(&self, used: usize) -> Option<u32> {
        let is_first = (self.len, self.head) == (0, 0);
        is_first.then_some(used.min(self.reserved as usize) as u32)
    }

    #[inline(always)]
    pub(super) fn forget_reservation(&mut self) {
        self.reserved = 0;
    }

    /// Makes the first `used` bytes of [that room](SendBuffer::first_room) the stream's.
    #[inline(always)]
    pub(super) fn hold_first(&mut self, used: u32) {
        self.len = used;
    }

    /// Makes the first `used` bytes of the last reservation part of the stream. Says how many there are.
    #[inline(always)]
    pub(super) fn commit(&mut self, used: usize) -> u32 {
        let used = used.min(self.reserved as usize) as u32;
        self.reserved = 0;
        let end = self.wrap(self.head + self.len) + used;
        if end > self.capacity {
            self.wrap_round(end as usize);
        }
        self.len += used;
        used
    }

    #[inline(never)]
    fn wrap_round(&mut self, end: usize) {
        self.bytes.copy_within(self.capacity as usize..end, 0);
    }

    pub(super) fn put(&self, out: &mut Out<'_>) {
        self.len.put(out);
        for run in self.slices(0, self.len()) {
            out.bytes.extend_from_slice(run);
        }
    }

    pub(super) fn take(&mut self, from: &mut In<'_>) -> Result<(), SnapshotRefusal> {
        let len = from.take_count(1)?;
        let room = self.bytes[..self.capacity as usize].get_mut(..len);
        room.ok_or(SnapshotRefusal::BuffersTooSmall)?.copy_from_slice(from.take(len)?);
        (self.head, self.len, self.reserved) = (0, len as u32, 0);
        Ok(())
    }

    /// Writes bytes to their place, `offset` bytes behind the first.
    pub(super) fn fill(&mut self, offset: usize, bytes: &[u8]) {
        if offset + bytes.len() > self.len() {
            return;
        }
        let at = self.wrap(self.head + offset as u32) as usize;
        let (first, second) = bytes.split_at(bytes.len().min(self.capacity as usize - at));
        self.bytes[at..at + first.len()].copy_from_slice(first);
        self.bytes[..second.len()].copy_from_slice(second);
    }

    /// Forgets the last `count` bytes: they were never sent.
    pub(super) fn take_back(&mut self, count: usize) {
        self.len -= count.min(self.len()) as u32;
    }

    /// Forgets `count` bytes at the front: they have been acknowledged.
    #[inline]
    pub(super) fn release(&mut self, count: usize) {
        let count = count.min(self.len()) as u32;
        self.head = self.wrap(self.head + count);
        self.len -= count;
    }

    /// Whether `len` bytes are all that is held, and nothing is reserved behind them.
    #[inline(always)]
    pub(super) fn holds_only(&self, len: u32) -> bool {
        u64::from(self.reserved) << 32 | u64::from(self.len) == u64::from(len)
    }

    /// Forgets all of it, where nothing is reserved: the place of nothing is any place.
    #[inline(always)]
    pub(super) fn release_all(&mut self) {
        self.len = 0;
    }

    /// Whether all of it lies in one run.
    #[inline(always)]
    pub(super) fn is_in_one_run(&self) -> bool {
        self.head + self.len <= self.capacity
    }

    /// The last `len` bytes held, where all [is so](SendBuffer::is_in_one_run).
    #[inline(always)]
    pub(super) fn last(&self, len: u32) -> &[u8] {
        let start = (self.head + self.len).wrapping_sub(len) as usize;
        &self.bytes[start..start + len as usize]
    }

    /// The same, and what lies behind them in the buffer, up to `with_behind` bytes in all, if there are as many.
    #[inline(always)]
    pub(super) fn last_and_behind(&self, len: u32, with_behind: usize) -> Option<&[u8]> {
        let start = (self.head + self.len).wrapping_sub(len) as usize;
        self.bytes.get(start..start + with_behind)
    }

    /// `len` bytes from `offset` on; the second run is empty unless the ring wraps within them.
    #[inline(always)]
    pub(super) fn slices(&self, offset: usize, len: usize) -> [&[u8]; 2] {
        let offset = offset.min(self.len());
        let len = len.min(self.len() - offset);
        let at = self.wrap(self.head + offset as u32) as usize;
        match self.bytes.get(at..at + len) {
            Some(run) if at + len <= self.capacity as usize => [run, &[]],
            _ => self.both_runs(at, len),
        }
    }

    #[inline(never)]
    fn both_runs(&self, at: usize, len: usize) -> [&[u8]; 2] {
        let first = len.min(self.capacity as usize - at);
        [&self.bytes[at..at + first], &self.bytes[..len - first]]
    }

    #[inline]
    fn wrap(&self, at: u32) -> u32 {
        if at >= self.capacity { at - self.capacity } else { at }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    fn write(buffer: &mut SendBuffer, bytes: &[u8]) {
        buffer.reserve(bytes.len()).unwrap().copy_from_slice(bytes);
        buffer.commit(bytes.len());
    }

    fn read(buffer: &SendBuffer, offset: usize, len: usize) -> Vec<u8> {
        buffer.slices(offset, len).concat()
    }

    #[test]
    fn a_reservation_across_the_end_is_one_run_and_read_back_in_two() {
        let mut buffer = SendBuffer::new(10, 6);
        write(&mut buffer, b"abcdef");
        write(&mut buffer, b"gh");
        buffer.release(6);
        write(&mut buffer, b"ijklmn");
        assert_eq!(read(&buffer, 0, 8), b"ghijklmn");
        assert_eq!(buffer.slices(0, 8), [&b"ghij"[..], b"klmn"]);
        assert_eq!(buffer.slices(5, 2), [&b"lm"[..], b""]);
    }

    #[test]
    fn a_reservation_that_does_not_fit_is_refused() {
        let mut buffer = SendBuffer::new(10, 6);
        assert!(buffer.reserve(7).is_none());
        write(&mut buffer, b"abcdef");
        assert!(buffer.reserve(5).is_none());
        assert!(buffer.reserve(4).is_some());
    }

    #[test]
    fn a_commit_takes_no_more_than_was_reserved() {
        let mut buffer = SendBuffer::new(10, 6);
        assert!(buffer.reserve(3).is_some());
        buffer.commit(5);
        buffer.commit(5);
        assert_eq!(buffer.len(), 3);
    }

    #[test]
    fn random_writes_and_releases_agree_with_a_queue() {
        let mut buffer = SendBuffer::new(97, 40);
        let mut oracle = VecDeque::new();
        let mut random = 88_172_645_463_325_252u64;
        let mut byte = 0u8;
        for _ in 0..50_000 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let amount = (random >> 8) as usize % 41;
            if random & 1 == 0 {
                if let Some(room) = buffer.reserve(amount) {
                    let used = (random >> 32) as usize % (amount + 1);
                    for slot in &mut room[..used] {
                        byte = byte.wrapping_add(1);
                        *slot = byte;
                        oracle.push_back(byte);
                    }
                    buffer.commit(used);
                }
            } else {
                let amount = amount.min(oracle.len());
                oracle.drain(..amount);
                buffer.release(amount);
            }
            assert_eq!(read(&buffer, 0, usize::MAX), oracle.make_contiguous());
        }
    }
}
