//! How much may be in flight besides what the peer's window says: NewReno (RFC 5681, RFC 6582), CUBIC
//! (RFC 9438), or nothing but a named bound.
//!
//! Without SACK a recovery is RFC 6582's, which counts duplicate ACKs as window; with it, what may leave
//! follows from what has arrived (`prr`), and is compared with `pipe` instead of what is unacknowledged.

use super::codec::{codec, codec_enum};
use super::config::CongestionControl;
use super::cubic::Cubic;
use super::prr::Prr;
use crate::time::{Duration, Instant};
use crate::wire::tcp::SeqNumber;

/// RFC 5681 3.2: how many duplicate ACKs mean a loss.
pub(super) const DUPLICATE_ACKS_FOR_LOSS: u32 = 3;
/// RFC 6928 2: the initial window in bytes, between two and ten segments.
const INITIAL_WINDOW: u32 = 14_600;

/// RFC 9406 4.2, L, where nothing is paced.
pub(super) const SLOW_START_SEGMENTS: u32 = 8;

/// What a connection is doing about loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossPhase {
    /// Nothing.
    Open,
    /// Something was found lost, and is sent again while the rest goes on (RFC 5681 3.2).
    Recovery,
    /// The retransmission timer went off (RFC 5681 3.1).
    Loss,
}

/// A connection's congestion state. `cwnd`, `ssthresh` and `recover` are the RFCs' words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Congestion {
    control: Control,
    phase: LossPhase,
    mss: u16,
    /// The bound of [`Control::None`].
    in_flight_bytes_max: u32,
    /// By how many segments one ACK widens slow start at most.
    slow_start_segments: u32,
    cwnd: u32,
    ssthresh: u32,
    /// Bytes acknowledged in congestion avoidance and not yet turned into window.
    credit: u32,
    /// The highest number sent when the last loss was found.
    recover: SeqNumber,
    prr: Prr,
    cubic: Cubic,
    /// The most that was in flight within the round trip that ends at `used_until`.
    used: u32,
    used_until: SeqNumber,
}

/// Which [`CongestionControl`] it is, without its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Control {
    NewReno,
    Cubic,
    Dctcp,
    None,
}

/// What a recovery that was for nothing [gives back](Congestion::undo).
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    cwnd: u32,
    ssthresh: u32,
    credit: u32,
    recover: SeqNumber,
    cubic: Cubic,
}

codec!(Before { cwnd, ssthresh, credit, recover, cubic });

impl Before {
    pub(super) fn is_sound(&self) -> bool {
        self.cubic.is_sound()
    }
}

impl Congestion {
    pub(super) fn new(control: CongestionControl, mss: u32, iss: SeqNumber) -> Congestion {
        let new = Congestion {
            control: Control::NewReno,
            in_flight_bytes_max: 0,
            mss: in_field(mss),
            slow_start_segments: SLOW_START_SEGMENTS,
            cwnd: initial_window(mss),
            ssthresh: u32::MAX,
            credit: 0,
            recover: iss,
            phase: LossPhase::Open,
            prr: Prr::default(),
            cubic: Cubic::default(),
            used: 0,
            used_until: iss,
        };
        new.controlled_by(control)
    }

    fn controlled_by(self, control: CongestionControl) -> Congestion {
        let (control, in_flight_bytes_max) = match control {
            CongestionControl::NewReno => (Control::NewReno, 0),
            CongestionControl::Cubic => (Control::Cubic, 0),
            CongestionControl::Dctcp => (Control::Dctcp, 0),
            CongestionControl::None { in_flight_bytes_max } => (Control::None, in_flight_bytes_max),
        };
        Congestion { control, in_flight_bytes_max, ..self }
    }

    /// By what it goes.
    pub(super) fn control(&self) -> CongestionControl {
        match self.control {
            Control::NewReno => CongestionControl::NewReno,
            Control::Cubic => CongestionControl::Cubic,
            Control::Dctcp => CongestionControl::Dctcp,
            Control::None => {
                CongestionControl::None { in_flight_bytes_max: self.in_flight_bytes_max }
            }
        }
    }

    /// The same anew, for segments of `mss` bytes from `iss` on.
    pub(super) fn begin(&self, mss: u32, iss: SeqNumber) -> Congestion {
        Congestion::new(self.control(), mss, iss)
    }

    /// The same with another limit to slow start.
    pub(super) fn widening_by(self, slow_start_segments: u32) -> Congestion {
        Congestion { slow_start_segments: slow_start_segments.max(1), ..self }
    }

