//! The unit that starts the engine (docs/production.md, step 9), as systemd has it.

use super::Asked;
use super::check::{Check, Subject};
use super::host::Host;
use super::nic::{self, Kind};
use super::program::Answer;

const UNIT: Subject = Subject::advised("process", "engine's unit");

/// The unit of docs/production.md.
const NAME: &str = "fixwire.service";
/// The guard's, which it is to come after.
pub(super) const GUARD: &str = "fixwire-guard.service";
/// Links that are waited for at boot are up.
const ONLINE: &str = "network-online.target";

pub(crate) fn checks(host: &Host, asked: &Asked) -> Vec<Check> {
    let kind = asked.nic.and_then(|nic| nic::kind(host, nic));
    kind.map(|kind| check(host, kind)).into_iter().collect()
}

/// Whether the next boot starts it, and with what it cannot do without.
fn check(host: &Host, kind: Kind) -> Check {
    const WRITE: &str = "the unit of docs/production.md, step 9, then `systemctl enable fixwire`; or have \
                         whatever starts your engine do so at boot";
    const MEND: &str =
        "write it as docs/production.md, step 9, has it, then `systemctl daemon-reload`";
    let state = match host.ask("systemctl", &["is-enabled", NAME]) {
        Answer::Said(state) => state.trim().to_owned(),
        Answer::NotInstalled => return UNIT.unknown("systemctl is not installed to tell", WRITE),
        Answer::Failed(why) => return UNIT.warn(format!("{NAME}: {why}"), WRITE),
    };
    let shown = match host
        .ask("systemctl", &["show", NAME, "--property=LimitMEMLOCK,Wants,After,Restart"])
    {
        Answer::Said(shown) => shown,
        Answer::NotInstalled => return UNIT.unknown("systemctl is not installed to tell", MEND),
        Answer::Failed(why) => return UNIT.unknown(format!("{NAME}: {why}"), MEND),
    };
    let of = |key: &str| shown.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let names =
        |key, unit| of(key).is_some_and(|all| all.split_whitespace().any(|one| one == unit));
    let mut lacks = Vec::new();
    if of("LimitMEMLOCK") != Some("infinity") {
        lacks.push("LimitMEMLOCK=infinity".to_owned());
    }
    let guard = (kind == Kind::Bifurcated).then_some(GUARD);
    for unit in guard.into_iter().chain([ONLINE]) {
        let missing = ["Wants", "After"].into_iter().filter(|key| !names(key, unit));
        lacks.extend(missing.map(|key| format!("{key}={unit}")));
    }
    // What a start requires of the link may come late.
    if matches!(of("Restart"), None | Some("no")) {
        lacks.push("Restart=on-failure".to_owned());
    }
    if lacks.is_empty() {
        UNIT.ok(format!("{NAME} is {state}"))
    } else {
        UNIT.warn(format!("{NAME} is {state}, without {}", lacks.join(", ")), MEND)
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::State::{Ok, Unknown, Warn};
    use super::super::made_host::{MadeHost, asked, assert_state, of};
    use super::*;

    const WHOLE: &str = "LimitMEMLOCK=infinity\nRestart=on-failure\n\
                         Wants=network-online.target fixwire-guard.service\n\
                         After=network-online.target fixwire-guard.service sysinit.target\n";

    fn card(vendor: &str) -> MadeHost {
        let nic = "sys/bus/pci/devices/0000:3b:00.0";
        MadeHost::new()
            .file(&format!("{nic}/class"), "0x020000\n")
            .file(&format!("{nic}/vendor"), vendor)
    }

    #[test]
    fn the_engine_s_unit_is_to_be_enabled_with_memory_and_after_its_guard() {
        let said = |text: &str| Answer::Said(text.to_owned());
        let enabled = said("enabled\n");
        for (vendor, is_enabled, show, state, says) in [
            ("0x15b3", enabled.clone(), said(WHOLE), Ok, "fixwire.service is enabled"),
            (
                "0x15b3",
                Answer::Failed("disabled".into()),
                said(WHOLE),
                Warn,
                "fixwire.service: disabled",
            ),
            ("0x15b3", Answer::NotInstalled, said(WHOLE), Unknown, "not installed"),
            ("0x15b3", enabled.clone(), Answer::Failed("no bus".into()), Unknown, "no bus"),
            (
                "0x15b3",
                enabled.clone(),
                said(&WHOLE.replace("infinity", "8388608")),
                Warn,
                "is enabled, without LimitMEMLOCK=infinity",
            ),
            (
                "0x15b3",
                enabled.clone(),
                said(&WHOLE.replace(".target fixwire-guard.service\nA", ".target\nA")),
                Warn,
                "without Wants=fixwire-guard.service",
            ),
            (
                "0x15b3",
                enabled.clone(),
                said(&WHOLE.replace("network-online", "network")),
                Warn,
                "without Wants=network-online.target, After=network-online.target",
            ),
            (
                "0x15b3",
                enabled.clone(),
                said(&WHOLE.replace("on-failure", "no")),
                Warn,
                "without Restart=on-failure",
            ),
            ("0x15b3", enabled.clone(), said(""), Warn, "After=fixwire-guard.service"),
            (
                "0x8086",
                enabled,
                said(&WHOLE.replace("fixwire-guard.service", "")),
                Ok,
                "is enabled",
            ),
        ] {
            let made = card(vendor).program("systemctl is-enabled", is_enabled);
            let made = made.program("systemctl show", show);
            let with_nic = Asked { nic: Some("3b:00.0".parse().unwrap()), ..asked() };
            assert_state(of(&checks(&made.host(), &with_nic), "engine's unit"), state, says);
        }
        assert_eq!(checks(&card("0x15b3").host(), &asked()).len(), 0, "no NIC is asked for");
    }

    /// Its lines are written as `systemctl show` answers.
    #[test]
    fn the_unit_of_the_document_is_as_it_is_to_be() {
        let document = include_str!("../../../docs/production.md");
        let (_, unit) = document.split_once("# /etc/systemd/system/fixwire.service\n").unwrap();
        let (unit, _) = unit.split_once("```").unwrap();
        let made = card("0x15b3").program("systemctl is-enabled", Answer::Said("enabled".into()));
        let made = made.program("systemctl show", Answer::Said(unit.to_owned()));
        let with_nic = Asked { nic: Some("3b:00.0".parse().unwrap()), ..asked() };
        let checked = checks(&made.host(), &with_nic);
        assert_state(of(&checked, "engine's unit"), Ok, "is enabled");
    }
}
