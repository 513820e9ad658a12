//! The writer's side of stamps: what time it was.

use std::fmt::Write;

use fixwire_offload::clock::{Conversions, Reader, Refusal, StampTime};
use fixwire_offload::stamp::{ClockId, ClockInfo, Domain, RxStamp};
use fixwire_offload::time::{Instant, UtcTime};

use super::anchor::Anchor;
use super::record::{Record, Way};
use super::stamps::Stamps;
use crate::clock::HostClock;
use crate::host_counter::HostCounter;

/// How long one such reading is gone by.
const ANCHOR_AGE_MS_MAX: u64 = 100;
/// A smaller step of the system's time is not told from how it is read: what a clock discipline takes
/// for a jump unless told otherwise.
const SET_NS_MIN: u64 = 10_000;

/// How stamps become UTC: by what a clock service has published, and where that is nothing, by the
/// monotonic clock's distance from UTC.
#[derive(Debug)]
pub(super) struct Times {
    host: HostClock,
    wire_origin: Option<UtcTime>,
    counter: HostCounter,
    /// The device's clock, where stamps by it are shown by the service.
    followed: Option<ClockInfo>,
    reader: Option<Reader>,
    /// Of a counter that is not the monotonic clock.
    anchor: Option<Anchor>,
    wall_generation: u16,
    /// By [`Way`], the last time that was told. The next is none before it, whichever way it came about: each
    /// way has an error of its own.
    last: [UtcTime; 2],
    conversions: [Conversions; 2],
}

/// When a frame crossed the device, and by which clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) utc: UtcTime,
    pub(super) by: Domain,
    /// The system's time was found to have been set by so much since the frame before.
    pub(super) set_ns: Option<i64>,
}

/// A time, and how far the system's was found to have been set.
type Told = (UtcTime, Option<i64>);

impl Times {
    /// `reader` is of the clock service, where there is one.
    pub(super) fn new(stamps: &Stamps, reader: Option<Reader>) -> Times {
        let Stamps { host, wire_origin, counter, .. } = *stamps;
        Times {
            host,
            wire_origin,
            counter,
            followed: stamps.followed(),
            reader,
            anchor: match counter {
                HostCounter::Tsc(tsc) => Some(Anchor::take(&tsc, &host)),
                HostCounter::Mono(_) => None,
            },
            wall_generation: 0,
            last: [UtcTime::from_unix_ns(0); 2],
            conversions: [Conversions::default(); 2],
        }
    }

    pub(super) fn now(&self) -> UtcTime {
        self.host.utc(self.host.mono())
    }

    /// By the device's stamp where that can be shown as UTC, by the host's counter where it cannot.
    pub(super) fn at(&mut self, record: &Record) -> At {
        let (way, received) = (record.way, record.host.unwrap_or_default());
        let of_host = self.counter.info().domain;
        let followed = self.followed.map(|clock| clock.domain);
        let (by, (utc, set_ns)) = match (record.stamp, self.wire_origin) {
            (Some((domain, ticks)), _) if domain == of_host => {
                (domain, self.by_counter(way, ticks))
            }
            (Some((domain, ticks)), _) if Some(domain) == followed => {
                match self.by_device(way, ticks, received) {
                    Some(told) => (domain, told),
                    None => (of_host, self.by_counter_instead(received)),
                }
            }
            (Some((domain @ Domain::HostNs, ticks)), _) => {
                (domain, (self.host.utc(Instant::from_ns(ticks)), None))
            }
            (Some((domain @ Domain::VirtualNs, ticks)), Some(origin)) => {
                let utc = UtcTime::from_unix_ns(origin.as_unix_ns().saturating_add(ticks));
                (domain, (utc, None))
            }
            _ => (of_host, self.by_counter(way, received)),
        };
        let last = &mut self.last[way as usize];
        *last = if set_ns.is_some() { utc } else { utc.max(*last) };
        At { utc: *last, by, set_ns }
    }

    /// By a reading of the host's counter.
    fn by_counter(&mut self, way: Way, ticks: u64) -> Told {
        let time = self.convert(&self.stamp_of_host(ticks), ticks);
        if let Some(time) = time {
            self.conversions[way as usize].count(&time);
        }
        self.or_by_monotonic_clock(time, ticks)
    }

    /// The same for a frame whose stamp was refused, and counted as that.
    fn by_counter_instead(&mut self, received: u64) -> Told {
        let time = self.convert(&self.stamp_of_host(received), received);
        self.or_by_monotonic_clock(time, received)
    }

