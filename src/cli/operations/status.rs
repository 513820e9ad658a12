//! What `status` answers: how a running engine stands, for `fixwire ctl` and `fixwire top`.
//!
//! It is put together on the control socket's thread. Of the polling core it takes the numbers that this writes when it is
//! asked to ([`board`](super::board)), the clocks' and the latencies' from the threads that follow them.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use fixwire::fix::{Event, Garbled, RejectReason};
use fixwire::offload::plan::{Plan, Row};
use fixwire::wire::Refusal;
use serde_json::{Map, Value, json};

use super::super::called::Called;
use super::super::clocks::ClockView;
use super::super::measure::live::RecentView;
use super::super::message_log::LogProbe;
use super::board::{Board, CapabilityShown, SessionShown, Shown};

/// What a device counts of frames that did not get to us, or did not leave, by names of its own.
const LOST_BY_DEVICE: [&str; 7] = [
    "rx_no_buffer",
    "rx_ring_full",
    "rx_errors",
    "rx_flow_dropped",
    "rx_flow_other_queue",
    "rx_flow_not_ours",
    "tx_errors",
];

/// What other threads than the polling one know of a run.
pub(crate) struct Views {
    pub(crate) clocks: ClockView,
    /// Where latencies are measured hop by hop.
    pub(crate) measure: Option<RecentView>,
}

/// Whoever answers.
pub(super) struct Status {
    pub(super) board: Arc<Board>,
    pub(super) plan: Plan,
    pub(super) log: Option<LogProbe>,
    pub(super) views: Views,
    pub(super) begun: Instant,
    /// The same as the host's clock had it then: no two processes of one number have it in common.
    pub(super) begun_at: SystemTime,
}

impl Status {
    /// `None` where the engine does not answer.
    pub(super) fn answer(&mut self) -> Option<Value> {
        let shown = self.board.ask()?;
        let plan = &self.plan;
        let named = |of: &CapabilityShown| offload(plan, of);
        let offloads = shown.capabilities().filter(|of| of.observed != "host");
        let rows = shown.capabilities().map(|of| row(plan.row(of.capability), &of));
        let log: Option<Map<String, Value>> = self.log.as_ref().map(|log| {
            log.counts().into_iter().map(|(name, count)| (name.to_owned(), count.into())).collect()
        });
        Some(json!({
            "process": {
                "pid": std::process::id(),
                "version": env!("CARGO_PKG_VERSION"),
                "uptime_ms": self.begun.elapsed().as_millis() as u64,
                "begun_unix_ms": unix_ms(self.begun_at),
            },
            "nic": plan.nic,
            "profile": plan.profile,
            "link_up": shown.is_link_up(),
            "sessions": shown.sessions().map(|of| session(&of)).collect::<Vec<_>>(),
            "offloads": offloads.map(|of| named(&of)).collect::<Vec<_>>(),
            "plan": rows.collect::<Vec<_>>(),
            "counters": counted(shown.counters()),
            "dropped": dropped(&shown),
            "frame_to_order": {
                "samples": shown.latency().iter().sum::<u64>(),
                "sum_ns": shown.latency_ns(),
            },
            "clocks": self.views.clocks.json(),
            "measure": self.views.measure.as_ref().and_then(RecentView::json),
            "log": log,
        }))
    }
}

fn unix_ms(at: SystemTime) -> Option<u64> {
    at.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_millis() as u64)
}

fn counted(counters: impl Iterator<Item = (&'static str, u64)>) -> Map<String, Value> {
    counters.map(|(name, count)| (name.to_owned(), count.into())).collect()
}

/// Frames that went no further, by reason; those of which there were some.
fn dropped(shown: &Shown<'_>) -> Map<String, Value> {
    let is_reason = |name: &str| {
        LOST_BY_DEVICE.contains(&name) || Refusal::ALL.iter().any(|of| of.name() == name)
    };
    counted(shown.counters().filter(|(name, count)| *count > 0 && is_reason(name)))
}

fn session(of: &SessionShown<'_>) -> Value {
    let count =
        |name: &str| of.counters().find(|(known, _)| *known == name).map_or(0, |(_, count)| count);
    let garbled = Garbled::ALL.into_iter().map(|reason| count(reason.name()));
    let rejected = RejectReason::ALL.into_iter().map(|reason| count(reason.name()));
    json!({
        "session": Called::of(of.config).name(),
        "state": of.state,
        "is_connected": of.is_connected,
        "logons": of.logons,
        "next_out": of.next_out,
        "next_in": of.next_in,
        "received": count(Event::MessageReceived.name()),
        "sent": count(Event::MessageSent.name()),
        "resent": count(Event::MessageResent.name()),
        "gaps": count(Event::GapDetected.name()),
        "garbled": garbled.sum::<u64>(),
        "rejects_sent": rejected.sum::<u64>(),
    })
}

fn offload(plan: &Plan, of: &CapabilityShown) -> Value {
    json!({
        "capability": of.capability.name(),
        "by": plan.row(of.capability).by.to_string(),
        "observed": of.observed,
        "unchecked": of.seen,
        "agreed": of.agreed,
        "contradicted": of.contradicted,
    })
}

/// A row of the plan with what live frames showed of it; `observed` is nothing where the plan leaves it to the host.
fn row(row: &Row, of: &CapabilityShown) -> Value {
    let observed = (of.observed != "host").then_some(of.observed);
    json!({
        "capability": row.capability.name(),
        "policy": row.policy.to_string(),
        "outcome": row.outcome.to_string(),
        "by": row.by.to_string(),
        "reason": row.reason,
        "observed": observed,
        "unchecked": of.seen,
        "agreed": of.agreed,
        "contradicted": of.contradicted,
    })
}
