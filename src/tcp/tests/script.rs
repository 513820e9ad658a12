//! Scripts read as packet traces. A line is a time in ms and one of
//!
//! - `< FLAGS SEQ:END(LEN) [ack N] [win N] [mss N] [scale N] [ts VALUE ECHO] [tsat VALUE MS] [sackOK 1]
//!   [sack L:R,L:R]`: a segment comes;
//! - `> FLAGS SEQ:END(LEN) [ack N] [win N] …`: this segment, and no other, leaves at that time (what
//!   is not named is not compared, nor are numbers given as `*`);
//! - `= EVENT`: this event is polled; `= -` for none;
//! - `! ACTION`: the application does something;
//! - `# COUNTER N`: the counter stands at N;
//! - `~ STATE`: the connection is in that state; `~ cwnd N`: that is its congestion window;
//!   `~ messages N M`: so many writes, and so many of them acknowledged; `~ message N DELIVERY`: how far one came.
//!
//! Numbers are relative to each side's SYN. Flags are `S F R P U`, `.` for ACK, `E` for ECE and `W` for
//! CWR. `ce` marks a segment that comes, `ect 1` stands with one that leaves and may be marked.

use core::net::Ipv4Addr;

use super::super::*;
use crate::time::Instant;
use crate::wire::icmp::Quoted;
use crate::wire::tcp::{Flags, Options, Repr, SackBlocks, Segment, SeqNumber, Timestamps};

pub(super) const LOCAL: Endpoint = Endpoint { addr: Ipv4Addr::new(10, 0, 0, 1), port: 9878 };
pub(super) const REMOTE: Endpoint = Endpoint { addr: Ipv4Addr::new(10, 0, 0, 2), port: 5000 };
/// The peer's SYN: its numbers wrap within every script.
const PEER_ISS: SeqNumber = SeqNumber(u32::MAX - 1);

/// No options but the MSS, so that the numbers in scripts are round.
pub(super) fn plain() -> Config {
    Config { timestamps: false, window_scaling: false, mss: 1000, ..Config::default() }
}

/// An established connection that a listener accepted, both MSS 1000, the peer's window 10,000.
pub(super) const ACCEPTED: &str = "
    0 ! listen
    0 < S 0:0(0) win 10000 mss 1000
    0 > S. 0:0(0) ack 1
    0 < . 1:1(0) ack 1 win 10000
    0 = Connected";

/// The same with SACK agreed on.
pub(super) const SACKED: &str = "
    0 ! listen
    0 < S 0:0(0) win 10000 mss 1000 sackOK 1
    0 > S. 0:0(0) ack 1 sackOK 1
    0 < . 1:1(0) ack 1 win 10000
    0 = Connected";

/// Runs `script`, and panics with the line that it departs from.
pub(super) fn run(config: Config, script: &str) {
    let mut runner = Runner::new(config);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        runner.line(line).unwrap_or_else(|why| panic!("at `{line}`: {why}"));
    }
    runner.nothing_left().unwrap_or_else(|why| panic!("at the end: {why}"));
}

struct Runner {
    stack: Stack,
    id: Option<ConnectionId>,
    now: Instant,
    our_iss: SeqNumber,
    /// The end of all that has left.
    our_end: SeqNumber,
    /// What has left and no line has named: when, and how it reads.
    left: std::collections::VecDeque<(u64, String)>,
    /// The application leaves what comes, to read it later.
    holds: bool,
    received: u32,
    /// Our timestamp at 0 ms, once one has left.
    clock: u32,
    listener: Option<ListenerId>,
}

type Check = Result<(), String>;

impl Runner {
    fn new(config: Config) -> Runner {
        Runner {
            stack: Stack::new(config, *b"sixteen secret b"),
            id: None,
            now: Instant::ZERO,
            our_iss: SeqNumber(0),
            our_end: SeqNumber(0),
            left: Default::default(),
            holds: false,
            received: 0,
            clock: 0,
            listener: None,
        }
    }

