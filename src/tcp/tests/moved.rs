//! Connections that are moved to a stack unlike their own: on a smaller link, or with a clock that began later.

use super::super::*;
use super::{LOCAL, REMOTE, plain};
use crate::time::{Duration, Instant};
use crate::wire::icmp::Quoted;
use crate::wire::tcp::{Flags, Options, Segment, SeqNumber, Timestamps};

const BEGIN: Instant = Instant::from_ms(1_000);
const ROUND_TRIP: Duration = Duration::from_ms(51);

/// A connection whose handshake took a round trip, and the next segment of its peer.
fn established(config: Config) -> (Stack, ConnectionId, Instant, Segment<'static>) {
    let mut stack = Stack::new(config, *b"sixteen secret b");
    let id = stack.connect(BEGIN, LOCAL, REMOTE).unwrap();
    let syn = stack.poll_transmit(BEGIN).unwrap().header;
    let stamps = syn.options.timestamps.map(|ours| Timestamps { value: 1_000, echo: ours.value });
    let mut segment = Segment {
        src_port: REMOTE.port,
        dst_port: LOCAL.port,
        seq: SeqNumber(7),
        ack: syn.seq + 1,
        flags: Flags::SYN.with(Flags::ACK),
        window: 60_000,
        options: Options { timestamps: stamps, ..syn.options },
        payload: &[],
        is_ce: false,
    };
    let now = BEGIN + ROUND_TRIP;
    stack.on_segment(now, REMOTE.addr, LOCAL.addr, &segment);
    while stack.poll_transmit(now).is_some() {}
    (segment.seq, segment.flags) = (SeqNumber(8), Flags::ACK);
    segment.options = Options { timestamps: stamps, ..Options::NONE };
    (stack, id, now, segment)
}

fn write(stack: &mut Stack, now: Instant, id: ConnectionId, len: usize) {
    stack.reserve(id, len).unwrap().fill(b'x');
    stack.commit(now, id, len).unwrap();
}

/// All that leaves now: the length of each payload.
fn leave(stack: &mut Stack, now: Instant) -> Vec<usize> {
    let mut lens = Vec::new();
    while let Some(transmit) = stack.poll_transmit(now) {
        lens.push(transmit.payload.concat().len());
    }
    lens
}

#[test]
fn segments_stay_as_small_as_the_new_link_is_when_a_path_is_believed_in_again() {
    let (mut stack, id, now, mut segment) = established(Config { mss: 8_960, ..plain() });
    let quoted = |seq| Quoted {
        src: LOCAL.addr,
        dst: REMOTE.addr,
        src_port: LOCAL.port,
        dst_port: REMOTE.port,
        seq,
        packet_len: 9_000,
    };
    let first = stack.info(id).unwrap().snd_nxt;
    write(&mut stack, now, id, 9_000);
    assert_eq!(leave(&mut stack, now), [8_960, 40]);
    stack.on_path_mtu(now, &quoted(first), 1_400);
    assert_eq!(stack.info(id).unwrap().mss, 1_360);
    segment.ack += 9_000;
    stack.on_segment(now, REMOTE.addr, LOCAL.addr, &segment);
    let snapshot = stack.export(now, id).unwrap();
    for (mss, before, after) in [(1_460, 1_360, 1_460), (1_200, 1_200, 1_200)] {
        let mut other = Stack::new(Config { mss, ..plain() }, *b"sixteen secret b");
        let id = other.import(now, &snapshot).unwrap();
        assert_eq!(other.info(id).unwrap().mss, before);
        let later = now + Duration::from_s(601);
        other.on_timeout(later);
        assert_eq!(other.info(id).unwrap().mss, after);
        write(&mut other, later, id, 3_000);
        let lens = leave(&mut other, later);
        assert!(lens.iter().all(|len| *len <= usize::from(mss)), "{lens:?} of {mss}");
    }
}

