//! A ConnectX's clock by rdma-core: read through the verbs, and held against the clock that the kernel keeps over
//! the same counter (`mlx5dv_get_clock_info`).
//!
//! Nothing here has run on a NIC.

mod verbs;

use fixwire_offload::stamp::{ClockInfo, Domain};

use crate::clock_route::{RateBy, agreed, measured};
use crate::clock_service::DeviceClock;
use crate::host_counter::HostCounter;
use verbs::{Told, Verbs};

/// The clock of the device at a PCI address, as `info` describes it, and whose word its rate is.
///
/// # Errors
/// It cannot be read so, or is not the one that stamps are by.
pub(crate) fn find(
    address: &str,
    info: ClockInfo,
    counter: &HostCounter,
) -> Result<(RateBy, Box<dyn DeviceClock>), String> {
    if info.domain != Domain::NicTicks {
        return Err(
            "the verbs read the counter of ticks, and by the profile stamps are in real time"
                .into(),
        );
    }
    let verbs = Verbs::open(address).map_err(|error| error.to_string())?;
    follow(verbs, info, counter)
}

/// The clock that a device's verbs read, if it is the one that the kernel keeps, and whose word its rate is.
fn follow(
    verbs: impl Told + Send + 'static,
    info: ClockInfo,
    counter: &HostCounter,
) -> Result<(RateBy, Box<dyn DeviceClock>), String> {
    verbs.raw_clock().map_err(|error| error.to_string())?;
    let mut clock = VerbsClock::new(verbs, info);
    clock.refuse_another_counter()?;
    let rate = measured(&counter.info(), info.bits, || clock.bracket(counter));
    let measured = rate.map_err(|error| error.to_string())?;
    let (ticks_per_s, by) = agreed(clock.declared_ticks_per_s(), measured);
    clock.info.ticks_per_s = ticks_per_s;
    Ok((by, Box::new(clock)))
}

/// The rate that the device at a PCI address declares for its counter, in ticks per second.
pub(crate) fn declared_ticks_per_s(address: &str) -> Option<u64> {
    Verbs::open(address).ok()?.core_clock_ticks_per_s()
}

/// The free-running counter, read through the verbs.
#[derive(Debug)]
struct VerbsClock<V> {
    verbs: V,
    info: ClockInfo,
    /// How often the kernel looks at the counter at least, where it shares its clock.
    looks_within_ns: Option<u64>,
    /// The last reading did not go on from the kernel's last look.
    is_apart: bool,
}

impl<V: Told> VerbsClock<V> {
    fn new(verbs: V, info: ClockInfo) -> Self {
        let looks_within_ns = verbs.kernel_looks_within_ns();
        VerbsClock { verbs, info, looks_within_ns, is_apart: false }
    }

    /// Whether the counter goes on from where the kernel last saw it; `None` where the kernel shares nothing.
    fn goes_on(&self) -> Option<bool> {
        let looks_within_ns = self.looks_within_ns?;
        // In this order: the kernel's look is never after the reading.
        let kernel = self.verbs.kernel_clock().ok()?;
        let cycles = self.verbs.raw_clock().ok()?;
        Some(kernel.goes_on_to(cycles, looks_within_ns))
    }

    fn refuse_another_counter(&self) -> Result<(), String> {
        match self.goes_on() {
            Some(false) => Err("it reads another counter than the kernel last saw \
                                (mlx5dv_get_clock_info): the kernel's clock is stale, or the device was reset"
                .into()),
            _ => Ok(()),
        }
    }

    /// By the device, and where it says nothing, by the kernel.
    fn declared_ticks_per_s(&self) -> Option<u64> {
        let by_kernel = || self.verbs.kernel_clock().ok()?.ticks_per_s();
        self.verbs.core_clock_ticks_per_s().or_else(by_kernel)
    }
}

impl<V: Told + Send> DeviceClock for VerbsClock<V> {
    fn info(&self) -> ClockInfo {
        self.info
    }

    fn read(&mut self) -> Option<u64> {
        self.verbs.raw_clock().ok()
    }

