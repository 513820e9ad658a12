//! What a run measured and counted, for people and for machines.

use fixwire::app::SessionId;
use fixwire::app::taker::Taker;
use fixwire::engine::Engine;
use fixwire::measure::Intervals;
use fixwire::offload::nic::Nic;
use fixwire_hw::capture::Summary;
use serde_json::{Map, Value, json};

use super::capture;
use super::percentiles::Percentiles;
use super::table;

/// A finished run.
pub(crate) struct Report<'a, N: Nic> {
    engine: &'a Engine<N, Taker>,
    core: Option<u16>,
    instead_of: Option<&'a str>,
    captured: Option<&'a Summary>,
    frame_to_order: Percentiles,
    round_trip: Percentiles,
}

impl<'a, N: Nic> Report<'a, N> {
    /// Reads it out of the engine. `core` is where it was pinned; `instead_of` why it ran on the NIC
    /// model though a TAP was wanted; `captured` what the capture came to that was asked for.
    pub(crate) fn of(
        engine: &'a Engine<N, Taker>,
        core: Option<u16>,
        instead_of: Option<&'a str>,
        captured: Option<&'a Summary>,
    ) -> Self {
        Report {
            engine,
            core,
            instead_of,
            captured,
            frame_to_order: Percentiles::of(engine.intervals().frame_to_order()),
            round_trip: Percentiles::of(engine.app().round_trip()),
        }
    }

    pub(crate) fn json(&self) -> Value {
        let sessions: Vec<Value> = self.sessions();
        let sum =
            |key: &str| sessions.iter().filter_map(|session| session[key].as_u64()).sum::<u64>();
        let mut session = sessions.first().cloned().unwrap_or_default();
        if sessions.len() > 1 {
            session = json!({ "orders_sent": sum("orders_sent"), "reports_received": sum("reports_received") });
        }
        json!({
            "nic": self.engine.plan().nic,
            "profile": self.engine.plan().profile,
            "instead_of_tap_because": self.instead_of,
            "core": self.core,
            "plan": table::plan_json(self.engine.plan(), Some(self.engine.observations())),
            "session": session,
            "sessions": sessions,
            "latency_ns": self.frame_to_order.json(Intervals::FRAME_TO_ORDER_FROM, Intervals::FRAME_TO_ORDER_TO),
            "round_trip_ns": self.round_trip.json(Taker::ROUND_TRIP_FROM, Taker::ROUND_TRIP_TO),
            "capture": self.captured.map(capture::summary_json),
            "counters": self.counters(),
        })
    }

    pub(crate) fn for_people(&self) -> String {
        let mut text = String::new();
        for session in self.sessions() {
            text += &format!(
                "session {} -> {}: {} orders sent, {} reports received, next MsgSeqNum out {} in {}\n",
                session["sender_comp_id"].as_str().unwrap_or_default(),
                session["target_comp_id"].as_str().unwrap_or_default(),
                session["orders_sent"],
                session["reports_received"],
                session["next_out"],
                session["next_in"],
            );
        }
        let core =
            self.core.map_or("not pinned".to_owned(), |core| format!("pinned to core {core}"));
        text += &format!(
            "\n{}\n",
            table::latency(&[
                ("frame to order", &self.frame_to_order),
                ("round trip", &self.round_trip),
            ])
        );
        text += &format!(
            "frame to order: from {}, to {}.\nround trip: from {}, to {}.\nPolled {core}. Host clocks on {}: no hardware timestamp is in these figures.\n",
            Intervals::FRAME_TO_ORDER_FROM,
            Intervals::FRAME_TO_ORDER_TO,
            Taker::ROUND_TRIP_FROM,
            Taker::ROUND_TRIP_TO,
            self.engine.plan().nic,
        );
        text += &format!(
            "\nwhat live frames showed:\n{}\n",
            table::observed(self.engine.plan(), self.engine.observations())
        );
        let counted: Vec<String> = self
            .engine
            .counters()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        text += &format!("\ncounters: {}", counted.join(", "));
        if let Some(summary) = self.captured {
            text += &format!("\n\n{}", capture::summary_for_people(summary));
        }
        text
    }

    fn sessions(&self) -> Vec<Value> {
        let statuses = self.engine.desk().statuses().enumerate();
        statuses
            .map(|(index, status)| {
                let tally = self.engine.app().tally(SessionId(index as u16));
                json!({
                    "begin_string": status.config.version.begin_string(),
                    "sender_comp_id": format!("{:?}", status.config.sender_comp_id),
                    "target_comp_id": format!("{:?}", status.config.target_comp_id),
                    "peer": status.peer.to_string(),
                    "logons": status.logons,
                    "orders_sent": tally.orders_sent,
                    "reports_received": tally.reports_received,
                    "orders_lost_in_reset": tally.orders_lost,
                    "unexpected_messages": tally.unexpected,
                    "next_out": status.next_out,
                    "next_in": status.next_in,
                })
            })
            .collect()
    }

    fn counters(&self) -> Value {
        let counters = self.engine.counters();
        Value::Object(
            counters.map(|(name, count)| (name.to_owned(), json!(count))).collect::<Map<_, _>>(),
        )
    }
}
