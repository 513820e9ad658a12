//! What live frames showed of each capability, beside the plan and mutable where the plan is not.

use core::fmt;

use arrayvec::ArrayVec;

use crate::capability::Capability;
use crate::plan::Plan;

/// How far live frames bear a capability out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observed {
    /// Seen at work, and found right by a check that does not rest on the device.
    Proven,
    /// Seen at work and contradicted by nothing, but nothing on this line checks it independently.
    Passive,
    /// Not seen at work yet.
    Unproven,
    /// Seen to be wrong.
    Refuted,
    /// Not seen to be wrong: an operator had the host take over.
    Demoted,
}

impl fmt::Display for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Observed::Proven => "proven",
            Observed::Passive => "passive",
            Observed::Unproven => "unproven",
            Observed::Refuted => "refuted",
            Observed::Demoted => "demoted",
        })
    }
}

/// What was seen of one capability.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Frames on which the device did it, with nothing to check it by.
    pub seen: u64,
    /// Frames on which an independent check agreed.
    pub agreed: u64,
    /// Frames on which an independent check disagreed.
    pub contradicted: u64,
    /// An operator had the host take over.
    pub by_operator: bool,
}

impl Evidence {
    /// Whether the host has taken over.
    pub fn is_demoted(&self) -> bool {
        self.contradicted > 0 || self.by_operator
    }

    /// What the evidence amounts to.
    pub fn observed(&self) -> Observed {
        if self.contradicted > 0 {
            Observed::Refuted
        } else if self.by_operator {
            Observed::Demoted
        } else if self.agreed > 0 {
            Observed::Proven
        } else if self.seen > 0 {
            Observed::Passive
        } else {
            Observed::Unproven
        }
    }
}

/// How a device was found wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drift {
    /// It called a checksum good, and the bytes were wrong.
    GoodOfWrongBytes,
    /// A stamp was earlier than the one before it.
    StampWentBack,
    /// Many more frames came without a stamp than with one.
    StampsVanished,
    /// Its clock did not go on while the host's did.
    StampStoodStill,
    /// Its clock went further than the host's, by more than a frame can have waited.
    StampRanAhead,
    /// Its clock fell behind the host's, frame after frame, by more than a frame can have waited.
    StampFellBehind,
    /// A frame came that a rule sends elsewhere, or not as the rule says.
    SteeredWrongly,
    /// It lost its rules and did not take them again.
    RulesRefused,
    /// Frames that a rule matches came, and its counter stood still.
    CountStoodStill,
    /// What a rule has counted was not told, or went back, installed anew too.
    CountLost,
    /// It was not: an operator took over.
    ByOperator,
}

impl Drift {
    /// Its name for machines.
    pub const fn name(self) -> &'static str {
        match self {
            Drift::GoodOfWrongBytes => "good_of_wrong_bytes",
            Drift::StampWentBack => "stamp_went_back",
            Drift::StampsVanished => "stamps_vanished",
            Drift::StampStoodStill => "stamp_stood_still",
            Drift::StampRanAhead => "stamp_ran_ahead",
            Drift::StampFellBehind => "stamp_fell_behind",
            Drift::SteeredWrongly => "steered_wrongly",
            Drift::RulesRefused => "rules_refused",
            Drift::CountStoodStill => "count_stood_still",
            Drift::CountLost => "count_lost",
            Drift::ByOperator => "by_operator",
        }
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Drift::GoodOfWrongBytes => "the device called a checksum good and the bytes were wrong",
            Drift::StampWentBack => "a stamp of the device's was earlier than the one before",
            Drift::StampsVanished => "frame after frame came without the device's stamp",
            Drift::StampStoodStill => "the device's stamps stood still while time went on",
            Drift::StampRanAhead => "the device's stamps ran ahead of the host's clock",
            Drift::StampFellBehind => "the device's stamps fell behind the host's clock",
            Drift::SteeredWrongly => {
                "a frame came that a rule sends elsewhere, or without its mark"
            }
            Drift::RulesRefused => "the device may have lost its rules and did not take them again",
            Drift::CountStoodStill => {
                "frames came that a rule counts, and its counter stood still, installed anew too"
            }
            Drift::CountLost => "a rule's counter is gone or went back, installed anew too",
            Drift::ByOperator => "an operator took it from the device",
        })
    }
}

/// A capability that the host has taken over, because the device was found wrong or an operator said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demotion {
    /// The capability.
    pub capability: Capability,
    /// How the device was found wrong.
    pub drift: Drift,
}

/// Why a device's steering rules were doubted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The link was down, as it is when a driver starts its port again.
    LinkCameUp,
    /// A rule's counter is gone, or reads less than it did.
    CounterLost,
    /// Frames that a rule matches came, and its counter stood still.
    CounterStoodStill,
    /// Nothing came, and TCP sent again and again, or nothing else would show that rules are gone.
    Silence,
    /// A frame came that a rule sends elsewhere, or without its mark.
    SteeredWrongly,
}

impl Doubt {
    /// Its name for machines.
    pub const fn name(self) -> &'static str {
        match self {
            Doubt::LinkCameUp => "link_came_up",
            Doubt::CounterLost => "counter_lost",
            Doubt::CounterStoodStill => "counter_stood_still",
            Doubt::Silence => "silence",
            Doubt::SteeredWrongly => "steered_wrongly",
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Doubt::LinkCameUp => "the link was down",
            Doubt::CounterLost => "a rule's counter is gone or went back",
            Doubt::CounterStoodStill => {
                "frames came that a rule counts, and its counter stood still"
            }
            Doubt::Silence => "not one frame came, and nothing else would show that they are gone",
            Doubt::SteeredWrongly => {
                "a frame came that a rule sends elsewhere, or without its mark"
            }
        })
    }
}

