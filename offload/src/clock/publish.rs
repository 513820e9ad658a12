//! A sequence lock: one thread publishes the mapping, hot cores copy it out without waiting.
//!
//! The words are atomics, so that a copy taken while they change is garbage but no undefined
//! behaviour, and two readings of the sequence tell garbage from a copy:
//!
//! - The writer makes the sequence odd, *then* writes: a release fence stands between, which pairs
//!   with the reader's acquire fence. A reader that saw any new word sees, at its second reading
//!   of the sequence, the odd number or a later one.
//! - The writer makes it even by a release store after the last word; the reader's first reading
//!   acquires it. A reader that saw the even number sees all words of that publication, or later.
//!
//! So equal even numbers before and after mean: all words of one publication, and no other.

use core::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::Arc;

use crate::stamp::RxStamp;

use super::discipline::Discipline;
use super::mapping::{MAPPING_WORDS, Mapping, Refusal, Shape, StampTime};

/// How often a reader tries before it goes on with what it has.
pub const READ_TRIES: usize = 4;

/// Words that are read whole or not at all. On cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
struct SequenceLock<const WORDS: usize> {
    /// Odd while the words are being written.
    sequence: AtomicU64,
    words: [AtomicU64; WORDS],
}

impl<const WORDS: usize> SequenceLock<WORDS> {
    fn new(words: [u64; WORDS]) -> Self {
        SequenceLock { sequence: AtomicU64::new(0), words: words.map(AtomicU64::new) }
    }

    /// By one writer only: [`Publisher`] is not to be had twice.
    fn write(&self, words: &[u64; WORDS]) {
        let even = self.begin_write();
        for (place, word) in self.words.iter().zip(words) {
            place.store(*word, Ordering::Relaxed);
        }
        self.sequence.store(even, Ordering::Release);
    }

    /// Makes the sequence odd, and says the even number that follows.
    fn begin_write(&self) -> u64 {
        let even = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(even.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        even.wrapping_add(2)
    }

    #[inline]
    fn sequence(&self) -> u64 {
        self.sequence.load(Ordering::Acquire)
    }

    /// One try: the words and their even number. `between` is called before each word is read, for
    /// tests to write in between.
    #[inline]
    fn try_read(&self, mut between: impl FnMut(usize)) -> Option<(u64, [u64; WORDS])> {
        let before = self.sequence();
        let words = core::array::from_fn(|index| {
            between(index);
            self.words[index].load(Ordering::Relaxed)
        });
        fence(Ordering::Acquire);
        let after = self.sequence.load(Ordering::Relaxed);
        (before == after && before.is_multiple_of(2)).then_some((before, words))
    }
}

/// Publishes a discipline's mapping. There is one.
#[derive(Debug)]
pub struct Publisher {
    shared: Arc<SequenceLock<MAPPING_WORDS>>,
}

impl Publisher {
    /// A publisher for `discipline`, and a reader to be cloned for each hot core. They see what it
    /// knows now.
    pub fn new(discipline: &Discipline) -> (Publisher, Reader) {
        let mapping = discipline.mapping();
        let shared = Arc::new(SequenceLock::new(mapping.to_words()));
        let reader = Reader { shared: Arc::clone(&shared), sequence: 0, mapping, kept: 0 };
        (Publisher { shared }, reader)
    }

    /// Lets readers see what `discipline` knows now. To be called after every pair and reset.
    pub fn publish(&mut self, discipline: &Discipline) {
        self.shared.write(&discipline.mapping().to_words());
    }
}

/// Reads what is published, without waiting.
#[derive(Clone, Debug)]
pub struct Reader {
    shared: Arc<SequenceLock<MAPPING_WORDS>>,
    sequence: u64,
    mapping: Mapping,
    kept: u64,
}

impl Reader {
    /// The mapping last published. When the writer is at work in each of [`READ_TRIES`] tries, the
    /// one before: it is as good until its pairs are stale.
    #[inline]
    pub fn mapping(&mut self) -> &Mapping {
        if self.shared.sequence() != self.sequence {
            self.refresh();
        }
        &self.mapping
    }

    /// Converts by the mapping last published: see [`Mapping::convert`].
    ///
    /// # Errors
    /// [`Refusal`], when no bound could be given.
    #[inline]
    pub fn convert(&mut self, stamp: &RxStamp, received: u64) -> Result<StampTime, Refusal> {
        self.mapping().convert(stamp, received)
    }

    /// How often a mapping was kept because the writer was at work in every try.
    pub fn kept(&self) -> u64 {
        self.kept
    }

    #[cold]
    fn refresh(&mut self) {
        let shape: Shape = self.mapping.shape;
        match (0..READ_TRIES).find_map(|_| self.shared.try_read(|_| {})) {
            Some((sequence, words)) => {
                self.sequence = sequence;
                self.mapping = Mapping::from_words(shape, &words);
            }
            None => self.kept += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::AtomicBool;
    use std::thread;

    use super::*;

    const WORDS: usize = 30;

    #[test]
    fn what_is_written_whole_between_two_words_is_not_read_in_part() {
        for at in 0..WORDS {
            let lock = SequenceLock::new([1; WORDS]);
            let torn = lock.try_read(|index| {
                if index == at {
                    lock.write(&[2; WORDS]);
                }
            });
            assert_eq!(torn, None, "written before word {at} was read");
            assert_eq!(lock.try_read(|_| {}), Some((2, [2; WORDS])));
        }
    }

    #[test]
    fn nothing_is_read_while_the_writer_is_at_work() {
        let lock = SequenceLock::new([1; WORDS]);
        lock.begin_write();
        assert_eq!(lock.try_read(|_| {}), None);
    }

    #[test]
    fn threads_never_see_words_of_two_publications() {
        const PUBLICATIONS: u64 = 100_000;
        let lock = SequenceLock::new([0; WORDS]);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let (mut newest, mut whole) = (0, 0u64);
                    while !done.load(Ordering::Relaxed) || whole == 0 {
                        // Dawdles before one word or another, so that the writer gets in between.
                        let dawdle = |index: usize| {
                            if index as u64 == whole % 64 {
                                (0..200).for_each(|_| core::hint::spin_loop());
                            }
                        };
                        let Some((sequence, words)) = lock.try_read(dawdle) else { continue };
                        assert_eq!(words, [words[0]; WORDS], "torn");
                        assert_eq!(sequence, 2 * words[0], "of another publication");
                        assert!(words[0] >= newest, "older than one seen before");
                        (newest, whole) = (words[0], whole + 1);
                    }
                });
            }
            for number in 1..=PUBLICATIONS {
                lock.write(&[number; WORDS]);
            }
            done.store(true, Ordering::Relaxed);
        });
        assert_eq!(lock.try_read(|_| {}), Some((2 * PUBLICATIONS, [PUBLICATIONS; WORDS])));
    }
}
