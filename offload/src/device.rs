//! The order of a device's life, in types: probe, plan, configure, start, steer, run.
//!
//! Isolation comes before configure and rules come after start, before the first SYN leaves. A step
//! out of order does not compile.

use crate::capability::Capability;
use crate::flow::RuleSet;
use crate::nic::Nic;
use crate::plan::{Capabilities, Plan};
use crate::profile::{Policy, Profile};

/// What a kind of device must do for each step, in this order. A device whose plan changes on the way is
/// stopped if it was started, configured again and started again.
pub trait Backend: Sized {
    /// The device when it runs.
    type Nic: Nic;
    /// What can go wrong with it.
    type Error: core::error::Error + 'static;

    /// Its name, as on the command line.
    fn name(&self) -> String;

    /// What it advertises.
    fn capabilities(&self) -> Capabilities;

    /// Sets it up as the plan says and reads back what it took. An offload that it refuses though
    /// it advertised it is returned with its reason, not an error: the plan demotes it.
    ///
    /// # Errors
    /// The device cannot be used at all.
    ///
    /// It is called again with a humbler plan after each refusal, of this step or of a rule.
    fn configure(&mut self, plan: &Plan) -> Result<Vec<(Capability, String)>, Self::Error>;

    /// Lets frames pass.
    ///
    /// # Errors
    /// The device does not start.
    fn start(&mut self) -> Result<(), Self::Error>;

    /// What it says, now that it has started, of what shows no sooner: `Ok` and how it does a piece of work, or of one that
    /// the plan does not leave to it, that it does all the same; `Err` and what it does instead.
    fn says(&self, _plan: &Plan) -> Vec<(Capability, Result<String, String>)> {
        Vec::new()
    }

    /// Lets no frame pass any more, so that the device can be configured anew.
    ///
    /// # Errors
    /// The device does not stop.
    fn stop(&mut self) -> Result<(), Self::Error>;

    /// Installs all of `rules` or none.
    ///
    /// # Errors
    /// A rule was refused; the reason is the device's. The plan demotes steering to the host.
    fn steer(&mut self, rules: &RuleSet) -> Result<(), String>;

    /// The running device.
    fn run(self) -> Self::Nic;
}

/// A device was found; nothing of it has been changed.
#[derive(Debug)]
pub struct Probed;

/// A plan has been made for it, and for the rules that it is to be steered by.
#[derive(Debug)]
pub struct Planned(Plan);

/// It is set up as the plan says; no frame passes.
#[derive(Debug)]
pub struct Configured(Plan);

/// Frames pass; no rule is installed.
#[derive(Debug)]
pub struct Started(Plan);

/// A device at one step of its life.
#[derive(Debug)]
pub struct Device<B: Backend, Step> {
    backend: B,
    step: Step,
}

/// Why a device did not get to run.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError<E: core::error::Error + 'static> {
    /// The profile requires what the device does not do. The plan says which row.
    #[error("the profile requires {}, which {} does not do", unmet_rows(.0), .0.nic)]
    Unmet(Box<Plan>),
    /// The device failed.
    #[error(transparent)]
    Failed(#[from] E),
}

/// The rows that are not met, each with its own reason.
fn unmet_rows(plan: &Plan) -> String {
    let rows = plan.unmet().map(|row| format!("{} ({})", row.capability, row.reason));
    rows.collect::<Vec<_>>().join(" and ")
}

impl<B: Backend> Device<B, Probed> {
    /// Takes a device that was found.
    pub fn probed(backend: B) -> Self {
        Device { backend, step: Probed }
    }

    /// What it advertises.
    pub fn capabilities(&self) -> Capabilities {
        self.backend.capabilities()
    }

    /// Meets it with a profile, and with the rules that it is to be steered by. A requirement it does not
    /// advertise is left to [`Device::configure`] to refuse, so that the plan can be shown first.
    pub fn plan(self, profile: &Profile, rules: RuleSet) -> Device<B, Planned> {
        let capabilities = self.backend.capabilities();
        let plan = Plan::negotiate(&self.backend.name(), profile, &capabilities)
            .steered_by(rules, &capabilities.flow);
        Device { backend: self.backend, step: Planned(plan) }
    }
}

