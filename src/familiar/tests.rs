//! What is recognized, against what the long way reads, and whose it is.

use proptest::prelude::*;

use super::*;
use crate::emit::Emitter;
use crate::offload::plan::{Capabilities, Plan};
use crate::offload::profile::{Policy, Profile};
use crate::tcp::{Config, Endpoint, Transmit};
use crate::wire::Refusal;
use crate::wire::ethernet::Mac;
use crate::wire::tcp::SeqNumber;

const OURS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
const THEIRS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);

fn network(addr: Ipv4Addr, last: u8) -> Network {
    let mac = Mac([2, 0, 0, 0, 0, last]);
    Network { mac, addr, prefix_len: 24, gateway: None, vlan: None, mtu: 1500 }
}

fn ours() -> Familiar {
    Familiar::new(&network(OURS, 2))
}

fn frame(seed: u32, payload: &[u8], options: Options) -> Vec<u8> {
    let network = network(THEIRS, 1);
    let segment = Transmit {
        connection: None,
        local: network.addr,
        remote: OURS,
        header: tcp::Repr {
            src_port: 9878,
            dst_port: 50_000,
            seq: SeqNumber(seed),
            ack: SeqNumber(seed.rotate_left(9)),
            flags: Flags::ACK.with(Flags::PSH),
            window: seed as u16,
            options,
        },
        payload: [payload, &[]],
        retransmission: false,
        is_ect: seed & 1 == 1,
    };
    let plan = Plan::negotiate("test", &Profile::all(Policy::Off), &Capabilities::NONE);
    let mut out = vec![0; 2048];
    let dst = Mac([2, 0, 0, 0, 0, 2]);
    let (len, _) = Emitter::new(&plan, network).tcp(dst, &segment, &mut out);
    out.truncate(len);
    out
}

fn stamped(seed: u32) -> Options {
    let timestamps = Some(Timestamps { value: seed, echo: !seed });
    Options { timestamps, ..Options::NONE }
}

/// One that is made quickly.
fn narrow_stack() -> Stack {
    let (send_buffer_bytes, receive_buffer_bytes) = (64, 64);
    let config =
        Config { connections_max: 1, send_buffer_bytes, receive_buffer_bytes, ..Config::default() };
    Stack::new(config, [7; 16])
}

