//! Scripts played: a session in virtual time, a counterparty that says what a script has it say, and an application
//! that does as it is told.

use fixwire::fix::{
    CloseReason, Disposition, Full, Handler, MemoryStore, Message, Outlet, Sender, Session, State,
    Store, Version, tags,
};
use fixwire::time::{Duration, Instant, Now};

use crate::message::take_first;
use crate::script::{Deed, Line, Script};
use crate::settings::Settings;

/// How much the store keeps, in bytes.
const STORED_BYTES_MAX: usize = 1 << 16;
/// Room of an outlet that nobody limits.
const ROOM: usize = 1 << 20;

type Check = Result<(), String>;

/// How what comes is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pieces {
    /// A message at a time.
    Whole,
    /// A byte at a time.
    Bytes,
}

/// Plays a script in one version, and says where it departs from what happens.
pub(crate) fn play(script: &Script, version: Version, pieces: Pieces) -> Check {
    let mut player = Player::new(&script.settings, version, pieces);
    let at = |place: &str, why| {
        let by_bytes = if pieces == Pieces::Bytes { " (a byte at a time)" } else { "" };
        format!("{place}: {why}{by_bytes}")
    };
    for line in &script.lines {
        player.line(line).map_err(|why| at(&line.place, why))?;
    }
    match player.next_sent() {
        Ok(None) => Ok(()),
        Ok(Some(left)) => Err(at(&script.name, format!("at the end, `{left}` has left"))),
        Err(why) => Err(at(&script.name, format!("at the end, {why}"))),
    }
}

/// An outlet of a bounded number of bytes.
struct Pipe {
    sent: Vec<u8>,
    room: usize,
    slot: Vec<u8>,
}

impl Outlet for Pipe {
    fn reserve(&mut self, len: usize) -> Result<&mut [u8], Full> {
        if len > self.room {
            return Err(Full);
        }
        self.slot.resize(len, 0);
        Ok(&mut self.slot[..len])
    }

    fn commit(&mut self, used: usize) {
        self.room -= used;
        self.sent.extend_from_slice(&self.slot[..used]);
    }
}

/// Notes ClOrdIDs, answers orders, vetoes what it is told to.
struct App {
    echoes: bool,
    sends_on_logon: Option<String>,
    delivered: Vec<String>,
    ended: Vec<CloseReason>,
    logons: usize,
    vetoed: Vec<u32>,
}

impl Handler for App {
    fn on_logon<S: Store, O: Outlet>(&mut self, reply: &mut Sender<'_, S, O>) {
        self.logons += 1;
        if let Some(id) = &self.sends_on_logon {
            let _ = reply.send(b"D", |encoder| _ = encoder.put_str(tags::CL_ORD_ID, id));
        }
    }

    fn on_logout(&mut self, reason: CloseReason) {
        self.ended.push(reason);
    }

    fn on_message<S: Store, O: Outlet>(
        &mut self,
        message: &Message<'_>,
        reply: &mut Sender<'_, S, O>,
    ) {
        let id = message.field(tags::CL_ORD_ID).unwrap_or(b"?");
        self.delivered.push(String::from_utf8_lossy(id).into_owned());
        if self.echoes {
            let _ = reply.send(b"8", |encoder| _ = encoder.put_bytes(tags::CL_ORD_ID, id));
        }
    }

    fn may_resend(&mut self, seq: u32, _message: &Message<'_>) -> bool {
        !self.vetoed.contains(&seq)
    }
}

struct Player {
    session: Session,
    settings: Settings,
    version: Version,
    pieces: Pieces,
    app: App,
    pipe: Pipe,
    elapsed_ns: u64,
    closed: Option<CloseReason>,
}

impl Player {
    fn new(settings: &Settings, version: Version, pieces: Pieces) -> Player {
        let store = MemoryStore::new(settings.stored_messages_max, STORED_BYTES_MAX);
        Player {
            session: Session::new(settings.config(version), store),
            version,
            pieces,
            app: App {
                echoes: settings.echoes,
                sends_on_logon: settings.sends_on_logon.clone(),
                delivered: Vec::new(),
                ended: Vec::new(),
                logons: 0,
                vetoed: Vec::new(),
            },
            pipe: Pipe { sent: Vec::new(), room: ROOM, slot: Vec::new() },
            elapsed_ns: 0,
            closed: None,
            settings: settings.clone(),
        }
    }

    fn now(&self) -> Now {
        let utc = self.settings.start.as_unix_ns() + self.elapsed_ns;
        Now {
            mono: Instant::from_ms(1_000_000) + Duration::from_ns(self.elapsed_ns),
            utc: fixwire::time::UtcTime::from_unix_ns(utc),
        }
    }

