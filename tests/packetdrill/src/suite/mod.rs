//! A suite of scripts: which there are, what becomes of each, and what that amounts to.

mod find;
mod needs;
mod progress;
mod run;
mod stand_in;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use clap::Parser;

use progress::Progress;
use run::Runner;

/// The shared object, beside the runner.
const LIBRARY: &str = "libfixwire_packetdrill.so";

/// Runs packetdrill's scripts against fixwire's TCP, in virtual time.
///
/// Each script passed, failed, or is not applicable: it failed, and needs something that is not offered,
/// which is named. Ends with 0 if none failed, with 1 if one did, with 2 if nothing could be run.
#[derive(Parser)]
#[command(name = "packetdrill-suite")]
struct Arguments {
    /// packetdrill, built from its sources.
    #[arg(long, value_name = "BINARY")]
    packetdrill: PathBuf,
    /// The shared object that it loads; the one beside this program.
    #[arg(long, value_name = "FILE")]
    library: Option<PathBuf>,
    /// How long a script may take, in seconds of real time.
    #[arg(long, value_name = "S", default_value_t = 20)]
    time_limit_s: u64,
    /// How many scripts run at once; as many as there are processors.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// A script, or a folder of them.
    suite: PathBuf,
    /// What packetdrill is told besides.
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

/// The program.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args();
    let name = arguments.next().unwrap_or_default();
    let name = Path::new(&name).file_name().unwrap_or_default().to_string_lossy().into_owned();
    if let Some(stand_in) = stand_in::named(&name) {
        return stand_in(&arguments.collect::<Vec<_>>());
    }
    match suite(Arguments::parse()) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("packetdrill-suite: {why}");
            ExitCode::from(2)
        }
    }
}

fn suite(arguments: Arguments) -> Result<ExitCode, String> {
    let program =
        std::env::current_exe().map_err(|error| format!("this program's path: {error}"))?;
    let library = arguments.library.unwrap_or_else(|| program.with_file_name(LIBRARY));
    let suite = absolute(&arguments.suite)?;
    let scripts = find::scripts(&suite)?;
    let runner = Runner {
        packetdrill: absolute(&arguments.packetdrill)?,
        library: absolute(&library)?,
        program,
        time_limit_s: arguments.time_limit_s,
        arguments: arguments.arguments,
        isolates: run::can_isolate(),
    };
    runner.check()?;
    let jobs = arguments
        .jobs
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    let progress = Mutex::new(Progress::new(&suite, &scripts));
    run_all(&runner, &scripts, jobs.max(1), &progress);
    let progress = progress.into_inner().unwrap_or_else(PoisonError::into_inner);
    let [passed, failed, not_applicable] = progress.totals();
    println!("{passed} passed, {failed} failed, {not_applicable} not applicable");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn absolute(path: &Path) -> Result<PathBuf, String> {
    path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))
}

/// Runs each script, `jobs` of them at a time.
fn run_all(runner: &Runner, scripts: &[PathBuf], jobs: usize, progress: &Mutex<Progress<'_>>) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(scripts.len()) {
            scope.spawn(|| {
                while let Some(at) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < scripts.len())
                {
                    let verdict = runner.run(&scripts[at]);
                    progress.lock().unwrap_or_else(PoisonError::into_inner).note(at, verdict);
                }
            });
        }
    });
}
