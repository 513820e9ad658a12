//! The shortest way: what takes it, what does not, and what it leaves for later.

use super::super::fast::SENT;
use super::super::*;
use super::{LOCAL, REMOTE};
use crate::time::{Duration, Instant};
use crate::wire::stamped::{STAMPED_HEADER_LEN, Stamped};
use crate::wire::tcp::{Flags, Options, Repr, Segment, SeqNumber, Timestamps};

const LEN: u32 = 100;

/// Two sides in a conversation: the peer asks, we answer, and the peer's next question acknowledges that.
struct Conversation {
    stack: Stack,
    id: ConnectionId,
    now: Instant,
    /// The next question.
    next: Repr,
}

impl Conversation {
    fn new() -> Conversation {
        let now = Instant::from_ms(50);
        let mut stack = Stack::new(Config::default(), [9; 16]);
        let id = stack.connect(now, LOCAL, REMOTE).unwrap();
        let syn = stack.poll_transmit(now).unwrap().header;
        let stamps = syn.options.timestamps.map(|ours| Timestamps { value: 70, echo: ours.value });
        let mut next = Repr {
            src_port: REMOTE.port,
            dst_port: LOCAL.port,
            seq: SeqNumber(u32::MAX - 250),
            ack: syn.seq + 1,
            flags: Flags::SYN.with(Flags::ACK),
            window: 5_000,
            options: Options { timestamps: stamps, ..syn.options },
        };
        stack.on_segment(now, REMOTE.addr, LOCAL.addr, &segment(&next, &[]));
        while stack.poll_event().is_some() || stack.poll_transmit(now).is_some() {}
        (next.seq, next.flags) = (next.seq + 1, Flags::ACK);
        next.options = Options { timestamps: stamps, ..Options::NONE };
        let mut conversation = Conversation { stack, id, now, next };
        for _ in 0..3 {
            assert!(conversation.asks(None, LEN));
            conversation.answers();
        }
        conversation.stack.took_fast = 0;
        conversation
    }

    /// Takes in the next question, or an`other`, if it is predicted.
    fn asks(&mut self, other: Option<Repr>, len: u32) -> bool {
        let header = other.unwrap_or(self.next);
        let mut bytes = [0; STAMPED_HEADER_LEN];
        header.emit(&mut bytes);
        self.stack.take_predicted(self.now, self.id, Stamped::of(&bytes, len as usize))
    }

    /// Answers, and has what comes next follow on it. Says whether the answer left the shortest way.
    fn answers(&mut self) -> bool {
        let write = |room: &mut [u8]| room.len();
        self.stack.write(self.now, self.id, LEN as usize, write).unwrap();
        let is_fast = if let Some(leaving) = self.stack.next_fast(self.now) {
            assert_eq!((leaving.connection(), leaving.remote()), (self.id, REMOTE.addr));
            assert_eq!(leaving.send_whole().payload[0].len() as u32, LEN);
            true
        } else {
            self.stack.poll_transmit(self.now).unwrap();
            false
        };
        assert!(self.stack.next_transmit().is_none());
        self.now = self.now + Duration::from_us(300);
        (self.next.seq, self.next.ack) = (self.next.seq + LEN, self.next.ack + LEN);
        is_fast
    }
}

fn segment<'a>(header: &Repr, payload: &'a [u8]) -> Segment<'a> {
    let Repr { src_port, dst_port, seq, ack, flags, window, options } = *header;
    Segment { src_port, dst_port, seq, ack, flags, window, options, payload, is_ce: false }
}

#[test]
fn conversation_goes_the_shortest_way_both_ways() {
    let mut conversation = Conversation::new();
    for round in 1..=5 {
        assert!(conversation.asks(None, LEN));
        assert_eq!(conversation.stack.took_fast, round, "the shortest way in");
        assert!(conversation.answers(), "the shortest way out");
    }
}

#[test]
fn scoreboard_is_told_of_what_was_sent_alone_before_anybody_asks_it() {
    let mut conversation = Conversation::new();
    assert!(conversation.asks(None, LEN) && conversation.answers());
    let Conversation { stack, id, now, .. } = &mut conversation;
    let (id, now) = (*id, *now);
    let connection = &stack.connections[id.index()];
    assert_eq!((connection.send.ready, connection.flight()), (SENT, LEN));
    assert_eq!(connection.scoreboard.segments().len(), 0);
    stack.write(now, id, LEN as usize, |room| room.len()).unwrap();
    let connection = &stack.connections[id.index()];
    assert_eq!((connection.send.ready, connection.scoreboard.segments().len()), (LEN, 1));
    stack.next_fast(now).expect("it is the usual one").send();
    assert_eq!(stack.connections[id.index()].scoreboard.segments().len(), 2);
    conversation.next.ack += LEN;
    conversation.now = now + Duration::from_us(300);
    let before = conversation.stack.took_fast;
    assert!(conversation.asks(None, LEN));
    assert_eq!(conversation.stack.took_fast, before + 1, "an ACK of both");
    assert_eq!(conversation.stack.connections[id.index()].segments().len(), 0);
}

