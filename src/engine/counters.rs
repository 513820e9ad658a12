//! What the engine has measured and counted.

use super::Engine;
use crate::app::Application;
use crate::measure::Intervals;
use crate::offload::nic::Nic;

impl<N: Nic, A: Application> Engine<N, A> {
    /// What was measured.
    pub fn intervals(&self) -> &Intervals {
        &self.intervals
    }

    /// Every counter by name: device, refusals, checks, neighbours, TCP, sessions.
    pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.nic
            .counters()
            .iter()
            .collect::<Vec<_>>()
            .into_iter()
            .chain(self.host_counters())
            .chain(self.desk.session_counters())
    }

    /// Those of the host, without the sessions'.
    pub(super) fn host_counters(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        (self.refusals.iter().map(|(reason, count)| (reason.name(), count)))
            .chain(self.watch.counters().iter())
            .chain([("nic_steered_wrongly", self.steering.contradicted())])
            .chain([("nic_demoted", self.observations.demoted())])
            .chain(self.verifier.counters().iter())
            .chain(self.stamps.counters().iter())
            .chain(self.sent_stamp_counters().iter())
            .chain(self.neighbors.counters().iter())
            .chain(self.tcp.counters().iter())
            .chain(self.desk.line_counters())
    }

    /// Every counter by name, but those of sessions, which each [has](crate::desk::SessionStatus::counters). Allocates
    /// nothing: always the same names in the same order.
    pub fn visit_counters(&self, mut visit: impl FnMut(&'static str, u64)) {
        self.nic.counters().iter().for_each(|(name, count)| visit(name, count));
        self.host_counters().for_each(|(name, count)| visit(name, count));
    }
}
