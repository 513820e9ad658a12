//! A decoded message: its fields, read where they lie.

use crate::time::UtcTime;

use super::decimal::Decimal;
use super::decode::{Field, Found, Table, field_at, tag_len};
use super::frame::TRAILER_LEN;
use super::reason::RejectReason;
use super::swar;
use super::tags;
use super::timestamp;
use super::value::{self, FieldError};

/// Tags from here on are not in the index.
const LONG_TAG_MIN: u32 = 1_000;

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
    table: &'a Table,
    /// Where all fields begin, CheckSum last, and where that ends.
    starts: &'a [u32],
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
        table: &'a Table,
        starts: &'a [u32],
        fault: Option<&'a FaultAt>,
        standing: Standing,
    ) -> Message<'a> {
        Message { bytes, table, starts, fault, standing }
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
        let (start, end) = self.table.span(0);
        self.bytes.get(start + 2..end).unwrap_or_default()
    }

    /// MsgType(35).
    #[inline]
    pub fn msg_type(&self) -> &'a [u8] {
        // It is the third field, or the message was none.
        let (start, end) = self.table.span(2);
        self.bytes.get(start + 3..end).unwrap_or_default()
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
    #[inline(always)]
    pub fn field(&self, tag: u32) -> Option<&'a [u8]> {
        let (start, end) = self.locate(tag)?;
        self.bytes.get(start..end)
    }

    /// Every field in its order, framing included: tag and value.
    pub fn fields(&self) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        let bytes = self.bytes;
        let fields = self.starts.windows(2).map(move |pair| field_at(bytes, pair[0], pair[1]));
        // A tag that is none is the fault of its message, and no field.
        fields.filter(|field| field.tag != 0).map(move |field| (field.tag, value_in(bytes, &field)))
    }

    /// Where its fields begin, and where the last one ends.
    pub(super) fn starts(&self) -> &'a [u32] {
        self.starts
    }

    /// A non-negative integer.
    #[inline(always)]
    pub fn u32(&self, tag: u32) -> Result<u32, FieldError> {
        let (start, end) = self.locate(tag).ok_or(FieldError::Missing)?;
        let word = self.word_at(start);
        match word.and_then(|word| swar::digits_at_front(word, end.wrapping_sub(start))) {
            Some(number) => Ok(number),
            None => far(self.bytes, (start, end), value::parse_u32),
        }
    }

    /// Whether MsgSeqNum(34) of a message that was vouched for is the number of this text and width, without leading
    /// zeros.
    #[inline(always)]
    pub(super) fn is_numbered(&self, (text, width): (u64, usize)) -> bool {
        let vouched = &self.table.vouched;
        let word = swar::word_before(self.bytes, vouched.number_end as usize);
        vouched.digits as usize == width
            && word.is_some_and(|word| (word ^ text) & swar::back(width) == 0)
    }

    /// SendingTime(52) of a message that was vouched for.
    #[inline(always)]
    pub(super) fn vouched_time(&self) -> Option<&'a [u8]> {
        let (start, end) = self.table.vouched.time;
        self.bytes.get(start as usize..end as usize)
    }

    /// Where SenderCompID(49) and TargetCompID(56) lie in a message that was vouched for.
    #[inline(always)]
    pub(super) fn vouched_parties(&self) -> [(u32, u32); 2] {
        [self.table.vouched.sender, self.table.vouched.target]
    }

    /// An integer.
    #[inline]
    pub fn i64(&self, tag: u32) -> Result<i64, FieldError> {
        value::parse_i64(self.required(tag)?)
    }

    /// A price or quantity.
    #[inline(always)]
    pub fn decimal(&self, tag: u32) -> Result<Decimal, FieldError> {
        let (start, end) = self.locate(tag).ok_or(FieldError::Missing)?;
        let word = swar::word_before(self.bytes, end);
        match word.and_then(|word| Decimal::parse_short(word, end.wrapping_sub(start))) {
            Some(decimal) => Ok(decimal),
            None => far(self.bytes, (start, end), Decimal::parse),
        }
    }

    /// A price or quantity in units of 10^-`places`: 10.25 is 1025 with two places. The cheapest way to read
    /// one, where it has as many places as are asked for, or none are.
    ///
    /// # Errors
    /// [`FieldError::Range`] where that loses digits or exceeds an `i64`; otherwise as
    /// [`decimal`](Message::decimal).
    #[inline(always)]
    pub fn scaled(&self, tag: u32, places: u8) -> Result<i64, FieldError> {
        let (start, end) = self.locate(tag).ok_or(FieldError::Missing)?;
        let word = self.word_at(start);
        match word.and_then(|word| swar::scaled(word, end.wrapping_sub(start), places)) {
            Some(number) => Ok(i64::from(number)),
            None => scaled_far(self.bytes, (start, end), places),
        }
    }

    /// One character.
    #[inline]
    pub fn char(&self, tag: u32) -> Result<u8, FieldError> {
        let (start, end) = self.locate(tag).ok_or(FieldError::Missing)?;
        match self.bytes.get(start) {
            Some(byte) if end.wrapping_sub(start) == 1 => Ok(*byte),
            _ => Err(FieldError::Format),
        }
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
        let start = self.starts.get(from).map_or(end, |start| *start as usize);
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// The eight bytes from the start of a value on: any has as many before the message's end.
    #[inline(always)]
    fn word_at(&self, start: usize) -> Option<u64> {
        let word = self.bytes.get(start..start + 8)?;
        word.first_chunk().map(|word| u64::from_le_bytes(*word))
    }

    #[inline(always)]
    fn required(&self, tag: u32) -> Result<&'a [u8], FieldError> {
        self.field(tag).ok_or(FieldError::Missing)
    }

    /// Where the value of the first field with `tag` begins and ends.
    #[inline(always)]
    fn locate(&self, tag: u32) -> Option<(usize, usize)> {
        match self.table.index.find(tag) {
            Found::At(position) if tag != 0 => {
                let (start, end) = self.table.span(position);
                Some((start + tag_len(tag), end))
            }
            Found::At(_) | Found::Nowhere => None,
            Found::Far if self.table.has_long || tag < LONG_TAG_MIN => {
                let (start, end) = search(self.bytes, self.starts, tag)?;
                Some((start as usize, end as usize))
            }
            Found::Far => None,
        }
    }
}

