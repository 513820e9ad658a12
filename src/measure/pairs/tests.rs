//! Dialogues as frames, and what is told of them.

mod queues;
mod traders;

use core::net::Ipv4Addr;

use super::*;
use crate::measure::stamp::{Clock, Domain, Timescale};
use crate::measure::wire_time::WireTime;
use crate::wire::tcp::Flags;

/// Who trades, and who answers.
const US: usize = 0;
const THEM: usize = 1;

const CLOCK: Domain =
    Domain { clock: Clock::Recorder { file: 0, interface: None }, scale: Timescale::Utc };

/// Frames of one connection, with the numbers that both sides have reached.
struct Line {
    matcher: Matcher,
    next: [u32; 2],
    frames: u64,
    ns: u32,
    /// What stamps are cut off to.
    tick_ns: u32,
    told: Vec<Said>,
}

/// What was told of a message: its type, its frames, and its pairs in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    msg_type: String,
    frames: (u64, u64),
    trigger: Option<Result<i128, Reason>>,
    order: Option<Result<i128, Reason>>,
}

fn message(sender: usize, body: &str) -> Vec<u8> {
    let (kind, rest) = body.split_once('|').unwrap();
    let (from, to) = if sender == US { ("US", "THEM") } else { ("THEM", "US") };
    let body = format!("35={kind}|34=7|49={from}|52=20261127-08:00:00.000|56={to}|{rest}");
    let head = format!("8=FIX.4.4|9={}|{body}", body.len()).replace('|', "\x01");
    let sum = head.bytes().fold(0u8, u8::wrapping_add);
    format!("{head}10={sum:03}\x01").into_bytes()
}

impl Line {
    /// One whose handshake was seen.
    fn new() -> Line {
        let mut line = Line::in_the_middle();
        line.segment(US, 99, None, Flags::SYN, b"");
        line.segment(THEM, 499, Some(100), Flags::SYN, b"");
        line
    }

    fn in_the_middle() -> Line {
        Line::of(Roles::default())
    }

    fn of(roles: Roles) -> Line {
        let matcher = Matcher::new(roles);
        Line { matcher, next: [100, 500], frames: 0, ns: 0, tick_ns: 1, told: Vec::new() }
    }

    /// One whose stamps are known to be in nanoseconds, behind orders of which it is not known how many a message leads to.
    fn at_ease() -> Line {
        let mut line = Line::new();
        for more in 0..30 {
            line.says(THEM, 5_000 + more, "8|11=A|");
            line.says(US, 7, "D|11=O|");
            assert_eq!(line.last().trigger, Some(Ok(7)));
        }
        line.says(US, 1_000, "D|11=O|");
        line
    }

    /// A message `ns` after the last frame, which acknowledges all that there is.
    fn says(&mut self, side: usize, ns: u32, body: &str) {
        let acknowledged = self.next[1 - side];
        self.says_by(side, ns, body, acknowledged);
    }

    fn says_by(&mut self, side: usize, ns: u32, body: &str, ack: u32) {
        let message = message(side, body);
        self.sends(side, ns, &message, ack);
    }

    fn sends(&mut self, side: usize, ns: u32, bytes: &[u8], ack: u32) {
        self.ns += ns;
        let seq = self.next[side];
        self.next[side] += bytes.len() as u32;
        self.segment(side, seq, Some(ack), Flags::PSH, bytes);
    }

    fn segment(&mut self, side: usize, seq: u32, ack: Option<u32>, flags: Flags, bytes: &[u8]) {
        let ns = self.ns / self.tick_ns * self.tick_ns;
        let time = WireTime::from_s_ns(1_800_000_000, ns);
        let stamp = Stamp { time, domain: CLOCK, port: side as u32 };
        self.stamped(side, seq, ack, flags, bytes, Ok(stamp));
    }