    /// It no longer goes on from where the kernel last saw it. Said once of each time.
    fn was_reset(&mut self) -> bool {
        let Some(goes_on) = self.goes_on() else { return false };
        let was_apart = std::mem::replace(&mut self.is_apart, !goes_on);
        self.is_apart && !was_apart
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use fixwire_offload::stamp::ClockId;

    use super::verbs::VerbsError;
    use super::*;
    use crate::mlx5::KernelClock;

    const TICKS: ClockInfo =
        ClockInfo { id: ClockId(1), domain: Domain::NicTicks, ticks_per_s: 0, bits: 64 };

    #[test]
    fn a_device_that_is_not_there_is_refused_with_what_to_do_about_it() {
        let look = |info| find("0000:7f:1f.7", info, &HostCounter::best()).map(|_| ()).unwrap_err();
        let words = look(TICKS);
        assert!(words.contains("0000:7f:1f.7") && words.contains("modprobe"), "{words}");
        assert_eq!(declared_ticks_per_s("0000:7f:1f.7"), None);
        let words = look(ClockInfo { domain: Domain::NicNs, ..TICKS });
        assert!(words.contains("real time"), "{words}");
    }

    /// A counter of a thirty-second of the host's, and a kernel that looked at it `behind` ticks ago and knows its rate.
    struct Made {
        host: HostCounter,
        behind: i64,
        declared: Option<u64>,
        was_reset: Arc<AtomicBool>,
    }

    const SLOWER: u64 = 32;

    impl Made {
        fn ticks_per_s(&self) -> u64 {
            self.host.info().ticks_per_s / SLOWER
        }
    }

    impl Told for Made {
        fn raw_clock(&self) -> Result<u64, VerbsError> {
            Ok(self.host.now() / SLOWER)
        }

        fn kernel_clock(&self) -> Result<KernelClock, VerbsError> {
            let behind =
                if self.was_reset.load(Ordering::Relaxed) { -1 << 30 } else { self.behind };
            let cycles = (self.host.now() / SLOWER).wrapping_sub(behind.cast_unsigned());
            let (shift, mask) = (21, (1 << 41) - 1);
            let mult = u32::try_from((1_000_000_000 << shift) / self.ticks_per_s()).unwrap();
            Ok(KernelClock { ns: 1 << 60, cycles: cycles & mask, frac: 0, mult, shift, mask })
        }

        fn kernel_looks_within_ns(&self) -> Option<u64> {
            Some(1_000_000_000)
        }

        fn core_clock_ticks_per_s(&self) -> Option<u64> {
            self.declared
        }
    }

    #[test]
    fn a_counter_that_the_kernel_last_saw_is_followed_at_the_rate_of_whoever_tells_it() {
        let host = HostCounter::best();
        let right = host.info().ticks_per_s / SLOWER;
        for (declared, by_device) in [(Some(right), true), (None, true), (Some(right / 2), false)] {
            let was_reset = Arc::new(AtomicBool::new(false));
            let made = Made { host: HostCounter::best(), behind: 9, declared, was_reset };
            let was_reset = Arc::clone(&made.was_reset);
            let (by, mut clock) = follow(made, TICKS, &host).unwrap();
            assert_eq!(by == RateBy::Device, by_device, "{declared:?}: {by}");
            let rate = clock.info().ticks_per_s;
            assert!(rate.abs_diff(right) < right / 1_000, "{rate} and not {right}");
            assert!(clock.read().is_some() && !clock.was_reset());
            was_reset.store(true, Ordering::Relaxed);
            assert!(clock.was_reset() && !clock.was_reset(), "said once");
        }
    }

    #[test]
    fn a_counter_that_is_not_where_the_kernel_saw_it_is_refused() {
        let second = i64::try_from(HostCounter::best().info().ticks_per_s / SLOWER).unwrap();
        for behind in [-second, 3 * second] {
            let host = HostCounter::best();
            let made = Made {
                host: HostCounter::best(),
                behind,
                declared: None,
                was_reset: Arc::default(),
            };
            let words = follow(made, TICKS, &host).map(|_| ()).unwrap_err();
            assert!(
                words.contains("another counter than the kernel last saw"),
                "{behind}: {words}"
            );
        }
    }
}
