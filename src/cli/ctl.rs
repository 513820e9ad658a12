//! `fixwire ctl`: has a running engine say how it stands, or do something, by its control socket.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::failure::Failure;
use super::operations::Request;
use super::{say, table};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ask a running `fixwire run` or `accept` how it stands, or have it do something.
///
/// It listens where its `--control PATH` says. What is refused is refused with the reason and what to do, and ends with 1.
/// A session is called `FIX.4.4:SENDER->TARGET`, or `FIX.4.4:SENDER/SUB->TARGET/SUB` where it has sub-IDs, or `SENDER->TARGET` or
/// `TARGET` where that is enough; quote it for the shell.
///
/// To upgrade it without a reconnect is no command here: start the new program as `fixwire run` or `accept --take-over PATH` with
/// this same socket, and it goes on in the old one's place, which ends by itself (docs/hand-over.md).
///
///   fixwire ctl /run/fw.sock status
///   fixwire ctl /run/fw.sock logout 'US->THEM' --text 'end of day'
///   fixwire ctl /run/fw.sock set-seq 'US->THEM' --next-out 17 --next-in 12
///   fixwire ctl /run/fw.sock logon 'US->THEM'
///   fixwire ctl /run/fw.sock demote rx_tcp_checksum
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CtlArgs {
    /// The socket.
    #[arg(value_name = "PATH")]
    path: PathBuf,
    #[command(subcommand)]
    command: CtlCommand,
    /// Print the answer as a JSON object.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Clone, Debug, Subcommand)]
enum CtlCommand {
    /// Sessions with their states and numbers, and offloads with what live frames showed.
    Status,
    /// Log a session out, and have it stay away until `logon`.
    Logout {
        session: String,
        /// Text(58) of the Logout.
        #[arg(long)]
        text: Option<String>,
    },
    /// Let a session that was logged out have a connection again; an initiator's is begun at once.
    Logon { session: String },
    /// Have a session that has no connection go on from other MsgSeqNums; one that is not given stays.
    SetSeq {
        session: String,
        /// The next to send.
        #[arg(long, value_name = "N")]
        next_out: Option<u32>,
        /// The next expected.
        #[arg(long, value_name = "N")]
        next_in: Option<u32>,
    },
    /// Have a session that has no connection begin again at 1, both ways, and forget what it sent.
    Reset { session: String },
    /// Have the host do from here on what the device does: for checksums of received frames, stamps, steering and its counts.
    Demote { offload: String },
    /// Give an offload that was demoted back to the device, which proves itself anew; without a name all of them.
    Promote { offload: Option<String> },
}

impl CtlCommand {
    fn request(&self) -> Request {
        match self.clone() {
            CtlCommand::Status => Request::Status,
            CtlCommand::Logout { session, text } => Request::Logout { session, text },
            CtlCommand::Logon { session } => Request::Logon { session },
            CtlCommand::SetSeq { session, next_out, next_in } => {
                Request::SetSeq { session, next_out, next_in }
            }
            CtlCommand::Reset { session } => Request::Reset { session },
            CtlCommand::Demote { offload } => Request::Demote { offload },
            CtlCommand::Promote { offload } => Request::Promote { offload },
        }
    }
}

pub(crate) fn command(args: &CtlArgs) -> Result<(), Failure> {
    let answer = ask(&args.path, &args.command.request())?;
    if args.json {
        say(&answer);
    }
    let words = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    if answer.get("refused").is_some() {
        return Err(Failure::run(format!("refused: {}", words("why")), words("remedy")));
    }
    if !args.json {
        say(for_people(&args.command, &answer));
    }
    Ok(())
}

/// What is answered there, be it a refusal.
pub(super) fn ask(path: &Path, request: &Request) -> Result<Value, Failure> {
    let shown = path.display();
    let mut stream = UnixStream::connect(path).map_err(|error| {
        let remedy = match error.kind() {
            ErrorKind::PermissionDenied => "ask as the user that it runs as",
            _ => "name the path that the running engine was given by --control",
        };
        Failure::run(format!("nobody answers at {shown}: {error}"), remedy)
    })?;
    let silent = |error: std::io::Error| {
        Failure::run(format!("no answer came from {shown}: {error}"), "try again")
    };
    stream.set_read_timeout(Some(PATIENCE)).map_err(silent)?;
    let request = serde_json::to_string(request).map_err(|error| silent(error.into()))?;
    writeln!(stream, "{request}").map_err(silent)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).map_err(silent)?;
    serde_json::from_str(&line).map_err(|error| silent(error.into()))
}

fn for_people(command: &CtlCommand, answer: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let rows = |key: &str, columns: &[&str]| {
        let rows: Vec<Vec<String>> = answer[key].as_array().map_or_else(Vec::new, |rows| {
            rows.iter().map(|row| columns.iter().map(|of| text(&row[*of])).collect()).collect()
        });
        let header: Vec<_> = columns.iter().map(|column| column.replace('_', " ")).collect();
        let header: Vec<_> = header.iter().map(String::as_str).collect();
        table::texts(&header, rows.into_iter())
    };
    match command {
        CtlCommand::Status => format!(
            "{} by profile {}, link {}\n{}\n{}",
            text(&answer["nic"]),
            text(&answer["profile"]),
            if answer["link_up"] == true { "up" } else { "down" },
            rows(
                "sessions",
                &["session", "state", "logons", "next_out", "next_in", "received", "sent"]
            ),
            rows(
                "offloads",
                &["capability", "by", "observed", "unchecked", "agreed", "contradicted"]
            ),
        ),
        CtlCommand::SetSeq { .. } | CtlCommand::Reset { .. } => format!(
            "next MsgSeqNum out {} in {}",
            text(&answer["next_out"]),
            text(&answer["next_in"])
        ),
        CtlCommand::Promote { offload: None } => {
            let names: Vec<_> =
                answer["promoted"].as_array().into_iter().flatten().map(text).collect();
            if names.is_empty() { "nothing was demoted".into() } else { names.join(", ") }
        }
        _ => "done".into(),
    }
}
