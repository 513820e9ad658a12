//! Sessions that come and go while others trade, and those that are open by a schedule: two engines in virtual time.

mod common;

use common::{OURS, PORT, Pair, THEIRS, Terms};
use fixwire::app::echo::Echo;
use fixwire::app::taker::Taker;
use fixwire::app::{Application, SessionId};
use fixwire::desk::{
    LineEvent, LineFailure, PeerRefusal, RosterError, SessionPlan, SessionRefusal, SessionStatus,
};
use fixwire::fix::{
    CloseReason, CompId, Message, Outlet, Role, Schedule, Sender, SessionConfig, State, Store,
    SubIds, Version, Window,
};
use fixwire::offload::RxStamp;
use fixwire::offload::profile::{Policy, Profile};
use fixwire::tcp::{Config, Endpoint};
use fixwire::time::{Clock, Duration, UtcTime};
use fixwire_hw::sim::Faults;

const HOUR: Duration = Duration::from_s(3_600);

/// Writes down who logs on and off, and sends an order with each logon.
#[derive(Default)]
struct Diary {
    logons: Vec<u16>,
    logouts: Vec<(u16, CloseReason)>,
    orders: Vec<u16>,
    added: Vec<u16>,
}

impl Application for Diary {
    fn on_logon<S: Store, O: Outlet>(&mut self, session: SessionId, orders: &mut Sender<'_, S, O>) {
        self.logons.push(session.0);
        orders.send(b"D", |order| _ = order.put_u32(38, 1)).expect("an order leaves");
    }

    fn on_added(&mut self, session: SessionId) {
        self.added.push(session.0);
    }

    fn on_logout(&mut self, session: SessionId, reason: CloseReason) {
        self.logouts.push((session.0, reason));
    }

    fn on_message<S: Store, O: Outlet>(
        &mut self,
        session: SessionId,
        _: &Message<'_>,
        _: Option<RxStamp>,
        _: &mut Sender<'_, S, O>,
    ) {
        self.orders.push(session.0);
    }
}

type Both = Pair<Diary, Diary>;

fn pair() -> Both {
    let mut pair = Pair::with_apps(Terms::default(), Diary::default(), Diary::default());
    pair.run_for(Duration::from_s(1));
    pair
}

fn plan(role: Role, desk: &str, tune: impl FnOnce(&mut SessionConfig)) -> SessionPlan {
    let id = |text| CompId::new(text).unwrap();
    let (ours, theirs) = if role == Role::Initiator { (desk, "VENUE") } else { ("VENUE", desk) };
    let mut config = SessionConfig::new(Version::Fix44, role, id(ours), id(theirs));
    tune(&mut config);
    let peer = Endpoint { addr: THEIRS, port: PORT };
    SessionPlan { reconnect_interval: Duration::from_s(1), ..SessionPlan::new(config, peer) }
}

/// Adds a session on both sides.
fn add(pair: &mut Both, desk: &str, tune: impl Fn(&mut SessionConfig)) -> [SessionId; 2] {
    let now = pair.wire.now();
    let theirs = pair.theirs.add_session(now, plan(Role::Acceptor, desk, &tune)).unwrap();
    let ours = pair.ours.add_session(now, plan(Role::Initiator, desk, &tune)).unwrap();
    [ours, theirs]
}

fn status(pair: &Both, session: SessionId) -> SessionStatus<'_> {
    pair.ours.desk().statuses().nth(usize::from(session.0)).unwrap()
}

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

/// Open for an hour, closed for an hour, twice, from an hour after `start`.
fn schedule(start: UtcTime) -> Schedule {
    let at = |hours: u64| UtcTime::from_unix_ns(start.as_unix_ns() + HOUR.times(hours).as_ns());
    let windows = [1, 3].map(|hour| Window { start: at(hour), end: at(hour + 1) });
    Schedule::new(windows.into()).unwrap()
}

#[test]
fn a_schedule_connects_logs_out_and_begins_numbers_again() {
    let mut pair = pair();
    let start = pair.wire.now().utc;
    let scheduled = schedule(start);
    let [ours, _] = add(&mut pair, "HOURS", |config| config.schedule = Some(scheduled.clone()));
    pair.run_for(Duration::from_s(3_500));
    assert_eq!(pair.ours.app().logons, [0], "it is closed");
    assert_eq!(status(&pair, ours).closed_until, Some(scheduled.windows()[0].start));
    assert_eq!(status(&pair, ours).last_failure, None, "nobody was connected to");

    pair.run_for(Duration::from_s(200));
    assert_eq!(pair.ours.app().logons, [0, 1]);
    assert_eq!(
        (status(&pair, ours).state, status(&pair, ours).closed_until),
        (State::Active, None)
    );
    pair.run_for(Duration::from_s(3_000));
    assert_eq!(status(&pair, ours).state, State::Active);
    assert!(status(&pair, ours).next_out > 50, "an hour of heartbeats");

    pair.run_for(Duration::from_s(700));
    assert_eq!(status(&pair, ours).state, State::Disconnected);
    let [(session, reason)] = pair.ours.app().logouts[..] else { panic!("one logout") };
    assert_eq!(session, 1);
    assert!([CloseReason::LogoutComplete, CloseReason::LogoutByPeer].contains(&reason), "{reason}");
    assert_eq!(status(&pair, SessionId(0)).state, State::Active, "the other one has no schedule");

    pair.run_for(HOUR);
    assert_eq!(pair.ours.app().logons, [0, 1, 1]);
    assert_eq!(status(&pair, ours).state, State::Active);
    assert!(status(&pair, ours).next_out < 20, "numbers have begun again");
    let count = |name: &str| pair.theirs.counters().find(|(known, _)| *known == name).unwrap().1;
    assert_eq!(count("numbers_reset"), 1);

    pair.run_for(HOUR.times(30));
    assert_eq!(pair.ours.app().logons, [0, 1, 1], "past the last window it stays closed");
    let until = status(&pair, ours).closed_until;
    assert_eq!(until, Some(UtcTime::from_unix_ns(u64::MAX)));
}

