//! Our TCP and the model, told the same, and held against each other.

use std::net::Ipv4Addr;

use fixwire::tcp::{
    self, Closed, Config, ConnectionId, Count, Endpoint, Event, Info, ListenerId, Prepared, Stack,
    Transmit,
};
use fixwire::time::{Duration, Instant};
use fixwire::wire::icmp::Quoted;
use fixwire::wire::tcp::{Flags, Options, SackBlocks, Segment, SeqNumber, Timestamps};

use super::leaving::{look_at, ours};
use super::model::{self, Answer, Model, SYN, State};
use super::ops::{Coming, Op, Ops, Stamp};

pub(crate) const LOCAL: Endpoint = Endpoint { addr: Ipv4Addr::new(10, 0, 0, 1), port: 9878 };
pub(crate) const REMOTE: Endpoint = Endpoint { addr: Ipv4Addr::new(10, 0, 0, 2), port: 5000 };
/// The peer's SYN: its numbers wrap before long.
pub(crate) const PEER_ISS: SeqNumber = SeqNumber(u32::MAX - 300);
/// How often it goes on in another stack, at most: each is made anew.
const MOVES_MAX: u64 = 4;
/// What leaves for one step, at most.
const SEGMENTS_MAX: usize = 2_000;

/// What was played: a corpus that provokes nothing proves nothing.
#[derive(Debug, Default)]
pub struct Played {
    /// Segments with timestamps that took a short way in.
    pub predicted: u64,
    /// Segments that came before the handshake was over and are no part of it.
    pub hostile: u64,
    /// Handshakes that ended without a connection.
    pub refused: u64,
    /// Sends that were prepared, and times it went on in another stack.
    pub prepared: u64,
    pub moved: u64,
}

/// Plays a string of bytes.
///
/// # Panics
/// Where the two disagree.
pub fn play(bytes: &[u8]) -> Played {
    let (beginning, mut ops) = Ops::new(bytes);
    let mut pair = Pair::begin(&beginning);
    pair.open(&beginning, &mut ops);
    for op in ops {
        if pair.model.state == State::Closed {
            break;
        }
        pair.step(&op);
        pair.compare(&op);
    }
    pair.count_predicted();
    pair.played
}

pub(crate) struct Pair {
    pub(crate) config: Config,
    pub(crate) stack: Stack,
    pub(crate) id: ConnectionId,
    pub(crate) model: Model,
    pub(crate) now: Instant,
    pub(crate) our_iss: SeqNumber,
    pub(crate) their_iss: SeqNumber,
    /// What the application has read.
    pub(crate) read: Vec<u8>,
    pub(crate) is_active: bool,
    pub(crate) is_connected: bool,
    pub(crate) closed: Option<Closed>,
    /// By how much windows are shifted, the peer's and ours.
    pub(crate) shifts: (u8, u8),
    /// By how much ours are to be, if that is agreed on.
    pub(crate) our_shift: u8,
    /// Our last timestamp.
    pub(crate) stamp: u32,
    /// What was prepared some time ago.
    pub(crate) kept: Option<Prepared>,
    /// When TIME-WAIT is over.
    pub(crate) waits_until: Instant,
    /// What it came by, until it is open.
    pub(crate) listener: Option<ListenerId>,
    pub(crate) played: Played,
}

impl Pair {
    fn count_predicted(&mut self) {
        let predicted = self.stack.counters().of(Count::SegmentPredicted);
        if self.model.ts_recent.is_some() {
            self.played.predicted += predicted;
        }
    }

    fn info(&self) -> Info {
        self.stack.info(self.id).expect("it is not released")
    }

