use std::sync::atomic::Ordering;

use super::record::{HandedOver, LeftRecord, NotHandedOver, Record};
use super::*;
use crate::app::SessionId;
use crate::measure::pairs::Reason;
use crate::measure::stamp::{Clock, HostCounter};
use crate::measure::tally::{Distribution, Kind, SLICED_MAX};
use crate::measure::wire_time::WireSpan;
use crate::offload::RxStamp;
use crate::offload::clock::{Bracket, ClockConfig, Discipline, Publisher};
use crate::offload::stamp::{ClockId, ClockInfo, Domain};
use crate::sent_stamps::{SentStamp, StampSource};
use crate::tcp::{ConnectionId, MessageNumber};
use crate::time::Instant;

const MS: u64 = 1_000_000;
const HOST: ClockInfo = ClockInfo {
    id: ClockId::HOST,
    domain: Domain::HostNs,
    ticks_per_s: 1_000_000_000,
    bits: u64::BITS,
};
/// A NIC's clock of 12.8 ns to a tick, that wraps.
const NIC: ClockInfo =
    ClockInfo { id: ClockId(1), domain: Domain::NicTicks, ticks_per_s: 78_125_000, bits: 41 };
const SESSION: SessionId = SessionId(2);

fn by_host(ns: u64) -> RxStamp {
    crate::stamps::host_stamp(Instant::from_ns(ns))
}

/// What the NIC's clock reads `ns` after the host's origin.
fn ticks_at(ns: u64) -> u64 {
    ((1 << 41) - 1_000 + ns * 10 / 128) & ((1 << 41) - 1)
}

fn by_nic(ns: u64) -> RxStamp {
    RxStamp { clock: NIC.id, generation: 0, domain: NIC.domain, ticks: ticks_at(ns) }
}

fn message(stamp: RxStamp, polled: u64) -> MessageRecord {
    MessageRecord {
        session: SESSION,
        msg_type: MsgType::new(b"8"),
        first: stamp,
        first_polled: polled,
        last: stamp,
        was_held: false,
        polled,
        entered: polled + 200,
        order: None,
    }
}

fn answered(stamp: RxStamp, polled: u64) -> MessageRecord {
    let handed_over = Ok(HandedOver { ready: polled + 500, doorbell: polled + 550 });
    let order = OrderRecord { msg_type: MsgType::new(b"D"), msg_seq_num: 7, handed_over };
    MessageRecord { order: Some(order), ..message(stamp, polled) }
}

fn left(ns: u64, told: u64) -> LeftRecord {
    let (stamp, source) = (by_nic(ns), StampSource::Device);
    LeftRecord { session: SESSION, msg_seq_num: 7, is_again: false, stamp, source, told }
}

/// The NIC's clock, read every 50 ms.
struct Followed {
    discipline: Discipline,
    publisher: Publisher,
    hops: Hops,
    now: u64,
}

impl Followed {
    fn new() -> Followed {
        let discipline = Discipline::new(&ClockConfig::default(), &HOST, Some(&NIC)).unwrap();
        let (publisher, reader) = Publisher::new(&discipline);
        let clocks = Clocks { host: HOST, device: Some(NIC), reader: Some(reader) };
        let mut all = Followed { discipline, publisher, hops: Hops::new(clocks, true), now: 0 };
        (0..8).for_each(|_| all.read(0));
        all
    }

    /// The clock, that has jumped by so much, is read in 50 ms.
    fn read(&mut self, jumped_ns: u64) {
        self.now += 50 * MS;
        let (before, after) = (self.now - 200, self.now + 200);
        let reading = ticks_at(self.now + jumped_ns);
        self.discipline.on_device_pair(Bracket { before, reading, after });
        self.discipline.on_wall_pair(Bracket { before, reading: self.now, after });
        self.publisher.publish(&self.discipline);
        self.hops.settle(self.now, &mut |_| {});
    }

