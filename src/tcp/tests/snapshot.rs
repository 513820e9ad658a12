//! Connections that are moved from stack to stack in mid-transfer, over a network that loses, repeats and
//! reorders.

use core::net::Ipv4Addr;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use super::super::*;
use super::{LOCAL, REMOTE, plain};
use crate::time::{Duration, Instant};
use crate::wire::icmp::Quoted;
use crate::wire::tcp::{
    Flags, HEADER_LEN, Options, Packet, SackBlocks, Segment, SeqNumber, Timestamps, UserTimeout,
};

mod forged;

const SEEDS: u64 = 150;
/// Stacks that each end moves between, and how much later each one's clock is than the one's before.
const STACKS: usize = 3;
const CLOCK_STEP_NS: u64 = 7_777_777_777;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8
    }

    fn below(&mut self, below: u64) -> u64 {
        self.next() % below.max(1)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

/// A frame on its way: when it arrives, its number, at which end, and its bytes.
type Flight = (u64, u64, usize, Vec<u8>);

/// One end: its stacks, and the one of them that its connection is in.
struct End {
    stacks: Vec<Stack>,
    at: usize,
    id: Option<ConnectionId>,
    to_write: usize,
    written: usize,
    read: usize,
    has_shut: bool,
    closed: Option<Closed>,
}

struct World {
    random: Random,
    now: u64,
    ends: [End; 2],
    network: BinaryHeap<Reverse<Flight>>,
    sent: u64,
    loss_percent: u64,
    moves: u64,
    /// States in which a connection was moved, and what else was going on.
    moved_in: BTreeSet<String>,
}

fn addr(end: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, 1 + end as u8)
}

fn byte(end: usize, at: usize) -> u8 {
    ((at + end * 77).wrapping_mul(0x9e37_79b1) >> 13) as u8
}

impl World {
    fn new(seed: u64) -> World {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let config = Config {
            connections_max: 2,
            send_buffer_bytes: random.pick(&[3_000, 20_000]),
            receive_buffer_bytes: random.pick(&[2_000, 9_000, 200_000]),
            message_bytes_max: 1_000,
            mss: random.pick(&[100, 536]),
            timestamps: !random.one_in(3),
            sack: !random.one_in(3),
            ecn: random.one_in(2),
            congestion: random.pick(&[
                CongestionControl::NewReno,
                CongestionControl::Cubic,
                CongestionControl::Dctcp,
                CongestionControl::None { in_flight_bytes_max: 5_000 },
            ]),
            rto_min: Duration::from_ms(20),
            rto_max: Duration::from_s(2),
            retries_max: 60,
            // Longer than any FIN is sent again after another.
            time_wait: Duration::from_s(60),
            peer_max_ack_delay: Duration::from_ms(5),
            user_timeout_option: seed.is_multiple_of(2).then_some(UserTimeoutOption {
                advertised: UserTimeout::of(Duration::from_s(36_000)),
                adopts: Some(UserTimeoutLimits {
                    least: Duration::from_s(100),
                    most: Duration::from_s(86_400),
                }),
            }),
            ..Config::default()
        };
        let ends = [0, 1].map(|end| End {
            stacks: (0..STACKS)
                .map(|at| Stack::new(config.clone(), [(end * STACKS + at) as u8; 16]))
                .collect(),
            at: 0,
            id: None,
            to_write: random.below(20_000) as usize,
            written: 0,
            read: 0,
            has_shut: false,
            closed: None,
        });
        let mut world = World {
            now: 1_000_000_000_000,
            ends,
            network: BinaryHeap::new(),
            sent: 0,
            loss_percent: random.pick(&[0, 3, 15]),
            moves: 0,
            moved_in: BTreeSet::new(),
            random,
        };
        let (local, remote) =
            (Endpoint { addr: addr(0), port: 0 }, Endpoint { addr: addr(1), port: 9878 });
        world.ends[1].stacks[0].listen(remote).unwrap();
        let now = world.clock(0);
        world.ends[0].id = Some(world.ends[0].stacks[0].connect(now, local, remote).unwrap());
        world
    }

    fn clock(&self, end: usize) -> Instant {
        Instant::from_ns(self.now + self.ends[end].at as u64 * CLOCK_STEP_NS)
    }

