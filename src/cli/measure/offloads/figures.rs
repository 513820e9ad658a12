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

/// Of which messages a figure is: the type of what came, and of what was sent of it, as reports have them.
type Types = [Option<String>; 2];

/// What a turn measured: of each kind a figure for each message type. Of one by several lives of the clock there is none: no
/// life is the one that is meant.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    kinds: BTreeMap<String, BTreeMap<Types, Option<Figure>>>,
}

impl Measured {
    /// Of a report of `fixwire run --measure-json`.
    pub(super) fn of(report: &Value) -> Result<Measured, String> {
        let intervals = report["intervals"].as_array().ok_or("it has no \"intervals\"")?;
        let mut measured = Measured::default();
        for (kind, _) in KINDS {
            for of in intervals.iter().filter(|of| of["kind"] == kind) {
                let types =
                    ["trigger_type", "order_type"].map(|key| of[key].as_str().map(str::to_owned));
                let figures = measured.kinds.entry(kind.to_owned()).or_default();
                let is_first = !figures.contains_key(&types);
                figures.insert(types, is_first.then(|| Figure::of(of)).transpose()?);
            }
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

    /// The messages that figures of a kind are of: those that were answered most often in the first turn of the whole profile
    /// that has a figure of it. In every other turn the same count, however many there were of others.
    fn types(&self, kind: &str) -> Option<&Types> {
        let of_whole = self.rounds.iter().filter_map(|round| round.first()?.kinds.get(kind));
        let mut most = of_whole.filter_map(|figures| {
            let samples = |figure: &Option<Figure>| figure.as_ref().map(|of| of.samples);
            let told = figures.iter().filter_map(|(types, of)| Some((samples(of)?, types)));
            told.max().map(|(_, types)| types)
        });
        most.next()
    }

    /// The same in words, as tables have it.
    pub(super) fn types_in_words(&self, kind: &str) -> Option<String> {
        let [trigger, order] = self.types(kind)?;
        let written = [trigger, order].into_iter().flatten();
        Some(written.map(String::as_str).collect::<Vec<_>>().join(">"))
    }

    /// The figure of a kind that a turn has, if it has one of those messages.
    fn figure<'a>(&self, turn: &'a Measured, kind: &str) -> Option<&'a Figure> {
        turn.kinds.get(kind)?.get(self.types(kind)?)?.as_ref()
    }

    /// A turn's figure of a kind, of the first round that has one.
    pub(super) fn example(&self, kind: &str) -> Option<&Figure> {
        self.rounds.iter().flatten().find_map(|turn| self.figure(turn, kind))
    }

    /// Samples of a kind in the turns of `arm`, all rounds together.
    pub(super) fn samples(&self, kind: &str, arm: usize) -> u64 {
        let of = self.rounds.iter().filter_map(|round| self.figure(round.get(arm)?, kind));
        of.map(|figure| figure.samples).sum()
    }

    /// Figures that had several clocks.
    pub(super) fn of_several_clocks(&self) -> usize {
        self.turns_of_kinds(|figures, types| figures.get(types).is_some_and(Option::is_none))
    }

    /// Figures that there are of other messages only.
    pub(super) fn of_other_messages(&self) -> usize {
        self.turns_of_kinds(|figures, types| !figures.contains_key(types))
    }

    fn turns_of_kinds(
        &self,
        is_counted: impl Fn(&BTreeMap<Types, Option<Figure>>, &Types) -> bool,
    ) -> usize {
        let of_kind = |kind: &str| {
            let turns = self.rounds.iter().flatten().filter_map(|turn| turn.kinds.get(kind));
            self.types(kind).map_or(0, |types| turns.filter(|of| is_counted(of, types)).count())
        };
        KINDS.iter().map(|(kind, _)| of_kind(kind)).sum()
    }

    fn pairs(&self, kind: &str, place: usize, [one, other]: [usize; 2]) -> Vec<(u64, u64)> {
        let of = |turn: &Measured| self.figure(turn, kind)?.quantiles_ps[place];
        let both = |round: &Vec<Measured>| Some((of(round.get(one)?)?, of(round.get(other)?)?));
        self.rounds.iter().filter_map(both).collect()
    }

    /// How far off a difference of a percentile may be: by what the two turns of the same profile differ, and by what stamps and
    /// digits round. The first two arms are those.
    pub(super) fn floor(&self, kind: &str, place: usize, confidence: f64) -> Option<u64> {
        let same = paired(&self.pairs(kind, place, [0, 1]), confidence)?;
        let turns = self.rounds.iter().flatten().filter_map(|turn| self.figure(turn, kind));
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

    fn figure(samples: u64, ps: u64, noise_ps: u64) -> Figure {
        Figure {
            samples,
            quantiles_ps: [Some(ps), Some(2 * ps), None],
            noise_ps,
            points: ["from".into(), "to".into()],
            clock: "this host's counter".into(),
            error_bound: "none".into(),
        }
    }

    fn types(trigger: &str) -> Types {
        [Some(trigger.to_owned()), Some("D".to_owned())]
    }

    fn turn(kinds: &[(&str, u64)], noise_ps: u64) -> Measured {
        let of = |ps| BTreeMap::from([(types("8"), Some(figure(2_000, ps, noise_ps)))]);
        let kinds = kinds.iter().map(|(kind, ps)| ((*kind).to_owned(), of(*ps))).collect();
        Measured { kinds }
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
    fn every_turn_is_of_the_messages_that_the_first_one_had_most_of() {
        const KIND: &str = "poll_to_doorbell";
        let of = |all: &[(&str, u64, u64)]| {
            let figures = all
                .iter()
                .map(|(trigger, samples, ps)| (types(trigger), Some(figure(*samples, *ps, 1_000))));
            Measured { kinds: BTreeMap::from([(KIND.to_owned(), figures.collect())]) }
        };
        let mut rounds = Rounds::new();
        for round in 0..12 {
            // News are many in some turns, and of another price; in one turn there are no reports.
            let whole = of(&[("8", 900, 700_000), ("B", 100 + 200 * round, 90_000)]);
            let without = of(&[("8", 500, 730_000), ("B", 700, 60_000)]);
            let news = of(&[("B", 1_200, 60_000)]);
            rounds.push(vec![whole.clone(), whole, if round == 7 { news } else { without }]);
        }
        assert_eq!(rounds.types_in_words(KIND).unwrap(), "8>D");
        let rows = rounds.rows(2, 0.99);
        let (found, verdict) = rows[0].found.unwrap();
        assert_eq!((found.first, found.second, verdict), (700_000, 730_000, Verdict::More));
        assert_eq!((rounds.samples(KIND, 0), rounds.samples(KIND, 2)), (12 * 900, 11 * 500));
        assert_eq!((rounds.of_several_clocks(), rounds.of_other_messages()), (0, 1));
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
        let mut rounds = Rounds::new();
        rounds.push(vec![turn(&[("wire_to_wire", 1), ("poll_to_doorbell", 1)], 1), measured]);
        assert_eq!((rounds.of_several_clocks(), rounds.of_other_messages()), (1, 0));
        let measured = &rounds.rounds[0][1];
        assert!(rounds.figure(measured, "wire_to_wire").is_none());
        let of = rounds.figure(measured, "poll_to_doorbell").unwrap();
        assert!(of.quantiles_ps[0].unwrap().abs_diff(500_000) < 600, "{of:?}");
        // 30 samples are enough for a median, and for no more.
        assert_eq!(of.quantiles_ps[1..], [None, None]);
        assert_eq!(of.noise_ps, 1_500);
    }
}
