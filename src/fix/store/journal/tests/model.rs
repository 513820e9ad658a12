//! A disk that loses what was not synced, sector by sector, and a session that knows what left it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::super::*;
use super::{BOOT, IDENTITY, OTHER_BOOT, at, header, message};

pub(crate) fn full() -> bool {
    std::env::var_os("FIXWIRE_FULL").is_some()
}

/// One store into memory: eight bytes or fewer.
#[derive(Clone, Debug)]
struct Stored {
    at: usize,
    bytes: Vec<u8>,
}

/// Memory, the disk behind it, and every store since a page was last synced.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) memory: Vec<u8>,
    disk: Vec<u8>,
    unsynced: Vec<Stored>,
    ledger: Option<Ledger>,
    taken: Taken,
    /// Whether what was taken is made durable now and then.
    pub(crate) flushes: bool,
    pub(crate) refuses: bool,
    random: Random,
    /// Stores that are still done; those after are not.
    pub(crate) steps_left: usize,
}

/// An xorshift generator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1);
        random.below(2);
        random
    }

    pub(crate) fn below(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below.max(1)
    }
}

impl Model {
    pub(crate) fn formatted() -> Model {
        let mut model = Model {
            memory: vec![0; header().file_len()],
            disk: vec![0; header().file_len()],
            unsynced: Vec::new(),
            ledger: None,
            taken: Taken::default(),
            flushes: true,
            refuses: false,
            random: Random::new(0),
            steps_left: usize::MAX,
        };
        format(&mut model, &header(), 0).unwrap();
        model
    }

    fn seeded(mut self, seed: u64) -> Model {
        self.random = Random::new(seed);
        self
    }

    fn has_crashed(&self) -> bool {
        self.steps_left == 0
    }

    fn store(&mut self, at: usize, bytes: &[u8]) {
        if self.has_crashed() {
            return;
        }
        self.steps_left -= 1;
        self.memory[at..at + bytes.len()].copy_from_slice(bytes);
        self.unsynced.push(Stored { at, bytes: bytes.to_vec() });
    }

    fn write_back(&mut self, range: Range<usize>) {
        let pages = range.start / PAGE * PAGE..range.end.next_multiple_of(PAGE);
        self.disk[pages.clone()].copy_from_slice(&self.memory[pages.clone()]);
        self.unsynced.retain(|stored| !pages.contains(&stored.at));
    }

    /// What whoever syncs behind the session's back does in one turn.
    fn flush(&mut self) {
        let Some(mut ledger) = self.ledger.take() else { return };
        let taken = self.taken;
        for range in ledger.ranges(taken) {
            if !range.is_empty() && !self.has_crashed() {
                self.write_back(range);
            }
        }
        let (at, words) = ledger.note(taken);
        for (place, word) in words.chunks(8).enumerate() {
            self.store(at + 8 * place, word);
        }
        if !self.has_crashed() {
            self.write_back(at..at + words.len());
            self.ledger = Some(ledger);
        }
    }

    /// The process is gone; the memory is there.
    fn killed(mut self) -> Model {
        (self.steps_left, self.ledger) = (usize::MAX, None);
        self
    }

    /// The memory is gone: of each sector some moment since it was last synced is left.
    fn power_lost(mut self, random: &mut Random) -> Model {
        let mut cuts = BTreeMap::new();
        let stores = self.unsynced.len();
        // Sometimes all is lost, sometimes nothing.
        let mood = random.below(4);
        for (index, Stored { at, bytes }) in std::mem::take(&mut self.unsynced).iter().enumerate() {
            let cut = *cuts.entry(at / SECTOR).or_insert_with(|| match mood {
                0 => random.below(stores + 1),
                1 if random.below(2) == 0 => 0,
                2 => 0,
                _ => stores,
            });
            if index < cut {
                self.disk[*at..at + bytes.len()].copy_from_slice(bytes);
            }
        }
        self.memory.clone_from(&self.disk);
        self.killed()
    }
}

