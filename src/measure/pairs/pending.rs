//! Orders that wait for their answer, by ClOrdID.

use std::collections::{HashMap, VecDeque};

use core::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::wire::tcp::SeqNumber;

use super::exclusion::Reason;
use super::mark::Mark;

/// Orders that are remembered; past that the oldest are let go of, answered or not.
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
    /// In the order in which they came, with their numbers.
    order: VecDeque<(Key, u64)>,
    numbers: u64,
    let_go: u64,
}

impl Pending {
    pub(super) fn push(&mut self, key: Key, (begin, end): (SeqNumber, SeqNumber), last: Mark) {
        if self.order.len() == ORDERS_MAX
            && let Some((oldest, number)) = self.order.pop_front()
            && self.waiting.get(&oldest).is_some_and(|waiting| waiting.number == number)
        {
            self.waiting.remove(&oldest);
            self.let_go += 1;
        }
        let number = self.numbers;
        self.numbers += 1;
        let is_twice = self.waiting.contains_key(&key);
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
