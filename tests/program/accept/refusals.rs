//! Who is not let in: strangers, by their first words, and sessions and devices that cannot be accepted on.

use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use super::{BIN, accept, at};
use crate::common::client::Client;
use crate::common::inside::{Program, inside};
use crate::common::{has, skip};

fn connect(us: &str) -> Client {
    Client::connect(at(9878), "FIX.4.4", us, "EXCHANGE")
}

/// What strangers to the session of A say first, the reason for which each is refused, and words of its sentence.
fn strangers() -> Vec<(Vec<u8>, &'static str, &'static str)> {
    let logon = |us: &str, fields: &str| connect(us).message("A", fields);
    let garbled = {
        let mut bytes = logon("A", "98=0|108=30|");
        let digit = bytes.len() - 2;
        bytes[digit] ^= 1;
        bytes
    };
    let half = logon("A", "98=0|108=30|")[..40].to_vec();
    vec![
        (
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
            "peer_not_fix",
            "does not speak FIX but HTTP",
        ),
        (
            b"SSH-2.0-OpenSSH_9.2p1\r\n".to_vec(),
            "peer_not_fix",
            "says \"SSH-2.0-OpenSSH_9.2p1\\r\\n\"",
        ),
        (b"\x16\x03\x01\x02\x00\x01\x00".to_vec(), "peer_not_fix", "but TLS"),
        (garbled, "logon_garbled", "CheckSum does not match"),
        (
            logon("A", "98=0|108=30|").replace_all(b"49=A\x01", b"50=A\x01"),
            "logon_garbled",
            "tag 49",
        ),
        (
            logon("B\x1b[2J", "98=0|108=30|"),
            "logon_unknown_identity",
            "from \"B\\x1b[2J\" to \"EXCHANGE\"",
        ),
        (
            logon("A", "98=0|108=30|").replace_all(b"FIX.4.4", b"FIX.4.2"),
            "logon_unknown_identity",
            "FIX.4.2",
        ),
        (connect("A").message("0", ""), "logon_not_first", "of type \"0\""),
        (logon("A", "98=0|108=30|"), "logon_duplicate", "connected already"),
        (
            logon("A", &format!("98=0|108=30|58={}|", "x".repeat(5_000))),
            "logon_too_long",
            "the 4096 bytes that `logon_bytes_max` allows",
        ),
        (Vec::new(), "closed_before_logon", "closed before"),
        (half, "closed_before_logon", "closed before"),
    ]
}

#[test]
fn who_is_refused_is_closed_and_told_of_by_name_and_nobody_else_notices() {
    inside(
        "accept::refusals::who_is_refused_is_closed_and_told_of_by_name_and_nobody_else_notices",
        || {
            let folder = tempfile::tempdir().unwrap();
            let mut acceptor = accept(folder.path(), "target_comp_id = \"A\"\n", &[]);
            let mut member = connect("A").log_on("");
            acceptor.event_of("logged_on");
            let mut silent = connect("A");
            for (bytes, reason, words) in strangers() {
                let mut refused = connect("A");
                let from = refused.addr();
                refused.send_bytes(&bytes);
                if reason == "closed_before_logon" {
                    refused.close();
                } else {
                    assert!(refused.is_closed_silently(), "{reason}");
                }
                let event = refusal_of(&mut acceptor, &from);
                assert_eq!(event["reason"], reason, "{event}");
                assert!(event["why"].as_str().unwrap().contains(words), "{event}");
            }
            let late = refusal_of(&mut acceptor, &silent.addr());
            assert_eq!(late["reason"], "identify_timeout");
            assert!(silent.is_closed_silently());
            member.send("D", "11=still here|");
            assert_eq!(member.next(), "D 2|11=still here|");
            let _undecided = connect("A");
            std::thread::sleep(std::time::Duration::from_millis(50));
            let summary = acceptor.interrupt().summary();
            let counters = &summary["counters"];
            for (name, count) in [
                ("refused_while_logging_out", 1),
                ("peer_not_fix", 3),
                ("logon_garbled", 2),
                ("logon_too_long", 1),
                ("logon_unknown_identity", 2),
                ("logon_not_first", 1),
                ("logon_duplicate", 1),
                ("lines_connected", 1),
                // Whoever is refused has closed by the book: no FIN of it had to come twice.
                ("tcp_listen_ack_unexpected", 0),
            ] {
                assert_eq!(counters[name], count, "{name}");
            }
        },
    );
}

#[test]
fn who_says_nothing_is_borne_with_for_the_longest_logon_timeout_of_the_port() {
    const NAME: &str = "accept::refusals::who_says_nothing_is_borne_with_for_the_longest_logon_timeout_of_the_port";
    inside(NAME, || {
        let folder = tempfile::tempdir().unwrap();
        let sessions = "[default]\nlogon_timeout = 1\n[[session]]\ntarget_comp_id = \"A\"\n\
                        [[session]]\ntarget_comp_id = \"B\"\nlogon_timeout = 3\n\
                        [[session]]\ntarget_comp_id = \"C\"\nsocket_accept_port = 9879\n";
        let mut acceptor = accept(folder.path(), sessions, &[]);
        let begun = Instant::now();
        let connect = |port| Client::connect(at(port), "FIX.4.4", "X", "EXCHANGE");
        let (mut silent, mut hasty) = (connect(9878), connect(9879));
        for (client, least_s, most_s) in [(&mut hasty, 1, 3), (&mut silent, 3, 6)] {
            assert_eq!(refusal_of(&mut acceptor, &client.addr())["reason"], "identify_timeout");
            assert!(client.is_closed_silently());
            let took = begun.elapsed().as_secs();
            assert!((least_s..most_s).contains(&took), "{took} s, not {least_s}");
        }
        assert_eq!(acceptor.interrupt().code, Some(0));
    });
}

