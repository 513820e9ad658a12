//! A session between two parties (FIX 4.4 Vol. 2): numbers, logon and logout, gaps and resends,
//! heartbeats. Sans-IO: bytes and the time come in, messages go out through an [`Outlet`].
//!
//! | file | what it decides |
//! | --- | --- |
//! | `arrival` | how arriving bytes become messages |
//! | `business` | how an application refuses a message |
//! | `config` | what is agreed beforehand |
//! | `flaw` | what is wrong with a message whatever its type |
//! | `gap` | what is missing, and how it is asked for |
//! | `header` | what each of our messages begins with |
//! | `inbound` | what an arriving message means: garbled, reject, logout, disconnect, or deliver |
//! | `logon` | how a session begins and ends |
//! | `logon_fields` | what a Logon has besides |
//! | `outbound` | how a message gets its number and leaves |
//! | `resend` | what is sent again, and how far a resend has come |
//! | `schedule` | when a session is open, and with which connection its numbers begin again |
//! | `snapshot` | a session as plain data, to go on in another process |
//! | `timers` | heartbeats and time-outs |
//! | `version` | which versions there are |

mod arrival;
mod business;
mod config;
mod flaw;
mod gap;
mod header;
mod held;
mod inbound;
mod logon;
mod logon_fields;
mod outbound;
mod reject;
mod resend;
mod schedule;
mod snapshot;
mod timers;
mod version;

#[cfg(test)]
mod tests;

use arrayvec::ArrayVec;

use crate::time::{Duration, Instant, Now};

use super::counters::Counters;
use super::dictionary::Validator;
use super::encode::Encoder;
use super::reason::{CloseReason, RejectReason};
use super::store::{MemoryStore, Store, StoreFailed};
use super::swar::Numeral;
use super::{decode::Decoder, message::Message};
use gap::Gap;
use header::Header;
use held::Held;
use outbound::Backlog;
use resend::Resend;
use timers::Timers;

pub use business::BusinessRejectReason;
pub use config::{
    COMP_ID_BYTES_MAX, CREDENTIAL_BYTES_MAX, CompId, Credentials, Role, SessionConfig, SubIds,
};
pub(crate) use config::{LOGON_BYTES_MAX, LOGON_TIMEOUT_S};
pub use logon_fields::{LOGON_FIELDS_BYTES_MAX, LogonFieldRefusal, LogonFields};
pub use outbound::SendError;
pub use resend::NotResent;
pub use schedule::{Schedule, Window};
pub use snapshot::{SessionSnapshot, SnapshotRefusal};
pub use version::{ApplVerId, Version};

/// The outlet has no room for so many bytes now: never to be waited for where they are more than its
/// [most](Outlet::room_max).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Where a session writes, without knowing what carries it.
pub trait Outlet {
    /// Room for `len` bytes, or [`Full`]: [`Session::on_writable`] is to be called once there is
    /// room again. A reservation that is not committed is void.
    fn reserve(&mut self, len: usize) -> Result<&mut [u8], Full>;

    /// The most that it ever has room for at once, however long one waits.
    fn room_max(&self) -> usize {
        usize::MAX
    }

    /// Sends the first `used` of the bytes reserved last.
    fn commit(&mut self, used: usize);

    /// The same, where they are one message, of this MsgSeqNum(34): for an outlet that is asked later which
    /// of them arrived.
    #[inline(always)]
    fn commit_message(&mut self, used: usize, msg_seq_num: u32) {
        let _ = msg_seq_num;
        self.commit(used);
    }
}

/// The application's side of a session. Nothing here may block.
pub trait Handler {
    /// The session is established.
    fn on_logon<S: Store, O: Outlet>(&mut self, reply: &mut Sender<'_, S, O>) {
        let _ = reply;
    }

    /// The session has ended.
    fn on_logout(&mut self, reason: CloseReason) {
        let _ = reason;
    }

    /// An application message, in its order.
    fn on_message<S: Store, O: Outlet>(
        &mut self,
        message: &Message<'_>,
        reply: &mut Sender<'_, S, O>,
    );

    /// Whether a message may be sent again as it was. A veto makes it part of a gap fill.
    fn may_resend(&mut self, seq: u32, message: &Message<'_>) -> bool {
        let _ = (seq, message);
        true
    }

