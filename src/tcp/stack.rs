//! Many connections: set-up, opening, and the books kept after every step.

use super::config::{Config, Terms};
use super::connection::{Connection, Context, State};
use super::cookies::Used;
use super::counters::{Count, Counters};
use super::endpoint::{Endpoint, Tuple};
use super::event::{Closed, ConnectionId, OpenRefusal};
use super::held::Absent;
use super::isn::Secret;
use super::listeners::Listener;
use super::queue::Turns;
use super::receipts::Receipt;
use super::reset::Resets;
use super::table::Table;
use super::time_wait::Waiting;
use super::wheel::TimerWheel;
use crate::time::Instant;
use crate::wire::tcp::SeqNumber;

/// How far beyond its predecessor's last number a connection on the same endpoints begins at least
/// (RFC 9293 3.6.1).
const SUCCESSOR_GAP: u32 = 1 << 17;
/// By how much a successor moves the first numbers of others at most: a minute of the clock. 128 of these within the minute that a
/// peer remembers its last connection would have it take the next one's for older.
const AHEAD_MAX: u32 = 1 << 24;
/// Resets that wait to be sent, at least.
const RESETS_MIN: usize = 64;

/// Every connection of one host.
pub struct Stack {
    pub(super) config: Config,
    pub(super) secret: Secret,
    pub(super) connections: Box<[Connection]>,
    /// What of each connection's stream is not in its send buffer.
    pub(super) absent: Box<[Absent]>,
    pub(super) free: Vec<u32>,
    pub(super) listeners: Vec<Listener>,
    /// Connections in SYN-RECEIVED, of all listeners.
    pub(super) half_open: usize,
    pub(super) listeners_ever: u32,
    pub(super) table: Table,
    pub(super) transmits: Turns,
    pub(super) events: Turns,
    pub(super) timers: TimerWheel,
    /// Those in TIME-WAIT that nobody holds.
    waiting: Waiting,
    pub(super) resets: Resets,
    pub(super) receipt: Option<Receipt>,
    pub(super) counters: Counters,
    /// What [warming](Stack::warm_prepared) counts: nothing has happened.
    pub(super) counters_of_warming: Counters,
    /// The latest time that anybody has told us.
    pub(super) now: Instant,
    /// By how much numbers were taken ahead of what the clock says (RFC 6528) for those who came back having sent faster
    /// than it runs: who comes back once more is not to begin before that.
    pub(super) isn_ahead: u32,
    /// Until when a SYN cookie may come back.
    pub(super) cookies_until: Instant,
    pub(super) cookies_used: Used,
    /// Everything goes the long way, for comparison.
    #[cfg(test)]
    pub(super) predicts_nothing: bool,
    /// How many segments came the shortest way.
    #[cfg(test)]
    pub(super) took_fast: u64,
    /// How many ACKs without data came that way, and left by it.
    #[cfg(test)]
    pub(super) pure_acks_taken: u64,
    #[cfg(test)]
    pub(super) acks_alone: u64,
    /// How many segments came that way ahead of their turn, before what is held, and to join it; and how many ACKs
    /// left by it that tell of what is held.
    #[cfg(test)]
    pub(super) took_ahead: super::fast::TookAhead,
    #[cfg(test)]
    pub(super) acks_with_blocks: u64,
    /// How many connections were looked at for one whose place might be taken.
    #[cfg(test)]
    pub(super) places_looked_at: u64,
    /// How many prepared sends left that way.
    #[cfg(test)]
    pub(super) prepared_fast: u64,
}

/// What the stack keeps of a connection beside the connection.
#[derive(Clone, Copy, Default)]
pub(super) struct Slot {
    /// It is in the table.
    is_listed: bool,
    /// It only waits for its end.
    is_waiting: bool,
    /// It counts towards its listener's backlog.
    pub(super) is_in_backlog: bool,
    /// Its first number is the clock's, or its predecessor's was; not a cookie's, nor another stack's.
    is_of_clock: bool,
    /// It has asked to send, and its next hop's address is not known: it has no turn until that is.
    pub(super) is_deferred: bool,
    /// It has asked to tell something.
    pub(super) is_telling: bool,
}

impl Connection {
    /// It is in the table now, and has a slot that another had before.
    pub(super) fn list(&mut self) {
        self.is_queued &= !self.slot.is_deferred;
        let (is_waiting, is_telling) = (self.slot.is_waiting, self.slot.is_telling);
        self.slot = Slot { is_listed: true, is_waiting, is_telling, ..Slot::default() };
    }
}

