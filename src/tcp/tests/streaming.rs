//! Bytes in order, out of order, and within windows (RFC 9293 3.4, 3.8.6).

use super::super::*;
use super::script::{ACCEPTED, LOCAL, REMOTE, plain, run};
use crate::time::Instant;
use crate::wire::tcp::{Flags, Options, Segment, SeqNumber};

fn accepted(rest: &str) -> String {
    format!("{ACCEPTED}\n{rest}")
}

#[test]
fn segments_in_order_take_the_short_path_and_ack_rides_on_the_answer() {
    run(
        plain(),
        &accepted(
            "1 < P. 1:151(150) ack 1
             1 > . 1:1(0) ack 151
             2 ! write 175
             2 > P. 1:176(175) ack 151
             3 < P. 151:301(150) ack 176
             3 > . 176:176(0) ack 301
             3 # tcp_segment_predicted 2
             3 ! has-read 300",
        ),
    );
}

#[test]
fn segments_out_of_order_are_joined_and_each_is_acknowledged() {
    run(
        plain(),
        &accepted(
            "1 < P. 11:21(10) ack 1
             1 > . 1:1(0) ack 1
             1 < P. 31:41(10) ack 1
             1 > . 1:1(0) ack 1
             1 < P. 5:35(30) ack 1
             1 > . 1:1(0) ack 1
             1 ! has-read 0
             1 < P. 1:8(7) ack 1
             1 > . 1:1(0) ack 41
             1 ! has-read 40
             1 # tcp_out_of_order 3
             1 < P. 1:45(44) ack 1
             1 > . 1:1(0) ack 45
             1 ! has-read 44",
        ),
    );
}

#[test]
fn many_gaps_are_bounded_and_the_farthest_is_dropped() {
    let mut script = String::from(ACCEPTED);
    for index in 1..=33 {
        let at = 1 + index * 10;
        script += &format!("\n 1 < P. {at}:{}(5) ack 1 \n 1 > . 1:1(0) ack 1", at + 5);
    }
    script += "\n 1 # tcp_reassembly_full 1";
    run(plain(), &script);
}

#[test]
fn window_closes_as_bytes_are_left_and_opens_by_a_worthwhile_step() {
    run(
        Config { receive_buffer_bytes: 4000, ..plain() },
        &accepted(
            "1 ! hold
             1 < P. 1:1001(1000) ack 1
             1 > . 1:1(0) ack 1001 win 3000
             1 < P. 1001:4001(3000) ack 1
             1 > . 1:1(0) ack 4001 win 0
             2 < P. 4001:4002(1) ack 1
             2 > . 1:1(0) ack 4001 win 0
             2 # tcp_window_probe_in 1
             3 ! read 999
             3 > -
             3 ! read 1
             3 > . 1:1(0) ack 4001 win 1000
             4 < P. 4001:5101(1100) ack 1
             4 > . 1:1(0) ack 5001 win 0
             4 # tcp_trimmed_at_window_edge 1
             5 ! read 4000
             5 > . 1:1(0) ack 5001 win 4000",
        ),
    );
}

#[test]
fn window_update_is_sent_unasked_only_where_it_doubles_what_the_peer_knows_of() {
    run(
        Config { receive_buffer_bytes: 4000, ..plain() },
        &accepted(
            "1 ! hold
             1 < P. 1:1001(1000) ack 1
             1 > . 1:1(0) ack 1001 win 3000
             2 ! read 1000
             2 > -
             3 < P. 1001:3001(2000) ack 1
             3 > . 1:1(0) ack 3001 win 2000
             4 ! read 1000
             4 > -
             4 ! read 1000
             4 > . 1:1(0) ack 3001 win 4000",
        ),
    );
}

#[test]
fn window_that_the_field_cannot_tell_is_not_told() {
    run(
        Config { receive_buffer_bytes: 200_000, ..plain() },
        &accepted(
            "1 ! hold
             1 < P. 1:1001(1000) ack 1
             1 > . 1:1(0) ack 1001 win 65535
             2 ! read 1000
             2 > -",
        ),
    );
}

#[test]
fn ack_that_may_wait_goes_with_the_second_segment_with_data_or_when_its_time_is_up() {
    run(
        Config { ack_delay: Some(crate::time::Duration::from_ms(40)), ..plain() },
        &accepted(
            "1 < P. 1:101(100) ack 1
             1 > -
             41 > . 1:1(0) ack 101
             50 < P. 101:201(100) ack 1
             50 > -
             51 < P. 201:301(100) ack 1
             51 > . 1:1(0) ack 301
             60 < P. 301:401(100) ack 1
             61 ! write 10
             61 > P. 1:11(10) ack 401",
        ),
    );
}

