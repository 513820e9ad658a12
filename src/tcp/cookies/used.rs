//! Cookies that have opened a connection: none opens a second one. Where a handshake is kept, its last segment is worth
//! nothing once the connection is over; that of a cookie would begin it anew, and bring its bytes again.
//!
//! They are remembered by their whole hashes, for as long as they are good. There is room for so many of a period: past that
//! all are forgotten, and the key that every cookie is made with changes, so that none given before is good.

#[cfg(feature = "hand-over")]
use crate::tcp::codec::{Codec, In, Out};
#[cfg(feature = "hand-over")]
use crate::tcp::snapshot::SnapshotRefusal;

/// How many are remembered of a period. Whoever opens more within 64 s costs those whose handshake is on its way a second try.
const OF_PERIOD_MAX: usize = 4_096;
const EMPTY: u64 = 0;

/// Those of the period that is on, and of the one before.
pub(in crate::tcp) struct Used {
    periods: [Period; 2],
    /// How often all were forgotten.
    key: u64,
}

struct Period {
    number: u64,
    len: usize,
    /// A hash table by open addressing, at most half full. No hash can be chosen from outside.
    hashes: Box<[u64]>,
}

impl Used {
    /// Nothing is kept where no cookies are given.
    pub(in crate::tcp) fn new(gives_cookies: bool) -> Used {
        let slots = if gives_cookies { 2 * OF_PERIOD_MAX } else { 0 };
        let period = || Period { number: 0, len: 0, hashes: vec![EMPTY; slots].into_boxed_slice() };
        Used { periods: [period(), period()], key: 0 }
    }

    /// Writes those that are remembered.
    #[cfg(feature = "hand-over")]
    pub(in crate::tcp) fn put(&self, out: &mut Out<'_>) {
        self.key.put(out);
        for period in &self.periods {
            period.number.put(out);
            (period.len as u32).put(out);
            period.hashes.iter().filter(|hash| **hash != EMPTY).for_each(|hash| hash.put(out));
        }
    }

    /// Reads those of another, to be remembered here: none, where no cookies are given.
    #[cfg(feature = "hand-over")]
    pub(in crate::tcp) fn take(&self, from: &mut In<'_>) -> Result<Used, SnapshotRefusal> {
        let gives_cookies = !self.periods[0].hashes.is_empty();
        let mut used = Used { key: u64::take(from)?, ..Used::new(gives_cookies) };
        for period in &mut used.periods {
            period.number = u64::take(from)?;
            let count = from.take_count(8)?;
            if count > OF_PERIOD_MAX {
                return Err(SnapshotRefusal::Malformed);
            }
            for _ in 0..count {
                let hash = u64::take(from)?;
                if gives_cookies && hash != EMPTY {
                    let slot = period.slot(hash);
                    period.len += usize::from(period.hashes[slot] == EMPTY);
                    period.hashes[slot] = hash;
                }
            }
        }
        Ok(used)
    }

    /// What cookies are made with at present, besides their secret.
    pub(in crate::tcp) fn key(&self) -> u64 {
        self.key
    }

    /// Whether the cookie of this hash, made in `period`, has opened a connection.
    pub(super) fn has(&self, period: u64, hash: u64) -> bool {
        let of = &self.periods[period as usize & 1];
        of.number == period && of.hashes[of.slot(hash)] == hash
    }

    /// The cookie of this hash, made in `period`, opens a connection. Says whether it is remembered; else no cookie that
    /// was given before is good any more.
    pub(super) fn add(&mut self, period: u64, hash: u64) -> bool {
        let of = &mut self.periods[period as usize & 1];
        if of.number != period {
            // Those of two periods before are too old.
            of.clear();
            of.number = period;
        }
        if of.len == OF_PERIOD_MAX {
            self.periods.iter_mut().for_each(Period::clear);
            self.key += 1;
            return false;
        }
        let slot = of.slot(hash);
        of.hashes[slot] = hash;
        of.len += 1;
        true
    }
}

impl Period {
    /// Where a hash is, or would be. Its low half may be seen from outside.
    fn slot(&self, hash: u64) -> usize {
        let mask = self.hashes.len() - 1;
        let mut slot = (hash >> 32) as usize & mask;
        while self.hashes[slot] != EMPTY && self.hashes[slot] != hash {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn clear(&mut self) {
        self.hashes.fill(EMPTY);
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Beside a plain set, over periods that come and go: hashes that crowd at one place, and at the end of the table.
    #[test]
    fn what_was_added_is_known_through_its_period_and_the_next() {
        let (mut used, mut plain, mut random) = (Used::new(true), BTreeSet::new(), 1u64);
        for step in 0..30_000u64 {
            let period = step / 3_000 + 7;
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(step);
            let of = period - (random >> 63);
            let hash = (random >> 50 & 7 | 0x1ffc) << 32 | (random >> 40 & 511) | 1;
            assert_eq!(used.has(of, hash), plain.contains(&(of, hash)), "step {step}");
            if random >> 60 & 3 == 0 && plain.insert((of, hash)) {
                assert!(used.add(of, hash));
            }
        }
        assert!(plain.len() > 3_000, "{}", plain.len());
    }

    #[test]
    fn past_its_room_all_is_forgotten_and_the_key_changes() {
        let mut used = Used::new(true);
        let hash = |at: usize| (at as u64) << 30 | 1;
        assert!(used.add(6, 5));
        assert!((0..OF_PERIOD_MAX).all(|at| used.add(7, hash(at))));
        assert!(used.has(6, 5) && (0..OF_PERIOD_MAX).all(|at| used.has(7, hash(at))));
        assert_eq!(used.key(), 0);
        assert!(!used.add(7, 9));
        assert_eq!(used.key(), 1);
        assert!(!used.has(6, 5) && !used.has(7, hash(0)));
        assert!(used.add(7, 9) && used.has(7, 9));
    }
}
