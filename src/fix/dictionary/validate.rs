//! A message held against a dictionary: one pass over its fields.

use std::sync::Arc;

use super::table::{Member, Scope, Section, Tables};
use super::{DataType, Dictionary, WORDS};
use crate::fix::decode::{Field, Leniency};
use crate::fix::message::Message;
use crate::fix::reason::RejectReason;
use crate::fix::session::ApplVerId;
use crate::fix::tags;
use crate::fix::timestamp::Reader;
use crate::fix::value;

/// The first tag that users define for themselves (FIX 4.4 Vol. 1, user defined fields).
const USER_DEFINED_MIN: u32 = 5000;

/// What is checked, by QuickFIX's names and with its defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks {
    /// ValidateFieldsOutOfOrder: header, body and trailer come in this order.
    pub fields_out_of_order: bool,
    /// ValidateFieldsHaveValues: no field is empty.
    pub fields_have_values: bool,
    /// ValidateUserDefinedFields: fields from 5000 on must be in the dictionary and in the message.
    pub user_defined_fields: bool,
    /// AllowUnknownMsgFields: fields below 5000 need not be.
    pub allow_unknown_msg_fields: bool,
    /// ValidateUnorderedGroupFields: fields of a group come in the dictionary's order.
    pub unordered_group_fields: bool,
}

impl Default for Checks {
    fn default() -> Checks {
        Checks {
            fields_out_of_order: true,
            fields_have_values: true,
            user_defined_fields: true,
            allow_unknown_msg_fields: false,
            unordered_group_fields: true,
        }
    }
}

/// What a session's messages are held against.
#[derive(Clone, Debug)]
pub struct Validation {
    /// The dictionary, which sessions share. Of FIXT the one for messages that do not say their version, before the
    /// counterparty's Logon says which that is.
    pub dictionary: Arc<Dictionary>,
    /// Of FIXT, the dictionaries by the versions of application messages, each [over](super::Spec::over) that of the transport:
    /// a message is held to its ApplVerID(1128)'s, or its sender's DefaultApplVerID(1137)'s, and refused where there is
    /// none.
    pub by_version: Vec<(ApplVerId, Arc<Dictionary>)>,
    /// What is checked.
    pub checks: Checks,
}

impl Validation {
    /// By one dictionary.
    pub fn of(dictionary: Arc<Dictionary>, checks: Checks) -> Validation {
        Validation { dictionary, by_version: Vec::new(), checks }
    }

    /// What a decoder is to let pass.
    pub fn leniency(&self) -> Leniency {
        Leniency {
            empty_values: !self.checks.fields_have_values,
            header_in_body: !self.checks.fields_out_of_order,
        }
    }

    /// Tags of lengths, each with that of the data behind it, of all versions.
    pub fn data_fields(&self) -> Vec<(u32, u32)> {
        let others = self.by_version.iter().map(|(_, dictionary)| dictionary);
        let all = others.chain([&self.dictionary]);
        let mut fields: Vec<_> =
            all.flat_map(|dictionary| dictionary.data_fields()).copied().collect();
        fields.sort_unstable();
        fields.dedup();
        fields
    }
}

/// Why a message does not conform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// For SessionRejectReason(373).
    pub reason: RejectReason,
    /// For RefTagID(371), unless it is the message type.
    pub tag: Option<u32>,
}

impl Violation {
    #[cold]
    fn of(reason: RejectReason, tag: u32) -> Violation {
        Violation { reason, tag: Some(tag) }
    }
}

/// Holds one session's messages against a dictionary.
#[derive(Clone, Debug)]
pub struct Validator {
    dictionary: Arc<Dictionary>,
    by_version: Vec<(ApplVerId, Arc<Dictionary>)>,
    /// The counterparty's DefaultApplVerID has no dictionary.
    is_lost: bool,
    checks: Checks,
    /// Of the times in messages, most fall into the second of the one before.
    times: Reader,
}

impl Validator {
    /// A validator of messages by these rules.
    pub fn new(Validation { dictionary, by_version, checks }: Validation) -> Validator {
        Validator { dictionary, by_version, is_lost: false, checks, times: Reader::default() }
    }

    /// The counterparty's Logon says which version its messages are of, where they do not say.
    pub fn set_default_version(&mut self, version: ApplVerId) {
        if self.by_version.is_empty() {
            return;
        }
        let found = self.by_version.iter().find(|(known, _)| *known == version);
        self.is_lost = found.is_none();
        if let Some((_, dictionary)) = found {
            self.dictionary = Arc::clone(dictionary);
        }
    }

    /// The dictionary that a message is held to; `None` where its version has none.
    #[inline]
    fn dictionary_of<'d>(&'d self, message: &Message<'_>) -> Option<&'d Arc<Dictionary>> {
        if self.by_version.is_empty() {
            return Some(&self.dictionary);
        }
        match message.field(tags::APPL_VER_ID) {
            // The session's own messages are the transport's, whatever else there is.
            None if !self.is_lost || tags::msg_type::is_admin(message.msg_type()) => {
                Some(&self.dictionary)
            }
            None => None,
            Some(version) => {
                let version = ApplVerId::of(version)?;
                let found = self.by_version.iter().find(|(known, _)| *known == version)?;
                Some(&found.1)
            }
        }
    }

