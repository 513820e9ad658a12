//! Message logs: ours and QuickFIX's hold the same.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::common::quickfix::{Side, play};
use super::{BIN, ORDERS, ended_well, run};

/// A log as `fixwire decode` reads it: of each side the messages that it sent, field by field, and which way that was.
fn decoded(log: &Path, sender: &str) -> Vec<(String, Value)> {
    let output = Command::new(BIN).args(["decode", "--json"]).arg(log).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let objects = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_sender = objects.filter(|of| of["sender_comp_id"] == sender);
    let shown = |of: Value| {
        assert_eq!(of["damage"], Value::Array(vec![]), "{of}");
        assert_eq!(of["time"].as_str().map(str::len), Some("20261127-08:46:14.123456789".len()));
        (of["direction"].as_str().unwrap().to_owned(), of["fields"].clone())
    };
    of_sender.map(shown).collect()
}

#[test]
fn our_log_and_quickfix_s_are_of_one_form_and_have_the_same_messages() {
    play("logs::our_log_and_quickfix_s_are_of_one_form_and_have_the_same_messages", |stage| {
        let version = stage.version.begin_string;
        // Both beneath the folder of what is written for the stage.
        let folder = stage.file("logs", "").with_extension("d");
        let theirs = folder.join("theirs");
        std::fs::create_dir_all(&theirs).unwrap();
        let mut quickfix =
            stage.quickfix(Side::Acceptor, &format!("FileLogPath={}\n", theirs.display()));
        let run = run(stage, "file_log_path = \"logs.d/ours\"");
        ended_well(run, &mut quickfix);
        let ours = folder.join(format!("ours/{version}-FIXWIRE-EXCHANGE.messages.current.log"));
        let theirs = theirs.join(format!("{version}-EXCHANGE-FIXWIRE.messages.current.log"));
        for (sender, our_way, their_way) in [("FIXWIRE", "out", "in"), ("EXCHANGE", "in", "out")] {
            let (of_ours, of_theirs) = (decoded(&ours, sender), decoded(&theirs, sender));
            // A Logon, the orders or reports, and a Logout.
            assert_eq!(of_ours.len(), ORDERS + 2, "{sender}");
            let fields = |of: &[(String, Value)]| -> Vec<Value> {
                of.iter().map(|(_, fields)| fields.clone()).collect()
            };
            assert_eq!(fields(&of_ours), fields(&of_theirs), "{sender}");
            assert!(of_ours.iter().all(|(way, _)| way == our_way));
            assert!(of_theirs.iter().all(|(way, _)| way == their_way));
        }
    });
}