    fn take(&mut self, record: Record) {
        self.hops.take(&record, &mut |_| {});
    }

    fn of(&self, kind: Kind) -> Option<&Distribution> {
        self.hops.tally().distributions().iter().find(|of| of.kind == kind)
    }

    fn excluded(&self, kind: Kind, reason: Reason) -> u64 {
        self.hops.tally().excluded(kind, reason)
    }
}

#[test]
fn each_hop_is_by_one_clock_and_within_its_bound() {
    let mut of = Followed::new();
    let came = of.now + 10 * MS;
    of.take(Record::Message(answered(by_nic(came), came + 3_000)));
    of.take(Record::Left(left(came + 4_000, came + 5_000)));
    // Of the NIC's stamps nothing is said before its clock was read again.
    assert!(of.of(Kind::WireToPoll).is_none() && of.hops.awaits_reading());
    of.read(0);
    let (host, by_line) = (Clock::Host(HostCounter::Monotonic), Clock::NicByHost { life: 0 });
    for (kind, ns, clock, types) in [
        (Kind::WireToPoll, 3_000, by_line, "8"),
        (Kind::PollToApplication, 200, host, "8"),
        (Kind::ApplicationToFrame, 300, host, "8>D"),
        (Kind::FrameToDoorbell, 50, host, "8>D"),
        (Kind::DoorbellToWire, 450, by_line, "8>D"),
        (Kind::PollToDoorbell, 550, host, "8>D"),
        (Kind::WireToDoorbell, 3_550, by_line, "8>D"),
        (Kind::WireToWire, 4_000, Clock::Nic { life: 0 }, "8>D"),
    ] {
        let found = of.of(kind).unwrap_or_else(|| panic!("no {kind}"));
        assert_eq!((found.ps.len(), found.domain.clock), (1, clock), "{kind}");
        assert_eq!(found.types.unwrap().to_string(), types, "{kind}");
        let off = (found.max - WireSpan::from_ns(ns)).abs();
        assert!(off.as_ps() <= i128::from(found.noise_floor_ps()), "{kind}: {:?}", found.max);
        assert!(found.noise_floor_ps() < 2_000_000, "{kind}: {}", found.error_bound());
        assert_eq!(of.hops.tally().excluded_in_all(kind), 0, "{kind}");
    }
    assert!(of.of(Kind::FirstToLastSegment).is_none(), "of one segment there is none");
}

#[test]
fn a_message_of_several_segments_has_the_stamps_of_its_first_and_its_last() {
    let mut of = Followed::new();
    let came = of.now + 10 * MS;
    let (first, first_polled) = (by_nic(came), came + 400);
    let whole =
        MessageRecord { first, first_polled, ..message(by_nic(came + 12_800), came + 13_000) };
    of.take(Record::Message(whole));
    of.read(0);
    let found = of.of(Kind::FirstToLastSegment).unwrap();
    assert_eq!((found.max_ps(), found.domain.clock), (12_800_000, Clock::Nic { life: 0 }));
    // The NIC's tick, and a five-thousandth.
    assert_eq!(found.noise_floor_ps(), 12_800 + 2_560);
    let polled = of.of(Kind::WireToPoll).unwrap();
    assert!(polled.max_ps().abs_diff(200_000) <= polled.noise_floor_ps());
}

