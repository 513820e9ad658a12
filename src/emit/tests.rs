//! Frames as they were written, read again.

use core::net::Ipv4Addr;

use super::*;
use crate::offload::plan::{Advert, Capabilities, Provider};
use crate::offload::profile::{Policy, Profile};
use crate::tcp::Config;
use crate::wire::tcp::{Flags, Options, Segment, SeqNumber};

pub(super) const NETWORK: Network = Network {
    mac: Mac([2, 0, 0, 0, 0, 2]),
    addr: Ipv4Addr::new(10, 9, 0, 2),
    prefix_len: 24,
    gateway: None,
    vlan: None,
    mtu: 1500,
};
pub(super) const PEER_MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
pub(super) const PEER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);

/// A connection, what its peer says next, and its id.
pub(super) fn connected() -> (Stack, Segment<'static>, ConnectionId) {
    let (stack, id) = prepared::tests::connected(Config::default());
    let info = stack.info(id).unwrap();
    let peer = Segment {
        src_port: info.remote.port,
        dst_port: info.local.port,
        seq: info.rcv_nxt,
        ack: info.snd_nxt,
        flags: Flags::ACK.with(Flags::PSH),
        window: 1_000,
        options: Options {
            timestamps: Some(tcp::Timestamps { value: 77, echo: 0 }),
            ..Options::NONE
        },
        payload: b"x",
        is_ce: false,
    };
    (stack, peer, id)
}

pub(super) fn emitter(policy: Policy, network: Network) -> Emitter {
    let advert = Advert { by: Provider::Model, how: "for a test" };
    let device = Capabilities::NONE
        .with(Capability::TxIpv4Checksum, advert)
        .with(Capability::TxTcpChecksum, advert);
    Emitter::new(&Plan::negotiate("test", &Profile::all(policy), &device), network)
}

fn transmit<'a>(payload: [&'a [u8]; 2]) -> Transmit<'a> {
    Transmit {
        connection: None,
        local: NETWORK.addr,
        remote: PEER,
        header: tcp::Repr {
            src_port: 49_152,
            dst_port: 9878,
            seq: SeqNumber(1),
            ack: SeqNumber(2),
            flags: Flags::ACK,
            window: 512,
            options: Options::NONE,
        },
        payload,
        retransmission: false,
        is_ect: false,
    }
}

#[test]
fn a_finished_frame_is_right_wherever_the_payload_is_cut() {
    let payload: Vec<u8> = (0..101).collect();
    for vlan in [None, Some(7)] {
        let network = Network { vlan, ..NETWORK };
        for cut in 0..=payload.len() {
            let (first, second) = payload.split_at(cut);
            let mut out = vec![0xee; 256];
            let (len, meta) =
                emitter(Policy::Off, network).tcp(PEER_MAC, &transmit([first, second]), &mut out);
            let frame = ethernet::Packet::parse(&out[..len]).unwrap();
            let packet = ipv4::Packet::parse(frame.payload).unwrap();
            let segment = tcp::Packet::parse(packet.payload).unwrap();
            assert!(packet.checksum_is_valid());
            assert!(packet.tcp_pseudo_header().plus(Sum::of(segment.bytes())).is_valid(), "{cut}");
            assert_eq!(segment.segment().unwrap().payload, payload);
            assert_eq!((frame.vlan, frame.dst, frame.src), (vlan, PEER_MAC, NETWORK.mac));
            assert_eq!(meta.tcp, TxChecksum::Full);
            assert_eq!(usize::from(meta.l2_len), frame.header_len);
        }
    }
}

#[test]
fn a_frame_left_to_the_device_holds_the_pseudo_header_s_sum_and_no_header_sum() {
    let mut out = vec![0xee; 256];
    let (len, meta) =
        emitter(Policy::Prefer, NETWORK).tcp(PEER_MAC, &transmit([b"8=FIX", b".4.4"]), &mut out);
    let packet = ipv4::Packet::parse(&out[14..len]).unwrap();
    let segment = tcp::Packet::parse(packet.payload).unwrap();
    assert_eq!(segment.checksum(), packet.tcp_pseudo_header().folded());
    assert_eq!(packet.header[10..12], [0, 0]);
    assert_eq!((meta.ipv4, meta.tcp), (TxChecksum::Partial, TxChecksum::Partial));
    assert_eq!((meta.l2_len, meta.l3_len, meta.l4_len), (14, 20, 20));
    assert_eq!(segment.segment().unwrap().payload, b"8=FIX.4.4");
}

