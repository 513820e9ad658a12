//! From masks of 64 bytes each to fields, the same for all instruction sets.
//!
//! That all of a message is fields is proven without a loop over them. A bit where each begins is added to
//! the mask of digits: the sum carries through the digits of the tag and lands behind them, on what has to
//! be '='. Behind that must not be an SOH.

use super::{BLOCK_LEN, Words};
use crate::fix::decode::tag_table::{self, TAGS};
use crate::fix::decode::{FIELDS_OF_TABLE, Table};
use crate::fix::frame::SOH;
use crate::fix::tags;

/// Of 64 bytes, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Masks {
    pub(super) soh: u64,
    pub(super) equals: u64,
    pub(super) digits: u64,
}

/// What an instruction set does by itself. Each function is to be called where it was found to be there.
pub(super) trait Lanes {
    /// The masks of a block.
    unsafe fn masks(block: &[u8; BLOCK_LEN]) -> Masks;

    /// The low halves of four bytes, those of the highest byte first.
    unsafe fn nibbles(text: u32) -> u16;
}

/// The last 64 bytes of `content`, of which `rest` are new, and how far their masks are to be shifted down.
#[inline(always)]
pub(super) fn last_block(content: &[u8], rest: usize) -> ([u8; BLOCK_LEN], usize) {
    match content.last_chunk() {
        Some(block) => (*block, BLOCK_LEN - rest),
        None => {
            let mut block = [0; BLOCK_LEN];
            block[..rest].copy_from_slice(&content[content.len() - rest..]);
            (block, 0)
        }
    }
}

/// What [`fields`](super::fields) finds.
///
/// # Safety
/// The processor has the instructions.
#[inline(always)]
pub(super) unsafe fn fields<L: Lanes>(
    message: &[u8],
    end: usize,
    words: &mut Words,
    table: &mut Table,
    fields_max: usize,
) -> Option<u8> {
    let content = message.get(..end)?;
    let words = words.get_mut(..end.div_ceil(BLOCK_LEN))?;
    // SAFETY: the caller's promise.
    let count = unsafe { prove::<L>(content, words) }?;
    // CheckSum has a place too. Four bytes of it are read as its tag.
    let is_room = count > 0 && count < fields_max && count < FIELDS_OF_TABLE;
    if !is_room || message.len() < end + 4 {
        return None;
    }
    // SAFETY: the caller's promise; so many are in `words`, none lies at `end` or behind it, and four bytes more are there.
    let is_usual = unsafe { note::<L>(message, words, count as u8, table) };
    is_usual.then_some(count as u8)
}

/// Writes down where the SOHs are, and counts them. `None` if not all of it is fields.
///
/// # Safety
/// The processor has the instructions.
#[inline(always)]
unsafe fn prove<L: Lanes>(content: &[u8], words: &mut [u64]) -> Option<usize> {
    let (blocks, rest) = content.as_chunks::<BLOCK_LEN>();
    let mut proof = Proof { count: 0, wrong: 0, begins: 1, runs: 0, equals: 0 };
    for (block, word) in blocks.iter().zip(&mut *words) {
        // SAFETY: the caller's promise.
        let masks = unsafe { L::masks(block) };
        proof.take(masks, u64::MAX);
        *word = masks.soh;
    }
    if !rest.is_empty() {
        let (block, shift) = last_block(content, rest.len());
        // SAFETY: the caller's promise.
        let Masks { soh, equals, digits } = unsafe { L::masks(&block) };
        let masks = Masks { soh: soh >> shift, equals: equals >> shift, digits: digits >> shift };
        proof.take(masks, u64::MAX >> (BLOCK_LEN - rest.len()));
        *words.last_mut()? = masks.soh;
    }
    // The last field ends where the content does, so that no tag goes on behind it.
    (proof.wrong == 0 && content.last() == Some(&SOH)).then_some(proof.count)
}

/// What one block has to tell the next.
struct Proof {
    count: usize,
    wrong: u64,
    /// 1 if a field begins with the next block, if a tag goes on into it, if an '=' was the last byte.
    begins: u64,
    runs: u64,
    equals: u64,
}

impl Proof {
    #[inline(always)]
    fn take(&mut self, Masks { soh, equals, digits }: Masks, valid: u64) {
        let begins = (soh << 1 | self.begins) & valid;
        // A tag that goes on and a field that begins exclude each other in the lowest place.
        let (sum, carry) = digits.overflowing_add(begins | self.runs);
        let behind_tags = sum & !digits;
        // An '=' at the front is left to the table of tags.
        self.wrong |= behind_tags & !equals;
        self.wrong |= (behind_tags << 1 | self.equals) & soh;
        self.count += soh.count_ones() as usize;
        self.begins = soh >> 63;
        self.runs = u64::from(carry);
        self.equals = behind_tags >> 63;
    }
}

