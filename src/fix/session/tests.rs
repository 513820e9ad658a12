//! Scripts: `<` arrives, `>` must leave, in that order; `~ s` lets seconds pass; `x` expects the
//! end. Header fields that never change are left out: `A 1 | 98=0` is a Logon numbered 1.

mod acceptor;
mod cut;
mod dictionary;
mod hostile;
mod limits;
mod moved;
mod resend;
mod rig;
mod shared;
mod versions;
mod vouched;
mod ways;

use rig::*;

use super::*;
use crate::fix::counters::Event;
use crate::fix::decode::Decoder;
use crate::fix::frame::{Framed, Whole, frame};
use crate::fix::message::Message;
use crate::fix::reason::{Garbled, RejectReason};
use crate::time::UtcTime;

#[test]
fn scripts_of_a_first_message() {
    let scripts = [
        ("< 0 1\nx close_logon_missing", 0),
        ("< A 1 | 98=0 | 108=30 | 49=WHO\nx close_logon_invalid", 0),
        ("< A 1 | 98=0 | 108=30 | 8=FIX.4.2\nx close_logon_invalid", 0),
        ("< A 1 | 98=0\nx close_logon_terms_refused", 0),
        ("< A 1 | 98=1 | 108=30\nx close_logon_terms_refused", 0),
        ("< A 1 | 98=0 | 108=-1\nx close_logon_terms_refused", 0),
        ("< A 1 | 98=0 | 108=99999999\nx close_logon_terms_refused", 0),
        ("< A 1 | 98=0 | 108=30 | 52=20010101-00:00:00\nx close_logon_time_inaccurate", 0),
        ("< A 1 | -34 | 98=0 | 108=30\nx close_logon_invalid", 0),
        (
            "< A 0 | 98=0 | 108=30\n> 5 1 | 58=MsgSeqNum too low, expecting 1 but received 0
             x close_msg_seq_num_too_low",
            0,
        ),
        ("~ 10\nx close_logon_timeout", 0),
        ("< A 5 | 98=0 | 108=7\n> A 1 | 98=0 | 108=7\n> 2 2 | 7=1 | 16=0", 1),
    ];
    for (script, logons) in scripts {
        let mut rig = Rig::new(Role::Acceptor, |_| {});
        assert_eq!(rig.play(script).desk.logons, logons, "{script}");
    }
}

#[test]
fn a_peer_that_speaks_another_protocol_is_told_from_a_garbled_logon_and_quoted() {
    for role in [Role::Acceptor, Role::Initiator] {
        let mut rig = Rig::new(role, |_| {});
        rig.pipe.sent.clear();
        rig.receive(b"SSH-2.0-OpenSSH_9.2p1\r\n");
        rig.play("x close_peer_not_fix");
        assert_eq!(rig.session.parting_words()[..], *b"SSH-2.0-OpenSSH_9.2p1\r\n");
    }
    let mut rig = Rig::new(Role::Acceptor, |_| {});
    let mut logon = rig.message("A 1 | 98=0 | 108=30");
    let last_digit = logon.len() - 2;
    logon[last_digit] ^= 1;
    rig.receive(&logon);
    rig.play("x close_logon_invalid");
    let mut rig = Rig::new(Role::Acceptor, |_| {});
    rig.receive(&[b'x'; 500]);
    assert_eq!(rig.session.parting_words().len(), 120);
}

#[test]
fn scripts_of_an_initiator() {
    let scripts = [
        "> A 1 | 98=0 | 108=30\n< A 1 | 98=0 | 108=30\n< D 2 | 11=a\n> 8 2 | 11=a",
        "> A 1 | 98=0 | 108=30\n< 5 1 | 58=no\nx close_logon_refused",
        "> A 1 | 98=0 | 108=30\n~ 10\nx close_logon_timeout",
        "> A 1 | 98=0 | 108=30\n< A 3 | 98=0 | 108=30\n> 2 2 | 7=1 | 16=0",
        "> A 1 | 98=0 | 108=30\n< A 1 | 98=0 | 108=30 | 141=Y\n< D 2 | 11=a\n> 8 2 | 11=a",
    ];
    for script in scripts {
        Rig::new(Role::Initiator, |_| {}).play(script);
    }
    Rig::new(Role::Initiator, |config| config.reset_on_logon = true).play(
        "> A 1 | 98=0 | 108=30 | 141=Y\n< A 1 | 98=0 | 108=30 | 141=Y\n< D 2 | 11=a\n> 8 2 | 11=a",
    );
}

