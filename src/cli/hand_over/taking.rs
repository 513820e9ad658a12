//! The new process: it brings an engine up beside the old one's, and goes on where that stopped.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fixwire::app::{Application, SessionId};
use fixwire::engine::Engine;
use fixwire::hand_over::{FORMAT, TakenOver};
use fixwire::journal_file::{FileStore, HeldFile};
use fixwire::offload::nic::Nic;
use fixwire::time::{Clock, Instant, Now};
use fixwire_hw::clock::HostClock;
use fixwire_hw::tap::{KernelSide, Name, TapBackend, TapError, TapShare};
use serde_json::{Value, json};

use super::super::failure::Failure;
use super::super::nic_spec::NicSpec;
use super::super::operations::Operations;
use super::super::session_file::SessionSettings;
use super::line::Line;
use super::{ANSWER_WITHIN, Baton, Kernel, Offer, READY_WITHIN, Word};

/// What the old process may take from its last round to its state, its stores closed.
const STATE_WITHIN: Duration = Duration::from_secs(30);

/// A process that may be taken over from.
pub(crate) struct Taking {
    from: PathBuf,
    line: Line,
    offer: Offer,
    share: TapShare,
    baton: Baton,
    metrics: Option<TcpListener>,
    /// A file that is in nobody's way once this process serves, and is to go if it does not.
    made: Option<PathBuf>,
}

/// What was taken over, and when the old process polled last.
pub(crate) struct Taken {
    pub(crate) what: TakenOver,
    exported_at: Instant,
    state_len: usize,
    from: PathBuf,
}

impl Taking {
    /// Asks the process whose control socket is at `path`. To be called before there is a clock: this process goes on by that
    /// one's.
    ///
    /// # Errors
    /// It does not run, refuses, or is of another version; it goes on.
    pub(crate) fn ask(path: &Path) -> Result<Taking, Failure> {
        let shown = path.display();
        let stream = UnixStream::connect(path).map_err(|error| {
            Failure::run(
                format!("nobody can be taken over from at {shown}: {error}"),
                "name the path that the running engine was given by --control",
            )
        })?;
        let lost = |error: io::Error| {
            Failure::run(
                format!("no offer came from {shown}: {error}"),
                "look at that process, and try again; it goes on",
            )
        };
        let mut line = Line::new(stream);
        let program = env!("CARGO_PKG_VERSION");
        let request = json!({ "command": "hand-over", "program": program, "format": FORMAT });
        line.say_text(&request.to_string(), &[], ANSWER_WITHIN).map_err(lost)?;
        let answer: Value = serde_json::from_str(&line.text(READY_WITHIN).map_err(lost)?)
            .map_err(|error| lost(error.into()))?;
        let words = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
        if answer.get("refused").is_some() {
            return Err(Failure::run(
                format!("{shown} hands nothing over: {}", words("why")),
                format_args!("{}. It goes on", words("remedy")),
            ));
        }
        // The format before all else: nothing else may be where it is looked for.
        let theirs = &answer["offer"]["format"];
        if *theirs != json!(FORMAT) {
            let (by, ours) = (&answer["offer"]["program"], json!(FORMAT));
            return Err(Failure::run(
                format!(
                    "version_unfit: {shown} is fixwire {by} and hands over by {theirs}, and this one, {program}, \
                     takes over by {ours}"
                ),
                "log out there and start anew, between two trading sessions. It goes on",
            ));
        }
        let offer: Offer =
            serde_json::from_value(answer["offer"].clone()).map_err(|error| lost(error.into()))?;
        let device = [line.handle().map_err(lost)?, line.handle().map_err(lost)?];
        let baton = Baton::passed(line.handle().map_err(lost)?);
        let metrics = offer.metrics.map(|_| line.handle().map(TcpListener::from));
        let metrics = metrics.transpose().map_err(lost)?;
        let Kernel { name, addr, prefix_len, mtu, mac, existed } = &offer.kernel;
        let kernel = KernelSide {
            name: Name::parse(name).map_err(|error| Failure::Run(error.to_string()))?,
            addr: *addr,
            prefix_len: *prefix_len,
            has_addr: true,
            mtu: *mtu,
            mac: *mac,
            existed: *existed,
        };
        let share = TapShare::passed(device, kernel, offer.nic.clone());
        if !HostClock::go_on_from(offer.origin_ns).map_err(lost)? {
            return Err(Failure::Run("this process has a clock of its own already".into()));
        }
        Ok(Taking { from: path.to_owned(), line, offer, share, baton, metrics, made: None })
    }

