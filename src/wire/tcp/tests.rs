//! What is written is read back, and what cannot be has its reason.

use proptest::prelude::*;

use super::*;
use crate::time::Duration;

fn syn_ack() -> Repr {
    Repr {
        src_port: 9878,
        dst_port: 49152,
        seq: SeqNumber(0xffff_fff0),
        ack: SeqNumber(7),
        flags: Flags::SYN.with(Flags::ACK),
        window: 64240,
        options: Options {
            mss: Some(1460),
            window_scale: Some(7),
            sack_permitted: true,
            timestamps: Some(Timestamps { value: 1, echo: 2 }),
            sack: None,
            user_timeout: Some(UserTimeout::of(Duration::from_s(90))),
            has_invalid: false,
        },
    }
}

#[test]
fn what_is_emitted_is_read_back() {
    let timestamps = Some(Timestamps { value: 9, echo: 8 });
    let stamped = Options { timestamps, ..Options::NONE };
    for options in [syn_ack().options, Options::NONE, stamped] {
        let repr = Repr { options, ..syn_ack() };
        let mut bytes = [0xee; 80];
        let header_len = repr.emit(&mut bytes);
        let segment = Packet::parse(&bytes[..header_len + 3]).unwrap().segment().unwrap();
        assert_eq!(segment.options, options);
        assert_eq!((segment.seq, segment.ack, segment.window), (repr.seq, repr.ack, repr.window));
        assert_eq!(segment.flags, repr.flags);
        assert_eq!(segment.payload, [0xee; 3]);
    }
}

#[test]
fn each_malformed_header_has_its_reason() {
    let mut bytes = [0u8; 24];
    Repr { options: Options { mss: Some(1460), ..Options::NONE }, ..syn_ack() }.emit(&mut bytes);
    let reason = |change: &dyn Fn(&mut [u8; 24]), len: usize| {
        let mut bytes = bytes;
        change(&mut bytes);
        Packet::parse(&bytes[..len]).and_then(|packet| packet.segment().map(|_| ())).unwrap_err()
    };
    assert_eq!(reason(&|_| {}, 19), Refusal::TcpTooShort);
    assert_eq!(reason(&|b| b[12] = 0x40, 24), Refusal::TcpDataOffsetWrong);
    assert_eq!(reason(&|b| b[12] = 0x70, 24), Refusal::TcpDataOffsetWrong);
    assert_eq!(reason(&|b| b[0..2].fill(0), 24), Refusal::TcpPortZero);
    assert_eq!(reason(&|b| b[2..4].fill(0), 24), Refusal::TcpPortZero);
    assert_eq!(reason(&|b| b[21] = 0, 24), Refusal::TcpOptionMalformed);
    assert_eq!(reason(&|b| b[21] = 1, 24), Refusal::TcpOptionMalformed);
    assert_eq!(reason(&|b| b[21] = 5, 24), Refusal::TcpOptionMalformed);
    assert_eq!(
        reason(&|b| b[20..24].copy_from_slice(&[1, 1, 1, 2]), 24),
        Refusal::TcpOptionMalformed
    );
}

#[test]
fn an_unknown_option_and_a_known_one_of_odd_length_are_skipped() {
    let read = |bytes: &[u8]| Options::parse(bytes).unwrap();
    assert_eq!(read(&[99, 4, 1, 2, 2, 4, 5, 180]).mss, Some(1460));
    assert_eq!(
        read(&[2, 3, 1, 3, 3, 20, 1, 1]),
        Options { window_scale: Some(14), has_invalid: true, ..Options::NONE }
    );
    assert_eq!(read(&[0, 2, 0, 0]), Options::NONE);
}

#[test]
fn an_option_that_its_kind_cannot_have_is_noted_and_one_that_nobody_knows_is_not() {
    let has_invalid = |bytes: &[u8]| Options::parse(bytes).unwrap().has_invalid;
    for invalid in [
        &[2, 3, 1][..],
        &[3, 2, 1, 1],
        &[3, 3, 15],
        &[4, 3, 0],
        &[5, 2, 1, 1],
        &[5, 6, 0, 0, 0, 0],
        &[8, 6, 0, 0, 0, 0],
        &[28, 3, 1],
        &[28, 4, 0x80, 0],
    ] {
        assert!(has_invalid(invalid), "{invalid:?}");
    }
    for valid in [&[99, 4, 1, 2][..], &[2, 4, 5, 180], &[3, 3, 14], &[4, 2], &[28, 4, 0, 1]] {
        assert!(!has_invalid(valid), "{valid:?}");
    }
}

