//! What may still be unanswered of what orders have acknowledged.
//!
//! A kernel's TCP acknowledges what it has received, while its application may be at an earlier message. So an order that
//! acknowledges several messages is the answer to one of them, and those behind that one may have orders of their own, which
//! acknowledge later messages. One that acknowledges a single message is the answer to that only if nothing before it is owed
//! one.

use super::mark::Mark;
use crate::measure::stamp::Stamp;
use crate::measure::wire_time::WireSpan;

/// What has waited for longer is not answered any more.
const OWED_MAX: WireSpan = WireSpan::from_s(1);

/// An application, as far as its orders tell what it still has to answer.
pub(super) struct Debtor {
    /// When the last order had left.
    last_order: Option<Stamp>,
    /// The longest that an order may have taken which left others owed.
    took: Option<WireSpan>,
    /// Whether the last message led to more orders than one, and the one before; so it is taken to be until that is known.
    leads_to_more: [bool; 2],
}

impl Default for Debtor {
    fn default() -> Debtor {
        Debtor { last_order: None, took: None, leads_to_more: [true; 2] }
    }
}

impl Debtor {
    /// Whether nothing is owed any more when `next` comes: since the last order twice the time has passed that this can have
    /// taken, and an application with a message left to answer would have answered it.
    pub(super) fn was_idle(&self, next: &Mark) -> bool {
        self.pause(next).zip(self.took).is_some_and(|(pause, took)| pause > took + took)
    }

    /// The same where it is not known what is owed.
    pub(super) fn was_idle_for_long(&self, next: &Mark) -> bool {
        self.pause(next).is_some_and(|pause| pause > OWED_MAX)
    }

    fn pause(&self, next: &Mark) -> Option<WireSpan> {
        next.stamp.ok()?.since(&self.last_order?).ok()
    }

    /// Whether an order without a message of its own is the answer to one that is owed. It is not where messages lead
    /// to more orders than one: it may be one more of the same message.
    pub(super) fn pays(&self) -> bool {
        self.leads_to_more == [false; 2]
    }

    /// An order leaves while nothing is owed, and acknowledges so many messages.
    pub(super) fn note_habit(&mut self, messages: usize) {
        match messages {
            0 => self.leads_to_more[0] = true,
            1 => self.leads_to_more = [false, self.leads_to_more[0]],
            // Nobody knows how many orders each of them leads to.
            _ => {}
        }
    }

    /// An order leaves that may be the answer to any of several messages, of which this one waited for longest.
    pub(super) fn note_several(&mut self, order: &Mark, oldest: &Mark) {
        self.took = self.took.max(waited(oldest, order));
    }

    /// Nothing is owed any more.
    pub(super) fn note_settled(&mut self) {
        self.took = None;
    }

    /// An order has left.
    pub(super) fn note_order(&mut self, last: &Mark) {
        self.last_order = last.stamp.ok();
    }
}

/// Whether a message came so long before an order that no later one answers it.
pub(super) fn is_old(message: &Mark, order: &Mark) -> bool {
    waited(message, order).is_some_and(|waited| waited > OWED_MAX)
}

fn waited(message: &Mark, order: &Mark) -> Option<WireSpan> {
    order.stamp.ok()?.since(&message.stamp.ok()?).ok()
}