impl<B: Backend> Device<B, Planned> {
    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.step.0
    }

    /// Sets the device up.
    ///
    /// # Errors
    /// [`DeviceError::Unmet`] when a requirement is not advertised, or is refused though it was.
    pub fn configure(mut self) -> Result<Device<B, Configured>, DeviceError<B::Error>> {
        let plan = configure(&mut self.backend, refuse_unmet(self.step.0)?)?;
        Ok(Device { backend: self.backend, step: Configured(plan) })
    }
}

/// Configures by `plan`, and by a humbler one for as long as the device refuses something.
fn configure<B: Backend>(backend: &mut B, mut plan: Plan) -> Result<Plan, DeviceError<B::Error>> {
    loop {
        let refused = backend.configure(&plan)?;
        let mut is_new = false;
        for (capability, reason) in refused {
            is_new |= plan.uses(capability);
            plan = plan.demoted(capability, &format!("advertised, but refused: {reason}"));
        }
        plan = refuse_unmet(plan)?;
        // Each round takes something away.
        if !is_new {
            return Ok(plan);
        }
    }
}

impl<B: Backend> Device<B, Configured> {
    /// The plan, with what the device refused.
    pub fn plan(&self) -> &Plan {
        &self.step.0
    }

    /// Lets frames pass.
    ///
    /// # Errors
    /// The device does not start; [`DeviceError::Unmet`] when it shows that it does not do what is required.
    pub fn start(mut self) -> Result<Device<B, Started>, DeviceError<B::Error>> {
        let plan = start(&mut self.backend, self.step.0)?;
        Ok(Device { backend: self.backend, step: Started(plan) })
    }
}

/// Starts it, and takes into the plan what it says then.
fn start<B: Backend>(backend: &mut B, mut plan: Plan) -> Result<Plan, DeviceError<B::Error>> {
    backend.start()?;
    for (capability, said) in backend.says(&plan) {
        plan = match said {
            Ok(words) => plan.explained(capability, words),
            Err(why) => plan.demoted(capability, &format!("advertised, but once started {why}")),
        };
    }
    refuse_unmet(plan)
}

impl<B: Backend> Device<B, Started> {
    /// Installs the steering rules, where the plan leaves steering to the device, and hands the running
    /// device over with its final plan. A device that refuses them is set up anew without steering.
    ///
    /// # Errors
    /// [`DeviceError::Unmet`] when steering, or what needs it, is required and a rule is refused;
    /// [`DeviceError::Failed`] when the device does not come up again.
    pub fn steer(mut self) -> Result<(B::Nic, Plan), DeviceError<B::Error>> {
        let mut plan = self.step.0;
        if !plan.uses(Capability::FlowSteering) {
            return Ok((self.backend.run(), plan));
        }
        match install(&mut self.backend, &plan) {
            Ok(installed) => plan = installed,
            Err(reason) => {
                let reason = format!("a rule was refused: {reason}");
                plan = refuse_unmet(plan.demoted(Capability::FlowSteering, &reason))?;
                self.backend.stop()?;
                plan = configure(&mut self.backend, plan)?;
                plan = start(&mut self.backend, plan)?;
            }
        }
        Ok((self.backend.run(), plan))
    }
}

/// Installs a plan's rules, or humbler ones that come to the same: some drivers say of counters and of priorities only
/// when a rule is created that they have none. The reason of a refusal is that of the rules as they were planned.
fn install<B: Backend>(backend: &mut B, plan: &Plan) -> Result<Plan, String> {
    let Err(reason) = backend.steer(&plan.device_rules()) else { return Ok(plan.clone()) };
    let flat = plan.at_one_priority().map(|flat| {
        let words = format!("all rules at one priority: with priorities {reason}");
        flat.explained(Capability::FlowSteering, words)
    });
    let humbler = [Some(plan.clone()), flat.clone()].into_iter().flatten();
    let uncounted = humbler.filter(Plan::counts_all).map(Plan::without_counters_of_its_own);
    // Our counters are worth less than the rules, and more than priorities that decide nothing.
    for humbler in flat.into_iter().chain(uncounted) {
        if backend.steer(&humbler.device_rules()).is_ok() {
            return Ok(humbler);
        }
    }
    Err(reason)
}

fn refuse_unmet<E: core::error::Error>(plan: Plan) -> Result<Plan, DeviceError<E>> {
    let unmet = plan.rows().iter().any(|row| row.policy == Policy::Require && row.is_unmet());
    if unmet { Err(DeviceError::Unmet(Box::new(plan))) } else { Ok(plan) }
}
