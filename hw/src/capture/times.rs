//! The writer's side of stamps: what time it was.

use std::fmt::Write;

use fixwire_offload::clock::{Bracket, Lapse, Reader, Refusal};
use fixwire_offload::stamp::{ClockId, Domain, RxStamp};
use fixwire_offload::time::{Instant, UtcTime};

use super::record::Record;
use super::stamps::Stamps;
use crate::clock::HostClock;
use crate::tsc::Tsc;

/// How often the monotonic clock is read against the counter, for the narrowest bracket.
const READINGS: usize = 8;
/// How long one such reading is gone by.
const ANCHOR_AGE_MS_MAX: u64 = 100;
/// A smaller step of the system's time is not told from how it is read: what a clock discipline takes
/// for a jump unless told otherwise.
const SET_NS_MIN: u64 = 10_000;

/// How stamps become UTC.
#[derive(Debug)]
pub(super) struct Times {
    host: HostClock,
    wire_origin: Option<UtcTime>,
    by_tsc: Option<TscTimes>,
}

/// When a frame crossed the device, and by which clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) utc: UtcTime,
    pub(super) by: Domain,
    /// The system's time was found to have been set by so much since the frame before.
    pub(super) set_ns: Option<i64>,
}

impl Times {
    /// `reader` is of the clock service that stamps by the processor's counter are shown by.
    pub(super) fn new(stamps: &Stamps, reader: Option<Reader>) -> Times {
        let Stamps { host, wire_origin, tsc } = *stamps;
        Times { host, wire_origin, by_tsc: tsc.map(|tsc| TscTimes::new(tsc, reader, &host)) }
    }

    pub(super) fn now(&self) -> UtcTime {
        self.host.utc(self.host.mono())
    }

    /// By the device's stamp where that can be shown as UTC, by the host's clock where it cannot.
    pub(super) fn at(&mut self, record: &Record) -> At {
        match (record.stamp, self.wire_origin, &mut self.by_tsc) {
            (Some((Domain::Tsc, ticks)), _, Some(by_tsc)) => by_tsc.at(ticks, &mut self.host),
            (Some((by @ Domain::HostNs, ticks)), ..) => {
                At { utc: self.host.utc(Instant::from_ns(ticks)), by, set_ns: None }
            }
            (Some((by @ Domain::VirtualNs, ticks)), Some(origin), _) => {
                let utc = UtcTime::from_unix_ns(origin.as_unix_ns().saturating_add(ticks));
                At { utc, by, set_ns: None }
            }
            _ => {
                let utc = self.host.utc(record.host.unwrap_or_default());
                At { utc, by: Domain::HostNs, set_ns: None }
            }
        }
    }

    /// What is to be said of the received frames' times, all together; empty where it is nothing.
    pub(super) fn remark(&self) -> String {
        self.by_tsc.as_ref().map_or_else(String::new, |by_tsc| by_tsc.refused.in_words())
    }
}

/// Stamps by the processor's counter: by what a clock service has published, and where that is
/// nothing, by the monotonic clock.
#[derive(Debug)]
struct TscTimes {
    tsc: Tsc,
    reader: Option<Reader>,
    anchor: Anchor,
    wall_generation: u16,
    /// The last time that was told. The next is none before it, whichever way it came about: each way
    /// has an error of its own.
    last: UtcTime,
    refused: Refused,
}

impl TscTimes {
    fn new(tsc: Tsc, reader: Option<Reader>, host: &HostClock) -> TscTimes {
        let anchor = Anchor::take(&tsc, host);
        let last = UtcTime::from_unix_ns(0);
        TscTimes { tsc, reader, anchor, wall_generation: 0, last, refused: Refused::default() }
    }

    fn at(&mut self, ticks: u64, host: &mut HostClock) -> At {
        let stamp = RxStamp { clock: ClockId::HOST, generation: 0, domain: Domain::Tsc, ticks };
        // In hand when it was taken. The writer's own time does not matter.
        let told = self.reader.as_mut().map(|reader| reader.convert(&stamp, ticks));
        let (utc, set_ns) = match told {
            Some(Ok(time)) => (time.utc, self.hear_generation(time.wall_generation, host)),
            Some(Err(refusal)) => {
                self.refused.count(&refusal);
                (self.by_monotonic_clock(ticks, host), None)
            }
            None => (self.by_monotonic_clock(ticks, host), None),
        };
        self.last = if set_ns.is_some() { utc } else { utc.max(self.last) };
        At { utc: self.last, by: Domain::Tsc, set_ns }
    }

