//! Losses and worse between the two, and what is sent again for it: no more than was lost.

use std::time::{Duration as StdDuration, Instant as StdInstant};

use fixwire::tcp::{Config, Count};
use fixwire::time::Duration;

use crate::common::full;
use crate::common::inside::inside;
use crate::relay::Faults;
use crate::{Line, fast, replay, set};

#[test]
fn simulated_faults_leave_every_byte_to_arrive_once_and_unaltered() {
    inside("repair::simulated_faults_leave_every_byte_to_arrive_once_and_unaltered", || {
        set("tcp_ecn", "1");
        for seed in replay::seeds(if full() { 12 } else { 1 }) {
            let bad = Faults {
                loss_percent: 3,
                repeat_percent: 2,
                corrupt_percent: 2,
                mark_percent: 1,
                delay: Duration::from_us(300),
                jitter: Duration::from_us(500),
                burst_frames: 0,
                seed,
            };
            let worse = Faults { loss_percent: 10, corrupt_percent: 5, ..bad };
            let bursts = Faults { loss_percent: 0, burst_frames: 6, ..bad };
            for (faults, bytes) in [(bad, 1 << 20), (worse, 200_000), (bursts, 500_000)] {
                println!("{faults:?}");
                let config = Config { ecn: true, ..Config::default() };
                let mut line = Line::open(config, faults);
                line.bulk(bytes);
                let [lost, corrupted, _] = line.host.harmed();
                assert!(lost > 0 && corrupted > 0, "{lost} {corrupted}");
                assert!(line.host.refused > 0, "no sum was found wrong");
                line.close();
            }
        }
    });
}

/// The kernel delays no ACK for as long, but by 40 ms and a tick. What takes longer waited for a machine that stood still,
/// and may be probed for: that is as long as we wait.
const STANDSTILL: Duration = Duration::from_ms(50);
/// How often a machine is tried that stands still.
const TRIES: usize = 5;

/// One message at a time to a kernel whose application neither reads nor answers, so that its ACKs wait; for how long each.
fn speak_to_the_silent(line: &mut Line, messages: usize) -> Vec<Duration> {
    let (mut written, mut waits) = (0, Vec::new());
    for number in 0..messages {
        written += 150 + number % 50;
        let begun = line.host.now();
        line.we_write(written);
        line.until("an ACK", |line| {
            line.host.stack.info(line.id).is_some_and(|info| info.send_buffered_bytes == 0)
        });
        waits.push(line.host.now() - begun);
        let pause = StdInstant::now();
        let for_so_long = StdDuration::from_micros(500 + number as u64 * 1_700 % 9_000);
        line.until("a pause", |_| pause.elapsed() > for_so_long);
    }
    line.until("all of it", |line| {
        line.they_read();
        line.they_read.len() == written
    });
    waits
}

#[test]
fn kernel_that_delays_its_acks_gets_nothing_twice_unless_the_session_repairs_fast() {
    inside(
        "repair::kernel_that_delays_its_acks_gets_nothing_twice_unless_the_session_repairs_fast",
        || {
            let faults = Faults { delay: Duration::from_us(50), ..Faults::default() };
            let messages = if full() { 500 } else { 60 };
            let moves = (0..TRIES).any(|_| {
                let mut line = Line::open(Config::default(), faults);
                let waits = speak_to_the_silent(&mut line, messages);
                // Otherwise nothing was tried.
                let was_delayed = waits.iter().any(|&wait| wait > Duration::from_ms(30));
                assert!(was_delayed, "no delay: {waits:?}");
                let held_up = waits.iter().filter(|&&wait| wait > STANDSTILL).count();
                for what in [Count::Retransmission, Count::LossProbe, Count::DsackIn] {
                    let count = line.count(what);
                    assert!(count <= held_up as u64, "{what}, {held_up}: {}", line.story());
                }
                line.close();
                held_up < messages / 4
            });
            assert!(moves, "the machine stands still, however often it is tried");

            let mut line = Line::open(fast(), faults);
            speak_to_the_silent(&mut line, messages);
            // The price that docs/sessions.md names, and what shows that the counters above can move.
            assert!(line.count(Count::LossProbe) > 0, "{}", line.story());
            assert!(line.count(Count::DsackIn) > 0, "{}", line.story());
            line.close();
        },
    );
}
