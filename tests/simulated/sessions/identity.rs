//! Who a counterparty is by its Logon and its address, and which session it gets.

use super::*;

#[test]
fn sessions_with_the_same_comp_ids_are_told_apart_by_their_sub_ids() {
    let mut pair = pair();
    for trader in ["ANN", "BOB"] {
        let now = pair.wire.now();
        let sub_ids = SubIds { sub_id: CompId::new(trader), location_id: None };
        let ours = plan(Role::Initiator, "DESK2", |config| config.sender_sub_ids = sub_ids.clone());
        let theirs =
            plan(Role::Acceptor, "DESK2", |config| config.target_sub_ids = sub_ids.clone());
        pair.theirs.add_session(now, theirs).unwrap();
        pair.ours.add_session(now, ours).unwrap();
    }
    pair.run_for(Duration::from_s(2));
    let (ours, theirs) = (&pair.ours.app().logons, &pair.theirs.app().logons);
    assert_eq!((&ours[..], theirs.len()), (&[0, 1, 2][..], 3));
    for session in [1, 2] {
        assert_eq!(status(&pair, SessionId(session)).state, State::Active);
    }
}

/// Sends orders as long as there is room for them.
struct Talkative(u32);

impl Application for Talkative {
    const WANTS_POLL: bool = true;

    fn on_poll<S: Store, O: Outlet>(&mut self, _: SessionId, orders: &mut Sender<'_, S, O>) {
        let fill = [b'x'; 700];
        while self.0 > 0 && orders.send(b"D", |order| _ = order.put_bytes(58, &fill)).is_ok() {
            self.0 -= 1;
        }
    }

    fn on_message<S: Store, O: Outlet>(
        &mut self,
        _: SessionId,
        _: &Message<'_>,
        _: Option<RxStamp>,
        _: &mut Sender<'_, S, O>,
    ) {
    }
}

#[test]
fn a_logon_that_is_told_of_once_the_counterparty_has_what_it_lacked_counts_like_any_other() {
    // What it lacks is more than waits at once: the session is told of room before it tells of the logon.
    let tcp = Config { send_buffer_bytes: 4_096, ..Config::default() };
    let tune = |config: &mut SessionConfig| config.next_expected_msg_seq_num = true;
    let terms = Terms { tcp, tune, ..Terms::default() };
    let mut pair = Pair::with_apps(terms, Talkative(40), Diary::default());
    let session = SessionId(0);
    pair.run_for(Duration::from_s(5));
    assert_eq!(pair.theirs.app().orders.len(), 40);
    pair.ours.drain_session(pair.wire.now(), session, "").unwrap();
    pair.run_for(Duration::from_s(10));
    let next_out = pair.ours.desk().statuses().next().unwrap().next_out;
    let now = pair.wire.now();
    pair.theirs.set_session_numbers(now, session, None, Some(2)).unwrap();
    while pair.ours.next_line_event().is_some() {}
    pair.ours.resume_session(now, session).unwrap();
    pair.run_for(Duration::from_s(5));
    assert_eq!(pair.theirs.app().orders.len(), 80, "all of it has come again");
    let then = pair.ours.desk().statuses().next().unwrap();
    assert_eq!((then.state, then.next_out, then.logons), (State::Active, next_out + 1, 2));
    let told = std::iter::from_fn(|| pair.ours.next_line_event());
    assert_eq!(told.filter(|event| matches!(event, LineEvent::LoggedOn { .. })).count(), 1);
}

#[test]
fn a_logon_is_as_long_as_the_sessions_of_its_port_let_it_be() {
    let mut pair = pair();
    let now = pair.wire.now();
    let wordy = |config: &mut SessionConfig| {
        config.logon_fields.add(9_001, &"x".repeat(300)).expect("a field");
    };
    // Both accept on one port, where the first session has the default: of another one the least counts.
    let at = |port, plan| SessionPlan { peer: Endpoint { addr: THEIRS, port }, ..plan };
    let strict = |config: &mut SessionConfig| config.logon_bytes_max = 256;
    pair.theirs.add_session(now, plan(Role::Acceptor, "DESK2", strict)).unwrap();
    let long = pair.ours.add_session(now, plan(Role::Initiator, "DESK2", wordy)).unwrap();
    pair.run_for(Duration::from_s(1));
    assert_eq!(status(&pair, long).state, State::Active, "the port's other session is less strict");

    let host = Profile::all(Policy::Off);
    let terms = Terms { ours: host.clone(), theirs: host, ..Terms::default() };
    let mut pair: Both = Pair::with_apps(terms, Diary::default(), Diary::default());
    let now = pair.wire.now();
    pair.theirs.add_session(now, at(7_001, plan(Role::Acceptor, "DESK2", strict))).unwrap();
    let long = at(7_001, plan(Role::Initiator, "DESK2", wordy));
    let long = pair.ours.add_session(now, long).unwrap();
    pair.run_for(Duration::from_ms(500));
    assert_eq!(status(&pair, long).state, State::Disconnected);
    let why = std::iter::from_fn(|| pair.theirs.next_line_event()).find_map(|event| match event {
        LineEvent::Refused { why, .. } => Some(why),
        _ => None,
    });
    assert_eq!(why, Some(PeerRefusal::LogonTooLong(256)));
    let counted = pair.theirs.counters().find(|(name, _)| *name == "logon_too_long");
    assert_eq!(counted.map(|(_, count)| count), Some(1));
}

