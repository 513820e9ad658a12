//! When small segments and ACKs wait, and when a peer that does not answer is given up: Nagle (RFC 9293 3.7.4),
//! the user timeout (RFC 5482), keep-alive (RFC 9293 3.8.4).

use super::super::*;
use super::script::{ACCEPTED, plain, run};
use crate::time::Duration;

fn accepted(rest: &str) -> String {
    format!("{ACCEPTED}\n{rest}")
}

fn ms(ms: u64) -> Duration {
    Duration::from_ms(ms)
}

#[test]
fn small_segments_wait_for_an_ack_under_nagle_and_full_ones_do_not() {
    run(
        Config { nagle: true, ..plain() },
        &accepted(
            "1 ! write 10
             1 > P. 1:11(10) ack 1
             2 ! write 10
             2 ! write 10
             2 > -
             3 ! write 1000
             3 > . 11:1011(1000) ack 1
             3 > -
             4 < . 1:1(0) ack 11 win 10000
             4 > -
             5 < . 1:1(0) ack 1011 win 10000
             5 > P. 1011:1031(20) ack 1",
        ),
    );
}

#[test]
fn fin_does_not_wait_under_nagle_and_takes_the_rest_along() {
    run(
        Config { nagle: true, ..plain() },
        &accepted(
            "1 ! write 10
             1 > P. 1:11(10) ack 1
             2 ! write 10
             2 > -
             2 ! shutdown
             2 > FP. 11:21(10) ack 1",
        ),
    );
}

#[test]
fn paced_segments_leave_one_by_one_and_a_repair_at_once() {
    run(
        Config { pacing: true, ..plain() },
        "0 ! listen
         0 < S 0:0(0) win 20000 mss 1000
         0 > S. 0:0(0) ack 1
         100 < . 1:1(0) ack 1 win 20000
         100 = Connected
         200 ! write 4000
         200 > . 1:1001(1000) ack 1
         205 > . 1001:2001(1000) ack 1
         210 > . 2001:3001(1000) ack 1
         215 > P. 3001:4001(1000) ack 1
         300 ! write 10
         300 > P. 4001:4011(10) ack 1
         301 < . 1:1(0) ack 1 win 20000
         302 < . 1:1(0) ack 1 win 20000
         303 < . 1:1(0) ack 1 win 20000
         303 > . 1:1001(1000) ack 1",
    );
}

#[test]
fn user_timeout_runs_from_the_first_sending() {
    run(
        Config { user_timeout: Some(ms(1000)), ..plain() },
        &accepted(
            "100 ! write 10
             100 > P. 1:11(10) ack 1
             300 > P. 1:11(10) ack 1
             700 > P. 1:11(10) ack 1
             1099 ~ Established
             1100 = TimedOut
             1100 # tcp_user_timeout 1
             1100 # tcp_timed_out 1",
        ),
    );
}

#[test]
fn each_ack_of_something_new_begins_the_user_timeout_anew() {
    run(
        Config { user_timeout: Some(ms(1000)), ..plain() },
        &accepted(
            "100 ! write 10
             100 > P. 1:11(10) ack 1
             300 > P. 1:11(10) ack 1
             500 ! write 10
             500 > P. 11:21(10) ack 1
             600 < . 1:1(0) ack 11 win 10000
             1000 > P. 11:21(10) ack 1
             1499 ~ Established
             1500 = TimedOut
             1500 # tcp_user_timeout 1",
        ),
    );
}

#[test]
fn window_that_stays_closed_outlasts_retries_but_not_the_user_timeout() {
    run(
        Config { user_timeout: Some(ms(1000)), ..plain() },
        &accepted(
            "0 < . 1:1(0) ack 1 win 0
             100 ! write 10
             300 > . 1:2(1) ack 1
             301 < . 1:1(0) ack 1 win 0
             700 > . 1:2(1) ack 1
             701 < . 1:1(0) ack 1 win 0
             1099 ~ Established
             1100 = TimedOut",
        ),
    );
}

#[test]
fn timeout_before_the_first_retransmission_waits_for_it() {
    run(
        Config { user_timeout: Some(ms(50)), ..plain() },
        &accepted(
            "100 ! write 10
             100 > P. 1:11(10) ack 1
             299 ~ Established
             300 = TimedOut",
        ),
    );
}

#[test]
fn probed_peer_is_given_up_after_the_user_timeout_whatever_the_probes() {
    let keep_alive = Some(KeepAlive { idle: ms(1000), interval: ms(100), probes: 9 });
    run(
        Config { keep_alive, user_timeout: Some(ms(1150)), ..plain() },
        &accepted(
            "1000 > . 0:0(0) ack 1
             1100 > . 0:0(0) ack 1
             1200 > R. 1:1(0) ack 1
             1200 = KeepAliveTimedOut",
        ),
    );
}

/// A peer that went away and came back knows nothing of the connection.
#[test]
fn half_open_connection_is_found_out_by_a_probe_that_is_reset() {
    let keep_alive = Some(KeepAlive { idle: ms(1000), interval: ms(100), probes: 9 });
    run(
        Config { keep_alive, ..plain() },
        &accepted(
            "1000 > . 0:0(0) ack 1
             1001 < R 1:1(0)
             1001 = Reset",
        ),
    );
}

#[test]
fn half_open_connection_is_found_out_by_a_peer_that_connects_again() {
    run(
        plain(),
        &accepted(
            "1000 < S 77777:77777(0) win 10000 mss 1000
             1000 > . 1:1(0) ack 1
             1000 < R 1:1(0)
             1000 = Reset
             2000 < S 77777:77777(0) win 10000 mss 1000
             2000 > S. * ack 77778",
        ),
    );
}

#[test]
fn terms_of_one_connection_are_not_the_others() {
    let local = Endpoint { addr: core::net::Ipv4Addr::new(10, 0, 0, 1), port: 1 };
    let remote = Endpoint { addr: core::net::Ipv4Addr::new(10, 0, 0, 2), port: 2 };
    let mut stack = Stack::new(plain(), [1; 16]);
    let now = crate::time::Instant::ZERO;
    let one = stack.connect(now, local, remote).unwrap();
    let other = stack.connect(now, Endpoint { port: 3, ..local }, remote).unwrap();
    let terms = Terms { ack_delay: Some(Duration::from_s(9)), nagle: true, ..stack.terms() };
    stack.set_terms(one, &terms);
    let of = |id: ConnectionId| stack.connections[id.index()].terms;
    assert_eq!(of(one), Terms { ack_delay: Some(ms(500)), ..terms });
    assert_eq!(of(other), stack.terms());
}
