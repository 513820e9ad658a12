//! Bytes in order, out of order, and within windows (RFC 9293 3.4, 3.8.6).

use super::super::*;
use super::{LOCAL, REMOTE, plain};
use crate::time::Instant;
use crate::wire::tcp::{Flags, Options, Segment, SeqNumber};

/// A stack with one established connection, fed by hand.
struct ByHand {
    stack: Stack,
    id: ConnectionId,
    our_iss: SeqNumber,
}

impl ByHand {
    fn new() -> ByHand {
        let mut stack = Stack::new(plain(), [9; 16]);
        let id = stack.connect(Instant::ZERO, LOCAL, REMOTE).unwrap();
        let our_iss = stack.poll_transmit(Instant::ZERO).unwrap().header.seq;
        let mut by_hand = ByHand { stack, id, our_iss };
        by_hand.arrive(0, Flags::SYN.with(Flags::ACK), b"");
        assert!(by_hand.stack.poll_transmit(Instant::ZERO).is_some());
        by_hand
    }

    fn arrive(&mut self, seq: u32, flags: Flags, payload: &[u8]) -> Arrival {
        let segment = Segment {
            src_port: REMOTE.port,
            dst_port: LOCAL.port,
            seq: SeqNumber(seq),
            ack: self.our_iss + 1,
            flags,
            window: 1000,
            options: Options::NONE,
            payload,
            is_ce: false,
        };
        self.stack.on_segment(Instant::ZERO, REMOTE.addr, LOCAL.addr, &segment)
    }
}

#[test]
fn duplicate_acks_leave_as_often_as_segments_came_even_beside_data() {
    let mut by_hand = ByHand::new();
    for seq in [11, 21, 31] {
        by_hand.arrive(seq, Flags::ACK, &[0; 10]);
    }
    assert!(by_hand.stack.reserve(by_hand.id, 10).is_ok());
    by_hand.stack.commit(Instant::ZERO, by_hand.id, 10);
    let mut lengths = Vec::new();
    while let Some(transmit) = by_hand.stack.poll_transmit(Instant::ZERO) {
        lengths.push(transmit.payload.concat().len());
    }
    assert_eq!(lengths, [10, 0, 0, 0]);
}

#[test]
fn first_copy_of_a_byte_wins() {
    let mut by_hand = ByHand::new();
    by_hand.arrive(3, Flags::ACK, b"XY");
    by_hand.arrive(4, Flags::ACK, b"--");
    let arrival = by_hand.arrive(1, Flags::ACK, b"abcdefg");
    assert_eq!((arrival.fresh, arrival.joined), (0..2, true));
    assert_eq!(by_hand.stack.readable(by_hand.id), b"XY-fg");
}
