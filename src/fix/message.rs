//! A message's fields, found in place.
//!
//! The decoder tells two kinds of damage apart. Bytes that are no fields at all are [`Garbled`] and
//! leave no trace. Fields that are wrong are a [`Fault`]: the message still has its number, and the
//! session answers with a Reject. Only the first fault of a message is kept.

use crate::time::UtcTime;

use super::decimal::Decimal;
use super::frame::{Framed, SOH, TRAILER_LEN, frame};
use super::reason::{Garbled, RejectReason};
use super::tags::{self, HEADER_SLOTS, TAG_MAX, data_of_length, header_slot};
use super::timestamp;
use super::value::{self, FieldError};

/// How many fields [`Decoder::default`] has room for.
pub const FIELDS_DEFAULT: usize = 256;

const ABSENT: u16 = u16::MAX;

#[derive(Clone, Copy, Debug, Default)]
struct Field {
    tag: u32,
    start: u32,
    end: u32,
}

/// What is wrong with a field of a message that is otherwise whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault<'a> {
    /// Why it is refused.
    pub reason: RejectReason,
    /// The tag as it was written, for RefTagID(371).
    pub tag: &'a [u8],
}

/// The table that messages are decoded into, used again for each.
#[derive(Clone, Debug)]
pub struct Decoder {
    fields: Box<[Field]>,
    header: [u16; HEADER_SLOTS],
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder::with_fields(FIELDS_DEFAULT)
    }
}

impl Decoder {
    /// A decoder of messages with at most `fields_max` fields, itself at most 65,535.
    pub fn with_fields(fields_max: usize) -> Decoder {
        let fields_max = fields_max.min(usize::from(ABSENT));
        let fields = vec![Field::default(); fields_max].into_boxed_slice();
        Decoder { fields, header: [ABSENT; HEADER_SLOTS] }
    }

    /// The fields of `bytes`, which are one whole message, framing and all.
    ///
    /// # Errors
    /// What [`frame`] finds, and what is wrong with the fields.
    pub fn parse<'a>(&'a mut self, bytes: &'a [u8]) -> Result<Message<'a>, Garbled> {
        match frame(bytes, usize::MAX) {
            Framed::Complete { len, body } if len == bytes.len() => self.decode(bytes, body),
            Framed::Garbled { reason, .. } => Err(reason),
            Framed::Complete { .. } | Framed::Incomplete { .. } => Err(Garbled::CheckSumMissing),
        }
    }

    /// The fields of `bytes`, which [`frame`] found complete, with those after BodyLength beginning
    /// at `body`.
    ///
    /// # Errors
    /// [`Garbled::MsgTypeNotThird`], [`Garbled::FieldMalformed`], [`Garbled::FieldsTooMany`];
    /// [`Garbled::CheckSumMissing`] where [`frame`] would not have found `bytes` complete.
    #[inline]
    pub fn decode<'a>(&'a mut self, bytes: &'a [u8], body: usize) -> Result<Message<'a>, Garbled> {
        let end = bytes.len().checked_sub(TRAILER_LEN).ok_or(Garbled::CheckSumMissing)?;
        if bytes.get(body..body + 3) != Some(b"35=") {
            return Err(Garbled::MsgTypeNotThird);
        }
        self.header = [ABSENT; HEADER_SLOTS];
        let mut scan = Scan {
            bytes: &bytes[..end],
            fields: &mut self.fields,
            header: &mut self.header,
            count: 0,
            at: 0,
            announced: None,
            in_body: false,
            fault: None,
        };
        while scan.at < end {
            scan.field()?;
        }
        let (count, fault) = (scan.count, scan.fault);
        let trailer = self.fields.get_mut(count).ok_or(Garbled::FieldsTooMany)?;
        let start = end as u32 + 3;
        *trailer = Field { tag: tags::CHECK_SUM, start, end: start + 3 };
        Ok(Message { bytes, fields: &self.fields[..=count], header: &self.header, fault })
    }
}

