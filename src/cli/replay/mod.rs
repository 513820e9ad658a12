//! `fixwire replay`: a recorded session again, through the engine of now.

mod compare;
mod recorded;
mod report;
mod script;
mod stage;
mod stream;
mod translate;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use fixwire::app::Application;
use fixwire::app::echo::Echo;
use fixwire::app::exchange::Exchange;
use fixwire::app::taker::Taker;
use fixwire::engine::{Engine, Setup};
use fixwire::neighbor::Network;
use fixwire::offload::device::Device;
use fixwire::offload::flow::RuleSet;
use fixwire::offload::profile::{Policy, Profile};
use fixwire::wire::ethernet::Mac;
use fixwire_hw::sim::{self, Line as WireLine, Model, SimBackend};

use super::failure::Failure;
use super::session_file::{Purpose, SessionFile, SessionSettings, Side};
use super::signals::Interruption;
use super::{bring_up, say};
use compare::Difference;
use recorded::Recording;
use report::Report;
use script::{Script, Whose};
use stage::{Replayed, Stage};
use stream::field;

/// Replay a captured session: the frames that a counterparty sent go through the engine of now, in the capture's time, and what
/// the engine sends is held against what was sent then, byte for byte.
///
/// The capture has to have the connection from its SYN on and all of its bytes, such as `fixwire run --capture FILE` and `fixwire
/// accept --capture FILE` write. Which end is ours its messages say, by the CompIDs of --session; --as names it where both might be.
/// Without --session it is the built-in session of `run`, or with --as or --app echo or exchange that of `accept`.
///
/// It ends with 0 where all of it is the same, with 1 and the first difference where it is not, and with 2 where the capture
/// cannot be replayed. What is taken from the capture and what is not compared, the report says (docs/replay.md).
///
///   fixwire run --capture run.pcapng && fixwire replay run.pcapng
///   fixwire replay --session venue.toml --app echo accept.pcapng
///   fixwire replay --as 10.9.0.2 --json run.pcapng | jq .difference
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ReplayArgs {
    /// The capture: pcap, pcapng or ERF.
    #[arg(value_name = "CAPTURE")]
    capture: PathBuf,
    /// The settings of the sessions that were recorded, as for `run` and `accept`.
    #[arg(long, value_name = "FILE")]
    session: Option<PathBuf>,
    /// Which end is ours.
    #[arg(long = "as", value_name = "ADDRESS[:PORT]", value_parser = Whose::parse)]
    whose: Option<Whose>,
    /// What answered: by default the taker of `run` where we connected, and the echo of `accept` where we were connected to.
    #[arg(long, value_enum)]
    app: Option<App>,
    /// The pauses between frames, which the engine is told of either way: whether they are waited for.
    #[arg(long, value_enum, default_value_t = Timing::Fast)]
    timing: Timing,
    /// Print one JSON object for machines.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum App {
    /// Sends as many orders as were recorded, each on the report of the one before, as `run` does.
    Taker,
    /// Sends NewOrderSingle, SecurityDefinition and Email back as they came.
    Echo,
    /// Fills every NewOrderSingle whole at its price.
    Exchange,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Timing {
    /// As they were recorded.
    Original,
    /// None are.
    Fast,
}

pub(crate) fn command(args: &ReplayArgs) -> Result<(), Failure> {
    let recording = Recording::read(&args.capture)?;
    let mut script = Script::of(&recording, &known(args)?, args.whose)?;
    let interruption = Interruption::caught()?;
    let connects = script.sessions.iter().all(|session| session.side == Side::Initiator);
    let app = args.app.unwrap_or(if connects { App::Taker } else { App::Echo });
    let pace = Pace { timing: args.timing, interruption };
    let sessions = script.sessions.len();
    let outcome = match app {
        App::Taker => {
            let (orders, first) = orders(&script);
            replay(&recording, &script, Taker::new(orders, sessions).numbered_from(first), &pace)
        }
        App::Echo => {
            script.send_bytes_max = Some(Echo::SEND_BYTES_MAX);
            replay(&recording, &script, Echo::new(sessions), &pace)
        }
        App::Exchange => replay(&recording, &script, Exchange::new(), &pace),
    }?;
    let report = Report { recording: &recording, script: &script, outcome: &outcome };
    say(if args.json { report.json().to_string() } else { report.for_people() });
    match outcome.difference {
        None => Ok(()),
        Some(_) => Err(Failure::run(
            "what is sent is not what was recorded",
            "compare the settings and the version with those of then; what is taken from the capture is in docs/replay.md",
        )),
    }
}

/// The sessions that may be in it.
fn known(args: &ReplayArgs) -> Result<Vec<SessionSettings>, Failure> {
    if let Some(path) = args.session.as_deref() {
        return Ok(SessionFile::open_or_built_in(Some(path), Purpose::Trade)?.sessions);
    }
    let [trades, accepts] = [Purpose::Trade, Purpose::Accept].map(Purpose::built_in);
    Ok(match (args.app, args.whose) {
        (Some(App::Echo | App::Exchange), _) => vec![accepts],
        (Some(App::Taker), _) | (None, None) => vec![trades],
        (None, Some(_)) => vec![trades, accepts],
    })
}

/// How many orders each session sent at the most, and the number in the first one's ClOrdID.
fn orders(script: &Script) -> (u64, u64) {
    let mut of_session = vec![0_u64; script.sessions.len()];
    let mut first = None;
    for line in &script.lines {
        for message in &line.messages {
            let bytes = message.bytes(&line.sent.bytes);
            if field(bytes, 35) != Some(b"D") || field(bytes, 43) == Some(b"Y") {
                continue;
            }
            of_session[usize::from(line.session.0)] += 1;
            let id = field(bytes, 11).and_then(|id| str::from_utf8(id.strip_prefix(b"O")?).ok());
            first = first.or(id.and_then(|id| id.parse().ok()));
        }
    }
    (of_session.into_iter().max().unwrap_or_default(), first.unwrap_or_default())
}

/// How fast it goes.
struct Pace {
    timing: Timing,
    interruption: Interruption,
}

impl Pace {
    /// Waits until so much has passed since the beginning, where that is asked for. Says whether somebody wants an end.
    fn keep(&self, begun: Instant, since_ns: u64) -> bool {
        if self.timing == Timing::Original {
            let left = Duration::from_nanos(since_ns).saturating_sub(begun.elapsed());
            if !left.is_zero() {
                return !self.interruption.wait(left);
            }
        }
        self.interruption.has_come()
    }
}

/// What came of it.
pub(super) struct Outcome {
    replayed: Vec<Replayed>,
    /// Frames that the engine was given.
    given: u64,
    unrecorded: u64,
    numbers: Vec<(String, u32, u32)>,
    difference: Option<Difference>,
}

fn replay<A: Application>(
    recording: &Recording,
    script: &Script,
    app: A,
    pace: &Pace,
) -> Result<Outcome, Failure> {
    let mut stage = stage(script, app)?;
    let mut numbers = Vec::new();
    for (session, next_out, next_in) in script.numbers() {
        stage.set_numbers(session, next_out, next_in);
        let line = script.lines.iter().find(|line| line.session == session);
        numbers.extend(line.map(|line| (line.identity.to_string(), next_out, next_in)));
    }
    let begun = Instant::now();
    let mut acts = script.acts().into_iter();
    let mut next = acts.next();
    let mut given = 0;
    let mut play = || -> Result<Result<(), Difference>, Failure> {
        for packet in &recording.packets {
            let Some(line) = script.line_of(packet.connection, packet.from) else { continue };
            if pace.keep(begun, packet.at_ns - script.begun_ns) {
                return Err(Failure::run("interrupted", "run it again to begin anew"));
            }
            let done = stage
                .advance(packet.at_ns, &mut acts, &mut next)
                .and_then(|()| stage.give(line, packet.at_ns, &packet.bytes));
            if let Err(difference) = done {
                return Ok(Err(difference));
            }
            given += 1;
        }
        Ok(stage.advance(script.ended_ns + 1, &mut acts, &mut next))
    };
    let played = play()?;
    let lines = script.lines.iter().zip(&stage.replayed).enumerate();
    let mut at_the_end =
        lines.filter_map(|(place, (line, replayed))| Difference::at_the_end(place, line, replayed));
    let difference = played.err().or_else(|| at_the_end.next());
    drop(at_the_end);
    Ok(Outcome {
        difference,
        given,
        unrecorded: stage.unrecorded,
        numbers,
        replayed: stage.replayed,
    })
}

/// An engine at our end's address, on a wire that takes no time.
fn stage<A: Application>(script: &Script, app: A) -> Result<Stage<'_, A>, Failure> {
    let model = Model::full();
    let config = sim::Config {
        a: model.clone(),
        b: model,
        line: WireLine { latency_ns: 0, bandwidth_bits_per_s: None },
        ..sim::Config::default()
    };
    let (near, far, wire) = sim::pair(config, 0);
    let mac = Mac(near.mac());
    let addr = *script.lines[0].ours.ip();
    // Whoever is in the capture is on the link, and answers there for himself.
    let network = Network { mac, addr, prefix_len: 0, gateway: None, vlan: None, mtu: 1500 };
    let mut sessions = bring_up::session_plans(&script.sessions, addr, addr)?;
    for session in &mut sessions {
        // It was recorded: its hours had begun.
        session.config.schedule = None;
        session.config.send_bytes_max =
            script.send_bytes_max.unwrap_or(session.config.send_bytes_max);
    }
    let rules = bring_up::rules_of_sessions(addr, None, &sessions)?;
    let start = |end: SimBackend, profile: &Profile, rules| {
        let configured = Device::probed(end).plan(profile, rules).configure();
        configured
            .and_then(|device| device.start())
            .and_then(|device| device.steer())
            .map_err(|error| Failure::run(error, "this is a fault of fixwire's: please report it"))
    };
    let (nic, plan) = start(near, &Profile::all(Policy::Prefer), rules)?;
    let (far, _) = start(far, &Profile::all(Policy::Off), RuleSet::EMPTY)?;
    let tcp = bring_up::tcp_config(&network, sessions.len());
    // Whatever it is, numbers that are made by it are told in recorded ones.
    let setup = Setup { network, tcp, secret: [1; 16], sessions };
    let engine = Engine::new(nic, plan, setup, app).map_err(Failure::Run)?;
    Ok(Stage::new(engine, (far, wire), script, mac))
}
