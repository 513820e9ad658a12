//! What is polled: segments to send, deadlines, events.

use core::net::Ipv4Addr;

use super::config::Config;
use super::connection::Connection;
use super::counters::{Count, Counters};
use super::endpoint::Tuple;
use super::event::{ConnectionId, Event};
use super::queue::Turns;
use super::stack::Stack;
use super::transmit::{Leaving, Next};
use super::wheel::TimerWheel;
use crate::time::Instant;
use crate::wire::tcp::{Flags, Options, Repr, SeqNumber, Timestamps};

/// Timers that are looked at in one call, at most.
const TIMERS_AT_ONCE: u32 = 64;

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

/// What a segment is like that is all that a connection was given to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestKind {
    /// Whose it is.
    pub connection: ConnectionId,
    /// The payload's length in bytes.
    pub len: u32,
    /// Whether it has timestamps; it has no other option.
    pub has_timestamps: bool,
    /// As [`Transmit::is_ect`].
    pub is_ect: bool,
}

/// What differs in the headers of such segments.
#[derive(Clone, Copy, Debug)]
pub struct RestHeader {
    /// The number of its first byte.
    pub seq: SeqNumber,
    /// What it acknowledges.
    pub ack: SeqNumber,
    /// The window field.
    pub window: u16,
    /// The timestamps.
    pub timestamps: Option<Timestamps>,
}

/// Such a segment, to put on the wire now.
#[derive(Clone, Copy, Debug)]
pub struct Rest<'a> {
    /// Its header.
    pub header: RestHeader,
    /// As [`Transmit::payload`].
    pub payload: [&'a [u8]; 2],
    pub(super) tuple: &'a Tuple,
}

impl<'a> Rest<'a> {
    /// Its control bits, where it has data.
    pub const FLAGS: Flags = Flags::ACK.with(Flags::PSH);

    /// The same with a header written out.
    pub fn transmit(&self, kind: RestKind) -> Transmit<'a> {
        Transmit {
            connection: Some(kind.connection),
            local: self.tuple.local.addr,
            remote: self.tuple.remote.addr,
            header: Repr {
                src_port: self.tuple.local.port,
                dst_port: self.tuple.remote.port,
                seq: self.header.seq,
                ack: self.header.ack,
                flags: if kind.len > 0 { Rest::FLAGS } else { Flags::ACK },
                window: self.header.window,
                options: Options { timestamps: self.header.timestamps, ..Options::NONE },
            },
            payload: self.payload,
            retransmission: false,
            is_ect: kind.is_ect,
        }
    }
}

/// Whose turn it is to send.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// Where to.
    pub remote: Ipv4Addr,
    /// Which connection; `NOBODY` for a reset.
    index: u32,
    /// How much it sends, if it sends [all there is](super::connection::Connection::rest_len).
    rest_len: u32,
    /// Whether it sends an ACK and nothing else.
    bare: Bare,
}

/// What is known of an ACK before it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bare {
    /// It may be anything.
    No,
    /// It is [all](super::connection::Connection::owes_ack_alone), and tells of nothing else.
    Plain,
    /// It is [all](super::connection::Connection::owes_blocks_alone), and may tell of what is held or came twice.
    Blocks,
}

const NOBODY: u32 = u32::MAX;

/// A segment that leaves by the [shortest way](Stack::next_fast), if it is sent.
pub struct FastTurn<'a> {
    connection: &'a mut Connection,
    counters: &'a mut Counters,
    transmits: &'a mut Turns,
    now: Instant,
    index: u32,
    len: u32,
}

impl<'a> FastTurn<'a> {
    /// Where to.
    #[inline(always)]
    pub fn remote(&self) -> Ipv4Addr {
        self.connection.remote_addr
    }

    /// Whose it is.
    #[inline(always)]
    pub(crate) fn connection(&self) -> ConnectionId {
        ConnectionId { index: self.index, generation: self.connection.generation }
    }

