//! Queues of connections: whose turn it is to send or to tell.

/// Connections in the order in which they asked, each at most once: it cannot overflow. Whether one is in it is
/// kept with the connection.
pub(super) struct Turns {
    /// Whose turn it is; `NOBODY`, if nobody's.
    front: u32,
    /// Those behind it.
    ring: Box<[u32]>,
    head: usize,
    len: usize,
}

const NOBODY: u32 = u32::MAX;

impl Turns {
    pub(super) fn new(connections_max: usize) -> Turns {
        let ring = vec![0; connections_max].into_boxed_slice();
        Turns { front: NOBODY, ring, head: 0, len: 0 }
    }

    /// Queues one that nearly always finds nobody before it, unless it is queued. One that was put aside, and whose flag says so
    /// yet, may get a turn by it, in which it is put aside again.
    #[inline(always)]
    pub(super) fn push_first(&mut self, is_queued: &mut bool, index: usize) {
        if self.front == NOBODY {
            self.front = index as u32;
            *is_queued = true;
        } else {
            self.push(is_queued, index);
        }
    }

    /// Queues a connection unless it is queued.
    #[inline(always)]
    pub(super) fn push(&mut self, is_queued: &mut bool, index: usize) {
        if *is_queued {
            return;
        }
        *is_queued = true;
        if self.front == NOBODY {
            self.front = index as u32;
        } else {
            self.push_behind(index);
        }
    }

    #[inline(never)]
    fn push_behind(&mut self, index: usize) {
        let at = self.head + self.len;
        let at = if at >= self.ring.len() { at - self.ring.len() } else { at };
        self.ring[at] = index as u32;
        self.len += 1;
    }

    #[inline(always)]
    pub(super) fn front(&self) -> Option<usize> {
        if self.front == NOBODY { None } else { Some(self.front as usize) }
    }

    /// Ends the turn of whose it is. It is queued no more: whoever keeps that is to know.
    #[inline(always)]
    pub(super) fn pop(&mut self) {
        if self.len > 0 {
            self.pop_behind();
        } else {
            self.front = NOBODY;
        }
    }

    #[inline(never)]
    fn pop_behind(&mut self) {
        self.front = self.ring[self.head];
        self.head = if self.head + 1 == self.ring.len() { 0 } else { self.head + 1 };
        self.len -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_go_round_in_order_and_nobody_has_two() {
        let (mut turns, mut is_queued) = (Turns::new(3), [false; 3]);
        let push = |turns: &mut Turns, is_queued: &mut [bool; 3], index: usize| {
            turns.push(&mut is_queued[index], index);
        };
        let pop = |turns: &mut Turns, is_queued: &mut [bool; 3]| {
            let front = turns.front();
            turns.pop();
            is_queued[front?] = false;
            front
        };
        for index in [2, 0, 2, 1, 0] {
            push(&mut turns, &mut is_queued, index);
        }
        assert_eq!(
            [pop(&mut turns, &mut is_queued), pop(&mut turns, &mut is_queued)],
            [Some(2), Some(0)]
        );
        for index in [2, 1, 0] {
            push(&mut turns, &mut is_queued, index);
        }
        let rest = [0; 4].map(|_| pop(&mut turns, &mut is_queued));
        assert_eq!(rest, [Some(1), Some(2), Some(0), None]);
    }
}
