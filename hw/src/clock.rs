//! The host's clocks, as one [`Now`].

use std::io;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use fixwire_offload::time::{Clock, Instant, Now, UtcTime};

use crate::sys;

/// How often the two clocks are read to find a pair of readings close together.
const READINGS: usize = 4;
/// What the monotonic clock reads when a process begins, in nanoseconds: some 52 days. A connection that is moved here
/// has been silent for longer than this process lives, and that is to be told.
const HEAD_START_NS: u64 = 1 << 52;

/// The host's monotonic clock, and its distance from UTC.
///
/// Every `HostClock` of a process counts from the same origin, so that a device's stamp by the host
/// clock and an engine's timer compare. Reading it is one reading of the monotonic clock: UTC is
/// that plus a distance taken once. Where the system's UTC is being disciplined, call
/// [`resync`](HostClock::resync) off the path, as often as the drift allowed asks for.
#[derive(Clone, Copy, Debug)]
pub struct HostClock {
    origin: std::time::Instant,
    utc_at_zero_ns: u64,
}

static ORIGIN: OnceLock<std::time::Instant> = OnceLock::new();

impl HostClock {
    /// The clock, its distance from UTC taken now.
    pub fn new() -> HostClock {
        let origin = *ORIGIN.get_or_init(std::time::Instant::now);
        HostClock { origin, utc_at_zero_ns: utc_at_zero(origin) }
    }

    /// Where this process's clock has its origin, in ns of the machine's own: for a process that is to
    /// [go on](HostClock::go_on_from) by it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn origin_ns(&self) -> io::Result<u64> {
        Ok(sys::monotonic_ns()?.saturating_sub(ns(self.origin.elapsed())))
    }

    /// Has the clocks of this process count from where another's did, so that both read the same at any moment, within a
    /// microsecond. To be called before there is one: says whether it was.
    ///
    /// # Errors
    /// The kernel's.
    pub fn go_on_from(origin_ns: u64) -> io::Result<bool> {
        let (now, now_ns) = (std::time::Instant::now(), sys::monotonic_ns()?);
        let since = std::time::Duration::from_nanos(now_ns.saturating_sub(origin_ns));
        let origin = now.checked_sub(since).ok_or(io::ErrorKind::InvalidData)?;
        Ok(ORIGIN.set(origin).is_ok())
    }

    /// The monotonic clock alone.
    #[inline]
    pub fn mono(&self) -> Instant {
        Instant::from_ns(mono_ns(self.origin))
    }

    /// UTC at `mono`, by the distance last taken.
    #[inline]
    pub fn utc(&self, mono: Instant) -> UtcTime {
        UtcTime::from_unix_ns(self.utc_at_zero_ns.saturating_add(mono.as_ns()))
    }

    /// The clock with a distance from UTC that is wrong by so much.
    #[cfg(test)]
    pub(crate) fn off_by(ns: i64) -> HostClock {
        let right = HostClock::new();
        HostClock { utc_at_zero_ns: right.utc_at_zero_ns.wrapping_add_signed(ns), ..right }
    }

    /// Takes the distance from UTC again and says by how many nanoseconds UTC has stepped: forward
    /// when positive.
    pub fn resync(&mut self) -> i64 {
        let before = self.utc_at_zero_ns;
        self.utc_at_zero_ns = utc_at_zero(self.origin);
        self.utc_at_zero_ns.wrapping_sub(before).cast_signed()
    }
}

impl Default for HostClock {
    fn default() -> Self {
        HostClock::new()
    }
}

impl Clock for HostClock {
    #[inline]
    fn now(&self) -> Now {
        let mono = self.mono();
        Now { mono, utc: self.utc(mono) }
    }
}

/// The monotonic clock's reading.
#[inline]
fn mono_ns(origin: std::time::Instant) -> u64 {
    ns(origin.elapsed()).saturating_add(HEAD_START_NS)
}

/// UTC when the monotonic clock would have read 0, in nanoseconds since 1970. The system's time is read between two readings of
/// the monotonic clock; the closest pair of several says best.
fn utc_at_zero(origin: std::time::Instant) -> u64 {
    let reading = |_| {
        let before = mono_ns(origin);
        let utc = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, ns);
        let apart = mono_ns(origin).saturating_sub(before);
        (apart, utc.saturating_sub(before.saturating_add(apart / 2)))
    };
    (0..READINGS).map(reading).min().map_or(0, |(_, utc)| utc)
}

/// A span in nanoseconds; 584 years is as long as it gets.
#[inline]
fn ns(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_clocks_of_a_process_compare() {
        let (first, second) = (HostClock::new(), HostClock::new());
        let a = first.now();
        let b = second.now();
        let c = first.now();
        assert!(a.mono <= b.mono && b.mono <= c.mono);
        assert!(c.mono.ns_since(a.mono) < 1_000_000_000, "one origin");
    }

    #[test]
    fn another_process_may_go_on_by_its_origin() {
        let clock = HostClock::new();
        let origin_ns = clock.origin_ns().unwrap();
        let by_machine = sys::monotonic_ns().unwrap() - origin_ns + HEAD_START_NS;
        assert!(clock.mono().as_ns().abs_diff(by_machine) < 1_000_000_000);
        // There are clocks here already.
        assert!(!HostClock::go_on_from(origin_ns).unwrap());
    }

    #[test]
    fn it_can_tell_of_what_was_weeks_before_the_process() {
        let weeks = fixwire_offload::time::Duration::from_s(7 * 7 * 86_400);
        let before = HostClock::new().now();
        assert!(before.mono.as_ns() > weeks.as_ns());
        assert!(before.utc.abs_diff(HostClock::new().utc(before.mono)).as_ms() < 1_000);
    }

    #[test]
    fn utc_is_the_system_s_within_a_second() {
        let found = HostClock::new().now().utc;
        let system =
            UtcTime::from_unix_ns(ns(SystemTime::now().duration_since(UNIX_EPOCH).unwrap()));
        assert!(found.abs_diff(system).as_ms() < 1_000, "{found:?} {system:?}");
    }

    #[test]
    fn resync_takes_back_a_step_and_says_so() {
        let right = HostClock::new().utc_at_zero_ns;
        let mut clock = HostClock::off_by(-5_000_000_000);
        let step_ns = clock.resync();
        assert!((4_900_000_000..5_100_000_000).contains(&step_ns), "{step_ns}");
        assert!(clock.utc_at_zero_ns.abs_diff(right) < 100_000_000);
    }
}
