//! A set of rules that agree on every frame, and what they mean: the slow twin of the classifier.

use super::field::{FieldError, VlanId};
use super::key::{FlowKey, MaskedKey};
use super::rule::{Actions, Carries, Fate, FlowRule, Pattern};

/// The most rules in a set: more than one host has connections to trade on.
pub const RULES_MAX: usize = 4096;

/// Rules of which no two claim the same frame at the same priority, and what becomes of frames that
/// none of them matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSet {
    rules: Vec<FlowRule>,
    on_miss: OnMiss,
    /// Where the engine's network is, whose housekeeping is not among `rules`.
    vlan: Option<VlanId>,
}

/// What becomes of a frame that no rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnMiss {
    /// It goes to this queue: a device that is not isolated.
    Queue(u16),
    /// It is not ours: another application or the kernel gets it, or the device drops it (rte_flow,
    /// "Flow isolated mode").
    NotOurs,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A rule matched it.
    Matched(Matched),
    /// None did.
    Missed(OnMiss),
}

/// The rule that matched, and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matched {
    /// Which rule of the set, from 0.
    pub rule: u16,
    /// What becomes of the frame.
    pub actions: Actions,
}

/// Why rules are no set. Rules are numbered from 0, as testpmd numbers them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.in_words())]
pub enum RuleSetError {
    /// There are more than [`RULES_MAX`].
    TooMany {
        /// How many there are.
        rules: usize,
    },
    /// Two rules of one priority match the same frame.
    Ambiguous {
        /// The first one's number.
        first: usize,
        /// The other's.
        second: usize,
        /// Both.
        rules: Box<[FlowRule; 2]>,
    },
}

impl RuleSet {
    /// Takes rules, in any order, together.
    ///
    /// # Errors
    /// [`RuleSetError`]: they are too many, or two of them leave open which is to win.
    pub fn new(rules: Vec<FlowRule>, on_miss: OnMiss) -> Result<RuleSet, RuleSetError> {
        if rules.len() > RULES_MAX {
            return Err(RuleSetError::TooMany { rules: rules.len() });
        }
        let keys: Vec<_> = rules.iter().map(|rule| MaskedKey::of(&rule.pattern)).collect();
        for (second, rule) in rules.iter().enumerate() {
            let overlaps = |first: &usize| {
                rules[*first].priority == rule.priority && keys[*first].overlaps(&keys[second])
            };
            if let Some(first) = (0..second).find(overlaps) {
                let rules = Box::new([rules[first], *rule]);
                return Err(RuleSetError::Ambiguous { first, second, rules });
            }
        }
        Ok(RuleSet { rules, on_miss, vlan: None })
    }

    /// No rule at all, and every frame to the first queue.
    pub const EMPTY: RuleSet = RuleSet { rules: Vec::new(), on_miss: OnMiss::Queue(0), vlan: None };

    /// The same with another fate for frames that no rule matches.
    #[must_use]
    pub fn on_missing(mut self, on_miss: OnMiss) -> RuleSet {
        self.on_miss = on_miss;
        self
    }

    /// The same for an engine whose network is in a VLAN: neighbours are found, and the path tells, in that one.
    #[must_use]
    pub fn for_network_in(mut self, vlan: Option<VlanId>) -> RuleSet {
        self.vlan = vlan;
        self
    }

    /// The same with every rule counting.
    #[must_use]
    pub fn counted(mut self) -> RuleSet {
        for rule in &mut self.rules {
            *rule = rule.counted();
        }
        self
    }

    /// The same at priority 0, for a device that knows no other; `None` where two rules match the same frame, of which one
    /// is to win.
    pub fn at_one_priority(&self) -> Option<RuleSet> {
        let rules = self.rules.iter().map(|rule| rule.at_priority(0)).collect();
        Some(RuleSet::new(rules, self.on_miss).ok()?.for_network_in(self.vlan))
    }

    /// The same, and behind them the rules that bring ARP and ICMP to the first queue, below whatever of these matches
    /// ICMP too.
    ///
    /// # Errors
    /// [`RuleSetError::TooMany`].
    pub(crate) fn with_housekeeping(self) -> Result<RuleSet, RuleSetError> {
        let icmp = MaskedKey::of(&Pattern::ICMP);
        let meets = |rule: &&FlowRule| MaskedKey::of(&rule.pattern).overlaps(&icmp);
        let below =
            self.rules.iter().filter(meets).map(|rule| rule.priority.saturating_add(1)).max();
        let [arp, icmp] = [Pattern::ARP, Pattern::ICMP]
            .map(|pattern| FlowRule::new(Pattern { vlan: self.vlan, ..pattern }, Fate::Queue(0)))
            .map(|rule| {
                if rule.pattern.carries == Carries::Icmp {
                    rule.at_priority(below.unwrap_or(0))
                } else {
                    rule
                }
            });
        let mut rules = self.rules;
        rules.extend([arp, icmp]);
        Ok(RuleSet::new(rules, self.on_miss)?.for_network_in(self.vlan))
    }

    /// The rules, in the order in which they were given; their numbers are their places.
    pub fn rules(&self) -> &[FlowRule] {
        &self.rules
    }

