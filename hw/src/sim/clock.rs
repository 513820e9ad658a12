//! The clock behind a modelled NIC's stamps: ticks of a crystal that is off, and wanders.

use fixwire_offload::stamp::{ClockInfo, Domain};
use fixwire_offload::time::{Instant, UtcTime};

use super::nic::CLOCK;

const NS_PER_S: i128 = 1_000_000_000;
/// Parts per billion.
const PPB: i128 = 1_000_000_000;

/// A NIC's clock, as data. Its true rate is the declared one and `drift_ppb`, and to and fro around that,
/// in straight lines, by `wander_ppb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelClock {
    /// What its ticks count while it does not tell the time of day.
    pub domain: Domain,
    /// Ticks per second, as the device declares.
    pub ticks_per_s: u64,
    /// Bits of a reading, 1 to 64. Past the last it is at zero again, in real time too.
    pub bits: u32,
    /// What it reads when the wire's clock is at its origin.
    pub origin: u64,
    /// Ahead of UTC by so much at that moment, where it tells the time of day.
    pub utc_offset_ns: i64,
    /// Its mean rate, ahead of the declared one.
    pub drift_ppb: i32,
    /// How far its rate wanders from that, either way.
    pub wander_ppb: u32,
    /// How long there and back again takes, in milliseconds.
    pub wander_period_ms: u32,
    /// The longest that a reading takes to get to the device, and that its answer takes back, in
    /// nanoseconds.
    pub bus_ns_max: u32,
}

impl ModelClock {
    /// The wire's own clock: right, in nanoseconds, and read in no time.
    pub const WIRE: ModelClock = ModelClock {
        domain: Domain::VirtualNs,
        ticks_per_s: NS_PER_S as u64,
        bits: u64::BITS,
        origin: 0,
        utc_offset_ns: 0,
        drift_ppb: 0,
        wander_ppb: 0,
        wander_period_ms: 0,
        bus_ns_max: 0,
    };

    /// A counter that has run for a while, on a crystal as servers have them, behind a bus.
    pub const fn counter(ticks_per_s: u64, bits: u32) -> ModelClock {
        ModelClock {
            domain: Domain::NicTicks,
            ticks_per_s,
            bits,
            origin: 1 << 40,
            utc_offset_ns: 0,
            drift_ppb: 12_000,
            wander_ppb: 40,
            wander_period_ms: 300_000,
            bus_ns_max: 500,
        }
    }

    /// The same, telling the time of day in nanoseconds.
    pub(super) fn in_real_time(self, utc_origin: UtcTime) -> ModelClock {
        let origin = utc_origin.as_unix_ns().wrapping_add_signed(self.utc_offset_ns);
        ModelClock { domain: Domain::NicNs, ticks_per_s: NS_PER_S as u64, origin, ..self }
    }

    pub(super) fn info(&self) -> ClockInfo {
        let ModelClock { domain, ticks_per_s, bits, .. } = *self;
        ClockInfo { id: CLOCK, domain, ticks_per_s, bits }
    }

    /// What it reads at `at`, its rate having wandered for `wandered_ns` at the wire's origin, and having
    /// jumped ahead by `jump_ns`.
    pub(super) fn reads(&self, at: Instant, wandered_ns: u64, jump_ns: i64) -> u64 {
        let at_ns = i128::from(at.as_ns());
        let from = i128::from(wandered_ns);
        let wander = self.wander_until(from + at_ns) - self.wander_until(from);
        // In nanoseconds times a billion: exact until the division.
        let phase = at_ns * (PPB + i128::from(self.drift_ppb)) + wander + i128::from(jump_ns) * PPB;
        let ticks = (phase * i128::from(self.ticks_per_s)).div_euclid(NS_PER_S * PPB);
        self.origin.wrapping_add(ticks as u64) & (u64::MAX >> (u64::BITS - self.bits.clamp(1, 64)))
    }

