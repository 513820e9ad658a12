//! How much may be in flight besides what the peer's window says: NewReno (RFC 5681, RFC 6582), or
//! nothing but a named bound.

use super::config::CongestionControl;
use crate::time::Duration;
use crate::wire::tcp::SeqNumber;

/// RFC 5681 3.2: how many duplicate ACKs mean a loss.
pub(super) const DUPLICATE_ACKS_FOR_LOSS: u32 = 3;
/// RFC 6928 2: the initial window in bytes, between two and ten segments.
const INITIAL_WINDOW: u32 = 14_600;

/// A connection's congestion state. `cwnd`, `ssthresh` and `recover` are the RFCs' words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Congestion {
    control: CongestionControl,
    mss: u32,
    cwnd: u32,
    ssthresh: u32,
    /// Bytes acknowledged in congestion avoidance and not yet turned into window.
    credit: u32,
    /// The highest number sent when the last loss was found.
    recover: SeqNumber,
    is_recovering: bool,
}

impl Congestion {
    pub(super) fn new(control: CongestionControl, mss: u32, iss: SeqNumber) -> Congestion {
        let cwnd = initial_window(mss);
        let (ssthresh, credit, is_recovering) = (u32::MAX, 0, false);
        Congestion { control, mss, cwnd, ssthresh, credit, recover: iss, is_recovering }
    }

    /// The bytes that may be in flight.
    #[inline]
    pub(super) fn cwnd(&self) -> u32 {
        match self.control {
            CongestionControl::NewReno => self.cwnd,
            CongestionControl::None { in_flight_bytes_max } => in_flight_bytes_max.max(self.mss),
        }
    }

    pub(super) fn is_recovering(&self) -> bool {
        self.is_recovering
    }

    /// A SYN was lost: one segment to begin with (RFC 5681 3.1).
    pub(super) fn on_syn_loss(&mut self) {
        self.cwnd = self.mss;
    }

    /// The path takes smaller segments only.
    pub(super) fn on_mss(&mut self, mss: u32) {
        self.mss = mss;
        self.cwnd = self.cwnd.max(mss);
    }

    /// Nothing was sent for longer than a timeout (RFC 5681 4.1).
    #[inline]
    pub(super) fn on_idle(&mut self, idle: Duration, rto: impl FnOnce() -> Duration) {
        let initial = initial_window(self.mss);
        if self.cwnd > initial && idle > rto() {
            self.cwnd = initial;
        }
    }

    /// `acked` bytes up to `ack` were acknowledged, of `flight` in flight before. Says whether the
    /// next segment is lost, too, and to be sent again at once (a partial ACK, RFC 6582 3.2).
    #[inline]
    pub(super) fn on_ack(&mut self, ack: SeqNumber, acked: u32, flight: u32) -> bool {
        if !self.is_recovering {
            // A window that was not used has not been tried: it does not grow (RFC 7661).
            if flight.saturating_add(self.mss) > self.cwnd / 2 {
                self.grow(acked);
            }
            return false;
        }
        let remaining = flight.saturating_sub(acked);
        if self.recover.is_at_or_before(ack) {
            self.is_recovering = false;
            self.cwnd = self.ssthresh.min(remaining.max(self.mss).saturating_add(self.mss));
            return false;
        }
        self.cwnd = self.cwnd.saturating_sub(acked);
        if acked >= self.mss {
            self.cwnd = self.cwnd.saturating_add(self.mss);
        }
        self.cwnd = self.cwnd.max(self.mss);
        true
    }

    fn grow(&mut self, acked: u32) {
        if self.cwnd < self.ssthresh {
            self.cwnd = self.cwnd.saturating_add(acked.min(self.mss));
            return;
        }
        self.credit = self.credit.saturating_add(acked);
        if self.credit >= self.cwnd {
            self.credit -= self.cwnd;
            self.cwnd = self.cwnd.saturating_add(self.mss);
        }
    }

    /// The `count`th duplicate ACK in a row. Says whether the first unacknowledged segment is to be
    /// sent again.
    pub(super) fn on_duplicate_ack(
        &mut self,
        count: u32,
        ack: SeqNumber,
        flight: u32,
        snd_nxt: SeqNumber,
    ) -> bool {
        if self.is_recovering {
            // Each says that a segment has left the network (RFC 6582 3.2, step 3).
            self.cwnd = self.cwnd.saturating_add(self.mss);
            return false;
        }
        // RFC 6582 3.2, step 1: duplicates of what recovery itself sent twice are no new loss.
        if count != DUPLICATE_ACKS_FOR_LOSS || !self.recover.is_before(ack) {
            return false;
        }
        self.ssthresh = (flight / 2).max(2 * self.mss);
        self.cwnd = self.ssthresh.saturating_add(3 * self.mss);
        self.recover = snd_nxt;
        self.is_recovering = true;
        true
    }

