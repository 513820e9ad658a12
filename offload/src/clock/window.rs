//! The regression: what a window of pairs allows one clock to read when another reads `x`.
//!
//! Not least squares. A pair does not say "here, give or take": it says "between these two", and
//! that is certain, while the delays within are neither symmetric nor independent. Least squares
//! would average them into a number that nothing vouches for. Here every pair alone, and every two
//! pairs as a line through both, confine the reading; all of that together is an interval that
//! contains it as long as the assumptions of [`StageConfig`](super::StageConfig) do. Its middle is
//! the estimate with the smallest worst case, its half width the bound.
//!
//! For two pairs `i` before `j` and `x` after both, with `d = x_j - x_i` and `h = x - x_j`:
//! `y(x) = y_j + h (y_j - y_i) / d + r`, where `r` is `h` times the difference of the mean rates
//! over the two spans. Moments of the one and of the other are `(h + d) / 2` apart in the mean, so
//! `|r| <= h (rate_step + wander (h + d) / 2)`.

use arrayvec::ArrayVec;

use super::config::StageConfig;

/// How many pairs are regressed over.
pub(super) const WINDOW_PAIRS: usize = 16;

/// A pair, counted from the first of its life: when the one clock is in the middle of tick `x`, the
/// other reads `y`, give or take `error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) x: i64,
    pub(super) y: i64,
    pub(super) error: i64,
}

impl Point {
    fn low(&self) -> i128 {
        i128::from(self.y) - i128::from(self.error)
    }

    fn high(&self) -> i128 {
        i128::from(self.y) + i128::from(self.error)
    }
}

/// Where a reading must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) low: i128,
    pub(super) high: i128,
}

impl Interval {
    pub(super) fn and(self, other: Interval) -> Interval {
        Interval { low: self.low.max(other.low), high: self.high.min(other.high) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.low > self.high
    }

    pub(super) fn width(&self) -> i128 {
        self.high - self.low
    }

    pub(super) fn meets(&self, point: &Point) -> bool {
        self.low <= point.high() && point.low() <= self.high
    }
}

/// Two clocks' nominal rates, and how far the real ones may be from them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    pub(super) from_per_s: i128,
    pub(super) to_per_s: i128,
    drift_ppb: i128,
    wander_ppb_per_s: i128,
    step_ppb: i128,
}

const PPB: i128 = 1_000_000_000;

impl Rates {
    pub(super) fn new(from_per_s: u64, to_per_s: u64, config: &StageConfig) -> Rates {
        Rates {
            from_per_s: from_per_s.into(),
            to_per_s: to_per_s.into(),
            drift_ppb: config.drift_ppb_max.into(),
            wander_ppb_per_s: config.wander_ppb_per_s_max.into(),
            step_ppb: config.rate_step_ppb_max.into(),
        }
    }

    /// The most that the other clock advances in `ticks`, times `scale`; rounded up.
    pub(super) fn fastest(&self, ticks: i128, scale: i128) -> i128 {
        let rate = self.to_per_s * (PPB + self.drift_ppb);
        div_up(ticks * scale * rate, self.from_per_s * PPB)
    }

    /// The least that the other clock advances in `ticks`, times `scale`; rounded down.
    pub(super) fn slowest(&self, ticks: i128, scale: i128) -> i128 {
        let rate = self.to_per_s * (PPB - self.drift_ppb);
        div_down(ticks * scale * rate, self.from_per_s * PPB)
    }

    /// The most that `ahead` ticks can differ, in the other clock, from what the mean rate over
    /// `behind` ticks just before them gives, times `scale`; rounded up.
    pub(super) fn wandered(&self, ahead: i128, behind: i128, scale: i128) -> i128 {
        let twice_ppb_s =
            2 * self.step_ppb * self.from_per_s + self.wander_ppb_per_s * (ahead + behind);
        let numerator = ahead * scale * self.to_per_s * twice_ppb_s;
        div_up(numerator, 2 * self.from_per_s * self.from_per_s * PPB)
    }

    /// Where `point` alone puts the other clock at `x`, not before it.
    pub(super) fn by_one(&self, point: &Point, x: i64) -> Interval {
        let ahead = i128::from(x) - i128::from(point.x);
        Interval {
            low: point.low() + self.slowest(ahead, 1),
            high: point.high() + self.fastest(ahead, 1),
        }
    }

    /// Where the line through `older` and `newer` puts it.
    pub(super) fn by_two(&self, older: &Point, newer: &Point, x: i64) -> Interval {
        let ahead = i128::from(x) - i128::from(newer.x);
        let apart = i128::from(newer.x) - i128::from(older.x);
        let wandered = self.wandered(ahead, apart, 1);
        let most = div_up(ahead * (newer.high() - older.low()), apart);
        let least = div_down(ahead * (newer.low() - older.high()), apart);
        Interval { low: newer.low() + least - wandered, high: newer.high() + most + wandered }
    }
}

pub(super) fn div_down(dividend: i128, divisor: i128) -> i128 {
    dividend.div_euclid(divisor)
}

pub(super) fn div_up(dividend: i128, divisor: i128) -> i128 {
    -(-dividend).div_euclid(divisor)
}

/// The newest pairs of one life, oldest first, no two of them at one `x`.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    points: ArrayVec<Point, WINDOW_PAIRS>,
}

impl Window {
    /// Adds a pair after all others; the oldest makes room.
    pub(super) fn push(&mut self, point: Point) {
        if self.points.is_full() {
            self.points.remove(0);
        }
        self.points.push(point);
    }

    pub(super) fn points(&self) -> &[Point] {
        &self.points
    }

    pub(super) fn forget_oldest(&mut self) {
        self.points.remove(0);
    }

    pub(super) fn newest(&self) -> Option<&Point> {
        self.points.last()
    }

    /// Where all pairs together put the other clock at `x`, not before the newest. Empty when they
    /// contradict each other.
    pub(super) fn at(&self, rates: &Rates, x: i64) -> Interval {
        let mut all = Interval { low: i128::MIN, high: i128::MAX };
        for (index, newer) in self.points.iter().enumerate() {
            all = all.and(rates.by_one(newer, x));
            for older in &self.points[..index] {
                all = all.and(rates.by_two(older, newer, x));
            }
        }
        all
    }
}
