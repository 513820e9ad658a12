//! A tag by its first four characters, digits and '=', in one look.
//!
//! Of each character the lower half is enough, as all of them are proven to be digits up to '=': what
//! follows a short tag is absorbed by entries that are alike.

use crate::fix::swar;
use crate::fix::tags::{self, Kind, kind};

/// Entries from here on are not of the body.
pub(in crate::fix) const HEADER: u16 = 1 << SLOT_SHIFT;
const SLOT_SHIFT: u32 = 10;
/// In place of a header slot: a tag of four digits or more, of which the entry says nothing.
pub(in crate::fix) const LONG: u32 = 30;
const _: () = assert!(tags::HEADER_SLOTS < LONG as usize, "a slot is mistaken for a long tag");
/// The same: a tag that begins with 0, CheckSum's, which is of the trailer alone, or one of a length whose data may hold
/// anything.
const UNUSUAL: u32 = 31;
/// The header slots that are not taken once the header has begun, from behind: the body's, that of long tags, what is unusual,
/// and that of BeginString, which stands at the front.
pub(in crate::fix) const SEEN_AT_FIRST: u32 =
    1 | 1 << LONG | 1 << UNUSUAL | 1 << slot_of(tags::BEGIN_STRING);

/// By the lower halves of the first four characters: the tag, and above it its header slot plus one, or 0 for a tag of the
/// body.
pub(in crate::fix) static TAGS: [u16; 1 << 16] = {
    let mut entries = [(UNUSUAL as u16) << SLOT_SHIFT; 1 << 16];
    let mut tag = 1;
    while tag < 1_000 {
        let (hundreds, tens, ones) = (tag / 100, tag / 10 % 10, tag % 10);
        // Up to and with '=', and how many entries what follows it takes.
        let (first, alike) = match tag {
            0..10 => (ones << 12 | EQUALS << 8, 256),
            10..100 => (tens << 12 | ones << 8 | EQUALS << 4, 16),
            _ => (hundreds << 12 | tens << 8 | ones << 4 | EQUALS, 1),
        };
        let entry = (slot_of(tag as u32) as u16) << SLOT_SHIFT | tag as u16;
        let mut at = first;
        while at < first + alike {
            entries[at] = entry;
            at += 1;
        }
        tag += 1;
    }
    let mut number = 1_000;
    while number < 10_000 {
        let at = (number / 1_000) << 12
            | (number / 100 % 10) << 8
            | (number / 10 % 10) << 4
            | (number % 10);
        entries[at] = (LONG as u16) << SLOT_SHIFT;
        number += 1;
    }
    entries
};

/// The lower half of '='.
const EQUALS: usize = 0xd;

const fn slot_of(tag: u32) -> u32 {
    match (tags::data_of_length(tag), tags::header_slot(tag)) {
        (Some(_), _) => UNUSUAL,
        (None, Some(slot)) => slot as u32 + 1,
        (None, None) if tag == tags::CHECK_SUM => UNUSUAL,
        (None, None) => 0,
    }
}

/// The tag that four characters begin with, digits and '='; 0 for a long one, and for one that begins with 0 or a minus.
#[inline(always)]
pub(in crate::fix) fn tag_at_front(text: [u8; 4]) -> u16 {
    let halves = u32::from_be_bytes(text) & 0x0f0f_0f0f;
    let bytes = (halves | halves >> 4) & 0x00ff_00ff;
    tag(TAGS[usize::from((bytes | bytes >> 8) as u16)])
}

/// The tag of an entry; 0 for a long one.
#[inline(always)]
pub(in crate::fix) const fn tag(entry: u16) -> u16 {
    entry % HEADER
}

/// The header slot of an entry, plus one.
#[inline(always)]
pub(in crate::fix) const fn slot(entry: u16) -> u32 {
    (entry >> SLOT_SHIFT) as u32
}

/// The same of the long tag at `start`: seven digits at most, not of a length.
#[cold]
pub(in crate::fix) fn long_slot(message: &[u8], start: usize) -> Option<u32> {
    let word = swar::word_at(message, start)?;
    let tag = swar::digits_at_front(word, swar::position(word, b'=')?)?;
    match kind(tag) {
        Kind::Body => Some(0),
        Kind::Header(slot) => Some(u32::from(slot) + 1),
        Kind::Length => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tag_of_up_to_three_digits_is_found_whatever_follows_it() {
        let halves = |text: &str| {
            text.bytes().take(4).fold(0usize, |halves, byte| halves << 4 | usize::from(byte & 15))
        };
        for tag in 1..1_000u32 {
            for value in ["0", "=", "9", "Z", "\u{1}", "~~~"] {
                let entry = TAGS[halves(&format!("{tag}={value}===")[..])];
                assert_eq!((u32::from(super::tag(entry)), slot(entry)), (tag, slot_of(tag)));
            }
        }
        for text in ["0=1", "01=", "011=", "0111", "95=3", "212="] {
            assert_eq!(slot(TAGS[halves(&format!("{text}==="))]), UNUSUAL, "{text}");
        }
        for text in ["1000", "9999", "1128"] {
            assert_eq!(slot(TAGS[halves(text)]), LONG, "{text}");
        }
    }
}