#[test]
fn a_user_timeout_is_in_seconds_or_in_minutes_and_zero_is_none() {
    let read = |bytes: &[u8]| Options::parse(bytes).unwrap().user_timeout;
    let seconds = |bytes: &[u8]| read(bytes).map(|timeout| timeout.duration().as_ms() / 1000);
    assert_eq!(seconds(&[28, 4, 0, 30]), Some(30));
    assert_eq!(seconds(&[28, 4, 0x80, 2]), Some(120));
    assert_eq!(seconds(&[28, 4, 0, 0]), None);
    assert_eq!(seconds(&[28, 4, 0x80, 0]), None);
    assert_eq!(seconds(&[28, 3, 1, 1]), None);
    for (ms, told_s) in [
        (0, 1),
        (1001, 2),
        (32_767_000, 32_767),
        (32_767_001, 32_820),
        (u64::MAX / 1_000_000, 32_767 * 60),
    ] {
        let timeout = UserTimeout::of(Duration::from_ms(ms));
        assert_eq!(timeout.duration(), Duration::from_s(told_s), "{ms}");
        assert_eq!(UserTimeout::of_bits(timeout.bits()), Some(timeout));
    }
}

#[test]
fn a_sack_option_of_no_whole_block_or_of_five_is_skipped() {
    let read = |bytes: &[u8]| Options::parse(bytes).unwrap().sack;
    assert_eq!(read(&[5, 2, 1, 1]), None);
    assert_eq!(read(&[5, 9, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1]), None);
    let mut five = [1; 44];
    (five[0], five[1]) = (5, 42);
    assert_eq!(read(&five), None);
    assert_eq!(
        read(&[1, 1, 5, 10, 0, 0, 0, 9, 0, 0, 0, 12]),
        Some(SackBlocks::of(SeqNumber(9), SeqNumber(12)))
    );
}

#[test]
fn sequence_numbers_compare_across_the_wrap() {
    let (before, after) = (SeqNumber(u32::MAX), SeqNumber(3));
    assert!(before.is_before(after) && !after.is_before(before));
    assert_eq!(after.since(before), 4);
    assert_eq!(before + 4, after);
    assert_eq!(after - 4, before);
    assert_eq!(before.later_of(after), after);
}

proptest! {
    #[test]
    fn any_options_that_fit_are_read_back_and_padded(
        timestamps in proptest::option::of(any::<(u32, u32)>()),
        blocks in proptest::collection::vec(any::<(u32, u32)>(), 0..5),
        user_timeout_ms in proptest::option::of(any::<u32>()),
    ) {
        let timestamps = timestamps.map(|(value, echo)| Timestamps { value, echo });
        let user_timeout =
            user_timeout_ms.map(|ms| UserTimeout::of(Duration::from_ms(u64::from(ms))));
        let room = if timestamps.is_none() {
            4
        } else if user_timeout.is_none() {
            3
        } else {
            2
        };
        let mut edges = blocks.iter().take(room).map(|block| (SeqNumber(block.0), SeqNumber(block.1)));
        let mut sack = edges.next().map(|(left, right)| SackBlocks::of(left, right));
        for (left, right) in edges {
            prop_assert!(sack.as_mut().unwrap().push(left, right));
        }
        let options = Options { timestamps, sack, user_timeout, ..Options::NONE };
        let repr = Repr { options, ..syn_ack() };
        let mut bytes = [0xee; HEADER_LEN_MAX];
        let header_len = repr.emit(&mut bytes);
        prop_assert_eq!(header_len, repr.header_len());
        prop_assert_eq!(header_len % 4, 0);
        let segment = Packet::parse(&bytes[..header_len]).unwrap().segment().unwrap();
        prop_assert_eq!(segment.options, options);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(packet) = Packet::parse(&bytes) {
            let _ = packet.segment();
        }
    }
}