/// What a connection in TIME-WAIT leaves to the next of its endpoints.
#[derive(Clone, Copy)]
pub(super) struct Predecessor {
    /// The least number that it may begin with.
    floor: SeqNumber,
    is_of_clock: bool,
}

impl Stack {
    /// A stack that keys what must not be guessed by `secret`: random, and new at every start.
    ///
    /// Everything is allocated here. Numbers in `config` that the protocol cannot hold are brought
    /// within what it can.
    pub fn new(config: Config, secret: [u8; 16]) -> Stack {
        let config = config.bounded();
        let (count, secret) = (config.connections_max, Secret::new(secret));
        Stack {
            connections: (0..count).map(|_| Connection::new(&config)).collect(),
            absent: vec![Absent::default(); count].into_boxed_slice(),
            free: (0..count as u32).rev().collect(),
            half_open: 0,
            listeners: Vec::with_capacity(config.listeners_max),
            listeners_ever: 0,
            table: Table::new(count, secret.table_keys()),
            transmits: Turns::new(count),
            events: Turns::new(count),
            timers: TimerWheel::new(count),
            waiting: Waiting::new(count),
            resets: Resets::new(count.max(RESETS_MIN)),
            receipt: None,
            counters: Counters::default(),
            counters_of_warming: Counters::default(),
            now: Instant::ZERO,
            isn_ahead: 0,
            cookies_until: Instant::ZERO,
            cookies_used: Used::new(config.syn_cookies),
            #[cfg(test)]
            predicts_nothing: false,
            #[cfg(test)]
            took_fast: 0,
            #[cfg(test)]
            pure_acks_taken: 0,
            #[cfg(test)]
            acks_alone: 0,
            #[cfg(test)]
            took_ahead: Default::default(),
            #[cfg(test)]
            acks_with_blocks: 0,
            #[cfg(test)]
            places_looked_at: 0,
            #[cfg(test)]
            prepared_fast: 0,
            secret,
            config,
        }
    }

    /// Begins to connect. [`Event::Connected`](super::Event::Connected) or
    /// [`Event::Closed`](super::Event::Closed) follows.
    ///
    /// With port 0 in `local` a port is picked that nobody outside can guess (RFC 6056). Endpoints
    /// in TIME-WAIT may be connected again at once (RFC 9293 3.4.2; 3.10.1 would refuse them).
    ///
    /// # Errors
    /// [`OpenRefusal::EndpointInvalid`], [`OpenRefusal::EndpointInUse`],
    /// [`OpenRefusal::PortsExhausted`], [`OpenRefusal::ConnectionsFull`].
    pub fn connect(
        &mut self,
        now: Instant,
        local: Endpoint,
        remote: Endpoint,
    ) -> Result<ConnectionId, OpenRefusal> {
        self.now = self.now.max(now);
        self.try_connect(local, remote).map_err(|why| self.refuse_to_open(why))
    }

    fn try_connect(
        &mut self,
        local: Endpoint,
        remote: Endpoint,
    ) -> Result<ConnectionId, OpenRefusal> {
        let is_host = |endpoint: Endpoint| {
            let addr = endpoint.addr;
            !(addr.is_unspecified() || addr.is_multicast() || addr.is_broadcast())
        };
        if !is_host(local) || !is_host(remote) || remote.port == 0 || local == remote {
            return Err(OpenRefusal::EndpointInvalid);
        }
        let local = if local.port == 0 { self.pick_port(local, remote)? } else { local };
        let tuple = Tuple { local, remote };
        let predecessor = match self.table.find(tuple.ends()) {
            None => None,
            Some(index) => Some(self.make_way(index)?),
        };
        let index = self.begin(tuple, predecessor).ok_or(OpenRefusal::ConnectionsFull)?;
        let offset = self.secret.timestamp_offset(&tuple);
        self.step(index, |connection, cx| connection.open(cx, offset));
        Ok(self.id(index))
    }

    /// Counts why nothing was opened.
    pub(super) fn refuse_to_open(&mut self, why: OpenRefusal) -> OpenRefusal {
        if let Some(what) = why.count() {
            self.counters.count(what);
        }
        why
    }

    /// What a connection does unless told otherwise.
    pub fn terms(&self) -> Terms {
        self.config.terms()
    }

