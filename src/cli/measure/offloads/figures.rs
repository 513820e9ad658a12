//! What turns have measured, and what a capability makes of it.

use std::collections::BTreeMap;

use fixwire::measure::compare::{Difference, Verdict, paired};
use serde_json::Value;

use super::super::stored::decoded;

/// What is compared: all that the host and the device do, and less where nobody stamps.
pub(super) const KINDS: [(&str, &str); 3] = [
    ("wire_to_wire", "wire in to wire out"),
    ("wire_to_doorbell", "wire in to doorbell"),
    ("poll_to_doorbell", "poll to doorbell"),
];
pub(super) const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)];
/// Samples that lie beyond a percentile in each turn.
const BEYOND_MIN: f64 = 10.0;

/// A distribution of a turn, as far as it is compared.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    pub(super) samples: u64,
    /// In picoseconds; `None` where too few samples lie beyond.
    quantiles_ps: [Option<u64>; QUANTILES.len()],
    /// What stamps and three digits round by.
    noise_ps: u64,
    pub(super) points: [String; 2],
    pub(super) clock: String,
    pub(super) error_bound: String,
}

/// What a turn measured: for each kind the figure of the messages that are answered most often.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    kinds: BTreeMap<String, Figure>,
    /// Kinds that have figures by several lives of the clock: none of them is the one that is meant.
    pub(super) of_several_clocks: u64,
}

impl Measured {
    /// Of a report of `fixwire run --measure-json`.
    pub(super) fn of(report: &Value) -> Result<Measured, String> {
        let intervals = report["intervals"].as_array().ok_or("it has no \"intervals\"")?;
        let mut measured = Measured::default();
        for (kind, _) in KINDS {
            let of_kind = intervals.iter().filter(|of| of["kind"] == kind);
            let most = of_kind.clone().max_by_key(|of| of["samples"].as_u64());
            let Some(most) = most else { continue };
            let is_same =
                |of: &&Value| ["trigger_type", "order_type"].iter().all(|key| of[key] == most[key]);
            if of_kind.filter(is_same).count() > 1 {
                measured.of_several_clocks += 1;
                continue;
            }
            measured.kinds.insert(kind.to_owned(), Figure::of(most)?);
        }
        Ok(measured)
    }
}

impl Figure {
    fn of(interval: &Value) -> Result<Figure, String> {
        let text = |key: &str| {
            let text = interval[key].as_str().map(str::to_owned);
            text.ok_or_else(|| format!("an interval has no {key:?}"))
        };
        let ps = decoded(&text("histogram_ps")?)?;
        let is_enough =
            |quantile: f64| ps.len() as f64 * quantile.min(1.0 - quantile) >= BEYOND_MIN;
        let quantiles_ps = QUANTILES
            .map(|(_, quantile)| is_enough(quantile).then(|| ps.value_at_quantile(quantile)));
        let digits = quantiles_ps.iter().flatten().map(|value| ps.equivalent_range(*value)).max();
        let stamps_ns = interval["noise_floor_ns"].as_f64().unwrap_or_default();
        Ok(Figure {
            samples: ps.len(),
            quantiles_ps,
            noise_ps: digits.unwrap_or_default().max((stamps_ns * 1_000.0).round() as u64),
            points: [text("from")?, text("to")?],
            clock: text("clock")?,
            error_bound: text("error_bound")?,
        })
    }
}

/// Rounds, each with what everybody's turn has measured.
pub(super) struct Rounds {
    rounds: Vec<Vec<Measured>>,
}

/// A percentile of a kind with a capability on and off.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) kind: &'static str,
    pub(super) percentile: &'static str,
    /// Off is so much more than on; `None` where too few rounds have both.
    pub(super) found: Option<(Difference, Verdict)>,
    pub(super) floor_ps: u64,
}

/// What a capability is worth here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// Without it something takes longer, and nothing less.
    Earns,
    /// Without it something takes less time, and nothing longer.
    Costs,
    /// Some of both.
    Both,
    /// Nothing that noise does not explain.
    Nothing,
    /// There is no figure with and without it.
    Untold,
}

