//! A loopback pair, and what is tried on it.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use fixwire::offload::capability::Capability;
use fixwire::offload::checksum::Sum;
use fixwire::offload::device::{Backend, Device, Probed};
use fixwire::offload::flow::{AddrMatch, Fate, FlowRule, OnMiss, Pattern, RuleSet};
use fixwire::offload::nic::{Burst, Frame, Nic, RxMeta};
use fixwire::offload::observe::Observed;
use fixwire::offload::plan::{Capabilities, Plan};
use fixwire::offload::profile::{Policy, Profile};
use fixwire::offload::verdict::Verdict;
use fixwire::wire::ethernet::Mac;
use fixwire::wire::tcp::{self, Flags};
use fixwire::wire::{ethernet, ipv4};

use crate::cli::device::{self, Refused};
use crate::cli::failure::Failure;
use crate::cli::probe_frame::{self, ProbeFrame, Sums, TCP_AT, TCP_CHECKSUM_OFFSET};

const OURS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 2), 9878);
const THEIRS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 1), 40_000);
/// Whose frames a rule drops.
const DROPPED: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 66), 40_000);
/// A port of ours that no rule names.
const UNNAMED: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 2), 9999);
const MARK: u32 = 7;
const PAYLOAD: &[u8] = b"8=FIX.4.4\x019=5\x0135=0\x0110=163\x01";
/// Frames of each kind that are tried.
const TRIES: u64 = 16;

/// How a line is given time to carry a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// Times that it is waited, until the frame is there.
    pub(super) waits: u32,
    /// How long each time.
    pub(super) wait: Duration,
}

impl Line {
    /// A wire in virtual time.
    pub(super) const MODEL: Line = Line { waits: 1, wait: Duration::from_millis(1) };
}

/// What came of one capability.
pub(super) struct Finding {
    pub(super) capability: Capability,
    pub(super) observed: Observed,
    pub(super) seen: String,
}

/// The device, its peer and the line between.
pub(super) struct Bench<N, P, W> {
    pub(super) plan: Plan,
    nic: N,
    peer: P,
    line: Line,
    wait: W,
    /// The peer leaves sums unfinished, and the device hands such frames over.
    peer_leaves_sums: bool,
}

impl<N: Nic, P: Nic, W: FnMut(Duration)> Bench<N, P, W> {
    /// The peer finishes nothing that it receives by itself, so that what arrives there is what the device
    /// sent, and leaves the sums of what it sends as far as it can.
    pub(super) fn new<A, B>(
        near: Device<A, Probed>,
        far: Device<B, Probed>,
        (line, wait): (Line, W),
        profile: &Profile,
    ) -> Result<Bench<N, P, W>, Failure>
    where
        A: Backend<Nic = N>,
        B: Backend<Nic = P>,
    {
        let rules = rules(profile, &near.capabilities());
        let (nic, plan) = start(near, profile, rules)?;
        let plain = Profile::all(Policy::Off).with(Capability::TxTcpChecksum, Policy::Prefer);
        let (peer, theirs) = start(far, &plain, RuleSet::EMPTY)?;
        let peer_leaves_sums = plan.gives_none && theirs.uses(Capability::TxTcpChecksum);
        Ok(Bench { plan, nic, peer, line, wait, peer_leaves_sums })
    }

    /// Whether anything arrives that the peer sends.
    pub(super) fn is_joined(&mut self) -> bool {
        !self.receive(THEIRS, OURS, Sums::Right).is_empty()
    }

    /// `None` for what no frame shows.
    pub(super) fn probe(&mut self, capability: Capability) -> Option<Finding> {
        let (observed, seen) = match capability {
            Capability::RxIpv4Checksum => self.ipv4_verdicts(),
            Capability::RxTcpChecksum => self.tcp_verdicts(),
            Capability::TxIpv4Checksum => {
                self.finished(Sums::Ipv4LeftToDevice, |packet, _| packet.checksum_is_valid())
            }
            Capability::TxTcpChecksum => self.finished(Sums::TcpLeftToDevice, |packet, segment| {
                packet.tcp_pseudo_header().plus(Sum::of(segment.bytes())).is_valid()
            }),
            Capability::RxTimestamp => self.stamps(),
            Capability::FlowSteering => self.arrive(THEIRS, OURS, true, "frames that a rule names"),
            Capability::FlowDrop => self.arrive(DROPPED, OURS, false, "frames that a rule drops"),
            Capability::FlowIsolation => {
                self.arrive(THEIRS, UNNAMED, false, "frames that no rule names")
            }
            Capability::FlowMark => self.marks(),
            Capability::FlowCount => self.counts(),
            _ => return None,
        };
        Some(Finding { capability, observed, seen })
    }