/// Over every sum that there is.
#[test]
fn an_ack_alone_is_written_as_any_other_to_the_byte() {
    for (policy, count) in [(Policy::Off, 1 << 16), (Policy::Prefer, 300)] {
        let mut emitter = emitter(policy, NETWORK);
        let (mut short, mut long) = (connected(), connected());
        let now = Instant::from_ms(50);
        for value in 0..count {
            let heard = |(stack, peer, _): &mut (Stack, Segment<'static>, ConnectionId)| {
                let stamps = peer.options.timestamps.as_mut().unwrap();
                stamps.value += u32::from(value > 0);
                stack.on_segment(now, PEER, NETWORK.addr, peer);
                peer.seq += 1;
            };
            heard(&mut short);
            heard(&mut long);
            let ack = long.0.poll_transmit(now).unwrap();
            let (mut found, mut expected) = ([0xee; 128], [0xee; 128]);
            let written = emitter.tcp_anew(PEER_MAC, &ack, &mut expected);
            let turn = short.0.next_transmit().unwrap();
            assert!(value < 2 || short.0.ack_alone(turn).is_some());
            let by_turn = emitter.turn(PEER_MAC, &mut short.0, now, turn, &mut found);
            assert_eq!(by_turn, Some(written));
            assert_eq!(found[..written.0], expected[..written.0], "{value}");
            assert_eq!(written.0, 66);
        }
    }
}

/// Bytes come in this order, so that one to three ranges are held.
const ORDER: [u32; 7] = [0, 2, 4, 6, 1, 3, 5];

#[test]
fn an_ack_with_blocks_is_written_as_any_other_to_the_byte() {
    for (policy, rounds) in [(Policy::Off, 1 << 14), (Policy::Prefer, 100)] {
        let mut emitter = emitter(policy, NETWORK);
        let mut sides = [connected(), connected()];
        let (first, now) = (sides[0].1.seq, Instant::from_ms(50));
        let mut with_blocks = 0;
        for (round, by) in (0..rounds).flat_map(|round| ORDER.map(|by| (round, by))) {
            for (stack, peer, _) in &mut sides {
                peer.options.timestamps.as_mut().unwrap().value += 1;
                peer.seq = first + (7 * round + by);
                let arrival = stack.on_segment(now, PEER, NETWORK.addr, peer);
                let id = arrival.connection.unwrap();
                stack.consume(now, id, stack.readable(id).len());
            }
            let [(short, ..), (long, ..)] = &mut sides;
            let ack = long.poll_transmit(now).unwrap();
            let (mut found, mut expected) = ([0xee; 128], [0xee; 128]);
            let written = emitter.tcp_anew(PEER_MAC, &ack, &mut expected);
            let turn = short.next_transmit().unwrap();
            with_blocks += u32::from(short.ack_with_blocks(turn).is_some());
            let by_turn = emitter.turn(PEER_MAC, short, now, turn, &mut found);
            assert_eq!(by_turn, Some(written));
            assert_eq!(found[..written.0], expected[..written.0], "{by} of {round}");
        }
        assert!(with_blocks > 5 * (rounds - 1), "{with_blocks}");
    }
}

#[test]
fn headers_at_a_place_that_two_connections_share_are_usual_for_neither() {
    let mut emitter = emitter(Policy::Off, NETWORK);
    let mut out = vec![0; 256];
    let timestamps = Some(tcp::Timestamps { value: 1, echo: 2 });
    let first = ConnectionId::for_test(0);
    for (index, is_usual) in [(0, true), (TEMPLATES as u32, false), (0, true)] {
        let mut segment = transmit([b"8=FIX.4.4", b""]);
        segment.connection = Some(ConnectionId::for_test(index));
        segment.header.options.timestamps = timestamps;
        emitter.tcp(PEER_MAC, &segment, &mut out);
        let found = emitter.templates[0].is_usual_for(MacWord::of(PEER_MAC), first);
        assert_eq!(found, is_usual, "after one of connection {index}");
    }
}

#[test]
fn a_short_frame_is_padded_with_zeros_not_with_what_was_there() {
    let mut out = vec![0xee; 256];
    let (len, _) = emitter(Policy::Off, NETWORK).tcp(PEER_MAC, &transmit([b"", b""]), &mut out);
    assert_eq!(len, FRAME_LEN_MIN);
    assert_eq!(out[54..60], [0; 6]);
}
