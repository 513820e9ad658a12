//! The short way of what comes ahead of its turn or twice, of what fills the hole before it, and of the ACKs that tell of it:
//! two stacks hear and are told the same, one of which goes the long way alone.

use super::super::fast::TookAhead;
use super::super::*;
use super::pure_ack::{Side, segment};
use super::{LOCAL, REMOTE};
use crate::time::Duration;
use crate::wire::stamped::STAMPED_HEADER_LEN;
use crate::wire::tcp::{Flags, Repr, SACK_BLOCKS_MAX, SackBlocks, SeqNumber};

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
        let (id, now, mut bytes) = (self.id, self.now, [0; STAMPED_HEADER_LEN]);
        let stamped = self.stamped(&header, len, &mut bytes);
        let is_predicted = stamped.is_some_and(|it| self.stack.take_predicted(now, id, it));
        let ahead = stamped.filter(|_| !is_predicted);
        let arrival = if is_predicted {
            Arrival::predicted(id, len)
        } else if let Some(arrival) =
            ahead.and_then(|it| self.stack.take_ahead(now, id, it, &payload))
        {
            arrival
        } else {
            let segment = segment(&header, &payload);
            self.stack.on_segment(now, REMOTE.addr, LOCAL.addr, &segment)
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

    /// The peer says that of what is in flight the last `len` bytes have arrived, which it does not acknowledge.
    fn hears_blocks(&mut self, len: u32) {
        let info = self.stack.info(self.id).unwrap();
        if info.snd_nxt.since(info.snd_una) <= len {
            return;
        }
        let mut header = Repr { ack: info.snd_una, ..self.peer };
        let mut edges = [(SeqNumber(0), SeqNumber(0)); SACK_BLOCKS_MAX];
        edges[0] = (info.snd_nxt - len, info.snd_nxt);
        header.options.sack = Some(SackBlocks::of_edges(edges, 1));
        self.stack.on_segment(self.now, REMOTE.addr, LOCAL.addr, &segment(&header, &[]));
    }

    /// Takes up to `len` of the bytes that are stored. They are the last before what is next.
    fn reads(&mut self, len: usize) {
        let mut left = len;
        loop {
            let buffered = self.stack.info(self.id).unwrap().receive_buffered_bytes as u32;
            let has_end = self.stack.connections[self.id.index()].fin_received;
            let end = self.next() - u32::from(has_end);
            let (first, run) = (end - buffered, self.stack.readable(self.id));
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
const OTHERS: [fn(&mut Repr); 7] = [
    |header| header.flags = header.flags.with(Flags::PSH),
    |header| header.flags = header.flags.with(Flags::URG),
    |header| header.window = header.window.saturating_sub(1),
    |header| header.ack = header.ack - 1,
    |header| stamp_later(header, 1_u32.wrapping_neg()),
    |header| stamp_later(header, 1),
    |header| header.flags = header.flags.with(Flags::ECE),
];

fn stamp_later(header: &mut Repr, by: u32) {
    let stamps = header.options.timestamps.as_mut();
    stamps.into_iter().for_each(|stamps| stamps.value = stamps.value.wrapping_add(by));
}

/// What is agreed on, and what the session chose.
fn settings() -> [(&'static str, Config, u32); 8] {
    let usual = Config::default();
    let delay = Some(Duration::from_ms(40));
    let dctcp = CongestionControl::Dctcp;
    [
        ("usual", usual.clone(), 60_000),
        ("no SACK", Config { sack: false, ..usual.clone() }, 20_000),
        ("no timestamps", Config { timestamps: false, ..usual.clone() }, 20_000),
        ("neither", Config { timestamps: false, sack: false, ..usual.clone() }, 20_000),
        ("ECN", Config { ecn: true, ..usual.clone() }, 20_000),
        ("DCTCP", Config { ecn: true, congestion: dctcp, ..usual.clone() }, 20_000),
        ("ACKs wait", Config { ack_delay: delay, ..usual.clone() }, 20_000),
        ("stale", Config { stale_after: Some(Duration::from_s(60)), ..usual }, 20_000),
    ]
}

#[test]
fn what_comes_ahead_is_held_filled_and_told_the_short_way_as_it_is_the_long_one() {
    for (name, config, steps) in settings() {
        holds_the_short_way_as_the_long_one(name, &config, steps);
    }
}

fn holds_the_short_way_as_the_long_one(name: &str, config: &Config, steps: u32) {
    let mut sides = [true, false].map(|goes_short| Side::with(goes_short, config.clone()));
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for step in 0..steps {
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
                // A window that closes has what is written wait, until another opens it.
                13 if many.is_multiple_of(4) => {
                    side.peer.window = if many.is_multiple_of(8) { 0 } else { 20_000 };
                    side.hears_at(by, len, |_| {})
                }
                14 if many.is_multiple_of(4) => {
                    side.hears_blocks(60);
                    (0, false)
                }
                13 | 14 => {
                    side.writes(60, 60, step);
                    (0, false)
                }
                _ => {
                    stamp_later(&mut side.peer, 1);
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
        assert_eq!(left[0], left[1], "{name}: step {step}");
        assert_eq!(sides[0].told(), sides[1].told(), "{name}: step {step}");
    }
    let [short, long] = sides.map(|side| (side.stack.took_ahead, side.stack.acks_with_blocks));
    assert_eq!(long, (TookAhead::default(), 0));
    let is_often = |count: u64| count > u64::from(steps) / 200;
    let ways = short.0.each().into_iter().chain([short.0.in_trouble, short.1 / 10]);
    assert!(ways.into_iter().all(is_often), "{name}: {short:?}");
}

/// What lies before the end of the stream, which came first, is held and told of like any other.
#[test]
fn what_comes_behind_the_end_of_the_stream_is_held_the_short_way_as_it_is_the_long_one() {
    let told = [true, false].map(|goes_short| {
        let mut side = Side::new(goes_short);
        side.hears_at(2_000, 100, |header| header.flags = header.flags.with(Flags::FIN));
        let mut told = Vec::new();
        for (by, len) in [(400, 100), (400, 100), (2_000, 100), (2_050, 50), (2_050, 51)]
            .into_iter()
            .chain([(0, 400), (-400, 400), (100, 1_400), (0, 100), (0, 100)])
        {
            let heard = side.hears_at(by, len, |_| {});
            side.reads(usize::MAX);
            told.push((heard, side.sends(), side.told(), side.stack.poll_event()));
        }
        (told, side.stack.took_ahead)
    });
    assert_eq!(told[0].0, told[1].0);
    let took = TookAhead { held: 2, again: 3, old: 1, ..TookAhead::default() };
    assert_eq!((told[0].1, told[1].1), (took, TookAhead::default()));
    assert_eq!(told[0].0.iter().filter_map(|told| told.3).count(), 1, "the end");
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
    const NONE: TookAhead =
        TookAhead { held: 0, full: 0, again: 0, fresh: 0, joined: 0, old: 0, in_trouble: 0 };
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
            let is_plain = [0, 2, 3, 5].contains(&at);
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
    // RFC 5961 5.2: one that acknowledges less than a window before is challenged, where it is acceptable.
    for (by, took) in [(400, NONE), (200, NONE), (-100, OLD)] {
        let mut side = holding();
        side.hears_at(by, 100, |header| header.ack = header.ack - (1 << 30));
        assert_eq!(side.stack.took_ahead, took);
    }
    // What waits to be sent takes the ACK along.
    for (by, took) in [(400, HELD), (200, AGAIN), (-100, OLD)] {
        let mut side = holding();
        side.writes(100, 100, 1);
        side.stack.acks_with_blocks = 0;
        side.hears_at(by, 100, |_| {});
        assert_eq!(side.stack.took_ahead, took);
        assert_eq!(side.sends()[0].1.len(), 100);
    }
    // What is new is looked at as long as something is known of what is in flight.
    for (acked, took) in [(0, TookAhead { in_trouble: 1, ..HELD }), (50, NONE)] {
        let mut side = holding();
        for _ in 0..2 {
            side.writes(100, 100, 1);
            side.sends();
        }
        side.hears_blocks(100);
        side.hears_at(400, 100, |header| header.ack += acked);
        assert_eq!(side.stack.took_ahead, took, "of {acked} bytes");
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
