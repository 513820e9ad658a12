//! Whether two distributions differ by more than chance: bootstrap intervals of the difference between their quantiles.
//!
//! A bootstrap draws as many samples from the samples at hand, with replacement, again and again, and looks at how far the quantile moves.
//! Of n samples drawn so, the kth smallest is the sample at the place in the original that the kth smallest of n uniform numbers says, and
//! that number is distributed as Beta(k, n - k + 1) (David and Nagaraja, Order Statistics, 2.1): so one number is drawn in place
//! of n, and millions of samples cost as much as a hundred.

use hdrhistogram::Histogram;

/// How often is drawn.
const DRAWS: usize = 10_000;
/// More cannot be told by so many draws: of them one lies beyond on each side.
pub const CONFIDENCE_MAX: f64 = 1.0 - 2.0 / DRAWS as f64;
/// A quantile is looked at if so many samples lie on either side of it.
const BEYOND_MIN: f64 = 10.0;

/// What a quantile of the second is more than that of the first, in the unit of both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Of the first.
    pub first: u64,
    /// Of the second.
    pub second: u64,
    /// The interval that holds the difference with the confidence that was asked for.
    pub from: i64,
    /// Its upper end.
    pub to: i64,
}

/// What is to be said of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The second is more, by more than chance and rounding.
    More,
    /// The second is less.
    Less,
    /// Chance or rounding may be all there is to it.
    Same,
}

/// The difference between one quantile of each, with this confidence, between 0 and [`CONFIDENCE_MAX`]; none where too few samples lie beyond the quantile.
///
/// The same histograms have the same intervals each time.
pub fn difference(
    first: &Histogram<u64>,
    second: &Histogram<u64>,
    quantile: f64,
    confidence: f64,
) -> Option<Difference> {
    let is_enough =
        |of: &Histogram<u64>| of.len() as f64 * quantile.min(1.0 - quantile) >= BEYOND_MIN;
    if !is_enough(first) || !is_enough(second) {
        return None;
    }
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (a, b) = (Steps::of(first), Steps::of(second));
    let mut drawn: Vec<i64> = (0..DRAWS)
        .map(|_| b.draw(quantile, &mut dice).wrapping_sub(a.draw(quantile, &mut dice)) as i64)
        .collect();
    drawn.sort_unstable();
    let beyond = beyond(confidence);
    Some(Difference {
        first: first.value_at_quantile(quantile),
        second: second.value_at_quantile(quantile),
        from: drawn[beyond],
        to: drawn[DRAWS - 1 - beyond],
    })
}

/// Fewer rounds say nothing.
pub const ROUNDS_MIN: usize = 8;

/// What the second of two that took turns is more than the first: of each round a value of both, such as a quantile. The median of
/// the rounds' differences, with this confidence; none of fewer than [`ROUNDS_MIN`] rounds.
///
/// A round is drawn as a whole: what drifts from one to the next is in both of its values, and samples of one round need not be
/// independent of each other. `second` is `first` and that median.
pub fn paired(rounds: &[(u64, u64)], confidence: f64) -> Option<Difference> {
    if rounds.len() < ROUNDS_MIN {
        return None;
    }
    let apart = |(first, second): &(u64, u64)| second.wrapping_sub(*first) as i64;
    let differences: Vec<i64> = rounds.iter().map(apart).collect();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut draw = vec![0; differences.len()];
    let mut drawn: Vec<i64> = (0..DRAWS)
        .map(|_| {
            draw.fill_with(|| differences[dice.below(differences.len())]);
            median(&mut draw)
        })
        .collect();
    drawn.sort_unstable();
    let beyond = beyond(confidence);
    let mut firsts: Vec<i64> = rounds.iter().map(|(first, _)| *first as i64).collect();
    let first = median(&mut firsts);
    let second = first + median(&mut differences.clone());
    Some(Difference {
        first: u64::try_from(first).unwrap_or_default(),
        second: u64::try_from(second).unwrap_or_default(),
        from: drawn[beyond],
        to: drawn[DRAWS - 1 - beyond],
    })
}

/// How many draws lie beyond an interval on each side, which holds the others with this confidence.
fn beyond(confidence: f64) -> usize {
    // 1 - 0.9998 is a little less than 0.0002.
    let beyond = (1.0 - confidence) / 2.0 * DRAWS as f64 + 1e-6;
    (beyond as usize).clamp(1, DRAWS / 2 - 1)
}

