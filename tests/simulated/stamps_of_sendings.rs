//! When each message left: by the device's stamp of the segment with its last byte, the first sending and later ones, or
//! by the host's clock. Held against what was handed to the device, frame by frame.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use fixwire::app::exchange::Exchange;
use fixwire::app::order::NEW_ORDER_SINGLE;
use fixwire::app::{Application, SessionId};
use fixwire::fix::{Message, Outlet, Sender, Store};
use fixwire::offload::RxStamp;
use fixwire::offload::capability::Capability;
use fixwire::offload::nic::{Burst, Frame as _, Link, Nic, RxMeta, TxReports};
use fixwire::offload::observe::{Demotion, DeviceEvent, Drift, NicCounters, Observed};
use fixwire::offload::profile::{Policy, Profile};
use fixwire::offload::stamp::{ClockId, ClockInfo, Domain};
use fixwire::sent_stamps::{SentStamp, StampSource};
use fixwire::time::{Clock, Duration, Instant};
use fixwire_hw::pool::Frame;
use fixwire_hw::sim::{self, End, Faults, Line, Model, NicFaults, SimNic};

use crate::common::prepared::{SESSION, Strategy, count, order};
use crate::common::{Pair, Terms};
use crate::line::{BITS_PER_S, busy_for, data_of};

const MESSAGES: usize = 400;

/// A segment with data, as it was handed over: when, when its first bit left, its number, and its bytes.
struct Left {
    handed_over_at: Instant,
    first_bit_at: Instant,
    seq: u32,
    payload: Vec<u8>,
}

/// A device that keeps what it is handed.
struct Watched {
    nic: SimNic,
    /// The wire's time.
    now: Rc<Cell<Instant>>,
    /// When the wire is idle again.
    idle_from: Instant,
    left: Rc<RefCell<Vec<Left>>>,
}

impl Nic for Watched {
    type Frame = Frame;

    fn rx_burst(&mut self, burst: &mut Burst<Frame>) -> usize {
        self.nic.rx_burst(burst)
    }

    fn rx_meta(&self, frame: &Frame) -> RxMeta {
        self.nic.rx_meta(frame)
    }

    fn tx_frame(&mut self) -> Option<Frame> {
        self.nic.tx_frame()
    }

    fn tx_burst(&mut self, burst: &mut Burst<Frame>) -> usize {
        for frame in burst.iter() {
            let (bytes, now) = (frame.bytes(), self.now.get());
            let first_bit_at = self.idle_from.max(now);
            self.idle_from = first_bit_at + busy_for(bytes.len());
            if let Some((seq, payload)) = data_of(bytes) {
                let payload = payload.to_vec();
                let left = Left { handed_over_at: now, first_bit_at, seq, payload };
                self.left.borrow_mut().push(left);
            }
        }
        self.nic.tx_burst(burst)
    }

    fn tx_reports(&mut self, reports: &mut TxReports) -> usize {
        self.nic.tx_reports(reports)
    }

    fn link(&mut self) -> Link {
        self.nic.link()
    }

    fn clock(&self) -> Option<ClockInfo> {
        self.nic.clock()
    }

    fn mac(&self) -> [u8; 6] {
        self.nic.mac()
    }

    fn counters(&self) -> NicCounters {
        self.nic.counters()
    }
}

/// Sends short messages and long ones, some at a time.
struct Writer {
    sent: usize,
    random: u64,
}

impl Application for Writer {
    fn on_message<S: Store, O: Outlet>(
        &mut self,
        _: SessionId,
        _: &Message<'_>,
        _: Option<RxStamp>,
        _: &mut Sender<'_, S, O>,
    ) {
    }

    fn on_poll<S: Store, O: Outlet>(&mut self, _: SessionId, orders: &mut Sender<'_, S, O>) {
        let now = orders.now().utc;
        while self.sent < MESSAGES {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            let long = self.random.is_multiple_of(3);
            let text = vec![b'x'; if long { (self.random >> 20) as usize % 4_000 + 1 } else { 1 }];
            let sent = orders.send(NEW_ORDER_SINGLE, |encoder| {
                order(encoder, now);
                encoder.put_bytes(58, &text);
            });
            if sent.is_err() {
                return;
            }
            self.sent += 1;
            if self.random >> 50 & 3 != 0 {
                return;
            }
        }
    }

    const WANTS_POLL: bool = true;
}

/// One who trades on a watched device, and what was seen.
struct Run {
    pair: Pair<Writer, Exchange, Watched>,
    now: Rc<Cell<Instant>>,
    left: Rc<RefCell<Vec<Left>>>,
    told: Vec<SentStamp>,
}

