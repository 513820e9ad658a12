//! Connections in TIME-WAIT that nobody holds, by when their wait ends: whoever needs a place takes the first one's,
//! and looks for it nowhere, however many connections there are.

use crate::time::Instant;

const NONE: u32 = u32::MAX;

/// A list of connections, each at most once.
pub(super) struct Waiting {
    links: Box<[Link]>,
    first: u32,
    last: u32,
}

#[derive(Clone, Copy)]
struct Link {
    before: u32,
    after: u32,
    /// The end of its wait; never, for one that is not in the list.
    until: Instant,
}

impl Waiting {
    pub(super) fn new(connections_max: usize) -> Waiting {
        let link = Link { before: NONE, after: NONE, until: Instant::FAR_FUTURE };
        let links = vec![link; connections_max].into_boxed_slice();
        Waiting { links, first: NONE, last: NONE }
    }

    /// The one whose wait ends first.
    pub(super) fn first(&self) -> Option<usize> {
        (self.first != NONE).then_some(self.first as usize)
    }

    /// A connection waits until then; never, if it does not.
    pub(super) fn note(&mut self, index: usize, until: Instant) {
        if self.links[index].until == until {
            return;
        }
        if self.links[index].until != Instant::FAR_FUTURE {
            self.take_out(index);
        }
        if until != Instant::FAR_FUTURE {
            self.put_in(index, until);
        }
    }

    /// Whoever begins to wait has its place at the end; only those let go of late are looked for theirs.
    fn put_in(&mut self, index: usize, until: Instant) {
        let (place, mut before, mut after) = (index as u32, self.last, NONE);
        while let Some(link) = self.links.get(before as usize).filter(|link| link.until > until) {
            (before, after) = (link.before, before);
        }
        self.links[index] = Link { before, after, until };
        self.join(before, place);
        self.join(place, after);
    }

    fn take_out(&mut self, index: usize) {
        let Link { before, after, .. } = self.links[index];
        self.links[index].until = Instant::FAR_FUTURE;
        self.join(before, after);
    }

    /// One stands right before the other; nobody before the first, or after the last.
    fn join(&mut self, before: u32, after: u32) {
        match self.links.get_mut(before as usize) {
            Some(link) => link.after = after,
            None => self.first = after,
        }
        match self.links.get_mut(after as usize) {
            Some(link) => link.before = before,
            None => self.last = before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beside a plain list, through every way of coming, going and beginning anew.
    #[test]
    fn the_first_is_whose_wait_ends_first() {
        let (mut waiting, mut plain) = (Waiting::new(6), Vec::new());
        let mut random = 1u64;
        for step in 100..20_000u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(step);
            let index = (random >> 40) as usize % 6;
            plain.retain(|(_, other)| *other != index);
            if random >> 60 < 6 {
                waiting.note(index, Instant::FAR_FUTURE);
            } else {
                let until = Instant::from_ns((step - (random >> 50) % 8) * 8 + index as u64);
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
}
