//! The fastest way to find fields: this message has SOHs in just the places where one before it had
//! them, and the same tags behind them. Nothing is to be found, only to be proven.
//!
//! A counterparty's messages differ in their values and seldom in their values' widths, so few
//! [`Shape`]s come again and again. One is remembered when it has come twice in a row in its place.

use super::Field;
use super::index::Index;
use crate::fix::simd::{Masks, differs};

/// The longest message without its trailer that a shape is remembered of, in bytes: four masks.
pub(super) const LEN_MAX: usize = 256;
/// The most fields, CheckSum included.
const FIELDS_MAX: usize = 48;
/// Places for shapes: pairs, in which two that fall together stand side by side.
const PLACES: usize = 16;

/// Where the fields of a message lie, and the bytes that prove it.
#[derive(Clone, Debug)]
struct Shape {
    /// Where its SOHs are; none in an empty place.
    masks: Masks,
    /// Its length without trailer.
    end: usize,
    /// Tags and '=' where they stand.
    image: [u8; LEN_MAX],
    /// All ones where `image` counts.
    mask: [u8; LEN_MAX],
    /// CheckSum last.
    fields: [Field; FIELDS_MAX],
    count: usize,
    index: Index,
}

impl Shape {
    const NONE: Shape = Shape {
        masks: Masks { a: 0, b: 0, c: 0, d: 0 },
        end: 0,
        image: [0; LEN_MAX],
        mask: [0; LEN_MAX],
        fields: [Field::NONE; FIELDS_MAX],
        count: 0,
        index: Index::EMPTY,
    };
}

/// The shapes remembered, in places by their masks.
#[derive(Clone, Debug)]
pub(super) struct Shapes {
    shapes: Box<[Shape; PLACES]>,
    /// The masks that came last to each pair without being remembered there.
    candidates: Box<[Masks; PLACES / 2]>,
    /// Which of each pair is replaced next.
    next: [bool; PLACES / 2],
}

impl Shapes {
    pub(super) fn new() -> Shapes {
        Shapes {
            shapes: Box::new([Shape::NONE; PLACES]),
            candidates: Box::new([Masks::default(); PLACES / 2]),
            next: [false; PLACES / 2],
        }
    }

    /// The place of the shape that a message has whose content is `content`, with SOHs where `masks` say,
    /// if it is remembered.
    #[inline(always)]
    pub(super) fn find(&self, content: &[u8], masks: Masks) -> Option<usize> {
        let place = 2 * pair(masks);
        let place = if masks.are(&self.shapes[place].masks) { place } else { place + 1 };
        let shape = &self.shapes[place];
        let is_it = masks.are(&shape.masks)
            && shape.end == content.len()
            && !differs(content, &shape.image, &shape.mask);
        is_it.then_some(place)
    }

    /// The fields of a shape, CheckSum last.
    #[inline]
    pub(super) fn fields(&self, place: usize) -> (&[Field], &Index) {
        let shape = &self.shapes[place];
        (shape.fields.get(..shape.count).unwrap_or_default(), &shape.index)
    }

    /// A message of a shape that is not remembered was read another way: `fields`, CheckSum last. To be
    /// called only for one without anything unusual.
    #[cold]
    pub(super) fn note(&mut self, content: &[u8], masks: Masks, fields: &[Field], index: &Index) {
        let pair = pair(masks);
        if self.candidates[pair] != masks {
            self.candidates[pair] = masks;
            return;
        }
        let place = 2 * pair + usize::from(self.next[pair]);
        self.next[pair] = !self.next[pair];
        let shape = &mut self.shapes[place];
        let (Some(room), Some(image)) =
            (shape.fields.get_mut(..fields.len()), shape.image.get_mut(..content.len()))
        else {
            return;
        };
        room.copy_from_slice(fields);
        image.copy_from_slice(content);
        shape.mask = [0; LEN_MAX];
        let mut tag_start = 0;
        // CheckSum lies behind the content.
        for field in &fields[..fields.len() - 1] {
            shape.mask[tag_start..field.start as usize].fill(0xff);
            tag_start = field.end as usize + 1;
        }
        (shape.masks, shape.end, shape.count) = (masks, content.len(), fields.len());
        shape.index.clone_from(index);
    }
}

#[inline(always)]
fn pair(masks: Masks) -> usize {
    const MIXER: u64 = 0x9e37_79b9_7f4a_7c15;
    let Masks { a, b, c, d } = masks;
    let mixed = (a ^ b.rotate_left(17) ^ c.rotate_left(31) ^ d.rotate_left(47)).wrapping_mul(MIXER);
    (mixed >> 60) as usize % (PLACES / 2)
}