// What is not of every message is no method: a message whose address nobody asks for stays in registers.

/// A tag that the index does not hold, or a field behind those that it does.
#[cold]
fn search(bytes: &[u8], starts: &[u32], tag: u32) -> Option<(u32, u32)> {
    let mut fields = starts.windows(2).map(|pair| field_at(bytes, pair[0], pair[1]));
    let field = fields.find(|field| field.tag == tag && tag != 0)?;
    Some((field.start, field.end))
}

/// A value that is not short and plain.
#[inline(never)]
#[cold]
fn far<T>(
    bytes: &[u8],
    (start, end): (usize, usize),
    parse: fn(&[u8]) -> Result<T, FieldError>,
) -> Result<T, FieldError> {
    parse(bytes.get(start..end).ok_or(FieldError::Missing)?)
}

/// The same of one that is scaled.
#[inline(never)]
#[cold]
fn scaled_far(bytes: &[u8], (start, end): (usize, usize), places: u8) -> Result<i64, FieldError> {
    let exponent = 0i8.checked_sub_unsigned(places).ok_or(FieldError::Range)?;
    let text = bytes.get(start..end).ok_or(FieldError::Missing)?;
    let decimal = Decimal::parse(text)?.rescaled(exponent);
    decimal.map(|decimal| decimal.mantissa).ok_or(FieldError::Range)
}

#[inline]
fn value_in<'a>(bytes: &'a [u8], field: &Field) -> &'a [u8] {
    bytes.get(field.start as usize..field.end as usize).unwrap_or_default()
}
