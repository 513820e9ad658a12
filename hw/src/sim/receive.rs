//! What a modelled device does with a frame that has arrived: steers it, judges it, and keeps it until it is
//! polled.

use std::collections::VecDeque;

use fixwire_offload::flow::{Count, Fate, Matched, OnMiss, Outcome};
use fixwire_offload::nic::{Frame as _, RxMeta};
use fixwire_offload::stamp::{ClockInfo, RxStamp};
use fixwire_offload::time::Instant;
use fixwire_offload::verdict::Verdict;
#[cfg(feature = "rtl")]
use fixwire_rtl::driver::DropReason;

use super::completion::{Completions, Said};
#[cfg(feature = "rtl")]
use super::design::Fate as DesignFate;
use super::model::Found;
use super::port::{OUR_QUEUE, Port};
use super::wire::InFlight;
use crate::checksums::{self, Unfinished};
use crate::pool::{Frame, LINK_LEN_MAX};

/// Frames that wait to be polled, in order.
pub(super) struct Ring {
    waiting: VecDeque<Waiting>,
    descriptors: usize,
    completions: Completions,
    /// Of how many of the first of them a completion is written.
    completed: usize,
}

struct Waiting {
    at: Instant,
    frame: Frame,
    /// What a device that writes entries has to say of it; any other's is in the frame.
    said: Option<Said>,
}

impl Ring {
    /// A ring of so many descriptors, at least one.
    pub(super) fn new(descriptors: usize) -> Ring {
        let descriptors = descriptors.max(1);
        let waiting = VecDeque::with_capacity(descriptors);
        Ring { waiting, descriptors, completions: Completions::new(), completed: 0 }
    }

    fn is_full(&self) -> bool {
        self.waiting.len() == self.descriptors
    }

    /// Forgets what waits.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        (self.completions, self.completed) = (Completions::new(), 0);
    }

    /// The next frame, and whether it came; none where none waits.
    fn next(&mut self) -> Option<(Frame, bool)> {
        let said = self.waiting.front()?.said;
        let read = said.map(|said| {
            if self.completed == 0 {
                let waiting = self.waiting.iter().map_while(|waiting| waiting.said.as_ref());
                self.completed = self.completions.write(waiting);
            }
            self.completed = self.completed.saturating_sub(1);
            self.completions.read(&said)
        });
        let Waiting { mut frame, .. } = self.waiting.pop_front()?;
        match read {
            Some(None) => Some((frame, false)),
            Some(Some(meta)) => {
                frame.received(frame.len(), meta);
                Some((frame, true))
            }
            None => Some((frame, true)),
        }
    }
}

