//! What was measured, as Markdown.

use std::fmt::{self, Write as _};

use crate::line::{Carried, Counts, Way};
use crate::{Case, Control};

/// One case, and what it took each way and round.
pub(crate) struct Row {
    case: Case,
    carried: [Vec<Carried>; 3],
}

impl Row {
    pub(crate) fn new(case: Case) -> Row {
        Row { case, carried: Default::default() }
    }

    pub(crate) fn add(&mut self, way: Way, carried: Carried) {
        self.carried[way as usize].push(carried);
    }

    /// Goodput of each round, in MB/s, sorted.
    fn rounds(&self, way: Way) -> Vec<f64> {
        let carried = &self.carried[way as usize];
        let mut rounds: Vec<f64> =
            carried.iter().map(|one| one.bytes as f64 * 1e3 / one.taken_ns as f64).collect();
        rounds.sort_by(f64::total_cmp);
        rounds
    }

    fn median(&self, way: Way) -> f64 {
        let rounds = self.rounds(way);
        rounds[rounds.len() / 2]
    }

    /// All bytes over all time, in MB/s.
    fn overall(&self, way: Way) -> f64 {
        let carried = &self.carried[way as usize];
        let bytes: usize = carried.iter().map(|one| one.bytes).sum();
        let taken_ns: u64 = carried.iter().map(|one| one.taken_ns).sum();
        bytes as f64 * 1e3 / taken_ns as f64
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.case)?;
        for way in Way::ALL {
            write!(f, "\n  {way:?}: {:.2} overall,", self.overall(way))?;
            for round in self.rounds(way) {
                write!(f, " {round:.2}")?;
            }
            let counts: Counts = self.carried[way as usize].iter().map(|one| one.counts).sum();
            write!(f, "; {counts:?}")?;
        }
        Ok(())
    }
}

/// Of each way the median of the rounds, and all bytes over all time; of ours how much that is of the kernel's.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text =
        "| congestion control | round trip, ms | loss, % | Linux to Linux, MB/s: median, overall \
                    | fixwire to Linux | of it, % | Linux to fixwire | of it, % |\n\
                    | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
            .to_owned();
    for row in rows {
        let Case { control, round_trip_ms, loss_percent, .. } = row.case;
        let control = match control {
            Control::Reno => "Reno; ours NewReno",
            Control::Cubic => "CUBIC",
        };
        let [kernel, sent, got] = Way::ALL.map(|way| (row.median(way), row.overall(way)));
        let pair = |of: (f64, f64)| format!("{:.2}, {:.2}", of.0, of.1);
        let percent = |of: (f64, f64)| {
            format!("{:.0}, {:.0}", of.0 / kernel.0 * 100.0, of.1 / kernel.1 * 100.0)
        };
        let _ = writeln!(
            text,
            "| {control} | {round_trip_ms} | {loss_percent} | {} | {} | {} | {} | {} |",
            pair(kernel),
            pair(sent),
            percent(sent),
            pair(got),
            percent(got),
        );
    }
    text
}
