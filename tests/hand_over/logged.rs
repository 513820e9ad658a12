//! A log that two processes and more have written, each after the one before.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::common::client::Client;
use super::common::inside::{Ended, inside};
use super::load::{self, Load};
use super::world::{PORT, World, at};

const MIB: u64 = 1 << 20;
/// What a file may be longer by than was asked for: what each of two processes adds between two looks.
const OVER_MAX: u64 = 128 * 1024;

/// The message log's files of the session with `whom`.
fn files(folder: &Path, whom: &str) -> Vec<PathBuf> {
    let name = format!("FIX.4.4-EXCHANGE-{whom}.messages.");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&name)).collect()
}

/// The numbers of all messages in them, by direction, in order.
fn numbers(files: &[PathBuf]) -> BTreeMap<String, Vec<u64>> {
    let mut numbers: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for file in files {
        for line in fs::read_to_string(file).unwrap().lines() {
            let message: Value = serde_json::from_str(line).expect("a whole line");
            assert_eq!(message["is_garbled"], false, "{}: {message}", file.display());
            let direction = message["direction"].as_str().unwrap().to_owned();
            numbers.entry(direction).or_default().push(message["msg_seq_num"].as_u64().unwrap());
        }
    }
    numbers.values_mut().for_each(|of| of.sort_unstable());
    numbers
}

/// Nothing of its log was lost.
fn is_whole(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let log = &ended.summary()["log"];
    for name in ["log_garbled", "log_bytes_ring_full", "log_events_lost", "log_write_failed"] {
        assert_eq!(log[name], 0, "{log}");
    }
}

#[test]
fn every_message_stands_in_the_log_once_whichever_process_wrote_it() {
    inside("logged::every_message_stands_in_the_log_once_whichever_process_wrote_it", || {
        let sessions =
            "[[session]]\ntarget_comp_id = \"US\"\n[[session]]\ntarget_comp_id = \"B\"\n";
        let world = World::new(sessions);
        let folder = world.folder.path().join("log");
        let log = ["--log", folder.to_str().unwrap(), "--log-form", "json"];
        // Room for all that its writer may fall behind by.
        let log = [&log[..], &["--log-max-mib", "1", "--log-ring-mib", "64"]].concat();
        let mut engine = world.start(&log);
        let load = Load::begin("US");
        let mut slow = Client::connect(at(PORT), "FIX.4.4", "B", "EXCHANGE").log_on("");
        for round in 0..3 {
            // Half a message is with the old process, and half comes to the new one.
            let order = slow.message("D", &load::order(&format!("B{round}")));
            slow.send_bytes(&order[..30]);
            load.trades_on();
            let mut next = world.start_another(&log);
            next.event_of("taken_over");
            is_whole(&engine.wait());
            engine = next;
            slow.send_bytes(&order[30..]);
            let report = slow.next();
            assert!(report.starts_with(&format!("8 {}|", round + 2)), "{report}");
        }
        load.trades_on();
        let filled = load.end();
        slow.send("5", "");
        assert_eq!(slow.next(), "5 5|");
        is_whole(&engine.interrupt());
        // A Logon, what was traded, a Logout.
        for (whom, last) in [("US", filled + 2), ("B", 5)] {
            let files = files(&folder, whom);
            let all: Vec<_> = (1..=last).collect();
            let found = numbers(&files);
            assert_eq!(found.keys().collect::<Vec<_>>(), ["in", "out"]);
            assert!(found.values().all(|numbers| *numbers == all), "{whom}: not 1 to {last} once");
            for file in &files {
                let len = fs::metadata(file).unwrap().len();
                assert!(len <= MIB + OVER_MAX, "{} has {len} bytes", file.display());
            }
            assert!(whom != "US" || files.len() > 4, "no file was full: {files:?}");
        }
    });
}