    fn stamped(
        &mut self,
        side: usize,
        seq: u32,
        ack: Option<u32>,
        flags: Flags,
        payload: &[u8],
        stamp: Result<Stamp, NoTime>,
    ) {
        self.frames += 1;
        let flags = ack.map_or(flags, |_| flags.with(Flags::ACK));
        let bytes = frame(side, 40_000, seq, ack.unwrap_or_default(), flags, payload);
        let mark = Mark { place: Place { file: 0, frame: self.frames }, stamp };
        let arrived = Arrived { mark, bytes: &bytes, ether_type_at: 12, is_cut_off: false };
        self.matcher.on_frame(&arrived, &mut |record| {
            let in_ns = |pair: Option<Result<Interval, Exclusion>>| {
                pair.map(|pair| pair.map(|of| of.span.as_ps() / 1_000).map_err(Exclusion::reason))
            };
            self.told.push(Said {
                msg_type: String::from_utf8_lossy(record.message.msg_type()).into(),
                frames: (record.first.place.frame, record.last.place.frame),
                trigger: in_ns(record.trigger),
                order: in_ns(record.order),
            });
        });
    }

    fn last(&self) -> &Said {
        self.told.last().unwrap()
    }
}

fn frame(side: usize, port: u16, seq: u32, ack: u32, flags: Flags, payload: &[u8]) -> Vec<u8> {
    let ends = [(Ipv4Addr::new(10, 9, 0, 2), port), (Ipv4Addr::new(10, 9, 0, 1), 9878)];
    let (from, to) = (ends[side], ends[1 - side]);
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00, 0x45, 0];
    frame.extend((40 + payload.len() as u16).to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
    frame.extend([from.0.octets(), to.0.octets()].concat());
    frame.extend([from.1.to_be_bytes(), to.1.to_be_bytes()].concat());
    frame.extend([seq.to_be_bytes(), ack.to_be_bytes()].concat());
    frame.extend([0x50, flags.0, 0xff, 0xff, 0, 0, 0, 0]);
    frame.extend(payload);
    // Padding, or a check sequence: the IP header says what is the packet's.
    frame.extend([0xaa; 4]);
    frame
}

#[test]
fn an_order_has_its_trigger_and_its_answer() {
    let mut line = Line::new();
    line.says(THEM, 10, "8|11=O0|");
    line.says(US, 687, "D|11=O1|");
    assert_eq!(line.last().trigger, Some(Ok(687)));
    assert_eq!(line.last().order, None);
    line.says(THEM, 1_500, "8|11=O1|");
    assert_eq!((line.last().trigger, line.last().order), (None, Some(Ok(1_500))));
    // One more report of the same order is another order's trigger, and nobody's answer.
    line.says(THEM, 20, "8|11=O1|");
    assert_eq!(line.last().order, Some(Err(Reason::NoOrder)));
    assert_eq!(line.matcher.unanswered(), 0);
    line.says(US, 5, "0|112=X|");
    assert_eq!((line.last().trigger, line.last().order), (None, None));
}