/// One pass over the fields.
struct Scan<'a, 't> {
    bytes: &'a [u8],
    fields: &'t mut [Field],
    header: &'t mut [u16; HEADER_SLOTS],
    count: usize,
    at: usize,
    /// The data field that the last field announced, and its length.
    announced: Option<(u32, usize)>,
    in_body: bool,
    fault: Option<Fault<'a>>,
}

impl<'a> Scan<'a, '_> {
    #[inline]
    fn field(&mut self) -> Result<(), Garbled> {
        let tag_start = self.at;
        let (tag, start) = self.tag()?;
        let tag_text = &self.bytes[tag_start..start - 1];
        let end = self.value_end(tag, start)?;
        self.at = end + 1;
        let Some(tag) = tag else {
            self.announced = None;
            self.fault(RejectReason::InvalidTagNumber, tag_text);
            return Ok(());
        };
        self.announce(tag, start, end);
        if start == end {
            self.fault(RejectReason::TagWithoutValue, tag_text);
        }
        self.place(tag, tag_text);
        let field = self.fields.get_mut(self.count).ok_or(Garbled::FieldsTooMany)?;
        *field = Field { tag, start: start as u32, end: end as u32 };
        self.count += 1;
        Ok(())
    }

    /// The tag at the cursor and where its value begins; `None` for a number that no tag has.
    #[inline]
    fn tag(&mut self) -> Result<(Option<u32>, usize), Garbled> {
        let negative = self.bytes[self.at] == b'-';
        let first = self.at + usize::from(negative);
        let mut tag = 0u32;
        for (digits, &byte) in self.bytes[first..].iter().enumerate() {
            match byte {
                b'0'..=b'9' => tag = tag.saturating_mul(10).saturating_add(u32::from(byte - b'0')),
                b'=' if digits > 0 => {
                    let valid = !negative && self.bytes[first] != b'0' && tag <= TAG_MAX;
                    return Ok((valid.then_some(tag), first + digits + 1));
                }
                _ => return Err(Garbled::FieldMalformed),
            }
        }
        Err(Garbled::FieldMalformed)
    }

    /// Where the value's SOH is: past as many bytes as were announced, or the next one.
    #[inline]
    fn value_end(&mut self, tag: Option<u32>, start: usize) -> Result<usize, Garbled> {
        if let Some((data, len)) = self.announced
            && tag == Some(data)
        {
            let end = start.saturating_add(len);
            if self.bytes.get(end) == Some(&SOH) {
                return Ok(end);
            }
            self.fault(RejectReason::DataFormatIncorrect, &self.bytes[self.at..start - 1]);
        }
        find_soh(self.bytes, start).ok_or(Garbled::FieldMalformed)
    }

    #[inline]
    fn announce(&mut self, tag: u32, start: usize, end: usize) {
        self.announced = data_of_length(tag).and_then(|data| {
            let len = value::parse_u32(&self.bytes[start..end]).ok()?;
            Some((data, len as usize))
        });
    }

    /// Notes a header field's place; finds repeated ones and those that follow the body.
    #[inline]
    fn place(&mut self, tag: u32, tag_text: &'a [u8]) {
        let Some(slot) = header_slot(tag) else {
            self.in_body = true;
            return;
        };
        if self.header[slot] != ABSENT {
            self.fault(RejectReason::TagRepeated, tag_text);
            return;
        }
        self.header[slot] = self.count as u16;
        if self.in_body {
            self.fault(RejectReason::TagOutOfOrder, tag_text);
        }
    }

    #[cold]
    fn fault(&mut self, reason: RejectReason, tag: &'a [u8]) {
        self.fault.get_or_insert(Fault { reason, tag });
    }
}

/// The next SOH at or after `from`, eight bytes at a time.
#[inline]
fn find_soh(bytes: &[u8], from: usize) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let mut at = from;
    while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let zero_where_soh = u64::from_le_bytes(*word) ^ ONES;
        let found = zero_where_soh.wrapping_sub(ONES) & !zero_where_soh & HIGHS;
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    bytes.get(at..)?.iter().position(|&byte| byte == SOH).map(|offset| at + offset)
}

