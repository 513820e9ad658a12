//! Our acceptor, with QuickFIX as initiator.

use serde_json::Value;

use super::common::inside::{Ended, Program};
use super::common::quickfix::{FIX42, FIX44, Message, QuickFix, Side, Version, play};
use super::{accept, agree_on_numbers, fall_silent};

/// Our acceptor was interrupted and has ended well; its only session.
fn session_of(ended: &Ended) -> Value {
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    ended.summary()["sessions"][0].clone()
}

/// ClOrdIDs of the messages, in their order.
fn ids(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.field(11)).collect()
}

#[test]
fn our_acceptor_tells_quickfix_that_its_numbers_are_too_low() {
    play("acceptor::our_acceptor_tells_quickfix_that_its_numbers_are_too_low", |stage| {
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
    play("acceptor::our_acceptor_fills_orders_and_answers_a_logout", |stage| {
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
    play("acceptor::our_acceptor_echoes_orders_and_logs_out", |stage| {
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
    play("acceptor::our_acceptor_asks_for_what_it_missed", |stage| {
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
    play("acceptor::our_acceptor_sends_again_what_quickfix_forgot", |stage| {
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
    play("acceptor::our_acceptor_answers_a_test_request_and_asks_a_silent_quickfix", |stage| {
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
    play("acceptor::our_acceptor_keeps_its_numbers_across_cuts_in_mid_trade", |stage| {
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
    play("acceptor::our_acceptor_is_reset_on_logon", |stage| {
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
    play("acceptor::several_quickfix_initiators_share_our_acceptor_s_port", |stage| {
        if stage.version == FIX44 {
            // Both versions are in one play.
            return;
        }
        const PARTIES: [(Version, &str); 4] =
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
        let session =
            |(version, id): (Version, &str)| format!("{}:{id}->EXCHANGE", version.begin_string);
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
