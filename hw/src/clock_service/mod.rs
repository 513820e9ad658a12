//! Clock discipline as a service: a thread off the hot core reads the wall clock, and a device's where
//! it has one of its own, each between two readings of the host's counter, hands the narrowest of a
//! handful to a [`Discipline`] and publishes what that knows.
//!
//! ```text
//!  service's thread                                                     whoever converts
//!  wall clock, device's clock --> brackets --> Discipline --> Publisher ~~> Reader::convert
//! ```
//!
//! It locks with the third round, some 30 ms after the start, or some rounds later where readings are too
//! wide to show a jump so soon, as a device's behind a bus may be. Then it reads the wall clock ten times a
//! second, and the device's as often as it is told to. What becomes of each reading is counted by name: see
//! [`ClockCounters`]. A process needs one: whoever converts stamps has a [`Reader`] of it.

mod counters;
mod rounds;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, park_timeout, sleep};
use std::time::{Duration, Instant};

use fixwire_offload::clock::{Bracket, ConfigError, Discipline, Publisher, Reader};
use fixwire_offload::profile::ClockSettings;
use fixwire_offload::stamp::ClockInfo;

pub use counters::{ClockCounters, PairCounters};

use crate::core::BusyCore;
use crate::host_counter::HostCounter;
use counters::Counts;
use rounds::{Cadence, HostClocks, Rounds};

/// How long the end of a service waits for its thread.
const STOP_WITHIN: Duration = Duration::from_secs(1);

/// A device's clock, as the service reads it, on the service's thread.
pub trait DeviceClock: Send {
    /// What the device says of it.
    fn info(&self) -> ClockInfo;

    /// Its counter now, or `None` where the device does not answer. Nothing but this reading: whatever
    /// else it does widens the bracket.
    fn read(&mut self) -> Option<u64>;

    /// The same between two readings of the host's counter. A clock that reads more than the one word that
    /// says when brackets that word alone.
    fn bracket(&mut self, host: &HostCounter) -> Option<Bracket> {
        let mut said = None;
        let bracket = host.bracket(|| {
            said = self.read();
            said.unwrap_or_default()
        });
        said.map(|_| bracket)
    }

    /// Whether it was reset or set since the last call. Asked before each round.
    fn was_reset(&mut self) -> bool {
        false
    }
}

/// Why there is no service, or no end of it.
#[derive(Debug, thiserror::Error)]
pub enum ClockServiceError {
    /// The clocks cannot be disciplined as they are.
    #[error("the clocks cannot be disciplined: {0}")]
    Config(#[from] ConfigError),
    /// No thread could be started to read them.
    #[error(
        "no thread can be started to read the clocks: {0}; raise the process's limit (`ulimit -u`)"
    )]
    Thread(io::Error),
    /// A device's clock was still being read when the service was to end.
    #[error("a clock was still being read {} s after the service was to end", STOP_WITHIN.as_secs())]
    TooSlow,
    /// The thread ended early.
    #[error("the clock service ended early; this is a fault of fixwire's: please report it")]
    Ended,
}

/// What became of a service's readings, for another thread: see [`ClockService::tally`].
#[derive(Clone, Debug)]
pub struct ClockTally(Arc<Shared>);

impl ClockTally {
    /// The same as [`ClockService::counters`].
    pub fn counters(&self) -> ClockCounters {
        self.0.counts.sum_up()
    }
}

/// A clock service that runs. Dropped, it ends as by [`stop`](ClockService::stop).
pub struct ClockService {
    shared: Arc<Shared>,
    counter: HostCounter,
    device: Option<ClockInfo>,
    reader: Reader,
    thread: Option<JoinHandle<()>>,
}

/// What the service's thread shares with its owner.
#[derive(Debug, Default)]
struct Shared {
    ending: AtomicBool,
    busy_core: BusyCore,
    counts: Counts,
}

impl ClockService {
    /// Starts to discipline the wall clock by `counter`, and `device`'s, where it has one, as `settings`
    /// say. To be called before the calling thread is pinned to a core, or the service is pinned to the
    /// same.
    ///
    /// # Errors
    /// The clocks cannot be disciplined so, or there is no thread to be had.
    pub fn start(
        counter: HostCounter,
        device: Option<Box<dyn DeviceClock>>,
        settings: &ClockSettings,
    ) -> Result<ClockService, ClockServiceError> {
        let info = device.as_ref().map(|device| device.info());
        let config = settings.config();
        let discipline = Discipline::new(&config, &counter.info(), info.as_ref())?;
        let (publisher, reader) = Publisher::new(&discipline);
        let shared = Arc::new(Shared::default());
        let clocks = HostClocks { counter, device };
        let refresh = Duration::from_millis(settings.refresh_ms.into());
        let of_device = Cadence::new(refresh, settings.readings.into());
        let cadences = [Cadence::of_wall(&config), of_device];
        let rounds = Rounds::new(clocks, discipline, publisher, &config, cadences, &counter.info());
        let thread = thread::Builder::new().name("clocks".into()).spawn({
            let shared = Arc::clone(&shared);
            move || run(rounds, &shared)
        });
        let thread = Some(thread.map_err(ClockServiceError::Thread)?);
        Ok(ClockService { shared, counter, device: info, reader, thread })
    }

    /// The counter that stands in the middle: stamps by it, and the moments at which others were in hand,
    /// are its readings.
    pub fn counter(&self) -> HostCounter {
        self.counter
    }

    /// What the device says of its clock, where it has one.
    pub fn device(&self) -> Option<ClockInfo> {
        self.device
    }

    /// A reader of what is published, for a thread that converts. It stays good for as long as the
    /// last readings are, also when the service has ended.
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// What became of every reading so far.
    pub fn counters(&self) -> ClockCounters {
        self.shared.counts.sum_up()
    }

    /// The same for another thread, also when the service has ended.
    pub fn tally(&self) -> ClockTally {
        ClockTally(Arc::clone(&self.shared))
    }

    /// Keeps the service off `core`, which another thread wants for itself, where it may use another.
    pub fn keep_off(&self, core: u16) {
        self.shared.busy_core.set(core);
    }

    /// Ends the service and waits for its thread, no longer than a second.
    ///
    /// # Errors
    /// A device's clock does not come back from being read: the thread is left behind and ends with
    /// the process. Or the thread had ended before.
    pub fn stop(mut self) -> Result<ClockCounters, ClockServiceError> {
        self.end()?;
        Ok(self.counters())
    }

    fn end(&mut self) -> Result<(), ClockServiceError> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        self.shared.ending.store(true, Ordering::Release);
        thread.thread().unpark();
        let begun = Instant::now();
        while !thread.is_finished() {
            if begun.elapsed() >= STOP_WITHIN {
                return Err(ClockServiceError::TooSlow);
            }
            sleep(Duration::from_millis(1));
        }
        thread.join().map_err(|_| ClockServiceError::Ended)
    }
}

impl Drop for ClockService {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = self.end();
    }
}

impl fmt::Debug for ClockService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClockService").field("counters", &self.counters()).finish_non_exhaustive()
    }
}

fn run(mut rounds: Rounds<HostClocks>, shared: &Shared) {
    while !shared.ending.load(Ordering::Acquire) {
        shared.busy_core.heed();
        let pause = rounds.round(&shared.counts);
        // Woken early, for the end or for nothing, it reads early: no harm.
        park_timeout(pause);
    }
}
