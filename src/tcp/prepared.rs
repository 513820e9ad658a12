//! Sends that are prepared ahead: the next segment's header is settled before there is anything to send, so
//! that what is left of a send is to compare, to copy and to note.
//!
//! Nothing here is told when a prepared header becomes stale. It says what it was made for, the next numbers
//! both ways and the peer's last timestamp, and is held against the connection when it is used: whatever came
//! or left in between shows. [`Stack::prepare`] makes it anew.
//!
//! What a prepared send may not do, the usual way does: [`Stack::reserve`] and [`Stack::commit`].

use core::fmt;
use core::net::Ipv4Addr;

use super::account::MessageNumber;
use super::congestion::Congestion;
use super::connection::{Connection, Context, State};
use super::counters::Count;
use super::event::ConnectionId;
use super::poll::wake_for_sent;
use super::probe::ProbeDue;
use super::stack::Stack;
use crate::offload::checksum::{Sum, copy_and_sum};
use crate::time::Instant;
use crate::wire::tcp::{Flags, Options, Repr, SeqNumber, Timestamps};

/// The next segment of a connection, as far as it is known before there is anything to send.
#[derive(Clone, Copy, Debug)]
pub struct Prepared {
    connection: ConnectionId,
    local: Ipv4Addr,
    remote: Ipv4Addr,
    header: Repr,
    is_ect: bool,
}

impl Prepared {
    /// Whose it is.
    pub fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// From whom, to whom.
    pub fn addresses(&self) -> (Ipv4Addr, Ipv4Addr) {
        (self.local, self.remote)
    }

    /// Its header. Our timestamp is put in when it leaves.
    pub fn header(&self) -> &Repr {
        &self.header
    }

    /// Whether the network may mark it: ECT(0) in the IPv4 header (RFC 3168 5).
    pub fn is_ect(&self) -> bool {
        self.is_ect
    }
}

/// A prepared segment that leaves now.
#[derive(Clone, Copy, Debug)]
pub struct PreparedOut {
    /// The timestamps of its header, where it has any: all in it that was not settled before.
    pub timestamps: Option<Timestamps>,
    /// The sum of its payload, if it was wanted.
    pub sum: Sum,
    /// Which message it is.
    pub message: Option<MessageNumber>,
}

/// Why a prepared segment does not leave. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PreparedRefusal {
    /// The id names no connection any more.
    StaleId,
    /// The connection is not established yet.
    NotConnected,
    /// We have closed our side, or the connection is over.
    Closed,
    /// Something came or left since: [`prepare`](Stack::prepare) it anew.
    Outdated,
    /// Bytes that were committed before have not left.
    Queued,
    /// Something is being repaired, or is to be reported to the peer: the next header is another.
    Repairing,
    /// No payload, or more than one segment takes.
    TooLong,
    /// The peer's window has no room for it.
    NoWindow,
    /// The congestion window has no room for it.
    NoCongestionWindow,
    /// The send buffer has no room for it, or too many segments are in flight.
    QueueFull,
    /// The next hop's hardware address is not known.
    NoNeighbor,
    /// The device has no buffer for it.
    NoFrame,
}

impl PreparedRefusal {
    /// Its counter.
    pub(super) fn count(self) -> Count {
        match self {
            PreparedRefusal::StaleId => Count::StaleId,
            PreparedRefusal::NotConnected => Count::PreparedNotConnected,
            PreparedRefusal::Closed => Count::PreparedClosed,
            PreparedRefusal::Outdated => Count::PreparedOutdated,
            PreparedRefusal::Queued => Count::PreparedQueued,
            PreparedRefusal::Repairing => Count::PreparedRepairing,
            PreparedRefusal::TooLong => Count::PreparedTooLong,
            PreparedRefusal::NoWindow => Count::PreparedNoWindow,
            PreparedRefusal::NoCongestionWindow => Count::PreparedNoCongestionWindow,
            PreparedRefusal::QueueFull => Count::PreparedQueueFull,
            PreparedRefusal::NoNeighbor => Count::PreparedNoNeighbor,
            PreparedRefusal::NoFrame => Count::PreparedNoFrame,
        }
    }
}

