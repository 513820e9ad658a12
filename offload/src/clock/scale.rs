//! Ticks of one clock as ticks of another: `(ticks * mult + fraction) >> shift`, the fraction carried.
//!
//! `mult` has 64 bits. With 32 and a shift of 31, as ns by Linux's `cyclecounter`, every counter
//! below about 500 MHz overflows it.

/// The largest shift: more would buy nothing at the lengths that are converted here.
pub const SHIFT_MAX: u32 = 32;

/// `(delta * mult + fraction) >> shift` in one word, for a `delta` up to the one that
/// [`widest_shift`] was asked for.
#[inline]
pub const fn scaled(delta: u64, mult: u64, fraction: u64, shift: u32) -> u64 {
    (delta * mult + fraction) >> shift
}

/// The slow, obvious twin of [`scaled`]: right for every `delta`.
pub const fn scaled_exact(delta: u64, mult: u64, fraction: u64, shift: u32) -> u128 {
    (delta as u128 * mult as u128 + fraction as u128) >> shift
}

/// The largest shift at which a rate of `to` ticks per `from` ticks can be used in [`scaled`]
/// for every delta up to `delta_max`, or `None` where even a shift of 0 overflows.
///
/// Proof: with `mult = ceil(to * 2^shift / from)` and a fraction below `2^shift`, the largest value
/// is `delta_max * mult + 2^shift - 1`, and that is what is compared with `2^64 - 1`.
pub fn widest_shift(from: u64, to: u64, delta_max: u64) -> Option<u32> {
    let fits = |shift: &u32| {
        let mult = (u128::from(to) << shift).div_ceil(u128::from(from));
        let fraction_max = (1u128 << shift) - 1;
        mult.checked_mul(u128::from(delta_max))
            .and_then(|product| product.checked_add(fraction_max))
            .is_some_and(|largest| largest <= u128::from(u64::MAX))
    };
    if from == 0 { None } else { (0..=SHIFT_MAX).rev().find(fits) }
}

/// Two clocks' nominal rates, as a multiplication and a shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Ticks of the one per tick of the other, times two to the power of `shift`, rounded down.
    pub mult: u64,
    /// How many bits of `mult` are fraction.
    pub shift: u32,
    /// The largest delta that a word holds the product of.
    pub delta_max: u64,
}

impl Scale {
    /// From a clock of `from_per_s` to one of `to_per_s`, as fine as deltas up to `delta_max` let
    /// it be; `None` where no shift does.
    pub fn new(from_per_s: u64, to_per_s: u64, delta_max: u64) -> Option<Scale> {
        let shift = widest_shift(from_per_s, to_per_s, delta_max)?;
        let mult = u64::try_from((u128::from(to_per_s) << shift) / u128::from(from_per_s)).ok()?;
        Some(Scale { mult, shift, delta_max })
    }

    /// `delta` in the other clock's ticks, and the fraction to hand to the next call; begins with 0.
    /// `None` past [`delta_max`](Scale::delta_max).
    #[inline]
    pub const fn convert(&self, delta: u64, fraction: u64) -> Option<(u64, u64)> {
        let below_one = (1 << self.shift) - 1;
        if delta > self.delta_max || fraction > below_one {
            return None;
        }
        let fixed = delta * self.mult + fraction;
        Some((fixed >> self.shift, fixed & below_one))
    }
}

