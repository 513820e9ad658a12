//! `fixwire accept --capture`, with counterparties on the kernel's sockets in namespaces of the tests'
//! own; skipped by name where the machine gives none.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common::captured::{
    PORTS, all_off, assert_accounted, assert_capture_is_right, assert_conversation, comments,
    count, interfaces, lost, no_wireshark, of_interface,
};
use crate::common::client::Client;
use crate::common::inside::{Program, inside};
use crate::common::skip;

const BIN: &str = env!("CARGO_BIN_EXE_fixwire");

/// An acceptor on a TAP in this namespace that captures to `folder/accept.pcapng`, once it listens.
fn capturing_acceptor(folder: &Path, sessions: &str, more: &[&str]) -> Program {
    let file = folder.join("sessions.toml");
    fs::write(&file, sessions).unwrap();
    let mut command = Command::new(BIN);
    command.args(["accept", "--nic", "tap:fw0", "--json", "--session"]).arg(file);
    command.arg("--capture").arg(folder.join("accept.pcapng")).args(more);
    let mut program = Program::start(&mut command);
    program.event_of("listening");
    program
}

/// A counterparty that logs on to that acceptor from a socket of the kernel's.
fn counterparty(us: &str, version: &str, port: u16, next_out: u32) -> Client {
    let engine = SocketAddr::from(([10, 9, 0, 2], port));
    let mut client = Client::connect(engine, version, us, "EXCHANGE");
    client.next_out = next_out;
    client.log_on("")
}

/// Sends so many orders to the echo and reads them back.
fn echo(client: &mut Client, orders: u32) {
    for _ in 0..orders {
        let number = client.next_out;
        client.send("D", &format!("11={number}|"));
        assert_eq!(client.next(), format!("D {number}|11={number}|"));
    }
}

fn log_out(mut client: Client) {
    client.send("5", "");
    assert!(client.next().starts_with("5 "));
    assert!(client.is_closed_silently());
}

#[test]
fn wireshark_finds_nothing_wrong_with_several_sessions_of_an_acceptor() {
    const NAME: &str =
        "accept_capture::wireshark_finds_nothing_wrong_with_several_sessions_of_an_acceptor";
    if let Some(why) = no_wireshark() {
        return skip(NAME, &why);
    }
    inside(NAME, || {
        const EACH: u32 = 100;
        let folder = tempfile::tempdir().unwrap();
        let sessions = "[[session]]\ntarget_comp_id = \"A\"\n\
                        [[session]]\ntarget_comp_id = \"B\"\nbegin_string = \"FIX.4.2\"\n\
                        [[session]]\ntarget_comp_id = \"C\"\nsocket_accept_port = 9879\n";
        let profile = all_off(folder.path(), "tap");
        // With what the TAP does left to it, and with everything done by us.
        for (more, left_to_device) in [(vec![], true), (vec!["--profile", &profile], false)] {
            let acceptor = capturing_acceptor(folder.path(), sessions, &more);
            let mut a = counterparty("A", "FIX.4.4", PORTS[0], 1);
            let mut b = counterparty("B", "FIX.4.2", PORTS[0], 1);
            let mut c = counterparty("C", "FIX.4.4", PORTS[1], 1);
            // In turns, so that frames of one lie between those of others.
            for _ in 0..EACH {
                [&mut a, &mut b, &mut c].into_iter().for_each(|client| echo(client, 1));
            }
            let a_next = a.next_out + 1;
            log_out(a);
            log_out(b);
            // Back on another connection, and still there when the acceptor ends.
            let mut a = counterparty("A", "FIX.4.4", PORTS[0], a_next);
            echo(&mut a, EACH);
            acceptor.signal("INT");
            for mut client in [a, c] {
                assert!(client.next().starts_with("5 "));
                client.send("5", "");
                assert!(client.is_closed_silently());
            }
            let ended = acceptor.wait();
            assert_eq!(ended.code, Some(0), "{}", ended.errors);
            let summary = ended.summary();
            assert_eq!(summary["app"]["echoed"], 4 * EACH);

            let file = folder.path().join("accept.pcapng");
            assert_eq!(summary["capture"]["file"], file.to_str().unwrap());
            let frames = assert_capture_is_right(&summary, &file, 8 * u64::from(EACH));
            for stream in 0..4 {
                let first = if stream == 3 { u64::from(a_next) } else { 1 };
                let number = stream.to_string();
                for interface in [0, 1] {
                    let mut way = of_interface(&frames, interface);
                    way.retain(|frame| frame["tcp.stream"] == number);
                    assert_conversation(&way, "D", first, u64::from(EACH));
                }
            }
            assert!(frames.iter().all(|frame| frame["tcp.stream"] != "4"), "a fifth connection");
            let sent = comments(&of_interface(&frames, 1)).len() as u64;
            let received = comments(&of_interface(&frames, 0)).len() as u64;
            assert_eq!(received, count(&summary, "rx_checksum_partial"));
            assert_eq!(sent, if left_to_device { count(&summary, "tcp_segment_out") } else { 0 });
            assert_eq!(received > 0, left_to_device);
        }
    });
}

#[test]
fn an_acceptor_serves_on_without_its_file_and_says_so() {
    const NAME: &str = "accept_capture::an_acceptor_serves_on_without_its_file_and_says_so";
    inside(NAME, || {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/full", folder.path().join("accept.pcapng")).unwrap();
        let acceptor = capturing_acceptor(folder.path(), "target_comp_id = \"A\"\n", &[]);
        let mut client = counterparty("A", "FIX.4.4", PORTS[0], 1);
        echo(&mut client, 50);
        log_out(client);
        let ended = acceptor.interrupt();
        assert_eq!(ended.code, Some(0), "{}", ended.errors);
        let summary = ended.summary();
        assert_eq!(summary["app"]["echoed"], 50);
        assert_accounted(&summary);
        assert_eq!(lost(&summary), count(&summary, "rx_frames") + count(&summary, "tx_frames"));
        let trouble = summary["capture"]["trouble"].as_str().unwrap();
        for sentence in [trouble, &ended.errors] {
            assert!(sentence.contains("cannot be written") && sentence.contains("make room"));
        }
        assert_eq!(ended.errors.matches("capture file").count(), 1, "once: {}", ended.errors);
    });
}

#[test]
fn people_are_told_what_an_acceptor_captured_and_machines_that_it_did_not() {
    const NAME: &str =
        "accept_capture::people_are_told_what_an_acceptor_captured_and_machines_that_it_did_not";
    inside(NAME, || {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("accept.pcapng");
        let mut command = Command::new(BIN);
        command.args(["accept", "--nic", "tap:fw0", "--capture"]).arg(&file);
        let mut acceptor = Program::start(&mut command);
        acceptor.line_where(|line| line.starts_with("listening on"));
        let mut client = counterparty("FIXWIRE", "FIX.4.4", PORTS[0], 1);
        echo(&mut client, 5);
        log_out(client);
        let text = acceptor.interrupt().rest.join("\n");
        let [rx, tx] = interfaces(&fs::read(&file).unwrap()).map(|interface| interface.packets);
        let file = file.to_str().unwrap();
        let words = format!("capture: {rx} received and {tx} sent frames in {file}");
        assert!(text.ends_with(&words), "{text}");

        let mut acceptor =
            Program::start(Command::new(BIN).args(["accept", "--nic", "tap:fw0", "--json"]));
        acceptor.event_of("listening");
        assert_eq!(acceptor.interrupt().summary()["capture"], Value::Null);
    });
}
