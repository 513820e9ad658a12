//! What the user wants of a NIC: a policy for each capability, and how the engine is to run on it.

use core::fmt;

use crate::capability::Capability;
use crate::verdict::Audit;

#[cfg(feature = "toml")]
mod read;

#[cfg(feature = "toml")]
pub use read::{BUILT_IN, built_in};

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
    /// Reads `off`, `prefer` or `require`.
    pub fn parse(text: &str) -> Option<Policy> {
        match text {
            "off" => Some(Policy::Off),
            "prefer" => Some(Policy::Prefer),
            "require" => Some(Policy::Require),
            _ => None,
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Policy::Off => "off",
            Policy::Prefer => "prefer",
            Policy::Require => "require",
        })
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
    /// The last core that this process may use, if it may use more than one.
    Auto,
    /// Whichever the scheduler gives.
    Any,
    /// This one.
    Number(u16),
}

/// How a NIC is to be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The name it is shown by.
    pub name: String,
    /// How often a device's `good` is verified in software all the same.
    pub rx_checksum_audit: Audit,
    /// Frame buffers set up at start, for both directions together.
    pub frames: usize,
    /// Which core polls.
    pub core: Core,
    /// What it does when nothing has arrived.
    pub idle: Idle,
    policies: [Policy; Capability::COUNT],
}

impl Profile {
    /// A profile with one policy for everything.
    pub fn all(policy: Policy) -> Profile {
        Profile {
            name: format!("all {policy}"),
            rx_checksum_audit: Audit::OneIn(64),
            frames: 1024,
            core: Core::Auto,
            idle: Idle::Yield,
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
}
