//! `fixwire selftest`: every offload tried with frames made for it, on a line that carries nothing else.

use std::net::{Ipv4Addr, SocketAddrV4};

use clap::Args;
use fixwire::offload::capability::Capability;
use fixwire::offload::device::{Device, DeviceError};
use fixwire::offload::flow::{AddrMatch, Fate, FlowRule, OnMiss, Pattern, RuleSet};
use fixwire::offload::nic::{Burst, Frame, Nic, RxMeta};
use fixwire::offload::observe::Observed;
use fixwire::offload::plan::{Capabilities, Plan};
use fixwire::offload::profile::{Policy, Profile};
use fixwire::offload::verdict::Verdict;
use fixwire::time::Duration;
use fixwire::wire::ethernet::Mac;
use fixwire::wire::tcp::{self, Flags};
use fixwire::wire::{ethernet, ipv4};
use fixwire_hw::sim::{self, Model, SimNic, Wire};
use serde_json::json;

use super::failure::Failure;
use super::nic_spec::NicSpec;
use super::probe_frame::{self, ProbeFrame, Sums};
use super::{profile, say, table};

/// Try every offload that the plan leaves to the device, with frames made for it: wrong sums, frames
/// that a rule drops, frames that no rule names.
///
/// The line must be a loopback pair: the device, and a peer that does nothing by itself. Never run it on a
/// venue's line. Exit code 1 when the device was found wrong.
#[derive(Debug, Args)]
pub(crate) struct SelftestArgs {
    /// The device: `sim` or `sim:MODEL`.
    #[arg(long, value_name = "SPEC", default_value = "sim")]
    nic: NicSpec,
    /// The other end of the pair; by default a model that does nothing for itself.
    #[arg(long, value_name = "SPEC")]
    peer: Option<NicSpec>,
    /// A built-in profile or a file; by default the one that fits the device.
    #[arg(long, value_name = "NAME|FILE")]
    profile: Option<String>,
    /// Print rows for machines.
    #[arg(long)]
    json: bool,
}

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

pub(crate) fn command(args: &SelftestArgs) -> Result<(), Failure> {
    let NicSpec::Sim(name) = args.nic else {
        return Err(Failure::Input(format!(
            "{} is no end of a loopback pair that can be probed; use `sim:MODEL`",
            args.nic
        )));
    };
    let model = Model::named(name).unwrap_or_default();
    let peer = match &args.peer {
        None if model.capabilities.gives_none => Model::virtio(),
        None => Model::bare(),
        Some(NicSpec::Sim(peer)) => Model::named(peer).unwrap_or_default(),
        Some(other) => {
            return Err(Failure::Input(format!(
                "{other} cannot be joined to {}; use another `sim:MODEL`",
                args.nic
            )));
        }
    };
    let profile = profile::load(args.profile.as_deref().unwrap_or(name))?;
    let mut bench = Bench::new(model, peer, &profile)?;
    let used = |capability: &Capability| bench.plan.uses(*capability);
    let used: Vec<Capability> = Capability::ALL.into_iter().filter(used).collect();
    let findings: Vec<Finding> =
        used.into_iter().filter_map(|capability| bench.probe(capability)).collect();
    let refuted = findings.iter().filter(|found| found.observed == Observed::Refuted).count();
    if args.json {
        let rows = findings.iter().map(|found| {
            json!({
                "capability": found.capability.name(),
                "observed": found.observed.to_string(),
                "seen": found.seen,
            })
        });
        say(json!({ "nic": bench.plan.nic, "findings": rows.collect::<Vec<_>>() }));
    } else {
        let rows = findings.iter().map(|found| {
            vec![found.capability.to_string(), found.observed.to_string(), found.seen.clone()]
        });
        say(format_args!("active probes of {} by profile {}", bench.plan.nic, profile.name));
        say(table::texts(&["capability", "observed", "what was seen"], rows));
        say(format_args!("{} right, {refuted} wrong", findings.len() - refuted));
    }
    if refuted > 0 {
        return Err(Failure::run(
            format!("{refuted} offloads are wrong"),
            "write \"off\" for them in the profile, and tell who makes the NIC",
        ));
    }
    Ok(())
}

/// What came of one capability.
struct Finding {
    capability: Capability,
    observed: Observed,
    seen: String,
}

/// The device, its peer and the line between.
struct Bench {
    plan: Plan,
    nic: SimNic,
    peer: SimNic,
    wire: Wire,
}

impl Bench {
    fn new(model: Model, peer: Model, profile: &Profile) -> Result<Bench, Failure> {
        let rules = rules(profile, &model.capabilities);
        let config = sim::Config { a: model, b: peer, ..sim::Config::default() };
        let (near, far, wire) = sim::pair(config, 0);
        let software = Profile::all(Policy::Prefer);
        let (nic, plan) = start(Device::probed(near), profile, rules)?;
        let (peer, _) = start(Device::probed(far), &software, RuleSet::EMPTY)?;
        Ok(Bench { plan, nic, peer, wire })
    }

