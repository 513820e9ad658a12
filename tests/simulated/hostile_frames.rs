//! Frames by hand, from the far end of a wire: what each refusal counts, what is answered, and that
//! nothing a wire can carry makes the engine panic.

use std::net::Ipv4Addr;

use fixwire::app::taker::Taker;
use fixwire::desk::SessionPlan;
use fixwire::engine::{Engine, Setup};
use fixwire::fix::{CompId, Role, SessionConfig, Version};
use fixwire::neighbor::Network;
use fixwire::offload::checksum::Sum;
use fixwire::offload::device::Device;
use fixwire::offload::flow::RuleSet;
use fixwire::offload::nic::{BURST_MAX, Burst, Frame, Nic, TxMeta};
use fixwire::offload::profile::{Policy, Profile};
use fixwire::tcp::{Config, Endpoint};
use fixwire::time::Duration;
use fixwire::wire::ethernet::{Ethertype, Mac};
use fixwire::wire::tcp::{Flags, Options, SeqNumber};
use fixwire::wire::{Refusal, arp, ethernet, ipv4, tcp};
use fixwire_hw::sim::{self, Model, SimNic, Wire};
use proptest::prelude::*;

use crate::common::{OURS, PORT, THEIRS};

/// An engine that listens, and a bare NIC that sends whatever it is told.
struct Rig {
    engine: Engine<SimNic, Taker>,
    far: SimNic,
    far_mac: Mac,
    our_mac: Mac,
    wire: Wire,
}

impl Rig {
    fn new(vlan: Option<u16>) -> Rig {
        let config = sim::Config { a: Model::bare(), b: Model::bare(), ..sim::Config::default() };
        let (near, far, wire) = sim::pair(config, 1);
        let (our_mac, far_mac) = (Mac(near.mac()), Mac(far.mac()));
        let profile = Profile::all(Policy::Prefer);
        let run = |backend| {
            let device =
                Device::probed(backend).plan(&profile, RuleSet::EMPTY).configure().unwrap();
            device.start().and_then(|device| device.steer()).unwrap()
        };
        let (nic, plan) = run(near);
        let (far, _) = run(far);
        let network =
            Network { mac: our_mac, addr: OURS, prefix_len: 24, gateway: None, vlan, mtu: 1500 };
        let (venue, desk) = (CompId::new("VENUE").unwrap(), CompId::new("DESK").unwrap());
        let session = SessionPlan {
            reconnect_interval: Duration::from_s(1),
            ..SessionPlan::new(
                SessionConfig::new(Version::Fix44, Role::Acceptor, venue, desk),
                Endpoint { addr: OURS, port: PORT },
            )
        };
        let setup =
            Setup { network, tcp: Config::default(), secret: [9; 16], sessions: vec![session] };
        let engine = Engine::new(nic, plan, setup, Taker::new(1, 1)).unwrap();
        let mut rig = Rig { engine, far, far_mac, our_mac, wire };
        rig.exchange(&[]);
        rig
    }

    fn send(&mut self, frames: &[Vec<u8>]) {
        let mut burst = Burst::new();
        for bytes in frames {
            let mut frame = self.far.tx_frame().unwrap();
            frame.space()[..bytes.len()].copy_from_slice(bytes);
            frame.finish(bytes.len(), TxMeta::default());
            burst.push(frame);
        }
        self.far.tx_burst(&mut burst);
    }

    /// Sends frames and returns what comes back within a millisecond.
    fn exchange(&mut self, frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
        self.send(frames);
        let mut answers = Vec::new();
        for _ in 0..10 {
            self.wire.advance(Duration::from_us(100));
            self.engine.poll(&self.wire);
            let mut burst = Burst::new();
            self.far.rx_burst(&mut burst);
            answers.extend(burst.iter().map(|frame| frame.bytes().to_vec()));
        }
        answers
    }

    fn count(&self, name: &str) -> u64 {
        self.engine
            .counters()
            .find(|(known, _)| *known == name)
            .unwrap_or_else(|| panic!("no {name}"))
            .1
    }

