//! Messages whose fields have the tags of one that was found right before them, in the same order: which field
//! belongs where, what must be there and what is twice was looked at then. What is left are the values.
//!
//! A counterparty has few such orders. One is remembered when it has come twice, with no other of its kind between.

use arrayvec::ArrayVec;

use super::rule::{Class, Rule, Values};
use super::table::Scope;
use crate::fix::decode::Field;
use crate::fix::message::Message;
use crate::fix::tags::CHECK_SUM;
use crate::fix::timestamp::Reader;

/// How many fields a message has at most that is remembered, CheckSum not counted.
const STEPS_MAX: usize = 64;
/// Pairs of plans. Three orders of one pair cannot stand side by side.
const PAIRS: usize = 8;
/// The longest tag and its '=', in bytes.
const TAG_BYTES_MAX: u32 = 8;

/// One field: the tag that must be there, and what its value is held against.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// Its tag and '=' as they stand in the message, at a word's front.
    text: u64,
    /// Of [`Class::Chars`] the values, a bit for each.
    chars: u64,
    rule: Rule,
    /// How long the tag and '=' are.
    tag_len: u8,
    /// By how much eight bytes of a message are moved, so that nothing but tag and '=' is left of them.
    shift: u8,
    /// Whether the value may be empty.
    may_be_empty: bool,
}

/// The characters that a step has bits for begin here.
const CHAR_MIN: u8 = b'0';
const CHARS: u8 = 64;

/// The fields of a message in their order, without CheckSum, which is the last of every message.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Of which scope, by where it lies; 0 for none.
    scope: usize,
    steps: ArrayVec<Step, STEPS_MAX>,
    /// Whether there was anything that no plan has.
    is_spoilt: bool,
}

impl Plan {
    const NONE: Plan = Plan { scope: 0, steps: ArrayVec::new_const(), is_spoilt: false };

    /// The next field.
    pub(super) fn push(&mut self, field: &Field, rule: Rule, all: &[Values], may_be_empty: bool) {
        if field.tag == CHECK_SUM {
            // It is the last one: a decoder sees to that and to its value.
            self.is_spoilt |= rule.class != Class::Any;
            return;
        }
        let tag_len = field.tag.checked_ilog10().map_or(0, |digits| digits + 2);
        let chars = all.get(rule.which as usize).filter(|_| rule.class == Class::Chars);
        let chars = chars.map_or(Some(0), |values| values.chars_from(CHAR_MIN));
        let (Some(chars), 1..=TAG_BYTES_MAX) = (chars, tag_len) else {
            self.is_spoilt = true;
            return;
        };
        let (tag_len, shift) = (tag_len as u8, 64 - 8 * tag_len as u8);
        let text = text_of(field.tag) >> shift;
        let step = Step { text, chars, rule, tag_len, shift, may_be_empty };
        self.is_spoilt |= self.steps.try_push(step).is_err();
    }

    /// The field that was the last when there were `steps` of them counts `entries`.
    pub(super) fn count(&mut self, steps: usize, entries: u32) {
        let step = steps.checked_sub(1).and_then(|at| self.steps.get_mut(at));
        match step.filter(|step| matches!(step.rule.class, Class::Digits | Class::Int | Class::Any))
        {
            // One that is empty may count none: that is rare enough to be looked at anew.
            Some(step) => {
                step.rule = Rule { class: Class::Count, which: entries };
                step.may_be_empty = false;
            }
            None => self.is_spoilt = true,
        }
    }

    /// How many fields there are so far.
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// There is something that no plan has.
    pub(super) fn spoil(&mut self) {
        self.is_spoilt = true;
    }

