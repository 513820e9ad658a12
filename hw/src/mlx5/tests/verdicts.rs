//! What an entry says of a frame, in the words that the engine acts on.

use fixwire_offload::nic::{Parsed, RxMeta};
use fixwire_offload::stamp::{ClockId, Domain, RxStamp};
use fixwire_offload::verdict::Verdict;

use super::super::*;
use super::entries::frame_but;

#[test]
fn a_sum_is_good_or_nothing_and_never_bad() {
    use Verdict::{Good, Unknown};
    for (oks, l3, l4) in [
        (0x07, Good, Good),
        (0x03, Good, Unknown),
        (0x05, Unknown, Good),
        (0x01, Unknown, Unknown),
        (0x00, Unknown, Unknown),
    ] {
        let meta = frame_but(&[(0x1c, &[oks])]).meta(0, None);
        assert_eq!((meta.l3, meta.l4), (l3, l4), "{oks:#x}");
    }
    let inner = frame_but(&[(0x00, &[0x01])]).meta(0, None);
    assert_eq!((inner.l3, inner.l4), (Unknown, Unknown), "the inner packet's sums are not ours");
}

#[test]
fn only_an_unfragmented_ipv4_packet_with_tcp_is_taken_for_one() {
    for (types, parsed, what) in [
        (0x48, Parsed::Ipv4Tcp, "TCP with data"),
        (0x38, Parsed::Ipv4Tcp, "TCP without"),
        (0x18, Parsed::Ipv4Tcp, "TCP without ACK"),
        (0x4a, Parsed::Ipv4Tcp, "behind IPv4 options"),
        (0x49, Parsed::Ipv4Tcp, "its tag stripped"),
        (0xc8, Parsed::Other, "a fragment"),
        (0x44, Parsed::Other, "IPv6"),
        (0x4c, Parsed::Other, "an unknown version"),
        (0x40, Parsed::Other, "no IP"),
        (0x28, Parsed::Other, "UDP"),
        (0x08, Parsed::Other, "IPv4 alone"),
        (0x58, Parsed::Other, "an unknown transport"),
        (0x00, Parsed::Other, "neither"),
    ] {
        assert_eq!(frame_but(&[(0x1d, &[types])]).parsed(), parsed, "{what}");
    }
    assert_eq!(frame_but(&[(0x00, &[0x01])]).parsed(), Parsed::Other, "tunneled");
}

#[test]
fn a_stamp_is_of_63_bits_and_of_the_format_that_its_queue_was_made_with() {
    let source = |format| StampSource { clock: ClockId(3), generation: 9, format };
    let free = source(StampFormat::FreeRunning);
    let real = source(StampFormat::RealTime);
    let stamp = |domain, ticks| RxStamp { clock: ClockId(3), generation: 9, domain, ticks };
    for (field, source, expected, what) in [
        (
            [0, 0, 1, 2, 3, 4, 5, 6],
            free,
            Some(stamp(Domain::NicTicks, 0x0000_0102_0304_0506)),
            "ticks",
        ),
        (
            [0xff; 8],
            free,
            Some(stamp(Domain::NicTicks, u64::MAX >> 1)),
            "the last bit is no tick's",
        ),
        (
            [0, 0, 0, 2, 0x3b, 0x9a, 0xc9, 0xff],
            real,
            Some(stamp(Domain::NicNs, 2_999_999_999)),
            "2 s and 999,999,999 ns",
        ),
        (
            [0x80, 0, 0, 2, 0, 0, 0, 1],
            real,
            Some(stamp(Domain::NicNs, 2_000_000_001)),
            "the last bit is no second's",
        ),
        ([0, 0, 0, 2, 0x3b, 0x9a, 0xca, 0x00], real, None, "no part of a second"),
    ] {
        assert_eq!(frame_but(&[(0x30, &field)]).meta(0, Some(source)).stamp, expected, "{what}");
    }
    assert_eq!(frame_but(&[]).meta(0, None).stamp, None, "a clock that nobody vouches for");
}

#[test]
fn the_rest_of_what_is_said_goes_along() {
    let tag = FlowTag::of_dpdk_mark(41).unwrap().bits().to_be_bytes();
    let meta = frame_but(&[(0x1d, &[0x49, 0x00, 0x64]), (0x38, &tag)]).meta(7, None);
    let expected = RxMeta {
        queue: 7,
        mark: Some(41),
        vlan: Some(100),
        parsed: Parsed::Ipv4Tcp,
        l3: Verdict::Good,
        l4: Verdict::Good,
        ..RxMeta::UNKNOWN
    };
    assert_eq!(meta, expected);
}
