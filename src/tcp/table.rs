//! Which connection a segment is for: a hash table by endpoints.
//!
//! Open addressing, at most half full. The hash is keyed, so that nobody outside can choose ports
//! that collide, and folds two 128-bit products, so that ports in sequence do not lie in sequence: by one alone they
//! do, with one key of ten or so. Endpoints are kept as they lie in the peer's frames, so that none is turned round to
//! be looked up.
//! Removal moves later entries up: the table does not rot under churn.

use super::endpoint::Ends;
use crate::prefetch::prefetch;

const EMPTY: u32 = u32::MAX;

/// Endpoints, and whose they are.
#[derive(Clone, Copy)]
struct Entry {
    addrs: u64,
    ports: u32,
    index: u32,
}

const NOBODY: Entry = Entry { addrs: 0, ports: 0, index: EMPTY };

impl Entry {
    fn of(ends: Ends, index: usize) -> Entry {
        Entry { addrs: ends.addrs, ports: ends.ports, index: index as u32 }
    }

    fn ends(&self) -> Ends {
        Ends { addrs: self.addrs, ports: self.ports }
    }

    /// By one comparison, not one after the other.
    #[inline(always)]
    fn is_of(&self, ends: Ends) -> bool {
        (self.addrs ^ ends.addrs) | u64::from(self.ports ^ ends.ports) == 0
    }
}

/// Connections' indices by their endpoints.
pub(super) struct Table {
    entries: Box<[Entry]>,
    mask: usize,
    keys: [u64; 3],
}

impl Table {
    /// A table for `connections_max` entries, keyed by `keys`.
    pub(super) fn new(connections_max: usize, keys: [u64; 3]) -> Table {
        let slots = (connections_max.max(4) * 2).next_power_of_two();
        let entries = vec![NOBODY; slots].into_boxed_slice();
        Table { entries, mask: slots - 1, keys }
    }

    /// The index stored for `ends`.
    #[inline(always)]
    pub(super) fn find(&self, ends: Ends) -> Option<usize> {
        self.find_from(self.home(ends), ends)
    }

    /// The same where it is known that they are [looked for from](Table::home) `home` on.
    #[inline(always)]
    pub(super) fn find_from(&self, home: usize, ends: Ends) -> Option<usize> {
        let mut slot = home;
        loop {
            let entry = self.entries.get(slot)?;
            // Nobody has the ends of an empty place, or else nobody is there.
            if entry.is_of(ends) || entry.index == EMPTY {
                return (entry.index != EMPTY).then_some(entry.index as usize);
            }
            slot = (slot + 1) & self.mask;
        }
    }

    /// Has what is there fetched.
    #[inline(always)]
    pub(super) fn fetch(&self, slot: usize) {
        if let Some(entry) = self.entries.get(slot) {
            prefetch(entry);
        }
    }

    /// Stores `index` for `ends`, which must not be in the table yet. There are never more entries
    /// than connections, so there is always room.
    pub(super) fn insert(&mut self, ends: Ends, index: usize) {
        let mut slot = self.home(ends);
        while self.entries[slot].index != EMPTY {
            slot = (slot + 1) & self.mask;
        }
        self.entries[slot] = Entry::of(ends, index);
    }

    /// Takes `ends` out, if they are there.
    pub(super) fn remove(&mut self, ends: Ends) {
        let mut hole = self.home(ends);
        loop {
            let entry = &self.entries[hole];
            if entry.index == EMPTY {
                return;
            }
            if entry.is_of(ends) {
                break;
            }
            hole = (hole + 1) & self.mask;
        }
        let mut slot = hole;
        loop {
            slot = (slot + 1) & self.mask;
            let entry = self.entries[slot];
            if entry.index == EMPTY {
                break;
            }
            // An entry may move up to the hole unless its home lies between the two.
            let home = self.home(entry.ends());
            if (slot.wrapping_sub(home) & self.mask) >= (slot.wrapping_sub(hole) & self.mask) {
                self.entries[hole] = entry;
                hole = slot;
            }
        }
        self.entries[hole] = NOBODY;
    }