/// What happened to a running device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceEvent {
    /// It was found wrong.
    Demoted(Demotion),
    /// No frame can pass any more.
    LinkDown,
    /// Frames can pass again.
    LinkUp,
    /// Its steering rules were installed anew.
    RulesInstalled(Doubt),
}

/// The evidence for every capability, and the events that nobody has asked for yet.
#[derive(Clone, Debug, Default)]
pub struct Observations {
    evidence: [Evidence; Capability::COUNT],
    events: ArrayVec<DeviceEvent, EVENTS_MAX>,
    demoted: u64,
}

/// Events that are kept until somebody asks; of more the first are. Demotions are as many as promotions,
/// and one for each capability that can be demoted.
const EVENTS_MAX: usize = 32;

impl Observations {
    /// The evidence for `capability`.
    #[inline]
    pub fn of(&self, capability: Capability) -> &Evidence {
        &self.evidence[usize::from(capability.number())]
    }

    /// The evidence for `capability`, to add to.
    #[inline]
    pub fn of_mut(&mut self, capability: Capability) -> &mut Evidence {
        &mut self.evidence[usize::from(capability.number())]
    }

    /// The device was found wrong, or an operator says so, and the host takes over from here on.
    #[cold]
    pub fn demote(&mut self, capability: Capability, drift: Drift) {
        match drift {
            Drift::ByOperator => self.of_mut(capability).by_operator = true,
            _ => self.of_mut(capability).contradicted += 1,
        }
        self.demoted += 1;
        self.happened(DeviceEvent::Demoted(Demotion { capability, drift }));
    }

    /// Something happened to the device.
    #[cold]
    pub fn happened(&mut self, event: DeviceEvent) {
        let _ = self.events.try_push(event);
    }

    /// The oldest event that nobody has asked for.
    pub fn next_event(&mut self) -> Option<DeviceEvent> {
        self.events.pop_at(0)
    }

    /// How many demotions there have been.
    pub fn demoted(&self) -> u64 {
        self.demoted
    }

    /// Begins anew for a capability that is given back to the device.
    pub fn forget(&mut self, capability: Capability) {
        *self.of_mut(capability) = Evidence::default();
    }

    /// What is shown in the plan's table: nothing where the device is not used.
    pub fn shown(&self, plan: &Plan, capability: Capability) -> Option<Observed> {
        let evidence = self.of(capability);
        let judged = plan.uses(capability) || evidence.is_demoted();
        judged.then(|| evidence.observed())
    }
}

macro_rules! counters {
    ($( $(#[doc = $doc:literal])+ $field:ident )*) => {
        /// What a device has counted since it started.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct NicCounters { $( $(#[doc = $doc])+ pub $field: u64, )* }

        impl NicCounters {
            /// Every counter by name.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$( (stringify!($field), self.$field) ),*].into_iter()
            }
        }
    };
}

counters! {
    /// Frames received.
    rx_frames
    /// Bytes received, without the frame check sequence.
    rx_bytes
    /// Frames sent.
    tx_frames
    /// Bytes sent, without the frame check sequence.
    tx_bytes
    /// Times that a frame found every receive buffer in use: lost, or left waiting in the kernel on a TAP.
    rx_no_buffer
    /// Frames that found every descriptor of the receive queue in use: nobody polled in time.
    rx_ring_full
    /// Frames that the device refused to receive: malformed metadata, or over its largest.
    rx_errors
    /// Frames that a steering rule dropped.
    rx_flow_dropped
    /// Frames that went to another queue than the one that is polled.
    rx_flow_other_queue
    /// Frames that an isolated device kept away because no steering rule matched them.
    rx_flow_not_ours
    /// Frames that the device refused to send.
    tx_errors
    /// Frames whose checksums the driver refused to finish: finished in software.
    tx_offload_refused
    /// Frames to send that the device takes no such of: not of the transmit queue's own pool where `fast_free` allows
    /// no other, or in several buffers where it takes one. Copied.
    tx_copied
    /// Such frames that are longer than a buffer of the pool: not sent.
    tx_too_long
    /// Times that the device took less than it was given.
    tx_busy
    /// Times that no transmit buffer was free.
    tx_no_buffer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_contradiction_outweighs_any_agreement() {
        let evidence = Evidence { seen: 9, agreed: 1_000_000, contradicted: 1, by_operator: true };
        assert_eq!(evidence.observed(), Observed::Refuted);
        let taken = Evidence { contradicted: 0, ..evidence };
        assert_eq!(taken.observed(), Observed::Demoted);
        assert_eq!(Evidence { by_operator: false, ..taken }.observed(), Observed::Proven);
        assert_eq!(Evidence { seen: 1, ..Evidence::default() }.observed(), Observed::Passive);
        assert_eq!(Evidence::default().observed(), Observed::Unproven);
    }

    #[test]
    fn what_an_operator_takes_is_not_refuted_and_proves_itself_anew_once_it_is_given_back() {
        let mut observations = Observations::default();
        let of = Capability::RxTcpChecksum;
        observations.of_mut(of).agreed = 7;
        observations.demote(of, Drift::ByOperator);
        assert_eq!(
            (observations.of(of).observed(), observations.demoted()),
            (Observed::Demoted, 1)
        );
        observations.demote(of, Drift::GoodOfWrongBytes);
        assert_eq!(observations.of(of).observed(), Observed::Refuted);
        observations.forget(of);
        assert_eq!(observations.of(of).observed(), Observed::Unproven);
        assert!(!observations.of(of).is_demoted());
    }
}
