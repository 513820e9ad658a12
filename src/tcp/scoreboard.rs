//! The segments in flight: when each left last, and what is known of it (RFC 6675 3, RFC 8985 5.2).
//!
//! A ring in the order of sequence numbers, which is the order of first sendings in time. What is
//! known of segments is summed as it changes, so that `pipe` is a subtraction; each question that an
//! ACK asks is answered from a cursor that moves on, or by halving: a hostile ACK cannot make work
//! that an honest one has not paid for.

use core::ops::Range;

use super::config::Config;
use super::plain::{In, Out, Plain};
use super::snapshot::SnapshotRefusal;
use crate::time::Instant;
use crate::wire::tcp::SeqNumber;

/// A place is kept for each so many bytes of send buffer. Where segments are shorter, new ones wait
/// at the limit and leave in fewer.
const SEGMENT_BYTES: usize = 128;
/// Segments in flight that every connection has places for.
const SEGMENTS_MIN: usize = 64;
/// And at most.
const SEGMENTS_MAX: usize = 1 << 14;

/// What is known of a segment, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks(u16);

impl Marks {
    const NONE: Marks = Marks(0);
    /// The peer holds it (RFC 2018).
    pub(super) const SACKED: Marks = Marks(1);
    /// It is taken for lost.
    pub(super) const LOST: Marks = Marks(2);
    /// It was sent again, and that sending is not taken for lost.
    pub(super) const AGAIN: Marks = Marks(4);
    /// It was sent again at some time.
    pub(super) const EVER_AGAIN: Marks = Marks(8);
    /// All of these bits.
    const ALL: u16 = 15;

    pub(super) fn has(self, mark: Marks) -> bool {
        self.0 & mark.0 != 0
    }

    fn with(self, mark: Marks) -> Marks {
        Marks(self.0 | mark.0)
    }

    fn without(self, mark: Marks) -> Marks {
        Marks(self.0 & !mark.0)
    }

    /// It is to be sent again.
    fn is_due(self) -> bool {
        self.has(Marks::LOST) && !self.has(Marks::AGAIN)
    }
}

/// A segment in flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) end: SeqNumber,
    pub(super) marks: Marks,
    /// Of one that is sacked: so many places on is the next that may not be.
    skip: u16,
    /// When it left last.
    pub(super) at: Instant,
}

/// RFC 8985 6.2: whether one segment left before another, the number deciding between two of one
/// moment. Of each: when it left, and where it ends.
pub(super) fn left_before(one: (Instant, SeqNumber), other: (Instant, SeqNumber)) -> bool {
    one.0 < other.0 || (one.0 == other.0 && one.1.is_before(other.1))
}

/// The first and the last of the segments that an ACK of what was sent once has covered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acked {
    pub(super) first_at: Instant,
    pub(super) last: Sent,
}

/// What is in flight on a connection. Places are numbers that go on, and wrap.
pub(super) struct Scoreboard {
    ring: Box<[Sent]>,
    head: u32,
    tail: u32,
    /// Segments that bear any mark.
    marked: u32,
    /// Bytes of those that are sacked, of those lost, and of those sent again.
    sacked_bytes: u32,
    lost_bytes: u32,
    again_bytes: u32,
    sacked_count: u32,
    /// Segments to be sent again, and the place of the first of them.
    due: u32,
    due_from: u32,
    /// How far the first of them went already, where it went in pieces.
    due_part: Option<SeqNumber>,
    /// First sendings before this place have been judged.
    judged_to: u32,
    /// Sendings that were not the first, in the order of time: place and time.
    again: Box<[(u32, Instant)]>,
    again_head: u32,
    again_tail: u32,
}

const NOTHING_SENT: Sent =
    Sent { end: SeqNumber(0), marks: Marks::NONE, skip: 0, at: Instant::ZERO };

impl Scoreboard {
    pub(super) fn new(config: &Config) -> Scoreboard {
        let places = config.send_buffer_bytes / SEGMENT_BYTES;
        if config.send_buffer_bytes == 0 {
            return Scoreboard::empty();
        }
        Scoreboard::with_places(places.clamp(SEGMENTS_MIN, SEGMENTS_MAX).next_power_of_two())
    }

