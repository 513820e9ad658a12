//! A session that knows what left it, whatever becomes of its journal.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::super::*;
use super::model::{Model, Random};
use super::{BOOT, IDENTITY, OTHER_BOOT, at, header, message};

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    Killed,
    PowerLost,
}

/// Whether nothing was written since the journal was closed.
fn was_closed(model: &Model, boot: BootId) -> bool {
    let ended = Survey::of(&model.memory).unwrap().ended(Some(boot));
    matches!(ended, Ended::New | Ended::Closed)
}

/// Below which number messages give way to the record of a new epoch.
fn given_up_for_a_beginning(journal: &Journal<Model>) -> u32 {
    let (size, ring_len) = (size_of_record(BEGINNING_LEN) as u64, journal.ring_len);
    let lap_rest = ring_len - journal.end % ring_len;
    let end = journal.end + if lap_rest < size { lap_rest } else { 0 } + size;
    let given_up = journal.entries.iter().rfind(|entry| entry.position + ring_len < end);
    given_up.map_or(1, |entry| entry.seq + 1)
}

/// A session that remembers what left it, whatever its journal does.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    random: Random,
    seed: u64,
    model: Option<Model>,
    durability: Durability,
    epoch: u32,
    /// Of the epoch: what each number's message is, and whether it has left.
    messages: BTreeMap<u32, (Vec<u8>, bool)>,
    /// The greatest number that left in the epoch.
    left: u32,
    /// The greatest that was passed over when the journal was last found.
    passed: u32,
    next_in: u32,
    /// What an operator has set that to, and was told is done.
    next_in_done: u32,
    /// The messages of epochs before.
    past: BTreeMap<u32, BTreeMap<u32, (Vec<u8>, bool)>>,
    told: Vec<RangeInclusive<u32>>,
    /// What was found unknown, and may not have been told of.
    pending: Vec<RangeInclusive<u32>>,
    forgotten_below: u32,
    created_at: Option<UtcTime>,
    /// With what numbers were to begin when it crashed.
    resetting: Option<Beginning>,
    /// Before an epoch was found begun by who was killed: until a journal has been taken up with it nobody goes on in it,
    /// and a loss of power may still take it.
    before: Option<Box<Session>>,
}

const STEPS: usize = 24;

impl Session {
    pub(crate) fn new(seed: u64) -> Session {
        let mut random = Random::new(seed);
        let durabilities = [Durability::None, Durability::Async, Durability::Sync];
        let durability = durabilities[random.below(3)];
        let mut session = Session {
            random,
            seed,
            model: None,
            durability,
            epoch: 0,
            messages: BTreeMap::new(),
            left: 0,
            passed: 0,
            next_in: 1,
            next_in_done: 0,
            past: BTreeMap::new(),
            told: Vec::new(),
            pending: Vec::new(),
            forgotten_below: 1,
            created_at: None,
            resetting: None,
            before: None,
        };
        let model = Model::formatted().seeded(seed);
        session.model = Some(if session.random.below(2) == 0 {
            session.filled_to_the_end_of_a_lap(model)
        } else {
            model
        });
        session
    }

    fn filled_to_the_end_of_a_lap(&mut self, model: Model) -> Model {
        let mut journal = super::open(model, Durability::None).unwrap();
        let ring_len = header().ring_len;
        let rest = 200 + 8 * self.random.below(200) as u64;
        let mut seq = 1;
        while journal.end + rest < ring_len {
            let len = (ring_len - journal.end - rest).saturating_sub(24).clamp(8, 20_000) as usize;
            journal.put(seq, &message(seq, len)).unwrap();
            self.messages.insert(seq, (message(seq, len), true));
            self.left = seq;
            seq += 1;
        }
        journal.close(1).unwrap();
        journal.into_medium()
    }

    fn open(&mut self, model: Model, boot: BootId) -> Journal<Model> {
        let durability = self.durability;
        match Journal::open(model, IDENTITY, (durability, 64), Some(boot), 1) {
            Ok(journal) => journal,
            Err(why) => panic!("seed {}: {why:?}", self.seed),
        }
    }