#[test]
fn numbers_that_an_operator_sets_are_of_the_hours_at_hand_or_of_the_next_ones() {
    let mut pair = pair();
    let scheduled = schedule(pair.wire.now().utc);
    let [ours, theirs] =
        add(&mut pair, "HOURS", |config| config.schedule = Some(scheduled.clone()));
    let set = |pair: &mut Both, numbers: (u32, u32)| {
        let now = pair.wire.now();
        let (out, back) = (Some(numbers.0), Some(numbers.1));
        assert_eq!(pair.ours.set_session_numbers(now, ours, out, back), Ok(numbers));
        assert_eq!(
            pair.theirs.set_session_numbers(now, theirs, back, out),
            Ok((numbers.1, numbers.0))
        );
    };
    let numbers = |pair: &Both| (status(pair, ours).next_out, status(pair, ours).next_in);
    // An hour before the first ones, and whatever else is set before they begin.
    set(&mut pair, (5, 6));
    pair.run_for(Duration::from_s(60));
    set(&mut pair, (40, 70));
    pair.run_for(Duration::from_s(3_541));
    assert_eq!(status(&pair, ours).state, State::Active);
    assert_eq!(numbers(&pair), (42, 72), "a Logon and an order each");

    // They are of these hours alone.
    pair.run_for(HOUR.times(2));
    assert_eq!((status(&pair, ours).state, numbers(&pair)), (State::Active, (3, 3)));

    // Within them, the first connection of the process still to come.
    let now = pair.wire.now();
    let hours = |config: &mut SessionConfig| config.schedule = Some(scheduled.clone());
    let theirs = pair.theirs.add_session(now, plan(Role::Acceptor, "LATE", hours)).unwrap();
    let late = SessionPlan { starts_down: true, ..plan(Role::Initiator, "LATE", hours) };
    let late = pair.ours.add_session(now, late).unwrap();
    pair.ours.set_session_numbers(now, late, Some(17), Some(12)).unwrap();
    pair.theirs.set_session_numbers(now, theirs, Some(12), Some(17)).unwrap();
    pair.ours.resume_session(now, late).unwrap();
    pair.run_for(Duration::from_s(1));
    let then = status(&pair, late);
    assert_eq!((then.state, then.next_out, then.next_in), (State::Active, 19, 14));
}

#[test]
fn an_initiator_whose_hours_end_while_it_connects_says_nothing_and_comes_back_in_the_next_ones() {
    let mut pair = pair();
    let now = pair.wire.now();
    let at = |s: u64| UtcTime::from_unix_ns(now.utc.as_unix_ns() + Duration::from_s(s).as_ns());
    let windows =
        [(10, 12), (40, 3_600)].map(|(start, end)| Window { start: at(start), end: at(end) });
    let hours = Schedule::new(windows.into());
    pair.theirs.add_session(now, plan(Role::Acceptor, "SLOW", |_| {})).unwrap();
    let slow = plan(Role::Initiator, "SLOW", |config| config.schedule = hours);
    let slow = pair.ours.add_session(now, slow).unwrap();
    pair.run_for(Duration::from_s(9));
    // Nobody hears of it until it is closed.
    pair.set_faults(Faults { loss_ppm: 1_000_000, ..Faults::default() });
    pair.run_for(Duration::from_ms(3_500));
    pair.set_faults(Faults::default());
    pair.run_for(Duration::from_s(12));
    let then = status(&pair, slow);
    assert_eq!((then.is_connected, then.state), (false, State::Disconnected), "{then:?}");
    assert_eq!(then.last_failure, Some(LineFailure::Fix(CloseReason::OutsideSchedule)));
    assert_eq!((then.next_out, then.closed_until), (1, Some(at(40))));
    let count =
        |of: &Both, name: &str| of.ours.counters().find(|(known, _)| *known == name).unwrap().1;
    assert_eq!(count(&pair, "close_outside_schedule"), 1);
    let why = LineFailure::Fix(CloseReason::OutsideSchedule);
    let told = std::iter::from_fn(|| pair.ours.next_line_event());
    let told = told.filter(|event| matches!(event, LineEvent::Ended { why: of, .. } if *of == why));
    assert_eq!(told.count(), 1);
    pair.run_for(Duration::from_s(20));
    assert_eq!(status(&pair, slow).state, State::Active);
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
fn an_acceptor_that_is_closed_refuses_and_says_until_when() {
    let mut pair = pair();
    let now = pair.wire.now();
    let closed = schedule(now.utc);
    let accept = plan(Role::Acceptor, "EARLY", |config| config.schedule = Some(closed.clone()));
    pair.theirs.add_session(now, accept).unwrap();
    let early = pair.ours.add_session(now, plan(Role::Initiator, "EARLY", |_| {})).unwrap();
    pair.run_for(Duration::from_s(1));
    let seen = status(&pair, early);
    let words = String::from_utf8_lossy(seen.parting_words).into_owned();
    assert!(words.starts_with("the session is closed until "), "{words}");
    assert_eq!(seen.last_failure, Some(LineFailure::Fix(CloseReason::LogonRefused)));
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
