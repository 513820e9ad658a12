//! The fastest way to find fields: this message has SOHs in just the places where one before it had
//! them, and the same tags behind them. Nothing is to be found, only to be proven.
//!
//! A counterparty's messages differ in their values and seldom in their values' widths, so few
//! [`Shape`]s come again and again. One is remembered when it has come twice to its place with no more than
//! one other between.

use core::ops::RangeInclusive;

use super::index::Found;
use super::table::{Table, Vouched, field_at, tag_len};
use crate::fix::frame::SOH;
use crate::fix::message::Standing;
use crate::fix::simd::{IMAGE_LEN, Image, Isa, fits};
use crate::fix::tags;

/// How long messages are, without their trailer, whose shapes are remembered.
const LENS: RangeInclusive<usize> = 32..=IMAGE_LEN;
/// Shapes that are remembered. The oldest makes way.
const PLACES: usize = 32;
/// Pairs of keys. Three shapes of one pair cannot stand side by side, and that is to be rare.
const PAIRS: usize = 128;

/// By what a shape is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Key(u32);

impl Key {
    /// The key of a message with SOHs where `sohs` tells, whose MsgType begins with `msg_type`.
    #[inline(always)]
    pub(super) fn of(sohs: u32, msg_type: u8) -> Key {
        Key(sohs ^ u32::from(msg_type) << 16)
    }

    #[inline(always)]
    fn pair(self) -> usize {
        (self.0 ^ self.0 >> 16) as usize % PAIRS
    }
}

/// Where the fields of a message lie, and the bytes that prove it.
#[derive(Clone, Debug)]
struct Shape {
    /// Its length without trailer; 0 in an empty place.
    end: usize,
    /// Tags, '=' and SOHs where they stand, and SOH wherever none may be.
    image: Image,
    /// All ones where `image` is what must be there, zero where it is what must not.
    mask: Image,
    table: Table,
    /// Fields, CheckSum included.
    count: u8,
    is_vouched: bool,
}

impl Shape {
    const NONE: Shape = Shape {
        end: 0,
        image: [0; IMAGE_LEN],
        mask: [0; IMAGE_LEN],
        table: Table::EMPTY,
        count: 0,
        is_vouched: false,
    };
}

/// The shapes remembered, by their keys.
#[derive(Clone, Debug)]
pub(super) struct Shapes {
    shapes: Box<[Shape; PLACES]>,
    /// Which place is taken next.
    next: usize,
    /// In which pair and where in it the key of each shape stands.
    owners: [(u8, u8); PLACES],
    pairs: Box<[Pair; PAIRS]>,
}

/// Keys that fall together.
#[derive(Clone, Copy, Debug, Default)]
struct Pair {
    keys: [Key; 2],
    places: [u8; 2],
    /// The two keys that came last without being remembered, the later one first.
    candidates: [Key; 2],
    /// Which of the two is replaced next.
    next: u8,
}

impl Shapes {
    pub(super) fn new() -> Shapes {
        Shapes {
            shapes: vec![Shape::NONE; PLACES].try_into().expect("as many"),
            next: 0,
            owners: [(0, 0); PLACES],
            pairs: Box::new([Pair::default(); PAIRS]),
        }
    }

    /// The place of the shape that a message has whose content is `content`, if it is remembered.
    #[inline(always)]
    pub(super) fn find(&self, isa: Isa, content: &[u8], key: Key) -> Option<usize> {
        let pair = &self.pairs[key.pair()];
        let which = usize::from(pair.keys[0] != key);
        if pair.keys[which] != key {
            return None;
        }
        let place = usize::from(pair.places[which]) % PLACES;
        let shape = &self.shapes[place];
        let is_it = shape.end == content.len() && fits(isa, content, &shape.image, &shape.mask);
        if is_it { Some(place) } else { self.find_namesake(isa, content, key) }
    }

