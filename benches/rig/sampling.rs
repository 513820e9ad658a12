//! How time is taken: in batches, so that reading the clock costs nothing of what is measured, and
//! cold, one step at a time, with everything out of the core's own caches.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::case::Bench;

/// What is walked through to empty the caches that a core has to itself, in bytes: several times the
/// second level of any processor that this runs on.
const EVICTION_BYTES: usize = 8 * 1024 * 1024;

/// Takes the time of `iters` steps, warm: back to back, in whole batches. Part of a batch would be
/// measured before it is warm: the number is rounded up, and the time scaled back.
pub fn warm(bench: &mut dyn Bench, iters: u64) -> Duration {
    let batch = bench.batch_max();
    let batches = iters.div_ceil(batch as u64);
    let mut taken = Duration::ZERO;
    for _ in 0..batches {
        bench.prepare(batch);
        let begun = Instant::now();
        bench.run(batch);
        taken += begun.elapsed();
        bench.check(batch);
    }
    taken.mul_f64(iters as f64 / (batches * batch as u64) as f64)
}

/// Takes the time of `iters` steps, each with cold caches. What two readings of the clock cost by
/// themselves is deducted.
pub fn cold(bench: &mut dyn Bench, cache: &mut Eviction, iters: u64) -> Duration {
    let mut taken = Duration::ZERO;
    for _ in 0..iters {
        bench.prepare(1);
        cache.evict();
        let begun = Instant::now();
        bench.run(1);
        taken += begun.elapsed().saturating_sub(cache.clock_cost);
        bench.check(1);
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