#[test]
fn fix42_reads_999999_as_infinity_and_leaves_out_codes_it_does_not_know() {
    let mut rig = Rig::new(Role::Acceptor, |config| config.version = Version::Fix42);
    rig.play(
        "< A 1 | 8=FIX.4.2 | 98=0 | 108=30\n> A 1 | 98=0 | 108=30
         < D 2 | 8=FIX.4.2 | 11=a | 43=N\n> 3 2 | 45=2 | 58=Tag specified out of required order | 371=43 | 372=D
         < 2 3 | 8=FIX.4.2 | 7=1 | 16=999999\n> 4 1 | 43=Y | 122=T | 36=3 | 123=Y",
    );
}

#[test]
fn numbers_are_kept_across_a_reconnect_and_the_application_is_told_once() {
    let mut rig = acceptor();
    rig.play("< D 2 | 11=a\n> 8 2 | 11=a");
    rig.disconnect();
    rig.disconnect();
    assert_eq!(rig.desk.ended, [CloseReason::Disconnected]);
    rig.connect();
    rig.play("< A 3 | 98=0 | 108=30\n> A 3 | 98=0 | 108=30\n< 5 4\n> 5 4\nx close_logout_by_peer");
    rig.disconnect();
    assert_eq!(rig.desk.ended, [CloseReason::Disconnected, CloseReason::LogoutByPeer]);
}

#[test]
fn a_vetoed_message_becomes_part_of_the_gap_fill() {
    let mut rig = acceptor();
    rig.play("< D 2 | 11=a\n> 8 2 | 11=a\n< D 3 | 11=b\n> 8 3 | 11=b");
    rig.desk.veto = Some(2);
    rig.play(
        "< 2 4 | 7=1 | 16=0\n> 4 1 | 43=Y | 122=T | 36=3 | 123=Y\n> 8 3 | 43=Y | 122=T | 11=b",
    );
    assert_eq!(rig.session.counters().of(Event::ResendVetoed), 1);
}

#[test]
fn what_the_store_gave_up_is_gap_filled_and_counted() {
    let mut rig = acceptor();
    rig.stays = true;
    rig.session.body.core.store = MemoryStore::new(1, 200);
    rig.session.body.core.store.set_next_in(2);
    rig.session.body.core.store.set_next_out(2).unwrap();
    rig.play("< D 2 | 11=a\n> 8 2 | 11=a\n< D 3 | 11=b\n> 8 3 | 11=b");
    rig.play(
        "< 2 4 | 7=2 | 16=0\n> 4 2 | 43=Y | 122=T | 36=3 | 123=Y\n> 8 3 | 43=Y | 122=T | 11=b",
    );
    assert_eq!(rig.session.counters().of(Event::ResendForgotten), 1);
}

#[test]
fn a_full_outlet_pauses_a_resend_and_defers_answers_without_losing_a_number() {
    let mut rig = acceptor();
    rig.play("< D 2 | 11=a\n> 8 2 | 11=a\n< D 3 | 11=b\n> 8 3 | 11=b");
    rig.pipe.room = 0;
    rig.play("< 2 4 | 7=2 | 16=0\n> nothing\n< 1 5 | 112=X\n> nothing\n< D 6 | 11=c\n> nothing");
    assert_eq!(rig.session.counters().of(Event::SendRefused), 1);
    rig.pipe.room = 1 << 16;
    let now = at_ms(rig.ms);
    let overtaking = rig.session.send(now, &mut rig.pipe, b"D", |_| {});
    assert_eq!(overtaking, Err(SendError::Full), "number 4 still waits");
    let found = rig.session.on_writable(now, &mut rig.pipe, &mut rig.desk);
    assert_eq!(found, Disposition::Keep);
    rig.play(
        "> 0 4 | 112=X\n> 8 2 | 43=Y | 122=T | 11=a\n> 8 3 | 43=Y | 122=T | 11=b
         < D 7 | 11=d\n> 8 5 | 11=d",
    );
}

