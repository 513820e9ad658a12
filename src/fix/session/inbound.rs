//! What an arriving message means. Four outcomes short of delivery, each decided in one place:
//! garbled (ignored, no number consumed), refused by a Reject, answered by a Logout, disconnected.

use core::fmt::Write;

use arrayvec::ArrayString;

use crate::fix::counters::Event;
use crate::fix::frame::Whole;
use crate::fix::message::{Message, Standing};
use crate::fix::reason::{CloseReason, Garbled, RejectReason};
use crate::fix::store::{SEQ_NUM_MAX, Store};
use crate::fix::swar;
use crate::fix::tags::{self, msg_type};
use crate::fix::timestamp;
use crate::fix::value::FieldError;
use crate::time::{Now, UtcTime};

use super::parties::Verdict;
use super::{Core, Disposition, Handler, Outlet, Reader, Role, Sender, State, Version};

/// The longest TestReqID(112) that is echoed, in bytes.
const TEST_REQ_ID_BYTES_MAX: usize = 256;
/// What is the same in every message of one type that anybody sends who speaks our version, and is looked at no more once it
/// was found right.
const VOUCHED_FOR: [u32; 2] = [tags::BEGIN_STRING, tags::MSG_TYPE];
/// The same of one counterparty, for a session that shares what it learns with none.
const VOUCHED_FOR_ALONE: [u32; 8] = [
    tags::BEGIN_STRING,
    tags::MSG_TYPE,
    tags::SENDER_COMP_ID,
    tags::TARGET_COMP_ID,
    tags::SENDER_SUB_ID,
    tags::TARGET_SUB_ID,
    tags::SENDER_LOCATION_ID,
    tags::TARGET_LOCATION_ID,
];
/// The first of them, where no sub-IDs are agreed on.
const VOUCHED_FOR_WITHOUT_SUB_IDS: usize = 4;

impl<S: Store> Core<S> {
    /// A message that framing found whole.
    #[inline(always)]
    pub(super) fn on_framed(
        &mut self,
        now: Now,
        (bytes, whole): (&[u8], Whole),
        Reader { decoder, sending_times, .. }: &mut Reader,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) {
        decoder.note_for(self.place.session);
        let message = match decoder.decode(bytes, &whole) {
            Ok(message) => message,
            Err(reason) => return self.on_garbled(now, &bytes[..whole.len], reason, out, app),
        };
        self.count_received(now);
        let is_known = message.standing() == Standing::VOUCHED
            && self.is_in_order(now, &message, sending_times);
        let shape = if is_known {
            None
        } else if self.admits(now, &message, whole, out, app) {
            self.shape_to_vouch_for(&message)
        } else {
            self.settle_gap(now, out);
            return self.settle_logout(now, app);
        };
        self.deliver(now, &message, out, app);
        self.settle_logout(now, app);
        if let Some(place) = shape {
            decoder.vouch(place, bytes, self.vouched_for());
        }
    }

    /// A message with a shape that was vouched for, in its turn: what nearly every one is. False of another, with which
    /// nothing was done.
    #[inline(always)]
    pub(super) fn on_vouched(
        &mut self,
        now: Now,
        message: &Message<'_>,
        sending_times: &mut timestamp::Reader,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) -> bool {
        if !self.is_in_order(now, message, sending_times) {
            return false;
        }
        self.count_received(now);
        self.deliver(now, message, out, app);
        true
    }

    #[inline(always)]
    fn count_received(&mut self, now: Now) {
        self.counters.count(Event::MessageReceived);
        self.timers.received(now);
    }

    /// Hands a message to the application.
    #[inline(always)]
    fn deliver(
        &mut self,
        now: Now,
        message: &Message<'_>,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) {
        self.counters.count(Event::MessageDelivered);
        let seq = self.store.next_in();
        app.on_message(message, &mut Sender { core: self, now, out });
        self.consume(seq);
        self.settle_gap(now, out);
    }

