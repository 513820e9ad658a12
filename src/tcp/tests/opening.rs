//! RFC 9293 3.5 and 3.10.7.1 to 3.10.7.3: how connections begin, and what does not begin one.

use super::super::*;
use super::script::{ACCEPTED, LOCAL, REMOTE, plain, run};
use crate::time::Instant;
use crate::wire::tcp::{Flags, Options, Segment, SeqNumber};

#[test]
fn active_open_completes_and_fits_the_peers_options() {
    run(
        Config { mss: 1460, ..Config::default() },
        "0 ! connect
         0 > S 0:0(0) win 65535 mss 1460 scale 1 echo 0
         5 < S. 0:0(0) ack 1 win 1000 mss 1200 scale 7 ts 70 0
         5 > . 1:1(0) ack 1 echo 70
         5 = Connected
         5 ! write 3000
         5 > . 1:1001(1000) ack 1
         6 < . 1:1(0) ack 1001 win 1000 ts 71 0
         6 > . 1001:2189(1188) ack 1 echo 71
         6 > P. 2189:3001(812) ack 1",
    );
}

#[test]
fn passive_open_offers_only_what_the_peer_offered() {
    run(
        Config::default(),
        "0 ! listen
         0 < S 0:0(0) win 1000 mss 1000 ts 5 0
         0 > S. 0:0(0) ack 1 win 65535 mss 1460 echo 5
         0 < . 1:1(0) ack 1 win 1000 ts 6 0
         0 = Connected",
    );
    run(
        Config::default(),
        "0 ! listen
         0 < S 0:0(0) win 1000 scale 3
         0 > S. 0:0(0) ack 1 win 65535 mss 1460 scale 1
         0 < . 1:1(0) ack 1 win 1000
         0 = Connected",
    );
}

#[test]
fn peer_without_mss_option_gets_536_bytes() {
    run(
        plain(),
        "0 ! listen
         0 < S 0:0(0) win 1000
         0 > S. 0:0(0) ack 1
         0 < . 1:1(0) ack 1 win 10000
         0 = Connected
         0 ! write 600
         0 > . 1:537(536) ack 1
         0 > P. 537:601(64) ack 1",
    );
}

#[test]
fn handshakes_last_ack_may_carry_data() {
    run(
        plain(),
        "0 ! listen
         0 < S 0:0(0) win 1000 mss 1000
         0 > S. 0:0(0) ack 1
         0 < P. 1:11(10) ack 1 win 10000
         0 > . 1:1(0) ack 11
         0 ! has-read 10
         0 = Connected",
    );
}

#[test]
fn both_open_at_once() {
    run(
        plain(),
        "0 ! connect
         0 > S 0:0(0)
         1 < S 0:0(0) win 1000 mss 1000
         1 > S. 0:0(0) ack 1
         2 < S. 0:0(0) ack 1 win 1000 mss 1000
         2 > . 1:1(0) ack 1
         2 = Connected
         2 ~ Established",
    );
}

#[test]
fn lost_syn_is_sent_again_with_back_off_until_given_up() {
    run(
        Config { syn_retries_max: 3, ..plain() },
        "0 ! connect
         0 > S 0:0(0)
         1000 > S 0:0(0)
         3000 > S 0:0(0)
         7000 > S 0:0(0)
         14999 = -
         15000 = TimedOut
         15000 ~ Closed
         15000 # tcp_syn_retransmission 3
         15000 # tcp_timed_out 1",
    );
}

#[test]
fn lost_syn_leaves_a_timeout_of_three_seconds() {
    run(
        plain(),
        "0 ! connect
         0 > S 0:0(0)
         1000 > S 0:0(0)
         1001 < S. 0:0(0) ack 1 win 1000 mss 1000
         1001 > . 1:1(0) ack 1
         1001 = Connected
         1001 ! write 10
         1001 > P. 1:11(10) ack 1
         4001 > P. 1:11(10) ack 1",
    );
}

#[test]
fn backlog_has_room_again_once_a_handshake_is_over() {
    run(
        Config { backlog_max: 1, ..plain() },
        &format!(
            "{ACCEPTED}
             1 < R 1:1(0)
             1 = Reset
             1 ! release
             2 < S 9:9(0) win 1000 mss 1000
             2 > S. 0:0(0) ack 10"
        ),
    );
}

#[test]
fn lost_syn_ack_is_sent_again_on_time_and_on_a_repeated_syn() {
    run(
        plain(),
        "0 ! listen
         0 < S 0:0(0) win 1000 mss 1000
         0 > S. 0:0(0) ack 1
         400 < S 0:0(0) win 1000 mss 1000
         400 > S. 0:0(0) ack 1
         1000 > S. 0:0(0) ack 1
         1001 < . 1:1(0) ack 1 win 1000
         1001 = Connected
         1001 # tcp_syn_duplicate 1",
    );
}

