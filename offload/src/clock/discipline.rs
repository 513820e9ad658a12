//! From the NIC's clock to the host's to the wall's: two stages, each with pairs of its own.

use crate::stamp::{ClockId, ClockInfo, RxStamp};
use crate::time::UtcTime;

use super::bracket::Bracket;
use super::config::{ClockConfig, ConfigError, width_of};
use super::counter::Width;
use super::history::{Known, Place};
use super::mapping::{
    HostTime, Mapping, Refusal, Shape, StampTime, Validity, Whose, host_time, is_host,
};
use super::stage::{Clocks, Pair, PairVerdict, Stage};

const NS_PER_S: u64 = 1_000_000_000;

/// Follows a device's clock and the wall clock by the host's, and says when stamps were taken.
///
/// One thread, off the hot core, hands it pairs, ten times a second or so, and publishes its
/// [`mapping`](Discipline::mapping) after each. It allocates nothing.
#[derive(Clone, Debug)]
pub struct Discipline {
    shape: Shape,
    device: Stage,
    wall: Stage,
}

impl Discipline {
    /// A discipline over the host's clock, the TSC or the monotonic one, and a device's where it
    /// has one.
    ///
    /// # Errors
    /// [`ConfigError`], when a figure or a clock is not one that bounds can be given for.
    pub fn new(
        config: &ClockConfig,
        host: &ClockInfo,
        device: Option<&ClockInfo>,
    ) -> Result<Discipline, ConfigError> {
        config.check()?;
        let host_width = width_of(host)?;
        if host.id != ClockId::HOST || !is_host(host) {
            return Err(ConfigError::NotTheHosts);
        }
        // A device whose stamps are the host's, as a TAP's are, has no clock of its own.
        let device = device.filter(|device| device.id != ClockId::HOST);
        let followed = device.unwrap_or(host);
        let queue_delay = u128::from(config.queue_delay_ns_max) * u128::from(host.ticks_per_s);
        let queue_delay = queue_delay.div_ceil(NS_PER_S.into()) as u64;
        let to_host = Clocks {
            from_per_s: followed.ticks_per_s,
            from_width: width_of(followed)?,
            to_per_s: host.ticks_per_s,
            host_per_s: host.ticks_per_s,
        };
        let to_wall = Clocks { to_per_s: NS_PER_S, ..clocks_of_host(host, host_width) };
        let stage = |config, clocks: &Clocks, clock: &ClockInfo| {
            Stage::new(config, clocks, queue_delay).ok_or(ConfigError::WrapsTooSoon(clock.id))
        };
        let device_stage = stage(&config.device, &to_host, followed)?;
        let wall_stage = stage(&config.wall, &to_wall, host)?;
        let shape = Shape {
            host: *host,
            device: device.copied(),
            device_gauge: device_stage.gauge,
            wall_gauge: wall_stage.gauge,
            queue_delay,
            ns_mult: wall_stage.fastest(Shape::NS_SCALE),
        };
        Ok(Discipline { shape, device: device_stage, wall: wall_stage })
    }

    /// Takes a reading of the device's clock between two of the host's: the
    /// [narrowest](Bracket::narrowest) of a handful.
    pub fn on_device_pair(&mut self, bracket: Bracket) -> PairVerdict {
        let (y, error) = match middle(&self.device, &bracket) {
            Ok(middle) => middle,
            Err(verdict) => return verdict,
        };
        // The reading names a tick of the device's, in the middle of which `y` is asked for.
        let error = error.saturating_add(self.device.half_tick());
        let host = (bracket.before, bracket.after);
        self.device.on_pair(&Pair { x: bracket.reading, y, error, host })
    }

    /// Takes a reading of the wall clock between two of the host's.
    pub fn on_wall_pair(&mut self, bracket: Bracket) -> PairVerdict {
        let (x, error) = match middle(&self.wall, &bracket) {
            Ok(middle) => middle,
            Err(verdict) => return verdict,
        };
        // The reading names a nanosecond.
        let error = self.wall.fastest(error).saturating_add(1);
        let host = (bracket.before, bracket.after);
        self.wall.on_pair(&Pair { x, y: bracket.reading, error, host })
    }

