//! Which messages were acknowledged, and those that were not in time.

use super::super::account::{Account, Committed};
use super::super::counters::Counters;
use super::super::*;
use super::{LOCAL, REMOTE, plain};
use crate::time::{Duration, Instant};
use crate::wire::tcp::{Flags, Options, Segment, SeqNumber};

fn stale_after(ms: u64) -> Config {
    Config { stale_after: Some(Duration::from_ms(ms)), ..plain() }
}

/// An established connection whose window is closed and that has 300 bytes to send, stale after 100 ms.
fn waiting() -> (Stack, ConnectionId, Segment<'static>) {
    waiting_with(stale_after(100))
}

fn waiting_with(config: Config) -> (Stack, ConnectionId, Segment<'static>) {
    let mut stack = Stack::new(config, *b"sixteen secret b");
    let id = stack.connect(Instant::ZERO, LOCAL, REMOTE).unwrap();
    let syn = stack.poll_transmit(Instant::ZERO).unwrap().header;
    let mut segment = Segment {
        src_port: REMOTE.port,
        dst_port: LOCAL.port,
        seq: SeqNumber(7),
        ack: syn.seq + 1,
        flags: Flags::SYN.with(Flags::ACK),
        window: 0,
        options: Options::NONE,
        payload: &[],
        is_ce: false,
    };
    stack.on_segment(Instant::ZERO, REMOTE.addr, LOCAL.addr, &segment);
    (segment.seq, segment.flags) = (SeqNumber(8), Flags::ACK);
    while stack.poll_transmit(Instant::ZERO).is_some() {}
    stack.reserve(id, 300).unwrap().fill(b'x');
    stack.commit(Instant::ZERO, id, 300).unwrap();
    assert!(stack.poll_transmit(Instant::ZERO).is_none());
    (stack, id, segment)
}

#[test]
fn a_window_that_opens_too_late_lets_nothing_stale_out_though_the_timer_has_not_run() {
    let late = Instant::from_ms(100);
    let (mut stack, id, mut segment) = waiting();
    segment.window = 10_000;
    stack.on_segment(late, REMOTE.addr, LOCAL.addr, &segment);
    let turn = stack.next_transmit().unwrap();
    assert!(stack.rest(turn).is_none(), "it would be what nearly every segment is");
    assert!(stack.transmit(late, turn).unwrap().header.flags.has(Flags::RST));
    assert!(stack.next_transmit().is_none());
    assert_eq!(stack.info(id).unwrap().state, State::Closed);
    // A moment earlier it leaves.
    let in_time = Instant::from_ms(99);
    let (mut stack, _, segment) = waiting();
    stack.on_segment(in_time, REMOTE.addr, LOCAL.addr, &Segment { window: 10_000, ..segment });
    assert_eq!(stack.poll_transmit(in_time).unwrap().payload.concat().len(), 300);
}

#[test]
fn the_ack_of_a_segment_that_came_too_late_to_matter_ends_nothing_while_more_is_to_be_heard() {
    let (mut stack, id, segment) = waiting();
    let (soon, late) = (Instant::from_ms(1), Instant::from_ms(150));
    let opened = Segment { window: 10_000, ..segment };
    stack.on_segment(soon, REMOTE.addr, LOCAL.addr, &opened);
    let sent = stack.poll_transmit(soon).unwrap().header;
    // The host has stood still. One that left before our message arrived comes first, then its ACK.
    let text = Segment { payload: b"text", ..opened };
    stack.on_segment(late, REMOTE.addr, LOCAL.addr, &text);
    assert_eq!(stack.poll_transmit(late).map(|sent| sent.header.flags), Some(Flags::ACK));
    let ack = Segment { seq: text.seq + 4, ack: sent.seq + 300, ..opened };
    stack.on_segment(late, REMOTE.addr, LOCAL.addr, &ack);
    stack.on_timeout(late);
    assert_eq!(stack.info(id).unwrap().state, State::Established);
}

#[test]
fn what_grows_stale_between_its_turn_and_its_leaving_does_not_leave() {
    let (in_time, late) = (Instant::from_ms(99), Instant::from_ms(100));
    let (mut stack, _, segment) = waiting();
    stack.on_segment(in_time, REMOTE.addr, LOCAL.addr, &Segment { window: 10_000, ..segment });
    let turn = stack.next_transmit().unwrap();
    assert!(stack.rest(turn).is_some(), "it is what nearly every segment is");
    assert!(stack.next_fast(late).is_none(), "the shortest way is closed where it may grow stale");
    assert!(stack.rest(turn).is_none());
    assert!(stack.transmit(late, turn).unwrap().header.flags.has(Flags::RST));
    assert_eq!(stack.counters().of(Count::Stale), 1);
}

