//! Latencies of a running engine, hop by hop, held against what the simulated wire knows: through a clock that jumps, is reset,
//! and is not believed any more.

mod known;
mod port;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use fixwire::clock_watch::ClockWatch;
use fixwire::measure::live::{Clocks, Hops, LiveCounters, MsgType, Record, Sample, recorder};
use fixwire::measure::pairs::Reason;
use fixwire::measure::stamp::Clock as Whose;
use fixwire::measure::tally::Kind;
use fixwire::measure::wire_time::WireTime;
use fixwire::offload::capability::Capability;
use fixwire::offload::clock::{Bracket, ClockConfig, Discipline, Publisher};
use fixwire::offload::nic::Nic;
use fixwire::offload::profile::{Policy, Profile};
use fixwire::offload::stamp::{ClockId, ClockInfo, Domain};
use fixwire::time::{Clock, Duration, Instant};
use fixwire_hw::sim::{self, Direction, End, Faults, Line, Model, ModelClock, NicFaults};
use known::{Known, Striker, Truth, Venue, Watched};
use rtrb::Consumer;

use crate::common::{Pair, Terms};
use crate::line::BITS_PER_S;

const HOST: ClockInfo = ClockInfo {
    id: ClockId::HOST,
    domain: Domain::HostNs,
    ticks_per_s: 1_000_000_000,
    bits: u64::BITS,
};

/// An engine that is measured on a watched device, whose clock is read in the wire's time as a clock service does.
struct Story {
    pair: Pair<Striker, Venue, Watched>,
    known: Rc<Known>,
    discipline: Discipline,
    publisher: Publisher,
    watch: ClockWatch,
    ring: Consumer<Record>,
    counters: Arc<LiveCounters>,
    hops: Hops,
    samples: Vec<Sample>,
    per_s: u64,
}

impl Story {
    fn new(seed: u64) -> Story {
        let known = Rc::new(Known::default());
        known.random.set(0x9e37_79b9_7f4a_7c15 ^ seed << 32);
        let model = Model { clock: ModelClock::counter(78_125_000, 63), ..Model::full() };
        let line = Line { latency_ns: 5_000, bandwidth_bits_per_s: Some(BITS_PER_S) };
        let profile = Profile::all(Policy::Prefer).with(Capability::TxTimestamp, Policy::Prefer);
        let terms = Terms::of(model, &profile);
        let sim = sim::Config { line, ..terms.sim };
        let terms = Terms { seed, sim, tune: |config| config.send_bytes_max = 8_192, ..terms };
        let wrap = |nic| Watched { nic, known: known.clone() };
        let (striker, venue) = (Striker { known: known.clone() }, Venue { random: seed });
        let mut pair = Pair::wrapped(terms, striker, venue, wrap);
        pair.wire.listen();
        assert!(known.wire.set(pair.wire.clone()).is_ok(), "once");
        let clock = pair.ours.nic().clock();
        let discipline = Discipline::new(&ClockConfig::default(), &HOST, clock.as_ref()).unwrap();
        let (publisher, reader) = Publisher::new(&discipline);
        let watch = ClockWatch::new(reader.clone());
        let wire = pair.wire.clone();
        let read = Box::new(move || Clock::now(&wire).mono.as_ns());
        let (recorder, ring, counters) = recorder(read, 4_096);
        pair.ours.measure_by(recorder);
        let hops = Hops::new(
            Clocks { host: HOST, device: clock, reader: Some(reader) },
            pair.ours.tells_sendings(),
        );
        let per_s = clock.unwrap().ticks_per_s;
        let samples = Vec::new();
        let mut story = Story {
            pair,
            known,
            discipline,
            publisher,
            watch,
            ring,
            counters,
            hops,
            samples,
            per_s,
        };
        (0..8).for_each(|_| story.read());
        story
    }

