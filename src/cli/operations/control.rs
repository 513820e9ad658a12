//! The control socket: a request and an answer a connection, a JSON object each, on a thread of its own.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrayvec::ArrayString;
use fixwire::app::SessionId;
use fixwire::desk::SessionRefusal;
use fixwire::fix::SessionConfig;
use fixwire::hand_over::{FORMAT, Format};
use fixwire::offload::capability::Capability;
use fixwire::operate::OffloadRefusal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::called::Called;
use super::super::failure::Failure;
use super::super::hand_over::{Kept, Reception};
use super::commands::{Answer, Command, Commander, TEXT_LEN_MAX};

/// The longest request, in bytes.
const REQUEST_LEN_MAX: u64 = 4 * 1024;
/// As many sessions are named that one of them may have been meant.
const NAMED_MAX: usize = 16;
/// How long a client may take to ask, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is asked by a client, as JSON: `{"command":"set-seq","session":"US->THEM","next_out":7}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Request {
    Status,
    Logout {
        session: String,
        text: Option<String>,
    },
    Logon {
        session: String,
    },
    SetSeq {
        session: String,
        next_out: Option<u32>,
        next_in: Option<u32>,
    },
    Reset {
        session: String,
    },
    Demote {
        offload: String,
    },
    Promote {
        offload: Option<String>,
    },
    /// Asked by `--take-over`, and by no command: who is answered by an offer goes on to take it.
    HandOver {
        program: String,
        format: Format,
    },
}

/// Why a request was refused, before it came to the engine or by the engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("this is no request: {0}")]
    NoRequest(String),
    #[error("no session is called {0:?}")]
    SessionNotFound(String),
    #[error("more than one session is called {0:?}: {1}")]
    SessionAmbiguous(String, String),
    #[error("no offload is called {0:?}")]
    OffloadNotFound(String),
    #[error("neither --next-out nor --next-in was given")]
    NoNumber,
    #[error("the text has more than {TEXT_LEN_MAX} bytes, or others than printable ASCII")]
    TextUnfit,
    #[error("the engine does not answer")]
    Silent,
    #[error("{0}")]
    Session(SessionRefusal),
    #[error("{0}")]
    Offload(OffloadRefusal),
    #[error("version_unfit: it is fixwire {program} and takes over by {format}, and this one, {}, hands over by {FORMAT}", env!("CARGO_PKG_VERSION"))]
    VersionUnfit { program: String, format: Format },
    #[error("{0}")]
    Kept(#[from] Kept),
}

/// Names of refusals that come before the engine is asked.
const NAMES: [&str; 8] = [
    "no_request",
    "session_not_found",
    "session_ambiguous",
    "offload_not_found",
    "no_number",
    "text_unfit",
    "engine_silent",
    "version_unfit",
];

impl Refusal {
    fn name(&self) -> &'static str {
        match self {
            Refusal::NoRequest(_) => NAMES[0],
            Refusal::SessionNotFound(_) => NAMES[1],
            Refusal::SessionAmbiguous(..) => NAMES[2],
            Refusal::OffloadNotFound(_) => NAMES[3],
            Refusal::NoNumber => NAMES[4],
            Refusal::TextUnfit => NAMES[5],
            Refusal::Silent => NAMES[6],
            Refusal::VersionUnfit { .. } => NAMES[7],
            Refusal::Kept(kept) => kept.name(),
            Refusal::Session(refusal) => refusal.name(),
            Refusal::Offload(refusal) => refusal.name(),
        }
    }

    fn remedy(&self) -> &'static str {
        match self {
            Refusal::NoRequest(_) => "ask by `fixwire ctl`",
            Refusal::SessionNotFound(_) => "`status` has their names",
            Refusal::SessionAmbiguous(..) => "write the whole name of one of them",
            Refusal::OffloadNotFound(_) => "`status` has their names",
            Refusal::NoNumber => "give one of them",
            Refusal::TextUnfit => "shorten it",
            Refusal::Silent => "look at its core: it may still do what was asked",
            Refusal::VersionUnfit { .. } => "log out and start anew, between two trading sessions",
            Refusal::Kept(Kept::NotGiven(_)) => "log out and start anew",
            Refusal::Kept(Kept::Busy) => "wait for it, or end it",
            Refusal::Kept(_) => "look at the new process, and try again",
            Refusal::Session(SessionRefusal::Connected) => "`logout` it first",
            Refusal::Session(SessionRefusal::NumberOutOfRange) => "write another",
            Refusal::Session(SessionRefusal::StoreFailed) => "look at the disk, and start anew",
            Refusal::Session(SessionRefusal::LoggedOutAlready) => "`logon` lets it come back",
            Refusal::Session(SessionRefusal::NotLoggedOut) => "`status` says where it stands",
            Refusal::Session(_) => "look at `status`",
            Refusal::Offload(OffloadRefusal::Required) => "write \"prefer\" in the profile",
            Refusal::Offload(_) => "`status` says whose it is",
        }
    }
}

