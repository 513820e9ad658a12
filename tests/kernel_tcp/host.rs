//! Our TCP as a host on a TAP: no FIX, no engine, and the relay between it and the kernel. What leaves and what
//! arrives whole at our end is recorded for tshark.

use std::net::Ipv4Addr;

use fixwire::emit::Emitter;
use fixwire::neighbor::{Neighbors, Network};
use fixwire::offload::device::Device;
use fixwire::offload::flow::RuleSet;
use fixwire::offload::nic::{Burst, Frame, Nic, TxMeta};
use fixwire::offload::plan::Plan;
use fixwire::offload::profile::{Policy, Profile};
use fixwire::tcp::{Config, ConnectionId, Endpoint, Event, Stack};
use fixwire::time::{Clock, Instant};
use fixwire::wire::ethernet::{self, Ethertype, Mac};
use fixwire::wire::ipv4::{self, Protocol};
use fixwire::wire::{arp, tcp};
use fixwire_hw::capture::Recording;
use fixwire_hw::clock::HostClock;
use fixwire_hw::tap::{TapBackend, TapNic};

use crate::relay::{Faults, Relay};

pub(crate) const OURS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
pub(crate) const THEIRS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
pub(crate) const PORT: u16 = 9878;

/// Our end, polled by whoever tests.
pub(crate) struct Host {
    nic: TapNic,
    clock: HostClock,
    pub(crate) stack: Stack,
    neighbors: Neighbors,
    emitter: Emitter,
    out: Relay,
    inward: Relay,
    recording: Recording,
    /// Bytes that came in order, by what the test has of them.
    pub(crate) received: Vec<u8>,
    /// What comes is left, so that our window closes.
    pub(crate) holds: bool,
    pub(crate) events: Vec<(ConnectionId, Event)>,
    /// Frames from the relay that no sum vouched for.
    pub(crate) refused: u64,
}

