//! What intervals add up to: a distribution for each kind and clock, and never one of two clocks.

use core::fmt;

use hdrhistogram::Histogram;

use super::grains::Grains;
use super::live::{MsgType, Sample};
use super::pairs::{Exclusion, Interval, Reason, Record};
use super::slices::Slices;
use super::stamp::{Clock, Domain, Incomparable, Stamp};
use super::wire_time::WireSpan;
use crate::offload::clock::Refusal;

/// The longest interval told apart, in ps: 53 days. Longer ones count as this long, their maximum excepted.
pub const INTERVAL_PS_MAX: u64 = 1 << 62;
/// Significant decimal digits kept of each interval.
pub const DIGITS: u8 = 3;
/// Distributions that are kept, two for each clock. Intervals by further clocks are counted and not kept.
const DISTRIBUTIONS_MAX: usize = 32;
/// The same of a running engine, where message types have some of their own.
const LIVE_DISTRIBUTIONS_MAX: usize = 256;
/// Of them the first so many are kept over time as well, which takes up to eight times the memory of the others.
pub const SLICED_MAX: usize = 16;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// In captures: how long a party takes to act.
    TriggerToOrder,
    /// How long its counterparty takes to answer.
    OrderToAnswer,
    /// In a running engine: how long a message of several segments took to come.
    FirstToLastSegment,
    /// How long a frame waited until it was polled.
    WireToPoll,
    /// Checksums, TCP and FIX.
    PollToApplication,
    /// The application, and its order's way to the frame.
    ApplicationToFrame,
    /// The driver.
    FrameToDoorbell,
    /// The device.
    DoorbellToWire,
    /// All that the host does.
    PollToDoorbell,
    /// The same, and how long the frame waited.
    WireToDoorbell,
    /// From wire to wire.
    WireToWire,
    /// The same, as a second port sees it.
    WireToWireAtPort,
}

impl Kind {
    /// Those of captures.
    pub const ALL: [Kind; 2] = [Kind::TriggerToOrder, Kind::OrderToAnswer];
    /// Those of a running engine: hop by hop, then what hops add up to.
    pub const LIVE: [Kind; 9] = [
        Kind::FirstToLastSegment,
        Kind::WireToPoll,
        Kind::PollToApplication,
        Kind::ApplicationToFrame,
        Kind::FrameToDoorbell,
        Kind::DoorbellToWire,
        Kind::PollToDoorbell,
        Kind::WireToDoorbell,
        Kind::WireToWire,
    ];
    /// The same, and that of a second port.
    pub const LIVE_AND_PORT: [Kind; 10] = [
        Kind::FirstToLastSegment,
        Kind::WireToPoll,
        Kind::PollToApplication,
        Kind::ApplicationToFrame,
        Kind::FrameToDoorbell,
        Kind::DoorbellToWire,
        Kind::PollToDoorbell,
        Kind::WireToDoorbell,
        Kind::WireToWire,
        Kind::WireToWireAtPort,
    ];
    const COUNT: usize = Kind::ALL.len() + Kind::LIVE_AND_PORT.len();

    /// Its name for machines.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::TriggerToOrder => "trigger_to_order",
            Kind::OrderToAnswer => "order_to_answer",
            Kind::FirstToLastSegment => "first_to_last_segment",
            Kind::WireToPoll => "wire_to_poll",
            Kind::PollToApplication => "poll_to_application",
            Kind::ApplicationToFrame => "application_to_frame",
            Kind::FrameToDoorbell => "frame_to_doorbell",
            Kind::DoorbellToWire => "doorbell_to_wire",
            Kind::PollToDoorbell => "poll_to_doorbell",
            Kind::WireToDoorbell => "wire_to_doorbell",
            Kind::WireToWire => "wire_to_wire",
            Kind::WireToWireAtPort => "wire_to_wire_tap_port",
        }
    }

    /// Whether it is one step of a message's way, and not several together.
    pub const fn is_hop(self) -> bool {
        !matches!(
            self,
            Kind::PollToDoorbell | Kind::WireToDoorbell | Kind::WireToWire | Kind::WireToWireAtPort
        )
    }

    /// Where it begins and where it ends.
    pub const fn points(self) -> [&'static str; 2] {
        const FIRST: &str = "the NIC's stamp on the message's first segment";
        const WIRE: &str = "the NIC's stamp on the message's last segment";
        const POLL: &str = "rx_burst's return with the message's last segment";
        const APPLICATION: &str = "the application's being called with the message";
        const FRAME: &str = "the frames' of what it sent first being complete, before tx_burst";
        const DOORBELL: &str = "tx_burst's return, the doorbell rung";
        const OUT: &str = "the NIC's stamp on the order's last frame as it left";
        match self {
            Kind::TriggerToOrder => [
                "the trigger's last frame at the point of capture",
                "the order's first frame there",
            ],
            Kind::OrderToAnswer => {
                ["the order's last frame at the point of capture", "the answer's first frame there"]
            }
            Kind::FirstToLastSegment => [FIRST, WIRE],
            Kind::WireToPoll => [WIRE, POLL],
            Kind::PollToApplication => [POLL, APPLICATION],
            Kind::ApplicationToFrame => [APPLICATION, FRAME],
            Kind::FrameToDoorbell => [FRAME, DOORBELL],
            Kind::DoorbellToWire => [DOORBELL, OUT],
            Kind::PollToDoorbell => [POLL, DOORBELL],
            Kind::WireToDoorbell => [WIRE, DOORBELL],
            Kind::WireToWire => [WIRE, OUT],
            Kind::WireToWireAtPort => [
                "the second port's stamp on the trigger's last frame",
                "its stamp on the order's first frame",
            ],
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::TriggerToOrder => "trigger to order",
            Kind::OrderToAnswer => "order to answer",
            Kind::FirstToLastSegment => "first to last segment",
            Kind::WireToPoll => "wire in to poll",
            Kind::PollToApplication => "poll to application",
            Kind::ApplicationToFrame => "application to frame",
            Kind::FrameToDoorbell => "frame to doorbell",
            Kind::DoorbellToWire => "doorbell to wire out",
            Kind::PollToDoorbell => "poll to doorbell",
            Kind::WireToDoorbell => "wire in to doorbell",
            Kind::WireToWire => "wire in to wire out",
            Kind::WireToWireAtPort => "wire to wire (tap port)",
        })
    }
}