    /// Two shapes may have one key: SOHs in the same places, and other tags.
    #[cold]
    fn find_namesake(&self, isa: Isa, content: &[u8], key: Key) -> Option<usize> {
        let pair = &self.pairs[key.pair()];
        let place = usize::from(pair.places[1]) % PLACES;
        let shape = &self.shapes[place];
        let is_it = pair.keys[1] == key
            && shape.end == content.len()
            && fits(isa, content, &shape.image, &shape.mask);
        is_it.then_some(place)
    }

    /// Where the fields of a shape are, CheckSum's among them, and how a message of it stands.
    #[inline(always)]
    pub(super) fn found(&self, place: usize) -> (&Table, &[u32], Standing) {
        let shape = &self.shapes[place];
        let standing = if shape.is_vouched { Standing::VOUCHED } else { Standing::shaped(place) };
        (&shape.table, shape.table.all(shape.count), standing)
    }

    /// Where the fields of a shape are, if it was vouched for.
    #[inline(always)]
    pub(super) fn vouched(&self, place: usize) -> Option<(&Table, &[u32])> {
        let shape = &self.shapes[place];
        shape.is_vouched.then(|| (&shape.table, shape.table.all(shape.count)))
    }

    /// What `bytes`, a message of the shape in `place`, have in the first fields with `tags` is part of the
    /// shape from now on.
    pub(super) fn vouch(&mut self, place: usize, bytes: &[u8], looked_at: &[u32]) {
        let Some(shape) = self.shapes.get_mut(place) else { return };
        let table = &shape.table;
        let value = |tag| {
            let Found::At(position) = table.index.find(tag) else { return None };
            let (start, end) = table.span(position);
            Some(start + tag_len(tag)..end)
        };
        for value in looked_at.iter().filter_map(|tag| value(*tag)) {
            shape.image[value.clone()].copy_from_slice(&bytes[value.clone()]);
            shape.mask[value].fill(0xff);
        }
        let [number, time] = [tags::MSG_SEQ_NUM, tags::SENDING_TIME].map(|tag| {
            let value = value(tag).unwrap_or_default();
            (value.start as u32, value.end as u32)
        });
        shape.table.vouched = Vouched { number_end: number.1, digits: number.1 - number.0, time };
        shape.is_vouched = true;
    }

    /// A message of a shape that is not remembered was read another way: `count` fields, CheckSum last. To be
    /// called only for one without anything unusual.
    #[cold]
    pub(super) fn note(&mut self, content: &[u8], key: Key, table: &Table, count: u8) {
        if !LENS.contains(&content.len()) {
            return;
        }
        let pair = &mut self.pairs[key.pair()];
        if !pair.candidates.contains(&key) {
            pair.candidates = [key, pair.candidates[0]];
            return;
        }
        let which = usize::from(pair.next);
        pair.next ^= 1;
        // One that is replaced leaves its place to the new one, else the oldest of all does.
        let place = if pair.keys[which] == Key::default() {
            let place = self.next;
            self.next = (place + 1) % PLACES;
            let (owner, of_it) = self.owners[place];
            let owner = &mut self.pairs[usize::from(owner) % PAIRS];
            if usize::from(owner.places[usize::from(of_it)]) == place {
                owner.keys[usize::from(of_it)] = Key::default();
            }
            place
        } else {
            usize::from(pair.places[which]) % PLACES
        };
        self.owners[place] = (key.pair() as u8, which as u8);
        let pair = &mut self.pairs[key.pair()];
        (pair.keys[which], pair.places[which]) = (key, place as u8);
        let shape = &mut self.shapes[place];
        shape.end = 0;
        let (Some(image), Some(mask)) =
            (shape.image.get_mut(..content.len()), shape.mask.get_mut(..content.len()))
        else {
            return;
        };
        image.copy_from_slice(content);
        mask.fill(0xff);
        // CheckSum lies behind the content.
        for starts in table.all(count.saturating_sub(1)).windows(2) {
            let field = field_at(content, starts[0], starts[1]);
            let value = field.start as usize..field.end as usize;
            image[value.clone()].fill(SOH);
            mask[value].fill(0);
        }
        (shape.end, shape.count) = (content.len(), count);
        shape.table.clone_from(table);
        shape.is_vouched = false;
    }
}
