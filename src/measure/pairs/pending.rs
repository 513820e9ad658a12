//! Orders that wait for their answer, by ClOrdID.

use std::collections::{HashMap, VecDeque};

use core::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::wire::tcp::SeqNumber;

use super::exclusion::Reason;
use super::mark::Mark;

/// Orders that wait; past that the oldest are let go of.
pub(super) const ORDERS_MAX: usize = 65_536;

/// Of which connection, whose, and the digest of its ClOrdID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) connection: u64,
    pub(super) side: usize,
    pub(super) id: u128,
}

/// 128 bits of an identifier: two of one day's have the same by a chance of 10^-20.
pub(super) fn digest(id: &[u8]) -> u128 {
    let mut hasher = SipHasher13::new();
    hasher.write(id);
    hasher.finish128().as_u128()
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) begin: SeqNumber,
    pub(super) end: SeqNumber,
    pub(super) last: Mark,
    number: u64,
    /// Another order had its ClOrdID.
    is_twice: bool,
}

#[derive(Default)]
pub(super) struct Pending {
    waiting: HashMap<Key, Waiting>,
    /// In the order in which they came, with their numbers; those that were answered since are among them, up to as many again.
    order: VecDeque<(Key, u64)>,
    numbers: u64,
    let_go: u64,
}

impl Pending {
    pub(super) fn push(&mut self, key: Key, (begin, end): (SeqNumber, SeqNumber), last: Mark) {
        let waits = |waiting: &HashMap<Key, Waiting>, (key, number): &(Key, u64)| {
            waiting.get(key).is_some_and(|waiting| waiting.number == *number)
        };
        let is_twice = self.waiting.contains_key(&key);
        while self.waiting.len() == ORDERS_MAX
            && !is_twice
            && let Some(oldest) = self.order.pop_front()
        {
            if waits(&self.waiting, &oldest) {
                self.waiting.remove(&oldest.0);
                self.let_go += 1;
            }
        }
        if self.order.len() == 2 * ORDERS_MAX {
            self.order.retain(|of| waits(&self.waiting, of));
        }
        let number = self.numbers;
        self.numbers += 1;
        self.waiting.insert(key, Waiting { begin, end, last, number, is_twice });
        self.order.push_back((key, number));
        // The one whose place it took has no answer of its own.
        self.let_go += u64::from(is_twice);
    }

    /// The order that an answer is to.
    pub(super) fn take(&mut self, key: &Key) -> Result<Waiting, Reason> {
        match self.waiting.remove(key) {
            Some(Waiting { is_twice: true, .. }) => Err(Reason::IdTwice),
            Some(waiting) => Ok(waiting),
            None => Err(Reason::NoOrder),
        }
    }

    /// Orders that no answer came to, so far.
    pub(super) fn unanswered(&self) -> u64 {
        self.let_go + self.waiting.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::pairs::mark::{NoTime, Place};

    #[test]
    fn an_order_waits_however_many_are_answered_meanwhile() {
        let last = Mark { place: Place { file: 0, frame: 1 }, stamp: Err(NoTime::Absent) };
        let key = |id| Key { connection: 1, side: 0, id };
        let mut pending = Pending::default();
        let push = |pending: &mut Pending, id| {
            pending.push(key(id), (SeqNumber(5), SeqNumber(9)), last);
        };
        push(&mut pending, 0);
        for id in 1..4 * ORDERS_MAX as u128 {
            push(&mut pending, id);
            assert!(pending.take(&key(id)).is_ok());
            assert!(pending.order.len() <= 2 * ORDERS_MAX);
        }
        assert_eq!(pending.unanswered(), 1);
        assert!(pending.take(&key(0)).is_ok());
        // Of those that do wait, the oldest give way.
        (0..ORDERS_MAX as u128 + 2).for_each(|id| push(&mut pending, id));
        assert_eq!(pending.waiting.len(), ORDERS_MAX);
        assert_eq!(pending.unanswered(), ORDERS_MAX as u64 + 2);
        assert!(pending.take(&key(1)).is_err() && pending.take(&key(2)).is_ok());
    }
}