    fn line(&mut self, line: &Line) -> Check {
        match &line.deed {
            Deed::Connect => {
                self.closed = None;
                let now = self.now();
                self.session.on_connect(now, &mut self.pipe);
                self.note(self.session.disposition());
            }
            Deed::Cut => self.session.on_disconnect(self.now(), &mut self.app),
            Deed::Restart => {
                let config = self.settings.config(self.version);
                let store = self.session.store().clone();
                self.session = Session::new(config, store);
            }
            Deed::Forget => {
                let (next_in, next_out) = (self.session.next_in(), self.session.next_out());
                let mut store =
                    MemoryStore::new(self.settings.stored_messages_max, STORED_BYTES_MAX);
                store.set_next_in(next_in);
                store.set_next_out(next_out).unwrap();
                self.session = Session::new(self.settings.config(self.version), store);
            }
            Deed::Comes(message) => {
                let bytes = message.bytes(self.version, self.now().utc);
                self.receive(&bytes);
            }
            Deed::BytesCome(text) => self.receive(text.replace('|', "\x01").as_bytes()),
            Deed::Leaves(expected) => return self.leaves(expected.as_deref()),
            Deed::Passes(span) => self.pass(*span),
            Deed::Closes(reason) => {
                self.leaves(None)?;
                let found = self.closed.map_or("open", CloseReason::name);
                return is(reason, found);
            }
            Deed::Room(room) => {
                self.pipe.room = *room;
                let now = self.now();
                let found = self.session.on_writable(now, &mut self.pipe, &mut self.app);
                self.note(found);
            }
            Deed::Calls { call, words } => return self.call(call, words),
            Deed::Stands { what, value } => return self.stands(what, value),
        }
        Ok(())
    }

    fn receive(&mut self, bytes: &[u8]) {
        let len = if self.pieces == Pieces::Bytes { 1 } else { bytes.len() };
        for piece in bytes.chunks(len) {
            let now = self.now();
            let found = self.session.on_bytes(now, piece, &mut self.pipe, &mut self.app);
            self.note(found);
        }
    }

    fn note(&mut self, disposition: Disposition) {
        if let Disposition::Close(reason) = disposition {
            self.closed = Some(reason);
        }
    }

    /// Every deadline on the way is met when it is due.
    fn pass(&mut self, span: Duration) {
        let until = self.elapsed_ns + span.as_ns();
        let end = self.now().mono + span;
        while self.closed.is_none() && self.session.next_timeout() <= end {
            let due = self.session.next_timeout();
            self.elapsed_ns += due.ns_since(self.now().mono);
            let now = self.now();
            let found = self.session.on_timeout(now, &mut self.pipe, &mut self.app);
            self.note(found);
        }
        self.elapsed_ns = until;
    }

    fn call(&mut self, call: &str, words: &str) -> Check {
        let now = self.now();
        match call {
            "send" => {
                let (id, refused) = words.split_once(" refused ").unwrap_or((words, "-"));
                let sent = self
                    .session
                    .send(now, &mut self.pipe, b"D", |e| _ = e.put_str(tags::CL_ORD_ID, id));
                let found = sent.err().map_or("-".to_owned(), |why| format!("{why:?}"));
                return is(refused, &found);
            }
            "logout" => self.session.logout(now, &mut self.pipe, words),
            "veto" => self.app.vetoed = words.split_whitespace().flat_map(str::parse).collect(),
            _ => return Err(format!("`{call}` is not played")),
        }
        self.note(self.session.disposition());
        Ok(())
    }

    fn stands(&mut self, what: &str, value: &str) -> Check {
        let found = match what {
            "next_in" => self.session.next_in().to_string(),
            "next_out" => self.session.next_out().to_string(),
            "delivered" => self.app.delivered.join(" "),
            "logons" => self.app.logons.to_string(),
            "ended" => {
                let names: Vec<&str> = self.app.ended.iter().map(|reason| reason.name()).collect();
                names.join(" ")
            }
            "state" => match self.session.state() {
                State::Closing(_) => "Closing".to_owned(),
                state => format!("{state:?}"),
            },
            _ => {
                let (name, count) = value.split_once(' ').unwrap_or((value, ""));
                let counted = self.session.counters().iter().find(|(counter, _)| *counter == name);
                let (_, counted) = counted.ok_or_else(|| format!("`{name}` is no counter"))?;
                return is(count, &counted.to_string());
            }
        };
        is(value, &found)
    }

    fn leaves(&mut self, expected: Option<&str>) -> Check {
        let infinity = if self.version < Version::Fix42 { "999999" } else { "0" };
        let expected = expected.map(|line| line.replace("$infinity", infinity));
        match (expected, self.next_sent()?) {
            (None, None) => Ok(()),
            (Some(expected), Some(left)) if expected == left => Ok(()),
            (None, Some(left)) => Err(format!("expected nothing, `{left}` has left")),
            (Some(expected), None) => Err(format!("expected `{expected}`, nothing has left")),
            (Some(expected), Some(left)) => {
                Err(format!("expected `{expected}`, `{left}` has left"))
            }
        }
    }

    fn next_sent(&mut self) -> Result<Option<String>, String> {
        take_first(&mut self.pipe.sent, self.version)
    }
}

fn is(expected: &str, found: &str) -> Check {
    if expected == found { Ok(()) } else { Err(format!("expected `{expected}`, found `{found}`")) }
}