    /// The device, not to be polled yet.
    ///
    /// # Errors
    /// Another one was asked for.
    pub(crate) fn backend(&self, asked: &NicSpec) -> Result<Result<TapBackend, TapError>, Failure> {
        if asked.to_string() != self.offer.nic {
            return Err(Failure::Input(format!(
                "{} has the device `{}`, and `--nic {asked}` asks for another; write `--nic {}`",
                self.from.display(),
                self.offer.nic,
                self.offer.nic
            )));
        }
        let (what, name) = ("sharing", self.offer.kernel.name.clone());
        Ok(self.share.backend().map_err(|source| TapError::Failed { what, name, source }))
    }

    /// What numbers are made of.
    pub(crate) fn secret(&self) -> [u8; 16] {
        self.offer.secret
    }

    /// Whether the old process has its control socket there: it is this one's once it serves.
    pub(crate) fn has_control(&self, path: &Path) -> bool {
        let real = |path: &Path| path.canonicalize().ok();
        self.offer.control == path
            || (real(path).is_some() && real(&self.offer.control) == real(path))
    }

    /// The old process's socket for Prometheus, if it has one there.
    pub(crate) fn metrics(&self, addr: SocketAddr) -> Option<io::Result<TcpListener>> {
        let listener = self.metrics.as_ref().filter(|_| self.offer.metrics == Some(addr));
        listener.map(TcpListener::try_clone)
    }

    /// Has a socket and its folder removed, if this process does not come to serve.
    pub(crate) fn note(&mut self, made: Option<&Path>) {
        self.made = made.map(Path::to_owned);
    }

