//! The short way of segments that come ahead of their turn, of those that go into the hole before what is held, and of
//! the ACKs that tell of that. Whatever does not fit changes nothing here and goes the long way, which does the same and
//! knows more.

use crate::tcp::arrival::Arrival;
use crate::tcp::connection::Connection;
use crate::tcp::counters::Count;
use crate::tcp::event::ConnectionId;
use crate::tcp::poll::{Rest, RestHeader, RestKind};
use crate::tcp::predict::Heard;
use crate::tcp::stack::Stack;
use crate::time::Instant;
use crate::wire::stamped::Stamped;
use crate::wire::tcp::{Flags, SackBlocks, SeqNumber};

/// How a segment was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Took {
    /// It is held.
    Ahead,
    /// It is next, and nothing is yet that is held.
    Fresh,
    /// It is next, and so is what was held behind it.
    Joined,
}

impl Connection {
    /// Whether a segment is plain but for its place: nobody marked it, it acknowledges something in flight if anything,
    /// and has so many bytes, `ahead` of what is next, that all have room.
    #[inline(always)]
    fn is_plain_but_ahead(&self, segment: &impl Heard, ahead: u32, len: u32) -> bool {
        debug_assert!(!self.holds_plainly || self.plainness().1, "the books are behind");
        let flight = self.flight();
        self.holds_plainly
            && len > 0
            && segment.flags().0 | Flags::PSH.0 == Flags::ACK.0 | Flags::PSH.0
            && segment.is_bare()
            && segment.ack().since(self.snd_una) <= flight
            && u64::from(ahead) + u64::from(len) <= u64::from(self.rcv_wnd())
            && self.send.len() as u32 == flight
            && segment.stamp().is_some_and(|stamp| self.stamps.is_current(stamp))
    }

    /// Takes in the bytes of a segment that comes ahead of its turn, or before what is held, if none of them came before.
    /// If not, nothing has happened.
    #[inline]
    fn takes_ahead(&mut self, now: Instant, segment: &impl Heard, payload: &[u8]) -> Option<Took> {
        let (seq, len) = (segment.seq(), payload.len() as u32);
        let ahead = seq.since(self.rcv_nxt);
        if !self.is_plain_but_ahead(segment, ahead, len) {
            return None;
        }
        let took =
            if ahead > 0 { self.holds_new(ahead, payload)? } else { self.fills(segment, len)? };
        self.last_heard = now;
        self.hear_stamp(now);
        self.keep_alive_probes = 0;
        Some(took)
    }

    /// Takes in what a segment acknowledges and the window that it gives, if that is nothing new.
    #[inline(always)]
    fn hears_nothing_new(&mut self, segment: &impl Heard) -> bool {
        let (seq, ack) = (segment.seq(), segment.ack());
        let window = u32::from(segment.window()) << self.snd_wind_shift;
        let is_nothing_new = ack == self.snd_una && window == self.snd_wnd && window > 0;
        if is_nothing_new && self.snd_wl1.is_at_or_before(seq) {
            (self.snd_wl1, self.snd_wl2) = (seq, ack);
        }
        is_nothing_new
    }

    /// Bytes lie `ahead`.
    #[inline(always)]
    fn holds_new(&mut self, ahead: u32, payload: &[u8]) -> Option<Took> {
        if !self.apart.held.insert_new(self.rcv_nxt, ahead..ahead + payload.len() as u32) {
            return None;
        }
        self.fresh = 0;
        self.receive.write_ahead(ahead as usize, payload);
        (self.plain.receives, self.plain.sends) = (false, false);
        self.close_fast();
        self.owe_duplicate_ack();
        Some(Took::Ahead)
    }

    /// `len` bytes are next, and something is held behind them. Where nothing is any more, the books are kept by whoever
    /// reads what was.
    #[inline(always)]
    fn fills(&mut self, segment: &impl Heard, len: u32) -> Option<Took> {
        let to_held = self.apart.held.first()?.since(self.rcv_nxt);
        if len > to_held {
            return None;
        }
        if self.last_ack_sent == self.rcv_nxt
            && let Some(stamp) = segment.stamp()
        {
            self.stamps.note(stamp);
        }
        self.fresh = 0;
        self.receive.pass_over(len as usize, true);
        self.rcv_nxt += len;
        if len < to_held {
            self.owe_duplicate_ack();
            return Some(Took::Fresh);
        }
        let reached = self.apart.held.advance(self.rcv_nxt);
        self.receive.join(reached.since(self.rcv_nxt) as usize);
        self.rcv_nxt = reached;
        if self.apart.held.is_empty() {
            self.owe_ack();
        } else {
            self.owe_duplicate_ack();
        }
        Some(Took::Joined)
    }

