//! What a session must remember across connections: both numbers, and what was sent. [`MemoryStore`] does so
//! as long as the process lives, [`journal`] beyond that.

mod image;
pub mod journal;
mod memory;

use core::fmt;

use crate::time::UtcTime;

pub use image::{ImageRefusal, KeptImage, StoreImage};
pub use memory::MemoryStore;

/// The highest MsgSeqNum that is used or believed: the standard's `SeqNum` is a positive `int`.
pub const SEQ_NUM_MAX: u32 = i32::MAX as u32;

/// Keeps a session's numbers and the application messages it sent.
///
/// A number is taken by [`put`](Store::put) or [`set_next_out`](Store::set_next_out) before the
/// message that carries it leaves: whatever fails afterwards, it is never used for another.
pub trait Store {
    /// The number of the next message to send.
    fn next_out(&self) -> u32;

    /// Whether a number may be taken for an application message now.
    ///
    /// # Errors
    /// [`NotNow`]; no number is taken.
    #[inline]
    fn admits(&self) -> Result<(), NotNow> {
        Ok(())
    }

    /// Takes numbers for messages that are not kept: those of the session layer.
    ///
    /// # Errors
    /// [`StoreFailed`]: the message must not leave.
    fn set_next_out(&mut self, seq: u32) -> Result<(), StoreFailed>;

    /// The number expected of the next message to arrive.
    fn next_in(&self) -> u32;

    /// Moves the number expected next.
    fn set_next_in(&mut self, seq: u32);

    /// Takes the number `seq` for `message` and keeps a copy, giving up the oldest for it.
    ///
    /// # Errors
    /// [`StoreFailed`]: the number is taken, and the message must not leave.
    fn put(&mut self, seq: u32, message: &[u8]) -> Result<(), StoreFailed>;

    /// The kept message with the lowest number that is at least `seq`.
    fn first_from(&self, seq: u32) -> Option<(u32, &[u8])>;

    /// Application messages below this number may have been given up.
    fn forgotten_below(&self) -> u32;

    /// Both numbers begin again at 1, at this time; nothing sent before is sent again.
    fn reset(&mut self, time: UtcTime);

    /// Both numbers go on from others, whatever was used before, as if they had begun at `created_at`, or else when they
    /// did. To be called between connections. What was kept is sent again no more where numbers are used again, or a time is
    /// given.
    ///
    /// # Errors
    /// [`StoreFailed`].
    fn renumber(
        &mut self,
        next_out: u32,
        next_in: u32,
        created_at: Option<UtcTime>,
    ) -> Result<(), StoreFailed>;

    /// When both numbers last began at 1, as far as it is known.
    fn created_at(&self) -> Option<UtcTime>;

    /// Both numbers began at 1 at this time.
    fn set_created_at(&mut self, time: UtcTime);

    /// Waits until it is known, after whatever becomes of the machine, when both numbers last began at 1: as
    /// long as the store keeps anything for that case.
    ///
    /// # Errors
    /// [`StoreFailed`]: no message must leave.
    fn settle(&mut self) -> Result<(), StoreFailed> {
        Ok(())
    }

    /// What goes along with a session that goes on in another process: unless more is kept that would be lost, the numbers
    /// alone.
    fn image(&self) -> StoreImage {
        image::numbers_of(self)
    }

    /// Goes on from an [`image`](Store::image): unless more was kept, it must be the very store.
    ///
    /// # Errors
    /// [`ImageRefusal`]; nothing has changed.
    fn restore(&mut self, image: &StoreImage) -> Result<(), ImageRefusal> {
        image::is_of(self, image)
    }
}

/// What was to be kept could not be written, or not be written durably: the store takes nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreFailed;

impl fmt::Display for StoreFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("the store cannot be written")
    }
}

impl core::error::Error for StoreFailed {}

/// Why no number may be taken now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotNow {
    /// So many were taken since the disk last answered that more could not be told from unused ones after a
    /// loss of power. It passes.
    DiskBehind,
    /// The store has failed.
    Failed,
}
