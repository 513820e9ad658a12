//! A host, its NIC and its wall clock, a discipline over them, and stamps whose truth is known.

use std::collections::BTreeMap;

use fixwire_offload::clock::{
    Bracket, ClockConfig, Discipline, PairVerdict, Publisher, Reader, StampTime, Validity,
};
use fixwire_offload::stamp::{ClockId, ClockInfo, Domain, RxStamp};

use crate::model::{Counter, Crystal, Jump, MS, NS, Oscillator, PER_TICK, Rng, S, US, Wander};

const NIC: ClockId = ClockId(1);
const EPOCH_NS: u64 = 1_790_000_000_000_000_000;

/// How long the bus takes, there and back, in picoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bus {
    pub(crate) there: (u64, u64),
    pub(crate) back: (u64, u64),
    /// Every so many readings one is held up a hundred times as long.
    pub(crate) held_up_one_in: u64,
    /// All of the delay is on one side, and now and then on the other: what a bound is for.
    pub(crate) one_sided: bool,
}

/// What a run is made of.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) seed: u64,
    pub(crate) nic: Crystal,
    pub(crate) nic_domain: Domain,
    pub(crate) nic_bits: u32,
    /// How many ticks before the wrap the counter starts.
    pub(crate) nic_before_wrap: u64,
    pub(crate) host: Crystal,
    pub(crate) host_domain: Domain,
    pub(crate) wall: Crystal,
    pub(crate) bus: Bus,
    pub(crate) config: ClockConfig,
    pub(crate) length: u64,
    pub(crate) pair_every: u64,
    pub(crate) nic_jumps: Vec<(u64, Jump)>,
    pub(crate) wall_jumps: Vec<(u64, Jump)>,
    /// Jumps that the device tells of at once.
    pub(crate) told: bool,
    /// From when to when no pair is taken.
    pub(crate) silences: Vec<(u64, u64)>,
    /// Every so many pairs one is missing.
    pub(crate) missing_one_in: u64,
    /// Every so many readings of the device one is nonsense.
    pub(crate) nonsense_one_in: u64,
    pub(crate) stamps: usize,
    /// By the host's clock instead of the NIC's.
    pub(crate) software_stamps: bool,
}

impl Scenario {
    /// A quiet server: brackets of 40 to 400 ns before the narrowest of four is chosen.
    pub(crate) fn quiet(name: &'static str) -> Scenario {
        Scenario {
            name,
            seed: 1,
            nic: Crystal { hz: 156_250_000, drift_ppb: 31_000, wander: Wander::None },
            nic_domain: Domain::NicTicks,
            nic_bits: 63,
            nic_before_wrap: 1 << 40,
            host: Crystal { hz: 2_995_200_000, drift_ppb: -12_000, wander: Wander::None },
            host_domain: Domain::Tsc,
            wall: Crystal { hz: 1_000_000_000, drift_ppb: 0, wander: Wander::None },
            bus: Bus {
                there: (20_000, 200_000),
                back: (20_000, 200_000),
                held_up_one_in: 0,
                one_sided: false,
            },
            config: ClockConfig::default(),
            length: 60 * S,
            pair_every: 100 * MS,
            nic_jumps: Vec::new(),
            wall_jumps: Vec::new(),
            told: false,
            silences: Vec::new(),
            missing_one_in: 0,
            nonsense_one_in: 0,
            stamps: 50_000,
            software_stamps: false,
        }
    }
}

/// What came out of a run.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) settled: usize,
    /// Given a time at reception, with no jump between the pairs it rests on and the stamp.
    pub(crate) provisional: usize,
    /// Given a time at reception that a jump, not known then, had made wrong or unsure.
    pub(crate) overtaken: usize,
    pub(crate) refused: BTreeMap<String, usize>,
    pub(crate) refused_at_reception: BTreeMap<String, usize>,
    pub(crate) unsettled: usize,
    pub(crate) verdicts: BTreeMap<String, usize>,
    /// How much of its bound an error took at most, in percent: of the first stage, and of both.
    pub(crate) device_nearest_percent: u64,
    pub(crate) nearest_percent: u64,
    pub(crate) device_bounds_ns: Vec<u64>,
    pub(crate) bounds_ns: Vec<u64>,
    pub(crate) errors_ns: Vec<u64>,
    pub(crate) device_generation: u16,
    pub(crate) wall_generation: u16,
}

