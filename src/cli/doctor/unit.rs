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

pub(crate) fn checks(host: &Host, asked: &Asked) -> Vec<Check> {
    let kind = asked.nic.and_then(|nic| nic::kind(host, nic));
    kind.map(|kind| check(host, kind)).into_iter().collect()
}

/// Whether the next boot starts it, and with what it cannot do without.
fn check(host: &Host, kind: Kind) -> Check {
    const WRITE: &str = "the unit of docs/production.md, step 9, then `systemctl enable --now fixwire`; or have \
                         whatever starts your engine do so at boot";
    const MEND: &str =
        "write it as docs/production.md, step 9, has it, then `systemctl daemon-reload`";
    let state = match host.ask("systemctl", &["is-enabled", NAME]) {
        Answer::Said(state) => state.trim().to_owned(),
        Answer::NotInstalled => return UNIT.unknown("systemctl is not installed to tell", WRITE),
        Answer::Failed(why) => return UNIT.warn(format!("{NAME}: {why}"), WRITE),
    };
    let shown = match host.ask("systemctl", &["show", NAME, "--property=LimitMEMLOCK,Wants,After"])
    {
        Answer::Said(shown) => shown,
        Answer::NotInstalled => return UNIT.unknown("systemctl is not installed to tell", MEND),
        Answer::Failed(why) => return UNIT.unknown(format!("{NAME}: {why}"), MEND),
    };
    let of = |key: &str| shown.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let names_guard =
        |key| of(key).is_some_and(|all| all.split_whitespace().any(|one| one == GUARD));
    let mut lacks = Vec::new();
    if of("LimitMEMLOCK") != Some("infinity") {
        lacks.push("LimitMEMLOCK=infinity".to_owned());
    }
    let missing = ["Wants", "After"].into_iter().filter(|key| !names_guard(key));
    lacks.extend(missing.filter(|_| kind == Kind::Bifurcated).map(|key| format!("{key}={GUARD}")));
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

    const WHOLE: &str = "LimitMEMLOCK=infinity\nWants=fixwire-guard.service\n\
                         After=network.target fixwire-guard.service sysinit.target\n";

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
                said("LimitMEMLOCK=infinity\nWants=\nAfter=fixwire-guard.service\n"),
                Warn,
                "without Wants=fixwire-guard.service",
            ),
            ("0x15b3", enabled.clone(), said(""), Warn, "After=fixwire-guard.service"),
            ("0x8086", enabled, said("LimitMEMLOCK=infinity\n"), Ok, "is enabled"),
        ] {
            let made = card(vendor).program("systemctl is-enabled", is_enabled);
            let made = made.program("systemctl show", show);
            let with_nic = Asked { nic: Some("3b:00.0".parse().unwrap()), ..asked() };
            assert_state(of(&checks(&made.host(), &with_nic), "engine's unit"), state, says);
        }
        assert_eq!(checks(&card("0x15b3").host(), &asked()).len(), 0, "no NIC is asked for");
    }
}
