//! What is found of models that do what they say, and of others.

use fixwire::offload::profile::Policy;
use fixwire::time::{self, UtcTime};
use fixwire_hw::sim::{End, NicFaults, VerdictStyle, Wire};

use super::*;

/// What is found of a capability that the plan leaves to a model.
fn found(model: Model, capability: Capability) -> Finding {
    let peer = if model.capabilities.gives_none { Model::virtio() } else { Model::bare() };
    let (near, far, wire) =
        sim::pair(sim::Config { a: model, b: peer, ..sim::Config::default() }, 0);
    let (near, far) = (Device::probed(near), Device::probed(far));
    let mut bench = Bench::new(near, far, wire, &Profile::all(Policy::Prefer)).unwrap();
    assert!(bench.plan.uses(capability), "{}", bench.plan.row(capability).reason);
    bench.probe(capability)
}

fn observed(model: Model, capability: Capability) -> Observed {
    found(model, capability).observed
}

#[test]
fn what_a_full_model_does_is_proven() {
    for capability in [
        Capability::RxIpv4Checksum,
        Capability::RxTcpChecksum,
        Capability::TxIpv4Checksum,
        Capability::TxTcpChecksum,
        Capability::RxTimestamp,
        Capability::FlowSteering,
        Capability::FlowMasked,
        Capability::FlowDrop,
        Capability::FlowMark,
        Capability::FlowCount,
        Capability::FlowIsolation,
    ] {
        let model = Model::named("sim").unwrap();
        assert_eq!(observed(model, capability), Observed::Proven, "{capability}");
    }
}

#[test]
fn a_device_that_calls_everything_good_is_refuted_and_a_silent_one_unproven() {
    for (verdicts, expected) in [
        (VerdictStyle::AlwaysGood, Observed::Refuted),
        (VerdictStyle::Silent, Observed::Unproven),
        (VerdictStyle::BadOrSilent, Observed::Proven),
    ] {
        for capability in [Capability::RxIpv4Checksum, Capability::RxTcpChecksum] {
            let model = Model { verdicts, ..Model::full() };
            assert_eq!(observed(model, capability), expected, "{verdicts:?}");
        }
    }
}

#[test]
fn a_device_that_calls_right_sums_bad_is_refuted() {
    let faults = NicFaults { alarms_ppm: 1_000_000, ..NicFaults::default() };
    for capability in [Capability::RxIpv4Checksum, Capability::RxTcpChecksum] {
        let finding = found(Model { faults, ..Model::full() }, capability);
        assert_eq!(finding.observed, Observed::Refuted, "{}", finding.seen);
    }
}

#[test]
fn a_clock_that_is_stuck_or_counts_at_another_rate_than_it_declares_is_refuted() {
    let ppb = 1_000_000_000;
    for (drift_ppb, expected) in [
        (0, Observed::Proven),
        (ppb / 1_000, Observed::Proven),
        (ppb / 20, Observed::Refuted),
        (-ppb / 20, Observed::Refuted),
        // A thousandth of its rate, and none at all.
        (-ppb / 1_000 * 999, Observed::Refuted),
        (-ppb, Observed::Refuted),
    ] {
        let mut model = Model::named("connectx5").unwrap();
        model.clock.drift_ppb = drift_ppb;
        let finding = found(model, Capability::RxTimestamp);
        assert_eq!(finding.observed, expected, "{drift_ppb}: {}", finding.seen);
    }
    let mut model = Model::named("connectx5").unwrap();
    model.clock.ticks_per_s = 0;
    assert_eq!(observed(model, Capability::RxTimestamp), Observed::Refuted, "no rate at all");
}

/// A wire on which the device's clock jumps after so many waits.
struct Jumping {
    wire: Wire,
    waits_left: u32,
}

impl Line for Jumping {
    const WAITS_MAX: u32 = Wire::WAITS_MAX;

    fn wait(&mut self) {
        self.waits_left = self.waits_left.saturating_sub(1);
        if self.waits_left == 0 {
            let hour_ns = 3_600_000_000_000;
            let faults = NicFaults { clock_jump_ns: hour_ns, ..NicFaults::default() };
            self.wire.set_nic_faults(End::A, faults);
        }
        self.wire.wait();
    }

    fn now(&self) -> time::Instant {
        Line::now(&self.wire)
    }

    fn utc(&self) -> Option<UtcTime> {
        self.wire.utc()
    }
}

#[test]
fn a_clock_that_jumps_ahead_is_refuted() {
    for (waits_left, expected) in [(100, Observed::Refuted), (100_000, Observed::Proven)] {
        let a = Model::named("connectx5").unwrap();
        let config = sim::Config { a, b: Model::bare(), ..sim::Config::default() };
        let (near, far, wire) = sim::pair(config, 0);
        let (near, far) = (Device::probed(near), Device::probed(far));
        let line = Jumping { wire, waits_left };
        let mut bench = Bench::new(near, far, line, &Profile::all(Policy::Prefer)).unwrap();
        let finding = bench.probe(Capability::RxTimestamp);
        assert_eq!(finding.observed, expected, "{}", finding.seen);
    }
}

