//! What was kept goes again: by whatever settings it was written, as far as it can be sent and read.

use super::*;

/// Goes on with what the session has kept, by other settings.
fn go_on(rig: &mut Rig, adjust: impl FnOnce(&mut SessionConfig)) {
    let mut config = rig.session.config().clone();
    adjust(&mut config);
    rig.disconnect();
    rig.session = Session::new(config, rig.session.store().clone());
    rig.connect();
}

#[test]
fn what_was_kept_before_a_setting_of_headers_changed_goes_again_whole() {
    let processed = |config: &mut SessionConfig| config.last_msg_seq_num_processed = true;
    let sub_id = |config: &mut SessionConfig| {
        config.target_sub_ids.sub_id = CompId::new("ALGO");
        config.sender_sub_ids.location_id = CompId::new("LDN");
    };
    let plain = |config: &mut SessionConfig| {
        config.last_msg_seq_num_processed = false;
        (config.target_sub_ids, config.sender_sub_ids) = Default::default();
    };
    type Adjust<'a> = &'a dyn Fn(&mut SessionConfig);
    let theirs = "50=ALGO | 143=LDN | ";
    for (before, after, said, expected) in [
        (&plain as Adjust<'_>, &plain as Adjust<'_>, ["", ""], "122=T | 11=a"),
        (&plain, &processed, ["", ""], "122=T | 369=4 | 11=a"),
        (&processed, &plain, ["", ""], "122=T | 11=a"),
        (&processed, &processed, ["", ""], "122=T | 369=4 | 11=a"),
        (&plain, &sub_id, ["", theirs], "57=ALGO | 142=LDN | 122=T | 11=a"),
        (&sub_id, &sub_id, [theirs, theirs], "57=ALGO | 142=LDN | 122=T | 11=a"),
        (&sub_id, &plain, [theirs, ""], "122=T | 57=ALGO | 142=LDN | 11=a"),
        (&sub_id, &processed, [theirs, theirs], "57=ALGO | 142=LDN | 122=T | 369=4 | 11=a"),
    ] {
        let mut rig = Rig::new(Role::Acceptor, before);
        let [before, after_it] = said;
        for line in [format!("A 1 | {before}98=0 | 108=30"), format!("D 2 | {before}11=a")] {
            let bytes = rig.message(&line);
            rig.receive(&bytes);
        }
        go_on(&mut rig, after);
        let logon = rig.message(&format!("A 3 | {after_it}98=0 | 108=30"));
        rig.receive(&logon);
        rig.pipe.sent.clear();
        let request = rig.message(&format!("2 4 | {after_it}7=2 | 16=2"));
        rig.receive(&request);
        assert_eq!(rig.next_sent(), format!("8 2 | 43=Y | {expected}"));
    }
}

#[test]
fn what_grows_by_the_longest_sub_ids_goes_again() {
    let mut rig = acceptor();
    rig.play("< D 2 | 11=a\n> 8 2 | 11=a");
    let long = "x".repeat(COMP_ID_BYTES_MAX);
    go_on(&mut rig, |config| {
        let ids = SubIds { sub_id: CompId::new(&long), location_id: CompId::new(&long) };
        (config.sender_sub_ids, config.target_sub_ids) = (ids.clone(), ids);
        config.last_msg_seq_num_processed = true;
        config.precision = crate::fix::Precision::Nanos;
    });
    let theirs = format!("50={long} | 142={long} | 57={long} | 143={long}");
    for line in [format!("A 3 | {theirs} | 98=0 | 108=30"), format!("2 4 | {theirs} | 7=2 | 16=2")]
    {
        rig.pipe.sent.clear();
        let bytes = rig.message(&line);
        rig.receive(&bytes);
    }
    let again = rig.next_sent();
    assert!(again.starts_with("8 2 | 43=Y | 50=x") && again.ends_with("369=4 | 11=a"), "{again}");
}