/// Notes the tag of each of `count` fields and of CheckSum, from the last to the first, so that the first of
/// several is what counts. False if one is unusual.
///
/// # Safety
/// The processor has the instructions. The SOHs in `words` are `count`, and behind each at least four bytes follow.
#[inline(always)]
unsafe fn note<L: Lanes>(message: &[u8], words: &[u64], count: u8, table: &mut Table) -> bool {
    let generation = table.index.begin();
    table.has_long = false;
    {
        // The compiler would look its address up for each field.
        let tags = core::hint::black_box(&TAGS);
        let mut walk =
            Walk { message, words, tags, block: words.len(), word: 0, above: 0, start: 0 };
        let starts = table.starts.as_mut_ptr().wrapping_sub(generation);
        // SAFETY: the caller's promise: what is noted is a position from `count` down to 1.
        let place = |noted: usize, start: usize| unsafe {
            starts.wrapping_add(noted).write(start as u32);
        };
        let mut noted = generation | usize::from(count);
        // CheckSum, which stands nowhere else.
        // SAFETY: the caller's promise.
        if let Some((_, start)) = unsafe { walk.back::<L>() } {
            place(noted, start);
            table.index.set(tags::CHECK_SUM as u16, noted);
            noted -= 1;
        }
        // The body comes last: of it there is nothing to know.
        // SAFETY: the caller's promise.
        let mut at = unsafe { walk.back::<L>() };
        while let Some((entry, start)) = at {
            place(noted, start);
            if entry < tag_table::HEADER {
                table.index.set(entry, noted);
            } else if tag_table::slot(entry) == tag_table::LONG {
                table.has_long = true;
            } else {
                break;
            }
            noted -= 1;
            // SAFETY: the caller's promise.
            at = unsafe { walk.back::<L>() };
        }
        // Of the header each may come once.
        let mut seen = tag_table::SEEN_AT_FIRST;
        while let Some((entry, start)) = at {
            place(noted, start);
            let slot = tag_table::slot(entry);
            if seen >> slot & 1 == 0 {
                seen |= 1 << slot;
            } else if slot == tag_table::LONG {
                table.has_long = true;
            } else {
                return false;
            }
            table.index.set(tag_table::tag(entry), noted);
            noted -= 1;
            // SAFETY: the caller's promise.
            at = unsafe { walk.back::<L>() };
        }
    }
    table.starts[0] = 0;
    table.starts[usize::from(count) + 1] = message.len() as u32;
    table.index.set(tags::BEGIN_STRING as u16, generation);
    !(table.has_long && are_long_ones_unusual(message, table, usize::from(count)))
}

/// A way from the last field to the first.
struct Walk<'m> {
    message: &'m [u8],
    words: &'m [u64],
    tags: &'static [u16; 1 << 16],
    /// The word last looked at. What is passed of it is shifted out above, but for so many bits and one more.
    block: usize,
    word: u64,
    above: u32,
    /// Where the field found last begins.
    start: usize,
}

impl Walk<'_> {
    /// The entry of the next field's tag, and where it begins, behind its SOH.
    ///
    /// # Safety
    /// The processor has the instructions. Behind each SOH in `words` at least four bytes follow.
    #[inline(always)]
    unsafe fn back<L: Lanes>(&mut self) -> Option<(u16, usize)> {
        self.word = self.word << self.above << 1;
        while self.word == 0 {
            self.block = self.block.checked_sub(1)?;
            self.word = *self.words.get(self.block)?;
            self.start = (self.block + 1) * BLOCK_LEN + 1;
        }
        self.above = self.word.leading_zeros();
        self.start -= self.above as usize + 1;
        // SAFETY: the caller's promise: `start` and three more are within the message.
        let text = unsafe { self.message.as_ptr().add(self.start) }.cast::<[u8; 4]>();
        // SAFETY: the same, and bytes need no alignment.
        let text = u32::from_be_bytes(unsafe { text.read() });
        // SAFETY: the caller's promise.
        let entry = self.tags[usize::from(unsafe { L::nibbles(text) })];
        Some((entry, self.start))
    }
}

/// Whether a tag of four digits or more is one of a length, too long, or of the header and not within it.
#[cold]
fn are_long_ones_unusual(message: &[u8], table: &Table, count: usize) -> bool {
    let tag_at = |start: u32| {
        message[start as usize..].first_chunk().map(|text| tag_table::tag_at_front(*text))
    };
    let is_header =
        |start: &u32| tag_at(*start).is_some_and(|tag| tags::header_slot(tag.into()).is_some());
    // Where the short ones of the header end.
    let header_end = table.starts[..=count].iter().rposition(is_header).unwrap_or(0);
    let mut seen = 0u32;
    let mut in_body = false;
    for position in 1..=count {
        let start = table.starts[position] as usize;
        if !message[start..start + 4].iter().all(u8::is_ascii_digit) {
            in_body |= position > header_end;
            continue;
        }
        match tag_table::long_slot(message, start) {
            Some(0) => in_body = true,
            Some(slot) if !in_body && seen >> slot & 1 == 0 => seen |= 1 << slot,
            _ => return true,
        }
        if in_body && position < header_end {
            return true;
        }
    }
    false
}
