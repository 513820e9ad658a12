//! Sessions, their connections and the application as plain data, and a desk that goes on from them.

use serde::{Deserialize, Serialize};

use super::seat::{Line, Seat};
use super::{Desk, Owner};
use crate::app::{Application, Passing, SessionId};
use crate::blob::Blob;
use crate::fix::{CompId, Role, SessionConfig, SessionSnapshot};
use crate::hand_over::{HandOverRefusal, TakenOver};
use crate::tcp::{ConnectionId, Endpoint, Snapshot, SnapshotRefusal, Stack, State};
use crate::time::{Instant, Now, UtcTime};

/// All of a desk.
#[derive(Serialize, Deserialize)]
pub(crate) struct DeskState {
    connections: Vec<ConnectionState>,
    seats: Vec<SeatState>,
    app: Blob,
}

#[derive(Serialize, Deserialize)]
struct ConnectionState {
    snapshot: Blob,
    is_released: bool,
    /// Of one that has no session: whether it was refused one, and until when it is borne with, in ns from now.
    stray: Option<(bool, Option<i64>)>,
}

#[derive(Serialize, Deserialize)]
struct SeatState {
    /// Its [`SessionId`] there.
    number: u16,
    name: Vec<Blob>,
    is_initiator: bool,
    line: LineState,
    stays_down: bool,
    logons: u64,
    closed_until_ns: Option<u64>,
    remote: (u32, u16),
    /// Whose turn it is among its peers, by address, as settings may list others there; and how many have come to nothing.
    peer: (u32, u16),
    failures: u32,
    session: SessionSnapshot,
}

/// Where a line stands; times in ns from now, connections by their places in the list.
#[derive(Serialize, Deserialize)]
enum LineState {
    Down(Option<i64>),
    Connecting(u32),
    Up(u32),
    Closing(u32, Option<i64>),
    Done,
}

/// What tells a session from others: all that `roster` looks at.
fn name_of(config: &SessionConfig) -> Vec<Blob> {
    let ids = [&config.sender_sub_ids.sub_id, &config.target_sub_ids.sub_id];
    let ids = ids.map(|id| id.as_ref().map_or(&b""[..], |id| id.as_bytes()));
    let begin_string = config.version.begin_string().as_bytes();
    let comp_ids = [config.sender_comp_id.as_bytes(), config.target_comp_id.as_bytes()];
    let qualifier = config.qualifier.as_ref().map(|id| id.as_bytes());
    [begin_string].into_iter().chain(comp_ids).chain(ids).chain(qualifier).map(Blob::from).collect()
}

fn in_words(name: &[Blob]) -> String {
    let text =
        |at: usize| name.get(at).map_or_else(Default::default, |id| String::from_utf8_lossy(id));
    let behind = |mark: &str, at: usize| match text(at) {
        none if none.is_empty() => String::new(),
        id => format!("{mark}{id}"),
    };
    let (sender, target) = (behind("/", 3), behind("/", 4));
    format!("session {}:{}{sender}->{}{target}{}", text(0), text(1), text(2), behind(":", 5))
}

fn left(at: Instant, now: Now) -> Option<i64> {
    let ns = at.as_ns().wrapping_sub(now.mono.as_ns()).cast_signed();
    (at != Instant::FAR_FUTURE).then_some(ns)
}

fn at(left: Option<i64>, now: Now) -> Instant {
    let by =
        |ns: i64| Instant::from_ns(now.mono.as_ns().saturating_add_signed(ns).min(u64::MAX - 1));
    left.map_or(Instant::FAR_FUTURE, by)
}