    /// Has the old process stop, goes on from where it did, and serves from here on: `engine` is to be polled at once.
    /// What is asked of `operations` it is asked from here on in the other's place.
    ///
    /// # Errors
    /// The old process goes on, and `engine` is not to be polled.
    pub(crate) fn finish<N: Nic, A: Application>(
        self,
        engine: &mut Engine<N, A>,
        (app, sessions): (&str, &[SessionSettings]),
        clock: &HostClock,
        operations: &mut Operations,
    ) -> Result<Taken, Failure> {
        let has_control_path = operations.control_path().is_some_and(|path| self.has_control(path));
        let Taking { from, mut line, offer, share, baton, made, .. } = self;
        let abandon = |why: &str| -> ! { abandon(&from, made.as_deref(), why) };
        let failed = |error: io::Error| {
            Failure::run(
                format!("taking over from {} failed: {error}", from.display()),
                "look at that process: it goes on",
            )
        };
        if app != offer.app {
            let why = format!("it runs `{}`, and this process `{app}`", offer.app);
            let word = Word::Refused { name: "application_differs".into(), why: why.clone() };
            let _ = line.say(&word, &[], ANSWER_WITHIN);
            return Err(failed(io::Error::other(why)));
        }
        line.say(&Word::Ready, &[], ANSWER_WITHIN).map_err(failed)?;
        let mut files: Vec<(Vec<u8>, HeldFile)> = Vec::new();
        let (exported_at, state) = loop {
            match line.word(STATE_WITHIN).map_err(failed)? {
                Word::Stores(names) => {
                    for name in names {
                        let file = HeldFile::passed(line.handle().map_err(failed)?);
                        files.push((name.0, file));
                    }
                }
                Word::State { exported_at_ns, state } => {
                    break (Instant::from_ns(exported_at_ns), state);
                }
                Word::Refused { why, .. } => return Err(failed(io::Error::other(why))),
                _ => return Err(failed(io::ErrorKind::InvalidData.into())),
            }
        };
        // From here on files of its are mapped: whatever fails, nothing of them is closed here.
        let refuse = |line: &mut Line, name: &str, why: String| -> ! {
            let word = Word::Refused { name: name.into(), why: why.clone() };
            let _ = line.say(&word, &[], ANSWER_WITHIN);
            abandon(&why)
        };
        if let Err(why) = take_stores(engine, sessions, &files) {
            refuse(&mut line, "store_refused", why);
        }
        let then = Now { mono: exported_at, utc: clock.utc(exported_at) };
        let what = match engine.import(then, &state) {
            Ok(what) => what,
            Err(why) => refuse(&mut line, why.name(), why.to_string()),
        };
        if let Err(error) = line.say(&Word::Imported, &[], ANSWER_WITHIN) {
            abandon(&error.to_string());
        }
        match line.word(STATE_WITHIN) {
            Ok(Word::Go) => {}
            Ok(Word::Refused { why, .. }) => abandon(&why),
            Ok(_) => abandon("it says what has no place here"),
            Err(error) => abandon(&error.to_string()),
        }
        match baton.pick_up() {
            Ok(true) => {}
            Ok(false) => abandon("it was waited for too long"),
            Err(error) => abandon(&error.to_string()),
        }
        // From here on nobody else serves.
        if let Err(error) = share.settle(engine.plan()) {
            abandon(&error.to_string());
        }
        let has_control_path = operations.publish().is_ok() && has_control_path;
        // Whoever does not hear it finds no baton.
        let _ = line.say(&Word::Serving { has_control_path }, &[], ANSWER_WITHIN);
        Ok(Taken { what, exported_at, state_len: state.len(), from })
    }
}

/// The old process has gone on, or may: what is mapped here is its again, and nothing of it is closed.
fn abandon(from: &Path, made: Option<&Path>, why: &str) -> ! {
    if let Some(made) = made {
        let _ = fs::remove_file(made);
        let _ = made.parent().map(fs::remove_dir);
    }
    super::super::warn(format_args!(
        "taking over from {} failed: {why}; it goes on",
        from.display()
    ));
    std::process::exit(1)
}

/// Opens the stores of sessions that have one: the old process's files, and those that it does not have.
fn take_stores<N: Nic, A: Application>(
    engine: &mut Engine<N, A>,
    sessions: &[SessionSettings],
    files: &[(Vec<u8>, HeldFile)],
) -> Result<(), String> {
    for (number, settings) in (0..).zip(sessions) {
        let Some(plan) = &settings.store else { continue };
        let identity = settings.identity();
        let store = match files.iter().find(|(of, _)| *of == identity) {
            Some((_, file)) => FileStore::reopen(file, plan, &identity),
            None => FileStore::open(plan, &identity),
        };
        let store = store.map_err(|error| error.to_string())?;
        engine.keep_in(SessionId(number), Box::new(store));
    }
    Ok(())
}

impl Taken {
    /// What is told of it, once the first round was polled.
    pub(crate) fn told(&self, clock: &HostClock) -> Value {
        json!({
            "event": "taken_over",
            "from": self.from,
            "sessions": self.what.sessions,
            "connections": self.what.connections,
            "neighbors": self.what.neighbors,
            "state_bytes": self.state_len,
            "pause_us": clock.now().mono.ns_since(self.exported_at) / 1_000,
        })
    }
}

/// The same in words.
pub(crate) fn in_words(told: &Value) -> String {
    format!(
        "took over {} sessions and {} connections from {}: {} us between its last round and our first",
        told["sessions"],
        told["connections"],
        told["from"].as_str().unwrap_or_default(),
        told["pause_us"]
    )
}