impl Outcome {
    pub(crate) fn refused_as(&self, what: &str) -> usize {
        self.refused.iter().filter(|(name, _)| name.contains(what)).map(|(_, count)| count).sum()
    }

    pub(crate) fn verdict(&self, verdict: PairVerdict) -> usize {
        self.verdicts.get(&format!("{verdict:?}")).copied().unwrap_or(0)
    }
}

/// A stamp on its way.
#[derive(Debug)]
struct Taken {
    at: u64,
    stamp: RxStamp,
    received_at: u64,
    received: u64,
    told: Option<StampTime>,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    DevicePair,
    WallPair,
    Reset,
    /// Of a stamp taken at this time.
    Reception(u64),
}

/// The run and what it has come to.
struct World {
    scenario: Scenario,
    nic: Counter,
    host: Counter,
    wall: Counter,
    rng: Rng,
    discipline: Discipline,
    publisher: Publisher,
    reader: Reader,
    /// True time of the last pair that each stage agreed with.
    device_pair: u64,
    wall_pair: u64,
    /// Where a one-sided bus has all of its delay.
    late_side: bool,
    taken: Vec<Taken>,
    settled: Vec<(u64, StampTime, u16)>,
    outcome: Outcome,
}

/// Runs a scenario, and panics where a bound is exceeded.
pub(crate) fn run(scenario: &Scenario) -> Outcome {
    let mut world = World::new(scenario);
    for (at, event) in world.events() {
        match event {
            Event::DevicePair => world.device_pair(at),
            Event::WallPair => world.wall_pair(at),
            Event::Reset => world.discipline.on_device_reset(world.host.read(at)),
            Event::Reception(stamped) => world.receive(stamped, at),
        }
        if !matches!(event, Event::Reception(_)) {
            world.publisher.publish(&world.discipline);
            world.settle();
        }
    }
    world.outcome.unsettled = world.taken.len();
    world.outcome.device_generation = world.discipline.mapping().device_generation();
    world.outcome.wall_generation = world.discipline.mapping().wall_generation();
    world.check_order();
    world.outcome
}

impl World {
    fn new(scenario: &Scenario) -> World {
        let mut rng = Rng(scenario.seed);
        // Receptions and brackets end a little after the last event.
        let length = scenario.length + S;
        let mut oscillator = |crystal| Oscillator::new(crystal, length, &mut rng);
        let (nic, host) = (oscillator(&scenario.nic), oscillator(&scenario.host));
        let wall = oscillator(&scenario.wall);
        let mask = u64::MAX >> (64 - scenario.nic_bits);
        let start = mask - scenario.nic_before_wrap.min(mask);
        let info = |id, domain, hz, bits| ClockInfo { id, domain, ticks_per_s: hz, bits };
        let host_info = info(ClockId::HOST, scenario.host_domain, scenario.host.hz, 64);
        let nic_info = info(NIC, scenario.nic_domain, scenario.nic.hz, scenario.nic_bits);
        let discipline = Discipline::new(&scenario.config, &host_info, Some(&nic_info))
            .expect("figures in range");
        let (publisher, reader) = Publisher::new(&discipline);
        World {
            nic: Counter::new(nic, scenario.nic_bits, start, &scenario.nic_jumps),
            host: Counter::new(host, 64, 77_000_000_000, &[]),
            wall: Counter::new(wall, 64, EPOCH_NS, &scenario.wall_jumps),
            rng,
            discipline,
            publisher,
            reader,
            device_pair: 0,
            wall_pair: 0,
            late_side: false,
            taken: Vec::new(),
            settled: Vec::new(),
            outcome: Outcome::default(),
            scenario: scenario.clone(),
        }
    }