#[test]
fn an_order_that_acknowledges_nothing_new_or_several_messages_is_excluded_unless_it_names_one() {
    let mut line = Line::new();
    line.says(US, 1, "D|11=O1|");
    assert_eq!(line.last().trigger, Some(Err(Reason::NothingNew)));
    line.says(THEM, 10, "8|11=O1|");
    line.says(THEM, 10, "8|11=O9|");
    line.says(US, 100, "D|11=O2|");
    assert_eq!(line.last().trigger, Some(Err(Reason::Several)));
    line.says(US, 100, "D|11=O3|");
    assert_eq!(line.last().trigger, Some(Err(Reason::NothingNew)));
    // A Heartbeat makes no application act, and after so long nothing before it is answered any more.
    line.says(THEM, 10, "0|");
    line.says(THEM, 300, "8|11=O2|");
    line.says(US, 100, "D|11=O4|");
    assert_eq!(line.last().trigger, Some(Ok(100)));
    // What its frame does not acknowledge yet came too late to be its trigger.
    line.says(THEM, 10, "8|11=O3|");
    let before = line.next[THEM];
    line.says(THEM, 10, "8|11=O4|");
    line.says_by(US, 100, "D|11=O5|", before);
    assert_eq!(line.last().trigger, Some(Ok(110)));
    line.says(US, 50, "D|11=O6|");
    assert_eq!(line.last().trigger, Some(Ok(150)));
    // A replacement of O5 after reports of O5 and O6.
    line.says(THEM, 10, "8|11=O5|");
    line.says(THEM, 30, "8|11=O6|");
    line.says(US, 100, "G|11=O7|41=O5|");
    assert_eq!(line.last().trigger, Some(Ok(130)));
    line.says(THEM, 10, "8|11=O6|");
    line.says(THEM, 30, "8|11=O6|");
    line.says(US, 100, "F|11=O8|41=O6|");
    assert_eq!(line.last().trigger, Some(Err(Reason::Several)));
    // More than are kept are several, whatever is left of them.
    (0..70).for_each(|_| line.says(THEM, 1, "8|11=O9|"));
    line.says(US, 100, "D|11=O10|");
    assert_eq!(line.last().trigger, Some(Err(Reason::Several)));
}

#[test]
fn behind_several_messages_an_order_may_be_the_answer_to_an_earlier_one_than_it_acknowledges() {
    let trigger = |line: &mut Line, ns: u32, body: &str| {
        line.says(US, ns, body);
        line.last().trigger.unwrap()
    };
    // A kernel acknowledges what it has while its application is at the message before, for as long as that goes on.
    let mut line = Line::at_ease();
    line.says(THEM, 10, "8|11=A|");
    for _ in 0..3 {
        line.says(THEM, 10, "8|11=A|");
        let found = trigger(&mut line, 5, "D|11=O|");
        assert!(matches!(found, Err(Reason::Several | Reason::Owed)), "{found:?}");
    }
    // An order without a message of its own may be one more of a message before: it settles nothing.
    assert_eq!(trigger(&mut line, 10, "D|11=O|"), Err(Reason::NothingNew));
    // The first order was sent after 16 ns at the most, as stamps are cut off: after twice that, and one, nothing is left to be
    // answered.
    line.says(THEM, 33, "8|11=A|");
    assert_eq!(trigger(&mut line, 5, "D|11=O|"), Err(Reason::Owed));
    line.says(THEM, 34, "8|11=A|");
    assert_eq!(trigger(&mut line, 5, "D|11=O|"), Ok(5));
    line.says(THEM, 1, "8|11=A|");
    assert_eq!(trigger(&mut line, 6, "D|11=O|"), Ok(6));
    // Where messages lead to one order each, it is the answer to the one that is owed.
    line.says(THEM, 1, "8|11=A|");
    line.says(THEM, 1, "8|11=A|");
    assert_eq!(trigger(&mut line, 100, "D|11=O|"), Err(Reason::Several));
    assert_eq!(trigger(&mut line, 1, "D|11=O|"), Err(Reason::NothingNew));
    line.says(THEM, 1, "8|11=A|");
    assert_eq!(trigger(&mut line, 7, "D|11=O|"), Ok(7));
    // Where they lead to two, it may be the second of the one before.
    assert_eq!(trigger(&mut line, 1, "D|11=O|"), Err(Reason::NothingNew));
    line.says(THEM, 1, "8|11=A|");
    line.says(THEM, 1, "8|11=A|");
    assert_eq!(trigger(&mut line, 100, "D|11=O|"), Err(Reason::Several));
    assert_eq!(trigger(&mut line, 1, "D|11=O|"), Err(Reason::NothingNew));
    line.says(THEM, 1, "8|11=A|");
    assert_eq!(trigger(&mut line, 7, "D|11=O|"), Err(Reason::Owed));
    // What an order names is known, also when it was acknowledged before, and what came before that is settled.
    line.says(THEM, 1, "8|11=B|");
    line.says(THEM, 1, "8|11=C|");
    assert_eq!(trigger(&mut line, 5, "G|11=O|41=B|"), Ok(6));
    assert_eq!(trigger(&mut line, 5, "G|11=O|41=C|"), Ok(10));
    line.says(THEM, 1, "8|11=A|");
    assert_eq!(trigger(&mut line, 7, "D|11=O|"), Ok(7));
    // What nobody has answered for a second is not answered any more.
    line.says(THEM, 1, "8|11=A|");
    line.says(THEM, 1_000_000_000, "8|11=A|");
    assert_eq!(trigger(&mut line, 7, "D|11=O|"), Err(Reason::Several));
    line.says(THEM, 1, "8|11=A|");
    assert_eq!(trigger(&mut line, 8, "D|11=O|"), Ok(8));
    assert_eq!(line.matcher.counts().behind_unseen, 0);
}