/// What an application puts first stays, even where it is a field of the header.
#[test]
fn a_field_of_the_header_that_the_application_wrote_goes_again() {
    let mut rig = acceptor();
    let sent = rig.session.send(at_ms(rig.ms), &mut rig.pipe, b"8", |encoder| {
        encoder.put_str(57, "DESK").put_str(115, "X").put_str(50, "TRADER").put_str(11, "a");
    });
    assert_eq!(sent, Ok(2));
    rig.play(
        "> 8 2 | 57=DESK | 115=X | 50=TRADER | 11=a
         < 2 2 | 7=2 | 16=2
         > 8 2 | 43=Y | 122=T | 57=DESK | 115=X | 50=TRADER | 11=a",
    );
}

fn count(rig: &Rig, name: &str) -> Option<u64> {
    let mut counters = rig.session.counters().iter();
    counters.find(|(counter, _)| *counter == name).map(|(_, count)| count)
}

/// An answer to an order whose ClOrdID is as long as the connection's room for one message.
fn with_a_long_answer_between(text_len: usize) -> Rig {
    let mut rig = Rig::new(Role::Acceptor, |config| config.send_bytes_max = 1 << 14);
    rig.play(LOGON).play("< D 2 | 11=a\n> 8 2 | 11=a");
    let text = "x".repeat(text_len);
    let now = at_ms(rig.ms);
    let sent = rig.session.send(now, &mut rig.pipe, b"8", |e| _ = e.put_str(58, &text));
    assert_eq!(sent, Ok(3));
    rig.play("< D 3 | 11=c");
    assert_eq!(rig.next_sent(), format!("8 3 | 58={text}"));
    rig.play("> 8 4 | 11=c");
    rig
}

#[test]
fn what_will_never_find_room_is_filled_as_a_gap_and_the_resend_goes_on() {
    let mut rig = with_a_long_answer_between(3_000);
    rig.pipe.room_max = 2_000;
    rig.play(
        "< 2 4 | 7=1 | 16=0
         > 4 1 | 43=Y | 122=T | 36=2 | 123=Y
         > 8 2 | 43=Y | 122=T | 11=a
         > 4 3 | 43=Y | 122=T | 36=4 | 123=Y
         > 8 4 | 43=Y | 122=T | 11=c
         > nothing",
    );
    assert_eq!(count(&rig, "resend_too_long"), Some(1));
    assert_eq!(rig.desk.not_resent, [(3, NotResent::TooLong { room_max: 2_000 })]);
    assert_eq!((count(&rig, "resend_paused"), count(&rig, "resend_vetoed")), (Some(0), Some(0)));
}

/// A message that grows past the room by its PossDupFlag, and one that just does not.
#[test]
fn what_fits_just_as_it_goes_again_is_sent() {
    for text_len in [1_890, 1_900, 1_910, 1_920, 1_930] {
        let mut rig = with_a_long_answer_between(text_len);
        rig.pipe.room_max = 2_000;
        rig.play("< 2 4 | 7=3 | 16=3");
        let len = rig.pipe.sent.len();
        let sent = rig.next_sent();
        let is_whole = sent.starts_with("8 3 | 43=Y | 122=T | 58=");
        assert_eq!(is_whole, sent != "4 3 | 43=Y | 122=T | 36=4 | 123=Y", "{sent}");
        assert_eq!(count(&rig, "resend_too_long"), Some(u64::from(!is_whole)));
        assert!(!is_whole || len > 1_900);
        assert_eq!(is_whole, text_len < 1_900, "{text_len}: {len} bytes");
    }
}

/// Room for no session message at its longest: they go in pieces.
#[test]
fn an_outlet_with_little_room_gets_session_messages_in_pieces() {
    let mut rig = Rig::new(Role::Acceptor, |config| config.send_bytes_max = 1 << 14);
    rig.pipe.room_max = 50;
    rig.play(LOGON);
    rig.play("< 1 2 | 112=X\n> 0 2 | 112=X");
    let refused = rig.session.send(at_ms(rig.ms), &mut rig.pipe, b"D", |e| _ = e.put_str(58, "x"));
    assert_eq!(refused, Err(SendError::TooLong { room_max: 50 }));
    assert_eq!(count(&rig, "send_too_long"), Some(1));
    rig.pipe.room_max = 200;
    let sent = rig.session.send(at_ms(rig.ms), &mut rig.pipe, b"D", |e| _ = e.put_str(58, "x"));
    assert_eq!(sent, Ok(3));
    rig.play("> D 3 | 58=x");
    rig.pipe.room_max = 50;
    rig.play("< 2 3 | 7=1 | 16=0\n> 4 1 | 43=Y | 122=T | 36=4 | 123=Y\n> nothing");
    assert_eq!(count(&rig, "resend_too_long"), Some(1));
}

