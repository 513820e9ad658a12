//! Received bytes that the application has not taken: a ring.
//!
//! In the common case nothing is ever written here: bytes that come in order are read where they
//! lie in the device's buffer, and the ring only moves on ([`ReceiveBuffer::pass_over`]). What the
//! application leaves comes back ([`ReceiveBuffer::keep`]). Bytes ahead of their turn are written
//! at their place behind the end, and become readable once the gap before them is filled.
//!
//! Where bytes from before are unread, those passed over keep their place behind them, in case they come
//! back, as they do where a reader waits for more: a message that comes byte by byte moves nothing.

use core::ops::Range;

use super::codec::{Codec, In, Out};
use super::snapshot::SnapshotRefusal;

/// A connection's receive buffer, of fewer than 2^30 bytes: so that numbers of bytes are half words.
pub(super) struct ReceiveBuffer {
    ring: Box<[u8]>,
    /// How many bytes were last passed over, and may yet come back.
    fresh: u32,
    /// How many bytes are readable.
    len: u32,
    /// Where the first readable byte lies.
    head: u32,
    /// How many readable bytes come before those in the stream.
    before_fresh: u32,
    /// How many readable bytes the application has looked at and left, to wait for more.
    seen: u32,
    /// The place kept behind the [first](ReceiveBuffer::before_fresh) readable bytes, before the others.
    gap: u32,
}

impl ReceiveBuffer {
    pub(super) fn new(capacity: usize) -> ReceiveBuffer {
        let ring = vec![0; capacity].into_boxed_slice();
        ReceiveBuffer { ring, head: 0, len: 0, fresh: 0, before_fresh: 0, seen: 0, gap: 0 }
    }

