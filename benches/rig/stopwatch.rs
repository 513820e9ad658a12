//! The time of one step that is over in less than it takes to read a clock.

use std::time::{Duration, Instant};

use fixwire_hw::tsc::Tsc;

/// So many empty brackets, of which the median is what a bracket costs.
const EMPTY: usize = 1_001;

/// Brackets by the time-stamp counter, fenced on both sides: nothing of what is measured has begun when the first is
/// read, and nothing of it is left to do at the second. What an empty one takes is deducted. Where there is no such
/// counter, the host's clock.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    tsc: Option<Tsc>,
    begun: Instant,
    empty: u64,
}

impl Default for Stopwatch {
    fn default() -> Stopwatch {
        let mut stopwatch = Stopwatch { tsc: Tsc::new(), begun: Instant::now(), empty: 0 };
        let mut empty: Vec<u64> = (0..EMPTY).map(|_| stopwatch.ticks(|| {})).collect();
        empty.sort_unstable();
        stopwatch.empty = empty[EMPTY / 2];
        stopwatch
    }
}

impl Stopwatch {
    /// The counter once all that stands before in the program has been done.
    #[inline(always)]
    pub fn now(&self) -> u64 {
        self.tsc.map_or_else(|| self.begun.elapsed().as_nanos() as u64, |tsc| tsc.now())
    }

    /// What `step` took.
    #[inline(always)]
    pub fn ticks(&self, step: impl FnOnce()) -> u64 {
        self.ticks_until(|| {
            step();
            self.now()
        })
    }

    /// How long it took to the moment that `step` says, which it had from [`now`](Stopwatch::now).
    #[inline(always)]
    pub fn ticks_until(&self, step: impl FnOnce() -> u64) -> u64 {
        // What was before is over.
        let now = self.now();
        let (before, until) = match self.tsc {
            None => (now, step()),
            Some(tsc) => {
                let bracket = tsc.bracket(step);
                (bracket.before, bracket.reading)
            }
        };
        until.saturating_sub(before).saturating_sub(self.empty)
    }

    /// So many ticks, in time.
    pub fn span(&self, ticks: u64) -> Duration {
        let per_s = self.tsc.map_or(1_000_000_000, |tsc| tsc.rate().ticks_per_s);
        Duration::from_secs_f64(ticks as f64 / per_s as f64)
    }
}