    pub(crate) fn step(&mut self, op: &Op) {
        match *op {
            Op::Comes(ref coming) => self.arrive(coming),
            Op::Prepare => self.kept = self.stack.prepare(self.now, self.id).ok(),
            Op::SendPrepared { len, is_kept } => self.send_prepared(len, is_kept),
            Op::Move => self.move_on(),
            Op::Write(len) => {
                let written = self.model.written.len();
                if let Ok(room) = self.stack.reserve(self.id, len) {
                    for (offset, byte) in room.iter_mut().enumerate() {
                        *byte = ours(written + offset);
                    }
                    self.stack.commit(self.now, self.id, len);
                    self.model.written.extend((written..written + len).map(ours));
                }
                self.drain();
            }
            Op::Read(len) => {
                self.read(len);
                self.drain();
            }
            Op::Wait { ms } => self.wait(ms),
            Op::Shutdown => {
                self.stack.shutdown(self.now, self.id);
                self.model.shut_down();
                self.drain();
            }
            Op::Abort => {
                self.read(usize::MAX);
                self.stack.abort(self.now, self.id);
                self.model.state = State::Closed;
                self.drain();
            }
            Op::PathMtu(mtu) => {
                let quoted = Quoted {
                    src: LOCAL.addr,
                    dst: REMOTE.addr,
                    src_port: LOCAL.port,
                    dst_port: REMOTE.port,
                    seq: self.our_iss + self.model.snd_una as u32,
                    packet_len: 0,
                };
                self.stack.on_path_mtu(self.now, &quoted, mtu);
                self.drain();
            }
        }
    }

    /// What is sent as prepared is what the usual way would send, and nothing that is stale leaves: it is looked at as all
    /// that leaves is.
    fn send_prepared(&mut self, len: usize, is_kept: bool) {
        let kept = self.kept.take().filter(|_| is_kept);
        let Some(prepared) = kept.or_else(|| self.stack.prepare(self.now, self.id).ok()) else {
            return;
        };
        let written = self.model.written.len();
        let payload: Vec<u8> = (written..written + len).map(ours).collect();
        let Ok(out) = self.stack.send_prepared(self.now, &prepared, &payload, 0, false) else {
            return;
        };
        assert!(matches!(self.model.state, State::Established | State::CloseWait));
        self.model.written.extend(&payload);
        let mut header = *prepared.header();
        header.options.timestamps = out.timestamps;
        if let Some(stamps) = out.timestamps {
            self.stamp = stamps.value;
        }
        let at = self.our_iss + self.model.snd_nxt as u32;
        assert_eq!(header.seq, at, "what is prepared is what comes next");
        let transmit = Transmit {
            connection: Some(self.id),
            local: LOCAL.addr,
            remote: REMOTE.addr,
            header,
            payload: [&payload, &[]],
            retransmission: false,
            is_ect: prepared.is_ect(),
        };
        look_at(&mut self.model, (self.our_iss, self.their_iss), self.shifts.1, &transmit);
        assert!(self.model.snd_nxt <= self.model.snd_edge, "prepared past the window");
        self.played.prepared += 1;
        self.drain();
    }

    /// Another stack takes it over, where it can be taken: nothing of it is another, and nobody is told.
    fn move_on(&mut self) {
        if self.played.moved >= MOVES_MAX {
            return;
        }
        let (before, readable) = (self.info(), self.stack.readable(self.id).to_vec());
        let Ok(snapshot) = self.stack.export(self.now, self.id) else {
            assert!(!self.model.is_open() || self.model.state == State::Closed, "it is open");
            return;
        };
        self.count_predicted();
        self.stack.let_go(self.id);
        assert!(self.stack.poll_transmit(self.now).is_none(), "what was let go of speaks");
        self.stack = Stack::new(self.config.clone(), [8; 16]);
        self.id = self.stack.import(self.now, &snapshot).expect("there is nothing else in it");
        self.kept = None;
        assert_eq!(Info { listener: None, ..before }, self.info(), "what was moved");
        let again = self.stack.export(self.now, self.id);
        assert_eq!(again.as_ref(), Ok(&snapshot), "what is moved on at once");
        let begins = self.stack.readable(self.id);
        let len = begins.len().min(readable.len());
        assert_eq!(begins[..len], readable[..len], "what is readable where it was moved to");
        self.played.moved += 1;
        self.drain();
    }