impl Rounds {
    pub(super) fn new() -> Rounds {
        Rounds { rounds: Vec::new() }
    }

    pub(super) fn push(&mut self, round: Vec<Measured>) {
        self.rounds.push(round);
    }

    pub(super) fn len(&self) -> usize {
        self.rounds.len()
    }

    /// A turn's figure of a kind, of the first round that has one.
    pub(super) fn example(&self, kind: &str) -> Option<&Figure> {
        self.rounds.iter().flatten().find_map(|turn| turn.kinds.get(kind))
    }

    /// Samples of a kind in the turns of `arm`, all rounds together.
    pub(super) fn samples(&self, kind: &str, arm: usize) -> u64 {
        let of = self.rounds.iter().filter_map(|round| round.get(arm)?.kinds.get(kind));
        of.map(|figure| figure.samples).sum()
    }

    /// Figures that had several clocks.
    pub(super) fn of_several_clocks(&self) -> u64 {
        self.rounds.iter().flatten().map(|turn| turn.of_several_clocks).sum()
    }

    fn pairs(&self, kind: &str, place: usize, [one, other]: [usize; 2]) -> Vec<(u64, u64)> {
        let of = |turn: &Measured| turn.kinds.get(kind)?.quantiles_ps[place];
        let both = |round: &Vec<Measured>| Some((of(round.get(one)?)?, of(round.get(other)?)?));
        self.rounds.iter().filter_map(both).collect()
    }

    /// How far off a difference of a percentile may be: by what the two turns of the same profile differ, and by what stamps and
    /// digits round. The first two arms are those.
    pub(super) fn floor(&self, kind: &str, place: usize, confidence: f64) -> Option<u64> {
        let same = paired(&self.pairs(kind, place, [0, 1]), confidence)?;
        let turns = self.rounds.iter().flatten().filter_map(|turn| turn.kinds.get(kind));
        let rounding = turns.map(|figure| figure.noise_ps).max().unwrap_or_default();
        Some(same.from.unsigned_abs().max(same.to.unsigned_abs()).max(rounding))
    }

    /// What is found of the capability that `arm` has off.
    pub(super) fn rows(&self, arm: usize, confidence: f64) -> Vec<Row> {
        let mut rows = Vec::new();
        for (kind, name) in KINDS {
            for (place, (percentile, _)) in QUANTILES.into_iter().enumerate() {
                let Some(floor_ps) = self.floor(kind, place, confidence) else { continue };
                let found = paired(&self.pairs(kind, place, [0, arm]), confidence);
                let found = found.map(|found| (found, found.verdict(floor_ps)));
                rows.push(Row { kind: name, percentile, found, floor_ps });
            }
        }
        rows
    }
}