    fn events(&mut self) -> Vec<(u64, Event)> {
        let Scenario { length, pair_every, stamps, missing_one_in, .. } = self.scenario;
        let mut events = Vec::new();
        for number in 1..length / pair_every {
            for event in [Event::DevicePair, Event::WallPair] {
                // Somewhere in the middle half of its period.
                let at = number * pair_every + self.rng.within(0, pair_every / 2);
                let silent = |(from, to): &(u64, u64)| (*from..*to).contains(&at);
                if !self.scenario.silences.iter().any(silent) && !self.rng.one_in(missing_one_in) {
                    events.push((at, event));
                }
            }
        }
        if self.scenario.told {
            events.extend(self.scenario.nic_jumps.iter().map(|(at, _)| (*at + US, Event::Reset)));
        }
        let delay_max = self.scenario.config.queue_delay_ns_max * NS;
        for _ in 0..stamps {
            let at = self.rng.within(0, length);
            let delay = match self.rng.next() % 20 {
                0 => self.rng.within(0, delay_max - US),
                _ => self.rng.within(200 * NS, 40 * US),
            };
            events.push((at + delay, Event::Reception(at)));
        }
        events.sort_by_key(|(at, _)| *at);
        events
    }

    /// The narrowest of four, each: the host's clock, the other, the host's again.
    fn bracket(&mut self, at: u64, read: impl Fn(&World, u64) -> u64) -> (Bracket, u64) {
        let Bus { there, back, held_up_one_in, one_sided } = self.scenario.bus;
        self.late_side ^= self.rng.one_in(6);
        let mut now = at;
        let mut brackets = Vec::new();
        for _ in 0..4 {
            let held_up = if self.rng.one_in(held_up_one_in) { 100 } else { 1 };
            let there = self.rng.within(there.0, there.1) * held_up;
            let back = self.rng.within(back.0, back.1) * held_up;
            let after = now + there + back;
            let reading = match (one_sided, self.late_side) {
                (false, _) => now + there,
                (true, false) => now,
                (true, true) => after,
            };
            let before = self.host.read(now);
            brackets.push((
                Bracket { before, reading: read(self, reading), after: self.host.read(after) },
                reading,
            ));
            now = after + 30 * NS;
        }
        let narrowest = Bracket::narrowest(brackets.iter().map(|(bracket, _)| *bracket));
        let narrowest = narrowest.expect("four of them");
        brackets.into_iter().find(|(bracket, _)| *bracket == narrowest).expect("one of them")
    }

    fn device_pair(&mut self, at: u64) {
        let (mut bracket, read_at) = self.bracket(at, |world, at| world.nic.read(at));
        if self.rng.one_in(self.scenario.nonsense_one_in) {
            bracket.reading ^= 1 << self.rng.within(14, 30);
        }
        let verdict = self.discipline.on_device_pair(bracket);
        self.count(verdict);
        if matches!(verdict, PairVerdict::Agreed | PairVerdict::Locked) {
            self.device_pair = read_at;
        }
        if verdict == PairVerdict::Doubtful {
            // As the engine is told to: at once.
            let (bracket, _) = self.bracket(at + 10 * US, |world, at| world.nic.read(at));
            let verdict = self.discipline.on_device_pair(bracket);
            self.count(verdict);
            if verdict == PairVerdict::Agreed {
                self.device_pair = at + 10 * US;
            }
        }
    }

    fn wall_pair(&mut self, at: u64) {
        let (bracket, read_at) = self.bracket(at, |world, at| world.wall.read(at));
        let verdict = self.discipline.on_wall_pair(bracket);
        if matches!(verdict, PairVerdict::Agreed | PairVerdict::Locked) {
            self.wall_pair = read_at;
        }
    }

    fn count(&mut self, verdict: PairVerdict) {
        *self.outcome.verdicts.entry(format!("{verdict:?}")).or_default() += 1;
    }

