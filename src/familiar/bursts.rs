//! What a burst's look ahead found, against frames that are taken in one by one the long way: connections that end,
//! begin anew and come to be between the look and a frame's turn.

use core::ops::Range;

use proptest::prelude::*;

use super::*;
use crate::emit::Emitter;
use crate::offload::plan::{Capabilities, Plan};
use crate::offload::profile::{Policy, Profile};
use crate::tcp::{Arrival, Config, Endpoint, Event, Transmit};
use crate::time::Instant;
use crate::wire::ethernet::Mac;
use crate::wire::tcp::SeqNumber;

const NOW: Instant = Instant::from_ms(1);
const OURS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
const THEIRS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const OUR_MAC: Mac = Mac([2, 0, 0, 0, 0, 2]);
const LISTENED: u16 = 9878;
/// The peers' first port, and how many they have: fewer than there can be connections, so that places serve again.
const PORT: u16 = 40_000;
const PEERS: usize = 4;

fn network(addr: Ipv4Addr, mac: Mac) -> Network {
    Network { mac, addr, prefix_len: 24, gateway: None, vlan: None, mtu: 1500 }
}

fn stack() -> Stack {
    let mut stack = Stack::new(Config { connections_max: PEERS, ..Config::default() }, [7; 16]);
    stack.listen(Endpoint { addr: OURS, port: LISTENED }).unwrap();
    stack
}

/// What comes in, or what the application does then.
#[derive(Clone, Debug)]
enum Step {
    Frame(Vec<u8>),
    Abort(usize),
}

/// What came of a step: whose the segment was and what was new in it, and what left.
type Outcome = (Option<(ConnectionId, Range<usize>)>, Vec<String>);

/// A stack, and an application that answers whatever it hears.
struct Host {
    stack: Stack,
    /// Of each peer's connection, if there is one.
    ids: [Option<ConnectionId>; PEERS],
}

impl Host {
    fn new() -> Host {
        Host { stack: stack(), ids: [None; PEERS] }
    }

    /// The application's part, and what leaves.
    fn settle(&mut self, arrival: Option<Arrival>, mut each: impl FnMut(&Transmit<'_>)) -> Outcome {
        while let Some((id, event)) = self.stack.poll_event() {
            match event {
                Event::Connected => {
                    let remote = self.stack.info(id).unwrap().remote;
                    self.ids[usize::from(remote.port - PORT)] = Some(id);
                }
                Event::Closed(_) => {
                    self.ids
                        .iter_mut()
                        .filter(|held| **held == Some(id))
                        .for_each(|held| *held = None);
                    self.stack.release(id);
                }
                _ => {}
            }
        }
        let heard = arrival.and_then(|arrival| Some((arrival.connection?, arrival.fresh)));
        if let Some((id, fresh)) = &heard
            && !fresh.is_empty()
        {
            let _ = self.stack.write(NOW, *id, 3, |room| {
                room.copy_from_slice(b"yes");
                3
            });
        }
        let mut left = Vec::new();
        while let Some(segment) = self.stack.poll_transmit(NOW) {
            each(&segment);
            left.push(format!("{segment:?}"));
        }
        (heard, left)
    }

    /// The long way of a frame.
    fn take_in(&mut self, bytes: &[u8]) -> Arrival {
        let packet = ipv4::Packet::parse(&bytes[IP..]).unwrap();
        let segment = tcp::Packet::parse(packet.payload).unwrap().segment().unwrap();
        self.stack.on_segment(NOW, packet.src, packet.dst, &segment)
    }

    fn abort(&mut self, peer: usize) {
        if let Some(id) = self.ids[peer] {
            self.stack.abort(NOW, id);
        }
    }
}

/// The other end of one connection after the other.
#[derive(Clone, Copy, Debug, Default)]
struct Peer {
    seq: u32,
    ack: u32,
    is_open: bool,
}

/// Makes steps as it goes, as what a peer says depends on what it has heard.
struct Recorder {
    host: Host,
    peers: [Peer; PEERS],
    steps: Vec<Step>,
    outcomes: Vec<Outcome>,
    emitter: Emitter,
}

impl Recorder {
    fn new() -> Recorder {
        let plan = Plan::negotiate("test", &Profile::all(Policy::Off), &Capabilities::NONE);
        let emitter = Emitter::new(&plan, network(THEIRS, Mac([2, 0, 0, 0, 0, 1])));
        let (host, peers) = (Host::new(), [Peer::default(); PEERS]);
        Recorder { host, peers, steps: Vec::new(), outcomes: Vec::new(), emitter }
    }