impl Run {
    fn new(seed: u64, model: Model, policy: Policy) -> Run {
        let (now, left) = (Rc::new(Cell::new(Instant::ZERO)), Rc::new(RefCell::new(Vec::new())));
        let line = Line { latency_ns: 5_000, bandwidth_bits_per_s: Some(BITS_PER_S) };
        let profile = Profile::all(Policy::Prefer).with(Capability::TxTimestamp, policy);
        let terms = Terms::of(model, &profile);
        let terms = Terms { seed, sim: sim::Config { line, ..terms.sim }, ..terms };
        let wrap =
            |nic| Watched { nic, now: now.clone(), idle_from: Instant::ZERO, left: left.clone() };
        let writer = Writer { sent: 0, random: 0x9e37_79b9_7f4a_7c15 ^ seed << 40 };
        let pair = Pair::wrapped(terms, writer, Exchange::new(), wrap);
        Run { pair, now, left, told: Vec::new() }
    }

    fn step(&mut self) {
        self.now.set(Clock::now(&self.pair.wire).mono);
        self.pair.step();
        while let Some(told) = self.pair.ours.next_sent_stamp() {
            self.told.push(told);
        }
    }

    fn run_for(&mut self, span: Duration) {
        let until = Clock::now(&self.pair.wire).mono + span;
        while Clock::now(&self.pair.wire).mono < until {
            self.step();
        }
    }

    /// Until everything was sent and has arrived, and some time beyond.
    fn run_to_the_end(&mut self) {
        let mut steps = 0;
        let is_unsent = |run: &Run| run.pair.ours.app().sent < MESSAGES;
        while is_unsent(self) {
            self.step();
            steps += 1;
            assert!(steps < 1_000_000, "stuck at {}", self.pair.ours.app().sent);
        }
        self.run_for(Duration::from_s(3));
    }

    /// All sendings that there were: each message's number, whether it had left before, and the frame with its end.
    fn expected(&self) -> Vec<(u32, bool, Instant, Instant)> {
        let left = self.left.borrow();
        let first = left[0].seq;
        let mut stream = Vec::new();
        for Left { seq, payload, .. } in left.iter() {
            let at = seq.wrapping_sub(first) as usize;
            stream.resize(stream.len().max(at + payload.len()), 0);
            stream[at..at + payload.len()].copy_from_slice(payload);
        }
        // Where each message ends, and its number.
        let (mut ends, mut at) = (Vec::new(), 0);
        while let Some(sum) = stream[at..].windows(4).position(|it| it == b"\x0110=") {
            let message = &stream[at..at + sum];
            let number = message.windows(4).position(|it| it == b"\x0134=").unwrap() + 4;
            let digits = message[number..].iter().take_while(|byte| byte.is_ascii_digit());
            at += sum + 8;
            let number = digits.fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
            ends.push((at, number));
        }
        let (mut sendings, mut edge) = (Vec::new(), 0);
        for frame in left.iter() {
            let start = frame.seq.wrapping_sub(first) as usize;
            let end = start + frame.payload.len();
            for (at, number) in ends.iter().filter(|(at, _)| start < *at && *at <= end) {
                let again = *at <= edge;
                sendings.push((*number, again, frame.handed_over_at, frame.first_bit_at));
            }
            edge = edge.max(end);
        }
        sendings
    }

    fn events(&mut self) -> Vec<DeviceEvent> {
        core::iter::from_fn(|| self.pair.ours.next_device_event()).collect()
    }

    fn count(&self, name: &str) -> u64 {
        count(&self.pair.ours, name)
    }

    /// Every sending is told of once, by the right time of its source, whatever the device has told.
    fn check(&self, what: &str) {
        let mut told: Vec<_> = self
            .told
            .iter()
            .map(|told| {
                assert_eq!(told.session, Some(SessionId(0)));
                (told.handed_over_at, told.msg_seq_num, told.is_again)
            })
            .collect();
        let mut expected: Vec<_> =
            self.expected().into_iter().map(|(number, again, at, _)| (at, number, again)).collect();
        told.sort_unstable();
        expected.sort_unstable();
        assert_eq!(told, expected, "{what}");
        let by = |source| self.told.iter().filter(|told| told.source == source).count() as u64;
        assert_eq!(self.count("tx_stamp_by_device"), by(StampSource::Device), "{what}");
        assert_eq!(self.count("tx_stamp_by_software"), by(StampSource::Software), "{what}");
    }
}

fn by_host(at: Instant) -> RxStamp {
    RxStamp { clock: ClockId::HOST, generation: 0, domain: Domain::HostNs, ticks: at.as_ns() }
}