    fn arrive(&mut self, coming: &Coming) {
        let model = &mut self.model;
        let mut seq = coming.seq + if coming.is_from_edge { model.rcv_edge } else { model.rcv_nxt };
        let ack = coming.ack + if coming.is_from_una { model.snd_una } else { model.snd_nxt };
        if model.state == State::SynSent && coming.flags & SYN != 0 {
            // Wherever it begins, that is its beginning.
            self.their_iss = PEER_ISS + seq as u32;
            seq = 0;
        }
        let payload: Vec<u8> = (0..coming.len).map(|at| coming.fill ^ at as u8).collect();
        let timestamps = match (model.ts_recent, coming.stamp) {
            (Some(recent), Stamp::Of { later, echo_before }) => Some(Timestamps {
                value: recent.wrapping_add_signed(later),
                echo: self.stamp.wrapping_sub(echo_before),
            }),
            _ => None,
        };
        let edge = |at: i64| self.our_iss + (model.snd_una + at) as u32;
        let mut blocks = coming.blocks.iter().map(|(left, right)| (edge(*left), edge(*right)));
        let mut sack = blocks.next().map(|(left, right)| SackBlocks::of(left, right));
        for (left, right) in blocks {
            sack.as_mut().expect("there was one").push(left, right);
        }
        let options = Options { timestamps, sack, ..Options::NONE };
        let (flags, window) = (coming.flags, coming.window);
        self.hear(&Told { flags, seq, ack, window, payload: &payload }, options, coming);
    }

    /// Both hear a segment.
    pub(crate) fn hear(&mut self, told: &Told<'_>, options: Options, what: &dyn std::fmt::Debug) {
        let Told { flags, seq, ack, window, payload } = *told;
        let shift = if flags & SYN == 0 { self.shifts.0 } else { 0 };
        let stamp = options.timestamps.map(|stamps| stamps.value);
        let stamp = stamp.filter(|_| self.config.timestamps);
        let was_syn_sent = self.model.state == State::SynSent;
        let time_waits = self.model.time_waits;
        let theirs =
            model::Segment { flags, seq, ack, window: i64::from(window) << shift, payload, stamp };
        let answer = self.model.arrive(&theirs);
        if was_syn_sent && self.model.state != State::SynSent {
            self.agree(options.window_scale.is_some(), stamp);
        }
        if self.model.time_waits > time_waits {
            self.waits_until = self.now + self.config.time_wait;
        }
        let (seq, ack) = (self.their_iss + seq as u32, self.our_iss + ack as u32);
        let segment = segment(Flags(flags), seq, ack, window, options, payload);
        let arrival = self.stack.on_segment(self.now, REMOTE.addr, LOCAL.addr, &segment);
        // The application leaves everything, to read it later.
        self.stack.keep(self.id, &payload[arrival.fresh]);
        let (acks, resets) = self.drain();
        match answer {
            Answer::Nothing => assert_eq!((acks, resets), (0, 0), "an answer to {what:?}"),
            Answer::Ack => assert!(acks > 0, "no answer to {what:?}"),
            Answer::Reset => assert_eq!((acks, resets), (0, 1), "not a reset for {what:?}"),
            Answer::Whatever => {}
        }
    }

    fn read(&mut self, mut most: usize) {
        while most > 0 && !self.stack.readable(self.id).is_empty() {
            let run = self.stack.readable(self.id);
            let len = run.len().min(most);
            self.read.extend_from_slice(&run[..len]);
            self.stack.consume(self.now, self.id, len);
            most -= len;
        }
    }

    fn wait(&mut self, ms: u64) {
        let then = self.now + Duration::from_ms(ms);
        while self.stack.next_timeout() <= then {
            self.now = self.now.max(self.stack.next_timeout());
            self.stack.on_timeout(self.now);
            self.drain();
        }
        self.now = then;
        let is_over = self.state() == tcp::State::Closed;
        let is_given_up = is_over
            && self.closed == Some(Closed::TimedOut)
            && self.model.snd_una <= self.model.written.len() as i64 + 1;
        let has_waited = self.model.state == State::TimeWait && self.now >= self.waits_until;
        if is_given_up || has_waited {
            self.model.state = State::Closed;
        }
    }

