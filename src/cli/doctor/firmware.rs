//! What an mlx5 NIC's firmware is set to, and whether that is in effect, as `mlxconfig` tells.

use fixwire::offload::capability::Capability;
use fixwire::offload::profile::{Policy, Profile};

use super::check::{Check, Subject};
use super::host::Host;
use super::pci::PciAddress;
use super::program::Answer;

const AREA: &str = "NIC firmware";
const RESET: Subject = Subject::advised(AREA, "firmware reset");

/// The tools of the firmware by either name.
#[derive(Clone, Copy)]
struct Tools {
    config: &'static str,
    reset: &'static str,
}

/// NVIDIA's own (MFT), and the same of the package mstflint.
const TOOLS: [Tools; 2] = [
    Tools { config: "mlxconfig", reset: "mlxfwreset" },
    Tools { config: "mstconfig", reset: "mstfwreset" },
];
const INSTALL: &str = "`apt-get install mstflint`";

/// A setting, the value that it should have, and what another means.
struct Setting {
    subject: Subject,
    wanted: u32,
    otherwise: &'static str,
}

/// What a tool told of one setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Values<'a> {
    /// What the firmware runs by, where the tool shows it besides.
    current: Option<&'a str>,
    next_boot: &'a str,
}

pub(crate) fn checks(host: &Host, nic: PciAddress, profile: &Profile) -> Vec<Check> {
    let settings = settings(profile);
    let told: Vec<_> =
        settings.iter().map(|setting| query(host, nic, setting.subject.name)).collect();
    let asked = settings.iter().zip(&told);
    let mut checks: Vec<Check> = asked
        .clone()
        .map(|(setting, (tools, answer))| setting.check(nic, *tools, answer))
        .collect();
    let asked: Vec<_> =
        asked.map(|(setting, (tools, answer))| (setting.subject.name, *tools, answer)).collect();
    checks.push(reset(nic, &asked));
    checks
}

/// One setting at a time: a query that names one which the firmware lacks tells nothing of the others.
fn query(host: &Host, nic: PciAddress, name: &str) -> (Tools, Answer) {
    let address = nic.to_string();
    for tools in TOOLS {
        // With what is in effect (-e), which not every firmware tells.
        for words in [&["-d", &address, "-e", "query", name][..], &["-d", &address, "query", name]]
        {
            match host.ask(tools.config, words) {
                Answer::NotInstalled => break,
                Answer::Failed(_) if words.contains(&"-e") => {}
                answer => return (tools, answer),
            }
        }
    }
    (TOOLS[1], Answer::NotInstalled)
}

/// Whether what is set is what the firmware runs by: it reads its settings when it starts.
fn reset(nic: PciAddress, asked: &[(&str, Tools, &Answer)]) -> Check {
    let tools = asked.first().map_or(TOOLS[1], |(_, tools, _)| *tools);
    let go = format!("`sudo {} -d {nic} reset`, or a cold boot", tools.reset);
    let (mut pending, mut in_effect) = (Vec::new(), Vec::new());
    for (name, _, answer) in asked {
        let Answer::Said(text) = answer else { continue };
        match values(text, name) {
            Some(Values { current: Some(now), next_boot }) if number(now) != number(next_boot) => {
                pending.push(format!("{name} is {now} until a reset, then {next_boot}"));
            }
            Some(Values { current: Some(_), .. }) => in_effect.push(*name),
            _ => {}
        }
    }
    if !pending.is_empty() {
        return RESET.warn(pending.join("; "), go);
    }
    if !in_effect.is_empty() {
        return RESET.ok(format!("none is due: {} as set", in_effect.join(", ")));
    }
    let look = format!("`sudo {} -d {nic} -e query`: Current is to be as Next Boot", tools.config);
    match asked.first() {
        Some((_, _, Answer::NotInstalled)) => RESET
            .unknown("neither mlxconfig nor mstconfig is installed", format!("{INSTALL}; {look}")),
        Some((_, _, Answer::Failed(why))) => {
            RESET.unknown(format!("{}: {why}", tools.config), look)
        }
        _ => RESET.unknown("the firmware tells what is set, not what is in effect", go),
    }
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
    fn check(&self, nic: PciAddress, tools: Tools, answer: &Answer) -> Check {
        let (subject, name, wanted) = (self.subject, self.subject.name, self.wanted);
        let Tools { config, reset } = tools;
        let query = format!("`sudo {config} -d {nic} query {name}`: {wanted} is wanted");
        let text = match answer {
            Answer::Said(text) => text,
            Answer::NotInstalled => {
                let why = "neither mlxconfig nor mstconfig is installed";
                return subject.unknown(why, format!("{INSTALL}, then {query}"));
            }
            Answer::Failed(why) => return subject.unknown(format!("{config}: {why}"), query),
        };
        let shown = values(text, name).map(|values| values.next_boot);
        match shown.and_then(|shown| Some((shown, number(shown)?))) {
            None => subject.unknown("this firmware does not list it", query),
            Some((shown, number)) if number == wanted => subject.ok(shown),
            Some((shown, _)) => subject.warn(
                format!("{shown}: {}", self.otherwise),
                format!(
                    "`sudo {config} -d {nic} set {name}={wanted}`, then `sudo {reset} -d {nic} reset` or a cold boot"
                ),
            ),
        }
    }
}