/// Of what messages intervals are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Types {
    /// What came.
    pub trigger: MsgType,
    /// What the application sent first when it was called with that.
    pub order: Option<MsgType>,
}

impl fmt::Display for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.order {
            None => write!(f, "{}", self.trigger),
            Some(order) => write!(f, "{}>{order}", self.trigger),
        }
    }
}

/// How far intervals may be wrong.
#[derive(Clone, Debug)]
pub enum Doubt {
    /// By what the stamps of the coarsest of their ports turn out to be whole numbers of.
    Grains(Grains),
    /// By as much as was said of each.
    Stated {
        /// The most that was said of any.
        most: WireSpan,
    },
}

impl Doubt {
    /// As a span, unless that is finer than both a picosecond and 2^-40 s.
    fn span(&self) -> Option<WireSpan> {
        match self {
            Doubt::Grains(grains) => grains.span(),
            Doubt::Stated { most } => Some(*most),
        }
    }
}

/// Intervals of one kind by one clock.
#[derive(Clone, Debug)]
pub struct Distribution {
    /// What is measured.
    pub kind: Kind,
    /// By whose clock.
    pub domain: Domain,
    /// Of which messages, where they are told apart.
    pub types: Option<Types>,
    /// In picoseconds.
    pub ps: Histogram<u64>,
    /// The same over time, of the first [`SLICED_MAX`].
    pub slices: Option<Slices>,
    /// The longest, exactly.
    pub max: WireSpan,
    /// How far they may be wrong.
    pub doubt: Doubt,
    /// The first and the last stamp.
    pub begin: Stamp,
    /// The last.
    pub end: Stamp,
}

/// Distributions, and what is in none.
#[derive(Clone, Debug)]
pub struct Tally {
    distributions: Vec<Distribution>,
    distributions_max: usize,
    excluded: [[u64; Reason::COUNT]; Kind::COUNT],
    /// Intervals by a clock for which there is no room.
    beyond: u64,
    incomparable: Option<Incomparable>,
    refused: Option<Refusal>,
    /// Intervals between two files by a device's clock, and the first such clock.
    across: Option<(Clock, u64)>,
}

impl Default for Tally {
    fn default() -> Tally {
        Tally {
            distributions: Vec::new(),
            distributions_max: DISTRIBUTIONS_MAX,
            excluded: [[0; Reason::COUNT]; Kind::COUNT],
            beyond: 0,
            incomparable: None,
            refused: None,
            across: None,
        }
    }
}

impl Tally {
    /// One for a running engine.
    pub fn live() -> Tally {
        Tally { distributions_max: LIVE_DISTRIBUTIONS_MAX, ..Tally::default() }
    }

    /// Takes in an interval of a running engine, or why there is none.
    pub fn record_live(&mut self, kind: Kind, sample: &Result<Sample, Exclusion>) {
        match sample {
            Ok(sample) => {
                let (domain, types) = (sample.end.domain, Some(sample.types));
                let interval = (sample.begin, sample.end, sample.span);
                if let Some(of) = self.of((kind, domain, types), &interval) {
                    of.add(&interval);
                    if let Doubt::Stated { most } = &mut of.doubt {
                        *most = (*most).max(sample.bound);
                    }
                }
            }
            Err(why) => self.exclude(kind, *why),
        }
    }

