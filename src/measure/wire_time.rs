//! Times that capture devices write, exact whatever unit they count in.
//!
//! Devices count nanoseconds, powers of ten or of two of a second, or nanoseconds and 2^-24 parts of one. Neither
//! picoseconds nor 2^-64 s hold all of these: 2^-40 s is no whole number of picoseconds, and a nanosecond no whole number
//! of 2^-64 s. What holds them is their product: a [`WireTime`] counts units of 10^-15 · 2^-37 s, in 128 bits. So a
//! difference is one subtraction, and nothing is divided before something is shown.

mod grain;

use core::fmt;
use core::ops::{Add, Neg, Sub};

pub use grain::{Grain, Rounding};

/// Every 10^-n s up to n = 15 and every 2^-n s up to n = 52 is a whole number of units.
const UNITS_PER_S: i128 = FS_PER_S << BINARY_DIGITS;
const BINARY_DIGITS: u32 = 37;
const DECIMAL_DIGITS: u32 = 15;
const FS_PER_S: i128 = 1_000_000_000_000_000;
const UNITS_PER_NS: i128 = UNITS_PER_S / 1_000_000_000;
const UNITS_PER_PS: i128 = UNITS_PER_NS / 1_000;
/// Further from 1970 no clock of anybody's is, in seconds: sums of two such times, and differences, stay in range.
const SECONDS_MAX: i64 = 1 << 38;

/// A point in time, since 1970-01-01 00:00:00 of the timescale that its [`Domain`](super::stamp::Domain) names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WireTime(i128);

/// What lies between two times, negative where the second came first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WireSpan(i128);

impl WireTime {
    /// Seconds and nanoseconds.
    pub const fn from_s_ns(s: u32, ns: u32) -> WireTime {
        WireTime(s as i128 * UNITS_PER_S + ns as i128 * UNITS_PER_NS)
    }

    /// Seconds, and of one more the part `fraction` · 2^-40.
    pub const fn from_s_and_2_pow_minus_40(s: u32, fraction: u64) -> WireTime {
        WireTime(s as i128 * UNITS_PER_S + fraction as i128 * (UNITS_PER_S >> 40))
    }

    /// So many ticks of a clock after its origin, of which a second has `per_s`, 1 at least; rounded down, by less than 10^-26 s.
    pub fn from_ticks(ticks: u64, per_s: u64) -> WireTime {
        WireTime(units(ticks, per_s))
    }

    /// Whole seconds, rounded down.
    pub const fn as_s(self) -> i64 {
        self.0.div_euclid(UNITS_PER_S) as i64
    }

    /// Nanoseconds past the whole second, rounded down.
    pub const fn subsec_ns(self) -> u32 {
        (self.0.rem_euclid(UNITS_PER_S) / UNITS_PER_NS) as u32
    }

    /// Later by so many seconds, or none where that is past every clock.
    pub fn plus_s(self, s: i64) -> Option<WireTime> {
        in_range(s)
            .then(|| WireTime(self.0 + i128::from(s) * UNITS_PER_S))
            .filter(|at| at.is_in_range())
    }

    const fn is_in_range(self) -> bool {
        self.0.unsigned_abs() <= (SECONDS_MAX as i128 * UNITS_PER_S).unsigned_abs()
    }
}

/// Ticks in units: the seconds, and what is left of them.
fn units(ticks: u64, per_s: u64) -> i128 {
    let (ticks, per_s) = (i128::from(ticks), i128::from(per_s.max(1)));
    let rest = ticks % per_s;
    // A rate that is no clock's is cut off before it overflows.
    let of_rest = rest.checked_mul(UNITS_PER_S).map_or(0, |units| units / per_s);
    (ticks / per_s).saturating_mul(UNITS_PER_S).saturating_add(of_rest)
}

const fn in_range(s: i64) -> bool {
    s.unsigned_abs() <= SECONDS_MAX.unsigned_abs()
}

impl WireSpan {
    /// No time at all.
    pub const ZERO: WireSpan = WireSpan(0);

    /// Nanoseconds.
    pub const fn from_ns(ns: i64) -> WireSpan {
        WireSpan(ns as i128 * UNITS_PER_NS)
    }

    /// Ticks of a clock, of which a second has `per_s`, 1 at least; rounded down, by less than 10^-26 s.
    pub fn from_ticks(ticks: u64, per_s: u64) -> WireSpan {
        WireSpan(units(ticks, per_s))
    }

    /// The part of it that so many parts per billion are, rounded up.
    pub const fn parts_per_billion(self, ppb: u32) -> WireSpan {
        WireSpan((self.0.unsigned_abs() / 1_000_000_000 + 1) as i128 * ppb as i128)
    }

