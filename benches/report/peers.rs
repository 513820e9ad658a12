//! Engines in other languages beside ours, at the same messages: `make bench-peers`.

use std::path::Path;
use std::process::Command;

use fixwire_benches::case::{Caches, US};
use fixwire_benches::cases;
use fixwire_benches::cases::fix::LOADS;
use fixwire_benches::sampling::Sampler;

use crate::{source, target};

/// Samples of ours, as many as the peers take.
const SAMPLES: usize = 60;
/// Messages in each.
const STEPS: u64 = 4 * 512;
/// What has the fields of both messages.
const DICTIONARY: &str = "../tests/quickfix/FIX44.xml";

/// Nanoseconds a message.
struct Time {
    least: f64,
    median: f64,
}

/// Measures `program`, which is QuickFIX's, and ours, and prints a table.
pub(crate) fn compare(program: &Path) -> Result<(), String> {
    let mut command = Command::new(program);
    command.arg(source().join(DICTIONARY));
    for what in ["fix_decode/report", "fix_decode/order"] {
        command.arg(written(what)?);
    }
    let output = command.output().map_err(|error| format!("{}: {error}", program.display()))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let theirs = text.lines().map(read).collect::<Result<Vec<_>, _>>()?;
    println!("| what | who | least ns | median ns | × ours |\n| --- | --- | ---: | ---: | ---: |");
    for what in ["fix_decode/report", "fix_decode/order"] {
        let ours = ours(what);
        println!("| {what} | **fixwire** | {:.0} | {:.0} | |", ours.least, ours.median);
        for (name, time) in theirs.iter().filter(|(name, _)| name.starts_with(what)) {
            let how = name.trim_start_matches(what).trim_start_matches(", ");
            let ratio = time.least / ours.least;
            println!(
                "| {what} | QuickFIX, {how} | {:.0} | {:.0} | {ratio:.1} |",
                time.least, time.median
            );
        }
    }
    Ok(())
}

/// The messages of a case, in a file.
fn written(what: &str) -> Result<std::path::PathBuf, String> {
    let load = LOADS.iter().find(|load| load.what == what).ok_or("no such case")?;
    let path = target()?.join(format!("{}.fix", what.replace('/', "_")));
    std::fs::write(&path, load.messages().concat())
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

fn read(line: &str) -> Result<(String, Time), String> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [name, least, median] = fields[..] else { return Err(format!("{line:?} is no result")) };
    let number = |text: &str| text.parse().map_err(|_| format!("{line:?} is no result"));
    Ok((name.to_owned(), Time { least: number(least)?, median: number(median)? }))
}

fn ours(what: &str) -> Time {
    let cases = cases::all();
    let case = cases.iter().find(|case| case.what == what && case.who == US).expect("a case");
    let mut bench = (case.make)();
    let mut sampler = Sampler::default();
    let mut sample = || {
        let taken = sampler.sample(&mut *bench, Caches::Warm, STEPS);
        taken.as_nanos() as f64 / STEPS as f64
    };
    sample();
    let mut samples: Vec<f64> = (0..SAMPLES).map(|_| sample()).collect();
    samples.sort_by(f64::total_cmp);
    Time { least: samples[0], median: samples[SAMPLES / 2] }
}
