//! What was measured in each of the last seconds, for whoever asks while it goes on.
//!
//! The thread that adds up hands a second over once it is full, and never waits for who reads: a second that cannot be handed
//! over yet goes on.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fixwire::measure::live::{LiveCounters, Sample};
use fixwire::measure::stamp::Clock;
use fixwire::measure::tally::{INTERVAL_PS_MAX, Kind, Tally};
use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// How long intervals are added up before they are shown.
const SECOND: Duration = Duration::from_secs(1);
/// Seconds that are kept.
const SECONDS_MAX: usize = 120;
/// Significant decimal digits of what is shown.
const DIGITS: u8 = 2;

/// Intervals of one kind, of all message types together, that ended within a second.
#[derive(Clone, Copy, Debug)]
struct Second {
    /// By whose clock.
    clock: Clock,
    samples: u64,
    p50_ps: u64,
    p99_ps: u64,
    max_ps: u64,
}

/// The last seconds of each kind, the oldest first.
#[derive(Debug, Default)]
struct Seconds {
    of: [VecDeque<Option<Second>>; Kind::LIVE.len()],
    /// Since the start.
    excluded: [u64; Kind::LIVE.len()],
    records: u64,
    records_ring_full: u64,
}

/// What others read.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecentView(Arc<Mutex<Seconds>>);

impl RecentView {
    /// For machines; `None` where the thread that adds up came to a bad end.
    pub(crate) fn json(&self) -> Option<Value> {
        let seconds = self.0.lock().ok()?;
        let kinds = Kind::LIVE.iter().zip(seconds.of.iter().zip(seconds.excluded));
        let intervals = kinds.map(|(kind, (of, excluded))| {
            let clock = of.iter().rev().flatten().next().map(|second| second.clock.to_string());
            json!({
                "kind": kind.name(),
                "title": kind.to_string(),
                "clock": clock,
                "excluded": excluded,
                "recent": of.iter().map(|second| second.map(Second::json)).collect::<Vec<_>>(),
            })
        });
        Some(json!({
            "second_ms": SECOND.as_millis() as u64,
            "intervals": intervals.collect::<Vec<_>>(),
            "records": seconds.records,
            "records_ring_full": seconds.records_ring_full,
        }))
    }
}

impl Second {
    fn json(self) -> Value {
        let ns = |ps: u64| ps as f64 / 1_000.0;
        json!({
            "samples": self.samples,
            "p50_ns": ns(self.p50_ps),
            "p99_ns": ns(self.p99_ps),
            "max_ns": ns(self.max_ps),
        })
    }
}

/// A second that goes on, of one kind.
struct Begun {
    clock: Option<Clock>,
    ps: Histogram<u64>,
    max_ps: u64,
}

impl Begun {
    fn new() -> Begun {
        let ps = Histogram::new_with_bounds(1, INTERVAL_PS_MAX, DIGITS);
        Begun { clock: None, ps: ps.expect("bounds are constants in range"), max_ps: 0 }
    }

    fn begin_anew(&mut self, clock: Option<Clock>) {
        self.ps.reset();
        (self.clock, self.max_ps) = (clock, 0);
    }

    /// No figure has intervals by two clocks: one by another clock begins the second anew.
    fn note(&mut self, sample: &Sample) {
        let clock = Some(sample.end.domain.clock);
        if self.clock != clock {
            self.begin_anew(clock);
        }
        let ps = u64::try_from(sample.span.as_ps()).unwrap_or(u64::MAX);
        self.ps.saturating_record(ps);
        self.max_ps = self.max_ps.max(ps);
    }

    fn end(&self) -> Option<Second> {
        let of = |quantile| self.ps.value_at_quantile(quantile).min(self.max_ps);
        self.clock.map(|clock| Second {
            clock,
            samples: self.ps.len(),
            p50_ps: of(0.5),
            p99_ps: of(0.99),
            max_ps: self.max_ps,
        })
    }
}

/// The side of the thread that adds up.
pub(super) struct Recent {
    view: RecentView,
    counters: Arc<LiveCounters>,
    since: Instant,
    begun: [Begun; Kind::LIVE.len()],
}

impl Recent {
    pub(super) fn new(view: RecentView, counters: Arc<LiveCounters>, now: Instant) -> Recent {
        Recent { view, counters, since: now, begun: std::array::from_fn(|_| Begun::new()) }
    }

    pub(super) fn note(&mut self, sample: &Sample) {
        let place = Kind::LIVE.iter().position(|kind| *kind == sample.kind);
        if let Some(begun) = place.and_then(|place| self.begun.get_mut(place)) {
            begun.note(sample);
        }
    }

