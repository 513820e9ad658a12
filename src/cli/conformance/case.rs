//! The matrix: which capabilities a device has, how it speaks of checksums, what the line does to frames.

use std::fmt;

use fixwire::offload::capability::Capability;
use fixwire::offload::plan::{Capabilities, Plan};
use fixwire::offload::profile::Profile;
use fixwire::offload::verdict::Audit;
use fixwire_hw::sim::{Model, VerdictStyle};

use super::course::Course;
use super::strays::OTHER_QUEUE;

/// How a device speaks of the checksums that it verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    /// It says what is true, in this style.
    Truthful(VerdictStyle),
    /// It hands over frames whose sum the sender never finished, and says so.
    Unfinished,
    /// It calls everything good, and this is the audit.
    Lying(Audit),
}

/// What happens to frames on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Clean,
    /// Of one frame in a hundred a bit is flipped, both ways; where a liar is believed but for an audit now and
    /// then, of every frame while it is.
    Corrupt,
}

/// One case.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// What the device has of the data path's capabilities.
    pub(super) subset: Vec<Capability>,
    pub(super) speech: Speech,
    pub(super) line: Line,
    /// The layers in which the profile leaves checksums to the device.
    believed: Vec<Capability>,
}

/// An audit that finds a liar soon enough for a short session.
const SPARSE_AUDIT: Audit = Audit::OneIn(8);
/// The sparsest audit of a profile's own that a liar is tried with: under it the longest session is some
/// thousand orders long.
const SPARSEST_TRIED: u32 = 1024;

const SPEECHES: [Speech; 9] = [
    Speech::Truthful(VerdictStyle::GoodOrBad),
    Speech::Truthful(VerdictStyle::GoodOrSilent),
    Speech::Truthful(VerdictStyle::GoodUnlessBad),
    Speech::Truthful(VerdictStyle::BadOrSilent),
    Speech::Truthful(VerdictStyle::NowAndThen),
    Speech::Truthful(VerdictStyle::Silent),
    Speech::Unfinished,
    Speech::Lying(Audit::Always),
    Speech::Lying(SPARSE_AUDIT),
];

/// The same, and a liar under the profile's own audit where that is yet another.
fn speeches(profile: &Profile) -> Vec<Speech> {
    let own = match profile.rx_checksum_audit {
        audit @ Audit::OneIn(n) if n <= SPARSEST_TRIED && audit != SPARSE_AUDIT => Some(audit),
        _ => None,
    };
    SPEECHES.into_iter().chain(own.map(Speech::Lying)).collect()
}

/// The profile's own audit, where no liar is tried under it, and why not.
pub(super) fn audit_not_tried(profile: &Profile) -> Option<(Audit, &'static str)> {
    match profile.rx_checksum_audit {
        audit @ Audit::OneIn(n) if n > SPARSEST_TRIED => {
            Some((audit, "finding it out takes too many frames"))
        }
        Audit::Off => Some((Audit::Off, "nothing finds it out")),
        Audit::OneIn(_) | Audit::Always => None,
    }
}

/// Every case for a model: with all that it has, or with every part of it.
pub(super) fn cases(model: &Model, profile: &Profile, all_subsets: bool) -> Vec<Case> {
    let has: Vec<Capability> = Capability::ALL
        .into_iter()
        .filter(|capability| capability.is_on_the_data_path())
        .filter(|capability| model.capabilities.advert(*capability).is_some())
        .collect();
    let whole = (1u32 << has.len()) - 1;
    let subsets = if all_subsets { 0..=whole } else { whole..=whole };
    let mut cases = Vec::new();
    for bits in subsets {
        let subset: Vec<Capability> = (0..)
            .zip(&has)
            .filter(|(place, _)| bits >> place & 1 == 1)
            .map(|(_, capability)| *capability)
            .collect();
        let plan = Plan::negotiate("", profile, &with_only(&subset, model));
        let layers = [Capability::RxIpv4Checksum, Capability::RxTcpChecksum];
        let believed: Vec<Capability> =
            layers.into_iter().filter(|layer| plan.uses(*layer)).collect();
        // The RTL has one way, and no faults that could be asked of it.
        let speeches = match model.is_design() {
            true => vec![Speech::Truthful(VerdictStyle::GoodOrBad)],
            false => speeches(profile),
        };
        for speech in speeches {
            for line in [Line::Clean, Line::Corrupt] {
                let (subset, believed) = (subset.clone(), believed.clone());
                cases.push(Case { subset, speech, line, believed });
            }
        }
    }
    cases
}

/// What a model advertises, of the data path only `subset`.
fn with_only(subset: &[Capability], model: &Model) -> Capabilities {
    let lacks = |known: &Capability| known.is_on_the_data_path() && !subset.contains(known);
    let lacking = Capability::ALL.into_iter().filter(lacks);
    lacking.fold(model.capabilities.clone(), Capabilities::without)
}

impl Case {
    /// The model as this case has it, set up with a queue beside the one that is polled.
    pub(super) fn model(&self, model: &Model) -> Model {
        let mut capabilities = with_only(&self.subset, model);
        capabilities.flow.queues = capabilities.flow.queues.max(OTHER_QUEUE + 1);
        capabilities.gives_none = self.speech == Speech::Unfinished;
        let verdicts = match self.speech {
            Speech::Truthful(style) => style,
            Speech::Unfinished => VerdictStyle::GoodOrSilent,
            Speech::Lying(_) => VerdictStyle::AlwaysGood,
        };
        Model { capabilities, verdicts, ..model.clone() }
    }