#[test]
fn tags_and_lengths_are_told_of_what_is_outstanding() {
    let (mut stack, id, mut segment) = waiting();
    stack.reserve(id, 50).unwrap().fill(b'y');
    let number = stack.commit_tagged(Instant::from_ms(3), id, 50, 41).unwrap();
    assert_eq!(number, MessageNumber(2));
    segment.window = 10_000;
    let now = Instant::from_ms(4);
    stack.on_segment(now, REMOTE.addr, LOCAL.addr, &segment);
    stack.poll_transmit(now).unwrap();
    segment.ack += 320;
    stack.on_segment(now, REMOTE.addr, LOCAL.addr, &segment);
    let left: Vec<_> = stack.outstanding(id).collect();
    let expected = Outstanding {
        number,
        tag: 41,
        committed_at: Instant::from_ms(3),
        len: 50,
        sent: 50,
        acknowledged: 20,
        first_sent_at: Some(now),
        is_sent_again: false,
    };
    assert_eq!(left, [expected]);
    assert_eq!(stack.commit(now, id, 10), None, "nothing was reserved");
}

#[test]
fn how_a_message_left_is_told_after_the_end_too_until_the_connection_is_released() {
    let (mut stack, id, mut segment) = waiting_with(plain());
    segment.window = 10_000;
    let sent = Instant::from_ms(4);
    stack.on_segment(sent, REMOTE.addr, LOCAL.addr, &segment);
    stack.poll_transmit(sent).unwrap();
    let told = |stack: &Stack| -> Vec<_> {
        let left = stack.outstanding(id);
        left.map(|message| (message.sent, message.first_sent_at, message.is_sent_again)).collect()
    };
    assert_eq!(told(&stack), [(300, Some(sent), false)]);
    // Nobody answers, and it goes again.
    let again = loop {
        let due = stack.next_timeout();
        stack.on_timeout(due);
        if stack.poll_transmit(due).is_some() {
            break due;
        }
    };
    assert_eq!(told(&stack), [(300, Some(sent), true)]);
    segment.flags = Flags::RST;
    stack.on_segment(again, REMOTE.addr, LOCAL.addr, &segment);
    assert_eq!(stack.info(id).unwrap().state, State::Closed);
    assert_eq!(told(&stack), [(300, Some(sent), true)]);
    stack.release(id);
    assert_eq!(told(&stack), []);
}

/// Messages as anybody would keep them: a list of ends.
#[test]
fn random_messages_and_acks_agree_with_a_list_and_full_ones_count_as_one() {
    let config = Config { send_buffer_bytes: 1024, ..plain() };
    let mut random = 88_172_645_463_325_252u64;
    let (mut account, mut counters) = (Account::new(&config), Counters::default());
    let (mut ends, mut una, mut end) = (Vec::<SeqNumber>::new(), SeqNumber(u32::MAX - 700), 0);
    end += una.0;
    for step in 0..20_000u32 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let under_way = end.wrapping_sub(una.0);
        if random & 3 != 0 && under_way < 1024 {
            let start = SeqNumber(end);
            end = end.wrapping_add(1 + (random >> 20) as u32 % 60);
            let message = Committed::new(Instant::ZERO, SeqNumber(end), step);
            let merged = counters.of(Count::MessagesMerged);
            let number = account.note(una, start, message, &mut counters);
            if counters.of(Count::MessagesMerged) > merged {
                ends.pop();
            }
            ends.push(SeqNumber(end));
            assert_eq!(number.0 as usize, ends.len());
        } else {
            una += (random >> 20) as u32 % (under_way + 1);
        }
        let acknowledged = ends.iter().filter(|end| end.is_at_or_before(una)).count() as u64;
        assert_eq!(account.committed(), ends.len() as u64);
        assert_eq!(account.acknowledged(una), acknowledged, "step {step}");
        let oldest = account.oldest(una).map(|oldest| oldest.end());
        assert_eq!(oldest, ends.get(acknowledged as usize).copied());
        if ends.len() > 3_000 {
            break;
        }
    }
    assert!(counters.of(Count::MessagesMerged) > 10, "the limit was met");
}
