//! RFC 4987 3.6: SYNs that a full listener answers without keeping anything of them.

use super::super::*;
use super::{LOCAL, REMOTE, plain};
use crate::time::Instant;
use crate::wire::tcp::{Flags, Options, Repr, Segment, SeqNumber};

const NOW: Instant = Instant::from_ms(5);
const IRS: u32 = 7;

/// A segment of a peer's comes. Says which connection it was for, and what left last.
fn arrive(
    stack: &mut Stack,
    port: u16,
    flags: Flags,
    ack: SeqNumber,
) -> (Option<ConnectionId>, Option<Repr>) {
    let segment = Segment {
        src_port: port,
        dst_port: LOCAL.port,
        seq: SeqNumber(IRS + u32::from(!flags.has(Flags::SYN))),
        ack,
        flags,
        window: 1000,
        options: Options { mss: Some(1000), ..Options::NONE },
        payload: &[],
        is_ce: false,
    };
    let arrival = stack.on_segment(NOW, REMOTE.addr, LOCAL.addr, &segment);
    let left = core::iter::from_fn(|| stack.poll_transmit(NOW).map(|sent| sent.header));
    (arrival.connection, left.last())
}

/// What the ACK of the answer to a SYN is of.
fn ask(stack: &mut Stack, port: u16) -> SeqNumber {
    let (_, syn_ack) = arrive(stack, port, Flags::SYN, SeqNumber(0));
    let syn_ack = syn_ack.expect("an answer");
    assert!(syn_ack.flags.has(Flags::SYN.with(Flags::ACK)));
    syn_ack.seq + 1
}

fn open(stack: &mut Stack, port: u16) -> ConnectionId {
    let ack = ask(stack, port);
    arrive(stack, port, Flags::ACK, ack).0.expect("a connection")
}

#[test]
fn flood_of_syns_keeps_nobody_out_and_costs_the_others_nothing() {
    let config = Config { backlog_max: 4, connections_max: 8, ..plain() };
    let mut stack = Stack::new(config, [1; 16]);
    stack.listen(LOCAL).unwrap();
    let before = open(&mut stack, 1);
    for port in 1000..3000 {
        ask(&mut stack, port);
    }
    let after = open(&mut stack, 2);
    for id in [before, after] {
        assert_eq!(stack.info(id).map(|info| info.state), Some(State::Established));
    }
    let counted = [Count::SynCookieOut, Count::SynCookieAccepted, Count::BacklogFull];
    assert_eq!(counted.map(|what| stack.counters().of(what)), [1997, 1, 0]);
    // Where no connection is free either, an ACK that is right waits for one.
    for port in 3..5 {
        open(&mut stack, port);
    }
    let ack = ask(&mut stack, 5);
    assert_eq!(arrive(&mut stack, 5, Flags::ACK, ack), (None, None));
    assert_eq!(stack.counters().of(Count::ConnectionsFull), 1);
    stack.abort(NOW, after);
    assert!(stack.poll_transmit(NOW).is_some());
    while stack.poll_event().is_some() {}
    stack.release(after);
    assert!(arrive(&mut stack, 5, Flags::ACK, ack).0.is_some());
}

#[test]
fn more_than_are_remembered_open_nothing_twice_and_cost_those_on_their_way_a_second_try() {
    let mut stack = Stack::new(Config { backlog_max: 0, connections_max: 1, ..plain() }, [1; 16]);
    stack.listen(LOCAL).unwrap();
    let count = |stack: &Stack, what| stack.counters().of(what);
    let on_its_way = ask(&mut stack, 9_999);
    let mut opened = Vec::new();
    while count(&stack, Count::SynCookieKeyChanged) == 0 {
        let port = opened.len() as u16 + 10_000;
        let ack = ask(&mut stack, port);
        let id = arrive(&mut stack, port, Flags::ACK, ack).0.expect("a connection");
        arrive(&mut stack, port, Flags::RST, SeqNumber(0));
        while stack.poll_event().is_some() {}
        stack.release(id);
        opened.push((port, ack));
    }
    assert!(opened.len() > 4_000, "{}", opened.len());
    let reset_each = |stack: &mut Stack, those: &[(u16, SeqNumber)]| {
        for &(port, ack) in those {
            let (connection, left) = arrive(stack, port, Flags::ACK, ack);
            assert_eq!((connection, left.map(|it| it.flags)), (None, Some(Flags::RST)));
        }
    };
    reset_each(&mut stack, &opened);
    reset_each(&mut stack, &[(9_999, on_its_way)]);
    assert_eq!(count(&stack, Count::SynCookieWrong), opened.len() as u64 + 1);
    let (connection, ack) = (open(&mut stack, 9_999), ask(&mut stack, 9_998));
    stack.abort(NOW, connection);
    assert!(stack.poll_transmit(NOW).is_some());
    while stack.poll_event().is_some() {}
    stack.release(connection);
    assert!(arrive(&mut stack, 9_998, Flags::ACK, ack).0.is_some());
}
