//! RFC 2018 and RFC 2883: what is told of bytes ahead of their turn, and of bytes that came twice.

use super::super::*;
use super::script::{SACKED, plain, run};

fn accepted(rest: &str) -> String {
    format!("{SACKED}\n{rest}")
}

#[test]
fn sack_is_offered_and_granted_only_where_both_permit_it() {
    run(plain(), "0 ! connect \n 0 > S 0:0(0) win 65535 mss 1000 sackOK 1");
    run(
        Config { sack: false, ..plain() },
        "0 ! listen
         0 < S 0:0(0) win 10000 mss 1000 sackOK 1
         0 > S. 0:0(0) ack 1
         0 < . 1:1(0) ack 1 win 10000
         0 = Connected
         1 < P. 11:21(10) ack 1
         1 > . 1:1(0) ack 1",
    );
    run(
        plain(),
        "0 ! listen
         0 < S 0:0(0) win 10000 mss 1000
         0 > S. 0:0(0) ack 1
         0 < . 1:1(0) ack 1 win 10000
         0 = Connected
         1 < P. 11:21(10) ack 1
         1 > . 1:1(0) ack 1",
    );
}

#[test]
fn block_of_the_latest_arrival_is_first_then_those_before_it() {
    run(
        plain(),
        &accepted(
            "1 < P. 11:21(10) ack 1
             1 > . 1:1(0) ack 1 sack 11:21
             1 < P. 31:41(10) ack 1
             1 > . 1:1(0) ack 1 sack 31:41,11:21
             1 < P. 21:26(5) ack 1
             1 > . 1:1(0) ack 1 sack 11:26,31:41
             1 < P. 51:61(10) ack 1
             1 > . 1:1(0) ack 1 sack 51:61,11:26,31:41
             1 < P. 1:11(10) ack 1
             1 > . 1:1(0) ack 26 sack 51:61,31:41
             1 < P. 26:51(25) ack 1
             1 > . 1:1(0) ack 61 sack 31:41
             1 ! has-read 60",
        ),
    );
}

#[test]
fn as_many_blocks_as_have_room_are_told() {
    run(
        plain(),
        &accepted(
            "1 < P. 11:12(1) ack 1
             1 > . 1:1(0) ack 1 sack 11:12
             1 < P. 21:22(1) ack 1
             1 > . 1:1(0) ack 1 sack 21:22,11:12
             1 < P. 31:32(1) ack 1
             1 > . 1:1(0) ack 1 sack 31:32,21:22,11:12
             1 < P. 41:42(1) ack 1
             1 > . 1:1(0) ack 1 sack 41:42,31:32,21:22,11:12
             1 < P. 51:52(1) ack 1
             1 > . 1:1(0) ack 1 sack 51:52,41:42,31:32,21:22",
        ),
    );
    run(
        Config { timestamps: true, ..plain() },
        "0 ! listen
         0 < S 0:0(0) win 10000 mss 1000 ts 1 0 sackOK 1
         0 > S. 0:0(0) ack 1 sackOK 1 echo 1
         0 < . 1:1(0) ack 1 win 10000 ts 1 0
         0 = Connected
         1 < P. 11:12(1) ack 1 ts 1 0
         1 > . 1:1(0) ack 1 sack 11:12
         1 < P. 21:22(1) ack 1 ts 1 0
         1 > . 1:1(0) ack 1 sack 21:22,11:12
         1 < P. 31:32(1) ack 1 ts 1 0
         1 > . 1:1(0) ack 1 sack 31:32,21:22,11:12
         1 < P. 41:42(1) ack 1 ts 1 0
         1 > . 1:1(0) ack 1 sack 41:42,31:32,21:22",
    );
}

#[test]
fn what_came_twice_is_told_first_and_once() {
    run(
        plain(),
        &accepted(
            "1 < P. 1:11(10) ack 1
             1 > . 1:1(0) ack 11
             1 < P. 1:11(10) ack 1
             1 > . 1:1(0) ack 11 sack 1:11
             1 < P. 6:16(10) ack 1
             1 > . 1:1(0) ack 16 sack 6:11
             1 < P. 16:26(10) ack 1
             1 > . 1:1(0) ack 26
             1 ! has-read 25",
        ),
    );
}

#[test]
fn what_came_twice_ahead_of_its_turn_is_told_before_the_block_it_lies_in() {
    run(
        plain(),
        &accepted(
            "1 < P. 11:31(20) ack 1
             1 > . 1:1(0) ack 1 sack 11:31
             1 < P. 16:21(5) ack 1
             1 > . 1:1(0) ack 1 sack 16:21,11:31
             1 < P. 26:41(15) ack 1
             1 > . 1:1(0) ack 1 sack 26:31,11:41
             1 < P. 61:71(10) ack 1
             1 > . 1:1(0) ack 1 sack 61:71,11:41",
        ),
    );
}

#[test]
fn range_let_go_of_is_told_of_no_more() {
    let mut script = String::from(SACKED);
    for index in 1..=33 {
        let at = 1 + index * 10;
        let sack = if index < 33 { format!("{at}:{}", at + 5) } else { "321:326".into() };
        let mut blocks = vec![sack];
        blocks.extend((1..index.min(33)).rev().map(|before| {
            let before = 1 + before * 10;
            format!("{before}:{}", before + 5)
        }));
        blocks.dedup();
        // Behind the three that came before it, the nearest of the others.
        let told = if index < 33 {
            blocks[..blocks.len().min(4)].join(",")
        } else {
            "321:326,311:316,301:306,11:16".into()
        };
        script += &format!("\n 1 < P. {at}:{}(5) ack 1 \n 1 > . 1:1(0) ack 1 sack {told}", at + 5);
    }
    script += "\n 1 # tcp_reassembly_full 1";
    run(plain(), &script);
}

#[test]
fn data_make_room_for_the_blocks_that_they_carry() {
    run(
        plain(),
        &accepted(
            "1 < P. 11:21(10) ack 1
             1 > . 1:1(0) ack 1 sack 11:21
             1 ! write 1500
             1 > . 1:989(988) ack 1 sack 11:21
             1 > P. 989:1501(512) ack 1 sack 11:21
             2 < P. 1:11(10) ack 1501
             2 > . 1501:1501(0) ack 21
             2 ! write 1500
             2 > . 1501:2501(1000) ack 21
             2 > P. 2501:3001(500) ack 21",
        ),
    );
}

#[test]
fn first_part_that_came_twice_is_told_at_once_though_others_follow() {
    let delayed = Config { ack_delay: Some(crate::time::Duration::from_ms(40)), ..plain() };
    run(
        delayed,
        &accepted(
            "1 < P. 1:11(10) ack 1
             41 > . 1:1(0) ack 11
             42 < P. 21:31(10) ack 1
             42 > . 1:1(0) ack 11 sack 21:31
             43 < P. 1:41(40) ack 1
             43 > . 1:1(0) ack 41 sack 1:11
             44 < P. 31:51(20) ack 1
             44 > . 1:1(0) ack 51 sack 31:41
             44 ! has-read 50",
        ),
    );
}
