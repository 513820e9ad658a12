//! Where connections are many: those of a burst of segments are fetched from memory together, ahead of the segments.
//!
//! On one segment's path the loads wait for each other, table, connection, buffers; those of several segments need
//! not. Nothing changes.

use core::mem::offset_of;

use super::account::Account;
use super::connection::Connection;
use super::endpoint::Ends;
use super::event::ConnectionId;
use super::retransmit::RttEstimator;
use super::send_buffer::{LINE_BYTES, SendBuffer};
use super::stack::Stack;
use crate::prefetch::prefetch;
use crate::time::Instant;

/// Connections that are fetched at once, at most: as many as a core has loads that wait for memory, and few enough for
/// the first of them not to wait long.
pub const FETCHED_MAX: usize = 8;

/// So many connections, and what they point at, are more than a core's own caches hold.
const CROWD: usize = 1024;

impl Stack {
    /// Whether so many connections are open that those of the next segments are hardly ever near.
    #[inline]
    pub fn is_crowded(&self) -> bool {
        self.connections.len() - self.free.len() >= CROWD
    }

    /// Segments with these ends come next: fetches what is needed to take the first few of them in and to answer
    /// them. Says whose they are, as [`established`](Stack::established) would: [`ConnectionId::NOBODY`]'s, where it says
    /// `None`.
    #[inline(always)]
    pub fn fetch(&self, ends: impl Iterator<Item = Ends>) -> [ConnectionId; FETCHED_MAX] {
        let mut places = [(Ends::NOBODY, 0); FETCHED_MAX];
        let mut count = 0;
        for (place, ends) in places.iter_mut().zip(ends) {
            let home = self.table.home(ends);
            self.table.fetch(home);
            *place = (ends, home);
            count += 1;
        }
        let mut indices = [usize::MAX; FETCHED_MAX];
        for (index, (ends, home)) in indices.iter_mut().zip(&places[..count]) {
            let Some(found) = self.table.find_from(*home, *ends) else { continue };
            let Some(connection) = self.connections.get(found) else { continue };
            connection.fetch();
            *index = found;
        }
        let mut ids = [ConnectionId::NOBODY; FETCHED_MAX];
        for (id, index) in ids.iter_mut().zip(&indices[..count]) {
            let Some(found) = self.established_at(*index) else { continue };
            self.connections[*index].send.fetch();
            *id = found;
        }
        ids
    }
}

// The lines that a segment of a conversation and its answer touch are three of thirteen, apart from buffers and from what is kept
// apart. This is where they begin and end.
const _: () = {
    assert!(offset_of!(Connection, rtt) + RttEstimator::NOTED_AT == LINE_BYTES);
    assert!(offset_of!(Connection, fast) == 2 * LINE_BYTES);
    assert!(offset_of!(Connection, woken_by) + size_of::<Instant>() == 3 * LINE_BYTES);
    assert!(offset_of!(Connection, send) + SendBuffer::TOUCHED_AT == 4 * LINE_BYTES);
    assert!(offset_of!(Connection, account) + Account::ALONE_LEN == 5 * LINE_BYTES);
    // An odd number of lines, so that those of connections beside each other are in all sets of a cache.
    assert!(size_of::<Connection>() == 13 * LINE_BYTES);
};
/// One in each of those lines, and which they are.
const FETCHED: [(usize, usize); 3] = [
    (offset_of!(Connection, generation), 1),
    (offset_of!(Connection, fast), 2),
    (offset_of!(Connection, account), 4),
];
const _: () = {
    let mut at = 0;
    while at < FETCHED.len() {
        assert!(FETCHED[at].0 / LINE_BYTES == FETCHED[at].1);
        at += 1;
    }
};

impl Connection {
    /// The lines of it that a segment takes which is [as predicted](super::fast), and its answer.
    #[inline(always)]
    fn fetch(&self) {
        prefetch(&self.generation);
        prefetch(&self.fast);
        prefetch(&self.account);
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::super::endpoint::Tuple;
    use super::super::{Config, Endpoint};
    use super::*;
    use crate::wire::tcp::{Flags, Options, Segment, SeqNumber};

    const OURS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const THEIRS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

    fn answer_to_syn(stack: &mut Stack) -> Segment<'static> {
        let syn = stack.poll_transmit(Instant::ZERO).unwrap().header;
        Segment {
            src_port: syn.dst_port,
            dst_port: syn.src_port,
            seq: SeqNumber(7),
            ack: syn.seq + 1,
            flags: Flags::SYN.with(Flags::ACK),
            window: 1_000,
            options: Options::NONE,
            payload: &[],
            is_ce: false,
        }
    }

    #[test]
    fn fetching_changes_nothing_and_finds_whoever_is_established() {
        let buffers =
            Config { send_buffer_bytes: 1024, receive_buffer_bytes: 1024, ..Config::default() };
        let mut stack = Stack::new(Config { connections_max: CROWD, ..buffers }, [1; 16]);
        let local = Endpoint { addr: OURS, port: 0 };
        let remote = |port: u16| Endpoint { addr: THEIRS, port };
        let (mut ends, mut expected) = (Vec::new(), Vec::new());
        for port in 1..=CROWD as u16 {
            assert!(!stack.is_crowded());
            let id = stack.connect(Instant::ZERO, local, remote(port)).unwrap();
            let local = stack.info(id).unwrap().local;
            let answer = answer_to_syn(&mut stack);
            // One of three waits for its answer yet.
            if port % 3 != 0 {
                stack.on_segment(Instant::ZERO, THEIRS, OURS, &answer);
                while stack.poll_transmit(Instant::ZERO).is_some() {}
            }
            ends.push(Tuple { local, remote: remote(port) }.ends());
            expected.push(if port % 3 == 0 { ConnectionId::NOBODY } else { id });
            // Nobody's, and what is not a frame of a connection at all.
            ends.push(Tuple { local, remote: remote(port + 1) }.ends());
            ends.push(Tuple { local: remote(port), remote: local }.ends());
            ends.push(Ends::NOBODY);
            expected.extend([ConnectionId::NOBODY; 3]);
        }
        assert!(stack.is_crowded());
        let counted = |stack: &Stack| stack.counters().iter().collect::<Vec<_>>();
        let (before, next) = (counted(&stack), stack.next_timeout());
        // Whole looks, and ones that end early.
        for len in [FETCHED_MAX, 3] {
            for (ends, expected) in ends.chunks(len).zip(expected.chunks(len)) {
                let found = stack.fetch(ends.iter().copied());
                assert_eq!(&found[..len.min(ends.len())], expected);
                assert!(found[ends.len()..].iter().all(|id| *id == ConnectionId::NOBODY));
                for (ends, expected) in ends.iter().zip(expected) {
                    let established = stack.established(*ends);
                    assert_eq!(established.unwrap_or(ConnectionId::NOBODY), *expected);
                }
            }
        }
        let more = stack.fetch(ends.iter().copied());
        assert_eq!(more, expected[..FETCHED_MAX], "the first few of many");
        assert_eq!((counted(&stack), stack.next_timeout()), (before, next));
    }
}
