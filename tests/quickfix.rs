//! Interoperation with QuickFIX, as Debian has it (libquickfix 1.15.1): it validates every message of
//! ours by its dictionary, answers our initiator and logs on to our acceptor, and is made to skip
//! numbers, forget numbers, fall silent, hang up and begin again. Each scenario is played in FIX 4.2
//! and 4.4, over kernel TCP and a TAP, in a namespace of its own.

mod common;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::inside::{Ended, Program};
use common::quickfix::{FIX42, FIX44, Message, QuickFix, Side, Stage, play};
use serde_json::Value;

const BIN: &str = env!("CARGO_BIN_EXE_fixwire");
/// Orders of a run of our initiator.
const ORDERS: usize = 20;

/// Our initiator, on its way to QuickFIX.
fn run(stage: &Stage, settings: &str) -> Program {
    let session = stage.file(
        "run.toml",
        &format!(
            "begin_string = \"{}\"\nreconnect_interval = 1\n{settings}\n",
            stage.version.begin_string
        ),
    );
    let orders = ORDERS.to_string();
    let mut command = Command::new(BIN);
    command.args(["run", "--nic", "tap:fw0", "--json", "--orders", &orders, "--session"]);
    Program::start(command.arg(session))
}

/// Our acceptor, once it listens.
fn accept(stage: &Stage, app: &str, settings: &str) -> Program {
    let session = stage.file(
        "accept.toml",
        &format!("[[session]]\nbegin_string = \"{}\"\n{settings}\n", stage.version.begin_string),
    );
    let mut command = Command::new(BIN);
    command.args(["accept", "--nic", "tap:fw0", "--json", "--app", app, "--session"]);
    let mut acceptor = Program::start(command.arg(session));
    acceptor.event_of("listening");
    acceptor
}

/// Our initiator's run has ended well: every order has its one report, both sides agree on the
/// numbers, and nobody rejected anything.
fn ended_well(run: Program, quickfix: &mut QuickFix) -> Value {
    quickfix.wait_logout();
    let ended = run.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let report = ended.summary();
    let session = &report["session"];
    assert_eq!(session["reports_received"], ORDERS, "{session}");
    assert_eq!(
        (&session["orders_sent"], &session["unexpected_messages"]),
        (&ORDERS.into(), &0.into())
    );
    agree_on_numbers(session, quickfix);
    report
}

fn agree_on_numbers(session: &Value, quickfix: &mut QuickFix) {
    let (out, expected) = quickfix.numbers();
    assert_eq!((&session["next_in"], &session["next_out"]), (&out.into(), &expected.into()));
    assert_eq!(session["counters"]["rejects_sent"], 0);
    assert_eq!(session["counters"]["garbled"], 0);
    quickfix.assert_contented();
}

/// Our acceptor was interrupted and has ended well; its only session.
fn session_of(ended: &Ended) -> Value {
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    ended.summary()["sessions"][0].clone()
}

/// The orders that QuickFIX got are numbered from 0 without a gap, each once but for repetitions
/// that say so.
fn assert_orders_once(quickfix: &QuickFix, count: usize) {
    let received = quickfix.received("35=D");
    let once = received.iter().filter(|message| !message.has("43=Y"));
    let ids: Vec<String> = once.map(|message| message.field(11).to_owned()).collect();
    assert_eq!(ids, (0..count).map(|n| format!("O{n}")).collect::<Vec<_>>());
}

/// ClOrdIDs of the messages, in their order.
fn ids(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.field(11)).collect()
}

#[test]
fn our_initiator_logs_on_trades_and_logs_out() {
    play("our_initiator_logs_on_trades_and_logs_out", |stage| {
        let mut quickfix = stage.quickfix(Side::Acceptor, "");
        let run = run(stage, "");
        quickfix.wait_in("35=A|34=1|108=30");
        let report = ended_well(run, &mut quickfix);
        assert_orders_once(&quickfix, ORDERS);
        assert_eq!(quickfix.count("answered "), ORDERS);
        assert_eq!((quickfix.received("35=5").len(), quickfix.sent("35=5").len()), (1, 1));
        assert_eq!(report["counters"]["close_logout_complete"], 1);
        assert_eq!(report["session"]["counters"]["gap_detected"], 0);
    });
}

