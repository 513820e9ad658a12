//! When each message left first, and that it left again, against what was seen to leave.

use super::super::*;
use super::{LOCAL, REMOTE, plain};
use crate::time::{Duration, Instant};
use crate::wire::icmp::Quoted;
use crate::wire::tcp::{Flags, Options, Repr, Segment, SeqNumber};

/// What left, byte by byte of the stream, and segment by segment as it left first.
#[derive(Default)]
struct Log {
    bytes: Vec<Byte>,
    /// Those that left first together, and whether any of them left again.
    segments: Vec<(core::ops::Range<usize>, bool)>,
}

#[derive(Clone, Copy)]
struct Byte {
    first_at: Instant,
    is_again: bool,
}

impl Log {
    fn note(&mut self, now: Instant, bytes: core::ops::Range<usize>) {
        for (segment, is_again) in &mut self.segments {
            *is_again |= bytes.start < segment.end && segment.start < bytes.end;
        }
        let known = self.bytes.len();
        for byte in &mut self.bytes[bytes.start.min(known)..bytes.end.min(known)] {
            byte.is_again = true;
        }
        let first = known.max(bytes.start)..bytes.end;
        if !first.is_empty() {
            self.bytes.resize(first.end, Byte { first_at: now, is_again: false });
            self.segments.push((first, false));
        }
    }

    /// Whether any of these left again: not known of those beside which others of their segment did.
    fn is_again(&self, bytes: core::ops::Range<usize>) -> Option<bool> {
        let mut of_it = self.bytes.iter().take(bytes.end).skip(bytes.start);
        if of_it.any(|byte| byte.is_again) {
            return Some(true);
        }
        let mut beside = self.segments.iter().filter(|(_, is_again)| *is_again);
        let is_beside =
            beside.any(|(segment, _)| segment.start < bytes.end && bytes.start < segment.end);
        (!is_beside).then_some(false)
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % bound
    }
}

/// A frame on its way: when it arrives, and at which end.
type Flight = (Instant, usize, Repr, Vec<u8>);

fn segment<'a>(header: &Repr, payload: &'a [u8]) -> Segment<'a> {
    let Repr { src_port, dst_port, seq, ack, flags, window, options } = *header;
    Segment { src_port, dst_port, seq, ack, flags, window, options, payload, is_ce: false }
}

/// The path takes no more than `mtu` from here on: what is in flight goes again in pieces.
fn cut_path(stack: &mut Stack, now: Instant, id: ConnectionId, mtu: u16) {
    let Some(seq) = stack.info(id).map(|info| info.snd_una) else { return };
    let quoted = Quoted {
        src: LOCAL.addr,
        dst: REMOTE.addr,
        src_port: LOCAL.port,
        dst_port: REMOTE.port,
        seq,
        packet_len: 1_500,
    };
    stack.on_path_mtu(now, &quoted, mtu);
}

/// Messages of all lengths over a network that loses each tenth frame and takes less and less, on a connection that is moved now and then.
/// Says how many were told of as sent again, and how many probes asked about a window.
fn run(seed: u64) -> (usize, u64) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let config = Config {
        timestamps: seed.is_multiple_of(2),
        sack: !seed.is_multiple_of(3),
        rto_min: Duration::from_ms(10),
        receive_buffer_bytes: if seed.is_multiple_of(5) { 3_000 } else { 60_000 },
        connections_max: 2,
        ..plain()
    };
    let mut ours = [1, 2].map(|name| Stack::new(config.clone(), [name; 16]));
    let mut theirs = Stack::new(config, [3; 16]);
    let (mut now, mut at) = (Instant::from_ms(10), 0);
    theirs.listen(REMOTE).unwrap();
    let mut id = ours[0].connect(now, LOCAL, REMOTE).unwrap();
    let (mut log, mut base) = (Log::default(), None);
    let (mut ends, mut flights) = (vec![0usize], Vec::<Flight>::new());
    let (mut agains, mut reader) = (0, None);
    for step in 0..3_000u64 {
        now = now + Duration::from_us(500);
        let (due, rest) = flights.into_iter().partition(|flight| flight.0 <= now);
        flights = rest;
        for (_, end, header, payload) in due {
            let segment = segment(&header, &payload);
            if end == 0 {
                ours[at].on_segment(now, REMOTE.addr, LOCAL.addr, &segment);
            } else {
                let arrival = theirs.on_segment(now, LOCAL.addr, REMOTE.addr, &segment);
                reader = arrival.connection.or(reader);
            }
        }
        // A reader that pauses closes its window.
        if let Some(reader) = reader.filter(|_| step / 500 % 2 == 0) {
            let read = theirs.readable(reader).len();
            theirs.consume(now, reader, read);
        }
        ours[at].on_timeout(now);
        theirs.on_timeout(now);
        if random.below(6) == 0 && step < 2_500 {
            let len = 1 + random.below(2_500) as usize;
            if ours[at].reserve(id, len).is_ok() && ours[at].commit(now, id, len).is_some() {
                ends.push(ends.last().unwrap() + len);
            }
        }
        if random.below(200) == 0
            && let Ok(snapshot) = ours[at].export(now, id)
        {
            ours[at].let_go(id);
            at = 1 - at;
            id = ours[at].import(now, &snapshot).unwrap();
        }
        if step % 500 == 250 {
            cut_path(&mut ours[at], now, id, 1_000 - step as u16 / 6);
        }
        for end in [0, 1] {
            let stack = if end == 0 { &mut ours[at] } else { &mut theirs };
            while let Some(transmit) = stack.poll_transmit(now) {
                let (header, payload) = (transmit.header, transmit.payload.concat());
                if end == 0 {
                    let base = *base.get_or_insert(header.seq + 1);
                    if !payload.is_empty() {
                        let start = header.seq.since(base) as usize;
                        log.note(now, start..start + payload.len());
                    }
                }
                if random.below(10) > 0 {
                    let delay = Duration::from_us(2_000 + random.below(300));
                    flights.push((now + delay, 1 - end, header, payload));
                }
            }
        }
        for message in ours[at].outstanding(id) {
            let number = message.number.0 as usize;
            let start = ends[number - 1] + message.acknowledged as usize;
            let end = ends[number - 1] + message.sent as usize;
            let expected = (message.sent > message.acknowledged).then(|| log.bytes[start].first_at);
            assert_eq!(message.first_sent_at, expected, "seed {seed}, step {step}: {message:?}");
            if let Some(is_again) = log.is_again(start..end.max(start)) {
                assert_eq!(message.is_sent_again, is_again, "seed {seed}, {step}: {message:?}");
                agains += usize::from(is_again);
            }
        }
    }
    let probes = |stack: &Stack| stack.counters().of(Count::WindowProbeOut);
    (agains, ours.iter().map(probes).sum())
}

