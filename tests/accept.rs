//! `fixwire accept` as counterparties on the kernel's sockets meet it, in namespaces of the tests' own;
//! skipped by name where the machine gives none.

mod common;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use common::client::Client;
use common::inside::{Program, inside};
use common::{has, skip};
use serde_json::Value;

const BIN: &str = env!("CARGO_BIN_EXE_fixwire");
/// The engine's address on a TAP that was left at its defaults.
const ENGINE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);

fn at(port: u16) -> SocketAddr {
    SocketAddr::from((ENGINE, port))
}

/// An acceptor on a TAP in this namespace, told its sessions, once it listens.
fn accept(folder: &Path, sessions: &str, more: &[&str]) -> Program {
    let file = folder.join("s.toml");
    std::fs::write(&file, sessions).unwrap();
    let mut program = Program::start(
        Command::new(BIN)
            .args(["accept", "--nic", "tap:fw0", "--json", "--session"])
            .arg(&file)
            .args(more),
    );
    program.event_of("listening");
    program
}

fn session<'a>(summary: &'a Value, target: &str) -> &'a Value {
    let sessions = summary["sessions"].as_array().unwrap();
    sessions.iter().find(|session| session["target_comp_id"] == target).unwrap()
}

#[test]
fn several_sessions_share_a_port_and_each_gets_its_own() {
    inside("several_sessions_share_a_port_and_each_gets_its_own", || {
        const ORDERS: u32 = 200;
        let folder = tempfile::tempdir().unwrap();
        let sessions = "[[session]]\ntarget_comp_id = \"A\"\n\
                        [[session]]\ntarget_comp_id = \"B\"\nbegin_string = \"FIX.4.2\"\n\
                        [[session]]\ntarget_comp_id = \"C\"\n\
                        [[session]]\ntarget_comp_id = \"A\"\nbegin_string = \"FIX.4.2\"\n\
                        socket_accept_port = 9879\n";
        let mut acceptor = accept(folder.path(), sessions, &[]);
        let mut clients: Vec<Client> = [
            ("FIX.4.4", "A", 9878),
            ("FIX.4.2", "B", 9878),
            ("FIX.4.4", "C", 9878),
            ("FIX.4.2", "A", 9879),
        ]
        .into_iter()
        .map(|(version, us, port)| {
            let client = Client::connect(at(port), version, us, "EXCHANGE").log_on("");
            let event = acceptor.event_of("logged_on");
            assert_eq!(
                (&event["target_comp_id"], &event["begin_string"]),
                (&us.into(), &version.into())
            );
            assert_eq!(event["peer"], client.addr());
            client
        })
        .collect();
        // Nothing was demoted: to ask for it back changes nothing, ends nobody, and is answered.
        acceptor.signal("USR1");
        acceptor.event_of("nothing_demoted");
        // Bursts of two, so that answers to one lie between those to others.
        for order in (0..ORDERS).step_by(2) {
            for (number, client) in clients.iter_mut().enumerate() {
                client.send("D", &format!("11={number}-{order}|55=X|54=1|38=1|40=1|"));
                client.send("D", &format!("11={number}-{}|55=X|54=1|38=1|40=1|", order + 1));
            }
            for (number, client) in clients.iter_mut().enumerate() {
                for order in [order, order + 1] {
                    let seq = order + 2;
                    let expected = format!("D {seq}|11={number}-{order}|38=1|40=1|54=1|55=X|");
                    assert_eq!(client.next(), expected);
                }
            }
        }
        for client in &mut clients {
            client.send("5", "");
            assert_eq!(client.next(), format!("5 {}|", ORDERS + 2));
            assert!(client.is_closed_silently());
            let event = acceptor.event_of("ended");
            assert_eq!(
                (&event["reason"], &event["peer"]),
                (&"close_logout_by_peer".into(), &client.addr().into())
            );
        }
        let ended = acceptor.interrupt();
        assert_eq!(ended.code, Some(0), "{}", ended.errors);
        let summary = ended.summary();
        assert_eq!(summary["event"], "summary");
        assert_eq!(
            (&summary["app"]["name"], &summary["app"]["echoed"]),
            (&"echo".into(), &(4 * ORDERS).into())
        );
        assert!(summary["plan"].as_array().unwrap().len() > 10);
        for session in summary["sessions"].as_array().unwrap() {
            assert_eq!(
                (&session["logons"], &session["next_in"]),
                (&1.into(), &(ORDERS + 3).into())
            );
            assert_eq!(session["counters"]["message_received"], ORDERS + 2);
            assert_eq!(session["counters"]["rejects_sent"], 0);
        }
        assert_eq!(summary["counters"]["line_events_overwritten"], 0);
    });
}

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
        (Vec::new(), "closed_before_logon", "closed before"),
        (half, "closed_before_logon", "closed before"),
    ]
}

