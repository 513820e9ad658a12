//! Orders that are foreseen: a frame stands ready with all of its headers, the order is written where it
//! leaves from, and what is left of a send is to note it.
//!
//! Whoever drives the [engine](Engine) does this between rounds: [`prepare_send`](Engine::prepare_send) when
//! there is time, [`warm_send`](Engine::warm_send) as long as nothing happens, and
//! [`send_prepared`](Engine::send_prepared) when it does. What came or left in between makes the prepared headers stale,
//! an ARP answer that moves the next hop too: that is found out at the send, which is refused, and mended by
//! [`refresh_send`](Engine::refresh_send).

use core::fmt;

use crate::app::{Application, SessionId};
use crate::emit::{Emitter, PreparedHeaders, Written};
use crate::engine::Engine;
use crate::fix::{Encoder, Full, Outlet, SendError};
use crate::offload::nic::{Frame, Nic};
use crate::tcp::{Count, HeldPayload, Prepared, PreparedRefusal, Stack};
use crate::time::{Instant, Now};
use crate::wire::ethernet::Mac;

#[cfg(test)]
mod tests;

/// A session's next order, but for the order.
pub struct PreparedSend<F> {
    session: SessionId,
    /// `None` once it has left, until it is refreshed.
    ready: Option<Ready<F>>,
}

/// A frame whose headers stand.
struct Ready<F> {
    frame: F,
    tcp: Prepared,
    headers: PreparedHeaders,
}

impl<F> PreparedSend<F> {
    /// Whose it is.
    pub fn session(&self) -> SessionId {
        self.session
    }
}

/// Why a prepared order did not leave. No number was consumed, but with [`SendError::StoreFailed`], which ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// The connection or the link would not have it now.
    Line(PreparedRefusal),
    /// The session would not.
    Session(SendError),
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotSent::Line(why) => why.fmt(f),
            NotSent::Session(why) => why.fmt(f),
        }
    }
}

impl core::error::Error for NotSent {}

/// What a session writes an order into: the frame itself.
struct InFrame<'a> {
    room: &'a mut [u8],
    /// How much was committed, under which MsgSeqNum(34).
    committed: Option<(usize, u32)>,
}

impl Outlet for InFrame<'_> {
    fn reserve(&mut self, len: usize) -> Result<&mut [u8], Full> {
        // As much as leaves in one segment: an order that is longer is refused by its encoder.
        let len = len.min(self.room.len());
        if self.committed.is_some() { Err(Full) } else { Ok(&mut self.room[..len]) }
    }

    fn room_max(&self) -> usize {
        self.room.len()
    }

    fn commit(&mut self, used: usize) {
        self.commit_message(used, 0);
    }

    fn commit_message(&mut self, used: usize, msg_seq_num: u32) {
        self.committed = Some((used, msg_seq_num));
    }
}

impl<N: Nic, A: Application> Engine<N, A> {
    /// Prepares a session's next order: takes a frame of the device's, and writes its headers. It holds the
    /// frame until the order has left or the caller lets go.
    ///
    /// # Errors
    /// [`PreparedRefusal::NotConnected`], [`PreparedRefusal::Closed`], [`PreparedRefusal::NoNeighbor`],
    /// [`PreparedRefusal::NoFrame`].
    pub fn prepare_send(
        &mut self,
        now: Now,
        session: SessionId,
    ) -> Result<PreparedSend<N::Frame>, PreparedRefusal> {
        let mut send = PreparedSend { session, ready: None };
        self.refresh_send(now, &mut send)?;
        Ok(send)
    }

    /// Makes the headers anew: after a send, a refusal as [outdated](PreparedRefusal::Outdated), and each round
    /// in which something came.
    ///
    /// # Errors
    /// As of [`prepare_send`](Engine::prepare_send); what was prepared is as it was.
    pub fn refresh_send(
        &mut self,
        now: Now,
        send: &mut PreparedSend<N::Frame>,
    ) -> Result<(), PreparedRefusal> {
        let Some(connection) = self.desk.connection(send.session) else {
            return Err(self.tcp.refuse_prepared(PreparedRefusal::NotConnected));
        };
        let tcp = self.tcp.prepare(now.mono, connection)?;
        let Some(dst) = self.next_hop(now.mono, &tcp) else {
            return Err(self.tcp.refuse_prepared(PreparedRefusal::NoNeighbor));
        };
        let frame = send.ready.take().map(|ready| ready.frame);
        let Some(mut frame) = frame.or_else(|| self.tx_frame()) else {
            return Err(self.tcp.refuse_prepared(PreparedRefusal::NoFrame));
        };
        let headers = self.emitter.prepare(dst, &tcp, frame.space());
        send.ready = Some(Ready { frame, tcp, headers });
        Ok(())
    }

