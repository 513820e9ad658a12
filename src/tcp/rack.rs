//! RACK (RFC 8985 6): a segment is lost when one that left later has arrived, and a while has passed
//! in which it would have, too, were it only out of order.

use super::codec::codec;
use super::scoreboard::{Marks, Sent, left_before};
use crate::time::{Duration, Instant};
use crate::wire::tcp::SeqNumber;

/// RFC 8985 6.2, step 4: recoveries for which a wider window is kept.
const WIDE_FOR_RECOVERIES: u8 = 16;
/// What was learned of round trips is learned anew after so long: the shortest (RFC 8985 6.2, step 1), and by how much
/// the peer delays ACKs.
pub(super) const RTT_VALID: Duration = Duration::from_s(300);
/// RFC 8985 6.2, step 4: so many segments behind a hole, and nothing has ever come out of order.
const SACKED_FOR_LOSS: u32 = 3;

/// What has arrived, and how much out of order. Names in RFC 8985 5.3 are theirs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rack {
    /// Of the segment that left last of those that have arrived: when, and where it ended.
    xmit_at: Instant,
    end_seq: SeqNumber,
    rtt: Duration,
    min_rtt: Duration,
    min_rtt_at: Instant,
    /// The highest number that has arrived, if any counts.
    fack: SeqNumber,
    has_fack: bool,
    reordering_seen: bool,
    /// How far behind the highest number something has arrived at most that was sent once, in bytes.
    reordered_by: u32,
    reo_wnd_mult: u16,
    reo_wnd_persist: u8,
    /// Until this is acknowledged duplicates are of one round trip, if there were any.
    has_dsack_round: bool,
    dsack_round: SeqNumber,
}

impl Rack {
    pub(super) const NEW: Rack = Rack {
        xmit_at: Instant::ZERO,
        end_seq: SeqNumber(0),
        rtt: Duration::ZERO,
        min_rtt: Duration::from_ns(u64::MAX),
        min_rtt_at: Instant::ZERO,
        fack: SeqNumber(0),
        has_fack: false,
        reordering_seen: false,
        reordered_by: 0,
        reo_wnd_mult: 1,
        reo_wnd_persist: WIDE_FOR_RECOVERIES,
        has_dsack_round: false,
        dsack_round: SeqNumber(0),
    };

    /// The shortest round trip where one [is known](Rack::min_rtt), or else one longer than any.
    #[inline(always)]
    pub(super) fn min_rtt_known(&self) -> Duration {
        self.min_rtt
    }

    /// How far behind the highest number something has arrived, in bytes; 0 where nothing has.
    pub(super) fn reordered_by(&self) -> u32 {
        self.reordered_by
    }

    /// Until when it stands, if no other is as short.
    pub(super) fn min_rtt_until(&self) -> Instant {
        self.min_rtt_at + RTT_VALID
    }

    pub(super) fn min_rtt(&self) -> Option<Duration> {
        (self.min_rtt.as_ns() < u64::MAX).then_some(self.min_rtt)
    }

    /// The handshake took `rtt`: a measurement like any other (RFC 8985 6.2, step 1), unless the clock stood still.
    pub(super) fn on_handshake(&mut self, now: Instant, rtt: Duration) {
        if rtt > Duration::ZERO {
            (self.rtt, self.min_rtt, self.min_rtt_at) = (rtt, rtt, now);
        }
    }

    /// A segment that was sent once and ended so has arrived, and nothing else is going on.
    #[inline(always)]
    pub(super) fn on_plain(&mut self, now: Instant, sent_at: Instant, end: SeqNumber) {
        let rtt = now - sent_at;
        (self.xmit_at, self.end_seq, self.rtt) = (sent_at, end, rtt);
        if rtt <= self.min_rtt || now > self.min_rtt_until() {
            (self.min_rtt, self.min_rtt_at) = (rtt, now);
        }
    }

    /// The same of the last of all that was in flight, which took `rtt`, no less than the shortest, while that
    /// [stands](Rack::min_rtt_until), and as long as it: [what others take](Rack::note_latest) may be said later.
    ///
    /// When it left and where it ended is not kept. It is compared only with segments that have left since, after
    /// which come both it and whatever left before it.
    #[inline(always)]
    pub(super) fn on_shortest(&mut self, now: Instant) {
        self.min_rtt_at = now;
    }

