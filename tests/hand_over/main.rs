//! A running `fixwire` goes on in another process, as a counterparty on the kernel's sockets meets it: in namespaces of the
//! tests' own; skipped by name where the machine gives none.

#[path = "../common/mod.rs"]
mod common;
mod load;
mod logged;
mod others;
mod refused;
mod world;

use common::client::Client;
use common::inside::inside;
use load::Load;
use world::{PORT, World, at};

/// How often one process takes over from another in a run.
const HAND_OVERS: usize = 5;

/// Trades through so many hand-overs, and says for how long nobody answered, in us each.
fn trade_through(world: &World, hand_overs: usize) -> Vec<u64> {
    let mut engine = world.start(&[]);
    let capture = world.capture();
    let load = Load::begin("US");
    let mut pauses = Vec::new();
    for _ in 0..hand_overs {
        load.trades_on();
        let mut next = world.start_another(&[]);
        let taken = next.event_of("taken_over");
        assert_eq!((&taken["sessions"], &taken["connections"]), (&1.into(), &1.into()), "{taken}");
        pauses.push(taken["pause_us"].as_u64().unwrap());
        let gone = engine.event_of("handed_over");
        assert!(gone["pause_us"].as_u64().is_some(), "{gone}");
        let ended = engine.wait();
        assert_eq!(ended.code, Some(0), "{}", ended.errors);
        assert_eq!(ended.summary()["event"], "summary");
        engine = next;
    }
    load.trades_on();
    let filled = load.end();
    let ended = engine.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let summary = ended.summary();
    assert_eq!(summary["app"]["orders_filled"], filled, "counted through all of them");
    assert_eq!(summary["sessions"][0]["logons"], 1);
    assert_eq!(summary["sessions"][0]["counters"]["resend_answered"], 0);
    assert!(!world.socket().exists(), "the control socket was left behind");
    let seen = capture.end();
    assert_eq!((seen.resets, seen.connections), (0, 1), "{seen:?}");
    pauses
}

#[test]
fn a_counterparty_under_load_does_not_notice_five_hand_overs() {
    inside("a_counterparty_under_load_does_not_notice_five_hand_overs", || {
        let world = World::new("target_comp_id = \"US\"\n");
        let pauses = trade_through(&world, HAND_OVERS);
        println!("pauses of {pauses:?} us");
    });
}

#[test]
fn numbers_kept_in_a_file_go_on_in_the_same_file() {
    inside("numbers_kept_in_a_file_go_on_in_the_same_file", || {
        let world =
            World::new("target_comp_id = \"US\"\nstore = { path = \"stores\", size_mib = 1 }\n");
        let pauses = trade_through(&world, 3);
        println!("pauses of {pauses:?} us");
    });
}

#[test]
fn several_sessions_go_on_and_their_port_still_accepts() {
    inside("several_sessions_go_on_and_their_port_still_accepts", || {
        let sessions = "[[session]]\ntarget_comp_id = \"US\"\n[[session]]\ntarget_comp_id = \"B\"\nbegin_string = \"FIX.4.2\"\n\
                        [[session]]\ntarget_comp_id = \"LATER\"\n[[session]]\ntarget_comp_id = \"C\"\nsocket_accept_port = 9879\n";
        let world = World::new(sessions);
        let mut engine = world.start(&[]);
        let load = Load::begin("US");
        let mut clients = [
            Client::connect(at(PORT), "FIX.4.2", "B", "EXCHANGE").log_on(""),
            Client::connect(at(9879), "FIX.4.4", "C", "EXCHANGE").log_on(""),
        ];
        // One that has said nothing yet, and one in the middle of its Logon.
        let silent = Client::connect(at(PORT), "FIX.4.4", "LATER", "EXCHANGE");
        let mut halfway = Client::connect(at(PORT), "FIX.4.4", "LATER", "EXCHANGE");
        let logon = halfway.message("A", "98=0|108=30|");
        halfway.send_bytes(&logon[..20]);
        load.trades_on();
        for round in 0..3 {
            let mut next = world.start_another(&[]);
            let taken = next.event_of("taken_over");
            assert_eq!((&taken["sessions"], &taken["connections"]), (&4.into(), &5.into()));
            assert_eq!(engine.wait().code, Some(0));
            engine = next;
            for (number, client) in clients.iter_mut().enumerate() {
                let id = format!("{number}-{round}");
                client.send("D", &load::order(&id));
                let report = client.next();
                assert!(report.starts_with(&format!("8 {}|", round + 2)), "{report}");
                assert!(report.contains(&format!("|11={id}|")), "{report}");
            }
            load.trades_on();
        }
        halfway.send_bytes(&logon[20..]);
        assert!(halfway.next().starts_with("A 1|"));
        drop(silent);
        halfway.send("5", "");
        assert!(halfway.next().starts_with("5 2|"));
        drop(halfway);
        // Whoever comes now is let in as before.
        let mut again = Client::connect(at(9879), "FIX.4.4", "NOBODY", "EXCHANGE");
        again.send("A", "98=0|108=30|");
        assert!(again.is_closed_silently());
        load.end();
        assert_eq!(engine.interrupt().code, Some(0));
    });
}