    fn take(&mut self, step: Step) {
        let arrival = match &step {
            Step::Frame(bytes) => Some(self.host.take_in(bytes)),
            Step::Abort(peer) => {
                self.host.abort(*peer);
                None
            }
        };
        let peers = &mut self.peers;
        let outcome = self.host.settle(arrival, |segment| {
            let header = &segment.header;
            let Some(peer) = peers.get_mut(usize::from(header.dst_port.wrapping_sub(PORT))) else {
                return;
            };
            peer.is_open &= !header.flags.has(Flags::RST);
            let len = segment.payload[0].len() + segment.payload[1].len();
            peer.ack = header.seq.0 + len as u32 + u32::from(header.flags.has(Flags::SYN));
        });
        self.steps.push(step);
        self.outcomes.push(outcome);
    }

    fn send(&mut self, port: u16, flags: Flags, payload: &[u8]) {
        let peer = self.peers.get(usize::from(port - PORT)).copied().unwrap_or_default();
        let segment = Transmit {
            connection: None,
            local: THEIRS,
            remote: OURS,
            header: tcp::Repr {
                src_port: port,
                dst_port: LISTENED,
                seq: SeqNumber(peer.seq),
                ack: SeqNumber(peer.ack),
                flags,
                window: 1_000,
                options: Options {
                    timestamps: Some(Timestamps { value: 1, echo: 1 }),
                    ..Options::NONE
                },
            },
            payload: [payload, &[]],
            retransmission: false,
            is_ect: false,
        };
        let mut out = vec![0; 256];
        let (len, _) = self.emitter.tcp(OUR_MAC, &segment, &mut out);
        out.truncate(len);
        if let Some(peer) = self.peers.get_mut(usize::from(port - PORT)) {
            peer.seq += payload.len() as u32 + u32::from(flags.has(Flags::SYN));
        }
        self.take(Step::Frame(out));
    }

    /// Connects, if that is not so.
    fn open(&mut self, peer: usize) {
        if self.peers[peer].is_open {
            return;
        }
        self.peers[peer].seq += 100_000;
        self.peers[peer].ack = 0;
        self.peers[peer].is_open = true;
        self.send(PORT + peer as u16, Flags::SYN, b"");
    }

