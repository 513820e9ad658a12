//! Where sessions meet connections: who connects to whom, when again, and whose bytes are whose.
//!
//! TCP knows no FIX and FIX knows no TCP; this is the one place that knows both. A session outlives
//! its connections: its numbers go on when an initiator connects again or an acceptor's
//! counterparty comes back.

mod deadlines;
mod events;
#[cfg(feature = "hand-over")]
mod hand_over;
mod line_event;
mod measured;
mod operate;
mod owner;
mod plan;
mod roster;
mod seat;
mod store;
mod stored;
mod template;
mod unacknowledged;

use core::net::Ipv4Addr;

use crate::app::{Application, Measured, Passing, Seated, SessionId};
use crate::fix::{Decoder, Disposition, Encoder, Full, Outlet, Readers, Role, SendError, State};
use crate::measure::live::Recorder;
use crate::offload::RxStamp;
use crate::tcp::{Arrival, ConnectionId, Endpoint, Stack};
use crate::time::{Duration, Instant, Now};

use line_event::LineEvents;
use owner::{Owner, decoder_of};
use roster::{Listener, is_same};
use seat::{Line, Seat, terms_of_port};

#[cfg(feature = "hand-over")]
pub(crate) use hand_over::DeskState;
pub use line_event::{Claim, FIRST_BYTES_MAX, FirstBytes, LineEvent, PeerRefusal};
pub use operate::SessionRefusal;
pub(crate) use stored::receipt_of;

pub use roster::RosterError;
pub use store::SeatStore;

pub use plan::SessionPlan;
pub use seat::{LineFailure, SessionStatus};

/// How long a connection that is to close may take to deliver what was sent.
const LINGER: Duration = Duration::from_s(5);
/// The same once everything is being logged out.
const LINGER_AT_END: Duration = Duration::from_s(1);
/// The bytes moved at once from TCP's ring to a session.
const CHUNK_LEN: usize = 16 * 1024;
/// So many sessions, their connections and buffers are more than a core's first caches hold.
const CROWD: usize = 256;
/// Events that are kept for each connection there can be, until somebody asks.
const EVENTS_PER_CONNECTION: usize = 4;

/// The sessions, their lines and the application.
pub struct Desk<A> {
    local: Ipv4Addr,
    seats: Vec<Seat>,
    /// What the messages of all of them are read by.
    readers: Readers,
    owners: Box<[Owner]>,
    /// Owners that have a deadline.
    without_seat: usize,
    decoder: Decoder,
    /// Bytes on their way from TCP's ring to a session.
    chunk: Box<[u8]>,
    /// Orders encoded since the last frame was built.
    orders_encoded: u64,
    counters: DeskCounters,
    next_timeout: Instant,
    events: LineEvents,
    listeners: Vec<Listener>,
    /// Everything is being logged out: nobody new is let in.
    is_ending: bool,
    /// Who records what passes, where it is measured.
    recorder: Option<Box<Recorder>>,
    app: A,
}

/// What happened to lines, by name.
#[derive(Clone, Copy, Debug, Default)]
struct DeskCounters {
    lines_connected: u64,
    lines_lost: u64,
    logon_unknown_identity: u64,
    logon_duplicate: u64,
    logon_not_first: u64,
    logon_garbled: u64,
    logon_too_long: u64,
    peer_not_fix: u64,
    closed_before_logon: u64,
    identify_timeout: u64,
    refused_while_logging_out: u64,
    logon_held_down: u64,
    logon_address_not_allowed: u64,
    bytes_without_session: u64,
    messages_unacknowledged: u64,
    messages_fate_unknown: u64,
}

impl DeskCounters {
    fn of_refusal(&mut self, why: &PeerRefusal) -> &mut u64 {
        match why {
            PeerRefusal::NotFix(_) => &mut self.peer_not_fix,
            PeerRefusal::Garbled(_) | PeerRefusal::CompIdMissing(_) => &mut self.logon_garbled,
            PeerRefusal::LogonTooLong(_) => &mut self.logon_too_long,
            PeerRefusal::NotLogon(_) => &mut self.logon_not_first,
            PeerRefusal::UnknownIdentity(_) => &mut self.logon_unknown_identity,
            PeerRefusal::AlreadyLoggedOn(_) => &mut self.logon_duplicate,
            PeerRefusal::LogonTimeout => &mut self.identify_timeout,
            PeerRefusal::LoggingOut => &mut self.refused_while_logging_out,
            PeerRefusal::HeldDown(_) => &mut self.logon_held_down,
            PeerRefusal::AddressNotAllowed(_) => &mut self.logon_address_not_allowed,
            PeerRefusal::ClosedBeforeLogon => &mut self.closed_before_logon,
        }
    }
}

