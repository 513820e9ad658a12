//! Proportional rate reduction (RFC 6937): how much leaves during a recovery, in proportion to what
//! arrives, so that it ends with as much in flight as the congestion control wanted.

use super::codec::codec;

/// The bytes that arrived and left since a recovery began.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Prr {
    /// As far as a word counts, both: no recovery is of as many, and before the first nobody asks.
    delivered: u32,
    out: u32,
    /// In flight when it began.
    flight: u32,
}

impl Prr {
    pub(super) fn begin(flight: u32) -> Prr {
        Prr { delivered: 0, out: 0, flight: flight.max(1) }
    }

    #[inline(always)]
    pub(super) fn on_sent(&mut self, len: u32) {
        self.out = self.out.saturating_add(len);
    }

    /// How much may leave after an ACK that says that `delivered` more bytes have arrived. `is_safe`:
    /// it took `snd_una` on, and showed no further loss.
    pub(super) fn on_ack(
        &mut self,
        delivered: u32,
        pipe: u32,
        ssthresh: u32,
        mss: u32,
        is_safe: bool,
    ) -> u32 {
        self.delivered = self.delivered.saturating_add(delivered);
        let may_leave = if pipe > ssthresh {
            let due = u64::from(self.delivered) * u64::from(ssthresh);
            let due = due.div_ceil(u64::from(self.flight)).min(u64::from(u32::MAX)) as u32;
            due.saturating_sub(self.out)
        } else {
            let limit = self.delivered.saturating_sub(self.out).max(delivered);
            let limit = limit.saturating_add(if is_safe { mss } else { 0 });
            limit.min(ssthresh - pipe)
        };
        // The first goes at once (RFC 6675 5, step 4.3).
        let at_least = if self.out == 0 { mss } else { 0 };
        may_leave.max(at_least)
    }
}

codec!(Prr { delivered, out, flight });

impl Prr {
    /// Whether something was in flight when the recovery began, if there is one.
    pub(super) fn is_sound(&self, is_recovering: bool) -> bool {
        self.flight > 0 || !is_recovering
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6937 3.1, the course of the first example: 20 segments in flight, the first lost, half the rate wanted.
    #[test]
    fn one_leaves_for_every_two_that_arrive_until_half_is_in_flight() {
        const MSS: u32 = 1000;
        let (mut prr, mut pipe, mut left) = (Prr::begin(20 * MSS), 19 * MSS, 0);
        for _ in 0..19 {
            pipe -= MSS;
            let may = prr.on_ack(MSS, pipe, 10 * MSS, MSS, false) / MSS * MSS;
            prr.on_sent(may);
            pipe += may;
            left += may / MSS;
        }
        assert_eq!((left, pipe), (10, 10 * MSS));
    }

    #[test]
    fn after_heavy_loss_what_arrived_bounds_what_leaves() {
        let mut prr = Prr::begin(20_000);
        assert_eq!(prr.on_ack(1000, 3000, 10_000, 1000, false), 1000);
        prr.on_sent(1000);
        assert_eq!(prr.on_ack(1000, 3000, 10_000, 1000, false), 1000);
        prr.on_sent(1000);
        assert_eq!(prr.on_ack(1000, 3000, 10_000, 1000, true), 2000);
    }

    /// What left since the last recovery began, if ever, is no less than what a word counts.
    #[test]
    fn what_has_left_is_counted_as_far_as_a_word_goes() {
        let mut prr = Prr::begin(20_000);
        prr.on_sent(u32::MAX);
        prr.on_sent(1);
        assert_eq!(prr.on_ack(500, 3000, 10_000, 1000, false), 500);
    }
}
