//! TIME-WAIT: what is answered in it, what ends it, and who may follow (RFC 9293 3.6.1, RFC 1337, RFC 6191).

use super::super::*;
use super::script::{ACCEPTED, plain, run};
use crate::time::Duration;

/// We closed first, and the peer's FIN has come: our numbers stand at 2, the peer's at 2.
fn waiting(rest: &str) -> String {
    format!(
        "{ACCEPTED}
         1 ! shutdown
         1 > F. 1:1(0) ack 1
         2 < F. 1:1(0) ack 2
         2 > . 2:2(0) ack 2
         2 ~ TimeWait
         {rest}"
    )
}

fn short() -> Config {
    Config { time_wait: Duration::from_ms(1000), ..plain() }
}

#[test]
fn whatever_does_not_stand_where_the_peer_is_known_to_be_is_answered() {
    run(
        short(),
        &waiting(
            "3 < . 2:2(0) ack 2
             3 > -
             4 < . 3:3(0) ack 2
             4 > . 2:2(0) ack 2
             5 < . 2:2(0) ack 1
             5 > . 2:2(0) ack 2
             6 < F. 2:2(0) ack 2
             6 > . 2:2(0) ack 2
             7 < P. 2:9(7) ack 2
             7 > . 2:2(0) ack 2
             7 # tcp_data_after_fin 2
             8 < S 70000:70000(0) win 1000
             8 > S. 0:0(0) ack 70001",
        ),
    );
}

#[test]
fn segment_without_ack_is_answered_for_its_number_alone_and_the_wait_goes_on() {
    run(
        short(),
        &waiting(
            "900 < F 1:1(0)
             900 > . 2:2(0) ack 2
             901 < - 2:2(0)
             901 > -
             901 # tcp_ack_missing 2
             1001 ~ TimeWait
             1002 ~ Closed",
        ),
    );
}

#[test]
fn fin_that_is_not_the_peers_last_does_not_begin_the_wait_anew() {
    run(
        short(),
        &waiting(
            "900 < F. 2:2(0) ack 2
             900 > . 2:2(0) ack 2
             1002 ~ Closed",
        ),
    );
    run(
        short(),
        &waiting(
            "900 < F. 1:1(0) ack 2
             900 > . 2:2(0) ack 2
             1899 ~ TimeWait
             1900 ~ Closed",
        ),
    );
}

const STAMPED: &str = "
    0 ! listen
    0 < S 0:0(0) win 10000 mss 1000 ts 100 0
    0 > S. 0:0(0) ack 1
    0 < . 1:1(0) ack 1 win 10000 ts 100 0
    0 = Connected
    1 ! shutdown
    1 > F. 1:1(0) ack 1
    2 < F. 1:1(0) ack 2 win 10000 ts 102 0
    2 > . 2:2(0) ack 2
    2 ~ TimeWait
    2 = PeerClosed
    2 = Finished";

fn stamped(rest: &str) {
    let config = Config { timestamps: true, ..short() };
    run(config, &format!("{STAMPED}\n{rest}"));
}

/// RFC 6191 2, row by row: a later timestamp, or the same one or none and a higher number.
#[test]
fn successor_is_let_in_by_a_later_timestamp_whatever_its_number() {
    stamped(
        "500 < S 4294877296:4294877296(0) win 10000 mss 1000 ts 103 0
         500 > S. 0:0(0) ack 4294877297
         500 # tcp_time_wait_reused 1",
    );
}

#[test]
fn successor_with_the_same_timestamp_needs_a_higher_number() {
    stamped(
        "500 < S 1:1(0) win 10000 mss 1000 ts 102 0
         500 > . 2:2(0) ack 2
         501 < S 3:3(0) win 10000 mss 1000 ts 102 0
         501 > S. 0:0(0) ack 4",
    );
}

#[test]
fn successor_with_an_earlier_timestamp_is_challenged_though_its_number_is_higher() {
    stamped(
        "500 < S 90000:90000(0) win 10000 mss 1000 ts 101 0
         500 > . 2:2(0) ack 2
         500 # tcp_time_wait_reused 0",
    );
}

#[test]
fn successor_without_timestamps_needs_a_higher_number() {
    stamped(
        "500 < S 1:1(0) win 10000 mss 1000
         500 > . 2:2(0) ack 2
         501 < S 90000:90000(0) win 10000 mss 1000
         501 > S. 0:0(0) ack 90001",
    );
}

#[test]
fn old_duplicate_of_the_fin_does_not_begin_the_wait_anew() {
    stamped(
        "900 < F. 1:1(0) ack 2 win 10000 ts 90 0
         900 > . 2:2(0) ack 2
         900 # tcp_timestamp_old 1
         1002 ~ Closed",
    );
}