/// A connection as a session writes to it.
struct Wire<'a> {
    tcp: &'a mut Stack,
    connection: ConnectionId,
    now: Instant,
    /// Bytes handed over so far.
    written: usize,
}

impl<'a> Wire<'a> {
    #[inline(always)]
    fn new(now: Now, tcp: &'a mut Stack, connection: ConnectionId) -> Wire<'a> {
        Wire { tcp, connection, now: now.mono, written: 0 }
    }
}

impl Outlet for Wire<'_> {
    #[inline]
    fn reserve(&mut self, len: usize) -> Result<&mut [u8], Full> {
        self.tcp.reserve(self.connection, len).map_err(|_| Full)
    }

    fn room_max(&self) -> usize {
        self.tcp.reservation_max(self.connection).unwrap_or(usize::MAX)
    }

    #[inline(always)]
    fn commit(&mut self, used: usize) {
        self.commit_message(used, 0);
    }

    #[inline(always)]
    fn commit_message(&mut self, used: usize, msg_seq_num: u32) {
        if self.tcp.commit_tagged(self.now, self.connection, used, msg_seq_num).is_some() {
            self.written += used;
        }
    }
}

impl<A: Application> Desk<A> {
    /// Seats every session and opens the ports that acceptors listen on.
    ///
    /// # Errors
    /// Two sessions with one identity, or a port that cannot be listened on, in words.
    pub(crate) fn new(
        local: Ipv4Addr,
        plans: Vec<SessionPlan>,
        tcp: &mut Stack,
        app: A,
    ) -> Result<Desk<A>, String> {
        if plans.len() > usize::from(u16::MAX) {
            return Err(format!("{} sessions are more than one engine serves", plans.len()));
        }
        if plans.len() > tcp.connections_max() {
            let (sessions, connections) = (plans.len(), tcp.connections_max());
            return Err(format!(
                "{sessions} sessions need more than the {connections} connections of connections_max"
            ));
        }
        for (index, plan) in plans.iter().enumerate() {
            let same = |other: &SessionPlan| is_same(&other.config, &plan.config);
            if plans[..index].iter().any(same) {
                return Err(format!(
                    "two sessions have the identity {} {:?} to {:?}; give one of them another CompID",
                    plan.config.version.begin_string(),
                    plan.config.sender_comp_id,
                    plan.config.target_comp_id
                ));
            }
        }
        let mut ports: Vec<u16> = plans
            .iter()
            .filter(|plan| plan.config.role == Role::Acceptor)
            .map(|plan| plan.peer.port)
            .collect();
        ports.sort_unstable();
        ports.dedup();
        let mut listeners = Vec::with_capacity(ports.len());
        for port in ports {
            let terms = terms_of_port(plans.iter(), port, tcp.terms());
            let listener = tcp.listen_by(Endpoint { addr: local, port }, terms);
            let id = listener.map_err(|why| format!("port {port} cannot be listened on: {why}"))?;
            listeners.push(Listener { port, terms, id });
        }
        let decoder = decoder_of(plans.iter());
        let mut readers = Readers::for_sessions(plans.len());
        let sessions_max = tcp.connections_max();
        let seat = |plan| Seat::new(&mut readers, plan, sessions_max);
        Ok(Desk {
            local,
            seats: plans.into_iter().map(seat).collect(),
            readers,
            owners: vec![Owner::Nobody; tcp.connections_max()].into_boxed_slice(),
            without_seat: 0,
            decoder,
            chunk: vec![0; CHUNK_LEN].into_boxed_slice(),
            orders_encoded: 0,
            counters: DeskCounters::default(),
            next_timeout: Instant::ZERO,
            events: LineEvents::new(EVENTS_PER_CONNECTION * tcp.connections_max()),
            listeners,
            is_ending: false,
            recorder: None,
            app,
        })
    }

