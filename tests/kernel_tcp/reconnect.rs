//! One connection after another, opened by either, ended in every way, on the same four numbers and on others.

use std::time::Duration as StdDuration;

use fixwire::tcp::{Config, Count};
use fixwire::time::Duration;

use crate::common::full;
use crate::common::inside::inside;
use crate::host::Host;
use crate::relay::Faults;
use crate::rounds::{ENDINGS, Ending, Round, Rounds, THEY, WE};
use crate::{Passed, TRIES, replay, set, set_if_known};

const CLEAN: Faults = Faults {
    loss_percent: 0,
    repeat_percent: 0,
    corrupt_percent: 0,
    mark_percent: 0,
    delay: Duration::from_us(100),
    jitter: Duration::ZERO,
    burst_frames: 0,
    seed: 6,
};
const BYTES: usize = 60_000;
/// What passes of a SYN's time while we do not stand still: the network, and a few turns of ours.
const SLACK: StdDuration = StdDuration::from_millis(100);

/// The kernel connects from a port again though that is in TIME-WAIT, after a while (`tcp_tw_reuse`).
fn reuse_time_wait() {
    set("tcp_tw_reuse", "1");
    set_if_known("tcp_tw_reuse_delay", "20");
}

/// After each way to end a connection each other way, on the same four numbers.
fn every_pair_of_endings(rounds: &mut Rounds, opener: usize, port: u16) {
    for first in ENDINGS {
        for second in ENDINGS {
            for ending in [first, second] {
                rounds.play(Round { opener, port, ending, bytes: BYTES });
                // Until the clock of timestamps has ticked: who is back within the tick with a number below those used, which
                // rise by one in 4 us, is taken for an old one, and connects a second later (RFC 6191 2).
                if opener == WE {
                    rounds.pause(StdDuration::from_millis(3));
                }
            }
        }
    }
}

#[test]
fn connection_after_connection_on_the_same_numbers_has_no_byte_of_another() {
    inside(
        "reconnect::connection_after_connection_on_the_same_numbers_has_no_byte_of_another",
        || {
            reuse_time_wait();
            let is_shown = (1..=TRIES).any(is_nobody_made_to_wait);
            assert!(is_shown, "the machine stands still in each of {TRIES} runs: nothing is shown");
        },
    );
}

/// Plays all of them, from ports of that run's own. Says whether nobody had to wait: where the machine stood still for
/// nearly as long as a SYN waits for its answer, it may go twice that need not have.
fn is_nobody_made_to_wait(run: usize) -> bool {
    let config = Config::default();
    let patience = StdDuration::from_nanos(config.rto_initial.as_ns()) - SLACK;
    let mut rounds = Rounds::new(Host::new(config, CLEAN), CLEAN.seed);
    let port = 40_000 + 2 * run as u16;
    every_pair_of_endings(&mut rounds, WE, port);
    // Nobody else has that port.
    every_pair_of_endings(&mut rounds, THEY, port + 1);
    let count = |what| rounds.host.stack.counters().of(what);
    // It is the kernel that comes back to ours, and ours that comes back to its.
    assert!(count(Count::TimeWaitReused) > 0, "the kernel never came back to our TIME-WAIT");
    assert!(rounds.waited_for_numbers > 0, "the kernel was never in TIME-WAIT");
    assert!(count(Count::ResetIn) > 0 && count(Count::ResetOut) > 0, "nobody reset");
    for (round, pause) in &rounds.syns_again {
        assert!(*pause >= patience, "somebody had to wait in {round:?}, of it {pause:?} for us");
        println!(
            "run {run}: a SYN went twice in {round:?}; we stood still for {pause:?}: once more"
        );
    }
    assert_eq!(count(Count::SynRetransmission), rounds.syns_again.len() as u64, "of a round each");
    if !rounds.syns_again.is_empty() {
        return false;
    }
    if let Some(passed) = Passed::of(&mut rounds.host) {
        passed.has_no_error();
    }
    true
}

#[test]
fn connections_on_new_numbers_open_while_others_linger() {
    inside("reconnect::connections_on_new_numbers_open_while_others_linger", || {
        let mut rounds = Rounds::new(Host::new(Config::default(), CLEAN), CLEAN.seed);
        // More than our stack has places: those in TIME-WAIT give way.
        for number in 0..100 {
            let ending = ENDINGS[number % ENDINGS.len()];
            let opener = if number % 2 == 0 { WE } else { THEY };
            let port = 41_000 + number as u16;
            rounds.play(Round { opener, port, ending, bytes: 5_000 });
        }
        let count = |what| rounds.host.stack.counters().of(what);
        assert_eq!(count(Count::TimeWaitReused), 0);
    });
}

/// What is late, repeated or lost of one connection meets the next.
#[test]
fn connection_after_connection_through_losses_has_no_byte_of_another() {
    inside("reconnect::connection_after_connection_through_losses_has_no_byte_of_another", || {
        reuse_time_wait();
        for seed in replay::seeds(if full() { 8 } else { 1 }) {
            let faults = Faults {
                loss_percent: 2,
                repeat_percent: 10,
                delay: Duration::from_us(300),
                jitter: Duration::from_ms(20),
                seed,
                ..CLEAN
            };
            let mut rounds = Rounds::new(Host::new(crate::fast(), faults), seed);
            for number in 0..if full() { 40 } else { 10 } {
                let opener = number / 2 % 2;
                let port = 42_000 + opener as u16;
                let ending: Ending = ENDINGS[(number + seed as usize) % ENDINGS.len()];
                rounds.play(Round { opener, port, ending, bytes: 30_000 });
            }
        }
    });
}
