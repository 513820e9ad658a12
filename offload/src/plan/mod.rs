//! What the user wants, met with what the device advertises: who does what, and why.

use core::fmt;
use std::borrow::Cow;

use crate::capability::Capability;
use crate::driver::Driver;
use crate::profile::{Policy, Profile};
use crate::verdict::Audit;

mod fallback;
mod resolve;

pub use resolve::{Contradiction, contradictions};

/// Who does a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// The NIC's hardware.
    Nic,
    /// The Linux kernel, on the device's side of the line.
    LinuxKernel,
    /// A driver in software, by name.
    Driver(&'static str),
    /// A model of a NIC, in memory. Never shown as a measurement of one.
    Model,
    /// This engine.
    Fixwire,
    /// Nobody.
    Nobody,
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Provider::Nic => f.pad("NIC"),
            Provider::LinuxKernel => f.pad("Linux kernel"),
            Provider::Driver(name) => write!(f, "{name} in software"),
            Provider::Model => f.pad("NIC model"),
            Provider::Fixwire => f.pad("fixwire"),
            Provider::Nobody => f.pad("nobody"),
        }
    }
}

/// One capability as a device advertises it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advert {
    /// Who would do it.
    pub by: Provider,
    /// What the device does, in words, for the plan's reason.
    pub how: &'static str,
}

/// What a device says that it can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// What is known of its driver beyond what it advertises.
    pub driver: Driver,
    adverts: [Option<Advert>; Capability::COUNT],
    /// It hands over frames whose TCP checksum is not finished ([`Verdict::None`]).
    ///
    /// [`Verdict::None`]: crate::verdict::Verdict::None
    pub gives_none: bool,
}

impl Capabilities {
    /// A device that can do nothing for us.
    pub const NONE: Capabilities = Capabilities::of(Driver::UNKNOWN);

    /// A device of `driver` that can do nothing for us.
    pub const fn of(driver: Driver) -> Capabilities {
        Capabilities { driver, adverts: [None; Capability::COUNT], gives_none: false }
    }

    /// The same, and `capability` as `advert` says.
    #[must_use]
    pub fn with(mut self, capability: Capability, advert: Advert) -> Capabilities {
        self.adverts[usize::from(capability.number())] = Some(advert);
        self
    }

    /// The same without `capability`.
    #[must_use]
    pub fn without(mut self, capability: Capability) -> Capabilities {
        self.adverts[usize::from(capability.number())] = None;
        self
    }

    /// How `capability` is advertised, if it is.
    pub fn advert(&self, capability: Capability) -> Option<Advert> {
        self.adverts[usize::from(capability.number())]
    }
}

/// Where a piece of work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// By the device.
    Device,
    /// By this engine, in software.
    Host,
    /// Nowhere: it is not done.
    Off,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Outcome::Device => "device",
            Outcome::Host => "host",
            Outcome::Off => "off",
        })
    }
}

/// What a host does with buffers that it has handed to a device, as far as an offload depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostUse {
    /// How many pools the frames of one transmit queue come from.
    pub tx_pools: usize,
    /// A sent frame's buffer is kept until its data is acknowledged, to be sent again.
    pub keeps_sent_frames: bool,
}

impl HostUse {
    /// This engine: one pool, and what may have to be sent again lies in the send buffer.
    pub const ENGINE: HostUse = HostUse { tx_pools: 1, keeps_sent_frames: false };
}

/// What was decided for one capability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The capability.
    pub capability: Capability,
    /// What the profile asked for.
    pub policy: Policy,
    /// Whether the device advertises it.
    pub advertised: bool,
    /// Whether the device is told to do it.
    pub configured: bool,
    /// Where the work is done.
    pub outcome: Outcome,
    /// By whom.
    pub by: Provider,
    /// Why.
    pub reason: Cow<'static, str>,
}

impl Row {
    /// Whether the profile requires what the device does not do.
    pub fn is_unmet(&self) -> bool {
        self.policy == Policy::Require && self.outcome != Outcome::Device
    }
}