#[test]
fn what_came_about_a_jump_is_in_no_figure_however_small_it_was() {
    for jumped_ns in [3_000, 30 * MS] {
        let mut of = Followed::new();
        let came = of.now + 10 * MS;
        // The clock has jumped before the frame came: it is stamped so much too late.
        of.take(Record::Message(answered(by_nic(came + jumped_ns), came + 5_000)));
        of.take(Record::Left(left(came + jumped_ns + 6_000, came + 7_000)));
        (0..8).for_each(|_| of.read(jumped_ns));
        for kind in [Kind::WireToPoll, Kind::WireToDoorbell, Kind::DoorbellToWire, Kind::WireToWire]
        {
            assert!(of.of(kind).is_none(), "{kind} of {jumped_ns} ns: {:?}", of.of(kind));
            assert_eq!(of.excluded(kind, Reason::ClockRefused), 1, "{kind} of {jumped_ns} ns");
        }
        assert!(of.hops.tally().refused().is_some());
        // In the new life, by another clock.
        let later = |ns: u64| RxStamp { generation: 1, ..by_nic(ns + jumped_ns) };
        let came = of.now + 20 * MS;
        of.take(Record::Message(message(later(came), came + 5_000)));
        of.read(jumped_ns);
        let found = of.of(Kind::WireToPoll).expect("it is followed again");
        assert_eq!(found.domain.clock, Clock::NicByHost { life: 1 });
        assert!(found.max_ps().abs_diff(5_000_000) <= found.noise_floor_ps());
    }
}

#[test]
fn stamps_of_two_lives_have_no_difference_and_a_sentence_says_so() {
    let mut of = Followed::new();
    let came = of.now + 10 * MS;
    of.take(Record::Message(answered(by_nic(came), came + 1_000)));
    let mut out = left(came + 3_000, came + 4_000);
    out.stamp.generation = 1;
    of.take(Record::Left(out));
    of.read(0);
    assert!(of.of(Kind::WireToWire).is_none());
    assert_eq!(of.excluded(Kind::WireToWire, Reason::Incomparable), 1);
    let words = of.hops.tally().incomparable().unwrap().to_string();
    assert!(
        words.contains(
            "the NIC's clock in its life 0 and the other by the NIC's clock in its life 1"
        ),
        "{words}"
    );
}

#[test]
fn a_clock_that_is_not_read_any_more_vouches_for_nothing() {
    let mut of = Followed::new();
    let came = of.now + 10 * MS;
    of.take(Record::Message(message(by_nic(came), came + 1_000)));
    of.hops.settle(came + 1_900 * MS, &mut |_| {});
    assert!(of.hops.awaits_reading());
    of.hops.settle(came + 2_100 * MS, &mut |_| {});
    assert!(!of.hops.awaits_reading());
    assert_eq!(of.excluded(Kind::WireToPoll, Reason::Unsettled), 1);
}

#[test]
fn what_is_not_the_device_s_or_could_not_leave_is_excluded_by_name() {
    let mut of = Followed::new();
    let at = of.now + 10 * MS;
    let with = |handed_over| {
        let order = OrderRecord { msg_type: MsgType::new(b"D"), msg_seq_num: 9, handed_over };
        MessageRecord { order: Some(order), ..message(by_nic(at), at + 1_000) }
    };
    of.take(Record::Message(message(by_host(at), at)));
    of.take(Record::Message(MessageRecord { was_held: true, ..message(by_nic(at), at + 1_000) }));
    of.take(Record::Message(with(Err(NotHandedOver::Waits))));
    of.take(Record::Message(with(Err(NotHandedOver::InParts))));
    let by_software =
        LeftRecord { source: StampSource::Software, stamp: by_host(at), ..left(at, at) };
    of.take(Record::Message(answered(by_nic(at), at + 1_000)));
    of.take(Record::Left(LeftRecord { is_again: true, ..left(at, at) }));
    of.take(Record::Left(by_software));
    // Told twice, it is told once.
    of.take(Record::Left(left(at + 2_000, at + 3_000)));
    of.take(Record::Message(answered(by_nic(at), at + 1_000)));
    of.read(0);
    of.hops.finish(&mut |_| {});
    for (kind, reason) in [
        (Kind::WireToPoll, Reason::NotByDevice),
        (Kind::WireToPoll, Reason::Held),
        (Kind::WireToDoorbell, Reason::Waits),
        (Kind::ApplicationToFrame, Reason::InParts),
        (Kind::PollToDoorbell, Reason::Waits),
        (Kind::DoorbellToWire, Reason::NotByDevice),
        (Kind::WireToWire, Reason::NotTold),
    ] {
        assert_eq!(of.excluded(kind, reason), 1, "{kind}: {reason}");
    }
    assert_eq!(of.of(Kind::DoorbellToWire).map(|of| of.ps.len()), None);
    assert_eq!(of.hops.messages(), (6, 4));
}