    /// Looks at all that leaves. Says how many of it acknowledge, and how many reset.
    fn drain(&mut self) -> (usize, usize) {
        let (mut acks, mut resets) = (0, 0);
        for turn in 0.. {
            assert!(turn < SEGMENTS_MAX, "it never stops sending");
            let Some(transmit) = self.stack.poll_transmit(self.now) else { break };
            if transmit.header.flags.has(Flags::RST) {
                resets += 1;
                continue;
            }
            acks += usize::from(transmit.header.flags.has(Flags::ACK));
            if let Some(stamps) = transmit.header.options.timestamps {
                self.stamp = stamps.value;
            }
            look_at(&mut self.model, (self.our_iss, self.their_iss), self.shifts.1, &transmit);
        }
        while let Some((id, event)) = self.stack.poll_event() {
            assert_eq!(id, self.id);
            match event {
                Event::Connected => {
                    assert!(!self.is_connected, "connected twice");
                    self.is_connected = true;
                }
                Event::Closed(why) => assert_eq!(self.closed.replace(why), None, "closed twice"),
                Event::Writable | Event::PeerClosed => {}
            }
        }
        (acks, resets)
    }

    /// A listener's connection that was never established is gone with its end.
    fn state(&self) -> tcp::State {
        self.stack.info(self.id).map_or(tcp::State::Closed, |info| info.state)
    }

    pub(crate) fn compare(&mut self, op: &Op) {
        let state = self.model.state;
        assert_eq!(format!("{:?}", self.state()), format!("{state:?}"), "{op:?}");
        if state == State::Closed {
            // The last that is told waits until all has been read.
            self.read(usize::MAX);
            self.drain();
            let is_told = self.is_active || self.is_connected;
            assert_eq!(self.closed.is_some(), is_told, "who knows of it is told: {op:?}");
            return;
        }
        let model = &self.model;
        assert_eq!(self.is_connected, model.is_open(), "told to be connected after {op:?}");
        let info = self.info();
        if model.state != State::SynSent {
            let expected = self.their_iss + model.rcv_nxt as u32;
            assert_eq!(info.rcv_nxt, expected, "RCV.NXT after {op:?}");
        }
        assert_eq!(info.snd_una, self.our_iss + model.snd_una as u32, "SND.UNA after {op:?}");
        assert_eq!(info.snd_nxt, self.our_iss + model.snd_nxt as u32, "SND.NXT after {op:?}");
        if model.is_open() {
            assert_eq!(info.uses_ecn, model.ecn, "what is agreed on of marks after {op:?}");
            if model.state != State::TimeWait {
                assert_eq!(i64::from(info.snd_wnd), model.snd_wnd, "SND.WND after {op:?}");
            }
        }
        let unread = info.receive_buffered_bytes;
        let received = &model.received;
        assert_eq!(self.read.len() + unread, received.len(), "bytes received after {op:?}");
        assert_eq!(self.read, received[..self.read.len()], "what was read after {op:?}");
        let run = self.stack.readable(self.id);
        assert_eq!(run, &received[self.read.len()..][..run.len()], "what is readable after {op:?}");
    }
}

/// A segment that comes, but for its options.
pub(crate) struct Told<'a> {
    pub(crate) flags: u8,
    pub(crate) seq: i64,
    pub(crate) ack: i64,
    pub(crate) window: u16,
    pub(crate) payload: &'a [u8],
}

pub(crate) fn segment(
    flags: Flags,
    seq: SeqNumber,
    ack: SeqNumber,
    window: u16,
    options: Options,
    payload: &[u8],
) -> Segment<'_> {
    Segment {
        src_port: REMOTE.port,
        dst_port: LOCAL.port,
        seq,
        ack,
        flags,
        window,
        options,
        payload,
        is_ce: false,
    }
}
