//! RFC 3168 and RFC 8257: what the network marks instead of dropping it.

use super::super::*;
use super::script::{plain, run};

fn ecn() -> Config {
    Config { ecn: true, ..plain() }
}

const AGREED: &str = "
    0 ! listen
    0 < SEW 0:0(0) win 20000 mss 1000 sackOK 1
    0 > S.E 0:0(0) ack 1 sackOK 1
    10 < . 1:1(0) ack 1 win 20000
    10 = Connected";

fn agreed(rest: &str) -> String {
    format!("{AGREED}\n{rest}")
}

#[test]
fn ecn_is_agreed_on_by_both_syns_or_not_at_all() {
    run(
        ecn(),
        "0 ! connect
         0 > SEW 0:0(0)
         0 < S.E 0:0(0) ack 1 win 20000 mss 1000
         0 > . 1:1(0) ack 1
         0 = Connected
         1 ! write 10
         1 > P. 1:11(10) ack 1 ect 1",
    );
    // A peer that mirrors reserved bits has not understood (RFC 3168 6.1.1).
    for answer in ["S.EW", "S."] {
        run(
            ecn(),
            &format!(
                "0 ! connect
                 0 > SEW 0:0(0)
                 0 < {answer} 0:0(0) ack 1 win 20000 mss 1000
                 0 > . 1:1(0) ack 1
                 0 = Connected
                 1 < P. 1:11(10) ack 1 ce
                 1 > . 1:1(0) ack 11"
            ),
        );
    }
    run(
        plain(),
        "0 ! listen
         0 < SEW 0:0(0) win 20000 mss 1000
         0 > S. 0:0(0) ack 1
         0 < . 1:1(0) ack 1
         0 = Connected",
    );
}

#[test]
fn syn_that_was_lost_is_sent_again_without_the_offer() {
    run(
        ecn(),
        "0 ! connect
         0 > SEW 0:0(0)
         1000 > S 0:0(0)
         1001 < S.E 0:0(0) ack 1 win 20000 mss 1000
         1001 > . 1:1(0) ack 1
         1001 = Connected
         1002 < P. 1:11(10) ack 1 ce
         1002 > . 1:1(0) ack 11",
    );
}

#[test]
fn mark_is_echoed_until_the_peer_says_that_it_has_acted() {
    run(
        ecn(),
        &agreed(
            "11 < P. 1:11(10) ack 1 ce
             11 > .E 1:1(0) ack 11
             12 < P. 11:21(10) ack 1
             12 > .E 1:1(0) ack 21
             12 ! write 10
             12 > P.E 1:11(10) ack 21 ect 1
             13 < P.W 21:31(10) ack 11
             13 > . 11:11(0) ack 31
             13 # tcp_congestion_experienced 1
             14 < P.W 31:41(10) ack 11 ce
             14 > .E 11:11(0) ack 41",
        ),
    );
}

#[test]
fn echo_halves_the_window_once_in_a_round_trip_and_is_answered() {
    run(
        ecn(),
        &agreed(
            "11 ! write 8000
             11 > . 1:1001(1000) ack 1 ect 1
             11 > . 1001:2001(1000) ack 1 ect 1
             11 > . 2001:3001(1000) ack 1 ect 1
             11 > . 3001:4001(1000) ack 1 ect 1
             11 > . 4001:5001(1000) ack 1 ect 1
             11 > . 5001:6001(1000) ack 1 ect 1
             11 > . 6001:7001(1000) ack 1 ect 1
             11 > P. 7001:8001(1000) ack 1 ect 1
             21 < .E 1:1(0) ack 1001 win 20000
             21 ~ cwnd 4000
             21 < .E 1:1(0) ack 2001 win 20000
             21 ~ cwnd 4000
             22 < . 1:1(0) ack 8001 win 20000
             22 ! write 500
             22 > P.W 8001:8501(500) ack 1 ect 1
             22 < . 1:1(0) ack 8501 win 20000
             23 ! write 500
             23 > P. 8501:9001(500) ack 1 ect 1
             23 # tcp_congestion_echoed 2",
        ),
    );
}

#[test]
fn what_is_sent_again_may_not_be_marked() {
    run(
        ecn(),
        &agreed(
            "11 ! write 150
             11 > P. 1:151(150) ack 1 ect 1
             81 > P. 1:151(150) ack 1
             281 > P. 1:151(150) ack 1
             291 < . 1:1(0) ack 151 win 20000",
        ),
    );
}

#[test]
fn dctcp_echoes_each_mark_and_no_more() {
    run(
        Config { congestion: CongestionControl::Dctcp, ..ecn() },
        &agreed(
            "11 < P. 1:11(10) ack 1 ce
             11 > .E 1:1(0) ack 11
             12 < P. 11:21(10) ack 1
             12 > . 1:1(0) ack 21
             13 < P. 21:31(10) ack 1 ce
             13 > .E 1:1(0) ack 31",
        ),
    );
}

#[test]
fn dctcp_shrinks_by_what_was_marked_of_late() {
    // alpha begins at 1 (RFC 8257 3.3): the first mark halves. 40 windows without one lower it to 85 of
    // 1024, and the next mark takes half of that part.
    let mut script = agreed(
        "11 ! write 1000
         11 > P. 1:1001(1000) ack 1 ect 1
         21 < .E 1:1(0) ack 1001 win 20000
         21 ~ cwnd 5000",
    );
    let mut ms = 30;
    for window in 1..=40 {
        let (from, to) = (window * 1000 + 1, window * 1000 + 1001);
        let cwr = if window == 1 { "P.W" } else { "P." };
        script += &format!(
            "\n{ms} ! write 1000
             {ms} > {cwr} {from}:{to}(1000) ack 1 ect 1
             {} < . 1:1(0) ack {to} win 20000",
            ms + 10
        );
        ms += 20;
    }
    script += &format!(
        "\n{ms} ~ cwnd 5000
         {ms} ! write 1000
         {ms} > P. 41001:42001(1000) ack 1 ect 1
         {0} < .E 1:1(0) ack 42001 win 20000
         {0} ~ cwnd 4793",
        ms + 10
    );
    run(Config { congestion: CongestionControl::Dctcp, ..ecn() }, &script);
}

#[test]
fn both_that_open_at_once_may_agree() {
    run(
        ecn(),
        "0 ! connect
         0 > SEW 0:0(0)
         1 < SEW 0:0(0) win 20000 mss 1000
         1 > S.E 0:0(0) ack 1
         2 < S. 0:0(0) ack 1 win 20000
         2 > . 1:1(0) ack 1
         2 = Connected
         3 ! write 10
         3 > P. 1:11(10) ack 1 ect 1",
    );
}