    /// The profile as this case has it.
    pub(super) fn profile(&self, profile: &Profile) -> Profile {
        let mut profile = profile.clone();
        if let Speech::Lying(audit) = self.speech {
            profile.rx_checksum_audit = audit;
        }
        profile
    }

    /// The session's course. A liar that is seldom looked at is let through its proof, and then given enough to
    /// lie of.
    pub(super) fn course(&self) -> Course {
        match (self.line, self.wrong_frames_max()) {
            (Line::Clean, _) => Course::CLEAN,
            (Line::Corrupt, None | Some(0)) => Course::CORRUPT,
            (Line::Corrupt, Some(bound)) => Course::of_lies(&self.believed, bound),
        }
    }

    /// Of how many frames in each layer, at most, a liar is believed; `None` for one that does not lie, or
    /// is not believed at all.
    fn wrong_frames_max(&self) -> Option<u64> {
        match self.speech {
            Speech::Lying(audit) if !self.believed.is_empty() => audit.wrong_frames_max(),
            _ => None,
        }
    }

    /// Whether the profile leaves this layer's checksum to the device.
    pub(super) fn believes(&self, layer: Capability) -> bool {
        self.believed.contains(&layer)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.subset.iter().map(|capability| capability.name()).collect();
        let subset = if names.is_empty() { "nothing".to_owned() } else { names.join(" ") };
        let speech = match self.speech {
            Speech::Truthful(VerdictStyle::GoodOrBad) => "good or bad".to_owned(),
            Speech::Truthful(VerdictStyle::GoodOrSilent) => "good or nothing".to_owned(),
            Speech::Truthful(VerdictStyle::GoodUnlessBad) => "good unless bad".to_owned(),
            Speech::Truthful(VerdictStyle::BadOrSilent) => "bad or nothing".to_owned(),
            Speech::Truthful(VerdictStyle::NowAndThen) => "now and then".to_owned(),
            Speech::Truthful(VerdictStyle::Silent) => "nothing".to_owned(),
            Speech::Truthful(VerdictStyle::AlwaysGood) => "good always".to_owned(),
            Speech::Unfinished => "unfinished sums".to_owned(),
            Speech::Lying(audit) => format!("good always, audit {audit}"),
        };
        let line = match self.line {
            Line::Clean => "clean",
            Line::Corrupt if self.wrong_frames_max() > Some(0) => "corrupt once it is believed",
            Line::Corrupt => "1 % corrupt",
        };
        write!(f, "device does: {subset}; says: {speech}; line: {line}")
    }
}

#[cfg(test)]
mod tests {
    use fixwire::offload::profile::Policy;

    use super::super::course::Harm;
    use super::*;

    #[test]
    fn a_model_is_tried_with_every_part_of_what_it_has_and_never_with_what_it_has_not() {
        let model = Model::named("virtio").unwrap();
        let profile = Profile::all(Policy::Prefer);
        let one = cases(&model, &profile, false);
        let speeches = SPEECHES.len() + 1;
        assert_eq!(one.len(), speeches * 2);
        assert_eq!(one[0].subset, [Capability::RxTcpChecksum, Capability::TxTcpChecksum]);
        let all = cases(&model, &profile, true);
        assert_eq!(all.len(), 4 * speeches * 2);
        let names: std::collections::BTreeSet<String> = all.iter().map(Case::to_string).collect();
        assert_eq!(names.len(), all.len(), "each case has a name of its own");
    }

    #[test]
    fn a_liar_is_tried_under_the_profile_s_own_audit_where_that_is_another_and_ends_in_time() {
        let mut profile = Profile::all(Policy::Prefer);
        for (audit, is_tried) in [
            (Audit::OneIn(64), true),
            (SPARSE_AUDIT, false),
            (Audit::OneIn(SPARSEST_TRIED), true),
            (Audit::OneIn(SPARSEST_TRIED + 1), false),
            (Audit::Always, false),
            (Audit::Off, false),
        ] {
            profile.rx_checksum_audit = audit;
            let speeches = speeches(&profile);
            assert_eq!(speeches.len(), SPEECHES.len() + usize::from(is_tried), "{audit}");
            assert!(!is_tried || speeches.last() == Some(&Speech::Lying(audit)), "{audit}");
            let is_tried_at_all = is_tried || audit == SPARSE_AUDIT || audit == Audit::Always;
            assert_eq!(audit_not_tried(&profile).is_none(), is_tried_at_all, "{audit}");
        }
    }

    #[test]
    fn only_a_liar_that_is_believed_in_a_layer_is_given_frames_to_lie_of() {
        let model = Model::named("sim").unwrap();
        let profile = Profile::all(Policy::Prefer).with(Capability::RxTcpChecksum, Policy::Off);
        for case in cases(&model, &profile, true) {
            let is_believed = case.subset.contains(&Capability::RxIpv4Checksum);
            assert_eq!(case.believes(Capability::RxIpv4Checksum), is_believed);
            assert!(!case.believes(Capability::RxTcpChecksum), "the profile has it off");
            let lies = matches!(case.speech, Speech::Lying(Audit::OneIn(_)));
            let expected = lies && is_believed && case.line == Line::Corrupt;
            assert_eq!(matches!(case.course().harm, Harm::Lies { .. }), expected, "{case}");
        }
    }
}