    /// Looks at a whole message.
    ///
    /// # Errors
    /// The first [`Violation`].
    #[inline(never)]
    pub fn check(&mut self, message: &Message<'_>) -> Result<(), Violation> {
        let mut times = core::mem::take(&mut self.times);
        let found = self.check_by(message, &mut times);
        self.times = times;
        found
    }

    #[inline(always)]
    fn check_by(&self, message: &Message<'_>, times: &mut Reader) -> Result<(), Violation> {
        let Some(dictionary) = self.dictionary_of(message) else {
            return Err(Violation::of(RejectReason::ValueIncorrect, tags::APPL_VER_ID));
        };
        let tables = &dictionary.tables;
        let Some(scope) = tables.message(message.msg_type()) else {
            return Err(Violation { reason: RejectReason::InvalidMsgType, tag: None });
        };
        let walk = Walk { tables, checks: self.checks, times, message, at: 0 };
        walk.message(scope).map_err(|found| absent(scope, message).unwrap_or(found))
    }
}

/// The first required field that is nowhere in the message.
#[cold]
fn absent(scope: &Scope, message: &Message<'_>) -> Option<Violation> {
    let (tag, _) = scope.required_tags.iter().find(|(tag, _)| message.field(*tag).is_none())?;
    Some(Violation::of(RejectReason::RequiredTagMissing, *tag))
}

/// Which members of a scope have come.
struct Seen([u64; WORDS]);

impl Seen {
    /// Notes a member; false if it was there already.
    #[inline]
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
}

/// One pass over the fields of a message.
struct Walk<'a> {
    tables: &'a Tables,
    checks: Checks,
    times: &'a mut Reader,
    message: &'a Message<'a>,
    at: usize,
}

impl<'a> Walk<'a> {
    fn message(mut self, scope: &Scope) -> Result<(), Violation> {
        let mut seen = Seen([0; WORDS]);
        let mut section = Section::Header;
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
            let field = self.message.place(self.at)?;
            if field.tag != 0 {
                return Some(field);
            }
            self.at += 1;
        }
    }

    /// The entries behind the field that counts them.
    fn group(&mut self, counted: &Member, count: &Field) -> Result<(), Violation> {
        let Some(scope) = self.tables.group(counted) else { return Ok(()) };
        let mut seen = Seen([0; WORDS]);
        let (mut entries, mut last) = (0, 0);
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
                (seen, last) = (Seen([0; WORDS]), 0);
                entries += 1;
            } else if entries == 0 {
                return Err(Violation::of(RejectReason::RequiredTagMissing, scope.delimiter));
            }
            if !seen.note(member) {
                return Err(Violation::of(RejectReason::TagRepeated, field.tag));
            }
            if member.position < last && self.checks.unordered_group_fields {
                return Err(Violation::of(RejectReason::GroupOutOfOrder, field.tag));
            }
            last = member.position;
            self.at += 1;
            self.value(member, field)?;
            if member.is_group() {
                self.group(member, field)?;
            }
        }
        if entries > 0 {
            seen.complete(scope)?;
        }
        // A count that is empty, where that is allowed, counts none.
        let text = self.text(count);
        let is_right = value::parse_u32(text).unwrap_or(0) == entries;
        if is_right && text.len() <= COUNT_DIGITS_MAX {
            return Ok(());
        }
        Err(Violation::of(RejectReason::GroupCountIncorrect, counted.tag))
    }

    /// A field that has a member's place.
    #[inline]
    fn value(&mut self, member: &Member, field: &Field) -> Result<(), Violation> {
        let place = field.start as usize..field.end as usize;
        if place.is_empty() {
            return match self.checks.fields_have_values {
                true => Err(Violation::of(RejectReason::TagWithoutValue, field.tag)),
                false => Ok(()),
            };
        }
        if !member.kind.takes(self.message.bytes(), place, self.times) {
            return Err(Violation::of(RejectReason::DataFormatIncorrect, field.tag));
        }
        let Some(values) = self.tables.values(member) else { return Ok(()) };
        let text = self.text(field);
        let is_one = match member.kind {
            DataType::Multiple => text.split(|byte| *byte == b' ').all(|word| values.has(word)),
            _ => values.has(text),
        };
        if is_one { Ok(()) } else { Err(Violation::of(RejectReason::ValueIncorrect, field.tag)) }
    }

    /// A field that has no place where it stands.
    #[cold]
    fn stranger(&mut self, field: &Field) -> Result<(), Violation> {
        let defined = self.tables.defined(field.tag);
        if let Some(member) = defined {
            self.value(member, field)?;
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
        !self.is_looked_for(tag) && self.tables.defined(tag).is_none()
    }

    #[inline]
    fn text(&self, field: &Field) -> &'a [u8] {
        self.message.bytes().get(field.start as usize..field.end as usize).unwrap_or_default()
    }
}

/// More digits than any count has.
const COUNT_DIGITS_MAX: usize = 9;
