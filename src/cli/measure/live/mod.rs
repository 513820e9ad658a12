//! `fixwire run --measure`: each message's way through a running engine, hop by hop, added up on a thread of its own.

mod port_clock;
mod recent;
mod report;
mod thread;
mod wire_port;

use std::fs::File;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use fixwire::app::Application;
use fixwire::engine::Engine;
use fixwire::measure::live::{Cost, Hops, RING_RECORDS, recorder};
use fixwire::offload::clock::Reader;
use fixwire::offload::nic::Nic;
use fixwire::offload::profile::Profile;
use fixwire_hw::host_counter::HostCounter;
use serde_json::Value;

use super::capture::unwritable;
use super::histogram_log::{self, Logged};
use super::page;
use crate::cli::clocks::Clocks;
use crate::cli::doctor::{self, Facts};
use crate::cli::failure::Failure;
use crate::cli::table;
use recent::Recent;
use report::LiveReport;
use thread::{Shared, Worker};
use wire_port::Reading;

pub(crate) use recent::RecentView;

/// How long the device's clock is waited for before the first message.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(2);

/// How latencies are measured while the engine runs.
#[derive(Clone, Debug, Args)]
pub(crate) struct LiveArgs {
    /// Measure each message hop by hop, from the NIC's stamp to the doorbell and, where the device tells, to the wire; report
    /// at the end (docs/measure.md). Any of the three options below measures, too.
    #[arg(long)]
    measure: bool,
    /// Leave the first so many messages out: caches are cold, and what the device says is looked into.
    #[arg(long, value_name = "N", default_value_t = 0)]
    measure_after: u64,
    /// The report as a JSON object.
    #[arg(long, value_name = "FILE.json")]
    measure_json: Option<PathBuf>,
    /// The report as one page with charts, for a browser; it needs no network.
    #[arg(long, value_name = "FILE.html")]
    measure_html: Option<PathBuf>,
    /// The distributions as an HdrHistogram log, in picoseconds.
    #[arg(long, value_name = "FILE.hlog")]
    measure_histogram: Option<PathBuf>,
    /// Measure wire to wire as well, by the kernel's interface of this name that sees both directions: a mirror port's line, a
    /// tap's, or the one that is traded over. Its hardware stamps, where it has any, and its clock alone (docs/measure.md).
    #[arg(long, value_name = "IFNAME")]
    wire_port: Option<String>,
}

/// What was asked for: files are open, the host was looked at, and nothing runs.
pub(crate) struct Asked {
    json: Option<Out>,
    html: Option<Out>,
    histogram: Option<Out>,
    after: u64,
    wire_port: Option<String>,
    facts: Facts,
    view: RecentView,
}

/// A file to be written at the end.
struct Out {
    path: PathBuf,
    file: File,
}

impl Out {
    fn create(path: &Path) -> Result<Out, Failure> {
        let file = File::create(path).map_err(|error| unwritable(path, &error))?;
        Ok(Out { path: path.to_owned(), file })
    }

    fn write(mut self, text: &str) -> Result<(), Failure> {
        self.file.write_all(text.as_bytes()).map_err(|error| unwritable(&self.path, &error))
    }
}

impl LiveArgs {
    /// Opens what is asked for, and looks at the host. To be called before the process enters a namespace of its own.
    pub(crate) fn open(&self, profile: &Profile) -> Result<Option<Asked>, Failure> {
        let create = |path: &Option<PathBuf>| path.as_deref().map(Out::create).transpose();
        let (json, html) = (create(&self.measure_json)?, create(&self.measure_html)?);
        let histogram = create(&self.measure_histogram)?;
        let writes = json.is_some() || html.is_some() || histogram.is_some();
        if !self.measure && !writes && self.wire_port.is_none() {
            return Ok(None);
        }
        let (after, wire_port) = (self.measure_after, self.wire_port.clone());
        let (facts, view) = (doctor::facts(profile), RecentView::default());
        Ok(Some(Asked { json, html, histogram, after, wire_port, facts, view }))
    }
}

impl Asked {
    /// What others read of the last seconds.
    pub(crate) fn view(&self) -> RecentView {
        self.view.clone()
    }

