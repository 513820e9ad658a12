//! How an acceptor ends: interrupts at any time, and outputs that take nothing.

use std::process::Command;

use super::{BIN, accept, at, session};
use crate::common::client::Client;
use crate::common::inside::inside;

#[test]
fn an_interrupt_logs_everybody_out_and_ends_well_within_bounds() {
    inside("accept::ends::an_interrupt_logs_everybody_out_and_ends_well_within_bounds", || {
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
    let test = "accept::ends::an_interrupt_while_the_device_is_brought_up_closes_it_and_ends_as_one_later_does";
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
    inside("accept::ends::an_output_that_nobody_reads_or_that_is_full_stops_no_session", || {
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
