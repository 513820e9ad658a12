//! How fast losses are repaired, and how sparingly, in virtual time: bulk between two of our stacks by what theory
//! says of it, FIX messages there and back, and a peer that delays its ACKs.

mod common;
#[path = "kernel_tcp/end.rs"]
mod end;
#[path = "kernel_tcp/relay.rs"]
mod relay;

use common::full;
use end::{End, OURS, THEIRS};
use fixwire::app::echo::Echo;
use fixwire::app::order::NEW_ORDER_SINGLE;
use fixwire::app::{Application, SessionId};
use fixwire::fix::{Message, Outlet, Sender, Store};
use fixwire::offload::RxStamp;
use fixwire::offload::device::Device;
use fixwire::offload::flow::RuleSet;
use fixwire::offload::profile::{Policy, Profile};
use fixwire::tcp::{Config, CongestionControl, ConnectionId, Count, Endpoint, Event};
use fixwire::time::{Clock, Duration, Instant};
use fixwire::wire::ethernet::Mac;
use fixwire_hw::sim::{self, Line};
use relay::{Faults, Relay};

const PORT: u16 = 9878;
/// What a segment carries beside timestamps.
const PAYLOAD_LEN: f64 = 1_448.0;

/// Two of our stacks with a relay between them, and a clock of their own.
struct Pair {
    now: Instant,
    ends: [End; 2],
    /// By who sends.
    ways: [Relay; 2],
    id: ConnectionId,
}

impl Pair {
    fn new([ours, theirs]: [Config; 2], faults: Faults, seed: u64) -> Pair {
        let (backend, _, _) = sim::pair(sim::Config::default(), 1);
        let device = Device::probed(backend).plan(&Profile::all(Policy::Off), RuleSet::EMPTY);
        let started = device.configure().and_then(|device| device.start());
        let (_, plan) = started.and_then(|device| device.steer()).expect("the model starts");
        let (near, far) = ((OURS, Mac([2, 0, 0, 0, 0, 1])), (THEIRS, Mac([2, 0, 0, 0, 0, 2])));
        let now = Instant::from_ms(1_000);
        let mut ends =
            [End::new(now, ours, &plan, near, far), End::new(now, theirs, &plan, far, near)];
        ends[1].stack.listen(Endpoint { addr: THEIRS, port: PORT }).expect("a listener");
        let ways = [Relay::new(faults, 2 * seed), Relay::new(faults, 2 * seed + 1)];
        let id = ends[0].connect(now, 0, PORT);
        Pair { now, ends, ways, id }
    }

    /// All that happens at this moment, and on to the next.
    fn step(&mut self) {
        for to in 0..2 {
            while let Some(frame) = self.ways[1 - to].pop(self.now) {
                self.ends[to].arrive(self.now, &frame);
                self.leave(to);
            }
        }
        for end in 0..2 {
            self.ends[end].turn(self.now);
            self.leave(end);
        }
        let timers = self.ends.iter().map(|end| end.stack.next_timeout());
        let next = self.ways.iter().map(Relay::next_arrival).chain(timers).min();
        self.now = next.expect("four of them").max(self.now);
    }

    fn leave(&mut self, end: usize) {
        while let Some(frame) = self.ends[end].leave(self.now) {
            self.ways[end].push(self.now, frame);
        }
    }

    fn write(&mut self, len: usize, at: usize) -> bool {
        let Ok(room) = self.ends[0].stack.reserve(self.id, len) else { return false };
        room.iter_mut().zip(at..).for_each(|(byte, at)| *byte = pattern(at));
        self.ends[0].stack.commit(self.now, self.id, len);
        true
    }

    fn count(&self, what: Count) -> u64 {
        self.ends[0].stack.counters().of(what)
    }
}

