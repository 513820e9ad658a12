//! What comes from the network: segments for connections, listeners and nobody, and ICMP errors.

use core::net::Ipv4Addr;
use core::ops::Range;

use super::connection::State;
use super::cookies::Judged;
use super::counters::Count;
use super::endpoint::{Endpoint, Ends, Tuple};
use super::event::{Closed, ConnectionId};
use super::listeners::Listener;
use super::reset::Reset;
use super::stack::{Predecessor, Stack};
use crate::time::Instant;
use crate::wire::icmp::Quoted;
use crate::wire::tcp::{Flags, Segment};

/// ICMP unreachable codes that mean that nobody listens there: protocol and port (RFC 1122
/// 4.2.3.9), and that nobody is let there: network, host and communication prohibited (RFC 1812 5.2.7.1).
const UNREACHABLE_HARD: [u8; 5] = [2, 3, 9, 10, 13];

/// What a segment brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The connection that it was for, if there is one.
    pub connection: Option<ConnectionId>,
    /// The part of the segment's payload that is next in the stream. It is acknowledged, and it is
    /// not stored: the application takes it from where it lies, and the part that it does not take
    /// goes to [`Stack::keep`] before anything else is done with the connection.
    pub fresh: Range<usize>,
    /// Behind those bytes, bytes that had come ahead of their turn have become readable
    /// ([`Stack::readable`]). Never true with an empty `fresh`.
    pub joined: bool,
}

impl Arrival {
    const NOTHING: Arrival = Arrival { connection: None, fresh: 0..0, joined: false };

    /// Of a segment that was [predicted](Stack::take_predicted): so many bytes of payload, all of them next.
    #[inline(always)]
    pub fn predicted(connection: ConnectionId, len: usize) -> Arrival {
        Arrival { connection: Some(connection), fresh: 0..len, joined: false }
    }
}

impl Stack {
    /// Takes in a segment from `src` to `dst`, one of our addresses. Its checksum has been settled.
    ///
    /// What it makes us send is had from [`poll_transmit`](Stack::poll_transmit); data committed
    /// before that carry the ACK.
    pub fn on_segment(
        &mut self,
        now: Instant,
        src: Ipv4Addr,
        dst: Ipv4Addr,
        segment: &Segment<'_>,
    ) -> Arrival {
        self.now = self.now.max(now);
        self.counters.count(Count::SegmentIn);
        if segment.options.has_invalid {
            self.counters.count(Count::OptionInvalid);
        }
        let tuple = Tuple {
            local: Endpoint { addr: dst, port: segment.dst_port },
            remote: Endpoint { addr: src, port: segment.src_port },
        };
        let Some(index) = self.table.find(tuple.ends()) else {
            return self.on_segment_for_listener(tuple, segment, None);
        };
        if self.connections[index].state == State::TimeWait && self.succeeds(index, segment) {
            let Ok(predecessor) = self.make_way(index) else { return Arrival::NOTHING };
            return self.on_segment_for_listener(tuple, segment, Some(predecessor));
        }
        self.deliver(self.id(index), index, segment)
    }

    /// The connection between these endpoints, if there is one that is simply established.
    #[inline(always)]
    pub fn established(&self, ends: Ends) -> Option<ConnectionId> {
        self.established_at(self.table.find(ends)?)
    }

    /// The connection at `index`, if that is so. Whether somebody holds it is not asked, which would be a line of memory
    /// more: one that nobody does is closing, and nothing of it is predicted.
    #[inline(always)]
    pub(super) fn established_at(&self, index: usize) -> Option<ConnectionId> {
        let connection = self.connections.get(index)?;
        let generation = connection.generation;
        let id = ConnectionId { index: index as u32, generation };
        (connection.state == State::Established).then_some(id)
    }

    /// Hands a segment to its connection.
    fn deliver(&mut self, id: ConnectionId, index: usize, segment: &Segment<'_>) -> Arrival {
        let Stack { connections, counters, transmits, now, .. } = self;
        let connection = &mut connections[index];
        if connection.takes_fast(*now, segment) {
            counters.count(Count::SegmentPredicted);
            transmits.push(&mut connection.is_queued, index);
            return Arrival::predicted(id, segment.payload.len());
        }
        if self.predict(index, segment) {
            return Arrival::predicted(id, segment.payload.len());
        }
        if let Some(arrival) = self.hold(id, index, segment, segment.payload) {
            return arrival;
        }
        let taken = self.step(index, |connection, cx| connection.on_segment(cx, segment));
        Arrival { connection: Some(id), fresh: taken.fresh, joined: taken.has_joined }
    }

    /// An ICMP error says that `quoted` could not be delivered. It ends a connection that is being
    /// opened, if `code` means that nobody listens (RFC 9293 3.9.2.2); a connection that is open outlives it,
    /// of hard errors too (RFC 5927 5.2).
    pub fn on_unreachable(&mut self, now: Instant, quoted: &Quoted, code: u8) {
        self.now = self.now.max(now);
        let Some(index) = self.find_quoted(quoted) else { return };
        let state = self.connections[index].state;
        if state == State::SynSent && UNREACHABLE_HARD.contains(&code) {
            self.step(index, |connection, cx| connection.end(cx, Closed::Unreachable));
        } else {
            self.counters.count(Count::IcmpSoft);
        }
    }

