//! The stamps on what was sent: believed, and found wrong, as those on what was received are.

use super::Stamps;
use crate::offload::RxStamp;
use crate::offload::capability::Capability;
use crate::offload::observe::{Drift, Observations};
use crate::offload::plan::Plan;
use crate::offload::stamp::ClockInfo;
use crate::time::Instant;

impl Stamps {
    /// Those on what a device sends that runs by `plan` and has `clock`.
    pub(crate) fn of_sent(plan: &Plan, clock: Option<ClockInfo>) -> Stamps {
        Stamps::of(Capability::TxTimestamp, plan, clock)
    }

    /// The stamp of a frame that was sent, handed over at `at`: the newest of those that were reported, or one that was
    /// handed over before it. `None` where it is not to be believed.
    pub(crate) fn sent(
        &mut self,
        at: Instant,
        stamp: RxStamp,
        is_newest: bool,
        observations: &mut Observations,
    ) -> Option<RxStamp> {
        let of = Capability::TxTimestamp;
        if !self.by_device {
            return None;
        }
        if is_newest {
            return self.believe(of, at, stamp, observations);
        }
        // Reported late; it left before the newest, or at once with it.
        self.missing = self.missing.saturating_sub(1);
        let last = self.last.filter(|last| last.compares_with(&stamp))?;
        if last.ticks.wrapping_sub(stamp.ticks) & self.mask > self.mask / 2 {
            self.counters.rx_stamp_backwards += 1;
            self.demote(of, Drift::StampWentBack, observations);
            return None;
        }
        observations.of_mut(of).seen += 1;
        Some(self.labelled(stamp))
    }

    /// A frame that was sent was not told of in time.
    pub(crate) fn miss(&mut self, observations: &mut Observations) {
        if self.by_device {
            self.lack(Capability::TxTimestamp, observations);
        }
    }

    /// Whether the device stamps, and has not been found wrong.
    pub(crate) fn is_by_device(&self) -> bool {
        self.by_device
    }

    /// Stamps of both compare from here on, where they are by one clock.
    pub(crate) fn agree_with(&mut self, other: &mut Stamps) {
        let breaks = self.breaks.max(other.breaks);
        for stamps in [self, other] {
            if stamps.breaks != breaks {
                (stamps.breaks, stamps.last) = (breaks, None);
            }
        }
    }

    /// [Looks](Stamps::look) at the clock by what is sent.
    pub(crate) fn look_at_sent(&mut self, observations: &mut Observations) {
        self.look_at(Capability::TxTimestamp, observations);
    }

    /// The device's stamps on what is sent are believed again, as far as the plan leaves them to it.
    pub(crate) fn promote_sent(&mut self, plan: &Plan) {
        self.by_device = plan.uses(Capability::TxTimestamp);
    }
}
