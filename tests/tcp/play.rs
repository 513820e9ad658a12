//! Scripts played: a stack in virtual time, peers that say what a script has them say, and an application that
//! does as it is told. Streams are a pattern, and every byte of them is compared on both ways.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;

use fixwire::tcp::{ConnectionId, Endpoint, Event, Info, ListenerId, Stack, Terms};
use fixwire::time::{Duration, Instant};
use fixwire::wire::icmp::Quoted;
use fixwire::wire::tcp::{
    Flags, HEADER_LEN, Options, Packet, Repr, SackBlocks, SeqNumber, Timestamps, UserTimeout,
};

use crate::parse::{Deed, Line, Script, in_ms};
use crate::segments::{Coming, Echo, Seen, Wanted};
use crate::settings::set;

const LOCAL: Endpoint = Endpoint { addr: Ipv4Addr::new(10, 0, 0, 1), port: 9878 };
const REMOTE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// Every peer's SYN: its numbers wrap within every script.
const PEER_ISS: SeqNumber = SeqNumber(u32::MAX - 1);

pub(crate) type Check = Result<(), String>;

/// Plays a script, and says where it departs from what happens.
pub(crate) fn play(script: &Script) -> Check {
    let mut player = Player::new(script);
    for line in &script.lines {
        player.line(line).map_err(|why| format!("{}: {why}", line.place))?;
    }
    player.nothing_unnamed().map_err(|why| format!("{}: at the end, {why}", script.name))
}

/// What is known of the connection with one port of the peer's.
#[derive(Default)]
pub(crate) struct Peer {
    local_port: u16,
    pub(crate) id: Option<ConnectionId>,
    /// Our SYN's number, that of the connection before, and the end of all that has left.
    pub(crate) our_iss: SeqNumber,
    pub(crate) iss_before: SeqNumber,
    our_end: SeqNumber,
    /// Our timestamp at 0 ms, once one has left.
    clock: Option<u32>,
    /// The application leaves what comes, to read it later.
    holds: bool,
    pub(crate) read: u32,
}

pub(crate) struct Player {
    pub(crate) stack: Stack,
    now: Instant,
    pub(crate) peers: BTreeMap<u16, Peer>,
    listener: Option<ListenerId>,
    /// What has left and no line has named.
    left: VecDeque<(Instant, u16, Seen)>,
    /// What was told of and no line has named.
    told: VecDeque<(Instant, ConnectionId, Event)>,
    terms: Terms,
    /// Hardware addresses are not known: nothing leaves.
    defers: bool,
}

impl Player {
    fn new(script: &Script) -> Player {
        Player {
            stack: Stack::new(script.config.clone(), *b"sixteen secret b"),
            now: Instant::ZERO,
            peers: BTreeMap::new(),
            listener: None,
            left: VecDeque::new(),
            told: VecDeque::new(),
            terms: script.config.terms(),
            defers: false,
        }
    }

    fn line(&mut self, line: &Line) -> Check {
        self.advance_to(line.at)?;
        self.peers
            .entry(line.port)
            .or_insert_with(|| Peer { local_port: LOCAL.port, ..Peer::default() });
        match &line.deed {
            Deed::Leaves(None) => {
                self.nothing_left().map_err(|why| format!("expected nothing, {why}"))
            }
            Deed::Leaves(Some(wanted)) => self.expect(line, wanted),
            Deed::Comes(coming) => {
                self.nothing_unnamed()?;
                self.arrive(line.port, coming)
            }
            Deed::BytesCome { bytes, refused } => {
                self.nothing_unnamed()?;
                let refusal = Packet::parse(bytes).and_then(|packet| packet.segment()).err();
                same(refused, refusal.map_or("nothing", |refusal| refusal.name()))
            }
            Deed::Event(event) => same(event, &self.event(line.at, line.port)),
            Deed::Calls { call, words, refused } => {
                self.nothing_unnamed()?;
                let ended = self.call(line.port, call, words)?;
                match (refused, ended) {
                    (None, None) => self.drain(),
                    (Some(why), Some(found)) => same(why, &found),
                    (None, Some(found)) => Err(format!("it was refused: {found}")),
                    (Some(_), None) => Err("it was not refused".into()),
                }
            }
            Deed::Stands { what, value } => self.look(line.port, what, value),
        }
    }

    fn peer(&mut self, port: u16) -> &mut Peer {
        self.peers.get_mut(&port).expect("every line makes its peer")
    }

    pub(crate) fn info(&self, port: u16) -> Option<Info> {
        self.peers[&port].id.and_then(|id| self.stack.info(id))
    }

