//! An acceptor on a TAP, whose counterparty on the kernel's sockets does what counterparties do.

use std::process::Command;

use super::{BIN, assert_identical, report};
use crate::common::client::Client;
use crate::common::inside::{Program, inside};

/// The next message that is no heartbeat, or asks for none.
fn said(client: &mut Client) -> String {
    loop {
        let next = client.next();
        if !next.starts_with("0 ") && !next.starts_with("1 ") {
            return next;
        }
    }
}

#[test]
fn an_acceptor_s_day_with_gaps_tests_heartbeats_and_two_connections_replays() {
    inside(
        "replay::served::an_acceptor_s_day_with_gaps_tests_heartbeats_and_two_connections_replays",
        || {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("accept.pcapng");
            let mut acceptor = Program::start(
                Command::new(BIN)
                    .args(["accept", "--nic", "tap:fw0", "--json", "--capture"])
                    .arg(&file),
            );
            acceptor.event_of("listening");
            let at = (std::net::Ipv4Addr::new(10, 9, 0, 2), 9878).into();
            let connect = || Client::connect(at, "FIX.4.4", "FIXWIRE", "EXCHANGE");
            let mut client = connect();
            client.send("A", "98=0|108=2|");
            assert!(client.next().starts_with("A 1|"));
            for id in 0..20 {
                client.send("D", &format!("11=x{id}|55=X|54=1|38=1|40=1|"));
                assert!(said(&mut client).starts_with("D "));
            }
            client.send("1", "112=are you there|");
            while !client.next().contains("112=are you there") {}
            // What was sent is asked for again.
            client.send("2", "7=2|16=4|");
            for number in 2..=4 {
                let again = said(&mut client);
                assert!(
                    again.starts_with(&format!("D {number}|")) && again.contains("43=Y"),
                    "{again}"
                );
            }
            // Nobody says anything for two seconds.
            assert!(client.next().starts_with("0 "), "no heartbeat");
            // A number is left out, and asked for.
            client.next_out += 1;
            client.send("D", "11=gap|55=X|54=1|38=1|40=1|");
            assert!(said(&mut client).starts_with("2 "));
            let after = client.next_out;
            client.next_out = after - 2;
            client.send("4", &format!("43=Y|122=20260101-00:00:00.000|123=Y|36={after}|"));
            client.next_out = after;
            // A field that does not fit.
            client.send("D", "11=bad|55=X|54=1|38=x|40=1|99999=|");
            let rejected = said(&mut client);
            assert!(rejected.starts_with("3 ") || rejected.starts_with("D "), "{rejected}");
            client.send("5", "");
            while !client.next().starts_with("5 ") {}
            assert!(client.is_closed_silently());
            let next_out = client.next_out;
            let mut client = connect();
            client.next_out = next_out;
            client.send("A", "98=0|108=30|");
            assert!(client.next().starts_with("A "));
            client.send("D", "11=y|55=X|54=1|38=1|40=1|");
            let answered = said(&mut client);
            assert!(answered.contains("11=y"), "{answered}");
            // Ours is the Logout now, with words of whoever ended it.
            acceptor.signal("INT");
            assert!(said(&mut client).contains("58=the acceptor ends"));
            client.send("5", "");
            let ended = acceptor.wait();
            assert_eq!(ended.code, Some(0), "{}", ended.errors);
            let sent = ended.summary()["sessions"][0]["counters"]["message_sent"].as_u64().unwrap()
                + ended.summary()["sessions"][0]["counters"]["message_resent"].as_u64().unwrap();

            let replayed = report(&file, &["--as", "10.9.0.2"]);
            assert_eq!(replayed["connections"].as_array().unwrap().len(), 2, "{replayed:#}");
            let messages = replayed["messages"].as_u64().unwrap();
            assert_identical(&replayed, messages as usize);
            assert!(messages > 30 && messages.abs_diff(sent) <= 3, "{messages} of {sent}");
        },
    );
}