    /// The bytes that may be in flight.
    #[inline]
    pub(super) fn cwnd(&self) -> u32 {
        match self.control {
            Control::None => self.in_flight_bytes_max.max(self.mss()),
            _ => self.cwnd,
        }
    }

    /// Another way from here on; what is known of the path stays.
    pub(super) fn set_control(&mut self, control: CongestionControl) {
        *self = self.controlled_by(control);
    }

    /// What is being done about loss.
    pub(super) fn phase(&self) -> LossPhase {
        self.phase
    }

    /// The window up to which it doubles with each round trip; the highest number before any loss.
    pub(super) fn ssthresh(&self) -> u32 {
        self.ssthresh
    }

    /// Whether something that was found lost is being repaired, and the timer has not gone off over it.
    #[inline]
    pub(super) fn is_recovering(&self) -> bool {
        self.phase == LossPhase::Recovery
    }

    /// Whether the retransmission timer went off, and what was in flight then is not acknowledged yet.
    pub(super) fn is_after_timeout(&self) -> bool {
        self.phase == LossPhase::Loss
    }

    /// Whether anything is being done about loss.
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.phase == LossPhase::Open
    }

    /// Whether each round trip doubles the window.
    pub(super) fn is_in_slow_start(&self) -> bool {
        self.cwnd < self.ssthresh
    }

    /// A SYN was lost: one segment to begin with (RFC 5681 3.1).
    pub(super) fn on_syn_loss(&mut self) {
        self.cwnd = self.mss();
    }

    /// The path takes smaller segments only, or larger ones again. As many smaller ones may be in flight, and not
    /// as many bytes (RFC 5681 3.1).
    pub(super) fn on_mss(&mut self, mss: u32) {
        let as_many = u64::from(self.cwnd) * u64::from(mss) / u64::from(self.mss.max(1));
        self.cwnd = self.cwnd.min(as_many as u32).max(mss);
        self.mss = in_field(mss);
    }

    pub(super) fn bring_forward(&mut self, floor: SeqNumber) {
        self.recover = self.recover.later_of(floor);
    }

    /// Nothing was sent for longer than a timeout (RFC 5681 4.1).
    #[inline]
    pub(super) fn on_idle(&mut self, idle: Duration, rto: impl FnOnce() -> Duration) {
        let initial = self.initial();
        if self.cwnd > initial && idle > rto() {
            self.cwnd = initial;
        }
    }

    /// `len` bytes leave, for the first time or again.
    #[inline(always)]
    pub(super) fn on_sent(&mut self, len: u32) {
        self.prr.on_sent(len);
    }

    /// `acked` bytes up to `ack` were acknowledged, of `flight` in flight before. Says whether the
    /// next segment is lost, too, and to be sent again at once (a partial ACK, RFC 6582 3.2).
    #[inline]
    pub(super) fn on_ack(
        &mut self,
        ack: SeqNumber,
        acked: u32,
        flight: u32,
        now: Instant,
        srtt: Option<Duration>,
    ) -> bool {
        if self.phase == LossPhase::Recovery {
            return self.on_ack_in_reno_recovery(ack, acked, flight);
        }
        if self.is_tried(flight, ack - acked) {
            self.grow(acked, now, srtt);
        }
        if self.phase == LossPhase::Loss && self.recover.is_at_or_before(ack) {
            self.phase = LossPhase::Open;
        }
        false
    }

    /// Whether `flight` from `una` on uses the window: one that was not used within a round trip has not been
    /// tried, and does not grow (RFC 7661).
    #[inline(always)]
    pub(super) fn is_tried(&mut self, flight: u32, una: SeqNumber) -> bool {
        if flight > self.used || !una.is_before(self.used_until) {
            (self.used, self.used_until) = (flight, una + flight);
        }
        self.used > self.cwnd / 2
    }

    /// The most in flight by which the window is [not tried](Congestion::is_tried), where all that is in flight
    /// is acknowledged at once; `None` where something is being done about loss, or more was in flight
    /// in this round trip.
    pub(super) fn untried_max(&self) -> Option<u32> {
        let half = self.cwnd / 2;
        (self.is_open() && self.used <= half).then_some(half)
    }

    /// After how long a pause the window may be [another](Congestion::on_idle) at the earliest.
    pub(super) fn pause_max(&self, rto_least: impl FnOnce() -> Duration) -> Duration {
        if self.cwnd > self.initial() { rto_least() } else { Duration::from_ns(u64::MAX) }
    }

    /// All that was in flight was acknowledged, a window that [was tried](Congestion::is_tried), and
    /// [nothing](Congestion::is_open) is being done about loss.
    #[inline(never)]
    pub(super) fn on_use(&mut self, acked: u32, now: Instant, srtt: Option<Duration>) {
        self.grow(acked, now, srtt);
    }

    #[inline(never)]
    fn on_ack_in_reno_recovery(&mut self, ack: SeqNumber, acked: u32, flight: u32) -> bool {
        let remaining = flight.saturating_sub(acked);
        if self.recover.is_at_or_before(ack) {
            self.phase = LossPhase::Open;
            self.cwnd = self.ssthresh.min(remaining.max(self.mss()).saturating_add(self.mss()));
            return false;
        }
        self.cwnd = self.cwnd.saturating_sub(acked);
        if acked >= self.mss() {
            self.cwnd = self.cwnd.saturating_add(self.mss());
        }
        self.cwnd = self.cwnd.max(self.mss());
        true
    }

    fn grow(&mut self, acked: u32, now: Instant, srtt: Option<Duration>) {
        if self.cwnd < self.ssthresh {
            // After a timeout an ACK may be of much that arrived long ago (RFC 3465 2.3).
            let segments = if self.is_open() { self.slow_start_segments } else { 1 };
            let limit = segments.saturating_mul(self.mss());
            self.cwnd =
                self.cwnd.saturating_add(acked.min(limit)).min(self.ssthresh.max(self.cwnd));
        } else if self.control == Control::Cubic {
            let srtt = srtt.unwrap_or_default();
            self.cwnd = self.cubic.grow(self.cwnd, self.mss(), acked, now, srtt);
        } else {
            self.credit = self.credit.saturating_add(acked);
            if self.credit >= self.cwnd {
                self.credit -= self.cwnd;
                self.cwnd = self.cwnd.saturating_add(self.mss());
            }
        }
    }

    /// The `count`th duplicate ACK in a row, without SACK. Says whether the first unacknowledged segment
    /// is to be sent again. The window is not made smaller where it [was](Congestion::begin_recovery).
    pub(super) fn on_duplicate_ack(
        &mut self,
        count: u32,
        ack: SeqNumber,
        flight: u32,
        snd_nxt: SeqNumber,
        was_reduced: bool,
    ) -> bool {
        if self.is_recovering() {
            // Each says that a segment has left the network (RFC 5681 3.2, step 4).
            self.cwnd = self.cwnd.saturating_add(self.mss());
            return false;
        }
        // RFC 6582 3.2, step 2: duplicates of what recovery itself sent twice are no new loss.
        if count != DUPLICATE_ACKS_FOR_LOSS || !self.recover.is_before(ack) {
            return false;
        }
        self.reduce_for_loss(flight, was_reduced);
        self.cwnd = self.ssthresh.saturating_add(3 * self.mss());
        self.recover = snd_nxt;
        self.phase = LossPhase::Recovery;
        true
    }

    /// With SACK: something was found lost, with `flight` bytes not acknowledged. Where what is in flight was
    /// answered by a smaller window already (`was_reduced`, RFC 3168 6.1.2), it is not once more.
    pub(super) fn begin_recovery(&mut self, flight: u32, snd_nxt: SeqNumber, was_reduced: bool) {
        self.reduce_for_loss(flight, was_reduced);
        self.recover = snd_nxt;
        self.phase = LossPhase::Recovery;
        self.prr = Prr::begin(flight);
    }

    /// With SACK, in a recovery: `delivered` more bytes have arrived, and `pipe` are in the network.
    /// Says whether the recovery is over.
    pub(super) fn on_ack_in_recovery(
        &mut self,
        una: SeqNumber,
        delivered: u32,
        pipe: u32,
        is_safe: bool,
    ) -> bool {
        if self.recover.is_at_or_before(una) {
            self.phase = LossPhase::Open;
            self.cwnd = self.ssthresh;
            return true;
        }
        let may_leave = self.prr.on_ack(delivered, pipe, self.ssthresh, self.mss(), is_safe);
        self.cwnd = pipe.saturating_add(may_leave).max(self.mss());
        false
    }

    /// Something was lost, and its repair is on its way already (RFC 8985 7.4.2), or the network said
    /// that it is about to lose something (RFC 3168 6.1.2).
    pub(super) fn on_repaired(&mut self, flight: u32) {
        self.reduce(flight);
        self.cwnd = self.cwnd.min(self.ssthresh);
    }

    pub(super) fn is_dctcp(&self) -> bool {
        self.control == Control::Dctcp
    }

    /// An ACK that echoes a mark makes no window (RFC 3168 6.1.2).
    pub(super) fn hold_at(&mut self, cwnd: u32) {
        if self.is_open() {
            self.cwnd = self.cwnd.min(cwnd);
        }
    }

    /// Less by so many bytes, and no slow start any more.
    pub(super) fn shrink_by(&mut self, less: u32) {
        self.cwnd = self.cwnd.saturating_sub(less).max(2 * self.mss());
        self.ssthresh = self.cwnd;
        self.credit = 0;
    }

    /// The retransmission timer went off; `is_first` unless it did before for the same bytes.
    pub(super) fn on_timeout(&mut self, is_first: bool, flight: u32, snd_nxt: SeqNumber) {
        if is_first {
            if self.is_recovering() {
                // A repair was lost, too. For what is in flight the window was made smaller when it began: once, as Linux
                // has it, where RFC 5681 4.3 would have it twice.
                self.ssthresh = self.ssthresh.min(self.kept(flight));
            } else {
                self.reduce(flight);
            }
            self.cubic.on_timeout();
        }
        self.cwnd = self.mss();
        self.recover = snd_nxt;
        self.phase = LossPhase::Loss;
    }

    /// What stands before a recovery that may be for nothing.
    pub(super) fn before(&self) -> Before {
        let Congestion { cwnd, ssthresh, credit, recover, cubic, .. } = *self;
        Before { cwnd, ssthresh, credit, recover, cubic }
    }

    /// It was for nothing: what stood `before` stands again (RFC 4015 3).
    pub(super) fn undo(&mut self, before: &Before) {
        // Neither did the path become wider by it, nor is another control than was asked for since the one; and how
        // much was in flight since is so. What may leave for what arrives while it is repaired is no window.
        let Before { cwnd, ssthresh, credit, recover, cubic } = *before;
        let now = if self.is_recovering() { self.mss() } else { self.cwnd };
        let (cwnd, phase) = (now.max(cwnd), LossPhase::Open);
        *self = Congestion { cwnd, ssthresh, credit, recover, cubic, phase, ..*self };
    }

    /// What limited transmit let out beyond the window does not count (RFC 5681 3.2, step 2; RFC 6675 5, step 4.2).
    fn reduce_for_loss(&mut self, flight: u32, was_reduced: bool) {
        if was_reduced {
            self.ssthresh = self.ssthresh.min(self.cwnd().max(2 * self.mss()));
        } else {
            self.reduce(flight.min(self.cwnd()));
        }
    }

    /// Behind a hole that went again in vain, `flight` is of several windows, most of which has arrived: no more
    /// of it counts than the window, lest it grow by a loss.
    fn reduce(&mut self, flight: u32) {
        let window = if self.is_recovering() { self.ssthresh } else { self.cwnd };
        let flight = flight.min(window);
        if self.control == Control::Cubic {
            self.cubic.on_loss(window);
        }
        self.ssthresh = self.kept(flight);
        self.credit = 0;
    }

    /// What a loss leaves of a window (RFC 5681 3.1, RFC 9438 4.6).
    fn kept(&self, window: u32) -> u32 {
        let kept = match self.control {
            Control::Cubic => (u64::from(window) * 7 / 10) as u32,
            _ => window / 2,
        };
        kept.max(2 * self.mss())
    }
}

