//! Where sessions meet connections: who connects to whom, when again, and whose bytes are whose.
//!
//! TCP knows no FIX and FIX knows no TCP; this is the one place that knows both. A session outlives
//! its connections: its numbers go on when an initiator connects again or an acceptor's
//! counterparty comes back.

use core::net::Ipv4Addr;

use crate::app::{Application, Seated, SessionId};
use crate::fix::{
    CloseReason, Decoder, Disposition, Event as SessionEvent, Framed, Full, Identity, MemoryStore,
    Outlet, Role, Session, SessionConfig, State, frame, identify,
};
use crate::offload::RxStamp;
use crate::tcp::{Arrival, Closed, ConnectionId, Endpoint, Event, Stack};
use crate::time::{Duration, Instant, Now};

/// How many messages of each session are kept for a resend.
const STORED_MESSAGES_MAX: usize = 16_384;
/// How many bytes of them.
const STORED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long an accepted connection may take to say who it is.
const IDENTIFY_TIMEOUT: Duration = Duration::from_s(10);
/// How long a connection that is to close may take to deliver what was sent.
const LINGER: Duration = Duration::from_s(5);

/// A session and how its connection comes about.
#[derive(Clone, Debug)]
pub struct SessionPlan {
    /// The session's own settings.
    pub config: SessionConfig,
    /// Where an initiator connects to, or where an acceptor listens (the address is then ours).
    pub peer: Endpoint,
    /// The pause before an initiator connects again.
    pub reconnect_interval: Duration,
}

/// Where a session's connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
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

struct Seat {
    plan: SessionPlan,
    session: Session<MemoryStore>,
    line: Line,
    /// What happens once the line is down: another try, or none.
    stays_down: bool,
    logons: u64,
    last_failure: Option<LineFailure>,
}

impl Seat {
    fn new(plan: SessionPlan) -> Seat {
        let store = MemoryStore::new(STORED_MESSAGES_MAX, STORED_BYTES_MAX);
        let session = Session::new(plan.config.clone(), store);
        let mut seat = Seat {
            plan,
            session,
            line: Line::Down(Instant::ZERO),
            stays_down: false,
            logons: 0,
            last_failure: None,
        };
        if seat.plan.config.role == Role::Acceptor {
            seat.line = Line::Down(Instant::FAR_FUTURE);
        }
        seat
    }

    /// Where the line stands once its connection is gone.
    fn after_loss(&self, now: Instant) -> Line {
        match self.plan.config.role {
            _ if self.stays_down => Line::Done,
            Role::Initiator => Line::Down(now + self.plan.reconnect_interval),
            Role::Acceptor => Line::Down(Instant::FAR_FUTURE),
        }
    }

    /// Whether a counterparty that says this of itself belongs here.
    fn accepts(&self, identity: &Identity<'_>) -> bool {
        let config = &self.plan.config;
        config.role == Role::Acceptor
            && identity.begin_string == config.version.begin_string().as_bytes()
            && identity.sender_comp_id == config.target_comp_id.as_bytes()
            && identity.target_comp_id == config.sender_comp_id.as_bytes()
    }

    /// Application messages and others sent so far.
    #[inline]
    fn messages_sent(&self) -> u64 {
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

/// Whose a connection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Owner {
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
    fn deadline(self) -> Option<(ConnectionId, Instant)> {
        match self {
            Owner::Unidentified(connection, at) | Owner::Refused(connection, at) => {
                Some((connection, at))
            }
            Owner::Nobody | Owner::Seat(_) => None,
        }
    }
}

/// The sessions, their lines and the application.
pub struct Desk<A> {
    local: Ipv4Addr,
    seats: Vec<Seat>,
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
    changes: u64,
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
    identify_timeout: u64,
}

/// The longest Logon by which a counterparty may introduce itself, in bytes.
const IDENTIFY_BYTES_MAX: usize = 4 * 1024;
/// The bytes moved at once from TCP's ring to a session.
const CHUNK_LEN: usize = 16 * 1024;

/// A connection as a session writes to it.
struct Wire<'a> {
    tcp: &'a mut Stack,
    connection: ConnectionId,
    now: Instant,
}

