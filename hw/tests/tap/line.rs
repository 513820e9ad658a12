//! A running TAP with the kernel on its other side, and the least of a host on ours: it answers
//! ARP.

use std::fs;
use std::net::Ipv4Addr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use fixwire_hw::tap::{KernelSide, TapBackend, TapError, TapNic};
use fixwire_offload::device::Device;
use fixwire_offload::flow::RuleSet;
use fixwire_offload::nic::{Burst, Frame as _, Link, Nic, RxMeta, TxChecksum, TxMeta};
use fixwire_offload::profile::Policy;
use fixwire_offload::{Plan, Profile};

use crate::frames::{self, Arp, Field, Segment};
use crate::harness;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Line {
    pub(crate) nic: TapNic,
    pub(crate) plan: Plan,
    pub(crate) kernel: KernelSide,
    pub(crate) ours: Ipv4Addr,
    /// Frames read and not asked for yet.
    waiting: Vec<(RxMeta, Vec<u8>)>,
}

/// The embedded TAP, or a skipped test where the machine forbids one.
pub(crate) fn embedded() -> TapBackend {
    let outside = fs::read_link("/proc/self/ns/net").unwrap();
    match TapBackend::embedded() {
        Ok(backend) => backend,
        // Powerless is an excuse only in a namespace that is really a new one.
        Err(error @ TapError::NamespaceWithoutCapabilities { .. })
            if fs::read_link("/proc/self/ns/net").unwrap() == outside =>
        {
            panic!("still in the old namespace: {error}")
        }
        Err(error) if error.forbidden_by_machine() => harness::skip(&error.to_string()),
        Err(error) => panic!("{error}"),
    }
}

impl Line {
    pub(crate) fn up(backend: TapBackend, policy: Policy) -> Line {
        let kernel = backend.kernel_side().clone();
        let device = Device::probed(backend)
            .plan(&Profile::all(policy), RuleSet::EMPTY)
            .configure()
            .unwrap();
        let (mut nic, plan) = device.start().unwrap().steer().unwrap();
        assert_eq!(nic.link(), Link::Up);
        assert_ne!(nic.mac(), kernel.mac);
        let ours = Ipv4Addr::from_bits(kernel.addr.to_bits() + 1);
        let mut line = Line { nic, plan, kernel, ours, waiting: Vec::new() };
        line.learn();
        line
    }

    /// Asks the kernel for its hardware address, which also tells it ours.
    fn learn(&mut self) {
        let request = Arp {
            operation: Arp::REQUEST,
            sender_mac: self.nic.mac(),
            sender: self.ours,
            target_mac: [0; 6],
            target: self.kernel.addr,
        };
        let src = self.nic.mac();
        let frame = frames::ethernet([0xff; 6], src, frames::ARP, &request.bytes());
        self.send(&frame, TxMeta { l2_len: 14, ..TxMeta::default() });
        let (_, reply) = self.expect("an ARP reply", |frame| {
            Arp::parse(frame).is_some_and(|arp| arp.operation == Arp::REPLY)
        });
        let reply = Arp::parse(&reply).unwrap();
        assert_eq!((reply.sender, reply.sender_mac), (self.kernel.addr, self.kernel.mac));
        assert_eq!((reply.target, reply.target_mac), (self.ours, src));
    }

    pub(crate) fn send(&mut self, bytes: &[u8], meta: TxMeta) {
        let mut frame = self.nic.tx_frame().expect("a transmit buffer");
        frame.space()[..bytes.len()].copy_from_slice(bytes);
        frame.finish(bytes.len(), meta);
        let mut burst = Burst::new();
        burst.push(frame);
        assert_eq!((self.nic.tx_burst(&mut burst), burst.len()), (1, 0));
    }

    pub(crate) fn send_ipv4(&mut self, protocol: u8, payload: &[u8]) {
        let packet = frames::ipv4(protocol, self.ours, self.kernel.addr, payload);
        let frame = frames::ethernet(self.kernel.mac, self.nic.mac(), frames::IPV4, &packet);
        self.send(&frame, TxMeta { l2_len: 14, l3_len: 20, ..TxMeta::default() });
    }

    pub(crate) fn send_tcp(&mut self, segment: &Segment<'_>, field: Field) {
        self.send_tcp_to(self.kernel.addr, segment, field);
    }

    /// Sends a segment to `dst` by way of the kernel.
    pub(crate) fn send_tcp_to(&mut self, dst: Ipv4Addr, segment: &Segment<'_>, field: Field) {
        let packet =
            frames::ipv4(frames::TCP, self.ours, dst, &segment.bytes(self.ours, dst, field));
        let frame = frames::ethernet(self.kernel.mac, self.nic.mac(), frames::IPV4, &packet);
        let partial = field == Field::Partial;
        let tcp = if partial { TxChecksum::Partial } else { TxChecksum::Full };
        self.send(&frame, TxMeta { l2_len: 14, l3_len: 20, l4_len: 20, tcp, ..TxMeta::default() });
    }

    /// The next frame that `wanted` accepts; others are dropped.
    pub(crate) fn expect(
        &mut self,
        what: &str,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> (RxMeta, Vec<u8>) {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            self.poll();
            if let Some(place) = self.waiting.iter().position(|(_, bytes)| wanted(bytes)) {
                return self.waiting.drain(..=place).next_back().unwrap();
            }
            sleep(Duration::from_millis(1));
        }
        panic!("{what} did not come");
    }

    pub(crate) fn expect_tcp(&mut self, what: &str) -> (RxMeta, Vec<u8>) {
        self.expect(what, |frame| frames::protocol(frame) == Some(frames::TCP))
    }

    /// Reads what is there, answering ARP.
    pub(crate) fn poll(&mut self) {
        let mut burst = Burst::new();
        self.nic.rx_burst(&mut burst);
        for frame in &burst {
            let asked = Arp::parse(frame.bytes())
                .filter(|arp| arp.operation == Arp::REQUEST && arp.target == self.ours);
            match asked {
                Some(request) => self.answer(&request),
                None => self.waiting.push((frame.rx_meta(), frame.bytes().to_vec())),
            }
        }
    }

    fn answer(&mut self, request: &Arp) {
        let mac = self.nic.mac();
        let reply = Arp {
            operation: Arp::REPLY,
            sender_mac: mac,
            sender: request.target,
            target_mac: request.sender_mac,
            target: request.sender,
        };
        let frame = frames::ethernet(request.sender_mac, mac, frames::ARP, &reply.bytes());
        self.send(&frame, TxMeta { l2_len: 14, ..TxMeta::default() });
    }
}

/// Tries until it holds, or a test's patience ends.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "{what} did not happen");
        sleep(Duration::from_millis(1));
    }
}
