//! Header prediction: the segment that nearly every segment is, in one straight line.
//!
//! What a connection is [plain](Plainness) for is found out whenever its books are kept, so that a segment has
//! to be compared with little: the next bytes in order, an ACK of what was sent, and nothing else going
//! on. Whatever is not as predicted goes the long way (`receive`, `acknowledge`), which alone decides what
//! it means; a test holds the two together.

use super::config::Config;
use super::connection::{Connection, Context, State};
use super::counters::Count;
use super::event::ConnectionId;
use super::probe::ProbeDue;
use super::stack::Stack;
use crate::time::Instant;
use crate::wire::stamped::{Control, Stamped};
use crate::wire::tcp::{Flags, Segment, SeqNumber};

/// What a connection needs no look at all of it for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Plainness {
    /// Taking in the next segment.
    pub(super) receives: bool,
    /// Sending what was never sent.
    pub(super) sends: bool,
}

/// What prediction asks of a segment, whichever way it was read.
pub(super) trait Heard {
    fn seq(&self) -> SeqNumber;
    fn ack(&self) -> SeqNumber;
    /// Both in one word, SEG.SEQ above SEG.ACK.
    fn numbers(&self) -> u64;
    fn flags(&self) -> Flags;
    fn window(&self) -> u16;
    /// The sender's timestamp.
    fn stamp(&self) -> Option<u32>;
    fn len(&self) -> usize;
    /// Its header's length, control bits and window, where it has timestamps and nothing else.
    fn control(&self) -> Control;
    /// Whether nobody marked it, and it tells of nothing that came ahead of its turn or twice, nor of how long
    /// the peer has patience.
    fn is_bare(&self) -> bool;
}

impl Heard for Segment<'_> {
    #[inline(always)]
    fn seq(&self) -> SeqNumber {
        self.seq
    }

    #[inline(always)]
    fn ack(&self) -> SeqNumber {
        self.ack
    }

    #[inline(always)]
    fn numbers(&self) -> u64 {
        u64::from(self.seq.0) << 32 | u64::from(self.ack.0)
    }

    #[inline(always)]
    fn flags(&self) -> Flags {
        self.flags
    }

    #[inline(always)]
    fn window(&self) -> u16 {
        self.window
    }

    #[inline(always)]
    fn stamp(&self) -> Option<u32> {
        self.options.timestamps.map(|stamps| stamps.value)
    }

    #[inline(always)]
    fn len(&self) -> usize {
        self.payload.len()
    }

    #[inline(always)]
    fn control(&self) -> Control {
        let is_plain = self.is_bare() && self.options.timestamps.is_some();
        if is_plain { Control::of(self.flags, self.window) } else { Control::NONE }
    }

    #[inline(always)]
    fn is_bare(&self) -> bool {
        !self.is_ce && self.options.sack.is_none() && self.options.user_timeout.is_none()
    }
}

/// One that nobody marked.
impl Heard for Stamped<'_> {
    #[inline(always)]
    fn seq(&self) -> SeqNumber {
        self.seq()
    }

    #[inline(always)]
    fn ack(&self) -> SeqNumber {
        self.ack()
    }

    #[inline(always)]
    fn numbers(&self) -> u64 {
        self.numbers()
    }

    #[inline(always)]
    fn flags(&self) -> Flags {
        self.flags()
    }

    #[inline(always)]
    fn window(&self) -> u16 {
        self.window()
    }

    #[inline(always)]
    fn stamp(&self) -> Option<u32> {
        Some(self.stamp())
    }

    #[inline(always)]
    fn len(&self) -> usize {
        self.payload_len()
    }

    #[inline(always)]
    fn control(&self) -> Control {
        self.control()
    }

    #[inline(always)]
    fn is_bare(&self) -> bool {
        true
    }
}

