//! The counterparty's end of the line: it answers ARP and SYN, and writes segments that acknowledge
//! what the host will have sent by then.

use core::net::Ipv4Addr;

use fixwire::emit::Emitter;
use fixwire::neighbor::Network;
use fixwire::tcp::Transmit;
use fixwire::wire::arp::{self, Operation};
use fixwire::wire::ethernet::{self, Ethertype, Mac};
use fixwire::wire::ipv4;
use fixwire::wire::tcp::{self, Flags, Options, SeqNumber, Timestamps};

use crate::nic::Sums;

/// The host's hardware address.
pub const HOST_MAC: Mac = Mac([2, 0, 0, 0, 0, 2]);
/// The host's address.
pub const HOST_ADDR: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
/// The peer's hardware address.
pub const PEER_MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
/// The peer's address.
pub const PEER_ADDR: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
/// The peer's port, the first one's where they are many.
pub const PEER_PORT: u16 = 9878;

/// The counterparty's TCP: no timers, no loss, an honest window.
#[derive(Debug)]
pub struct Peer {
    network: Network,
    emitter: Emitter,
    port: u16,
    host_port: u16,
    is_established: bool,
    snd_nxt: SeqNumber,
    rcv_nxt: SeqNumber,
    /// Our timestamp clock, and the host's latest; `None` where the host offered none.
    timestamps: Option<Timestamps>,
}

impl Default for Peer {
    fn default() -> Peer {
        Peer::at(PEER_PORT)
    }
}

impl Peer {
    /// One at another port.
    pub fn at(port: u16) -> Peer {
        let network = Network {
            mac: PEER_MAC,
            addr: PEER_ADDR,
            prefix_len: 24,
            gateway: None,
            vlan: None,
            mtu: 1500,
        };
        Peer {
            network,
            emitter: Emitter::new(&Sums::InSoftware.plan(), network).for_connections(1),
            port,
            host_port: 0,
            is_established: false,
            snd_nxt: SeqNumber(0x1000_0000),
            rcv_nxt: SeqNumber(0),
            timestamps: None,
        }
    }

    /// Whether the host has acknowledged our SYN.
    pub fn is_established(&self) -> bool {
        self.is_established
    }

    /// Takes in a frame of the host's and answers it where ARP or the handshake want an answer.
    pub fn answer(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        let frame = ethernet::Packet::parse(frame).expect("the host sends Ethernet");
        if frame.ethertype == Ethertype::Arp {
            return self.answer_arp(&arp::Repr::parse(frame.payload).expect("ARP"));
        }
        let packet = ipv4::Packet::parse(frame.payload).expect("the host sends IPv4");
        let segment = tcp::Packet::parse(packet.payload).expect("TCP").segment().expect("options");
        self.timestamps = segment.options.timestamps.map(|theirs| Timestamps {
            value: self.timestamps.map_or(1, |ours| ours.value + 1),
            echo: theirs.value,
        });
        if !segment.flags.has(Flags::SYN) {
            self.is_established = true;
            self.rcv_nxt += segment.payload.len() as u32;
            return None;
        }
        self.host_port = segment.src_port;
        self.rcv_nxt = segment.seq + 1;
        let options = Options {
            mss: Some(1460),
            window_scale: segment.options.window_scale.map(|_| 7),
            sack_permitted: segment.options.sack_permitted,
            timestamps: self.timestamps,
            ..Options::NONE
        };
        // Whoever asks for ECN gets it (RFC 3168 6.1.1).
        let ecn = if segment.flags.has(Flags::ECE) { Flags::ECE } else { Flags::NONE };
        let answer = self.write(Flags::SYN.with(Flags::ACK).with(ecn), options, &[]);
        self.snd_nxt += 1;
        Some(answer)
    }

    /// A segment with `payload`, that acknowledges everything sent so far; `host_sends` is how much
    /// the host will answer it with.
    pub fn data(&mut self, payload: &[u8], host_sends: usize) -> Vec<u8> {
        let options = Options { timestamps: self.timestamps, ..Options::NONE };
        let frame = self.write(Flags::ACK.with(Flags::PSH), options, payload);
        self.snd_nxt += payload.len() as u32;
        self.rcv_nxt += host_sends as u32;
        frame
    }

    /// The same `by` bytes ahead of its turn, modulo 2^32, in passing: what is next stays next, and the host answers by nothing
    /// but its ACK.
    pub fn ahead(&mut self, by: u32, payload: &[u8]) -> Vec<u8> {
        let next = self.snd_nxt;
        self.snd_nxt = next + by;
        let frame = self.data(payload, 0);
        self.snd_nxt = next;
        frame
    }

    /// Of what is next so many bytes were sent [so](Peer::ahead).
    pub fn passes(&mut self, len: u32) {
        self.snd_nxt += len;
    }

    /// The number of the byte that is sent next.
    pub fn next(&self) -> SeqNumber {
        self.snd_nxt
    }

    /// The payload of the host's last frame, which must acknowledge everything and end where the
    /// peer expects; its checksum must be right where the host sums.
    pub fn check<'f>(&self, frame: &'f [u8], sums: Sums) -> &'f [u8] {
        let frame = ethernet::Packet::parse(frame).expect("Ethernet");
        let packet = ipv4::Packet::parse(frame.payload).expect("IPv4");
        let bytes = tcp::Packet::parse(packet.payload).expect("TCP");
        let segment = bytes.segment().expect("options");
        assert_eq!(segment.ack, self.snd_nxt, "everything is acknowledged");
        assert_eq!(segment.seq + segment.payload.len() as u32, self.rcv_nxt, "nothing is missing");
        if sums == Sums::InSoftware {
            let sum = fixwire::offload::checksum::Sum::of(bytes.bytes());
            assert!(packet.checksum_is_valid() && packet.tcp_pseudo_header().plus(sum).is_valid());
        }
        segment.payload
    }

    fn answer_arp(&self, request: &arp::Repr) -> Option<Vec<u8>> {
        if request.operation != Operation::Request || request.target != PEER_ADDR {
            return None;
        }
        let reply = arp::Repr {
            operation: Operation::Reply,
            sender_mac: PEER_MAC,
            sender: PEER_ADDR,
            target_mac: HOST_MAC,
            target: HOST_ADDR,
        };
        let mut out = vec![0; 128];
        let (len, _) = fixwire::emit::arp(&self.network, HOST_MAC, &reply, &mut out);
        out.truncate(len);
        Some(out)
    }

    fn write(&mut self, flags: Flags, options: Options, payload: &[u8]) -> Vec<u8> {
        let segment = Transmit {
            connection: None,
            local: PEER_ADDR,
            remote: HOST_ADDR,
            header: tcp::Repr {
                src_port: self.port,
                dst_port: self.host_port,
                seq: self.snd_nxt,
                ack: self.rcv_nxt,
                flags,
                window: u16::MAX,
                options,
            },
            payload: [payload, &[]],
            retransmission: false,
            is_ect: false,
        };
        let mut out = vec![0; 2048];
        let (len, _) = self.emitter.tcp(HOST_MAC, &segment, &mut out);
        out.truncate(len);
        out
    }
}