    /// What the last such segment took.
    pub(super) fn note_latest(&mut self, rtt: Duration) {
        self.rtt = rtt;
    }

    /// A segment has arrived, as far as the scoreboard knew it until now. `is_first` says that the ACK
    /// may be of its first sending (RFC 8985 6.2, steps 1 to 3).
    pub(super) fn on_delivered(&mut self, now: Instant, sent: &Sent, is_first: bool) {
        if sent.marks.has(Marks::SACKED) {
            return;
        }
        let was_again = sent.marks.has(Marks::EVER_AGAIN);
        if !self.has_fack || !sent.end.is_before(self.fack) {
            (self.fack, self.has_fack) = (sent.end, true);
        } else if !was_again {
            self.reordering_seen = true;
            self.reordered_by = self.reordered_by.max(self.fack.since(sent.end));
        }
        let rtt = now - sent.at;
        if was_again && (is_first || rtt < self.min_rtt) {
            return;
        }
        if rtt <= self.min_rtt || now > self.min_rtt_until() {
            (self.min_rtt, self.min_rtt_at) = (rtt, now);
        }
        self.rtt = rtt;
        if left_before(self.latest(), (sent.at, sent.end)) {
            (self.xmit_at, self.end_seq) = (sent.at, sent.end);
        }
    }

    /// Nothing is in flight beyond `una`, or sacked: what arrived ahead is no measure any more.
    pub(super) fn forget_ahead(&mut self) {
        self.has_fack = false;
    }

    /// The peer had something twice: reordering wider than we thought, once in a round trip.
    pub(super) fn on_duplicate(&mut self, una: SeqNumber, nxt: SeqNumber) {
        if !self.has_dsack_round || self.dsack_round.is_at_or_before(una) {
            (self.dsack_round, self.has_dsack_round) = (nxt, true);
            self.reo_wnd_mult = (self.reo_wnd_mult + 1).min(1 << 10);
            self.reo_wnd_persist = WIDE_FOR_RECOVERIES;
        }
    }

    pub(super) fn bring_forward(&mut self, floor: SeqNumber) {
        self.has_dsack_round &= floor.is_before(self.dsack_round);
    }

    /// What was taken for lost was late: out of order, or delayed.
    pub(super) fn on_undone(&mut self) {
        self.reordering_seen = true;
    }

    /// A recovery has ended.
    pub(super) fn on_recovered(&mut self) {
        self.reo_wnd_persist = self.reo_wnd_persist.saturating_sub(1);
        if self.reo_wnd_persist == 0 {
            self.reo_wnd_mult = 1;
        }
    }

    /// RFC 8985 6.2, step 4.
    pub(super) fn reordering_window(
        &self,
        is_recovering: bool,
        sacked_count: u32,
        srtt: Option<Duration>,
    ) -> Duration {
        if !self.reordering_seen && (is_recovering || sacked_count >= SACKED_FOR_LOSS) {
            return Duration::ZERO;
        }
        let min_rtt_ns = self.min_rtt().unwrap_or_default().as_ns();
        let window = Duration::from_ns(min_rtt_ns / 4).times(u64::from(self.reo_wnd_mult));
        srtt.map_or(window, |srtt| window.min(srtt))
    }

    /// The segment that left last of those that have arrived.
    pub(super) fn latest(&self) -> (Instant, SeqNumber) {
        (self.xmit_at, self.end_seq)
    }

    /// When a segment that left at `sent_at` is lost, if not told of by then.
    pub(super) fn expiry(&self, sent_at: Instant, reordering_window: Duration) -> Instant {
        sent_at + self.rtt + reordering_window
    }
}

codec!(Rack {
    xmit_at,
    end_seq,
    rtt,
    min_rtt,
    min_rtt_at,
    fack,
    has_fack,
    reordering_seen,
    reordered_by,
    reo_wnd_mult,
    reo_wnd_persist,
    has_dsack_round,
    dsack_round,
});

impl Rack {
    /// Whether its window is no wider than it grows. A round trip is as long as a host may sleep.
    pub(super) fn is_sound(&self) -> bool {
        self.reo_wnd_mult <= 1 << 10
    }
}
