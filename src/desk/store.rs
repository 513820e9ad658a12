//! Where a session's numbers and messages are kept: in memory, or in a file that outlives the process.

#[cfg(feature = "journal")]
use super::{Desk, LineEvent};
#[cfg(feature = "journal")]
use crate::app::{Application, SessionId};
use crate::fix::store::{ImageRefusal, MemoryStore, NotNow, Store, StoreFailed, StoreImage};
#[cfg(feature = "journal")]
use crate::journal_file::FileStore;
use crate::time::UtcTime;

/// A session's store.
#[derive(Debug)]
#[repr(C)]
pub enum SeatStore {
    /// As long as the process lives.
    Memory(MemoryStore),
    /// In a file.
    #[cfg(feature = "journal")]
    File(Box<FileStore>),
    /// One whose disk refuses.
    #[cfg(test)]
    Failed(MemoryStore),
}

/// Does the same with whichever it is.
macro_rules! either {
    ($self:ident, $store:ident => $done:expr) => {
        match $self {
            SeatStore::Memory($store) => $done,
            #[cfg(feature = "journal")]
            SeatStore::File($store) => $done,
            #[cfg(test)]
            SeatStore::Failed($store) => $done,
        }
    };
}

impl SeatStore {
    /// Whether it is one that a test had fail.
    #[inline(always)]
    fn has_failed(&self) -> bool {
        #[cfg(test)]
        return matches!(self, SeatStore::Failed(_));
        #[cfg(not(test))]
        false
    }
}

impl Store for SeatStore {
    #[inline]
    fn next_out(&self) -> u32 {
        either!(self, store => store.next_out())
    }

    #[inline]
    fn admits(&self) -> Result<(), NotNow> {
        either!(self, store => store.admits())
    }

    #[inline]
    fn set_next_out(&mut self, seq: u32) -> Result<(), StoreFailed> {
        let done = either!(self, store => store.set_next_out(seq));
        if self.has_failed() { Err(StoreFailed) } else { done }
    }

    #[inline]
    fn next_in(&self) -> u32 {
        either!(self, store => store.next_in())
    }

    #[inline]
    fn set_next_in(&mut self, seq: u32) {
        either!(self, store => store.set_next_in(seq));
    }

    #[inline]
    fn put(&mut self, seq: u32, message: &[u8]) -> Result<(), StoreFailed> {
        let done = either!(self, store => store.put(seq, message));
        if self.has_failed() { Err(StoreFailed) } else { done }
    }

    fn first_from(&self, seq: u32) -> Option<(u32, &[u8])> {
        either!(self, store => store.first_from(seq))
    }

    fn forgotten_below(&self) -> u32 {
        either!(self, store => store.forgotten_below())
    }

    fn reset(&mut self, time: UtcTime) {
        either!(self, store => store.reset(time));
    }

    fn renumber(
        &mut self,
        next_out: u32,
        next_in: u32,
        created_at: Option<UtcTime>,
    ) -> Result<(), StoreFailed> {
        either!(self, store => store.renumber(next_out, next_in, created_at))
    }

    fn created_at(&self) -> Option<UtcTime> {
        either!(self, store => store.created_at())
    }

    fn set_created_at(&mut self, time: UtcTime) {
        either!(self, store => store.set_created_at(time));
    }

    fn settle(&mut self) -> Result<(), StoreFailed> {
        let done = either!(self, store => store.settle());
        if self.has_failed() { Err(StoreFailed) } else { done }
    }

    fn image(&self) -> StoreImage {
        either!(self, store => store.image())
    }

    fn restore(&mut self, image: &StoreImage) -> Result<(), ImageRefusal> {
        either!(self, store => store.restore(image))
    }
}

#[cfg(test)]
impl<A: crate::app::Application> super::Desk<A> {
    /// Has a session's store fail from here on, its numbers as they are.
    pub(crate) fn fail_store(&mut self, session: crate::app::SessionId) {
        let of = &mut self.seats[usize::from(session.0)].session;
        let mut failed = MemoryStore::default();
        failed.renumber(of.next_out(), of.next_in(), None).expect("memory");
        of.replace_store(SeatStore::Failed(failed));
    }
}

#[cfg(feature = "journal")]
impl<A: Application> Desk<A> {
    /// Has a session go on with the numbers of a file, and tells the application whose fate is unknown.
    pub(crate) fn keep_in(&mut self, session: SessionId, mut store: Box<FileStore>) {
        let Some(seat) = self.seats.get_mut(usize::from(session.0)) else { return };
        let resumption = store.resumption().clone();
        let event = LineEvent::Resumed {
            session,
            ended: resumption.ended,
            next_out: resumption.next_out,
            next_in: resumption.next_in,
            is_proven: resumption.is_proven,
        };
        self.events.push(event);
        for numbers in resumption.unknown {
            self.counters.messages_fate_unknown += u64::from(numbers.end() - numbers.start()) + 1;
            let msg_seq_nums = (*numbers.start(), *numbers.end());
            self.events.push(LineEvent::FateUnknown { session, msg_seq_nums });
            self.app.on_fate_unknown(session, numbers);
        }
        store.told();
        seat.session.replace_store(SeatStore::File(store));
    }

    /// The sessions' files, to be closed: until each has a store again, nothing may be sent.
    pub(crate) fn take_stores(&mut self) -> Vec<(SessionId, Box<FileStore>)> {
        let mut taken = Vec::new();
        for (number, seat) in (0..).zip(&mut self.seats) {
            let none = SeatStore::Memory(MemoryStore::new(0, 0));
            match seat.session.swap_store(none) {
                SeatStore::File(store) => taken.push((SessionId(number), store)),
                other => seat.session.replace_store(other),
            }
        }
        taken
    }

    /// Has a session go on with its file, of which nothing is new.
    pub(crate) fn put_store(&mut self, session: SessionId, store: Box<FileStore>) {
        if let Some(seat) = self.seats.get_mut(usize::from(session.0)) {
            seat.session.replace_store(SeatStore::File(store));
        }
    }
}
