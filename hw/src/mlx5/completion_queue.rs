//! A completion queue as its driver reads it: entry by entry, and those that are packed one by one.

use super::compressed::{MINI_CQES, MiniCqe, minis_of};
use super::cqe::{CQE_LEN, Completion, CqeRefusal, invalidate, software_owner};
use super::received::Received;

/// The host's side of a queue of entries, whose memory is the caller's.
#[derive(Clone, Debug)]
pub struct CompletionQueue {
    consumer_index: u32,
    entries_log2: u32,
    unpacking: Option<Unpacking>,
}

/// A compressed block that is being read.
#[derive(Clone, Debug)]
struct Unpacking {
    /// With the work request, or the stride, of the next.
    title: Received,
    minis: [MiniCqe; MINI_CQES],
    /// How many of it have been told.
    told: u32,
    entries: u32,
}

impl CompletionQueue {
    /// A queue of two to the power of `entries_log2` (at most 31) entries, none of which has been read.
    pub const fn new(entries_log2: u32) -> CompletionQueue {
        CompletionQueue { consumer_index: 0, entries_log2: entries_log2 & 31, unpacking: None }
    }

    /// How many entries have been read ever, modulo 2^32: what the device is to be told, so that it goes on.
    pub const fn consumer_index(&self) -> u32 {
        self.consumer_index
    }

    /// What the next entry says, `None` while it is the device's. The frames and fillers of a compressed block come one by
    /// one, each as if it had an entry of its own, so that no [`Completion::Compressed`] does. `ring` has as many entries as the
    /// queue; those of a block are given back as never written: the device writes only some of them, and its next
    /// round would take the others' owner bits for its own.
    ///
    /// # Errors
    /// An entry that cannot be read. The queue goes on behind it.
    pub fn next(&mut self, ring: &mut [[u8; CQE_LEN]]) -> Result<Option<Completion>, CqeRefusal> {
        if self.unpacking.is_some() {
            return Ok(self.unpack(ring));
        }
        let owner = software_owner(self.consumer_index, self.entries_log2);
        let Some(cqe) = self.entry(ring, self.consumer_index) else { return Ok(None) };
        let decoded = Completion::decode(cqe, owner);
        if decoded == Ok(None) {
            return Ok(None);
        }
        let Ok(Some(Completion::Compressed { title, entries })) = decoded else {
            self.consumer_index = self.consumer_index.wrapping_add(1);
            return decoded;
        };
        // One frame has no array to stand in, and more than there are entries none either.
        if entries < 2 || u64::from(entries) > 1 << self.entries_log2 {
            self.consumer_index = self.consumer_index.wrapping_add(1);
            return Err(CqeRefusal::Block(entries));
        }
        let minis = self.minis(ring, 1);
        self.unpacking = Some(Unpacking { title, minis, told: 0, entries });
        Ok(self.unpack(ring))
    }

    /// The next of the block, whose entry is given back.
    fn unpack(&mut self, ring: &mut [[u8; CQE_LEN]]) -> Option<Completion> {
        let mut block = self.unpacking.take()?;
        let place = block.told as usize % MINI_CQES;
        if place == 0 && block.told > 0 {
            block.minis = self.minis(ring, 0);
        }
        let mini = block.minis[place];
        let completion = mini.unpacked(&block.title);
        block.title.wqe_counter = block.title.wqe_counter.wrapping_add(mini.takes());
        if let Some(cqe) = self.entry(ring, self.consumer_index) {
            invalidate(cqe);
        }
        self.consumer_index = self.consumer_index.wrapping_add(1);
        block.told += 1;
        if block.told < block.entries {
            self.unpacking = Some(block);
        }
        Some(completion)
    }

    /// The array of minis that lies so many entries ahead.
    fn minis(&self, ring: &mut [[u8; CQE_LEN]], ahead: u32) -> [MiniCqe; MINI_CQES] {
        self.entry(ring, self.consumer_index.wrapping_add(ahead))
            .map_or([MiniCqe::default(); MINI_CQES], |cqe| minis_of(cqe))
    }

    fn entry<'a>(
        &self,
        ring: &'a mut [[u8; CQE_LEN]],
        index: u32,
    ) -> Option<&'a mut [u8; CQE_LEN]> {
        let mask = 1_usize.checked_shl(self.entries_log2)?.wrapping_sub(1);
        ring.get_mut(index as usize & mask)
    }
}
