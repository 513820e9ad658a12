//! What is known of a driver beyond what it advertises: which offloads preclude others, and when it
//! takes isolation and rules.
//!
//! Read from the drivers' sources and documentation (DPDK 22.11 and later). What a device can do is
//! decided by what it advertises, never by this table.

use crate::capability::Capability;
use crate::capability::Capability::{FastFree, Mprq, RxTimestamp, RxVector};

/// Two offloads of which a device does one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exclusion {
    /// The one that is kept, unless the profile requires the other alone.
    pub used: Capability,
    /// The one that yields.
    pub excluded: Capability,
    /// Why, to be read after "because X is on: ".
    pub why: &'static str,
}

/// When a driver lets a port be isolated (`rte_flow_isolate`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsolationOrder {
    /// Never: it has no isolated mode.
    Never,
    /// Before the port is configured, and again after each reconfiguration.
    BeforeConfigure,
    /// While the port is stopped.
    WhileStopped,
}

/// When a driver takes rules (`rte_flow_create`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleOrder {
    /// Never: it has no rules.
    Never,
    /// Once the port has started. They are to be flushed before it stops, and go with the stop.
    AfterStart,
    /// Once the port is configured; they outlive a stop.
    AfterConfigure,
}

/// What is known of a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Driver {
    /// As DPDK names it (`rte_eth_dev_info.driver_name`), or as we name our own.
    pub name: &'static str,
    /// Offloads that preclude others on it.
    pub exclusions: &'static [Exclusion],
    /// When it isolates.
    pub isolation: IsolationOrder,
    /// When it takes rules.
    pub rules: RuleOrder,
    /// Beside it the kernel's own driver has the same port, and gets what no rule takes of an isolated one, and all
    /// frames once we are gone: it answers ARP and hears ICMP. Any other port that is isolated needs rules for both.
    pub is_bifurcated: bool,
}

const MLX5: &[Exclusion] = &[Exclusion {
    used: Mprq,
    excluded: FastFree,
    why: "a strided buffer is shared by many frames",
}];

const ICE: &[Exclusion] = &[Exclusion {
    used: RxTimestamp,
    excluded: RxVector,
    why: "this driver stamps on its scalar receive path alone",
}];

/// Every driver that something is known of.
pub const DRIVERS: &[Driver] = &[
    Driver {
        is_bifurcated: true,
        ..driver("mlx5_pci", MLX5, IsolationOrder::BeforeConfigure, RuleOrder::AfterStart)
    },
    driver("net_ice", ICE, IsolationOrder::Never, RuleOrder::AfterStart),
    driver("net_i40e", &[], IsolationOrder::Never, RuleOrder::AfterStart),
    driver("net_ixgbe", &[], IsolationOrder::Never, RuleOrder::AfterStart),
    driver("net_e1000_igb", &[], IsolationOrder::Never, RuleOrder::AfterStart),
    driver("net_e1000_em", &[], IsolationOrder::Never, RuleOrder::Never),
    driver("net_sfc_efx", &[], IsolationOrder::BeforeConfigure, RuleOrder::AfterStart),
    driver("net_ena", &[], IsolationOrder::Never, RuleOrder::Never),
    driver("net_bnxt", &[], IsolationOrder::Never, RuleOrder::AfterStart),
    driver("net_virtio", &[], IsolationOrder::Never, RuleOrder::Never),
    driver("net_virtio_user", &[], IsolationOrder::Never, RuleOrder::Never),
    driver("net_vhost", &[], IsolationOrder::Never, RuleOrder::Never),
    driver("net_memif", &[], IsolationOrder::Never, RuleOrder::Never),
    driver("net_ring", &[], IsolationOrder::Never, RuleOrder::Never),
    driver("net_pcap", &[], IsolationOrder::Never, RuleOrder::Never),
    driver("net_vmxnet3", &[], IsolationOrder::Never, RuleOrder::Never),
    driver("net_tap", &[], IsolationOrder::WhileStopped, RuleOrder::AfterConfigure),
    driver("net_af_packet", &[], IsolationOrder::Never, RuleOrder::Never),
    driver("net_af_xdp", &[], IsolationOrder::Never, RuleOrder::Never),
    driver("tap", &[], IsolationOrder::Never, RuleOrder::Never),
    driver("sim", &[], IsolationOrder::WhileStopped, RuleOrder::AfterConfigure),
    driver("rtl", &[], IsolationOrder::WhileStopped, RuleOrder::AfterConfigure),
];

const fn driver(
    name: &'static str,
    exclusions: &'static [Exclusion],
    isolation: IsolationOrder,
    rules: RuleOrder,
) -> Driver {
    Driver { name, exclusions, isolation, rules, is_bifurcated: false }
}

impl Driver {
    /// A driver that nothing is known of.
    pub const UNKNOWN: Driver =
        driver("unknown", &[], IsolationOrder::Never, RuleOrder::AfterStart);

    /// The driver called `name`, or what is assumed of one that is not known.
    pub fn named(name: &str) -> Driver {
        DRIVERS.iter().find(|driver| driver.name == name).copied().unwrap_or(Driver::UNKNOWN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_driver_is_found_by_its_name_and_a_strange_one_is_assumed_to_do_little() {
        for (number, driver) in DRIVERS.iter().enumerate() {
            assert_eq!(Driver::named(driver.name), *driver);
            let first = DRIVERS.iter().position(|other| other.name == driver.name);
            assert_eq!(first, Some(number), "{} stands here twice", driver.name);
        }
        assert_eq!(Driver::named("net_new"), Driver::UNKNOWN);
    }
}
