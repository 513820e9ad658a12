//! What is assumed of the clocks. Every bound is a conclusion from these figures, and worth as much.

use crate::stamp::{ClockId, ClockInfo};

use super::counter::Width;

/// What is assumed of one clock as another sees it, and how its line is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageConfig {
    /// Assumed: the rate is never further from the nominal one than this. At most 10,000,000.
    pub drift_ppb_max: u32,
    /// Assumed: the rate changes by no more than this in each second, beside
    /// [`rate_step_ppb_max`](StageConfig::rate_step_ppb_max). At most 10,000.
    pub wander_ppb_per_s_max: u32,
    /// Assumed: what the rate may change by at once, as a clock does that is being steered: between
    /// any two moments it changes by at most this and the wander together. At most 100,000.
    pub rate_step_ppb_max: u32,
    /// Assumed: a clock jumps by at least this or not at all, and at most once while three pairs are
    /// taken. A pair that could not show such a jump is not used.
    pub jump_ns_min: u32,
    /// What the line's rate may differ by from the estimate while it catches up. At most 10,000,000.
    pub slew_ppb_max: u32,
    /// How long the line takes to catch up with the estimate, where the slew allows it.
    pub catch_up_ns: u64,
    /// How long after a pair a new line begins, so that it is published before stamps reach it.
    /// Pairs closer than this to one another are not used.
    pub lead_ns: u64,
    /// How long the last pair is good for. At most 10 s; less than half the counter's period.
    pub stale_after_ns: u64,
}

/// What is assumed of the clocks, and of the way of a stamp to its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockConfig {
    /// The device's clock as the host's sees it.
    pub device: StageConfig,
    /// The host's clock as the wall clock sees it.
    pub wall: StageConfig,
    /// Assumed: a stamp reaches the host's hands no later than this after it was taken: how long a
    /// frame may wait in a receive ring. At most 1 s.
    pub queue_delay_ns_max: u64,
}

impl Default for ClockConfig {
    /// Two crystals of a server in a room without draughts, and a wall clock steered by the
    /// kernel's NTP, both read every 100 ms.
    fn default() -> Self {
        let device = StageConfig {
            drift_ppb_max: 200_000,
            wander_ppb_per_s_max: 50,
            rate_step_ppb_max: 1,
            jump_ns_min: 2_000,
            slew_ppb_max: 50_000,
            catch_up_ns: 250_000_000,
            lead_ns: 1_000_000,
            stale_after_ns: 1_000_000_000,
        };
        let wall = StageConfig { rate_step_ppb_max: 1_000, jump_ns_min: 10_000, ..device };
        ClockConfig { device, wall, queue_delay_ns_max: 10_000_000 }
    }
}

/// Why clocks cannot be disciplined so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A figure is out of the range in which the arithmetic is exact.
    #[error("`{0}` is out of its range: see its documentation")]
    OutOfRange(&'static str),
    /// A clock's rate is.
    #[error("{0:?} declares {1} ticks per second; 1,000 to 10,000,000,000 can be disciplined")]
    Rate(ClockId, u64),
    /// A counter's width is.
    #[error("{0:?} declares a counter of {1} bits; 1 to 64 can be followed")]
    Width(ClockId, u32),
    /// The counter wraps before a pair has become stale, so that a wrap could go unseen.
    #[error(
        "{0:?} wraps too soon: half its period must be longer than `stale_after_ns` and `queue_delay_ns_max`"
    )]
    WrapsTooSoon(ClockId),
    /// The host's clock is to be the host's, and a whole word.
    #[error(
        "the host's clock must be ClockId::HOST, in ticks of the TSC or host nanoseconds, 64 bits"
    )]
    NotTheHosts,
}

impl ClockConfig {
    /// Whether every figure is in range.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`], with the figure's name.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.device.check()?;
        self.wall.check()?;
        in_range("queue_delay_ns_max", self.queue_delay_ns_max, 1, 1_000_000_000)
    }
}

impl StageConfig {
    fn check(&self) -> Result<(), ConfigError> {
        const S: u64 = 1_000_000_000;
        in_range("drift_ppb_max", self.drift_ppb_max.into(), 1, 10_000_000)?;
        in_range("wander_ppb_per_s_max", self.wander_ppb_per_s_max.into(), 0, 10_000)?;
        in_range("rate_step_ppb_max", self.rate_step_ppb_max.into(), 0, 100_000)?;
        in_range("jump_ns_min", self.jump_ns_min.into(), 1, S)?;
        in_range("slew_ppb_max", self.slew_ppb_max.into(), 1, 10_000_000)?;
        in_range("stale_after_ns", self.stale_after_ns, 1, 10 * S)?;
        in_range("catch_up_ns", self.catch_up_ns, 1, self.stale_after_ns)?;
        in_range("lead_ns", self.lead_ns, 0, self.stale_after_ns / 4)
    }
}

fn in_range(name: &'static str, figure: u64, least: u64, most: u64) -> Result<(), ConfigError> {
    if (least..=most).contains(&figure) { Ok(()) } else { Err(ConfigError::OutOfRange(name)) }
}

/// The width of a clock's counter, its rate being one that can be followed.
pub(super) fn width_of(clock: &ClockInfo) -> Result<Width, ConfigError> {
    if !(1_000..=10_000_000_000).contains(&clock.ticks_per_s) {
        return Err(ConfigError::Rate(clock.id, clock.ticks_per_s));
    }
    Width::new(clock.bits).ok_or(ConfigError::Width(clock.id, clock.bits))
}