/// The middle one, or halfway between the two that are.
fn median(values: &mut [i64]) -> i64 {
    let (is_even, half) = (values.len().is_multiple_of(2), values.len() / 2);
    let (below, middle, _) = values.select_nth_unstable(half);
    match below.iter().max() {
        Some(before) if is_even => before.midpoint(*middle),
        _ => *middle,
    }
}

/// In which order so many take their turns in each round: by chance, so that whatever changes hits all of them alike, and the
/// same for the same seed.
pub fn turns(takers: usize, rounds: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut dice = Dice(seed);
    let mut round = || {
        let mut order: Vec<usize> = (0..takers).collect();
        // Fisher and Yates's.
        for last in (1..takers).rev() {
            order.swap(last, dice.below(last + 1));
        }
        order
    };
    (0..rounds).map(|_| round()).collect()
}

impl Difference {
    /// Of the quantiles as they are.
    pub fn apart(&self) -> i64 {
        self.second.wrapping_sub(self.first) as i64
    }

    /// What can be said, where values are rounded by up to `noise`.
    pub fn verdict(&self, noise: u64) -> Verdict {
        let noise = i64::try_from(noise).unwrap_or(i64::MAX);
        match self {
            Difference { from, .. } if *from > noise => Verdict::More,
            Difference { to, .. } if *to < -noise => Verdict::Less,
            _ => Verdict::Same,
        }
    }
}

/// Values, and how many samples are at most as much.
struct Steps {
    values: Vec<u64>,
    up_to: Vec<u64>,
    count: u64,
}

impl Steps {
    fn of(histogram: &Histogram<u64>) -> Steps {
        let mut steps = Steps { values: Vec::new(), up_to: Vec::new(), count: 0 };
        for step in histogram.iter_recorded() {
            steps.count += step.count_at_value();
            steps.values.push(step.value_iterated_to());
            steps.up_to.push(steps.count);
        }
        steps
    }

