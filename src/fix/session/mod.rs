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
//! | `handler` | the application's side: what it is told, and how it sends |
//! | `header` | what each of our messages begins with |
//! | `inbound` | what an arriving message means: garbled, reject, logout, disconnect, or deliver |
//! | `logon` | how a session begins and ends |
//! | `logon_fields` | what a Logon has besides |
//! | `outbound` | how a message gets its number and leaves |
//! | `outlet` | where messages go |
//! | `parties` | whether a message has both CompIDs, where sessions share what they learn |
//! | `reader` | what messages are read by: one session's, or that of all on a core |
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
mod handler;
mod header;
mod held;
mod inbound;
mod logon;
mod logon_fields;
mod outbound;
mod outlet;
mod parties;
mod reader;
mod reject;
mod resend;
mod schedule;
mod snapshot;
mod timers;
mod version;

#[cfg(test)]
mod tests;

use arrayvec::ArrayVec;

use crate::prefetch::{LINE_LEN, prefetch, prefetch_lines};
use crate::time::{Duration, Instant, Now};

use super::counters::Counters;
use super::dictionary::Validator;
use super::encode::Encoder;
use super::reason::CloseReason;
use super::store::{MemoryStore, Store, StoreFailed};
use super::swar::Numeral;
use gap::{Asked, Gap};
use header::{HOT_LEN as HEADER_HOT_LEN, Header};
use held::Held;
use outbound::Backlog;
use parties::Parties;
use reader::Place;
use resend::Resend;
use timers::Timers;

pub use business::BusinessRejectReason;
pub use config::{
    COMP_ID_BYTES_MAX, CREDENTIAL_BYTES_MAX, CompId, Credentials, Role, SessionConfig, SubIds,
};
pub(crate) use config::{LOGON_BYTES_MAX, LOGON_TIMEOUT_S};
pub use handler::{Handler, Sender};
pub use logon_fields::{LOGON_FIELDS_BYTES_MAX, LogonFieldRefusal, LogonFields};
pub use outbound::SendError;
pub use outlet::{Full, Outlet};
pub use reader::{Joined, Reader, Readers};
pub(crate) use reject::route_back;
pub use resend::NotResent;
pub use schedule::{Schedule, Window};
pub use snapshot::{SessionSnapshot, SnapshotRefusal};
pub use version::{ApplVerId, Version};

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
    /// Our Logout is out: the answer is still to come, or it was one, and so is what the counterparty has to send again.
    LogoutSent,
    /// Over: the caller was told to close.
    Closing(CloseReason),
}

/// Everything but the buffers that messages are read from, so that a handler may send while it
/// looks at a message.
///
/// Of a thousand sessions a core has none near. What a message is held against that is as nearly every one, and what it
/// changes, is in the [first lines](HOT_LEN); what it takes to send one follows, up to its header, and what is seldom asked for lies
/// behind that or apart.
#[derive(Debug)]
#[repr(C)]
struct Core<S> {
    parties: Parties,
    state: State,
    /// What is looked at was held behind a gap, and was recent when it came.
    was_held: bool,
    says_processed: bool,
    place: Place,
    /// The application was told of a logon, and not yet of its end.
    announced: bool,
    /// It is to be told once the counterparty has got what it lacked.
    to_announce: bool,
    message_bytes_max: u32,
    /// How far SendingTime may be off, either way.
    latency_max: Duration,
    timers: Timers,
    counters: Counters,
    validator: Option<Box<Validator>>,
    next_in_text: Numeral,
    gap: Option<Gap>,
    resend: Option<Resend>,
    /// How much has come of a message that is not whole.
    assembled: usize,
    held: Held,
    store: S,
    backlog: Backlog,
    formatter: super::timestamp::Formatter,
    /// The configured one.
    send_bytes_max: usize,
    header: Header,
    config: Box<SessionConfig>,
    asked: Asked,
    /// When a resend goes on by itself; never where it waits for room.
    resend_goes_on_at: Instant,
    /// The number of the counterparty's Logout, which was past a gap and is answered; 0 where there was none.
    peer_logout: u32,
    /// The span of its schedule that the connection began in.
    window: Option<Window>,
    /// We asked for new numbers, by ResetSeqNumFlag in our Logon.
    reset_sent: bool,
    /// Text(58) of the counterparty's last Logout, or what it said that was no FIX; cut to what is kept.
    parting_words: Box<PartingWords>,
}

