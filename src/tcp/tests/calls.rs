//! What may be called of a connection: by which id, on which terms, and before its next hop is known.

use super::super::terms::KeptTerms;
use super::super::*;
use super::{LOCAL, REMOTE, plain};
use crate::time::{Duration, Instant};

#[test]
fn a_stale_id_names_nothing() {
    let local = LOCAL;
    let mut stack = Stack::new(Config { connections_max: 1, ..plain() }, [3; 16]);
    let old = stack.connect(Instant::ZERO, local, REMOTE).unwrap();
    stack.abort(Instant::ZERO, old);
    assert_eq!(stack.poll_event(), Some((old, Event::Closed(Closed::Aborted))));
    stack.release(old);
    let new = stack.connect(Instant::ZERO, local, REMOTE).unwrap();
    assert_eq!(new.index(), old.index());
    stack.abort(Instant::ZERO, old);
    stack.release(old);
    assert_eq!(stack.reserve(old, 1), Err(SendRefusal::StaleId));
    assert_eq!(stack.counters().of(Count::StaleId), 3);
    assert_eq!(stack.info(old), None);
    assert_eq!(stack.info(new).map(|info| info.state), Some(State::SynSent));
    stack.release(new);
    assert_eq!(stack.info(new), None);
}

#[test]
fn id_of_a_connection_that_still_closes_names_nothing_once_released() {
    use crate::wire::tcp::{Flags, Options, Segment, SeqNumber};
    let (local, remote) = (LOCAL, REMOTE);
    let mut stack = Stack::new(plain(), [3; 16]);
    let id = stack.connect(Instant::ZERO, local, remote).unwrap();
    let iss = stack.poll_transmit(Instant::ZERO).unwrap().header.seq;
    let segment = Segment {
        src_port: remote.port,
        dst_port: local.port,
        seq: SeqNumber(5),
        ack: iss + 1,
        flags: Flags::SYN.with(Flags::ACK),
        window: 100,
        options: Options::NONE,
        payload: &[],
        is_ce: false,
    };
    stack.on_segment(Instant::ZERO, remote.addr, local.addr, &segment);
    assert!(stack.reserve(id, 1).is_ok());
    stack.release(id);
    assert_eq!(stack.reserve(id, 1), Err(SendRefusal::StaleId));
    let transmit = stack.poll_transmit(Instant::ZERO).unwrap();
    assert!(transmit.header.flags.has(Flags::FIN) && transmit.connection.is_none());
}

#[test]
fn terms_of_one_connection_are_not_the_others() {
    let (local, remote) = (LOCAL, REMOTE);
    let mut stack = Stack::new(plain(), [1; 16]);
    let now = Instant::ZERO;
    let one = stack.connect(now, local, remote).unwrap();
    let other = stack.connect(now, Endpoint { port: 3, ..local }, remote).unwrap();
    let terms = Terms { ack_delay: Some(Duration::from_s(9)), nagle: true, ..stack.terms() };
    stack.set_terms(one, &terms);
    let of = |id: ConnectionId| stack.connections[id.index()].apart.terms;
    let bounded = Terms { ack_delay: Some(Duration::from_ms(500)), ..terms };
    assert_eq!(of(one), KeptTerms::of(&bounded));
    assert_eq!(of(other), KeptTerms::of(&stack.terms()));
    assert_ne!(of(one), of(other));
}

#[test]
fn segments_put_aside_for_want_of_an_address_leave_once_it_is_known() {
    let mut stack = Stack::new(plain(), [5; 16]);
    let remote = REMOTE;
    stack.connect(Instant::ZERO, LOCAL, remote).unwrap();
    assert_eq!(stack.next_transmit().map(|turn| turn.remote), Some(remote.addr));
    stack.defer_transmit();
    assert!(stack.next_transmit().is_none());
    stack.on_timeout(Instant::from_ms(5000));
    assert!(stack.next_transmit().is_none(), "what never left is not sent again");
    stack.resume_transmits();
    assert_eq!(stack.next_transmit().map(|turn| turn.remote), Some(remote.addr));
    assert!(stack.poll_transmit(Instant::from_ms(5000)).is_some_and(|syn| !syn.retransmission));
}
