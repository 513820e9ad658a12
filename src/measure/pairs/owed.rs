//! What may still be unanswered of what orders have acknowledged.
//!
//! A kernel's TCP acknowledges what it has received, while its application may be at an earlier message. So an order that
//! acknowledges several messages is the answer to one of them, and those behind that one may have orders of their own, which
//! acknowledge later messages. One that acknowledges a single message is the answer to that only if nothing before it is owed
//! one.

use super::mark::Mark;
use crate::measure::grains::Grains;
use crate::measure::wire_time::WireSpan;

/// What has waited for longer is not answered any more.
const OWED_MAX: WireSpan = WireSpan::from_s(1);

/// An application, as far as its orders tell what it still has to answer.
pub(super) struct Debtor {
    /// When the last order had left.
    last_order: Option<Mark>,
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
    /// taken, and an application with a message left to answer would have answered it. Stamps are cut off to a tick: the pause
    /// may be one shorter than it looks, and what an order took one longer.
    pub(super) fn was_idle(&self, next: &Mark, grains: &Grains) -> bool {
        let (Some(pause), Some(took)) = (self.pause(next), self.took) else { return false };
        if pause > OWED_MAX {
            return true;
        }
        // What the tick is takes longer to find.
        pause > took + took && {
            let tick = self.last_order.map_or(WireSpan::ZERO, |order| tick(&order, grains));
            let tick = tick.max(self::tick(next, grains));
            let took = took + tick;
            pause - tick > took + took
        }
    }

    /// The same where it is not known what is owed.
    pub(super) fn was_idle_for_long(&self, next: &Mark) -> bool {
        self.pause(next).is_some_and(|pause| pause > OWED_MAX)
    }

    fn pause(&self, next: &Mark) -> Option<WireSpan> {
        waited(&self.last_order?, next)
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

    /// The longest that an order may have taken which left others owed.
    pub(super) fn took(&self) -> WireSpan {
        self.took.unwrap_or(WireSpan::ZERO)
    }

    /// An order leaves others owed, and may have taken so long.
    pub(super) fn note_took(&mut self, took: WireSpan) {
        self.took = self.took.max(Some(took));
    }

    /// Nothing is owed any more.
    pub(super) fn note_settled(&mut self) {
        self.took = None;
    }

    /// An order has left.
    pub(super) fn note_order(&mut self, last: &Mark) {
        self.last_order = Some(*last);
    }
}

/// An order that acknowledged what was not captured by then, and may be the answer to that.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    /// When it left.
    pub(super) order: Mark,
    /// There was nothing else to answer.
    pub(super) is_answer: bool,
    /// The longest that it may have taken.
    pub(super) took: WireSpan,
}

impl Ahead {
    /// Whether it is taken for the answer to a message that came to light behind it.
    pub(super) fn answers(&mut self, late: &Mark) -> bool {
        self.took = match waited(late, &self.order) {
            Some(waited) if waited >= WireSpan::ZERO => self.took.max(waited),
            // Stamped behind it as well: its stamps are wrong by so much.
            Some(waited) if self.took > WireSpan::ZERO => self.took - waited,
            _ => OWED_MAX,
        };
        core::mem::take(&mut self.is_answer)
    }
}

/// Whether a message came so long before an order that no later one answers it.
pub(super) fn is_old(message: &Mark, order: &Mark) -> bool {
    waited(message, order).is_some_and(|waited| waited > OWED_MAX)
}

/// The longest that an order may have taken which is the answer to a message or to one behind it.
pub(super) fn took(message: &Mark, order: &Mark) -> WireSpan {
    let waited = waited(message, order).filter(|waited| *waited >= WireSpan::ZERO);
    // Stamps that are missing, or in a wrong order, do not tell.
    waited.unwrap_or(OWED_MAX)
}

fn waited(message: &Mark, order: &Mark) -> Option<WireSpan> {
    order.stamp.ok()?.since(&message.stamp.ok()?).ok()
}

/// What the stamp of a frame is cut off by at the most.
fn tick(of: &Mark, grains: &Grains) -> WireSpan {
    of.stamp.map_or(WireSpan::ZERO, |stamp| grains.tick((of.place.file, stamp.port)))
}
