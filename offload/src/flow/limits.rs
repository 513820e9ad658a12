//! What a device's flow table takes, and a set of rules held against it before the device is asked.
//!
//! A driver has the last word: limits that it does not publish show when a rule is installed.

use core::fmt;

use super::key::MaskedKey;
use super::rule::{Actions, Carries, Fate, FlowRule, Pattern, TcpMatch};
use super::set::{OnMiss, RULES_MAX, RuleSet};

/// What a flow table takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowLimits {
    /// Whose it is, for people.
    pub device: &'static str,
    /// How many rules.
    pub rules_max: usize,
    /// The largest number of a priority.
    pub priority_max: u32,
    /// How many masks that differ: each costs a table, or a lookup.
    pub masks_max: usize,
    /// Which masks.
    pub masks: Masks,
    /// Whether a rule can name a VLAN.
    pub vlan: bool,
    /// Whether a rule of addresses alone matches TCP segments too: ice and i40e take it for one about
    /// packets of no transport that they know.
    pub without_tcp: bool,
    /// How many receive queues there are to send to.
    pub queues: u16,
    /// Whether a rule can drop.
    pub drop: bool,
    /// The largest mark; `None` if a rule cannot mark.
    pub mark_max: Option<u32>,
    /// Whether a rule can mark what it drops, which nobody will see.
    pub mark_dropped: bool,
    /// Whether a rule can count.
    pub count: bool,
    /// Whether frames that no rule matches can be kept away from our queues.
    pub isolation: bool,
}

/// Which masks a flow table takes. Each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Masks {
    /// All addresses and ports in full: a connection.
    Exact,
    /// Each in full or not at all: a listener.
    Fields,
    /// Any bits of them.
    Bits,
}

/// Why a set of rules does not fit a device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {limit}")]
pub struct RuleRefused {
    /// Which part of the set.
    pub place: Place,
    /// What does not fit, and what to do about it.
    pub limit: Limit,
}

/// A part of a set of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// This rule, by its number from 0.
    Rule(usize, FlowRule),
    /// What becomes of frames that no rule matches.
    Miss,
}

