//! What each part says.

use serde_json::Value;

use super::View;
use super::text::{Line, NOTHING, Piece, Section, Tone, grouped, line, rate, spark, table, us};

/// What a process says that is older than what is asked for.
const UNTOLD: &str = "this process is of a version that does not tell";

fn list(of: &Value) -> &[Value] {
    of.as_array().map_or(&[], Vec::as_slice)
}

fn word(of: &Value) -> String {
    match of {
        Value::Null => NOTHING.into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn count(of: &Value) -> Piece {
    Piece::plain(of.as_u64().map_or(NOTHING.into(), grouped))
}

/// The same, and worth a look where there is one.
fn fault(of: &Value) -> Piece {
    let tone = if of.as_u64() > Some(0) { Tone::Doubtful } else { Tone::Plain };
    Piece { tone, ..count(of) }
}

impl View {
    /// Every part, in the order in which they are shown; none before there was an answer.
    pub(crate) fn sections(&self) -> Vec<Section> {
        if self.newest.is_none() {
            return Vec::new();
        }
        vec![
            Section { title: "sessions", lines: self.sessions() },
            Section { title: "traffic", lines: self.traffic() },
            Section { title: "latency", lines: self.latency() },
            Section { title: "dropped", lines: self.dropped() },
            Section { title: "clocks", lines: self.clocks() },
            Section { title: "plan", lines: self.plan() },
        ]
    }

    fn sessions(&self) -> Vec<Line> {
        let header = [
            "session",
            "state",
            "next out",
            "next in",
            "sent/s",
            "received/s",
            "resent",
            "gaps",
            "garbled",
            "rejects",
            "logons",
        ];
        let rows = list(&self.answer()["sessions"]).iter().enumerate().map(|(place, of)| {
            // A session's place stays its own.
            let per_s = |key: &'static str| {
                let per_s = self.per_s(move |answer| answer["sessions"][place][key].as_u64());
                Piece::plain(rate(per_s))
            };
            let tone = match of["state"].as_str() {
                Some("active") => Tone::Good,
                Some("disconnected") => Tone::Bad,
                _ => Tone::Doubtful,
            };
            vec![
                Piece::plain(word(&of["session"])),
                Piece::new(word(&of["state"]), tone),
                count(&of["next_out"]),
                count(&of["next_in"]),
                per_s("sent"),
                per_s("received"),
                fault(&of["resent"]),
                fault(&of["gaps"]),
                fault(&of["garbled"]),
                fault(&of["rejects_sent"]),
                count(&of["logons"]),
            ]
        });
        table(&header, rows.collect())
    }

    fn traffic(&self) -> Vec<Line> {
        if self.answer()["counters"].is_null() {
            return vec![line(UNTOLD, Tone::Faint)];
        }
        let row = |name: &str, of: &dyn Fn(&Value) -> Option<u64>| {
            let all = of(self.answer()).map_or(NOTHING.into(), grouped);
            vec![name.into(), rate(self.per_s(of)), all].into_iter().map(Piece::plain).collect()
        };
        let counter = |name: &'static str| move |answer: &Value| answer["counters"][name].as_u64();
        let of_sessions = |key: &'static str| {
            move |answer: &Value| {
                let sessions = list(&answer["sessions"]).iter();
                Some(sessions.filter_map(|of| of[key].as_u64()).sum())
            }
        };
        let rows = vec![
            row("frames in", &counter("rx_frames")),
            row("frames out", &counter("tx_frames")),
            row("messages in", &of_sessions("received")),
            row("messages out", &of_sessions("sent")),
            row("segments sent again", &counter("tcp_retransmission")),
        ];
        table(&["", "/s", "in all"], rows)
    }

    fn latency(&self) -> Vec<Line> {
        let measure = &self.answer()["measure"];
        let mut lines = if measure.is_null() {
            vec![line(
                "hop by hop: not measured, for this process was started without `--measure`, which `fixwire run` has",
                Tone::Faint,
            )]
        } else {
            hops(measure)
        };
        let mean = self.means_ns.back().copied().flatten();
        let bars: Vec<_> = self.means_ns.iter().copied().collect();
        let mean = mean.map_or_else(|| "no order".into(), |ns| format!("mean {} us", us(ns)));
        let from = "frame to order, by the host's clock, between the last two answers";
        lines.push(line(format!("{from}: {mean}  {}", spark(&bars)), Tone::Plain));
        lines
    }

    fn dropped(&self) -> Vec<Line> {
        let Some(dropped) = self.answer()["dropped"].as_object() else {
            return vec![line(UNTOLD, Tone::Faint)];
        };
        if dropped.is_empty() {
            return vec![line("no frame, by nobody", Tone::Good)];
        }
        let rows = dropped.iter().map(|(reason, all)| {
            // A reason that has just begun to count was not among those before.
            let of = |answer: &Value| Some(answer["dropped"][reason].as_u64().unwrap_or_default());
            let per_s = self.per_s(of);
            let tone = if per_s > Some(0.0) { Tone::Bad } else { Tone::Plain };
            vec![Piece::plain(reason), Piece::new(rate(per_s), tone), count(all)]
        });
        table(&["reason", "/s", "in all"], rows.collect())
    }

    fn clocks(&self) -> Vec<Line> {
        let clocks = &self.answer()["clocks"];
        if clocks.is_null() {
            return vec![line(UNTOLD, Tone::Faint)];
        }
        if let Some(trouble) = clocks["trouble"].as_str() {
            return vec![line(format!("not followed: {trouble}"), Tone::Bad)];
        }
        let rows = [("device", &clocks["device"]), ("host", &clocks["host"])];
        let rows = rows.into_iter().filter(|(_, of)| !of.is_null()).map(|(_, of)| clock_row(of));
        let header = ["clock", "state", "agreed", "jumped", "drift, ppb", "generation"];
        let mut lines = table(&header, rows.collect());
        lines.push(match clocks["error_bound_ns"].as_u64() {
            Some(bound) => {
                line(format!("a stamp of now becomes UTC within {} ns", grouped(bound)), Tone::Good)
            }
            None => line("a stamp of now becomes no time", Tone::Doubtful),
        });
        if clocks["device"]["is_model"] == true {
            lines.push(line(
                "the device's clock is a model's: nothing here is a NIC's",
                Tone::Faint,
            ));
        }
        let of_host = list(&clocks["host_time"]["words"]).iter();
        lines.extend(
            of_host.map(|words| line(format!("{} (as first asked)", word(words)), Tone::Faint)),
        );
        let refused = list(&clocks["routes_refused"]).iter();
        lines.extend(refused.map(|of| {
            line(format!("not read by {}: {}", word(&of["route"]), word(&of["why"])), Tone::Faint)
        }));
        lines
    }

    fn plan(&self) -> Vec<Line> {
        let rows = list(&self.answer()["plan"]);
        if rows.is_empty() {
            return vec![line(UNTOLD, Tone::Faint)];
        }
        let (off, used): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row["outcome"] == "off");
        let header =
            ["offload", "done by", "observed", "agreed", "contradicted", "unchecked", "reason"];
        let mut lines = table(&header, used.into_iter().map(plan_row).collect());
        if !off.is_empty() {
            let names: Vec<_> = off.iter().map(|row| word(&row["capability"])).collect();
            lines.push(line(format!("off: {}", names.join(", ")), Tone::Faint));
        }
        lines
    }
}

