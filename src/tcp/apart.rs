//! What a connection seldom looks at, apart from it: in a place of its own, which is there from the start and
//! moves on when the connection begins anew.

use core::ops::{Deref, DerefMut};

use super::codec::{Codec, In, Out};
use super::snapshot::SnapshotRefusal;

/// Such a place, or none where [`empty`](Apart::empty) stands in for one that is being moved.
pub(super) struct Apart<T>(Option<Box<T>>);

/// Why there is a place.
const NOT_MOVED: &str = "nobody looks at what is being moved";

impl<T> Apart<T> {
    pub(super) fn new(value: T) -> Apart<T> {
        Apart(Some(Box::new(value)))
    }

    /// None at all, and nothing allocated.
    pub(super) fn empty() -> Apart<T> {
        Apart(None)
    }
}

impl<T> Deref for Apart<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().expect(NOT_MOVED)
    }
}

impl<T> DerefMut for Apart<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_deref_mut().expect(NOT_MOVED)
    }
}

impl<T: Codec> Codec for Apart<T> {
    fn put(&self, out: &mut Out<'_>) {
        T::put(self, out);
    }

    fn take(from: &mut In<'_>) -> Result<Apart<T>, SnapshotRefusal> {
        T::take(from).map(Apart::new)
    }
}