    /// In another generation the system's time may have been set. Then the monotonic clock's distance
    /// from it is another too, and what is shown by that is to agree.
    fn hear_generation(&mut self, generation: u16, host: &mut HostClock) -> Option<i64> {
        if generation == self.wall_generation {
            return None;
        }
        self.wall_generation = generation;
        let mut again = *host;
        let set_ns = again.resync();
        let was_set = set_ns.unsigned_abs() >= SET_NS_MIN;
        was_set.then(|| {
            *host = again;
            set_ns
        })
    }

    fn by_monotonic_clock(&mut self, ticks: u64, host: &HostClock) -> UtcTime {
        let ticks_per_s = self.tsc.rate().ticks_per_s;
        if ticks.saturating_sub(self.anchor.ticks) > ticks_per_s / 1_000 * ANCHOR_AGE_MS_MAX {
            self.anchor = Anchor::take(&self.tsc, host);
        }
        host.utc(self.anchor.mono_at(ticks, ticks_per_s))
    }
}

/// The counter and the monotonic clock at one moment.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    ticks: u64,
    mono: Instant,
}

impl Anchor {
    fn take(tsc: &Tsc, host: &HostClock) -> Anchor {
        let several = (0..READINGS).map(|_| tsc.bracket(|| host.mono().as_ns()));
        match Bracket::narrowest(several) {
            Some(Bracket { before, reading, after }) => {
                Anchor { ticks: before + (after - before) / 2, mono: Instant::from_ns(reading) }
            }
            None => Anchor { ticks: tsc.now(), mono: host.mono() },
        }
    }

    /// The monotonic clock at `ticks`, by the counter's nominal rate.
    fn mono_at(&self, ticks: u64, ticks_per_s: u64) -> Instant {
        let ahead = i128::from(ticks) - i128::from(self.ticks);
        let ns = i128::from(self.mono.as_ns()) + ahead * 1_000_000_000 / i128::from(ticks_per_s);
        Instant::from_ns(u64::try_from(ns.max(0)).unwrap_or(u64::MAX))
    }
}

/// How many stamps the clock service had no time for, by why.
#[derive(Clone, Copy, Debug, Default)]
struct Refused {
    not_yet: u64,
    doubtful: u64,
    stale: u64,
    too_old: u64,
    otherwise: u64,
}

impl Refused {
    fn count(&mut self, refusal: &Refusal) {
        let count = match refusal {
            Refusal::Wall(Lapse::NotYet) => &mut self.not_yet,
            Refusal::Wall(Lapse::Doubtful) => &mut self.doubtful,
            Refusal::Wall(Lapse::Stale) => &mut self.stale,
            Refusal::Wall(Lapse::TooOld) => &mut self.too_old,
            _ => &mut self.otherwise,
        };
        *count += 1;
    }