    fn link(&self, ethertype: Ethertype, vlan: Option<u16>) -> ethernet::Repr {
        ethernet::Repr { dst: self.our_mac, src: self.far_mac, vlan, ethertype }
    }

    fn arp(&self, target: Ipv4Addr, vlan: Option<u16>) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        let at = self.link(Ethertype::Arp, vlan).emit(&mut bytes);
        let request = arp::Repr {
            operation: arp::Operation::Request,
            sender_mac: self.far_mac,
            sender: THEIRS,
            target_mac: Mac::default(),
            target,
        };
        request.emit(&mut bytes[at..]);
        bytes
    }

    fn ip(&self, protocol: ipv4::Protocol, payload: &[u8]) -> Vec<u8> {
        let repr = ipv4::Repr {
            src: THEIRS,
            dst: OURS,
            protocol,
            payload_len: payload.len(),
            is_ect: false,
        };
        let mut bytes = vec![0; 34];
        let at = self.link(Ethertype::Ipv4, None).emit(&mut bytes);
        repr.emit(&mut bytes[at..], false);
        bytes.extend(payload);
        bytes
    }

    fn tcp(&self, flags: Flags, payload: &[u8]) -> Vec<u8> {
        let repr = tcp::Repr {
            src_port: 40_000,
            dst_port: PORT,
            seq: SeqNumber(1000),
            ack: SeqNumber(0),
            flags,
            window: 65_535,
            options: Options { mss: Some(1460), ..Options::NONE },
        };
        self.segment(repr, payload)
    }

    fn segment(&self, repr: tcp::Repr, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; repr.header_len()];
        repr.emit(&mut bytes);
        bytes.extend(payload);
        let pseudo = Sum::of_tcp_pseudo_header(THEIRS.octets(), OURS.octets(), bytes.len() as u16);
        let checksum = pseudo.plus(Sum::of(&bytes)).checksum();
        bytes[16..18].copy_from_slice(&checksum.to_be_bytes());
        self.ip(ipv4::Protocol::Tcp, &bytes)
    }
}

/// The frame with a byte changed, and the IPv4 header summed anew.
fn with(mut frame: Vec<u8>, at: usize, value: u8) -> Vec<u8> {
    frame[at] = value;
    frame[24..26].fill(0);
    let header_len = usize::from(frame[14] & 0x0f).max(5) * 4;
    let checksum = Sum::of(&frame[14..(14 + header_len).min(frame.len())]).checksum();
    frame[24..26].copy_from_slice(&checksum.to_be_bytes());
    frame
}

/// The host stands still while a ring fills: an ACK that waits in it counts before the timer of what it is of.
#[test]
fn what_waits_behind_a_full_burst_is_heard_before_a_timer_goes_off() {
    let mut rig = Rig::new(None);
    let answers = rig.exchange(&[rig.arp(OURS, None), rig.tcp(Flags::SYN, &[])]);
    let syn_ack = answers.last().expect("a SYN-ACK");
    let number = u32::from_be_bytes(syn_ack[38..42].try_into().unwrap());
    let ack = tcp::Repr {
        src_port: 40_000,
        dst_port: PORT,
        seq: SeqNumber(1001),
        ack: SeqNumber(number) + 1,
        flags: Flags::ACK,
        window: 65_535,
        options: Options::NONE,
    };
    let others = vec![rig.arp(Ipv4Addr::new(10, 9, 0, 200), None); BURST_MAX];
    rig.send(&others);
    rig.send(&[rig.segment(ack, &[])]);
    rig.wire.advance(Duration::from_ms(1_500));
    for _ in 0..3 {
        rig.engine.poll(&rig.wire);
    }
    assert_eq!(rig.count("tcp_established"), 1);
    assert_eq!(rig.count("tcp_retransmit_timeout"), 0);
}

