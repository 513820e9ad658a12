//! The fastest way to find fields: this message has SOHs in just the places where one before it had
//! them, and the same tags behind them. Nothing is to be found, only to be proven.
//!
//! A counterparty's messages differ in their values and seldom in their values' widths, so few
//! [`Shape`]s come again and again. One is remembered when it has come twice to its place with no more than
//! one other between.

use super::Field;
use super::index::Index;
use crate::fix::frame::SOH;
use crate::fix::message::Standing;
use crate::fix::simd::{Digest, LEN_MAX, fits};

/// The most fields, CheckSum included.
const FIELDS_MAX: usize = 48;
/// Places for shapes: pairs, in which two that fall together stand side by side.
const PLACES: usize = 16;

/// By what a shape is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Key(u32);

impl Key {
    /// The key of a message of this digest, whose MsgType begins with `msg_type`.
    #[inline(always)]
    pub(super) fn of(digest: Digest, msg_type: u8) -> Key {
        Key(digest.key ^ u32::from(msg_type) << 16)
    }

    #[inline(always)]
    fn pair(self) -> usize {
        (self.0 ^ self.0 >> 16) as usize % (PLACES / 2)
    }
}

/// Where the fields of a message lie, and the bytes that prove it.
#[derive(Clone, Debug)]
struct Shape {
    /// Its length without trailer; 0 in an empty place.
    end: usize,
    /// Tags, '=' and SOHs where they stand, and SOH wherever none may be.
    image: [u8; LEN_MAX],
    /// All ones where `image` is what must be there, zero where it is what must not.
    mask: [u8; LEN_MAX],
    /// CheckSum last.
    fields: [Field; FIELDS_MAX],
    count: usize,
    index: Index,
    is_vouched: bool,
}

impl Shape {
    const NONE: Shape = Shape {
        end: 0,
        image: [0; LEN_MAX],
        mask: [0; LEN_MAX],
        fields: [Field::NONE; FIELDS_MAX],
        count: 0,
        index: Index::EMPTY,
        is_vouched: false,
    };
}

/// The shapes remembered, in places by their keys.
#[derive(Clone, Debug)]
pub(super) struct Shapes {
    /// Of the shape in each place.
    keys: [Key; PLACES],
    shapes: Box<[Shape; PLACES]>,
    /// The two keys that came last to each pair without being remembered there, the later one first.
    candidates: [[Key; 2]; PLACES / 2],
    /// Which of each pair is replaced next.
    next: [bool; PLACES / 2],
}

impl Shapes {
    pub(super) fn new() -> Shapes {
        Shapes {
            keys: [Key(0); PLACES],
            shapes: Box::new([Shape::NONE; PLACES]),
            candidates: [[Key(0); 2]; PLACES / 2],
            next: [false; PLACES / 2],
        }
    }

    /// The place of the shape that a message has whose content is `content`, if it is remembered.
    #[inline(always)]
    pub(super) fn find(&self, content: &[u8], key: Key) -> Option<usize> {
        let place = 2 * key.pair();
        let place = place + usize::from(self.keys[place] != key);
        let shape = &self.shapes[place];
        let is_it = self.keys[place] == key
            && shape.end == content.len()
            && fits(content, &shape.image, &shape.mask);
        if is_it { Some(place) } else { self.find_namesake(content, key) }
    }

    /// Two shapes may have one key: SOHs in the same places, and other tags.
    #[cold]
    fn find_namesake(&self, content: &[u8], key: Key) -> Option<usize> {
        let place = 2 * key.pair() + 1;
        let shape = &self.shapes[place];
        let is_it = self.keys[place] == key
            && shape.end == content.len()
            && fits(content, &shape.image, &shape.mask);
        is_it.then_some(place)
    }

    /// The fields of a shape, CheckSum last, and how a message of it stands.
    #[inline]
    pub(super) fn found(&self, place: usize) -> (&[Field], &Index, Standing) {
        let shape = &self.shapes[place];
        let standing = if shape.is_vouched { Standing::VOUCHED } else { Standing::shaped(place) };
        (shape.fields.get(..shape.count).unwrap_or_default(), &shape.index, standing)
    }

    /// What `bytes`, a message of the shape in `place`, have in the first fields with `tags` is part of the
    /// shape from now on.
    pub(super) fn vouch(&mut self, place: usize, bytes: &[u8], tags: &[u32]) {
        let Some(shape) = self.shapes.get_mut(place) else { return };
        let fields = shape.fields.get(..shape.count).unwrap_or_default();
        for field in tags.iter().filter_map(|tag| shape.index.find(*tag, fields)) {
            let value = field.start as usize..field.end as usize;
            shape.image[value.clone()].copy_from_slice(&bytes[value.clone()]);
            shape.mask[value].fill(0xff);
        }
        shape.is_vouched = true;
    }

    /// A message of a shape that is not remembered was read another way: `fields`, CheckSum last. To be
    /// called only for one without anything unusual.
    #[cold]
    pub(super) fn note(&mut self, content: &[u8], key: Key, fields: &[Field], index: &Index) {
        let pair = key.pair();
        let candidates = &mut self.candidates[pair];
        if !candidates.contains(&key) {
            *candidates = [key, candidates[0]];
            return;
        }
        let place = 2 * pair + usize::from(self.next[pair]);
        self.next[pair] = !self.next[pair];
        let shape = &mut self.shapes[place];
        let (Some(room), Some(image), Some(mask)) = (
            shape.fields.get_mut(..fields.len()),
            shape.image.get_mut(..content.len()),
            shape.mask.get_mut(..content.len()),
        ) else {
            return;
        };
        room.copy_from_slice(fields);
        image.copy_from_slice(content);
        mask.fill(0xff);
        // CheckSum lies behind the content.
        for field in &fields[..fields.len() - 1] {
            let value = field.start as usize..field.end as usize;
            image[value.clone()].fill(SOH);
            mask[value].fill(0);
        }
        self.keys[place] = key;
        (shape.end, shape.count) = (content.len(), fields.len());
        shape.index.clone_from(index);
        shape.is_vouched = false;
    }
}