    /// Takes in what a segment brought. In-order bytes are read where they lie, in the device's
    /// buffer; what came out of reassembly is read from TCP's ring.
    #[inline(always)]
    pub(crate) fn on_arrival(
        &mut self,
        now: Now,
        tcp: &mut Stack,
        arrival: &Arrival,
        payload: &[u8],
        stamp: Option<RxStamp>,
    ) {
        let Some(connection) = arrival.connection else { return };
        if arrival.fresh.is_empty() {
            return;
        }
        if self.owner(connection) == Owner::Nobody {
            // A handshake's last segment may carry data: its event comes first.
            self.settle(now, tcp);
        }
        let fresh = payload.get(arrival.fresh.clone()).unwrap_or_default();
        match self.owner(connection) {
            Owner::Seat(seat) => {
                self.feed(now, tcp, seat, connection, fresh, stamp);
                if arrival.joined {
                    self.drain(now, tcp, seat, connection, stamp);
                }
            }
            Owner::Unidentified(..) => {
                tcp.keep(connection, fresh);
                self.identify(now, tcp, connection, stamp);
            }
            Owner::Refused(..) | Owner::Nobody => {
                self.counters.bytes_without_session += fresh.len() as u64;
            }
        }
    }

    /// Takes in what has become of connections. To be called before frames are built.
    #[inline(always)]
    pub(crate) fn settle(&mut self, now: Now, tcp: &mut Stack) {
        if tcp.has_events() {
            self.on_events(now, tcp);
        }
    }

    #[inline(never)]
    fn on_events(&mut self, now: Now, tcp: &mut Stack) {
        while let Some((connection, event)) = tcp.poll_event() {
            self.on_event(now, tcp, connection, event);
        }
    }

    /// Whether sessions are so many that those of the next messages are hardly ever near.
    #[inline]
    pub(crate) fn is_crowded(&self) -> bool {
        self.seats.len() >= CROWD
    }

    /// A connection's bytes come next: has fetched from memory what its session holds against them.
    #[inline(always)]
    pub(crate) fn fetch(&self, connection: ConnectionId) {
        if let Owner::Seat(index) = self.owner(connection)
            && let Some(seat) = self.seats.get(index)
        {
            seat.session.fetch();
            seat.session.fetch_sending();
        }
    }

    /// What is due: reconnects, session timers, connections that linger.
    pub(crate) fn on_time(&mut self, now: Now, tcp: &mut Stack) {
        if self.next_timeout <= now.mono {
            self.on_deadlines(now, tcp);
        }
    }

    /// The application's turn.
    #[inline]
    pub(crate) fn give_turns(&mut self, now: Now, tcp: &mut Stack) {
        if A::WANTS_POLL {
            for index in 0..self.seats.len() {
                self.give_turn(now, tcp, index);
            }
        }
    }

    /// A session's connection, if it is established.
    pub(crate) fn connection(&self, session: SessionId) -> Option<ConnectionId> {
        match self.seats.get(usize::from(session.0))?.line {
            Line::Up(connection) => Some(connection),
            _ => None,
        }
    }

    /// Whose a connection is.
    pub(crate) fn session_of(&self, connection: ConnectionId) -> Option<SessionId> {
        match self.owner(connection) {
            Owner::Seat(index) => Some(SessionId(index as u16)),
            _ => None,
        }
    }

