//! Payloads that are kept by whoever sent them: in their frames, rather than copied into the send buffer.
//!
//! Their place in the send buffer stays theirs, with nothing in it, so that windows, limits and numbers are those of any
//! other payload. What is asked for by the bounds that it had is sent again from where it is kept; before anything
//! else reads it, the send buffer is [given](Stack::give_back) the bytes. Nothing is told when a payload need not be
//! kept any more: that is [asked](Stack::lets_go).

use super::account::MessageNumber;
use super::counters::Count;
use super::event::ConnectionId;
use super::prepared::{Prepared, PreparedOut, PreparedRefusal};
use super::stack::Stack;
use super::transmit::{Next, Why};
use super::{connection::Connection, connection::State, poll::Turn};
use crate::time::Instant;
use crate::wire::tcp::SeqNumber;

/// The most payloads of one connection that are kept outside of its send buffer.
pub const HELD_PAYLOADS_MAX: usize = 3;

/// A payload that is kept by whoever sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldPayload {
    index: u32,
    life: u32,
    message: u64,
}

/// What is to be sent again of payloads that are kept elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// All of this one and nothing else: [`Stack::transmit`] says its header, and this is its payload.
    Whole(HeldPayload),
    /// A part of this one, or more than it: the bytes are to be [given back](Stack::give_back) first.
    Part(HeldPayload),
}

#[derive(Clone, Copy, Default)]
struct Span {
    message: u64,
    start: SeqNumber,
    len: u32,
}

/// What of a connection's stream is kept elsewhere. A cache line, looked at by nobody who finds his bytes in the send buffer.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
pub(super) struct Absent {
    spans: [Span; HELD_PAYLOADS_MAX],
    len: u32,
    /// Of which connection in this place, by its slot.
    generation: u32,
    /// The same, whose id may be [released](Stack::release).
    life: u32,
}

impl Absent {
    fn of(&self, connection: &Connection) -> impl Iterator<Item = Span> + '_ {
        let is_its = self.generation == connection.generation;
        let is_over = connection.state == State::Closed;
        let len = if is_its && !is_over { self.len as usize } else { 0 };
        let una = connection.snd_una;
        let acknowledged = if len > 0 { connection.account.acknowledged(una) } else { 0 };
        // By the number of its message, which never comes again, and by its own: messages may have become one.
        self.spans[..len]
            .iter()
            .copied()
            .filter(move |span| span.message > acknowledged && una.is_before(span.start + span.len))
    }

    /// Forgets what is acknowledged. Says whether there is room for one more.
    #[inline(never)]
    fn makes_room(&mut self, connection: &Connection) -> bool {
        let mut left = *self;
        left.len = 0;
        for span in self.of(connection) {
            left.push(span);
        }
        *self = left;
        self.is_of(connection.generation);
        (self.len as usize) < HELD_PAYLOADS_MAX
    }

    /// What comes is of the connection of this generation.
    #[inline(always)]
    fn is_of(&mut self, generation: u32) {
        if self.generation != generation {
            self.generation = generation;
            self.life = self.life.wrapping_add(1);
        }
    }

    /// Its connection was released, and goes on without an id.
    pub(super) fn outlives(&mut self, generation: u32) {
        if self.generation == generation {
            self.generation = generation.wrapping_add(1);
        }
    }

    fn push(&mut self, span: Span) {
        if let Some(place) = self.spans.get_mut(self.len as usize) {
            *place = span;
            self.len += 1;
        }
    }

    fn remove(&mut self, message: u64) {
        let len = self.len as usize;
        if let Some(at) = self.spans[..len].iter().position(|span| span.message == message) {
            self.spans.copy_within(at + 1..len, at);
            self.len -= 1;
        }
    }
}

impl Stack {
    /// As [`send_prepared`](Stack::send_prepared), but `payload` is not copied: whoever has it keeps it, as long as nobody
    /// [lets go](Stack::lets_go) of it, and gives it to who [wants](Stack::wants_again) it again. Where no more of this
    /// connection's payloads may be kept it is copied all the same, and no name is given.
    ///
    /// # Errors
    /// As of [`send_prepared`](Stack::send_prepared).
    #[inline(always)]
    pub fn send_held(
        &mut self,
        now: Instant,
        prepared: &Prepared,
        payload: &[u8],
        tag: u32,
        wants_sum: bool,
    ) -> Result<(PreparedOut, Option<HeldPayload>), PreparedRefusal> {
        self.hear(now);
        let connection = prepared.connection();
        let start = prepared.header().seq;
        let Some(out) = self.send_prepared_fast::<true>(prepared, payload, tag, wants_sum) else {
            return self.send_held_any(now, prepared, payload, tag, wants_sum);
        };
        let message = out.message.unwrap_or(MessageNumber(0));
        // All before it is acknowledged.
        let absent = &mut self.absent[connection.index()];
        absent.spans[0] = Span { message: message.0, start, len: payload.len() as u32 };
        absent.len = 1;
        absent.is_of(connection.generation);
        let held = HeldPayload { index: connection.index, life: absent.life, message: message.0 };
        self.counters.count(Count::HeldOut);
        Ok((out, Some(held)))
    }

