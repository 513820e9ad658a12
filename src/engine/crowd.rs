//! Bursts of frames where connections are a crowd, against the same frames one by one: frame by frame the same is answered, and
//! the same is counted.

use core::cell::RefCell;
use core::net::Ipv4Addr;
use std::collections::VecDeque;

use fixwire_hw::sim::{self, Model, SimNic, Wire};

use super::*;
use crate::app::echo::Echo;
use crate::fix::{CompId, Role, SessionConfig, Version};
use crate::offload::device::Device;
use crate::offload::flow::RuleSet;
use crate::offload::nic::{BURST_MAX, Link, RxMeta, TxMeta};
use crate::offload::observe::NicCounters;
use crate::offload::plan::Capabilities;
use crate::offload::profile::{Policy, Profile};
use crate::offload::stamp::ClockInfo;
use crate::tcp::{Endpoint, Transmit};
use crate::time::Duration;
use crate::wire::tcp::{Flags, Options, Repr, SackBlocks, SeqNumber, Timestamps};
use crate::wire::{arp, ethernet, ipv4, tcp};

const OURS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
const THEIRS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const LISTENED: u16 = 9878;
/// The peers' first port.
const PORT: u16 = 20_000;
/// More than a crowd, so that it stays one when some are gone.
const PEERS: usize = 1_060;
/// The first of them are logged on.
const SESSIONS: usize = 6;
/// Who speaks most of the time, so that several frames of a burst are one connection's.
const SPEAKERS: usize = 24;

/// A NIC that hands so many frames over at once, and writes down what is taken in and what leaves.
struct Witness {
    nic: SimNic,
    at_once: usize,
    waiting: VecDeque<<SimNic as Nic>::Frame>,
    told: RefCell<Vec<Told>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    In(Vec<u8>),
    Out(Vec<u8>),
}

impl Nic for Witness {
    type Frame = <SimNic as Nic>::Frame;

    fn rx_burst(&mut self, burst: &mut Burst<Self::Frame>) -> usize {
        let mut arrived = Burst::new();
        self.nic.rx_burst(&mut arrived);
        self.waiting.extend(arrived);
        burst.extend(self.waiting.drain(..self.waiting.len().min(self.at_once)));
        burst.len()
    }

    fn rx_meta(&self, frame: &Self::Frame) -> RxMeta {
        self.told.borrow_mut().push(Told::In(frame.bytes().to_vec()));
        self.nic.rx_meta(frame)
    }

    fn tx_frame(&mut self) -> Option<Self::Frame> {
        self.nic.tx_frame()
    }

    fn tx_burst(&mut self, burst: &mut Burst<Self::Frame>) -> usize {
        let left = burst.iter().map(|frame| Told::Out(frame.bytes().to_vec()));
        self.told.get_mut().extend(left);
        self.nic.tx_burst(burst)
    }

    fn link(&mut self) -> Link {
        self.nic.link()
    }

    fn clock(&self) -> Option<ClockInfo> {
        self.nic.clock()
    }

    fn mac(&self) -> [u8; 6] {
        self.nic.mac()
    }

    fn counters(&self) -> NicCounters {
        self.nic.counters()
    }
}

/// An engine, and a bare NIC at the far end that sends whatever it is told.
struct Rig {
    engine: Engine<Witness, Echo>,
    far: SimNic,
    wire: Wire,
}

fn network(addr: Ipv4Addr, mac: Mac) -> Network {
    Network { mac, addr, prefix_len: 24, gateway: None, vlan: None, mtu: 1500 }
}

fn session(index: usize) -> SessionPlan {
    let (venue, desk) = (CompId::new("VENUE").unwrap(), CompId::new(&desk(index)).unwrap());
    SessionPlan {
        reconnect_interval: Duration::from_s(1),
        ..SessionPlan::new(
            SessionConfig::new(Version::Fix44, Role::Acceptor, venue, desk),
            Endpoint { addr: OURS, port: LISTENED },
        )
    }
}

fn desk(index: usize) -> String {
    format!("DESK{index}")
}

