//! Is the device still there, does its clock go on, and does it still have its rules? Looked at ten times a
//! second, between bursts and off the packet's path.
//!
//! A device that is started anew by its driver may come back without its rules, and nobody is told. An
//! isolated one is deaf from then on. Rules that are in doubt are installed anew, which costs a working
//! device a moment and cures the other.

use crate::app::Application;
use crate::engine::Engine;
use crate::offload::capability::Capability;
use crate::offload::flow::{Count, Fate, RuleSet};
use crate::offload::nic::{Link, Nic};
use crate::offload::observe::{DeviceEvent, Doubt, Drift};
use crate::offload::plan::Plan;
use crate::tcp;
use crate::time::{Duration, Instant};

/// From one look to the next.
const LOOK_EVERY: Duration = Duration::from_ms(100);
/// How long a counter may lag behind the frames that it counts: drivers ask the device for them once a
/// second or so.
const COUNT_LAGS: Duration = Duration::from_s(3);
/// Rules whose counters are read in one look: each may be a word with the device.
const RULES_PER_LOOK: usize = 32;
/// Between two attempts to give a device its rules, after one that failed.
const RETRY_AFTER: Duration = Duration::from_s(1);
/// Segments sent again, with not one frame in between, that make the rules doubtful.
const SILENT_TIMEOUTS: u64 = 3;

/// What the looks have come across, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatchCounters {
    /// Times that the link went down.
    pub nic_link_down: u64,
    /// Times that the steering rules were installed anew, because they were in doubt.
    pub nic_rules_installed_anew: u64,
    /// Times that the device did not take them.
    pub nic_rules_refused: u64,
}

impl WatchCounters {
    /// Every counter by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("nic_link_down", self.nic_link_down),
            ("nic_rules_installed_anew", self.nic_rules_installed_anew),
            ("nic_rules_refused", self.nic_rules_refused),
        ]
        .into_iter()
    }
}

/// What is known of a device from the looks before.
pub(crate) struct Watch {
    due: Instant,
    link: Link,
    /// The rules that the device is to have; none where it does not steer.
    rules: RuleSet,
    /// What the counter of each rule read. Empty where not every rule counts.
    counted: Box<[Counter]>,
    /// The next rule to look at.
    next_rule: usize,
    /// The device did not take its rules, and is asked again at this moment.
    owed: Option<Instant>,
    rx_frames: u64,
    timeouts: u64,
    counters: WatchCounters,
}

/// A rule's counter, as far as it was followed.
#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    newest: Count,
    /// Counted before the rules were installed anew.
    before: Count,
    /// Frames that it is to count have been seen since then, and it stood still.
    still_since: Option<Instant>,
    /// The rule was installed anew because the counter stood still, and it has not moved since.
    was_doubted: bool,
}

impl Watch {
    pub(crate) fn new(plan: &Plan) -> Watch {
        let by_device = plan.uses(Capability::FlowSteering);
        let rules = if by_device { plan.device_rules() } else { RuleSet::EMPTY };
        let counted = if plan.counts_all() { rules.rules().len() } else { 0 };
        Watch {
            due: Instant::ZERO,
            // A device that runs is to be up: down at the first look is an event.
            link: Link::Up,
            rules,
            counted: vec![Counter::default(); counted].into_boxed_slice(),
            next_rule: 0,
            owed: None,
            rx_frames: 0,
            timeouts: 0,
            counters: WatchCounters::default(),
        }
    }

    #[inline]
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    pub(crate) fn counters(&self) -> &WatchCounters {
        &self.counters
    }

    /// What a rule has counted in all, `reading` since it was installed anew: no less than at the last look.
    pub(crate) fn counted(&self, rule: usize, reading: Count) -> Count {
        let Some(counter) = self.counted.get(rule) else { return reading };
        let newest = if reading.hits < counter.newest.hits { counter.newest } else { reading };
        counter.before.plus(newest)
    }

    /// Whether segments go out again and again and nothing at all comes in.
    fn is_silent(&mut self, rx_frames: u64, timeouts: u64) -> bool {
        if rx_frames != self.rx_frames {
            (self.rx_frames, self.timeouts) = (rx_frames, timeouts);
            return false;
        }
        let is_silent = timeouts >= self.timeouts + SILENT_TIMEOUTS;
        if is_silent {
            self.timeouts = timeouts;
        }
        is_silent
    }

    /// The rules were installed: their counters begin at zero.
    fn begin_anew(&mut self) {
        for counter in &mut self.counted {
            let Counter { newest, before, was_doubted, .. } = *counter;
            *counter = Counter { before: before.plus(newest), was_doubted, ..Counter::default() };
        }
    }
}

