//! The machine under test: virtual time, stacks, sockets and the wire.
//!
//! Time moves when packetdrill sleeps, waits for a packet or spins on the clock, and stops at every deadline
//! of TCP's on the way. Sockets that open with the same settings share a [`Stack`]; a script that changes a
//! sysctl in between gets another one beside it, on the same addresses.

use std::collections::{BTreeMap, HashMap, VecDeque};

use fixwire::tcp::{Config, Endpoint, Event, Stack, State};
use fixwire::time::{Duration, Instant};
use fixwire::wire::icmp::Message;
use fixwire::wire::tcp::{Flags, Segment};
use fixwire::wire::{Refusal, icmp, ipv4, tcp};

use crate::calls::{Call, Outcome};
use crate::errno::Errno;
use crate::frames;
use crate::notices;
use crate::report::Report;
use crate::settings::Settings;
use crate::socket::{FD_FIRST, Facts, Fd, Kind, Line, Socket};

/// Where virtual time begins: late enough for anything to have happened before.
const BEGIN: Instant = Instant::from_ms(1_000_000_000);
/// How often in a row the clock may be read before it moves on by a microsecond: packetdrill spins on it for
/// the last 20 of every wait.
const READINGS_MAX: u32 = 2;
/// The secret of the stacks: scripts compare numbers relative to the first, so it may be any.
const SECRET: [u8; 16] = *b"not much secret!";

/// The machine under test.
pub struct Host {
    pub(crate) now: Instant,
    readings: u32,
    flags: String,
    pub(crate) settings: Settings,
    pub(crate) report: Report,
    pub(crate) stacks: Vec<(Config, Stack)>,
    pub(crate) sockets: BTreeMap<Fd, Socket>,
    pub(crate) facts: HashMap<Line, Facts>,
    pub(crate) notices: notices::All,
    /// Which stack has a connection of these endpoints, ours first.
    routes: HashMap<(Endpoint, Endpoint), usize>,
    /// What has left and nobody has sniffed.
    sent: VecDeque<(Instant, Vec<u8>)>,
    pub(crate) waiting: Option<Waiting>,
}

/// A call that another thread waits in.
pub struct Waiting {
    pub(crate) call: Call,
    /// What became of it, and when.
    pub(crate) outcome: Option<(Outcome, Instant)>,
}

impl Host {
    /// A machine set up by `flags` (`NAME=VALUE`, separated by commas).
    pub fn new(flags: &str, report: Report) -> Host {
        let (settings, _) = Settings::read(flags, "");
        Host {
            now: BEGIN,
            readings: 0,
            flags: flags.to_owned(),
            settings,
            report,
            stacks: Vec::new(),
            sockets: BTreeMap::new(),
            facts: HashMap::new(),
            notices: notices::All::new(),
            routes: HashMap::new(),
            sent: VecDeque::new(),
            waiting: None,
        }
    }

    /// Takes up what the script's commands have set since.
    pub(crate) fn reread_settings(&mut self) {
        let (settings, refused) = Settings::read(&self.flags, &self.report.settings());
        for what in refused {
            self.report.needs(&format!("the setting {what}"));
        }
        self.settings = settings;
    }

    // Time.

    /// The time. Whoever reads it again and again waits for it to move.
    pub fn read_clock(&mut self) -> Instant {
        self.readings += 1;
        if self.readings > READINGS_MAX {
            self.advance(self.now + Duration::from_us(1));
        }
        self.now
    }

    /// Something else than a reading of the clock happens.
    pub fn on_call(&mut self) {
        self.readings = 0;
    }

    /// Sleeps.
    pub fn sleep(&mut self, duration: Duration) {
        self.advance(self.now + duration);
    }

    /// Moves time to `then`, stopping wherever something is due.
    pub(crate) fn advance(&mut self, then: Instant) {
        while self.next_deadline() <= then {
            self.step();
        }
        self.now = self.now.max(then);
    }

    /// Moves time to the next deadline. Says whether there is one.
    pub(crate) fn step(&mut self) -> bool {
        let due = self.next_deadline();
        if due == Instant::FAR_FUTURE {
            return false;
        }
        self.now = self.now.max(due);
        for (_, stack) in &mut self.stacks {
            if stack.next_timeout() <= self.now {
                stack.on_timeout(self.now);
            }
        }
        self.pump();
        true
    }