    /// One reading of both clocks, 50 ms after whatever was last; everything that was recorded is taken in before.
    fn read(&mut self) {
        while let Ok(record) = self.ring.pop() {
            self.hops.take(&record, &mut |sample| self.samples.push(*sample));
        }
        self.pair.wire.advance(Duration::from_ms(50));
        let nic = &mut self.pair.ours.nic_mut().nic;
        let bracket = Bracket::narrowest((0..4).filter_map(|_| nic.read_clock())).unwrap();
        self.discipline.on_device_pair(bracket);
        let now = self.pair.wire.now();
        let (before, after) = (now.mono.as_ns(), now.mono.as_ns());
        self.discipline.on_wall_pair(Bracket { before, reading: now.utc.as_unix_ns(), after });
        self.publisher.publish(&self.discipline);
        self.hops.settle(before, &mut |sample| self.samples.push(*sample));
        self.watch.look(&mut self.pair.ours);
    }

    /// So many messages more. Frames wait for a while before they are polled.
    fn trade(&mut self, messages: usize) {
        let until = self.known.truths.borrow().len() + messages;
        let mut steps = 0;
        while self.known.truths.borrow().len() < until {
            let pair = &mut self.pair;
            let received = pair.ours.poll(&pair.wire) + pair.theirs.poll(&pair.wire);
            if received == 0 {
                let timers = pair.ours.next_timeout().min(pair.theirs.next_timeout());
                let next = pair.wire.next_delivery().unwrap_or(Instant::FAR_FUTURE).min(timers);
                pair.wire.set_now(next);
                self.known.takes(6_000);
            }
            steps += 1;
            assert!(steps < 100_000, "stuck");
        }
        // What is on its way out leaves, and is told of.
        for _ in 0..20 {
            self.pair.wire.advance(Duration::from_us(10));
            self.pair.ours.poll(&self.pair.wire);
        }
    }

    fn rounds(&mut self, rounds: usize) {
        for _ in 0..rounds {
            self.trade(5);
            self.read();
        }
    }

    /// Samples of a kind so far.
    fn count(&self, kind: Kind) -> usize {
        self.samples.iter().filter(|sample| sample.kind == kind).count()
    }

    fn lives(&self, kind: Kind) -> Vec<u16> {
        let mut lives: Vec<u16> = self
            .samples
            .iter()
            .filter(|sample| sample.kind == kind)
            .filter_map(|sample| match sample.end.domain.clock {
                Whose::Nic { life } | Whose::NicByHost { life } => Some(life),
                _ => None,
            })
            .collect();
        lives.dedup();
        lives
    }