#[test]
fn every_refusal_counts_under_its_name_and_answers_nothing() {
    let rig = Rig::new(None);
    let syn = rig.tcp(Flags::SYN, &[]);
    let raw = |at: usize, bytes: &[u8]| {
        let mut frame = syn.clone();
        frame[at..at + bytes.len()].copy_from_slice(bytes);
        frame
    };
    let tagged = |bytes: &[u8]| [&syn[..12], bytes, &syn[14..]].concat();
    let icmp = |bytes: &[u8]| {
        let mut message = bytes.to_vec();
        let checksum = Sum::of(&message).checksum();
        message[2..4].copy_from_slice(&checksum.to_be_bytes());
        rig.ip(ipv4::Protocol::Icmp, &message)
    };
    let cases = [
        (raw(0, &[2, 9, 9, 9, 9, 9]), Refusal::EthernetNotForUs),
        (raw(6, &[0xff; 6]), Refusal::EthernetSourceInvalid),
        (raw(12, &[0x86, 0xdd]), Refusal::EthertypeUnknown),
        (tagged(&[0x81, 0x00, 0x00, 0x05, 0x08, 0x00]), Refusal::VlanNotOurs),
        (tagged(&[0x81, 0x00, 0x00, 0x05, 0x81, 0x00]), Refusal::VlanNested),
        (raw(12, &[0x08, 0x06]), Refusal::ArpMalformed),
        (rig.arp(Ipv4Addr::new(10, 9, 0, 200), None), Refusal::ArpNotForUs),
        (with(syn.clone(), 14, 0x65), Refusal::Ipv4VersionWrong),
        (with(syn.clone(), 14, 0x44), Refusal::Ipv4HeaderLengthWrong),
        (with(syn.clone(), 16, 0xff), Refusal::Ipv4TotalLengthWrong),
        (raw(24, &[0, 0]), Refusal::Ipv4ChecksumWrong),
        (with(syn.clone(), 20, 0x20), Refusal::Ipv4Fragment),
        (with(syn.clone(), 33, 99), Refusal::Ipv4NotForUs),
        (with(syn.clone(), 26, 224), Refusal::Ipv4SourceInvalid),
        (with(syn.clone(), 23, 17), Refusal::Ipv4ProtocolUnknown),
        (icmp(&[13, 0, 0, 0, 0, 0, 0, 0]), Refusal::IcmpTypeIgnored),
        (rig.ip(ipv4::Protocol::Icmp, &[8, 0, 0, 0, 0, 0, 0, 1]), Refusal::IcmpChecksumWrong),
        (icmp(&[3, 4, 0, 0, 0, 0, 5, 0]), Refusal::IcmpQuoteUnusable),
        (rig.ip(ipv4::Protocol::Tcp, &[0; 12]), Refusal::TcpTooShort),
        (raw(46, &[0x40]), Refusal::TcpDataOffsetWrong),
        (raw(50, &[0xde, 0xad]), Refusal::TcpChecksumWrong),
    ];
    for (frame, reason) in cases {
        let mut rig = Rig::new(None);
        let answers = rig.exchange(&[frame]);
        assert_eq!(rig.count(reason.name()), 1, "{reason}");
        assert_eq!(answers, Vec::<Vec<u8>>::new(), "{reason}");
        let refused: u64 = Refusal::ALL.into_iter().map(|reason| rig.count(reason.name())).sum();
        assert_eq!(refused, 1, "{reason} counts under no other name");
    }
}

#[test]
fn arp_echo_and_a_syn_are_answered() {
    let mut rig = Rig::new(None);
    let reply = rig.exchange(&[rig.arp(OURS, None)]);
    let [frame] = &reply[..] else { panic!("{reply:?}") };
    let told = arp::Repr::parse(&frame[14..]).unwrap();
    assert_eq!(
        (told.sender, told.sender_mac, told.operation),
        (OURS, rig.our_mac, arp::Operation::Reply)
    );

    let mut echo = vec![8, 0, 0, 0, 0, 7, 0, 1];
    echo.extend(b"is anybody there?");
    let checksum = Sum::of(&echo).checksum();
    echo[2..4].copy_from_slice(&checksum.to_be_bytes());
    let reply = rig.exchange(&[rig.ip(ipv4::Protocol::Icmp, &echo)]);
    let [frame] = &reply[..] else { panic!("{reply:?}") };
    let packet = ipv4::Packet::parse(&frame[14..]).unwrap();
    assert!(packet.checksum_is_valid() && Sum::of(packet.payload).is_valid());
    assert_eq!((packet.payload[0], &packet.payload[4..]), (0, &echo[4..]));

    let reply = rig.exchange(&[rig.tcp(Flags::SYN, &[])]);
    let [frame] = &reply[..] else { panic!("{reply:?}") };
    let packet = ipv4::Packet::parse(&frame[14..]).unwrap();
    let segment = tcp::Packet::parse(packet.payload).unwrap();
    assert!(packet.tcp_pseudo_header().plus(Sum::of(segment.bytes())).is_valid());
    let segment = segment.segment().unwrap();
    assert_eq!(segment.flags, Flags::SYN.with(Flags::ACK));
    assert_eq!(segment.ack, SeqNumber(1001));
}

