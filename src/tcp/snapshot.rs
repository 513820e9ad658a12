//! A connection as plain data, to go on in another stack: numbers, windows, options, what is known of the
//! path and of every segment in flight, the bytes both ways, messages, and timers by how much time they have left.
//!
//! A snapshot is taken in one go and put to use in one go, and what is in it may come from anywhere: each
//! number is held against the others before a connection is made of it.

use core::fmt;

use super::account::Account;
use super::codec::{Codec, In, Out, codec_enum};
use super::connection::{ACKS_DUE_MAX, Connection, State, TIMESTAMPS_LEN, WINDOW_FIELD_MAX};
use super::counters::Count;
use super::endpoint::{Endpoint, Tuple};
use super::event::ConnectionId;
use super::stack::Stack;
use crate::time::Instant;
use crate::wire::tcp::SeqNumber;

/// What every snapshot begins with: a name, and the version of what follows.
const MAGIC: [u8; 4] = *b"fwtc";
/// Of which version snapshots are: no other is read.
pub const VERSION: u16 = 10;
/// No count of events is higher: what it is added to never overflows.
const COUNT_MAX: u64 = 1 << 48;

/// A connection, exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    bytes: Vec<u8>,
}

/// Why a connection was not exported, or not imported. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SnapshotRefusal {
    /// The id names no connection any more.
    StaleId,
    /// The connection is still being opened, or is over; or it is still being opened for a port that is not listened on here.
    NotSynchronized,
    /// Payloads of it are kept [elsewhere](Stack::next_held), and are to be given back first.
    PayloadsHeld,
    /// It is no snapshot.
    NotASnapshot,
    /// It is a snapshot by another version of this program.
    VersionUnknown,
    /// It is cut short or too long, or its numbers contradict each other.
    Malformed,
    /// The bytes or segments of it find no room in this stack's buffers.
    BuffersTooSmall,
    /// Its endpoints are connected already.
    EndpointInUse,
    /// Every connection is in use: raise `connections_max`.
    ConnectionsFull,
}

impl SnapshotRefusal {
    /// Its counter. What is no snapshot, or another version's, comes to no stack.
    fn count(self) -> Count {
        match self {
            SnapshotRefusal::StaleId => Count::StaleId,
            SnapshotRefusal::NotSynchronized => Count::ExportNotSynchronized,
            SnapshotRefusal::PayloadsHeld => Count::ExportPayloadsHeld,
            SnapshotRefusal::NotASnapshot
            | SnapshotRefusal::VersionUnknown
            | SnapshotRefusal::Malformed => Count::ImportMalformed,
            SnapshotRefusal::BuffersTooSmall => Count::ImportBuffersTooSmall,
            SnapshotRefusal::EndpointInUse => Count::EndpointInUse,
            SnapshotRefusal::ConnectionsFull => Count::ConnectionsFull,
        }
    }
}

impl fmt::Display for SnapshotRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            SnapshotRefusal::StaleId => "the connection is no more",
            SnapshotRefusal::NotSynchronized => "the connection is being opened, or over",
            SnapshotRefusal::PayloadsHeld => "what it has sent is kept elsewhere",
            SnapshotRefusal::NotASnapshot => "these bytes are no snapshot of a connection",
            SnapshotRefusal::VersionUnknown => "the snapshot is by another version of fixwire",
            SnapshotRefusal::Malformed => "the snapshot contradicts itself",
            SnapshotRefusal::BuffersTooSmall => {
                "the connection finds no room in this stack's buffers"
            }
            SnapshotRefusal::EndpointInUse => "the endpoints are connected already",
            SnapshotRefusal::ConnectionsFull => "every connection is in use (connections_max)",
        })
    }
}

impl core::error::Error for SnapshotRefusal {}