    /// When something is next due.
    pub(crate) fn next_deadline(&self) -> Instant {
        let timeouts = self.stacks.iter().map(|(_, stack)| stack.next_timeout());
        let waits = self.waiting.iter().filter(|waiting| waiting.outcome.is_none());
        let deadlines = waits.filter_map(|waiting| waiting.call.deadline());
        timeouts.chain(deadlines).min().unwrap_or(Instant::FAR_FUTURE)
    }

    // The wire.

    /// The next packet that left, and when; waits for one. `None` if none will ever leave.
    pub fn sniff(&mut self) -> Option<(Instant, Vec<u8>)> {
        loop {
            if let Some(frame) = self.sent.pop_front() {
                return Some(frame);
            }
            if !self.step() {
                return None;
            }
        }
    }

    /// A packet comes.
    pub fn on_packet(&mut self, bytes: &[u8]) {
        if bytes.first().is_some_and(|first| first >> 4 == 6) {
            self.report.needs("IPv6");
            return;
        }
        let Ok(packet) = ipv4::Packet::parse(bytes) else {
            self.report.needs("an IPv4 packet other than of TCP or ICMP, or in fragments");
            return;
        };
        if !packet.checksum_is_valid() {
            return;
        }
        match packet.protocol {
            ipv4::Protocol::Tcp => self.on_tcp(&packet),
            ipv4::Protocol::Icmp => self.on_icmp(packet.payload),
        }
        self.pump();
    }

    fn on_tcp(&mut self, packet: &ipv4::Packet<'_>) {
        let sum =
            packet.tcp_pseudo_header().plus(fixwire::offload::checksum::Sum::of(packet.payload));
        let segment = tcp::Packet::parse(packet.payload).and_then(|packet| packet.segment());
        if segment.as_ref().is_err_and(|why| *why == Refusal::TcpPortZero) {
            self.report.needs(
                "a segment to port 0, which packetdrill sends where no socket of a script listens, and does not know \
                 the answer to",
            );
        }
        let (true, Ok(mut segment)) = (sum.is_valid(), segment) else { return };
        segment.is_ce = packet.is_ce();
        let local = Endpoint { addr: packet.dst, port: segment.dst_port };
        let remote = Endpoint { addr: packet.src, port: segment.src_port };
        let index = self.route(local, remote);
        let now = self.now;
        let stack = &mut self.stacks[index].1;
        let arrival = stack.on_segment(now, packet.src, packet.dst, &segment);
        let Some(id) = arrival.connection else { return };
        let fresh = &segment.payload[arrival.fresh];
        if !fresh.is_empty() {
            stack.keep(id, fresh);
            stack.await_more(id);
        }
        self.routes.insert((local, remote), index);
        self.note_arrival(Line { stack: index, id }, &segment, fresh.len());
    }

    fn note_arrival(&mut self, line: Line, segment: &Segment<'_>, fresh: usize) {
        let now = self.now;
        let facts = self.facts.entry(line).or_insert_with(|| Facts::new(now));
        let traffic = &mut facts.traffic;
        traffic.segs_in += 1;
        if segment.flags.has(Flags::ACK) {
            traffic.last_ack_recv = now;
        }
        if !segment.payload.is_empty() {
            traffic.data_segs_in += 1;
            let len = segment.payload.len() as u32;
            let len = self.settings.received_mss.map_or(len, |most| len.min(most));
            traffic.rcv_mss = traffic.rcv_mss.max(len);
            traffic.bytes_received += fresh as u64;
            traffic.last_data_recv = now;
            facts.happenings += 1;
        }
    }