    /// The long way: whether a message is the one expected, acceptable, and the application's to get. One
    /// that is the session's own business is dealt with.
    #[inline(never)]
    fn admits(
        &mut self,
        now: Now,
        message: &Message<'_>,
        whole: Whole,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) -> bool {
        if self.state == State::LogonAwaited && !self.may_begin(message, now, app) {
            return false;
        }
        let Some(seq) = message.msg_seq_num().ok().filter(|seq| *seq <= SEQ_NUM_MAX) else {
            // FIX 4.4 Vol. 2: without a MsgSeqNum nothing can be recovered.
            self.refuse_number(now, message.field(tags::MSG_SEQ_NUM), out, app);
            return false;
        };
        if !self.is_of_our_version(message) && message.msg_type() != msg_type::LOGOUT {
            self.consume(seq);
            self.log_out(now, out, b"Incorrect BeginString");
            return false;
        }
        self.is_acceptable(now, message, out)
            && self.is_for_application(now, seq, message, whole, out, app)
    }

    /// Whether a message that was [vouched](VOUCHED_FOR) for is the one expected, sent just now, and one that a dictionary
    /// allows: all that is left to look at.
    #[inline(always)]
    fn is_in_order(
        &mut self,
        now: Now,
        message: &Message<'_>,
        sending_times: &mut timestamp::Reader,
    ) -> bool {
        let next_in = self.store.next_in();
        self.state == State::Active
            && u64::from(next_in) < swar::NUMBERS
            && message.is_numbered(self.next_in_text.turn_to(next_in))
            && message
                .vouched_time()
                .and_then(|sent| sending_times.read(sent).ok())
                .is_some_and(|sent| self.is_recent(now, sent))
            && match self.parties.are(message.bytes(), message.vouched_parties()) {
                Verdict::Right => true,
                Verdict::Wrong => false,
                Verdict::Unknown => self.are_fields_ours(message),
            }
            && self.processed_flaw(message).is_none()
            && self.violation(message).is_none()
    }

    /// The shape of a message that is acceptable and the application's, if it says something of all that
    /// have that shape: there is nothing unusual about it.
    #[inline]
    fn shape_to_vouch_for(&self, message: &Message<'_>) -> Option<usize> {
        let place = message.standing().place()?;
        let is_usual = self.state == State::Active
            && [tags::POSS_DUP_FLAG, tags::APPL_VER_ID]
                .iter()
                .all(|tag| message.field(*tag).is_none());
        is_usual.then_some(place)
    }

    #[inline]
    pub(super) fn is_recent(&self, now: Now, sent: UtcTime) -> bool {
        now.utc.abs_diff(sent) <= self.latency_max || self.was_held
    }