    /// Every interval that was told is the truth's, within what is said of it; each message is in one or is excluded.
    fn check(&self) {
        let truths = self.known.truths.borrow();
        let at = |ns: u64| WireTime::from_ticks(ns, 1_000_000_000);
        let by_nic = |ticks: u64| WireTime::from_ticks(ticks, self.per_s);
        for sample in &self.samples {
            let Sample { kind, begin, end, span, bound, .. } = *sample;
            let near = |time: WireTime, ns: u64| (time - at(ns)).abs() <= bound;
            let of = |truth: &&Truth| match kind {
                Kind::WireToPoll => end.time == at(truth.polled),
                Kind::PollToApplication => begin.time == at(truth.polled),
                Kind::ApplicationToFrame => begin.time == at(truth.entered),
                Kind::FrameToDoorbell => begin.time == at(truth.ready),
                Kind::PollToDoorbell => begin.time == at(truth.polled),
                Kind::WireToDoorbell => end.time == at(truth.doorbell),
                Kind::DoorbellToWire => begin.time == at(truth.doorbell),
                // By the NIC's own clock.
                Kind::WireToWire => begin.time == by_nic(truth.last.ticks),
                Kind::FirstToLastSegment => {
                    begin.time == by_nic(truth.first.ticks) && end.time == by_nic(truth.last.ticks)
                }
                _ => false,
            };
            // Of a burst with both, only reports are answered.
            let is_report = sample.types.trigger == MsgType::new(b"8");
            let mut of_type = truths.iter().filter(|truth| truth.is_answered == is_report);
            let truth = of_type.find(of).unwrap_or_else(|| panic!("of no message: {sample:?}"));
            let (from, to) = match kind {
                Kind::FirstToLastSegment => (truth.first.at, truth.last.at),
                Kind::WireToWire => (truth.last.at, truth.left),
                Kind::WireToPoll => (truth.last.at, truth.polled),
                Kind::PollToApplication => (truth.polled, truth.entered),
                Kind::ApplicationToFrame => (truth.entered, truth.ready),
                Kind::FrameToDoorbell => (truth.ready, truth.doorbell),
                Kind::PollToDoorbell => (truth.polled, truth.doorbell),
                Kind::WireToDoorbell => (truth.last.at, truth.doorbell),
                Kind::DoorbellToWire => (truth.doorbell, truth.left),
                _ => panic!("{kind} is none of ours"),
            };
            let off = (span - (at(to) - at(from))).abs();
            assert!(off <= bound, "{off:?} off: {sample:?} of {truth:?}");
            if !matches!(end.domain.clock, Whose::Nic { .. }) {
                assert!(near(begin.time, from) && near(end.time, to), "{sample:?} of {truth:?}");
            }
        }
        let answered = truths.iter().filter(|truth| truth.is_answered).count();
        let tally = self.hops.tally();
        for (kind, all) in [
            (Kind::WireToPoll, truths.len()),
            (Kind::PollToApplication, truths.len()),
            // And what was sent at the logon.
            (Kind::ApplicationToFrame, answered + 1),
            (Kind::PollToDoorbell, answered + 1),
            (Kind::WireToDoorbell, answered + 1),
            (Kind::DoorbellToWire, answered + 1),
            (Kind::WireToWire, answered + 1),
        ] {
            let found = self.count(kind) as u64 + tally.excluded_in_all(kind);
            assert_eq!(found, all as u64, "{kind}");
            // What is shown is what was told.
            let of_kind = tally.distributions().iter().filter(|of| of.kind == kind);
            let shown: u64 = of_kind.clone().map(|of| of.ps.len()).sum();
            assert_eq!(shown, self.count(kind) as u64, "{kind}");
            let longest = self.samples.iter().filter(|of| of.kind == kind).map(|of| of.span).max();
            assert_eq!(of_kind.map(|of| of.max).max(), longest, "{kind}");
        }
        assert_eq!(self.counters.ring_full.load(Ordering::Relaxed), 0);
    }

    /// Nothing waits any more.
    fn finish(&mut self) {
        self.read();
        self.hops.finish(&mut |sample| self.samples.push(*sample));
    }
}

#[test]
fn what_is_told_of_each_hop_is_what_the_wire_knows() {
    for seed in 1..=5 {
        let mut story = Story::new(seed);
        story.rounds(60);
        story.finish();
        story.check();
        let tally = story.hops.tally();
        for kind in Kind::LIVE {
            let at_logon = tally.excluded(kind, Reason::AtLogon);
            assert_eq!(tally.excluded_in_all(kind), at_logon, "seed {seed}: {kind}");
            assert!(story.count(kind) > 30, "seed {seed}: {} {kind}", story.count(kind));
        }
        assert_eq!(story.hops.sent_at_logon(), 1);
        let types: Vec<String> = tally
            .distributions()
            .iter()
            .filter(|of| of.kind == Kind::PollToApplication || of.kind == Kind::WireToWire)
            .map(|of| of.title())
            .collect();
        assert_eq!(
            types,
            ["poll to application, 8", "poll to application, B", "wire in to wire out, 8>D"]
        );
        // Words for each, and a bound that is one.
        for of in tally.distributions() {
            assert!(of.noise_floor_ps() < 2_000_000, "{}: {}", of.title(), of.error_bound());
        }
    }
}