    /// The stack that has a connection of these endpoints, or else a listener for them, or else any.
    fn route(&mut self, local: Endpoint, remote: Endpoint) -> usize {
        if let Some(index) = self.routes.get(&(local, remote)) {
            return *index;
        }
        let listening =
            self.sockets.values().find_map(|socket| match (&socket.kind, socket.bound) {
                (Kind::Listening { stack, .. }, Some(bound)) if bound.port == local.port => {
                    Some(*stack)
                }
                _ => None,
            });
        listening.unwrap_or_else(|| {
            if self.stacks.is_empty() {
                self.reread_settings();
                let settings = &self.settings;
                let opening = crate::settings::Opening::Passive;
                let config = settings.config(opening, settings.receive_bytes, settings.mss(), None);
                self.stack_of(config);
            }
            0
        })
    }

    /// The stack of `config`, a new one if there is none yet.
    pub(crate) fn stack_of(&mut self, config: Config) -> usize {
        let found = self.stacks.iter().position(|(known, _)| *known == config);
        found.unwrap_or_else(|| {
            let stack = Stack::new(config.clone(), SECRET);
            self.stacks.push((config, stack));
            self.stacks.len() - 1
        })
    }

    fn on_icmp(&mut self, payload: &[u8]) {
        let now = self.now;
        let Ok(message) = Message::parse(payload) else {
            self.report.needs("an ICMP message that fixwire does not read");
            return;
        };
        let (icmp::Message::TooBig { segment, .. } | icmp::Message::Unreachable { segment, .. }) =
            &message
        else {
            return;
        };
        let local = Endpoint { addr: segment.src, port: segment.src_port };
        let remote = Endpoint { addr: segment.dst, port: segment.dst_port };
        let Some(&index) = self.routes.get(&(local, remote)) else { return };
        let stack = &mut self.stacks[index].1;
        match &message {
            Message::TooBig { segment, mtu } => stack.on_path_mtu(now, segment, *mtu),
            Message::Unreachable { segment, code } => stack.on_unreachable(now, segment, *code),
            Message::Echo { .. } => {}
        }
    }

    // What follows from a step.

    /// Takes events, lets segments leave, and tries the call that another thread waits in.
    pub(crate) fn pump(&mut self) {
        loop {
            for index in 0..self.stacks.len() {
                while let Some((id, event)) = self.stacks[index].1.poll_event() {
                    self.on_event(Line { stack: index, id }, event);
                }
                self.let_leave(index);
            }
            self.settle_notices();
            self.settle_waits();
            if !self.try_waiting() {
                break;
            }
        }
        let lines = self.states();
        self.report.sockets(lines);
    }

    fn let_leave(&mut self, index: usize) {
        let (now, layout) = (self.now, self.settings.syn_layout());
        while let Some(transmit) = self.stacks[index].1.poll_transmit(now) {
            let mut packet = frames::packet(&transmit, layout);
            if let Some(id) = transmit.connection {
                frames::set_tos(&mut packet, tos_of(&self.sockets, Line { stack: index, id }));
            }
            let local = Endpoint { addr: transmit.local, port: transmit.header.src_port };
            let remote = Endpoint { addr: transmit.remote, port: transmit.header.dst_port };
            self.routes.insert((local, remote), index);
            if let Some(id) = transmit.connection {
                let line = Line { stack: index, id };
                let facts = self.facts.entry(line).or_insert_with(|| Facts::new(now));
                let len: usize = transmit.payload.iter().map(|run| run.len()).sum();
                facts.traffic.segs_out += 1;
                facts.traffic.total_retrans += u32::from(transmit.retransmission);
                if len > 0 {
                    facts.traffic.data_segs_out += 1;
                    facts.traffic.bytes_sent += len as u64;
                    facts.traffic.last_data_sent = now;
                    if transmit.retransmission {
                        facts.traffic.bytes_retrans += len as u64;
                    }
                }
            }
            self.sent.push_back((now, packet));
        }
    }

    fn on_event(&mut self, line: Line, event: Event) {
        let now = self.now;
        let facts = self.facts.entry(line).or_insert_with(|| Facts::new(now));
        facts.happenings += 1;
        match event {
            Event::Connected => {
                facts.is_established = true;
                facts.traffic.last_data_recv = now;
                self.queue_for_accept(line);
            }
            Event::PeerClosed => facts.peer_has_closed = true,
            Event::Closed(why) => {
                facts.closed = Some(why);
                let error = Errno::of_closed(why);
                if let Some(socket) = self.socket_of(line) {
                    socket.error = error.or(socket.error);
                }
            }
            Event::Writable => {}
        }
    }

