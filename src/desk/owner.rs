//! Connections that have no session yet, and how they come by one or are refused.

use super::line_event::cut;
use super::template::CompIds;
use super::{Claim, Desk, LINGER, Line, LineEvent, PeerRefusal, Seat};
use crate::app::{Application, SessionId};
use crate::fix::session::{LOGON_BYTES_MAX, LOGON_TIMEOUT_S};
use crate::fix::{Garbled, Identity, Role, Unidentified, identify};
use crate::offload::RxStamp;
use crate::tcp::{ConnectionId, Endpoint, Stack};
use crate::time::{Duration, Instant, Now};

/// How long a connection may take to say who it is, and how long the Logon may be by which it does, where no session that
/// there is now accepts on its port.
const PATIENCE: (Duration, usize) = (Duration::from_s(LOGON_TIMEOUT_S as u64), LOGON_BYTES_MAX);

/// As many fields as a Logon of so many bytes may have, the shortest of four: how many are too many is for its session to say.
pub(super) const fn fields_within(logon_bytes_max: usize) -> usize {
    let most = if logon_bytes_max > LOGON_BYTES_MAX { logon_bytes_max } else { LOGON_BYTES_MAX };
    most / 4
}

/// Whose a connection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Owner {
    #[default]
    Nobody,
    /// Accepted; its first message will tell. Aborted at this time.
    Unidentified(ConnectionId, Instant),
    /// Nobody we know, and being closed. Aborted at this time.
    Refused(ConnectionId, Instant),
    Seat(usize),
}

impl Owner {
    /// Until when a connection without a seat is borne with.
    pub(super) fn deadline(self) -> Option<(ConnectionId, Instant)> {
        match self {
            Owner::Unidentified(connection, at) | Owner::Refused(connection, at) => {
                Some((connection, at))
            }
            Owner::Nobody | Owner::Seat(_) => None,
        }
    }
}

impl<A: Application> Desk<A> {
    /// Reads who an accepted connection is, once its first message is whole, and gives it its seat.
    #[inline(never)]
    pub(super) fn identify(
        &mut self,
        now: Now,
        tcp: &mut Stack,
        connection: ConnectionId,
        stamp: Option<RxStamp>,
    ) {
        let (_, logon_bytes_max) = self.patience_of(tcp, connection);
        let first = tcp.readable(connection);
        let why = match identify(first, logon_bytes_max, &mut self.decoder) {
            Err(Unidentified::Incomplete) => return tcp.await_more(connection),
            Err(Unidentified::Garbled(Garbled::BeginStringMissing)) => {
                PeerRefusal::NotFix(cut(first))
            }
            Err(Unidentified::Garbled(Garbled::BodyLengthTooLong)) => {
                PeerRefusal::LogonTooLong(logon_bytes_max)
            }
            Err(Unidentified::Garbled(reason)) => PeerRefusal::Garbled(reason),
            Err(Unidentified::NotLogon(msg_type)) => PeerRefusal::NotLogon(cut(msg_type)),
            Err(Unidentified::CompIdMissing(tag)) => PeerRefusal::CompIdMissing(tag),
            Ok(identity) => {
                let (seat, ids) = (seat_of(&self.seats, &identity), CompIds::of(&identity));
                let claim = Claim::of(&identity);
                match seat {
                    None => PeerRefusal::UnknownIdentity(claim),
                    Some(index) if !self.may_come_from(tcp, connection, index) => {
                        PeerRefusal::AddressNotAllowed(SessionId(index as u16))
                    }
                    Some(index) if self.seats[index].stays_down => {
                        PeerRefusal::HeldDown(SessionId(index as u16))
                    }
                    Some(index) if !self.vacate(now, index) => {
                        PeerRefusal::AlreadyLoggedOn(SessionId(index as u16))
                    }
                    Some(index) if !self.seats[index].is_theirs(ids) => {
                        PeerRefusal::UnknownIdentity(claim)
                    }
                    Some(index) => {
                        self.own(connection, Owner::Seat(index));
                        self.on_connected(now, tcp, index, connection);
                        return self.drain(now, tcp, index, connection, stamp);
                    }
                }
            }
        };
        self.refuse(tcp, connection, why);
        self.let_linger(now, tcp, connection);
    }

