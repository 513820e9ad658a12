//! Which places are to be sent again, as bits beside the second ring: the next of them is found by words, however many lie
//! between that are not.

use super::{Scoreboard, step};

const BITS: usize = u32::BITS as usize;

impl Scoreboard {
    /// The segment at `place` is to be sent again, or is not any more.
    pub(super) fn set_due(&mut self, place: u32, is_due: bool) {
        let index = self.index(place);
        let (word, bit) = (&mut self.again[index / BITS].due, 1 << (index % BITS));
        *word = if is_due { *word | bit } else { *word & !bit };
    }

    /// The first place from `place` on that is to be sent again. There is one, and none before it.
    pub(super) fn next_due(&self, place: u32) -> u32 {
        let (index, words) = (self.index(place), self.ring.len() / BITS);
        let (from, bit) = (index / BITS, index % BITS);
        let rest = self.again[from].due >> bit;
        if rest != 0 {
            return place.wrapping_add(rest.trailing_zeros());
        }
        let mut distance = (BITS - bit) as u32;
        for offset in 1..=words {
            step();
            let word = self.again[(from + offset) % words].due;
            if word != 0 {
                distance += word.trailing_zeros();
                break;
            }
            distance += u32::BITS;
        }
        place.wrapping_add(distance)
    }

    /// None is.
    pub(super) fn clear_due(&mut self) {
        let words = self.ring.len() / BITS;
        self.again[..words].iter_mut().for_each(|each| each.due = 0);
    }
}
