//! Intervals, in nanoseconds, recorded without allocation; a running engine's, hop by hop; and captures with the times in them:
//! which message answers which, and how long that took.

pub mod capture;
pub mod compare;
mod ether_type;
pub mod grains;
pub mod live;
pub mod pairs;
pub mod slices;
pub mod stamp;
pub mod tally;
pub mod wire_time;

use hdrhistogram::Histogram;

/// The longest interval told apart, in ns; longer ones count as this long.
const INTERVAL_NS_MAX: u64 = 60_000_000_000;
/// Significant decimal digits kept of each value.
const DIGITS: u8 = 3;
/// The same where memory counts.
const COARSE_DIGITS: u8 = 2;

/// An empty histogram of intervals in nanoseconds, its memory taken once and for all.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, INTERVAL_NS_MAX, DIGITS).expect("bounds are constants in range")
}

/// As [`histogram`], to two digits: about 30 KiB, where there is one for each of many sessions.
pub fn coarse_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, INTERVAL_NS_MAX, COARSE_DIGITS)
        .expect("bounds are constants in range")
}

/// Intervals below this are counted one by one, in ns: nearly all are, and adding one up is all that it
/// costs.
const COUNTED_NS_MAX: usize = 8_192;

/// What the engine measures of itself.
#[derive(Clone, Debug)]
pub struct Intervals {
    /// Of each nanosecond.
    counted: Box<[u64; COUNTED_NS_MAX]>,
    longer: Histogram<u64>,
    /// Longer ones by the power of two, as an exponent, that they do not exceed; and all of them added up.
    longer_by_power: [u64; 65],
    longer_ns: u64,
}

/// The power of two, as an exponent, of the first bucket of longer intervals.
const LONGER_POWER_MIN: u32 = 14;

/// How many buckets [`Intervals::bucket`] has.
pub const BUCKETS: usize = BUCKET_NS_MAX.len();

/// The longest interval of each bucket, in ns. Those below 8,192 ns are exact, the others powers of two.
pub const BUCKET_NS_MAX: [u64; 28] = {
    let mut bounds = [0; 28];
    let near = [250, 500, 1_000, 1_500, 2_000, 3_000, 4_000, 6_000, COUNTED_NS_MAX as u64 - 1];
    let mut at = 0;
    while at < bounds.len() {
        bounds[at] = if at < near.len() {
            near[at]
        } else {
            1 << (at - near.len() + LONGER_POWER_MIN as usize)
        };
        at += 1;
    }
    bounds
};

impl Intervals {
    /// Where the interval [`frame_to_order`](Intervals::frame_to_order) begins, in words.
    pub const FRAME_TO_ORDER_FROM: &'static str =
        "host clock when rx_burst had returned the frame that the order answers";
    /// Where it ends.
    pub const FRAME_TO_ORDER_TO: &'static str =
        "host clock when the order's frame was complete, before tx_burst";

    pub(crate) fn new() -> Intervals {
        Intervals {
            counted: Box::new([0; COUNTED_NS_MAX]),
            longer: histogram(),
            longer_by_power: [0; 65],
            longer_ns: 0,
        }
    }

    /// From the frame to the order that it led to. Allocates: for when the measuring is over.
    pub fn frame_to_order(&self) -> Histogram<u64> {
        let mut all = self.longer.clone();
        for (interval_ns, count) in (0..).zip(self.counted.iter()) {
            if *count > 0 {
                all.saturating_record_n(interval_ns, *count);
            }
        }
        all
    }

    /// How many intervals are in a bucket and not in the one before it, and what they add up to in ns. Allocates nothing,
    /// and takes a microsecond at most.
    pub fn bucket(&self, bucket: usize) -> (u64, u64) {
        let Some(ns_max) = BUCKET_NS_MAX.get(bucket) else { return (0, 0) };
        let above = bucket.checked_sub(1).and_then(|before| BUCKET_NS_MAX.get(before));
        let from = above.map_or(0, |above| above + 1);
        match self.counted.get(from as usize..=*ns_max as usize) {
            Some(counts) => (from..)
                .zip(counts)
                .fold((0, 0), |(count, ns), (each_ns, of)| (count + of, ns + each_ns * of)),
            // Their sum is told with the last.
            None => (self.longer_by_power[ns_max.ilog2() as usize], 0),
        }
    }

    /// Intervals that are in no bucket, being longer, and what all those that are longer than 8,191 ns add up to in ns.
    pub fn beyond_buckets(&self) -> (u64, u64) {
        let last = BUCKET_NS_MAX[BUCKETS - 1].ilog2() as usize;
        (self.longer_by_power[last + 1..].iter().sum(), self.longer_ns)
    }

    /// Forgets everything: what was measured was warming up.
    pub fn clear(&mut self) {
        self.counted.fill(0);
        self.longer.clear();
        (self.longer_by_power, self.longer_ns) = ([0; 65], 0);
    }

    #[inline]
    pub(crate) fn record_frame_to_order(&mut self, interval_ns: u64, orders: u64) {
        let interval_ns = interval_ns.max(1);
        match self.counted.get_mut(interval_ns as usize) {
            Some(count) => *count += orders,
            None => self.record_longer(interval_ns, orders),
        }
    }

    #[cold]
    fn record_longer(&mut self, interval_ns: u64, orders: u64) {
        self.longer.saturating_record_n(interval_ns, orders);
        let power = (u64::BITS - (interval_ns - 1).leading_zeros()).max(LONGER_POWER_MIN);
        self.longer_by_power[power as usize] += orders;
        self.longer_ns = self.longer_ns.saturating_add(interval_ns.saturating_mul(orders));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_intervals_come_out_of_one_histogram() {
        let mut intervals = Intervals::new();
        for (interval_ns, orders) in [(0, 1), (700, 3), (8_191, 1), (8_192, 2), (u64::MAX, 1)] {
            intervals.record_frame_to_order(interval_ns, orders);
        }
        let all = intervals.frame_to_order();
        assert_eq!((all.len(), all.min(), all.value_at_quantile(0.5)), (8, 1, 700));
        assert_eq!(all.count_between(8_000, 9_000), 3);
        assert!(all.max() >= INTERVAL_NS_MAX);
        let buckets: Vec<_> = (0..BUCKETS).map(|bucket| intervals.bucket(bucket)).collect();
        let filled = buckets.iter().zip(BUCKET_NS_MAX).filter(|((count, _), _)| *count > 0);
        let filled: Vec<_> = filled.map(|((count, ns), ns_max)| (*count, *ns, ns_max)).collect();
        let expected = [(1, 1, 250), (3, 2_100, 1_000), (1, 8_191, 8_191), (2, 0, 16_384)];
        assert_eq!(filled, expected);
        assert_eq!(intervals.beyond_buckets(), (1, u64::MAX));
        intervals.clear();
        assert!(intervals.frame_to_order().is_empty());
    }
}
