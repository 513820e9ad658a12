//! The short way of segments that come ahead of their turn, of those that go into the hole before what is held, of those
//! that come twice, and of the ACKs that tell of that. Whatever does not fit changes nothing here and goes the long way,
//! which does the same and knows more. What a peer may choose is to fit: what is agreed on, what it leaves unacknowledged,
//! its window, old acknowledgements, and where it says that its stream ends.

use crate::tcp::arrival::Arrival;
use crate::tcp::config::Config;
use crate::tcp::connection::Connection;
use crate::tcp::counters::Count;
use crate::tcp::event::ConnectionId;
use crate::tcp::poll::{Rest, RestHeader, RestKind};
use crate::tcp::predict::Heard;
use crate::tcp::reassembly::{Inserted, Placed};
use crate::tcp::stack::Stack;
use crate::time::Instant;
use crate::wire::stamped::Stamped;
use crate::wire::tcp::{Flags, SackBlocks, SeqNumber};

/// How a segment was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Took {
    /// It came ahead of its turn.
    Ahead(Placed),
    /// It is next, and nothing is yet that is held.
    Fresh,
    /// It is next, and so is what was held behind it.
    Joined,
    /// All of it came before, and is next no more.
    Old,
}

impl Connection {
    /// Whether a segment is plain but for its place: nobody marked it, and it has bytes.
    #[inline(always)]
    fn is_plain_but_for_place(&self, segment: &impl Heard, len: u32) -> bool {
        debug_assert!(!self.holds_plainly || self.plainness().1, "the books are behind");
        self.holds_plainly
            && len > 0
            && segment.flags().0 | Flags::PSH.0 == Flags::ACK.0 | Flags::PSH.0
            && segment.is_bare()
            && self.has_current_stamp(segment)
    }

    /// Whether what a segment acknowledges, which may be old, needs no look at what is in flight: where that is being
    /// repaired or probed for, what is new does.
    #[inline(always)]
    fn hears_plainly(&self, ack: SeqNumber) -> bool {
        let acked = ack.since(self.snd_una);
        match self.repairs_nothing() {
            true if acked <= self.flight() => true,
            false if acked == 0 => self.tells_nothing_of_probe(),
            // RFC 5961 5.2: one that is too old is challenged.
            _ => ack.is_before(self.snd_una) && acked.wrapping_neg() <= self.snd_wnd_max,
        }
    }

    /// Takes in the bytes of a segment that comes ahead of its turn, or before what is held, or that came before, if all of
    /// them did or none. If not, nothing has happened.
    #[inline]
    fn takes_ahead(&mut self, now: Instant, segment: &impl Heard, payload: &[u8]) -> Option<Took> {
        let (seq, len) = (segment.seq(), payload.len() as u32);
        if !self.is_plain_but_for_place(segment, len) {
            return None;
        }
        let ahead = seq.since(self.rcv_nxt);
        if ahead.cast_signed() < 0 {
            return self.takes_old(seq, len);
        }
        // All of it has room, before the end of the stream where that is known, which it does not bring about.
        let end = seq + len;
        if !self.hears_plainly(segment.ack())
            || u64::from(ahead) + u64::from(len) > u64::from(self.rcv_wnd())
            || self.fin_at.is_some_and(|fin_at| ahead == 0 || fin_at.is_before(end))
        {
            return None;
        }
        let took =
            if ahead > 0 { self.holds_whole(seq, payload)? } else { self.fills(segment, len)? };
        self.last_heard = now;
        if self.stamps().is_some() {
            self.hear_stamp(now);
        }
        (self.keep_alive_probes, self.keep_alive_due) = (0, false);
        Some(took)
    }

    /// Takes in what a segment acknowledges and the window that it gives, if that is nothing new, and nothing waits for it.
    #[inline(always)]
    fn hears_nothing_new(&mut self, segment: &impl Heard) -> bool {
        let (seq, ack) = (segment.seq(), segment.ack());
        let window = u32::from(segment.window()) << self.snd_wind_shift;
        let is_nothing_new = ack == self.snd_una
            && window == self.snd_wnd
            && window > 0
            && self.repairs_nothing()
            && self.send.len() as u32 == self.flight();
        if is_nothing_new && self.snd_wl1.is_at_or_before(seq) {
            (self.snd_wl1, self.snd_wl2) = (seq, ack);
        }
        is_nothing_new
    }