    /// Whether a message's fields are these and have values as they must be.
    #[inline(never)]
    fn is_followed(&self, message: &Message<'_>, all: &[Values], times: &mut Reader) -> bool {
        let (bytes, starts) = (message.bytes(), message.starts());
        let [first, nexts @ .., _] = starts else { return false };
        let mut start = *first;
        // All but CheckSum.
        if nexts.len() != self.steps.len() {
            return false;
        }
        for (step, next) in self.steps.iter().zip(nexts) {
            let at = start as usize;
            // CheckSum is behind it: there are eight bytes.
            let Some(Ok(word)) = bytes.get(at..at + 8).map(<[u8; 8]>::try_from) else {
                return false;
            };
            let word = u64::from_le_bytes(word);
            if (word ^ step.text) << (step.shift & 63) != 0 {
                return false;
            }
            let (value, end) = (at + usize::from(step.tag_len), (next.wrapping_sub(1)) as usize);
            start = *next;
            if value == end {
                if !step.may_be_empty {
                    return false;
                }
                continue;
            }
            let is_met = match step.rule.class {
                Class::Any => true,
                Class::Chars => {
                    let first = word >> (step.shift.wrapping_neg() & 63);
                    let char = (first as u8).wrapping_sub(CHAR_MIN);
                    value + 1 == end && char < CHARS && step.chars >> (char % CHARS) & 1 != 0
                }
                _ => step.rule.is_met(all, bytes, (value, end), times),
            };
            if !is_met {
                return false;
            }
        }
        true
    }
}

/// A tag and '=' as they stand in a message, moved up to a word's end.
fn text_of(tag: u32) -> u64 {
    let mut text = u64::from(b'=') << 56;
    let (mut rest, mut at) = (tag, 48u32);
    while rest > 0 {
        text |= u64::from(b'0' + (rest % 10) as u8) << at;
        (rest, at) = (rest / 10, at.saturating_sub(8));
    }
    text
}

/// Plans whose messages have one type and as many fields.
#[derive(Clone, Debug)]
struct Pair {
    plans: [Plan; 2],
    /// The course of the last message that followed neither.
    awaited: u64,
    /// Which of the two is replaced next.
    next: u8,
}

impl Pair {
    const NONE: Pair = Pair { plans: [Plan::NONE; 2], awaited: 0, next: 0 };
}

/// The plans of a session.
#[derive(Clone, Debug)]
pub(super) struct Plans(Box<[Pair; PAIRS]>);

impl Plans {
    pub(super) fn new() -> Plans {
        Plans(vec![Pair::NONE; PAIRS].try_into().expect("as many"))
    }

    /// Forgets them all.
    pub(super) fn clear(&mut self) {
        self.0.fill(Pair::NONE);
    }

    /// Whether the message is right, by a plan. What is not may be right all the same.
    #[inline(always)]
    pub(super) fn is_followed(
        &self,
        scope: &Scope,
        message: &Message<'_>,
        all: &[Values],
        times: &mut Reader,
    ) -> bool {
        let plans = &self.0[pair_of(scope, message)].plans;
        let of_scope = |plan: &&Plan| plan.scope == address(scope);
        plans.iter().filter(of_scope).any(|plan| plan.is_followed(message, all, times))
    }

    /// Whether a message that is right and followed no plan is to have one: whether its tags in their order, of which
    /// `course` is a digest, are those of the one before it.
    #[inline]
    pub(super) fn is_awaited(&mut self, scope: &Scope, message: &Message<'_>, course: u64) -> bool {
        let pair = &mut self.0[pair_of(scope, message)];
        core::mem::replace(&mut pair.awaited, course) == course
    }

    /// The plan to be made of a message, empty.
    pub(super) fn replaced(&mut self, scope: &Scope, message: &Message<'_>) -> Vacant<'_> {
        let pair = &mut self.0[pair_of(scope, message)];
        pair.next ^= 1;
        let plan = &mut pair.plans[usize::from(pair.next) % 2];
        *plan = Plan::NONE;
        Vacant { plan, scope: address(scope) }
    }
}

/// A plan in the making. It counts once it is kept.
pub(super) struct Vacant<'a> {
    pub(super) plan: &'a mut Plan,
    scope: usize,
}

impl Vacant<'_> {
    /// All fields are there.
    pub(super) fn keep(self) {
        if !self.plan.is_spoilt {
            self.plan.scope = self.scope;
        }
    }
}

/// What tells scopes apart, of dictionaries that live as long as the plans.
#[inline(always)]
fn address(scope: &Scope) -> usize {
    core::ptr::from_ref(scope).addr()
}

#[inline(always)]
fn pair_of(scope: &Scope, message: &Message<'_>) -> usize {
    (scope.number as usize + message.starts().len()) % PAIRS
}
