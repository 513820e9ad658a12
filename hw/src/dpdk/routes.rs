//! The ways to a port's clock: DPDK's call, and for a ConnectX, where its driver refuses that, those around it.

use std::path::Path;

use fixwire_offload::stamp::{ClockInfo, Domain};

use super::offloads::CLOCK;
use super::port::Port;
use super::spec::DeviceSpec;
use crate::clock_route::{ClockRoute, ClockRoutes, RateBy, agreed, measured};
use crate::clock_service::DeviceClock;
use crate::host_counter::HostCounter;
use crate::mlx5::{InitSegment, PCI_DEVICES, SegmentClock};

/// mlx5's name at DPDK.
pub(super) const MLX5: &str = "mlx5_pci";

/// A clock that tells the time of day is past this, in nanoseconds since 1970: it is of 2001. A counter that began
/// at 0 when its device did is not for thirty years.
const EPOCH_NS_MIN: u64 = 1_000_000_000_000_000_000;

/// What came of one way.
type Looked = Result<(RateBy, Box<dyn DeviceClock>), String>;

/// Drivers that answer `rte_eth_read_clock` by a clock that they do not stamp by.
const ANSWERS_BY_ANOTHER: [(&str, &str); 1] =
    [("net_ice", "net_ice answers with the host's monotonic clock, and stamps by the NIC's")];

/// Looks for the clock that a running port's stamps are by, as `info` describes it.
pub(super) fn find(
    port: &Port,
    spec: &DeviceSpec,
    driver: &str,
    info: ClockInfo,
    counter: &HostCounter,
) -> ClockRoutes {
    let mut routes = ClockRoutes::default();
    let declares = || if driver == MLX5 { declared(spec.name()) } else { None };
    routes
        .try_route(ClockRoute::ReadClock, || by_read_clock(port, driver, info, declares, counter));
    if driver == MLX5 {
        around_the_driver(&mut routes, Path::new(PCI_DEVICES), spec.name(), info, counter);
    }
    routes
}

/// The ways to the clock of a ConnectX at a PCI address that do not go by its driver at DPDK.
fn around_the_driver(
    routes: &mut ClockRoutes,
    devices: &Path,
    address: &str,
    info: ClockInfo,
    counter: &HostCounter,
) {
    routes.try_route(ClockRoute::Mlx5dv, || by_verbs(address, info, counter));
    match info.domain {
        Domain::NicNs => routes.try_route(ClockRoute::RealTime, || by_real_time(devices, address)),
        _ => routes
            .try_route(ClockRoute::InternalTimer, || by_internal_timer(devices, address, counter)),
    }
}

/// `declares` is the rate that the device declares for its counter, if it does.
fn by_read_clock(
    port: &Port,
    driver: &str,
    info: ClockInfo,
    declares: impl FnOnce() -> Option<u64>,
    counter: &HostCounter,
) -> Looked {
    if info.domain == Domain::Captured {
        return Err(format!(
            "{driver}'s stamps are times of capture: no clock goes on behind them"
        ));
    }
    if let Some((_, why)) = ANSWERS_BY_ANOTHER.iter().find(|(known, _)| *known == driver) {
        return Err((*why).to_owned());
    }
    let mut clock = port.clock(info);
    match clock.ask() {
        None => return Err("the port does not run".to_owned()),
        Some(Err(errno)) if errno.number() == libc::ENOTSUP && driver == MLX5 => {
            return Err(format!(
                "mlx5 does not read it ({errno}), as it does not in isolated mode; \
                 flow_isolation = \"off\" in the profile allows it"
            ));
        }
        Some(Err(errno)) => return Err(format!("{driver} does not read it ({errno})")),
        Some(Ok(reading)) => is_of(info.domain, reading)?,
    }
    if info.domain == Domain::NicNs {
        return Ok((RateBy::Unit, Box::new(clock)));
    }
    let rate = measured(&counter.info(), info.bits, || clock.bracket(counter));
    let (ticks_per_s, by) = agreed(declares(), rate.map_err(|error| error.to_string())?);
    Ok((by, Box::new(clock.at_rate(ticks_per_s))))
}

/// A reading is to be of the clock that stamps are by, as far as its size tells.
fn is_of(domain: Domain, reading: u64) -> Result<(), String> {
    match (domain == Domain::NicNs, reading >= EPOCH_NS_MIN) {
        (true, false) => Err(format!(
            "it reads {reading}, a counter of ticks, and by the profile stamps are in real time"
        )),
        (false, true) => Err(format!(
            "it reads {reading}, the time of day, and by the profile stamps are ticks; \
             rx_timestamp_real_time = \"prefer\" takes them for what they are"
        )),
        _ => Ok(()),
    }
}

#[cfg(not(feature = "mlx5dv"))]
fn by_verbs(_: &str, _: ClockInfo, _: &HostCounter) -> Looked {
    Err("this fixwire was built without the feature `mlx5dv`".to_owned())
}

#[cfg(feature = "mlx5dv")]
fn by_verbs(address: &str, info: ClockInfo, counter: &HostCounter) -> Looked {
    crate::mlx5dv::find(address, info, counter)
}

/// The counter's rate as the device declares it, in ticks per second.
#[cfg(not(feature = "mlx5dv"))]
fn declared(_: &str) -> Option<u64> {
    None
}

#[cfg(feature = "mlx5dv")]
fn declared(address: &str) -> Option<u64> {
    crate::mlx5dv::declared_ticks_per_s(address)
}

fn by_internal_timer(devices: &Path, address: &str, counter: &HostCounter) -> Looked {
    let segment = InitSegment::open_in(devices, address).map_err(|error| error.to_string())?;
    let mut clock = SegmentClock::internal_timer(segment, CLOCK, 0);
    let bits = clock.info().bits;
    let rate = measured(&counter.info(), bits, || clock.bracket(counter));
    let (ticks_per_s, by) = agreed(declared(address), rate.map_err(|error| error.to_string())?);
    Ok((by, Box::new(clock.at_rate(ticks_per_s))))
}

