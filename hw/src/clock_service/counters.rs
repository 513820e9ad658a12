//! What became of each reading, by name: counted on the service's thread, read on any other.

use std::sync::atomic::{AtomicU64, Ordering};

use fixwire_offload::clock::PairVerdict;

macro_rules! pair_counters {
    ($( $(#[doc = $doc:literal])+ $field:ident $verdict:ident )*) => {
        /// What became of a clock's pairs: the narrowest brackets of each handful of readings.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct PairCounters { $( $(#[doc = $doc])+ pub $field: u64, )* }

        impl PairCounters {
            /// Every counter by name.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$( (stringify!($field), self.$field) ),*].into_iter()
            }
        }

        /// The same while it goes on.
        #[derive(Debug, Default)]
        pub(super) struct PairCounts { $( $field: AtomicU64, )* }

        impl PairCounts {
            pub(super) fn count(&self, verdict: PairVerdict) {
                match verdict { $( PairVerdict::$verdict => count(&self.$field), )* }
            }

            fn sum_up(&self) -> PairCounters {
                PairCounters { $( $field: self.$field.load(Ordering::Relaxed), )* }
            }
        }
    };
}

pair_counters! {
    /// Agreed with those before.
    agreed Agreed
    /// Were the third that agreed: there was a line from then on.
    locked Locked
    /// Were kept; too few agreed for a line.
    warming_up WarmingUp
    /// Were not used: too soon after the one before.
    too_soon TooSoon
    /// Were not used: so wide that they could not show a jump.
    too_wide TooWide
    /// Contradicted those before.
    doubtful Doubtful
    /// Confirmed that the clock had jumped.
    jumped Jumped
    /// Came when what was known had become stale.
    stale Stale
    /// Were not used: the host's counter ran backwards.
    backwards Backwards
}

/// What became of every round of a clock service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockCounters {
    /// Of the wall clock.
    pub wall: PairCounters,
    /// Of the device's.
    pub device: PairCounters,
    /// Rounds in which the system's time was before 1970, which no time here can be.
    pub wall_silent: u64,
    /// Rounds in which the device did not answer.
    pub device_silent: u64,
    /// Resets that the device told of.
    pub device_reset: u64,
    /// Lines that were published after stamps could have reached them, the service having been kept
    /// waiting: there time may have been seen to step, within its bounds.
    pub published_late: u64,
}

impl ClockCounters {
    /// Every counter by whose it is and its name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let of = |whose, pairs: &PairCounters| {
            let counters: Vec<_> = pairs.iter().map(|(name, count)| (whose, name, count)).collect();
            counters
        };
        let mut all = of("wall", &self.wall);
        all.push(("wall", "silent", self.wall_silent));
        all.extend(of("device", &self.device));
        all.push(("device", "silent", self.device_silent));
        all.push(("device", "reset", self.device_reset));
        all.push(("service", "published_late", self.published_late));
        all.into_iter()
    }
}

/// The same while it goes on. One thread writes.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) wall: PairCounts,
    pub(super) device: PairCounts,
    pub(super) wall_silent: AtomicU64,
    pub(super) device_silent: AtomicU64,
    pub(super) device_reset: AtomicU64,
    pub(super) published_late: AtomicU64,
}

impl Counts {
    pub(super) fn sum_up(&self) -> ClockCounters {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ClockCounters {
            wall: self.wall.sum_up(),
            device: self.device.sum_up(),
            wall_silent: read(&self.wall_silent),
            device_silent: read(&self.device_silent),
            device_reset: read(&self.device_reset),
            published_late: read(&self.published_late),
        }
    }
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
