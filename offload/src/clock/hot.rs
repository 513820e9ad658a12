//! The way of nearly every stamp: of the device's clock, in its present life, on the newer line of
//! both stages. Each check that can be made ahead has been; what is left is a handful of compares
//! and multiplications in one word.

use crate::stamp::{ClockId, Domain, RxStamp};
use crate::time::UtcTime;

use super::counter::Width;
use super::mapping::{HostTime, NS_SHIFT, Shape, StampTime, Validity};
use super::scale::scaled;
use super::track::{Gauge, Line, Track};

/// The newer line of a stage, and what reading it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ruler {
    knee: u64,
    reach: u64,
    line: Line,
    shift: u32,
}

impl Ruler {
    fn new(track: &Track, gauge: &Gauge) -> Ruler {
        Ruler { knee: track.knee, reach: gauge.reach, line: track.newer, shift: gauge.shift }
    }

    /// The other clock `delta` ticks after the knee, and the bound; `None` where the newer line has
    /// no answer. Before the knee `delta` is negative, and as a word beyond every reach.
    #[inline]
    fn read(&self, delta: u64) -> Option<(u64, u64)> {
        if delta > self.reach {
            return None;
        }
        let line = &self.line;
        let value = line.base.wrapping_add(scaled(delta, line.mult, line.fraction, self.shift));
        Some((value, line.error + scaled(delta, line.error_mult, 0, self.shift)))
    }
}

/// A mapping made ready for the stamps of its device's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hot {
    label: u32,
    domain: Domain,
    wall_generation: u16,
    /// The host's clock from which on stamps are sure to be of this life, and for how long they are
    /// not stale on either stage.
    from: u64,
    span: u64,
    queue_delay: u64,
    ns_mult: u64,
    width: Width,
    device: Ruler,
    wall: Ruler,
}

impl Hot {
    /// `None` where every stamp would be refused.
    pub(super) fn new(shape: &Shape, device: &Track, wall: &Track) -> Option<Hot> {
        let clock = shape.device.as_ref()?;
        if device.lapse.is_some() || wall.lapse.is_some() {
            return None;
        }
        let from = device.since.checked_add(shape.queue_delay)?;
        let until = |track: &Track, gauge: &Gauge| track.refreshed.checked_add(gauge.stale);
        let until = until(device, &shape.device_gauge)?.min(until(wall, &shape.wall_gauge)?);
        // So that the largest bound can be multiplied in one word.
        let line = &device.newer;
        let reach = shape.device_gauge.reach;
        let error_max = line.at_exact(reach, shape.device_gauge.shift).1;
        error_max.checked_add(1)?.checked_mul(shape.ns_mult)?;
        Some(Hot {
            label: label(clock.id, device.generation),
            domain: clock.domain,
            wall_generation: wall.generation,
            from,
            span: until.checked_sub(from)?,
            queue_delay: shape.queue_delay,
            ns_mult: shape.ns_mult,
            width: shape.device_gauge.width,
            device: Ruler::new(device, &shape.device_gauge),
            wall: Ruler::new(wall, &shape.wall_gauge),
        })
    }

    /// When `stamp` was taken by the host's clock, or `None` where that takes a closer look.
    #[inline]
    pub(super) fn host_time(&self, stamp: &RxStamp, received: u64) -> Option<HostTime> {
        let ours =
            label(stamp.clock, stamp.generation) == self.label && stamp.domain == self.domain;
        if !ours || received.wrapping_sub(self.from) > self.span {
            return None;
        }
        let delta = self.width.delta(stamp.ticks, self.device.knee);
        let (ticks, error) = self.device.read(delta.cast_unsigned())?;
        // Later than its reception it is negative, and as a word longer than every delay.
        let waited = received.wrapping_add(error).wrapping_sub(ticks);
        let possible = waited <= self.queue_delay + 2 * error;
        possible.then_some(HostTime { ticks, error_bound_ticks: error })
    }

    /// The same by the wall clock.
    #[inline]
    pub(super) fn convert(&self, stamp: &RxStamp, received: u64) -> Option<StampTime> {
        let HostTime { ticks, error_bound_ticks } = self.host_time(stamp, received)?;
        // The host's clock is a whole word.
        let (ns, error_ns) = self.wall.read(ticks.wrapping_sub(self.wall.knee))?;
        let more_ns = ((error_bound_ticks + 1) * self.ns_mult) >> NS_SHIFT;
        Some(StampTime {
            utc: UtcTime::from_unix_ns(ns),
            error_bound_ns: error_ns + more_ns + 1,
            validity: Validity::Provisional,
            wall_generation: self.wall_generation,
        })
    }
}

/// A clock and its life, to be compared at once.
#[inline]
fn label(clock: ClockId, generation: u16) -> u32 {
    u32::from(clock.0) | u32::from(generation) << 16
}