/// How much of a counterparty's parting words is kept, in bytes.
const PARTING_WORDS_LEN_MAX: usize = 120;

/// What is kept of a counterparty's last words.
pub type PartingWords = ArrayVec<u8, PARTING_WORDS_LEN_MAX>;

/// One session with one counterparty, across any number of connections.
///
/// By itself it has a [`Reader`] of its own. Where a core has many, they [join](Session::among) its [`Readers`].
#[derive(Debug)]
pub struct Session<S: Store = MemoryStore, R = Reader> {
    body: Body<S>,
    reader: R,
}

/// All of a session but what its messages are read by.
#[derive(Debug)]
#[repr(C, align(64))]
struct Body<S> {
    core: Core<S>,
    /// The beginning of a message whose rest is still to come.
    assembly: Box<[u8]>,
    /// One held message at a time, while it is processed.
    released: Box<[u8]>,
}

/// Of a session so much is touched by each message, what the store has of the numbers included.
const HOT_LEN: usize = 4 * LINE_LEN;
/// At the front of a store: what tells it from others, and both numbers.
const STORE_FRONT_LEN: usize = 16;
const _: () = {
    type Any = Core<MemoryStore>;
    assert!(core::mem::offset_of!(Any, store) + STORE_FRONT_LEN <= HOT_LEN);
    assert!(core::mem::offset_of!(Body<MemoryStore>, core) == 0);
};

impl<S: Store> Session<S> {
    /// A session that goes on with the numbers in `store`. Takes all the memory it will ever use.
    pub fn new(config: SessionConfig, store: S) -> Session<S> {
        let reader = Reader::of(&config);
        Session { body: Body::new(config, store, Parties::IN_SHAPE, Place::default()), reader }
    }

    /// Bytes have arrived. All are taken: whole messages are read where they lie, and only the
    /// beginning of an unfinished one is kept.
    pub fn on_bytes(
        &mut self,
        now: Now,
        bytes: &[u8],
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) -> Disposition {
        self.body.on_bytes(&mut self.reader, now, bytes, out, app)
    }

    /// The outlet has room again after it was [`Full`]: what waited goes on.
    pub fn on_writable(
        &mut self,
        now: Now,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) -> Disposition {
        self.body.on_writable(&mut self.reader, now, out, app)
    }

    /// A deadline has passed.
    pub fn on_timeout(
        &mut self,
        now: Now,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) -> Disposition {
        self.body.on_timeout(&mut self.reader, now, out, app)
    }
}

impl<S: Store> Session<S, Joined> {
    /// As [`new`](Session::new), for one of many on a core: what it learns of its messages it shares with all that have
    /// joined `readers` and go by the same rules. Takes all the memory it will ever use, and that of a [`Reader`] if it is
    /// the first with its rules.
    pub fn among(readers: &mut Readers, config: SessionConfig, store: S) -> Session<S, Joined> {
        let (place, parties) = readers.join(&config);
        Session { body: Body::new(config, store, parties, place), reader: Joined }
    }

    /// Leaves them: what it shared is kept as long as others go by its rules. It is to be called no more.
    pub fn leave(&mut self, readers: &mut Readers) {
        readers.leave(self.body.core.place);
    }

    /// As [`on_bytes`](Session::on_bytes), by the readers that it has joined. By others its messages are read by rules that are
    /// not its own.
    ///
    /// # Panics
    /// None of those has joined so many.
    pub fn on_bytes_by(
        &mut self,
        readers: &mut Readers,
        now: Now,
        bytes: &[u8],
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) -> Disposition {
        self.body.on_bytes(readers.of(self.body.core.place), now, bytes, out, app)
    }

    /// As [`on_writable`](Session::on_writable), by the readers that it has joined.
    ///
    /// # Panics
    /// As [`on_bytes_by`](Session::on_bytes_by).
    pub fn on_writable_by(
        &mut self,
        readers: &mut Readers,
        now: Now,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) -> Disposition {
        self.body.on_writable(readers.of(self.body.core.place), now, out, app)
    }

    /// As [`on_timeout`](Session::on_timeout), by the readers that it has joined.
    ///
    /// # Panics
    /// As [`on_bytes_by`](Session::on_bytes_by).
    pub fn on_timeout_by(
        &mut self,
        readers: &mut Readers,
        now: Now,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) -> Disposition {
        self.body.on_timeout(readers.of(self.body.core.place), now, out, app)
    }

