//! Strangers: SYNs by the dozen for the server's port and for closed ones, ACKs of what it never said. They take places of its
//! backlog until they say that they never asked, which every one does once the world is healed.

use core::net::Ipv4Addr;

use super::device::{Heard, Node, mac};
use super::frames::{Glance, L2_LEN, L3_LEN, finish};
use super::heap::untouched;
use super::world::{SERVER_PORT, World};
use crate::offload::nic::RxMeta;
use crate::tcp::Endpoint;
use crate::wire::ethernet::{self, Ethertype};
use crate::wire::ipv4;
use crate::wire::tcp::{Flags, Options, Repr, SeqNumber, Timestamps};

/// Floods of a world at most: it is not to be of nothing else.
const FLOODS_MAX: u64 = 20;
const CLOSED_PORT: u16 = SERVER_PORT + 1;

/// Whether an address is nobody's of the two hosts.
pub(super) fn is_stranger(addr: Ipv4Addr) -> bool {
    addr.octets()[3] > 100
}

/// A segment without data from `stranger` to the server.
fn segment(stranger: Endpoint, repr: &Repr) -> Vec<u8> {
    let len = repr.header_len();
    let mut frame = vec![0; L2_LEN + L3_LEN + len];
    ethernet::Repr { dst: mac(1), src: mac(0), ethertype: Ethertype::Ipv4, vlan: None }
        .emit(&mut frame);
    let packet = ipv4::Repr {
        src: stranger.addr,
        dst: super::device::addr(1),
        protocol: ipv4::Protocol::Tcp,
        payload_len: len,
        is_ect: false,
    };
    packet.emit(&mut frame[L2_LEN..], false);
    repr.emit(&mut frame[L2_LEN + L3_LEN..]);
    finish(&mut frame);
    frame
}

impl World {
    /// What strangers send now.
    pub(super) fn strangers(&mut self) {
        for (stranger, ack) in core::mem::take(&mut self.asked_strangers) {
            let header = Repr {
                src_port: stranger.port,
                dst_port: SERVER_PORT,
                seq: ack,
                ack: SeqNumber(0),
                flags: Flags::RST,
                window: 0,
                options: Options::NONE,
            };
            self.arrive_from_stranger(&segment(stranger, &header));
        }
        let may_come = self.scarcity.is_there && !self.is_healed;
        if may_come
            && self.totals.done.floods < FLOODS_MAX
            && self.scarcity.random.one_in(self.scarcity.flood_one_in)
        {
            self.flood();
        }
    }

    fn flood(&mut self) {
        self.totals.done.floods += 1;
        let random = &mut self.scarcity.random;
        let (dst_port, flags) = random.pick(&[
            (SERVER_PORT, Flags::SYN),
            (SERVER_PORT, Flags::SYN),
            (SERVER_PORT, Flags::ACK),
            (CLOSED_PORT, Flags::SYN),
        ]);
        for _ in 0..random.between(1, self.scarcity.flood_max) {
            let random = &mut self.scarcity.random;
            let addr = Ipv4Addr::new(10, 0, 0, random.between(101, 200) as u8);
            let stranger = Endpoint { addr, port: random.between(1_024, 65_535) as u16 };
            let has_stamps = random.one_in(2);
            let stamps = Timestamps { value: random.next() as u32, echo: 0 };
            let header = Repr {
                src_port: stranger.port,
                dst_port,
                seq: SeqNumber(random.next() as u32),
                ack: if flags == Flags::ACK {
                    SeqNumber(random.next() as u32)
                } else {
                    SeqNumber(0)
                },
                flags,
                window: random.next() as u16,
                options: Options { timestamps: has_stamps.then_some(stamps), ..Options::NONE },
            };
            self.arrive_from_stranger(&segment(stranger, &header));
        }
    }

    fn arrive_from_stranger(&mut self, frame: &[u8]) {
        if let Some(record) = &mut self.record {
            record.push(self.now, 1, false, frame);
        }
        self.totals.done.of_strangers += 1;
        let now = self.at(1, 0);
        self.hosts[1].seen[0].segments_in += 1;
        let node: &mut Node = &mut self.hosts[1].nodes[0];
        let heard = untouched(|| node.read(now, &RxMeta::UNKNOWN, frame, false));
        let Ok(Heard::Segment(arrival, _)) = heard else { panic!("a stranger's is refused") };
        assert!(arrival.fresh.is_empty(), "a stranger is believed");
    }

    /// A frame for one of them, who may say that nothing of the kind was asked for.
    pub(super) fn tell_stranger(&mut self, addr: Ipv4Addr, frame: &Glance<'_>) {
        assert!(frame.payload.is_empty(), "data for a stranger");
        let is_answer = frame.flags.has(Flags::SYN.with(Flags::ACK));
        assert!(is_answer || frame.flags.has(Flags::RST), "neither SYN-ACK nor RST for a stranger");
        if is_answer && (self.is_healed || self.scarcity.random.one_in(4)) {
            let stranger = Endpoint { addr, port: frame.dst_port };
            self.asked_strangers.push((stranger, frame.ack));
        }
    }
}
