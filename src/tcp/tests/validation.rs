//! RFC 9293 3.10.7.4, RFC 5961, RFC 7323 5: what is not believed.

use super::super::*;
use super::script::{ACCEPTED, plain, run};

fn accepted(rest: &str) -> String {
    format!("{ACCEPTED}\n{rest}")
}

#[test]
fn reset_is_believed_at_the_exact_number_only() {
    run(
        plain(),
        &accepted(
            "1 < R 2:2(0)
             1 > . 1:1(0) ack 1
             1 # tcp_reset_inexact 1
             1 < R 65536:65536(0)
             1 < R 0:0(0)
             1 > -
             1 # tcp_reset_ignored 2
             1 ~ Established
             1 < R 1:1(0)
             1 > -
             1 = Reset
             1 ~ Closed",
        ),
    );
}

#[test]
fn syn_is_challenged_wherever_it_lies() {
    run(
        plain(),
        &accepted(
            "1 < S 1:1(0)
             1 > . 1:1(0) ack 1
             1 < S 0:0(0)
             1 > . 1:1(0) ack 1
             1 < S. 99999:99999(0) ack 1
             1 > . 1:1(0) ack 1
             1 # tcp_syn_in_window 3
             1 ~ Established",
        ),
    );
}

#[test]
fn ack_of_unsent_and_ack_too_old_are_challenged_and_their_data_dropped() {
    run(
        plain(),
        &accepted(
            "1 < P. 1:5(4) ack 2
             1 > . 1:1(0) ack 1
             1 # tcp_ack_of_unsent 1
             1 < P. 1:5(4) ack -10001
             1 > . 1:1(0) ack 1
             1 # tcp_ack_too_old 1
             1 ! has-read 0
             1 < P. 1:5(4) ack -9999
             1 > . 1:1(0) ack 5
             1 ! has-read 4",
        ),
    );
}

#[test]
fn challenge_acks_are_limited_within_a_second() {
    run(
        Config { challenge_acks_per_s: 2, ..plain() },
        &accepted(
            "1 < R 2:2(0)
             1 > . 1:1(0) ack 1
             2 < S 2:2(0)
             2 > . 1:1(0) ack 1
             3 < R 2:2(0)
             3 > -
             3 # tcp_challenge_ack_limited 1
             1001 < R 2:2(0)
             1001 > . 1:1(0) ack 1",
        ),
    );
}

#[test]
fn segment_outside_the_window_is_acknowledged_and_dropped() {
    run(
        plain(),
        &accepted(
            "1 < P. 65536:65540(4) ack 1
             1 > . 1:1(0) ack 1
             1 # tcp_out_of_window 1
             2 < P. -3:1(4) ack 1
             2 > . 1:1(0) ack 1
             2 # tcp_duplicate_data 1
             3 < . 0:0(0) ack 1
             3 > . 1:1(0) ack 1
             3 ! has-read 0",
        ),
    );
}

#[test]
fn segment_without_ack_is_dropped() {
    run(
        plain(),
        &accepted(
            "1 < P 1:5(4)
             1 > -
             1 ! has-read 0
             1 # tcp_ack_missing 1",
        ),
    );
}

#[test]
fn urgent_data_are_taken_in_line() {
    run(
        plain(),
        &accepted(
            "1 < PU. 1:5(4) ack 1
             1 > . 1:1(0) ack 5
             1 ! has-read 4
             1 # tcp_urgent_ignored 1",
        ),
    );
}

const STAMPED: &str = "
    0 ! listen
    0 < S 0:0(0) win 10000 mss 1000 ts 100 0
    0 > S. 0:0(0) ack 1 echo 100
    0 < . 1:1(0) ack 1 win 10000 ts 100 0
    0 = Connected";

#[test]
fn old_timestamp_is_acknowledged_and_dropped() {
    run(
        Config::default(),
        &format!(
            "{STAMPED}
             1 < P. 1:5(4) ack 1 ts 105 0
             1 > . 1:1(0) ack 5 echo 105
             2 < P. 5:9(4) ack 1 ts 104 0
             2 > . 1:1(0) ack 5 echo 105
             2 # tcp_timestamp_old 1
             3 < P. 5:9(4) ack 1 ts 105 0
             3 > . 1:1(0) ack 9 echo 105
             3 ! has-read 8"
        ),
    );
}

#[test]
fn missing_timestamp_is_dropped_but_for_a_reset() {
    run(
        Config::default(),
        &format!(
            "{STAMPED}
             1 < P. 1:5(4) ack 1
             1 > -
             1 # tcp_timestamp_missing 1
             1 ~ Established
             1 < R 1:1(0)
             1 = Reset"
        ),
    );
}

