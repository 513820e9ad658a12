//! What happens when nothing does: ACKs that waited, messages that waited too long, retransmission and persist
//! timer, keep-alive, TIME-WAIT.

use super::config::Config;
use super::connection::{Connection, Context, State};
use super::counters::Count;
use super::event::Closed;
use super::probe::ProbeDue;
use crate::time::Instant;

impl Connection {
    /// The earliest of its deadlines.
    #[inline]
    pub(super) fn deadline(&self) -> Instant {
        let soonest = self.deadlines.retransmit.min(self.deadlines.probe).min(self.deadlines.ack);
        soonest
            .min(self.deadlines.linger)
            .min(self.deadlines.keep_alive)
            .min(self.deadlines.seldom)
            .min(self.deadlines.stale)
    }

    /// Of its deadlines, the one that sending something new brings.
    #[inline(always)]
    pub(super) fn send_deadline(&self) -> Instant {
        self.deadlines.retransmit.min(self.deadlines.probe)
    }

    /// Does what is due.
    pub(super) fn on_timeout(&mut self, cx: &mut Context<'_>) {
        // Ahead of what would send it once more.
        if self.deadlines.stale <= cx.now && self.end_if_stale(cx) {
            return;
        }
        if self.deadlines.ack <= cx.now {
            self.deadlines.ack = Instant::FAR_FUTURE;
            self.owe_ack();
        }
        if self.deadlines.linger <= cx.now {
            match self.state {
                State::TimeWait => self.end(cx, Closed::Finished),
                _ => self.on_orphan_timeout(cx),
            }
        }
        // What a probe finds out may spare the timeout.
        if self.deadlines.probe <= cx.now {
            self.on_probe_timeout(cx);
        }
        if self.deadlines.retransmit <= cx.now {
            self.on_retransmit_timeout(cx);
        }
        if self.deadlines.keep_alive <= cx.now {
            self.on_keep_alive(cx);
        }
        if self.deadlines.seldom <= cx.now {
            self.on_seldom(cx);
        }
    }

    #[inline]
    pub(super) fn start_retransmit_timer(&mut self, cx: &Context<'_>) {
        self.retransmit_after_rto(cx.now, cx.config);
    }

    #[inline(always)]
    pub(super) fn retransmit_after_rto(&mut self, now: Instant, config: &Config) {
        self.deadlines.retransmit = now + self.rtt.rto(config);
    }

    #[inline]
    pub(super) fn stop_retransmit_timer(&mut self) {
        self.deadlines.retransmit = Instant::FAR_FUTURE;
        self.deadlines.probe = Instant::FAR_FUTURE;
    }

    /// Something waits to be sent, nothing is in flight and the window lets nothing through: unless
    /// we ask again, a lost window update would be waited for without end (RFC 9293 3.8.6.1).
    #[inline]
    pub(super) fn arm_persist_timer(&mut self, now: Instant, config: &Config) {
        if self.deadlines.retransmit == Instant::FAR_FUTURE
            && self.can_transmit()
            && self.flight() == 0
            && (self.send.len() > 0 || (self.fin_queued && !self.fin_sent))
            && !self.is_paced()
            && !self.has_new()
        {
            self.deadlines.retransmit = now + self.rtt.rto(config);
        }
    }

    /// What the windows let leave does not, as its next hop's address is not known: time passes as if it had left, so that
    /// who cannot be found is given up like who does not answer.
    pub(super) fn arm_unresolved_timer(&mut self, cx: &Context<'_>) {
        if !self.can_transmit() || self.flight() > 0 || self.next_data().is_none() {
            return;
        }
        let is_still = self.deadlines.retransmit == Instant::FAR_FUTURE;
        let is_noted = self.apart.stalled_since != Instant::FAR_FUTURE
            && self.apart.stalled_una == self.snd_una;
        // A probe has a timer already.
        if is_still || !is_noted {
            (self.apart.stalled_since, self.apart.stalled_una) = (cx.now, self.snd_una);
        }
        if is_still {
            self.start_retransmit_timer(cx);
        }
    }

