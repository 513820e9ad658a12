//! The short way of what comes ahead of its turn, of what fills the hole before it, and of the ACKs that tell of it:
//! two stacks hear and are told the same, one of which goes the long way alone.

use super::super::*;
use super::pure_ack::{Side, segment};
use super::{LOCAL, REMOTE};
use crate::time::Duration;
use crate::wire::stamped::{STAMPED_HEADER_LEN, Stamped};
use crate::wire::tcp::{Flags, Repr, SeqNumber, Timestamps};

/// The byte of the peer's stream that has this number.
fn byte_at(seq: SeqNumber) -> u8 {
    (seq.0.wrapping_mul(0x9e37_79b1) >> 24) as u8
}

impl Side {
    fn next(&self) -> SeqNumber {
        self.stack.info(self.id).unwrap().rcv_nxt
    }

    /// The peer says `len` bytes that begin `by` past what is next, with a header that `change` makes another. Says how
    /// much is next then, and whether something joins it.
    fn hears_at(&mut self, by: i32, len: usize, change: impl Fn(&mut Repr)) -> (usize, bool) {
        let (next, mut header) = (self.next(), self.peer);
        let has_unread = !self.stack.readable(self.id).is_empty();
        header.seq = next + by.cast_unsigned();
        header.ack = self.stack.info(self.id).unwrap().snd_una;
        change(&mut header);
        let payload: Vec<u8> = (0..len as u32).map(|at| byte_at(header.seq + at)).collect();
        let mut bytes = [0; STAMPED_HEADER_LEN];
        header.emit(&mut bytes);
        let (id, stamped) = (self.id, Stamped::of(&bytes, len));
        let arrival = if self.stack.take_predicted(self.now, id, stamped) {
            Arrival::predicted(id, len)
        } else if let Some(arrival) = self.stack.take_ahead(self.now, id, stamped, &payload) {
            arrival
        } else {
            let segment = segment(&header, &payload);
            self.stack.on_segment(self.now, REMOTE.addr, LOCAL.addr, &segment)
        };
        for (at, byte) in payload[arrival.fresh.clone()].iter().enumerate() {
            assert_eq!(*byte, byte_at(next + at as u32));
        }
        if has_unread {
            // They come behind those.
            self.stack.keep(self.id, &payload[arrival.fresh.clone()]);
        }
        self.peer.seq = self.next();
        (arrival.fresh.len(), arrival.joined)
    }

    /// Takes up to `len` of the bytes that are stored. They are the last before what is next.
    fn reads(&mut self, len: usize) {
        let mut left = len;
        loop {
            let buffered = self.stack.info(self.id).unwrap().receive_buffered_bytes as u32;
            let (first, run) = (self.next() - buffered, self.stack.readable(self.id));
            let taken = run.len().min(left);
            if taken == 0 {
                return;
            }
            for (at, byte) in run[..taken].iter().enumerate() {
                assert_eq!(*byte, byte_at(first + at as u32));
            }
            self.stack.consume(self.now, self.id, taken);
            left -= taken;
        }
    }
}

/// How the headers of some segments differ from what is usual.
const OTHERS: [fn(&mut Repr); 6] = [
    |header| header.flags = header.flags.with(Flags::PSH),
    |header| header.flags = header.flags.with(Flags::URG),
    |header| header.window -= 1,
    |header| header.ack = header.ack - 1,
    |header| stamps_of(header).value -= 1,
    |header| stamps_of(header).value += 1,
];

fn stamps_of(header: &mut Repr) -> &mut Timestamps {
    header.options.timestamps.as_mut().expect("they are agreed on")
}

#[test]
fn what_comes_ahead_is_held_filled_and_told_the_short_way_as_it_is_the_long_one() {
    let mut sides = [true, false].map(Side::new);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for step in 0..60_000u32 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let [what, many, few] = [random >> 8, random >> 24, random >> 48].map(|n| n as u32);
        let other = |header: &mut Repr| {
            if few % 6 == 0 {
                OTHERS[many as usize % OTHERS.len()](header);
            }
        };
        // Mostly such that they touch, and do not overlap.
        let len = if few % 13 == 0 { 1 + many as usize % 400 } else { 100 };
        let by = if few % 17 == 0 { many % 12_000 } else { many % 90 * 100 } as i32;
        let left = sides.each_mut().map(|side| {
            let heard = match what % 16 {
                0..6 => side.hears_at(by, len, other),
                6..10 => side.hears_at(0, len, other),
                10 => side.hears_at(-(by % 300), len, other),
                // Much of what is held is next at once.
                11 if many.is_multiple_of(8) => {
                    (0..7).map(|_| side.hears_at(0, 1_400, |_| {})).last().unwrap()
                }
                11 => side.hears_at(by, len, |header| header.ack += 60),
                12 if many.is_multiple_of(2) => side.hears_at(0, len, |header| header.ack += 60),
                12 => {
                    side.hears(0, 0);
                    (0, false)
                }
                13 | 14 => {
                    side.writes(60, 60, step);
                    (0, false)
                }
                _ => {
                    stamps_of(&mut side.peer).value += 1;
                    (0, false)
                }
            };
            if few % 5 > 0 {
                side.reads(if few % 3 == 0 { many as usize % 200 } else { usize::MAX });
            }
            let sent = if few % 7 == 0 { Vec::new() } else { side.sends() };
            let is_long = random.is_multiple_of(900);
            side.waits(Duration::from_us(if is_long { 400_000 } else { u64::from(many % 900) }));
            (heard, sent)
        });
        assert_eq!(left[0], left[1], "step {step}");
        assert_eq!(sides[0].told(), sides[1].told(), "step {step}");
    }
    let [short, long] = sides.map(|side| (side.stack.took_ahead, side.stack.acks_with_blocks));
    assert_eq!(long, ([0; 3], 0));
    assert!(short.0.iter().all(|count| *count > 300) && short.1 > 5_000, "{short:?}");
}

