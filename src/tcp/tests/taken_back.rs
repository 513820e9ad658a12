//! Peers that take back what they said of what is in flight, with every segment that they send: how much of it is looked
//! at is counted, and does not grow with what is in flight.

use super::super::scoreboard::take_steps;
use super::super::*;
use super::{LOCAL, REMOTE};
use crate::time::{Duration, Instant};
use crate::wire::tcp::{Flags, Options, SackBlocks, Segment, SeqNumber, Timestamps};

/// What a segment carries, beside timestamps.
const BYTES: u32 = 128;
/// In both of them so much is looked at for each segment that comes, at most and on average.
const IN_FLIGHT: [u32; 2] = [512, 16_384];
const STEPS_MAX: u64 = 100;

struct Line {
    stack: Stack,
    id: ConnectionId,
    now: Instant,
    in_flight: u32,
    /// What the peer echoes: the first of our timestamps, and the last.
    echoes: [u32; 2],
}

impl Line {
    fn open(in_flight: u32) -> Line {
        let config = Config {
            mss: BYTES as u16 + 12,
            send_buffer_bytes: (in_flight * BYTES) as usize,
            slow_start_segments: u32::MAX,
            connections_max: 1,
            ..Config::default()
        };
        let mut stack = Stack::new(config, [7; 16]);
        let now = Instant::from_ms(1_000_000);
        let id = stack.connect(now, LOCAL, REMOTE).unwrap();
        let syn = stack.poll_transmit(now).unwrap().header;
        let echoes = [syn.options.timestamps.unwrap().value; 2];
        let mut line = Line { stack, id, now, in_flight, echoes };
        let options = Options {
            mss: Some(BYTES as u16 + 12),
            window_scale: Some(14),
            sack_permitted: true,
            ..line.stamped(0)
        };
        line.hear(Flags::SYN.with(Flags::ACK), SeqNumber(0), syn.seq + 1, options);
        // A SYN's window is not scaled.
        line.hear(Flags::ACK, SeqNumber(1), syn.seq + 1, line.stamped(0));
        line.fill();
        // The window doubles with each of these.
        for _ in 0..24 {
            line.ack(line.flight(), &[], 1);
        }
        assert_eq!(line.flight(), in_flight * BYTES, "all of it is in flight");
        line
    }

    fn stamped(&self, echo: usize) -> Options {
        let value = (self.now.as_ns() / 1_000_000) as u32;
        let echo = self.echoes[echo];
        Options { timestamps: Some(Timestamps { value, echo }), ..Options::NONE }
    }

    fn info(&self) -> Info {
        self.stack.info(self.id).unwrap()
    }

    fn flight(&self) -> u32 {
        let info = self.info();
        info.snd_nxt.since(info.snd_una)
    }

    fn hear(&mut self, flags: Flags, seq: SeqNumber, ack: SeqNumber, options: Options) {
        let segment = Segment {
            src_port: REMOTE.port,
            dst_port: LOCAL.port,
            seq,
            ack,
            flags,
            window: 60_000,
            options,
            payload: &[],
            is_ce: false,
        };
        self.stack.on_segment(self.now, REMOTE.addr, LOCAL.addr, &segment);
    }

    /// An ACK of so many bytes more, with blocks in bytes from there on, and after as much time as one takes.
    fn ack(&mut self, bytes: u32, blocks: &[(u32, u32)], echo: usize) {
        self.now = self.now + Duration::from_us(100);
        let ack = self.info().snd_una + bytes;
        let mut edges = blocks.iter().map(|(left, right)| (ack + *left, ack + *right));
        let sack = edges.next().map(|(left, right)| {
            let mut blocks = SackBlocks::of(left, right);
            edges.for_each(|(left, right)| _ = blocks.push(left, right));
            blocks
        });
        let options = Options { sack, ..self.stamped(echo) };
        self.hear(Flags::ACK, SeqNumber(1), ack, options);
        self.fill();
    }

    /// As much is written as there is room for, and leaves with what leaves again.
    fn fill(&mut self) {
        while self.stack.reserve(self.id, BYTES as usize).is_ok() {
            self.stack.commit(self.now, self.id, BYTES as usize);
        }
        while let Some(transmit) = self.stack.poll_transmit(self.now) {
            self.echoes[1] = transmit.header.options.timestamps.unwrap().value;
        }
    }

    fn count(&self, what: Count) -> u64 {
        self.stack.counters().of(what)
    }
}

/// What a peer says with each segment, for two windows or until hardly anything is in flight: no more is looked at.
fn bound(what: &str, mut say: impl FnMut(&mut Line, u32)) -> [Line; 2] {
    IN_FLIGHT.map(|in_flight| {
        let (mut line, mut turns) = (Line::open(in_flight), 0);
        take_steps();
        while turns < 2 * in_flight && line.flight() >= in_flight * BYTES / 8 {
            say(&mut line, turns);
            turns += 1;
        }
        let each = take_steps() / u64::from(turns);
        println!("{what}: {each} looked at for each of {turns}, with {in_flight} in flight");
        assert!(
            turns >= in_flight / 4,
            "{what}: {turns} segments of the peer, {in_flight} in flight"
        );
        assert!(each <= STEPS_MAX, "{what}: {each} for each segment, with {in_flight} in flight");
        line
    })
}

#[test]
fn who_lets_go_of_all_that_it_holds_with_each_segment_is_believed_a_few_times_for_each_window() {
    let lines = bound("lets go", |line, _| {
        let all = line.flight();
        line.ack(BYTES, &[(BYTES, all - BYTES)], 1);
    });
    for line in lines {
        assert!(line.count(Count::SackReneged) >= 8, "believed in each window");
        assert!(line.count(Count::SackReneged) <= 12);
        assert!(line.count(Count::SackDisbelieved) >= u64::from(line.in_flight));
    }
}

#[test]
fn who_has_each_repair_undone_has_that_a_few_times_for_each_window() {
    let lines = bound("undoes", |line, turn| {
        let all = line.flight();
        if turn % 2 == 0 {
            line.ack(0, &[(all - BYTES, all)], 1);
        } else {
            // It answers what left before.
            line.ack(2 * BYTES, &[], 0);
        }
    });
    for line in lines {
        assert!(line.count(Count::RecoveryUndone) >= 16, "undone in each window");
        assert!(line.count(Count::RecoveryUndone) <= 48);
        assert!(line.count(Count::UndoneTooOften) > 0);
    }
}
