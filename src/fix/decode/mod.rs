//! From bytes to fields, in place.
//!
//! The decoder tells two kinds of damage apart. Bytes that are no fields at all are [`Garbled`] and
//! leave no trace. Fields that are wrong are a [`Fault`](super::Fault): the message still has its
//! number, and the session answers with a Reject. Only the first fault of a message is kept.
//!
//! | file | what it does |
//! | --- | --- |
//! | `shape` | the fastest way: a message shaped like one before it |
//! | `simd::fields` | the fast way, for all that is usual: vector instructions prove the structure |
//! | `tag_table` | a tag by its first four characters |
//! | `scan` | the slow way, which knows every case |
//! | `table` | where fields are |
//! | `index` | fields by their tag |

mod index;
mod scan;
mod shape;
mod table;
pub(super) mod tag_table;

#[cfg(test)]
mod tests;

use super::frame::{Framed, TRAILER_LEN, Whole, frame, frame_any, frame_usual};
use super::message::{FaultAt, Message, Standing};
use super::reason::Garbled;
use super::simd::{self, Isa, Words};
use super::tags;
use scan::scan;
use shape::{Key, Shapes};

pub(super) use index::Found;
pub(super) use table::{FIELDS_OF_TABLE, Field, Table, field_at, tag_len};

/// How many fields [`Decoder::default`] has room for.
pub const FIELDS_DEFAULT: usize = 256;

/// What a decoder lets pass that others refuse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leniency {
    /// Fields without a value (QuickFIX: ValidateFieldsHaveValues=N).
    pub empty_values: bool,
    /// Fields of the header behind the body (QuickFIX: ValidateFieldsOutOfOrder=N).
    pub header_in_body: bool,
}

/// What a decoder was told of fields beside the standard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rules {
    leniency: Leniency,
    /// Tags of lengths and of the data behind them.
    data_fields: Box<[(u32, u32)]>,
    /// Tags of the header, ascending.
    header_fields: Box<[u32]>,
}

impl Rules {
    /// Whether the header goes on behind a field that has no slot in it.
    fn is_in_header(&self, tag: u32) -> bool {
        tags::is_of_header(tag) || self.header_fields.binary_search(&tag).is_ok()
    }
}

/// What messages are decoded into, used again for each.
#[derive(Clone, Debug)]
pub struct Decoder {
    fields_max: usize,
    isa: Isa,
    shapes: Shapes,
    /// Whether it looks at those, and notes any.
    remembers: bool,
    /// Whose the messages are that it notes the shapes of.
    noted_by: u16,
    words: Box<Words>,
    table: Box<Table>,
    /// Where all fields begin, of messages that are read the slow way, and where the last one ends.
    starts: Box<[u32]>,
    fault: Option<FaultAt>,
    rules: Rules,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder::with_fields(FIELDS_DEFAULT)
    }
}

impl Decoder {
    /// How many fields a message may have.
    pub(crate) fn fields_max(&self) -> usize {
        self.fields_max
    }

    /// A decoder of messages with at most `fields_max` fields, itself at most 65,535.
    pub fn with_fields(fields_max: usize) -> Decoder {
        let fields_max = fields_max.min(usize::from(u16::MAX));
        Decoder {
            fields_max,
            isa: Isa::detected(),
            shapes: Shapes::new(1),
            remembers: true,
            noted_by: 0,
            words: Box::new([0; _]),
            table: Box::new(Table::EMPTY),
            starts: vec![0; fields_max + 1].into_boxed_slice(),
            fault: None,
            rules: Rules::default(),
        }
    }

    /// One that lets more pass.
    #[must_use]
    pub fn with_leniency(self, leniency: Leniency) -> Decoder {
        Decoder { rules: Rules { leniency, ..self.rules }, ..self }
    }

    /// One that knows more data fields than the standard's: the tag of each length, and that of the data behind it,
    /// in which an SOH ends nothing.
    #[must_use]
    pub fn with_data_fields(self, data_fields: &[(u32, u32)]) -> Decoder {
        let is_new = |(length, data): &&(u32, u32)| tags::data_of_length(*length) != Some(*data);
        let data_fields = data_fields.iter().filter(is_new).copied().collect();
        Decoder { rules: Rules { data_fields, ..self.rules }, ..self }
    }

    /// Whether it knows all of these data fields.
    pub(crate) fn knows(&self, data_fields: &[(u32, u32)]) -> bool {
        data_fields.iter().all(|(length, data)| {
            tags::data_of_length(*length) == Some(*data)
                || self.rules.data_fields.contains(&(*length, *data))
        })
    }

    /// One that knows more fields of the header than the standard's, those of groups in it among them: behind one of these the
    /// header goes on. Whether they are repeated, or follow the body, is not looked at: a dictionary does that.
    #[must_use]
    pub fn with_header_fields(self, header_fields: &[u32]) -> Decoder {
        let is_new = |tag: &u32| !tags::is_of_header(*tag);
        let mut header_fields: Vec<u32> = header_fields.iter().copied().filter(is_new).collect();
        header_fields.sort_unstable();
        Decoder { rules: Rules { header_fields: header_fields.into(), ..self.rules }, ..self }
    }

    /// One that remembers no message's shape: for streams in which hardly one has the widths of values that
    /// another had. What is decoded is the same.
    #[must_use]
    pub fn without_shapes(self) -> Decoder {
        Decoder { remembers: false, ..self }
    }

    /// One that remembers as many shapes as so many sessions have that share it.
    pub(super) fn for_sessions(self, sessions: usize) -> Decoder {
        Decoder { shapes: Shapes::new(sessions), ..self }
    }

    /// The messages from here on are this session's of those that share it.
    #[inline]
    pub(super) fn note_for(&mut self, session: u16) {
        self.noted_by = session;
    }