#[test]
fn what_was_held_is_in_no_figure_that_begins_with_its_stamps_or_its_poll() {
    let mut of = Followed::new();
    let at = of.now + 10 * MS;
    let first = by_nic(at - 1_000);
    let held = answered(by_nic(at), at + 1_000);
    of.take(Record::Message(MessageRecord { was_held: true, first, ..held }));
    of.take(Record::Left(left(at + 2_000, at + 3_000)));
    of.read(0);
    let known = [Kind::ApplicationToFrame, Kind::FrameToDoorbell, Kind::DoorbellToWire];
    for kind in Kind::LIVE {
        let is_known = known.contains(&kind);
        assert_eq!(of.of(kind).map(|of| of.ps.len()), is_known.then_some(1), "{kind}");
        assert_eq!(of.excluded(kind, Reason::Held), u64::from(!is_known), "{kind}");
    }
}

#[test]
fn what_is_sent_at_a_logon_is_excluded_of_all_that_an_order_ends_and_the_first_messages_of_nothing()
{
    let of = Followed::new();
    let mut of = Followed { hops: of.hops.without_first(2), ..of };
    let at = of.now + 10 * MS;
    of.take(Record::AtLogon(AtLogonRecord { session: SESSION, messages: 3 }));
    for _ in 0..5 {
        of.take(Record::Message(answered(by_nic(at), at + 1_000)));
        of.take(Record::Left(left(at + 2_000, at + 3_000)));
    }
    of.read(0);
    assert_eq!((of.hops.sent_at_logon(), of.hops.left_out(), of.hops.messages()), (3, 2, (3, 3)));
    for kind in Kind::LIVE.into_iter().filter(|kind| *kind != Kind::FirstToLastSegment) {
        let is_of_order = ![Kind::WireToPoll, Kind::PollToApplication].contains(&kind);
        let at_logon = if is_of_order { 3 } else { 0 };
        assert_eq!(of.excluded(kind, Reason::AtLogon), at_logon, "{kind}");
        assert_eq!(of.hops.tally().excluded_in_all(kind), at_logon, "{kind}");
        assert_eq!(of.of(kind).map(|of| of.ps.len()), Some(3), "{kind}");
    }
}

#[test]
fn without_a_clock_that_is_followed_no_stamp_meets_the_host_s_counter() {
    for device in [Some(NIC), None] {
        let clocks = Clocks { host: HOST, device, reader: None };
        let mut hops = Hops::new(clocks, true);
        hops.take(&Record::Message(answered(by_nic(MS), 2 * MS)), &mut |_| {});
        hops.take(&Record::Left(left(3 * MS, 4 * MS)), &mut |_| {});
        let why = if device.is_some() { Reason::NotFollowed } else { Reason::NotByDevice };
        assert_eq!(hops.tally().excluded(Kind::WireToPoll, why), 1);
        assert_eq!(hops.tally().excluded(Kind::DoorbellToWire, why), 1);
        let on_nic = hops.tally().distributions().iter().find(|of| of.kind == Kind::WireToWire);
        assert_eq!(on_nic.map(Distribution::max_ps), device.map(|_| 2_000_000_000));
    }
}

