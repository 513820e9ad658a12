//! Short ways besides the shortest: ACKs without data, both ways, and a message that is reserved and committed. Two
//! stacks hear and are told the same, one of which goes the long way alone.

use super::super::*;
use super::{LOCAL, REMOTE};
use crate::time::{Duration, Instant};
use crate::wire::stamped::{STAMPED_HEADER_LEN, Stamped};
use crate::wire::tcp::{Flags, Options, Repr, Segment, SeqNumber, Timestamps};

/// A side that reads all that comes, and its peer, who says what it is told to.
pub(super) struct Side {
    pub(super) stack: Stack,
    pub(super) id: ConnectionId,
    pub(super) now: Instant,
    /// What the peer says next, an ACK of everything.
    pub(super) peer: Repr,
    /// How often a message could take the short way.
    open_to_write: u32,
}

impl Side {
    pub(super) fn new(goes_short: bool) -> Side {
        Side::with(goes_short, Config::default())
    }

    /// The peer agrees to whatever we offer.
    pub(super) fn with(goes_short: bool, config: Config) -> Side {
        let now = Instant::from_ms(50);
        let mut stack = Stack::new(config, [9; 16]);
        stack.predicts_nothing = !goes_short;
        let id = stack.connect(now, LOCAL, REMOTE).unwrap();
        let syn = stack.poll_transmit(now).unwrap().header;
        let stamps = syn.options.timestamps.map(|ours| Timestamps { value: 70, echo: ours.value });
        let mut peer = Repr {
            src_port: REMOTE.port,
            dst_port: LOCAL.port,
            seq: SeqNumber(u32::MAX - 250),
            ack: syn.seq + 1,
            flags: Flags(syn.flags.0 & !Flags::CWR.0).with(Flags::ACK),
            window: 20_000,
            options: Options { timestamps: stamps, ..syn.options },
        };
        stack.on_segment(now, REMOTE.addr, LOCAL.addr, &segment(&peer, &[]));
        while stack.poll_event().is_some() || stack.poll_transmit(now).is_some() {}
        (peer.seq, peer.flags) = (peer.seq + 1, Flags::ACK);
        peer.options = Options { timestamps: stamps, ..Options::NONE };
        Side { stack, id, now, peer, open_to_write: 0 }
    }

    /// The peer says `len` bytes, and acknowledges all but the last `unacked` of what is in flight.
    pub(super) fn hears(&mut self, len: usize, unacked: u32) {
        let info = self.stack.info(self.id).unwrap();
        let flight = info.snd_nxt.since(info.snd_una);
        self.peer.ack = info.snd_nxt - unacked.min(flight);
        let mut bytes = [0; STAMPED_HEADER_LEN];
        let stamped = self.stamped(&self.peer, len, &mut bytes);
        if stamped.is_none_or(|stamped| !self.stack.take_predicted(self.now, self.id, stamped)) {
            let segment = segment(&self.peer, &[7; 400][..len]);
            self.stack.on_segment(self.now, REMOTE.addr, LOCAL.addr, &segment);
        }
        self.peer.seq += len as u32;
    }

    /// A segment as it is handed over where it has timestamps.
    pub(super) fn stamped<'a>(
        &self,
        header: &Repr,
        len: usize,
        bytes: &'a mut [u8; STAMPED_HEADER_LEN],
    ) -> Option<Stamped<'a>> {
        header.options.timestamps?;
        header.emit(bytes);
        Some(Stamped::of(bytes, len))
    }

    pub(super) fn writes(&mut self, len: usize, used: usize, tag: u32) -> Option<MessageNumber> {
        let is_open = self.stack.connections[self.id.index()].takes_first(len);
        self.open_to_write += u32::from(is_open);
        self.stack.reserve(self.id, len).ok()?.fill(tag as u8);
        self.stack.commit_tagged(self.now, self.id, used, tag)
    }

    pub(super) fn sends(&mut self) -> Vec<(Repr, Vec<u8>)> {
        let mut left = Vec::new();
        loop {
            let id = self.id;
            let transmit = match self.stack.next_fast(self.now) {
                Some(leaving) => {
                    let len = leaving.payload_len() as u32;
                    let kind =
                        RestKind { connection: id, len, has_timestamps: true, is_ect: false };
                    leaving.send_whole().transmit(kind)
                }
                None => match self.stack.poll_transmit(self.now) {
                    Some(transmit) => transmit,
                    None => return left,
                },
            };
            assert_eq!(transmit.connection, Some(id));
            left.push((transmit.header, transmit.payload.concat()));
        }
    }

    pub(super) fn waits(&mut self, pause: Duration) {
        self.now = self.now + pause;
        if self.stack.next_timeout() <= self.now {
            self.stack.on_timeout(self.now);
        }
    }

    /// All that can be known of it, but for which way it went.
    pub(super) fn told(&self) -> String {
        let counters = self.stack.counters().iter();
        let counters: Vec<_> = counters
            .filter(|(name, count)| *name != "tcp_segment_predicted" && *count > 0)
            .collect();
        let outstanding: Vec<_> = self.stack.outstanding(self.id).collect();
        let (info, messages) = (self.stack.info(self.id), self.stack.messages(self.id));
        format!("{info:?} {messages:?} {outstanding:?} {counters:?}")
    }
}

