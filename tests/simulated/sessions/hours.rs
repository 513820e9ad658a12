//! Sessions that are open by a schedule.

use super::*;

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
