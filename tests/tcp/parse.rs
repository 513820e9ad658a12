//! Scripts read: settings, and lines that say when what happens. Every mistake is named with its file and line.

use std::path::Path;

use fixwire::tcp::{Config, State};
use fixwire::time::{Duration, Instant};

use crate::segments::{Coming, Wanted, parse_hex};
use crate::settings::{millis, plain, set};

/// The peer's port where a line names none.
const PORT: u16 = 5000;

/// A script.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) name: String,
    pub(crate) config: Config,
    pub(crate) lines: Vec<Line>,
}

/// A line of it.
#[derive(Debug)]
pub(crate) struct Line {
    /// `FILE:LINE`
    pub(crate) place: String,
    pub(crate) at: Instant,
    /// The peer's port.
    pub(crate) port: u16,
    pub(crate) deed: Deed,
}

/// What a line says.
#[derive(Debug)]
pub(crate) enum Deed {
    /// `<`: a segment comes.
    Comes(Box<Coming>),
    /// `< bytes`: these bytes come, and go no further.
    BytesCome { bytes: Vec<u8>, refused: String },
    /// `>`: this segment and no other leaves, or none.
    Leaves(Option<Wanted>),
    /// `=`: this event is polled.
    Event(String),
    /// `!`: the application calls.
    Calls { call: String, words: Vec<String>, refused: Option<String> },
    /// `?`: this is how it stands.
    Stands { what: String, value: String },
}

const CALLS: [&str; 16] = [
    "listen",
    "unlisten",
    "connect",
    "write",
    "hold",
    "take",
    "read",
    "await-more",
    "let-leave",
    "shutdown",
    "abort",
    "release",
    "path-mtu",
    "unreachable",
    "terms",
    "defer",
];
const LOOKS: [&str; 22] = [
    "state",
    "cwnd",
    "count",
    "read",
    "rto",
    "srtt",
    "snd_wnd",
    "rcv_wnd",
    "mss",
    "user_timeout",
    "retransmissions",
    "reordered",
    "unread",
    "unacknowledged",
    "room",
    "uses",
    "shifts",
    "iss_rise",
    "timeout",
    "local_port",
    "message",
    "messages",
];
const EVENTS: [&str; 12] = [
    "-",
    "Connected",
    "Writable",
    "PeerClosed",
    "Finished",
    "Refused",
    "Reset",
    "TimedOut",
    "KeepAliveTimedOut",
    "Unreachable",
    "Aborted",
    "Stale",
];

/// Reads the script in a file.
pub(crate) fn read(path: &Path) -> Result<Script, String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let text = std::fs::read_to_string(path).map_err(|why| format!("{name}: {why}"))?;
    parse(&format!("tests/tcp/{name}"), &text)
}

/// Reads a script. `name` is what its mistakes are named by.
pub(crate) fn parse(name: &str, text: &str) -> Result<Script, String> {
    let mut script = Script { name: name.to_owned(), config: plain(), lines: Vec::new() };
    take_text(&mut script, name, text)?;
    Ok(script)
}

fn take_text(script: &mut Script, name: &str, text: &str) -> Result<(), String> {
    for (index, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.first().is_none_or(|word| word.starts_with('#')) {
            continue;
        }
        let place = format!("{name}:{}", index + 1);
        take_line(script, &place, &words).map_err(|why| {
            // What stands in a file that is begun with is named by that file's own line.
            if why.starts_with("tests/tcp/begin/") { why } else { format!("{place}: {why}") }
        })?;
    }
    Ok(())
}

fn take_line(script: &mut Script, place: &str, words: &[&str]) -> Result<(), String> {
    match words {
        ["begin", name] => begin(script, name),
        ["set", ..] if !script.lines.is_empty() => {
            Err("settings come before the first time".into())
        }
        ["set", key, value @ ..] => set(&mut script.config, key, value),
        [time, kind, rest @ ..] => {
            let at = time_of(script, time)?;
            let (kind, port) = kind.split_once('@').unwrap_or((kind, ""));
            let port = if port.is_empty() { Ok(PORT) } else { port.parse() };
            let port = port.map_err(|_| "`@` wants a port".to_owned())?;
            let deed = deed(kind, rest)?;
            script.lines.push(Line { place: place.to_owned(), at, port, deed });
            Ok(())
        }
        _ => Err("a time, what happens, and what of it".into()),
    }
}

/// Takes in a beginning that many scripts share.
fn begin(script: &mut Script, name: &str) -> Result<(), String> {
    let file = format!("tests/tcp/begin/{name}.begin");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
    let text = std::fs::read_to_string(path).map_err(|why| format!("{name}.begin: {why}"))?;
    take_text(script, &file, &text)
}

fn time_of(script: &Script, word: &str) -> Result<Instant, String> {
    let before = script.lines.last().map_or(Instant::ZERO, |line| line.at);
    let wrong = || format!("`{word}` is no time");
    let at = match word.strip_prefix('+') {
        Some(span) => before + millis(span).ok_or_else(wrong)?,
        None => Instant::ZERO + millis(word).ok_or_else(wrong)?,
    };
    if at < before {
        return Err(format!("{word} lies before the line ahead of it"));
    }
    Ok(at)
}

fn deed(kind: &str, words: &[&str]) -> Result<Deed, String> {
    let known = |word: &str, among: &[&str], what: &str| {
        if among.contains(&word) { Ok(word.to_owned()) } else { Err(format!("`{word}` is {what}")) }
    };
    match (kind, words) {
        ("<", ["bytes", bytes, "refused", refused]) => {
            Ok(Deed::BytesCome { bytes: parse_hex(bytes)?, refused: (*refused).to_owned() })
        }
        ("<", words) => Ok(Deed::Comes(Box::new(Coming::parse(words)?))),
        (">", ["-"]) => Ok(Deed::Leaves(None)),
        (">", words) => Ok(Deed::Leaves(Some(Wanted::parse(words)?))),
        ("=", [event]) => Ok(Deed::Event(known(event, &EVENTS, "no event")?)),
        ("!", [call, words @ ..]) => {
            let call = known(call, &CALLS, "no call")?;
            let (words, refused) = match words {
                [words @ .., "refused", why] => (words, Some((*why).to_owned())),
                words => (words, None),
            };
            Ok(Deed::Calls {
                call,
                words: words.iter().map(|word| (*word).to_owned()).collect(),
                refused,
            })
        }
        ("?", [what, value @ ..]) => {
            let what = known(what, &LOOKS, "nothing that can be looked at")?;
            Ok(Deed::Stands { what, value: value.join(" ") })
        }
        (kind, _) => Err(format!("`{kind}` is none of < > = ! ?")),
    }
}

/// A span in ms, as scripts write it.
pub(crate) fn in_ms(span: Duration) -> String {
    let (whole, rest) = (span.as_ns() / 1_000_000, span.as_ns() % 1_000_000);
    let text = format!("{whole}.{rest:06}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// How a state is written: `-` for a connection that is no more.
pub(crate) fn state_name(state: Option<State>) -> String {
    state.map_or("-".into(), |state| format!("{state:?}"))
}
