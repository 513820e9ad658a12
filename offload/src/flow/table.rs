//! A table of the rules that share one mask, in which every lookup is one comparison.
//!
//! The rules are known before the first frame, so their keys are placed without a collision: a key's
//! hash names a pilot, the pilot is mixed into the hash, and what comes out is the one slot in which
//! the key can be. Pilots are chosen when the table is built. There is no chain to follow and no probe
//! to repeat: a lookup takes the same steps whatever the rules, however many, and whatever frames a
//! stranger sends.

use super::key::{NEVER_SET, SPARE_MASK};

/// The rules of one mask.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// The bits of a key that count.
    mask: u128,
    /// Which hash it is.
    seed: u64,
    /// What leaves of a hash the number of its pilot.
    pilot_shift: u32,
    pilots: Box<[u16]>,
    /// A power of two of them. Each holds a masked key and, in the bits that no key has, its rank.
    slots: Box<[u128]>,
    /// The least rank in the table.
    pub(super) best_rank: u32,
}

/// What no masked key is equal to.
const EMPTY: u128 = NEVER_SET;

impl Table {
    /// A table of masked keys and their ranks, the best rank first. Of equal keys the first is kept: no
    /// frame gets to the others.
    pub(super) fn new(mask: u128, ranked: &[(u128, u16)]) -> Table {
        let mut entries: Vec<u128> = Vec::with_capacity(ranked.len());
        for (key, rank) in ranked {
            if !entries.iter().any(|entry| entry & !SPARE_MASK == *key) {
                entries.push(key | u128::from(*rank));
            }
        }
        let best_rank = ranked.first().map_or(u32::MAX, |(_, rank)| u32::from(*rank));
        // Each seed has a chance of a third and more. As long as keys differ, one will do.
        seeds()
            .find_map(|seed| Table::place(mask, seed, &entries, best_rank))
            .expect("a seed that tells the keys apart")
    }

    /// Places all entries, if this seed can.
    fn place(mask: u128, seed: u64, entries: &[u128], best_rank: u32) -> Option<Table> {
        let size = entries.len().next_power_of_two().max(2);
        let pilot_shift = u64::BITS - size.trailing_zeros();
        let mut table = Table {
            mask,
            seed,
            pilot_shift,
            pilots: vec![0; size].into(),
            slots: vec![EMPTY; size].into(),
            best_rank,
        };
        let mut groups: Vec<Vec<(u64, u128)>> = vec![Vec::new(); size];
        for entry in entries {
            let hash = hash(entry & !SPARE_MASK, seed);
            groups[table.pilot_of(hash)].push((hash, *entry));
        }
        // Who needs the most room goes first.
        let mut order: Vec<usize> = (0..size).collect();
        order.sort_by_key(|group| core::cmp::Reverse(groups[*group].len()));
        for number in order {
            let group = &groups[number];
            let pilot = (0..size as u16).find(|pilot| table.has_room(group, *pilot))?;
            table.pilots[number] = pilot;
            for (hash, entry) in group {
                let slot = table.slot_of(*hash, pilot);
                table.slots[slot] = *entry;
            }
        }
        Some(table)
    }

    /// Whether a pilot sends each of a group to a free slot of its own.
    fn has_room(&self, group: &[(u64, u128)], pilot: u16) -> bool {
        let slot = |(hash, _): &(u64, u128)| self.slot_of(*hash, pilot);
        group.iter().enumerate().all(|(at, member)| {
            self.slots[slot(member)] == EMPTY
                && group[..at].iter().all(|other| slot(other) != slot(member))
        })
    }

    #[inline]
    fn pilot_of(&self, hash: u64) -> usize {
        (hash >> self.pilot_shift) as usize
    }

    #[inline]
    fn slot_of(&self, hash: u64, pilot: u16) -> usize {
        (hash as usize ^ usize::from(pilot)) & (self.slots.len() - 1)
    }

    /// The rank of the rule that matches a key. If none does, a number above every rank: whoever wants
    /// the least needs no branch, which nobody could foresee.
    #[inline]
    pub(super) fn find(&self, key: u128) -> u64 {
        let masked = key & self.mask;
        let hash = hash(masked, self.seed);
        let pilot = self.pilots[self.pilot_of(hash)];
        let difference = self.slots[self.slot_of(hash, pilot)] ^ masked;
        // The rank, if the rest is equal. Where it is not, some bit above the rank's is set, or put there.
        let (upper, lower) = ((difference >> 64) as u64, difference as u64);
        lower | upper << 16 | upper >> 16
    }
}

/// The fractional digits of pi and of e: numbers without a pattern that nobody chose.
const PI: u64 = 0x243f_6a88_85a3_08d3;
const E: u64 = 0xb7e1_5162_8aed_2a6a;

/// What makes one hash another: the odd multiples of a number.
fn seeds() -> impl Iterator<Item = u64> {
    (1..=u64::MAX).step_by(2).map(|odd| PI.wrapping_mul(odd))
}

/// The halves of the key, disguised so that neither is zero, multiplied; the product's halves joined,
/// so that each bit of the key bears on all of the hash.
#[inline]
fn hash(key: u128, seed: u64) -> u64 {
    let product = u128::from((key >> 64) as u64 ^ seed) * u128::from(key as u64 ^ E);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(count: u128, step: u128) -> Vec<(u128, u16)> {
        (0..count).map(|at| (((at * step) << 16) & !NEVER_SET, at as u16)).collect()
    }

    #[test]
    fn every_key_is_found_and_no_other_however_regular_they_are() {
        for count in [0, 1, 2, 3, 64, 1000, 1024, 1025, 4096] {
            // Neighbouring destination ports, source ports, addresses, networks.
            for step in [1 << 16, 1 << 32, 1 << 48, 1 << 80, 1 << 96, (1 << 48) + (1 << 16)] {
                let ranked = keys(count, step);
                let table = Table::new(u128::MAX << 16, &ranked);
                for (key, rank) in &ranked {
                    assert_eq!(table.find(*key), u64::from(*rank), "{count} {step:#x}");
                }
                for at in count..count + 2000 {
                    let key = ((at * step) << 16) & !NEVER_SET;
                    assert!(table.find(key) > u64::from(u16::MAX), "{count} {step:#x}");
                }
            }
        }
    }

    #[test]
    fn a_table_is_no_larger_than_the_power_of_two_that_holds_its_rules() {
        for (count, size) in [(1, 2), (2, 2), (3, 4), (1024, 1024), (1025, 2048)] {
            let table = Table::new(u128::MAX << 16, &keys(count, 1 << 16));
            assert_eq!((table.slots.len(), table.pilots.len()), (size, size));
        }
    }

    #[test]
    fn of_equal_keys_the_better_ranked_is_found() {
        let table = Table::new(u128::MAX << 16, &[(1 << 64, 3), (1 << 64, 7), (1 << 65, 9)]);
        assert_eq!((table.find(1 << 64), table.find(1 << 65)), (3, 9));
        assert_eq!(table.best_rank, 3);
    }

    #[test]
    fn a_few_seeds_are_enough() {
        for count in [64, 1024, 4096] {
            for step in [1 << 16, 1 << 32, 1 << 48, 1 << 80] {
                let table = Table::new(u128::MAX << 16, &keys(count, step));
                let taken = seeds().position(|seed| seed == table.seed).unwrap();
                assert!(taken < 32, "{count} keys {step:#x} apart took {taken} seeds");
            }
        }
    }
}
