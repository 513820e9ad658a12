//! From policies and adverts to rows: what each capability comes to, with the constraints between them.
//!
//! Each constraint that strikes is the reason of the row that it strikes.

use std::borrow::Cow;

use super::{Advert, Capabilities, HostUse, Outcome, Row, fallback};
use crate::capability::Capability;
use crate::capability::Capability::{
    CqeCompression, FastFree, FlowCount, FlowDrop, FlowIsolation, FlowMark, FlowMasked,
    FlowSteering, HeldFrames, Rss, RxTimestamp, RxTimestampRealTime,
};
use crate::driver::Exclusion;
use crate::profile::{Policy, Profile};

/// An offload that is nothing without another.
struct Need {
    of: Capability,
    needs: Capability,
}

const NEEDS: [Need; 6] = [
    Need { of: RxTimestampRealTime, needs: RxTimestamp },
    Need { of: FlowMasked, needs: FlowSteering },
    Need { of: FlowDrop, needs: FlowSteering },
    Need { of: FlowMark, needs: FlowSteering },
    Need { of: FlowCount, needs: FlowSteering },
    // Isolated and without a rule, a port would receive nothing at all.
    Need { of: FlowIsolation, needs: FlowSteering },
];

/// Exclusions that hold for any device; a driver adds its own.
const EXCLUSIONS: [Exclusion; 3] = [
    Exclusion {
        used: RxTimestamp,
        excluded: CqeCompression,
        why: "a compressed completion carries no stamp",
    },
    Exclusion {
        used: FlowIsolation,
        excluded: Rss,
        why: "an isolated port has no table to spread by",
    },
    Exclusion {
        used: HeldFrames,
        excluded: FastFree,
        why: "and what is held must not be freed without a look",
    },
];

/// The rows of a plan, by capability number.
pub(super) fn rows(profile: &Profile, device: &Capabilities, host: HostUse) -> Vec<Row> {
    let mut rows: Vec<Row> = Capability::ALL
        .into_iter()
        .map(|capability| decide(capability, profile.policy(capability), device))
        .collect();
    keep_needs(&mut rows);
    if let Some(why) = forbids_fast_free(host)
        && rows[index(FastFree)].configured
    {
        demote(&mut rows, FastFree, why);
    }
    let exclusions = || EXCLUSIONS.iter().chain(device.driver.exclusions);
    // First those that lose to what is required, so that they preclude nothing any more.
    for exclusion in exclusions() {
        let [used, excluded] =
            [exclusion.used, exclusion.excluded].map(|capability| &rows[index(capability)]);
        if used.configured
            && excluded.configured
            && used.policy != Policy::Require
            && excluded.policy == Policy::Require
        {
            let (loser, winner) = (exclusion.used, exclusion.excluded);
            demote(&mut rows, loser, &because(winner, "required, and the two preclude each other"));
        }
    }
    for exclusion in exclusions() {
        if rows[index(exclusion.used)].configured && rows[index(exclusion.excluded)].configured {
            demote(&mut rows, exclusion.excluded, &because(exclusion.used, exclusion.why));
        }
    }
    rows
}

/// Fast free looks at no buffer: each must go to the one pool, and nobody else may hold it.
fn forbids_fast_free(host: HostUse) -> Option<&'static str> {
    if host.tx_pools != 1 {
        Some("frames to send come from several pools")
    } else if host.keeps_sent_frames {
        Some("sent frames are kept until they are acknowledged")
    } else {
        None
    }
}

/// Two policies of a profile that no device can meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The one that cannot be had beside the other.
    pub one: Capability,
    /// The other.
    pub other: Capability,
    /// Why not.
    pub why: &'static str,
}

/// The contradictions of a profile, whatever the device.
pub fn contradictions(profile: &Profile) -> impl Iterator<Item = Contradiction> {
    let requires = |capability| profile.policy(capability) == Policy::Require;
    let lacking = NEEDS.iter().filter_map(move |need| {
        (requires(need.of) && profile.policy(need.needs) == Policy::Off).then_some(Contradiction {
            one: need.of,
            other: need.needs,
            why: "the first is nothing without the second",
        })
    });
    let precluding = EXCLUSIONS.iter().filter_map(move |exclusion| {
        (requires(exclusion.used) && requires(exclusion.excluded)).then_some(Contradiction {
            one: exclusion.excluded,
            other: exclusion.used,
            why: exclusion.why,
        })
    });
    lacking.chain(precluding)
}

/// Takes a capability away from the device, and with it whatever needs it.
pub(super) fn demote(rows: &mut [Row], capability: Capability, why: &str) {
    let fallback = fallback::of(capability);
    let row = &mut rows[index(capability)];
    row.configured = false;
    row.outcome = fallback.outcome;
    row.by = fallback.by;
    row.reason = Cow::Owned(format!("{why}: {}", fallback.how));
    keep_needs(rows);
}

fn because(winner: Capability, why: &str) -> String {
    format!("off because {winner} is on, {why}")
}

/// Takes away what has not what it needs. No need has a need of its own.
fn keep_needs(rows: &mut [Row]) {
    for Need { of, needs } in &NEEDS {
        if rows[index(*of)].configured && !rows[index(*needs)].configured {
            demote(rows, *of, &format!("needs {needs}, which the device does not do"));
        }
    }
}

fn index(capability: Capability) -> usize {
    usize::from(capability.number())
}

/// One capability by itself.
fn decide(capability: Capability, policy: Policy, device: &Capabilities) -> Row {
    let advert = device.advert(capability);
    let advertised = advert.is_some();
    let fallback = match policy {
        Policy::Off => fallback::when_off(capability),
        _ => fallback::of(capability),
    };
    let host = |reason: Cow<'static, str>| Row {
        capability,
        policy,
        advertised,
        configured: false,
        outcome: fallback.outcome,
        by: fallback.by,
        reason,
    };
    if capability.always_off() {
        return host(Cow::Borrowed(fallback.how));
    }
    match (policy, advert) {
        (Policy::Off, _) => host(Cow::Owned(format!("off in the profile: {}", fallback.how))),
        (_, None) => host(Cow::Owned(match device.denial(capability) {
            Some(words) => format!("not advertised, since {words}: {}", fallback.how),
            None => format!("not advertised: {}", fallback.how),
        })),
        (_, Some(Advert { by, how })) => Row {
            capability,
            policy,
            advertised,
            configured: true,
            outcome: Outcome::Device,
            by,
            reason: Cow::Borrowed(how),
        },
    }
}

#[cfg(test)]
mod tests;
