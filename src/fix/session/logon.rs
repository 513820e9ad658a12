//! How a session begins and ends: Logon and Logout (FIX 4.4 Vol. 2).

use core::fmt::Write;

use arrayvec::ArrayString;

use crate::fix::counters::Event;
use crate::fix::message::Message;
use crate::fix::reason::CloseReason;
use crate::fix::store::Store;
use crate::fix::tags::{self, msg_type};
use crate::fix::value::FieldError;
use crate::time::Now;

use super::{
    ApplVerId, Core, Handler, Outlet, PARTING_WORDS_LEN_MAX, Role, Sender, State, Version,
};

/// A day: a longer HeartBtInt(108) is a mistake.
const HEART_BT_INT_S_MAX: u32 = 86_400;
/// As much of a text as a Logout carries, in bytes.
const TEXT_BYTES_MAX: usize = 256;
/// Text(58) of the Logout that answers a second Logon.
const SECOND_LOGON: &[u8] = b"Logon in an established session, without ResetSeqNumFlag";
/// The same of one with ResetSeqNumFlag, that cannot be followed.
const RESET_NOT_FIRST: &[u8] = b"Logon with ResetSeqNumFlag, and a MsgSeqNum other than 1";
const APPL_VER_ID_REFUSED: &[u8] = b"DefaultApplVerID is missing, or no version that is known";
const TERMS_REFUSED: &[u8] =
    b"EncryptMethod, HeartBtInt or NextExpectedMsgSeqNum is missing, or none that is taken";

impl<S: Store> Core<S> {
    /// The transport is connected.
    pub(super) fn begin(&mut self, now: Now, out: &mut impl Outlet) {
        self.state = State::LogonAwaited;
        self.timers.received(now);
        self.timers.expect_handshake(now, self.config.logon_timeout());
        if !self.open_window(now) {
            return self.begin_closed();
        }
        if self.config.role == Role::Initiator {
            self.timers.set_heart_bt_int_s(self.config.heart_bt_int_s);
            if self.config.reset_on_logon {
                self.reset_numbers(now);
            }
            self.reset_sent = self.should_ask_for_reset();
            self.send_logon(now, out, self.reset_sent);
        }
    }

    /// Whether our Logon has the counterparty begin anew as we do: its own numbers may have gone on where ours began again.
    fn should_ask_for_reset(&self) -> bool {
        let config = &self.config;
        let begins_again =
            config.reset_on_logon || config.reset_on_logout || config.reset_on_disconnect;
        let is_at_first = (self.store.next_out(), self.store.next_in()) == (1, 1);
        // ResetSeqNumFlag came with FIX 4.1.
        begins_again && is_at_first && config.version > Version::Fix40
    }

    /// The first Logon of a connection, or one that resets the numbers of an established session.
    pub(super) fn on_logon(
        &mut self,
        now: Now,
        message: &Message<'_>,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) {
        let first = self.state == State::LogonAwaited;
        if !first && message.bool(tags::RESET_SEQ_NUM_FLAG) != Ok(true) {
            return self.refuse_second_logon(now, message, out, app);
        }
        let (logon, reset) = match self.read_logon(message) {
            Ok(logon) => (logon, logon.reset),
            Err(reason) if first => return self.close(reason, app),
            Err(reason) => return self.refuse_reset(now, (reason, message), out, app),
        };
        let acceptor = self.config.role == Role::Acceptor;
        if first && self.is_closed(now) {
            return self.refuse_closed(now, out, app);
        }
        let begins_anew =
            (reset && !self.reset_sent) || (first && acceptor && self.config.reset_on_logon);
        if begins_anew {
            self.reset_numbers(now);
        }
        self.follow(logon.seq);
        let next_in = self.store.next_in();
        if logon.seq < next_in {
            return self.refuse_low_number(now, logon.seq, out, app);
        }
        if first && !acceptor && reset && !self.reset_sent {
            // Our Logon had the first of the numbers that the counterparty counts afresh.
            if self.store.set_next_out(2).is_err() {
                return self.close(CloseReason::StoreFailed, app);
            }
        }
        let next_out = self.store.next_out();
        if let Some(expected) = logon.expected.filter(|expected| *expected > next_out) {
            let said = ("NextExpectedMsgSeqNum", "", next_out, expected);
            return self.refuse_said(now, said, CloseReason::NextExpectedTooHigh, out, app);
        }
        let processed = logon.processed.filter(|processed| *processed >= next_out);
        if let Some(processed) = processed.filter(|_| !reset && !begins_anew) {
            let said = ("LastMsgSeqNumProcessed", "at most ", next_out - 1, processed);
            return self.refuse_said(now, said, CloseReason::LastProcessedTooHigh, out, app);
        }
        if logon.seq == next_in {
            self.advance();
        }
        if (!first || acceptor) && !self.reset_sent {
            self.timers.set_heart_bt_int_s(logon.heart_bt_int_s);
            self.send_logon(now, out, reset);
        }
        self.reset_sent = false;
        if !self.is_open() {
            return;
        }
        // A Logout of ours that a reset crosses stands: whoever asked for it is not logged on again by that.
        if first {
            self.state = State::Active;
        }
        self.settle_numbers(now, &logon, next_in, next_out, out);
        self.to_announce |= first;
        self.announce(now, out, app);
    }

