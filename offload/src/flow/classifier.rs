//! The software twin of a NIC's flow table: tuple space search.
//!
//! One table for each mask that the rules have, searched in the order of the best rule in each, until
//! what is left can only be worse. Rules are ranked by priority once; of two that match, the lower rank
//! wins. Connections share one mask and come first by priority: a frame of theirs costs one lookup. How
//! many rules a table has makes no difference to the steps that a lookup takes.

use arrayvec::ArrayVec;

use super::key::{FlowKey, MaskedKey};
use super::limits::{FlowLimits, RuleRefused};
use super::rule::FlowRule;
use super::set::{Matched, Outcome, RuleSet};
use super::table::Table;

/// Tables at most: the masks that differ.
const MASKS_MAX: usize = FlowLimits::SOFTWARE.masks_max;

/// A set of rules, made fast. Nothing is allocated after it is made.
#[derive(Clone, Debug)]
pub struct Classifier {
    /// By the best rank in each.
    tables: ArrayVec<Table, MASKS_MAX>,
    /// By rank, which stands for a rule; the last is a miss.
    outcomes: Box<[Outcome]>,
    /// By the rule's number, of those that count.
    counts: Box<[Option<Count>]>,
}

/// What a rule has matched since it was installed (rte_flow, "Action: COUNT").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Frames.
    pub hits: u64,
    /// Their bytes, without the frame check sequence.
    pub bytes: u64,
}

impl Count {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Count) -> Count {
        Count { hits: self.hits + other.hits, bytes: self.bytes + other.bytes }
    }

    /// What has come since `earlier`; nothing where that is more.
    #[must_use]
    pub const fn minus(self, earlier: Count) -> Count {
        Count {
            hits: self.hits.saturating_sub(earlier.hits),
            bytes: self.bytes.saturating_sub(earlier.bytes),
        }
    }
}

impl Classifier {
    /// Makes the tables.
    ///
    /// # Errors
    /// What [`FlowLimits::SOFTWARE`] does not take: too many masks that differ.
    pub fn new(set: &RuleSet) -> Result<Classifier, RuleRefused> {
        FlowLimits::SOFTWARE.check(set)?;
        let rules = set.rules();
        let keys: Vec<MaskedKey> = rules.iter().map(|rule| MaskedKey::of(&rule.pattern)).collect();
        let (ranking, masks) = rank(rules, &keys);
        let table = |mask: &u128| {
            let ranked: Vec<(u128, u16)> = (0u16..)
                .zip(&ranking)
                .filter(|(_, number)| keys[**number].mask == *mask)
                .map(|(rank, number)| (keys[*number].value, rank))
                .collect();
            Table::new(*mask, &ranked)
        };
        let matched = |number: &usize| {
            Outcome::Matched(Matched { rule: *number as u16, actions: rules[*number].actions })
        };
        let missed = Outcome::Missed(set.on_miss());
        Ok(Classifier {
            tables: masks.iter().map(table).collect(),
            outcomes: ranking.iter().map(matched).chain([missed]).collect(),
            counts: rules.iter().map(|rule| rule.actions.count.then(Count::default)).collect(),
        })
    }

    /// What becomes of a frame. Nothing is counted.
    #[inline]
    pub fn classify(&self, key: &FlowKey) -> Outcome {
        let mut best = self.outcomes.len() as u64 - 1;
        for table in &self.tables {
            if best < u64::from(table.best_rank) {
                break;
            }
            best = best.min(table.find(key.bits()));
        }
        self.outcomes[best as usize]
    }

    /// What becomes of a frame by its bytes, counted: all that a device's flow table does.
    #[inline]
    pub fn steer(&mut self, frame: &[u8]) -> Outcome {
        let outcome = match FlowKey::of_frame(frame) {
            Some(key) => self.classify(&key),
            None => self.outcomes[self.outcomes.len() - 1],
        };
        self.record(&outcome, frame.len());
        outcome
    }

    /// Counts a frame of `frame_len` bytes, if the rule that matched it counts.
    #[inline]
    pub fn record(&mut self, outcome: &Outcome, frame_len: usize) {
        if let Outcome::Matched(Matched { rule, .. }) = outcome
            && let Some(Some(count)) = self.counts.get_mut(usize::from(*rule))
        {
            count.hits += 1;
            count.bytes += frame_len as u64;
        }
    }

    /// What a rule has counted; `None` for one that does not count, or that is not there.
    pub fn count(&self, rule: usize) -> Option<Count> {
        self.counts.get(rule).copied().flatten()
    }
}

/// The rules' numbers by priority, and the masks that differ by the best rule of each. Within one priority,
/// where at most one rule matches, rules of one mask stand together in the masks' order: once one is
/// found, no table after its own can hold a better.
fn rank(rules: &[FlowRule], keys: &[MaskedKey]) -> (Vec<usize>, Vec<u128>) {
    let mut ranking: Vec<usize> = (0..rules.len()).collect();
    ranking.sort_by_key(|number| rules[*number].priority);
    let mut masks: Vec<u128> = Vec::new();
    for number in &ranking {
        let mask = keys[*number].mask;
        if !masks.contains(&mask) {
            masks.push(mask);
        }
    }
    let place = |number: &usize| masks.iter().position(|mask| *mask == keys[*number].mask);
    ranking.sort_by_key(|number| (rules[*number].priority, place(number)));
    (ranking, masks)
}