    /// A message that was kept, and that the counterparty asks for, is not sent again: a gap is filled in its place.
    fn on_not_resent(&mut self, seq: u32, why: NotResent) {
        let _ = (seq, why);
    }
}

/// What the caller is to do with the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Disposition {
    /// Keep it.
    Keep,
    /// Close it, once what was committed has left. The numbers are kept.
    Close(CloseReason),
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// No connection.
    Disconnected,
    /// Connected, the counterparty's Logon still to come.
    LogonAwaited,
    /// Established.
    Active,
    /// Our Logout is out, the answer still to come.
    LogoutSent,
    /// Over: the caller was told to close.
    Closing(CloseReason),
}

/// Everything but the buffers that messages are read from, so that a handler may send while it
/// looks at a message.
#[derive(Debug)]
struct Core<S> {
    header: Header,
    config: SessionConfig,
    store: S,
    state: State,
    timers: Timers,
    counters: Counters,
    formatter: super::timestamp::Formatter,
    sending_times: super::timestamp::Reader,
    next_in_text: Numeral,
    validator: Option<Validator>,
    backlog: Backlog,
    resend: Option<Resend>,
    gap: Option<Gap>,
    /// The span of its schedule that the connection began in.
    window: Option<Window>,
    /// We asked for new numbers, by ResetSeqNumFlag in our Logon.
    reset_sent: bool,
    /// What is looked at was held behind a gap, and was recent when it came.
    was_held: bool,
    /// The application was told of a logon, and not yet of its end.
    announced: bool,
    /// It is to be told once the counterparty has got what it lacked.
    to_announce: bool,
    /// Text(58) of the counterparty's last Logout, or what it said that was no FIX; cut to what is kept.
    parting_words: PartingWords,
}

/// `1=a` and its SOH: no message has more fields than it has room for these.
const FIELD_BYTES_MIN: usize = 4;

/// How much of a counterparty's parting words is kept, in bytes.
const PARTING_WORDS_LEN_MAX: usize = 120;

/// What is kept of a counterparty's last words.
pub type PartingWords = ArrayVec<u8, PARTING_WORDS_LEN_MAX>;

/// One session with one counterparty, across any number of connections.
#[derive(Debug)]
pub struct Session<S: Store = MemoryStore> {
    core: Core<S>,
    decoder: Decoder,
    /// A second table, for messages of ours that are sent again: with room for as many fields as one can have.
    resend_decoder: Decoder,
    /// The beginning of a message whose rest is still to come.
    assembly: Box<[u8]>,
    assembled: usize,
    held: Held,
    /// One held message at a time, while it is processed.
    released: Box<[u8]>,
}

/// Sends application messages from within a [`Handler`].
#[derive(Debug)]
pub struct Sender<'a, S: Store, O: Outlet> {
    core: &'a mut Core<S>,
    now: Now,
    out: &'a mut O,
}

impl<S: Store> Session<S> {
    /// A session that goes on with the numbers in `store`. Takes all the memory it will ever use.
    pub fn new(config: SessionConfig, store: S) -> Session<S> {
        let kept_bytes_max = config.send_bytes_max.max(config.message_bytes_max);
        Session {
            decoder: decoder(&config, config.message_fields_max),
            resend_decoder: decoder(&config, kept_bytes_max.div_ceil(FIELD_BYTES_MIN)),
            assembly: vec![0; config.message_bytes_max].into_boxed_slice(),
            assembled: 0,
            held: Held::new(config.held_messages_max, config.held_bytes_max),
            released: vec![0; config.message_bytes_max].into_boxed_slice(),
            core: Core {
                header: Header::new(&config),
                backlog: Backlog::new(config.backlog_bytes_max),
                timers: Timers::new(&config),
                validator: config.validation.clone().map(Validator::new),
                config,
                store,
                state: State::Disconnected,
                counters: Counters::default(),
                formatter: Default::default(),
                sending_times: Default::default(),
                next_in_text: Numeral::ZERO,
                resend: None,
                gap: None,
                window: None,
                reset_sent: false,
                was_held: false,
                announced: false,
                to_announce: false,
                parting_words: ArrayVec::new(),
            },
        }
    }

    /// Goes on with the numbers in another store. To be called while there is no connection.
    pub fn replace_store(&mut self, store: S) {
        self.core.store = store;
    }

