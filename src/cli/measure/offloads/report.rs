//! Which offloads earn their place, for people and for machines, and what kind of device that was found on.

use std::fmt::Write;
use std::sync::LazyLock;

use fixwire::measure::tally::{Tally, ns};
use serde_json::{Value, json};

use super::OffloadsArgs;
use super::arms::{Arms, Tried};
use super::figures::{KINDS, QUANTILES, Rounds, Row, Worth};
use super::turn::Shown;
use crate::cli::failure::Failure;
use crate::cli::measure::compare::{in_words, signed};
use crate::cli::measure::figures::Figures;
use crate::cli::measure::page::Page;
use crate::cli::nic_spec::{Made, NicSpec};
use crate::cli::table;

/// The first of the capabilities, behind the two turns of the whole profile.
const FIRST_ARM: usize = 2;

pub(super) struct Report<'a> {
    pub(super) args: &'a OffloadsArgs,
    pub(super) whole: &'a Shown,
    pub(super) arms: &'a Arms,
    pub(super) tried: &'a [Tried],
    pub(super) rounds: &'a Rounds,
}

/// Why these are no figures of a NIC, where they are none.
fn no_nic(nic: &NicSpec) -> Option<String> {
    let what = match nic.made() {
        Made::Nic => return None,
        Made::Model => "a model in this host's memory",
        Made::Software => "software on this host",
    };
    Some(format!(
        "NOT A NIC'S FIGURES: {nic} is {what}. What its offloads save or cost here is what that code takes and saves, and says nothing \
         of any NIC."
    ))
}