    /// The connection of a quoted segment, provided that the segment is in flight (RFC 5927 4.1).
    pub(super) fn find_quoted(&mut self, quoted: &Quoted) -> Option<usize> {
        let tuple = Tuple {
            local: Endpoint { addr: quoted.src, port: quoted.src_port },
            remote: Endpoint { addr: quoted.dst, port: quoted.dst_port },
        };
        let found = self.table.find(tuple.ends()).filter(|index| {
            let connection = &self.connections[*index];
            quoted.seq.since(connection.snd_una) < connection.flight()
        });
        if found.is_none() {
            self.counters.count(Count::IcmpOutOfWindow);
        }
        found
    }

    /// Whether `segment` opens a successor to a connection in TIME-WAIT: a SYN that is provably newer,
    /// for a listener (RFC 9293 3.6.1, RFC 6191 2).
    fn succeeds(&self, index: usize, segment: &Segment<'_>) -> bool {
        let connection = &self.connections[index];
        let is_bare_syn =
            segment.flags.has(Flags::SYN) && !segment.flags.has_any(Flags::ACK.with(Flags::RST));
        if !is_bare_syn || self.listener(connection.tuple.local).is_none() {
            return false;
        }
        match (connection.stamps(), segment.options.timestamps) {
            (Some(ours), Some(theirs)) if theirs.value != ours.recent() => {
                !connection.is_old_stamp(self.now, theirs.value)
            }
            // Timestamps tell its segments from those of the predecessor, which had none.
            (None, Some(_)) if self.config.timestamps => true,
            _ => connection.rcv_nxt.is_before(segment.seq),
        }
    }

    /// RFC 9293 3.10.7.1 and 3.10.7.2.
    fn on_segment_for_listener(
        &mut self,
        tuple: Tuple,
        segment: &Segment<'_>,
        predecessor: Option<Predecessor>,
    ) -> Arrival {
        let listener = self.listener(tuple.local);
        let refuse = |stack: &mut Stack, why| {
            stack.counters.count(why);
            if let Some(reset) = Reset::answering(tuple, segment) {
                stack.resets.push(reset, &mut stack.counters);
            }
            Arrival::NOTHING
        };
        if segment.flags.has(Flags::RST) {
            self.counters.count(Count::ResetIgnored);
            return Arrival::NOTHING;
        }
        let Some(listener) = listener else { return refuse(self, Count::PortUnreachable) };
        if segment.flags.has(Flags::ACK) {
            let is_syn = segment.flags.has(Flags::SYN);
            return match self.judge_cookie(&tuple, segment) {
                Judged::Right(cookie) if !is_syn => {
                    let opened = self.open_by_cookie(tuple, listener, segment, &cookie);
                    opened.map_or(Arrival::NOTHING, |index| {
                        self.deliver(self.id(index), index, segment)
                    })
                }
                Judged::Used if !is_syn => refuse(self, Count::SynCookieUsed),
                Judged::Wrong if !is_syn => refuse(self, Count::SynCookieWrong),
                _ => refuse(self, Count::ListenAckUnexpected),
            };
        }
        if !segment.flags.has(Flags::SYN) {
            self.counters.count(Count::ListenSegmentIgnored);
            return Arrival::NOTHING;
        }
        // Whoever comes back from TIME-WAIT had its place before: a flood does not keep it out.
        if predecessor.is_none() && self.has_full_backlog(listener) {
            self.answer_by_cookie(tuple, listener, segment);
            return Arrival::NOTHING;
        }
        let Some(index) = self.begin(tuple, predecessor) else { return Arrival::NOTHING };
        self.join_backlog(index, listener);
        self.accept_at(index, listener, segment);
        Arrival { connection: Some(self.id(index)), ..Arrival::NOTHING }
    }

    /// Begins a passive open by `syn`, on the listener's terms.
    pub(super) fn accept_at(&mut self, index: usize, listener: usize, syn: &Segment<'_>) {
        let Listener { id, terms, .. } = self.listeners[listener];
        self.connections[index].listener = Some(id);
        let offset = self.secret.timestamp_offset(&self.connections[index].tuple);
        self.step(index, |connection, cx| {
            connection.set_terms(cx, &terms);
            connection.accept(cx, syn, offset);
        });
    }

    /// Who listens at `local`: whoever names that address, ahead of who stands for all of ours.
    pub(super) fn listener(&self, local: Endpoint) -> Option<usize> {
        let at = |addr| {
            let named = Endpoint { addr, ..local };
            self.listeners.iter().position(|listener| listener.local == named)
        };
        at(local.addr).or_else(|| at(Ipv4Addr::UNSPECIFIED))
    }
}
