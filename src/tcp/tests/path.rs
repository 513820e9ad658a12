//! How large segments may be on the way: RFC 1191, RFC 4821.

use super::super::*;
use super::script::{ACCEPTED, plain, run};

fn accepted(rest: &str) -> String {
    format!("{ACCEPTED}\n{rest}")
}

#[test]
fn lowered_size_is_forgotten_after_ten_minutes() {
    run(
        plain(),
        &accepted(
            "1 ! write 1000
             1 > P. 1:1001(1000) ack 1
             2 ! path-mtu 640 1
             2 > . 1:601(600) ack 1
             2 > P. 601:1001(400) ack 1
             3 < . 1:1(0) ack 1001 win 10000
             600000 ! write 1000
             600000 > . 1001:1601(600) ack 1
             600000 > P. 1601:2001(400) ack 1
             600001 < . 1:1(0) ack 2001 win 10000
             600002 # tcp_path_mtu_raised 1
             600003 ! write 1000
             600003 > P. 2001:3001(1000) ack 1",
        ),
    );
}

#[test]
fn error_that_names_a_larger_size_changes_nothing() {
    run(
        plain(),
        &accepted(
            "1 ! write 1000
             1 > P. 1:1001(1000) ack 1
             2 ! path-mtu 640 1
             2 > . 1:601(600) ack 1
             2 > P. 601:1001(400) ack 1
             3 ! path-mtu 900 1
             3 > -
             3 # tcp_path_mtu_lowered 1",
        ),
    );
}

#[test]
fn router_that_names_no_size_gets_the_next_plateau() {
    run(
        Config { mss: 1460, ..plain() },
        "0 ! listen
         0 < S 0:0(0) win 20000 mss 1460
         0 > S. 0:0(0) ack 1
         0 < . 1:1(0) ack 1 win 20000
         0 = Connected
         1 ! write 1460
         1 > P. 1:1461(1460) ack 1
         2 ! path-mtu 0 1
         2 > . 1:1453(1452) ack 1
         2 > P. 1453:1461(8) ack 1
         3 ! path-mtu 0 1
         3 > . 1:967(966) ack 1
         3 > P. 967:1461(494) ack 1",
    );
}

#[test]
fn full_segments_that_never_arrive_become_smaller() {
    run(
        plain(),
        &accepted(
            "1 ! write 1000
             1 > P. 1:1001(1000) ack 1
             201 > P. 1:1001(1000) ack 1
             601 > P. 1:1001(1000) ack 1
             1401 > . 1:967(966) ack 1
             1401 > P. 967:1001(34) ack 1
             1401 # tcp_path_black_hole 1
             1403 < . 1:1(0) ack 1001 win 10000
             1404 ! write 1000
             1404 > . 1001:1967(966) ack 1
             1404 > P. 1967:2001(34) ack 1",
        ),
    );
}

#[test]
fn black_hole_is_smaller_still_after_two_more_timeouts() {
    run(
        plain(),
        &accepted(
            "1 ! write 1000
             1 > P. 1:1001(1000) ack 1
             201 > P. 1:1001(1000) ack 1
             601 > P. 1:1001(1000) ack 1
             1401 > . 1:967(966) ack 1
             1401 > P. 967:1001(34) ack 1
             3001 > . 1:967(966) ack 1
             3001 > P. 967:1001(34) ack 1
             6201 > . 1:513(512) ack 1
             6201 > P. 513:1001(488) ack 1
             6201 # tcp_path_black_hole 2",
        ),
    );
}

#[test]
fn small_segments_that_never_arrive_blame_no_size() {
    run(
        plain(),
        &accepted(
            "1 ! write 999
             1 > P. 1:1000(999) ack 1
             201 > P. 1:1000(999) ack 1
             601 > P. 1:1000(999) ack 1
             1401 > P. 1:1000(999) ack 1
             1401 # tcp_path_black_hole 0",
        ),
    );
}
