//! When sent frames left, as a modelled NIC tells it.

use std::collections::VecDeque;

use fixwire_offload::nic::{TxReport, TxReports};
use fixwire_offload::stamp::RxStamp;
use fixwire_offload::time::{Duration, Instant};

use super::nic::CLOCK;
use super::port::Port;

/// Reports that wait to be asked for; of more the last are lost.
const REPORTS_MAX: usize = 1_024;
/// What no token of a frame's has.
const FALSE_BIT: u32 = 1 << 31;

/// What is told of frames that left, in the order in which it is known.
pub(super) struct Departures {
    waiting: VecDeque<(Instant, TxReport)>,
    /// What the clock stands still at.
    frozen: Option<u64>,
}

impl Departures {
    pub(super) fn new() -> Departures {
        Departures { waiting: VecDeque::with_capacity(REPORTS_MAX), frozen: None }
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    fn add(&mut self, at: Instant, report: TxReport) {
        if self.waiting.len() < REPORTS_MAX {
            let place = self.waiting.partition_point(|(other, _)| *other <= at);
            self.waiting.insert(place, (at, report));
        }
    }

    /// Moves what is known by now, as much as there is room for.
    pub(super) fn told(&mut self, now: Instant, reports: &mut TxReports) -> usize {
        let before = reports.len();
        while !reports.is_full() && self.waiting.front().is_some_and(|(at, _)| *at <= now) {
            reports.extend(self.waiting.pop_front().map(|(_, report)| report));
        }
        reports.len() - before
    }
}

impl Port {
    /// A frame left, its first bit and its last one at these moments: notes what is to be told of it.
    pub(super) fn departed(&mut self, token: u32, left: Option<(Instant, Instant)>) {
        let (true, true, Some((first, last))) = (self.uses.tx_stamp, token != 0, left) else {
            return;
        };
        let faults = self.faults;
        let fate = self.dice.fate_of_report(&faults);
        if fate.lost {
            return;
        }
        let mut ticks = self.clock_at(first);
        if faults.tx_stamps_frozen {
            ticks = *self.departures.frozen.get_or_insert(ticks);
        } else {
            self.departures.frozen = None;
        }
        let domain = self.clock().info().domain;
        let stamp = RxStamp { clock: CLOCK, generation: 0, domain, ticks };
        let token = if fate.is_false { token | FALSE_BIT } else { token };
        let late = if fate.late { faults.tx_reports_late_ns } else { 0 };
        let told_at = last + Duration::from_ns(late);
        for _ in 0..1 + usize::from(fate.twice) {
            self.departures.add(told_at, TxReport { token, stamp });
        }
    }
}
