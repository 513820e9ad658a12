//! Two hosts with clocks of their own, the network between them, and what happens next.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::application::{Line, Side};
use super::device::{Node, Word, addr};
use super::faults::Faults;
use super::holding::Holding;
use super::network::Network;
use super::orphans::Orphan;
use super::random::{NEVER, Random};
use super::record::Record;
use super::scarcity::Scarcity;
use super::totals::Totals;
use crate::tcp::{
    Config, CongestionControl, ConnectionId, Endpoint, Event, Info, KeepAlive, Stack,
};
use crate::time::{Duration, Instant};
use crate::wire::tcp::SeqNumber;

pub(super) const SERVER_PORT: u16 = 9878;
/// Ports of clients: each line has one of these eight, and eight more for each connection that was cut.
pub(super) const PORT_MIN: u16 = 40_000;
pub(super) const PORTS: u16 = 8;
/// Where both clocks begin: they can be set back from there.
const EPOCH_NS: u64 = 3_600_000_000_000;
/// By how much the clock of a host's second stack is ahead of the first one's.
const CLOCK_STEP_NS: u64 = 7_777_777_777;
/// No seed needs longer.
const END_NS: u64 = 3_600 * 1_000_000_000;

/// A host: a stack, or two of which each may have any of its connections.
pub(super) struct Host {
    pub(super) nodes: Vec<Node>,
    pub(super) seen: Vec<Seen>,
    pub(super) config: Config,
    pub(super) device: (Word, bool),
    /// By how much its clock is ahead of ours.
    pub(super) clock_ns: u64,
    flush_at: u64,
}

/// What the simulator has counted of a stack.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) segments_in: u64,
    pub(super) frames_out: u64,
    pub(super) again: u64,
    pub(super) deceived: u64,
}

/// A connection of the server's that its client has forgotten.
pub(super) struct Left {
    place: (usize, usize),
    id: ConnectionId,
    since: u64,
}

pub(super) struct World {
    pub(super) seed: u64,
    pub(super) random: Random,
    pub(super) now: u64,
    pub(super) faults: Faults,
    pub(super) scarcity: Scarcity,
    pub(super) is_healed: bool,
    pub(super) hosts: [Host; 2],
    pub(super) lines: Vec<Line>,
    left: Vec<Left>,
    pub(super) orphans: Vec<Orphan>,
    /// Strangers to whom something was sent, and what they are to say that they never asked for.
    pub(super) asked_strangers: Vec<(Endpoint, SeqNumber)>,
    /// The handshakes that have opened a connection, by host: the other end, our first number and its.
    pub(super) opened: BTreeSet<(usize, (Ipv4Addr, u16, u32, u32))>,
    /// What came first, by the client's port, and whether it has data.
    pub(super) firsts: BTreeMap<u16, (bool, Vec<u8>)>,
    /// When a place was last given up, or a connection let go of.
    pub(super) freed_at: u64,
    /// Which stack of a host has the connections of a client's port, if not the first.
    pub(super) routes: BTreeMap<(usize, u16), usize>,
    pub(super) network: Network,
    pub(super) has_timestamps: bool,
    pub(super) totals: Totals,
    pub(super) next_jump_at: u64,
    /// By how much clocks were set back in all: timers go off so much later.
    pub(super) back_ns: u64,
    /// A fault of the simulator's own, to see that it is found: this frame with data is altered unseen.
    pub(super) tampers_with: Option<u64>,
    pub(super) record: Option<Record>,
    /// A digest of every frame, event and state, where it is wanted.
    pub(super) trace: Option<DefaultHasher>,
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
        connections_max: 16,
        send_buffer_bytes,
        receive_buffer_bytes,
        message_bytes_max: random.pick(&[50, 1_000]),
        mss: random.pick(&[60, 536, 1460, 1460]),
        timestamps: !random.one_in(3),
        window_scaling: !random.one_in(3),
        sack: !random.one_in(3),
        ecn: random.one_in(2),
        ack_delay: random.pick(&[None, None, Some(Duration::from_ms(40))]),
        nagle: random.one_in(4),
        pacing: random.one_in(4),
        congestion,
        rto_min: Duration::from_ms(random.pick(&[5, 200])),
        peer_max_ack_delay: Duration::from_ms(random.pick(&[0, 50])),
        rto_max: Duration::from_s(10),
        syn_retries_max: 60,
        retries_max: 60,
        time_wait: Duration::from_ms(random.pick(&[500, 60_000])),
        keep_alive: Some(KeepAlive {
            idle: Duration::from_s(random.pick(&[2, 60])),
            interval: Duration::from_s(5),
            probes: 100,
        }),
        ..Config::default()
    }
}

