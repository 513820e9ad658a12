//! What the engine says of its device and its clock, and what it gives back to it.

use arrayvec::ArrayVec;

use super::Engine;
use crate::app::Application;
use crate::offload::RxStamp;
use crate::offload::capability::Capability;
use crate::offload::flow::Count;
use crate::offload::nic::{Link, Nic};
use crate::offload::observe::{DeviceEvent, Observations, Observed};
use crate::offload::plan::Plan;
use crate::offload::profile::Policy;

impl<N: Nic, A: Application> Engine<N, A> {
    /// Whether frames can pass, by the newest look at the device; up before the first.
    pub fn link(&self) -> Link {
        self.watch.link()
    }

    /// The plan that it runs by.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What live frames showed of it.
    pub fn observations(&self) -> &Observations {
        &self.observations
    }

    /// The oldest event of the device's that nobody has asked for. Of a capability that the host has taken
    /// over, because the device was found wrong, no byte is lost, doubled or put out of order.
    pub fn next_device_event(&mut self) -> Option<DeviceEvent> {
        self.observations.next_event()
    }

    /// A capability that the profile requires, and of which the device was found wrong: before the first
    /// session is up a reason not to begin, later the host's to make up for.
    pub fn refuted_requirement(&self) -> Option<Capability> {
        let refuted = |capability: &Capability| {
            self.plan.row(*capability).policy == Policy::Require
                && self.observations.of(*capability).observed() == Observed::Refuted
        };
        Capability::ALL.into_iter().find(refuted)
    }

    /// The device's clock is in its life `generation`, by who follows it: stamps of two lives do not
    /// compare. To be called between rounds.
    pub fn on_clock_generation(&mut self, generation: u16) {
        self.stamps.on_clock_generation(generation);
        if let Some(sent) = &mut self.sent {
            sent.judge_mut().on_clock_generation(generation);
        }
    }

    /// The device's stamp on the last frame: see [`Stamps::newest`](crate::stamps::Stamps::newest).
    pub fn newest_stamp(&self) -> Option<RxStamp> {
        self.stamps.newest()
    }

    /// Gives every capability that was demoted back to the device, as far as the plan leaves it there. It
    /// proves itself anew. Says which they were.
    pub fn promote(&mut self) -> ArrayVec<Capability, { Capability::COUNT }> {
        self.promote_those(|_| true)
    }

    /// The same of those that are wanted.
    pub(crate) fn promote_those(
        &mut self,
        is_wanted: impl Fn(Capability) -> bool,
    ) -> ArrayVec<Capability, { Capability::COUNT }> {
        let demoted = |capability: &Capability| {
            is_wanted(*capability) && self.observations.of(*capability).is_demoted()
        };
        let wrong: ArrayVec<_, { Capability::COUNT }> = Capability::ALL
            .into_iter()
            .filter(|capability| self.plan.uses(*capability) && demoted(capability))
            .collect();
        if !self.steering.device_counts()
            && wrong.iter().any(|of| [Capability::FlowSteering, Capability::FlowCount].contains(of))
        {
            let (nic, steering) = (&self.nic, &self.steering);
            self.watch.hand_to_device(|rule| [nic.flow_count(rule), steering.count(rule)]);
        }
        for capability in &wrong {
            self.observations.forget(*capability);
            self.verifier.promote(&self.plan, *capability);
            match capability {
                Capability::RxTimestamp => self.stamps.promote(&self.plan),
                Capability::TxTimestamp => {
                    if let Some(sent) = &mut self.sent {
                        sent.judge_mut().promote_sent(&self.plan);
                    }
                }
                Capability::FlowSteering | Capability::FlowCount => {
                    self.steering.promote(&self.plan);
                }
                _ => {}
            }
        }
        if let Some(sent) = &mut self.sent {
            sent.judge_mut().agree_with(&mut self.stamps);
        }
        wrong
    }

    /// What a steering rule has matched, by its number in the plan, if it counts: as counted by whoever
    /// does. A device that lost its rules loses what they counted since the last look.
    pub fn flow_count(&self, rule: usize) -> Option<Count> {
        let device = self.nic.flow_count(rule).filter(|_| self.steering.device_counts());
        let device = device.filter(|_| self.plan.uses(Capability::FlowCount));
        let twin = self.steering.count(rule);
        let is_counted = device.is_some() || twin.is_some() || self.watch.counts_all();
        is_counted.then(|| self.watch.counted(rule, device, twin))
    }
}
