//! The segments in flight: when each left last, and what is known of it (RFC 6675 3, RFC 8985 5.2).
//!
//! A ring in the order of sequence numbers, which is the order of first sendings in time. What is
//! known of segments is summed as it changes, so that `pipe` is a subtraction; each question that an
//! ACK asks is answered from a cursor that moves on, or by halving. A peer that takes back what it said makes work
//! for all that is in flight, and may do so a few times for each window (`second_looks`).

pub(super) use first::Sending;
pub(super) use marks::{Marks, Sent, left_before};
#[cfg(test)]
pub(super) use steps::take_steps;

use core::ops::Range;

use super::config::Config;
use crate::time::Instant;
use crate::wire::tcp::SeqNumber;
use first::First;
use marks::NOTHING_SENT;
use steps::step;

mod due;
mod first;
mod image;
mod lost;
mod marks;
mod resent;
mod sacked;
mod steps;

/// A place is kept for each so many bytes of send buffer. Where segments are shorter, new ones wait
/// at the limit and leave in fewer.
const SEGMENT_BYTES: usize = 128;
/// Segments in flight that every connection has places for.
const SEGMENTS_MIN: usize = 64;
/// And at most.
const SEGMENTS_MAX: usize = 1 << 14;
const _: () = assert!(SEGMENTS_MAX <= u16::MAX as usize);

/// The first and the last of the segments that an ACK of what was sent once has covered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acked {
    pub(super) first_at: Instant,
    pub(super) last: Sent,
}

/// What is in flight on a connection. Places are numbers that go on, and wrap.
#[repr(C)]
pub(super) struct Scoreboard {
    /// The first of the ring's places, in which nearly every segment lies that is alone.
    near: Sent,
    /// The ring: what is at its first place is not looked at.
    ring: Box<[Sent]>,
    // In one word, the tail below, and looked at together.
    tail: u32,
    head: u32,
    /// Bytes of those that are sacked, of those lost, and of those sent again.
    sacked_bytes: u32,
    lost_bytes: u32,
    again_bytes: u32,
    /// Segments that bear any mark, those that are sacked, and those to be sent again.
    marked: u16,
    sacked_count: u16,
    due: u16,
    /// [`due_part`](Scoreboard::due_part) is meant.
    has_due_part: bool,
    /// The place of the first that is to be sent again.
    due_from: u32,
    /// How far it went already, where it went in pieces.
    due_part: SeqNumber,
    /// First sendings before this place have been judged.
    judged_to: u32,
    again_head: u32,
    again_tail: u32,
    /// A second ring, of what is written only where something is sent again.
    again: Box<[Again]>,
}

/// What has a place beside each segment's, where something is sent again.
#[derive(Clone, Copy)]
struct Again {
    /// Of the sendings that were not the first, in the order of time, one: when.
    at: Instant,
    /// When the segment left first that lies in this place, if it left again.
    first: First,
    /// Of that sending: which segment's.
    place: u32,
    /// Of as many places as there are bits, counted from the first: which are to be sent again.
    due: u32,
}

