//! A session as plain data, to go on in another process: state and numbers, timers by how much time they have left, what is
//! being sent again or asked for, what waits and what has come of a message that is not whole.
//!
//! What it is told beforehand is none of it: the other process has settings of its own. What is read may come from anywhere:
//! it is held against those settings and against itself before anything of a session is changed.

use crate::blob::Blob;
use crate::fix::counters::Counters;
use crate::fix::frame::{Framed, Whole, frame};
use crate::fix::reason::CloseReason;
use crate::fix::store::{ImageRefusal, SEQ_NUM_MAX, Store, StoreImage};
use crate::time::{Instant, Now, UtcTime};

use super::gap::{Asked, AskedLeft, Gap};
use super::resend::Resend;
use super::schedule::Window;
use super::timers::TimersLeft;
use super::{ApplVerId, PARTING_WORDS_LEN_MAX, Session, State};

/// No count is higher: what it is added to never overflows.
const COUNT_MAX: u64 = 1 << 48;

/// A session, exported. It holds what was sent and received in plain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "hand-over", derive(serde::Serialize, serde::Deserialize))]
pub struct SessionSnapshot {
    pub(super) state: u8,
    /// Why it is over, by its place in [`CloseReason::ALL`].
    pub(super) close_reason: Option<u8>,
    pub(super) store: StoreImage,
    pub(super) timers: TimersLeft,
    pub(super) counters: Vec<u64>,
    /// Session messages that wait for room.
    pub(super) backlog: Blob,
    /// The next number to send again, how far it is known to be a gap fill, and the last.
    pub(super) resend: Option<(u32, u32, u32)>,
    pub(super) resend_goes_on_at: Option<i64>,
    /// The last number that is missing, and the last that was asked for.
    pub(super) gap: Option<(u32, Option<u32>)>,
    pub(super) asked: AskedLeft,
    /// The number of the counterparty's Logout, past a gap.
    pub(super) peer_logout: u32,
    /// Start and end, in ns since 1970.
    pub(super) window: Option<(u64, u64)>,
    pub(super) reset_sent: bool,
    pub(super) announced: bool,
    pub(super) to_announce: bool,
    /// The counterparty's DefaultApplVerID(1137).
    pub(super) appl_ver_id: Option<u8>,
    pub(super) parting_words: Blob,
    /// What has come of a message that is not whole.
    pub(super) assembly: Blob,
    /// Messages past a gap.
    pub(super) held: Vec<(u32, Blob)>,
}

/// Why a session was not imported. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SnapshotRefusal {
    /// Its numbers contradict each other.
    #[error("the session's snapshot contradicts itself")]
    Malformed,
    /// What has come, or waits, finds no room by this process's settings.
    #[error(
        "what the session holds finds no room here; give it the message and backlog lengths that it had"
    )]
    TooLarge,
    /// One store is in memory and the other in a file, or the file has other numbers.
    #[error("its store here is not the one that it had; give it the `store` that it had")]
    StoreDiffers,
    /// The session here is connected.
    #[error("the session here has a connection of its own")]
    Connected,
}

impl From<ImageRefusal> for SnapshotRefusal {
    fn from(why: ImageRefusal) -> SnapshotRefusal {
        match why {
            ImageRefusal::Malformed => SnapshotRefusal::Malformed,
            ImageRefusal::StoreDiffers => SnapshotRefusal::StoreDiffers,
        }
    }
}

/// A state's number, and why it is over.
fn numbered(state: State) -> (u8, Option<u8>) {
    match state {
        State::Disconnected => (0, None),
        State::LogonAwaited => (1, None),
        State::Active => (2, None),
        State::LogoutSent => (3, None),
        State::Closing(reason) => {
            let place = CloseReason::ALL.iter().position(|of| *of == reason);
            (4, place.map(|place| place as u8))
        }
    }
}

fn state_of(number: u8, reason: Option<u8>) -> Option<State> {
    match (number, reason) {
        (0, None) => Some(State::Disconnected),
        (1, None) => Some(State::LogonAwaited),
        (2, None) => Some(State::Active),
        (3, None) => Some(State::LogoutSent),
        (4, Some(place)) => CloseReason::ALL.get(usize::from(place)).copied().map(State::Closing),
        _ => None,
    }
}

/// Everything of a snapshot that is not copied as it is.
struct Read {
    state: State,
    counters: Counters,
    resend: Option<Resend>,
    gap: Option<Gap>,
    window: Option<Window>,
    appl_ver_id: Option<ApplVerId>,
    held: Vec<Whole>,
}

