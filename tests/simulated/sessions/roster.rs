//! Sessions that are added, drained, resumed and removed while others trade.

use super::*;

#[test]
fn a_session_is_added_drained_resumed_and_removed_while_another_trades() {
    let mut pair = pair();
    let [ours, theirs] = add(&mut pair, "SECOND", |_| {});
    assert_eq!((ours, theirs), (SessionId(1), SessionId(1)));
    pair.run_for(Duration::from_s(1));
    assert_eq!(pair.ours.app().logons, [0, 1]);
    assert_eq!(pair.theirs.app().orders, [0, 1]);

    let now = pair.wire.now();
    assert_eq!(pair.ours.remove_session(ours), Err(RosterError::NotDrained));
    pair.theirs.drain_session(now, theirs, "maintenance").unwrap();
    assert!(!pair.theirs.desk().is_drained(theirs));
    pair.run_for(Duration::from_s(20));
    assert!(pair.theirs.desk().is_drained(theirs));
    assert_eq!(status(&pair, ours).parting_words[..], *b"maintenance");
    let count = |name: &str| pair.theirs.counters().find(|(known, _)| *known == name).unwrap().1;
    assert!(count("logon_held_down") > 10, "the initiator has tried again each second");
    assert_eq!(status(&pair, SessionId(0)).state, State::Active, "the other one goes on");

    pair.theirs.resume_session(pair.wire.now(), theirs).unwrap();
    pair.run_for(Duration::from_s(2));
    assert_eq!(status(&pair, ours).state, State::Active);
    assert!(status(&pair, ours).next_out > 3, "its numbers go on");

    for side in [0, 1] {
        let now = pair.wire.now();
        match side {
            0 => pair.ours.drain_session(now, ours, "").unwrap(),
            _ => pair.theirs.drain_session(now, theirs, "").unwrap(),
        }
        pair.run_for(Duration::from_s(10));
    }
    pair.ours.remove_session(ours).unwrap();
    pair.theirs.remove_session(theirs).unwrap();
    assert!(status(&pair, ours).is_removed);
    assert_eq!(pair.ours.remove_session(ours), Err(RosterError::Unknown));
    // Nobody sits there any more who could come back.
    let now = pair.wire.now();
    assert_eq!(pair.ours.drain_session(now, ours, ""), Err(SessionRefusal::Unknown));
    assert_eq!(pair.ours.resume_session(now, ours), Err(SessionRefusal::Unknown));
    assert_eq!(pair.ours.reset_session_numbers(now, ours), Err(SessionRefusal::Unknown));
    let set = pair.ours.set_session_numbers(now, ours, Some(7), None);
    assert_eq!(set, Err(SessionRefusal::Unknown));
    pair.run_for(Duration::from_s(5));
    assert!(status(&pair, ours).is_removed && !status(&pair, ours).is_connected);

    let again = add(&mut pair, "THIRD", |_| {});
    assert_eq!(again, [ours, theirs], "the number is used again");
    assert_eq!(pair.ours.app().added, [1, 1], "the application is told each time");
    pair.run_for(Duration::from_s(1));
    assert_eq!((status(&pair, ours).state, status(&pair, ours).next_out), (State::Active, 3));
}

#[test]
fn a_session_that_cannot_be_is_not_added_and_nothing_changes() {
    let mut pair = pair();
    let now = pair.wire.now();
    let twin = plan(Role::Initiator, "DESK", |_| {});
    assert_eq!(pair.ours.add_session(now, twin), Err(RosterError::IdentityTaken));
    let zero = SessionPlan {
        peer: Endpoint { addr: THEIRS, port: 0 },
        ..plan(Role::Acceptor, "OTHER", |_| {})
    };
    let refused = pair.theirs.add_session(now, zero).unwrap_err();
    assert!(matches!(refused, RosterError::PortRefused | RosterError::NotSteered), "{refused}");
    assert_eq!(pair.theirs.resume_session(now, SessionId(7)), Err(SessionRefusal::Unknown));
    pair.ours.log_out(now, "done");
    let late = plan(Role::Initiator, "LATE", |_| {});
    assert_eq!(pair.ours.add_session(now, late), Err(RosterError::Ending));
    assert!(status(&pair, SessionId(0)).stays_down);
}

#[test]
fn the_built_in_applications_serve_sessions_that_are_added() {
    let mut pair = Pair::with_apps(Terms::default(), Taker::new(5, 1), Echo::new(1));
    pair.run_for(Duration::from_s(1));
    let now = pair.wire.now();
    let theirs = pair.theirs.add_session(now, plan(Role::Acceptor, "SECOND", |_| {})).unwrap();
    let ours = pair.ours.add_session(now, plan(Role::Initiator, "SECOND", |_| {})).unwrap();
    pair.run_for(Duration::from_s(1));
    assert_eq!(
        pair.ours.app().tally(ours).orders_sent,
        pair.ours.app().tally(SessionId(0)).orders_sent
    );
    assert!(pair.ours.app().tally(ours).orders_sent > 0);
    let counted = pair.theirs.app().counters();
    assert!(
        counted.echoed >= 2 && pair.theirs.desk().statuses().all(|status| status.logons == 1),
        "{theirs:?}"
    );
}

#[test]
fn session_that_starts_down_connects_once_it_is_resumed_and_from_the_port_it_is_told() {
    let mut pair = pair();
    let now = pair.wire.now();
    let theirs = pair.theirs.add_session(now, plan(Role::Acceptor, "DESK2", |_| {})).unwrap();
    let ours = SessionPlan {
        starts_down: true,
        local_port: 4_444,
        ..plan(Role::Initiator, "DESK2", |_| {})
    };
    let ours = pair.ours.add_session(now, ours).unwrap();
    pair.run_for(Duration::from_s(3));
    assert_eq!(
        (status(&pair, ours).state, status(&pair, ours).stays_down),
        (State::Disconnected, true)
    );
    let at =
        |pair: &Both| pair.theirs.desk().statuses().nth(usize::from(theirs.0)).unwrap().remote.port;
    pair.ours.resume_session(pair.wire.now(), ours).unwrap();
    for _ in 0..2 {
        pair.run_for(Duration::from_s(3));
        assert_eq!((status(&pair, ours).state, at(&pair)), (State::Active, 4_444));
        // And again, from the same port.
        let now = pair.wire.now();
        pair.ours.drain_session(now, ours, "again").unwrap();
        pair.run_for(Duration::from_s(9));
        pair.ours.resume_session(pair.wire.now(), ours).unwrap();
    }
}
