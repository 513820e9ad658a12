//! The wheel beside a sorted map, which is slow and obvious.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const CONNECTIONS: usize = 12;
/// More looks than anything here may take.
const EVERYTHING: u32 = 1 << 16;

/// What is done to a wheel.
#[derive(Clone, Debug)]
enum Step {
    Advance(usize, u64),
    /// A deadline that lies so many ns back.
    AdvanceLate(usize, u64),
    Cancel(usize),
    /// Time goes on by so many ns, and so many looks are allowed.
    Pass(u64, u32),
    /// A time that lies so many ns back is told.
    GoBack(u64),
}

/// Spans of every magnitude, those of a tick as likely as those of years.
fn spans() -> impl Strategy<Value = u64> {
    (0..63u32, any::<u64>()).prop_map(|(bits, random)| random & ((1 << bits) - 1))
}

fn steps() -> impl Strategy<Value = Step> {
    let index = 0..CONNECTIONS;
    prop_oneof![
        6 => (index.clone(), spans()).prop_map(|(index, span)| Step::Advance(index, span)),
        1 => (index.clone(), spans()).prop_map(|(index, span)| Step::AdvanceLate(index, span)),
        1 => index.prop_map(Step::Cancel),
        3 => (spans(), prop_oneof![Just(EVERYTHING), 0..4u32])
            .prop_map(|(span, looks)| Step::Pass(span, looks)),
        1 => spans().prop_map(Step::GoBack),
    ]
}

/// A wheel and its model: the deadlines, sorted by whose they are.
struct Pair {
    wheel: TimerWheel,
    deadlines: BTreeMap<usize, Instant>,
    now: u64,
}

impl Pair {
    fn new(connections: usize) -> Pair {
        Pair { wheel: TimerWheel::new(connections), deadlines: BTreeMap::new(), now: 0 }
    }

    fn advance(&mut self, index: usize, deadline: u64) {
        let deadline = Instant::from_ns(deadline);
        self.wheel.advance(index, deadline);
        let set = self.deadlines.entry(index).or_insert(deadline);
        *set = deadline.min(*set);
    }

    fn cancel(&mut self, index: usize) {
        self.wheel.cancel(index);
        self.deadlines.remove(&index);
    }

    /// Says how many looks it took.
    fn go_to(&mut self, now: u64, looks_max: u32) -> u32 {
        let now = Instant::from_ns(now);
        let mut looks = looks_max;
        while let Some(index) = self.wheel.next_due(now, &mut looks) {
            let deadline = self.deadlines.remove(&index).expect("it had a deadline");
            assert!(deadline <= now, "{deadline:?} has not come at {now:?}");
        }
        assert!(looks > 0 || looks_max < EVERYTHING, "it goes round and round");
        if looks > 0 {
            assert!(self.deadlines.values().all(|deadline| *deadline > now), "one was forgotten");
            assert!(self.wheel.earliest() > now, "nothing is due, and it says that something is");
        }
        looks_max - looks
    }

    fn earliest(&self) -> Instant {
        self.deadlines.values().copied().min().unwrap_or(Instant::FAR_FUTURE)
    }
}

proptest! {
    #[test]
    fn what_goes_off_is_what_a_sorted_map_says(steps in prop::collection::vec(steps(), 1..400)) {
        let mut pair = Pair::new(CONNECTIONS);
        for step in steps {
            let after = |span: u64| pair.now.saturating_add(span).min(u64::MAX - 1);
            match step {
                Step::Advance(index, span) => pair.advance(index, after(span)),
                Step::AdvanceLate(index, span) => {
                    pair.advance(index, pair.now.saturating_sub(span));
                }
                Step::Cancel(index) => pair.cancel(index),
                Step::Pass(span, looks) => {
                    pair.now = after(span);
                    pair.go_to(pair.now, looks);
                }
                Step::GoBack(span) => _ = pair.go_to(pair.now.saturating_sub(span), EVERYTHING),
            }
            prop_assert!(pair.wheel.earliest() <= pair.earliest(), "too late");
        }
    }

    /// Whoever goes from one time that the wheel says to the next meets every deadline at its very time.
    #[test]
    fn going_by_the_wheels_word_meets_each_deadline_at_its_time(
        spans in prop::collection::vec((0..CONNECTIONS, spans()), 1..40),
        cancelled in prop::collection::vec(0..CONNECTIONS, 0..6),
    ) {
        let mut pair = Pair::new(CONNECTIONS);
        spans.into_iter().for_each(|(index, at)| pair.advance(index, at));
        cancelled.into_iter().for_each(|index| pair.cancel(index));
        let mut rounds = 0;
        while pair.wheel.earliest() != Instant::FAR_FUTURE {
            let (before, at) = (pair.deadlines.len(), pair.wheel.earliest());
            prop_assert!(at >= Instant::from_ns(pair.now), "it goes back");
            let due = pair.deadlines.values().filter(|deadline| **deadline == at).count();
            pair.now = at.as_ns();
            pair.go_to(pair.now, EVERYTHING);
            prop_assert_eq!(before - pair.deadlines.len(), due, "a deadline was missed");
            rounds += 1;
        }
        prop_assert!(pair.deadlines.is_empty());
        prop_assert!(rounds <= 3 * CONNECTIONS, "{} rounds", rounds);
    }
}

