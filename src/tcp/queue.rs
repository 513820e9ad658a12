//! Queues of connections: whose turn it is to send or to tell.

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
}
