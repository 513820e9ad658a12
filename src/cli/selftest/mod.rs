//! `fixwire selftest`: every offload tried with frames made for it, on a line that carries nothing else.

mod bench;
mod probes;
#[cfg(test)]
mod tests;

use clap::Args;
use fixwire::offload::capability::Capability;
use fixwire::offload::device::{Backend, Device};
use fixwire::offload::nic::Nic;
use fixwire::offload::observe::Observed;
use fixwire::offload::plan::Plan;
use fixwire::offload::profile::Profile;
use fixwire_hw::sim::{self, Model};
use fixwire_hw::tap::TapBackend;
use serde_json::json;

#[cfg(feature = "dpdk")]
use super::dpdk;
use super::failure::Failure;
use super::nic_spec::NicSpec;
use super::signals::Interruption;
use super::{device, profile, say, summary, table};
use bench::{Bench, Line, RealLine};
use probes::Finding;

/// Try every offload that the plan leaves to the device, with frames made for it: wrong sums, sums left to
/// the device, frames that a rule drops, frames that no rule names. What no frame shows, and what would have
/// been the same without the offload, is called unproven.
///
/// The line must be a loopback pair: the device, and a peer that does nothing by itself. `tap` makes two
/// TAPs in a namespace of its own and a bridge between them; two TAPs that are there must have been joined
/// by a bridge, two ports of DPDK's by a cable; a model has another behind its wire. Never run it on a venue's
/// line. Exit code 1 when the device was found wrong, and when Ctrl-C, SIGTERM or SIGHUP ended it: what was tried until
/// then is shown.
#[derive(Debug, Args)]
pub(crate) struct SelftestArgs {
    /// The device: `sim`, `sim:MODEL`, `tap`, `tap:IFNAME` or `dpdk:DEVICE`.
    #[arg(long, value_name = "SPEC", default_value = "sim")]
    nic: NicSpec,
    /// The other end of the pair: for a model another, by default one that does nothing for itself; for
    /// `tap:IFNAME` the TAP that it is joined to, for `dpdk:DEVICE` the port.
    #[arg(long, value_name = "SPEC")]
    peer: Option<NicSpec>,
    /// A built-in profile or a file; by default the one that fits the device, as for `run`.
    #[arg(long, value_name = "NAME|FILE")]
    profile: Option<String>,
    /// Print rows for machines.
    #[arg(long)]
    json: bool,
}

pub(crate) fn command(args: &SelftestArgs) -> Result<(), Failure> {
    let profile = profile::load(args.profile.as_deref().unwrap_or(args.nic.default_profile()))?;
    let job = Job { args, profile: &profile, interruption: Interruption::caught()? };
    match (&args.nic, &args.peer) {
        (NicSpec::Sim(_), None | Some(NicSpec::Sim(_))) => job.on_models(),
        #[cfg(feature = "rtl")]
        (NicSpec::Rtl(_), None | Some(NicSpec::Sim(_))) => job.on_models(),
        (NicSpec::TapEmbedded, None) => {
            let (near, far) =
                TapBackend::embedded_pair().map_err(|error| device::tap_failure(&error))?;
            job.probe(near, far, RealLine::new())
        }
        (NicSpec::Tap(near), Some(NicSpec::Tap(far))) if near != far => {
            let attach = |name| {
                let attached = TapBackend::attach(name).map(TapBackend::as_bridge_port);
                attached.map_err(|error| device::tap_failure(&error))
            };
            job.probe(attach(near)?, attach(far)?, RealLine::new())
        }
        (NicSpec::Tap(_), None) => Err(Failure::Input(format!(
            "{} is one end of a loopback pair; name the TAP that it is joined to by --peer tap:IFNAME, or use \
             `tap` for a pair of our own",
            args.nic
        ))),
        #[cfg(feature = "dpdk")]
        (NicSpec::Dpdk(near), Some(NicSpec::Dpdk(far))) if near.name() != far.name() => {
            let [near, far] = dpdk::open_pair(near, far, &profile, args.json)?;
            job.probe(near, far, RealLine::new())
        }
        #[cfg(feature = "dpdk")]
        (NicSpec::Dpdk(_), None) => Err(Failure::Input(format!(
            "{} is one end of a loopback pair; name the port that it is joined to by --peer dpdk:DEVICE",
            args.nic
        ))),
        (nic, Some(peer)) => Err(Failure::Input(format!(
            "{peer} cannot be joined to {nic}; a `sim:MODEL`, a `tap:IFNAME` and a `dpdk:DEVICE` are each joined to \
             another of their kind, and `tap` makes its own peer"
        ))),
    }
}

