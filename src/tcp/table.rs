//! Which connection a segment is for: a hash table by endpoints.
//!
//! Open addressing, at most half full. The hash is keyed, so that nobody outside can choose ports
//! that collide, and folds a 128-bit product, so that ports in sequence do not lie in sequence.
//! Removal moves later entries up: the table does not rot under churn.

use super::endpoint::Tuple;

const EMPTY: u32 = u32::MAX;

/// Endpoints as two words, which are quick to compare, and whose they are.
#[derive(Clone, Copy)]
struct Entry {
    addrs: u64,
    ports: u32,
    index: u32,
}

const NOBODY: Entry = Entry { addrs: 0, ports: 0, index: EMPTY };

impl Entry {
    fn of(tuple: &Tuple, index: usize) -> Entry {
        Entry { addrs: tuple.addrs(), ports: tuple.ports(), index: index as u32 }
    }

    #[inline]
    fn is_of(&self, tuple: &Tuple) -> bool {
        self.addrs == tuple.addrs() && self.ports == tuple.ports()
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

    /// The index stored for `tuple`.
    #[inline(always)]
    pub(super) fn find(&self, tuple: &Tuple) -> Option<usize> {
        let mut slot = self.home(tuple.addrs(), tuple.ports());
        loop {
            let entry = &self.entries[slot];
            if entry.index == EMPTY {
                return None;
            }
            if entry.is_of(tuple) {
                return Some(entry.index as usize);
            }
            slot = (slot + 1) & self.mask;
        }
    }

    /// Loads where `tuple` is looked for first.
    #[inline]
    pub(super) fn touch(&self, tuple: &Tuple) {
        let home = self.home(tuple.addrs(), tuple.ports());
        core::hint::black_box(self.entries[home].index);
    }

    /// Stores `index` for `tuple`, which must not be in the table yet. There are never more entries
    /// than connections, so there is always room.
    pub(super) fn insert(&mut self, tuple: Tuple, index: usize) {
        let mut slot = self.home(tuple.addrs(), tuple.ports());
        while self.entries[slot].index != EMPTY {
            slot = (slot + 1) & self.mask;
        }
        self.entries[slot] = Entry::of(&tuple, index);
    }

    /// Takes `tuple` out, if it is there.
    pub(super) fn remove(&mut self, tuple: &Tuple) {
        let mut hole = self.home(tuple.addrs(), tuple.ports());
        loop {
            let entry = &self.entries[hole];
            if entry.index == EMPTY {
                return;
            }
            if entry.is_of(tuple) {
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
            let home = self.home(entry.addrs, entry.ports);
            if (slot.wrapping_sub(home) & self.mask) >= (slot.wrapping_sub(hole) & self.mask) {
                self.entries[hole] = entry;
                hole = slot;
            }
        }
        self.entries[hole].index = EMPTY;
    }

    #[inline]
    fn home(&self, addrs: u64, ports: u32) -> usize {
        let [first, second, third] = self.keys;
        let hash = fold(addrs ^ first, u64::from(ports) ^ second);
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

    use super::super::endpoint::Endpoint;
    use super::*;

    const KEYS: [u64; 3] = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210, 0x0f1e_2d3c_4b5a_6978];

    fn tuple(local_port: u16, remote_port: u16) -> Tuple {
        Tuple {
            local: Endpoint { addr: Ipv4Addr::new(10, 0, 0, 1), port: local_port },
            remote: Endpoint { addr: Ipv4Addr::new(10, 0, 0, 2), port: remote_port },
        }
    }

    #[test]
    fn sequential_ports_lie_near_their_homes() {
        for by_local in [true, false] {
            let mut table = Table::new(4096, KEYS);
            for port in 0..4096u16 {
                let port = 40_000 + port;
                let (local, remote) = if by_local { (port, 9878) } else { (9878, port) };
                table.insert(tuple(local, remote), usize::from(port));
            }
            let mask = table.mask;
            let displaced = (table.entries.iter().enumerate())
                .filter(|(_, entry)| entry.index != EMPTY)
                .map(|(slot, entry)| slot.wrapping_sub(table.home(entry.addrs, entry.ports)) & mask)
                .collect::<Vec<_>>();
            assert_eq!(displaced.len(), 4096);
            // Half full with a good hash: half an entry of displacement on average, by theory.
            let mean = displaced.iter().sum::<usize>() as f64 / 4096.0;
            assert!(mean < 0.75, "mean displacement {mean}");
            assert!(displaced.iter().max() < Some(&32));
        }
    }

    #[test]
    fn churn_agrees_with_a_standard_map() {
        let mut table = Table::new(4096, KEYS);
        let mut oracle = HashMap::new();
        let mut random = 0x2545_f491_4f6c_dd1du64;
        for step in 0..200_000usize {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let key = tuple(1000 + (random % 8192) as u16, 9878);
            let held = oracle.get(&key).copied();
            assert_eq!(table.find(&key), held, "step {step}");
            match held {
                Some(_) => {
                    oracle.remove(&key);
                    table.remove(&key);
                }
                None if oracle.len() < 4096 => {
                    oracle.insert(key, step);
                    table.insert(key, step);
                }
                None => {}
            }
        }
        for port in 1000..1000 + 8192 {
            let key = tuple(port, 9878);
            assert_eq!(table.find(&key), oracle.get(&key).copied());
        }
    }
}
