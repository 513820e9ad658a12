//! What was measured of a run, for people and for machines, and what keeps it from being a NIC's figure.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use fixwire::measure::live::{Cost, Hops, LiveCounters};
use fixwire::measure::pairs::Reason;
use fixwire::measure::tally::{Kind, Tally, ns};
use serde_json::{Value, json};

use super::super::figures::Figures;
use super::super::page::Page;
use super::wire_port::Seen;
use crate::cli::doctor::Facts;

/// What a point may cost.
const POINT_PS_MAX: u64 = 10_000;

/// What was measured of a run.
pub(crate) struct LiveReport {
    /// None where the thread that added up came to a bad end.
    pub(super) hops: Option<Box<Hops>>,
    /// What a second port has seen, if one was read, and everything together.
    pub(super) port: Option<Box<Seen>>,
    pub(super) all: Option<Box<Tally>>,
    pub(super) counters: Arc<LiveCounters>,
    pub(super) cost: Cost,
    pub(super) is_model: bool,
    pub(super) tells_departures: bool,
    pub(super) plan_text: String,
    pub(super) plan_json: Value,
    pub(super) facts: Facts,
}

impl LiveReport {
    pub(super) fn figures(&self) -> Figures<'_> {
        static NOTHING: std::sync::LazyLock<Tally> = std::sync::LazyLock::new(Tally::live);
        let hops = self.hops.as_ref().map_or(&*NOTHING, |hops| hops.tally());
        match &self.all {
            None => Figures { tally: hops, kinds: &Kind::LIVE, reasons: &Reason::LIVE },
            Some(all) => {
                let (kinds, reasons) = (&Kind::LIVE_AND_PORT, &Reason::LIVE_AND_PORT);
                Figures { tally: all, kinds, reasons }
            }
        }
    }

    /// Takes in what a second port has seen.
    pub(super) fn add_port(&mut self, seen: Option<Seen>) {
        let Some(seen) = seen else { return };
        let mut all = self.figures().tally.clone();
        all.absorb(seen.tally.clone());
        (self.all, self.port) = (Some(Box::new(all)), Some(Box::new(seen)));
    }

    fn messages(&self) -> (u64, u64) {
        self.hops.as_ref().map_or((0, 0), |hops| hops.messages())
    }

    /// What is shown at the end of a run.
    pub(crate) fn for_people(&self) -> String {
        let (messages, answered) = self.messages();
        let mut text = format!(
            "\n\nmeasured: {messages} messages, {answered} of them answered by the application there and then\n{}{}\n",
            self.figures().text(),
            self.cost_in_words(),
        );
        for note in self.notes() {
            text += &format!("{note}\n");
        }
        format!("{text}{}", self.facts.text)
    }

    /// The whole of it: also what a run's own report says beside it.
    pub(crate) fn json(&self) -> Value {
        let (messages, answered) = self.messages();
        let count = |of: &std::sync::atomic::AtomicU64| of.load(Ordering::Relaxed);
        let ns = |ps: u64| ps as f64 / 1_000.0;
        let ps = |span: fixwire::measure::wire_time::WireSpan| {
            ns(u64::try_from(span.as_ps()).unwrap_or_default())
        };
        json!({
            "intervals": self.figures().intervals_json(),
            "excluded": self.figures().excluded_json(),
            "messages": messages,
            "messages_answered": answered,
            "messages_left_out": self.hops.as_ref().map_or(0, |hops| hops.left_out()),
            "records": count(&self.counters.records),
            "records_ring_full": count(&self.counters.ring_full),
            "answers_untold": count(&self.counters.untold),
            "sent_without_trigger": count(&self.counters.without_trigger),
            "sent_at_logon": self.hops.as_ref().map_or(0, |hops| hops.sent_at_logon()),
            "overhead": {
                "timed": self.cost.timed,
                "reading_ns": ps(self.cost.reading),
                "record_ns": ps(self.cost.record),
                "point_ns": ns(self.cost.point_ps()),
                "message_ns": ns(self.cost.message_ps()),
            },
            "is_model": self.is_model,
            "wire_port": self.port.as_ref().map(|port| port.json()),
            "plan": self.plan_json,
            "host": self.facts.json,
            "notes": self.notes(),
        })
    }

    pub(super) fn page(&self) -> Page<'_> {
        let (messages, answered) = self.messages();
        Page {
            title: "fixwire run --measure",
            heading: "Latencies of a run",
            of: vec![
                format!("{messages} messages, {answered} of them answered there and then"),
                self.cost_in_words(),
            ],
            figures: self.figures(),
            hops: "Medians, in the order of the way; of each message type by itself.",
            notes: self.notes(),
            more: vec![
                ("Plan in force", self.plan_text.clone()),
                ("Host", self.facts.text.clone()),
            ],
        }
    }

    fn cost_in_words(&self) -> String {
        let Cost { timed, reading, record } = self.cost;
        let point_ps = self.cost.point_ps();
        let mut words = format!(
            "measuring itself: {} a point ({} a reading of the host's counter, and a fourth of {} a record; {timed} of each \
             timed before the first), {} a message that is answered",
            ns(point_ps.into()),
            ns(reading.as_ps()),
            ns(record.as_ps()),
            ns(self.cost.message_ps().into()),
        );
        if point_ps > POINT_PS_MAX {
            words += &format!(
                "; more than the {} that a point is to cost: in a virtual machine the counter alone may take that long",
                ns(POINT_PS_MAX.into())
            );
        }
        words
    }

    /// What a reader of the figures should know, in sentences.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let tally = self.figures().tally;
        if self.hops.is_none() {
            notes.push(
                "the thread that adds up has ended early, so that there is no figure; this is a fault of fixwire's: please \
                 report it"
                    .into(),
            );
        }
        if self.is_model {
            notes.push(
                "the device is a model, made of this host's time: nothing here is a NIC's latency"
                    .into(),
            );
        }
        notes.extend(self.figures().bunched());
        notes.extend(self.port.iter().flat_map(|port| port.notes()));
        if let Some(why) = tally.incomparable() {
            notes.push(format!("intervals between two clocks are no figures: {why}"));
        }
        if let Some(why) = tally.refused() {
            notes.push(format!(
                "stamps that the clock discipline has no time for are in no figure; the first because {why}"
            ));
        }
        if !self.tells_departures {
            notes.push(
                "when orders left the wire is not told: write tx_timestamp = \"prefer\" in the profile, of a device that tells"
                    .into(),
            );
        }
        let count = |of: &std::sync::atomic::AtomicU64| of.load(Ordering::Relaxed);
        let mut note = |count: u64, words: &str| {
            if count > 0 {
                notes.push(format!("{count} {words}"));
            }
        };
        note(
            count(&self.counters.ring_full),
            "records found the ring full: what they told of is in no figure",
        );
        note(
            count(&self.counters.untold),
            "answers were handed over with more than 63 others, and are in no figure",
        );
        note(
            count(&self.counters.without_trigger),
            "times the application sent of its own accord, in its turn or prepared: no message led to that, and it is in no figure",
        );
        note(
            tally.beyond(),
            "intervals by further clocks, or of further message types, are in no figure",
        );
        notes
    }
}