    #[inline(never)]
    fn send_held_any(
        &mut self,
        now: Instant,
        prepared: &Prepared,
        payload: &[u8],
        tag: u32,
        wants_sum: bool,
    ) -> Result<(PreparedOut, Option<HeldPayload>), PreparedRefusal> {
        let id = prepared.connection();
        let has_room = self.find(id).is_some_and(|index| {
            let connection = &mut self.connections[index];
            let una = connection.snd_una;
            // A message that became part of another would have no name of its own.
            self.absent[index].makes_room(connection) && connection.account.makes_room(una)
        });
        if !has_room {
            let out = self.send_prepared_any::<false>(now, prepared, payload, tag, wants_sum)?;
            self.counters.count(Count::HeldFull);
            return Ok((out, None));
        }
        let out = self.send_prepared_any::<true>(now, prepared, payload, tag, wants_sum)?;
        let message = out.message.unwrap_or(MessageNumber(0));
        let (start, len) = (prepared.header().seq, payload.len() as u32);
        let absent = &mut self.absent[id.index()];
        absent.push(Span { message: message.0, start, len });
        let held = HeldPayload { index: id.index, life: absent.life, message: message.0 };
        self.counters.count(Count::HeldOut);
        Ok((out, Some(held)))
    }

    /// As [`warm`](Stack::warm), of a `send` that leaves what it [sends](Stack::send_held) to be held: that is forgotten, too.
    ///
    /// # Errors
    /// Why the send would have been refused. `send` was not called then.
    pub(crate) fn warm_held<R>(
        &mut self,
        now: Instant,
        prepared: &Prepared,
        len: usize,
        send: impl FnOnce(&mut Stack) -> R,
    ) -> Result<R, PreparedRefusal> {
        let index = prepared.connection().index();
        let before = self.absent.get(index).copied();
        let sent = self.warm(now, prepared, len, send);
        if let Some((absent, before)) = self.absent.get_mut(index).zip(before) {
            *absent = before;
        }
        sent
    }

    /// Whether nobody will ask for a payload again: it is acknowledged, or its connection is over. To be asked each round: a
    /// payload that is kept takes one of the [places](HELD_PAYLOADS_MAX) of its connection until the next is sent.
    pub fn lets_go(&self, held: HeldPayload) -> bool {
        self.span_of(held).is_none()
    }

    fn span_of(&self, held: HeldPayload) -> Option<Span> {
        let index = held.index as usize;
        let absent = self.absent.get(index).filter(|absent| absent.life == held.life)?;
        absent.of(&self.connections[index]).find(|span| span.message == held.message)
    }

    /// What whose turn it is wants of payloads that are kept elsewhere. To be asked before
    /// [`transmit`](Stack::transmit), until it wants none, or the whole of one.
    pub fn wants_again(&self, turn: Turn) -> Option<Again> {
        let index = turn.connection()?;
        if self.ack_alone(turn).is_some() {
            return None;
        }
        let (absent, connection) = (&self.absent[index], &self.connections[index]);
        if absent.len == 0 {
            return None;
        }
        let Some(Next::Data { seq, len, why, .. }) = connection.next() else { return None };
        if why == Why::New || len == 0 {
            return None;
        }
        let end = seq + len;
        let span = absent
            .of(connection)
            .find(|span| seq.is_before(span.start + span.len) && span.start.is_before(end))?;
        let held = HeldPayload { index: index as u32, life: absent.life, message: span.message };
        let is_whole = (span.start, span.len) == (seq, len);
        Some(if is_whole { Again::Whole(held) } else { Again::Part(held) })
    }

    /// Puts a payload into the send buffer, where its place is, from where it is sent again then: whoever kept it may let go.
    /// `why` is counted.
    #[inline(never)]
    pub fn give_back(&mut self, held: HeldPayload, payload: &[u8], why: Count) {
        let Some(span) = self.span_of(held) else { return };
        let index = held.index as usize;
        let connection = &mut self.connections[index];
        // Of what is acknowledged the send buffer has no place any more.
        let una = connection.snd_una;
        let passed = if span.start.is_before(una) { una.since(span.start) } else { 0 };
        let offset = (span.start + passed).since(una) as usize;
        if let Some(rest) = payload.get(passed as usize..span.len as usize) {
            connection.send.fill(offset, rest);
        }
        self.absent[index].remove(span.message);
        self.counters.count(why);
    }

    /// Counts what became of a payload that is kept elsewhere, or was to be.
    pub(crate) fn count_held(&mut self, how: Count) {
        self.counters.count(how);
    }

    /// A payload of this connection that is kept elsewhere, if there is one: before an [export](Stack::export) all are to be
    /// [given back](Stack::give_back).
    pub fn next_held(&self, id: ConnectionId) -> Option<HeldPayload> {
        let index = self.find(id)?;
        let absent = &self.absent[index];
        let span = absent.of(&self.connections[index]).next()?;
        Some(HeldPayload { index: id.index, life: absent.life, message: span.message })
    }
}
