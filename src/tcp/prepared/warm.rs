//! Warming: the whole way of a prepared send, gone and taken back.

use super::{Prepared, PreparedOut, PreparedRefusal};
use crate::tcp::congestion::Congestion;
use crate::tcp::connection::Connection;
use crate::tcp::counters::Count;
use crate::tcp::deadlines::Deadlines;
use crate::tcp::fast::SENT;
use crate::tcp::stack::Stack;
use crate::time::Instant;
use crate::wire::tcp::SeqNumber;

/// What a send changes, as it was.
struct Before {
    woken_by: Instant,
    snd_nxt: SeqNumber,
    last_sent: Instant,
    congestion: Congestion,
    ready: u32,
    deadlines: Deadlines,
    acks_due: u8,
    last_ack_sent: SeqNumber,
    rcv_edge: SeqNumber,
    keep_alive_due: bool,
}

impl Connection {
    fn before(&self) -> Before {
        Before {
            woken_by: self.woken_by,
            snd_nxt: self.snd_nxt,
            last_sent: self.last_sent,
            congestion: self.congestion,
            ready: self.send.ready,
            deadlines: self.deadlines,
            acks_due: self.acks_due,
            last_ack_sent: self.last_ack_sent,
            rcv_edge: self.rcv_edge,
            keep_alive_due: self.keep_alive_due,
        }
    }

    /// Takes a send of `len` bytes back.
    fn take_back(&mut self, before: &Before, len: usize) {
        self.send.take_back(len);
        if self.send.ready != SENT {
            self.scoreboard.take_back();
        }
        self.account.take_back();
        self.woken_by = before.woken_by;
        self.snd_nxt = before.snd_nxt;
        self.last_sent = before.last_sent;
        self.congestion = before.congestion;
        self.send.ready = before.ready;
        self.deadlines = before.deadlines;
        self.acks_due = before.acks_due;
        self.last_ack_sent = before.last_ack_sent;
        self.rcv_edge = before.rcv_edge;
        self.keep_alive_due = before.keep_alive_due;
    }
}

impl Stack {
    /// Goes the whole way of [`send_prepared`](Stack::send_prepared) and takes it back: code and data of a send
    /// are near afterwards, and nothing has been sent or changed. Not between a
    /// [reservation](Stack::reserve) and its commit, whose bytes it would write over.
    ///
    /// # Errors
    /// Why the send would have been refused.
    pub fn warm_prepared(
        &mut self,
        now: Instant,
        prepared: &Prepared,
        payload: &[u8],
        wants_sum: bool,
    ) -> Result<PreparedOut, PreparedRefusal> {
        let out = self.warm(now, prepared, payload.len(), |stack| {
            stack.send_prepared(now, prepared, payload, 0, wants_sum)
        })??;
        Ok(PreparedOut { message: None, ..out })
    }

    /// The same where `send` does so: it sends `len` bytes as [prepared](Prepared), and what else it does is not
    /// taken back. To be near afterwards, a send has to go through the same code.
    ///
    /// # Errors
    /// Why the send would have been refused. `send` was not called then.
    pub(crate) fn warm<R>(
        &mut self,
        now: Instant,
        prepared: &Prepared,
        len: usize,
        send: impl FnOnce(&mut Stack) -> R,
    ) -> Result<R, PreparedRefusal> {
        let index = self.find_prepared(now, prepared, len)?;
        let (now, connection) = (self.now, &mut self.connections[index]);
        if !connection.account.makes_room(connection.snd_una) {
            return Err(self.refuse_prepared(PreparedRefusal::QueueFull));
        }
        if !connection.takes_prepared_fast(now, &prepared.header, len) {
            // Before anything is remembered of it: a send would, too.
            connection.catch_up(&self.config);
        }
        let before = connection.before();
        // Nobody has to be woken for it.
        connection.woken_by = connection.woken_by.min(now);
        // Whoever reads the counters elsewhere sees none go back; but they are near afterwards, too.
        for what in [Count::SegmentOut, Count::PreparedOut] {
            self.counters.add(what, 0);
        }
        core::mem::swap(&mut self.counters, &mut self.counters_of_warming);
        #[cfg(test)]
        let prepared_fast = self.prepared_fast;
        let sent = send(self);
        #[cfg(test)]
        {
            self.prepared_fast = prepared_fast;
        }
        core::mem::swap(&mut self.counters, &mut self.counters_of_warming);
        self.connections[index].take_back(&before, len);
        self.counters.count(Count::PathWarmed);
        Ok(sent)
    }
}