/// One that holds bytes with a hole before and behind them.
fn holding() -> Side {
    let mut side = Side::new(true);
    for _ in 0..3 {
        side.hears_at(0, 100, |_| {});
        side.sends();
    }
    side.hears_at(200, 100, |_| {});
    side.sends();
    side.stack.took_ahead = [0; 3];
    side
}

#[test]
fn nothing_takes_the_short_way_that_says_more_than_that_it_came_ahead() {
    for (by, len, took) in [
        (400, 100, [1, 0, 0]),
        (300, 100, [1, 0, 0]),
        (100, 100, [1, 0, 0]),
        (50, 100, [1, 0, 0]),
        (0, 100, [0, 1, 0]),
        (0, 200, [0, 0, 1]),
        // Part of it is held, or came before, or has no room, or there is none.
        (150, 100, [0; 3]),
        (250, 100, [0; 3]),
        (200, 100, [0; 3]),
        (100, 300, [0; 3]),
        (0, 201, [0; 3]),
        (-1, 50, [0; 3]),
        (70_000, 100, [0; 3]),
        (400, 0, [0; 3]),
    ] {
        let mut side = holding();
        side.hears_at(by, len, |_| {});
        assert_eq!(side.stack.took_ahead, took, "{len} bytes at {by}");
    }
    let fin: fn(&mut Repr) = |header| header.flags = header.flags.with(Flags::FIN);
    let no_ack: fn(&mut Repr) = |header| header.flags = Flags::PSH;
    for (at, change) in OTHERS.into_iter().chain([fin, no_ack]).enumerate() {
        let mut side = holding();
        side.hears_at(400, 100, change);
        let is_plain = [0, 2, 5].contains(&at);
        assert_eq!(side.stack.took_ahead, [u64::from(is_plain), 0, 0], "{at}");
    }
    for (acked, took) in [(0, 1), (60, 1), (100, 1), (101, 0)] {
        let mut side = holding();
        side.writes(100, 100, 1);
        side.sends();
        side.hears_at(400, 100, |header| header.ack += acked);
        assert_eq!(side.stack.took_ahead, [took, 0, 0], "of {acked} bytes");
        let info = side.stack.info(side.id).unwrap();
        assert_eq!(info.snd_nxt.since(info.snd_una), 100 - if took > 0 { acked } else { 0 });
    }
    // What waits to be sent may have to wait for a window.
    let mut side = holding();
    side.writes(100, 100, 1);
    side.hears_at(400, 100, |_| {});
    assert_eq!(side.stack.took_ahead, [0; 3]);
    // As many ranges as there can be.
    let mut side = holding();
    for place in 2..40 {
        side.hears_at(place * 200, 100, |_| {});
    }
    assert_eq!(side.stack.took_ahead, [31, 0, 0]);
    side.hears_at(300, 100, |_| {});
    assert_eq!(side.stack.took_ahead, [32, 0, 0], "one that joins two");
}

/// RFC 5681 4.2: none waits, though the ACKs of what comes in order do.
#[test]
fn ack_of_what_came_ahead_or_filled_a_hole_leaves_at_once_the_short_way() {
    let mut side = Side::new(true);
    let delay = Some(Duration::from_ms(40));
    side.stack.set_terms(side.id, &Terms { ack_delay: delay, ..Config::default().terms() });
    side.hears_at(0, 100, |_| {});
    assert_eq!(side.sends().len(), 0, "it waits");
    for (by, blocks) in [(200, 1), (400, 2), (0, 2), (200, 1)] {
        side.hears_at(by, 100, |_| {});
        let sent = side.sends();
        assert_eq!(sent.len(), 1, "{by}");
        let told = sent[0].0.options.sack.unwrap();
        assert_eq!(told.blocks().len(), blocks, "{by}");
    }
    assert_eq!(side.stack.acks_with_blocks, 4);
    assert_eq!(side.hears_at(0, 100, |_| {}), (100, true), "all is whole");
    side.reads(usize::MAX);
    let sent = side.sends();
    assert_eq!((sent.len(), sent[0].0.options.sack), (1, None));
}

#[test]
fn moved_connection_tells_of_the_ranges_that_bytes_came_for_last() {
    let told = [false, true].map(|is_moved| {
        let mut side = holding();
        for by in [600, 400, 800, 1_000, 500] {
            side.hears_at(by, 100, |_| {});
        }
        side.sends();
        if is_moved {
            let snapshot = side.stack.export(side.now, side.id).unwrap();
            side.stack = Stack::new(Config::default(), [1; 16]);
            side.id = side.stack.import(side.now, &snapshot).unwrap();
        }
        side.hears_at(2_000, 100, |_| {});
        side.sends().into_iter().map(|(header, _)| header.options.sack).collect::<Vec<_>>()
    });
    let next = holding().next();
    let block = |from, to| (next + from, next + to);
    let blocks = [block(2_000, 2_100), block(400, 700), block(1_000, 1_100)];
    assert_eq!(told[0][0].unwrap().blocks(), blocks);
    assert_eq!(told[0], told[1]);
}
