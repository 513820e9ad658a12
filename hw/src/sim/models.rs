//! The NICs that are modelled, by name: what each advertises, what it looks at and how it speaks of it.
//!
//! From the drivers' sources and documentation (DPDK 22.11 and later); none of it was run on the NIC
//! it is named after. What is a model is said so wherever it is shown.

use std::borrow::Cow;

use fixwire_offload::capability::Capability;
use fixwire_offload::capability::Capability::{
    CqeCompression, FastFree, FlowCount, FlowDrop, FlowIsolation, FlowMark, FlowMasked,
    FlowSteering, HeldFrames, Inlining, Lro, Mprq, RxIpv4Checksum, RxTcpChecksum, RxTimestamp,
    RxTimestampRealTime, RxVector, Scatter, Tso, TxIpv4Checksum, TxTcpChecksum, TxTimestamp,
};
use fixwire_offload::driver::Driver;
use fixwire_offload::flow::{FlowLimits, Masks};
use fixwire_offload::plan::{Advert, Capabilities, Provider};

use super::clock::ModelClock;
use super::model::{Model, Parser, VerdictStyle};

/// One line of the catalogue.
struct Entry {
    name: &'static str,
    driver: &'static str,
    verdicts: VerdictStyle,
    /// It hands over frames whose TCP checksum the sender never finished.
    gives_none: bool,
    does: &'static [&'static [Capability]],
}

const CHECKSUMS: &[Capability] = &[RxIpv4Checksum, RxTcpChecksum, TxIpv4Checksum, TxTcpChecksum];
const RULES: &[Capability] = &[FlowSteering, FlowMasked, FlowDrop, FlowMark, FlowCount];
const BUFFERS: &[Capability] = &[FastFree, Scatter, RxVector, HeldFrames, Tso];
const MLX5: &[Capability] = &[RxTimestamp, FlowIsolation, Inlining, CqeCompression, Mprq, Lro];

/// Every model, in the order of the profiles.
const ENTRIES: &[Entry] = &[
    entry("connectx5", "mlx5_pci", VerdictStyle::GoodOrSilent, &[CHECKSUMS, RULES, BUFFERS, MLX5]),
    entry(
        "connectx6dx",
        "mlx5_pci",
        VerdictStyle::GoodOrSilent,
        &[CHECKSUMS, RULES, BUFFERS, MLX5, &[RxTimestampRealTime]],
    ),
    entry(
        "connectx7",
        "mlx5_pci",
        VerdictStyle::GoodOrSilent,
        &[CHECKSUMS, RULES, BUFFERS, MLX5, &[RxTimestampRealTime]],
    ),
    entry("e810", "net_ice", VerdictStyle::GoodOrBad, &[CHECKSUMS, RULES, BUFFERS, &[RxTimestamp]]),
    entry(
        "x710",
        "net_i40e",
        VerdictStyle::GoodOrBad,
        &[CHECKSUMS, BUFFERS, &[FlowSteering, FlowDrop, FlowMark]],
    ),
    entry(
        "82599",
        "net_ixgbe",
        VerdictStyle::GoodUnlessBad,
        &[CHECKSUMS, BUFFERS, &[FlowSteering, FlowMasked, FlowDrop, FlowMark, Lro]],
    ),
    entry(
        "82576",
        "net_e1000_igb",
        VerdictStyle::GoodUnlessBad,
        &[CHECKSUMS, &[FlowSteering, FlowMasked, Scatter, HeldFrames, Tso]],
    ),
    entry("82574", "net_e1000_em", VerdictStyle::BadOrSilent, &[CHECKSUMS, &[Scatter, HeldFrames]]),
    entry(
        "sfc-x2",
        "net_sfc_efx",
        VerdictStyle::GoodOrBad,
        &[
            CHECKSUMS,
            &[FlowSteering, FlowMasked, FlowDrop, FlowIsolation],
            &[FastFree, Scatter, HeldFrames, Tso],
        ],
    ),
    entry(
        "ena",
        "net_ena",
        VerdictStyle::NowAndThen,
        &[CHECKSUMS, &[FastFree, Scatter, HeldFrames, Tso]],
    ),
    entry(
        "bnxt",
        "net_bnxt",
        VerdictStyle::GoodOrBad,
        &[CHECKSUMS, RULES, BUFFERS, &[RxTimestamp, Lro]],
    ),
    Entry {
        gives_none: true,
        ..entry(
            "virtio",
            "net_virtio",
            VerdictStyle::GoodOrSilent,
            &[&[RxTcpChecksum, TxTcpChecksum, Scatter, RxVector, HeldFrames, Lro, Tso]],
        )
    },
    entry(
        "vmxnet3",
        "net_vmxnet3",
        VerdictStyle::Silent,
        &[&[RxIpv4Checksum, RxTcpChecksum, TxTcpChecksum, Scatter, HeldFrames, Lro, Tso]],
    ),
    Entry {
        gives_none: true,
        ..entry("tap", "tap", VerdictStyle::GoodOrSilent, &[&[RxTcpChecksum, TxTcpChecksum]])
    },
    entry("af_packet", "net_af_packet", VerdictStyle::Silent, &[&[HeldFrames]]),
    entry("af_xdp", "net_af_xdp", VerdictStyle::Silent, &[]),
    entry(
        "sim",
        "sim",
        VerdictStyle::GoodOrBad,
        &[CHECKSUMS, RULES, &[RxTimestamp, TxTimestamp, FlowIsolation, FastFree, HeldFrames]],
    ),
    entry(
        "rtl",
        "rtl",
        VerdictStyle::GoodOrBad,
        &[CHECKSUMS, RULES, &[RxTimestamp, RxTimestampRealTime, FlowIsolation]],
    ),
];

