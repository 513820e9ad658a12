//! What is polled: segments to send, deadlines, events.

use core::net::Ipv4Addr;

use super::counters::Count;
use super::event::{ConnectionId, Event};
use super::stack::Stack;
use super::transmit::Leaving;
use crate::time::Instant;
use crate::wire::tcp::Repr;

/// One segment to put on the wire now.
#[derive(Clone, Copy, Debug)]
pub struct Transmit<'a> {
    /// Whose it is; `None` for a reset and for a connection that was released.
    pub connection: Option<ConnectionId>,
    /// Our address.
    pub local: Ipv4Addr,
    /// The peer's.
    pub remote: Ipv4Addr,
    /// The TCP header.
    pub header: Repr,
    /// The payload: the second run is empty but where the send buffer wraps.
    pub payload: [&'a [u8]; 2],
    /// Whether its sequence numbers were sent before.
    pub retransmission: bool,
    /// Whether the network may mark it instead of dropping it: ECT(0) in the IPv4 header (RFC 3168 5).
    pub is_ect: bool,
}

/// Whose turn it is to send.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// Where to.
    pub remote: Ipv4Addr,
    /// Which connection; `None` for a reset.
    index: Option<usize>,
    /// How much it sends, if it sends [all there is](super::connection::Connection::rest_len).
    rest_len: u32,
}

impl Stack {
    /// Whose turn it is to send, and where to, without taking it: time to look the hardware address
    /// up. [`transmit`](Stack::transmit) then yields that segment, or
    /// [`defer_transmit`](Stack::defer_transmit) puts it aside.
    #[inline(always)]
    pub fn next_transmit(&mut self) -> Option<Turn> {
        if let Some(reset) = self.resets.front() {
            return Some(Turn { remote: reset.tuple.remote.addr, index: None, rest_len: 0 });
        }
        loop {
            let index = self.transmits.front()?;
            let connection = &mut self.connections[index];
            // What is stale does not leave: `transmit` looks at it.
            let is_stale = connection.stale_at <= self.now;
            let rest_len = if is_stale { 0 } else { connection.rest_len() };
            if rest_len > 0 || connection.next().is_some() {
                let remote = connection.tuple.remote.addr;
                return Some(Turn { remote, index: Some(index), rest_len });
            }
            connection.arm_persist_timer(self.now, &self.config);
            self.timers.advance(index, connection.deadline());
            self.transmits.pop();
        }
    }

    /// Puts aside the one whose turn it is, as its next hop's hardware address is not known: a
    /// connection until [`resume_transmits`](Stack::resume_transmits), a reset for good.
    #[inline(never)]
    pub fn defer_transmit(&mut self) {
        if self.resets.pop().is_some() {
            self.counters.count(Count::ResetUnresolved);
        } else if let Some(index) = self.transmits.pop() {
            self.slots[index].is_deferred = true;
        }
    }

    /// An address has become known: everyone who was put aside may try again. One loop over the
    /// connections: for the rare moment at which ARP answers.
    pub fn resume_transmits(&mut self) {
        for index in 0..self.slots.len() {
            if core::mem::take(&mut self.slots[index].is_deferred) {
                self.transmits.push(index);
            }
        }
    }

    /// The segment of whose turn it is. To be called with what
    /// [`next_transmit`](Stack::next_transmit) said last, before anything else is done.
    pub fn transmit(&mut self, now: Instant, turn: Turn) -> Option<Transmit<'_>> {
        self.now = self.now.max(now);
        let Some(index) = turn.index else { return self.transmit_reset() };
        if self.connections[index].stale_at <= self.now
            && self.step(index, |connection, cx| connection.end_if_stale(cx))
        {
            return self.transmit_reset();
        }
        let (connection, mut cx) = self.connection_and_context(index);
        let leaving = connection.next().map(|next| connection.take(&mut cx, next))?;
        Some(self.leave(index, leaving))
    }

    /// As [`transmit`](Stack::transmit), if it is what nearly every segment is: all that a connection was
    /// given to send, for the first time. `None` for any other, whose turn stays.
    #[inline(always)]
    pub fn transmit_rest(&mut self, now: Instant, turn: Turn) -> Option<Transmit<'_>> {
        let index = turn.index.filter(|_| turn.rest_len > 0)?;
        self.now = self.now.max(now);
        let (connection, mut cx) = self.connection_and_context(index);
        let leaving = connection.take_rest(&mut cx, turn.rest_len);
        Some(self.leave(index, leaving))
    }

    /// Ends the turn of a connection. Sending makes no event and ends nothing: whose turn it is and when
    /// to send again is all of the books that it touches.
    #[inline(always)]
    fn leave(&mut self, index: usize, leaving: Leaving) -> Transmit<'_> {
        self.transmits.pop();
        self.ask_to_send(index);
        let connection = &self.connections[index];
        Transmit {
            connection: self.public_id(index),
            local: connection.tuple.local.addr,
            remote: connection.tuple.remote.addr,
            header: leaving.header,
            payload: connection.send.slices(leaving.offset, leaving.len),
            retransmission: leaving.is_retransmission,
            is_ect: leaving.is_ect,
        }
    }

    /// The next segment to put on the wire, for whoever needs no hardware addresses.
    #[inline]
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit<'_>> {
        let turn = self.next_transmit()?;
        self.transmit(now, turn)
    }

    #[inline(never)]
    fn transmit_reset(&mut self) -> Option<Transmit<'_>> {
        let reset = self.resets.pop()?;
        if reset.cookie.is_none() {
            self.counters.count(Count::ResetOut);
        }
        Some(Transmit {
            connection: None,
            local: reset.tuple.local.addr,
            remote: reset.tuple.remote.addr,
            header: reset.header(),
            payload: [&[], &[]],
            retransmission: false,
            is_ect: false,
        })
    }

    /// Whether anybody may have something to tell.
    #[inline]
    pub fn has_events(&self) -> bool {
        self.events.front().is_some()
    }

    /// Whether anybody may have something to send or to tell.
    #[inline]
    pub fn has_turns(&self) -> bool {
        self.resets.front().is_some() || self.transmits.front().is_some() || self.has_events()
    }

    /// When [`on_timeout`](Stack::on_timeout) is next to be called; [`Instant::FAR_FUTURE`] for
    /// never. It may be early, as a timer that has moved back is found out only when it is due.
    #[inline]
    pub fn next_timeout(&self) -> Instant {
        self.timers.earliest()
    }

    /// Does what is due.
    #[inline(never)]
    pub fn on_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        while self.timers.earliest() <= self.now && self.timers.earliest() != Instant::FAR_FUTURE {
            let index = self.timers.earliest_index();
            self.step(index, |connection, cx| connection.on_timeout(cx));
            let deadline = self.connections[index].deadline();
            self.timers.set(index, deadline);
        }
    }

    /// The next event. To be called after [`on_segment`](Stack::on_segment) and
    /// [`on_timeout`](Stack::on_timeout) until there is none.
    #[inline]
    pub fn poll_event(&mut self) -> Option<(ConnectionId, Event)> {
        loop {
            let index = self.events.front()?;
            if let Some(event) = self.connections[index].take_event() {
                return Some((self.id(index), event));
            }
            self.events.pop();
        }
    }

    #[inline]
    fn public_id(&self, index: usize) -> Option<ConnectionId> {
        (!self.connections[index].is_released).then(|| self.id(index))
    }
}