impl Worth {
    pub(super) fn of(rows: &[Row]) -> Worth {
        let has =
            |wanted| rows.iter().any(|row| matches!(row.found, Some((_, is)) if is == wanted));
        match (has(Verdict::More), has(Verdict::Less)) {
            (true, false) => Worth::Earns,
            (false, true) => Worth::Costs,
            (true, true) => Worth::Both,
            (false, false) if has(Verdict::Same) => Worth::Nothing,
            (false, false) => Worth::Untold,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Worth::Earns => "earns_its_place",
            Worth::Costs => "costs",
            Worth::Both => "earns_and_costs",
            Worth::Nothing => "within_the_noise",
            Worth::Untold => "not_told",
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Worth::Earns => "earns its place",
            Worth::Costs => "costs more than it brings",
            Worth::Both => "earns at one percentile and costs at another",
            Worth::Nothing => "makes no difference beyond the noise",
            Worth::Untold => "cannot be told: there is no figure both with and without it",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(kinds: &[(&str, u64)], noise_ps: u64) -> Measured {
        let figure = |ps: u64| Figure {
            samples: 2_000,
            quantiles_ps: [Some(ps), Some(2 * ps), None],
            noise_ps,
            points: ["from".into(), "to".into()],
            clock: "this host's counter".into(),
            error_bound: "none".into(),
        };
        let kinds = kinds.iter().map(|(kind, ps)| ((*kind).to_owned(), figure(*ps))).collect();
        Measured { kinds, of_several_clocks: 0 }
    }

    /// Twelve rounds on a host that gets slower: the same twice, which differ by up to `noise`, and one that is `more`.
    fn rounds(noise: u64, more: i64) -> Rounds {
        let mut rounds = Rounds::new();
        for round in 0..12_u64 {
            let on = 700_000 + round * 50_000;
            let of = |ps: u64| turn(&[("poll_to_doorbell", ps)], 1_000);
            let again = if round % 2 == 0 { on + noise } else { on - noise };
            rounds.push(vec![of(on), of(again), of(on.wrapping_add_signed(more))]);
        }
        rounds
    }

    #[test]
    fn a_capability_is_worth_what_lies_beyond_what_the_same_twice_differs_by() {
        for (noise, more, worth) in [
            (2_000, 30_000, Worth::Earns),
            (2_000, -30_000, Worth::Costs),
            (2_000, 0, Worth::Nothing),
            (40_000, 30_000, Worth::Nothing),
            // Stamps round by 1,000, and of p90 it is twice as much.
            (0, 500, Worth::Nothing),
            (0, 501, Worth::Earns),
        ] {
            let rows = rounds(noise, more).rows(2, 0.99);
            assert_eq!(Worth::of(&rows), worth, "{noise} {more}: {rows:?}");
            // Where nobody stamps there is no row, and of p99 neither.
            assert_eq!(rows.iter().map(|row| row.percentile).collect::<Vec<_>>(), ["p50", "p90"]);
        }
    }

    #[test]
    fn what_has_no_figure_without_a_capability_is_not_told() {
        let mut rounds = Rounds::new();
        for _ in 0..12 {
            let whole = || turn(&[("wire_to_doorbell", 900_000)], 1_000);
            rounds.push(vec![whole(), whole(), turn(&[], 0)]);
        }
        let rows = rounds.rows(2, 0.99);
        assert!(rows.iter().all(|row| row.found.is_none()) && rows.len() == 2, "{rows:?}");
        assert_eq!(Worth::of(&rows), Worth::Untold);
        assert_eq!(
            (rounds.samples("wire_to_doorbell", 0), rounds.samples("wire_to_doorbell", 2)),
            (24_000, 0)
        );
    }

    #[test]
    fn a_turn_whose_clock_began_a_new_life_has_no_figure_of_it() {
        use hdrhistogram::Histogram;
        let mut ps = Histogram::<u64>::new_with_bounds(1, 60_000_000_000_000, 3).unwrap();
        ps.record_n(500_000, 30).unwrap();
        let interval = |kind: &str, clock: &str, order: &str| {
            serde_json::json!({
                "kind": kind, "clock": clock, "trigger_type": "8", "order_type": order, "samples": 30,
                "from": "here", "to": "there", "error_bound": "much", "noise_floor_ns": 1.5,
                "histogram_ps": super::super::super::stored::encoded(&ps),
            })
        };
        let report = serde_json::json!({ "intervals": [
            interval("wire_to_wire", "the NIC's clock in its life 0", "D"),
            interval("wire_to_wire", "the NIC's clock in its life 1", "D"),
            interval("poll_to_doorbell", "this host's counter", "D"),
        ]});
        let measured = Measured::of(&report).unwrap();
        assert_eq!(measured.of_several_clocks, 1);
        let names: Vec<_> = measured.kinds.keys().collect();
        assert_eq!(names, ["poll_to_doorbell"]);
        let of = &measured.kinds["poll_to_doorbell"];
        assert!(of.quantiles_ps[0].unwrap().abs_diff(500_000) < 600, "{of:?}");
        // 30 samples are enough for a median, and for no more.
        assert_eq!(of.quantiles_ps[1..], [None, None]);
        assert_eq!(of.noise_ps, 1_500);
    }
}