/// What the long way finds.
fn read(bytes: &[u8]) -> Result<(ipv4::Packet<'_>, Segment<'_>, ethernet::Packet<'_>), Refusal> {
    let frame = ethernet::Packet::parse(bytes)?;
    let packet = ipv4::Packet::parse(frame.payload)?;
    let mut segment = tcp::Packet::parse(packet.payload)?.segment()?;
    segment.is_ce = packet.is_ce();
    Ok((packet, segment, frame))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn what_is_recognized_is_what_the_long_way_finds(
        seed in any::<u32>(),
        payload in prop::collection::vec(any::<u8>(), 0..64),
        edits in prop::collection::vec((0usize..70, any::<u8>()), 0..3),
        cut in prop::option::of(0usize..140),
    ) {
        let familiar = ours();
        let mut bytes = frame(seed, &payload, stamped(seed));
        let unharmed = edits.is_empty() && cut.is_none_or(|cut| cut >= bytes.len());
        for (at, byte) in edits {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        bytes.truncate(cut.unwrap_or(usize::MAX));
        let found = familiar.recognize(&bytes);
        prop_assert!(found.is_some() || !unharmed);
        // Looked ahead at, it is as familiar, and the same is in it.
        let from_a_host = found.is_some_and(|found| ipv4::is_valid_source(found.packet().src));
        let ends_there = ours().ends_of(&bytes);
        prop_assert_eq!(ends_there.is_some(), from_a_host);
        // It is so behind a frame that was familiar, and is itself known by then.
        let mut seen_others = ours();
        prop_assert!(seen_others.ends_of(&frame(seed, b"", stamped(seed))).is_some());
        for _ in 0..2 {
            prop_assert_eq!(seen_others.ends_of(&bytes), ends_there);
        }
        let (stack, id) = (narrow_stack(), ConnectionId::for_test(3));
        if let (Some(found), true) = (found, from_a_host) {
            let (known, whose) = ours().find_known(&stack, &bytes, id).expect("it was found ahead");
            prop_assert_eq!(whose, id);
            prop_assert_eq!(known.payload(), found.payload());
            prop_assert_eq!(known.packet().header, found.packet().header);
            prop_assert_eq!(known.tcp().bytes(), found.tcp().bytes());
        }
        if let Some(found) = found {
            let read_there = found.segment();
            if read_there.src_port == 0 || read_there.dst_port == 0 {
                // The long way refuses it; no connection has such a port.
                return Ok(());
            }
            let (packet, segment, frame) = read(&bytes).expect("the long way takes it too");
            prop_assert_eq!(frame.dst, Mac([2, 0, 0, 0, 0, 2]));
            prop_assert_eq!((frame.vlan, packet.dst), (None, OURS));
            let addrs = u64::from(packet.src.to_bits()) << 32 | u64::from(packet.dst.to_bits());
            let ports = u32::from(segment.src_port) << 16 | u32::from(segment.dst_port);
            let there = found.packet();
            let theirs = (found.addr_at(IP + 12).to_bits(), found.addr_at(IP + 16).to_bits());
            prop_assert_eq!((theirs.0, theirs.1), ((addrs >> 32) as u32, addrs as u32));
            prop_assert_eq!(found.ports(), ports);
            prop_assert_eq!((packet.src, packet.dst), (there.src, there.dst));
            prop_assert_eq!(packet.header, there.header);
            prop_assert_eq!(packet.payload, there.payload);
            prop_assert_eq!(packet.protocol, there.protocol);
            prop_assert_eq!(found.tcp().bytes(), packet.payload);
            prop_assert_eq!(found.tcp().segment().unwrap().payload, segment.payload);
            prop_assert_eq!(found.payload(), segment.payload);
            prop_assert_eq!(format!("{read_there:?}"), format!("{segment:?}"));
            let stamped = found.stamped();
            prop_assert_eq!((stamped.seq(), stamped.ack()), (segment.seq, segment.ack));
            prop_assert_eq!((stamped.flags(), stamped.window()), (segment.flags, segment.window));
            let value = segment.options.timestamps.map(|stamps| stamps.value);
            prop_assert_eq!((Some(stamped.stamp()), stamped.payload_len()), (value, segment.payload.len()));
        }
    }
}

#[test]
fn only_headers_with_timestamps_and_nothing_else_are_familiar() {
    let sack = Some(tcp::SackBlocks::of(SeqNumber(1), SeqNumber(2)));
    let familiar = ours();
    assert!(familiar.recognize(&frame(1, b"x", Options { sack, ..stamped(1) })).is_none());
    assert!(familiar.recognize(&frame(1, b"no options at all here", Options::NONE)).is_none());
    let stamped = frame(1, b"x", stamped(1));
    assert!(familiar.recognize(&stamped[..60]).is_none());
    assert!(familiar.recognize(&stamped).is_some());
    let tagged = Familiar::new(&Network { vlan: Some(5), ..network(OURS, 2) });
    assert!(tagged.recognize(&stamped).is_none());
}

fn connection(familiar: &mut Familiar, stack: &Stack, frame: &[u8]) -> Option<ConnectionId> {
    assert!(familiar.recognize(frame).is_some());
    familiar.find(stack, frame).map(|(_, id)| id)
}

#[test]
fn a_frame_is_its_connection_s_whoever_s_the_last_one_was_and_nobody_s_once_that_is_over() {
    let now = crate::time::Instant::from_ms(1);
    let mut stack = Stack::new(Config::default(), [7; 16]);
    let mut familiar = ours();
    let first = frame(1, b"x", stamped(1));
    assert_eq!(connection(&mut familiar, &stack, &first), None);
    let mut ids = Vec::new();
    let mut frames = Vec::new();
    for port in [50_000, 50_001] {
        let local = Endpoint { addr: OURS, port };
        let remote = Endpoint { addr: THEIRS, port: 9878 };
        ids.push(stack.connect(now, local, remote).unwrap());
        let syn = stack.poll_transmit(now).unwrap().header;
        let mut bytes = frame(1, b"x", stamped(1));
        bytes[TCP + 2..TCP + 4].copy_from_slice(&port.to_be_bytes());
        frames.push(bytes);
        let last = &frames[ids.len() - 1];
        assert_eq!(connection(&mut familiar, &stack, last), None, "it is not established yet");
        let timestamps = syn.options.timestamps.map(|_| Timestamps { value: 1, echo: 1 });
        let answer = Segment {
            src_port: 9878,
            dst_port: port,
            seq: SeqNumber(7),
            ack: syn.seq + 1,
            flags: Flags::SYN.with(Flags::ACK),
            window: 1_000,
            options: Options { timestamps, ..Options::NONE },
            payload: &[],
            is_ce: false,
        };
        stack.on_segment(now, THEIRS, OURS, &answer);
        while stack.poll_transmit(now).is_some() {}
    }
    for turn in [0, 1, 1, 1, 0, 0] {
        assert_eq!(connection(&mut familiar, &stack, &frames[turn]), Some(ids[turn]));
    }
    let mut another_s = frames[0].clone();
    another_s[IP + 15] ^= 8;
    let found = connection(&mut familiar, &stack, &another_s);
    assert_eq!(found, None, "another address, the same ports");
    stack.abort(now, ids[0]);
    let (found, id) = familiar.find(&stack, &frames[0]).unwrap();
    assert_eq!(id, ids[0], "nobody has looked");
    assert!(!stack.take_predicted(now, ids[0], found.stamped()), "nothing is to come");
    familiar.forget();
    assert_eq!(connection(&mut familiar, &stack, &frames[0]), None);
}