    /// Sends an order by `send`: `fill` puts its fields after the header, where the frame leaves from. The frame is
    /// handed to the device before this returns. Says the order's MsgSeqNum(34).
    ///
    /// # Errors
    /// [`NotSent`]: no number was consumed, nothing has left, and the usual way is open. With [`SendError::StoreFailed`] the
    /// number is taken, nothing has left either, and the session's connection is being closed.
    pub fn send_prepared(
        &mut self,
        now: Now,
        send: &mut PreparedSend<N::Frame>,
        msg_type: &[u8],
        fill: impl FnOnce(&mut Encoder<'_>),
    ) -> Result<u32, NotSent> {
        let room_len = self.room_of(now.mono, send).map_err(NotSent::Line)?;
        let Some(ready) = &mut send.ready else { return Err(self.outdated()) };
        let at = ready.headers.payload_at();
        let end = ready.frame.space().len().min(at + room_len);
        let mut out = InFrame { room: &mut ready.frame.space()[at..end], committed: None };
        let sent = self.desk.send_by(now, send.session, &mut out, msg_type, fill);
        let seq = sent.map_err(|why| {
            self.desk.after_refusal(now, &mut self.tcp, send.session);
            NotSent::Session(why)
        })?;
        let (len, tag) = out.committed.unwrap_or_default();
        let holds = self.held.takes_one();
        let written = complete(&mut self.tcp, &self.emitter, now.mono, ready, len, (tag, holds));
        // Nothing has happened since there was found to be room.
        let ((frame_len, meta), held) = written.map_err(NotSent::Line)?;
        let Some(Ready { mut frame, .. }) = send.ready.take() else {
            return Err(self.outdated());
        };
        frame.finish(frame_len, meta);
        if let Some(name) = held {
            if !self.held.hold(name, &frame, at, len) {
                self.tcp.give_back(name, &frame.bytes()[at..at + len], Count::HeldFull);
            }
        } else if self.held.is_full() {
            self.tcp.count_held(Count::HeldFull);
        }
        self.outbound.push(frame);
        self.flush(|| now.mono);
        Ok(seq)
    }

    /// Goes the way of a send with a payload of `len` bytes that means nothing, as far as TCP and the frame go, and
    /// takes it back: nothing is sent and nothing has changed, and code and data are near afterwards.
    ///
    /// # Errors
    /// Why an order would be refused now.
    pub fn warm_send(
        &mut self,
        now: Now,
        send: &mut PreparedSend<N::Frame>,
        len: usize,
    ) -> Result<(), PreparedRefusal> {
        let len = self.room_of(now.mono, send)?.min(len);
        let Some(ready) = &mut send.ready else { return Ok(()) };
        let len = len.min(ready.frame.space().len() - ready.headers.payload_at());
        let prepared = ready.tcp;
        let holds = self.held.takes_one();
        let send = |tcp: &mut Stack| {
            complete(tcp, &self.emitter, now.mono, ready, len, (0, holds)).map(drop)
        };
        if holds {
            self.tcp.warm_held(now.mono, &prepared, len, send)?
        } else {
            self.tcp.warm(now.mono, &prepared, len, send)?
        }
    }

    /// How long an order may be that leaves now, in bytes.
    fn room_of(
        &mut self,
        now: Instant,
        send: &PreparedSend<N::Frame>,
    ) -> Result<usize, PreparedRefusal> {
        let found = match &send.ready {
            None => Err(PreparedRefusal::Outdated),
            // What cannot be handed over now must not be overtaken either.
            Some(_) if !self.outbound.is_empty() => Err(PreparedRefusal::Queued),
            Some(ready) => {
                let (tcp, dst) = (ready.tcp, ready.headers.dst());
                match self.next_hop(now, &tcp) {
                    None => Err(PreparedRefusal::NoNeighbor),
                    Some(known) if known != dst => Err(PreparedRefusal::Outdated),
                    Some(_) => self.tcp.prepared_room(now, &tcp),
                }
            }
        };
        found.map_err(|why| self.tcp.refuse_prepared(why))
    }

    fn next_hop(&mut self, now: Instant, tcp: &Prepared) -> Option<Mac> {
        let next_hop = self.neighbors.network().next_hop(tcp.addresses().1)?;
        self.neighbors.lookup(now, next_hop)
    }

    #[cold]
    fn outdated(&mut self) -> NotSent {
        NotSent::Line(self.tcp.refuse_prepared(PreparedRefusal::Outdated))
    }
}

/// Sends the payload that stands in its frame, as far as TCP goes, and completes the frame around it. One piece of
/// code for what is sent and what is only warmed. With a name, what it sends is to be held.
#[inline(never)]
fn complete<F: Frame>(
    tcp: &mut Stack,
    emitter: &Emitter,
    now: Instant,
    ready: &mut Ready<F>,
    len: usize,
    (tag, holds): (u32, bool),
) -> Result<(Written, Option<HeldPayload>), PreparedRefusal> {
    let space = ready.frame.space();
    let payload = &space[ready.headers.payload_at()..][..len];
    let wants_sum = emitter.wants_sum();
    let (left, held) = if holds {
        tcp.send_held(now, &ready.tcp, payload, tag, wants_sum)?
    } else {
        (tcp.send_prepared(now, &ready.tcp, payload, tag, wants_sum)?, None)
    };
    let written = emitter.finish_prepared(&ready.headers, left.timestamps, len, left.sum, space);
    Ok((written, held))
}