#[test]
fn a_message_over_several_segments_has_the_marks_of_those_that_passed_first_and_last() {
    let whole = message(THEM, "8|11=O0|58=some text|");
    let (a, b, c) = (&whole[..20], &whole[20..50], &whole[50..]);
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [0, 2, 1]] {
        let mut line = Line::new();
        for piece in order {
            let at = [0, 20, 50][piece];
            line.ns += 100;
            line.segment(THEM, 500 + at, Some(100), Flags::PSH, [a, b, c][piece]);
        }
        line.next[THEM] += whole.len() as u32;
        assert_eq!((line.told.len(), line.last().frames), (1, (3, 5)), "{order:?}");
        let order_bytes = message(US, "D|11=O1|");
        let acknowledged = line.next[THEM];
        line.sends(US, 5, &order_bytes[..30], acknowledged);
        line.sends(US, 1_000, &order_bytes[30..], acknowledged);
        // From when the last byte came to when the first left.
        assert_eq!(line.last().trigger, Some(Ok(5)), "{order:?}");
        assert_eq!(line.last().frames, (6, 7));
        line.says(THEM, 30, "8|11=O1|");
        assert_eq!(line.last().order, Some(Ok(30)), "{order:?}");
    }
}

#[test]
fn what_came_more_than_once_is_excluded() {
    // A trigger that was sent again before the order: which copy made it act?
    let mut line = Line::new();
    let report = message(THEM, "8|11=O0|");
    line.sends(THEM, 10, &report, 100);
    line.segment(THEM, 500, Some(100), Flags::PSH, &report);
    line.says(US, 100, "D|11=O1|");
    assert_eq!(line.last().trigger, Some(Err(Reason::SentAgain)));
    // An order that was sent again before its answer.
    let order = message(US, "D|11=O2|");
    let (seq, acknowledged) = (line.next[US], line.next[THEM]);
    line.sends(US, 10, &order, acknowledged);
    line.segment(US, seq, Some(acknowledged), Flags::PSH, &order);
    line.says(THEM, 10, "8|11=O2|");
    assert_eq!(line.last().order, Some(Err(Reason::SentAgain)));
    assert_eq!((line.told.len(), line.matcher.counts().sent_again), (4, 2));
    // Those after them are not.
    line.says(US, 77, "D|11=O3|");
    assert_eq!(line.last().trigger, Some(Ok(77)));
    let poss_dup = "D|43=Y|11=O4|";
    line.says(THEM, 10, "8|11=O3|");
    line.says(US, 10, poss_dup);
    assert_eq!(line.last().trigger, Some(Err(Reason::PossDup)));
}

