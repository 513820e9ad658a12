//! Tables for people.

use comfy_table::presets::{NOTHING, UTF8_FULL_CONDENSED};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Row, Table};
use fixwire::offload::capability::Capability;
use fixwire::offload::flow::OnMiss;
use fixwire::offload::observe::Observations;
use fixwire::offload::plan::{Plan, Row as PlanRow};
use serde_json::{Value, json};

use super::percentiles::Percentiles;

/// Columns that the plan's table takes with its reasons beside it.
const WIDE: u16 = 150;

/// The plan as a table; rows that the profile requires and the device does not meet are marked. On a
/// narrow terminal the reasons stand below it.
pub(crate) fn plan(plan: &Plan, observations: Option<&Observations>) -> String {
    let header =
        ["capability", "policy", "advertised", "configured", "observed", "outcome", "by", "reason"];
    let is_wide = Table::new().width().is_none_or(|width| width >= WIDE);
    let columns = if is_wide { header.len() } else { header.len() - 1 };
    let mut table = new(&header[..columns]);
    if !is_wide {
        table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        for column in table.column_iter_mut() {
            column.set_padding((0, 1));
        }
    }
    let mut reasons = String::new();
    for row in plan.rows() {
        let mark = if row.is_unmet() { "✗ " } else { "" };
        let cells = [
            format!("{mark}{}", row.capability),
            row.policy.to_string(),
            yes_or_no(row.advertised).into(),
            yes_or_no(row.configured).into(),
            observed_of(plan, observations, row.capability).unwrap_or("-".into()),
            row.outcome.to_string(),
            row.by.to_string(),
            row.reason.to_string(),
        ];
        table.add_row(&cells[..columns]);
        if !is_wide {
            reasons += &format!("\n{}: {}", row.capability, row.reason);
        }
    }
    let unmet = plan.unmet().count();
    let note = if unmet > 0 {
        format!("\n✗ required by the profile, not met: {unmet}")
    } else {
        String::new()
    };
    format!(
        "plan for {} by profile {}\n{table}{reasons}{note}{}",
        plan.nic,
        plan.profile,
        rules(plan)
    )
}

/// The steering rules and who keeps them, as testpmd would be told.
fn rules(plan: &Plan) -> String {
    let rules = plan.device_rules();
    let rules = rules.rules();
    if rules.is_empty() {
        return String::new();
    }
    let by = plan.row(Capability::FlowSteering).by;
    let lines: String = rules.iter().map(|rule| format!("\n  {rule}")).collect();
    let missed = match plan.rules().on_miss() {
        OnMiss::Queue(queue) => format!("queue {queue}"),
        OnMiss::NotOurs => "not to us".into(),
    };
    format!("\nsteering by {by}; frames that no rule matches go to {missed}:{lines}")
        .replace("go to not to us", "do not come to us")
}

/// The plan as rows for machines.
pub(crate) fn plan_json(plan: &Plan, observations: Option<&Observations>) -> Value {
    plan.rows().iter().map(|row| row_json(plan, observations, row)).collect()
}

/// One row of a plan for machines.
pub(crate) fn row_json(plan: &Plan, observations: Option<&Observations>, row: &PlanRow) -> Value {
    json!({
        "capability": row.capability.name(),
        "policy": row.policy.to_string(),
        "advertised": row.advertised,
        "configured": row.configured,
        "observed": observed_of(plan, observations, row.capability),
        "outcome": row.outcome.to_string(),
        "by": row.by.to_string(),
        "reason": row.reason,
    })
}

fn observed_of(
    plan: &Plan,
    observations: Option<&Observations>,
    capability: Capability,
) -> Option<String> {
    let none = Observations::default();
    observations.unwrap_or(&none).shown(plan, capability).map(|observed| observed.to_string())
}

/// Latencies side by side, in microseconds with the nanosecond in sight.
pub(crate) fn latency(intervals: &[(&str, &Percentiles)]) -> String {
    let mut table = new(&["latency, us", "p50", "p90", "p99", "p99.9", "max", "samples"]);
    for (name, interval) in intervals {
        table.add_row(Row::from(vec![
            Cell::new(name),
            right(&us(interval.p50)),
            right(&us(interval.p90)),
            right(&us(interval.p99)),
            right(&us(interval.p999)),
            right(&us(interval.max)),
            right(&interval.samples),
        ]));
    }
    table.to_string()
}

/// Rows of a name and what stands right-aligned behind it.
pub(crate) fn rows(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = new(header);
    for row in rows {
        let cells = row.into_iter().enumerate();
        table.add_row(Row::from(
            cells
                .map(|(column, text)| if column == 0 { Cell::new(text) } else { right(&text) })
                .collect::<Vec<_>>(),
        ));
    }
    table.to_string()
}

/// Rows of words.
pub(crate) fn texts(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = new(header);
    for row in rows {
        table.add_row(row);
    }
    table.to_string()
}

/// Nanoseconds in microseconds, the nanosecond in sight.
pub(crate) fn us(ns: u64) -> String {
    format!("{:.3}", ns as f64 / 1000.0)
}

fn right(content: &impl ToString) -> Cell {
    Cell::new(content.to_string()).set_alignment(CellAlignment::Right)
}

fn new(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.to_vec());
    table
}

fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

/// What live frames showed of what the device does.
pub(crate) fn observed(plan: &Plan, observations: &Observations) -> String {
    let mut table =
        new(&["capability", "by", "observed", "frames unchecked", "agreed", "contradicted"]);
    for row in plan.rows() {
        let Some(observed) = observations.shown(plan, row.capability) else { continue };
        let evidence = observations.of(row.capability);
        table.add_row([
            row.capability.to_string(),
            row.by.to_string(),
            observed.to_string(),
            evidence.seen.to_string(),
            evidence.agreed.to_string(),
            evidence.contradicted.to_string(),
        ]);
    }
    if table.is_empty() {
        return "the device does nothing by this plan".into();
    }
    table.to_string()
}
