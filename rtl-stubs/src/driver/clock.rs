//! The clock that stamps are by: slewed by its period, stepped by a time, read whole.

use crate::bus::{Bus, BusError};

use super::Offload;

const NS_PER_S: u32 = 1_000_000_000;
/// Bits of a time's seconds (IEEE 1588, 5.3.3).
const SECONDS_BITS: u32 = 48;

/// What each cycle adds to the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period {
    /// Whole ns.
    pub ns: u8,
    /// And so many 2^-32 ns.
    pub fraction: u32,
}

impl Period {
    /// The period of a clock of so many Hz, to the nearest 2^-32 ns; `None` for one that is slower than 3.9 MHz, whose
    /// period has no room, or of none at all.
    pub fn of_hz(hz: u64) -> Option<Period> {
        let scaled = u128::from(NS_PER_S) << 32;
        let units = (scaled + u128::from(hz) / 2).checked_div(hz.into())?;
        Period::of_units(units.try_into().ok()?)
    }

    /// The same, faster by so many parts in 10^9; `None` where that has no room.
    #[must_use]
    pub fn faster_by_ppb(self, ppb: i32) -> Option<Period> {
        let units = i128::from(self.units());
        let changed = units + units * i128::from(ppb) / i128::from(NS_PER_S);
        Period::of_units(changed.try_into().ok()?)
    }

    /// In 2^-32 ns.
    pub const fn units(self) -> u64 {
        (self.ns as u64) << 32 | self.fraction as u64
    }

    fn of_units(units: u64) -> Option<Period> {
        let ns = u8::try_from(units >> 32).ok()?;
        (units > 0).then_some(Period { ns, fraction: units as u32 })
    }
}

/// A time of day: since 1970, as PTP has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay {
    /// Seconds, below 2^48.
    pub seconds: u64,
    /// Below 10^9.
    pub ns: u32,
}

/// The clock, all of one cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The time of day.
    pub time: TimeOfDay,
    /// And so many 2^-16 ns.
    pub fraction: u16,
    /// A count in 2^-16 ns that no step of the time sets back. It goes round every 2^48 ns, which are 78 h: what has passed is a
    /// wrapping difference.
    pub count: u64,
    /// Begins anew with each step of the time. It goes round.
    pub generation: u16,
}

/// Why the clock was not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// No time.
    #[error(
        "{} s and {} ns are no time that the clock can be set to: seconds go to 2^48 - 1, ns to 999,999,999",
        .0.seconds, .0.ns
    )]
    NoTime(TimeOfDay),
    /// The bus failed.
    #[error(transparent)]
    Bus(#[from] BusError),
}

impl<B: Bus> Offload<B> {
    /// Has each cycle add this, from one cycle on. The clock goes on from where it is; after a reset it stands still
    /// until this is called.
    ///
    /// # Errors
    /// The bus failed; then it goes as before, or as it was told.
    pub fn set_period(&self, period: Period) -> Result<(), BusError> {
        let regs = self.words.regs();
        regs.clock_ns().try_write(|word| word.set_ns(period.ns))?;
        regs.clock_fraction().try_write(|word| word.set_fraction(period.fraction))?;
        regs.clock_commit().try_write(|commit| commit.set_period(true))
    }

    /// Sets the time of day, which begins a generation. The count goes on as if nothing had been.
    ///
    /// # Errors
    /// It is no time, and nothing was written; or the bus failed.
    pub fn step_to(&self, time: TimeOfDay) -> Result<(), ClockError> {
        if time.seconds >> SECONDS_BITS != 0 || time.ns >= NS_PER_S {
            return Err(ClockError::NoTime(time));
        }
        let regs = self.words.regs();
        regs.set_seconds_low().try_write(|word| word.set_low(time.seconds as u32))?;
        regs.set_seconds_high().try_write(|word| word.set_high((time.seconds >> 32) as u16))?;
        regs.set_ns().try_write(|word| word.set_ns(time.ns))?;
        Ok(regs.clock_commit().try_write(|commit| commit.set_step(true))?)
    }

    /// Reads the clock, as it is when the device hears of it.
    ///
    /// # Errors
    /// The bus failed.
    pub fn now(&self) -> Result<Reading, BusError> {
        let regs = self.words.regs();
        regs.clock_commit().try_write(|commit| commit.set_latch(true))?;
        let fraction = regs.now_fraction().try_read()?.bits() as u16;
        let ns = regs.now_ns().try_read()?.bits();
        let low = regs.now_seconds_low().try_read()?.bits();
        let seconds = u64::from(regs.now_seconds_high().try_read()?.bits()) << 32 | u64::from(low);
        let low = regs.now_count_low().try_read()?.bits();
        let count = u64::from(regs.now_count_high().try_read()?.bits()) << 32 | u64::from(low);
        let generation = regs.clock_generation().try_read()?.bits() as u16;
        Ok(Reading { time: TimeOfDay { seconds, ns }, fraction, count, generation })
    }

    /// How long a frame's first bit takes from the wire to the stamp, in ns, as was measured and
    /// [kept](Offload::keep_ingress_ns) in the device: a stamp is later by that. 0 where nobody measured.
    ///
    /// # Errors
    /// The bus failed.
    pub fn ingress_ns(&self) -> Result<u16, BusError> {
        Ok(self.words.regs().calibration().try_read()?.ingress_ns())
    }

    /// Keeps that in the device, for whoever reads stamps.
    ///
    /// # Errors
    /// The bus failed.
    pub fn keep_ingress_ns(&self, ns: u16) -> Result<(), BusError> {
        self.words.regs().calibration().try_write(|word| word.set_ingress_ns(ns))
    }
}
