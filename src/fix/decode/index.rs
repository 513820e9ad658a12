//! Fields by their tag, without a search.

use super::FIELDS_OF_TABLE;

/// Tags below this have an entry, those of up to three digits: all that the standard knew up to FIX 4.4.
const TAGS: u32 = 1_000;
const ENTRIES: usize = 1_024;
/// In the higher byte of an entry.
const GENERATION_MAX: usize = 0xff00;
/// Stands for a position that the index does not hold.
const FAR: u16 = FIELDS_OF_TABLE as u16;

/// Where a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fix) enum Found {
    /// At this position.
    At(u8),
    /// Nowhere.
    Nowhere,
    /// It takes a search: behind what the index holds, or a tag too high for it.
    Far,
}

/// For each tag of a message, the position of its first field.
#[derive(Clone, Debug)]
pub(in crate::fix) struct Index {
    /// Counted in the higher byte. Entries of an earlier one mean nothing, so that none is cleared.
    generation: usize,
    /// The generation in the higher byte, and the position.
    entries: [u16; ENTRIES],
}

impl Index {
    pub(super) const EMPTY: Index = Index { generation: 0x100, entries: [0; ENTRIES] };

    /// Begins another message. What its entries are made of: this and a position.
    #[inline(always)]
    pub(in crate::fix) fn begin(&mut self) -> usize {
        self.generation += 0x100;
        if self.generation > GENERATION_MAX {
            *self = Index::EMPTY;
        }
        self.generation
    }

    /// The field with `tag` has this entry. To be called from the last one to the first.
    #[inline(always)]
    pub(in crate::fix) fn set(&mut self, tag: u16, entry: usize) {
        self.entries[usize::from(tag) % ENTRIES] = entry as u16;
    }

    /// The field at `position` has `tag`. To be called from the first one to the last.
    pub(super) fn note(&mut self, tag: u32, position: usize) {
        if let Some(entry) = self.entries.get_mut(tag as usize)
            && tag < TAGS
            && usize::from(*entry) ^ self.generation > usize::from(FAR)
        {
            let position = u16::try_from(position).unwrap_or(FAR).min(FAR);
            *entry = self.generation as u16 | position;
        }
    }

    /// Where the first field with `tag` is.
    #[inline(always)]
    pub(in crate::fix) fn find(&self, tag: u32) -> Found {
        let Some(entry) = self.entries.get(tag as usize).filter(|_| tag < TAGS) else {
            return Found::Far;
        };
        let position = usize::from(*entry) ^ self.generation;
        if position < usize::from(FAR) {
            Found::At(position as u8)
        } else if position > usize::from(FAR) {
            Found::Nowhere
        } else {
            Found::Far
        }
    }
}
