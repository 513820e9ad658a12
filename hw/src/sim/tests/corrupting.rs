//! Which bits a wire flips, and which of the frames it flips them in are wrong.

use super::*;
use crate::checksums;

/// Received frames, each beside the one that was sent, and what the wire has counted.
fn corrupted(corrupt_at: Aim, frame: &[u8], frames: usize) -> (Vec<Vec<u8>>, WireCounters) {
    let config = Config { a: Model::bare(), b: Model::bare(), ..Config::default() };
    let (mut a, mut b, wire) = running_pair(config, 5);
    let faults = Faults { corrupt_ppm: 1_000_000, corrupt_at, ..Faults::default() };
    wire.set_faults(Direction::AToB, faults);
    let mut received = Vec::new();
    for _ in 0..frames {
        send(&mut a, frame, FULL);
        assert_eq!(wire.counters(Direction::AToB).received_wrong, wrong(&received), "on its way");
        wire.advance(Duration::from_us(1));
        received.extend(receive(&mut b).into_iter().map(|(_, bytes)| bytes));
    }
    (received, wire.counters(Direction::AToB))
}

fn is_right(frame: &[u8]) -> bool {
    let sums = (checksums::ipv4_is_right(frame), checksums::tcp_is_right(frame));
    sums == (Some(true), Some(true))
}

fn wrong(frames: &[Vec<u8>]) -> u64 {
    frames.iter().filter(|frame| !is_right(frame)).count() as u64
}

#[test]
fn a_flip_in_the_padding_makes_no_frame_wrong_and_every_other_does() {
    // 54 bytes of packet, 6 of padding that the wire wants.
    let (received, counters) = corrupted(Aim::Anywhere, &tcp_frame(b""), 300);
    assert_eq!((counters.corrupted, received.len()), (300, 300));
    assert_eq!(counters.received_wrong, wrong(&received));
    assert!((240..290).contains(&counters.received_wrong), "{}", counters.received_wrong);
}

#[test]
fn a_flip_that_is_aimed_changes_one_checksum_and_nothing_else() {
    let right = tcp_frame(PAYLOAD);
    for (aim, field) in [(Aim::Ipv4Checksum, 24..26), (Aim::TcpChecksum, L4 + 16..L4 + 18)] {
        let (received, counters) = corrupted(aim, &right, 100);
        assert_eq!((counters.received_wrong, received.len()), (100, 100));
        for mut frame in received {
            assert_ne!(frame[field.clone()], right[field.clone()], "{aim:?}");
            frame[field.clone()].copy_from_slice(&right[field.clone()]);
            assert_eq!(frame[..right.len()], right[..], "{aim:?}");
        }
    }
}

#[test]
fn a_frame_without_a_segment_is_hit_anywhere() {
    let mut fragment = tcp_frame(PAYLOAD);
    fragment[20] = 0x20;
    checksums::finish_ipv4(&mut fragment, 14, 20).unwrap();
    let (received, counters) = corrupted(Aim::TcpChecksum, &fragment, 100);
    let places = received
        .iter()
        .map(|frame| fragment.iter().zip(frame).position(|(sent, received)| sent != received));
    let different: std::collections::BTreeSet<_> = places.collect();
    assert!(different.len() > 20, "{different:?}");
    assert_eq!(counters.corrupted, 100);
}