#[test]
fn of_a_clock_whose_rate_nobody_knows_no_two_stamps_have_a_difference() {
    let device = Some(ClockInfo { ticks_per_s: 0, ..NIC });
    let mut hops = Hops::new(Clocks { host: HOST, device, reader: None }, true);
    let whole = MessageRecord { first: by_nic(MS - 1_000), ..answered(by_nic(MS), 2 * MS) };
    hops.take(&Record::Message(whole), &mut |_| {});
    hops.take(&Record::Left(left(3 * MS, 4 * MS)), &mut |_| {});
    for kind in [Kind::FirstToLastSegment, Kind::WireToPoll, Kind::WireToWire] {
        assert_eq!(hops.tally().excluded(kind, Reason::NotFollowed), 1, "{kind}");
        assert!(hops.tally().distributions().iter().all(|of| of.kind != kind), "{kind}");
    }
}

#[test]
fn times_of_capture_are_no_stamps_of_a_device_s() {
    let device = ClockInfo { domain: Domain::Captured, ticks_per_s: 1_000_000_000, ..NIC };
    let mut hops = Hops::new(Clocks { host: HOST, device: Some(device), reader: None }, true);
    let played = |ns| RxStamp { domain: Domain::Captured, ..by_nic(ns) };
    let whole = MessageRecord { first: played(MS - 1_000), ..answered(played(MS), 2 * MS) };
    hops.take(&Record::Message(whole), &mut |_| {});
    for kind in [Kind::WireToPoll, Kind::WireToDoorbell] {
        assert_eq!(hops.tally().excluded(kind, Reason::NotByDevice), 1, "{kind}");
    }
    let segments = |of: &&Distribution| of.kind == Kind::FirstToLastSegment;
    assert!(hops.tally().distributions().iter().find(segments).is_none());
}

#[test]
fn a_full_ring_is_counted_and_waits_for_nobody() {
    let (recorder, mut ring, counters) = recorder(Box::new(|| 5), 4);
    let mut recorder = recorder.for_sessions(1);
    for polled in 0..6 {
        recorder.unanswered(message(by_host(0), polled));
    }
    let count = |of: &std::sync::atomic::AtomicU64| of.load(Ordering::Relaxed);
    assert_eq!((count(&counters.records), count(&counters.ring_full)), (4, 2));
    assert_eq!(ring.pop(), Ok(Record::Message(message(by_host(0), 0))));
    recorder.unanswered(message(by_host(0), 9));
    assert_eq!(count(&counters.records), 5);
}

#[test]
fn answers_are_told_of_with_the_readings_around_their_burst() {
    let time = std::rc::Rc::new(std::cell::Cell::new(100));
    let clock = time.clone();
    let (recorder, mut ring, _) = recorder(Box::new(move || clock.replace(clock.get() + 10)), 16);
    let mut recorder = recorder.for_sessions(3);
    recorder.on_burst();
    assert_eq!((recorder.polled(), recorder.reading()), (100, 110));
    let draft = |msg_seq_num| MessageRecord {
        order: Some(Recorder::order(msg_seq_num)),
        ..message(by_host(0), 100)
    };
    let type_of = |session, seq| {
        assert_eq!((session, seq), (SESSION, 7));
        MsgType::new(b"D")
    };
    let mut next = || match ring.pop() {
        Ok(Record::Message(message)) => message.order.map(|order| order.handed_over),
        other => panic!("{other:?}"),
    };
    for (took_all, has_left, in_parts, expected) in [
        (true, true, false, Ok(HandedOver { ready: 120, doorbell: 130 })),
        (true, false, false, Err(NotHandedOver::Waits)),
        (false, true, false, Err(NotHandedOver::Waits)),
        (true, true, true, Err(NotHandedOver::InParts)),
        (true, true, false, Ok(HandedOver { ready: 200, doorbell: 210 })),
    ] {
        // Of a burst before, which was full.
        recorder.on_part();
        recorder.answered(draft(7), ConnectionId::NOBODY);
        assert!(recorder.has_answers());
        if in_parts {
            recorder.on_part();
        }
        recorder.on_ready();
        recorder.on_handed_over(took_all, |_| has_left, type_of);
        assert!(!recorder.has_answers());
        assert_eq!(next(), Some(expected));
    }
}

