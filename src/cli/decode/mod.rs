//! `fixwire decode`: logs and captures, read by people.

mod before;
mod filter;
mod known;
mod names;
mod packets;
mod record;
mod scan;
mod show;
mod streams;

use std::fs::File;
use std::io::{self, BufWriter, Cursor, ErrorKind, IsTerminal, Read, Stdout, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use fixwire::fix::tags;
use fixwire::fix::timestamp::{Formatter, Precision};

use super::failure::Failure;
use super::warn;
use filter::Filter;
use names::Names;
use packets::{Captured, Way};
use record::{Place, Record};
use scan::{Form, Found, Scanner};
use show::{Paint, Show, Style};
use streams::Streams;

/// Show a log or a capture so that people read it: names for tags and values, `|` between fields.
///
/// Reads what it is given, whatever that is: message logs of fixwire, QuickFIX and QuickFIX/J, streams and dumps with
/// SOH, `|` or `^A` between fields, and captures (pcap, pcapng) of fixwire, tcpdump and Wireshark, whose TCP streams are
/// put together. A message that is damaged is shown with what is wrong with it and where, never passed over. Memory is
/// bounded, so that a file may be of any length, or a pipe without end.
///
///   fixwire decode FIX.4.4-US-THEM.messages.current.log
///   fixwire decode --type D,8 --contains 11=O17 --fields day.pcapng
///   tcpdump -i eth1 -U -w - port 9878 | fixwire decode -
///   fixwire decode --json --damaged *.log | jq .damage
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct DecodeArgs {
    /// What to read, one after the other; `-` is standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    files: Vec<PathBuf>,
    /// Names from a data dictionary of QuickFIX's in XML; may be given again (FIXT11.xml and FIX50SP2.xml). Without one,
    /// what most sessions exchange has its name all the same.
    #[arg(long, value_name = "FILE.xml")]
    dictionary: Vec<PathBuf>,
    /// A line for each field: tag, name, value, and what the value means.
    #[arg(long, conflicts_with_all = ["raw", "json"])]
    fields: bool,
    /// The message as it is, `|` for SOH.
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    /// A JSON object a line, with every field, for machines.
    #[arg(long)]
    json: bool,
    /// Only these message types, by value or name: `D,8` or `NewOrderSingle,ExecutionReport`.
    #[arg(long = "type", value_name = "TYPE,...", value_delimiter = ',')]
    types: Vec<String>,
    /// Only what this SenderCompID(49) sent.
    #[arg(long, value_name = "COMP_ID")]
    sender: Option<String>,
    /// Only what was sent to this TargetCompID(56).
    #[arg(long, value_name = "COMP_ID")]
    target: Option<String>,
    /// Only these MsgSeqNums(34): `7`, `7-9`, `7-` or `-9`.
    #[arg(long, value_name = "N|N-M", value_parser = filter::range, allow_hyphen_values = true)]
    seq: Option<(u64, u64)>,
    /// Only messages with this field, by number or name: `11=abc`, or `ClOrdID=abc*` for how it begins; may be given
    /// again, and all must be there.
    #[arg(long, value_name = "TAG=VALUE")]
    contains: Vec<String>,
    /// Only what is damaged.
    #[arg(long)]
    damaged: bool,
    /// Colours: by default on a terminal, unless NO_COLOR is set.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Colour::Auto)]
    color: Colour,
}

/// When there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Colour {
    Auto,
    Always,
    Never,
}

impl Colour {
    fn paint(self) -> Paint {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Paint(match self {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb,
        })
    }
}

/// How much of a file is read at once, in bytes.
const CHUNK_LEN: usize = 64 * 1024;

pub(crate) fn command(args: &DecodeArgs) -> Result<(), Failure> {
    let names = Names::read(&args.dictionary)?;
    let contains = args.contains.iter().map(|written| {
        Filter::field(written, &names).map_err(|why| Failure::Input(format!("--contains: {why}")))
    });
    let filter = Filter {
        types: Filter::types(&args.types, &names),
        sender: args.sender.clone(),
        target: args.target.clone(),
        seq: args.seq,
        contains: contains.collect::<Result<_, _>>()?,
        is_damaged: args.damaged,
    };
    let style = match (args.fields, args.raw, args.json) {
        (true, _, _) => Style::Fields,
        (_, true, _) => Style::Raw,
        (_, _, true) => Style::Json,
        _ => Style::Line,
    };
    let show = Show { names: &names, style, paint: args.color.paint() };
    let mut page =
        Page { out: BufWriter::new(io::stdout()), show, filter, found: 0, trouble: None };
    let mut outcome = Ok(());
    for path in &args.files {
        // What can be read of the rest is shown all the same.
        let read = read(path, &mut page);
        outcome = outcome.and(read);
        if page.is_over() {
            break;
        }
    }
    page.finish().and(outcome)
}