/// A log as `fixwire decode` reads it: of each side the messages that it sent, field by field, and which way that was.
fn decoded(log: &Path, sender: &str) -> Vec<(String, Value)> {
    let output = Command::new(BIN).args(["decode", "--json"]).arg(log).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let objects = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_sender = objects.filter(|of| of["sender_comp_id"] == sender);
    let shown = |of: Value| {
        assert_eq!(of["damage"], Value::Array(vec![]), "{of}");
        assert_eq!(of["time"].as_str().map(str::len), Some("20261127-08:46:14.123456789".len()));
        (of["direction"].as_str().unwrap().to_owned(), of["fields"].clone())
    };
    of_sender.map(shown).collect()
}

#[test]
fn our_log_and_quickfix_s_are_of_one_form_and_have_the_same_messages() {
    play("our_log_and_quickfix_s_are_of_one_form_and_have_the_same_messages", |stage| {
        let version = stage.version.begin_string;
        // Both beneath the folder of what is written for the stage.
        let folder = stage.file("logs", "").with_extension("d");
        let theirs = folder.join("theirs");
        std::fs::create_dir_all(&theirs).unwrap();
        let mut quickfix =
            stage.quickfix(Side::Acceptor, &format!("FileLogPath={}\n", theirs.display()));
        let run = run(stage, "file_log_path = \"logs.d/ours\"");
        ended_well(run, &mut quickfix);
        let ours = folder.join(format!("ours/{version}-FIXWIRE-EXCHANGE.messages.current.log"));
        let theirs = theirs.join(format!("{version}-EXCHANGE-FIXWIRE.messages.current.log"));
        for (sender, our_way, their_way) in [("FIXWIRE", "out", "in"), ("EXCHANGE", "in", "out")] {
            let (of_ours, of_theirs) = (decoded(&ours, sender), decoded(&theirs, sender));
            // A Logon, the orders or reports, and a Logout.
            assert_eq!(of_ours.len(), ORDERS + 2, "{sender}");
            let fields = |of: &[(String, Value)]| -> Vec<Value> {
                of.iter().map(|(_, fields)| fields.clone()).collect()
            };
            assert_eq!(fields(&of_ours), fields(&of_theirs), "{sender}");
            assert!(of_ours.iter().all(|(way, _)| way == our_way));
            assert!(of_theirs.iter().all(|(way, _)| way == their_way));
        }
    });
}

#[test]
fn our_initiator_asks_for_what_it_missed() {
    play("our_initiator_asks_for_what_it_missed", |stage| {
        let mut quickfix = stage.quickfix(Side::Acceptor, "");
        quickfix.tell("answer 5");
        let run = run(stage, "");
        quickfix.wait_in("35=D|11=O5");
        quickfix.tell("next_out 30");
        quickfix.tell("answer all");
        // A Logon and five reports have come: 7 is what we miss, to infinity.
        quickfix.wait_in("35=2|7=7|16=0");
        let filled = quickfix.wait_out("35=4|34=7|36=30|123=Y");
        assert!(filled.has("43=Y"));
        let report = ended_well(run, &mut quickfix);
        assert_orders_once(&quickfix, ORDERS);
        assert_eq!(quickfix.received("35=2").len(), 1, "asked once");
        assert_eq!(report["session"]["counters"]["gap_detected"], 1);
    });
}