    /// Has distributions stand in the order of their kinds, and of one kind in that of message types.
    pub fn sort(&mut self) {
        self.distributions.sort_by_key(|of| (of.kind, of.types));
    }

    fn exclude(&mut self, kind: Kind, why: Exclusion) {
        self.excluded[kind as usize][why.reason() as usize] += 1;
        match why {
            Exclusion::Why(_) => {}
            Exclusion::Incomparable(why) => {
                self.incomparable.get_or_insert(why);
            }
            Exclusion::Refused(why) => {
                self.refused.get_or_insert(why);
            }
        }
    }

    /// Takes in what a message ends.
    pub fn record(&mut self, record: &Record<'_>) {
        for (kind, outcome) in
            [(Kind::TriggerToOrder, record.trigger), (Kind::OrderToAnswer, record.order)]
        {
            match outcome {
                None => {}
                Some(Ok(interval)) => {
                    let file = record.first.place.file;
                    self.note_across(&interval, file);
                    self.add(kind, &interval, file);
                }
                Some(Err(why)) => self.exclude(kind, why),
            }
        }
    }

    /// Counts an interval that a frame of `file` ends, if it begins in another and nothing but a device's name relates the two.
    fn note_across(&mut self, interval: &Interval, file: u32) {
        let clock = interval.end.domain.clock;
        if interval.from.file != file && !matches!(clock, Clock::Recorder { .. }) {
            self.across.get_or_insert((clock, 0)).1 += 1;
        }
    }

    /// Takes in what a message that passed a second port ends: an order, its trigger.
    pub fn record_at_port(&mut self, record: &Record<'_>) {
        if let Some(found) = record.trigger {
            self.record_trigger_at_port(found);
        }
    }

    /// The same, of a record that is gone: what was found to lie between an order and its trigger.
    pub fn record_trigger_at_port(&mut self, found: Result<Interval, Exclusion>) {
        match found {
            // A port is one recorder's: both ends are of the same file.
            Ok(interval) => self.add(Kind::WireToWireAtPort, &interval, interval.from.file),
            Err(why) => self.exclude(Kind::WireToWireAtPort, why),
        }
    }

