//! The steering rules of a run: who kept them, and what each has counted.

use fixwire::app::Application;
use fixwire::engine::Engine;
use fixwire::offload::capability::Capability;
use fixwire::offload::flow::Count;
use fixwire::offload::nic::Nic;
use fixwire::offload::observe::{Observations, Observed};
use fixwire::offload::plan::{Plan, Provider};
use serde_json::{Value, json};

/// Each rule, as testpmd would be told, and what it has matched if it counts.
fn counts<N: Nic, A: Application>(engine: &Engine<N, A>) -> Vec<(String, Option<Count>)> {
    let rules = engine.plan().device_rules();
    let rules = rules.rules().iter().enumerate();
    rules.map(|(number, rule)| (rule.to_string(), engine.flow_count(number))).collect()
}

/// Who steered in the end: a device that was found wrong does not any more.
fn by(plan: &Plan, observations: &Observations) -> Provider {
    match observations.of(Capability::FlowSteering).observed() {
        Observed::Refuted | Observed::Demoted => Provider::Fixwire,
        _ => plan.row(Capability::FlowSteering).by,
    }
}

/// Every rule for machines; `hits` in frames, `bytes` without the frame check sequence, both null of one that
/// does not count.
pub(crate) fn json<N: Nic, A: Application>(engine: &Engine<N, A>) -> Value {
    let by = by(engine.plan(), engine.observations()).to_string();
    counts(engine)
        .into_iter()
        .map(|(rule, count)| {
            let (hits, bytes) = count.map(|Count { hits, bytes }| (hits, bytes)).unzip();
            json!({ "rule": rule, "by": by, "hits": hits, "bytes": bytes })
        })
        .collect()
}

/// The rules that count, for people, a line each and one over them; nothing where none does.
pub(crate) fn for_people<N: Nic, A: Application>(engine: &Engine<N, A>) -> Option<String> {
    let counted = counts(engine).into_iter().filter_map(|(rule, count)| Some((rule, count?)));
    let lines: String = counted
        .map(|(rule, Count { hits, bytes })| format!("\n  frames {hits}, bytes {bytes}: {rule}"))
        .collect();
    let by = by(engine.plan(), engine.observations());
    (!lines.is_empty()).then(|| format!("steered by {by}:{lines}"))
}

#[cfg(test)]
mod tests {
    use fixwire::offload::observe::Drift;
    use fixwire::offload::profile::{Policy, Profile};
    use fixwire_hw::sim::Model;

    use super::*;

    #[test]
    fn a_device_that_was_found_wrong_is_not_said_to_have_steered() {
        let device = Model::named("connectx5").unwrap().capabilities;
        let plan = Plan::negotiate("test", &Profile::all(Policy::Prefer), &device);
        let mut observations = Observations::default();
        assert_eq!(by(&plan, &observations), Provider::Model);
        observations.demote(Capability::FlowSteering, Drift::SteeredWrongly);
        assert_eq!(by(&plan, &observations), Provider::Fixwire);
    }
}
