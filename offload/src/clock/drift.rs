//! How fast a clock runs, beside what it declares.

use super::window::{Point, Rates, div_down, div_up};

/// A clock's mean rate over the pairs that are remembered of it, by the clock that it was read against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drift {
    /// Ahead of the declared rate by so much, in parts per billion; negative where it is slow.
    pub ppb: i32,
    /// The truth is no further from `ppb` than this.
    pub error_ppb: u32,
}

const PPB: i128 = 1_000_000_000;

impl Drift {
    /// Of the clock that is read off, from one pair to a later one; `None` where their errors leave open
    /// whether any time passed.
    pub(super) fn between(rates: &Rates, older: &Point, newer: &Point) -> Option<Drift> {
        let run = i128::from(newer.x) - i128::from(older.x);
        let rise = i128::from(newer.y) - i128::from(older.y);
        let error = i128::from(newer.error) + i128::from(older.error);
        if run <= 0 || rise <= error {
            return None;
        }
        // The less the other clock advanced meanwhile, the faster this one ran.
        let declared = run * rates.to_per_s * PPB;
        let least = div_down(declared, (rise + error) * rates.from_per_s) - PPB;
        let most = div_up(declared, (rise - error) * rates.from_per_s) - PPB;
        let ppb = div_down(least + most, 2);
        Some(Drift { ppb: i32::try_from(ppb).ok()?, error_ppb: u32::try_from(most - ppb).ok()? })
    }

    pub(super) fn to_word(self) -> u64 {
        u64::from(self.ppb.cast_unsigned()) | u64::from(self.error_ppb) << 32
    }

    pub(super) fn from_word(word: u64) -> Drift {
        Drift { ppb: (word as u32).cast_signed(), error_ppb: (word >> 32) as u32 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::ClockConfig;

    proptest! {
        #[test]
        fn the_true_rate_is_within_the_error(
            from_per_s in 1_000_000u64..10_000_000_000,
            to_per_s in 1_000_000u64..10_000_000_000,
            true_ppb in -1_000_000i64..=1_000_000,
            span_ms in 10u64..2_000,
            errors in (0u32..2_000, 0u32..2_000),
            parts in (-100i64..=100, -100i64..=100),
        ) {
            let rates = Rates::new(from_per_s, to_per_s, &ClockConfig::default().device);
            let run = i128::from(from_per_s) * i128::from(span_ms) / 1_000;
            // The other clock then, exactly to a tick, which an error has room for.
            let rise = run * i128::from(to_per_s) * PPB
                / (i128::from(from_per_s) * (PPB + i128::from(true_ppb)));
            let [older, newer] = [(0, 0, errors.0, parts.0), (run, rise, errors.1, parts.1)].map(
                |(x, y, error, part)| {
                    let (error, part) = (i128::from(error), i128::from(part));
                    let y = y + error * part / 100;
                    Point { x: x as i64, y: y as i64, error: error as i64 + 1 }
                },
            );
            if let Some(Drift { ppb, error_ppb }) = Drift::between(&rates, &older, &newer) {
                let off = (i64::from(ppb) - true_ppb).unsigned_abs();
                prop_assert!(off <= u64::from(error_ppb), "{ppb} +- {error_ppb} for {true_ppb}");
            }
        }

        #[test]
        fn a_word_says_all_of_a_drift(ppb: i32, error_ppb: u32) {
            let drift = Drift { ppb, error_ppb };
            prop_assert_eq!(Drift::from_word(drift.to_word()), drift);
        }
    }

    #[test]
    fn two_pairs_give_a_rate_as_well_as_their_errors_let_them() {
        let rates = Rates::new(1_000_000_000, 1_000_000_000, &ClockConfig::default().device);
        let pair = |x, y| Point { x, y, error: 50 };
        let fast = Drift::between(&rates, &pair(0, 7), &pair(1_000_012_000, 1_000_000_007));
        assert_eq!(fast, Some(Drift { ppb: 12_000, error_ppb: 101 }));
        assert_eq!(Drift::between(&rates, &pair(0, 0), &pair(90, 100)), None);
    }
}