const fn entry(
    name: &'static str,
    driver: &'static str,
    verdicts: VerdictStyle,
    does: &'static [&'static [Capability]],
) -> Entry {
    Entry { name, driver, verdicts, gives_none: false, does }
}

/// The names of all models.
pub fn names() -> impl Iterator<Item = &'static str> + Clone {
    ENTRIES.iter().map(|entry| entry.name)
}

impl Model {
    /// The model called `name`, if there is one.
    pub fn named(name: &str) -> Option<Model> {
        let entry = ENTRIES.iter().find(|entry| entry.name == name)?;
        let does = entry.does.iter().flat_map(|group| group.iter().copied());
        let mut capabilities =
            does.fold(Capabilities::of(Driver::named(entry.driver)), |all, capability| {
                all.with(capability, Advert { by: Provider::Model, how: how(entry, capability) })
            });
        capabilities.gives_none = entry.gives_none;
        capabilities.flow = flow_limits(entry, &capabilities);
        Some(Model {
            name: Cow::Borrowed(entry.name),
            capabilities,
            verdicts: entry.verdicts,
            parser: parser(entry.driver),
            clock: clock(entry.name),
            hands_over_unfinished: entry.gives_none,
            ..Model::bare()
        })
    }
}

/// The clock that a model stamps by. A declared frequency is the device's to say; these are what it may say.
fn clock(name: &str) -> ModelClock {
    match name {
        "connectx5" => ModelClock::counter(78_125_000, 63),
        "connectx6dx" | "connectx7" => ModelClock::counter(1_000_000_000, 63),
        "e810" => ModelClock::counter(1_000_000_000, 64),
        "bnxt" => ModelClock::counter(1_000_000_000, 48),
        // A 10 Gbit/s line's 64 bits at a time.
        "rtl" => ModelClock::counter(156_250_000, 64),
        _ => ModelClock::WIRE,
    }
}

