//! What each model looks at, and what it says of it.

use Parsed::{Ipv4Tcp, Other};
use Verdict::{Bad, Good, Unknown};

use super::*;
use crate::frames::{as_fragment, tcp_frame_with, with_ipv4_options};

/// A receiver of the catalogue's model `name`, and what it says of `frame`, polled by itself.
fn said_by(name: &str, frame: &[u8]) -> RxMeta {
    let (mut a, mut b, wire) =
        running_pair(Config { a: Model::bare(), b: named(name), ..Config::default() }, 0);
    send(&mut a, frame, FULL);
    wire.advance(Duration::from_us(1));
    receive(&mut b)[0].0
}

fn verdicts(name: &str, frame: &[u8]) -> (Verdict, Verdict) {
    let meta = said_by(name, frame);
    (meta.l3, meta.l4)
}

fn wrong_l3() -> Vec<u8> {
    let mut frame = tcp_frame(PAYLOAD);
    frame[22] ^= 1; // TTL: under the IPv4 checksum alone.
    frame
}

fn wrong_l4() -> Vec<u8> {
    let mut frame = tcp_frame(PAYLOAD);
    frame[L4 + 30] ^= 1;
    frame
}

#[test]
fn each_model_speaks_of_right_and_wrong_checksums_as_its_driver_does() {
    // Of a right frame, of one whose IPv4 header is wrong, of one whose segment is.
    for (name, right, wrong_header, wrong_segment) in [
        ("connectx5", (Good, Good), (Unknown, Good), (Good, Unknown)),
        ("connectx6dx", (Good, Good), (Unknown, Good), (Good, Unknown)),
        ("connectx7", (Good, Good), (Unknown, Good), (Good, Unknown)),
        ("e810", (Good, Good), (Bad, Good), (Good, Bad)),
        ("x710", (Good, Good), (Bad, Good), (Good, Bad)),
        ("82599", (Good, Good), (Bad, Good), (Good, Bad)),
        ("82576", (Good, Good), (Bad, Good), (Good, Bad)),
        ("82574", (Unknown, Unknown), (Bad, Unknown), (Unknown, Bad)),
        ("sfc-x2", (Good, Good), (Bad, Good), (Good, Bad)),
        ("ena", (Good, Good), (Bad, Good), (Good, Bad)),
        ("bnxt", (Good, Good), (Bad, Good), (Good, Bad)),
        ("virtio", (Unknown, Good), (Unknown, Good), (Unknown, Unknown)),
        ("vmxnet3", (Unknown, Unknown), (Unknown, Unknown), (Unknown, Unknown)),
        ("tap", (Unknown, Good), (Unknown, Good), (Unknown, Unknown)),
        ("af_packet", (Unknown, Unknown), (Unknown, Unknown), (Unknown, Unknown)),
        ("af_xdp", (Unknown, Unknown), (Unknown, Unknown), (Unknown, Unknown)),
        ("sim", (Good, Good), (Bad, Good), (Good, Bad)),
        ("rtl", (Good, Good), (Bad, Good), (Good, Bad)),
    ] {
        assert_eq!(verdicts(name, &tcp_frame(PAYLOAD)), right, "{name}");
        assert_eq!(verdicts(name, &wrong_l3()), wrong_header, "{name}, header");
        assert_eq!(verdicts(name, &wrong_l4()), wrong_segment, "{name}, segment");
    }
}

/// Whatever its model is made to say, it says it by a completion entry, which has no bit for bad.
#[test]
fn a_connectx_has_no_way_to_say_bad() {
    for (name, expected) in [("connectx5", Unknown), ("e810", Bad)] {
        let faults = NicFaults { alarms_ppm: 1_000_000, ..NicFaults::default() };
        let b = Model { faults, ..named(name) };
        let (mut a, mut b, wire) =
            running_pair(Config { a: Model::bare(), b, ..Config::default() }, 0);
        send(&mut a, &tcp_frame_with(0, PAYLOAD), FULL);
        wire.advance(Duration::from_us(1));
        let (meta, _) = &receive(&mut b)[0];
        assert_eq!((meta.l3, meta.l4), (expected, expected), "{name}");
    }
}

#[test]
fn connectx5_says_good_or_nothing_whatever_arrives() {
    let mut odd = vec![wrong_l3(), wrong_l4(), arp(), as_fragment(wrong_l4())];
    odd.extend((0..4).map(|tags| tcp_frame_with(tags, PAYLOAD)));
    odd.push(with_ipv4_options(wrong_l4()));
    for frame in odd {
        let (l3, l4) = verdicts("connectx5", &frame);
        for verdict in [l3, l4] {
            assert!(matches!(verdict, Good | Unknown), "{verdict:?}");
        }
    }
}