    /// How many connections there can be: the bound of [`ConnectionId::index`].
    pub fn connections_max(&self) -> usize {
        self.connections.len()
    }

    /// What has been counted. [`Counters::reader`] is for another core.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    fn pick_port(&self, local: Endpoint, remote: Endpoint) -> Result<Endpoint, OpenRefusal> {
        let (first, last) =
            (*self.config.ephemeral_ports.start(), *self.config.ephemeral_ports.end());
        let count = u64::from(last - first) + 1;
        // RFC 6056 3.3.3: a keyed offset, and a counter that every connection moves.
        let offset = self.secret.port_offset(local, remote) % count
            + self.counters.of(Count::ConnectActive) % count;
        (0..count)
            .map(|step| first + ((offset + step) % count) as u16)
            .map(|port| Endpoint { port, ..local })
            .find(|&local| self.table.find(Tuple { local, remote }.ends()).is_none())
            .ok_or(OpenRefusal::PortsExhausted)
    }

    /// Ends a connection in TIME-WAIT for its successor, provided that there is a place for that: one that is held keeps
    /// its own.
    pub(super) fn make_way(&mut self, index: usize) -> Result<Predecessor, OpenRefusal> {
        let connection = &self.connections[index];
        if connection.state != State::TimeWait {
            return Err(OpenRefusal::EndpointInUse);
        }
        if self.free.is_empty() && self.waiting.first().is_none() {
            self.counters.count(Count::ConnectionsFull);
            return Err(OpenRefusal::ConnectionsFull);
        }
        let floor = connection.snd_nxt + SUCCESSOR_GAP;
        let predecessor = Predecessor { floor, is_of_clock: connection.slot.is_of_clock };
        self.counters.count(Count::TimeWaitReused);
        self.step(index, |connection, cx| connection.end(cx, Closed::Finished));
        Ok(predecessor)
    }

    /// Takes a free connection for `tuple`, its first number the clock's (RFC 6528 3) or behind its predecessor's. By how much
    /// that is ahead of the clock moves everybody's numbers, provided that it was sent: a cookie's or another stack's
    /// number lies anywhere, and would have others begin behind themselves.
    pub(super) fn begin(
        &mut self,
        tuple: Tuple,
        predecessor: Option<Predecessor>,
    ) -> Option<usize> {
        let isn = self.secret.isn(self.now, &tuple) + self.isn_ahead;
        let iss = predecessor.map_or(isn, |before| before.floor.later_of(isn));
        let ahead = iss.since(isn);
        let index = self.begin_at(tuple, iss)?;
        let was_of_clock = predecessor.is_none_or(|before| before.is_of_clock);
        if ahead == 0 || was_of_clock && ahead <= AHEAD_MAX {
            self.isn_ahead = self.isn_ahead.wrapping_add(ahead);
            self.connections[index].slot.is_of_clock = true;
        }
        Some(index)
    }

    /// Takes a free connection for `tuple`, its first number `iss`.
    pub(super) fn begin_at(&mut self, tuple: Tuple, iss: SeqNumber) -> Option<usize> {
        let Some(index) = self.free.pop().or_else(|| self.cut_time_wait_short()) else {
            self.counters.count(Count::ConnectionsFull);
            return None;
        };
        let index = index as usize;
        self.connections[index].begin(&self.config, tuple, iss);
        self.table.insert(tuple.ends(), index);
        self.connections[index].list();
        Some(index)
    }

    /// Ends the connection that has been in TIME-WAIT the longest and that nobody holds, and takes its
    /// place. What TIME-WAIT guards against, an old segment taken for a new one, the next connection of
    /// the same endpoints is kept from by timestamps and by its first number.
    #[cold]
    fn cut_time_wait_short(&mut self) -> Option<u32> {
        let index = self.waiting.first()?;
        #[cfg(test)]
        {
            self.places_looked_at += 1;
        }
        self.counters.count(Count::TimeWaitCutShort);
        self.step(index, |connection, cx| connection.end(cx, Closed::Finished));
        self.free.pop()
    }

    /// Somebody tells the time.
    #[inline(always)]
    pub(super) fn hear(&mut self, now: Instant) {
        if now > self.now {
            self.now = now;
        }
    }

    /// A connection, caught up with, and what it may use of everything else.
    #[inline(always)]
    pub(super) fn connection_and_context(
        &mut self,
        index: usize,
    ) -> (&mut Connection, Context<'_>) {
        let cx = Context {
            now: self.now,
            config: &self.config,
            counters: &mut self.counters,
            resets: &mut self.resets,
            receipt: &self.receipt,
        };
        let connection = &mut self.connections[index];
        connection.catch_up(cx.config);
        (connection, cx)
    }

    /// Does something to a connection and keeps the books.
    #[inline]
    pub(super) fn step<R>(
        &mut self,
        index: usize,
        act: impl FnOnce(&mut Connection, &mut Context<'_>) -> R,
    ) -> R {
        let (connection, mut cx) = self.connection_and_context(index);
        let outcome = act(connection, &mut cx);
        connection.arm_persist_timer(cx.now, cx.config);
        self.settle(index);
        outcome
    }

    /// Keeps the books: who is to send, who has something to tell, when the next timer goes off, and
    /// what of a connection that is over can be given back.
    #[inline(never)]
    fn settle(&mut self, index: usize) {
        self.ask_to_send(index);
        let connection = &self.connections[index];
        if connection.pending.any() && connection.next_event().is_some() {
            self.queue_to_tell(index);
        }
        let connection = &self.connections[index];
        if connection.slot.is_in_backlog && connection.state != State::SynReceived {
            self.leave_backlog(index);
        }
        let connection = &self.connections[index];
        if connection.state == State::TimeWait || connection.slot.is_waiting {
            self.settle_waiting(index);
        }
        if self.connections[index].state == State::Closed {
            self.settle_closed(index);
        }
    }

    #[cold]
    fn settle_waiting(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        let is_held = connection.is_known && !connection.is_released;
        connection.slot.is_waiting = connection.state == State::TimeWait && !is_held;
        let waits = connection.slot.is_waiting;
        let until = if waits { connection.deadlines.linger } else { Instant::FAR_FUTURE };
        self.waiting.note(index, until);
    }

    /// The part of the books that a segment which leaves touches: whose turn it is, when to send
    /// again, and what may be predicted.
    pub(super) fn ask_to_send(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        connection.settle_grouping();
        connection.settle_plain();
        #[cfg(test)]
        if self.predicts_nothing {
            (connection.plain, connection.holds_plainly) = Default::default();
        }
        let (may_have_next, deadline) = (connection.may_have_next(), connection.deadline());
        connection.settle_fast(&self.config);
        if may_have_next {
            self.queue_to_send(index);
        }
        self.wake_by(index, deadline);
    }

    /// Has a timer go off for a connection at `deadline` at the latest.
    #[inline(always)]
    pub(super) fn wake_by(&mut self, index: usize, deadline: Instant) {
        let connection = &mut self.connections[index];
        if deadline < connection.woken_by {
            connection.woken_by = deadline;
            self.timers.advance(index, deadline);
        }
    }

    /// Gives a turn to a connection that [may have something](Connection::may_have_next) to send.
    #[inline(always)]
    pub(super) fn queue_to_send(&mut self, index: usize) {
        self.transmits.push(&mut self.connections[index].is_queued, index);
    }

    /// The same for one that may have something to tell.
    #[inline(always)]
    pub(super) fn queue_to_tell(&mut self, index: usize) {
        self.events.push(&mut self.connections[index].slot.is_telling, index);
    }

    /// Its endpoints are free for others at once, the connection itself once nobody holds its id.
    fn settle_closed(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        if core::mem::take(&mut connection.slot.is_listed) {
            self.table.remove(connection.tuple.ends());
        }
        let is_free = connection.tuple == Tuple::NONE;
        if (connection.is_released || !connection.is_known) && !is_free {
            connection.tuple = Tuple::NONE;
            connection.generation = connection.generation.wrapping_add(1);
            self.free.push(index as u32);
            // Whoever is next here begins without.
            connection.woken_by = Instant::FAR_FUTURE;
            self.timers.cancel(index);
        }
    }

    /// The connection that `id` names.
    #[inline]
    pub(super) fn find(&self, id: ConnectionId) -> Option<usize> {
        let connection = self.connections.get(id.index())?;
        (connection.generation == id.generation).then_some(id.index())
    }

    #[inline]
    pub(super) fn id(&self, index: usize) -> ConnectionId {
        ConnectionId { index: index as u32, generation: self.connections[index].generation }
    }
}
