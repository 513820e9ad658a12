//! Instructions of a step, counted by callgrind.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use fixwire_benches::case::Case;
use fixwire_benches::cases;

use crate::{source, target};

/// Steps that are counted of a case: every message of a rotation once.
const STEPS: u64 = 512;

/// Instructions of a step, by the case's name.
pub(crate) type Counts = BTreeMap<String, u64>;

/// Counts every case, and keeps the result beside criterion's.
pub(crate) fn count_all() -> Result<Counts, String> {
    let counts = count(|_| true)?;
    let path = target()?.join("instructions.json");
    let text = serde_json::to_string_pretty(&counts).map_err(|error| error.to_string())?;
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(counts)
}

/// What was counted last, if anything.
pub(crate) fn counted_last() -> Result<Counts, String> {
    let path = target()?.join("instructions.json");
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(Counts::new()) };
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Counts the cases that are wanted, as many at a time as there are processors: instructions are as many whatever else runs.
pub(crate) fn count(is_wanted: fn(&Case) -> bool) -> Result<Counts, String> {
    let cases = cases::all();
    let wanted = cases.iter().filter(|case| case.is_counted && is_wanted(case));
    let names: Vec<String> = wanted.map(Case::name).collect();
    let next = AtomicUsize::new(0);
    let count_some = || {
        let names = std::iter::from_fn(|| names.get(next.fetch_add(1, Ordering::Relaxed)));
        names.map(|name| Ok((name.clone(), count_one(name)?))).collect::<Result<Counts, String>>()
    };
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(count_some)).collect();
        let mut counts = Counts::new();
        for worker in workers {
            counts.extend(worker.join().map_err(|_| "a count was cut short")??);
        }
        Ok(counts)
    })
}

fn count_one(case: &str) -> Result<u64, String> {
    let program = target()?.join("release/instructions");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        .arg("--toggle-collect=*instructions::counted*")
        .arg(&program)
        .args([case, &STEPS.to_string()])
        .current_dir(source())
        .output()
        .map_err(|error| format!("valgrind did not start: {error}; scripts/setup installs it"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text.lines().find_map(|line| line.split_once("Collected : "));
    let total = collected.and_then(|(_, number)| number.trim().parse::<u64>().ok());
    match total {
        Some(total) if output.status.success() && total > 0 => Ok(total.div_ceil(STEPS)),
        _ => Err(format!("valgrind counted nothing of {case}:\n{text}")),
    }
}