/// How often something was done, and refused by reason.
pub(super) struct Counters {
    done: AtomicU64,
    refused: Vec<(&'static str, AtomicU64)>,
}

impl Counters {
    pub(super) fn new() -> Counters {
        let of_session = SessionRefusal::ALL.map(SessionRefusal::name);
        let of_offload = OffloadRefusal::ALL.map(OffloadRefusal::name);
        let names = NAMES.into_iter().chain(of_session).chain(of_offload).chain(Kept::NAMES);
        let refused = names.map(|name| (name, AtomicU64::new(0))).collect();
        Counters { done: AtomicU64::new(0), refused }
    }

    fn count(&self, refusal: Option<&Refusal>) {
        let counter = match refusal {
            None => Some(&self.done),
            Some(refusal) => {
                let name = refusal.name();
                self.refused.iter().find(|(of, _)| *of == name).map(|(_, counter)| counter)
            }
        };
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// By reason.
    pub(super) fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.refused.iter().map(|(name, count)| (*name, count.load(Ordering::Relaxed)))
    }
}

/// A socket that is listened on; its file goes with it.
pub(super) struct Listener {
    pub(super) socket: UnixListener,
    path: PathBuf,
    /// Where it is until it is put in its place.
    made: Option<PathBuf>,
}

impl Listener {
    /// Listens at a path, of which a file that nobody listens at is no other's. Nobody but this user may connect.
    pub(super) fn at(path: &Path) -> Result<Listener, Failure> {
        let mut listener = Listener::beside(path, false)?;
        listener.publish().map_err(|error| unusable(path, &error))?;
        Ok(listener)
    }

    /// The same, but for its place, which it has once it is [published](Listener::publish): where `is_taken_over`, that of
    /// whoever listens there.
    pub(super) fn beside(path: &Path, is_taken_over: bool) -> Result<Listener, Failure> {
        let failed = |why: String| Failure::Input(format!("--control {}: {why}", path.display()));
        match fs::symlink_metadata(path) {
            Err(_) => {}
            Ok(about) if !about.file_type().is_socket() => {
                return Err(failed("there is another file; name a path of its own".into()));
            }
            Ok(_) if !is_taken_over && UnixStream::connect(path).is_ok() => {
                return Err(failed("somebody listens there; name another path".into()));
            }
            // What a process left that ended early; replaced below.
            Ok(_) => {}
        }
        let (socket, made) = bind(path).map_err(|error| unusable(path, &error))?;
        Ok(Listener { socket, path: path.to_owned(), made: Some(made) })
    }

    /// Puts it in its place. Says whether it was not there before.
    pub(super) fn publish(&mut self) -> std::io::Result<bool> {
        let Some(made) = self.made.take() else { return Ok(false) };
        let renamed = fs::rename(&made, &self.path);
        discard(&made);
        renamed.map(|()| true)
    }

    /// Where it is, if that is not its place.
    pub(super) fn made(&self) -> Option<&Path> {
        self.made.as_deref()
    }

