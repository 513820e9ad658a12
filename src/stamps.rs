//! Step 4 of the path: when did the frame come?
//!
//! The device's stamp, as long as it can be right: it must be there, time must not go back, and it must go on
//! as the host's does. Otherwise the host's clock, read once the burst was there. That the device's clock jumped
//! ahead a little no stamp shows: who follows it by readings tells
//! ([`on_clock_generation`](Stamps::on_clock_generation)).

use crate::offload::RxStamp;
use crate::offload::capability::Capability;
use crate::offload::nic::RxMeta;
use crate::offload::observe::{Drift, Observations};
use crate::offload::plan::Plan;
use crate::offload::stamp::{ClockId, ClockInfo, Domain};
use crate::time::{Duration, Instant, Now};

mod sent;

/// What a frame without a stamp weighs, one with a stamp weighing one the other way: more than one missing of
/// four, and the scales tip in the end.
const MISSING_WEIGHS: u32 = 3;
/// Where they tip, and a device that is to stamp does no longer.
const MISSING_MAX: u32 = 64 * MISSING_WEIGHS;
/// How far a device's clock may be from its declared rate: a thousandth of the time that has passed, more
/// than any crystal is.
const RATE_OFF_MAX: i128 = 1_000;
/// How much longer one frame may have waited for its reception than another, in nanoseconds. What is further
/// off is no delay.
const DELAY_NS_MAX: i128 = 1_000_000_000;
/// For how long every frame is to have been late, for the clock to be slow and not the host.
const LATE_FOR: Duration = Duration::from_s(10);

/// What has come across, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StampCounters {
    /// Frames without a stamp from a device that is to stamp.
    pub rx_stamp_missing: u64,
    /// Stamps that went back in time.
    pub rx_stamp_backwards: u64,
    /// Times that the device's clock was found to have begun a new life: it had jumped, been reset, or been
    /// out of sight.
    pub rx_clock_new_life: u64,
}

impl StampCounters {
    /// Every counter by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("rx_stamp_missing", self.rx_stamp_missing),
            ("rx_stamp_backwards", self.rx_stamp_backwards),
            ("rx_clock_new_life", self.rx_clock_new_life),
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
    /// When the frame with the last stamp was received, by the host's clock.
    last_at: Instant,
    /// Its clock beside the host's, as they were looked at before.
    looked: Option<Look>,
    /// The bits of its clock that count: past the last of them it is at zero again.
    mask: u64,
    /// Of its clock, in a second; 0 where that is not known.
    ticks_per_s: u64,
    missing: u32,
    /// The last frame had none.
    newest_is_missing: bool,
    /// How often the device was demoted or its clock began a new life: stamps from before and after do not
    /// compare.
    breaks: u16,
    /// The life of its clock, as last heard.
    clock_generation: u16,
    counters: StampCounters,
}

/// A device's clock beside the host's, since both were first looked at.
#[derive(Clone, Copy, Debug)]
struct Look {
    began: Instant,
    /// The last stamp that was looked at, and when its frame was received.
    stamp: RxStamp,
    at: Instant,
    /// How far the device's clock has gone, in nanoseconds by its declared rate.
    device_ns: i128,
    /// Since when frames are late, and by how much the one that was least.
    late_since: Instant,
    least_late_ns: i128,
}

impl Look {
    fn first(stamp: RxStamp, at: Instant) -> Look {
        let (device_ns, least_late_ns) = (0, i128::MAX);
        Look { began: at, stamp, at, device_ns, late_since: at, least_late_ns }
    }
}

impl Stamps {
    /// The stamps of a device that runs by `plan` and has `clock`.
    pub fn new(plan: &Plan, clock: Option<ClockInfo>) -> Stamps {
        Stamps::of(Capability::RxTimestamp, plan, clock)
    }

