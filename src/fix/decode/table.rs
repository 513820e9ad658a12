//! What a decoder finds of a message: where its fields begin, and which tag is where.

use super::index::{Found, Index};
use super::tag_table;
use crate::fix::swar;
use crate::fix::tags::TAG_MAX;

/// Fields that a table has place for, CheckSum included.
pub(in crate::fix) const FIELDS_OF_TABLE: usize = 254;
/// One more place for where the last field ends; as many as a byte counts, so that none is out of bounds.
const STARTS: usize = 256;

/// A field's tag and where its value lies in its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fix) struct Field {
    /// 0 for one that no tag is.
    pub(in crate::fix) tag: u32,
    pub(in crate::fix) start: u32,
    pub(in crate::fix) end: u32,
}

/// The fields of a message: each ends, its SOH included, where the next one begins.
#[derive(Clone, Debug)]
pub(in crate::fix) struct Table {
    pub(in crate::fix) starts: [u32; STARTS],
    pub(in crate::fix) index: Index,
    /// Whether there may be tags of four digits or more, which the index does not have.
    pub(in crate::fix) has_long: bool,
    /// Of a shape that was vouched for.
    pub(in crate::fix) vouched: Vouched,
}

/// Where the values lie that are another in each message of one shape and yet looked at in all: nowhere in one
/// that lacks them, or that nobody vouched for.
#[derive(Clone, Copy, Debug)]
pub(in crate::fix) struct Vouched {
    /// Where MsgSeqNum(34) ends, and how many digits it has.
    pub(in crate::fix) number_end: u32,
    pub(in crate::fix) digits: u32,
    /// Where SendingTime(52) lies.
    pub(in crate::fix) time: (u32, u32),
    /// Where SenderCompID(49) and TargetCompID(56) lie.
    pub(in crate::fix) sender: (u32, u32),
    pub(in crate::fix) target: (u32, u32),
}

impl Table {
    pub(super) const EMPTY: Table =
        Table { starts: [0; STARTS], index: Index::EMPTY, has_long: false, vouched: Vouched::NONE };

    /// Whether one of `count` fields of `bytes`, found the fast way, has this tag.
    pub(super) fn has(&self, bytes: &[u8], count: u8, tag: u32) -> bool {
        match self.index.find(tag) {
            Found::At(_) => true,
            Found::Nowhere => false,
            Found::Far => {
                let mut fields = self.all(count).windows(2).map(|w| field_at(bytes, w[0], w[1]));
                self.has_long && fields.any(|field| field.tag == tag)
            }
        }
    }

    /// Where the text of the field at `position` begins, and where its value ends.
    #[inline(always)]
    pub(in crate::fix) fn span(&self, position: u8) -> (usize, usize) {
        let start = self.starts[usize::from(position)] as usize;
        let next = self.starts[usize::from(position.wrapping_add(1))] as usize;
        (start, next.wrapping_sub(1))
    }

    /// Takes over where fields begin, as many as there is place for.
    pub(super) fn take(&mut self, starts: &[u32]) {
        let count = starts.len().min(STARTS);
        self.starts[..count].copy_from_slice(&starts[..count]);
    }

    /// Where `count` fields begin, CheckSum among them, and where the last one ends.
    #[inline(always)]
    pub(super) fn all(&self, count: u8) -> &[u32] {
        &self.starts[..usize::from(count) + 1]
    }
}

impl Vouched {
    const NONE: Vouched =
        Vouched { number_end: 0, digits: 0, time: (0, 0), sender: (0, 0), target: (0, 0) };
}

/// How many bytes of a field are its tag and '='.
#[inline(always)]
pub(in crate::fix) const fn tag_len(tag: u32) -> usize {
    match tag {
        0..10 => 2,
        10..100 => 3,
        100..1000 => 4,
        _ => tag.ilog10() as usize + 2,
    }
}

/// The field whose text lies between `start` and its SOH before `next`: digits and '=', with a minus before them at most.
#[inline]
pub(in crate::fix) fn field_at(bytes: &[u8], start: u32, next: u32) -> Field {
    let end = next.saturating_sub(1);
    if let Some(text) = bytes.get(start as usize..).and_then(<[u8]>::first_chunk) {
        let tag = u32::from(tag_table::tag_at_front(*text));
        if tag != 0 {
            return Field { tag, start: start + tag_len(tag) as u32, end };
        }
    }
    longer_field(bytes, start, end)
}

/// The same for a tag of four digits or more, or of none that may be.
#[inline(never)]
fn longer_field(bytes: &[u8], start: u32, end: u32) -> Field {
    let word = swar::word_at(bytes, start as usize);
    match word.and_then(|word| {
        let digits = swar::position(word, b'=')?;
        Some((swar::digits_at_front(word, digits)?, digits, word as u8))
    }) {
        Some((tag, digits, first)) if first != b'0' => {
            Field { tag, start: start + digits as u32 + 1, end }
        }
        _ => unusual_field(bytes, start, end),
    }
}

/// The same for a tag of eight digits or more, of none that may be, and near the message's end.
#[cold]
fn unusual_field(bytes: &[u8], start: u32, end: u32) -> Field {
    let text = bytes.get(start as usize..end as usize).unwrap_or_default();
    let digits = text.iter().position(|byte| *byte == b'=').unwrap_or(text.len());
    let tag = text[..digits].iter().try_fold(0u32, |tag, byte| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        tag.checked_mul(10)?.checked_add(digit)
    });
    let is_tag = text.first().is_some_and(|first| *first != b'0');
    let tag = tag.filter(|tag| is_tag && *tag <= TAG_MAX).unwrap_or(0);
    Field { tag, start: (start + digits as u32 + 1).min(end), end }
}