    fn act(&mut self, (kind, peer): (u8, usize)) {
        let port = PORT + peer as u16;
        match kind {
            0 => self.open(peer),
            1 if self.peers[peer].is_open => {
                self.send(port, Flags::RST.with(Flags::ACK), b"");
                self.peers[peer].is_open = false;
            }
            2 => self.take(Step::Abort(peer)),
            3 => self.send(PORT + PEERS as u16, Flags::ACK.with(Flags::PSH), b"whose is this"),
            // Where it is not open, of a connection that is over.
            _ => self.send(port, Flags::ACK.with(Flags::PSH), b"word"),
        }
    }
}

/// How often the look ahead was of use, and how often what it had found was so no more.
#[derive(Debug, Default)]
struct Seen {
    known: usize,
    stale: usize,
    not_yet: usize,
}

/// Takes the same in, so many frames at once.
fn replay(recorded: &Recorder, bursts: &[usize]) -> Seen {
    let mut familiar = Familiar::new(&network(OURS, OUR_MAC));
    let (mut host, mut seen) = (Host::new(), Seen::default());
    let mut steps = recorded.steps.iter().zip(&recorded.outcomes).peekable();
    for burst in bursts.iter().cycle() {
        if steps.peek().is_none() {
            break;
        }
        // A burst's frames are there before the first of them is taken in, whatever the application does in between.
        let mut frames = 0;
        let mut now: Vec<_> = Vec::new();
        while frames < *burst
            && let Some((step, outcome)) = steps.next()
        {
            frames += usize::from(matches!(step, Step::Frame(_)));
            now.push((step, outcome));
        }
        let frames = now.iter().filter_map(|(step, _)| match step {
            Step::Frame(bytes) => Some(&bytes[..]),
            Step::Abort(_) => None,
        });
        let waiting: Vec<&[u8]> = frames.collect();
        let (mut at, mut known) = (0, Vec::new());
        for (step, outcome) in now {
            let arrival = match step {
                Step::Frame(bytes) => {
                    // A few are looked at before the few before them are taken in.
                    while known.len() < waiting.len().min(at + FRAMES_AHEAD + 1) {
                        let end = waiting.len().min(known.len() + FRAMES_AHEAD);
                        let next = &waiting[known.len()..end];
                        let ids = familiar.look_ahead(&host.stack, next.iter().copied());
                        known.extend_from_slice(&ids[..next.len()]);
                    }
                    at += 1;
                    Some(take_in_known(&mut familiar, &mut host, bytes, known[at - 1], &mut seen))
                }
                Step::Abort(peer) => {
                    host.abort(*peer);
                    None
                }
            };
            assert_eq!(&host.settle(arrival, |_| {}), outcome, "{step:?}");
        }
    }
    let counted = |stack: &Stack| stack.counters().iter().collect::<Vec<_>>();
    assert_eq!(counted(&host.stack), counted(&recorded.host.stack));
    seen
}

/// A frame's way as the engine has it.
fn take_in_known(
    familiar: &mut Familiar,
    host: &mut Host,
    bytes: &[u8],
    whose: ConnectionId,
    seen: &mut Seen,
) -> Arrival {
    let is_known = whose != ConnectionId::NOBODY;
    let Some((frame, id)) = familiar.find_known(&host.stack, bytes, whose) else {
        return host.take_in(bytes);
    };
    if host.stack.take_predicted(NOW, id, frame.stamped()) {
        seen.known += usize::from(is_known);
        seen.not_yet += usize::from(!is_known);
        return Arrival::predicted(id, frame.payload().len());
    }
    if let Some(arrival) = host.stack.take_ahead(NOW, id, frame.stamped(), frame.payload()) {
        return arrival;
    }
    seen.stale += usize::from(is_known && host.stack.established(ends(frame.headers)) != Some(id));
    familiar.forget();
    let (packet, segment) = (frame.packet(), frame.segment());
    host.stack.on_segment(NOW, packet.src, packet.dst, &segment)
}

fn recorded(acts: &[(u8, usize)]) -> Recorder {
    let mut recorder = Recorder::new();
    acts.iter().for_each(|act| recorder.act(*act));
    recorder
}

const OPEN: u8 = 0;
const RESET: u8 = 1;
const ABORT: u8 = 2;
const NOBODY_S: u8 = 3;
const WORD: u8 = 4;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_burst_comes_to_the_same_as_its_frames_one_by_one(
        acts in prop::collection::vec((0u8..9, 0..PEERS), 1..80),
        bursts in prop::collection::vec(1usize..3 * FRAMES_AHEAD, 1..6),
    ) {
        replay(&recorded(&acts), &bursts);
    }
}

/// A connection is established in a burst of its own, and speaks.
const BEGUN: [(u8, usize); 3] = [(OPEN, 0), (WORD, 0), (WORD, 0)];

fn after_begun(acts: &[(u8, usize)]) -> Seen {
    let all: Vec<_> = BEGUN.iter().chain(acts).copied().collect();
    replay(&recorded(&all), &[BEGUN.len(), 3 * FRAMES_AHEAD])
}

#[test]
fn who_was_known_ahead_is_nobody_once_a_frame_of_the_burst_or_the_application_ended_it() {
    for end in [RESET, ABORT] {
        let seen = after_begun(&[(WORD, 0), (end, 0), (WORD, 0), (WORD, 0)]);
        assert!(seen.known >= 1 && seen.stale >= 2, "{seen:?}");
    }
}

#[test]
fn who_begins_anew_within_a_burst_is_another_than_was_known_ahead() {
    let seen = after_begun(&[(WORD, 0), (RESET, 0), (OPEN, 0), (WORD, 0), (WORD, 0)]);
    assert!(seen.known >= 1 && seen.stale >= 2, "{seen:?}");
}

#[test]
fn who_comes_to_be_within_a_burst_is_found_though_nobody_was_known_ahead() {
    let seen = after_begun(&[(OPEN, 1), (WORD, 1), (WORD, 1), (NOBODY_S, 0), (WORD, 1)]);
    assert!(seen.not_yet >= 1, "{seen:?}");
}

#[test]
fn a_burst_longer_than_the_look_ahead_is_looked_at_in_pieces() {
    let acts = [(WORD, 0); 2 * FRAMES_AHEAD + 3];
    let seen = after_begun(&acts);
    assert_eq!((seen.known, seen.stale), (acts.len(), 0), "{seen:?}");
}
