//! What is still known of messages that there was no room to keep.

use crate::wire::tcp::SeqNumber;

use super::flow::Sent;
use super::mark::Mark;
use super::owed::is_old;

/// Messages that were let go of for want of room: the foremost of a queue, in two parts as those that are kept.
#[derive(Default)]
pub(super) struct Unkept {
    /// So many are owed an answer.
    owed: usize,
    /// The last of them.
    last_owed: Option<Mark>,
    fresh: Option<Fresh>,
}

/// Those that no order has acknowledged yet.
struct Fresh {
    count: usize,
    first: Option<Mark>,
    last: Option<Mark>,
    end: SeqNumber,
    /// Nobody knows what some of them were.
    has_spoiled: bool,
}

impl Unkept {
    /// One that is owed an answer gives way.
    pub(super) fn push_owed(&mut self, sent: &Sent) {
        if let Some(last) = sent.last() {
            self.owed += 1;
            self.last_owed = Some(last);
        }
    }

    /// One that no order has acknowledged gives way.
    pub(super) fn push_fresh(&mut self, sent: &Sent) {
        let (last, end) = (sent.last(), sent.end);
        let none = Fresh { count: 0, first: None, last: None, end, has_spoiled: false };
        let fresh = self.fresh.get_or_insert(none);
        fresh.count += usize::from(last.is_some());
        fresh.has_spoiled |= last.is_none();
        (fresh.first, fresh.last) = (fresh.first.or(last), last.or(fresh.last));
        fresh.end = end;
    }

    /// How many are owed an answer.
    pub(super) fn owed(&self) -> usize {
        self.owed
    }

    /// Whether there are any that no order has acknowledged.
    pub(super) fn has_fresh(&self) -> bool {
        self.fresh.is_some()
    }

    /// Whether nobody knows what some of these were.
    pub(super) fn has_spoiled(&self) -> bool {
        self.fresh.as_ref().is_some_and(|fresh| fresh.has_spoiled)
    }

    /// The first of these, if it is known.
    pub(super) fn first_fresh(&self) -> Option<Mark> {
        self.fresh.as_ref().filter(|fresh| !fresh.has_spoiled)?.first
    }

    /// How many an order acknowledges that none has before: all of them, or nobody knows of which.
    pub(super) fn fresh_before(&self, ack: SeqNumber) -> usize {
        self.acknowledged(ack).map_or(0, |fresh| fresh.count)
    }

    /// The one of these that has waited for longest when an order leaves, if any of them may still be answered.
    pub(super) fn oldest_before(&self, ack: SeqNumber, order: &Mark) -> Option<Mark> {
        let fresh = self.acknowledged(ack)?;
        fresh.last.filter(|last| !is_old(last, order)).and(fresh.first)
    }

    fn acknowledged(&self, ack: SeqNumber) -> Option<&Fresh> {
        self.fresh.as_ref().filter(|fresh| fresh.end.is_at_or_before(ack))
    }

    /// An order acknowledges everything before `ack`: these are owed an answer from now on, those excepted that have waited for too long.
    pub(super) fn owe(&mut self, ack: SeqNumber, order: &Mark) {
        if let Some(fresh) = self.fresh.take_if(|fresh| fresh.end.is_at_or_before(ack)) {
            (self.owed, self.last_owed) = (self.owed + fresh.count, fresh.last.or(self.last_owed));
        }
        if self.last_owed.is_some_and(|last| is_old(&last, order)) {
            self.settle();
        }
    }

    /// An order is the answer to one of those that are owed one, if there are any.
    pub(super) fn pay(&mut self) -> bool {
        let is_owed = self.owed > 0;
        self.owed -= usize::from(is_owed);
        is_owed
    }

    /// None is owed an answer.
    pub(super) fn settle(&mut self) {
        (self.owed, self.last_owed) = (0, None);
    }

    /// Forgets those that are far behind, if no order has acknowledged them. Says whether there were any.
    pub(super) fn forget(&mut self, is_far: impl Fn(SeqNumber) -> bool) -> bool {
        self.fresh.take_if(|fresh| is_far(fresh.end)).is_some()
    }
}
