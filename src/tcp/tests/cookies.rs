//! RFC 4987 3.6: SYNs that a full listener answers without keeping anything of them.

use super::super::*;
use super::{LOCAL, REMOTE, plain};
use crate::time::Instant;
use crate::wire::tcp::{Flags, Options, Segment, SeqNumber};

#[test]
fn flood_of_syns_keeps_nobody_out_and_costs_the_others_nothing() {
    let config = Config { backlog_max: 4, connections_max: 8, ..plain() };
    let mut stack = Stack::new(config, [1; 16]);
    stack.listen(LOCAL).unwrap();
    let now = Instant::from_ms(5);
    let segment = |port, flags, seq, ack| Segment {
        src_port: port,
        dst_port: LOCAL.port,
        seq: SeqNumber(seq),
        ack,
        flags,
        window: 1000,
        options: Options { mss: Some(1000), ..Options::NONE },
        payload: &[],
        is_ce: false,
    };
    let arrive = |stack: &mut Stack, port, flags, seq, ack| {
        let segment = segment(port, flags, seq, ack);
        let arrival = stack.on_segment(now, REMOTE.addr, LOCAL.addr, &segment);
        let left = core::iter::from_fn(|| stack.poll_transmit(now).map(|sent| sent.header));
        (arrival.connection, left.last())
    };
    let open = |stack: &mut Stack, port| {
        let (_, syn_ack) = arrive(stack, port, Flags::SYN, 7, SeqNumber(0));
        let ack = syn_ack.expect("an answer").seq + 1;
        arrive(stack, port, Flags::ACK, 8, ack).0.expect("a connection")
    };
    let before = open(&mut stack, 1);
    for port in 1000..3000 {
        let (_, syn_ack) = arrive(&mut stack, port, Flags::SYN, 7, SeqNumber(0));
        assert!(syn_ack.is_some_and(|header| header.flags.has(Flags::SYN.with(Flags::ACK))));
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
    let (_, syn_ack) = arrive(&mut stack, 5, Flags::SYN, 7, SeqNumber(0));
    let ack = syn_ack.unwrap().seq + 1;
    assert_eq!(arrive(&mut stack, 5, Flags::ACK, 8, ack), (None, None));
    assert_eq!(stack.counters().of(Count::ConnectionsFull), 1);
    stack.abort(now, after);
    assert!(stack.poll_transmit(now).is_some());
    while stack.poll_event().is_some() {}
    stack.release(after);
    assert!(arrive(&mut stack, 5, Flags::ACK, 8, ack).0.is_some());
}
