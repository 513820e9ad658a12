//! Messages past a gap, held until the gap is filled. Bounded: what finds no room is asked for again.

use crate::fix::frame::Whole;

#[derive(Clone, Copy, Debug)]
struct Entry {
    seq: u32,
    at: usize,
    whole: Whole,
}

/// Whole messages by their numbers.
#[derive(Debug)]
pub(super) struct Held {
    /// How many: asked with every message, and mostly none.
    count: usize,
    kept: Box<Kept>,
}

#[derive(Debug)]
struct Kept {
    bytes: Box<[u8]>,
    used: usize,
    entries: Vec<Entry>,
    messages_max: usize,
}

impl Held {
    pub(super) fn new(messages_max: usize, bytes_max: usize) -> Held {
        let bytes = vec![0; bytes_max].into_boxed_slice();
        let entries = Vec::with_capacity(messages_max);
        Held { count: 0, kept: Box::new(Kept { bytes, used: 0, entries, messages_max }) }
    }

    /// Keeps a message, unless it is kept already or does not fit. Says whether it is kept now.
    pub(super) fn keep(&mut self, seq: u32, message: &[u8], whole: &Whole) -> bool {
        let is_kept = self.kept.keep(seq, message, whole);
        self.count = self.kept.entries.len();
        is_kept
    }

    /// Forgets what is below `seq`, and says how many messages those were.
    pub(super) fn forget_below(&mut self, seq: u32) -> usize {
        let before = self.count;
        self.kept.entries.retain(|entry| entry.seq >= seq);
        self.count = self.kept.entries.len();
        if self.count == 0 {
            self.kept.used = 0;
        }
        before - self.count
    }

    /// Moves the message numbered `seq` to the front of `into`, and says what was found of it.
    pub(super) fn take(&mut self, seq: u32, into: &mut [u8]) -> Option<Whole> {
        let taken = self.kept.take(seq, into);
        self.count = self.kept.entries.len();
        taken
    }

    /// Every message that is kept, with its number, in no order.
    pub(super) fn messages(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let Kept { bytes, entries, .. } = &*self.kept;
        entries.iter().map(|entry| (entry.seq, &bytes[entry.at..entry.at + entry.whole.len]))
    }

    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn clear(&mut self) {
        if self.count > 0 {
            self.kept.entries.clear();
            (self.count, self.kept.used) = (0, 0);
        }
    }
}

impl Kept {
    fn keep(&mut self, seq: u32, message: &[u8], whole: &Whole) -> bool {
        if self.entries.iter().any(|entry| entry.seq == seq) {
            return true;
        }
        let len = message.len();
        if self.entries.len() == self.messages_max || self.bytes.len() - self.used < len {
            return false;
        }
        self.bytes[self.used..self.used + len].copy_from_slice(message);
        self.entries.push(Entry { seq, at: self.used, whole: *whole });
        self.used += len;
        true
    }

    fn take(&mut self, seq: u32, into: &mut [u8]) -> Option<Whole> {
        let index = self.entries.iter().position(|entry| entry.seq == seq);
        let taken = index.map(|index| self.entries.swap_remove(index)).and_then(|entry| {
            let len = entry.whole.len;
            into.get_mut(..len)?.copy_from_slice(&self.bytes[entry.at..entry.at + len]);
            Some(entry.whole)
        });
        if self.entries.is_empty() {
            self.used = 0;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_by_number_and_the_lower_ones_are_forgotten() {
        let mut held = Held::new(3, 12);
        let mut out = [0; 8];
        let whole = |bytes: &[u8], body| Whole { len: bytes.len(), body, key: 0, third: *b"35=0" };
        let keep =
            |held: &mut Held, seq, bytes: &[u8], body| held.keep(seq, bytes, &whole(bytes, body));
        assert!(keep(&mut held, 9, b"nine", 1) && keep(&mut held, 7, b"seven", 2));
        assert!(keep(&mut held, 9, b"again", 1), "it is kept already");
        assert!(!keep(&mut held, 8, b"eight", 1), "5 bytes do not fit 12 - 9");
        assert!(keep(&mut held, 8, b"8", 3));
        assert!(!keep(&mut held, 10, b"", 0), "a fourth message");
        assert_eq!(held.take(6, &mut out), None);
        assert_eq!((held.forget_below(7), held.forget_below(8)), (0, 1));
        assert_eq!(held.take(8, &mut out), Some(whole(b"8", 3)));
        assert_eq!(held.take(7, &mut out), None, "7 was below 8");
        let taken = held.take(9, &mut out);
        assert_eq!((taken, &out[..4]), (Some(whole(b"nine", 1)), &b"nine"[..]));
        assert!(held.is_empty() && keep(&mut held, 1, b"twelve bytes", 0));
    }
}