    /// Bytes lie ahead, from `seq` on.
    #[inline(always)]
    fn holds_whole(&mut self, seq: SeqNumber, payload: &[u8]) -> Option<Took> {
        let (ahead, len) = (seq.since(self.rcv_nxt), payload.len() as u32);
        let placed = self.apart.held.insert_whole(self.rcv_nxt, ahead..ahead + len)?;
        match placed {
            Placed::New(Inserted::Dropped) => {}
            Placed::New(_) => self.receive.write_ahead(ahead as usize, payload),
            Placed::Again => self.tells_of_twice(seq, len),
        }
        self.fresh = 0;
        self.tells_blocks();
        Some(Took::Ahead(placed))
    }

    /// Bytes from `seq` on lie behind: the segment is not acceptable, and nothing that it says counts (RFC 9293 3.10.7.4).
    #[inline(never)]
    fn takes_old(&mut self, seq: SeqNumber, len: u32) -> Option<Took> {
        if len > self.rcv_nxt.since(seq) {
            return None;
        }
        self.tells_of_twice(seq, len);
        self.tells_blocks();
        Some(Took::Old)
    }

    /// All of `len` bytes from `seq` on came before.
    #[inline(always)]
    fn tells_of_twice(&mut self, seq: SeqNumber, len: u32) {
        if self.sack.is_agreed {
            self.sack.note_whole(seq, len);
        }
    }

    /// An ACK with blocks is owed, and whatever leaves has blocks until there are none, where they are agreed on.
    #[inline(always)]
    fn tells_blocks(&mut self) {
        (self.plain.receives, self.plain.sends) = (false, false);
        self.close_fast();
        self.owe_duplicate_ack();
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
            && let (Some(_), Some(stamp)) = (self.stamps(), segment.stamp())
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

    /// Nothing is held any more, of one that holds plainly: what of that depends on what is held is found out anew.
    #[inline(never)]
    fn settle_whole(&mut self, config: &Config) {
        debug_assert!(self.holds_plainly && self.apart.held.is_empty());
        self.settle_grouping();
        // What holds plainly has the rest of it.
        let tells_nothing =
            self.scoreboard.is_clean() && !self.sack.has_duplicate() && self.fin_at.is_none();
        self.plain.receives = tells_nothing && self.is_calm && self.congestion.is_open();
        self.plain.sends = tells_nothing && !self.is_grouped;
        debug_assert!(self.plain == self.plainness().0, "the books are behind");
        self.settle_fast(config);
    }

    /// Whether an ACK is all that leaves now, and tells of nothing but what is held or came twice, if anything.
    #[inline(always)]
    pub(in crate::tcp) fn owes_blocks_alone(&self) -> bool {
        let has_sent_all = self.send.len() as u32 == self.flight() && !self.scoreboard.has_due();
        self.acks_due > 0 && self.holds_plainly && (has_sent_all || self.next_data().is_none())
    }
}

impl Stack {
    /// Takes in a segment for `id` that the network has not marked and that is not
    /// [predicted](Stack::take_predicted), if it comes ahead of its turn, or fills a hole before what did, or came before.
    /// If not, nothing has happened, and the segment is for [`on_segment`](Stack::on_segment).
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
        #[cfg(test)]
        self.took_ahead.note(took, connection.repairs_nothing());
        if took == Took::Old {
            self.counters.count(Count::DuplicateData);
            return Some(Arrival { connection: Some(id), fresh: 0..0, joined: false });
        }
        if !connection.hears_nothing_new(segment) {
            self.hear_news(index, segment.seq(), segment.ack(), segment.window());
        }
        let mut fresh = 0..payload.len();
        if let Took::Ahead(placed) = took {
            self.note_ahead(index, placed, segment.seq(), payload.len() as u32);
            fresh = 0..0;
        }
        Some(Arrival { connection: Some(id), fresh, joined: took == Took::Joined })
    }

    /// Counts a segment that came ahead of its turn, and notes how it was received.
    #[inline(always)]
    fn note_ahead(&mut self, index: usize, placed: Placed, seq: SeqNumber, len: u32) {
        self.counters.count(Count::OutOfOrder);
        match placed {
            Placed::New(Inserted::Held) => {}
            Placed::New(_) => self.counters.count(Count::ReassemblyFull),
            Placed::Again => self.counters.count(Count::DuplicatePart),
        }
        if self.receipt.is_some() && placed != Placed::New(Inserted::Dropped) {
            let (connection, mut cx) = self.connection_and_context(index);
            connection.note_receipt(&mut cx, seq, len);
        }
    }