impl SessionSnapshot {
    fn read(&self, message_bytes_max: usize) -> Option<Read> {
        let is_number = |seq: u32| (1..=SEQ_NUM_MAX + 1).contains(&seq);
        let counters =
            self.counters.iter().all(|count| *count <= COUNT_MAX).then_some(&self.counters[..])?;
        let resend = self.resend.map(|(next, scanned, end)| Resend { next, scanned, end });
        let resend_fits = |of: &Resend| {
            is_number(of.next)
                && of.next <= of.scanned
                && of.scanned <= of.end.saturating_add(1)
                && of.end < self.store.next_out
        };
        let gap = self.gap.map(|(through, asked_to)| Gap { through, asked_to });
        let window = self.window.map(|(start, end)| Window {
            start: UtcTime::from_unix_ns(start),
            end: UtcTime::from_unix_ns(end),
        });
        let is_incomplete = |begun: &[u8]| {
            begun.is_empty() || matches!(frame(begun, message_bytes_max), Framed::Incomplete { .. })
        };
        let whole = |message: &[u8]| match frame(message, message_bytes_max) {
            Framed::Complete(whole) if whole.len == message.len() => Some(whole),
            _ => None,
        };
        let is_sound = resend.as_ref().is_none_or(resend_fits)
            && gap.is_none_or(|of| is_number(of.through) && of.asked_to.is_none_or(is_number))
            && window.is_none_or(|of| of.start < of.end)
            && self.parting_words.len() <= PARTING_WORDS_LEN_MAX
            && is_incomplete(&self.assembly);
        let appl_ver_id = self.appl_ver_id.map(ApplVerId::of_code);
        Some(Read {
            state: state_of(self.state, self.close_reason).filter(|_| is_sound)?,
            counters: Counters::of_counts(counters)?,
            resend,
            gap,
            window,
            appl_ver_id: match appl_ver_id {
                Some(known) => Some(known?),
                None => None,
            },
            held: self
                .held
                .iter()
                .map(|(seq, message)| whole(message).filter(|_| is_number(*seq)))
                .collect::<Option<_>>()?,
        })
    }
}

impl<S: Store, R> Session<S, R> {
    /// The session with all that it has come to, as plain data. It goes on elsewhere as if nothing had been; here it may go
    /// on as well, as long as only one of the two does. To be called between two calls of its others.
    pub fn export(&self, now: Now) -> SessionSnapshot {
        let core = &self.body.core;
        let (state, close_reason) = numbered(core.state);
        SessionSnapshot {
            state,
            close_reason,
            store: core.store.image(),
            timers: core.timers.left(now.mono),
            counters: core.counters.counts(),
            backlog: core.backlog.waiting().into(),
            resend: core.resend.map(|of| (of.next, of.scanned, of.end)),
            resend_goes_on_at: left(core.resend_goes_on_at, now.mono),
            gap: core.gap.map(|of| (of.through, of.asked_to)),
            asked: core.asked.left(now.mono),
            peer_logout: core.peer_logout,
            window: core.window.map(|of| (of.start.as_unix_ns(), of.end.as_unix_ns())),
            reset_sent: core.reset_sent,
            announced: core.announced,
            to_announce: core.to_announce,
            appl_ver_id: core
                .validator
                .as_ref()
                .and_then(|validator| validator.default_version())
                .map(ApplVerId::code),
            parting_words: core.parting_words[..].into(),
            assembly: self.body.assembly[..core.assembled].into(),
            held: core.held.messages().map(|(seq, message)| (seq, message.into())).collect(),
        }
    }

    /// Goes on from where another was, as if no time had passed in between. To be called before it has a connection of its
    /// own, its store in a file taken up.
    ///
    /// # Errors
    /// [`SnapshotRefusal`], whatever the snapshot holds; nothing has changed.
    pub fn import(&mut self, now: Now, snapshot: &SessionSnapshot) -> Result<(), SnapshotRefusal> {
        if self.body.core.state != State::Disconnected {
            return Err(SnapshotRefusal::Connected);
        }
        let config = &self.body.core.config;
        let held_bytes: usize = snapshot.held.iter().map(|(_, message)| message.len()).sum();
        let longest = snapshot.held.iter().map(|(_, message)| message.len()).max().unwrap_or(0);
        if snapshot.assembly.len().max(longest) > config.message_bytes_max
            || snapshot.held.len() > config.held_messages_max
            || held_bytes > config.held_bytes_max
            || snapshot.backlog.len() > config.backlog_bytes_max
        {
            return Err(SnapshotRefusal::TooLarge);
        }
        let read = snapshot.read(config.message_bytes_max).ok_or(SnapshotRefusal::Malformed)?;
        let core = &mut self.body.core;
        core.store.restore(&snapshot.store)?;
        core.state = read.state;
        core.timers.set_left(now.mono, &snapshot.timers);
        core.counters = read.counters;
        // It has room: that was seen to.
        core.backlog.restore(&snapshot.backlog);
        (core.resend, core.gap, core.window) = (read.resend, read.gap, read.window);
        core.resend_goes_on_at = at(snapshot.resend_goes_on_at, now.mono);
        core.asked = Asked::of(&snapshot.asked, now.mono);
        core.peer_logout = snapshot.peer_logout;
        core.reset_sent = snapshot.reset_sent;
        core.announced = snapshot.announced;
        core.to_announce = snapshot.to_announce;
        if let (Some(validator), Some(version)) = (&mut core.validator, read.appl_ver_id) {
            validator.set_default_version(version);
        }
        core.parting_words.clear();
        core.parting_words.extend(snapshot.parting_words.iter().copied());
        core.assembled = snapshot.assembly.len();
        self.body.assembly[..core.assembled].copy_from_slice(&snapshot.assembly);
        core.held.clear();
        for ((seq, message), whole) in snapshot.held.iter().zip(&read.held) {
            core.held.keep(*seq, message, whole);
        }
        Ok(())
    }
}

/// How far a time lies from `now`, in ns; `None` for one that never comes.
pub(super) fn left(at: Instant, now: Instant) -> Option<i64> {
    let ns = i128::from(at.as_ns()) - i128::from(now.as_ns());
    (at != Instant::FAR_FUTURE).then(|| ns.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
}

/// And back, by this clock: what lies before its beginning is at its beginning.
pub(super) fn at(left: Option<i64>, now: Instant) -> Instant {
    let Some(left) = left else { return Instant::FAR_FUTURE };
    let ns = i128::from(now.as_ns()) + i128::from(left);
    Instant::from_ns(ns.clamp(0, i128::from(u64::MAX - 1)) as u64)
}
