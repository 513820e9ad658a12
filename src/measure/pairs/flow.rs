//! What one side of a connection sent that the other side has not acted upon yet, as far as its acknowledgements tell.

use std::collections::VecDeque;

use crate::wire::tcp::SeqNumber;

use super::exclusion::Reason;
use super::mark::Mark;
use super::owed::{Debtor, is_old};

/// Messages that wait for an order that acknowledges them; of more the oldest are let go of, and that there were more is known.
const WAITING_MAX: usize = 64;
/// Ranges of bytes that came again; of more, all bytes before the end of the first are taken for such.
const REPEATS_MAX: usize = 16;
/// So far behind what is acknowledged they are forgotten, before numbers come round, in bytes.
const FORGOTTEN_BEHIND: u32 = 1 << 30;

#[derive(Default)]
pub(super) struct Flow {
    waiting: VecDeque<Sent>,
    /// So many of the foremost an order acknowledged that may have been the answer to another of them.
    owed: usize,
    has_let_go: bool,
    debtor: Debtor,
    /// No message that nobody saw is owed an answer.
    is_all_seen: bool,
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

impl Sent {
    /// The last segment of a message.
    fn last(&self) -> Option<Mark> {
        match self.what {
            What::Message { last, .. } => Some(last),
            What::Spoiled(_) => None,
        }
    }
}

/// What an order says of what it is the answer to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    /// Its first segment acknowledges everything before.
    pub(super) ack: SeqNumber,
    pub(super) first: Mark,
    pub(super) last: Mark,
    /// The ClOrdID that it names, as a digest.
    pub(super) named: Option<u128>,
}

/// What an order is the answer to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found {
    Trigger(Mark),
    /// This one, or one that is owed an answer.
    OrOwed(Mark),
    Nothing(Reason),
}

/// A message that an order may be the answer to.
#[derive(Clone, Copy)]
struct Candidate {
    place: usize,
    sent: Sent,
    last: Mark,
    is_alone: bool,
}

impl Flow {
    /// One whose first byte is seen.
    pub(super) fn from_the_start() -> Flow {
        Flow { is_all_seen: true, ..Flow::default() }
    }

    pub(super) fn push(&mut self, sent: Sent) {
        self.is_all_seen &= matches!(sent.what, What::Message { .. });
        if self.taken.is_some_and(|taken| sent.end.is_at_or_before(taken)) {
            // An order acknowledged it before it was captured.
            return;
        }
        if self.waiting.len() == WAITING_MAX {
            self.let_go();
        }
        self.waiting.push_back(sent);
    }

    fn let_go(&mut self) {
        self.waiting.pop_front();
        self.owed = self.owed.saturating_sub(1);
        self.has_let_go = true;
    }

    /// Whether no message that nobody saw can be what the last order was the answer to.
    pub(super) fn is_all_seen(&self) -> bool {
        self.is_all_seen
    }

    /// The one message that an order is the answer to: the one that it acknowledges and no order before it did, unless another
    /// is owed an answer. Among several it is the one with the ClOrdID that the order names, if one alone has it.
    pub(super) fn take(&mut self, order: &Order) -> Found {
        let is_fresh = |sent: &&Sent| sent.end.is_at_or_before(order.ack);
        let fresh = self.waiting.range(self.owed..).take_while(is_fresh).count();
        if self.taken.is_none_or(|taken| taken.is_before(order.ack)) {
            self.taken = Some(order.ack);
        }
        if fresh > 0 {
            self.note_pause();
        }
        let is_whole = !core::mem::take(&mut self.has_let_go);
        let found = self.candidate(fresh, order.named, is_whole);
        self.settle(order, fresh, found.ok().filter(|of| of.is_alone).map(|of| of.place));
        match found {
            Err(why) => Found::Nothing(why),
            Ok(Candidate { last, is_alone: false, .. }) => Found::OrOwed(last),
            Ok(Candidate { sent, .. }) if self.came_again(sent.begin, sent.end) => {
                Found::Nothing(Reason::SentAgain)
            }
            Ok(Candidate { last, .. }) => Found::Trigger(last),
        }
    }

    /// Nothing is owed any more if the application has let so much time pass before the next message came.
    fn note_pause(&mut self) {
        let Some(last) = self.waiting.get(self.owed).and_then(Sent::last) else { return };
        if self.owed > 0 && self.debtor.was_idle(&last) {
            self.waiting.drain(..self.owed);
            self.owed = 0;
            self.debtor.note_settled();
        }
        self.is_all_seen = self.is_all_seen || self.debtor.was_idle_for_long(&last);
    }

