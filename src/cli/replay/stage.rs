//! The engine on a wire in memory, at whose other end the recorded counterparty stands, in the capture's time.

use std::cell::Cell;
use std::net::SocketAddrV4;

use fixwire::app::{Application, SessionId};
use fixwire::engine::Engine;
use fixwire::offload::nic::{Burst, Frame, Nic, TxMeta};
use fixwire::time::{Clock, Instant, Now, UtcTime};
use fixwire::wire::arp;
use fixwire::wire::ethernet::{self, Ethertype, Mac};
use fixwire::wire::ipv4::{self, Protocol};
use fixwire::wire::tcp::{self, Flags, Segment};
use fixwire_hw::sim::{SimNic, Wire};

use super::compare::{Difference, Why};
use super::script::{Act, Line, Script};
use super::stream::{Message, Stream};
use super::translate::{Shift, translate};

/// The engine's time at the capture's first frame, in ns.
const ORIGIN_NS: u64 = 1_000_000_000;
/// By how much the wall clock that wrote a SendingTime may have been off from the capture's stamps.
pub(super) const WALL_OFF_NS_MAX: u64 = 1_000_000_000;
/// Rounds at one moment: more of them come to no end.
const ROUNDS_MAX: u32 = 100_000;

/// The time that the engine is told.
pub(super) struct ReplayClock(Cell<Now>);

impl Clock for ReplayClock {
    fn now(&self) -> Now {
        self.0.get()
    }
}

/// What a line has become in the engine of now.
#[derive(Clone, Debug, Default)]
pub(super) struct Replayed {
    /// Our port, once the engine has begun.
    pub(super) port: Option<u16>,
    pub(super) sent: Stream,
    /// Its SYN's TSval, and the newest one.
    pub(super) tsvals: Option<(u32, u32)>,
    pub(super) segments: u64,
    /// Of the recorded bytes, those that were sent alike.
    pub(super) alike: usize,
}

/// The engine of now, and what it does to each of a script's lines.
pub(super) struct Stage<'a, A: Application> {
    engine: Engine<SimNic, A>,
    far: SimNic,
    wire: Wire,
    clock: ReplayClock,
    script: &'a Script,
    mac: Mac,
    now_ns: u64,
    pub(super) replayed: Vec<Replayed>,
    /// Connections that the engine began and the capture does not have.
    pub(super) unrecorded: u64,
    found: Option<Difference>,
}

