//! What is in flight, written into a snapshot and read out of one.

use super::first::First;
use super::{Marks, Scoreboard};
use crate::tcp::codec::{Codec, In, Out};
use crate::tcp::snapshot::SnapshotRefusal;
use crate::time::Instant;
use crate::wire::tcp::SeqNumber;

impl Scoreboard {
    /// The segments in flight, one by one, and how far the first to be sent again went already.
    pub(in crate::tcp) fn put(&self, out: &mut Out<'_>, una: SeqNumber) {
        let count = self.tail.wrapping_sub(self.head);
        count.put(out);
        for offset in 0..count {
            let place = self.head.wrapping_add(offset);
            let sent = self.at(place);
            (sent.end, (sent.at, sent.marks.0)).put(out);
            if sent.marks.has(Marks::EVER_AGAIN) {
                let first = self.sending_at(place);
                (first.is_again, first.first_at).put(out);
            }
        }
        let is_left =
            |part: &SeqNumber| self.due > 0 && self.edges(self.due_from, una).0.is_before(*part);
        self.due_part().filter(is_left).put(out);
    }

    /// Reads them. What is summed is summed anew, and first sendings are judged anew.
    pub(in crate::tcp) fn take(
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
            let end = SeqNumber::take(from)?;
            let (at, is_told) = from.take_time()?;
            let bits = u16::take(from)?;
            // Sums are of half the circle at most.
            let is_behind = start.is_before(end) && end.since(una) < 1 << 31;
            if !is_behind || bits > Marks::ALL {
                return Err(SnapshotRefusal::Malformed);
            }
            self.push(end, at);
            let marks = Marks(bits);
            let first = if marks.has(Marks::EVER_AGAIN) {
                take_first(from, at)?
            } else {
                First::ONCE_UNTOLD
            };
            let index = self.index(place);
            self.again[index].first = first;
            // One that left before the clock began measures no round trip, like one that left twice.
            self.mark(place, una, if is_told { marks } else { marks.with(Marks::EVER_AGAIN) });
            if self.at(place).marks.has(Marks::SACKED) {
                self.at_mut(place).skip = 1;
            }
            start = end;
        }
        let due_part: Option<SeqNumber> = Codec::take(from)?;
        let is_within = |part: &SeqNumber| {
            let (start, end) = self.edges(self.due_from, una);
            self.due > 0 && start.is_before(*part) && part.is_before(end)
        };
        if !due_part.as_ref().is_none_or(is_within) {
            return Err(SnapshotRefusal::Malformed);
        }
        (self.due_part, self.has_due_part) = (due_part.unwrap_or(una), due_part.is_some());
        self.restore_again();
        Ok(())
    }

    /// Notes all that was sent again in the order of time.
    fn restore_again(&mut self) {
        let mut sendings = Vec::new();
        for place in 0..self.tail {
            let sent = *self.at(place);
            if sent.marks.has(Marks::AGAIN) {
                sendings.push((sent.at, place));
            }
        }
        sendings.sort_unstable();
        self.again_tail = sendings.len() as u32;
        for (each, (at, place)) in self.again.iter_mut().zip(sendings) {
            (each.at, each.place) = (at, place);
        }
    }

    /// Whether what is in flight is all from `una` to `nxt`.
    pub(in crate::tcp) fn spans(&self, una: SeqNumber, nxt: SeqNumber) -> bool {
        self.last(una).map_or(una, |last| last.end) == nxt
    }
}

/// When a segment left first that left `at` again, or before some clock began.
fn take_first(from: &mut In<'_>, at: Instant) -> Result<First, SnapshotRefusal> {
    let (is_again, has_time) = <(bool, bool) as Codec>::take(from)?;
    let untold = if is_again { First::UNTOLD } else { First::ONCE_UNTOLD };
    if !has_time {
        return Ok(untold);
    }
    let (first_at, is_told) = from.take_time()?;
    // What left once has its time elsewhere, and nothing leaves again before it left.
    if !is_again || first_at > at {
        return Err(SnapshotRefusal::Malformed);
    }
    Ok(if is_told { First::at(first_at) } else { untold })
}
