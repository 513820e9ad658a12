//! What stamps cost on this machine, and how well they become times.
//!
//! ```sh
//! cargo run --release -p fixwire-hw --example clocks -- 5     # seconds
//! ```
//!
//! Figures of the host's clocks, no NIC's. On a machine that does other things beside, the cheapest of
//! several goes and the bounds' spread say more than any one of them.

use std::hint::black_box;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fixwire_hw::clock::HostClock;
use fixwire_hw::clock_service::ClockService;
use fixwire_hw::host_counter::HostCounter;
use fixwire_offload::profile::ClockSettings;

const GOES: usize = 20;
const READINGS_A_GO: u32 = 100_000;

fn main() {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(5);
    let (counter, mono) = (HostCounter::best(), HostClock::new());
    match counter {
        HostCounter::Tsc(tsc) => println!("software stamps: host TSC, {}", tsc.rate()),
        HostCounter::Mono(_) => println!("software stamps: host monotonic clock, ns"),
    }
    println!("a stamp               {:5.1} ns", cost_ns(|| counter.stamp()));
    println!("HostClock::mono       {:5.1} ns", cost_ns(|| mono.mono()));
    tell_times(counter, seconds);
}

/// What one call costs, in the cheapest of several goes.
fn cost_ns<T>(mut call: impl FnMut() -> T) -> f64 {
    let go = |_| {
        let begun = Instant::now();
        (0..READINGS_A_GO).for_each(|_| drop(black_box(call())));
        begun.elapsed()
    };
    let cheapest = (0..GOES).map(go).min().unwrap_or_default();
    cheapest.as_secs_f64() * 1e9 / f64::from(READINGS_A_GO)
}

/// Bounds and errors of times told while a clock service runs, second by second.
fn tell_times(counter: HostCounter, seconds: u64) {
    let service = match ClockService::start(counter, None, &ClockSettings::default()) {
        Ok(service) => service,
        Err(error) => return println!("{error}"),
    };
    let mut reader = service.reader();
    println!("second  bound p50, ns  max, ns  outside of it");
    for second in 1..=seconds {
        let (mut bounds_ns, mut outside) = (Vec::new(), 0);
        for _ in 0..500 {
            sleep(Duration::from_millis(2));
            let before = utc_ns();
            let stamp = counter.stamp();
            let after = utc_ns();
            let Ok(time) = reader.convert(&stamp, stamp.ticks) else { continue };
            let (utc, bound) = (time.utc.as_unix_ns(), time.error_bound_ns);
            // The moment of the stamp is somewhere between the two.
            outside += u64::from(utc + bound < before || utc > after + bound);
            bounds_ns.push(bound);
        }
        bounds_ns.sort_unstable();
        let median = bounds_ns.get(bounds_ns.len() / 2).copied().unwrap_or_default();
        let most = bounds_ns.last().copied().unwrap_or_default();
        println!("{second:6}  {median:13}  {most:7}  {outside} of {}", bounds_ns.len());
    }
    let stamp = counter.stamp();
    let convert = cost_ns(|| reader.convert(&stamp, stamp.ticks));
    let outcome = reader.convert(&stamp, stamp.ticks).map_or("none", |_| "a time");
    println!("to convert a stamp    {convert:5.1} ns ({outcome})");
    match service.stop() {
        Ok(counters) => {
            let counted = counters.iter().filter(|(_, _, count)| *count > 0);
            let words: Vec<_> =
                counted.map(|(whose, name, count)| format!("{whose} {name} {count}")).collect();
            println!("{}", words.join(", "));
        }
        Err(error) => println!("{error}"),
    }
}

fn utc_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}