#[test]
fn what_was_held_behind_a_lost_segment_is_in_no_figure_that_begins_with_its_poll() {
    let mut all = 0;
    for seed in 31..=35 {
        let mut story = Story::new(seed);
        let faults = Faults { loss_ppm: 200_000, ..Faults::default() };
        story.pair.wire.set_faults(Direction::BToA, faults);
        story.rounds(60);
        story.finish();
        story.check();
        let tally = story.hops.tally();
        let held = tally.excluded(Kind::WireToPoll, Reason::Held);
        assert_eq!(tally.excluded(Kind::PollToApplication, Reason::Held), held, "seed {seed}");
        assert!(story.count(Kind::PollToApplication) > 250, "seed {seed}");
        // Reports behind news, each of which was answered.
        for kind in [Kind::PollToDoorbell, Kind::WireToDoorbell, Kind::WireToWire] {
            assert_eq!(tally.excluded(kind, Reason::Held), held, "seed {seed}: {kind}");
        }
        all += held;
    }
    assert!(all > 0, "none was held");
}

#[test]
fn a_clock_that_jumps_makes_no_figure_wrong_and_its_next_life_has_figures_of_its_own() {
    // Less than a frame may wait, and more.
    for jump_ns in [4_000, 30_000_000] {
        let mut story = Story::new(11);
        story.rounds(10);
        story.trade(5);
        let faults = NicFaults { clock_jump_ns: jump_ns, ..NicFaults::default() };
        story.pair.wire.set_nic_faults(End::A, faults);
        story.trade(5);
        story.rounds(12);
        story.finish();
        story.check();
        let refused = story.hops.tally().excluded(Kind::WireToPoll, Reason::ClockRefused);
        assert!((10..50).contains(&refused), "{jump_ns} ns: {refused} refused");
        for kind in [Kind::WireToPoll, Kind::WireToDoorbell, Kind::DoorbellToWire, Kind::WireToWire]
        {
            assert_eq!(story.lives(kind), [0, 1], "{jump_ns} ns: {kind}");
        }
        // A figure for each life: never one of both.
        let of_poll = story.hops.tally().distributions().iter();
        let of_poll = of_poll.filter(|of| of.kind == Kind::WireToWire);
        assert_eq!(of_poll.count(), 2);
    }
}

#[test]
fn a_clock_that_was_reset_is_followed_anew() {
    let mut story = Story::new(12);
    story.rounds(10);
    let now = story.known.now();
    story.discipline.on_device_reset(now);
    story.publisher.publish(&story.discipline);
    story.rounds(12);
    story.finish();
    story.check();
    assert!(story.hops.tally().excluded(Kind::WireToPoll, Reason::ClockRefused) > 0);
    assert_eq!(story.lives(Kind::WireToDoorbell).last(), Some(&1));
}

#[test]
fn a_device_that_is_not_believed_any_more_is_in_no_figure_until_it_is_again() {
    let mut story = Story::new(13);
    story.rounds(10);
    let before = story.count(Kind::WireToPoll);
    let faults = NicFaults { stamps_missing_ppm: 1_000_000, ..NicFaults::default() };
    story.pair.wire.set_nic_faults(End::A, faults);
    story.rounds(60);
    assert!(story.pair.ours.next_device_event().is_some(), "it was demoted");
    assert_eq!(story.count(Kind::WireToPoll), before);
    let by_host = story.hops.tally().excluded(Kind::WireToPoll, Reason::NotByDevice);
    assert!(by_host >= 290, "{by_host}");
    // What the host does is known all the same.
    assert!(story.count(Kind::PollToDoorbell) > 200);
    story.pair.wire.set_nic_faults(End::A, NicFaults::default());
    story.pair.ours.promote();
    story.rounds(5);
    story.finish();
    story.check();
    assert!(story.count(Kind::WireToPoll) > before + 15);
    let lives = story.lives(Kind::WireToPoll);
    assert!(lives.len() == 2 && lives[0] != lives[1], "{lives:?}");
}