/// What a counter's reading shows.
enum Shown {
    /// Nothing.
    Nothing,
    /// It counts; frames of which others know as well, or not.
    Counts { is_checked: bool },
    /// Its rule is in doubt.
    Doubtful(Doubt),
    /// It does not count, though its rule was installed anew.
    Dead,
}

impl Counter {
    /// `seen` frames that it is to count were seen since the last look.
    fn look(&mut self, now: Instant, reading: Option<Count>, seen: u32) -> Shown {
        let Some(reading) = reading else { return Shown::Doubtful(Doubt::CounterLost) };
        if reading.hits < self.newest.hits {
            return Shown::Doubtful(Doubt::CounterLost);
        }
        if reading.hits > self.newest.hits {
            let is_checked = seen > 0 || self.still_since.is_some();
            *self = Counter { newest: reading, before: self.before, ..Counter::default() };
            return Shown::Counts { is_checked };
        }
        if seen > 0 && self.still_since.is_none() {
            self.still_since = Some(now);
        }
        match self.still_since {
            Some(since) if since + COUNT_LAGS <= now => {
                self.still_since = None;
                if core::mem::replace(&mut self.was_doubted, true) {
                    Shown::Dead
                } else {
                    Shown::Doubtful(Doubt::CounterStoodStill)
                }
            }
            _ => Shown::Nothing,
        }
    }
}

impl<N: Nic, A: Application> Engine<N, A> {
    /// One look at the device: its clock, its link, the counters of its rules, and whether anything comes at
    /// all.
    /// [`poll`](Engine::poll) takes one ten times a second, when no frame has come.
    #[inline(never)]
    pub fn look_at_device(&mut self, now: Instant) {
        self.watch.due = now + LOOK_EVERY;
        self.stamps.look(&mut self.observations);
        let mut doubt = self.watch_link();
        if self.watch.rules.rules().is_empty() {
            return;
        }
        let timeouts = [tcp::Count::RetransmitTimeout, tcp::Count::SynRetransmission];
        let timeouts = timeouts.into_iter().map(|what| self.tcp.counters().of(what)).sum();
        if self.watch.is_silent(self.nic.counters().rx_frames, timeouts) {
            doubt = doubt.or(Some(Doubt::Silence));
        }
        let doubt = self.watch_counters(now).or(doubt);
        match (doubt, self.watch.owed) {
            (_, Some(at)) if at > now => {}
            (Some(doubt), _) => self.install_rules_anew(now, doubt),
            (None, Some(_)) => self.install_rules_anew(now, Doubt::CounterLost),
            (None, None) => {}
        }
    }

    fn watch_link(&mut self) -> Option<Doubt> {
        let link = self.nic.link();
        if core::mem::replace(&mut self.watch.link, link) == link {
            return None;
        }
        if link == Link::Down {
            self.watch.counters.nic_link_down += 1;
            self.observations.happened(DeviceEvent::LinkDown);
            return None;
        }
        self.observations.happened(DeviceEvent::LinkUp);
        Some(Doubt::LinkCameUp)
    }

    /// The counters of some rules, and of the others in their turn.
    fn watch_counters(&mut self, now: Instant) -> Option<Doubt> {
        let rules = self.watch.counted.len();
        if !self.steering.device_counts() {
            return None;
        }
        let mut doubt = None;
        for _ in 0..rules.min(RULES_PER_LOOK) {
            let rule = self.watch.next_rule % rules;
            self.watch.next_rule = rule + 1;
            let seen = self.steering.take_looked_at(rule);
            let reading = self.nic.flow_count(rule);
            match self.watch.counted[rule].look(now, reading, seen) {
                Shown::Nothing => {}
                Shown::Counts { is_checked } => {
                    let evidence = self.observations.of_mut(Capability::FlowCount);
                    evidence.agreed += u64::from(is_checked);
                    evidence.seen += u64::from(!is_checked);
                    if self.watch.rules.rules()[rule].actions.fate == Fate::Drop {
                        self.observations.of_mut(Capability::FlowDrop).seen += 1;
                    }
                }
                Shown::Doubtful(why) => doubt = Some(why),
                Shown::Dead => {
                    self.steering.take_over_counting(&mut self.observations);
                    return None;
                }
            }
        }
        doubt
    }

    fn install_rules_anew(&mut self, now: Instant, doubt: Doubt) {
        if self.nic.steer(&self.watch.rules).is_ok() {
            self.watch.owed = None;
            self.watch.counters.nic_rules_installed_anew += 1;
            self.watch.begin_anew();
            self.observations.happened(DeviceEvent::RulesInstalled(doubt));
            return;
        }
        self.watch.owed = Some(now + RETRY_AFTER);
        self.watch.counters.nic_rules_refused += 1;
        if self.steering.is_by_device() {
            self.steering.take_over(Drift::RulesRefused, &mut self.observations);
        }
    }
}