const NOTHING_AGAIN: Again = Again { at: Instant::ZERO, first: First::NOTHING, place: 0, due: 0 };

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
            near: NOTHING_SENT,
            ring: vec![NOTHING_SENT; places].into_boxed_slice(),
            head: 0,
            tail: 0,
            sacked_bytes: 0,
            lost_bytes: 0,
            again_bytes: 0,
            marked: 0,
            sacked_count: 0,
            due: 0,
            has_due_part: false,
            due_from: 0,
            due_part: SeqNumber(0),
            judged_to: 0,
            again_head: 0,
            again_tail: 0,
            again: vec![NOTHING_AGAIN; places].into_boxed_slice(),
        }
    }

    pub(super) fn clear(&mut self) {
        if self.due > 0 {
            self.clear_due();
        }
        let (ring, again) = (core::mem::take(&mut self.ring), core::mem::take(&mut self.again));
        *self = Scoreboard { ring, again, ..Scoreboard::empty() };
    }

    /// Whether nothing is known of anything in flight but when it left.
    #[inline(always)]
    pub(super) fn is_clean(&self) -> bool {
        self.marked == 0
    }

    /// Whether nothing is in flight, and the first places serve next.
    pub(super) fn is_empty(&self) -> bool {
        (self.head, self.tail) == (0, 0)
    }

    /// Whether no new segment has a place.
    #[inline(always)]
    pub(super) fn is_full(&self) -> bool {
        self.tail.wrapping_sub(self.head) as usize >= self.ring.len()
    }

    /// A segment leaves for the first time. There is a place for it.
    #[inline]
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
        let first_at = self.at(place).at;
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

    /// All that is in flight has been acknowledged, and nothing [is marked](Scoreboard::is_clean).
    #[inline(always)]
    pub(super) fn clear_clean(&mut self) {
        (self.head, self.tail, self.judged_to) = (0, 0, 0);
    }

    /// Whether one segment is in flight, and no more, and lies at the first place, as one does that left with nothing
    /// before it.
    #[inline(always)]
    pub(super) fn is_one(&self) -> bool {
        u64::from(self.head) << 32 | u64::from(self.tail) == 1
    }

    /// When the first segment left last, where something is in flight.
    #[cold]
    #[inline(never)]
    pub(super) fn first_of_few(&self) -> Instant {
        debug_assert!(self.head != self.tail);
        self.at(self.head).at
    }

    /// Whether two more segments have places at least, none of which wraps.
    #[inline(always)]
    pub(super) fn takes_few(&self) -> bool {
        (self.tail as usize) + 1 < self.ring.len()
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
        u32::from(self.sacked_count)
    }

    /// When the first segment left last; `None` if there is none.
    #[inline(always)]
    pub(super) fn first_sent_at(&self) -> Option<Instant> {
        if self.head == self.tail {
            return None;
        }
        Some(self.at(self.head).at)
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

    fn clear_mark(&mut self, una: SeqNumber, mark: Marks) {
        let mut place = self.head;
        while place != self.tail {
            let marks = self.at(place).marks;
            self.mark(place, una, marks.without(mark));
            place = place.wrapping_add(1);
        }
        self.judged_to = self.head;
    }

    /// Changes what is known of a segment, and every sum with it. What the peer holds is neither lost
    /// nor on its way.
    fn mark(&mut self, place: u32, una: SeqNumber, marks: Marks) {
        let marks = if marks.has(Marks::SACKED) {
            marks.without(Marks::LOST).without(Marks::AGAIN)
        } else {
            marks
        };
        step();
        let before = core::mem::replace(&mut self.at_mut(place).marks, marks);
        let (start, end) = self.edges(place, una);
        let len = end.since(start);
        let move_sum = |sum: &mut u32, had: bool, has: bool| match (had, has) {
            (false, true) => *sum += len,
            (true, false) => *sum -= len,
            _ => {}
        };
        let move_count = |count: &mut u16, had: bool, has: bool| match (had, has) {
            (false, true) => *count += 1,
            (true, false) => *count -= 1,
            _ => {}
        };
        let both = |mark| (before.has(mark), marks.has(mark));
        let (had, has) = both(Marks::SACKED);
        move_sum(&mut self.sacked_bytes, had, has);
        move_count(&mut self.sacked_count, had, has);
        let (had, has) = both(Marks::LOST);
        move_sum(&mut self.lost_bytes, had, has);
        let (had, has) = both(Marks::AGAIN);
        move_sum(&mut self.again_bytes, had, has);
        move_count(&mut self.marked, before != Marks::NONE, marks != Marks::NONE);
        let is_earlier = place.wrapping_sub(self.head) < self.due_from.wrapping_sub(self.head);
        if marks.is_due() && !before.is_due() && (self.due == 0 || is_earlier) {
            (self.due_from, self.has_due_part) = (place, false);
        }
        if before.is_due() != marks.is_due() {
            move_count(&mut self.due, before.is_due(), marks.is_due());
            self.set_due(place, marks.is_due());
        }
        if self.due > 0 && !self.at(self.due_from).marks.is_due() {
            self.has_due_part = false;
            self.due_from = self.next_due(self.due_from);
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
        let index = self.index(place);
        if index == 0 { &self.near } else { &self.ring[index] }
    }

    #[inline(always)]
    fn at_mut(&mut self, place: u32) -> &mut Sent {
        let index = self.index(place);
        if index == 0 { &mut self.near } else { &mut self.ring[index] }
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