    fn receive(&mut self, at: u64, received_at: u64) {
        let received = self.host.read(received_at);
        let mapping = *self.reader.mapping();
        let stamp = if self.scenario.software_stamps {
            let (clock, domain) = (ClockId::HOST, self.scenario.host_domain);
            RxStamp { clock, generation: 0, domain, ticks: self.host.read(at) }
        } else {
            let (generation, domain) = (mapping.device_generation(), self.scenario.nic_domain);
            RxStamp { clock: NIC, generation, domain, ticks: self.nic.read(at) }
        };
        let told = mapping.convert(&stamp, received);
        match told {
            Ok(told) => {
                let since = |(jump, _): &&(u64, Jump), pair: u64| *jump > pair && *jump <= at;
                let overtaken =
                    self.scenario.nic_jumps.iter().any(|jump| since(&jump, self.device_pair))
                        || self.scenario.wall_jumps.iter().any(|jump| since(&jump, self.wall_pair));
                if overtaken {
                    self.outcome.overtaken += 1;
                } else {
                    self.outcome.provisional += 1;
                    self.check(at, &told, "provisional");
                    self.check_host(at, &stamp, received);
                }
            }
            Err(refusal) => {
                *self.outcome.refused_at_reception.entry(format!("{refusal:?}")).or_default() += 1;
            }
        }
        self.taken.push(Taken { at, stamp, received_at, received, told: told.ok() });
    }

    /// Asks again for all that is not settled.
    fn settle(&mut self) {
        for taken in core::mem::take(&mut self.taken) {
            match self.discipline.settle(&taken.stamp, taken.received) {
                Ok(told) if told.validity == Validity::Settled => {
                    if let Some(before) = taken.told {
                        let before = StampTime { validity: Validity::Settled, ..before };
                        assert_eq!(
                            told, before,
                            "{}: another time than before",
                            self.scenario.name
                        );
                    }
                    self.outcome.settled += 1;
                    self.check(taken.at, &told, "settled");
                    self.settled.push((taken.at, told, taken.stamp.generation));
                }
                Ok(_) => self.taken.push(taken),
                // Not for good before a pair has agreed after it.
                Err(_) if self.device_pair.min(self.wall_pair) <= taken.received_at => {
                    self.taken.push(taken);
                }
                Err(refusal) => {
                    *self.outcome.refused.entry(format!("{refusal:?}")).or_default() += 1;
                }
            }
        }
    }

    fn check(&mut self, at: u64, told: &StampTime, which: &str) {
        let error = self.wall.error(told.utc.as_unix_ns(), at);
        let bound = u128::from(told.error_bound_ns) * PER_TICK.unsigned_abs();
        assert!(
            error <= bound,
            "{}: {which} at {} ns, {} ns off, bound {} ns",
            self.scenario.name,
            at / NS,
            error / PER_TICK.unsigned_abs(),
            told.error_bound_ns,
        );
        self.outcome.nearest_percent =
            self.outcome.nearest_percent.max((error * 100 / bound.max(1)) as u64);
        if which == "settled" {
            self.outcome.bounds_ns.push(told.error_bound_ns);
            self.outcome.errors_ns.push((error / PER_TICK.unsigned_abs()) as u64);
        }
    }

    /// The first stage alone.
    fn check_host(&mut self, at: u64, stamp: &RxStamp, received: u64) {
        let time = self.reader.mapping().to_host(stamp, received).expect("as much as before");
        let error = self.host.error(time.ticks, at);
        // A stamp by the host's clock names a tick.
        let bound = time.error_bound_ticks.max(1);
        assert!(
            error <= u128::from(bound) * PER_TICK.unsigned_abs(),
            "{}: {} ticks off, bound {bound}",
            self.scenario.name,
            error / PER_TICK.unsigned_abs(),
        );
        self.outcome.device_nearest_percent = self
            .outcome
            .device_nearest_percent
            .max((error * 100 / (u128::from(bound) * PER_TICK.unsigned_abs())) as u64);
        let bound_ns = u128::from(bound) * 1_000_000_000 / u128::from(self.scenario.host.hz);
        self.outcome.device_bounds_ns.push(bound_ns as u64);
    }

    /// Within one generation time never goes back.
    fn check_order(&mut self) {
        self.settled.sort_by_key(|(at, ..)| *at);
        for two in self.settled.windows(2) {
            let [(_, earlier, life), (_, later, next_life)] = two else { continue };
            let same = life == next_life && earlier.wall_generation == later.wall_generation;
            assert!(!same || earlier.utc <= later.utc, "{}: time went back", self.scenario.name);
        }
    }
}
