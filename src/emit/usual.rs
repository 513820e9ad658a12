//! The usual segment, by lanes and without, against one whose headers are written field by field.

use super::tests::{NETWORK, PEER, PEER_MAC, connected, emitter};
use super::*;
use crate::offload::profile::Policy;
use crate::wire::tcp::Segment;

const NOW: Instant = Instant::from_ms(50);
const USUAL_LEN: usize = template::USUAL_LEN;
/// As many bytes as a lane has.
const LANE: usize = whole_lanes(1);

/// A connection, and what its peer says next.
type Side = (Stack, Segment<'static>, ConnectionId);

/// The peer acknowledges all, and says a byte more; the answer is `payload`.
fn answers((stack, peer, id): &mut Side, payload: &[u8]) {
    peer.ack = stack.info(*id).unwrap().snd_nxt;
    stack.on_segment(NOW, PEER, NETWORK.addr, peer);
    peer.seq += 1;
    let put = |room: &mut [u8]| {
        room.copy_from_slice(payload);
        payload.len()
    };
    stack.write(NOW, *id, payload.len(), put).unwrap();
}

#[test]
fn usual_segment_is_written_as_any_other_to_the_byte_whatever_room_is_behind() {
    for policy in [Policy::Off, Policy::Prefer] {
        let mut emitter = emitter(policy, NETWORK);
        let is_by_lanes = !matches!(emitter.way, Way::Any);
        assert_eq!(is_by_lanes, Avx2::find().is_some());
        let (mut short, mut long) = (connected(), connected());
        let mut usual = 0;
        let lens = (1..=2 * LANE).chain([150, 151, 159, 160, 161, 255, 256, 257, 1_000, 1_448]);
        for (len, spare) in lens.flat_map(|len| [0, LANE - 1, 2 * LANE].map(|spare| (len, spare))) {
            let payload: Vec<u8> = (0..len).map(|at| (at * 7 + len) as u8).collect();
            answers(&mut short, &payload);
            answers(&mut long, &payload);
            let segment = long.0.poll_transmit(NOW).unwrap();
            assert_eq!(segment.payload.concat(), payload);
            let (mut found, mut expected) = ([0xee; 1_600], [0xee; 1_600]);
            let written = emitter.tcp_anew(PEER_MAC, &segment, &mut expected);
            let room = USUAL_LEN + len + spare;
            let leaving = short.0.next_fast(NOW);
            let out = &mut found[..room];
            let written_so =
                leaving.and_then(|leaving| emitter.usual(MacWord::of(PEER_MAC), leaving, out));
            if let Some(len) = written_so {
                assert_eq!((len, emitter.usual_meta()), written);
                let touched = room.min(USUAL_LEN + whole_lanes(payload.len()));
                let behind = &found[touched..];
                assert!(behind.iter().all(|byte| *byte == 0xee), "{policy:?} {len} {spare}");
                usual += 1;
            } else {
                let turn = short.0.next_transmit().unwrap();
                let by_turn = emitter.turn(PEER_MAC, &mut short.0, NOW, turn, &mut found);
                assert_eq!(by_turn, Some(written));
            }
            assert_eq!(found[..written.0], expected[..written.0], "{policy:?} {len} {spare}");
        }
        assert!(usual > 150, "{usual}");
    }
}