/// Where messages go.
struct Page<'n> {
    out: BufWriter<Stdout>,
    show: Show<'n>,
    filter: Filter,
    /// In the file at hand, shown or not.
    found: u64,
    trouble: Option<io::Error>,
}

impl Page<'_> {
    fn put(&mut self, record: &Record<'_>) {
        self.found += u64::from(!record.bytes.is_empty());
        if self.trouble.is_none() && self.filter.admits(record) {
            self.trouble = writeln!(self.out, "{}", self.show.text(record)).err();
        }
    }

    /// Nothing waits while nothing comes.
    fn flush(&mut self) {
        if self.trouble.is_none() {
            self.trouble = self.out.flush().err();
        }
    }

    /// Whether nobody reads any more.
    fn is_over(&self) -> bool {
        self.trouble.is_some()
    }

    /// A reader that went away (`| head`) has what it wanted.
    fn finish(mut self) -> Result<(), Failure> {
        self.flush();
        match self.trouble {
            Some(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::run(
                format!("standard output cannot be written: {error}"),
                "make room for it, or send it elsewhere",
            )),
            _ => Ok(()),
        }
    }
}

fn read(path: &Path, page: &mut Page<'_>) -> Result<(), Failure> {
    let is_stdin = path == Path::new("-");
    let shown = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
    let unreadable = |error: io::Error| {
        Failure::Input(format!("{shown} cannot be read: {error}; name a log or a capture, or `-`"))
    };
    let mut input: Box<dyn Read + Send> = if is_stdin {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(unreadable)?)
    };
    page.found = 0;
    let mut head = Vec::new();
    input.by_ref().take(4).read_to_end(&mut head).map_err(unreadable)?;
    if packets::is_capture(&head) {
        packets::read_head(&mut head, &mut input).map_err(unreadable)?;
        read_capture(Cursor::new(head).chain(input), &shown, page);
    } else {
        let input = Cursor::new(head).chain(input);
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        read_text(input, &shown, &name.unwrap_or_default(), page).map_err(unreadable)?;
    }
    if page.found == 0 && !page.is_over() {
        return Err(Failure::run(
            format!("there is no FIX message in {shown}"),
            "name a message log, a dump of messages, or a capture of their packets",
        ));
    }
    Ok(())
}

fn read_text(
    mut input: impl Read,
    file: &str,
    file_name: &str,
    page: &mut Page<'_>,
) -> io::Result<()> {
    let owner = before::owner(file_name);
    let owner = owner.as_deref();
    let mut scanner = Scanner::new(Form::Text);
    let mut chunk = vec![0; CHUNK_LEN];
    loop {
        let len = match input.read(&mut chunk) {
            Ok(len) => len,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        scanner.push(&chunk[..len]);
        while let Some(found) = scanner.next(len == 0) {
            page.put(&record_of(&found, file, owner));
            if page.is_over() {
                return Ok(());
            }
        }
        if len == 0 {
            return Ok(());
        }
        page.flush();
    }
}

/// A message of a text whose `owner` sends what bears its SenderCompID.
fn record_of<'a>(found: &'a Found, file: &'a str, owner: Option<&[u8]>) -> Record<'a> {
    let mut record = Record {
        file,
        place: Place::Text { offset: found.offset, line: found.line },
        time: before::time(&found.before),
        way: before::way(&found.before),
        ends: None,
        bytes: &found.bytes,
        damage: &found.damage,
    };
    if let (None, Some(owner), Some(sender)) =
        (record.way, owner, record.field(tags::SENDER_COMP_ID))
    {
        record.way = Some(if sender == owner { Way::Out } else { Way::In });
    }
    record
}

/// Shows what a capture has, up to where it cannot be read.
fn read_capture(input: impl Read + Send, file: &str, page: &mut Page<'_>) {
    let mut streams = Streams::default();
    let mut formatter = Formatter::default();
    let mut last = 0;
    let outcome = packets::read(input, &mut |captured: &Captured<'_>| {
        let time = captured.at.map(|at| {
            String::from_utf8_lossy(formatter.write_utc(at, Precision::Nanos)).into_owned()
        });
        last = captured.number;
        streams.on_segment(&captured.segment, &mut |ends, found| {
            // What ends another connection's stream came by no packet of that.
            let is_own = ends == captured.segment.ends;
            page.put(&Record {
                file,
                place: Place::Packet(captured.number),
                time: time.clone().filter(|_| is_own),
                way: captured.way.filter(|_| is_own),
                ends: Some(ends),
                bytes: &found.bytes,
                damage: &found.damage,
            });
        });
        !page.is_over()
    });
    streams.finish(&mut |ends, found| {
        page.put(&Record {
            file,
            place: Place::Packet(last),
            time: None,
            way: None,
            ends: Some(ends),
            bytes: &found.bytes,
            damage: &found.damage,
        });
    });
    if let Err(why) = outcome {
        warn(format_args!("{file}: {why}; what came before is shown"));
    }
}
