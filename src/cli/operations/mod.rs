//! What an operator has of a running engine beside its standard output: a log, a Prometheus endpoint and a control socket.
//! Each has a thread of its own, that keeps off the polling core.
//!
//! ```text
//!  polling core                                     threads of their own
//!  bytes of sessions ------> ring of bytes -------> log              message_log
//!  numbers, if asked for --> memory, a few a look -> metrics, status  board, exposition, metrics
//!  done between rounds <---- ring of commands <----- control          commands, control
//! ```

mod board;
mod commands;
mod control;
mod exposition;
mod metrics;
mod status;

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use fixwire::app::Application;
use fixwire::app::logged::Logged;
use fixwire::engine::Engine;
use fixwire::fix::SessionConfig;
use fixwire::offload::nic::Nic;
use fixwire::time::Now;
use fixwire_hw::clock::HostClock;
use fixwire_hw::core::BusyCore;
use serde_json::{Value, json};

use super::failure::Failure;
use super::hand_over::giving::Ready;
use super::hand_over::{self, Giving, Reception, Taking};
use super::message_log::{self, AskedLog, EventLog, LogArgs, LogProbe, LogSummary, MessageLog};
use super::session_file::SessionSettings;
use super::telling::{Teller, Voice};
use board::{Board, Writing};
use commands::Obeying;
use control::{Control, Counters, Listener};
use status::Status;

pub(crate) use control::Request;
pub(crate) use status::Views;

#[derive(Clone, Debug, Args)]
pub(crate) struct OperationsArgs {
    #[command(flatten)]
    log: LogArgs,
    /// Answer Prometheus here, on the kernel's sockets: every counter, sessions with states and numbers, offloads, and
    /// latency, at http://ADDR:PORT/metrics. A port alone is one of 127.0.0.1; nobody is asked who he is, so name another
    /// address with care.
    #[arg(long, value_name = "[ADDR:]PORT", value_parser = metrics_addr)]
    metrics: Option<SocketAddr>,
    /// Take commands of `fixwire ctl` at this path, a Unix socket that only this user may connect to.
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
    /// Wait so long for each answer of a process that takes over from this one by its --take-over, while counterparties wait for
    /// either; then go on. More than the time in which it opens all stores.
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    hand_over_within: u64,
}

/// A port alone is one of the loopback's.
fn metrics_addr(written: &str) -> Result<SocketAddr, String> {
    let port = written.parse().ok().map(|port: u16| SocketAddr::from(([127, 0, 0, 1], port)));
    port.or_else(|| written.parse().ok())
        .ok_or_else(|| "write a port, or an address and a port such as 127.0.0.1:9100".into())
}

/// What was asked for: files and sockets are open, and nothing runs.
#[derive(Default)]
pub(crate) struct Asked {
    log: Option<AskedLog>,
    metrics: Option<(SocketAddr, TcpListener)>,
    control: Option<Listener>,
}

impl OperationsArgs {
    /// How long an answer of whoever takes over may take.
    pub(crate) fn hand_over_within(&self) -> Duration {
        Duration::from_secs(self.hand_over_within)
    }

    /// Opens what is asked for. To be called before the process enters a namespace of its own.
    ///
    /// What the process that is `taken` over from has at the same places becomes ours with everything else.
    pub(crate) fn open(
        &self,
        sessions: &[SessionSettings],
        taken: Option<&mut Taking>,
    ) -> Result<Asked, Failure> {
        let metrics = |addr: SocketAddr| {
            let passed = taken.as_ref().and_then(|taken| taken.metrics(addr)?.ok());
            let listener = passed.map_or_else(|| metrics::listen(addr), Ok)?;
            Ok::<_, Failure>((addr, listener))
        };
        let (log, metrics) = (self.log.open(sessions)?, self.metrics.map(metrics).transpose()?);
        let control = match (&self.control, taken) {
            (None, _) => None,
            (Some(path), None) => Some(Listener::at(path)?),
            (Some(path), Some(taken)) => {
                let listener = Listener::beside(path, taken.has_control(path))?;
                taken.note(listener.made());
                Some(listener)
            }
        };
        Ok(Asked { log, metrics, control })
    }
}