#[test]
fn our_initiator_sends_again_what_quickfix_forgot() {
    play("our_initiator_sends_again_what_quickfix_forgot", |stage| {
        let mut quickfix = stage.quickfix(Side::Acceptor, "");
        quickfix.tell("answer 3");
        let run = run(stage, "");
        // Logon 1, orders 2 to 5, then a Heartbeat in between, and two orders more.
        quickfix.wait_in("35=D|34=5");
        quickfix.tell("test BETWEEN");
        quickfix.wait_in("35=0|34=6|112=BETWEEN");
        quickfix.tell("answer 2");
        quickfix.wait_in("35=D|34=8");
        quickfix.wait_expecting(9);
        quickfix.tell("next_in 1");
        quickfix.tell("answer all");
        quickfix.wait_out("35=2|7=1|16=0");
        let report = ended_well(run, &mut quickfix);

        let again = quickfix.received("43=Y");
        let shown: Vec<(&str, u64)> =
            again.iter().map(|message| (message.field(35), message.seq())).collect();
        let orders = [2, 3, 4, 5].map(|seq| ("D", seq));
        let expected =
            [&[("4", 1)], &orders[..], &[("4", 6), ("D", 7), ("D", 8), ("D", 9)]].concat();
        assert_eq!(shown, expected);
        assert!(again[0].has("123=Y|36=2") && again[5].has("123=Y|36=7"));
        for message in again.iter().filter(|message| message.has("35=D")) {
            let same = format!("35=D|34={}|11={}", message.seq(), message.field(11));
            let first = &quickfix.received(&same)[0];
            assert!(!first.has("43=Y"));
            assert_eq!(
                message.field(122),
                first.field(52),
                "OrigSendingTime is when it was first sent"
            );
            assert!(message.field(52) >= message.field(122));
        }
        assert_orders_once(&quickfix, ORDERS);
        // What QuickFIX took for new it recognised by ClOrdID; what it had queued it took once.
        assert_eq!(quickfix.count("duplicate "), 6);
        assert_eq!(quickfix.count("answered "), ORDERS);
        assert_eq!(report["session"]["counters"]["message_resent"], 7);
        assert_eq!(report["session"]["counters"]["gap_filled"], 2);
    });
}

#[test]
fn our_initiator_answers_a_test_request_and_asks_a_silent_quickfix() {
    play("our_initiator_answers_a_test_request_and_asks_a_silent_quickfix", |stage| {
        let mut quickfix = stage.quickfix(Side::Acceptor, "");
        quickfix.tell("answer 3");
        let run = run(stage, "heart_bt_int = 3");
        quickfix.wait_in("35=D|11=O3");
        quickfix.tell("test HELLO");
        quickfix.wait_in("35=0|112=HELLO");
        fall_silent(&mut quickfix);
        quickfix.wait_in("35=1|112=TEST");
        quickfix.wait_out("35=0|112=TEST");
        quickfix.tell("answer all");
        ended_well(run, &mut quickfix);
        assert_orders_once(&quickfix, ORDERS);
    });
}

/// For longer than the 3.6 s after which a heartbeat interval of 3 s has us ask, and shorter than the
/// 7.2 s after which we give up.
fn fall_silent(quickfix: &mut QuickFix) {
    quickfix.signal("STOP");
    std::thread::sleep(Duration::from_millis(5_200));
    quickfix.signal("CONT");
}

#[test]
fn our_initiator_comes_back_after_a_cut_and_its_numbers_go_on() {
    play("our_initiator_comes_back_after_a_cut_and_its_numbers_go_on", |stage| {
        let mut quickfix = stage.quickfix(Side::Acceptor, "");
        quickfix.tell("answer 5");
        let run = run(stage, "");
        quickfix.wait_in("35=D|11=O5|34=7");
        quickfix.wait_expecting(8);
        quickfix.tell("disconnect");
        quickfix.wait_logout();
        // Sent into nothing: it takes number 7, and has to be asked for.
        quickfix.tell("answer 1");
        quickfix.wait_in("35=A|34=8");
        quickfix.wait_out("35=A|34=8");
        quickfix.wait_in("35=2|7=7");
        quickfix.wait_out("35=8|34=7|43=Y|11=O5");
        // And a second time, with nothing missed.
        let next = quickfix.wait_in("35=D|11=O6").seq() + 1;
        quickfix.wait_expecting(next);
        quickfix.tell("disconnect");
        quickfix.wait_logon();
        quickfix.tell("answer all");
        let report = ended_well(run, &mut quickfix);
        assert_orders_once(&quickfix, ORDERS);
        assert_eq!(report["session"]["logons"], 3);
        assert!(quickfix.received("141=Y").is_empty() && quickfix.sent("141=Y").is_empty());
    });
}

