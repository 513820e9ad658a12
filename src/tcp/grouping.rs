//! What shares a segment, where the application says more than what it commits: a segment that ends though
//! more could follow in it, and bytes that wait for more though they could leave.
//!
//! Both are seldom asked for: whoever does leaves the short way out until the peer has acknowledged it.

use super::codec::{Codec, In, Out, codec};
use super::connection::Connection;
use super::counters::Count;
use super::event::ConnectionId;
use super::snapshot::SnapshotRefusal;
use super::stack::Stack;
use crate::time::Instant;
use crate::wire::tcp::SeqNumber;

/// Ends that are not acknowledged, at most; beyond them what follows may share a segment.
const ENDS_MAX: usize = 16;

/// They are a list of places in the send buffer, of so many bytes.
pub(super) const ENDS_LEN: usize = size_of::<[SeqNumber; ENDS_MAX]>();

/// What a connection was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grouping {
    /// Where segments end, in order.
    ends: [SeqNumber; ENDS_MAX],
    len: u8,
    unpushed: Option<Unpushed>,
}

/// The last bytes of the stream, which the application has not pushed (RFC 9293 3.9.1.2).
#[derive(Clone, Copy, Debug)]
struct Unpushed {
    /// Where the stream ended then: what is committed since pushes them.
    end: SeqNumber,
    /// What was acknowledged then: an ACK of more lets them leave.
    una: SeqNumber,
    waits: bool,
}

impl Grouping {
    pub(super) const NONE: Grouping =
        Grouping { ends: [SeqNumber(0); ENDS_MAX], len: 0, unpushed: None };

    /// Whether anything was asked for, as far as is known.
    pub(super) fn is_asked_for(&self) -> bool {
        self.len > 0 || self.unpushed.is_some()
    }

    fn ends(&self) -> &[SeqNumber] {
        &self.ends[..usize::from(self.len)]
    }

    /// Says whether there was a place.
    fn add(&mut self, end: SeqNumber) -> bool {
        if self.ends().last() == Some(&end) {
            return true;
        }
        let Some(place) = self.ends.get_mut(usize::from(self.len)) else { return false };
        *place = end;
        self.len += 1;
        true
    }

    /// Ends up to `una` are acknowledged.
    fn forget(&mut self, una: SeqNumber) {
        let over = self.ends().iter().take_while(|end| end.is_at_or_before(una)).count();
        self.ends.copy_within(over..usize::from(self.len), 0);
        self.len -= over as u8;
    }

    /// How many of the `len` bytes from `seq` on lie before the next end.
    fn before_next(&self, seq: SeqNumber, len: u32) -> u32 {
        let ahead = self.ends().iter().map(|end| end.since(seq)).filter(|by| (1..len).contains(by));
        ahead.min().unwrap_or(len)
    }
}

codec!(Unpushed { end, una, waits });

impl Codec for Grouping {
    fn put(&self, out: &mut Out<'_>) {
        u32::from(self.len).put(out);
        self.ends().iter().for_each(|end| end.put(out));
        self.unpushed.put(out);
    }

    fn take(from: &mut In<'_>) -> Result<Grouping, SnapshotRefusal> {
        let mut grouping = Grouping::NONE;
        for _ in 0..from.take_count(size_of::<u32>())? {
            if !grouping.add(Codec::take(from)?) {
                return Err(SnapshotRefusal::Malformed);
            }
        }
        grouping.unpushed = Codec::take(from)?;
        Ok(grouping)
    }
}

impl Connection {
    /// Whether segments end where the stream has bytes, in order.
    pub(super) fn has_sound_grouping(&self) -> bool {
        let spans = self.apart.grouping.ends().iter().map(|end| end.since(self.snd_una));
        spans.clone().is_sorted() && spans.clone().all(|span| span <= self.send.len() as u32)
    }

    /// How many of the `len` bytes from `seq` on may share a segment.
    pub(super) fn together(&self, seq: SeqNumber, len: u32) -> u32 {
        if self.is_grouped { self.apart.grouping.before_next(seq, len) } else { len }
    }

