//! A modelled NIC's clock in the host's time, for a clock service to read on a thread of its own.

use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use fixwire_offload::stamp::ClockInfo;
use fixwire_offload::time::{Duration, Instant};

use super::clock::ModelClock;
use super::faults::NicDice;
use crate::clock::HostClock;
use crate::clock_service::DeviceClock;

/// The clock that a modelled NIC stamps by, for any thread: right as long as the wire's time is the host's
/// monotonic clock ([`HostClock::mono`]), which whoever holds the [`Wire`](super::Wire) sees to.
///
/// A reading takes what the model's bus takes, there and back.
#[derive(Clone, Debug)]
pub struct LiveClock {
    pub(super) clock: ModelClock,
    pub(super) wandered_ns: u64,
    /// How far the NIC's faults say that it has jumped.
    pub(super) jump_ns: Arc<AtomicI64>,
    pub(super) host: HostClock,
    pub(super) dice: NicDice,
}

impl LiveClock {
    /// Waits for as long as one way over the bus takes.
    fn cross_the_bus(&mut self) -> Instant {
        let way = Duration::from_ns(self.dice.bus_ns(self.clock.bus_ns_max));
        let arrival = self.host.mono() + way;
        loop {
            let now = self.host.mono();
            if now >= arrival {
                return now;
            }
            spin_loop();
        }
    }
}

impl DeviceClock for LiveClock {
    fn info(&self) -> ClockInfo {
        self.clock.info()
    }

    fn read(&mut self) -> Option<u64> {
        let at = self.cross_the_bus();
        let reading = self.clock.reads(at, self.wandered_ns, self.jump_ns.load(Ordering::Relaxed));
        self.cross_the_bus();
        Some(reading)
    }
}