    /// The payload's length in bytes.
    #[inline(always)]
    pub(crate) fn payload_len(&self) -> usize {
        self.len as usize
    }

    /// The payload.
    #[inline(always)]
    pub(crate) fn payload(&self) -> &[u8] {
        self.connection.send.last(self.len)
    }

    /// The payload, and as much of whatever lies behind it as makes `len` bytes, if there is as much.
    #[inline(always)]
    pub(crate) fn payload_and_behind(&self, len: usize) -> Option<&[u8]> {
        self.connection.send.last_and_behind(self.len, len)
    }

    /// It leaves.
    #[inline(always)]
    pub(crate) fn send(self) -> RestHeader {
        self.counters.count(Count::SegmentOut);
        self.transmits.pop();
        self.connection.is_queued = false;
        self.connection.send_fast(self.now, self.len)
    }

    /// The same, and all of it.
    #[cfg(test)]
    pub(super) fn send_whole(self) -> Rest<'a> {
        self.counters.count(Count::SegmentOut);
        self.transmits.pop();
        let FastTurn { connection, now, len, .. } = self;
        connection.is_queued = false;
        let header = connection.send_fast(now, len);
        Rest { header, payload: [connection.send.last(len), &[]], tuple: &connection.tuple }
    }
}

/// Has a timer go off that is early enough for what leaves now. Nothing of round trips is learned anew on the short way:
/// it ends where that has to be before the timer goes off, with which the books are kept and it is asked again. Says
/// whether it goes on.
#[cold]
#[inline(never)]
pub(super) fn wakes_for_sent(
    connection: &mut Connection,
    timers: &mut TimerWheel,
    config: &Config,
    now: Instant,
    index: usize,
) -> bool {
    let deadline = connection.first_timer(now, config);
    let goes_on = connection.rtt.is_fresh(deadline);
    if !goes_on {
        connection.close_fast();
    }
    if deadline < connection.woken_by {
        connection.woken_by = deadline;
        timers.advance(index, deadline);
    }
    goes_on
}

impl Turn {
    pub(super) fn connection(&self) -> Option<usize> {
        (self.index != NOBODY).then_some(self.index as usize)
    }
}

impl Stack {
    /// Whether anybody may have something to send.
    #[inline(always)]
    pub fn has_transmits(&self) -> bool {
        self.transmits.front().is_some() || self.resets.front().is_some()
    }

