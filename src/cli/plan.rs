//! `fixwire plan`: who would do what, and why.

mod diff;
mod explain;

use std::net::Ipv4Addr;

use clap::Args;
use fixwire::offload::capability::Capability;
use fixwire::offload::device::{Backend, Device, Probed};
use fixwire::offload::flow::RuleSet;
use fixwire::offload::plan::Plan;
use fixwire::offload::profile::Profile;
use serde_json::{Value, json};

use super::device::{self, Refused};
#[cfg(feature = "dpdk")]
use super::dpdk;
use super::failure::Failure;
use super::nic_spec::NicSpec;
use super::session_file::{Purpose, SessionFile};
use super::signals::Interruption;
use super::{bring_up, profile, say, table};

/// Where the engine and its peer would be.
pub(crate) const EXAMPLE_ADDR: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
pub(crate) const EXAMPLE_PEER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);

/// Show the plan alone: each capability, what the profile asks, what the device offers, who does it.
///
/// The device is brought up as `run` would, so that what it refuses shows; no session is traded. Exit
/// code 3 when the profile requires what the device does not do, 2 when it asks for queues that nobody would poll.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// The device: `tap` (one of our own), `tap:IFNAME`, `sim`, `sim:MODEL` (`fixwire profiles list`
    /// has their names), `dpdk:DEVICE`, `rtl`.
    #[arg(long, value_name = "SPEC", default_value = "tap")]
    nic: NicSpec,
    /// A built-in profile or a file; by default the one that fits the device, as for `run`.
    #[arg(long, value_name = "NAME|FILE")]
    profile: Option<String>,
    /// Compare two profiles, each a built-in one or a file: the values that differ, and what comes of
    /// them on the device.
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with_all = ["profile", "explain"])]
    diff: Option<Vec<String>>,
    /// Say besides what each verdict of the device is worth, which bound the audit gives, and against
    /// which faults.
    #[arg(long)]
    explain: bool,
    /// Print rows for machines.
    #[arg(long)]
    json: bool,
}

pub(crate) fn command(args: &PlanArgs) -> Result<(), Failure> {
    if let Some([a, b]) = args.diff.as_deref() {
        return diff::command(&args.nic, [a, b], args.json);
    }
    let profile = profile::load(args.profile.as_deref().unwrap_or(args.nic.default_profile()))?;
    // What takes no time is not cut short, and the device is closed.
    let _interruption = Interruption::caught()?;
    match &args.nic {
        NicSpec::TapEmbedded => show(device::embedded_tap()?, &profile, args),
        NicSpec::Tap(name) => show(device::attached_tap(name)?, &profile, args),
        #[cfg(feature = "dpdk")]
        NicSpec::Dpdk(port) => show(
            Device::probed(dpdk::open(port, &profile, args.json, dpdk::Where::OfOurOwn)?.backend),
            &profile,
            args,
        ),
        nic => {
            let model = device::model(nic)?.unwrap_or_default();
            show(Device::probed(device::sim(model, &profile).0), &profile, args)
        }
    }
}

fn show<B: Backend>(
    device: Device<B, Probed>,
    profile: &Profile,
    args: &PlanArgs,
) -> Result<(), Failure> {
    let (plan, outcome) = match bring_up(device, profile) {
        Ok(plan) => {
            let refused = device::refuse_unpolled_queues(&args.nic, profile, &plan);
            (plan, refused)
        }
        Err(Refused::Unmet(plan)) => {
            let unmet = device::unmet(&plan);
            (*plan, Err(unmet))
        }
        Err(Refused::Failed(failure)) => return Err(failure),
    };
    match (args.json, args.explain) {
        (true, true) => {
            let mut whole = for_machines(&plan);
            whole["explain"] = explain::for_machines(profile);
            say(whole);
        }
        (json, explained) => {
            print(&plan, json);
            if explained {
                say(explain::for_people(profile));
            }
        }
    }
    outcome
}

/// What a device shows when it has started: its rules, and how it receives and sends.
const SHOWS_LATE: [Capability; 4] =
    [Capability::FlowSteering, Capability::RxVector, Capability::Inlining, Capability::Mprq];

/// Brings a device up as far as it can refuse something.
fn bring_up<B: Backend>(device: Device<B, Probed>, profile: &Profile) -> Result<Plan, Refused> {
    let rules = usual_rules(profile).map_err(Refused::Failed)?;
    let configured = device::configure(device, profile, rules)?;
    if !SHOWS_LATE.into_iter().any(|capability| configured.plan().uses(capability)) {
        return Ok(configured.plan().clone());
    }
    let (_, plan) = configured.start()?.steer()?;
    Ok(plan)
}

/// The rules of a run without a session file.
pub(crate) fn usual_rules(profile: &Profile) -> Result<RuleSet, Failure> {
    let settings = SessionFile::open_or_built_in(None, Purpose::Trade)?;
    let sessions = bring_up::session_plans(&settings.sessions, EXAMPLE_ADDR, EXAMPLE_PEER)?;
    bring_up::rules(profile, EXAMPLE_ADDR, None, &sessions)
}

/// The plan alone.
pub(crate) fn print(plan: &Plan, json: bool) {
    if json {
        say(for_machines(plan));
    } else {
        say(table::plan(plan, None));
    }
}

fn for_machines(plan: &Plan) -> Value {
    let rules: Vec<String> = plan.device_rules().rules().iter().map(ToString::to_string).collect();
    json!({
        "nic": plan.nic,
        "profile": plan.profile,
        "plan": table::plan_json(plan, None),
        "steering": rules,
    })
}

#[cfg(test)]
mod tests {
    use fixwire::offload::plan::Outcome;
    use fixwire::offload::profile::Policy;
    use fixwire_hw::sim::{self, Model, NicFaults};

    use super::*;

    fn planned(profile: &Profile) -> Result<Plan, Refused> {
        let faults = NicFaults { refuses_rules: true, ..NicFaults::default() };
        let model = Model { faults, ..Model::named("connectx5").unwrap() };
        let config = sim::Config { a: model, ..sim::Config::default() };
        bring_up(Device::probed(sim::pair(config, 0).0), profile)
    }

    #[test]
    fn rules_that_the_device_refuses_when_they_are_installed_show_in_the_plan() {
        let profile = Profile::all(Policy::Prefer);
        let Ok(plan) = planned(&profile) else { panic!("the host steers") };
        let row = plan.row(Capability::FlowSteering);
        assert_eq!(row.outcome, Outcome::Host);
        assert!(row.reason.contains("no room for it (ENOSPC)"), "{}", row.reason);
        let requires = profile.with(Capability::FlowSteering, Policy::Require);
        assert!(matches!(planned(&requires), Err(Refused::Unmet(_))));
    }
}
