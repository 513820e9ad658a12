//! Devices from probe to run, for any command.

use fixwire::offload::device::{Backend, Configured, Device, DeviceError, Probed};
use fixwire::offload::plan::Plan;
use fixwire::offload::profile::Profile;
use fixwire_hw::sim::{self, SimBackend, Wire};
use fixwire_hw::tap::{TapBackend, TapError};

use super::failure::Failure;

/// Why a device was not configured.
pub(crate) enum Refused {
    /// The profile requires more than it does.
    Unmet(Box<Plan>),
    Failed(Failure),
}

pub(crate) fn embedded_tap() -> Result<Device<TapBackend, Probed>, Failure> {
    TapBackend::embedded().map(Device::probed).map_err(|error| tap_failure(&error))
}

pub(crate) fn attached_tap(name: &str) -> Result<Device<TapBackend, Probed>, Failure> {
    TapBackend::attach(name).map(Device::probed).map_err(|error| tap_failure(&error))
}

/// A NIC model, the one it is joined to, and the wire between.
pub(crate) fn sim(frames: usize) -> (SimBackend, SimBackend, Wire) {
    let config = sim::Config { frames, ..sim::Config::default() };
    sim::pair(config, 0)
}

pub(crate) fn configure<B: Backend>(
    device: Device<B, Probed>,
    profile: &Profile,
) -> Result<Device<B, Configured>, Refused> {
    device.plan(profile).configure().map_err(|error| match error {
        DeviceError::Unmet(plan) => Refused::Unmet(plan),
        DeviceError::Failed(error) => Refused::Failed(Failure::Run(error.to_string())),
    })
}

/// The failure that a plan with an unmet requirement is.
pub(crate) fn unmet(plan: &Plan) -> Failure {
    let error: DeviceError<std::convert::Infallible> = DeviceError::Unmet(Box::new(plan.clone()));
    Failure::Unmet(format!(
        "{error}; write \"prefer\" for it in the profile, or choose another NIC"
    ))
}

pub(crate) fn tap_failure(error: &TapError) -> Failure {
    match error {
        TapError::NameInvalid { .. } => Failure::Input(error.to_string()),
        _ => Failure::Run(error.to_string()),
    }
}