impl Snapshot {
    /// The snapshot as bytes, to keep or to send. They hold what was sent and received in plain.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A snapshot of bytes that [`as_bytes`](Snapshot::as_bytes) gave. What is behind their beginning is looked at by
    /// [`Stack::import`].
    ///
    /// # Errors
    /// [`SnapshotRefusal::NotASnapshot`], [`SnapshotRefusal::VersionUnknown`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Snapshot, SnapshotRefusal> {
        body(bytes)?;
        Ok(Snapshot { bytes: bytes.to_vec() })
    }
}

/// What follows the name and the version.
fn body(bytes: &[u8]) -> Result<&[u8], SnapshotRefusal> {
    let body = bytes.strip_prefix(&MAGIC).ok_or(SnapshotRefusal::NotASnapshot)?;
    let (version, body) = body.split_first_chunk().ok_or(SnapshotRefusal::NotASnapshot)?;
    if u16::from_le_bytes(*version) == VERSION {
        Ok(body)
    } else {
        Err(SnapshotRefusal::VersionUnknown)
    }
}

codec_enum!(State {
    Closed = 0,
    SynSent = 1,
    SynReceived = 2,
    Established = 3,
    FinWait1 = 4,
    FinWait2 = 5,
    CloseWait = 6,
    Closing = 7,
    LastAck = 8,
    TimeWait = 9,
});

impl Codec for Endpoint {
    fn put(&self, out: &mut Out<'_>) {
        (self.addr.to_bits(), self.port).put(out);
    }

    fn take(from: &mut In<'_>) -> Result<Endpoint, SnapshotRefusal> {
        let (bits, port): (u32, u16) = Codec::take(from)?;
        Ok(Endpoint { addr: bits.into(), port })
    }
}

/// The fields of a connection that are written as they are, in this order. The others stand for
/// themselves: an id and a listener are one stack's own, buffers and lists follow.
macro_rules! codec_fields {
    ($($field:ident)* | timestamps | $($after:ident)*) => {
        fn put_fields(connection: &Connection, out: &mut Out<'_>) {
            let Connection {
                $($field,)* $($after,)*
                tuple: _, listener: _, is_known: _, is_released: _, rcv_step: _, is_grouped: _,
                generation: _, is_queued: _, slot: _, remote_addr: _, stamps: _, stamped_at: _, is_stamped: _,
                woken_by: _, fast: _, fast_max: _, timers_lag: _, open_max: _, fresh: _,
                send: _, receive: _, apart: _, scoreboard: _, account: _, rest_max: _, plain: _, holds_plainly: _,
            } = connection;
            $($field.put(out);)*
            connection.put_stamps(out);
            $($after.put(out);)*
        }

        fn take_fields(connection: &mut Connection, from: &mut In<'_>) -> Result<(), SnapshotRefusal> {
            $(connection.$field = Codec::take(from)?;)*
            connection.take_stamps(from)?;
            $(connection.$after = Codec::take(from)?;)*
            Ok(())
        }
    };
}

codec_fields! {
    state closed pending
    iss snd_una snd_nxt snd_wnd snd_wl1 snd_wl2 snd_wnd_max snd_wind_shift snd_mss
    room_wanted fin_queued fin_sent
    is_calm is_urgent duplicate_acks rtt rack loss_probe congestion ecn
    last_sent retransmissions
    irs rcv_nxt rcv_edge rcv_wind_shift rcv_wnd_max offers_scale sack fin_at fin_received
    last_ack_sent
    | timestamps |
    syn_due acks_due probe_due keep_alive_due
    deadlines probe_is_for_reordering
    retries keep_alive_probes last_heard challenge_second challenges_left
    is_of_cookie patience
}

impl Connection {
    fn put_state(&self, out: &mut Out<'_>) {
        self.tuple.local.put(out);
        self.tuple.remote.put(out);
        put_fields(self, out);
        self.apart.put(out);
        self.send.put(out);
        self.receive.put(
            out,
            self.apart.held.ranges().iter().map(|(left, right)| {
                let offset = left.since(self.rcv_nxt) as usize;
                offset..offset + right.since(*left) as usize
            }),
        );
        self.apart.held.put_latest(out);
        self.scoreboard.put(out, self.snd_una);
        self.account.put(out);
        self.is_known.put(out);
    }