    /// Seconds.
    pub const fn from_s(s: u32) -> WireSpan {
        WireSpan(s as i128 * UNITS_PER_S)
    }

    /// Parts of a nanosecond, each 2^-24 of one.
    pub const fn from_2_pow_minus_24_ns(parts: u32) -> WireSpan {
        WireSpan(parts as i128 * (UNITS_PER_NS >> 24))
    }

    /// In picoseconds, rounded to the nearest, a half away from zero.
    pub const fn as_ps(self) -> i128 {
        let half = if self.0 < 0 { -UNITS_PER_PS / 2 } else { UNITS_PER_PS / 2 };
        (self.0 + half) / UNITS_PER_PS
    }

    /// Whichever came first.
    pub const fn abs(self) -> WireSpan {
        WireSpan(self.0.abs())
    }
}

impl Add<WireSpan> for WireTime {
    type Output = WireTime;

    fn add(self, span: WireSpan) -> WireTime {
        WireTime(self.0 + span.0)
    }
}

impl Sub for WireTime {
    type Output = WireSpan;

    fn sub(self, earlier: WireTime) -> WireSpan {
        WireSpan(self.0 - earlier.0)
    }
}

impl Add for WireSpan {
    type Output = WireSpan;

    fn add(self, other: WireSpan) -> WireSpan {
        WireSpan(self.0 + other.0)
    }
}

impl Sub for WireSpan {
    type Output = WireSpan;

    fn sub(self, other: WireSpan) -> WireSpan {
        WireSpan(self.0 - other.0)
    }
}

impl Neg for WireSpan {
    type Output = WireSpan;

    fn neg(self) -> WireSpan {
        WireSpan(-self.0)
    }
}

impl fmt::Display for WireTime {
    /// Seconds with twelve decimals, rounded down to a picosecond.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PS_PER_S: u128 = 1_000_000_000_000;
        let ps = self.0.div_euclid(UNITS_PER_PS);
        let (sign, ps) = (if ps < 0 { "-" } else { "" }, ps.unsigned_abs());
        write!(f, "{sign}{}.{:012}", ps / PS_PER_S, ps % PS_PER_S)
    }
}

/// What one tick of a clock is worth, 10^-n or 2^-n of a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolution(Tick);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tick {
    /// In units: nothing is rounded.
    Units(i128),
    /// Finer than a unit: 2^-n s, and 10^-n s.
    Binary(u32),
    Decimal(u32),
}

impl Resolution {
    /// Nanoseconds.
    pub const NS: Resolution = Resolution::decimal(9);
    /// Microseconds.
    pub const US: Resolution = Resolution::decimal(6);

    /// 10^-n s.
    pub const fn decimal(n: u32) -> Resolution {
        Resolution(if n <= DECIMAL_DIGITS {
            Tick::Units(UNITS_PER_S / 10_i128.pow(n))
        } else {
            Tick::Decimal(n)
        })
    }

    /// 2^-n s.
    pub const fn binary(n: u32) -> Resolution {
        Resolution(if n <= DECIMAL_DIGITS + BINARY_DIGITS {
            Tick::Units(UNITS_PER_S >> n)
        } else {
            Tick::Binary(n)
        })
    }

    /// As the option if_tsresol says it (draft-ietf-opsawg-pcapng 4.2).
    pub const fn from_if_tsresol(value: u8) -> Resolution {
        let n = (value & 0x7f) as u32;
        if value & 0x80 == 0 { Resolution::decimal(n) } else { Resolution::binary(n) }
    }

