//! From bytes to fields, in place.
//!
//! The decoder tells two kinds of damage apart. Bytes that are no fields at all are [`Garbled`] and
//! leave no trace. Fields that are wrong are a [`Fault`](super::Fault): the message still has its
//! number, and the session answers with a Reject. Only the first fault of a message is kept.
//!
//! | file | what it does |
//! | --- | --- |
//! | `shape` | the fastest way: a message shaped like one before it |
//! | `layout` | the fast way: vector instructions, and the order of tags expected of each type |
//! | `scan` | the slow way, which knows every case |
//! | `index` | fields by their tag |

mod index;
mod layout;
mod scan;
mod shape;

#[cfg(test)]
mod tests;

use super::frame::{Framed, TRAILER_LEN, Whole, frame};
use super::message::{FaultAt, Message, Standing};
use super::reason::Garbled;
use super::tags;
use layout::Layout;
use scan::scan;
use shape::{Key, Shapes};

pub(super) use index::Index;

/// How many fields [`Decoder::default`] has room for.
pub const FIELDS_DEFAULT: usize = 256;

/// Where a field's value lies in its message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Field {
    pub(super) tag: u32,
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Field {
    const NONE: Field = Field { tag: 0, start: 0, end: 0 };

    /// The value's length in bytes.
    #[inline]
    pub(super) fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// CheckSum(10) of a message whose trailer begins at `end`.
    #[inline]
    fn of_check_sum(end: usize) -> Field {
        let start = end as u32 + 3;
        Field { tag: tags::CHECK_SUM, start, end: start + 3 }
    }
}

/// Orders of tags that are remembered: one for each MsgType, as long as not two share a place.
const LAYOUTS: usize = 16;

/// What messages are decoded into, used again for each.
#[derive(Clone, Debug)]
pub struct Decoder {
    fields_max: usize,
    shapes: Shapes,
    layouts: Box<[Layout]>,
    /// For messages that are read the slow way.
    fields: Box<[Field]>,
    index: Index,
    fault: Option<FaultAt>,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder::with_fields(FIELDS_DEFAULT)
    }
}

impl Decoder {
    /// A decoder of messages with at most `fields_max` fields, itself at most 65,535.
    pub fn with_fields(fields_max: usize) -> Decoder {
        let fields_max = fields_max.min(usize::from(u16::MAX));
        Decoder {
            fields_max,
            shapes: Shapes::new(),
            layouts: (0..LAYOUTS).map(|_| Layout::new()).collect(),
            fields: vec![Field::default(); fields_max].into_boxed_slice(),
            index: Index::EMPTY,
            fault: None,
        }
    }

    /// The fields of `bytes`, which are one whole message, framing and all.
    ///
    /// # Errors
    /// What [`frame`] finds, and what is wrong with the fields.
    pub fn parse<'a>(&'a mut self, bytes: &'a [u8]) -> Result<Message<'a>, Garbled> {
        match frame(bytes, usize::MAX) {
            Framed::Complete(whole) if whole.len == bytes.len() => self.decode(bytes, &whole),
            Framed::Garbled { reason, .. } => Err(reason),
            Framed::Complete(_) | Framed::Incomplete { .. } => Err(Garbled::CheckSumMissing),
        }
    }

    /// The fields of the message at the front of `bytes`, which [`frame`] found `whole`.
    ///
    /// # Errors
    /// [`Garbled::MsgTypeNotThird`], [`Garbled::FieldMalformed`], [`Garbled::FieldsTooMany`];
    /// [`Garbled::CheckSumMissing`] where [`frame`] found that of other bytes.
    #[inline(always)]
    pub fn decode<'a>(
        &'a mut self,
        bytes: &'a [u8],
        whole: &Whole,
    ) -> Result<Message<'a>, Garbled> {
        let bytes = bytes.get(..whole.len).ok_or(Garbled::CheckSumMissing)?;
        let end = bytes.len().checked_sub(TRAILER_LEN).ok_or(Garbled::CheckSumMissing)?;
        let content = &bytes[..end];
        let Some(&[b'3', b'5', b'=', msg_type]) = bytes.get(whole.body..whole.body + 4) else {
            return Err(Garbled::MsgTypeNotThird);
        };
        let key = Key::of(whole.digest, msg_type);
        if let Some(place) = self.shapes.find(content, key) {
            let (fields, index, standing) = self.shapes.found(place);
            return Ok(Message::new(bytes, fields, index, None, standing));
        }
        let layout = &mut self.layouts[usize::from(msg_type) % LAYOUTS];
        if layout.read(bytes, end, self.fields_max) {
            let (fields, index) = layout.found();
            self.shapes.note(content, key, fields, index);
            return Ok(Message::new(bytes, fields, index, None, Standing::STRANGER));
        }
        slowly(bytes, end, &mut self.fields, &mut self.index, &mut self.fault)
    }

    /// The message last decoded, which has the shape in `place`, was looked at and found right: what it
    /// has in the fields `tags` is right in every message of its shape.
    #[cold]
    pub(super) fn vouch(&mut self, place: usize, bytes: &[u8], tags: &[u32]) {
        self.shapes.vouch(place, bytes, tags);
    }
}

#[cold]
fn slowly<'a>(
    bytes: &'a [u8],
    end: usize,
    fields: &'a mut [Field],
    index: &'a mut Index,
    first_fault: &'a mut Option<FaultAt>,
) -> Result<Message<'a>, Garbled> {
    let (count, fault) = scan(&bytes[..end], fields, index)?;
    *fields.get_mut(count).ok_or(Garbled::FieldsTooMany)? = Field::of_check_sum(end);
    index.note(tags::CHECK_SUM, count);
    *first_fault = fault;
    Ok(Message::new(bytes, &fields[..=count], index, first_fault.as_ref(), Standing::STRANGER))
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
    /// SenderSubID(50), if it is there.
    pub sender_sub_id: Option<&'a [u8]>,
    /// TargetSubID(57), if it is there.
    pub target_sub_id: Option<&'a [u8]>,
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
    let whole = match frame(bytes, message_bytes_max) {
        Framed::Complete(whole) => whole,
        Framed::Incomplete { .. } => return Err(Unidentified::Incomplete),
        Framed::Garbled { reason, .. } => return Err(Unidentified::Garbled(reason)),
    };
    let message = decoder.decode(bytes, &whole).map_err(Unidentified::Garbled)?;
    if message.msg_type() != tags::msg_type::LOGON {
        return Err(Unidentified::NotLogon(message.msg_type()));
    }
    let comp_id = |tag| message.field(tag).ok_or(Unidentified::CompIdMissing(tag));
    Ok(Identity {
        begin_string: message.begin_string(),
        sender_comp_id: comp_id(tags::SENDER_COMP_ID)?,
        target_comp_id: comp_id(tags::TARGET_COMP_ID)?,
        sender_sub_id: message.field(tags::SENDER_SUB_ID),
        target_sub_id: message.field(tags::TARGET_SUB_ID),
    })
}
