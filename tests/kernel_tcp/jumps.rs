//! Our clock jumps in mid-transfer, as that of a host which was suspended, and our host stands still. The kernel's
//! goes on.

use std::time::Duration as StdDuration;

use fixwire::tcp::{Config, Count, Event, State};
use fixwire::time::Duration;

use crate::Line;
use crate::common::inside::inside;
use crate::relay::Faults;

const WAY: Faults = Faults {
    loss_percent: 1,
    repeat_percent: 0,
    corrupt_percent: 0,
    mark_percent: 0,
    delay: Duration::from_us(300),
    jitter: Duration::ZERO,
    burst_frames: 0,
    seed: 4,
};
const BYTES: usize = 100_000;

/// Bulk both ways, in whose middle something happens.
fn bulk_with(line: &mut Line, bytes: usize, happens: impl FnOnce(&mut Line)) {
    let middle = bytes - BYTES / 2;
    line.until("the middle", |line| {
        line.we_write(bytes);
        line.they_write(bytes);
        line.they_read();
        line.host.received.len() >= middle && line.they_read.len() >= middle
    });
    happens(line);
    line.bulk(bytes);
}

#[test]
fn bulk_outlives_a_clock_that_jumps_by_milliseconds_minutes_and_days() {
    inside("jumps::bulk_outlives_a_clock_that_jumps_by_milliseconds_minutes_and_days", || {
        // What is measured across a jump is cut to the longest timeout: no loss waits longer than that.
        let config = Config { rto_max: Duration::from_ms(500), ..Config::default() };
        let mut line = Line::open(config, WAY);
        let mut bytes = 0;
        // A tick, longer than a timeout, more than TIME-WAIT, longer than a lowered MTU is believed, a day, and just not the
        // 24 days by which a timestamp is taken for one of the past (RFC 7323 5.5).
        for ahead_ms in [1, 300, 5_000, 61_000, 3_600_000, 86_400_000, 24 * 86_400_000] {
            let ahead = Duration::from_ms(ahead_ms);
            bytes += BYTES;
            bulk_with(&mut line, bytes, |line| line.host.jump(ahead));
            bytes += BYTES;
            // And with nothing in flight.
            line.host.jump(ahead);
            line.bulk(bytes);
        }
        let woken = line.count(Count::RetransmitTimeout) + line.count(Count::LossProbe);
        assert!(woken > 0, "{}", line.story());
        bytes += BYTES;
        bulk_with(&mut line, bytes, |line| line.host.jump_back(Duration::from_ms(250)));
        bytes += BYTES;
        bulk_with(&mut line, bytes, |_| std::thread::sleep(StdDuration::from_millis(700)));
        assert!(!line.host.events.iter().any(|(_, event)| matches!(event, Event::Closed(_))));
        line.close();
    });
}

#[test]
fn time_wait_of_a_host_that_was_suspended_is_over() {
    inside("jumps::time_wait_of_a_host_that_was_suspended_is_over", || {
        let mut line = Line::open(Config::default(), Faults { loss_percent: 0, ..WAY });
        line.bulk(BYTES);
        line.end();
        let state = |line: &Line| line.host.stack.info(line.id).map(|info| info.state);
        assert_eq!(state(&line), Some(State::TimeWait));
        line.host.jump(Duration::from_s(59));
        line.host.poll();
        assert_eq!(state(&line), Some(State::TimeWait));
        line.host.jump(Duration::from_s(2));
        line.host.poll();
        assert_ne!(state(&line), Some(State::TimeWait));
        line.look();
    });
}
