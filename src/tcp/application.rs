//! What the application does with a connection: writing, reading, closing.

use super::account::MessageNumber;
use super::config::Terms;
use super::connection::{Connection, State};
use super::counters::Count;
use super::event::{ConnectionId, SendRefusal};
use super::stack::Stack;
use crate::time::Instant;
use crate::wire::tcp::SeqNumber;

impl Stack {
    /// `len` bytes of the stream to write into, in one run. [`commit`](Stack::commit) sends them; a
    /// new reservation forgets the last.
    ///
    /// # Errors
    /// A [`SendRefusal`]. After [`SendRefusal::NoRoom`], [`Event::Writable`](super::Event::Writable)
    /// says when `len` bytes have room.
    #[inline(always)]
    pub fn reserve(&mut self, id: ConnectionId, len: usize) -> Result<&mut [u8], SendRefusal> {
        if let Some(index) = self.find(id)
            && self.connections[index].takes_first(len)
        {
            let room = self.connections[index].send.reserve_first(len);
            return room.ok_or(SendRefusal::NoRoom);
        }
        self.reserve_any(id, len)
    }

    /// The same where the short way is closed, something is held, or `len` is long.
    #[inline(never)]
    fn reserve_any(&mut self, id: ConnectionId, len: usize) -> Result<&mut [u8], SendRefusal> {
        let index = self.find_to_write(id, len)?;
        // Once all that is held is acknowledged, the place of what is reserved behind it is not any place.
        self.connections[index].tell_of_sent();
        self.connections[index].send.ready = 0;
        self.connections[index].send.reserve(len).ok_or(SendRefusal::NoRoom)
    }

    /// The longest [reservation](Stack::reserve) that a connection ever takes, in bytes: beyond it one is
    /// [too long](SendRefusal::TooLong). `None` where there is no such connection.
    pub fn reservation_max(&self, id: ConnectionId) -> Option<usize> {
        self.find(id).map(|index| self.connections[index].send.first_max() as usize)
    }

    /// The connection that `id` names, if `len` bytes can be reserved on it.
    #[inline(always)]
    fn find_to_write(&mut self, id: ConnectionId, len: usize) -> Result<usize, SendRefusal> {
        match self.find(id) {
            Some(index) if self.connections[index].takes_bytes(len) => Ok(index),
            _ => Err(self.why_not_to_write(id, len)),
        }
    }

    #[inline(never)]
    fn why_not_to_write(&mut self, id: ConnectionId, len: usize) -> SendRefusal {
        let why = self.look_why_not_to_write(id, len);
        self.counters.count(why.count());
        why
    }

    fn look_why_not_to_write(&mut self, id: ConnectionId, len: usize) -> SendRefusal {
        let Some(index) = self.find(id) else { return SendRefusal::StaleId };
        let connection = &mut self.connections[index];
        match connection.state {
            State::Established | State::CloseWait => {}
            State::SynSent | State::SynReceived => return SendRefusal::NotConnected,
            _ => return SendRefusal::Closed,
        }
        if len > connection.send.reservation_max() {
            return SendRefusal::TooLong;
        }
        // No send buffer is as long as a half word says.
        connection.room_wanted = u32::try_from(len).unwrap_or(u32::MAX);
        connection.close_fast();
        SendRefusal::NoRoom
    }

