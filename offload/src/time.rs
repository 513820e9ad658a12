//! Two times that never mix: a monotonic [`Instant`] for timers and intervals, and a [`UtcTime`] for
//! what is written into messages. Both arrive as arguments; nothing here reads a clock.

use core::ops::{Add, Sub};

/// A point on the host's monotonic clock, in nanoseconds since an arbitrary origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The clock's origin.
    pub const ZERO: Instant = Instant(0);
    /// Later than every instant a clock yields: "no deadline".
    pub const FAR_FUTURE: Instant = Instant(u64::MAX);

    /// The instant `ns` nanoseconds after the clock's origin.
    pub const fn from_ns(ns: u64) -> Instant {
        Instant(ns)
    }

    /// The instant `ms` milliseconds after the clock's origin.
    pub const fn from_ms(ms: u64) -> Instant {
        Instant(ms * 1_000_000)
    }

    /// Nanoseconds since the clock's origin.
    pub const fn as_ns(self) -> u64 {
        self.0
    }

    /// Nanoseconds from `earlier` to `self`; 0 if `earlier` is in fact later.
    pub const fn ns_since(self, earlier: Instant) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    /// Saturates at [`Instant::FAR_FUTURE`].
    fn add(self, span: Duration) -> Instant {
        Instant(self.0.saturating_add(span.0))
    }
}

impl Sub<Instant> for Instant {
    type Output = Duration;

    /// Saturates at zero.
    fn sub(self, earlier: Instant) -> Duration {
        Duration(self.ns_since(earlier))
    }
}

/// A span of time in nanoseconds. One word, unlike `core::time::Duration`, because timers are
/// compared on every poll.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(u64);

impl Duration {
    /// No time at all.
    pub const ZERO: Duration = Duration(0);

    /// A span of `ns` nanoseconds.
    pub const fn from_ns(ns: u64) -> Duration {
        Duration(ns)
    }

    /// A span of `us` microseconds.
    pub const fn from_us(us: u64) -> Duration {
        Duration(us * 1_000)
    }

    /// A span of `ms` milliseconds.
    pub const fn from_ms(ms: u64) -> Duration {
        Duration(ms * 1_000_000)
    }

    /// A span of `s` seconds.
    pub const fn from_s(s: u64) -> Duration {
        Duration(s * 1_000_000_000)
    }

    /// The span in nanoseconds.
    pub const fn as_ns(self) -> u64 {
        self.0
    }

    /// The span in whole milliseconds, rounded down.
    pub const fn as_ms(self) -> u64 {
        self.0 / 1_000_000
    }

    /// `factor` times the span, saturating.
    pub const fn times(self, factor: u64) -> Duration {
        Duration(self.0.saturating_mul(factor))
    }
}

/// A point in Coordinated Universal Time: nanoseconds since 1970-01-01 00:00:00, leap seconds not
/// counted (POSIX time), as FIX's `UTCTimestamp` needs it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcTime(u64);

impl UtcTime {
    /// The time `ns` nanoseconds after 1970-01-01 00:00:00 UTC.
    pub const fn from_unix_ns(ns: u64) -> UtcTime {
        UtcTime(ns)
    }

    /// Nanoseconds since 1970-01-01 00:00:00 UTC.
    pub const fn as_unix_ns(self) -> u64 {
        self.0
    }

    /// The distance between two times, whichever is the later.
    pub const fn abs_diff(self, other: UtcTime) -> Duration {
        Duration(self.0.abs_diff(other.0))
    }
}

/// The present, by both clocks, read once and handed down the path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For timers and intervals.
    pub mono: Instant,
    /// For what is written into messages.
    pub utc: UtcTime,
}

/// Where [`Now`] comes from: the host's clocks, or a simulation's.
pub trait Clock {
    /// The present.
    fn now(&self) -> Now;
}