    /// Goes by other CompIDs. To be called between connections.
    pub(crate) fn rename(&mut self, sender: CompId, target: CompId) {
        let core = &mut self.body.core;
        (core.config.sender_comp_id, core.config.target_comp_id) = (sender, target);
        core.header = Header::new(&core.config);
        // Shapes that have the old CompIDs are no proof of the new ones, from here on.
        core.parties = Parties::of(&core.config);
    }
}

impl<S: Store> Body<S> {
    fn new(config: SessionConfig, store: S, parties: Parties, place: Place) -> Body<S> {
        let latency_max =
            if config.check_latency { config.max_latency() } else { Duration::from_ns(u64::MAX) };
        Body {
            assembly: vec![0; config.message_bytes_max].into_boxed_slice(),
            released: vec![0; config.message_bytes_max].into_boxed_slice(),
            core: Core {
                parties,
                state: State::Disconnected,
                was_held: false,
                says_processed: config.says_processed(),
                place,
                announced: false,
                to_announce: false,
                message_bytes_max: u32::try_from(config.message_bytes_max).unwrap_or(u32::MAX),
                latency_max,
                timers: Timers::new(&config),
                counters: Counters::default(),
                validator: config.validation.clone().map(Validator::new).map(Box::new),
                next_in_text: Numeral::ZERO,
                gap: None,
                resend: None,
                assembled: 0,
                held: Held::new(config.held_messages_max, config.held_bytes_max),
                store,
                backlog: Backlog::new(config.backlog_bytes_max),
                formatter: Default::default(),
                send_bytes_max: config.send_bytes_max,
                header: Header::new(&config),
                asked: Asked::default(),
                resend_goes_on_at: Instant::FAR_FUTURE,
                peer_logout: 0,
                config: Box::new(config),
                window: None,
                reset_sent: false,
                parting_words: Box::default(),
            },
        }
    }

    fn on_writable(
        &mut self,
        reader: &mut Reader,
        now: Now,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) -> Disposition {
        self.core.flush_backlog(out);
        self.core.continue_resend(now, out, app, &mut reader.resend_decoder);
        self.core.announce(now, out, app);
        self.core.disposition()
    }

    fn on_timeout(
        &mut self,
        reader: &mut Reader,
        now: Now,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) -> Disposition {
        self.core.check_timers(now, out, app);
        if self.core.resend_due() <= now.mono {
            self.core.continue_resend(now, out, app, &mut reader.resend_decoder);
            self.core.announce(now, out, app);
        }
        self.core.disposition()
    }

    fn forget_connection(&mut self) {
        self.core.assembled = 0;
        self.core.held.clear();
        self.core.backlog.clear();
        self.core.resend = None;
        self.core.resend_goes_on_at = Instant::FAR_FUTURE;
        self.core.gap = None;
        self.core.reset_sent = false;
        self.core.to_announce = false;
        self.core.peer_logout = 0;
    }
}

impl<S: Store, R> Session<S, R> {
    /// Its bytes come next: has fetched from memory what is held against them. Nothing changes. To be called for the
    /// next few of many sessions, while the messages before theirs are taken.
    #[inline(always)]
    pub fn fetch(&self) {
        self.body.core.fetch();
    }

    /// The same of what it takes to send, where it may answer.
    #[inline(always)]
    pub fn fetch_sending(&self) {
        self.body.core.fetch_sending();
    }

    /// Goes on with the numbers in another store. To be called while there is no connection.
    pub fn replace_store(&mut self, store: S) {
        self.body.core.store = store;
    }

    /// The same, and the store that it had.
    #[cfg(feature = "journal")]
    pub(crate) fn swap_store(&mut self, store: S) -> S {
        core::mem::replace(&mut self.body.core.store, store)
    }

    /// The transport is connected. An initiator sends its Logon.
    pub fn on_connect(&mut self, now: Now, out: &mut impl Outlet) {
        self.body.forget_connection();
        self.body.core.begin(now, out);
    }

    /// When [`on_timeout`](Session::on_timeout) is to be called at the latest.
    #[inline]
    pub fn next_timeout(&self) -> Instant {
        self.body.core.timers.next(self.body.core.state).min(self.body.core.resend_due())
    }

    /// The heartbeat interval of a session that is established, has no question open and sends nothing again. As long as this
    /// stays the same, [`next_timeout`](Session::next_timeout) moves back only.
    #[inline]
    pub(crate) fn steady_interval(&self) -> Option<Duration> {
        let core = &self.body.core;
        let is_steady = core.state == State::Active && core.resend.is_none();
        core.timers.steady_interval().filter(|_| is_steady)
    }

