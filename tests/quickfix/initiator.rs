//! Our initiator, with QuickFIX as acceptor.

use super::common::quickfix::{QuickFix, Side, play};
use super::{ORDERS, ended_well, fall_silent, run};

/// The orders that QuickFIX got are numbered from 0 without a gap, each once but for repetitions
/// that say so.
fn assert_orders_once(quickfix: &QuickFix, count: usize) {
    let received = quickfix.received("35=D");
    let once = received.iter().filter(|message| !message.has("43=Y"));
    let ids: Vec<String> = once.map(|message| message.field(11).to_owned()).collect();
    assert_eq!(ids, (0..count).map(|n| format!("O{n}")).collect::<Vec<_>>());
}

#[test]
fn our_initiator_logs_on_trades_and_logs_out() {
    play("initiator::our_initiator_logs_on_trades_and_logs_out", |stage| {
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

#[test]
fn our_initiator_asks_for_what_it_missed() {
    play("initiator::our_initiator_asks_for_what_it_missed", |stage| {
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
    play("initiator::our_initiator_sends_again_what_quickfix_forgot", |stage| {
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
    play("initiator::our_initiator_answers_a_test_request_and_asks_a_silent_quickfix", |stage| {
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

#[test]
fn our_initiator_comes_back_after_a_cut_and_its_numbers_go_on() {
    play("initiator::our_initiator_comes_back_after_a_cut_and_its_numbers_go_on", |stage| {
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
    play("initiator::our_initiator_resets_both_sides_on_logon", |stage| {
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
    play("initiator::our_initiator_answers_a_logout_and_comes_back", |stage| {
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
    play("initiator::our_initiator_says_why_quickfix_refuses_its_numbers", |stage| {
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
