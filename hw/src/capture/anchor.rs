//! A counter's distance from the monotonic clock, for as long as one is not followed.

use fixwire_offload::clock::Bracket;
use fixwire_offload::time::Instant;

use crate::clock::HostClock;
use crate::tsc::Tsc;

/// How often the monotonic clock is read against the counter, for the narrowest bracket.
const READINGS: usize = 8;

/// The counter and the monotonic clock at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    pub(super) ticks: u64,
    pub(super) mono: Instant,
}

impl Anchor {
    pub(super) fn take(tsc: &Tsc, host: &HostClock) -> Anchor {
        let several = (0..READINGS).map(|_| tsc.bracket(|| host.mono().as_ns()));
        match Bracket::narrowest(several) {
            Some(Bracket { before, reading, after }) => {
                Anchor { ticks: before + (after - before) / 2, mono: Instant::from_ns(reading) }
            }
            None => Anchor { ticks: tsc.now(), mono: host.mono() },
        }
    }

    /// The monotonic clock at `ticks`, by the counter's nominal rate.
    pub(super) fn mono_at(&self, ticks: u64, ticks_per_s: u64) -> Instant {
        let ahead = i128::from(ticks) - i128::from(self.ticks);
        let ns = i128::from(self.mono.as_ns()) + ahead * 1_000_000_000 / i128::from(ticks_per_s);
        Instant::from_ns(u64::try_from(ns.max(0)).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_monotonic_clock_is_told_to_the_nanosecond(
            ticks_per_s in 1_000_000u64..6_000_000_000,
            ticks in 1u64 << 40..1 << 50,
            mono_ns in 1u64 << 50..1 << 55,
            ahead_ns in -10_000_000_000i64..10_000_000_000,
        ) {
            let anchor = Anchor { ticks, mono: Instant::from_ns(mono_ns) };
            let ahead = i128::from(ahead_ns) * i128::from(ticks_per_s) / 1_000_000_000;
            let at = anchor.mono_at((i128::from(ticks) + ahead) as u64, ticks_per_s).as_ns();
            let tick_ns = 1_000_000_000 / ticks_per_s + 1;
            prop_assert!(at.abs_diff(mono_ns.wrapping_add_signed(ahead_ns)) <= tick_ns);
        }
    }
}