impl Port {
    /// Since when the first of the frames that a poll would get has waited.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        let first = self.ring.waiting.front().filter(|_| !self.faults.stalled);
        first.map(|waiting| waiting.at)
    }

    /// The first of the frames that wait to be polled.
    pub(super) fn next(&mut self) -> Option<Frame> {
        if self.faults.stalled {
            return None;
        }
        loop {
            let (frame, has_come) = self.ring.next()?;
            if has_come {
                self.counters.rx_frames += 1;
                self.counters.rx_bytes += frame.len() as u64;
                return Some(frame);
            }
            self.counters.rx_errors += 1;
        }
    }

    /// What a rule has counted, if it tells.
    pub(super) fn flow_count(&self, rule: usize) -> Option<Count> {
        if self.faults.refuses_counts {
            return None;
        }
        let count = self.table.as_ref()?.count(rule)?;
        #[cfg(feature = "rtl")]
        if let Some(Ok(blocks)) = &self.blocks {
            return blocks.count(rule);
        }
        Some(if self.faults.counts_read_zero { Count::default() } else { count })
    }

    /// Why it does not tell.
    pub(super) fn flow_count_refusal(&self) -> Option<String> {
        let driver = self.model.capabilities.driver.name;
        self.faults.refuses_counts.then(|| format!("{driver} asks no counter (ENOTSUP)"))
    }

    /// A frame has arrived: to the queue with it, or not.
    pub(super) fn receive(&mut self, mut arrived: InFlight) {
        let len = arrived.frame.len();
        if len > self.model.mtu + LINK_LEN_MAX {
            self.counters.rx_errors += 1;
            return;
        }
        #[cfg(feature = "rtl")]
        if self.model.is_design() {
            return self.receive_by_design(arrived);
        }
        let Some(steered) = self.steer(arrived.frame.bytes()) else { return };
        if self.ring.is_full() {
            self.counters.rx_ring_full += 1;
            return;
        }
        let (meta, fails) = self.judge(&mut arrived);
        let InFlight { at, mut frame, .. } = arrived;
        let meta = RxMeta { queue: steered.queue, mark: steered.mark, ..meta };
        let said = self.model.writes_entries().then(|| Said::of(&meta, len, fails));
        if fails && said.is_none() {
            self.counters.rx_errors += 1;
            return;
        }
        frame.received(len, meta);
        self.ring.waiting.push_back(Waiting { at, frame, said });
    }

    /// The same by the RTL: what it hands over, and what it says of it.
    #[cfg(feature = "rtl")]
    fn receive_by_design(&mut self, arrived: InFlight) {
        let InFlight { at, mut frame, unfinished, .. } = arrived;
        let Some(Ok(blocks)) = &self.blocks else { return };
        if let Some(what) = unfinished {
            let len = frame.len();
            // Its place in the frame was checked when it was sent.
            let _ = checksums::finish(&mut frame.space()[..len], what);
        }
        let received = match blocks.carry(frame.bytes()) {
            DesignFate::Came(received) if u16::from(received.said.queue()) == OUR_QUEUE => received,
            DesignFate::Came(_) => return self.counters.rx_flow_other_queue += 1,
            DesignFate::Dropped(Some(DropReason::NotOurs)) => {
                return self.counters.rx_flow_not_ours += 1;
            }
            DesignFate::Dropped(Some(DropReason::FlowDrop)) => {
                return self.counters.rx_flow_dropped += 1;
            }
            DesignFate::Dropped(_) => return self.counters.rx_errors += 1,
        };
        if self.ring.is_full() {
            self.counters.rx_ring_full += 1;
            return;
        }
        let (l3, l4) = received.said.verdicts();
        let (mark, parsed) = (received.mark, received.said.parsed());
        let len = received.bytes.len();
        frame.space()[..len].copy_from_slice(&received.bytes);
        frame.received(len, RxMeta { queue: OUR_QUEUE, mark, parsed, l3, l4, ..RxMeta::UNKNOWN });
        self.ring.waiting.push_back(Waiting { at, frame, said: None });
    }

    /// What the flow table says of a frame that reaches our queue; `None`, and counted, for one that does
    /// not.
    fn steer(&mut self, frame: &[u8]) -> Option<Steered> {
        let outcome = match &mut self.table {
            Some(table) => table.steer(frame),
            None if self.isolated => Outcome::Missed(OnMiss::NotOurs),
            None => Outcome::Missed(OnMiss::Queue(OUR_QUEUE)),
        };
        let (fate, mark) = match outcome {
            Outcome::Matched(Matched { actions, .. }) => (actions.fate, actions.mark),
            Outcome::Missed(OnMiss::Queue(queue)) => (Fate::Queue(queue), None),
            // Where the kernel has the port as well, it answers ARP. No kernel stands behind the model: without
            // ARP here, nobody would answer it. Any other driver's isolated port hears it by a rule alone.
            Outcome::Missed(OnMiss::NotOurs)
                if self.model.capabilities.driver.is_bifurcated
                    && checksums::carries_arp(frame) =>
            {
                (Fate::Queue(OUR_QUEUE), None)
            }
            Outcome::Missed(OnMiss::NotOurs) => {
                self.counters.rx_flow_not_ours += 1;
                return None;
            }
        };
        match fate {
            Fate::Queue(OUR_QUEUE) => return Some(Steered { queue: OUR_QUEUE, mark }),
            Fate::Queue(_) => self.counters.rx_flow_other_queue += 1,
            Fate::Drop => self.counters.rx_flow_dropped += 1,
        }
        None
    }

    /// What the NIC says of a frame that arrived, and whether receiving it fails.
    fn judge(&mut self, arrived: &mut InFlight) -> (RxMeta, bool) {
        let listens_to_none = self.uses.rx_tcp && self.model.capabilities.gives_none;
        let len = arrived.frame.len();
        if let Some(what) = arrived.unfinished.filter(|_| !listens_to_none) {
            // Its place in the frame was checked when it was sent.
            let _ = checksums::finish(&mut arrived.frame.space()[..len], what);
            arrived.unfinished = None;
        }
        let nth = self.judged;
        self.judged += 1;
        let Found { ipv4, tcp, parsed } = self.model.parser.finds(arrived.frame.bytes());
        let fate = self.dice.fate(&self.faults);
        let stamps = self.uses.stamp && !fate.stamp_missing;
        let says = |told: bool, right: Option<bool>| {
            if told { self.model.verdicts.says(right, nth) } else { Verdict::Unknown }
        };
        let mut meta = RxMeta {
            parsed,
            l3: says(self.uses.rx_ipv4, fate.takes(0, ipv4)),
            stamp: stamps.then(|| self.stamp(arrived.at)),
            ..RxMeta::UNKNOWN
        };
        match arrived.unfinished {
            Some(Unfinished { csum_start, csum_offset }) => {
                meta = RxMeta { l4: Verdict::None, csum_start, csum_offset, ..meta };
            }
            None => meta.l4 = says(self.uses.rx_tcp, fate.takes(1, tcp)),
        }
        (meta, fate.receive_fails)
    }

    fn stamp(&self, at: Instant) -> RxStamp {
        let ClockInfo { id, domain, .. } = self.clock().info();
        RxStamp { clock: id, generation: 0, domain, ticks: self.clock_at(at) }
    }
}

/// Where a frame goes, and with what mark.
struct Steered {
    queue: u16,
    mark: Option<u32>,
}
