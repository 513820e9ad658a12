//! The ways to a device's clock, tried one after the other: which one answered, and why the others did not.

use std::fmt;

use crate::clock_service::DeviceClock;

mod rate;

pub use rate::{RateRefusal, WITHIN_PPB_MAX, agreed, measured};

/// A way to a device's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockRoute {
    /// DPDK's own call, which its driver may refuse.
    ReadClock,
    /// rdma-core's verbs, with `mlx5dv_get_clock_info` beside them.
    Mlx5dv,
    /// The free-running counter in the first region of a ConnectX's registers.
    InternalTimer,
    /// The real-time clock there.
    RealTime,
}

impl ClockRoute {
    /// What it is called in reports.
    pub const fn name(self) -> &'static str {
        match self {
            ClockRoute::ReadClock => "rte_eth_read_clock",
            ClockRoute::Mlx5dv => "mlx5dv",
            ClockRoute::InternalTimer => "BAR0 internal timer",
            ClockRoute::RealTime => "BAR0 real-time clock",
        }
    }
}

/// Who says at which rate a clock counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateBy {
    /// It counts nanoseconds.
    Unit,
    /// The device, in kHz (`hca_core_clock`).
    Device,
    /// Nobody: it was measured against the host's counter before the first frame.
    Measured {
        /// By that counter it was no further off than this, then.
        within_ppb: u64,
    },
}

impl fmt::Display for RateBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RateBy::Unit => f.write_str("nanoseconds"),
            RateBy::Device => f.write_str("declared by the device"),
            RateBy::Measured { within_ppb } => {
                write!(
                    f,
                    "measured within {} ppm of the host's counter",
                    within_ppb.div_ceil(1_000)
                )
            }
        }
    }
}

/// A way that was tried and led nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRefusal {
    /// Which.
    pub route: ClockRoute,
    /// Why, and where there is something to do about it, what.
    pub why: String,
}

impl fmt::Display for RouteRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.route.name(), self.why)
    }
}

/// A clock that answered, for a clock service to read.
pub struct FoundClock {
    /// By which way.
    pub route: ClockRoute,
    /// Whose word its rate is.
    pub rate: RateBy,
    /// The clock.
    pub clock: Box<dyn DeviceClock>,
}

impl fmt::Debug for FoundClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FoundClock { route, rate, clock } = self;
        write!(f, "FoundClock({}, {rate}, {:?})", route.name(), clock.info())
    }
}

/// What came of looking for a device's clock.
#[derive(Debug, Default)]
pub struct ClockRoutes {
    /// The first that answered.
    pub found: Option<FoundClock>,
    /// Those before it.
    pub refused: Vec<RouteRefusal>,
}

impl ClockRoutes {
    /// Tries a way, unless one before it has led to the clock.
    pub fn try_route(
        &mut self,
        route: ClockRoute,
        look: impl FnOnce() -> Result<(RateBy, Box<dyn DeviceClock>), String>,
    ) {
        if self.found.is_some() {
            return;
        }
        match look() {
            Ok((rate, clock)) => self.found = Some(FoundClock { route, rate, clock }),
            Err(why) => self.refused.push(RouteRefusal { route, why }),
        }
    }
}

#[cfg(test)]
mod tests {
    use fixwire_offload::stamp::{ClockId, ClockInfo, Domain};

    use super::*;

    struct Clock;

    impl DeviceClock for Clock {
        fn info(&self) -> ClockInfo {
            ClockInfo {
                id: ClockId(1),
                domain: Domain::NicNs,
                ticks_per_s: 1_000_000_000,
                bits: 64,
            }
        }

        fn read(&mut self) -> Option<u64> {
            None
        }
    }

    #[test]
    fn the_way_that_leads_to_the_clock_is_the_last_that_is_tried() {
        let mut routes = ClockRoutes::default();
        routes.try_route(ClockRoute::ReadClock, || Err("its driver does not".into()));
        routes.try_route(ClockRoute::Mlx5dv, || Ok((RateBy::Device, Box::new(Clock))));
        routes.try_route(ClockRoute::RealTime, || panic!("tried"));
        let found = routes.found.expect("a clock");
        assert_eq!((found.route, found.rate), (ClockRoute::Mlx5dv, RateBy::Device));
        let refused: Vec<_> = routes.refused.iter().map(ToString::to_string).collect();
        assert_eq!(refused, ["rte_eth_read_clock: its driver does not"]);
    }
}
