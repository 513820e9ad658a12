//! `fixwire store`: stores looked at, held to what they say, read out, and made anew of what is left.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use fixwire::fix::store::journal::{Damage, Ended, Intact, Kind, in_words};
use fixwire::journal_file::{EXTENSION, OpenError, ReadFile};
use serde_json::{Value, json};

use super::failure::Failure;
use super::{say, table};

/// Look at the stores of sessions: numbers, messages, damage. Nothing is written but by `salvage`.
///
/// A store is the file that a session with `store = { path = ... }` keeps its numbers and messages in
/// (docs/sessions.md, docs/store.md).
#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Tell whose a store is, with which numbers it goes on, what it holds, how it ended.
    Inspect(Looking),
    /// Hold a store to what it says; ends with 1 if anything is damaged, and tells where and what is intact.
    Verify(Looking),
    /// Print the messages that a store holds, the oldest first, an SOH shown as `|`.
    Export(Exporting),
    /// Write what is intact of a store to a new one, with numbers that are certain not to be used.
    Salvage(Salvaging),
}

#[derive(Debug, Args)]
pub(crate) struct Looking {
    /// A store, or a folder of them.
    path: PathBuf,
    /// Print JSON, an object a line for each store.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Exporting {
    /// A store, or a folder of them.
    path: PathBuf,
    /// Print JSON, an object a line for each message.
    #[arg(long, conflicts_with = "raw")]
    json: bool,
    /// Print the messages' bytes alone, as they were sent.
    #[arg(long)]
    raw: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Salvaging {
    /// The damaged store, which stays as it is.
    path: PathBuf,
    /// The new store, which must not be there yet.
    to: PathBuf,
}

pub(crate) fn command(command: &StoreCommand) -> Result<(), Failure> {
    match command {
        StoreCommand::Inspect(args) => each(&args.path, |path, file| {
            let facts = facts(path, file);
            say(if args.json { facts.to_string() } else { in_rows(&facts) });
            Ok(())
        }),
        StoreCommand::Verify(args) => verify(args),
        StoreCommand::Export(args) => each(&args.path, |_, file| export(args, file)),
        StoreCommand::Salvage(args) => salvage(args),
    }
}

/// Does something with a store, or with each of a folder's.
fn each(
    path: &Path,
    mut look: impl FnMut(&Path, &ReadFile) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for path in stores_of(path)? {
        look(&path, &read(&path)?)?;
    }
    Ok(())
}

fn stores_of(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let unreadable = |error| Failure::Input(format!("{} cannot be read: {error}", path.display()));
    let entries =
        fs::read_dir(path).map_err(unreadable)?.map(|entry| entry.map(|entry| entry.path()));
    let mut stores: Vec<_> = entries.collect::<Result<_, _>>().map_err(unreadable)?;
    stores.retain(|path| path.extension().is_some_and(|extension| extension == EXTENSION));
    stores.sort();
    if stores.is_empty() {
        let path = path.display();
        return Err(Failure::Input(format!(
            "{path} holds no store (*.{EXTENSION}); check the path"
        )));
    }
    Ok(stores)
}

fn read(path: &Path) -> Result<ReadFile, Failure> {
    ReadFile::of(path).map_err(|error| match error {
        OpenError::Refused { .. } => Failure::Run(error.to_string()),
        _ => Failure::Input(error.to_string()),
    })
}

/// What there is to say of a store.
fn facts(path: &Path, file: &ReadFile) -> Value {
    let survey = &file.survey;
    let Intact { messages, numbers, resumption } = file.intact();
    let identity = survey.header.identity.split(|byte| *byte == 1);
    let parties: Vec<_> = identity.map(|id| String::from_utf8_lossy(id).into_owned()).collect();
    let party = |at: usize| parties.get(at).cloned().unwrap_or_default();
    let beside = |at: usize| parties.get(at).filter(|id| !id.is_empty());
    let held: u64 = survey.records.iter().map(|record| record.size()).sum();
    let damage = if file.is_in_use { Vec::new() } else { file.damage() };
    json!({
        "file": path.display().to_string(),
        "begin_string": party(0),
        "sender_comp_id": party(1),
        "target_comp_id": party(2),
        "sender_sub_id": beside(3),
        "sender_location_id": beside(4),
        "target_sub_id": beside(5),
        "target_location_id": beside(6),
        "state": if file.is_in_use { "in_use" } else { resumption.ended.name() },
        "openings": survey.state.map(|state| state.opening),
        "durability": resumption.durability.name(),
        "epoch": resumption.epoch,
        "next_out": resumption.next_out,
        "next_in": resumption.next_in,
        "proven": resumption.is_proven,
        "reserved_until": survey.reserved(),
        "messages": messages,
        "msg_seq_num_least": numbers.map(|(least, _)| least),
        "msg_seq_num_greatest": numbers.map(|(_, greatest)| greatest),
        "messages_of_all_epochs": survey.records.iter().filter(|record| record.kind == Kind::Message).count(),
        "fate_unknown": resumption.unknown.iter().map(in_words).collect::<Vec<_>>(),
        "file_bytes": file.len,
        "ring_bytes": survey.header.ring_len,
        "ring_bytes_used": held,
        "damage": damage.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// An object as rows, what is empty left out.
fn in_rows(facts: &Value) -> String {
    let fields = facts.as_object().into_iter().flatten();
    let rows = fields.filter_map(|(name, value)| {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Null => return None,
            Value::Array(list) if list.is_empty() => return None,
            Value::Array(list) => {
                list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; ")
            }
            other => other.to_string(),
        };
        Some(vec![name.replace('_', " "), value])
    });
    table::rows(&["store", ""], rows)
}

fn verify(args: &Looking) -> Result<(), Failure> {
    let mut damaged = Vec::new();
    for path in stores_of(&args.path)? {
        let file = match ReadFile::of(&path) {
            Ok(file) => file,
            Err(error @ OpenError::Refused { .. }) => {
                say_of(args, &path, &json!({ "damage": [error.to_string()] }), &error.to_string());
                damaged.push(path);
                continue;
            }
            Err(error) => return Err(Failure::Input(error.to_string())),
        };
        if file.is_in_use {
            let why = "it is in use: what is written at this moment may look damaged; end that process first";
            return Err(Failure::Input(format!("the store {}: {why}", path.display())));
        }
        let expected = file.survey.header.file_len() as u64;
        let mut found: Vec<String> = file.damage().iter().map(Damage::to_string).collect();
        if file.len != expected {
            found.insert(
                0,
                format!(
                    "byte {} on, the end: the file is to be {expected} bytes long",
                    file.len.min(expected)
                ),
            );
        }
        let facts = facts(&path, &file);
        let intact = in_rows(&json!({
            "intact messages": facts["messages"],
            "msg_seq_num_least": facts["msg_seq_num_least"],
            "msg_seq_num_greatest": facts["msg_seq_num_greatest"],
            "next_out": facts["next_out"],
            "next_in": facts["next_in"],
            "state": facts["state"],
            "proven": facts["proven"],
            "fate_unknown": facts["fate_unknown"],
        }));
        let shown = path.display();
        let words = if found.is_empty() {
            format!("{shown}: intact\n{intact}")
        } else {
            format!(
                "{shown}: damaged\n  {}\n{intact}\n`fixwire store salvage {shown} {shown}.salvaged` writes what is \
                 intact to a new store",
                found.join("\n  ")
            )
        };
        let mut object = facts;
        object["damage"] = found.clone().into();
        say_of(args, &path, &object, &words);
        if !found.is_empty() {
            damaged.push(path);
        }
    }
    match damaged.as_slice() {
        [] => Ok(()),
        [first, ..] => Err(Failure::Run(format!(
            "{} of the stores looked at are damaged, the first is {}",
            damaged.len(),
            first.display()
        ))),
    }
}

fn say_of(args: &Looking, path: &Path, object: &Value, words: &str) {
    if args.json {
        let mut object = object.clone();
        object["file"] = path.display().to_string().into();
        say(object);
    } else {
        say(words);
    }
}

fn export(args: &Exporting, file: &ReadFile) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    for record in file.survey.records.iter().filter(|record| record.kind == Kind::Message) {
        let content = file.survey.content(&file.bytes, record);
        let (epoch, seq) = (record.epoch, record.seq);
        let text = || String::from_utf8_lossy(content).replace('\x01', "|");
        let written = if args.raw {
            out.write_all(content)
        } else if args.json {
            writeln!(out, "{}", json!({ "epoch": epoch, "msg_seq_num": seq, "message": text() }))
        } else {
            writeln!(out, "{epoch} {seq} {}", text())
        };
        match written {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => {
                return Err(Failure::run(
                    format!("standard output cannot be written: {error}"),
                    "look at where it goes",
                ));
            }
        }
    }
    Ok(())
}

fn salvage(args: &Salvaging) -> Result<(), Failure> {
    let file = read(&args.path)?;
    if file.is_in_use {
        let path = args.path.display();
        return Err(Failure::Input(format!("the store {path} is in use; end that process first")));
    }
    file.salvage(&args.to).map_err(|error| Failure::Input(error.to_string()))?;
    let Intact { messages, resumption, .. } = file.intact();
    let unknown: Vec<_> = resumption.unknown.iter().map(in_words).collect();
    say(format_args!(
        "{}: {messages} messages, next out {}, next in {}",
        args.to.display(),
        resumption.next_out,
        resumption.next_in
    ));
    if !unknown.is_empty() {
        say(format_args!("not kept, and may have been sent: MsgSeqNum {}", unknown.join(", ")));
    }
    if !resumption.is_proven || resumption.ended == Ended::PowerMayBeLost {
        say("compare the numbers with the counterparty's before you trade");
    }
    say(format_args!(
        "to go on with it: mv {to} {path}",
        to = args.to.display(),
        path = args.path.display()
    ));
    Ok(())
}
