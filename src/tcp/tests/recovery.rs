//! RFC 6298, RFC 5681, RFC 6582, RFC 1191, RFC 9293 3.8.4: what is done when nothing arrives.

use super::super::*;
use super::script::{ACCEPTED, plain, run};
use crate::time::Duration;

fn accepted(rest: &str) -> String {
    format!("{ACCEPTED}\n{rest}")
}

#[test]
fn lost_segment_is_sent_again_with_back_off_until_given_up() {
    run(
        Config { retries_max: 3, ..plain() },
        &accepted(
            "1 ! write 10
             1 > P. 1:11(10) ack 1
             201 > P. 1:11(10) ack 1
             601 > P. 1:11(10) ack 1
             1401 > P. 1:11(10) ack 1
             3000 ~ Established
             3001 = TimedOut
             3001 # tcp_retransmission 3
             3001 # tcp_retransmit_timeout 3",
        ),
    );
}

#[test]
fn after_a_timeout_the_rest_follows_as_acks_come() {
    run(
        plain(),
        &accepted(
            "1 ! write 3000
             1 > . 1:1001(1000) ack 1
             1 > . 1001:2001(1000) ack 1
             1 > P. 2001:3001(1000) ack 1
             201 > . 1:1001(1000) ack 1
             202 < . 1:1(0) ack 1001
             202 > . 1001:2001(1000) ack 1
             202 > P. 2001:3001(1000) ack 1
             203 < . 1:1(0) ack 3001",
        ),
    );
}

#[test]
fn ack_of_a_part_restarts_the_timer_for_the_rest() {
    run(
        plain(),
        &accepted(
            "1 ! write 2000
             1 > . 1:1001(1000) ack 1
             1 > P. 1001:2001(1000) ack 1
             51 < . 1:1(0) ack 1001
             251 > P. 1001:2001(1000) ack 1",
        ),
    );
}

#[test]
fn duplicates_are_counted_anew_after_progress() {
    run(
        plain(),
        &accepted(
            "1 ! write 3000
             1 > . 1:1001(1000) ack 1
             1 > . 1001:2001(1000) ack 1
             1 > P. 2001:3001(1000) ack 1
             2 < . 1:1(0) ack 1
             2 < . 1:1(0) ack 1
             3 < . 1:1(0) ack 1001
             3 < . 1:1(0) ack 1001
             3 < . 1:1(0) ack 1001
             3 > -
             3 # tcp_duplicate_ack 4
             3 # tcp_fast_retransmit 0",
        ),
    );
}

#[test]
fn back_off_stays_until_something_sent_once_is_acknowledged() {
    run(
        plain(),
        &accepted(
            "1 ! write 10
             1 > P. 1:11(10) ack 1
             201 > P. 1:11(10) ack 1
             202 < . 1:1(0) ack 11
             300 ! write 10
             300 > P. 11:21(10) ack 1
             700 > P. 11:21(10) ack 1
             701 < . 1:1(0) ack 21
             702 ! write 10
             702 > P. 21:31(10) ack 1
             703 < . 1:1(0) ack 31
             704 ! write 10
             704 > P. 31:41(10) ack 1
             904 > P. 31:41(10) ack 1",
        ),
    );
}

#[test]
fn third_duplicate_ack_sends_the_first_segment_again_and_partial_acks_the_next() {
    run(
        plain(),
        &accepted(
            "1 ! write 6000
             1 > . 1:1001(1000) ack 1
             1 > . 1001:2001(1000) ack 1
             1 > . 2001:3001(1000) ack 1
             1 > . 3001:4001(1000) ack 1
             1 > . 4001:5001(1000) ack 1
             1 > P. 5001:6001(1000) ack 1
             2 < . 1:1(0) ack 1
             2 < . 1:1(0) ack 1
             2 > -
             2 < . 1:1(0) ack 1
             2 > . 1:1001(1000) ack 1
             3 < . 1:1(0) ack 2001
             3 > . 2001:3001(1000) ack 1
             4 < . 1:1(0) ack 6001
             4 > -
             4 # tcp_fast_retransmit 1
             4 # tcp_retransmission 2",
        ),
    );
}

#[test]
fn first_duplicate_acks_let_new_segments_out() {
    run(
        plain(),
        &accepted(
            "1 ! write 10000
             1 > . 1:1001(1000) ack 1
             1 > . 1001:2001(1000) ack 1
             1 > . 2001:3001(1000) ack 1
             1 > . 3001:4001(1000) ack 1
             1 > . 4001:5001(1000) ack 1
             1 > . 5001:6001(1000) ack 1
             1 > . 6001:7001(1000) ack 1
             1 > . 7001:8001(1000) ack 1
             1 > . 8001:9001(1000) ack 1
             1 > P. 9001:10001(1000) ack 1
             2 < . 1:1(0) ack 1001 win 30000
             3 ! write 3000
             3 > . 10001:11001(1000) ack 1
             3 > P. 11001:12001(1000) ack 1
             4 < . 1:1(0) ack 1001 win 30000
             4 > P. 12001:13001(1000) ack 1",
        ),
    );
}

