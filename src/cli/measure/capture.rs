//! `fixwire measure capture`: how long orders and answers took, by the stamps of a capture.

use std::fs::File;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use fixwire::measure::capture::trailer::{Layout, Trailer};
use fixwire::measure::pairs::{Matcher, Roles, Trader};
use fixwire::measure::tally::Tally;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::csv::Csv;
use super::histogram_log::{self, Logged};
use super::inputs::{Inputs, Terms};
use super::page::{self, Page};
use super::report::Report;
use crate::cli::failure::Failure;
use crate::cli::{say, warn};

/// Measure trigger to order and order to answer in captures: pcap, pcapng, ERF, with Metamako, Exablaze or Arista 7280 stamps.
///
/// The trigger of an order is the one message that the order's frame acknowledges and no order before it did; the answer to an
/// order is the first message back with its ClOrdID(11). What is ambiguous is excluded and counted by its reason. Times are
/// the stamps that a device wrote into the frames, if every frame has them, or else the records' own. Files are read
/// together in the order of time; no figure mixes clocks: each file, and each interface of a pcapng file, is taken for
/// one with a clock of its own, unless --one-clock says otherwise. Memory does not grow with the files.
///
///   fixwire measure capture day.pcapng
///   fixwire measure capture --csv messages.csv --histogram day.hlog tap.erf
///   fixwire measure capture --one-clock in.pcap out.pcap
///   fixwire measure capture --json day.pcap | jq '.intervals[] | {kind, p50_ns, p99_ns}'
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CaptureArgs {
    /// Captures; `-` is standard input.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Print the report as a JSON object.
    #[arg(long)]
    json: bool,
    /// A row for each FIX message: its frames, its stamps, the pairs that it ends, or why it ends none.
    #[arg(long, value_name = "FILE.csv")]
    csv: Option<PathBuf>,
    /// The distributions as an HdrHistogram log, in picoseconds.
    #[arg(long, value_name = "FILE.hlog")]
    histogram: Option<PathBuf>,
    /// The report as one page with charts, for a browser; it needs no network.
    #[arg(long, value_name = "FILE.html")]
    html: Option<PathBuf>,
    /// Stamps in the frames: by default those that the first 64 frames all have.
    #[arg(long, value_name = "WHICH", value_enum, default_value_t = Stamps::Auto)]
    trailer: Stamps,
    /// The files, and all interfaces in each, were recorded by one clock: their own times can be subtracted from each other.
    #[arg(long)]
    one_clock: bool,
    /// The network has frames of more than 1,522 bytes. Without this they are taken for segments that were joined or not parted yet
    /// (GRO, LRO, TSO), and what they carry is excluded.
    #[arg(long)]
    jumbo: bool,
    /// Measure the orders that these send, and the answers to them, alone; by default everybody's.
    #[arg(long, value_name = "ADDRESS[:PORT],...", value_delimiter = ',')]
    from: Vec<Trader>,
    /// MsgTypes that are orders.
    #[arg(long, value_name = "TYPE,...", value_delimiter = ',', default_values = Roles::ORDERS)]
    orders: Vec<String>,
    /// MsgTypes that answer an order, by its ClOrdID.
    #[arg(long, value_name = "TYPE,...", value_delimiter = ',', default_values = Roles::ANSWERS)]
    answers: Vec<String>,
}

/// Which stamps in frames count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Stamps {
    /// What the first frames say.
    Auto,
    /// None: the records' own times.
    None,
    Metamako,
    /// With the frame check sequence behind the trailer.
    MetamakoFcs,
    Exablaze,
    /// With the frame check sequence behind the trailer.
    ExablazeFcs,
    #[value(name = "arista-7280")]
    Arista7280,
}

