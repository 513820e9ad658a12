//! The command line: what a person types, and what it prints.

mod accept;
mod bring_up;
mod called;
mod capture;
mod clock_report;
mod clocks;
mod conformance;
mod ctl;
mod decode;
mod device;
mod dictionaries;
mod dictionary;
mod doctor;
#[cfg(feature = "dpdk")]
mod dpdk;
mod drive;
#[cfg(feature = "embedded")]
mod embedded;
mod exchange;
mod failure;
mod flow;
mod guard;
mod hand_over;
mod kernel_side;
mod measure;
mod message_log;
mod nic_spec;
mod operations;
mod percentiles;
mod plan;
mod polling;
mod probe_frame;
mod profile;
mod profiles;
mod replay;
mod report;
mod run;
mod selftest;
mod session;
mod session_file;
mod signals;
mod speaker;
mod steering;
mod store;
mod store_words;
mod stores;
mod summary;
mod table;
mod telling;
mod text_file;
mod top;

use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Parser, Subcommand};

use failure::Failure;

/// A FIX engine over its own TCP, run on the NIC's terms.
///
/// `fixwire run` with no argument is the main job: it brings up a network device of its own, says which
/// offloads the device does and which fixwire does, connects over its own TCP to an exchange on the
/// Linux kernel's TCP, logs on, trades, logs out, and reports what it measured. No root is needed.
///
/// Exit codes: 0 done; 1 the machine, the device or the peer failed; 2 an argument or a file cannot be
/// used; 3 the profile requires what the NIC does not do.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Show what DPDK and its drivers write while a device is set up, and not only where that fails: much of it is of
    /// what does no harm.
    #[cfg(feature = "dpdk")]
    #[arg(short, long, global = true)]
    verbose: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Accept(accept::AcceptArgs),
    Plan(plan::PlanArgs),
    #[command(subcommand)]
    Profiles(profiles::ProfilesCommand),
    Conformance(conformance::ConformanceArgs),
    Flow(flow::FlowArgs),
    Selftest(selftest::SelftestArgs),
    Doctor(doctor::DoctorArgs),
    #[command(subcommand)]
    Guard(guard::GuardCommand),
    #[command(subcommand)]
    Dictionary(dictionary::DictionaryCommand),
    Exchange(exchange::ExchangeArgs),
    Decode(decode::DecodeArgs),
    #[command(subcommand)]
    Measure(measure::MeasureCommand),
    #[command(subcommand)]
    Session(session::SessionCommand),
    Ctl(ctl::CtlArgs),
    Top(top::TopArgs),
    Replay(replay::ReplayArgs),
    #[command(subcommand)]
    Store(store::StoreCommand),
}

pub(crate) fn dispatch(cli: &Cli) -> Result<(), Failure> {
    #[cfg(feature = "dpdk")]
    dpdk::keep_words(!cli.verbose);
    act(&cli.command).inspect_err(|_| {
        #[cfg(feature = "dpdk")]
        dpdk::show_words();
    })
}

fn act(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Run(args) => run::command(args),
        Command::Accept(args) => accept::command(args),
        Command::Plan(args) => plan::command(args),
        Command::Profiles(command) => profiles::command(command),
        Command::Conformance(args) => conformance::command(args),
        Command::Flow(args) => flow::command(args),
        Command::Selftest(args) => selftest::command(args),
        Command::Doctor(args) => doctor::command(args),
        Command::Guard(command) => guard::command(command),
        Command::Dictionary(command) => dictionary::command(command),
        Command::Exchange(args) => exchange::command(args),
        Command::Decode(args) => decode::command(args),
        Command::Measure(command) => measure::command(command),
        Command::Session(command) => session::command(command),
        Command::Ctl(args) => ctl::command(args),
        Command::Top(args) => top::command(args),
        Command::Replay(args) => replay::command(args),
        Command::Store(command) => store::command(command),
    }
}

/// Something that was to be said was not.
static UNSAID: AtomicBool = AtomicBool::new(false);

/// Writes a line to standard output. A reader that went away (`| head`) is no reason to fail; a report that could not
/// be written is, at the end: there may be a device to close.
fn say(line: impl std::fmt::Display) {
    if let Err(error) = writeln!(std::io::stdout(), "{line}")
        && error.kind() != ErrorKind::BrokenPipe
        && !UNSAID.swap(true, Ordering::Relaxed)
    {
        warn(format_args!("standard output cannot be written: {error}"));
    }
}

/// Whether all that was to be said could be written.
pub(crate) fn all_was_said() -> bool {
    !UNSAID.load(Ordering::Relaxed)
}

/// Writes a line to standard error, if anybody can read it.
pub(crate) fn warn(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "fixwire: {line}");
}
