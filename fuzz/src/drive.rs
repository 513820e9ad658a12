//! Our TCP and the model, told the same, and held against each other.

use std::net::Ipv4Addr;

use fixwire::tcp::{
    self, Closed, Config, ConnectionId, Count, Endpoint, Event, Info, Stack, Transmit,
};
use fixwire::time::{Duration, Instant};
use fixwire::wire::icmp::Quoted;
use fixwire::wire::tcp::{Flags, Options, Repr, SackBlocks, Segment, SeqNumber, Timestamps};

use super::model::{self, Answer, Model, State};
use super::ops::{Beginning, Coming, Op, Ops, Stamp};

const LOCAL: Endpoint = Endpoint { addr: Ipv4Addr::new(10, 0, 0, 1), port: 9878 };
const REMOTE: Endpoint = Endpoint { addr: Ipv4Addr::new(10, 0, 0, 2), port: 5000 };
/// The peer's SYN: its numbers wrap before long.
const PEER_ISS: SeqNumber = SeqNumber(u32::MAX - 300);
/// By so much the peer's windows are shifted where scaling is agreed on (RFC 7323 2.2), and its first timestamp: they wrap
/// before long, too.
const PEER_SHIFT: u8 = 3;
const PEER_STAMP: u32 = u32::MAX - 5_000;
/// What leaves for one step, at most.
const SEGMENTS_MAX: usize = 2_000;

/// Plays a string of bytes. Says how many segments with timestamps took a short way in.
///
/// # Panics
/// Where the two disagree.
pub fn play(bytes: &[u8]) -> u64 {
    let (beginning, ops) = Ops::new(bytes);
    let mut pair = Pair::establish(&beginning);
    for op in ops {
        pair.step(&op);
        pair.compare(&op);
        if pair.model.state == State::Closed {
            break;
        }
    }
    let predicted = pair.stack.counters().of(Count::SegmentPredicted);
    if beginning.has_options { predicted } else { 0 }
}

struct Pair {
    stack: Stack,
    id: ConnectionId,
    model: Model,
    now: Instant,
    our_iss: SeqNumber,
    /// What the application has read.
    read: Vec<u8>,
    closed: Option<Closed>,
    /// By how much windows are shifted, the peer's and ours.
    shifts: (u8, u8),
    /// Our last timestamp.
    stamp: u32,
}