impl Medium for Model {
    fn bytes(&self) -> &[u8] {
        &self.memory
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        for (place, bytes) in bytes.chunks(8).enumerate() {
            self.store(at + 8 * place, bytes);
        }
    }

    fn write_word(&mut self, at: usize, word: u64) {
        assert!(at.is_multiple_of(8));
        self.store(at, &word.to_le_bytes());
    }

    fn sync(&mut self, range: Range<usize>) -> Result<(), StoreFailed> {
        if self.refuses {
            return Err(StoreFailed);
        }
        if !self.has_crashed() {
            self.write_back(range);
        }
        Ok(())
    }

    fn took(&mut self, taken: Taken) {
        self.taken = taken;
        let is_late = self.ledger.as_ref().is_some_and(|ledger| match ledger.proven() {
            Proven::Reserved { epoch, until, synced } => {
                let until = if epoch == taken.epoch { until } else { header().ahead };
                until < taken.next_out + 200 || taken.end > synced + header().ring_len / 8
            }
            Proven::Failed => false,
        });
        if self.flushes && (self.random.below(6) == 0 || is_late) {
            self.flush();
        }
    }

    fn proven(&self) -> Proven {
        let nothing = Proven::Reserved { epoch: u32::MAX, until: 0, synced: 0 };
        self.ledger.as_ref().map_or(nothing, Ledger::proven)
    }

    fn opened(&mut self, ledger: Ledger) {
        if !self.has_crashed() {
            self.ledger = Some(ledger);
        }
    }

    fn closing(&mut self) {
        self.ledger = None;
    }
}

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
    /// The messages of epochs before.
    past: BTreeMap<u32, BTreeMap<u32, (Vec<u8>, bool)>>,
    told: Vec<RangeInclusive<u32>>,
    /// What was found unknown, and may not have been told of.
    pending: Vec<RangeInclusive<u32>>,
    forgotten_below: u32,
    created_at: Option<UtcTime>,
    /// With what numbers were to begin when it crashed.
    resetting: Option<Beginning>,
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
            past: BTreeMap::new(),
            told: Vec::new(),
            pending: Vec::new(),
            forgotten_below: 1,
            created_at: None,
            resetting: None,
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
                3 if random.below(4) == 0 => {
                    let epoch = journal.epoch;
                    let beginning = if random.below(2) == 0 || seq == 1 {
                        let time = at(1 + random.below(1_000) as u64);
                        let created_at = Some(time);
                        let anew = Beginning { next_out: 1, next_in: 1, created_at };
                        self.resetting = Some(anew);
                        journal.reset(time);
                        let _ = journal.settle();
                        anew
                    } else {
                        let next_out = 1 + random.below(seq as usize - 1) as u32;
                        let next_in = 1 + random.below(9) as u32;
                        let created_at = self.created_at;
                        let lower = Beginning { next_out, next_in, created_at };
                        self.resetting = Some(lower);
                        let _ = journal.renumber(next_out, next_in);
                        lower
                    };
                    if journal.medium.has_crashed() {
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
            let begun = self.resetting.take().unwrap_or_else(|| panic!("{case}"));
            assert_eq!(next_in, begun.next_in, "{case}");
            let created_at = journal.created_at();
            // Without a sync the page that says when may be lost where the reset is not: then it is not known.
            let is_lost = !can_be_proven && created_at.is_none();
            assert!(created_at == begun.created_at || is_lost, "{case}: {created_at:?}");
            let begun = Beginning { created_at, ..begun };
            assert!(journal.first_from(1).is_none(), "{case}");
            assert!(was_cut || next_out == begun.next_out, "{case}");
            assert!(next_out >= begun.next_out, "{case}");
            self.begin_epoch(journal.epoch, begun);
            self.passed = next_out - 1;
            self.pending.clone_from(&resumption.unknown);
            return;
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