    fn of(of: Capability, plan: &Plan, clock: Option<ClockInfo>) -> Stamps {
        let bits = clock.map_or(u64::BITS, |clock| clock.bits.clamp(1, u64::BITS));
        Stamps {
            by_device: plan.uses(of),
            last: None,
            last_at: Instant::ZERO,
            looked: None,
            mask: u64::MAX >> (u64::BITS - bits),
            ticks_per_s: clock.map_or(0, |clock| clock.ticks_per_s),
            missing: 0,
            newest_is_missing: false,
            breaks: 0,
            clock_generation: 0,
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
        meta.stamp.filter(|stamp| stamp.clock == ClockId::HOST).unwrap_or(host_stamp(now.mono))
    }

    #[inline]
    fn check(&mut self, now: Now, meta: &RxMeta, observations: &mut Observations) -> RxStamp {
        let of = Capability::RxTimestamp;
        let Some(stamp) = meta.stamp else {
            self.lack(of, observations);
            return host_stamp(now.mono);
        };
        self.believe(of, now.mono, stamp, observations).unwrap_or(host_stamp(now.mono))
    }

    /// A frame has no stamp.
    #[inline]
    fn lack(&mut self, of: Capability, observations: &mut Observations) {
        self.counters.rx_stamp_missing += 1;
        self.missing += MISSING_WEIGHS;
        self.newest_is_missing = true;
        if self.missing >= MISSING_MAX {
            self.demote(of, Drift::StampsVanished, observations);
        }
    }

    /// A frame has one, and was handed over at `at` by the host's clock. `None` where it is not to be believed.
    #[inline]
    fn believe(
        &mut self,
        of: Capability,
        at: Instant,
        stamp: RxStamp,
        observations: &mut Observations,
    ) -> Option<RxStamp> {
        self.missing = self.missing.saturating_sub(1);
        self.last_at = at;
        self.newest_is_missing = false;
        match self.last.replace(stamp) {
            Some(last) if last.compares_with(&stamp) => {
                // Half the counter's period or more ahead is behind.
                if stamp.ticks.wrapping_sub(last.ticks) & self.mask > self.mask / 2 {
                    self.counters.rx_stamp_backwards += 1;
                    self.demote(of, Drift::StampWentBack, observations);
                    return None;
                }
            }
            _ => self.looked = Some(Look::first(stamp, at)),
        }
        observations.of_mut(of).seen += 1;
        Some(self.labelled(stamp))
    }

    #[inline(always)]
    fn labelled(&self, stamp: RxStamp) -> RxStamp {
        RxStamp { generation: stamp.generation.wrapping_add(self.breaks), ..stamp }
    }

    /// Holds the device's clock against the host's, off the packet's path: by the frames received since the
    /// look before it went on, and since the first look neither further than the host's nor, for long, less
    /// far. It may seem to lag for a while: frames wait until they are polled. Times of capture are held
    /// against nothing but each other.
    pub fn look(&mut self, observations: &mut Observations) {
        self.look_at(Capability::RxTimestamp, observations);
    }

    fn look_at(&mut self, of: Capability, observations: &mut Observations) {
        let (true, Some(stamp), Some(mut look)) = (self.by_device, self.last, self.looked) else {
            return;
        };
        // What is played back keeps no pace.
        if self.last_at == look.at || stamp.domain == Domain::Captured {
            return;
        }
        let ticks = i128::from(stamp.ticks.wrapping_sub(look.stamp.ticks) & self.mask);
        if ticks == 0 {
            return self.demote(of, Drift::StampStoodStill, observations);
        }
        (look.stamp, look.at) = (stamp, self.last_at);
        if self.ticks_per_s == 0 {
            self.looked = Some(look);
            return;
        }
        look.device_ns += ticks * 1_000_000_000 / i128::from(self.ticks_per_s);
        let host_ns = i128::from(look.at.ns_since(look.began));
        let (late_ns, most) = (host_ns - look.device_ns, DELAY_NS_MAX + host_ns / RATE_OFF_MAX);
        if late_ns < -most {
            return self.demote(of, Drift::StampRanAhead, observations);
        }
        look.least_late_ns = look.least_late_ns.min(late_ns);
        if look.late_since + LATE_FOR <= look.at {
            if look.least_late_ns > most {
                return self.demote(of, Drift::StampFellBehind, observations);
            }
            (look.late_since, look.least_late_ns) = (look.at, i128::MAX);
        }
        observations.of_mut(of).agreed += 1;
        self.looked = Some(look);
    }

    #[cold]
    pub(crate) fn demote(&mut self, of: Capability, drift: Drift, observations: &mut Observations) {
        self.by_device = false;
        self.last = None;
        self.looked = None;
        self.missing = 0;
        self.breaks = self.breaks.wrapping_add(1);
        observations.demote(of, drift);
    }

    /// The device's clock is in its life `generation`, by who follows it. In a new one, stamps from here on
    /// compare with none from before. To be called between rounds.
    pub fn on_clock_generation(&mut self, generation: u16) {
        let lives = generation.wrapping_sub(self.clock_generation);
        if lives > 0 {
            self.clock_generation = generation;
            self.breaks = self.breaks.wrapping_add(lives);
            self.last = None;
            self.counters.rx_clock_new_life += 1;
        }
    }

    /// The device's stamp on the last frame, if it bore one that is believed, labelled by the life of its
    /// clock as last heard: as who follows it converts it.
    pub fn newest(&self) -> Option<RxStamp> {
        let newest = self.last.filter(|_| !self.newest_is_missing);
        newest.map(|stamp| RxStamp { generation: self.clock_generation, ..stamp })
    }

    /// The device's stamps are believed again, as far as the plan leaves them to it.
    pub fn promote(&mut self, plan: &Plan) {
        self.by_device = plan.uses(Capability::RxTimestamp);
    }
}

/// By the host's clock, read when the burst was there, or as it was handed over.
#[inline]
pub(crate) fn host_stamp(at: Instant) -> RxStamp {
    RxStamp { clock: ClockId::HOST, generation: 0, domain: Domain::HostNs, ticks: at.as_ns() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offload::observe::{Demotion, DeviceEvent, Observed};
    use crate::offload::plan::{Advert, Capabilities, Provider};
    use crate::offload::profile::{Policy, Profile};
    use crate::time::UtcTime;

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
    fn stamps_that_go_forward_contradict_nothing_and_those_that_go_back_do() {
        for (stamps, expected, missing) in [
            (vec![Some((5, 0))], Observed::Passive, 0),
            (vec![Some((5, 0)), Some((5, 0)), Some((9, 0))], Observed::Passive, 0),
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
        let by_host =
            RxStamp { clock: ClockId::HOST, generation: 0, domain: Domain::HostNs, ticks: 77 };
        assert_eq!(off.stamp(NOW, &meta(None), &mut seen), by_host);
        // What the plan does not leave to the device is not taken from it.
        assert_eq!(off.stamp(NOW, &meta(Some((5, 0))), &mut seen), host_stamp(NOW.mono));
        let by_driver = RxStamp { ticks: 70, ..host_stamp(NOW.mono) };
        let meta = RxMeta { stamp: Some(by_driver), ..RxMeta::UNKNOWN };
        assert_eq!(off.stamp(NOW, &meta, &mut seen), by_driver);
        assert_eq!(seen.next_event(), None);
    }

    #[test]
    fn a_clock_that_goes_back_is_demoted_and_promoted_it_counts_anew() {
        let plan = plan(Policy::Prefer);
        let (mut stamps, mut seen) = (Stamps::new(&plan, None), Observations::default());
        let first = stamps.stamp(NOW, &meta(Some((50, 0))), &mut seen);
        assert_eq!(stamps.stamp(NOW, &meta(Some((40, 0))), &mut seen), host_stamp(NOW.mono));
        assert_eq!((seen.next_event(), seen.next_event()), (demoted(Drift::StampWentBack), None));
        assert_eq!(stamps.stamp(NOW, &meta(Some((60, 0))), &mut seen), host_stamp(NOW.mono));

        stamps.promote(&plan);
        seen.forget(Capability::RxTimestamp);
        let second = stamps.stamp(NOW, &meta(Some((70, 0))), &mut seen);
        assert_eq!((second.ticks, second.ticks_since(&first)), (70, None), "another generation");
        assert_eq!(seen.of(Capability::RxTimestamp).observed(), Observed::Passive);
    }

    #[test]
    fn a_clock_that_jumped_ahead_begins_a_generation_that_compares_with_none_before() {
        let plan = plan(Policy::Prefer);
        let (mut stamps, mut seen) = (Stamps::new(&plan, None), Observations::default());
        let mut stamp =
            |stamps: &mut Stamps, ticks| stamps.stamp(NOW, &meta(Some((ticks, 0))), &mut seen);
        let before = stamp(&mut stamps, 50);
        stamps.on_clock_generation(0);
        let same = stamp(&mut stamps, 60);
        assert_eq!(same.ticks_since(&before), Some(10), "nothing new was heard");
        stamps.on_clock_generation(1);
        // Behind the one before, which is of another life: no step back.
        let after = stamp(&mut stamps, 7);
        assert_eq!(
            (after.ticks, after.ticks_since(&same), same.ticks_since(&after)),
            (7, None, None)
        );
        assert_eq!(stamp(&mut stamps, 9).ticks_since(&after), Some(2));
        // A demotion is a break of its own, whichever comes first.
        assert_eq!(stamp(&mut stamps, 8), host_stamp(NOW.mono));
        stamps.on_clock_generation(2);
        stamps.promote(&plan);
        let last = stamp(&mut stamps, 10);
        assert!([before, same, after].iter().all(|earlier| !last.compares_with(earlier)));
        let StampCounters { rx_clock_new_life, rx_stamp_backwards, .. } = *stamps.counters();
        assert_eq!((rx_clock_new_life, rx_stamp_backwards), (2, 1));
    }

    #[test]
    fn the_newest_stamp_is_the_last_frame_s_by_the_life_that_was_heard_of() {
        let plan = plan(Policy::Prefer);
        let (mut stamps, mut seen) = (Stamps::new(&plan, None), Observations::default());
        let mut newest = |stamps: &mut Stamps, stamp| {
            stamps.stamp(NOW, &meta(stamp), &mut seen);
            stamps.newest().map(|stamp| (stamp.ticks, stamp.generation))
        };
        assert_eq!(stamps.newest(), None);
        assert_eq!(newest(&mut stamps, Some((50, 0))), Some((50, 0)));
        assert_eq!(newest(&mut stamps, None), None);
        stamps.on_clock_generation(3);
        assert_eq!(stamps.newest(), None, "from before");
        assert_eq!(newest(&mut stamps, Some((60, 0))), Some((60, 3)));
        assert_eq!(newest(&mut stamps, Some((40, 0))), None, "demoted");
        stamps.promote(&plan);
        assert_eq!(newest(&mut stamps, Some((70, 0))), Some((70, 3)), "no life of its clock's");
    }

    #[test]
    fn a_device_that_stamps_less_than_three_frames_of_four_is_demoted() {
        for (stamped_of_10, demoted) in [(0, true), (1, true), (7, true), (8, false), (9, false)] {
            let (mut stamps, mut seen) =
                (Stamps::new(&plan(Policy::Prefer), None), Observations::default());
            for frame in 0..1_000 {
                let stamp = (frame % 10 < stamped_of_10).then_some((frame, 0));
                stamps.stamp(NOW, &meta(stamp), &mut seen);
            }
            let expected = demoted.then_some(Drift::StampsVanished).and_then(self::demoted);
            assert_eq!(seen.next_event(), expected, "{stamped_of_10} of 10");
        }
    }

    /// Frames received at so many milliseconds, stamped with so many, each looked at. The device's tick is
    /// a nanosecond.
    fn looked_at(frames: &[(u64, u64)]) -> (Observed, Option<DeviceEvent>) {
        looked_at_in(Domain::NicNs, frames)
    }

    fn looked_at_in(domain: Domain, frames: &[(u64, u64)]) -> (Observed, Option<DeviceEvent>) {
        let clock = ClockInfo { id: ClockId(1), domain, ticks_per_s: 1_000_000_000, bits: 63 };
        let mut stamps = Stamps::new(&plan(Policy::Prefer), Some(clock));
        let mut seen = Observations::default();
        for (received_ms, stamp_ms) in frames {
            let mono = Instant::ZERO + Duration::from_ms(*received_ms);
            let mut meta = meta(Some((stamp_ms * 1_000_000, 0)));
            meta.stamp = meta.stamp.map(|stamp| RxStamp { domain, ..stamp });
            stamps.stamp(Now { mono, ..NOW }, &meta, &mut seen);
            stamps.look(&mut seen);
        }
        (seen.of(Capability::RxTimestamp).observed(), seen.next_event())
    }

    #[test]
    fn a_clock_of_no_known_rate_is_found_when_it_stops_after_a_while() {
        let (mut stamps, mut seen) =
            (Stamps::new(&plan(Policy::Prefer), None), Observations::default());
        for (received_ms, ticks, expected) in
            [(10, 5, None), (110, 700, None), (210, 700, demoted(Drift::StampStoodStill))]
        {
            let mono = Instant::ZERO + Duration::from_ms(received_ms);
            stamps.stamp(Now { mono, ..NOW }, &meta(Some((ticks, 0))), &mut seen);
            stamps.look(&mut seen);
            assert_eq!(seen.next_event(), expected, "{received_ms} ms");
        }
    }

    #[test]
    fn times_of_capture_keep_no_pace_and_are_wrong_where_they_go_back() {
        for frames in [[(10, 5), (110, 5)], [(10, 5), (110, 3_600_105)]] {
            assert_eq!(looked_at_in(Domain::Captured, &frames), (Observed::Passive, None));
        }
        let back = looked_at_in(Domain::Captured, &[(10, 5), (20, 4)]);
        assert_eq!(back, (Observed::Refuted, demoted(Drift::StampWentBack)));
    }

    #[test]
    fn a_clock_is_proven_by_the_host_s_and_refuted_where_it_stands_still_or_runs_ahead() {
        assert_eq!(looked_at(&[(10, 5)]), (Observed::Passive, None));
        assert_eq!(looked_at(&[(10, 5), (110, 105), (300, 295)]), (Observed::Proven, None));
        // Two frames of one burst may have one stamp.
        assert_eq!(looked_at(&[(10, 5), (10, 5)]), (Observed::Passive, None));
        let refuted = |drift| (Observed::Refuted, demoted(drift));
        assert_eq!(looked_at(&[(10, 5), (110, 5)]), refuted(Drift::StampStoodStill));
        assert_eq!(looked_at(&[(10, 5), (110, 3_600_105)]), refuted(Drift::StampRanAhead));
        assert_eq!(looked_at(&[(10, 5), (5_010, 6_050)]), refuted(Drift::StampRanAhead));
        // Frames that waited, and others that waited less.
        let waited = [(10, 5), (5_000, 200), (5_100, 5_095), (5_200, 5_195)];
        assert_eq!(looked_at(&waited), (Observed::Proven, None));
        let then_ahead = [(10, 5), (5_000, 200), (5_100, 5_095), (5_200, 6_396)];
        assert_eq!(looked_at(&then_ahead), refuted(Drift::StampRanAhead));
        // A rate that is off, for an hour: by 5 in 10,000 as no crystal is, and by more.
        for (per_10_000, drift) in [
            (9_995, None),
            (10_005, None),
            (10_100, Some(Drift::StampRanAhead)),
            (15_000, Some(Drift::StampRanAhead)),
            (9_900, Some(Drift::StampFellBehind)),
            (5_000, Some(Drift::StampFellBehind)),
            (10, Some(Drift::StampFellBehind)),
        ] {
            let frames: Vec<_> = (1..3_600).map(|s| (s * 1_000, s * per_10_000 / 10)).collect();
            let (_, event) = looked_at(&frames);
            assert_eq!(event, drift.and_then(demoted), "{per_10_000}");
        }
    }
}