#[test]
fn our_initiator_resets_both_sides_on_logon() {
    play("our_initiator_resets_both_sides_on_logon", |stage| {
        let mut quickfix = stage.quickfix(Side::Acceptor, "");
        quickfix.tell("answer 5");
        let run = run(stage, "reset_on_logon = true");
        quickfix.wait_in("35=A|34=1|141=Y");
        quickfix.wait_out("35=A|34=1|141=Y");
        quickfix.wait_in("35=D|11=O5|34=7");
        quickfix.wait_expecting(8);
        quickfix.tell("disconnect");
        quickfix.tell("forget");
        quickfix.tell("answer all");
        quickfix.wait_in("35=A|34=1|141=Y");
        quickfix.wait_out("35=A|34=1|141=Y");
        quickfix.wait_in("35=D|34=2");
        let report = ended_well(run, &mut quickfix);
        // The order in flight was lost with its numbers, as was said; another took its place.
        assert_orders_once(&quickfix, ORDERS + 1);
        assert_eq!(report["session"]["orders_lost_in_reset"], 1);
        assert_eq!(report["session"]["logons"], 2);
    });
}

#[test]
fn our_initiator_answers_a_logout_and_comes_back() {
    play("our_initiator_answers_a_logout_and_comes_back", |stage| {
        let mut quickfix = stage.quickfix(Side::Acceptor, "");
        quickfix.tell("answer 5");
        let run = run(stage, "");
        quickfix.wait_in("35=D|11=O5");
        quickfix.wait_expecting(8);
        quickfix.tell("logout end of day");
        quickfix.wait_out("35=5|58=end of day");
        quickfix.wait_in("35=5");
        quickfix.wait_logout();
        quickfix.tell("logon");
        quickfix.wait_logon();
        quickfix.tell("answer all");
        let report = ended_well(run, &mut quickfix);
        assert_orders_once(&quickfix, ORDERS);
        assert_eq!(report["counters"]["close_logout_by_peer"], 1);
        assert_eq!(report["session"]["logons"], 2);
    });
}

#[test]
fn our_initiator_says_why_quickfix_refuses_its_numbers() {
    play("our_initiator_says_why_quickfix_refuses_its_numbers", |stage| {
        let mut quickfix = stage.quickfix(Side::Acceptor, "");
        quickfix.tell("next_in 100");
        quickfix.wait_expecting(100);
        let run = run(stage, "");
        quickfix.wait_out("35=5|58=MsgSeqNum too low, expecting 100 but received 1");
        let ended = run.wait();
        assert_eq!(ended.code, Some(1));
        let quoted = "(it says \"MsgSeqNum too low, expecting 100 but received 1\")";
        assert!(ended.errors.contains(quoted), "{}", ended.errors);
        assert!(ended.errors.contains("reset_on_logon"), "{}", ended.errors);
    });
}

#[test]
fn our_acceptor_tells_quickfix_that_its_numbers_are_too_low() {
    play("our_acceptor_tells_quickfix_that_its_numbers_are_too_low", |stage| {
        let mut acceptor = accept(stage, "exchange", "");
        let mut quickfix = stage.quickfix(Side::Initiator, "");
        quickfix.wait_logon();
        quickfix.tell("order 3");
        quickfix.wait_in("35=8|11=Q3");
        quickfix.wait_expecting(5);
        quickfix.tell("next_out 2");
        quickfix.tell("order 1");
        quickfix.wait_in("35=5|34=5|58=MsgSeqNum too low, expecting 5 but received 2");
        quickfix.wait_logout();
        assert_eq!(acceptor.event_of("ended")["reason"], "close_msg_seq_num_too_low");
        let ended = acceptor.interrupt();
        assert_eq!(ended.summary()["app"]["orders_filled"], 3, "the fourth was not taken");
    });
}

