//! From a stamp to a time: what a reader on a hot core holds, and what it answers.

use crate::stamp::{ClockInfo, Domain, RxStamp};
use crate::time::UtcTime;

use super::drift::Drift;
use super::hot::Hot;
use super::track::{Gauge, Lapse, TRACK_WORDS, Track};

/// How long a bound holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Validity {
    /// Unless a clock has jumped since its last pair: the next one tells.
    Provisional,
    /// For good: pairs before and after the stamp agree.
    Settled,
}

/// When a frame was received, by the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StampTime {
    /// The time, as the host's wall clock tells it: UTC as POSIX counts it. A leap second that the
    /// kernel inserts is a jump of that clock.
    pub utc: UtcTime,
    /// The wall clock's own reading at that moment is no further from `utc` than this. What that
    /// clock is worth is its keeper's to say.
    pub error_bound_ns: u64,
    /// How long the bound holds.
    pub validity: Validity,
    /// Bumped whenever the wall clock jumped: times of two generations are not subtracted.
    pub wall_generation: u16,
}

/// When a frame was received, by the host's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostTime {
    /// The host's clock.
    pub ticks: u64,
    /// Its reading at that moment is no further from `ticks` than this.
    pub error_bound_ticks: u64,
}

/// Why a stamp gets no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// It is of a clock that is not disciplined here.
    #[error("the stamp is of another clock")]
    OtherClock,
    /// Its ticks do not count what this clock's do.
    #[error("the stamp counts something else than this clock does")]
    OtherDomain,
    /// It is of another life of its clock than the one that the host was in when it came.
    #[error("the stamp is of another generation of its clock")]
    OtherGeneration,
    /// It would have been taken after it was received, or longer before than a queue can hold it:
    /// its clock jumped and no pair has told yet, or it is no stamp.
    #[error("the stamp is later than its reception, or too long before it")]
    Implausible,
    /// The device's clock has no answer.
    #[error("the device's clock: {0}")]
    Device(Lapse),
    /// The wall clock has none.
    #[error("the wall clock: {0}")]
    Wall(Lapse),
}

/// What is known of a clock at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockState {
    /// Why stamps by it get no time now, if so.
    pub lapse: Option<Lapse>,
    /// Which life of it this is.
    pub generation: u16,
    /// Why the life before this one ended; `None` in its first.
    pub ended: Option<Lapse>,
    /// How fast it runs, once enough pairs of this life agree.
    pub drift: Option<Drift>,
}

impl ClockState {
    fn of(track: &Track, gauge: &Gauge, host: u64) -> ClockState {
        let Track { generation, ended, drift, .. } = *track;
        let drift = (track.lapse != Some(Lapse::NotYet)).then_some(drift);
        ClockState { lapse: track.lapse_at(gauge, host), generation, ended, drift }
    }
}

/// What does not change while clocks are disciplined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) host: ClockInfo,
    pub(super) device: Option<ClockInfo>,
    pub(super) device_gauge: Gauge,
    pub(super) wall_gauge: Gauge,
    /// How long a stamp may have waited, in the host's ticks.
    pub(super) queue_delay: u64,
    /// The most nanoseconds in a host tick, times two to the power of [`NS_SHIFT`].
    pub(super) ns_mult: u64,
}

pub(super) const NS_SHIFT: u32 = 20;

/// Whose stamp it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    Host,
    Device,
}

impl Shape {
    pub(super) const NS_SCALE: u64 = 1 << NS_SHIFT;

    pub(super) fn whose(&self, stamp: &RxStamp) -> Result<Whose, Refusal> {
        let (clock, whose) = match &self.device {
            Some(device) if stamp.clock == device.id => (device, Whose::Device),
            _ if stamp.clock == self.host.id => (&self.host, Whose::Host),
            _ => return Err(Refusal::OtherClock),
        };
        if stamp.domain == clock.domain { Ok(whose) } else { Err(Refusal::OtherDomain) }
    }