    fn stack(&mut self, end: usize) -> &mut Stack {
        let end = &mut self.ends[end];
        &mut end.stacks[end.at]
    }

    fn run(&mut self, moves_one_in: u64) {
        for _ in 0..200_000 {
            for end in 0..2 {
                self.act(end);
                self.flush(end);
                if self.random.one_in(moves_one_in) {
                    self.relocate(end);
                    self.flush(end);
                }
            }
            if self.ends.iter().all(|end| end.closed.is_some()) {
                return;
            }
            self.step();
        }
        panic!("it never ends: {:?}", self.ends.each_ref().map(|end| (end.written, end.read)));
    }

    /// Events, writing, reading what was left, closing.
    fn act(&mut self, end: usize) {
        let now = self.clock(end);
        while let Some((id, event)) = self.stack(end).poll_event() {
            match event {
                Event::Connected => self.ends[end].id = Some(id),
                Event::Closed(why) => self.ends[end].closed = Some(why),
                Event::Writable | Event::PeerClosed => {}
            }
        }
        let Some(id) = self.ends[end].id else { return };
        if self.random.one_in(4) {
            self.read(end, id, usize::MAX);
        }
        let left = self.ends[end].to_write - self.ends[end].written;
        let len = left.min(1 + self.random.below(400) as usize);
        let from = self.ends[end].written;
        if len > 0
            && let Ok(room) = self.stack(end).reserve(id, len)
        {
            for (offset, slot) in room.iter_mut().enumerate() {
                *slot = byte(end, from + offset);
            }
            self.stack(end).commit_tagged(now, id, len, from as u32);
            self.ends[end].written += len;
            match self.random.below(8) {
                0 => self.stack(end).end_segment(now, id),
                1 => self.stack(end).await_commit(now, id),
                _ => {}
            }
        }
        if left == 0 && !self.ends[end].has_shut && self.random.one_in(5) {
            self.stack(end).shutdown(now, id);
            let state = self.stack(end).info(id).map(|info| info.state);
            self.ends[end].has_shut = !matches!(state, Some(State::SynSent | State::SynReceived));
        }
    }

    fn read(&mut self, end: usize, id: ConnectionId, most: usize) {
        let now = self.clock(end);
        let mut left = most;
        while left > 0 {
            let bytes = self.stack(end).readable(id).to_vec();
            let len = bytes.len().min(left);
            if len == 0 {
                return;
            }
            self.check(end, &bytes[..len]);
            self.stack(end).consume(now, id, len);
            left -= len;
        }
    }

    fn check(&mut self, end: usize, bytes: &[u8]) {
        for found in bytes {
            assert_eq!(*found, byte(1 - end, self.ends[end].read), "byte {}", self.ends[end].read);
            self.ends[end].read += 1;
        }
    }

    fn flush(&mut self, end: usize) {
        let now = self.clock(end);
        let mut frames = Vec::new();
        while let Some(transmit) = self.stack(end).poll_transmit(now) {
            let mut frame = vec![0; 60];
            let len = transmit.header.emit(&mut frame);
            frame.truncate(len);
            transmit.payload.iter().for_each(|run| frame.extend_from_slice(run));
            frames.push(frame);
        }
        for frame in frames {
            let copies = 1 + u64::from(self.random.below(100) < 5);
            for _ in 0..copies {
                if self.random.below(100) >= self.loss_percent {
                    let at = self.now + 1_000_000 + self.random.below(4_000_000);
                    self.sent += 1;
                    self.network.push(Reverse((at, self.sent, 1 - end, frame.clone())));
                }
            }
        }
    }