    /// By a stamp of the device's that was in hand when the host's counter read `received`.
    fn by_device(&mut self, way: Way, ticks: u64, received: u64) -> Option<Told> {
        let ClockInfo { id: clock, domain, .. } = self.followed?;
        // Labelled by the life that is known now: when it was in hand says whether it is of that one.
        let generation = self.reader.as_mut()?.mapping().device_generation();
        let time = self.convert(&RxStamp { clock, generation, domain, ticks }, received)?;
        self.conversions[way as usize].count(&time);
        time.ok().map(|time| self.hear(&time))
    }

    fn stamp_of_host(&self, ticks: u64) -> RxStamp {
        let domain = self.counter.info().domain;
        RxStamp { clock: ClockId::HOST, generation: 0, domain, ticks }
    }

    fn convert(&mut self, stamp: &RxStamp, received: u64) -> Option<Result<StampTime, Refusal>> {
        // By when it was in hand: the writer's own time does not matter.
        self.reader.as_mut().map(|reader| reader.convert(stamp, received))
    }

    fn or_by_monotonic_clock(
        &mut self,
        time: Option<Result<StampTime, Refusal>>,
        ticks: u64,
    ) -> Told {
        match time {
            Some(Ok(time)) => self.hear(&time),
            _ => (self.by_monotonic_clock(ticks), None),
        }
    }

    fn hear(&mut self, time: &StampTime) -> Told {
        (time.utc, self.hear_generation(time.wall_generation))
    }

    /// In another generation the system's time may have been set. Then the monotonic clock's distance
    /// from it is another too, and what is shown by that is to agree.
    fn hear_generation(&mut self, generation: u16) -> Option<i64> {
        if generation == self.wall_generation {
            return None;
        }
        self.wall_generation = generation;
        let mut again = self.host;
        let set_ns = again.resync();
        if set_ns.unsigned_abs() < SET_NS_MIN {
            return None;
        }
        self.host = again;
        let shifted = |origin: UtcTime| origin.as_unix_ns().saturating_add_signed(set_ns);
        self.wire_origin = self.wire_origin.map(|origin| UtcTime::from_unix_ns(shifted(origin)));
        self.last = [UtcTime::from_unix_ns(0); 2];
        Some(set_ns)
    }

    fn by_monotonic_clock(&mut self, ticks: u64) -> UtcTime {
        let (HostCounter::Tsc(tsc), Some(anchor)) = (self.counter, &mut self.anchor) else {
            return self.host.utc(Instant::from_ns(ticks));
        };
        let ticks_per_s = tsc.rate().ticks_per_s;
        if ticks.saturating_sub(anchor.ticks) > ticks_per_s / 1_000 * ANCHOR_AGE_MS_MAX {
            *anchor = Anchor::take(&tsc, &self.host);
        }
        self.host.utc(anchor.mono_at(ticks, ticks_per_s))
    }

    /// What is to be said of one direction's times, all together; empty where it is nothing.
    pub(super) fn remark(&self, way: Way) -> String {
        in_words(&self.conversions[way as usize])
    }
}

/// What became of one direction's stamps.
fn in_words(Conversions { converted, error_bound_ns_max, refused }: &Conversions) -> String {
    let mut words = String::new();
    // Writing to a String does not fail.
    if *converted > 0 {
        let _ = write!(
            words,
            "{converted} frames shown within {error_bound_ns_max} ns of the system's time"
        );
    }
    for (index, (name, count)) in refused.iter().filter(|(_, count)| *count > 0).enumerate() {
        let before = match (index, words.is_empty()) {
            (0, true) => "shown without a bound:",
            (0, false) => "; without a bound:",
            _ => ",",
        };
        let _ = write!(words, "{before} {name} {count}");
    }
    words
}

#[cfg(test)]
mod tests {
    use fixwire_offload::clock::{Bracket, ClockConfig, Discipline, Publisher};
    use fixwire_offload::nic::RxMeta;

    use super::*;
    use crate::tsc::Tsc;

    const NS: u64 = 1_000_000_000;
    /// The counter when the story begins, and UTC then as the service reads it.
    const BEGIN: u64 = 50 * NS;
    const WALL: u64 = 1_800_000_000 * NS;
    /// A NIC's clock of two ticks a nanosecond.
    const NIC: ClockInfo =
        ClockInfo { id: ClockId(1), domain: Domain::NicTicks, ticks_per_s: 2 * NS, bits: 63 };

    /// A counter of one tick a nanosecond, a service over it, and a monotonic clock that puts what it
    /// is asked `apart_ns` later than the service does.
    struct Story {
        discipline: Discipline,
        publisher: Publisher,
        times: Times,
    }