    /// Writes up to `len` bytes of the stream and sends them: [`reserve`](Stack::reserve) and
    /// [`commit`](Stack::commit) in one, with nothing done to the stack in between. `write` says how many it has
    /// written.
    ///
    /// # Errors
    /// Those of [`reserve`](Stack::reserve).
    #[inline(always)]
    pub fn write(
        &mut self,
        now: Instant,
        id: ConnectionId,
        len: usize,
        write: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<Option<MessageNumber>, SendRefusal> {
        self.hear(now);
        let Stack { connections, transmits, now, .. } = self;
        if let Some(connection) = connections.get_mut(id.index())
            && connection.generation == id.generation
            && let Some(room) = connection.room_for_first(len)
        {
            let written = write(room).min(len);
            if written == 0 {
                return Ok(None);
            }
            let number = connection.note_first(*now, written as u32, 0);
            transmits.push(&mut connection.is_queued, id.index());
            return Ok(Some(number));
        }
        self.write_any(id, len, write)
    }

    /// The same where the short way is closed, something is held, or `len` is long.
    #[cold]
    #[inline(never)]
    fn write_any(
        &mut self,
        id: ConnectionId,
        len: usize,
        write: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<Option<MessageNumber>, SendRefusal> {
        let index = self.find_to_write(id, len)?;
        let Stack { connections, counters, transmits, now, .. } = self;
        let connection = &mut connections[index];
        let start = connection.stream_end();
        let written = connection.send.write(len, write).ok_or(SendRefusal::NoRoom)?;
        if written == 0 {
            return Ok(None);
        }
        let number = connection.note_written(*now, start, written, 0, counters);
        transmits.push(&mut connection.is_queued, index);
        let stale_at = connection.watch(*now);
        if stale_at != Instant::FAR_FUTURE {
            self.wake_by(index, stale_at);
        }
        Ok(Some(number))
    }

    /// Makes the first `used` bytes of the last reservation part of the stream. They leave with
    /// [`poll_transmit`](Stack::poll_transmit), as far as the windows go. Says which message they are, for
    /// [`delivery`](Stack::delivery); `None` if there are none.
    #[inline(always)]
    pub fn commit(&mut self, now: Instant, id: ConnectionId, used: usize) -> Option<MessageNumber> {
        self.commit_tagged(now, id, used, 0)
    }

    /// As [`commit`](Stack::commit), with a number of the caller's, by which it knows the message again in
    /// [`outstanding`](Stack::outstanding).
    #[inline(always)]
    pub fn commit_tagged(
        &mut self,
        now: Instant,
        id: ConnectionId,
        used: usize,
        tag: u32,
    ) -> Option<MessageNumber> {
        self.hear(now);
        let Stack { connections, transmits, now, .. } = self;
        if let Some(connection) = connections.get_mut(id.index())
            && connection.generation == id.generation
            && let Some(number) = connection.commit_first(*now, used, tag)
        {
            transmits.push(&mut connection.is_queued, id.index());
            return Some(number);
        }
        self.commit_any(id, used, tag)
    }

    /// The same where the short way is closed, something is held, or nothing was written.
    #[inline(never)]
    fn commit_any(&mut self, id: ConnectionId, used: usize, tag: u32) -> Option<MessageNumber> {
        let Some(index) = self.find(id) else {
            self.counters.count(Count::StaleId);
            return None;
        };
        let connection = &mut self.connections[index];
        // A reset may have come between the two.
        if !matches!(connection.state, State::Established | State::CloseWait) {
            self.counters.count(Count::SendClosed);
            return None;
        }
        let number = connection.commit(self.now, used, tag, &mut self.counters)?;
        self.transmits.push(&mut connection.is_queued, index);
        // No other deadline moves before it is sent.
        let stale_at = connection.watch(self.now);
        if stale_at != Instant::FAR_FUTURE {
            self.wake_by(index, stale_at);
        }
        Some(number)
    }

    /// The last `len` bytes of those that were written and are kept in the send buffer: the second run is empty unless its
    /// ring wraps within them.
    pub(crate) fn last_written(&self, id: ConnectionId, len: usize) -> [&[u8]; 2] {
        let Some(index) = self.find(id) else { return [&[], &[]] };
        let send = &self.connections[index].send;
        send.slices(send.len().saturating_sub(len), len)
    }

    /// Whether everything that was committed on a connection has left once at least.
    pub(crate) fn has_all_left(&self, id: ConnectionId) -> bool {
        self.find(id).is_some_and(|index| {
            let connection = &self.connections[index];
            connection.stream_end().is_at_or_before(connection.snd_nxt)
        })
    }

    /// Has a connection go by terms of its own from here on. What both SYNs must say counts as long as
    /// ours has not left: after [`connect`](Stack::connect), and before anything is transmitted. For one that is over, or in
    /// TIME-WAIT, nothing comes of it.
    pub fn set_terms(&mut self, id: ConnectionId, terms: &Terms) {
        let now = self.now;
        self.on(now, id, |stack, index| {
            if !matches!(stack.connections[index].state, State::Closed | State::TimeWait) {
                stack.step(index, |connection, cx| connection.set_terms(cx, terms));
            }
        });
    }

    /// How many bytes could be committed now; 0 where none can.
    pub fn send_room(&self, id: ConnectionId) -> usize {
        self.find(id).map_or(0, |index| {
            let connection = &self.connections[index];
            match connection.state {
                State::Established | State::CloseWait => connection.send.room(),
                _ => 0,
            }
        })
    }

    /// Stores the tail `rest` of the `fresh` bytes of the last arrival: what the application did not
    /// take. To be called before anything else is done with the connection; bytes not handed back
    /// count as taken.
    pub fn keep(&mut self, id: ConnectionId, rest: &[u8]) {
        let now = self.now;
        self.on(now, id, |stack, index| {
            stack.step(index, |connection, _| connection.receive.keep(rest));
        });
    }

    /// Bytes stored and not consumed, as far as they lie in one run: there may be more after
    /// [`consume`](Stack::consume).
    pub fn readable(&self, id: ConnectionId) -> &[u8] {
        self.find(id).map_or(&[], |index| self.connections[index].receive.readable())
    }

    /// Copies what is stored and not consumed, from its first byte on, as much as there is and `into` takes, and
    /// leaves it there. Says how many bytes.
    pub fn peek(&self, id: ConnectionId, into: &mut [u8]) -> usize {
        self.find(id).map_or(0, |index| self.connections[index].receive.peek(into))
    }

    /// Leaves the stored bytes where they are: they have been looked at, and make sense only with what
    /// follows. Should nothing follow, the stream's end is told all the same.
    pub fn await_more(&mut self, id: ConnectionId) {
        let now = self.now;
        self.on(now, id, |stack, index| {
            stack.step(index, |connection, _| connection.receive.mark_seen());
        });
    }

    /// Gives up the first `len` of the stored bytes. A window update is sent once the window has
    /// grown by a worthwhile step (RFC 9293 3.8.6.2.2) to twice what the peer knows of: one with more
    /// left than that waits for nothing, and its next segment is answered with all of it.
    pub fn consume(&mut self, now: Instant, id: ConnectionId, len: usize) {
        self.on(now, id, |stack, index| {
            if !stack.consume_plainly(index, len) {
                stack.step(index, |connection, _| connection.give_up(len));
            }
        });
    }

    /// Sends a FIN after what is committed. Reading goes on until the peer closes, too. On a
    /// connection that is not established yet it takes the attempt back.
    pub fn shutdown(&mut self, now: Instant, id: ConnectionId) {
        self.on(now, id, |stack, index| {
            stack.step(index, |connection, cx| connection.shut_down(cx));
        });
    }

    /// Resets the connection: what is unsent and unread is lost, on both sides.
    /// [`Event::Closed`](super::Event::Closed) follows all the same.
    pub fn abort(&mut self, now: Instant, id: ConnectionId) {
        self.on(now, id, |stack, index| {
            stack.step(index, |connection, cx| connection.abort(cx));
        });
    }

    /// The application is done with the connection: `id` names nothing from here on.
    ///
    /// One that is not over closes by itself, delivering what is committed, within
    /// [`orphan_timeout`](Terms::orphan_timeout); data that still come for it are answered by a RST, and so is
    /// everything if bytes were left unread.
    pub fn release(&mut self, id: ConnectionId) {
        let now = self.now;
        self.on(now, id, |stack, index| {
            let generation = &mut stack.connections[index].generation;
            stack.absent[index].outlives(*generation);
            *generation = generation.wrapping_add(1);
            stack.step(index, |connection, cx| connection.release(cx));
        });
    }

    /// Does something to the connection that `id` names, if it names one.
    #[inline(always)]
    pub(super) fn on(
        &mut self,
        now: Instant,
        id: ConnectionId,
        act: impl FnOnce(&mut Stack, usize),
    ) {
        self.now = self.now.max(now);
        match self.find(id) {
            Some(index) => act(self, index),
            None => self.counters.count(Count::StaleId),
        }
    }
}

impl Connection {
    /// Gives up the first `len` of the stored bytes, and owes the window update that may come of that.
    #[inline(always)]
    pub(super) fn give_up(&mut self, len: usize) {
        self.receive.consume(len);
        self.forget_receipts();
        let takes_more =
            matches!(self.state, State::Established | State::FinWait1 | State::FinWait2);
        let told = self.rcv_wnd();
        let rcv_nxt = self.rcv_nxt;
        // And the field says so: with a large shift many bytes are none of its units.
        let doubles = |edge: SeqNumber| {
            let (wider, shift) = (edge.since(rcv_nxt), self.rcv_wind_shift);
            wider / 2 >= told && wider >> shift > told >> shift
        };
        if takes_more && self.window_gain().is_some_and(doubles) {
            self.owe_ack();
        }
    }
}
