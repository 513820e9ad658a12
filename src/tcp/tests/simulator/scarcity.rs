//! What there is too little of, and whose patience ends, in every second world: places, a backlog and listeners at their
//! limits, calls that ask for too much, and connections that are given up by a policy or let go of with bytes unsent. What
//! is refused is told and counted by its name; everybody else goes on as if nothing were.
//!
//! The first line is a bystander: neither a policy of its own nor its application ends it.

use super::frames::Glance;
use super::heap::untouched;
use super::random::{NEVER, Random};
use super::world::{PORT_MIN, World};
use crate::tcp::connection::Connection;
use crate::tcp::{Closed, Config, ConnectionId, Count, OpenRefusal, Terms};
use crate::time::Duration;
use crate::wire::tcp::Flags;

/// How long an application waits at most until it asks for a place again.
const RETRY_NS_MAX: u64 = 1_000_000_000;
/// How long after the end of its connection a first segment comes once more at most.
const AGAIN_NS_MAX: u64 = 1_000_000_000;

/// As rates and limits, from a randomness of its own.
pub(super) struct Scarcity {
    pub(super) random: Random,
    pub(super) is_there: bool,
    connections_max: [usize; 2],
    backlog_max: usize,
    syn_cookies: bool,
    /// How long a message may wait, or an answer may be waited for, by host; not on the first line.
    stale_after: [Option<Duration>; 2],
    user_timeout: [Option<Duration>; 2],
    pub(super) orphan_timeout: Duration,
    /// An application that has written lets go at one turn in so many, with its last byte or before.
    pub(super) release_one_in: u64,
    /// Whoever has read all before it has written all lets go with its last byte.
    pub(super) releases_at_end: bool,
    /// One step in so many asks a stack for what it has to refuse.
    pub(super) asks_one_in: u64,
    /// One step in so many brings so many segments of strangers.
    pub(super) flood_one_in: u64,
    pub(super) flood_max: u64,
    /// What opened a connection of the server's comes once more when that is over.
    brings_first_again: bool,
}

impl Scarcity {
    pub(super) fn draw(seed: u64, is_calm: bool) -> Scarcity {
        let mut random = Random::new(seed ^ 0x5ca2_c17e);
        let is_there = seed % 4 >= 2 && !is_calm;
        let syn_cookies = !random.one_in(3);
        let none = None::<u64>;
        let mut patience = |of: &[Option<u64>]| random.pick(of).map(Duration::from_ms);
        let stale_after = [0, 1].map(|_| patience(&[none, none, none, Some(200), Some(5_000)]));
        let user_timeout = [0, 1].map(|_| patience(&[none, none, none, Some(2_000)]));
        let backlogs = if syn_cookies { [16, 2, 1, 0] } else { [16, 2, 1, 1] };
        Scarcity {
            is_there,
            connections_max: [0, 1].map(|_| random.pick(&[16, 16, 4, 3, 2, 1])),
            backlog_max: random.pick(&backlogs),
            syn_cookies,
            stale_after,
            user_timeout,
            orphan_timeout: Duration::from_ms(random.pick(&[500, 5_000, 60_000])),
            release_one_in: random.pick(&[NEVER, NEVER, 100, 5]),
            releases_at_end: random.one_in(2),
            asks_one_in: random.pick(&[NEVER, 20, 300]),
            flood_one_in: random.pick(&[NEVER, NEVER, 30, 500]),
            flood_max: random.pick(&[3, 20, 150]),
            brings_first_again: is_there && Random::new(seed ^ 0xf125_7a9a).one_in(2),
            random,
        }
    }

    /// What a host's stacks are set up with.
    pub(super) fn limit(&self, host: usize, config: &mut Config) {
        if self.is_there {
            config.connections_max = self.connections_max[host];
            config.listeners_max = 1;
            (config.backlog_max, config.syn_cookies) = (self.backlog_max, self.syn_cookies);
            config.orphan_timeout = self.orphan_timeout;
            config.ephemeral_ports = PORT_MIN..=PORT_MIN;
        }
    }

    /// Whether connections of a line may be given up or let go of.
    pub(super) fn gives_up(&self, line: usize) -> bool {
        self.is_there && line > 0
    }
}

impl World {
    /// A line's connection gets its host's policies.
    pub(super) fn impose(&mut self, line: usize, host: usize) {
        if !self.scarcity.gives_up(line) {
            return;
        }
        let (stale_after, user_timeout) =
            (self.scarcity.stale_after[host], self.scarcity.user_timeout[host]);
        if let Some((id, stack, _)) = self.end(line, host) {
            let terms = Terms { stale_after, user_timeout, ..stack.terms() };
            untouched(|| stack.set_terms(id, &terms));
        }
    }

