//! The clock that a second port stamps by: which time it keeps, and whether it was set while frames passed. It is read each 100 ms, by
//! the thread that reads the port.

use std::io;
use std::time::{Duration, Instant};

use fixwire::measure::pairs::{Exclusion, Interval, NoTime, Reason};
use fixwire::measure::stamp::{Clock, Domain, Timescale};
use fixwire::measure::tally::Tally;
use fixwire_hw::ptp::{Beside, Keeps, KernelTime, PhcTime, PtpClock, Steps};
use serde_json::{Value, json};

use crate::cli::doctor::keeps;

/// From one reading to the next.
const EVERY: Duration = Duration::from_millis(100);
/// So much found between two readings has the second taken early.
const HELD_MAX: usize = 4_096;
/// How long behind a step a frame may still be on its way up that was stamped before it.
const ON_ITS_WAY: Duration = Duration::from_millis(20);

/// A clock, read.
pub(super) trait Readings {
    /// It beside a clock that nobody steers.
    fn beside(&mut self) -> io::Result<Beside>;
    /// Which time it keeps now.
    fn keeps(&mut self) -> io::Result<PhcTime>;
    /// What it is called.
    fn name(&self) -> String;
}

impl Readings for PtpClock {
    fn beside(&mut self) -> io::Result<Beside> {
        PtpClock::beside(self)
    }

    fn keeps(&mut self) -> io::Result<PhcTime> {
        Ok(PhcTime::of(self.ahead()?, KernelTime::read().ok().as_ref()))
    }

    fn name(&self) -> String {
        self.path().display().to_string()
    }
}

/// A second port's clock, followed.
///
/// A step may lie anywhere between two readings, so that what was found since the last waits for the next one, which vouches for it or
/// has it excluded. What comes up behind a step may have been stamped before it: it has no time until nothing waits any more.
pub(super) struct PortClock<R> {
    readings: R,
    steps: Steps,
    told: Told,
    now: PhcTime,
    life: u16,
    due: Instant,
    held: Vec<Result<Interval, Exclusion>>,
    /// Frames have no time, since then.
    doubt: Option<Instant>,
    /// The last reading failed.
    is_blind: bool,
}

/// What became of one.
#[derive(Clone, Debug)]
pub(super) struct Told {
    name: String,
    first: PhcTime,
    steps: u64,
    last_step_ns: i128,
    unread: u64,
}

impl<R: Readings> PortClock<R> {
    /// Begins to follow it.
    ///
    /// # Errors
    /// Those of the first reading.
    pub(super) fn new(mut readings: R, now: Instant) -> io::Result<PortClock<R>> {
        let (first, mut steps) = (readings.keeps()?, Steps::default());
        steps.stepped(readings.beside()?);
        let told = Told { name: readings.name(), first, steps: 0, last_step_ns: 0, unread: 0 };
        Ok(PortClock {
            readings,
            steps,
            told,
            now: first,
            life: 0,
            due: now + EVERY,
            held: Vec::new(),
            doubt: None,
            is_blind: false,
        })
    }

    /// What a frame is stamped by that comes up now.
    pub(super) fn domain(&self) -> Result<Domain, NoTime> {
        if self.doubt.is_some() {
            return Err(NoTime::Unsettled);
        }
        let scale = match self.now.keeps {
            Keeps::Utc => Timescale::Utc,
            Keeps::Tai { .. } => Timescale::Tai,
            Keeps::Own => Timescale::Elapsed,
        };
        Ok(Domain { clock: Clock::WirePort { hardware: true, life: self.life }, scale })
    }

    /// Keeps what was found until a reading vouches for it.
    pub(super) fn hold(&mut self, found: Result<Interval, Exclusion>) {
        self.held.push(found);
    }

    /// Reads the clock, if it is time. `is_empty`: no frame waits.
    pub(super) fn look(&mut self, now: Instant, is_empty: bool, tally: &mut Tally) {
        let is_past = |since: Instant| now.duration_since(since) >= ON_ITS_WAY;
        if is_empty && !self.is_blind && self.doubt.is_some_and(is_past) {
            self.doubt = None;
        }
        if now >= self.due || self.held.len() >= HELD_MAX {
            self.due = now + EVERY;
            self.read(now, tally);
        }
    }

    fn read(&mut self, now: Instant, tally: &mut Tally) {
        let read = self.readings.beside();
        let stepped = match &read {
            Ok(beside) => self.steps.stepped(*beside),
            Err(_) => {
                self.told.unread += 1;
                self.steps.forget();
                None
            }
        };
        let was_blind = std::mem::replace(&mut self.is_blind, read.is_err());
        if let Some(by_ns) = stepped {
            (self.told.steps, self.told.last_step_ns) = (self.told.steps + 1, by_ns);
        }
        let is_vouched = read.is_ok() && stepped.is_none() && !was_blind;
        for found in self.held.drain(..) {
            let found = found.and_then(|found| {
                if is_vouched { Ok(found) } else { Err(Exclusion::Why(Reason::Unsettled)) }
            });
            tally.record_trigger_at_port(found);
        }
        if is_vouched {
            return;
        }
        self.doubt = Some(now);
        if !was_blind {
            self.life = self.life.wrapping_add(1);
        }
        // Whoever set it may have set it to another time.
        if let (Ok(_), Ok(time)) = (read, self.readings.keeps()) {
            self.now = time;
        }
    }

    /// Reads it for the last time.
    pub(super) fn finish(mut self, tally: &mut Tally) -> Told {
        self.read(Instant::now(), tally);
        self.told
    }
}

impl Told {
    /// What a reader of the figures should know, in sentences.
    pub(super) fn notes(&self, port: &str) -> Vec<String> {
        let Told { name, first, steps, last_step_ns, unread } = self;
        let mut notes = vec![format!("{port} stamps by {name}, which {first}")];
        if *steps > 0 {
            notes.push(format!(
                "steps of {name}: {steps}, the last by {last_step_ns:+} ns; each begins a life of it with figures of its own, and what \
                 passed within {} ms before it was seen is excluded as {}",
                EVERY.as_millis(),
                Reason::Unsettled.name()
            ));
        }
        if *unread > 0 {
            notes.push(format!(
                "readings of {name} that failed: {unread}; what passed about them is excluded as {}",
                Reason::Unsettled.name()
            ));
        }
        notes
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "device": self.name,
            "keeps": keeps(self.first.keeps),
            "ahead_ns": i64::try_from(self.first.ahead.by_ns).ok(),
            "within_ns": self.first.ahead.within_ns,
            "steps": self.steps,
            "unread": self.unread,
        })
    }
}

#[cfg(test)]
mod tests;