#[test]
fn a_message_begins_with_the_segment_of_its_first_byte() {
    let (recorder, _ring, _) = recorder(Box::new(|| 5), 4);
    let mut recorder = recorder.for_sessions(1);
    let begun = |recorder: &Recorder| recorder.begun(0).map(|(stamp, _)| stamp.ticks);
    let mut read = |ns: u64, before, fed, now| {
        recorder.on_read(0, Some(by_host(ns)), (before, fed, now));
        begun(&recorder)
    };
    assert_eq!(read(1, 0, 100, 0), None, "whole");
    assert_eq!(read(2, 0, 100, 30), Some(2), "one, and the beginning of another");
    assert_eq!(read(3, 30, 50, 80), Some(2), "more of it");
    assert_eq!(read(4, 80, 50, 20), Some(4), "its end, and the beginning of the next");
    assert_eq!(read(5, 20, 50, 0), None);
}

#[test]
fn sendings_are_told_once_each_though_somebody_else_asks_for_them_too() {
    let (recorder, mut ring, _) = recorder(Box::new(|| 5), 16);
    let mut recorder = recorder.for_sessions(1);
    let sent = |msg_seq_num| SentStamp {
        session: Some(SESSION),
        connection: ConnectionId::NOBODY,
        message: MessageNumber(1),
        msg_seq_num,
        is_again: false,
        stamp: by_nic(0),
        source: StampSource::Device,
        handed_over_at: Instant::ZERO,
    };
    let all = [1, 2, 0, 4].map(sent);
    recorder.on_told(2, all[..2].iter());
    recorder.on_told(4, all.iter());
    recorder.on_told(4, all.iter());
    // The two of them that were told of since are gone already, but for one.
    recorder.on_told(6, [5].map(sent).iter());
    let told: Vec<_> = core::iter::from_fn(|| match ring.pop() {
        Ok(Record::Left(left)) => Some(left.msg_seq_num),
        _ => None,
    })
    .collect();
    // What has no number is no order.
    assert_eq!(told, [1, 2, 4, 5]);
}

#[test]
fn of_more_message_types_than_are_kept_over_time_each_has_its_figure() {
    let mut hops = Hops::new(Clocks { host: HOST, device: None, reader: None }, false);
    for (number, letter) in (1..).zip(b'A'..=b'Z') {
        let msg_type = MsgType::new(&[letter]);
        hops.take(
            &Record::Message(MessageRecord { msg_type, ..message(by_host(MS), number * MS) }),
            &mut |_| {},
        );
    }
    let all = hops.tally().distributions();
    assert!(all.len() == 26 && all.iter().all(|of| of.ps.len() == 1));
    assert!(all[..SLICED_MAX].iter().all(|of| of.slices.is_some()));
    assert!(all[SLICED_MAX..].iter().all(|of| of.slices.is_none()));
}

#[test]
fn a_type_is_read_of_the_message_and_shown_escaped() {
    let order = b"8=FIX.4.4\x019=5\x0135=AE\x0149=A\x01";
    assert_eq!(MsgType::of_message(order).to_string(), "AE");
    assert_eq!(MsgType::of_message(b"8=FIX.4.4\x019=5\x01"), MsgType::UNKNOWN);
    assert_eq!(MsgType::new(b"\x1b[1").to_string(), "\\x1b[1");
    assert_eq!(MsgType::new(b"123456789").to_string(), "12345678");
}

#[test]
fn what_measuring_costs_is_timed_by_the_counter_that_it_reads() {
    let time = std::cell::Cell::new(0);
    // Each reading takes 25 ticks of 0.4 ns; a record takes none.
    let read: Reading = Box::new(move || time.replace(time.get() + 25));
    let cost = Cost::timed(&read, 2_500_000_000);
    assert_eq!((cost.timed, cost.reading.as_ps()), (64_000, 10_000));
    assert_eq!(cost.record.as_ps(), 10);
    assert_eq!((cost.point_ps(), cost.message_ps()), (10_002, 40_010));
}
