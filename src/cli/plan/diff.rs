//! `fixwire plan --diff A B`: where two profiles differ, and what comes of it on one device.

use fixwire::offload::capability::Capability;
use fixwire::offload::plan::{Capabilities, Plan};
use fixwire::offload::profile::{Merged, Setting};
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::nic_spec::NicSpec;
use crate::cli::{device, profile, say, table};

pub(super) fn command(nic: &NicSpec, names: [&String; 2], json: bool) -> Result<(), Failure> {
    let [a, b] = names;
    let (a, b) = (profile::merged(a)?, profile::merged(b)?);
    let advertised = device::capabilities(nic)?;
    for merged in [&a, &b] {
        device::check_driver(&merged.profile, &advertised)?;
    }
    let settings = settings_that_differ(&a, &b);
    let (plan_a, plan_b) = (planned(nic, &a, &advertised)?, planned(nic, &b, &advertised)?);
    let rows = Capability::ALL.into_iter().filter(|capability| {
        let (a, b) = (plan_a.row(*capability), plan_b.row(*capability));
        (a.outcome, a.policy, &a.reason) != (b.outcome, b.policy, &b.reason)
    });
    if json {
        say(for_machines(&settings, [&plan_a, &plan_b], rows));
        return Ok(());
    }
    let (name_a, name_b) = (&plan_a.profile, &plan_b.profile);
    if settings.is_empty() {
        say(format_args!("{name_a} and {name_b} say the same"));
    } else {
        let cells =
            settings.iter().map(|(key, a, b)| vec![(*key).to_owned(), value(*a), value(*b)]);
        say(table::texts(&["key", name_a, name_b], cells));
    }
    let rows: Vec<Vec<String>> = rows
        .map(|capability| {
            let [a, b] = [&plan_a, &plan_b].map(|plan| {
                let row = plan.row(capability);
                format!("{} by {}: {}", row.outcome, row.by, row.reason)
            });
            vec![capability.to_string(), a, b]
        })
        .collect();
    if rows.is_empty() {
        say(format_args!("on {nic} the same comes of both"));
    } else {
        say(format_args!("on {nic}"));
        say(table::texts(&["capability", name_a, name_b], rows.into_iter()));
    }
    Ok(())
}

fn planned(nic: &NicSpec, merged: &Merged, advertised: &Capabilities) -> Result<Plan, Failure> {
    let rules = super::usual_rules(&merged.profile)?;
    let advertised = device::set_up_by(advertised.clone(), &merged.profile);
    let plan = Plan::negotiate(&nic.to_string(), &merged.profile, &advertised);
    Ok(plan.steered_by(rules, &advertised.flow))
}

/// Keys whose values differ, but for those that only describe the profile.
fn settings_that_differ<'a>(
    a: &'a Merged,
    b: &'a Merged,
) -> Vec<(&'a str, Option<&'a Setting>, Option<&'a Setting>)> {
    let of = |merged: &'a Merged, key: &str| merged.settings.iter().find(|set| set.key == key);
    let only_in_b = b.settings.iter().filter(|setting| of(a, &setting.key).is_none());
    let keys = a.settings.iter().chain(only_in_b).map(|setting| setting.key.as_str());
    keys.filter(|key| *key != "about")
        .map(|key| (key, of(a, key), of(b, key)))
        .filter(|(_, a, b)| a.map(|set| &set.value) != b.map(|set| &set.value))
        .collect()
}

fn value(setting: Option<&Setting>) -> String {
    setting.map_or("-".into(), |set| format!("{}  ({}:{})", set.value, set.from, set.line))
}

fn for_machines(
    settings: &[(&str, Option<&Setting>, Option<&Setting>)],
    plans: [&Plan; 2],
    rows: impl Iterator<Item = Capability>,
) -> Value {
    let place = |setting: &Option<&Setting>| {
        setting.map(|set| json!({ "value": set.value, "from": set.from, "line": set.line }))
    };
    let settings = settings
        .iter()
        .map(|(key, a, b)| json!({ "key": key, "a": place(a), "b": place(b) }))
        .collect::<Vec<_>>();
    let rows = rows
        .map(|capability| {
            let [a, b] = plans.map(|plan| table::row_json(plan, None, plan.row(capability)));
            json!({ "capability": capability.name(), "a": a, "b": b })
        })
        .collect::<Vec<_>>();
    let [a, b] = plans;
    json!({ "a": a.profile, "b": b.profile, "nic": a.nic, "settings": settings, "plan": rows })
}
