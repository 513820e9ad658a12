//! Devices from probe to run, for any command.

use fixwire::offload::device::{Backend, Configured, Device, DeviceError, Probed};
use fixwire::offload::flow::RuleSet;
use fixwire::offload::plan::{Capabilities, Plan};
#[cfg(feature = "dpdk")]
use fixwire::offload::profile::Policy;
use fixwire::offload::profile::Profile;
use fixwire::time::Instant;
use fixwire_hw::clock::HostClock;
#[cfg(feature = "rtl")]
use fixwire_hw::sim::Design;
use fixwire_hw::sim::{self, Model, SimBackend, Wire};
use fixwire_hw::tap::{TapBackend, TapError};

#[cfg(feature = "dpdk")]
use super::dpdk;
use super::failure::Failure;
use super::nic_spec::NicSpec;
use super::warn;

/// Why a device was not configured.
pub(crate) enum Refused {
    /// The profile requires more than it does.
    Unmet(Box<Plan>),
    Failed(Failure),
}

impl<E: std::error::Error + 'static> From<DeviceError<E>> for Refused {
    fn from(error: DeviceError<E>) -> Refused {
        match error {
            DeviceError::Unmet(plan) => Refused::Unmet(plan),
            DeviceError::Failed(error) => Refused::Failed(failed(&error)),
        }
    }
}

/// Whose turn it is where a device did not do a step.
fn failed(error: &(dyn std::error::Error + 'static)) -> Failure {
    #[cfg(feature = "dpdk")]
    if let Some(error) = error.downcast_ref() {
        return dpdk::failure(error);
    }
    Failure::Run(error.to_string())
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Failure {
        match refused {
            Refused::Unmet(plan) => unmet(&plan),
            Refused::Failed(failure) => failure,
        }
    }
}

pub(crate) fn embedded_tap() -> Result<Device<TapBackend, Probed>, Failure> {
    TapBackend::embedded().map(Device::probed).map_err(|error| tap_failure(&error))
}

pub(crate) fn attached_tap(name: &str) -> Result<Device<TapBackend, Probed>, Failure> {
    TapBackend::attach(name).map(Device::probed).map_err(|error| tap_failure(&error))
}

/// What a device advertises, without setting it up.
pub(crate) fn capabilities(nic: &NicSpec) -> Result<Capabilities, Failure> {
    Ok(match nic {
        NicSpec::TapEmbedded => embedded_tap()?.capabilities(),
        NicSpec::Tap(name) => attached_tap(name)?.capabilities(),
        NicSpec::Sim(model) => Model::named(model).unwrap_or_default().capabilities,
        #[cfg(feature = "rtl")]
        NicSpec::Rtl(design) => model_of_design(design)?.capabilities,
        #[cfg(feature = "dpdk")]
        NicSpec::Dpdk(device) => {
            dpdk::open(device, &Profile::all(Policy::Prefer), true, dpdk::Where::OfOurOwn)?
                .backend
                .capabilities()
        }
    })
}

/// What a device advertises with the queues that a profile sets up, and its driver's arguments.
pub(crate) fn set_up_by(mut capabilities: Capabilities, profile: &Profile) -> Capabilities {
    capabilities.flow.queues = profile.queues.rx;
    capabilities.switched(&profile.devargs, &profile.queues)
}

/// What is on the wire in memory for a device that has one.
pub(crate) fn model(nic: &NicSpec) -> Result<Option<Model>, Failure> {
    Ok(match nic {
        NicSpec::Sim(name) => Some(Model::named(name).unwrap_or_default()),
        #[cfg(feature = "rtl")]
        NicSpec::Rtl(design) => Some(model_of_design(design)?),
        _ => None,
    })
}

/// The RTL as a NIC, once its waves have a file.
#[cfg(feature = "rtl")]
fn model_of_design(design: &Design) -> Result<Model, Failure> {
    if let Some(path) = &design.waves {
        std::fs::File::create(path).map_err(|error| {
            let what = format!("waves cannot be written to {}: {error}", path.display());
            Failure::run(what, "name a file in a folder that is there and yours")
        })?;
    }
    Model::of_design(design.clone()).map_err(|error| Failure::Run(error.to_string()))
}

/// A NIC model, another of its kind that it is joined to, and the wire between, whose time is the host's
/// monotonic clock. A design is joined to its model.
pub(crate) fn sim(model: Model, profile: &Profile) -> (SimBackend, SimBackend, Wire) {
    let model = Model { capabilities: set_up_by(model.capabilities, profile), ..model };
    let config = sim::Config {
        b: model.without_design(),
        a: model,
        frames: profile.frames,
        rx_descriptors: profile.queues.rx_descriptors.into(),
        utc_origin: HostClock::new().utc(Instant::ZERO),
        ..sim::Config::default()
    };
    sim::pair(config, 0)
}

/// Whether a profile is for a device. One for another driver is warned of, and in strict refused.
pub(crate) fn check_driver(profile: &Profile, device: &Capabilities) -> Result<(), Failure> {
    let driver = device.driver.name;
    if profile.is_for(driver) {
        return Ok(());
    }
    let stranger = format!(
        "the profile {:?} is for {}, and this device's driver is {driver}",
        profile.name,
        profile.drivers.join(", ")
    );
    if profile.strict {
        return Err(Failure::Input(format!(
            "{stranger}; choose a profile that is for it (`fixwire profiles list`), or write strict = false"
        )));
    }
    warn(format_args!(
        "{stranger}: what it switches may not be there, and its devargs are told to no device that is known to be \
         another driver's"
    ));
    Ok(())
}

pub(crate) fn configure<B: Backend>(
    device: Device<B, Probed>,
    profile: &Profile,
    rules: RuleSet,
) -> Result<Device<B, Configured>, Refused> {
    check_driver(profile, &device.capabilities()).map_err(Refused::Failed)?;
    device.plan(profile, rules).configure().map_err(Refused::from)
}

/// Refuses, of a device that is planned, queues that no run would poll.
#[cfg_attr(not(feature = "dpdk"), allow(unused_variables, reason = "no other has several"))]
pub(crate) fn refuse_unpolled_queues(
    nic: &NicSpec,
    profile: &Profile,
    plan: &Plan,
) -> Result<(), Failure> {
    #[cfg(feature = "dpdk")]
    if let NicSpec::Dpdk(port) = nic {
        return dpdk::refuse_unpolled_queues(port, profile, plan);
    }
    Ok(())
}

/// The failure that a plan with an unmet requirement is.
pub(crate) fn unmet(plan: &Plan) -> Failure {
    let error: DeviceError<std::convert::Infallible> = DeviceError::Unmet(Box::new(plan.clone()));
    let them = if plan.unmet().count() == 1 { "it" } else { "them" };
    Failure::Unmet(format!(
        "{error}; write \"prefer\" for {them} in the profile, or choose another NIC"
    ))
}

pub(crate) fn tap_failure(error: &TapError) -> Failure {
    match error {
        TapError::NameInvalid { .. } => Failure::Input(error.to_string()),
        _ => Failure::Run(error.to_string()),
    }
}