#[test]
fn what_is_reserved_behind_a_segment_is_where_it_was_once_that_is_acknowledged() {
    for has_left in [true, false] {
        let mut conversation = Conversation::new();
        assert!(conversation.asks(None, LEN));
        let (id, now) = (conversation.id, conversation.now);
        let stack = &mut conversation.stack;
        if has_left {
            assert!(conversation.answers());
            conversation.stack.reserve(id, 5).unwrap().copy_from_slice(b"later");
        } else {
            stack.write(now, id, LEN as usize, |room| room.len()).unwrap();
            stack.reserve(id, 5).unwrap().copy_from_slice(b"later");
            let is_fast = stack.next_fast(now).map(|leaving| leaving.send()).is_some();
            assert!(is_fast || stack.poll_transmit(now).is_some());
            conversation.now = now + Duration::from_us(300);
            let next = &mut conversation.next;
            (next.seq, next.ack) = (next.seq + LEN, next.ack + LEN);
        }
        assert!(conversation.asks(None, LEN), "an ACK of all");
        let now = conversation.now;
        conversation.stack.commit(now, id, 5).unwrap();
        let segment = conversation.stack.poll_transmit(now).unwrap();
        assert_eq!(segment.payload.concat(), b"later", "has left: {has_left}");
    }
}

#[test]
fn reset_that_waits_lets_the_shortest_way_go_first_and_leaves_next() {
    let mut conversation = Conversation::new();
    assert!(conversation.asks(None, LEN));
    let stray = Repr { src_port: REMOTE.port + 1, ..conversation.next };
    let Conversation { stack, id, now, .. } = &mut conversation;
    stack.on_segment(*now, REMOTE.addr, LOCAL.addr, &segment(&stray, b"x"));
    stack.write(*now, *id, LEN as usize, |room| room.len()).unwrap();
    let leaving = stack.next_fast(*now).expect("it is the usual one");
    assert_eq!(leaving.send_whole().payload[0].len() as u32, LEN);
    assert!(stack.next_fast(*now).is_none());
    let reset = stack.poll_transmit(*now).expect("a reset").header;
    assert!(reset.flags.has(Flags::RST) && reset.dst_port == stray.src_port);
    assert!(stack.poll_transmit(*now).is_none());
}

#[test]
fn only_the_segment_to_come_takes_the_shortest_way() {
    let plain = Conversation::new();
    let next = plain.next;
    let stamps = next.options.timestamps.unwrap();
    let stamped =
        |value| Options { timestamps: Some(Timestamps { value, ..stamps }), ..Options::NONE };
    let others = [
        ("later", Repr { seq: next.seq + 1, ..next }),
        ("earlier", Repr { seq: next.seq - 1, ..next }),
        ("an ACK of less", Repr { ack: next.ack - 1, ..next }),
        ("an ACK of more", Repr { ack: next.ack + 1, ..next }),
        ("FIN", Repr { flags: Flags::ACK.with(Flags::FIN), ..next }),
        ("RST", Repr { flags: Flags::ACK.with(Flags::RST), ..next }),
        ("no ACK", Repr { flags: Flags::PSH, ..next }),
        ("another window", Repr { window: next.window - 1, ..next }),
        ("an old stamp", Repr { options: stamped(stamps.value - 1), ..next }),
    ];
    for (what, header) in others {
        let mut conversation = Conversation::new();
        conversation.asks(Some(header), LEN);
        assert_eq!(conversation.stack.took_fast, 0, "{what}");
    }
    for (what, len) in [("nothing in it", 0), ("past the window", 60_000)] {
        let mut conversation = Conversation::new();
        conversation.asks(None, len);
        assert_eq!(conversation.stack.took_fast, 0, "{what}");
    }
    let mut conversation = Conversation::new();
    let pushed = Repr { flags: Flags::ACK.with(Flags::PSH), ..next };
    conversation.asks(Some(Repr { options: stamped(stamps.value + 1), ..pushed }), LEN);
    assert_eq!(conversation.stack.took_fast, 1, "PSH and a newer stamp");
}

#[test]
fn timers_of_what_left_the_shortest_way_go_off_as_if_wound_up_at_once() {
    let mut conversation = Conversation::new();
    assert!(conversation.asks(None, LEN));
    // Not when it was heard.
    conversation.now = conversation.now + Duration::from_us(40);
    let sent_at = conversation.now;
    assert!(conversation.answers());
    let stack = &mut conversation.stack;
    let rto = stack.info(conversation.id).unwrap().rto;
    let earliest = stack.next_timeout();
    let (connection, cx) = stack.connection_and_context(conversation.id.index());
    let probe_timeout = connection.rtt.probe_timeout(true);
    assert_eq!(connection.deadlines.retransmit, sent_at + rto);
    assert_eq!(connection.deadlines.probe, sent_at + probe_timeout);
    assert_eq!(connection.rtt.rto(cx.config), rto);
    assert!(earliest <= sent_at + probe_timeout, "somebody wakes us in time");
}

#[test]
fn a_timestamp_is_old_for_24_days_after_the_last_whatever_comes_without_one() {
    let days = Duration::from_s(13 * 24 * 3600);
    for has_stamps in [false, true] {
        let mut conversation = Conversation::new();
        conversation.stack.config.requires_timestamps = false;
        assert!(conversation.asks(None, LEN) && conversation.answers());
        for _ in 0..2 {
            conversation.now = conversation.now + days;
            let mut question = conversation.next;
            question.options.timestamps = question.options.timestamps.filter(|_| has_stamps);
            let (now, question) = (conversation.now, segment(&question, &[7; LEN as usize]));
            conversation.stack.on_segment(now, REMOTE.addr, LOCAL.addr, &question);
            conversation.answers();
        }
        conversation.now = conversation.now + days;
        let mut late = conversation.next;
        late.options.timestamps.as_mut().expect("they are agreed on").value -= 1;
        let late = segment(&late, &[7; LEN as usize]);
        let now = conversation.now;
        conversation.stack.on_segment(now, REMOTE.addr, LOCAL.addr, &late);
        assert_eq!(conversation.stack.counters().of(Count::TimestampOld), u64::from(has_stamps));
    }
}