#[test]
fn an_order_that_was_sent_again_is_known_however_many_were_since() {
    let mut line = Line::new();
    for order in 0..40 {
        let text = message(US, &format!("D|11=O{order}|"));
        let (seq, acknowledged) = (line.next[US], line.next[THEM]);
        line.sends(US, 10, &text, acknowledged);
        line.segment(US, seq, Some(acknowledged), Flags::PSH, &text);
        line.says(US, 10, "0|");
    }
    for order in 0..40 {
        line.says(THEM, 10, &format!("8|11=O{order}|"));
        assert_eq!(line.last().order, Some(Err(Reason::SentAgain)), "O{order}");
    }
}

#[test]
fn what_the_capture_lacks_excludes_the_order_behind_it_and_no_other() {
    let mut line = Line::at_ease();
    line.told.clear();
    let lost = message(THEM, "8|11=O0|");
    line.next[THEM] += lost.len() as u32;
    line.says(THEM, 10, "8|11=O9|");
    assert_eq!(line.told.len(), 0, "held until it is known that the capture lacks something");
    line.says(US, 10, "D|11=O1|");
    let types: Vec<_> = line.told.iter().map(|told| &told.msg_type[..]).collect();
    assert_eq!(types, ["8", "D"]);
    assert_eq!(line.last().trigger, Some(Err(Reason::Missing)));
    line.says(THEM, 30, "8|11=O1|");
    line.says(US, 42, "D|11=O2|");
    assert_eq!(line.last().trigger, Some(Ok(42)));
    assert_eq!(line.matcher.counts().gaps, 1);
    // Acknowledged, and not captured before: the cause may come later in the file.
    let late = message(THEM, "8|11=O2|");
    let seq = line.next[THEM];
    line.next[THEM] += late.len() as u32;
    line.says(US, 10, "D|11=O3|");
    assert_eq!(line.last().trigger, Some(Err(Reason::Unseen)));
    line.segment(THEM, seq, Some(0), Flags::PSH, &late);
    assert_eq!(line.matcher.counts().acknowledged_early.in_one_file, 1);
    line.says(US, 10, "D|11=O4|");
    assert_eq!(line.last().trigger, Some(Err(Reason::NothingNew)));
    // Bytes that are no message, where one was before.
    let mut damaged = message(THEM, "8|11=O4|");
    damaged[30] ^= 1;
    let acknowledged = line.next[US];
    line.sends(THEM, 10, &damaged, acknowledged);
    line.says(US, 10, "D|11=O5|");
    assert_eq!(line.last().trigger, Some(Err(Reason::Damaged)));
    line.says(THEM, 10, "8|11=O5|");
    assert_eq!(line.last().order, Some(Ok(10)));
    assert_eq!(line.matcher.counts().damaged, 1);
}

#[test]
fn a_name_decides_nothing_where_what_is_lost_may_have_had_it_too() {
    let mut line = Line::new();
    line.says(US, 1, "D|11=O1|");
    line.says(THEM, 10, "8|11=O1|");
    line.says(US, 10, "D|11=O2|");
    let lost = message(THEM, "8|11=O1|");
    line.next[THEM] += lost.len() as u32;
    line.says(THEM, 10, "8|11=O1|");
    line.says(US, 10, "F|11=O3|41=O1|");
    assert_eq!(line.last().trigger, Some(Err(Reason::Missing)));
    let mut damaged = message(THEM, "8|11=O2|");
    damaged[30] ^= 1;
    let acknowledged = line.next[US];
    line.sends(THEM, 10, &damaged, acknowledged);
    line.says(THEM, 10, "8|11=O2|");
    line.says(US, 10, "F|11=O4|41=O2|");
    assert_eq!(line.last().trigger, Some(Err(Reason::Damaged)));
}