fn by_real_time(devices: &Path, address: &str) -> Looked {
    let segment = InitSegment::open_in(devices, address).map_err(|error| error.to_string())?;
    let mut clock = SegmentClock::real_time(segment, CLOCK);
    let reading = clock.read().ok_or("the device does not answer")?;
    is_of(Domain::NicNs, reading)?;
    Ok((RateBy::Unit, Box::new(clock)))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::FileExt as _;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::Instant;

    use tempfile::TempDir;

    use super::*;
    use crate::clock_route::FoundClock;

    const ADDRESS: &str = "0000:3b:00.0";

    /// Devices of which one is a ConnectX as far as a file can stand for its BAR 0.
    fn devices() -> (TempDir, File) {
        let devices = tempfile::tempdir().unwrap();
        let device = devices.path().join(ADDRESS);
        fs::create_dir(&device).unwrap();
        fs::write(device.join("vendor"), "0x15b3\n").unwrap();
        let bar = File::create(device.join("resource0")).unwrap();
        bar.set_len(0x4000).unwrap();
        put(&bar, 0x004, 0x0005_0000);
        (devices, bar)
    }

    fn put(bar: &File, at: u64, word: u32) {
        bar.write_all_at(&word.to_be_bytes(), at).unwrap();
    }

    fn routes_in(devices: &TempDir, info: ClockInfo) -> ClockRoutes {
        let mut routes = ClockRoutes::default();
        let counter = HostCounter::best();
        around_the_driver(&mut routes, devices.path(), ADDRESS, info, &counter);
        routes
    }

    #[test]
    fn a_segment_with_the_time_of_day_leads_to_it_and_one_of_1970_does_not() {
        let (devices, bar) = devices();
        let ns = ClockInfo { domain: Domain::NicNs, ..TICKS };
        let routes = routes_in(&devices, ns);
        assert!(routes.found.is_none());
        assert!(routes.refused[1].why.contains("a counter of ticks"), "{routes:?}");
        put(&bar, 0x1040, 1_795_000_000);
        put(&bar, 0x1044, 7);
        let mut found = routes_in(&devices, ns).found.expect("a clock");
        assert_eq!((found.route, found.rate), (ClockRoute::RealTime, RateBy::Unit));
        assert_eq!(found.clock.info().domain, Domain::NicNs);
        assert_eq!(found.clock.read(), Some(1_795_000_000_000_000_007));
    }

    #[test]
    fn a_segment_whose_counter_goes_on_leads_to_it_at_its_rate() {
        const TICKS_PER_US: u64 = 78;
        let (devices, bar) = devices();
        let routes = routes_in(&devices, TICKS);
        assert!(routes.refused[1].why.contains("stands still"), "{routes:?}");
        let (begun, is_over) = (Instant::now(), AtomicBool::new(false));
        let found = thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    put(&bar, 0x1004, (begun.elapsed().as_micros() as u64 * TICKS_PER_US) as u32);
                }
            });
            // On a host that is busy the counter goes on by leaps, and has another rate or none.
            let is_right = |found: &FoundClock| {
                let rate = found.clock.info().ticks_per_s / 1_000_000;
                (TICKS_PER_US / 2..=TICKS_PER_US * 2).contains(&rate)
            };
            let found = (0..2_000).find_map(|_| routes_in(&devices, TICKS).found.filter(is_right));
            is_over.store(true, Ordering::Relaxed);
            found.expect("a clock")
        });
        assert_eq!(found.route, ClockRoute::InternalTimer);
        assert!(matches!(found.rate, RateBy::Measured { .. }), "{found:?}");
    }

    const TICKS: ClockInfo =
        ClockInfo { id: CLOCK, domain: Domain::NicTicks, ticks_per_s: 0, bits: 64 };

    #[test]
    fn each_way_around_the_driver_that_leads_nowhere_is_named_in_turn() {
        let counter = HostCounter::best();
        let ns = ClockInfo { domain: Domain::NicNs, ..TICKS };
        let is_built_in = cfg!(feature = "mlx5dv");
        for (info, last, why) in [
            (TICKS, ClockRoute::InternalTimer, ["built without the feature", "has no device at"]),
            (ns, ClockRoute::RealTime, ["built without the feature", "stamps are in real time"]),
        ] {
            let mut routes = ClockRoutes::default();
            around_the_driver(&mut routes, Path::new(PCI_DEVICES), "0000:7f:1f.7", info, &counter);
            assert!(routes.found.is_none());
            let [verbs, bar] = &routes.refused[..] else { panic!("{routes:?}") };
            assert_eq!((verbs.route, bar.route), (ClockRoute::Mlx5dv, last));
            assert!(verbs.why.contains(why[usize::from(is_built_in)]), "{verbs}");
            assert!(bar.why.contains("no PCI device at 0000:7f:1f.7"), "{bar}");
        }
    }

    #[test]
    fn a_reading_tells_ticks_from_the_time_of_day() {
        // A counter of 1 GHz after a year, and the time of day in 2026.
        let (ticks, time) = (31_536_000_000_000_000, 1_795_000_000_000_000_000);
        assert_eq!(is_of(Domain::NicTicks, ticks), Ok(()));
        assert_eq!(is_of(Domain::NicNs, time), Ok(()));
        assert!(is_of(Domain::NicTicks, time).unwrap_err().contains("rx_timestamp_real_time"));
        assert!(is_of(Domain::NicNs, ticks).unwrap_err().contains("a counter of ticks"));
    }
}
