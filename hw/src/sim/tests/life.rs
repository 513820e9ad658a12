//! The steps of a device's life, in their order and out of it.

use fixwire_offload::flow::{FlowRule, OnMiss};

use super::*;

/// A rule for the connection of [`tcp_frame`].
fn connection() -> FlowRule {
    let peer = "10.9.0.1:12345".parse().unwrap();
    FlowRule::connection(peer, "10.9.0.2:5001".parse().unwrap(), 0)
}

fn rules() -> RuleSet {
    RuleSet::new(vec![connection().counted()], OnMiss::NotOurs).unwrap()
}

/// A plan that uses all of what a model does, steering and isolation with it.
fn plan(backend: &SimBackend) -> Plan {
    let device = backend.capabilities();
    let plan = Plan::negotiate(&backend.name(), &Profile::all(Policy::Prefer), &device);
    plan.steered_by(rules(), &device.flow)
}

fn backend(name: &str) -> SimBackend {
    pair(Config { a: named(name), ..Config::default() }, 0).0
}

#[test]
fn rules_before_start_are_refused_by_drivers_that_take_them_after_it() {
    for (name, before_configure, before_start) in [
        ("connectx5", "mlx5_pci takes rules once the port has started (ENODEV)", "ENODEV"),
        ("e810", "net_ice takes rules once the port has started (ENODEV)", "ENODEV"),
        ("sfc-x2", "net_sfc_efx takes rules once the port has started (ENODEV)", "ENODEV"),
        ("82574", "net_e1000_em has no flow table (ENOSYS)", "ENOSYS"),
        ("sim", "sim takes rules once the port is configured (EINVAL)", ""),
        ("rtl", "rtl takes rules once the port is configured (EINVAL)", ""),
    ] {
        let mut backend = backend(name);
        let plan = plan(&backend);
        // Counting or not, it is refused for its time first.
        assert_eq!(backend.steer(&rules()), Err(before_configure.to_owned()));
        backend.configure(&plan).unwrap();
        match backend.steer(plan.rules()) {
            Ok(()) => assert_eq!(before_start, "", "{name}"),
            Err(reason) => assert!(!before_start.is_empty() && reason.contains(before_start)),
        }
    }
}

#[test]
fn isolation_and_configuration_after_start_are_busy() {
    for name in ["connectx5", "sfc-x2", "sim", "e810", "82574"] {
        let mut backend = backend(name);
        let plan = plan(&backend);
        backend.configure(&plan).unwrap();
        backend.start().unwrap();
        let driver = backend.capabilities().driver.name;
        let expected = if plan.uses(Capability::FlowIsolation) {
            SimError::IsolatedLate { driver }
        } else {
            SimError::ConfiguredLate { driver }
        };
        assert_eq!(backend.configure(&plan), Err(expected.clone()), "{name}");
        assert!(expected.to_string().ends_with("(EBUSY)") && expected.to_string().contains(driver));
        backend.stop().unwrap();
        backend.configure(&plan).unwrap();
    }
}

#[test]
fn a_port_that_is_not_configured_does_not_start() {
    for name in models::names() {
        let mut backend = backend(name);
        let driver = backend.capabilities().driver.name;
        assert_eq!(backend.start(), Err(SimError::StartedEarly { driver }), "{name}");
        backend.configure(&plan(&backend)).unwrap();
        assert_eq!(backend.start(), Ok(()), "{name}");
        assert_eq!(backend.start(), Ok(()), "started already: {name}");
    }
}

#[test]
fn isolating_a_configured_port_wants_it_configured_again_where_the_driver_says_so() {
    for (name, again) in
        [("connectx5", true), ("connectx7", true), ("sfc-x2", true), ("sim", false)]
    {
        let mut backend = backend(name);
        backend.configure(&plan(&backend)).unwrap();
        backend.port().isolate(true).unwrap();
        let driver = backend.capabilities().driver.name;
        let started = if again { Err(SimError::StartedEarly { driver }) } else { Ok(()) };
        assert_eq!(backend.start(), started, "{name}");
    }
    for name in ["e810", "virtio", "82576"] {
        let driver = named(name).capabilities.driver.name;
        let refused = backend(name).port().isolate(true);
        assert_eq!(refused, Err(SimError::NeverIsolates { driver }), "{name}");
    }
}

#[test]
fn rules_go_with_a_stop_unless_the_driver_keeps_them() {
    for (name, kept) in
        [("connectx5", false), ("e810", false), ("bnxt", false), ("sim", true), ("rtl", true)]
    {
        let mut backend = backend(name);
        let plan = plan(&backend);
        backend.configure(&plan).unwrap();
        backend.start().unwrap();
        backend.steer(plan.rules()).unwrap();
        assert!(backend.port().flow_count(0).is_some(), "{name}");
        backend.stop().unwrap();
        backend.start().unwrap();
        assert_eq!(backend.port().flow_count(0).is_some(), kept, "{name}");
        backend.stop().unwrap();
        backend.configure(&plan).unwrap();
        backend.start().unwrap();
        assert_eq!(backend.port().flow_count(0), None, "{name}: another set-up, another table");
        assert_eq!(backend.steer(plan.rules()), Ok(()), "{name}");
    }
}