    fn ipv4_verdicts(&mut self) -> (Observed, String) {
        let right = self.receive(THEIRS, OURS, Sums::Right);
        let wrong = self.receive(THEIRS, OURS, Sums::Ipv4Wrong);
        let said = Said::of(&right, &wrong, |meta| meta.l3);
        (said.observed(), said.in_words())
    }

    fn tcp_verdicts(&mut self) -> (Observed, String) {
        let right = self.receive(THEIRS, OURS, Sums::Right);
        let wrong = self.receive(THEIRS, OURS, Sums::TcpWrong);
        let said = Said::of(&right, &wrong, |meta| meta.l4);
        if !self.peer_leaves_sums {
            return (said.observed(), said.in_words());
        }
        let unfinished = self.receive(THEIRS, OURS, Sums::TcpLeftToDevice);
        let vouched = unfinished.iter().filter(|(meta, bytes)| is_vouched_for(meta, bytes)).count();
        let seen = format!(
            "{}; of {} unfinished ones {vouched} handed over as such",
            said.in_words(),
            unfinished.len()
        );
        let observed = match (said.observed(), vouched) {
            (Observed::Refuted, _) => Observed::Refuted,
            // Finished on the way is as good.
            (observed, 0) if unfinished.iter().all(|(_, bytes)| tcp_is_right(bytes)) => observed,
            (_, vouched) if vouched == unfinished.len() => Observed::Proven,
            _ => Observed::Refuted,
        };
        (observed, seen)
    }

    /// Sends frames of which a sum is left to the device, and looks at what the peer gets.
    fn finished(
        &mut self,
        left: Sums,
        is_right: fn(&ipv4::Packet<'_>, &tcp::Packet<'_>) -> bool,
    ) -> (Observed, String) {
        let frame = ProbeFrame {
            from: (Mac(self.nic.mac()), OURS),
            to: (Mac(self.peer.mac()), THEIRS),
            flags: Flags::ACK,
            payload: PAYLOAD,
        };
        let bytes = frame.bytes(left);
        let (mut arrived, mut right) = (0u64, 0u64);
        for _ in 0..TRIES {
            probe_frame::send(&mut self.nic, &bytes, left);
            for (_, bytes) in take(&mut self.peer, &bytes, self.line, &mut self.wait) {
                arrived += 1;
                right += u64::from(holds(&bytes, is_right));
            }
        }
        let observed =
            if arrived == TRIES && right == TRIES { Observed::Proven } else { Observed::Refuted };
        (observed, format!("{right} of {arrived} fields left to it arrived right"))
    }

    fn stamps(&mut self) -> (Observed, String) {
        let received = self.receive(THEIRS, OURS, Sums::Right);
        let stamps: Vec<_> = received.iter().filter_map(|(meta, _)| meta.stamp).collect();
        let forward =
            stamps.windows(2).filter(|pair| pair[1].ticks_since(&pair[0]).is_some()).count();
        let seen =
            format!("{} of {} frames stamped, {forward} forward", stamps.len(), received.len());
        let is_right = stamps.len() == received.len() && forward + 1 == stamps.len();
        (if is_right { Observed::Proven } else { Observed::Refuted }, seen)
    }

    fn arrive(
        &mut self,
        from: SocketAddrV4,
        to: SocketAddrV4,
        expected: bool,
        what: &str,
    ) -> (Observed, String) {
        let arrived = self.receive(from, to, Sums::Right).len() as u64;
        let is_right = arrived == if expected { TRIES } else { 0 };
        let seen = format!("of {TRIES} {what}, {arrived} came to our queue");
        (if is_right { Observed::Proven } else { Observed::Refuted }, seen)
    }

    fn marks(&mut self) -> (Observed, String) {
        let received = self.receive(THEIRS, OURS, Sums::Right);
        let marked = received.iter().filter(|(meta, _)| meta.mark == Some(MARK)).count() as u64;
        let observed = if marked == TRIES { Observed::Proven } else { Observed::Refuted };
        (observed, format!("{marked} of {TRIES} frames were marked {MARK}"))
    }

