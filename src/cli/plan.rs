//! `fixwire plan`: who would do what, and why.

use clap::Args;
use fixwire::offload::device::{Backend, Device, Probed};
use fixwire::offload::plan::Plan;
use fixwire::offload::profile::Profile;
use serde_json::json;

use super::device;
use super::failure::Failure;
use super::nic_spec::NicSpec;
use super::{profile, say, table};

/// Show the plan alone: each capability, what the profile asks, what the device offers, who does it.
///
/// The device is brought up as `run` would, so that what it refuses shows; no session is traded. Exit
/// code 3 when the profile requires what the device does not do.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// The device: `tap` (one of our own), `tap:IFNAME`, `sim`.
    #[arg(long, value_name = "SPEC", default_value = "tap")]
    nic: NicSpec,
    /// A built-in profile or a file; by default the one that fits the device.
    #[arg(long, value_name = "NAME|FILE")]
    profile: Option<String>,
    /// Print rows for machines.
    #[arg(long)]
    json: bool,
}

pub(crate) fn command(args: &PlanArgs) -> Result<(), Failure> {
    let profile = profile::load(args.profile.as_deref().unwrap_or(args.nic.default_profile()))?;
    match &args.nic {
        NicSpec::TapEmbedded => show(device::embedded_tap()?, &profile, args.json),
        NicSpec::Tap(name) => show(device::attached_tap(name)?, &profile, args.json),
        NicSpec::Sim => show(Device::probed(device::sim(profile.frames).0), &profile, args.json),
    }
}

fn show<B: Backend>(
    device: Device<B, Probed>,
    profile: &Profile,
    json: bool,
) -> Result<(), Failure> {
    match device::configure(device, profile) {
        Ok(configured) => {
            print(configured.plan(), json);
            Ok(())
        }
        Err(device::Refused::Unmet(plan)) => {
            print(&plan, json);
            Err(device::unmet(&plan))
        }
        Err(device::Refused::Failed(failure)) => Err(failure),
    }
}

fn print(plan: &Plan, json: bool) {
    if json {
        say(
            json!({ "nic": plan.nic, "profile": plan.profile, "plan": table::plan_json(plan, None) }),
        );
    } else {
        say(table::plan(plan, None));
    }
}