/// How far a driver's devices read into a frame.
fn parser(driver: &str) -> Parser {
    // Whether a NIC reads past a second tag, or past IPv4 options, depends on its firmware. Where no source
    // says that it does, the model does not: its silence costs a sum in software and hides nothing.
    let hardware = Parser { tags_max: 1, ..Parser::WHOLE };
    match driver {
        // Intel's parsers read past IPv4 options, and so does mlx5's, whose completions tell of them.
        "net_e1000_em" => Parser { tells_types: false, ..hardware },
        "net_e1000_igb" | "net_ixgbe" | "net_i40e" | "net_ice" | "mlx5_pci" => hardware,
        "net_sfc_efx" | "net_ena" | "net_bnxt" | "net_vmxnet3" => {
            Parser { reads_past_options: false, ..hardware }
        }
        // Linux does the work, and tells no types.
        "tap" | "net_af_packet" | "net_af_xdp" => Parser { tells_types: false, ..Parser::WHOLE },
        _ => Parser::WHOLE,
    }
}

/// What a model's flow table takes: what it advertises, within its driver's limits. It has one queue, as a device
/// has that was set up with no more.
fn flow_limits(entry: &Entry, capabilities: &Capabilities) -> FlowLimits {
    let does = |capability| capabilities.advert(capability).is_some();
    if !does(FlowSteering) {
        return FlowLimits::NONE;
    }
    let by_driver = match entry.driver {
        "mlx5_pci" => FlowLimits::MLX5,
        // Five-tuple filters have seven priorities, each field is compared in full or not at all, and VLANs
        // are filtered elsewhere (82576 datasheet, 8.10.3; 82599 datasheet, 7.1.2.5).
        "net_e1000_igb" | "net_ixgbe" => FlowLimits {
            rules_max: if entry.driver == "net_ixgbe" { 128 } else { 8 },
            priority_max: 6,
            masks: Masks::Fields,
            vlan: false,
            without_tcp: false,
            ..FlowLimits::SOFTWARE
        },
        // Exact rules in one table without an order (flow director).
        "net_i40e" => FlowLimits { priority_max: 0, without_tcp: false, ..FlowLimits::SOFTWARE },
        // The filters of its firmware have no order (sfc_flow.c, `sfc_flow_parse_attr`).
        "net_sfc_efx" => FlowLimits { priority_max: 0, ..FlowLimits::SOFTWARE },
        "net_ice" => FlowLimits { without_tcp: false, ..FlowLimits::SOFTWARE },
        _ => FlowLimits::SOFTWARE,
    };
    FlowLimits {
        device: entry.name,
        masks: if does(FlowMasked) { by_driver.masks } else { Masks::Exact },
        queues: 1,
        drop: does(FlowDrop),
        mark_max: by_driver.mark_max.filter(|_| does(FlowMark)),
        count: does(FlowCount),
        isolation: does(FlowIsolation),
        ..by_driver
    }
}

/// What a model says of how it does a piece of work.
fn how(entry: &Entry, capability: Capability) -> &'static str {
    match capability {
        RxIpv4Checksum | RxTcpChecksum if entry.gives_none => {
            "vouches for data whose sum the sender never finished"
        }
        RxIpv4Checksum | RxTcpChecksum => match entry.verdicts {
            VerdictStyle::GoodOrSilent => {
                "says good or nothing; its silence is verified in software"
            }
            VerdictStyle::GoodOrBad => "says good or bad; its bad is verified in software",
            VerdictStyle::GoodUnlessBad => {
                "says good unless it found an error, also of what it did not look at"
            }
            VerdictStyle::BadOrSilent => "says bad or nothing; both are verified in software",
            VerdictStyle::NowAndThen => "says good or bad, of some frames nothing",
            VerdictStyle::Silent => "says nothing though it advertises to; verified in software",
            VerdictStyle::AlwaysGood => "says good whatever the bytes",
        },
        TxTcpChecksum if entry.gives_none => "field left partial for the peer",
        TxIpv4Checksum => "fills the field in",
        TxTcpChecksum => "finishes the field from the pseudo-header's sum",
        RxTimestamp => "stamps each frame by its clock",
        TxTimestamp => "tells when each frame's first bit left by its clock",
        RxTimestampRealTime => "its clock tells the time of day",
        FlowSteering => "exact tuples to a queue",
        FlowMasked => "addresses and ports left open",
        FlowDrop => "drops by rule",
        FlowMark => "marks by rule",
        FlowCount => "counts by rule",
        FlowIsolation => "frames that no rule names do not reach our queues",
        HeldFrames => "leaves a prepared order's frame alone; all else is in the ring",
        _ => "in the model",
    }
}

