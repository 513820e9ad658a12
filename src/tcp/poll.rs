//! What is polled: segments to send, deadlines, events.

use core::net::Ipv4Addr;

use super::counters::Count;
use super::event::{ConnectionId, Event};
use super::stack::Stack;
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

impl Stack {
    /// Whose turn it is to send, and where to, without taking it: time to look the hardware address
    /// up. [`poll_transmit`](Stack::poll_transmit) then yields that segment, or
    /// [`defer_transmit`](Stack::defer_transmit) puts it aside.
    #[inline]
    pub fn next_transmit(&mut self) -> Option<(Option<ConnectionId>, Ipv4Addr)> {
        if let Some(reset) = self.resets.front() {
            return Some((None, reset.tuple.remote.addr));
        }
        let index = self.next_to_send()?;
        Some((self.public_id(index), self.connections[index].tuple.remote.addr))
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

    /// The segment of whose turn it is. `None` where [`next_transmit`](Stack::next_transmit) was not
    /// asked, and that one turns out to have nothing to send.
    #[inline]
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit<'_>> {
        self.now = self.now.max(now);
        if let Some(reset) = self.resets.pop() {
            self.counters.count(Count::ResetOut);
            return Some(Transmit {
                connection: None,
                local: reset.tuple.local.addr,
                remote: reset.tuple.remote.addr,
                header: reset.header(),
                payload: [&[], &[]],
                retransmission: false,
            });
        }
        // It may turn out to have nothing to send, and its turn is over then.
        let index = self.transmits.pop()?;
        let leaving = self.step(index, |connection, cx| connection.take_next(cx))?;
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

    /// The connection at the front of those that have something to send.
    #[inline]
    fn next_to_send(&mut self) -> Option<usize> {
        loop {
            let index = self.transmits.front()?;
            if self.connections[index].has_next() {
                return Some(index);
            }
            self.transmits.pop();
        }
    }

    fn public_id(&self, index: usize) -> Option<ConnectionId> {
        (!self.connections[index].is_released).then(|| self.id(index))
    }
}