fn without_reports() -> Model {
    let full = Model::full();
    Model { capabilities: full.capabilities.clone().without(Capability::TxTimestamp), ..full }
}

#[test]
fn each_sending_of_each_message_bears_the_time_of_its_frame() {
    for (model, source) in
        [(Model::full(), StampSource::Device), (without_reports(), StampSource::Software)]
    {
        let (mut again, mut several) = (0, 0);
        for seed in 1..=20 {
            let mut run = Run::new(seed, model.clone(), Policy::Prefer);
            while run.left.borrow().is_empty() {
                run.step();
            }
            let faults = Faults { loss_ppm: 20_000, ..Faults::default() };
            run.pair.set_faults(faults);
            run.run_to_the_end();
            let expected = run.expected();
            assert!(expected.len() >= MESSAGES);
            let told: Vec<_> = run
                .told
                .iter()
                .map(|told| (told.msg_seq_num, told.is_again, told.handed_over_at, told.stamp))
                .collect();
            let stamped = expected.iter().map(|(number, again, at, first_bit_at)| {
                let stamp = match source {
                    StampSource::Software => by_host(*at),
                    StampSource::Device => RxStamp {
                        clock: ClockId(1),
                        generation: 0,
                        domain: Domain::VirtualNs,
                        ticks: first_bit_at.as_ns(),
                    },
                };
                (*number, *again, *at, stamp)
            });
            assert_eq!(told, stamped.collect::<Vec<_>>(), "seed {seed}");
            assert!(run.told.iter().all(|told| told.source == source));
            run.check("right");
            again += expected.iter().filter(|sending| sending.1).count();
            let same = |pair: &&[(u32, bool, Instant, Instant)]| pair[0].3 == pair[1].3;
            several += expected.windows(2).filter(same).count();
            for name in ["tx_stamp_missing", "tx_stamp_unknown", "tx_stamp_stale"] {
                assert_eq!(run.count(name), 0, "seed {seed}: {name}");
            }
            let observed = run.pair.ours.observations().of(Capability::TxTimestamp).observed();
            let is_proven = observed == Observed::Proven;
            assert_eq!(is_proven, source == StampSource::Device, "{observed}");
        }
        assert!(again > 50 && several > 50, "{again} sent again, {several} beside others");
    }
}

#[test]
fn where_the_profile_does_not_ask_nothing_is_told() {
    let mut run = Run::new(1, Model::full(), Policy::Off);
    run.run_to_the_end();
    assert!(run.told.is_empty());
    let counters = run.pair.ours.counters().filter(|(name, _)| name.starts_with("tx_stamp"));
    assert!(counters.map(|(_, count)| count).eq([0; 9]));
}

/// Trades on a device with these faults from the first message on.
fn misbehaving(seed: u64, faults: NicFaults) -> Run {
    let mut run = Run::new(seed, Model::full(), Policy::Prefer);
    while run.told.is_empty() {
        run.step();
    }
    run.pair.wire.set_nic_faults(End::A, faults);
    run.run_to_the_end();
    run
}

#[test]
fn what_the_device_does_not_tell_in_time_the_host_s_clock_stands_in_for() {
    let late = NicFaults { tx_reports_late_ppm: 50_000, ..NicFaults::default() };
    let faults = NicFaults::default();
    for (faults, what, missing, stale, unknown) in [
        (NicFaults { tx_reports_lost_ppm: 50_000, ..faults }, "lost", true, false, false),
        (NicFaults { tx_reports_late_ns: 1_000_000, ..late }, "out of order", false, false, false),
        (NicFaults { tx_reports_late_ns: 200_000_000, ..late }, "too late", true, true, false),
        (NicFaults { tx_reports_false_ppm: 50_000, ..faults }, "false", true, false, true),
        (NicFaults { tx_reports_twice_ppm: 50_000, ..faults }, "twice", false, true, false),
    ] {
        for seed in 1..=5 {
            let mut run = misbehaving(seed, faults);
            run.check(what);
            assert_eq!(run.count("tx_stamp_missing") > 0, missing, "{what}");
            assert_eq!(run.count("tx_stamp_stale") > 0, stale, "{what}");
            assert_eq!(run.count("tx_stamp_unknown") > 0, unknown, "{what}");
            assert_eq!(run.events(), [], "{what}");
            let first_bits: Vec<_> = run.expected();
            for told in run.told.iter().filter(|told| told.source == StampSource::Device) {
                let is_right = first_bits.iter().any(|(number, again, _, first_bit_at)| {
                    (*number, *again) == (told.msg_seq_num, told.is_again)
                        && first_bit_at.as_ns() == told.stamp.ticks
                });
                assert!(is_right, "{what}: {told:?}");
            }
        }
    }
}

