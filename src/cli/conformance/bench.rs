//! What all cases of a run have in common, and what they are held against.

use std::collections::BTreeMap;

use fixwire::offload::capability::Capability;
use fixwire::offload::flow::FlowRule;
use fixwire::offload::plan::Plan;
use fixwire::offload::profile::{Policy, Profile};
use fixwire_hw::sim::Model;

use super::case::{self, Case};
use super::course::{Course, Harm};
use super::judge::{self, Expected};
use super::outcome::Outcome;
use super::strays::{self, RULES};
use super::trial::{self, Refused};

/// A model, a profile and the rules that sessions trade under, with the sessions of a device that does
/// nothing on a clean line.
pub(super) struct Bench {
    model: Model,
    profile: Profile,
    rules: [FlowRule; RULES],
    /// By the number of orders.
    clean: BTreeMap<u64, Outcome>,
}

impl Bench {
    /// A bench for these cases. The rules mark and count where `model` can, and it lacks `without` in every
    /// case.
    ///
    /// # Errors
    /// A session that fails with nothing in its way, in words.
    pub(super) fn new(
        mut model: Model,
        profile: Profile,
        without: &[Capability],
        all_subsets: bool,
    ) -> Result<(Bench, Vec<Case>), String> {
        let rules = strays::rules(&model);
        for capability in without {
            model.capabilities = model.capabilities.without(*capability);
        }
        let cases = case::cases(&model, &profile, all_subsets);
        let mut bench = Bench { model, profile, rules, clean: BTreeMap::new() };
        for case in &cases {
            let Course { orders, .. } = case.course();
            if !bench.clean.contains_key(&orders) {
                let outcome = bench.in_software(&Course { orders, harm: Harm::None }, 0)?;
                bench.clean.insert(orders, outcome);
            }
        }
        Ok((bench, cases))
    }

    /// The profile that devices are used by.
    pub(super) fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Tries one case, and says whether there was a session: there is none where the profile requires what the
    /// device lacks.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn tries(&self, case: &Case, seed: u64) -> Result<bool, String> {
        match self.trades(case, seed)? {
            Some(outcome) => self.judges(case, seed, &outcome).map(|()| true),
            None => Ok(false),
        }
    }

    /// What a case comes to: no session where the profile requires what the device lacks.
    ///
    /// # Errors
    /// It traded all the same, or was refused for another reason.
    pub(super) fn trades(&self, case: &Case, seed: u64) -> Result<Option<Outcome>, String> {
        let (model, profile) = (case.model(&self.model), case.profile(&self.profile));
        let lacks = self.unmet(&model, &profile)?;
        match (trial::trade(&model, &profile, &self.rules, &case.course(), seed), lacks) {
            (Ok(outcome), None) => Ok(Some(outcome)),
            (Err(Refused(_)), Some(_)) => Ok(None),
            (Err(Refused(why)), None) => Err(why),
            (Ok(_), Some(lacking)) => {
                Err(format!("the profile requires {lacking}, the device lacks it, and it traded"))
            }
        }
    }

    /// What the profile requires and the device does not do under these rules. The planner says: what needs
    /// another capability goes with it, and all of steering with a rule that the device would not take.
    fn unmet(&self, model: &Model, profile: &Profile) -> Result<Option<Capability>, String> {
        let rules = trial::rules(&self.rules).map_err(|Refused(why)| why)?;
        let capabilities = &model.capabilities;
        let plan = Plan::negotiate("", profile, capabilities).steered_by(rules, &capabilities.flow);
        Ok(plan.unmet().next().map(|row| row.capability))
    }

    /// Holds what a case came to against what it should have.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn judges(&self, case: &Case, seed: u64, outcome: &Outcome) -> Result<(), String> {
        let course = case.course();
        let clean = self.clean.get(&course.orders).ok_or("there is nothing to hold it against")?;
        let twin;
        let same_line = match course.harm {
            Harm::None => Some(clean),
            Harm::Flips { .. } => {
                twin = self.in_software(&course, seed)?;
                Some(&twin)
            }
            // What a liar gets let in is not sent again: from there on the lines differ.
            Harm::Lies { .. } => None,
        };
        judge::judge(case, outcome, &Expected { rules: &self.rules, clean, same_line })
    }

    /// The session on a device that does nothing.
    fn in_software(&self, course: &Course, seed: u64) -> Result<Outcome, String> {
        let software = Profile::all(Policy::Prefer);
        let outcome = trial::trade(&Model::bare(), &software, &self.rules, course, seed);
        let outcome = outcome.map_err(|Refused(why)| why)?;
        if outcome.is_done {
            Ok(outcome)
        } else {
            Err("in software alone the session does not come to its end in time".into())
        }
    }
}