    fn advance_to(&mut self, then: Instant) -> Check {
        while self.stack.next_timeout() <= then {
            self.now = self.now.max(self.stack.next_timeout());
            self.stack.on_timeout(self.now);
            self.drain()?;
        }
        self.now = then;
        Ok(())
    }

    /// Puts what leaves now into words.
    fn drain(&mut self) -> Check {
        while self.stack.next_transmit().is_some() {
            if self.defers {
                self.stack.defer_transmit();
                continue;
            }
            let transmit = self.stack.poll_transmit(self.now).ok_or("it was this one's turn")?;
            let header = &transmit.header;
            let port = header.dst_port;
            let peer = self.peers.entry(port).or_default();
            if let Some(stamps) = header.options.timestamps {
                peer.clock.get_or_insert(
                    stamps.value.wrapping_sub(self.now.as_ns().div_euclid(1_000_000) as u32),
                );
            }
            if header.flags.has(Flags::SYN) && header.seq != peer.our_iss {
                if peer.our_iss != SeqNumber(0) && !peer.our_end.is_before(header.seq) {
                    return Err("a successor begins behind its predecessor".into());
                }
                peer.iss_before = peer.our_iss;
                (peer.our_iss, peer.our_end) = (header.seq, header.seq);
            }
            let payload = transmit.payload.concat();
            peer.our_end = peer.our_end.later_of(header.seq + payload.len() as u32);
            let start = header.seq.since(peer.our_iss);
            same_bytes("byte of ours", start, &payload)?;
            let mut bytes = vec![0; header.header_len()];
            header.emit(&mut bytes);
            bytes.extend(&payload);
            let read_back = Packet::parse(&bytes).and_then(|packet| packet.segment());
            if !read_back.is_ok_and(|segment| {
                segment.options == header.options && segment.payload == payload
            }) {
                return Err("what leaves is not what its bytes say".into());
            }
            let seen = Seen::of(&transmit, peer.our_iss, PEER_ISS, peer.clock.unwrap_or(0));
            self.left.push_back((self.now, port, seen));
        }
        while let Some((id, event)) = self.stack.poll_event() {
            self.told.push_back((self.now, id, event));
        }
        Ok(())
    }

    /// Whatever leaves or is told has been named.
    fn nothing_unnamed(&self) -> Check {
        self.nothing_left()?;
        let Some((at, id, event)) = self.told.front() else { return Ok(()) };
        let port = self.peers.iter().find(|(_, peer)| peer.id == Some(*id)).map(|(port, _)| *port);
        let whose = port.map_or(" of a connection that no line knows".into(), to_port);
        Err(format!("at {} ms was told `{}`{whose}", in_ms(*at - Instant::ZERO), name_of(*event)))
    }

    fn nothing_left(&self) -> Check {
        let Some((at, port, seen)) = self.left.front() else { return Ok(()) };
        Err(format!("at {} ms left `{seen}`{}", in_ms(*at - Instant::ZERO), to_port(*port)))
    }

    fn expect(&mut self, line: &Line, wanted: &Wanted) -> Check {
        let expected = format!("expected `{}`{}", wanted.text(), to_port(line.port));
        let Some((at, port, seen)) = self.left.front() else {
            return Err(format!("{expected}, nothing has left"));
        };
        if (*at, *port) == (line.at, line.port) && wanted.is_met_by(seen) {
            self.left.pop_front();
            return Ok(());
        }
        Err(format!("{expected}, {}", self.nothing_left().expect_err("something has")))
    }

    /// A segment comes by way of its bytes.
    fn arrive(&mut self, port: u16, coming: &Coming) -> Check {
        let (bytes, header_len) = self.bytes_of(port, coming);
        let refusal = match Packet::parse(&bytes).and_then(|packet| packet.segment()) {
            Ok(mut segment) => {
                segment.is_ce = coming.is_marked;
                let arrival = self.stack.on_segment(self.now, REMOTE, LOCAL.addr, &segment);
                if self.info(port).is_none() {
                    self.peer(port).id = arrival.connection;
                }
                let fresh = &bytes[header_len..][arrival.fresh.clone()];
                if !self.peers[&port].holds {
                    self.take_bytes(port, fresh)?;
                    if arrival.joined {
                        self.read(port, usize::MAX)?;
                    }
                } else if let Some(id) = arrival.connection {
                    self.stack.keep(id, fresh);
                }
                None
            }
            Err(refusal) => Some(refusal.name()),
        };
        same(coming.refused.as_deref().unwrap_or("nothing"), refusal.unwrap_or("nothing"))?;
        self.drain()
    }

