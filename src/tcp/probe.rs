//! The tail loss probe (RFC 8985 7): when nothing has been heard for a while, one segment goes out to
//! provoke an ACK, long before the retransmission timeout.
//!
//! Where RFC 8985 7.2 waits for a delayed ACK if one segment is in flight, we do if less than two full
//! ones are: RFC 5681 4.2 promises an ACK at once of no less.

use super::codec::{codec, codec_enum};
use super::connection::{Connection, Context};
use super::counters::Count;
use super::transmit::{Next, Why};
use crate::time::Instant;
use crate::wire::tcp::{Flags, Segment, SeqNumber};

/// What is to be sent to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProbeDue {
    None,
    /// Something into a closed window (RFC 9293 3.8.6.1).
    Window,
    /// Something new, or the last segment again (RFC 8985 7.3).
    Loss,
}

/// A probe that has left and is not answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct LossProbe {
    /// TLP.end_seq
    end: SeqNumber,
    /// TLP.is_retrans
    is_again: bool,
}

impl Connection {
    /// Waits for an answer to what is in flight. RFC 8985 7.2: not longer than the retransmission timer.
    #[inline(always)]
    pub(super) fn start_probe_timer(&mut self, now: Instant) {
        if self.sack.is_agreed {
            let may_be_delayed = self.flight() < 2 * self.snd_mss;
            let then = now + self.rtt.probe_timeout(may_be_delayed);
            self.deadlines.probe = then.min(self.deadlines.retransmit);
        }
    }

    /// Nothing was heard for the probe timeout, or for as long as what is out of order may take.
    #[inline(never)]
    pub(super) fn on_probe_timeout(&mut self, cx: &mut Context<'_>) {
        self.deadlines.probe = Instant::FAR_FUTURE;
        if core::mem::take(&mut self.probe_is_for_reordering) {
            self.on_reordering_timeout(cx);
            return;
        }
        if self.can_transmit() && self.may_probe() {
            self.probe_due = ProbeDue::Loss;
            // It takes the timeout's turn (RFC 8985 7.3).
            self.start_retransmit_timer(cx);
        }
    }

    /// RFC 8985 7.3: something is in flight, nothing of it has arrived ahead, nothing is being repaired, and a round
    /// trip was measured since the last probe: else a path that has become longer would be probed without end. A probe
    /// that was acknowledged asks about nothing any more, though it is not known yet what it has repaired: a tail that
    /// is lost behind it is not left to the timeout.
    pub(super) fn may_probe(&self) -> bool {
        self.flight() > 0
            && self.snd_wnd > 0
            && self.congestion.is_open()
            && !self.rtt.wants_sample()
            && self.loss_probe.is_none_or(|probe| probe.end.is_at_or_before(self.snd_una))
            && self.scoreboard.sacked_bytes() == 0
            && !self.scoreboard.has_due()
    }

    /// What the probe is, if it is still wanted when it may leave: new data if the peer's window lets it, or else the last segment.
    pub(super) fn next_loss_probe(&self) -> Option<Next> {
        if !self.may_probe() {
            return None;
        }
        let unsent = self.unsent().filter(|_| !self.scoreboard.is_full());
        if let Some((unsent, fin_waits)) = unsent {
            let room = self.snd_wnd.saturating_sub(self.flight());
            let together = self.together(self.snd_nxt, unsent);
            let len = together.min(room).min(self.payload_max());
            let has_fin = fin_waits && len == unsent && room > len;
            if len > 0 || has_fin {
                return Some(Next::Data { seq: self.snd_nxt, len, has_fin, why: Why::New });
            }
        }
        let last = self.scoreboard.last(self.snd_una)?;
        let data_end = self.snd_nxt - u32::from(self.fin_sent);
        let has_fin = self.fin_sent;
        let len = if last.start.is_before(data_end) { data_end.since(last.start) } else { 0 };
        let len = len.min(self.payload_max());
        let why = Why::LossProbe;
        (len > 0 || has_fin).then_some(Next::Data { seq: data_end - len, len, has_fin, why })
    }

    /// The probe leaves.
    #[inline(never)]
    pub(super) fn note_probe(&mut self, cx: &mut Context<'_>, end: SeqNumber, is_again: bool) {
        let what = core::mem::replace(&mut self.probe_due, ProbeDue::None);
        if what == ProbeDue::Window {
            cx.count(Count::WindowProbeOut);
            return;
        }
        cx.count(Count::LossProbe);
        if self.loss_probe.is_some_and(|probe| probe.is_again) {
            // Nobody has said that it came twice.
            cx.count(Count::LossProbeRepaired);
            self.congestion.on_repaired(self.flight());
            self.note_reduced();
        }
        self.loss_probe = Some(LossProbe { end, is_again });
        self.is_calm = false;
        self.rtt.want_sample();
        self.start_retransmit_timer(cx);
    }

    /// Whether a segment with text says nothing of a loss probe, if it acknowledges nothing new and has no blocks.
    pub(super) fn tells_nothing_of_probe(&self) -> bool {
        self.loss_probe.is_none_or(|probe| {
            let is_answered = probe.is_again && probe.end == self.snd_una;
            is_answered || self.snd_una.is_before(probe.end)
        })
    }

    /// RFC 8985 7.4.2: what an ACK says of the probe.
    pub(super) fn settle_probe(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Segment<'_>,
        twice: Option<(SeqNumber, SeqNumber)>,
        flight: u32,
    ) {
        let Some(probe) = self.loss_probe.filter(|probe| probe.end.is_at_or_before(segment.ack))
        else {
            return;
        };
        let is_repair = probe.end.is_before(segment.ack);
        // Also where nothing is in flight any more: it answers the sending that was too many.
        let is_plain_duplicate = segment.payload.is_empty()
            && !segment.flags.has(Flags::FIN)
            && segment.options.sack.is_none()
            && u32::from(segment.window) << self.snd_wind_shift == self.snd_wnd;
        if !probe.is_again || twice.is_some_and(|twice| twice.1 == probe.end) {
            self.loss_probe = None;
        } else if is_repair {
            self.loss_probe = None;
            cx.count(Count::LossProbeRepaired);
            self.congestion.on_repaired(flight);
            self.note_reduced();
        } else if is_plain_duplicate && segment.ack == probe.end && flight == self.flight() {
            self.loss_probe = None;
        }
    }
}

codec!(LossProbe { end, is_again });
codec_enum!(ProbeDue { None = 0, Window = 1, Loss = 2 });