#[test]
fn ack_that_may_wait_does_not_where_something_is_missing_or_was_or_the_stream_ends() {
    run(
        Config { ack_delay: Some(crate::time::Duration::from_ms(40)), ..plain() },
        &accepted(
            "1 < P. 101:201(100) ack 1
             1 > . 1:1(0) ack 1
             2 < P. 1:101(100) ack 1
             2 > . 1:1(0) ack 201
             3 < F. 201:201(0) ack 1
             3 > . 1:1(0) ack 202",
        ),
    );
}

#[test]
fn ack_is_believed_though_our_window_is_closed() {
    run(
        Config { receive_buffer_bytes: 1000, ..plain() },
        &accepted(
            "1 ! hold
             1 < P. 1:1001(1000) ack 1
             1 > . 1:1(0) ack 1001 win 0
             2 ! write 10
             2 > P. 1:11(10) ack 1001 win 0
             3 < . 1001:1001(0) ack 11
             3 > -
             500 > -",
        ),
    );
}

#[test]
fn all_that_fits_leaves_at_once_and_no_more_than_the_windows() {
    run(
        plain(),
        &accepted(
            "1 ! write 2500
             1 > . 1:1001(1000) ack 1
             1 > . 1001:2001(1000) ack 1
             1 > P. 2001:2501(500) ack 1
             2 < . 1:1(0) ack 2501 win 1500
             2 ! write 3000
             2 > . 2501:3501(1000) ack 1
             2 > -
             3 < . 1:1(0) ack 3501 win 5000
             3 > . 3501:4501(1000) ack 1
             3 > P. 4501:5501(1000) ack 1",
        ),
    );
}

#[test]
fn silly_window_is_waited_out_but_not_for_ever() {
    run(
        plain(),
        &accepted(
            "1 ! write 1000
             1 > P. 1:1001(1000) ack 1
             2 < . 1:1(0) ack 1001 win 100
             2 ! write 500
             2 > -
             202 > . 1001:1101(100) ack 1
             203 < . 1:1(0) ack 1101 win 400
             203 > P. 1101:1501(400) ack 1",
        ),
    );
}

#[test]
fn older_segments_window_is_not_used() {
    run(
        plain(),
        &accepted(
            "1 < P. 3:5(2) ack 1 win 2000
             1 > . 1:1(0) ack 1
             2 < P. 1:3(2) ack 1 win 10
             2 > . 1:1(0) ack 5
             3 ! write 1500
             3 > . 1:1001(1000) ack 5
             3 > P. 1001:1501(500) ack 5",
        ),
    );
}

#[test]
fn closed_window_is_probed_with_back_off_for_as_long_as_it_is_answered() {
    run(
        Config { retries_max: 2, ..plain() },
        &accepted(
            "1 < . 1:1(0) ack 1 win 0
             1 ! write 10
             201 > . 1:2(1) ack 1
             201 < . 1:1(0) ack 1 win 0
             601 > . 1:2(1) ack 1
             601 < . 1:1(0) ack 1 win 0
             1401 > . 1:2(1) ack 1
             1401 < . 1:1(0) ack 1 win 0
             3001 > . 1:2(1) ack 1
             3001 < . 1:1(0) ack 1 win 0
             3002 < . 1:1(0) ack 1 win 500
             3002 > . 1:2(1) ack 1
             3002 > P. 2:11(9) ack 1
             3002 # tcp_window_probe_out 4
             3003 < . 1:1(0) ack 11 win 500",
        ),
    );
}

#[test]
fn closed_window_that_answers_no_probe_is_given_up() {
    run(
        Config { retries_max: 2, ..plain() },
        &accepted(
            "1 < . 1:1(0) ack 1 win 0
             1 ! write 10
             201 > . 1:2(1) ack 1
             601 > . 1:2(1) ack 1
             1400 ~ Established
             1401 = TimedOut",
        ),
    );
}

#[test]
fn fin_waits_for_the_window_and_probes_it() {
    run(
        plain(),
        &accepted(
            "1 < . 1:1(0) ack 1 win 0
             1 ! shutdown
             1 > -
             201 > F. 1:1(0) ack 1
             202 < . 1:1(0) ack 2 win 0
             202 ~ FinWait2",
        ),
    );
}

