//! CUBIC's congestion avoidance (RFC 9438 4), in whole numbers.

use super::codec::{Codec, In, Out, codec};
use super::snapshot::SnapshotRefusal;
use crate::time::{Duration, Instant};

/// C and beta_cubic (RFC 9438 4.1), and alpha_cubic = 3 (1 - beta) / (1 + beta), as fractions.
const C: (u64, u64) = (4, 10);
const ALPHA: (u64, u64) = (9, 17);
/// Parts of a byte in which growth is added up.
const FRACTION: u64 = 1 << 10;
/// A pause in growth of so many round trips, and longer by this, is one in which nothing was tried.
const UNUSED_AFTER_RTTS: u64 = 2;
const UNUSED_MIN_NS: u64 = 1_000_000;
/// No epoch is looked at for longer, in ms: the window has met every bound by then.
const EPOCH_MS_MAX: u64 = 1 << 20;

/// The curve that the window follows. Names in RFC 9438 4.1 are theirs; windows in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cubic {
    w_max: u32,
    /// The window when the last loss was found.
    cwnd_prior: u32,
    /// When this congestion avoidance began; never before its first ACK.
    epoch: Epoch,
    k_ms: u32,
    /// Growth not turned into window, and the window that Reno would have, in 1/1024 bytes.
    credit: u32,
    w_est: u64,
    /// When the window was last full, as far as an ACK told.
    grown_at: Instant,
}

/// When one began, if one has.
#[derive(Clone, Copy, Debug)]
struct Epoch(Instant);

impl Epoch {
    const NONE: Epoch = Epoch(Instant::FAR_FUTURE);
}

impl Default for Epoch {
    fn default() -> Epoch {
        Epoch::NONE
    }
}

impl Cubic {
    /// Something was lost (RFC 9438 4.6 and 4.7).
    pub(super) fn on_loss(&mut self, cwnd: u32) {
        // Fast convergence: whoever has less than last time makes way for others.
        let is_less = cwnd < self.w_max;
        self.w_max = if is_less { (u64::from(cwnd) * 17 / 20) as u32 } else { cwnd };
        self.cwnd_prior = cwnd;
        self.epoch = Epoch::NONE;
    }

    /// The retransmission timer went off: what was known of the path says nothing (RFC 9438 4.8).
    pub(super) fn on_timeout(&mut self) {
        self.w_max = 0;
        self.epoch = Epoch::NONE;
    }

    /// The window after `acked` more bytes.
    pub(super) fn grow(
        &mut self,
        cwnd: u32,
        mss: u32,
        acked: u32,
        now: Instant,
        srtt: Duration,
    ) -> u32 {
        if self.epoch.0 == Instant::FAR_FUTURE {
            self.epoch = Epoch(now);
            self.w_max = self.w_max.max(cwnd);
            self.k_ms = k_ms(self.w_max - cwnd, mss);
            self.w_est = u64::from(cwnd) * FRACTION;
            self.credit = 0;
            self.grown_at = now;
        }
        // RFC 9438 5.8: time in which the window was not used does not count.
        let unused = (now - self.grown_at).as_ns().saturating_sub(UNUSED_AFTER_RTTS * srtt.as_ns());
        let began =
            self.epoch.0 + Duration::from_ns(if unused > UNUSED_MIN_NS { unused } else { 0 });
        (self.epoch, self.grown_at) = (Epoch(began), now);
        let (cwnd_now, acked) = (u64::from(cwnd.max(1)), u64::from(acked));
        let t_ms = (now - began).as_ms().min(EPOCH_MS_MAX);
        let k_ms = u64::from(self.k_ms);
        // RFC 9438 4.3: as much as Reno, once the prior window is reached.
        let (up, down) =
            if self.w_est / FRACTION < u64::from(self.cwnd_prior) { ALPHA } else { (1, 1) };
        self.w_est += u64::from(mss) * acked * FRACTION * up / (cwnd_now * down);
        let reno = self.w_est / FRACTION;
        if w_cubic(self.w_max, mss, t_ms, k_ms) < reno {
            return reno.min(u64::from(u32::MAX)).max(u64::from(cwnd)) as u32;
        }
        // RFC 9438 4.2, 4.4 and 4.5.
        let ahead_ms = (t_ms + srtt.as_ms()).min(EPOCH_MS_MAX);
        let wanted = w_cubic(self.w_max, mss, ahead_ms, k_ms);
        let target = wanted.clamp(cwnd_now, cwnd_now + cwnd_now / 2);
        let more = u128::from(target - cwnd_now) * u128::from(acked.min(cwnd_now) * FRACTION);
        let credit = u64::from(self.credit) + (more / u128::from(cwnd_now)) as u64;
        self.credit = (credit % FRACTION) as u32;
        (cwnd_now + credit / FRACTION).min(u64::from(u32::MAX)) as u32
    }
}

/// RFC 9438 4.2, K: when the window is back at `W_max`, `missing` bytes more.
fn k_ms(missing: u32, mss: u32) -> u32 {
    let cube = u128::from(missing) * u128::from(C.1) * 1_000_000_000;
    let cube = cube / (u128::from(mss.max(1)) * u128::from(C.0));
    cube_root(cube.min(u128::from(u64::MAX)) as u64)
}