#[test]
fn reset_answers_what_nobody_wants() {
    run(plain(), "0 < S 77:77(0) \n 0 > R. 0:0(0) ack 78");
    run(plain(), "0 < P 77:80(3) \n 0 > R. 0:0(0) ack 80");
    run(plain(), "0 < . 77:77(0) ack 500 \n 0 > R 500:500(0)");
    run(plain(), "0 < R 77:77(0) \n 0 < R. 77:77(0) ack 3 \n 0 > - \n 0 # tcp_reset_ignored 2");
}

#[test]
fn listener_resets_an_ack_and_drops_what_is_no_syn() {
    run(
        plain(),
        "0 ! listen \n 0 < . 5:5(0) ack 9 \n 0 > R 9:9(0) \n 0 # tcp_listen_ack_unexpected 1",
    );
    run(plain(), "0 ! listen \n 0 < S. 5:5(0) ack 9 \n 0 > R 9:9(0)");
    run(plain(), "0 ! listen \n 0 < P 5:6(1) \n 0 > - \n 0 # tcp_listen_segment_ignored 1");
    run(plain(), "0 ! listen \n 0 < R 5:5(0) \n 0 > - \n 0 # tcp_reset_ignored 1");
}

#[test]
fn syn_sent_believes_only_what_acknowledges_its_syn() {
    run(
        plain(),
        "0 ! connect
         0 > S 0:0(0)
         1 < . 5:5(0) ack 9
         1 > R 9:9(0)
         1 < S. 0:0(0) ack 2 win 1000
         1 > R 2:2(0)
         1 < R. 0:0(0) ack 2
         1 < R 0:0(0)
         1 ~ SynSent
         1 # tcp_handshake_ack_wrong 3
         1 < R. 0:0(0) ack 1
         1 = Refused
         1 ~ Closed",
    );
}

#[test]
fn syn_received_resets_an_ack_of_anything_else() {
    run(
        plain(),
        "0 ! listen
         0 < S 0:0(0) win 1000 mss 1000
         0 > S. 0:0(0) ack 1
         0 < . 1:1(0) ack 2 win 1000
         0 > R 2:2(0)
         0 ~ SynReceived
         0 < R 1:1(0)
         0 ~ -
         0 = -",
    );
}

#[test]
fn unreachable_ends_an_open_only_if_nobody_listens_and_the_quote_is_ours() {
    run(
        plain(),
        "0 ! connect
         0 > S 0:0(0)
         0 ! unreachable 1 0
         0 # tcp_icmp_soft 1
         0 ! unreachable 3 7
         0 # tcp_icmp_out_of_window 1
         0 ~ SynSent
         0 ! unreachable 3 0
         0 = Unreachable",
    );
    run(
        plain(),
        &format!(
            "{ACCEPTED}
             0 ! write 10
             0 > P. 1:11(10) ack 1
             0 ! unreachable 3 1
             0 ~ Established
             0 # tcp_icmp_soft 1"
        ),
    );
}

/// A segment from `port` of the peer to the listener.
fn segment(port: u16, flags: Flags, seq: u32, ack: SeqNumber) -> Segment<'static> {
    Segment {
        src_port: port,
        dst_port: LOCAL.port,
        seq: SeqNumber(seq),
        ack,
        flags,
        window: 1000,
        options: Options::NONE,
        payload: &[],
        is_ce: false,
    }
}

#[test]
fn full_backlog_and_full_stack_drop_syns_by_name() {
    let config = Config { backlog_max: 2, connections_max: 3, syn_cookies: false, ..plain() };
    let mut stack = Stack::new(config, [1; 16]);
    stack.listen(LOCAL).unwrap();
    let syn = |stack: &mut Stack, port| {
        let syn = segment(port, Flags::SYN, 1, SeqNumber(0));
        stack.on_segment(Instant::ZERO, REMOTE.addr, LOCAL.addr, &syn).connection.is_some()
    };
    assert_eq!([1, 2, 3].map(|port| syn(&mut stack, port)), [true, true, false]);
    assert_eq!(stack.counters().of(Count::BacklogFull), 1);
    let other = Endpoint { port: 1, ..LOCAL };
    stack.connect(Instant::ZERO, other, REMOTE).unwrap();
    let full = stack.connect(Instant::ZERO, Endpoint { port: 2, ..LOCAL }, REMOTE);
    assert_eq!(full, Err(OpenRefusal::ConnectionsFull));
    assert_eq!(stack.counters().of(Count::ConnectionsFull), 1);
    assert_eq!(stack.connect(Instant::ZERO, other, REMOTE), Err(OpenRefusal::EndpointInUse));
}

