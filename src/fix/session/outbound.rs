//! How a message gets its number and leaves.
//!
//! A number is taken in the store before the outlet commits the bytes that carry it. A session
//! message that finds no room is written into the backlog under its number, and until that is
//! empty the application's messages wait: nothing overtakes.

use core::fmt;

use crate::fix::counters::Event;
use crate::fix::encode::{EncodeError, Encoder};
use crate::fix::reason::CloseReason;
use crate::fix::store::{NotNow, SEQ_NUM_MAX, Store, StoreFailed};
use crate::fix::tags::msg_type;
use crate::time::Now;

use super::{Core, Full, Outlet, SessionConfig, State};

/// The most that a session message takes: six identifiers, six routing fields, a text.
pub(super) const ADMIN_BYTES_MAX: usize = 1280;

/// Why an application message was not sent. No number was consumed, but with [`StoreFailed`](SendError::StoreFailed).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SendError {
    /// No session is established. Ours to wait for `on_logon`.
    NotLoggedOn,
    /// The outlet has no room, or what the counterparty lacked at its Logon has not all been sent again. Ours to try again
    /// later.
    Full,
    /// The message is longer than there will ever be room for. Ours to shorten; the room is the lesser of
    /// [`send_bytes_max`](super::SessionConfig::send_bytes_max) and what the connection takes at once.
    TooLong {
        /// The most that there is, in bytes.
        room_max: u32,
    },
    /// The message could not be written. Ours to mend.
    Encode(EncodeError),
    /// Messages of the session layer are the session's to send.
    AdminType,
    /// No sequence number is left: the session must be reset.
    MsgSeqNumExhausted,
    /// The store cannot be written: the machine's operator is to look at its disk. The connection ends.
    StoreFailed,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::NotLoggedOn => f.pad("no session is established"),
            SendError::Full => f.pad("the outlet has no room"),
            SendError::TooLong { room_max } => {
                write!(f, "the message is longer than the {room_max} bytes that there is room for")
            }
            SendError::Encode(error) => error.fmt(f),
            SendError::AdminType => f.pad("session messages are the session's to send"),
            SendError::MsgSeqNumExhausted => f.pad("no sequence number is left"),
            SendError::StoreFailed => StoreFailed.fmt(f),
        }
    }
}

impl core::error::Error for SendError {}

/// Session messages written and numbered that wait for the outlet.
#[derive(Debug)]
pub(super) struct Backlog {
    bytes: Box<[u8]>,
    start: usize,
    pub(super) end: usize,
}

