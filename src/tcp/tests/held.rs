//! Payloads that are kept where they left from: what is asked for again, by which bounds, and until when.

use super::super::*;
use super::plain;
use super::prepared::Line;
use crate::time::Duration;
use crate::wire::tcp::Segment;

const PAYLOAD: [u8; 150] = {
    let mut bytes = [0; 150];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = at as u8;
        at += 1;
    }
    bytes
};

impl Line {
    fn hold(&mut self, payload: &[u8]) -> Option<HeldPayload> {
        let prepared = self.prepare();
        self.stack.send_held(self.now, &prepared, payload, 0, true).unwrap().1
    }

    /// Nothing is heard until the first of what is in flight is sent again. What is wanted for it?
    fn wait(&mut self) -> (Turn, Option<Again>) {
        loop {
            self.now = self.now + Duration::from_ms(10);
            self.stack.on_timeout(self.now);
            if let Some(turn) = self.stack.next_transmit() {
                return (turn, self.stack.wants_again(turn));
            }
        }
    }

    fn acknowledge(&mut self, ack: u32) {
        let ack = self.iss + 1 + ack;
        self.hear(Segment { ack, ..self.peer });
    }
}

#[test]
fn the_whole_is_asked_for_again_until_it_is_acknowledged() {
    let mut line = Line::new(plain());
    let name = line.hold(&PAYLOAD).unwrap();
    assert!(!line.stack.lets_go(name));
    for _ in 0..3 {
        let (turn, wanted) = line.wait();
        assert_eq!(wanted, Some(Again::Whole(name)));
        let left = line.stack.transmit(line.now, turn).unwrap();
        assert_eq!((left.header.seq, left.payload.concat().len()), (line.iss + 1, PAYLOAD.len()));
        assert!(left.retransmission);
    }
    line.acknowledge(149);
    assert!(!line.stack.lets_go(name), "a byte is missing");
    line.acknowledge(150);
    assert!(line.stack.lets_go(name));
}

#[test]
fn what_is_left_of_one_that_is_acknowledged_in_part_comes_out_of_the_ring() {
    let mut line = Line::new(plain());
    let name = line.hold(&PAYLOAD).unwrap();
    line.acknowledge(40);
    let (turn, wanted) = line.wait();
    assert_eq!(wanted, Some(Again::Part(name)));
    line.stack.give_back(name, &PAYLOAD, Count::HeldParted);
    assert!(line.stack.lets_go(name));
    assert_eq!(line.stack.wants_again(turn), None);
    let left = line.stack.transmit(line.now, turn).unwrap();
    assert_eq!((left.header.seq, left.payload.concat()), (line.iss + 41, PAYLOAD[40..].to_vec()));
    assert_eq!(line.counter("tcp_held_parted"), 1);
}

#[test]
fn one_that_was_released_goes_on_and_asks_for_what_is_held() {
    let mut line = Line::new(plain());
    let name = line.hold(&PAYLOAD).unwrap();
    line.stack.release(line.id);
    line.drain();
    assert!(!line.stack.lets_go(name));
    // The probe that comes first asks by the FIN.
    let (turn, wanted) = line.wait();
    assert_eq!(wanted, None);
    line.stack.transmit(line.now, turn).unwrap();
    assert_eq!(line.wait().1, Some(Again::Whole(name)));
    line.acknowledge(151);
    assert!(line.stack.lets_go(name));
}

#[test]
fn who_is_over_asks_for_nothing() {
    let ends: [fn(&mut Line); 3] = [
        |line| line.stack.abort(line.now, line.id),
        |line| line.stack.let_go(line.id),
        |line| {
            let reset = Segment { flags: crate::wire::tcp::Flags::RST, ..line.peer };
            line.hear(reset);
        },
    ];
    for end in ends {
        let mut line = Line::new(plain());
        let name = line.hold(&PAYLOAD).unwrap();
        end(&mut line);
        assert!(line.stack.lets_go(name));
        line.stack.give_back(name, &PAYLOAD, Count::HeldMoved);
        assert_eq!(line.counter("tcp_held_moved"), 0, "nobody has a place for it");
    }
}

#[test]
fn no_more_are_held_than_have_a_place_and_an_export_wants_all_of_them_back() {
    let mut line = Line::new(plain());
    let names: Vec<_> = (0..=HELD_PAYLOADS_MAX).map(|_| line.hold(&PAYLOAD)).collect();
    assert!(names[..HELD_PAYLOADS_MAX].iter().all(Option::is_some));
    assert_eq!((names[HELD_PAYLOADS_MAX], line.counter("tcp_held_full")), (None, 1));
    assert_eq!(line.counter("tcp_held_out"), HELD_PAYLOADS_MAX as u64);
    for name in names.into_iter().flatten() {
        let refused = line.stack.export(line.now, line.id);
        assert_eq!(refused, Err(SnapshotRefusal::PayloadsHeld));
        assert_eq!(line.stack.next_held(line.id), Some(name));
        line.stack.give_back(name, &PAYLOAD, Count::HeldMoved);
    }
    let snapshot = line.stack.export(line.now, line.id).unwrap();
    let (mut other, now) = (Stack::new(plain(), [4; 16]), line.now);
    other.import(now, &snapshot).unwrap();
    let mut bytes = Vec::new();
    let mut heard = 0;
    for ms in 0..20_000 {
        let now = now + Duration::from_ms(ms);
        other.on_timeout(now);
        while let Some(left) = other.poll_transmit(now) {
            let at = left.header.seq.since(line.iss + 1) as usize;
            let payload = left.payload.concat();
            bytes.resize(bytes.len().max(at + payload.len()), 0);
            bytes[at..at + payload.len()].copy_from_slice(&payload);
            if at <= heard {
                heard = heard.max(at + payload.len());
            }
            let peer = Segment { ack: line.iss + 1 + heard as u32, ..line.peer };
            other.on_segment(now, super::REMOTE.addr, super::LOCAL.addr, &peer);
        }
    }
    assert_eq!(bytes, PAYLOAD.repeat(HELD_PAYLOADS_MAX + 1));
}
