//! Intervals over time, in a fixed number of slices that grow longer as time goes on.

use hdrhistogram::Histogram;

use super::tally::INTERVAL_PS_MAX;
use super::wire_time::{WireSpan, WireTime};

/// How many slices there are at the most.
const SLICES_MAX: usize = 128;
/// How long the first ones are.
const LEN_NS_MIN: u64 = 1_000_000;
/// Significant decimal digits of a slice's values.
const DIGITS: u8 = 2;

/// Distributions of consecutive slices of time.
#[derive(Clone, Debug)]
pub struct Slices {
    begin: WireTime,
    len_ns: u64,
    slices: Vec<Option<Histogram<u32>>>,
}

impl Slices {
    /// Slices from a time on.
    pub fn new(begin: WireTime) -> Slices {
        Slices { begin, len_ns: LEN_NS_MIN, slices: Vec::new() }
    }

    /// Takes in an interval that ended then. What is before the first slice is in the first.
    pub fn record(&mut self, at: WireTime, ps: u64) {
        let since_ns = (at - self.begin).as_ps().max(0) / 1_000;
        let mut slice = since_ns / i128::from(self.len_ns);
        while slice >= SLICES_MAX as i128 {
            self.halve();
            slice = since_ns / i128::from(self.len_ns);
        }
        let slice = slice as usize;
        if self.slices.len() <= slice {
            self.slices.resize_with(slice + 1, || None);
        }
        self.slices[slice].get_or_insert_with(empty).saturating_record(ps);
    }

    /// How long each is.
    pub fn len(&self) -> WireSpan {
        WireSpan::from_ns(i64::try_from(self.len_ns).unwrap_or(i64::MAX))
    }

    /// The slices in order, in picoseconds; none where nothing ended.
    pub fn iter(&self) -> impl Iterator<Item = Option<&Histogram<u32>>> {
        self.slices.iter().map(Option::as_ref)
    }

    /// Makes one of each two.
    fn halve(&mut self) {
        self.len_ns = self.len_ns.saturating_mul(2);
        let mut slices = core::mem::take(&mut self.slices).into_iter();
        while let Some(first) = slices.next() {
            let both = match (first, slices.next().flatten()) {
                (Some(mut first), Some(second)) => {
                    first.add(&second).expect("all have the same bounds");
                    Some(first)
                }
                (first, second) => first.or(second),
            };
            self.slices.push(both);
        }
    }
}

fn empty() -> Histogram<u32> {
    Histogram::new_with_bounds(1, INTERVAL_PS_MAX, DIGITS).expect("bounds are constants in range")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_grow_as_time_goes_on_and_keep_every_interval() {
        let begin = WireTime::from_s_ns(1_800_000_000, 5);
        let mut slices = Slices::new(begin);
        let counts = |slices: &Slices| -> Vec<u64> {
            slices.iter().map(|of| of.map_or(0, Histogram::len)).collect()
        };
        for ms in [0, 0, 2, 127] {
            slices.record(begin + WireSpan::from_ns(ms * 1_000_000), 700_000);
        }
        let all = counts(&slices);
        assert_eq!((all.len(), all[0], all[1], all[2], all[127]), (128, 2, 0, 1, 1));
        // Past the last: slices of 2 ms.
        slices.record(begin + WireSpan::from_ns(128_000_000), 700_000);
        let all = counts(&slices);
        assert_eq!((all.len(), all[0], all[1], all[63], all[64]), (65, 2, 1, 1, 1));
        assert_eq!(slices.len(), WireSpan::from_ns(2_000_000));
        // A day later, and before the first.
        slices.record(begin + WireSpan::from_s(86_400), 1);
        slices.record(begin + -WireSpan::from_s(1), 1);
        let all = counts(&slices);
        assert!(all.len() <= SLICES_MAX, "{}", all.len());
        assert_eq!((all[0], all.iter().sum::<u64>()), (6, 7));
    }
}