    /// None at all: what stands in for one that is being moved.
    pub(super) fn empty() -> Scoreboard {
        Scoreboard::with_places(0)
    }

    fn with_places(places: usize) -> Scoreboard {
        Scoreboard {
            ring: vec![NOTHING_SENT; places].into_boxed_slice(),
            head: 0,
            tail: 0,
            marked: 0,
            sacked_bytes: 0,
            lost_bytes: 0,
            again_bytes: 0,
            sacked_count: 0,
            due: 0,
            due_from: 0,
            due_part: None,
            judged_to: 0,
            again: vec![(0, Instant::ZERO); places].into_boxed_slice(),
            again_head: 0,
            again_tail: 0,
        }
    }

    pub(super) fn clear(&mut self) {
        let (ring, again) = (core::mem::take(&mut self.ring), core::mem::take(&mut self.again));
        *self = Scoreboard { ring, again, ..Scoreboard::empty() };
    }

    /// Whether nothing is known of anything in flight but when it left.
    #[inline(always)]
    pub(super) fn is_clean(&self) -> bool {
        self.marked == 0
    }

    /// Whether no new segment has a place.
    #[inline(always)]
    pub(super) fn is_full(&self) -> bool {
        self.tail.wrapping_sub(self.head) as usize >= self.ring.len()
    }

    /// A segment leaves for the first time. There is a place for it.
    #[inline(always)]
    pub(super) fn push(&mut self, end: SeqNumber, at: Instant) {
        *self.at_mut(self.tail) = Sent { end, marks: Marks::NONE, skip: 0, at };
        self.tail = self.tail.wrapping_add(1);
    }

    /// The segment that was [pushed](Scoreboard::push) last never left.
    pub(super) fn take_back(&mut self) {
        self.tail = self.tail.wrapping_sub(1);
    }

    /// Everything up to `ack` has been acknowledged, and nothing [is marked](Scoreboard::is_clean).
    #[inline(always)]
    pub(super) fn pop_clean(&mut self, ack: SeqNumber) -> Option<Acked> {
        let mut place = self.head;
        let mut last = None;
        let first_at = self.ring.get(self.index(place))?.at;
        while place != self.tail {
            let sent = *self.at(place);
            if ack.is_before(sent.end) {
                break;
            }
            last = Some(sent);
            place = place.wrapping_add(1);
        }
        self.head = place;
        self.rewind();
        last.map(|last| Acked { first_at, last })
    }

    /// All that is in flight has been acknowledged, and nothing [is marked](Scoreboard::is_clean). Says when
    /// the first of it left.
    #[inline(always)]
    pub(super) fn pop_all_clean(&mut self) -> Option<Instant> {
        if self.head == self.tail {
            return None;
        }
        let first_at = self.at(self.head).at;
        (self.head, self.tail, self.judged_to) = (0, 0, 0);
        Some(first_at)
    }

    /// The same whatever is marked; each segment goes to `each` as it was. `una` is what was
    /// acknowledged before.
    pub(super) fn pop(&mut self, una: SeqNumber, ack: SeqNumber, mut each: impl FnMut(&Sent)) {
        let mut una = una;
        while self.head != self.tail {
            let sent = *self.at(self.head);
            if ack.is_before(sent.end) {
                break;
            }
            self.mark(self.head, una, Marks::NONE);
            each(&sent);
            una = sent.end;
            self.head = self.head.wrapping_add(1);
        }
        if self.head != self.tail {
            // A part of the first: its marks are of the rest.
            let marks = self.at(self.head).marks;
            let part = ack.since(una);
            self.sacked_bytes -= if marks.has(Marks::SACKED) { part } else { 0 };
            self.lost_bytes -= if marks.has(Marks::LOST) { part } else { 0 };
            self.again_bytes -= if marks.has(Marks::AGAIN) { part } else { 0 };
        }
        if self.marked == 0 {
            (self.again_head, self.again_tail) = (0, 0);
        }
        self.rewind();
    }

