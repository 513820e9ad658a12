//! `fixwire measure offloads`: the same session with each offload on and off, in turns, and which of them earn their place.
//!
//! A turn is a run of its own, by a process of its own: the device is set up anew by a profile that differs in one policy, as a
//! user's would. What is measured is what `fixwire run --measure` measures.

mod arms;
mod figures;
mod report;
mod same;
mod turn;

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;
use fixwire::measure::compare::{ROUNDS_MIN, turns};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::arms::{Arm, Arms, Tried};
use self::figures::{Measured, Rounds};
use self::report::Report;
use self::turn::Runner;
use super::capture::unwritable;
use super::page;
use crate::cli::failure::Failure;
use crate::cli::nic_spec::NicSpec;
use crate::cli::signals::Interruption;
use crate::cli::{say, warn};

/// Say which offloads of a device earn their place: the same session with each on and off, in turns.
///
/// Every capability that the device has by the profile is switched off by itself, and with it what needs it. In each round
/// everybody has one turn, in an order by chance: the profile as it is twice, and each capability off once. What the two turns
/// of the same profile differ by is the noise floor. A capability earns its place at a percentile where the whole
/// confidence interval of what a session without it takes longer lies beyond that floor.
///
/// Before that a session without each is shown to send the very same messages, apart from times. On a model or a
/// device in software the figures are of this host's software and of no NIC; the report says so.
///
///   fixwire measure offloads --nic sim:connectx5
///   fixwire measure offloads --nic dpdk:0000:3b:00.0 --session venue.toml --rounds 50 --json
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct OffloadsArgs {
    /// The device, as for `run`.
    #[arg(long, value_name = "SPEC", default_value = "tap")]
    nic: NicSpec,
    /// A built-in profile or a file; by default the one that fits the device. What it has off is not tried.
    #[arg(long, value_name = "NAME|FILE")]
    profile: Option<String>,
    /// Session settings, as for `run`; each turn is a session of its own, so that a store in a file is of no use here.
    #[arg(long, value_name = "FILE")]
    session: Option<PathBuf>,
    /// Only these capabilities, by their names in profiles.
    #[arg(long, value_name = "CAPABILITY,...", value_delimiter = ',')]
    only: Vec<String>,
    /// Rounds: in each everybody has one turn.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(ROUNDS_MIN as u64..=10_000))]
    rounds: u64,
    /// Orders of a turn that are measured.
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(20..=10_000_000))]
    messages: u64,
    /// And before them, that are not: caches are cold, and what the device says is looked into.
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u64).range(..=10_000_000))]
    warm_up: u64,
    /// What the order of turns is drawn by.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How sure to be of each percentile, in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 99.0, value_parser = super::compare::confidence)]
    confidence: f64,
    /// Print the report as a JSON object.
    #[arg(long)]
    json: bool,
    /// The report as a page for a browser; it needs no network.
    #[arg(long, value_name = "FILE.html")]
    html: Option<PathBuf>,
}

pub(crate) fn command(args: &OffloadsArgs) -> Result<(), Failure> {
    let interruption = Interruption::caught()?;
    let runner = Runner::new(args, interruption)?;
    let whole = runner.shown(Arm::Whole)?;
    let arms = Arms::of(&whole, &args.only, args.profile())?;
    let tried = arms.tried().map(|capability| {
        let without = runner.shown(Arm::Without(capability))?;
        Ok(Tried::judged(capability, &whole, &without))
    });
    let tried: Vec<Tried> = tried.collect::<Result<_, Failure>>()?;
    let rounds = measured(args, &runner, &arms)?;
    let report = Report { args, whole: &whole, arms: &arms, tried: &tried, rounds: &rounds };
    if let Some(path) = &args.html {
        std::fs::write(path, page::html(&report.page()))
            .map_err(|error| unwritable(path, &error))?;
    }
    say(if args.json { report.json().to_string() } else { report.text() });
    report.outcome()
}

/// Every turn of every round.
fn measured(args: &OffloadsArgs, runner: &Runner<'_>, arms: &Arms) -> Result<Rounds, Failure> {
    let all = arms.in_a_round();
    let rounds = usize::try_from(args.rounds).unwrap_or(usize::MAX);
    let bar = bar(args.rounds * all.len() as u64);
    let mut measured = Rounds::new();
    for (number, order) in (1_u64..).zip(turns(all.len(), rounds, args.seed)) {
        let mut round = vec![Measured::default(); all.len()];
        for place in order {
            round[place] = runner.measured(all[place])?;
            bar.inc(1);
        }
        measured.push(round);
        if bar.is_hidden() {
            warn(format_args!("round {number} of {} is measured", args.rounds));
        }
    }
    bar.finish_and_clear();
    Ok(measured)
}

/// Turns that were taken, on a terminal.
fn bar(turns: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(turns), ProgressDrawTarget::hidden());
    if std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::stderr());
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} turns, {eta} left");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

impl OffloadsArgs {
    fn profile(&self) -> &str {
        self.profile.as_deref().unwrap_or(self.nic.default_profile())
    }
}
