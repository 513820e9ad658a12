//! Why stamps got no time, by name and counted.

use super::mapping::{Refusal, StampTime};
use super::track::Lapse;

impl Lapse {
    /// Its name for machines.
    pub const fn name(self) -> &'static str {
        match self {
            Lapse::NotYet => "not_yet",
            Lapse::Doubtful => "doubtful",
            Lapse::Jumped => "jumped",
            Lapse::Reset => "reset",
            Lapse::Stale => "stale",
            Lapse::Wrapped => "wrapped",
            Lapse::TooOld => "too_old",
        }
    }
}

impl Refusal {
    /// Every refusal.
    pub const ALL: [Refusal; 18] = [
        Refusal::OtherClock,
        Refusal::OtherDomain,
        Refusal::OtherGeneration,
        Refusal::Implausible,
        Refusal::Device(Lapse::NotYet),
        Refusal::Device(Lapse::Doubtful),
        Refusal::Device(Lapse::Jumped),
        Refusal::Device(Lapse::Reset),
        Refusal::Device(Lapse::Stale),
        Refusal::Device(Lapse::Wrapped),
        Refusal::Device(Lapse::TooOld),
        Refusal::Wall(Lapse::NotYet),
        Refusal::Wall(Lapse::Doubtful),
        Refusal::Wall(Lapse::Jumped),
        Refusal::Wall(Lapse::Reset),
        Refusal::Wall(Lapse::Stale),
        Refusal::Wall(Lapse::Wrapped),
        Refusal::Wall(Lapse::TooOld),
    ];

    /// Its name for machines.
    pub const fn name(self) -> &'static str {
        match self {
            Refusal::OtherClock => "other_clock",
            Refusal::OtherDomain => "other_domain",
            Refusal::OtherGeneration => "other_generation",
            Refusal::Implausible => "implausible",
            Refusal::Device(Lapse::NotYet) => "device_not_yet",
            Refusal::Device(Lapse::Doubtful) => "device_doubtful",
            Refusal::Device(Lapse::Jumped) => "device_jumped",
            Refusal::Device(Lapse::Reset) => "device_reset",
            Refusal::Device(Lapse::Stale) => "device_stale",
            Refusal::Device(Lapse::Wrapped) => "device_wrapped",
            Refusal::Device(Lapse::TooOld) => "device_too_old",
            Refusal::Wall(Lapse::NotYet) => "wall_not_yet",
            Refusal::Wall(Lapse::Doubtful) => "wall_doubtful",
            Refusal::Wall(Lapse::Jumped) => "wall_jumped",
            Refusal::Wall(Lapse::Reset) => "wall_reset",
            Refusal::Wall(Lapse::Stale) => "wall_stale",
            Refusal::Wall(Lapse::Wrapped) => "wall_wrapped",
            Refusal::Wall(Lapse::TooOld) => "wall_too_old",
        }
    }
}

/// How many stamps got no time, by why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefusalCounters([u64; Refusal::ALL.len()]);

impl RefusalCounters {
    /// One more.
    pub fn count(&mut self, refusal: Refusal) {
        for (count, known) in self.0.iter_mut().zip(Refusal::ALL) {
            *count += u64::from(known == refusal);
        }
    }

    /// Every counter by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Refusal::ALL.into_iter().map(Refusal::name).zip(self.0)
    }

    /// All together.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// What became of stamps that were to become times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conversions {
    /// How many did.
    pub converted: u64,
    /// The greatest bound that one of them was given.
    pub error_bound_ns_max: u64,
    /// How many did not.
    pub refused: RefusalCounters,
}

impl Conversions {
    /// One more.
    pub fn count(&mut self, converted: &Result<StampTime, Refusal>) {
        match converted {
            Ok(time) => {
                self.converted += 1;
                self.error_bound_ns_max = self.error_bound_ns_max.max(time.error_bound_ns);
            }
            Err(refusal) => self.refused.count(*refusal),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::clock::Validity;
    use crate::time::UtcTime;

    #[test]
    fn what_was_converted_is_counted_with_the_greatest_bound_and_what_was_not_by_why() {
        let mut conversions = Conversions::default();
        for error_bound_ns in [7, 90, 8] {
            conversions.count(&Ok(StampTime {
                utc: UtcTime::from_unix_ns(1),
                error_bound_ns,
                validity: Validity::Provisional,
                wall_generation: 0,
            }));
        }
        conversions.count(&Err(Refusal::Implausible));
        let mut refused = RefusalCounters::default();
        refused.count(Refusal::Implausible);
        assert_eq!(conversions, Conversions { converted: 3, error_bound_ns_max: 90, refused });
    }

    #[test]
    fn each_refusal_has_a_name_and_a_counter_of_its_own() {
        let names: BTreeSet<_> = Refusal::ALL.into_iter().map(Refusal::name).collect();
        assert_eq!(names.len(), Refusal::ALL.len());
        let mut counters = RefusalCounters::default();
        for (times, refusal) in (1..).zip(Refusal::ALL) {
            (0..times).for_each(|_| counters.count(refusal));
        }
        for (times, (refusal, (name, count))) in
            (1..).zip(Refusal::ALL.into_iter().zip(counters.iter()))
        {
            assert_eq!((name, count), (refusal.name(), times));
        }
        assert_eq!(counters.total(), 18 * 19 / 2);
    }

    #[test]
    fn a_lapse_is_called_the_same_wherever_it_is_counted() {
        for refusal in Refusal::ALL {
            let (of, lapse) = match refusal {
                Refusal::Device(lapse) => ("device_", lapse),
                Refusal::Wall(lapse) => ("wall_", lapse),
                _ => continue,
            };
            assert_eq!(refusal.name().strip_prefix(of), Some(lapse.name()));
        }
    }
}