impl Stamps {
    /// The layout that was asked for, if one was.
    pub(super) fn layout(self) -> Option<Layout> {
        let (trailer, has_fcs) = match self {
            Stamps::Auto | Stamps::None => return None,
            Stamps::Metamako => (Trailer::Metamako, false),
            Stamps::MetamakoFcs => (Trailer::Metamako, true),
            Stamps::Exablaze => (Trailer::Exablaze, false),
            Stamps::ExablazeFcs => (Trailer::Exablaze, true),
            Stamps::Arista7280 => (Trailer::Arista7280, false),
        };
        Some(Layout { trailer, has_fcs })
    }
}

/// How the log says what it is of.
const LOGGED_BY: &str = "fixwire measure capture";

/// So many frames pass between two looks at how far it is.
const FRAMES_BETWEEN_LOOKS: u64 = 65_536;

pub(crate) fn command(args: &CaptureArgs) -> Result<(), Failure> {
    let terms =
        Terms { stamps: args.trailer, is_one_clock: args.one_clock, has_jumbo_frames: args.jumbo };
    let mut inputs = Inputs::open(&args.files, terms)?;
    let roles =
        Roles::new(args.orders.iter().map(String::as_str), args.answers.iter().map(String::as_str));
    let roles = roles.of(args.from.iter().copied());
    let (mut matcher, mut tally) = (Matcher::new(roles), Tally::default());
    let mut csv = args.csv.as_deref().map(Csv::create).transpose()?;
    let bar = bar(inputs.len());
    let mut frames = 0_u64;
    while let Some(earliest) = inputs.earliest(&matcher) {
        if let Some(arrived) = inputs.frame(earliest) {
            matcher.on_frame(&arrived, &mut |record| {
                tally.record(record);
                if let Some(csv) = &mut csv {
                    csv.write(record);
                }
            });
        }
        inputs.advance(earliest);
        frames += 1;
        if frames.is_multiple_of(FRAMES_BETWEEN_LOOKS) {
            bar.set_position(inputs.offset());
            if csv.as_ref().is_some_and(Csv::is_over) {
                break;
            }
        }
    }
    bar.finish_and_clear();
    tally.note_unanswered(matcher.unanswered());
    tally.set_apart(inputs.apart());
    let report = Report { inputs: &inputs, matcher: &matcher, tally: &tally, from: &args.from };
    for trouble in inputs.troubles() {
        warn(format_args!("{trouble}; what came before is measured"));
    }
    let usable = report.usable();
    if let (Some(csv), Some(path)) = (csv, &args.csv) {
        let finished = if usable.is_ok() { csv.finish() } else { csv.take_back() };
        finished.map_err(|error| unwritable(path, &error))?;
    }
    usable?;
    if let Some(path) = &args.histogram {
        let logged = Logged { by: LOGGED_BY, from: None, is_model: report.is_model() };
        let written =
            File::create(path).and_then(|file| histogram_log::write(file, &tally, logged));
        written.map_err(|error| unwritable(path, &error))?;
    }
    if let Some(path) = &args.html {
        std::fs::write(path, html(&report)).map_err(|error| unwritable(path, &error))?;
    }
    say(if args.json { report.json().to_string() } else { report.text() });
    Ok(())
}

fn html(report: &Report<'_>) -> String {
    let files = report.inputs.files().iter();
    page::html(&Page {
        title: "fixwire measure capture",
        heading: "Latencies in captures",
        of: files
            .map(|file| format!("{}: {} frames; {}", file.name, file.frames(), file.stamps))
            .collect(),
        figures: report.figures(),
        hops: "Medians: what lies on either side of the point of capture.",
        notes: report.notes(),
        more: Vec::new(),
    })
}

pub(super) fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::run(
        format!("{} cannot be written: {error}", path.display()),
        "name a file in a folder with room that you may write to",
    )
}

/// Bytes that are read, on a terminal.
fn bar(len: Option<u64>) -> ProgressBar {
    let bar = len.map_or_else(ProgressBar::no_length, ProgressBar::new);
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let template = match len {
        Some(_) => "{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
        None => "{spinner} {bytes}, {bytes_per_sec}",
    };
    bar.set_style(
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar
}
