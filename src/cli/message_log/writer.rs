//! The log's thread: takes what passed out of the ring, puts it into words, and writes it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fixwire::app::SessionId;
use fixwire::app::logged::{LogReader, LogRecord, Logging, Way};
use fixwire::fix::frame::SOH;
use fixwire::fix::timestamp::{Formatter, Precision};
use fixwire::fix::{SessionConfig, tags};
use fixwire::time::UtcTime;
use serde_json::{Map, Value, json};

use super::super::telling::{self, Line};
use super::super::warn;
use super::Shared;
use super::cut::{Cutter, Piece};
use super::files::{Files, LogFile, Pair};
use super::mask::masked;

/// How long the writer sleeps when there is nothing to write.
const PAUSE: Duration = Duration::from_millis(2);
const NS_PER_S: u64 = 1_000_000_000;

pub(super) struct Writer {
    reader: LogReader,
    events: Receiver<Line>,
    /// By session and way.
    cutters: Vec<[Cutter; 2]>,
    page: Page,
}

/// Where lines go.
struct Page {
    files: Files,
    sessions: Vec<SessionConfig>,
    formatter: Formatter,
    shared: Arc<Shared>,
    has_failed: bool,
}

impl Writer {
    pub(super) fn new(
        reader: LogReader,
        events: Receiver<Line>,
        files: Files,
        sessions: Vec<SessionConfig>,
        shared: Arc<Shared>,
    ) -> Writer {
        let cutters = sessions.iter().map(|_| Default::default()).collect();
        let formatter = Formatter::default();
        let page = Page { files, sessions, formatter, shared, has_failed: false };
        Writer { reader, events, cutters, page }
    }

    /// Until nothing more comes, and everything is written.
    pub(super) fn run(mut self) {
        let mut bytes = Vec::new();
        loop {
            self.page.shared.busy_core.heed();
            // Asked before the ring is: what came before it is seen.
            let is_over = self.page.shared.is_over.load(Ordering::Acquire);
            let mut has_written = false;
            while let Some(record) = self.reader.next(&mut bytes) {
                self.on_record(record, &bytes);
                has_written = true;
            }
            loop {
                match self.events.try_recv() {
                    Ok(line) => self.page.event(&line),
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
                }
                has_written = true;
            }
            if has_written {
                self.page.flush();
            } else if is_over {
                return self.finish();
            } else {
                sleep(PAUSE);
            }
        }
    }

    fn on_record(&mut self, record: LogRecord, bytes: &[u8]) {
        let Writer { cutters, page, .. } = self;
        let LogRecord { session, at, what } = record;
        let Some(ways) = cutters.get_mut(usize::from(session.0)) else { return };
        match what {
            Logging::Begun => {
                for (way, cutter) in [Way::In, Way::Out].into_iter().zip(ways) {
                    cutter.clear(|piece| page.piece(session, way, at, piece));
                }
            }
            Logging::Bytes { way, missing } => {
                let cutter = &mut ways[way as usize];
                if missing > 0 {
                    cutter.clear(|piece| page.piece(session, way, at, piece));
                    page.missing(session, way, at, missing);
                }
                cutter.push(bytes, |piece| page.piece(session, way, at, piece));
            }
        }
    }

    fn finish(mut self) {
        let is_left = self.page.shared.is_left.load(Ordering::Relaxed);
        let now = now();
        let cutters = self.cutters.iter_mut().filter(|_| !is_left);
        for (session, ways) in (0..).map(SessionId).zip(cutters) {
            for (way, cutter) in [Way::In, Way::Out].into_iter().zip(ways) {
                let page = &mut self.page;
                cutter.clear(|piece| page.piece(session, way, now, piece));
            }
        }
        self.page.flush();
    }
}

