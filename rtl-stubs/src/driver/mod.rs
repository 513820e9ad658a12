//! The driver of the offload blocks, over any [`Bus`].
//!
//! It keeps next to nothing, beside what counters had come to: what the device is set to stands in the device, and is gone with
//! its reset, of which [`Events::was_reset`] tells. What it is told is checked before the first access, as a register drops the bits that it
//! has no room for without a word.

mod clock;
mod counters;
mod flow;
mod sending;
mod status;
#[cfg(test)]
pub(crate) mod tests;

use std::cell::Cell;

use fixwire_offload::capability::Capability;
use fixwire_offload::driver::Driver;
use fixwire_offload::flow::{FlowLimits, Masks};
use fixwire_offload::plan::{Advert, Capabilities, Provider};

use crate::bus::{Bus, BusError};
use crate::map::Words;

pub use clock::{ClockError, Period, Reading, TimeOfDay};
pub use counters::{Counters, CountersError, DropReason};
pub use flow::FlowError;
pub use sending::{Finishes, TxCounters};
pub use status::{Events, Held};

/// "FIXW", in the first register.
pub const IDENTITY: u32 = 0x4649_5857;
/// The major number of the register map that this driver knows.
pub const VERSION_MAJOR: u16 = 1;

/// Bits of the flow table's index, and of a queue's number.
const RULES_MAX: u8 = 16;
const QUEUES_MAX: u8 = 16;

/// What is at the other end of a bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The register map's version: what software has to know, and what was added since.
    pub version: (u16, u16),
    /// Capability *n* in bit *n*.
    pub capability_bits: u32,
    /// Width of the stream, in bytes.
    pub stream_bytes: u8,
    /// Rules in the flow table.
    pub rules: u8,
    /// Receive queues.
    pub queues: u8,
}

/// Why no offload blocks were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// Something else answers.
    #[error(
        "{found:#010x} stands where \"FIXW\" ({IDENTITY:#010x}) is to: this is no offload block of fixwire's; name \
         the card and the BAR that hold its registers, or load its bitstream"
    )]
    Identity {
        /// What stands there.
        found: u32,
    },
    /// Another register map.
    #[error(
        "its registers are of version {major}.{minor} and this driver knows {VERSION_MAJOR}.x; {}",
        if *.major > VERSION_MAJOR { "take a newer fixwire" } else { "load a newer bitstream" }
    )]
    Version {
        /// What software has to know.
        major: u16,
        /// What was added since.
        minor: u16,
    },
    /// A shape that the map's fields cannot name.
    #[error(
        "it says that it has {rules} rules and {queues} queues, and its registers can name {RULES_MAX} and \
         {QUEUES_MAX}; the bitstream is not built from this tree: build it anew"
    )]
    Shape {
        /// Rules in the flow table.
        rules: u8,
        /// Receive queues.
        queues: u8,
    },
    /// The bus failed.
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// What of received frames the device looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// IPv4's header checksum.
    pub ipv4: bool,
    /// TCP's checksum.
    pub tcp: bool,
}

/// Offload blocks that were found.
#[derive(Debug)]
pub struct Offload<B> {
    words: Words<B>,
    found: Found,
    counters: counters::Widened<6, 32>,
    tx_counters: counters::Widened<4, 32>,
    /// Frames and bytes of each rule, since it was written.
    flow_counts: [counters::Widened<2, { flow::COUNT_BITS }>; RULES_MAX as usize],
    /// What was heard, and not told yet.
    untold: Cell<Events>,
}