    /// Another handle of it, for whoever listens.
    pub(super) fn socket(&self) -> std::io::Result<UnixListener> {
        self.socket.try_clone()
    }

    /// Whoever listened is gone: so is the file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(made) = &self.made {
            discard(made);
        }
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    let remedy = match error.kind() {
        ErrorKind::NotFound => "create its folder first",
        ErrorKind::PermissionDenied => "name a folder that you may write to",
        ErrorKind::InvalidInput => "name a shorter path",
        _ => "name another path",
    };
    let path = path.display();
    Failure::Input(format!("--control {path}: it cannot be listened on: {error}; {remedy}"))
}

/// Makes the socket in a folder that nobody else may enter, to be moved to its place when nobody else may connect.
fn bind(path: &Path) -> std::io::Result<(UnixListener, PathBuf)> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let folder = PathBuf::from(name);
    DirBuilder::new().mode(0o700).create(&folder)?;
    let made = folder.join("s");
    let bound = UnixListener::bind(&made).and_then(|socket| {
        fs::set_permissions(&made, Permissions::from_mode(0o600))?;
        Ok(socket)
    });
    if bound.is_err() {
        discard(&made);
    }
    Ok((bound?, made))
}

/// Removes what was made and not moved, and its folder.
fn discard(made: &Path) {
    let _ = fs::remove_file(made);
    if let Some(folder) = made.parent() {
        let _ = fs::remove_dir(folder);
    }
}

/// What answers requests.
pub(super) struct Control<S> {
    pub(super) commander: Commander,
    pub(super) sessions: Vec<SessionConfig>,
    /// What `status` answers, or `None` where the engine does not.
    pub(super) status: S,
    /// What is offered to whoever is to take over.
    pub(super) reception: Arc<Reception>,
}

