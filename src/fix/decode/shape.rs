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
/// Shapes that are remembered of one session. Its oldest makes way.
const PLACES_EACH: usize = 32;
/// Shapes that are remembered of all sessions that share them, at most: a place is told by a byte.
const PLACES_MAX: usize = 256;
/// Pairs of keys. Three shapes of one pair cannot stand side by side, and that is to be rare.
const PAIRS: usize = 1_024;
/// Pairs of keys that wait to come again. So few that of a counterparty whose fields are in some other order each time nothing
/// is noted: that takes longer than to read its message.
const AWAITED: usize = 128;

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
///
/// Sessions that share them learn from each other, and none can take them from the others: whoever has as many places as one
/// session may have gives up his own oldest for another, and in a pair whoever has one of the two gives up that. What a
/// counterparty with a new shape in each message costs the others is a session's share of the places, once.
#[derive(Clone, Debug)]
pub(super) struct Shapes {
    shapes: Box<[Shape]>,
    pairs: Box<[Pair; PAIRS]>,
    /// Whose each shape is.
    owners: Box<[Owner]>,
    /// Keys that came without being remembered, several pairs' together.
    awaited: Box<[Awaited; AWAITED]>,
    /// How many were ever noted.
    noted: u64,
}

/// Keys that fall together: in one line, and found by a shift.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(16))]
struct Pair {
    keys: [Key; 2],
    places: [u8; 2],
    /// Which of the two is replaced next.
    next: u8,
}

/// Of a place: who had its shape noted, and as the how manieth.
#[derive(Clone, Copy, Debug)]
struct Owner {
    by: u16,
    /// In which pair and where in it its key stands.
    pair: u16,
    which: u8,
    /// 0 for an empty place.
    noted: u64,
}

impl Owner {
    const NOBODY: Owner = Owner { by: 0, pair: 0, which: 0, noted: 0 };
}

/// The two keys that came last without being remembered, the later one first, and of whose messages; 0 is no key.
#[derive(Clone, Copy, Debug, Default)]
struct Awaited {
    keys: [Key; 2],
    by: [u16; 2],
}

impl Awaited {
    /// A key has come: the place of the older one is its, unless that is another's and the later one is its own.
    fn put(&mut self, key: Key, by: u16) {
        let [later, older] = [0, 1].map(|at| (self.keys[at], self.by[at]));
        let keeps_older = older.0 != Key::default() && later.1 == by && older.1 != by;
        let behind = if keeps_older { older } else { later };
        (self.keys, self.by) = ([key, behind.0], [by, behind.1]);
    }
}

impl Shapes {
    /// As many as `sessions` have that share them.
    pub(super) fn new(sessions: usize) -> Shapes {
        let places = PLACES_EACH * sessions.clamp(1, PLACES_MAX / PLACES_EACH);
        Shapes {
            shapes: vec![Shape::NONE; places].into_boxed_slice(),
            pairs: Box::new([Pair::default(); PAIRS]),
            owners: vec![Owner::NOBODY; places].into_boxed_slice(),
            awaited: Box::new([Awaited::default(); AWAITED]),
            noted: 0,
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
        let place = usize::from(pair.places[which]);
        let shape = self.shapes.get(place)?;
        let is_it = shape.end == content.len() && fits(isa, content, &shape.image, &shape.mask);
        if is_it { Some(place) } else { self.find_namesake(isa, content, key) }
    }

    /// Two shapes may have one key: SOHs in the same places, and other tags.
    #[cold]
    fn find_namesake(&self, isa: Isa, content: &[u8], key: Key) -> Option<usize> {
        let pair = &self.pairs[key.pair()];
        let place = usize::from(pair.places[1]);
        let shape = self.shapes.get(place)?;
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
        let span = |tag| {
            let value = value(tag).unwrap_or_default();
            (value.start as u32, value.end as u32)
        };
        let number = span(tags::MSG_SEQ_NUM);
        shape.table.vouched = Vouched {
            number_end: number.1,
            digits: number.1 - number.0,
            time: span(tags::SENDING_TIME),
            sender: span(tags::SENDER_COMP_ID),
            target: span(tags::TARGET_COMP_ID),
        };
        shape.is_vouched = true;
    }

    /// A message of a shape that is not remembered was read another way, one of `by`'s: `count` fields, CheckSum last. To
    /// be called only for one without anything unusual.
    #[cold]
    pub(super) fn note(&mut self, content: &[u8], key: Key, by: u16, table: &Table, count: u8) {
        if !LENS.contains(&content.len()) {
            return;
        }
        let awaited = &mut self.awaited[key.pair() % AWAITED];
        if !awaited.keys.contains(&key) {
            return awaited.put(key, by);
        }
        let place = self.place_for(key, by);
        let shape = &mut self.shapes[place];
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

    /// An empty place for a shape of `by`'s, found by `key` from now on.
    fn place_for(&mut self, key: Key, by: u16) -> usize {
        let at = key.pair();
        let which = self.replaced_of(at, by);
        let pair = &self.pairs[at];
        let replaced =
            (pair.keys[which] != Key::default()).then(|| usize::from(pair.places[which]));
        let is_gain = replaced.is_none_or(|place| self.owners[place].by != by);
        let own = self.owners.iter().filter(|owner| owner.noted > 0 && owner.by == by).count();
        let given_up =
            (is_gain && own >= PLACES_EACH).then(|| self.oldest(|of| of.noted > 0 && of.by == by));
        // One that is replaced leaves its place to the new one, else the oldest does.
        let place = replaced.or(given_up).unwrap_or_else(|| self.oldest(|_| true));
        given_up.into_iter().chain([place]).for_each(|place| self.empty(place));
        self.noted += 1;
        self.owners[place] = Owner { by, pair: at as u16, which: which as u8, noted: self.noted };
        let pair = &mut self.pairs[at];
        (pair.keys[which], pair.places[which]) = (key, place as u8);
        place
    }

    /// Which key of a pair makes way for one of `by`'s: none where one is empty, else his own, or the two in turn.
    fn replaced_of(&mut self, at: usize, by: u16) -> usize {
        let pair = &self.pairs[at];
        let is_empty = |which: usize| pair.keys[which] == Key::default();
        let is_own = |which: usize| self.owners[usize::from(pair.places[which])].by == by;
        let next = usize::from(pair.next);
        let other = next ^ 1;
        let takes_other = !is_empty(next) && (is_empty(other) || is_own(other) && !is_own(next));
        if takes_other {
            return other;
        }
        self.pairs[at].next ^= 1;
        next
    }

    /// The place that is empty, or was filled before all others `of` which this is true.
    fn oldest(&self, of: impl Fn(&Owner) -> bool) -> usize {
        let places = self.owners.iter().enumerate().filter(|(_, owner)| of(owner));
        places.min_by_key(|(_, owner)| owner.noted).map_or(0, |(place, _)| place)
    }

    fn empty(&mut self, place: usize) {
        let owner = core::mem::replace(&mut self.owners[place], Owner::NOBODY);
        if owner.noted > 0 {
            self.pairs[usize::from(owner.pair)].keys[usize::from(owner.which)] = Key::default();
        }
        self.shapes[place].end = 0;
    }
}
