//! One frame alone: begun when all before it is done, and over when the frame that answers it is handed to the device.

use std::time::Duration;

use crate::case::Bench;
use crate::line::{Host, Line};
use crate::stopwatch::Stopwatch;

/// A host whose doorbell is [heard](crate::ring::Heard).
pub trait ToDoorbell: Host {
    /// When it rang last.
    fn rang_at(&self) -> u64;
}

/// A line whose steps are timed one by one, each from nothing under way to the doorbell.
pub struct Alone<H> {
    line: Line<H>,
    stopwatch: Stopwatch,
}

impl<H: ToDoorbell> Alone<H> {
    /// The frames of `line`.
    pub fn new(line: Line<H>) -> Alone<H> {
        Alone { line, stopwatch: Stopwatch::default() }
    }
}

impl<H: ToDoorbell> Bench for Alone<H> {
    fn batch_max(&self) -> usize {
        self.line.batch_max()
    }

    fn prepare(&mut self, count: usize) {
        self.line.prepare(count);
    }

    fn run(&mut self, count: usize) {
        self.line.run(count);
    }

    fn check(&mut self, count: usize) {
        self.line.check(count);
    }

    #[inline(never)]
    fn time(&mut self, count: usize) -> Duration {
        let mut ticks = 0;
        for _ in 0..count {
            let host = self.line.host();
            ticks += self.stopwatch.ticks_until(|| {
                host.step();
                host.rang_at()
            });
        }
        self.stopwatch.span(ticks)
    }
}
