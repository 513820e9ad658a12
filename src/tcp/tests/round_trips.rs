//! That what was learned of a line's round trips is of late: short ways and long ones forget alike.

use super::super::*;
use super::prepared::Line;
use crate::time::Duration;
use crate::wire::stamped::{STAMPED_HEADER_LEN, Stamped};
use crate::wire::tcp::{Repr, Segment};

/// What the peer answers by.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Ack,
    Data,
}

impl Line {
    /// Something is sent, and answered `rtt` later.
    fn exchange(&mut self, rtt: Duration, by: Answer) {
        self.stack.write(self.now, self.id, 8, |room| room.len()).unwrap().unwrap();
        let sent = self.drain();
        assert_eq!(sent.len(), 1);
        self.now = self.now + rtt;
        self.peer.ack = sent[0].0.seq + 8;
        match by {
            Answer::Ack => self.hear(self.peer),
            Answer::Data => {
                self.ask(b"asked");
                self.peer.seq += 5;
            }
        }
    }

    fn ask(&mut self, payload: &'static [u8]) {
        let Segment { src_port, dst_port, seq, ack, flags, window, options, .. } = self.peer;
        let mut bytes = [0; STAMPED_HEADER_LEN];
        Repr { src_port, dst_port, seq, ack, flags, window, options }.emit(&mut bytes);
        let segment = Stamped::of(&bytes, payload.len());
        if !self.stack.take_predicted(self.now, self.id, segment) {
            self.hear(Segment { payload, ..self.peer });
        }
    }

    fn exchanges(&mut self, count: u64, every: Duration, rtt: Duration, by: Answer) {
        for _ in 0..count {
            let next = self.now + every;
            self.exchange(rtt, by);
            self.now = next;
        }
    }

    fn short_ways(&self) -> u64 {
        self.stack.took_fast + self.stack.pure_acks_taken
    }
}

/// Says what both ways come to, having done the same.
fn each_way(act: impl Fn(&mut Line, Answer)) -> [Info; 2] {
    [Answer::Ack, Answer::Data].map(|by| {
        let [short, long] = [false, true].map(|is_long| {
            let mut line = Line::new(Config::default());
            line.stack.predicts_nothing = is_long;
            act(&mut line, by);
            assert_eq!(line.short_ways() > 1_000, !is_long, "{by:?}");
            line.stack.info(line.id).unwrap()
        });
        assert_eq!(short, long);
        short
    })
}

const SECOND: Duration = Duration::from_s(1);
const SHORT: Duration = Duration::from_ms(10);

/// RFC 8985 6.2, step 1.
#[test]
fn the_least_round_trip_is_looked_for_anew_on_a_calm_line() {
    let longer = Duration::from_ms(30);
    for info in each_way(|line, by| {
        let least = |line: &Line| line.stack.info(line.id).unwrap().rtt_min;
        line.exchanges(1_200, SHORT, SHORT, by);
        line.exchanges(299, SECOND, longer, by);
        assert_eq!(least(line), Some(SHORT));
        line.exchanges(3, SECOND, longer, by);
        assert_eq!(least(line), Some(longer));
        // A slower one does not last longer than the next.
        line.exchanges(290, SECOND, longer, by);
        line.exchanges(20, SECOND, longer.times(2), by);
        line.exchange(longer, by);
    }) {
        assert_eq!(info.rtt_min, Some(longer));
    }
}

#[test]
fn a_delay_that_was_learned_in_a_slow_spell_is_forgotten() {
    for info in each_way(|line, by| {
        let rto = |line: &Line| line.stack.info(line.id).unwrap().rto;
        line.exchanges(20, SHORT, SHORT, by);
        assert_eq!(rto(line), Duration::from_ms(200));
        line.exchange(Duration::from_ms(400), by);
        line.exchanges(2_800, SHORT.times(10), SHORT, by);
        assert!(rto(line) >= Duration::from_ms(390), "{:?}", rto(line));
        line.exchanges(400, SHORT.times(10), SHORT, by);
    }) {
        assert_eq!(info.rto, Duration::from_ms(200));
    }
}

#[test]
fn who_only_reads_keeps_the_short_way() {
    let mut line = Line::new(Config::default());
    line.exchanges(20, SHORT, SHORT, Answer::Data);
    line.now = line.now + Duration::from_s(400);
    line.stack.on_timeout(line.now);
    line.drain();
    for _ in 0..4 {
        let before = line.stack.took_fast;
        line.ask(b"asked");
        line.peer.seq += 5;
        line.drain();
        assert_eq!(line.stack.took_fast, before + 1);
        // What came before has the books kept.
        line.hear(Segment { seq: line.peer.seq + u32::MAX, ..line.peer });
        line.drain();
    }
}
