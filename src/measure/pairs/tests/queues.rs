//! Messages that queue: behind an order that acknowledges several, which of them are still to be answered.

use super::*;

/// When messages come, and when the order leaves that each leads to, if it leads to one, in nanoseconds.
type Served = Vec<(u32, Option<u32>)>;

/// A line on which an application answers in the order in which messages came, behind a TCP that acknowledges whatever has
/// come, with stamps that are cut off to a tick: how many orders there were, and how many of them had their trigger.
fn queued(served: &Served, tick_ns: u32) -> (usize, usize) {
    let mut events: Vec<(u32, usize, usize)> = Vec::new();
    for (number, (came, left)) in served.iter().enumerate() {
        events.push((*came, THEM, number));
        events.extend(left.map(|left| (left, US, number)));
    }
    events.sort_unstable();
    let (mut line, mut orders, mut found) = (Line::new(), 0, 0);
    line.tick_ns = tick_ns;
    for (ns, side, number) in events {
        let since = ns - line.ns;
        if side == THEM {
            line.says(THEM, since, "8|11=A|");
            continue;
        }
        line.says(US, since, "D|11=O|");
        orders += 1;
        if let Some(Ok(told)) = line.last().trigger {
            let cut = |ns: u32| ns / tick_ns * tick_ns;
            let truth = cut(ns) - cut(served[number].0);
            assert_eq!(told, i128::from(truth), "of message {number}: {served:?}");
            found += 1;
        }
    }
    (orders, found)
}

/// An application that answers each message, in the order in which they came, so long after it has taken it up.
fn served(came: impl IntoIterator<Item = u32>, mut takes: impl FnMut() -> u32) -> Served {
    let mut free_from = 0;
    let answered = came.into_iter().map(|at| {
        free_from = free_from.max(at) + takes();
        (at, Some(free_from))
    });
    answered.collect()
}

/// Numbers below one that is given, that nothing relates.
fn dice() -> impl FnMut(u32) -> u32 {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    move |most| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 11) as u32 % most
    }
}

#[test]
fn however_messages_queue_no_order_has_another_s_trigger() {
    let mut below = dice();
    let (mut orders_at_ease, mut found_at_ease) = (0, 0);
    for round in 0..300 {
        // From an application that hardly has time to one that is idle mostly; some messages are not answered.
        let (spacing, mute) = (400 + 200 * (round % 30), below(4) * 15);
        let (mut at, mut free_from) = (0, 0);
        let mut one_by_one = Served::new();
        for number in 0..100 {
            // More at once than are kept, every now and then.
            let is_burst = round % 4 == 3 && (20..90).contains(&number);
            at += 1 + below(if is_burst { 20 } else { 2 * spacing });
            let left = (below(100) >= mute).then(|| free_from.max(at) + 1_000 + below(1_000));
            free_from = left.unwrap_or(free_from);
            one_by_one.push((at, left));
        }
        if round % 4 == 3 {
            // While those are worked through, and then at ease.
            for _ in 0..100 {
                at += 1 + below(2 * spacing);
                free_from = free_from.max(at) + 1_000 + below(1_000);
                one_by_one.push((at, Some(free_from)));
            }
        }
        let (orders, found) = queued(&one_by_one, 1);
        if spacing > 4_000 && mute == 0 && round % 4 != 3 {
            (orders_at_ease, found_at_ease) = (orders_at_ease + orders, found_at_ease + found);
        }
        // Several at a time, each after so long.
        let mut latest = 0;
        let together = (0..100).map(|number| {
            latest = (number * spacing + below(spacing) + 15_000).max(latest + 1);
            (number * spacing, Some(latest))
        });
        assert_eq!(queued(&together.collect(), 1), (100, 0), "{spacing}");
    }
    assert!(found_at_ease * 2 > orders_at_ease, "{found_at_ease} of {orders_at_ease}");
}

#[test]
fn what_a_queue_was_too_long_to_keep_is_owed_an_answer_as_well() {
    let spacings = [20_000; 3].into_iter().chain([10; 100]).chain([7_000; 200]);
    let came = spacings.chain([200_000; 20]).scan(0, |at, spacing| {
        *at += spacing;
        Some(*at)
    });
    // Those before the queue, of which the third left while it came, and those behind it.
    assert_eq!(queued(&served(came, || 5_000), 1), (323, 22));
    // The name of one that is kept may be another's that is not.
    let mut line = Line::at_ease();
    line.says(THEM, 10_000, "8|11=B|");
    (0..70).for_each(|_| line.says(THEM, 1, "8|11=A|"));
    line.says(THEM, 1, "8|11=C|");
    for named in ["B", "C"] {
        line.says(US, 50, &format!("G|11=O|41={named}|"));
        assert!(line.last().trigger.unwrap().is_err(), "{named}: {:?}", line.last());
    }
    // Nothing of it is left to be answered after a second.
    line.says(THEM, 1_000_000_001, "8|11=A|");
    line.says(US, 8, "D|11=O|");
    assert_eq!(line.last().trigger, Some(Ok(8)));
}