    /// The bytes of a segment that comes, and where its payload begins.
    fn bytes_of(&self, port: u16, coming: &Coming) -> (Vec<u8>, usize) {
        let peer = &self.peers[&port];
        let seq = coming.seq as u32;
        let sack = coming.sack.split_first().map(|(first, others)| {
            let number = |at: i64| peer.our_iss + at as u32;
            let mut blocks = SackBlocks::of(number(first.0), number(first.1));
            others.iter().for_each(|block| _ = blocks.push(number(block.0), number(block.1)));
            blocks
        });
        let timestamps = coming.stamps.map(|stamps| {
            let echo = match stamps.echo {
                Echo::Value(value) => value,
                Echo::OursAt(ms) => peer.clock.unwrap_or(0).wrapping_add(ms),
            };
            Timestamps { value: stamps.value, echo }
        });
        let header = Repr {
            src_port: port,
            dst_port: peer.local_port,
            seq: PEER_ISS + seq,
            ack: coming.ack.map_or(SeqNumber(0), |ack| peer.our_iss + ack as u32),
            flags: coming.flags,
            window: coming.window,
            options: Options {
                mss: coming.mss,
                window_scale: coming.scale,
                sack_permitted: coming.permits_sack,
                timestamps,
                sack,
                user_timeout: coming
                    .user_timeout
                    .map(|s| UserTimeout::of(Duration::from_s(u64::from(s)))),
                has_invalid: false,
            },
        };
        let mut bytes = vec![0; header.header_len()];
        header.emit(&mut bytes);
        if let Some(options) = &coming.options {
            bytes.truncate(HEADER_LEN);
            bytes.extend(options);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes[12] = ((bytes.len() / 4) << 4) as u8;
        }
        let header_len = bytes.len();
        // A SYN has the first number to itself.
        let first = seq.wrapping_add(u32::from(header.flags.has(Flags::SYN)));
        bytes.extend((0..coming.len).map(|offset| pattern(first.wrapping_add(offset))));
        (bytes, header_len)
    }

    fn take_bytes(&mut self, port: u16, bytes: &[u8]) -> Check {
        let peer = self.peer(port);
        same_bytes("byte of theirs", 1 + peer.read, bytes)?;
        peer.read += bytes.len() as u32;
        Ok(())
    }

    fn read(&mut self, port: u16, mut most: usize) -> Check {
        let Some(id) = self.peers[&port].id else { return Ok(()) };
        while most > 0 && !self.stack.readable(id).is_empty() {
            let bytes = self.stack.readable(id).to_vec();
            let len = bytes.len().min(most);
            self.take_bytes(port, &bytes[..len])?;
            self.stack.consume(self.now, id, len);
            most -= len;
        }
        Ok(())
    }

    /// Does what the application does, and says how it was refused, if it was.
    fn call(&mut self, port: u16, call: &str, words: &[String]) -> Result<Option<String>, String> {
        let number = |at: usize| -> Result<usize, String> {
            let word = words.get(at).ok_or(format!("`{call}` wants a number"))?;
            word.parse().map_err(|_| format!("`{word}` is no number"))
        };
        let (now, id) = (self.now, self.peers[&port].id);
        let id = || id.ok_or(format!("`{call}` of no connection"));
        let refused = match call {
            "listen" => {
                let local =
                    Endpoint { port: number(0).unwrap_or(LOCAL.port.into()) as u16, ..LOCAL };
                match self.stack.listen(local) {
                    Ok(listener) => {
                        self.listener = Some(listener);
                        None
                    }
                    Err(why) => Some(format!("{why:?}")),
                }
            }
            "unlisten" => {
                self.stack.unlisten(self.listener.ok_or("nothing listens")?);
                None
            }
            "connect" => self.connect(port, words),
            "write" => self.write(port, id()?, number(0)?, words.get(1))?,
            "hold" | "take" => {
                self.peer(port).holds = call == "hold";
                None
            }
            "read" => {
                self.read(port, number(0)?)?;
                None
            }
            "defer" => {
                self.defers = !self.defers;
                if !self.defers {
                    self.stack.resume_transmits();
                }
                None
            }
            "terms" => {
                self.set_terms(id()?, words)?;
                None
            }
            "path-mtu" | "unreachable" => {
                let (value, seq) = (number(0)?, number(1)?);
                let packet_len = number(2).unwrap_or(0) as u16;
                let quoted = Quoted { packet_len, ..self.quoted(port, seq as u32) };
                if call == "path-mtu" {
                    self.stack.on_path_mtu(now, &quoted, value as u16);
                } else {
                    self.stack.on_unreachable(now, &quoted, value as u8);
                }
                None
            }
            _ => {
                let id = id()?;
                match call {
                    "await-more" => self.stack.await_more(id),
                    "let-leave" => self.stack.let_leave(now, id, words == ["pushed"]),
                    "shutdown" => self.stack.shutdown(now, id),
                    "abort" => self.stack.abort(now, id),
                    _ => self.stack.release(id),
                }
                None
            }
        };
        Ok(refused)
    }

