//! Step 4 of the path: when did the frame come?
//!
//! The device's stamp, as long as it can be right: it must be there, and time must not go back. Otherwise the
//! host's clock, read once the burst was there.

use crate::offload::RxStamp;
use crate::offload::capability::Capability;
use crate::offload::nic::RxMeta;
use crate::offload::observe::{Drift, Observations};
use crate::offload::plan::Plan;
use crate::offload::stamp::{ClockId, ClockInfo, Domain};
use crate::time::Now;

/// Frames in a row without a stamp, after which a device that is to stamp does no longer.
const MISSING_IN_A_ROW_MAX: u32 = 64;

/// What has come across, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StampCounters {
    /// Frames without a stamp from a device that is to stamp.
    pub rx_stamp_missing: u64,
    /// Stamps that went back in time.
    pub rx_stamp_backwards: u64,
}

impl StampCounters {
    /// Every counter by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("rx_stamp_missing", self.rx_stamp_missing),
            ("rx_stamp_backwards", self.rx_stamp_backwards),
        ]
        .into_iter()
    }
}

/// Decides, by the plan, which stamps are believed.
#[derive(Debug)]
pub struct Stamps {
    /// The device stamps, and has not been found wrong.
    by_device: bool,
    last: Option<RxStamp>,
    /// The bits of its clock that count: past the last of them it is at zero again.
    mask: u64,
    missing_in_a_row: u32,
    /// How often the device was demoted: stamps from before and after do not compare.
    demotions: u16,
    counters: StampCounters,
}

impl Stamps {
    /// The stamps of a device that runs by `plan` and has `clock`.
    pub fn new(plan: &Plan, clock: Option<ClockInfo>) -> Stamps {
        let bits = clock.map_or(u64::BITS, |clock| clock.bits.clamp(1, u64::BITS));
        Stamps {
            by_device: plan.uses(Capability::RxTimestamp),
            last: None,
            mask: u64::MAX >> (u64::BITS - bits),
            missing_in_a_row: 0,
            demotions: 0,
            counters: StampCounters::default(),
        }
    }

    /// What has come across.
    pub fn counters(&self) -> &StampCounters {
        &self.counters
    }

    /// When a frame came.
    #[inline(always)]
    pub fn stamp(&mut self, now: Now, meta: &RxMeta, observations: &mut Observations) -> RxStamp {
        if self.by_device {
            return self.check(now, meta, observations);
        }
        // A stamp that the plan does not leave to the device is its driver's, by a clock of the host.
        meta.stamp.filter(|stamp| stamp.clock == ClockId::HOST).unwrap_or(host_stamp(now))
    }

    #[inline]
    fn check(&mut self, now: Now, meta: &RxMeta, observations: &mut Observations) -> RxStamp {
        let Some(stamp) = meta.stamp else {
            self.counters.rx_stamp_missing += 1;
            self.missing_in_a_row += 1;
            if self.missing_in_a_row >= MISSING_IN_A_ROW_MAX {
                self.demote(Drift::StampsVanished, observations);
            }
            return host_stamp(now);
        };
        let evidence = observations.of_mut(Capability::RxTimestamp);
        self.missing_in_a_row = 0;
        match self.last.replace(stamp) {
            Some(last) if last.compares_with(&stamp) => {
                // Half the counter's period or more ahead is behind.
                if stamp.ticks.wrapping_sub(last.ticks) & self.mask > self.mask / 2 {
                    self.counters.rx_stamp_backwards += 1;
                    self.demote(Drift::StampWentBack, observations);
                    return host_stamp(now);
                }
                evidence.agreed += 1;
            }
            _ => evidence.seen += 1,
        }
        RxStamp { generation: stamp.generation.wrapping_add(self.demotions), ..stamp }
    }

    #[cold]
    fn demote(&mut self, drift: Drift, observations: &mut Observations) {
        self.by_device = false;
        self.last = None;
        self.missing_in_a_row = 0;
        self.demotions = self.demotions.wrapping_add(1);
        observations.demote(Capability::RxTimestamp, drift);
    }

    /// The device's stamps are believed again, as far as the plan leaves them to it.
    pub fn promote(&mut self, plan: &Plan) {
        self.by_device = plan.uses(Capability::RxTimestamp);
    }
}