    /// On to the next thing that happens.
    fn step(&mut self) {
        let timer = |world: &World, end: usize| {
            let of = &world.ends[end];
            let at = of.stacks[of.at].next_timeout();
            at.as_ns().saturating_sub(of.at as u64 * CLOCK_STEP_NS)
        };
        let arrival = self.network.peek().map_or(u64::MAX, |Reverse((at, ..))| *at);
        let timers = [timer(self, 0), timer(self, 1)];
        let next = arrival.min(timers[0]).min(timers[1]).min(self.now + 50_000_000);
        self.now = self.now.max(next);
        for end in 0..2 {
            let now = self.clock(end);
            if self.stack(end).next_timeout() <= now {
                self.stack(end).on_timeout(now);
            }
        }
        while self.network.peek().is_some_and(|Reverse((at, ..))| *at <= self.now) {
            let Reverse((_, _, end, frame)) = self.network.pop().unwrap();
            let now = self.clock(end);
            let segment = Packet::parse(&frame).unwrap().segment().unwrap();
            let (src, dst) = (addr(1 - end), addr(end));
            let arrival = self.stack(end).on_segment(now, src, dst, &segment);
            let fresh = &segment.payload[arrival.fresh.clone()];
            let Some(id) = arrival.connection else { continue };
            self.stack(end).keep(id, fresh);
            if self.ends[end].id.is_some() && !self.random.one_in(3) {
                let most = 1 + self.random.below(600) as usize;
                self.read(end, id, most);
            }
        }
    }

    /// Moves an end's connection to its next stack.
    fn relocate(&mut self, end: usize) {
        let (now, Some(id)) = (self.clock(end), self.ends[end].id) else { return };
        if self.ends[end].closed.is_some() {
            return;
        }
        let Ok(snapshot) = self.stack(end).export(now, id) else { return };
        let before = self.stack(end).info(id).unwrap();
        let messages = self.stack(end).messages(id);
        let outstanding: Vec<_> = self.stack(end).outstanding(id).map(|m| m.tag).collect();
        self.stack(end).let_go(id);
        assert!(self.stack(end).poll_transmit(now).is_none(), "it says no more here");
        assert!(self.stack(end).info(id).is_none());
        self.ends[end].at = (self.ends[end].at + 1) % STACKS;
        let then = self.clock(end);
        let received = Snapshot::from_bytes(snapshot.as_bytes()).unwrap();
        let id = self.stack(end).import(then, &received).unwrap();
        self.ends[end].id = Some(id);
        let after = self.stack(end).info(id).unwrap();
        assert_eq!(Info { listener: None, ..before }, after);
        assert_eq!(self.stack(end).messages(id), messages);
        let left: Vec<_> = self.stack(end).outstanding(id).map(|m| m.tag).collect();
        assert_eq!(left, outstanding);
        // By a clock that is later, all that was known is known: nothing is lost in a second export.
        if then > now {
            let again = self.stack(end).export(then, id).unwrap();
            assert_eq!(again, snapshot, "in {:?}", after.state);
        }
        self.moves += 1;
        self.moved_in.insert(format!("{:?}", after.state));
        if after.receive_buffered_bytes > 0 {
            self.moved_in.insert("unread".into());
        }
        let connection = &self.stack(end).connections[id.index()];
        let going_on = [
            ("held", !connection.apart.held.is_empty()),
            ("marked", !connection.scoreboard.is_clean()),
            ("due", connection.scoreboard.has_due()),
            ("recovering", connection.congestion.is_recovering()),
            ("probing", connection.loss_probe.is_some()),
            ("in flight", connection.flight() > 0),
            ("unpushed", connection.is_unpushed()),
            ("ending a segment", connection.ends_at(connection.stream_end())),
        ];
        for (what, _) in going_on.into_iter().filter(|(_, is_so)| *is_so) {
            self.moved_in.insert(what.into());
        }
    }
}

#[test]
fn a_connection_that_is_moved_in_mid_transfer_loses_alters_and_repeats_nothing() {
    let (mut moves, mut moved_in) = (0, BTreeSet::new());
    for seed in 1..=SEEDS {
        let mut world = World::new(seed);
        let every = world.random.pick(&[2, 7, 40]);
        world.run(every);
        for end in 0..2 {
            let whole = (world.ends[1 - end].to_write, Some(Closed::Finished));
            assert_eq!((world.ends[end].read, world.ends[end].closed), whole, "seed {seed}");
        }
        moves += world.moves;
        moved_in.extend(world.moved_in);
    }
    assert!(moves > 5_000, "{moves}");
    for what in [
        "Established",
        "FinWait1",
        "FinWait2",
        "CloseWait",
        "LastAck",
        "Closing",
        "held",
        "marked",
        "due",
        "recovering",
        "probing",
        "unread",
        "in flight",
        "unpushed",
        "ending a segment",
    ] {
        assert!(moved_in.contains(what), "no move while {what}: {moved_in:?}");
    }
}