impl Host {
    fn new(
        host: usize,
        stacks: usize,
        scarcity: &Scarcity,
        is_calm: bool,
        random: &mut Random,
    ) -> Host {
        let mut config = config(random);
        scarcity.limit(host, &mut config);
        if config.mss == 60 {
            // Longer than anybody lives: a span like any other.
            let years = Duration::from_ns(1 << 62);
            config.stale_after = config.stale_after.or(Some(years));
        }
        if is_calm {
            (config.timestamps, config.sack, config.window_scaling) = (true, true, true);
            (config.ecn, config.nagle, config.pacing) = (false, false, false);
            config.ack_delay = None;
        }
        let device = (Word::draw(random), random.one_in(2));
        let mut made = Host {
            nodes: Vec::new(),
            seen: vec![Seen::default(); stacks],
            config,
            device,
            clock_ns: EPOCH_NS,
            flush_at: 0,
        };
        for _ in 0..stacks {
            made.nodes.push(made.node(host, random));
        }
        made
    }

    /// A stack that knows nothing yet.
    pub(super) fn node(&self, host: usize, random: &mut Random) -> Node {
        let secret = [random.next().to_le_bytes(), random.next().to_le_bytes()].concat();
        let secret = secret.try_into().expect("sixteen bytes");
        let mut node = Node::new(host, &self.config, secret, self.device);
        if host == 1 {
            node.stack.listen(Endpoint { addr: addr(1), port: SERVER_PORT }).expect("it is free");
        }
        node
    }
}

impl World {
    pub(super) fn new(seed: u64) -> World {
        World::of(seed, false)
    }

    /// Has every stack hold what it sends prepared, or none.
    pub(super) fn hold(&mut self, holds: bool) {
        let seed = self.seed;
        for node in self.hosts.iter_mut().flat_map(|host| &mut host.nodes) {
            node.holding = holds.then(|| Holding::new(seed));
        }
    }

    /// Nothing is to be held when everything is over.
    fn end_holding(&mut self) {
        for node in self.hosts.iter_mut().flat_map(|host| &mut host.nodes) {
            if let Some(holding) = &mut node.holding {
                holding.end(&node.stack);
            }
        }
    }

    /// One in which nothing goes wrong, between stacks that are set up as FIX sessions are.
    pub(super) fn calm(seed: u64) -> World {
        World::of(seed, true)
    }

    fn of(seed: u64, is_calm: bool) -> World {
        let mut random = Random::new(seed);
        let mut faults = Faults::draw(&mut random);
        if is_calm {
            faults.heal();
        }
        let stacks = if faults.move_one_in == NEVER { 1 } else { 2 };
        let scarcity = Scarcity::draw(seed, is_calm);
        let hosts = [0, 1].map(|host| Host::new(host, stacks, &scarcity, is_calm, &mut random));
        let smallest = hosts.iter().map(|host| host.config.receive_buffer_bytes as u64).min();
        let most = 200_000.min(60 * smallest.expect("there are two"));
        let lines = (0..random.between(1, 4) as u16).map(|line| Line {
            port: PORT_MIN + line,
            round: 0,
            rounds_left: random.between(1, 3),
            sides: [0, 1].map(|_| Side::new(random.below(most + 1))),
            foresees: [0, 1].map(|_| random.one_in(3)),
            is_cut: false,
            has_moved: false,
            waits_for_place: false,
            began_at: Instant::ZERO,
            moved_at: 0,
            noted: [None; 2],
        });
        let mut world = World {
            seed,
            now: 0,
            lines: lines.collect(),
            has_timestamps: hosts.iter().all(|host| host.config.timestamps),
            hosts,
            faults,
            scarcity,
            is_healed: false,
            left: Vec::new(),
            orphans: Vec::new(),
            asked_strangers: Vec::new(),
            opened: BTreeSet::new(),
            firsts: BTreeMap::new(),
            freed_at: 0,
            routes: BTreeMap::new(),
            network: Network::new(),
            totals: Totals::of_one_seed(),
            next_jump_at: 0,
            back_ns: 0,
            tampers_with: None,
            record: None,
            trace: None,
            random,
        };
        world.hold(seed % 2 == 1);
        world
    }

