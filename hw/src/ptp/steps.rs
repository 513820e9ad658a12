//! A hardware clock that is set, told from one that is slewed.

use super::Ahead;

/// The fastest that a clock is slewed and drifts beside the host's, in parts of a million: ptp4l's own bound is what the driver takes,
/// a thousandth is more than a servo that follows anything asks for.
const SLEW_PPM: i128 = 1_000;

/// A clock beside the raw monotonic one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beside {
    /// When, by the monotonic one, in ns.
    pub host_ns: i128,
    /// How far the clock was ahead of it.
    pub ahead: Ahead,
}

/// Tells when a clock was set, from one reading to the next. Read each 100 ms, steps of less than 100 µs pass for slewing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Steps {
    last: Option<Beside>,
}

impl Steps {
    /// By how many ns the clock has stepped since the reading before, if it has. It may have at any moment in between.
    pub fn stepped(&mut self, now: Beside) -> Option<i128> {
        let last = self.last.replace(now)?;
        let by_ns = now.ahead.by_ns - last.ahead.by_ns;
        let within_ns = i128::from(now.ahead.within_ns) + i128::from(last.ahead.within_ns);
        let slewed_ns = (now.host_ns - last.host_ns).max(0) * SLEW_PPM / 1_000_000;
        (by_ns.abs() > within_ns + slewed_ns).then_some(by_ns)
    }

    /// Nobody could read it: the next reading is the first again.
    pub fn forget(&mut self) {
        self.last = None;
    }
}