    /// Reads all that follows the endpoints into a connection that was just begun.
    fn take_state(&mut self, from: &mut In<'_>) -> Result<(), SnapshotRefusal> {
        take_fields(self, from)?;
        self.apart.take(from)?;
        self.is_grouped = self.apart.grouping.is_asked_for();
        if self.rcv_wnd_max as usize > self.receive.capacity() {
            return Err(SnapshotRefusal::BuffersTooSmall);
        }
        self.send.take(from)?;
        let (receive, held, rcv_nxt) = (&mut self.receive, &mut self.apart.held, self.rcv_nxt);
        receive.take(from, |range| held.restore(rcv_nxt, range))?;
        self.apart.held.take_latest(from)?;
        self.scoreboard.take(from, self.snd_una)?;
        self.account.take(from)?;
        let is_opening = matches!(self.state, State::SynSent | State::SynReceived);
        self.is_known = bool::take(from)? || !is_opening;
        if from.bytes.is_empty() && self.is_sound() {
            Ok(())
        } else {
            Err(SnapshotRefusal::Malformed)
        }
    }

    /// Whether its numbers go together, so that nothing that a sound connection does can fail.
    fn is_sound(&self) -> bool {
        let is_opening = matches!(self.state, State::SynSent | State::SynReceived);
        (if is_opening { self.has_sound_opening() } else { self.has_sound_sender() })
            && self.has_sound_receiver()
            && self.rtt.is_sound()
            && self.rack.is_sound()
            && self.congestion.is_sound(self.sack.is_agreed)
            && self.apart.undo.as_ref().is_none_or(|undo| undo.is_sound())
            && self.ecn.is_sound()
            && self.acks_due <= ACKS_DUE_MAX
            && (!self.syn_due || is_opening)
            && (self.state != State::TimeWait || self.deadlines.linger != Instant::FAR_FUTURE)
            && self.account_is_sound()
    }

    /// Of a handshake there is our SYN, sent or not, and nothing that the application has written.
    fn has_sound_opening(&self) -> bool {
        self.snd_una == self.iss
            && self.flight() <= 1
            && self.send.len() == 0
            && !self.fin_sent
            && self.closed.is_none()
            && !self.pending.any()
            && self.scoreboard.spans(self.snd_una, self.snd_una)
            && (self.state == State::SynReceived || self.is_known)
            && (self.syn_due || self.deadlines.retransmit != Instant::FAR_FUTURE)
            && self.snd_wind_shift <= 14
            && (1..=u32::from(u16::MAX)).contains(&self.snd_mss)
            && self.apart.ends_mss > 0
            && self.has_sound_grouping()
    }

    fn has_sound_sender(&self) -> bool {
        let (held, flight) = (self.send.len() as u32, self.flight());
        let state = self.state;
        // Behind our FIN's ACK there is nothing.
        let is_quiet = matches!(state, State::FinWait2 | State::TimeWait);
        let numbers = if is_quiet {
            held == 0 && flight == 0
        } else {
            flight <= held + u32::from(self.fin_sent) && (!self.fin_sent || flight == held + 1)
        };
        let window_max = WINDOW_FIELD_MAX << 14;
        numbers
            // What is in flight is waited for.
            && (flight == 0 || self.deadlines.retransmit != Instant::FAR_FUTURE)
            && !matches!(state, State::Closed | State::SynSent | State::SynReceived)
            && matches!(state, State::Established | State::CloseWait) != self.fin_queued
            && (!self.fin_sent || self.fin_queued)
            && (!is_quiet || self.fin_sent)
            && self.scoreboard.spans(self.snd_una, self.snd_nxt)
            && self.snd_wnd <= window_max
            && self.snd_wnd_max <= window_max
            && self.snd_wind_shift <= 14
            && (1..=u32::from(u16::MAX)).contains(&self.snd_mss)
            && self.congestion.mss() == self.snd_mss
            && self.apart.ends_mss > 0
            && self.has_sound_grouping()
    }

