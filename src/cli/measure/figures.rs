//! Distributions, and what is in none: as a table and sentences, and for machines. The same of captures and of an engine that runs.

use std::fmt::Write;

use fixwire::measure::pairs::Reason;
use fixwire::measure::stamp::{Clock, HostCounter};
use fixwire::measure::tally::{DIGITS, Distribution, Kind, Tally, ns};
use serde_json::{Map, Value, json};

use super::stored::encoded;
use crate::cli::table;

/// The points of a distribution that are shown.
pub(super) const QUANTILES: [(&str, &str, f64); 5] = [
    ("p50", "p50_ns", 0.5),
    ("p90", "p90_ns", 0.9),
    ("p99", "p99_ns", 0.99),
    ("p99.9", "p999_ns", 0.999),
    ("p99.99", "p9999_ns", 0.9999),
];
const PS_PER_NS: u64 = 1_000;
/// What stands in place of a percentile, in words.
const UNTOLD: &str =
    "-: fewer than one sample lies beyond that percentile: nothing tells it from the maximum";
/// What the column of what is excluded has, in words.
const EXCLUDED: &str = "excluded: the part of all intervals of the kind, whatever their messages and clock, that is in no figure";
/// From this part on, what is left out where messages come close together makes what is left look faster than it was.
const BUNCHED_SHARE_MAX: f64 = 0.01;

/// What was added up, of these kinds and with these reasons.
#[derive(Clone, Copy)]
pub(super) struct Figures<'a> {
    pub(super) tally: &'a Tally,
    pub(super) kinds: &'static [Kind],
    pub(super) reasons: &'static [Reason],
}

impl Figures<'_> {
    pub(super) fn all(&self) -> &[Distribution] {
        self.tally.distributions()
    }

    /// What the table's signs stand for.
    pub(super) fn legend(&self) -> impl Iterator<Item = &'static str> {
        let is_untold = |of: &Distribution| {
            QUANTILES.iter().any(|(.., quantile)| of.told_quantile_ps(*quantile).is_none())
        };
        let has_untold = self.all().iter().any(is_untold);
        let has_excluded = self.all().iter().any(|of| self.excluded_share(of.kind) > 0.0);
        has_untold.then_some(UNTOLD).into_iter().chain(has_excluded.then_some(EXCLUDED))
    }

    /// The part of a kind's intervals that is in no figure, from 0 to 1.
    pub(super) fn excluded_share(&self, kind: Kind) -> f64 {
        self.share(kind, self.tally.excluded_in_all(kind))
    }

    fn share(&self, kind: Kind, excluded: u64) -> f64 {
        let samples = self.all().iter().filter(|of| of.kind == kind).map(|of| of.ps.len());
        let all = samples.sum::<u64>() + self.tally.excluded_in_all(kind);
        excluded as f64 / all.max(1) as f64
    }

    /// Of which kinds those that are left are no fair part of all, in sentences.
    pub(super) fn bunched(&self) -> impl Iterator<Item = String> {
        self.kinds.iter().filter_map(|kind| {
            let is_of_bunches = |(reason, _): &(Reason, u64)| reason.is_met_in_bunches();
            let reasons: Vec<_> = self.excluded(*kind).filter(is_of_bunches).collect();
            let share = self.share(*kind, reasons.iter().map(|(_, count)| count).sum());
            let has_figure = self.all().iter().any(|of| of.kind == *kind);
            (has_figure && share > BUNCHED_SHARE_MAX).then(|| {
                let names: Vec<_> = reasons.iter().map(|(reason, _)| reason.name()).collect();
                format!(
                    "{kind}: {} of all are left out for what is met where messages come close together, when latencies are long \
                     ({}): those that are measured may look faster than all were",
                    percent(share),
                    names.join(", ")
                )
            })
        })
    }

    /// The table, what each row is of, and what is in none.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        let all = self.all();
        if !all.is_empty() {
            let header = [
                "latency, ns",
                "p50",
                "p90",
                "p99",
                "p99.9",
                "p99.99",
                "max",
                "samples",
                "excluded",
                "clock",
            ];
            let rows = (1..).zip(all).map(|(number, of)| {
                let mut row = vec![format!("{number} {}", of.title())];
                row.extend(QUANTILES.map(|(_, _, quantile)| {
                    of.told_quantile_ps(quantile).map_or_else(|| "-".into(), |ps| shown(of, ps))
                }));
                row.extend([
                    shown(of, of.max_ps()),
                    of.ps.len().to_string(),
                    percent(self.excluded_share(of.kind)),
                    format!("{}, {}", short(of.domain.clock), of.domain.scale),
                ]);
                row
            });
            let _ = writeln!(out, "{}", table::rows(&header, rows));
            self.legend().for_each(|words| {
                let _ = writeln!(out, "{words}");
            });
        }
        for (number, of) in (1..).zip(all) {
            let [from, to] = of.kind.points();
            let _ = writeln!(
                out,
                "{number} {}: from {from} to {to}\n  by {}, {}; noise floor {}: {}",
                of.title(),
                of.domain.clock,
                of.domain.scale,
                ns(of.noise_floor_ps().into()),
                of.error_bound()
            );
        }
        for kind in self.kinds {
            let excluded = self.tally.excluded_in_all(*kind);
            if excluded > 0 {
                let _ = writeln!(out, "{kind}: {excluded} excluded");
            }
            for (reason, count) in self.excluded(*kind) {
                let _ = writeln!(out, "  {count} {}: {reason}", reason.name());
            }
        }
        out
    }

    /// What of a kind was excluded, by the reasons that there were.
    pub(super) fn excluded(&self, kind: Kind) -> impl Iterator<Item = (Reason, u64)> {
        let all = self.reasons.iter().map(move |of| (*of, self.tally.excluded(kind, *of)));
        all.filter(|(_, count)| *count > 0)
    }

    pub(super) fn intervals_json(&self) -> Value {
        let of = |of: &Distribution| interval_json(of, self.excluded_share(of.kind));
        self.all().iter().map(of).collect()
    }

    pub(super) fn excluded_json(&self) -> Value {
        let by_reason = |kind| -> Map<String, Value> {
            let of = |of: &Reason| (of.name().to_owned(), self.tally.excluded(kind, *of).into());
            self.reasons.iter().map(of).collect()
        };
        let all: Map<_, _> =
            self.kinds.iter().map(|kind| (kind.name().into(), by_reason(*kind).into())).collect();
        all.into()
    }
}