    /// Where `ends` are looked for first.
    #[inline(always)]
    pub(super) fn home(&self, ends: Ends) -> usize {
        let [first, second, third] = self.keys;
        let hash = fold(ends.addrs ^ first, u64::from(ends.ports) ^ second);
        fold(hash ^ third, 0x9e37_79b9_7f4a_7c15) as usize & self.mask
    }
}

/// Both halves of the 128-bit product, folded together.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::super::endpoint::{Endpoint, Tuple};
    use super::*;

    const KEYS: [u64; 3] = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210, 0x0f1e_2d3c_4b5a_6978];

    fn ends(local_port: u16, remote_port: u16) -> Ends {
        let tuple = Tuple {
            local: Endpoint { addr: Ipv4Addr::new(10, 0, 0, 1), port: local_port },
            remote: Endpoint { addr: Ipv4Addr::new(10, 0, 0, 2), port: remote_port },
        };
        tuple.ends()
    }

    /// How far entries lie from where they are looked for first: on average, and at most.
    fn displacement(table: &Table) -> (f64, usize) {
        let displaced = (table.entries.iter().enumerate())
            .filter(|(_, entry)| entry.index != EMPTY)
            .map(|(slot, entry)| slot.wrapping_sub(table.home(entry.ends())) & table.mask)
            .collect::<Vec<_>>();
        let mean = displaced.iter().sum::<usize>() as f64 / displaced.len() as f64;
        (mean, displaced.into_iter().max().unwrap_or(0))
    }

    proptest! {
        // Keys of which a hash makes sequences are few: with one product, 7 of 100.
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn sequential_ports_lie_near_their_homes_by_any_keys(
            keys in any::<[u64; 3]>(), first in any::<u16>(), by_local in any::<bool>(),
        ) {
            let mut table = Table::new(4096, keys);
            for port in 0..4096u16 {
                let (port, other) = (first.wrapping_add(port), 9878);
                let (local, remote) = if by_local { (port, other) } else { (other, port) };
                table.insert(ends(local, remote), usize::from(port));
            }
            // Half full with a good hash: half an entry of displacement on average, by theory.
            let (mean, most) = displacement(&table);
            prop_assert!(mean < 0.75 && most < 96, "mean displacement {mean}, at most {most}");
        }
    }

    #[test]
    fn nobody_is_found_by_the_ends_of_an_empty_place() {
        let mut table = Table::new(4, KEYS);
        assert_eq!(table.find(Ends::NOBODY), None);
        table.insert(ends(1, 2), 3);
        table.remove(Ends::NOBODY);
        assert_eq!((table.find(Ends::NOBODY), table.find(ends(1, 2))), (None, Some(3)));
        table.remove(ends(1, 2));
        assert_eq!(table.find(ends(1, 2)), None);
    }

    #[test]
    fn churn_agrees_with_a_standard_map() {
        let mut table = Table::new(4096, KEYS);
        let mut oracle = HashMap::new();
        let name = |ends: Ends| (ends.addrs, ends.ports);
        let mut random = 0x2545_f491_4f6c_dd1du64;
        for step in 0..200_000usize {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let key = ends(1000 + (random % 8192) as u16, 9878);
            let held = oracle.get(&name(key)).copied();
            assert_eq!(table.find(key), held, "step {step}");
            match held {
                Some(_) => {
                    oracle.remove(&name(key));
                    table.remove(key);
                }
                None if oracle.len() < 4096 => {
                    oracle.insert(name(key), step);
                    table.insert(key, step);
                }
                None => {}
            }
        }
        for port in 1000..1000 + 8192 {
            let key = ends(port, 9878);
            assert_eq!(table.find(key), oracle.get(&name(key)).copied());
        }
    }
}