    pub(super) fn run(&mut self) {
        for line in 0..self.lines.len() {
            self.connect(line);
        }
        while self.goes_on() {
            self.flush();
            self.check();
            self.totals.steps += 1;
            assert!(self.step() || !self.goes_on(), "nothing is left to happen");
            assert!(self.now < END_NS, "it does not end");
        }
        self.totals.ns = self.now;
        for host in &self.hosts {
            host.nodes.iter().for_each(|node| self.totals.count(node.stack.counters()));
        }
        self.check_over();
        self.end_holding();
    }

    fn goes_on(&self) -> bool {
        let is_on = self.lines.iter().any(|line| line.rounds_left > 0);
        is_on || !self.left.is_empty() || !self.orphans.is_empty()
    }

    /// Where everybody stands, for whoever replays a seed.
    pub(super) fn story(&self) -> String {
        let mut story = format!("seed {} at {} ns: {:#?}", self.seed, self.now, self.faults);
        for (host, it) in self.hosts.iter().enumerate() {
            story += &format!("\nhost {host}: {:?}, {:?}", it.device, it.config);
            for (line, at) in self.lines.iter().enumerate() {
                let side = &at.sides[host];
                let stack = &it.nodes[self.node_of(host, at.port)].stack;
                let info = side.id.and_then(|id| stack.info(id));
                story += &format!(
                    "\n  line {line}, {} rounds left, moved at {}, {}{} of {} written, {} read, {:?}: {info:?}",
                    at.rounds_left,
                    at.moved_at,
                    if at.is_cut { "cut, " } else { "" },
                    side.written,
                    side.to_write,
                    side.read,
                    side.closed,
                );
            }
        }
        let left: Vec<_> = self.left.iter().map(|left| (left.place, left.id, left.since)).collect();
        story += &format!("\nleft: {left:?}\nlet go of: {:?}", self.orphans);
        story.replace(&NEVER.to_string(), "never")
    }

    /// Has something that was seen now in the digest.
    pub(super) fn note<T: Hash>(&mut self, what: impl FnOnce() -> T) {
        if let Some(trace) = &mut self.trace {
            (self.now, what()).hash(trace);
        }
    }

    /// The same of where a line's ends stand: whenever that has changed, as writing it out takes longer than the step.
    pub(super) fn note_infos(&mut self, line: usize, infos: &[Option<Info>; 2]) {
        if self.trace.is_some() && self.lines[line].noted != *infos {
            self.lines[line].noted = *infos;
            self.note(|| format!("{line} {infos:?}"));
        }
    }

    /// The digest so far.
    pub(super) fn traced(&self) -> u64 {
        self.trace.as_ref().expect("it was kept").finish()
    }

    pub(super) fn line_of(&self, port: u16) -> usize {
        usize::from(port.wrapping_sub(PORT_MIN) % PORTS)
    }

    /// Which stack of a host has what comes for or from a client's port.
    pub(super) fn node_of(&self, host: usize, port: u16) -> usize {
        self.routes.get(&(host, port)).copied().unwrap_or(0)
    }

    /// The time by a stack's clock.
    pub(super) fn at(&self, host: usize, node: usize) -> Instant {
        Instant::from_ns(self.now + self.ahead_ns(host, node))
    }

    fn ahead_ns(&self, host: usize, node: usize) -> u64 {
        self.hosts[host].clock_ns + node as u64 * CLOCK_STEP_NS
    }

    /// A line's connection at a host, if it has one: in which stack, and the time there.
    pub(super) fn end(
        &mut self,
        line: usize,
        host: usize,
    ) -> Option<(ConnectionId, &mut Stack, Instant)> {
        let Line { port, sides, .. } = &self.lines[line];
        let id = sides[host].id?;
        let at = self.node_of(host, *port);
        let now = self.at(host, at);
        Some((id, &mut self.hosts[host].nodes[at].stack, now))
    }