impl Asked {
    /// Starts the log that was asked for, around the application of these sessions. To be called before the thread is
    /// pinned.
    pub(crate) fn start_log<A>(
        mut self,
        app: A,
        sessions: Vec<SessionConfig>,
    ) -> Result<(Logged<A>, Logging), Failure> {
        let (app, log) = message_log::start(self.log.take(), app, sessions)?;
        Ok((app, Logging { asked: self, log }))
    }
}

/// A log that runs or not, and what else was asked for.
pub(crate) struct Logging {
    asked: Asked,
    log: Option<MessageLog>,
}

impl Logging {
    /// Starts the rest beside an engine, which may be handed over as `giving` says, and of which `views` are shown. To be called
    /// before the thread is pinned.
    pub(crate) fn beside<N: Nic, A: Application>(
        self,
        engine: &Engine<N, A>,
        (giving, clock): (&Giving, &HostClock),
        views: Views,
    ) -> Result<Operations, Failure> {
        let Logging { asked, log } = self;
        let Asked { metrics, control, .. } = asked;
        let mut operations = Operations {
            probe: log.as_ref().map(MessageLog::probe),
            log,
            busy_cores: Vec::new(),
            board: None,
            writing: Writing::default(),
            obeying: None,
            counters: Arc::new(Counters::new()),
            control: None,
            ready: None,
            path_is_taken: false,
        };
        if metrics.is_none() && control.is_none() {
            return Ok(operations);
        }
        let board = Arc::new(Board::of(engine));
        operations.board = Some(Arc::clone(&board));
        let passed = metrics.as_ref().and_then(|(addr, of)| Some((*addr, of.try_clone().ok()?)));
        if let Some((_, listener)) = metrics {
            operations.serve_metrics(listener, Arc::clone(&board), &engine.plan().nic)?;
        }
        if let Some(listener) = control {
            let reception = giving.reception(listener.path().to_owned(), passed, clock);
            operations.ready = Some(Arc::clone(&reception.ready));
            let (plan, log) = (engine.plan().clone(), operations.probe.clone());
            let (begun, begun_at) = (Instant::now(), SystemTime::now());
            let status = Status { board, plan, log, views, begun, begun_at };
            operations.serve_control(listener, status, reception)?;
        }
        Ok(operations)
    }
}

/// What runs beside an engine.
pub(crate) struct Operations {
    log: Option<MessageLog>,
    probe: Option<LogProbe>,
    busy_cores: Vec<Arc<BusyCore>>,
    board: Option<Arc<Board>>,
    writing: Writing,
    obeying: Option<Obeying>,
    counters: Arc<Counters>,
    control: Option<Listener>,
    /// Whoever is ready to take over.
    ready: Option<Arc<Ready>>,
    /// The control socket's place is another process's now.
    path_is_taken: bool,
}

impl Operations {
    fn serve_metrics(
        &mut self,
        listener: TcpListener,
        board: Arc<Board>,
        nic: &str,
    ) -> Result<(), Failure> {
        let (nic, probe, counters) =
            (nic.to_owned(), self.probe.clone(), Arc::clone(&self.counters));
        self.start("metrics", move |busy_core| {
            metrics::serve(&listener, &|| {
                busy_core.heed();
                let shown = board.ask()?;
                let mut beside: Vec<(String, u64)> = Vec::new();
                let of_log = probe.iter().flat_map(LogProbe::counts);
                beside.extend(of_log.map(|(name, count)| (name.to_owned(), count)));
                beside.push(("control_done".to_owned(), counters.done()));
                let refused = counters.refused();
                beside.extend(
                    refused.map(|(name, count)| (format!("control_refused_{name}"), count)),
                );
                let beside: Vec<_> =
                    beside.iter().map(|(name, count)| (name.as_str(), *count)).collect();
                Some(exposition::text(&shown, &nic, &beside))
            });
        })
    }

    fn serve_control(
        &mut self,
        listener: Listener,
        mut status: Status,
        reception: Reception,
    ) -> Result<(), Failure> {
        let socket = listener.socket().map_err(|error| {
            Failure::run(format!("no file can be opened: {error}"), "raise the limit of open files")
        })?;
        self.control = Some(listener);
        let reception = Arc::new(reception);
        let (commander, obeying) = commands::pair();
        self.obeying = Some(obeying);
        let sessions = status.board.layout.sessions.clone();
        let counters = Arc::clone(&self.counters);
        self.start("control", move |busy_core| {
            let status = move || {
                busy_core.heed();
                status.answer()
            };
            Control { commander, sessions, status, reception }.serve(&socket, &counters);
        })
    }

