//! What one side of a connection sent that the other side has not acted upon yet, as far as its acknowledgements tell.

use core::ops::RangeBounds;
use std::collections::VecDeque;

use crate::wire::tcp::SeqNumber;

use super::exclusion::Reason;
use super::mark::Mark;
use super::owed::{Ahead, Debtor, is_old, took};
use super::unkept::Unkept;
use crate::measure::grains::Grains;
use crate::measure::wire_time::WireSpan;

/// Messages that are kept until they are answered; of more the oldest are let go of, and how many these were is known.
const WAITING_MAX: usize = 64;
/// Ranges of bytes that came again; of more, all bytes before the end of the first are taken for such.
const REPEATS_MAX: usize = 16;
/// So far behind what is acknowledged they are forgotten, before numbers come round, in bytes. No window is larger (RFC 7323 2.3):
/// their application has read them.
const FORGOTTEN_BEHIND: u32 = 1 << 30;

#[derive(Default)]
pub(super) struct Flow {
    waiting: VecDeque<Sent>,
    /// So many of the foremost an order acknowledged that may have been the answer to another of them.
    owed: usize,
    /// What came before all of these.
    unkept: Unkept,
    has_forgotten: bool,
    debtor: Debtor,
    /// An order acknowledged what was not captured by then, and may be captured yet.
    ahead: Option<Ahead>,
    /// No message that nobody saw is owed an answer.
    is_all_seen: bool,
    /// One of these was an order's trigger.
    has_triggers: bool,
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
    pub(super) fn last(&self) -> Option<Mark> {
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
    /// Some of that was not captured before it.
    pub(super) is_ahead: bool,
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

/// How many messages an order acknowledges that none before it did.
#[derive(Clone, Copy)]
struct Fresh {
    /// Of those that are kept.
    kept: usize,
    all: usize,
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
        // An order acknowledged it before it was captured.
        let is_late = self.taken.is_some_and(|taken| sent.end.is_at_or_before(taken));
        if !is_late {
            self.ahead = None;
        } else if !self.is_owed_late(&sent) {
            return;
        }
        if self.waiting.len() == WAITING_MAX {
            self.let_go();
        }
        self.waiting.push_back(sent);
        self.owed += usize::from(is_late);
    }

    /// Whether one that comes behind the order that acknowledged it is owed an answer: it is not if that order is the answer to it.
    fn is_owed_late(&mut self, sent: &Sent) -> bool {
        let Some(last) = sent.last() else {
            // The order may be the answer to what is lost.
            self.ahead.iter_mut().for_each(|ahead| ahead.is_answer = false);
            return false;
        };
        let Some(ahead) = &mut self.ahead else { return false };
        let is_owed = !ahead.answers(&last);
        if is_owed {
            self.debtor.note_took(ahead.took);
        }
        is_owed
    }

    fn let_go(&mut self) {
        let Some(sent) = self.waiting.pop_front() else { return };
        if self.owed > 0 {
            self.owed -= 1;
            self.unkept.push_owed(&sent);
        } else {
            self.unkept.push_fresh(&sent);
        }
    }

    fn owed_in_all(&self) -> usize {
        self.owed + self.unkept.owed()
    }

    /// Whether no message that nobody saw can be what the last order was the answer to.
    pub(super) fn is_all_seen(&self) -> bool {
        self.is_all_seen
    }

    /// An order has a figure that begins with one of these.
    pub(super) fn note_trigger(&mut self) {
        self.has_triggers = true;
    }

    /// Whether any order has.
    pub(super) fn has_triggers(&self) -> bool {
        self.has_triggers
    }

    /// The one message that an order is the answer to: the one that it acknowledges and no order before it did, unless another
    /// is owed an answer. Among several it is the one with the ClOrdID that the order names, if one alone has it. `grains` are of
    /// the stamps so far.
    pub(super) fn take(&mut self, order: &Order, grains: &Grains) -> Found {
        let is_fresh = |sent: &&Sent| sent.end.is_at_or_before(order.ack);
        let kept = self.waiting.range(self.owed..).take_while(is_fresh).count();
        let fresh = Fresh { kept, all: kept + self.unkept.fresh_before(order.ack) };
        let is_news = self.taken.is_none_or(|taken| taken.is_before(order.ack));
        if is_news {
            self.taken = Some(order.ack);
        }
        if fresh.all > 0 {
            self.note_pause(grains);
        }
        if order.is_ahead {
            self.note_ahead(order, fresh, is_news);
        }
        let found = self.candidate(fresh, order.named);
        self.has_forgotten = false;
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
    fn note_pause(&mut self, grains: &Grains) {
        let first = match self.unkept.has_fresh() {
            true => self.unkept.first_fresh(),
            false => self.waiting.get(self.owed).and_then(Sent::last),
        };
        let Some(first) = first else { return };
        if self.owed_in_all() > 0 && self.debtor.was_idle(&first, grains) {
            self.waiting.drain(..self.owed);
            self.owed = 0;
            self.unkept.settle();
            self.debtor.note_settled();
        }
        // What is lost behind the pause is no part of what the pause settles.
        if !self.is_all_seen && self.debtor.was_idle_for_long(&first) {
            let is_spoiled = |sent: &Sent| sent.last().is_none();
            self.is_all_seen = !self.waiting.iter().any(is_spoiled) && !self.unkept.has_spoiled();
        }
    }

    /// An order acknowledges what is not captured yet: it is the answer to that if there is nothing else.
    fn note_ahead(&mut self, order: &Order, fresh: Fresh, is_news: bool) {
        let oldest = self.oldest(order, self.owed..self.owed + fresh.kept);
        let took = oldest.map_or(WireSpan::ZERO, |oldest| took(&oldest, &order.first));
        let is_answer = is_news && fresh.all == 0 && self.owed_in_all() == 0;
        self.ahead = Some(Ahead {
            order: order.first,
            is_answer: is_answer || self.ahead.is_some_and(|ahead| ahead.is_answer),
            took: self.debtor.took().max(took),
        });
    }

    /// The message that has waited for longest when an order leaves, of those in `places` and of those before that are not kept
    /// and that it acknowledges; without what has waited for too long.
    fn oldest(&self, order: &Order, places: impl RangeBounds<usize>) -> Option<Mark> {
        let mut kept = self.waiting.range(places).filter_map(Sent::last);
        let unkept = self.unkept.oldest_before(order.ack, &order.first);
        unkept.or_else(|| kept.find(|last| !is_old(last, &order.first)))
    }

    /// What an order is the answer to that acknowledges `fresh` messages behind those that are owed.
    fn candidate(&self, fresh: Fresh, named: Option<u128>) -> Result<Candidate, Reason> {
        let (mut of_name, mut alike, mut only) = (None, 0, None);
        for (place, sent) in self.waiting.range(..self.owed + fresh.kept).enumerate() {
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
            only = Some(Candidate { is_alone: self.owed_in_all() == 0, ..candidate });
        }
        let may_be_more = self.has_forgotten || self.unkept.has_fresh();
        // One that is not kept may have had the name.
        let is_whole = !may_be_more && self.unkept.owed() == 0;
        match (of_name, only) {
            (Some(named), _) if alike == 1 && is_whole => Ok(named),
            _ if fresh.all > 1 || may_be_more => Err(Reason::Several),
            (_, Some(only)) if fresh.all == 1 => Ok(only),
            _ => Err(Reason::NothingNew),
        }
    }

    /// An order leaves that acknowledges `fresh` messages behind those that are owed, and is the answer to the one at `place`, or
    /// nobody knows to which.
    fn settle(&mut self, order: &Order, fresh: Fresh, place: Option<usize>) {
        let mut answers_one = place.is_none() && (fresh.all > 0 || self.debtor.pays());
        if self.owed_in_all() == 0 && !order.is_ahead {
            self.debtor.note_habit(fresh.all);
        }
        let mut all = self.owed + fresh.kept;
        if fresh.all > 1 {
            let oldest = self.oldest(order, self.owed..all);
            oldest.iter().for_each(|of| self.debtor.note_took(took(of, &order.first)));
        }
        if let Some(place) = place {
            // Messages are read in their order: those before are owed nothing any more.
            self.waiting.drain(..=place);
            all -= place + 1;
        }
        self.unkept.owe(order.ack, &order.first);
        answers_one &= !(answers_one && self.unkept.pay());
        self.owed = if all > 0 { self.keep_owed(all, answers_one, &order.first) } else { 0 };
        if self.owed_in_all() == 0 {
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
            self.has_forgotten |= self.unkept.forget(is_far);
            while self.waiting.front().is_some_and(|sent| is_far(sent.end)) {
                self.waiting.pop_front();
                self.owed = self.owed.saturating_sub(1);
                self.has_forgotten = true;
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
        let order = |ack| Order { ack, is_ahead: false, first: MARK, last: MARK, named: None };
        let (mut flow, grains) = (Flow::default(), Grains::default());
        let mut next = SeqNumber(u32::MAX - 50);
        // Between two orders, two gibibytes without a message, and so once more with one that nobody answered in front.
        for waits in [false, true] {
            flow.push(message(next));
            next += 100;
            flow.note_acknowledged(next, MARK);
            assert!(matches!(flow.take(&order(next), &grains), Found::Trigger(_)), "{waits}");
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
            let found = flow.take(&order(next), &grains);
            // One of those that were let go of may have been the trigger as well.
            match found {
                Found::Nothing(why) => assert!(!is_whole && why == Reason::Several),
                found => assert!(is_whole && matches!(found, Found::Trigger(_)), "{found:?}"),
            }
        }
    }
}