#[test]
fn every_fourth_frame_of_an_ena_has_no_verdict() {
    let (mut a, mut b, wire) =
        running_pair(Config { a: Model::bare(), b: named("ena"), ..Config::default() }, 0);
    for number in 0..8 {
        send(&mut a, &numbered(number), FULL);
    }
    wire.advance(Duration::from_us(1));
    let said: Vec<_> = receive(&mut b).iter().map(|(meta, _)| meta.l4).collect();
    let four = [Good, Good, Good, Unknown];
    assert_eq!(said, [four, four].concat());
}

#[test]
fn padding_counts_into_no_device_s_sum() {
    for name in models::names() {
        let bare = tcp_frame(b"");
        let mut padded = bare.clone();
        padded.resize(60, 0xee);
        // Below the shortest frame a sender pads with zeros.
        assert_eq!(verdicts(name, &padded), verdicts(name, &bare), "{name}");
        let mut wrong = padded;
        wrong[L4 + 4] ^= 1;
        assert_ne!(verdicts(name, &wrong).1, Good, "{name}");
    }
}

#[test]
fn a_segment_behind_tags_or_options_is_verified_by_those_that_read_so_far() {
    let reads = |name: &str, frame: &[u8]| {
        let meta = said_by(name, frame);
        (meta.l3, meta.l4, meta.parsed)
    };
    let all = (Good, Good, Ipv4Tcp);
    let nothing = (Unknown, Unknown, Other);
    let unread = (Good, Good, Other); // Good of what it did not look at.
    let header = (Good, Unknown, Other);
    for (name, one_tag, two_tags, options) in [
        ("connectx5", all, nothing, all),
        ("e810", all, nothing, all),
        ("82599", all, unread, all),
        ("82576", all, unread, all),
        ("sfc-x2", all, nothing, header),
        ("ena", all, nothing, header),
        ("bnxt", all, nothing, header),
        ("sim", all, all, all),
        ("rtl", all, all, all),
    ] {
        assert_eq!(reads(name, &tcp_frame_with(1, PAYLOAD)), one_tag, "{name}, a tag");
        assert_eq!(reads(name, &tcp_frame_with(2, PAYLOAD)), two_tags, "{name}, two tags");
        assert_eq!(reads(name, &with_ipv4_options(tcp_frame(PAYLOAD))), options, "{name}, options");
    }
    let silent_when_right = (Unknown, Unknown, Parsed::Unknown);
    assert_eq!(reads("82574", &tcp_frame_with(1, PAYLOAD)), silent_when_right);
    let mut wrong = tcp_frame_with(1, PAYLOAD);
    wrong[L4 + 4 + 30] ^= 1;
    assert_eq!(reads("82574", &wrong), (Unknown, Bad, Parsed::Unknown));
}

#[test]
fn a_tag_stays_in_the_frame() {
    for name in models::names() {
        let (mut a, mut b, wire) =
            running_pair(Config { a: Model::bare(), b: named(name), ..Config::default() }, 0);
        let tagged = tcp_frame_with(1, PAYLOAD);
        send(&mut a, &tagged, FULL);
        wire.advance(Duration::from_us(1));
        let (meta, bytes) = &receive(&mut b)[0];
        assert_eq!((bytes, meta.vlan), (&tagged, None), "{name}");
    }
}

#[test]
fn no_device_verifies_a_fragment_s_segment_and_some_say_good_of_it_all_the_same() {
    for frame in [as_fragment(tcp_frame(PAYLOAD)), as_fragment(wrong_l4())] {
        for (name, l3, l4, parsed) in [
            ("connectx5", Good, Unknown, Other),
            ("e810", Good, Unknown, Other),
            ("82599", Good, Good, Other),
            ("82576", Good, Good, Other),
            ("82574", Unknown, Unknown, Parsed::Unknown),
            ("virtio", Unknown, Unknown, Other),
            ("sim", Good, Unknown, Other),
        ] {
            let meta = said_by(name, &frame);
            assert_eq!((meta.l3, meta.l4, meta.parsed), (l3, l4, parsed), "{name}");
        }
    }
}

#[test]
fn types_are_told_by_the_drivers_that_tell_them() {
    for name in models::names() {
        let tells = !["82574", "tap", "af_packet", "af_xdp"].contains(&name);
        let of_tcp = if tells { Ipv4Tcp } else { Parsed::Unknown };
        let of_arp = if tells { Other } else { Parsed::Unknown };
        assert_eq!(said_by(name, &tcp_frame(PAYLOAD)).parsed, of_tcp, "{name}");
        assert_eq!(said_by(name, &wrong_l3()).parsed, of_tcp, "{name}: a type is no verdict");
        assert_eq!(said_by(name, &arp()).parsed, of_arp, "{name}");
    }
}
