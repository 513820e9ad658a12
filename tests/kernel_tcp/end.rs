//! Our TCP as a host without a NIC: frames in, frames out. No FIX, no engine.
// Each of those who share it uses a part.
#![allow(dead_code)]

use std::net::Ipv4Addr;

use fixwire::emit::Emitter;
use fixwire::neighbor::{Heard, Neighbors, Network};
use fixwire::offload::checksum::Sum;
use fixwire::offload::plan::Plan;
use fixwire::tcp::{Config, ConnectionId, Endpoint, Event, Stack};
use fixwire::time::{Instant, UtcTime};
use fixwire::wire::ethernet::{self, Ethertype, Mac};
use fixwire::wire::ipv4::{self, Protocol};
use fixwire::wire::{arp, tcp};
use fixwire_hw::capture::Recording;

pub(crate) const OURS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
pub(crate) const THEIRS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);

/// Who one end of a line is.
pub(crate) type Who = (Ipv4Addr, Mac);

/// Our end of a line.
pub(crate) struct End {
    remote: Ipv4Addr,
    pub(crate) stack: Stack,
    neighbors: Neighbors,
    emitter: Emitter,
    /// What leaves, and what arrives whole, where somebody wants to look at it.
    pub(crate) recording: Option<Recording>,
    /// Bytes that came in order, by what the test has of them.
    pub(crate) received: Vec<u8>,
    /// What comes is left, so that our window closes.
    pub(crate) holds: bool,
    pub(crate) events: Vec<(ConnectionId, Event)>,
    /// Frames that no sum vouched for.
    pub(crate) refused: u64,
}

impl End {
    /// One whose sums are made as `plan` has it, which knows who is on the other side.
    pub(crate) fn new(now: Instant, config: Config, plan: &Plan, ours: Who, theirs: Who) -> End {
        let (addr, mac) = ours;
        let network = Network { mac, addr, prefix_len: 24, gateway: None, vlan: None, mtu: 1500 };
        let mut neighbors = Neighbors::new(network);
        let told = arp::Repr {
            operation: arp::Operation::Request,
            sender_mac: theirs.1,
            sender: theirs.0,
            target_mac: Mac([0; 6]),
            target: addr,
        };
        neighbors.on_arp(now, &told).expect("an address of the network");
        End {
            remote: theirs.0,
            stack: Stack::new(config, *b"not to be guessd"),
            neighbors,
            emitter: Emitter::new(plan, network),
            recording: None,
            received: Vec::new(),
            holds: false,
            events: Vec::new(),
            refused: 0,
        }
    }

    /// Connects to the other end's `port`, from the port `local` or, if that is 0, from any.
    pub(crate) fn connect(&mut self, now: Instant, local: u16, port: u16) -> ConnectionId {
        let local = Endpoint { addr: self.neighbors.network().addr, port: local };
        let remote = Endpoint { addr: self.remote, port };
        self.stack.connect(now, local, remote).expect("nothing is in the way")
    }

    /// A frame has arrived. Where it asks for our hardware address, the answer.
    pub(crate) fn arrive(&mut self, now: Instant, bytes: &[u8]) -> Option<Vec<u8>> {
        let frame = ethernet::Packet::parse(bytes).ok()?;
        if frame.ethertype == Ethertype::Arp {
            let packet = arp::Repr::parse(frame.payload).ok()?;
            let Heard { reply, .. } = self.neighbors.on_arp(now, &packet).ok()?;
            let (dst, reply) = reply?;
            let mut out = [0; 64];
            let (len, _) = fixwire::emit::arp(self.neighbors.network(), dst, &reply, &mut out);
            return Some(out[..len].to_vec());
        }
        if let Some((packet, segment)) = self.believed(frame.payload) {
            self.record(now, false, bytes);
            self.take(now, &packet, &segment);
        } else {
            self.refused += 1;
        }
        None
    }

    fn take(&mut self, now: Instant, packet: &ipv4::Packet<'_>, segment: &tcp::Packet<'_>) {
        let Ok(mut segment) = segment.segment() else { return };
        segment.is_ce = packet.is_ce();
        let arrival = self.stack.on_segment(now, packet.src, packet.dst, &segment);
        let fresh = &segment.payload[arrival.fresh];
        let Some(id) = arrival.connection else { return };
        if self.holds {
            self.stack.keep(id, fresh);
        } else {
            self.received.extend_from_slice(fresh);
            if arrival.joined {
                self.read(now, id);
            }
        }
    }

    /// Takes all that was left.
    pub(crate) fn read(&mut self, now: Instant, id: ConnectionId) {
        while !self.stack.readable(id).is_empty() {
            let run = self.stack.readable(id).to_vec();
            self.received.extend_from_slice(&run);
            self.stack.consume(now, id, run.len());
        }
    }

    /// Timers, and what there is to be told of.
    pub(crate) fn turn(&mut self, now: Instant) {
        if self.stack.next_timeout() <= now {
            self.stack.on_timeout(now);
        }
        while let Some(event) = self.stack.poll_event() {
            self.events.push(event);
        }
    }

    /// The next frame that leaves.
    pub(crate) fn leave(&mut self, now: Instant) -> Option<Vec<u8>> {
        while self.stack.next_transmit().is_some() {
            let Some(mac) = self.neighbors.lookup(now, self.remote) else {
                self.stack.defer_transmit();
                continue;
            };
            let segment = self.stack.poll_transmit(now)?;
            let mut out = vec![0; 1600];
            let (len, _) = self.emitter.tcp(mac, &segment, &mut out);
            out.truncate(len);
            self.record(now, true, &out);
            return Some(out);
        }
        None
    }

    fn record(&mut self, now: Instant, leaves: bool, bytes: &[u8]) {
        if let Some(recording) = &mut self.recording {
            recording.push(0, UtcTime::from_unix_ns(now.as_ns()), leaves, bytes);
        }
    }

    /// A packet for us whose sums are right, and its segment.
    fn believed<'a>(&self, bytes: &'a [u8]) -> Option<(ipv4::Packet<'a>, tcp::Packet<'a>)> {
        let packet = ipv4::Packet::parse(bytes).ok()?;
        let sum = Sum::of(packet.payload);
        let is_right = packet.protocol == Protocol::Tcp
            && packet.dst == self.neighbors.network().addr
            && packet.checksum_is_valid()
            && packet.tcp_pseudo_header().plus(sum).is_valid();
        let segment = tcp::Packet::parse(packet.payload).ok()?;
        is_right.then_some((packet, segment))
    }
}