    fn in_words(&self) -> String {
        let Refused { not_yet, doubtful, stale, too_old, otherwise } = *self;
        let named = [
            ("not_yet", not_yet),
            ("doubtful", doubtful),
            ("stale", stale),
            ("too_old", too_old),
            ("otherwise", otherwise),
        ];
        let mut words = String::new();
        for (name, count) in named.into_iter().filter(|(_, count)| *count > 0) {
            let before = if words.is_empty() { "shown by the host monotonic clock:" } else { "," };
            // Writing to a String does not fail.
            let _ = write!(words, "{before} {name} {count}");
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use fixwire_offload::clock::{ClockConfig, Discipline, Publisher};
    use proptest::prelude::*;

    use super::*;

    const NS: u64 = 1_000_000_000;
    /// The counter when the story begins, and UTC then as the service reads it.
    const BEGIN: u64 = 50 * NS;
    const WALL: u64 = 1_800_000_000 * NS;

    /// A counter of one tick a nanosecond, a service over it, and a monotonic clock that puts what it
    /// is asked `apart_ns` later than the service does.
    struct Story {
        discipline: Discipline,
        publisher: Publisher,
        times: TscTimes,
        host: HostClock,
    }

    impl Story {
        fn new(apart_ns: i64) -> Story {
            let tsc = Tsc::at_rate(NS);
            let discipline = Discipline::new(&ClockConfig::default(), &tsc.info(), None).unwrap();
            let (publisher, reader) = Publisher::new(&discipline);
            let host = HostClock::new();
            let mut times = TscTimes::new(tsc, Some(reader), &host);
            let mono_ns = WALL - host.utc(Instant::ZERO).as_unix_ns();
            let mono = Instant::from_ns(mono_ns.wrapping_add_signed(apart_ns));
            times.anchor = Anchor { ticks: BEGIN, mono };
            Story { discipline, publisher, times, host }
        }

        /// The service reads the wall clock `after_ms`, found `set_ns` off.
        fn pair(&mut self, after_ms: u64, set_ns: i64) {
            let before = BEGIN + after_ms * 1_000_000;
            let reading = (WALL + after_ms * 1_000_000 + 25).wrapping_add_signed(set_ns);
            self.discipline.on_wall_pair(Bracket { before, reading, after: before + 50 });
            self.publisher.publish(&self.discipline);
        }

        /// How far a stamp's time is from what the service read at the beginning.
        fn off_ns(&mut self, after_ms: u64) -> (i64, Option<i64>) {
            let ticks = BEGIN + after_ms * 1_000_000;
            let At { utc, by, set_ns } = self.times.at(ticks, &mut self.host);
            assert_eq!(by, Domain::Tsc);
            let right = WALL + after_ms * 1_000_000;
            (utc.as_unix_ns().wrapping_sub(right).cast_signed(), set_ns)
        }
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
        assert_eq!(story.times.refused.in_words(), "shown by the host monotonic clock: not_yet 2");
        // A stamp that comes late is from before the lines begin.
        assert_eq!(story.off_ns(13).1, None);
        let words = story.times.refused.in_words();
        assert_eq!(words, "shown by the host monotonic clock: not_yet 2, too_old 1");
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
            let utc = story.times.at(ticks, &mut story.host).utc.as_unix_ns().cast_signed();
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
        story.host = HostClock::off_by(-SET_NS);
        for after_ms in [50, 51, 60, 80] {
            story.pair(after_ms, SET_NS);
        }
        let (off_ns, set_ns) = story.off_ns(81);
        assert!(off_ns.abs_diff(SET_NS) < 100, "{off_ns}");
        assert!(set_ns.unwrap().abs_diff(SET_NS) < 1_000_000, "{set_ns:?}");
        let again = story.host.resync();
        assert!(again.abs() < 1_000_000, "the monotonic clock's distance is the new one: {again}");
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
    fn an_anchor_is_taken_anew_when_it_is_old() {
        let mut story = Story::new(0);
        for (after_ms, is_kept) in [(99, true), (0, true), (101, false)] {
            story.off_ns(after_ms);
            assert_eq!(story.times.anchor.ticks == BEGIN, is_kept, "{after_ms} ms");
        }
    }

    proptest! {
        #[test]
        fn the_monotonic_clock_is_told_to_the_nanosecond(
            ticks_per_s in 1_000_000u64..6_000_000_000,
            ticks in 1u64 << 40..1 << 50,
            mono_ns in 1u64 << 50..1 << 55,
            ahead_ns in -10_000_000_000i64..10_000_000_000,
        ) {
            let anchor = Anchor { ticks, mono: Instant::from_ns(mono_ns) };
            let ahead = i128::from(ahead_ns) * i128::from(ticks_per_s) / 1_000_000_000;
            let at = anchor.mono_at((i128::from(ticks) + ahead) as u64, ticks_per_s).as_ns();
            let tick_ns = 1_000_000_000 / ticks_per_s + 1;
            prop_assert!(at.abs_diff(mono_ns.wrapping_add_signed(ahead_ns)) <= tick_ns);
        }
    }
}