fn pattern(at: usize) -> u8 {
    (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[0]
}

/// Sends `bytes`, and says how many came in a second.
fn bulk(pair: &mut Pair, bytes: usize) -> f64 {
    let (mut written, mut first) = (0, None);
    while pair.ends[1].received.len() < bytes {
        while written < bytes && pair.write(8_192.min(bytes - written), written) {
            written += 8_192.min(bytes - written);
        }
        pair.step();
        if !pair.ends[1].received.is_empty() {
            first.get_or_insert(pair.now);
        }
    }
    let received = &pair.ends[1].received;
    assert!(received.len() == bytes && received.iter().zip(0..).all(|(b, at)| *b == pattern(at)));
    bytes as f64 * 1e9 / (pair.now - first.expect("it came")).as_ns() as f64
}

/// Mathis, Semke, Mahdavi and Ott, 1997: what loss by chance leaves to a window that is halved at each, without
/// delayed ACKs and timeouts.
fn mathis_bytes_per_s(round_trip_ms: u64, loss_percent: u64) -> f64 {
    PAYLOAD_LEN * 1e3 / round_trip_ms as f64 * (150.0 / loss_percent as f64).sqrt()
}

#[test]
fn bulk_loses_little_to_loss_and_nothing_that_arrived_goes_again() {
    let seeds = if full() { 40 } else { 6 };
    for (control, round_trip_ms, loss_percent, of_theory) in [
        (CongestionControl::NewReno, 20, 1, 0.95),
        (CongestionControl::NewReno, 20, 5, 0.75),
        (CongestionControl::Cubic, 20, 1, 0.95),
        (CongestionControl::Cubic, 20, 5, 0.85),
    ] {
        let (bytes, mut per_s, mut again, mut spared) = (4 << 20, 0.0, 0, 0);
        for seed in 1..=seeds {
            let faults = Faults {
                loss_percent,
                delay: Duration::from_us(500 * round_trip_ms),
                ..Faults::default()
            };
            let config = Config {
                send_buffer_bytes: 512 * 1024,
                receive_buffer_bytes: 512 * 1024,
                congestion: control,
                ..Config::default()
            };
            let mut pair = Pair::new([config.clone(), config], faults, seed);
            let one = bulk(&mut pair, bytes);
            // At 1 % a first loss may come late, and the window be wide until then.
            let is_fair =
                loss_percent < 5 || one < 2.0 * mathis_bytes_per_s(round_trip_ms, loss_percent);
            assert!(is_fair, "seed {seed}, {control:?}: {one} bytes/s make way for nobody");
            per_s += one / f64::from(seeds as u32);
            again += pair.count(Count::Retransmission);
            // A probe or a timeout for want of ACKs may send what has arrived.
            spared += pair.ways[0].lost + pair.count(Count::DsackIn);
            let asked = pair.count(Count::LossProbe) + pair.count(Count::RetransmitTimeout);
            assert!(
                pair.count(Count::DsackIn) <= 3 * asked + 2,
                "seed {seed}: {} of {} came twice, {asked} times for want of ACKs",
                pair.count(Count::DsackIn),
                pair.count(Count::Retransmission)
            );
        }
        let theory = mathis_bytes_per_s(round_trip_ms, loss_percent);
        println!(
            "{control:?}, {round_trip_ms} ms, {loss_percent} %: {:.2} MB/s of {:.2}, {again} again, {spared} lost or twice",
            per_s / 1e6,
            theory / 1e6
        );
        assert!(per_s > of_theory * theory, "{per_s} of {theory} bytes/s: {control:?}");
        // Whoever is much faster does not make way where something is lost.
        assert!(per_s < 2.0 * theory, "{per_s} of {theory} bytes/s: {control:?}");
    }
}

#[test]
fn peer_that_delays_its_acks_by_40_ms_gets_nothing_twice_unless_the_session_repairs_fast() {
    let delaying = Config { ack_delay: Some(Duration::from_ms(40)), ..Config::default() };
    let faults = Faults { delay: Duration::from_us(50), ..Faults::default() };
    for (ours, is_fast) in [(Config::default(), false), (fast(), true)] {
        let mut pair = Pair::new([ours, delaying.clone()], faults, 1);
        let messages = if full() { 100_000 } else { 5_000 };
        let mut written = 0;
        while !pair.ends[0].events.contains(&(pair.id, Event::Connected)) {
            pair.step();
        }
        for number in 0..messages {
            // Between 1 and 300 ms apart: answered by a second message, or when the delay is over.
            let next = pair.now + Duration::from_us(1_000 + number * 7_919 % 299_000);
            let len = 100 + number as usize % 200;
            assert!(pair.write(len, written));
            written += len;
            while pair.now < next {
                pair.step();
                pair.now = pair.now.min(next);
            }
        }
        let [again, probes, twice] =
            [Count::Retransmission, Count::LossProbe, Count::DsackIn].map(|what| pair.count(what));
        assert_eq!(pair.ends[1].received.len(), written);
        if is_fast {
            assert!(again > 0 && probes > 0 && twice > 0, "the peer did not delay: {again}");
        } else {
            assert_eq!((again, probes, twice), (0, 0, 0));
        }
    }
}

/// What `fast_repair` sets.
fn fast() -> Config {
    Config {
        rto_min: Duration::from_ms(1),
        peer_max_ack_delay: Duration::ZERO,
        ..Config::default()
    }
}

/// Sends an order when told to, and counts those that come back.
#[derive(Default)]
struct Pinger {
    wanted: u32,
    asked: u32,
    answered: u32,
}

impl Application for Pinger {
    fn on_message<S: Store, O: Outlet>(
        &mut self,
        _: SessionId,
        message: &Message<'_>,
        _: Option<RxStamp>,
        _: &mut Sender<'_, S, O>,
    ) {
        assert_eq!(message.u32(11), Ok(self.answered));
        self.answered += 1;
    }

    fn on_poll<S: Store, O: Outlet>(&mut self, _: SessionId, orders: &mut Sender<'_, S, O>) {
        if self.asked < self.wanted {
            let number = self.asked;
            let sent = orders.send(NEW_ORDER_SINGLE, |encoder| {
                encoder.put_u32(11, number).put_bytes(58, &[b'x'; 80]);
            });
            self.asked += u32::from(sent.is_ok());
        }
    }

    const WANTS_POLL: bool = true;
}

/// Round trips of so many orders there and back over 50 us each way, in ns, sorted.
fn ping_pong(tcp: Config, loss_ppm: u32, orders: u32) -> Vec<u64> {
    let line = Line { latency_ns: 50_000, bandwidth_bits_per_s: None };
    let terms = common::Terms {
        sim: sim::Config { line, ..sim::Config::default() },
        seed: 7,
        tcp,
        ..common::Terms::default()
    };
    let mut pair = common::Pair::with_apps(terms, Pinger::default(), Echo::new(1));
    let faults = sim::Faults { loss_ppm, ..sim::Faults::default() };
    // The handshake, and Logons.
    pair.run_for(Duration::from_ms(20));
    pair.set_faults(faults);
    let mut taken_ns = Vec::new();
    for number in 1..=orders {
        let begun = Clock::now(&pair.wire).mono;
        pair.ours.app_mut().wanted = number;
        while pair.ours.app().answered < number {
            pair.step();
        }
        taken_ns.push((Clock::now(&pair.wire).mono - begun).as_ns());
    }
    taken_ns.sort_unstable();
    taken_ns
}

#[test]
fn fix_there_and_back_at_1_percent_loss_is_under_1_ms_at_p99_9_where_repair_is_fast() {
    let orders = if full() { 300_000 } else { 20_000 };
    let at = |taken: &[u64], per_mille: usize| taken[taken.len() * per_mille / 1_000] / 1_000;
    let show = |what: &str, taken: &[u64]| {
        let [p50, p99, p999] = [500, 990, 999].map(|per_mille| at(taken, per_mille));
        let most = taken.last().unwrap() / 1_000;
        println!("{what}: p50 {p50} us, p99 {p99} us, p99.9 {p999} us, most {most} us");
    };
    let quiet = ping_pong(fast(), 0, orders);
    show("no loss", &quiet);
    assert_eq!(*quiet.last().unwrap(), 100_000, "nothing else takes time");
    let fast = ping_pong(fast(), 10_000, orders);
    show("1 % loss, fast repair", &fast);
    // A probe after two round trips, and its answer: no loss before makes it later.
    assert!(at(&fast, 999) < 400, "p99.9 is {} us", at(&fast, 999));
    let patient = ping_pong(Config::default(), 10_000, orders);
    show("1 % loss, as RFC 8985 has it", &patient);
    assert!(at(&patient, 999) > 40_000, "nothing was repaired late: {} us", at(&patient, 999));
}
