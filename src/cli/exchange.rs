//! `fixwire exchange`: the demo exchange on the kernel's sockets, the far side of the main job.
//!
//! It runs the same session and the same [`Exchange`] as the engine, over TCP that is not ours.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use clap::Args;
use fixwire::app::Seated;
use fixwire::app::exchange::Exchange;
use fixwire::fix::{
    ApplVerId, CompId, Decoder, Disposition, Full, Garbled, MemoryStore, Outlet, Role, Session,
    SessionConfig, Unidentified, Version, identify,
};
use fixwire::time::{Clock, Now};
use fixwire_hw::clock::HostClock;

use super::failure::Failure;
use super::session_file::EXCHANGE_PORT;

/// Run the demo exchange alone, on kernel sockets.
///
/// It accepts any counterparty, fills every NewOrderSingle whole at its price, and keeps each
/// session's sequence numbers across reconnects until it ends.
#[derive(Debug, Args)]
pub(crate) struct ExchangeArgs {
    /// Where to listen.
    #[arg(long, value_name = "ADDR:PORT", default_value_t = SocketAddr::from(([0, 0, 0, 0], EXCHANGE_PORT)))]
    listen: SocketAddr,
    /// The exchange's own CompID.
    #[arg(long, value_name = "ID", default_value = "EXCHANGE")]
    comp_id: String,
    /// Say what happens as JSON, a line each.
    #[arg(long)]
    json: bool,
}

/// The counterparties that are remembered and the connections that are served, a thread each, unless
/// more are known to come.
const PLACES: usize = 256;
/// After a connection could not be taken.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The longest message it reads, in bytes.
const MESSAGE_BYTES_MAX: usize = 16 * 1024;
/// How long a connection may take to say who it is.
const IDENTIFY_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest it waits before it looks at its timers again.
const TIMER_INTERVAL_MAX: Duration = Duration::from_secs(1);

