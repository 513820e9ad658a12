//! Our TCP as a host without a NIC: frames in, frames out. No FIX, no engine.
// Each of those who share it uses a part.
#![allow(dead_code)]

use std::net::Ipv4Addr;

use fixwire::emit::Emitter;
use fixwire::neighbor::{self, Neighbors, Network};
use fixwire::offload::observe::Observations;
use fixwire::offload::plan::Plan;
use fixwire::tcp::{Config, ConnectionId, Endpoint, Event, Stack};
use fixwire::time::{Instant, UtcTime};
use fixwire::verify::Verifier;
use fixwire::wire::ethernet::{self, Ethertype, Mac};
use fixwire::wire::icmp::Message;
use fixwire::wire::ipv4::{self, Protocol};
use fixwire::wire::{Refusal, arp, tcp};
use fixwire_hw::capture::Recording;
use word::Told;

#[path = "word.rs"]
pub(crate) mod word;

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
    pub(crate) verifier: Verifier,
    observations: Observations,
    /// What leaves, and what arrives whole, where somebody wants to look at it.
    pub(crate) recording: Option<Recording>,
    /// Bytes that came in order, by what the test has of them.
    pub(crate) received: Vec<u8>,
    /// Whose they are: so many of this connection, so many of that.
    pub(crate) shares: Vec<(ConnectionId, usize)>,
    /// What comes is left, so that our window closes.
    pub(crate) holds: bool,
    pub(crate) events: Vec<(ConnectionId, Event)>,
    /// Frames that no sum vouched for.
    pub(crate) refused: u64,
    /// Damaged frames that were believed on the device's word, and go no further: what comes of them no TCP can mend.
    pub(crate) deceived: u64,
}

/// What a frame holds that was believed.
enum Heard<'a> {
    Segment(ipv4::Packet<'a>, tcp::Packet<'a>),
    Icmp(Message<'a>),
    /// It is not for our TCP.
    Nothing,
}

impl End {
    /// One whose sums are made and checked as `plan` has it, which knows who is on the other side.
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
            verifier: Verifier::new(plan),
            observations: Observations::default(),
            recording: None,
            received: Vec::new(),
            shares: Vec::new(),
            holds: false,
            events: Vec::new(),
            refused: 0,
            deceived: 0,
        }
    }

    /// Connects to the other end's `port`, from the port `local` or, if that is 0, from any.
    pub(crate) fn connect(&mut self, now: Instant, local: u16, port: u16) -> ConnectionId {
        let local = Endpoint { addr: self.neighbors.network().addr, port: local };
        let remote = Endpoint { addr: self.remote, port };
        self.stack.connect(now, local, remote).expect("nothing is in the way")
    }

    /// A frame has arrived, of which the device says nothing. Where it asks for our hardware address, the answer.
    pub(crate) fn arrive(&mut self, now: Instant, bytes: &[u8]) -> Option<Vec<u8>> {
        self.arrive_told(now, &Told::NOTHING, bytes)
    }

    /// The same, where the device says something of it.
    pub(crate) fn arrive_told(
        &mut self,
        now: Instant,
        told: &Told,
        bytes: &[u8],
    ) -> Option<Vec<u8>> {
        let frame = ethernet::Packet::parse(bytes).ok()?;
        if frame.ethertype == Ethertype::Arp {
            let packet = arp::Repr::parse(frame.payload).ok()?;
            let neighbor::Heard { reply, .. } = self.neighbors.on_arp(now, &packet).ok()?;
            let (dst, reply) = reply?;
            let mut out = [0; 64];
            let (len, _) = fixwire::emit::arp(self.neighbors.network(), dst, &reply, &mut out);
            return Some(out[..len].to_vec());
        }
        if frame.ethertype != Ethertype::Ipv4 {
            return None;
        }
        let unfinished = told.is_unfinished.then(|| unfinished(frame.payload));
        match self.believed(told, unfinished.as_deref().unwrap_or(frame.payload)) {
            Err(_) => self.refused += 1,
            Ok(_) if told.is_damaged => self.deceived += 1,
            Ok(heard) => {
                self.record(now, false, bytes);
                self.take(now, &heard);
            }
        }
        None
    }

    fn take(&mut self, now: Instant, heard: &Heard<'_>) {
        match heard {
            Heard::Segment(packet, segment) => self.take_segment(now, packet, segment),
            Heard::Icmp(Message::TooBig { segment, mtu }) => {
                self.stack.on_path_mtu(now, segment, *mtu);
            }
            Heard::Icmp(_) | Heard::Nothing => {}
        }
    }

    fn take_segment(&mut self, now: Instant, packet: &ipv4::Packet<'_>, segment: &tcp::Packet<'_>) {
        let Ok(mut segment) = segment.segment() else { return };
        segment.is_ce = packet.is_ce();
        let arrival = self.stack.on_segment(now, packet.src, packet.dst, &segment);
        let fresh = &segment.payload[arrival.fresh];
        let Some(id) = arrival.connection else { return };
        if self.holds {
            self.stack.keep(id, fresh);
        } else {
            self.receive(id, fresh);
            if arrival.joined {
                self.read(now, id);
            }
        }
    }

    fn receive(&mut self, id: ConnectionId, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.received.extend_from_slice(bytes);
        match self.shares.last_mut() {
            Some((whose, len)) if *whose == id => *len += bytes.len(),
            _ => self.shares.push((id, bytes.len())),
        }
    }

    /// Takes all that was left.
    pub(crate) fn read(&mut self, now: Instant, id: ConnectionId) {
        while !self.stack.readable(id).is_empty() {
            let run = self.stack.readable(id).to_vec();
            self.receive(id, &run);
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

    /// What a packet holds, if the device's word or its sums vouch for it: steps 3 and 5 of `src/pipeline.rs`.
    fn believed<'a>(&mut self, told: &Told, bytes: &'a [u8]) -> Result<Heard<'a>, Refusal> {
        let packet = ipv4::Packet::parse(bytes)?;
        let (verifier, observations) = (&mut self.verifier, &mut self.observations);
        if packet.dst != self.neighbors.network().addr && !told.is_damaged {
            return Ok(Heard::Nothing);
        }
        if packet.protocol == Protocol::Tcp && verifier.believes(&told.meta, observations) {
            return Ok(Heard::Segment(packet, tcp::Packet::parse(packet.payload)?));
        }
        verifier.ipv4(&told.meta, &packet, observations)?;
        match packet.protocol {
            Protocol::Icmp => Ok(Heard::Icmp(Message::parse(packet.payload)?)),
            Protocol::Tcp => {
                let segment = tcp::Packet::parse(packet.payload)?;
                let l2_len = ethernet::HEADER_LEN;
                verifier.tcp(&told.meta, l2_len, &packet, &segment, observations)?;
                Ok(Heard::Segment(packet, segment))
            }
        }
    }
}

/// A packet of a segment whose sum covers the pseudo-header alone, as the kernel leaves it within a host.
fn unfinished(bytes: &[u8]) -> Vec<u8> {
    let mut packet = bytes.to_vec();
    if let Ok(parsed) = ipv4::Packet::parse(bytes) {
        let at = parsed.header.len() + tcp::CHECKSUM_OFFSET;
        packet[at..at + 2].copy_from_slice(&parsed.tcp_pseudo_header().folded().to_be_bytes());
    }
    packet
}
