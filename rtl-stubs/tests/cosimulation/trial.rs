//! One design, its driver, and batches of frames through both, received and sent.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use fixwire_offload::flow::{Classifier, FlowKey, RuleSet};
use fixwire_rtl::Offload;
use fixwire_rtl::design::{Built, Manners, Received, Simulation, Width};
use fixwire_rtl::driver::{Counters, DropReason, Period, TimeOfDay, Verdicts};

use super::batch::{End, Sent, end_of};
use super::frames::{Frames, LEN_MAX};
use super::rules::{self, Table};
use super::sending::Sending;

/// Frames of a batch, and fewer bytes than the design's buffer holds are under way at a time.
const BATCH: usize = 400;
const PERIOD: Period = Period { ns: 6, fraction: 0x6666_6666 };

pub struct Trial {
    offload: Offload<RefCell<Simulation>>,
    chance: Frames,
    rules: RuleSet,
    verdicts: Verdicts,
    sending: Sending,
    frames: usize,
    /// As the design is to have counted.
    counted: Counters,
    /// How often each thing was seen.
    seen: BTreeMap<String, u64>,
}

impl Trial {
    pub fn new(width: Width, seed: u64) -> Trial {
        let built = Built { width, seed: seed as u32, ..Built::default() };
        let offload = Offload::find(RefCell::new(Simulation::new(built).unwrap())).unwrap();
        let mut trial = Trial {
            offload,
            chance: Frames::new(seed),
            rules: RuleSet::EMPTY,
            verdicts: Verdicts::default(),
            sending: Sending::new(seed),
            frames: 0,
            counted: Counters::default(),
            seen: BTreeMap::new(),
        };
        trial.sets_up();
        trial
    }

    pub fn frames(&self) -> usize {
        self.frames
    }

    pub fn cycles(&self) -> u64 {
        self.offload.bus().borrow().cycles()
    }

    /// One batch more, under one of the things that can be the case.
    pub fn goes_on(&mut self) {
        let batch = self.batch();
        self.settles(&batch);
        self.sending.begins(&self.offload, batch.len());
        match self.chance.number(8) {
            0 => self.outpaces(&batch),
            1 | 2 => self.changes_rules(&batch),
            3 => self.resets(&batch),
            _ => self.passes(&batch),
        }
    }

    fn note(&mut self, what: &str) {
        *self.seen.entry(what.to_owned()).or_default() += 1;
    }

    fn batch(&mut self) -> Vec<Sent> {
        let len = if self.frames < 2 * LEN_MAX { 100 } else { 1 + self.chance.number(BATCH) };
        self.frames += len;
        (0..len).map(|_| Sent::next(&mut self.chance)).collect()
    }

    fn sets_up(&mut self) {
        self.offload.judge(self.verdicts).unwrap();
        self.offload.set_period(PERIOD).unwrap();
        self.offload.step_to(TimeOfDay { seconds: 1_767_225_600, ns: 999_900_000 }).unwrap();
    }

    /// Rules and verdicts for a batch, while no frame passes.
    fn settles(&mut self, batch: &[Sent]) {
        self.offload.bus().borrow_mut().take_begun();
        self.rules = self.rules_for(batch);
        self.offload.install(&self.rules).unwrap();
        let all = self.chance.number(4) > 0;
        let [ipv4, tcp] = [(); 2].map(|()| all || self.chance.number(2) == 0);
        self.verdicts = Verdicts { ipv4, tcp };
        self.offload.judge(self.verdicts).unwrap();
    }

    fn rules_for(&mut self, batch: &[Sent]) -> RuleSet {
        let keys: Vec<FlowKey> = batch.iter().filter_map(|sent| sent.key).collect();
        rules::some(&keys, &mut self.chance)
    }

    /// Wire and host as they may be, a host that keeps up.
    fn behaves(&mut self) {
        let stalls = [0, 0, 20, 90][self.chance.number(4)];
        // A wire with more gaps than the host has: what is in the buffer does not grow.
        let gaps = if stalls == 0 && self.chance.number(2) == 0 { 0 } else { stalls + 60 };
        let manners = Manners { gaps, stalls };
        self.offload.bus().borrow_mut().behave(manners);
        self.note(&format!("{manners:?}"));
    }

    fn send(&mut self, batch: &[Sent]) {
        let mut simulation = self.offload.bus().borrow_mut();
        for sent in batch {
            if sent.is_damaged {
                simulation.send_damaged(&sent.bytes);
            } else {
                simulation.send(&sent.bytes);
            }
        }
    }

