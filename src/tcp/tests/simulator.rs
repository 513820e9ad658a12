//! Two stacks on a network that loses, delays, reorders and repeats, by a seed, in virtual time.
//!
//! Every byte that arrives is compared, and after every step: nothing is acknowledged that has not
//! arrived, and neither `snd_una` nor `rcv_nxt` moves back. At the end every connection is closed
//! on both sides, and every stream whole unless somebody aborted.

use core::net::Ipv4Addr;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::{Hash, Hasher};

use super::super::reassembly::Reassembly;
use super::super::scoreboard::Marks;
use super::super::*;
use crate::time::{Duration, Instant};
use crate::wire::stamped::{STAMPED_HEADER_LEN, Stamped};
use crate::wire::tcp::{Packet, Segment, SeqNumber};

mod twins;

const SEEDS: u64 = 600;
const SERVER_PORT: u16 = 9878;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// From 0 to `below`, not included.
    fn below(&mut self, below: u64) -> u64 {
        (self.next() >> 11) % below.max(1)
    }

    fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

/// One end of a connection, with what it has done so far.
#[derive(Clone)]
struct Side {
    id: Option<ConnectionId>,
    to_write: u64,
    written: u64,
    read: u64,
    has_shut: bool,
    is_blocked: bool,
    peer_has_closed: bool,
    closed: Option<Closed>,
    snd_una: Option<SeqNumber>,
    rcv_nxt: Option<SeqNumber>,
}

/// A frame on its way: when it arrives, its number, to which host, its bytes, and whether it was marked.
type Flight = Reverse<(u64, u64, usize, Vec<u8>, bool)>;

struct World {
    random: Random,
    now: u64,
    stacks: [Stack; 2],
    /// `sides[line][host]`
    sides: Vec<[Side; 2]>,
    rounds_left: Vec<u64>,
    round: Vec<u64>,
    network: BinaryHeap<Flight>,
    sent: u64,
    loss_percent: u64,
    repeat_percent: u64,
    /// Of what may be marked.
    mark_percent: u64,
    delay_ns: u64,
    jitter_ns: u64,
    abort_one_in: u64,
    /// How long a host that has something to send waits, as one that delays its ACKs does.
    hesitates_ns: [u64; 2],
    flush_at: [u64; 2],
    /// A host lets go of what it holds ahead of its turn, at one step in so many (RFC 2018 8).
    renege_one_in: u64,
    has_aborted: Vec<bool>,
    deliveries: u64,
    reneged: u64,
    /// Segments that left the shortest way.
    left_fast: u64,
    /// A digest of every frame, event and state, where it is wanted.
    keeps_trace: bool,
    trace: u64,
}

fn addr(host: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, 1 + host as u8)
}

/// The byte at `at` of the stream that `host` writes on a line in a round.
fn pattern(line: usize, round: u64, host: usize, at: u64) -> u8 {
    let mixed = (at ^ (line as u64) << 40 ^ round << 48 ^ (host as u64) << 56)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 56) as u8
}

fn config(random: &mut Random) -> Config {
    let receive_buffer_bytes = random.pick(&[1, 37, 600, 5_000, 65_536, 300_000]);
    let send_buffer_bytes = random.pick(&[200, 3_000, 40_000]);
    let congestion = random.pick(&[
        CongestionControl::NewReno,
        CongestionControl::Cubic,
        CongestionControl::Dctcp,
        CongestionControl::None { in_flight_bytes_max: 20_000 },
    ]);
    Config {
        connections_max: 5,
        send_buffer_bytes,
        receive_buffer_bytes,
        message_bytes_max: random.pick(&[50, 1_000]),
        mss: random.pick(&[100, 536, 1460]),
        timestamps: !random.one_in(3),
        window_scaling: !random.one_in(3),
        sack: !random.one_in(3),
        ecn: random.one_in(2),
        congestion,
        rto_min: Duration::from_ms(random.pick(&[5, 200])),
        peer_max_ack_delay: Duration::from_ms(random.pick(&[0, 50])),
        rto_max: Duration::from_s(10),
        syn_retries_max: 40,
        retries_max: 40,
        time_wait: Duration::from_ms(random.pick(&[500, 60_000])),
        keep_alive: Some(KeepAlive {
            idle: Duration::from_s(60),
            interval: Duration::from_s(5),
            probes: 20,
        }),
        ..Config::default()
    }
}