/// A decoded message: a view of the bytes it arrived in.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    fields: &'a [Field],
    header: &'a [u16; HEADER_SLOTS],
    fault: Option<Fault<'a>>,
}

impl<'a> Message<'a> {
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
        self.fault
    }

    /// The value of the first field with `tag`.
    #[inline]
    pub fn field(&self, tag: u32) -> Option<&'a [u8]> {
        let field = match header_slot(tag) {
            Some(slot) => self.fields.get(usize::from(self.header[slot])),
            None => self.fields.iter().find(|field| field.tag == tag),
        };
        field.map(|field| self.value(field))
    }

    /// Every field in its order, framing included: tag and value.
    pub fn fields(&self) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        let bytes = self.bytes;
        self.fields.iter().map(move |field| (field.tag, value_in(bytes, field)))
    }

    /// A non-negative integer.
    #[inline]
    pub fn u32(&self, tag: u32) -> Result<u32, FieldError> {
        value::parse_u32(self.required(tag)?)
    }

    /// An integer.
    #[inline]
    pub fn i64(&self, tag: u32) -> Result<i64, FieldError> {
        value::parse_i64(self.required(tag)?)
    }

    /// A price or quantity.
    #[inline]
    pub fn decimal(&self, tag: u32) -> Result<Decimal, FieldError> {
        Decimal::parse(self.required(tag)?)
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

    fn required(&self, tag: u32) -> Result<&'a [u8], FieldError> {
        self.field(tag).ok_or(FieldError::Missing)
    }

    fn value(&self, field: &Field) -> &'a [u8] {
        value_in(self.bytes, field)
    }
}

#[inline]
fn value_in<'a>(bytes: &'a [u8], field: &Field) -> &'a [u8] {
    &bytes[field.start as usize..field.end as usize]
}

/// Who a first message says it is from, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// BeginString(8).
    pub begin_string: &'a [u8],
    /// SenderCompID(49): the counterparty.
    pub sender_comp_id: &'a [u8],
    /// TargetCompID(56): us.
    pub target_comp_id: &'a [u8],
}

/// Why bytes tell nobody's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unidentified<'a> {
    /// They are the beginning of a message: more are to come.
    Incomplete,
    /// They begin no message.
    Garbled(Garbled),
    /// They begin a message of this MsgType(35), which is no Logon.
    NotLogon(&'a [u8]),
    /// The Logon lacks the field with this tag.
    CompIdMissing(u32),
}

/// Reads the identity of the Logon that `bytes` begin with, so that an acceptor can pick the
/// session.
///
/// # Errors
/// [`Unidentified`], when they begin with anything else, or with less than a whole Logon.
pub fn identify<'a>(
    bytes: &'a [u8],
    message_bytes_max: usize,
    decoder: &'a mut Decoder,
) -> Result<Identity<'a>, Unidentified<'a>> {
    let (len, body) = match frame(bytes, message_bytes_max) {
        Framed::Complete { len, body } => (len, body),
        Framed::Incomplete { .. } => return Err(Unidentified::Incomplete),
        Framed::Garbled { reason, .. } => return Err(Unidentified::Garbled(reason)),
    };
    let message = decoder.decode(&bytes[..len], body).map_err(Unidentified::Garbled)?;
    if message.msg_type() != tags::msg_type::LOGON {
        return Err(Unidentified::NotLogon(message.msg_type()));
    }
    let comp_id = |tag| message.field(tag).ok_or(Unidentified::CompIdMissing(tag));
    Ok(Identity {
        begin_string: message.begin_string(),
        sender_comp_id: comp_id(tags::SENDER_COMP_ID)?,
        target_comp_id: comp_id(tags::TARGET_COMP_ID)?,
    })
}

#[cfg(test)]
mod tests;