#[test]
fn acks_with_data_or_another_window_are_no_duplicates() {
    run(
        plain(),
        &accepted(
            "1 ! write 10
             1 > P. 1:11(10) ack 1
             2 < . 1:1(0) ack 1 win 9000
             2 < . 1:1(0) ack 1 win 8000
             2 < . 1:1(0) ack 1 win 7000
             2 < P. 1:2(1) ack 1 win 7000
             2 > . 11:11(0) ack 2
             2 # tcp_duplicate_ack 0",
        ),
    );
}

#[test]
fn without_congestion_control_only_the_bound_holds() {
    let congestion = CongestionControl::None { in_flight_bytes_max: 2000 };
    run(
        Config { congestion, ..plain() },
        &accepted(
            "1 ! write 3000
             1 > . 1:1001(1000) ack 1
             1 > P. 1001:2001(1000) ack 1
             1 > -
             201 > . 1:1001(1000) ack 1
             201 > . 1001:2001(1000) ack 1
             202 < . 1:1(0) ack 2001
             202 > P. 2001:3001(1000) ack 1",
        ),
    );
}

#[test]
fn icmp_too_big_about_something_in_flight_lowers_the_segments() {
    run(
        plain(),
        &accepted(
            "1 ! write 1500
             1 > . 1:1001(1000) ack 1
             1 > P. 1001:1501(500) ack 1
             2 ! path-mtu 640 9999
             2 > -
             2 # tcp_icmp_out_of_window 1
             2 ! path-mtu 640 1
             2 > . 1:601(600) ack 1
             2 > . 601:1001(400) ack 1
             2 > P. 1001:1501(500) ack 1
             3 ! path-mtu 68 1
             3 > . 1:513(512) ack 1
             3 > . 513:1001(488) ack 1
             3 > P. 1001:1501(500) ack 1
             3 # tcp_path_mtu_lowered 2",
        ),
    );
}

#[test]
fn idle_peer_is_probed_and_given_up_after_the_last_probe() {
    let keep_alive = Some(KeepAlive {
        idle: Duration::from_ms(1000),
        interval: Duration::from_ms(100),
        probes: 2,
    });
    run(
        Config { keep_alive, ..plain() },
        &accepted(
            "500 < P. 1:2(1) ack 1
             500 > . 1:1(0) ack 2
             1500 > . 0:0(0) ack 2
             1501 < . 2:2(0) ack 1
             2501 > . 0:0(0) ack 2
             2601 > . 0:0(0) ack 2
             2700 ~ Established
             2701 > R. 1:1(0) ack 2
             2701 = KeepAliveTimedOut",
        ),
    );
}

#[test]
fn segments_put_aside_for_want_of_an_address_leave_once_it_is_known() {
    use crate::time::Instant;
    let mut stack = Stack::new(plain(), [5; 16]);
    let remote = super::script::REMOTE;
    stack.connect(Instant::ZERO, super::script::LOCAL, remote).unwrap();
    assert_eq!(stack.next_transmit().map(|turn| turn.remote), Some(remote.addr));
    stack.defer_transmit();
    assert!(stack.next_transmit().is_none());
    stack.on_timeout(Instant::from_ms(5000));
    assert!(stack.next_transmit().is_none(), "what never left is not sent again");
    stack.resume_transmits();
    assert_eq!(stack.next_transmit().map(|turn| turn.remote), Some(remote.addr));
    assert!(stack.poll_transmit(Instant::from_ms(5000)).is_some_and(|syn| !syn.retransmission));
}

#[test]
fn what_duplicate_acks_told_of_makes_no_window_afterwards() {
    run(
        plain(),
        &accepted(
            "1 ! write 14000
             1 > . 1:1001(1000) ack 1
             1 > . 1001:2001(1000) ack 1
             1 > . 2001:3001(1000) ack 1
             1 > . 3001:4001(1000) ack 1
             1 > . 4001:5001(1000) ack 1
             1 > . 5001:6001(1000) ack 1
             1 > . 6001:7001(1000) ack 1
             1 > . 7001:8001(1000) ack 1
             1 > . 8001:9001(1000) ack 1
             1 > P. 9001:10001(1000) ack 1
             1 ~ cwnd 10000
             2 < . 1:1(0) ack 1 win 10000
             2 < . 1:1(0) ack 1 win 10000
             2 # tcp_duplicate_ack 2
             3 < . 1:1(0) ack 3001 win 1
             3 ~ cwnd 11000",
        ),
    );
}

#[test]
fn part_that_a_window_let_out_goes_again_after_a_timeout() {
    run(
        plain(),
        &accepted(
            "1 ! write 1000
             1 > P. 1:1001(1000) ack 1
             2 < . 1:1(0) ack 1 win 100
             201 > . 1:101(100) ack 1
             601 > . 1:101(100) ack 1
             602 < . 1:1(0) ack 101 win 1000
             602 > P. 101:1001(900) ack 1",
        ),
    );
}