impl<A: Application> Desk<A> {
    pub(crate) fn hand_over(
        &mut self,
        now: Now,
        tcp: &mut Stack,
    ) -> Result<DeskState, HandOverRefusal> {
        if self.is_ending {
            return Err(HandOverRefusal::Ending);
        }
        let live: Vec<_> = tcp.live().collect();
        let (mut connections, mut places) = (Vec::new(), Vec::new());
        for (id, is_released) in live {
            let is_opening = tcp
                .info(id)
                .is_some_and(|info| matches!(info.state, State::SynSent | State::SynReceived));
            let snapshot = if is_opening {
                tcp.export_opening(now.mono, id)
            } else {
                tcp.export(now.mono, id)
            };
            let snapshot = snapshot.map_err(HandOverRefusal::Connection)?;
            let snapshot = Blob::from(snapshot.as_bytes());
            let stray = match self.owner(id) {
                Owner::Unidentified(owned, until) if owned == id => Some((false, left(until, now))),
                Owner::Refused(owned, until) if owned == id => Some((true, left(until, now))),
                _ => None,
            };
            places.push(id);
            connections.push(ConnectionState { snapshot, is_released, stray });
        }
        let place = |id: ConnectionId| {
            places.iter().position(|known| *known == id).map(|place| place as u32)
        };
        let line = |line: Line| match line {
            Line::Down(until) => LineState::Down(left(until, now)),
            Line::Connecting(id) => {
                place(id).map_or(LineState::Down(Some(0)), LineState::Connecting)
            }
            Line::Up(id) => place(id).map_or(LineState::Down(Some(0)), LineState::Up),
            Line::Closing(id, until) => match place(id) {
                Some(place) => LineState::Closing(place, left(until, now)),
                None => LineState::Down(Some(0)),
            },
            Line::Done => LineState::Done,
        };
        let seats = (0..).zip(&self.seats).filter(|(_, seat)| !seat.is_vacant);
        let seats = seats.map(|(number, seat)| SeatState {
            number,
            name: name_of(seat.session.config()),
            is_initiator: seat.plan.config.role == Role::Initiator,
            line: line(seat.line),
            stays_down: seat.stays_down,
            logons: seat.logons,
            closed_until_ns: seat.closed_until.map(UtcTime::as_unix_ns),
            remote: (seat.remote.addr.to_bits(), seat.remote.port),
            peer: (seat.peer().addr.to_bits(), seat.peer().port),
            failures: u32::try_from(seat.failures).unwrap_or(u32::MAX),
            session: seat.session.export(now),
        });
        Ok(DeskState { seats: seats.collect(), connections, app: Blob(self.app.hand_over()) })
    }

    pub(crate) fn take_over(
        &mut self,
        now: Now,
        tcp: &mut Stack,
        state: &DeskState,
    ) -> Result<TakenOver, HandOverRefusal> {
        if tcp.live().next().is_some() {
            return Err(HandOverRefusal::NotFresh);
        }
        self.claim_as_before(&state.seats);
        let seats = self.seats_of(&state.seats)?;
        let mut ids = Vec::with_capacity(state.connections.len());
        for connection in &state.connections {
            ids.push(match self.take_connection(now, tcp, connection) {
                // Somebody knocks at a port that is listened on no more.
                Err(HandOverRefusal::Connection(SnapshotRefusal::NotSynchronized)) => {
                    ConnectionId::NOBODY
                }
                taken => taken?,
            });
        }
        for (of, index) in state.seats.iter().zip(&seats) {
            if let Some(index) = *index {
                self.take_seat(now, index, of, &ids)?;
            }
        }
        let place_of = |session: SessionId| {
            let known = state.seats.iter().position(|of| of.number == session.0)?;
            seats[known].map(|index| SessionId(index as u16))
        };
        let taken = self.app.take_over(&state.app, &place_of);
        taken.map_err(|_| HandOverRefusal::Application)?;
        self.next_timeout = now.mono;
        let sessions = seats.iter().flatten().count();
        Ok(TakenOver { sessions, connections: ids.len(), neighbors: 0 })
    }

