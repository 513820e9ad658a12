//! What an operator says while a session's connection is about to end.

use super::*;

#[test]
fn a_logout_that_is_under_way_is_not_cut_short_by_another_word_of_an_operator_or_the_end() {
    for is_end in [false, true] {
        let mut pair = pair();
        let (now, session) = (pair.wire.now(), SessionId(0));
        pair.theirs.drain_session(now, session, "maintenance").unwrap();
        if is_end {
            pair.theirs.log_out(now, "done");
        } else {
            pair.theirs.resume_session(now, session).unwrap();
            pair.theirs.drain_session(now, session, "after all").unwrap();
        }
        pair.run_for(Duration::from_ms(500));
        assert_eq!(pair.theirs.app().logouts, [(0, CloseReason::LogoutComplete)], "{is_end}");
        assert_eq!(pair.ours.app().logouts, [(0, CloseReason::LogoutByPeer)], "{is_end}");
        assert_eq!(status(&pair, session).parting_words[..], *b"maintenance");
        assert!(pair.theirs.desk().statuses().all(|status| status.stays_down), "{is_end}");
    }
}

#[test]
fn numbers_that_an_operator_sets_while_the_connection_still_closes_outlive_it() {
    let mut pair = pair();
    let [ours, theirs] = add(&mut pair, "SECOND", |config| config.reset_on_disconnect = true);
    pair.run_for(Duration::from_s(1));
    pair.theirs.drain_session(pair.wire.now(), theirs, "").unwrap();
    let is_closing = |pair: &Both| matches!(status(pair, ours).state, State::Closing(_));
    for _ in 0..1_000 {
        if is_closing(&pair) {
            break;
        }
        pair.step();
    }
    assert!(is_closing(&pair), "{:?}", status(&pair, ours).state);
    let set = pair.ours.set_session_numbers(pair.wire.now(), ours, Some(7), Some(9));
    assert_eq!(set, Ok((7, 9)));
    pair.run_for(Duration::from_ms(500));
    let stands = status(&pair, ours);
    assert_eq!((stands.state, stands.next_out, stands.next_in), (State::Disconnected, 7, 9));
}
