//! RFC 9293 3.6: how connections end.

use super::super::*;
use super::script::{ACCEPTED, plain, run};
use crate::time::Duration;

fn accepted(rest: &str) -> String {
    format!("{ACCEPTED}\n{rest}")
}

#[test]
fn we_close_first_and_linger_in_time_wait() {
    run(
        Config { time_wait: Duration::from_ms(4000), ..plain() },
        &accepted(
            "1 ! write 5
             1 > P. 1:6(5) ack 1
             2 ! shutdown
             2 > F. 6:6(0) ack 1
             2 ~ FinWait1
             3 < . 1:1(0) ack 7
             3 ~ FinWait2
             4 < P. 1:4(3) ack 7
             4 > . 7:7(0) ack 4
             5 < F. 4:4(0) ack 7
             5 > . 7:7(0) ack 5
             5 ~ TimeWait
             5 = PeerClosed
             5 = Finished
             1005 < F. 4:4(0) ack 7
             1005 > . 7:7(0) ack 5
             5004 ~ TimeWait
             5005 ~ Closed
             5005 = -
             5005 ! release
             5005 ~ -",
        ),
    );
}

#[test]
fn peer_closes_first_and_we_go_on_sending() {
    run(
        plain(),
        &accepted(
            "1 < F. 1:1(0) ack 1
             1 > . 1:1(0) ack 2
             1 ~ CloseWait
             1 = PeerClosed
             2 ! write 5
             2 > P. 1:6(5) ack 2
             3 < . 2:2(0) ack 6
             4 ! shutdown
             4 > F. 6:6(0) ack 2
             4 ~ LastAck
             5 < . 2:2(0) ack 7
             5 ~ Closed
             5 = Finished",
        ),
    );
}

#[test]
fn fin_rides_on_the_last_data() {
    run(
        plain(),
        "0 ! listen
         0 < S 0:0(0) win 0 mss 1000
         0 > S. 0:0(0) ack 1
         0 < . 1:1(0) ack 1 win 0
         0 = Connected
         0 ! write 5
         0 ! shutdown
         1 < . 1:1(0) ack 1 win 500
         1 > FP. 1:6(5) ack 1",
    );
}

#[test]
fn both_close_at_once() {
    run(
        Config { time_wait: Duration::from_ms(100), ..plain() },
        &accepted(
            "1 ! shutdown
             1 > F. 1:1(0) ack 1
             2 < F. 1:1(0) ack 1
             2 > . 2:2(0) ack 2
             2 ~ Closing
             3 < . 2:2(0) ack 2
             3 ~ TimeWait
             3 = PeerClosed
             3 = Finished",
        ),
    );
}

#[test]
fn fin_that_acknowledges_ours_ends_in_time_wait_at_once() {
    run(
        plain(),
        &accepted(
            "1 ! shutdown
             1 > F. 1:1(0) ack 1
             2 < F. 1:1(0) ack 2
             2 > . 2:2(0) ack 2
             2 ~ TimeWait",
        ),
    );
}

#[test]
fn lost_fin_is_sent_again_until_given_up() {
    run(
        Config { retries_max: 2, ..plain() },
        &accepted(
            "1 ! shutdown
             1 > F. 1:1(0) ack 1
             201 > F. 1:1(0) ack 1
             601 > F. 1:1(0) ack 1
             1400 = -
             1401 = TimedOut
             1401 ~ Closed",
        ),
    );
}

#[test]
fn fin_ahead_of_its_turn_is_remembered() {
    run(
        plain(),
        &accepted(
            "1 < F. 6:11(5) ack 1
             1 > . 1:1(0) ack 1
             1 ~ Established
             2 < P. 1:6(5) ack 1
             2 > . 1:1(0) ack 12
             2 ~ CloseWait
             2 ! has-read 10
             2 = PeerClosed",
        ),
    );
}

#[test]
fn nothing_is_taken_past_a_fin() {
    run(
        plain(),
        &accepted(
            "1 < F. 6:6(0) ack 1
             1 > . 1:1(0) ack 1
             2 < P. 8:10(2) ack 1
             2 > . 1:1(0) ack 1
             3 < F. 9:9(0) ack 1
             3 > . 1:1(0) ack 1
             4 < P. 1:9(8) ack 1
             4 > . 1:1(0) ack 7
             4 ! has-read 5
             5 < P. 7:9(2) ack 1
             5 > . 1:1(0) ack 7
             5 # tcp_data_after_fin 4",
        ),
    );
}

#[test]
fn peers_close_is_told_after_all_before_it_is_read() {
    run(
        plain(),
        &accepted(
            "1 ! hold
             1 < FP. 1:11(10) ack 1
             1 > . 1:1(0) ack 12
             1 = -
             1 ! read 4
             1 = -
             1 ! read 6
             1 = PeerClosed",
        ),
    );
}

#[test]
fn peers_close_is_told_though_half_a_message_is_left_that_nothing_completes() {
    run(
        plain(),
        &accepted(
            "1 ! hold
             1 < P. 1:11(10) ack 1
             1 > . 1:1(0) ack 11
             1 ! await-more
             2 < F. 11:11(0) ack 1
             2 > . 1:1(0) ack 12
             2 = PeerClosed",
        ),
    );
    // What came after the look has not been looked at.
    run(
        plain(),
        &accepted(
            "1 ! hold
             1 < P. 1:11(10) ack 1
             1 > . 1:1(0) ack 11
             1 ! await-more
             2 < FP. 11:16(5) ack 1
             2 > . 1:1(0) ack 17
             2 = -
             2 ! read 10
             2 = -
             2 ! await-more
             2 = PeerClosed",
        ),
    );
}