#[test]
fn a_timestamp_is_old_for_24_days_though_the_new_clock_has_seen_none_of_them() {
    let days = |days: u64| Duration::from_s(days * 24 * 3_600);
    let config = Config { timestamps: true, ..plain() };
    for (idle, after, is_old) in
        [(1, 0, true), (1, 22, true), (1, 24, false), (20, 3, true), (20, 5, false), (25, 0, false)]
    {
        let (mut stack, id, now, mut segment) = established(config.clone());
        let snapshot = stack.export(now + days(idle), id).unwrap();
        let mut other = Stack::new(config.clone(), *b"sixteen secret b");
        let young = Instant::from_ms(1_000);
        let id = other.import(young, &snapshot).unwrap();
        // And through a third, whose clock is as young.
        let then = Instant::from_ms(1_500);
        let snapshot = other.export(then, id).unwrap();
        let mut third = Stack::new(config.clone(), *b"sixteen secret b");
        third.import(young, &snapshot).unwrap();
        segment.options.timestamps = Some(Timestamps { value: 999, echo: 0 });
        segment.payload = b"hello";
        let now = young + days(after);
        third.on_segment(now, REMOTE.addr, LOCAL.addr, &segment);
        let old = third.counters().of(Count::TimestampOld);
        assert_eq!(old > 0, is_old, "{idle} days idle, {after} days later");
    }
}

#[test]
fn what_left_before_the_new_clock_began_makes_no_round_trip_short() {
    for timestamps in [false, true] {
        let config = Config { timestamps, ..plain() };
        let (mut stack, id, now, mut segment) = established(config.clone());
        write(&mut stack, now, id, 100);
        let stamp = stack.poll_transmit(now).unwrap().header.options.timestamps;
        let then = now + Duration::from_ms(50);
        let snapshot = stack.export(then, id).unwrap();
        let mut other = Stack::new(config, *b"sixteen secret b");
        let id = other.import(Instant::from_ms(10), &snapshot).unwrap();
        segment.ack += 100;
        segment.options.timestamps =
            stamp.map(|ours| Timestamps { value: 1_001, echo: ours.value });
        other.on_segment(Instant::from_ms(11), REMOTE.addr, LOCAL.addr, &segment);
        let info = other.info(id).unwrap();
        assert_eq!(info.snd_una, segment.ack);
        assert_eq!((info.srtt, info.rtt_min), (Some(ROUND_TRIP), Some(ROUND_TRIP)));
    }
}

#[test]
fn where_segments_are_to_end_they_end_after_a_move_too() {
    let (mut stack, id, now, _) = established(plain());
    write(&mut stack, now, id, 30);
    stack.end_segment(now, id);
    write(&mut stack, now, id, 40);
    stack.await_commit(now, id);
    let snapshot = stack.export(now, id).unwrap();
    let mut other = Stack::new(plain(), [1; 16]);
    let id = other.import(now, &snapshot).unwrap();
    assert_eq!(leave(&mut other, now), [30]);
    write(&mut other, now, id, 5);
    assert_eq!(leave(&mut other, now), [45]);
}

#[test]
fn a_time_wait_that_never_ends_is_not_taken() {
    let (mut stack, id, now, mut segment) = established(plain());
    stack.shutdown(now, id);
    assert_eq!(leave(&mut stack, now), [0]);
    (segment.ack, segment.flags) = (segment.ack + 1, Flags::ACK.with(Flags::FIN));
    stack.on_segment(now, REMOTE.addr, LOCAL.addr, &segment);
    assert_eq!(stack.info(id).map(|info| info.state), Some(State::TimeWait));
    let import = |snapshot: &Snapshot| Stack::new(plain(), [1; 16]).import(now, snapshot);
    assert!(import(&stack.export(now, id).unwrap()).is_ok());
    stack.connections[id.index()].deadlines.linger = Instant::FAR_FUTURE;
    let endless = stack.export(now, id).unwrap();
    assert_eq!(import(&endless), Err(SnapshotRefusal::Malformed));
}