#[test]
fn a_peer_that_asks_and_never_reads_is_cut_off() {
    let mut rig = acceptor();
    rig.pipe.room = 0;
    for seq in 2..1000 {
        rig.play(&format!("< 1 {seq} | 112=X"));
    }
    rig.play("x close_backlog_full");
    rig.disconnect();
    assert_eq!(rig.desk.ended, [CloseReason::BacklogFull]);
}

#[test]
fn a_message_past_the_gap_that_finds_no_room_is_asked_for_again() {
    let mut rig = Rig::new(Role::Acceptor, |config| config.held_messages_max = 1);
    rig.play(LOGON).play(
        "< D 3 | 11=b\n> 2 2 | 7=2 | 16=0\n< D 4 | 11=c\n< D 2 | 11=a\n> 8 3 | 11=a\n> 8 4 | 11=b
         < D 5 | 11=d\n> 2 5 | 7=4 | 16=0\n< D 4 | 43=Y | 122=NOW | 11=c\n> 8 6 | 11=c\n> 8 7 | 11=d",
    );
    assert_eq!(rig.session.counters().of(Event::MessageNotHeld), 1);
}

#[test]
fn messages_split_at_every_byte_are_the_same_messages() {
    let rig = acceptor();
    let mut stream = b"noise".to_vec();
    for line in ["D 2 | 11=a", "1 3 | 112=X", "D 4 | 11=b"] {
        stream.extend(rig.message(line));
    }
    for first in 0..=stream.len() {
        for second in [first, first + 1, first + 7, stream.len()] {
            let second = second.min(stream.len());
            let mut rig = acceptor();
            for piece in [&stream[..first], &stream[first..second], &stream[second..]] {
                rig.receive(piece);
            }
            rig.play("> 8 2 | 11=a\n> 0 3 | 112=X\n> 8 4 | 11=b\n> nothing");
            let garbled = rig.session.counters().of_garbled(Garbled::BeginStringMissing);
            assert!(garbled >= 1 && rig.desk.delivered == ["a", "b"], "{first} {second}");
        }
    }
    let mut rig = acceptor();
    stream.chunks(1).for_each(|byte| rig.receive(byte));
    rig.play("> 8 2 | 11=a\n> 0 3 | 112=X\n> 8 4 | 11=b\n> nothing");
}

#[test]
fn no_number_is_left_after_the_last() {
    let mut rig = acceptor();
    rig.session.body.core.store.set_next_out(crate::fix::store::SEQ_NUM_MAX + 1).unwrap();
    let found = rig.session.send(at_ms(0), &mut rig.pipe, b"D", |_| {});
    assert_eq!(found, Err(SendError::MsgSeqNumExhausted));
    rig.play("< 1 2 | 112=X\nx close_msg_seq_num_exhausted");
}