/// What was taken from the device while it ran is the host's.
fn plan_row(row: &Value) -> Line {
    let observed = row["observed"].as_str();
    let (tone, is_taken) = match observed {
        Some("proven") => (Tone::Good, false),
        Some("refuted" | "demoted") => (Tone::Bad, true),
        _ => (Tone::Plain, false),
    };
    let by = word(&row["by"]);
    let by = if is_taken { format!("fixwire, not {by}") } else { by };
    let evidence = |key: &str| match observed {
        None => Piece::plain(NOTHING),
        Some(_) => count(&row[key]),
    };
    vec![
        Piece::plain(word(&row["capability"])),
        Piece::new(by, tone),
        Piece::new(word(&row["observed"]), tone),
        evidence("agreed"),
        evidence("contradicted"),
        evidence("unchecked"),
        Piece::new(word(&row["reason"]), Tone::Faint),
    ]
}

fn clock_row(of: &Value) -> Line {
    let tone = if of["state"] == "locked" { Tone::Good } else { Tone::Bad };
    let drift = of["drift_ppb"].as_i64().map_or(NOTHING.into(), |ppb| {
        format!("{ppb:+} ± {}", of["drift_error_ppb"].as_u64().unwrap_or_default())
    });
    vec![
        Piece::plain(word(&of["clock"])),
        Piece::new(word(&of["state"]), tone),
        count(&of["readings"]["agreed"]),
        fault(&of["readings"]["jumped"]),
        Piece::plain(drift),
        count(&of["generation"]),
    ]
}

/// Each interval that is measured: its last full second, and the medians of those before.
fn hops(measure: &Value) -> Vec<Line> {
    let mut lines = Vec::new();
    let (mut rows, mut silent) = (Vec::new(), Vec::new());
    for of in list(&measure["intervals"]) {
        let recent = list(&of["recent"]);
        let excluded = of["excluded"].as_u64().unwrap_or_default();
        if recent.iter().all(Value::is_null) {
            if excluded > 0 {
                silent.push(format!("{} {}", word(&of["title"]), grouped(excluded)));
            }
            continue;
        }
        let last = recent.last().unwrap_or(&Value::Null);
        let time = |key: &str| Piece::plain(last[key].as_f64().map_or(NOTHING.into(), us));
        let medians: Vec<_> = recent.iter().map(|of| of["p50_ns"].as_f64()).collect();
        rows.push(vec![
            Piece::plain(word(&of["title"])),
            time("p50_ns"),
            time("p99_ns"),
            time("max_ns"),
            count(&last["samples"]),
            fault(&of["excluded"]),
            Piece::new(spark(&medians), Tone::Good),
        ]);
    }
    if rows.is_empty() {
        lines.push(line("hop by hop: no interval yet", Tone::Faint));
    } else {
        let header = [
            "last second, us",
            "p50",
            "p99",
            "max",
            "samples",
            "excluded",
            "p50 of the seconds before",
        ];
        lines.extend(table(&header, rows));
    }
    if !silent.is_empty() {
        lines.push(line(format!("all excluded: {}", silent.join(", ")), Tone::Doubtful));
    }
    let lost = &measure["records_ring_full"];
    if lost.as_u64() > Some(0) {
        let lost = word(lost);
        lines.push(line(format!("{lost} records found the ring full"), Tone::Bad));
    }
    lines
}
