//! A prepared send: the payload stands in its frame, headers before it; what is measured is all that is left
//! until the frame can be handed over, the copy for a retransmission and every note that TCP takes included. Held, the frame
//! itself is kept in place of the copy, and to keep it is included.

use fixwire::emit::{Emitter, PreparedHeaders};
use fixwire::neighbor::Network;
use fixwire::offload::nic::Frame as _;
use fixwire::tcp::{Config, ConnectionId, Endpoint, Event, HeldPayload, Prepared, Stack};
use fixwire::time::Instant;
use fixwire::wire::tcp::{Flags, Options, Segment, SeqNumber};

use fixwire_hw::pool::{FRAME_ROOM, Frame, Held, Pool};

use crate::case::{Bench, Case, US};
use crate::messages::filler;
use crate::nic::Sums;
use crate::peer::{HOST_ADDR, HOST_MAC, PEER_ADDR, PEER_MAC, PEER_PORT};

/// The clock stands still.
pub(super) const NOW: Instant = Instant::from_ms(1_000);
/// Each send makes its connection's next header another: so many connections, that one batch is long enough
/// to be timed, each with one send prepared.
const CONNECTIONS: usize = 16;
/// More than caches that a core has to itself have room for.
const MANY: usize = 4_096;
const PAYLOAD_LEN: usize = 150;
const FRAME_LEN: usize = 1_536;

pub(super) fn cases() -> impl Iterator<Item = Case> {
    let ways = [(false, ""), (true, " held")];
    ways.into_iter().flat_map(|(holds, how)| {
        Sums::BOTH.into_iter().flat_map(move |sums| {
            let make = move |connections| move || PreparedSends::new(sums, holds, connections);
            let few = format!("tcp/prepared send{how}/{}", sums.name());
            let many = format!("tcp/prepared send{how}, {MANY} connections/{}", sums.name());
            let many = Case::new(many, US, make(MANY)).uncounted();
            [Case::new(few, US, make(CONNECTIONS)), many]
        })
    })
}

/// A connection and its frame.
struct Line {
    id: ConnectionId,
    /// What the peer says next.
    peer: Segment<'static>,
    prepared: Option<(Prepared, PreparedHeaders)>,
    frame: Vec<u8>,
    /// What is held in its place: a buffer of a pool's.
    buffer: Frame,
}

struct PreparedSends {
    stack: Stack,
    emitter: Emitter,
    lines: Vec<Line>,
    written: usize,
    holds: bool,
    held: Vec<(HeldPayload, Held, [u16; 2])>,
}

impl PreparedSends {
    fn new(sums: Sums, holds: bool, connections: usize) -> PreparedSends {
        let network = Network {
            mac: HOST_MAC,
            addr: HOST_ADDR,
            prefix_len: 24,
            gateway: None,
            vlan: None,
            mtu: 1500,
        };
        let config = Config { connections_max: connections.max(64), ..Config::default() };
        let mut stack = Stack::new(config, [7; 16]);
        let pool = Pool::new(connections, FRAME_ROOM);
        let line = |(id, peer)| {
            let buffer = pool.take().expect("one for each connection");
            Line { id, peer, prepared: None, frame: vec![0; FRAME_LEN], buffer }
        };
        let lines = 0..connections as u16;
        let lines = lines.map(|number| line(connected(&mut stack, number))).collect();
        let emitter = Emitter::new(&sums.plan(), network);
        let held = Vec::with_capacity(connections);
        PreparedSends { stack, emitter, lines, written: 0, holds, held }
    }
}

/// A connection, the `line`th, and what its peer says next.
pub(super) fn connected(stack: &mut Stack, line: u16) -> (ConnectionId, Segment<'static>) {
    let local = Endpoint { addr: HOST_ADDR, port: 49_152 + line };
    let remote = Endpoint { addr: PEER_ADDR, port: PEER_PORT };
    let id = stack.connect(NOW, local, remote).expect("a connection");
    let ours = stack.poll_transmit(NOW).expect("a SYN").header;
    let mut peer = Segment {
        src_port: PEER_PORT,
        dst_port: ours.src_port,
        seq: SeqNumber(0x1000_0000),
        ack: ours.seq + 1,
        flags: Flags::SYN.with(Flags::ACK),
        window: u16::MAX,
        options: ours.options,
        payload: &[],
        is_ce: false,
    };
    if let Some(stamps) = &mut peer.options.timestamps {
        (stamps.echo, stamps.value) = (stamps.value, 1);
    }
    stack.on_segment(NOW, PEER_ADDR, HOST_ADDR, &peer);
    assert_eq!(stack.poll_event(), Some((id, Event::Connected)));
    while stack.poll_transmit(NOW).is_some() {}
    peer.seq += 1;
    peer.flags = Flags::ACK;
    peer.options = Options { timestamps: peer.options.timestamps, ..Options::NONE };
    (id, peer)
}

impl Bench for PreparedSends {
    fn batch_max(&self) -> usize {
        self.lines.len()
    }

    fn prepare(&mut self, count: usize) {
        let payload = filler(PAYLOAD_LEN);
        for line in &mut self.lines[..count] {
            line.peer.ack = self.stack.info(line.id).expect("it is open").snd_nxt;
            self.stack.on_segment(NOW, PEER_ADDR, HOST_ADDR, &line.peer);
            while self.stack.poll_transmit(NOW).is_some() {}
            let prepared = self.stack.prepare(NOW, line.id).expect("it is established");
            let headers = self.emitter.prepare(PEER_MAC, &prepared, &mut line.frame);
            line.frame[headers.payload_at()..][..PAYLOAD_LEN].copy_from_slice(&payload);
            line.prepared = Some((prepared, headers));
        }
        self.written = 0;
        self.held.clear();
    }

    #[inline(never)]
    fn run(&mut self, count: usize) {
        if self.holds { self.run_held(count) } else { self.run_copied(count) }
    }

    fn check(&mut self, count: usize) {
        assert_eq!(self.written, count * (14 + 20 + 32 + PAYLOAD_LEN), "each left, whole");
        assert_eq!(self.held.len(), if self.holds { count } else { 0 });
    }
}

impl PreparedSends {
    fn run_held(&mut self, count: usize) {
        let wants_sum = self.emitter.wants_sum();
        for line in &mut self.lines[..count] {
            let Some((prepared, headers)) = &line.prepared else { return };
            let at = headers.payload_at();
            let payload = &line.frame[at..][..PAYLOAD_LEN];
            let Ok((left, Some(name))) = self.stack.send_held(NOW, prepared, payload, 0, wants_sum)
            else {
                return;
            };
            let (len, _) = self.emitter.finish_prepared(
                headers,
                left.timestamps,
                PAYLOAD_LEN,
                left.sum,
                &mut line.frame,
            );
            if let Some(held) = line.buffer.hold() {
                self.held.push((name, held, [at as u16, PAYLOAD_LEN as u16]));
            }
            self.written += len;
        }
    }

    fn run_copied(&mut self, count: usize) {
        let wants_sum = self.emitter.wants_sum();
        for line in &mut self.lines[..count] {
            let Some((prepared, headers)) = &line.prepared else { return };
            let payload = &line.frame[headers.payload_at()..][..PAYLOAD_LEN];
            let Ok(left) = self.stack.send_prepared(NOW, prepared, payload, 0, wants_sum) else {
                return;
            };
            let (len, _) = self.emitter.finish_prepared(
                headers,
                left.timestamps,
                PAYLOAD_LEN,
                left.sum,
                &mut line.frame,
            );
            self.written += len;
        }
    }
}
