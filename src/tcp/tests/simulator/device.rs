//! The devices: what each says of the sums of a frame that came, which need not be so, and how a stack and its
//! device write and read frames. The way in is the pipeline's (`src/pipeline.rs`), without ARP and FIX.

use core::net::Ipv4Addr;

use super::frames::{L2_LEN, L3_LEN, finish};
use super::holding::Holding;
use super::random::Random;
use crate::emit::Emitter;
use crate::familiar::Familiar;
use crate::held_frames::Left;
use crate::neighbor::Network;
use crate::offload::capability::Capability;
use crate::offload::nic::{Frame as _, Parsed, RxMeta, TxChecksum};
use crate::offload::observe::Observations;
use crate::offload::plan::{Advert, Capabilities, Plan, Provider};
use crate::offload::profile::{Policy, Profile};
use crate::offload::verdict::{Audit, Verdict};
use crate::tcp::{Arrival, Config, Stack};
use crate::time::Instant;
use crate::verify::Verifier;
use crate::wire::ethernet::{self, Mac};
use crate::wire::icmp::Message;
use crate::wire::tcp::{CHECKSUM_OFFSET, Packet};
use crate::wire::{Refusal, ipv4};

/// The longest frame.
pub(super) const FRAME_LEN_MAX: usize = 1514;

/// How a device speaks of sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Not at all.
    Silent,
    /// As it is; of what is wrong it may be silent, as mlx5 is.
    Right,
    /// It calls wrong what is right, now and then.
    Alarmed,
    /// It calls everything right, and every frame is looked at all the same.
    Vouching,
    /// It says anything of anything.
    Babbling,
    /// It calls everything right, and one frame in so many is looked at.
    Unaudited(u32),
    /// It hands over unfinished sums of what never crossed a wire.
    Local,
}

impl Word {
    pub(super) fn draw(random: &mut Random) -> Word {
        random.pick(&[
            Word::Silent,
            Word::Right,
            Word::Right,
            Word::Alarmed,
            Word::Vouching,
            Word::Babbling,
            Word::Unaudited(4),
            Word::Unaudited(16),
            Word::Local,
        ])
    }

    fn audit(self) -> Audit {
        match self {
            Word::Right => Audit::OneIn(16),
            Word::Unaudited(n) => Audit::OneIn(n),
            _ => Audit::Always,
        }
    }

    /// What it says of a frame.
    pub(super) fn of(self, is_wrong: bool, is_unfinished: bool, random: &mut Random) -> RxMeta {
        use Verdict::{Bad, Good, None, Unknown};
        let mut draw = |of: &[Verdict]| (random.pick(of), random.pick(of));
        let (l3, l4) = match self {
            _ if is_unfinished => (Unknown, None),
            Word::Silent | Word::Local => (Unknown, Unknown),
            Word::Right if is_wrong => draw(&[Unknown, Bad]),
            Word::Right | Word::Vouching | Word::Unaudited(_) => (Good, Good),
            Word::Alarmed if is_wrong => (Bad, Bad),
            Word::Alarmed => draw(&[Good, Good, Bad]),
            Word::Babbling => draw(&[Unknown, Bad, Good, None]),
        };
        let parsed = match self {
            Word::Babbling => random.pick(&[Parsed::Unknown, Parsed::Ipv4Tcp, Parsed::Other]),
            _ => random.pick(&[Parsed::Unknown, Parsed::Ipv4Tcp]),
        };
        let csum_start = (L2_LEN + L3_LEN) as u16;
        RxMeta {
            parsed,
            l3,
            l4,
            csum_start,
            csum_offset: CHECKSUM_OFFSET as u16,
            ..RxMeta::UNKNOWN
        }
    }

    fn plan(self, finishes_sums: bool) -> Plan {
        let advert = Advert { by: Provider::Model, how: "for a test" };
        let mut device = Capabilities::NONE
            .with(Capability::RxIpv4Checksum, advert)
            .with(Capability::RxTcpChecksum, advert);
        if finishes_sums {
            device = device
                .with(Capability::TxIpv4Checksum, advert)
                .with(Capability::TxTcpChecksum, advert);
        }
        device.gives_none = self == Word::Local;
        let mut profile = Profile::all(Policy::Prefer);
        profile.rx_checksum_audit = self.audit();
        Plan::negotiate("simulator", &profile, &device)
    }
}

pub(super) fn addr(host: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, 1 + host as u8)
}

pub(super) fn mac(host: usize) -> Mac {
    Mac([2, 0, 0, 0, 0, 1 + host as u8])
}

/// A stack behind a device.
pub(super) struct Node {
    pub(super) stack: Stack,
    pub(super) emitter: Emitter,
    familiar: Familiar,
    verifier: Verifier,
    observations: Observations,
    out: Box<[u8]>,
    /// What it sends prepared is held, not copied.
    pub(super) holding: Option<Holding>,
}

/// What came of a frame.
pub(super) enum Heard<'a> {
    Segment(Arrival, &'a [u8]),
    /// A router's word.
    Error,
    /// It is wrong, and was believed on the device's word.
    Deceived,
}

