//! What `fixwire store` tells, and how a run goes on with a store.

use std::process::Command;

use serde_json::Value;

use super::{BIN, message, store_of};

fn told(args: &[&str], path: &std::path::Path) -> (Option<i32>, String) {
    let output = Command::new(BIN).arg("store").args(args).arg(path).output().unwrap();
    let words = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&words).into_owned())
}

#[test]
fn a_store_is_inspected_verified_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    let path = store_of(folder.path(), 3);
    for place in [path.as_path(), folder.path()] {
        let (code, said) = told(&["inspect", "--json"], place);
        assert_eq!(code, Some(0), "{said}");
        let facts: Value = serde_json::from_str(&said).unwrap();
        for (name, expected) in [
            ("begin_string", Value::from("FIX.4.4")),
            ("sender_comp_id", "DESK".into()),
            ("state", "closed".into()),
            ("durability", "async".into()),
            ("next_out", 4.into()),
            ("next_in", 77.into()),
            ("messages", 3.into()),
            ("epoch", 0.into()),
            ("openings", 1.into()),
        ] {
            assert_eq!(facts[name], expected, "{name}");
        }
    }
    let (code, said) = told(&["inspect"], &path);
    assert!(code == Some(0) && said.contains("next out") && said.contains("VENUE"), "{said}");
    let (code, said) = told(&["verify"], &path);
    assert!(code == Some(0) && said.contains("intact"), "{said}");
    let (_, said) = told(&["export"], &path);
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    assert!(lines[1].starts_with("0 2 8=FIX.4.4|9=99|35=D|34=2|"), "{said}");
    let (_, said) = told(&["export", "--json"], &path);
    let last: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!((&last["msg_seq_num"], &last["epoch"]), (&3.into(), &0.into()));
    let (_, said) = told(&["export", "--raw"], &path);
    assert_eq!(said.into_bytes(), [message(1), message(2), message(3)].concat());
    let (code, said) = told(&["inspect"], &folder.path().join("none"));
    assert!(code == Some(2) && said.contains("check the path"), "{said}");
}

#[test]
fn a_store_in_use_is_told_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = store_of(folder.path(), 3);
    let _store =
        super::open(folder.path(), fixwire::fix::store::journal::Durability::Async).unwrap();
    let (code, said) = told(&["inspect", "--json"], &path);
    assert!(code == Some(0) && said.contains("\"in_use\""), "{said}");
    let (code, said) = told(&["verify"], &path);
    assert!(code == Some(2) && said.contains("in use"), "{said}");
}

#[test]
fn a_run_goes_on_with_the_numbers_of_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("s.toml");
    // The exchange behind the model's wire begins at 1 each time: what was there before is told to it as a gap.
    let text = "reset_on_logon = true\nstore = { path = \"stores\", size_mib = 1, durability = \"sync\" }\n";
    std::fs::write(&session, text).unwrap();
    for time in 0..2 {
        let run = Command::new(BIN)
            .args(["run", "--nic", "sim", "--orders", "20", "--json", "--session"])
            .arg(&session)
            .output()
            .unwrap();
        assert!(run.status.success(), "{run:?}");
        let (_, said) = told(&["inspect", "--json"], &folder.path().join("stores"));
        let facts: Value = serde_json::from_str(&said).unwrap();
        // A Logon, twenty orders, a Logout.
        assert_eq!((&facts["next_out"], &facts["messages"]), (&23.into(), &20.into()), "{said}");
        assert_eq!((&facts["epoch"], &facts["state"]), (&time.into(), &"closed".into()), "{said}");
    }
}