impl Pair {
    fn establish(beginning: &Beginning) -> Pair {
        let config = Config {
            connections_max: 1,
            receive_buffer_bytes: beginning.receive_buffer_bytes,
            mss: 1_000,
            timestamps: beginning.has_options,
            window_scaling: beginning.has_options,
            sack: beginning.sack,
            // Whether an answer is due is what is compared, not how many are let out.
            challenge_acks_per_s: u16::MAX,
            ..Config::default()
        };
        let mut stack = Stack::new(config, [7; 16]);
        let now = Instant::from_ms(1);
        let stamps = |echo| Timestamps { value: PEER_STAMP, echo };
        let options = Options {
            mss: Some(beginning.mss),
            sack_permitted: beginning.sack,
            window_scale: beginning.has_options.then_some(PEER_SHIFT),
            timestamps: beginning.has_options.then_some(stamps(0)),
            ..Options::NONE
        };
        // What is after the SYN has neither.
        let later = Options { timestamps: options.timestamps, ..Options::NONE };
        let arrive = |stack: &mut Stack, flags, seq: u32, ack, options| {
            let (seq, window) = (PEER_ISS + seq, beginning.window);
            let segment = segment(flags, seq, ack, window, options, &[]);
            let arrival = stack.on_segment(now, REMOTE.addr, LOCAL.addr, &segment);
            let left = stack.poll_transmit(now).map(|sent| sent.header);
            (arrival.connection, left)
        };
        let peer_shift = if beginning.has_options { PEER_SHIFT } else { 0 };
        let shift_of = |syn: &Repr| syn.options.window_scale.unwrap_or(0);
        let (id, our_iss, our_shift, window, mut model) = if beginning.is_active {
            let id = stack.connect(now, LOCAL, REMOTE).expect("nothing is in the way");
            let syn = stack.poll_transmit(now).expect("a SYN").header;
            let (_, ack) = arrive(&mut stack, Flags::SYN.with(Flags::ACK), 0, syn.seq + 1, options);
            let (shift, ack) = (shift_of(&syn), ack.expect("an ACK"));
            let model = Model::established(beginning.window.into(), (0, 1));
            (id, syn.seq, shift, i64::from(ack.window) << shift, model)
        } else {
            let listener = stack.listen(LOCAL).expect("nothing is in the way");
            let (id, syn_ack) = arrive(&mut stack, Flags::SYN, 0, SeqNumber(0), options);
            let syn_ack = syn_ack.expect("a SYN-ACK");
            arrive(&mut stack, Flags::ACK, 1, syn_ack.seq + 1, later);
            // A SYN in TIME-WAIT would begin another connection, of which the model knows nothing.
            stack.unlisten(listener);
            let window = i64::from(beginning.window) << peer_shift;
            let (id, model) = (id.expect("a connection"), Model::established(window, (1, 1)));
            (id, syn_ack.seq, shift_of(&syn_ack), i64::from(syn_ack.window), model)
        };
        assert_eq!(stack.poll_event(), Some((id, Event::Connected)));
        let told = beginning.receive_buffer_bytes as i64 >> our_shift << our_shift;
        assert_eq!(window, told.min(if beginning.is_active { told } else { 65_535 }));
        let ts_recent = beginning.has_options.then_some(PEER_STAMP);
        (model.rcv_edge, model.ts_recent) = (1 + window, ts_recent);
        let shifts = (peer_shift, our_shift);
        let (read, closed, stamp) = (Vec::new(), None, 0);
        Pair { stack, id, model, now, our_iss, read, closed, shifts, stamp }
    }

