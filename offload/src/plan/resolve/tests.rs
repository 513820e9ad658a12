//! Every subset of the capabilities, and random policies, against the constraints read literally.

use proptest::prelude::*;

use super::*;
use crate::capability::Capability::TxTimestamp;
use crate::driver::{DRIVERS, Driver};
use crate::plan::{Plan, Provider};

const ADVERT: Advert = Advert { by: Provider::Nic, how: "in hardware" };

/// A driver with every exclusion that any driver has.
fn strictest() -> Driver {
    let all: Vec<Exclusion> =
        DRIVERS.iter().flat_map(|driver| driver.exclusions).copied().collect();
    Driver { exclusions: Vec::leak(all), ..Driver::UNKNOWN }
}

fn device(driver: Driver, subset: u32) -> Capabilities {
    Capability::ALL
        .into_iter()
        .filter(|capability| subset & 1 << capability.number() != 0)
        .fold(Capabilities::of(driver), |device, capability| device.with(capability, ADVERT))
}

/// What any plan must be, whatever asked for it.
fn check(plan: &Plan, driver: &Driver) {
    let on = |capability| plan.row(capability).configured;
    for row in plan.rows() {
        assert_eq!(row.configured, row.outcome == Outcome::Device, "{row:?}");
        assert!(!row.configured || row.advertised && row.policy != Policy::Off, "{row:?}");
        assert!(!(row.configured && row.capability.always_off()), "{row:?}");
    }
    for need in &NEEDS {
        assert!(!on(need.of) || on(need.needs), "{} without {}", need.of, need.needs);
    }
    let exclusions = || EXCLUSIONS.iter().chain(driver.exclusions);
    for exclusion in exclusions() {
        assert!(!(on(exclusion.used) && on(exclusion.excluded)), "{exclusion:?}");
    }
    // What could be on and is not has been struck by a constraint that holds, and says by which.
    for row in plan.rows() {
        let could_be = row.advertised && row.policy != Policy::Off && !row.capability.always_off();
        if row.configured || !could_be {
            continue;
        }
        let partners = exclusions().filter_map(|exclusion| match row.capability {
            this if this == exclusion.excluded => Some(exclusion.used),
            this if this == exclusion.used => Some(exclusion.excluded),
            _ => None,
        });
        let won = partners.filter(|partner| on(*partner));
        let lacked = NEEDS.iter().filter(|need| need.of == row.capability && !on(need.needs));
        let named: Vec<Capability> = won.chain(lacked.map(|need| need.needs)).collect();
        let says_why = named.iter().any(|capability| row.reason.contains(capability.name()));
        assert!(says_why, "{} is off for no reason: {named:?} {}", row.capability, row.reason);
    }
}

#[test]
fn every_subset_of_the_capabilities_is_planned_by_the_constraints() {
    let driver = strictest();
    let profile = Profile::all(Policy::Prefer);
    let segmentation = 1 << Capability::Lro.number() | 1 << Capability::Tso.number();
    for subset in 0..1u32 << Capability::COUNT {
        if subset & segmentation != 0 {
            continue;
        }
        check(&Plan::negotiate("test", &profile, &device(driver, subset)), &driver);
    }
}

#[test]
fn no_constraint_waits_for_another() {
    for driver in DRIVERS {
        let exclusions = || EXCLUSIONS.iter().chain(driver.exclusions);
        for exclusion in exclusions() {
            let chained = exclusions().any(|other| other.used == exclusion.excluded);
            let needed = NEEDS.iter().any(|need| need.needs == exclusion.excluded);
            assert!(!chained && !needed, "{}: {exclusion:?}", driver.name);
        }
    }
    for need in &NEEDS {
        assert!(!NEEDS.iter().any(|other| other.of == need.needs));
    }
}

#[test]
fn times_of_sending_are_nobody_s_unless_asked_for_and_the_host_s_where_the_device_tells_none() {
    let (without, with) = (device(Driver::UNKNOWN, 0), device(Driver::UNKNOWN, u32::MAX));
    let words = "it tells of one frame at a time".to_owned();
    let denied = with.clone().denied(TxTimestamp, words);
    for (device, policy, outcome, reason) in [
        (&with, Policy::Off, Outcome::Off, "off in the profile: no sending is told of"),
        (&without, Policy::Off, Outcome::Off, "off in the profile: no sending is told of"),
        (&with, Policy::Prefer, Outcome::Device, "in hardware"),
        (&with, Policy::Require, Outcome::Device, "in hardware"),
        (&without, Policy::Prefer, Outcome::Host, "not advertised: host's clock, read as"),
        (&denied, Policy::Prefer, Outcome::Host, "since it tells of one frame at a time: host's"),
        (&without, Policy::Require, Outcome::Host, "not advertised: host's clock, read as"),
    ] {
        let profile = Profile::all(Policy::Prefer).with(TxTimestamp, policy);
        let plan = Plan::negotiate("test", &profile, device);
        let row = plan.row(TxTimestamp);
        assert_eq!(row.outcome, outcome, "{row:?}");
        assert!(row.reason.contains(reason), "{row:?}");
        let is_unmet = policy == Policy::Require && outcome != Outcome::Device;
        assert_eq!(row.is_unmet(), is_unmet, "{row:?}");
    }
    let plan = Plan::negotiate("test", &Profile::all(Policy::Prefer), &with);
    let refused = plan.demoted(TxTimestamp, "refused");
    assert_eq!(refused.row(TxTimestamp).outcome, Outcome::Host);
}

