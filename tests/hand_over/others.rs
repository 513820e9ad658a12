//! Hand-overs by others than an acceptor on a TAP that is there, and of those that cannot be.

use std::process::Command;
use std::time::Duration;

use super::common::inside::{Program, inside};
use super::load::Load;
use super::world::{BIN, World};

#[test]
fn a_trading_initiator_goes_on_in_other_processes() {
    inside("others::a_trading_initiator_goes_on_in_other_processes", || {
        const ORDERS: &str = "60000";
        let mut exchange = Program::start(Command::new(BIN).args(["exchange", "--json"]));
        exchange.line();
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("fw.sock");
        let socket = socket.to_str().unwrap();
        let run = |more: &[&str]| {
            let usual =
                ["run", "--nic", "tap:fw0", "--orders", ORDERS, "--json", "--control", socket];
            Program::start(Command::new(BIN).args(usual).args(more))
        };
        let mut trader = run(&[]);
        let status = || {
            let output =
                Command::new(BIN).args(["ctl", socket, "status", "--json"]).output().unwrap();
            serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap_or_default()
        };
        let sent = || status()["sessions"][0]["sent"].as_u64().unwrap_or(0);
        for _ in 0..3 {
            let before = sent();
            while sent() < before + 500 {
                std::thread::sleep(Duration::from_millis(5));
            }
            let next = run(&["--take-over", socket]);
            let ended = trader.wait();
            assert_eq!(ended.code, Some(0), "{}", ended.errors);
            trader = next;
        }
        let ended = trader.wait();
        assert_eq!(ended.code, Some(0), "{}", ended.errors);
        let report = ended.summary();
        assert_eq!(report["session"]["reports_received"].to_string(), ORDERS);
        assert_eq!(report["sessions"][0]["logons"], 1, "{report}");
        assert_eq!(report["sessions"][0]["counters"]["gap_detected"], 0);
        assert_eq!(report["counters"]["tcp_reset_out"], 0);
        drop(exchange);
    });
}

#[test]
fn a_tap_in_a_namespace_of_its_own_is_passed_too() {
    inside("others::a_tap_in_a_namespace_of_its_own_is_passed_too", || {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("fw.sock");
        let socket = socket.to_str().unwrap();
        let accept = |more: &[&str]| {
            let usual = ["accept", "--nic", "tap", "--json", "--control", socket];
            Program::start(Command::new(BIN).args(usual).args(more))
        };
        let mut old = accept(&[]);
        old.event_of("listening");
        let mut new = accept(&["--take-over", socket]);
        let taken = new.event_of("taken_over");
        assert_eq!((&taken["sessions"], &taken["connections"]), (&1.into(), &0.into()));
        assert_eq!(old.wait().code, Some(0));
        let summary = new.interrupt().summary();
        assert_eq!(summary["counters"]["nic_link_down"], 0, "{}", summary["counters"]);
    });
}

#[test]
fn what_ends_with_its_process_is_not_handed_over() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("fw.sock");
    let path = socket.to_str().unwrap();
    let run = ["run", "--nic", "sim", "--json", "--orders", "1000000000", "--control", path];
    let program = Program::start(Command::new(BIN).args(run));
    while !socket.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let output =
        Command::new(BIN).args(["run", "--nic", "sim", "--take-over", path]).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("the NIC model and its wire end with this process"), "{words}");
    let ended = program.interrupt();
    assert_eq!(ended.summary()["control"]["refused"]["not_passable"], 1);
    // And nobody at all.
    let output = Command::new(BIN).args(["run", "--take-over", path]).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("nobody can be taken over from at"), "{words}");
}

/// One that asks, is ready, and then says nothing any more.
const SILENT: &str = r#"
use IO::Socket::UNIX;
my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or exit 9;
print $s $ARGV[1], "\n"; $s->flush;
<$s>; print $s "\x01\0\0\0\0"; $s->flush;
print "ready\n"; sleep 60;
"#;

#[test]
fn a_silent_process_that_has_files_open_is_killed_before_they_are_written_again() {
    inside(
        "others::a_silent_process_that_has_files_open_is_killed_before_they_are_written_again",
        || {
            if !super::common::has("perl") {
                return super::common::skip(
                    "a_silent_process_that_has_files_open",
                    "perl is not installed",
                );
            }
            let stored = "target_comp_id = \"US\"\nstore = { path = \"stores\", size_mib = 1 }\n";
            let world = World::new(stored);
            let mut engine = world.start(&[]);
            let load = Load::begin("US");
            load.trades_on();
            let format = fixwire::hand_over::FORMAT;
            let request =
                serde_json::json!({ "command": "hand-over", "program": "test", "format": format });
            let mut silent = Command::new("perl")
                .args(["-e", SILENT, world.socket().to_str().unwrap(), &request.to_string()])
                .spawn()
                .unwrap();
            assert_eq!(engine.event_of("hand_over_failed")["reason"], "successor_silent");
            assert!(
                std::os::unix::process::ExitStatusExt::signal(&silent.wait().unwrap()) == Some(9)
            );
            load.trades_on();
            load.end();
            assert_eq!(engine.interrupt().code, Some(0));
        },
    );
}