/// What of a TCP segment says where it stands: its flags, its number, and what follows it.
fn header_of(frame: &[u8]) -> Option<(Flags, SeqNumber)> {
    let packet = ipv4::Packet::parse(&frame[14..]).ok()?;
    let segment = tcp::Packet::parse(packet.payload).ok()?.segment().ok()?;
    Some((segment.flags, segment.seq))
}

#[test]
fn a_stranger_whose_window_stays_closed_is_reset_in_time_though_it_has_sent_its_fin() {
    let mut rig = Rig::new(None);
    rig.exchange(&[rig.arp(OURS, None)]);
    let reply = rig.exchange(&[rig.tcp(Flags::SYN, &[])]);
    let (_, first) = header_of(&reply[0]).unwrap();
    let header = tcp::Repr {
        src_port: 40_000,
        dst_port: PORT,
        seq: SeqNumber(1001),
        ack: first + 1,
        flags: Flags::ACK,
        window: 0,
        options: Options::NONE,
    };
    let words = b"GET / HTTP/1.1\r\n\r\n";
    let fin = tcp::Repr {
        seq: header.seq + words.len() as u32,
        flags: Flags::ACK.with(Flags::FIN),
        ..header
    };
    rig.exchange(&[rig.segment(header, words)]);
    assert_eq!(rig.count("peer_not_fix"), 1);
    rig.exchange(&[rig.segment(fin, &[])]);
    let is_reset =
        |frame: &Vec<u8>| header_of(frame).is_some_and(|(flags, _)| flags.has(Flags::RST));
    let mut waited_ms = 2;
    while !rig.exchange(&[]).iter().any(is_reset) {
        waited_ms += 1;
        assert!(waited_ms < 5_100, "it is borne with for longer than 5 s");
    }
    assert!(waited_ms > 4_900, "{waited_ms} ms");
}

#[test]
fn a_tagged_port_speaks_only_its_vlan() {
    let mut rig = Rig::new(Some(5));
    assert!(rig.exchange(&[rig.arp(OURS, None)]).is_empty());
    assert!(rig.exchange(&[rig.arp(OURS, Some(6))]).is_empty());
    assert_eq!(rig.count("vlan_not_ours"), 2);
    let reply = rig.exchange(&[rig.arp(OURS, Some(5))]);
    let [frame] = &reply[..] else { panic!("{reply:?}") };
    let frame = ethernet::Packet::parse(frame).unwrap();
    assert_eq!((frame.vlan, frame.ethertype), (Some(5), Ethertype::Arp));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_frames_are_answered_or_refused(
        frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 14..200), 1..20),
        changes in proptest::collection::vec((0usize..80, any::<u8>()), 0..8),
    ) {
        let mut rig = Rig::new(None);
        rig.exchange(&frames[..frames.len().min(30)]);
        for (at, value) in changes {
            let syn = rig.tcp(Flags::SYN, b"8=FIX.4.4\x019=5\x0135=A\x01");
            let arp = rig.arp(OURS, None);
            let changed = |mut frame: Vec<u8>| {
                let at = at.min(frame.len() - 1);
                frame[at] = value;
                frame
            };
            rig.exchange(&[changed(syn.clone()), with(changed(syn), 40, value), changed(arp)]);
        }
    }
}
