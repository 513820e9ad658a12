//! RFC 4987 3.6: SYNs that a full listener answers without keeping anything of them.

use super::super::*;
use super::script::{LOCAL, REMOTE, plain, run};
use crate::time::Instant;
use crate::wire::tcp::{Flags, Options, Segment, SeqNumber};

/// A listener that is always full.
fn full(base: Config) -> Config {
    Config { backlog_max: 0, ..base }
}

#[test]
fn cookie_remembers_every_option_where_the_peer_has_timestamps() {
    let base = Config { mss: 1460, ecn: true, ..Config::default() };
    run(
        full(base),
        "0 ! listen
         0 < SEW 0:0(0) win 20000 mss 1200 scale 7 ts 100 0 sackOK 1
         0 > S.E 0:0(0) ack 1 mss 1460 scale 1 echo 100 sackOK 1
         0 # tcp_syn_cookie_out 1
         0 # tcp_connect_passive 0
         50000 < . 1:1(0) ack 1 win 100 tsat 150 0
         50000 = Connected
         50000 # tcp_syn_cookie_accepted 1
         50001 ! write 2000
         50001 > . 1:1013(1012) ack 1 echo 150 ect 1
         50001 > P. 1013:2001(988) ack 1
         50002 < P. 11:21(10) ack 2001 win 100 tsat 160 50001
         50002 > . 2001:2001(0) ack 1 sack 11:21",
    );
}

#[test]
fn cookie_for_a_peer_without_timestamps_grants_nothing_that_it_could_not_remember() {
    run(
        full(Config::default()),
        "0 ! listen
         0 < S 0:0(0) win 20000 mss 1460 scale 7 sackOK 1
         0 > S. 0:0(0) ack 1 mss 1460
         0 # tcp_syn_cookie_out 1
         10 < P. 1:6(5) ack 1 win 500
         10 > . 1:1(0) ack 6
         10 = Connected
         10 ! has-read 5
         11 ! write 600
         11 > . 1:501(500) ack 6",
    );
}

#[test]
fn ack_of_no_cookie_is_reset_and_so_is_one_that_comes_too_late() {
    run(
        full(plain()),
        "0 ! listen
         0 < . 1:1(0) ack 1
         0 > R 1:1(0)
         0 # tcp_listen_ack_unexpected 1
         0 < S 0:0(0) win 20000 mss 1000
         0 > S. 0:0(0) ack 1
         1 < . 1:1(0) ack 2
         1 > R 2:2(0)
         1 < . 2:2(0) ack 1
         1 > R 1:1(0)
         1 < S. 1:1(0) ack 1
         1 > R 1:1(0)
         1 # tcp_syn_cookie_wrong 2
         1 # tcp_listen_ack_unexpected 2
         127999 < . 1:1(0) ack 3
         127999 # tcp_syn_cookie_wrong 3
         127999 > R 3:3(0)
         128000 < . 1:1(0) ack 1
         128000 > R 1:1(0)
         128000 # tcp_syn_cookie_accepted 0",
    );
}

#[test]
fn cookie_is_good_until_the_next_period_ends() {
    for (ms, state) in [(127_999, "Established"), (128_000, "-")] {
        let answer = if ms < 128_000 { "" } else { "> R 1:1(0)" };
        let answer = if answer.is_empty() { String::new() } else { format!("{ms} {answer}") };
        run(
            full(plain()),
            &format!(
                "0 ! listen
                 0 < S 0:0(0) win 20000 mss 1000
                 0 > S. 0:0(0) ack 1
                 {ms} < . 1:1(0) ack 1
                 {answer}
                 {ms} ~ {state}"
            ),
        );
    }
}

#[test]
fn nothing_is_measured_by_a_cookie() {
    run(
        full(plain()),
        "0 ! listen
         0 < S 0:0(0) win 20000 mss 1000
         0 > S. 0:0(0) ack 1
         9000 < . 1:1(0) ack 1 win 10000
         9000 = Connected
         9000 ! write 10
         9000 > P. 1:11(10) ack 1
         10000 > P. 1:11(10) ack 1",
    );
}

#[test]
fn whoever_comes_back_from_time_wait_is_let_in_though_the_listener_is_full() {
    run(
        Config { backlog_max: 0, ..plain() },
        "0 ! listen
         0 < S 0:0(0) win 10000 mss 1000
         0 > S. 0:0(0) ack 1
         0 < . 1:1(0) ack 1 win 10000
         0 = Connected
         1 ! shutdown
         1 > F. 1:1(0) ack 1
         2 < F. 1:1(0) ack 2
         2 > . 2:2(0) ack 2
         3 < S 70000:70000(0) win 1000
         3 > S. 0:0(0) ack 70001
         3 # tcp_syn_cookie_out 1
         3 # tcp_connect_passive 2",
    );
}

#[test]
fn flood_of_syns_keeps_nobody_out_and_costs_the_others_nothing() {
    let config = Config { backlog_max: 4, connections_max: 8, ..plain() };
    let mut stack = Stack::new(config, [1; 16]);
    stack.listen(LOCAL).unwrap();
    let now = Instant::from_ms(5);
    let segment = |port, flags, seq, ack| Segment {
        src_port: port,
        dst_port: LOCAL.port,
        seq: SeqNumber(seq),
        ack,
        flags,
        window: 1000,
        options: Options { mss: Some(1000), ..Options::NONE },
        payload: &[],
        is_ce: false,
    };
    let arrive = |stack: &mut Stack, port, flags, seq, ack| {
        let segment = segment(port, flags, seq, ack);
        let arrival = stack.on_segment(now, REMOTE.addr, LOCAL.addr, &segment);
        let left = core::iter::from_fn(|| stack.poll_transmit(now).map(|sent| sent.header));
        (arrival.connection, left.last())
    };
    let open = |stack: &mut Stack, port| {
        let (_, syn_ack) = arrive(stack, port, Flags::SYN, 7, SeqNumber(0));
        let ack = syn_ack.expect("an answer").seq + 1;
        arrive(stack, port, Flags::ACK, 8, ack).0.expect("a connection")
    };
    let before = open(&mut stack, 1);
    for port in 1000..3000 {
        let (_, syn_ack) = arrive(&mut stack, port, Flags::SYN, 7, SeqNumber(0));
        assert!(syn_ack.is_some_and(|header| header.flags.has(Flags::SYN.with(Flags::ACK))));
    }
    let after = open(&mut stack, 2);
    for id in [before, after] {
        assert_eq!(stack.info(id).map(|info| info.state), Some(State::Established));
    }
    let counted = [Count::SynCookieOut, Count::SynCookieAccepted, Count::BacklogFull];
    assert_eq!(counted.map(|what| stack.counters().of(what)), [1997, 1, 0]);
    // Where no connection is free either, an ACK that is right waits for one.
    for port in 3..5 {
        open(&mut stack, port);
    }
    let (_, syn_ack) = arrive(&mut stack, 5, Flags::SYN, 7, SeqNumber(0));
    let ack = syn_ack.unwrap().seq + 1;
    assert_eq!(arrive(&mut stack, 5, Flags::ACK, 8, ack), (None, None));
    assert_eq!(stack.counters().of(Count::ConnectionsFull), 1);
    stack.abort(now, after);
    assert!(stack.poll_transmit(now).is_some());
    while stack.poll_event().is_some() {}
    stack.release(after);
    assert!(arrive(&mut stack, 5, Flags::ACK, 8, ack).0.is_some());
}