impl Report<'_> {
    fn confidence(&self) -> f64 {
        self.args.confidence / 100.0
    }

    fn rows(&self) -> impl Iterator<Item = (&Tried, Vec<Row>)> {
        let arms = (FIRST_ARM..).zip(self.tried);
        arms.map(|(arm, tried)| (tried, self.rounds.rows(arm, self.confidence())))
    }

    /// Whether every session without an offload was the same.
    pub(super) fn outcome(&self) -> Result<(), Failure> {
        let differ = self.tried.iter().filter_map(|tried| {
            let why = tried.same.as_ref().err()?;
            Some(format!("without {}: {why}", tried.capability))
        });
        let differ: Vec<_> = differ.collect();
        if differ.is_empty() {
            return Ok(());
        }
        Err(Failure::run(
            format!(
                "sessions are not the same without what they should not depend on; {}",
                differ.join("; ")
            ),
            "please report it with the report",
        ))
    }

    fn heading(&self) -> Vec<String> {
        let OffloadsArgs { nic, messages, warm_up, seed, .. } = self.args;
        let mut lines = vec![format!(
            "{} ({nic}), profile {}: {} rounds in which everybody has one turn of {messages} orders behind {warm_up} that are left out, in \
             an order drawn by the seed {seed}",
            self.whole.nic,
            self.args.profile(),
            self.rounds.len(),
        )];
        lines.extend(no_nic(nic));
        lines
    }

    fn table(&self) -> String {
        let interval = format!("{} % interval", self.args.confidence);
        let header = [
            "without",
            "interval",
            "percentile",
            "on",
            "off",
            "off - on",
            interval.as_str(),
            "noise floor",
            "off is",
        ];
        let cells = |tried: &Tried, row: Row| {
            let mut cells =
                vec![tried.capability.to_string(), row.kind.into(), row.percentile.into()];
            let floor = ns(row.floor_ps.into());
            cells.extend(match row.found {
                None => [
                    String::from("-"),
                    "-".into(),
                    "-".into(),
                    "-".into(),
                    floor,
                    "of too few turns".into(),
                ],
                Some((found, verdict)) => [
                    ns(found.first.into()),
                    ns(found.second.into()),
                    signed(found.apart()),
                    format!("{} to {}", signed(found.from), signed(found.to)),
                    floor,
                    in_words(verdict).into(),
                ],
            });
            cells
        };
        let rows = self.rows().flat_map(|(tried, rows)| {
            rows.into_iter().map(move |row| cells(tried, row)).collect::<Vec<_>>()
        });
        table::rows(&header, rows)
    }

    /// A line for each capability, and how the session without it was proven.
    fn verdicts(&self) -> String {
        let mut out = String::new();
        for (tried, rows) in self.rows() {
            let Tried { capability, by, instead, along, same } = tried;
            let worth = Worth::of(&rows).words();
            let _ = writeln!(out, "{capability}, by {by}: {worth}\n  without it: {instead}");
            if !along.is_empty() {
                let _ = writeln!(out, "  and with it changes: {}", along.join(", "));
            }
            let _ = match same {
                Ok(messages) => writeln!(
                    out,
                    "  the session is the same: {messages} messages, apart from times, sums and what the counterparty chooses"
                ),
                Err(why) => writeln!(out, "  THE SESSION IS NOT THE SAME: {why}"),
            };
        }
        out
    }

    /// What the figures lie between, and how far they may be wrong.
    fn points(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (kind, name) in KINDS {
            let Some(figure) = self.rounds.example(kind) else {
                lines.push(format!(
                    "{name}: no figure, as the device does not stamp both ends of it, or its clock was not followed in time"
                ));
                continue;
            };
            let [from, to] = &figure.points;
            let types = self.rounds.types_in_words(kind).unwrap_or_default();
            lines.push(format!(
                "{name}, {types}: from {from} to {to}, by {}; of one turn: {}",
                figure.clock, figure.error_bound
            ));
        }
        lines.push(format!(
            "noise floor: what two turns of the same profile differ by in the same rounds, to the end of the {} % interval, and no less \
             than what stamps and three digits round by",
            self.args.confidence
        ));
        lines
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = self.points();
        notes.push(
            "a difference is the median of the rounds' differences, its interval of 10,000 bootstrap draws of whole rounds; where \
             many percentiles are looked at, chance alone makes some differ: ask for --confidence 99.9 where that is too often"
                .into(),
        );
        if self.args.nic.made() == Made::Nic {
            notes.push(
                "a PCI function that a hypervisor makes is software too, and cannot be told from a NIC by this".into(),
            );
        }
        if self.rounds.of_several_clocks() > 0 {
            notes.push(format!(
                "{} figures of turns in which the NIC's clock began a new life are left out",
                self.rounds.of_several_clocks()
            ));
        }
        if self.rounds.of_other_messages() > 0 {
            notes.push(format!(
                "{} figures of turns are left out that are of other messages than the first turn had most of",
                self.rounds.of_other_messages()
            ));
        }
        for (capability, why) in &self.arms.left_out {
            notes.push(format!("{capability} is not tried, as the device does not do it: {why}"));
        }
        notes
    }

    pub(super) fn text(&self) -> String {
        let mut out = self.heading().join("\n");
        let _ =
            write!(out, "\n\n{}\n\n{}\n{}", self.table(), self.verdicts(), self.notes().join("\n"));
        out
    }

    pub(super) fn page(&self) -> Page<'_> {
        static NOTHING: LazyLock<Tally> = LazyLock::new(Tally::default);
        Page {
            title: "fixwire measure offloads",
            heading: "Which offloads earn their place",
            of: self.heading(),
            figures: Figures { tally: &NOTHING, kinds: &[], reasons: &[] },
            hops: "",
            notes: self.notes(),
            more: vec![("Off against on", self.table()), ("Each by itself", self.verdicts())],
        }
    }

    pub(super) fn json(&self) -> Value {
        let ns = |ps: i64| ps as f64 / 1_000.0;
        let row = |row: &Row| {
            let mut object = json!({
                "interval": row.kind,
                "percentile": row.percentile,
                "noise_floor_ns": ns(row.floor_ps as i64),
                "verdict": row.found.map_or("too few turns", |(_, verdict)| in_words(verdict)),
            });
            if let Some((found, _)) = row.found {
                object["on_ns"] = ns(found.first as i64).into();
                object["off_ns"] = ns(found.second as i64).into();
                object["difference_ns"] = ns(found.apart()).into();
                object["from_ns"] = ns(found.from).into();
                object["to_ns"] = ns(found.to).into();
            }
            object
        };
        let capabilities = (FIRST_ARM..).zip(self.rows()).map(|(arm, (tried, rows))| {
            let samples = |arm| {
                KINDS
                    .map(|(kind, _)| (kind.to_owned(), Value::from(self.rounds.samples(kind, arm))))
            };
            let samples = |arm| samples(arm).into_iter().collect::<serde_json::Map<_, _>>();
            json!({
                "capability": tried.capability.name(),
                "by": tried.by,
                "without": tried.instead,
                "changes_along": tried.along,
                "worth": Worth::of(&rows).name(),
                "session_is_the_same": tried.same.is_ok(),
                "messages_compared": tried.same.as_ref().ok(),
                "session_differs": tried.same.as_ref().err(),
                "samples_on": samples(0),
                "samples_off": samples(arm),
                "comparisons": rows.iter().map(row).collect::<Vec<_>>(),
            })
        });
        let floors = KINDS.iter().flat_map(|(kind, name)| {
            let floor = move |place| self.rounds.floor(kind, place, self.confidence());
            let of = QUANTILES.into_iter().enumerate().filter_map(move |(place, (percentile, _))| Some((percentile, floor(place)?)));
            of.map(move |(percentile, ps)| json!({ "interval": name, "percentile": percentile, "ns": ns(ps as i64) }))
        });
        let of_messages = KINDS.iter().filter_map(|(kind, _)| {
            Some(((*kind).to_owned(), Value::from(self.rounds.types_in_words(kind)?)))
        });
        let not_tried = self
            .arms
            .left_out
            .iter()
            .map(|(capability, why)| json!({ "capability": capability.name(), "why": why }));
        json!({
            "nic": self.whole.nic,
            "spec": self.args.nic.to_string(),
            "profile": self.args.profile(),
            "measured_on": self.args.nic.made().name(),
            "is_nic_measurement": self.args.nic.made() == Made::Nic,
            "not_a_nic": no_nic(&self.args.nic),
            "rounds": self.rounds.len(),
            "messages": self.args.messages,
            "warm_up": self.args.warm_up,
            "seed": self.args.seed,
            "confidence_percent": self.args.confidence,
            "capabilities": capabilities.collect::<Vec<_>>(),
            "not_tried": not_tried.collect::<Vec<_>>(),
            "noise_floors": floors.collect::<Vec<_>>(),
            "of_messages": of_messages.collect::<serde_json::Map<_, _>>(),
            "points": self.points(),
            "notes": self.notes(),
        })
    }
}