impl<S: FnMut() -> Option<Value>> Control<S> {
    /// Answers whoever connects, for ever.
    pub(super) fn serve(mut self, socket: &UnixListener, counters: &Arc<Counters>) {
        loop {
            match socket.accept() {
                // A client that fails is its own business, and asks again.
                Ok((stream, _)) => drop(self.answer(stream, counters)),
                Err(_) => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    fn answer(&mut self, stream: UnixStream, counters: &Arc<Counters>) -> std::io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut line = String::new();
        BufReader::new((&stream).take(REQUEST_LEN_MAX)).read_line(&mut line)?;
        let request = serde_json::from_str::<Request>(&line)
            .map_err(|error| Refusal::NoRequest(error.to_string()));
        let outcome = match request {
            Ok(Request::HandOver { program, format }) => match self.admit(program, format) {
                Ok(()) => return self.hand_over(stream, counters),
                Err(refusal) => Err(refusal),
            },
            Ok(request) => self.act(&request),
            Err(refusal) => Err(refusal),
        };
        counters.count(outcome.as_ref().err());
        let answer = outcome.unwrap_or_else(|refusal| {
            json!({
                "refused": refusal.name(),
                "why": refusal.to_string(),
                "remedy": refusal.remedy(),
            })
        });
        let mut stream = stream;
        writeln!(stream, "{answer}")
    }

    /// Whether whoever asks to take over may be offered anything.
    fn admit(&self, program: String, format: Format) -> Result<(), Refusal> {
        if format != FORMAT {
            return Err(Refusal::VersionUnfit { program, format });
        }
        Ok(self.reception.admit()?)
    }

    /// On a thread of its own: others ask meanwhile.
    fn hand_over(&self, stream: UnixStream, counters: &Arc<Counters>) -> std::io::Result<()> {
        let (reception, counters) = (Arc::clone(&self.reception), Arc::clone(counters));
        let receive = move || {
            let done = reception.receive(stream).map_err(Refusal::Kept);
            counters.count(done.as_ref().err());
        };
        let begun = std::thread::Builder::new().name("hand-over".into()).spawn(receive);
        begun.map(drop).inspect_err(|_| self.reception.dismiss())
    }

    fn act(&mut self, request: &Request) -> Result<Value, Refusal> {
        let command = match request {
            Request::Status => return (self.status)().ok_or(Refusal::Silent),
            Request::Logout { session, text } => {
                let text = text.as_deref().unwrap_or("by an operator");
                let is_fit = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
                let text = ArrayString::from(text).ok().filter(|_| is_fit);
                Command::LogOut(self.session(session)?, text.ok_or(Refusal::TextUnfit)?)
            }
            Request::Logon { session } => Command::LogOn(self.session(session)?),
            Request::SetSeq { next_out: None, next_in: None, .. } => return Err(Refusal::NoNumber),
            Request::SetSeq { session, next_out, next_in } => Command::SetNumbers {
                session: self.session(session)?,
                next_out: *next_out,
                next_in: *next_in,
            },
            Request::Reset { session } => Command::Reset(self.session(session)?),
            Request::Demote { offload } => Command::Demote(capability(offload)?),
            Request::Promote { offload: Some(offload) } => Command::Promote(capability(offload)?),
            Request::Promote { offload: None } => Command::PromoteAll,
            Request::HandOver { .. } => return Err(Refusal::Silent),
        };
        match self.commander.command(command).ok_or(Refusal::Silent)? {
            Answer::Done => Ok(json!({ "done": true })),
            Answer::Numbers { next_out, next_in } => {
                Ok(json!({ "done": true, "next_out": next_out, "next_in": next_in }))
            }
            Answer::Promoted(those) => {
                let names: Vec<_> = those.iter().map(|of| of.name()).collect();
                Ok(json!({ "done": true, "promoted": names }))
            }
            Answer::Session(refusal) => Err(Refusal::Session(refusal)),
            Answer::Offload(refusal) => Err(Refusal::Offload(refusal)),
        }
    }

    /// The session that this names better than any other.
    fn session(&self, written: &str) -> Result<SessionId, Refusal> {
        let called = (0..).zip(self.sessions.iter().map(Called::of));
        let fits = called.filter_map(|(id, called)| Some((called.fit(written)?, id, called)));
        let mut found: Vec<_> = fits.collect();
        let best = found.iter().map(|(fit, ..)| *fit).min();
        found.retain(|(fit, ..)| Some(*fit) == best);
        match &found[..] {
            [] => Err(Refusal::SessionNotFound(written.into())),
            [(_, id, _)] => Ok(SessionId(*id)),
            several => {
                let named = several.iter().take(NAMED_MAX).map(|(.., called)| called.name());
                let mut named = named.collect::<Vec<_>>().join(", ");
                if several.len() > NAMED_MAX {
                    named += &format!(" and {} more", several.len() - NAMED_MAX);
                }
                Err(Refusal::SessionAmbiguous(written.into(), named))
            }
        }
    }
}

fn capability(written: &str) -> Result<Capability, Refusal> {
    let found = Capability::ALL.into_iter().find(|of| of.name() == written);
    found.ok_or_else(|| Refusal::OffloadNotFound(written.into()))
}

#[cfg(test)]
mod tests {
    use fixwire::fix::{CompId, Role, Version};

    use super::super::super::hand_over::NotGiven;
    use super::super::commands;
    use super::*;

    fn control() -> Control<impl FnMut() -> Option<Value>> {
        let config = |version, target| {
            let id = |text| CompId::new(text).unwrap();
            SessionConfig::new(version, Role::Initiator, id("US"), id(target))
        };
        let sessions = vec![
            config(Version::Fix44, "A"),
            config(Version::Fix42, "A"),
            config(Version::Fix44, "B"),
        ];
        let (commander, _) = commands::pair();
        let reception = Arc::new(Reception::of_nothing(NotGiven::Model));
        Control { commander, sessions, status: || Some(json!({ "sessions": [] })), reception }
    }

    #[test]
    fn what_is_refused_before_the_engine_is_asked_has_a_reason_and_counts() {
        let mut control = control();
        let hand_over = |format: Format| {
            json!({ "command": "hand-over", "program": "0.9", "format": format }).to_string()
        };
        let counters = Arc::new(Counters::new());
        for (request, refused) in [
            ("", "no_request"),
            ("{\"command\":\"halt\"}", "no_request"),
            ("{\"command\":\"reset\",\"session\":\"B\",\"now\":1}", "no_request"),
            ("{\"command\":\"reset\",\"session\":\"C\"}", "session_not_found"),
            ("{\"command\":\"reset\",\"session\":\"US->A\"}", "session_ambiguous"),
            ("{\"command\":\"set-seq\",\"session\":\"B\"}", "no_number"),
            ("{\"command\":\"demote\",\"offload\":\"tea\"}", "offload_not_found"),
            ("{\"command\":\"logout\",\"session\":\"B\",\"text\":\"a\\u0001b\"}", "text_unfit"),
            (&hand_over(FORMAT), "not_passable"),
            (&hand_over(Format { tcp: FORMAT.tcp + 1, ..FORMAT }), "version_unfit"),
            (&hand_over(Format { session: 0, ..FORMAT }), "version_unfit"),
        ] {
            let (ours, theirs) = UnixStream::pair().unwrap();
            (&ours).write_all(format!("{request}\n").as_bytes()).unwrap();
            control.answer(theirs, &counters).unwrap();
            let answer: Value = serde_json::from_reader(&ours).unwrap();
            assert_eq!(answer["refused"], refused, "{request}: {answer}");
            assert!(answer["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()));
        }
        let counted: Vec<_> = counters.refused().filter(|(_, count)| *count > 0).collect();
        assert_eq!((counted[0], counted.len(), counters.done()), (("no_request", 3), 8, 0));
    }

    #[test]
    fn a_session_is_found_by_what_tells_it_from_others() {
        let control = control();
        assert_eq!(control.session("B"), Ok(SessionId(2)));
        assert_eq!(control.session("US->B"), Ok(SessionId(2)));
        assert_eq!(control.session("FIX.4.2:US->A"), Ok(SessionId(1)));
        let said = control.session("US->A").unwrap_err().to_string();
        assert!(said.ends_with("\"US->A\": FIX.4.4:US->A, FIX.4.2:US->A"), "{said}");
    }

    #[test]
    fn sessions_that_differ_by_sub_ids_alone_have_names_of_their_own() {
        let mut control = control();
        for (sub_id, location_id) in [("ANN", None), ("BOB", None), ("BOB", Some("NYC"))] {
            let mut config = control.sessions[2].clone();
            config.sender_sub_ids.sub_id = CompId::new(sub_id);
            config.target_sub_ids.location_id = location_id.and_then(CompId::new);
            control.sessions.push(config);
        }
        for (written, id) in [
            ("FIX.4.4:US->B", 2),
            ("US->B", 2),
            ("FIX.4.4:US/ANN->B", 3),
            ("US/ANN->B", 3),
            ("US/BOB->B", 4),
            ("FIX.4.4:US/BOB->B//NYC", 5),
            ("B//NYC", 5),
        ] {
            assert_eq!(control.session(written), Ok(SessionId(id)), "{written}");
        }
        // Without the one that has no sub-ID, what all have is no name of any.
        control.sessions.remove(2);
        let said = control.session("US->B").unwrap_err();
        let named = "FIX.4.4:US/ANN->B, FIX.4.4:US/BOB->B, FIX.4.4:US/BOB->B//NYC";
        assert_eq!(said, Refusal::SessionAmbiguous("US->B".into(), named.into()));
    }

    #[test]
    fn the_socket_is_its_owner_s_alone_and_stands_in_nobody_s_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c");
        let listener = Listener::at(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!((mode & 0o777, fs::read_dir(folder.path()).unwrap().count()), (0o600, 1));
        let said = |path: &Path| Listener::at(path).err().unwrap().to_string();
        assert!(said(&path).contains("somebody listens there"));
        drop(listener);
        // What a process left that ended early.
        assert!(path.exists() && Listener::at(&path).is_ok());
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(said(&folder.path().join("file")).contains("there is another file"));
        assert!(said(&folder.path().join("none/c")).contains("create its folder first"));
    }
}