impl Rig {
    fn new(model: Model, at_once: usize) -> Rig {
        let sim = sim::Config { a: model, b: Model::bare(), ..sim::Config::default() };
        let (near, far, wire) = sim::pair(sim, 1);
        let profile = Profile::all(Policy::Prefer);
        let run = |backend| {
            let device = Device::probed(backend).plan(&profile, RuleSet::EMPTY);
            device.configure().and_then(|device| device.start()?.steer()).unwrap()
        };
        let mac = Mac(near.mac());
        let (nic, plan) = run(near);
        let (far, _) = run(far);
        let tcp = Config {
            connections_max: PEERS + 8,
            send_buffer_bytes: 16 * 1024,
            receive_buffer_bytes: 16 * 1024,
            ..Config::default()
        };
        let sessions = (0..SESSIONS).map(session).collect();
        let setup = Setup { network: network(OURS, mac), tcp, secret: [9; 16], sessions };
        let (waiting, told) = (VecDeque::new(), RefCell::default());
        let nic = Witness { nic, at_once, waiting, told };
        let engine = Engine::new(nic, plan, setup, Echo::new(SESSIONS)).unwrap();
        Rig { engine, far, wire }
    }

    /// What is made of frames that arrive together: each as it is taken in, and what is answered before the next one is.
    fn take_in(&mut self, frames: &[Vec<u8>]) -> Vec<Told> {
        for bytes in frames {
            let mut frame = self.far.tx_frame().unwrap();
            frame.space()[..bytes.len()].copy_from_slice(bytes);
            frame.finish(bytes.len(), TxMeta::default());
            let mut one = Burst::new();
            one.push(frame);
            self.far.tx_burst(&mut one);
        }
        self.wire.advance(Duration::from_us(100));
        while self.engine.poll(&self.wire) > 0 {}
        self.wire.advance(Duration::from_us(100));
        let mut answers = Burst::new();
        while self.far.rx_burst(&mut answers) > 0 {
            answers.clear();
        }
        self.engine.nic.told.take()
    }

    /// Every counter, but those of the device, which knows nothing of bursts.
    fn counted(&self) -> Vec<(&'static str, u64)> {
        self.engine.host_counters().chain(self.engine.desk.session_counters()).collect()
    }
}

/// What a peer knows of its connection.
#[derive(Clone, Copy, Default)]
struct Peer {
    seq: u32,
    ack: u32,
    is_open: bool,
    /// The last MsgSeqNum(34) that it has used.
    numbered: u32,
    /// What was left out, and where it belongs.
    left_out: Option<(u32, [u8; 4])>,
}

/// The sequence numbers that a segment takes.
fn numbers(flags: Flags, payload: &[u8]) -> u32 {
    payload.len() as u32 + u32::from(flags.has(Flags::SYN)) + u32::from(flags.has(Flags::FIN))
}

/// Both ways of the same frames.
struct Both {
    bursts: Rig,
    singles: Rig,
    peers: Vec<Peer>,
    emitter: Emitter,
    their_mac: Mac,
    our_mac: Mac,
    random: u64,
}

impl Both {
    fn new(model: Model, seed: u64) -> Both {
        let (bursts, singles) = (Rig::new(model.clone(), BURST_MAX), Rig::new(model, 1));
        let (their_mac, our_mac) = (Mac(bursts.far.mac()), Mac(bursts.engine.nic.mac()));
        let plan = Plan::negotiate("test", &Profile::all(Policy::Off), &Capabilities::NONE);
        let emitter = Emitter::new(&plan, network(THEIRS, their_mac));
        let peers = vec![Peer::default(); PEERS];
        let mut both = Both { bursts, singles, peers, emitter, their_mac, our_mac, random: seed };
        both.take_in(&[both.arp()]);
        for first in (0..PEERS).step_by(8) {
            let some = first..PEERS.min(first + 8);
            let syns: Vec<_> = some.clone().map(|peer| both.open(peer)).collect();
            both.take_in(&syns);
            let acks: Vec<_> = some.map(|peer| both.send(peer, Flags::ACK, b"")).collect();
            both.take_in(&acks);
        }
        let logons: Vec<_> =
            (0..SESSIONS).map(|peer| both.say(peer, "A", "98=0|108=30|")).collect();
        both.take_in(&logons);
        assert!(both.bursts.engine.tcp.is_crowded() && both.singles.engine.tcp.is_crowded());
        both
    }

    fn take_in(&mut self, frames: &[Vec<u8>]) {
        let told = self.bursts.take_in(frames);
        assert_eq!(told.iter().filter(|told| matches!(told, Told::In(_))).count(), frames.len());
        assert_eq!(told, self.singles.take_in(frames));
        for told in told {
            if let Told::Out(bytes) = told {
                self.hear(&bytes);
            }
        }
    }

