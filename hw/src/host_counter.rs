//! What software stamps count: the processor's time-stamp counter where it is a clock, and the
//! monotonic clock's nanoseconds elsewhere. Each stamp says which.

use fixwire_offload::clock::Bracket;
use fixwire_offload::stamp::{ClockId, ClockInfo, Domain, RxStamp};

use crate::clock::HostClock;
use crate::tsc::Tsc;

/// The host's own counter: the clock in the middle of a clock discipline.
#[derive(Clone, Copy, Debug)]
pub enum HostCounter {
    /// The time-stamp counter.
    Tsc(Tsc),
    /// The monotonic clock.
    Mono(HostClock),
}

impl HostCounter {
    /// The better of the two on this machine. See [`Tsc::new`] for how long that takes the first time.
    pub fn best() -> HostCounter {
        match Tsc::new() {
            Some(tsc) => HostCounter::Tsc(tsc),
            None => HostCounter::Mono(HostClock::new()),
        }
    }

    /// What it counts.
    pub fn info(&self) -> ClockInfo {
        match self {
            HostCounter::Tsc(tsc) => tsc.info(),
            HostCounter::Mono(_) => ClockInfo {
                id: ClockId::HOST,
                domain: Domain::HostNs,
                ticks_per_s: 1_000_000_000,
                bits: u64::BITS,
            },
        }
    }

    /// Its reading now.
    #[inline]
    pub fn now(&self) -> u64 {
        match self {
            HostCounter::Tsc(tsc) => tsc.now(),
            HostCounter::Mono(clock) => clock.mono().as_ns(),
        }
    }

    /// A stamp for what has been received by now. The host's clock has one life: its generation is 0.
    #[inline]
    pub fn stamp(&self) -> RxStamp {
        let (domain, ticks) = match self {
            HostCounter::Tsc(tsc) => (Domain::Tsc, tsc.now()),
            HostCounter::Mono(clock) => (Domain::HostNs, clock.mono().as_ns()),
        };
        RxStamp { clock: ClockId::HOST, generation: 0, domain, ticks }
    }

    /// What `reading` says, between two readings of the counter.
    #[inline]
    pub fn bracket(&self, reading: impl FnOnce() -> u64) -> Bracket {
        match self {
            HostCounter::Tsc(tsc) => tsc.bracket(reading),
            HostCounter::Mono(_) => {
                let before = self.now();
                let reading = reading();
                Bracket { before, reading, after: self.now() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_of_the_clock_that_is_described_and_never_go_back() {
        for counter in [HostCounter::best(), HostCounter::Mono(HostClock::new())] {
            let info = counter.info();
            let (first, between, last) = (counter.stamp(), counter.now(), counter.stamp());
            assert_eq!((first.clock, first.domain), (info.id, info.domain));
            assert!(first.ticks <= between && between <= last.ticks, "{info:?}");
            assert!(last.ticks_since(&first).is_some());
            let bracket = counter.bracket(|| counter.now());
            assert!(last.ticks <= bracket.before, "{info:?}");
            assert!((bracket.before..=bracket.after).contains(&bracket.reading), "{info:?}");
        }
    }

    #[test]
    fn both_counters_are_disciplined_as_a_host_s() {
        use fixwire_offload::clock::{ClockConfig, Discipline};
        for counter in [HostCounter::best(), HostCounter::Mono(HostClock::new())] {
            Discipline::new(&ClockConfig::default(), &counter.info(), None).unwrap();
        }
    }
}
