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
    /// `behind` ticks just before them gives; rounded up.
    fn wandered(&self, ahead: i128, behind: i128) -> i128 {
        let twice_ppb_s =
            2 * self.step_ppb * self.from_per_s + self.wander_ppb_per_s * (ahead + behind);
        // In two steps, each rounded up: the product of all of it does not fit.
        let advanced = div_up(ahead * self.to_per_s, self.from_per_s);
        div_up(advanced * twice_ppb_s, 2 * self.from_per_s * PPB)
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
        let wandered = self.wandered(ahead, apart);
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
        self.for_each(rates, [x], |[one]| all = all.and(one));
        all
    }

    /// The same at two moments, so that between them the straight line between the upper ends is an
    /// upper bound, and that between the lower ends a lower one.
    ///
    /// What one pair or two allow widens ever faster with `x`, so the chord of it is outside of it;
    /// the chord from one pair's end to another's need not be. So both upper ends are of the same
    /// pairs, and both lower ends are: of those that say most where the next pair is expected, an
    /// eighth of the way.
    pub(super) fn between(&self, rates: &Rates, near: i64, far: i64) -> [Interval; 2] {
        let everything = Interval { low: i128::MIN >> 8, high: i128::MAX >> 8 };
        let [mut near_all, mut far_all] = [everything; 2];
        let early = |near: i128, far: i128| 7 * near + far;
        self.for_each(rates, [near, far], |[near, far]| {
            if early(near.high, far.high) < early(near_all.high, far_all.high) {
                (near_all.high, far_all.high) = (near.high, far.high);
            }
            if early(near.low, far.low) > early(near_all.low, far_all.low) {
                (near_all.low, far_all.low) = (near.low, far.low);
            }
        });
        [near_all, far_all]
    }

    /// What every pair alone and every two pairs allow at some moments.
    fn for_each<const N: usize>(
        &self,
        rates: &Rates,
        at: [i64; N],
        mut hear: impl FnMut([Interval; N]),
    ) {
        for (index, newer) in self.points.iter().enumerate() {
            hear(at.map(|x| rates.by_one(newer, x)));
            for older in &self.points[..index] {
                hear(at.map(|x| rates.by_two(older, newer, x)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A counter at 1 GHz read by one at 3 GHz: rates in whole ticks.
    fn rates(config: &StageConfig) -> Rates {
        Rates::new(1_000_000_000, 3_000_000_000, config)
    }

    fn config(wander_ppb_per_s: u32, step_ppb: u32) -> StageConfig {
        StageConfig {
            wander_ppb_per_s_max: wander_ppb_per_s,
            rate_step_ppb_max: step_ppb,
            ..crate::clock::ClockConfig::default().device
        }
    }

    fn window(points: &[Point]) -> Window {
        let mut window = Window::default();
        points.iter().for_each(|point| window.push(*point));
        window
    }

    #[test]
    fn one_pair_is_good_for_as_much_as_the_drift_allows() {
        let point = Point { x: 0, y: 0, error: 10 };
        let at = window(&[point]).at(&rates(&config(0, 0)), 1_000_000);
        assert_eq!(at, Interval { low: 3_000_000 - 600 - 10, high: 3_000_000 + 600 + 10 });
    }

    #[test]
    fn two_pairs_carry_their_errors_on_and_the_rate_may_change_after_them() {
        let points = [
            Point { x: 0, y: 7, error: 10 },
            Point { x: 1_000_000_000, y: 3_000_000_007, error: 20 },
        ];
        // Half a second on: the errors 20 + (20 + 10) / 2, and 0.5 s at 3 GHz times
        // 200 ppb + 40 ppb/s * 1.5 s / 2.
        let at = window(&points).at(&rates(&config(40, 200)), 1_500_000_000);
        let (middle, apart) = (4_500_000_007, 35 + 345);
        assert_eq!(at, Interval { low: middle - apart, high: middle + apart });
    }

    #[test]
    fn a_full_window_forgets_its_oldest() {
        let point = |number: i64| Point { x: number, y: 3 * number, error: 5 };
        let numbers = 0..WINDOW_PAIRS as i64 + 3;
        let window = window(&numbers.map(point).collect::<Vec<_>>());
        assert_eq!(window.points().len(), WINDOW_PAIRS);
        assert_eq!(window.points()[0], point(3));
    }

    /// Bounds on a straight line `y = y1 + (y2 - y1) (x - x1) / (x2 - x1)`.
    struct Bounds {
        rates: Rates,
        points: Vec<Point>,
    }

    impl Bounds {
        fn allow(&self, (x1, y1): (i128, i128), (x2, y2): (i128, i128)) -> bool {
            let (run, rise) = (x2 - x1, y2 - y1);
            let in_pairs = self.points.iter().all(|point| {
                let reached = y1 * run + rise * (i128::from(point.x) - x1);
                point.low() * run <= reached && reached <= point.high() * run
            });
            let scale = self.rates.from_per_s * PPB;
            let least = self.rates.to_per_s * (PPB - self.rates.drift_ppb);
            let most = self.rates.to_per_s * (PPB + self.rates.drift_ppb);
            in_pairs && least * run <= rise * scale && rise * scale <= most * run
        }

        /// The obvious twin, where the rate is constant: the extremes of a linear program are at
        /// its vertices, and every vertex is a line that touches two ends of pairs. The drift is
        /// left wide enough not to matter.
        fn at(&self, x: i64) -> Option<(i128, i128)> {
            let ends = self.points.iter().flat_map(|point| {
                let x = i128::from(point.x);
                [(x, point.low()), (x, point.high())]
            });
            let ends: Vec<_> = ends.collect();
            let mut reached = Vec::new();
            for (index, &first) in ends.iter().enumerate() {
                for &second in &ends[index + 1..] {
                    let run = second.0 - first.0;
                    if run > 0 && self.allow(first, second) {
                        let rise = (second.1 - first.1) * (i128::from(x) - first.0);
                        reached.push((first.1 + div_down(rise, run), first.1 + div_up(rise, run)));
                    }
                }
            }
            let low = reached.iter().map(|(low, _)| *low).min()?;
            Some((low, reached.iter().map(|(_, high)| *high).max()?))
        }
    }

    prop_compose! {
        /// Pairs around a line of 3 ticks per tick, each within its error, and a later `x`.
        fn pairs_on_a_line()(
            steps in prop::collection::vec((1_000_000i64..200_000_000, 1i64..1_000, -100i64..=100), 2..9),
            ahead in 0i64..1_000_000_000,
        ) -> (Vec<Point>, i64) {
            let mut x = 0;
            let mut points = Vec::new();
            for (step, error, part) in steps {
                x += step;
                points.push(Point { x, y: 3 * x + error * part / 100, error });
            }
            (points, x + ahead)
        }
    }

    proptest! {
        #[test]
        fn with_a_constant_rate_the_interval_is_the_linear_programs((points, x) in pairs_on_a_line()) {
            let config = StageConfig { drift_ppb_max: 10_000_000, ..config(0, 0) };
            let rates = rates(&config);
            let told = window(&points).at(&rates, x);
            let (low, high) = Bounds { rates, points }.at(x).expect("the line itself is allowed");
            prop_assert!((low - 1..=low + 1).contains(&told.low), "{} for {low}", told.low);
            prop_assert!((high - 1..=high + 1).contains(&told.high), "{} for {high}", told.high);
        }

        #[test]
        fn between_two_moments_the_chords_hold_all_that_is_allowed(
            (points, _) in pairs_on_a_line(),
            lead in 0i64..2_000_000,
            reach in 1i64..2_000_000_000,
            part in 0i64..=100,
            wander in 0u32..100,
            step in 0u32..20_000,
        ) {
            let (rates, window) = (rates(&config(wander, step)), window(&points));
            let near = window.newest().expect("two at least").x + lead;
            let (far, ahead) = (near + reach, reach * part / 100);
            let [start, end] = window.between(&rates, near, far);
            let allowed = window.at(&rates, near + ahead);
            let chord = |start: i128, end: i128| {
                start * i128::from(reach - ahead) + end * i128::from(ahead)
            };
            let reach = i128::from(reach);
            // What is allowed was rounded outwards, three times at most.
            prop_assert!(chord(start.low, end.low) <= (allowed.low + 3) * reach);
            prop_assert!((allowed.high - 3) * reach <= chord(start.high, end.high));
        }

        #[test]
        fn the_truth_is_in_the_interval_while_its_rate_changes_as_assumed(
            (mut points, x) in pairs_on_a_line(),
            wander in -2_000i64..=2_000,
            drift in -100_000i64..=100_000,
        ) {
            // On top of the line: a drift, and a rate that changes all the time.
            let more = |x: i64| {
                let x = i128::from(x);
                let drifted = div_down(3 * x * i128::from(drift), PPB);
                let wandered = div_down(3 * x * x * i128::from(wander), 2 * PPB * PPB);
                drifted + wandered
            };
            // What rounding takes away.
            for point in &mut points {
                point.y += more(point.x) as i64;
                point.error += 2;
            }
            let told = window(&points).at(&rates(&config(2_000, 0)), x);
            let truth = i128::from(3 * x) + more(x);
            prop_assert!(told.low <= truth + 1 && truth <= told.high + 1, "{truth} in {told:?}");
        }
    }
}
