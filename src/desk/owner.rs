//! Connections that have no session yet, and how they come by one or are refused.

use super::line_event::cut;
use super::template::CompIds;
use super::{Claim, Desk, LINGER, Line, LineEvent, PeerRefusal, Seat, SessionPlan};
use crate::app::{Application, SessionId};
use crate::fix::session::{LOGON_BYTES_MAX, LOGON_TIMEOUT_S};
use crate::fix::{Decoder, Garbled, Identity, Role, SessionConfig, Unidentified, identify};
use crate::offload::RxStamp;
use crate::tcp::{ConnectionId, Endpoint, Stack};
use crate::time::{Duration, Instant, Now};

/// How long a connection may take to say who it is, and how long the Logon may be by which it does, where no session that
/// there is now accepts on its port.
const PATIENCE: (Duration, usize) = (Duration::from_s(LOGON_TIMEOUT_S as u64), LOGON_BYTES_MAX);

/// As many fields as a Logon of so many bytes may have, the shortest of four: how many are too many is for its session to say.
const fn fields_within(logon_bytes_max: usize) -> usize {
    let most = if logon_bytes_max > LOGON_BYTES_MAX { logon_bytes_max } else { LOGON_BYTES_MAX };
    most / 4
}

/// What reads Logons of these sessions before it is known whose one is: it knows the data fields of all, as an SOH within one
/// ends none.
pub(super) fn decoder_of<'a>(plans: impl Iterator<Item = &'a SessionPlan>) -> Decoder {
    let (mut logon_bytes_max, mut data_fields) = (0, Vec::new());
    for config in plans.map(|plan| &plan.config) {
        logon_bytes_max = logon_bytes_max.max(config.logon_bytes_max);
        data_fields.extend(data_fields_of(config));
    }
    data_fields.sort_unstable();
    data_fields.dedup();
    Decoder::with_fields(fields_within(logon_bytes_max)).with_data_fields(&data_fields)
}

/// Tags of lengths, each with that of the data behind it, that a session's counterparty may have in its Logon.
fn data_fields_of(config: &SessionConfig) -> Vec<(u32, u32)> {
    let validation = config.validation.as_ref().filter(|_| config.role == Role::Acceptor);
    validation.map(|of| of.data_fields()).unwrap_or_default()
}

/// Whether a session's Logon may need another decoder than the one that reads those of all others.
pub(super) fn is_beyond(config: &SessionConfig, decoder: &Decoder) -> bool {
    fields_within(config.logon_bytes_max) > decoder.fields_max()
        || !decoder.knows(&data_fields_of(config))
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
    use core::net::Ipv4Addr;
    use std::sync::Arc;

    use super::*;
    use crate::app::echo::Echo;
    use crate::fix::dictionary::{Checks, Dictionary, Spec, Validation};
    use crate::fix::oracle::sealed;
    use crate::fix::{CompId, Version};
    use crate::tcp::Config;
    use crate::time::UtcTime;

    const HEAD: &str = "35=A|34=1|49=DESK|52=20260102-03:04:05|56=VENUE|98=0|108=30|";

    #[test]
    fn logon_of_any_number_of_fields_says_whose_it_is() {
        let few = sealed("FIX.4.4", HEAD).len();
        let fields = (LOGON_BYTES_MAX - few - 2) / 4;
        let logon = sealed("FIX.4.4", &format!("{HEAD}{}", "1=x|".repeat(fields)));
        assert!((LOGON_BYTES_MAX - 4..=LOGON_BYTES_MAX).contains(&logon.len()));
        let mut decoder = decoder_of([plan("DESK", Role::Acceptor, &[])].iter());
        let identity = identify(&logon, LOGON_BYTES_MAX, &mut decoder);
        assert_eq!(identity.map(|identity| identity.sender_comp_id), Ok(&b"DESK"[..]));
    }

    /// A session with DESK or whoever else, by a dictionary that has these data fields besides.
    fn plan(target: &str, role: Role, data_fields: &[(u32, u32)]) -> SessionPlan {
        let id = |text| CompId::new(text).unwrap();
        let mut config = SessionConfig::new(Version::Fix44, role, id("VENUE"), id(target));
        let spec = Spec {
            begin_string: "FIX.4.4".into(),
            header: vec![],
            trailer: vec![],
            messages: vec![],
            fields: vec![],
            data_fields: data_fields.to_vec(),
            application_fields: vec![],
        };
        let dictionary = Arc::new(Dictionary::compile(&spec).unwrap());
        config.validation = Some(Validation::of(dictionary, Checks::default()));
        SessionPlan::new(config, Endpoint { addr: Ipv4Addr::LOCALHOST, port: 1 })
    }

    #[test]
    fn logon_with_data_fields_of_any_session_s_dictionary_says_whose_it_is() {
        let of_data = |length: u32| format!("{HEAD}{length}=3|{}=a|b|", length + 1);
        let mut tcp = Stack::new(Config::default(), [1; 16]);
        let plans = vec![
            plan("OTHER", Role::Acceptor, &[(9_701, 9_702)]),
            plan("DESK", Role::Acceptor, &[(9_703, 9_704)]),
            plan("THIRD", Role::Initiator, &[(9_707, 9_708)]),
        ];
        let app = Echo::new(plans.len());
        let mut desk = Desk::new(Ipv4Addr::LOCALHOST, plans, &mut tcp, app).unwrap();
        let whose = |desk: &mut Desk<Echo>, length| {
            let logon = sealed("FIX.4.4", &of_data(length));
            let found = identify(&logon, LOGON_BYTES_MAX, &mut desk.decoder);
            found.map(|of| of.sender_comp_id.to_vec()).map_err(|why| format!("{why:?}"))
        };
        let is_desk = Ok(b"DESK".to_vec());
        let is_none = Err("Garbled(FieldMalformed)".to_owned());
        assert_eq!(whose(&mut desk, 9_701), is_desk);
        assert_eq!(whose(&mut desk, 9_703), is_desk);
        assert_eq!(whose(&mut desk, 9_705), is_none);
        assert_eq!(whose(&mut desk, 9_707), is_none, "nobody logs on to an initiator");
        let now = Now { mono: Instant::ZERO, utc: UtcTime::from_unix_ns(1) };
        let added = plan("ADDED", Role::Acceptor, &[(9_705, 9_706)]);
        desk.add_session(now, &mut tcp, added).unwrap();
        for length in [9_701, 9_703, 9_705] {
            assert_eq!(whose(&mut desk, length), is_desk, "{length}");
        }
    }
}
