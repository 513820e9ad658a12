//! A device's counter: so many bits wide, always forward, and at zero again after the last of them.

/// How many bits a counter has, 1 to 64: 41 in mlx5's timer as its driver reads it, 63 in its
/// completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width {
    /// The bits of a word above the counter's.
    spare: u32,
}

impl Width {
    /// All of a word.
    pub const WORD: Width = Width { spare: 0 };

    /// A counter of `bits` bits, or `None` where no counter has so many or so few.
    pub const fn new(bits: u32) -> Option<Width> {
        if bits >= 1 && bits <= u64::BITS { Some(Width { spare: u64::BITS - bits }) } else { None }
    }

    /// The bits that count, set.
    pub const fn mask(self) -> u64 {
        u64::MAX >> self.spare
    }

    /// The furthest that one reading can be ahead of another and still be told from one behind it.
    pub const fn ahead_max(self) -> u64 {
        self.mask() / 2
    }

    /// Ticks from `from` to `to`: positive up to [`ahead_max`](Width::ahead_max), and past that a
    /// distance into the past. Bits above the width do not matter.
    #[inline]
    pub const fn delta(self, to: u64, from: u64) -> i64 {
        // The counter's top bit becomes the word's, and with it the sign.
        (to.wrapping_sub(from) << self.spare).cast_signed() >> self.spare
    }
}

/// A counter followed without end: readings become a count that does not wrap.
///
/// Right as long as readings come more often than every half period of the counter.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    width: Width,
    newest_reading: u64,
    newest: i64,
}

impl Count {
    /// Counts from `reading`, which is 0.
    pub const fn from_reading(width: Width, reading: u64) -> Count {
        Count { width, newest_reading: reading & width.mask(), newest: 0 }
    }

    /// The count of the newest reading.
    pub const fn newest(&self) -> i64 {
        self.newest
    }

    /// Where `reading` stands, before the newest or after it; negative before the first. Stays at
    /// the last count that a word has, 292 years from the first at 1 GHz.
    pub const fn place(&self, reading: u64) -> i64 {
        self.newest.saturating_add(self.width.delta(reading, self.newest_reading))
    }

    /// The same, and `reading` becomes the newest if it is ahead.
    pub const fn advance(&mut self, reading: u64) -> i64 {
        let count = self.place(reading);
        if count > self.newest {
            self.newest = count;
            self.newest_reading = reading & self.width.mask();
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn width(bits: u32) -> Width {
        Width::new(bits).expect("1 to 64")
    }

    #[test]
    fn a_counter_has_1_to_64_bits() {
        assert_eq!([0, 65, u32::MAX].map(Width::new), [None; 3]);
        assert_eq!(width(1).mask(), 1);
        assert_eq!(width(41).mask(), 0x1ff_ffff_ffff);
        assert_eq!(width(64), Width::WORD);
        assert_eq!(Width::WORD.mask(), u64::MAX);
    }

    #[test]
    fn a_delta_over_half_the_mask_is_the_past() {
        for bits in [1, 2, 8, 32, 41, 63, 64] {
            let width = width(bits);
            let (mask, half) = (width.mask(), width.ahead_max());
            assert_eq!(width.delta(0, 0), 0, "{bits} bits");
            assert_eq!(width.delta(half, 0), half.cast_signed(), "{bits} bits");
            assert_eq!(width.delta(half + 1, 0), -half.cast_signed() - 1, "{bits} bits");
            assert_eq!(width.delta(mask, 0), -1, "{bits} bits");
            assert_eq!(
                width.delta(half, mask),
                if bits == 1 { -1 } else { -half.cast_signed() - 1 }
            );
        }
    }

    #[test]
    fn counting_goes_on_over_the_wrap_and_a_late_reading_is_placed_before() {
        for bits in [41, 63, 64] {
            let mask = width(bits).mask();
            let mut count = Count::from_reading(width(bits), mask - 9);
            assert_eq!(count.advance(mask), 9, "{bits} bits");
            assert_eq!(count.advance(5), 15, "{bits} bits");
            assert_eq!(count.advance(mask - 4), 5, "late, over the wrap: {bits} bits");
            assert_eq!(count.newest(), 15, "a late reading moves nothing: {bits} bits");
            assert_eq!(count.place(mask - 19), -10, "before the first: {bits} bits");
        }
    }

    #[test]
    fn counting_stops_at_the_end_of_a_word_instead_of_turning_back() {
        let mut count = Count::from_reading(Width::WORD, 0);
        assert_eq!(count.advance(i64::MAX as u64), i64::MAX);
        assert_eq!(count.advance(i64::MAX as u64 + 100), i64::MAX);
    }

    /// The obvious twin: the distance modulo the period, and past half the mask less a period.
    fn delta_by_the_period(bits: u32, to: u64, from: u64) -> i128 {
        let period = 1i128 << bits;
        let ahead = (i128::from(to) - i128::from(from)).rem_euclid(period);
        if ahead > (period - 1) / 2 { ahead - period } else { ahead }
    }

    proptest! {
        #[test]
        fn delta_agrees_with_the_obvious_one(bits in 1u32..=64, to: u64, from: u64) {
            let delta = i128::from(width(bits).delta(to, from));
            prop_assert_eq!(delta, delta_by_the_period(bits, to, from));
        }

        #[test]
        fn a_count_is_the_sum_of_its_steps(
            bits in 2u32..=64,
            start: u64,
            steps in prop::collection::vec(any::<u64>(), 1..40),
        ) {
            let width = width(bits);
            let mut count = Count::from_reading(width, start);
            let mut total = 0u128;
            // Small enough that the sum of all fits a word.
            let step_max = width.ahead_max().min(1 << 56);
            for step in steps {
                total += u128::from(step % (step_max + 1));
                let reading = (u128::from(start) + total) as u64 & width.mask();
                prop_assert_eq!(count.advance(reading) as u128, total);
            }
        }
    }
}
