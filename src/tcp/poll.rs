//! What is polled: segments to send, deadlines, events.

use core::net::Ipv4Addr;

use super::connection::Context;
use super::counters::Count;
use super::event::{ConnectionId, Event};
use super::stack::Stack;
use super::transmit::Next;
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
}

/// Whose turn it is to send.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// Where to.
    pub remote: Ipv4Addr,
    /// Which connection, and what; `None` for a reset.
    next: Option<(usize, Next)>,
}

impl Stack {
    /// Whose turn it is to send, and where to, without taking it: time to look the hardware address
    /// up. [`transmit`](Stack::transmit) then yields that segment, or
    /// [`defer_transmit`](Stack::defer_transmit) puts it aside.
    #[inline]
    pub fn next_transmit(&mut self) -> Option<Turn> {
        if let Some(reset) = self.resets.front() {
            return Some(Turn { remote: reset.tuple.remote.addr, next: None });
        }
        loop {
            let index = self.transmits.front()?;
            let connection = &mut self.connections[index];
            if let Some(next) = connection.next() {
                let remote = connection.tuple.remote.addr;
                return Some(Turn { remote, next: Some((index, next)) });
            }
            connection.arm_persist_timer(self.now, &self.config);
            self.timers.advance(index, connection.deadline());
            self.transmits.pop();
        }
    }

    /// Puts aside the one whose turn it is, as its next hop's hardware address is not known: a
    /// connection until [`resume_transmits`](Stack::resume_transmits), a reset for good.
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
    #[inline]
    pub fn transmit(&mut self, now: Instant, turn: Turn) -> Option<Transmit<'_>> {
        self.now = self.now.max(now);
        let Some((index, next)) = turn.next else { return self.transmit_reset() };
        self.transmits.pop();
        let mut cx = Context {
            now: self.now,
            config: &self.config,
            counters: &mut self.counters,
            resets: &mut self.resets,
        };
        let leaving = self.connections[index].take(&mut cx, next);
        // Sending makes no event and ends nothing: these are all of the books that it touches.
        self.ask_to_send(index);
        let connection = &self.connections[index];
        Some(Transmit {
            connection: self.public_id(index),
            local: connection.tuple.local.addr,
            remote: connection.tuple.remote.addr,
            header: leaving.header,
            payload: connection.send.slices(leaving.offset, leaving.len),
            retransmission: leaving.is_retransmission,
        })
    }

    /// The next segment to put on the wire, for whoever needs no hardware addresses.
    #[inline]
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit<'_>> {
        let turn = self.next_transmit()?;
        self.transmit(now, turn)
    }

    fn transmit_reset(&mut self) -> Option<Transmit<'_>> {
        let reset = self.resets.pop()?;
        self.counters.count(Count::ResetOut);
        Some(Transmit {
            connection: None,
            local: reset.tuple.local.addr,
            remote: reset.tuple.remote.addr,
            header: reset.header(),
            payload: [&[], &[]],
            retransmission: false,
        })
    }

    /// Whether anybody may have something to send or to tell.
    #[inline]
    pub fn has_turns(&self) -> bool {
        self.resets.front().is_some()
            || self.transmits.front().is_some()
            || self.events.front().is_some()
    }

    /// When [`on_timeout`](Stack::on_timeout) is next to be called; [`Instant::FAR_FUTURE`] for
    /// never. It may be early, as a timer that has moved back is found out only when it is due.
    #[inline]
    pub fn next_timeout(&self) -> Instant {
        self.timers.earliest()
    }

    /// Does what is due.
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