    fn received(&self) -> VecDeque<Received> {
        let mut simulation = self.offload.bus().borrow_mut();
        std::iter::from_fn(|| simulation.next_received()).collect()
    }

    /// Each frame comes to its end, in order, and everything counts exactly.
    fn passes(&mut self, batch: &[Sent]) {
        self.behaves();
        self.send(batch);
        self.offload.bus().borrow_mut().run_until_quiet();
        let begun = self.offload.bus().borrow_mut().take_begun();
        assert_eq!(begun.len(), batch.len());
        let mut received = self.received();
        let table = [Table::of(&self.rules)];
        let mut classifier = Classifier::new(&self.rules).unwrap();
        let mut stamped: Option<(u64, u64)> = None;
        for (sent, began) in batch.iter().zip(begun) {
            if !sent.is_damaged && sent.bytes.len() <= LEN_MAX {
                classifier.steer(&sent.bytes);
            }
            if let Some(came) = self.comes(sent, &table, &mut received, false) {
                // The count at one frame's first beat and at another's differ by the cycles between.
                let (count, at) = (came.stamp.count, began);
                if let Some((count_before, before)) = stamped.replace((count, at)) {
                    let passed = (u128::from(at - before) * u128::from(PERIOD.units())) >> 16;
                    let off = u128::from(count - count_before).abs_diff(passed);
                    assert!(off <= 1, "stamps {off} units apart from the cycles between");
                }
            }
        }
        assert!(received.is_empty(), "{} frames more than were sent", received.len());
        for rule in 0..16 {
            let expected = classifier.count(rule).unwrap_or_default();
            assert_eq!(
                self.offload.flow_count(rule).unwrap(),
                expected,
                "rule {rule} of {:?}",
                self.rules
            );
        }
        assert_eq!(self.offload.counters().unwrap(), self.counted);
        self.has_sent();
        self.note("batches that passed");
    }

    /// A host that is too slow: what is lost is lost whole, by its name, and the rest is right.
    fn outpaces(&mut self, batch: &[Sent]) {
        self.offload.bus().borrow_mut().behave(Manners { gaps: 0, stalls: 200 });
        self.send(batch);
        self.offload.bus().borrow_mut().run_until_quiet();
        let mut received = self.received();
        let table = [Table::of(&self.rules)];
        for sent in batch {
            self.comes(sent, &table, &mut received, true);
        }
        assert!(received.is_empty(), "{} frames more than were sent", received.len());
        // Which of those that a rule drops were lost before is not to be seen.
        let counters = self.offload.counters().unwrap();
        assert_eq!(counters.delivered, self.counted.delivered);
        assert_eq!(counters.frames(), self.counted.frames());
        assert_eq!(
            (counters.mac_error, counters.too_long),
            (self.counted.mac_error, self.counted.too_long)
        );
        let lost = counters.buffer_full - self.counted.buffer_full;
        self.counted = counters;
        if lost > 0 {
            self.note("batches that overflowed");
        }
        self.offload.bus().borrow_mut().behave(Manners::default());
        self.has_sent();
    }

    /// Other rules are written while frames pass: each frame meets a table as it was, is, or was for a moment between.
    fn changes_rules(&mut self, batch: &[Sent]) {
        self.behaves();
        self.send(batch);
        let waits = self.chance.number(4_000) as u32;
        self.offload.bus().borrow_mut().run(waits);
        let next = self.rules_for(batch);
        self.offload.install(&next).unwrap();
        let under_way = self.offload.bus().borrow().frames_to_send();
        self.offload.bus().borrow_mut().run_until_quiet();
        let mut received = self.received();
        let tables = rules::between(&self.rules, &next);
        self.rules = next;
        for sent in batch {
            self.comes(sent, &tables, &mut received, false);
        }
        assert!(received.is_empty(), "{} frames more than were sent", received.len());
        let counters = self.offload.counters().unwrap();
        // Of a frame that can end either way, in two ways, the design's word counts.
        assert_eq!(counters.delivered, self.counted.delivered);
        assert_eq!(counters.frames(), self.counted.frames());
        assert_eq!(
            (counters.mac_error, counters.too_long),
            (self.counted.mac_error, self.counted.too_long)
        );
        assert_eq!(counters.buffer_full, self.counted.buffer_full);
        self.counted = counters;
        self.has_sent();
        if under_way > 0 {
            self.note("rules that changed with frames to come");
        }
    }