impl<B: Bus> Offload<B> {
    /// Looks what is at the other end of `bus`. Nothing of it is changed.
    ///
    /// # Errors
    /// It is something else, or of a version that this driver does not know.
    pub fn find(bus: B) -> Result<Offload<B>, FindError> {
        let words = Words(bus);
        let regs = words.regs();
        let identity = regs.identity().try_read()?.value();
        if identity != IDENTITY {
            return Err(FindError::Identity { found: identity });
        }
        let version = regs.version().try_read()?;
        let (major, minor) = (version.major(), version.minor());
        // A minor number only adds.
        if major != VERSION_MAJOR {
            return Err(FindError::Version { major, minor });
        }
        let capability_bits = regs.capabilities().try_read()?.bits();
        let shape = regs.shape().try_read()?;
        let (rules, queues) = (shape.rules(), shape.queues());
        if !(1..=RULES_MAX).contains(&rules) || !(1..=QUEUES_MAX).contains(&queues) {
            return Err(FindError::Shape { rules, queues });
        }
        let version = (major, minor);
        let stream_bytes = shape.stream_bytes();
        let found = Found { version, capability_bits, stream_bytes, rules, queues };
        let (counters, tx_counters, flow_counts, untold) = Default::default();
        Ok(Offload { words, found, counters, tx_counters, flow_counts, untold })
    }

    /// What was found.
    pub fn found(&self) -> Found {
        self.found
    }

    /// The bus.
    pub fn bus(&self) -> &B {
        &self.words.0
    }

    /// The bus, for whoever looks anew what is at its other end.
    pub fn into_bus(self) -> B {
        self.words.0
    }

    /// Whether it has `capability`.
    pub fn has(&self, capability: Capability) -> bool {
        self.found.capability_bits >> capability.number() & 1 == 1
    }

    /// What it can do, done by `by`. Bits that name nothing here are of a newer device, and left alone.
    pub fn capabilities(&self, by: Provider) -> Capabilities {
        let mut capabilities = Capabilities::of(Driver::named("rtl"));
        for capability in Capability::ALL.into_iter().filter(|capability| self.has(*capability)) {
            capabilities = capabilities.with(capability, Advert { by, how: how(capability) });
        }
        capabilities.flow = self.flow_limits();
        capabilities
    }

    /// Which rules its flow table takes.
    pub fn flow_limits(&self) -> FlowLimits {
        if !self.has(Capability::FlowSteering) {
            return FlowLimits::NONE;
        }
        let rules = usize::from(self.found.rules);
        FlowLimits {
            device: "the RTL's flow table",
            rules_max: rules,
            priority_max: flow::PRIORITY_MAX,
            masks_max: rules,
            masks: if self.has(Capability::FlowMasked) { Masks::Bits } else { Masks::Exact },
            vlan: true,
            without_tcp: true,
            queues: self.found.queues.into(),
            drop: self.has(Capability::FlowDrop),
            mark_max: self.has(Capability::FlowMark).then_some(u32::MAX),
            mark_dropped: true,
            count: self.has(Capability::FlowCount),
            isolation: self.has(Capability::FlowIsolation),
        }
    }

    /// Switches verdicts on and off; what becomes of frames stays as it is. A frame that is in the device meanwhile is
    /// judged by either.
    ///
    /// # Errors
    /// The bus failed.
    pub fn judge(&self, verdicts: Verdicts) -> Result<(), BusError> {
        self.words.regs().enables().try_modify(|enables| {
            enables.set_rx_ipv4_checksum(verdicts.ipv4);
            enables.set_rx_tcp_checksum(verdicts.tcp);
        })
    }

    /// What of received frames it looks at.
    ///
    /// # Errors
    /// The bus failed.
    pub fn verdicts(&self) -> Result<Verdicts, BusError> {
        let enables = self.words.regs().enables().try_read()?;
        Ok(Verdicts { ipv4: enables.rx_ipv4_checksum(), tcp: enables.rx_tcp_checksum() })
    }
}

/// How it does what it does, for the plan's reason.
fn how(capability: Capability) -> &'static str {
    match capability {
        Capability::RxIpv4Checksum | Capability::RxTcpChecksum => {
            "checksum_rx, a verdict with each frame"
        }
        Capability::TxIpv4Checksum | Capability::TxTcpChecksum => {
            "checksum_tx, which stores a frame and finishes what it asks for"
        }
        Capability::RxTimestamp | Capability::RxTimestampRealTime => {
            "rx_timestamp, by ptp_clock at the first beat"
        }
        _ => "flow_match, 16 rules with masks",
    }
}
