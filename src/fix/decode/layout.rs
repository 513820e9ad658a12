//! The fast way to find fields: vector instructions find the ends, and the tags are expected to be
//! those of the last message of the same type.
//!
//! A [`Layout`] remembers the order of tags. As long as a message has that order, one comparison a
//! field proves it, and everything that follows from the tags alone holds as it did before. A
//! message with another order is read tag by tag, and its order is remembered instead. Whatever is
//! unusual (a data field, an empty value, a header field twice or behind the body, a tag that is no
//! number) is left to the slow way, which decides what it means.

use super::Field;
use super::index::Index;
use crate::fix::simd::soh_positions;
use crate::fix::swar;
use crate::fix::tags::{self, Kind, TAG_MAX, kind};

/// The most fields of an order of tags that is remembered, CheckSum included.
const FIELDS_MAX: usize = 64;

/// A tag as it stands in a message: its digits and '=', as a little-endian word.
#[derive(Clone, Copy, Debug, Default)]
struct Image {
    word: u64,
    mask: u64,
    len: u32,
}

impl Image {
    #[inline]
    fn of(word: u64, len: u32) -> Image {
        let mask = u64::MAX >> (64 - 8 * len);
        Image { word: word & mask, mask, len }
    }

    /// 0 if `word` begins with this tag.
    #[inline]
    fn difference(&self, word: u64) -> u64 {
        (word ^ self.word) & self.mask
    }
}

/// An order of tags, and where the fields of the last message that had it lie.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// Fields before CheckSum; 0 while nothing is remembered.
    count: usize,
    images: Box<[Image; FIELDS_MAX]>,
    fields: Box<[Field; FIELDS_MAX]>,
    /// Where the SOHs of the message at hand lie.
    ends: Box<[u32; FIELDS_MAX]>,
    index: Index,
}

impl Layout {
    pub(super) fn new() -> Layout {
        Layout {
            count: 0,
            images: Box::new([Image::default(); FIELDS_MAX]),
            fields: Box::new([Field::default(); FIELDS_MAX]),
            ends: Box::new([0; FIELDS_MAX]),
            index: Index::EMPTY,
        }
    }

    /// Finds the fields of a whole message whose trailer begins at `end`. False if that takes the slow way.
    pub(super) fn read(&mut self, bytes: &[u8], end: usize, fields_max: usize) -> bool {
        let count = soh_positions(&bytes[..end], &mut self.ends[..]);
        // CheckSum has a place too.
        let Some(count) = count.filter(|count| *count > 0 && *count < fields_max.min(FIELDS_MAX))
        else {
            return false;
        };
        count == self.count && self.predict(bytes, end) || self.learn(bytes, end, count)
    }

    /// The fields found, CheckSum last.
    #[inline]
    pub(super) fn found(&self) -> (&[Field], &Index) {
        (self.fields.get(..=self.count).unwrap_or_default(), &self.index)
    }

    /// Takes the order of tags to be the one remembered, and proves it.
    #[inline]
    fn predict(&mut self, bytes: &[u8], end: usize) -> bool {
        let Some(fields) = self.fields.get_mut(..self.count) else { return false };
        let mut at = 0;
        // Looked at once, behind the loop: a bit for each tag byte that is another, and a sign for a
        // value that is empty.
        let (mut others, mut lens) = (0u64, 0u32);
        for ((image, field), value_end) in self.images.iter().zip(fields).zip(self.ends.iter()) {
            let Some(word) = swar::word_at(bytes, at as usize) else { return false };
            others |= image.difference(word);
            let start = at + image.len;
            lens |= value_end.wrapping_sub(start + 1);
            (field.start, field.end) = (start, *value_end);
            at = value_end + 1;
        }
        if others != 0 || lens.cast_signed() < 0 || at as usize != end {
            return false;
        }
        self.place_check_sum(end);
        true
    }

    /// Reads the tag of each of `count` fields, and remembers their order.
    fn learn(&mut self, bytes: &[u8], end: usize, count: usize) -> bool {
        self.count = 0;
        self.index.clear();
        let mut header = Header::default();
        let mut at = 0;
        for position in 0..count {
            let Some((tag, image)) = swar::word_at(bytes, at as usize).and_then(read_tag) else {
                return false;
            };
            let (start, value_end) = (at + image.len, self.ends[position]);
            if start >= value_end || !header.takes(tag) {
                return false;
            }
            self.images[position] = image;
            self.fields[position] = Field { tag, start, end: value_end };
            self.index.note(tag, position);
            at = value_end + 1;
        }
        if at as usize != end {
            return false;
        }
        self.count = count;
        self.index.note(tags::CHECK_SUM, count);
        self.place_check_sum(end);
        true
    }

    #[inline]
    fn place_check_sum(&mut self, end: usize) {
        if let Some(last) = self.fields.get_mut(self.count) {
            *last = Field::of_check_sum(end);
        }
    }
}

/// Which header fields have come, and whether the body has begun.
#[derive(Default)]
struct Header {
    seen: u64,
    in_body: bool,
}

impl Header {
    /// Whether a field with `tag` is nothing unusual here.
    #[inline]
    fn takes(&mut self, tag: u32) -> bool {
        match kind(tag) {
            Kind::Body => {
                self.in_body = true;
                true
            }
            Kind::Header(slot) => {
                let is_usual = !self.in_body && self.seen & 1 << slot == 0;
                self.seen |= 1 << slot;
                is_usual
            }
            Kind::Length => false,
        }
    }
}

/// The tag at the front of `word`: one to seven digits, the first not 0, and '='.
#[inline]
fn read_tag(word: u64) -> Option<(u32, Image)> {
    let digits = swar::position(word, b'=')?;
    let tag = swar::digits_at_front(word, digits)?;
    let is_usual = word as u8 != b'0' && tag <= TAG_MAX;
    is_usual.then(|| (tag, Image::of(word, digits as u32 + 1)))
}