    fn counts(&mut self) -> (Observed, String) {
        let hits = |nic: &N| nic.flow_count(0).map_or(0, |count| count.hits);
        let before = hits(&self.nic);
        self.receive(THEIRS, OURS, Sums::Right);
        let counted = hits(&self.nic).saturating_sub(before);
        let observed = if counted == TRIES { Observed::Proven } else { Observed::Refuted };
        (observed, format!("{counted} of {TRIES} frames were counted by their rule"))
    }

    /// The peer's frames that reach our queue, and what the device says of them.
    fn receive(&mut self, from: SocketAddrV4, to: SocketAddrV4, sums: Sums) -> Vec<Received> {
        let frame = ProbeFrame {
            from: (Mac(self.peer.mac()), from),
            to: (Mac(self.nic.mac()), to),
            flags: Flags::ACK,
            payload: PAYLOAD,
        };
        let bytes = frame.bytes(sums);
        let mut received = Vec::new();
        for _ in 0..TRIES {
            probe_frame::send(&mut self.peer, &bytes, sums);
            received.extend(take(&mut self.nic, &bytes, self.line, &mut self.wait));
        }
        received
    }
}

/// A frame that came, and what the device says of it.
type Received = (RxMeta, Vec<u8>);

/// What has arrived of frames between the hardware addresses of `sent`. Whatever else crosses the line is
/// let go.
fn take(
    nic: &mut impl Nic,
    sent: &[u8],
    line: Line,
    wait: &mut impl FnMut(Duration),
) -> Vec<Received> {
    const ADDRESSES_LEN: usize = 12;
    let mut taken = Vec::new();
    for _ in 0..line.waits {
        wait(line.wait);
        let mut burst = Burst::new();
        nic.rx_burst(&mut burst);
        let ours = burst.iter().filter(|frame| frame.bytes().starts_with(&sent[..ADDRESSES_LEN]));
        taken.extend(ours.map(|frame| (*frame.rx_meta(), frame.bytes().to_vec())));
        if !taken.is_empty() {
            break;
        }
    }
    taken
}

/// What a device said of sums of one layer, in frames.
struct Said {
    right: usize,
    wrong: usize,
    goods: usize,
    alarms: usize,
    lies: usize,
    bads: usize,
}

impl Said {
    fn of(right: &[Received], wrong: &[Received], layer: fn(&RxMeta) -> Verdict) -> Said {
        let said = |received: &[Received], verdict| {
            received.iter().filter(|(meta, _)| layer(meta) == verdict).count()
        };
        Said {
            right: right.len(),
            wrong: wrong.len(),
            goods: said(right, Verdict::Good),
            alarms: said(right, Verdict::Bad),
            // Nobody left these unfinished.
            lies: said(wrong, Verdict::Good) + said(wrong, Verdict::None),
            bads: said(wrong, Verdict::Bad),
        }
    }

    fn observed(&self) -> Observed {
        match (self.lies, self.goods + self.bads) {
            (1.., _) => Observed::Refuted,
            (0, 0) => Observed::Unproven,
            (0, _) => Observed::Proven,
        }
    }

    fn in_words(&self) -> String {
        let Said { right, wrong, goods, alarms, lies, bads } = self;
        format!(
            "of {right} right sums: good {goods}, bad {alarms}; of {wrong} wrong ones: good {lies}, bad {bads}"
        )
    }
}

/// Whether an unfinished sum was handed over as one: named where it is, and with the pseudo-header's in it.
fn is_vouched_for(meta: &RxMeta, bytes: &[u8]) -> bool {
    let place = (usize::from(meta.csum_start), usize::from(meta.csum_offset));
    meta.l4 == Verdict::None
        && place == (TCP_AT, TCP_CHECKSUM_OFFSET)
        && holds(bytes, |packet, segment| segment.checksum() == packet.tcp_pseudo_header().folded())
}

fn tcp_is_right(bytes: &[u8]) -> bool {
    holds(bytes, |packet, segment| {
        packet.tcp_pseudo_header().plus(Sum::of(segment.bytes())).is_valid()
    })
}

fn start<B: Backend>(
    found: Device<B, Probed>,
    profile: &Profile,
    rules: RuleSet,
) -> Result<(B::Nic, Plan), Failure> {
    let configured = device::configure(found, profile, rules)?;
    let started = configured.start().and_then(Device::steer);
    started.map_err(|error| Refused::from(error).into())
}

