//! Connections in TIME-WAIT that nobody holds, by when their wait ends: whoever needs a place takes the first one's,
//! and looks for it nowhere, however many connections there are.
//!
//! A binary heap, and where in it each connection lies. In whatever order they are let go of, to come or to go costs a look
//! at two for each time that their number halves: of 16,384 at 28 at most. Whoever begins to wait last is looked at once.

use crate::time::Instant;

/// The place of a connection that is not in the heap.
const NONE: u32 = u32::MAX;

/// A heap of connections, each at most once.
pub(super) struct Waiting {
    /// The first `len` are it: none ends before the one above it, which lies at half of the place before its own.
    heap: Box<[Wait]>,
    len: usize,
    /// Where each connection lies.
    places: Box<[u32]>,
    /// How many have moved within it.
    #[cfg(test)]
    moved: u64,
}

#[derive(Clone, Copy)]
struct Wait {
    until: Instant,
    index: u32,
}

impl Waiting {
    pub(super) fn new(connections_max: usize) -> Waiting {
        let nobody = Wait { until: Instant::FAR_FUTURE, index: NONE };
        Waiting {
            heap: vec![nobody; connections_max].into_boxed_slice(),
            len: 0,
            places: vec![NONE; connections_max].into_boxed_slice(),
            #[cfg(test)]
            moved: 0,
        }
    }

    /// The one whose wait ends first.
    pub(super) fn first(&self) -> Option<usize> {
        let first = self.heap[..self.len].first()?;
        Some(first.index as usize)
    }

    /// A connection waits until then; never, if it does not.
    pub(super) fn note(&mut self, index: usize, until: Instant) {
        let waits = until != Instant::FAR_FUTURE;
        let wait = Wait { until, index: index as u32 };
        let place = self.places[index];
        match (place != NONE, waits) {
            (true, true) => self.settle(place as usize, wait),
            (true, false) => self.take_out(index, place as usize),
            (false, true) => {
                self.len += 1;
                self.settle(self.len - 1, wait);
            }
            (false, false) => {}
        }
    }

    /// The last one comes to where it lay.
    fn take_out(&mut self, index: usize, place: usize) {
        self.places[index] = NONE;
        self.len -= 1;
        if place < self.len {
            self.settle(place, self.heap[self.len]);
        }
    }

    /// One comes to `place`, and from there to where it belongs: who lay between moves by one.
    fn settle(&mut self, place: usize, wait: Wait) {
        let mut place = place;
        while place > 0 && wait.until < self.heap[(place - 1) / 2].until {
            self.put((place - 1) / 2, place);
            place = (place - 1) / 2;
        }
        loop {
            let below = 2 * place + 1..(2 * place + 3).min(self.len);
            let soonest = below.min_by_key(|below| self.heap[*below].until);
            let Some(below) = soonest.filter(|below| self.heap[*below].until < wait.until) else {
                break;
            };
            self.put(below, place);
            place = below;
        }
        self.heap[place] = wait;
        self.places[wait.index as usize] = place as u32;
    }

    /// Whoever lies at `from` lies at `to`.
    fn put(&mut self, from: usize, to: usize) {
        #[cfg(test)]
        {
            self.moved += 1;
        }
        self.heap[to] = self.heap[from];
        self.places[self.heap[to].index as usize] = to as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beside a plain list, through every way of coming, going and beginning anew.
    #[test]
    fn the_first_is_whose_wait_ends_first() {
        let (mut waiting, mut plain) = (Waiting::new(40), Vec::new());
        let mut random = 1u64;
        for step in 100..20_000u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(step);
            let index = (random >> 40) as usize % 40;
            plain.retain(|(_, other)| *other != index);
            if random >> 60 < 6 {
                waiting.note(index, Instant::FAR_FUTURE);
            } else {
                let until = Instant::from_ns((step - (random >> 50) % 64) * 64 + index as u64);
                waiting.note(index, until);
                plain.insert(plain.partition_point(|(other, _)| *other <= until), (until, index));
            }
            assert_eq!(waiting.first(), plain.first().map(|(_, index)| *index));
        }
        while let Some(index) = waiting.first() {
            assert_eq!(index, plain.remove(0).1);
            waiting.note(index, Instant::FAR_FUTURE);
        }
        assert!(plain.is_empty());
    }

    /// In whatever order they come: newest first is how a list of them, walked from its end, is worst.
    #[test]
    fn no_order_of_letting_go_costs_more_than_the_height_of_the_heap() {
        const COUNT: u64 = 1 << 12;
        let orders: [fn(u64) -> u64; 4] = [
            |index| index,
            |index| COUNT - 1 - index,
            |index| index * 2_731 % COUNT,
            |index| if index % 2 == 0 { index } else { COUNT - index },
        ];
        for order in orders {
            let mut waiting = Waiting::new(COUNT as usize);
            let mut note = |index: usize, until| {
                let before = waiting.moved;
                waiting.note(index, until);
                let moved = waiting.moved - before;
                assert!(moved <= 12, "{moved} have moved for one of {COUNT}");
                waiting.first()
            };
            for index in 0..COUNT {
                note(index as usize, Instant::from_ms(order(index)));
            }
            for index in (0..COUNT).step_by(2) {
                note(index as usize, Instant::from_ms(2 * COUNT + index));
            }
            let mut first = note(1, Instant::FAR_FUTURE);
            while let Some(index) = first {
                first = note(index, Instant::FAR_FUTURE);
            }
        }
    }
}
