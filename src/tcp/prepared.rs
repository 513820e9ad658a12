//! Sends that are prepared ahead: the next segment's header is settled before there is anything to send, so
//! that what is left of a send is to compare, to copy and to note.
//!
//! Nothing here is told when a prepared header becomes stale. It says what it was made for, the next numbers
//! both ways and the peer's last timestamp, and is held against the connection when it is used: whatever came
//! or left in between shows. [`Stack::prepare`] makes it anew.
//!
//! What a prepared send may not do, the usual way does: [`Stack::reserve`] and [`Stack::commit`].

use core::net::Ipv4Addr;

pub use refusal::PreparedRefusal;

use super::account::MessageNumber;
use super::connection::{Connection, Context, State};
use super::counters::Count;
use super::event::ConnectionId;
use super::poll::wakes_for_sent;
use super::probe::ProbeDue;
use super::stack::Stack;
use crate::offload::checksum::{Sum, copy_and_sum};
use crate::time::Instant;
use crate::wire::tcp::{Flags, Options, Repr, Timestamps};

mod refusal;
mod warm;

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
            && !self.holds_back()
    }

    /// Whether what is new may have to wait: by Nagle's algorithm (RFC 9293 3.7.4), whatever its length, as room is asked for
    /// before there is a message; or for its turn where segments are paced.
    fn holds_back(&self) -> bool {
        self.is_paced() || (self.apart.terms.nagle() && self.flight() > 0)
    }

    /// Whether the numbers of `header` are those of the next segment, and its window takes back none that
    /// was given since, but for less than a step, as rounding to the scale may (RFC 7323 2.4).
    #[inline(always)]
    fn is_next(&self, header: &Repr) -> bool {
        let past = (u32::from(header.window) + 1) << self.rcv_wind_shift;
        let echo = self.stamps().map(|ours| ours.recent());
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
            && self.apart.held.is_empty()
            && !self.sack.has_duplicate()
            && self.fin_ahead().is_none()
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
                } else if len.wrapping_sub(1) >= self.snd_mss
                    || len as usize > self.send.reservation_max()
                {
                    PreparedRefusal::TooLong
                } else if end > u64::from(self.snd_wnd) {
                    PreparedRefusal::NoWindow
                } else if end > u64::from(self.congestion.cwnd()) {
                    PreparedRefusal::NoCongestionWindow
                } else if self.holds_back() {
                    PreparedRefusal::Waits
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
    fn leave_prepared<const HELD: bool>(
        &mut self,
        cx: &mut Context<'_>,
        header: &Repr,
        payload: &[u8],
        tag: u32,
        wants_sum: bool,
    ) -> PreparedOut {
        let room = self.send.reserve(payload.len());
        let sum = room.map_or(Sum::ZERO, |room| put::<HELD>(payload, room, wants_sum));
        let message = self.commit(cx.now, payload.len(), tag, cx.counters);
        self.watch(cx.now);
        // It leaves at once.
        self.send.ready = 0;
        cx.count(Count::SegmentOut);
        cx.count(Count::PreparedOut);
        self.note_first_sending(cx, header.seq + payload.len() as u32);
        if self.apart.terms.pacing() {
            self.pace(cx, payload.len() as u32);
        }
        self.settle_acks();
        self.last_ack_sent = header.ack;
        self.deadlines.ack = Instant::FAR_FUTURE;
        let edge = header.ack + (u32::from(header.window) << self.rcv_wind_shift);
        self.rcv_edge = self.rcv_edge.later_of(edge);
        let timestamps = self.stamps().map(|ours| ours.option(cx.now));
        PreparedOut { timestamps, sum, message }
    }

    /// The same by the shortest way. It is known that [it may](Connection::takes_prepared_fast).
    #[inline(always)]
    fn leave_prepared_fast<const HELD: bool>(
        &mut self,
        now: Instant,
        payload: &[u8],
        tag: u32,
        wants_sum: bool,
    ) -> PreparedOut {
        let len = payload.len() as u32;
        // Whoever takes the short way has them.
        let timestamps = Some(self.stamps.option(now));
        let room = self.send.first_room(payload.len());
        let sum = room.map_or(Sum::ZERO, |room| put::<HELD>(payload, room, wants_sum));
        let message = self.note_first(now, len, tag);
        self.note_fast_alone(now, len);
        PreparedOut { timestamps, sum, message: Some(message) }
    }
}

/// Puts a payload into its room, which is as long, unless it is held elsewhere. Says its sum, if it is wanted.
#[inline(always)]
fn put<const HELD: bool>(payload: &[u8], room: &mut [u8], wants_sum: bool) -> Sum {
    match (HELD, wants_sum) {
        (true, true) => Sum::of(payload),
        (false, true) => copy_and_sum(payload, room),
        (true, false) => Sum::ZERO,
        (false, false) => {
            room.copy_from_slice(payload);
            Sum::ZERO
        }
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
                timestamps: connection.stamps().map(|ours| ours.option(now)),
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
        if self.connections[index].deadlines.stale <= self.now {
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
        if let Some(out) = self.send_prepared_fast::<false>(prepared, payload, tag, wants_sum) {
            return Ok(out);
        }
        // A copy, so that nothing but this needs it in memory.
        let PreparedOut { timestamps, sum, message } =
            self.send_prepared_any::<false>(now, prepared, payload, tag, wants_sum)?;
        Ok(PreparedOut { timestamps, sum, message })
    }

    /// The same by the shortest way. `None` where nothing has happened.
    #[inline(always)]
    pub(super) fn send_prepared_fast<const HELD: bool>(
        &mut self,
        prepared: &Prepared,
        payload: &[u8],
        tag: u32,
        wants_sum: bool,
    ) -> Option<PreparedOut> {
        let Stack { connections, counters, timers, config, now, .. } = self;
        let (id, now) = (prepared.connection, *now);
        let connection = connections.get_mut(id.index())?;
        if connection.generation != id.generation
            || !connection.takes_prepared_fast(now, &prepared.header, payload.len())
        {
            return None;
        }
        let out = connection.leave_prepared_fast::<HELD>(now, payload, tag, wants_sum);
        counters.count_both([Count::SegmentOut, Count::PreparedOut]);
        if !connection.is_woken_in_time(now) {
            wakes_for_sent(connection, timers, config, now, id.index());
        }
        #[cfg(test)]
        {
            self.prepared_fast += 1;
        }
        Some(out)
    }

    /// The same by the long way.
    #[inline(never)]
    pub(super) fn send_prepared_any<const HELD: bool>(
        &mut self,
        now: Instant,
        prepared: &Prepared,
        payload: &[u8],
        tag: u32,
        wants_sum: bool,
    ) -> Result<PreparedOut, PreparedRefusal> {
        let index = self.find_prepared(now, prepared, payload.len())?;
        let (connection, mut cx) = self.connection_and_context(index);
        let out =
            connection.leave_prepared::<HELD>(&mut cx, &prepared.header, payload, tag, wants_sum);
        let deadline = connection.deadline();
        self.wake_by(index, deadline);
        Ok(out)
    }

    /// The connection by which `len` bytes may leave as prepared.
    #[inline(always)]
    fn find_prepared(
        &mut self,
        now: Instant,
        prepared: &Prepared,
        len: usize,
    ) -> Result<usize, PreparedRefusal> {
        self.now = self.now.max(now);
        let Some(index) = self.find(prepared.connection) else {
            return Err(self.refuse_prepared(PreparedRefusal::StaleId));
        };
        // What is longer than any segment is as long as the longest number.
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        if self.connections[index].deadlines.stale <= self.now {
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