/// What was asked for.
struct Job<'a> {
    args: &'a SelftestArgs,
    profile: &'a Profile,
    interruption: Interruption,
}

impl Job<'_> {
    fn on_models(&self) -> Result<(), Failure> {
        let model = device::model(&self.args.nic)?.unwrap_or_default();
        let peer = match &self.args.peer {
            Some(NicSpec::Sim(peer)) => Model::named(peer).unwrap_or_default(),
            _ if model.capabilities.gives_none => Model::virtio(),
            _ => Model::bare(),
        };
        let config = sim::Config { a: model, b: peer, ..sim::Config::default() };
        let (near, far, wire) = sim::pair(config, 0);
        self.probe(near, far, wire)
    }

    fn probe<B: Backend>(&self, near: B, far: B, line: impl Line) -> Result<(), Failure> {
        let Job { args, profile, interruption } = self;
        let mut bench = Bench::new(Device::probed(near), Device::probed(far), line, profile)?;
        device::refuse_unpolled_queues(&args.nic, profile, &bench.plan)?;
        let joined = bench.is_joined();
        let used = used(&bench.plan);
        let findings = if joined { findings(&mut bench, &used, interruption) } else { Vec::new() };
        let plan = bench.plan.clone();
        tell(&findings, &plan, bench.close(), args.json);
        if !joined {
            return Err(Failure::run(
                format!("nothing arrives at {} that its peer sends", args.nic),
                "join the two, by `ip link set dev IFNAME master BRIDGE` for a TAP and by a cable for a port, and \
                 see that both are up",
            ));
        }
        if findings.len() < used.len() {
            return Err(Failure::run(
                format!(
                    "interrupted when {} of {} offloads were tried",
                    findings.len(),
                    used.len()
                ),
                "run it again to begin anew",
            ));
        }
        match findings.iter().filter(|found| found.observed == Observed::Refuted).count() {
            0 => Ok(()),
            refuted => Err(Failure::run(
                if refuted == 1 {
                    "1 offload is wrong".into()
                } else {
                    format!("{refuted} offloads are wrong")
                },
                "write \"off\" for them in the profile, and tell who makes the NIC",
            )),
        }
    }
}

/// What the plan leaves to the device.
fn used(plan: &Plan) -> Vec<Capability> {
    Capability::ALL.into_iter().filter(|capability| plan.uses(*capability)).collect()
}

/// What each of them turned out to be, until it is interrupted.
fn findings<N: Nic, P: Nic>(
    bench: &mut Bench<N, P, impl Line>,
    used: &[Capability],
    interruption: &Interruption,
) -> Vec<Finding> {
    let wanted = used.iter().take_while(|_| !interruption.has_come());
    wanted.map(|capability| bench.probe(*capability)).collect()
}

/// What was found, under the plan that the device got, and how many buffers of the two ends have not come back.
fn tell(findings: &[Finding], plan: &Plan, not_returned: Option<u32>, as_json: bool) {
    if as_json {
        let rows = findings.iter().map(|found| {
            json!({
                "capability": found.capability.name(),
                "observed": found.observed.to_string(),
                "seen": found.seen,
            })
        });
        say(json!({
            "nic": plan.nic,
            "profile": plan.profile,
            "plan": table::plan_json(plan, None),
            "findings": rows.collect::<Vec<_>>(),
            "buffers_not_returned": not_returned,
        }));
        return;
    }
    let rows = findings.iter().map(|found| {
        vec![found.capability.to_string(), found.observed.to_string(), found.seen.clone()]
    });
    let of = |observed| findings.iter().filter(|found| found.observed == observed).count();
    say(table::plan(plan, None));
    say(format_args!("active probes of {} by profile {}", plan.nic, plan.profile));
    say(table::texts(&["capability", "observed", "what was seen"], rows));
    say(format_args!(
        "{} proven, {} unproven, {} wrong",
        of(Observed::Proven),
        of(Observed::Unproven),
        of(Observed::Refuted)
    ));
    if let Some(warning) = summary::lost_buffers(not_returned) {
        say(warning.trim_start());
    }
}