/// By the host's clock, read when the burst was there.
#[inline]
fn host_stamp(now: Now) -> RxStamp {
    RxStamp { clock: ClockId::HOST, generation: 0, domain: Domain::HostNs, ticks: now.mono.as_ns() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offload::observe::{Demotion, DeviceEvent, Observed};
    use crate::offload::plan::{Advert, Capabilities, Provider};
    use crate::offload::profile::{Policy, Profile};
    use crate::time::{Instant, UtcTime};

    const NOW: Now = Now { mono: Instant::from_ns(77), utc: UtcTime::from_unix_ns(1_000) };

    fn plan(policy: Policy) -> Plan {
        let advert = Advert { by: Provider::Model, how: "for a test" };
        let device = Capabilities::NONE.with(Capability::RxTimestamp, advert);
        Plan::negotiate("test", &Profile::all(policy), &device)
    }

    fn demoted(drift: Drift) -> Option<DeviceEvent> {
        let capability = Capability::RxTimestamp;
        Some(DeviceEvent::Demoted(Demotion { capability, drift }))
    }

    fn meta(stamp: Option<(u64, u16)>) -> RxMeta {
        let stamp = stamp.map(|(ticks, generation)| RxStamp {
            clock: ClockId(1),
            generation,
            domain: Domain::NicNs,
            ticks,
        });
        RxMeta { stamp, ..RxMeta::UNKNOWN }
    }

    #[test]
    fn stamps_are_proven_by_going_forward_and_refuted_by_going_back() {
        for (stamps, expected, missing) in [
            (vec![Some((5, 0))], Observed::Passive, 0),
            (vec![Some((5, 0)), Some((5, 0)), Some((9, 0))], Observed::Proven, 0),
            (vec![Some((5, 0)), Some((4, 0))], Observed::Refuted, 0),
            // A clock that was reset begins anew.
            (vec![Some((5, 0)), Some((4, 1))], Observed::Passive, 0),
            (vec![None, None], Observed::Unproven, 2),
        ] {
            let (mut stamps_of, mut seen) =
                (Stamps::new(&plan(Policy::Prefer), None), Observations::default());
            for stamp in stamps {
                stamps_of.stamp(NOW, &meta(stamp), &mut seen);
            }
            assert_eq!(seen.of(Capability::RxTimestamp).observed(), expected);
            assert_eq!(stamps_of.counters().rx_stamp_missing, missing);
        }
    }

    #[test]
    fn a_counter_that_wraps_does_not_go_back() {
        for (bits, from, to, wrong) in [
            (48, (1 << 48) - 5, 3, 0),
            (63, (1 << 63) - 5, 3, 0),
            (64, u64::MAX, 3, 0),
            (48, 3, (1 << 48) - 5, 1),
            (64, 1 << 48, 3, 1),
        ] {
            let (id, domain) = (ClockId(1), Domain::NicNs);
            let clock = ClockInfo { id, domain, ticks_per_s: 1_000_000_000, bits };
            let mut stamps = Stamps::new(&plan(Policy::Prefer), Some(clock));
            let mut seen = Observations::default();
            stamps.stamp(NOW, &meta(Some((from, 0))), &mut seen);
            stamps.stamp(NOW, &meta(Some((to, 0))), &mut seen);
            assert_eq!(stamps.counters().rx_stamp_backwards, wrong, "{bits} bits: {from} to {to}");
        }
    }

    #[test]
    fn a_frame_without_a_stamp_has_the_host_s_and_never_none_nor_zero() {
        let mut seen = Observations::default();
        let mut off = Stamps::new(&plan(Policy::Off), None);
        assert_eq!(off.stamp(NOW, &meta(None), &mut seen), host_stamp(NOW));
        // What the plan does not leave to the device is not taken from it.
        assert_eq!(off.stamp(NOW, &meta(Some((5, 0))), &mut seen), host_stamp(NOW));
        let by_driver = RxStamp { ticks: 70, ..host_stamp(NOW) };
        let meta = RxMeta { stamp: Some(by_driver), ..RxMeta::UNKNOWN };
        assert_eq!(off.stamp(NOW, &meta, &mut seen), by_driver);
        assert_eq!(seen.next_event(), None);
    }

    #[test]
    fn a_clock_that_goes_back_is_demoted_and_promoted_it_counts_anew() {
        let plan = plan(Policy::Prefer);
        let (mut stamps, mut seen) = (Stamps::new(&plan, None), Observations::default());
        let first = stamps.stamp(NOW, &meta(Some((50, 0))), &mut seen);
        assert_eq!(stamps.stamp(NOW, &meta(Some((40, 0))), &mut seen), host_stamp(NOW));
        assert_eq!((seen.next_event(), seen.next_event()), (demoted(Drift::StampWentBack), None));
        assert_eq!(stamps.stamp(NOW, &meta(Some((60, 0))), &mut seen), host_stamp(NOW));

        stamps.promote(&plan);
        seen.forget(Capability::RxTimestamp);
        let second = stamps.stamp(NOW, &meta(Some((70, 0))), &mut seen);
        assert_eq!((second.ticks, second.ticks_since(&first)), (70, None), "another generation");
        assert_eq!(seen.of(Capability::RxTimestamp).observed(), Observed::Passive);
    }

    #[test]
    fn a_device_that_stamps_no_more_is_demoted_after_so_many_frames_in_a_row() {
        let (mut stamps, mut seen) =
            (Stamps::new(&plan(Policy::Prefer), None), Observations::default());
        for round in 0..2 {
            for _ in 1..MISSING_IN_A_ROW_MAX {
                stamps.stamp(NOW, &meta(None), &mut seen);
            }
            assert_eq!(seen.next_event(), None);
            if round == 0 {
                stamps.stamp(NOW, &meta(Some((5, 0))), &mut seen);
            }
        }
        stamps.stamp(NOW, &meta(None), &mut seen);
        assert_eq!(seen.next_event(), demoted(Drift::StampsVanished));
        assert_eq!(stamps.counters().rx_stamp_missing, 2 * u64::from(MISSING_IN_A_ROW_MAX) - 1);
    }
}