    /// The retransmission timer went off; `is_first` unless it did before for the same bytes.
    pub(super) fn on_timeout(&mut self, is_first: bool, flight: u32, snd_nxt: SeqNumber) {
        if is_first {
            self.ssthresh = (flight / 2).max(2 * self.mss);
        }
        self.cwnd = self.mss;
        self.credit = 0;
        self.recover = snd_nxt;
        self.is_recovering = false;
    }
}

fn initial_window(mss: u32) -> u32 {
    (10 * mss).min(INITIAL_WINDOW.max(2 * mss))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u32 = 1000;

    fn reno() -> Congestion {
        Congestion::new(CongestionControl::NewReno, MSS, SeqNumber(0))
    }

    #[test]
    fn initial_window_is_ten_segments_within_rfc6928() {
        for (mss, window) in [(536, 5360), (1460, 14_600), (8960, 17_920)] {
            assert_eq!(
                Congestion::new(CongestionControl::NewReno, mss, SeqNumber(0)).cwnd(),
                window
            );
        }
    }

    #[test]
    fn slow_start_grows_by_each_ack_and_avoidance_by_each_window() {
        let mut reno = reno();
        reno.on_ack(SeqNumber(1000), 1000, 10_000);
        assert_eq!(reno.cwnd(), 11_000);
        reno.ssthresh = 11_000;
        for _ in 0..10 {
            reno.on_ack(SeqNumber(1000), 1000, 11_000);
        }
        assert_eq!(reno.cwnd(), 11_000);
        reno.on_ack(SeqNumber(1000), 1000, 11_000);
        assert_eq!(reno.cwnd(), 12_000);
    }

    #[test]
    fn a_window_that_is_not_used_does_not_grow() {
        let mut reno = reno();
        reno.on_ack(SeqNumber(150), 150, 150);
        assert_eq!(reno.cwnd(), 10_000);
    }

    #[test]
    fn third_duplicate_halves_and_a_full_ack_deflates() {
        let mut reno = reno();
        let (ack, nxt) = (SeqNumber(1), SeqNumber(10_001));
        assert!(!reno.on_duplicate_ack(1, ack, 10_000, nxt));
        assert!(!reno.on_duplicate_ack(2, ack, 10_000, nxt));
        assert!(reno.on_duplicate_ack(3, ack, 10_000, nxt));
        assert_eq!(reno.cwnd(), 8000);
        assert!(!reno.on_duplicate_ack(4, ack, 10_000, nxt));
        assert_eq!(reno.cwnd(), 9000);
        assert!(reno.on_ack(SeqNumber(3001), 3000, 10_000), "a partial ACK shows the next loss");
        assert_eq!(reno.cwnd(), 7000);
        assert!(!reno.on_ack(nxt, 7000, 7000));
        assert_eq!((reno.cwnd(), reno.is_recovering()), (2000, false));
        // What was sent twice brings duplicates: not another loss.
        assert!(!reno.on_duplicate_ack(3, nxt, 2000, nxt));
    }

    #[test]
    fn timeout_leaves_one_segment_and_halves_only_once() {
        let mut reno = reno();
        reno.on_timeout(true, 10_000, SeqNumber(10_001));
        assert_eq!((reno.cwnd(), reno.ssthresh), (1000, 5000));
        reno.on_timeout(false, 1000, SeqNumber(10_001));
        assert_eq!((reno.cwnd(), reno.ssthresh), (1000, 5000));
    }

    #[test]
    fn idle_for_longer_than_a_timeout_goes_back_to_the_initial_window() {
        let mut reno = reno();
        reno.cwnd = 30_000;
        reno.on_idle(Duration::from_ms(200), || Duration::from_ms(200));
        assert_eq!(reno.cwnd(), 30_000);
        reno.on_idle(Duration::from_ms(201), || Duration::from_ms(200));
        assert_eq!(reno.cwnd(), 10_000);
    }

    #[test]
    fn without_control_only_the_named_bound_counts() {
        let control = CongestionControl::None { in_flight_bytes_max: 50_000 };
        let mut none = Congestion::new(control, MSS, SeqNumber(0));
        none.on_timeout(true, 10_000, SeqNumber(10_001));
        assert_eq!(none.cwnd(), 50_000);
    }
}