    /// Takes in what a segment acknowledges that [came ahead](Connection::takes_ahead), and the window that it gives: as
    /// the long way does of one that is [heard plainly](Connection::hears_plainly).
    #[inline(never)]
    fn hear_news(&mut self, index: usize, seq: SeqNumber, ack: SeqNumber, window: u16) {
        let (connection, mut cx) = self.connection_and_context(index);
        if ack.is_before(connection.snd_una) {
            cx.count(Count::AckOld);
        } else {
            let was_closed = connection.snd_wnd == 0;
            if !connection.repairs_nothing() {
                connection.pass_in_trouble(&mut cx);
            } else if ack != connection.snd_una {
                connection.take_ack(&mut cx, ack);
            }
            connection.take_window(&mut cx, seq, ack, window, was_closed);
        }
        connection.arm_persist_timer(cx.now, cx.config);
        // Of a window that a loss made smaller the next segment tells.
        connection.holds_plainly &= !connection.ecn.is_busy;
        let (deadline, has_event) = (connection.deadline(), connection.pending.any());
        self.wake_by(index, deadline);
        if has_event {
            self.queue_to_tell(index);
        }
    }

    /// Gives up stored bytes where no more of the books depends on them than what is predicted. If not, nothing has
    /// happened.
    #[inline(always)]
    pub(in crate::tcp) fn consume_plainly(&mut self, index: usize, len: usize) -> bool {
        let connection = &mut self.connections[index];
        debug_assert!(!connection.holds_plainly || connection.plainness().1, "behind");
        let is_plain = connection.holds_plainly
            && connection.send.len() as u32 == connection.flight()
            && !connection.pending.any()
            && connection.fresh == 0
            && connection.fast_max.is_closed();
        if !is_plain {
            return false;
        }
        connection.give_up(len);
        if connection.acks_due > 0 {
            self.transmits.push(&mut connection.is_queued, index);
        }
        // As long as something is held nothing is predicted.
        if connection.apart.held.is_empty() {
            connection.settle_whole(&self.config);
        }
        true
    }

    /// The ACK with blocks that [`ack_with_blocks`](Stack::ack_with_blocks) has told of, with nothing done in between.
    #[inline(always)]
    pub fn transmit_with_blocks(
        &mut self,
        now: Instant,
        kind: RestKind,
    ) -> (Rest<'_>, Option<SackBlocks>) {
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
        let blocks = connection.take_sack();
        let seq = connection.ack_seq();
        let (ack, window) = connection.note_acknowledging();
        if connection.apart.held.is_empty() {
            // What came twice was all there was to tell, if anything.
            connection.settle_whole(&self.config);
        }
        if connection.may_have_next() {
            self.transmits.push(&mut connection.is_queued, index);
        }
        let connection = &self.connections[index];
        let timestamps = connection.stamps().map(|stamps| stamps.option(self.now));
        let (payload, tuple) = ([&[][..]; 2], &connection.tuple);
        let header = RestHeader { seq, ack, window, timestamps };
        (Rest { header, payload, tuple }, blocks)
    }
}

/// How many segments took the short way, by [what they were](Took).
#[cfg(test)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::tcp) struct TookAhead {
    /// Held, the first time, and nothing was dropped for it.
    pub(in crate::tcp) held: u64,
    /// One range more than can be held.
    pub(in crate::tcp) full: u64,
    pub(in crate::tcp) again: u64,
    pub(in crate::tcp) fresh: u64,
    pub(in crate::tcp) joined: u64,
    pub(in crate::tcp) old: u64,
    /// So many of them while something was being repaired or probed for.
    pub(in crate::tcp) in_trouble: u64,
}

#[cfg(test)]
impl TookAhead {
    fn note(&mut self, took: Took, repairs_nothing: bool) {
        self.in_trouble += u64::from(!repairs_nothing);
        *match took {
            Took::Ahead(Placed::New(Inserted::Held)) => &mut self.held,
            Took::Ahead(Placed::New(_)) => &mut self.full,
            Took::Ahead(Placed::Again) => &mut self.again,
            Took::Fresh => &mut self.fresh,
            Took::Joined => &mut self.joined,
            Took::Old => &mut self.old,
        } += 1;
    }

    /// All of them.
    pub(in crate::tcp) fn each(&self) -> [u64; 6] {
        [self.held, self.full, self.again, self.fresh, self.joined, self.old]
    }
}
