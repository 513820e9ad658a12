//! What intervals add up to: a distribution for each kind and clock, and never one of two clocks.

use core::fmt;

use hdrhistogram::Histogram;

use super::pairs::{Exclusion, Interval, Reason, Record};
use super::slices::Slices;
use super::stamp::{Clock, Domain, Incomparable, Stamp};
use super::wire_time::{Grain, WireSpan};

/// The longest interval told apart, in ps; longer ones count as this long, their maximum excepted.
const INTERVAL_PS_MAX: u64 = 60_000_000_000_000;
/// Significant decimal digits kept of each interval.
pub const DIGITS: u8 = 3;
/// Distributions that are kept, two for each clock. Intervals by further clocks are counted and not kept.
const DISTRIBUTIONS_MAX: usize = 32;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// How long a party takes to act.
    TriggerToOrder,
    /// How long its counterparty takes to answer.
    OrderToAnswer,
}

impl Kind {
    /// Both.
    pub const ALL: [Kind; 2] = [Kind::TriggerToOrder, Kind::OrderToAnswer];

    /// Its name for machines.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::TriggerToOrder => "trigger_to_order",
            Kind::OrderToAnswer => "order_to_answer",
        }
    }

    /// Where it begins and where it ends.
    pub const fn points(self) -> [&'static str; 2] {
        match self {
            Kind::TriggerToOrder => [
                "the trigger's last frame at the point of capture",
                "the order's first frame there",
            ],
            Kind::OrderToAnswer => {
                ["the order's last frame at the point of capture", "the answer's first frame there"]
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::TriggerToOrder => "trigger to order",
            Kind::OrderToAnswer => "order to answer",
        })
    }
}

/// Intervals of one kind by one clock.
#[derive(Clone, Debug)]
pub struct Distribution {
    /// What is measured.
    pub kind: Kind,
    /// By whose clock.
    pub domain: Domain,
    /// In picoseconds.
    pub ps: Histogram<u64>,
    /// The same over time.
    pub slices: Slices,
    /// The longest, exactly.
    pub max: WireSpan,
    /// What all stamps are whole numbers of.
    pub grain: Grain,
    /// The first and the last stamp.
    pub begin: Stamp,
    /// The last.
    pub end: Stamp,
}

/// Distributions, and what is in none.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    distributions: Vec<Distribution>,
    excluded: [[u64; Reason::ALL.len()]; Kind::ALL.len()],
    /// Intervals by a clock for which there is no room.
    beyond: u64,
    incomparable: Option<Incomparable>,
}

impl Tally {
    /// Takes in what a message ends.
    pub fn record(&mut self, record: &Record<'_>) {
        for (kind, outcome) in
            [(Kind::TriggerToOrder, record.trigger), (Kind::OrderToAnswer, record.order)]
        {
            match outcome {
                None => {}
                Some(Ok(interval)) => self.add(kind, &interval),
                Some(Err(why)) => {
                    self.excluded[kind as usize][why.reason() as usize] += 1;
                    if let Exclusion::Incomparable(why) = why {
                        self.incomparable.get_or_insert(why);
                    }
                }
            }
        }
    }

    /// Orders that the capture has no answer to.
    pub fn note_unanswered(&mut self, orders: u64) {
        self.excluded[Kind::OrderToAnswer as usize][Reason::Unanswered as usize] += orders;
    }

    /// Those that there are.
    pub fn distributions(&self) -> &[Distribution] {
        &self.distributions
    }

    /// How many were excluded for a reason.
    pub fn excluded(&self, kind: Kind, reason: Reason) -> u64 {
        self.excluded[kind as usize][reason as usize]
    }

    /// How many of a kind were excluded.
    pub fn excluded_in_all(&self, kind: Kind) -> u64 {
        self.excluded[kind as usize].iter().sum()
    }

    /// Why the first two stamps had no difference that had none.
    pub fn incomparable(&self) -> Option<Incomparable> {
        self.incomparable
    }

    /// Intervals by clocks of which there were too many to keep.
    pub fn beyond(&self) -> u64 {
        self.beyond
    }

    fn add(&mut self, kind: Kind, interval: &Interval) {
        let domain = interval.end.domain;
        let found = self.distributions.iter().position(|of| of.kind == kind && of.domain == domain);
        let place = match found {
            Some(place) => place,
            None if self.distributions.len() < DISTRIBUTIONS_MAX => {
                self.distributions.push(Distribution::new(kind, interval));
                self.distributions.len() - 1
            }
            None => return self.beyond += 1,
        };
        self.distributions[place].add(interval);
    }
}

impl Distribution {
    fn new(kind: Kind, interval: &Interval) -> Distribution {
        let ps = Histogram::new_with_bounds(1, INTERVAL_PS_MAX, DIGITS);
        Distribution {
            kind,
            domain: interval.end.domain,
            ps: ps.expect("bounds are constants in range"),
            slices: Slices::new(interval.end.time),
            max: WireSpan::ZERO,
            grain: Grain::default(),
            begin: interval.begin,
            end: interval.end,
        }
    }

    fn add(&mut self, interval: &Interval) {
        let ps = u64::try_from(interval.span.as_ps()).unwrap_or(u64::MAX);
        self.ps.saturating_record(ps);
        self.slices.record(interval.end.time, ps);
        self.max = self.max.max(interval.span);
        self.grain.note(interval.begin.time);
        self.grain.note(interval.end.time);
        self.end = interval.end;
    }

    /// An interval that as many are at most as long as, in picoseconds: of three digits, and no longer than the longest.
    pub fn quantile_ps(&self, quantile: f64) -> u64 {
        self.ps.value_at_quantile(quantile).min(self.max_ps())
    }

    /// The longest, in picoseconds.
    pub fn max_ps(&self) -> u64 {
        u64::try_from(self.max.as_ps()).unwrap_or(u64::MAX)
    }

    /// What differences of stamps are in doubt by at the least, in picoseconds: one tick, as each of the two is rounded by less than that.
    pub fn noise_floor_ps(&self) -> u64 {
        self.grain.span().map_or(1, |tick| u64::try_from(tick.as_ps()).unwrap_or(u64::MAX).max(1))
    }

    /// How far an interval may be from what passed the wire, in words.
    pub fn error_bound(&self) -> String {
        let tick = match self.grain.span() {
            Some(tick) => format!("every stamp is a whole number of {}", ns(tick.as_ps())),
            None => "stamps are finer than a picosecond".into(),
        };
        let floor = ns(i128::from(self.noise_floor_ps()));
        let rest = match self.domain.clock {
            Clock::Recorder { .. } => {
                "what lies between the wire and the recorder's clock, in a kernel or a NIC, the file does not say and is not in that"
            }
            Clock::Metamako { .. } | Clock::Exablaze { .. } | Clock::Arista7280 => {
                "how far from the wire the device takes its stamps is not in the frames and not in that; it is the same for \
                 frames of one port"
            }
        };
        format!("{tick}, so that rounding makes an interval wrong by less than {floor}; {rest}")
    }
}

/// Picoseconds in nanoseconds, with as many decimals as there are.
pub fn ns(ps: i128) -> String {
    let text = format!("{}.{:03}", ps / 1_000, ps % 1_000);
    format!("{} ns", text.trim_end_matches('0').trim_end_matches('.'))
}
