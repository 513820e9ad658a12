//! What was found, for people and for machines.

use serde_json::{Value, json};

use super::super::failure::Failure;
use super::super::table;
use super::Asked;
use super::check::{Check, Need, State};
use super::time::HostTime;

/// A table, beneath it what mends each, and at last the totals.
pub(crate) fn for_people(checks: &[Check], asked: &Asked) -> String {
    let mut area = "";
    let cells = checks.iter().map(|check| {
        // An area is named once, at its first row.
        let shown = if check.subject.area == area { "" } else { check.subject.area };
        area = check.subject.area;
        vec![
            shown.to_owned(),
            check.subject.name.to_owned(),
            check.subject.need.name().to_owned(),
            check.state.name().to_owned(),
            check.found.clone(),
        ]
    });
    let rows = table::texts(&["area", "check", "need", "state", "found"], cells);
    let mends: String = checks
        .iter()
        .filter(|check| !check.remedy.is_empty())
        .map(|check| format!("{} {}: {}\n", check.state.name(), check.subject.name, check.remedy))
        .collect();
    let what_mends = if mends.is_empty() { "" } else { "\nhow to mend, or to find out:\n" };
    format!("{}\n{rows}{what_mends}{mends}{}", heading(asked), totals(checks))
}

fn heading(asked: &Asked) -> String {
    let core = asked.core.map_or("no core of its own".into(), |core| format!("core {core}"));
    let nic = asked.nic.map_or(String::new(), |nic| format!(", NIC {nic}"));
    format!("this host by profile {}: {core} polls{nic}", asked.profile.name)
}

fn count(checks: &[Check], state: State) -> usize {
    checks.iter().filter(|check| check.state == state).count()
}

fn totals(checks: &[Check]) -> String {
    let count = |state| count(checks, state);
    format!(
        "{} ok, {} warnings, {} failed, {} unknown",
        count(State::Ok),
        count(State::Warn),
        count(State::Fail),
        count(State::Unknown)
    )
}

/// The same rows and totals, and the host's time as numbers.
pub(crate) fn for_machines(checks: &[Check], asked: &Asked, time: &HostTime) -> Value {
    let rows = checks.iter().map(|check| {
        json!({
            "area": check.subject.area,
            "check": check.subject.name,
            "need": check.subject.need.name(),
            "state": check.state.name(),
            "found": check.found,
            "remedy": check.remedy,
        })
    });
    json!({
        "profile": asked.profile.name,
        "core": asked.core,
        "nic": asked.nic.map(|nic| nic.to_string()),
        "checks": rows.collect::<Vec<_>>(),
        "time": time.json(),
        "ok": count(checks, State::Ok),
        "warnings": count(checks, State::Warn),
        "failed": count(checks, State::Fail),
        "unknown": count(checks, State::Unknown),
    })
}

/// What is required and failed, if anything did.
pub(crate) fn outcome(checks: &[Check]) -> Result<(), Failure> {
    let failed: Vec<&str> = checks
        .iter()
        .filter(|check| check.state == State::Fail && check.subject.need == Need::Required)
        .map(|check| check.subject.name)
        .collect();
    match failed.as_slice() {
        [] => Ok(()),
        failed => Err(Failure::run(
            format!("what a run needs is not there: {}", failed.join(", ")),
            "mend it as said above",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Subject;
    use super::super::made_host::{MadeHost, asked};
    use super::*;

    fn some() -> Vec<Check> {
        let advised = |name| Subject::advised("one", name);
        let required = |name| Subject::required("two", name);
        vec![
            advised("a").ok("1 MiB"),
            advised("b").bad("2 MiB", "more"),
            required("c").unknown("dark", "`light`"),
            required("d").warn("3 us", "less"),
            required("e").bad("none", "some"),
        ]
    }

    #[test]
    fn the_table_names_each_area_once_and_ends_with_the_totals() {
        let text = for_people(&some(), &asked());
        assert_eq!(text.lines().last(), Some("1 ok, 2 warnings, 1 failed, 1 unknown"));
        assert_eq!(
            (text.matches("│ one ").count(), text.matches("│ two ").count()),
            (1, 1),
            "{text}"
        );
        for line in ["warn b: more", "unknown c: `light`", "warn d: less", "fail e: some"] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        assert!(!text.contains("ok a:"), "{text}");
    }

    #[test]
    fn machines_get_the_same_rows_and_totals() {
        let time = HostTime::read(&MadeHost::new().host());
        let whole = for_machines(&some(), &asked(), &time);
        assert_eq!(whole["checks"].as_array().unwrap().len(), 5);
        assert_eq!(whole["checks"][4]["state"], "fail");
        assert_eq!(whole["checks"][1]["need"], "advised");
        let totals = ["ok", "warnings", "failed", "unknown"].map(|name| whole[name].clone());
        assert_eq!(totals, [1, 2, 1, 1].map(Value::from));
    }

    #[test]
    fn only_what_is_required_and_fails_ends_with_1() {
        let mut checks = some();
        let failure = outcome(&checks).unwrap_err();
        assert!(failure.to_string().contains("not there: e; mend"), "{failure}");
        checks.pop();
        assert!(outcome(&checks).is_ok());
    }
}