    /// What a Logon says, if it is one that may be answered. Nothing is touched before that: who may not log on moves no
    /// number.
    fn read_logon(&mut self, message: &Message<'_>) -> Result<Read, CloseReason> {
        let reset = message.bool(tags::RESET_SEQ_NUM_FLAG) == Ok(true);
        let first = self.state == State::LogonAwaited;
        let seq = message.msg_seq_num().map_err(|_| CloseReason::LogonInvalid)?;
        // FIX 4.4 Vol. 2, Logon: a reset begins with number 1.
        let terms = logon_terms(message).filter(|_| !reset || seq == 1);
        let heart_bt_int_s = terms.ok_or(CloseReason::LogonTermsRefused)?;
        // FIXT 1.1, Logon: DefaultApplVerID is required.
        if self.config.version.default_appl_ver_id().is_some() {
            let version = message.field(tags::DEFAULT_APPL_VER_ID).and_then(ApplVerId::of);
            let version = version.ok_or(CloseReason::LogonApplVerIdRefused)?;
            if let Some(validator) = &mut self.validator {
                validator.set_default_version(version);
            }
        }
        if first && self.config.role == Role::Acceptor && !self.knows(message) {
            return Err(CloseReason::LogonCredentialsRefused);
        }
        let expected =
            self.next_expected_by(message).map_err(|_| CloseReason::LogonTermsRefused)?;
        // That it is a number, or not there, was looked at.
        let processed = message.u32(tags::LAST_MSG_SEQ_NUM_PROCESSED).ok();
        let processed = processed.filter(|_| self.config.says_processed());
        Ok(Read { seq, reset, heart_bt_int_s, expected, processed })
    }

