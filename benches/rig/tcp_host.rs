//! fixwire's TCP without FIX: the path of `src/pipeline.rs` with its public parts, and a [`Responder`]
//! in the desk's place.

use fixwire::emit::{self, Emitter};
use fixwire::neighbor::{Neighbors, Network};
use fixwire::offload::nic::{Frame as _, Nic, RxMeta};
use fixwire::offload::observe::Observations;
use fixwire::tcp::{Config, ConnectionId, Endpoint, Event, Stack};
use fixwire::time::Instant;
use fixwire::verify::Verifier;
use fixwire::wire::ethernet::{self, Ethertype, Mac};
use fixwire::wire::{Refusal, arp, ipv4, tcp};

use crate::line::Host;
use crate::nic::{MemoryNic, Sums};
use crate::peer::{HOST_ADDR, HOST_MAC, PEER_ADDR, PEER_PORT};
use crate::respond::{ANSWER_LEN_MAX, Responder};

/// The clock stands still.
const NOW: Instant = Instant::from_ms(1_000);

/// Headers, checksums and TCP.
pub struct TcpHost<R> {
    nic: MemoryNic,
    verifier: Verifier,
    observations: Observations,
    neighbors: Neighbors,
    tcp: Stack,
    emitter: Emitter,
    connection: ConnectionId,
    is_connected: bool,
    responder: R,
}

impl<R: Responder> TcpHost<R> {
    /// One that connects to the peer.
    pub fn new(sums: Sums, responder: R) -> TcpHost<R> {
        let network = Network {
            mac: HOST_MAC,
            addr: HOST_ADDR,
            prefix_len: 24,
            gateway: None,
            vlan: None,
            mtu: 1500,
        };
        let plan = sums.plan();
        let mut tcp = Stack::new(Config::default(), [7; 16]);
        let local = Endpoint { addr: HOST_ADDR, port: 0 };
        let remote = Endpoint { addr: PEER_ADDR, port: PEER_PORT };
        let connection = tcp.connect(NOW, local, remote).expect("the first connection");
        TcpHost {
            nic: MemoryNic::new(sums),
            verifier: Verifier::new(&plan),
            observations: Observations::default(),
            neighbors: Neighbors::new(network),
            emitter: Emitter::new(&plan, network),
            is_connected: false,
            connection,
            tcp,
            responder,
        }
    }

    #[inline]
    fn receive(&mut self, meta: &RxMeta, bytes: &[u8]) -> Result<(), Refusal> {
        let frame = ethernet::Packet::parse(bytes)?;
        if frame.dst != HOST_MAC && frame.dst != Mac::BROADCAST {
            return Err(Refusal::EthernetNotForUs);
        }
        if frame.ethertype == Ethertype::Arp {
            self.neighbors.on_arp(NOW, &arp::Repr::parse(frame.payload)?)?;
            self.tcp.resume_transmits();
            return Ok(());
        }
        let packet = ipv4::Packet::parse(frame.payload)?;
        if packet.dst != HOST_ADDR {
            return Err(Refusal::Ipv4NotForUs);
        }
        if !ipv4::is_valid_source(packet.src) {
            return Err(Refusal::Ipv4SourceInvalid);
        }
        self.verifier.ipv4(meta, &packet, &mut self.observations)?;
        let segment = tcp::Packet::parse(packet.payload)?;
        self.verifier.tcp(meta, frame.header_len, &packet, &segment, &mut self.observations)?;
        let segment = segment.segment()?;
        let arrival = self.tcp.on_segment(NOW, packet.src, packet.dst, &segment);
        if !arrival.fresh.is_empty() {
            self.respond(&segment.payload[arrival.fresh]);
        }
        Ok(())
    }

    #[inline]
    fn respond(&mut self, message: &[u8]) {
        self.responder.take_in(message);
        let room = self.tcp.reserve(self.connection, ANSWER_LEN_MAX);
        let used = self.responder.answer(room.expect("the peer acknowledges everything"));
        self.tcp.commit(NOW, self.connection, used);
    }

    #[inline]
    fn transmit(&mut self) {
        while let Some((_, event)) = self.tcp.poll_event() {
            self.is_connected |= event == Event::Connected;
        }
        while let Some(turn) = self.tcp.next_transmit() {
            let network = self.neighbors.network();
            let next_hop = network.next_hop(turn.remote).expect("the peer is on the link");
            let Some(mac) = self.neighbors.lookup(NOW, next_hop) else {
                self.tcp.defer_transmit();
                continue;
            };
            let Some(mut frame) = self.nic.tx_frame() else { return };
            if let Some(segment) = self.tcp.transmit_rest(NOW, turn) {
                let (len, meta) = self.emitter.tcp(mac, &segment, frame.space());
                frame.finish(len, meta);
            } else if let Some(segment) = self.tcp.transmit(NOW, turn) {
                let (len, meta) = self.emitter.tcp(mac, &segment, frame.space());
                frame.finish(len, meta);
            }
            self.nic.send(frame);
        }
    }

    fn resolve(&mut self) {
        while let Some((dst, request)) = self.neighbors.poll_transmit(NOW) {
            let Some(mut frame) = self.nic.tx_frame() else { return };
            let (len, meta) = emit::arp(self.neighbors.network(), dst, &request, frame.space());
            frame.finish(len, meta);
            self.nic.send(frame);
        }
    }
}

impl<R: Responder> Host for TcpHost<R> {
    const BODY_LENGTH_DIGITS: usize = R::BODY_LENGTH_DIGITS;

    fn load(&mut self, frames: &[Vec<u8>]) {
        self.nic.load(frames);
    }

    #[inline]
    fn step(&mut self) {
        if let Some(frame) = self.nic.receive() {
            let meta = frame.rx_meta();
            self.receive(&meta, frame.bytes()).expect("the peer sends what can be taken in");
        }
        self.transmit();
        if self.neighbors.next_timeout() <= NOW {
            self.resolve();
        }
    }

    fn sent(&self) -> u64 {
        self.nic.sent()
    }

    fn kept(&self) -> Vec<&[u8]> {
        self.nic.kept().collect()
    }
}
