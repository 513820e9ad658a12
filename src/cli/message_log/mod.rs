//! `--log`: what sessions read and wrote, and what became of them, in files of QuickFIX's names and form and as JSON,
//! written by a thread of its own.

mod cut;
mod files;
mod mask;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use fixwire::app::logged::{LogCounters, Logged, RING_LEN};
use fixwire::fix::SessionConfig;
use fixwire_hw::core::BusyCore;
use serde_json::{Value, json};

use super::failure::Failure;
use super::session_file::SessionSettings;
use super::telling::Line;
use super::warn;
use files::{Files, Rotation};
use writer::Writer;

#[derive(Clone, Debug, Args)]
pub(crate) struct LogArgs {
    /// Write what sessions read and write, and what becomes of them, into this folder, by QuickFIX's names
    /// (`FIX.4.4-SENDER-TARGET.messages.current.log`, `.event.current.log`); `fixwire decode` shows them. Over
    /// `file_log_path` of the session file.
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
    /// How: `quickfix` is QuickFIX's form, `json` a JSON object a line (`.jsonl`), `both` two files each.
    #[arg(long, value_name = "FORM", value_enum, default_value_t = LogForm::Quickfix)]
    log_form: LogForm,
    /// Begin a new file, the old one kept as `.backup.N.log`, before one is longer than this, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 1_024, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    log_max_mib: u64,
    /// And with each day, UTC.
    #[arg(long)]
    log_daily: bool,
    /// Memory between the polling core and the log's writer, in MiB: what the files may fall behind by. When it is
    /// full, messages are missing from the log, counted and told, and sessions go on.
    #[arg(long, value_name = "MIB", default_value_t = (RING_LEN >> 20) as u64, value_parser = clap::value_parser!(u64).range(1..=4_096))]
    log_ring_mib: u64,
}

/// What a log is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogForm {
    Quickfix,
    Json,
    Both,
}

/// Events that wait to be written. More than that are lost, and counted.
const EVENTS_MAX: usize = 1_024;
/// How long the end of a run waits for the writer.
const FINISH_WITHIN: Duration = Duration::from_secs(5);

impl LogArgs {
    /// Opens the files of the sessions that have a log. To be called before the process enters a namespace of its own.
    pub(crate) fn open(&self, sessions: &[SessionSettings]) -> Result<Option<AskedLog>, Failure> {
        let folder =
            |session: &SessionSettings| self.log.clone().or_else(|| session.file_log_path.clone());
        let folders: Vec<Option<PathBuf>> = sessions.iter().map(folder).collect();
        if folders.iter().all(Option::is_none) {
            return Ok(None);
        }
        let rotation = Rotation { len_max: self.log_max_mib << 20, daily: self.log_daily };
        let files = Files::open(sessions, &folders, self.log_form, rotation)?;
        let folder = folders.into_iter().flatten().next().unwrap_or_default();
        Ok(Some(AskedLog { files, folder, ring_len: (self.log_ring_mib as usize) << 20 }))
    }
}

/// A log that was asked for.
pub(crate) struct AskedLog {
    files: Files,
    folder: PathBuf,
    ring_len: usize,
}

/// What the writer tells the rest of the program.
#[derive(Default)]
pub(super) struct Shared {
    busy_core: BusyCore,
    is_over: AtomicBool,
    /// Another process goes on with the sessions.
    is_left: AtomicBool,
    pub(super) messages: AtomicU64,
    pub(super) garbled: AtomicU64,
    pub(super) events: AtomicU64,
    pub(super) write_failed: AtomicU64,
    events_lost: AtomicU64,
}

/// A log that goes on.
pub(crate) struct MessageLog {
    folder: PathBuf,
    shared: Arc<Shared>,
    counters: Arc<LogCounters>,
    events: SyncSender<Line>,
    thread: JoinHandle<()>,
}

/// The application, logged if that was asked for. To be called before the thread is pinned.
pub(crate) fn start<A>(
    asked: Option<AskedLog>,
    app: A,
    sessions: Vec<SessionConfig>,
) -> Result<(Logged<A>, Option<MessageLog>), Failure> {
    let Some(AskedLog { files, folder, ring_len }) = asked else {
        return Ok((Logged::silent(app), None));
    };
    let (logged, reader) = Logged::new(app, sessions.len(), ring_len);
    let shared = Arc::new(Shared::default());
    let counters = Arc::clone(reader.counters());
    let (events, waiting) = sync_channel(EVENTS_MAX);
    let writer = Writer::new(reader, waiting, files, sessions, Arc::clone(&shared));
    let thread = thread::Builder::new().name("log".into()).spawn(move || writer.run());
    let thread = thread.map_err(|error| {
        Failure::run(format!("no thread can be started: {error}"), "raise the limit of threads")
    })?;
    Ok((logged, Some(MessageLog { folder, shared, counters, events, thread })))
}