    /// The same, and the store that it had.
    #[cfg(feature = "journal")]
    pub(crate) fn swap_store(&mut self, store: S) -> S {
        core::mem::replace(&mut self.core.store, store)
    }

    /// The transport is connected. An initiator sends its Logon.
    pub fn on_connect(&mut self, now: Now, out: &mut impl Outlet) {
        self.forget_connection();
        self.core.begin(now, out);
    }

    /// A deadline has passed.
    pub fn on_timeout(
        &mut self,
        now: Now,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) -> Disposition {
        self.core.check_timers(now, out, app);
        self.core.disposition()
    }

    /// When [`on_timeout`](Session::on_timeout) is to be called at the latest.
    #[inline]
    pub fn next_timeout(&self) -> Instant {
        self.core.timers.next(self.core.state)
    }

    /// The heartbeat interval of a session that is established and has no question open. As long as this
    /// stays the same, [`next_timeout`](Session::next_timeout) moves back only.
    #[inline]
    pub(crate) fn steady_interval(&self) -> Option<Duration> {
        self.core.timers.steady_interval().filter(|_| self.core.state == State::Active)
    }

    /// The outlet has room again after it was [`Full`]: what waited goes on.
    pub fn on_writable(
        &mut self,
        now: Now,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) -> Disposition {
        self.core.flush_backlog(out);
        self.core.continue_resend(now, out, app, &mut self.resend_decoder);
        self.core.announce(now, out, app);
        self.core.disposition()
    }

    /// The transport is gone. The numbers are kept for the next [`on_connect`](Session::on_connect).
    pub fn on_disconnect(&mut self, now: Now, app: &mut impl Handler) {
        self.core.close(CloseReason::Disconnected, app);
        if self.core.config.reset_on_disconnect {
            self.core.reset_numbers(now);
        }
        self.forget_connection();
        self.core.state = State::Disconnected;
    }