    impl Story {
        fn new(apart_ns: i64) -> Story {
            let tsc = Tsc::at_rate(NS);
            let discipline =
                Discipline::new(&ClockConfig::default(), &tsc.info(), Some(&NIC)).unwrap();
            let (publisher, reader) = Publisher::new(&discipline);
            let host = HostClock::new();
            let stamps = Stamps {
                host,
                wire_origin: None,
                counter: HostCounter::Tsc(tsc),
                device: Some(NIC),
                is_disciplined: true,
            };
            let mut times = Times::new(&stamps, Some(reader));
            let mono_ns = WALL - host.utc(Instant::ZERO).as_unix_ns();
            let mono = Instant::from_ns(mono_ns.wrapping_add_signed(apart_ns));
            times.anchor = Some(Anchor { ticks: BEGIN, mono });
            Story { discipline, publisher, times }
        }

        /// The service reads both clocks `after_ms`, the wall's found `set_ns` off.
        fn pair(&mut self, after_ms: u64, set_ns: i64) {
            let before = BEGIN + after_ms * 1_000_000;
            let reading = (WALL + after_ms * 1_000_000 + 25).wrapping_add_signed(set_ns);
            self.discipline.on_wall_pair(Bracket { before, reading, after: before + 50 });
            self.device_pair(after_ms, 0);
        }

        fn device_pair(&mut self, after_ms: u64, jump_ns: u64) {
            let before = BEGIN + after_ms * 1_000_000;
            let reading = nic_ticks(before + 25 + jump_ns);
            self.discipline.on_device_pair(Bracket { before, reading, after: before + 50 });
            self.publisher.publish(&self.discipline);
        }

        fn at(&mut self, stamp: (Domain, u64), host: Option<u64>) -> At {
            let meta = RxMeta::UNKNOWN;
            self.times.at(&Record { stamp: Some(stamp), ..Record::received(&meta, host) })
        }

        /// How far a stamp's time is from what the service read at the beginning.
        fn off_ns(&mut self, after_ms: u64) -> (i64, Option<i64>) {
            let ticks = BEGIN + after_ms * 1_000_000;
            let At { utc, by, set_ns } = self.at((Domain::Tsc, ticks), None);
            assert_eq!(by, Domain::Tsc);
            (off_ns(utc, after_ms), set_ns)
        }

        /// The same of a stamp of the NIC's, in hand 5 us after it was taken; and by which clock.
        fn nic_off_ns(&mut self, after_ms: u64, jump_ns: u64) -> (i64, Domain) {
            let taken = BEGIN + after_ms * 1_000_000;
            let stamp = (Domain::NicTicks, nic_ticks(taken + jump_ns));
            let At { utc, by, .. } = self.at(stamp, Some(taken + 5_000));
            (off_ns(utc, after_ms), by)
        }
    }

    fn nic_ticks(at_ns: u64) -> u64 {
        7_000 + 2 * at_ns
    }

    fn off_ns(utc: UtcTime, after_ms: u64) -> i64 {
        utc.as_unix_ns().wrapping_sub(WALL + after_ms * 1_000_000).cast_signed()
    }

    #[test]
    fn until_the_service_has_locked_the_monotonic_clock_tells() {
        let mut story = Story::new(-700);
        story.pair(0, 0);
        story.pair(10, 0);
        assert_eq!(story.off_ns(11), (-700, None));
        assert_eq!(story.off_ns(12), (-700, None));
        story.pair(30, 0);
        let (off_ns, set_ns) = story.off_ns(31);
        assert!(off_ns.abs() < 100 && set_ns.is_none(), "{off_ns}");
        assert_eq!(story.times.remark(Way::Sent), "", "another direction's");
        let words = story.times.remark(Way::Received);
        assert!(words.starts_with("1 frames shown within "), "{words}");
        assert!(
            words.ends_with(" ns of the system's time; without a bound: wall_not_yet 2"),
            "{words}"
        );
        // A stamp that comes late is from before the lines begin.
        assert_eq!(story.off_ns(13).1, None);
        let words = story.times.remark(Way::Received);
        assert!(words.ends_with("wall_not_yet 2, wall_too_old 1"), "{words}");
    }

    #[test]
    fn time_does_not_go_back_where_the_service_takes_over_from_a_clock_that_is_ahead() {
        let mut story = Story::new(40_000);
        assert_eq!(story.off_ns(30), (40_000, None));
        for after_ms in [0, 10, 30] {
            story.pair(after_ms, 0);
        }
        let mut last = i64::MIN;
        for step_us in 0..100u64 {
            let ticks = BEGIN + 30_000_000 + step_us * 1_000;
            let utc = story.at((Domain::Tsc, ticks), None).utc.as_unix_ns().cast_signed();
            assert!(utc >= last);
            last = utc;
        }
        let (off_ns, _) = story.off_ns(31);
        assert!(off_ns.abs() < 100, "caught up with: {off_ns}");
    }