    /// Hands the second over where it is full and nobody reads. To be called every few milliseconds.
    pub(super) fn turn(&mut self, now: Instant, tally: &Tally) {
        if now.duration_since(self.since) < SECOND {
            return;
        }
        let Ok(mut seconds) = self.view.0.try_lock() else { return };
        self.since = now;
        for (place, begun) in self.begun.iter_mut().enumerate() {
            let of = &mut seconds.of[place];
            if of.len() >= SECONDS_MAX {
                of.pop_front();
            }
            of.push_back(begun.end());
            begun.begin_anew(None);
            seconds.excluded[place] = tally.excluded_in_all(Kind::LIVE[place]);
        }
        seconds.records = self.counters.records.load(Ordering::Relaxed);
        seconds.records_ring_full = self.counters.ring_full.load(Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use fixwire::measure::live::MsgType;
    use fixwire::measure::stamp::{Domain, HostCounter, Stamp, Timescale};
    use fixwire::measure::tally::Types;
    use fixwire::measure::wire_time::{WireSpan, WireTime};

    use super::*;

    const HOST: Clock = Clock::Host(HostCounter::Tsc);

    fn sample(kind: Kind, clock: Clock, ns: i64) -> Sample {
        let domain = Domain { clock, scale: Timescale::Elapsed };
        let stamp = Stamp { time: WireTime::from_ticks(0, 1_000_000_000), domain, port: 0 };
        let types = Types { trigger: MsgType::UNKNOWN, order: None };
        let span = WireSpan::from_ns(ns);
        Sample { kind, types, begin: stamp, end: stamp, span, bound: WireSpan::ZERO }
    }

    fn recent() -> (Recent, RecentView, Instant) {
        let (view, now) = (RecentView::default(), Instant::now());
        (Recent::new(view.clone(), Arc::default(), now), view, now)
    }

    fn of(view: &RecentView, kind: Kind) -> Value {
        let json = view.json().unwrap();
        let all = json["intervals"].as_array().unwrap();
        all.iter().find(|of| of["kind"] == kind.name()).unwrap().clone()
    }

    #[test]
    fn a_second_is_shown_once_it_is_full_and_the_oldest_is_forgotten() {
        let (mut recent, view, mut now) = recent();
        let tally = Tally::live();
        for ns in [100, 200, 300] {
            recent.note(&sample(Kind::PollToDoorbell, HOST, ns));
        }
        recent.turn(now + SECOND / 2, &tally);
        assert_eq!(of(&view, Kind::PollToDoorbell)["recent"], json!([]));
        now += SECOND;
        recent.turn(now, &tally);
        let shown = of(&view, Kind::PollToDoorbell);
        assert_eq!(shown["clock"], "this host's time-stamp counter");
        let second = &shown["recent"][0];
        assert_eq!((&second["samples"], &second["max_ns"]), (&json!(3), &json!(300.0)));
        let p50 = second["p50_ns"].as_f64().unwrap();
        assert!((199.0..202.0).contains(&p50), "{p50}");
        assert_eq!(of(&view, Kind::WireToWire)["recent"], json!([null]));
        for _ in 0..2 * SECONDS_MAX {
            now += SECOND;
            recent.turn(now, &tally);
        }
        let shown = of(&view, Kind::PollToDoorbell)["recent"].as_array().unwrap().clone();
        assert_eq!(shown, vec![Value::Null; SECONDS_MAX]);
    }

    #[test]
    fn no_second_has_intervals_by_two_clocks() {
        let (mut recent, view, now) = recent();
        let life = |life| Clock::NicByHost { life };
        recent.note(&sample(Kind::WireToPoll, life(0), 9_000));
        recent.note(&sample(Kind::WireToPoll, life(1), 100));
        recent.turn(now + SECOND, &Tally::live());
        let shown = of(&view, Kind::WireToPoll);
        assert_eq!(
            (&shown["recent"][0]["samples"], &shown["recent"][0]["max_ns"]),
            (&json!(1), &json!(100.0))
        );
        assert!(shown["clock"].as_str().unwrap().contains("life 1"), "{shown}");
    }

    #[test]
    fn who_reads_keeps_nobody_waiting_and_loses_nothing() {
        let (mut recent, view, now) = recent();
        recent.note(&sample(Kind::PollToDoorbell, HOST, 100));
        let reads = view.0.lock().unwrap();
        // It would hang here.
        recent.turn(now + SECOND, &Tally::live());
        drop(reads);
        recent.note(&sample(Kind::PollToDoorbell, HOST, 200));
        recent.turn(now + SECOND + SECOND / 100, &Tally::live());
        assert_eq!(of(&view, Kind::PollToDoorbell)["recent"][0]["samples"], 2);
    }
}