    /// Sends an application message: `fill` puts its fields after the header. Returns its number.
    ///
    /// # Errors
    /// [`SendError`]; no number is consumed.
    #[inline]
    pub fn send(
        &mut self,
        now: Now,
        out: &mut impl Outlet,
        msg_type: &[u8],
        fill: impl FnOnce(&mut Encoder<'_>),
    ) -> Result<u32, SendError> {
        self.core.send(now, out, msg_type, fill)
    }

    /// The means to send, for a caller that is not inside a [`Handler`].
    #[inline]
    pub fn sender<'a, O: Outlet>(&'a mut self, now: Now, out: &'a mut O) -> Sender<'a, S, O> {
        Sender { core: &mut self.core, now, out }
    }

    /// Logs out, and waits for the answer until `logout_timeout_s`.
    pub fn logout(&mut self, now: Now, out: &mut impl Outlet, text: &str) {
        if self.core.state == State::Active {
            self.core.start_logout(now, out, text.as_bytes());
        }
    }

    /// What is to be done with the connection: to be asked after a [`Sender`] of
    /// [`sender`](Session::sender) or a [`logout`](Session::logout), which do not say.
    #[inline]
    pub fn disposition(&self) -> Disposition {
        self.core.disposition()
    }

    /// Where the session stands.
    pub fn state(&self) -> State {
        self.core.state
    }

    /// What the counterparty last said of why: Text(58) of its Logout, or the beginning of what it
    /// sent instead of a Logon that was no FIX at all. Empty if it gave no reason.
    pub fn parting_words(&self) -> &PartingWords {
        &self.core.parting_words
    }

    /// Goes on from other numbers; one that is not given stays. They are those of the hours at hand, or where it is
    /// closed of the next ones. To be called between connections. What was kept under numbers that are used again is
    /// forgotten.
    pub(crate) fn set_numbers(
        &mut self,
        now: Now,
        next_out: Option<u32>,
        next_in: Option<u32>,
    ) -> Result<(), StoreFailed> {
        let store = &mut self.core.store;
        let next_out = next_out.unwrap_or_else(|| store.next_out());
        let next_in = next_in.unwrap_or_else(|| store.next_in());
        let (schedule, begun) = (self.core.config.schedule.as_ref(), store.created_at());
        let created_at = schedule.and_then(|schedule| schedule.numbers_set_at(now.utc, begun));
        store.renumber(next_out, next_in, created_at)
    }

    /// Begins at 1 like a session that nobody has had.
    pub(crate) fn forget_numbers(&mut self) -> Result<(), StoreFailed> {
        self.core.store.renumber(1, 1, None)
    }

    /// Goes by other CompIDs. To be called between connections.
    pub(crate) fn rename(&mut self, sender: CompId, target: CompId) {
        let core = &mut self.core;
        (core.config.sender_comp_id, core.config.target_comp_id) = (sender, target);
        core.header = Header::new(&core.config);
    }

    /// Begins again at 1, both ways. To be called between connections.
    pub(crate) fn reset_numbers(&mut self, now: Now) {
        self.core.reset_numbers(now);
    }

    /// The application message that was sent under this number, if it is still kept.
    pub(crate) fn kept(&self, seq: u32) -> Option<(u32, &[u8])> {
        self.core.store.first_from(seq).filter(|(found, _)| *found == seq)
    }

    /// The number of the next message to send.
    pub fn next_out(&self) -> u32 {
        self.core.store.next_out()
    }

    /// The number expected of the next message to arrive.
    pub fn next_in(&self) -> u32 {
        self.core.store.next_in()
    }

    /// What it remembers.
    pub fn store(&self) -> &S {
        &self.core.store
    }

    /// What has been counted.
    pub fn counters(&self) -> &Counters {
        &self.core.counters
    }

    /// How it was configured.
    pub fn config(&self) -> &SessionConfig {
        &self.core.config
    }

    fn forget_connection(&mut self) {
        self.assembled = 0;
        self.held.clear();
        self.core.backlog.clear();
        self.core.resend = None;
        self.core.gap = None;
        self.core.reset_sent = false;
        self.core.to_announce = false;
    }
}

/// A decoder of messages with at most `fields_max` fields, by what the session was told of them.
fn decoder(config: &SessionConfig, fields_max: usize) -> Decoder {
    let decoder = Decoder::with_fields(fields_max);
    match &config.validation {
        Some(validation) => {
            decoder.with_leniency(validation.leniency()).with_data_fields(&validation.data_fields())
        }
        None => decoder,
    }
}

impl<S: Store, O: Outlet> Sender<'_, S, O> {
    /// Sends an application message, as [`Session::send`] does.
    ///
    /// # Errors
    /// [`SendError`]; no number is consumed.
    #[inline]
    pub fn send(
        &mut self,
        msg_type: &[u8],
        fill: impl FnOnce(&mut Encoder<'_>),
    ) -> Result<u32, SendError> {
        self.core.send(self.now, self.out, msg_type, fill)
    }

    /// Refuses a message that breaks the rules of its type by a Reject. `tag` is the field at fault.
    pub fn reject(&mut self, message: &Message<'_>, reason: RejectReason, tag: Option<u32>) {
        self.core.reject_tag(self.now, message, reason, tag, self.out);
    }

    /// As [`reject`](Sender::reject), with a Text(58) of our own: 1 to 256 bytes, or it is the reason's.
    pub fn reject_in_words(&mut self, message: &Message<'_>, reason: RejectReason, text: &str) {
        let is_usable = (1..=256).contains(&text.len()) && !text.contains('\x01');
        let text = if is_usable { text } else { reason.doc() };
        self.core.reject_in_words(self.now, message, (reason, text), b"", self.out);
    }

    /// The version that the session speaks.
    pub fn version(&self) -> Version {
        self.core.config.version
    }

    /// Logs out, and waits for the answer.
    pub fn logout(&mut self, text: &str) {
        if self.core.state == State::Active {
            self.core.start_logout(self.now, self.out, text.as_bytes());
        }
    }

    /// The present.
    pub fn now(&self) -> Now {
        self.now
    }

    /// The number of the next message to send.
    pub(crate) fn next_out(&self) -> u32 {
        self.core.store.next_out()
    }

    /// Whether the message at hand had been held behind one that was missing.
    pub(crate) fn was_held(&self) -> bool {
        self.core.was_held
    }

    /// The number expected of the next message to arrive. Within `on_logon`, 2 says that both sides
    /// began again at 1: what was not answered never will be.
    pub fn next_in(&self) -> u32 {
        self.core.store.next_in()
    }
}