    /// Whether a stamp that came out as `time` can have been received at `received`.
    pub(super) fn check_way(&self, time: &HostTime, received: u64) -> Result<(), Refusal> {
        let HostTime { ticks, error_bound_ticks: error } = *time;
        let from = received.saturating_sub(self.queue_delay).saturating_sub(error);
        let possible = ticks >= from && ticks <= received.saturating_add(error);
        if possible { Ok(()) } else { Err(Refusal::Implausible) }
    }

    /// What `error_ticks` of the host's clock add to a bound.
    pub(super) fn error_ns(&self, error_ticks: u64) -> u64 {
        // The host's tick is a span, and its middle is what the wall's line is read at.
        let ticks = if error_ticks == 0 { 0 } else { error_ticks + 1 };
        ticks.checked_mul(self.ns_mult).map_or(u64::MAX, |fixed| (fixed >> NS_SHIFT) + 1)
    }
}

/// The present mapping from stamps to times: a value, copied out of what is published, good until
/// its pairs are stale.
///
/// As a function of the stamp it is continuous and never goes back within one generation, across
/// publications too, as long as each is published before stamps reach its knee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    pub(super) shape: Shape,
    pub(super) device: Track,
    pub(super) wall: Track,
    /// The same for nearly every stamp, if there is an answer for any.
    hot: Option<Hot>,
}

/// How many words a [`Mapping`] is published in.
pub(super) const MAPPING_WORDS: usize = 2 * TRACK_WORDS;

impl Mapping {
    pub(super) fn new(shape: Shape, device: Track, wall: Track) -> Mapping {
        Mapping { shape, device, wall, hot: Hot::new(&shape, &device, &wall) }
    }

    /// The life of the device's clock that stamps are to be labelled with from here on.
    pub fn device_generation(&self) -> u16 {
        self.device.generation
    }

    /// Why the life of the device's clock before this one ended; `None` in its first.
    pub fn device_ended(&self) -> Option<Lapse> {
        self.device.ended
    }

    /// The host's clock at the last reading of the device's that agreed with those before it. Of a stamp that was in hand by
    /// then, and is of the present life, readings before and after agree: what [`to_host`](Mapping::to_host) says of it holds
    /// for good.
    pub fn device_agreed_at(&self) -> u64 {
        self.device.refreshed
    }

    /// The life of the wall clock.
    pub fn wall_generation(&self) -> u16 {
        self.wall.generation
    }

    /// What is known of the device's clock, the host's clock being at `host`: its drift is by the host's
    /// clock. `None` where it has none of its own.
    pub fn device(&self, host: u64) -> Option<ClockState> {
        self.shape.device.map(|_| ClockState::of(&self.device, &self.shape.device_gauge, host))
    }

    /// What is known of the host's clock, at `host`, as the wall clock sees it: its drift is by that. It
    /// has a new life whenever the wall clock has.
    pub fn wall(&self, host: u64) -> ClockState {
        ClockState::of(&self.wall, &self.shape.wall_gauge, host)
    }

    /// The bound that a stamp taken when the host's clock reads `host`, which is now, would be given: the
    /// device's where it has a clock of its own, the host's where it has none.
    ///
    /// # Errors
    /// [`Refusal`], when none could be.
    pub fn error_bound_ns(&self, host: u64) -> Result<u64, Refusal> {
        let Shape { device, device_gauge, wall_gauge, .. } = &self.shape;
        let error = match device {
            Some(_) => self.device.error_at(device_gauge, host, host).map_err(Refusal::Device)?,
            None => 0,
        };
        let (_, error_ns) = self.wall.read(wall_gauge, host, host).map_err(Refusal::Wall)?;
        Ok(error_ns.saturating_add(self.shape.error_ns(error)))
    }

    /// When `stamp` was taken, by the wall clock: provisionally. `received` is the host's clock
    /// when the stamp was in hand, read once a burst.
    ///
    /// # Errors
    /// [`Refusal`], when no bound could be given.
    #[inline]
    pub fn convert(&self, stamp: &RxStamp, received: u64) -> Result<StampTime, Refusal> {
        match self.hot.as_ref().and_then(|hot| hot.convert(stamp, received)) {
            Some(time) => Ok(time),
            None => self.convert_or_refuse(stamp, received),
        }
    }