    fn line(&mut self, line: &str) -> Check {
        let (ms, rest) = line.split_once(' ').ok_or("no time")?;
        let ms = ms.parse().map_err(|_| "no number")?;
        self.advance_to(Instant::from_ms(ms));
        let (kind, what) = rest.trim().split_once(' ').ok_or("nothing to do")?;
        match kind {
            ">" => self.expect(ms, what),
            "<" => self.nothing_left().map(|()| self.arrive(what)),
            "!" => self.nothing_left().map(|()| self.act(what)),
            "=" => same(what, &self.event()),
            "~" if what.starts_with("cwnd ") => same(what, &self.cwnd()),
            "~" if what.starts_with("message") => self.check_messages(what),
            "~" => same(what, &self.state()),
            "#" => self.check_counter(what),
            _ => Err("no such line".into()),
        }
    }

    fn advance_to(&mut self, then: Instant) {
        while self.stack.next_timeout() <= then {
            self.now = self.now.max(self.stack.next_timeout());
            self.stack.on_timeout(self.now);
            self.drain();
        }
        self.now = then;
    }

    fn drain(&mut self) {
        while self.stack.next_transmit().is_some() {
            let transmit = self.stack.poll_transmit(self.now).expect("it was this one's turn");
            let (header, is_ect) = (transmit.header, transmit.is_ect);
            let payload = transmit.payload.concat();
            if let Some(stamps) = header.options.timestamps {
                self.clock = stamps.value.wrapping_sub((self.now.as_ns() / 1_000_000) as u32);
            }
            if header.flags.has(Flags::SYN) && header.seq != self.our_iss {
                let is_first = self.our_iss == SeqNumber(0);
                assert!(
                    is_first || self.our_end.is_before(header.seq),
                    "a successor begins behind"
                );
                (self.our_iss, self.our_end) = (header.seq, header.seq);
            }
            self.our_end = self.our_end.later_of(header.seq + payload.len() as u32);
            let start = header.seq.since(self.our_iss);
            for (offset, byte) in payload.iter().enumerate() {
                assert_eq!(*byte, pattern(start + offset as u32), "byte {offset} of {start}");
            }
            self.left.push_back((
                self.now.as_ns() / 1_000_000,
                self.describe(&header, payload.len(), is_ect),
            ));
        }
    }

    fn describe(&self, header: &Repr, len: usize, is_ect: bool) -> String {
        let mut text = String::new();
        for (flag, letter) in [
            (Flags::FIN, 'F'),
            (Flags::SYN, 'S'),
            (Flags::RST, 'R'),
            (Flags::PSH, 'P'),
            (Flags::ACK, '.'),
            (Flags::ECE, 'E'),
            (Flags::CWR, 'W'),
        ] {
            if header.flags.has(flag) {
                text.push(letter);
            }
        }
        let seq = header.seq.since(self.our_iss);
        text += &format!(" {seq}:{}({len})", seq.wrapping_add(len as u32));
        if header.flags.has(Flags::ACK) {
            text += &format!(" ack {}", header.ack.since(PEER_ISS));
        }
        text += &format!(" win {}", header.window);
        let options = header.options;
        if let Some(mss) = options.mss {
            text += &format!(" mss {mss}");
        }
        if let Some(scale) = options.window_scale {
            text += &format!(" scale {scale}");
        }
        if let Some(stamps) = options.timestamps {
            text += &format!(" echo {}", stamps.echo);
        }
        if options.sack_permitted {
            text += " sackOK 1";
        }
        if is_ect {
            text += " ect 1";
        }
        if let Some(sack) = options.sack {
            let number = |at: SeqNumber| at.since(PEER_ISS);
            let blocks = sack.blocks().iter();
            let blocks: Vec<_> = blocks
                .map(|(left, right)| format!("{}:{}", number(*left), number(*right)))
                .collect();
            text += &format!(" sack {}", blocks.join(","));
        }
        text
    }

    fn expect(&mut self, ms: u64, what: &str) -> Check {
        if what == "-" {
            return self.nothing_left();
        }
        let (at, left) = self.left.pop_front().ok_or("nothing left")?;
        let words: Vec<&str> = what.split_whitespace().collect();
        let found: Vec<&str> = left.split_whitespace().collect();
        let same_segment = words[0] == found[0]
            && (words[1] == found[1] || words[1] == "*")
            && words[2..].chunks(2).all(|pair| found[2..].chunks(2).any(|other| other == pair));
        let has = |words: &[&str], what| words.contains(&what);
        let same_fields = ["ack", "sack"].iter().all(|what| has(&words, what) == has(&found, what));
        if at == ms && same_segment && same_fields {
            return Ok(());
        }
        Err(format!("at {at} ms left `{left}`"))
    }

