//! Whom an initiator connects to, and when again.

use super::*;

#[test]
fn an_initiator_connects_to_the_next_of_its_peers_when_one_does_not_answer_or_its_line_is_over() {
    // No device whose rules, made at the start, would keep other ports' frames away.
    let host = Profile::all(Policy::Off);
    let terms = Terms { ours: host.clone(), theirs: host, ..Terms::default() };
    let mut pair: Both = Pair::with_apps(terms, Diary::default(), Diary::default());
    pair.run_for(Duration::from_s(1));
    let now = pair.wire.now();
    let at = |port| Endpoint { addr: THEIRS, port };
    let elsewhere = |port| SessionPlan { peer: at(port), ..plan(Role::Acceptor, "DESK2", |_| {}) };
    let theirs = pair.theirs.add_session(now, elsewhere(7_003)).unwrap();
    let ours = SessionPlan {
        peer: at(7_001),
        alternates: vec![at(7_002), at(7_003)],
        ..plan(Role::Initiator, "DESK2", |_| {})
    };
    let ours = pair.ours.add_session(now, ours).unwrap();
    let tried = |pair: &Both| (status(pair, ours).remote.port, status(pair, ours).has_tried_all);
    for expected in [(7_001, false), (7_002, false)] {
        pair.run_for(Duration::from_ms(900));
        assert_eq!(tried(&pair), expected);
        pair.run_for(Duration::from_ms(100));
    }
    pair.run_for(Duration::from_s(1));
    assert_eq!((tried(&pair).0, status(&pair, ours).state), (7_003, State::Active));

    // After the last one, the first: its line is over.
    pair.theirs.drain_session(pair.wire.now(), theirs, "").unwrap();
    pair.run_for(Duration::from_ms(1_500));
    assert_eq!(tried(&pair), (7_001, false));
    pair.run_for(Duration::from_s(10));
    assert!(status(&pair, ours).has_tried_all);
    pair.theirs.resume_session(pair.wire.now(), theirs).unwrap();
    pair.run_for(Duration::from_s(5));
    assert_eq!((tried(&pair), status(&pair, ours).state), ((7_003, false), State::Active));
    assert_eq!(status(&pair, ours).logons, 2, "it goes on as the same session");

    // An operator's word has it begin with the first.
    pair.ours.drain_session(pair.wire.now(), ours, "").unwrap();
    pair.run_for(Duration::from_s(10));
    pair.ours.resume_session(pair.wire.now(), ours).unwrap();
    pair.run_for(Duration::from_ms(500));
    assert_eq!(tried(&pair).0, 7_001);
    // It does so though another one's turn has come.
    pair.run_for(Duration::from_s(1));
    assert_eq!(tried(&pair).0, 7_002);
    pair.ours.drain_session(pair.wire.now(), ours, "").unwrap();
    pair.run_for(Duration::from_s(10));
    pair.ours.resume_session(pair.wire.now(), ours).unwrap();
    pair.run_for(Duration::from_ms(500));
    assert_eq!(tried(&pair).0, 7_001);
}

#[test]
fn an_initiator_begins_with_the_first_of_its_peers_when_it_opens_again() {
    let host = Profile::all(Policy::Off);
    let terms = Terms { ours: host.clone(), theirs: host, ..Terms::default() };
    let mut pair: Both = Pair::with_apps(terms, Diary::default(), Diary::default());
    pair.run_for(Duration::from_s(1));
    let now = pair.wire.now();
    let hours = |config: &mut SessionConfig| config.schedule = Some(schedule(now.utc));
    let at = |port| Endpoint { addr: THEIRS, port };
    let theirs = SessionPlan { peer: at(7_002), ..plan(Role::Acceptor, "DESK2", hours) };
    pair.theirs.add_session(now, theirs).unwrap();
    let ours = SessionPlan {
        peer: at(7_001),
        alternates: vec![at(7_002), at(7_003)],
        ..plan(Role::Initiator, "DESK2", hours)
    };
    let ours = pair.ours.add_session(now, ours).unwrap();
    let stands = |pair: &Both| (status(pair, ours).remote.port, status(pair, ours).state);
    // After the second one, when it has closed, comes the first.
    for _ in 0..2 {
        pair.run_for(HOUR);
        pair.run_for(Duration::from_ms(500));
        assert_eq!(stands(&pair), (7_001, State::Disconnected));
        pair.run_for(Duration::from_s(1));
        assert_eq!(stands(&pair), (7_002, State::Active));
        pair.run_for(Duration::from_ms(3_600_000 - 1_500));
    }
}

#[test]
fn pauses_before_connecting_again_are_those_of_the_attempts_in_turn() {
    let mut pair = pair();
    let now = pair.wire.now();
    let at_first = [2, 4].map(Duration::from_s).to_vec();
    let nobody = SessionPlan {
        peer: Endpoint { addr: THEIRS, port: 7_001 },
        reconnect_at_first: at_first,
        reconnect_interval: Duration::from_s(8),
        ..plan(Role::Initiator, "DESK2", |_| {})
    };
    pair.ours.add_session(now, nobody).unwrap();
    let tried = |pair: &Both| {
        let named = pair.ours.counters().find(|(name, _)| *name == "tcp_connect_active");
        named.map_or(0, |(_, count)| count)
    };
    pair.run_for(Duration::from_ms(500));
    let first = tried(&pair);
    let mut found = Vec::new();
    for s in 1..=23 {
        let before = tried(&pair);
        pair.run_for(Duration::from_s(1));
        found.extend((tried(&pair) > before).then_some(s));
    }
    assert_eq!((first > 0, found), (true, vec![2, 6, 14, 22]));
}
