//! Each refusal of a call has a counter, which counts it once, and nothing else counts it.

use super::super::*;
use super::prepared::Line;
use super::{LOCAL, REMOTE, plain};
use crate::time::Instant;

const NOW: Instant = Instant::ZERO;

/// That what `act` does is counted by `counter`, once, and by no other.
fn counts(stack: &mut Stack, counter: &str, act: impl FnOnce(&mut Stack)) {
    let before: Vec<_> = stack.counters().iter().collect();
    act(stack);
    let after: Vec<_> = stack.counters().iter().collect();
    let moved = after.iter().zip(&before).filter(|(now, then)| now != then);
    let moved: Vec<_> = moved.map(|(now, then)| (now.0, now.1 - then.1)).collect();
    assert_eq!(moved, [(counter, 1)]);
}

fn connect(stack: &mut Stack, local: Endpoint, remote: Endpoint) -> Result<(), OpenRefusal> {
    stack.connect(NOW, local, remote).map(|_| ())
}

fn listen(stack: &mut Stack, local: Endpoint) -> Result<(), OpenRefusal> {
    stack.listen(local).map(|_| ())
}

#[test]
fn of_connect_and_listen() {
    let few = Config { connections_max: 2, listeners_max: 1, ..plain() };
    let mut stack = Stack::new(Config { ephemeral_ports: 6_000..=6_000, ..few }, [3; 16]);
    let (any, used) = (Endpoint { port: 0, ..LOCAL }, Endpoint { port: 6_000, ..LOCAL });
    let other = Endpoint { port: 1, ..REMOTE };
    let invalid = Err(OpenRefusal::EndpointInvalid);
    counts(&mut stack, "tcp_endpoint_invalid", |s| assert_eq!(listen(s, any), invalid));
    counts(&mut stack, "tcp_endpoint_invalid", |s| assert_eq!(connect(s, LOCAL, LOCAL), invalid));
    stack.listen(LOCAL).unwrap();
    stack.connect(NOW, any, REMOTE).unwrap();
    let in_use = Err(OpenRefusal::EndpointInUse);
    counts(&mut stack, "tcp_endpoint_in_use", |s| assert_eq!(listen(s, LOCAL), in_use));
    counts(&mut stack, "tcp_endpoint_in_use", |s| assert_eq!(connect(s, used, REMOTE), in_use));
    let full = Err(OpenRefusal::ListenersFull);
    counts(&mut stack, "tcp_listeners_full", |s| assert_eq!(listen(s, used), full));
    let exhausted = Err(OpenRefusal::PortsExhausted);
    counts(&mut stack, "tcp_ports_exhausted", |s| assert_eq!(connect(s, any, REMOTE), exhausted));
    stack.connect(NOW, LOCAL, REMOTE).unwrap();
    let full = Err(OpenRefusal::ConnectionsFull);
    counts(&mut stack, "tcp_connections_full", |s| assert_eq!(connect(s, LOCAL, other), full));
}

#[test]
fn of_reserve_and_write() {
    let small = Config { send_buffer_bytes: 700, message_bytes_max: 600, ..plain() };
    let refused = |stack: &mut Stack, id, len, why: SendRefusal, counter| {
        counts(stack, counter, |stack| assert_eq!(stack.reserve(id, len), Err(why)));
        let written = |stack: &mut Stack| stack.write(NOW, id, len, |_| panic!("no room"));
        counts(stack, counter, |stack| assert_eq!(written(stack), Err(why)));
    };
    let Line { mut stack, id, now, .. } = Line::new(small);
    refused(&mut stack, id, 601, SendRefusal::TooLong, "tcp_send_too_long");
    stack.write(now, id, 500, |room| room.len()).unwrap();
    refused(&mut stack, id, 201, SendRefusal::NoRoom, "tcp_send_no_room");
    stack.reserve(id, 10).unwrap();
    stack.shutdown(now, id);
    // What was reserved comes to nothing.
    counts(&mut stack, "tcp_send_closed", |stack| assert_eq!(stack.commit(now, id, 10), None));
    refused(&mut stack, id, 1, SendRefusal::Closed, "tcp_send_closed");
    stack.release(id);
    refused(&mut stack, id, 1, SendRefusal::StaleId, "tcp_stale_id");
    let id = stack.connect(now, Endpoint { port: 7, ..LOCAL }, REMOTE).unwrap();
    refused(&mut stack, id, 1, SendRefusal::NotConnected, "tcp_send_not_connected");
}

#[test]
fn of_export_and_import() {
    use SnapshotRefusal::*;
    let Line { mut stack, id, now, .. } = Line::new(plain());
    stack.write(now, id, 500, |room| room.len()).unwrap();
    let snapshot = stack.export(now, id).unwrap();
    let refused = |stack: &mut Stack, snapshot: &Snapshot, why, counter| {
        counts(stack, counter, |stack| assert_eq!(stack.import(now, snapshot), Err(why)));
    };
    refused(&mut stack, &snapshot, EndpointInUse, "tcp_endpoint_in_use");
    let few = Config { connections_max: 1, send_buffer_bytes: 400, ..plain() };
    let mut other = Stack::new(few, [1; 16]);
    refused(&mut other, &snapshot, BuffersTooSmall, "tcp_import_buffers_too_small");
    let cut = &snapshot.as_bytes()[..50];
    let cut = Snapshot::from_bytes(cut).unwrap();
    refused(&mut other, &cut, Malformed, "tcp_import_malformed");
    let elsewhere = Endpoint { port: 7, ..LOCAL };
    let opening = other.connect(now, elsewhere, REMOTE).unwrap();
    refused(&mut other, &snapshot, ConnectionsFull, "tcp_connections_full");
    let not_exported = |stack: &mut Stack, id, why, counter| {
        counts(stack, counter, |stack| assert_eq!(stack.export(now, id), Err(why)));
    };
    not_exported(&mut other, opening, NotSynchronized, "tcp_export_not_synchronized");
    stack.let_go(id);
    not_exported(&mut stack, id, StaleId, "tcp_stale_id");
    let mut line = Line::new(plain());
    let prepared = line.prepare();
    let held = line.stack.send_held(line.now, &prepared, b"held", 0, true).unwrap().1;
    assert!(held.is_some());
    not_exported(&mut line.stack, line.id, PayloadsHeld, "tcp_export_payloads_held");
}

#[test]
fn of_a_reset_where_as_many_wait_as_there_is_place_for() {
    use crate::wire::tcp::{Flags, Options, Segment, SeqNumber};
    let mut stack = Stack::new(Config { connections_max: 1, ..plain() }, [3; 16]);
    let to_nobody = Segment {
        src_port: REMOTE.port,
        dst_port: LOCAL.port,
        seq: SeqNumber(5),
        ack: SeqNumber(9),
        flags: Flags::ACK,
        window: 100,
        options: Options::NONE,
        payload: b"text",
        is_ce: false,
    };
    let comes = |stack: &mut Stack| {
        stack.on_segment(NOW, REMOTE.addr, LOCAL.addr, &to_nobody);
        stack.counters().of(Count::ResetQueueFull)
    };
    for _ in 0..64 {
        assert_eq!(comes(&mut stack), 0);
    }
    assert_eq!(comes(&mut stack), 1);
    let left = core::iter::from_fn(|| stack.poll_transmit(NOW).map(|_| ())).count();
    assert_eq!(left, 64);
    // There is place again.
    assert_eq!(comes(&mut stack), 1);
}