#[test]
fn isolation_is_the_port_s_whatever_the_rules_think_of_it() {
    for isolated in [true, false] {
        let (a, mut b, wire) = pair(Config { b: named("connectx5"), ..Config::default() }, 0);
        let policy = if isolated { Policy::Prefer } else { Policy::Off };
        let profile = Profile::all(Policy::Prefer).with(Capability::FlowIsolation, policy);
        let plan = Plan::negotiate("test", &profile, &b.capabilities());
        b.configure(&plan).unwrap();
        b.start().unwrap();
        let on_miss = if isolated { OnMiss::Queue(0) } else { OnMiss::NotOurs };
        b.steer(&rules().on_missing(on_miss)).unwrap();
        let (mut a, mut b) = (running(a, Policy::Prefer).0, b.run());
        let mut stray = numbered(1);
        stray[L4] ^= 1;
        send(&mut a, &stray, FULL);
        wire.advance(Duration::from_us(1));
        assert_eq!(receive(&mut b).is_empty(), isolated);
    }
}

#[test]
fn rules_are_installed_all_or_none() {
    let mut backend = backend("connectx5");
    let plan = plan(&backend);
    backend.configure(&plan).unwrap();
    backend.start().unwrap();
    backend.steer(plan.rules()).unwrap();
    let [first] = plan.rules().rules() else { panic!("one rule") };
    let too_low = first.at_priority(9);
    let set = RuleSet::new(vec![too_low, *first], OnMiss::NotOurs).unwrap();
    let reason = backend.steer(&set).unwrap_err();
    assert!(reason.contains("connectx5 knows no priority 9"), "{reason}");
    assert!(backend.port().flow_count(0).is_some(), "those before stay");
}

#[test]
fn a_stopped_port_receives_nothing_and_forgets_what_waited() {
    let (a, mut b, wire) = pair(Config::default(), 0);
    let (mut a, _) = running(a, Policy::Prefer);
    b.configure(&plan(&b)).unwrap();
    b.start().unwrap();
    send(&mut a, &numbered(1), FULL);
    wire.advance(Duration::from_us(1));
    send(&mut a, &numbered(2), FULL);
    b.stop().unwrap();
    send(&mut a, &numbered(3), FULL);
    wire.advance(Duration::from_us(1));
    b.start().unwrap();
    send(&mut a, &numbered(4), FULL);
    wire.advance(Duration::from_us(1));
    assert_eq!(numbers(&receive(&mut b.run())), [4]);
}

#[test]
fn a_device_that_refuses_a_rule_runs_on_without_steering_and_without_isolation() {
    for name in ["connectx5", "sfc-x2", "sim"] {
        let (a, b, wire) = pair(Config { b: named(name), ..Config::default() }, 0);
        let profile = Profile::all(Policy::Prefer);
        let rules = RuleSet::new(vec![connection()], OnMiss::NotOurs).unwrap();
        let device = Device::probed(b).plan(&profile, rules);
        assert!(device.plan().uses(Capability::FlowIsolation), "{name}");
        let device = device.configure().unwrap();
        // More is asked of it than it said that it has room for.
        wire.shared.borrow_mut().ports[1].model.capabilities.flow.rules_max = 0;
        let (mut b, plan) = device.start().unwrap().steer().unwrap();
        let row = plan.row(Capability::FlowSteering);
        assert_eq!(row.outcome, Outcome::Host, "{name}");
        assert!(row.reason.contains("a rule was refused") && row.reason.contains("takes 0 rules"));
        assert!(!plan.uses(Capability::FlowIsolation), "{name}");
        let (mut a, _) = running(a, Policy::Prefer);
        send(&mut a, &numbered(1), FULL);
        wire.advance(Duration::from_us(1));
        assert_eq!(numbers(&receive(&mut b)), [1], "{name}");
        assert_eq!(b.flow_count(0), None, "{name}");
    }
}

#[test]
fn what_a_device_says_once_it_has_started_is_in_the_plan() {
    let (vector, inlining) = (Capability::RxVector, Capability::Inlining);
    let says =
        || vec![(vector, Err("it says \"Scalar\"".into())), (inlining, Ok("up to 290".into()))];
    let start = |profile: &Profile, rules_max: usize| {
        let b = Model { says: says(), ..named("connectx5") };
        let (_, b, wire) = pair(Config { b, ..Config::default() }, 0);
        let rules = RuleSet::new(vec![connection()], OnMiss::NotOurs).unwrap();
        let device = Device::probed(b).plan(profile, rules).configure().unwrap();
        wire.shared.borrow_mut().ports[1].model.capabilities.flow.rules_max = rules_max;
        device.start().and_then(Device::steer).map(|(_, plan)| plan)
    };
    let profile = Profile::all(Policy::Prefer);
    // The second is stopped, configured anew and started again, because of its rules.
    for rules_max in [1, 0] {
        let plan = start(&profile, rules_max).unwrap();
        assert_eq!(plan.uses(Capability::FlowSteering), rules_max == 1);
        assert!(!plan.uses(vector) && plan.uses(inlining));
        let reason = "advertised, but once started it says \"Scalar\": the driver receives by its scalar path";
        assert_eq!(plan.row(vector).reason, reason);
        assert_eq!(plan.row(inlining).reason, "up to 290");
    }
    let refused = start(&profile.with(vector, Policy::Require), 1).unwrap_err();
    assert!(matches!(refused, DeviceError::Unmet(_)), "{refused}");
}