    fn nothing_left(&self) -> Check {
        self.left.front().map_or(Ok(()), |(at, left)| Err(format!("at {at} ms left `{left}`")))
    }

    fn arrive(&mut self, what: &str) {
        let words: Vec<&str> = what.split_whitespace().collect();
        let mut flags = Flags::NONE;
        for letter in words[0].chars() {
            flags = flags.with(match letter {
                'F' => Flags::FIN,
                'S' => Flags::SYN,
                'R' => Flags::RST,
                'P' => Flags::PSH,
                'U' => Flags::URG,
                'E' => Flags::ECE,
                'W' => Flags::CWR,
                '.' => Flags::ACK,
                _ => Flags::NONE,
            });
        }
        let (seq, rest) = words[1].split_once(':').unwrap();
        let len = rest.split_once('(').unwrap().1.trim_end_matches(')').parse::<u32>().unwrap();
        let seq = seq.parse::<i64>().unwrap() as u32;
        let number = |name: &str, after: usize| {
            let at = words.iter().position(|word| *word == name)?;
            Some(words[at + after].parse::<i64>().unwrap() as u32)
        };
        let first = seq.wrapping_add(u32::from(flags.has(Flags::SYN)));
        let payload: Vec<u8> = (0..len).map(|at| pattern(first.wrapping_add(at))).collect();
        let segment = Segment {
            src_port: REMOTE.port,
            dst_port: LOCAL.port,
            seq: PEER_ISS + seq,
            ack: number("ack", 1).map_or(SeqNumber(0), |ack| self.our_iss + ack),
            flags,
            window: number("win", 1).unwrap_or(10_000) as u16,
            options: Options {
                mss: number("mss", 1).map(|mss| mss as u16),
                window_scale: number("scale", 1).map(|scale| scale as u8),
                timestamps: number("ts", 1)
                    .map(|value| Timestamps { value, echo: number("ts", 2).unwrap() })
                    .or(number("tsat", 1).map(|value| Timestamps {
                        value,
                        echo: self.clock.wrapping_add(number("tsat", 2).unwrap()),
                    })),
                sack_permitted: number("sackOK", 1).is_some(),
                sack: words
                    .iter()
                    .position(|word| *word == "sack")
                    .map(|at| self.sack_blocks(words[at + 1])),
                user_timeout: None,
            },
            payload: &payload,
            is_ce: words.contains(&"ce"),
        };
        let arrival = self.stack.on_segment(self.now, REMOTE.addr, LOCAL.addr, &segment);
        if self.id.is_none_or(|id| self.stack.info(id).is_none()) {
            self.id = arrival.connection;
        }
        let fresh = &payload[arrival.fresh.clone()];
        if self.holds {
            if let Some(id) = arrival.connection {
                self.stack.keep(id, fresh);
            }
        } else {
            self.check_bytes(fresh);
            if arrival.joined {
                self.read(usize::MAX);
            }
        }
        self.drain();
    }

    /// Reads `L:R,L:R`, numbers of ours.
    fn sack_blocks(&self, text: &str) -> SackBlocks {
        let mut edges = text.split(',').map(|block| {
            let (left, right) = block.split_once(':').unwrap();
            let number = |text: &str| self.our_iss + text.parse::<i64>().unwrap() as u32;
            (number(left), number(right))
        });
        let (left, right) = edges.next().unwrap();
        let mut blocks = SackBlocks::of(left, right);
        edges.for_each(|(left, right)| assert!(blocks.push(left, right)));
        blocks
    }

