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

/// What the engine measures of itself.
#[derive(Clone, Debug)]
pub struct Intervals {
    frame_to_order: Histogram<u64>,
}

impl Intervals {
    /// Where the interval [`frame_to_order`](Intervals::frame_to_order) begins, in words.
    pub const FRAME_TO_ORDER_FROM: &'static str =
        "host clock when rx_burst had returned the frame that the order answers";
    /// Where it ends.
    pub const FRAME_TO_ORDER_TO: &'static str =
        "host clock when the order's frame was complete, before tx_burst";

    pub(crate) fn new() -> Intervals {
        Intervals { frame_to_order: histogram() }
    }

    /// From the frame to the order that it led to.
    pub fn frame_to_order(&self) -> &Histogram<u64> {
        &self.frame_to_order
    }

    /// Forgets everything: what was measured was warming up.
    pub fn clear(&mut self) {
        self.frame_to_order.clear();
    }

    #[inline]
    pub(crate) fn record_frame_to_order(&mut self, interval_ns: u64, orders: u64) {
        self.frame_to_order.saturating_record_n(interval_ns.max(1), orders);
    }
}
