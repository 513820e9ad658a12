//! Steering: which received frames go to which queue of ours, and which are dropped, marked or counted.
//!
//! A rule is data, in rte_flow's words, so that the same one can be given to a device, to a model and to
//! software. What a set of rules means is said once, rule by rule, in [`RuleSet::classify`]. The
//! [`Classifier`] does the same at the speed of a table. [`FlowLimits`] says which rules a device takes.
//!
//! The meaning is rte_flow's (DPDK Programmer's Guide, "Generic flow API"), made definite where that
//! leaves it open:
//!
//! - **Priority** ("Attribute: Priority"): 0 is the highest, the lower number wins. Numbers need not be
//!   contiguous. Two rules of one priority that match one frame are undefined there, whatever their actions:
//!   the frame may even be delivered twice. Here [`RuleSet::new`] refuses them and names both.
//! - **Group** ("Attribute: Group"): every rule is of group 0, the only one that frames are certain to be
//!   matched against without a JUMP. A device whose other groups take more may be given the rules there,
//!   behind one JUMP: that is the backend's business, and its [`FlowLimits`].
//! - **VLAN** ("Item: ETH", "Item: VLAN"): a rule without one matches tagged and untagged frames alike. A rule
//!   with one matches frames whose outermost tag names it. A priority tag (VLAN 0) names none, and frames
//!   with more than two tags match nothing.
//! - **Fragments**: a fragment, the first one too, has no ports here, although the first one's could be
//!   read: its companions have none, and all must go the same way. A rule that names TCP or ports never
//!   matches one; a rule of addresses alone does.
//! - **Malformed frames**, by what a classifier has to read, match nothing. Checksums are not its
//!   business: what they are worth is said in [`verdict`](crate::verdict).
//! - **Miss** ("Flow isolated mode"): a frame that no rule matches goes to the default queue; in isolated
//!   mode it is not ours: another application or the kernel gets it, or the device drops it. [`OnMiss`].
//! - **Actions** ("Action: QUEUE", "DROP", "MARK", "COUNT"): one fate, and beside it a mark and a count at will.

mod classifier;
#[cfg(feature = "toml")]
mod entry;
mod field;
mod key;
mod limits;
mod rule;
mod set;
mod table;
#[cfg(test)]
mod tests;

pub use classifier::{Classifier, Count};
#[cfg(feature = "toml")]
pub use entry::RuleEntry;
pub use field::{AddrMatch, FieldError, PortMatch, VlanId};
pub use key::{FlowKey, MaskedKey};
pub use limits::{FlowLimits, Limit, Masks, Place, RuleRefused};
pub use rule::{Actions, Carries, Fate, FlowRule, Pattern, TcpMatch, Testpmd};
pub use set::{Matched, OnMiss, Outcome, RULES_MAX, RuleSet, RuleSetError};
