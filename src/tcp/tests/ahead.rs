//! The short way of what comes ahead of its turn or twice, of what fills the hole before it, and of the ACKs that tell of it:
//! two stacks hear and are told the same, one of which goes the long way alone.

use super::super::fast::TookAhead;
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
        // At times as many ranges are held as can be.
        let is_sparse = step / 512 % 4 == 3;
        let by = match few % 17 {
            0 => many % 12_000,
            _ if is_sparse => many % 60 * 900,
            _ => many % 90 * 100,
        } as i32;
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
    assert_eq!(long, (TookAhead::default(), 0));
    assert!(short.0.each().iter().all(|count| *count > 300) && short.1 > 5_000, "{short:?}");
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
    side.stack.took_ahead = TookAhead::default();
    side
}

#[test]
fn nothing_takes_the_short_way_that_says_more_than_that_it_came_ahead() {
    const NONE: TookAhead = TookAhead { held: 0, full: 0, again: 0, fresh: 0, joined: 0, old: 0 };
    const HELD: TookAhead = TookAhead { held: 1, ..NONE };
    const AGAIN: TookAhead = TookAhead { again: 1, ..NONE };
    const OLD: TookAhead = TookAhead { old: 1, ..NONE };
    for (by, len, took) in [
        (400, 100, HELD),
        (300, 100, HELD),
        (100, 100, HELD),
        (50, 100, HELD),
        (0, 100, TookAhead { fresh: 1, ..NONE }),
        (0, 200, TookAhead { joined: 1, ..NONE }),
        // All of it came before.
        (200, 100, AGAIN),
        (220, 80, AGAIN),
        (-100, 100, OLD),
        (-300, 200, OLD),
        // Part of it is held, or came before, or has no room, or there is none.
        (150, 100, NONE),
        (250, 100, NONE),
        (100, 300, NONE),
        (0, 201, NONE),
        (-1, 50, NONE),
        (-100, 101, NONE),
        (70_000, 100, NONE),
        (400, 0, NONE),
        (-100, 0, NONE),
    ] {
        let mut side = holding();
        side.hears_at(by, len, |_| {});
        assert_eq!(side.stack.took_ahead, took, "{len} bytes at {by}");
    }
    let fin: fn(&mut Repr) = |header| header.flags = header.flags.with(Flags::FIN);
    let no_ack: fn(&mut Repr) = |header| header.flags = Flags::PSH;
    for (at, change) in OTHERS.into_iter().chain([fin, no_ack]).enumerate() {
        for (by, took) in [(400, HELD), (200, AGAIN), (-100, OLD)] {
            let mut side = holding();
            side.hears_at(by, 100, change);
            // Of an acknowledgement that is not acceptable nobody asks, where the segment is not.
            let is_plain = [0, 2, 5].contains(&at) || (by < 0 && at == 3);
            assert_eq!(side.stack.took_ahead, if is_plain { took } else { NONE }, "{at}: {by}");
        }
    }
    for (acked, took) in [(0, HELD), (60, HELD), (100, HELD), (101, NONE)] {
        let mut side = holding();
        side.writes(100, 100, 1);
        side.sends();
        side.hears_at(400, 100, |header| header.ack += acked);
        assert_eq!(side.stack.took_ahead, took, "of {acked} bytes");
        let info = side.stack.info(side.id).unwrap();
        assert_eq!(info.snd_nxt.since(info.snd_una), 100 - if took == HELD { acked } else { 0 });
    }
    // What waits to be sent may have to wait for a window.
    for by in [400, 200, -100] {
        let mut side = holding();
        side.writes(100, 100, 1);
        side.hears_at(by, 100, |_| {});
        assert_eq!(side.stack.took_ahead, NONE);
    }
    // As many ranges as there can be.
    let mut side = holding();
    for place in 2..40 {
        side.hears_at(place * 200, 100, |_| {});
    }
    assert_eq!(side.stack.took_ahead, TookAhead { held: 31, full: 7, ..NONE });
    side.hears_at(300, 100, |_| {});
    assert_eq!(side.stack.took_ahead.held, 32, "one that joins two");
}

/// RFC 2883 4: the first block is what came twice, once; what leaves after that goes the shortest way again.
#[test]
fn what_came_twice_is_told_once_the_short_way() {
    let mut side = Side::new(true);
    for _ in 0..3 {
        side.hears_at(0, 100, |_| {});
        side.sends();
    }
    side.stack.acks_with_blocks = 0;
    let next = side.next();
    for _ in 0..2 {
        side.hears_at(-200, 100, |_| {});
    }
    let sent = side.sends();
    let told: Vec<_> = sent.iter().map(|(header, _)| (header.ack, header.options.sack)).collect();
    assert_eq!((told.len(), told[0].0, told[1]), (2, next, (next, None)));
    assert_eq!(told[0].1.unwrap().blocks(), [(next - 200, next - 100)]);
    assert_eq!(side.stack.acks_with_blocks, 1);
    let fast = side.stack.took_fast;
    assert_eq!(side.hears_at(0, 100, |_| {}), (100, false));
    assert_eq!(side.stack.took_fast, fast + 1);
    side.sends();
    // Held, with others held that bytes came for later.
    for by in [100, 300, 500] {
        side.hears_at(by, 100, |_| {});
    }
    side.sends();
    let next = side.next();
    side.hears_at(100, 100, |_| {});
    let sent = side.sends();
    let blocks = [100, 100, 500].map(|from| (next + from, next + from + 100));
    assert_eq!(sent[0].0.options.sack.unwrap().blocks(), blocks);
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