    /// Whether an ACK is all that leaves now, and tells of what is held and of nothing else.
    #[inline(always)]
    pub(in crate::tcp) fn owes_blocks_alone(&self) -> bool {
        self.acks_due > 0
            && self.holds_plainly
            && !self.apart.held.is_empty()
            && self.send.len() as u32 == self.flight()
    }
}

impl Stack {
    /// Takes in a segment for `id` that the network has not marked and that is not
    /// [predicted](Stack::take_predicted), if it comes ahead of its turn, or fills a hole before what did. If not, nothing
    /// has happened, and the segment is for [`on_segment`](Stack::on_segment).
    pub fn take_ahead(
        &mut self,
        now: Instant,
        id: ConnectionId,
        segment: Stamped<'_>,
        payload: &[u8],
    ) -> Option<Arrival> {
        let index = self.find(id)?;
        self.hear(now);
        let arrival = self.hold(id, index, &segment, payload);
        self.counters.add(Count::SegmentIn, u64::from(arrival.is_some()));
        arrival
    }

    /// The same of a segment that was counted.
    #[inline(never)]
    pub(in crate::tcp) fn hold(
        &mut self,
        id: ConnectionId,
        index: usize,
        segment: &impl Heard,
        payload: &[u8],
    ) -> Option<Arrival> {
        let connection = &mut self.connections[index];
        let took = connection.takes_ahead(self.now, segment, payload)?;
        self.transmits.push(&mut connection.is_queued, index);
        if !connection.hears_nothing_new(segment) {
            self.hear_news(index, segment.seq(), segment.ack(), segment.window());
        }
        let fresh = match took {
            Took::Ahead => {
                self.counters.count(Count::OutOfOrder);
                if self.receipt.is_some() {
                    let (connection, mut cx) = self.connection_and_context(index);
                    connection.note_receipt(&mut cx, segment.seq(), payload.len() as u32);
                }
                0..0
            }
            Took::Fresh | Took::Joined => 0..payload.len(),
        };
        #[cfg(test)]
        {
            self.took_ahead[took as usize] += 1;
        }
        Some(Arrival { connection: Some(id), fresh, joined: took == Took::Joined })
    }

    /// Takes in what a segment acknowledges that [came ahead](Connection::takes_ahead), and the window that it gives: as
    /// the long way does where nothing is to be repaired.
    #[inline(never)]
    fn hear_news(&mut self, index: usize, seq: SeqNumber, ack: SeqNumber, window: u16) {
        let (connection, mut cx) = self.connection_and_context(index);
        if ack != connection.snd_una {
            connection.take_ack(&mut cx, ack);
        }
        connection.take_window(&mut cx, seq, ack, window);
        // A window that opens has what was sent in vain sent again.
        connection.holds_plainly &= connection.scoreboard.is_clean();
        let (deadline, has_event) = (connection.deadline(), connection.pending.any());
        self.wake_by(index, deadline);
        if has_event {
            self.queue_to_tell(index);
        }
    }

    /// The ACK with blocks that [`ack_with_blocks`](Stack::ack_with_blocks) has told of, with nothing done in between.
    #[inline(always)]
    pub fn transmit_with_blocks(&mut self, now: Instant, kind: RestKind) -> (Rest<'_>, SackBlocks) {
        self.hear(now);
        self.counters.count(Count::SegmentOut);
        let index = kind.connection.index();
        self.end_turn(index);
        #[cfg(test)]
        {
            self.acks_with_blocks += 1;
        }
        let connection = &mut self.connections[index];
        connection.acks_due -= 1;
        if connection.may_have_next() {
            self.transmits.push(&mut connection.is_queued, index);
        }
        let blocks = connection.take_blocks_held();
        let seq = connection.ack_seq();
        let (ack, window) = connection.note_acknowledging();
        let timestamps = connection.stamps().map(|stamps| stamps.option(self.now));
        let (payload, tuple) = ([&[][..]; 2], &connection.tuple);
        let header = RestHeader { seq, ack, window, timestamps };
        (Rest { header, payload, tuple }, blocks)
    }
}