#[test]
fn a_capture_that_begins_in_the_middle_is_read_from_the_next_message_on() {
    let mut line = Line::in_the_middle();
    let cut = message(THEM, "8|11=O0|");
    line.sends(THEM, 10, &cut[30..], 100);
    line.says(THEM, 10, "8|11=O0|");
    line.says(US, 33, "D|11=O1|");
    assert_eq!((line.told.len(), line.last().trigger), (2, Some(Ok(33))));
    assert_eq!(line.matcher.counts().damaged, 0);
    // What came before it may have been waiting, until nothing was answered for a second.
    assert_eq!(line.matcher.counts().behind_unseen, 1);
    line.says(THEM, 1_000_000_001, "8|11=O1|");
    line.says(US, 34, "D|11=O2|");
    assert_eq!((line.last().trigger, line.matcher.counts().behind_unseen), (Some(Ok(34)), 1));
}

#[test]
fn an_answer_is_to_the_order_of_its_id_if_it_acknowledges_it() {
    let mut line = Line::new();
    let before = line.next[US];
    line.says(US, 10, "D|11=O1|");
    line.says_by(THEM, 10, "8|11=O1|", before);
    assert_eq!(line.last().order, Some(Err(Reason::BeforeAcknowledged)));
    line.says(US, 10, "D|11=O2|");
    line.says(US, 10, "D|11=O2|");
    line.says(THEM, 10, "8|11=O2|");
    assert_eq!(line.last().order, Some(Err(Reason::IdTwice)));
    line.says(THEM, 10, "8|37=X|");
    assert_eq!(line.last().order, Some(Err(Reason::NoOrder)));
    line.says(US, 10, "D|11=O3|");
    line.says(US, 10, "D|11=O4|");
    line.says(THEM, 10, "9|11=O4|");
    assert_eq!(line.last().order, Some(Ok(10)));
    line.says(THEM, 10, "8|11=O3|");
    assert_eq!(line.last().order, Some(Ok(30)));
    // The first O2 has no answer of its own.
    assert_eq!(line.matcher.unanswered(), 1);
    // The same ends begin again: what waited is another connection's.
    line.says(US, 10, "D|11=O5|");
    line.segment(US, 70_000, None, Flags::SYN, b"");
    line.segment(THEM, 80_000, Some(70_001), Flags::SYN, b"");
    line.next = [70_001, 80_001];
    line.says(THEM, 10, "8|11=O5|");
    assert_eq!(line.last().order, Some(Err(Reason::NoOrder)));
}

#[test]
fn stamps_that_cannot_be_subtracted_are_no_interval() {
    let stamp =
        |domain, ns| Stamp { time: WireTime::from_s_ns(1_800_000_000, ns), domain, port: 0 };
    let tai = Domain { scale: Timescale::Tai, ..CLOCK };
    let other = Domain { clock: Clock::Metamako { device: 7 }, ..CLOCK };
    for (from, to, expected) in [
        (Ok(stamp(CLOCK, 5)), Ok(stamp(CLOCK, 5)), Ok(0)),
        (Ok(stamp(other, 5)), Ok(stamp(other, 12)), Ok(7)),
        (Ok(stamp(CLOCK, 5)), Ok(stamp(CLOCK, 4)), Err(Reason::Backwards)),
        (Ok(stamp(CLOCK, 5)), Ok(stamp(tai, 9)), Err(Reason::Incomparable)),
        (Ok(stamp(other, 5)), Ok(stamp(CLOCK, 9)), Err(Reason::Incomparable)),
        (Err(NoTime::Absent), Ok(stamp(CLOCK, 9)), Err(Reason::NoStamp)),
        (Ok(stamp(CLOCK, 5)), Err(NoTime::Degraded), Err(Reason::Degraded)),
        (Err(NoTime::Joined), Ok(stamp(CLOCK, 9)), Err(Reason::Joined)),
        (Ok(stamp(CLOCK, 5)), Err(NoTime::Unsettled), Err(Reason::Unsettled)),
    ] {
        let mut line = Line::new();
        let (report, order) = (message(THEM, "8|11=O0|"), message(US, "D|11=O1|"));
        line.stamped(THEM, 500, Some(100), Flags::PSH, &report, from);
        let end = 500 + report.len() as u32;
        line.stamped(US, 100, Some(end), Flags::PSH, &order, to);
        assert_eq!(line.last().trigger, Some(expected), "{from:?} {to:?}");
    }
}

