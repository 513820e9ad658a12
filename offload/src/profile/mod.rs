//! What the user wants of a NIC: a policy for each capability, and how the engine is to run on it.

use core::fmt;

use crate::capability::Capability;
use crate::clock::{ClockConfig, StageConfig};
use crate::flow::FlowRule;
use crate::verdict::Audit;

#[cfg(feature = "toml")]
mod built_in;
#[cfg(feature = "toml")]
mod devargs;
#[cfg(feature = "toml")]
mod eal;
#[cfg(feature = "toml")]
mod file;
#[cfg(feature = "toml")]
mod fitting;
#[cfg(feature = "toml")]
mod merge;
#[cfg(feature = "toml")]
mod read;
#[cfg(feature = "schema")]
pub mod schema;

#[cfg(feature = "toml")]
pub use built_in::{BUILT_IN, built_in};
#[cfg(feature = "toml")]
pub use fitting::{FITTING, fitting};
#[cfg(feature = "toml")]
pub use merge::{Merged, Setting};
#[cfg(feature = "toml")]
pub use read::Find;

/// What the user wants of one capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The device is not to do it.
    Off,
    /// The device is to do it where it can; the host does otherwise.
    Prefer,
    /// The device is to do it, or the start is refused.
    Require,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Policy; 3] = [Policy::Off, Policy::Prefer, Policy::Require];

    /// The word for it in profiles.
    pub const fn name(self) -> &'static str {
        match self {
            Policy::Off => "off",
            Policy::Prefer => "prefer",
            Policy::Require => "require",
        }
    }

    /// Reads `off`, `prefer` or `require`.
    pub fn parse(text: &str) -> Option<Policy> {
        Policy::ALL.into_iter().find(|policy| policy.name() == text)
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What the polling core does when nothing has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Polls again at once: the lowest latency, on a core of its own.
    Spin,
    /// After a while of nothing, lets other threads on this core run.
    Yield,
}

/// Which core polls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Core {
    /// The last isolated core that this process was not kept off, else the last that it may use, if it may use more
    /// than one.
    Auto,
    /// Whichever the scheduler gives.
    Any,
    /// This one.
    Number(u16),
}

/// Who finds the hardware addresses of others, and answers for ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbors {
    /// The kernel, where it keeps the port beside an isolated one of ours; we do elsewhere.
    Auto,
    /// We do, by ARP of our own.
    Own,
    /// The kernel, by its neighbour table.
    Kernel,
}

/// Which memory node the buffers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumaNode {
    /// The device's.
    Auto,
    /// Whichever the kernel gives.
    Any,
    /// This one.
    Number(u16),
}

/// Queues and their rings, for devices that have some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queues {
    /// Receive queues. The engine polls the first.
    pub rx: u16,
    /// Transmit queues. The engine uses the first.
    pub tx: u16,
    /// Descriptors of each receive queue: frames that can wait for a poll.
    pub rx_descriptors: u16,
    /// Descriptors of each transmit queue.
    pub tx_descriptors: u16,
}

/// How the NIC's clock is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockSettings {
    /// From one reading of the NIC's clock to the next, in milliseconds.
    pub refresh_ms: u32,
    /// Readings at each, of which the one in the narrowest bracket counts.
    pub readings: u8,
    /// How far the clock's rate may be from what the device declares, in parts per million.
    pub drift_ppm_max: u32,
    /// How much that rate may change in a second, in parts per billion.
    pub wander_ppb_per_s_max: u32,
    /// How fast the time that is shown is moved to where it should be, in parts per million.
    pub slew_ppm_max: u32,
    /// The least by which the clock jumps, if it jumps, in nanoseconds.
    pub jump_ns_min: u32,
    /// After how long without a reading stamps are converted no more, in milliseconds.
    pub stale_after_ms: u32,
    /// How long a frame may wait in its ring, in microseconds.
    pub queue_delay_us_max: u32,
}

impl Default for ClockSettings {
    /// What the default profile says.
    fn default() -> Self {
        ClockSettings {
            refresh_ms: 100,
            readings: 8,
            drift_ppm_max: 200,
            wander_ppb_per_s_max: 50,
            slew_ppm_max: 50,
            jump_ns_min: 2_000,
            stale_after_ms: 1_000,
            queue_delay_us_max: 10_000,
        }
    }
}

