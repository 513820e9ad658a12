//! The other thread's side: records become intervals of one clock each, or are excluded for a reason.

use std::collections::{HashMap, VecDeque};

use super::record::{
    AtLogonRecord, HandedOver, LeftRecord, MessageRecord, NotHandedOver, OrderRecord, Record,
};
use crate::measure::pairs::{Exclusion, Reason};
use crate::measure::stamp::{Clock, Domain, HostCounter, Incomparable, Stamp, Timescale};
use crate::measure::tally::{Kind, Tally, Types};
use crate::measure::wire_time::{WireSpan, WireTime};
use crate::offload::RxStamp;
use crate::offload::clock::{Lapse, Reader, Refusal};
use crate::offload::stamp::{self, ClockId, ClockInfo};
use crate::sent_stamps::StampSource;

/// How far a clock's real rate may be from its nominal one, which intervals are told by: what a clock discipline takes for
/// possible of a device's, and the half of it of a time-stamp counter. The monotonic clock is what others are off from.
const NIC_OFF_PPB_MAX: u32 = 200_000;
const TSC_OFF_PPB_MAX: u32 = 100_000;
/// How long a reading of the device's clock behind a stamp, and a word of when an order left, are waited for, in seconds.
const PATIENCE_S: u64 = 2;
/// Intervals, and orders, that wait.
const WAITING_MAX: usize = 1 << 17;
const ORDERS_MAX: usize = 1 << 16;

/// What an order ends.
const KINDS_OF_ORDERS: [Kind; 6] = [
    Kind::ApplicationToFrame,
    Kind::FrameToDoorbell,
    Kind::PollToDoorbell,
    Kind::WireToDoorbell,
    Kind::DoorbellToWire,
    Kind::WireToWire,
];

/// The clocks that records are by.
#[derive(Clone, Debug)]
pub struct Clocks {
    /// The host's counter.
    pub host: ClockInfo,
    /// What the device stamps by, where that is a clock of its own.
    pub device: Option<ClockInfo>,
    /// The clock discipline's lines, where that clock is followed.
    pub reader: Option<Reader>,
}

/// An interval that is certain within its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// What is measured.
    pub kind: Kind,
    /// Of which messages.
    pub types: Types,
    /// Where it begins.
    pub begin: Stamp,
    /// And ends, by the same clock.
    pub end: Stamp,
    /// How long it is.
    pub span: WireSpan,
    /// The truth is no further from that.
    pub bound: WireSpan,
}

/// A stamp of the device's, and the host's counter when it was in hand.
type InHand = (RxStamp, u64);

/// An interval that holds unless the device's clock has jumped: that is known with the next reading.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    sample: Sample,
    /// The reading is to come after this.
    due: u64,
    /// In the life of the clock that its stamps were told in.
    life: u16,
}

#[derive(Clone, Copy, Debug)]
enum Between {
    NicAndHost(InHand, u64),
    HostAndNic(u64, InHand),
    NicAndNic(InHand, InHand),
}

/// An order that was handed over, and is to be told of when it has left.
#[derive(Clone, Copy, Debug)]
struct Order {
    types: Types,
    doorbell: u64,
    trigger: Result<InHand, Exclusion>,
}

/// Turns records into intervals, and adds them up.
///
/// Between two points on the host an interval is known at once. A stamp of the NIC's is told by the host's counter on the
/// clock discipline's line as it stood when the record was taken in, and counts once a reading of its clock has come behind it
/// that agrees with those before: only then it is sure that the clock has not jumped in between. A stamp that the line does not
/// hold for is excluded, and the reason counted. Two stamps of the NIC's are subtracted from each other within one life of its clock; where that is followed, both have
/// to be on its line.
#[derive(Debug)]
pub struct Hops {
    clocks: Clocks,
    /// Whether anybody tells when messages leave.
    tells_departures: bool,
    tally: Tally,
    waiting: VecDeque<Waiting>,
    orders: HashMap<(u16, u32), Order>,
    /// Their order, for those that are never told of.
    handed_over: VecDeque<(u64, (u16, u32))>,
    messages: u64,
    answered: u64,
    at_logon: u64,
    /// Messages that are left out at first, and how many have been.
    first_left_out: u64,
    left_out: u64,
}