    /// `None` for what no frame shows.
    fn probe(&mut self, capability: Capability) -> Option<Finding> {
        let (observed, seen) = match capability {
            Capability::RxIpv4Checksum => self.verdicts(Sums::Ipv4Wrong, |meta| meta.l3),
            Capability::RxTcpChecksum => self.verdicts(Sums::TcpWrong, |meta| meta.l4),
            Capability::TxIpv4Checksum => self.finished(|packet, _| packet.checksum_is_valid()),
            Capability::TxTcpChecksum => self.finished(|packet, segment| {
                let pseudo = packet.tcp_pseudo_header();
                let sum = fixwire::offload::checksum::Sum::of(segment.bytes());
                pseudo.plus(sum).is_valid() || segment.checksum() == pseudo.folded()
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

    fn verdicts(&mut self, wrong: Sums, layer: fn(&RxMeta) -> Verdict) -> (Observed, String) {
        let said =
            |metas: &[RxMeta], verdict| metas.iter().filter(|meta| layer(meta) == verdict).count();
        let right = self.receive(THEIRS, OURS, Sums::Right);
        let wrong = self.receive(THEIRS, OURS, wrong);
        let (goods, alarms) = (said(&right, Verdict::Good), said(&right, Verdict::Bad));
        let (lies, bads) = (said(&wrong, Verdict::Good), said(&wrong, Verdict::Bad));
        let seen = format!(
            "of {} right sums: good {goods}, bad {alarms}; of {} wrong ones: good {lies}, bad {bads}",
            right.len(),
            wrong.len()
        );
        let observed = match (lies, goods + bads) {
            (1.., _) => Observed::Refuted,
            (0, 0) => Observed::Unproven,
            (0, _) => Observed::Proven,
        };
        (observed, seen)
    }

    /// Sends frames whose sums are left to the device, and looks at what the peer gets.
    fn finished(
        &mut self,
        is_right: fn(&ipv4::Packet<'_>, &tcp::Packet<'_>) -> bool,
    ) -> (Observed, String) {
        let frame = ProbeFrame {
            from: (Mac(self.nic.mac()), OURS),
            to: (Mac(self.peer.mac()), THEIRS),
            flags: Flags::ACK,
            payload: PAYLOAD,
        };
        let bytes = frame.bytes(Sums::LeftToDevice);
        let (mut arrived, mut right) = (0u64, 0u64);
        for _ in 0..TRIES {
            probe_frame::send(&mut self.nic, &bytes, Sums::LeftToDevice);
            self.wire.advance(Duration::from_ms(1));
            let mut burst = Burst::new();
            self.peer.rx_burst(&mut burst);
            for frame in &burst {
                arrived += 1;
                right += u64::from(holds(frame.bytes(), is_right));
            }
        }
        let seen = format!("{right} of {arrived} fields left to it arrived right");
        (
            if arrived == TRIES && right == TRIES { Observed::Proven } else { Observed::Refuted },
            seen,
        )
    }

    fn stamps(&mut self) -> (Observed, String) {
        let metas = self.receive(THEIRS, OURS, Sums::Right);
        let stamps: Vec<_> = metas.iter().filter_map(|meta| meta.stamp).collect();
        let forward =
            stamps.windows(2).filter(|pair| pair[1].ticks_since(&pair[0]).is_some()).count();
        let seen = format!("{} of {} frames stamped, {forward} forward", stamps.len(), metas.len());
        let is_right = stamps.len() == metas.len() && forward + 1 == stamps.len();
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
        let metas = self.receive(THEIRS, OURS, Sums::Right);
        let marked = metas.iter().filter(|meta| meta.mark == Some(MARK)).count() as u64;
        let observed = if marked == TRIES { Observed::Proven } else { Observed::Refuted };
        (observed, format!("{marked} of {TRIES} frames were marked {MARK}"))
    }

    fn counts(&mut self) -> (Observed, String) {
        let hits = |nic: &SimNic| nic.flow_count(0).map_or(0, |count| count.hits);
        let before = hits(&self.nic);
        self.receive(THEIRS, OURS, Sums::Right);
        let counted = hits(&self.nic) - before;
        let observed = if counted == TRIES { Observed::Proven } else { Observed::Refuted };
        (observed, format!("{counted} of {TRIES} frames were counted by their rule"))
    }

    /// What the device says of frames of the peer's that reach our queue.
    fn receive(&mut self, from: SocketAddrV4, to: SocketAddrV4, sums: Sums) -> Vec<RxMeta> {
        let frame = ProbeFrame {
            from: (Mac(self.peer.mac()), from),
            to: (Mac(self.nic.mac()), to),
            flags: Flags::ACK,
            payload: PAYLOAD,
        };
        let bytes = frame.bytes(sums);
        let mut metas = Vec::new();
        for _ in 0..TRIES {
            probe_frame::send(&mut self.peer, &bytes, sums);
            self.wire.advance(Duration::from_ms(1));
            let mut burst = Burst::new();
            self.nic.rx_burst(&mut burst);
            metas.extend(burst.iter().map(|frame| *frame.rx_meta()));
        }
        metas
    }
}

fn start(
    device: Device<sim::SimBackend, fixwire::offload::device::Probed>,
    profile: &Profile,
    rules: RuleSet,
) -> Result<(SimNic, Plan), Failure> {
    let started = device.plan(profile, rules).configure().and_then(Device::start);
    started.and_then(Device::steer).map_err(|error: DeviceError<_>| match error {
        DeviceError::Unmet(plan) => super::device::unmet(&plan),
        DeviceError::Failed(error) => Failure::Run(error.to_string()),
    })
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
    use fixwire_hw::sim::VerdictStyle;

    use super::*;

    fn observed(model: Model, capability: Capability) -> Option<Observed> {
        let mut bench = Bench::new(model, Model::bare(), &Profile::all(Policy::Prefer)).unwrap();
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
}
