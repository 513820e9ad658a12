//! One connection after another, opened by either, ended in every way, on the same four numbers and on others.

use std::time::Duration as StdDuration;

use fixwire::tcp::{Config, Count};
use fixwire::time::Duration;

use crate::common::full;
use crate::common::inside::inside;
use crate::host::Host;
use crate::relay::Faults;
use crate::rounds::{ENDINGS, Ending, Round, Rounds, THEY, WE};
use crate::{Passed, replay, set, set_if_known};

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
            let mut rounds = Rounds::new(Host::new(Config::default(), CLEAN), CLEAN.seed);
            every_pair_of_endings(&mut rounds, WE, 40_001);
            // Nobody else has that port.
            every_pair_of_endings(&mut rounds, THEY, 40_002);
            let count = |what| rounds.host.stack.counters().of(what);
            // It is the kernel that comes back to ours, and ours that comes back to its.
            assert!(
                count(Count::TimeWaitReused) > 0,
                "the kernel never came back to our TIME-WAIT"
            );
            assert!(rounds.waited_for_numbers > 0, "the kernel was never in TIME-WAIT");
            assert!(count(Count::ResetIn) > 0 && count(Count::ResetOut) > 0, "nobody reset");
            assert_eq!(count(Count::SynRetransmission), 0, "somebody had to wait");
            let Some(passed) = Passed::of(&mut rounds.host) else { return };
            passed.has_no_error();
        },
    );
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