impl Host {
    /// A host on a new TAP of this namespace, whose every sum is made and checked in software.
    pub(crate) fn new(config: Config, faults: Faults) -> Host {
        let backend = TapBackend::attach("fwg0").expect("a TAP");
        let kernel_mac = Mac(backend.kernel_side().mac);
        let mac = Mac(backend.mac());
        let profile = Profile::all(Policy::Off);
        let device = Device::probed(backend).plan(&profile, RuleSet::EMPTY);
        let device = device.configure().expect("a TAP configures");
        let (nic, plan): (TapNic, Plan) =
            device.start().and_then(|device| device.steer()).expect("a TAP starts");
        let network =
            Network { mac, addr: OURS, prefix_len: 24, gateway: None, vlan: None, mtu: 1500 };
        let mut neighbors = Neighbors::new(network);
        let clock = HostClock::new();
        neighbors
            .on_arp(
                clock.now().mono,
                &arp::Repr {
                    operation: arp::Operation::Request,
                    sender_mac: kernel_mac,
                    sender: THEIRS,
                    target_mac: Mac([0; 6]),
                    target: OURS,
                },
            )
            .expect("the kernel's own address");
        Host {
            nic,
            clock,
            stack: Stack::new(config, *b"not to be guessd"),
            neighbors,
            emitter: Emitter::new(&plan, network),
            out: Relay::new(faults, 1),
            inward: Relay::new(faults, 2),
            recording: Recording::new("fixwire", &["fwg0"]),
            received: Vec::new(),
            holds: false,
            events: Vec::new(),
            refused: 0,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now().mono
    }

    pub(crate) fn connect(&mut self) -> ConnectionId {
        let local = Endpoint { addr: OURS, port: 0 };
        let remote = Endpoint { addr: THEIRS, port: PORT };
        let now = self.now();
        self.stack.connect(now, local, remote).expect("nothing is in the way")
    }

    /// Frames that the relay lost, corrupted and marked, both ways.
    pub(crate) fn harmed(&self) -> [u64; 3] {
        let both = |of: fn(&Relay) -> u64| of(&self.out) + of(&self.inward);
        [both(|relay| relay.lost), both(|relay| relay.corrupted), both(|relay| relay.marked)]
    }

    /// The frames so far, as a file.
    pub(crate) fn recording(self) -> Vec<u8> {
        self.recording.into_bytes()
    }

    /// One round: what has arrived, timers, what leaves.
    pub(crate) fn poll(&mut self) {
        let now = self.now();
        let mut burst = Burst::new();
        self.nic.rx_burst(&mut burst);
        for frame in burst {
            self.inward.push(now, frame.bytes().to_vec());
        }
        while let Some(frame) = self.inward.pop(now) {
            self.arrive(now, &frame);
        }
        if self.stack.next_timeout() <= now {
            self.stack.on_timeout(now);
        }
        while let Some(event) = self.stack.poll_event() {
            self.events.push(event);
        }
        self.transmit(now);
        while let Some(bytes) = self.out.pop(now) {
            self.send(&bytes);
        }
        self.nic.reclaim();
    }

    fn arrive(&mut self, now: Instant, bytes: &[u8]) {
        let Ok(frame) = ethernet::Packet::parse(bytes) else { return };
        if frame.ethertype == Ethertype::Arp {
            let heard = arp::Repr::parse(frame.payload).map(|arp| self.neighbors.on_arp(now, &arp));
            if let Ok(Ok(fixwire::neighbor::Heard { reply: Some((dst, reply)), .. })) = heard {
                let mut out = [0; 64];
                let (len, _) = fixwire::emit::arp(self.neighbors.network(), dst, &reply, &mut out);
                self.out.push(now, out[..len].to_vec());
            }
            return;
        }
        let Some((packet, segment)) = believed(frame.payload) else {
            self.refused += 1;
            return;
        };
        self.record(now, false, bytes);
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
                self.read(id);
            }
        }
    }

    /// Takes all that was left.
    pub(crate) fn read(&mut self, id: ConnectionId) {
        while !self.stack.readable(id).is_empty() {
            let run = self.stack.readable(id).to_vec();
            self.received.extend_from_slice(&run);
            let now = self.now();
            self.stack.consume(now, id, run.len());
        }
    }

    fn transmit(&mut self, now: Instant) {
        while self.stack.next_transmit().is_some() {
            let Some(mac) = self.neighbors.lookup(now, THEIRS) else {
                self.stack.defer_transmit();
                continue;
            };
            let Some(segment) = self.stack.poll_transmit(now) else { break };
            let mut out = vec![0; 1600];
            let (len, _) = self.emitter.tcp(mac, &segment, &mut out);
            out.truncate(len);
            self.record(now, true, &out);
            self.out.push(now, out);
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        // What finds no buffer is lost, as on a wire.
        let Some(mut frame) = self.nic.tx_frame() else { return };
        frame.space()[..bytes.len()].copy_from_slice(bytes);
        frame.finish(bytes.len(), TxMeta::default());
        let mut burst = Burst::new();
        burst.push(frame);
        self.nic.tx_burst(&mut burst);
    }

    fn record(&mut self, now: Instant, leaves: bool, bytes: &[u8]) {
        let at = fixwire::time::UtcTime::from_unix_ns(now.as_ns());
        self.recording.push(0, at, leaves, bytes);
    }
}

/// A packet whose sums are right, and its segment.
fn believed(bytes: &[u8]) -> Option<(ipv4::Packet<'_>, tcp::Packet<'_>)> {
    let packet = ipv4::Packet::parse(bytes).ok()?;
    let sum = fixwire::offload::checksum::Sum::of(packet.payload);
    let is_right = packet.protocol == Protocol::Tcp
        && packet.dst == OURS
        && packet.checksum_is_valid()
        && packet.tcp_pseudo_header().plus(sum).is_valid();
    let segment = tcp::Packet::parse(packet.payload).ok()?;
    is_right.then_some((packet, segment))
}
