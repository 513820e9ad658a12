//! What an mlx5 NIC's firmware is set to, as `mlxconfig` tells.

use fixwire::offload::capability::Capability;
use fixwire::offload::profile::{Policy, Profile};

use super::check::{Check, Subject};
use super::host::Host;
use super::pci::PciAddress;
use super::program::Answer;

const AREA: &str = "NIC firmware";

/// A setting, the value that it should have, and what another means.
struct Setting {
    subject: Subject,
    wanted: u32,
    otherwise: &'static str,
}

pub(crate) fn checks(host: &Host, nic: PciAddress, profile: &Profile) -> Vec<Check> {
    let address = nic.to_string();
    let checked = settings(profile).into_iter().map(|setting| {
        // One at a time: a query that names one which the firmware lacks tells nothing of the others.
        let answer = host.ask("mlxconfig", &["-d", &address, "query", setting.subject.name]);
        setting.check(nic, &answer)
    });
    checked.collect()
}

fn settings(profile: &Profile) -> [Setting; 3] {
    let real_time = profile.policy(Capability::RxTimestampRealTime) != Policy::Off;
    [
        Setting {
            subject: Subject::advised(AREA, "CQE_COMPRESSION"),
            wanted: 0,
            otherwise: "completions may be compressed, and a compressed one has no stamp",
        },
        Setting {
            subject: Subject::advised(AREA, "PCI_WR_ORDERING"),
            wanted: 0,
            otherwise: "writes are reordered for bandwidth; measure before you keep it",
        },
        Setting {
            subject: Subject::advised(AREA, "REAL_TIME_CLOCK_ENABLE"),
            wanted: real_time.into(),
            otherwise: if real_time {
                "the profile wants stamps in real time, and these are ticks"
            } else {
                "stamps are in real time, and the profile takes them for ticks"
            },
        },
    ]
}

impl Setting {
    fn check(&self, nic: PciAddress, answer: &Answer) -> Check {
        let (subject, name, wanted) = (self.subject, self.subject.name, self.wanted);
        let query = format!("`sudo mlxconfig -d {nic} query {name}`: {wanted} is wanted");
        let text = match answer {
            Answer::Said(text) => text,
            Answer::NotInstalled => {
                return subject
                    .unknown("mlxconfig (NVIDIA firmware tools, mft) is not installed", query);
            }
            Answer::Failed(why) => return subject.unknown(format!("mlxconfig: {why}"), query),
        };
        match value(text, name) {
            None => subject.unknown("this firmware does not list it", query),
            Some((shown, number)) if number == wanted => subject.ok(shown),
            Some((shown, _)) => subject.warn(
                format!("{shown}: {}", self.otherwise),
                format!("`sudo mlxconfig -d {nic} set {name}={wanted}`, then `sudo mlxfwreset -d {nic} reset` or a cold boot"),
            ),
        }
    }
}

/// A setting's value as it is shown, `BALANCED(0)`, and its number.
fn value<'a>(text: &'a str, name: &str) -> Option<(&'a str, u32)> {
    let shown = text.lines().find_map(|line| {
        // An asterisk is before what differs from the default.
        let mut words = line.split_whitespace().skip_while(|word| *word == "*");
        (words.next()? == name).then(|| words.next())?
    })?;
    let number = match shown.split_once('(') {
        Some((_, rest)) => rest.strip_suffix(')')?,
        None => shown,
    };
    Some((shown, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::check::State::{self, Ok, Unknown, Warn};
    use super::super::made_host::{MadeHost, assert_state, named, of};
    use super::*;

    /// As mlxconfig of MFT shows a query of three.
    fn said(values: [&str; 3]) -> Answer {
        let [compression, ordering, clock] = values;
        Answer::Said(format!(
            "\nDevice #1:\n----------\n\nDevice type:    ConnectX5\nDevice:         0000:3b:00.0\n\n\
             Configurations:                                      Next Boot\n\
             \x20        CQE_COMPRESSION                             {compression}\n\
             *        PCI_WR_ORDERING                             {ordering}\n\
             \x20        REAL_TIME_CLOCK_ENABLE                      {clock}\n"
        ))
    }

    fn checked(answer: Answer, profile: &Profile) -> Vec<Check> {
        let made = MadeHost::new().program("mlxconfig", answer);
        checks(&made.host(), "3b:00.0".parse().unwrap(), profile)
    }

    fn states(checks: &[Check]) -> Vec<State> {
        checks.iter().map(|check| check.state).collect()
    }

    #[test]
    fn settings_are_held_against_what_the_profile_can_use() {
        let ticks = named("connectx5");
        let real_time = ticks.clone().with(Capability::RxTimestampRealTime, Policy::Prefer);
        let good = ["BALANCED(0)", "per_mkey(0)", "False(0)"];
        let other = ["AGGRESSIVE(1)", "force_relax(1)", "True(1)"];
        assert_eq!(states(&checked(said(good), &ticks)), [Ok, Ok, Ok]);
        assert_eq!(states(&checked(said(good), &real_time)), [Ok, Ok, Warn]);
        assert_eq!(states(&checked(said(other), &ticks)), [Warn, Warn, Warn]);
        assert_eq!(states(&checked(said(other), &real_time)), [Warn, Warn, Ok]);

        let warned = checked(said(other), &ticks);
        let check = of(&warned, "CQE_COMPRESSION");
        assert_state(check, Warn, "mlxconfig -d 0000:3b:00.0 set CQE_COMPRESSION=0");
        assert!(check.found.starts_with("AGGRESSIVE(1): "), "{}", check.found);
    }

    #[test]
    fn a_setting_that_the_firmware_lacks_hides_no_other() {
        let answer = said(["BALANCED(0)", "per_mkey(0)", "False(0)"]);
        let made = MadeHost::new().program_but("mlxconfig", answer, "REAL_TIME_CLOCK_ENABLE");
        let checks = checks(&made.host(), "3b:00.0".parse().unwrap(), &named("connectx5"));
        assert_eq!(states(&checks), [Ok, Ok, Unknown]);
    }

    #[test]
    fn what_the_firmware_does_not_tell_is_unknown_with_the_command_to_type() {
        let answers = [
            (Answer::NotInstalled, "not installed"),
            (Answer::Failed("-E- Failed to open the device".into()), "Failed to open"),
            (Answer::Said("Configurations:\n".into()), "does not list it"),
            (said(["?", "per_mkey(x)", "True(1"]), "does not list it"),
        ];
        for (answer, why) in answers {
            let checks = checked(answer, &named("connectx5"));
            assert_eq!(checks.len(), 3);
            for check in &checks {
                assert_state(check, Unknown, why);
                let query = format!("mlxconfig -d 0000:3b:00.0 query {}", check.subject.name);
                assert!(check.remedy.contains(&query), "{}", check.remedy);
            }
        }
    }
}