impl Backlog {
    pub(super) fn new(bytes_max: usize) -> Backlog {
        Backlog { bytes: vec![0; bytes_max].into_boxed_slice(), start: 0, end: 0 }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(super) fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// What waits.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Has these wait, and nothing else; `false`, and nothing has changed, where they find no room.
    pub(super) fn restore(&mut self, waiting: &[u8]) -> bool {
        let Some(room) = self.bytes.get_mut(..waiting.len()) else { return false };
        room.copy_from_slice(waiting);
        (self.start, self.end) = (0, waiting.len());
        true
    }

    pub(super) fn room(&mut self) -> &mut [u8] {
        self.bytes.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        &mut self.bytes[self.end..]
    }
}

impl<S: Store> Core<S> {
    #[inline(always)]
    pub(super) fn send(
        &mut self,
        now: Now,
        out: &mut impl Outlet,
        msg_type: &[u8],
        fill: impl FnOnce(&mut Encoder<'_>),
    ) -> Result<u32, SendError> {
        let sent = self.try_send(now, out, msg_type, fill);
        if sent.is_err() {
            self.counters.count(Event::SendRefused);
        }
        sent
    }

    #[inline(always)]
    fn try_send(
        &mut self,
        now: Now,
        out: &mut impl Outlet,
        msg_type: &[u8],
        fill: impl FnOnce(&mut Encoder<'_>),
    ) -> Result<u32, SendError> {
        if self.state != State::Active {
            return Err(SendError::NotLoggedOn);
        }
        if msg_type::is_admin(msg_type) {
            return Err(SendError::AdminType);
        }
        // What the counterparty lacks goes first, before the application is told of the logon.
        if !self.backlog.is_empty() | self.to_announce {
            return Err(SendError::Full);
        }
        let seq = self.store.next_out();
        if seq > SEQ_NUM_MAX {
            return Err(SendError::MsgSeqNumExhausted);
        }
        self.store.admits().map_err(|why| self.not_now(why))?;
        let slot = match out.reserve(self.send_bytes_max) {
            Ok(slot) => slot,
            Err(Full) => reserve_less(out, self.send_bytes_max)?,
        };
        let room_max = slot.len();
        let mut encoder = self.header.begin(slot, &mut self.formatter, now, msg_type, seq);
        self.header.end(&mut encoder, self.store.next_in());
        fill(&mut encoder);
        let len = match encoder.finish() {
            Ok(len) => len,
            Err(error) => return Err(self.not_written(error, room_max)),
        };
        if self.store.put(seq, &slot[..len]).is_err() {
            return Err(self.not_now(NotNow::Failed));
        }
        out.commit_message(len, seq);
        self.timers.sent(now);
        self.counters.count(Event::MessageSent);
        Ok(seq)
    }

    #[cold]
    fn not_written(&mut self, error: EncodeError, room_max: usize) -> SendError {
        if error != EncodeError::TooLong {
            return SendError::Encode(error);
        }
        self.counters.count(Event::SendTooLong);
        SendError::TooLong { room_max: u32::try_from(room_max).unwrap_or(u32::MAX) }
    }

    #[cold]
    fn not_now(&mut self, why: NotNow) -> SendError {
        match why {
            NotNow::DiskBehind => {
                self.counters.count(Event::StoreBehind);
                SendError::Full
            }
            NotNow::Failed => {
                self.doom(CloseReason::StoreFailed);
                SendError::StoreFailed
            }
        }
    }

    /// Sends a message of the session layer under the next number, or lets it wait in the backlog.
    pub(super) fn send_admin(
        &mut self,
        now: Now,
        out: &mut impl Outlet,
        msg_type: &[u8],
        fill: impl FnOnce(&mut Encoder<'_>),
    ) {
        self.send_admin_by(now, out, msg_type, |encoder, _| fill(encoder));
    }

    /// The same of one that says what the settings have.
    pub(super) fn send_admin_by(
        &mut self,
        now: Now,
        out: &mut impl Outlet,
        msg_type: &[u8],
        fill: impl FnOnce(&mut Encoder<'_>, &SessionConfig),
    ) {
        if matches!(self.state, State::Closing(_)) {
            return;
        }
        let seq = self.store.next_out();
        if seq > SEQ_NUM_MAX {
            self.doom(CloseReason::MsgSeqNumExhausted);
            return;
        }
        self.flush_backlog(out);
        let direct = if self.backlog.is_empty() { out.reserve(ADMIN_BYTES_MAX).ok() } else { None };
        let deferred = direct.is_none();
        let slot = direct.unwrap_or_else(|| self.backlog.room());
        let mut encoder = self.header.begin(slot, &mut self.formatter, now, msg_type, seq);
        self.header.end(&mut encoder, self.store.next_in());
        fill(&mut encoder, &self.config);
        let Ok(len) = encoder.finish() else {
            self.doom(CloseReason::BacklogFull);
            return;
        };
        if self.store.set_next_out(seq + 1).is_err() {
            self.doom(CloseReason::StoreFailed);
            return;
        }
        if deferred {
            self.backlog.end += len;
            self.counters.count(Event::AdminDeferred);
            if out.room_max() < ADMIN_BYTES_MAX {
                // As much at once is never to be had.
                self.flush_backlog(out);
            }
        } else {
            out.commit_message(len, seq);
        }
        self.timers.sent(now);
        self.counters.count(Event::MessageSent);
    }

    /// Hands over what waits, as much as the outlet takes.
    pub(super) fn flush_backlog(&mut self, out: &mut impl Outlet) {
        if self.backlog.is_empty() {
            return;
        }
        let chunk_max = ADMIN_BYTES_MAX.min(out.room_max()).max(1);
        while !self.backlog.is_empty() {
            let waiting = &self.backlog.bytes[self.backlog.start..self.backlog.end];
            let chunk = &waiting[..waiting.len().min(chunk_max)];
            let Ok(slot) = out.reserve(chunk.len()) else { return };
            slot[..chunk.len()].copy_from_slice(chunk);
            out.commit(chunk.len());
            self.backlog.start += chunk.len();
        }
    }
}

/// Room for as much as the outlet ever has, where `wanted` is more than that.
#[cold]
#[inline(never)]
fn reserve_less(out: &mut impl Outlet, wanted: usize) -> Result<&mut [u8], SendError> {
    let room_max = out.room_max();
    if room_max >= wanted {
        return Err(SendError::Full);
    }
    out.reserve(room_max).map_err(|Full| SendError::Full)
}
