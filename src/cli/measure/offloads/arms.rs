//! Who takes turns: the profile as it is, twice, and each capability off.

use fixwire::offload::capability::Capability;
use fixwire::offload::profile::Policy;
use fixwire::offload::toml_file::nearest;
use serde_json::Value;

use super::same::differs;
use super::turn::Shown;
use crate::cli::failure::Failure;

/// One of those that take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arm {
    /// The profile as it is.
    Whole,
    /// The same once more, for the noise floor.
    Again,
    /// With one capability off.
    Without(Capability),
}

/// Whether a session without a capability is the same, and what else is not as before.
pub(super) struct Tried {
    pub(super) capability: Capability,
    /// Who does it where it is on, by the plan.
    pub(super) by: String,
    /// What becomes of it where it is off, by the plan.
    pub(super) instead: String,
    /// Others whose place in the plan changes with it.
    pub(super) along: Vec<String>,
    /// Messages of each way that were compared, or how the two sessions differ.
    pub(super) same: Result<usize, String>,
}

/// Those of a device.
pub(super) struct Arms {
    all: Vec<Arm>,
    /// Capabilities that are not tried, and why.
    pub(super) left_out: Vec<(Capability, String)>,
}

impl Arms {
    /// Those that a run with everything on has shown: each capability that the device does by the profile.
    pub(super) fn of(whole: &Shown, only: &[String], profile: &str) -> Result<Arms, Failure> {
        let asked = only.iter().map(|name| {
            Capability::named(name).ok_or_else(|| {
                let names = Capability::ALL.into_iter().map(Capability::name);
                Failure::Input(format!("there is no capability {name:?}; {}", nearest(name, names)))
            })
        });
        let asked: Vec<Capability> = asked.collect::<Result<_, _>>()?;
        let mut arms = Arms { all: vec![Arm::Whole, Arm::Again], left_out: Vec::new() };
        for capability in Capability::ALL {
            let row = whole.row(capability);
            if !asked.is_empty() && !asked.contains(&capability) {
                continue;
            }
            if row["outcome"] == "device" {
                arms.all.push(Arm::Without(capability));
            } else {
                arms.left_out.push((capability, text(row, "reason")));
            }
        }
        if arms.all.len() == 2 {
            let which = if asked.is_empty() { "nothing" } else { "none of these" };
            return Err(Failure::run(
                format!(
                    "{} does {which} by the profile {profile}, so that there is nothing to switch off",
                    whole.nic
                ),
                "see `fixwire plan`, or choose another device or profile",
            ));
        }
        Ok(arms)
    }

    /// All that have a turn in each round; the first two are the same.
    pub(super) fn in_a_round(&self) -> &[Arm] {
        &self.all
    }

    pub(super) fn tried(&self) -> impl Iterator<Item = Capability> {
        self.all.iter().filter_map(|arm| match arm {
            Arm::Without(capability) => Some(*capability),
            Arm::Whole | Arm::Again => None,
        })
    }
}

impl Tried {
    /// Whether the session without it is the same as the whole one.
    pub(super) fn judged(capability: Capability, whole: &Shown, without: &Shown) -> Tried {
        let changed = Capability::ALL.into_iter().filter(|of| {
            *of != capability && whole.row(*of)["outcome"] != without.row(*of)["outcome"]
        });
        let along = changed.map(|of| {
            format!(
                "{of} ({} instead of {})",
                text(without.row(of), "outcome"),
                text(whole.row(of), "outcome")
            )
        });
        let row = without.row(capability);
        let same = if row["outcome"] == "device" {
            Err("the device does it although the profile has it off".into())
        } else {
            differs(whole, without).map_or_else(|| Ok(whole.messages()), Err)
        };
        Tried {
            capability,
            by: text(whole.row(capability), "by"),
            instead: text(row, "reason"),
            along: along.collect(),
            same,
        }
    }
}

impl Arm {
    /// A profile that is `base` but for this.
    pub(super) fn profile(self, base: &str) -> String {
        let base = toml::Value::String(base.to_owned());
        let off = match self {
            Arm::Whole | Arm::Again => String::new(),
            Arm::Without(capability) => {
                format!("[offloads]\n{} = \"{}\"\n", capability.name(), Policy::Off)
            }
        };
        format!("extends = {base}\n{off}")
    }

    /// As a file's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Arm::Whole => "whole",
            Arm::Again => "again",
            Arm::Without(capability) => capability.name(),
        }
    }
}

fn text(row: &Value, key: &str) -> String {
    row[key].as_str().unwrap_or_default().to_owned()
}
