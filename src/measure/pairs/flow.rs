//! What one side of a connection sent that the other side has not acted upon yet, as far as its acknowledgements tell.

use std::collections::VecDeque;

use crate::wire::tcp::SeqNumber;

use super::exclusion::Reason;
use super::mark::Mark;

/// Messages that wait for an order that acknowledges them; of more the oldest are let go of, and that there were more is known.
const WAITING_MAX: usize = 64;
/// Ranges of bytes that came again; of more, all bytes before the end of the first are taken for such.
const REPEATS_MAX: usize = 16;
/// So far behind what is acknowledged they are forgotten, before numbers come round, in bytes.
const FORGOTTEN_BEHIND: u32 = 1 << 30;

#[derive(Default)]
pub(super) struct Flow {
    waiting: VecDeque<Sent>,
    has_let_go: bool,
    /// Everything before was acknowledged by an order.
    taken: Option<SeqNumber>,
    /// Everything before was acknowledged, and when that was first known of the last of it.
    acknowledged: Option<(SeqNumber, Mark)>,
    /// No two of them touch.
    repeats: Vec<(SeqNumber, SeqNumber)>,
    /// Everything before may have come again: there were more ranges.
    repeated_before: Option<SeqNumber>,
}

/// A message that may make the other side act, or what stands in the place of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) begin: SeqNumber,
    pub(super) end: SeqNumber,
    pub(super) what: What,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// Its last segment, and its ClOrdID's digest.
    Message { last: Mark, id: Option<u128> },
    /// Nobody knows what it was.
    Spoiled(Reason),
}

impl Flow {
    pub(super) fn push(&mut self, sent: Sent) {
        if self.taken.is_some_and(|taken| sent.end.is_at_or_before(taken)) {
            // An order acknowledged it before it was captured.
            return;
        }
        if self.waiting.len() == WAITING_MAX {
            self.waiting.pop_front();
            self.has_let_go = true;
        }
        self.waiting.push_back(sent);
    }

    /// The one message that an order acknowledges which acknowledges everything before `ack`, and no order before it did. Among several it
    /// is the one with the ClOrdID that the order names, if one alone has it.
    pub(super) fn take(&mut self, ack: SeqNumber, named: Option<u128>) -> Result<Mark, Reason> {
        let (mut count, mut alike, mut spoiled) = (0_u32, 0_u32, None);
        let (mut only, mut of_name) = (None, None);
        while let Some(sent) = self.waiting.front().copied()
            && sent.end.is_at_or_before(ack)
        {
            self.waiting.pop_front();
            count += 1;
            match sent.what {
                What::Spoiled(why) => spoiled = Some(why),
                What::Message { last, id } => {
                    only = Some((sent, last));
                    if id.is_some() && id == named {
                        alike += 1;
                        of_name = Some((sent, last));
                    }
                }
            }
        }
        if self.taken.is_none_or(|taken| taken.is_before(ack)) {
            self.taken = Some(ack);
        }
        let is_whole = !core::mem::take(&mut self.has_let_go);
        let found = match (spoiled, of_name, only) {
            // What is lost may have had the name as well.
            (Some(why), ..) => return Err(why),
            (None, Some(named), _) if alike == 1 && is_whole => named,
            (None, _, None) if is_whole => return Err(Reason::NothingNew),
            (None, _, Some(only)) if count == 1 && is_whole => only,
            _ => return Err(Reason::Several),
        };
        let (sent, last) = found;
        if self.came_again(sent.begin, sent.end) { Err(Reason::SentAgain) } else { Ok(last) }
    }

    /// These bytes came before.
    pub(super) fn note_repeat(&mut self, begin: SeqNumber, end: SeqNumber) {
        let (mut begin, mut end) = (begin, end);
        self.repeats.retain(|(from, to)| {
            let touches = from.is_at_or_before(end) && begin.is_at_or_before(*to);
            if touches {
                begin = if from.is_before(begin) { *from } else { begin };
                end = end.later_of(*to);
            }
            !touches
        });
        self.repeats.push((begin, end));
        if self.repeats.len() > REPEATS_MAX {
            let first = (1..self.repeats.len()).fold(0, |first, place| {
                if self.repeats[place].1.is_before(self.repeats[first].1) { place } else { first }
            });
            let (_, to) = self.repeats.swap_remove(first);
            let before = self.repeated_before.map_or(to, |before| before.later_of(to));
            self.repeated_before = Some(before);
        }
    }

    /// Whether one of these bytes came more than once, or nobody knows any more.
    pub(super) fn came_again(&self, begin: SeqNumber, end: SeqNumber) -> bool {
        self.repeated_before.is_some_and(|before| begin.is_before(before))
            || self.repeats.iter().any(|(from, to)| from.is_before(end) && begin.is_before(*to))
    }

    /// The other side acknowledges everything before `ack`.
    pub(super) fn note_acknowledged(&mut self, ack: SeqNumber, mark: Mark) {
        if self.acknowledged.is_none_or(|(before, _)| before.is_before(ack)) {
            self.acknowledged = Some((ack, mark));
            let is_far = |to: SeqNumber| (to + FORGOTTEN_BEHIND).is_before(ack);
            self.repeats.retain(|(_, to)| !is_far(*to));
            self.repeated_before = self.repeated_before.filter(|before| !is_far(*before));
        }
    }

    pub(super) fn acknowledged(&self) -> Option<(SeqNumber, Mark)> {
        self.acknowledged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::pairs::mark::{NoTime, Place};

    const MARK: Mark = Mark { place: Place { file: 0, frame: 1 }, stamp: Err(NoTime::Absent) };

    #[test]
    fn repeats_that_touch_are_one_in_whatever_order_they_come() {
        const TENS: [u32; 10] = [0, 2, 4, 6, 8, 9, 7, 5, 3, 1];
        let forwards: Vec<u32> =
            (0..100).map(|place| place / 10 * 10 + TENS[place as usize % 10]).collect();
        let backwards: Vec<u32> = forwards.iter().rev().copied().collect();
        for order in [forwards, backwards] {
            let mut flow = Flow::default();
            let begin = SeqNumber(u32::MAX - 500);
            for place in order {
                flow.note_repeat(begin + place * 10, begin + place * 10 + 10);
            }
            assert_eq!(flow.repeats, [(begin, begin + 1_000)]);
            assert!(!flow.came_again(begin - 10, begin) && flow.came_again(begin - 10, begin + 1));
            assert!(!flow.came_again(begin + 1_000, begin + 1_010));
        }
    }

    #[test]
    fn of_more_repeats_than_are_kept_everything_before_came_again_until_numbers_come_round() {
        let mut flow = Flow::default();
        let begin = SeqNumber(7);
        // Every other ten bytes, the first ones last.
        for place in (0..40).rev() {
            flow.note_repeat(begin + place * 20, begin + place * 20 + 10);
        }
        assert!((0..40).all(|at| flow.came_again(begin + at * 20, begin + at * 20 + 10)));
        assert!(!flow.came_again(begin + 790, begin + 800), "behind the last");
        assert!(!flow.came_again(begin + 770, begin + 780), "of those that are kept");
        let far = begin + (1 << 31) + 100;
        (0..8).for_each(|eighth| flow.note_acknowledged(begin + (eighth << 28), MARK));
        flow.note_acknowledged(far, MARK);
        assert!(!flow.came_again(far, far + 10));
        flow.note_acknowledged(far + (1 << 30), MARK);
        flow.note_acknowledged(begin - 10, MARK);
        assert!(!flow.came_again(begin + 780, begin + 790), "once round");
    }
}