/// What the exchange tells of itself.
pub(crate) enum News<'a> {
    Listening(SocketAddr),
    LoggedOn(&'a str, SocketAddr),
    Refused(SocketAddr, &'a str),
    Ended { counterparty: &'a str, reason: String, fills: u64 },
}

pub(crate) fn command(args: &ExchangeArgs) -> Result<(), Failure> {
    let json = args.json;
    let comp_id = CompId::new(&args.comp_id).ok_or_else(|| {
        Failure::Input(format!(
            "--comp-id {:?} is no CompID; write 1 to 64 printable ASCII characters",
            args.comp_id
        ))
    })?;
    let listener = listen(args.listen, "--listen")?;
    serve(&listener, &comp_id, &HostClock::new(), PLACES, &move |news| tell(&news, json))
}

/// Opens the exchange's port, which `chosen_by` says where to choose.
pub(crate) fn listen(at: SocketAddr, chosen_by: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(at).map_err(|error| {
        let why = match error.kind() {
            ErrorKind::AddrInUse => "another program has the port: end it, or",
            ErrorKind::AddrNotAvailable => "no interface here has that address:",
            ErrorKind::PermissionDenied => "ports under 1024 are root's:",
            _ => "try again, or",
        };
        let remedy = format!("{why} choose another with {chosen_by}");
        Failure::run(format!("the exchange cannot listen on {at}: {error}"), remedy)
    })
}

/// Serves connections, a thread each, for as long as the process lives.
pub(crate) fn serve(
    listener: &TcpListener,
    comp_id: &CompId,
    clock: &HostClock,
    places: usize,
    tell: &(dyn Fn(News<'_>) + Sync),
) -> Result<(), Failure> {
    let at = listener.local_addr().map_err(|error| Failure::run(error, "try again"))?;
    tell(News::Listening(at));
    let floor = Floor {
        places: places.max(PLACES),
        comp_id: comp_id.clone(),
        sessions: Mutex::new(HashMap::new()),
        attended: AtomicUsize::new(0),
    };
    thread::scope(|scope| {
        for stream in listener.incoming() {
            let Ok(stream) = stream else {
                // Out of descriptors or memory: trying again at once would only burn the core.
                thread::sleep(ACCEPT_PAUSE);
                continue;
            };
            let floor = &floor;
            let peer = stream.peer_addr().unwrap_or(at);
            if floor.attended.fetch_add(1, Ordering::Relaxed) >= floor.places {
                floor.attended.fetch_sub(1, Ordering::Relaxed);
                tell(News::Refused(peer, "too many connections"));
                continue;
            }
            let serve = move || {
                if let Err(reason) = floor.attend(stream, peer, clock, tell) {
                    tell(News::Refused(peer, reason));
                }
                floor.attended.fetch_sub(1, Ordering::Relaxed);
            };
            if thread::Builder::new().spawn_scoped(scope, serve).is_err() {
                floor.attended.fetch_sub(1, Ordering::Relaxed);
                tell(News::Refused(peer, "no thread could be started for it"));
                thread::sleep(ACCEPT_PAUSE);
            }
        }
    });
    Ok(())
}

/// A counterparty's session and its exchange.
type Member = (Session<MemoryStore>, Exchange);
/// Whose session it is.
type Key = (Version, String);

/// The sessions by counterparty; one that is being served is out.
struct Floor {
    /// How many are served, and how many are remembered.
    places: usize,
    comp_id: CompId,
    sessions: Mutex<HashMap<Key, Option<Box<Member>>>>,
    /// Connections being served.
    attended: AtomicUsize,
}

impl Floor {
    fn attend(
        &self,
        mut stream: TcpStream,
        peer: SocketAddr,
        clock: &HostClock,
        tell: &(dyn Fn(News<'_>) + Sync),
    ) -> Result<(), &'static str> {
        let _ = stream.set_nodelay(true);
        let (first, version, counterparty) = self.introduce(&mut stream)?;
        let key = (version, counterparty.clone());
        let mut member = self.take(&key)?;
        tell(News::LoggedOn(&counterparty, peer));
        let reason = converse(&stream, &mut member, &first, clock);
        tell(News::Ended { counterparty: &counterparty, reason, fills: member.1.fills() });
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Some(member));
        Ok(())
    }

    /// Reads the first message: who is it?
    fn introduce(
        &self,
        stream: &mut TcpStream,
    ) -> Result<(Vec<u8>, Version, String), &'static str> {
        let _ = stream.set_read_timeout(Some(IDENTIFY_TIMEOUT));
        let mut decoder = Decoder::default();
        let mut bytes = Vec::with_capacity(MESSAGE_BYTES_MAX);
        let mut chunk = [0; 4096];
        loop {
            let len = stream.read(&mut chunk).map_err(|_| "no Logon came in time")?;
            if len == 0 {
                return Err("closed before its Logon");
            }
            bytes.extend_from_slice(&chunk[..len]);
            let identity = match identify(&bytes, MESSAGE_BYTES_MAX, &mut decoder) {
                Ok(identity) => identity,
                Err(Unidentified::Incomplete) => continue,
                Err(Unidentified::Garbled(Garbled::BeginStringMissing)) => return Err("not FIX"),
                Err(Unidentified::Garbled(_)) => return Err("the first message was garbled"),
                Err(Unidentified::NotLogon(_)) => return Err("the first message was no Logon"),
                Err(Unidentified::CompIdMissing(_)) => return Err("the Logon lacks a CompID"),
            };
            let version = Version::of(identity.begin_string, ApplVerId::Fix50Sp2)
                .ok_or("BeginString is no version of FIX")?;
            if identity.target_comp_id != self.comp_id.as_bytes() {
                return Err("TargetCompID is not ours");
            }
            let counterparty = String::from_utf8_lossy(identity.sender_comp_id).into_owned();
            return Ok((bytes, version, counterparty));
        }
    }

    fn take(&self, key: &Key) -> Result<Box<Member>, &'static str> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let full = sessions.len() >= self.places;
        match sessions.get_mut(key) {
            Some(place) => place.take().ok_or("that session is logged on already"),
            None if full => Err("too many counterparties"),
            None => {
                let target = CompId::new(&key.1).ok_or("SenderCompID is no CompID")?;
                let config =
                    SessionConfig::new(key.0, Role::Acceptor, self.comp_id.clone(), target);
                let store = MemoryStore::new(16_384, 4 * 1024 * 1024);
                sessions.insert(key.clone(), None);
                Ok(Box::new((Session::new(config, store), Exchange::new())))
            }
        }
    }
}

/// Serves one connection to its end, and says why it ended.
fn converse(
    mut stream: &TcpStream,
    member: &mut Member,
    first: &[u8],
    clock: &HostClock,
) -> String {
    let (session, exchange) = member;
    let mut out = Outgoing::new(stream);
    let mut chunk = vec![0; 64 * 1024];
    session.on_connect(clock.now(), &mut out);
    let mut caller = Seated::new(exchange, 0, None);
    let mut disposition = session.on_bytes(clock.now(), first, &mut out, &mut caller);
    let reason = loop {
        out.flush();
        if let Some(error) = &out.failure {
            break error.to_string();
        }
        if let Disposition::Close(reason) = disposition {
            break reason.doc().trim_end_matches('.').to_owned();
        }
        let _ = stream.set_read_timeout(Some(until(session.next_timeout().as_ns(), clock.now())));
        match stream.read(&mut chunk) {
            Ok(0) => break "the counterparty closed the connection".to_owned(),
            Ok(len) => {
                disposition = session.on_bytes(clock.now(), &chunk[..len], &mut out, &mut caller);
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) => {}
            Err(error) => break error.to_string(),
        }
        let now = clock.now();
        if session.next_timeout() <= now.mono && disposition == Disposition::Keep {
            disposition = session.on_timeout(now, &mut out, &mut caller);
        }
    };
    session.on_disconnect(clock.now(), &mut caller);
    reason
}

fn until(deadline_ns: u64, now: Now) -> Duration {
    let wait = Duration::from_nanos(deadline_ns.saturating_sub(now.mono.as_ns()));
    wait.clamp(Duration::from_millis(1), TIMER_INTERVAL_MAX)
}

/// What a session has written and the kernel has not taken yet. There is always room: a counterparty
/// that does not read holds up its own thread and nobody else.
struct Outgoing<'a> {
    stream: &'a TcpStream,
    bytes: Vec<u8>,
    used: usize,
    failure: Option<std::io::Error>,
}

/// More than this is written out before more is added, in bytes.
const OUTGOING_MAX: usize = 1024 * 1024;
/// How long a counterparty may leave everything unread.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

impl Outlet for Outgoing<'_> {
    fn reserve(&mut self, len: usize) -> Result<&mut [u8], Full> {
        if self.used + len > OUTGOING_MAX {
            self.flush();
        }
        if self.bytes.len() < self.used + len {
            self.bytes.resize(self.used + len, 0);
        }
        Ok(&mut self.bytes[self.used..self.used + len])
    }

    fn commit(&mut self, used: usize) {
        self.used += used;
    }
}