#[test]
fn a_device_that_leaves_sums_as_they_are_or_its_rules_uncounted_is_refuted() {
    let leaves = NicFaults { leaves_sums: true, ..NicFaults::default() };
    let counts = NicFaults { counts_read_zero: true, ..NicFaults::default() };
    for (faults, capability) in [
        (leaves, Capability::TxIpv4Checksum),
        (leaves, Capability::TxTcpChecksum),
        (counts, Capability::FlowCount),
    ] {
        let model = Model { faults, ..Model::named("sim").unwrap() };
        assert_eq!(observed(model, capability), Observed::Refuted, "{capability}");
    }
}

#[test]
fn sums_that_a_device_hands_over_unfinished_are_proven_by_what_is_in_the_field() {
    let model = Model::virtio();
    assert_eq!(observed(model, Capability::RxTcpChecksum), Observed::Proven);
    let faults = NicFaults { leaves_sums: true, ..NicFaults::default() };
    let model = Model { faults, ..Model::virtio() };
    assert_eq!(observed(model, Capability::TxTcpChecksum), Observed::Refuted);
}

#[test]
fn every_offload_of_every_model_is_found_and_what_no_frame_shows_is_unproven() {
    for name in fixwire_hw::sim::models::names() {
        let (near, far, wire) = sim::pair(
            sim::Config {
                a: Model::named(name).unwrap(),
                b: Model::bare(),
                ..sim::Config::default()
            },
            0,
        );
        let (near, far) = (Device::probed(near), Device::probed(far));
        let mut bench = Bench::new(near, far, wire, &Profile::all(Policy::Prefer)).unwrap();
        let used = used(&bench.plan);
        assert_eq!(findings(&mut bench, &used, &Interruption::at_once()).len(), 0, "{name}");
        let findings = findings(&mut bench, &used, &Interruption::never());
        let told: Vec<Capability> = findings.iter().map(|finding| finding.capability).collect();
        assert_eq!(told, used, "{name}");
        for Finding { capability, observed, seen } in findings {
            assert_ne!(observed, Observed::Refuted, "{name}: {capability}: {seen}");
            let no_frame = matches!(
                capability,
                Capability::FastFree
                    | Capability::Scatter
                    | Capability::Inlining
                    | Capability::CqeCompression
                    | Capability::Mprq
                    | Capability::RxVector
                    | Capability::HeldFrames
            );
            assert_eq!(seen == "no frame shows it", no_frame, "{name}: {capability}: {seen}");
        }
    }
}

#[test]
fn a_rule_that_nothing_shows_at_work_is_unproven_though_its_frames_arrive() {
    for capability in [Capability::FlowSteering, Capability::FlowMasked] {
        // Neither isolated nor marked nor counted.
        let finding = found(Model::named("82576").unwrap(), capability);
        assert_eq!(finding.observed, Observed::Unproven, "{}", finding.seen);
        assert!(finding.seen.ends_with("as without a rule they would"), "{}", finding.seen);
        // By marks, by counters, and by isolation, of a model that is lent the priorities that it has not.
        let [marks, counts, mut isolates] =
            ["82599", "bnxt", "sfc-x2"].map(|name| Model::named(name).unwrap());
        isolates.capabilities.flow.priority_max = u32::MAX;
        for model in [marks, counts, isolates] {
            let name = model.name.clone();
            assert_eq!(observed(model, capability), Observed::Proven, "{name}");
        }
    }
}

#[test]
fn a_device_whose_rules_are_not_at_work_is_refuted() {
    for capability in [Capability::FlowSteering, Capability::FlowMasked, Capability::FlowCount] {
        let faults = NicFaults { counts_read_zero: true, ..NicFaults::default() };
        let model = Model { faults, ..Model::named("bnxt").unwrap() };
        assert_eq!(observed(model, capability), Observed::Refuted, "{capability}");
    }
}

#[test]
fn a_clock_that_tells_the_time_of_day_is_proven_and_one_that_is_off_is_refuted() {
    let real_time = Capability::RxTimestampRealTime;
    let ms = 1_000_000;
    for (offset_ns, expected) in [
        (0, Observed::Proven),
        (-37, Observed::Proven),
        (40 * ms, Observed::Refuted),
        (-3_600_000 * ms, Observed::Refuted),
    ] {
        let mut model = Model::named("connectx6dx").unwrap();
        model.clock.utc_offset_ns = offset_ns;
        assert_eq!(observed(model, real_time), expected, "{offset_ns} ns off");
    }
}