/// No segment is longer than a field says.
fn in_field(mss: u32) -> u16 {
    mss.min(u32::from(u16::MAX)) as u16
}

fn initial_window(mss: u32) -> u32 {
    (10 * mss).min(INITIAL_WINDOW.max(2 * mss))
}

codec!(Congestion {
    control,
    in_flight_bytes_max,
    mss,
    slow_start_segments,
    cwnd,
    ssthresh,
    credit,
    recover,
    phase,
    prr,
    cubic,
    used,
    used_until,
});
codec_enum!(Control { NewReno = 0, Cubic = 1, Dctcp = 2, None = 3 });
codec_enum!(LossPhase { Open = 0, Recovery = 1, Loss = 2 });

impl Congestion {
    #[inline(always)]
    pub(super) fn mss(&self) -> u32 {
        u32::from(self.mss)
    }

    /// What it begins with.
    #[inline(always)]
    fn initial(&self) -> u32 {
        initial_window(self.mss())
    }

    /// Whether it is one that anything could have led to, with SACK or without: nothing overflows from here on.
    pub(super) fn is_sound(&self, uses_sack: bool) -> bool {
        let is_recovering = uses_sack && self.phase == LossPhase::Recovery;
        self.mss > 0
            && self.slow_start_segments > 0
            && self.cwnd >= self.mss()
            && self.prr.is_sound(is_recovering)
            && self.cubic.is_sound()
    }
}

#[cfg(test)]
mod tests;
