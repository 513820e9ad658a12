//! Fields by their tag, without a search.

use super::Field;

/// Places that tags are spread over: those of the standard's messages up to FIX 4.4 rarely share one.
const PLACES: usize = 512;
/// Stands for a position that the index does not hold.
const FAR: u8 = u8::MAX;

/// For each tag of a message, the position of its first field.
#[derive(Clone, Debug)]
pub(in crate::fix) struct Index {
    /// A bit for each place that is taken.
    taken: [u64; PLACES / 64],
    /// The first position that took the place. Means nothing where the bit is not set.
    first: [u8; PLACES],
}

impl Index {
    pub(in crate::fix) const EMPTY: Index = Index { taken: [0; PLACES / 64], first: [FAR; PLACES] };

    pub(super) fn clear(&mut self) {
        self.taken = [0; PLACES / 64];
    }

    /// The field at `position` has `tag`.
    #[inline]
    pub(super) fn note(&mut self, tag: u32, position: usize) {
        let place = tag as usize % PLACES;
        let (word, bit) = (place / 64, 1 << (place % 64));
        if self.taken[word] & bit == 0 {
            self.taken[word] |= bit;
            self.first[place] = u8::try_from(position).unwrap_or(FAR);
        }
    }

    /// The first of `fields` with `tag`.
    #[inline]
    pub(in crate::fix) fn find<'f>(&self, tag: u32, fields: &'f [Field]) -> Option<&'f Field> {
        let place = tag as usize % PLACES;
        if self.taken[place / 64] & 1 << (place % 64) == 0 {
            return None;
        }
        match fields.get(usize::from(self.first[place])) {
            Some(field) if field.tag == tag => Some(field),
            _ => search(tag, fields),
        }
    }
}

/// Two tags share a place, or the field lies far behind.
#[cold]
fn search(tag: u32, fields: &[Field]) -> Option<&Field> {
    fields.iter().find(|field| field.tag == tag)
}