#[test]
fn effects_before_their_causes_are_told_by_whose_clocks_they_are() {
    let recorder = |file, interface| Clock::Recorder { file, interface };
    let device = Clock::Metamako { device: 0 };
    let one_clock = recorder(0, None);
    let (two, first) = (recorder(0, Some(1)), recorder(0, Some(0)));
    // Of the acknowledgement and of the segment: clock, file, port, and by how many ns the segment is stamped later.
    for (by, segment, later_ns, expected) in [
        ((one_clock, 0, 0), (one_clock, 0, 0), 5, (1, 0, 0)),
        ((two, 0, 1), (first, 0, 0), 5, (0, 1, 0)),
        // Behind each other in the file, and not by their times.
        ((two, 0, 1), (first, 0, 0), -5, (1, 0, 0)),
        ((one_clock, 0, 1), (one_clock, 0, 0), 5, (0, 1, 1)),
        ((one_clock, 0, 0), (one_clock, 1, 0), 5, (0, 1, 1)),
        ((recorder(0, None), 0, 0), (recorder(1, None), 1, 0), 5, (0, 1, 0)),
        ((recorder(0, None), 0, 0), (recorder(1, None), 1, 0), 0, (0, 0, 0)),
        ((device, 0, 1), (device, 1, 1), 5, (0, 1, 1)),
        // The ports of a device have its clock, and a file may have its frames in another order.
        ((device, 0, 1), (device, 0, 2), 5, (1, 0, 0)),
    ] {
        let mark = |(clock, file, port), ns: i64| {
            let domain = Domain { clock, ..CLOCK };
            let time = WireTime::from_s_ns(1_800_000_000, 9) + WireSpan::from_ns(ns);
            Mark { place: Place { file, frame: 1 }, stamp: Ok(Stamp { time, domain, port }) }
        };
        let mut early = Early::default();
        early.note(&mark(by, 0), &mark(segment, later_ns));
        let found = (early.in_one_file, early.between.segments, early.by_one_clock.segments);
        assert_eq!(found, expected, "{by:?} {segment:?} {later_ns}");
        let most = early.between.most.map(|ahead| (ahead.span, ahead.by.place.file));
        let span = (WireSpan::from_ns(later_ns), by.1);
        assert_eq!(most, (expected.1 > 0).then_some(span));
    }
}

#[test]
fn packets_that_a_device_is_to_part_end_with_their_frame() {
    let without_length = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes[16..18].fill(0);
        bytes
    };
    let long = frame(US, 40_000, 7, 1, Flags::ACK, &[b'x'; 70_000]);
    // Of a length that the field does not hold either.
    let whole = without_length(&long);
    // Filled up by nobody knows how much.
    let short = without_length(&frame(US, 40_000, 7, 1, Flags::ACK, b""));
    // With options that reach past the end.
    let mut beyond = without_length(&long[..70]);
    (beyond[14], beyond[46]) = (0x4f, 0x50);
    for (bytes, expected) in [(&whole, Some(70_004)), (&short, None), (&beyond, None)] {
        let mark = Mark { place: Place { file: 0, frame: 1 }, stamp: Err(NoTime::Absent) };
        let arrived = |is_cut_off| Arrived { mark, bytes, ether_type_at: 12, is_cut_off };
        let whole = arrived(false);
        let found = segment(&whole);
        assert_eq!(found.map(|of| of.payload.len()).ok(), expected);
        assert!(found.is_ok() || matches!(found, Err(NotTcp::Malformed)));
        assert!(segment(&arrived(true)).is_err(), "its end is not known");
    }
}