    pub(super) fn clear(&mut self) {
        (self.head, self.len, self.fresh, self.before_fresh) = (0, 0, 0, 0);
        (self.seen, self.gap) = (0, 0);
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    /// How far back the first readable byte lies in the stream from what came last: where others were read past it, by
    /// as many more.
    pub(super) fn span(&self) -> usize {
        (self.len + if self.before_fresh > 0 { self.gap } else { 0 }) as usize
    }

    /// Whether there are bytes that the application has not looked at.
    pub(super) fn has_unseen(&self) -> bool {
        self.len > self.seen
    }

    /// The application has looked at all of it, and waits for more.
    pub(super) fn mark_seen(&mut self) {
        self.seen = self.len;
    }

    pub(super) fn capacity(&self) -> usize {
        self.ring.len()
    }

    /// The readable bytes, and those that lie `ahead`, by their offsets from the end of the readable ones.
    pub(super) fn put(&self, out: &mut Out<'_>, ahead: impl Iterator<Item = Range<usize>>) {
        (self.len, self.seen).put(out);
        out.bytes.extend((0..self.len()).map(|offset| self.ring[self.place(offset)]));
        let count_at = out.bytes.len();
        0u32.put(out);
        let mut count = 0u32;
        for range in ahead {
            (range.start as u32, range.len() as u32).put(out);
            out.bytes.extend(range.map(|offset| self.ring[self.place(self.len() + offset)]));
            count += 1;
        }
        out.bytes[count_at..count_at + 4].copy_from_slice(&count.to_le_bytes());
    }

    /// Where the byte lies that is `offset` behind the first readable one.
    fn place(&self, offset: usize) -> usize {
        let gap = if offset >= self.before_fresh as usize { self.gap as usize } else { 0 };
        self.wrap(self.wrap(self.head as usize + offset) + gap)
    }

    /// Reads them. `hold` takes the range of what lies ahead, and says whether it may.
    pub(super) fn take(
        &mut self,
        from: &mut In<'_>,
        mut hold: impl FnMut(Range<u32>) -> bool,
    ) -> Result<(), SnapshotRefusal> {
        let (len, seen): (u32, u32) = Codec::take(from)?;
        let readable = from.take(len as usize)?;
        if readable.len() > self.ring.len() {
            return Err(SnapshotRefusal::BuffersTooSmall);
        }
        self.clear();
        self.write(0, readable);
        (self.len, self.seen) = (len, seen.min(len));
        for _ in 0..from.take_count(8)? {
            let (start, len): (u32, u32) = Codec::take(from)?;
            let bytes = from.take(len as usize)?;
            let end = start.checked_add(len).ok_or(SnapshotRefusal::Malformed)?;
            if end as usize > self.room() {
                return Err(SnapshotRefusal::BuffersTooSmall);
            }
            if len == 0 || !hold(start..end) {
                return Err(SnapshotRefusal::Malformed);
            }
            self.write_ahead(start as usize, bytes);
        }
        Ok(())
    }

    /// How many more bytes fit.
    #[inline]
    pub(super) fn room(&self) -> usize {
        self.ring.len() - self.len()
    }

    /// The readable bytes, as far as they lie in one run.
    pub(super) fn readable(&self) -> &[u8] {
        let (start, len) = match self.gap {
            0 => (self.head as usize, self.len),
            _ if self.before_fresh > 0 => (self.head as usize, self.before_fresh),
            gap => (self.wrap(self.head as usize + gap as usize), self.len),
        };
        &self.ring[start..(start + len as usize).min(self.ring.len())]
    }

    /// Copies the readable bytes from the first one on, as many as there are and `into` takes. Says how many.
    pub(super) fn peek(&self, into: &mut [u8]) -> usize {
        let count = self.len().min(into.len());
        for (offset, byte) in into[..count].iter_mut().enumerate() {
            *byte = self.ring[self.place(offset)];
        }
        count
    }

    pub(super) fn consume(&mut self, count: usize) {
        let count = count.min(self.len()) as u32;
        if self.gap > 0 && count > self.before_fresh {
            self.move_head(self.gap);
            (self.gap, self.fresh) = (0, 0);
        }
        self.move_head(count);
        self.len -= count;
        self.before_fresh = self.before_fresh.saturating_sub(count);
        self.seen = self.seen.saturating_sub(count);
    }

    /// `count` bytes have come in order and are offered to the application where they lie. Where bytes lie ahead
    /// (`is_ahead`), they come nearer by as much; the place of nothing is any place.
    #[inline(always)]
    pub(super) fn pass_over(&mut self, count: usize, is_ahead: bool) {
        let count = count.min(self.room()) as u32;
        self.fresh = count;
        if self.len | self.gap != 0 {
            self.pass_over_behind(count);
            return;
        }
        if is_ahead {
            self.move_head(count);
        }
        self.before_fresh = 0;
    }

    /// Whether nothing is readable, and no place is kept.
    pub(super) fn is_passed_over(&self) -> bool {
        self.len | self.gap == 0
    }

    /// Whether that [is so](ReceiveBuffer::is_passed_over), and there is room for so many more.
    pub(super) fn may_pass_over_all(&self, count: usize) -> bool {
        self.len | self.gap | self.before_fresh == 0 && count <= self.room()
    }

    /// As [`pass_over`](ReceiveBuffer::pass_over) where that [may be](ReceiveBuffer::may_pass_over_all), and nothing lies
    /// ahead.
    #[inline(always)]
    pub(super) fn pass_over_all(&mut self, count: usize) {
        debug_assert!(self.may_pass_over_all(count));
        self.fresh = count as u32;
    }

    #[inline(never)]
    fn pass_over_behind(&mut self, count: u32) {
        self.close_gap(self.gap);
        (self.fresh, self.before_fresh, self.gap) = (count, self.len, count);
    }

    /// Moves what lies before the gap on by `by` bytes, and takes the rest of the gap for filled.
    fn close_gap(&mut self, by: u32) {
        if by > 0 {
            let head = self.head as usize;
            for offset in (0..self.before_fresh as usize).rev() {
                self.ring[self.wrap(self.wrap(head + offset) + by as usize)] =
                    self.ring[self.wrap(head + offset)];
            }
            self.move_head(by);
        }
        (self.gap, self.fresh) = (0, 0);
    }

    /// The application has left the tail `rest` of the bytes last passed over.
    pub(super) fn keep(&mut self, rest: &[u8]) {
        let rest = &rest[rest.len() - rest.len().min(self.fresh as usize).min(self.room())..];
        let len = rest.len() as u32;
        if self.gap > 0 {
            self.close_gap(self.gap - len);
        } else {
            self.move_head(self.ring.len() as u32 - len);
        }
        self.write(self.head as usize + self.before_fresh as usize, rest);
        self.len += len;
        self.before_fresh += len;
        self.fresh = 0;
    }

    /// Writes bytes `offset` past the readable ones, ahead of their turn.
    pub(super) fn write_ahead(&mut self, offset: usize, bytes: &[u8]) {
        self.close_gap(self.gap);
        let room = self.room();
        let offset = offset.min(room);
        self.write(
            self.head as usize + self.len() + offset,
            &bytes[..bytes.len().min(room - offset)],
        );
    }

    /// `count` bytes written ahead have become readable.
    pub(super) fn join(&mut self, count: usize) {
        self.len += count.min(self.room()) as u32;
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        let at = self.wrap(self.wrap(at));
        if let Some(room) = self.ring.get_mut(at..at + bytes.len()) {
            room.copy_from_slice(bytes);
            return;
        }
        let (first, second) = bytes.split_at(self.ring.len() - at);
        self.ring[at..].copy_from_slice(first);
        self.ring[..second.len()].copy_from_slice(second);
    }

    #[inline(always)]
    fn move_head(&mut self, by: u32) {
        self.head = self.wrap(self.head as usize + by as usize) as u32;
    }

    #[inline]
    fn wrap(&self, at: usize) -> usize {
        if at >= self.ring.len() { at - self.ring.len() } else { at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(buffer: &mut ReceiveBuffer) -> Vec<u8> {
        let mut bytes = Vec::new();
        while buffer.len() > 0 {
            let run = buffer.readable().to_vec();
            buffer.consume(run.len());
            bytes.extend(run);
        }
        bytes
    }

    #[test]
    fn what_is_kept_comes_before_what_was_joined_at_every_place_in_the_ring() {
        for start in 0..16 {
            for kept in 0..=4 {
                let mut buffer = ReceiveBuffer::new(16);
                buffer.pass_over(start, true);
                buffer.write_ahead(4, b"efgh");
                buffer.pass_over(4, true);
                buffer.join(4);
                buffer.keep(&b"abcd"[4 - kept..]);
                assert_eq!(drain(&mut buffer), b"abcdefgh"[4 - kept..], "{start} {kept}");
            }
        }
    }

    #[test]
    fn fresh_bytes_kept_behind_unread_ones_keep_the_streams_order() {
        for start in 0..16 {
            for kept in 0..=4 {
                let mut buffer = ReceiveBuffer::new(16);
                buffer.pass_over(start, true);
                buffer.pass_over(3, true);
                buffer.keep(b"ABC");
                buffer.write_ahead(4, b"ef");
                buffer.pass_over(4, true);
                buffer.join(2);
                buffer.consume(1);
                buffer.keep(&b"abcd"[4 - kept..]);
                let expected = [b"BC", &b"abcd"[4 - kept..], b"ef"].concat();
                assert_eq!(drain(&mut buffer), expected, "{start} {kept}");
            }
        }
    }

    /// Against a list of bytes, of a stream that counts: whatever is left, taken and joined.
    #[test]
    fn any_order_of_calls_yields_the_stream() {
        let mut random = 0x9e37_79b9_97f4_a7c1u64;
        let mut below = |bound: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random >> 20) as usize % bound.max(1)
        };
        let mut buffer = ReceiveBuffer::new(37);
        let (mut readable, mut next) = (Vec::new(), 0u8);
        for step in 0..100_000 {
            let room = buffer.room();
            let (fresh, ahead) = (below(room / 2 + 1), below(room / 4 + 1));
            let bytes: Vec<u8> =
                (0..(fresh + ahead) as u8).map(|by| next.wrapping_add(by)).collect();
            next = next.wrapping_add((fresh + ahead) as u8);
            let (bytes, joined) = bytes.split_at(fresh);
            buffer.write_ahead(fresh, joined);
            buffer.pass_over(fresh, true);
            buffer.join(ahead);
            let kept = match below(3) {
                0 => 0,
                1 => fresh,
                _ => below(fresh + 1),
            };
            let early = below(readable.len() + 1) * below(2);
            buffer.consume(early);
            readable.drain(..early);
            if kept > 0 || below(2) == 0 {
                buffer.keep(&bytes[fresh - kept..]);
            }
            readable.extend_from_slice(&bytes[fresh - kept..]);
            readable.extend_from_slice(joined);
            assert_eq!(buffer.len(), readable.len(), "step {step}");
            let run = buffer.readable();
            assert_eq!(run, &readable[..run.len()], "step {step}");
            let mut seen = [0; 40];
            assert_eq!(buffer.peek(&mut seen), readable.len(), "step {step}");
            assert_eq!(&seen[..readable.len()], &readable[..], "step {step}");
            let taken = below(readable.len() + 1);
            let mut left = taken;
            while left > 0 {
                let part = buffer.readable().len().min(left);
                assert_eq!(buffer.readable()[..part], readable[taken - left..][..part]);
                buffer.consume(part);
                left -= part;
            }
            readable.drain(..taken);
        }
    }

    #[test]
    fn no_more_is_kept_than_was_offered_and_not_twice() {
        let mut buffer = ReceiveBuffer::new(16);
        buffer.pass_over(3, true);
        buffer.keep(b"abcdef");
        buffer.keep(b"xyz");
        assert_eq!(drain(&mut buffer), b"def");
    }
}