impl Hops {
    /// One for records by these clocks. `tells_departures` says whether records of what left will come.
    pub fn new(clocks: Clocks, tells_departures: bool) -> Hops {
        Hops {
            clocks,
            tells_departures,
            tally: Tally::live(),
            waiting: VecDeque::new(),
            orders: HashMap::new(),
            handed_over: VecDeque::new(),
            messages: 0,
            answered: 0,
            at_logon: 0,
            first_left_out: 0,
            left_out: 0,
        }
    }

    /// The same without the first so many messages: caches are cold, and the device's word is looked into.
    #[must_use]
    pub fn without_first(self, messages: u64) -> Hops {
        Hops { first_left_out: messages, ..self }
    }

    /// How many messages were left out at first.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// What it has added up to.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Messages that the application was called with, and how many of them it answered there and then.
    pub fn messages(&self) -> (u64, u64) {
        (self.messages, self.answered)
    }

    /// Messages that the application sent as it was told of a logon: in no figure, as no message led to them.
    pub fn sent_at_logon(&self) -> u64 {
        self.at_logon
    }

    /// Whether something waits for a reading of the device's clock.
    pub fn awaits_reading(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes a record in. `each` is shown every interval.
    pub fn take(&mut self, record: &Record, each: &mut dyn FnMut(&Sample)) {
        match record {
            Record::Message(message) => self.take_message(message, each),
            Record::Left(left) => self.take_left(left, each),
            Record::AtLogon(sent) => self.take_at_logon(sent, each),
        }
    }

    /// Has a look at the clock discipline: what it vouches for now is told, and what was waited for in vain is excluded. `now` is
    /// the host's counter. To be called every few milliseconds.
    pub fn settle(&mut self, now: u64, each: &mut dyn FnMut(&Sample)) {
        let patience = self.clocks.host.ticks_per_s.saturating_mul(PATIENCE_S);
        while let Some(first) = self.waiting.front().copied() {
            let found = match self.verdict(&first) {
                Some(Ok(())) => Ok(first.sample),
                Some(Err(why)) => Err(why),
                None if now.saturating_sub(first.due) > patience => {
                    Err(Exclusion::Why(Reason::Unsettled))
                }
                None => break,
            };
            self.tell(first.sample.kind, found, each);
            self.waiting.pop_front();
        }
        while let Some((at, key)) = self.handed_over.front().copied() {
            if now.saturating_sub(at) <= patience {
                break;
            }
            self.handed_over.pop_front();
            // It may have been told of, and its number used again.
            if self.orders.get(&key).is_some_and(|order| order.doorbell == at) {
                self.orders.remove(&key);
                self.not_told(Reason::NotTold, each);
            }
        }
    }

    /// Nothing more will come: what waits is excluded.
    pub fn finish(&mut self, each: &mut dyn FnMut(&Sample)) {
        self.settle(u64::MAX, each);
        self.tally.sort();
    }

    fn take_message(&mut self, message: &MessageRecord, each: &mut dyn FnMut(&Sample)) {
        if self.left_out < self.first_left_out {
            self.left_out += 1;
            return;
        }
        self.messages += 1;
        let MessageRecord { first, last, polled, entered, order, .. } = *message;
        let types = Types { trigger: message.msg_type, order: None };
        self.since_poll(Kind::PollToApplication, types, message, entered, each);
        let came = self.by_device(last).map(|()| (last, polled));
        let came = if message.was_held { Err(Exclusion::Why(Reason::Held)) } else { came };
        match came {
            Ok(came) => {
                self.wait(Kind::WireToPoll, types, Between::NicAndHost(came, polled), each);
                if first != last {
                    let first = self.by_device(first).map(|()| (first, message.first_polled));
                    match first {
                        Ok(first) => self.wait(
                            Kind::FirstToLastSegment,
                            types,
                            Between::NicAndNic(first, came),
                            each,
                        ),
                        Err(why) => self.tell(Kind::FirstToLastSegment, Err(why), each),
                    }
                }
            }
            Err(why) => {
                self.tell(Kind::WireToPoll, Err(why), each);
                if message.was_held && first != last {
                    self.tell(Kind::FirstToLastSegment, Err(why), each);
                }
            }
        }
        if let Some(order) = order {
            self.answered += 1;
            self.take_order(message, &order, came, each);
        }
    }

    fn take_order(
        &mut self,
        message: &MessageRecord,
        order: &OrderRecord,
        came: Result<InHand, Exclusion>,
        each: &mut dyn FnMut(&Sample),
    ) {
        let types = Types { trigger: message.msg_type, order: Some(order.msg_type) };
        let entered = message.entered;
        let HandedOver { ready, doorbell } = match order.handed_over {
            Ok(handed_over) => handed_over,
            Err(why) => {
                let why = Exclusion::Why(match why {
                    NotHandedOver::Waits => Reason::Waits,
                    NotHandedOver::InParts => Reason::InParts,
                });
                return KINDS_OF_ORDERS.iter().for_each(|kind| self.tell(*kind, Err(why), each));
            }
        };
        self.between_host(Kind::ApplicationToFrame, types, (entered, ready), each);
        self.between_host(Kind::FrameToDoorbell, types, (ready, doorbell), each);
        self.since_poll(Kind::PollToDoorbell, types, message, doorbell, each);
        match came {
            Ok(came) => {
                self.wait(Kind::WireToDoorbell, types, Between::NicAndHost(came, doorbell), each);
            }
            Err(why) => self.tell(Kind::WireToDoorbell, Err(why), each),
        }
        if !self.tells_departures || self.orders.len() >= ORDERS_MAX {
            let why = if self.tells_departures { Reason::NotTold } else { Reason::NotByDevice };
            return self.not_told(why, each);
        }
        let key = (message.session.0, order.msg_seq_num);
        let order = Order { types, doorbell, trigger: came };
        if self.orders.insert(key, order).is_some() {
            // The number was used again before the one before was told of.
            self.not_told(Reason::NotTold, each);
        }
        self.handed_over.push_back((doorbell, key));
    }

    fn take_left(&mut self, left: &LeftRecord, each: &mut dyn FnMut(&Sample)) {
        if left.is_again {
            return;
        }
        let Some(order) = self.orders.remove(&(left.session.0, left.msg_seq_num)) else { return };
        let by_device = match left.source {
            StampSource::Device => self.by_device(left.stamp),
            StampSource::Software => Err(Exclusion::Why(Reason::NotByDevice)),
        };
        if let Err(why) = by_device {
            self.tell(Kind::DoorbellToWire, Err(why), each);
            return self.tell(Kind::WireToWire, Err(why), each);
        }
        let (types, out) = (order.types, (left.stamp, left.told));
        self.wait(Kind::DoorbellToWire, types, Between::HostAndNic(order.doorbell, out), each);
        match order.trigger {
            Ok(came) => self.wait(Kind::WireToWire, types, Between::NicAndNic(came, out), each),
            Err(why) => self.tell(Kind::WireToWire, Err(why), each),
        }
    }

    fn take_at_logon(&mut self, sent: &AtLogonRecord, each: &mut dyn FnMut(&Sample)) {
        self.at_logon += u64::from(sent.messages);
        for _ in 0..sent.messages {
            for kind in KINDS_OF_ORDERS {
                self.tell(kind, Err(Exclusion::Why(Reason::AtLogon)), each);
            }
        }
    }

    fn not_told(&mut self, why: Reason, each: &mut dyn FnMut(&Sample)) {
        for kind in [Kind::DoorbellToWire, Kind::WireToWire] {
            self.tell(kind, Err(Exclusion::Why(why)), each);
        }
    }

    /// Whether a stamp is by the device's clock, and no time at which somebody captured a frame that is played back.
    fn by_device(&self, stamp: RxStamp) -> Result<(), Exclusion> {
        let is = |device: ClockInfo| (device.id, device.domain) == (stamp.clock, stamp.domain);
        let is_played_back = stamp.domain == stamp::Domain::Captured;
        if stamp.clock == ClockId::HOST || is_played_back || !self.clocks.device.is_some_and(is) {
            return Err(Exclusion::Why(Reason::NotByDevice));
        }
        Ok(())
    }

    /// Whether the clock is known to have gone on from before an interval's stamps to behind them; `None` while nobody knows.
    fn verdict(&mut self, waiting: &Waiting) -> Option<Result<(), Exclusion>> {
        let mapping = self.clocks.reader.as_mut()?.mapping();
        if mapping.device_generation() != waiting.life {
            let ended = mapping.device_ended().unwrap_or(Lapse::Jumped);
            return Some(Err(Exclusion::Refused(Refusal::Device(ended))));
        }
        (waiting.due <= mapping.device_agreed_at()).then_some(Ok(()))
    }

    fn between_host(
        &mut self,
        kind: Kind,
        types: Types,
        (begin, end): (u64, u64),
        each: &mut dyn FnMut(&Sample),
    ) {
        let sample = self.on_host(kind, types, begin, end, 0);
        self.tell(kind, sample, each);
    }

    /// From the poll of what completed a message; of one that was held nobody knows that any more.
    fn since_poll(
        &mut self,
        kind: Kind,
        types: Types,
        message: &MessageRecord,
        end: u64,
        each: &mut dyn FnMut(&Sample),
    ) {
        let sample = if message.was_held {
            Err(Exclusion::Why(Reason::Held))
        } else {
            self.on_host(kind, types, message.polled, end, 0)
        };
        self.tell(kind, sample, each);
    }

    fn wait(&mut self, kind: Kind, types: Types, between: Between, each: &mut dyn FnMut(&Sample)) {
        let due = match between {
            Between::NicAndHost((_, in_hand), _) | Between::HostAndNic(_, (_, in_hand)) => in_hand,
            Between::NicAndNic((_, first), (_, second)) => first.max(second),
        };
        let found = self.resolve(kind, types, between);
        let reader = self.clocks.reader.as_mut();
        let life = reader.map(|reader| reader.mapping().device_generation());
        match (found, life) {
            (Ok(sample), Some(life)) if self.waiting.len() < WAITING_MAX => {
                self.waiting.push_back(Waiting { sample, due, life });
            }
            (Ok(_), Some(_)) => self.tell(kind, Err(Exclusion::Why(Reason::Unsettled)), each),
            (found, _) => self.tell(kind, found, each),
        }
    }

    fn resolve(&mut self, kind: Kind, types: Types, between: Between) -> Result<Sample, Exclusion> {
        match between {
            Between::NicAndHost(came, end) => {
                let (begin, error) = self.translated(&came)?;
                let sample = self.on_host(kind, types, begin, end, error)?;
                Ok(by(Clock::NicByHost { life: came.0.generation }, sample))
            }
            Between::HostAndNic(begin, out) => {
                let (end, error) = self.translated(&out)?;
                let sample = self.on_host(kind, types, begin, end, error)?;
                Ok(by(Clock::NicByHost { life: out.0.generation }, sample))
            }
            Between::NicAndNic(begin, end) => self.on_nic(kind, types, &begin, &end),
        }
    }

    /// A stamp by the host's counter, and how far that may be off.
    fn translated(&mut self, (stamp, in_hand): &InHand) -> Result<(u64, u64), Exclusion> {
        let Some(reader) = &mut self.clocks.reader else {
            return Err(Exclusion::Why(Reason::NotFollowed));
        };
        let mapping = reader.mapping();
        // Labelled as the discipline labels: when it was in hand says whether it is of that life.
        let stamp = RxStamp { generation: mapping.device_generation(), ..*stamp };
        let time = mapping.to_host(&stamp, *in_hand).map_err(Exclusion::Refused)?;
        Ok((time.ticks, time.error_bound_ticks))
    }

    /// An interval by the host's counter, of which one end may be off by so many ticks.
    fn on_host(
        &self,
        kind: Kind,
        types: Types,
        begin: u64,
        end: u64,
        error: u64,
    ) -> Result<Sample, Exclusion> {
        let host = self.clocks.host;
        let (counter, off_ppb) = match host.domain {
            stamp::Domain::Tsc => (HostCounter::Tsc, TSC_OFF_PPB_MAX),
            _ => (HostCounter::Monotonic, 0),
        };
        let ticks = end.checked_sub(begin).or_else(|| (begin - end <= error).then_some(0));
        let ticks = ticks.ok_or(Exclusion::Why(Reason::Backwards))?;
        let at = |ticks| at(Clock::Host(counter), ticks, host.ticks_per_s);
        let doubt = error.saturating_add(1);
        Ok(sample((kind, types), (at(begin), at(end)), ticks, &host, (doubt, off_ppb)))
    }

    /// An interval by the device's clock.
    fn on_nic(
        &mut self,
        kind: Kind,
        types: Types,
        begin: &InHand,
        end: &InHand,
    ) -> Result<Sample, Exclusion> {
        let Some(clock) = self.clocks.device else {
            return Err(Exclusion::Why(Reason::NotByDevice));
        };
        if clock.ticks_per_s == 0 {
            // Nobody reads it, and what its ticks are worth nobody says.
            return Err(Exclusion::Why(Reason::NotFollowed));
        }
        let (first, second) = (begin.0, end.0);
        if !first.compares_with(&second) {
            let life = |stamp: RxStamp| Clock::Nic { life: stamp.generation };
            return Err(Exclusion::Incomparable(Incomparable::Clocks(life(first), life(second))));
        }
        if self.clocks.reader.is_some() {
            self.translated(begin)?;
            self.translated(end)?;
        }
        let mask = u64::MAX >> (u64::BITS - clock.bits.clamp(1, u64::BITS));
        let ticks = second.ticks.wrapping_sub(first.ticks) & mask;
        if ticks > mask / 2 {
            return Err(Exclusion::Why(Reason::Backwards));
        }
        let at = |ticks| at(Clock::Nic { life: first.generation }, ticks, clock.ticks_per_s);
        let ends = (at(first.ticks), at(second.ticks));
        Ok(sample((kind, types), ends, ticks, &clock, (1, NIC_OFF_PPB_MAX)))
    }

    fn tell(
        &mut self,
        kind: Kind,
        found: Result<Sample, Exclusion>,
        each: &mut dyn FnMut(&Sample),
    ) {
        self.tally.record_live(kind, &found);
        if let Ok(sample) = &found {
            each(sample);
        }
    }
}

fn at(clock: Clock, ticks: u64, per_s: u64) -> Stamp {
    let domain = Domain { clock, scale: Timescale::Elapsed };
    Stamp { time: WireTime::from_ticks(ticks, per_s), domain, port: 0 }
}

/// `doubt` is by how many ticks it may be wrong, and by how much the clock's rate.
fn sample(
    (kind, types): (Kind, Types),
    (begin, end): (Stamp, Stamp),
    ticks: u64,
    clock: &ClockInfo,
    doubt: (u64, u32),
) -> Sample {
    let span = WireSpan::from_ticks(ticks, clock.ticks_per_s);
    let (doubt, off_ppb) = doubt;
    let bound = WireSpan::from_ticks(doubt, clock.ticks_per_s) + span.parts_per_billion(off_ppb);
    Sample { kind, types, begin, end, span, bound }
}

fn by(clock: Clock, sample: Sample) -> Sample {
    let of = |stamp: Stamp| Stamp { domain: Domain { clock, ..stamp.domain }, ..stamp };
    Sample { begin: of(sample.begin), end: of(sample.end), ..sample }
}