    /// Seats that are kept ready are whose they were.
    fn claim_as_before(&mut self, states: &[SeatState]) {
        for of in states {
            let comp_id = |at: usize| of.name.get(at).and_then(|id| CompId::of(id));
            let (Some(sender), Some(target)) = (comp_id(1), comp_id(2)) else { continue };
            let same_but_for_them = |seat: &&mut Seat| {
                let name = name_of(seat.session.config());
                seat.is_open()
                    && name.len() == of.name.len()
                    && name
                        .iter()
                        .zip(&of.name)
                        .enumerate()
                        .all(|(at, (a, b))| at == 1 || at == 2 || a == b)
                    && super::template::fits(&seat.plan.config.sender_comp_id, sender.as_bytes())
                    && super::template::fits(&seat.plan.config.target_comp_id, target.as_bytes())
            };
            let is_open = [&sender, &target].iter().any(|id| id.as_bytes() == super::template::ANY);
            if let Some(seat) = self.seats.iter_mut().find(same_but_for_them).filter(|_| !is_open) {
                seat.claim_as(sender, target);
            }
        }
    }

    /// Where each session sits here; `None` for one that is not here, and was down for good.
    fn seats_of(&self, states: &[SeatState]) -> Result<Vec<Option<usize>>, HandOverRefusal> {
        let find = |of: &SeatState| {
            let is_it = |seat: &Seat| !seat.is_vacant && name_of(seat.session.config()) == of.name;
            match self.seats.iter().position(is_it) {
                Some(index) => {
                    let is_initiator = self.seats[index].plan.config.role == Role::Initiator;
                    let is_same = is_initiator == of.is_initiator;
                    let differs = || HandOverRefusal::RoleDiffers(in_words(&of.name));
                    is_same.then_some(Some(index)).ok_or_else(differs)
                }
                None if of.stays_down && matches!(of.line, LineState::Done) => Ok(None),
                None => Err(HandOverRefusal::SessionMissing(in_words(&of.name))),
            }
        };
        states.iter().map(find).collect()
    }

    fn take_connection(
        &mut self,
        now: Now,
        tcp: &mut Stack,
        state: &ConnectionState,
    ) -> Result<ConnectionId, HandOverRefusal> {
        let snapshot = Snapshot::from_bytes(&state.snapshot);
        let imported = snapshot.and_then(|snapshot| tcp.import(now.mono, &snapshot));
        let id = imported.map_err(HandOverRefusal::Connection)?;
        if state.is_released {
            tcp.release(id);
        }
        match state.stray {
            Some((true, until)) => self.own(id, Owner::Refused(id, at(until, now))),
            Some((false, until)) => self.own(id, Owner::Unidentified(id, at(until, now))),
            None => {}
        }
        Ok(id)
    }

    fn take_seat(
        &mut self,
        now: Now,
        index: usize,
        state: &SeatState,
        ids: &[ConnectionId],
    ) -> Result<(), HandOverRefusal> {
        let id = |place: u32| ids.get(place as usize).copied().ok_or(HandOverRefusal::Malformed);
        let line = match state.line {
            LineState::Down(until) => Line::Down(at(until, now)),
            LineState::Connecting(place) => Line::Connecting(id(place)?),
            LineState::Up(place) => Line::Up(id(place)?),
            LineState::Closing(place, until) => Line::Closing(id(place)?, at(until, now)),
            LineState::Done => Line::Done,
        };
        let session = SessionId(index as u16);
        let seat = &mut self.seats[index];
        let imported = seat.session.import(now, &state.session);
        imported.map_err(|why| HandOverRefusal::Session(in_words(&state.name), why))?;
        seat.line = line;
        seat.stays_down = state.stays_down;
        seat.logons = state.logons;
        seat.closed_until = state.closed_until_ns.map(UtcTime::from_unix_ns);
        let endpoint = |(addr, port): (u32, u16)| Endpoint { addr: addr.into(), port };
        seat.remote = endpoint(state.remote);
        let next = endpoint(state.peer);
        // One that is in the settings no more has the first in its place.
        seat.turn = seat.plan.peers().position(|peer| peer == next).unwrap_or(0);
        seat.failures = state.failures as usize;
        if let Line::Connecting(connection) | Line::Up(connection) | Line::Closing(connection, _) =
            line
        {
            self.own(connection, Owner::Seat(index));
            if self.app.wants_bytes() {
                // A log that begins in the middle of a message has the whole of it.
                let begun = self.seats[index].session.begun();
                self.app.on_bytes(session, now, Passing::Begun);
                self.app.on_bytes(session, now, Passing::Read(begun));
            }
        }
        Ok(())
    }
}
