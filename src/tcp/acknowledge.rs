//! What a segment acknowledges, and the window that it gives (RFC 9293 3.10.7.4, fifth).

use super::config::Config;
use super::connection::{Connection, Context, State};
use super::counters::Count;
use super::event::Closed;
use super::probe::ProbeDue;
use super::undo::Undo;
use super::wraps::is_another_round;
use crate::time::{Duration, Instant};
use crate::wire::tcp::{Flags, Segment, SeqNumber};

impl Connection {
    /// Takes the ACK in. Says whether the segment's text is to be looked at.
    #[inline]
    pub(super) fn acknowledge(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) -> bool {
        if segment.ack.is_before(self.snd_una) {
            // RFC 5961 5.2: no peer that we know acknowledges less than a window before.
            if self.snd_una.since(segment.ack) > self.snd_wnd_max {
                self.challenge(cx, Count::AckTooOld);
                return false;
            }
            cx.count(Count::AckOld);
            if self.sack.is_agreed && segment.options.sack.is_some() {
                self.take_late_blocks(cx, segment);
            }
            return true;
        }
        if self.snd_nxt.is_before(segment.ack) {
            self.challenge(cx, Count::AckOfUnsent);
            return false;
        }
        let was_closed = self.snd_wnd == 0;
        if !self.is_simple_ack(segment) {
            let segment = *segment;
            self.take_ack_in_trouble(cx, &segment);
        } else if segment.ack != self.snd_una {
            self.take_ack(cx, segment.ack);
        } else if self.is_duplicate_ack(segment) {
            self.take_duplicate_ack(cx);
        }
        self.take_window(cx, segment.seq, segment.ack, segment.window, was_closed);
        if self.fin_sent && self.snd_una == self.snd_nxt {
            self.on_fin_acknowledged(cx);
        }
        true
    }

    /// `ack` lies past `snd_una`, at most at `snd_nxt`.
    #[inline(never)]
    pub(super) fn take_ack(&mut self, cx: &mut Context<'_>, ack: SeqNumber) {
        let flight = self.flight();
        if let Some(acked) = self.scoreboard.pop_clean(ack) {
            self.rack.on_plain(cx.now, acked.last.at, acked.last.end);
            self.take_round_trip(cx.now, cx.config, cx.now - acked.first_at);
        }
        let (acked, srtt) = (ack.since(self.snd_una), self.rtt.srtt());
        self.congestion.on_ack(ack, acked, flight, cx.now, srtt);
        self.advance(ack);
        self.restart_timers(cx);
    }

    /// Takes `snd_una` on to `ack`.
    #[inline(always)]
    pub(super) fn advance(&mut self, ack: SeqNumber) {
        let acked = ack.since(self.snd_una);
        let is_another_round = is_another_round(self.snd_una, ack);
        self.send.release(acked as usize);
        self.snd_una = ack;
        if is_another_round {
            self.bring_numbers_forward();
        }
        // What was given up lies behind: the peer holds part of the window that we were given.
        self.snd_wnd = self.snd_wnd.saturating_sub(acked);
        self.duplicate_acks = 0;
        self.retries = 0;
        if self.room_wanted > 0 && self.send.room() >= self.room_wanted as usize {
            self.room_wanted = 0;
            self.pending.writable = true;
        }
    }

    /// After an ACK of something new (RFC 6298 5.2 and 5.3, RFC 8985 7.2).
    #[inline(always)]
    pub(super) fn restart_timers(&mut self, cx: &mut Context<'_>) {
        if self.flight() == 0 {
            self.stop_retransmit_timer();
        } else {
            self.start_retransmit_timer(cx);
            if !self.probe_is_for_reordering {
                self.start_probe_timer(cx.now);
            }
        }
    }

    /// A round trip of something that was sent once.
    #[inline(always)]
    pub(super) fn take_round_trip(&mut self, now: Instant, config: &Config, rtt: Duration) {
        if let Some(least) = self.rack.min_rtt() {
            let late = Duration::from_ns(rtt.as_ns().saturating_sub(least.as_ns()));
            if self.rtt.is_taught_by(now, late) {
                self.rtt.learn_ack_delay(now, late, self.apart.terms.peer_max_ack_delay());
            }
        }
        self.rtt.sample(rtt, config);
    }

    /// The same off the short path, which keeps its own copy.
    #[inline(never)]
    pub(super) fn take_late_round_trip(&mut self, cx: &mut Context<'_>, rtt: Duration) {
        self.take_round_trip(cx.now, cx.config, rtt);
    }

    /// After something was sent twice, the timestamp says which of the two was acknowledged (RFC 7323
    /// 4.1). Nothing is learned of delayed ACKs from it: one before this may have been lost.
    pub(super) fn measure_by_timestamp(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        if let (Some(ours), Some(theirs)) = (self.stamps(), segment.options.timestamps)
            && let Some(rtt) = ours.round_trip(cx.now, theirs.echo)
        {
            self.rtt.sample(rtt, cx.config);
        }
    }

    /// The same of what left again at `at`. If it is that sending, our own clock says how long ago it left, and to less
    /// than a tick, which is ten times a round trip on a short line. What is less than any round trip was of a sending
    /// before, within the same tick.
    pub(super) fn measure_sent_again(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Segment<'_>,
        at: Instant,
    ) {
        let Some(ours) = self.stamps() else { return };
        let echo = segment.options.timestamps.map(|stamps| stamps.echo);
        if echo != Some(ours.option(at).value) {
            self.measure_by_timestamp(cx, segment);
        } else if self.rack.min_rtt().is_none_or(|least| cx.now - at >= least) {
            self.rtt.sample(cx.now - at, cx.config);
        }
    }

