//! From ESTABLISHED to nothing: FIN, RST, TIME-WAIT (RFC 9293 3.6).

use super::connection::{Connection, Context, State};
use super::counters::Count;
use super::event::{Closed, Pending};
use super::probe::ProbeDue;
use crate::time::Instant;
use crate::wire::tcp::{Flags, Segment};

/// In [`Deadlines::linger`](super::deadlines::Deadlines::linger): a time begins when the clock is next looked at. Whoever releases a connection tells no
/// time, and the last that was told may be long ago.
const AT_NEXT_LOOK: Instant = Instant::ZERO;

impl Connection {
    /// Our side sends no more than is committed (RFC 9293 3.10.4).
    pub(super) fn shut_down(&mut self, cx: &mut Context<'_>) {
        match self.state {
            State::SynSent => self.end(cx, Closed::Aborted),
            State::SynReceived => self.fin_queued = true,
            State::Established => (self.state, self.fin_queued) = (State::FinWait1, true),
            State::CloseWait => (self.state, self.fin_queued) = (State::LastAck, true),
            _ => {}
        }
    }

    /// Ends the connection at once, by a RST where the peer may know of it (RFC 9293 3.10.5). In CLOSING and LAST-ACK,
    /// too, where that would send none: the peer may not have had all that was committed.
    pub(super) fn abort(&mut self, cx: &mut Context<'_>) {
        match self.state {
            State::Closed => {}
            State::SynSent | State::TimeWait => self.end(cx, Closed::Aborted),
            _ => {
                self.send_reset(cx);
                self.end(cx, Closed::Aborted);
            }
        }
        // Nobody who aborts reads on: the last event waits for nothing.
        self.receive.consume(self.receive.len());
    }

    /// The application lets go. What it had not closed, closes by itself, and in time: nobody is left who could end
    /// what a peer draws out, be it by a window that stays closed (RFC 6429). What it had not read, the peer is
    /// told of by a RST (RFC 2525 2.17).
    pub(super) fn release(&mut self, cx: &mut Context<'_>) {
        self.is_released = true;
        if matches!(self.state, State::Closed | State::TimeWait) {
            return;
        }
        self.deadlines.linger = AT_NEXT_LOOK;
        if self.receive.len() > 0 {
            self.abort(cx);
        } else {
            self.shut_down(cx);
        }
    }

    pub(super) fn start_orphan_timer(&mut self, cx: &Context<'_>) {
        self.deadlines.linger = cx.now + self.apart.terms.orphan_timeout();
    }

    /// A released connection is given up once its time is over. A peer that may not have had all is told.
    pub(super) fn on_orphan_timeout(&mut self, cx: &mut Context<'_>) {
        if self.deadlines.linger == AT_NEXT_LOOK {
            self.start_orphan_timer(cx);
            return;
        }
        cx.count(Count::OrphanTimedOut);
        if self.state != State::FinWait2 {
            self.send_reset(cx);
        }
        self.end(cx, Closed::TimedOut);
    }

    /// Both sides have closed, and ours was acknowledged.
    pub(super) fn enter_time_wait(&mut self, cx: &mut Context<'_>) {
        self.state = State::TimeWait;
        self.stop_sending();
        self.start_time_wait(cx);
        self.closed = Some(Closed::Finished);
        self.pending.closed = true;
    }

    pub(super) fn start_time_wait(&mut self, cx: &mut Context<'_>) {
        self.deadlines.linger = cx.now + cx.config.time_wait;
    }

    /// A segment in TIME-WAIT. The peer's FIN again, whose ACK was lost, begins the wait anew (RFC 9293
    /// 3.10.7.4); a stray reset must not cut it short (RFC 1337 3); whatever does not stand where the peer
    /// is known to be is told where that is.
    pub(super) fn on_segment_in_time_wait(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        if segment.flags.has(Flags::RST) {
            cx.count(Count::ResetIgnored);
        } else if segment.flags.has(Flags::SYN) {
            self.challenge(cx, Count::SynInWindow);
        } else if self.check_timestamp(cx, segment).is_none() {
            // Answered already, if it is to be.
        } else if !segment.flags.has(Flags::ACK) {
            cx.count(Count::AckMissing);
            if !self.is_acceptable(segment) {
                self.owe_duplicate_ack();
            }
        } else if segment.is_empty() {
            if segment.seq != self.rcv_nxt || segment.ack != self.snd_nxt {
                self.challenge(cx, Count::OutOfWindow);
            }
        } else {
            if segment.flags.has(Flags::FIN) && segment.seq + segment.len() == self.rcv_nxt {
                self.note_acceptable(cx, segment);
                self.start_time_wait(cx);
            }
            let is_old = (segment.seq + segment.len()).is_at_or_before(self.rcv_nxt);
            cx.count(if is_old { Count::DuplicateData } else { Count::DataAfterFin });
            self.note_duplicate(segment);
            self.owe_duplicate_ack();
        }
    }

    /// The connection is over. Bytes received before stay readable until it is released.
    pub(super) fn end(&mut self, cx: &mut Context<'_>, why: Closed) {
        if let Some(what) = why.count() {
            cx.count(what);
        }
        self.state = State::Closed;
        self.stop_sending();
        self.acks_due = 0;
        self.deadlines.linger = Instant::FAR_FUTURE;
        if self.closed.is_none() {
            self.closed = Some(why);
            self.pending.closed = true;
        }
    }

    /// The connection goes on elsewhere: here nothing more is sent, and nobody is told anything.
    pub(super) fn fall_silent(&mut self) {
        self.state = State::Closed;
        self.stop_sending();
        self.acks_due = 0;
        self.deadlines.linger = Instant::FAR_FUTURE;
        self.pending = Pending::default();
    }

    /// What left, and how often, is told of until the connection is released.
    fn stop_sending(&mut self) {
        (self.syn_due, self.keep_alive_due) = (false, false);
        self.probe_due = ProbeDue::None;
        self.pending.writable = false;
        self.stop_retransmit_timer();
        self.deadlines.ack = Instant::FAR_FUTURE;
        self.deadlines.stale = Instant::FAR_FUTURE;
        self.deadlines.keep_alive = Instant::FAR_FUTURE;
        self.deadlines.pace = Instant::FAR_FUTURE;
        self.apart.raise_mtu_at = Instant::FAR_FUTURE;
        self.settle_seldom();
    }
}