#[test]
fn the_next_deadline_is_told_to_the_ns_whatever_is_set() {
    let mut pair = Pair::new(64);
    for (index, bits) in (0..64).rev().enumerate() {
        pair.advance(index, (1 << bits) + index as u64);
        assert_eq!(pair.wheel.earliest(), pair.earliest(), "2^{bits} ns");
    }
    // Nothing moves as long as nothing is due.
    let earliest = pair.earliest();
    pair.go_to(earliest.as_ns() - 1, EVERYTHING);
    assert_eq!((pair.deadlines.len(), pair.wheel.earliest()), (64, earliest));
    // One that was taken back is not waited for, but for what lies with it in a slot of the lowest level.
    for index in (0..64).rev() {
        pair.cancel(index);
        let early_ns = pair.earliest().ns_since(pair.wheel.earliest());
        assert!(early_ns < 1 << TICK_BITS, "without {index}, {early_ns} ns early");
    }
    assert_eq!(pair.wheel.earliest(), Instant::FAR_FUTURE);
}

#[test]
fn a_jump_over_the_whole_wheel_looks_once_at_each() {
    let count = 4_096;
    let mut pair = Pair::new(count);
    for index in 0..count {
        pair.advance(index, (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (index % 60));
    }
    assert_eq!(pair.go_to(u64::MAX - 1, EVERYTHING), count as u32);
    assert!(pair.deadlines.is_empty());
}

#[test]
fn deadlines_of_one_moment_are_looked_at_a_few_at_a_time_and_none_is_lost() {
    let (count, hour) = (4_096, 3_600_000_000_000);
    let mut pair = Pair::new(count);
    (0..count).for_each(|index| pair.advance(index, hour + index as u64 % 3));
    let mut rounds = 0;
    pair.now = hour + 1;
    while pair.wheel.earliest() <= Instant::from_ns(pair.now) {
        assert!(pair.go_to(pair.now, 64) <= 64);
        // Those that are set meanwhile find their places.
        if rounds == 7 {
            pair.cancel(4_000);
            pair.advance(4_000, hour + 2);
        }
        rounds += 1;
    }
    let left = pair.deadlines.len();
    assert!(pair.deadlines.values().all(|at| *at == Instant::from_ns(hour + 2)), "{left} left");
    assert!((count / 64..=count / 64 + 1).contains(&rounds), "{rounds} rounds");
    pair.go_to(hour + 2, EVERYTHING);
    assert!(pair.deadlines.is_empty());
}

#[test]
fn a_deadline_moves_down_at_most_once_for_each_level() {
    let mut pair = Pair::new(2);
    let far = u64::MAX - 12_345;
    pair.advance(0, far);
    // Another is set each time that the wheel turns, so that it turns in small steps.
    let mut looks = 0;
    for bits in (TICK_BITS..64).rev() {
        pair.now = far - (1 << bits).min(far);
        pair.advance(1, pair.now);
        looks += pair.go_to(pair.now, EVERYTHING);
    }
    assert_eq!(pair.deadlines.len(), 1);
    let others = 64 - TICK_BITS;
    assert!(looks <= others + LEVELS as u32, "{looks} looks");
}