    #[test]
    fn a_system_time_that_was_set_is_followed_back_too_and_said_once() {
        let mut story = Story::new(0);
        for after_ms in [0, 10, 30] {
            story.pair(after_ms, 0);
        }
        assert_eq!(story.off_ns(31).1, None);
        // What the monotonic clock knew was right until an hour was taken off.
        const SET_NS: i64 = -3_600_000_000_000;
        story.times.host = HostClock::off_by(-SET_NS);
        story.times.wire_origin = Some(UtcTime::from_unix_ns(WALL));
        for after_ms in [50, 51, 60, 80] {
            story.pair(after_ms, SET_NS);
        }
        let (off_ns, set_ns) = story.off_ns(81);
        assert!(off_ns.abs_diff(SET_NS) < 100, "{off_ns}");
        assert!(set_ns.unwrap().abs_diff(SET_NS) < 1_000_000, "{set_ns:?}");
        let again = story.times.host.resync();
        assert!(again.abs() < 1_000_000, "the monotonic clock's distance is the new one: {again}");
        let wire = story.at((Domain::VirtualNs, 81_000_000), None).utc;
        let wire_off_ns = wire.as_unix_ns().wrapping_sub(WALL + 81_000_000).cast_signed();
        assert!(wire_off_ns.abs_diff(SET_NS) < 1_000_000, "the wire's too: {wire_off_ns}");
        assert_eq!(story.off_ns(82).1, None);
    }

    #[test]
    fn a_service_that_began_anew_without_a_step_is_not_heard_of() {
        let mut story = Story::new(0);
        for after_ms in [0, 10, 30, 3_000, 3_010, 3_030] {
            story.pair(after_ms, 0);
        }
        assert_eq!(story.off_ns(3_031).1, None);
        assert_eq!(story.times.wall_generation, 1);
    }

    #[test]
    fn a_nic_s_own_stamps_are_shown_by_it_as_long_as_its_clock_is_followed() {
        let mut story = Story::new(-700);
        for after_ms in [0, 10] {
            story.pair(after_ms, 0);
        }
        // In hand 5 us later, by the monotonic clock.
        assert_eq!(story.nic_off_ns(12, 0), (5_000 - 700, Domain::Tsc));
        story.pair(30, 0);
        // By the host's counter still: it may have been taken before its clock was known.
        let (off, by) = story.nic_off_ns(31, 0);
        assert!((4_900..5_100).contains(&off) && by == Domain::Tsc, "{off} {by:?}");
        story.pair(70, 0);
        let (off, by) = story.nic_off_ns(72, 0);
        assert!(off.abs() < 200 && by == Domain::NicTicks, "{off} {by:?}");
        let words = story.times.remark(Way::Received);
        assert!(words.starts_with("1 frames shown within "), "{words}");
        assert!(words.ends_with("; without a bound: device_not_yet 2"), "{words}");
    }

    #[test]
    fn a_nic_s_clock_that_jumped_tells_no_time_until_it_is_known_anew() {
        const JUMP_NS: u64 = 40_000_000;
        let mut story = Story::new(0);
        for after_ms in [0, 10, 30, 70] {
            story.pair(after_ms, 0);
        }
        let (off, by) = story.nic_off_ns(80, JUMP_NS);
        assert!((4_900..5_100).contains(&off) && by == Domain::Tsc, "{off} {by:?}");
        for after_ms in [90, 91] {
            story.device_pair(after_ms, JUMP_NS);
        }
        assert_eq!(story.nic_off_ns(93, JUMP_NS).1, Domain::Tsc);
        for after_ms in [100, 120, 150] {
            story.device_pair(after_ms, JUMP_NS);
        }
        let (off, by) = story.nic_off_ns(160, JUMP_NS);
        assert!(off.abs() < 300 && by == Domain::NicTicks, "{off} {by:?}");
        // One that waits in the ring since before the jump is not taken for one of after it.
        assert_eq!(story.nic_off_ns(85, 0).1, Domain::Tsc);
    }

    #[test]
    fn an_anchor_is_taken_anew_when_it_is_old() {
        let mut story = Story::new(0);
        for (after_ms, is_kept) in [(99, true), (0, true), (101, false)] {
            story.off_ns(after_ms);
            let ticks = story.times.anchor.map(|anchor| anchor.ticks);
            assert_eq!(ticks == Some(BEGIN), is_kept, "{after_ms} ms");
        }
    }
}
