//! A time that says what it is: which clock, which life of that clock, which unit.

/// Which clock a stamp was read from. A device numbers its own; 0 is the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClockId(pub u16);

impl ClockId {
    /// The host's own: the processor's counter or the monotonic clock. Which, the domain says.
    pub const HOST: ClockId = ClockId(0);
}

/// What a stamp's ticks count. Stamps of two domains are never subtracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Domain {
    /// The NIC's free-running counter, in its own ticks.
    NicTicks,
    /// The NIC's real-time clock, in nanoseconds.
    NicNs,
    /// The processor's time-stamp counter, in its own ticks.
    Tsc,
    /// The host's monotonic clock, in nanoseconds.
    HostNs,
    /// A simulated wire's clock, in nanoseconds. Never shown as a measurement of a device.
    VirtualNs,
    /// When a frame was captured, since 1970, in ticks of [`ClockInfo::ticks_per_s`]: of a file that is played
    /// back, whatever clock its writer had. Nothing goes on behind it, and nothing can be read.
    Captured,
}

impl Domain {
    /// The words a report uses for this domain.
    pub const fn in_words(self) -> &'static str {
        match self {
            Domain::NicTicks => "NIC counter, ticks",
            Domain::NicNs => "NIC clock, ns",
            Domain::Tsc => "host TSC, ticks",
            Domain::HostNs => "host monotonic clock, ns",
            Domain::VirtualNs => "simulated wire clock, ns",
            Domain::Captured => "time of capture, ticks since 1970",
        }
    }
}

/// When a frame was received, or left. A frame without a stamp has `None`, never a zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RxStamp {
    /// The clock that was read.
    pub clock: ClockId,
    /// Bumped whenever that clock was reset or the capability demoted: two stamps compare only
    /// within one generation.
    pub generation: u16,
    /// What `ticks` counts.
    pub domain: Domain,
    /// The reading.
    pub ticks: u64,
}

impl RxStamp {
    /// Ticks from `earlier` to `self`, or `None` when the two do not compare: another clock,
    /// another generation, another domain, or out of order.
    pub fn ticks_since(&self, earlier: &RxStamp) -> Option<u64> {
        if self.compares_with(earlier) { self.ticks.checked_sub(earlier.ticks) } else { None }
    }

    /// Whether two stamps are of one clock, in one life of it.
    #[inline]
    pub fn compares_with(&self, other: &RxStamp) -> bool {
        self.clock == other.clock
            && self.generation == other.generation
            && self.domain == other.domain
    }
}

/// What a device says of the clock behind its stamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockInfo {
    /// The clock.
    pub id: ClockId,
    /// Its domain.
    pub domain: Domain,
    /// Ticks per second, as the device declares; 1,000,000,000 for a clock in nanoseconds.
    pub ticks_per_s: u64,
    /// How many bits of a stamp count: past the last of them it is at zero again.
    pub bits: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_of_two_generations_or_domains_do_not_compare() {
        let a = RxStamp { clock: ClockId(1), generation: 0, domain: Domain::NicTicks, ticks: 100 };
        let b = RxStamp { ticks: 150, ..a };
        assert_eq!(b.ticks_since(&a), Some(50));
        assert_eq!(a.ticks_since(&b), None);
        assert_eq!(RxStamp { generation: 1, ..b }.ticks_since(&a), None);
        assert_eq!(RxStamp { domain: Domain::NicNs, ..b }.ticks_since(&a), None);
        assert_eq!(RxStamp { clock: ClockId(2), ..b }.ticks_since(&a), None);
    }
}