    /// What an order is the answer to that acknowledges `fresh` messages behind those that are owed.
    fn candidate(
        &self,
        fresh: usize,
        named: Option<u128>,
        is_whole: bool,
    ) -> Result<Candidate, Reason> {
        let (mut of_name, mut alike, mut only) = (None, 0, None);
        for (place, sent) in self.waiting.range(..self.owed + fresh).enumerate() {
            let (last, id) = match sent.what {
                // What is lost may have had the name as well.
                What::Spoiled(why) => return Err(why),
                What::Message { last, id } => (last, id),
            };
            let candidate = Candidate { place, sent: *sent, last, is_alone: true };
            if id.is_some() && id == named {
                alike += 1;
                of_name = Some(candidate);
            }
            only = Some(Candidate { is_alone: self.owed == 0, ..candidate });
        }
        match (of_name, only) {
            (Some(named), _) if alike == 1 && is_whole => Ok(named),
            _ if fresh > 1 || !is_whole => Err(Reason::Several),
            (_, Some(only)) if fresh == 1 => Ok(only),
            _ => Err(Reason::NothingNew),
        }
    }

    /// An order leaves that acknowledges `fresh` messages behind those that are owed, and is the answer to the one at `place`, or
    /// nobody knows to which.
    fn settle(&mut self, order: &Order, fresh: usize, place: Option<usize>) {
        let answers_one = place.is_none() && (fresh > 0 || self.debtor.pays());
        if self.owed == 0 {
            self.debtor.note_habit(fresh);
        }
        let mut all = self.owed + fresh;
        if fresh > 1 {
            let mut fresh = self.waiting.range(self.owed..all).filter_map(Sent::last);
            let oldest = fresh.find(|last| !is_old(last, &order.first));
            oldest.iter().for_each(|oldest| self.debtor.note_several(&order.first, oldest));
        }
        if let Some(place) = place {
            // Messages are read in their order: those before are owed nothing any more.
            self.waiting.drain(..=place);
            all -= place + 1;
        }
        self.owed = if all > 0 { self.keep_owed(all, answers_one, &order.first) } else { 0 };
        if self.owed == 0 {
            self.debtor.note_settled();
        }
        self.debtor.note_order(&order.last);
    }

    /// Keeps those of the foremost that may still be answered, without the first of them if the order answers one. Says how many.
    fn keep_owed(&mut self, foremost: usize, mut answers_one: bool, order: &Mark) -> usize {
        let (mut place, mut owed) = (0, 0);
        self.waiting.retain(|sent| {
            place += 1;
            let last = sent.last();
            if place > foremost {
                return true;
            }
            if last.is_some_and(|last| is_old(&last, order)) || core::mem::take(&mut answers_one) {
                return false;
            }
            owed += usize::from(last.is_some());
            last.is_some()
        });
        owed
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
            self.taken = self.taken.filter(|taken| !is_far(*taken));
            while self.waiting.front().is_some_and(|sent| is_far(sent.end)) {
                self.let_go();
            }
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

    #[test]
    fn what_orders_acknowledged_is_forgotten_before_numbers_come_round() {
        let message = |begin: SeqNumber| {
            let what = What::Message { last: MARK, id: None };
            Sent { begin, end: begin + 100, what }
        };
        let order = |ack| Order { ack, first: MARK, last: MARK, named: None };
        let mut flow = Flow::default();
        let mut next = SeqNumber(u32::MAX - 50);
        // Between two orders, two gibibytes without a message, and so once more with one that nobody answered in front.
        for waits in [false, true] {
            flow.push(message(next));
            next += 100;
            flow.note_acknowledged(next, MARK);
            assert!(matches!(flow.take(&order(next)), Found::Trigger(_)), "{waits}");
            if waits {
                flow.push(message(next));
            }
            for _ in 0..5 {
                next += 1 << 29;
                flow.note_acknowledged(next, MARK);
            }
        }
        for is_whole in [false, true] {
            flow.push(message(next));
            next += 100;
            flow.note_acknowledged(next, MARK);
            let found = flow.take(&order(next));
            // One of those that were let go of may have been the trigger as well.
            match found {
                Found::Nothing(why) => assert!(!is_whole && why == Reason::Several),
                found => assert!(is_whole && matches!(found, Found::Trigger(_)), "{found:?}"),
            }
        }
    }
}
