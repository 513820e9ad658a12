//! Inputs made of those of a corpus, by a seed: what is tried where no fuzzer is.

use std::path::Path;

/// Edits of one input, at most.
const EDITS_MAX: usize = 6;
/// Bytes that are inserted, repeated or taken out at once, at most.
const RUN_MAX: usize = 12;
const LEN_MAX: usize = 4_000;

/// A corpus, whose inputs are cut, joined and edited.
pub struct Mutations {
    corpus: Vec<Vec<u8>>,
    random: u64,
}

/// An input that is named where it makes anything fail.
struct Named<'a>(&'a [u8]);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("it fails of {:?}", self.0);
        }
    }
}

impl Mutations {
    /// Of the inputs in `folder`, by the seed that `FIXWIRE_SEED` names, or one that is always the same.
    ///
    /// # Panics
    /// There is no such folder, or nothing in it.
    pub fn of(folder: &Path) -> Mutations {
        let seed = std::env::var("FIXWIRE_SEED").map_or(0, |text| text.parse().expect("a number"));
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        // In the same order everywhere.
        files.sort();
        let corpus = files.into_iter().map(|file| std::fs::read(file).unwrap()).collect();
        Mutations { corpus, random: u64::wrapping_mul(seed, 0x9e37_79b9_7f4a_7c15) | 1 }
    }

    /// Plays so many.
    pub fn play(&mut self, count: u32, play: impl Fn(&[u8])) {
        for _ in 0..count {
            let input = self.next_input();
            let _named = Named(&input);
            play(&input);
        }
    }

    fn below(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as usize % below.max(1)
    }

    fn next_input(&mut self) -> Vec<u8> {
        let [one, other] = [0, 1].map(|_| self.below(self.corpus.len()));
        let mut input = self.corpus[one].clone();
        if self.below(3) == 0 {
            // What one begins, another goes on with.
            let (end, from) = (self.below(input.len() + 1), self.below(self.corpus[other].len()));
            input.truncate(end);
            input.extend_from_slice(&self.corpus[other][from..]);
        }
        for _ in 0..=self.below(EDITS_MAX) {
            self.edit(&mut input);
        }
        input.truncate(LEN_MAX);
        input
    }

    fn edit(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len());
        let end = input.len().min(at + 1 + self.below(RUN_MAX));
        let byte = self.below(256) as u8;
        match self.below(5) {
            0 => input.iter_mut().skip(at).take(1).for_each(|old| *old = byte),
            1 => input.iter_mut().skip(at).take(1).for_each(|old| *old ^= 1 << (byte % 8)),
            2 => drop(input.drain(at..end)),
            3 => input.insert(at, byte),
            _ => {
                let run = input[at..end].to_vec();
                input.splice(at..at, run);
            }
        }
    }
}