#[test]
fn what_cannot_be_read_again_is_filled_as_a_gap_and_no_veto() {
    let mut rig = acceptor();
    rig.play("< D 2 | 11=a\n> 8 2 | 11=a");
    let store = &mut rig.session.body.core.store;
    store.put(3, b"8=FIX.4.4\x019=5\x01what is this").unwrap();
    rig.play(
        "< D 3 | 11=b\n> 8 4 | 11=b
         < 2 4 | 7=2 | 16=0
         > 8 2 | 43=Y | 122=T | 11=a
         > 4 3 | 43=Y | 122=T | 36=4 | 123=Y
         > 8 4 | 43=Y | 122=T | 11=b",
    );
    assert_eq!(count(&rig, "resend_unreadable"), Some(1));
    assert_eq!(rig.desk.not_resent, [(3, NotResent::Unreadable)]);
    assert_eq!(count(&rig, "resend_vetoed"), Some(0));
}

#[test]
fn what_was_sent_with_more_fields_than_are_taken_in_goes_again() {
    let mut rig = Rig::new(Role::Acceptor, |config| config.send_bytes_max = 4_096);
    rig.play(LOGON);
    let sent = rig.session.send(at_ms(rig.ms), &mut rig.pipe, b"D", |encoder| {
        for _ in 0..600 {
            encoder.put_str(1, "x");
        }
    });
    assert_eq!(sent, Ok(2));
    rig.pipe.sent.clear();
    rig.play("< 2 2 | 7=2 | 16=2");
    let again = String::from_utf8_lossy(&rig.pipe.sent).into_owned();
    assert!(again.contains("\x0135=D\x0134=2\x0143=Y\x01"), "{again}");
    assert_eq!(again.matches("\x011=x").count(), 600);
    assert_eq!(count(&rig, "resend_vetoed"), Some(0));
}

#[test]
fn a_store_of_what_is_vetoed_is_walked_in_turns() {
    let mut rig = acceptor();
    rig.stays = true;
    let config = rig.session.config().clone();
    rig.session = Session::new(config, MemoryStore::new(10_000, 1 << 21));
    rig.connect();
    rig.play(LOGON);
    for _ in 0..10_000 {
        let now = at_ms(rig.ms);
        rig.session.send(now, &mut rig.pipe, b"8", |e| _ = e.put_str(58, "x")).unwrap();
        rig.pipe.sent.clear();
    }
    rig.desk.vetoes_all = true;
    rig.play("< 2 2 | 7=1 | 16=0\n> nothing");
    assert!((1..=256).contains(&rig.desk.asked), "{}", rig.desk.asked);
    assert!(rig.session.next_timeout() <= at_ms(rig.ms).mono, "it goes on in the next turn");
    assert_eq!(rig.session.steady_interval(), None);
    let snapshot = rig.session.export(at_ms(rig.ms));
    let mut turns = 1;
    while rig.session.next_timeout() <= at_ms(rig.ms).mono {
        let before = rig.desk.asked;
        let found = rig.session.on_timeout(at_ms(rig.ms), &mut rig.pipe, &mut rig.desk);
        rig.note(found);
        assert!(rig.desk.asked <= before + 256);
        turns += 1;
    }
    assert_eq!((turns, rig.desk.asked), (10_000 / 256 + 1, 10_000));
    rig.play("> 4 1 | 43=Y | 122=T | 36=10002 | 123=Y\n> nothing");
    // In another process it goes on as well.
    let mut moved = Session::new(rig.session.config().clone(), MemoryStore::new(10_000, 1 << 21));
    moved.import(at_ms(rig.ms), &snapshot).unwrap();
    assert!(moved.next_timeout() <= at_ms(rig.ms).mono);
}