#[test]
fn window_taken_back_is_counted_and_what_is_beyond_it_waits() {
    run(
        plain(),
        &accepted(
            "1 ! write 3000
             1 > . 1:1001(1000) ack 1
             1 > . 1001:2001(1000) ack 1
             1 > P. 2001:3001(1000) ack 1
             2 < . 1:1(0) ack 1 win 1500
             2 # tcp_window_shrunk 1
             201 > . 1:1001(1000) ack 1
             202 < . 1:1(0) ack 1001 win 500
             202 > . 1001:1501(500) ack 1
             203 < . 1:1(0) ack 1501 win 5000
             203 > . 1501:2001(500) ack 1
             203 > P. 2001:3001(1000) ack 1",
        ),
    );
}

#[test]
fn scaled_windows_are_shifted_both_ways_but_for_the_syns() {
    run(
        Config { receive_buffer_bytes: 1 << 20, timestamps: false, mss: 1000, ..Config::default() },
        "0 ! listen
         0 < S 0:0(0) win 1000 mss 1000 scale 2
         0 > S. 0:0(0) ack 1 win 65535 scale 5
         0 < . 1:1(0) ack 1 win 300
         0 = Connected
         0 ! write 1300
         0 > . 1:1001(1000) ack 1 win 32768
         0 > -
         1 < . 1:1(0) ack 1001 win 300
         1 > P. 1001:1301(300) ack 1",
    );
}

#[test]
fn writable_is_told_once_there_is_room_for_what_was_refused() {
    run(
        Config { send_buffer_bytes: 3000, ..plain() },
        &accepted(
            "1 ! write 2500
             1 > . 1:1001(1000) ack 1
             1 > . 1001:2001(1000) ack 1
             1 > P. 2001:2501(500) ack 1
             1 ! refused 2000
             2 < . 1:1(0) ack 1001
             2 = -
             3 < . 1:1(0) ack 2001
             3 = Writable
             3 = -
             4 < . 1:1(0) ack 2501
             4 = -",
        ),
    );
}

/// A stack with one established connection, fed by hand.
struct ByHand {
    stack: Stack,
    id: ConnectionId,
    our_iss: SeqNumber,
}

impl ByHand {
    fn new() -> ByHand {
        let mut stack = Stack::new(plain(), [9; 16]);
        let id = stack.connect(Instant::ZERO, LOCAL, REMOTE).unwrap();
        let our_iss = stack.poll_transmit(Instant::ZERO).unwrap().header.seq;
        let mut by_hand = ByHand { stack, id, our_iss };
        by_hand.arrive(0, Flags::SYN.with(Flags::ACK), b"");
        assert!(by_hand.stack.poll_transmit(Instant::ZERO).is_some());
        by_hand
    }

    fn arrive(&mut self, seq: u32, flags: Flags, payload: &[u8]) -> Arrival {
        let segment = Segment {
            src_port: REMOTE.port,
            dst_port: LOCAL.port,
            seq: SeqNumber(seq),
            ack: self.our_iss + 1,
            flags,
            window: 1000,
            options: Options::NONE,
            payload,
            is_ce: false,
        };
        self.stack.on_segment(Instant::ZERO, REMOTE.addr, LOCAL.addr, &segment)
    }
}

#[test]
fn duplicate_acks_leave_as_often_as_segments_came_even_beside_data() {
    let mut by_hand = ByHand::new();
    for seq in [11, 21, 31] {
        by_hand.arrive(seq, Flags::ACK, &[0; 10]);
    }
    assert!(by_hand.stack.reserve(by_hand.id, 10).is_ok());
    by_hand.stack.commit(Instant::ZERO, by_hand.id, 10);
    let mut lengths = Vec::new();
    while let Some(transmit) = by_hand.stack.poll_transmit(Instant::ZERO) {
        lengths.push(transmit.payload.concat().len());
    }
    assert_eq!(lengths, [10, 0, 0, 0]);
}

#[test]
fn first_copy_of_a_byte_wins() {
    let mut by_hand = ByHand::new();
    by_hand.arrive(3, Flags::ACK, b"XY");
    by_hand.arrive(4, Flags::ACK, b"--");
    let arrival = by_hand.arrive(1, Flags::ACK, b"abcdefg");
    assert_eq!((arrival.fresh, arrival.joined), (0..2, true));
    assert_eq!(by_hand.stack.readable(by_hand.id), b"XY-fg");
}