    /// The fields of which all messages of a shape have the same, once one of them was found right.
    #[cold]
    fn vouched_for(&self) -> &'static [u32] {
        match (self.parties.are_in_shape(), self.config.has_sub_ids()) {
            (false, _) => &VOUCHED_FOR,
            (true, true) => &VOUCHED_FOR_ALONE,
            (true, false) => &VOUCHED_FOR_ALONE[..VOUCHED_FOR_WITHOUT_SUB_IDS],
        }
    }

    /// Bytes that are no message: ignored, unless nothing better was ever said.
    ///
    /// A message past our limits looks garbled too. Ignored, it is missed, asked for and garbled again;
    /// so when one comes while a gap is open, the session ends and says why.
    #[cold]
    pub(super) fn on_garbled(
        &mut self,
        now: Now,
        bytes: &[u8],
        reason: Garbled,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) {
        self.counters.count_garbled(reason);
        let past_limit = match reason {
            Garbled::BodyLengthTooLong => Some("BodyLength exceeds our limit"),
            Garbled::FieldsTooMany => Some("more fields than our limit"),
            _ => None,
        };
        match (self.state, past_limit) {
            (State::LogonAwaited, _) if reason == Garbled::BeginStringMissing => {
                self.quote_peer(bytes);
                self.close(CloseReason::PeerNotFix, app);
            }
            (State::LogonAwaited, _) => self.close(CloseReason::LogonInvalid, app),
            (State::Active, Some(text)) if self.gap.is_some() => {
                self.send_logout(now, out, text.as_bytes());
                self.close(CloseReason::LimitExceeded, app);
            }
            (State::Active, _) if self.config.reject_garbled => {
                self.reject_garbled(now, bytes, reason, out);
            }
            _ => {}
        }
    }

    /// Whether an acceptable message is the application's to get now. What is the session's own business
    /// or out of its turn is dealt with.
    #[allow(clippy::too_many_arguments)]
    fn is_for_application(
        &mut self,
        now: Now,
        seq: u32,
        message: &Message<'_>,
        whole: Whole,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) -> bool {
        if message.msg_type() != msg_type::LOGON {
            self.follow(seq);
        }
        // What is past a gap is looked at in its turn, unless it is answered whatever its number.
        let is_held = seq > self.store.next_in()
            && ![msg_type::RESEND_REQUEST, msg_type::LOGOUT].contains(&message.msg_type());
        if message.poss_dup()
            && message.msg_type() != msg_type::LOGON
            && !is_held
            && !self.may_be_duplicate(now, message, out)
        {
            return false;
        }
        match message.msg_type() {
            msg_type::LOGON if self.state != State::LogonAwaited && self.is_again(seq, message) => {
                if self.may_be_duplicate(now, message, out) {
                    self.counters.count(Event::DuplicateIgnored);
                }
                return false;
            }
            msg_type::LOGON => {
                let cleared = message.bool(tags::RESET_SEQ_NUM_FLAG) == Ok(true);
                if cleared {
                    self.held.clear();
                }
                self.on_logon(now, message, out, app);
                return false;
            }
            msg_type::LOGOUT => {
                let is_past = seq > self.store.next_in() && self.gap.is_some();
                if is_past && self.state == State::Active {
                    self.on_logout_past_gap(now, (seq, message), out);
                } else {
                    self.on_logout(now, message, out, app);
                }
                return false;
            }
            // Answered whatever its number: both sides may be in a gap, each waiting for the other.
            msg_type::RESEND_REQUEST => self.on_resend_request(now, message, out),
            msg_type::SEQUENCE_RESET if message.bool(tags::GAP_FILL_FLAG) != Ok(true) => {
                self.on_sequence_reset(now, message, out);
                return false;
            }
            _ => {}
        }
        let next_in = self.store.next_in();
        if seq > next_in {
            // A ResendRequest was answered just now: its number may come back as a gap fill.
            if message.msg_type() != msg_type::RESEND_REQUEST {
                let kept = self.held.keep(seq, message.bytes(), &whole);
                self.counters.count(if kept { Event::MessageHeld } else { Event::MessageNotHeld });
            }
            self.on_past_gap(now, (seq, message), out, app);
            return false;
        }
        if message.msg_type() == msg_type::RESEND_REQUEST {
            self.consume(seq);
            return false;
        }
        if seq < next_in {
            self.on_low_number(now, seq, message, out, app);
            return false;
        }
        match message.msg_type() {
            msg_type::HEARTBEAT | msg_type::REJECT => self.advance(),
            msg_type::TEST_REQUEST => self.on_test_request(now, message, out),
            msg_type::SEQUENCE_RESET => self.on_gap_fill(now, message, out),
            _ => return true,
        }
        false
    }

    /// Whether the first message of a connection may begin a session; if not, the connection ends
    /// without a word, as a stranger is told nothing.
    #[cold]
    fn may_begin(&mut self, message: &Message<'_>, now: Now, app: &mut impl Handler) -> bool {
        let refused = [msg_type::LOGOUT, msg_type::REJECT].contains(&message.msg_type());
        let reason = if refused && self.config.role == Role::Initiator {
            if message.msg_seq_num() == Ok(self.store.next_in()) {
                self.advance();
            }
            self.keep_parting_words(message);
            return self.close_refused(message, now, app);
        } else if message.msg_type() != msg_type::LOGON {
            CloseReason::LogonMissing
        } else {
            let is_ours = self.is_of_our_version(message);
            match self.flaw(now, message) {
                None if self.config.reject_invalid && self.violation(message).is_some() => {
                    CloseReason::LogonInvalid
                }
                Some((RejectReason::SendingTimeAccuracy, _)) if is_ours => {
                    CloseReason::LogonTimeInaccurate
                }
                None if is_ours && message.msg_seq_num().is_ok() => return true,
                _ => CloseReason::LogonInvalid,
            }
        };
        self.close(reason, app);
        false
    }

    /// Our Logon was refused. A Logout ends a session whenever it comes: one that is sound has the numbers begin again where a
    /// logout is to. A Reject, or somebody else's Logout, does not.
    #[cold]
    fn close_refused(&mut self, message: &Message<'_>, now: Now, app: &mut impl Handler) -> bool {
        let is_logout = message.msg_type() == msg_type::LOGOUT;
        if is_logout && self.is_of_our_version(message) && self.flaw(now, message).is_none() {
            self.close_logged_out(now, CloseReason::LogonRefused, app);
        } else {
            self.close(CloseReason::LogonRefused, app);
        }
        false
    }

    fn is_of_our_version(&self, message: &Message<'_>) -> bool {
        message.begin_string() == self.config.version.begin_string().as_bytes()
    }

    fn on_test_request(&mut self, now: Now, message: &Message<'_>, out: &mut impl Outlet) {
        match message.field(tags::TEST_REQ_ID) {
            Some(id) if id.len() <= TEST_REQ_ID_BYTES_MAX => {
                // Before the answer, which says what was processed.
                self.advance();
                self.send_admin(now, out, msg_type::HEARTBEAT, |encoder| {
                    encoder.put_bytes(tags::TEST_REQ_ID, id);
                });
            }
            Some(_) => self.reject(now, message, RejectReason::ValueIncorrect, b"112", out),
            None => self.reject(now, message, RejectReason::RequiredTagMissing, b"112", out),
        }
    }

    fn on_resend_request(&mut self, now: Now, message: &Message<'_>, out: &mut impl Outlet) {
        let next_out = self.store.next_out();
        let begin = message.u32(tags::BEGIN_SEQ_NO);
        let end = message.u32(tags::END_SEQ_NO);
        let (begin, end) = match (begin, end) {
            (Ok(begin), Ok(end)) => (begin, end),
            (Err(error), _) => return self.reject_field(now, message, error, b"7", out),
            (_, Err(error)) => return self.reject_field(now, message, error, b"16", out),
        };
        // "To infinity" is 0, and was 999999 up to FIX 4.2 (FIX 4.2, Resend Request).
        let infinite = end == 0 || (end == 999_999 && self.config.version <= Version::Fix42);
        let end = if infinite { next_out - 1 } else { end.min(next_out - 1) };
        if begin == 0 || begin >= next_out || begin > end {
            return self.reject(now, message, RejectReason::ValueIncorrect, b"7", out);
        }
        self.start_resend(begin, end);
    }

    fn on_gap_fill(&mut self, now: Now, message: &Message<'_>, out: &mut impl Outlet) {
        match message.u32(tags::NEW_SEQ_NO) {
            Ok(new) if new > self.store.next_in() && new <= SEQ_NUM_MAX => {
                self.store.set_next_in(new);
            }
            Ok(_) => self.reject(now, message, RejectReason::ValueIncorrect, b"", out),
            Err(error) => self.reject_field(now, message, error, b"36", out),
        }
    }

    /// SequenceReset in its reset mode: whatever its own number (FIX 4.4 Vol. 2, Sequence Reset).
    fn on_sequence_reset(&mut self, now: Now, message: &Message<'_>, out: &mut impl Outlet) {
        if message.bool(tags::GAP_FILL_FLAG) == Err(FieldError::Format) {
            return self.reject(now, message, RejectReason::DataFormatIncorrect, b"123", out);
        }
        match message.u32(tags::NEW_SEQ_NO) {
            Ok(new) if new >= self.store.next_in() && new <= SEQ_NUM_MAX => {
                self.store.set_next_in(new);
            }
            Ok(_) => self.reject(now, message, RejectReason::ValueIncorrect, b"", out),
            Err(error) => self.reject_field(now, message, error, b"36", out),
        }
    }

    /// A number already processed: harmless with PossDupFlag, the end without.
    #[cold]
    fn on_low_number(
        &mut self,
        now: Now,
        seq: u32,
        message: &Message<'_>,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) {
        if !self.is_again(seq, message) {
            return self.refuse_low_number(now, seq, out, app);
        }
        self.counters.count(Event::DuplicateIgnored);
    }

    /// Whether a message was processed before, and says that it is sent again.
    fn is_again(&self, seq: u32, message: &Message<'_>) -> bool {
        message.poss_dup() && seq < self.store.next_in()
    }

    /// Whether a message with PossDupFlag says soundly when it was sent first, whatever its number (FIX 4.4 Vol. 2, test cases
    /// 2f and 2g). One that does not is refused.
    #[cold]
    fn may_be_duplicate(&mut self, now: Now, message: &Message<'_>, out: &mut impl Outlet) -> bool {
        let sent = message.utc(tags::SENDING_TIME);
        match message.utc(tags::ORIG_SENDING_TIME) {
            _ if message.msg_type() == msg_type::SEQUENCE_RESET => true,
            Err(FieldError::Missing) if !self.config.requires_orig_sending_time => true,
            Ok(original) if sent.is_ok_and(|sent| original > sent) => {
                self.reject(now, message, RejectReason::SendingTimeAccuracy, b"", out);
                self.log_out(now, out, b"");
                false
            }
            Ok(_) => true,
            Err(error) => {
                self.reject_field(now, message, error, b"122", out);
                false
            }
        }
    }

    pub(super) fn refuse_low_number(
        &mut self,
        now: Now,
        seq: u32,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) {
        let mut text = ArrayString::<80>::new();
        let next_in = self.store.next_in();
        let _ = write!(text, "MsgSeqNum too low, expecting {next_in} but received {seq}");
        self.send_logout(now, out, text.as_bytes());
        self.close(CloseReason::MsgSeqNumTooLow, app);
    }

    #[cold]
    fn refuse_number(
        &mut self,
        now: Now,
        value: Option<&[u8]>,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) {
        let missing = value.is_none_or(<[u8]>::is_empty);
        let text = if missing { "MsgSeqNum missing" } else { "MsgSeqNum is not a valid number" };
        self.send_logout(now, out, text.as_bytes());
        self.close(CloseReason::MsgSeqNumMissing, app);
    }

    pub(super) fn log_out(&mut self, now: Now, out: &mut impl Outlet, text: &[u8]) {
        if self.state == State::Active {
            self.start_logout(now, out, text);
        }
    }

    /// Where numbers need not follow one another, the one that came is the one expected.
    #[inline]
    pub(super) fn follow(&mut self, seq: u32) {
        if !self.config.validate_sequence_numbers && seq != self.store.next_in() {
            self.counters.count(Event::NumberFollowed);
            self.store.set_next_in(seq);
        }
    }

    /// The number `seq` is dealt with, if it is the one expected.
    #[inline]
    pub(super) fn consume(&mut self, seq: u32) {
        if seq == self.store.next_in() {
            self.advance();
        }
    }

    #[inline]
    pub(super) fn advance(&mut self) {
        self.store.set_next_in(self.store.next_in().saturating_add(1));
    }

    #[inline]
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::LogonAwaited | State::Active | State::LogoutSent)
    }

    pub(super) fn disposition(&self) -> Disposition {
        match self.state {
            State::Closing(reason) => Disposition::Close(reason),
            _ => Disposition::Keep,
        }
    }

    /// Ends the session and tells the application.
    #[cold]
    pub(super) fn close(&mut self, reason: CloseReason, app: &mut impl Handler) {
        self.end(reason, app);
        self.doom(reason);
    }

    /// Ends the connection where no application is at hand; it is told at `on_disconnect`.
    pub(super) fn doom(&mut self, reason: CloseReason) {
        if self.is_open() {
            self.counters.count_close(reason);
            self.state = State::Closing(reason);
        }
    }

    /// Tells the application of the end of a session, once.
    pub(super) fn end(&mut self, reason: CloseReason, app: &mut impl Handler) {
        let reason = match self.state {
            State::Closing(earlier) => earlier,
            _ => reason,
        };
        if core::mem::take(&mut self.announced) {
            app.on_logout(reason);
        }
    }
}
