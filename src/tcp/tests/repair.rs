//! RFC 6675, RFC 8985, RFC 3522, RFC 2018 8: what is found lost, when it is sent again, and when it
//! was for nothing.

use super::super::*;
use super::script::{plain, run};
use crate::time::Duration;

/// Both MSS 1000, the peer's window 20,000, a round trip of 10 ms measured: RTO 200 ms, a probe after
/// 20 ms, or 70 where the ACK may be delayed.
const OPENED: &str = "
    0 ! listen
    0 < S 0:0(0) win 20000 mss 1000 sackOK 1
    0 > S. 0:0(0) ack 1 sackOK 1
    10 < . 1:1(0) ack 1 win 20000
    10 = Connected";

/// The same with timestamps.
const STAMPED: &str = "
    0 ! listen
    0 < S 0:0(0) win 20000 mss 1012 ts 100 0 sackOK 1
    0 > S. 0:0(0) ack 1 sackOK 1
    10 < . 1:1(0) ack 1 win 20000 tsat 110 0
    10 = Connected";

fn opened(rest: &str) -> String {
    format!("{OPENED}\n{rest}")
}

/// Four segments of 1000 B leave at 11 ms.
fn four(rest: &str) -> String {
    opened(&format!(
        "11 ! write 4000
         11 > . 1:1001(1000) ack 1
         11 > . 1001:2001(1000) ack 1
         11 > . 2001:3001(1000) ack 1
         11 > P. 3001:4001(1000) ack 1
         {rest}"
    ))
}

#[test]
fn lost_tail_is_probed_for_before_the_timeout() {
    run(
        plain(),
        &opened(
            "11 ! write 150
             11 > P. 1:151(150) ack 1
             81 > P. 1:151(150) ack 1
             91 < . 1:1(0) ack 151 win 20000
             91 # tcp_loss_probe 1
             91 # tcp_loss_probe_repaired 0
             92 ! write 10
             92 > P. 151:161(10) ack 1
             102 < . 1:1(0) ack 161 win 20000
             102 # tcp_loss_probe_repaired 1
             102 # tcp_retransmit_timeout 0",
        ),
    );
}

#[test]
fn probe_that_came_twice_repaired_nothing() {
    run(
        plain(),
        &opened(
            "11 ! write 150
             11 > P. 1:151(150) ack 1
             81 > P. 1:151(150) ack 1
             91 < . 1:1(0) ack 151 win 20000 sack 1:151
             92 ! write 10
             92 > P. 151:161(10) ack 1
             102 < . 1:1(0) ack 161 win 20000
             102 # tcp_loss_probe 1
             102 # tcp_loss_probe_repaired 0",
        ),
    );
}

#[test]
fn two_full_segments_in_flight_are_not_waited_for_longer_and_new_data_probe() {
    let congestion = CongestionControl::None { in_flight_bytes_max: 2000 };
    run(
        Config { congestion, ..plain() },
        &opened(
            "11 ! write 3000
             11 > . 1:1001(1000) ack 1
             11 > P. 1001:2001(1000) ack 1
             31 > P. 2001:3001(1000) ack 1
             31 # tcp_loss_probe 1
             31 # tcp_retransmission 0
             32 < . 1:1(0) ack 3001 win 20000",
        ),
    );
}

#[test]
fn unanswered_probe_is_followed_by_the_timeout_and_no_second_probe() {
    run(
        plain(),
        &opened(
            "11 ! write 150
             11 > P. 1:151(150) ack 1
             81 > P. 1:151(150) ack 1
             281 > P. 1:151(150) ack 1
             281 # tcp_loss_probe 1
             281 # tcp_retransmit_timeout 1
             291 < . 1:1(0) ack 151 win 20000",
        ),
    );
}

#[test]
fn peer_that_delays_acks_as_linux_does_gets_nothing_twice() {
    run(
        plain(),
        &opened(
            "11 ! write 150
             11 > P. 1:151(150) ack 1
             57 < . 1:1(0) ack 151 win 20000
             58 ! write 150
             58 > P. 151:301(150) ack 1
             60 ! write 150
             60 > P. 301:451(150) ack 1
             105 < . 1:1(0) ack 451 win 20000
             105 # tcp_retransmission 0",
        ),
    );
}

#[test]
fn fast_repair_does_not_wait_for_a_delayed_ack() {
    let (none, rto_min) = (Duration::ZERO, Duration::from_ms(1));
    run(
        Config { peer_max_ack_delay: none, rto_min, ..plain() },
        &opened(
            "11 ! write 150
             11 > P. 1:151(150) ack 1
             31 > P. 1:151(150) ack 1
             41 < . 1:1(0) ack 151 win 20000",
        ),
    );
}