#[test]
fn our_acceptor_fills_orders_and_answers_a_logout() {
    play("our_acceptor_fills_orders_and_answers_a_logout", |stage| {
        let mut acceptor = accept(stage, "exchange", "");
        let mut quickfix = stage.quickfix(Side::Initiator, "");
        quickfix.wait_logon();
        quickfix.tell("order 30");
        quickfix.wait_in("35=8|11=Q30");
        let reports = quickfix.received("35=8|39=2|151=0");
        assert_eq!(ids(&reports), (1..=30).map(|n| format!("Q{n}")).collect::<Vec<_>>());
        quickfix.tell("logout done");
        quickfix.wait_in("35=5");
        quickfix.wait_logout();
        assert_eq!(acceptor.event_of("ended")["says"], "done");
        let ended = acceptor.interrupt();
        assert_eq!(ended.summary()["app"]["orders_filled"], 30);
        agree_on_numbers(&session_of(&ended), &mut quickfix);
    });
}

#[test]
fn our_acceptor_echoes_orders_and_logs_out() {
    play("our_acceptor_echoes_orders_and_logs_out", |stage| {
        let acceptor = accept(stage, "echo", "");
        let mut quickfix = stage.quickfix(Side::Initiator, "");
        quickfix.wait_logon();
        quickfix.tell("order 30");
        quickfix.wait_in("35=D|11=Q30");
        for (sent, back) in quickfix.sent("35=D").iter().zip(quickfix.received("35=D")) {
            for tag in [11, 21, 38, 40, 44, 54, 55, 59, 60] {
                assert_eq!(sent.field(tag), back.field(tag));
            }
        }
        acceptor.signal("INT");
        quickfix.wait_in("35=5|58=the acceptor ends");
        quickfix.wait_out("35=5");
        let ended = acceptor.wait();
        assert_eq!(ended.summary()["app"]["echoed"], 30);
        assert_eq!(ended.summary()["counters"]["close_logout_complete"], 1);
        quickfix.wait_logout();
        agree_on_numbers(&session_of(&ended), &mut quickfix);
    });
}

#[test]
fn our_acceptor_asks_for_what_it_missed() {
    play("our_acceptor_asks_for_what_it_missed", |stage| {
        let acceptor = accept(stage, "exchange", "");
        let mut quickfix = stage.quickfix(Side::Initiator, "");
        quickfix.wait_logon();
        quickfix.tell("order 3");
        quickfix.wait_in("35=8|11=Q3");
        quickfix.tell("next_out 50");
        quickfix.tell("order 3");
        quickfix.wait_in("35=2|7=5|16=0");
        quickfix.wait_out("35=4|34=5|36=50|43=Y|123=Y");
        quickfix.wait_in("35=8|11=Q6");
        quickfix.tell("order 1");
        quickfix.wait_in("35=8|11=Q7");
        assert_eq!(ids(&quickfix.received("35=8")), ["Q1", "Q2", "Q3", "Q4", "Q5", "Q6", "Q7"]);
        let session = log_out_and_end(acceptor, &mut quickfix);
        assert_eq!(session["counters"]["gap_detected"], 1);
        assert_eq!(session["next_in"], 55);
    });
}

/// QuickFIX logs out, our acceptor ends, and both agree. The acceptor's session.
fn log_out_and_end(acceptor: Program, quickfix: &mut QuickFix) -> Value {
    quickfix.tell("logout");
    quickfix.wait_in("35=5");
    quickfix.wait_logout();
    let session = session_of(&acceptor.interrupt());
    agree_on_numbers(&session, quickfix);
    session
}

