//! Intervals, in nanoseconds, recorded without allocation.

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
}

impl Intervals {
    /// Where the interval [`frame_to_order`](Intervals::frame_to_order) begins, in words.
    pub const FRAME_TO_ORDER_FROM: &'static str =
        "host clock when rx_burst had returned the frame that the order answers";
    /// Where it ends.
    pub const FRAME_TO_ORDER_TO: &'static str =
        "host clock when the order's frame was complete, before tx_burst";

    pub(crate) fn new() -> Intervals {
        Intervals { counted: Box::new([0; COUNTED_NS_MAX]), longer: histogram() }
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

    /// Forgets everything: what was measured was warming up.
    pub fn clear(&mut self) {
        self.counted.fill(0);
        self.longer.clear();
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
        intervals.clear();
        assert!(intervals.frame_to_order().is_empty());
    }
}