    /// RFC 5681 2: something in flight, no text, no FIN, and the same window again. Answers to
    /// probes of a closed window look alike and are none.
    pub(super) fn is_duplicate_ack(&self, segment: &Segment<'_>) -> bool {
        self.flight() > 0
            && segment.payload.is_empty()
            && !segment.flags.has_any(Flags::FIN.with(Flags::SYN))
            && self.snd_wnd > 0
            && u32::from(segment.window) << self.snd_wind_shift == self.snd_wnd
    }

    #[inline(never)]
    pub(super) fn take_duplicate_ack(&mut self, cx: &mut Context<'_>) {
        cx.count(Count::DuplicateAck);
        if self.sack.is_agreed {
            // Its blocks say more than its number does.
            return;
        }
        self.duplicate_acks = self.duplicate_acks.saturating_add(1);
        self.is_calm = false;
        let (una, nxt, flight) = (self.snd_una, self.snd_nxt, self.flight());
        let (before, was_reduced) = (self.congestion.before(), self.was_reduced());
        let owed_cwr = self.ecn.owes_cwr();
        if self.congestion.on_duplicate_ack(self.duplicate_acks, una, flight, nxt, was_reduced) {
            cx.count(Count::FastRetransmit);
            self.note_reduced();
            self.is_calm = false;
            self.apart.undo = Some(Undo::new(una, before, owed_cwr));
            self.resend_first();
        }
    }

    /// The first unacknowledged segment is to be sent again, whatever the congestion window says.
    #[inline(never)]
    pub(super) fn resend_first(&mut self) {
        self.scoreboard.lose_first(self.snd_una);
        self.is_urgent = true;
    }

    /// Everything in flight is to be sent again, as far as the congestion window goes.
    pub(super) fn resend_all(&mut self) {
        self.scoreboard.lose_all(self.snd_una);
        self.is_urgent = true;
    }

    /// The window of a segment that is not older than the last one used (RFC 9293 3.10.7.4). Whether it `was_closed` before
    /// is asked of the window as the peer left it: what it acknowledges now lies behind, and may have been more than that.
    #[inline(never)]
    pub(super) fn take_window(
        &mut self,
        cx: &mut Context<'_>,
        seq: SeqNumber,
        ack: SeqNumber,
        window: u16,
        was_closed: bool,
    ) {
        let is_newer = self.snd_wl1.is_before(seq)
            || (self.snd_wl1 == seq && self.snd_wl2.is_at_or_before(ack));
        if !is_newer {
            return;
        }
        let window = u32::from(window) << self.snd_wind_shift;
        (self.snd_wl1, self.snd_wl2) = (seq, ack);
        // Rounding to the scale may take back less than one step (RFC 7323 2.4): no offence.
        if window.saturating_add(1 << self.snd_wind_shift) <= self.snd_wnd {
            cx.count(Count::WindowShrunk);
        }
        // Behind a timeout it cuts off what goes again, too: what lies beyond is sent as it moves on.
        let is_used_up = self.snd_wnd == 0 && self.rtt.is_backed_off();
        let has_opened = (was_closed || is_used_up) && window > 0;
        self.snd_wnd = window;
        self.snd_wnd_max = self.snd_wnd_max.max(window);
        if window == 0 {
            // RFC 9293 3.8.6.1, MUST-37: as long as it answers, it is not given up.
            self.retries = 0;
        }
        if has_opened {
            self.on_window_opened(cx);
        }
    }

    /// A closed window has opened: what it swallowed goes again, a probe's byte among it, with a fresh timer. Whoever
    /// closes and opens it without end gets nothing again faster by it than by that timer, but once what is new.
    #[inline(never)]
    fn on_window_opened(&mut self, cx: &mut Context<'_>) {
        self.retries = 0;
        self.probe_due = ProbeDue::None;
        // Since the last time, it has: what opens the window may answer the probe.
        let has_timed_out = self.rtt.is_backed_off();
        self.rtt.clear_backoff();
        if self.flight() == 0 {
            self.stop_retransmit_timer();
            return;
        }
        let rto = self.rtt.rto(cx.config);
        let timeout_at = cx.now + rto;
        if has_timed_out || !self.scoreboard.is_first_again_within(rto, cx.now) {
            self.deadlines.retransmit = timeout_at;
            self.resend_all();
            return;
        }
        if self.scoreboard.resent_bytes() > 0 {
            cx.count(Count::WindowReopened);
        }
        if self.scoreboard.lose_new(self.snd_una) {
            self.deadlines.retransmit = timeout_at;
            self.is_urgent = true;
        } else {
            // Not put off by what makes nothing leave.
            self.deadlines.retransmit = self.deadlines.retransmit.min(timeout_at);
        }
    }

    #[inline(never)]
    fn on_fin_acknowledged(&mut self, cx: &mut Context<'_>) {
        match self.state {
            State::FinWait1 => {
                self.state = State::FinWait2;
                if self.is_released {
                    self.start_orphan_timer(cx);
                }
            }
            State::Closing => self.enter_time_wait(cx),
            State::LastAck => self.end(cx, Closed::Finished),
            _ => {}
        }
    }
}