#[test]
fn who_is_refused_is_closed_and_told_of_by_name_and_nobody_else_notices() {
    inside("who_is_refused_is_closed_and_told_of_by_name_and_nobody_else_notices", || {
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
            ("logon_unknown_identity", 2),
            ("logon_not_first", 1),
            ("logon_duplicate", 1),
            ("lines_connected", 1),
            // Whoever is refused has closed by the book: no FIN of it had to come twice.
            ("tcp_listen_ack_unexpected", 0),
        ] {
            assert_eq!(counters[name], count, "{name}");
        }
    });
}

#[test]
fn a_counterparty_that_keeps_coming_back_locks_nobody_out() {
    inside("a_counterparty_that_keeps_coming_back_locks_nobody_out", || {
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

#[test]
fn the_echo_answers_each_type_as_its_version_has_it() {
    inside("the_echo_answers_each_type_as_its_version_has_it", || {
        let folder = tempfile::tempdir().unwrap();
        let sessions = "[[session]]\nbegin_string = \"FIX.4.2\"\n[[session]]\n";
        let acceptor = accept(folder.path(), sessions, &["--app", "echo"]);
        for version in ["FIX.4.2", "FIX.4.4"] {
            let mut client = Client::connect(at(9878), version, "FIXWIRE", "EXCHANGE").log_on("");
            for (msg_type, fields, answer) in [
                ("D", "55=MSFT|40=1|11=id|", "D 2|11=id|40=1|55=MSFT|"),
                ("D", "97=Y|11=id|40=1|", ""),
                ("D", "97=Y|11=new|40=1|", "D 3|97=Y|11=new|40=1|"),
                ("D", "11=id|40=1|", "D 4|11=id|40=1|"),
                ("d", "320=r|55=TBS|146=0|58=none|", "d 5|55=TBS|58=none|146=0|320=r|"),
                ("C", "164=t|94=0|147=s|33=2|58=b|58=a|95=3|96=x|y|", ""),
                ("8", "37=1|17=1|", "j 7|45=8|58=Unsupported Message Type|372=8|380=3|"),
            ] {
                client.send(msg_type, fields);
                match (msg_type, answer) {
                    // RawData holds an SOH: `|` stands for one here and there.
                    ("C", _) => assert_eq!(
                        client.next(),
                        "C 6|164=t|94=0|147=s|33=2|58=b|58=a|95=3|96=x\x01y|"
                    ),
                    (_, "") => {}
                    _ => assert_eq!(client.next(), answer, "{version}"),
                }
            }
            client.send("5", "");
            client.next();
            let mut again = Client::connect(at(9878), version, "FIXWIRE", "EXCHANGE");
            again.next_out = client.next_out;
            let mut again = again.log_on("");
            again.send("D", "97=Y|11=id|");
            assert_eq!(
                again.next(),
                "D 10|97=Y|11=id|",
                "{version}: a new logon knows of no order"
            );
        }
        let ended = acceptor.interrupt();
        let summary = ended.summary();
        for (name, count) in
            [("echoed", 12), ("unsupported", 2), ("duplicates_ignored", 2), ("refused", 0)]
        {
            assert_eq!(summary["app"][name], count, "{name}");
        }
    });
}

#[test]
fn a_long_message_is_echoed_and_resent_whole() {
    inside("a_long_message_is_echoed_and_resent_whole", || {
        let folder = tempfile::tempdir().unwrap();
        let acceptor = accept(folder.path(), "", &[]);
        let mut client = Client::connect(at(9878), "FIX.4.4", "FIXWIRE", "EXCHANGE").log_on("");
        let long = "x".repeat(15_000);
        client.send("C", &format!("58={long}|"));
        assert_eq!(client.next(), format!("C 2|58={long}|"));
        client.send("2", "7=2|16=2|");
        let again = client.next();
        assert!(again.starts_with("C 2|43=Y|122=") && again.ends_with(&format!("|58={long}|")));
        // As long as is taken in, and then too long to be sent back.
        client.send("C", &format!("58={}|", "x".repeat(16_200)));
        let refused = client.next();
        assert!(refused.starts_with("3 3|45=4|"), "{refused}");
        assert_eq!(acceptor.interrupt().summary()["app"]["refused"], 1);
    });
}

#[test]
fn an_interrupt_logs_everybody_out_and_ends_well_within_bounds() {
    inside("an_interrupt_logs_everybody_out_and_ends_well_within_bounds", || {
        let folder = tempfile::tempdir().unwrap();
        let sessions = "[default]\nlogout_timeout = 1\n[[session]]\ntarget_comp_id = \"A\"\n\
                        [[session]]\ntarget_comp_id = \"B\"\n[[session]]\ntarget_comp_id = \"C\"\n";
        for signal in ["INT", "TERM", "HUP"] {
            let mut acceptor = accept(folder.path(), sessions, &[]);
            let member = |us: &str| Client::connect(at(9878), "FIX.4.4", us, "EXCHANGE").log_on("");
            let (mut polite, mut mute) = (member("A"), member("B"));
            let mut stranger = Client::connect(at(9878), "FIX.4.4", "C", "EXCHANGE");
            acceptor.event_of("logged_on");
            acceptor.event_of("logged_on");
            acceptor.signal(signal);
            assert_eq!(polite.next(), "5 2|58=the acceptor ends|");
            polite.send("5", "");
            assert_eq!(mute.next(), "5 2|58=the acceptor ends|");
            assert!(stranger.is_closed_silently());
            let ended = acceptor.wait();
            assert_eq!(ended.code, Some(0), "{signal}: {}", ended.errors);
            let summary = ended.summary();
            assert_eq!(summary["counters"]["close_logout_complete"], 1, "{signal}");
            assert_eq!(summary["counters"]["close_logout_timeout"], 1, "{signal}");
            assert_eq!(session(&summary, "C")["logons"], 0);
        }
    });
}

/// The plan is shown before there is an engine: a pipe that is full keeps the program there.
#[test]
fn an_interrupt_while_the_device_is_brought_up_closes_it_and_ends_as_one_later_does() {
    let test = "an_interrupt_while_the_device_is_brought_up_closes_it_and_ends_as_one_later_does";
    inside(test, || {
        for (arguments, code, words) in [
            (&["accept", "--nic", "tap:fw0"][..], 0, ""),
            (&["run", "--nic", "tap:fw0"], 1, "interrupted after 0 of 1000 orders"),
        ] {
            use std::io::{Read, Write};
            let (mut unread, mut pipe) = std::io::pipe().unwrap();
            let output = std::process::Stdio::from(pipe.try_clone().unwrap());
            let filled = std::thread::spawn(move || pipe.write_all(&[b'\n'; 1 << 20]));
            std::thread::sleep(std::time::Duration::from_millis(200));
            let mut command = Command::new(BIN);
            command.args(arguments).stdout(output).stderr(std::process::Stdio::piped());
            let brought_up = command.spawn().unwrap();
            drop(command);
            std::thread::sleep(std::time::Duration::from_millis(800));
            let term = Command::new("kill").arg(brought_up.id().to_string()).status().unwrap();
            assert!(term.success());
            let mut text = String::new();
            unread.read_to_string(&mut text).unwrap();
            filled.join().unwrap().unwrap();
            let ended = brought_up.wait_with_output().unwrap();
            let errors = String::from_utf8_lossy(&ended.stderr);
            assert_eq!(ended.status.code(), Some(code), "{arguments:?}: {errors}");
            assert!(errors.contains(words), "{arguments:?}: {errors}");
            assert!(text.contains("plan for tap:fw0"), "{arguments:?}: {text}");
        }
    });
}

#[test]
fn an_output_that_nobody_reads_or_that_is_full_stops_no_session() {
    inside("an_output_that_nobody_reads_or_that_is_full_stops_no_session", || {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("s.toml");
        std::fs::write(&file, "target_comp_id = \"A\"\n").unwrap();
        let (unread, pipe) = std::io::pipe().unwrap();
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        for (output, words) in [
            (std::process::Stdio::from(pipe), "nobody reads standard output"),
            (std::process::Stdio::from(full), "standard output cannot be written"),
        ] {
            let mut acceptor = Command::new(BIN)
                .args(["accept", "--nic", "tap:fw0", "--json", "--session"])
                .arg(&file)
                .stdout(output)
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let mut client = Client::connect(at(9878), "FIX.4.4", "A", "EXCHANGE").log_on("");
            // A pipe holds 64 KiB: what is told of these is more.
            for _ in 0..500 {
                use std::io::{Read, Write};
                let mut stranger = std::net::TcpStream::connect(at(9878)).unwrap();
                stranger.write_all(b"GET / HTTP/1.1\r\nHost: a-rather-long-name\r\n\r\n").unwrap();
                let _ = stranger.read(&mut [0; 16]);
            }
            client.send("D", "11=1|55=X|54=1|38=1|40=1|");
            assert_eq!(client.next(), "D 2|11=1|38=1|40=1|54=1|55=X|");
            client.send("5", "");
            assert_eq!(client.next(), "5 3|");
            let id = acceptor.id().to_string();
            assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
            let status = acceptor.wait().unwrap();
            let mut errors = String::new();
            std::io::Read::read_to_string(&mut acceptor.stderr.take().unwrap(), &mut errors)
                .unwrap();
            assert_eq!(status.code(), Some(1), "{errors}");
            assert!(errors.contains(words), "{errors}");
        }
        drop(unread);
    });
}

#[test]
fn numbers_go_on_when_a_counterparty_comes_back_and_what_it_missed_is_sent_again() {
    inside("numbers_go_on_when_a_counterparty_comes_back_and_what_it_missed_is_sent_again", || {
        let folder = tempfile::tempdir().unwrap();
        let mut acceptor = accept(folder.path(), "", &[]);
        let mut first = Client::connect(at(9878), "FIX.4.4", "FIXWIRE", "EXCHANGE").log_on("");
        first.send("D", "11=a|");
        first.send("D", "11=b|");
        assert_eq!(first.next(), "D 2|11=a|");
        let next_out = first.next_out;
        // Not closed: the kernel would send a RST for an answer that was there and nobody had read.
        first.hang_up();
        assert_eq!(acceptor.event_of("ended")["reason"], "closed_by_peer");
        let mut second = Client::connect(at(9878), "FIX.4.4", "FIXWIRE", "EXCHANGE");
        second.next_out = next_out;
        let mut second = second.log_on("");
        second.send("2", "7=3|16=3|");
        let again = second.next();
        assert!(again.starts_with("D 3|43=Y|122=") && again.ends_with("|11=b|"), "{again}");
        let summary = acceptor.interrupt().summary();
        assert_eq!(session(&summary, "FIXWIRE")["logons"], 2);
        assert_eq!(session(&summary, "FIXWIRE")["counters"]["message_resent"], 1);
    });
}

#[test]
fn what_cannot_be_accepted_is_refused_in_a_sentence() {
    inside("what_cannot_be_accepted_is_refused_in_a_sentence", || {
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

#[test]
fn a_namespace_of_the_engine_s_own_is_entered_as_it_says() {
    const NAME: &str = "a_namespace_of_the_engine_s_own_is_entered_as_it_says";
    if let Some(why) = common::no_namespace() {
        return skip(NAME, &why);
    }
    if !has("nsenter") {
        return skip(NAME, "nsenter (util-linux) is not installed");
    }
    let mut acceptor = Program::start(Command::new(BIN).args(["accept", "--json"]));
    let enter = acceptor.event_of("namespace")["enter"].as_str().unwrap().to_owned();
    acceptor.event_of("listening");
    let peer = "exec 3<>/dev/tcp/10.9.0.2/9878; printf 'EHLO' >&3; cat <&3";
    let status = Command::new("bash").args(["-c", &format!("{enter} bash -c \"{peer}\"")]).status();
    assert!(status.unwrap().success());
    let refused = acceptor.event_of("refused");
    assert!(refused["why"].as_str().unwrap().contains("it says \"EHLO\""), "{refused}");
    assert_eq!(acceptor.interrupt().code, Some(0));
}

#[test]
fn people_are_told_in_sentences() {
    inside("people_are_told_in_sentences", || {
        let mut acceptor = Program::start(
            Command::new(BIN).args(["accept", "--nic", "tap:fw0", "--app", "exchange"]),
        );
        acceptor.line_where(|line| {
            line == "listening on 10.9.0.2:9878 for EXCHANGE <- FIXWIRE (FIX.4.4)"
        });
        let mut client = Client::connect(at(9878), "FIX.4.4", "FIXWIRE", "EXCHANGE").log_on("");
        client.send("D", "11=a|55=X|54=1|38=5|44=10|40=2|");
        let report = client.next();
        assert!(report.starts_with("8 2|") && report.contains("|11=a|14=5|"), "{report}");
        client.send("5", "58=bye|");
        client.next();
        let name = "session EXCHANGE <- FIXWIRE";
        acceptor.line_where(|line| line == format!("{name}: connected from {}", client.addr()));
        acceptor.line_where(|line| line.starts_with(&format!("{name}: logged on from")));
        acceptor.line_where(|line| {
            line.starts_with(&format!("{name}: logged out by"))
                && line.ends_with("(it says \"bye\")")
        });
        let ended = acceptor.interrupt();
        let text = ended.rest.join("\n");
        assert_eq!(ended.code, Some(0), "{}", ended.errors);
        assert!(text.contains("exchange: orders_filled 1, refused 0"), "{text}");
        assert!(text.contains("EXCHANGE <- FIXWIRE ┆ FIX.4.4 ┆"), "{text}");
    });
}

#[test]
fn our_initiators_trade_with_our_acceptor_through_the_kernel_s_routing() {
    const NAME: &str = "our_initiators_trade_with_our_acceptor_through_the_kernel_s_routing";
    inside(NAME, || {
        if !has("ip") {
            return skip(NAME, "ip (iproute2) is not installed");
        }
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        for arguments in ["tuntap add fw1 mode tap", "addr add 10.9.1.1/24 dev fw1"] {
            assert!(Command::new("ip").args(arguments.split(' ')).status().unwrap().success());
        }
        let folder = tempfile::tempdir().unwrap();
        let ours = "[[session]]\ntarget_comp_id = \"A\"\n[[session]]\ntarget_comp_id = \"B\"\nbegin_string = \"FIX.4.2\"\n";
        let acceptor = accept(folder.path(), ours, &["--app", "exchange"]);
        let file = folder.path().join("run.toml");
        let theirs = "[default]\nsocket_connect_host = \"10.9.0.2\"\n[[session]]\nsender_comp_id = \"A\"\n\
                      [[session]]\nsender_comp_id = \"B\"\nbegin_string = \"FIX.4.2\"\n";
        std::fs::write(&file, theirs).unwrap();
        let mut command = Command::new(BIN);
        command
            .args(["run", "--nic", "tap:fw1", "--orders", "300", "--json", "--session"])
            .arg(&file);
        let ended = Program::start(&mut command).wait();
        assert_eq!(ended.code, Some(0), "{}", ended.errors);
        let run = ended.summary();
        for session in run["sessions"].as_array().unwrap() {
            assert_eq!(
                (&session["reports_received"], &session["unexpected_messages"]),
                (&300.into(), &0.into())
            );
        }
        let summary = acceptor.interrupt().summary();
        assert_eq!(summary["app"]["orders_filled"], 600);
        assert_eq!(summary["counters"]["close_logout_by_peer"], 2);
    });
}