#[test]
fn timestamp_of_a_segment_whose_ack_is_refused_is_not_taken() {
    run(
        Config::default(),
        &format!(
            "{STAMPED}
             1 < P. 1:5(4) ack 9999 ts 999999 0
             1 > . 1:1(0) ack 1 echo 100
             1 # tcp_ack_of_unsent 1
             2 < P. 1:5(4) ack 1 ts 101 0
             2 > . 1:1(0) ack 5 echo 101"
        ),
    );
}

#[test]
fn reset_of_our_own_carries_timestamps() {
    run(
        Config::default(),
        &format!(
            "{STAMPED}
             1 ! abort
             1 > R. 1:1(0) ack 1 echo 100"
        ),
    );
}

#[test]
fn timestamp_of_a_segment_ahead_is_not_echoed_before_its_turn() {
    run(
        Config::default(),
        &format!(
            "{STAMPED}
             1 < P. 5:9(4) ack 1 ts 120 0
             1 > . 1:1(0) ack 1 echo 100
             2 < P. 1:5(4) ack 1 ts 110 0
             2 > . 1:1(0) ack 9 echo 110
             2 ! has-read 8"
        ),
    );
}

#[test]
fn idle_of_25_days_does_not_condemn_a_wrapped_timestamp() {
    run(
        Config::default(),
        &format!(
            "{STAMPED}
             2160000000 < P. 1:5(4) ack 1 ts -2000000000 0
             2160000000 > . 1:1(0) ack 5
             2160000000 ! has-read 4"
        ),
    );
}

#[test]
fn a_stale_id_names_nothing() {
    use crate::time::Instant;
    let local = super::script::LOCAL;
    let mut stack = Stack::new(Config { connections_max: 1, ..plain() }, [3; 16]);
    let old = stack.connect(Instant::ZERO, local, super::script::REMOTE).unwrap();
    stack.abort(Instant::ZERO, old);
    assert_eq!(stack.poll_event(), Some((old, Event::Closed(Closed::Aborted))));
    stack.release(old);
    let new = stack.connect(Instant::ZERO, local, super::script::REMOTE).unwrap();
    assert_eq!(new.index(), old.index());
    stack.abort(Instant::ZERO, old);
    stack.release(old);
    assert_eq!(stack.reserve(old, 1), Err(SendRefusal::StaleId));
    assert_eq!(stack.counters().of(Count::StaleId), 3);
    assert_eq!(stack.info(old), None);
    assert_eq!(stack.info(new).map(|info| info.state), Some(State::SynSent));
    stack.release(new);
    assert_eq!(stack.info(new), None);
}

#[test]
fn id_of_a_connection_that_still_closes_names_nothing_once_released() {
    use crate::time::Instant;
    use crate::wire::tcp::{Flags, Options, Segment, SeqNumber};
    let (local, remote) = (super::script::LOCAL, super::script::REMOTE);
    let mut stack = Stack::new(plain(), [3; 16]);
    let id = stack.connect(Instant::ZERO, local, remote).unwrap();
    let iss = stack.poll_transmit(Instant::ZERO).unwrap().header.seq;
    let segment = Segment {
        src_port: remote.port,
        dst_port: local.port,
        seq: SeqNumber(5),
        ack: iss + 1,
        flags: Flags::SYN.with(Flags::ACK),
        window: 100,
        options: Options::NONE,
        payload: &[],
        is_ce: false,
    };
    stack.on_segment(Instant::ZERO, remote.addr, local.addr, &segment);
    assert!(stack.reserve(id, 1).is_ok());
    stack.release(id);
    assert_eq!(stack.reserve(id, 1), Err(SendRefusal::StaleId));
    let transmit = stack.poll_transmit(Instant::ZERO).unwrap();
    assert!(transmit.header.flags.has(Flags::FIN) && transmit.connection.is_none());
}

/// Three months in which our milliseconds wrap, and the peer's, and nobody is silent for 24 days.
#[test]
fn timestamps_that_wrap_over_months_are_told_apart_all_the_time() {
    let day_ms = 24 * 3600 * 1000u64;
    let mut script = STAMPED.to_owned();
    for (count, at) in (1..10u64).map(|count| (count, count * 10 * day_ms)) {
        let (seq, end) = (4 * count - 3, 4 * count + 1);
        let stamp = (100 + at) as u32;
        let old = stamp.wrapping_sub(5);
        script += &format!(
            "\n{at} < P. {seq}:{end}(4) ack 1 ts {stamp} 0
             {at} > . 1:1(0) ack {end} echo {stamp}
             {at} < P. {end}:{}(4) ack 1 ts {old} 0
             {at} > . 1:1(0) ack {end} echo {stamp}
             {at} # tcp_timestamp_old {count}",
            end + 4
        );
    }
    run(Config::default(), &script);
}
