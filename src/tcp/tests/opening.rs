//! RFC 9293 3.5 and 3.10.7.1 to 3.10.7.3: how connections begin, and what does not begin one.

use super::super::*;
use super::{LOCAL, REMOTE, plain};
use crate::time::{Duration, Instant};
use crate::wire::tcp::{Flags, Options, Segment, SeqNumber};

/// A segment from `port` of the peer to the listener.
fn segment(port: u16, flags: Flags, seq: u32, ack: SeqNumber) -> Segment<'static> {
    Segment {
        src_port: port,
        dst_port: LOCAL.port,
        seq: SeqNumber(seq),
        ack,
        flags,
        window: 1000,
        options: Options::NONE,
        payload: &[],
        is_ce: false,
    }
}

#[test]
fn full_backlog_and_full_stack_drop_syns_by_name() {
    let config = Config { backlog_max: 2, connections_max: 3, syn_cookies: false, ..plain() };
    let mut stack = Stack::new(config, [1; 16]);
    stack.listen(LOCAL).unwrap();
    let syn = |stack: &mut Stack, port| {
        let syn = segment(port, Flags::SYN, 1, SeqNumber(0));
        stack.on_segment(Instant::ZERO, REMOTE.addr, LOCAL.addr, &syn).connection.is_some()
    };
    assert_eq!([1, 2, 3].map(|port| syn(&mut stack, port)), [true, true, false]);
    assert_eq!(stack.counters().of(Count::BacklogFull), 1);
    let other = Endpoint { port: 1, ..LOCAL };
    stack.connect(Instant::ZERO, other, REMOTE).unwrap();
    let full = stack.connect(Instant::ZERO, Endpoint { port: 2, ..LOCAL }, REMOTE);
    assert_eq!(full, Err(OpenRefusal::ConnectionsFull));
    assert_eq!(stack.counters().of(Count::ConnectionsFull), 1);
    assert_eq!(stack.connect(Instant::ZERO, other, REMOTE), Err(OpenRefusal::EndpointInUse));
}

/// In whichever order they were asked for: terms are those of the address that was connected to.
#[test]
fn who_listens_at_an_address_goes_before_who_listens_at_all() {
    let (all, second) = ("0.0.0.0".parse().unwrap(), "10.0.0.77".parse().unwrap());
    for order in [[all, LOCAL.addr], [LOCAL.addr, all]] {
        let mut stack = Stack::new(plain(), [1; 16]);
        for addr in order {
            let terms = Terms { nagle: addr == all, ..stack.terms() };
            stack.listen_by(Endpoint { addr, ..LOCAL }, terms).unwrap();
        }
        for (at, port) in [(LOCAL.addr, 1), (second, 2)] {
            let syn = segment(port, Flags::SYN, 1, SeqNumber(0));
            let id = stack.on_segment(Instant::ZERO, REMOTE.addr, at, &syn).connection.unwrap();
            let nagle = stack.connections[id.index()].apart.terms.nagle();
            assert_eq!(nagle, at == second, "{order:?}, to {at}");
        }
    }
}

/// A connection from `port` that the application closed first and the peer then.
fn in_time_wait(stack: &mut Stack, port: u16) -> ConnectionId {
    let now = Instant::from_ms(u64::from(port));
    let arrive = |stack: &mut Stack, flags, seq, ack| {
        let arrival =
            stack.on_segment(now, REMOTE.addr, LOCAL.addr, &segment(port, flags, seq, ack));
        let left = core::iter::from_fn(|| stack.poll_transmit(now).map(|sent| sent.header.seq));
        (arrival.connection, left.last())
    };
    let (id, syn_ack) = arrive(stack, Flags::SYN, 1, SeqNumber(0));
    let (id, iss) = (id.expect("a place"), syn_ack.expect("a SYN-ACK"));
    arrive(stack, Flags::ACK, 2, iss + 1);
    assert_eq!(stack.poll_event(), Some((id, Event::Connected)));
    stack.shutdown(now, id);
    assert!(stack.poll_transmit(now).is_some());
    arrive(stack, Flags::FIN.with(Flags::ACK), 2, iss + 2);
    assert_eq!(stack.info(id).map(|info| info.state), Some(State::TimeWait));
    assert_eq!(stack.poll_event(), Some((id, Event::PeerClosed)));
    assert_eq!(stack.poll_event(), Some((id, Event::Closed(Closed::Finished))));
    id
}