    /// So many ticks after 1970, or none where that is past every clock. Of ticks finer than 10^-15 s and 2^-52 s the time is
    /// rounded down, by less than 10^-26 s.
    pub fn time(self, ticks: u64) -> Option<WireTime> {
        let units = match self.0 {
            Tick::Units(units) => i128::from(ticks).checked_mul(units)?,
            Tick::Binary(n) => (i128::from(ticks) * FS_PER_S) >> (n - BINARY_DIGITS),
            Tick::Decimal(n) => {
                let tenths = 10_i128.checked_pow(n - DECIMAL_DIGITS);
                tenths.map_or(0, |tenths| (i128::from(ticks) << BINARY_DIGITS) / tenths)
            }
        };
        Some(WireTime(units)).filter(|at| at.is_in_range())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_of_any_rate_are_a_time() {
        for (ticks, per_s, ps) in [
            (0, 1_000_000_000, 0),
            (1, 1_000_000_000, 1_000),
            (1, 78_125_000, 12_800),
            (3, 3_000_000_000, 1_000),
            (2_500_000_000 * 86_400 * 365, 2_500_000_000, 86_400 * 365 * 1_000_000_000_000),
            (5, 0, 5 * 1_000_000_000_000),
        ] {
            assert_eq!(WireSpan::from_ticks(ticks, per_s).as_ps(), ps, "{ticks} of {per_s}");
        }
        assert!(WireTime::from_ticks(u64::MAX, 1).as_s() > 0);
        assert_eq!(WireSpan::from_ns(1_000_000).parts_per_billion(200_000).as_ps(), 200_000);
    }

    #[test]
    fn each_published_unit_is_a_whole_number_of_ours() {
        for n in 0..=15 {
            assert_eq!(UNITS_PER_S % 10_i128.pow(n), 0, "10^-{n}");
            let tick = Resolution::decimal(n).time(1).unwrap();
            assert_eq!(tick.0 * 10_i128.pow(n), UNITS_PER_S);
        }
        for n in 0..=52 {
            assert_eq!(UNITS_PER_S % (1_i128 << n), 0, "2^-{n}");
            assert_eq!(Resolution::binary(n).time(1).unwrap().0 << n, UNITS_PER_S);
        }
        assert_eq!(UNITS_PER_NS % (1 << 24), 0);
        let all = WireSpan::from_2_pow_minus_24_ns(1 << 23);
        assert_eq!(all.0 * 2, UNITS_PER_NS);
        let half = WireTime::from_s_and_2_pow_minus_40(7, 1 << 39);
        assert_eq!(half, WireTime::from_s_ns(7, 500_000_000));
    }

    #[test]
    fn a_tick_finer_than_a_unit_is_rounded_down_and_keeps_its_order() {
        for (value, ticks, ns) in [
            (0x80 | 63, u64::MAX, 1_999_999_999_u64),
            (0x80 | 64, 1 << 63, 500_000_000),
            (0x80 | 127, u64::MAX, 0),
            (18, 1_500_000_000_000_000_001, 1_500_000_000),
            (19, u64::MAX, 1_844_674_407),
            (127, u64::MAX, 0),
        ] {
            let resolution = Resolution::from_if_tsresol(value);
            let at = resolution.time(ticks).unwrap();
            let read = at.as_s() as u64 * 1_000_000_000 + u64::from(at.subsec_ns());
            assert_eq!(read, ns, "if_tsresol {value:#x}");
            assert!(resolution.time(ticks - 1).unwrap() <= at);
        }
    }

    #[test]
    fn a_time_past_every_clock_is_none() {
        assert_eq!(Resolution::from_if_tsresol(0).time(u64::MAX), None);
        assert_eq!(Resolution::from_if_tsresol(0).time(1 << 39), None);
        let late = Resolution::from_if_tsresol(0).time(1 << 38).unwrap();
        assert_eq!((late.as_s(), late.plus_s(1)), (1 << 38, None));
        let at = Resolution::NS.time(5).unwrap();
        assert_eq!((at.plus_s(i64::MIN), at.plus_s(i64::MAX)), (None, None));
        let before = at.plus_s(-1).unwrap();
        assert_eq!((before.as_s(), before.subsec_ns()), (-1, 5));
    }

    #[test]
    fn spans_are_shown_in_picoseconds_to_the_nearest() {
        let at = WireTime::from_s_ns(3, 1);
        let later = at + WireSpan::from_2_pow_minus_24_ns(1);
        // 2^-24 ns is 5.96e-8 ns.
        assert_eq!(((later - at).as_ps(), later > at), (0, true));
        let sub = WireSpan::from_2_pow_minus_24_ns(0x80_0000);
        assert_eq!((sub.as_ps(), (-sub).as_ps(), (-sub).abs()), (500, -500, sub));
        // 2^-40 s is 0.909 ps.
        let tick = WireTime::from_s_and_2_pow_minus_40(3, 1) - WireTime::from_s_ns(3, 0);
        assert_eq!((tick.as_ps(), (-tick).as_ps()), (1, -1));
        assert_eq!(later.to_string(), "3.000000001000");
        let half = WireTime::from_s_ns(0, 500_000_000);
        for (before, shown) in
            [(1, "-0.500000000000"), (0, "0.500000000000"), (3, "-2.500000000000")]
        {
            assert_eq!((half + -WireSpan::from_s(before)).to_string(), shown);
        }
        let just_before = WireTime::from_s_ns(0, 0) + -WireSpan::from_2_pow_minus_24_ns(1);
        assert_eq!(just_before.to_string(), "-0.000000000001", "rounded down");
    }
}