#[test]
fn what_is_required_outlives_what_is_preferred() {
    let device = device(Driver::named("net_ice"), u32::MAX);
    for (required, on, off) in [
        (None, RxTimestamp, CqeCompression),
        (None, RxTimestamp, Capability::RxVector),
        (Some(CqeCompression), CqeCompression, RxTimestamp),
        (Some(CqeCompression), Capability::RxVector, RxTimestampRealTime),
        (Some(Rss), Rss, FlowIsolation),
        (Some(RxTimestamp), RxTimestamp, CqeCompression),
    ] {
        let profile = Profile::all(Policy::Prefer);
        let profile = match required {
            Some(required) => profile.with(required, Policy::Require),
            None => profile,
        };
        let plan = Plan::negotiate("test", &profile, &device);
        assert!(plan.uses(on) && !plan.uses(off), "{required:?}: {on} on, {off} off");
        assert_eq!(plan.unmet().count(), 0);
    }
}

#[test]
fn a_connectx5_that_receives_into_strides_frees_none_fast() {
    let device = device(Driver::named("mlx5_pci"), u32::MAX);
    let profile = Profile::all(Policy::Prefer).with(HeldFrames, Policy::Off);
    let plan = Plan::negotiate("test", &profile, &device);
    assert!(plan.uses(Capability::Mprq) && !plan.uses(FastFree));
    let reason = &plan.row(FastFree).reason;
    assert!(reason.starts_with("off because mprq is on, a strided buffer"), "{reason}");
    let without = profile.with(Capability::Mprq, Policy::Off);
    assert!(Plan::negotiate("test", &without, &device).uses(FastFree));
}

#[test]
fn two_requirements_that_preclude_each_other_leave_one_unmet() {
    let profile = Profile::all(Policy::Prefer)
        .with(RxTimestamp, Policy::Require)
        .with(Capability::RxVector, Policy::Require);
    let plan = Plan::negotiate("test", &profile, &device(Driver::named("net_ice"), u32::MAX));
    let unmet: Vec<Capability> = plan.unmet().map(|row| row.capability).collect();
    assert_eq!(unmet, [Capability::RxVector]);
    let reason = &plan.row(Capability::RxVector).reason;
    assert!(reason.contains("rx_timestamp is on"), "{reason}");
}

#[test]
fn buffers_that_somebody_else_holds_are_not_freed_fast() {
    let device = device(Driver::UNKNOWN, u32::MAX);
    let profile = Profile::all(Policy::Prefer);
    let plan = Plan::negotiate("test", &profile, &device);
    assert!(plan.uses(HeldFrames) && plan.row(FastFree).reason.contains("held_frames is on"));
    let profile = profile.with(HeldFrames, Policy::Off);
    for (tx_pools, keeps_sent_frames, reason) in [
        (1, false, None),
        (2, false, Some("several pools")),
        (1, true, Some("kept until they are acknowledged")),
    ] {
        let host = HostUse { tx_pools, keeps_sent_frames };
        let plan = Plan::for_host("test", &profile, &device, host);
        assert_eq!(plan.uses(FastFree), reason.is_none());
        assert!(plan.row(FastFree).reason.contains(reason.unwrap_or("in hardware")));
    }
}

#[test]
fn what_needs_a_demoted_offload_goes_with_it() {
    let device = device(Driver::UNKNOWN, u32::MAX);
    let plan = Plan::negotiate("test", &Profile::all(Policy::Prefer), &device);
    assert!(plan.uses(FlowIsolation) && !plan.uses(Rss));
    let plan = plan.demoted(FlowSteering, "a rule was refused");
    for capability in [FlowSteering, FlowMasked, FlowDrop, FlowMark, FlowCount, FlowIsolation] {
        assert!(!plan.uses(capability), "{capability}");
    }
    assert!(plan.row(FlowSteering).reason.starts_with("a rule was refused: "));
    assert!(plan.row(FlowIsolation).reason.contains("needs flow_steering"));
    assert!(!plan.uses(Rss), "nothing is switched on by a demotion");
}

fn policy() -> impl Strategy<Value = Policy> {
    prop_oneof![Just(Policy::Off), Just(Policy::Prefer), Just(Policy::Require)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]
    #[test]
    fn any_policies_on_any_device_are_planned_by_the_constraints(
        subset: u32,
        policies in prop::array::uniform21(policy()),
        driver in prop::sample::select(DRIVERS),
        refused in prop::option::of(prop::sample::select(&Capability::ALL[..])),
    ) {
        let profile = Capability::ALL
            .into_iter()
            .zip(policies)
            .fold(Profile::all(Policy::Off), |profile, (capability, policy)| {
                profile.with(capability, policy)
            });
        let device = device(driver, subset);
        let plan = Plan::negotiate("test", &profile, &device);
        check(&plan, &driver);
        prop_assert_eq!(&plan, &Plan::negotiate("test", &profile, &device));
        if let Some(refused) = refused {
            let demoted = plan.clone().demoted(refused, "refused");
            for (before, after) in plan.rows().iter().zip(demoted.rows()) {
                prop_assert!(before.configured || !after.configured);
            }
            prop_assert!(!demoted.uses(refused));
            for need in &NEEDS {
                prop_assert!(!demoted.uses(need.of) || demoted.uses(need.needs));
            }
        }
    }
}
