//! `fixwire accept` as counterparties on the kernel's sockets meet it, in namespaces of the tests' own;
//! skipped by name where the machine gives none.

mod ends;
mod kept;
mod operated;
mod refusals;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common::client::Client;
use crate::common::inside::{Program, inside};
use crate::common::{has, skip};

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
    inside("accept::several_sessions_share_a_port_and_each_gets_its_own", || {
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

#[test]
fn the_echo_answers_each_type_as_its_version_has_it() {
    inside("accept::the_echo_answers_each_type_as_its_version_has_it", || {
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
    inside("accept::a_long_message_is_echoed_and_resent_whole", || {
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
fn numbers_go_on_when_a_counterparty_comes_back_and_what_it_missed_is_sent_again() {
    inside(
        "accept::numbers_go_on_when_a_counterparty_comes_back_and_what_it_missed_is_sent_again",
        || {
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
        },
    );
}

#[test]
fn a_namespace_of_the_engine_s_own_is_entered_as_it_says() {
    const NAME: &str = "accept::a_namespace_of_the_engine_s_own_is_entered_as_it_says";
    if let Some(why) = crate::common::no_namespace() {
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
    inside("accept::people_are_told_in_sentences", || {
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
    const NAME: &str =
        "accept::our_initiators_trade_with_our_acceptor_through_the_kernel_s_routing";
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