    /// By how much its wander has moved it after `ns`, in nanoseconds times a billion: a rate that rises from
    /// the least to the most in half a period and falls in the other, summed up.
    fn wander_until(&self, ns: i128) -> i128 {
        let half = i128::from(self.wander_period_ms) * 500_000;
        if half == 0 {
            return 0;
        }
        let (most, into) = (i128::from(self.wander_ppb), ns % half);
        let falls_behind = most * into * (half - into) / half;
        if (ns / half) % 2 == 0 { -falls_behind } else { falls_behind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn reads(clock: &ModelClock, ns: u64) -> u64 {
        clock.reads(Instant::from_ns(ns), 0, 0)
    }

    #[test]
    fn the_wire_s_clock_reads_what_it_is() {
        for ns in [0, 1, S, u64::MAX / 2, u64::MAX] {
            assert_eq!(reads(&ModelClock::WIRE, ns), ns);
        }
    }

    #[test]
    fn a_counter_counts_its_declared_ticks_and_its_drift() {
        let quiet = ModelClock { wander_ppb: 0, origin: 0, ..ModelClock::counter(78_125_000, 63) };
        for (drift_ppb, after_100_s) in
            [(0, 7_812_500_000), (12_000, 7_812_593_750), (-12_000, 7_812_406_250)]
        {
            let clock = ModelClock { drift_ppb, ..quiet };
            assert_eq!(reads(&clock, 100 * S), after_100_s);
        }
        // 12.8 ns to a tick, which is over when it is over.
        let exact = ModelClock { drift_ppb: 0, ..quiet };
        assert_eq!([12, 13, 25, 26].map(|ns| reads(&exact, ns)), [0, 1, 1, 2]);
    }

    #[test]
    fn past_its_last_bit_it_is_at_zero_again() {
        for bits in [32, 41, 48, 63, 64] {
            let last = u64::MAX >> (64 - bits);
            let clock = ModelClock { bits, origin: last - 9, ..ModelClock::WIRE };
            assert_eq!([9, 10, 19].map(|ns| reads(&clock, ns)), [last, 0, 9], "{bits} bits");
        }
    }

    #[test]
    fn wander_slows_first_and_is_over_after_each_period() {
        let clock = ModelClock { wander_ppb: 1_000, wander_period_ms: 2_000, ..ModelClock::WIRE };
        let ahead = |ns: u64| reads(&clock, ns) as i64 - ns as i64;
        // At the end of each half the rate is back where it was: 1000 ppb, a quarter of a second.
        assert_eq!([0, S / 2, S, 3 * S / 2, 2 * S].map(ahead), [0, -250, 0, 250, 0]);
        let mut last = 0;
        for ns in (0..4 * S).step_by(999_983) {
            let now = reads(&clock, ns);
            let rate_off = (now - last) as i64 - 999_983;
            assert!(ns == 0 || rate_off.abs() <= 2, "{rate_off} ns more than 1000 ppb at {ns}");
            last = now;
        }
        let later = clock.reads(Instant::from_ns(S), S / 2, 0);
        assert_eq!(later, S + 500, "from where the wander stood");
    }

    #[test]
    fn a_clock_in_real_time_tells_utc_and_its_offset() {
        let utc = UtcTime::from_unix_ns(1_790_000_000 * S);
        let clock = ModelClock {
            utc_offset_ns: -37,
            drift_ppb: 0,
            wander_ppb: 0,
            ..ModelClock::counter(78_125_000, 64)
        };
        let told = clock.in_real_time(utc);
        assert_eq!(reads(&told, 5), 1_790_000_000 * S + 5 - 37);
        assert_eq!((told.info().domain, told.info().ticks_per_s), (Domain::NicNs, S));
        let narrow = ModelClock { bits: 48, ..clock }.in_real_time(utc);
        assert_eq!(reads(&narrow, 5), (1_790_000_000 * S + 5 - 37) % (1 << 48));
    }
}