    fn start(
        &mut self,
        name: &str,
        run: impl FnOnce(Arc<BusyCore>) + Send + 'static,
    ) -> Result<(), Failure> {
        let busy_core = Arc::new(BusyCore::default());
        self.busy_cores.push(Arc::clone(&busy_core));
        // It ends with the process.
        let started = thread::Builder::new().name(name.into()).spawn(move || run(busy_core));
        started.map(drop).map_err(|error| {
            Failure::run(format!("no thread can be started: {error}"), "raise the limit of threads")
        })
    }

    /// Keeps its threads off `core`, which another thread wants for itself.
    pub(crate) fn keep_off(&self, core: u16) {
        self.log.iter().for_each(|log| log.keep_off(core));
        self.busy_cores.iter().for_each(|busy_core| busy_core.set(core));
    }

    /// Where what happens is logged, if anywhere.
    pub(crate) fn events(&self) -> Option<EventLog> {
        self.log.as_ref().map(MessageLog::events)
    }

    /// Shows and does what was asked for. To be called between rounds; allocates nothing.
    pub(crate) fn look<N: Nic, A: Application>(
        &mut self,
        engine: &mut Engine<N, A>,
        now: impl FnOnce() -> Now,
        teller: Teller,
        voice: &Voice,
    ) {
        if let Some(board) = &self.board {
            self.writing.go_on(board, engine);
        }
        if let Some(obeying) = self.obeying.as_mut().filter(|obeying| obeying.has_orders())
            && let Some(promoted) = obeying.obey(engine, now())
        {
            teller.promoted(&promoted, voice);
        }
    }

    /// Whether somebody waits for the numbers that are being written.
    pub(crate) fn is_answering(&self) -> bool {
        self.writing.is_under_way()
    }

    /// Who is ready to take over, if anybody is. To be called between rounds; nobody costs a load.
    pub(crate) fn ready(&self) -> Option<hand_over::Asked> {
        self.ready.as_ref()?.take()
    }

    /// Where commands are taken.
    pub(crate) fn control_path(&self) -> Option<&Path> {
        self.control.as_ref().map(Listener::path)
    }

    /// Takes commands at the place where the process before did until now.
    pub(crate) fn publish(&mut self) -> io::Result<bool> {
        self.control.as_mut().map_or(Ok(false), Listener::publish)
    }

    /// Another process goes on: with a log of its own, and, if it `has_control_path`, with commands at our place.
    pub(crate) fn leave(&mut self, has_control_path: bool) {
        self.path_is_taken = has_control_path;
        self.log.iter().for_each(MessageLog::leave);
    }

    /// Ends all of it. To be called when nothing more passes.
    pub(crate) fn finish(self) -> Summary {
        if let Some(path) = self.control_path().filter(|_| !self.path_is_taken) {
            let _ = fs::remove_file(path);
        }
        let control = self.control.is_some().then(|| {
            let refused: serde_json::Map<String, Value> = self
                .counters
                .refused()
                .filter(|(_, count)| *count > 0)
                .map(|(name, count)| (name.to_owned(), count.into()))
                .collect();
            json!({ "done": self.counters.done(), "refused": refused })
        });
        Summary { log: self.log.map(MessageLog::finish), control }
    }
}

/// What it came to.
pub(crate) struct Summary {
    log: Option<LogSummary>,
    control: Option<Value>,
}

impl Summary {
    /// What a report has of it, by its keys.
    pub(crate) fn add_to(&self, report: &mut Value) {
        report["log"] = self.log.as_ref().map(LogSummary::json).into();
        report["control"] = self.control.clone().into();
    }

    /// The same for people, behind everything else.
    pub(crate) fn for_people(&self) -> String {
        let log = self.log.iter().map(|log| format!("\n\n{}", log.for_people()));
        let control = self.control.iter().map(|control| {
            let refused = control["refused"].as_object().into_iter().flatten();
            let refused: Vec<_> = refused.map(|(name, count)| format!("{name} {count}")).collect();
            let refused = if refused.is_empty() { "none".into() } else { refused.join(", ") };
            format!("\n\ncontrol socket: {} requests done, refused {refused}", control["done"])
        });
        log.chain(control).collect()
    }
}
