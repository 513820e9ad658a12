//! Clock discipline: from a NIC's ticks to the host's clock to the wall clock, each time with a
//! bound on its error.
//!
//! [`Discipline`] takes [`Bracket`]s, one clock's reading between two of the host's, in two stages:
//! the device's clock against the host's (the TSC, or its monotonic clock), and the host's against
//! the wall clock (UTC as POSIX counts it). Each stage keeps a window of them and draws a line
//! through what they allow. A new line begins where the one before it stands and approaches the
//! estimate at a limited rate: time is slewed, never stepped. What is published is a [`Mapping`],
//! by [`Publisher`] to [`Reader`]s.
//!
//! # What a bound rests on
//! - The reading of a bracket was taken between its two host readings, and the host's clock runs
//!   alike on all cores and never jumps.
//! - Rates, their changes and jumps are within [`ClockConfig`]'s figures.
//! - A stamp is in hand no later than [`queue_delay_ns_max`](ClockConfig::queue_delay_ns_max)
//!   after it was taken, and `received` was read after it was in hand.
//!
//! From these, and from nothing that is merely likely, each bound follows; rounding is included.
//!
//! # Provisional and settled
//! A jump between two pairs cannot be known before the second. Until then an answer is
//! [provisional](Validity::Provisional): its bound holds unless the clock jumped since its last
//! pair. Once a pair has come after it that agrees with those before, the same answer is
//! [settled](Validity::Settled). Where the pairs do not agree, the stamps between them are refused
//! by name, the generation is bumped and a new life begins, locked by its third pair.
//!
//! No answer is made up: see [`Refusal`] and [`Lapse`] for each reason that there is none.

mod bracket;
mod config;
pub mod counter;
mod discipline;
mod drift;
mod history;
mod hot;
mod mapping;
mod publish;
mod refusals;
pub mod scale;
mod stage;
mod track;
mod window;

#[cfg(test)]
mod tests;

pub use bracket::Bracket;
pub use config::{ClockConfig, ConfigError, StageConfig};
pub use discipline::Discipline;
pub use drift::Drift;
pub use mapping::{ClockState, HostTime, Mapping, Refusal, StampTime, Validity};
pub use publish::{Publisher, READ_TRIES, Reader};
pub use refusals::{Conversions, RefusalCounters};
pub use stage::PairVerdict;
pub use track::Lapse;
