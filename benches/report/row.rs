//! One line of the table: somebody at something, beside us at the same.

use fixwire_benches::case::{Case, US};
use fixwire_benches::cases;

use crate::callgrind::{self, Counts};
use crate::samples::{self, Time, Times};

/// A line.
pub(crate) struct Row {
    /// What is done: `frame_to_frame/offloaded`.
    pub(crate) what: String,
    /// `warm` or `cold`.
    pub(crate) caches: &'static str,
    pub(crate) who: &'static str,
    pub(crate) time: Time,
    /// Instructions of a step, where they were counted.
    pub(crate) instructions: Option<u64>,
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

    /// How many times our instructions theirs are.
    pub(crate) fn ratio_of_instructions(&self) -> Option<f64> {
        let (_, ours) = self.ours?;
        let (ours, theirs) = (ours?, self.instructions?);
        (!self.is_ours() && ours > 0).then(|| theirs as f64 / ours as f64)
    }
}

/// What was measured, in the cases' order: warm, then cold.
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
        for caches in ["warm", "cold"] {
            let alike = cases.iter().filter(|other| other.what == case.what);
            rows.extend(alike.filter_map(|case| row(case, caches, &times, &counts)));
        }
    }
    if rows.is_empty() {
        return Err("nothing was measured yet: run `make bench`".into());
    }
    Ok(rows)
}

fn row(case: &Case, caches: &'static str, times: &Times, counts: &Counts) -> Option<Row> {
    let time_of = |who: &str| times.get(&format!("{}/{who}/{caches}", case.what)).copied();
    // Cold or warm, the instructions are the same.
    let count_of = |who: &str| counts.get(&format!("{}/{who}", case.what)).copied();
    Some(Row {
        what: case.what.clone(),
        caches,
        who: case.who,
        time: time_of(case.who)?,
        instructions: count_of(case.who),
        ours: time_of(US).map(|ours| (ours.least, count_of(US))),
    })
}