    fn on_retransmit_timeout(&mut self, cx: &mut Context<'_>) {
        let is_opening = matches!(self.state, State::SynSent | State::SynReceived);
        let retries_max =
            if is_opening { cx.config.syn_retries_max } else { cx.config.retries_max };
        let give_up_at = if is_opening { Instant::FAR_FUTURE } else { self.user_timeout_at(cx) };
        if give_up_at <= cx.now {
            cx.count(Count::UserTimeout);
        }
        // A time that was named stands in place of a number of retries.
        let has_time = give_up_at != Instant::FAR_FUTURE;
        if (!has_time && self.retries >= u32::from(retries_max)) || give_up_at <= cx.now {
            self.end(cx, Closed::TimedOut);
            return;
        }
        // A window that was probed for has been counted, and nothing went again for it (RFC 5681 3.1).
        let is_first = self.retries == 0 || !self.congestion.is_after_timeout();
        self.retries = self.retries.saturating_add(1);
        if is_opening {
            cx.count(Count::RetransmitTimeout);
            self.syn_due = true;
        } else if self.flight() == 0 && self.has_new() {
            // It waits for an address, and leaves once that is known.
        } else if self.flight() == 0 || self.snd_wnd == 0 {
            self.probe_due = ProbeDue::Window;
        } else {
            cx.count(Count::RetransmitTimeout);
            self.suspect_black_hole(cx);
            self.lose_by_timeout(cx, is_first);
        }
        self.rtt.back_off();
        self.start_retransmit_timer(cx);
        self.deadlines.retransmit = self.deadlines.retransmit.min(give_up_at);
    }

    pub(super) fn start_keep_alive(&mut self, cx: &Context<'_>) {
        if let Some(keep_alive) = self.apart.terms.keep_alive() {
            self.deadlines.keep_alive = cx.now + keep_alive.idle;
        }
    }

    /// Whether probes have gone unanswered for as long as the peer may be silent: for the user timeout where there
    /// is one (RFC 5482 4.2), or else for so many of them.
    fn is_silent(&self, cx: &Context<'_>, probes_max: u8) -> bool {
        match self.user_timeout(cx.config) {
            Some(limit) => self.keep_alive_probes > 0 && cx.now - self.last_heard >= limit,
            None => self.keep_alive_probes >= u32::from(probes_max),
        }
    }

    /// The timer runs from the last time that it was set; what has been heard since puts it off only
    /// when it goes off (RFC 9293 3.8.4).
    fn on_keep_alive(&mut self, cx: &mut Context<'_>) {
        self.deadlines.keep_alive = Instant::FAR_FUTURE;
        let Some(keep_alive) = self.apart.terms.keep_alive() else { return };
        match self.state {
            State::Established | State::CloseWait | State::FinWait2 => {}
            State::FinWait1 => {
                // Our FIN is sent again until it is answered: after that there is somebody to probe.
                self.deadlines.keep_alive = cx.now + keep_alive.interval;
                return;
            }
            _ => return,
        }
        let idle_until = self.last_heard + keep_alive.idle;
        if self.keep_alive_probes == 0 && idle_until > cx.now {
            self.deadlines.keep_alive = idle_until;
        } else if self.flight() > 0 || self.send.len() > 0 {
            // The retransmission or persist timer watches the peer already (RFC 9293 3.8.4, MUST-26).
            self.deadlines.keep_alive = cx.now + keep_alive.interval;
        } else if self.is_silent(cx, keep_alive.probes) {
            self.send_reset(cx);
            self.end(cx, Closed::KeepAliveTimedOut);
        } else {
            self.keep_alive_probes = self.keep_alive_probes.saturating_add(1);
            self.keep_alive_due = true;
            self.deadlines.keep_alive = cx.now + keep_alive.interval;
        }
    }
}