    /// Takes in another's distributions, of kinds that this one has not, and what is in none of them.
    pub fn absorb(&mut self, other: Tally) {
        self.distributions.extend(other.distributions);
        self.beyond += other.beyond;
        self.incomparable = self.incomparable.or(other.incomparable);
        self.refused = self.refused.or(other.refused);
        for (all, more) in self.excluded.iter_mut().zip(other.excluded) {
            all.iter_mut().zip(more).for_each(|(all, more)| *all += more);
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

    /// Intervals between two files, which say that a device with this clock stamped both, and the first such clock.
    pub fn across_files(&self) -> Option<(Clock, u64)> {
        self.across
    }

    /// Widens what is measured by recorders' clocks by what these may be apart.
    pub fn set_apart(&mut self, apart: WireSpan) {
        for of in &mut self.distributions {
            if let (Clock::Recorder { .. }, Doubt::Grains(grains)) =
                (of.domain.clock, &mut of.doubt)
            {
                grains.set_apart(apart);
            }
        }
    }

    /// Why the first stamp got no time that got none of the clock discipline.
    pub fn refused(&self) -> Option<Refusal> {
        self.refused
    }

    /// Intervals by clocks, or of message types, of which there were too many to keep.
    pub fn beyond(&self) -> u64 {
        self.beyond
    }

    /// Adds an interval that a frame of `file` ends.
    fn add(&mut self, kind: Kind, interval: &Interval, file: u32) {
        let Interval { from, begin, end, span } = *interval;
        let all = (begin, end, span);
        if let Some(of) = self.of((kind, end.domain, None), &all) {
            of.add(&all);
            if let Doubt::Grains(grains) = &mut of.doubt {
                grains.note((from.file, begin.port), begin.time);
                grains.note((file, end.port), end.time);
            }
        }
    }

    /// The distribution that an interval is to be added to; `None`, and it is counted, where there is no room for one more.
    fn of(
        &mut self,
        of: (Kind, Domain, Option<Types>),
        interval: &Ends,
    ) -> Option<&mut Distribution> {
        let same = |known: &Distribution| (known.kind, known.domain, known.types) == of;
        let place = match self.distributions.iter().position(same) {
            Some(found) => found,
            None if self.distributions.len() >= self.distributions_max => {
                self.beyond += 1;
                return None;
            }
            None => {
                let is_sliced = self.distributions.len() < SLICED_MAX;
                self.distributions.push(Distribution::new(of, interval, is_sliced));
                self.distributions.len() - 1
            }
        };
        self.distributions.get_mut(place)
    }
}

/// An interval: its beginning, its end, and how long it is.
type Ends = (Stamp, Stamp, WireSpan);

impl Distribution {
    fn new(
        (kind, domain, types): (Kind, Domain, Option<Types>),
        interval: &Ends,
        is_sliced: bool,
    ) -> Distribution {
        let ps = Histogram::new_with_bounds(1, INTERVAL_PS_MAX, DIGITS);
        let (begin, end, _) = *interval;
        Distribution {
            kind,
            domain,
            types,
            ps: ps.expect("bounds are constants in range"),
            slices: is_sliced.then(|| Slices::new(end.time)),
            max: WireSpan::ZERO,
            doubt: match types {
                None => Doubt::Grains(Grains::default()),
                Some(_) => Doubt::Stated { most: WireSpan::ZERO },
            },
            begin,
            end,
        }
    }

    fn add(&mut self, (_, end, span): &Ends) {
        let ps = u64::try_from(span.as_ps()).unwrap_or(u64::MAX);
        self.ps.saturating_record(ps);
        if let Some(slices) = &mut self.slices {
            slices.record(end.time, ps);
        }
        self.max = self.max.max(*span);
        self.end = *end;
    }

    /// What it is called: its kind, and the message types where they are told apart.
    pub fn title(&self) -> String {
        match self.types {
            None => self.kind.to_string(),
            Some(types) => format!("{}, {types}", self.kind),
        }
    }

    /// An interval that as many are at most as long as, in picoseconds: of three digits, and no longer than the longest.
    pub fn quantile_ps(&self, quantile: f64) -> u64 {
        self.ps.value_at_quantile(quantile).min(self.max_ps())
    }

    /// The same where a sample lies beyond it; `None` where there are so few that nothing tells it from the longest.
    pub fn told_quantile_ps(&self, quantile: f64) -> Option<u64> {
        // 10,000 · (1 - 0.9999) is a little less than 1.
        let beyond = self.ps.len() as f64 * (1.0 - quantile) + 1e-6;
        (beyond >= 1.0).then(|| self.quantile_ps(quantile))
    }

    /// The longest, in picoseconds, up to 213 days.
    pub fn max_ps(&self) -> u64 {
        u64::try_from(self.max.as_ps()).unwrap_or(u64::MAX)
    }

    /// What differences of stamps are in doubt by, in picoseconds: one tick of the coarser port, as each of the two is rounded by
    /// less than that, with what their clocks may be apart; or the most that was said of any.
    pub fn noise_floor_ps(&self) -> u64 {
        self.doubt.span().map_or(1, |span| u64::try_from(span.as_ps()).unwrap_or(u64::MAX).max(1))
    }

    /// How far an interval may be from what passed the wire, in words.
    pub fn error_bound(&self) -> String {
        let floor = ns(i128::from(self.noise_floor_ps()));
        let rest = match self.domain.clock {
            Clock::Recorder { .. } | Clock::Merged { .. } => {
                "what lies between the wire and the recorder's clock, in a kernel or a NIC, the file does not say and is not in that"
            }
            Clock::Metamako { .. } | Clock::Exablaze { .. } | Clock::Arista7280 => {
                "how far from the wire the device takes its stamps is not in the frames and not in that; it is the same for \
                 frames of one port"
            }
            Clock::Host(_) => {
                return format!(
                    "both ends are readings of this host's counter, and its ticks and how far its rate may be off make no \
                     interval wrong by more than {floor}; the readings themselves take time, which is in the interval"
                );
            }
            Clock::Nic { .. } => {
                return format!(
                    "both ends are stamps of the NIC's, and its ticks and how far its rate may be off make no interval wrong by \
                     more than {floor}; how far from the wire it takes its stamps it does not say, and is not in that"
                );
            }
            Clock::WirePort { hardware: true, .. } => {
                "how far from the wire the port takes its stamps it does not say, and is not in that; it is the same for both ends"
            }
            Clock::WirePort { hardware: false, .. } => {
                "the kernel stamps frames as it takes them over, some microseconds and more behind the wire, and nothing says how far: \
                 this is no measure of a wire"
            }
            Clock::NicByHost { .. } => {
                return format!(
                    "the NIC's stamp was told by this host's counter on the clock discipline's line, whose bound makes no interval \
                     wrong by more than {floor}; how far from the wire the NIC takes its stamps it does not say, and is not in that"
                );
            }
        };
        let rounding = match &self.doubt {
            Doubt::Grains(grains) => grains.in_words(),
            Doubt::Stated { .. } => format!("no interval is wrong by more than {floor}"),
        };
        format!("{rounding}; {rest}")
    }
}

/// Picoseconds in nanoseconds, with as many decimals as there are.
pub fn ns(ps: i128) -> String {
    let text = format!("{}.{:03}", ps / 1_000, ps % 1_000);
    format!("{} ns", text.trim_end_matches('0').trim_end_matches('.'))
}
