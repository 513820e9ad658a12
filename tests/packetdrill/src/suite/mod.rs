//! A suite of scripts: which there are, what becomes of each, and what that amounts to.

mod needs;
mod run;
mod stand_in;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Parser;

use run::{Runner, Verdict};

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
    let scripts = scripts(&suite)?;
    let runner = Runner {
        packetdrill: absolute(&arguments.packetdrill)?,
        library: absolute(&library)?,
        program,
        time_limit_s: arguments.time_limit_s,
        arguments: arguments.arguments,
        isolates: run::can_isolate(),
    };
    let jobs = arguments
        .jobs
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    let verdicts = run_all(&runner, &scripts, jobs.max(1));
    let mut totals = [0; 3];
    for (script, verdict) in scripts.iter().zip(verdicts) {
        let name = script.strip_prefix(&suite).ok().filter(|name| *name != Path::new(""));
        let name = name.unwrap_or(script).display();
        match verdict {
            Verdict::Passed => {
                totals[0] += 1;
                println!("passed          {name}");
            }
            Verdict::Failed(why) => {
                totals[1] += 1;
                println!("FAILED          {name}: {why}");
            }
            Verdict::NotApplicable(why) => {
                totals[2] += 1;
                println!("not applicable  {name}: {why}");
            }
        }
    }
    println!("{} passed, {} failed, {} not applicable", totals[0], totals[1], totals[2]);
    Ok(if totals[1] == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn absolute(path: &Path) -> Result<PathBuf, String> {
    path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))
}

/// The scripts beneath `path`, or `path` itself, in order.
fn scripts(path: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut folders = vec![path.to_owned()];
    if path.is_file() {
        return Ok(folders);
    }
    while let Some(folder) = folders.pop() {
        let entries =
            std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "pkt") {
                found.push(path);
            }
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(format!("{}: no script (*.pkt) beneath it", path.display()));
    }
    Ok(found)
}

/// What became of each script, `jobs` of them at a time.
fn run_all(runner: &Runner, scripts: &[PathBuf], jobs: usize) -> Vec<Verdict> {
    let next = AtomicUsize::new(0);
    let verdicts = Mutex::new(vec![None; scripts.len()]);
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(scripts.len()) {
            scope.spawn(|| {
                while let Some(at) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < scripts.len())
                {
                    let verdict = runner.run(&scripts[at]);
                    if let Ok(mut verdicts) = verdicts.lock() {
                        verdicts[at] = Some(verdict);
                    }
                }
            });
        }
    });
    let verdicts = verdicts.into_inner().unwrap_or_default();
    let unknown = || Verdict::Failed("its runner ended early".into());
    verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(unknown)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_found_beneath_a_folder_and_an_empty_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(scripts(folder.path()).unwrap_err().contains("no script"));
        std::fs::create_dir(folder.path().join("b")).unwrap();
        for name in ["b/2.pkt", "a.pkt", "b/1.pkt", "notes.txt"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let found = scripts(folder.path()).unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|path| path.strip_prefix(folder.path()).unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, ["a.pkt", "b/1.pkt", "b/2.pkt"]);
    }
}