    /// No place for a line's connection: its application is told, and asks again later.
    pub(super) fn wait_for_place(&mut self, line: usize, why: OpenRefusal) {
        assert_eq!(why, OpenRefusal::ConnectionsFull, "of line {line}");
        self.totals.done.places_refused += 1;
        let until = self.now + self.scarcity.random.below(RETRY_NS_MAX);
        self.lines[line].waits_for_place = true;
        self.lines[line].sides[0].asleep_until = until;
    }

    /// One side of a line has been told its end. One that a policy or a listener without places has brought about is no
    /// end of the stream, and is told as such.
    pub(super) fn note_end(&mut self, line: usize, host: usize, why: Closed) {
        let gives_up = self.scarcity.gives_up(line);
        let server = &self.lines[line].sides[1];
        let may_be_unheard = host == 0 && server.closed.is_none();
        let done = &mut self.totals.done;
        let count = match why {
            _ if self.lines[line].is_cut => return,
            Closed::Stale => {
                assert!(gives_up && self.scarcity.stale_after[host].is_some(), "stale by no terms");
                &mut done.given_up_as_stale
            }
            Closed::TimedOut | Closed::KeepAliveTimedOut => {
                assert!(gives_up && self.scarcity.user_timeout[host].is_some(), "no such patience");
                &mut done.given_up_in_silence
            }
            Closed::Reset if may_be_unheard && (server.id.is_none() || server.is_of_cookie) => {
                // What came first was not what its cookie tells, or came too late.
                assert!(self.refused_cookies(), "reset by nobody");
                &mut self.totals.done.cookies_refused
            }
            _ => return,
        };
        *count += 1;
        self.lines[line].is_cut = true;
    }

    /// Whether the server has ever answered by cookies.
    fn gave_cookies(&self) -> bool {
        self.server_s(Count::SynCookieOut) > 0
    }

    /// Whether the server has ever said of a segment that there is no connection for it.
    fn refused_cookies(&self) -> bool {
        let refusals =
            [Count::SynCookieWrong, Count::ListenAckUnexpected, Count::HandshakeAckWrong];
        refusals.into_iter().any(|what| self.server_s(what) > 0)
    }

    /// What was counted at the server, by whichever stack.
    fn server_s(&self, what: Count) -> u64 {
        let nodes = self.hosts[1].nodes.iter();
        let now: u64 = nodes.map(|node| node.stack.counters().of(what)).sum();
        now + self.totals.of(what)
    }

    /// The first segment behind the peer's SYN has come to the server: the first with data is remembered, or one without.
    pub(super) fn note_first(&mut self, place: (usize, usize), port: u16, frame: &[u8]) {
        if !self.scarcity.brings_first_again {
            return;
        }
        let glance = Glance::of(frame);
        let is_first = |it: &Connection| it.irs + 1 == glance.seq;
        let others = Flags::SYN.with(Flags::RST);
        if glance.flags.has_any(others) || !self.connection(place, port).is_some_and(is_first) {
            return;
        }
        let has_data = !glance.payload.is_empty();
        let first = self.firsts.entry(port).or_insert_with(|| (has_data, frame.to_vec()));
        if has_data && !first.0 {
            *first = (has_data, frame.to_vec());
        }
    }

    /// A connection of the server's is over: what came first comes once more.
    pub(super) fn bring_first_again(&mut self, port: u16) {
        let Some((_, frame)) = self.firsts.remove(&port).filter(|_| !self.is_healed) else {
            return;
        };
        let then = self.now + self.scarcity.random.below(AGAIN_NS_MAX);
        self.network.bring((then, 1), frame);
        self.totals.done.firsts_again += 1;
    }

    /// No handshake opens two connections, though its last segment comes twice.
    pub(super) fn check_opened_once(&mut self, place: (usize, usize), id: ConnectionId) {
        let stack = &self.hosts[place.0].nodes[place.1].stack;
        let Some(at) = stack.find(id) else { return };
        let connection = &stack.connections[at];
        let remote = connection.tuple.remote;
        let handshake = (remote.addr, remote.port, connection.iss.0, connection.irs.0);
        assert!(self.opened.insert((place.0, handshake)), "opened twice by one handshake");
    }

    /// Whether a connection that the server was told of is one that an old cookie has opened once more, for nobody.
    pub(super) fn is_ghost(&self, place: (usize, usize), line: usize, id: ConnectionId) -> bool {
        let at = &self.lines[line];
        let client = &self.hosts[0].nodes[self.node_of(0, at.port)].stack;
        let client =
            at.sides[0].id.and_then(|id| client.find(id).map(|at| &client.connections[at]));
        let server = &self.hosts[place.0].nodes[place.1].stack;
        let server = server.find(id).map(|at| &server.connections[at]);
        let is_another = client.zip(server).is_some_and(|(ours, theirs)| ours.iss != theirs.irs);
        let is_over = at.sides[1].id.is_some() || at.sides[1].closed.is_some();
        let is_ghost = is_over || at.waits_for_place || is_another;
        assert!(!is_ghost || self.gave_cookies(), "a connection on top of another");
        is_ghost
    }
}