#[test]
fn our_acceptor_sends_again_what_quickfix_forgot() {
    play("our_acceptor_sends_again_what_quickfix_forgot", |stage| {
        let acceptor = accept(stage, "exchange", "");
        let mut quickfix = stage.quickfix(Side::Initiator, "");
        quickfix.wait_logon();
        quickfix.tell("order 2");
        quickfix.wait_in("35=8|34=3|11=Q2");
        quickfix.tell("test BETWEEN");
        quickfix.wait_in("35=0|34=4|112=BETWEEN");
        quickfix.tell("order 2");
        quickfix.wait_in("35=8|34=6|11=Q4");
        quickfix.wait_expecting(7);
        quickfix.tell("next_in 2");
        quickfix.tell("order 2");
        quickfix.wait_out("35=2|7=2|16=0");
        quickfix.wait_in("35=8|43=Y|34=8");
        let again = quickfix.received("43=Y");
        let shown: Vec<(&str, u64)> =
            again.iter().map(|message| (message.field(35), message.seq())).collect();
        let reports = [5, 6, 7, 8].map(|seq| ("8", seq));
        assert_eq!(shown[..7], [&[("8", 2), ("8", 3), ("4", 4)], &reports[..]].concat());
        assert!(again[2].has("123=Y|36=5"));
        for message in again.iter().filter(|message| message.has("35=8")) {
            let first = &quickfix.received(&format!("35=8|34={}", message.seq()))[0];
            assert_eq!(message.field(122), first.field(52));
            // ClOrdID, OrderID, ExecID: another message's bytes would show.
            assert_eq!(
                [11, 37, 17].map(|tag| message.field(tag)),
                [11, 37, 17].map(|tag| first.field(tag))
            );
        }
        let session = log_out_and_end(acceptor, &mut quickfix);
        assert_eq!(session["counters"]["message_sent"], session["next_out"].as_u64().unwrap() - 1);
        let reports = quickfix.received("35=8");
        let mut once: Vec<_> =
            reports.iter().filter(|message| !message.has("43=Y")).map(|m| m.field(17)).collect();
        assert_eq!(once.len(), 6);
        once.dedup();
        assert_eq!(once.len(), 6, "no ExecID comes twice but as a repetition");
    });
}

#[test]
fn our_acceptor_answers_a_test_request_and_asks_a_silent_quickfix() {
    play("our_acceptor_answers_a_test_request_and_asks_a_silent_quickfix", |stage| {
        let mut acceptor = accept(stage, "exchange", "");
        let mut quickfix = stage.quickfix(Side::Initiator, "HeartBtInt=3\n");
        quickfix.wait_in("35=A|108=3");
        quickfix.wait_logon();
        quickfix.tell("test HELLO");
        quickfix.wait_in("35=0|112=HELLO");
        quickfix.tell("order 1");
        quickfix.wait_in("35=8|11=Q1");
        fall_silent(&mut quickfix);
        quickfix.wait_in("35=1|112=TEST");
        quickfix.wait_out("35=0|112=TEST");
        quickfix.tell("order 1");
        quickfix.wait_in("35=8|11=Q2");
        quickfix.assert_contented();
        // Silent for good, it is given up.
        quickfix.signal("STOP");
        assert_eq!(acceptor.event_of("ended")["reason"], "close_heartbeat_timeout");
        assert_eq!(acceptor.interrupt().code, Some(0));
    });
}

#[test]
fn our_acceptor_keeps_its_numbers_across_cuts_in_mid_trade() {
    play("our_acceptor_keeps_its_numbers_across_cuts_in_mid_trade", |stage| {
        let acceptor = accept(stage, "exchange", "");
        let mut quickfix = stage.quickfix(Side::Initiator, "");
        quickfix.wait_logon();
        let mut orders = 0;
        for _ in 0..3 {
            // Two orders right before the cut, whose reports are lost in it, and two into nothing.
            quickfix.tell("order 2");
            quickfix.tell("disconnect");
            quickfix.tell("order 2");
            orders += 4;
            quickfix.wait_logon();
            while quickfix.received(&format!("35=8|11=Q{orders}")).is_empty() {
                quickfix.wait_in("35=8");
            }
        }
        quickfix.tell("order 1");
        orders += 1;
        quickfix.wait_in(&format!("35=8|11=Q{orders}"));
        let session = log_out_and_end(acceptor, &mut quickfix);
        assert_eq!(session["logons"], 4);
        assert!(session["counters"]["gap_detected"].as_u64().unwrap() >= 3, "{session}");
        assert!(quickfix.received("141=Y").is_empty() && quickfix.sent("141=Y").is_empty());
        // Each order was filled once, and its report arrived: live, or again after the cut.
        let reports = quickfix.received("35=8");
        for order in 1..=orders {
            let id = format!("11=Q{order}");
            let mut fills: Vec<_> =
                reports.iter().filter(|m| m.has(&id)).map(|m| m.field(17)).collect();
            fills.dedup();
            assert_eq!(fills.len(), 1, "{id}: {fills:?}");
        }
    });
}