    /// Sends an application message of a session's by another outlet than its connection's stream.
    pub(crate) fn send_by(
        &mut self,
        now: Now,
        session: SessionId,
        out: &mut impl Outlet,
        msg_type: &[u8],
        fill: impl FnOnce(&mut Encoder<'_>),
    ) -> Result<u32, SendError> {
        let seat = self.seats.get_mut(usize::from(session.0)).ok_or(SendError::NotLoggedOn)?;
        let sent = seat.session.send(now, out, msg_type, fill);
        if sent.is_ok()
            && let Some(recorder) = &self.recorder
        {
            recorder.sent_without_trigger(1);
        }
        if self.app.wants_bytes()
            && let Ok(Some((_, message))) = sent.map(|seq| seat.session.kept(seq))
        {
            self.app.on_bytes(session, now, Passing::Written(message));
        }
        self.next_timeout = self.next_timeout.min(seat.session.next_timeout());
        sent
    }

    /// Does what a session says of its connection, after [`send_by`](Desk::send_by) was refused: where the store has failed,
    /// it ends.
    #[cold]
    pub(crate) fn after_refusal(&mut self, now: Now, tcp: &mut Stack, session: SessionId) {
        let index = usize::from(session.0);
        let Some(seat) = self.seats.get(index) else { return };
        if let Line::Up(connection) = seat.line {
            let disposition = seat.session.disposition();
            self.after(now, tcp, index, connection, disposition);
        }
    }

    /// When [`on_time`](Desk::on_time) next has something to do.
    #[inline]
    pub(crate) fn next_timeout(&self) -> Instant {
        self.next_timeout
    }

    /// Logs out what is logged on, gives up what is not, and neither connects nor lets in anybody
    /// again.
    pub(crate) fn log_out(&mut self, now: Now, tcp: &mut Stack, reason: &str) {
        self.is_ending = true;
        for listener in self.listeners.drain(..) {
            tcp.unlisten(listener.id);
        }
        for index in 0..self.owners.len() {
            if let Owner::Unidentified(connection, _) = self.owners[index] {
                self.refuse(tcp, connection, PeerRefusal::LoggingOut);
                self.give_up(now, tcp, connection);
            }
        }
        for index in 0..self.seats.len() {
            self.take_down(now, tcp, index, reason);
        }
        self.next_timeout = now.mono;
    }

    /// Whether every session is down for good.
    pub fn is_done(&self) -> bool {
        self.seats.iter().all(|seat| seat.line == Line::Done)
    }

    /// What happened to lines since it was last asked, the oldest first: one event a call.
    pub(crate) fn next_event(&mut self) -> Option<LineEvent> {
        self.events.pop()
    }

    /// The application.
    pub fn app(&self) -> &A {
        &self.app
    }

    pub(crate) fn into_app(self) -> A {
        self.app
    }

    /// The application, to change.
    pub fn app_mut(&mut self) -> &mut A {
        &mut self.app
    }

    /// How many application messages were encoded since the last call.
    #[inline]
    pub(crate) fn take_orders_encoded(&mut self) -> u64 {
        core::mem::take(&mut self.orders_encoded)
    }

    /// Where each session stands.
    pub fn statuses(&self) -> impl Iterator<Item = SessionStatus<'_>> {
        self.seats.iter().map(|seat| SessionStatus {
            is_removed: seat.is_vacant,
            stays_down: seat.stays_down,
            config: seat.session.config(),
            peer: seat.peer(),
            alternates: &seat.plan.alternates,
            has_tried_all: seat.failures > seat.plan.alternates.len(),
            remote: seat.remote,
            state: seat.session.state(),
            is_connected: matches!(seat.line, Line::Up(_)),
            closed_until: seat.closed_until,
            logons: seat.logons,
            parting_words: seat.session.parting_words(),
            last_failure: seat.last_failure,
            next_out: seat.session.next_out(),
            next_in: seat.session.next_in(),
            counters: seat.session.counters(),
        })
    }

