//! The numbers of an engine in Prometheus' text form, version 0.0.4.

use std::fmt::Write;

use fixwire::fix::{CloseReason, Event, Garbled, RejectReason};
use fixwire::measure::{BUCKET_NS_MAX, BUCKETS};

use super::super::called::Called;
use super::board::{OBSERVED, STATES, SessionShown, Shown};

/// A text of metrics, family after family.
#[derive(Default)]
struct Page(String);

impl Page {
    /// Begins a family: what it means, and its type. To a string nothing fails.
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(self.0, "# HELP fixwire_{name} {help}\n# TYPE fixwire_{name} {kind}");
    }

    /// A counter of the report's.
    fn counter(&mut self, name: &str, count: u64) {
        let total = format!("{name}_total");
        self.family(&total, "counter", &format!("The counter {name} of fixwire's reports."));
        self.sample(&total, &[], count);
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let _ = write!(self.0, "fixwire_{name}");
        for (number, (label, text)) in labels.iter().enumerate() {
            let open = if number == 0 { '{' } else { ',' };
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{open}{label}=\"{text}\"");
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

/// Everything that is known, `beside` what the board has.
pub(super) fn text(shown: &Shown<'_>, nic: &str, beside: &[(&str, u64)]) -> String {
    let mut page = Page::default();
    page.family("build_info", "gauge", "Which fixwire this is, and on which device.");
    page.sample("build_info", &[("version", env!("CARGO_PKG_VERSION")), ("nic", nic)], 1);
    page.family("link_up", "gauge", "Whether frames can pass, by the newest look at the device.");
    page.sample("link_up", &[], u64::from(shown.is_link_up()));
    for (name, count) in shown.counters() {
        page.counter(name, count);
    }
    for (name, count) in beside {
        page.counter(name, *count);
    }
    offloads(&mut page, shown);
    latency(&mut page, shown);
    sessions(&mut page, shown);
    page.0
}

fn offloads(page: &mut Page, shown: &Shown<'_>) {
    let name = "offload_observed";
    page.family(
        name,
        "gauge",
        "What live frames showed of an offload; host where the host does it.",
    );
    for of in shown.capabilities() {
        for observed in OBSERVED {
            let labels = [("capability", of.capability.name()), ("observed", observed)];
            page.sample(name, &labels, u64::from(observed == of.observed));
        }
    }
    let name = "offload_frames_total";
    page.family(name, "counter", "Frames of an offload by what became of a check of them.");
    for of in shown.capabilities() {
        for (evidence, count) in
            [("unchecked", of.seen), ("agreed", of.agreed), ("contradicted", of.contradicted)]
        {
            page.sample(
                name,
                &[("capability", of.capability.name()), ("evidence", evidence)],
                count,
            );
        }
    }
}

fn latency(page: &mut Page, shown: &Shown<'_>) {
    let name = "frame_to_order_seconds";
    let help = "From the frame in hand to the order's frame complete, by the host's clock.";
    page.family(name, "histogram", help);
    let counts = shown.latency();
    let mut sum = 0;
    for (ns_max, count) in BUCKET_NS_MAX.iter().zip(counts) {
        sum += count;
        let seconds = (*ns_max as f64 / 1e9).to_string();
        page.sample(&format!("{name}_bucket"), &[("le", &seconds)], sum);
    }
    sum += counts[BUCKETS];
    page.sample(&format!("{name}_bucket"), &[("le", "+Inf")], sum);
    page.sample(&format!("{name}_sum"), &[], shown.latency_ns() as f64 / 1e9);
    page.sample(&format!("{name}_count"), &[], sum);
}

/// A number of a session's.
type OfSession = fn(&SessionShown<'_>) -> u64;

fn sessions(page: &mut Page, shown: &Shown<'_>) {
    let sessions: Vec<_> = shown.sessions().collect();
    let names: Vec<_> = sessions.iter().map(|of| Called::of(of.config)).collect();
    let wholes: Vec<_> = names.iter().map(Called::name).collect();
    // A series of each session's own: two of them may have the same CompIDs.
    let labels = |number: usize, beside: &[(&'static str, &'static str)]| {
        let parts = names[number].parts().chain([("session", wholes[number].as_str())]);
        parts.chain(beside.iter().copied()).collect::<Vec<_>>()
    };
    let gauges: [(&str, &str, &str, OfSession); 4] = [
        ("session_connected", "gauge", "Whether it has a connection.", |of| of.is_connected.into()),
        ("session_logons_total", "counter", "How often it was established.", |of| of.logons),
        ("session_next_out", "gauge", "The next MsgSeqNum to send.", |of| of.next_out),
        ("session_next_in", "gauge", "The next MsgSeqNum expected.", |of| of.next_in),
    ];
    for (name, kind, help, value) in gauges {
        page.family(name, kind, help);
        for (number, of) in sessions.iter().enumerate() {
            page.sample(name, &labels(number, &[]), value(of));
        }
    }
    page.family("session_state", "gauge", "The state that it is in has 1.");
    for (number, of) in sessions.iter().enumerate() {
        for state in STATES {
            let is_in_it = u64::from(state == of.state);
            page.sample("session_state", &labels(number, &[("state", state)]), is_in_it);
        }
    }
    let families = [
        ("session_events_total", "event", "What happened, by name.", Event::ALL.len()),
        (
            "session_garbled_total",
            "reason",
            "Bytes that are no message, by reason.",
            Garbled::ALL.len(),
        ),
        (
            "session_rejects_total",
            "reason",
            "Messages refused, by reason.",
            RejectReason::ALL.len(),
        ),
        (
            "session_closes_total",
            "reason",
            "Ends of connections, by reason.",
            CloseReason::ALL.len(),
        ),
    ];
    let mut from = 0;
    for (name, label, help, len) in families {
        page.family(name, "counter", help);
        for (number, of) in sessions.iter().enumerate() {
            for (counter, count) in of.counters().skip(from).take(len) {
                page.sample(name, &labels(number, &[(label, counter)]), count);
            }
        }
        from += len;
    }
}