impl fmt::Display for PreparedRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            PreparedRefusal::StaleId => "the connection is no more",
            PreparedRefusal::NotConnected => "the connection is not established",
            PreparedRefusal::Closed => "our side of the connection is closed",
            PreparedRefusal::Outdated => "something came or left since it was prepared",
            PreparedRefusal::Queued => "bytes committed before have not left",
            PreparedRefusal::Repairing => {
                "a loss is being repaired, or something is to be reported"
            }
            PreparedRefusal::TooLong => "no payload, or more than one segment takes",
            PreparedRefusal::NoWindow => "the peer's window is full",
            PreparedRefusal::NoCongestionWindow => "the congestion window is full",
            PreparedRefusal::QueueFull => "the send buffer is full",
            PreparedRefusal::NoNeighbor => "the next hop's hardware address is not known",
            PreparedRefusal::NoFrame => "the device has no buffer",
        })
    }
}

impl core::error::Error for PreparedRefusal {}

/// What a send changes, as it was.
struct Before {
    snd_nxt: SeqNumber,
    last_sent: Instant,
    congestion: Congestion,
    ready: u32,
    retransmit_at: Instant,
    probe_at: Instant,
    stale_at: Instant,
    ack_at: Instant,
    acks_due: u32,
    last_ack_sent: SeqNumber,
    rcv_edge: SeqNumber,
}

impl Connection {
    /// Whether a prepared segment of `len` bytes may leave: it is the next, it is all that there is to send,
    /// nothing is lost or to be reported, and the windows are wide.
    #[inline(always)]
    fn takes_prepared(&self, header: &Repr, len: u32) -> bool {
        let end = u64::from(self.flight()) + u64::from(len);
        matches!(self.state, State::Established | State::CloseWait)
            && self.is_next(header)
            && self.send.len() as u32 == self.flight()
            && self.is_usual()
            && !self.scoreboard.is_full()
            && len.wrapping_sub(1) < self.snd_mss
            && end <= u64::from(self.snd_wnd)
            && end <= u64::from(self.congestion.cwnd())
            && len as usize <= self.send.room().min(self.send.reservation_max())
    }

    /// Whether the numbers of `header` are those of the next segment, and its window takes back none that
    /// was given since, but for less than a step, as rounding to the scale may (RFC 7323 2.4).
    #[inline(always)]
    fn is_next(&self, header: &Repr) -> bool {
        let past = (u32::from(header.window) + 1) << self.rcv_wind_shift;
        let echo = self.timestamps.as_ref().map(|ours| ours.recent());
        header.seq == self.snd_nxt
            && header.ack == self.rcv_nxt
            && header.options.timestamps.map(|theirs| theirs.echo) == echo
            && self.rcv_edge.is_before(header.ack + past)
    }

    /// Whether the next header has no option and no flag but those of nearly every segment.
    #[inline(always)]
    fn is_usual(&self) -> bool {
        self.scoreboard.is_clean()
            && self.probe_due == ProbeDue::None
            && self.held.is_empty()
            && !self.sack.has_duplicate()
            && !self.ecn.is_busy
            && !self.patience.is_due
    }

    #[cold]
    fn why_not(&self, header: &Repr, len: u32) -> PreparedRefusal {
        let end = u64::from(self.flight()) + u64::from(len);
        match self.state {
            State::SynSent | State::SynReceived => PreparedRefusal::NotConnected,
            State::Established | State::CloseWait => {
                if self.send.len() as u32 != self.flight() {
                    PreparedRefusal::Queued
                } else if !self.is_usual() {
                    PreparedRefusal::Repairing
                } else if !self.is_next(header) {
                    PreparedRefusal::Outdated
                } else if len.wrapping_sub(1) >= self.snd_mss {
                    PreparedRefusal::TooLong
                } else if end > u64::from(self.snd_wnd) {
                    PreparedRefusal::NoWindow
                } else if end > u64::from(self.congestion.cwnd()) {
                    PreparedRefusal::NoCongestionWindow
                } else {
                    PreparedRefusal::QueueFull
                }
            }
            _ => PreparedRefusal::Closed,
        }
    }

