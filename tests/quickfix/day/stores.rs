//! Both sides' stores, read when all is quiet, and held against each other message by message.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::BIN;
use crate::common::quickfix::Message;

/// What one side has sent, by MsgSeqNum, and with which numbers it goes on.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) messages: BTreeMap<u64, Message>,
    pub(super) next_out: u64,
    pub(super) next_in: u64,
}

/// QuickFIX's FileStore of the session whose files begin so.
pub(super) fn theirs(folder: &Path, session: &str) -> Sent {
    let file = |what: &str| std::fs::read(folder.join(format!("{session}.{what}"))).unwrap();
    let text = |what: &str| String::from_utf8(file(what)).unwrap();
    let (numbers, header, body) = (text("seqnums"), text("header"), file("body"));
    let mut numbers = numbers.split(':').map(|number| number.trim().parse().unwrap());
    let (next_out, next_in) = (numbers.next().unwrap(), numbers.next().unwrap());
    let mut messages = BTreeMap::new();
    for entry in header.split_whitespace() {
        let [seq, at, len] =
            entry.splitn(3, ',').map(|word| word.parse::<usize>().unwrap()).collect::<Vec<_>>()[..]
        else {
            panic!("{entry}");
        };
        let message = message(&body[at..at + len]);
        assert_eq!(message.seq(), seq as u64, "QuickFIX keeps it under another number");
        // One that a process was killed over before its number was taken gives way: it has not left.
        messages.insert(seq as u64, message);
    }
    let continuous = messages.keys().copied().eq(1..next_out);
    assert!(continuous, "QuickFIX's numbers to {next_out}: {:?}", messages.keys());
    Sent { messages, next_out, next_in }
}

/// Our journal of this file, of its latest epoch, and how many messages it has of those before.
pub(super) fn ours(file: &Path) -> (Sent, usize) {
    let printed = |what: &str| -> Vec<Value> {
        let output = Command::new(BIN).args(["store", what, "--json"]).arg(file).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let facts = printed("inspect").remove(0);
    let (mut messages, mut before) = (BTreeMap::new(), 0);
    for record in printed("export") {
        if record["epoch"] != facts["epoch"] {
            before += 1;
            continue;
        }
        let message = Message::of(record["message"].as_str().unwrap());
        assert_eq!(record["msg_seq_num"], message.seq(), "we keep it under another number");
        let other = messages.insert(message.seq(), message);
        assert!(other.is_none(), "two texts have one number: {other:?}");
    }
    let number = |name: &str| facts[name].as_u64().unwrap();
    assert_eq!(facts["damage"], Value::Array(vec![]));
    (Sent { messages, next_out: number("next_out"), next_in: number("next_in") }, before)
}

fn message(bytes: &[u8]) -> Message {
    Message::of(&String::from_utf8_lossy(bytes).replace('\x01', "|"))
}

/// What our log has of messages that came in, from a byte of it on: what a process that was killed had not written yet
/// is missing.
pub(super) fn logged_in(log: &Path, from: usize, sender: &str) -> Vec<Message> {
    let bytes = std::fs::read(log).unwrap();
    let sender = format!("49={sender}");
    let lines = bytes[from..].split(|byte| *byte == b'\n');
    let messages = lines.filter_map(|line| {
        let at = line.windows(5).position(|window| window == b"8=FIX")?;
        let message = message(&line[at..]);
        // A line that a kill cut short, be it between two fields.
        let is_whole = line.ends_with(b"\x01")
            && message.fields().last().is_some_and(|field| field.starts_with("10="));
        (is_whole && message.has(&sender)).then_some(message)
    });
    messages.collect()
}

/// All but what differs when a message is sent again, and what frames it.
pub(super) fn content(message: &Message) -> Vec<&str> {
    const OF_A_SENDING: [&str; 6] = ["9=", "10=", "43=", "52=", "97=", "122="];
    message
        .fields()
        .filter(|field| !OF_A_SENDING.iter().any(|tag| field.starts_with(tag)))
        .collect()
}

fn is_admin(message: &Message) -> bool {
    ["0", "1", "2", "3", "4", "5", "A"].contains(&message.field(35))
}

/// What one side received is what the other has sent: under each number one text, that of the store, and no number
/// without a word. Where the sender keeps no session messages, nothing but such may stand under the other numbers.
pub(super) fn assert_received(sent: &Sent, received: &[Message], whose: &str) -> BTreeSet<u64> {
    let (mut got, mut filled) = (BTreeSet::new(), BTreeSet::new());
    let mut others: BTreeMap<u64, &Message> = BTreeMap::new();
    for message in received {
        let seq = message.seq();
        if message.has("35=4|123=Y") {
            filled.extend(seq..message.field(36).parse().unwrap());
            continue;
        }
        got.insert(seq);
        if let Some(kept) = sent.messages.get(&seq) {
            assert_eq!(content(message), content(kept), "{whose} {seq}");
            if message.has("43=Y") {
                assert_eq!(message.field(122), kept.field(52), "{whose} {seq}: OrigSendingTime");
            } else {
                assert_eq!(message, kept, "{whose} {seq}");
            }
        } else {
            assert!(is_admin(message), "{whose} {seq} is not in the store: {message:?}");
            let other = others.insert(seq, message);
            assert!(other.is_none_or(|other| other == message), "{whose} {seq} has two texts");
        }
    }
    for (seq, kept) in &sent.messages {
        assert!(
            is_admin(kept) || !filled.contains(seq),
            "{whose} {seq} was filled as a gap: {kept:?}"
        );
    }
    got.union(&filled).copied().collect()
}