    /// Takes an answer to heart.
    fn hear(&mut self, bytes: &[u8]) {
        let Ok(packet) = ipv4::Packet::parse(&bytes[ethernet::HEADER_LEN..]) else { return };
        let Ok(segment) = tcp::Packet::parse(packet.payload).and_then(|tcp| tcp.segment()) else {
            return;
        };
        let Some(peer) = self.peers.get_mut(usize::from(segment.dst_port.wrapping_sub(PORT)))
        else {
            return;
        };
        peer.is_open &= !segment.flags.has(Flags::RST) && !segment.flags.has(Flags::FIN);
        peer.ack = segment.seq.0.wrapping_add(numbers(segment.flags, segment.payload));
    }

    /// One of so many.
    fn draw(&mut self, count: usize) -> usize {
        self.random =
            self.random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.random >> 33) as usize % count
    }

    fn arp(&self) -> Vec<u8> {
        let link = ethernet::Repr {
            dst: self.our_mac,
            src: self.their_mac,
            vlan: None,
            ethertype: ethernet::Ethertype::Arp,
        };
        let mut bytes = vec![0; 64];
        let at = link.emit(&mut bytes);
        let request = arp::Repr {
            operation: arp::Operation::Request,
            sender_mac: self.their_mac,
            sender: THEIRS,
            target_mac: Mac::default(),
            target: OURS,
        };
        request.emit(&mut bytes[at..]);
        bytes
    }

    fn segment(
        &mut self,
        port: u16,
        at: (u32, u32),
        flags: Flags,
        options: Options,
        payload: &[u8],
    ) -> Vec<u8> {
        let timestamps = Some(Timestamps { value: 1, echo: 1 });
        let segment = Transmit {
            connection: None,
            local: THEIRS,
            remote: OURS,
            header: Repr {
                src_port: port,
                dst_port: LISTENED,
                seq: SeqNumber(at.0),
                ack: SeqNumber(at.1),
                flags,
                window: 10_000,
                options: Options { timestamps, ..options },
            },
            payload: [payload, &[]],
            retransmission: false,
            is_ect: false,
        };
        let mut out = vec![0; 512];
        let (len, _) = self.emitter.tcp(self.our_mac, &segment, &mut out);
        out.truncate(len);
        out
    }

    /// What a peer sends next.
    fn send(&mut self, peer: usize, flags: Flags, payload: &[u8]) -> Vec<u8> {
        let Peer { seq, ack, .. } = self.peers[peer];
        self.peers[peer].seq = seq.wrapping_add(numbers(flags, payload));
        self.segment(PORT + peer as u16, (seq, ack), flags, Options::NONE, payload)
    }

    fn open(&mut self, peer: usize) -> Vec<u8> {
        let seq = self.peers[peer].seq.wrapping_add(100_000);
        self.peers[peer] = Peer { seq, is_open: true, ..Peer::default() };
        self.send(peer, Flags::SYN, b"")
    }

    /// A message of a session's.
    fn say(&mut self, peer: usize, msg_type: &str, fields: &str) -> Vec<u8> {
        let message = self.message(peer, msg_type, fields);
        self.send(peer, Flags::ACK.with(Flags::PSH), &message)
    }

    fn message(&mut self, peer: usize, msg_type: &str, fields: &str) -> Vec<u8> {
        self.peers[peer].numbered += 1;
        let (number, from) = (self.peers[peer].numbered, desk(peer));
        let body = format!(
            "35={msg_type}|34={number}|49={from}|52=20260101-00:00:00.000|56=VENUE|{fields}"
        );
        let message = format!("8=FIX.4.4|9={}|{body}", body.len()).replace('|', "\x01");
        let sum = message.bytes().fold(0u8, u8::wrapping_add);
        format!("{message}10={sum:03}\x01").into_bytes()
    }

    /// The next frames of a burst: one, or some that belong together.
    fn act(&mut self, frames: &mut Vec<Vec<u8>>) {
        let of = if self.draw(4) == 0 { PEERS } else { SPEAKERS };
        let peer = self.draw(of);
        let Peer { seq, ack, is_open, left_out, .. } = self.peers[peer];
        let (port, words) = (PORT + peer as u16, Flags::ACK.with(Flags::PSH));
        let is_logged_on = peer < SESSIONS && is_open;
        let kind = self.draw(26);
        let frame = match kind {
            // Whoever is gone comes back, a stranger then.
            0..6 if !is_open => {
                frames.push(self.send(peer, Flags::RST.with(Flags::ACK), b""));
                self.open(peer)
            }
            0..4 if is_logged_on => self.say(peer, "1", "112=there?|"),
            4..8 if is_logged_on => self.say(peer, "D", "11=one|55=ACME|"),
            8 if is_logged_on => {
                let message = self.message(peer, "1", "112=in pieces|");
                let (first, second) = message.split_at(20);
                frames.push(self.send(peer, words, first));
                self.send(peer, words, second)
            }
            // Ahead of its turn, and what was left out before.
            9 if is_logged_on && left_out.is_none() => {
                let message = self.message(peer, "1", "112=late|");
                let (first, second) = message.split_at(4);
                self.peers[peer].left_out = Some((seq, first.try_into().unwrap()));
                self.peers[peer].seq = seq.wrapping_add(4);
                self.send(peer, words, second)
            }
            10..14 if left_out.is_some() => {
                let (from, bytes) = self.peers[peer].left_out.take().unwrap_or_default();
                self.segment(port, (from, ack), words, Options::NONE, &bytes)
            }
            // A Logon that has no end, a byte at a time.
            0..10 if !is_logged_on => self.send(peer, words, b"8=FIX.4.4\x019=4000\x0135=A\x01"),
            10 => self.send(peer, Flags::ACK, b""),
            11 => self.segment(port, (seq.wrapping_sub(3), ack), words, Options::NONE, b"was"),
            12 => self.segment(port, (seq.wrapping_add(90_000), ack), words, Options::NONE, b"far"),
            13 if (SESSIONS..SPEAKERS).contains(&peer) => {
                self.peers[peer].is_open = false;
                self.send(peer, Flags::RST.with(Flags::ACK), b"")
            }
            14 if (SESSIONS..SPEAKERS).contains(&peer) => {
                self.peers[peer].is_open = false;
                self.send(peer, Flags::FIN.with(Flags::ACK), b"")
            }
            15 => self.segment(PORT - 1, (seq, ack), words, Options::NONE, b"whose is this"),
            16 => {
                let sack = Some(SackBlocks::of(SeqNumber(ack), SeqNumber(ack.wrapping_add(1))));
                self.segment(port, (seq, ack), Flags::ACK, Options { sack, ..Options::NONE }, b"")
            }
            17 => self.arp(),
            18 => {
                let mut frame = self.arp();
                frame[12..14].copy_from_slice(&[0x86, 0xdd]);
                frame
            }
            // Another's, and malformed ones: what was changed, shows.
            _ => {
                let mut frame = self.segment(port, (seq, ack), words, Options::NONE, b"harmed");
                match kind {
                    19 => frame[5] ^= 1,
                    20 => frame[33] ^= 1,
                    21 => frame[24] ^= 1,
                    22 => frame[50] ^= 1,
                    23 => frame[46] = 0x40,
                    24 => frame.truncate(60),
                    _ => frame[14] = 0x65,
                }
                frame
            }
        };
        frames.push(frame);
    }
}