    /// The fields of `bytes`, which are one whole message, framing and all.
    ///
    /// # Errors
    /// What [`frame`] finds, and what is wrong with the fields.
    #[inline(always)]
    pub fn parse<'a>(&'a mut self, bytes: &'a [u8]) -> Result<Message<'a>, Garbled> {
        let (key, third) = match self.frame_usual(bytes, usize::MAX) {
            Some(Whole { key, third, .. }) => (key, third),
            None => frame_all(bytes)?,
        };
        self.find_fields(bytes, key, third)
    }

    /// As [`frame_usual`], by the instructions that were found to be there once.
    #[inline(always)]
    pub(super) fn frame_usual(&self, bytes: &[u8], message_bytes_max: usize) -> Option<Whole> {
        frame_usual(|content| simd::digest_by(self.isa, content), bytes, message_bytes_max)
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
        self.find_fields(bytes, whole.key, whole.third)
    }

    /// The fields of a whole message, by the key and the beginning of its body that [`Whole`] has of it.
    #[inline(always)]
    fn find_fields<'a>(
        &'a mut self,
        bytes: &'a [u8],
        key: u32,
        third: [u8; 4],
    ) -> Result<Message<'a>, Garbled> {
        let end = bytes.len().checked_sub(TRAILER_LEN).ok_or(Garbled::CheckSumMissing)?;
        let third = u32::from_le_bytes(third);
        if third << 8 != u32::from_le_bytes(*b"\x0035=") {
            return Err(Garbled::MsgTypeNotThird);
        }
        let msg_type = (third >> 24) as u8;
        let key = self.remembers.then(|| Key::of(key, msg_type));
        if let Some(key) = key
            && let Some(place) = self.shapes.find(self.isa, &bytes[..end], key)
        {
            let (table, starts, standing) = self.shapes.found(place);
            return Ok(Message::new(bytes, table, starts, None, standing));
        }
        let found =
            simd::fields(self.isa, bytes, end, &mut self.words, &mut self.table, self.fields_max);
        // CheckSum is one more.
        let found = found.map(|count| count + 1);
        if let Some(count) = found
            && (self.rules.data_fields.is_empty() || !self.has_announced(bytes, count))
        {
            if let Some(key) = key {
                self.shapes.note(&bytes[..end], key, self.noted_by, &self.table, count);
            }
            let starts = self.table.all(count);
            return Ok(Message::new(bytes, &self.table, starts, None, Standing::STRANGER));
        }
        let count = self.scan_slowly(bytes, end)?;
        Ok(self.scanned(bytes, count))
    }

    /// The message that `bytes` are, which framing found `whole`, if its shape was vouched for. Nothing is noted of
    /// another.
    #[inline(always)]
    pub(super) fn vouched<'a>(&'a self, bytes: &'a [u8], whole: &Whole) -> Option<Message<'a>> {
        // That MsgType is the third field is part of its shape.
        let content = bytes.get(..bytes.len().checked_sub(TRAILER_LEN)?)?;
        let place = self.shapes.find(self.isa, content, Key::of(whole.key, whole.third[3]))?;
        let (table, starts) = self.shapes.vouched(place)?;
        Some(Message::new(bytes, table, starts, None, Standing::VOUCHED))
    }

    /// Whether one of `count` fields, read like any other, is a length that the standard does not know.
    #[cold]
    fn has_announced(&self, bytes: &[u8], count: u8) -> bool {
        let mut lengths = self.rules.data_fields.iter().map(|(length, _)| *length);
        lengths.any(|tag| self.table.has(bytes, count, tag))
    }

    /// Finds the fields of a message whose trailer begins at `end` the slow way: how many, CheckSum included.
    #[cold]
    fn scan_slowly(&mut self, bytes: &[u8], end: usize) -> Result<usize, Garbled> {
        let (table, starts) = (&mut *self.table, &mut *self.starts);
        let room = starts.len().saturating_sub(1);
        let (count, fault) =
            scan(&bytes[..end], &mut starts[..room], &mut table.index, &self.rules)?;
        // CheckSum takes a place, and so does where it ends.
        let Some([check_sum, behind]) = starts.get_mut(count..count + 2) else {
            return Err(Garbled::FieldsTooMany);
        };
        (*check_sum, *behind) = (end as u32, bytes.len() as u32);
        table.index.note(tags::CHECK_SUM, count);
        table.take(&starts[..count + 2]);
        table.has_long = true;
        self.fault = fault;
        Ok(count + 1)
    }

    /// What was found so.
    #[inline(always)]
    fn scanned<'a>(&'a self, bytes: &'a [u8], count: usize) -> Message<'a> {
        let starts = self.starts.get(..=count).unwrap_or_default();
        Message::new(bytes, &self.table, starts, self.fault.as_ref(), Standing::STRANGER)
    }

    /// The message last decoded, which has the shape in `place`, was looked at and found right: what it
    /// has in the fields `tags` is right in every message of its shape.
    #[cold]
    pub(super) fn vouch(&mut self, place: usize, bytes: &[u8], tags: &[u32]) {
        self.shapes.vouch(place, bytes, tags);
    }
}

/// The key and the beginning of the body of the one message that `bytes` are, whatever its head: no more, so that it
/// comes back in registers.
#[inline(never)]
fn frame_all(bytes: &[u8]) -> Result<(u32, [u8; 4]), Garbled> {
    match frame_any(bytes, usize::MAX) {
        Framed::Complete(whole) if whole.len == bytes.len() => Ok((whole.key, whole.third)),
        Framed::Garbled { reason, .. } => Err(reason),
        Framed::Complete(_) | Framed::Incomplete { .. } => Err(Garbled::CheckSumMissing),
    }
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