impl Stack {
    /// Takes in a segment for `id` that the network has not marked, if it is the one to come: all of its
    /// payload is next in the stream then, as [`Arrival::fresh`](super::Arrival::fresh) would say. If not,
    /// nothing has happened, and the segment is for [`on_segment`](Stack::on_segment).
    #[inline(always)]
    pub fn take_predicted(&mut self, now: Instant, id: ConnectionId, segment: Stamped<'_>) -> bool {
        let Some(connection) = self.connections.get_mut(id.index()) else { return false };
        if connection.generation != id.generation {
            return false;
        }
        if now > self.now {
            self.now = now;
        }
        if !connection.takes_fast(self.now, &segment) {
            return self.take_predicted_any(id.index(), segment);
        }
        #[cfg(test)]
        {
            self.took_fast += 1;
        }
        self.counters.count_both([Count::SegmentIn, Count::SegmentPredicted]);
        self.transmits.push_first(&mut connection.is_queued, id.index());
        true
    }

    /// One that is predicted and not the [fastest](Connection::takes_fast).
    #[cold]
    #[inline(never)]
    fn take_predicted_any(&mut self, index: usize, segment: Stamped<'_>) -> bool {
        let is_taken = self.predict(index, &segment);
        self.counters.add(Count::SegmentIn, u64::from(is_taken));
        is_taken
    }

    /// Takes in a segment if it is predicted.
    #[inline(always)]
    pub(super) fn predict(&mut self, index: usize, segment: &impl Heard) -> bool {
        let Stack { connections, counters, resets, receipt, config, now, .. } = self;
        let (connection, now) = (&mut connections[index], *now);
        if connection.takes_pure_ack(now, segment) {
            #[cfg(test)]
            {
                self.pure_acks_taken += 1;
            }
            counters.count(Count::SegmentPredicted);
            return true;
        }
        if !connection.is_predicted(segment) {
            return false;
        }
        counters.count(Count::SegmentPredicted);
        connection.note_predicted(now, segment);
        let (seq, ack, window) = (segment.seq(), segment.ack(), segment.window());
        let before = (connection.snd_wnd, connection.rack.min_rtt_known());
        let mut is_tried = false;
        let was_closed = connection.snd_wnd == 0;
        if ack == connection.snd_nxt && ack != connection.snd_una {
            let is_fresh = connection.rtt.is_fresh(now);
            is_tried = connection.take_ack_of_all(now, config) || !is_fresh;
        } else if ack != connection.snd_una {
            connection.catch_up(config);
            connection.take_ack(&mut Context { now, config, counters, resets, receipt }, ack);
            is_tried = true;
        }
        if !connection.takes_window_plainly(segment) {
            connection.catch_up(config);
            connection.take_window(
                &mut Context { now, config, counters, resets, receipt },
                seq,
                ack,
                window,
                was_closed,
            );
            // One that opens has what was sent in vain sent again.
            connection.plain.receives &= connection.scoreboard.is_clean();
            connection.plain.sends &= connection.scoreboard.is_clean();
        }
        connection.take_predicted_text(now, segment.len());
        if connection.flight() == 0 && connection.send.len() > 0 {
            // It may wait for a window.
            connection.catch_up(config);
            connection.arm_persist_timer(now, config);
        }
        let has_turn = connection.acks_due > 0 || connection.may_have_next();
        let has_event = connection.pending.any();
        let may_wait = connection.flight() > 0 || connection.send.len() > 0;
        // What lags is waited for since it left.
        let has_deadline =
            (may_wait || connection.apart.terms.ack_delay().is_some()) && !connection.timers_lag;
        let deadline = connection.deadline();
        let after = (connection.snd_wnd, connection.rack.min_rtt_known());
        if is_tried || before != after || connection.fast_max.is_closed() {
            connection.settle_fast(config);
        } else {
            connection.let_timers_lag();
        }
        if has_turn {
            self.queue_to_send(index);
        }
        if has_deadline {
            self.wake_by(index, deadline);
        }
        if has_event {
            self.queue_to_tell(index);
        }
        true
    }
}

impl Connection {
    /// Finds out what it is plain for now: to be done whenever the books are kept.
    #[inline]
    pub(super) fn settle_plain(&mut self) {
        (self.plain, self.holds_plainly) = self.plainness();
    }

