//! What is taken for lost (RFC 8985 6.2), and is not after all.

use super::{Again, Marks, NOTHING_SENT, Scoreboard, Sent, left_before, step};
use crate::time::{Duration, Instant};
use crate::wire::tcp::SeqNumber;

impl Scoreboard {
    /// RFC 8985 6.2, step 5: what left before the `latest` segment that has arrived, and has expired
    /// by now, is lost. Says when the next one expires, if one waits for that.
    ///
    /// Of two of one moment the lower number left first where both were new. What goes again may have gone behind
    /// something new, so that it must have left at a moment before: whoever takes several frames in at one reading of
    /// the clock lets much out in one moment.
    pub(in crate::tcp) fn judge(
        &mut self,
        una: SeqNumber,
        latest: (Instant, SeqNumber),
        is_expired: impl Fn(Instant) -> Result<(), Instant>,
    ) -> Option<Instant> {
        let mut next = None;
        if self.judged_to.wrapping_sub(self.head) > self.tail.wrapping_sub(self.head) {
            self.judged_to = self.head;
        }
        while self.judged_to != self.tail {
            step();
            let sent = *self.at(self.judged_to);
            if sent.marks == Marks::NONE {
                if !left_before((sent.at, sent.end), latest) {
                    break;
                }
                if let Err(then) = is_expired(sent.at) {
                    next = Some(then);
                    break;
                }
                self.lose(self.judged_to, una);
            } else if sent.marks == Marks::EVER_AGAIN
                && sent.at < latest.0
                && is_expired(sent.at).is_ok()
            {
                // It was found after all, and is lost again. Its time is out of order.
                self.lose(self.judged_to, una);
            }
            self.judged_to = self.judged_to.wrapping_add(1);
        }
        while self.again_head != self.again_tail {
            step();
            let Again { place, at: sent_at, .. } = self.again[self.index(self.again_head)];
            let is_flying = place.wrapping_sub(self.head) < self.tail.wrapping_sub(self.head);
            let sent = if is_flying { *self.at(place) } else { NOTHING_SENT };
            if sent.marks.has(Marks::AGAIN) && sent.at == sent_at {
                if sent.at >= latest.0 {
                    break;
                }
                if let Err(then) = is_expired(sent.at) {
                    next = Some(next.map_or(then, |next: Instant| next.min(then)));
                    break;
                }
                self.lose(place, una);
            }
            self.again_head = self.again_head.wrapping_add(1);
        }
        next
    }

    /// The first segment is lost.
    pub(in crate::tcp) fn lose_first(&mut self, una: SeqNumber) {
        if self.head != self.tail {
            self.lose(self.head, una);
        }
    }

    /// All of it is lost but what the peer holds.
    pub(in crate::tcp) fn lose_all(&mut self, una: SeqNumber) {
        self.lose_where(una, |_| true);
    }

    /// Those that left last are lost, as far back as nothing is known of them: each is looked at once, for it is marked
    /// then. Says whether there is any.
    pub(in crate::tcp) fn lose_new(&mut self, una: SeqNumber) -> bool {
        let mut place = self.tail;
        while place != self.head && self.at(place.wrapping_sub(1)).marks == Marks::NONE {
            place = place.wrapping_sub(1);
            self.lose(place, una);
        }
        place != self.tail
    }

    /// Whether the first segment is to be sent again, or was, and that not as long ago as `rto`.
    pub(in crate::tcp) fn is_first_again_within(&self, rto: Duration, now: Instant) -> bool {
        if self.head == self.tail {
            return false;
        }
        let sent = self.at(self.head);
        sent.marks.is_due() || (sent.marks.has(Marks::EVER_AGAIN) && now - sent.at < rto)
    }

    /// The first segment, and those of which `is_lost` says so, are; but not what the peer holds.
    pub(in crate::tcp) fn lose_where(&mut self, una: SeqNumber, is_lost: impl Fn(&Sent) -> bool) {
        let mut place = self.head;
        while place != self.tail {
            let sent = *self.at(place);
            if !sent.marks.has(Marks::SACKED) && (place == self.head || is_lost(&sent)) {
                self.lose(place, una);
            }
            place = place.wrapping_add(1);
        }
    }

    fn lose(&mut self, place: u32, una: SeqNumber) {
        if place == self.due_from {
            // A part of it that went again is lost as well.
            self.has_due_part = false;
        }
        let marks = self.at(place).marks;
        self.mark(place, una, marks.with(Marks::LOST).without(Marks::AGAIN));
    }

    /// Nothing is lost after all. What was sent again stays known as such.
    pub(in crate::tcp) fn find_all(&mut self, una: SeqNumber) {
        self.clear_mark(una, Marks::LOST);
    }
}