    /// The device was reset, or its clock was set: nothing from before holds. `host` is the host's
    /// clock now.
    pub fn on_device_reset(&mut self, host: u64) {
        self.device.on_reset(host);
    }

    /// The wall clock was set.
    pub fn on_wall_reset(&mut self, host: u64) {
        self.wall.on_reset(host);
    }

    /// What is to be published after each pair and each reset.
    pub fn mapping(&self) -> Mapping {
        Mapping::new(self.shape, *self.device.track(), *self.wall.track())
    }

    /// When `stamp` was taken, by all that has been learnt since: the same time as
    /// [`Mapping::convert`] gave for it, the bound as it was, [settled](Validity::Settled) where
    /// pairs before and after it agree. `received` is the host's clock when the stamp was in hand.
    ///
    /// The label on the stamp is not believed but checked: between its reception and the longest
    /// that it can have waited before, its clock must have been in one life.
    ///
    /// # Errors
    /// [`Refusal`], when no bound can be given: for good, once a pair has agreed after `received`.
    pub fn settle(&self, stamp: &RxStamp, received: u64) -> Result<StampTime, Refusal> {
        let (time, device_known) = match self.shape.whose(stamp)? {
            Whose::Host => (host_time(stamp)?, Known::Agreed),
            Whose::Device => self.settle_device(stamp, received)?,
        };
        let HostTime { ticks, error_bound_ticks: error } = time;
        let stretch = (ticks.saturating_sub(error), ticks.saturating_add(error + 1));
        let (wall, gauge) = (&self.wall, &self.wall.gauge);
        let read = wall.history().place(stretch, wall.track(), gauge).and_then(|place: Place| {
            let read = wall.history().read(&place, ticks, wall.track(), gauge)?;
            Ok((place, read))
        });
        let (place, (ns, error_ns)) = read.map_err(Refusal::Wall)?;
        let agreed = device_known == Known::Agreed && place.known == Known::Agreed;
        Ok(StampTime {
            utc: UtcTime::from_unix_ns(ns),
            error_bound_ns: error_ns.saturating_add(self.shape.error_ns(error)),
            validity: if agreed { Validity::Settled } else { Validity::Provisional },
            wall_generation: place.generation,
        })
    }

    fn settle_device(&self, stamp: &RxStamp, received: u64) -> Result<(HostTime, Known), Refusal> {
        let stretch = (received.saturating_sub(self.shape.queue_delay), received);
        let (history, track, gauge) =
            (self.device.history(), self.device.track(), &self.device.gauge);
        let place = history.place(stretch, track, gauge).map_err(Refusal::Device)?;
        if stamp.generation != place.generation {
            return Err(Refusal::OtherGeneration);
        }
        let read = history.read(&place, stamp.ticks, track, gauge).map_err(Refusal::Device)?;
        let time = HostTime { ticks: read.0, error_bound_ticks: read.1 };
        self.shape.check_way(&time, received)?;
        Ok((time, place.known))
    }
}

/// The middle of a bracket and how far the truth can be from it, if it is one to hear at all.
fn middle(stage: &Stage, bracket: &Bracket) -> Result<(u64, u64), PairVerdict> {
    match bracket.middle() {
        None => Err(PairVerdict::Backwards),
        Some((_, error)) if error > stage.gauge.stale => Err(PairVerdict::TooWide),
        Some(middle) => Ok(middle),
    }
}

fn clocks_of_host(host: &ClockInfo, width: Width) -> Clocks {
    Clocks {
        from_per_s: host.ticks_per_s,
        from_width: width,
        to_per_s: host.ticks_per_s,
        host_per_s: host.ticks_per_s,
    }
}