    /// What that finds out; and whether it takes in what comes ahead of its turn, or before what is held, and tells of
    /// that, without a look at all of it: what is in flight, and what became of it, does not matter to that.
    #[inline]
    pub(super) fn plainness(&self) -> (Plainness, bool) {
        let is_quiet = self.state == State::Established && !self.fin_queued && !self.ecn.is_busy;
        let is_calm = is_quiet
            && self.repairs_nothing()
            && self.congestion.is_open()
            && self.fin_at.is_none();
        let tells_nothing = is_quiet && self.probe_due == ProbeDue::None && !self.patience.is_due;
        let holds_nothing =
            self.apart.held.is_empty() && !self.sack.has_duplicate() && self.fin_ahead().is_none();
        let plain = Plainness {
            receives: is_calm && holds_nothing,
            sends: tells_nothing && self.scoreboard.is_clean() && holds_nothing && !self.is_grouped,
        };
        (plain, tells_nothing)
    }

    /// Whether a segment is the one to come: the next bytes, or an ACK of ours.
    #[inline(always)]
    fn is_predicted(&self, segment: &impl Heard) -> bool {
        debug_assert!(!self.plain.receives || self.plainness().0.receives, "the books are behind");
        let acked = segment.ack().since(self.snd_una);
        let len = segment.len();
        // What was promised has room: the application leaves no more than came since.
        let room = self.rcv_edge.since(self.rcv_nxt).cast_signed();
        self.plain.receives
            && segment.flags().0 | Flags::PSH.0 == Flags::ACK.0 | Flags::PSH.0
            && segment.seq() == self.rcv_nxt
            && acked <= self.flight()
            && (len > 0 || acked > 0)
            && len as i64 <= i64::from(room)
            && segment.is_bare()
            && self.has_current_stamp(segment)
    }

    /// Whether it has a timestamp that is not old, where they are agreed on.
    #[inline(always)]
    pub(super) fn has_current_stamp(&self, segment: &impl Heard) -> bool {
        match (self.stamps(), segment.stamp()) {
            (None, _) => true,
            (Some(ours), Some(theirs)) => ours.is_current(theirs),
            (Some(_), None) => false,
        }
    }

    #[inline(always)]
    fn note_predicted(&mut self, now: Instant, segment: &impl Heard) {
        self.last_heard = now;
        (self.keep_alive_probes, self.keep_alive_due) = (0, false);
        self.hear_stamp(now);
        if let (Some(_), Some(theirs)) = (self.stamps(), segment.stamp())
            && self.last_ack_sent == self.rcv_nxt
        {
            self.stamps.note(theirs);
        }
    }

    /// Everything is acknowledged that is in flight: nothing of it has to be looked for. Says whether it had
    /// tried the congestion window.
    #[inline(always)]
    fn take_ack_of_all(&mut self, now: Instant, config: &Config) -> bool {
        let flight = self.flight();
        self.tell_of_sent();
        if let Some(first_at) = self.scoreboard.pop_all_clean() {
            // The last of what was sent once left when anything was last sent.
            self.rack.on_plain(now, self.last_sent, self.snd_nxt);
            self.take_round_trip(now, config, now - first_at);
        }
        let is_tried = self.congestion.is_tried(flight, self.snd_una);
        if is_tried {
            self.congestion.on_use(flight, now, self.rtt.srtt());
        }
        self.advance(self.snd_nxt);
        self.stop_retransmit_timer();
        is_tried
    }

    /// Takes the window in, unless it closes, opens or shrinks, of which the long way knows.
    #[inline(always)]
    fn takes_window_plainly(&mut self, segment: &impl Heard) -> bool {
        let (seq, ack) = (segment.seq(), segment.ack());
        let step = 1 << self.snd_wind_shift;
        let window = u32::from(segment.window()) << self.snd_wind_shift;
        let is_later = self.snd_wl1.is_at_or_before(seq) && self.snd_wl2.is_at_or_before(ack);
        if !is_later || window == 0 || self.snd_wnd == 0 || window + step <= self.snd_wnd {
            return false;
        }
        (self.snd_wl1, self.snd_wl2) = (seq, ack);
        self.snd_wnd = window;
        self.snd_wnd_max = self.snd_wnd_max.max(window);
        true
    }

    #[inline(always)]
    fn take_predicted_text(&mut self, now: Instant, len: usize) {
        if len > 0 {
            self.fresh = 0;
            self.receive.pass_over(len, false);
            self.rcv_nxt += len as u32;
            self.owe_ack_of_data_at(now);
        }
    }
}