    /// With nothing in flight the first places serve again: they are near.
    #[inline(always)]
    fn rewind(&mut self) {
        if self.head == self.tail {
            (self.head, self.tail, self.judged_to) = (0, 0, 0);
        }
    }

    /// RFC 6675 4, SetPipe: what is in the network of `flight` bytes not acknowledged.
    #[inline]
    pub(super) fn pipe(&self, flight: u32) -> u32 {
        (flight - self.sacked_bytes - self.lost_bytes) + self.again_bytes
    }

    pub(super) fn sacked_bytes(&self) -> u32 {
        self.sacked_bytes
    }

    /// Bytes taken for lost.
    pub(super) fn lost_bytes(&self) -> u32 {
        self.lost_bytes
    }

    /// Of those that were sent again, what may still be in the network.
    pub(super) fn resent_bytes(&self) -> u32 {
        self.again_bytes
    }

    pub(super) fn sacked_count(&self) -> u32 {
        self.sacked_count
    }

    /// Whether anything is to be sent again.
    #[inline]
    pub(super) fn has_due(&self) -> bool {
        self.due > 0
    }

    /// How many segments are to be sent again.
    pub(super) fn due_count(&self) -> u32 {
        self.due
    }

    /// What is to be sent again first (RFC 6675 4, NextSeg, rule 1): a segment, or as many as follow each
    /// other and have room in one of `len_max`.
    pub(super) fn first_due(&self, una: SeqNumber, len_max: u32) -> Option<Range<SeqNumber>> {
        if self.due == 0 {
            return None;
        }
        let (start, mut end) = self.edges(self.due_from, una);
        let start = self.due_part.unwrap_or(start).later_of(start);
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
    pub(super) fn resend(&mut self, una: SeqNumber, end: SeqNumber, now: Instant) {
        while self.due > 0 && self.at(self.due_from).end.is_at_or_before(end) {
            self.send_again(self.due_from, una, now);
        }
        if self.due > 0 && self.edges(self.due_from, una).0.is_before(end) {
            self.due_part = Some(end);
        }
    }

    /// When the first segment left last; `None` if there is none.
    pub(super) fn first_sent_at(&self) -> Option<Instant> {
        (self.head != self.tail).then(|| self.at(self.head).at)
    }

    /// How long the first segment is that is not acknowledged, or what is left of it.
    pub(super) fn first_len(&self, una: SeqNumber) -> Option<u32> {
        (self.head != self.tail).then(|| self.at(self.head).end.since(una))
    }

    /// The last segment of all.
    pub(super) fn last(&self, una: SeqNumber) -> Option<Range<SeqNumber>> {
        if self.head == self.tail {
            return None;
        }
        let (start, end) = self.edges(self.tail.wrapping_sub(1), una);
        Some(start..end)
    }

    /// The last segment leaves again, to find out what became of it.
    pub(super) fn resend_last(&mut self, una: SeqNumber, now: Instant) {
        self.send_again(self.tail.wrapping_sub(1), una, now);
    }

    fn send_again(&mut self, place: u32, una: SeqNumber, now: Instant) {
        let marks = self.at(place).marks;
        self.mark(place, una, marks.with(Marks::AGAIN).with(Marks::EVER_AGAIN));
        self.at_mut(place).at = now;
        if self.again_tail.wrapping_sub(self.again_head) as usize == self.again.len() {
            // The oldest is left to the retransmission timer.
            self.again_head = self.again_head.wrapping_add(1);
        }
        let index = self.index(self.again_tail);
        self.again[index] = (place, now);
        self.again_tail = self.again_tail.wrapping_add(1);
    }

    /// The peer holds what lies in `block`, within what is in flight. Each segment of which that was
    /// not known goes to `each` as it was.
    pub(super) fn sack(
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

    /// RFC 8985 6.2, step 5: what left before the `latest` segment that has arrived, and has expired
    /// by now, is lost. Says when the next one expires, if one waits for that.
    pub(super) fn judge(
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
                && left_before((sent.at, sent.end), latest)
                && is_expired(sent.at).is_ok()
            {
                // It was found after all, and is lost again. Its time is out of order.
                self.lose(self.judged_to, una);
            }
            self.judged_to = self.judged_to.wrapping_add(1);
        }
        while self.again_head != self.again_tail {
            let (place, sent_at) = self.again[self.index(self.again_head)];
            let is_flying = place.wrapping_sub(self.head) < self.tail.wrapping_sub(self.head);
            let sent = if is_flying { *self.at(place) } else { NOTHING_SENT };
            if sent.marks.has(Marks::AGAIN) && sent.at == sent_at {
                if !left_before((sent.at, sent.end), latest) {
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
    pub(super) fn lose_first(&mut self, una: SeqNumber) {
        if self.head != self.tail {
            self.lose(self.head, una);
        }
    }

    /// All of it is lost but what the peer holds.
    pub(super) fn lose_all(&mut self, una: SeqNumber) {
        self.lose_where(una, |_| true);
    }

    /// The first segment, and those of which `is_lost` says so, are; but not what the peer holds.
    pub(super) fn lose_where(&mut self, una: SeqNumber, is_lost: impl Fn(&Sent) -> bool) {
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
            self.due_part = None;
        }
        let marks = self.at(place).marks;
        self.mark(place, una, marks.with(Marks::LOST).without(Marks::AGAIN));
        if place == self.due_from {
            // What of it went again is lost, too.
            self.due_part = None;
        }
    }

    /// Nothing is lost after all. What was sent again stays known as such.
    pub(super) fn find_all(&mut self, una: SeqNumber) {
        self.clear_mark(una, Marks::LOST);
    }

    /// The peer is not believed any more to hold anything (RFC 2018 8).
    pub(super) fn forget_sacked(&mut self, una: SeqNumber) {
        self.clear_mark(una, Marks::SACKED);
    }

    fn clear_mark(&mut self, una: SeqNumber, mark: Marks) {
        let mut place = self.head;
        while place != self.tail {
            let marks = self.at(place).marks;
            self.mark(place, una, marks.without(mark));
            place = place.wrapping_add(1);
        }
        self.judged_to = self.head;
    }

    /// Whether the first segment not acknowledged is one that the peer said it holds: it has let go
    /// of it, for else it had acknowledged it.
    pub(super) fn is_reneged_on(&self) -> bool {
        self.head != self.tail && self.at(self.head).marks.has(Marks::SACKED)
    }

    /// Changes what is known of a segment, and every sum with it. What the peer holds is neither lost
    /// nor on its way.
    fn mark(&mut self, place: u32, una: SeqNumber, marks: Marks) {
        let marks = if marks.has(Marks::SACKED) {
            marks.without(Marks::LOST).without(Marks::AGAIN)
        } else {
            marks
        };
        let before = core::mem::replace(&mut self.at_mut(place).marks, marks);
        let (start, end) = self.edges(place, una);
        let len = end.since(start);
        let move_sum = |sum: &mut u32, by: u32, had: bool, has: bool| match (had, has) {
            (false, true) => *sum += by,
            (true, false) => *sum -= by,
            _ => {}
        };
        let both = |mark| (before.has(mark), marks.has(mark));
        let (had, has) = both(Marks::SACKED);
        move_sum(&mut self.sacked_bytes, len, had, has);
        move_sum(&mut self.sacked_count, 1, had, has);
        let (had, has) = both(Marks::LOST);
        move_sum(&mut self.lost_bytes, len, had, has);
        let (had, has) = both(Marks::AGAIN);
        move_sum(&mut self.again_bytes, len, had, has);
        move_sum(&mut self.marked, 1, before != Marks::NONE, marks != Marks::NONE);
        let is_earlier = place.wrapping_sub(self.head) < self.due_from.wrapping_sub(self.head);
        if marks.is_due() && !before.is_due() && (self.due == 0 || is_earlier) {
            (self.due_from, self.due_part) = (place, None);
        }
        move_sum(&mut self.due, 1, before.is_due(), marks.is_due());
        while self.due > 0 && !self.at(self.due_from).marks.is_due() {
            self.due_part = None;
            self.due_from = self.due_from.wrapping_add(1);
        }
    }

    fn edges(&self, place: u32, una: SeqNumber) -> (SeqNumber, SeqNumber) {
        let start = if place == self.head { una } else { self.at(place.wrapping_sub(1)).end };
        (start, self.at(place).end)
    }

    #[inline(always)]
    fn index(&self, place: u32) -> usize {
        place as usize & self.ring.len().wrapping_sub(1)
    }

    #[inline(always)]
    fn at(&self, place: u32) -> &Sent {
        &self.ring[self.index(place)]
    }

    #[inline(always)]
    fn at_mut(&mut self, place: u32) -> &mut Sent {
        let index = self.index(place);
        &mut self.ring[index]
    }
}

impl Scoreboard {
    /// The segments in flight, one by one, and how far the first to be sent again went already.
    pub(super) fn put(&self, out: &mut Out<'_>, una: SeqNumber) {
        let count = self.tail.wrapping_sub(self.head);
        count.put(out);
        for offset in 0..count {
            let sent = self.at(self.head.wrapping_add(offset));
            (sent.end, (sent.at, sent.marks.0)).put(out);
        }
        let is_left =
            |part: &SeqNumber| self.due > 0 && self.edges(self.due_from, una).0.is_before(*part);
        self.due_part.filter(is_left).put(out);
    }

    /// Reads them. What is summed is summed anew, and first sendings are judged anew.
    pub(super) fn take(
        &mut self,
        from: &mut In<'_>,
        una: SeqNumber,
    ) -> Result<(), SnapshotRefusal> {
        self.clear();
        let count = from.take_count(14)?;
        if count > self.ring.len() {
            return Err(SnapshotRefusal::BuffersTooSmall);
        }
        let mut start = una;
        for place in 0..count as u32 {
            let (end, (at, bits)): (SeqNumber, (Instant, u16)) = Plain::take(from)?;
            // Sums are of half the circle at most.
            let is_behind = start.is_before(end) && end.since(una) < 1 << 31;
            if !is_behind || bits > Marks::ALL {
                return Err(SnapshotRefusal::Malformed);
            }
            self.push(end, at);
            self.mark(place, una, Marks(bits));
            if self.at(place).marks.has(Marks::SACKED) {
                self.at_mut(place).skip = 1;
            }
            start = end;
        }
        self.due_part = Plain::take(from)?;
        let is_within = |part: &SeqNumber| {
            let (start, end) = self.edges(self.due_from, una);
            self.due > 0 && start.is_before(*part) && part.is_before(end)
        };
        if !self.due_part.as_ref().is_none_or(is_within) {
            return Err(SnapshotRefusal::Malformed);
        }
        self.restore_again();
        Ok(())
    }

    /// Notes all that was sent again in the order of time.
    fn restore_again(&mut self) {
        let mut count = 0;
        for place in 0..self.tail {
            let sent = *self.at(place);
            if sent.marks.has(Marks::AGAIN) {
                self.again[count] = (place, sent.at);
                count += 1;
            }
        }
        self.again[..count].sort_unstable_by_key(|(_, at)| *at);
        self.again_tail = count as u32;
    }

    /// Whether what is in flight is all from `una` to `nxt`.
    pub(super) fn spans(&self, una: SeqNumber, nxt: SeqNumber) -> bool {
        self.last(una).map_or(una, |last| last.end) == nxt
    }
}

#[cfg(test)]
impl Scoreboard {
    /// What is in flight, one by one: where it ends, and its marks.
    pub(super) fn segments(&self) -> Vec<(SeqNumber, Marks)> {
        let count = self.tail.wrapping_sub(self.head);
        let places = (0..count).map(|offset| self.head.wrapping_add(offset));
        places.map(|place| (self.at(place).end, self.at(place).marks)).collect()
    }
}

#[cfg(test)]
mod tests;