#[test]
fn hole_is_lost_after_a_quarter_of_a_round_trip() {
    run(
        plain(),
        &four(
            "23 < . 1:1(0) ack 1 win 20000 sack 1001:2001
             25 > -
             26 > . 1:1001(1000) ack 1
             26 # tcp_fast_retransmit 1
             36 < . 1:1(0) ack 4001 win 20000
             36 # tcp_retransmission 1",
        ),
    );
}

#[test]
fn hole_before_three_segments_is_lost_at_once() {
    run(
        plain(),
        &four(
            "21 < . 1:1(0) ack 1 win 20000 sack 1001:4001
             21 > . 1:1001(1000) ack 1
             31 < . 1:1(0) ack 4001 win 20000
             31 # tcp_retransmission 1
             31 # tcp_retransmit_timeout 0",
        ),
    );
}

#[test]
fn reordering_seen_once_is_allowed_for_from_then_on() {
    run(
        plain(),
        &four(
            "21 < . 1:1(0) ack 1 win 20000 sack 1001:2001
             22 < . 1:1(0) ack 2001 win 20000
             23 < . 1:1(0) ack 4001 win 20000
             31 ! write 4000
             31 > . 4001:5001(1000) ack 1
             31 > . 5001:6001(1000) ack 1
             31 > . 6001:7001(1000) ack 1
             31 > P. 7001:8001(1000) ack 1
             41 < . 1:1(0) ack 4001 win 20000 sack 5001:8001
             42 < . 1:1(0) ack 8001 win 20000
             42 > -
             42 # tcp_retransmission 0",
        ),
    );
}

#[test]
fn only_what_the_peer_lacks_is_sent_again() {
    run(
        plain(),
        &four(
            "12 ! write 3000
             12 > . 4001:5001(1000) ack 1
             12 > . 5001:6001(1000) ack 1
             12 > P. 6001:7001(1000) ack 1
             22 < . 1:1(0) ack 1 win 20000 sack 6001:7001,3001:5001,1001:2001
             22 > . 1:1001(1000) ack 1
             22 > . 2001:3001(1000) ack 1
             22 > . 5001:6001(1000) ack 1
             32 < . 1:1(0) ack 7001 win 20000
             32 # tcp_retransmission 3",
        ),
    );
}

#[test]
fn lost_retransmission_is_found_by_what_left_after_it() {
    run(
        plain(),
        &four(
            "21 < . 1:1(0) ack 1 win 20000 sack 1001:4001
             21 > . 1:1001(1000) ack 1
             22 ! write 1000
             22 > P. 4001:5001(1000) ack 1
             32 < . 1:1(0) ack 1 win 20000 sack 1001:5001
             32 > . 1:1001(1000) ack 1
             42 < . 1:1(0) ack 5001 win 20000
             42 # tcp_retransmission 2
             42 # tcp_retransmit_timeout 0",
        ),
    );
}

#[test]
fn recovery_whose_retransmission_came_twice_is_undone() {
    run(
        plain(),
        &four(
            "21 < . 1:1(0) ack 1 win 20000 sack 1001:4001
             21 > . 1:1001(1000) ack 1
             25 < . 1:1(0) ack 4001 win 20000
             25 ~ cwnd 2000
             31 < . 1:1(0) ack 4001 win 20000 sack 1:1001
             31 # tcp_dsack_in 1
             31 # tcp_recovery_undone 1
             31 ~ cwnd 10000",
        ),
    );
}

#[test]
fn recovery_that_an_earlier_timestamp_answers_is_undone() {
    run(
        Config { timestamps: true, mss: 1012, ..plain() },
        &format!(
            "{STAMPED}
             11 ! write 4000
             11 > . 1:1001(1000) ack 1
             11 > . 1001:2001(1000) ack 1
             11 > . 2001:3001(1000) ack 1
             11 > P. 3001:4001(1000) ack 1
             21 < . 1:1(0) ack 1 win 20000 tsat 121 11 sack 1001:4001
             21 > . 1:1001(1000) ack 1
             25 < . 1:1(0) ack 4001 win 20000 tsat 125 11
             25 # tcp_recovery_undone 1
             25 ~ cwnd 10000"
        ),
    );
}