#[test]
fn each_message_is_known_by_its_first_sending_whatever_was_sent_again() {
    let runs: Vec<_> = (1..=40).map(run).collect();
    let agains: usize = runs.iter().map(|run| run.0).sum();
    let probes: u64 = runs.iter().map(|run| run.1).sum();
    assert!(agains > 1_000 && probes > 5, "{agains} sent again, {probes} probes");
}

#[test]
fn a_part_that_leaves_again_is_told_of() {
    use super::prepared::Line;
    let mut line = Line::new(Config { sack: false, ..plain() });
    line.write(&[7; 900]);
    assert_eq!(line.drain().len(), 1);
    let is_again = |line: &Line| line.stack.outstanding(line.id).next().unwrap().is_sent_again;
    // Without SACK no probe asks first. The window is taken back, so that a part is all that may go.
    line.hear(Segment { window: 100, ..line.peer });
    assert!(!is_again(&line));
    line.now = line.stack.next_timeout();
    line.stack.on_timeout(line.now);
    let left = line.drain();
    assert_eq!(left.iter().map(|(_, payload)| payload.len()).collect::<Vec<_>>(), [100]);
    assert!(is_again(&line));
}

#[test]
fn what_left_before_the_clock_began_is_told_without_a_time_and_not_as_sent_again() {
    let early = Instant::from_ms(5_000);
    let mut stack = Stack::new(plain(), *b"sixteen secret b");
    let id = stack.connect(early, LOCAL, REMOTE).unwrap();
    let syn = stack.poll_transmit(early).unwrap().header;
    let header = Repr {
        src_port: REMOTE.port,
        dst_port: LOCAL.port,
        seq: SeqNumber(7),
        ack: syn.seq + 1,
        flags: Flags::SYN.with(Flags::ACK),
        window: 9_000,
        options: Options::NONE,
    };
    stack.on_segment(early, REMOTE.addr, LOCAL.addr, &segment(&header, &[]));
    while stack.poll_transmit(early).is_some() {}
    stack.reserve(id, 100).unwrap().fill(b'x');
    stack.commit(early, id, 100).unwrap();
    stack.poll_transmit(early).unwrap();
    let told = |stack: &Stack, id| {
        let message = stack.outstanding(id).next().unwrap();
        (message.first_sent_at, message.is_sent_again)
    };
    assert_eq!(told(&stack, id), (Some(early), false));
    let moved_at = early + Duration::from_ms(20);
    let snapshot = stack.export(moved_at, id).unwrap();
    // By a clock that began five milliseconds ago; and once more, by one that is younger still.
    let (mut young, mut now) = (Stack::new(plain(), [9; 16]), Instant::from_ms(5));
    let mut id = young.import(now, &snapshot).unwrap();
    assert_eq!(told(&young, id), (None, false));
    let snapshot = young.export(now, id).unwrap();
    (young, now) = (Stack::new(plain(), [8; 16]), Instant::from_ms(1));
    id = young.import(now, &snapshot).unwrap();
    assert_eq!(told(&young, id), (None, false));
    now = young.next_timeout();
    young.on_timeout(now);
    assert!(young.poll_transmit(now).unwrap().retransmission);
    assert_eq!(told(&young, id), (None, true));
    let snapshot = young.export(now, id).unwrap();
    let mut last = Stack::new(plain(), [7; 16]);
    let id = last.import(now, &snapshot).unwrap();
    assert_eq!(told(&last, id), (None, true));
}
