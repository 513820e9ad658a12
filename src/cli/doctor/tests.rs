//! docs/production.md names the checks, each in bold: held against the checks that there are.

use std::collections::BTreeSet;

use super::made_host::{MadeHost, asked, at, named};
use super::*;

const DOCUMENT: &str = include_str!("../../../docs/production.md");

/// The rows of `doctor --json` on a host with a ConnectX, whose kernel has the engine's address; with what is required.
fn rows() -> (BTreeSet<String>, BTreeSet<String>) {
    let nic = "sys/bus/pci/devices/0000:3b:00.0";
    let made = MadeHost::new()
        .file(&format!("{nic}/class"), "0x020000\n")
        .file(&format!("{nic}/vendor"), "0x15b3\n")
        .file("proc/net/fib_trie", "Local:\n  |-- 10.9.0.2\n     /32 host LOCAL\n");
    let asked = Asked {
        nic: Some("3b:00.0".parse().unwrap()),
        profile: named("connectx5"),
        network: at([10, 9, 0, 2].into()),
        ..asked()
    };
    let host = made.host();
    let time = HostTime::read(&host);
    let whole = report::for_machines(&examine(&host, &asked, &time), &asked, &time);
    let rows = whole["checks"].as_array().expect("rows");
    let names = |required: bool| {
        let rows = rows.iter().filter(|row| !required || row["need"] == "required");
        rows.map(|row| row["check"].as_str().expect("a name").to_owned()).collect()
    };
    (names(false), names(true))
}

/// What stands in bold as code.
fn in_bold(text: &str) -> BTreeSet<String> {
    let behind = text.split("**`").skip(1);
    behind.map(|rest| rest.split("`**").next().expect("an end").replace('\n', " ")).collect()
}

#[test]
fn each_check_that_the_document_names_is_there_and_each_that_is_there_is_named() {
    let (names, required) = rows();
    assert_eq!(in_bold(DOCUMENT), names);
    let paragraph = DOCUMENT.split("\n\n").find(|text| text.starts_with("Required of a ConnectX:"));
    assert_eq!(in_bold(paragraph.expect("what is required")), required);
}

#[test]
fn each_step_of_the_document_has_a_check() {
    let steps: Vec<&str> = DOCUMENT.split("\n## ").skip(1).collect();
    assert_eq!(steps.len(), 10);
    for step in steps {
        assert!(!in_bold(step).is_empty(), "{}", step.lines().next().unwrap_or_default());
    }
}
