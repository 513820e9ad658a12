//! A session, and the line that carries it.

use super::template::{CompIds, fits};
use super::{SeatStore, SessionPlan};
use crate::fix::{
    CloseReason, CompId, Counters, Event as SessionEvent, Identity, Joined, MemoryStore,
    PartingWords, Readers, Role, Session, SessionConfig, State,
};
use crate::tcp::{Closed, ConnectionId, Endpoint, Terms};
use crate::time::{Duration, Instant, Now, UtcTime};

/// How many bytes of what each session sends are kept for a resend, at most.
const STORED_BYTES_MAX: usize = 4 << 20;
/// And at least, however many sessions there may be.
const STORED_BYTES_MIN: usize = 64 << 10;
/// What sessions keep together: an equal share each, where they may be many.
const STORED_BYTES_OF_ALL: usize = 256 << 20;
/// So many of these bytes there are for each message that is kept.
const STORED_BYTES_EACH: usize = 256;

/// What keeps the messages of one of so many sessions.
fn memory_of_one(sessions_max: usize) -> MemoryStore {
    let share = STORED_BYTES_OF_ALL / sessions_max.max(1);
    let bytes_max = share.clamp(STORED_BYTES_MIN, STORED_BYTES_MAX);
    MemoryStore::new(bytes_max / STORED_BYTES_EACH, bytes_max)
}

/// What connections to `port` begin with, before it is known whose they are: SACK and ECN where each session
/// that accepts there has them, and the rest as `own`, the stack's, has it.
pub(super) fn terms_of_port<'a>(
    plans: impl Iterator<Item = &'a SessionPlan>,
    port: u16,
    own: Terms,
) -> Terms {
    let here = |plan: &&SessionPlan| plan.config.role == Role::Acceptor && plan.peer.port == port;
    plans.filter(here).map(|plan| plan.terms.unwrap_or(own)).fold(
        Terms { sack: true, ecn: true, ..own },
        |all, terms| Terms { sack: all.sack && terms.sack, ecn: all.ecn && terms.ecn, ..all },
    )
}

/// Where a session's connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// None; an initiator connects at this time.
    Down(Instant),
    /// The handshake is on its way.
    Connecting(ConnectionId),
    /// Established.
    Up(ConnectionId),
    /// Ours is closed, the peer's not yet; aborted at this time.
    Closing(ConnectionId, Instant),
    /// None, and none to come.
    Done,
}

/// Seats lie side by side, and of each what its session's messages touch is at the front.
#[repr(C)]
pub(super) struct Seat {
    pub(super) session: Session<SeatStore, Joined>,
    pub(super) plan: Box<SessionPlan>,
    pub(super) line: Line,
    /// Which of its peers an initiator connects to next, or is connected to.
    pub(super) turn: usize,
    /// Connections that came to nothing since it last was established.
    pub(super) failures: usize,
    /// What happens once the line is down: another try, or none.
    pub(super) stays_down: bool,
    /// It was removed: nobody sits here.
    pub(super) is_vacant: bool,
    pub(super) logons: u64,
    /// Whose it is before anybody has it.
    pub(super) template: Option<CompIds>,
    /// A template's: somebody has it.
    pub(super) is_claimed: bool,
    /// Until when its schedule keeps it from connecting.
    pub(super) closed_until: Option<UtcTime>,
    pub(super) last_failure: Option<LineFailure>,
    /// The far end of the connection, or of the last one.
    pub(super) remote: Endpoint,
}

impl Seat {
    /// One of so many that there may be.
    pub(super) fn new(readers: &mut Readers, plan: SessionPlan, sessions_max: usize) -> Seat {
        let store = SeatStore::Memory(memory_of_one(sessions_max));
        let session = Session::among(readers, plan.config.clone(), store);
        let mut seat = Seat {
            remote: if plan.config.role == Role::Initiator {
                plan.peer
            } else {
                Endpoint::UNSPECIFIED
            },
            session,
            plan: Box::new(plan),
            line: Line::Down(Instant::ZERO),
            turn: 0,
            failures: 0,
            stays_down: false,
            is_vacant: false,
            logons: 0,
            template: None,
            is_claimed: false,
            closed_until: None,
            last_failure: None,
        };
        seat.template = seat.template_of();
        seat.stays_down = seat.plan.starts_down;
        seat.line = if seat.stays_down { Line::Done } else { seat.first_line(Instant::ZERO) };
        seat
    }

    /// Whose turn it is among its peers.
    pub(super) fn peer(&self) -> Endpoint {
        self.plan.peers().nth(self.turn).unwrap_or(self.plan.peer)
    }

    /// Where the line stands once its connection is gone: it is the next peer's turn.
    pub(super) fn after_loss(&mut self, now: Instant) -> Line {
        self.turn = (self.turn + 1) % (1 + self.plan.alternates.len());
        self.failures += 1;
        self.release_unless_used();
        match self.plan.config.role {
            _ if self.stays_down => Line::Done,
            Role::Initiator => Line::Down(now + self.plan.pause_after(self.failures)),
            Role::Acceptor => Line::Down(Instant::FAR_FUTURE),
        }
    }

