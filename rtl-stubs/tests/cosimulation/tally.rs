//! What the design is to have counted: where it is not to be seen from outside how a frame ended, between bounds.

use fixwire_offload::flow::Count;
use fixwire_rtl::driver::{Counters, DropReason};

use super::batch::{End, Way};

const RULES: usize = 16;

/// Frames by what became of them, in the order of the counters; and by rule.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    frames: [u64; 6],
    rules: [Count; RULES],
}

/// Of some frames, the least and the most that each counter can have counted.
#[derive(Debug, Default)]
pub struct Tally {
    frames: u64,
    least: Counts,
    most: Counts,
}

impl Tally {
    /// One frame more, of so many bytes, that ended in one of these ways.
    pub fn add(&mut self, ways: &[Way], len: usize) {
        self.frames += 1;
        let among = |is: &dyn Fn(&Way) -> bool| {
            let count = ways.iter().filter(|way| is(way)).count();
            (count == ways.len(), count > 0)
        };
        for name in 0..self.least.frames.len() {
            let (has_to, can) = among(&|way| name_of(way.end) == name);
            self.least.frames[name] += u64::from(has_to);
            self.most.frames[name] += u64::from(can);
        }
        for rule in 0..RULES {
            let (has_to, can) = among(&|way| way.counts_at == Some(rule));
            for (counts, does) in [(&mut self.least, has_to), (&mut self.most, can)] {
                counts.rules[rule].hits += u64::from(does);
                counts.rules[rule].bytes += if does { len as u64 } else { 0 };
            }
        }
    }

    /// Each counter has grown by as much as it can have, and all of them by the frames.
    pub fn holds(&self, before: Counters, after: Counters) {
        assert_eq!(after.frames() - before.frames(), self.frames, "{self:?}");
        let (before, after) = (in_order(before), in_order(after));
        for (name, (before, after)) in before.into_iter().zip(after).enumerate() {
            let grown = after - before;
            let (least, most) = (self.least.frames[name], self.most.frames[name]);
            assert!((least..=most).contains(&grown), "counter {name}: {grown}, of {self:?}");
        }
    }

    /// So has the count of a rule, frames and bytes, since it was written.
    pub fn holds_of_rule(&self, rule: usize, found: Count) {
        let (least, most) = (self.least.rules[rule], self.most.rules[rule]);
        let within = (least.hits..=most.hits).contains(&found.hits)
            && (least.bytes..=most.bytes).contains(&found.bytes);
        assert!(within, "rule {rule}: {found:?}, of {least:?} to {most:?}");
    }
}

fn in_order(counters: Counters) -> [u64; 6] {
    let Counters { delivered, mac_error, too_long, buffer_full, not_ours, flow_drop } = counters;
    [delivered, mac_error, too_long, buffer_full, not_ours, flow_drop]
}

fn name_of(end: End) -> usize {
    match end {
        End::Delivered { .. } => 0,
        End::Dropped(DropReason::MacError) => 1,
        End::Dropped(DropReason::TooLong) => 2,
        End::Dropped(DropReason::BufferFull) => 3,
        End::Dropped(DropReason::NotOurs) => 4,
        End::Dropped(DropReason::FlowDrop) => 5,
        End::Dropped(reason) => panic!("{reason:?} of a received frame"),
    }
}