    /// What becomes of frames that none of them matches.
    pub fn on_miss(&self) -> OnMiss {
        self.on_miss
    }

    /// What becomes of a frame: of all rules that match, the one with the lowest priority number decides.
    pub fn classify(&self, key: &FlowKey) -> Outcome {
        let matching = self.rules.iter().enumerate().filter(|(_, rule)| rule.pattern.matches(key));
        match matching.min_by_key(|(_, rule)| rule.priority) {
            Some((number, rule)) => {
                Outcome::Matched(Matched { rule: number as u16, actions: rule.actions })
            }
            None => Outcome::Missed(self.on_miss),
        }
    }

    /// The same of a frame's bytes; one without a key is a miss.
    pub fn classify_frame(&self, frame: &[u8]) -> Outcome {
        FlowKey::of_frame(frame).map_or(Outcome::Missed(self.on_miss), |key| self.classify(&key))
    }
}

impl RuleSetError {
    /// What is wrong, and what to do about it.
    pub fn in_words(&self) -> FieldError {
        match self {
            RuleSetError::TooMany { rules } => FieldError {
                what: format!("{rules} steering rules are more than {RULES_MAX}"),
                remedy: "let one rule with a mask stand for several".into(),
            },
            RuleSetError::Ambiguous { first, second, rules } => FieldError {
                what: format!(
                    "steering rules #{first} ({}) and #{second} ({}) both match some frames at \
                     priority {}, and rte_flow does not say which of them wins",
                    rules[0].pattern, rules[1].pattern, rules[0].priority
                ),
                remedy: "give the one that is to win a lower number for its priority".into(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use core::net::{Ipv4Addr, SocketAddrV4};

    use super::super::rule::{Fate, Pattern};
    use super::*;

    const PEER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 9878);
    const LOCAL: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 40_000);

    fn set(rules: &[FlowRule]) -> Result<RuleSet, RuleSetError> {
        RuleSet::new(rules.to_vec(), OnMiss::NotOurs)
    }

    #[test]
    fn the_lower_number_wins_wherever_it_stands() {
        let connection = FlowRule::connection(PEER, LOCAL, 3);
        let all = FlowRule::new(Pattern::IPV4, Fate::Drop).at_priority(7);
        let listener = FlowRule::listener(LOCAL, 1);
        for (rules, winner) in [
            ([connection, listener, all], 0),
            ([all, listener, connection], 2),
            ([all, connection, listener], 1),
        ] {
            let Outcome::Matched(found) = set(&rules).unwrap().classify(&FlowKey::tcp(PEER, LOCAL))
            else {
                panic!("a rule matches");
            };
            assert_eq!((found.rule, found.actions.fate), (winner, Fate::Queue(3)));
        }
    }

    #[test]
    fn what_no_rule_matches_is_missed_as_the_set_says() {
        let key = FlowKey::tcp(LOCAL, PEER);
        for on_miss in [OnMiss::Queue(2), OnMiss::NotOurs] {
            let set = RuleSet::new(vec![FlowRule::connection(PEER, LOCAL, 0)], on_miss).unwrap();
            assert_eq!(set.classify(&key), Outcome::Missed(on_miss));
            assert_eq!(set.classify_frame(&[0; 60]), Outcome::Missed(on_miss));
        }
    }

    #[test]
    fn two_rules_that_match_a_frame_at_one_priority_are_refused_by_name() {
        let connection = FlowRule::connection(PEER, LOCAL, 0);
        let listener = FlowRule::listener(LOCAL, 0).at_priority(0);
        let other = FlowRule::connection(LOCAL, PEER, 0);
        assert_eq!(
            set(&[other, connection, listener]).unwrap_err().to_string(),
            "steering rules #1 (eth / ipv4 src is 10.0.0.1 dst is 10.0.0.2 / tcp src is 9878 dst is \
             40000) and #2 (eth / ipv4 dst is 10.0.0.2 / tcp dst is 40000) both match some frames at \
             priority 0, and rte_flow does not say which of them wins; give the one that is to win a \
             lower number for its priority"
        );
        // The same actions do not help: rte_flow may then deliver it twice.
        assert!(set(&[connection, connection]).is_err());
        assert!(set(&[connection, connection.at_priority(1)]).is_ok());
        assert!(set(&[connection, other]).is_ok());
        let vlan = super::super::VlanId::new;
        assert!(set(&[connection, connection.in_vlan(vlan(1).unwrap())]).is_err());
        let both = [1, 2].map(|number| connection.in_vlan(vlan(number).unwrap()));
        assert!(set(&both).is_ok());
    }

    #[test]
    fn a_set_has_a_limit() {
        let rule =
            |number: usize| FlowRule::new(Pattern::IPV4, Fate::Drop).at_priority(number as u32);
        let rules: Vec<FlowRule> = (0..=RULES_MAX).map(rule).collect();
        assert!(set(&rules[..RULES_MAX]).is_ok());
        assert_eq!(
            set(&rules).unwrap_err().to_string(),
            "4097 steering rules are more than 4096; let one rule with a mask stand for several"
        );
    }
}
