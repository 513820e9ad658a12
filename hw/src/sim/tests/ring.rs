//! The receive queue: how many frames wait for a poll.

use super::*;

fn pair_with_room(rx_descriptors: usize) -> (SimNic, SimNic, Wire) {
    running_pair(Config { rx_descriptors, ..Config::default() }, 0)
}

#[test]
fn frames_past_the_ring_are_the_ones_that_are_lost_and_they_count() {
    let (mut a, mut b, wire) = pair_with_room(40);
    for number in 0..50 {
        send(&mut a, &numbered(number), FULL);
    }
    wire.advance(Duration::from_us(1));
    assert_eq!(b.counters().rx_ring_full, 10, "they came before the poll");
    assert_eq!(numbers(&receive(&mut b)), (0..40).collect::<Vec<u8>>());
    send(&mut a, &numbered(77), FULL);
    wire.advance(Duration::from_us(1));
    assert_eq!(numbers(&receive(&mut b)), [77], "descriptors came back");
    assert_eq!((b.counters().rx_ring_full, b.counters().rx_no_buffer), (10, 0));
    assert_eq!(b.counters().rx_frames, 41);
}

#[test]
fn a_poll_in_between_makes_room() {
    let (mut a, mut b, wire) = pair_with_room(BURST_MAX);
    for round in 0..4 {
        for number in 0..BURST_MAX as u8 {
            send(&mut a, &numbered(number), FULL);
        }
        wire.advance(Duration::from_us(1));
        assert_eq!(receive(&mut b).len(), BURST_MAX, "round {round}");
    }
    assert_eq!(b.counters().rx_ring_full, 0);
}

#[test]
fn frames_under_way_take_no_descriptor() {
    let (mut a, mut b, wire) = pair_with_room(1);
    send(&mut a, &numbered(1), FULL);
    wire.advance(Duration::from_ns(500));
    send(&mut a, &numbered(2), FULL);
    wire.advance(Duration::from_ns(500));
    assert_eq!(numbers(&receive(&mut b)), [1]);
    wire.advance(Duration::from_ns(500));
    assert_eq!(numbers(&receive(&mut b)), [2]);
    assert_eq!(b.counters().rx_ring_full, 0);
}

#[test]
fn a_waiting_frame_is_a_delivery_in_the_past() {
    let (mut a, mut b, wire) = running_pair(Config::default(), 0);
    for number in 0..BURST_MAX as u8 + 1 {
        send(&mut a, &numbered(number), FULL);
    }
    wire.set_now(ns(9_000));
    assert_eq!(b.rx_burst(&mut Burst::new()), BURST_MAX);
    assert_eq!(wire.next_delivery(), Some(ns(1_000)));
    assert_eq!(receive(&mut b).len(), 1);
    assert_eq!(wire.next_delivery(), None);
}