#[test]
fn a_device_that_falls_silent_stands_still_or_goes_back_is_not_believed_until_it_is_again() {
    let faults = NicFaults::default();
    let late = NicFaults { tx_reports_late_ppm: 50_000, tx_reports_late_ns: 500_000, ..faults };
    for (faults, drift) in [
        (NicFaults { tx_reports_lost_ppm: 1_000_000, ..faults }, Drift::StampsVanished),
        (NicFaults { tx_stamps_frozen: true, ..faults }, Drift::StampStoodStill),
        (NicFaults { clock_jump_ns: -1_000_000_000, ..late }, Drift::StampWentBack),
    ] {
        let mut run = Run::new(3, Model::full(), Policy::Prefer);
        while run.told.len() < 20 {
            run.step();
        }
        run.pair.wire.set_nic_faults(End::A, faults);
        run.run_to_the_end();
        run.run_for(Duration::from_s(100));
        run.check(drift.name());
        let demotion = Demotion { capability: Capability::TxTimestamp, drift };
        let events = run.events();
        let missing = run.count("tx_stamp_missing");
        assert!(events.contains(&DeviceEvent::Demoted(demotion)), "{drift}: {events:?} {missing}");
        assert_eq!(run.count("tx_stamp_backwards"), u64::from(drift == Drift::StampWentBack));
        assert_eq!(run.told.last().unwrap().source, StampSource::Software, "{drift}");
        let label = run.told.iter().rfind(|told| told.source == StampSource::Device).unwrap().stamp;
        run.pair.wire.set_nic_faults(End::A, NicFaults::default());
        assert!(run.pair.ours.promote().contains(&Capability::TxTimestamp));
        run.run_for(Duration::from_s(100));
        run.check("promoted");
        let last = run.told.last().unwrap();
        assert_eq!(last.source, StampSource::Device, "{drift}: heartbeats are told of too");
        assert!(!last.stamp.compares_with(&label), "{drift}: another generation");
        let received = run.pair.ours.newest_stamp().unwrap();
        assert_eq!(received.clock, last.stamp.clock, "{drift}");
    }
}

#[test]
fn a_device_that_is_required_to_tell_and_does_not_ends_the_plan() {
    for (model, is_unmet) in [(Model::full(), false), (without_reports(), true)] {
        let profile = Profile::all(Policy::Prefer).with(Capability::TxTimestamp, Policy::Require);
        let plan = fixwire::offload::Plan::negotiate("sim", &profile, &model.capabilities);
        let unmet: Vec<_> = plan.unmet().map(|row| row.capability).collect();
        assert_eq!(unmet.contains(&Capability::TxTimestamp), is_unmet);
    }
}

#[test]
fn a_prepared_order_is_told_of_too_and_so_is_its_frame_that_leaves_again() {
    for held in [Policy::Prefer, Policy::Off] {
        let profile = Profile::all(Policy::Prefer).with(Capability::HeldFrames, held);
        let mut pair = Pair::new(Terms::of(Model::full(), &profile), Strategy::default());
        while !pair.ours.app().is_up {
            pair.step();
        }
        pair.run_for(Duration::from_ms(10));
        while pair.ours.next_sent_stamp().is_some() {}
        let now = Clock::now(&pair.wire);
        let mut send = pair.ours.prepare_send(now, SESSION).unwrap();
        pair.set_faults(Faults { loss_ppm: 1_000_000, ..Faults::default() });
        let sent = pair.ours.send_prepared(now, &mut send, NEW_ORDER_SINGLE, |encoder| {
            order(encoder, now.utc);
        });
        let seq = sent.unwrap();
        pair.run_for(Duration::from_ms(1));
        pair.set_faults(Faults::default());
        pair.run_for(Duration::from_ms(500));
        let told: Vec<_> = core::iter::from_fn(|| pair.ours.next_sent_stamp()).collect();
        let of_order: Vec<_> = told.iter().filter(|told| told.msg_seq_num == seq).collect();
        assert!(of_order.len() > 1, "{told:?}");
        assert_eq!((of_order[0].handed_over_at, of_order[0].is_again), (now.mono, false));
        assert_eq!(of_order[0].stamp.ticks, now.mono.as_ns());
        for again in &of_order[1..] {
            assert!(again.is_again && again.handed_over_at > now.mono, "{again:?}");
            assert_eq!(again.source, StampSource::Device);
        }
        assert_eq!(count(&pair.ours, "tcp_held_again") > 0, held == Policy::Prefer);
    }
}