    /// The quantile of as many samples drawn from these.
    fn draw(&self, quantile: f64, dice: &mut Dice) -> u64 {
        let count = self.count as f64;
        let rank = (quantile * count).ceil().clamp(1.0, count);
        let (x, y) = (dice.gamma(rank), dice.gamma(count - rank + 1.0));
        let place = (x / (x + y) * count) as u64;
        let step = self.up_to.partition_point(|up_to| *up_to <= place);
        self.values[step.min(self.values.len() - 1)]
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// One of the first so many numbers.
    fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.next()) * count as u128) >> 64) as usize
    }

    /// Above 0, and at most 1.
    fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// Box and Muller's.
    fn normal(&mut self) -> f64 {
        let (u, v) = (self.uniform(), self.uniform());
        (-2.0 * u.ln()).sqrt() * (core::f64::consts::TAU * v).cos()
    }

    /// Gamma(shape, 1) for shapes from 1 on (Marsaglia and Tsang, 2000).
    fn gamma(&mut self, shape: f64) -> f64 {
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && self.uniform().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(values: impl IntoIterator<Item = u64>) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, 60_000_000_000_000, 3).unwrap();
        values.into_iter().for_each(|value| histogram.saturating_record(value));
        histogram
    }

    /// Samples around a middle, by chance.
    fn samples(dice: &mut Dice, middle: u64, count: usize) -> Histogram<u64> {
        histogram((0..count).map(|_| (middle as f64 * (1.0 + 0.1 * dice.normal())) as u64))
    }

    /// Against the bootstrap as it is taught: drawn sample by sample.
    #[test]
    fn drawing_one_number_is_drawing_as_many_as_there_are() {
        let mut dice = Dice(7);
        let values: Vec<u64> = (0..300).map(|_| 600 + dice.next() % 400).collect();
        let all = histogram(values.iter().copied());
        for quantile in [0.5, 0.9] {
            let rank = (quantile * 300.0_f64).ceil() as usize - 1;
            let mut plainly: Vec<u64> = (0..4_000)
                .map(|_| {
                    let mut drawn: Vec<u64> =
                        (0..300).map(|_| values[(dice.next() % 300) as usize]).collect();
                    drawn.sort_unstable();
                    drawn[rank]
                })
                .collect();
            plainly.sort_unstable();
            let steps = Steps::of(&all);
            let mut quickly: Vec<u64> =
                (0..4_000).map(|_| steps.draw(quantile, &mut dice)).collect();
            quickly.sort_unstable();
            for place in [100, 1_000, 2_000, 3_000, 3_900] {
                let apart = plainly[place].abs_diff(quickly[place]);
                assert!(apart <= 6, "{quantile} {place}: {} {}", plainly[place], quickly[place]);
            }
        }
    }

    #[test]
    fn equal_distributions_rarely_differ_and_a_shift_is_found() {
        let mut dice = Dice(42);
        let (mut false_alarms, mut found) = (0, 0);
        for _ in 0..100 {
            let a = samples(&mut dice, 700_000, 2_000);
            let b = samples(&mut dice, 700_000, 2_000);
            let c = samples(&mut dice, 714_000, 2_000);
            let verdict = |other| difference(&a, other, 0.5, 0.99).unwrap().verdict(1_000);
            false_alarms += u32::from(verdict(&b) != Verdict::Same);
            found += u32::from(verdict(&c) == Verdict::More);
        }
        // One of a hundred by chance; 2 % are some five standard errors of the difference.
        assert!(false_alarms <= 4, "{false_alarms}");
        assert!(found >= 95, "{found}");
    }

    /// Twenty rounds of two, in which what both are rises and jumps.
    fn rounds(dice: &mut Dice, more: u64) -> Vec<(u64, u64)> {
        let mut drift = 0_u64;
        let mut round = || {
            drift += dice.next() % 20_000;
            let mut value = |more| 600_000 + drift + more + dice.next() % 4_000;
            (value(0), value(more))
        };
        (0..20).map(|_| round()).collect()
    }

    #[test]
    fn rounds_side_by_side_find_a_shift_that_drift_hides_and_drift_alone_is_none() {
        let mut dice = Dice(5);
        let (mut false_alarms, mut found) = (0, 0);
        for _ in 0..50 {
            let verdict = |of: &[(u64, u64)]| paired(of, 0.99).unwrap().verdict(0);
            false_alarms += u32::from(verdict(&rounds(&mut dice, 0)) != Verdict::Same);
            found += u32::from(verdict(&rounds(&mut dice, 5_000)) == Verdict::More);
        }
        // One of a hundred by chance: of 50 a half, and 4 are five standard deviations more.
        assert!(false_alarms <= 4, "{false_alarms}");
        assert!(found >= 48, "{found}");
        // Not side by side, the same shift is lost: the first half against the second would be all drift.
        let all = rounds(&mut dice, 0);
        let apart: Vec<_> = all[..10].iter().zip(&all[10..]).map(|(a, b)| (a.0, b.1)).collect();
        assert_eq!(paired(&apart, 0.99).unwrap().verdict(0), Verdict::More);
    }

    #[test]
    fn one_round_in_which_something_else_ran_decides_nothing_and_few_rounds_say_nothing() {
        let mut all = vec![(500, 500); 19];
        all.push((500, 90_000));
        let found = paired(&all, 0.99).unwrap();
        assert_eq!((found.first, found.second, found.verdict(0)), (500, 500, Verdict::Same));
        assert_eq!(paired(&all[..ROUNDS_MIN - 1], 0.99), None);
        assert_eq!(paired(&[(500, 470); ROUNDS_MIN], 0.99).unwrap().verdict(20), Verdict::Less);
        assert_eq!(paired(&[(500, 470); ROUNDS_MIN], 0.99).unwrap().verdict(30), Verdict::Same);
    }

    #[test]
    fn everybody_has_one_turn_a_round_at_any_place_and_a_seed_says_which() {
        let all = turns(4, 400, 7);
        assert_eq!(all, turns(4, 400, 7));
        assert_ne!(all, turns(4, 400, 8));
        let mut at_first = [0; 4];
        for round in &all {
            let mut sorted = round.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3]);
            at_first[round[0]] += 1;
        }
        // A hundred are expected of each; four standard deviations are 35.
        assert!(at_first.iter().all(|count| (65..=135).contains(count)), "{at_first:?}");
    }

    #[test]
    fn what_rounding_explains_is_no_difference_and_too_few_samples_say_nothing() {
        let (a, b) = (histogram([500; 1_000]), histogram([501; 1_000]));
        let apart = difference(&a, &b, 0.5, 0.99).unwrap();
        assert_eq!((apart.apart(), apart.from, apart.to), (1, 1, 1));
        assert_eq!((apart.verdict(1), apart.verdict(0)), (Verdict::Same, Verdict::More));
        let back = difference(&b, &a, 0.5, 0.99).unwrap();
        assert_eq!((back.apart(), back.verdict(0)), (-1, Verdict::Less));
        assert!(difference(&a, &b, 0.99, 0.99).is_some());
        assert_eq!(difference(&a, &b, 0.999, 0.99), None);
        assert_eq!(difference(&a, &histogram([]), 0.5, 0.99), None);
    }
}