    /// The longest payload of a segment that leaves now.
    fn prepared_len_max(&self) -> u32 {
        let windows = self.snd_wnd.min(self.congestion.cwnd()).saturating_sub(self.flight());
        let buffer = self.send.room().min(self.send.reservation_max()) as u32;
        self.snd_mss.min(windows).min(buffer)
    }

    /// The prepared segment leaves. It is known that [it may](Connection::takes_prepared).
    #[inline(never)]
    fn leave_prepared(
        &mut self,
        cx: &mut Context<'_>,
        header: &Repr,
        payload: &[u8],
        tag: u32,
        wants_sum: bool,
    ) -> PreparedOut {
        let mut sum = Sum::ZERO;
        if let Some(room) = self.send.reserve(payload.len()) {
            if wants_sum {
                sum = copy_and_sum(payload, room);
            } else {
                room.copy_from_slice(payload);
            }
        }
        let message = self.commit(cx.now, payload.len(), tag, cx.counters);
        self.watch(cx.now);
        // It leaves at once.
        self.ready = 0;
        cx.count(Count::SegmentOut);
        cx.count(Count::PreparedOut);
        self.note_first_sending(cx, header.seq + payload.len() as u32);
        self.settle_acks();
        self.last_ack_sent = header.ack;
        self.ack_at = Instant::FAR_FUTURE;
        let edge = header.ack + (u32::from(header.window) << self.rcv_wind_shift);
        self.rcv_edge = self.rcv_edge.later_of(edge);
        let timestamps = self.timestamps.as_ref().map(|ours| ours.option(cx.now));
        PreparedOut { timestamps, sum, message }
    }

    /// The same by the shortest way. It is known that [it may](Connection::takes_prepared_fast). Says the payload's sum, if
    /// it is wanted.
    #[inline(never)]
    fn leave_prepared_fast(
        &mut self,
        now: Instant,
        payload: &[u8],
        tag: u32,
        wants_sum: bool,
    ) -> Sum {
        let mut sum = Sum::ZERO;
        if let Some(room) = self.send.first_room(payload.len()) {
            if wants_sum {
                sum = copy_and_sum(payload, room);
            } else {
                room.copy_from_slice(payload);
            }
        }
        let len = payload.len() as u32;
        self.note_first(now, len, tag);
        self.note_fast_sending(now, len);
        sum
    }

    fn before(&self) -> Before {
        Before {
            snd_nxt: self.snd_nxt,
            last_sent: self.last_sent,
            congestion: self.congestion,
            ready: self.ready,
            retransmit_at: self.retransmit_at,
            probe_at: self.probe_at,
            stale_at: self.stale_at,
            ack_at: self.ack_at,
            acks_due: self.acks_due,
            last_ack_sent: self.last_ack_sent,
            rcv_edge: self.rcv_edge,
        }
    }

    /// Takes a send of `len` bytes back.
    fn take_back(&mut self, before: &Before, len: usize) {
        self.send.take_back(len);
        self.scoreboard.take_back();
        self.account.take_back();
        self.snd_nxt = before.snd_nxt;
        self.last_sent = before.last_sent;
        self.congestion = before.congestion;
        self.ready = before.ready;
        self.retransmit_at = before.retransmit_at;
        self.probe_at = before.probe_at;
        self.stale_at = before.stale_at;
        self.ack_at = before.ack_at;
        self.acks_due = before.acks_due;
        self.last_ack_sent = before.last_ack_sent;
        self.rcv_edge = before.rcv_edge;
    }
}

