//! What is to be sent again, and leaves again.

use core::ops::Range;

use super::{Marks, Scoreboard};
use crate::time::Instant;
use crate::wire::tcp::SeqNumber;

impl Scoreboard {
    /// Whether anything is to be sent again.
    #[inline]
    pub(in crate::tcp) fn has_due(&self) -> bool {
        self.due > 0
    }

    /// How many segments are to be sent again.
    pub(in crate::tcp) fn due_count(&self) -> u32 {
        u32::from(self.due)
    }

    /// How far the first of them went already, where it went in pieces.
    pub(super) fn due_part(&self) -> Option<SeqNumber> {
        self.has_due_part.then_some(self.due_part)
    }

    /// What is to be sent again first (RFC 6675 4, NextSeg, rule 1): a segment, or as many as follow each
    /// other and have room in one of `len_max`.
    pub(in crate::tcp) fn first_due(
        &self,
        una: SeqNumber,
        len_max: u32,
    ) -> Option<Range<SeqNumber>> {
        if self.due == 0 {
            return None;
        }
        let (start, mut end) = self.edges(self.due_from, una);
        let start = self.due_part().unwrap_or(start).later_of(start);
        let mut place = self.due_from.wrapping_add(1);
        while place != self.tail {
            let next = self.at(place);
            if !next.marks.is_due() || next.end.since(start) > len_max {
                break;
            }
            end = next.end;
            place = place.wrapping_add(1);
        }
        Some(start..end)
    }

    /// What is [due first](Scoreboard::first_due) leaves, up to `end`.
    pub(in crate::tcp) fn resend(&mut self, una: SeqNumber, end: SeqNumber, now: Instant) {
        while self.due > 0 && self.at(self.due_from).end.is_at_or_before(end) {
            self.send_again(self.due_from, una, now);
        }
        if self.due > 0 && self.edges(self.due_from, una).0.is_before(end) {
            // Which sending an ACK answers nobody knows from here on (RFC 6298 3).
            let place = self.due_from;
            self.note_first(place);
            let marks = self.at(place).marks;
            self.mark(place, una, marks.with(Marks::EVER_AGAIN));
            (self.due_part, self.has_due_part) = (end, true);
        }
    }

    /// The last segment leaves again, to find out what became of it.
    pub(in crate::tcp) fn resend_last(&mut self, una: SeqNumber, now: Instant) {
        self.send_again(self.tail.wrapping_sub(1), una, now);
    }

    /// A byte of the first segment leaves again, to ask about the window: which of the two an ACK answers
    /// nobody knows from here on (RFC 6298 3).
    pub(in crate::tcp) fn note_probed(&mut self, una: SeqNumber, now: Instant) {
        if self.head != self.tail {
            self.note_first(self.head);
            let marks = self.at(self.head).marks;
            self.mark(self.head, una, marks.with(Marks::EVER_AGAIN));
            self.at_mut(self.head).at = now;
        }
    }

    fn send_again(&mut self, place: u32, una: SeqNumber, now: Instant) {
        self.note_first(place);
        let marks = self.at(place).marks;
        self.mark(place, una, marks.with(Marks::AGAIN).with(Marks::EVER_AGAIN));
        self.at_mut(place).at = now;
        if self.again_tail.wrapping_sub(self.again_head) as usize == self.again.len() {
            // The oldest is left to the retransmission timer.
            self.again_head = self.again_head.wrapping_add(1);
        }
        let index = self.index(self.again_tail);
        (self.again[index].place, self.again[index].at) = (place, now);
        self.again_tail = self.again_tail.wrapping_add(1);
    }
}
