//! One round of reading after the other, and how long to wait between them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fixwire_offload::clock::{Bracket, ClockConfig, Discipline, PairVerdict, Publisher};
use fixwire_offload::stamp::ClockInfo;

use super::DeviceClock;
use super::counters::{Counts, count};
use crate::host_counter::HostCounter;

/// How often the wall clock is read in a row, for the narrowest bracket.
pub(super) const READINGS: usize = 8;
/// How long after that it is read again.
const REFRESH: Duration = Duration::from_millis(100);
/// How long a clock is left alone at first, and again when it is to be locked anew; from there on twice as
/// long each time. A pair far from those before says little of them, one close by says nothing.
const REFRESH_AT_FIRST: Duration = Duration::from_millis(10);

/// Whose clock is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    Wall,
    Device,
}

/// The clocks that a service reads.
pub(super) trait Clocks {
    fn host(&self) -> u64;

    /// One reading between two of the host's counter; `None` where there is none to be had.
    fn bracket(&mut self, whose: Whose) -> Option<Bracket>;

    fn has_device(&self) -> bool;

    fn device_was_reset(&mut self) -> bool;
}

/// The real ones.
pub(super) struct HostClocks {
    pub(super) counter: HostCounter,
    pub(super) device: Option<Box<dyn DeviceClock>>,
}

impl Clocks for HostClocks {
    fn host(&self) -> u64 {
        self.counter.now()
    }

    fn bracket(&mut self, whose: Whose) -> Option<Bracket> {
        if whose == Whose::Device {
            return self.device.as_mut()?.bracket(&self.counter);
        }
        // What the system says is worked out once it has been said.
        let mut now = UNIX_EPOCH;
        let bracket = self.counter.bracket(|| {
            now = SystemTime::now();
            0
        });
        Some(Bracket { reading: since_1970(now)?, ..bracket })
    }

    fn has_device(&self) -> bool {
        self.device.is_some()
    }

    fn device_was_reset(&mut self) -> bool {
        self.device.as_mut().is_some_and(|device| device.was_reset())
    }
}

fn since_1970(time: SystemTime) -> Option<u64> {
    u64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()
}

/// How often a clock is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cadence {
    /// From one handful of readings to the next, once it is locked.
    refresh: Duration,
    /// In a handful.
    readings: usize,
    /// From the next handful to the one after it.
    pause: Duration,
    /// To the next.
    left: Duration,
}

impl Cadence {
    pub(super) fn new(refresh: Duration, readings: usize) -> Cadence {
        let pause = refresh.min(REFRESH_AT_FIRST);
        Cadence { refresh, readings, pause, left: Duration::ZERO }
    }

    /// Of the wall clock, by `config`. A round may come late, or be of no use: there are to be more before
    /// the last is stale.
    pub(super) fn of_wall(config: &ClockConfig) -> Cadence {
        let refresh = REFRESH.min(Duration::from_nanos(config.wall.stale_after_ns / 4));
        Cadence::new(refresh, READINGS)
    }

    /// It was read just now.
    fn rest(&mut self) {
        self.left = self.pause;
        self.pause = self.refresh.min(2 * self.pause);
    }

    /// It is to be locked anew.
    fn hurry(&mut self) {
        self.pause = self.refresh.min(REFRESH_AT_FIRST);
    }
}

/// Clocks, and what is known of them and published.
pub(super) struct Rounds<C> {
    pub(super) clocks: C,
    discipline: Discipline,
    publisher: Publisher,
    /// By [`Whose`].
    cadences: [Cadence; 2],
    /// How long after a pair the line from it begins, in the host's ticks.
    lead: [u64; 2],
}

const BOTH: [Whose; 2] = [Whose::Wall, Whose::Device];

impl<C: Clocks> Rounds<C> {
    /// `cadences` are the wall clock's and the device's.
    pub(super) fn new(
        clocks: C,
        discipline: Discipline,
        publisher: Publisher,
        config: &ClockConfig,
        cadences: [Cadence; 2],
        host: &ClockInfo,
    ) -> Rounds<C> {
        let lead = [config.wall, config.device].map(|stage| {
            let ticks = u128::from(stage.lead_ns) * u128::from(host.ticks_per_s) / 1_000_000_000;
            u64::try_from(ticks).unwrap_or(u64::MAX)
        });
        Rounds { clocks, discipline, publisher, cadences, lead }
    }

    /// Reads each clock whose turn it is, publishes, and says how long to wait before the next round.
    pub(super) fn round(&mut self, counts: &Counts) -> Duration {
        if self.clocks.device_was_reset() {
            self.discipline.on_device_reset(self.clocks.host());
            self.publisher.publish(&self.discipline);
            count(&counts.device_reset);
            let cadence = self.cadence(Whose::Device);
            cadence.left = Duration::ZERO;
            cadence.hurry();
        }
        let there = if self.clocks.has_device() { &BOTH[..] } else { &BOTH[..1] };
        for &whose in there {
            if self.cadence(whose).left.is_zero() {
                self.read(whose, counts);
                self.cadence(whose).rest();
            }
        }
        let next = there.iter().map(|whose| self.cadence(*whose).left).min().unwrap_or(REFRESH);
        for &whose in there {
            self.cadence(whose).left -= next;
        }
        next
    }

    fn cadence(&mut self, whose: Whose) -> &mut Cadence {
        &mut self.cadences[whose as usize]
    }

    fn read(&mut self, whose: Whose, counts: &Counts) {
        let mut verdict = self.pair(whose, counts);
        if verdict == Some(PairVerdict::Doubtful) {
            // The next one says which to believe.
            verdict = self.pair(whose, counts);
        }
        if matches!(verdict, Some(PairVerdict::Jumped | PairVerdict::Stale)) {
            self.cadence(whose).hurry();
        }
    }

    /// One pair, the narrowest of a handful of brackets, and what became of it; `None` where there was
    /// nothing to read.
    fn pair(&mut self, whose: Whose, counts: &Counts) -> Option<PairVerdict> {
        let mut heard = 0;
        let readings = self.cadence(whose).readings;
        let clocks = &mut self.clocks;
        let brackets = (0..readings).filter_map(|_| clocks.bracket(whose)).inspect(|_| heard += 1);
        let verdict = match Bracket::narrowest(brackets) {
            Some(bracket) => self.take(whose, bracket, counts),
            None if heard > 0 => PairVerdict::Backwards,
            None => {
                let silent = match whose {
                    Whose::Wall => &counts.wall_silent,
                    Whose::Device => &counts.device_silent,
                };
                count(silent);
                return None;
            }
        };
        match whose {
            Whose::Wall => counts.wall.count(verdict),
            Whose::Device => counts.device.count(verdict),
        }
        Some(verdict)
    }

    fn take(&mut self, whose: Whose, bracket: Bracket, counts: &Counts) -> PairVerdict {
        let verdict = match whose {
            Whose::Wall => self.discipline.on_wall_pair(bracket),
            Whose::Device => self.discipline.on_device_pair(bracket),
        };
        self.publisher.publish(&self.discipline);
        let since = self.clocks.host().saturating_sub(bracket.before);
        if verdict == PairVerdict::Agreed && since > self.lead[whose as usize] {
            count(&counts.published_late);
        }
        verdict
    }
}
