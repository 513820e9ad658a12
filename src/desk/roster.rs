//! Sessions that come and go while others trade: added and, once they were drained ([`operate`](super::operate)), removed.

use super::owner::{decoder_of, is_beyond};
use super::seat::{Line, Seat, terms_of_port};
use super::{Desk, SeatStore, SessionPlan};
use crate::app::{Application, SessionId};
use crate::fix::{MemoryStore, Readers, Role, SessionConfig};
use crate::tcp::{Endpoint, ListenerId, Stack, Terms};
use crate::time::{Instant, Now};

/// Why the sessions of a desk were not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    /// It has a BeginString, CompIDs and sub-IDs that another one has.
    #[error("a session has this identity already; give it another CompID")]
    IdentityTaken,
    /// There are as many as there may be.
    #[error("there are as many sessions as connections_max or 65,535; remove one first")]
    Full,
    /// Its port cannot be listened on.
    #[error("its port cannot be listened on; give it another one, or raise listeners_max")]
    PortRefused,
    /// No session is of this number.
    #[error("there is no such session")]
    Unknown,
    /// It is not down for good.
    #[error("it is not down yet; drain it, and wait until it is")]
    NotDrained,
    /// Everything is being logged out.
    #[error("everything is being logged out")]
    Ending,
    /// The device's steering rules keep its frames away.
    #[error(
        "the device steers by rules that were made before it, and they keep its frames away; name its peer or port in the profile's steering, or start anew"
    )]
    NotSteered,
}

impl<A: Application> Desk<A> {
    /// Seats one more session: an initiator connects at once, an acceptor's port is listened on. The place of one that was
    /// removed, and its number, are used again. Takes memory.
    pub(crate) fn add_session(
        &mut self,
        now: Now,
        tcp: &mut Stack,
        plan: SessionPlan,
    ) -> Result<SessionId, RosterError> {
        if self.is_ending {
            return Err(RosterError::Ending);
        }
        if self.seated().any(|seat| is_same(&seat.plan.config, &plan.config)) {
            return Err(RosterError::IdentityTaken);
        }
        let vacant = self.seats.iter().position(|seat| seat.is_vacant);
        let most = tcp.connections_max().min(usize::from(u16::MAX));
        if vacant.is_none() && self.seats.len() >= most {
            return Err(RosterError::Full);
        }
        let (role, port) = (plan.config.role, plan.peer.port);
        let is_beyond = is_beyond(&plan.config, &self.decoder);
        let seat = Seat::new(&mut self.readers, plan, tcp.connections_max());
        let place = vacant.unwrap_or(self.seats.len());
        match self.seats.get_mut(place) {
            Some(left) => *left = seat,
            None => self.seats.push(seat),
        }
        if role == Role::Acceptor && self.listen(tcp, port).is_err() {
            self.seats[place].vacate(&mut self.readers);
            // The port is left as it was for those that have it.
            let _ = self.listen(tcp, port);
            return Err(RosterError::PortRefused);
        }
        if is_beyond {
            self.decoder = decoder_of(self.seated().map(|seat| &*seat.plan));
        }
        self.next_timeout = now.mono;
        self.app.on_added(SessionId(place as u16));
        Ok(SessionId(place as u16))
    }

    /// Forgets a session that was drained and is down: its numbers, and what it sent. Its port is listened on no more
    /// where no other session has it.
    pub(crate) fn remove_session(
        &mut self,
        tcp: &mut Stack,
        session: SessionId,
    ) -> Result<(), RosterError> {
        let index = self.seat_of(session).ok_or(RosterError::Unknown)?;
        let seat = &mut self.seats[index];
        if !(seat.stays_down && seat.line == Line::Done) {
            return Err(RosterError::NotDrained);
        }
        let (role, port) = (seat.plan.config.role, seat.plan.peer.port);
        seat.vacate(&mut self.readers);
        if role == Role::Acceptor {
            // It cannot be refused: there is a listener less.
            let _ = self.listen(tcp, port);
        }
        Ok(())
    }

    /// Whether a session was drained and is down.
    pub fn is_drained(&self, session: SessionId) -> bool {
        self.seat_of(session).is_some_and(|index| {
            let seat = &self.seats[index];
            seat.stays_down && seat.line == Line::Done
        })
    }

    /// Every session there is.
    pub(super) fn seated(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().filter(|seat| !seat.is_vacant)
    }

    /// Where a session sits; `None` for one that there never was, or that was removed.
    pub(super) fn seat_of(&self, session: SessionId) -> Option<usize> {
        let index = usize::from(session.0);
        self.seats.get(index).is_some_and(|seat| !seat.is_vacant).then_some(index)
    }

    /// Listens on a port as its sessions want it, or no more where there are none.
    fn listen(&mut self, tcp: &mut Stack, port: u16) -> Result<(), RosterError> {
        let accepts =
            |plan: &SessionPlan| plan.config.role == Role::Acceptor && plan.peer.port == port;
        let is_wanted = self.seated().any(|seat| accepts(&seat.plan));
        let terms = terms_of_port(self.seated().map(|seat| &*seat.plan), port, tcp.terms());
        let known = self.listeners.iter().position(|listener| listener.port == port);
        if let Some(known) = known {
            if is_wanted && self.listeners[known].terms == terms {
                return Ok(());
            }
            tcp.unlisten(self.listeners.swap_remove(known).id);
        }
        if !is_wanted {
            return Ok(());
        }
        let endpoint = Endpoint { addr: self.local, port };
        let id = tcp.listen_by(endpoint, terms).map_err(|_| RosterError::PortRefused)?;
        self.listeners.push(Listener { port, terms, id });
        Ok(())
    }
}

/// A port that is listened on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listener {
    pub(super) port: u16,
    pub(super) terms: Terms,
    pub(super) id: ListenerId,
}

/// Whether two sessions cannot be told apart.
pub(super) fn is_same(one: &SessionConfig, other: &SessionConfig) -> bool {
    one.version.begin_string() == other.version.begin_string()
        && one.sender_comp_id == other.sender_comp_id
        && one.target_comp_id == other.target_comp_id
        && one.sender_sub_ids.sub_id == other.sender_sub_ids.sub_id
        && one.target_sub_ids.sub_id == other.target_sub_ids.sub_id
        && one.qualifier == other.qualifier
}

impl Seat {
    /// Nobody sits here any more.
    fn vacate(&mut self, readers: &mut Readers) {
        self.is_vacant = true;
        self.stays_down = true;
        self.line = Line::Done;
        self.session.leave(readers);
        // A file is closed, and another process may have it.
        self.session.replace_store(SeatStore::Memory(MemoryStore::new(0, 0)));
    }

    /// Where the line of a session stands that begins.
    pub(super) fn first_line(&self, now: Instant) -> Line {
        match self.plan.config.role {
            Role::Initiator => Line::Down(now),
            Role::Acceptor => Line::Down(Instant::FAR_FUTURE),
        }
    }
}