#[cfg(test)]
mod tests {
    use fixwire_offload::profile::{BUILT_IN, Policy, Profile, built_in};
    use fixwire_offload::time::{Instant, UtcTime};

    use super::*;

    #[test]
    fn every_profile_of_a_nic_has_its_model_with_a_driver_that_the_profile_is_for() {
        for (name, _) in BUILT_IN.iter().filter(|(name, _)| *name != "default") {
            let model = Model::named(name).unwrap_or_else(|| panic!("no model {name}"));
            let profile = Profile::read(&built_in(name).unwrap(), &mut |_, _| Err("none".into()))
                .unwrap()
                .profile;
            assert!(profile.is_for(model.capabilities.driver.name), "{name}");
        }
        assert_eq!(names().count(), BUILT_IN.len() - 1);
        assert!(Model::named("connectx9").is_none());
    }

    #[test]
    fn every_model_that_tells_the_time_of_day_has_a_clock_wide_enough_for_it() {
        let in_2100 = UtcTime::from_unix_ns(4_102_444_800 * 1_000_000_000);
        for name in names() {
            let model = Model::named(name).unwrap();
            if model.capabilities.advert(RxTimestampRealTime).is_some() {
                let read = model.clock.in_real_time(in_2100).reads(Instant::from_ns(0), 0, 0);
                assert_eq!(read, in_2100.as_unix_ns(), "{name}");
            }
        }
    }

    #[test]
    fn each_model_s_flow_table_takes_what_its_driver_s_does() {
        let all = u32::MAX;
        // Largest priority, masks, VLAN, addresses alone, rules, drop, largest mark, count, isolation.
        let bits = |priority_max, rules_max| (priority_max, Masks::Bits, true, true, rules_max);
        let mlx5 = (bits(2, 4096), (true, Some(0x00ff_ffef), true, true));
        for (name, (table, actions)) in [
            ("connectx5", mlx5),
            ("connectx6dx", mlx5),
            ("connectx7", mlx5),
            ("e810", ((all, Masks::Bits, true, false, 4096), (true, Some(all), true, false))),
            ("x710", ((0, Masks::Exact, true, false, 4096), (true, Some(all), false, false))),
            ("82599", ((6, Masks::Fields, false, false, 128), (true, Some(all), false, false))),
            ("82576", ((6, Masks::Fields, false, false, 8), (false, None, false, false))),
            ("sfc-x2", (bits(0, 4096), (true, None, false, true))),
            ("bnxt", (bits(all, 4096), (true, Some(all), true, false))),
            ("sim", (bits(all, 4096), (true, Some(all), true, true))),
            ("rtl", (bits(all, 4096), (true, Some(all), true, true))),
            ("virtio", ((0, Masks::Exact, false, false, 0), (false, None, false, false))),
        ] {
            let flow = Model::named(name).unwrap().capabilities.flow;
            let FlowLimits { priority_max, masks, vlan, without_tcp, rules_max, .. } = flow;
            assert_eq!((priority_max, masks, vlan, without_tcp, rules_max), table, "{name}");
            let FlowLimits { drop, mark_max, count, isolation, .. } = flow;
            assert_eq!((drop, mark_max, count, isolation), actions, "{name}");
        }
    }

    /// A policy of "off" in a profile is either a choice or what the NIC cannot do; "prefer" of what it
    /// never does would mislead whoever reads the profile.
    #[test]
    fn a_profile_does_not_switch_off_data_path_offloads_that_its_nic_has() {
        for name in names() {
            let model = Model::named(name).unwrap();
            let profile = Profile::read(&built_in(name).unwrap(), &mut |_, _| Err("none".into()))
                .unwrap()
                .profile;
            for capability in
                Capability::ALL.into_iter().filter(|known| known.is_on_the_data_path())
            {
                let has = model.capabilities.advert(capability).is_some();
                let is_off = profile.policy(capability) == Policy::Off;
                assert!(!(has && is_off), "{name}: {capability}");
            }
        }
    }
}
