//! How time is taken: in batches, so that reading the clock costs nothing of what is measured, or one step at a
//! time, with everything where [`Caches`] says.

use std::fs;
use std::hint::black_box;
use std::time::Duration;

use crate::case::{Bench, Caches};
use crate::stopwatch::Stopwatch;

/// What is walked through to empty the caches that a core has to itself, in bytes: several times the
/// second level of any processor that this runs on.
const PAST_L2_BYTES: usize = 8 * 1024 * 1024;
/// To empty the third level, which takes what the second casts out: so many times its size.
const PAST_L3_TIMES: usize = 4;
/// Where Linux says how large it is, and what it is taken for elsewhere, in KiB.
const L3_SIZE_PATH: &str = "/sys/devices/system/cpu/cpu0/cache/index3/size";
const L3_KIB: usize = 32 * 1024;
const LINE_LEN: usize = 64;

/// Whoever takes time.
#[derive(Debug, Default)]
pub struct Sampler {
    stopwatch: Stopwatch,
    /// What pushes everything else out of the caches.
    walked: Vec<u8>,
}

impl Sampler {
    /// The time of `iters` steps.
    pub fn sample(&mut self, bench: &mut dyn Bench, caches: Caches, iters: u64) -> Duration {
        match caches {
            Caches::Warm => warm(bench, iters),
            Caches::FrameInMemory => self.with_frames_in_memory(bench, iters),
            Caches::OutOfL2 => self.walking(bench, iters, PAST_L2_BYTES),
            Caches::OutOfL3 => self.walking(bench, iters, PAST_L3_TIMES * l3_bytes()),
        }
    }

    /// In whole batches, too, but each step alone.
    fn with_frames_in_memory(&self, bench: &mut dyn Bench, iters: u64) -> Duration {
        let batch = bench.batch_max();
        let batches = iters.div_ceil(batch as u64);
        let mut ticks = 0;
        for _ in 0..batches {
            bench.prepare(batch);
            for _ in 0..batch {
                bench.flush_next();
                ticks += self.stopwatch.ticks(|| bench.run(1));
            }
            bench.check(batch);
        }
        scaled(self.stopwatch.span(ticks), iters, batches * batch as u64)
    }

    /// Each step alone, and as many bytes walked through before it.
    fn walking(&mut self, bench: &mut dyn Bench, iters: u64, bytes: usize) -> Duration {
        self.walked.resize(bytes.max(self.walked.len()), 1);
        let mut ticks = 0;
        for _ in 0..iters {
            bench.prepare(1);
            for line in self.walked[..bytes].chunks_exact_mut(LINE_LEN) {
                line[0] = line[0].wrapping_add(1);
            }
            black_box(&mut self.walked);
            ticks += self.stopwatch.ticks(|| bench.run(1));
            bench.check(1);
        }
        self.stopwatch.span(ticks)
    }
}

/// Back to back, in whole batches. Part of a batch would be measured before it is warm: the number is rounded up,
/// and the time scaled back.
fn warm(bench: &mut dyn Bench, iters: u64) -> Duration {
    let batch = bench.batch_max();
    let batches = iters.div_ceil(batch as u64);
    let mut taken = Duration::ZERO;
    for _ in 0..batches {
        bench.prepare(batch);
        taken += bench.time(batch);
        bench.check(batch);
    }
    scaled(taken, iters, batches * batch as u64)
}

fn scaled(taken: Duration, wanted: u64, done: u64) -> Duration {
    taken.mul_f64(wanted as f64 / done as f64)
}

fn l3_bytes() -> usize {
    let size = fs::read_to_string(L3_SIZE_PATH).unwrap_or_default();
    let kib = size.trim_end().strip_suffix('K').and_then(|kib| kib.parse().ok());
    kib.unwrap_or(L3_KIB) * 1024
}
