//! What a run measured and counted, for people and for machines.

use fixwire::app::SessionId;
use fixwire::app::taker::Taker;
use fixwire::desk::SessionStatus;
use fixwire::engine::Engine;
use fixwire::fix::Event;
use fixwire::measure::Intervals;
use fixwire::offload::nic::Nic;
use fixwire_hw::capture::Summary;
use serde_json::{Value, json};

use super::capture;
use super::clock_report::ClockReport;
use super::drive::Trader;
use super::percentiles::Percentiles;
use super::telling::{name, parties};
use super::{steering, summary, table};

/// A finished run.
pub(crate) struct Report<'a, N: Nic> {
    engine: &'a Engine<N, Trader>,
    core: Option<u16>,
    instead_of: Option<&'a str>,
    clocks: &'a ClockReport,
    captured: Option<&'a Summary>,
    frame_to_order: Percentiles,
    round_trip: Percentiles,
}

impl<'a, N: Nic> Report<'a, N> {
    /// Reads it out of the engine. `core` is where it was pinned; `instead_of` why it ran on the NIC
    /// model though a TAP was wanted; `clocks` what became of them; `captured` what the capture came to that was
    /// asked for.
    pub(crate) fn of(
        engine: &'a Engine<N, Trader>,
        core: Option<u16>,
        instead_of: Option<&'a str>,
        clocks: &'a ClockReport,
        captured: Option<&'a Summary>,
    ) -> Self {
        Report {
            engine,
            core,
            instead_of,
            clocks,
            captured,
            frame_to_order: Percentiles::of(&engine.intervals().frame_to_order()),
            round_trip: Percentiles::of(engine.app().round_trip()),
        }
    }

    pub(crate) fn json(&self) -> Value {
        let sessions: Vec<Value> = self.sessions_json();
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
            "neighbors": summary::neighbors(self.engine),
            "plan": table::plan_json(self.engine.plan(), Some(self.engine.observations())),
            "steering": steering::json(self.engine),
            "session": session,
            "sessions": sessions,
            "latency_ns": self.frame_to_order.json(Intervals::FRAME_TO_ORDER_FROM, Intervals::FRAME_TO_ORDER_TO),
            "round_trip_ns": self.round_trip.json(Taker::ROUND_TRIP_FROM, Taker::ROUND_TRIP_TO),
            "clocks": self.clocks.json(),
            "capture": self.captured.map(capture::summary_json),
            "counters": summary::counters_json(self.engine),
            "driver_counters": summary::driver_counters_json(self.engine.nic()),
            "device_refused": summary::refused_json(self.engine),
        })
    }

    pub(crate) fn for_people(&self) -> String {
        format!(
            "{}\n{}\nframe to order: from {}, to {}.\nround trip: from {}, to {}.\nPolled {}. Host clocks on {}: no hardware timestamp is in these figures.\n\n{}",
            self.sessions_for_people(),
            table::latency(&[
                ("frame to order", &self.frame_to_order),
                ("round trip", &self.round_trip),
            ]),
            Intervals::FRAME_TO_ORDER_FROM,
            Intervals::FRAME_TO_ORDER_TO,
            Taker::ROUND_TRIP_FROM,
            Taker::ROUND_TRIP_TO,
            summary::polled(self.core),
            self.engine.plan().nic,
            summary::observed_and_counted(self.engine, self.clocks, self.captured),
        )
    }

    fn sessions_json(&self) -> Vec<Value> {
        self.sessions()
            .map(|(id, status)| {
                let tally = self.engine.app().tally(id);
                let round_trip = Percentiles::of(self.engine.app().round_trip_of(id));
                let mut session = summary::session_json(&status);
                session.insert("orders_sent".into(), tally.orders_sent.into());
                session.insert("reports_received".into(), tally.reports_received.into());
                session.insert("orders_lost_in_reset".into(), tally.orders_lost.into());
                session.insert("unexpected_messages".into(), tally.unexpected.into());
                session.insert(
                    "round_trip_ns".into(),
                    round_trip.json(Taker::ROUND_TRIP_FROM, Taker::ROUND_TRIP_TO),
                );
                Value::Object(session)
            })
            .collect()
    }

    /// A sentence for one session, a table for several.
    fn sessions_for_people(&self) -> String {
        let mut sessions = self.sessions();
        if let (Some((id, status)), None) = (sessions.next(), sessions.next()) {
            let tally = self.engine.app().tally(id);
            return format!(
                "{}: {} orders sent, {} reports received, next MsgSeqNum out {} in {}\n",
                name(status.config),
                tally.orders_sent,
                tally.reports_received,
                status.next_out,
                status.next_in,
            );
        }
        let header = [
            "session", "version", "orders", "reports", "logons", "resent", "next out", "next in",
            "p50 us", "p99 us", "max us", "samples",
        ];
        let rows = self.sessions().map(|(id, status)| {
            let tally = self.engine.app().tally(id);
            let round_trip = Percentiles::of(self.engine.app().round_trip_of(id));
            vec![
                parties(status.config),
                status.config.version.begin_string().to_owned(),
                tally.orders_sent.to_string(),
                tally.reports_received.to_string(),
                status.logons.to_string(),
                status.counters.of(Event::MessageResent).to_string(),
                status.next_out.to_string(),
                status.next_in.to_string(),
                table::us(round_trip.p50),
                table::us(round_trip.p99),
                table::us(round_trip.max),
                round_trip.samples.to_string(),
            ]
        });
        let rows = table::rows(&header, rows);
        format!("{rows}\np50, p99, max: of each session's round trips, to two digits.\n")
    }

    fn sessions(&self) -> impl Iterator<Item = (SessionId, SessionStatus<'_>)> {
        let statuses = self.engine.desk().statuses().enumerate();
        statuses.map(|(index, status)| (SessionId(index as u16), status))
    }
}
