//! Where connections are many: those of a burst of segments are fetched from memory together, ahead of the segments.
//!
//! On one segment's path the loads wait for each other, table, connection, buffers; those of several segments need
//! not. A load is all that it takes: nothing changes.

use core::hint::black_box;

use arrayvec::ArrayVec;

use super::connection::Connection;
use super::endpoint::{Endpoint, Tuple};
use super::stack::Stack;

/// Connections that are fetched at once, at most: more loads than these do not wait side by side.
const FETCHED_MAX: usize = 16;

/// So many connections, and what they point at, are more than a core's own caches hold.
const CROWD: usize = 1024;

impl Stack {
    /// Whether so many connections are open that those of the next segments are hardly ever near.
    #[inline]
    pub fn is_crowded(&self) -> bool {
        self.connections.len() - self.free.len() >= CROWD
    }

    /// Segments between these endpoints, ours and the peer's, come next: fetches what is needed to take the first
    /// few of them in and to answer them.
    pub fn fetch(&self, ends: impl Iterator<Item = (Endpoint, Endpoint)>) {
        let tuples: ArrayVec<Tuple, FETCHED_MAX> = between(ends).take(FETCHED_MAX).collect();
        tuples.iter().for_each(|tuple| self.table.touch(tuple));
        let connections: ArrayVec<&Connection, FETCHED_MAX> = self.known(&tuples).collect();
        connections.iter().for_each(|connection| connection.touch());
        connections.iter().for_each(|connection| connection.touch_buffers());
    }

    /// The connections of those that have one.
    #[inline(always)]
    fn known(&self, tuples: &[Tuple]) -> impl Iterator<Item = &Connection> {
        tuples
            .iter()
            .filter_map(|tuple| self.table.find(tuple))
            .map(|index| &self.connections[index])
    }
}

#[inline(always)]
fn between(ends: impl Iterator<Item = (Endpoint, Endpoint)>) -> impl Iterator<Item = Tuple> {
    ends.map(|(local, remote)| Tuple { local, remote })
}

impl Connection {
    /// Of each part that a segment's path reads, a field.
    fn touch(&self) {
        black_box((
            (self.state, self.snd_nxt, self.rcv_nxt, self.last_ack_sent),
            (self.retransmit_at, self.last_heard, self.stale_at),
            (self.send.len(), self.receive.len(), self.scoreboard.is_full()),
            (self.congestion.cwnd(), self.rtt.srtt(), self.timestamps.is_some()),
        ));
    }

    /// Where an answer is written, and noted.
    fn touch_buffers(&self) {
        self.send.touch();
        self.scoreboard.touch();
        self.account.touch();
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::super::Config;
    use super::*;
    use crate::time::Instant;

    #[test]
    fn fetching_changes_nothing_and_finds_whoever_is_known() {
        let buffers =
            Config { send_buffer_bytes: 1024, receive_buffer_bytes: 1024, ..Config::default() };
        let mut stack = Stack::new(Config { connections_max: CROWD, ..buffers }, [1; 16]);
        let local = Endpoint { addr: Ipv4Addr::new(10, 0, 0, 1), port: 0 };
        let remote = |port: u16| Endpoint { addr: Ipv4Addr::new(10, 0, 0, 2), port };
        let mut ends = Vec::new();
        for port in 1..=CROWD as u16 {
            assert!(!stack.is_crowded());
            let id = stack.connect(Instant::ZERO, local, remote(port)).unwrap();
            let ours = stack.info(id).unwrap().local;
            ends.extend([(ours, remote(port)), (ours, remote(port + 1))]);
        }
        assert!(stack.is_crowded());
        let counted = |stack: &Stack| stack.counters().iter().collect::<Vec<_>>();
        let (before, next) = (counted(&stack), stack.next_timeout());
        let known = |ends: &[(Endpoint, Endpoint)]| -> Vec<u16> {
            let tuples: Vec<Tuple> = between(ends.iter().copied()).collect();
            stack.known(&tuples).map(|connection| connection.tuple.remote.port).collect()
        };
        let the_other_way: Vec<_> = ends.iter().map(|(ours, theirs)| (*theirs, *ours)).collect();
        assert!(known(&ends).into_iter().eq(1..=CROWD as u16), "each, once, and nobody else");
        assert!(known(&the_other_way).is_empty());
        for ends in the_other_way.chunks(FETCHED_MAX).chain(ends.chunks(FETCHED_MAX)) {
            stack.fetch(ends.iter().copied());
        }
        assert_eq!((counted(&stack), stack.next_timeout()), (before, next));
    }
}