/// What does not fit a device. `device` is its name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentences say what each number is")]
pub enum Limit {
    #[error("{device} takes {}; let one rule with a mask stand for several", counted(*.max, "rule"))]
    Rules { device: &'static str, max: usize },
    #[error("{device} knows no priority {priority}; number the priorities from 0 to {max}")]
    Priority { device: &'static str, priority: u32, max: u32 },
    #[error(
        "this is the mask number {} and {device} takes {max} that differ; give rules the same fields and \
         prefix lengths", max + 1
    )]
    MasksMax { device: &'static str, max: usize },
    #[error("{device} takes {} only; {}", .takes.takes(), .takes.remedy())]
    Masks { device: &'static str, takes: Masks },
    #[error(
        "{device} does not match VLANs; delete the VLAN, and let others than ours be filtered before"
    )]
    Vlan { device: &'static str },
    #[error("{device} matches no TCP segments by addresses alone; name the protocol TCP")]
    WithoutTcp { device: &'static str },
    #[error(
        "{device} has {}, numbered from 0, and no queue {queue}; name one that it has, or set up more by `rx` \
         under [queues]", counted((*.queues).into(), "queue")
    )]
    Queue { device: &'static str, queue: u16, queues: u16 },
    #[error("{device} does not drop by rule; delete the rule, and leave such frames to the host")]
    Drop { device: &'static str },
    #[error("{device} does not mark; delete the mark")]
    Mark { device: &'static str },
    #[error("{device} cannot mark with {mark}; use marks up to {max}")]
    MarkMax { device: &'static str, mark: u32, max: u32 },
    #[error("{device} does not mark what it drops; delete the mark, or count instead")]
    MarkDropped { device: &'static str },
    #[error("{device} does not count by rule; do without, or read the queue's counters")]
    Count { device: &'static str },
    #[error("{device} cannot be isolated; let what no rule matches go to a queue")]
    Isolation { device: &'static str },
}

/// A number of things, in words.
fn counted(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

impl FlowLimits {
    /// Our own [`Classifier`](super::Classifier).
    pub const SOFTWARE: FlowLimits = FlowLimits {
        device: "the software classifier",
        rules_max: RULES_MAX,
        priority_max: u32::MAX,
        masks_max: 16,
        masks: Masks::Bits,
        vlan: true,
        without_tcp: true,
        queues: u16::MAX,
        drop: true,
        mark_max: Some(u32::MAX),
        mark_dropped: true,
        count: true,
        isolation: true,
    };

    /// DPDK's mlx5 driver on a ConnectX-5, the rules in group 0, with one queue. Its priorities are
    /// the fewer of the 3 and 5 that firmware offers. A mark is 24 bits less a few that the driver keeps
    /// (`MLX5_FLOW_MARK_MAX`). How many rules and masks it takes is known to the device alone.
    pub const MLX5: FlowLimits = FlowLimits {
        device: "mlx5",
        priority_max: 2,
        masks_max: usize::MAX,
        queues: 1,
        mark_max: Some(0x00ff_ffef),
        mark_dropped: false,
        ..FlowLimits::SOFTWARE
    };

    /// A device without a flow table: no rule is taken.
    pub const NONE: FlowLimits = FlowLimits {
        device: "this device",
        rules_max: 0,
        priority_max: 0,
        masks_max: 0,
        masks: Masks::Exact,
        vlan: false,
        without_tcp: false,
        queues: 1,
        drop: false,
        mark_max: None,
        mark_dropped: false,
        count: false,
        isolation: false,
    };

    /// Holds a set of rules against the limits.
    ///
    /// # Errors
    /// The first part that does not fit, with the remedy.
    pub fn check(&self, set: &RuleSet) -> Result<(), RuleRefused> {
        let mut masks: Vec<u128> = Vec::new();
        for (number, rule) in set.rules().iter().enumerate() {
            let refuse = |limit| RuleRefused { place: Place::Rule(number, *rule), limit };
            if number >= self.rules_max {
                return Err(refuse(Limit::Rules { device: self.device, max: self.rules_max }));
            }
            self.check_rule(rule).map_err(refuse)?;
            let mask = MaskedKey::of(&rule.pattern).mask;
            if !masks.contains(&mask) {
                if masks.len() >= self.masks_max {
                    return Err(refuse(Limit::MasksMax {
                        device: self.device,
                        max: self.masks_max,
                    }));
                }
                masks.push(mask);
            }
        }
        self.check_miss(set.on_miss()).map_err(|limit| RuleRefused { place: Place::Miss, limit })
    }

    fn check_rule(&self, rule: &FlowRule) -> Result<(), Limit> {
        let FlowRule { priority, pattern, actions } = rule;
        let device = self.device;
        if *priority > self.priority_max {
            return Err(Limit::Priority { device, priority: *priority, max: self.priority_max });
        }
        if pattern.vlan.is_some() && !self.vlan {
            return Err(Limit::Vlan { device });
        }
        if pattern.carries == Carries::Any && !self.without_tcp {
            return Err(Limit::WithoutTcp { device });
        }
        if Masks::needed(pattern) > self.masks {
            return Err(Limit::Masks { device, takes: self.masks });
        }
        self.check_actions(actions)
    }

    fn check_actions(&self, actions: &Actions) -> Result<(), Limit> {
        let device = self.device;
        match actions.fate {
            Fate::Queue(queue) => self.check_queue(queue)?,
            Fate::Drop if !self.drop => return Err(Limit::Drop { device }),
            Fate::Drop if actions.mark.is_some() && !self.mark_dropped => {
                return Err(Limit::MarkDropped { device });
            }
            Fate::Drop => {}
        }
        if let Some(mark) = actions.mark {
            match self.mark_max {
                None => return Err(Limit::Mark { device }),
                Some(max) if mark > max => return Err(Limit::MarkMax { device, mark, max }),
                Some(_) => {}
            }
        }
        if actions.count && !self.count { Err(Limit::Count { device }) } else { Ok(()) }
    }

    fn check_miss(&self, on_miss: OnMiss) -> Result<(), Limit> {
        match on_miss {
            OnMiss::Queue(queue) => self.check_queue(queue),
            OnMiss::NotOurs if self.isolation => Ok(()),
            OnMiss::NotOurs => Err(Limit::Isolation { device: self.device }),
        }
    }

    fn check_queue(&self, queue: u16) -> Result<(), Limit> {
        let (device, queues) = (self.device, self.queues);
        if queue < queues { Ok(()) } else { Err(Limit::Queue { device, queue, queues }) }
    }
}

impl Masks {
    /// What a pattern needs. One that names neither address nor port, but what is carried, leaves none of them open.
    pub fn needed(pattern: &Pattern) -> Masks {
        let TcpMatch { src_port, dst_port } = match pattern.carries {
            Carries::Tcp(tcp) => tcp,
            Carries::Any => TcpMatch::ANY,
            Carries::Icmp | Carries::Arp => return Masks::Exact,
        };
        // A port's mask at the width of an address's.
        let widened = |mask: u16| u32::from(mask) << 16 | u32::from(mask);
        let masks = [
            pattern.src.mask().to_bits(),
            pattern.dst.mask().to_bits(),
            widened(src_port.mask()),
            widened(dst_port.mask()),
        ];
        if masks.iter().all(|mask| *mask == u32::MAX) {
            Masks::Exact
        } else if masks.iter().all(|mask| matches!(*mask, 0 | u32::MAX)) {
            Masks::Fields
        } else {
            Masks::Bits
        }
    }

    fn takes(self) -> &'static str {
        match self {
            Masks::Exact => "addresses and ports in full",
            Masks::Fields => "an address or a port in full or not at all",
            Masks::Bits => "any mask",
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Masks::Exact => "write one rule for each connection",
            Masks::Fields | Masks::Bits => {
                "write one rule for each address or port, or leave it open"
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Rule(number, rule) => write!(f, "steering rule #{number} ({rule})"),
            Place::Miss => f.write_str("frames that no steering rule matches"),
        }
    }
}

#[cfg(test)]
mod tests;
