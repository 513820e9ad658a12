//! Whether two sessions are the same: the messages of both, but for what no two sessions have in common.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::turn::Shown;

/// Times and the sum over them: SendingTime(52), TransactTime(60), CheckSum(10).
const OURS_VARY: [&str; 3] = ["52=", "60=", "10="];
/// What counts of the counterparty's: MsgType(35), MsgSeqNum(34), ClOrdID(11), ExecType(150), OrdStatus(39). The rest it may
/// choose anew each time.
const THEIRS_COUNT: [&str; 5] = ["35=", "34=", "11=", "150=", "39="];
/// Heartbeat and TestRequest: sent by time, and by nothing else.
const BY_TIME: [&str; 2] = ["35=0", "35=1"];
/// Frames that are wrong, by the counters of a run's report.
const WRONG: [&str; 2] = ["ipv4_checksum_wrong", "tcp_checksum_wrong"];

/// The messages of each session, in the order in which they were read and written, by the name of its log.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Logs(BTreeMap<String, Vec<String>>);

impl Logs {
    /// Those of a folder.
    pub(super) fn read(folder: &Path) -> io::Result<Logs> {
        let mut logs = Logs::default();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.ends_with(".messages.current.log") {
                logs.0.insert(name, messages(&fs::read(&path)?));
            }
        }
        Ok(logs)
    }
}

/// QuickFIX's form: a time, ` : ` and the message, in each line.
fn messages(log: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(log);
    text.lines().filter_map(|line| Some(line.split_once(" : ")?.1.to_owned())).collect()
}

impl Shown {
    /// How many messages it has.
    pub(super) fn messages(&self) -> usize {
        self.logs.0.values().map(Vec::len).sum()
    }
}

/// How a session differs from another; `None` where it does not.
pub(super) fn differs(whole: &Shown, without: &Shown) -> Option<String> {
    for (name, messages) in &whole.logs.0 {
        let Some(others) = without.logs.0.get(name) else {
            return Some(format!("there is no session {name}"));
        };
        let [ours, others] = [messages, others].map(|of| what_counts(of));
        let found = ours.iter().zip(&others).position(|(one, other)| one != other);
        if let Some(at) = found {
            let shown = |of: &str| of.replace('\x01', "|");
            return Some(format!(
                "message {} of {name} is {} and was {}",
                at + 1,
                shown(&others[at]),
                shown(&ours[at])
            ));
        }
        if ours.len() != others.len() {
            return Some(format!("{name} has {} messages and had {}", others.len(), ours.len()));
        }
    }
    let wrong = |of: &Shown, name: &str| of.report["counters"][name].as_u64().unwrap_or_default();
    let more = WRONG.into_iter().find(|name| wrong(without, name) > wrong(whole, name));
    more.map(|name| format!("{} frames of it were dropped ({name})", wrong(without, name)))
}

/// Each message as far as it is the same in every session.
fn what_counts(messages: &[String]) -> Vec<String> {
    let Some(us) = messages.first().and_then(|logon| sender(logon)) else { return Vec::new() };
    let told = messages
        .iter()
        .filter(|message| !message.split('\x01').any(|field| BY_TIME.contains(&field)));
    let of = |message: &String| {
        let is_ours = sender(message) == Some(us);
        let counts = |field: &&str| {
            let begins = |with: &&str| field.starts_with(*with);
            if is_ours { !OURS_VARY.iter().any(begins) } else { THEIRS_COUNT.iter().any(begins) }
        };
        message.split('\x01').filter(counts).collect::<Vec<_>>().join("\x01")
    };
    told.map(of).collect()
}

/// SenderCompID(49): an initiator speaks first.
fn sender(message: &str) -> Option<&str> {
    message.split('\x01').find(|field| field.starts_with("49="))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn shown(log: &str, wrong: u64) -> Shown {
        let messages = messages(log.replace('|', "\x01").as_bytes());
        let logs = Logs([("A.messages.current.log".to_owned(), messages)].into());
        let report: Value = json!({ "counters": { "tcp_checksum_wrong": wrong } });
        Shown { nic: String::new(), report, logs }
    }

    const LOG: &str = "t : 35=A|49=US|34=1|52=08:00|10=001|\n\
                       t : 35=A|49=THEM|34=1|52=08:00|10=002|\n\
                       t : 35=D|49=US|34=2|11=O0|44=4500.25|60=08:01|10=003|\n\
                       t : 35=0|49=US|34=3|10=004|\n\
                       t : 35=8|49=THEM|34=2|11=O0|17=E1|150=F|39=2|10=005|\n";

    #[test]
    fn times_sums_and_what_the_counterparty_chooses_do_not_count_and_all_else_does() {
        let whole = shown(LOG, 3);
        assert_eq!(whole.messages(), 5);
        for (from, to, expected) in [
            ("52=08:00", "52=09:00", None),
            ("10=003", "10=099", None),
            ("17=E1", "17=E2|58=hello", None),
            ("35=0|49=US|34=3", "35=1|49=US|34=3", None),
            ("44=4500.25", "44=4500.50", Some("44=4500.50|10")),
            ("34=2|11=O0|44", "34=3|11=O0|44", Some("34=3")),
            ("39=2", "39=8", Some("39=8")),
            ("t : 35=8|49=THEM|34=2|11=O0|17=E1|150=F|39=2|10=005|\n", "", Some("has 3 messages")),
        ] {
            let without = shown(&LOG.replace(from, to), 3);
            let found = differs(&whole, &without);
            let first = expected.map(|words| words.split("|10").next().unwrap());
            assert_eq!(found.is_some(), expected.is_some(), "{to}: {found:?}");
            assert!(
                found.as_deref().unwrap_or_default().contains(first.unwrap_or_default()),
                "{found:?}"
            );
        }
        let found = differs(&whole, &shown(LOG, 4)).unwrap();
        assert!(found.contains("4 frames of it were dropped (tcp_checksum_wrong)"), "{found}");
    }
}