/// A connection with something of everything: bytes both ways, ahead of their turn too, and a loss.
fn busy(config: Config) -> (Stack, ConnectionId) {
    let now = Instant::from_ms(50);
    let mut stack = Stack::new(config, [9; 16]);
    let id = stack.connect(now, LOCAL, REMOTE).unwrap();
    let syn = stack.poll_transmit(now).unwrap().header;
    let echo = syn.options.timestamps.map(|ours| Timestamps { value: 70, echo: ours.value });
    let mut peer = Segment {
        src_port: REMOTE.port,
        dst_port: LOCAL.port,
        seq: SeqNumber(u32::MAX - 100),
        ack: syn.seq + 1,
        flags: Flags::SYN.with(Flags::ACK),
        window: 5_000,
        options: Options { timestamps: echo, ..syn.options },
        payload: &[],
        is_ce: false,
    };
    stack.on_segment(now, REMOTE.addr, LOCAL.addr, &peer);
    (peer.seq, peer.flags) = (peer.seq + 1, Flags::ACK);
    peer.options = Options { timestamps: echo, ..Options::NONE };
    for len in [300, 200, 250] {
        stack.reserve(id, len).unwrap().fill(len as u8);
        stack.commit_tagged(now, id, len, len as u32);
        while stack.poll_transmit(now).is_some() {}
    }
    let blocks = SackBlocks::of(syn.seq + 301, syn.seq + 501);
    let sack = Options { sack: Some(blocks), ..peer.options };
    stack.on_segment(now, REMOTE.addr, LOCAL.addr, &Segment { options: sack, ..peer });
    let arrival = Segment { payload: b"read me", ..peer };
    stack.on_segment(now, REMOTE.addr, LOCAL.addr, &arrival);
    stack.keep(id, b"read me");
    let ahead = Segment { seq: peer.seq + 20, payload: b"ahead", ..peer };
    stack.on_segment(now, REMOTE.addr, LOCAL.addr, &ahead);
    (stack, id)
}

const NOW: Instant = Instant::from_ms(60);

fn small() -> Config {
    Config { send_buffer_bytes: 4_000, receive_buffer_bytes: 4_000, connections_max: 2, ..plain() }
}

#[test]
fn each_refusal_has_its_reason_and_takes_no_connection() {
    let (mut stack, id) = busy(small());
    let snapshot = stack.export(NOW, id).unwrap();
    let refused = |config: Config, snapshot: &Snapshot| {
        let mut other = Stack::new(config, [1; 16]);
        let why = other.import(NOW, snapshot).unwrap_err();
        assert_eq!(other.counters().of(Count::Imported), 0);
        assert!(other.poll_transmit(NOW).is_none() && other.poll_event().is_none());
        // Every connection is still to be had.
        for port in 1..=other.connections_max() as u16 {
            other.connect(NOW, LOCAL, Endpoint { port, ..REMOTE }).unwrap();
        }
        why
    };
    assert_eq!(stack.import(NOW, &snapshot), Err(SnapshotRefusal::EndpointInUse));
    let few = Config { send_buffer_bytes: 500, ..small() };
    assert_eq!(refused(few, &snapshot), SnapshotRefusal::BuffersTooSmall);
    let few = Config { receive_buffer_bytes: 1_000, ..small() };
    assert_eq!(refused(few, &snapshot), SnapshotRefusal::BuffersTooSmall);
    for bytes in [&b""[..], b"fwt", b"fwtc", b"fwtc\x01", b"something else"] {
        assert_eq!(Snapshot::from_bytes(bytes), Err(SnapshotRefusal::NotASnapshot));
    }
    let mut other_version = snapshot.as_bytes().to_vec();
    other_version[4] += 1;
    assert_eq!(Snapshot::from_bytes(&other_version), Err(SnapshotRefusal::VersionUnknown));
    for len in 6..snapshot.as_bytes().len() {
        let cut = Snapshot::from_bytes(&snapshot.as_bytes()[..len]).unwrap();
        assert_eq!(refused(small(), &cut), SnapshotRefusal::Malformed, "{len} bytes");
    }
    let long = Snapshot::from_bytes(&[snapshot.as_bytes(), b"x"].concat()).unwrap();
    assert_eq!(refused(small(), &long), SnapshotRefusal::Malformed);
    let mut full = Stack::new(Config { connections_max: 1, ..small() }, [1; 16]);
    let other = Endpoint { port: 1, ..REMOTE };
    let opening = full.connect(NOW, LOCAL, other).unwrap();
    assert_eq!(full.import(NOW, &snapshot), Err(SnapshotRefusal::ConnectionsFull));
    assert_eq!(full.export(NOW, opening), Err(SnapshotRefusal::NotSynchronized));
    stack.let_go(id);
    assert_eq!(stack.export(NOW, id), Err(SnapshotRefusal::StaleId));
    assert_eq!(stack.counters().of(Count::LetGo), 1);
    assert!(stack.poll_event().is_none());
    // It may come back.
    assert!(stack.import(NOW, &snapshot).is_ok());
}