impl Page {
    fn piece(&mut self, session: SessionId, way: Way, at: UtcTime, piece: Piece<'_>) {
        let (bytes, counter) = match piece {
            Piece::Message(bytes) => (bytes, &self.shared.messages),
            Piece::Garbled(bytes) => (bytes, &self.shared.garbled),
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let bytes = &*masked(bytes, matches!(piece, Piece::Message(_)));
        let index = usize::from(session.0);
        let Some(files) = self.files.sessions.get_mut(index) else { return };
        let Pair { quickfix, json } = &mut files.messages;
        let mut failed = Ok(());
        if let Some(file) = quickfix {
            let mut line = self.formatter.write_utc(at, Precision::Nanos).to_vec();
            line.extend_from_slice(b" : ");
            line.extend_from_slice(bytes);
            line.push(b'\n');
            failed = file.add(&line, at.as_unix_ns() / NS_PER_S);
        }
        if let Some(file) = json {
            let mut object = telling::identity(&self.sessions[index]);
            object.insert("direction".into(), way_name(way).into());
            let text = |tag| field(bytes, tag).map(|value| String::from_utf8_lossy(value));
            object.insert("msg_type".into(), text(tags::MSG_TYPE).into());
            let number = text(tags::MSG_SEQ_NUM).and_then(|text| text.parse::<u64>().ok());
            object.insert("msg_seq_num".into(), number.into());
            object.insert("is_garbled".into(), matches!(piece, Piece::Garbled(_)).into());
            object.insert("message".into(), String::from_utf8_lossy(bytes).into());
            failed = failed.and(add_json(file, &mut self.formatter, at, object));
        }
        self.note(failed);
    }

    /// Bytes that found the ring full are told where they are missing.
    fn missing(&mut self, session: SessionId, way: Way, at: UtcTime, missing: u32) {
        let sentence = format!(
            "{missing} bytes of messages {} are missing from this log: its ring was full",
            way_name(way)
        );
        let object =
            json!({ "event": "log_bytes_missing", "direction": way_name(way), "bytes": missing });
        self.event_of(Some(session), at, &sentence, object);
    }

    fn event(&mut self, line: &Line) {
        if let Some((session, sentence, object)) = telling::for_log(line, &self.sessions) {
            self.event_of(session, now(), &sentence, object);
        }
    }

    /// An event of a session's, or of nobody's in particular.
    fn event_of(&mut self, session: Option<SessionId>, at: UtcTime, sentence: &str, object: Value) {
        self.shared.events.fetch_add(1, Ordering::Relaxed);
        let of_session = session.and_then(|id| self.files.sessions.get_mut(usize::from(id.0)));
        let Pair { quickfix, json } =
            of_session.map_or(&mut self.files.global, |of| &mut of.events);
        let mut failed = Ok(());
        if let Some(file) = quickfix {
            let mut line = self.formatter.write_utc(at, Precision::Nanos).to_vec();
            line.extend_from_slice(b" : ");
            line.extend_from_slice(sentence.as_bytes());
            line.push(b'\n');
            failed = file.add(&line, at.as_unix_ns() / NS_PER_S);
        }
        if let (Some(file), Value::Object(object)) = (json, object) {
            failed = failed.and(add_json(file, &mut self.formatter, at, object));
        }
        self.note(failed);
    }

    fn flush(&mut self) {
        let mut outcome = Ok(());
        for file in self.files.each() {
            outcome = outcome.and(file.flush());
        }
        self.note(outcome);
    }

    /// What fails is counted each time, and said once.
    fn note(&mut self, outcome: std::io::Result<()>) {
        let Err(error) = outcome else { return };
        self.shared.write_failed.fetch_add(1, Ordering::Relaxed);
        if !std::mem::replace(&mut self.has_failed, true) {
            warn(format_args!(
                "the log cannot be written: {error}. Sessions go on, and lines are missing until it can: make \
                 room on its disk"
            ));
        }
    }
}

fn add_json(
    file: &mut LogFile,
    formatter: &mut Formatter,
    at: UtcTime,
    object: Map<String, Value>,
) -> std::io::Result<()> {
    // The time stands first, as it does in the other form.
    let time = iso(formatter, at);
    let rest = Value::Object(object).to_string();
    let line = format!("{{\"time\":\"{time}\",{}\n", rest.trim_start_matches('{'));
    file.add(line.as_bytes(), at.as_unix_ns() / NS_PER_S)
}

/// ISO 8601.
fn iso(formatter: &mut Formatter, at: UtcTime) -> String {
    let text = String::from_utf8_lossy(formatter.write_utc(at, Precision::Nanos)).into_owned();
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    format!("{}-{}-{}T{}Z", part(0..4), part(4..6), part(6..8), part(9..text.len()))
}

fn now() -> UtcTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UtcTime::from_unix_ns(since.as_nanos() as u64)
}

fn way_name(way: Way) -> &'static str {
    match way {
        Way::In => "in",
        Way::Out => "out",
    }
}

/// The first value of a field, where fields end by SOH.
fn field(bytes: &[u8], tag: u32) -> Option<&[u8]> {
    let start = format!("{tag}=");
    bytes.split(|byte| *byte == SOH).find_map(|field| field.strip_prefix(start.as_bytes()))
}
