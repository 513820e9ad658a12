//! What a driver says of rules before it has any, asked by rules that are only shown to it.

use std::net::{Ipv4Addr, SocketAddrV4};

use fixwire_offload::Plan;
use fixwire_offload::capability::Capability;
use fixwire_offload::flow::{Carries, Fate, FlowRule, Pattern};

use super::lowered::Lowered;
use super::refusal::Refused;

/// What a port's driver does by rules, as far as it says before the port is set up: nothing where it has none, which
/// is ENOSYS; not what it refuses by name, which comes with its words. Of the rest it has the last word on each rule.
pub(in crate::dpdk) fn capabilities(port: u16) -> Vec<(Capability, Result<(), String>)> {
    let all = Lowered::of(&FlowRule::new(Pattern::TCP, Fate::Queue(0)));
    if matches!(all.validate(port), Err(Refused { errno, .. }) if errno.number() == libc::ENOSYS) {
        return Vec::new();
    }
    let connection = FlowRule::connection(EXAMPLE_PEER, EXAMPLE, 0);
    let asked = [
        (Capability::FlowDrop, FlowRule::new(connection.pattern, Fate::Drop)),
        (Capability::FlowMark, connection.marked(1)),
        (Capability::FlowCount, connection.counted()),
    ];
    let said = asked.map(|(capability, rule)| match Lowered::of(&rule).validate(port) {
        Err(Refused { words, is_of_first_action: true, .. }) => (capability, Err(words)),
        // A driver that refuses for another reason, such as a queue that is not set up yet, has not said so.
        _ => (capability, Ok(())),
    });
    let always = [Capability::FlowSteering, Capability::FlowMasked].map(|of| (of, Ok(())));
    always.into_iter().chain(said).collect()
}

/// What the driver of a port that is configured would refuse of a plan: each kind of rule that the plan leaves to it,
/// by one rule, and then the plan's own. Whatever a driver does not say before the port has started shows when the
/// rules are created.
pub(in crate::dpdk) fn refused(port: u16, plan: &Plan) -> Vec<(Capability, String)> {
    if !plan.uses(Capability::FlowSteering) {
        return Vec::new();
    }
    let says = |rule: &FlowRule| match Lowered::of(rule).validate(port) {
        Err(Refused { errno, .. }) if TOO_EARLY.contains(&errno.number()) => None,
        answer => answer.err().map(|refused| refused.words),
    };
    let connection = FlowRule::connection(EXAMPLE_PEER, EXAMPLE, 0);
    if let Some(why) = says(&connection) {
        return vec![(Capability::FlowSteering, why)];
    }
    let kinds = [
        (Capability::FlowMasked, FlowRule::listener(EXAMPLE, 0).at_priority(0)),
        (Capability::FlowDrop, FlowRule::new(connection.pattern, Fate::Drop)),
        (Capability::FlowMark, connection.marked(1)),
        (Capability::FlowCount, connection.counted()),
    ];
    let refused: Vec<_> = kinds
        .into_iter()
        .filter(|(kind, _)| plan.uses(*kind))
        .filter_map(|(kind, rule)| Some((kind, says(&rule)?)))
        .collect();
    if !refused.is_empty() {
        return refused;
    }
    let rules = plan.device_rules();
    let first = rules.rules().iter().enumerate().find_map(|(number, rule)| {
        let serves_isolation = matches!(rule.pattern.carries, Carries::Arp | Carries::Icmp);
        let needed_for =
            if serves_isolation { Capability::FlowIsolation } else { Capability::FlowSteering };
        Some((needed_for, format!("rule {number} ({rule}): {}", says(rule)?)))
    });
    Vec::from_iter(first)
}

/// Addresses that nobody has (RFC 5737 3), for a rule that is only asked about.
const EXAMPLE_PEER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 9878);
const EXAMPLE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 2), 40_000);

/// Whether a port's driver knows priorities. One that does not (sfc, i40e) refuses any but 0, and by name.
pub(in crate::dpdk) fn knows_priorities(port: u16) -> bool {
    let refuses = |priority| {
        let rule = FlowRule::connection(EXAMPLE_PEER, EXAMPLE, 0).at_priority(priority);
        Lowered::of(&rule).validate(port).err()
    };
    knows_by(refuses(0).as_ref(), refuses(1).as_ref())
}

/// The same by what it refuses of a rule at priority 0 and at 1.
fn knows_by(at_0: Option<&Refused>, at_1: Option<&Refused>) -> bool {
    let names = |refused: Option<&Refused>| refused.is_some_and(|refused| refused.is_of_priority);
    names(at_0) || !names(at_1)
}

/// What a driver answers that says nothing of rules before the port has started.
const TOO_EARLY: [i32; 3] = [libc::ENODEV, libc::EBUSY, libc::EAGAIN];

#[cfg(test)]
mod tests {
    use super::super::super::error::Errno;
    use super::*;

    #[test]
    fn a_driver_that_names_priority_1_alone_knows_none() {
        let refused = |is_of_priority| Refused {
            errno: Errno::of(-libc::ENOTSUP),
            words: String::new(),
            is_of_first_action: false,
            is_of_priority,
        };
        let (of_it, of_other) = (refused(true), refused(false));
        for (at_0, at_1, knows) in [
            (None, None, true),
            (None, Some(&of_it), false),
            // A queue that is not set up yet.
            (Some(&of_other), Some(&of_it), false),
            (Some(&of_other), Some(&of_other), true),
            // Whatever it wants, it is not priority 0.
            (Some(&of_it), Some(&of_it), true),
        ] {
            assert_eq!(knows_by(at_0, at_1), knows);
        }
    }
}