/// What a burst is to bring besides what is simply next.
const HAPPENED: [&str; 18] = [
    "ethernet_not_for_us",
    "ethertype_unknown",
    "ipv4_version_wrong",
    "ipv4_total_length_wrong",
    "ipv4_checksum_wrong",
    "ipv4_not_for_us",
    "tcp_data_offset_wrong",
    "tcp_checksum_wrong",
    "arp_replies_sent",
    "tcp_segment_predicted",
    "tcp_reset_in",
    "tcp_reset_out",
    "tcp_out_of_order",
    "tcp_out_of_window",
    "tcp_duplicate_data",
    "closed_before_logon",
    "message_delivered",
    "message_assembled",
];

#[test]
fn a_crowd_s_bursts_come_to_the_same_as_their_frames_one_by_one() {
    for (model, seed) in [(Model::bare(), 1), (Model::full(), 2)] {
        let mut both = Both::new(model, seed);
        for round in 0..400 {
            let mut frames = Vec::new();
            while frames.len() <= round % 40 {
                both.act(&mut frames);
            }
            both.take_in(&frames);
        }
        assert!(both.bursts.engine.tcp.is_crowded());
        assert_eq!(both.bursts.counted(), both.singles.counted());
        let counted = both.bursts.counted();
        for name in HAPPENED {
            let (_, count) = counted.iter().find(|(known, _)| *known == name).unwrap();
            assert!(*count > 30, "{name}: {count}");
        }
    }
}