/// RFC 9438 4.2, W_cubic(t).
fn w_cubic(w_max: u32, mss: u32, t_ms: u64, k_ms: u64) -> u64 {
    let off = u128::from(t_ms.abs_diff(k_ms));
    let by =
        off * off * off * u128::from(mss) * u128::from(C.0) / (u128::from(C.1) * 1_000_000_000);
    let by = by.min(u128::from(u32::MAX)) as u64;
    if t_ms < k_ms { u64::from(w_max).saturating_sub(by) } else { u64::from(w_max) + by }
}

/// The largest whole number whose cube is at most `of`, bit by bit.
fn cube_root(of: u64) -> u32 {
    let mut root = 0u32;
    for bit in (0..22).rev() {
        let with = root | 1 << bit;
        if u128::from(with).pow(3) <= u128::from(of) {
            root = with;
        }
    }
    root
}

codec!(Cubic { w_max, cwnd_prior, epoch, k_ms, w_est, credit, grown_at });

impl Codec for Epoch {
    fn put(&self, out: &mut Out<'_>) {
        self.0.put(out);
    }

    fn take(from: &mut In<'_>) -> Result<Epoch, SnapshotRefusal> {
        Codec::take(from).map(Epoch)
    }
}

impl Cubic {
    /// Whether nothing in it is more than a window could lead to.
    pub(super) fn is_sound(&self) -> bool {
        self.k_ms < 1 << 22 && self.w_est <= 1 << 56 && u64::from(self.credit) <= FRACTION
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MSS: u32 = 1460;

    /// RFC 9438 in floating point, in segments and seconds.
    struct Reference {
        w_max: f64,
        k: f64,
        w_est: f64,
        cwnd: f64,
        prior: f64,
    }

    impl Reference {
        fn after_loss(cwnd: f64) -> Reference {
            let after = cwnd * 0.7;
            let k = ((cwnd - after) / 0.4).cbrt();
            Reference { w_max: cwnd, k, w_est: after, cwnd: after, prior: cwnd }
        }

        fn ack(&mut self, t: f64, rtt: f64) {
            let w = |t: f64| 0.4 * (t - self.k).powi(3) + self.w_max;
            let alpha = if self.w_est < self.prior { 9.0 / 17.0 } else { 1.0 };
            self.w_est += alpha / self.cwnd;
            if w(t) < self.w_est {
                self.cwnd = self.cwnd.max(self.w_est);
            } else {
                let target = w(t + rtt).clamp(self.cwnd, 1.5 * self.cwnd);
                self.cwnd += (target - self.cwnd) / self.cwnd;
            }
        }
    }

    #[test]
    fn window_follows_the_reference_in_floating_point() {
        for (segments, rtt_ms, rounds) in
            [(10, 20, 200), (100, 50, 200), (1_000, 100, 200), (5_000, 30, 700)]
        {
            let prior = segments * MSS;
            let mut cubic = Cubic::default();
            cubic.on_loss(prior);
            let mut cwnd = (u64::from(prior) * 7 / 10) as u32;
            let mut reference = Reference::after_loss(f64::from(segments));
            let mut now_ms = 1_000;
            for _ in 0..rounds {
                for _ in 0..cwnd / MSS {
                    let (now, rtt) = (Instant::from_ms(now_ms), Duration::from_ms(rtt_ms));
                    cwnd = cubic.grow(cwnd, MSS, MSS, now, rtt);
                    reference.ack((now_ms - 1_000) as f64 / 1e3, rtt_ms as f64 / 1e3);
                }
                now_ms += rtt_ms;
                let found = f64::from(cwnd) / f64::from(MSS);
                let off = (found - reference.cwnd).abs() / reference.cwnd;
                assert!(off < 0.02, "{segments} {now_ms}: {found} for {}", reference.cwnd);
            }
            assert!(cwnd > prior, "it has grown past what was lost at");
        }
    }

    #[test]
    fn who_has_less_than_last_time_aims_lower() {
        let mut cubic = Cubic::default();
        cubic.on_loss(100_000);
        assert_eq!(cubic.w_max, 100_000);
        cubic.on_loss(80_000);
        assert_eq!(cubic.w_max, 68_000);
    }

    proptest! {
        #[test]
        fn cube_roots_are_exact_below_their_bound(root in 0u64..1 << 21, over in 0u64..3) {
            let cube = root.pow(3);
            let next = (root + 1).pow(3);
            prop_assert_eq!(u64::from(cube_root((cube + over).min(next - 1))), root);
        }

        #[test]
        fn any_numbers_make_a_window_that_does_not_shrink(
            w_max in any::<u32>(), cwnd in any::<u32>(), mss in 48u32..9000, acked in any::<u32>(),
            wait_ms in any::<u32>(), rtt_ms in any::<u32>(),
        ) {
            let mut cubic = Cubic::default();
            cubic.on_loss(w_max);
            cubic.grow(cwnd, mss, acked, Instant::from_ms(5), Duration::from_ms(3));
            let then = Instant::from_ms(5 + u64::from(wait_ms));
            let rtt = Duration::from_ms(u64::from(rtt_ms));
            prop_assert!(cubic.grow(cwnd, mss, acked, then, rtt) >= cwnd);
        }
    }
}
