//! What one side of a connection sent that the other side has not acted upon yet, as far as its acknowledgements tell.

use std::collections::VecDeque;

use crate::wire::tcp::SeqNumber;

use super::exclusion::Reason;
use super::mark::Mark;

/// Messages that wait for an order that acknowledges them; of more the oldest are let go of, and that there were more is known.
const WAITING_MAX: usize = 64;
/// Ranges of bytes that came again, of which the latest are known.
const REPEATS_MAX: usize = 16;

#[derive(Default)]
pub(super) struct Flow {
    waiting: VecDeque<Sent>,
    has_let_go: bool,
    /// Everything before was acknowledged by an order.
    taken: Option<SeqNumber>,
    /// Everything before was acknowledged, and when that was first known of the last of it.
    acknowledged: Option<(SeqNumber, Mark)>,
    repeats: VecDeque<(SeqNumber, SeqNumber)>,
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
            (_, Some(named), _) if alike == 1 && is_whole => named,
            (Some(why), ..) => return Err(why),
            (None, _, None) if is_whole => return Err(Reason::NothingNew),
            (None, _, Some(only)) if count == 1 && is_whole => only,
            _ => return Err(Reason::Several),
        };
        let (sent, last) = found;
        if self.came_again(sent.begin, sent.end) { Err(Reason::SentAgain) } else { Ok(last) }
    }

    /// These bytes came before.
    pub(super) fn note_repeat(&mut self, begin: SeqNumber, end: SeqNumber) {
        if self.repeats.len() == REPEATS_MAX {
            self.repeats.pop_front();
        }
        self.repeats.push_back((begin, end));
    }

    /// Whether one of these bytes came more than once, as far as is known.
    pub(super) fn came_again(&self, begin: SeqNumber, end: SeqNumber) -> bool {
        self.repeats.iter().any(|(from, to)| from.is_before(end) && begin.is_before(*to))
    }

    /// The other side acknowledges everything before `ack`.
    pub(super) fn note_acknowledged(&mut self, ack: SeqNumber, mark: Mark) {
        if self.acknowledged.is_none_or(|(before, _)| before.is_before(ack)) {
            self.acknowledged = Some((ack, mark));
        }
    }

    pub(super) fn acknowledged(&self) -> Option<(SeqNumber, Mark)> {
        self.acknowledged
    }
}
