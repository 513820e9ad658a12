//! Is the device still there, does its clock go on, and does it still have its rules? Looked at ten times a
//! second, in rounds that bring no frame, and on a line that is never silent five times.
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
/// For how long a counter that was gone has to be told again before it may be gone once more.
const COUNT_TOLD_FOR: Duration = Duration::from_s(3);
/// Rules whose counters are read in one look: each may be a word with the device.
const RULES_PER_LOOK: usize = 32;
/// Between two attempts to give a device its rules, after one that failed.
const RETRY_AFTER: Duration = Duration::from_s(1);
/// Segments sent again, with not one frame in between, that make the rules doubtful.
const SILENT_TIMEOUTS: u64 = 3;
/// For how long not one frame comes to an isolated port, that nothing else would show the loss of its rules
/// on, before they are doubted. Each time it is twice as long, up to the most.
const QUIET_FOR: Duration = Duration::from_s(5);
const QUIET_FOR_MAX: Duration = Duration::from_s(320);

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
    /// What the counter of each rule read.
    counted: Box<[Counter]>,
    /// Every rule counts in the device, and a counter that is gone is a rule that is.
    counts_all: bool,
    /// The next rule to look at.
    next_rule: usize,
    /// The device did not take its rules, and is asked again at this moment, for the first doubt's sake.
    owed: Option<(Instant, Doubt)>,
    rx_frames: u64,
    timeouts: u64,
    /// Only the rules bring frames in.
    is_isolated: bool,
    /// When rules are doubted if no frame comes until then, and how long that was from the last one or the
    /// last doubt.
    quiet_until: Instant,
    quiet_for: Duration,
    counters: WatchCounters,
    refusals: Refusals,
}

/// The device's newest words.
#[derive(Debug, Default)]
struct Refusals {
    /// Why it did not take its rules anew.
    rules: Option<String>,
    /// Why it did not tell what a rule has counted.
    counts: Option<String>,
}

/// A rule's counter, as far as it was followed.
#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    newest: Count,
    /// What it read when the device was last given back the counting.
    base: Count,
    /// What the twin had counted then.
    twin_base: Count,
    /// Counted before, by whoever did.
    before: Count,
    /// Frames that it is to count have been seen since then, and it stood still.
    still_since: Option<Instant>,
    /// The rule was installed anew because the counter stood still, and it has not moved since.
    was_doubted: bool,
    /// When it was gone, or had gone back, and the rule was installed anew for that.
    lost_at: Option<Instant>,
}

impl Watch {
    pub(crate) fn new(plan: &Plan) -> Watch {
        let by_device = plan.uses(Capability::FlowSteering);
        let rules = if by_device { plan.device_rules() } else { RuleSet::EMPTY };
        let counted = rules.rules().len();
        Watch {
            due: Instant::ZERO,
            // A device that runs is to be up: down at the first look is an event.
            link: Link::Up,
            rules,
            counted: vec![Counter::default(); counted].into_boxed_slice(),
            counts_all: plan.counts_all(),
            next_rule: 0,
            owed: None,
            rx_frames: 0,
            timeouts: 0,
            is_isolated: plan.uses(Capability::FlowIsolation),
            quiet_until: Instant::ZERO + QUIET_FOR,
            quiet_for: QUIET_FOR,
            counters: WatchCounters::default(),
            refusals: Refusals::default(),
        }
    }

    /// The link at the last look.
    pub(crate) fn link(&self) -> Link {
        self.link
    }

    #[inline]
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// Whether frames have come in every round since a look was due.
    #[inline]
    pub(crate) fn is_overdue(&self, now: Instant) -> bool {
        self.due + LOOK_EVERY <= now
    }

    pub(crate) fn counters(&self) -> &WatchCounters {
        &self.counters
    }

    /// What a rule has counted in all: the device until now, or until the last look before it was found wrong,
    /// and the twin in its turns.
    pub(crate) fn counted(&self, rule: usize, device: Option<Count>, twin: Option<Count>) -> Count {
        let counter = self.counted.get(rule).copied().unwrap_or_default();
        let newest = device.filter(|reading| reading.hits >= counter.newest.hits);
        let by_device = newest.unwrap_or(counter.newest).minus(counter.base);
        counter.before.plus(by_device).plus(twin.unwrap_or_default().minus(counter.twin_base))
    }

    /// Whether the device is to count every rule, though its counter may be gone just now.
    pub(crate) fn counts_all(&self) -> bool {
        self.counts_all
    }

    /// The twin's turn to count ends, and the device's begins: what both have counted of a rule until now.
    pub(crate) fn hand_to_device(&mut self, counts: impl Fn(usize) -> [Option<Count>; 2]) {
        for rule in 0..self.counted.len() {
            let [device, twin] = counts(rule);
            let before = self.counted(rule, None, twin);
            let (device, twin_base) = (device.unwrap_or_default(), twin.unwrap_or_default());
            self.counted[rule] =
                Counter { newest: device, base: device, twin_base, before, ..Counter::default() };
        }
    }

    /// Whether nothing at all comes in, though segments go out again and again, or for so long that it may be
    /// for want of rules, where no counter shows that.
    fn is_silent(&mut self, now: Instant, rx_frames: u64, timeouts: u64, counts: bool) -> bool {
        if rx_frames != self.rx_frames {
            (self.rx_frames, self.timeouts) = (rx_frames, timeouts);
            (self.quiet_for, self.quiet_until) = (QUIET_FOR, now + QUIET_FOR);
            return false;
        }
        if timeouts >= self.timeouts + SILENT_TIMEOUTS {
            self.timeouts = timeouts;
            return true;
        }
        let is_quiet = self.is_isolated && !counts && self.quiet_until <= now;
        if is_quiet {
            self.quiet_for = Duration::from_ns(2 * self.quiet_for.as_ns()).min(QUIET_FOR_MAX);
            self.quiet_until = now + self.quiet_for;
        }
        is_quiet
    }

