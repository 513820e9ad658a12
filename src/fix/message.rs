//! A decoded message: its fields, read where they lie.

use crate::time::UtcTime;

use super::decimal::Decimal;
use super::decode::{Field, Index};
use super::frame::TRAILER_LEN;
use super::reason::RejectReason;
use super::swar;
use super::tags;
use super::timestamp;
use super::value::{self, FieldError};

/// What is wrong with a field of a message that is otherwise whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault<'a> {
    /// Why it is refused.
    pub reason: RejectReason,
    /// The tag as it was written, for RefTagID(371).
    pub tag: &'a [u8],
}

/// A decoded message: a view of the bytes it arrived in.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    fields: &'a [Field],
    index: &'a Index,
    fault: Option<&'a FaultAt>,
    standing: Standing,
}

/// A [`Fault`], and where its tag stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct FaultAt {
    pub(super) reason: RejectReason,
    pub(super) start: u32,
    pub(super) end: u32,
}

/// How a message stands to those before it: one word, as small fields written apart and moved together
/// would wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing(u32);

impl Standing {
    /// Nothing is known.
    pub(super) const STRANGER: Standing = Standing(u32::MAX);
    /// It has the shape of one that was vouched for, and what was vouched for is the same in it.
    pub(super) const VOUCHED: Standing = Standing(u32::MAX - 1);

    /// It has the shape that is remembered in this place.
    #[inline]
    pub(super) const fn shaped(place: usize) -> Standing {
        Standing(place as u32)
    }

    /// The place of its shape, if nobody vouched for it.
    #[inline]
    pub(super) fn place(self) -> Option<usize> {
        (self.0 < Standing::VOUCHED.0).then_some(self.0 as usize)
    }
}

impl<'a> Message<'a> {
    #[inline]
    pub(super) fn new(
        bytes: &'a [u8],
        fields: &'a [Field],
        index: &'a Index,
        fault: Option<&'a FaultAt>,
        standing: Standing,
    ) -> Message<'a> {
        Message { bytes, fields, index, fault, standing }
    }

    /// How it stands to those before it.
    #[inline]
    pub(super) fn standing(&self) -> Standing {
        self.standing
    }

    /// The whole message as it arrived.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// BeginString(8).
    #[inline]
    pub fn begin_string(&self) -> &'a [u8] {
        self.field(tags::BEGIN_STRING).unwrap_or_default()
    }

    /// MsgType(35).
    #[inline]
    pub fn msg_type(&self) -> &'a [u8] {
        self.field(tags::MSG_TYPE).unwrap_or_default()
    }

    /// MsgSeqNum(34).
    #[inline]
    pub fn msg_seq_num(&self) -> Result<u32, FieldError> {
        self.u32(tags::MSG_SEQ_NUM)
    }

    /// Whether PossDupFlag(43) is `Y`.
    #[inline]
    pub fn poss_dup(&self) -> bool {
        self.field(tags::POSS_DUP_FLAG) == Some(b"Y")
    }

    /// Whether PossResend(97) is `Y`.
    pub fn poss_resend(&self) -> bool {
        self.field(tags::POSS_RESEND) == Some(b"Y")
    }

    /// The first thing that is wrong with a field, if any is.
    #[inline]
    pub fn fault(&self) -> Option<Fault<'a>> {
        let FaultAt { reason, start, end } = *self.fault?;
        let tag = self.bytes.get(start as usize..end as usize).unwrap_or_default();
        Some(Fault { reason, tag })
    }

    /// The value of the first field with `tag`.
    #[inline]
    pub fn field(&self, tag: u32) -> Option<&'a [u8]> {
        self.index.find(tag, self.fields).map(|field| self.value(field))
    }

    /// Every field in its order, framing included: tag and value.
    pub fn fields(&self) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        let bytes = self.bytes;
        self.fields.iter().map(move |field| (field.tag, value_in(bytes, field)))
    }

    /// Where the values of all fields lie, CheckSum last.
    #[inline]
    pub(super) fn places(&self) -> &'a [Field] {
        self.fields
    }

    /// A non-negative integer.
    #[inline(always)]
    pub fn u32(&self, tag: u32) -> Result<u32, FieldError> {
        let field = self.required_field(tag)?;
        let word = swar::word_before(self.bytes, field.end as usize);
        match word.and_then(|word| swar::digits_at_back(word, field.len())) {
            Some(number) => Ok(number),
            None => value::parse_u32(self.value(field)),
        }
    }

    /// Whether the field is there and is the number of this text and width, without leading zeros.
    #[inline(always)]
    pub(super) fn is_number(&self, tag: u32, (text, width): (u64, usize)) -> bool {
        self.index.find(tag, self.fields).is_some_and(|field| {
            let word = swar::word_before(self.bytes, field.end as usize);
            field.len() == width && word.is_some_and(|word| (word ^ text) & swar::back(width) == 0)
        })
    }

    /// An integer.
    #[inline]
    pub fn i64(&self, tag: u32) -> Result<i64, FieldError> {
        value::parse_i64(self.required(tag)?)
    }

    /// A price or quantity.
    #[inline(always)]
    pub fn decimal(&self, tag: u32) -> Result<Decimal, FieldError> {
        let field = self.required_field(tag)?;
        let word = swar::word_before(self.bytes, field.end as usize);
        match word.and_then(|word| Decimal::parse_short(word, field.len())) {
            Some(decimal) => Ok(decimal),
            None => Decimal::parse(self.value(field)),
        }
    }

    /// One character.
    #[inline]
    pub fn char(&self, tag: u32) -> Result<u8, FieldError> {
        value::parse_char(self.required(tag)?)
    }

    /// `Y` or `N`.
    #[inline]
    pub fn bool(&self, tag: u32) -> Result<bool, FieldError> {
        value::parse_bool(self.required(tag)?)
    }

    /// A UTCTimestamp.
    #[inline]
    pub fn utc(&self, tag: u32) -> Result<UtcTime, FieldError> {
        timestamp::parse(self.required(tag)?)
    }

    /// The fields from position `from`, CheckSum excluded, as they stand in the message.
    pub(super) fn raw_from(&self, from: usize) -> &'a [u8] {
        let end = self.bytes.len() - TRAILER_LEN;
        let start = match from.checked_sub(1).and_then(|before| self.fields.get(before)) {
            Some(before) => before.end as usize + 1,
            None => 0,
        };
        self.bytes.get(start..end).unwrap_or_default()
    }

    #[inline]
    fn required(&self, tag: u32) -> Result<&'a [u8], FieldError> {
        self.required_field(tag).map(|field| self.value(field))
    }

    #[inline]
    fn required_field(&self, tag: u32) -> Result<&'a Field, FieldError> {
        self.index.find(tag, self.fields).ok_or(FieldError::Missing)
    }

    #[inline]
    fn value(&self, field: &Field) -> &'a [u8] {
        value_in(self.bytes, field)
    }
}

#[inline]
fn value_in<'a>(bytes: &'a [u8], field: &Field) -> &'a [u8] {
    &bytes[field.start as usize..field.end as usize]
}
