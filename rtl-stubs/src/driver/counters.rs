//! What became of received frames: one counter for each end that a frame can come to.

use std::cell::Cell;

use crate::bus::{Bus, BusError};

use super::Offload;

/// Received frames by what became of them. Each is in one of them, as soon as that is known.
///
/// They count from the reset that was before the device was found, and go on over later ones: what came between the last look
/// and such a reset is in none. A device before 1.2 tells of no reset: it is to be found anew after one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Not dropped; the host may still have to take them.
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

    /// Those that the host does not get.
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
    /// A sum of it was to be finished, and its lengths are none that there are, or the sum's field lies outside of it.
    Lengths,
    /// A reason of a newer device's.
    Other(u8),
}

impl DropReason {
    /// By its number; 0 is none.
    pub(super) const fn numbered(code: u8) -> Option<DropReason> {
        Some(match code {
            0 => return None,
            1 => DropReason::MacError,
            2 => DropReason::TooLong,
            3 => DropReason::BufferFull,
            4 => DropReason::NotOurs,
            5 => DropReason::FlowDrop,
            6 => DropReason::Lengths,
            other => DropReason::Other(other),
        })
    }
}

/// Why there are no counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CountersError {
    /// Resets undid each look.
    #[error(
        "the device was reset in each of {looks} looks at its counters, one after the other: look what resets it; \
         nothing that it is set to stays"
    )]
    Resets {
        /// How many there were.
        looks: u32,
    },
    /// The bus failed.
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// The device's counters are of so many bits and go round: what they were when they were read last, and what that came to.
#[derive(Debug)]
pub(super) struct Widened<const N: usize, const BITS: u32> {
    last: Cell<[u64; N]>,
    counted: Cell<[u64; N]>,
}

impl<const N: usize, const BITS: u32> Default for Widened<N, BITS> {
    fn default() -> Self {
        Widened { last: Cell::new([0; N]), counted: Cell::new([0; N]) }
    }
}

impl<const N: usize, const BITS: u32> Widened<N, BITS> {
    pub(super) fn take(&self, now: [u64; N]) -> [u64; N] {
        let mut counted = self.counted.get();
        let last = self.last.replace(now);
        for (sum, (now, last)) in counted.iter_mut().zip(now.into_iter().zip(last)) {
            *sum += now.wrapping_sub(last) & (u64::MAX >> (64 - BITS));
        }
        self.counted.set(counted);
        counted
    }

    /// The device's are at zero again.
    pub(super) fn begin_anew(&self) {
        self.last.set([0; N]);
    }

    /// Likewise, and what was counted so far is no longer asked for.
    pub(super) fn forget(&self) {
        self.begin_anew();
        self.counted.set([0; N]);
    }
}

impl<B: Bus> Offload<B> {
    /// What became of received frames. To be asked at least once in 2^32 frames, which are 28 s of the shortest at
    /// 100 Gbit/s: the device's own go round.
    ///
    /// One is read after the other: frames that come meanwhile are in those that are read later. A reset that this hears of is
    /// taken out of the device: [`events`](Offload::events) and [`take_events`](Offload::take_events) still tell of it.
    ///
    /// # Errors
    /// The bus failed, or the device does not come out of its resets.
    pub fn counters(&self) -> Result<Counters, CountersError> {
        let regs = self.words.regs();
        let now = self.read_counters(|| {
            Ok([
                regs.delivered().try_read()?.frames(),
                regs.drop_mac_error().try_read()?.frames(),
                regs.drop_too_long().try_read()?.frames(),
                regs.drop_buffer_full().try_read()?.frames(),
                regs.drop_not_ours().try_read()?.frames(),
                regs.drop_flow_drop().try_read()?.frames(),
            ])
        })?;
        let [delivered, mac_error, too_long, buffer_full, not_ours, flow_drop] =
            self.counters.take(now.map(u64::from));
        Ok(Counters { delivered, mac_error, too_long, buffer_full, not_ours, flow_drop })
    }

    /// Why a received frame was dropped, the last time that one was.
    ///
    /// # Errors
    /// The bus failed.
    pub fn last_drop(&self) -> Result<Option<DropReason>, BusError> {
        let code = self.words.regs().last_drop().try_read()?.code();
        Ok(DropReason::numbered(code))
    }
}
