//! A store as plain data, for a session that goes on in another process.

use crate::blob::Blob;
use crate::time::UtcTime;

use super::{MemoryStore, SEQ_NUM_MAX, Store};

/// What of a store goes along with its session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "hand-over", derive(serde::Serialize, serde::Deserialize))]
pub struct StoreImage {
    /// The number of the next message to send.
    pub next_out: u32,
    /// The number expected of the next message to arrive.
    pub next_in: u32,
    /// What is kept in memory; `None` where it outlives the process by itself.
    pub kept: Option<KeptImage>,
}

/// What was kept in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "hand-over", derive(serde::Serialize, serde::Deserialize))]
pub struct KeptImage {
    /// Messages below this number may have been given up.
    forgotten_below: u32,
    /// When both numbers last began at 1, in ns since 1970.
    created_at_ns: Option<u64>,
    /// Number and length of each message, by ascending number.
    messages: Vec<(u32, u32)>,
    /// Their bytes, one after the other.
    bytes: Blob,
}

/// Why a store does not go on from an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageRefusal {
    /// Its numbers contradict each other.
    Malformed,
    /// One is kept in memory and the other in a file, or the file has other numbers.
    StoreDiffers,
}

/// Of a store that outlives the process: its numbers, to be held against.
pub(super) fn numbers_of(store: &(impl Store + ?Sized)) -> StoreImage {
    StoreImage { next_out: store.next_out(), next_in: store.next_in(), kept: None }
}

/// Whether a store that outlives the process is the one that `image` was taken of.
pub(super) fn is_of(store: &(impl Store + ?Sized), image: &StoreImage) -> Result<(), ImageRefusal> {
    if numbers_of(store) == *image { Ok(()) } else { Err(ImageRefusal::StoreDiffers) }
}

impl MemoryStore {
    pub(super) fn image_of_all(&self) -> StoreImage {
        let (mut messages, mut bytes) = (Vec::new(), Vec::new());
        let mut from = 0;
        while let Some((seq, message)) = self.first_from(from) {
            messages.push((seq, message.len() as u32));
            bytes.extend_from_slice(message);
            from = seq + 1;
        }
        let kept = KeptImage {
            forgotten_below: self.forgotten_below(),
            created_at_ns: self.created_at().map(UtcTime::as_unix_ns),
            messages,
            bytes: Blob(bytes),
        };
        StoreImage { kept: Some(kept), ..numbers_of(self) }
    }

    pub(super) fn restore_all(&mut self, image: &StoreImage) -> Result<(), ImageRefusal> {
        let StoreImage { next_out, next_in, kept } = image;
        let kept = kept.as_ref().ok_or(ImageRefusal::StoreDiffers)?;
        // One past the last number there is stands for none that is left.
        let are_numbers =
            [*next_out, *next_in].iter().all(|seq| (1..=SEQ_NUM_MAX + 1).contains(seq));
        let ascend = kept.messages.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let within = kept.messages.iter().all(|(seq, _)| (1..*next_out).contains(seq));
        let len: u64 = kept.messages.iter().map(|(_, len)| u64::from(*len)).sum();
        if !(are_numbers && ascend && within && len == kept.bytes.len() as u64) {
            return Err(ImageRefusal::Malformed);
        }
        self.forget_all(kept.forgotten_below);
        let mut rest = &kept.bytes[..];
        for (seq, len) in &kept.messages {
            let (message, behind) = rest.split_at(*len as usize);
            // Memory does not fail.
            let _ = self.put(*seq, message);
            rest = behind;
        }
        let _ = self.set_next_out(*next_out);
        self.set_next_in(*next_in);
        if let Some(created_at_ns) = kept.created_at_ns {
            self.set_created_at(UtcTime::from_unix_ns(created_at_ns));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> MemoryStore {
        let mut store = MemoryStore::new(8, 100);
        for (seq, message) in [(2, &b"two"[..]), (3, b""), (7, b"seven")] {
            store.put(seq, message).unwrap();
        }
        store.set_next_out(9).unwrap();
        store.set_next_in(5);
        store.set_created_at(UtcTime::from_unix_ns(77));
        store
    }

    #[test]
    fn a_store_goes_on_from_its_image() {
        let (old, mut new) = (store(), MemoryStore::new(8, 100));
        new.put(1, b"of another life").unwrap();
        new.restore(&old.image()).unwrap();
        assert_eq!(new.image(), old.image());
        assert_eq!(new.first_from(1), Some((2, &b"two"[..])));
        assert_eq!((new.next_out(), new.next_in()), (9, 5));
        // What finds no room is given up, the oldest first, and that is known.
        let mut small = MemoryStore::new(1, 100);
        small.restore(&old.image()).unwrap();
        assert_eq!((small.first_from(1), small.forgotten_below()), (Some((7, &b"seven"[..])), 4));
    }

    #[test]
    fn an_image_that_contradicts_itself_changes_nothing() {
        let whole = store().image();
        let broken = |change: fn(&mut StoreImage, &mut KeptImage)| {
            let mut image = whole.clone();
            let mut kept = image.kept.take().unwrap();
            change(&mut image, &mut kept);
            StoreImage { kept: Some(kept), ..image }
        };
        for image in [
            broken(|_, kept| kept.messages[1].0 = 2),
            broken(|_, kept| kept.messages[2].0 = 9),
            broken(|_, kept| kept.messages[0].0 = 0),
            broken(|_, kept| kept.messages[2].1 = u32::MAX),
            broken(|_, kept| kept.bytes.0.truncate(3)),
            broken(|image, _| image.next_in = 0),
            broken(|image, _| image.next_out = u32::MAX),
        ] {
            let mut new = store();
            assert_eq!(new.restore(&image), Err(ImageRefusal::Malformed), "{image:?}");
            assert_eq!(new.image(), whole);
        }
        let of_a_file = StoreImage { kept: None, ..whole };
        assert_eq!(store().restore(&of_a_file), Err(ImageRefusal::StoreDiffers));
    }
}