    /// Whether nothing that follows `end` may share a segment with what is before it.
    pub(super) fn ends_at(&self, end: SeqNumber) -> bool {
        self.is_grouped && self.apart.grouping.ends().contains(&end)
    }

    /// Whether the last bytes of the stream were not pushed.
    pub(super) fn is_unpushed(&self) -> bool {
        self.is_grouped
            && self.apart.grouping.unpushed.is_some_and(|it| it.end == self.stream_end())
    }

    /// Whether less than a full segment of them waits for more.
    pub(super) fn awaits_bytes(&self) -> bool {
        let waits = |it: Unpushed| it.waits && it.una == self.snd_una;
        self.is_unpushed() && self.apart.grouping.unpushed.is_some_and(waits)
    }

    /// Forgets what is over, with the books.
    pub(super) fn settle_grouping(&mut self) {
        if !self.is_grouped {
            return;
        }
        let is_unpushed = self.is_unpushed() && self.send.len() > 0;
        let una = self.snd_una;
        let grouping = &mut self.apart.grouping;
        grouping.unpushed = grouping.unpushed.filter(|_| is_unpushed);
        grouping.forget(una);
        self.is_grouped = grouping.is_asked_for();
    }
}

impl Stack {
    /// What was committed so far and what will be never share a segment, sent again or not: the next commit
    /// begins a segment of its own. That holds for 16 places in what is not acknowledged; one beyond them is
    /// counted (`tcp_segment_ends_full`).
    pub fn end_segment(&mut self, now: Instant, id: ConnectionId) {
        self.on(now, id, |stack, index| {
            stack.step(index, |connection, cx| {
                let end = connection.stream_end();
                if connection.send.len() == 0 {
                    return;
                }
                connection.settle_grouping();
                if connection.apart.grouping.add(end) {
                    connection.is_grouped = true;
                } else {
                    cx.count(Count::SegmentEndsFull);
                }
            });
        });
    }

    /// What was committed last is not pushed (RFC 9293 3.9.1.2): less than a full segment of it waits for the
    /// next commit, for the ACK of anything before it, or for a retransmission timeout at most, and PSH is not
    /// set at its end. To be called between a commit and [`poll_transmit`](Stack::poll_transmit).
    pub fn await_commit(&mut self, now: Instant, id: ConnectionId) {
        self.on(now, id, |stack, index| {
            stack.step(index, |connection, _| {
                if connection.send.len() > 0 {
                    let (end, una) = (connection.stream_end(), connection.snd_una);
                    connection.apart.grouping.unpushed = Some(Unpushed { end, una, waits: true });
                    connection.is_grouped = true;
                }
            });
        });
    }

    /// What [waits](Stack::await_commit) for a commit leaves without one; `pushes` says whether PSH is set at its end.
    pub fn let_leave(&mut self, now: Instant, id: ConnectionId, pushes: bool) {
        self.on(now, id, |stack, index| {
            stack.step(index, |connection, _| {
                let unpushed = &mut connection.apart.grouping.unpushed;
                *unpushed = unpushed.filter(|_| !pushes).map(|it| Unpushed { waits: false, ..it });
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_before_an_end_is_counted_across_the_wrap_and_what_is_acknowledged_forgotten() {
        let mut grouping = Grouping::NONE;
        let start = SeqNumber(u32::MAX - 9);
        for by in [5, 20, 20] {
            assert!(grouping.add(start + by));
        }
        for (from, len, before) in [(0, 100, 5), (5, 100, 15), (3, 2, 2), (20, 100, 100)] {
            assert_eq!(grouping.before_next(start + from, len), before, "{from}");
        }
        grouping.forget(start + 19);
        assert_eq!(grouping.ends(), [start + 20]);
    }

    #[test]
    fn no_more_ends_are_kept_than_there_are_places() {
        let mut grouping = Grouping::NONE;
        let added = (1..=20).filter(|by| grouping.add(SeqNumber(*by))).count();
        assert_eq!(added, ENDS_MAX);
    }
}