    /// How long an accepted connection may take to say who it is, and by how long a Logon: as the most patient session of its
    /// port has it, as nobody knows yet whose it is.
    pub(super) fn patience_of(&self, tcp: &Stack, connection: ConnectionId) -> (Duration, usize) {
        let port = tcp.info(connection).map(|info| info.local.port);
        let here = self.seated().map(|seat| &seat.plan);
        let here =
            here.filter(|plan| plan.config.role == Role::Acceptor && Some(plan.peer.port) == port);
        let each = here.map(|plan| (plan.config.logon_timeout(), plan.config.logon_bytes_max));
        each.reduce(|(time, bytes), other| (time.max(other.0), bytes.max(other.1)))
            .unwrap_or(PATIENCE)
    }

    fn may_come_from(&self, tcp: &Stack, connection: ConnectionId, index: usize) -> bool {
        tcp.info(connection).is_some_and(|info| self.seats[index].plan.allows(info.remote))
    }

    /// Whether a session has no connection. One whose session is over, and that only waits for the
    /// peer to close it, too, is let go: a counterparty may be back sooner.
    fn vacate(&mut self, now: Now, index: usize) -> bool {
        match self.seats[index].line {
            Line::Down(_) => true,
            Line::Closing(old, deadline) if !self.is_ending => {
                self.own(old, Owner::Refused(old, deadline));
                self.end_session(now, index);
                true
            }
            _ => false,
        }
    }

    /// Counts and records that a connection gets no session.
    pub(super) fn refuse(&mut self, tcp: &Stack, connection: ConnectionId, why: PeerRefusal) {
        *self.counters.of_refusal(&why) += 1;
        let peer = tcp.info(connection).map_or(Endpoint::UNSPECIFIED, |info| info.remote);
        self.events.push(LineEvent::Refused { peer, why });
    }

    /// Resets a connection that belongs to nobody, and asks nothing more of it.
    pub(super) fn give_up(&mut self, now: Now, tcp: &mut Stack, connection: ConnectionId) {
        self.own(connection, Owner::Refused(connection, Instant::FAR_FUTURE));
        tcp.abort(now.mono, connection);
    }

    /// Closes a connection that belongs to nobody: at once on our side, and by a reset if the peer
    /// keeps its own open.
    pub(super) fn let_linger(&mut self, now: Now, tcp: &mut Stack, connection: ConnectionId) {
        loop {
            let unread = tcp.readable(connection).len();
            if unread == 0 {
                break;
            }
            tcp.consume(now.mono, connection, unread);
        }
        tcp.shutdown(now.mono, connection);
        let deadline = now.mono + LINGER;
        self.own(connection, Owner::Refused(connection, deadline));
        self.next_timeout = self.next_timeout.min(deadline);
    }
}

/// Whose a counterparty's Logon is: of two sessions that it fits, that which more sub-IDs tell of.
fn seat_of(seats: &[Seat], identity: &Identity<'_>) -> Option<usize> {
    let fits = seats.iter().enumerate().filter(|(_, seat)| seat.accepts(identity));
    // Before a seat that is kept ready comes the one that is the counterparty's.
    fits.max_by_key(|(_, seat)| (!seat.is_open(), seat.sub_ids())).map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fix::Decoder;
    use crate::fix::oracle::sealed;

    #[test]
    fn logon_of_any_number_of_fields_says_whose_it_is() {
        let head = "35=A|34=1|49=DESK|52=20260102-03:04:05|56=VENUE|98=0|108=30|";
        let few = sealed("FIX.4.4", head).len();
        let fields = (LOGON_BYTES_MAX - few - 2) / 4;
        let logon = sealed("FIX.4.4", &format!("{head}{}", "1=x|".repeat(fields)));
        assert!((LOGON_BYTES_MAX - 4..=LOGON_BYTES_MAX).contains(&logon.len()));
        let mut decoder = Decoder::with_fields(fields_within(LOGON_BYTES_MAX));
        let identity = identify(&logon, LOGON_BYTES_MAX, &mut decoder);
        assert_eq!(identity.map(|identity| identity.sender_comp_id), Ok(&b"DESK"[..]));
    }
}