    /// Every counter by name, sessions added up.
    pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.line_counters().chain(self.session_counters())
    }

    /// Those of lines.
    pub(crate) fn line_counters(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let lines = self.counters;
        [
            ("lines_connected", lines.lines_connected),
            ("lines_lost", lines.lines_lost),
            ("logon_unknown_identity", lines.logon_unknown_identity),
            ("logon_duplicate", lines.logon_duplicate),
            ("logon_not_first", lines.logon_not_first),
            ("logon_garbled", lines.logon_garbled),
            ("logon_too_long", lines.logon_too_long),
            ("peer_not_fix", lines.peer_not_fix),
            ("closed_before_logon", lines.closed_before_logon),
            ("identify_timeout", lines.identify_timeout),
            ("refused_while_logging_out", lines.refused_while_logging_out),
            ("logon_held_down", lines.logon_held_down),
            ("logon_address_not_allowed", lines.logon_address_not_allowed),
            ("bytes_without_session", lines.bytes_without_session),
            ("messages_unacknowledged", lines.messages_unacknowledged),
            ("messages_fate_unknown", lines.messages_fate_unknown),
            ("line_events_overwritten", self.events.overwritten()),
        ]
        .into_iter()
    }

    /// Those of sessions, added up.
    pub(crate) fn session_counters(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let mut sums: Vec<(&'static str, u64)> = Vec::new();
        for seat in &self.seats {
            for (position, (name, count)) in seat.session.counters().iter().enumerate() {
                match sums.get_mut(position) {
                    Some((_, sum)) => *sum += count,
                    None => sums.push((name, count)),
                }
            }
        }
        sums.into_iter()
    }

    /// A session's connection is closed on our side; the peer's side is waited for.
    fn let_close(&mut self, now: Now, index: usize, connection: ConnectionId) {
        let deadline = now.mono + if self.is_ending { LINGER_AT_END } else { LINGER };
        self.seats[index].line = Line::Closing(connection, deadline);
        self.next_timeout = self.next_timeout.min(deadline);
    }

    #[inline]
    fn owner(&self, connection: ConnectionId) -> Owner {
        self.owners.get(connection.index()).copied().unwrap_or_default()
    }

    fn own(&mut self, connection: ConnectionId, owner: Owner) {
        if let Some(slot) = self.owners.get_mut(connection.index()) {
            self.without_seat -= usize::from(slot.deadline().is_some());
            self.without_seat += usize::from(owner.deadline().is_some());
            *slot = owner;
        }
    }

    /// The application's own turn on an established session.
    #[inline]
    fn give_turn(&mut self, now: Now, tcp: &mut Stack, index: usize) {
        let Some(seat) = self.seats.get_mut(index) else { return };
        let Line::Up(connection) = seat.line else { return };
        if seat.session.state() == State::Active {
            let mut wire = Wire::new(now, tcp, connection);
            let mut orders = seat.session.sender(now, &mut wire);
            self.app.on_poll(SessionId(index as u16), &mut orders);
            let disposition = seat.session.disposition();
            let written = wire.written;
            if written > 0
                && let Some(recorder) = &self.recorder
            {
                recorder.sent_without_trigger(1);
            }
            self.show_written(now, tcp, index, connection, written);
            self.after(now, tcp, index, connection, disposition);
        }
    }

    /// Hands bytes to a session and does what it says.
    #[inline(always)]
    fn feed(
        &mut self,
        now: Now,
        tcp: &mut Stack,
        index: usize,
        connection: ConnectionId,
        bytes: &[u8],
        stamp: Option<RxStamp>,
    ) {
        let Some(seat) = self.seats.get_mut(index) else { return };
        let sent_before = seat.messages_sent();
        let interval_before = seat.session.steady_interval();
        if self.app.wants_bytes() {
            self.app.on_bytes(SessionId(index as u16), now, Passing::Read(bytes));
        }
        let mut wire = Wire::new(now, tcp, connection);
        let recorder = self.recorder.as_deref_mut();
        let begun_before = recorder.as_ref().map(|_| seat.session.begun_len());
        let measured = recorder.map(|recorder| Measured { recorder, connection, bytes });
        let mut caller = Seated::new(&mut self.app, index, stamp).measured_by(measured);
        let readers = &mut self.readers;
        let disposition = seat.session.on_bytes_by(readers, now, bytes, &mut wire, &mut caller);
        let (written, logons) = (wire.written, (caller.logons, caller.sent_at_logon));
        let filled_over = caller.filled_over;
        if let (Some(recorder), Some(before)) = (&mut self.recorder, begun_before) {
            recorder.on_read(index, stamp, (before, bytes.len(), seat.session.begun_len()));
        }
        self.orders_encoded += seat.messages_sent() - sent_before;
        // As long as nothing but time goes on, deadlines move back: they are found out when they are due.
        let is_steady =
            interval_before.is_some() && seat.session.steady_interval() == interval_before;
        if logons.0 > 0 {
            self.note_logons(index, logons);
        }
        if filled_over > 0 {
            let session = SessionId(index as u16);
            self.events.push(LineEvent::FilledOver { session, messages: filled_over });
        }
        self.show_written(now, tcp, index, connection, written);
        if !is_steady {
            self.after(now, tcp, index, connection, disposition);
        }
    }

    /// Counts and records how often a session was established while it was called, and what was sent of that.
    #[inline(never)]
    fn note_logons(&mut self, index: usize, (logons, sent): (u64, u32)) {
        let Some(seat) = self.seats.get_mut(index).filter(|_| logons > 0) else { return };
        seat.logons += logons;
        seat.failures = 0;
        let (session, peer) = (SessionId(index as u16), seat.remote);
        self.events.push(LineEvent::LoggedOn { session, peer });
        if sent > 0
            && let Some(recorder) = &mut self.recorder
        {
            recorder.sent_at_logon(session, sent);
        }
    }

    /// Shows the application the last bytes that a session has handed to TCP, if it wants to see them.
    #[inline(always)]
    fn show_written(
        &mut self,
        now: Now,
        tcp: &Stack,
        index: usize,
        connection: ConnectionId,
        written: usize,
    ) {
        if self.app.wants_bytes() && written > 0 {
            for run in tcp.last_written(connection, written) {
                self.app.on_bytes(SessionId(index as u16), now, Passing::Written(run));
            }
        }
    }

    /// Does what a session says of its connection.
    #[inline(never)]
    fn after(
        &mut self,
        now: Now,
        tcp: &mut Stack,
        index: usize,
        connection: ConnectionId,
        disposition: Disposition,
    ) {
        let Some(seat) = self.seats.get_mut(index) else { return };
        if let Disposition::Close(reason) = disposition
            && seat.line == Line::Up(connection)
        {
            tcp.shutdown(now.mono, connection);
            self.let_close(now, index, connection);
            return self.end_line(index, LineFailure::Fix(reason));
        }
        self.next_timeout = self.next_timeout.min(seat.session.next_timeout());
    }
}
