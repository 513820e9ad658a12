//! One pass over the fields of a message, whatever they are.

use super::WORDS;
use super::plan::{Plan, Vacant};
use super::rule::Rule;
use super::table::{Member, Scope, Section, Tables};
use super::validate::{Checks, Violation};
use crate::fix::decode::{Field, field_at};
use crate::fix::message::Message;
use crate::fix::reason::RejectReason;
use crate::fix::tags::USER_DEFINED_MIN;
use crate::fix::timestamp::Reader;
use crate::fix::value;

/// More digits than any count has.
const COUNT_DIGITS_MAX: usize = 9;

/// Which members of a scope have come.
struct Seen([u64; WORDS]);

impl Seen {
    /// Notes a member; false if it was there already.
    #[inline(always)]
    fn note(&mut self, member: &Member) -> bool {
        let bit = 1 << (member.position % 64);
        let word = &mut self.0[usize::from(member.position) / 64 % WORDS];
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// That each member came that must.
    #[inline]
    fn complete(&self, scope: &Scope) -> Result<(), Violation> {
        let lacks = self.0.iter().zip(&scope.required).take(scope.words);
        if lacks.fold(0, |lacks, (seen, required)| lacks | required & !seen) == 0 {
            return Ok(());
        }
        let is_missing =
            |position: u16| self.0[usize::from(position) / 64 % WORDS] & 1 << (position % 64) == 0;
        match scope.required_tags.iter().find(|(_, position)| is_missing(*position)) {
            Some((tag, _)) => Err(Violation::of(RejectReason::RequiredTagMissing, *tag)),
            None => Ok(()),
        }
    }

    /// As before anything of a scope came.
    #[inline]
    fn clear(&mut self, scope: &Scope) {
        self.0.iter_mut().take(scope.words).for_each(|word| *word = 0);
    }
}

/// Whether a group that has this is walked to its end: its values and counts, of which the outermost wrong count is told.
#[cold]
fn is_within(reason: RejectReason) -> bool {
    matches!(
        reason,
        RejectReason::TagWithoutValue
            | RejectReason::ValueIncorrect
            | RejectReason::DataFormatIncorrect
            | RejectReason::GroupCountIncorrect
    )
}

/// A message and how far its fields were looked at.
pub(super) struct Walk<'a> {
    tables: &'a Tables,
    checks: Checks,
    times: &'a mut Reader,
    bytes: &'a [u8],
    /// Where its fields begin, and where the last one ends.
    starts: &'a [u32],
    at: usize,
    /// Whether it is a message of the session's own.
    is_session: bool,
    /// A digest of the tags so far, in their order.
    course: u64,
    plan: Option<&'a mut Plan>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        tables: &'a Tables,
        checks: Checks,
        times: &'a mut Reader,
        message: &Message<'a>,
    ) -> Walk<'a> {
        let (bytes, starts) = (message.bytes(), message.starts());
        Walk {
            tables,
            checks,
            times,
            bytes,
            starts,
            at: 0,
            is_session: false,
            course: 0,
            plan: None,
        }
    }

    /// The whole message, which has that scope: a digest of its tags in their order.
    #[inline(always)]
    pub(super) fn message(mut self, scope: &Scope) -> Result<u64, Violation> {
        self.sections(scope)?;
        Ok(self.course)
    }

    /// The same of a message that is right, of which a plan is made.
    #[cold]
    pub(super) fn note(self, scope: &Scope, vacant: Vacant<'_>) {
        let mut walk = Walk { plan: Some(&mut *vacant.plan), ..self };
        if walk.sections(scope).is_ok() {
            vacant.keep();
        }
    }

    #[inline(never)]
    fn sections(&mut self, scope: &Scope) -> Result<(), Violation> {
        let mut seen = Seen([0; WORDS]);
        let mut section = Section::Header;
        self.is_session = scope.is_session;
        while let Some(field) = &self.field() {
            self.at += 1;
            let Some(member) = scope.find(field.tag) else {
                section = section.max(Section::Body);
                self.stranger(field)?;
                continue;
            };
            if !seen.note(member) {
                return Err(Violation::of(RejectReason::TagRepeated, field.tag));
            }
            if member.section < section && self.checks.fields_out_of_order {
                return Err(Violation::of(RejectReason::TagOutOfOrder, field.tag));
            }
            section = section.max(member.section);
            self.value(member, field)?;
            if member.is_group() {
                self.group(member, field)?;
            }
        }
        seen.complete(scope)
    }

    /// The field at hand, past those whose tag is none.
    #[inline(always)]
    fn field(&mut self) -> Option<Field> {
        loop {
            let [start, next] = *self.starts.get(self.at..)?.first_chunk()?;
            let field = field_at(self.bytes, start, next);
            if field.tag != 0 {
                return Some(field);
            }
            self.at += 1;
            self.spoil();
        }
    }

    /// The entries behind the field that counts them.
    fn group(&mut self, counted: &Member, count: &Field) -> Result<(), Violation> {
        let Some(scope) = self.tables.group(counted) else { return Ok(()) };
        let steps = self.plan.as_ref().map_or(0, |plan| plan.len());
        let mut seen = Seen([0; WORDS]);
        let (mut entries, mut last) = (0, 0);
        // What is wrong within the entries, their order apart: the count comes before it.
        let mut within = Ok(());
        while let Some(field) = &self.field() {
            let Some(member) = scope.find(field.tag) else {
                if self.is_nobodys(field.tag) {
                    self.stranger(field)?;
                    self.at += 1;
                    continue;
                }
                break;
            };
            if field.tag == scope.delimiter {
                if entries > 0 {
                    seen.complete(scope)?;
                }
                seen.clear(scope);
                last = 0;
                entries += 1;
            } else if entries == 0 {
                return Err(self.begins_wrong(scope, field));
            }
            if !seen.note(member) {
                return Err(Violation::of(RejectReason::TagRepeated, field.tag));
            }
            if member.position < last && self.checks.unordered_group_fields {
                return Err(Violation::of(RejectReason::GroupOutOfOrder, field.tag));
            }
            last = member.position;
            self.at += 1;
            if let Err(wrong) = self.value(member, field) {
                within = within.and(Err(wrong));
            }
            if member.is_group()
                && let Err(wrong) = self.group(member, field)
            {
                if !is_within(wrong.reason) {
                    return Err(wrong);
                }
                within = within.and(Err(wrong));
            }
        }
        if entries > 0 {
            seen.complete(scope)?;
        }
        // A count that is empty, where that is allowed, counts none.
        let text = self.text(count);
        let is_right = value::parse_u32(text).unwrap_or(0) == entries;
        if !is_right || text.len() > COUNT_DIGITS_MAX {
            return Err(Violation::of(RejectReason::GroupCountIncorrect, counted.tag));
        }
        if let Some(plan) = &mut self.plan {
            plan.count(steps, entries);
        }
        within
    }

    /// A group whose first entry begins with the field at hand, another one than it is to begin with: where that comes after all,
    /// the order is wrong (FIX 4.3, Reject, SessionRejectReason 15), and otherwise it is missing.
    #[cold]
    fn begins_wrong(&self, scope: &Scope, field: &Field) -> Violation {
        let rest = self.starts.get(self.at..).unwrap_or_default();
        let mut behind = rest.windows(2).map(|pair| field_at(self.bytes, pair[0], pair[1]));
        if behind.any(|other| other.tag == scope.delimiter) {
            Violation::of(RejectReason::GroupOutOfOrder, field.tag)
        } else {
            Violation::of(RejectReason::RequiredTagMissing, scope.delimiter)
        }
    }

    /// A field that has a member's place.
    #[inline(always)]
    fn value(&mut self, member: &Member, field: &Field) -> Result<(), Violation> {
        let may_be_empty = !self.checks.fields_have_values;
        self.come_by(field, member.rule, may_be_empty);
        let (start, end) = (field.start as usize, field.end as usize);
        let is_right = if start >= end {
            may_be_empty
        } else {
            member.rule.is_met(self.tables.values(), self.bytes, (start, end), self.times)
        };
        if is_right { Ok(()) } else { Err(self.wrong(member, field)) }
    }

    /// What is wrong with a member's value.
    #[cold]
    fn wrong(&self, member: &Member, field: &Field) -> Violation {
        let place = field.start as usize..field.end as usize;
        let reason = if place.is_empty() {
            RejectReason::TagWithoutValue
        } else if member.kind.takes(self.bytes, place, &mut Reader::default()) {
            RejectReason::ValueIncorrect
        } else {
            RejectReason::DataFormatIncorrect
        };
        Violation::of(reason, field.tag)
    }

    /// A field that has no place where it stands.
    #[cold]
    fn stranger(&mut self, field: &Field) -> Result<(), Violation> {
        let tables = self.tables;
        let defined = tables.defined(field.tag, self.is_session);
        match defined {
            Some(member) => self.value(member, field)?,
            None => self.come_by(field, Rule::FREE, true),
        }
        if !self.is_looked_for(field.tag) {
            return Ok(());
        }
        let reason = match defined {
            Some(_) => RejectReason::TagNotDefinedForType,
            None => RejectReason::InvalidTagNumber,
        };
        Err(Violation::of(reason, field.tag))
    }

    /// The next field has its rule.
    #[inline(always)]
    fn come_by(&mut self, field: &Field, rule: Rule, may_be_empty: bool) {
        self.course =
            (self.course.rotate_left(7) ^ u64::from(field.tag)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        if let Some(plan) = &mut self.plan {
            plan.push(field, rule, self.tables.values(), may_be_empty);
        }
    }

    #[cold]
    fn spoil(&mut self) {
        if let Some(plan) = &mut self.plan {
            plan.spoil();
        }
    }

    /// Whether a field must be in the dictionary and in its message.
    fn is_looked_for(&self, tag: u32) -> bool {
        match tag {
            USER_DEFINED_MIN.. => self.checks.user_defined_fields,
            _ => !self.checks.allow_unknown_msg_fields,
        }
    }

    /// A field that no dictionary has and nobody minds: it ends no group.
    #[cold]
    fn is_nobodys(&self, tag: u32) -> bool {
        !self.is_looked_for(tag) && self.tables.defined(tag, self.is_session).is_none()
    }

    #[inline]
    fn text(&self, field: &Field) -> &'a [u8] {
        self.bytes.get(field.start as usize..field.end as usize).unwrap_or_default()
    }
}