    /// A reset in the midst of it: what came before is right, and what comes after begins anew.
    fn resets(&mut self, batch: &[Sent]) {
        self.behaves();
        self.send(batch);
        let waits = self.chance.number(10_000) as u32;
        self.offload.bus().borrow_mut().run(waits);
        let before = self.offload.bus().borrow_mut().take_begun().len();
        let in_midst = self.offload.bus().borrow().is_in_frame();
        let mut received = self.received();
        let table = [Table::of(&self.rules)];
        let mut came = 0;
        for sent in &batch[..before] {
            if received.is_empty() {
                break;
            }
            came += usize::from(self.comes(sent, &table, &mut received, false).is_some());
        }
        assert!(received.is_empty() && came <= before);
        let Trial { sending, offload, seen, .. } = self;
        sending.is_cut(offload, &mut |what| *seen.entry(what).or_default() += 1);
        // The next frame is of the next batch, and judged: a block that is still within this one would show.
        self.offload.bus().borrow_mut().withdraw();
        self.offload.bus().borrow_mut().reset();
        self.note(if in_midst { "resets in mid-frame" } else { "resets between frames" });
        self.finds_anew();
        self.counted = Counters::default();
        assert_eq!(self.offload.counters(), Ok(self.counted));
        self.has_sent();
    }

    /// What was to be sent has left.
    fn has_sent(&mut self) {
        let Trial { sending, offload, seen, .. } = self;
        sending.ends(offload, &mut |what| *seen.entry(what).or_default() += 1);
    }

    fn finds_anew(&mut self) {
        // The simulation moves from one driver to the next.
        let width = self.offload.bus().borrow().width();
        let spare = RefCell::new(Simulation::new(Built { width, ..Built::default() }).unwrap());
        let spare = Offload::find(spare).unwrap();
        let used = std::mem::replace(&mut self.offload, spare);
        self.offload = Offload::find(used.into_bus()).unwrap();
        self.sets_up();
    }

    /// What became of one frame: it is what one of the tables makes of it. Counts it, and hands it over if it came.
    fn comes(
        &mut self,
        sent: &Sent,
        tables: &[Table],
        received: &mut VecDeque<Received>,
        may_be_lost: bool,
    ) -> Option<Received> {
        let ends: Vec<End> = tables.iter().map(|table| sent.end(table)).collect();
        let can_be_dropped = ends.iter().find_map(|end| match end {
            End::Dropped(reason) => Some(*reason),
            End::Delivered { .. } => None,
        });
        let can_come = ends.iter().any(|end| matches!(end, End::Delivered { .. }));
        let first = received.front().filter(|_| can_come);
        if first.is_some_and(|first| sent.came_as(first, self.verdicts)) {
            let came = received.pop_front()?;
            let end = end_of(&came);
            assert!(ends.contains(&end), "{end:?}, and not one of {ends:?}");
            self.counted.delivered += 1;
            let (l3, l4) = came.said.verdicts();
            self.note(&format!("{l3} {l4}"));
            return Some(came);
        }
        assert!(
            can_be_dropped.is_some() || may_be_lost,
            "lost, in place of {ends:?}: {:02x?}",
            sent.bytes
        );
        let reason = can_be_dropped.unwrap_or(DropReason::BufferFull);
        match reason {
            DropReason::MacError => self.counted.mac_error += 1,
            DropReason::TooLong => self.counted.too_long += 1,
            DropReason::BufferFull => self.counted.buffer_full += 1,
            DropReason::NotOurs => self.counted.not_ours += 1,
            DropReason::FlowDrop => self.counted.flow_drop += 1,
            DropReason::Lengths | DropReason::Other(_) => panic!("{reason:?} of a received frame"),
        }
        self.note(&format!("{reason:?}"));
        None
    }

    /// A pass in which a thing never happened says nothing of it.
    pub fn has_seen_everything(&self) {
        for what in [
            "good good",
            "good bad",
            "bad good",
            "bad bad",
            "good unknown",
            "bad unknown",
            "unknown unknown",
            "MacError",
            "TooLong",
            "NotOurs",
            "FlowDrop",
            "batches that passed",
            "batches that overflowed",
            "rules that changed with frames to come",
            "resets in mid-frame",
            "sent finished",
            "sent as it was",
            "not sent: TooLong",
            "not sent: Lengths",
            "resets in mid-frame to send",
        ] {
            assert!(self.seen.contains_key(what), "never seen: {what}; seen: {self}");
        }
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.seen.iter().try_for_each(|(what, times)| writeln!(f, "  {times:>8} {what}"))
    }
}
