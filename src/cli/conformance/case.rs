//! The matrix: which capabilities a device has, how it speaks of checksums, what the line does to frames.

use std::fmt;

use fixwire::offload::capability::Capability;
use fixwire::offload::verdict::{Audit, PROOF_FRAMES};
use fixwire_hw::sim::{Model, VerdictStyle};

use super::trial::Course;

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
    /// Of one frame in a hundred a bit is flipped, both ways.
    Corrupt,
}

/// One case.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// What the device has of the data path's capabilities.
    pub(super) subset: Vec<Capability>,
    pub(super) speech: Speech,
    pub(super) line: Line,
}

/// An audit that finds a liar soon enough for a short session.
const SPARSE_AUDIT: Audit = Audit::OneIn(8);

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

/// Every case for a model: with all that it has, or with every part of it.
pub(super) fn cases(model: &Model, without: &[Capability], all_subsets: bool) -> Vec<Case> {
    let has: Vec<Capability> = Capability::ALL
        .into_iter()
        .filter(|capability| capability.is_on_the_data_path())
        .filter(|capability| model.capabilities.advert(*capability).is_some())
        .filter(|capability| !without.contains(capability))
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
        for speech in SPEECHES {
            for line in [Line::Clean, Line::Corrupt] {
                cases.push(Case { subset: subset.clone(), speech, line });
            }
        }
    }
    cases
}

impl Case {
    /// The model as this case has it.
    pub(super) fn model(&self, model: &Model) -> Model {
        let mut capabilities = model.capabilities.clone();
        for capability in Capability::ALL.into_iter().filter(|known| known.is_on_the_data_path()) {
            if !self.subset.contains(&capability) {
                capabilities = capabilities.without(capability);
            }
        }
        capabilities.gives_none = self.speech == Speech::Unfinished;
        let verdicts = match self.speech {
            Speech::Truthful(style) => style,
            Speech::Unfinished => VerdictStyle::GoodOrSilent,
            Speech::Lying(_) => VerdictStyle::AlwaysGood,
        };
        Model { capabilities, verdicts, ..model.clone() }
    }

    /// The session's course. A liar that is seldom looked at is let through its proof, and then given enough to
    /// lie of.
    pub(super) fn course(&self) -> Course {
        match self.line {
            Line::Clean => Course::CLEAN,
            Line::Corrupt if self.may_let_wrong_bytes_in() => Course {
                orders: 400,
                corrupt_ppm: 300_000,
                corrupt_after: u64::from(PROOF_FRAMES) + 6,
            },
            Line::Corrupt => Course { corrupt_ppm: 10_000, ..Course::CLEAN },
        }
    }

    pub(super) fn has(&self, capability: Capability) -> bool {
        self.subset.contains(&capability)
    }

    /// Whether wrong bytes may get in before the device is found out.
    pub(super) fn may_let_wrong_bytes_in(&self) -> bool {
        let is_believed = [Capability::RxIpv4Checksum, Capability::RxTcpChecksum];
        self.line == Line::Corrupt
            && self.speech == Speech::Lying(SPARSE_AUDIT)
            && is_believed.iter().any(|capability| self.has(*capability))
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
            Line::Corrupt if self.may_let_wrong_bytes_in() => "30 % corrupt",
            Line::Corrupt => "1 % corrupt",
        };
        write!(f, "device does: {subset}; says: {speech}; line: {line}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_tried_with_every_part_of_what_it_has_and_never_with_what_it_has_not() {
        let model = Model::named("virtio").unwrap();
        let one = cases(&model, &[], false);
        assert_eq!(one.len(), SPEECHES.len() * 2);
        assert_eq!(one[0].subset, [Capability::RxTcpChecksum, Capability::TxTcpChecksum]);
        let all = cases(&model, &[], true);
        assert_eq!(all.len(), 4 * SPEECHES.len() * 2);
        let without = cases(&model, &[Capability::RxTcpChecksum], true);
        assert_eq!(without.len(), 2 * SPEECHES.len() * 2);
        assert!(without.iter().all(|case| !case.has(Capability::RxTcpChecksum)));
        let names: std::collections::BTreeSet<String> = all.iter().map(Case::to_string).collect();
        assert_eq!(names.len(), all.len(), "each case has a name of its own");
    }
}
