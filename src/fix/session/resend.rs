//! ResendRequest answered from the store (FIX 4.4 Vol. 2, Resend Request): application messages
//! again with PossDupFlag, everything else by gap fills as long as they can be.
//!
//! A resend remembers how far it has come. When the outlet is full it waits there, when it has had its turn it goes on in the
//! next one, and messages sent meanwhile have numbers past its end. What can never be sent, or no longer be read, is not waited for: it
//! becomes part of a gap fill, and the application is told.

use core::fmt;

use crate::fix::counters::Event;
use crate::fix::encode::EncodeError;
use crate::fix::reason::CloseReason;
use crate::fix::store::Store;
use crate::fix::tags::{self, msg_type};
use crate::fix::{decode::Decoder, message::Message};
use crate::time::{Instant, Now};

use super::header::Header;
use super::outbound::ADMIN_BYTES_MAX;
use super::{COMP_ID_BYTES_MAX, Core, Full, Handler, Outlet, State};

/// What PossDupFlag and OrigSendingTime add, a wider BodyLength and SendingTime, LastMsgSeqNumProcessed, and sub-IDs that
/// there were none of when it was kept.
const GROWTH_BYTES_MAX: usize = 64 + 4 * ("142=|".len() + COMP_ID_BYTES_MAX);

/// So many messages are looked at in one call: a store of messages that are all vetoed is walked over several.
const STEPS_MAX: u32 = 256;

/// Why a message that was kept is not sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotResent {
    /// With PossDupFlag and OrigSendingTime it is longer than the connection ever has room for.
    TooLong {
        /// The most that it has, in bytes.
        room_max: u32,
    },
    /// What was kept of it cannot be read as a message of ours.
    Unreadable,
}

impl NotResent {
    /// The name of this reason's counter.
    pub const fn name(self) -> &'static str {
        self.event().name()
    }

    const fn event(self) -> Event {
        match self {
            NotResent::TooLong { .. } => Event::ResendTooLong,
            NotResent::Unreadable => Event::ResendUnreadable,
        }
    }
}

impl fmt::Display for NotResent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotResent::TooLong { room_max } => {
                write!(f, "it is longer than the {room_max} bytes that the connection has room for")
            }
            NotResent::Unreadable => f.pad("what was kept of it cannot be read"),
        }
    }
}

/// Numbers still to be sent again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resend {
    /// The next number that the counterparty lacks.
    pub(super) next: u32,
    /// Up to here everything is gap fill, though not yet sent as one.
    pub(super) scanned: u32,
    /// The last number asked for, included.
    pub(super) end: u32,
}

impl<S: Store> Core<S> {
    /// Takes up a request for `begin` to `end`. One that comes while another is under way widens it.
    pub(super) fn start_resend(&mut self, begin: u32, end: u32) {
        self.counters.count(Event::ResendAnswered);
        let (begin, end) = match self.resend {
            Some(resend) => (begin.min(resend.next), end.max(resend.end)),
            None => (begin, end),
        };
        self.resend = Some(Resend { next: begin, scanned: begin, end });
    }

    /// When a resend goes on that has only had enough of its turn.
    #[inline]
    pub(super) fn resend_due(&self) -> Instant {
        match (&self.resend, self.state) {
            (Some(_), State::Active | State::LogoutSent) => self.resend_goes_on_at,
            _ => Instant::FAR_FUTURE,
        }
    }

    /// Sends again as much as the outlet takes, and a call has time for.
    #[inline(never)]
    pub(super) fn continue_resend(
        &mut self,
        now: Now,
        out: &mut impl Outlet,
        app: &mut impl Handler,
        decoder: &mut Decoder,
    ) {
        self.resend_goes_on_at = Instant::FAR_FUTURE;
        for _ in 0..STEPS_MAX {
            let Some(resend) = self.resend else { return };
            if !matches!(self.state, State::Active | State::LogoutSent) {
                return;
            }
            // The backlog leaves in chunks: nothing may come between the halves of a message.
            if !self.backlog.is_empty() {
                return;
            }
            match self.resend_step(now, resend, out, app, decoder) {
                Ok(further) => self.resend = further,
                Err(Full) => {
                    self.counters.count(Event::ResendPaused);
                    return;
                }
            }
        }
        self.resend_goes_on_at = now.mono;
    }

