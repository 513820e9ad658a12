//! The scoreboard against a slow and obvious twin.

use proptest::prelude::*;

use super::*;

const UNA: SeqNumber = SeqNumber(u32::MAX - 3_000);

#[derive(Clone, Debug)]
enum Act {
    Push(u32),
    Sack(u32, u32),
    Ack(u32),
    LoseFirst,
    LoseAll,
    LoseNew,
    Resend,
    FindAll,
    Forget,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (1u32..300).prop_map(Act::Push),
        8 => (0u32..6_000, 1u32..2_000).prop_map(|(at, len)| Act::Sack(at, len)),
        4 => (0u32..1_500).prop_map(Act::Ack),
        1 => Just(Act::LoseFirst),
        1 => Just(Act::LoseAll),
        1 => Just(Act::LoseNew),
        4 => Just(Act::Resend),
        1 => Just(Act::FindAll),
        1 => Just(Act::Forget),
    ]
}

/// The same, slow and obvious: where each segment ends, and whether it is sacked, lost, again.
struct Slow {
    una: SeqNumber,
    segments: Vec<(SeqNumber, [bool; 3])>,
}

impl Slow {
    fn starts(&self) -> Vec<SeqNumber> {
        let ends = self.segments.iter().map(|(end, _)| *end);
        core::iter::once(self.una).chain(ends).take(self.segments.len()).collect()
    }

    fn sack(&mut self, left: SeqNumber, right: SeqNumber) {
        for (start, segment) in self.starts().into_iter().zip(&mut self.segments) {
            if left.is_at_or_before(start) && segment.0.is_at_or_before(right) {
                segment.1 = [true, false, false];
            }
        }
    }

    fn lose(&mut self, count: usize) {
        for (_, marks) in self.segments.iter_mut().take(count).filter(|(_, marks)| !marks[0]) {
            *marks = [false, true, false];
        }
    }

    fn pipe(&self) -> u32 {
        let lengths = self.starts().into_iter().zip(&self.segments);
        lengths
            .map(|(start, (end, [sacked, lost, again]))| {
                let times = u32::from(!sacked && !lost) + u32::from(*again);
                end.since(start) * times
            })
            .sum()
    }
}

#[test]
fn what_is_to_be_sent_again_next_is_found_by_words_over_all_that_is_held_between() {
    for places in [512, 16_384] {
        let mut board = Scoreboard::with_places(places);
        let (now, end) = (Instant::from_ms(1), UNA + places as u32);
        (1..=places as u32).for_each(|len| board.push(UNA + len, now));
        board.sack(UNA, (UNA + 1, end - 1), |_| {});
        board.lose_all(UNA);
        assert_eq!(board.due_count(), 2);
        take_steps();
        for _ in 0..100 {
            board.resend(UNA, UNA + 1, now);
            assert_eq!(board.first_due(UNA, 1), Some(end - 1..end));
            board.lose_first(UNA);
            assert_eq!(board.first_due(UNA, 1), Some(UNA..UNA + 1));
        }
        let each = take_steps() / 100;
        assert!(each <= places as u64 / 32 + 2, "{each} looked at, of {places}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn sums_and_marks_are_those_of_a_slow_count(acts in prop::collection::vec(act(), 1..80)) {
        let mut fast = Scoreboard::with_places(64);
        let mut slow = Slow { una: UNA, segments: Vec::new() };
        let mut nxt = UNA;
        for (at_ms, act) in acts.into_iter().enumerate() {
            let now = Instant::from_ms(at_ms as u64);
            let (una, flight) = (slow.una, nxt.since(slow.una));
            match act {
                Act::Push(len) if !fast.is_full() => {
                    nxt += len;
                    fast.push(nxt, now);
                    slow.segments.push((nxt, [false; 3]));
                }
                Act::Push(_) => {}
                Act::Sack(at, len) => {
                    let (left, right) = (at.min(flight), (at + len).min(flight));
                    if left < right {
                        fast.sack(una, (una + left, una + right), |_| {});
                        slow.sack(una + left, una + right);
                    }
                }
                Act::Ack(len) => {
                    let ack = una + len.min(flight);
                    fast.pop(una, ack, |_| {});
                    slow.segments.retain(|(end, _)| ack.is_before(*end));
                    slow.una = ack;
                }
                Act::LoseFirst => {
                    if !slow.segments.first().is_some_and(|(_, marks)| marks[0]) {
                        fast.lose_first(una);
                        slow.lose(1);
                    }
                }
                Act::LoseAll => {
                    fast.lose_all(una);
                    slow.lose(usize::MAX);
                }
                Act::LoseNew => {
                    let segments = fast.segments().into_iter().rev();
                    let new = segments.take_while(|(_, marks)| *marks == Marks::NONE).count();
                    prop_assert_eq!(fast.lose_new(una), new > 0);
                    slow.segments.iter_mut().rev().take(new).for_each(|(_, marks)| marks[1] = true);
                }
                Act::Resend => {
                    let mut due = slow.segments.iter_mut().filter(|(_, marks)| marks[1] && !marks[2]);
                    let first = due.next();
                    prop_assert_eq!(fast.first_due(una, 0).map(|due| due.end), first.as_ref().map(|due| due.0));
                    if let Some((end, marks)) = first {
                        marks[2] = true;
                        fast.resend(una, *end, now);
                    }
                }
                Act::FindAll => {
                    fast.find_all(una);
                    slow.segments.iter_mut().for_each(|(_, marks)| marks[1] = false);
                }
                Act::Forget => {
                    fast.forget_sacked(una);
                    slow.segments.iter_mut().for_each(|(_, marks)| marks[0] = false);
                }
            }
            let found: Vec<_> = fast
                .segments()
                .into_iter()
                .map(|(end, marks)| (end, [Marks::SACKED, Marks::LOST, Marks::AGAIN].map(|mark| marks.has(mark))))
                .collect();
            prop_assert_eq!(&found, &slow.segments);
            prop_assert_eq!(fast.pipe(nxt.since(slow.una)), slow.pipe());
            let due = slow.segments.iter().filter(|(_, marks)| marks[1] && !marks[2]).count();
            prop_assert_eq!(fast.due_count() as usize, due);
        }
    }
}