    /// Has `engine`, at the address `ours`, measured, its `clocks` being followed. To be called before the thread is pinned.
    pub(crate) fn start<N: Nic, A: Application>(
        self,
        engine: &mut Engine<N, A>,
        clocks: &Clocks,
        ours: Ipv4Addr,
    ) -> Result<Measuring, Failure> {
        if self.wire_port.is_some() && clocks.is_model() {
            return Err(Failure::Input(
                "a model's wire is in memory, and no interface sees it; leave --wire-port away, or trade on another device".into(),
            ));
        }
        let wire_port = self.wire_port.as_deref().map(|name| Reading::start(name, ours));
        let wire_port = wire_port.transpose()?;
        let counter = clocks.counter();
        let info = counter.info();
        let cost = Cost::timed(&reading(counter), info.ticks_per_s);
        let (recorder, ring, counters) = recorder(reading(counter), RING_RECORDS);
        let mut of_records = clocks.for_measuring();
        await_clock(of_records.reader.as_mut(), counter);
        let hops = Hops::new(of_records, engine.tells_sendings());
        let hops = hops.without_first(self.after);
        let shared = Shared::default();
        let recent = Recent::new(self.view, Arc::clone(&counters), Instant::now());
        let worker = Worker { ring, hops, counter, shared: shared.clone(), recent };
        let thread = std::thread::Builder::new().name("measure".into()).spawn(|| worker.run());
        let thread = thread.map_err(|error| {
            Failure::run(
                format!("no thread can be started: {error}"),
                "raise the limit of threads (`ulimit -u`)",
            )
        })?;
        engine.measure_by(recorder);
        let report = LiveReport {
            hops: None,
            port: None,
            all: None,
            counters,
            cost,
            is_model: clocks.is_model(),
            tells_departures: engine.tells_sendings(),
            plan_text: String::new(),
            plan_json: Value::Null,
            facts: self.facts,
        };
        let outs = (self.json, self.html, self.histogram);
        Ok(Measuring { shared, thread, wire_port, report, outs, begun: SystemTime::now() })
    }
}

/// Waits until the device's clock is followed, if it is to be: of messages before that nothing could be said by its stamps.
fn await_clock(reader: Option<&mut Reader>, counter: HostCounter) {
    let begun = Instant::now();
    let Some(reader) = reader else { return };
    while reader.mapping().error_bound_ns(counter.now()).is_err()
        && begun.elapsed() < FOLLOWED_WITHIN
    {
        sleep(Duration::from_millis(1));
    }
}

/// The counter, in what makes a reading of it one load of a register where it is the processor's.
fn reading(counter: HostCounter) -> fixwire::measure::live::Reading {
    match counter {
        HostCounter::Tsc(tsc) => Box::new(move || tsc.now()),
        HostCounter::Mono(_) => Box::new(move || counter.now()),
    }
}

/// An engine is measured.
pub(crate) struct Measuring {
    shared: Shared,
    thread: JoinHandle<Hops>,
    wire_port: Option<Reading>,
    report: LiveReport,
    outs: (Option<Out>, Option<Out>, Option<Out>),
    begun: SystemTime,
}

impl Measuring {
    /// Keeps the thread off `core`, which another thread wants for itself, where it may use another.
    pub(crate) fn keep_off(&self, core: u16) {
        self.shared.keep_off(core);
        self.wire_port.iter().for_each(|port| port.keep_off(core));
    }

    /// Ends it, and writes what was asked for. The clocks are to be followed until then.
    pub(crate) fn finish<N: Nic, A: Application>(
        self,
        engine: &mut Engine<N, A>,
    ) -> Result<LiveReport, Failure> {
        engine.end_measuring();
        let Measuring { thread, wire_port, mut report, outs, begun, .. } = self;
        // A thread that came to a bad end has said so; there is no figure then.
        report.hops = thread.join().ok().map(Box::new);
        report.add_port(wire_port.and_then(Reading::finish));
        let (plan, observations) = (engine.plan(), engine.observations());
        report.plan_text = table::plan(plan, Some(observations));
        report.plan_json = table::plan_json(plan, Some(observations));
        let (json, html, histogram) = outs;
        if let Some(out) = json {
            out.write(&format!("{}\n", report.json()))?;
        }
        if let Some(out) = html {
            out.write(&page::html(&report.page()))?;
        }
        if let Some(Out { path, file }) = histogram {
            let logged = Logged {
                by: "fixwire run --measure",
                from: Some(begun),
                is_model: Some(report.is_model),
            };
            let written = histogram_log::write(file, report.figures().tally, logged);
            written.map_err(|error| unwritable(&path, &error))?;
        }
        Ok(report)
    }
}