    /// The server's connection of a line is nobody's from now on.
    pub(super) fn leave_server_s(&mut self, line: usize) {
        if let Some(id) = self.lines[line].sides[1].id.take() {
            let place = (1, self.node_of(1, self.lines[line].port));
            if self.lines[line].sides[1].closed.is_some() {
                // Over already, and told: only what came was not read.
                self.hosts[1].nodes[place.1].stack.release(id);
                self.freed_at = self.now;
                return;
            }
            self.left.push(Left { place, id, since: self.now });
        }
    }

    pub(super) fn is_left(&self, place: (usize, usize), id: ConnectionId) -> bool {
        self.left.iter().any(|left| (left.place, left.id) == (place, id))
    }

    pub(super) fn on_event_of_left(
        &mut self,
        place: (usize, usize),
        id: ConnectionId,
        event: Event,
    ) {
        match event {
            // Its client was gone before it was there.
            Event::Connected => self.left.push(Left { place, id, since: self.now }),
            Event::Writable | Event::PeerClosed => {}
            Event::Closed(_) => {
                self.hosts[place.0].nodes[place.1].stack.release(id);
                self.left.retain(|left| (left.place, left.id) != (place, id));
                self.freed_at = self.now;
            }
        }
    }

    /// What nobody wants is read all the same: the end of a stream is told behind its last byte.
    pub(super) fn drain_left(&mut self) {
        for Left { place, id, .. } in &self.left {
            let now = Instant::from_ns(self.now + self.ahead_ns(place.0, place.1));
            let stack = &mut self.hosts[place.0].nodes[place.1].stack;
            while !stack.readable(*id).is_empty() {
                let len = stack.readable(*id).len();
                stack.consume(now, *id, len);
            }
        }
    }

    /// What a host knew is lost.
    pub(super) fn forget_left(&mut self, host: usize) {
        self.left.retain(|left| left.place.0 != host);
    }

    /// Since when the longest-lived connection is there that nobody wants.
    pub(super) fn left_since(&self) -> Option<u64> {
        self.left.iter().map(|left| left.since).min()
    }

    /// When a stack's next timer goes off, by our clock.
    fn next_timeout(&self) -> u64 {
        let mut next = u64::MAX;
        for host in 0..2 {
            for (at, node) in self.hosts[host].nodes.iter().enumerate() {
                let then = node.stack.next_timeout();
                if then != Instant::FAR_FUTURE {
                    next = next.min(then.as_ns().saturating_sub(self.ahead_ns(host, at)));
                }
            }
        }
        next
    }

    /// The next thing that happens. `false` if there is none.
    fn step(&mut self) -> bool {
        let (arrival, timeout) = (self.network.next_arrival(), self.next_timeout());
        let application = self.next_turn();
        let hesitant =
            self.hosts.iter().map(|host| host.flush_at).filter(|at| *at > self.now).min();
        let next = arrival.min(timeout).min(application).min(hesitant.unwrap_or(u64::MAX));
        if next == u64::MAX {
            return false;
        }
        self.now = self.now.max(next);
        if !self.is_healed && self.now >= self.faults.heals_at_ns {
            self.heal();
        }
        if next == arrival {
            if let Some((host, cargo)) = self.network.pop(&mut self.totals.done) {
                self.arrive(host, &cargo);
            }
        } else if next == timeout {
            self.on_timeout();
        } else if next == application {
            self.take_turn();
        }
        self.events();
        self.go_wrong();
        self.strangers();
        self.may_ask_too_much();
        true
    }

    /// Everything that may leave now leaves, unless a host hesitates.
    fn flush(&mut self) {
        for host in 0..2 {
            let has_turn = |node: &mut Node| node.stack.next_transmit().is_some();
            if !self.hosts[host].nodes.iter_mut().any(has_turn) {
                continue;
            }
            let (hesitates_ns, now) = (self.faults.hesitates_ns[host], self.now);
            let flush_at = &mut self.hosts[host].flush_at;
            if hesitates_ns > 0 && *flush_at != now {
                if *flush_at < now {
                    *flush_at = now + hesitates_ns;
                }
                continue;
            }
            for at in 0..self.hosts[host].nodes.len() {
                while self.transmit(host, at) {}
            }
        }
    }
}
