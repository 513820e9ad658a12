//! What the peer says that it holds (RFC 2018).

use super::{Marks, Scoreboard, Sent, step};
use crate::wire::tcp::SeqNumber;

impl Scoreboard {
    /// The peer holds what lies in `block`, within what is in flight. Each segment of which that was
    /// not known goes to `each` as it was.
    pub(in crate::tcp) fn sack(
        &mut self,
        una: SeqNumber,
        block: (SeqNumber, SeqNumber),
        mut each: impl FnMut(&Sent),
    ) {
        let mut place = self.place_of(una, block.0);
        if place != self.tail && self.edges(place, una).0.is_before(block.0) {
            place = place.wrapping_add(1);
        }
        loop {
            place = self.next_not_sacked(place);
            if place == self.tail || block.1.is_before(self.at(place).end) {
                return;
            }
            let sent = *self.at(place);
            self.mark(place, una, sent.marks.with(Marks::SACKED));
            self.at_mut(place).skip = 1;
            each(&sent);
        }
    }

    /// The first place from `place` on that is not sacked. Paths are halved: what has been walked
    /// once is not walked again.
    fn next_not_sacked(&mut self, mut place: u32) -> u32 {
        while place != self.tail && self.at(place).marks.has(Marks::SACKED) {
            step();
            let sent = *self.at(place);
            let next = place.wrapping_add(u32::from(sent.skip));
            if next != self.tail && self.at(next).marks.has(Marks::SACKED) {
                let both = sent.skip.saturating_add(self.at(next).skip);
                self.at_mut(place).skip = both;
                place = place.wrapping_add(u32::from(both));
            } else {
                place = next;
            }
        }
        place
    }

    /// The place of the segment that `at` lies in, by halving.
    fn place_of(&self, una: SeqNumber, at: SeqNumber) -> u32 {
        let offset = at.since(una);
        let (mut from, mut count) = (self.head, self.tail.wrapping_sub(self.head));
        while count > 0 {
            let half = count / 2;
            let middle = from.wrapping_add(half);
            if self.at(middle).end.since(una) <= offset {
                from = middle.wrapping_add(1);
                count -= half + 1;
            } else {
                count = half;
            }
        }
        from
    }

    /// The peer is not believed any more to hold anything (RFC 2018 5).
    pub(in crate::tcp) fn forget_sacked(&mut self, una: SeqNumber) {
        self.clear_mark(una, Marks::SACKED);
    }

    /// Whether the first segment not acknowledged is one that the peer said it holds: it has let go
    /// of it, for else it had acknowledged it.
    pub(in crate::tcp) fn is_reneged_on(&self) -> bool {
        self.head != self.tail && self.at(self.head).marks.has(Marks::SACKED)
    }
}