#[test]
fn a_pause_is_one_tick_of_the_stamps_shorter_than_it_looks_and_an_order_took_one_longer() {
    let mut below = dice();
    for tick_ns in [1_000, 100, 8] {
        let (mut orders, mut found) = (0, 0);
        for round in 0..150 {
            let takes = 300 + 50 * (round % 3);
            let mut came = Vec::new();
            let mut at = 1_000;
            for _ in 0..40 {
                at += 1 + below(if round % 2 == 0 { 2_000 } else { 20_000 });
                for _ in 0..=below(4) {
                    came.push(at);
                    at += 1 + below(150);
                }
            }
            let served = served(came, || takes + below(takes));
            let (of_these, had) = queued(&served, tick_ns);
            (orders, found) = (orders + of_these, found + had);
        }
        // Of those in ten that come by themselves, half of them at ease.
        assert!(found * 40 > orders, "{found} of {orders} by {tick_ns} ns");
    }
}

#[test]
fn an_order_that_is_stamped_before_its_messages_does_not_tell_how_long_it_took() {
    let stamp = |ns| {
        let time = WireTime::from_s_ns(1_800_000_001, ns);
        Ok(Stamp { time, domain: CLOCK, port: 0 })
    };
    let mut line = Line::at_ease();
    let mut says = |side: usize, ns: u32, body: &str| {
        let text = message(side, body);
        let (seq, acknowledged) = (line.next[side], line.next[1 - side]);
        line.next[side] += text.len() as u32;
        line.stamped(side, seq, Some(acknowledged), Flags::PSH, &text, stamp(ns));
        line.last().trigger
    };
    says(THEM, 100, "8|11=A|");
    says(THEM, 110, "8|11=A|");
    assert_eq!(says(US, 90, "D|11=O|"), Some(Err(Reason::Several)));
    says(THEM, 2_000, "8|11=A|");
    assert_eq!(says(US, 2_005, "D|11=O|"), Some(Err(Reason::Owed)));
}

#[test]
fn a_second_s_pause_settles_whatever_an_order_took() {
    let mut line = Line::at_ease();
    line.says(THEM, 10_000, "8|11=A|");
    line.says(THEM, 10, "8|11=A|");
    line.says(US, 700_000_000, "D|11=O|");
    assert_eq!(line.last().trigger, Some(Err(Reason::Several)));
    line.says(THEM, 1_000_000_001, "8|11=A|");
    line.says(US, 9, "D|11=O|");
    assert_eq!(line.last().trigger, Some(Ok(9)));
}

#[test]
fn a_pause_settles_nothing_of_what_is_lost_behind_it() {
    let mut line = Line::new();
    for _ in 0..2 {
        line.says(THEM, 100_000, "8|11=A|");
        line.says(US, 9_000, "D|11=O|");
        assert_eq!(line.last().trigger, Some(Ok(9_000)));
    }
    line.says(THEM, 2_000_000_000, "8|11=A|");
    line.next[THEM] += 2 * message(THEM, "8|11=A|").len() as u32;
    line.says(THEM, 10_000, "8|11=A|");
    // To the first of four, of which two are lost.
    line.says(US, 5_000, "D|11=O|");
    assert_eq!(line.last().trigger, Some(Err(Reason::Missing)));
    line.says(US, 10_000, "D|11=O|");
    assert_eq!(line.last().trigger, Some(Err(Reason::NothingNew)));
    line.says(THEM, 5_000, "8|11=A|");
    line.says(US, 5_000, "D|11=O|");
    // It may be to one of those.
    assert_eq!(line.last().trigger, Some(Ok(5_000)));
    assert_eq!(line.matcher.counts().behind_unseen, 1);
    line.says(THEM, 1_000_000_001, "8|11=A|");
    line.says(US, 5_000, "D|11=O|");
    assert_eq!((line.last().trigger, line.matcher.counts().behind_unseen), (Some(Ok(5_000)), 1));
}

#[test]
fn a_message_that_is_captured_behind_the_order_that_acknowledges_it_may_be_owed_an_answer() {
    let len = message(THEM, "8|11=A|").len() as u32;
    // One at a time is what that order is the answer to.
    let mut line = Line::at_ease();
    let ahead = line.next[THEM] + len;
    line.says_by(US, 10_000, "D|11=O|", ahead);
    assert_eq!(line.last().trigger, Some(Err(Reason::Unseen)));
    line.says(THEM, 10, "8|11=A|");
    line.says(THEM, 500, "8|11=A|");
    line.says(US, 400, "D|11=O|");
    assert_eq!(line.last().trigger, Some(Ok(400)));
    // Of two it is the answer to either.
    line.says(THEM, 10_000, "8|11=A|");
    let ahead = line.next[THEM] + len;
    line.says_by(US, 300, "D|11=O|", ahead);
    assert_eq!(line.last().trigger, Some(Err(Reason::Unseen)));
    line.says(THEM, 10, "8|11=A|");
    line.says(THEM, 100, "8|11=A|");
    line.says(US, 200, "D|11=O|");
    assert_eq!(line.last().trigger, Some(Err(Reason::Owed)));
    // It took 310 ns at the most, as its stamps are 10 ns off: after twice that nothing is left to be answered.
    line.says(THEM, 623, "8|11=A|");
    line.says(US, 200, "D|11=O|");
    assert_eq!(line.last().trigger, Some(Err(Reason::Owed)));
    line.says(THEM, 624, "8|11=A|");
    line.says(US, 200, "D|11=O|");
    assert_eq!(line.last().trigger, Some(Ok(200)));
}
