//! What polling core and writer count, each in memory of its own, and what it adds up to.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::record::Way;
use super::trouble::Trouble;
use crate::core::BusyCore;

macro_rules! counters {
    ($( $(#[doc = $doc:literal])+ $field:ident )*) => {
        /// What became of every frame that crossed the device, by direction.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct CaptureCounters { $( $(#[doc = $doc])+ pub $field: u64, )* }

        impl CaptureCounters {
            /// Every counter by name.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$( (stringify!($field), self.$field) ),*].into_iter()
            }
        }
    };
}

counters! {
    /// Received frames that are in the file.
    rx_written
    /// Sent frames that are in the file.
    tx_written
    /// Received frames lost because the ring had no room for them.
    rx_ring_full
    /// Sent frames lost because the ring had no room for them.
    tx_ring_full
    /// Received frames lost because the file could not be written.
    rx_write_failed
    /// Sent frames lost because the file could not be written.
    tx_write_failed
}

impl CaptureCounters {
    /// Frames that are in the file.
    pub fn written(&self) -> u64 {
        self.rx_written + self.tx_written
    }

    /// Frames that are not.
    pub fn lost(&self) -> u64 {
        self.rx_ring_full + self.tx_ring_full + self.rx_write_failed + self.tx_write_failed
    }
}

/// A core's own lines of cache: two of them, as they are fetched in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Apart<T>(T);

/// What the polling core counts of one direction.
#[derive(Debug, Default)]
pub(super) struct ByPoller {
    /// Frames that crossed the device.
    pub(super) offered: AtomicU64,
    /// Of these, those that found no room.
    pub(super) ring_full: AtomicU64,
}

/// What the two threads share beside the ring.
#[derive(Debug, Default)]
pub(super) struct Shared {
    poller: Apart<[ByPoller; 2]>,
    /// By [`Way`]: frames that are in the file.
    written: Apart<[AtomicU64; 2]>,
    /// No frame will come any more.
    ending: AtomicBool,
    /// The core that the writer is to keep off.
    pub(super) busy_core: BusyCore,
    /// The first thing that went wrong.
    trouble: Mutex<Option<Trouble>>,
}

impl Shared {
    pub(super) fn by_poller(&self, way: Way) -> &ByPoller {
        &self.poller.0[way as usize]
    }

    pub(super) fn written(&self, way: Way) -> &AtomicU64 {
        &self.written.0[way as usize]
    }

    pub(super) fn end(&self) {
        self.ending.store(true, Ordering::Release);
    }

    pub(super) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    /// Keeps the first trouble and hands it to `say`.
    pub(super) fn report(&self, trouble: Trouble, say: impl FnOnce(&Trouble)) {
        let mut kept = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_none() {
            say(kept.insert(trouble));
        }
    }

    pub(super) fn trouble(&self) -> Option<String> {
        let kept = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().map(Trouble::to_string)
    }

    /// All of it. A frame that is neither written nor lost yet counts as one that cannot be written:
    /// to be asked when no more will be.
    pub(super) fn sum_up(&self) -> CaptureCounters {
        let [rx, tx] = [Way::Received, Way::Sent].map(|way| {
            let poller = self.by_poller(way);
            let offered = poller.offered.load(Ordering::Relaxed);
            let ring_full = poller.ring_full.load(Ordering::Relaxed);
            let written = self.written(way).load(Ordering::Relaxed);
            (written, ring_full, offered.saturating_sub(ring_full + written))
        });
        CaptureCounters {
            rx_written: rx.0,
            tx_written: tx.0,
            rx_ring_full: rx.1,
            tx_ring_full: tx.1,
            rx_write_failed: rx.2,
            tx_write_failed: tx.2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_written_nor_lost_in_the_ring_could_not_be_written() {
        let shared = Shared::default();
        for (way, offered, ring_full, written) in [(Way::Received, 10, 3, 5), (Way::Sent, 4, 0, 4)]
        {
            shared.by_poller(way).offered.store(offered, Ordering::Relaxed);
            shared.by_poller(way).ring_full.store(ring_full, Ordering::Relaxed);
            shared.written(way).store(written, Ordering::Relaxed);
        }
        let counters = shared.sum_up();
        let expected = CaptureCounters {
            rx_written: 5,
            tx_written: 4,
            rx_ring_full: 3,
            rx_write_failed: 2,
            ..CaptureCounters::default()
        };
        assert_eq!(counters, expected);
        assert_eq!((counters.written(), counters.lost()), (9, 5));
    }

    #[test]
    fn the_first_trouble_is_kept_and_said_once() {
        let shared = Shared::default();
        let mut said = 0;
        for core in [1, 2] {
            let trouble = Trouble::Thread(std::io::Error::other(format!("{core}")));
            shared.report(trouble, |_| said += 1);
        }
        assert_eq!(said, 1);
        assert!(shared.trouble().unwrap().contains('1'));
    }
}