#[test]
fn a_counterparty_that_keeps_coming_back_locks_nobody_out() {
    inside("accept::refusals::a_counterparty_that_keeps_coming_back_locks_nobody_out", || {
        let folder = tempfile::tempdir().unwrap();
        let sessions = "[[session]]\ntarget_comp_id = \"A\"\nreset_on_logon = true\n\
                        [[session]]\ntarget_comp_id = \"B\"\n";
        let mut acceptor = accept(folder.path(), sessions, &[]);
        let member = |us: &str| Client::connect(at(9878), "FIX.4.4", us, "EXCHANGE");
        // Each leaves a connection in TIME-WAIT on our side, which closes first; there are 64.
        for visit in 0..100 {
            if visit % 2 == 0 {
                let mut visitor = member("A").log_on("141=Y|");
                visitor.send("5", "");
                assert_eq!(visitor.next(), "5 2|", "visit {visit}");
                assert!(visitor.is_closed_silently());
            } else {
                let mut strange = member("A");
                strange.send("A", "98=1|108=30|");
                assert!(strange.is_closed_silently(), "visit {visit}");
                let event = acceptor.event_of("ended");
                assert_eq!(event["reason"], "close_logout_by_peer", "visit {visit}");
                let event = acceptor.event_of("ended");
                assert_eq!(event["reason"], "close_logon_terms_refused", "visit {visit}");
            }
        }
        let mut healthy = member("B").log_on("");
        healthy.send("D", "11=let in|");
        assert_eq!(healthy.next(), "D 2|11=let in|");
        let summary = acceptor.interrupt().summary();
        assert_eq!(summary["counters"]["tcp_connections_full"], 0);
        assert!(summary["counters"]["tcp_time_wait_cut_short"].as_u64() > Some(30));
    });
}

#[test]
fn what_cannot_be_accepted_is_refused_in_a_sentence() {
    inside("accept::refusals::what_cannot_be_accepted_is_refused_in_a_sentence", || {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let twice = file("twice.toml", "[[session]]\n\n[[session]]\nsocket_accept_port = 1234\n");
        let initiator = file("initiator.toml", "\nconnection_type = \"initiator\"\n");
        let kernel = file("kernel.toml", "[network]\naddress = \"10.9.0.1/24\"\n");
        let elsewhere = file("elsewhere.toml", "[network]\naddress = \"127.0.0.1/8\"\n");
        let loopback = file("loopback.toml", "[network]\naddress = \"10.77.0.1/24\"\n");
        let holder = accept(folder.path(), "", &[]);
        for (nic, session, code, what, remedy) in [
            (
                "tap:fw1",
                &twice,
                2,
                "twice.toml:3: this session is FIX.4.4 from \"EXCHANGE\"",
                "another CompID",
            ),
            (
                "tap:fw1",
                &initiator,
                2,
                "initiator.toml:2: `connection_type` is \"initiator\"",
                "fixwire run",
            ),
            ("tap:fw0", &kernel, 1, "another process is attached to `fw0`", "choose another name"),
            ("tap:fw1", &kernel, 1, "10.9.0.1, which another interface here has", "ip addr add"),
            ("tap:fw1", &elsewhere, 2, "`address` is \"127.0.0.1/8\"", "of a host"),
            ("sim", &kernel, 2, "nobody can connect to the NIC model", "tap:IFNAME"),
        ] {
            let mut command = Command::new(BIN);
            command.args(["accept", "--nic", nic, "--session", session]);
            let ended = Program::start(&mut command).wait();
            assert_eq!(ended.code, Some(code), "{}", ended.errors);
            assert!(
                ended.errors.contains(what) && ended.errors.contains(remedy),
                "{}",
                ended.errors
            );
        }
        assert_eq!(holder.interrupt().code, Some(0));
        if !has("ip") {
            return skip(
                "what_cannot_be_accepted_is_refused_in_a_sentence (the kernel's address)",
                "ip (iproute2) is not installed",
            );
        }
        // The kernel has the engine's address on another interface: both would answer.
        let ip = Command::new("ip").args(["addr", "add", "10.77.0.1/24", "dev", "lo"]).status();
        assert!(ip.unwrap().success());
        for (command, session) in [("accept", &loopback), ("run", &loopback), ("run", &kernel)] {
            let mut started = Command::new(BIN);
            started.args([command, "--nic", "tap:fw1", "--session", session]);
            let ended = Program::start(&mut started).wait();
            assert_eq!(ended.code, Some(2), "{}", ended.errors);
            let words = if session == &kernel { "the far side's own" } else { "both would answer" };
            assert!(
                ended.errors.contains(words) && ended.errors.contains("address"),
                "{}",
                ended.errors
            );
        }
    });
}

/// What is told of the refusal of a peer; the strangers that only lent their words are passed over.
fn refusal_of(acceptor: &mut Program, peer: &str) -> Value {
    loop {
        let event = acceptor.event_of("refused");
        if event["peer"] == peer {
            return event;
        }
        assert_eq!(event["reason"], "closed_before_logon", "{event}");
    }
}

/// Bytes of a message with a piece of it exchanged for one of the same length, and sealed again.
trait ReplaceAll {
    fn replace_all(self, from: &[u8], to: &[u8]) -> Vec<u8>;
}

impl ReplaceAll for Vec<u8> {
    fn replace_all(mut self, from: &[u8], to: &[u8]) -> Vec<u8> {
        assert_eq!(from.len(), to.len());
        let at = self.windows(from.len()).position(|window| window == from).unwrap();
        self[at..at + to.len()].copy_from_slice(to);
        let end = self.len() - 7;
        let sum = self[..end].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        self.truncate(end);
        self.extend(format!("10={sum:03}\x01").bytes());
        self
    }
}
