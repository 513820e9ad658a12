//! The segment's clocks, as a clock service reads them.

use fixwire_offload::clock::Bracket;
use fixwire_offload::stamp::{ClockId, ClockInfo, Domain};

use super::init_segment::{InitSegment, Timer, untorn};
use super::received::TIMESTAMP_BITS;
use crate::clock_service::DeviceClock;
use crate::host_counter::HostCounter;

/// One of a device's clocks, by its initialization segment.
///
/// A reset shows as a reading far from those before, which the discipline finds.
#[derive(Debug)]
pub struct SegmentClock {
    segment: InitSegment,
    timer: Timer,
    info: ClockInfo,
}

impl SegmentClock {
    /// The free-running counter. Its rate differs from device to device, and is to be asked of the device
    /// (`device_frequency_khz` of its capabilities, `hca_core_clock` of `ibv_query_device_ex`).
    pub fn internal_timer(segment: InitSegment, id: ClockId, ticks_per_s: u64) -> SegmentClock {
        let info = ClockInfo { id, domain: Domain::NicTicks, ticks_per_s, bits: TIMESTAMP_BITS };
        SegmentClock { segment, timer: Timer::Internal, info }
    }

    /// The same, of which is known how fast it counts.
    #[must_use]
    pub fn at_rate(self, ticks_per_s: u64) -> SegmentClock {
        SegmentClock { info: ClockInfo { ticks_per_s, ..self.info }, ..self }
    }

    /// The real-time clock, of a device that stamps by it.
    pub fn real_time(segment: InitSegment, id: ClockId) -> SegmentClock {
        let ticks_per_s = 1_000_000_000;
        let info = ClockInfo { id, domain: Domain::NicNs, ticks_per_s, bits: u64::BITS };
        SegmentClock { segment, timer: Timer::RealTime, info }
    }
}

impl DeviceClock for SegmentClock {
    fn info(&self) -> ClockInfo {
        self.info
    }

    fn read(&mut self) -> Option<u64> {
        self.segment.clock(self.timer)
    }

    fn bracket(&mut self, host: &HostCounter) -> Option<Bracket> {
        let (high, low) = self.segment.words(self.timer);
        bracketed(self.timer, high, low, host)
    }
}

/// A clock's two words, the lower between two readings of the host's counter: a bracket around all three
/// readings would be three times as wide.
pub(super) fn bracketed(
    timer: Timer,
    high: impl FnMut() -> u32,
    low: impl Fn() -> u32,
    host: &HostCounter,
) -> Option<Bracket> {
    let (high, (low, bracket)) = untorn(high, || {
        let mut said = 0;
        let bracket = host.bracket(|| {
            said = low();
            0
        });
        (said, bracket)
    })?;
    Some(Bracket { reading: timer.whole(high, low)?, ..bracket })
}