/// A part of a whole, to three digits.
pub(super) fn percent(share: f64) -> String {
    match share * 100.0 {
        percent if percent <= 0.0 => "0 %".into(),
        percent if percent < 0.01 => "< 0.01 %".into(),
        percent if percent < 10.0 => format!("{percent:.2} %"),
        percent => format!("{percent:.1} %"),
    }
}

fn interval_json(of: &Distribution, excluded_share: f64) -> Value {
    let ns = |ps: u64| ps as f64 / PS_PER_NS as f64;
    let [from, to] = of.kind.points();
    let mut object = json!({
        "kind": of.kind.name(),
        "from": from,
        "to": to,
        "clock": of.domain.clock.to_string(),
        "timescale": of.domain.scale.to_string(),
        "samples": of.ps.len(),
        "excluded_share": excluded_share,
        "min_ns": ns(of.ps.min()),
        "mean_ns": of.ps.mean() / PS_PER_NS as f64,
        "max_ns": ns(of.max_ps()),
        "noise_floor_ns": ns(of.noise_floor_ps()),
        "error_bound": of.error_bound(),
        "significant_digits": DIGITS,
        "histogram_ps": encoded(&of.ps),
        "first": of.begin.time.to_string(),
        "last": of.end.time.to_string(),
    });
    if let Some(types) = of.types {
        object["trigger_type"] = types.trigger.to_string().into();
        object["order_type"] = types.order.map(|order| order.to_string()).into();
    }
    for (_, name, quantile) in QUANTILES {
        object[name] = of.told_quantile_ps(quantile).map(ns).into();
    }
    object
}

/// With the digits that stamps have.
fn shown(of: &Distribution, ps: u64) -> String {
    if of.noise_floor_ps() < PS_PER_NS {
        format!("{}.{:03}", ps / PS_PER_NS, ps % PS_PER_NS)
    } else {
        (ps / PS_PER_NS + u64::from(ps % PS_PER_NS >= PS_PER_NS / 2)).to_string()
    }
}

fn short(clock: Clock) -> String {
    match clock {
        Clock::Recorder { file, interface: None } => format!("file {}", file + 1),
        Clock::Recorder { file, interface: Some(interface) } => {
            format!("file {}, interface {interface}", file + 1)
        }
        Clock::Merged { file } => format!("file {}, merged", file + 1),
        Clock::Metamako { device } => format!("Metamako {device}"),
        Clock::Exablaze { device } => format!("Exablaze {device}"),
        Clock::Arista7280 => "Arista 7280".into(),
        Clock::Host(HostCounter::Tsc) => "TSC".into(),
        Clock::Host(HostCounter::Monotonic) => "monotonic".into(),
        Clock::Nic { life } => format!("NIC {life}"),
        Clock::NicByHost { life } => format!("NIC {life} by host"),
        Clock::WirePort { hardware: true, life: 0 } => "second port".into(),
        Clock::WirePort { hardware: true, life } => format!("second port {life}"),
        Clock::WirePort { hardware: false, .. } => "kernel".into(),
    }
}
