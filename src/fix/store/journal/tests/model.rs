//! A disk that loses what was not synced, sector by sector.

use std::collections::BTreeMap;

use super::super::*;
use super::header;

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

    pub(crate) fn seeded(mut self, seed: u64) -> Model {
        self.random = Random::new(seed);
        self
    }

    pub(crate) fn has_crashed(&self) -> bool {
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
    pub(crate) fn killed(mut self) -> Model {
        (self.steps_left, self.ledger) = (usize::MAX, None);
        self
    }

    /// The memory is gone: of what was not synced the words that the session writes are left.
    pub(crate) fn power_lost_but_for_words(mut self) -> Model {
        self.write_back(NEXT_OUT_AT..NEXT_OUT_AT + PAGE);
        self.unsynced.clear();
        self.memory.clone_from(&self.disk);
        self.killed()
    }

    /// The memory is gone: of each sector some moment since it was last synced is left.
    pub(crate) fn power_lost(mut self, random: &mut Random) -> Model {
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
