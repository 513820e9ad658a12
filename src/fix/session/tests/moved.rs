//! Sessions that go on in another process, in the middle of whatever they are about. Every other script here moves its session
//! before each second step, too.

use super::*;

#[test]
fn in_the_middle_of_a_logon() {
    // Ours has left, and theirs comes to another process.
    let mut rig = Rig::new(Role::Initiator, |config| config.reset_on_logon = true);
    rig.play("> A 1 | 98=0 | 108=30 | 141=Y");
    rig.relocate();
    rig.play("< A 1 | 98=0 | 108=30 | 141=Y\n< D 2 | 11=a\n> 8 2 | 11=a");
    assert_eq!((rig.session.counters().of(Event::NumbersReset), rig.desk.logons), (1, 1));
    // The deadline goes along.
    let mut rig = Rig::new(Role::Acceptor, |_| {});
    rig.pass_s(4);
    rig.relocate();
    rig.pass_s(5);
    assert_eq!(rig.closed, None);
    rig.play("~ 1\nx close_logon_timeout");
}

#[test]
fn in_the_middle_of_a_message_at_each_of_its_bytes() {
    let message = acceptor().message("D 2 | 11=a");
    for at in 0..=message.len() {
        let mut rig = acceptor();
        rig.receive(&message[..at]);
        rig.relocate();
        rig.receive(&message[at..]);
        rig.play("> 8 2 | 11=a\n> nothing");
        assert_eq!(rig.session.counters().of(Event::MessageReceived), 2, "{at}");
    }
}

#[test]
fn in_the_middle_of_a_resend_that_waits_for_room() {
    for fits in 0..4 {
        let mut rig = acceptor();
        rig.play(
            "< D 2 | 11=a\n> 8 2 | 11=a\n< D 3 | 11=b\n> 8 3 | 11=b\n< 1 4 | 112=X\n> 0 4 | 112=X",
        );
        rig.pipe.room = fits * 400;
        rig.play("< 2 5 | 7=2 | 16=0");
        rig.relocate();
        rig.pipe.room = 1 << 16;
        let found = rig.session.on_writable(at_ms(rig.ms), &mut rig.pipe, &mut rig.desk);
        assert_eq!(found, Disposition::Keep);
        rig.play(
            "> 8 2 | 43=Y | 122=T | 11=a\n> 8 3 | 43=Y | 122=T | 11=b
             > 4 4 | 43=Y | 122=T | 36=5 | 123=Y\n> nothing\n< D 6 | 11=c\n> 8 5 | 11=c",
        );
    }
}

#[test]
fn with_answers_that_wait_and_messages_that_are_held_behind_a_gap() {
    let mut rig = acceptor();
    rig.pipe.room = 0;
    rig.play("< 1 2 | 112=X\n< D 5 | 11=d\n< D 4 | 11=c");
    rig.relocate();
    rig.pipe.room = 1 << 16;
    let found = rig.session.on_writable(at_ms(rig.ms), &mut rig.pipe, &mut rig.desk);
    assert_eq!(found, Disposition::Keep);
    rig.play("> 0 2 | 112=X\n> 2 3 | 7=3 | 16=0\n< D 3 | 43=Y | 122=NOW | 11=b");
    rig.play("> 8 4 | 11=b\n> 8 5 | 11=c\n> 8 6 | 11=d");
    assert_eq!(rig.desk.delivered, ["b", "c", "d"]);
}

#[test]
fn with_a_test_request_that_nobody_has_answered_and_by_a_younger_clock() {
    let mut rig = acceptor();
    rig.play("~ 30\n> 0 2\n~ 6\n> 1 3 | 112=TEST");
    let then = at_ms(rig.ms);
    let snapshot = rig.session.export(then);
    let mut moved = Session::new(rig.session.config().clone(), MemoryStore::default());
    let younger = Now { mono: Instant::from_ms(100_000), ..then };
    moved.import(younger, &snapshot).unwrap();
    let left = rig.session.next_timeout() - then.mono;
    assert_eq!(moved.next_timeout(), younger.mono + left);
    rig.relocate();
    rig.play("~ 35\n> nothing\n~ 1\nx close_heartbeat_timeout");
}

#[test]
fn a_snapshot_that_contradicts_itself_or_finds_no_room_changes_nothing() {
    use crate::fix::store::StoreImage;

    let mut rig = Rig::new(Role::Acceptor, |_| {});
    rig.play(LOGON).play("< D 2 | 11=a\n> 8 2 | 11=a\n< D 4 | 11=c\n> 2 3 | 7=3 | 16=0");
    let half = rig.message("D 3 | 11=b");
    rig.receive(&half[..20]);
    let now = at_ms(rig.ms);
    let whole = rig.session.export(now);
    let fresh = |adjust: fn(&mut SessionConfig)| {
        let mut config = rig.session.config().clone();
        adjust(&mut config);
        Session::new(config, MemoryStore::new(64, 1 << 14))
    };
    type Change = fn(&mut SessionSnapshot);
    let changes: [(SnapshotRefusal, Change); 9] = [
        (SnapshotRefusal::Malformed, |of| of.state = 9),
        (SnapshotRefusal::Malformed, |of| of.close_reason = Some(1)),
        (SnapshotRefusal::Malformed, |of| of.counters.truncate(3)),
        (SnapshotRefusal::Malformed, |of| of.counters[0] = u64::MAX),
        (SnapshotRefusal::Malformed, |of| of.resend = Some((1, 1, 99))),
        (SnapshotRefusal::Malformed, |of| of.gap = Some((0, None))),
        (SnapshotRefusal::Malformed, |of| of.held[0].1.0.truncate(30)),
        (SnapshotRefusal::Malformed, |of| of.appl_ver_id = Some(b'z')),
        (SnapshotRefusal::StoreDiffers, |of| {
            of.store = StoreImage { kept: None, ..of.store.clone() };
        }),
    ];
    for (number, (why, change)) in changes.into_iter().enumerate() {
        let mut broken = whole.clone();
        change(&mut broken);
        let mut session = fresh(|_| {});
        let before = session.export(now);
        assert_eq!(session.import(now, &broken), Err(why), "change {number}");
        assert_eq!(session.export(now), before, "change {number}");
    }
    let narrow: [fn(&mut SessionConfig); 3] = [
        |config| config.message_bytes_max = 15,
        |config| config.held_messages_max = 0,
        |config| config.held_bytes_max = 10,
    ];
    for adjust in narrow {
        assert_eq!(fresh(adjust).import(now, &whole), Err(SnapshotRefusal::TooLarge));
    }
    assert_eq!(rig.session.import(now, &whole), Err(SnapshotRefusal::Connected));
}