    /// Goes on for a while, or until it crashes.
    fn go_on(&mut self, journal: &mut Journal<Model>, mut random: Random) {
        if random.below(2) == 0 && !journal.medium.has_crashed() {
            journal.told();
            self.told.extend(journal.resumption().unknown.iter().cloned());
        }
        for _ in 0..STEPS {
            if journal.medium.has_crashed() {
                return;
            }
            let seq = journal.next_out();
            match random.below(12) {
                0 => {
                    let is_kept = journal.set_next_out(seq + 1).is_ok();
                    if is_kept && !journal.medium.has_crashed() {
                        self.left = seq;
                    }
                }
                1..3 => {
                    self.next_in += 1 + random.below(3) as u32;
                    journal.set_next_in(self.next_in);
                }
                // An operator's, of one number alone: no epoch begins with it.
                3 if random.below(4) == 0 => {
                    self.next_in += 1 + random.below(9) as u32;
                    let is_done = journal.renumber(seq, self.next_in, None).is_ok();
                    if is_done && !journal.medium.has_crashed() {
                        self.next_in_done = self.next_in;
                    }
                }
                3 if random.below(4) == 0 => {
                    let epoch = journal.epoch;
                    let given_up = given_up_for_a_beginning(journal);
                    let beginning = if random.below(2) == 0 || seq == 1 {
                        let time = at(1 + random.below(1_000) as u64);
                        let created_at = Some(time);
                        let anew = Beginning { next_out: 1, next_in: 1, created_at };
                        self.resetting = Some(anew);
                        journal.reset(time);
                        let _ = journal.settle();
                        anew
                    } else {
                        let lower = 1 + random.below(seq as usize - 1) as u32;
                        // Beyond what is reserved, where anything is.
                        let is_far = lower.is_multiple_of(3) && self.durability != Durability::None;
                        let next_out = if is_far { seq + 5_000 } else { lower };
                        let next_in = 1 + random.below(9) as u32;
                        let set_at =
                            (random.below(2) == 0).then(|| at(1 + random.below(1_000) as u64));
                        let created_at = set_at.or(self.created_at);
                        let others = Beginning { next_out, next_in, created_at };
                        self.resetting = Some(others);
                        let _ = journal.renumber(next_out, next_in, set_at);
                        others
                    };
                    if journal.medium.has_crashed() {
                        // Where the epoch has not begun, its record may lie half over the oldest messages.
                        if journal.epoch > epoch {
                            self.forgotten_below = self.forgotten_below.max(given_up);
                        }
                        return;
                    }
                    self.resetting = None;
                    if journal.epoch > epoch {
                        self.begin_epoch(journal.epoch, beginning);
                    } else {
                        self.created_at = beginning.created_at;
                    }
                }
                _ => {
                    assert_eq!(journal.admits(), Ok(()), "seed {}", self.seed);
                    let len = if random.below(8) == 0 { 1_500 } else { random.below(200) };
                    let bytes = message(seq, len);
                    self.messages.insert(seq, (bytes.clone(), false));
                    let is_kept = journal.put(seq, &bytes).is_ok();
                    self.forgotten_below = self.forgotten_below.max(journal.forgotten_below());
                    if is_kept && !journal.medium.has_crashed() {
                        self.messages.insert(seq, (bytes, true));
                        self.left = seq;
                    }
                }
            }
        }
    }

    fn begin_epoch(&mut self, epoch: u32, beginning: Beginning) {
        let messages = std::mem::take(&mut self.messages);
        self.past.insert(self.epoch, messages);
        self.told.clear();
        self.pending.clear();
        let passed = beginning.next_out - 1;
        (self.epoch, self.left, self.passed) = (epoch, passed, passed);
        (self.next_in, self.forgotten_below) = (beginning.next_in, 1);
        self.next_in_done = 0;
        self.created_at = beginning.created_at;
    }