    fn check_bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            assert_eq!(*byte, pattern(1 + self.received), "stream byte {}", self.received);
            self.received += 1;
        }
    }

    fn read(&mut self, mut most: usize) {
        let Some(id) = self.id else { return };
        while most > 0 && !self.stack.readable(id).is_empty() {
            let bytes = self.stack.readable(id).to_vec();
            let len = bytes.len().min(most);
            self.check_bytes(&bytes[..len]);
            self.stack.consume(self.now, id, len);
            most -= len;
        }
    }

    fn act(&mut self, what: &str) {
        let mut words = what.split_whitespace();
        let action = words.next().unwrap();
        let argument = words.next().and_then(|word| word.parse::<usize>().ok()).unwrap_or(0);
        let (now, id) = (self.now, self.id);
        match action {
            "listen" => self.listener = Some(self.stack.listen(LOCAL).unwrap()),
            "unlisten" => self.stack.unlisten(self.listener.unwrap()),
            "connect" => {
                self.id = Some(self.stack.connect(now, LOCAL, REMOTE).unwrap());
            }
            "write" => {
                let id = id.unwrap();
                let info = self.stack.info(id).unwrap();
                let at = info.snd_una.since(self.our_iss) + info.send_buffered_bytes as u32;
                let room = self.stack.reserve(id, argument).unwrap();
                for (offset, byte) in room.iter_mut().enumerate() {
                    *byte = pattern(at + offset as u32);
                }
                self.stack.commit(now, id, argument);
            }
            "refused" => {
                assert_eq!(self.stack.reserve(id.unwrap(), argument), Err(SendRefusal::NoRoom));
            }
            "hold" => self.holds = true,
            "await-more" => self.stack.await_more(id.unwrap()),
            "take" => self.holds = false,
            "read" => self.read(argument),
            "has-read" => assert_eq!(self.received as usize, argument),
            "shutdown" => self.stack.shutdown(now, id.unwrap()),
            "abort" => self.stack.abort(now, id.unwrap()),
            "release" => self.stack.release(id.unwrap()),
            "path-mtu" => {
                let seq = words.next().unwrap().parse::<u32>().unwrap();
                self.stack.on_path_mtu(now, &self.quoted(seq), argument as u16);
            }
            "unreachable" => {
                let seq = words.next().unwrap().parse::<u32>().unwrap();
                self.stack.on_unreachable(now, &self.quoted(seq), argument as u8);
            }
            _ => panic!("no action {action}"),
        }
        self.drain();
    }

    fn quoted(&self, seq: u32) -> Quoted {
        Quoted {
            src: LOCAL.addr,
            dst: REMOTE.addr,
            src_port: LOCAL.port,
            dst_port: REMOTE.port,
            seq: self.our_iss + seq,
        }
    }

    fn event(&mut self) -> String {
        self.stack.poll_event().map_or("-".into(), |(id, event)| {
            assert_eq!(Some(id), self.id);
            match event {
                Event::Closed(why) => format!("{why:?}"),
                _ => format!("{event:?}"),
            }
        })
    }

    fn state(&self) -> String {
        let info = self.id.and_then(|id| self.stack.info(id));
        info.map_or("-".into(), |info| format!("{:?}", info.state))
    }

    fn cwnd(&self) -> String {
        let info = self.id.and_then(|id| self.stack.info(id));
        info.map_or("-".into(), |info| format!("cwnd {}", info.cwnd))
    }

    fn check_messages(&self, what: &str) -> Check {
        let found = |text: Option<String>| text.unwrap_or("-".into());
        if let Some(counts) = what.strip_prefix("messages ") {
            let messages = self.id.and_then(|id| self.stack.messages(id));
            return same(counts, &found(messages.map(|(all, acked)| format!("{all} {acked}"))));
        }
        let words: Vec<&str> = what.split_whitespace().collect();
        let number = MessageNumber(words[1].parse().map_err(|_| "no number")?);
        let delivery = self.id.and_then(|id| self.stack.delivery(id, number));
        same(words[2], &found(delivery.map(|delivery| format!("{delivery:?}"))))
    }

    fn check_counter(&self, what: &str) -> Check {
        let (name, count) = what.split_once(' ').ok_or("no count")?;
        let found = self.stack.counters().iter().find(|(found, _)| *found == name);
        let (_, found) = found.ok_or("no such counter")?;
        same(count, &found.to_string())
    }
}

fn same(expected: &str, found: &str) -> Check {
    if expected == found { Ok(()) } else { Err(format!("found `{found}`")) }
}

/// The byte that stands at a number of either stream.
fn pattern(at: u32) -> u8 {
    (at.wrapping_mul(0x9e37_79b1) >> 24) as u8
}