impl MessageLog {
    /// Keeps the writer off `core`, which another thread wants for itself, where it may use another.
    pub(crate) fn keep_off(&self, core: u16) {
        self.shared.busy_core.set(core);
    }

    /// Where what happens is to be told.
    pub(crate) fn events(&self) -> EventLog {
        EventLog { events: self.events.clone(), shared: Arc::clone(&self.shared) }
    }

    /// What is counted, for others to read.
    pub(crate) fn probe(&self) -> LogProbe {
        LogProbe { shared: Arc::clone(&self.shared), counters: Arc::clone(&self.counters) }
    }

    /// Another process goes on: what has begun of a message is in its log, whole.
    pub(crate) fn leave(&self) {
        self.shared.is_left.store(true, Ordering::Relaxed);
    }

    /// Ends the log and waits until all of it is written, but not for ever. To be called when nothing more passes.
    pub(crate) fn finish(self) -> LogSummary {
        let MessageLog { folder, shared, counters, events, thread } = self;
        drop(events);
        shared.is_over.store(true, Ordering::Release);
        let begun = Instant::now();
        while !thread.is_finished() && begun.elapsed() < FINISH_WITHIN {
            thread::sleep(Duration::from_millis(1));
        }
        if !thread.is_finished() {
            warn(format_args!(
                "the log in {} was still being written after {} s; choose a faster disk",
                folder.display(),
                FINISH_WITHIN.as_secs()
            ));
        }
        LogSummary { counts: LogProbe { shared, counters }.counts(), folder }
    }
}

/// What a log counts, read by anybody.
#[derive(Clone)]
pub(crate) struct LogProbe {
    shared: Arc<Shared>,
    counters: Arc<LogCounters>,
}

impl LogProbe {
    /// By name.
    pub(crate) fn counts(&self) -> [(&'static str, u64); 7] {
        let LogProbe { shared, counters } = self;
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("log_messages", of(&shared.messages)),
            ("log_garbled", of(&shared.garbled)),
            ("log_events", of(&shared.events)),
            ("log_bytes", of(&counters.bytes)),
            ("log_bytes_ring_full", of(&counters.bytes_ring_full)),
            ("log_events_lost", of(&shared.events_lost)),
            ("log_write_failed", of(&shared.write_failed)),
        ]
    }
}

/// Where what happens to sessions is told for the log: never waits.
#[derive(Clone)]
pub(crate) struct EventLog {
    events: SyncSender<Line>,
    shared: Arc<Shared>,
}

impl EventLog {
    pub(crate) fn tell(&self, line: Line) {
        if self.events.try_send(line).is_err() {
            self.shared.events_lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What a log came to.
pub(crate) struct LogSummary {
    folder: PathBuf,
    counts: [(&'static str, u64); 7],
}

impl LogSummary {
    pub(crate) fn json(&self) -> Value {
        let mut object = serde_json::Map::new();
        object.insert("folder".into(), self.folder.to_string_lossy().into());
        object.extend(self.counts.map(|(name, count)| (name.to_owned(), json!(count))));
        Value::Object(object)
    }

    pub(crate) fn for_people(&self) -> String {
        let of = |wanted: &str| {
            self.counts.iter().find(|(name, _)| *name == wanted).map_or(0, |(_, count)| *count)
        };
        let mut text = format!(
            "log: {} messages and {} events in {}",
            of("log_messages"),
            of("log_events"),
            self.folder.display(),
        );
        let (ring_full, lost) = (of("log_bytes_ring_full"), of("log_events_lost"));
        if ring_full > 0 {
            text += &format!(
                "; {ring_full} bytes of messages are missing from it, which found its ring full (raise \
                 --log-ring-mib, or choose a faster disk)"
            );
        }
        if lost > 0 {
            text += &format!("; {lost} events found no room");
        }
        if of("log_write_failed") > 0 {
            text += &format!("; {} lines could not be written", of("log_write_failed"));
        }
        text
    }
}

/// Whether `path` is a folder that exists.
fn is_folder(path: &Path) -> bool {
    path.is_dir()
}