#[test]
fn who_connects_from_elsewhere_than_is_allowed_gets_no_session() {
    let mut pair = pair();
    let now = pair.wire.now();
    let strict = SessionPlan {
        allowed_peers: vec![std::net::Ipv4Addr::new(10, 9, 0, 77)],
        ..plan(Role::Acceptor, "DESK2", |_| {})
    };
    let open = SessionPlan { allowed_peers: vec![OURS], ..plan(Role::Acceptor, "DESK3", |_| {}) };
    pair.theirs.add_session(now, strict).unwrap();
    pair.theirs.add_session(now, open).unwrap();
    let barred = pair.ours.add_session(now, plan(Role::Initiator, "DESK2", |_| {})).unwrap();
    let let_in = pair.ours.add_session(now, plan(Role::Initiator, "DESK3", |_| {})).unwrap();
    pair.run_for(Duration::from_ms(900));
    assert_eq!(status(&pair, let_in).state, State::Active);
    assert_eq!((status(&pair, barred).logons, status(&pair, barred).next_in), (0, 1));
    let counted = pair.theirs.counters().find(|(name, _)| *name == "logon_address_not_allowed");
    assert_eq!(counted.map(|(_, count)| count), Some(1));
}

#[test]
fn qualifier_tells_apart_two_initiators_of_one_identity() {
    let mut pair = pair();
    let now = pair.wire.now();
    let qualified = |text: &str| {
        let qualifier = CompId::new(text);
        plan(Role::Initiator, "DESK2", move |config| config.qualifier = qualifier)
    };
    pair.ours.add_session(now, qualified("a")).unwrap();
    pair.ours.add_session(now, qualified("b")).unwrap();
    pair.ours.add_session(now, plan(Role::Initiator, "DESK2", |_| {})).unwrap();
    let again = pair.ours.add_session(now, qualified("a"));
    assert_eq!(again, Err(RosterError::IdentityTaken));
}

/// Kept ready for whoever logs on: two of them.
fn with_templates(pair: &mut Both) {
    for number in ["1", "2"] {
        let now = pair.wire.now();
        let template = plan(Role::Acceptor, "*", |config| config.qualifier = CompId::new(number));
        pair.theirs.add_session(now, template).unwrap();
    }
}

#[test]
fn who_nobody_knows_has_a_seat_of_a_template_and_keeps_its_numbers() {
    let mut pair = pair();
    with_templates(&mut pair);
    let now = pair.wire.now();
    let [a, b, c] = ["A", "B", "C"]
        .map(|desk| pair.ours.add_session(now, plan(Role::Initiator, desk, |_| {})).unwrap());
    pair.run_for(Duration::from_ms(1_500));
    let states = [a, b, c].map(|id| status(&pair, id).state == State::Active);
    assert_eq!(states.iter().filter(|is| **is).count(), 2, "there is room for two: {states:?}");
    let counted = pair.theirs.counters().find(|(name, _)| *name == "logon_unknown_identity");
    assert!(counted.unwrap().1 > 0);
    assert_eq!(status(&pair, SessionId(0)).state, State::Active, "the one of the file goes on");
    let first = if states[0] { a } else { b };
    let next_out = status(&pair, first).next_out;
    pair.ours.drain_session(pair.wire.now(), first, "").unwrap();
    pair.run_for(Duration::from_s(10));
    pair.ours.resume_session(pair.wire.now(), first).unwrap();
    pair.run_for(Duration::from_s(2));
    let then = status(&pair, first);
    assert!(then.state == State::Active && then.next_out > next_out, "its numbers go on: {then:?}");
}

#[test]
fn who_does_not_come_to_log_on_gives_the_seat_back() {
    let mut pair = pair();
    let now = pair.wire.now();
    let credentials = fixwire::fix::Credentials::new("", "s3cret");
    let template = plan(Role::Acceptor, "*", |config| {
        config.qualifier = CompId::new("1");
        config.credentials.clone_from(&credentials);
    });
    pair.theirs.add_session(now, template).unwrap();
    let stranger = pair.ours.add_session(now, plan(Role::Initiator, "STRANGER", |_| {})).unwrap();
    pair.run_for(Duration::from_s(3));
    assert_eq!(status(&pair, stranger).logons, 0);
    pair.ours.drain_session(pair.wire.now(), stranger, "").unwrap();
    pair.run_for(Duration::from_s(10));
    let known = plan(Role::Initiator, "KNOWN", |config| config.credentials = credentials);
    let known = pair.ours.add_session(pair.wire.now(), known).unwrap();
    pair.run_for(Duration::from_s(2));
    assert_eq!(status(&pair, known).state, State::Active);
    assert_eq!((status(&pair, known).next_in, status(&pair, known).next_out), (3, 3));
}