impl Outlet for Wire<'_> {
    #[inline]
    fn reserve(&mut self, len: usize) -> Result<&mut [u8], Full> {
        self.tcp.reserve(self.connection, len).map_err(|_| Full)
    }

    #[inline]
    fn commit(&mut self, used: usize) {
        self.tcp.commit(self.now, self.connection, used);
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
        for (index, plan) in plans.iter().enumerate() {
            let same = |other: &SessionPlan| {
                other.config.sender_comp_id == plan.config.sender_comp_id
                    && other.config.target_comp_id == plan.config.target_comp_id
                    && other.config.version == plan.config.version
            };
            if plans[..index].iter().any(same) {
                return Err(format!(
                    "two sessions have the identity {:?} to {:?}; give one of them another CompID",
                    plan.config.sender_comp_id, plan.config.target_comp_id
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
        for port in ports {
            tcp.listen(Endpoint { addr: local, port })
                .map_err(|why| format!("port {port} cannot be listened on: {why}"))?;
        }
        Ok(Desk {
            local,
            seats: plans.into_iter().map(Seat::new).collect(),
            owners: vec![Owner::Nobody; tcp.connections_max()].into_boxed_slice(),
            without_seat: 0,
            decoder: Decoder::default(),
            chunk: vec![0; CHUNK_LEN].into_boxed_slice(),
            orders_encoded: 0,
            counters: DeskCounters::default(),
            next_timeout: Instant::ZERO,
            changes: 0,
            app,
        })
    }

    /// Takes in what a segment brought. In-order bytes are read where they lie, in the device's
    /// buffer; what came out of reassembly is read from TCP's ring.
    #[inline]
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
            Owner::Refused(..) | Owner::Nobody => {}
        }
    }

    /// Takes in what has become of connections. To be called before frames are built.
    #[inline]
    pub(crate) fn settle(&mut self, now: Now, tcp: &mut Stack) {
        while let Some((connection, event)) = tcp.poll_event() {
            self.on_event(now, tcp, connection, event);
        }
    }

    /// What is due: reconnects, session timers, connections that linger; then the application's turn.
    #[inline]
    pub(crate) fn on_time(&mut self, now: Now, tcp: &mut Stack) {
        if self.next_timeout <= now.mono {
            self.on_deadlines(now, tcp);
        }
        if A::WANTS_POLL {
            for (index, seat) in self.seats.iter_mut().enumerate() {
                let Line::Up(connection) = seat.line else { continue };
                if seat.session.state() == State::Active {
                    let mut wire = Wire { tcp, connection, now: now.mono };
                    self.app
                        .on_poll(SessionId(index as u16), &mut seat.session.sender(now, &mut wire));
                }
            }
        }
    }

    /// When [`on_time`](Desk::on_time) next has something to do.
    pub(crate) fn next_timeout(&self) -> Instant {
        self.next_timeout
    }

    /// Logs out what is logged on, gives up what is not, and connects nobody again.
    pub(crate) fn log_out(&mut self, now: Now, tcp: &mut Stack, reason: &str) {
        for index in 0..self.seats.len() {
            let seat = &mut self.seats[index];
            seat.stays_down = true;
            match seat.line {
                Line::Up(connection) if seat.session.state() == State::Active => {
                    let mut wire = Wire { tcp, connection, now: now.mono };
                    seat.session.logout(now, &mut wire, reason);
                }
                Line::Up(connection) | Line::Connecting(connection) => {
                    tcp.abort(now.mono, connection);
                }
                Line::Down(_) => seat.line = Line::Done,
                Line::Closing(..) | Line::Done => {}
            }
        }
        self.changes += 1;
        self.next_timeout = now.mono;
    }

    /// Whether every session is down for good.
    pub fn is_done(&self) -> bool {
        self.seats.iter().all(|seat| seat.line == Line::Done)
    }

    /// A number that moves whenever [`statuses`](Desk::statuses) may have changed, but for the numbers.
    pub fn changes(&self) -> u64 {
        self.changes
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
            config: seat.session.config(),
            peer: seat.plan.peer,
            state: seat.session.state(),
            is_connected: matches!(seat.line, Line::Up(_)),
            logons: seat.logons,
            last_failure: seat.last_failure,
            next_out: seat.session.next_out(),
            next_in: seat.session.next_in(),
        })
    }

    /// Every counter by name, sessions added up.
    pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let lines = self.counters;
        let own = [
            ("lines_connected", lines.lines_connected),
            ("lines_lost", lines.lines_lost),
            ("logon_unknown_identity", lines.logon_unknown_identity),
            ("logon_duplicate", lines.logon_duplicate),
            ("logon_not_first", lines.logon_not_first),
            ("identify_timeout", lines.identify_timeout),
        ];
        let mut sums: Vec<(&'static str, u64)> = Vec::new();
        for seat in &self.seats {
            for (position, (name, count)) in seat.session.counters().iter().enumerate() {
                match sums.get_mut(position) {
                    Some((_, sum)) => *sum += count,
                    None => sums.push((name, count)),
                }
            }
        }
        own.into_iter().chain(sums)
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

    /// Hands bytes to a session and does what it says.
    #[inline]
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
        let mut wire = Wire { tcp, connection, now: now.mono };
        let mut caller = Seated::new(&mut self.app, index, stamp);
        let disposition = seat.session.on_bytes(now, bytes, &mut wire, &mut caller);
        self.changes += caller.logons;
        seat.logons += caller.logons;
        self.orders_encoded += seat.messages_sent() - sent_before;
        self.after(now, tcp, index, connection, disposition);
    }

    /// Hands over what TCP's ring holds, a chunk at a time.
    fn drain(
        &mut self,
        now: Now,
        tcp: &mut Stack,
        index: usize,
        connection: ConnectionId,
        stamp: Option<RxStamp>,
    ) {
        loop {
            let bytes = tcp.readable(connection);
            let len = bytes.len().min(self.chunk.len());
            if len == 0 {
                return;
            }
            let mut chunk = core::mem::take(&mut self.chunk);
            chunk[..len].copy_from_slice(&bytes[..len]);
            tcp.consume(now.mono, connection, len);
            self.feed(now, tcp, index, connection, &chunk[..len], stamp);
            self.chunk = chunk;
        }
    }

    /// Does what a session says of its connection.
    #[inline]
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
            self.changes += 1;
            seat.last_failure = Some(LineFailure::Fix(reason));
            seat.line = Line::Closing(connection, now.mono + LINGER);
            tcp.shutdown(now.mono, connection);
            self.next_timeout = self.next_timeout.min(now.mono + LINGER);
        }
        self.next_timeout = self.next_timeout.min(seat.session.next_timeout());
    }

    fn on_event(&mut self, now: Now, tcp: &mut Stack, connection: ConnectionId, event: Event) {
        self.changes += 1;
        match (event, self.owner(connection)) {
            (Event::Connected, Owner::Seat(index)) => {
                self.on_connected(now, tcp, index, connection);
            }
            (Event::Connected, _) => {
                let deadline = now.mono + IDENTIFY_TIMEOUT;
                self.own(connection, Owner::Unidentified(connection, deadline));
                self.next_timeout = self.next_timeout.min(deadline);
            }
            (Event::Writable, Owner::Seat(index)) => {
                let Some(seat) = self.seats.get_mut(index) else { return };
                let mut wire = Wire { tcp, connection, now: now.mono };
                let mut caller = Seated::new(&mut self.app, index, None);
                let disposition = seat.session.on_writable(now, &mut wire, &mut caller);
                self.after(now, tcp, index, connection, disposition);
            }
            (Event::PeerClosed, Owner::Seat(index)) => {
                self.end_session(now, index);
                if let Some(seat) = self.seats.get_mut(index)
                    && seat.line == Line::Up(connection)
                {
                    seat.last_failure = Some(LineFailure::ByPeer);
                    seat.line = Line::Closing(connection, now.mono + LINGER);
                    self.next_timeout = self.next_timeout.min(now.mono + LINGER);
                }
                tcp.shutdown(now.mono, connection);
            }
            (Event::PeerClosed, _) => tcp.abort(now.mono, connection),
            (Event::Closed(closed), owner) => {
                self.own(connection, Owner::Nobody);
                tcp.release(connection);
                if let Owner::Seat(index) = owner {
                    self.on_closed(now, index, closed);
                }
            }
            (Event::Writable, _) => {}
        }
    }

    fn on_connected(&mut self, now: Now, tcp: &mut Stack, index: usize, connection: ConnectionId) {
        let Some(seat) = self.seats.get_mut(index) else { return };
        self.counters.lines_connected += 1;
        seat.line = Line::Up(connection);
        let mut wire = Wire { tcp, connection, now: now.mono };
        seat.session.on_connect(now, &mut wire);
        self.next_timeout = self.next_timeout.min(seat.session.next_timeout());
    }

    /// Tells a session that its transport is gone, once.
    fn end_session(&mut self, now: Now, index: usize) {
        let Some(seat) = self.seats.get_mut(index) else { return };
        if seat.session.state() != State::Disconnected {
            let mut caller = Seated::new(&mut self.app, index, None);
            seat.session.on_disconnect(now, &mut caller);
        }
    }

    fn on_closed(&mut self, now: Now, index: usize, closed: Closed) {
        self.end_session(now, index);
        let Some(seat) = self.seats.get_mut(index) else { return };
        if matches!(seat.line, Line::Up(_) | Line::Connecting(_)) {
            seat.last_failure = Some(LineFailure::Tcp(closed));
        }
        self.counters.lines_lost += u64::from(matches!(seat.line, Line::Up(_)));
        seat.line = seat.after_loss(now.mono);
        self.next_timeout = now.mono;
    }

    /// Reads who an accepted connection is, once its first message is whole, and gives it its seat.
    fn identify(
        &mut self,
        now: Now,
        tcp: &mut Stack,
        connection: ConnectionId,
        stamp: Option<RxStamp>,
    ) {
        let first = tcp.readable(connection);
        let refusal = match frame(first, IDENTIFY_BYTES_MAX) {
            Framed::Incomplete { .. } => return,
            Framed::Garbled { .. } => &mut self.counters.logon_not_first,
            Framed::Complete { .. } => {
                match identify(first, IDENTIFY_BYTES_MAX, &mut self.decoder) {
                    None => &mut self.counters.logon_not_first,
                    Some(identity) => {
                        match self.seats.iter().position(|seat| seat.accepts(&identity)) {
                            None => &mut self.counters.logon_unknown_identity,
                            Some(index) if !matches!(self.seats[index].line, Line::Down(_)) => {
                                &mut self.counters.logon_duplicate
                            }
                            Some(index) => {
                                self.own(connection, Owner::Seat(index));
                                self.on_connected(now, tcp, index, connection);
                                return self.drain(now, tcp, index, connection, stamp);
                            }
                        }
                    }
                }
            }
        };
        *refusal += 1;
        tcp.shutdown(now.mono, connection);
        self.own(connection, Owner::Refused(connection, now.mono + LINGER));
        self.next_timeout = self.next_timeout.min(now.mono + LINGER);
    }

    fn on_deadlines(&mut self, now: Now, tcp: &mut Stack) {
        for index in 0..self.seats.len() {
            self.on_seat_deadline(now, tcp, index);
        }
        if self.without_seat > 0 {
            for owner in &self.owners {
                if let Some((connection, deadline)) = owner.deadline()
                    && deadline <= now.mono
                {
                    let late = matches!(owner, Owner::Unidentified(..));
                    self.counters.identify_timeout += u64::from(late);
                    tcp.abort(now.mono, connection);
                }
            }
        }
        self.next_timeout = self.earliest_deadline();
    }

    fn on_seat_deadline(&mut self, now: Now, tcp: &mut Stack, index: usize) {
        let Some(seat) = self.seats.get_mut(index) else { return };
        match seat.line {
            Line::Down(_) if seat.stays_down => seat.line = Line::Done,
            Line::Down(at) if at <= now.mono => {
                let local = Endpoint { addr: self.local, port: 0 };
                match tcp.connect(now.mono, local, seat.plan.peer) {
                    Ok(connection) => {
                        seat.line = Line::Connecting(connection);
                        self.own(connection, Owner::Seat(index));
                    }
                    Err(_) => {
                        self.changes += 1;
                        seat.last_failure = Some(LineFailure::NotBegun);
                        seat.line = seat.after_loss(now.mono);
                    }
                }
            }
            Line::Closing(connection, deadline) if deadline <= now.mono => {
                tcp.abort(now.mono, connection);
            }
            Line::Up(connection) if seat.session.next_timeout() <= now.mono => {
                let mut wire = Wire { tcp, connection, now: now.mono };
                let mut caller = Seated::new(&mut self.app, index, None);
                let disposition = seat.session.on_timeout(now, &mut wire, &mut caller);
                self.after(now, tcp, index, connection, disposition);
            }
            _ => {}
        }
    }

    fn earliest_deadline(&self) -> Instant {
        let seats = self.seats.iter().map(|seat| match seat.line {
            Line::Down(at) | Line::Closing(_, at) => at,
            Line::Up(_) => seat.session.next_timeout(),
            Line::Connecting(_) | Line::Done => Instant::FAR_FUTURE,
        });
        let owners = if self.without_seat > 0 { &self.owners[..] } else { &[] };
        let without_seat = owners.iter().filter_map(|owner| owner.deadline()).map(|(_, at)| at);
        seats.chain(without_seat).min().unwrap_or(Instant::FAR_FUTURE)
    }
}

/// Where a session stands.
#[derive(Clone, Copy, Debug)]
pub struct SessionStatus<'a> {
    /// Its settings.
    pub config: &'a SessionConfig,
    /// Where its counterparty is, or where we listen for it.
    pub peer: Endpoint,
    /// Its state.
    pub state: State,
    /// Whether its connection is established.
    pub is_connected: bool,
    /// How often it was established.
    pub logons: u64,
    /// Why its line last went down.
    pub last_failure: Option<LineFailure>,
    /// The next MsgSeqNum to send.
    pub next_out: u32,
    /// The next MsgSeqNum expected.
    pub next_in: u32,
}