    /// The segment of whose turn it is, if it is what nearly every segment is and leaves by the shortest way. `None`
    /// where [`next_transmit`](Stack::next_transmit) knows. Nothing has happened until it is sent. A reset that waits leaves
    /// after it: whoever it answers is nobody's who has something to say.
    #[inline(always)]
    pub fn next_fast(&mut self, now: Instant) -> Option<FastTurn<'_>> {
        let index = self.transmits.front()?;
        self.hear(now);
        let Stack { connections, counters, transmits, timers, config, now, .. } = self;
        let now = *now;
        let connection = connections.get_mut(index)?;
        let len = connection.fast_len(now);
        if len.cast_signed() <= 0 {
            return None;
        }
        if !connection.is_woken_in_time(now)
            && !wakes_for_sent(connection, timers, config, now, index)
        {
            return None;
        }
        Some(FastTurn { connection, counters, transmits, now, index: index as u32, len })
    }

    /// Whose turn it is to send, and where to, without taking it: time to look the hardware address
    /// up. [`transmit`](Stack::transmit) then yields that segment, or
    /// [`defer_transmit`](Stack::defer_transmit) puts it aside.
    pub fn next_transmit(&mut self) -> Option<Turn> {
        if let Some(reset) = self.resets.front() {
            let remote = reset.tuple.remote.addr;
            return Some(Turn { remote, index: NOBODY, rest_len: 0, bare: Bare::No });
        }
        loop {
            let index = self.transmits.front()?;
            let connection = &mut self.connections[index];
            // What is stale does not leave: `transmit` looks at it.
            let is_stale = connection.deadlines.stale <= self.now;
            let rest_len = if is_stale { 0 } else { connection.rest_len() };
            let bare = if connection.owes_ack_alone() {
                Bare::Plain
            } else if rest_len == 0 && !is_stale && connection.owes_blocks_alone() {
                Bare::Blocks
            } else {
                Bare::No
            };
            if rest_len > 0 || bare != Bare::No || connection.next().is_some() {
                let remote = connection.tuple.remote.addr;
                return Some(Turn { remote, index: index as u32, rest_len, bare });
            }
            connection.catch_up(&self.config);
            connection.arm_persist_timer(self.now, &self.config);
            let deadline = connection.deadline();
            self.wake_by(index, deadline);
            self.end_turn(index);
        }
    }

    /// Puts aside the one whose turn it is, as its next hop's hardware address is not known: a
    /// connection until [`resume_transmits`](Stack::resume_transmits), a reset for good.
    #[inline(never)]
    pub fn defer_transmit(&mut self) {
        if self.resets.pop().is_some() {
            self.counters.count(Count::ResetUnresolved);
        } else if let Some(index) = self.transmits.front() {
            // It has no turn, and does not ask for another.
            self.transmits.pop();
            self.connections[index].slot.is_deferred = true;
            let (connection, cx) = self.connection_and_context(index);
            connection.arm_unresolved_timer(&cx);
            let deadline = connection.deadline();
            self.wake_by(index, deadline);
        }
    }

    /// An address has become known: everyone who was put aside may try again. One loop over the
    /// connections: for the rare moment at which ARP answers.
    pub fn resume_transmits(&mut self) {
        for index in 0..self.connections.len() {
            let connection = &mut self.connections[index];
            if core::mem::take(&mut connection.slot.is_deferred) {
                connection.is_queued = false;
                self.queue_to_send(index);
            }
        }
    }

    /// The segment of whose turn it is. To be called with what
    /// [`next_transmit`](Stack::next_transmit) said last, before anything else is done.
    pub fn transmit(&mut self, now: Instant, turn: Turn) -> Option<Transmit<'_>> {
        self.now = self.now.max(now);
        let Some(index) = turn.connection() else { return self.transmit_reset() };
        if let Some(kind) = self.ack_alone(turn) {
            return Some(self.transmit_ack_alone(now, kind).transmit(kind));
        }
        if let Some(kind) = self.ack_with_blocks(turn) {
            let (ack, blocks) = self.transmit_with_blocks(now, kind);
            let mut transmit = ack.transmit(kind);
            transmit.header.options.sack = blocks;
            return Some(transmit);
        }
        // An ACK alone delivers nothing late: what is to be heard behind the segment that it answers may be in time.
        if self.connections[index].deadlines.stale <= self.now
            && matches!(self.connections[index].next(), Some(Next::Data { .. }))
            && self.step(index, |connection, cx| connection.end_if_stale(cx))
        {
            return self.transmit_reset();
        }
        let (connection, mut cx) = self.connection_and_context(index);
        let leaving = connection.next().map(|next| connection.take(&mut cx, next))?;
        Some(self.leave(index, leaving))
    }

    /// What the next segment is like, if it is what nearly every segment is: all that a connection was given
    /// to send, for the first time. [`transmit_rest`](Stack::transmit_rest) yields it; so would
    /// [`transmit`](Stack::transmit).
    #[inline]
    pub fn rest(&self, turn: Turn) -> Option<RestKind> {
        let index = turn.connection().filter(|_| turn.rest_len > 0)?;
        let connection = &self.connections[index];
        if connection.deadlines.stale <= self.now {
            // Time has passed since it had its turn.
            return None;
        }
        Some(RestKind {
            // Nobody has let go of one that is established.
            connection: self.id(index),
            len: turn.rest_len,
            has_timestamps: connection.stamps().is_some(),
            is_ect: connection.ecn.is_agreed,
        })
    }

    /// The segment that [`rest`](Stack::rest) has told of, with nothing done in between.
    #[inline(never)]
    pub fn transmit_rest(&mut self, now: Instant, kind: RestKind) -> Rest<'_> {
        self.now = self.now.max(now);
        let index = kind.connection.index();
        let Stack { connections, counters, config, now, .. } = self;
        let connection = &mut connections[index];
        connection.catch_up(config);
        counters.count(Count::SegmentOut);
        let (seq, offset) = (connection.snd_nxt, connection.flight());
        if connection.sends_first(*now, config, seq + kind.len) {
            counters.count(Count::SegmentsFull);
        }
        let (ack, window) = connection.note_acknowledging();
        // Nothing is held: a segment with data carries every ACK.
        connection.acks_due = 0;
        // No other deadline comes nearer, and nothing else is left to send.
        let due = connection.send_deadline();
        connection.settle_fast(config);
        self.end_turn(index);
        self.wake_by(index, due);
        let connection = &self.connections[index];
        let timestamps = connection.stamps().map(|stamps| stamps.option(self.now));
        Rest {
            header: RestHeader { seq, ack, window, timestamps },
            payload: connection.send.slices(offset as usize, kind.len as usize),
            tuple: &connection.tuple,
        }
    }

    /// What the next segment is like, if it is an ACK and nothing else, as nearly every ACK without data is.
    /// [`transmit_ack_alone`](Stack::transmit_ack_alone) yields it; so would [`transmit`](Stack::transmit).
    #[inline(always)]
    pub fn ack_alone(&self, turn: Turn) -> Option<RestKind> {
        let index = turn.connection().filter(|_| turn.bare == Bare::Plain)?;
        // Nobody has let go of one that is established. ECN and no timestamps go the long way.
        Some(RestKind { connection: self.id(index), len: 0, has_timestamps: true, is_ect: false })
    }

    /// The ACK that [`ack_alone`](Stack::ack_alone) has told of, with nothing done in between.
    #[inline(always)]
    pub fn transmit_ack_alone(&mut self, now: Instant, kind: RestKind) -> Rest<'_> {
        self.hear(now);
        self.counters.count(Count::SegmentOut);
        self.leave_ack_alone(kind.connection.index())
    }

    /// What the next segment is like, if it is an ACK that tells of nothing but what is held or came twice, if anything.
    /// [`transmit_with_blocks`](Stack::transmit_with_blocks) yields it; so would [`transmit`](Stack::transmit).
    #[inline(always)]
    pub fn ack_with_blocks(&self, turn: Turn) -> Option<RestKind> {
        let index = turn.connection().filter(|_| turn.bare == Bare::Blocks)?;
        // As with the above, but that timestamps may not be agreed on.
        let has_timestamps = self.connections[index].stamps().is_some();
        Some(RestKind { connection: self.id(index), len: 0, has_timestamps, is_ect: false })
    }

    #[inline(always)]
    pub(super) fn end_turn(&mut self, index: usize) {
        self.transmits.pop();
        self.connections[index].is_queued = false;
    }

    /// Ends the turn of a connection. Sending makes no event and ends nothing: whose turn it is and when
    /// to send again is all of the books that it touches.
    fn leave(&mut self, index: usize, leaving: Leaving) -> Transmit<'_> {
        self.end_turn(index);
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

    /// Does what is due: for so many connections that a round is short, where more have something due than that.
    /// [`next_timeout`](Stack::next_timeout) then still says that something is.
    #[inline(never)]
    pub fn on_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        let mut looks = TIMERS_AT_ONCE;
        while let Some(index) = self.timers.next_due(self.now, &mut looks) {
            self.connections[index].woken_by = Instant::FAR_FUTURE;
            // The books have its next deadline set.
            self.step(index, |connection, cx| connection.on_timeout(cx));
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
            self.connections[index].slot.is_telling = false;
        }
    }

    #[inline]
    fn public_id(&self, index: usize) -> Option<ConnectionId> {
        (!self.connections[index].is_released).then(|| self.id(index))
    }
}