    fn has_sound_receiver(&self) -> bool {
        let has_fin = matches!(
            self.state,
            State::CloseWait | State::Closing | State::LastAck | State::TimeWait
        );
        let edge = self.rcv_edge.since(self.rcv_nxt) as i32;
        let held_end = self.apart.held.ranges().last().map(|range| range.1);
        let fin_fits = match self.fin_at {
            None => !self.fin_received,
            Some(at) if self.fin_received => at + 1 == self.rcv_nxt && held_end.is_none(),
            Some(at) => {
                self.rcv_nxt.is_at_or_before(at)
                    && held_end.is_none_or(|end| end.is_at_or_before(at))
            }
        };
        has_fin == self.fin_received
            && fin_fits
            && self.rcv_wind_shift <= 14
            && edge.unsigned_abs() as usize <= self.receive.capacity()
            // What was promised has room beside what is unread.
            && i64::from(edge) <= self.receive.room() as i64
    }

    /// Messages end where the stream does, and begin where it is not acknowledged yet, or before.
    fn account_is_sound(&self) -> bool {
        let is_quiet = matches!(self.state, State::FinWait2 | State::TimeWait);
        is_quiet || self.account.is_sound(self.snd_una, self.stream_end())
    }

    /// Fits what was agreed on in another stack to this one.
    fn fit(&mut self, mss: u16) {
        let options = if self.stamps().is_some() { TIMESTAMPS_LEN } else { 0 };
        let mss = u32::from(mss.saturating_sub(options).max(1));
        self.bound_ends_mss(mss);
        if mss < self.snd_mss {
            self.snd_mss = mss;
            self.congestion.on_mss(mss);
        }
        self.settle_rest_max();
    }
}

impl Stack {
    /// A connection with all that is known of it, as plain data. It goes on as if nothing had been; whoever moves it
    /// [lets go](Stack::let_go) of it here before it goes on elsewhere, for two stacks that both speak for it undo
    /// each other's work. To be called between segments: what the application has not
    /// [kept](Stack::keep) counts as taken, what it has reserved as not written.
    ///
    /// # Errors
    /// [`SnapshotRefusal::StaleId`], [`SnapshotRefusal::NotSynchronized`], [`SnapshotRefusal::PayloadsHeld`].
    pub fn export(&mut self, now: Instant, id: ConnectionId) -> Result<Snapshot, SnapshotRefusal> {
        let exported = self.try_export(now, id, false);
        exported.inspect_err(|why| self.counters.count(why.count()))
    }

    /// The same of a connection that is still being opened, for a stack that takes the place of this one whole: with the same
    /// secret, the same clock, and the listener that it came by.
    #[cfg(feature = "hand-over")]
    pub(crate) fn export_opening(
        &mut self,
        now: Instant,
        id: ConnectionId,
    ) -> Result<Snapshot, SnapshotRefusal> {
        let exported = self.try_export(now, id, true);
        exported.inspect_err(|why| self.counters.count(why.count()))
    }

    fn try_export(
        &mut self,
        now: Instant,
        id: ConnectionId,
        opening: bool,
    ) -> Result<Snapshot, SnapshotRefusal> {
        let index = self.find(id).ok_or(SnapshotRefusal::StaleId)?;
        let now = self.now.max(now);
        let (connection, _) = self.connection_and_context(index);
        let is_opening = matches!(connection.state, State::SynSent | State::SynReceived);
        if connection.state == State::Closed || is_opening != opening {
            return Err(SnapshotRefusal::NotSynchronized);
        }
        if self.next_held(id).is_some() {
            return Err(SnapshotRefusal::PayloadsHeld);
        }
        let (connection, _) = self.connection_and_context(index);
        connection.settle_grouping();
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        connection.put_state(&mut Out { bytes: &mut bytes, now });
        Ok(Snapshot { bytes })
    }

