//! Pacing, where it was asked for: new segments leave one by one, spread over a round trip instead of in a
//! burst, twice as fast as the window goes round while it doubles and a fifth faster after that (RFC 9438 and
//! RFC 9406 4.2 leave the rate to the stack; these are Linux's).
//!
//! What is sent again is not held back, and nothing is before a round trip has been measured.

use super::connection::{Connection, Context};
use crate::time::{Duration, Instant};

impl Connection {
    /// `len` bytes have left for the first time: the next wait for their turn.
    #[inline(never)]
    pub(super) fn pace(&mut self, cx: &Context<'_>, len: u32) {
        let Some(srtt) = self.rtt.srtt().filter(|_| len > 0) else { return };
        let tenths = if self.congestion.is_in_slow_start() { 20 } else { 12 };
        let window = u128::from(self.congestion.cwnd()) * tenths / 10;
        let turn_ns = u128::from(srtt.as_ns()) * u128::from(len) / window.max(1);
        self.deadlines.pace = cx.now + Duration::from_ns(turn_ns.min(u128::from(u64::MAX)) as u64);
        self.settle_seldom();
    }

    /// Whether what is new has to wait for its turn.
    #[inline]
    pub(super) fn is_paced(&self) -> bool {
        self.deadlines.pace != Instant::FAR_FUTURE
    }

    /// Does what is seldom due.
    #[inline(never)]
    pub(super) fn on_seldom(&mut self, cx: &mut Context<'_>) {
        if self.deadlines.pace <= cx.now {
            self.deadlines.pace = Instant::FAR_FUTURE;
        }
        if self.apart.raise_mtu_at <= cx.now {
            self.raise_mtu(cx);
        }
        self.settle_seldom();
    }

    /// After either of them has changed.
    pub(super) fn settle_seldom(&mut self) {
        self.deadlines.seldom = self.deadlines.pace.min(self.apart.raise_mtu_at);
    }
}