/// A real-time stamp as mlx5 writes it, seconds in the upper word and nanoseconds in the lower, as
/// nanoseconds since 1970. `None` where the lower is no part of a second.
pub const fn ns_of_split(stamp: u64) -> Option<u64> {
    const NS_PER_S: u64 = 1_000_000_000;
    let (seconds, ns) = (stamp >> 32, stamp & 0xffff_ffff);
    // 2^32 seconds are 4.3e18 ns, in reach of a word.
    if ns < NS_PER_S { Some(seconds * NS_PER_S + ns) } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NS_PER_S: u64 = 1_000_000_000;

    #[test]
    fn at_156_25_mhz_a_32_bit_mult_overflows_and_a_second_would_come_out_as_62_ms() {
        const HZ: u64 = 156_250_000;
        const SHIFT: u32 = 31;
        let mult = (NS_PER_S << SHIFT) / HZ;
        assert_eq!(mult, 13_743_895_347);
        assert!(u32::try_from(mult).is_err());
        let truncated = u64::from(mult as u32);
        assert_eq!(scaled_exact(HZ, truncated, 0, SHIFT), 62_499_999);
        assert_eq!(scaled_exact(HZ, mult, 0, SHIFT), 999_999_999);
    }

    #[test]
    fn the_widest_shift_is_right_at_its_bound_and_one_more_bit_overflows() {
        for (from, to, delta_max) in [
            (156_250_000, NS_PER_S, 1 << 32),
            (78_125_000, 3_000_000_000, 1 << 36),
            (3_000_000_000, NS_PER_S, 1 << 42),
            (NS_PER_S, NS_PER_S, 1 << 40),
            // With a shift of 31 the product fits, and with a fraction it does not.
            (3, 5, 5_153_960_754),
        ] {
            let shift = widest_shift(from, to, delta_max).expect("a shift");
            let largest = |shift: u32| {
                let mult = (u128::from(to) << shift).div_ceil(u128::from(from));
                mult * u128::from(delta_max) + (1u128 << shift) - 1
            };
            assert!(u64::try_from(largest(shift)).is_ok(), "{from} to {to}");
            if shift < SHIFT_MAX {
                assert!(u64::try_from(largest(shift + 1)).is_err(), "{from} to {to}");
            }
            let mult = ((u128::from(to) << shift).div_ceil(u128::from(from))) as u64;
            let fraction = (1 << shift) - 1;
            assert_eq!(
                u128::from(scaled(delta_max, mult, fraction, shift)),
                scaled_exact(delta_max, mult, fraction, shift)
            );
        }
        assert_eq!(widest_shift(1, 2, u64::MAX), None);
        assert_eq!(widest_shift(0, 1, 1), None);
    }

    #[test]
    fn past_its_longest_delta_a_scale_answers_nothing() {
        let scale = Scale::new(156_250_000, NS_PER_S, 1 << 32).expect("a scale");
        assert!(scale.convert(1 << 32, (1 << scale.shift) - 1).is_some());
        assert_eq!(scale.convert((1 << 32) + 1, 0), None);
        assert_eq!(scale.convert(1, 1 << scale.shift), None);
    }

    #[test]
    fn a_split_stamp_is_seconds_and_nanoseconds() {
        assert_eq!(ns_of_split(0), Some(0));
        assert_eq!(ns_of_split(1 << 32 | 999_999_999), Some(1_999_999_999));
        assert_eq!(ns_of_split(1_000_000_000), None);
        assert_eq!(ns_of_split(u64::MAX), None);
        let last = u64::from(u32::MAX) << 32 | 999_999_999;
        assert_eq!(ns_of_split(last), Some(4_294_967_295_999_999_999));
    }

    proptest! {
        #[test]
        fn one_word_agrees_with_two(
            from in 1u64..=10_000_000_000,
            to in 1u64..=10_000_000_000,
            delta_max in 1u64..=1 << 44,
            part: u64,
            fraction: u64,
        ) {
            let Some(scale) = Scale::new(from, to, delta_max) else { return Ok(()) };
            let (delta, fraction) = (part % (delta_max + 1), fraction % (1 << scale.shift));
            let exact = scaled_exact(delta, scale.mult, fraction, scale.shift);
            prop_assert_eq!(u128::from(scaled(delta, scale.mult, fraction, scale.shift)), exact);
            prop_assert_eq!(scale.convert(delta, fraction).map(|(whole, _)| u128::from(whole)), Some(exact));
        }

        #[test]
        fn carrying_the_fraction_loses_nothing_over_many_steps(
            steps in prop::collection::vec(0u64..1 << 30, 1..100),
        ) {
            let scale = Scale::new(156_250_000, 3_000_000_000, 1 << 30).expect("a scale");
            let (mut whole, mut fraction) = (0, 0);
            for &step in &steps {
                let (ticks, carried) = scale.convert(step, fraction).expect("short enough");
                whole += ticks;
                fraction = carried;
            }
            let total = steps.iter().sum();
            prop_assert_eq!(u128::from(whole), scaled_exact(total, scale.mult, 0, scale.shift));
        }
    }
}