    /// One message or one gap fill further; `None` at the end.
    fn resend_step(
        &mut self,
        now: Now,
        mut resend: Resend,
        out: &mut impl Outlet,
        app: &mut impl Handler,
        decoder: &mut Decoder,
    ) -> Result<Option<Resend>, Full> {
        let Core { store, header, formatter, config, .. } = &mut *self;
        let kept = if config.persist_messages { store.first_from(resend.scanned) } else { None };
        let found = kept.filter(|(seq, _)| *seq <= resend.end);
        let Some((seq, bytes)) = found else {
            self.fill_gap(now, resend.next, resend.end + 1, out)?;
            return Ok(None);
        };
        let room_max = out.room_max();
        let too_long = NotResent::TooLong { room_max: u32::try_from(room_max).unwrap_or(u32::MAX) };
        let Ok(message) = decoder.parse(bytes) else {
            return Ok(Some(self.pass_over(resend, seq, NotResent::Unreadable, app)));
        };
        if !app.may_resend(seq, &message) {
            self.counters.count(Event::ResendVetoed);
            resend.scanned = seq + 1;
            return Ok(Some(resend));
        }
        // As it goes again it is longer still.
        if bytes.len() > room_max {
            return Ok(Some(self.pass_over(resend, seq, too_long, app)));
        }
        if resend.next < seq {
            self.fill_gap(now, resend.next, seq, out)?;
            return Ok(Some(Resend { next: seq, scanned: seq, ..resend }));
        }
        let slot = out.reserve((bytes.len() + GROWTH_BYTES_MAX).min(room_max))?;
        let numbers = (seq, store.next_in());
        let len = match write_again(slot, formatter, header, now, numbers, &message) {
            Ok(len) => len,
            Err(error) => {
                let why =
                    if error == EncodeError::TooLong { too_long } else { NotResent::Unreadable };
                return Ok(Some(self.pass_over(resend, seq, why, app)));
            }
        };
        out.commit_message(len, seq);
        self.timers.sent(now);
        self.counters.count(Event::MessageResent);
        Ok(Some(Resend { next: seq + 1, scanned: seq + 1, ..resend }))
    }

    /// The message numbered `seq` becomes part of a gap fill, which is counted and told.
    #[cold]
    fn pass_over(
        &mut self,
        resend: Resend,
        seq: u32,
        why: NotResent,
        app: &mut impl Handler,
    ) -> Resend {
        self.counters.count(why.event());
        app.on_not_resent(seq, why);
        Resend { scanned: seq + 1, ..resend }
    }

    fn fill_gap(
        &mut self,
        now: Now,
        begin: u32,
        new_seq_no: u32,
        out: &mut impl Outlet,
    ) -> Result<(), Full> {
        if begin >= new_seq_no {
            return Ok(());
        }
        let Core { formatter, config, header, store, backlog, .. } = &mut *self;
        let is_direct = out.room_max() >= ADMIN_BYTES_MAX;
        let slot = if is_direct { out.reserve(ADMIN_BYTES_MAX)? } else { backlog.room() };
        let mut encoder = header.begin_again(slot, formatter, now, msg_type::SEQUENCE_RESET, begin);
        encoder.put_utc(tags::ORIG_SENDING_TIME, now.utc, config.sending_time_precision());
        header.end(&mut encoder, store.next_in());
        encoder.put_u32(tags::NEW_SEQ_NO, new_seq_no).put_bool(tags::GAP_FILL_FLAG, true);
        match encoder.finish() {
            Ok(len) if is_direct => out.commit_message(len, begin),
            Ok(len) => {
                self.backlog.end += len;
                self.flush_backlog(out);
            }
            Err(_) => self.doom(CloseReason::BacklogFull),
        }
        if begin < self.store.forgotten_below() {
            self.counters.count(Event::ResendForgotten);
        }
        self.timers.sent(now);
        self.counters.count(Event::GapFilled);
        Ok(())
    }
}

/// The stored message with a new SendingTime, its old one as OrigSendingTime.
fn write_again(
    slot: &mut [u8],
    formatter: &mut crate::fix::timestamp::Formatter,
    header: &Header,
    now: Now,
    (seq, next_in): (u32, u32),
    message: &Message<'_>,
) -> Result<usize, EncodeError> {
    let mut encoder = header.begin_again(slot, formatter, now, message.msg_type(), seq);
    let sent = message.field(tags::SENDING_TIME).unwrap_or_default();
    encoder.put_bytes(tags::ORIG_SENDING_TIME, sent);
    header.end(&mut encoder, next_in);
    header.put_rest(&mut encoder, message);
    encoder.finish()
}
