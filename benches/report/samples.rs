//! What criterion measured last, read from its folder.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::target;

/// Nanoseconds of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Time {
    /// The least sample: what the machine's other work disturbed least.
    pub(crate) least: f64,
    /// The median of the samples.
    pub(crate) median: f64,
}

/// By criterion's name: `frame_to_frame/offloaded/fixwire/warm`.
pub(crate) type Times = BTreeMap<String, Time>;

#[derive(Deserialize)]
struct Benchmark {
    full_id: String,
}

#[derive(Deserialize)]
struct Sample {
    iters: Vec<f64>,
    times: Vec<f64>,
}

/// Everything that was measured, each case as it was measured last.
pub(crate) fn read() -> Result<Times, String> {
    let mut times = Times::new();
    walk(&target()?.join("criterion"), &mut times)?;
    Ok(times)
}

fn walk(folder: &Path, times: &mut Times) -> Result<(), String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()) {
        if path.ends_with("new") {
            let benchmark: Benchmark = parsed(&path.join("benchmark.json"))?;
            let sample: Sample = parsed(&path.join("sample.json"))?;
            times.extend(time(&sample).map(|time| (benchmark.full_id, time)));
        } else {
            walk(&path, times)?;
        }
    }
    Ok(())
}

fn parsed<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn time(sample: &Sample) -> Option<Time> {
    let mut steps: Vec<f64> =
        sample.times.iter().zip(&sample.iters).map(|(time, iters)| time / iters).collect();
    steps.sort_by(f64::total_cmp);
    Some(Time { least: *steps.first()?, median: steps[steps.len() / 2] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_s_time_is_per_step() {
        let sample = Sample { iters: vec![10.0, 10.0, 10.0], times: vec![50.0, 20.0, 30.0] };
        assert_eq!(time(&sample), Some(Time { least: 2.0, median: 3.0 }));
    }
}
