//! Scripts read: versions, settings, and lines that say what happens. Every mistake is named with its file and line.

use std::path::Path;

use fixwire::fix::{ApplVerId, Version};
use fixwire::time::Duration;

use crate::message::Line as Text;
use crate::settings::{Settings, set};

/// A script.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) name: String,
    pub(crate) versions: Vec<Version>,
    pub(crate) settings: Settings,
    pub(crate) lines: Vec<Line>,
}

/// A line of it.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// `FILE:LINE`
    pub(crate) place: String,
    pub(crate) deed: Deed,
}

/// What a line says.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// `connect`: the transport is there.
    Connect,
    /// `cut`: the transport is gone.
    Cut,
    /// `restart`: the process is another one, and has what the store kept.
    Restart,
    /// `forget`: the store has both numbers, and no message any more.
    Forget,
    /// `<`: this comes.
    Comes(Text),
    /// `< bytes`: these bytes come, as they are.
    BytesCome(String),
    /// `>`: this leaves next, or nothing.
    Leaves(Option<String>),
    /// `~`: so much time passes.
    Passes(Duration),
    /// `x`: the session wants the connection closed, for this reason.
    Closes(String),
    /// `room`: the outlet takes so many bytes more.
    Room(usize),
    /// `!`: the application calls.
    Calls { call: String, words: String },
    /// `?`: this is how it stands.
    Stands { what: String, value: String },
}

const CALLS: [&str; 3] = ["send", "logout", "veto"];
const LOOKS: [&str; 7] = ["next_in", "next_out", "count", "delivered", "logons", "ended", "state"];

/// Every version, the oldest first.
const VERSIONS: [Version; 6] = [
    Version::Fix40,
    Version::Fix41,
    Version::Fix42,
    Version::Fix43,
    Version::Fix44,
    Version::Fixt11(ApplVerId::Fix50Sp2),
];

/// Reads the script in a file.
pub(crate) fn read(path: &Path) -> Result<Script, String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let text = std::fs::read_to_string(path).map_err(|why| format!("{name}: {why}"))?;
    parse(&format!("tests/fix/{name}"), &text)
}

/// Reads a script. `name` is what its mistakes are named by.
pub(crate) fn parse(name: &str, text: &str) -> Result<Script, String> {
    let mut script = Script {
        name: name.to_owned(),
        versions: vec![Version::Fix44],
        settings: Settings::default(),
        lines: Vec::new(),
    };
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = format!("{name}:{}", index + 1);
        take_line(&mut script, &place, line).map_err(|why| format!("{place}: {why}"))?;
    }
    Ok(script)
}

fn take_line(script: &mut Script, place: &str, line: &str) -> Result<(), String> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim();
    match word {
        "versions" => script.versions = versions(rest)?,
        "set" if !script.lines.is_empty() => return Err("settings come before what happens".into()),
        "set" => {
            let (key, value) = rest.split_once(' ').unwrap_or((rest, ""));
            set(&mut script.settings, key, value.trim())?;
        }
        _ => script.lines.push(Line { place: place.to_owned(), deed: deed(word, rest)? }),
    }
    Ok(())
}

/// `all`, `from FIRST`, `to LAST`, or one after the other.
fn versions(words: &str) -> Result<Vec<Version>, String> {
    let version = |word: &str| {
        let found = VERSIONS.into_iter().find(|version| version.begin_string() == word);
        found.ok_or_else(|| format!("`{word}` is no version"))
    };
    let words: Vec<&str> = words.split_whitespace().collect();
    match &words[..] {
        ["all"] => Ok(VERSIONS.into()),
        ["from", first] => {
            let first = version(first)?;
            Ok(VERSIONS.into_iter().filter(|version| *version >= first).collect())
        }
        ["to", last] => {
            let last = version(last)?;
            Ok(VERSIONS.into_iter().filter(|version| *version <= last).collect())
        }
        words => words.iter().map(|word| version(word)).collect(),
    }
}

fn deed(word: &str, rest: &str) -> Result<Deed, String> {
    let split = |among: &[&str], what: &str| {
        let (first, words) = rest.split_once(' ').unwrap_or((rest, ""));
        match among.contains(&first) {
            true => Ok((first.to_owned(), words.trim().to_owned())),
            false => Err(format!("`{first}` is {what}")),
        }
    };
    match word {
        "connect" => Ok(Deed::Connect),
        "cut" => Ok(Deed::Cut),
        "restart" => Ok(Deed::Restart),
        "forget" => Ok(Deed::Forget),
        "<" => match rest.strip_prefix("bytes ") {
            Some(bytes) => Ok(Deed::BytesCome(bytes.to_owned())),
            None => Text::parse(rest).map(Deed::Comes),
        },
        ">" if rest == "-" => Ok(Deed::Leaves(None)),
        ">" => Ok(Deed::Leaves(Some(rest.to_owned()))),
        "~" => span(rest).map(Deed::Passes).ok_or_else(|| format!("`{rest}` is no time")),
        "x" => Ok(Deed::Closes(rest.to_owned())),
        "room" => rest.parse().map(Deed::Room).map_err(|_| format!("`{rest}` is no room")),
        "!" => split(&CALLS, "no call").map(|(call, words)| Deed::Calls { call, words }),
        "?" => split(&LOOKS, "nothing that can be looked at")
            .map(|(what, value)| Deed::Stands { what, value }),
        word => Err(format!("`{word}` is nothing that happens")),
    }
}

/// Seconds, to the millisecond.
fn span(text: &str) -> Option<Duration> {
    let (s, ms) = text.split_once('.').unwrap_or((text, "0"));
    let ms = format!("{ms:0<3}");
    let whole = ms.len() == 3;
    let (s, ms): (u64, u64) = (s.parse().ok()?, ms.parse().ok()?);
    whole.then(|| Duration::from_ms(s * 1000 + ms))
}
