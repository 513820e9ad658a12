//! Fields by their tag, without a search.

use super::Field;

/// Places that tags are spread over: those of the standard's messages up to FIX 4.4 rarely share one.
const PLACES: usize = 512;
/// Stands for a position that the index does not hold.
const FAR: u8 = u8::MAX - 1;
/// Stands where no tag is.
const NONE: u8 = u8::MAX;

/// For each tag of a message, the position of its first field.
#[derive(Clone, Debug)]
pub(in crate::fix) struct Index {
    /// The first position that took the place.
    first: [u8; PLACES],
}

impl Index {
    pub(in crate::fix) const EMPTY: Index = Index { first: [NONE; PLACES] };

    pub(super) fn clear(&mut self) {
        self.first = [NONE; PLACES];
    }

    /// The field at `position` has `tag`.
    #[inline]
    pub(super) fn note(&mut self, tag: u32, position: usize) {
        let first = &mut self.first[tag as usize % PLACES];
        if *first == NONE {
            *first = u8::try_from(position).unwrap_or(FAR).min(FAR);
        }
    }

    /// The first of `fields` with `tag`.
    #[inline]
    pub(in crate::fix) fn find<'f>(&self, tag: u32, fields: &'f [Field]) -> Option<&'f Field> {
        let first = self.first[tag as usize % PLACES];
        match fields.get(usize::from(first)) {
            Some(field) if field.tag == tag && first < FAR => Some(field),
            _ if first == NONE => None,
            _ => search(tag, fields),
        }
    }
}

/// Two tags share a place, or the field lies far behind.
#[cold]
fn search(tag: u32, fields: &[Field]) -> Option<&Field> {
    fields.iter().find(|field| field.tag == tag)
}