    /// A Logon that would begin the numbers of an established session anew, and may not: who was let in is told why.
    #[cold]
    fn refuse_reset(
        &mut self,
        now: Now,
        (reason, message): (CloseReason, &Message<'_>),
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) {
        let seq = message.msg_seq_num().unwrap_or(0);
        let text = match reason {
            CloseReason::LogonApplVerIdRefused => APPL_VER_ID_REFUSED,
            _ if seq != 1 => RESET_NOT_FIRST,
            _ => TERMS_REFUSED,
        };
        self.end_for_second_logon(now, (seq, text, reason), out, app);
    }

    /// A Logon without ResetSeqNumFlag where one was answered already: nothing begins anew by it, and whoever sends it
    /// takes the session for another one.
    #[cold]
    fn refuse_second_logon(
        &mut self,
        now: Now,
        message: &Message<'_>,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) {
        let seq = message.msg_seq_num().unwrap_or(0);
        if seq < self.store.next_in() && self.config.validate_sequence_numbers {
            return self.refuse_low_number(now, seq, out, app);
        }
        let why = (seq, SECOND_LOGON, CloseReason::LogonUnexpected);
        self.end_for_second_logon(now, why, out, app);
    }

    fn end_for_second_logon(
        &mut self,
        now: Now,
        (seq, text, reason): (u32, &[u8], CloseReason),
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) {
        self.consume(seq);
        if self.state == State::Active {
            self.send_logout(now, out, text);
        }
        self.close(reason, app);
    }

    /// What each side lacks of the other is asked for, awaited or sent, once a Logon is answered.
    fn settle_numbers(
        &mut self,
        now: Now,
        logon: &Read,
        next_in: u32,
        next_out: u32,
        out: &mut impl Outlet,
    ) {
        match logon.expected {
            _ if logon.seq == next_in => {}
            Some(_) => self.await_gap(now, logon.seq),
            // Its own number with them.
            None => self.request_gap(now, logon.seq.saturating_add(1), out),
        }
        // What it lacks, our own Logon included, whose number is the last (FIXT 1.1, NextExpectedMsgSeqNum processing).
        if let Some(expected) = logon.expected.filter(|expected| *expected < next_out) {
            self.start_resend(expected, self.store.next_out() - 1);
        }
    }

    /// Tells the application of a logon, once, and not before the counterparty has got what it lacked: nothing new is to
    /// overtake that.
    pub(super) fn announce(&mut self, now: Now, out: &mut impl Outlet, app: &mut impl Handler) {
        if self.resend.is_none() && core::mem::take(&mut self.to_announce) && self.is_open() {
            self.announced = true;
            app.on_logon(&mut Sender { core: self, now, out });
        }
    }

    /// Whether a Logon has the Username and Password that are agreed on, if any are.
    fn knows(&self, message: &Message<'_>) -> bool {
        self.config.credentials.as_ref().is_none_or(|credentials| {
            credentials.are(message.field(tags::USERNAME), message.field(tags::PASSWORD))
        })
    }

    /// What the counterparty expects of us by NextExpectedMsgSeqNum(789), where both sides say it.
    fn next_expected_by(&self, message: &Message<'_>) -> Result<Option<u32>, FieldError> {
        if !self.config.says_expected() {
            return Ok(None);
        }
        match message.u32(tags::NEXT_EXPECTED_MSG_SEQ_NUM) {
            Ok(0) => Err(FieldError::Range),
            Ok(expected) => Ok(Some(expected)),
            Err(FieldError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The counterparty has got messages that we do not know of: our store is older than our last session. It is told by
    /// which field it said so, the most that we know of, and what it said.
    #[cold]
    fn refuse_said(
        &mut self,
        now: Now,
        (field, bound, known, said): (&str, &str, u32, u32),
        reason: CloseReason,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) {
        let mut text = ArrayString::<96>::new();
        let _ = write!(text, "{field} too high, expecting {bound}{known} but received {said}");
        self.send_logout(now, out, text.as_bytes());
        self.close(reason, app);
    }

    /// Our answer to a Logout, or the end of our own.
    pub(super) fn on_logout(
        &mut self,
        now: Now,
        message: &Message<'_>,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) {
        if message.msg_seq_num() == Ok(self.store.next_in()) {
            self.advance();
        }
        self.keep_parting_words(message);
        let reason = match self.state {
            State::LogoutSent => self.logged_out_reason(CloseReason::LogoutComplete),
            State::LogonAwaited => CloseReason::LogonRefused,
            _ => {
                self.send_logout(now, out, b"");
                CloseReason::LogoutByPeer
            }
        };
        self.close_logged_out(now, reason, app);
    }

    /// A session ends by a Logout.
    pub(super) fn close_logged_out(
        &mut self,
        now: Now,
        reason: CloseReason,
        app: &mut impl Handler,
    ) {
        self.close(reason, app);
        if self.config.reset_on_logout {
            self.reset_numbers(now);
        }
    }

    /// A Logout past what was asked for is answered, and that may still come until the counterparty closes, or our patience is
    /// over (FIXT 1.1, Logout: whoever sends one lets the other end fill its gaps).
    #[cold]
    pub(super) fn on_logout_past_gap(
        &mut self,
        now: Now,
        (seq, message): (u32, &Message<'_>),
        out: &mut impl Outlet,
    ) {
        self.keep_parting_words(message);
        self.start_logout(now, out, b"");
        self.peer_logout = seq;
    }

    /// The counterparty's Logout, past a gap, has its turn once all before it has come.
    #[inline]
    pub(super) fn settle_logout(&mut self, now: Now, app: &mut impl Handler) {
        if self.peer_logout > 0 && self.store.next_in() >= self.peer_logout && self.is_open() {
            self.consume(self.peer_logout);
            self.close_logged_out(now, CloseReason::LogoutByPeer, app);
        }
    }

    /// Nobody waits any longer behind a Logout: of ours that was not answered, unless it was our answer.
    pub(super) fn give_up_logout(&mut self, now: Now, app: &mut impl Handler) {
        let reason = self.logged_out_reason(CloseReason::LogoutTimeout);
        if self.peer_logout > 0 {
            self.close_logged_out(now, reason, app);
        } else {
            self.close(reason, app);
        }
    }

    /// Why a session ends behind a Logout of ours: that of the counterparty, or `otherwise`.
    fn logged_out_reason(&self, otherwise: CloseReason) -> CloseReason {
        if self.peer_logout > 0 { CloseReason::LogoutByPeer } else { otherwise }
    }

    /// Text(58) of a Logout or a refusal: why, in the counterparty's words.
    pub(super) fn keep_parting_words(&mut self, message: &Message<'_>) {
        self.quote_peer(message.field(tags::TEXT).unwrap_or_default());
    }

    pub(super) fn quote_peer(&mut self, words: &[u8]) {
        self.parting_words.clear();
        self.parting_words.extend(words.iter().copied().take(PARTING_WORDS_LEN_MAX));
    }

    /// Sends a Logout and waits for the answer.
    pub(super) fn start_logout(&mut self, now: Now, out: &mut impl Outlet, text: &[u8]) {
        self.send_logout(now, out, text);
        if self.is_open() {
            self.state = State::LogoutSent;
            self.timers.expect_handshake(now, self.config.logout_timeout());
        }
    }

    pub(super) fn send_logout(&mut self, now: Now, out: &mut impl Outlet, text: &[u8]) {
        let text = &text[..text.len().min(TEXT_BYTES_MAX)];
        self.send_admin(now, out, msg_type::LOGOUT, |encoder| {
            if !text.is_empty() {
                encoder.put_bytes(tags::TEXT, text);
            }
        });
    }

    pub(super) fn reset_numbers(&mut self, now: Now) {
        self.store.reset(now.utc);
        self.resend = None;
        self.gap = None;
        self.counters.count(Event::NumbersReset);
    }

    fn send_logon(&mut self, now: Now, out: &mut impl Outlet, reset: bool) {
        let heart_bt_int_s = self.timers.heart_bt_int_s();
        let next_expected = self.config.says_expected().then(|| self.store.next_in());
        self.send_admin_by(now, out, msg_type::LOGON, |encoder, config| {
            encoder.put_u32(tags::ENCRYPT_METHOD, 0).put_u32(tags::HEART_BT_INT, heart_bt_int_s);
            if reset {
                encoder.put_bool(tags::RESET_SEQ_NUM_FLAG, true);
            }
            let credentials = config.credentials.as_ref();
            if let Some(credentials) = credentials.filter(|_| config.role == Role::Initiator) {
                for (tag, value) in [
                    (tags::USERNAME, credentials.username()),
                    (tags::PASSWORD, credentials.password()),
                ] {
                    if !value.is_empty() {
                        encoder.put_str(tag, value);
                    }
                }
            }
            if let Some(next_expected) = next_expected {
                encoder.put_u32(tags::NEXT_EXPECTED_MSG_SEQ_NUM, next_expected);
            }
            if let Some(id) = config.version.default_appl_ver_id() {
                encoder.put_str(tags::DEFAULT_APPL_VER_ID, id.value());
            }
            config.logon_fields.put(encoder);
        });
    }
}

/// A Logon that may be answered.
#[derive(Clone, Copy)]
struct Read {
    seq: u32,
    reset: bool,
    heart_bt_int_s: u32,
    /// NextExpectedMsgSeqNum(789), where both sides say it.
    expected: Option<u32>,
    /// LastMsgSeqNumProcessed(369), where both sides say it.
    processed: Option<u32>,
}

/// HeartBtInt, if the Logon asks for nothing that we do not have: no encryption, a sane interval.
fn logon_terms(message: &Message<'_>) -> Option<u32> {
    let reset = message.bool(tags::RESET_SEQ_NUM_FLAG);
    let plain = message.u32(tags::ENCRYPT_METHOD) == Ok(0);
    let heart_bt_int_s = message.u32(tags::HEART_BT_INT).ok()?;
    let sane = heart_bt_int_s <= HEART_BT_INT_S_MAX;
    (plain && sane && reset != Err(FieldError::Format)).then_some(heart_bt_int_s)
}
