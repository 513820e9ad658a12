//! One line of the table: somebody at something, beside us at the same.

use fixwire_benches::case::{Caches, Case, US};
use fixwire_benches::cases::{self, checksum};

use crate::callgrind::{self, Counts};
use crate::samples::{self, Time, Times};

/// A line.
pub(crate) struct Row {
    /// What is done: `frame_to_frame/offloaded`.
    pub(crate) what: String,
    pub(crate) caches: Caches,
    pub(crate) who: &'static str,
    pub(crate) time: Time,
    /// Instructions of a step, where they were counted.
    pub(crate) instructions: Option<u64>,
    /// The bytes that a step goes through, where they are what it costs by.
    bytes: Option<usize>,
    /// Our least time and our instructions at the same.
    ours: Option<(f64, Option<u64>)>,
}

impl Row {
    pub(crate) fn is_ours(&self) -> bool {
        self.who == US
    }

    /// How many times our least time theirs is.
    pub(crate) fn ratio(&self) -> Option<f64> {
        let (ours, _) = self.ours?;
        (!self.is_ours() && ours > 0.0).then(|| self.time.least / ours)
    }

    /// Bytes that a cycle goes through at the least time.
    pub(crate) fn bytes_per_cycle(&self, cycle_ns: Option<f64>) -> Option<f64> {
        Some(self.bytes? as f64 * cycle_ns? / self.time.least)
    }

    /// How many times our instructions theirs are.
    pub(crate) fn ratio_of_instructions(&self) -> Option<f64> {
        let (_, ours) = self.ours?;
        let (ours, theirs) = (ours?, self.instructions?);
        (!self.is_ours() && ours > 0).then(|| theirs as f64 / ours as f64)
    }
}

/// What was measured, in the cases' order: warm first.
pub(crate) fn all() -> Result<Vec<Row>, String> {
    let (times, counts) = (samples::read()?, callgrind::counted_last()?);
    let cases = cases::all();
    let mut rows = Vec::new();
    let mut begun = Vec::new();
    for case in &cases {
        if begun.contains(&case.what.as_str()) {
            continue;
        }
        begun.push(&case.what);
        for caches in Caches::ALL {
            let alike = cases.iter().filter(|other| other.what == case.what);
            rows.extend(alike.filter_map(|case| row(case, caches, &times, &counts)));
        }
    }
    if rows.is_empty() {
        return Err("nothing was measured yet: run `make bench`".into());
    }
    Ok(rows)
}

fn row(case: &Case, caches: Caches, times: &Times, counts: &Counts) -> Option<Row> {
    let time_of = |who: &str| times.get(&format!("{}/{who}/{}", case.what, caches.name())).copied();
    // Cold or warm, the instructions are the same.
    let count_of = |who: &str| counts.get(&format!("{}/{who}", case.what)).copied();
    Some(Row {
        what: case.what.clone(),
        caches,
        who: case.who,
        time: time_of(case.who)?,
        instructions: count_of(case.who),
        bytes: case.bytes,
        ours: time_of(US).map(|ours| (ours.least, count_of(US))),
    })
}

/// How long a cycle of the core was, in ns, in the same run: the least time of a chain whose cycles are
/// known. The time-stamp counter would not do, as a core's clock is another and moves.
pub(crate) fn cycle_ns(rows: &[Row]) -> Option<f64> {
    let chain = rows.iter().find(|row| row.what == checksum::CLOCK)?;
    Some(chain.time.least / f64::from(checksum::CLOCK_CYCLES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_per_cycle_go_by_the_cycle_of_the_same_run() {
        let row = |what: &str, least: f64, bytes| Row {
            what: what.to_owned(),
            caches: Caches::Warm,
            who: US,
            time: Time { least, median: 2.0 * least },
            instructions: None,
            bytes,
            ours: None,
        };
        let chain = row(checksum::CLOCK, f64::from(checksum::CLOCK_CYCLES) / 4.0, None);
        let rows = [row("checksum/verify", 10.0, Some(120)), chain];
        assert_eq!(cycle_ns(&rows), Some(0.25));
        assert_eq!(rows.each_ref().map(|row| row.bytes_per_cycle(Some(0.25))), [Some(3.0), None]);
        assert_eq!((cycle_ns(&rows[..1]), rows[0].bytes_per_cycle(None)), (None, None));
    }
}
