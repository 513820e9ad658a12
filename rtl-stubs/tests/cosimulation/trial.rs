//! One design, its driver, and batches of frames through both, received and sent.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;

use fixwire_offload::flow::{Classifier, FlowKey, RuleSet};
use fixwire_rtl::Offload;
use fixwire_rtl::design::{Built, Manners, Received, Simulation, Width};
use fixwire_rtl::driver::{
    Counters, DropReason, Events, Period, Reading, TimeOfDay, TxCounters, Verdicts,
};

use super::batch::{End, Sent, Way, end_of};
use super::frames::{Frames, LEN_MAX};
use super::rules::{self, Table};
use super::seen::Seen;
use super::sending::Sending;
use super::tally::Tally;

/// Frames of a batch, and fewer bytes than the design's buffer holds are under way at a time.
const BATCH: usize = 400;
const PERIOD: Period = Period { ns: 6, fraction: 0x6666_6666 };

pub struct Trial {
    offload: Offload<RefCell<Simulation>>,
    chance: Frames,
    rules: RuleSet,
    verdicts: Verdicts,
    sending: Sending,
    /// Frames that were made, and those that were compared: they came, and what was said of them is right; or there is one
    /// reason that they can have been dropped for, and that has counted them.
    made: usize,
    compared: usize,
    /// What the design has counted.
    counted: Counters,
    tx_counted: TxCounters,
    /// What its clock said of both its times, since which they go on together.
    clock: Reading,
    seen: Seen,
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
            made: 0,
            compared: 0,
            counted: Counters::default(),
            tx_counted: TxCounters::default(),
            clock: Reading { time: TimeOfDay::default(), fraction: 0, count: 0, generation: 0 },
            seen: Seen::default(),
        };
        trial.sets_up();
        trial
    }

    /// Frames each way that were compared.
    pub fn frames(&self) -> usize {
        self.compared.min(self.sending.compared())
    }

    pub fn cycles(&self) -> u64 {
        self.offload.bus().borrow().cycles()
    }

    /// One batch more, under one of the things that can be the case: first those of every length, of which each has to pass.
    pub fn goes_on(&mut self) {
        let sweeps = self.made < 2 * (LEN_MAX + 1);
        let batch = self.batch(sweeps);
        self.settles(&batch, sweeps);
        self.sending.begins(&self.offload, batch.len(), sweeps);
        match self.chance.number(8) {
            _ if sweeps => self.passes(&batch),
            0 => self.outpaces(&batch),
            1 | 2 => self.changes_rules(&batch),
            3 => self.resets(&batch),
            _ => self.passes(&batch),
        }
    }

    fn batch(&mut self, sweeps: bool) -> Vec<Sent> {
        let len = if sweeps { 100 } else { 1 + self.chance.number(BATCH) };
        self.made += len;
        let next = if sweeps { Sent::whole } else { Sent::next };
        (0..len).map(|_| next(&mut self.chance)).collect()
    }

    fn sets_up(&mut self) {
        self.offload.judge(self.verdicts).unwrap();
        self.offload.set_period(PERIOD).unwrap();
        self.steps_to(TimeOfDay { seconds: 1_767_225_600, ns: 999_900_000 });
        let events = Events::new().with_was_reset(true);
        assert_eq!(self.offload.take_events(), Ok(Some(events)));
    }

    /// Sets the clock, which begins a generation.
    fn steps_to(&mut self, time: TimeOfDay) {
        let before = self.offload.now().unwrap();
        self.offload.step_to(time).unwrap();
        self.clock = self.offload.now().unwrap();
        assert_eq!(self.clock.generation, before.generation.wrapping_add(1));
        // What it takes to ask for it.
        let (now, set) = (units(self.clock.time, 0), units(time, 0));
        assert!((set..set + (10_000 << 16)).contains(&now), "{:?} after {time:?}", self.clock);
        self.seen.note("times that were set");
    }

    /// Rules, verdicts and now and then a time for a batch, while no frame passes.
    fn settles(&mut self, batch: &[Sent], sweeps: bool) {
        self.offload.bus().borrow_mut().take_begun();
        self.rules = self.rules_for(batch, !sweeps);
        self.offload.install(&self.rules).unwrap();
        let all = sweeps || self.chance.number(4) > 0;
        let [ipv4, tcp] = [(); 2].map(|()| all || self.chance.number(2) == 0);
        self.verdicts = Verdicts { ipv4, tcp };
        self.offload.judge(self.verdicts).unwrap();
        if self.chance.number(4) == 0 {
            let seconds = (self.chance.number(0xffff) as u64) << 32 | u64::from(u32::MAX);
            // A second ends among the frames, or just before them.
            let ns = 999_999_999 - self.chance.number(50_000) as u32;
            self.steps_to(TimeOfDay { seconds, ns });
        }
    }

    fn rules_for(&mut self, batch: &[Sent], drops: bool) -> RuleSet {
        let keys: Vec<FlowKey> = batch.iter().filter_map(|sent| sent.key).collect();
        rules::some(&keys, drops, &mut self.chance)
    }

    /// Wire and host as they may be, a host that keeps up.
    fn behaves(&mut self) {
        let stalls = [0, 0, 20, 90][self.chance.number(4)];
        // A wire with more gaps than the host has: what is in the buffer does not grow.
        let gaps = if stalls == 0 && self.chance.number(2) == 0 { 0 } else { stalls + 60 };
        let manners = Manners { gaps, stalls };
        self.offload.bus().borrow_mut().behave(manners);
        self.seen.note(&format!("{manners:?}"));
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
        let table = Table::of(&self.rules);
        let mut classifier = Classifier::new(&self.rules).unwrap();
        let mut stamped: Option<(u64, u64)> = None;
        let mut tally = Tally::default();
        for (sent, began) in batch.iter().zip(begun) {
            if !sent.is_damaged && sent.bytes.len() <= LEN_MAX {
                classifier.steer(&sent.bytes);
            }
            let way = sent.way(&table);
            let (_, came) = self.ends(sent, &[way], &mut received);
            self.adds(&mut tally, sent, &[way], came.is_some());
            if let Some(came) = came {
                // The count at one frame's first beat and at another's differ by the cycles between.
                let (count, at) = (came.stamp.count, began);
                if let Some((count_before, before)) = stamped.replace((count, at)) {
                    let passed = (u128::from(at - before) * u128::from(PERIOD.units())) >> 16;
                    let off = u128::from(count - count_before).abs_diff(passed);
                    assert!(off <= 1, "stamps {off} units apart from the cycles between");
                }
            }
        }
        for rule in 0..16 {
            let expected = classifier.count(rule).unwrap_or_default();
            let found = self.offload.flow_count(rule).unwrap();
            assert_eq!(found, expected, "rule {rule} of {:?}", self.rules);
        }
        self.has_counted(&tally, received.len());
        self.seen.note("batches that passed");
    }

    /// A host that is too slow: what is lost is lost whole, by its name, and the rest is right.
    fn outpaces(&mut self, batch: &[Sent]) {
        self.offload.bus().borrow_mut().behave(Manners { gaps: 0, stalls: 200 });
        self.send(batch);
        self.offload.bus().borrow_mut().run_until_quiet();
        let mut received = self.received();
        let table = Table::of(&self.rules);
        let mut tally = Tally::default();
        for sent in batch {
            let way = sent.way(&table);
            // What is damaged or too long is so first of all; which of those that a rule drops were lost before is not
            // to be seen.
            let is_so =
                [DropReason::MacError, DropReason::TooLong].map(Way::dropped).contains(&way);
            let may_be_lost = (!is_so).then_some(Way::dropped(DropReason::BufferFull));
            let ways: Vec<Way> = [way].into_iter().chain(may_be_lost).collect();
            let (left, came) = self.ends(sent, &ways, &mut received);
            let ways: Vec<Way> = left.iter().map(|at| ways[*at]).collect();
            self.adds(&mut tally, sent, &ways, came.is_some());
        }
        self.has_counted(&tally, received.len());
        self.offload.bus().borrow_mut().behave(Manners::default());
    }

    /// Other rules are written while frames pass: each frame meets a table as it was, is, or was for a moment between.
    fn changes_rules(&mut self, batch: &[Sent]) {
        self.behaves();
        // Writing takes some thousand cycles, in which a wide stream is through with a batch, unless it has gaps.
        let width = self.offload.bus().borrow().width();
        if width == Width::Bits512 && self.chance.number(4) > 0 {
            let gaps = [220, 240, 250][self.chance.number(3)];
            self.offload.bus().borrow_mut().behave(Manners { gaps, stalls: 0 });
        }
        self.send(batch);
        self.waits_for_some(4_000);
        let next = self.rules_for(batch, true);
        let ahead = self.offload.bus().borrow().frames_to_send();
        self.offload.install(&next).unwrap();
        let under_way = self.offload.bus().borrow().frames_to_send();
        self.offload.bus().borrow_mut().run_until_quiet();
        let mut received = self.received();
        let tables = rules::between(&self.rules, &next);
        self.rules = next;
        let (mut ways, mut met, mut came) = (Vec::new(), Vec::new(), Vec::new());
        for sent in batch {
            let all: Vec<Way> = tables.iter().map(|table| sent.way(table)).collect();
            let (left, one) = self.ends(sent, &all, &mut received);
            ways.push(all);
            met.push(left);
            came.push(one.is_some());
        }
        rules::in_order(&mut met);
        let mut tally = Tally::default();
        for (at, sent) in batch.iter().enumerate() {
            let left: Vec<Way> = met[at].iter().map(|table| ways[at][*table]).collect();
            self.adds(&mut tally, sent, &left, came[at]);
        }
        self.has_counted(&tally, received.len());
        if under_way > 0 && ahead < batch.len() {
            self.seen.note("rules that changed with frames before and to come");
        }
    }

    /// Goes on within a batch: for less than so many cycles at 64 bits, and for as many bytes at others.
    fn waits_for_some(&mut self, cycles: usize) {
        let width = self.offload.bus().borrow().width();
        let waits = self.chance.number(cycles * Width::Bits64.bytes() / width.bytes());
        self.offload.bus().borrow_mut().run(waits as u32);
    }

    /// A reset in the midst of it: what came before is right, and what comes after begins anew.
    fn resets(&mut self, batch: &[Sent]) {
        self.behaves();
        self.send(batch);
        self.waits_for_some(10_000);
        let before = self.offload.bus().borrow_mut().take_begun().len();
        let in_midst = self.offload.bus().borrow().is_in_frame();
        let mut received = self.received();
        let table = Table::of(&self.rules);
        for sent in &batch[..before] {
            if received.is_empty() {
                break;
            }
            let way = sent.way(&table);
            let (_, came) = self.ends(sent, &[way], &mut received);
            self.compared += usize::from(came.is_some());
        }
        assert!(received.is_empty(), "{} frames more than were sent", received.len());
        let Trial { sending, offload, seen, .. } = self;
        sending.is_cut(offload, &mut |what| seen.note(&what));
        // The next frame is of the next batch, and judged: a block that is still within this one would show.
        self.offload.bus().borrow_mut().withdraw();
        self.offload.bus().borrow_mut().reset();
        self.seen.note(if in_midst { "resets in mid-frame" } else { "resets between frames" });
        self.finds_anew();
        (self.counted, self.tx_counted) = (Counters::default(), TxCounters::default());
        self.has_counted(&Tally::default(), 0);
    }

    /// No frame is left over, what was to be sent has left, and all of it is counted, and told.
    fn has_counted(&mut self, tally: &Tally, left_over: usize) {
        assert_eq!(left_over, 0, "frames more than were sent");
        let before = std::mem::replace(&mut self.counted, self.offload.counters().unwrap());
        tally.holds(before, self.counted);
        for rule in 0..16 {
            tally.holds_of_rule(rule, self.offload.flow_count(rule).unwrap());
        }
        let Trial { sending, offload, seen, .. } = self;
        sending.ends(offload, &mut |what| seen.note(&what));
        let tx_before =
            std::mem::replace(&mut self.tx_counted, self.offload.tx_counters().unwrap());
        let lost = self.counted.buffer_full > before.buffer_full;
        let events = Events::new()
            .with_rx_drop(self.counted.dropped() > before.dropped())
            .with_rx_overflow(lost)
            .with_tx_drop(self.tx_counted.dropped() > tx_before.dropped());
        assert_eq!(self.offload.take_events(), Ok(Some(events)));
        let (most, room) = (self.offload.take_rx_peak(), self.offload.rx_buffer());
        let (most, room) = (most.unwrap().unwrap(), room.unwrap().unwrap());
        assert!(most.bytes() <= room.bytes() && most.frames() <= room.frames(), "{most:?}");
        if lost {
            let is_full = most.bytes() == room.bytes() || most.frames() == room.frames();
            assert!(is_full, "lost for want of room, and {most:?} is the most it held");
            self.seen.note("batches that overflowed");
        }
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

    /// How one frame ended: which of the ways that it can have ended in these are, and the frame itself if it came. Then what
    /// is said of it is right.
    fn ends(
        &mut self,
        sent: &Sent,
        ways: &[Way],
        received: &mut VecDeque<Received>,
    ) -> (Vec<usize>, Option<Received>) {
        let is_delivered = |way: &Way| matches!(way.end, End::Delivered { .. });
        let first = received.front().filter(|_| ways.iter().any(is_delivered));
        let came = first.is_some_and(|first| sent.came_as(first, self.verdicts));
        let came = if came { received.pop_front() } else { None };
        let end = came.as_ref().map(end_of);
        let agrees = |way: &Way| end.map_or(!is_delivered(way), |end| way.end == end);
        let left: Vec<usize> = (0..ways.len()).filter(|at| agrees(&ways[*at])).collect();
        assert!(!left.is_empty(), "{end:?}, and not one of {ways:?}: {:02x?}", sent.bytes);
        if let Some(came) = &came {
            self.is_stamped(came);
            let (l3, l4) = came.said.verdicts();
            self.seen.note(&format!("{l3} {l4}"));
            self.seen.compared(sent);
        }
        (left, came)
    }

    /// The time of day in a stamp is as far from its count as it was when the clock was read, to the last unit.
    fn is_stamped(&self, came: &Received) {
        let (stamp, clock) = (came.stamp, self.clock);
        assert!(stamp.time.ns < 1_000_000_000 && stamp.generation == clock.generation, "{stamp:?}");
        let time =
            units(stamp.time, stamp.fraction).wrapping_sub(units(clock.time, clock.fraction));
        let off = time.abs_diff(u128::from(stamp.count - clock.count));
        assert!(off <= 1, "{stamp:?} is {off} units off, by {clock:?}");
    }

    /// A frame that ended in one of these ways is to have been counted.
    fn adds(&mut self, tally: &mut Tally, sent: &Sent, ways: &[Way], came: bool) {
        tally.add(ways, sent.bytes.len());
        let first = ways[0].end;
        let is_certain = ways.iter().all(|way| way.end == first);
        let is_lost = first == End::Dropped(DropReason::BufferFull);
        self.compared += usize::from(came || is_certain && !is_lost);
        if let (true, End::Dropped(reason)) = (is_certain, first) {
            self.seen.note(&format!("{reason:?}"));
        }
    }

    /// A pass in which a thing never happened says nothing of it.
    pub fn has_seen_everything(&self) {
        self.seen.is_everything(self.sending.lengths());
    }
}

/// In 2^-16 ns.
fn units(time: TimeOfDay, fraction: u16) -> u128 {
    (u128::from(time.seconds) * 1_000_000_000 + u128::from(time.ns)) << 16 | u128::from(fraction)
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.seen.fmt(f)
    }
}