/// The plan: one row for each capability, fixed before the first frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The device, as named on the command line.
    pub nic: String,
    /// The profile's name.
    pub profile: String,
    /// How often a device's `good` is checked.
    pub rx_checksum_audit: Audit,
    /// The device hands over unfinished TCP checksums and is told that it may.
    pub gives_none: bool,
    rows: Vec<Row>,
}

impl Plan {
    /// Meets a profile with a device. Pure and deterministic.
    pub fn negotiate(nic: &str, profile: &Profile, device: &Capabilities) -> Plan {
        Plan::for_host(nic, profile, device, HostUse::ENGINE)
    }

    /// The same for a host that uses its buffers otherwise than this engine does.
    pub fn for_host(nic: &str, profile: &Profile, device: &Capabilities, host: HostUse) -> Plan {
        let rows = resolve::rows(profile, device, host);
        let trusts_rx_tcp = rows[usize::from(Capability::RxTcpChecksum.number())].configured;
        Plan {
            nic: nic.to_owned(),
            profile: profile.name.clone(),
            rx_checksum_audit: profile.rx_checksum_audit,
            gives_none: device.gives_none && trusts_rx_tcp,
            rows,
        }
    }

    /// The rows, by capability number.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// What was decided for `capability`.
    pub fn row(&self, capability: Capability) -> &Row {
        &self.rows[usize::from(capability.number())]
    }

    /// Whether the device does `capability`.
    pub fn uses(&self, capability: Capability) -> bool {
        self.row(capability).outcome == Outcome::Device
    }

    /// The rows that a profile requires and the device does not meet.
    pub fn unmet(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.is_unmet())
    }

    /// The same plan after the device refused to be configured so, or a rule was refused: the host
    /// does it from here on, and what needs it goes with it. Nothing is switched on in its stead.
    #[must_use]
    pub fn demoted(mut self, capability: Capability, reason: String) -> Plan {
        resolve::demote(&mut self.rows, capability, Cow::Owned(reason));
        if !self.uses(Capability::RxTcpChecksum) {
            self.gives_none = false;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY_NIC: Advert = Advert { by: Provider::Nic, how: "in hardware" };

    fn outcome(policy: Policy, advertised: bool, capability: Capability) -> (Outcome, bool, bool) {
        let profile = Profile::all(policy);
        let device = if advertised {
            Capabilities::NONE.with(capability, BY_NIC)
        } else {
            Capabilities::NONE
        };
        let plan = Plan::negotiate("test", &profile, &device);
        let row = plan.row(capability);
        (row.outcome, row.configured, row.is_unmet())
    }

    #[test]
    fn policy_times_advert_decides() {
        let tx = Capability::TxTcpChecksum;
        assert_eq!(outcome(Policy::Off, true, tx), (Outcome::Host, false, false));
        assert_eq!(outcome(Policy::Prefer, true, tx), (Outcome::Device, true, false));
        assert_eq!(outcome(Policy::Require, true, tx), (Outcome::Device, true, false));
        assert_eq!(outcome(Policy::Off, false, tx), (Outcome::Host, false, false));
        assert_eq!(outcome(Policy::Prefer, false, tx), (Outcome::Host, false, false));
        assert_eq!(outcome(Policy::Require, false, tx), (Outcome::Host, false, true));
    }

    #[test]
    fn segmentation_stays_off_though_preferred_and_advertised() {
        for capability in [Capability::Lro, Capability::Tso] {
            assert_eq!(outcome(Policy::Prefer, true, capability), (Outcome::Off, false, false));
        }
    }

    #[test]
    fn unfinished_checksums_are_accepted_only_while_the_device_is_trusted() {
        let mut device = Capabilities::NONE.with(Capability::RxTcpChecksum, BY_NIC);
        device.gives_none = true;
        let plan = Plan::negotiate("test", &Profile::all(Policy::Prefer), &device);
        assert!(plan.gives_none);
        assert!(!plan.demoted(Capability::RxTcpChecksum, "refuted".into()).gives_none);
        assert!(!Plan::negotiate("test", &Profile::all(Policy::Off), &device).gives_none);
    }
}