#[test]
fn recovery_that_its_own_timestamp_answers_stands() {
    run(
        Config { timestamps: true, mss: 1012, ..plain() },
        &format!(
            "{STAMPED}
             11 ! write 4000
             11 > . 1:1001(1000) ack 1
             11 > . 1001:2001(1000) ack 1
             11 > . 2001:3001(1000) ack 1
             11 > P. 3001:4001(1000) ack 1
             21 < . 1:1(0) ack 1 win 20000 tsat 121 11 sack 1001:4001
             21 > . 1:1001(1000) ack 1
             31 < . 1:1(0) ack 4001 win 20000 tsat 131 21
             31 # tcp_recovery_undone 0
             31 ~ cwnd 2000"
        ),
    );
}

#[test]
fn timeout_that_an_earlier_timestamp_answers_is_undone_and_nothing_else_goes_again() {
    let rto_min = Duration::from_ms(400);
    run(
        Config { timestamps: true, mss: 1012, sack: false, rto_min, ..plain() },
        "0 ! listen
         0 < S 0:0(0) win 20000 mss 1012 ts 100 0
         0 > S. 0:0(0) ack 1
         10 < . 1:1(0) ack 1 win 20000 tsat 110 0
         10 = Connected
         11 ! write 1500
         11 > . 1:1001(1000) ack 1
         11 > P. 1001:1501(500) ack 1
         411 > . 1:1001(1000) ack 1
         411 ~ cwnd 1000
         415 < . 1:1(0) ack 1001 win 20000 tsat 515 11
         415 > -
         415 # tcp_recovery_undone 1
         415 ~ cwnd 10000
         416 < . 1:1(0) ack 1501 win 20000 tsat 516 11
         416 # tcp_retransmission 1",
    );
}

#[test]
fn lost_segments_that_follow_each_other_go_again_in_one() {
    run(
        plain(),
        &opened(
            "11 ! write 400
             11 > P. 1:401(400) ack 1
             11 ! write 400
             11 > P. 401:801(400) ack 1
             11 ! write 400
             11 > P. 801:1201(400) ack 1
             11 ! write 400
             11 > P. 1201:1601(400) ack 1
             23 < . 1:1(0) ack 1 win 20000 sack 1201:1601
             26 > . 1:801(800) ack 1
             36 < . 1:1(0) ack 801 win 20000 sack 1201:1601
             36 > . 801:1201(400) ack 1
             46 < . 1:1(0) ack 1601 win 20000",
        ),
    );
}

#[test]
fn timeout_forgets_what_the_peer_said_that_it_holds() {
    run(
        plain(),
        &opened(
            "11 ! write 2000
             11 > . 1:1001(1000) ack 1
             11 > P. 1001:2001(1000) ack 1
             23 < . 1:1(0) ack 1 win 20000 sack 1001:2001
             26 > . 1:1001(1000) ack 1
             211 > . 1:1001(1000) ack 1
             221 < . 1:1(0) ack 1001 win 20000
             221 > P. 1001:2001(1000) ack 1
             231 < . 1:1(0) ack 2001 win 20000",
        ),
    );
}

#[test]
fn peer_that_lets_go_of_what_it_held_gets_it_again() {
    run(
        plain(),
        &opened(
            "11 ! write 2000
             11 > . 1:1001(1000) ack 1
             11 > P. 1001:2001(1000) ack 1
             23 < . 1:1(0) ack 1 win 20000 sack 1001:2001
             26 > . 1:1001(1000) ack 1
             38 < . 1:1(0) ack 1001 win 20000
             38 # tcp_sack_reneged 1
             38 > P. 1001:2001(1000) ack 1
             48 < . 1:1(0) ack 2001 win 20000
             48 # tcp_retransmit_timeout 0",
        ),
    );
}

#[test]
fn blocks_of_what_is_not_in_flight_are_ignored() {
    run(
        plain(),
        &four(
            "21 < . 1:1(0) ack 1 win 20000 sack 5001:6001
             21 < . 1:1(0) ack 1 win 20000 sack 3001:5001,2001:2001,3001:2001,-5:2001
             22 < . 1:1(0) ack 4001 win 20000
             22 # tcp_sack_invalid 5
             22 # tcp_retransmission 0",
        ),
    );
}

#[test]
fn blocks_of_an_ack_that_came_late_are_believed() {
    run(
        plain(),
        &four(
            "23 < . 1:1(0) ack 2001 win 20000
             23 < . 1:1(0) ack 1001 win 20000 sack 3001:4001
             25 > -
             26 > . 2001:3001(1000) ack 1
             26 # tcp_fast_retransmit 1
             36 < . 1:1(0) ack 4001 win 20000",
        ),
    );
}