#[test]
fn frames_that_are_no_tcp_are_counted_by_what_they_are() {
    let whole = frame(US, 40_000, 1, 1, Flags::ACK, b"x");
    let with = |at: usize, bytes: &[u8]| {
        let mut frame = whole.clone();
        frame[at..at + bytes.len()].copy_from_slice(bytes);
        frame
    };
    let tagged = [&whole[..12], &[0x88, 0xa8, 0, 1, 0x81, 0, 0, 2], &whole[12..]].concat();
    for (bytes, is_cut_off, expected) in [
        (with(12, &[0x08, 0x06]), false, Some(NotTcp::NotIp)),
        (with(12, &[0x86, 0xdd]), false, Some(NotTcp::Ipv6)),
        (with(23, &[17]), false, Some(NotTcp::OtherProtocol)),
        (with(23, &[1]), false, Some(NotTcp::OtherProtocol)),
        (with(20, &[0x20]), false, Some(NotTcp::Fragment)),
        (whole[..40].to_vec(), true, Some(NotTcp::CutOff)),
        (whole[..13].to_vec(), true, Some(NotTcp::CutOff)),
        (whole[..40].to_vec(), false, Some(NotTcp::Malformed)),
        (with(46, &[0x40]), false, Some(NotTcp::Malformed)),
        (tagged, false, None),
        ([&whole[..12], &[0x91, 0, 0, 1], &whole[12..]].concat(), false, None),
        (whole.clone(), false, None),
    ] {
        let mut matcher = Matcher::new(Roles::default());
        let mark = Mark { place: Place { file: 0, frame: 1 }, stamp: Err(NoTime::Absent) };
        let arrived = Arrived { mark, bytes: &bytes, ether_type_at: 12, is_cut_off };
        matcher.on_frame(&arrived, &mut |_| {});
        let counts = matcher.counts();
        for what in NotTcp::ALL {
            assert_eq!(counts.not_tcp[what as usize], u64::from(expected == Some(what)), "{what}");
        }
        assert_eq!(counts.segments, u64::from(expected.is_none()));
    }
}

#[test]
fn memory_is_bounded_whatever_comes() {
    let mut matcher = Matcher::new(Roles::default());
    let mut send = |port: u16, seq: u32, payload: &[u8]| {
        let bytes = frame(US, port, seq, 0, Flags::PSH, payload);
        let mark = Mark { place: Place { file: 0, frame: 1 }, stamp: Err(NoTime::Absent) };
        let arrived = Arrived { mark, bytes: &bytes, ether_type_at: 12, is_cut_off: false };
        matcher.on_frame(&arrived, &mut |_| {});
    };
    for port in 1..=5_000 {
        send(port, 5, b"8=FIX");
    }
    let filler = vec![b'x'; 60_000];
    // Ahead of what never comes, far and farther, and another protocol's without end.
    for step in 0..200_u32 {
        send(5_000, 1_000 + step * 100_000, &filler);
        send(4_999, 10 + step * 60_000, &filler);
        send(4_998, 1_000 + step * 2, b"x");
    }
    let (connections, given_way) = matcher.connections();
    assert_eq!((connections, given_way), (5_000, 5_000 - connections::CONNECTIONS_MAX as u64));
    assert!(matcher.counts().gaps > 100);
    let mut told = 0;
    let mut line = Line::new();
    for step in 0..pending::ORDERS_MAX + 10 {
        let text = format!("D|11=O{step}|");
        line.told.clear();
        line.says(US, 0, &text);
        told += line.told.len();
    }
    assert_eq!(told, pending::ORDERS_MAX + 10);
    assert_eq!(line.matcher.unanswered(), told as u64);
    line.says(THEM, 0, "8|11=O9|");
    assert_eq!(line.last().order, Some(Err(Reason::NoOrder)));
    line.says(THEM, 0, "8|11=O10|");
    assert_eq!(line.last().order, Some(Ok(0)));
}
