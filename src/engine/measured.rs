//! An engine that is measured while it runs: see [`measure::live`](crate::measure::live).

use super::Engine;
use crate::app::Application;
use crate::measure::live::Recorder;
use crate::offload::nic::Nic;
use crate::time::{Clock, Now};

impl<N: Nic, A: Application> Engine<N, A> {
    /// Has what passes from here on recorded. To be called between rounds; takes memory.
    ///
    /// Without it, a round pays for measuring with a handful of tests of a pointer.
    pub fn measure_by(&mut self, recorder: Recorder) {
        let sessions = self.tcp.connections_max();
        self.desk.measure_by(Some(Box::new(recorder.for_sessions(sessions))));
    }

    /// Ends that: the ring is abandoned.
    pub fn end_measuring(&mut self) {
        self.desk.measure_by(None);
    }

    /// Whether the profile has it told when messages leave ([`next_sent_stamp`](Engine::next_sent_stamp)).
    pub fn tells_sendings(&self) -> bool {
        self.sent.is_some()
    }

    /// Hands the device what is complete, with readings before and after.
    #[cold]
    #[inline(never)]
    pub(super) fn send_measured(&mut self, now: Now, clock: &impl Clock) {
        if let Some(recorder) = self.desk.recorder() {
            recorder.on_ready();
        }
        self.send_complete(now, clock);
        let took_all = self.outbound.is_empty();
        self.desk.note_handed_over(&self.tcp, took_all);
        self.record_sendings();
    }

    /// Records what was told of messages that left.
    #[cold]
    #[inline(never)]
    pub(crate) fn record_sendings(&mut self) {
        if let (Some(sent), Some(recorder)) = (&self.sent, self.desk.recorder()) {
            let (ever, last) = sent.told();
            recorder.on_told(ever, last);
        }
    }
}