#[test]
fn our_acceptor_is_reset_on_logon() {
    play("our_acceptor_is_reset_on_logon", |stage| {
        let acceptor = accept(stage, "exchange", "");
        let mut quickfix = stage.quickfix(Side::Initiator, "ResetOnLogon=Y\n");
        for round in 0..2 {
            quickfix.wait_out("35=A|34=1|141=Y");
            quickfix.wait_in("35=A|34=1|141=Y");
            quickfix.wait_logon();
            quickfix.tell("order 3");
            let last = format!("35=8|34=4|11=Q{}", 3 * round + 3);
            quickfix.wait_in(&last);
            if round == 0 {
                quickfix.tell("disconnect");
            }
        }
        let session = log_out_and_end(acceptor, &mut quickfix);
        assert_eq!(
            (&session["logons"], &session["counters"]["gap_detected"]),
            (&2.into(), &0.into())
        );
        assert_eq!((&session["next_out"], &session["next_in"]), (&6.into(), &6.into()));
    });
}

#[test]
fn several_quickfix_initiators_share_our_acceptor_s_port() {
    play("several_quickfix_initiators_share_our_acceptor_s_port", |stage| {
        if stage.version == FIX44 {
            // Both versions are in one play.
            return;
        }
        const PARTIES: [(common::quickfix::Version, &str); 4] =
            [(FIX42, "A"), (FIX44, "A"), (FIX44, "B"), (FIX42, "C")];
        let settings: String = PARTIES
            .iter()
            .skip(1)
            .map(|(version, id)| {
                let begin = version.begin_string;
                format!("[[session]]\ntarget_comp_id = \"{id}\"\nbegin_string = \"{begin}\"\n")
            })
            .collect();
        let acceptor = accept(stage, "exchange", &format!("target_comp_id = \"A\"\n{settings}"));
        let parties: Vec<_> =
            PARTIES.iter().map(|(version, id)| (*version, *id, "EXCHANGE")).collect();
        let mut quickfix = stage.quickfix_of(Side::Initiator, "", &parties);
        for _ in PARTIES {
            quickfix.wait_logon();
        }
        let session = |(version, id): (common::quickfix::Version, &str)| {
            format!("{}:{id}->EXCHANGE", version.begin_string)
        };
        for _ in 0..5 {
            for party in PARTIES {
                quickfix.tell(&format!("use {}", session(party)));
                quickfix.tell("order 2");
            }
        }
        quickfix.wait_in("35=8|11=Q40");
        for (version, id) in PARTIES {
            let to = format!("8={}|56={id}", version.begin_string);
            while quickfix.received(&format!("35=8|{to}")).len() < 10 {
                quickfix.wait_in(&format!("35=8|{to}"));
            }
            let sent = quickfix.sent(&format!("35=D|8={}|49={id}", version.begin_string));
            assert_eq!(ids(&sent), ids(&quickfix.received(&format!("35=8|{to}"))));
        }
        let ended = acceptor.interrupt();
        assert_eq!(ended.code, Some(0), "{}", ended.errors);
        let summary = ended.summary();
        assert_eq!(summary["app"]["orders_filled"], 40);
        assert_eq!(summary["counters"]["close_logout_complete"], 4);
        for party in PARTIES {
            quickfix.tell(&format!("use {}", session(party)));
            let sessions = summary["sessions"].as_array().unwrap();
            let ours = sessions.iter().find(|ours| {
                ours["target_comp_id"] == party.1 && ours["begin_string"] == party.0.begin_string
            });
            agree_on_numbers(ours.unwrap(), &mut quickfix);
        }
    });
}