    fn socket_of(&mut self, wanted: Line) -> Option<&mut Socket> {
        self.sockets
            .values_mut()
            .find(|socket| matches!(socket.kind, Kind::Stream { line, .. } if line == wanted))
    }

    fn queue_for_accept(&mut self, line: Line) {
        let info = self.stacks[line.stack].1.info(line.id);
        let Some(by) = info.and_then(|info| info.listener) else { return };
        for socket in self.sockets.values_mut() {
            if let Kind::Listening { stack, listener, queue } = &mut socket.kind
                && (*stack, *listener) == (line.stack, by)
            {
                queue.push_back(line);
            }
        }
    }

    /// Tries the call that another thread waits in. Says whether it is done now.
    fn try_waiting(&mut self) -> bool {
        let Some(mut waiting) = self.waiting.take() else { return false };
        let mut is_done = false;
        if waiting.outcome.is_none() {
            waiting.outcome = self.attempt(&mut waiting.call).map(|outcome| (outcome, self.now));
            is_done = waiting.outcome.is_some();
        }
        self.waiting = Some(waiting);
        is_done
    }

    /// Whether a thread waits in a call that is not done.
    pub fn is_waited_for(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.outcome.is_none())
    }

    /// What was needed and is not offered.
    pub fn told(&self) -> impl Iterator<Item = &str> {
        self.report.told()
    }

    // Sockets.

    /// The lowest descriptor that is free.
    pub(crate) fn open(&mut self, socket: Socket) -> Fd {
        let fd = (FD_FIRST..).find(|fd| !self.sockets.contains_key(fd)).unwrap_or(FD_FIRST);
        self.sockets.insert(fd, socket);
        fd
    }

    /// The socket of `fd`.
    pub(crate) fn socket(&mut self, fd: Fd) -> Result<&mut Socket, Errno> {
        self.sockets.get_mut(&fd).ok_or(Errno(libc::EBADF))
    }

    /// Whether a socket was opened for IPv6.
    pub(crate) fn is_v6(&self, fd: Fd) -> bool {
        self.sockets.get(&fd).is_some_and(|socket| socket.is_v6)
    }

    /// The facts of a connection.
    pub(crate) fn facts_of(&self, line: Line) -> Facts {
        self.facts.get(&line).copied().unwrap_or_else(|| Facts::new(self.now))
    }

    /// A connection's state; closed for one that is no more.
    pub(crate) fn state_of(&self, line: Line) -> State {
        self.stacks[line.stack].1.info(line.id).map_or(State::Closed, |info| info.state)
    }

    /// A line for each connection: our endpoint, the peer's, and the state by FreeBSD's name.
    fn states(&self) -> String {
        let mut lines: Vec<String> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for &Line { stack, id } in self.facts.keys() {
            if let Some(info) = self.stacks[stack].1.info(id)
                && info.local != Endpoint::UNSPECIFIED
                && seen.insert((info.local, info.remote))
            {
                lines.push(format!(
                    "{} {} {}\n",
                    info.local,
                    info.remote,
                    freebsd_name(info.state)
                ));
            }
        }
        lines.sort();
        lines.concat()
    }
}

/// IP_TOS of a connection's socket.
fn tos_of(sockets: &BTreeMap<Fd, Socket>, of: Line) -> u8 {
    let is_of = |socket: &&Socket| matches!(socket.kind, Kind::Stream { line, .. } if line == of);
    sockets.values().find(is_of).map_or(0, |socket| socket.options.tos)
}

fn freebsd_name(state: State) -> &'static str {
    match state {
        State::Closed => "CLOSED",
        State::SynSent => "SYN_SENT",
        State::SynReceived => "SYN_RCVD",
        State::Established => "ESTABLISHED",
        State::FinWait1 => "FIN_WAIT_1",
        State::FinWait2 => "FIN_WAIT_2",
        State::CloseWait => "CLOSE_WAIT",
        State::Closing => "CLOSING",
        State::LastAck => "LAST_ACK",
        State::TimeWait => "TIME_WAIT",
    }
}
