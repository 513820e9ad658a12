//! How time is taken: in batches, so that reading the clock costs nothing of what is measured, and
//! cold, one at a time, with everything out of the core's own caches.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::nic::LOADED_MAX;
use crate::{Host, Line};

/// What is walked through to empty the caches that a core has to itself, in bytes: several times the
/// second level of any processor that this runs on.
const EVICTION_BYTES: usize = 8 * 1024 * 1024;

/// Takes the time of `iters` steps, warm: back to back, in batches.
pub fn warm<H: Host>(line: &mut Line<H>, iters: u64) -> Duration {
    let mut taken = Duration::ZERO;
    let mut left = iters;
    while left > 0 {
        let count = left.min(LOADED_MAX as u64) as usize;
        line.load(count);
        let begun = Instant::now();
        for _ in 0..count {
            line.step();
        }
        taken += begun.elapsed();
        line.check(count);
        left -= count as u64;
    }
    taken
}

/// Takes the time of `iters` steps, each with cold caches. What two readings of the clock cost by
/// themselves is deducted.
pub fn cold<H: Host>(line: &mut Line<H>, cache: &mut Eviction, iters: u64) -> Duration {
    let mut taken = Duration::ZERO;
    for _ in 0..iters {
        line.load(1);
        cache.evict();
        let begun = Instant::now();
        line.step();
        taken += begun.elapsed().saturating_sub(cache.clock_cost);
        line.check(1);
    }
    taken
}

/// A stretch of memory that pushes everything else out of the caches.
#[derive(Debug)]
pub struct Eviction {
    bytes: Vec<u8>,
    clock_cost: Duration,
}

impl Default for Eviction {
    fn default() -> Eviction {
        let mut costs: Vec<_> = (0..1001)
            .map(|_| {
                let begun = Instant::now();
                begun.elapsed()
            })
            .collect();
        costs.sort_unstable();
        Eviction { bytes: vec![1; EVICTION_BYTES], clock_cost: costs[costs.len() / 2] }
    }
}

impl Eviction {
    /// Touches all of it.
    pub fn evict(&mut self) {
        for line in self.bytes.chunks_exact_mut(64) {
            line[0] = line[0].wrapping_add(1);
        }
        black_box(&mut self.bytes);
    }
}