impl ClockSettings {
    /// What the discipline assumes of the NIC's clock by these settings. Of the wall clock it assumes what it
    /// always does.
    pub fn config(&self) -> ClockConfig {
        let usual = ClockConfig::default();
        // Pairs that come as often as this are to be further apart than a line's lead.
        let lead_ns_max = u64::from(self.refresh_ms.min(self.stale_after_ms)) * 250_000;
        let device = StageConfig {
            drift_ppb_max: self.drift_ppm_max * 1_000,
            wander_ppb_per_s_max: self.wander_ppb_per_s_max,
            jump_ns_min: self.jump_ns_min,
            slew_ppb_max: self.slew_ppm_max * 1_000,
            stale_after_ns: u64::from(self.stale_after_ms) * 1_000_000,
            catch_up_ns: usual.device.catch_up_ns.min(u64::from(self.stale_after_ms) * 250_000),
            lead_ns: usual.device.lead_ns.min(lead_ns_max),
            ..usual.device
        };
        ClockConfig {
            device,
            queue_delay_ns_max: u64::from(self.queue_delay_us_max) * 1_000,
            ..usual
        }
    }
}

/// What was measured of a device once and holds for it.
///
/// Carried and shown. A stamp stays as the device gave it, and so does the time that it is converted to:
/// who measures from the wire by stamps takes [`rx_stamp_ns`](Calibration::rx_stamp_ns) off them there, and
/// adds [`rx_stamp_error_ns`](Calibration::rx_stamp_error_ns) to their bound. Nothing here does so yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calibration {
    /// From a frame's first bit on the wire to its receive stamp, in nanoseconds.
    pub rx_stamp_ns: i32,
    /// How far off that may be, in nanoseconds.
    pub rx_stamp_error_ns: u32,
    /// Who measured it, when and how. Empty where nobody has.
    pub source: String,
}

/// How a NIC is to be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The name it is shown by.
    pub name: String,
    /// What it is for, in a line.
    pub about: String,
    /// The drivers that it is for, by name. None: any.
    pub drivers: Vec<String>,
    /// A device of another driver is an error rather than a warning.
    pub strict: bool,
    /// How often a device's `good` is verified in software all the same.
    pub rx_checksum_audit: Audit,
    /// Arguments to the device's driver, as DPDK writes them: `key=value,key=value`.
    pub devargs: String,
    /// Arguments to DPDK itself, as its command line has them, one each: `--key=value`.
    pub eal: Vec<String>,
    /// Queues and rings.
    pub queues: Queues,
    /// Frame buffers set up at start, for both directions together.
    pub frames: usize,
    /// Which core polls.
    pub core: Core,
    /// Where the buffers lie.
    pub numa_node: NumaNode,
    /// What the polling core does when nothing has arrived.
    pub idle: Idle,
    /// Who finds hardware addresses.
    pub neighbors: Neighbors,
    /// How the NIC's clock is followed.
    pub clock: ClockSettings,
    /// What was measured of it.
    pub calibration: Calibration,
    /// Rules besides those that the sessions need.
    pub steering: Vec<FlowRule>,
    policies: [Policy; Capability::COUNT],
}

impl Profile {
    /// A profile with one policy for everything, and the defaults otherwise.
    pub fn all(policy: Policy) -> Profile {
        Profile {
            name: format!("all {policy}"),
            about: String::new(),
            drivers: Vec::new(),
            strict: false,
            rx_checksum_audit: Audit::OneIn(64),
            devargs: String::new(),
            eal: Vec::new(),
            queues: Queues { rx: 1, tx: 1, rx_descriptors: 512, tx_descriptors: 512 },
            frames: 1024,
            core: Core::Auto,
            numa_node: NumaNode::Auto,
            idle: Idle::Yield,
            neighbors: Neighbors::Auto,
            clock: ClockSettings::default(),
            calibration: Calibration {
                rx_stamp_ns: 0,
                rx_stamp_error_ns: 0,
                source: String::new(),
            },
            steering: Vec::new(),
            policies: [policy; Capability::COUNT],
        }
    }

    /// What is wanted of `capability`.
    pub fn policy(&self, capability: Capability) -> Policy {
        self.policies[usize::from(capability.number())]
    }

    /// The same with another policy for one capability.
    #[must_use]
    pub fn with(mut self, capability: Capability, policy: Policy) -> Profile {
        self.policies[usize::from(capability.number())] = policy;
        self
    }

    /// Whether it is meant for devices of `driver`.
    pub fn is_for(&self, driver: &str) -> bool {
        self.drivers.is_empty() || self.drivers.iter().any(|known| known == driver)
    }
}