    /// Makes a connection of a snapshot: it goes on from where it was, as if no time had passed in between. Its
    /// timestamps go on from the last ones; events that nobody had polled are polled here. By a clock that is younger
    /// than what it has to tell of, messages and silences are no older than the clock.
    ///
    /// # Errors
    /// A [`SnapshotRefusal`], whatever the bytes are.
    pub fn import(
        &mut self,
        now: Instant,
        snapshot: &Snapshot,
    ) -> Result<ConnectionId, SnapshotRefusal> {
        self.now = self.now.max(now);
        let imported = self.try_import(snapshot);
        imported.inspect_err(|why| self.counters.count(why.count()))
    }

    fn try_import(&mut self, snapshot: &Snapshot) -> Result<ConnectionId, SnapshotRefusal> {
        let mut from = In { bytes: body(&snapshot.bytes)?, now: self.now };
        let (local, remote) = <(Endpoint, Endpoint) as Codec>::take(&mut from)?;
        let tuple = Tuple { local, remote };
        let is_host = |endpoint: Endpoint| {
            let addr = endpoint.addr;
            endpoint.port != 0
                && !(addr.is_unspecified() || addr.is_multicast() || addr.is_broadcast())
        };
        if !is_host(local) || !is_host(remote) || local == remote {
            return Err(SnapshotRefusal::Malformed);
        }
        if self.table.find(tuple.ends()).is_some() {
            return Err(SnapshotRefusal::EndpointInUse);
        }
        let listener = self.listener(local);
        let index = self.free.pop().ok_or(SnapshotRefusal::ConnectionsFull)?;
        let connection = &mut self.connections[index as usize];
        connection.begin(&self.config, tuple, SeqNumber(0));
        let taken = connection.take_state(&mut from);
        // One that nobody has been told of was accepted, and counts towards a backlog.
        let listener = listener.filter(|_| !connection.is_known);
        let taken = taken.and(match listener {
            None if !connection.is_known => Err(SnapshotRefusal::NotSynchronized),
            _ => Ok(()),
        });
        if let Err(why) = taken {
            connection.begin(&self.config, Tuple::NONE, SeqNumber(0));
            connection.is_released = true;
            self.free.push(index);
            return Err(why);
        }
        connection.fit(self.config.mss);
        let index = index as usize;
        self.table.insert(tuple.ends(), index);
        self.connections[index].list();
        if let Some(listener) = listener {
            self.join_backlog(index, listener);
        }
        self.counters.count(Count::Imported);
        self.step(index, |_, _| {});
        Ok(self.id(index))
    }

    /// Forgets a connection that goes on elsewhere: nothing is sent, nobody is told, and `id` names nothing any
    /// more.
    pub fn let_go(&mut self, id: ConnectionId) {
        let Some(index) = self.find(id) else {
            self.counters.count(Count::StaleId);
            return;
        };
        self.counters.count(Count::LetGo);
        self.step(index, |connection, _| {
            connection.fall_silent();
            connection.is_released = true;
        });
    }
}

impl Account {
    pub(super) fn put(&self, out: &mut Out<'_>) {
        self.start().put(out);
        self.committed().put(out);
        u32::from(self.known_len()).put(out);
        self.all_known().for_each(|message| {
            message.at.put(out);
            message.end().put(out);
            message.tag().put(out);
        });
    }

    pub(super) fn take(&mut self, from: &mut In<'_>) -> Result<(), SnapshotRefusal> {
        let start = SeqNumber::take(from)?;
        let committed = u64::take(from)?;
        let count = from.take_count(16)?;
        if committed > COUNT_MAX || count as u64 > committed {
            return Err(SnapshotRefusal::Malformed);
        }
        self.begin_at(start, committed - count as u64);
        for _ in 0..count {
            let (at, (end, tag)) = Codec::take(from)?;
            if !self.restore(at, end, tag) {
                return Err(SnapshotRefusal::BuffersTooSmall);
            }
        }
        Ok(())
    }
}