impl Node {
    pub(super) fn new(
        host: usize,
        config: &Config,
        secret: [u8; 16],
        device: (Word, bool),
    ) -> Node {
        let network = Network {
            mac: mac(host),
            addr: addr(host),
            prefix_len: 24,
            gateway: None,
            vlan: None,
            mtu: 1500,
        };
        let plan = device.0.plan(device.1);
        Node {
            stack: Stack::new(config.clone(), secret),
            familiar: Familiar::new(&network),
            emitter: Emitter::new(&plan, network).for_connections(config.connections_max),
            verifier: Verifier::new(&plan),
            observations: Observations::default(),
            out: vec![0; FRAME_LEN_MAX].into_boxed_slice(),
            holding: None,
        }
    }

    /// Who is on the other side of a host's link.
    pub(super) fn peer_of(host: usize) -> Mac {
        mac(1 - host)
    }

    /// Writes the next segment that may go, if there is one, as a frame of which the device still has to finish
    /// the sums where that was left to it.
    pub(super) fn write(&mut self, host: usize, now: Instant) -> Option<(usize, bool)> {
        loop {
            let turn = self.stack.next_transmit()?;
            let (emitter, stack) = (&mut self.emitter, &mut self.stack);
            let dst = Node::peer_of(host);
            if let Some(holding) = &mut self.holding {
                match holding.transmit(now, (dst, turn), stack, emitter) {
                    Left::AsUsual => {}
                    Left::Nothing => continue,
                    Left::NoBuffer => {
                        assert!(holding.frames.spare(stack), "one is held");
                        continue;
                    }
                    Left::Frame(frame) => {
                        let len = frame.bytes().len();
                        self.out[..len].copy_from_slice(frame.bytes());
                        return Some((len, frame.tx_meta().tcp == TxChecksum::Partial));
                    }
                }
            }
            if let Some((len, meta)) = emitter.turn(dst, stack, now, turn, &mut self.out) {
                assert_eq!(meta.ipv4, meta.tcp, "the plan leaves both or neither");
                return Some((len, meta.tcp == TxChecksum::Partial));
            }
        }
    }

    /// The frame that was written, as it goes onto the wire.
    pub(super) fn frame(&mut self, (len, is_partial): (usize, bool)) -> &[u8] {
        let frame = &mut self.out[..len];
        if is_partial {
            finish(frame);
        }
        frame
    }

    /// Takes a frame in. One that `is_wrong` and was believed does not go further: what would come of it no TCP
    /// can mend.
    pub(super) fn read<'a>(
        &mut self,
        now: Instant,
        meta: &RxMeta,
        frame: &'a [u8],
        is_wrong: bool,
    ) -> Result<Heard<'a>, Refusal> {
        if let Some((found, id)) = self.familiar.find(&self.stack, frame) {
            let (packet, tcp) = (found.packet(), found.tcp());
            if !self.verifier.believes(meta, &mut self.observations)
                && !self.verifier.finds_right(meta, &packet, found.bytes())
            {
                self.verifier.ipv4(meta, &packet, &mut self.observations)?;
                self.verifier.tcp(meta, L2_LEN, &packet, &tcp, &mut self.observations)?;
            }
            if is_wrong {
                return Ok(Heard::Deceived);
            }
            if self.stack.take_predicted(now, id, found.stamped()) {
                let payload = found.payload();
                return Ok(Heard::Segment(Arrival::predicted(id, payload.len()), payload));
            }
            let (stamped, payload) = (found.stamped(), found.payload());
            if let Some(arrival) = self.stack.take_ahead(now, id, stamped, payload) {
                return Ok(Heard::Segment(arrival, payload));
            }
            self.familiar.forget();
            let segment = found.segment();
            let arrival = self.stack.on_segment(now, packet.src, packet.dst, &segment);
            return Ok(Heard::Segment(arrival, segment.payload));
        }
        let ethernet = ethernet::Packet::parse(frame)?;
        let packet = ipv4::Packet::parse(ethernet.payload)?;
        self.verifier.ipv4(meta, &packet, &mut self.observations)?;
        if packet.protocol == ipv4::Protocol::Icmp {
            let message = Message::parse(packet.payload)?;
            if is_wrong {
                return Ok(Heard::Deceived);
            }
            let Message::TooBig { segment, mtu } = message else { panic!("no router says so") };
            self.stack.on_path_mtu(now, &segment, mtu);
            return Ok(Heard::Error);
        }
        let tcp = Packet::parse(packet.payload)?;
        self.verifier.tcp(meta, L2_LEN, &packet, &tcp, &mut self.observations)?;
        if is_wrong {
            return Ok(Heard::Deceived);
        }
        let mut segment = tcp.segment()?;
        segment.is_ce = packet.is_ce();
        let arrival = self.stack.on_segment(now, packet.src, packet.dst, &segment);
        Ok(Heard::Segment(arrival, segment.payload))
    }
}