impl<'a> Outgoing<'a> {
    fn new(stream: &'a TcpStream) -> Self {
        let _ = stream.set_write_timeout(Some(WRITE_TIMEOUT));
        Outgoing { stream, bytes: Vec::new(), used: 0, failure: None }
    }

    /// Writes everything out; the first failure is kept for the conversation to end on.
    fn flush(&mut self) {
        if self.failure.is_none() {
            self.failure = self.stream.write_all(&self.bytes[..self.used]).err();
        }
        self.used = 0;
    }
}

fn tell(news: &News<'_>, json: bool) {
    let line = match (news, json) {
        (News::Listening(at), false) => format!("exchange: listening on {at}"),
        (News::LoggedOn(who, from), false) => format!("exchange: {who} connected from {from}"),
        (News::Refused(from, why), false) => format!("exchange: refused {from}: {why}"),
        (News::Ended { counterparty, reason, fills }, false) => {
            format!("exchange: {counterparty} ended: {reason} ({fills} orders filled)")
        }
        (News::Listening(at), true) => {
            serde_json::json!({"event": "listening", "at": at.to_string()}).to_string()
        }
        (News::LoggedOn(who, from), true) => {
            serde_json::json!({"event": "connected", "counterparty": who, "from": from.to_string()})
                .to_string()
        }
        (News::Refused(from, why), true) => {
            serde_json::json!({"event": "refused", "from": from.to_string(), "reason": why})
                .to_string()
        }
        (News::Ended { counterparty, reason, fills }, true) => serde_json::json!({
            "event": "ended", "counterparty": counterparty, "reason": reason, "orders_filled": fills
        })
        .to_string(),
    };
    // A reader that went away is no reason to stop serving.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// The exchange in the background, for the main job.
pub(crate) fn in_background(
    listener: TcpListener,
    comp_id: CompId,
    clock: HostClock,
    places: usize,
) {
    let clock = Arc::new(clock);
    thread::spawn(move || serve(&listener, &comp_id, &clock, places, &|_| {}));
}