/// One rule for what is ours, and one for what is dropped, with as much beside as the device has and the
/// profile leaves on.
fn rules(profile: &Profile, device: &Capabilities) -> RuleSet {
    let on = |capability| {
        profile.policy(capability) != Policy::Off && device.advert(capability).is_some()
    };
    let mut ours = FlowRule::listener(OURS, 0);
    if on(Capability::FlowMark) {
        ours = ours.marked(MARK);
    }
    if on(Capability::FlowCount) {
        ours = ours.counted();
    }
    let mut rules = vec![ours];
    if on(Capability::FlowDrop) {
        let stranger = Pattern { src: AddrMatch::exact(*DROPPED.ip()), ..Pattern::TCP };
        rules.push(FlowRule::new(stranger, Fate::Drop));
    }
    RuleSet::new(rules, OnMiss::Queue(0)).unwrap_or(RuleSet::EMPTY)
}

fn holds(bytes: &[u8], is_right: fn(&ipv4::Packet<'_>, &tcp::Packet<'_>) -> bool) -> bool {
    let Ok(frame) = ethernet::Packet::parse(bytes) else { return false };
    let Ok(packet) = ipv4::Packet::parse(frame.payload) else { return false };
    tcp::Packet::parse(packet.payload).is_ok_and(|segment| is_right(&packet, &segment))
}

#[cfg(test)]
mod tests {
    use fixwire::time;
    use fixwire_hw::sim::{self, Model, NicFaults, VerdictStyle};

    use super::*;

    fn observed(model: Model, capability: Capability) -> Option<Observed> {
        let peer = if model.capabilities.gives_none { Model::virtio() } else { Model::bare() };
        let (near, far, wire) =
            sim::pair(sim::Config { a: model, b: peer, ..sim::Config::default() }, 0);
        let (near, far) = (Device::probed(near), Device::probed(far));
        let pass = move |_| wire.advance(time::Duration::from_ms(1));
        let mut bench =
            Bench::new(near, far, (Line::MODEL, pass), &Profile::all(Policy::Prefer)).unwrap();
        assert!(bench.plan.uses(capability), "{}", bench.plan.row(capability).reason);
        bench.probe(capability).map(|finding| finding.observed)
    }

    #[test]
    fn what_a_full_model_does_is_proven() {
        for capability in [
            Capability::RxIpv4Checksum,
            Capability::RxTcpChecksum,
            Capability::TxIpv4Checksum,
            Capability::TxTcpChecksum,
            Capability::RxTimestamp,
            Capability::FlowSteering,
            Capability::FlowDrop,
            Capability::FlowMark,
            Capability::FlowCount,
            Capability::FlowIsolation,
        ] {
            let model = Model::named("sim").unwrap();
            assert_eq!(observed(model, capability), Some(Observed::Proven), "{capability}");
        }
    }

    #[test]
    fn a_device_that_calls_everything_good_is_refuted_and_a_silent_one_unproven() {
        for (verdicts, expected) in [
            (VerdictStyle::AlwaysGood, Observed::Refuted),
            (VerdictStyle::Silent, Observed::Unproven),
            (VerdictStyle::BadOrSilent, Observed::Proven),
        ] {
            for capability in [Capability::RxIpv4Checksum, Capability::RxTcpChecksum] {
                let model = Model { verdicts, ..Model::full() };
                assert_eq!(observed(model, capability), Some(expected), "{verdicts:?}");
            }
        }
    }

    #[test]
    fn a_device_that_leaves_sums_as_they_are_or_its_rules_uncounted_is_refuted() {
        let leaves = NicFaults { leaves_sums: true, ..NicFaults::default() };
        let counts = NicFaults { counts_read_zero: true, ..NicFaults::default() };
        for (faults, capability) in [
            (leaves, Capability::TxIpv4Checksum),
            (leaves, Capability::TxTcpChecksum),
            (counts, Capability::FlowCount),
        ] {
            let model = Model { faults, ..Model::named("sim").unwrap() };
            assert_eq!(observed(model, capability), Some(Observed::Refuted), "{capability}");
        }
    }

    #[test]
    fn sums_that_a_device_hands_over_unfinished_are_proven_by_what_is_in_the_field() {
        let model = Model::virtio();
        assert_eq!(observed(model, Capability::RxTcpChecksum), Some(Observed::Proven));
        let faults = NicFaults { leaves_sums: true, ..NicFaults::default() };
        let model = Model { faults, ..Model::virtio() };
        assert_eq!(observed(model, Capability::TxTcpChecksum), Some(Observed::Refuted));
    }
}
