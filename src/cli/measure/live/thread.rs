//! The thread that takes records out of the ring, and has them added up.

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use fixwire::measure::live::{Hops, Record};
use fixwire_hw::core::BusyCore;
use fixwire_hw::host_counter::HostCounter;
use rtrb::Consumer;

use super::recent::Recent;

/// How long it sleeps between two looks.
const PAUSE: Duration = Duration::from_millis(1);
/// How long it waits at the end for one more reading of the device's clock.
const LAST_READING_WITHIN: Duration = Duration::from_millis(500);

/// What the thread is told.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<BusyCore>);

impl Shared {
    pub(super) fn keep_off(&self, core: u16) {
        self.0.set(core);
    }
}

pub(super) struct Worker {
    pub(super) ring: Consumer<Record>,
    pub(super) hops: Hops,
    pub(super) counter: HostCounter,
    pub(super) shared: Shared,
    pub(super) recent: Recent,
}

impl Worker {
    /// Until nothing more comes, and what waits for a reading of the device's clock has got one.
    pub(super) fn run(mut self) -> Hops {
        loop {
            self.shared.0.heed();
            let is_over = self.ring.is_abandoned();
            while let Ok(record) = self.ring.pop() {
                self.hops.take(&record, &mut |sample| self.recent.note(sample));
            }
            self.hops.settle(self.counter.now(), &mut |sample| self.recent.note(sample));
            self.recent.turn(Instant::now(), self.hops.tally());
            if is_over {
                break;
            }
            sleep(PAUSE);
        }
        let begun = Instant::now();
        while self.hops.awaits_reading() && begun.elapsed() < LAST_READING_WITHIN {
            sleep(PAUSE);
            self.hops.settle(self.counter.now(), &mut |_| {});
        }
        self.hops.finish(&mut |_| {});
        self.hops
    }
}