/// A setting's row, whose columns are those that the heading names; without a heading it is the value at the next boot.
fn values<'a>(text: &'a str, name: &str) -> Option<Values<'a>> {
    let headings = text.lines().find_map(|line| line.trim().strip_prefix("Configurations:"));
    let headings: Vec<&str> =
        headings.unwrap_or("Next Boot").split_whitespace().filter(|word| *word != "Boot").collect();
    let row: Vec<&str> = text.lines().find_map(|line| {
        // An asterisk is before what differs from the default, or is not in effect.
        let mut words = line.split_whitespace().skip_while(|word| *word == "*");
        (words.next()? == name).then(|| words.collect())
    })?;
    let column = |named: &str| {
        let at = headings.iter().position(|heading| *heading == named)?;
        if row.len() == headings.len() { row.get(at).copied() } else { None }
    };
    // What is not in effect anywhere is no value: N/A.
    let current = column("Current").filter(|shown| number(shown).is_some());
    Some(Values { current, next_boot: column("Next")? })
}

/// The number of a value as it is shown, `BALANCED(0)`.
fn number(shown: &str) -> Option<u32> {
    let number = match shown.split_once('(') {
        Some((_, rest)) => rest.strip_suffix(')')?,
        None => shown,
    };
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::check::State::{self, Ok, Unknown, Warn};
    use super::super::made_host::{MadeHost, assert_state, named, of};
    use super::*;

    /// As mlxconfig of MFT shows a query of three.
    fn said(values: [&str; 3]) -> Answer {
        table("Next Boot", values.map(|value| value.to_owned()))
    }

    /// The same with `-e`: each value as it is now, and at the next boot.
    fn said_both(now: [&str; 3], next: [&str; 3]) -> Answer {
        let rows: [String; 3] =
            std::array::from_fn(|at| format!("False(0)  {}  {}", now[at], next[at]));
        table("Default         Current         Next Boot", rows)
    }

    fn table(heading: &str, rows: [String; 3]) -> Answer {
        let [compression, ordering, clock] = rows;
        Answer::Said(format!(
            "\nDevice #1:\n----------\n\nDevice type:    ConnectX5\nDevice:         0000:3b:00.0\n\n\
             Configurations:                                      {heading}\n\
             \x20        CQE_COMPRESSION                             {compression}\n\
             *        PCI_WR_ORDERING                             {ordering}\n\
             \x20        REAL_TIME_CLOCK_ENABLE                      {clock}\n"
        ))
    }

    fn at(made: &MadeHost, profile: &Profile) -> Vec<Check> {
        checks(&made.host(), "3b:00.0".parse().unwrap(), profile)
    }

    /// By firmware that does not tell what is in effect.
    fn checked(answer: Answer, profile: &Profile) -> Vec<Check> {
        at(&MadeHost::new().program_but("mlxconfig", answer, "-e"), profile)
    }

    /// Of the settings alone.
    fn states(checks: &[Check]) -> Vec<State> {
        let settings = checks.iter().filter(|check| check.subject.name != RESET.name);
        settings.map(|check| check.state).collect()
    }

    const GOOD: [&str; 3] = ["BALANCED(0)", "per_mkey(0)", "False(0)"];
    const OTHER: [&str; 3] = ["AGGRESSIVE(1)", "force_relax(1)", "True(1)"];

    #[test]
    fn settings_are_held_against_what_the_profile_can_use() {
        let ticks = named("connectx5");
        let real_time = ticks.clone().with(Capability::RxTimestampRealTime, Policy::Prefer);
        assert_eq!(states(&checked(said(GOOD), &ticks)), [Ok, Ok, Ok]);
        assert_eq!(states(&checked(said(GOOD), &real_time)), [Ok, Ok, Warn]);
        assert_eq!(states(&checked(said(OTHER), &ticks)), [Warn, Warn, Warn]);
        assert_eq!(states(&checked(said(OTHER), &real_time)), [Warn, Warn, Ok]);

        let warned = checked(said(OTHER), &ticks);
        let check = of(&warned, "CQE_COMPRESSION");
        assert_state(check, Warn, "mlxconfig -d 0000:3b:00.0 set CQE_COMPRESSION=0");
        assert!(check.found.starts_with("AGGRESSIVE(1): "), "{}", check.found);
    }

    #[test]
    fn a_setting_that_waits_for_a_reset_is_judged_as_of_then_and_named() {
        let ticks = named("connectx5");
        let one = ["AGGRESSIVE(1)", GOOD[1], GOOD[2]];
        for (now, next, state, says) in [
            (GOOD, GOOD, Ok, "none is due: CQE_COMPRESSION, PCI_WR_ORDERING"),
            (one, GOOD, Warn, "CQE_COMPRESSION is AGGRESSIVE(1) until a reset, then BALANCED(0)"),
            (one, GOOD, Warn, "sudo mlxfwreset -d 0000:3b:00.0 reset"),
            (GOOD, one, Warn, "CQE_COMPRESSION is BALANCED(0) until a reset"),
            (["N/A", "N/A", "N/A"], GOOD, Unknown, "not what is in effect"),
        ] {
            let checks = at(&MadeHost::new().program("mlxconfig", said_both(now, next)), &ticks);
            assert_state(of(&checks, "firmware reset"), state, says);
            let set = if next == GOOD { Ok } else { Warn };
            assert_eq!(states(&checks), [set, Ok, Ok], "as of the next boot");
        }
        let silent = checked(said(GOOD), &ticks);
        assert_state(of(&silent, "firmware reset"), Unknown, "not what is in effect");
    }

    #[test]
    fn mstflint_s_tools_serve_where_nvidia_s_are_not() {
        let made = MadeHost::new().program("mstconfig", said_both(OTHER, GOOD));
        let checks = at(&made, &named("connectx5"));
        assert_eq!(states(&checks), [Ok, Ok, Ok]);
        assert_state(of(&checks, "firmware reset"), Warn, "sudo mstfwreset -d 0000:3b:00.0 reset");
        let made = MadeHost::new().program("mstconfig", said_both(OTHER, OTHER));
        let checks = at(&made, &named("connectx5"));
        assert_state(of(&checks, "PCI_WR_ORDERING"), Warn, "sudo mstconfig -d 0000:3b:00.0 set");
    }

    #[test]
    fn a_setting_that_the_firmware_lacks_hides_no_other() {
        let made = MadeHost::new().program_but("mlxconfig", said(GOOD), "REAL_TIME_CLOCK_ENABLE");
        assert_eq!(states(&at(&made, &named("connectx5"))), [Ok, Ok, Unknown]);
    }

    #[test]
    fn what_the_firmware_does_not_tell_is_unknown_with_the_command_to_type() {
        let made = |answer| MadeHost::new().program("mlxconfig", answer);
        let hosts = [
            (MadeHost::new(), "apt-get install mstflint", "mstconfig"),
            (
                made(Answer::Failed("-E- Failed to open the device".into())),
                "Failed to open",
                "mlxconfig",
            ),
            (made(Answer::Said("Configurations:\n".into())), "does not list it", "mlxconfig"),
            (made(said(["?", "per_mkey(x)", "True(1"])), "does not list it", "mlxconfig"),
        ];
        for (host, why, tool) in hosts {
            let checks = at(&host, &named("connectx5"));
            assert_eq!(checks.len(), 4);
            let (reset, settings) = checks.split_last().expect("rows");
            assert_eq!((reset.subject.name, reset.state), (RESET.name, Unknown));
            for check in settings {
                assert_state(check, Unknown, why);
                let query = format!("{tool} -d 0000:3b:00.0 query {}", check.subject.name);
                assert!(check.remedy.contains(&query), "{}", check.remedy);
            }
        }
    }
}