    /// The rules were installed: their counters begin at zero.
    fn begin_anew(&mut self) {
        for counter in &mut self.counted {
            let Counter { newest, base, before, was_doubted, lost_at, twin_base, .. } = *counter;
            let before = before.plus(newest.minus(base));
            *counter = Counter { before, was_doubted, lost_at, twin_base, ..Counter::default() };
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
    /// It does not count, or does not tell, though its rule was installed anew.
    Dead(Drift),
}

impl Counter {
    /// `seen` frames that it is to count were seen since the last look.
    fn look(&mut self, now: Instant, reading: Option<Count>, seen: u32) -> Shown {
        let Some(reading) = reading.filter(|reading| reading.hits >= self.newest.hits) else {
            return if self.lost_at.replace(now).is_some() {
                Shown::Dead(Drift::CountLost)
            } else {
                Shown::Doubtful(Doubt::CounterLost)
            };
        };
        self.lost_at = self.lost_at.filter(|at| now < *at + COUNT_TOLD_FOR);
        if reading.hits > self.newest.hits {
            let is_checked = seen > 0 || self.still_since.is_some();
            let Counter { before, base, twin_base, lost_at, .. } = *self;
            *self =
                Counter { newest: reading, before, base, twin_base, lost_at, ..Counter::default() };
            return Shown::Counts { is_checked };
        }
        if seen > 0 && self.still_since.is_none() {
            self.still_since = Some(now);
        }
        match self.still_since {
            Some(since) if since + COUNT_LAGS <= now => {
                self.still_since = None;
                if core::mem::replace(&mut self.was_doubted, true) {
                    Shown::Dead(Drift::CountStoodStill)
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
        if let Some(sent) = &mut self.sent {
            sent.judge_mut().look_at_sent(&mut self.observations);
        }
        let mut doubt = self.watch_link();
        if self.watch.rules.rules().is_empty() {
            return;
        }
        let timeouts = [tcp::Count::RetransmitTimeout, tcp::Count::SynRetransmission];
        let timeouts = timeouts.into_iter().map(|what| self.tcp.counters().of(what)).sum();
        let counts = self.watch.counts_all && self.steering.device_counts();
        if self.watch.is_silent(now, self.nic.rx_frames(), timeouts, counts) {
            doubt = doubt.or(Some(Doubt::Silence));
        }
        if self.steering.is_suspected() {
            doubt = Some(Doubt::SteeredWrongly);
        }
        self.steering.on_look();
        let doubt = self.watch_counters(now).or(doubt);
        match (doubt, self.watch.owed) {
            (_, Some((at, _))) if at > now => {}
            (_, Some((_, doubt))) | (Some(doubt), None) => self.install_rules_anew(now, doubt),
            (None, None) => {}
        }
    }

    /// What the device said, the newest time, of why it did not take its rules anew, with
    /// [`FlowSteering`](Capability::FlowSteering), and of why it did not tell what a rule has counted, with
    /// [`FlowCount`](Capability::FlowCount).
    pub fn device_refusal(&self, of: Capability) -> Option<&str> {
        let Refusals { rules, counts } = &self.watch.refusals;
        match of {
            Capability::FlowSteering => rules.as_deref(),
            Capability::FlowCount => counts.as_deref(),
            _ => None,
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
        self.steering.on_link_up();
        Some(Doubt::LinkCameUp)
    }

    /// The counters of some rules, and of the others in their turn.
    fn watch_counters(&mut self, now: Instant) -> Option<Doubt> {
        let rules = self.watch.counted.len();
        if !self.steering.device_counts() || !self.watch.counts_all {
            return None;
        }
        let mut doubt = None;
        for _ in 0..rules.min(RULES_PER_LOOK) {
            let rule = self.watch.next_rule % rules;
            self.watch.next_rule = rule + 1;
            let seen = self.steering.take_looked_at(rule);
            let reading = self.nic.flow_count(rule);
            let shown = self.watch.counted[rule].look(now, reading, seen);
            if let Shown::Doubtful(Doubt::CounterLost) | Shown::Dead(Drift::CountLost) = shown {
                self.watch.refusals.counts = self.nic.take_flow_count_refusal();
            }
            match shown {
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
                Shown::Dead(drift) => {
                    self.steering.take_over_counting(drift, &mut self.observations);
                    return None;
                }
            }
        }
        doubt
    }

    fn install_rules_anew(&mut self, now: Instant, doubt: Doubt) {
        let Err(why) = self.nic.steer(&self.watch.rules) else {
            self.watch.owed = None;
            self.watch.counters.nic_rules_installed_anew += 1;
            self.watch.begin_anew();
            self.steering.on_installed();
            self.observations.happened(DeviceEvent::RulesInstalled(doubt));
            return;
        };
        self.watch.refusals.rules = Some(why);
        self.watch.owed = Some((now + RETRY_AFTER, doubt));
        self.watch.counters.nic_rules_refused += 1;
        if self.steering.is_by_device() {
            self.steering.take_over(Drift::RulesRefused, &mut self.observations);
        }
    }
}