#[test]
fn a_syn_that_finds_no_place_looks_at_one_connection_at_most() {
    let config = Config { connections_max: 64, backlog_max: 64, syn_cookies: false, ..plain() };
    let mut stack = Stack::new(config, [1; 16]);
    stack.listen(LOCAL).unwrap();
    for port in 1..=48 {
        let id = in_time_wait(&mut stack, port);
        if port <= 32 {
            stack.release(id);
        }
    }
    let now = Instant::from_ms(100);
    // Four of these take a place of TIME-WAIT already: of SYN-RECEIVED there are fewer than may be, in half of all places.
    for port in 1..=20 {
        stack.connect(now, Endpoint { port, ..LOCAL }, REMOTE).unwrap();
    }
    let accepted = (1_000..1_200).filter(|port| {
        let syn = segment(*port, Flags::SYN, 1, SeqNumber(0));
        stack.on_segment(now, REMOTE.addr, LOCAL.addr, &syn).connection.is_some()
    });
    assert_eq!(accepted.count(), 28);
    assert_eq!(stack.counters().of(Count::TimeWaitCutShort), 32);
    assert_eq!(stack.counters().of(Count::ConnectionsFull), 172);
    assert!(stack.places_looked_at <= 200, "{}", stack.places_looked_at);
}

#[test]
fn whoever_only_waits_for_its_end_makes_room_the_oldest_first() {
    let config = Config { connections_max: 2, ..plain() };
    let mut stack = Stack::new(config, [1; 16]);
    stack.listen(LOCAL).unwrap();
    let (first, second) = (in_time_wait(&mut stack, 10), in_time_wait(&mut stack, 20));
    let syn = |stack: &mut Stack, port| {
        let syn = segment(port, Flags::SYN, 1, SeqNumber(0));
        stack.on_segment(Instant::from_ms(30), REMOTE.addr, LOCAL.addr, &syn).connection.is_some()
    };
    assert!(!syn(&mut stack, 30), "the application still holds both");
    assert_eq!(stack.counters().of(Count::ConnectionsFull), 1);
    stack.release(second);
    stack.release(first);
    assert!(syn(&mut stack, 30));
    assert_eq!(stack.counters().of(Count::TimeWaitCutShort), 1);
    // A segment of the one that had to go is nobody's; the other still answers.
    let fin = |stack: &mut Stack, port| {
        let fin = segment(port, Flags::FIN.with(Flags::ACK), 2, SeqNumber(0));
        let arrival = stack.on_segment(Instant::from_ms(31), REMOTE.addr, LOCAL.addr, &fin);
        arrival.connection.is_some()
    };
    assert!(!fin(&mut stack, 10) && fin(&mut stack, 20));
}

#[test]
fn ephemeral_ports_differ_until_they_are_exhausted() {
    let config = Config { ephemeral_ports: 50_000..=50_003, ..plain() };
    let mut stack = Stack::new(config, [1; 16]);
    let local = Endpoint { port: 0, ..LOCAL };
    let mut ports: Vec<u16> = (0..4)
        .map(|_| {
            let id = stack.connect(Instant::ZERO, local, REMOTE).unwrap();
            stack.info(id).unwrap().local.port
        })
        .collect();
    ports.sort_unstable();
    assert_eq!(ports, [50_000, 50_001, 50_002, 50_003]);
    assert_eq!(stack.connect(Instant::ZERO, local, REMOTE), Err(OpenRefusal::PortsExhausted));
}

/// RFC 8985 6.2, step 1: the first ACK of data may be a delayed one, and is not the least for it.
#[test]
fn the_handshake_is_the_first_of_the_round_trips() {
    let mut stack = Stack::new(plain(), [1; 16]);
    stack.listen(LOCAL).unwrap();
    let at = |ms| Instant::from_ms(ms);
    let syn = segment(5000, Flags::SYN, 1, SeqNumber(0));
    let id = stack.on_segment(at(10), REMOTE.addr, LOCAL.addr, &syn).connection.unwrap();
    let iss = stack.poll_transmit(at(10)).unwrap().header.seq;
    stack.on_segment(at(12), REMOTE.addr, LOCAL.addr, &segment(5000, Flags::ACK, 2, iss + 1));
    let least = |stack: &Stack| stack.info(id).unwrap().rtt_min;
    assert_eq!(least(&stack), Some(Duration::from_ms(2)));
    stack.write(at(20), id, 5, |room| room.len()).unwrap();
    assert!(stack.poll_transmit(at(20)).is_some());
    stack.on_segment(at(60), REMOTE.addr, LOCAL.addr, &segment(5000, Flags::ACK, 2, iss + 6));
    assert_eq!(least(&stack), Some(Duration::from_ms(2)));
}