#[test]
fn a_smaller_link_makes_smaller_segments_and_timers_have_the_time_left_that_they_had() {
    let (mut stack, id) = busy(small());
    let snapshot = stack.export(NOW, id).unwrap();
    let left = stack.next_timeout() - NOW;
    let later = Instant::from_ms(1_000_000);
    let mut other = Stack::new(Config { mss: 400, ..small() }, [1; 16]);
    let id = other.import(later, &snapshot).unwrap();
    assert_eq!(other.info(id).unwrap().mss, 400);
    assert_eq!(other.next_timeout() - later, left);
}

/// Whatever spans are asked for, what was exported is imported, and says the same again: terms of years, and those that
/// stand for "never".
#[test]
fn what_can_be_exported_can_be_imported_whatever_its_terms_are() {
    for ns in [0, 1, 1 << 50, (1 << 50) + 1, 1 << 62, 1 << 63, u64::MAX - 1, u64::MAX] {
        let span = Duration::from_ns(ns);
        let limits = UserTimeoutLimits { least: span, most: span };
        let advertised = UserTimeout::of(span);
        let config = Config {
            rto_min: span,
            rto_max: span,
            rto_initial: span,
            peer_max_ack_delay: span,
            ack_delay: Some(span),
            time_wait: span,
            orphan_timeout: span,
            keep_alive: Some(KeepAlive { idle: span, interval: span, probes: 255 }),
            user_timeout: Some(span),
            user_timeout_option: Some(UserTimeoutOption { advertised, adopts: Some(limits) }),
            stale_after: (ns > 1).then_some(span),
            timestamps: true,
            ..small()
        };
        let (mut stack, id) = busy(config.clone());
        let mut moved = Stack::new(config.clone(), [1; 16]);
        // In mid-transfer; in FIN-WAIT; and where the host has slept for a month since the last segment.
        let month = NOW + Duration::from_s(30 * 86_400);
        for (turn, now) in [NOW, NOW, month].into_iter().enumerate() {
            if turn == 1 {
                stack.shutdown(now, id);
            }
            if turn == 2 {
                let info = stack.info(id).unwrap();
                let segment = Segment {
                    src_port: REMOTE.port,
                    dst_port: LOCAL.port,
                    seq: info.rcv_nxt,
                    ack: info.snd_nxt,
                    flags: Flags::ACK.with(Flags::FIN),
                    window: 5_000,
                    options: Options {
                        timestamps: Some(Timestamps { value: 71, echo: 0 }),
                        ..Options::NONE
                    },
                    payload: &[],
                    is_ce: false,
                };
                stack.on_segment(now, REMOTE.addr, LOCAL.addr, &segment);
            }
            while stack.poll_transmit(now).is_some() {}
            let snapshot = stack.export(now, id).unwrap();
            let there = moved.import(now, &snapshot);
            let there = there.unwrap_or_else(|why| panic!("{why}: {ns} ns, turn {turn}"));
            assert_eq!(moved.export(now, there).unwrap(), snapshot, "{ns} ns, turn {turn}");
            moved.let_go(there);
        }
    }
}