    fn connect(&mut self, port: u16, words: &[String]) -> Option<String> {
        let local_port = match words.first().map(String::as_str) {
            Some("ephemeral") => 0,
            Some(port) => port.parse().unwrap_or(0),
            None => LOCAL.port,
        };
        let local = Endpoint { port: local_port, ..LOCAL };
        match self.stack.connect(self.now, local, Endpoint { addr: REMOTE, port }) {
            Ok(id) => {
                let local_port = self.stack.info(id).map_or(0, |info| info.local.port);
                let peer = self.peer(port);
                (peer.id, peer.local_port) = (Some(id), local_port);
                None
            }
            Err(why) => Some(format!("{why:?}")),
        }
    }

    fn write(
        &mut self,
        port: u16,
        id: ConnectionId,
        len: usize,
        then: Option<&String>,
    ) -> Result<Option<String>, String> {
        let our_iss = self.peers[&port].our_iss;
        let info = self.stack.info(id);
        let at =
            info.map_or(0, |info| info.snd_una.since(our_iss) + info.send_buffered_bytes as u32);
        Ok(match self.stack.reserve(id, len) {
            Ok(room) => {
                for (offset, byte) in room.iter_mut().enumerate() {
                    *byte = pattern(at + offset as u32);
                }
                self.stack.commit(self.now, id, len);
                match then.map(String::as_str) {
                    Some("end-segment") => self.stack.end_segment(self.now, id),
                    Some("await-commit") => self.stack.await_commit(self.now, id),
                    Some(word) => return Err(format!("`{word}` says nothing of a write")),
                    None => {}
                }
                None
            }
            Err(why) => Some(format!("{why:?}")),
        })
    }

    fn set_terms(&mut self, id: ConnectionId, words: &[String]) -> Check {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let [key, value @ ..] = &words[..] else { return Err("`terms` wants a setting".into()) };
        let mut config = crate::settings::plain();
        let terms = &mut self.terms;
        (config.sack, config.ecn, config.congestion) = (terms.sack, terms.ecn, terms.congestion);
        (config.rto_min, config.peer_max_ack_delay) = (terms.rto_min, terms.peer_max_ack_delay);
        set(&mut config, key, value)?;
        self.terms = config.terms();
        self.stack.set_terms(id, &self.terms);
        Ok(())
    }

    fn quoted(&self, port: u16, seq: u32) -> Quoted {
        let peer = &self.peers[&port];
        Quoted {
            src: LOCAL.addr,
            dst: REMOTE,
            src_port: peer.local_port,
            dst_port: port,
            seq: peer.our_iss + seq,
            packet_len: 0,
        }
    }

    /// The next event in words, `-` if there is none; and what differs, if it is not `port`'s and of `at`.
    fn event(&mut self, at: Instant, port: u16) -> String {
        let Some((then, id, event)) = self.told.pop_front() else { return "-".into() };
        let name = name_of(event);
        if Some(id) != self.peers[&port].id {
            format!("{name} of another connection")
        } else if then != at {
            format!("{name} at {} ms", in_ms(then - Instant::ZERO))
        } else {
            name
        }
    }
}

fn to_port(port: u16) -> String {
    if port == 5000 { String::new() } else { format!(" to port {port}") }
}

/// An event as scripts write it.
fn name_of(event: Event) -> String {
    match event {
        Event::Closed(why) => format!("{why:?}"),
        _ => format!("{event:?}"),
    }
}

pub(crate) fn same(expected: &str, found: &str) -> Check {
    if expected == found { Ok(()) } else { Err(format!("expected `{expected}`, found `{found}`")) }
}

/// The byte that stands at a number of either stream.
fn pattern(at: u32) -> u8 {
    (at.wrapping_mul(0x9e37_79b1) >> 24) as u8
}

fn same_bytes(what: &str, start: u32, bytes: &[u8]) -> Check {
    let wrong = (start..).zip(bytes).find(|(at, byte)| **byte != pattern(*at));
    wrong.map_or(Ok(()), |(at, _)| Err(format!("{what} {at} is another")))
}
