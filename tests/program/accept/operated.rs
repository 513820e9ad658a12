//! An acceptor whose operator has a say, and one that keeps a log.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{BIN, accept, at};
use crate::common::client::Client;
use crate::common::inside::inside;

/// What the running engine answers to a command.
fn ctl(folder: &Path, arguments: &[&str]) -> Value {
    let socket = folder.join("c");
    let output = Command::new(BIN).arg("ctl").arg(socket).args(arguments).arg("--json").output();
    serde_json::from_slice(&output.unwrap().stdout).unwrap_or_default()
}

#[test]
fn a_counterparty_of_a_session_that_is_held_down_is_refused_until_it_is_let_up() {
    inside(
        "accept::operated::a_counterparty_of_a_session_that_is_held_down_is_refused_until_it_is_let_up",
        || {
            let folder = tempfile::tempdir().unwrap();
            let (socket, log) = (folder.path().join("c"), folder.path().join("log"));
            let (socket, log) = (socket.to_str().unwrap(), log.to_str().unwrap());
            let mut acceptor = accept(folder.path(), "", &["--control", socket, "--log", log]);
            let connect = || Client::connect(at(9878), "FIX.4.4", "FIXWIRE", "EXCHANGE");
            let mut client = connect().log_on("");
            acceptor.event_of("logged_on");
            assert_eq!(
                ctl(folder.path(), &["logout", "FIXWIRE", "--text", "maintenance"])["done"],
                true
            );
            assert_eq!(client.next(), "5 2|58=maintenance|");
            client.send("5", "");
            assert!(client.is_closed_silently());
            acceptor.event_of("held_down");

            let mut client = connect();
            client.send("A", "98=0|108=30|");
            assert!(client.is_closed_silently());
            let refused = acceptor.event_of("refused");
            assert_eq!(refused["reason"], "logon_held_down");
            assert!(
                refused["why"].as_str().unwrap().contains("logged out by an operator"),
                "{refused}"
            );

            let set =
                ctl(folder.path(), &["set-seq", "FIXWIRE", "--next-out", "40", "--next-in", "9"]);
            assert_eq!((&set["next_out"], &set["next_in"]), (&40.into(), &9.into()), "{set}");
            acceptor.event_of("numbers_set");
            assert_eq!(ctl(folder.path(), &["logon", "EXCHANGE->FIXWIRE"])["done"], true);
            acceptor.event_of("let_up");
            let mut client = connect();
            client.next_out = 9;
            client.send("A", "98=0|108=30|");
            assert!(client.next().starts_with("A 40|"));
            client.send("D", "11=x|55=X|54=1|38=1|40=1|");
            assert!(client.next().starts_with("D 41|11=x|"));
            client.send("5", "");
            assert_eq!(client.next(), "5 42|");
            assert!(client.is_closed_silently());
            let ended = acceptor.interrupt();
            let summary = ended.summary();
            assert_eq!((ended.code, &summary["counters"]["logon_held_down"]), (Some(0), &1.into()));
            assert_eq!(summary["control"]["done"], 3);

            // Logon, Logout; Logon, order and Logout, each both ways. Who was refused is no session's.
            let named = |what: &str| format!("{log}/FIX.4.4-EXCHANGE-FIXWIRE.{what}.current.log");
            let messages = std::fs::read_to_string(named("messages")).unwrap();
            assert_eq!(messages.lines().count(), 10, "{messages}");
            let events = std::fs::read_to_string(named("event")).unwrap();
            for words in
                ["logged out by an operator", "next MsgSeqNum out 40 in 9", "refused 10.9.0.1:"]
            {
                assert!(events.contains(words), "{words}: {events}");
            }
        },
    );
}