/// A connection from `port` that the application closed first and the peer then.
fn in_time_wait(stack: &mut Stack, port: u16) -> ConnectionId {
    let now = Instant::from_ms(u64::from(port));
    let arrive = |stack: &mut Stack, flags, seq, ack| {
        let arrival =
            stack.on_segment(now, REMOTE.addr, LOCAL.addr, &segment(port, flags, seq, ack));
        let left = core::iter::from_fn(|| stack.poll_transmit(now).map(|sent| sent.header.seq));
        (arrival.connection, left.last())
    };
    let (id, syn_ack) = arrive(stack, Flags::SYN, 1, SeqNumber(0));
    let (id, iss) = (id.expect("a place"), syn_ack.expect("a SYN-ACK"));
    arrive(stack, Flags::ACK, 2, iss + 1);
    assert_eq!(stack.poll_event(), Some((id, Event::Connected)));
    stack.shutdown(now, id);
    assert!(stack.poll_transmit(now).is_some());
    arrive(stack, Flags::FIN.with(Flags::ACK), 2, iss + 2);
    assert_eq!(stack.info(id).map(|info| info.state), Some(State::TimeWait));
    assert_eq!(stack.poll_event(), Some((id, Event::PeerClosed)));
    assert_eq!(stack.poll_event(), Some((id, Event::Closed(Closed::Finished))));
    id
}

#[test]
fn whoever_only_waits_for_its_end_makes_room_the_oldest_first() {
    let config = Config { connections_max: 2, ..plain() };
    let mut stack = Stack::new(config, [1; 16]);
    stack.listen(LOCAL).unwrap();
    let (first, second) = (in_time_wait(&mut stack, 10), in_time_wait(&mut stack, 20));
    let syn = |stack: &mut Stack, port| {
        let syn = segment(port, Flags::SYN, 1, SeqNumber(0));
        stack.on_segment(Instant::from_ms(30), REMOTE.addr, LOCAL.addr, &syn).connection.is_some()
    };
    assert!(!syn(&mut stack, 30), "the application still holds both");
    assert_eq!(stack.counters().of(Count::ConnectionsFull), 1);
    stack.release(second);
    stack.release(first);
    assert!(syn(&mut stack, 30));
    assert_eq!(stack.counters().of(Count::TimeWaitCutShort), 1);
    // A segment of the one that had to go is nobody's; the other still answers.
    let fin = |stack: &mut Stack, port| {
        let fin = segment(port, Flags::FIN.with(Flags::ACK), 2, SeqNumber(0));
        let arrival = stack.on_segment(Instant::from_ms(31), REMOTE.addr, LOCAL.addr, &fin);
        arrival.connection.is_some()
    };
    assert!(!fin(&mut stack, 10) && fin(&mut stack, 20));
}

#[test]
fn unlisten_resets_the_half_open_and_frees_their_slots() {
    run(
        Config { connections_max: 1, ..plain() },
        "0 ! listen
         0 < S 0:0(0) win 1000 mss 1000
         0 > S. 0:0(0) ack 1
         0 ! unlisten
         0 > R. 1:1(0) ack 1
         0 < S 50:50(0) win 1000
         0 > R. * ack 51",
    );
}

#[test]
fn ephemeral_ports_differ_until_they_are_exhausted() {
    let config = Config { ephemeral_ports: 50_000..=50_003, ..plain() };
    let mut stack = Stack::new(config, [1; 16]);
    let local = Endpoint { port: 0, ..LOCAL };
    let mut ports: Vec<u16> = (0..4)
        .map(|_| {
            let id = stack.connect(Instant::ZERO, local, REMOTE).unwrap();
            stack.info(id).unwrap().local.port
        })
        .collect();
    ports.sort_unstable();
    assert_eq!(ports, [50_000, 50_001, 50_002, 50_003]);
    assert_eq!(stack.connect(Instant::ZERO, local, REMOTE), Err(OpenRefusal::PortsExhausted));
}

#[test]
fn inexact_reset_and_what_is_out_of_the_window_are_acknowledged_in_syn_received() {
    run(
        plain(),
        "0 ! listen
         0 < S 0:0(0) win 10000 mss 1000
         0 > S. 0:0(0) ack 1
         1 < R 2:2(0)
         1 > . 1:1(0) ack 1
         1 ~ SynReceived
         2 < . 100000:100000(0) ack 1 win 10000
         2 > . 1:1(0) ack 1
         3 < . 1:1(0) ack 1 win 10000
         3 = Connected",
    );
}

#[test]
fn data_and_a_fin_on_a_syn_ack_are_taken() {
    run(
        plain(),
        "0 ! connect
         0 > S 0:0(0)
         1 < S. 0:5(5) ack 1 win 10000 mss 1000
         1 > . 1:1(0) ack 6
         1 = Connected
         1 = -
         1 ! read 5
         1 ! has-read 5
         2 < P. 6:9(3) ack 1
         2 > . 1:1(0) ack 9
         2 ! has-read 8",
    );
    run(
        plain(),
        "0 ! connect
         0 > S 0:0(0)
         1 < FS. 0:5(5) ack 1 win 10000 mss 1000
         1 > . 1:1(0) ack 7
         1 ~ CloseWait
         1 = Connected
         1 ! read 5
         1 = PeerClosed",
    );
}