pub(super) fn segment<'a>(header: &Repr, payload: &'a [u8]) -> Segment<'a> {
    let Repr { src_port, dst_port, seq, ack, flags, window, options } = *header;
    Segment { src_port, dst_port, seq, ack, flags, window, options, payload, is_ce: false }
}

#[test]
fn acks_and_messages_go_the_short_way_as_they_go_the_long_one() {
    let mut sides = [true, false].map(Side::new);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for step in 0..30_000u32 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let [what, many, few] = [random >> 8, random >> 24, random >> 48].map(|n| n as u32);
        let left = sides.each_mut().map(|side| {
            let mut number = None;
            match what % 16 {
                0..4 => side.hears(1 + many as usize % 400, 0),
                4..8 => side.hears(0, 0),
                8 => side.hears((many % 2 * 30) as usize, 1 + few % 200),
                9 => side.hears((many % 2 * 30) as usize, u32::MAX),
                10..15 => {
                    let len = 1 + many as usize % 300;
                    // Not always all of it, and now and then nothing.
                    let used = if few % 5 == 0 { few as usize % (len + 1) } else { len };
                    number = side.writes(len, used, step);
                }
                _ => side.peer.options.timestamps.iter_mut().for_each(|ours| ours.value += 1),
            }
            // Now and then what is owed and what was written stay together.
            let sent = if few % 7 == 0 { Vec::new() } else { side.sends() };
            let is_long = random.is_multiple_of(500);
            side.waits(Duration::from_us(if is_long { 400_000 } else { u64::from(many % 900) }));
            (number, sent)
        });
        assert_eq!(left[0], left[1], "step {step}");
        assert_eq!(sides[0].told(), sides[1].told(), "step {step}");
    }
    let ways = sides.each_ref().map(|side| (side.stack.pure_acks_taken, side.stack.acks_alone));
    assert_eq!(ways[1], (0, 0));
    assert!(ways[0].0 > 500 && ways[0].1 > 500, "{:?}", ways[0]);
    assert!(sides[0].open_to_write > 1_000 && sides[1].open_to_write == 0);
    // What nobody acknowledges is sent again at the same time.
    let again = sides.each_mut().map(|side| {
        side.writes(40, 40, 1);
        let mut left = vec![(side.now, side.sends())];
        for _ in 0..4_000 {
            side.waits(Duration::from_ms(1));
            left.push((side.now, side.sends()));
        }
        left
    });
    assert!(again[0].iter().filter(|(_, left)| !left.is_empty()).count() > 2);
    assert_eq!(again[0], again[1]);
}

/// What only looks like an ACK of all takes the long way, and is a duplicate or old.
#[test]
fn ack_of_nothing_new_or_with_a_word_to_say_is_none_of_the_short_way() {
    let open = || {
        let mut side = Side::new(true);
        for _ in 0..3 {
            side.hears(10, 0);
            side.writes(100, 100, 1);
            side.sends();
        }
        side.hears(0, 0);
        side.writes(100, 100, 1);
        side.sends();
        side.stack.pure_acks_taken = 0;
        side
    };
    let mut side = open();
    side.hears(0, 0);
    assert_eq!(side.stack.pure_acks_taken, 1);
    side.hears(0, 0);
    assert_eq!(side.stack.pure_acks_taken, 1, "nothing is in flight any more");
    let mut side = open();
    side.hears(0, 1);
    assert_eq!(side.stack.pure_acks_taken, 0, "not all");
    for change in [
        |peer: &mut Repr| peer.window += 1,
        |peer: &mut Repr| peer.seq += 1,
        |peer: &mut Repr| peer.seq = peer.seq - 1,
        |peer: &mut Repr| peer.flags = peer.flags.with(Flags::FIN),
        |peer: &mut Repr| peer.flags = peer.flags.with(Flags::ECE),
        |peer: &mut Repr| peer.options.timestamps = Some(Timestamps { value: 69, echo: 0 }),
    ] {
        let mut side = open();
        change(&mut side.peer);
        side.hears(0, 0);
        assert_eq!(side.stack.pure_acks_taken, 0, "{:?}", side.peer);
    }
}