impl World {
    fn new(seed: u64) -> World {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            random.next();
        }
        let secret = [seed as u8; 16];
        let mut stacks = [0, 1].map(|_| Stack::new(config(&mut random), secret));
        stacks[1].listen(Endpoint { addr: addr(1), port: SERVER_PORT }).unwrap();
        let lines = random.between(1, 4) as usize;
        let smallest = [0, 1].map(|host: usize| stacks[host].config.receive_buffer_bytes as u64);
        let most = 300_000.min(60 * smallest[0].min(smallest[1]));
        let sides = (0..lines)
            .map(|_| [0, 1].map(|_| Side::new(random.below(most + 1))))
            .collect::<Vec<_>>();
        World {
            now: 0,
            stacks,
            rounds_left: (0..lines).map(|_| random.between(1, 2)).collect(),
            round: vec![0; lines],
            sides,
            network: BinaryHeap::new(),
            sent: 0,
            loss_percent: random.pick(&[0, 0, 2, 10, 25]),
            repeat_percent: random.pick(&[0, 0, 5, 20]),
            mark_percent: random.pick(&[0, 5, 50]),
            delay_ns: random.pick(&[10_000, 1_000_000, 30_000_000]),
            jitter_ns: random.pick(&[0, 0, 100_000, 20_000_000]),
            abort_one_in: random.pick(&[u64::MAX, u64::MAX, 300]),
            hesitates_ns: [0, 1].map(|_| random.pick(&[0, 0, 0, 45_000_000])),
            flush_at: [0; 2],
            renege_one_in: random.pick(&[u64::MAX, u64::MAX, 50]),
            has_aborted: vec![false; lines],
            deliveries: 0,
            reneged: 0,
            left_fast: 0,
            keeps_trace: false,
            trace: 0,
            random,
        }
    }

    fn run(&mut self) {
        for line in 0..self.sides.len() {
            self.connect(line);
        }
        while !self.is_over() {
            self.flush();
            self.check();
            assert!(self.step(), "nothing left to happen, and connections are open");
            assert!(
                self.now < 12 * 3600 * 1_000_000_000,
                "twelve hours are enough: {}",
                self.story()
            );
        }
    }

    /// Where everybody stands, for whoever replays a seed.
    fn story(&self) -> String {
        let network = (self.loss_percent, self.delay_ns, self.jitter_ns, self.hesitates_ns);
        let infos = self.sides.iter().flatten().enumerate().map(|(at, side)| {
            let info = side.id.and_then(|id| self.stacks[at % 2].info(id));
            format!("\n{} of {} written, {} read: {info:?}", side.written, side.to_write, side.read)
        });
        let configs = self.stacks.iter().map(|stack| format!("\n{:?}", stack.config));
        format!("{network:?}{}{}", configs.collect::<String>(), infos.collect::<String>())
    }

    fn connect(&mut self, line: usize) {
        let local = Endpoint { addr: addr(0), port: 40_000 + line as u16 };
        let remote = Endpoint { addr: addr(1), port: SERVER_PORT };
        let id = self.stacks[0].connect(self.at(), local, remote).expect("endpoints are free");
        self.sides[line][0].id = Some(id);
    }

    /// Has something that was seen now in the digest.
    fn note(&mut self, what: impl FnOnce() -> String) {
        if self.keeps_trace {
            let mut hasher = std::hash::DefaultHasher::new();
            (self.trace, self.now, what()).hash(&mut hasher);
            self.trace = hasher.finish();
        }
    }

    fn at(&self) -> Instant {
        Instant::from_ns(self.now)
    }

    /// The next thing that happens. `false` if there is none.
    fn step(&mut self) -> bool {
        let arrival = self.network.peek().map_or(u64::MAX, |flight| flight.0.0);
        let timeout = self.stacks.iter().map(|stack| stack.next_timeout().as_ns()).min().unwrap();
        let application =
            if self.wants_turn() { self.now + self.random.between(1, 3_000_000) } else { u64::MAX };
        let hesitant = self.flush_at.into_iter().filter(|at| *at > self.now).min();
        let next = arrival.min(timeout).min(application).min(hesitant.unwrap_or(u64::MAX));
        if next == u64::MAX {
            return false;
        }
        self.now = self.now.max(next);
        if next == arrival {
            let Reverse((_, _, host, bytes, is_marked)) = self.network.pop().unwrap();
            self.arrive(host, &bytes, is_marked);
        } else if next == timeout {
            let at = self.at();
            for stack in &mut self.stacks {
                stack.on_timeout(at);
            }
        } else if next == application {
            self.take_turn();
        }
        self.events();
        if self.random.below(self.renege_one_in) == 1 {
            self.renege();
        }
        true
    }

    fn flush(&mut self) {
        let at = self.at();
        for host in 0..2 {
            if self.stacks[host].next_transmit().is_none() {
                continue;
            }
            if self.hesitates_ns[host] > 0 && self.flush_at[host] != self.now {
                if self.flush_at[host] < self.now {
                    self.flush_at[host] = self.now + self.hesitates_ns[host];
                }
                continue;
            }
            while self.stacks[host].next_transmit().is_some() {
                let sacked = self.sacked(host);
                let stack = &mut self.stacks[host];
                let turn = stack.next_transmit().expect("its turn");
                let transmit = if let Some(leaving) = stack.fast_turn(at, &turn) {
                    self.left_fast += 1;
                    let connection = leaving.connection();
                    let rest = leaving.send();
                    let len = rest.payload[0].len() as u32;
                    rest.transmit(RestKind { connection, len, has_timestamps: true, is_ect: false })
                } else {
                    match stack.rest(turn) {
                        Some(kind) => stack.transmit_rest(at, kind).transmit(kind),
                        None => stack.transmit(at, turn).expect("a segment"),
                    }
                };
                if transmit.retransmission {
                    let ports = (transmit.header.src_port, transmit.header.dst_port);
                    let start = transmit.header.seq;
                    let is_sacked = sacked.iter().any(|(whose, left, right)| {
                        *whose == ports && left.is_at_or_before(start) && start.is_before(*right)
                    });
                    assert!(!is_sacked, "sent again though the peer holds it");
                }
                let transmit_may_be_marked = transmit.is_ect;
                assert!(!transmit.is_ect || !transmit.retransmission);
                let mut bytes = vec![0; transmit.header.header_len()];
                transmit.header.emit(&mut bytes);
                bytes.extend(transmit.payload.concat());
                let seen = (host, transmit.is_ect, transmit.retransmission, transmit.connection);
                self.note(|| format!("{seen:?} {bytes:?}"));
                if self.random.below(100) < self.loss_percent {
                    continue;
                }
                let copies = 1 + u64::from(self.random.below(100) < self.repeat_percent);
                let is_marked =
                    transmit_may_be_marked && self.random.below(100) < self.mark_percent;
                for _ in 0..copies {
                    self.sent += 1;
                    let then = self.now + self.delay_ns + self.random.below(self.jitter_ns + 1);
                    self.network.push(Reverse((
                        then,
                        self.sent,
                        1 - host,
                        bytes.clone(),
                        is_marked,
                    )));
                }
            }
        }
    }

    /// What the peers of a host hold, as far as it knows: ports, and the edges of each segment.
    fn sacked(&self, host: usize) -> Vec<((u16, u16), SeqNumber, SeqNumber)> {
        let mut sacked = Vec::new();
        for connection in &self.stacks[host].connections {
            let ports = (connection.tuple.local.port, connection.tuple.remote.port);
            let mut left = connection.snd_una;
            for (right, marks) in connection.scoreboard.segments() {
                if marks.has(Marks::SACKED) {
                    sacked.push((ports, left, right));
                }
                left = right;
            }
        }
        sacked
    }

    fn renege(&mut self) {
        for stack in &mut self.stacks {
            for connection in &mut stack.connections {
                if !connection.held.is_empty() {
                    connection.held = Reassembly::new();
                    self.reneged += 1;
                }
            }
        }
    }

    fn arrive(&mut self, host: usize, bytes: &[u8], is_marked: bool) {
        let mut segment = Packet::parse(bytes).unwrap().segment().unwrap();
        segment.is_ce = is_marked;
        let port = if host == 0 { segment.dst_port } else { segment.src_port };
        let line = usize::from(port - 40_000);
        let before = self.sides[line][host].id.and_then(|id| self.stacks[host].info(id));
        let unread_before = before.map_or(0, |info| info.receive_buffered_bytes);
        let at = self.at();
        let arrival = self.take_in(host, at, bytes, &segment);
        let Some(id) = arrival.connection else { return };
        let fresh = &segment.payload[arrival.fresh];
        if fresh.is_empty() {
            assert!(!arrival.joined);
            return;
        }
        if self.sides[line][host].id.is_none() {
            // The handshake's last segment: its event comes first.
            self.events();
        }
        assert_eq!(self.sides[line][host].id, Some(id), "fresh bytes for a connection unheard of");
        // What was left before comes first in the stream: then all is kept.
        let taken = match self.random.below(4) {
            _ if unread_before > 0 => 0,
            0 => 0,
            1 => self.random.below(fresh.len() as u64 + 1) as usize,
            _ => fresh.len(),
        };
        self.compare(line, host, &fresh[..taken]);
        if taken < fresh.len() {
            self.stacks[host].keep(id, &fresh[taken..]);
        }
    }

    /// A segment by the way that a frame takes: the shortest first.
    fn take_in(
        &mut self,
        host: usize,
        at: Instant,
        bytes: &[u8],
        segment: &Segment<'_>,
    ) -> Arrival {
        let stack = &mut self.stacks[host];
        let local = Endpoint { addr: addr(host), port: segment.dst_port };
        let remote = Endpoint { addr: addr(1 - host), port: segment.src_port };
        let len = segment.payload.len();
        if let Some(header) = bytes.first_chunk::<STAMPED_HEADER_LEN>()
            && (header[12] >> 4, &header[20..24]) == (8, &[1, 1, 8, 10])
            && !segment.is_ce
            && let Some(id) = stack.established(local, remote)
            && stack.take_predicted(at, id, Stamped::of(header, len))
        {
            return Arrival::predicted(id, len);
        }
        stack.on_segment(at, remote.addr, local.addr, segment)
    }

    fn compare(&mut self, line: usize, host: usize, bytes: &[u8]) {
        let round = self.round[line];
        let side = &mut self.sides[line][host];
        for byte in bytes {
            let expected = pattern(line, round, 1 - host, side.read);
            assert_eq!(*byte, expected, "line {line} host {host} byte {}", side.read);
            side.read += 1;
        }
        self.deliveries += bytes.len() as u64;
    }

    fn events(&mut self) {
        for host in 0..2 {
            while let Some((id, event)) = self.stacks[host].poll_event() {
                let info = self.stacks[host].info(id).unwrap();
                let port = if host == 0 { info.local.port } else { info.remote.port };
                let line = usize::from(port - 40_000);
                self.note(|| format!("{host} {id:?} {event:?}"));
                let side = &mut self.sides[line][host];
                if event == Event::Connected && host == 1 {
                    assert_eq!(side.id, None, "a connection on top of another");
                    side.id = Some(id);
                }
                assert_eq!(side.id, Some(id));
                match event {
                    Event::Connected => {}
                    Event::Writable => side.is_blocked = false,
                    Event::PeerClosed => side.peer_has_closed = true,
                    Event::Closed(why) => side.closed = Some(why),
                }
                self.settle(line);
            }
        }
    }

    /// Releases what is over, and begins the next round on the same endpoints.
    fn settle(&mut self, line: usize) {
        for host in 0..2 {
            if self.sides[line][host].closed.is_some()
                && let Some(id) = self.sides[line][host].id
                && self.stacks[host].readable(id).is_empty()
            {
                self.stacks[host].release(id);
                self.sides[line][host].id = None;
            }
        }
        let client_is_over = self.sides[line][0].closed.is_some();
        let server_is_over = self.sides[line][1].closed.is_some()
            || (self.has_aborted[line] && self.sides[line][1].id.is_none());
        let has_slots = self.sides[line].iter().all(|side| side.id.is_none());
        if client_is_over && server_is_over && has_slots && self.rounds_left[line] > 0 {
            self.check_whole(line);
            self.rounds_left[line] -= 1;
            if self.rounds_left[line] > 0 && !self.has_aborted[line] {
                self.round[line] += 1;
                for side in &mut self.sides[line] {
                    *side = Side::new(side.to_write / 2);
                }
                self.connect(line);
            } else {
                self.rounds_left[line] = 0;
            }
        }
    }

    fn check_whole(&self, line: usize) {
        if self.has_aborted[line] {
            return;
        }
        let [client, server] = &self.sides[line];
        for (reader, writer) in [(client, server), (server, client)] {
            assert_eq!(reader.read, writer.to_write, "line {line} is not whole");
            assert!(
                matches!(reader.closed, Some(Closed::Finished | Closed::Reset)),
                "line {line} ended by {:?}",
                reader.closed
            );
        }
        let finished = self.sides[line].iter().any(|side| side.closed == Some(Closed::Finished));
        assert!(finished, "line {line}: both ends were reset");
    }

    fn is_over(&self) -> bool {
        self.rounds_left.iter().all(|left| *left == 0)
    }

    fn is_connected(&self, line: usize, host: usize) -> bool {
        let side = &self.sides[line][host];
        let info = side.id.and_then(|id| self.stacks[host].info(id));
        info.is_some_and(|info| !matches!(info.state, State::SynSent | State::SynReceived))
    }

    fn wants_turn(&self) -> bool {
        (0..self.sides.len()).any(|line| {
            (0..2).any(|host| {
                let side = &self.sides[line][host];
                let Some(id) = side.id else { return false };
                let can_write = side.written < side.to_write && !side.is_blocked
                    || !side.has_shut && side.written == side.to_write;
                self.is_connected(line, host)
                    && (can_write && side.closed.is_none()
                        || !self.stacks[host].readable(id).is_empty())
            })
        })
    }

    fn take_turn(&mut self) {
        for line in 0..self.sides.len() {
            for host in 0..2 {
                if self.is_connected(line, host) && !self.random.one_in(3) {
                    self.read(line, host);
                    self.write(line, host);
                    self.settle(line);
                }
            }
        }
    }

    fn read(&mut self, line: usize, host: usize) {
        let Some(id) = self.sides[line][host].id else { return };
        for _ in 0..self.random.below(4) {
            let bytes = self.stacks[host].readable(id).to_vec();
            let len = self.random.between(1, 2_000).min(bytes.len() as u64) as usize;
            self.compare(line, host, &bytes[..len]);
            let at = self.at();
            self.stacks[host].consume(at, id, len);
        }
    }

    fn write(&mut self, line: usize, host: usize) {
        let (at, round) = (self.at(), self.round[line]);
        let side = &mut self.sides[line][host];
        let stack = &mut self.stacks[host];
        let Some(id) = side.id.filter(|_| side.closed.is_none()) else { return };
        if self.random.below(self.abort_one_in) == 1 {
            stack.abort(at, id);
            self.has_aborted[line] = true;
            return;
        }
        for _ in 0..self.random.between(1, 5) {
            let left = side.to_write - side.written;
            let most = stack.config.message_bytes_max as u64;
            let len = self.random.between(1, most).min(left) as usize;
            if len == 0 {
                break;
            }
            match stack.reserve(id, len) {
                Ok(room) => {
                    for (offset, byte) in room.iter_mut().enumerate() {
                        *byte = pattern(line, round, host, side.written + offset as u64);
                    }
                    let used = self.random.between(1, len as u64);
                    stack.commit(at, id, used as usize);
                    side.written += used;
                }
                Err(SendRefusal::NoRoom) => {
                    side.is_blocked = true;
                    break;
                }
                Err(why) => {
                    assert!(self.has_aborted[line], "{why}");
                    break;
                }
            }
        }
        if side.written == side.to_write && !side.has_shut {
            side.has_shut = true;
            stack.shutdown(at, id);
        }
    }

    /// The sums of the scoreboard against a slow count, and nothing let go of before it is acknowledged.
    fn check_scoreboards(&self) {
        for connection in self.stacks.iter().flat_map(|stack| &stack.connections) {
            let synchronised = !matches!(
                connection.state,
                State::Closed | State::SynSent | State::SynReceived | State::TimeWait
            );
            if !synchronised {
                continue;
            }
            let (mut left, mut pipe, mut sacked, mut due) = (connection.snd_una, 0, 0, 0);
            for (right, marks) in connection.scoreboard.segments() {
                assert!(left.is_before(right), "a segment of nothing");
                let len = right.since(left);
                let (is_sacked, is_lost) = (marks.has(Marks::SACKED), marks.has(Marks::LOST));
                assert!(!is_sacked || !(is_lost || marks.has(Marks::AGAIN)));
                pipe += if is_sacked || is_lost { 0 } else { len };
                pipe += if marks.has(Marks::AGAIN) { len } else { 0 };
                sacked += if is_sacked { len } else { 0 };
                due += u32::from(is_lost && !marks.has(Marks::AGAIN));
                left = right;
            }
            assert_eq!(left, connection.snd_nxt, "the scoreboard ends elsewhere");
            assert_eq!(pipe, connection.scoreboard.pipe(connection.flight()), "pipe");
            assert_eq!(sacked, connection.scoreboard.sacked_bytes(), "sacked");
            assert_eq!(due, connection.scoreboard.due_count(), "due");
            let kept = connection.send.len() as u32 + u32::from(connection.fin_sent);
            assert!(kept >= connection.flight(), "let go of before it was acknowledged");
        }
    }

    fn check(&mut self) {
        self.check_scoreboards();
        for line in 0..self.sides.len() {
            let infos = [0, 1]
                .map(|host| self.sides[line][host].id.and_then(|id| self.stacks[host].info(id)));
            self.note(|| format!("{infos:?}"));
            for host in 0..2 {
                let Some(info) = infos[host] else { continue };
                let side = &mut self.sides[line][host];
                if info.state == State::SynSent {
                    continue;
                }
                let una = side.snd_una.replace(info.snd_una).unwrap_or(info.snd_una);
                assert!(una.is_at_or_before(info.snd_una), "snd_una moved back");
                let nxt = side.rcv_nxt.replace(info.rcv_nxt).unwrap_or(info.rcv_nxt);
                assert!(nxt.is_at_or_before(info.rcv_nxt), "rcv_nxt moved back");
                if let Some(peer) = infos[1 - host].filter(|peer| peer.state != State::SynSent) {
                    assert!(
                        info.snd_una.is_at_or_before(peer.rcv_nxt),
                        "acknowledged, not arrived"
                    );
                    assert!(info.rcv_nxt.is_at_or_before(peer.snd_nxt), "arrived, not sent");
                }
            }
        }
    }
}