#[test]
fn a_send_that_fails_consumes_no_number() {
    let mut rig = acceptor();
    let long = "x".repeat(2000);
    let now = at_ms(0);
    type Fill<'a> = &'a dyn Fn(&mut Encoder<'_>);
    let table: [(&[u8], Fill<'_>, SendError); 3] = [
        (b"5", &|_| {}, SendError::AdminType),
        (b"D", &|e| _ = e.put_str(58, &long), SendError::TooLong { room_max: 1024 }),
        (
            b"D",
            &|e| _ = e.put_str(58, ""),
            SendError::Encode(crate::fix::EncodeError::ValueInvalid),
        ),
    ];
    for (msg_type, fill, expected) in table {
        let found = rig.session.send(now, &mut rig.pipe, msg_type, fill);
        assert_eq!((found, rig.session.next_out()), (Err(expected), 2));
    }
    rig.session.logout(now, &mut rig.pipe, "bye");
    let found = rig.session.send(now, &mut rig.pipe, b"D", |_| {});
    assert_eq!(found, Err(SendError::NotLoggedOn));
    rig.play("> 5 2 | 58=bye\n< 5 2\nx close_logout_complete");
}

#[test]
fn what_was_held_dies_with_its_connection() {
    let mut rig = Rig::new(Role::Acceptor, |config| config.reset_on_disconnect = true);
    rig.play(LOGON).play("< D 3 | 11=old\n> 2 2 | 7=2 | 16=0");
    rig.disconnect();
    rig.connect();
    rig.play(LOGON).play("< D 2 | 11=a\n> 8 2 | 11=a\n< D 3 | 11=b\n> 8 3 | 11=b\n> nothing");
}

#[test]
fn a_request_to_999999_is_to_infinity_only_up_to_fix42() {
    for (version, new_seq_no) in [(Version::Fix42, 2_000_000), (Version::Fix44, 1_000_000)] {
        let mut rig = Rig::new(Role::Acceptor, |config| config.version = version);
        let begin_string = version.begin_string();
        rig.play(&format!("< A 1 | 8={begin_string} | 98=0 | 108=30\n> A 1 | 98=0 | 108=30"));
        rig.session.body.core.store.set_next_out(2_000_000).unwrap();
        rig.play(&format!(
            "< 2 2 | 8={begin_string} | 7=999990 | 16=999999
             > 4 999990 | 43=Y | 122=T | 36={new_seq_no} | 123=Y"
        ));
    }
}

#[test]
fn any_bytes_after_a_logon_leave_a_session_that_can_be_read() {
    use proptest::prelude::*;
    let line = (
        prop::sample::select(vec!["0", "1", "2", "3", "4", "5", "A", "D", "*"]),
        prop_oneof![0u32..8, any::<u32>()],
        prop::collection::vec((0u32..150, "[0-9YN]{0,11}"), 0..5),
    );
    let strategy = prop::collection::vec(line, 1..20);
    proptest!(ProptestConfig::with_cases(500), |(lines in strategy)| {
        let mut rig = acceptor();
        for (msg_type, seq, fields) in lines {
            let fields: String = fields.iter().map(|(tag, value)| format!(" | {tag}={value}")).collect();
            let bytes = rig.message(&format!("{msg_type} {seq}{fields}"));
            rig.receive(&bytes);
            rig.pass_s(1);
        }
        let mut last = 1;
        loop {
            let sent = rig.next_sent();
            if sent == "nothing" {
                break;
            }
            let seq: u32 = sent.split(' ').nth(1).unwrap().parse().unwrap();
            prop_assert!(sent.contains("43=Y") || sent.contains("141=Y") || seq == last + 1, "{}", sent);
            if !sent.contains("43=Y") {
                last = seq;
            }
        }
    });
}

#[test]
fn a_resend_does_not_come_between_the_halves_of_a_deferred_message() {
    let mut rig = acceptor();
    rig.play("< D 2 | 11=a\n> 8 2 | 11=a");
    rig.pipe.room = 0;
    rig.play("< 2 3 | 7=2 | 16=0");
    for seq in 4..24 {
        rig.play(&format!("< 1 {seq} | 112=X"));
    }
    for room in [outbound::ADMIN_BYTES_MAX + 200, 1 << 16] {
        rig.pipe.room = room;
        let now = at_ms(rig.ms);
        let found = rig.session.on_writable(now, &mut rig.pipe, &mut rig.desk);
        assert_eq!(found, Disposition::Keep);
    }
    for seq in 3..23 {
        rig.play(&format!("> 0 {seq} | 112=X"));
    }
    rig.play("> 8 2 | 43=Y | 122=T | 11=a\n> nothing");
}