impl Stack {
    /// Settles the header of the next segment with data of a connection. To be called when there is time:
    /// after [`on_segment`](Stack::on_segment) and once what was due has left.
    ///
    /// # Errors
    /// [`PreparedRefusal::StaleId`], [`PreparedRefusal::NotConnected`], [`PreparedRefusal::Closed`].
    pub fn prepare(&mut self, now: Instant, id: ConnectionId) -> Result<Prepared, PreparedRefusal> {
        self.now = self.now.max(now);
        let Some(index) = self.find(id) else {
            return Err(self.refuse_prepared(PreparedRefusal::StaleId));
        };
        let connection = &self.connections[index];
        let header = Repr {
            src_port: connection.tuple.local.port,
            dst_port: connection.tuple.remote.port,
            seq: connection.snd_nxt,
            ack: connection.rcv_nxt,
            flags: Flags::ACK.with(Flags::PSH),
            window: connection.window_field(),
            options: Options {
                timestamps: connection.timestamps.as_ref().map(|ours| ours.option(now)),
                ..Options::NONE
            },
        };
        if !matches!(connection.state, State::Established | State::CloseWait) {
            let why = connection.why_not(&header, 1);
            return Err(self.refuse_prepared(why));
        }
        let is_ect = connection.ecn.is_agreed;
        let (local, remote) = (connection.tuple.local.addr, connection.tuple.remote.addr);
        Ok(Prepared { connection: id, local, remote, header, is_ect })
    }

    /// How many bytes may leave with `prepared` now: more than none.
    ///
    /// # Errors
    /// Why nothing may. It is not counted: nobody has tried to send.
    pub fn prepared_room(
        &mut self,
        now: Instant,
        prepared: &Prepared,
    ) -> Result<usize, PreparedRefusal> {
        self.now = self.now.max(now);
        let index = self.find(prepared.connection).ok_or(PreparedRefusal::StaleId)?;
        if self.connections[index].stale_at <= self.now {
            self.step(index, |connection, cx| connection.end_if_stale(cx));
        }
        let connection = &self.connections[index];
        let len = connection.prepared_len_max();
        if connection.takes_prepared(&prepared.header, len) {
            return Ok(len as usize);
        }
        Err(connection.why_not(&prepared.header, len.max(1)))
    }

    /// Sends `payload` by `prepared`: a message of the stream with this `tag`, which is kept until it is
    /// acknowledged, like any other. Its segment is to leave at once, ahead of
    /// [`next_transmit`](Stack::next_transmit); with `wants_sum`, the payload is summed as it is copied.
    ///
    /// # Errors
    /// A [`PreparedRefusal`], and nothing has changed.
    #[inline(always)]
    pub fn send_prepared(
        &mut self,
        now: Instant,
        prepared: &Prepared,
        payload: &[u8],
        tag: u32,
        wants_sum: bool,
    ) -> Result<PreparedOut, PreparedRefusal> {
        self.hear(now);
        match self.send_prepared_fast(prepared, payload, tag, wants_sum) {
            Some(out) => Ok(out),
            None => self.send_prepared_any(now, prepared, payload, tag, wants_sum),
        }
    }

    /// The same by the shortest way. `None` where nothing has happened.
    #[inline(always)]
    fn send_prepared_fast(
        &mut self,
        prepared: &Prepared,
        payload: &[u8],
        tag: u32,
        wants_sum: bool,
    ) -> Option<PreparedOut> {
        let Stack { connections, counters, timers, config, now, .. } = self;
        let (id, now) = (prepared.connection, *now);
        let connection = connections.get_mut(id.index())?;
        if connection.slot.generation != id.generation
            || !connection.takes_prepared_fast(now, &prepared.header, payload.len())
        {
            return None;
        }
        if !connection.is_woken_in_time(now) {
            wake_for_sent(connection, timers, config, now, id.index());
        }
        #[cfg(test)]
        {
            self.prepared_fast += 1;
        }
        counters.count(Count::SegmentOut);
        counters.count(Count::PreparedOut);
        let sum = connection.leave_prepared_fast(now, payload, tag, wants_sum);
        let timestamps = connection.timestamps.as_ref().map(|ours| ours.option(now));
        let message = Some(MessageNumber(connection.account.committed()));
        Some(PreparedOut { timestamps, sum, message })
    }