    /// For how long its schedule has the session closed, if it has.
    pub(super) fn note_closed(&mut self, now: Now) -> Option<Duration> {
        let schedule = self.plan.config.schedule.as_ref();
        let closed_for = schedule.and_then(|schedule| schedule.closed_for(now.utc));
        self.closed_until = closed_for.map(|closed_for| {
            let until = now.utc.as_unix_ns().saturating_add(closed_for.as_ns());
            UtcTime::from_unix_ns(until)
        });
        closed_for
    }

    /// Whether a counterparty that says this of itself belongs here.
    pub(super) fn accepts(&self, identity: &Identity<'_>) -> bool {
        let config = &self.plan.config;
        let is = |agreed: &Option<CompId>, said: Option<&[u8]>| {
            agreed.as_ref().is_none_or(|agreed| Some(agreed.as_bytes()) == said)
        };
        config.role == Role::Acceptor
            && !self.is_vacant
            && is(&config.target_sub_ids.sub_id, identity.sender_sub_id)
            && is(&config.sender_sub_ids.sub_id, identity.target_sub_id)
            && identity.begin_string == config.version.begin_string().as_bytes()
            && fits(&config.target_comp_id, identity.sender_comp_id)
            && fits(&config.sender_comp_id, identity.target_comp_id)
    }

    /// How many sub-IDs tell it from others with its CompIDs.
    pub(super) fn sub_ids(&self) -> usize {
        let config = &self.plan.config;
        let sub_ids = [&config.sender_sub_ids.sub_id, &config.target_sub_ids.sub_id];
        sub_ids.into_iter().flatten().count()
    }

    /// Application messages and others sent so far.
    #[inline]
    pub(super) fn messages_sent(&self) -> u64 {
        self.session.counters().of(SessionEvent::MessageSent)
    }
}

/// Why a session's line last went down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFailure {
    /// The counterparty closed the connection.
    ByPeer,
    /// TCP ended it.
    Tcp(Closed),
    /// FIX ended it.
    Fix(CloseReason),
    /// It could not be begun: no connection was free.
    NotBegun,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug)]
pub struct SessionStatus<'a> {
    /// It was removed; its number is there to be used again.
    pub is_removed: bool,
    /// It was drained, and stays down until it is resumed.
    pub stays_down: bool,
    /// Its settings.
    pub config: &'a SessionConfig,
    /// Where its counterparty is, of several the one whose turn it is, or where we listen for it.
    pub peer: Endpoint,
    /// Where else an initiator connects to.
    pub alternates: &'a [Endpoint],
    /// Each of these was connected to since it last was established, and it came to nothing.
    pub has_tried_all: bool,
    /// The far end of its connection, or of the last one.
    pub remote: Endpoint,
    /// Its state.
    pub state: State,
    /// Whether its connection is established.
    pub is_connected: bool,
    /// Until when an initiator's schedule keeps it from connecting; the end of time past its last window.
    pub closed_until: Option<UtcTime>,
    /// How often it was established.
    pub logons: u64,
    /// The counterparty's last parting words: Text(58) of its Logout, or what it sent that was no FIX.
    pub parting_words: &'a PartingWords,
    /// Why its line last went down.
    pub last_failure: Option<LineFailure>,
    /// The next MsgSeqNum to send.
    pub next_out: u32,
    /// The next MsgSeqNum expected.
    pub next_in: u32,
    /// What its session has counted.
    pub counters: &'a Counters,
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;
    use crate::fix::{CompId, Version};

    #[test]
    fn port_offers_what_each_of_its_sessions_has() {
        let addr = Ipv4Addr::UNSPECIFIED;
        let comp_id = |text| CompId::new(text).expect("printable");
        let plan = |role, port, terms| SessionPlan {
            terms,
            ..SessionPlan::new(
                SessionConfig::new(Version::Fix44, role, comp_id("A"), comp_id("B")),
                Endpoint { addr, port },
            )
        };
        let own = Terms { rto_min: Duration::from_ms(7), ..Terms::default() };
        let marked = Terms { ecn: true, ..Terms::default() };
        let bare = Terms { sack: false, ecn: true, ..Terms::default() };
        let plans = [
            plan(Role::Acceptor, 1, Some(marked)),
            plan(Role::Acceptor, 1, Some(bare)),
            plan(Role::Acceptor, 2, Some(marked)),
            plan(Role::Acceptor, 2, None),
            plan(Role::Initiator, 1, None),
        ];
        assert_eq!(terms_of_port(plans.iter(), 1, own), Terms { sack: false, ecn: true, ..own });
        assert_eq!(terms_of_port(plans.iter(), 2, own), own);
    }
}
