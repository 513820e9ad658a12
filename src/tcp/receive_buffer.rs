//! Received bytes that the application has not taken: a ring.
//!
//! In the common case nothing is ever written here: bytes that come in order are read where they
//! lie in the device's buffer, and the ring only moves on ([`ReceiveBuffer::pass_over`]). What the
//! application leaves comes back ([`ReceiveBuffer::keep`]). Bytes ahead of their turn are written
//! at their place behind the end, and become readable once the gap before them is filled.

/// A connection's receive buffer.
pub(super) struct ReceiveBuffer {
    ring: Box<[u8]>,
    /// Where the first readable byte lies.
    head: usize,
    /// How many bytes are readable.
    len: usize,
    /// How many bytes were last passed over, and may yet come back.
    fresh: usize,
    /// How many readable bytes come before those in the stream.
    before_fresh: usize,
    /// How many readable bytes the application has looked at and left, to wait for more.
    seen: usize,
}

impl ReceiveBuffer {
    pub(super) fn new(capacity: usize) -> ReceiveBuffer {
        let ring = vec![0; capacity].into_boxed_slice();
        ReceiveBuffer { ring, head: 0, len: 0, fresh: 0, before_fresh: 0, seen: 0 }
    }

    pub(super) fn clear(&mut self) {
        (self.head, self.len, self.fresh, self.before_fresh, self.seen) = (0, 0, 0, 0, 0);
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether there are bytes that the application has not looked at.
    pub(super) fn has_unseen(&self) -> bool {
        self.len > self.seen
    }

    /// The application has looked at all of it, and waits for more.
    pub(super) fn mark_seen(&mut self) {
        self.seen = self.len;
    }

    /// How many more bytes fit.
    #[inline]
    pub(super) fn room(&self) -> usize {
        self.ring.len() - self.len
    }

    /// The readable bytes, as far as they lie in one run.
    pub(super) fn readable(&self) -> &[u8] {
        let end = (self.head + self.len).min(self.ring.len());
        &self.ring[self.head..end]
    }

    pub(super) fn consume(&mut self, count: usize) {
        let count = count.min(self.len);
        self.head = self.wrap(self.head + count);
        self.len -= count;
        self.before_fresh = self.before_fresh.saturating_sub(count);
        self.seen = self.seen.saturating_sub(count);
    }

    /// `count` bytes have come in order and are offered to the application where they lie.
    #[inline]
    pub(super) fn pass_over(&mut self, count: usize) {
        let count = count.min(self.room());
        if self.len > 0 {
            // Rare: bytes from before are unread. They move on, too, to stay next to the end.
            for offset in (0..self.len).rev() {
                self.ring[self.wrap(self.head + offset + count)] =
                    self.ring[self.wrap(self.head + offset)];
            }
        }
        self.head = self.wrap(self.head + count);
        self.fresh = count;
        self.before_fresh = self.len;
    }

    /// The application has left the tail `rest` of the bytes last passed over.
    pub(super) fn keep(&mut self, rest: &[u8]) {
        let rest = &rest[rest.len() - rest.len().min(self.fresh).min(self.room())..];
        let from = self.head;
        self.head = self.wrap(self.head + self.ring.len() - rest.len());
        for offset in 0..self.before_fresh {
            self.ring[self.wrap(self.head + offset)] = self.ring[self.wrap(from + offset)];
        }
        self.put(self.head + self.before_fresh, rest);
        self.len += rest.len();
        self.before_fresh += rest.len();
        self.fresh = 0;
    }

    /// Writes bytes `offset` past the readable ones, ahead of their turn.
    pub(super) fn write_ahead(&mut self, offset: usize, bytes: &[u8]) {
        let room = self.room();
        let offset = offset.min(room);
        self.put(self.head + self.len + offset, &bytes[..bytes.len().min(room - offset)]);
    }

    /// `count` bytes written ahead have become readable.
    pub(super) fn join(&mut self, count: usize) {
        self.len += count.min(self.room());
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        let at = self.wrap(self.wrap(at));
        let first = bytes.len().min(self.ring.len() - at);
        self.ring[at..at + first].copy_from_slice(&bytes[..first]);
        self.ring[..bytes.len() - first].copy_from_slice(&bytes[first..]);
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
                buffer.pass_over(start);
                buffer.write_ahead(4, b"efgh");
                buffer.pass_over(4);
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
                buffer.pass_over(start);
                buffer.pass_over(3);
                buffer.keep(b"ABC");
                buffer.write_ahead(4, b"ef");
                buffer.pass_over(4);
                buffer.join(2);
                buffer.consume(1);
                buffer.keep(&b"abcd"[4 - kept..]);
                let expected = [b"BC", &b"abcd"[4 - kept..], b"ef"].concat();
                assert_eq!(drain(&mut buffer), expected, "{start} {kept}");
            }
        }
    }

    #[test]
    fn no_more_is_kept_than_was_offered_and_not_twice() {
        let mut buffer = ReceiveBuffer::new(16);
        buffer.pass_over(3);
        buffer.keep(b"abcdef");
        buffer.keep(b"xyz");
        assert_eq!(drain(&mut buffer), b"def");
    }
}