    #[inline(never)]
    fn send_prepared_any(
        &mut self,
        now: Instant,
        prepared: &Prepared,
        payload: &[u8],
        tag: u32,
        wants_sum: bool,
    ) -> Result<PreparedOut, PreparedRefusal> {
        let index = self.find_prepared(now, prepared, payload)?;
        let (connection, mut cx) = self.connection_and_context(index);
        let out = connection.leave_prepared(&mut cx, &prepared.header, payload, tag, wants_sum);
        let deadline = connection.deadline();
        self.wake_by(index, deadline);
        Ok(out)
    }

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
        let index = self.find_prepared(now, prepared, payload)?;
        let connection = &mut self.connections[index];
        if !connection.account.makes_room(connection.snd_una) {
            return Err(self.refuse_prepared(PreparedRefusal::QueueFull));
        }
        // Whoever reads the counters elsewhere sees none go back; but they are near afterwards, too.
        for what in [Count::SegmentOut, Count::PreparedOut] {
            self.counters.add(what, 0);
        }
        if let Some(out) = self.warm_prepared_fast(index, prepared, payload, wants_sum) {
            return Ok(out);
        }
        core::mem::swap(&mut self.counters, &mut self.counters_of_warming);
        let (connection, mut cx) = self.connection_and_context(index);
        let before = connection.before();
        let out = connection.leave_prepared(&mut cx, &prepared.header, payload, 0, wants_sum);
        connection.take_back(&before, payload.len());
        core::mem::swap(&mut self.counters, &mut self.counters_of_warming);
        self.counters.count(Count::PathWarmed);
        Ok(PreparedOut { message: None, ..out })
    }

    /// The same of a send that goes the shortest way. `None` where nothing has happened.
    fn warm_prepared_fast(
        &mut self,
        index: usize,
        prepared: &Prepared,
        payload: &[u8],
        wants_sum: bool,
    ) -> Option<PreparedOut> {
        let (connection, now) = (&mut self.connections[index], self.now);
        if !connection.takes_prepared_fast(now, &prepared.header, payload.len()) {
            return None;
        }
        let before = connection.before();
        let sum = connection.leave_prepared_fast(now, payload, 0, wants_sum);
        let timestamps = connection.timestamps.as_ref().map(|ours| ours.option(now));
        connection.take_back(&before, payload.len());
        self.counters.count(Count::PathWarmed);
        Some(PreparedOut { timestamps, sum, message: None })
    }

    /// The connection by which `payload` may leave as prepared.
    #[inline(always)]
    fn find_prepared(
        &mut self,
        now: Instant,
        prepared: &Prepared,
        payload: &[u8],
    ) -> Result<usize, PreparedRefusal> {
        self.now = self.now.max(now);
        let Some(index) = self.find(prepared.connection) else {
            return Err(self.refuse_prepared(PreparedRefusal::StaleId));
        };
        // What is longer than any segment is as long as the longest number.
        let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        if self.connections[index].stale_at <= self.now {
            self.step(index, |connection, cx| connection.end_if_stale(cx));
        }
        let connection = &self.connections[index];
        if !connection.takes_prepared(&prepared.header, len) {
            let why = connection.why_not(&prepared.header, len);
            return Err(self.refuse_prepared(why));
        }
        Ok(index)
    }

    /// Counts why a prepared segment did not leave.
    pub(crate) fn refuse_prepared(&mut self, why: PreparedRefusal) -> PreparedRefusal {
        self.counters.count(why.count());
        why
    }
}
