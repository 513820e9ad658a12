//! Queues of connections: whose turn it is to send or to tell, and whose timer is next.

use crate::time::Instant;

/// Connections in the order in which they asked, each at most once: it cannot overflow.
pub(super) struct Turns {
    ring: Box<[u32]>,
    is_queued: Box<[bool]>,
    head: usize,
    len: usize,
}

impl Turns {
    pub(super) fn new(connections_max: usize) -> Turns {
        Turns {
            ring: vec![0; connections_max].into_boxed_slice(),
            is_queued: vec![false; connections_max].into_boxed_slice(),
            head: 0,
            len: 0,
        }
    }

    /// Queues a connection unless it is queued.
    #[inline(always)]
    pub(super) fn push(&mut self, index: usize) {
        if self.is_queued[index] {
            return;
        }
        self.is_queued[index] = true;
        let at = self.head + self.len;
        let at = if at >= self.ring.len() { at - self.ring.len() } else { at };
        self.ring[at] = index as u32;
        self.len += 1;
    }

    #[inline]
    pub(super) fn front(&self) -> Option<usize> {
        if self.len == 0 { None } else { Some(self.ring[self.head] as usize) }
    }

    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<usize> {
        let index = self.front()?;
        self.is_queued[index] = false;
        self.head = if self.head + 1 == self.ring.len() { 0 } else { self.head + 1 };
        self.len -= 1;
        Some(index)
    }
}

/// Each connection's next deadline: a binary heap in which every connection knows its place.
///
/// A deadline that moves back, as the retransmission timer does with every ACK, is not worth a
/// change: the heap keeps the earlier one and finds out when it comes. The path of a segment
/// therefore rarely touches it.
pub(super) struct Timers {
    heap: Box<[(Instant, u32)]>,
    place: Box<[u32]>,
    /// What the heap has of each connection, for whoever changes nothing.
    noted: Box<[Instant]>,
}

impl Timers {
    pub(super) fn new(connections_max: usize) -> Timers {
        let heap = (0..connections_max as u32).map(|index| (Instant::FAR_FUTURE, index)).collect();
        Timers {
            heap,
            place: (0..connections_max as u32).collect(),
            noted: vec![Instant::FAR_FUTURE; connections_max].into_boxed_slice(),
        }
    }

    /// The earliest deadline noted.
    #[inline]
    pub(super) fn earliest(&self) -> Instant {
        self.heap[0].0
    }

    /// The connection whose deadline that is.
    pub(super) fn earliest_index(&self) -> usize {
        self.heap[0].1 as usize
    }

    /// Notes a deadline if it is earlier than the one noted.
    #[inline(always)]
    pub(super) fn advance(&mut self, index: usize, deadline: Instant) {
        if deadline < self.noted[index] {
            self.bring_forward(index, deadline);
        }
    }

    #[cold]
    fn bring_forward(&mut self, index: usize, deadline: Instant) {
        let place = self.place[index] as usize;
        self.noted[index] = deadline;
        self.heap[place].0 = deadline;
        self.sift_up(place);
    }

    /// Notes a deadline in any case.
    pub(super) fn set(&mut self, index: usize, deadline: Instant) {
        let place = self.place[index] as usize;
        self.noted[index] = deadline;
        self.heap[place].0 = deadline;
        let place = self.sift_up(place);
        self.sift_down(place);
    }

    fn sift_up(&mut self, mut place: usize) -> usize {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.heap[parent].0 <= self.heap[place].0 {
                break;
            }
            self.swap(place, parent);
            place = parent;
        }
        place
    }

    fn sift_down(&mut self, mut place: usize) {
        loop {
            let (left, right) = (2 * place + 1, 2 * place + 2);
            let mut least = place;
            for child in [left, right] {
                if child < self.heap.len() && self.heap[child].0 < self.heap[least].0 {
                    least = child;
                }
            }
            if least == place {
                return;
            }
            self.swap(place, least);
            place = least;
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.place[self.heap[a].1 as usize] = a as u32;
        self.place[self.heap[b].1 as usize] = b as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_go_round_in_order_and_nobody_has_two() {
        let mut turns = Turns::new(3);
        for index in [2, 0, 2, 1, 0] {
            turns.push(index);
        }
        assert_eq!([turns.pop(), turns.pop()], [Some(2), Some(0)]);
        turns.push(2);
        assert_eq!([turns.pop(), turns.pop(), turns.pop()], [Some(1), Some(2), None]);
    }

    #[test]
    fn the_earliest_deadline_is_on_top_whatever_is_set() {
        let mut timers = Timers::new(17);
        let mut deadlines = [Instant::FAR_FUTURE; 17];
        let mut random = 0x9e37_79b9_97f4_a7c1u64;
        for _ in 0..20_000 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let (index, at) = ((random >> 8) as usize % 17, Instant::from_ns(random >> 40));
            if random & 1 == 0 {
                timers.set(index, at);
                deadlines[index] = at;
            } else {
                timers.advance(index, at);
                deadlines[index] = deadlines[index].min(at);
            }
            assert_eq!(Some(&timers.earliest()), deadlines.iter().min());
            assert_eq!(deadlines[timers.earliest_index()], timers.earliest());
        }
    }
}
