//! What one session came to.

use fixwire::app::Application;
use fixwire::engine::Engine;
use fixwire::offload::capability::Capability;
use fixwire::offload::flow::Count;
use fixwire::wire::Refusal;
use fixwire_hw::sim::SimNic;

use super::recorded::Recorded;
use super::strays::RULES;

/// What one session came to.
#[derive(Clone)]
pub(super) struct Outcome {
    pub(super) ours: Side,
    pub(super) theirs: Side,
    /// Whether every order was reported on in time, and the session logged out.
    pub(super) is_done: bool,
    /// Messages, at either end, that came without a stamp, or with another than the clock's reading then.
    pub(super) stamps_wrong: u64,
    /// What the rules counted, where they count.
    pub(super) flow_counts: [Option<Count>; RULES],
    /// Strangers' frames that were sent.
    pub(super) strays: u64,
    /// Demotions, in their order.
    pub(super) found_out: Vec<FoundOut>,
}

/// A device that was found wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FoundOut {
    pub(super) capability: Capability,
    /// Frames that had come wrong, this one included.
    pub(super) received_wrong: u64,
    /// Those of them that had been let in.
    pub(super) let_in: u64,
}

/// What one end came to.
#[derive(Clone)]
pub(super) struct Side {
    /// The messages that its application was given, one after another.
    pub(super) stream: Vec<u8>,
    /// How many they are.
    pub(super) messages: u64,
    pub(super) counters: Counters,
    /// Frames that the line made wrong on their way here.
    pub(super) received_wrong: u64,
}

impl Side {
    pub(super) fn of<A: Application>(
        engine: Engine<SimNic, Recorded<A>>,
        received_wrong: u64,
    ) -> Side {
        let counters = Counters::of_engine(&engine);
        let Recorded { stream, messages, .. } = engine.into_app();
        Side { stream, messages, counters, received_wrong }
    }
}

/// An engine's counters by name, in its order.
#[derive(Clone)]
pub(super) struct Counters {
    pub(super) all: Vec<(&'static str, u64)>,
    /// Those of sessions and lines alone.
    pub(super) of_sessions: Vec<(&'static str, u64)>,
}

impl Counters {
    pub(super) fn of_engine<A: Application>(engine: &Engine<SimNic, A>) -> Counters {
        Counters {
            all: engine.counters().collect(),
            of_sessions: engine.desk().counters().collect(),
        }
    }

    pub(super) fn of(&self, name: &str) -> u64 {
        let found = self.all.iter().find(|(known, _)| *known == name);
        found.map_or(0, |(_, count)| *count)
    }

    pub(super) fn sum(&self, names: &[&str]) -> u64 {
        names.iter().map(|name| self.of(name)).sum()
    }

    /// Packets that went no further, by the host's refusal or because the device kept them away.
    pub(super) fn refused(&self) -> u64 {
        // An announcement of the other end's, that tells nothing which was asked.
        let is_arp = |reason: &Refusal| *reason == Refusal::ArpNotForUs;
        let by_host = Refusal::ALL.into_iter().filter(|reason| !is_arp(reason));
        by_host.map(|reason| self.of(reason.name())).sum::<u64>() + self.sum(&KEPT_AWAY)
    }
}

/// What a device counts of the frames that rules keep away.
pub(super) const KEPT_AWAY: [&str; 3] =
    ["rx_flow_dropped", "rx_flow_other_queue", "rx_flow_not_ours"];