    fn info(&self) -> Info {
        self.stack.info(self.id).expect("it is not released")
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Comes(ref coming) => self.arrive(coming),
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

    fn arrive(&mut self, coming: &Coming) {
        let model = &mut self.model;
        let seq = coming.seq + if coming.is_from_edge { model.rcv_edge } else { model.rcv_nxt };
        let ack = coming.ack + if coming.is_from_una { model.snd_una } else { model.snd_nxt };
        let payload: Vec<u8> = (0..coming.len).map(|at| coming.fill ^ at as u8).collect();
        let window = i64::from(coming.window) << self.shifts.0;
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
        let stamp = timestamps.map(|stamps| stamps.value);
        let flags = coming.flags;
        let theirs = model::Segment { flags, seq, ack, window, payload: &payload, stamp };
        let answer = model.arrive(&theirs);
        let (seq, ack) = (PEER_ISS + seq as u32, self.our_iss + ack as u32);
        let options = Options { timestamps, sack, ..Options::NONE };
        let segment = segment(Flags(flags), seq, ack, coming.window, options, &payload);
        let arrival = self.stack.on_segment(self.now, REMOTE.addr, LOCAL.addr, &segment);
        // The application leaves everything, to read it later.
        self.stack.keep(self.id, &payload[arrival.fresh]);
        let acks = self.drain();
        match answer {
            Answer::Nothing => assert_eq!(acks, 0, "an answer to {coming:?}"),
            Answer::Ack => assert!(acks > 0, "no answer to {coming:?}"),
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
        let is_over = self.info().state == tcp::State::Closed;
        let may_end = self.model.state == State::TimeWait
            || self.closed == Some(Closed::TimedOut)
                && self.model.snd_una <= self.model.written.len() as i64 + 1;
        if is_over && may_end {
            self.model.state = State::Closed;
        }
    }

    /// Looks at all that leaves. Says how many of it acknowledge.
    fn drain(&mut self) -> usize {
        let mut acks = 0;
        for turn in 0.. {
            assert!(turn < SEGMENTS_MAX, "it never stops sending");
            let Some(transmit) = self.stack.poll_transmit(self.now) else { break };
            acks += usize::from(transmit.header.flags.has(Flags::ACK));
            if let Some(stamps) = transmit.header.options.timestamps {
                self.stamp = stamps.value;
            }
            look_at(&mut self.model, self.our_iss, self.shifts.1, &transmit);
        }
        while let Some((id, event)) = self.stack.poll_event() {
            assert_eq!(id, self.id);
            if let Event::Closed(why) = event {
                assert_eq!(self.closed.replace(why), None, "closed twice");
            }
        }
        acks
    }

    fn compare(&mut self, op: &Op) {
        let (info, model) = (self.info(), &self.model);
        assert_eq!(format!("{:?}", info.state), format!("{:?}", model.state), "{op:?}");
        if model.state == State::Closed {
            return;
        }
        assert_eq!(info.rcv_nxt, PEER_ISS + model.rcv_nxt as u32, "RCV.NXT after {op:?}");
        assert_eq!(info.snd_una, self.our_iss + model.snd_una as u32, "SND.UNA after {op:?}");
        assert_eq!(info.snd_nxt, self.our_iss + model.snd_nxt as u32, "SND.NXT after {op:?}");
        let unread = info.receive_buffered_bytes;
        let received: Vec<u8> = model.received().collect();
        assert_eq!(self.read.len() + unread, received.len(), "bytes received after {op:?}");
        assert_eq!(self.read, received[..self.read.len()], "what was read after {op:?}");
        let run = self.stack.readable(self.id);
        assert_eq!(run, &received[self.read.len()..][..run.len()], "what is readable after {op:?}");
    }
}

/// What leaves is what was written, at its place, within the peer's window but for the byte that probes it; it
/// acknowledges what has come, and takes back no window.
fn look_at(model: &mut Model, our_iss: SeqNumber, our_shift: u8, transmit: &Transmit<'_>) {
    let header = &transmit.header;
    if header.flags.has(Flags::RST) {
        return;
    }
    let payload = transmit.payload.concat();
    // Counted from SND.UNA, for the model's numbers do not wrap.
    let seq = model.snd_una + i64::from(header.seq.since(our_iss + model.snd_una as u32) as i32);
    let end = seq + payload.len() as i64;
    let is_fin = header.flags.has(Flags::FIN);
    if !payload.is_empty() {
        let from = (seq - 1) as usize;
        assert_eq!(model.written.get(from..from + payload.len()), Some(&payload[..]), "at {seq}");
        assert!(seq >= model.snd_una && seq <= model.snd_nxt, "{seq} is out of order");
        // What was acknowledged was taken, whatever window was told of it.
        let edge = model.snd_edge.max(model.snd_una);
        assert!(end <= edge + 1, "{end} lies past the window");
    }
    if is_fin {
        assert!(model.has_shut, "a FIN that nobody asked for");
        assert_eq!(end, model.written.len() as i64 + 1, "a FIN in the middle of the stream");
        model.fin_sent = true;
    }
    model.snd_nxt = model.snd_nxt.max(end + i64::from(is_fin));
    assert_eq!(header.ack, PEER_ISS + model.rcv_nxt as u32, "the ACK");
    model.last_ack_sent = model.rcv_nxt;
    let echo = header.options.timestamps.map(|stamps| stamps.echo);
    assert_eq!(echo, model.ts_recent, "what is echoed");
    let edge = model.rcv_nxt + (i64::from(header.window) << our_shift);
    // RFC 7323 2.4: what a window's shift cannot say is taken back in the header, and taken in all the same.
    let is_kept = edge + (1 << our_shift) > model.rcv_edge || model.rcv_edge <= model.rcv_nxt;
    assert!(is_kept, "window taken back from {} to {edge}", model.rcv_edge);
    model.rcv_edge = model.rcv_edge.max(edge);
}

/// The byte that we write at a place in our stream.
fn ours(at: usize) -> u8 {
    (at as u32).wrapping_mul(0x9e37_79b1).to_be_bytes()[0]
}

fn segment(
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