    /// Holds what is gone on with to what has left.
    fn check(&mut self, journal: &Journal<Model>, weather: Weather, was_closed: bool) {
        let Session { seed, .. } = *self;
        let resumption = journal.resumption();
        // One that was killed while it was opened has not said so.
        let was_cut = resumption.ended == Ended::PowerMayBeLost;
        let weather = if was_cut { Weather::PowerLost } else { weather };
        let (next_out, next_in) = (journal.next_out(), journal.next_in());
        let case = format!("seed {seed}, {weather:?}, {:?}: {resumption:?}", self.durability);
        let can_be_proven =
            weather == Weather::Killed || was_closed || self.durability != Durability::None;
        assert_eq!(resumption.is_proven, can_be_proven, "{case}");
        if journal.epoch > self.epoch {
            assert_eq!(journal.epoch, self.epoch + 1, "{case}");
            let before = self.clone();
            let begun = self.resetting.take().unwrap_or_else(|| panic!("{case}"));
            assert_eq!(next_in, begun.next_in, "{case}");
            let created_at = journal.created_at();
            assert_eq!(created_at, begun.created_at, "{case}");
            assert!(journal.first_from(1).is_none(), "{case}");
            assert!(was_cut || next_out == begun.next_out, "{case}");
            assert!(next_out >= begun.next_out, "{case}");
            self.begin_epoch(journal.epoch, begun);
            self.before = Some(Box::new(before));
            self.passed = next_out - 1;
            self.pending.clone_from(&resumption.unknown);
            return;
        }
        if journal.epoch < self.epoch
            && let Some(before) = self.before.take()
        {
            *self = Session { random: self.random, ..*before };
        }
        let set_to = self.resetting.take().filter(|_| journal.epoch == self.epoch);
        if can_be_proven {
            assert!(next_out > self.left, "{case}: {} has left", self.left);
        }
        if journal.epoch < self.epoch {
            // The reset is lost, and with it numbers that the counterparty has forgotten: those of before go on.
            assert!(!can_be_proven, "{case}");
            let beginning = Beginning { next_out: 1, next_in, created_at: journal.created_at() };
            self.begin_epoch(journal.epoch, beginning);
            self.messages = self.past.remove(&journal.epoch).unwrap_or_default();
            self.forgotten_below = next_out;
        }
        assert!(next_in <= self.next_in, "{case}");
        assert!(!can_be_proven || next_in >= self.next_in_done, "{case}: {}", self.next_in_done);
        if can_be_proven {
            let found = journal.created_at();
            let is_set = set_to.is_some_and(|set_to| found == set_to.created_at);
            assert!(found == self.created_at || is_set, "{case}: {found:?}");
        }
        self.created_at = journal.created_at();
        if weather == Weather::Killed || was_closed {
            assert!(next_out <= self.left.max(self.passed) + 2, "{case}: {}", self.left);
            let attempted = self.messages.last_key_value().map_or(0, |(seq, _)| *seq);
            let under_way = (attempted > self.left).then_some(attempted);
            let is_old = |numbers: &RangeInclusive<u32>| {
                numbers.clone().all(|seq| {
                    let is_pending = self.pending.iter().any(|range| range.contains(&seq));
                    Some(seq) == under_way || is_pending || !self.has_left(seq)
                })
            };
            assert!(resumption.unknown.iter().all(is_old), "{case}");
        }
        let mut from = 1;
        while let Some((seq, bytes)) = journal.first_from(from) {
            let (expected, _) = self.messages.get(&seq).unwrap_or_else(|| panic!("{case}: {seq}"));
            assert_eq!(bytes, expected, "{case}: {seq}");
            from = seq + 1;
        }
        for (seq, (_, has_left)) in &self.messages {
            let is_there = journal.first_from(*seq).is_some_and(|(found, _)| found == *seq);
            let is_told =
                resumption.unknown.iter().chain(&self.told).any(|told| told.contains(seq));
            // The oldest give way to what is written, by taking up the journal too.
            let is_old = *seq < self.forgotten_below
                || (journal.end > header().ring_len && *seq < journal.forgotten_below());
            let is_excused = is_old || (!can_be_proven && *seq >= next_out);
            assert!(!has_left || is_there || is_told || is_excused, "{case}: {seq} is lost");
        }
        self.messages.retain(|seq, _| *seq < next_out);
        self.pending.clone_from(&resumption.unknown);
        self.left = self.left.min(next_out - 1);
        self.passed = next_out - 1;
        self.next_in = next_in;
        // Without durability a loss of power takes that back too.
        self.next_in_done = self.next_in_done.min(next_in);
    }

    fn has_left(&self, seq: u32) -> bool {
        self.messages.get(&seq).is_some_and(|(_, has_left)| *has_left)
            && !self.told.iter().any(|told| told.contains(&seq))
    }

    fn crash(model: Model, weather: Weather, random: &mut Random) -> (Model, BootId) {
        match weather {
            Weather::Killed => (model.killed(), BOOT),
            Weather::PowerLost => (model.power_lost(random), OTHER_BOOT),
        }
    }

    /// One life, ended before each of its stores in turn, and a look at what is found. How many ends it was.
    pub(crate) fn crashes_at_every_step(&mut self, weather: Weather) -> usize {
        let begin = self.model.take().expect("it is there");
        let mut steps = 0;
        loop {
            let mut life = self.clone();
            let mut model = begin.clone();
            model.steps_left = steps + 1;
            let mut journal = life.open(model, BOOT);
            life.go_on(&mut journal, self.random);
            if !journal.medium.has_crashed() {
                return steps;
            }
            let (model, boot) = Session::crash(journal.into_medium(), weather, &mut self.random);
            let was_closed = was_closed(&model, boot);
            let journal = life.open(model, boot);
            life.check(&journal, weather, was_closed);
            steps += 1;
        }
    }

    /// Lives that end anywhere, also while the journal is taken up.
    pub(crate) fn crashes_again_and_again(&mut self) {
        let mut boot = BOOT;
        for _ in 0..6 {
            let mut model = self.model.take().expect("it is there");
            let steps_max = if self.random.below(3) == 0 { 30 } else { 900 };
            model.steps_left = 1 + self.random.below(steps_max);
            let mut journal = self.open(model, boot);
            if !journal.medium.has_crashed() {
                self.before = None;
            }
            let random = self.random;
            self.go_on(&mut journal, random);
            self.random.below(9);
            let weather =
                if self.random.below(2) == 0 { Weather::Killed } else { Weather::PowerLost };
            let (model, _) = Session::crash(journal.into_medium(), weather, &mut self.random);
            boot[0] = boot[0].wrapping_add(u8::from(weather == Weather::PowerLost));
            let was_closed = was_closed(&model, boot);
            let looked_at = self.open(model.clone(), boot);
            self.check(&looked_at, weather, was_closed);
            self.model = Some(model);
        }
    }
}