    /// The slow twin: the same for the stamps that [`Hot`] answers, and right for all.
    #[inline(never)]
    pub(super) fn convert_or_refuse(
        &self,
        stamp: &RxStamp,
        received: u64,
    ) -> Result<StampTime, Refusal> {
        let time = self.host_time_or_refuse(stamp, received)?;
        let (ns, error_ns) =
            self.wall.read(&self.shape.wall_gauge, time.ticks, received).map_err(Refusal::Wall)?;
        Ok(StampTime {
            utc: UtcTime::from_unix_ns(ns),
            error_bound_ns: error_ns.saturating_add(self.shape.error_ns(time.error_bound_ticks)),
            validity: Validity::Provisional,
            wall_generation: self.wall.generation,
        })
    }

    /// When `stamp` was taken, by the host's clock: the first stage alone, for intervals on one
    /// host. A stamp by the host's clock is that itself.
    ///
    /// # Errors
    /// [`Refusal`], when no bound could be given.
    #[inline]
    pub fn to_host(&self, stamp: &RxStamp, received: u64) -> Result<HostTime, Refusal> {
        match self.hot.as_ref().and_then(|hot| hot.host_time(stamp, received)) {
            Some(time) => Ok(time),
            None => self.host_time_or_refuse(stamp, received),
        }
    }

    #[inline(never)]
    fn host_time_or_refuse(&self, stamp: &RxStamp, received: u64) -> Result<HostTime, Refusal> {
        match self.shape.whose(stamp)? {
            Whose::Host => host_time(stamp),
            Whose::Device => self.device_to_host(stamp, received),
        }
    }

    fn device_to_host(&self, stamp: &RxStamp, received: u64) -> Result<HostTime, Refusal> {
        if stamp.generation != self.device.generation {
            return Err(Refusal::OtherGeneration);
        }
        let read = self.device.read(&self.shape.device_gauge, stamp.ticks, received);
        let (ticks, error_bound_ticks) = read.map_err(Refusal::Device)?;
        // It may have been taken before this life began, and labelled when it came.
        if received.saturating_sub(self.shape.queue_delay) < self.device.since {
            return Err(Refusal::Device(Lapse::NotYet));
        }
        let time = HostTime { ticks, error_bound_ticks };
        self.shape.check_way(&time, received).map(|()| time)
    }

    #[cfg(test)]
    pub(super) fn is_hot_for(&self, stamp: &RxStamp, received: u64) -> bool {
        self.hot.as_ref().is_some_and(|hot| hot.convert(stamp, received).is_some())
    }

    pub(super) fn to_words(self) -> [u64; MAPPING_WORDS] {
        let mut words = [0; MAPPING_WORDS];
        words[..TRACK_WORDS].copy_from_slice(&self.device.to_words());
        words[TRACK_WORDS..].copy_from_slice(&self.wall.to_words());
        words
    }

    pub(super) fn from_words(shape: Shape, words: &[u64; MAPPING_WORDS]) -> Mapping {
        let ([device, wall], []) = words.as_chunks() else { unreachable!("two tracks of words") };
        Mapping::new(shape, Track::from_words(device), Track::from_words(wall))
    }
}

/// A stamp by the host's clock. That clock has one life.
#[inline]
pub(super) fn host_time(stamp: &RxStamp) -> Result<HostTime, Refusal> {
    if stamp.generation == 0 {
        Ok(HostTime { ticks: stamp.ticks, error_bound_ticks: 0 })
    } else {
        Err(Refusal::OtherGeneration)
    }
}

/// The host's clock, if it can be the one in the middle.
pub(super) fn is_host(clock: &ClockInfo) -> bool {
    matches!(clock.domain, Domain::Tsc | Domain::HostNs) && clock.bits == u64::BITS
}
