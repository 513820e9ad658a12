//! What became of frames: one counter for each end that a frame can come to.

use std::cell::Cell;

use crate::bus::{Bus, BusError};

use super::Offload;

/// Frames by what became of them, since the device was found. Each is in one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Handed over.
    pub delivered: u64,
    /// Dropped: the MAC found them damaged.
    pub mac_error: u64,
    /// Dropped: longer than the device takes.
    pub too_long: u64,
    /// Dropped: no room for them.
    pub buffer_full: u64,
    /// Dropped: no rule matched, and such frames are not ours.
    pub not_ours: u64,
    /// Dropped by a rule.
    pub flow_drop: u64,
}

impl Counters {
    /// All of them.
    pub const fn frames(&self) -> u64 {
        self.delivered + self.dropped()
    }

    /// Those that were not handed over.
    pub const fn dropped(&self) -> u64 {
        self.mac_error + self.too_long + self.buffer_full + self.not_ours + self.flow_drop
    }
}

/// Why a frame was dropped, as the device numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// The MAC found it damaged.
    MacError,
    /// Longer than the device takes.
    TooLong,
    /// No room for it.
    BufferFull,
    /// No rule matched it, and such frames are not ours.
    NotOurs,
    /// A rule dropped it.
    FlowDrop,
    /// A reason of a newer device's.
    Other(u8),
}

/// The device's counters are of 32 bits and go round: what they were when they were read last, and what that came to.
#[derive(Debug, Default)]
pub(super) struct Widened {
    last: Cell<Option<[u32; 6]>>,
    counted: Cell<[u64; 6]>,
}

impl Widened {
    fn take(&self, now: [u32; 6]) -> [u64; 6] {
        let mut counted = self.counted.get();
        let last = self.last.replace(Some(now)).unwrap_or_default();
        for (sum, (now, last)) in counted.iter_mut().zip(now.into_iter().zip(last)) {
            *sum += u64::from(now.wrapping_sub(last));
        }
        self.counted.set(counted);
        counted
    }
}

impl<B: Bus> Offload<B> {
    /// What became of frames since the device's reset. To be asked at least once in 2^32 frames, which are 28 s of the
    /// shortest at 100 Gbit/s: the device's own go round.
    ///
    /// One is read after the other: frames that come meanwhile are in those that are read later.
    ///
    /// # Errors
    /// The bus failed.
    pub fn counters(&self) -> Result<Counters, BusError> {
        let regs = self.words.regs();
        let now = [
            regs.delivered().try_read()?.frames(),
            regs.drop_mac_error().try_read()?.frames(),
            regs.drop_too_long().try_read()?.frames(),
            regs.drop_buffer_full().try_read()?.frames(),
            regs.drop_not_ours().try_read()?.frames(),
            regs.drop_flow_drop().try_read()?.frames(),
        ];
        let [delivered, mac_error, too_long, buffer_full, not_ours, flow_drop] =
            self.counters.take(now);
        Ok(Counters { delivered, mac_error, too_long, buffer_full, not_ours, flow_drop })
    }

    /// Why a frame was dropped, the last time that one was.
    ///
    /// # Errors
    /// The bus failed.
    pub fn last_drop(&self) -> Result<Option<DropReason>, BusError> {
        let code = self.words.regs().last_drop().try_read()?.code();
        Ok(match code {
            0 => None,
            1 => Some(DropReason::MacError),
            2 => Some(DropReason::TooLong),
            3 => Some(DropReason::BufferFull),
            4 => Some(DropReason::NotOurs),
            5 => Some(DropReason::FlowDrop),
            other => Some(DropReason::Other(other)),
        })
    }
}