impl Side {
    fn new(to_write: u64) -> Side {
        Side {
            id: None,
            to_write,
            written: 0,
            read: 0,
            has_shut: false,
            is_blocked: false,
            peer_has_closed: false,
            closed: None,
            snd_una: None,
            rcv_nxt: None,
        }
    }
}

/// What must have happened somewhere among the seeds: a simulator that provokes nothing proves
/// nothing.
const PROVOKED: [Count; 24] = [
    Count::SegmentPredicted,
    Count::OutOfOrder,
    Count::ReassemblyFull,
    Count::DuplicateData,
    Count::FastRetransmit,
    Count::RetransmitTimeout,
    Count::SynRetransmission,
    Count::SynDuplicate,
    Count::WindowProbeOut,
    Count::WindowProbeIn,
    Count::TimestampOld,
    Count::TimeWaitReused,
    Count::ResetInexact,
    Count::ResetIn,
    Count::PortUnreachable,
    Count::DsackIn,
    Count::LossProbe,
    Count::LossProbeRepaired,
    Count::RecoveryUndone,
    Count::SackReneged,
    Count::SegmentsFull,
    Count::DuplicateAck,
    Count::CongestionExperienced,
    Count::CongestionEchoed,
];

#[test]
fn every_stream_arrives_whole_whatever_the_network_does() {
    let mut delivered = 0;
    let mut provoked = [0; PROVOKED.len()];
    // One seed alone: FIXWIRE_SIMULATOR_SEED=N cargo test simulator; or others: FIRST..END
    let alone = std::env::var("FIXWIRE_SIMULATOR_SEED").ok();
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let seeds = alone.as_deref().map_or(0..SEEDS, |seeds| match seeds.split_once("..") {
        Some((first, end)) => number(first)..number(end),
        None => number(seeds)..number(seeds) + 1,
    });
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            world.run();
            let counted = |what| world.stacks.iter().map(|stack| stack.counters().of(what)).sum();
            (world.deliveries, PROVOKED.map(counted))
        });
        let (bytes, counts): (u64, [u64; PROVOKED.len()]) = outcome
            .unwrap_or_else(|_| panic!("FIXWIRE_SIMULATOR_SEED={seed} cargo test simulator"));
        delivered += bytes;
        provoked.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    if alone.is_some() {
        return;
    }
    assert!(delivered > 10_000_000, "only {delivered} bytes");
    for (what, count) in PROVOKED.into_iter().zip(provoked) {
        println!("{count:8} {what}");
        assert!(count > 0, "{what} never happened");
    }
}