impl<'a, A: Application> Stage<'a, A> {
    pub(super) fn new(
        engine: Engine<SimNic, A>,
        (far, wire): (SimNic, Wire),
        script: &'a Script,
        mac: Mac,
    ) -> Stage<'a, A> {
        let now_ns = script.begun_ns;
        let utc = UtcTime::from_unix_ns(now_ns);
        let clock = ReplayClock(Cell::new(Now { mono: Instant::from_ns(ORIGIN_NS), utc }));
        let replayed = vec![Replayed::default(); script.lines.len()];
        Stage {
            engine,
            far,
            wire,
            clock,
            script,
            mac,
            now_ns,
            replayed,
            unrecorded: 0,
            found: None,
        }
    }

    /// Has everything done that is due up to a time, by the engine's timers and by whoever operated it. Says what differs.
    pub(super) fn advance(
        &mut self,
        until_ns: u64,
        acts: &mut impl Iterator<Item = Act>,
        next: &mut Option<Act>,
    ) -> Result<(), Difference> {
        let mut rounds = 0;
        loop {
            let due = self.engine.next_timeout();
            let due_ns = self.script.begun_ns.saturating_add(due.as_ns().saturating_sub(ORIGIN_NS));
            let act_ns = next.as_ref().map_or(u64::MAX, Act::at_ns);
            let at_ns = due_ns.min(act_ns).max(self.now_ns);
            if at_ns > until_ns {
                return self.go_to(until_ns, None);
            }
            // A moment that does not pass ends: the next one is a microsecond behind.
            rounds = if at_ns > self.now_ns { 0 } else { rounds + 1 };
            let at_ns = if rounds > 16 { at_ns.saturating_add(1_000) } else { at_ns };
            if at_ns > until_ns {
                return self.go_to(until_ns, None);
            }
            self.go_to(at_ns, None)?;
            if act_ns <= at_ns
                && let Some(act) = std::mem::replace(next, acts.next())
            {
                self.act(&act)?;
            }
            self.settle()?;
        }
    }

    /// Gives the engine a recorded packet of the counterparty's.
    pub(super) fn give(
        &mut self,
        line: usize,
        at_ns: u64,
        packet: &[u8],
    ) -> Result<(), Difference> {
        self.go_to(at_ns, Some(line))?;
        let Ok(read) = ipv4::Packet::parse(packet) else { return Ok(()) };
        let Ok(segment) = tcp::Packet::parse(read.payload).and_then(|of| of.segment()) else {
            return Ok(());
        };
        let Some(shift) = self.shift(line, &segment)? else { return Ok(()) };
        let mut packet = packet.to_vec();
        translate(&mut packet, &shift);
        let mac = self.script.lines[line].their_mac;
        self.put(mac, Ethertype::Ipv4, &packet);
        self.settle()
    }

    /// How numbers in a packet of the counterparty's become those of now; nothing where it names none.
    fn shift(&self, line: usize, segment: &Segment<'_>) -> Result<Option<Shift>, Difference> {
        let (recorded, replayed) = (&self.script.lines[line], &self.replayed[line]);
        if !segment.flags.has(Flags::ACK) {
            let port = replayed.port.unwrap_or(recorded.ours.port());
            return Ok(Some(Shift { port, ..Shift::default() }));
        }
        let Some((isn, was)) = replayed.sent.isn.zip(recorded.sent.isn) else {
            return Err(Difference::new(line, 0, Why::NotBegun));
        };
        // What is acknowledged had been sent.
        let acknowledged = recorded.sent.offset_of(segment.ack).unwrap_or_default();
        let sent = replayed.sent.bytes.len();
        if acknowledged > sent as i64 + i64::from(replayed.sent.has_fin) {
            let is_all = sent >= recorded.sent.bytes.len();
            return Err(Difference::new(
                line,
                sent,
                if is_all { Why::NotClosed } else { Why::Silent },
            ));
        }
        let tsval = recorded.tsval.zip(replayed.tsvals);
        Ok(Some(Shift {
            port: replayed.port.unwrap_or(recorded.ours.port()),
            seq: isn.0.wrapping_sub(was.0),
            tsval: tsval.map(|(was, (first, newest))| (first.wrapping_sub(was), newest)),
        }))
    }

    /// Puts a frame on the wire that has no length of its own: it is there at once.
    fn put(&mut self, from: Mac, ethertype: Ethertype, payload: &[u8]) {
        let Some(mut frame) = self.far.tx_frame() else { return };
        let header = ethernet::Repr { dst: self.mac, src: from, vlan: None, ethertype };
        let space = frame.space();
        let header_len = header.emit(space);
        let Some(room) = space.get_mut(header_len..header_len + payload.len()) else { return };
        room.copy_from_slice(payload);
        frame.finish(header_len + payload.len(), TxMeta::default());
        let mut burst = Burst::new();
        burst.push(frame);
        self.far.tx_burst(&mut burst);
    }

    fn go_to(&mut self, at_ns: u64, line: Option<usize>) -> Result<(), Difference> {
        self.now_ns = self.now_ns.max(at_ns);
        let mono = Instant::from_ns(ORIGIN_NS + (self.now_ns - self.script.begun_ns));
        self.wire.set_now(mono);
        let utc = UtcTime::from_unix_ns(self.wall_ns(line));
        self.clock.0.set(Now { mono, utc });
        self.found.take().map_or(Ok(()), Err)
    }

    /// What the wall clock shows: the capture's time, but for where the message that is next says by its SendingTime that ours
    /// was read a moment before or after the stamp.
    fn wall_ns(&self, line: Option<usize>) -> u64 {
        let next = |line: usize| self.script.lines[line].next(self.replayed[line].sent.bytes.len());
        let message: Option<&Message> = match line {
            Some(line) => next(line),
            None => (0..self.replayed.len())
                .filter_map(next)
                .min_by_key(|message| message.passed_ns.abs_diff(self.now_ns)),
        };
        let Some((from, within)) = message.and_then(|message| message.sending_time) else {
            return self.now_ns;
        };
        let wall = self.now_ns.clamp(from, from.saturating_add(within - 1));
        if wall.abs_diff(self.now_ns) <= WALL_OFF_NS_MAX { wall } else { self.now_ns }
    }

    fn act(&mut self, act: &Act) -> Result<(), Difference> {
        let now = self.clock.now();
        match act {
            Act::Connect { session, .. } => {
                // One that is connected, or is about to be, does so by itself.
                let _ = self.engine.resume_session(now, *session);
            }
            Act::LogOut { line, message, session, text, .. } => {
                // What the engine has said by itself is said.
                let begin = self.script.lines[*line].messages[*message].begin;
                if self.replayed[*line].sent.bytes.len() == begin {
                    self.go_to(self.now_ns, Some(*line))?;
                    let _ = self.engine.drain_session(self.clock.now(), *session, text);
                }
            }
        }
        Ok(())
    }

    /// Rounds until nothing more happens at this moment.
    fn settle(&mut self) -> Result<(), Difference> {
        for _ in 0..ROUNDS_MAX {
            let received = self.engine.poll(&self.clock);
            let mut burst = Burst::new();
            let sent = self.far.rx_burst(&mut burst);
            for frame in &burst[..] {
                self.hear(frame.bytes());
            }
            drop(burst);
            if received == 0 && sent == 0 {
                break;
            }
        }
        self.found.take().map_or(Ok(()), Err)
    }

    /// Takes in what the engine has sent.
    fn hear(&mut self, bytes: &[u8]) {
        let Ok(frame) = ethernet::Packet::parse(bytes) else { return };
        if frame.ethertype == Ethertype::Arp {
            return self.answer(frame.payload);
        }
        let Ok(packet) = ipv4::Packet::parse(frame.payload) else { return };
        if packet.protocol != Protocol::Tcp {
            return;
        }
        let Ok(segment) = tcp::Packet::parse(packet.payload).and_then(|of| of.segment()) else {
            return;
        };
        let theirs = SocketAddrV4::new(packet.dst, segment.dst_port);
        let Some(line) = self.line(theirs, &segment) else {
            self.unrecorded += u64::from(segment.flags.has(Flags::SYN));
            return;
        };
        let replayed = &mut self.replayed[line];
        replayed.segments += 1;
        if let Some(of) = segment.options.timestamps {
            let first = replayed.tsvals.map_or(of.value, |(first, _)| first);
            replayed.tsvals = Some((first, of.value));
        }
        replayed.sent.take(&segment, self.now_ns);
        let recorded = &self.script.lines[line];
        replayed.alike = match recorded.first_difference(&replayed.sent, replayed.alike) {
            Ok(alike) => alike,
            Err(at) => {
                self.found.get_or_insert(Difference::new(line, at, Why::Bytes));
                at
            }
        };
    }

    /// Whoever is asked for is the recorded counterparty.
    fn answer(&mut self, payload: &[u8]) {
        let Ok(asked) = arp::Repr::parse(payload) else { return };
        let known = self.script.lines.iter().find(|line| *line.theirs.ip() == asked.target);
        let (Some(Line { their_mac, .. }), arp::Operation::Request) = (known, asked.operation)
        else {
            return;
        };
        let their_mac = *their_mac;
        let reply = arp::Repr {
            operation: arp::Operation::Reply,
            sender_mac: their_mac,
            sender: asked.target,
            target_mac: asked.sender_mac,
            target: asked.sender,
        };
        let mut bytes = [0; arp::PACKET_LEN];
        reply.emit(&mut bytes);
        self.put(their_mac, Ethertype::Arp, &bytes);
    }

    /// The line that a segment of ours is on. A SYN begins the next one to where it goes.
    fn line(&mut self, theirs: SocketAddrV4, segment: &Segment<'_>) -> Option<usize> {
        let lines =
            || self.script.lines.iter().enumerate().filter(|(_, line)| line.theirs == theirs);
        let is_known = |place: &usize| {
            let of = &self.replayed[*place];
            let begins = segment.flags.has(Flags::SYN);
            of.port == Some(segment.src_port) && (!begins || of.sent.isn == Some(segment.seq))
        };
        let known = lines().map(|(place, _)| place).rfind(is_known);
        if known.is_some() || !segment.flags.has(Flags::SYN) {
            return known;
        }
        let (place, _) = lines().find(|(place, _)| self.replayed[*place].port.is_none())?;
        self.replayed[place].port = Some(segment.src_port);
        Some(place)
    }

    /// Whose numbers were not those that it begins with.
    pub(super) fn set_numbers(&mut self, session: SessionId, next_out: u32, next_in: u32) {
        // A session that has no connection yet takes any that it may have.
        let _ = self.engine.set_session_numbers(
            self.clock.now(),
            session,
            Some(next_out),
            Some(next_in),
        );
    }
}
