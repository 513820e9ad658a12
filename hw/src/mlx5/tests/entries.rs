//! Entries: whose they are, byte by byte, there and back, and whatever 64 bytes.

use proptest::prelude::*;

use super::super::cqe::STRIDES_MAX;
use super::super::*;

/// An entry with these bytes at these places and zeros elsewhere.
pub(super) fn entry(bytes: &[(usize, &[u8])]) -> [u8; CQE_LEN] {
    let mut cqe = [0; CQE_LEN];
    for (at, bytes) in bytes {
        cqe[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    cqe
}

/// A frame's entry: 342 bytes of TCP with ACK and data over IPv4, everything right, owner bit 1.
const FRAME: &[(usize, &[u8])] = &[
    (0x0c, &[0xde, 0xad, 0xbe, 0xef]),
    (0x14, &[0x12, 0x34]),
    (0x1c, &[0x07]),
    (0x1d, &[0x48]),
    (0x2c, &[0x00, 0x00, 0x01, 0x56]),
    (0x30, &[0x00, 0x00, 0x01, 0x02]),
    (0x34, &[0x03, 0x04, 0x05, 0x06]),
    (0x38, &[0xaa, 0x01, 0x02, 0x03]),
    (0x3c, &[0xab, 0xcd]),
    (0x3e, &[0x5a]),
    (0x3f, &[0x21]),
];

pub(super) fn received(bytes: &[(usize, &[u8])]) -> Received {
    match Completion::decode(&entry(bytes), true) {
        Ok(Some(Completion::Received(received))) => received,
        other => panic!("{other:?}"),
    }
}

/// The frame's entry with some bytes different.
pub(super) fn frame_but(bytes: &[(usize, &[u8])]) -> Received {
    received(&[FRAME, bytes].concat())
}

#[test]
fn a_frame_s_entry_is_read_field_by_field() {
    let expected = Received {
        tunneled: false,
        rss_hash: 0xdead_beef,
        check_sum: 0x1234,
        l2_ok: true,
        l3_ok: true,
        l4_ok: true,
        l3: L3Header::Ipv4,
        l4: L4Header::TcpAckWithData,
        fragment: false,
        ip_options: false,
        vlan: None,
        byte_cnt: 342,
        strides: 0,
        timestamp: 0x0000_0102_0304_0506,
        flow_tag: FlowTag::from_bits(0x01_0203),
        wqe_counter: 0xabcd,
    };
    assert_eq!(received(FRAME), expected);
}

#[test]
fn each_bit_of_the_header_word_is_a_field_of_its_own() {
    let bare = received(&[(0x3f, &[0x21])]);
    assert_eq!(bare, Received::default());
    for (at, byte, expected) in [
        (0x00, 0x01, Received { tunneled: true, ..bare }),
        // The outer packet's version, and what other offloads use.
        (0x00, 0xfe, bare),
        (0x1c, 0x01, Received { l2_ok: true, ..bare }),
        (0x1c, 0x02, Received { l3_ok: true, ..bare }),
        (0x1c, 0x04, Received { l4_ok: true, ..bare }),
        (0x1c, 0xf8, bare),
        (0x1d, 0x80, Received { fragment: true, ..bare }),
        (0x1d, 0x10, Received { l4: L4Header::TcpNoAck, ..bare }),
        (0x1d, 0x20, Received { l4: L4Header::Udp, ..bare }),
        (0x1d, 0x30, Received { l4: L4Header::TcpAckNoData, ..bare }),
        (0x1d, 0x40, Received { l4: L4Header::TcpAckWithData, ..bare }),
        (0x1d, 0x50, Received { l4: L4Header::Reserved, ..bare }),
        (0x1d, 0x04, Received { l3: L3Header::Ipv6, ..bare }),
        (0x1d, 0x08, Received { l3: L3Header::Ipv4, ..bare }),
        (0x1d, 0x0c, Received { l3: L3Header::Reserved, ..bare }),
        (0x1d, 0x02, Received { ip_options: true, ..bare }),
        (0x1d, 0x01, Received { vlan: Some(0), ..bare }),
        // A tag that was not stripped is in the frame.
        (0x1e, 0xff, bare),
        (0x2d, 0x05, Received { strides: 5, ..bare }),
        (0x2e, 0x05, Received { byte_cnt: 0x500, ..bare }),
    ] {
        assert_eq!(received(&[(at, &[byte]), (0x3f, &[0x21])]), expected, "{at:#x}: {byte:#x}");
    }
    let tagged = received(&[(0x1d, &[0x01, 0xa0, 0x64]), (0x3f, &[0x21])]);
    assert_eq!(tagged.vlan, Some(0xa064), "priority 5 of VLAN 100");
}

#[test]
fn the_owner_bit_turns_with_each_round_and_an_entry_never_written_is_the_device_s() {
    for (consumer_index, owner) in
        [(0, false), (255, false), (256, true), (511, true), (512, false), (u32::MAX, true)]
    {
        assert_eq!(software_owner(consumer_index, 8), owner, "{consumer_index}");
    }
    for (op_own, owner, ours) in [
        (0x20, false, true),
        (0x21, true, true),
        (0x20, true, false),
        (0x21, false, false),
        // As a driver leaves them before it hands the queue over.
        (0xf0, false, false),
        (0xf1, true, false),
        (0xf1, false, false),
        // The solicited bit and the format say nothing of it.
        (0x2e, false, true),
        (0x2e, true, false),
    ] {
        assert_eq!(is_ours(op_own, owner), ours, "{op_own:#x} {owner}");
        let decoded = Completion::decode(&entry(&[(0x3f, &[op_own])]), owner);
        assert_eq!(decoded == Ok(None), !ours, "{op_own:#x} {owner}");
    }
}

#[test]
fn what_is_no_frame_is_told_apart_by_name() {
    let decode = |bytes: &[(usize, &[u8])]| Completion::decode(&entry(bytes), false);
    let filler = decode(&[(0x2c, &[0x80, 0x03, 0x01, 0x00]), (0x3f, &[0x20])]);
    assert_eq!(filler, Ok(Some(Completion::Filler { strides: 3 })));
    let compressed = decode(&[(0x2c, &[0, 0, 0, 7]), (0x3f, &[0x2c])]);
    assert_eq!(
        compressed,
        Ok(Some(Completion::Compressed { title: Received::default(), entries: 7 }))
    );
    for (op_own, side) in
        [(0xd0, Side::Requester), (0xe0, Side::Responder), (0xec, Side::Responder)]
    {
        let bytes: &[(usize, &[u8])] =
            &[(0x34, &[0xff, 0xff, 0x53, 0x05]), (0x3c, &[1, 2]), (0x3f, &[op_own])];
        let expected =
            CqeError { side, syndrome: 0x05, vendor_syndrome: 0x53, wqe_counter: 0x0102 };
        assert_eq!(decode(bytes), Ok(Some(Completion::Failed(expected))));
        assert!(expected.in_words().contains("flushed"));
    }
    for (op_own, refusal) in [
        (0x24, CqeRefusal::InlineData(1)),
        (0x28, CqeRefusal::InlineData(2)),
        (0x00, CqeRefusal::Opcode(0)),
        (0x10, CqeRefusal::Opcode(1)),
        (0x30, CqeRefusal::Opcode(3)),
        (0xc0, CqeRefusal::Opcode(12)),
        // Nothing else is compressed either.
        (0x5c, CqeRefusal::Opcode(5)),
    ] {
        assert_eq!(decode(&[(0x3f, &[op_own])]), Err(refusal));
    }
}

/// What a driver reads of a ring of eight entries, which begins with a block whose title says of nothing but
/// where its first frame lies, 10; and that the block is the driver's no more then.
fn unpacked(minis: &[[u8; 8]]) -> Vec<Completion> {
    let count = u32::try_from(minis.len()).unwrap();
    let mut ring = [[0xf0; CQE_LEN]; 8];
    ring[0] =
        entry(&[(0x2c, &count.to_be_bytes()), (0x3c, &[0, 10]), (0x3e, &[0xab]), (0x3f, &[0x2c])]);
    ring[1][..minis.len() * 8].copy_from_slice(minis.as_flattened());
    let mut queue = CompletionQueue::new(3);
    let read = (0..count).map(|_| queue.next(&mut ring).unwrap().unwrap()).collect();
    assert_eq!((queue.next(&mut ring), queue.consumer_index()), (Ok(None), count));
    read
}

#[test]
fn a_mini_that_is_a_filler_is_no_frame_and_the_next_frame_lies_behind_its_strides() {
    let frame = |rss_hash, byte_cnt, strides, wqe_counter| {
        Completion::Received(Received {
            rss_hash,
            byte_cnt,
            strides,
            wqe_counter,
            ..Received::default()
        })
    };
    let strided = unpacked(&[
        [0xde, 0xad, 0xbe, 0xef, 0x00, 0x02, 0x00, 100],
        [0xde, 0xad, 0xbe, 0xef, 0x80, 0x03, 0x01, 0x00],
        [0, 0, 0, 7, 0x00, 0x01, 0x00, 60],
        [0, 0, 0, 8, 0x7f, 0xff, 0x00, 61],
        [0, 0, 0, 9, 0x00, 0x01, 0x00, 62],
    ]);
    let expected = [
        frame(0xdead_beef, 100, 2, 10),
        Completion::Filler { strides: 3 },
        frame(7, 60, 1, 15),
        frame(8, 61, 0x7fff, 16),
        frame(9, 62, 1, 0x800f),
    ];
    assert_eq!(strided, expected);
    // Where a buffer has no strides, each frame has one to itself.
    let plain = unpacked(&[[0, 0, 0, 0, 0, 0, 0, 64], [0, 0, 0, 0, 0, 0, 0, 65]]);
    assert_eq!(plain, [frame(0, 64, 0, 10), frame(0, 65, 0, 11)]);
    let filled_first = unpacked(&[[0, 0, 0, 0, 0x80, 0x04, 0, 0], [0, 0, 0, 0, 0x00, 0x01, 0, 66]]);
    assert_eq!(filled_first, [Completion::Filler { strides: 4 }, frame(0, 66, 1, 14)]);
}

#[test]
fn a_mark_of_dpdk_s_stands_in_the_tag_as_dpdk_puts_it_there() {
    for (mark, on_little_endian) in [
        (0, [1, 0, 0]),
        (0xfe, [0xff, 0, 0]),
        (0x01_0202, [3, 2, 1]),
        (0xff_ffef, [0xf0, 0xff, 0xff]),
    ] {
        let [a, b, c]: [u8; 3] = on_little_endian;
        let tag = if cfg!(target_endian = "little") { [a, b, c] } else { [c, b, a] };
        let found = frame_but(&[(0x39, &tag)]).flow_tag;
        assert_eq!(found.dpdk_mark(), Some(mark), "{tag:x?}");
        assert_eq!(FlowTag::of_dpdk_mark(mark), Some(found));
    }
    assert_eq!(frame_but(&[(0x38, &[0xff, 0, 0, 0])]).flow_tag.dpdk_mark(), None, "no rule");
    assert_eq!(frame_but(&[(0x39, &[0xff; 3])]).flow_tag.dpdk_mark(), None, "flagged alone");
    assert_eq!(FlowTag::of_dpdk_mark(0xff_fff0), None);
}

fn l3() -> impl Strategy<Value = L3Header> {
    use L3Header::{Ipv4, Ipv6, None, Reserved};
    prop::sample::select(vec![None, Ipv6, Ipv4, Reserved])
}

fn l4() -> impl Strategy<Value = L4Header> {
    use L4Header::{None, Reserved, TcpAckNoData, TcpAckWithData, TcpNoAck, Udp};
    prop::sample::select(vec![None, TcpNoAck, Udp, TcpAckNoData, TcpAckWithData, Reserved])
}

prop_compose! {
    fn frame()(
        flags in any::<[bool; 6]>(),
        (rss_hash, check_sum, timestamp) in any::<(u32, u16, u64)>(),
        (l3, l4) in (l3(), l4()),
        vlan in any::<Option<u16>>(),
        (byte_cnt, strides) in (any::<u16>(), 0..=STRIDES_MAX),
        flow_tag in any::<u32>().prop_map(FlowTag::from_bits),
        wqe_counter in any::<u16>(),
    ) -> Received {
        let [tunneled, l2_ok, l3_ok, l4_ok, fragment, ip_options] = flags;
        Received {
            tunneled, rss_hash, check_sum, l2_ok, l3_ok, l4_ok, l3, l4, fragment, ip_options, vlan,
            byte_cnt, strides, timestamp, flow_tag, wqe_counter,
        }
    }
}

fn completion() -> impl Strategy<Value = Completion> {
    let side = prop::sample::select(vec![Side::Requester, Side::Responder]);
    let error = (side, any::<(u8, u8, u16)>()).prop_map(|(side, said)| {
        let (syndrome, vendor_syndrome, wqe_counter) = said;
        Completion::Failed(CqeError { side, syndrome, vendor_syndrome, wqe_counter })
    });
    prop_oneof![
        4 => frame().prop_map(Completion::Received),
        1 => (0..=STRIDES_MAX).prop_map(|strides| Completion::Filler { strides }),
        1 => (frame(), any::<u32>()).prop_map(|(frame, entries)| {
            let title = Received { byte_cnt: 0, strides: 0, ..frame };
            Completion::Compressed { title, entries }
        }),
        1 => error,
    ]
}

fn cases() -> ProptestConfig {
    let is_full = std::env::var_os("FIXWIRE_FULL").is_some();
    ProptestConfig::with_cases(if is_full { 500_000 } else { 2_000 })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn what_is_encoded_is_decoded_as_it_was_and_by_its_owner_alone(
        completion in completion(),
        owner in any::<bool>(),
    ) {
        let cqe = completion.encode(owner);
        prop_assert_eq!(Completion::decode(&cqe, owner), Ok(Some(completion)));
        prop_assert_eq!(Completion::decode(&cqe, !owner), Ok(None));
    }

    #[test]
    fn whatever_64_bytes_are_taken_refused_or_left_to_the_device(
        mut cqe in any::<[u8; CQE_LEN]>(),
        op_own in prop_oneof![any::<u8>(), Just(0x20), Just(0x21), Just(0xe0), Just(0xf1)],
        owner in any::<bool>(),
        queue in any::<u16>(),
    ) {
        cqe[0x3f] = op_own;
        let decoded = Completion::decode(&cqe, owner);
        let ours = op_own >> 4 != 15 && (op_own & 1 == 1) == owner;
        prop_assert_eq!(decoded == Ok(None), !ours);
        if let Ok(Some(completion)) = decoded {
            let again = Completion::decode(&completion.encode(owner), owner);
            prop_assert_eq!(again, Ok(Some(completion)));
            if let Completion::Received(received) = completion {
                let format = StampFormat::RealTime;
                let clock = fixwire_offload::stamp::ClockId(1);
                let meta = received.meta(queue, Some(StampSource { clock, generation: 0, format }));
                prop_assert_eq!(meta.queue, queue);
                prop_assert!(meta.mark.is_none_or(|mark| mark < 0x00ff_ffff));
            }
        }
    }
}