    /// The transport is gone. The numbers are kept for the next [`on_connect`](Session::on_connect).
    pub fn on_disconnect(&mut self, now: Now, app: &mut impl Handler) {
        if self.is_logged_out_by_peer() {
            self.body.core.give_up_logout(now, app);
        }
        self.body.core.close(CloseReason::Disconnected, app);
        if self.body.core.config.reset_on_disconnect {
            self.body.core.reset_numbers(now);
        }
        self.body.forget_connection();
        self.body.core.state = State::Disconnected;
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
        self.body.core.send(now, out, msg_type, fill)
    }

    /// The means to send, for a caller that is not inside a [`Handler`].
    #[inline]
    pub fn sender<'a, O: Outlet>(&'a mut self, now: Now, out: &'a mut O) -> Sender<'a, S, O> {
        Sender { core: &mut self.body.core, now, out }
    }

    /// Logs out, and waits for the answer until `logout_timeout_s`.
    pub fn logout(&mut self, now: Now, out: &mut impl Outlet, text: &str) {
        if self.body.core.state == State::Active {
            self.body.core.start_logout(now, out, text.as_bytes());
        }
    }

    /// What is to be done with the connection: to be asked after a [`Sender`] of
    /// [`sender`](Session::sender) or a [`logout`](Session::logout), which do not say.
    #[inline]
    pub fn disposition(&self) -> Disposition {
        self.body.core.disposition()
    }

    /// The counterparty's Logout, past a gap, is answered, and what it is to send again before may still come.
    pub(crate) fn is_logged_out_by_peer(&self) -> bool {
        self.body.core.state == State::LogoutSent && self.body.core.peer_logout > 0
    }

    /// Where the session stands.
    pub fn state(&self) -> State {
        self.body.core.state
    }

    /// What the counterparty last said of why: Text(58) of its Logout, or the beginning of what it
    /// sent instead of a Logon that was no FIX at all. Empty if it gave no reason.
    pub fn parting_words(&self) -> &PartingWords {
        &self.body.core.parting_words
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
        let store = &mut self.body.core.store;
        let next_out = next_out.unwrap_or_else(|| store.next_out());
        let next_in = next_in.unwrap_or_else(|| store.next_in());
        let (schedule, begun) = (self.body.core.config.schedule.as_ref(), store.created_at());
        let created_at = schedule.and_then(|schedule| schedule.numbers_set_at(now.utc, begun));
        store.renumber(next_out, next_in, created_at)
    }

    /// Begins at 1 like a session that nobody has had.
    pub(crate) fn forget_numbers(&mut self) -> Result<(), StoreFailed> {
        self.body.core.store.renumber(1, 1, None)
    }

    /// Begins again at 1, both ways. To be called between connections. Done when the disk has it, where there is one.
    pub(crate) fn reset_numbers(&mut self, now: Now) -> Result<(), StoreFailed> {
        self.body.core.reset_numbers(now);
        self.body.core.store.settle()
    }

    /// The application message that was sent under this number, if it is still kept.
    pub(crate) fn kept(&self, seq: u32) -> Option<(u32, &[u8])> {
        self.body.core.store.first_from(seq).filter(|(found, _)| *found == seq)
    }

    /// The number of the next message to send.
    pub fn next_out(&self) -> u32 {
        self.body.core.store.next_out()
    }

    /// The number expected of the next message to arrive.
    pub fn next_in(&self) -> u32 {
        self.body.core.store.next_in()
    }

    /// What it remembers.
    pub fn store(&self) -> &S {
        &self.body.core.store
    }

    /// What has been counted.
    pub fn counters(&self) -> &Counters {
        &self.body.core.counters
    }

    /// How it was configured.
    pub fn config(&self) -> &SessionConfig {
        &self.body.core.config
    }
}

impl<S> Core<S> {
    #[inline(always)]
    fn fetch(&self) {
        prefetch(&self.parties);
        prefetch(&self.latency_max);
        prefetch(&self.counters);
        prefetch(&self.assembled);
    }

    #[inline(always)]
    fn fetch_sending(&self) {
        let end = core::mem::offset_of!(Core<S>, header) + HEADER_HOT_LEN;
        prefetch_lines(self, HOT_LEN..end);
    }
}