#[test]
fn abort_resets_the_peer_and_tells_the_application_once() {
    run(
        plain(),
        &accepted(
            "1 ! write 5
             1 > P. 1:6(5) ack 1
             1 ! abort
             1 > R. 6:6(0) ack 1
             1 = Aborted
             1 = -
             1 ! abort
             2 < . 1:1(0) ack 6
             2 > R 6:6(0)",
        ),
    );
}

#[test]
fn data_for_a_released_connection_is_answered_by_a_reset() {
    run(
        plain(),
        &accepted(
            "1 ! release
             1 > F. 1:1(0) ack 1
             2 < . 1:1(0) ack 2
             3 < P. 1:5(4) ack 2
             3 > R 2:2(0)
             3 # tcp_data_after_release 1
             3 = -",
        ),
    );
    // It has not had our FIN: its number is the one before.
    run(
        plain(),
        &accepted(
            "1 ! release
             1 > F. 1:1(0) ack 1
             3 < P. 1:5(4) ack 1
             3 > R 1:1(0)",
        ),
    );
}

#[test]
fn released_connection_closes_by_itself_or_gives_up() {
    run(
        Config { connections_max: 1, time_wait: Duration::from_ms(10), ..plain() },
        &accepted(
            "1 ! release
             1 > F. 1:1(0) ack 1
             2 < F. 1:1(0) ack 2
             2 > . 2:2(0) ack 2
             12 < S 500:500(0) win 9 mss 1000
             12 > S. 0:0(0) ack 501",
        ),
    );
    run(
        Config { orphan_timeout: Duration::from_ms(50), ..plain() },
        &accepted(
            "1 ! release
             1 > F. 1:1(0) ack 1
             2 < . 1:1(0) ack 2
             52 # tcp_orphan_timed_out 1
             53 < . 1:1(0) ack 2
             53 > R 2:2(0)",
        ),
    );
}

#[test]
fn release_with_bytes_unread_resets() {
    run(
        plain(),
        &accepted(
            "1 ! hold
             1 < P. 1:5(4) ack 1
             1 > . 1:1(0) ack 5
             2 ! release
             2 > R. 1:1(0) ack 5",
        ),
    );
}

const TIME_WAIT: &str = "1 ! shutdown
     1 > F. 1:1(0) ack 1
     2 < F. 1:1(0) ack 2
     2 > . 2:2(0) ack 2
     2 = PeerClosed
     2 = Finished
     2 ! release";

#[test]
fn newer_syn_reuses_time_wait_and_an_older_one_does_not() {
    run(
        plain(),
        &accepted(&format!(
            "{TIME_WAIT}
             3 < S 1:1(0) win 100 mss 1000
             3 > . 2:2(0) ack 2
             4 < S 3:3(0) win 100 mss 1000
             4 > S. 0:0(0) ack 4
             4 # tcp_time_wait_reused 1
             4 < . 4:4(0) ack 1
             4 = Connected"
        )),
    );
}

#[test]
fn connect_reuses_time_wait_with_a_higher_number() {
    run(
        Config { connections_max: 1, ..plain() },
        &accepted(
            "0 ! write 3000
             0 > . 1:1001(1000) ack 1
             0 > . 1001:2001(1000) ack 1
             0 > P. 2001:3001(1000) ack 1
             1 < . 1:1(0) ack 3001
             1 ! shutdown
             1 > F. 3001:3001(0) ack 1
             2 < F. 1:1(0) ack 3002
             2 > . 3002:3002(0) ack 2
             2 = PeerClosed
             2 = Finished
             2 ! release
             3 ! connect
             3 > S 0:0(0)
             3 # tcp_time_wait_reused 1
             4 < S. 900:900(0) ack 1 win 100 mss 1000
             4 > . 1:1(0) ack 901
             4 = Connected",
        ),
    );
}

#[test]
fn reset_does_not_cut_time_wait_short() {
    run(
        plain(),
        &accepted(
            "1 ! shutdown
             1 > F. 1:1(0) ack 1
             2 < F. 1:1(0) ack 2
             2 > . 2:2(0) ack 2
             3 < R 2:2(0)
             3 ~ TimeWait
             3 # tcp_reset_ignored 1",
        ),
    );
}

#[test]
fn shutdown_before_the_handshake_is_over_takes_it_back() {
    run(
        plain(),
        "0 ! connect
         0 > S 0:0(0)
         0 ! shutdown
         0 = Aborted
         0 ~ Closed",
    );
}

#[test]
fn fin_before_bytes_that_are_held_is_not_believed() {
    run(
        plain(),
        &accepted(
            "1 < P. 8:10(2) ack 1
             1 > . 1:1(0) ack 1
             2 < F. 6:6(0) ack 1
             2 > . 1:1(0) ack 1
             2 # tcp_data_after_fin 1
             3 < P. 1:8(7) ack 1
             3 > . 1:1(0) ack 10
             3 ~ Established",
        ),
    );
}

#[test]
fn fin_of_a_segment_cut_at_the_window_edge_is_not_remembered() {
    run(
        Config { receive_buffer_bytes: 1000, ..plain() },
        &accepted(
            "1 ! hold
             1 < F. 1:1501(1500) ack 1
             1 > . 1:1(0) ack 1001 win 0
             2 ! read 1000
             2 > . 1:1(0) ack 1001 win 1000
             3 < P. 1001:2001(1000) ack 1
             3 > . 1:1(0) ack 2001 win 0
             3 ~ Established",
        ),
    );
}

#[test]
fn fin_alone_does_not_wait_for_the_congestion_window() {
    run(
        Config { congestion: CongestionControl::None { in_flight_bytes_max: 1000 }, ..plain() },
        &accepted(
            "1 ! write 1000
             1 > P. 1:1001(1000) ack 1
             2 ! shutdown
             2 > F. 1001:1001(0) ack 1",
        ),
    );
}
