//! Connections that are moved to a stack unlike their own.

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
